/*-------------------------------------------------------------------------
 *
 * sim_member.c
 *	  One simulated member: a host of the consensus core.
 *
 * This is the host loop that raft.h describes, with every freedom it leaves
 * to a host taken at random: output may be taken at once or later (then many
 * inputs share one ready), writes may be durable at once or be flushed in
 * groups later, entries may be applied at once, one by one or in batches, and
 * the state machine may become durable long after it applied something.
 *
 * The core is looked at after every single call of it (sim_check_call), not
 * only at the end of a step: a configuration that changes between two calls
 * would otherwise judge what the first one did by the wrong quorum.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/test/sim_member.c
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "sim_world.h"

/* More readies than this in a row mean that the core never comes to rest. */
#define MAX_READIES	5000

/* A call that must succeed; a poisoned core is reported with its assertion. */
static void
expect(struct sim_world *w, struct sim_member *m, enum raft_rc rc,
	   const char *what)
{
	if (rc == RAFT_FATAL)
		sim_check_call(w, m);
	if (rc != RAFT_OK)
		sim_fail(w, "calls succeed", "member %d: %s returned %s",
				 (int) m->id, what, raft_rc_name(rc));
}

/* Give a new member its identity and, for a founder, the founding state. */
void
sim_member_found(struct sim_world *w, raft_id id, const struct raft_snap *snap)
{
	struct sim_member *m = &w->members[id];
	struct sim_log disk_log = m->disk.log;

	memset(&m->disk, 0, sizeof(m->disk));
	m->disk.log = disk_log;
	m->id = id;
	m->lives = 0;
	m->life = SIM_DOWN;
	m->tick_period = SIM_TICK;
	if (w->swarm.clock_drift > 0)
		m->tick_period = SIM_TICK - w->swarm.clock_drift +
			(uint32_t) sim_rng_between(&w->rng, 0, 2 * w->swarm.clock_drift);
	m->cfg = w->swarm.cfg;
	m->cfg.id = id;
	if (w->swarm.priorities)
		m->cfg.priority = (int64_t) sim_rng_below(&w->rng, 3);
	if (snap != NULL)
	{
		sim_log_set(&m->disk.log, snap->index, snap->term);
		m->disk.term = snap->term;
		m->disk.commit = snap->index;
		m->disk.machine.applied = snap->index;
		m->disk.machine.term = snap->term;
		m->disk.machine.conf = snap->conf;
		m->disk.snap = *snap;
	}
	else
		sim_log_set(&m->disk.log, 0, 0);
}

/* Describe the durable log as runs and list its unapplied conf entries. */
static void
describe_log(struct sim_world *w, struct sim_disk *d, struct raft_boot *boot)
{
	struct sim_log *log = &d->log;
	size_t		n = (size_t) (log->last - log->base);
	struct raft_run *runs = sim_alloc(&w->arena, (n + 1) * sizeof(*runs));
	raft_index *confs = sim_alloc(&w->arena, (n + 1) * sizeof(*confs));
	size_t		n_runs = 0;
	size_t		n_confs = 0;

	for (raft_index i = log->base + 1; i <= log->last; i++)
	{
		const struct sim_entry *e = &log->at[i];

		if (w->swarm.exact_sizes || n_runs == 0 ||
			runs[n_runs - 1].term != e->term)
		{
			runs[n_runs].first = i;
			runs[n_runs].term = e->term;
			n_runs++;
		}
		runs[n_runs - 1].count++;
		runs[n_runs - 1].bytes += e->size;
		if (e->type == RAFT_ENTRY_CONF && i > d->machine.applied)
			confs[n_confs++] = i;
	}
	boot->runs = runs;
	boot->n_runs = n_runs;
	boot->conf_entries = confs;
	boot->n_conf_entries = n_confs;
}

