/*-------------------------------------------------------------------------
 *
 * ready.c
 *	  Output: what the host has to do.
 *
 * Output is double-buffered: what a ready shows stays valid until the next one,
 * while the core fills the other half.
 *
 * Writes are numbered.  Each batch remembers up to which index it makes the log
 * durable; when a later append replaces entries, the batches that wrote them
 * lose that claim.  So "durable" follows from which write put an entry there, not
 * from comparing index and term, and entries that are replaced and come back
 * unchanged while older writes are under way cannot be taken for durable too
 * early (the ABA problem).
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/ready.c
 *
 *-------------------------------------------------------------------------
 */
#include "raft_int.h"

#define BATCHES(r)	RAFT_VEC((r)->batches, struct raft_batch)

/*
 * The entries from index "from" on are about to be replaced: forget that they
 * wait for writing, that writes cover them, and messages that would need them.
 */
void
raft_stable_truncate(struct raft *r, raft_index from)
{
	struct raft_outbox *o = &r->out[r->cur];
	struct raft_msg *msgs = RAFT_VEC(o->msgs, struct raft_msg);
	size_t		kept = 0;
	size_t		i;

	if (r->handed >= from)
	{
		r->handed = from - 1;
		o->entries.n = 0;
	}
	else
		o->entries.n = (size_t) (from - 1 - r->handed);
	r->durable = Min(r->durable, from - 1);

	for (i = r->batch_head; i < r->batches.n; i++)
		if (!raft_broken(r, RAFT_BREAK_PERSIST_ABA))
			BATCHES(r)[i].last = Min(BATCHES(r)[i].last, from - 1);

	for (i = 0; i < o->msgs.n; i++)
	{
		if (msgs[i].type == RAFT_MSG_APP && msgs[i].n_entries > 0 &&
			msgs[i].index + msgs[i].n_entries >= from)
			continue;
		msgs[kept++] = msgs[i];
	}
	o->msgs.n = kept;
}

/* Committed entries up to here may be handed out for apply. */
raft_index
raft_appliable(const struct raft *r)
{
	if (r->cfg.apply_unstable || raft_broken(r, RAFT_BREAK_APPLY_BEFORE_DURABLE))
		return r->commit;
	return Min(r->commit, r->durable);
}

static bool
has_apply(const struct raft *r)
{
	return !r->apply_paused && !r->installing && r->applying < raft_appliable(r);
}

static bool
hard_changed(const struct raft *r)
{
	return r->term != r->prev_term || r->vote != r->prev_vote ||
		r->commit != r->prev_commit;
}

static bool
soft_changed(const struct raft *r)
{
	return r->role != r->prev_role || r->leader != r->prev_leader;
}

bool
raft_has_ready(const struct raft *r)
{
	const struct raft_outbox *o = &r->out[r->cur];

	if (r->fault_line != 0)
		return false;
	return o->msgs.n > 0 || o->entries.n > 0 || o->reads.n > 0 ||
		o->gated.n > 0 || hard_changed(r) || soft_changed(r) ||
		(r->installing && !r->install_handed) || has_apply(r) ||
		(r->role == RAFT_LEADER && (r->want_bcast || r->want_round));
}

/* Remember what a write makes durable; too many are merged into the newest. */
static void
add_batch(struct raft *r, raft_index last, raft_index install)
{
	struct raft_batch *b;

	if (r->batches.n - r->batch_head >= RAFT_MAX_BATCHES)
	{
		b = &BATCHES(r)[r->batches.n - 1];
		b->seq = r->seq_handed;
		b->last = Max(b->last, last);
		b->install = Max(b->install, install);
		return;
	}
	b = &BATCHES(r)[r->batches.n++];
	b->seq = r->seq_handed;
	b->last = last;
	b->install = install;
}

static bool
reserve_batch(struct raft *r)
{
	if (r->batch_head > 0 && r->batch_head >= r->batches.n / 2)
	{
		r->batches.n -= r->batch_head;
		memmove(BATCHES(r), BATCHES(r) + r->batch_head,
				r->batches.n * sizeof(struct raft_batch));
		r->batch_head = 0;
	}
	return raft_vec_reserve(r, &r->batches, 1, sizeof(struct raft_batch));
}

/*
 * The commit index to write.  A crash may keep any prefix of a write, so the
 * index must not cover what the same write brings: it could make entries count
 * as committed that were about to be replaced.  The rest follows with the next
 * write.
 */
