/*-------------------------------------------------------------------------
 *
 * websocket.h
 *	  WebSockets: what HTTP/1.1 knows of them.
 *
 * A request of HTTP/1.1 that asks for a WebSocket is looked at by websocket_handshake.c; a
 * connection that gets one speaks the protocol of websocket.c from then on.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/websocket.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_GATEWAY_WEBSOCKET_H
#define PGQ_GATEWAY_WEBSOCKET_H

#include "gateway/transport.h"

/* Base64 of the 16 bytes of a key, and of the 20 that answer it */
#define WEBSOCKET_KEY_LEN		24
#define WEBSOCKET_ACCEPT_LEN	28

/* What the headers of a request say about a WebSocket */
typedef struct Handshake
{
	bool		wanted;			/* "Upgrade" names it */
	bool		version_right;
	uint8		keys;			/* headers with a key */
	bool		protocol_seen;
	bool		bearer;			/* the subprotocol that carries a token is offered */
	bool		token_is_cookie;
	bool		refused;
	bool		accepted;
	char		key[WEBSOCKET_KEY_LEN + 1]; /* empty: it is of another length */
	char	   *token;			/* malloc'd, or NULL */
} Handshake;

/* ---- websocket_handshake.c ---- */

/* A header of the request; the name is in lower case.  False: no memory */
extern bool handshake_header(Handshake *handshake, const char *name, size_t name_len,
							 const char *value, size_t value_len);

/* The status to refuse the handshake with, 0 if there is nothing wrong with it */
extern int	handshake_refusal(const Handshake *handshake, bool get, bool old, bool has_body);

/* The answer to its key: WEBSOCKET_ACCEPT_LEN characters and a NUL.  False: not to be had */
extern bool handshake_accept(const Handshake *handshake, char *accept);

/* For the next request: forget all, and free what it holds */
extern void handshake_reset(Handshake *handshake);

/* ---- websocket.c ---- */

extern const Protocol websocket_protocol;

/*
 * The connection's only stream, whose head has been routed, becomes a WebSocket; what the connection's
 * session was is the caller's to free, before or after.  False: no memory, and all is as it was.
 */
extern bool websocket_start(Conn *conn, Stream *stream, const Handshake *handshake);

#endif							/* PGQ_GATEWAY_WEBSOCKET_H */
