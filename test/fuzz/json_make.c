/*-------------------------------------------------------------------------
 *
 * json_make.c
 *	  JSON of any message, made up from its descriptor, for the fuzz target of what is in JSON.
 *
 * Bytes at random are hardly ever a message; and what is mostly right, with one thing in it that is not, comes
 * farther than what is wrong at its beginning.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/fuzz/json_make.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fuzz.h"

/* Messages that contain themselves are not followed farther */
#define DEPTH_MAX	6

/* What fills the room leaves this for the end of the message, in bytes */
#define ROOM_KEPT	256

typedef struct Maker
{
	uint32		(*below) (uint32 n);
	char	   *at;
	char	   *limit;
} Maker;

static const char *const integers[] = {
	"0", "1", "-1", "\"0\"", "\"7\"", "\"-12\"", "2147483647", "-2147483649", "4294967296", "\"9223372036854775807\"",
	"-9223372036854775808", "9223372036854775808", "\"18446744073709551615\"", "18446744073709551616", "1.0",
	"10.000", "1.5", "1e3", "-0", "-0.0", "1e18", "1E+2", "120e-1", "0e-9999", "1e131071", "1e400000", "\"1e3\"", "\"+5\"", "\" 5\"",
	"\"5 \"", "\"0x10\"", "\"\"", "\"-\""
};

static const char *const bytes[] = {
	"\"\"", "\"YQ==\"", "\"YQ\"", "\"YWI=\"", "\"YWI\"", "\"YWJj\"", "\"AA==\"", "\"+/+/\"", "\"-_-_\"", "\"+_==\"", "\"/w==\"", "\"w6k=\"",
	"\"YQ=\"", "\"Y===\"", "\"Y\"", "\"=\"", "\"====\"", "\"Y Q=\"", "\"YQ==\\n\"", "{\"base64\": \"_w\"}", "{\"base64\": 1}", "{\"base64\":\"YWI=\",\"x\":1}",
	"\"\\u0041\\u0041\\u003d\\u003d\""
};

static const char *const strings[] = {
	"\"\"", "\"root\"", "\"a/b\"", "\"\\u0000\"", "\"\\u00e9\\ud83d\\ude00\"", "\"\\ud83d\"", "\"\\b\\f\\n\\r\\t\\/\\\\\\\"\"", "\"\xc3\xa9\"", "\"\xff\"",
	"\"\x7f\\u001f\\ufffe\"", "\"http://127.0.0.1:2380\""
};

static const char *const numbers[] = {"0", "1.5", "-1e300", "1e400", "\"NaN\"", "\"Infinity\"", "\"-Infinity\"", "5e-324"};

/* What fits nowhere, or everywhere */
static const char *const odd[] = {
	"null", "true", "false", "[]", "{}", "[null]", "[[]]", "{\"\":null}", "\"x\"", "5", "nul", "", "{\"a\":{\"a\":{\"a\":[1,{}]}}}"
};

static void
put_bytes(Maker *maker, const char *text, size_t len)
{
	len = Min(len, (size_t) (maker->limit - maker->at));
	memcpy(maker->at, text, len);
	maker->at += len;
}

static void
put(Maker *maker, const char *text)
{
	put_bytes(maker, text, strlen(text));
}

#define PUT_ONE_OF(maker, texts)	put(maker, texts[maker->below(lengthof(texts))])

static bool
one_in(Maker *maker, uint32 n)
{
	return maker->below(n) == 0;
}

/* As in the .proto file, or in lowerCamelCase */
static void
put_name(Maker *maker, const char *name)
{
	bool		camel = one_in(maker, 3);

	put(maker, "\"");
	for (; *name != '\0'; name++)
	{
		if (camel && name[0] == '_' && name[1] >= 'a' && name[1] <= 'z')
		{
			char		upper = *++name - 'a' + 'A';

			put_bytes(maker, &upper, 1);
		}
		else
			put_bytes(maker, name, 1);
	}
	put(maker, "\":");
}

