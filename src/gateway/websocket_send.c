/*-------------------------------------------------------------------------
 *
 * websocket_send.c
 *	  WebSockets: what goes to the client.
 *
 * A line of the answer is a message of one frame, whatever pieces it goes out in.  Its bytes are framed on their way into the
 * out buffer, so a large one is not held twice.  Control frames go between messages, before
 * the next one.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/websocket_send.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "gateway/websocket_int.h"

/* Room for the head of the answer, for any control frame, and for the head of a message */
#define ROOM_MIN		256

/* Bytes of a message framed at a time */
#define PIECE_BYTES		(8 * 1024)

/* ---------- callbacks of wslay ---------- */

static size_t
put(Conn *conn, const uint8 *data, size_t len)
{
	size_t		n = Min(len, conn_room_left(conn));
	uint8	   *to = n == 0 ? NULL : conn_room(conn, n);

	if (to == NULL)
		return 0;
	memcpy(to, data, n);
	conn_filled(conn, n);
	return n;
}

ssize_t
websocket_send_event(wslay_event_context_ptr events, const uint8_t *data, size_t len, int flags,
					 void *arg)
{
	size_t		n = put((Conn *) arg, data, len);

	if (n > 0)
		return (ssize_t) n;
	wslay_event_set_error(events, WSLAY_ERR_WOULDBLOCK);
	return -1;
}

ssize_t
websocket_send_frame(const uint8_t *data, size_t len, int flags, void *arg)
{
	size_t		n = put((Conn *) arg, data, len);

	return n > 0 ? (ssize_t) n : -1;
}

/* ---------- pieces of the answer.  Each returns false if the connection has to go ---------- */

static bool
send_head(Conn *conn)
{
	Websocket  *ws = websocket_of(conn);
	char		text[ROOM_MIN];
	int			len;

	len = snprintf(text, sizeof(text),
				   "HTTP/1.1 101 Switching Protocols\r\n"
				   "Upgrade: websocket\r\n"
				   "Connection: Upgrade\r\n"
				   "Sec-WebSocket-Accept: %s\r\n"
				   "%s\r\n",
				   ws->accept, ws->bearer ? "Sec-WebSocket-Protocol: Bearer\r\n" : "");
	Assert(len < (int) sizeof(text));
	ws->head_sent = true;
	return put(conn, (const uint8 *) text, len) == (size_t) len;
}

static bool
put_frame(Conn *conn, uint8 opcode, size_t payload_len, const uint8 *data, size_t len)
{
	struct wslay_frame_iocb frame = {
		.fin = 1,
		.opcode = opcode,
		.payload_length = payload_len,
		.data = data,
		.data_length = len
	};

	return wslay_frame_send(websocket_of(conn)->frames, &frame) == (ssize_t) len;
}

static bool
send_control(Conn *conn)
{
	static const uint8 protocol_error[] = {WSLAY_CODE_PROTOCOL_ERROR >> 8,
	WSLAY_CODE_PROTOCOL_ERROR & 255};
	Websocket  *ws = websocket_of(conn);
	bool		ok;

	if (ws->failed)
	{
		ws->closed = true;
		return put_frame(conn, WSLAY_CONNECTION_CLOSE, sizeof(protocol_error), protocol_error,
						 sizeof(protocol_error));
	}
	ok = wslay_event_send(ws->events) == 0;
	ws->closed = wslay_event_get_close_sent(ws->events) != 0;
	websocket_account(conn);
	return ok;
}

static void
take_line_end(Websocket *ws)
{
	uint8		line_end;

	if (ws->line_end)
		stream_take(ws->stream, &line_end, 1);
	ws->line_end = false;
}

static void
begin_message(Websocket *ws)
{
	ws->line_end = stream_chunk_ends_line(ws->stream);
	ws->frame_len = ws->frame_left = stream_chunk(ws->stream) - (ws->line_end ? 1 : 0);
	if (ws->frame_len == 0)
		take_line_end(ws);		/* an empty line is no message */
}

static bool
send_message(Conn *conn)
{
	Websocket  *ws = websocket_of(conn);
	uint8		piece[PIECE_BYTES];
	size_t		n = Min(ws->frame_left, sizeof(piece));

	/* with room for the head */
	n = Min(n, conn_room_left(conn) - ROOM_MIN / 2);
	stream_take(ws->stream, piece, n);
	if (!put_frame(conn, WSLAY_TEXT_FRAME, ws->frame_len, piece, n))
		return false;
	ws->frame_left -= n;
	if (ws->frame_left == 0)
		take_line_end(ws);
	return true;
}

static bool
send_close(Conn *conn)
{
	Websocket  *ws = websocket_of(conn);
	bool		ok = wslay_event_queue_close(ws->events, ws->close_code, NULL, 0) == 0;

	wslay_event_shutdown_read(ws->events);
	websocket_hang_up(conn);
	return ok && send_control(conn);
}

/*
 * websocket_produce() -- see Protocol.
 */
bool
websocket_produce(Conn *conn)
{
	Websocket  *ws = websocket_of(conn);
	bool		ok = true;

	while (ok && !ws->closed && conn->state == CONN_OPEN && conn_room_left(conn) >= ROOM_MIN)
	{
		if (!ws->head_sent)
			ok = send_head(conn);
		else if (ws->frame_left > 0)
			ok = send_message(conn);
		else if (ws->failed || wslay_event_want_write(ws->events))
			ok = send_control(conn);
		else if (ws->rest_len > 0)
			websocket_parse_rest(conn);
		else if (ws->stream == NULL)
			break;
		else if (ws->stream->out_bytes > 0)
			begin_message(ws);
		else if (ws->stream->out_done)
			ok = send_close(conn);
		else
			break;
	}
	if (ws->closed && !conn->closing)
	{
		websocket_hang_up(conn);
		conn_close(conn);
	}
	return ok;
}
