/*-------------------------------------------------------------------------
 *
 * progress.c
 *	  What a leader knows of one peer, and what it may send.
 *
 * A small state machine per peer:
 *
 *	PROBE		the peer's last index is a guess: one append at a time, the
 *				next one after an answer or a heartbeat's answer
 *	REPLICATE	appends are pipelined; next runs ahead of match by what is
 *				in flight
 *	SNAPSHOT	the entries it needs are gone: nothing is sent until a
 *				snapshot arrived or failed
 *
 * match is what the peer has proved to have on disk.  It never decreases within
 * a term, and match < next always: without that, an old rejection could make the
 * leader resend what is known, or worse, forget what was acknowledged.
 *
 * sent_commit remembers the newest commit index on its way to the peer, so that
 * an empty append is sent only if it can tell something new.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/progress.c
 *
 *-------------------------------------------------------------------------
 */
#include "raft_int.h"

/* A new term, or a new peer: nothing is known.  Keeps id, learner, room for the window. */
void
raft_progress_init(struct raft_peer *p, raft_index match, raft_index next)
{
	p->state = RAFT_PROBE;
	p->match = match;
	p->next = next;
	p->sent_commit = 0;
	p->pending_snapshot = 0;
	p->snapshot_ticks = 0;
	p->recent_active = false;
	p->app_paused = false;
	p->last_echo = 0;
	p->read_ack = 0;
	raft_window_reset(&p->window);
	raft_window_open(&p->window);
}

static void
progress_enter(struct raft_peer *p, enum raft_peer_state state)
{
	p->app_paused = false;
	p->pending_snapshot = 0;
	p->snapshot_ticks = 0;
	p->state = state;
	raft_window_reset(&p->window);
}

/*
 * A snapshot that is still pending counts as delivered: probing goes on behind
 * it.  Callers that know better clear pending_snapshot first.
 */
void
raft_progress_become_probe(struct raft_peer *p)
{
	raft_index	next = p->match + 1;

	if (p->state == RAFT_SNAPSHOT)
		next = Max(next, p->pending_snapshot + 1);
	progress_enter(p, RAFT_PROBE);
	p->next = next;
	p->sent_commit = Min(p->sent_commit, p->next - 1);
}

void
raft_progress_become_replicate(struct raft_peer *p)
{
	progress_enter(p, RAFT_REPLICATE);
	p->next = p->match + 1;
}

void
raft_progress_become_snapshot(struct raft_peer *p, raft_index index)
{
	progress_enter(p, RAFT_SNAPSHOT);
	p->pending_snapshot = index;
	p->next = index + 1;
	p->sent_commit = index;
}

bool
raft_progress_paused(const struct raft_peer *p)
{
	return p->state == RAFT_SNAPSHOT || p->app_paused;
}

/*
 * An append with n entries was sent from next on.  False if the state does not
 * allow it.
 */
bool
raft_progress_sent(struct raft_peer *p, uint32_t n, uint64_t bytes)
{
	switch (p->state)
	{
		case RAFT_REPLICATE:
			if (n > 0)
			{
				p->next += n;
				if (!raft_window_add(&p->window, p->next - 1, bytes))
					return false;
			}

			/*
			 * With a full window the append just sent serves as a probe: the
			 * next one waits for a sign of life.
			 */
			p->app_paused = raft_window_full(&p->window);
			return true;
		case RAFT_PROBE:
			if (n > 0)
				p->app_paused = true;
			return true;
		case RAFT_SNAPSHOT:
			break;
	}
	return false;
}

/*
 * Could telling the peer this commit index move its own?  Not if an index that
 * covers all we have sent is on its way already.
 */
bool
raft_progress_can_bump_commit(const struct raft_peer *p, raft_index commit)
{
	return commit > p->sent_commit && p->sent_commit < p->next - 1;
}

/* The peer acknowledged up to match; false if that is old news. */
bool
raft_progress_update(struct raft_peer *p, raft_index match)
{
	if (match <= p->match)
		return false;
	p->match = match;
	p->next = Max(p->next, match + 1);
	p->app_paused = false;
	return true;
}

/*
 * The peer rejected an append whose previous entry was "rejected"; "hint" is
 * where its log may agree with ours.  False if the rejection is outdated: when
 * replicating, anything at or below match; when probing, anything but the one
 * probe that is out.
 */
bool
raft_progress_decrease(struct raft_peer *p, raft_index rejected, raft_index hint)
{
	if (p->state == RAFT_REPLICATE)
	{
		if (rejected <= p->match)
			return false;
		p->next = p->match + 1;
		p->sent_commit = Min(p->sent_commit, p->next - 1);
		raft_window_shrink(&p->window);
		return true;
	}

	if (p->next - 1 != rejected)
		return false;
	p->next = Max(Min(rejected, hint + 1), p->match + 1);
	p->sent_commit = Min(p->sent_commit, p->next - 1);
	p->app_paused = false;
	return true;
}
