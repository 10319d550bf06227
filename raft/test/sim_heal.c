/*-------------------------------------------------------------------------
 *
 * sim_heal.c
 *	  The second phase of a run: faults end, and progress is demanded.
 *
 * Every member comes back with the disk it has, links work, disks are fast.
 * Nobody intervenes: no connection is reported lost, nobody is told to
 * campaign.  Within a bounded time there must be a leader, a new write must
 * commit and be applied by every member of the configuration, a joint
 * configuration must be left, the leader and another member must answer reads,
 * and no read asked before may be left without an answer.
 *
 * A member that was removed is stopped, as an operator would, as soon as no
 * member of the new configuration can need its vote any more.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/test/sim_heal.c
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "sim_world.h"

static const struct raft_conf *
latest_conf(struct sim_world *w)
{
	return &w->oracle.confs[w->oracle.n_confs - 1].conf;
}

/* Has every member of the latest configuration durably applied it? */
bool
sim_removal_known(struct sim_world *w)
{
	const struct sim_conf_fact *c = &w->oracle.confs[w->oracle.n_confs - 1];

	for (raft_id id = 1; id <= SIM_MAX_ID; id++)
	{
		if (sim_conf_has(&c->conf, id) &&
			w->members[id].disk.machine.applied < c->index)
			return false;
	}
	return true;
}

/* Bring everybody back and every fault to its end. */
void
sim_heal_begin(struct sim_world *w)
{
	SIM_TRACE(w, "---------- healed ----------");
	w->healing = true;
	w->heal_start = w->now;
	w->heal_next = w->now;
	sim_net_heal(w);
	for (raft_id id = 1; id <= SIM_MAX_ID; id++)
	{
		struct sim_member *m = &w->members[id];

		m->paused_until = 0;
		m->tick_period = SIM_TICK;
		if (m->life == SIM_DOWN)
			sim_push(w, w->now + sim_rng_between(&w->rng, 1, SIM_TICK),
					 SIM_EV_RESTART, id, NULL);
	}

	/* From now on what is applied is soon durable. */
	w->swarm.machine_flush = 1024;
}

/*
 * Who may still be needed: the members of the latest configuration, and those
 * whose votes they may have to ask for, since they do not know it yet.
 */
static void
mark_needed(struct sim_world *w, const struct raft_conf *conf, bool *needed)
{
	for (raft_id id = 1; id <= SIM_MAX_ID; id++)
	{
		const struct sim_member *m = &w->members[id];

		if (needed[id] || !sim_conf_has(conf, id))
			continue;
		needed[id] = true;
		mark_needed(w, m->life == SIM_UP ? &m->machine.conf :
					&m->disk.machine.conf, needed);
	}
}

/* Stop members that were removed, start those that came back. */
static void
keep_members(struct sim_world *w)
{
	bool		needed[SIM_MAX_ID + 1] = {false};

	mark_needed(w, latest_conf(w), needed);
	for (raft_id id = 1; id <= SIM_MAX_ID; id++)
	{
		struct sim_member *m = &w->members[id];

		if (m->life == SIM_UP && !needed[id])
		{
			SIM_TRACE(w, "member %d: stopped, it was removed", (int) id);
			sim_member_crash(w, m);
		}
		else if (m->life == SIM_DOWN && needed[id] &&
				 w->now > w->heal_start + 2 * SIM_TICK)
			sim_member_start(w, m);
	}
}

/* Get one write committed. */
static void
demand_write(struct sim_world *w, struct sim_member *leader)
{
	if (w->heal_tried != 0 && w->oracle.committed >= w->heal_tried)
	{
		const struct sim_fact *f = &w->oracle.facts[w->heal_tried];

		if (f->known && f->payload == w->heal_payload)
		{
			w->heal_index = w->heal_tried;
			return;
		}
		w->heal_tried = 0;
	}
	if (w->heal_tried != 0 && w->now < w->heal_write_time)
		return;
	w->heal_tried = 0;
	w->heal_write_time = w->now + 20 * SIM_TICK;
	w->heal_payload = w->n_payloads;
	if (sim_propose(w, leader, 1, 20, &w->heal_tried) != RAFT_OK)
		w->heal_tried = 0;
}

/* Get a read answered; asks again if it failed.  True when it is done. */
static bool
demand_read(struct sim_world *w, struct sim_member *m, uint32_t *number)
{
	const struct sim_read_fact *f;

	if (*number != 0)
	{
		f = &w->oracle.reads[*number - 1];
		if (f->done && f->rc == RAFT_OK)
			return true;
		if (!f->done && f->member == m->id && f->life == m->lives)
			return false;
	}
	*number = sim_read(w, m);
	return false;
}

/* What is missing for the end of the run; NULL = nothing. */
static const char *
demands(struct sim_world *w)
{
	struct sim_member *leader;
	struct sim_member *other = NULL;
	const struct raft_conf *conf;

	keep_members(w);
	leader = sim_leader(w);
	if (leader == NULL)
		return "a leader";
	conf = latest_conf(w);
	if (!leader->cfg.snapshot_at_applied)
		sim_member_snapshot(w, leader);
	if (conf->n_outgoing > 0)
	{
		if (!conf->auto_leave && leader->seen.joint)
			(void) sim_leave_joint(w, leader);
		return "the end of a joint configuration";
	}
	if (w->heal_index == 0)
		demand_write(w, leader);
	if (w->heal_index == 0)
		return "a commit";
	for (raft_id id = 1; id <= SIM_MAX_ID; id++)
	{
		struct sim_member *m = &w->members[id];

		if (!sim_conf_has(conf, id))
			continue;
		if (m->life != SIM_UP)
			return "a member";
		if (m->machine.applied < w->heal_index || !sim_member_finished(w, m))
			return "an apply";
		if (m->seen.disk_failed)
			return "a disk";
		if (m != leader)
			other = m;
	}
	if (!demand_read(w, leader, &w->heal_reads[0]))
		return "a read at the leader";
	if (other != NULL && !demand_read(w, other, &w->heal_reads[1]))
		return "a read at a follower";
	for (size_t i = 0; i < w->oracle.n_reads; i++)
	{
		const struct sim_read_fact *f = &w->oracle.reads[i];
		const struct sim_member *m = &w->members[f->member];

		if (!f->done && m->life == SIM_UP && m->lives == f->life)
			return "the answer to an old read";
	}
	return NULL;
}

/* Make the demands, now and then; true when all are met. */
bool
sim_heal_done(struct sim_world *w)
{
	const struct sim_swarm *s = &w->swarm;
	sim_time	limit = (300 + 30 * (sim_time) s->cfg.election_tick +
						 10 * (sim_time) s->cfg.snapshot_tick) * SIM_TICK;
	const char *missing;

	if (w->now < w->heal_next)
		return false;
	w->heal_next = w->now + SIM_TICK;
	missing = demands(w);
	if (missing == NULL)
	{
		w->counts[SIM_COUNT_HEAL_TICKS] = (w->now - w->heal_start) / SIM_TICK;
		return true;
	}
	w->heal_missing = missing;
	if (w->now > w->heal_start + limit)
		sim_fail(w, "a healed cluster makes progress",
				 "%d ticks, still waiting for %s",
				 (int) ((w->now - w->heal_start) / SIM_TICK), missing);
	return false;
}
