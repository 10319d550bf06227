/*-------------------------------------------------------------------------
 *
 * range.c
 *	  Range and RangeStream.
 *
 * A response is packed while the keys are visited, so that it is in memory once.  Long
 * ranges are read in slices, one a turn, all of the same revision.
 *
 * RangeStream sends what has been read as soon as it makes a chunk, and reads no further
 * while its client does not take it.  Its header and totals are in the last chunk.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/range.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "gateway/caller.h"
#include "gateway/errors.h"
#include "gateway/header.h"
#include "gateway/kv.h"
#include "gateway/request.h"
#include "settings.h"

/* How long a slice takes */
#define SLICE_USEC				1500

/* Largest response: what a client of gRPC can take at all is twice as much */
#define RESPONSE_MAX_BYTES		((size_t) 1024 * 1024 * 1024)

/* Keys of the first chunk of a stream (etcd's) */
#define FIRST_CHUNK_KEYS		10

/* First size of the buffer of a response */
#define BODY_MIN_BYTES			4096

/* A response up to this may always be made */
#define BODY_SMALL_BYTES		(64 * 1024)

/* Most bytes of a tag and a varint */
#define FIELD_HEAD_MAX			11

/* Tags: field number and wire type */
#define TAG_RANGE_RESPONSE		0x0a	/* RangeStreamResponse.range_response */
#define TAG_KVS					0x12	/* RangeResponse.kvs */
#define TAG_MORE				0x18
#define TAG_COUNT				0x20

static const CallError too_large_response =
{GRPC_RESOURCE_EXHAUSTED, "etcdserver: response is too large, ask for less at a time"};
static const CallError no_memory =
{GRPC_RESOURCE_EXHAUSTED, "etcdserver: out of memory"};
static const CallError no_such_stream =
{GRPC_UNIMPLEMENTED, "etcdserver: range stream supports no sort order and no filter"};

typedef struct RangeCall
{
	Request		base;
	Call	   *call;
	Etcdserverpb__RangeRequest request; /* its bytes are the call's */
	bool		streams;
	StoreRangeRead *read;		/* NULL before the first slice */

	/* the packed response, all but the header; or the chunk of a stream */
	SharedBytes *body;			/* its length is the room there is */
	size_t		used;
	const CallError *failed;	/* it could not take all */

	int64		chunk_keys;		/* so many make a chunk */
	int64		keys;			/* in this one */
} RangeCall;

/* ----------------------------------------------------------------
 *	Packing
 * ----------------------------------------------------------------
 */

static size_t
put_varint(uint8 *bytes, uint64 value)
{
	size_t		n = 0;

	while (value >= 0x80)
	{
		bytes[n++] = (uint8) (value | 0x80);
		value >>= 7;
	}
	bytes[n++] = (uint8) value;
	return n;
}

/*
 * Make room for so many bytes more in the body; NULL, and failed set, where there is none.
 */
static uint8 *
body_reserve(RangeCall *range, size_t more)
{
	size_t		wanted = range->used + more;

	if (wanted > RESPONSE_MAX_BYTES)
	{
		range->failed = &too_large_response;
		return NULL;
	}
	if (range->body == NULL || wanted > range->body->len)
	{
		size_t		old = range->body == NULL ? 0 : range->body->len;
		size_t		room = Max(Max(wanted, BODY_MIN_BYTES), old * 2);
		SharedBytes *body = NULL;

		/* what is small is answered even while others have taken all the memory */
		if (room <= BODY_SMALL_BYTES || memory_allows(room - old))
			body = range->body == NULL ? shared_bytes_new(room) :
				shared_bytes_resize(range->body, room);
		if (body == NULL)
		{
			range->failed = &no_memory;
			return NULL;
		}
		range->body = body;
	}
	return range->body->data + range->used;
}

