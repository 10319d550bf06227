/*-------------------------------------------------------------------------
 *
 * install.c
 *	  Follower: snapshots.
 *
 * A snapshot replaces log and state machine up to its index.  It is refused when
 * it is older than what is committed here, and not needed when the log has its
 * last entry: then everything up to it is known to be committed.  It never
 * changes term or vote.
 *
 * The configuration is switched to the snapshot's at once, the state machine by
 * the host (rd.install); until that is durable nothing is applied and the member
 * does not campaign.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/install.c
 *
 *-------------------------------------------------------------------------
 */
#include "raft_int.h"

static void
answer(struct raft *r, const struct raft_msg *m, raft_index index)
{
	struct raft_msg resp = {0};

	resp.type = RAFT_MSG_APP_RESP;
	resp.to = m->from;
	resp.index = index;
	raft_send(r, &resp);
}

/* Replace everything by the snapshot. */
static void
take(struct raft *r, const struct raft_snap *snap, const struct raft_conf *conf)
{
	struct raft_changer c;
	int			i;

	RAFT_TRACE(r, RAFT_EV_SNAP_RESTORE,.commit = r->commit,.applied = r->applied,
			   .applying = r->applying,.durable = r->durable,
			   .handed = r->handed,.last = r->trail.last,
			   .a = snap->index,.b = snap->term);
	if (!r->installing)
		r->applied_conf = r->conf;
	r->commit = snap->index;
	raft_stable_truncate(r, r->trail.base + 1);
	raft_trail_reset(&r->trail, snap->index, snap->term);
	r->durable = snap->index;
	r->handed = snap->index;
	r->installing = true;
	r->install_handed = false;
	r->install = *snap;
	r->install.conf = *conf;
	r->applying_bytes = 0;
	r->apply_paused = false;

	raft_changer_init(&c, conf);
	for (i = 0; i < c.n_tracked; i++)
		c.tracked[i].fresh = true;
	r->conf_index = snap->index;
	raft_switch_conf(r, &c);
	RAFT_TRACE(r, RAFT_EV_SNAP_RESTORED,.commit = r->commit,.last = r->trail.last,
			   .last_term = snap->term,.a = snap->index,.b = snap->term);
}

/* False: ignored; what is committed is the answer. */
static bool
restore(struct raft *r, const struct raft_snap *snap)
{
	struct raft_conf conf;

	if (snap->index <= r->commit && !raft_broken(r, RAFT_BREAK_SNAPSHOT_REGRESS))
		return false;
	if (r->role != RAFT_FOLLOWER)
	{
		RAFT_TRACE(r, RAFT_EV_SNAP_NOT_FOLLOWER,.a = snap->index,.b = snap->term);
		raft_become_follower(r, r->term + 1, 0);
		return false;
	}
	if (!raft_conf_normalize(&snap->conf, &conf))
		return false;
	if (!raft_conf_has(&conf, r->cfg.id))
	{
		RAFT_TRACE(r, RAFT_EV_SNAP_NOT_MEMBER,.conf = &conf,
				   .a = snap->index,.b = snap->term);
		return false;
	}
	if (raft_trail_match(&r->trail, snap->index, snap->term) &&
		!raft_broken(r, RAFT_BREAK_SNAPSHOT_REGRESS))
	{
		RAFT_TRACE(r, RAFT_EV_SNAP_FAST_FORWARD,.commit = r->commit,
				   .last = r->trail.last,
				   .last_term = raft_trail_last_term(&r->trail),
				   .a = snap->index,.b = snap->term);
		raft_commit_to(r, snap->index);
		return false;
	}
	take(r, snap, &conf);
	return true;
}

void
raft_handle_snapshot(struct raft *r, const struct raft_msg *m)
{
	if (restore(r, m->snap))
	{
		RAFT_TRACE(r, RAFT_EV_SNAP_ACCEPTED,.commit = r->commit,
				   .a = m->snap->index,.b = m->snap->term);
		answer(r, m, r->trail.last);
	}
	else
	{
		RAFT_TRACE(r, RAFT_EV_SNAP_IGNORED,.commit = r->commit,
				   .a = m->snap->index,.b = m->snap->term);
		answer(r, m, r->commit);
	}
}

/*
 * The host has switched to a snapshot and that is durable.  A newer one may
 * have arrived meanwhile; the state machine is at this one all the same.
 */
void
raft_installed(struct raft *r, raft_index index)
{
	if (r->installing && r->install_handed && r->install.index == index)
		r->installing = false;
	r->applied = Max(r->applied, index);
	r->applying = Max(r->applying, r->applied);
	r->conf_done = Max(r->conf_done, r->applied);
	RAFT_TRACE(r, RAFT_EV_APPLIED,.applied = r->applied);
}
