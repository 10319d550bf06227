/*-------------------------------------------------------------------------
 *
 * metrics.h
 *	  What the gateway counts, for /metrics.
 *
 * One process, so plain counters.  None of these functions raises or allocates; they may be
 * called from callbacks of libraries.
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

#include "gateway/call.h"

/* by the transport: a call of this method began, and ended after so many us */
extern void metrics_call_started(const Method *method);
extern void metrics_call_ended(const Method *method, GrpcCode code, uint64 usec);

/* by the transport: a message of a call */
extern void metrics_message_received(const Method *method);
extern void metrics_message_sent(const Method *method);

/* by the transport: bytes on connections of clients */
extern void metrics_client_bytes(uint64 received, uint64 sent);

/* by the services: gauges and counters that only they know */
typedef enum GatewayMetric
{
	METRIC_RANGES,
	METRIC_PUTS,
	METRIC_DELETES,
	METRIC_TXNS,
	METRIC_LEASES_GRANTED,
	METRIC_LEASES_REVOKED,
	METRIC_LEASES_RENEWED,
	METRIC_WATCHERS,			/* gauge */
	METRIC_WATCH_STREAMS,		/* gauge */
	METRIC_SLOW_WATCHERS,		/* gauge */
	METRIC_EVENTS,
	METRIC_HEALTH_SUCCESS,
	METRIC_HEALTH_FAILURES,
	METRIC_READS_FAILED,		/* linearizable reads without an answer in time */
	METRIC_COUNT
} GatewayMetric;

extern int64 gateway_metrics[METRIC_COUNT];

static inline void
metrics_add(GatewayMetric metric, int64 n)
{
	gateway_metrics[metric] += n;
}

/* the text of /metrics; in the transaction of the turn */
extern char *metrics_text(void);

#endif							/* PGQ_GATEWAY_METRICS_H */