static raft_index
writable_commit(const struct raft *r, const struct raft_ready *rd)
{
	if (r->cfg.scripted || raft_broken(r, RAFT_BREAK_COMMIT_BEFORE_ENTRIES))
		return r->commit;
	if (rd->install != NULL)
		return r->prev_commit;
	if (rd->n_append > 0)
		return Min(r->commit, rd->append_first - 1);
	return r->commit;
}

static void
take_writes(struct raft *r, struct raft_outbox *o, struct raft_ready *rd)
{
	raft_index	install = 0;

	rd->must_sync = raft_unsynced(r);
	if (r->installing && !r->install_handed)
	{
		o->install = r->install;
		rd->install = &o->install;
		install = r->install.index;
		r->install_handed = true;
	}
	if (o->entries.n > 0)
	{
		RAFT_ASSERT(r, r->handed + o->entries.n == r->trail.last);
		rd->append_first = r->handed + 1;
		rd->append = RAFT_VEC(o->entries, struct raft_entry);
		rd->n_append = o->entries.n;
		r->handed = r->trail.last;
	}
	rd->term = r->term;
	rd->vote = r->vote;
	rd->commit = writable_commit(r, rd);
	rd->hard_changed = rd->term != r->prev_term || rd->vote != r->prev_vote ||
		rd->commit != r->prev_commit;
	rd->has_write = rd->must_sync || rd->hard_changed;
	if (rd->has_write)
	{
		r->seq_handed++;
		if (rd->must_sync)
			r->seq_sync = r->seq_handed;
		add_batch(r, rd->n_append > 0 ? r->trail.last : 0, install);
	}
	rd->seq = r->seq_handed;
	r->prev_term = r->term;
	r->prev_vote = r->vote;
	r->prev_commit = rd->commit;

	/* a snapshot on disk says by itself that it is committed */
	if (rd->install != NULL)
		r->prev_commit = Max(r->prev_commit, rd->install->index);
}

/* Messages that list things point to them only now that nothing moves. */
static void
take_msgs(struct raft_outbox *o, struct raft_ready *rd)
{
	struct raft_msg *msgs = RAFT_VEC(o->msgs, struct raft_msg);
	size_t		i;

	for (i = 0; i < o->msgs.n; i++)
	{
		if (msgs[i].type == RAFT_MSG_PROP)
			msgs[i].entries = RAFT_VEC(o->props, struct raft_entry) + msgs[i].ctx;
		else if (msgs[i].type == RAFT_MSG_SNAP)
			msgs[i].snap = RAFT_VEC(o->snaps, struct raft_snap) + msgs[i].ctx;
		else
			continue;
		msgs[i].ctx = 0;
	}
	rd->msgs = msgs;
	rd->n_msgs = o->msgs.n;
	rd->gated = RAFT_VEC(o->gated, struct raft_msg);
	rd->n_gated = o->gated.n;
}

/* The next entries to apply, within the budget; at least one if any. */
static void
take_apply(struct raft *r, struct raft_ready *rd)
{
	raft_index	hi = raft_appliable(r);

	if (!has_apply(r))
		return;
	if (!RAFT_ENSURE(r, r->applying_bytes < r->cfg.max_apply_bytes &&
					 r->applying + 1 > r->trail.base))
		return;
	rd->apply_lo = r->applying + 1;
	rd->apply_hi = raft_trail_limit(&r->trail, rd->apply_lo, hi,
									r->cfg.max_apply_bytes - r->applying_bytes);
	r->applying_bytes += raft_trail_cost(&r->trail, rd->apply_lo, rd->apply_hi);
	r->applying = rd->apply_hi;
	r->apply_paused = r->applying_bytes >= r->cfg.max_apply_bytes ||
		rd->apply_hi < hi;
}

static void
clear_outbox(struct raft_outbox *o)
{
	o->entries.n = 0;
	o->msgs.n = 0;
	o->props.n = 0;
	o->snaps.n = 0;
	o->reads.n = 0;
	o->gated.n = 0;
}

