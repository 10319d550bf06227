/*-------------------------------------------------------------------------
 *
 * websocket.c
 *	  WebSockets on wslay: a call as JSON, for those who can stream to a server in no other way.
 *
 * A WebSocket is one request: the messages of the client are its body, each with an end of line behind it, and each line of
 * the answer is a message.  So one message may have several objects, or half of one, as
 * chunks of HTTP/1.1 may.  This is how etcd does it, whose proxy makes such a request of a WebSocket.
 *
 * wslay judges frames, answers pings, and says goodbye; it is given bytes and gives bytes, and
 * neither holds messages nor knows of sockets.  Two of its habits need care.  It queues
 * pongs without bound: so it is given no more bytes while some wait, and who does not read them is not read.  And where a
 * head is no head it says goodbye without a reason: that one is not sent, but one with 1002.
 *
 * Nothing here raises: most of it runs below callbacks of wslay.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/websocket.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "clock.h"
#include "gateway/websocket_int.h"

/* No more bytes for wslay while it has so many control frames to be sent */
#define CONTROL_QUEUE_MAX	16

/* What one of them takes of memory besides its contents */
#define CONTROL_BYTES		96

/* ---------- what is held ---------- */

static void
hold(Conn *conn, ssize_t n)
{
	conn_hold(conn, n);
	gateway_stats.buffered += n;
}

void
websocket_account(Conn *conn)
{
	Websocket  *ws = websocket_of(conn);
	size_t		held = wslay_event_get_queued_msg_count(ws->events) * CONTROL_BYTES +
		wslay_event_get_queued_msg_length(ws->events);

	hold(conn, (ssize_t) held - (ssize_t) ws->held);
	ws->held = held;
}

static void
drop_rest(Conn *conn)
{
	Websocket  *ws = websocket_of(conn);

	hold(conn, -(ssize_t) ws->rest_len);
	free(ws->rest);
	ws->rest = NULL;
	ws->rest_len = 0;
}

/*
 * Put aside what wslay is not given now.  The client has to wait.
 */
static void
keep_rest(Conn *conn, const uint8 *data, size_t len)
{
	Websocket  *ws = websocket_of(conn);
	uint8	   *grown = realloc(ws->rest, ws->rest_len + len);

	if (grown == NULL)
	{
		conn_abort(conn);
		return;
	}
	memcpy(grown + ws->rest_len, data, len);
	ws->rest = grown;
	ws->rest_len += len;
	hold(conn, (ssize_t) len);
	conn->read_off = true;
}

static void
read_on(Conn *conn)
{
	Websocket  *ws = websocket_of(conn);

	if (ws->rest_len == 0 && (ws->stream == NULL || ws->stream->in_bytes <= QUEUE_LOW_BYTES))
		conn_read_on(conn);
}

/* ---------- the end ---------- */

/*
 * Say goodbye, and listen no more.  Without memory for that, the connection goes.
 */
static void
refuse(Conn *conn, uint16 code)
{
	Websocket  *ws = websocket_of(conn);

	if (wslay_event_queue_close(ws->events, code, NULL, 0) == WSLAY_ERR_NOMEM)
		conn_abort(conn);
	wslay_event_shutdown_read(ws->events);
}

/*
 * websocket_hang_up() -- see websocket_int.h.  Not below a callback of wslay.
 */
void
websocket_hang_up(Conn *conn)
{
	Websocket  *ws = websocket_of(conn);
	Stream	   *stream = ws->stream;

	drop_rest(conn);
	if (stream != NULL && ws->frame_left == 0)
	{
		ws->stream = NULL;
		stream_release(stream);
	}
	else if (stream != NULL && stream->face != NULL)
		stream_finish(stream, GRPC_CANCELLED, NULL);	/* what says so is dropped later */
	read_on(conn);
	conn_touch(conn);
}

/* ---------- callbacks of wslay ---------- */

