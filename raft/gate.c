/*-------------------------------------------------------------------------
 *
 * gate.c
 *	  What may leave now, and what waits for the disk.
 *
 * Three answers are promises: "I have these entries" (APP_RESP), "you have my
 * vote" (VOTE_RESP), and the same for a pre-vote; and one question is: "I am the
 * candidate of this term, with this log" (VOTE).  A promise may leave only when
 * everything it rests on is durable (thesis, section 3.8), or a crash forgets it.
 * Each is queued with the number of the write it depends on and is released by
 * raft_persisted().  A leader's own entries and a candidate's own vote are such
 * promises too, to itself, and go through the same queue, so that "a majority has
 * it on disk" means the same for everyone.
 *
 * Everything else may leave at once.  In particular a leader's appends do: the
 * followers write in parallel with it.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/gate.c
 *
 *-------------------------------------------------------------------------
 */
#include "raft_int.h"

#define GATE(r)		RAFT_VEC((r)->gate, struct raft_gated)

/* Is there something not handed out yet that a promise may rest on? */
bool
raft_unsynced(const struct raft *r)
{
	return r->out[r->cur].entries.n > 0 ||
		r->term != r->prev_term || r->vote != r->prev_vote ||
		(r->installing && !r->install_handed);
}

/*
 * A request for a vote counts as one: if a crash could forget the term, this
 * member could campaign in it again, with a log that has lost its tail, and
 * count the votes that were given to the longer one.
 */
static bool
is_promise(const struct raft *r, const struct raft_msg *m)
{
	if (m->type == RAFT_MSG_VOTE)
		return !r->cfg.scripted;
	return m->type == RAFT_MSG_APP_RESP || m->type == RAFT_MSG_VOTE_RESP ||
		m->type == RAFT_MSG_PRE_VOTE_RESP;
}

/* The known bugs of this file: the promise waits for nothing. */
static bool
gate_is_broken(const struct raft *r, const struct raft_msg *m)
{
	bool		own = m->to == r->cfg.id;

	(void) own;
	if (m->type == RAFT_MSG_APP_RESP)
		return own ? raft_broken(r, RAFT_BREAK_SELF_ACK_BEFORE_DURABLE) :
			raft_broken(r, RAFT_BREAK_ACK_BEFORE_DURABLE);
	if (m->type == RAFT_MSG_VOTE)
		return raft_broken(r, RAFT_BREAK_CANDIDACY_BEFORE_DURABLE);
	return m->type == RAFT_MSG_VOTE_RESP &&
		raft_broken(r, RAFT_BREAK_VOTE_BEFORE_DURABLE);
}

/*
 * A newer acknowledgement to the same peer that waits for the same write says
 * all that the older one says.
 */
static bool
merge_ack(struct raft *r, const struct raft_msg *m, raft_seq seq)
{
	struct raft_gated *g;

	if (m->type != RAFT_MSG_APP_RESP || m->reject || r->gate.n == r->gate_head)
		return false;
	g = &GATE(r)[r->gate.n - 1];
	if (g->seq != seq || g->msg.type != RAFT_MSG_APP_RESP || g->msg.reject ||
		g->msg.to != m->to || g->msg.term != m->term || g->msg.index > m->index)
		return false;
	g->msg.index = m->index;
	return true;
}

/* Queue for the next ready.  Without memory it is lost, as on a network. */
static void
queue_out(struct raft *r, const struct raft_msg *m)
{
	struct raft_vec *v = &r->out[r->cur].msgs;

	if (raft_vec_reserve(r, v, 1, sizeof(struct raft_msg)))
		RAFT_VEC(*v, struct raft_msg)[v->n++] = *m;
}

/*
 * Send a message: to must be set, from and (but for votes) term are filled in.
 */
void
raft_send(struct raft *r, struct raft_msg *m)
{
	struct raft_vec *v;
	raft_seq	seq;

	m->from = r->cfg.id;
	switch (m->type)
	{
		case RAFT_MSG_VOTE:
		case RAFT_MSG_VOTE_RESP:
		case RAFT_MSG_PRE_VOTE:
		case RAFT_MSG_PRE_VOTE_RESP:
			if (!RAFT_ENSURE(r, m->term != 0))
				return;
			break;
		case RAFT_MSG_PROP:
		case RAFT_MSG_READ_INDEX:
			break;
		default:
			m->term = r->term;
	}
	RAFT_TRACE(r, RAFT_EV_SEND,.peer = m->to,.msg = m,.flag = is_promise(r, m));

	if (!is_promise(r, m))
	{
		if (RAFT_ENSURE(r, m->to != r->cfg.id))
			queue_out(r, m);
		return;
	}
	if (r->cfg.scripted)
	{
		v = &r->out[r->cur].gated;
		if (RAFT_ENSURE(r, raft_vec_reserve(r, v, 1, sizeof(struct raft_msg))))
			RAFT_VEC(*v, struct raft_msg)[v->n++] = *m;
		return;
	}

	seq = raft_unsynced(r) ? r->seq_handed + 1 : r->seq_sync;
	if (gate_is_broken(r, m))
		seq = 0;
	if (merge_ack(r, m, seq))
		return;

	/*
	 * Promises to itself must not be lost; every call that can make one has
	 * reserved the room.
	 */
	if (!raft_vec_reserve(r, &r->gate, 1, sizeof(struct raft_gated)))
	{
		RAFT_ASSERT(r, m->to != r->cfg.id);
		return;
	}
	GATE(r)[r->gate.n].seq = seq;
	GATE(r)[r->gate.n].msg = *m;
	r->gate.n++;
}

/*
 * Let go what waits for nothing any more.  Called at the end of every public
 * call, so that nothing is handled in the middle of another step.
 */
void
raft_release(struct raft *r)
{
	size_t		i;

	for (i = r->gate_head; i < r->gate.n && r->fault_line == 0; i++)
	{
		struct raft_msg m;

		if (GATE(r)[i].seq > r->seq_durable)
		{
#ifdef RAFT_BREAK
			continue;
#else
			break;
#endif
		}
		m = GATE(r)[i].msg;
		if (m.type == RAFT_MSG_NONE)
			continue;
		GATE(r)[i].msg.type = RAFT_MSG_NONE;
		if (m.to == r->cfg.id)
			(void) raft_step_internal(r, &m, NULL);
		else if (m.type == RAFT_MSG_VOTE &&
				 (r->role != RAFT_CANDIDATE || r->term != m.term))
			continue;			/* not a candidate any more */
		else
			queue_out(r, &m);
	}

	while (r->gate_head < r->gate.n && GATE(r)[r->gate_head].msg.type == RAFT_MSG_NONE)
		r->gate_head++;
	if (r->gate_head == r->gate.n)
		r->gate_head = r->gate.n = 0;
	else if (r->gate_head > 64 && r->gate_head > r->gate.n / 2)
	{
		r->gate.n -= r->gate_head;
		memmove(GATE(r), GATE(r) + r->gate_head,
				r->gate.n * sizeof(struct raft_gated));
		r->gate_head = 0;
	}
}
