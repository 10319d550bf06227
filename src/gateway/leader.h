/*-------------------------------------------------------------------------
 *
 * leader.h
 *	  Calls that want a leader (metadata "hasleader: true").
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/leader.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_GATEWAY_LEADER_H
#define PGQ_GATEWAY_LEADER_H

#include "lib/ilist.h"

#include "gateway/call.h"

/* Is a leader known now? */
extern bool leader_is_known(void);

/*
 * End a call that wants a leader, if there is none: then false.  For the first message of
 * any call.
 */
extern bool leader_check(Call *call);

/*
 * For a call that lasts: end it once no leader has been known for three election timeouts, if it
 * wants one.  Part of the call's state, zeroed; leader_need_end() in ended().
 */
typedef struct LeaderNeed
{
	dlist_node	link;
	Call	   *call;			/* NULL: not among them */
} LeaderNeed;

extern void leader_need_begin(LeaderNeed *need, Call *call);
extern void leader_need_end(LeaderNeed *need);

#endif							/* PGQ_GATEWAY_LEADER_H */
