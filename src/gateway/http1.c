/*-------------------------------------------------------------------------
 *
 * http1.c
 *	  HTTP/1.1 on http-parser.
 *
 * A connection has one request at a time.  When it has been read, the parser pauses and the
 * socket is not read, until the answer is on its way: so requests that a client sends
 * ahead are answered in order, and wait in its own send buffer.
 *
 * A request that asks for a WebSocket below /v3 makes the connection one (websocket.c); who asks
 * for it elsewhere, or for another protocol, gets an answer of HTTP/1.1.
 *
 * An answer that ends before its request has been read leaves the connection as it is if the rest is
 * short, and closes it otherwise.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/http1.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "clock.h"
#include "gateway/http1_int.h"

/* Time for the head of a request; for an answer whose client sends no more */
#define HEAD_MS				30000
#define HUNG_UP_MS			5000

/* A body that nobody wants is read to its end if it is no longer */
#define DISCARD_BYTES		(64 * 1024)

/* What http-parser wants to hear if what follows the head is of another protocol */
#define HEAD_UPGRADES		2

static void
free_http1(Http1 *http1)
{
	handshake_reset(&http1->handshake);
	free(http1->rest);
	free(http1->value);
	free(http1->url);
	free(http1);
}

static inline Conn *
conn_of(http_parser *parser)
{
	return (Conn *) parser->data;
}

static void parse(Conn *conn, const uint8 *data, size_t len);

/* ---------- the head of a request ---------- */

static void
timer_fires(Timer *timer)
{
	Conn	   *conn = (Conn *) ((char *) timer - offsetof(Conn, timer));

	conn->protocol->timeout(conn);
}

static void
set_timer(Conn *conn, int ms)
{
	timer_set(&conn->timer, clock_plus_ms(gateway_now, ms), timer_fires);
}

static int
on_begin(http_parser *parser)
{
	Conn	   *conn = conn_of(parser);
	Http1	   *http1 = http1_of(conn);

	Assert(http1->stream == NULL);
	http1->stream = stream_new(conn, 0);
	if (http1->stream == NULL)
		return -1;
	http1->name_len = http1->value_len = http1->url_len = 0;
	http1->in_value = http1->url_too_long = http1->head_complete = false;
	http1->expects_continue = http1->complete = http1->answered = false;
	http1->chunked = false;
	http1->chunk_left = 0;
	handshake_reset(&http1->handshake);
	set_timer(conn, HEAD_MS);
	return 0;
}

static int
on_url(http_parser *parser, const char *at, size_t len)
{
	Http1	   *http1 = http1_of(conn_of(parser));
	char	   *grown;

	if (http1->url_too_long || http1->url_len + len > PATH_MAX_BYTES)
	{
		http1->url_too_long = true;
		return 0;
	}
	grown = realloc(http1->url, http1->url_len + len + 1);
	if (grown == NULL)
		return -1;
	memcpy(grown + http1->url_len, at, len);
	http1->url = grown;
	http1->url_len += len;
	http1->url[http1->url_len] = '\0';
	return 0;
}

/*
 * A header is complete when the next one begins.  False: no memory.
 */
static bool
finish_header(Http1 *http1)
{
	const char *value = http1->value != NULL ? http1->value : "";

	if (!http1->in_value)
		return true;
	http1->in_value = false;
	if (http1->name_len < HEADER_NAME_MAX)
	{
		stream_header(http1->stream, http1->name, http1->name_len, value, http1->value_len);
		if (!handshake_header(&http1->handshake, http1->name, http1->name_len, value,
							  http1->value_len))
			return false;
		if (http1->name_len == 6 && memcmp(http1->name, "expect", 6) == 0 &&
			http1->value_len == 12 && pg_strncasecmp(value, "100-continue", 12) == 0)
			http1->expects_continue = true;
	}
	else
		stream_header(http1->stream, "", 0, "", http1->value_len);
	http1->name_len = http1->value_len = 0;
	return true;
}

static int
on_header_name(http_parser *parser, const char *at, size_t len)
{
	Http1	   *http1 = http1_of(conn_of(parser));
	size_t		i;

	if (http1->head_complete)
		return 0;				/* behind the body; of no interest */
	if (!finish_header(http1))
		return -1;
	if (http1->name_len + len >= HEADER_NAME_MAX)
	{
		http1->name_len = HEADER_NAME_MAX;
		return 0;
	}
	for (i = 0; i < len; i++)
		http1->name[http1->name_len++] = pg_ascii_tolower((unsigned char) at[i]);
	return 0;
}