/* Boot the core from the disk. */
void
sim_member_start(struct sim_world *w, struct sim_member *m)
{
	struct sim_disk *d = &m->disk;
	struct raft_boot boot;
	enum raft_boot_fault fault;

	memset(&boot, 0, sizeof(boot));
	boot.term = d->term;
	boot.vote = d->vote;
	boot.commit = d->commit > d->log.base ? d->commit : d->log.base;
	boot.applied = d->machine.applied;
	boot.base_index = d->log.base;
	boot.base_term = d->log.base_term;
	boot.conf = d->machine.conf;
	describe_log(w, d, &boot);

	m->cfg.seed = sim_rng_next(&w->rng);
	m->cfg.trace = w->trace ? sim_trace_core : NULL;
	m->cfg.trace_arg = w;
#ifdef RAFT_BREAK
	m->cfg.break_mask = w->break_mask;
#endif
	m->lives++;
	SIM_TRACE(w, "member %d: starts, term %d vote %d commit %d applied %d "
			  "log %d..%d", (int) m->id, (int) d->term, (int) d->vote,
			  (int) d->commit, (int) d->machine.applied, (int) d->log.base + 1,
			  (int) d->log.last);
	fault = raft_boot_check(&m->cfg, &boot);
	if (fault != RAFT_BOOT_OK)
		sim_fail(w, "a member can boot from what a crash leaves",
				 "member %d: boot fault %d, term %d commit %d applied %d "
				 "log %d..%d", (int) m->id, (int) fault, (int) boot.term,
				 (int) boot.commit, (int) boot.applied,
				 (int) boot.base_index + 1, (int) d->log.last);
	expect(w, m, raft_new(&m->cfg, &boot, NULL, &m->raft), "raft_new");

	m->life = SIM_UP;
	m->paused_until = 0;
	sim_log_copy(&m->log, &d->log);
	m->machine = d->machine;
	m->apply_end = d->machine.applied;
	m->writes = NULL;
	m->writes_tail = &m->writes;
	m->installs_pending = 0;
	m->flush_number = 0;
	m->flush_planned = m->apply_planned = m->ready_planned = false;
	m->n_staged = 0;
	m->led_term = 0;
	m->wrote_term = d->term;
	m->wrote_vote = d->vote;
	m->wrote_seq = 0;
	m->commit_checked = d->machine.applied;
	m->conf_before = m->machine.conf;
	m->beats_term = 0;
	m->joint_ticks = 0;
	memset(m->match_seen, 0, sizeof(m->match_seen));
	raft_status(m->raft, &m->seen);
	if (m->seen.term != boot.term || m->seen.vote != boot.vote ||
		m->seen.last != d->log.last || m->seen.durable != d->log.last)
		sim_fail(w, "a boot keeps what is durable",
				 "member %d: term %d vote %d last %d durable %d", (int) m->id,
				 (int) m->seen.term, (int) m->seen.vote, (int) m->seen.last,
				 (int) m->seen.durable);
	sim_check_boot(w, m);
	if (!m->cfg.snapshot_at_applied && d->snap.index > 0)
		expect(w, m, raft_snapshot_ready(m->raft, &d->snap),
			   "raft_snapshot_ready");
	sim_check_call(w, m);
	sim_push(w, w->now + sim_rng_between(&w->rng, 1, m->tick_period),
			 SIM_EV_TICK, m->id, NULL);
}

/* Kill a member: what is not on disk is gone. */
void
sim_member_crash(struct sim_world *w, struct sim_member *m)
{
	sim_disk_crash(w, m);
	raft_free(m->raft);
	m->raft = NULL;
	m->life = SIM_DOWN;
	w->counts[SIM_COUNT_CRASHES]++;
}

/* ---------- flushing ---------- */

/* Writes up to a number are durable: tell the core. */
static void
tell_durable(struct sim_world *w, struct sim_member *m, raft_seq seq)
{
	raft_index	snap = m->disk.snap.index;

	sim_disk_flush(w, m, seq);
	expect(w, m, raft_persisted(m->raft, seq), "raft_persisted");
	sim_check_call(w, m);

	/* A snapshot that was installed can be served to others. */
	if (!m->cfg.snapshot_at_applied && m->disk.snap.index > snap)
	{
		expect(w, m, raft_snapshot_ready(m->raft, &m->disk.snap),
			   "raft_snapshot_ready");
		sim_check_call(w, m);
	}
}

/* Start a flush if there is something to flush and none is under way. */
static void
plan_flush(struct sim_world *w, struct sim_member *m)
{
	struct sim_write *wr;
	struct sim_write *end = NULL;
	uint32_t	n = 0;
	bool		must_sync = false;
	sim_time	mean = w->healing ? SIM_TICK / 20 : w->swarm.flush_mean;

	if (m->writes == NULL || (m->flush_planned && !m->flush_lazy))
		return;
	for (wr = m->writes; wr != NULL; wr = wr->next)
	{
		must_sync |= wr->must_sync;
		end = wr;
		n++;
	}
	if (m->flush_planned && !must_sync)
		return;
	m->flush_lazy = !must_sync;
	if (n > 1 && sim_rng_chance(&w->rng, w->swarm.flush_part))
	{
		n = (uint32_t) sim_rng_between(&w->rng, 1, n);
		for (end = m->writes; n > 1; n--)
			end = end->next;
	}
	else if (!must_sync)
	{
		/* Nobody waits for these: they may lie in memory for ever. */
		if (sim_rng_chance(&w->rng, 700))
			return;
		mean += 4 * SIM_TICK;
	}
	m->flush_planned = true;
	m->flush_to = end->seq;
	sim_push(w, w->now + 1 + sim_rng_exp(&w->rng, mean), SIM_EV_FLUSH, m->id,
			 (void *) ++m->flush_number);
}

