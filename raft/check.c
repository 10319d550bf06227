/*-------------------------------------------------------------------------
 *
 * check.c
 *	  Invariants and the digest of the state.
 *
 * The cheap checks run at the end of every public call, also in production; the
 * full ones when asked.  What is checked here is what one instance can know; what
 * must hold between instances is for the simulator.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/check.c
 *
 *-------------------------------------------------------------------------
 */
#include "raft_int.h"

/* Constant time. */
void
raft_check_cheap(struct raft *r)
{
	const struct raft_trail *t = &r->trail;

	RAFT_ASSERT(r, r->applied <= r->applying);
	RAFT_ASSERT(r, r->applying <= r->commit || r->installing);
	RAFT_ASSERT(r, r->commit <= t->last);
	RAFT_ASSERT(r, t->base <= r->commit);
	RAFT_ASSERT(r, t->base <= r->applied || r->installing);
	RAFT_ASSERT(r, t->base <= r->durable);
	RAFT_ASSERT(r, r->durable <= r->handed);
	RAFT_ASSERT(r, r->handed <= t->last);
	RAFT_ASSERT(r, r->handed + r->out[r->cur].entries.n == t->last);
	RAFT_ASSERT(r, r->seq_durable <= r->seq_handed && r->seq_sync <= r->seq_handed);
	RAFT_ASSERT(r, (r->role == RAFT_LEADER) == (r->leader == r->cfg.id));
	RAFT_ASSERT(r, r->transferee == 0 || r->role == RAFT_LEADER);
	RAFT_ASSERT(r, r->role != RAFT_CANDIDATE || r->vote == r->cfg.id);
	RAFT_ASSERT(r, r->role == RAFT_LEADER || (r->reads.n == 0 && r->postponed.n == 0));
	RAFT_ASSERT(r, r->forwarded.n == 0 || r->role == RAFT_FOLLOWER);
	RAFT_ASSERT(r, raft_reads_waiting(r) <= r->cfg.max_pending_reads);
}

static void
check_trail(struct raft *r)
{
	const struct raft_trail *t = &r->trail;
	const struct raft_term_run *runs = RAFT_VEC(t->runs, struct raft_term_run);
	const raft_index *confs = RAFT_VEC(t->confs, raft_index);
	raft_term	term = t->base_term;
	size_t		i;

	RAFT_ASSERT(r, t->last - t->base < t->total_cap);
	RAFT_ASSERT(r, (t->last == t->base) == (t->runs.n == t->runs_head));
	for (i = t->runs_head; i < t->runs.n; i++)
	{
		RAFT_ASSERT(r, runs[i].term >= term);
		RAFT_ASSERT(r, runs[i].first <= t->last);
		RAFT_ASSERT(r, i == t->runs_head ? runs[i].first <= t->base + 1 :
					runs[i].first > runs[i - 1].first && runs[i].term > term);
		term = runs[i].term;
	}
	RAFT_ASSERT(r, term <= r->term || r->cfg.scripted);
	for (i = 0; i < t->confs.n; i++)
		RAFT_ASSERT(r, confs[i] > t->base && confs[i] <= t->last &&
					(i == 0 || confs[i] > confs[i - 1]));
}

static void
check_window(struct raft *r, const struct raft_peer *p)
{
	const struct raft_window *w = &p->window;
	uint64_t	bytes = 0;
	raft_index	before = p->match;
	uint32_t	i;

	RAFT_ASSERT(r, w->limit >= 1 && w->limit <= w->cap);
	RAFT_ASSERT(r, w->count <= w->limit);
	RAFT_ASSERT(r, w->count == 0 || p->state == RAFT_REPLICATE);
	for (i = 0; i < w->count; i++)
	{
		const struct raft_inflight *f = &w->ring[(w->start + i) % w->cap];

		RAFT_ASSERT(r, f->index > before && f->index < p->next);
		before = f->index;
		bytes += f->bytes;
	}
	RAFT_ASSERT(r, bytes == w->bytes);
}

