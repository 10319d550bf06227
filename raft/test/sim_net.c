/*-------------------------------------------------------------------------
 *
 * sim_net.c
 *	  Links between members: loss, delay, duplicates, partitions, snapshots.
 *
 * Every ordered pair of members is a link of its own, so that a partition may
 * cut one direction only.  A packet may be lost, arrive twice, arrive after
 * many elections ("straggler"), overtake others (unless the run is FIFO), be
 * held up by a clogged link or be dropped by a full one.
 *
 * Snapshots go by streams, which take long.  A stream carries the state as of
 * its beginning, which may be later than the core asked for; it ends complete,
 * or breaks without notice, or dies with the receiver; and the sender may or
 * may not learn what became of it.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/test/sim_net.c
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "sim_world.h"

/* Most entries in one packet. */
#define MAX_ENTRIES		4096

/* Delay of everything once the cluster is healed. */
#define HEALED_DELAY	(SIM_TICK / 20)

bool
sim_net_cut(struct sim_world *w, raft_id from, raft_id to)
{
	return w->blocked_until[from][to] > w->now;
}

/* From now on every link works. */
void
sim_net_heal(struct sim_world *w)
{
	memset(w->blocked_until, 0, sizeof(w->blocked_until));
	memset(w->clogged_until, 0, sizeof(w->clogged_until));
	memset(w->last_arrival, 0, sizeof(w->last_arrival));
}

static struct sim_packet *
packet_new(struct sim_world *w)
{
	struct sim_packet *p = w->free_packets;

	if (p != NULL)
		w->free_packets = p->next_free;
	else
		p = sim_alloc(&w->arena, sizeof(*p));
	return p;
}

static void
packet_free(struct sim_world *w, struct sim_packet *p)
{
	p->next_free = w->free_packets;
	w->free_packets = p;
}

/* When does a packet that leaves now arrive? */
static sim_time
arrival(struct sim_world *w, raft_id from, raft_id to)
{
	const struct sim_swarm *s = &w->swarm;
	sim_time	t;

	if (w->healing)
		t = w->now + 1 + sim_rng_exp(&w->rng, HEALED_DELAY);
	else
	{
		t = w->now + s->delay_min + sim_rng_exp(&w->rng, s->delay_mean);
		if (sim_rng_chance(&w->rng, s->straggle))
			return t + sim_rng_exp(&w->rng, 15 * SIM_TICK);
		if (t < w->clogged_until[from][to])
			t = w->clogged_until[from][to] +
				sim_rng_below(&w->rng, SIM_TICK / 4);
	}
	if (s->fifo)
	{
		if (t <= w->last_arrival[from][to])
			t = w->last_arrival[from][to] + 1;
		w->last_arrival[from][to] = t;
	}
	return t;
}

static void
launch(struct sim_world *w, const struct raft_msg *msg,
	   struct sim_entry *entries, sim_time t)
{
	struct sim_packet *p = packet_new(w);

	p->msg = *msg;
	p->msg.entries = NULL;
	p->entries = entries;
	w->in_flight[msg->from][msg->to]++;
	sim_push(w, t, SIM_EV_DELIVER, msg->to, p);
}

/*
 * What an append or a forwarded proposal carries, read as a host would.  False
 * if the log was compacted since the message was made: it is not sent.
 */
