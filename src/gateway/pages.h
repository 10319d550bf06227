/*-------------------------------------------------------------------------
 *
 * pages.h
 *	  What the gateway serves to plain HTTP requests that are no calls: /version,
 *	  /health, /livez, /readyz, /metrics.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/pages.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_GATEWAY_PAGES_H
#define PGQ_GATEWAY_PAGES_H

#include "utils/palloc.h"

/* A request for a page; the transport's, until page_reply() or ended */
typedef struct PageRequest
{
	const char *path;			/* without the query; NUL-terminated */
	const char *query;			/* behind the '?', not decoded; "" if there is none */
	MemoryContext context;		/* of the request */
	void	   *state;			/* of pages.c */
	bool		ended;			/* the client has gone: forget it; page_reply() does nothing */
	void	   *stream;			/* the transport's own */
} PageRequest;

/* Is there a page of this path at all? (else 404; a method other than GET or HEAD is 405) */
extern bool page_exists(const char *path);

/*
 * Make the page; answers now or later.  In the transaction of the turn; may raise (then 500).  Also
 * called when the store cannot be opened: call_store() is NULL then.
 */
extern void page_get(PageRequest *request);

/* The answer, which is copied, and the end of the request */
extern void page_reply(PageRequest *request, int status, const char *content_type,
					   const char *body, size_t len);

/* The client has gone before the answer.  Must not raise */
extern void page_ended(PageRequest *request);

#endif							/* PGQ_GATEWAY_PAGES_H */
