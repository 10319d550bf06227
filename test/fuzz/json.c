/*-------------------------------------------------------------------------
 *
 * json.c
 *	  The fuzz target of what is in JSON: any bytes as the JSON of any message.
 *
 * What is read must be written as JSON that is read as the same message; what is refused must
 * be the client's fault in the error's own words; and neither may cost memory out of proportion to
 * the bytes that came, or leave any behind.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/fuzz/json.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "json/pbjson.h"
#include "store/pbmem.h"

#include "fuzz.h"

#undef fprintf

/*
 * What reading may take for each byte, and besides.  A byte can begin an array, so the first is not small;
 * the second has room for one number that is as long as numeric allows.
 */
#define BYTE_COST	256
#define BASE_COST	(192 * 1024)

/* json_try_parse() takes no deeper nesting, but we write it */
#define TRIED_NESTING	500

uint64		fuzz_json_accepted;

typedef struct Bytes
{
	char	   *data;
	size_t		len;
} Bytes;

static void
fail(const char *what, Bytes json)
{
	fprintf(stderr, "%s: %.*s\n", what, (int) Min(json.len, 1000), json.data);
	abort();
}

static Bytes
pack(const ProtobufCMessage *message)
{
	Bytes		packed;

	packed.data = pb_pack(message, &packed.len);
	return packed;
}

static bool
same_bytes(Bytes a, Bytes b)
{
	return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

/* An ERROR that tells a client what is wrong, and not that we are */
static void
check_error(Bytes json)
{
	ErrorData  *error = CopyErrorData();
	int			class = ERRCODE_TO_CATEGORY(error->sqlerrcode);

	FlushErrorState();
	if (class != ERRCODE_TO_CATEGORY(ERRCODE_DATA_EXCEPTION) &&
		class != ERRCODE_TO_CATEGORY(ERRCODE_PROGRAM_LIMIT_EXCEEDED))
		fail(error->message, json);
	if (error->message == NULL || error->message[0] == '\0')
		fail("an error without a message", json);
}

/* Read JSON; NULL if it is refused */
static ProtobufCMessage *
read_json(const ProtobufCMessageDescriptor *descriptor, Bytes json, PbJsonStyle style)
{
	MemoryContext context = CurrentMemoryContext;
	ProtobufCMessage *volatile message = NULL;

	PG_TRY();
	{
		message = pbjson_from_text(descriptor, json.data, json.len, style);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		check_error(json);
	}
	PG_END_TRY();
	return message;
}

static Bytes
write_json(const ProtobufCMessage *message, PbJsonStyle style)
{
	StringInfoData buf;

	initStringInfo(&buf);
	pbjson_append(&buf, message, style);
	return (Bytes) {buf.data, buf.len};
}

static int
nesting(Bytes json)
{
	int			depth = 0;
	int			deepest = 0;
	size_t		i;

	for (i = 0; i < json.len; i++)
	{
		if (json.data[i] == '{' || json.data[i] == '[')
			deepest = Max(deepest, ++depth);
		else if (json.data[i] == '}' || json.data[i] == ']')
			depth--;
	}
	return deepest;
}

/* Written and read again a message is what it was */
static void
check_style(const ProtobufCMessage *message, Bytes packed, PbJsonStyle style)
{
	Bytes		json = write_json(message, style);
	ProtobufCMessage *again = read_json(message->descriptor, json, style);

	if (again == NULL)
		fail("refused what we wrote", json);
	if (!same_bytes(pack(again), packed))
		fail("read another message than we wrote", json);
	if (!same_bytes(write_json(again, style), json))
		fail("wrote the same message in two ways", json);
	if (json_try_parse(json.data, json.len) == NULL && nesting(json) <= TRIED_NESTING)
		fail("not JSON, but we wrote it", json);
}

static void
check_message(const ProtobufCMessage *message, Bytes json)
{
	Bytes		packed = pack(message);
	ProtobufCMessage *again = pb_unpack(message->descriptor, packed.data, packed.len);

	if (again == NULL || !same_bytes(pack(again), packed))
		fail("a message that has no bytes", json);
	check_style(message, packed, PBJSON_WIRE);
	check_style(message, packed, PBJSON_READABLE);
	again = pbjson_from_jsonb(message->descriptor, pbjson_to_jsonb(message, PBJSON_WIRE), PBJSON_WIRE);
	if (!same_bytes(pack(again), packed))
		fail("another message by way of jsonb", json);
}

/*
 * The JSON of a message that never was JSON says the same when it is read and written again.  Texts are
 * compared, as bytes are not the same: a string that is not UTF-8 comes back as its base64, and
 * fields that are unknown do not.
 */
static void
check_text(const ProtobufCMessage *message, PbJsonStyle style)
{
	Bytes		json = write_json(message, style);
	ProtobufCMessage *again = read_json(message->descriptor, json, style);

	if (again == NULL)
		fail("refused what we wrote", json);
	if (!same_bytes(write_json(again, style), json))
		fail("JSON that is not all of its message", json);
}

void
fuzz_json_of(const ProtobufCMessage *message)
{
	check_text(message, PBJSON_WIRE);
	check_text(message, PBJSON_READABLE);
}

static void
check_cost(Size before, Bytes json)
{
	if (fuzz_memory_peak - before > BASE_COST + BYTE_COST * json.len)
		fail("cost too much memory", json);
}

/* What is JSON at all, which is never an error */
static void
try_any(Bytes json)
{
	Size		before = fuzz_memory_used;

	fuzz_memory_peak = before;
	(void) json_try_parse(json.data, json.len);
	check_cost(before, json);
}

static void
try_style(const ProtobufCMessageDescriptor *descriptor, Bytes json, PbJsonStyle style)
{
	Size		before = fuzz_memory_used;
	ProtobufCMessage *message;

	fuzz_memory_peak = before;
	message = read_json(descriptor, json, style);
	check_cost(before, json);
	if (message == NULL)
		return;
	fuzz_json_accepted++;
	check_message(message, json);
}

void
fuzz_json(const uint8 *data, size_t len)
{
	MemoryContext old = CurrentMemoryContext;
	Size		before = fuzz_memory_used;
	const ProtobufCMessageDescriptor *descriptor;
	MemoryContext request;
	Bytes		json;

	if (len < 1)
		return;
	descriptor = fuzz_message(data[0] % fuzz_message_count());
	json.len = len - 1;
	json.data = malloc(json.len);	/* so that a step beyond it is seen */
	memcpy(json.data, data + 1, json.len);

	request = AllocSetContextCreate(old, "request", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(request);
	fuzz_stack_begins();
	try_any(json);
	try_style(descriptor, json, PBJSON_WIRE);
	try_style(descriptor, json, PBJSON_READABLE);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(request);

	if (fuzz_memory_used != before)
		fail("left memory behind", json);
	free(json.data);
}