static void
flush_done(struct sim_world *w, struct sim_member *m)
{
	m->flush_planned = false;
	if (!w->healing && sim_rng_chance(&w->rng, w->swarm.write_fail))
	{
		SIM_TRACE(w, "member %d: write %d fails", (int) m->id,
				  (int) m->flush_to);
		w->counts[SIM_COUNT_WRITE_FAILS]++;
		expect(w, m, raft_persist_failed(m->raft, m->flush_to),
			   "raft_persist_failed");
		sim_check_call(w, m);

		/* The host tries again until it works. */
		m->flush_planned = true;
		m->flush_lazy = false;
		sim_push(w, w->now + SIM_TICK / 2 + sim_rng_exp(&w->rng, SIM_TICK),
				 SIM_EV_FLUSH, m->id, (void *) ++m->flush_number);
		return;
	}
	SIM_TRACE(w, "member %d: durable up to write %d", (int) m->id,
			  (int) m->flush_to);
	tell_durable(w, m, m->flush_to);
	plan_flush(w, m);
}

/* ---------- applying ---------- */

/* Apply one committed configuration entry, as every member must. */
static void
apply_conf(struct sim_world *w, struct sim_member *m, raft_index index)
{
	const struct sim_entry *e = &m->log.at[index];
	const struct sim_payload *p = w->payloads[e->payload];
	struct raft_conf conf;
	enum raft_rc rc = RAFT_INVALID;

	if (!p->refuse)
		rc = raft_apply_conf(m->raft, index, p->change, &conf);
	if (rc == RAFT_INVALID)
	{
		expect(w, m, raft_cancel_conf(m->raft, index), "raft_cancel_conf");
		sim_oracle_conf(w, m, index, true, &m->machine.conf);
	}
	else
	{
		expect(w, m, rc, "raft_apply_conf");
		sim_oracle_conf(w, m, index, false, &conf);
		m->conf_before = m->machine.conf;
		m->machine.conf = conf;

		/*
		 * What is known of a peer ends with its membership, even if the same
		 * change adds it again.
		 */
		for (uint32_t i = 0; p->change != NULL && i < p->change->n; i++)
		{
			if (p->change->changes[i].type == RAFT_REMOVE &&
				p->change->changes[i].id <= SIM_MAX_ID)
				m->match_seen[p->change->changes[i].id] = 0;
		}
		for (raft_id id = 1; id <= SIM_MAX_ID; id++)
		{
			if (!sim_conf_has(&conf, id))
				m->match_seen[id] = 0;
		}
	}
	sim_check_call(w, m);
}

/* The applied state reaches the disk. */
static void
flush_machine(struct sim_member *m)
{
	/*
	 * While a snapshot waits for its flush, the machine on disk still belongs
	 * to the log before it.
	 */
	if (m->installs_pending == 0)
		m->disk.machine = m->machine;
}

/* Apply up to max entries of those handed out. */
static void
apply_some(struct sim_world *w, struct sim_member *m, uint32_t max)
{
	raft_index	end = m->apply_end;

	if (m->machine.applied == end)
		return;
	if (end - m->machine.applied > max)
		end = m->machine.applied + max;
	for (raft_index i = m->machine.applied + 1; i <= end; i++)
	{
		const struct sim_entry *e = &m->log.at[i];

		sim_oracle_applied(w, m, i);
		if (e->type == RAFT_ENTRY_CONF)
			apply_conf(w, m, i);
		else if (e->payload != 0 &&
				 w->payloads[e->payload]->proposer == m->id &&
				 w->payloads[e->payload]->life == m->lives)
			w->counts[SIM_COUNT_ACKED]++;
		m->machine.applied = i;
		m->machine.term = e->term;
	}
	SIM_TRACE(w, "member %d: applied up to %d", (int) m->id, (int) end);
	expect(w, m, raft_applied(m->raft, end), "raft_applied");
	sim_check_call(w, m);
	if (sim_rng_chance(&w->rng, w->swarm.machine_flush))
		flush_machine(m);
}

static void
plan_apply(struct sim_world *w, struct sim_member *m)
{
	if (m->apply_planned || m->machine.applied == m->apply_end)
		return;
	m->apply_planned = true;
	sim_push(w, w->now + 1 + sim_rng_exp(&w->rng, w->healing ?
										 SIM_TICK / 20 : w->swarm.apply_mean),
			 SIM_EV_APPLY, m->id, NULL);
}