static void
check_peers(struct raft *r)
{
	struct raft_conf conf;
	const struct raft_peer *p;
	raft_id		voters[RAFT_MAX_MEMBERS * 2];
	raft_id		before = 0;
	int			i;

	RAFT_ASSERT(r, raft_conf_normalize(&r->conf, &conf));
	RAFT_ASSERT(r, r->n_peers == raft_conf_voters(&r->conf, voters) + r->conf.n_learners);
	raft_foreach_peer(r, i, p)
	{
		RAFT_ASSERT(r, p->id > before);
		before = p->id;
		RAFT_ASSERT(r, raft_conf_has(&r->conf, p->id));
		RAFT_ASSERT(r, p->learner == raft_set_has(r->conf.learners,
												  r->conf.n_learners, p->id));
		RAFT_ASSERT(r, p->match < p->next);
		if (r->role != RAFT_LEADER)
			continue;
		RAFT_ASSERT(r, p->match <= r->trail.last && p->next <= r->trail.last + 1);
		RAFT_ASSERT(r, (p->state == RAFT_SNAPSHOT) == (p->pending_snapshot > 0));
		RAFT_ASSERT(r, p->read_ack <= r->reads_confirmed + r->reads.n);
		RAFT_ASSERT(r, p->last_echo <= r->now);
		check_window(r, p);
	}
}

static void
check_queues(struct raft *r)
{
	const struct raft_gated *gate = RAFT_VEC(r->gate, struct raft_gated);
	const struct raft_batch *batches = RAFT_VEC(r->batches, struct raft_batch);
	raft_seq	before = 0;
	size_t		i;

	for (i = r->gate_head; i < r->gate.n; i++)
	{
		RAFT_ASSERT(r, gate[i].seq <= r->seq_handed + 1);
#ifndef RAFT_BREAK
		RAFT_ASSERT(r, gate[i].seq >= before && gate[i].seq > r->seq_durable);
#endif
		before = gate[i].seq;
	}
	before = r->seq_durable;
	for (i = r->batch_head; i < r->batches.n; i++)
	{
		RAFT_ASSERT(r, batches[i].seq > before && batches[i].seq <= r->seq_handed);
		before = batches[i].seq;
	}
}

enum raft_rc
raft_check(struct raft *r)
{
	if (r->fault_line != 0)
		return RAFT_FATAL;
	raft_check_cheap(r);
	check_trail(r);
	check_peers(r);
	check_queues(r);
	return r->fault_line != 0 ? RAFT_FATAL : RAFT_OK;
}

/* ---------- digest (FNV-1a over numbers, never over padding) ---------- */

static uint64_t
mix(uint64_t h, uint64_t v)
{
	int			i;

	for (i = 0; i < 8; i++)
	{
		h ^= (v >> (8 * i)) & 0xff;
		h *= UINT64_C(0x100000001b3);
	}
	return h;
}

static uint64_t
mix_set(uint64_t h, const raft_id *ids, int n)
{
	int			i;

	h = mix(h, (uint64_t) n);
	for (i = 0; i < n; i++)
		h = mix(h, ids[i]);
	return h;
}

static uint64_t
mix_conf(uint64_t h, const struct raft_conf *c)
{
	h = mix_set(h, c->voters, c->n_voters);
	h = mix_set(h, c->outgoing, c->n_outgoing);
	h = mix_set(h, c->learners, c->n_learners);
	h = mix_set(h, c->learners_next, c->n_learners_next);
	return mix(h, c->auto_leave);
}

static uint64_t
mix_msg(uint64_t h, const struct raft_msg *m)
{
	h = mix(h, (uint64_t) m->type | (uint64_t) m->reject << 8 | (uint64_t) m->force << 9);
	h = mix(mix(mix(h, m->to), m->target), m->term);
	h = mix(mix(mix(h, m->log_term), m->index), m->commit);
	h = mix(mix(mix(h, m->commit_term), m->hint), m->ctx);
	return mix(mix(mix(h, m->echo), m->n_entries), m->bytes);
}

static uint64_t
mix_peer(uint64_t h, const struct raft_peer *p)
{
	uint32_t	i;

	h = mix(mix(mix(h, p->id), p->learner), p->state);
	h = mix(mix(mix(h, p->match), p->next), p->sent_commit);
	h = mix(mix(h, p->pending_snapshot), p->snapshot_ticks);
	h = mix(mix(h, p->recent_active), p->app_paused);
	h = mix(mix(mix(h, p->silent_ticks), p->last_echo), p->read_ack);
	h = mix(mix(mix(h, p->vote), p->window.count), p->window.limit);
	for (i = 0; i < p->window.count; i++)
	{
		const struct raft_inflight *f =
			&p->window.ring[(p->window.start + i) % p->window.cap];

		h = mix(mix(h, f->index), f->bytes);
	}
	return h;
}