static bool
load_entries(struct sim_world *w, struct sim_member *from,
			 const struct raft_msg *msg, struct sim_entry **result)
{
	struct sim_entry *entries;
	raft_index	lo;
	raft_index	hi;
	enum raft_rc rc;

	*result = NULL;
	if (msg->n_entries == 0)
		return true;
	if (msg->n_entries > MAX_ENTRIES)
		sim_fail(w, "messages are bounded", "member %d sends %u entries",
				 (int) from->id, msg->n_entries);
	entries = sim_alloc(&w->arena, msg->n_entries * sizeof(*entries));
	*result = entries;
	if (msg->type == RAFT_MSG_PROP)
	{
		for (uint32_t i = 0; i < msg->n_entries; i++)
		{
			const struct sim_payload *p = msg->entries[i].data;

			entries[i].size = msg->entries[i].size;
			entries[i].type = msg->entries[i].type;
			entries[i].payload = p ? p->number : 0;
		}
		w->counts[SIM_COUNT_FORWARDED]++;
		return true;
	}
	rc = raft_send_range(from->raft, msg, &lo, &hi);
	if (rc == RAFT_COMPACTED && from->log.base > msg->index)
		return false;
	if (rc != RAFT_OK || lo != msg->index + 1 ||
		hi != msg->index + msg->n_entries)
		sim_fail(w, "an append can be read from the log",
				 "member %d: %s, range %d..%d for %u entries after %d",
				 (int) from->id, raft_rc_name(rc), (int) lo, (int) hi,
				 msg->n_entries, (int) msg->index);
	if (lo <= from->log.base || hi > from->log.last)
		sim_fail(w, "an append can be read from the log",
				 "member %d: range %d..%d, log %d..%d", (int) from->id,
				 (int) lo, (int) hi, (int) from->log.base + 1,
				 (int) from->log.last);
	memcpy(entries, &from->log.at[lo], msg->n_entries * sizeof(*entries));
	return true;
}

/* Send one message: it arrives never, once or twice, and some time. */
void
sim_net_send(struct sim_world *w, struct sim_member *from,
			 const struct raft_msg *msg)
{
	const struct sim_swarm *s = &w->swarm;
	raft_id		to = msg->to;
	struct sim_entry *entries;

	w->counts[SIM_COUNT_MESSAGES]++;
	if (to == from->id || to == 0 || to > SIM_MAX_ID)
		sim_fail(w, "messages go to other members", "member %d sends %s to %d",
				 (int) from->id, raft_msg_name(msg->type), (int) to);
	if (!load_entries(w, from, msg, &entries))
		return;
	if (!w->healing)
	{
		if (sim_net_cut(w, from->id, to) ||
			sim_rng_chance(&w->rng, s->loss) ||
			(s->link_capacity > 0 &&
			 w->in_flight[from->id][to] >= s->link_capacity))
		{
			SIM_TRACE(w, "%d->%d %s lost", (int) from->id, (int) to,
					  raft_msg_name(msg->type));
			w->counts[SIM_COUNT_LOST]++;
			return;
		}
		if (sim_rng_chance(&w->rng, s->duplicate))
		{
			w->counts[SIM_COUNT_DUPLICATES]++;
			launch(w, msg, entries, arrival(w, from->id, to) +
				   sim_rng_exp(&w->rng, 2 * SIM_TICK));
		}
	}
	launch(w, msg, entries, arrival(w, from->id, to));
}

/* ---------- delivery ---------- */

/* Give a message to a core and see that it takes it well. */
static void
step(struct sim_world *w, struct sim_member *m, const struct raft_msg *msg,
	 const struct raft_entry *entries)
{
	struct raft_status before = m->seen;
	enum raft_rc rc;

	if (msg->type == RAFT_MSG_HEARTBEAT_RESP)
		sim_reads_beat_answered(w, m, msg);
	w->stepping = msg;
	rc = raft_step(m->raft, msg, entries);
	sim_check_call(w, m);
	w->stepping = NULL;
	sim_check_received(w, m, msg, &before);
	switch (rc)
	{
		case RAFT_OK:
			break;
		case RAFT_UNKNOWN_PEER:
			/* An answer of a member that was removed meanwhile. */
			break;
		case RAFT_DROPPED:
		case RAFT_NOT_LEADER:
		case RAFT_NO_LEADER:
		case RAFT_BUSY:
		case RAFT_TOO_BIG:
		case RAFT_INVALID:
			/* What became of something forwarded. */
			if (msg->type == RAFT_MSG_PROP ||
				msg->type == RAFT_MSG_READ_INDEX ||
				msg->type == RAFT_MSG_TRANSFER)
				break;
			/* FALLTHROUGH */
		default:
			sim_fail(w, "a correct message is taken",
					 "member %d: %s from %d: %s", (int) m->id,
					 raft_msg_name(msg->type), (int) msg->from,
					 raft_rc_name(rc));
	}
	sim_member_output(w, m);
}

