/*-------------------------------------------------------------------------
 *
 * http2_window.c
 *	  HTTP/2: how much clients may send.
 *
 * Flow control towards the client.  Whatever comes is taken off the connection's window at once,
 * since what streams may hold is bounded by their own windows.  A stream's window opens again as
 * its messages are taken by the service.  A message that is larger than the
 * usual window gets its whole length granted when its head has come, as far as the connection's
 * budget goes; others wait in line.  Whoever has been granted a length can complete his
 * message, so they do not wait for one another.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/http2_window.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "gateway/http2_int.h"

/* What the large messages of a connection may hold at a time */
#define LARGE_BUDGET			(16 * 1024 * 1024)

static void
grant(Http2 *http2, Stream *stream)
{
	stream->reserved = stream->partial_want;
	http2->reserved += stream->reserved;
	(void) nghttp2_session_set_local_window_size(http2->ng, NGHTTP2_FLAG_NONE, stream->id,
												 (int32) (stream->reserved + STREAM_WINDOW));
}

static bool
fits_budget(const Http2 *http2, const Stream *stream)
{
	return http2->reserved == 0 || http2->reserved + stream->partial_want <= LARGE_BUDGET;
}

static void
grant_next(Http2 *http2)
{
	while (!dlist_is_empty(&http2->waiting))
	{
		Stream	   *stream = dlist_head_element(Stream, room_node, &http2->waiting);

		if (!fits_budget(http2, stream))
			break;
		dlist_delete(&stream->room_node);
		stream->waits_for_room = false;
		grant(http2, stream);
	}
}

/*
 * A stream needs no more room than usual.
 */
void
http2_give_back(Http2 *http2, Stream *stream, bool alive)
{
	if (stream->waits_for_room)
	{
		dlist_delete(&stream->room_node);
		stream->waits_for_room = false;
	}
	if (stream->reserved == 0)
		return;
	http2->reserved -= stream->reserved;
	stream->reserved = 0;
	if (alive)
		(void) nghttp2_session_set_local_window_size(http2->ng, NGHTTP2_FLAG_NONE, stream->id,
													 STREAM_WINDOW);
	grant_next(http2);
}

void
http2_expect(Stream *stream, size_t len)
{
	Http2	   *http2 = http2_of(stream->conn);

	if (len <= STREAM_WINDOW || stream->half_closed || stream->reserved > 0 ||
		stream->waits_for_room)
		return;
	if (dlist_is_empty(&http2->waiting) && fits_budget(http2, stream))
		grant(http2, stream);
	else
	{
		dlist_push_tail(&http2->waiting, &stream->room_node);
		stream->waits_for_room = true;
	}
}

void
http2_consumed(Stream *stream, size_t len)
{
	Http2	   *http2 = http2_of(stream->conn);

	http2_give_back(http2, stream, !stream->half_closed);
	if (stream->half_closed)
		return;
	(void) nghttp2_session_consume_stream(http2->ng, stream->id, len);
	if (stream->partial_want > 0)
		http2_expect(stream, stream->partial_want);
	conn_touch(stream->conn);
}
