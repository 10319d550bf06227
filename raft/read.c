/*-------------------------------------------------------------------------
 *
 * read.c
 *	  Linearizable reads without writing.
 *
 * Thesis, section 6.4.  A read may be served at any index at or above what was
 * committed when it was asked.  The leader notes its commit index, makes sure
 * that it was still leader after that, by an exchange of heartbeats with a
 * quorum, and answers with the index; whoever asked waits until that is applied.
 *
 * A new leader may not know the commit index yet: it answers only after it has
 * committed an entry of its own term.  Reads are postponed until then.
 *
 * Rounds.  The leader numbers the reads it accepts in a term; a heartbeat carries
 * the number of the newest one, and its answer confirms all reads up to that
 * number.  The numbers are the leader's own, so neither a repeated request nor a
 * late answer can confirm a read that was asked after the heartbeat left.
 *
 * Leases (6.4.1).  With lease_reads the exchange is spared while a quorum has
 * answered a heartbeat that was sent less than an election timeout ago: none of
 * them votes for another before that time is over.  The clock starts when the
 * heartbeat is sent, which its answer brings back (echo); a margin allows for
 * clocks that run at different speeds.  A leader that told another to campaign
 * has no lease any more in that term.
 *
 * Followers pass reads on with a number of their own, so that the host's
 * contexts need not be unique, and give up after an election timeout: every
 * raft_read() that was accepted is answered exactly once.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/read.c
 *
 *-------------------------------------------------------------------------
 */
#include "raft_int.h"

#define READS(r)		RAFT_VEC((r)->reads, struct raft_pending_read)
#define POSTPONED(r)	RAFT_VEC((r)->postponed, struct raft_pending_read)
#define FORWARDED(r)	RAFT_VEC((r)->forwarded, struct raft_forwarded_read)

/* Number of the newest read accepted in this term that waits; 0 if none. */
uint64_t
raft_read_round(const struct raft *r)
{
	return r->reads.n == 0 ? 0 : r->reads_confirmed + r->reads.n;
}

size_t
raft_reads_waiting(const struct raft *r)
{
	return r->reads.n + r->postponed.n + r->forwarded.n;
}

/* Answer the host; room was reserved when the read was accepted. */
static void
answer_host(struct raft *r, uint64_t ctx, enum raft_rc rc, raft_index index)
{
	struct raft_vec *v = &r->out[r->cur].reads;

	if (!RAFT_ENSURE(r, v->n < v->cap))
		return;
	RAFT_VEC(*v, struct raft_read)[v->n].ctx = ctx;
	RAFT_VEC(*v, struct raft_read)[v->n].rc = rc;
	RAFT_VEC(*v, struct raft_read)[v->n].index = index;
	v->n++;
}

static void
answer(struct raft *r, const struct raft_pending_read *read, raft_index index)
{
	struct raft_msg m = {0};

	if (read->from == r->cfg.id)
	{
		answer_host(r, read->ctx, RAFT_OK, index);
		return;
	}
	m.type = RAFT_MSG_READ_INDEX_RESP;
	m.to = read->from;
	m.index = index;
	m.ctx = read->ctx;
	raft_send(r, &m);
}

static bool
ack_value(const void *arg, raft_id id, uint64_t *value)
{
	const struct raft *r = arg;
	const struct raft_peer *p = raft_peer_get(r, id);

	if (p == NULL)
		return false;
	*value = id == r->cfg.id ? raft_read_round(r) : p->read_ack;
	return true;
}

static bool
echo_value(const void *arg, raft_id id, uint64_t *value)
{
	const struct raft *r = arg;
	const struct raft_peer *p = raft_peer_get(r, id);

	if (p == NULL)
		return false;
	*value = id == r->cfg.id ? r->now : p->last_echo;
	return true;
}

/* Ticks since the newest heartbeat was sent that a quorum has answered. */
uint32_t
raft_quorum_echo_ticks(const struct raft *r)
{
	uint64_t	sent;

	if (r->role != RAFT_LEADER)
		return UINT32_MAX;
	sent = raft_joint_value(&r->conf, echo_value, r);
	if (sent == 0 || sent > r->now || r->now - sent >= UINT32_MAX)
		return UINT32_MAX;
	return (uint32_t) (r->now - sent);
}

/* Ticks for which no one else can be elected; 0 without a lease. */
uint32_t
raft_lease_ticks(const struct raft *r)
{
	uint64_t	sent;
	uint64_t	end;

	if (r->role != RAFT_LEADER || !r->cfg.check_quorum || r->lease_given_up)
		return 0;
	sent = raft_joint_value(&r->conf, echo_value, r);
	if (sent == 0 || sent > r->now)
		return 0;
	end = sent + r->cfg.election_tick;
	if (end <= r->now + r->cfg.lease_margin_tick)
		return 0;
	return (uint32_t) (end - r->now - r->cfg.lease_margin_tick);
}

/* Answer every read whose round a quorum has confirmed. */
void
raft_reads_advance(struct raft *r)
{
	uint64_t	acked;
	size_t		n;
	size_t		i;

	if (r->role != RAFT_LEADER || r->reads.n == 0)
		return;
	acked = raft_joint_value(&r->conf, ack_value, r);
	if (raft_broken(r, RAFT_BREAK_READ_WITHOUT_QUORUM))
		acked = raft_read_round(r);
	if (acked <= r->reads_confirmed)
		return;
	n = (size_t) Min(acked - r->reads_confirmed, r->reads.n);
	for (i = 0; i < n; i++)
		answer(r, &READS(r)[i], READS(r)[i].index);
	r->reads_confirmed += n;
	r->reads.n -= n;
	memmove(READS(r), READS(r) + n, r->reads.n * sizeof(READS(r)[0]));
}