/* A host that keeps snapshots takes one of the present state. */
void
sim_member_snapshot(struct sim_world *w, struct sim_member *m)
{
	if (m->installs_pending > 0 || m->machine.applied <= m->disk.snap.index)
		return;
	flush_machine(m);
	m->disk.snap.index = m->machine.applied;
	m->disk.snap.term = m->machine.term;
	m->disk.snap.conf = m->machine.conf;
	SIM_TRACE(w, "member %d: takes snapshot %d", (int) m->id,
			  (int) m->disk.snap.index);
	expect(w, m, raft_snapshot_ready(m->raft, &m->disk.snap),
		   "raft_snapshot_ready");
	sim_check_call(w, m);
}

/*
 * Throw away the head of the log, up to a random point that the durable state
 * machine (and the snapshot to be served) no longer needs.
 */
void
sim_member_compact(struct sim_world *w, struct sim_member *m)
{
	raft_index	limit;
	raft_index	index;
	raft_term	term;

	/* Nothing to do while a snapshot takes the place of the log. */
	if (m->installs_pending > 0 || m->seen.first > m->log.base + 1)
		return;
	flush_machine(m);
	if (!m->cfg.snapshot_at_applied)
		sim_member_snapshot(w, m);
	limit = m->disk.machine.applied;
	if (!m->cfg.snapshot_at_applied && m->disk.snap.index < limit)
		limit = m->disk.snap.index;
	if (limit <= m->log.base + w->swarm.keep_log)
		return;
	index = limit - w->swarm.keep_log;
	if (sim_rng_chance(&w->rng, 256))
		index = sim_rng_between(&w->rng, m->log.base + 1, index);
	term = sim_log_term(&m->log, index);
	SIM_TRACE(w, "member %d: compacts its log up to %d", (int) m->id,
			  (int) index);
	expect(w, m, raft_compact(m->raft, index), "raft_compact");
	m->log.base = index;
	m->log.base_term = term;
	m->disk.log.base = index;
	m->disk.log.base_term = term;
	if (m->disk.log.last < index)
		sim_fail(w, "applied is durable",
				 "member %d: applied %d, durable log ends at %d", (int) m->id,
				 (int) index, (int) m->disk.log.last);
	w->counts[SIM_COUNT_COMPACTIONS]++;
	sim_check_call(w, m);
}

/* ---------- taking output ---------- */

/* Queue the write of a ready and let the host's own view follow it. */
static void
take_write(struct sim_world *w, struct sim_member *m,
		   const struct raft_ready *rd)
{
	struct sim_write *wr = sim_alloc(&w->arena, sizeof(*wr));

	wr->seq = rd->seq;
	wr->must_sync = rd->must_sync;
	wr->hard_changed = rd->hard_changed;
	wr->term = rd->term;
	wr->vote = rd->vote;
	wr->commit = rd->commit;
	if (rd->install != NULL)
	{
		struct raft_snap *snap = sim_alloc(&w->arena, sizeof(*snap));

		*snap = *rd->install;
		wr->install = snap;
	}
	wr->first = rd->append_first;
	wr->n = (uint32_t) rd->n_append;
	if (wr->n > 0)
	{
		wr->entries = sim_alloc(&w->arena, wr->n * sizeof(struct sim_entry));
		for (uint32_t i = 0; i < wr->n; i++)
		{
			const struct raft_entry *e = &rd->append[i];
			const struct sim_payload *p = e->data;

			wr->entries[i].term = (uint32_t) e->term;
			wr->entries[i].size = e->size;
			wr->entries[i].type = e->type;
			wr->entries[i].payload = p ? p->number : 0;
		}
	}
	sim_check_write(w, m, rd, wr);

	if (wr->install != NULL)
	{
		sim_log_set(&m->log, wr->install->index, wr->install->term);
		m->machine.applied = wr->install->index;
		m->machine.term = wr->install->term;
		m->machine.conf = wr->install->conf;
		m->apply_end = wr->install->index;
		if (m->commit_checked < wr->install->index)
			m->commit_checked = wr->install->index;
		m->installs_pending++;
		w->counts[SIM_COUNT_SNAPSHOTS]++;
	}
	if (wr->n > 0)
	{
		if (wr->first <= m->log.last)
			w->counts[SIM_COUNT_TRUNCATIONS]++;
		sim_log_put(&m->log, wr->first, wr->entries, wr->n);
	}
	*m->writes_tail = wr;
	m->writes_tail = &wr->next;
	SIM_TRACE(w, "member %d: write %d%s: term %d vote %d commit %d%s, %u "
			  "entries from %d", (int) m->id, (int) wr->seq,
			  wr->must_sync ? "" : " (lazy)", (int) wr->term, (int) wr->vote,
			  (int) wr->commit, wr->install ? ", installs a snapshot" : "",
			  wr->n, (int) wr->first);
}

