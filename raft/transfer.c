/*-------------------------------------------------------------------------
 *
 * transfer.c
 *	  Handing leadership over.
 *
 * Thesis, section 3.10.  The leader stops accepting proposals, brings the target
 * up to date, and tells it to campaign at once (TIMEOUT_NOW); its vote requests
 * are exempt from leases.  If the target has not won within an election timeout,
 * the leader goes on as before: the message, the target, or the election may be
 * lost.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/transfer.c
 *
 *-------------------------------------------------------------------------
 */
#include "raft_int.h"

void
raft_transfer_abort(struct raft *r)
{
	r->transferee = 0;
}

/* From now on another may be elected in spite of our heartbeats. */
void
raft_send_timeout_now(struct raft *r, raft_id to)
{
	struct raft_msg m = {0};

	m.type = RAFT_MSG_TIMEOUT_NOW;
	m.to = to;
	r->lease_given_up = true;
	raft_send(r, &m);
}

/* The live voter with the longest log. */
static struct raft_peer *
best_target(struct raft *r)
{
	struct raft_peer *best = NULL;
	struct raft_peer *p;
	int			i;

	raft_foreach_peer(r, i, p)
	{
		if (p->id == r->cfg.id || p->learner ||
			!raft_set_has(r->conf.voters, r->conf.n_voters, p->id) ||
			p->silent_ticks >= r->cfg.election_tick)
			continue;
		if (best == NULL || p->match > best->match)
			best = p;
	}
	return best;
}

/* Leader: start a transfer; to == 0 picks a target. */
static enum raft_rc
transfer_start(struct raft *r, raft_id to)
{
	struct raft_peer *p = to != 0 ? raft_peer_of(r, to) : best_target(r);

	if (p == NULL)
	{
		RAFT_TRACE(r, RAFT_EV_NO_PEER,.peer = to);
		return to != 0 ? RAFT_UNKNOWN_PEER : RAFT_INVALID;
	}
	if (p->learner)
	{
		RAFT_TRACE(r, RAFT_EV_TRANSFER_LEARNER,.peer = p->id);
		return RAFT_INVALID;
	}
	if (r->transferee == p->id)
	{
		RAFT_TRACE(r, RAFT_EV_TRANSFER_SAME,.peer = p->id);
		return RAFT_OK;
	}
	if (r->transferee != 0)
	{
		raft_id		previous = r->transferee;

		raft_transfer_abort(r);
		RAFT_TRACE(r, RAFT_EV_TRANSFER_ABORTED,.peer = previous);
	}
	if (p->id == r->cfg.id)
	{
		RAFT_TRACE(r, RAFT_EV_TRANSFER_SELF,.peer = p->id);
		return RAFT_OK;
	}

	RAFT_TRACE(r, RAFT_EV_TRANSFER_START,.peer = p->id);
	r->election_elapsed = 0;	/* its deadline is one election timeout */
	r->transferee = p->id;
	if (p->match == r->trail.last)
	{
		raft_send_timeout_now(r, p->id);
		RAFT_TRACE(r, RAFT_EV_TRANSFER_AT_ONCE,.peer = p->id);
	}
	else
		raft_send_append(r, p, true);
	return RAFT_OK;
}

/* The wish of our host, or of a member that takes us for the leader. */
enum raft_rc
raft_transfer_request(struct raft *r, raft_id to)
{
	struct raft_msg m = {0};

	if (r->role == RAFT_LEADER)
		return transfer_start(r, to);
	if (r->role != RAFT_FOLLOWER || r->leader == 0)
	{
		if (r->role == RAFT_FOLLOWER)
			RAFT_TRACE0(r, RAFT_EV_TRANSFER_NO_LEADER);
		return RAFT_NO_LEADER;
	}
	m.type = RAFT_MSG_TRANSFER;
	m.to = r->leader;
	m.target = to;
	raft_send(r, &m);
	return RAFT_OK;
}

enum raft_rc
raft_transfer(struct raft *r, raft_id to)
{
	if (r->fault_line != 0)
		return RAFT_FATAL;
	return raft_finish(r, raft_transfer_request(r, to));
}