/* Leader, commit index known: answer by lease, or join the next round. */
static void
accept(struct raft *r, const struct raft_pending_read *read)
{
	struct raft_pending_read *slot = &READS(r)[r->reads.n];

	if (r->cfg.lease_reads && raft_lease_ticks(r) > 0)
	{
		answer(r, read, r->commit);
		return;
	}
	*slot = *read;
	slot->index = r->commit;
	r->reads.n++;
	r->want_round = true;
	raft_reads_advance(r);		/* a single voter is its own quorum */
	if (r->reads.n == 0)
		r->want_round = false;
	else
		RAFT_TRACE(r, RAFT_EV_READ_ROUND,.a = raft_read_round(r),.b = r->reads.n);
}

/* The first commit of the term: postponed reads can go on. */
void
raft_reads_release_postponed(struct raft *r)
{
	size_t		i;

	if (r->postponed.n == 0 || !raft_committed_in_term(r))
		return;
	for (i = 0; i < r->postponed.n; i++)
		accept(r, &POSTPONED(r)[i]);
	r->postponed.n = 0;
}

/* Room for one more read, wherever it will wait, and for all answers. */
static enum raft_rc
reserve(struct raft *r)
{
	size_t		waiting = raft_reads_waiting(r);

	if (waiting >= r->cfg.max_pending_reads)
		return RAFT_BUSY;
	if (!raft_vec_reserve(r, &r->reads, r->postponed.n + 1,
						  sizeof(struct raft_pending_read)) ||
		!raft_vec_reserve(r, &r->postponed, 1, sizeof(struct raft_pending_read)) ||
		!raft_vec_reserve(r, &r->forwarded, 1, sizeof(struct raft_forwarded_read)) ||
		!raft_vec_reserve(r, &r->out[r->cur].reads, waiting + 1, sizeof(struct raft_read)))
		return RAFT_NOMEM;
	return RAFT_OK;
}

static void
forward(struct raft *r, uint64_t ctx)
{
	struct raft_forwarded_read *f = &FORWARDED(r)[r->forwarded.n++];
	struct raft_msg m = {0};

	f->wire_ctx = r->next_wire_ctx++;
	f->ctx = ctx;
	f->ticks = 0;
	m.type = RAFT_MSG_READ_INDEX;
	m.to = r->leader;
	m.ctx = f->wire_ctx;
	raft_send(r, &m);
}

/* A read of our host (from is our id) or of a follower. */
enum raft_rc
raft_read_request(struct raft *r, raft_id from, uint64_t ctx)
{
	struct raft_pending_read read = {0};
	enum raft_rc rc;

	if (r->role != RAFT_LEADER &&
		(from != r->cfg.id || r->role != RAFT_FOLLOWER || r->leader == 0))
	{
		RAFT_TRACE0(r, RAFT_EV_READ_NO_LEADER);
		return RAFT_NO_LEADER;
	}
	rc = reserve(r);
	if (rc != RAFT_OK)
		return rc;
	if (r->role != RAFT_LEADER)
	{
		forward(r, ctx);
		return RAFT_OK;
	}

	read.ctx = ctx;
	read.from = from;
	if (!raft_committed_in_term(r) &&
		!raft_broken(r, RAFT_BREAK_READ_BEFORE_TERM_COMMIT))
		POSTPONED(r)[r->postponed.n++] = read;
	else
		accept(r, &read);
	return RAFT_OK;
}

/* The leader's answer to a read that we passed on. */
void
raft_handle_read_resp(struct raft *r, const struct raft_msg *m)
{
	size_t		i;

	for (i = 0; i < r->forwarded.n; i++)
	{
		if (FORWARDED(r)[i].wire_ctx != m->ctx)
			continue;
		answer_host(r, FORWARDED(r)[i].ctx, RAFT_OK, m->index);
		r->forwarded.n--;
		memmove(&FORWARDED(r)[i], &FORWARDED(r)[i + 1],
				(r->forwarded.n - i) * sizeof(FORWARDED(r)[0]));
		return;
	}
}

void
raft_reads_fail_forwarded(struct raft *r)
{
	size_t		i;

	for (i = 0; i < r->forwarded.n; i++)
		answer_host(r, FORWARDED(r)[i].ctx, RAFT_NO_LEADER, 0);
	r->forwarded.n = 0;
}

/* Leadership is over or just begins: nothing waits any more. */
void
raft_reads_fail(struct raft *r)
{
	size_t		i;

	for (i = 0; i < r->reads.n; i++)
		if (READS(r)[i].from == r->cfg.id)
			answer_host(r, READS(r)[i].ctx, RAFT_NO_LEADER, 0);
	for (i = 0; i < r->postponed.n; i++)
		if (POSTPONED(r)[i].from == r->cfg.id)
			answer_host(r, POSTPONED(r)[i].ctx, RAFT_NO_LEADER, 0);
	r->reads.n = 0;
	r->postponed.n = 0;
	r->reads_confirmed = 0;
}

/* Reads that the leader does not answer. */
void
raft_tick_reads(struct raft *r)
{
	size_t		kept = 0;
	size_t		i;

	for (i = 0; i < r->forwarded.n; i++)
	{
		struct raft_forwarded_read f = FORWARDED(r)[i];

		if (++f.ticks >= r->cfg.election_tick)
			answer_host(r, f.ctx, RAFT_DROPPED, 0);
		else
			FORWARDED(r)[kept++] = f;
	}
	r->forwarded.n = kept;
}

enum raft_rc
raft_read(struct raft *r, uint64_t ctx)
{
	if (r->fault_line != 0)
		return RAFT_FATAL;
	return raft_finish(r, raft_read_request(r, r->cfg.id, ctx));
}
