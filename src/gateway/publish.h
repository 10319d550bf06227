/*-------------------------------------------------------------------------
 *
 * publish.h
 *	  Letting the cluster know under which URLs this member's gateway is reached.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/publish.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_GATEWAY_PUBLISH_H
#define PGQ_GATEWAY_PUBLISH_H

/* One turn, in its transaction.  In how many ms it wants the next one */
extern long publish_turn(void);

/* The settings may have changed */
extern void publish_reload(void);

#endif							/* PGQ_GATEWAY_PUBLISH_H */
