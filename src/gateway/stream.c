/*-------------------------------------------------------------------------
 *
 * stream.c
 *	  Streams: a request of a client, its bytes and those of its answer.
 *
 * A stream is held by two: the protocol, until everything is sent or the client has gone, and
 * the call, until the service has let go of it.  The last of them frees it.
 *
 * Most of this runs below callbacks of libraries, so nothing here raises.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/stream.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "gateway/transport.h"

#include "settings.h"

/* ---------- shared bytes ---------- */

bool
memory_allows(size_t more)
{
	return gateway_stats.buffered + more <= (size_t) setting_client_memory * 1024;
}

SharedBytes *
shared_bytes_new(size_t len)
{
	SharedBytes *bytes = malloc(offsetof(SharedBytes, data) + len);

	if (bytes == NULL)
		return NULL;
	bytes->references = 1;
	bytes->len = len;
	gateway_stats.buffered += len;
	return bytes;
}

SharedBytes *
shared_bytes_resize(SharedBytes *bytes, size_t len)
{
	size_t		old_len = bytes->len;
	SharedBytes *resized;

	Assert(bytes->references == 1);
	resized = realloc(bytes, offsetof(SharedBytes, data) + len);
	if (resized == NULL && len > old_len)
		return NULL;
	if (resized == NULL)
		resized = bytes;		/* less can stay where it is */
	resized->len = len;
	gateway_stats.buffered += len;
	gateway_stats.buffered -= old_len;
	return resized;
}

void
shared_bytes_release(SharedBytes *bytes)
{
	Assert(bytes->references > 0);
	if (--bytes->references > 0)
		return;
	gateway_stats.buffered -= bytes->len;
	free(bytes);
}

/*
 * stream_hold() -- account for memory that is the stream's alone.
 */
void
stream_hold(Stream *stream, ssize_t n)
{
	conn_hold(stream->conn, n);
	gateway_stats.buffered += n;
}

static void
free_message(Stream *stream, InMessage *message)
{
	stream_hold(stream, -(ssize_t) message->len);
	free(message);
}

static void
free_segment(Segment *segment)
{
	if (segment->body != NULL)
		shared_bytes_release(segment->body);
	gateway_stats.buffered -= segment->head_len;
	free(segment);
}

/* ---------- life ---------- */

Stream *
stream_new(Conn *conn, int32 id)
{
	Stream	   *stream = calloc(1, sizeof(Stream));

	if (stream == NULL)
		return NULL;
	stream->conn = conn;
	stream->id = id;
	stream->timeout_us = -1;
	stream->content_length = -1;
	dlist_push_tail(&conn->streams, &stream->conn_node);
	stream_hold(stream, sizeof(Stream));
	return stream;
}

static void
free_input(Stream *stream)
{
	InMessage  *message;

	while ((message = stream->in_head) != NULL)
	{
		stream->in_head = message->next;
		free_message(stream, message);
	}
	stream->in_tail = NULL;
	stream->in_bytes = 0;
	stream_free_partial(stream);
}

static void
free_output(Stream *stream)
{
	Segment    *segment;

	conn_hold(stream->conn, -(ssize_t) stream->out_bytes);
	while ((segment = stream->out_head) != NULL)
	{
		stream->out_head = segment->next;
		free_segment(segment);
	}
	stream->out_tail = NULL;
	stream->out_offset = 0;
	stream->out_bytes = 0;
}

/*
 * stream_free() -- both have let go of it.
 */
void
stream_free(Stream *stream)
{
	Assert(!stream->runnable && !stream->over);
	free_input(stream);
	free_output(stream);
	timer_clear(&stream->deadline);
	free(stream->path);
	free((char *) stream->call.token);
	free(stream->error);
	stream_hold(stream, -(ssize_t) (sizeof(Stream) + stream->head_held));
	free(stream);
}

/*
 * stream_release() -- the protocol lets go of it.
 *
 * If the call is still under way its client has gone: it is cancelled.
 */