static ssize_t
give_bytes(wslay_event_context_ptr events, uint8_t *to, size_t size, int flags, void *arg)
{
	Conn	   *conn = arg;
	Websocket  *ws = websocket_of(conn);
	size_t		n = Min(size, ws->in_len);

	if (n == 0 || conn->state == CONN_DEAD ||
		wslay_event_get_queued_msg_count(events) >= CONTROL_QUEUE_MAX)
	{
		wslay_event_set_error(events, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	memcpy(to, ws->in, n);
	ws->in += n;
	ws->in_len -= n;
	return (ssize_t) n;
}

/*
 * The head of a frame.  wslay does not mind the half of a code in "close", and knows no length of messages that it
 * does not hold.
 */
static void
on_frame(wslay_event_context_ptr events, const struct wslay_event_on_frame_recv_start_arg *frame,
		 void *arg)
{
	Conn	   *conn = arg;
	Websocket  *ws = websocket_of(conn);

	ws->in_message = !wslay_is_ctrl_frame(frame->opcode);
	if (!ws->in_message)
	{
		if (frame->opcode == WSLAY_CONNECTION_CLOSE && frame->payload_length == 1)
			refuse(conn, WSLAY_CODE_PROTOCOL_ERROR);
		return;
	}
	if (frame->opcode != WSLAY_CONTINUATION_FRAME)
		ws->message_len = 0;
	if (ws->message_len + frame->payload_length > json_max_request())
		refuse(conn, WSLAY_CODE_MESSAGE_TOO_BIG);
	else
		ws->message_len += frame->payload_length;
}

static void
on_bytes(wslay_event_context_ptr events, const struct wslay_event_on_frame_recv_chunk_arg *chunk,
		 void *arg)
{
	Websocket  *ws = websocket_of((Conn *) arg);

	if (ws->in_message && wslay_event_get_read_enabled(events) && chunk->data_length > 0)
		stream_body(ws->stream, chunk->data, chunk->data_length);
}

static void
on_message(wslay_event_context_ptr events, const struct wslay_event_on_msg_recv_arg *message,
		   void *arg)
{
	Websocket  *ws = websocket_of((Conn *) arg);

	if (!wslay_is_ctrl_frame(message->opcode) && wslay_event_get_read_enabled(events))
		stream_body(ws->stream, (const uint8 *) "\n", 1);
}

/* ---------- from the client ---------- */

static void
parse(Conn *conn, const uint8 *data, size_t len)
{
	Websocket  *ws = websocket_of(conn);
	int			rc;

	ws->in = data;
	ws->in_len = len;
	rc = wslay_event_recv(ws->events);
	data = ws->in;
	len = ws->in_len;
	ws->in = NULL;
	ws->in_len = 0;
	websocket_account(conn);
	if (conn->state == CONN_DEAD)
		return;
	if (rc == WSLAY_ERR_NOMEM)
	{
		conn_abort(conn);
		return;
	}
	ws->failed = rc != 0;
	if (!wslay_event_get_read_enabled(ws->events))
	{
		websocket_hang_up(conn);
		return;
	}
	if (len > 0)
		keep_rest(conn, data, len);
	if (ws->stream->in_bytes > QUEUE_HIGH_BYTES)
		conn->read_off = true;
	conn_touch(conn);
}

void
websocket_parse_rest(Conn *conn)
{
	Websocket  *ws = websocket_of(conn);
	uint8	   *rest = ws->rest;
	size_t		len = ws->rest_len;

	ws->rest = NULL;
	ws->rest_len = 0;
	hold(conn, -(ssize_t) len);
	parse(conn, rest, len);
	free(rest);
	if (conn->state != CONN_DEAD)
		read_on(conn);
}

static bool
websocket_feed(Conn *conn, const uint8 *data, size_t len)
{
	Websocket  *ws = websocket_of(conn);

	if (!wslay_event_get_read_enabled(ws->events))
		return true;
	if (ws->rest_len > 0)
		keep_rest(conn, data, len);
	else
		parse(conn, data, len);
	return true;
}

static void
websocket_consumed(Stream *stream, size_t len)
{
	if (stream->conn->read_off)
		read_on(stream->conn);
}

/* ---------- life ---------- */

static void
timer_fires(Timer *timer)
{
	websocket_protocol.timeout((Conn *) ((char *) timer - offsetof(Conn, timer)));
}

static void
free_websocket(Websocket *ws)
{
	if (ws->events != NULL)
		wslay_event_context_free(ws->events);
	if (ws->frames != NULL)
		wslay_frame_context_free(ws->frames);
	free(ws->rest);
	free(ws);
}

bool
websocket_start(Conn *conn, Stream *stream, const Handshake *handshake)
{
	static const struct wslay_event_callbacks event_callbacks = {
		.recv_callback = give_bytes,
		.send_callback = websocket_send_event,
		.on_frame_recv_start_callback = on_frame,
		.on_frame_recv_chunk_callback = on_bytes,
		.on_msg_recv_callback = on_message
	};
	static const struct wslay_frame_callbacks frame_callbacks = {
		.send_callback = websocket_send_frame
	};
	Websocket  *ws = calloc(1, sizeof(Websocket));

	if (ws == NULL)
		return false;
	if (wslay_event_context_server_init(&ws->events, &event_callbacks, conn) != 0)
		ws->events = NULL;
	if (wslay_frame_context_init(&ws->frames, &frame_callbacks, conn) != 0)
		ws->frames = NULL;
	if (ws->events == NULL || ws->frames == NULL || !handshake_accept(handshake, ws->accept))
	{
		free_websocket(ws);
		return false;
	}
	wslay_event_config_set_no_buffering(ws->events, 1);
	ws->stream = stream;
	ws->bearer = handshake->bearer;
	ws->close_code = WSLAY_CODE_NORMAL_CLOSURE;
	conn->protocol = &websocket_protocol;
	conn->session = ws;
	timer_set(&conn->timer, clock_plus_ms(gateway_now, BODY_SILENCE_MS), timer_fires);
	conn_touch(conn);
	return true;
}

/*
 * Half of a WebSocket is none: there was no "close".
 */
static bool
websocket_eof(Conn *conn)
{
	return false;
}

static bool
websocket_at_rest(Conn *conn)
{
	return websocket_of(conn)->closed;
}

/*
 * Does the call still wait for the only message that it takes?
 */
static bool
waits_for_message(const Websocket *ws)
{
	const Stream *stream = ws->stream;

	return stream != NULL && stream->face != NULL && !stream->finished && stream->keep_body &&
		!stream->call.method->client_streams;
}

static void
websocket_timeout(Conn *conn)
{
	if (!waits_for_message(websocket_of(conn)))
		return;
	if (clock_exceeds(conn->last_read, gateway_now, BODY_SILENCE_MS))
	{
		refuse(conn, WSLAY_CODE_POLICY_VIOLATION);
		websocket_hang_up(conn);
	}
	else
		timer_set(&conn->timer, clock_plus_ms(conn->last_read, BODY_SILENCE_MS), timer_fires);
}

/*
 * Streams have been ended by now, and what they say of that is on its way; other calls may have
 * their answer.
 */
static void
websocket_drain(Conn *conn)
{
	Websocket  *ws = websocket_of(conn);

	ws->close_code = WSLAY_CODE_GOING_AWAY;
	if (waits_for_message(ws))
	{
		refuse(conn, WSLAY_CODE_GOING_AWAY);
		websocket_hang_up(conn);
	}
	conn_touch(conn);
}

static void
websocket_end(Conn *conn)
{
	Websocket  *ws = websocket_of(conn);

	conn_release_streams(conn);
	drop_rest(conn);
	hold(conn, -(ssize_t) ws->held);
	free_websocket(ws);
	conn->session = NULL;
}

static void
websocket_wake(Stream *stream)
{
}

static void
websocket_expect(Stream *stream, size_t len)
{
}

/* No connection begins as a WebSocket */
const Protocol websocket_protocol = {
	.feed = websocket_feed,
	.eof = websocket_eof,
	.produce = websocket_produce,
	.at_rest = websocket_at_rest,
	.timeout = websocket_timeout,
	.drain = websocket_drain,
	.end = websocket_end,
	.wake = websocket_wake,
	.consumed = websocket_consumed,
	.expect = websocket_expect
};