static int
on_header_value(http_parser *parser, const char *at, size_t len)
{
	Http1	   *http1 = http1_of(conn_of(parser));

	if (http1->head_complete)
		return 0;
	http1->in_value = true;
	if (http1->stream->head_too_large || http1->value_len + len > HEADERS_MAX_BYTES)
	{
		http1->stream->head_too_large = true;
		return 0;
	}
	if (http1->value_len + len > http1->value_size)
	{
		uint32		size = Max(256, 2 * (http1->value_len + len));
		char	   *grown = realloc(http1->value, size);

		if (grown == NULL)
			return -1;
		http1->value = grown;
		http1->value_size = size;
	}
	if (len > 0)
		memcpy(http1->value + http1->value_len, at, len);
	http1->value_len += len;
	return 0;
}

static HttpMethod
method_of(const http_parser *parser)
{
	switch (parser->method)
	{
		case HTTP_GET:
			return HTTP_METHOD_GET;
		case HTTP_HEAD:
			return HTTP_METHOD_HEAD;
		case HTTP_POST:
			return HTTP_METHOD_POST;
		case HTTP_OPTIONS:
			return HTTP_METHOD_OPTIONS;
		default:
			return HTTP_METHOD_OTHER;
	}
}

static void
set_path(Http1 *http1)
{
	char	   *path = http1->url;

	if (path == NULL)
		return;
	/* the form that proxies get has the server's name before it */
	if (*path != '/')
	{
		char	   *slashes = strstr(path, "://");

		path = slashes == NULL ? NULL : strchr(slashes + 3, '/');
	}
	if (path != NULL)
		stream_set_path(http1->stream, path, strlen(path));
}

static bool
asks_for_websocket(const Http1 *http1)
{
	return http1->parser.upgrade && http1->handshake.wanted && !http1->stream->head_too_large &&
		stream_is_below_json(http1->stream);
}

/*
 * Refuse the WebSocket that is asked for, or make its request what it stands for: a POST, as for etcd.  True: it
 * is to be opened.
 */
static bool
shake_hands(Http1 *http1)
{
	http_parser *parser = &http1->parser;
	Handshake  *handshake = &http1->handshake;
	Stream	   *stream = http1->stream;
	bool		has_length = parser->content_length != 0 &&
		parser->content_length != (uint64_t) -1;
	int			refusal = handshake_refusal(handshake, parser->method == HTTP_GET,
											http1->old || parser->http_major > 1,
											has_length || (parser->flags & F_CHUNKED) != 0);
	char		text[64];

	if (refusal != 0)
	{
		handshake->refused = true;
		if (refusal == 405)
			stream->allow = "GET";
		snprintf(text, sizeof(text), "%s\n", http_status_text(refusal));
		stream_answer(stream, refusal, "text/plain; charset=utf-8", text, strlen(text));
		return false;
	}
	if (handshake->token != NULL)
		stream_set_token(stream, handshake->token);
	if (stream->head_too_large)
		return false;			/* by that token; routing says so */
	handshake->accepted = true;
	stream->http_method = HTTP_METHOD_POST;
	stream_route(stream);
	return true;
}

static int
on_head_complete(http_parser *parser)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	Conn	   *conn = conn_of(parser);
	Http1	   *http1 = http1_of(conn);
	Stream	   *stream = http1->stream;
	bool		has_length = parser->content_length != (uint64_t) -1;

	if (!finish_header(http1))
		return -1;
	http1->head_complete = true;
	http1->keep_alive = http_should_keep_alive(parser) && parser->method != HTTP_CONNECT;
	http1->old = parser->http_major < 1 || (parser->http_major == 1 && parser->http_minor == 0);
	stream->http_method = method_of(parser);
	set_path(http1);
	free(http1->value);
	free(http1->url);
	http1->value = http1->url = NULL;
	http1->value_size = http1->value_len = http1->url_len = 0;
	if (http1->url_too_long)
		stream->head_too_large = true;
	set_timer(conn, BODY_SILENCE_MS);

	if (asks_for_websocket(http1) && shake_hands(http1))
		return HEAD_UPGRADES;
	parser->upgrade = 0;		/* to nothing that we know */
	if (parser->http_major > 1)
	{
		http1->keep_alive = false;
		stream_answer(stream, 505, NULL, "", 0);
	}
	else if (stream->status == 0)	/* else a WebSocket was refused */
		stream_route(stream);
	if (stream->status != 0)
	{
		/* refused; is the rest worth to be read? */
		if (has_length ? parser->content_length > DISCARD_BYTES : (parser->flags & F_CHUNKED) != 0)
			http1->keep_alive = false;
		if (http1->expects_continue)
			http1->keep_alive = false;	/* it may send the body or not */
	}
	else if (http1->expects_continue && !http1->old)
	{
		if (!http1_put(conn, go_on, sizeof(go_on) - 1))
			return -1;
		conn_touch(conn);
	}
	return 0;
}