void
stream_release(Stream *stream)
{
	free_input(stream);
	free_output(stream);
	conn_hold(stream->conn, -(ssize_t) (sizeof(Stream) + stream->head_held));
	dlist_delete(&stream->conn_node);
	stream->conn = NULL;
	stream->call.peer_user = NULL;	/* the connection's */
	if (stream->reaped || (stream->face == NULL && !stream->is_page))
		stream_free(stream);
	else
		stream_end_call(stream, GRPC_CANCELLED);
}

/* ---------- input ---------- */

/*
 * stream_grow_partial() -- see transport.h.
 *
 * What a client says about the length of its message is not believed: memory is
 * taken as bytes come.
 */
bool
stream_grow_partial(Stream *stream, size_t size)
{
	size_t		rounded = Max(stream->partial_size, 256);
	InMessage  *grown;

	if (stream->partial != NULL && size <= stream->partial_size)
		return true;
	if (size <= 64 * 1024)
		rounded = size;			/* not worth to be grown */
	while (rounded < size)
		rounded *= 2;
	if (stream->partial_want > 0)
		rounded = Max(Min(rounded, stream->partial_want), size);
	grown = realloc(stream->partial, offsetof(InMessage, data) + rounded);
	if (grown == NULL)
		return false;
	stream_hold(stream, (ssize_t) rounded - (ssize_t) stream->partial_size);
	stream->partial = grown;
	stream->partial_size = rounded;
	return true;
}

void
stream_free_partial(Stream *stream)
{
	if (stream->partial != NULL)
		stream_hold(stream, -(ssize_t) stream->partial_size);
	free(stream->partial);
	stream->partial = NULL;
	stream->partial_len = stream->partial_size = stream->partial_want = 0;
	stream->partial_early = 0;
}

/*
 * stream_add_message() -- the coming message is complete: queue it.
 *
 * wire_len: what it took of the flow control's window.
 */
void
stream_add_message(Stream *stream, size_t wire_len)
{
	InMessage  *message = stream->partial;

	Assert(message != NULL);
	stream_hold(stream, (ssize_t) stream->partial_len - (ssize_t) stream->partial_size);
	message->next = NULL;
	message->len = stream->partial_len;
	message->wire_len = wire_len;
	stream->partial = NULL;
	stream->partial_len = stream->partial_size = stream->partial_want = 0;
	stream->partial_early = 0;

	if (stream->in_tail == NULL)
		stream->in_head = message;
	else
		stream->in_tail->next = message;
	stream->in_tail = message;
	stream->in_bytes += message->len;
	gateway_stats.bytes_in += message->len;
	if (stream->stats != NULL)
		stream->stats->messages_in++;
	stream_make_runnable(stream);
}

/*
 * stream_take_message() -- the next message; the caller frees it.
 */
InMessage *
stream_take_message(Stream *stream)
{
	InMessage  *message = stream->in_head;

	if (message == NULL)
		return NULL;
	stream->in_head = message->next;
	if (stream->in_head == NULL)
		stream->in_tail = NULL;
	stream->in_bytes -= message->len;
	stream_hold(stream, -(ssize_t) message->len);
	if (stream->conn != NULL)
		stream->conn->protocol->consumed(stream, message->wire_len);
	return message;
}

/*
 * stream_drop_input() -- no message will be taken any more.
 */
void
stream_drop_input(Stream *stream)
{
	size_t		wire_len = stream->partial_len - stream->partial_early;
	InMessage  *message;

	for (message = stream->in_head; message != NULL; message = message->next)
		wire_len += message->wire_len;
	free_input(stream);
	if (stream->conn != NULL && wire_len > 0)
		stream->conn->protocol->consumed(stream, wire_len);
}

/* ---------- output ---------- */

Segment *
segment_new(size_t head_len)
{
	Segment    *segment = malloc(offsetof(Segment, head) + head_len);

	if (segment == NULL)
		return NULL;
	segment->next = NULL;
	segment->body = NULL;
	segment->head_len = head_len;
	gateway_stats.buffered += head_len;
	return segment;
}

static size_t
segment_len(const Segment *segment)
{
	return segment->head_len + (segment->body != NULL ? segment->body->len : 0);
}