static uint64_t
mix_trail(uint64_t h, const struct raft_trail *t)
{
	const struct raft_term_run *runs = RAFT_VEC(t->runs, struct raft_term_run);
	size_t		i;

	h = mix(mix(mix(h, t->base), t->base_term), t->last);
	for (i = t->runs_head; i < t->runs.n; i++)
		h = mix(mix(h, Max(runs[i].first, t->base + 1)), runs[i].term);
	h = mix(h, raft_trail_bytes(t, t->base + 1, t->last));
	for (i = 0; i < t->confs.n; i++)
		h = mix(h, RAFT_VEC(t->confs, raft_index)[i]);
	return h;
}

static uint64_t
mix_reads(uint64_t h, const struct raft *r)
{
	const struct raft_pending_read *reads = RAFT_VEC(r->reads, struct raft_pending_read);
	const struct raft_pending_read *post = RAFT_VEC(r->postponed, struct raft_pending_read);
	const struct raft_forwarded_read *fwd = RAFT_VEC(r->forwarded, struct raft_forwarded_read);
	size_t		i;

	h = mix(mix(h, r->reads_confirmed), r->next_wire_ctx);
	for (i = 0; i < r->reads.n; i++)
		h = mix(mix(mix(h, reads[i].ctx), reads[i].from), reads[i].index);
	for (i = 0; i < r->postponed.n; i++)
		h = mix(mix(h, post[i].ctx), post[i].from);
	for (i = 0; i < r->forwarded.n; i++)
		h = mix(mix(mix(h, fwd[i].wire_ctx), fwd[i].ctx), fwd[i].ticks);
	return h;
}

static uint64_t
mix_output(uint64_t h, const struct raft *r)
{
	const struct raft_outbox *o = &r->out[r->cur];
	const struct raft_gated *gate = RAFT_VEC(r->gate, struct raft_gated);
	const struct raft_batch *b = RAFT_VEC(r->batches, struct raft_batch);
	size_t		i;

	for (i = 0; i < o->msgs.n; i++)
		h = mix_msg(h, &RAFT_VEC(o->msgs, struct raft_msg)[i]);
	for (i = r->gate_head; i < r->gate.n; i++)
		h = mix_msg(mix(h, gate[i].seq), &gate[i].msg);
	for (i = r->batch_head; i < r->batches.n; i++)
		h = mix(mix(mix(h, b[i].seq), b[i].last), b[i].install);
	for (i = 0; i < o->reads.n; i++)
		h = mix(mix(h, RAFT_VEC(o->reads, struct raft_read)[i].ctx),
				RAFT_VEC(o->reads, struct raft_read)[i].index);
	h = mix(mix(mix(h, r->seq_handed), r->seq_sync), r->seq_durable);
	h = mix(mix(mix(h, r->prev_term), r->prev_vote), r->prev_commit);
	return mix(mix(h, r->prev_role), r->prev_leader);
}

uint64_t
raft_hash(const struct raft *r)
{
	uint64_t	h = UINT64_C(0xcbf29ce484222325);
	const struct raft_peer *p;
	int			i;

	h = mix(mix(mix(h, r->cfg.id), (uint64_t) r->fault_line), r->lost_index);
	h = mix(mix(mix(h, r->term), r->vote), r->commit);
	h = mix(mix(mix(h, r->role), r->leader), r->failed_seq);
	h = mix_trail(h, &r->trail);
	h = mix(mix(mix(h, r->applied), r->applying), r->applying_bytes);
	h = mix(mix(mix(h, r->apply_paused), r->conf_done), r->conf_index);
	h = mix(mix(h, r->durable), r->handed);
	h = mix(mix(h, r->installing), r->install_handed);
	h = mix(mix(h, r->installing ? r->install.index : 0),
			r->has_snapshot ? r->snapshot.index : 0);
	h = mix_conf(h, &r->conf);
	raft_foreach_peer(r, i, p)
	{
		h = mix_peer(h, p);
	}
	h = mix(mix(mix(h, r->now), r->election_elapsed), r->heartbeat_elapsed);
	h = mix(mix(mix(h, r->election_timeout), r->leader_silent), r->rng);
	h = mix(mix(mix(h, r->transferee), r->lease_given_up), r->pending_conf);
	h = mix(mix(mix(h, r->uncommitted), r->want_bcast), r->want_round);
	h = mix_reads(h, r);
	return mix_output(h, r);
}
