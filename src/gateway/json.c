/*-------------------------------------------------------------------------
 *
 * json.c
 *	  The JSON face: etcd's gateway for those who have no gRPC.
 *
 * A call is a POST whose body is the request as JSON.  The answer is the response; where the method
 * streams, it is one line for each response, wrapped as "result", and each line goes out as one chunk,
 * because clients read chunks as documents.  Where the client streams too, its body may be several
 * objects one behind the other, and may go on for as long as it likes.
 *
 * Errors are worded for clients of all of etcd's versions, which look at different names.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/json.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/memutils.h"

#include "gateway/transport.h"
#include "json/pbjson.h"
#include "store/pbmem.h"

/* JSON has bytes in base64, and names besides */
#define JSON_EXPANSION		2

/* More nesting than any request has; the decoder has a limit of its own */
#define JSON_DEPTH_MAX		1000

/*
 * The length of an object is not known beforehand.  So that a large one does not wait for a window that is
 * full of itself, its bytes are taken off the window as they come.
 */
#define EARLY_BYTES			(16 * 1024)

/* An error text in JSON, with all that is around it */
#define ERROR_TEXT_MAX		1024
#define ERROR_BODY_MAX		(2 * 6 * ERROR_TEXT_MAX + 512)

/* for what is being written */
static MemoryContext json_context;

/* ---------- messages of the client ---------- */

/*
 * json_max_request() -- the longest request that is taken, in bytes of JSON.
 */
size_t
json_max_request(void)
{
	return JSON_EXPANSION * gateway_max_message();
}

static void
refuse_character(Stream *stream, uint8 c)
{
	char		text[128];

	if (c >= ' ' && c <= '~')
		snprintf(text, sizeof(text),
				 "invalid character '%c' looking for beginning of value", c);
	else
		snprintf(text, sizeof(text),
				 "invalid character '\\x%02x' looking for beginning of value", c);
	stream_finish(stream, GRPC_INVALID_ARGUMENT, text);
}

/*
 * How many of these bytes belong to the object that is coming; sets *complete if that ends
 * with them.
 */
static size_t
scan_object(Stream *stream, const uint8 *data, size_t len, bool *complete)
{
	size_t		i;

	*complete = false;
	for (i = 0; i < len; i++)
	{
		uint8		c = data[i];

		if (stream->json_escape)
			stream->json_escape = false;
		else if (stream->json_in_string)
		{
			if (c == '\\')
				stream->json_escape = true;
			else if (c == '"')
				stream->json_in_string = false;
		}
		else if (c == '"')
			stream->json_in_string = true;
		else if (c == '{' || c == '[')
			stream->json_depth++;
		else if (c == '}' || c == ']')
		{
			if (--stream->json_depth == 0)
			{
				*complete = true;
				return i + 1;
			}
		}
		if (stream->json_depth > JSON_DEPTH_MAX)
			return i;
	}
	return len;
}

/*
 * json_body() -- bytes of the client: cut them into objects.
 */
void
json_body(Stream *stream, const uint8 *data, size_t len)
{
	size_t		skipped = 0;

	while (len > 0 && stream->keep_body && !stream->finished)
	{
		bool		complete;
		size_t		n;

		if (stream->json_depth == 0)
		{
			if (*data == ' ' || *data == '\t' || *data == '\n' || *data == '\r')
			{
				data++;
				len--;
				skipped++;
				continue;
			}
			if (*data != '{')
			{
				refuse_character(stream, *data);
				return;
			}
		}
		n = scan_object(stream, data, len, &complete);
		if (stream->json_depth > JSON_DEPTH_MAX)
		{
			stream_finish(stream, GRPC_INVALID_ARGUMENT, "the request is nested too deeply");
			return;
		}
		if (stream->partial_len + n > json_max_request())
		{
			stream_finish(stream, GRPC_RESOURCE_EXHAUSTED,
						  "grpc: received message larger than max");
			return;
		}
		if (!stream_grow_partial(stream, stream->partial_len + n))
		{
			stream_break(stream);
			return;
		}
		memcpy(stream->partial->data + stream->partial_len, data, n);
		stream->partial_len += n;
		data += n;
		len -= n;
		if (complete)
		{
			stream_add_message(stream, stream->partial_len - stream->partial_early);
			/* what follows the only message is not looked at */
			stream->keep_body = stream->call.method->client_streams;
		}
		else if (stream->partial_len - stream->partial_early >= EARLY_BYTES)
		{
			size_t		early = stream->partial_len - stream->partial_early;

			stream->partial_early = stream->partial_len;
			stream->conn->protocol->consumed(stream, early);
		}
	}
	if (skipped + len > 0)
		stream->conn->protocol->consumed(stream, skipped + len);
}

