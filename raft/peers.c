/*-------------------------------------------------------------------------
 *
 * peers.c
 *	  The table of peers.
 *
 * Progress lives in fixed slots, which never move while a peer is tracked; an
 * index array gives them by ascending id.  Everything that visits peers does it
 * in that order, so that a run depends on nothing but its input.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/peers.c
 *
 *-------------------------------------------------------------------------
 */
#include "raft_int.h"

const struct raft_peer *
raft_peer_get(const struct raft *r, raft_id id)
{
	int			i;

	for (i = 0; i < r->n_peers; i++)
	{
		const struct raft_peer *p = &r->peers[r->order[i]];

		if (p->id == id)
			return p;
	}
	return NULL;
}

struct raft_peer *
raft_peer_of(struct raft *r, raft_id id)
{
	return (struct raft_peer *) raft_peer_get(r, id);
}

/*
 * Make the table match the members of a changer.  A new or fresh member is
 * probed from the last entry on, and counts as active: it must get a chance to
 * answer before a quorum check holds its silence against the leader.
 */
void
raft_peers_track(struct raft *r, const struct raft_changer *c)
{
	int			slot;
	int			i;

	for (slot = 0; slot < RAFT_MAX_PEERS; slot++)
	{
		struct raft_peer *p = &r->peers[slot];
		bool		keep = false;

		for (i = 0; i < c->n_tracked && p->id != 0; i++)
			if (c->tracked[i].id == p->id && !c->tracked[i].fresh)
			{
				p->learner = c->tracked[i].learner;
				keep = true;
			}
		if (!keep)
			p->id = 0;
	}

	for (i = 0; i < c->n_tracked; i++)
	{
		struct raft_peer *p;

		for (slot = 0; slot < RAFT_MAX_PEERS; slot++)
			if (r->peers[slot].id == c->tracked[i].id)
				break;
		if (slot < RAFT_MAX_PEERS)
			continue;
		for (slot = 0; slot < RAFT_MAX_PEERS; slot++)
			if (r->peers[slot].id == 0)
				break;
		if (!RAFT_ENSURE(r, slot < RAFT_MAX_PEERS))
			return;
		p = &r->peers[slot];
		p->id = c->tracked[i].id;
		p->learner = c->tracked[i].learner;
		p->vote = RAFT_VOTE_NONE;
		p->silent_ticks = 0;
		raft_progress_init(p, 0, Max(r->trail.last, 1));
		p->recent_active = true;
	}

	r->n_peers = 0;
	for (slot = 0; slot < RAFT_MAX_PEERS; slot++)
	{
		if (r->peers[slot].id == 0)
			continue;
		for (i = r->n_peers; i > 0 &&
			 r->peers[r->order[i - 1]].id > r->peers[slot].id; i--)
			r->order[i] = r->order[i - 1];
		r->order[i] = (uint8_t) slot;
		r->n_peers++;
	}
}

void
raft_peer_describe(const struct raft *r, const struct raft_peer *p,
				   struct raft_peer_status *st)
{
	memset(st, 0, sizeof(*st));
	st->id = p->id;
	st->learner = p->learner;
	st->voter = raft_set_has(r->conf.voters, r->conf.n_voters, p->id);
	st->outgoing = raft_set_has(r->conf.outgoing, r->conf.n_outgoing, p->id);
	st->state = p->state;
	st->match = p->match;
	st->next = p->next;
	st->sent_commit = p->sent_commit;
	st->pending_snapshot = p->pending_snapshot;
	st->snapshot_ticks = p->snapshot_ticks;
	st->paused = raft_progress_paused(p);
	st->recent_active = p->recent_active;
	st->silent_ticks = p->silent_ticks;
	st->inflight_msgs = p->window.count;
	st->inflight_bytes = p->window.bytes;
	st->inflight_full = raft_window_full(&p->window);
}

size_t
raft_peers(const struct raft *r, struct raft_peer_status *out, size_t max)
{
	int			i;

	for (i = 0; i < r->n_peers && (size_t) i < max; i++)
		raft_peer_describe(r, &r->peers[r->order[i]], &out[i]);
	return (size_t) i;
}
