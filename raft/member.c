/*-------------------------------------------------------------------------
 *
 * member.c
 *	  Switching to a changed configuration.
 *
 * A configuration takes effect when its entry is applied, on every member.  The
 * rules that make this safe are elsewhere: one change at a time (propose.c), no
 * campaign with an unapplied one (election.c).
 *
 * A leader that is no voter any more steps down once that is applied, which is
 * after it is committed (thesis, section 4.2.2): until then it does not count
 * itself but serves.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/member.c
 *
 *-------------------------------------------------------------------------
 */
#include "raft_int.h"

/* Use a configuration; leaders act on what it changes. */
void
raft_switch_conf(struct raft *r, const struct raft_changer *c)
{
	struct raft_peer *self;
	struct raft_peer *p;
	int			i;

	r->conf = c->conf;
	raft_peers_track(r, c);
	RAFT_TRACE(r, RAFT_EV_CONF_SWITCHED,.conf = &r->conf);
	if (r->role != RAFT_LEADER)
		return;

	self = raft_peer_of(r, r->cfg.id);
	if (self == NULL || self->learner)
	{
		if (r->cfg.step_down_on_removal)
			raft_become_follower(r, r->term, 0);
		return;
	}
	if (r->conf.n_voters == 0)
		return;

	/* a smaller quorum may have been reached already */
	if (raft_maybe_commit(r))
	{
		raft_reads_release_postponed(r);
		raft_bcast_append_soon(r);
	}
	else
	{
		/* contact new members at once */
		raft_foreach_peer(r, i, p)
		{
			if (p->id != r->cfg.id)
				raft_send_append(r, p, false);
		}
	}
	raft_reads_advance(r);
	if (r->transferee != 0 && !raft_conf_has_voter(&r->conf, r->transferee))
		raft_transfer_abort(r);
}

/*
 * Leave a joint configuration that is to be left automatically, once its entry
 * is applied.  Refused during a transfer; asked again at the next apply or
 * tick, by this leader or the next one.
 */
void
raft_maybe_auto_leave(struct raft *r)
{
	struct raft_entry leave = {0};
	raft_index	first;

	if (r->role != RAFT_LEADER || !r->conf.auto_leave ||
		r->applied < r->pending_conf)
		return;
	leave.type = RAFT_ENTRY_CONF;
	if (raft_handle_propose(r, &leave, 1, r->cfg.id, &first) == RAFT_OK)
		RAFT_TRACE(r, RAFT_EV_AUTO_LEAVE,.conf = &r->conf);
	else
		RAFT_TRACE(r, RAFT_EV_AUTO_LEAVE_REFUSED,.conf = &r->conf);
}

/* Is index a conf entry that was handed out and is not answered yet? */
static bool
awaits_answer(const struct raft *r, raft_index index)
{
	if (index <= r->conf_done || index <= r->applied || index > r->applying)
		return false;

	/* what a snapshot is about to replace is not in the trail any more */
	if (index <= r->trail.base)
		return r->installing;
	return raft_trail_is_conf(&r->trail, index);
}

enum raft_rc
raft_apply_conf(struct raft *r, raft_index index,
				const struct raft_conf_change *change, struct raft_conf *conf)
{
	struct raft_changer c;
	bool		replaced;

	if (r->fault_line != 0)
		return RAFT_FATAL;
	if (!awaits_answer(r, index))
		return RAFT_INVALID;

	/*
	 * While a snapshot waits to be installed the state machine may still apply
	 * what it was given before; the core is past that.
	 */
	replaced = r->installing && index <= r->install.index;
	raft_changer_init(&c, replaced ? &r->applied_conf : &r->conf);
	if (raft_changer_apply(&c, change) != RAFT_CONF_FINE)
		return RAFT_INVALID;
	r->conf_done = index;
	if (conf != NULL)
		*conf = c.conf;
	if (replaced)
	{
		r->applied_conf = c.conf;
		return RAFT_OK;
	}
	r->conf_index = index;
	raft_switch_conf(r, &c);
	return raft_finish(r, RAFT_OK);
}

enum raft_rc
raft_cancel_conf(struct raft *r, raft_index index)
{
	if (r->fault_line != 0)
		return RAFT_FATAL;
	if (!awaits_answer(r, index))
		return RAFT_INVALID;
	r->conf_done = index;
	return RAFT_OK;
}
