/*-------------------------------------------------------------------------
 *
 * sim_reads.c
 *	  Reads are linearizable, and for the right reason.
 *
 * An answer must not be behind what was committed anywhere when the read was
 * asked for.  That alone finds a wrong confirmation only if a deposed leader
 * happens to be asked, so the reason is checked, too: between the question and
 * its answer a quorum must have answered heartbeats that the leader sent after
 * the question (thesis, section 6.4).
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/test/sim_reads.c
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "sim_world.h"

/* A heartbeat that a leader sent in its term. */
struct sim_beat
{
	struct sim_beat *before;
	uint64_t	ctx;
	uint64_t	echo;
	uint64_t	step;
};

/* A leader sends a heartbeat. */
void
sim_reads_beat(struct sim_world *w, struct sim_member *m,
			   const struct raft_msg *msg)
{
	struct sim_beat *beat = m->beats[msg->to];

	if (m->beats_term != msg->term)
	{
		m->beats_term = msg->term;
		memset(m->beats, 0, sizeof(m->beats));
		memset(m->beat_answered, 0, sizeof(m->beat_answered));
		beat = NULL;
	}
	if (beat == NULL || beat->ctx != msg->ctx || beat->echo != msg->echo)
	{
		beat = sim_alloc(&w->arena, sizeof(*beat));
		beat->ctx = msg->ctx;
		beat->echo = msg->echo;
		beat->before = m->beats[msg->to];
		m->beats[msg->to] = beat;
	}
	beat->step = w->step;
}

/*
 * An answer to a heartbeat is about to be given to who sent it: which was it,
 * at the latest?
 */
void
sim_reads_beat_answered(struct sim_world *w, struct sim_member *m,
						const struct raft_msg *msg)
{
	const struct sim_beat *beat = m->beats[msg->from];

	(void) w;
	if (msg->term != m->beats_term)
		return;
	while (beat != NULL && (beat->ctx != msg->ctx || beat->echo != msg->echo))
		beat = beat->before;
	if (beat != NULL && m->beat_answered[msg->from] < beat->step)
		m->beat_answered[msg->from] = beat->step;
}

/*
 * Has a quorum confirmed the leadership of m since that step?  By the
 * configuration in force when it did so, which may be the one before.
 */
static bool
confirmed_since(const struct sim_member *m, uint64_t step)
{
	uint32_t	mask = UINT32_C(1) << m->id;

	for (raft_id id = 1; id <= SIM_MAX_ID; id++)
	{
		if (m->beats_term == m->seen.term && m->beat_answered[id] >= step &&
			m->beat_answered[id] > 0)
			mask |= UINT32_C(1) << id;
	}
	return sim_conf_quorum(&m->machine.conf, mask) ||
		sim_conf_quorum(&m->conf_before, mask);
}

/* An answer to a read. */
void
sim_check_read(struct sim_world *w, struct sim_member *m,
			   const struct raft_read *read)
{
	struct sim_read_fact *f;

	SIM_TRACE(w, "member %d: read %d answered: %s index %d", (int) m->id,
			  (int) read->ctx, raft_rc_name(read->rc), (int) read->index);
	if (read->ctx == 0 || read->ctx > w->oracle.n_reads)
		sim_fail(w, "reads are asked for", "member %d: read %d", (int) m->id,
				 (int) read->ctx);
	f = &w->oracle.reads[read->ctx - 1];
	if (f->member != m->id || f->life != m->lives)
		sim_fail(w, "reads are answered to who asked",
				 "read %d of member %d answered to %d", (int) read->ctx,
				 (int) f->member, (int) m->id);
	if (f->done)
		sim_fail(w, "reads are answered once", "member %d: read %d",
				 (int) m->id, (int) read->ctx);
	f->done = true;
	f->rc = read->rc;
	if (read->rc != RAFT_OK)
	{
		w->counts[SIM_COUNT_READS_FAILED]++;
		return;
	}
	w->counts[m->seen.role == RAFT_LEADER ? SIM_COUNT_READS_OK :
			  SIM_COUNT_READS_FOLLOWER]++;

	/* Output that is taken late does not show what it rests on. */
	if (m->seen.role == RAFT_LEADER && f->by_leader && !m->cfg.lease_reads &&
		(w->swarm.ready_mean == 0 || w->healing) &&
		!confirmed_since(m, f->step))
		sim_fail(w, "a quorum confirms a read after it was asked for",
				 "member %d: read %d", (int) m->id, (int) read->ctx);
	if (read->index < f->at_least)
		sim_fail(w, "reads are not stale", "member %d: read %d may see index "
				 "%d, committed when it was asked for: %d", (int) m->id,
				 (int) read->ctx, (int) read->index, (int) f->at_least);
	if (read->index > w->oracle.committed)
		sim_fail(w, "reads see committed state", "member %d: read %d sees "
				 "index %d of %d", (int) m->id, (int) read->ctx,
				 (int) read->index, (int) w->oracle.committed);
}