static bool
body_add_kv(RangeCall *range, const Mvccpb__KeyValue *kv)
{
	size_t		len = mvccpb__key_value__get_packed_size(kv);
	uint8	   *place = body_reserve(range, FIELD_HEAD_MAX + len);
	size_t		head;

	if (place == NULL)
		return false;
	place[0] = TAG_KVS;
	head = 1 + put_varint(place + 1, len);
	mvccpb__key_value__pack(kv, place + head);
	range->used += head + len;
	return true;
}

/* Add the totals behind the keys; false if there is no memory for them */
static bool
body_add_totals(RangeCall *range)
{
	const StoreRangeInfo *info = store_range_info(range->read);
	uint8	   *place = body_reserve(range, 2 * FIELD_HEAD_MAX);
	size_t		n = 0;

	if (place == NULL)
		return false;
	if (info->more)
	{
		place[n++] = TAG_MORE;
		place[n++] = 1;
	}
	if (info->count != 0)
	{
		place[n++] = TAG_COUNT;
		n += put_varint(place + n, (uint64) info->count);
	}
	range->used += n;
	return true;
}

/* The body as it is, for sending; NULL if it is empty */
static SharedBytes *
body_take(RangeCall *range)
{
	SharedBytes *body = range->body;

	if (body != NULL)
		body = shared_bytes_resize(body, range->used);	/* to less, which cannot fail */
	range->body = NULL;
	range->used = 0;
	return body;
}

static void
body_drop(RangeCall *range)
{
	if (range->body != NULL)
		shared_bytes_release(range->body);
	range->body = NULL;
	range->used = 0;
}

/* ----------------------------------------------------------------
 *	Sending
 * ----------------------------------------------------------------
 */

static void
fail(RangeCall *range, const CallError *error)
{
	body_drop(range);
	errors_finish_with(range->call, error);
}

/*
 * Send what has been read as a chunk of the stream; the last one has the header.
 */
static void
send_chunk(RangeCall *range, bool last)
{
	uint8		head[FIELD_HEAD_MAX + HEADER_FIELD_MAX];
	uint8		header[HEADER_FIELD_MAX];
	size_t		header_len = 0;
	size_t		n;
	SharedBytes *body;

	if (last)
		header_len = header_pack_field(store_range_info(range->read)->revision, header);
	body = body_take(range);
	head[0] = TAG_RANGE_RESPONSE;
	n = 1 + put_varint(head + 1, header_len + (body != NULL ? body->len : 0));
	memcpy(head + n, header, header_len);
	call_send_packed(range->call, head, n + header_len, body);
	if (body != NULL)
		shared_bytes_release(body);
	range->keys = 0;
}

/*
 * A chunk is full: send it, and let the next one be twice or half as large, towards
 * the largest request.
 */
static void
turn_chunk(RangeCall *range)
{
	size_t		bytes = range->used;

	send_chunk(range, false);
	if (bytes > (size_t) setting_max_request_bytes)
		range->chunk_keys = Max(range->chunk_keys / 2, 1);
	else if (bytes < (size_t) setting_max_request_bytes / 2)
		range->chunk_keys *= 2;
}

static void
finish(RangeCall *range)
{
	uint8		head[HEADER_FIELD_MAX];
	size_t		head_len;
	SharedBytes *body;

	if (!body_add_totals(range))
	{
		fail(range, range->failed);
		return;
	}
	if (range->streams)
	{
		send_chunk(range, true);
		call_finish(range->call, GRPC_OK, NULL);
		return;
	}
	head_len = header_pack_field(store_range_info(range->read)->revision, head);
	body = body_take(range);
	call_reply_packed(range->call, head, head_len, body);
	shared_bytes_release(body);
}

/* ----------------------------------------------------------------
 *	Reading
 * ----------------------------------------------------------------
 */

/* StoreKvVisit */
static bool
visit_kv(const Mvccpb__KeyValue *kv, void *arg)
{
	RangeCall  *range = arg;

	if (!body_add_kv(range, kv))
		return false;
	if (!range->streams)
		return true;
	if (++range->keys >= range->chunk_keys ||
		range->used >= (size_t) setting_max_request_bytes)
		turn_chunk(range);
	return !call_is_congested(range->call);
}