enum raft_rc
raft_ready(struct raft *r, struct raft_ready *rd)
{
	struct raft_outbox *o = &r->out[r->cur];
	struct raft_outbox *next = &r->out[!r->cur];

	memset(rd, 0, sizeof(*rd));
	if (r->fault_line != 0)
		return RAFT_FATAL;

	/* what the previous ready showed ends here; keep room for every answer */
	clear_outbox(next);
	if (!reserve_batch(r) ||
		!raft_vec_reserve(r, &next->reads, raft_reads_waiting(r), sizeof(struct raft_read)))
		return RAFT_NOMEM;
	if (r->role == RAFT_LEADER)
	{
		if (r->want_round)
			raft_bcast_heartbeat(r);
		if (r->want_bcast)
			raft_bcast_append_now(r);
		r->want_round = false;
		r->want_bcast = false;
	}

	take_writes(r, o, rd);
	take_apply(r, rd);
	take_msgs(o, rd);
	rd->reads = RAFT_VEC(o->reads, struct raft_read);
	rd->n_reads = o->reads.n;
	rd->soft_changed = soft_changed(r);
	rd->leader = r->leader;
	rd->role = r->role;
	r->prev_role = r->role;
	r->prev_leader = r->leader;

	r->cur = !r->cur;
	RAFT_TRACE(r, RAFT_EV_READY,.a = rd->seq,.flag = rd->has_write);
	raft_check_cheap(r);
	if (r->fault_line != 0)
	{
		memset(rd, 0, sizeof(*rd));
		return RAFT_FATAL;
	}
	return RAFT_OK;
}

enum raft_rc
raft_send_range(const struct raft *r, const struct raft_msg *msg,
				raft_index *lo, raft_index *hi)
{
	*lo = msg->index + 1;
	*hi = msg->index + msg->n_entries;
	if (msg->type != RAFT_MSG_APP)
		return RAFT_INVALID;
	if (msg->n_entries > 0 && *lo <= r->trail.base)
		return RAFT_COMPACTED;
	if (*hi > r->trail.last)
		return RAFT_INVALID;
	return RAFT_OK;
}

enum raft_rc
raft_persisted(struct raft *r, raft_seq seq)
{
	if (r->fault_line != 0)
		return RAFT_FATAL;
	if (seq > r->seq_handed)
		return RAFT_INVALID;
	if (seq <= r->seq_durable)
		return RAFT_OK;
	if (!raft_reserve_role(r))
		return RAFT_NOMEM;

	r->seq_durable = seq;
	while (r->batch_head < r->batches.n && BATCHES(r)[r->batch_head].seq <= seq)
	{
		const struct raft_batch *b = &BATCHES(r)[r->batch_head++];

		if (raft_broken(r, RAFT_BREAK_PERSIST_ABA))
			r->durable = Max(r->durable, Min(b->last, r->trail.last));
		RAFT_ASSERT(r, b->last <= r->trail.last ||
					raft_broken(r, RAFT_BREAK_PERSIST_ABA));
		r->durable = Max(r->durable, Min(b->last, r->trail.last));
		if (b->install != 0)
			raft_installed(r, b->install);
	}
	if (r->failed_seq != 0 && seq >= r->failed_seq)
		r->failed_seq = 0;
	if (r->lost_index != 0 && r->durable >= r->lost_index)
		r->lost_index = 0;
	RAFT_TRACE(r, RAFT_EV_DURABLE,.index = r->durable,.a = seq);
	return raft_finish(r, RAFT_OK);
}

enum raft_rc
raft_persist_failed(struct raft *r, raft_seq seq)
{
	if (r->fault_line != 0)
		return RAFT_FATAL;
	if (seq > r->seq_handed || seq <= r->seq_durable)
		return RAFT_INVALID;
	r->failed_seq = Max(r->failed_seq, seq);
	RAFT_TRACE(r, RAFT_EV_DISK_FAILED,.a = seq);

	/* who cannot write must not lead, and must not win an election either */
	if (r->role != RAFT_FOLLOWER)
		raft_become_follower(r, r->term, 0);
	return raft_finish(r, RAFT_OK);
}

enum raft_rc
raft_applied(struct raft *r, raft_index index)
{
	raft_index	lo = r->applied + 1;
	uint64_t	payload = 0;

	if (r->fault_line != 0)
		return RAFT_FATAL;
	if (index < r->applied)
		return RAFT_OK;			/* a snapshot has overtaken it */
	if (index > r->applying)
		return RAFT_INVALID;
	if (index > r->conf_done && lo > r->trail.base &&
		raft_trail_conf_in(&r->trail, Max(lo, r->conf_done + 1), index))
		return RAFT_INVALID;

	if (lo > r->trail.base)
	{
		uint64_t	cost = raft_trail_cost(&r->trail, lo, index);

		payload = raft_trail_bytes(&r->trail, lo, index);
		r->applying_bytes -= Min(cost, r->applying_bytes);
		r->apply_paused = r->applying_bytes >= r->cfg.max_apply_bytes;
	}
	r->applied = index;
	RAFT_TRACE(r, RAFT_EV_APPLIED,.applied = index);
	raft_maybe_auto_leave(r);
	raft_uncommitted_reduce(r, payload);
	return raft_finish(r, RAFT_OK);
}
