/*-------------------------------------------------------------------------
 *
 * http2.c
 *	  HTTP/2 on nghttp2.
 *
 * nghttp2 does no I/O: it is fed with bytes, and writes into the connection's out
 * buffer.  DATA frames are put together there straight from what the stream has queued.
 *
 * Floods.  nghttp2 ends connections with too many resets, settings, pings not read, and
 * continuations; what clients ping beside that is judged here, by gRPC's rules.  Who does not read
 * what his frames cause us to send is not read any more, and in the end closed (conn.c).
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/http2.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "clock.h"
#include "gateway/http2_int.h"
#include "settings.h"

/* Resets by the client: so many at once, and so many a second */
#define RESET_BURST				10000
#define RESETS_PER_SECOND		1000

/* Pings that came too early before the connection is ended */
#define PING_STRIKES			2
#define PING_WITHOUT_CALL_MS	(2 * 3600 * 1000)

/* Frames that wait to be sent: nothing is read above, and read again below */
#define QUEUE_HIGH				20000
#define QUEUE_LOW				5000

/* How long a connection may stay that has been told to go */
#define GOAWAY_GRACE_MS			10000

static nghttp2_session_callbacks *callbacks;
static nghttp2_option *options;

/* ---------- what comes ---------- */

static int
on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
	Conn	   *conn = arg;
	Stream	   *stream;

	if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	stream = stream_new(conn, frame->hd.stream_id);
	if (stream == NULL)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	http2_of(conn)->streams++;
	nghttp2_session_set_stream_user_data(ng, frame->hd.stream_id, stream);
	return 0;
}

static int
on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
		  const uint8_t *value, size_t value_len, uint8_t flags, void *arg)
{
	Stream	   *stream;

	if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	stream = nghttp2_session_get_stream_user_data(ng, frame->hd.stream_id);
	if (stream != NULL)
		stream_header(stream, (const char *) name, name_len, (const char *) value, value_len);
	return 0;
}

static int
on_data_chunk(nghttp2_session *ng, uint8_t flags, int32_t stream_id, const uint8_t *data,
			  size_t len, void *arg)
{
	Stream	   *stream = nghttp2_session_get_stream_user_data(ng, stream_id);

	(void) nghttp2_session_consume_connection(ng, len);
	if (stream == NULL)
		return 0;
	stream_body(stream, data, len);
	return 0;
}

/*
 * A client pings: gRPC's rules of how often it may.
 */
static void
take_ping(Conn *conn)
{
	Http2	   *http2 = http2_of(conn);
	ClockTime	now = gateway_now;
	int			min_ms = http2->streams > 0 ? setting_grpc_keepalive_min_time : PING_WITHOUT_CALL_MS;

	if (http2->sent_since_ping)
	{
		/* it was busy: count anew */
		http2->sent_since_ping = false;
		http2->strikes = 0;
	}
	else if (!clock_exceeds(http2->last_ping, now, min_ms))
		http2->strikes++;
	http2->last_ping = now;
	if (http2->strikes > PING_STRIKES)
	{
		static const char text[] = "too_many_pings";

		(void) nghttp2_submit_goaway(http2->ng, NGHTTP2_FLAG_NONE,
									 nghttp2_session_get_last_proc_stream_id(http2->ng),
									 NGHTTP2_ENHANCE_YOUR_CALM,
									 (const uint8_t *) text, sizeof(text) - 1);
		conn_close(conn);
	}
}

static int
on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
	Conn	   *conn = arg;
	Stream	   *stream;

	switch (frame->hd.type)
	{
		case NGHTTP2_HEADERS:
		case NGHTTP2_DATA:
			stream = nghttp2_session_get_stream_user_data(ng, frame->hd.stream_id);
			if (stream == NULL)
				break;
			if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
				stream->half_closed = true; /* known before its messages are looked at */
			if (frame->hd.type == NGHTTP2_HEADERS &&
				frame->headers.cat == NGHTTP2_HCAT_REQUEST)
				stream_route(stream);
			if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
				stream_body_end(stream);
			break;
		case NGHTTP2_PING:
			if (frame->hd.flags & NGHTTP2_FLAG_ACK)
				http2_of(conn)->pinged = false;
			else
				take_ping(conn);
			break;
		default:
			break;
	}
	return 0;
}

static int
on_stream_close(nghttp2_session *ng, int32_t stream_id, uint32_t error_code, void *arg)
{
	Conn	   *conn = arg;
	Stream	   *stream = nghttp2_session_get_stream_user_data(ng, stream_id);

	if (stream == NULL)
		return 0;
	nghttp2_session_set_stream_user_data(ng, stream_id, NULL);
	http2_give_back(http2_of(conn), stream, false);
	http2_of(conn)->streams--;
	stream_release(stream);
	return 0;
}

/* ---------- life ---------- */

