/*-------------------------------------------------------------------------
 *
 * http1_send.c
 *	  HTTP/1.1: answers.
 *
 * A line of a stream of JSON is a chunk, whatever pieces it goes out in.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/http1_send.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "gateway/http1_int.h"

/* Enough for a head */
#define HEAD_OUT_BYTES		1024

const char *
http_status_text(int status)
{
	return status == 499 ? "Client Closed Request" : http_status_str((enum http_status) status);
}

static bool
has_no_body(const Stream *stream)
{
	return stream->status == 204 || stream->status == 304;
}

static int
write_head(Http1 *http1, const Stream *stream, char *text, size_t size)
{
	int			n;

	n = snprintf(text, size, "HTTP/1.1 %d %s\r\n", stream->status, http_status_text(stream->status));
	if (stream->content_type != NULL)
		n += snprintf(text + n, size - n, "Content-Type: %s\r\n", stream->content_type);
	if (stream->grpc_metadata)
		n += snprintf(text + n, size - n, "Grpc-Metadata-Content-Type: application/grpc\r\n");
	n += snprintf(text + n, size - n,
				  "Access-Control-Allow-Origin: " CORS_ORIGIN "\r\n"
				  "Access-Control-Allow-Methods: " CORS_METHODS "\r\n"
				  "Access-Control-Allow-Headers: " CORS_HEADERS "\r\n");
	if (stream->allow != NULL)
		n += snprintf(text + n, size - n, "Allow: %s\r\n", stream->allow);
	if (http1->handshake.refused)
		n += snprintf(text + n, size - n, "Sec-WebSocket-Version: 13\r\n");
	if (stream->status == 426)
		n += snprintf(text + n, size - n, "Upgrade: websocket\r\nConnection: Upgrade\r\n");
	if (http1->chunked)
		n += snprintf(text + n, size - n, "Transfer-Encoding: chunked\r\n");
	else if (stream->content_length >= 0 && !has_no_body(stream))
		n += snprintf(text + n, size - n, "Content-Length: " INT64_FORMAT "\r\n",
					  stream->content_length);
	if (!http1->keep_alive)
		n += snprintf(text + n, size - n, "Connection: close\r\n");
	else if (http1->old)
		n += snprintf(text + n, size - n, "Connection: keep-alive\r\n");
	n += snprintf(text + n, size - n, "\r\n");
	Assert((size_t) n < size);
	return n;
}

static bool
send_head(Conn *conn, Stream *stream)
{
	Http1	   *http1 = http1_of(conn);
	char		text[HEAD_OUT_BYTES];

	if (stream->content_length < 0 && stream->out_done && stream->out_bytes == 0)
		stream->content_length = 0;
	if (stream->content_length < 0)
	{
		if (http1->old)
			http1->keep_alive = false;	/* its end is the answer's */
		else
			http1->chunked = true;
	}
	stream->head_sent = true;
	return http1_put(conn, text, write_head(http1, stream, text, sizeof(text)));
}

/*
 * Put bytes of the answer into the out buffer, as many as there is room for.  False: no memory.
 */
static bool
send_body(Conn *conn, Stream *stream)
{
	Http1	   *http1 = http1_of(conn);
	char		head[24];

	while (stream->out_bytes > 0)
	{
		size_t		room = conn_room_left(conn);
		size_t		n = stream->out_bytes;
		uint8	   *to;

		if (room < 64)
			return true;
		if (http1->chunked && http1->chunk_left == 0)
		{
			http1->chunk_left = stream_chunk(stream);
			if (!http1_put(conn, head, snprintf(head, sizeof(head), "%zx\r\n", http1->chunk_left)))
				return false;
			room = conn_room_left(conn);
		}
		if (http1->chunked)
			n = Min(http1->chunk_left, room - 2);
		n = Min(n, room);
		to = conn_room(conn, n);
		if (to == NULL)
			return false;
		stream_take(stream, to, n);
		conn_filled(conn, n);
		if (http1->chunked)
		{
			http1->chunk_left -= n;
			if (http1->chunk_left == 0 && !http1_put(conn, "\r\n", 2))
				return false;
		}
	}
	return true;
}

/*
 * http1_put() -- bytes of our own into the out buffer; false: no room.
 */
bool
http1_put(Conn *conn, const char *text, size_t len)
{
	uint8	   *room = conn_room(conn, len);

	if (room == NULL)
		return false;
	memcpy(room, text, len);
	conn_filled(conn, len);
	return true;
}

/*
 * http1_produce() -- see Protocol.
 */
bool
http1_produce(Conn *conn)
{
	Http1	   *http1 = http1_of(conn);
	Stream	   *stream = http1->stream;

	if (stream == NULL || stream->status == 0 || http1->answered)
		return true;
	if (!stream->head_sent)
	{
		if (conn_room_left(conn) < HEAD_OUT_BYTES)
			return true;
		if (!send_head(conn, stream))
			return false;
	}
	if (!send_body(conn, stream))
		return false;
	if (stream->out_bytes > 0 || !stream->out_done)
		return true;
	if (http1->chunked)
	{
		if (conn_room_left(conn) < 5)
			return true;
		if (!http1_put(conn, "0\r\n\r\n", 5))
			return false;
	}
	http1->answered = true;
	if (http1->complete)
		http1_next_request(conn);
	else if (!http1->keep_alive)
		conn_close(conn);
	return true;
}