/* ---------- the body ---------- */

static int
on_body(http_parser *parser, const char *at, size_t len)
{
	Conn	   *conn = conn_of(parser);
	Stream	   *stream = http1_of(conn)->stream;

	stream_body(stream, (const uint8 *) at, len);
	if (stream->in_bytes > QUEUE_HIGH_BYTES)
		conn->read_off = true;
	return 0;
}

static int
on_complete(http_parser *parser)
{
	Conn	   *conn = conn_of(parser);
	Http1	   *http1 = http1_of(conn);

	if (http1->handshake.accepted)
		return 0;
	http1->complete = true;
	timer_clear(&conn->timer);
	stream_body_end(http1->stream);
	if (conn->hung_up)
		set_timer(conn, HUNG_UP_MS);
	http_parser_pause(parser, 1);	/* the answer first */
	return 0;
}

static const http_parser_settings settings = {
	.on_message_begin = on_begin,
	.on_url = on_url,
	.on_header_field = on_header_name,
	.on_header_value = on_header_value,
	.on_headers_complete = on_head_complete,
	.on_body = on_body,
	.on_message_complete = on_complete
};

/* ---------- the next request ---------- */

/*
 * http1_next_request() -- request and answer are complete: on to the next.
 */
void
http1_next_request(Conn *conn)
{
	Http1	   *http1 = http1_of(conn);
	Stream	   *stream = http1->stream;
	uint8	   *rest = http1->rest;
	size_t		len = http1->rest_len;

	http1->stream = NULL;
	stream_release(stream);
	timer_clear(&conn->timer);
	if (!http1->keep_alive || http1->broken)
	{
		conn_close(conn);
		return;
	}
	http1->rest = NULL;
	http1->rest_len = 0;
	conn_hold(conn, -(ssize_t) len);
	http_parser_pause(&http1->parser, 0);
	conn_read_on(conn);
	if (rest != NULL)
		parse(conn, rest, len);
	free(rest);
	if (conn->protocol == &http1_protocol && conn->eof && (http1->stream == NULL || !http1->complete))
		conn_close(conn);
}

/* ---------- parsing ---------- */

/*
 * What the client sends cannot be understood: say so, if that is still possible, and close.
 */
static void
refuse(Conn *conn, int status, const char *text)
{
	Http1	   *http1 = http1_of(conn);

	http1->broken = true;
	http1->keep_alive = false;
	http1->complete = true;
	timer_clear(&conn->timer);
	if (http1->stream == NULL)
		http1->stream = stream_new(conn, 0);
	if (http1->stream == NULL)
	{
		conn_abort(conn);
		return;
	}
	if (http1->answered)
		conn_close(conn);
	else if (http1->stream->face != NULL)
		stream_finish(http1->stream, GRPC_INVALID_ARGUMENT, text);
	else
		stream_answer(http1->stream, status, "text/plain; charset=utf-8", text, strlen(text));
}

/*
 * Put aside what cannot be parsed now.  A client that sends much ahead has to wait.
 */
static bool
keep_rest(Conn *conn, const uint8 *data, size_t len)
{
	Http1	   *http1 = http1_of(conn);
	uint8	   *grown;

	if (len == 0)
		return true;
	grown = realloc(http1->rest, http1->rest_len + len);
	if (grown == NULL)
	{
		conn_abort(conn);
		return false;
	}
	memcpy(grown + http1->rest_len, data, len);
	http1->rest = grown;
	http1->rest_len += len;
	conn_hold(conn, (ssize_t) len);
	if (http1->rest_len > QUEUE_HIGH_BYTES)
		conn->read_off = true;
	return true;
}

/*
 * The connection goes on as a WebSocket, with the stream; what is left of the bytes is its already.
 */
static void
become_websocket(Conn *conn, const uint8 *data, size_t len)
{
	Http1	   *http1 = http1_of(conn);

	if (conn->hung_up || !websocket_start(conn, http1->stream, &http1->handshake))
	{
		conn_abort(conn);
		return;
	}
	free_http1(http1);
	if (len > 0)
		(void) conn->protocol->feed(conn, data, len);
}

