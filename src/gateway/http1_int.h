/*-------------------------------------------------------------------------
 *
 * http1_int.h
 *	  What the files of HTTP/1.1 share.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/http1_int.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_GATEWAY_HTTP1_INT_H
#define PGQ_GATEWAY_HTTP1_INT_H

#include <http_parser.h>

#include "gateway/transport.h"
#include "gateway/websocket.h"

#define HEADER_NAME_MAX		64

typedef struct Http1
{
	http_parser parser;
	Stream	   *stream;			/* NULL: between requests */
	char		name[HEADER_NAME_MAX];
	uint32		name_len;		/* HEADER_NAME_MAX: too long to be of interest */
	char	   *value;
	uint32		value_len;
	uint32		value_size;
	bool		in_value;
	char	   *url;
	uint32		url_len;
	bool		url_too_long;
	bool		head_complete;
	bool		expects_continue;
	bool		complete;		/* the request has been read */
	bool		answered;		/* the answer has been taken */
	bool		keep_alive;
	bool		old;			/* of HTTP/1.0 */
	bool		broken;			/* what comes cannot be understood any more */
	bool		chunked;
	size_t		chunk_left;
	Handshake	handshake;		/* of a WebSocket */
	uint8	   *rest;			/* read, but not parsed yet */
	size_t		rest_len;
} Http1;

static inline Http1 *
http1_of(Conn *conn)
{
	return (Http1 *) conn->session;
}

extern bool http1_put(Conn *conn, const char *text, size_t len);
extern bool http1_produce(Conn *conn);
extern void http1_next_request(Conn *conn);

#endif							/* PGQ_GATEWAY_HTTP1_INT_H */
