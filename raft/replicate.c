/*-------------------------------------------------------------------------
 *
 * replicate.c
 *	  Leader: appends, acknowledgements, commit, heartbeats.
 *
 * Thesis, sections 3.5, 3.6.2 and 10.2.1.
 *
 * The leader sends a peer what follows its progress, in messages bounded in
 * bytes, as many as the window allows, without waiting for its own disk.  It
 * counts its own entries only when they are durable, like anyone else's.
 *
 * An entry is committed when a majority has it AND it is of the leader's term;
 * earlier entries are committed by that (figure 3.7 shows why counting their
 * copies is not enough).
 *
 * A lost message shows as a rejection of the next one, or not at all when the
 * window is full and everything in it was lost.  Therefore a peer that answers a
 * heartbeat and lags gets an append even then, an empty one if need be: its
 * acknowledgement or rejection frees the window.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/replicate.c
 *
 *-------------------------------------------------------------------------
 */
#include "raft_int.h"

/*
 * Send a peer the next entries; if_empty: also when there are none, to tell
 * the commit index or to probe.  True if a message was sent.
 */
bool
raft_send_append(struct raft *r, struct raft_peer *p, bool if_empty)
{
	struct raft_msg m = {0};
	bool		full = p->state == RAFT_REPLICATE && raft_window_full(&p->window);

	if (raft_progress_paused(p))
		return false;
	if (full && raft_broken(r, RAFT_BREAK_FULL_WINDOW_STUCK))
		return false;

	m.type = RAFT_MSG_APP;
	m.to = p->id;
	m.index = p->next - 1;
	if (!raft_trail_term(&r->trail, m.index, &m.log_term))
		return raft_send_snapshot(r, p);
	if (!full && p->next <= r->trail.last)
	{
		raft_index	hi = raft_trail_limit(&r->trail, p->next, r->trail.last,
										  r->cfg.max_msg_bytes);

		m.n_entries = (uint32_t) Min(hi - p->next + 1, UINT32_MAX);
		m.bytes = raft_trail_bytes(&r->trail, p->next, m.index + m.n_entries);
	}
	if (m.n_entries == 0 && !if_empty)
		return false;
	m.commit = r->commit;
	raft_send(r, &m);
	RAFT_ASSERT(r, raft_progress_sent(p, m.n_entries, m.bytes));
	p->sent_commit = r->commit;
	return true;
}

void
raft_bcast_append(struct raft *r)
{
	struct raft_peer *p;
	int			i;

	raft_foreach_peer(r, i, p)
	{
		if (p->id != r->cfg.id)
			raft_send_append(r, p, true);
	}
}

/*
 * The same at the next ready, so that proposals and commits of one loop of the
 * host share their messages.
 */
void
raft_bcast_append_soon(struct raft *r)
{
	if (r->cfg.scripted)
		raft_bcast_append(r);
	else
		r->want_bcast = true;
}

/*
 * ... which is now.  Who has been told the commit index with entries that left
 * meanwhile needs no empty message; who is behind gets all the window holds.
 */
void
raft_bcast_append_now(struct raft *r)
{
	struct raft_peer *p;
	int			i;

	raft_foreach_peer(r, i, p)
	{
		if (p->id == r->cfg.id)
			continue;
		raft_send_append(r, p, raft_progress_can_bump_commit(p, r->commit));
		while (raft_send_append(r, p, false))
			;
	}
}

/*
 * Heartbeats carry the commit index no further than what the peer is known to
 * have, the read round, and our clock (echo), from which the lease is made.
 */
void
raft_bcast_heartbeat(struct raft *r)
{
	uint64_t	round = raft_read_round(r);
	struct raft_peer *p;
	int			i;

	raft_foreach_peer(r, i, p)
	{
		struct raft_msg m = {0};

		if (p->id == r->cfg.id)
			continue;
		m.type = RAFT_MSG_HEARTBEAT;
		m.to = p->id;
		m.commit = Min(p->match, r->commit);
		if (raft_broken(r, RAFT_BREAK_HEARTBEAT_COMMIT_UNCAPPED))
			m.commit = r->commit;
		m.ctx = round;
		m.echo = r->now;
		raft_send(r, &m);
		p->sent_commit = m.commit;
	}
}

/* ---------- commit ---------- */

static bool
match_value(const void *arg, raft_id id, uint64_t *value)
{
	const struct raft_peer *p = raft_peer_get(arg, id);

	if (p == NULL)
		return false;
	*value = p->match;
	return true;
}

