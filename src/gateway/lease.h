/*-------------------------------------------------------------------------
 *
 * lease.h
 *	  What the files of the Lease service share.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/lease.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_GATEWAY_LEASE_H
#define PGQ_GATEWAY_LEASE_H

#include "gateway/call.h"
#include "gateway/errors.h"

/* What a client is told if the leader has not answered a question about leases */
extern const CallError *lease_error(MemberCallOutcome outcome);

/* keepalive.c */
extern void keepalive_message(Call *call, const ProtobufCMessage *message);
extern void keepalive_half_closed(Call *call);
extern void keepalive_ended(Call *call);

/* lease_list.c */
extern void lease_list_message(Call *call, const ProtobufCMessage *message);

#endif							/* PGQ_GATEWAY_LEASE_H */
