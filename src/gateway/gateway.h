/*-------------------------------------------------------------------------
 *
 * gateway.h
 *	  What the rest of the library knows of the gateway.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/gateway.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_GATEWAY_H
#define PGQ_GATEWAY_H

/* Called from _PG_init() under preload; does nothing where pg_quorum.listen_client_urls is empty */
extern void gateway_register_worker(void);

#endif							/* PGQ_GATEWAY_H */
