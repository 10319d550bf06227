/*-------------------------------------------------------------------------
 *
 * stats.h
 *	  What the gateway counts, for its metrics.
 *
 * All of it belongs to the gateway worker and begins anew with it.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/stats.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_GATEWAY_STATS_H
#define PGQ_GATEWAY_STATS_H

#include "gateway/call.h"

#define GRPC_CODES		17

typedef struct GatewayStats
{
	uint64		bytes_in;		/* of messages, both protocols: etcd's client_grpc_received_bytes */
	uint64		bytes_out;		/* client_grpc_sent_bytes */
	uint64		wire_in;		/* all bytes on sockets, as they are there */
	uint64		wire_out;
	uint64		accepted;		/* connections, ever */
	uint64		refused;		/* closed at once, because there were too many */
	uint32		connections;	/* now */
	uint32		calls;			/* under way now */
	size_t		buffered;		/* bytes held for clients now, both ways */
} GatewayStats;

extern GatewayStats gateway_stats;

typedef struct MethodStats
{
	uint64		started;
	uint64		messages_in;
	uint64		messages_out;
	uint64		handled[GRPC_CODES];	/* by status */
} MethodStats;

/* All methods there are, 0 to method_count() - 1 */
extern int	method_count(void);
extern const Method *method_at(int number);
extern MethodStats *method_stats(const Method *method);

#endif							/* PGQ_GATEWAY_STATS_H */
