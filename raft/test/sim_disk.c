/*-------------------------------------------------------------------------
 *
 * sim_disk.c
 *	  Logs, and the disk that a crash leaves behind.
 *
 * A member has two logs: what it has written (the operating system's view,
 * from which it also serves appends) and what is durable.  Between them lies
 * the queue of writes that were not flushed.  A flush moves the head of the
 * queue to the disk.  A crash leaves the disk with any prefix of the queue,
 * the last write of it possibly in part: its hard state alone, or that and its
 * first entries, which is what a log that writes records one after the other
 * may find at the next start.  A snapshot is installed as a whole.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/test/sim_disk.c
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "sim_world.h"

/* Make the log empty, starting after base. */
void
sim_log_set(struct sim_log *log, raft_index base, raft_term base_term)
{
	log->base = base;
	log->base_term = base_term;
	log->last = base;
}

/* Write entries from first on; what lies behind them is cut off. */
void
sim_log_put(struct sim_log *log, raft_index first,
			const struct sim_entry *entries, uint32_t n)
{
	raft_index	last = first + n - 1;

	if (last >= log->space)
	{
		size_t		space = log->space ? log->space : 256;

		while (space <= last)
			space *= 2;
		log->at = sim_grow(log->at, space * sizeof(struct sim_entry));
		log->space = space;
	}
	memcpy(&log->at[first], entries, n * sizeof(struct sim_entry));
	log->last = last;
}

void
sim_log_copy(struct sim_log *to, const struct sim_log *from)
{
	sim_log_set(to, from->base, from->base_term);
	if (from->last > from->base)
		sim_log_put(to, from->base + 1, &from->at[from->base + 1],
					(uint32_t) (from->last - from->base));
}

/* Term of an entry; 0 if the log does not know. */
raft_term
sim_log_term(const struct sim_log *log, raft_index index)
{
	if (index == log->base)
		return log->base_term;
	if (index < log->base || index > log->last)
		return 0;
	return log->at[index].term;
}

/*
 * Bring one write to the disk: its hard state, then the first n_entries of its
 * entries or, if whole, everything of it.
 */
void
sim_disk_write(struct sim_world *w, struct sim_member *m,
			   const struct sim_write *wr, bool whole, uint32_t n_entries)
{
	struct sim_disk *d = &m->disk;

	if (wr->hard_changed)
	{
		if (wr->term < d->term)
			sim_fail(w, "durable term is monotone",
					 "member %d writes term %d over %d", (int) m->id,
					 (int) wr->term, (int) d->term);
		if (wr->term == d->term && d->vote != 0 && wr->vote != d->vote)
			sim_fail(w, "one durable vote in a term",
					 "member %d, term %d: vote for %d over %d", (int) m->id,
					 (int) wr->term, (int) wr->vote, (int) d->vote);
		if (wr->commit < d->commit)
			sim_fail(w, "durable commit is monotone",
					 "member %d writes commit %d over %d", (int) m->id,
					 (int) wr->commit, (int) d->commit);
		if (!w->swarm.forget_commit || wr->term != d->term ||
			wr->vote != d->vote)
			d->commit = wr->commit;
		d->term = wr->term;
		d->vote = wr->vote;
		if (d->vote != 0)
			sim_oracle_vote(w, m->id, d->term, d->vote);
	}
	if (wr->install != NULL)
	{
		if (!whole)
			return;
		sim_log_set(&d->log, wr->install->index, wr->install->term);
		d->machine.applied = wr->install->index;
		d->machine.term = wr->install->term;
		d->machine.conf = wr->install->conf;
		d->snap = *wr->install;
		if (d->commit < wr->install->index)
			d->commit = wr->install->index;
	}
	if (whole)
		n_entries = wr->n;
	if (n_entries > 0)
	{
		raft_index	first = wr->first;
		uint32_t	skip = 0;

		/* The log may have been compacted since the write was queued. */
		if (first <= d->log.base)
			skip = (uint32_t) (d->log.base + 1 - first);
		if (skip < n_entries)
			sim_log_put(&d->log, first + skip, wr->entries + skip,
						n_entries - skip);
	}
}

/* All writes up to a number reach the disk. */
void
sim_disk_flush(struct sim_world *w, struct sim_member *m, raft_seq upto)
{
	while (m->writes != NULL && m->writes->seq <= upto)
	{
		struct sim_write *wr = m->writes;

		sim_disk_write(w, m, wr, true, 0);
		if (wr->install != NULL)
			m->installs_pending--;
		m->writes = wr->next;
	}
	if (m->writes == NULL)
		m->writes_tail = &m->writes;
}

/* Decide what a crash leaves of the queue. */
void
sim_disk_crash(struct sim_world *w, struct sim_member *m)
{
	struct sim_write *wr;
	uint32_t	n = 0;
	uint32_t	keep;

	for (wr = m->writes; wr != NULL; wr = wr->next)
		n++;
	switch (w->swarm.crash_mode)
	{
		case SIM_CRASH_LOSE_ALL:
			keep = 0;
			break;
		case SIM_CRASH_KEEP_ALL:
			keep = n;
			break;
		default:
			keep = (uint32_t) sim_rng_between(&w->rng, 0, n);
			break;
	}
	SIM_TRACE(w, "member %d: crash keeps %u of %u writes", (int) m->id, keep,
			  n);
	for (wr = m->writes; keep > 0; keep--, wr = wr->next)
		sim_disk_write(w, m, wr, true, 0);
	if (wr != NULL && w->swarm.crash_mode == SIM_CRASH_KEEP_PREFIX &&
		sim_rng_chance(&w->rng, 512))
	{
		uint32_t	part = wr->n > 0 ?
			(uint32_t) sim_rng_below(&w->rng, wr->n) : 0;

		SIM_TRACE(w, "member %d: and %u of %u entries of the next",
				  (int) m->id, part, wr->n);
		sim_disk_write(w, m, wr, false, part);
		w->counts[SIM_COUNT_TORN]++;
	}
	m->writes = NULL;
	m->writes_tail = &m->writes;
	m->installs_pending = 0;
}