/*
 * json_body_end() -- the body is complete.  An empty one is an empty message.
 */
void
json_body_end(Stream *stream)
{
	if (stream->partial != NULL)
	{
		stream_finish(stream, GRPC_INVALID_ARGUMENT, "unexpected EOF");
		return;
	}
	if (stream->keep_body && !stream->call.method->client_streams)
	{
		if (!stream_grow_partial(stream, 2))
		{
			stream_break(stream);
			return;
		}
		memcpy(stream->partial->data, "{}", 2);
		stream->partial_len = 2;
		stream_add_message(stream, 0);
	}
	stream_make_runnable(stream);
}

/*
 * Face.decode.  etcd's JSON is a client of its gRPC, which has a limit for messages, whatever the
 * length of the text.
 */
static ProtobufCMessage *
json_decode(Stream *stream, const InMessage *message, const char **error)
{
	char	   *text = pg_any_to_server((const char *) message->data, (int) message->len, PG_UTF8);
	size_t		len = text == (const char *) message->data ? message->len : strlen(text);
	ProtobufCMessage *request;
	size_t		size;

	request = pbjson_from_text(stream->call.method->request, text, len, PBJSON_WIRE);
	size = protobuf_c_message_get_packed_size(request);
	if (size > gateway_max_message())
	{
		stream_refuse_size(stream, size);
		return NULL;
	}
	return request;
}

/* ---------- messages to the client ---------- */

static void
begin_answer(Stream *stream, int status)
{
	if (stream->status != 0)
		return;
	stream->status = status;
	stream->content_type = "application/json";
	stream->grpc_metadata = true;
}

static void
queue_text(Stream *stream, const char *before, const char *text, size_t len, const char *behind)
{
	size_t		before_len = strlen(before);
	size_t		behind_len = strlen(behind);
	Segment    *segment = segment_new(before_len + len + behind_len);

	if (segment == NULL)
	{
		stream_break(stream);
		return;
	}
	memcpy(segment->head, before, before_len);
	memcpy(segment->head + before_len, text, len);
	memcpy(segment->head + before_len + len, behind, behind_len);
	if (!stream->call.method->server_streams)
		stream->content_length = segment->head_len;
	stream_queue(stream, segment);
}

/*
 * Write a message as JSON and queue it.  May raise.
 */
static void
write_message(Stream *stream, const ProtobufCMessage *message)
{
	StringInfoData buf;
	char	   *text;
	size_t		len;

	initStringInfo(&buf);
	pbjson_append(&buf, message, PBJSON_WIRE);
	text = pg_server_to_any(buf.data, buf.len, PG_UTF8);
	len = text == buf.data ? (size_t) buf.len : strlen(text);
	begin_answer(stream, 200);
	gateway_stats.bytes_out += len;
	if (stream->call.method->server_streams)
		queue_text(stream, "{\"result\":", text, len, "}\n");
	else
		queue_text(stream, "", text, len, "");
}

static void
write_packed(Stream *stream, const uint8 *head, size_t head_len, SharedBytes *body)
{
	size_t		len = head_len + (body != NULL ? body->len : 0);
	uint8	   *packed = MemoryContextAllocHuge(CurrentMemoryContext, Max(len, 1));
	ProtobufCMessage *message;

	memcpy(packed, head, head_len);
	if (body != NULL)
		memcpy(packed + head_len, body->data, body->len);
	message = pb_unpack(stream->call.method->response, packed, len);
	if (message == NULL)
		elog(ERROR, "a packed response is none");
	write_message(stream, message);
}

/*
 * Whoever sends is not to be hit by an ERROR.  Nothing that an abort would have to undo is done here
 * but taking memory, which goes with its context.
 */