static void
deliver(struct sim_world *w, struct sim_member *m, struct sim_packet *p)
{
	struct raft_entry *entries = NULL;
	struct raft_msg msg = p->msg;

	if (msg.n_entries > 0)
	{
		entries = sim_alloc(&w->arena, msg.n_entries * sizeof(*entries));
		for (uint32_t i = 0; i < msg.n_entries; i++)
		{
			const struct sim_entry *e = &p->entries[i];

			entries[i].term = e->term;
			entries[i].size = e->size;
			entries[i].type = e->type;
			if (e->payload != 0)
			{
				const struct sim_payload *pay = w->payloads[e->payload];

				entries[i].data = pay;
				if (msg.type == RAFT_MSG_PROP && pay->change != NULL)
				{
					/* A host refuses to add what it knows to be lost. */
					if (sim_change_hopeless(w, pay->change))
					{
						packet_free(w, p);
						return;
					}
					sim_change_seen(w, pay->change);
					entries[i].change = pay->change;
				}
			}
		}
	}
	packet_free(w, p);
	SIM_TRACE(w, "%d->%d %s term %d index %d/%d commit %d n %u%s hint %d "
			  "ctx %d", (int) msg.from, (int) msg.to, raft_msg_name(msg.type),
			  (int) msg.term, (int) msg.index, (int) msg.log_term,
			  (int) msg.commit, msg.n_entries, msg.reject ? " reject" : "",
			  (int) msg.hint, (int) msg.ctx);
	step(w, m, &msg, entries);
}

/* ---------- snapshots ---------- */

/* The core of "from" wants a snapshot sent. */
void
sim_net_stream(struct sim_world *w, struct sim_member *from,
			   const struct raft_msg *msg)
{
	const struct sim_swarm *s = &w->swarm;
	struct sim_stream *st;

	w->counts[SIM_COUNT_MESSAGES]++;
	if (msg->to == from->id || msg->to == 0 || msg->to > SIM_MAX_ID)
		sim_fail(w, "messages go to other members", "member %d sends %s to %d",
				 (int) from->id, raft_msg_name(msg->type), (int) msg->to);
	st = sim_alloc(&w->arena, sizeof(*st));
	st->from = from->id;
	st->to = msg->to;
	st->from_life = from->lives;
	st->term = msg->term;
	st->snap = *msg->snap;
	SIM_TRACE(w, "%d->%d snapshot %d asked for", (int) st->from,
			  (int) st->to, (int) st->snap.index);
	sim_push(w, w->now + 1 + (w->healing ? 0 :
							  sim_rng_exp(&w->rng, s->stream_min)),
			 SIM_EV_STREAM_BEGIN, from->id, st);
}

/* The stream opens: it carries the state as of now. */
static void
stream_begin(struct sim_world *w, struct sim_stream *st)
{
	const struct sim_swarm *s = &w->swarm;
	struct sim_member *from = &w->members[st->from];

	if (from->installs_pending == 0)
	{
		/*
		 * A host that keeps snapshots makes a new one when the one it has is
		 * of no use to a receiver that was added later.
		 */
		if (!from->cfg.snapshot_at_applied &&
			(w->healing || !sim_conf_has(&st->snap.conf, st->to) ||
			 sim_rng_chance(&w->rng, 256)))
			sim_member_snapshot(w, from);
		if (from->cfg.snapshot_at_applied)
		{
			st->snap.index = from->machine.applied;
			st->snap.term = from->machine.term;
			st->snap.conf = from->machine.conf;
		}
		else if (from->disk.snap.index > st->snap.index)
			st->snap = from->disk.snap;
	}
	st->to_life = w->members[st->to].lives;
	if (w->healing)
		st->end = w->now + SIM_TICK;
	else
	{
		st->end = w->now + s->stream_min + sim_rng_exp(&w->rng, s->stream_mean);
		st->lost = sim_rng_chance(&w->rng, s->stream_lost);
		st->silent = sim_rng_chance(&w->rng, s->stream_silent);
	}

	/*
	 * What this member has applied since it lost leadership is of a later
	 * term than its message: a host gives up.
	 */
	st->lost |= st->snap.term > st->term;
	if (st->end > w->now + 2 * SIM_TICK && !st->silent)
		sim_push(w, w->now + 2 * SIM_TICK, SIM_EV_STREAM_ALIVE, st->from, st);
	sim_push(w, st->end, SIM_EV_STREAM_END, st->to, st);
	SIM_TRACE(w, "%d->%d snapshot %d under way%s%s", (int) st->from,
			  (int) st->to, (int) st->snap.index, st->lost ? ", will break" :
			  "", st->silent ? ", without report" : "");
}

