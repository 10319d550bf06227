/*-------------------------------------------------------------------------
 *
 * metrics.h
 *	  What the gateway counts, for /metrics.
 *
 * Calls, messages and bytes are counted by the transport, the rest by the member.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/metrics.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_GATEWAY_METRICS_H
#define PGQ_GATEWAY_METRICS_H

/* of the pages */
extern uint64 metrics_health_passed;
extern uint64 metrics_health_failed;

/* the text of /metrics; in the transaction of the turn */
extern char *metrics_text(void);

#endif							/* PGQ_GATEWAY_METRICS_H */