/* Take one ready and do what it asks for. */
static void
take_ready(struct sim_world *w, struct sim_member *m)
{
	struct raft_ready rd;

	expect(w, m, raft_ready(m->raft, &rd), "raft_ready");
	if (rd.has_write)
		take_write(w, m, &rd);
	sim_check_call(w, m);
	m->led_term = rd.role == RAFT_LEADER ? rd.term : 0;

	for (size_t i = 0; i < rd.n_msgs; i++)
	{
		sim_check_message(w, m, &rd.msgs[i]);
		if (rd.msgs[i].type == RAFT_MSG_SNAP)
			sim_net_stream(w, m, &rd.msgs[i]);
		else
			sim_net_send(w, m, &rd.msgs[i]);
	}
	for (size_t i = 0; i < rd.n_reads; i++)
		sim_check_read(w, m, &rd.reads[i]);

	if (w->swarm.disk == SIM_DISK_SYNC && m->writes != NULL)
		tell_durable(w, m, rd.seq);
	if (rd.apply_hi > 0)
	{
		sim_check_apply(w, m, rd.apply_lo, rd.apply_hi);
		m->apply_end = rd.apply_hi;
	}
	if (w->swarm.apply_mean == 0)
		apply_some(w, m, UINT32_MAX);
}

static void
take_output(struct sim_world *w, struct sim_member *m)
{
	int			n = 0;

	while (raft_has_ready(m->raft))
	{
		if (++n > MAX_READIES)
			sim_fail(w, "the core comes to rest",
					 "member %d: %d readies in a row", (int) m->id, n);
		take_ready(w, m);
	}
	plan_flush(w, m);
	plan_apply(w, m);
}

/*
 * To be called after the core was given something: take its output, now or
 * later, and check the member.
 */
void
sim_member_output(struct sim_world *w, struct sim_member *m)
{
	sim_check_call(w, m);
	if (raft_has_ready(m->raft))
	{
		if (w->swarm.ready_mean == 0 || w->healing)
			take_output(w, m);
		else if (!m->ready_planned)
		{
			m->ready_planned = true;
			sim_push(w, w->now + 1 +
					 sim_rng_exp(&w->rng, w->swarm.ready_mean),
					 SIM_EV_READY, m->id, NULL);
		}
	}
	plan_flush(w, m);
	plan_apply(w, m);
	sim_check_step(w, m);
}

/* ---------- events ---------- */

static void
tick(struct sim_world *w, struct sim_member *m)
{
	sim_time	next = w->now + m->tick_period;

	w->counts[SIM_COUNT_TICKS]++;
	expect(w, m, raft_tick(m->raft), "raft_tick");
	sim_check_call(w, m);
	sim_check_tick(w, m);
	if (!w->healing && sim_rng_chance(&w->rng, w->swarm.tick_miss))
		next += sim_rng_exp(&w->rng, 3 * SIM_TICK);
	if (w->healing)
		next = w->now + SIM_TICK;
	sim_push(w, next, SIM_EV_TICK, m->id, NULL);
	sim_member_output(w, m);
}

/* An event of a running member that is its own affair. */
void
sim_member_event(struct sim_world *w, const struct sim_event *ev)
{
	struct sim_member *m = &w->members[ev->id];

	switch (ev->kind)
	{
		case SIM_EV_TICK:
			tick(w, m);
			break;
		case SIM_EV_FLUSH:
			if ((uintptr_t) ev->ptr != m->flush_number)
				break;			/* a more urgent one took its place */
			flush_done(w, m);
			sim_member_output(w, m);
			break;
		case SIM_EV_APPLY:
			m->apply_planned = false;
			apply_some(w, m, w->swarm.apply_batch);
			sim_member_output(w, m);
			break;
		case SIM_EV_READY:
			m->ready_planned = false;
			take_output(w, m);
			sim_check_step(w, m);
			break;
		default:
			break;
	}
}

/* Has the host nothing left to do for this member? */
bool
sim_member_finished(struct sim_world *w, struct sim_member *m)
{
	return m->life == SIM_UP && m->machine.applied == m->apply_end &&
		m->installs_pending == 0 && !raft_has_ready(m->raft);
}