void
stream_wake(Stream *stream)
{
	if (stream->conn == NULL)
		return;
	stream->conn->protocol->wake(stream);
	conn_touch(stream->conn);
}

void
stream_queue(Stream *stream, Segment *segment)
{
	size_t		len = segment_len(segment);

	if (stream->conn == NULL || stream->out_done)
	{
		free_segment(segment);
		return;
	}
	if (stream->out_tail == NULL)
		stream->out_head = segment;
	else
		stream->out_tail->next = segment;
	stream->out_tail = segment;
	stream->out_bytes += len;
	conn_hold(stream->conn, (ssize_t) len);
	stream_wake(stream);
}

/*
 * stream_chunk() -- how many bytes are left of the first segment.
 */
size_t
stream_chunk(const Stream *stream)
{
	return stream->out_head == NULL ? 0 : segment_len(stream->out_head) - stream->out_offset;
}

/*
 * stream_chunk_ends_line() -- does the first segment, which there is, end with an end of line?
 */
bool
stream_chunk_ends_line(const Stream *stream)
{
	const Segment *segment = stream->out_head;

	if (segment->body != NULL && segment->body->len > 0)
		return segment->body->data[segment->body->len - 1] == '\n';
	return segment->head_len > 0 && segment->head[segment->head_len - 1] == '\n';
}

/*
 * stream_take() -- take queued bytes, of which there must be so many.
 */
void
stream_take(Stream *stream, uint8 *to, size_t size)
{
	Assert(size <= stream->out_bytes);
	stream->out_bytes -= size;
	conn_hold(stream->conn, -(ssize_t) size);
	while (size > 0)
	{
		Segment    *segment = stream->out_head;
		size_t		offset = stream->out_offset;
		size_t		n;

		if (offset < segment->head_len)
		{
			n = Min(size, segment->head_len - offset);
			memcpy(to, segment->head + offset, n);
		}
		else
		{
			offset -= segment->head_len;
			n = Min(size, segment->body->len - offset);
			memcpy(to, segment->body->data + offset, n);
		}
		to += n;
		size -= n;
		stream->out_offset += n;
		if (stream->out_offset == segment_len(segment))
		{
			stream->out_head = segment->next;
			if (stream->out_head == NULL)
				stream->out_tail = NULL;
			stream->out_offset = 0;
			free_segment(segment);
		}
	}
	if (stream->congested && stream->out_bytes < CALL_LOW_WATER)
	{
		stream->congested = false;
		stream->tell_drained = true;
		stream_make_runnable(stream);
	}
}

/*
 * stream_answer() -- answer a request that is no call.
 */
void
stream_answer(Stream *stream, int status, const char *content_type, const char *body, size_t len)
{
	Segment    *segment;

	if (stream->status != 0)
		return;
	stream->status = status;
	stream->content_type = content_type;
	stream->content_length = len;
	if (len > 0 && stream->http_method != HTTP_METHOD_HEAD)
	{
		segment = segment_new(len);
		if (segment == NULL)
		{
			stream_break(stream);
			return;
		}
		memcpy(segment->head, body, len);
		stream_queue(stream, segment);
	}
	stream->out_done = true;
	stream_wake(stream);
}

/*
 * stream_break() -- there is no memory to go on with it.
 *
 * The connection goes, and all of its streams: the client cannot be told anything that
 * would not need memory, and this gives some back.
 */
void
stream_break(Stream *stream)
{
	if (stream->conn != NULL)
		conn_abort(stream->conn);
}

/*
 * gateway_max_message() -- the largest message that is taken: etcd's rule.
 */
size_t
gateway_max_message(void)
{
	return (size_t) setting_max_request_bytes + 512 * 1024;
}

/*
 * stream_refuse_size() -- a message is larger than that.
 */
void
stream_refuse_size(Stream *stream, size_t size)
{
	char		text[128];

	snprintf(text, sizeof(text), "grpc: received message larger than max (%zu vs. %zu)",
			 size, gateway_max_message());
	stream_finish(stream, GRPC_RESOURCE_EXHAUSTED, text);
}