static void
parse(Conn *conn, const uint8 *data, size_t len)
{
	Http1	   *http1 = http1_of(conn);
	size_t		n;

	while (len > 0 && conn->state == CONN_OPEN)
	{
		n = http_parser_execute(&http1->parser, &settings, (const char *) data, len);
		data += n;
		len -= n;
		if (http1->handshake.accepted)
		{
			become_websocket(conn, data, len);
			return;
		}
		switch (HTTP_PARSER_ERRNO(&http1->parser))
		{
			case HPE_OK:
				break;
			case HPE_PAUSED:
				if (keep_rest(conn, data, len) && http1->answered)
					http1_next_request(conn);
				return;
			case HPE_HEADER_OVERFLOW:
				refuse(conn, 431, "Request Header Fields Too Large\n");
				return;
			case HPE_CB_message_begin:
			case HPE_CB_url:
			case HPE_CB_header_field:
			case HPE_CB_header_value:
			case HPE_CB_headers_complete:
				conn_abort(conn);	/* no memory */
				return;
			default:
				refuse(conn, 400, "400 Bad Request");
				return;
		}
	}
}

/* ---------- life ---------- */

static bool
http1_begin(Conn *conn)
{
	Http1	   *http1 = calloc(1, sizeof(Http1));

	if (http1 == NULL)
		return false;
	http_parser_init(&http1->parser, HTTP_REQUEST);
	http1->parser.data = conn;
	conn->session = http1;
	set_timer(conn, HEAD_MS);	/* a connection is not for nothing */
	return true;
}

static bool
http1_feed(Conn *conn, const uint8 *data, size_t len)
{
	Http1	   *http1 = http1_of(conn);

	if (http1->broken)
		return true;
	if (http1->stream != NULL && http1->complete)
		return keep_rest(conn, data, len);
	parse(conn, data, len);
	return true;
}

static bool
http1_eof(Conn *conn)
{
	Http1	   *http1 = http1_of(conn);

	if (http1->stream != NULL)
	{
		if (!http1->complete)
			return false;
		set_timer(conn, HUNG_UP_MS);
		return true;
	}
	if (conn->out == NULL)
		return false;
	conn_close(conn);			/* it still hears the last answer */
	return true;
}

static bool
http1_at_rest(Conn *conn)
{
	Http1	   *http1 = http1_of(conn);

	return http1->stream == NULL || http1->answered;
}

static void
http1_timeout(Conn *conn)
{
	Http1	   *http1 = http1_of(conn);

	if (conn->hung_up || http1->stream == NULL || !http1->head_complete)
		conn_abort(conn);
	else if (!http1->complete)
	{
		/* a stream of requests may be silent for as long as it likes */
		if (http1->stream->face != NULL && http1->stream->call.method->client_streams)
			return;
		if (clock_exceeds(conn->last_read, gateway_now, BODY_SILENCE_MS))
			conn_abort(conn);
		else
			timer_set(&conn->timer,
					  clock_plus_ms(conn->last_read, BODY_SILENCE_MS), timer_fires);
	}
}

static void
http1_drain(Conn *conn)
{
	Http1	   *http1 = http1_of(conn);

	http1->keep_alive = false;
	if (http1->stream == NULL)
		conn_close(conn);
}

static void
http1_end(Conn *conn)
{
	Http1	   *http1 = http1_of(conn);

	if (http1 == NULL)
		return;
	conn_release_streams(conn);
	conn_hold(conn, -(ssize_t) http1->rest_len);
	free_http1(http1);
	conn->session = NULL;
}

static void
http1_wake(Stream *stream)
{
}

static void
http1_consumed(Stream *stream, size_t len)
{
	Conn	   *conn = stream->conn;
	Http1	   *http1 = http1_of(conn);

	if (conn->read_off && !http1->complete && stream->in_bytes <= QUEUE_LOW_BYTES)
		conn_read_on(conn);
}

static void
http1_expect(Stream *stream, size_t len)
{
}

const Protocol http1_protocol = {
	.begin = http1_begin,
	.feed = http1_feed,
	.eof = http1_eof,
	.produce = http1_produce,
	.at_rest = http1_at_rest,
	.timeout = http1_timeout,
	.drain = http1_drain,
	.end = http1_end,
	.wake = http1_wake,
	.consumed = http1_consumed,
	.expect = http1_expect
};
