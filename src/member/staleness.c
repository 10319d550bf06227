/*-------------------------------------------------------------------------
 *
 * staleness.c
 *	  How old this member's state may be at most, and how it knows.
 *
 * A member publishes a time of its own clock of which it knows: whatever was
 * committed anywhere before then is in its state.  A follower cannot learn this
 * from hearing its leader, which may be cut off and replaced without knowing it; nor
 * from a time that the leader sends, since nobody knows how long a message was under way.
 * So it sends the leader a time of its own clock, and gets it back once the leader
 * has shown that it still led after it came.  The argument is in the README.
 *
 * On the leader, the proof is that of its lease: heartbeats carry the tick they were
 * sent at, the answers bring it back, and a quorum has answered what was sent at
 * some tick (raft_status.quorum_echo_ticks).  A member's time that came before that
 * tick is returned with the commit index as of now.  Whoever gets it back
 * publishes it when it has applied that far.
 *
 * Times travel in batches that are sent anyway: with heartbeats and their
 * answers, so in a cluster at rest a member's state is known to be as new as
 * two to three heartbeat intervals ago.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/staleness.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "worker.h"

/* Ticks whose times are remembered; a leader whose quorum is silent for longer is none */
#define TICK_TIMES			128

static uint64 ticks;			/* counted since the worker started */
static uint64 tick_times[TICK_TIMES];
static uint64 own_proved;		/* newest tick that was used for our own state */

/* What is known to be fresh as soon as it is applied: the oldest, and the newest behind it */
typedef struct Evidence
{
	uint64		index;
	uint64		since;			/* 0: none */
} Evidence;

static Evidence waiting;
static Evidence newest;

/* Times on the wire are offsets from a random number, so that one that was
 * sent in an earlier life of this member is not taken for one of this */
static uint64 wire_base;
static uint64 started;

/*
 * Microseconds of a clock that nobody sets, and that, where the system has such a
 * one, goes on while the machine is suspended.  The same in all processes.
 */
uint64
staleness_clock(void)
{
	struct timespec now;

#ifdef CLOCK_BOOTTIME
	clock_gettime(CLOCK_BOOTTIME, &now);
#else
	clock_gettime(CLOCK_MONOTONIC, &now);
#endif
	return (uint64) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/*
 * staleness_start() -- nothing is known yet.
 */
void
staleness_start(void)
{
	if (!pg_strong_random(&wire_base, sizeof(wire_base)))
		elog(ERROR, "could not generate a random number");
	started = staleness_clock();
	ticks = 0;
	own_proved = 0;
	memset(tick_times, 0, sizeof(tick_times));
	memset(&waiting, 0, sizeof(waiting));
	memset(&newest, 0, sizeof(newest));
	pg_atomic_write_u64(&member_shared->fresh_since, 0);
}

/*
 * staleness_tick() -- just before a tick of the core: heartbeats of the
 * tick are sent after this.
 */
void
staleness_tick(void)
{
	ticks++;
	tick_times[ticks % TICK_TIMES] = staleness_clock();
}

static void
publish(uint64 since)
{
	if (since > pg_atomic_read_u64(&member_shared->fresh_since))
	{
		/* who sees this time must see the state that goes with it */
		pg_write_barrier();
		pg_atomic_write_u64(&member_shared->fresh_since, since);
	}
}

/* The state at this index is as new as this time. */
static void
note_evidence(uint64 index, uint64 since)
{
	Evidence	evidence = {index, since};

	if (index <= worker->applied)
		publish(since);
	else if (waiting.since == 0)
		waiting = evidence;
	else if (since > newest.since)
		newest = evidence;
}

/* Publish what has been applied meanwhile. */
static void
settle_evidence(void)
{
	while (waiting.since != 0 && waiting.index <= worker->applied)
	{
		publish(waiting.since);
		waiting = newest;
		newest.since = 0;
	}
}

/*
 * The leader's part: what a quorum has answered proves times that came before.
 * Only times of earlier ticks can be proved, so mostly there is nothing to do.
 */
static void
prove_times(void)
{
	bool		wanted = own_proved < ticks;
	struct raft_status status;
	uint64		proved;
	int			i;

	for (i = 0; i < worker->npeers && !wanted; i++)
		wanted = worker->peers[i].asked_time != 0 && worker->peers[i].asked_tick < ticks;
	if (!wanted)
		return;

	raft_status(worker->raft, &status);
	if (!status.commit_in_term || status.quorum_echo_ticks >= Min(ticks, TICK_TIMES))
		return;
	proved = ticks - status.quorum_echo_ticks;

	if (proved > own_proved)
	{
		own_proved = proved;
		note_evidence(status.commit, tick_times[proved % TICK_TIMES]);
	}
	for (i = 0; i < worker->npeers; i++)
	{
		Peer	   *peer = &worker->peers[i];

		if (peer->asked_time == 0 || peer->asked_tick >= proved)
			continue;
		peer->proved_time = peer->asked_time;
		peer->proved_commit = status.commit;
		peer->asked_time = peer->latest_time;
		peer->asked_tick = peer->latest_tick;
		peer->latest_time = 0;
	}
}

/*
 * staleness_turn() -- once a turn, after entries were applied.
 */
void
staleness_turn(void)
{
	if (worker->role == MEMBER_LEADER)
		prove_times();
	settle_evidence();
}

/*
 * staleness_attach() -- put our time, and what we can say of the peer's, into a
 * batch for it.
 */
void
staleness_attach(Peer *peer, Quorum__PeerBatch *batch)
{
	batch->sent_time = wire_base + (staleness_clock() - started);
	if (worker->role == MEMBER_LEADER && peer->proved_time != 0)
	{
		batch->proved_time = peer->proved_time;
		batch->proved_commit = peer->proved_commit;
	}
}

/*
 * staleness_receive() -- take these out of a batch of a peer.
 *
 * The older of two times that wait for proof is kept: if each took the place of
 * the one before it, none might ever get old enough.
 */
void
staleness_receive(uint64 from, const Quorum__PeerBatch *batch)
{
	Peer	   *peer = peers_find(from);

	if (peer == NULL || batch->sent_time == 0)
		return;
	if (worker->role != MEMBER_LEADER)
		peer->asked_time = peer->latest_time = 0;
	else if (peer->asked_time == 0)
	{
		peer->asked_time = batch->sent_time;
		peer->asked_tick = ticks;
	}
	else
	{
		peer->latest_time = batch->sent_time;
		peer->latest_tick = ticks;
	}

	if (batch->proved_time != 0)
	{
		uint64		elapsed = batch->proved_time - wire_base;

		if (elapsed <= staleness_clock() - started)
			note_evidence(batch->proved_commit, started + elapsed);
	}
}