/*
 * Read a slice, and go on in the next turn if that was not all.
 */
static void
read_slice(Call *call, void *arg)
{
	RangeCall  *range = call->state;
	StoreCaller caller;
	const StoreCaller *asks = NULL;
	StoreRangeState state;
	StoreError	error = STORE_OK;

	if (range->read == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(call->context);

		range->read = store_range_begin(&range->request, true, !range->streams);
		MemoryContextSwitchTo(old);
		/* whether it may be read is asked once, in the first slice */
		error = caller_of_call(call, &caller);
		asks = &caller;
	}
	if (error == STORE_OK)
		error = store_range_slice(range->read, call_store(), asks, SLICE_USEC,
								  visit_kv, range, &state);
	if (error != STORE_OK)
	{
		fail(range, errors_of_store(error));
		return;
	}
	if (range->failed == NULL && store_range_memory(range->read) > RESPONSE_MAX_BYTES)
		range->failed = &too_large_response;
	if (range->failed != NULL)
	{
		fail(range, range->failed);
		return;
	}

	switch (state)
	{
		case STORE_RANGE_DONE:
			finish(range);
			break;
		case STORE_RANGE_AGAIN:
			body_drop(range);
			call_run_later(call, read_slice, NULL);
			break;
		case STORE_RANGE_MORE:
			/* else drained() goes on */
			if (!call_is_congested(call))
				call_run_later(call, read_slice, NULL);
			break;
	}
}

static void
read_first_slice(Call *call)
{
	read_slice(call, NULL);
}

static ProtobufCBinaryData
copy_bytes(MemoryContext context, const ProtobufCBinaryData *bytes)
{
	ProtobufCBinaryData copy = {0, NULL};

	if (bytes->len == 0)
		return copy;
	copy.len = bytes->len;
	copy.data = MemoryContextAlloc(context, bytes->len);
	memcpy(copy.data, bytes->data, bytes->len);
	return copy;
}

static void
begin(Call *call, const Etcdserverpb__RangeRequest *request, bool streams)
{
	RangeCall  *range = request_new(call, sizeof(RangeCall));

	range->call = call;
	range->streams = streams;
	range->chunk_keys = FIRST_CHUNK_KEYS;
	range->request = *request;
	range->request.base.n_unknown_fields = 0;
	range->request.base.unknown_fields = NULL;
	range->request.key = copy_bytes(call->context, &request->key);
	range->request.range_end = copy_bytes(call->context, &request->range_end);
	if (request->serializable)
		read_first_slice(call);
	else
		request_barrier(call, read_first_slice);
}

void
range_message(Call *call, const ProtobufCMessage *message)
{
	const Etcdserverpb__RangeRequest *request = (const Etcdserverpb__RangeRequest *) message;
	StoreError	error = store_validate_range(request);

	if (error != STORE_OK)
		errors_finish(call, error);
	else
		begin(call, request, false);
}

void
range_stream_message(Call *call, const ProtobufCMessage *message)
{
	const Etcdserverpb__RangeRequest *request = (const Etcdserverpb__RangeRequest *) message;
	StoreError	error = store_validate_range(request);

	if (error != STORE_OK)
		errors_finish(call, error);
	else if (request->sort_target != ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__KEY ||
			 request->sort_order == ETCDSERVERPB__RANGE_REQUEST__SORT_ORDER__DESCEND ||
			 request->min_mod_revision != 0 || request->max_mod_revision != 0 ||
			 request->min_create_revision != 0 || request->max_create_revision != 0)
		errors_finish_with(call, &no_such_stream);
	else
		begin(call, request, true);
}

/* Method.drained: the client has taken what was queued */
void
range_stream_drained(Call *call)
{
	RangeCall  *range = call->state;

	if (range != NULL && range->base.pending == NULL)
		read_slice(call, NULL);
}

/* Method.ended */
void
range_ended(Call *call)
{
	RangeCall  *range = call->state;

	if (range == NULL)
		return;
	request_ended(call);
	body_drop(range);
}