static bool
make_callbacks(void)
{
	if (callbacks != NULL)
		return true;
	if (nghttp2_session_callbacks_new(&callbacks) != 0)
	{
		callbacks = NULL;
		return false;
	}
	if (nghttp2_option_new(&options) != 0)
	{
		nghttp2_session_callbacks_del(callbacks);
		callbacks = NULL;
		return false;
	}
	nghttp2_session_callbacks_set_send_callback(callbacks, http2_on_send);
	nghttp2_session_callbacks_set_send_data_callback(callbacks, http2_on_send_data);
	nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
	nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, http2_on_frame_sent);

	nghttp2_option_set_no_auto_window_update(options, 1);

	/* etcd's clients put into :authority what is none */
	nghttp2_option_set_no_http_messaging(options, 1);
	nghttp2_option_set_no_closed_streams(options, 1);
	nghttp2_option_set_stream_reset_rate_limit(options, RESET_BURST, RESETS_PER_SECOND);
	return true;
}

/*
 * When the timer fires next: keepalive, or the end of patience with one that was told to go.
 */
static void
set_timer(Conn *conn);

static void
http2_timer_fires(Timer *timer)
{
	Conn	   *conn = (Conn *) ((char *) timer - offsetof(Conn, timer));

	conn->protocol->timeout(conn);
}

static void
set_timer(Conn *conn)
{
	Http2	   *http2 = http2_of(conn);
	int64		seconds = http2->pinged ? setting_grpc_keepalive_timeout : setting_grpc_keepalive_interval;

	if (!http2->pinged && setting_grpc_keepalive_interval == 0)
		return;
	timer_set(&conn->timer, clock_plus_ms(http2->pinged ? gateway_now : conn->last_read, seconds * 1000),
			  http2_timer_fires);
}

static void
http2_timeout(Conn *conn)
{
	Http2	   *http2 = http2_of(conn);

	if (http2->going || http2->pinged)
	{
		conn_abort(conn);
		return;
	}
	if (clock_exceeds(conn->last_read, gateway_now, setting_grpc_keepalive_interval * 1000))
	{
		(void) nghttp2_submit_ping(http2->ng, NGHTTP2_FLAG_NONE, NULL);
		http2->pinged = true;
		conn_touch(conn);
	}
	set_timer(conn);
}

static bool
http2_begin(Conn *conn)
{
	Http2	   *http2;
	nghttp2_settings_entry settings[] = {
		{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, setting_max_concurrent_streams},
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HEADERS_MAX_BYTES}
	};

	if (!make_callbacks())
		return false;
	http2 = calloc(1, sizeof(Http2));
	if (http2 == NULL)
		return false;
	dlist_init(&http2->waiting);
	if (nghttp2_session_server_new2(&http2->ng, callbacks, conn, options) != 0)
	{
		free(http2);
		return false;
	}
	conn->session = http2;
	if (nghttp2_submit_settings(http2->ng, NGHTTP2_FLAG_NONE, settings, lengthof(settings)) != 0 ||
		nghttp2_session_set_local_window_size(http2->ng, NGHTTP2_FLAG_NONE, 0,
											  CONNECTION_WINDOW) != 0)
		return false;
	set_timer(conn);
	return true;
}

static bool
http2_feed(Conn *conn, const uint8 *data, size_t len)
{
	Http2	   *http2 = http2_of(conn);
	ssize_t		n = nghttp2_session_mem_recv(http2->ng, data, len);

	if (nghttp2_session_get_outbound_queue_size(http2->ng) > QUEUE_HIGH)
		conn->read_off = true;
	return n >= 0;
}

static bool
http2_produce(Conn *conn)
{
	Http2	   *http2 = http2_of(conn);

	if (nghttp2_session_send(http2->ng) != 0)
		return false;
	if (conn->read_off && nghttp2_session_get_outbound_queue_size(http2->ng) < QUEUE_LOW)
		conn_read_on(conn);
	if (!nghttp2_session_want_read(http2->ng) && !nghttp2_session_want_write(http2->ng))
		conn_close(conn);
	return true;
}

static bool
http2_at_rest(Conn *conn)
{
	return !nghttp2_session_want_write(http2_of(conn)->ng);
}

/*
 * A client that says no more cannot acknowledge, nor open windows: it has gone.
 */
static bool
http2_eof(Conn *conn)
{
	return false;
}

/*
 * The server goes: new calls are refused, those under way may end.
 */
static void
http2_drain(Conn *conn)
{
	Http2	   *http2 = http2_of(conn);

	if (http2->going)
		return;
	http2->going = true;
	(void) nghttp2_submit_goaway(http2->ng, NGHTTP2_FLAG_NONE,
								 nghttp2_session_get_last_proc_stream_id(http2->ng),
								 NGHTTP2_NO_ERROR, NULL, 0);
	timer_set(&conn->timer, clock_plus_ms(gateway_now, GOAWAY_GRACE_MS), http2_timer_fires);
	conn_touch(conn);
}

static void
http2_end(Conn *conn)
{
	Http2	   *http2 = http2_of(conn);

	if (http2 == NULL)
		return;
	/* nghttp2 closes its streams without a word to us */
	dlist_init(&http2->waiting);
	conn_release_streams(conn);
	nghttp2_session_del(http2->ng);
	free(http2);
	conn->session = NULL;
}

const Protocol http2_protocol = {
	.begin = http2_begin,
	.feed = http2_feed,
	.eof = http2_eof,
	.produce = http2_produce,
	.at_rest = http2_at_rest,
	.timeout = http2_timeout,
	.drain = http2_drain,
	.end = http2_end,
	.wake = http2_wake,
	.consumed = http2_consumed,
	.expect = http2_expect
};
