/*-------------------------------------------------------------------------
 *
 * compaction.c
 *	  The pace of the physical compaction.
 *
 * The store knows what to remove (store/compact.c).  Nobody waits for it, and it can go on for
 * minutes, on all members at the same time; but the worker that does it is the one that serves
 * clients, and the disk is the one that their writes are flushed to.  Hence:
 *
 * - It works in short slices, and rests in between for a multiple of what a slice took while
 *   clients are served.
 * - It rests for a multiple of what the last flush took.  A put waits for the disks of two members:
 *   when they are slow, they are left to it.
 * - It rests when it has asked for pages that it needs next, instead of waiting for them.
 * - What it has changed is written steadily (writeback.c), and slowly.  A slice finds room in shared buffers by
 *   writing older pages out, and the rest is the longer the more pages there were: they lie here and
 *   there, and a disk takes them one by one.
 *
 * All that holds while it keeps up.  When the next compaction comes before it is done, more may be
 * superseded than is removed, and the store grow without end: then it works half of the time, as it
 * does when nobody is served.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/compaction.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/instrument.h"

#include "../clock.h"
#include "../store/copy.h"
#include "worker.h"

/* Keys looked up, or items removed, before a look at the clock; the length of a slice */
#define REVISIONS_AT_ONCE		8
#define SLICE_USEC				1500

/* How many times as long as the slice or the last flush took the rest is */
#define REST_FACTOR				4
#define MAX_FLUSH_USEC			50000	/* that counts */

/* Nothing has been applied for so long: nobody is served */
#define ALONE_MS				200

/* How soon to try again what must not run now */
#define BLOCKED_MS				20

/* The rest for each page that had to be written out of shared buffers */
#define REST_PER_PAGE_USEC		800

static bool compacting;			/* there is more to remove */
static ClockTime resume_at;	/* not before */

/*
 * compaction_delay_left() -- how long the loop may still wait, in ms; -1 if nothing is known to be
 * there to remove.
 */
long
compaction_delay_left(void)
{
	if (!compacting)
		return -1;
	return clock_ms_between(clock_now(), resume_at);
}

/*
 * May anything be removed now?  Not while the state is sent to another member, or a copy is made.  If
 * so, exports are locked out.
 */
static bool
may_remove(void)
{
	if (catchup_active() || !store_block_exports(worker->tree_rel))
		return false;

	/* looked at behind the lock, by which who holds sees that nobody works */
	if (pg_atomic_read_u32(&member_shared->history_holds) == 0)
		return true;
	store_unblock_exports(worker->tree_rel);
	return false;
}

static void
run_slice(ClockTime now, bool hurry)
{
	StoreCompaction state;
	int64		took;
	int64		rest = 0;
	int64		written_before = pgBufferUsage.shared_blks_written;
	int64		written;

	do
	{
		state = store_compact_slice(worker->store, worker->tree_rel, REVISIONS_AT_ONCE);
		took = clock_now() - now;
	} while (state == COMPACTION_GOES_ON && took < SLICE_USEC);
	written = pgBufferUsage.shared_blks_written - written_before;
	writeback_ask(written);
	compacting = state != COMPACTION_DONE;
	if (compacting && hurry)
		rest = took;
	else if (compacting)
	{
		rest = REST_FACTOR * Max(took, Min((int64) ready_flush_took(), MAX_FLUSH_USEC));
		rest = Max(rest, REST_PER_PAGE_USEC * written);
	}
	resume_at = now + took + rest;
}

/*
 * compaction_run() -- a slice if one is due.  look: see whether there is anything to do.  In a turn,
 * outside of apply.
 */
void
compaction_run(bool look)
{
	static uint64 applied_before;
	static ClockTime served_at;
	ClockTime	now = clock_now();

	if (worker->applied != applied_before)
	{
		applied_before = worker->applied;
		served_at = now;
	}
	if ((!compacting && !look) || now < resume_at)
		return;
	if (!may_remove())
	{
		resume_at = clock_plus_ms(now, BLOCKED_MS);
		return;
	}
	run_slice(now, clock_exceeds(served_at, now, ALONE_MS) || store_compaction_overtaken(worker->store));
	store_unblock_exports(worker->tree_rel);
}
