/*-------------------------------------------------------------------------
 *
 * health.h
 *	  Is this member well?  For the health service and the pages.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/health.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_GATEWAY_HEALTH_H
#define PGQ_GATEWAY_HEALTH_H

/* Does the member take part in its cluster, so that clients can be served here? */
extern bool health_is_serving(void);

/* One turn: tell those who watch.  In how many ms it wants the next one, -1: nobody watches */
extern long health_turn(void);

#endif							/* PGQ_GATEWAY_HEALTH_H */
