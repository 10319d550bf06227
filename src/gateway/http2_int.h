/*-------------------------------------------------------------------------
 *
 * http2_int.h
 *	  What the files of HTTP/2 share.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/http2_int.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_GATEWAY_HTTP2_INT_H
#define PGQ_GATEWAY_HTTP2_INT_H

#include <nghttp2/nghttp2.h>

#include "clock.h"
#include "gateway/transport.h"

/* Windows: of a stream as HTTP/2 has it, of a connection wide enough for any line */
#define STREAM_WINDOW			65535
#define CONNECTION_WINDOW		(16 * 1024 * 1024)

typedef struct Http2
{
	nghttp2_session *ng;
	uint32		streams;
	size_t		reserved;		/* of LARGE_BUDGET */
	dlist_head	waiting;		/* streams that wait for a part of it */
	ClockTime	last_ping;
	int			strikes;
	bool		sent_since_ping;
	bool		pinged;			/* by us, not answered */
	bool		going;			/* told to go */
} Http2;

static inline Http2 *
http2_of(Conn *conn)
{
	return (Http2 *) conn->session;
}

/* ---- http2_window.c ---- */

extern void http2_expect(Stream *stream, size_t len);
extern void http2_consumed(Stream *stream, size_t len);

/* A stream needs no more room than usual; alive: its window is to be told so */
extern void http2_give_back(Http2 *http2, Stream *stream, bool alive);

/* ---- http2_send.c: callbacks of nghttp2, and a stream that has something to be sent ---- */

extern ssize_t http2_on_send(nghttp2_session *ng, const uint8_t *data, size_t len, int flags,
							 void *arg);
extern int	http2_on_send_data(nghttp2_session *ng, nghttp2_frame *frame, const uint8_t *head,
							   size_t len, nghttp2_data_source *source, void *arg);
extern int	http2_on_frame_sent(nghttp2_session *ng, const nghttp2_frame *frame, void *arg);
extern void http2_wake(Stream *stream);

#endif							/* PGQ_GATEWAY_HTTP2_INT_H */
