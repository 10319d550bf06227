/*-------------------------------------------------------------------------
 *
 * role.c
 *	  Changes of role.
 *
 * Four roles; every change of role goes through one of the functions here, and
 * all but becoming a pre-candidate start from the same clean slate.  A
 * pre-candidate has promised nothing to anyone: it keeps its term and vote.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/role.c
 *
 *-------------------------------------------------------------------------
 */
#include "raft_int.h"

/*
 * Remember who leads.  Reads that were sent to another leader will not be
 * answered by this one.
 */
void
raft_set_leader(struct raft *r, raft_id leader)
{
	if (r->leader == leader)
		return;
	r->leader = leader;
	raft_reads_fail_forwarded(r);
}

static void
clear_votes(struct raft *r)
{
	struct raft_peer *p;
	int			i;

	raft_foreach_peer(r, i, p)
	{
		p->vote = RAFT_VOTE_NONE;
	}
}

/* The clean slate; a vote is forgotten only with its term. */
static void
reset(struct raft *r, raft_term term)
{
	struct raft_peer *p;
	int			i;

	if (r->term != term)
	{
		r->term = term;
		if (!raft_broken(r, RAFT_BREAK_VOTE_KEPT_NEXT_TERM))
			r->vote = 0;
	}
	raft_set_leader(r, 0);
	r->election_elapsed = 0;
	r->heartbeat_elapsed = 0;
	r->election_timeout = r->cfg.election_tick +
		raft_random_below(&r->rng, r->cfg.election_tick);
	raft_transfer_abort(r);
	clear_votes(r);
	raft_foreach_peer(r, i, p)
	{
		bool		self = p->id == r->cfg.id;

		raft_progress_init(p, self ? r->trail.last : 0, r->trail.last + 1);
		p->silent_ticks = 0;
	}
	r->pending_conf = 0;
	r->uncommitted = 0;
	r->lease_given_up = false;
	r->want_bcast = false;
	r->want_round = false;
	raft_reads_fail(r);
}

void
raft_become_follower(struct raft *r, raft_term term, raft_id leader)
{
	reset(r, term);
	r->role = RAFT_FOLLOWER;
	r->leader_silent = 0;
	raft_set_leader(r, leader);
	RAFT_TRACE(r, RAFT_EV_FOLLOWER,.peer = leader);
}

void
raft_become_candidate(struct raft *r)
{
	if (!RAFT_ENSURE(r, r->role != RAFT_LEADER))
		return;
	reset(r, r->term + 1);
	r->vote = r->cfg.id;
	r->role = RAFT_CANDIDATE;
	RAFT_TRACE0(r, RAFT_EV_CANDIDATE);
}

void
raft_become_pre_candidate(struct raft *r)
{
	if (!RAFT_ENSURE(r, r->role != RAFT_LEADER))
		return;
	clear_votes(r);
	raft_set_leader(r, 0);
	r->role = RAFT_PRE_CANDIDATE;
	RAFT_TRACE0(r, RAFT_EV_PRE_CANDIDATE);
}

void
raft_become_leader(struct raft *r)
{
	struct raft_entry empty = {0};
	struct raft_peer *self;

	if (!RAFT_ENSURE(r, r->role != RAFT_FOLLOWER))
		return;
	reset(r, r->term);
	raft_set_leader(r, r->cfg.id);
	r->role = RAFT_LEADER;
	self = raft_peer_of(r, r->cfg.id);
	if (!RAFT_ENSURE(r, self != NULL))
		return;
	raft_progress_become_replicate(self);
	self->recent_active = true;

	/*
	 * A change of the configuration may be anywhere in the part of the log
	 * that is not applied: none may follow before all of that is.
	 */
	if (!raft_broken(r, RAFT_BREAK_NO_PENDING_CONF_INDEX))
		r->pending_conf = r->trail.last;

	/*
	 * The empty entry that opens the term: committing it commits everything
	 * before it (thesis, section 3.6.2), and reads wait for it (6.4).
	 */
	RAFT_ASSERT(r, raft_leader_append(r, &empty, 1));
	RAFT_TRACE0(r, RAFT_EV_LEADER);
}

/* May this member campaign at all? */
bool
raft_promotable(const struct raft *r)
{
	const struct raft_peer *self = raft_peer_get(r, r->cfg.id);

	if (self == NULL || r->installing || r->lost_index > 0 || r->failed_seq > 0)
		return false;
	return !self->learner || raft_broken(r, RAFT_BREAK_LEARNER_CAMPAIGNS);
}

/*
 * Is a configuration change committed and not applied?  Such a member counts
 * votes by a configuration that is two steps behind what others may use.
 */
bool
raft_unapplied_conf(const struct raft *r)
{
	return r->applied < r->commit &&
		raft_trail_conf_in(&r->trail, r->applied + 1, r->commit);
}
