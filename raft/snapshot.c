/*-------------------------------------------------------------------------
 *
 * snapshot.c
 *	  Leader: peers that need a snapshot.
 *
 * A peer whose next entry is compacted away gets a snapshot.  Appends to it are
 * paused until it acknowledges an index from which the log can go on, or until
 * the host reports how the stream ended, or until nothing was heard of the
 * stream for snapshot_tick ticks: a report can be lost with the process that
 * owed it, and the peer must not stay paused for ever.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/snapshot.c
 *
 *-------------------------------------------------------------------------
 */
#include "raft_int.h"

/* Tell an event about a peer with its progress. */
static void
trace_peer(struct raft *r, enum raft_event_kind kind, const struct raft_peer *p,
		   bool flag)
{
	struct raft_peer_status st;

	if (r->cfg.trace == NULL)
		return;
	raft_peer_describe(r, p, &st);
	RAFT_TRACE(r, kind,.peer = p->id,.progress = &st,.flag = flag);
}

/*
 * The snapshot to send, if there is one from which the log continues and that
 * knows the peer, which would refuse it otherwise.  A state machine in the
 * middle of a configuration entry has none.
 */
static bool
choose(const struct raft *r, const struct raft_peer *p, struct raft_snap *snap)
{
	if (!r->cfg.snapshot_at_applied)
	{
		if (!r->has_snapshot)
			return false;
		if (!r->cfg.scripted &&
			(r->snapshot.index < r->trail.base ||
			 !raft_conf_has(&r->snapshot.conf, p->id)))
			return false;
		*snap = r->snapshot;
		return true;
	}
	if (r->applied == 0 || r->conf_index > r->applied)
		return false;
	snap->index = r->applied;
	snap->conf = r->conf;
	return raft_trail_term(&r->trail, r->applied, &snap->term);
}

/* True if a snapshot message was sent. */
bool
raft_send_snapshot(struct raft *r, struct raft_peer *p)
{
	struct raft_vec *v = &r->out[r->cur].snaps;
	struct raft_msg m = {0};
	struct raft_snap snap;

	if (!p->recent_active)
	{
		RAFT_TRACE(r, RAFT_EV_SNAP_INACTIVE,.peer = p->id);
		return false;
	}
	if (!choose(r, p, &snap) ||
		!raft_vec_reserve(r, v, 1, sizeof(struct raft_snap)))
	{
		RAFT_TRACE(r, RAFT_EV_SNAP_UNAVAILABLE,.peer = p->id);
		return false;
	}
	if (r->cfg.trace != NULL)
	{
		struct raft_peer_status st;

		raft_peer_describe(r, p, &st);
		RAFT_TRACE(r, RAFT_EV_SNAP_SENT,.peer = p->id,.progress = &st,
				   .index = r->trail.base + 1,.commit = r->commit,
				   .a = snap.index,.b = snap.term);
	}
	raft_progress_become_snapshot(p, snap.index);
	trace_peer(r, RAFT_EV_SNAP_PAUSED, p, false);

	/* the array may still move: the message has its place in it until then */
	RAFT_VEC(*v, struct raft_snap)[v->n] = snap;
	m.type = RAFT_MSG_SNAP;
	m.to = p->id;
	m.ctx = v->n++;
	m.snap = &snap;
	raft_send(r, &m);
	return true;
}

/* The stream ended; the next append waits for a sign of life of the peer. */
static void
resume(struct raft_peer *p, bool ok)
{
	if (!ok)
		p->pending_snapshot = 0;
	raft_progress_become_probe(p);
}

enum raft_rc
raft_report_snapshot(struct raft *r, raft_id id, enum raft_snap_report report)
{
	struct raft_peer *p;

	if (r->fault_line != 0)
		return RAFT_FATAL;
	p = raft_peer_of(r, id);
	if (p == NULL)
	{
		RAFT_TRACE(r, RAFT_EV_NO_PEER,.peer = id);
		return RAFT_UNKNOWN_PEER;
	}
	if (r->role != RAFT_LEADER)
		return RAFT_NOT_LEADER;
	if (p->state != RAFT_SNAPSHOT)
		return RAFT_OK;
	if (report == RAFT_SNAP_ALIVE)
	{
		p->snapshot_ticks = 0;
		return RAFT_OK;
	}
	resume(p, report == RAFT_SNAP_OK);
	trace_peer(r, RAFT_EV_SNAP_REPORT, p, report == RAFT_SNAP_OK);
	p->app_paused = true;
	return raft_finish(r, RAFT_OK);
}

/* The core's own deadline for a snapshot. */
void
raft_tick_snapshot(struct raft *r, struct raft_peer *p)
{
	if (p->state != RAFT_SNAPSHOT)
		return;
	p->snapshot_ticks++;
	if (r->cfg.snapshot_tick == 0 || p->snapshot_ticks < r->cfg.snapshot_tick ||
		raft_broken(r, RAFT_BREAK_SNAPSHOT_NEVER_TIMES_OUT))
		return;
	resume(p, false);
	trace_peer(r, RAFT_EV_SNAP_TIMEOUT, p, false);
	p->app_paused = true;
}

enum raft_rc
raft_snapshot_ready(struct raft *r, const struct raft_snap *snap)
{
	struct raft_conf conf;

	if (r->fault_line != 0)
		return RAFT_FATAL;
	if (snap->index == 0 || snap->index > r->commit ||
		!raft_conf_normalize(&snap->conf, &conf))
		return RAFT_INVALID;
	r->has_snapshot = true;
	r->snapshot = *snap;
	r->snapshot.conf = conf;
	return RAFT_OK;
}