static void
report(struct sim_world *w, struct sim_stream *st,
	   enum raft_snap_report result)
{
	struct sim_member *from = &w->members[st->from];
	enum raft_rc rc;

	if (from->life != SIM_UP || from->lives != st->from_life)
		return;
	rc = raft_report_snapshot(from->raft, st->to, result);
	if (rc != RAFT_OK && rc != RAFT_UNKNOWN_PEER && rc != RAFT_NOT_LEADER)
		sim_fail(w, "calls succeed", "member %d: raft_report_snapshot "
				 "returned %s", (int) from->id, raft_rc_name(rc));
	sim_member_output(w, from);
}

static void
stream_end(struct sim_world *w, struct sim_stream *st)
{
	struct sim_member *from = &w->members[st->from];
	struct sim_member *to = &w->members[st->to];
	bool		arrived;

	arrived = !st->lost && to->life == SIM_UP && to->lives == st->to_life &&
		from->life == SIM_UP && from->lives == st->from_life &&
		!sim_net_cut(w, st->from, st->to);
	SIM_TRACE(w, "%d->%d snapshot %d %s", (int) st->from, (int) st->to,
			  (int) st->snap.index, arrived ? "arrived" : "broke");
	if (!arrived)
		w->counts[SIM_COUNT_STREAMS_LOST]++;
	if (!st->silent)
	{
		st->report = arrived ? RAFT_SNAP_OK : RAFT_SNAP_FAILED;
		sim_push(w, w->now + 1 + sim_rng_exp(&w->rng, SIM_TICK / 4),
				 SIM_EV_STREAM_REPORT, st->from, st);
	}
	if (arrived)
	{
		struct raft_msg msg;

		if (to->n_staged == SIM_MAX_STAGED)
		{
			memmove(&to->staged[0], &to->staged[1],
					(SIM_MAX_STAGED - 1) * sizeof(to->staged[0]));
			to->n_staged--;
		}
		to->staged[to->n_staged++] = st->snap;
		memset(&msg, 0, sizeof(msg));
		msg.type = RAFT_MSG_SNAP;
		msg.from = st->from;
		msg.to = st->to;
		msg.term = st->term;
		msg.snap = &st->snap;
		step(w, to, &msg, NULL);
	}
}

/* An event of the network; ev->id is running and not paused. */
void
sim_net_event(struct sim_world *w, const struct sim_event *ev)
{
	struct sim_stream *st = ev->ptr;
	struct sim_packet *p = ev->ptr;

	switch (ev->kind)
	{
		case SIM_EV_DELIVER:
			deliver(w, &w->members[ev->id], p);
			break;
		case SIM_EV_STREAM_BEGIN:
			stream_begin(w, st);
			break;
		case SIM_EV_STREAM_ALIVE:
			if (w->now < st->end)
			{
				sim_push(w, w->now + 2 * SIM_TICK, SIM_EV_STREAM_ALIVE,
						 st->from, st);
				report(w, st, RAFT_SNAP_ALIVE);
			}
			break;
		case SIM_EV_STREAM_END:
			stream_end(w, st);
			break;
		case SIM_EV_STREAM_REPORT:
			report(w, st, st->report);
			break;
		default:
			break;
	}
}
