/*-------------------------------------------------------------------------
 *
 * permit.h
 *	  Watches that may no longer be told anything.
 *
 * Private to src/notify/.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/notify/permit.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_NOTIFY_PERMIT_H
#define PGQ_NOTIFY_PERMIT_H

#include "notify/group.h"

extern uint64 permit_state(Relation tree);
extern bool permit_group(WatchGroup *group, Relation tree, Outbox *outbox);
extern void permit_require(Relation tree, const WatchRange *range);
extern void permit_require_payload(Relation tree, WatchPayload payload);

#endif							/* PGQ_NOTIFY_PERMIT_H */
