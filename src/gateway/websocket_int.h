/*-------------------------------------------------------------------------
 *
 * websocket_int.h
 *	  What the files of WebSockets share.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/websocket_int.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_GATEWAY_WEBSOCKET_INT_H
#define PGQ_GATEWAY_WEBSOCKET_INT_H

#include <wslay/wslay.h>

#include "gateway/websocket.h"

typedef struct Websocket
{
	wslay_event_context_ptr events; /* frames of the client; control frames to it */
	wslay_frame_context_ptr frames; /* messages to it, and the last word where events failed */
	Stream	   *stream;			/* NULL: let go of */
	size_t		held;			/* accounted for control frames */

	/* From the client */
	const uint8 *in;			/* being parsed */
	size_t		in_len;
	uint8	   *rest;			/* read, but not parsed yet */
	size_t		rest_len;
	size_t		message_len;	/* of the message that is coming, as far as its frames are known */
	bool		in_message;		/* the frame that is coming is part of one */

	/* To the client */
	char		accept[WEBSOCKET_ACCEPT_LEN + 1];
	bool		bearer;
	bool		head_sent;
	size_t		frame_len;		/* of the message that is going */
	size_t		frame_left;		/* still to be taken from the stream */
	bool		line_end;		/* behind it is the end of the line, which is not sent */
	uint16		close_code;		/* to be said when the answer is complete */
	bool		failed;			/* events has given up: only 1002 is left to be said */
	bool		closed;			/* "close" has gone out */
} Websocket;

static inline Websocket *
websocket_of(Conn *conn)
{
	return (Websocket *) conn->session;
}

/* ---- websocket.c ---- */

/* Nothing is listened to any more; what is queued for the client, but for the message that is going, is dropped */
extern void websocket_hang_up(Conn *conn);

/* Parse what was put aside */
extern void websocket_parse_rest(Conn *conn);

/* The control frames that are queued have changed */
extern void websocket_account(Conn *conn);

/* ---- websocket_send.c ---- */

/* Callbacks of wslay: bytes into the out buffer */
extern ssize_t websocket_send_event(wslay_event_context_ptr events, const uint8_t *data, size_t len,
									int flags, void *arg);
extern ssize_t websocket_send_frame(const uint8_t *data, size_t len, int flags, void *arg);

extern bool websocket_produce(Conn *conn);

#endif							/* PGQ_GATEWAY_WEBSOCKET_INT_H */