static void
send_caught(Stream *stream, const ProtobufCMessage *message, const uint8 *head, size_t head_len,
			SharedBytes *body)
{
	MemoryContext old = CurrentMemoryContext;
	volatile bool ok = false;

	PG_TRY();
	{
		MemoryContextSwitchTo(json_context);
		if (message != NULL)
			write_message(stream, message);
		else
			write_packed(stream, head, head_len, body);
		ok = true;
	}
	PG_CATCH();
	{
		FlushErrorState();
	}
	PG_END_TRY();

	MemoryContextSwitchTo(old);
	MemoryContextReset(json_context);
	if (!ok)
		stream_finish(stream, GRPC_INTERNAL, "the response could not be written as JSON");
}

/*
 * json_init() -- once in a process.
 */
void
json_init(void)
{
	json_context = AllocSetContextCreate(gateway_context, "pg_quorum gateway JSON",
										 ALLOCSET_DEFAULT_SIZES);
}

static void
json_send(Stream *stream, const ProtobufCMessage *message)
{
	send_caught(stream, message, NULL, 0, NULL);
}

static void
json_send_packed(Stream *stream, const uint8 *head, size_t head_len, SharedBytes *body)
{
	send_caught(stream, NULL, head, head_len, body);
}

/* ---------- errors ---------- */

/*
 * http_status_of() -- what a gRPC status is in HTTP: etcd's table.
 */
int
http_status_of(GrpcCode code)
{
	switch (code)
	{
		case GRPC_OK:
			return 200;
		case GRPC_CANCELLED:
			return 499;
		case GRPC_INVALID_ARGUMENT:
		case GRPC_FAILED_PRECONDITION:
		case GRPC_OUT_OF_RANGE:
			return 400;
		case GRPC_DEADLINE_EXCEEDED:
			return 504;
		case GRPC_NOT_FOUND:
			return 404;
		case GRPC_ALREADY_EXISTS:
		case GRPC_ABORTED:
			return 409;
		case GRPC_PERMISSION_DENIED:
			return 403;
		case GRPC_UNAUTHENTICATED:
			return 401;
		case GRPC_RESOURCE_EXHAUSTED:
			return 429;
		case GRPC_UNIMPLEMENTED:
			return 501;
		case GRPC_UNAVAILABLE:
			return 503;
		case GRPC_UNKNOWN:
		case GRPC_INTERNAL:
		case GRPC_DATA_LOSS:
			break;
	}
	return 500;
}

/*
 * A text between quotes; to has room for six bytes for each of ERROR_TEXT_MAX.
 */
static void
quote_text(char *to, const char *text)
{
	size_t		left = ERROR_TEXT_MAX;

	for (; *text != '\0' && left > 0; text++, left--)
	{
		unsigned char c = *text;

		if (c == '"' || c == '\\')
		{
			*to++ = '\\';
			*to++ = c;
		}
		else if (c < ' ')
			to += sprintf(to, "\\u%04x", c);
		else
			*to++ = c;
	}
	*to = '\0';
}

static void
json_finish(Stream *stream)
{
	int			status = http_status_of(stream->code);
	char		text[6 * ERROR_TEXT_MAX + 1];
	char		body[ERROR_BODY_MAX];
	int			len;

	if (stream->code == GRPC_OK)
	{
		begin_answer(stream, 200);
		return;
	}
	quote_text(text, stream->error != NULL ? stream->error : "");
	begin_answer(stream, status);
	if (stream->call.method->server_streams)
	{
		len = snprintf(body, sizeof(body),
					   "{\"error\":{\"grpc_code\":%d,\"http_code\":%d,\"message\":\"%s\",\"http_status\":\"%s\",\"code\":%d,\"details\":[]}}\n",
					   (int) stream->code, status, text, http_status_text(status),
					   (int) stream->code);
	}
	else
	{
		len = snprintf(body, sizeof(body),
					   "{\"error\":\"%s\",\"message\":\"%s\",\"code\":%d,\"details\":[]}",
					   text, text, (int) stream->code);
	}
	queue_text(stream, "", body, Min(len, (int) sizeof(body) - 1), "");
}

const Face	json_face = {
	.decode = json_decode,
	.decode_error = GRPC_INVALID_ARGUMENT,
	.send = json_send,
	.send_packed = json_send_packed,
	.finish = json_finish
};