#ifdef RAFT_BREAK
/* Known bug: learners' copies count towards the number of voters needed. */
static uint64_t
learners_count(const struct raft *r)
{
	raft_id		ids[RAFT_MAX_PEERS];
	uint64_t	best = 0;
	int			needed = r->conf.n_voters / 2 + 1;
	int			i;
	int			j;

	for (i = 0; i < r->n_peers; i++)
		ids[i] = r->peers[r->order[i]].id;
	for (i = 0; i < r->n_peers; i++)
	{
		uint64_t	v = 0;
		int			count = 0;

		match_value(r, ids[i], &v);
		for (j = 0; j < r->n_peers; j++)
		{
			uint64_t	w = 0;

			match_value(r, ids[j], &w);
			count += w >= v;
		}
		if (count >= needed && v > best)
			best = v;
	}
	return best;
}
#endif

/* Advance the commit index by what a quorum has; true if it moved. */
bool
raft_maybe_commit(struct raft *r)
{
	uint64_t	index = raft_joint_value(&r->conf, match_value, r);
	raft_term	term;

#ifdef RAFT_BREAK
	if (raft_broken(r, RAFT_BREAK_JOINT_COMMIT_ONE_SIDE))
		index = raft_quorum_value(r->conf.voters, r->conf.n_voters, match_value, r);
	if (raft_broken(r, RAFT_BREAK_LEARNER_COUNTS))
		index = learners_count(r);
#endif
	if (index <= r->commit || !raft_trail_term(&r->trail, index, &term))
		return false;
	if (term != r->term && !raft_broken(r, RAFT_BREAK_COMMIT_OLD_TERM))
		return false;
	raft_commit_to(r, index);
	return true;
}

/* Has the leader committed an entry of its own term? */
bool
raft_committed_in_term(const struct raft *r)
{
	return raft_trail_match(&r->trail, r->commit, r->term);
}

/* ---------- answers ---------- */

static void
heard_from(struct raft_peer *p)
{
	p->recent_active = true;
	p->silent_ticks = 0;
}

/*
 * A rejection.  The peer's hint is the largest index where its log may agree
 * with the probe; ours may rule out more: no index of a term newer than the
 * hint's can match.  At most one probe for each term of either log.
 */
static void
handle_reject(struct raft *r, struct raft_peer *p, const struct raft_msg *m)
{
	raft_index	hint = m->hint;

	RAFT_TRACE(r, RAFT_EV_APP_RESP_REJECT,.peer = p->id,.msg = m);
	if (m->log_term > 0)
	{
		raft_term	ignored;

		hint = raft_trail_find_term(&r->trail, hint, m->log_term, &ignored);
	}
#ifdef RAFT_BREAK
	if (raft_broken(r, RAFT_BREAK_STALE_REJECT))
	{
		raft_progress_become_probe(p);
		p->next = Max(Min(m->index, hint + 1), 1);
		p->match = Min(p->match, p->next - 1);
		raft_send_append(r, p, true);
		return;
	}
#endif
	if (raft_progress_decrease(p, m->index, hint))
	{
		if (r->cfg.trace != NULL)
		{
			struct raft_peer_status st;

			raft_peer_describe(r, p, &st);
			RAFT_TRACE(r, RAFT_EV_PROBE_DECREASED,.peer = p->id,.progress = &st);
		}
		if (p->state == RAFT_REPLICATE)
			raft_progress_become_probe(p);
		raft_send_append(r, p, true);
	}
}

/* A peer, or our own disk, has the log up to m->index. */
static void
handle_ack(struct raft *r, struct raft_peer *p, const struct raft_msg *m)
{
	bool		self = p->id == r->cfg.id;
	bool		news;

#ifdef RAFT_BREAK
	if (raft_broken(r, RAFT_BREAK_MATCH_REGRESS) && !self)
		p->match = Min(p->match, m->index);
#endif
	news = raft_progress_update(p, m->index);

	/*
	 * A probed peer that confirms what we know is fit for replication again: it
	 * lost contact, not entries.
	 */
	if (!news && !(p->match == m->index && p->state == RAFT_PROBE))
		return;

	switch (p->state)
	{
		case RAFT_PROBE:
			raft_progress_become_replicate(p);
			break;
		case RAFT_SNAPSHOT:

			/*
			 * Whatever snapshot it got, and from whom: if our log continues
			 * where it stands, it needs no other.
			 */
			if (p->match >= r->trail.base)
			{
				if (r->cfg.trace != NULL)
				{
					struct raft_peer_status st;

					raft_peer_describe(r, p, &st);
					RAFT_TRACE(r, RAFT_EV_SNAP_RECOVERED,.peer = p->id,
							   .progress = &st);
				}
				raft_progress_become_probe(p);
				raft_progress_become_replicate(p);
			}
			break;
		case RAFT_REPLICATE:
			raft_window_free_to(&p->window, m->index);
			break;
	}

	if (raft_maybe_commit(r))
	{
		raft_reads_release_postponed(r);
		raft_bcast_append_soon(r);
	}
	else if (!self && raft_progress_can_bump_commit(p, r->commit))
		raft_send_append(r, p, true);

	/* the window may have room for several messages now */
	while (!self && raft_send_append(r, p, false))
		;
	if (r->transferee == p->id && p->match == r->trail.last)
	{
		RAFT_TRACE(r, RAFT_EV_TRANSFER_CAUGHT_UP,.peer = p->id);
		raft_send_timeout_now(r, p->id);
	}
}