static void
put_enum(Maker *maker, const ProtobufCEnumDescriptor *descriptor)
{
	if (one_in(maker, 4))
	{
		PUT_ONE_OF(maker, integers);
		return;
	}
	put(maker, "\"");
	put(maker, descriptor->values[maker->below(descriptor->n_values)].name);
	put(maker, "\"");
}

static void put_message(Maker *maker, const ProtobufCMessageDescriptor *descriptor, int depth);

static void
put_value(Maker *maker, const ProtobufCFieldDescriptor *field, int depth)
{
	if (one_in(maker, 20))
	{
		PUT_ONE_OF(maker, odd);
		return;
	}
	switch (field->type)
	{
		case PROTOBUF_C_TYPE_FLOAT:
		case PROTOBUF_C_TYPE_DOUBLE:
			PUT_ONE_OF(maker, numbers);
			break;
		case PROTOBUF_C_TYPE_BOOL:
			put(maker, one_in(maker, 2) ? "true" : "false");
			break;
		case PROTOBUF_C_TYPE_ENUM:
			put_enum(maker, field->descriptor);
			break;
		case PROTOBUF_C_TYPE_STRING:
			PUT_ONE_OF(maker, strings);
			break;
		case PROTOBUF_C_TYPE_BYTES:
			PUT_ONE_OF(maker, bytes);
			break;
		case PROTOBUF_C_TYPE_MESSAGE:
			put_message(maker, field->descriptor, depth + 1);
			break;
		default:
			PUT_ONE_OF(maker, integers);
			break;
	}
}

/* An element, or what a client might hope to be too much: as many of it as there is room for */
static void
put_element(Maker *maker, const ProtobufCFieldDescriptor *field, int depth)
{
	const char *begin = maker->at;
	size_t		len;

	put_value(maker, field, depth);
	len = maker->at - begin;
	if (!one_in(maker, 32))
		return;
	while ((size_t) (maker->limit - maker->at) > len + ROOM_KEPT)
	{
		put(maker, ",");
		put_bytes(maker, begin, len);
	}
}

static void
put_field(Maker *maker, const ProtobufCFieldDescriptor *field, int depth)
{
	uint32		n;

	put_name(maker, field->name);
	if (field->label != PROTOBUF_C_LABEL_REPEATED || one_in(maker, 20))
	{
		put_value(maker, field, depth);
		return;
	}
	put(maker, "[");
	for (n = maker->below(4); n > 0; n--)
	{
		put_element(maker, field, depth);
		if (n > 1)
			put(maker, ",");
	}
	put(maker, "]");
}

/* Any of the fields, some of them twice, and of those that exclude each other more than one */
static void
put_message(Maker *maker, const ProtobufCMessageDescriptor *descriptor, int depth)
{
	uint32		n = depth < DEPTH_MAX && descriptor->n_fields > 0 ? maker->below(5) : 0;

	put(maker, "{");
	if (one_in(maker, 20))
	{
		put(maker, "\"unknown\":");
		PUT_ONE_OF(maker, odd);
		put(maker, n > 0 ? "," : "");
	}
	for (; n > 0; n--)
	{
		put_field(maker, &descriptor->fields[maker->below(descriptor->n_fields)], depth);
		if (n > 1)
			put(maker, one_in(maker, 10) ? " ,\n\t" : ",");
	}
	put(maker, "}");
}

size_t
fuzz_json_make(uint32 (*below) (uint32 n), uint8 *input, size_t size)
{
	Maker		maker = {below, (char *) input + 1, (char *) input + size};

	/* the last one has more to it than any other */
	input[0] = (uint8) (one_in(&maker, 8) ? fuzz_message_count() - 1 : below(fuzz_message_count()));
	put_message(&maker, fuzz_message(input[0]), 0);
	return maker.at - (char *) input;
}
