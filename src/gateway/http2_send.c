/*-------------------------------------------------------------------------
 *
 * http2_send.c
 *	  HTTP/2: answers, framed into the out buffer.
 *
 * DATA frames are put together straight from what a stream has queued.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/http2_send.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "gateway/http2_int.h"

#define NV(n, v, vlen, extra) \
	{(uint8_t *) (n), (uint8_t *) (v), sizeof(n) - 1, (vlen), \
		NGHTTP2_NV_FLAG_NO_COPY_NAME | (extra)}
#define NV_CONST(n, v)	NV(n, v, sizeof(v) - 1, NGHTTP2_NV_FLAG_NO_COPY_VALUE)

ssize_t
http2_on_send(nghttp2_session *ng, const uint8_t *data, size_t len, int flags, void *arg)
{
	Conn	   *conn = arg;
	size_t		n = Min(len, conn_room_left(conn));
	uint8	   *room;

	if (n == 0)
		return NGHTTP2_ERR_WOULDBLOCK;
	room = conn_room(conn, n);
	if (room == NULL)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	memcpy(room, data, n);
	conn_filled(conn, n);
	return n;
}

int
http2_on_send_data(nghttp2_session *ng, nghttp2_frame *frame, const uint8_t *head, size_t len,
			 nghttp2_data_source *source, void *arg)
{
	Conn	   *conn = arg;
	Stream	   *stream = source->ptr;
	uint8	   *room;

	if (conn_room_left(conn) < 9 + len)
		return NGHTTP2_ERR_WOULDBLOCK;
	room = conn_room(conn, 9 + len);
	if (room == NULL)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	memcpy(room, head, 9);
	stream_take(stream, room + 9, len);
	conn_filled(conn, 9 + len);
	return 0;
}

#define GRPC_MESSAGE_MAX	4096

/*
 * The status as headers; returns how many.  The buffers must live until they are submitted.
 */
static int
status_headers(Stream *stream, nghttp2_nv *nv, char *number, char *message)
{
	nghttp2_nv	status = NV("grpc-status", number, 0, 0);
	nghttp2_nv	text = NV("grpc-message", message, 0, NGHTTP2_NV_FLAG_NO_INDEX);

	status.valuelen = sprintf(number, "%d", (int) stream->code);
	nv[0] = status;
	if (stream->error == NULL)
		return 1;
	text.valuelen = grpc_encode_message(stream->error, message, GRPC_MESSAGE_MAX);
	nv[1] = text;
	return 2;
}

static ssize_t
read_data(nghttp2_session *ng, int32_t stream_id, uint8_t *buf, size_t len, uint32_t *flags,
		  nghttp2_data_source *source, void *arg)
{
	Stream	   *stream = source->ptr;
	size_t		n = Min(len, stream->out_bytes);

	if (n == 0 && !stream->out_done)
		return NGHTTP2_ERR_DEFERRED;
	*flags |= NGHTTP2_DATA_FLAG_NO_COPY;
	if (n == stream->out_bytes && stream->out_done)
	{
		*flags |= NGHTTP2_DATA_FLAG_EOF;
		if (stream->face == &grpc_face)
		{
			nghttp2_nv	nv[2];
			char		number[16];
			char		message[GRPC_MESSAGE_MAX];
			int			count = status_headers(stream, nv, number, message);

			*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
			if (nghttp2_submit_trailer(ng, stream_id, nv, count) != 0)
				return NGHTTP2_ERR_CALLBACK_FAILURE;
		}
	}
	return n;
}

/*
 * The head of the answer, and if nothing else comes, its end.
 */
static bool
submit_head(Stream *stream)
{
	Http2	   *http2 = http2_of(stream->conn);
	nghttp2_data_provider provider = {.source.ptr = stream, .read_callback = read_data};
	nghttp2_nv	nv[12];
	char		status[16];
	char		length[32];
	char		number[16];
	char		message[GRPC_MESSAGE_MAX];
	nghttp2_nv	first = NV(":status", status, 0, 0);
	int			n = 0;
	bool		body = true;

	if (stream->status == 0)
	{
		/* ended before the first message */
		Assert(stream->face == &grpc_face);
		stream->status = 200;
		stream->content_type = "application/grpc";
		body = false;
	}
	else if (stream->out_done && stream->out_bytes == 0 && stream->face != &grpc_face)
		body = false;

	first.valuelen = sprintf(status, "%d", stream->status);
	nv[n++] = first;
	if (stream->content_type != NULL)
	{
		nghttp2_nv	type = NV("content-type", stream->content_type, 0,
							  NGHTTP2_NV_FLAG_NO_COPY_VALUE);

		type.valuelen = strlen(stream->content_type);
		nv[n++] = type;
	}
	if (stream->face != &grpc_face)
	{
		const nghttp2_nv cors[] = {
			NV_CONST("access-control-allow-origin", CORS_ORIGIN),
			NV_CONST("access-control-allow-methods", CORS_METHODS),
			NV_CONST("access-control-allow-headers", CORS_HEADERS)
		};

		memcpy(&nv[n], cors, sizeof(cors));
		n += lengthof(cors);
		if (stream->grpc_metadata)
		{
			const nghttp2_nv metadata = NV_CONST("grpc-metadata-content-type", "application/grpc");

			nv[n++] = metadata;
		}
		if (stream->allow != NULL)
		{
			nghttp2_nv	allow = NV("allow", stream->allow, 0, NGHTTP2_NV_FLAG_NO_COPY_VALUE);

			allow.valuelen = strlen(stream->allow);
			nv[n++] = allow;
		}
		if (stream->content_length >= 0)
		{
			nghttp2_nv	len = NV("content-length", length, 0, NGHTTP2_NV_FLAG_NO_INDEX);

			len.valuelen = sprintf(length, INT64_FORMAT, stream->content_length);
			nv[n++] = len;
		}
	}
	else if (!body)
		n += status_headers(stream, &nv[n], number, message);
	Assert(n <= (int) lengthof(nv));
	stream->head_sent = true;
	return nghttp2_submit_response(http2->ng, stream->id, nv, n, body ? &provider : NULL) == 0;
}

void
http2_wake(Stream *stream)
{
	Http2	   *http2 = http2_of(stream->conn);

	if (!stream->head_sent)
	{
		if ((stream->status != 0 || stream->out_done) && !submit_head(stream))
			stream_break(stream);
	}
	else
		(void) nghttp2_session_resume_data(http2->ng, stream->id);
}

/*
 * An answer that is complete before the request: the client need not go on.
 */
int
http2_on_frame_sent(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
	Conn	   *conn = arg;

	if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
		return 0;
	http2_of(conn)->sent_since_ping = true;
	if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) &&
		nghttp2_session_get_stream_remote_close(ng, frame->hd.stream_id) == 0)
		(void) nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
										 NGHTTP2_NO_ERROR);
	return 0;
}