void
raft_handle_append_resp(struct raft *r, struct raft_peer *p, const struct raft_msg *m)
{
	heard_from(p);
	if (m->reject)
		handle_reject(r, p, m);
	else if (m->index <= r->trail.last)
		handle_ack(r, p, m);
}

void
raft_handle_heartbeat_resp(struct raft *r, struct raft_peer *p, const struct raft_msg *m)
{
	heard_from(p);
	p->app_paused = false;
	if (m->echo <= r->now)
		p->last_echo = Max(p->last_echo, m->echo);

	/*
	 * The heartbeat told the commit index already; an append is due only to a
	 * peer that lags or that we are not sure of.
	 */
	if (p->match < r->trail.last || p->state == RAFT_PROBE)
		raft_send_append(r, p, true);

	if (m->ctx > p->read_ack && m->ctx <= raft_read_round(r))
		p->read_ack = m->ctx;
	if (raft_broken(r, RAFT_BREAK_READ_STALE_ROUND))
		p->read_ack = raft_read_round(r);
	raft_reads_advance(r);
}

/* ---------- time ---------- */

static bool
active_value(const void *arg, raft_id id, uint64_t *value)
{
	const struct raft_peer *p = raft_peer_get(arg, id);

	*value = p != NULL && !p->learner && p->recent_active;
	return p != NULL;
}

static bool
recent_value(const void *arg, raft_id id, uint64_t *value)
{
	const struct raft *r = arg;
	const struct raft_peer *p = raft_peer_get(r, id);

	*value = p != NULL && (id == r->cfg.id || p->silent_ticks < r->cfg.election_tick);
	return p != NULL;
}

/* Did a quorum answer within an election timeout? */
bool
raft_quorum_active(const struct raft *r)
{
	return r->role == RAFT_LEADER &&
		raft_joint_vote(&r->conf, recent_value, r) == RAFT_VOTE_WON;
}

/*
 * A leader that cannot reach a quorum steps down, so that its clients turn
 * elsewhere (thesis, section 6.2).
 */
static void
check_quorum(struct raft *r)
{
	struct raft_peer *p;
	int			i;

	if (raft_joint_vote(&r->conf, active_value, r) != RAFT_VOTE_WON)
	{
		RAFT_TRACE0(r, RAFT_EV_QUORUM_LOST);
		raft_become_follower(r, r->term, 0);
	}
	raft_foreach_peer(r, i, p)
	{
		if (p->id != r->cfg.id)
			p->recent_active = false;
	}
}

void
raft_tick_leader(struct raft *r)
{
	struct raft_peer *p;
	int			i;

	r->heartbeat_elapsed++;
	r->election_elapsed++;
	raft_foreach_peer(r, i, p)
	{
		if (p->id == r->cfg.id)
			continue;
		p->silent_ticks++;
		raft_tick_snapshot(r, p);
	}

	if (r->election_elapsed >= r->cfg.election_tick)
	{
		r->election_elapsed = 0;
		if (r->cfg.check_quorum)
			check_quorum(r);
		if (r->role == RAFT_LEADER && r->transferee != 0 &&
			!raft_broken(r, RAFT_BREAK_TRANSFER_NEVER_ABORTS))
		{
			RAFT_TRACE(r, RAFT_EV_TRANSFER_TIMEOUT,.peer = r->transferee);
			raft_transfer_abort(r);
		}

		/* a transfer may have kept us from leaving a joint configuration */
		if (!raft_broken(r, RAFT_BREAK_AUTO_LEAVE_ONCE))
			raft_maybe_auto_leave(r);
	}
	if (r->role == RAFT_LEADER && r->heartbeat_elapsed >= r->cfg.heartbeat_tick)
	{
		r->heartbeat_elapsed = 0;
		raft_bcast_heartbeat(r);
	}
}
