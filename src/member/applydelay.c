/*-------------------------------------------------------------------------
 *
 * applydelay.c
 *	  A follower for whose state nobody waits applies some entries at a time.
 *
 * To apply a batch costs a follower as much for one entry as for a few: a look at
 * the store's meta page, a WAL record for it, and a turn.  While entries come one by
 * one, and nobody here waits for any of them, they may as well wait for each other.
 * What that saves is a good part of a follower's work, at the very moment at which the leader,
 * perhaps on the same machine, is busy with the next command.
 *
 * Nothing is promised here: an acknowledgement has left before, and a linearizable
 * read makes the member apply at once.  This member's state gets older by APPLY_WAIT_MS at
 * most.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/applydelay.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/proclist.h"

#include "../clock.h"
#include "worker.h"

/* How long, and how many of them, entries wait */
#define APPLY_WAIT_MS			2
#define APPLY_WAIT_ENTRIES		64

/* A client of this member that has asked for something may do so again */
#define SERVED_LATELY_MS		100

static ClockTime waiting_since;	/* 0: nothing waits */

/*
 * Does anybody here wait for what is applied?  Sessions and workers that follow the
 * revision, waiters in queues of keys, and clients.
 */
static bool
somebody_waits(ClockTime now)
{
	return !proclist_is_empty(&member_shared->revision_advanced.wakeup) ||
		keywait_anybody() ||
		!clock_exceeds(requests_taken_at(), now, SERVED_LATELY_MS);
}

/*
 * apply_delay_begin() -- forget what waited; the worker starts.
 */
void
apply_delay_begin(void)
{
	waiting_since = 0;
}

/*
 * apply_may_wait() -- is what is committed, but not yet applied, to wait for more?  In a turn.
 */
bool
apply_may_wait(void)
{
	ClockTime	now;

	if (worker->applied >= worker->apply_to || worker->role == MEMBER_LEADER ||
		worker->apply_to - worker->applied > APPLY_WAIT_ENTRIES)
	{
		waiting_since = 0;
		return false;
	}
	now = clock_now();
	if (waiting_since == 0)
		waiting_since = now;
	if (somebody_waits(now) || clock_exceeds(waiting_since, now, APPLY_WAIT_MS))
	{
		waiting_since = 0;
		return false;
	}
	return true;
}

/*
 * apply_delay_left() -- how long the loop may still wait, in ms; -1 if nothing waits to be applied.
 */
long
apply_delay_left(void)
{
	if (waiting_since == 0)
		return -1;
	return clock_ms_between(clock_now(), clock_plus_ms(waiting_since, APPLY_WAIT_MS));
}
