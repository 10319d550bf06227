/*-------------------------------------------------------------------------
 *
 * metrics.h
 *	  What the gateway counts, for /metrics.
 *
 * Calls, messages and bytes are counted by the transport; here is what the services add.  One
 * process, so plain counters.
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

/* Gauges and counters that only the services know */
typedef enum GatewayMetric
{
	METRIC_RANGES,
	METRIC_PUTS,
	METRIC_DELETES,
	METRIC_TXNS,
	METRIC_LEASES_GRANTED,
	METRIC_LEASES_REVOKED,
	METRIC_LEASES_RENEWED,
	METRIC_SLOW_WATCHERS,		/* gauge */
	METRIC_EVENTS,
	METRIC_HEALTH_SUCCESS,
	METRIC_HEALTH_FAILURES,
	METRIC_READS_FAILED,		/* linearizable reads without an answer in time */
	METRIC_PROPOSALS_FAILED,	/* commands likewise */
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
