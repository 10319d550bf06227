/*-------------------------------------------------------------------------
 *
 * sim_trace.c
 *	  What a run tells a reader: one line for each thing that happens.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/test/sim_trace.c
 *
 *-------------------------------------------------------------------------
 */
#include <stdarg.h>
#include <string.h>

#include "sim_world.h"

const char *
sim_count_name(int count)
{
	static const char *const names[SIM_N_COUNTS] = {
		"steps", "ticks", "leaders", "commits", "messages", "lost",
		"duplicates", "truncations", "crashes", "torn writes", "pauses",
		"partitions", "clogs", "failed writes", "snapshots", "streams lost",
		"compactions", "simple changes", "joint changes",
		"cancelled changes", "leaders removed", "disks lost", "transfers",
		"acknowledged", "forwarded", "too big", "over quota",
		"reads at leaders", "reads at others", "reads failed",
		"ticks to heal"
	};

	return names[count];
}

/* One line, with the step and the time before it. */
void
sim_say(struct sim_world *w, const char *fmt,...)
{
	char		line[400];
	va_list		args;
	int			n;

	n = snprintf(line, sizeof(line), "%6d %4d.%03d  ", (int) w->step,
				 (int) (w->now / SIM_TICK), (int) (w->now % SIM_TICK));
	va_start(args, fmt);
	vsnprintf(line + n, sizeof(line) - (size_t) n, fmt, args);
	va_end(args);
	w->trace(w->trace_arg, line);
}

static int
list_text(char *buf, size_t size, const char *name, const raft_id *list,
		  uint8_t n_ids)
{
	int			n = 0;

	if (n_ids == 0)
		return 0;
	n = snprintf(buf, size, "%s(", name);
	for (uint8_t i = 0; i < n_ids && (size_t) n < size; i++)
		n += snprintf(buf + n, size - (size_t) n, i ? " %d" : "%d",
					  (int) list[i]);
	if ((size_t) n < size)
		n += snprintf(buf + n, size - (size_t) n, ")");
	return (size_t) n < size ? n : (int) size - 1;
}

/* A configuration for people. */
const char *
sim_conf_text(const struct raft_conf *conf, char *buf, size_t size)
{
	int			n;

	n = list_text(buf, size, "voters", conf->voters, conf->n_voters);
	n += list_text(buf + n, size - (size_t) n, " outgoing", conf->outgoing,
				   conf->n_outgoing);
	n += list_text(buf + n, size - (size_t) n, " learners", conf->learners,
				   conf->n_learners);
	n += list_text(buf + n, size - (size_t) n, " next", conf->learners_next,
				   conf->n_learners_next);
	if (conf->auto_leave)
		snprintf(buf + n, size - (size_t) n, " auto");
	return buf;
}

/* The options of the run. */
void
sim_trace_swarm(struct sim_world *w)
{
	const struct sim_swarm *s = &w->swarm;
	const struct raft_config *c = &s->cfg;

	sim_say(w, "seed %llu: %u voters %u learners, election %u heartbeat %u "
			"snapshot %u%s%s%s%s%s%s%s", (unsigned long long) w->seed,
			s->n_voters, s->n_learners, c->election_tick, c->heartbeat_tick,
			c->snapshot_tick, c->pre_vote ? ", pre-vote" : "",
			c->check_quorum ? ", check-quorum" : "",
			c->lease_reads ? ", lease reads" : "",
			c->forward_proposals ? ", forwarding" : "",
			c->snapshot_at_applied ? "" : ", kept snapshots",
			c->apply_unstable ? ", apply unstable" : "",
			s->priorities ? ", priorities" : "");
	sim_say(w, "limits: message %lld, inflight %u/%lld, uncommitted %lld, "
			"apply %lld, entry %u", (long long) c->max_msg_bytes,
			c->max_inflight_msgs, (long long) c->max_inflight_bytes,
			(long long) c->max_uncommitted_bytes,
			(long long) c->max_apply_bytes, s->entry_size);
	sim_say(w, "network: delay %d+%d, loss %u, duplicate %u, straggle %u%s, "
			"capacity %u%s", (int) s->delay_min, (int) s->delay_mean, s->loss,
			s->duplicate, s->straggle, s->fifo ? ", fifo" : "",
			s->link_capacity, s->cut_in_flight ? ", cuts in flight" : "");
	sim_say(w, "host: %s, flush %d, part %u, fail %u, crash mode %d, ready "
			"%d, apply %d/%u, machine %u, keep %u, drift %u, miss %u",
			s->disk == SIM_DISK_SYNC ? "sync" : "queue", (int) s->flush_mean,
			s->flush_part, s->write_fail, (int) s->crash_mode,
			(int) s->ready_mean, (int) s->apply_mean, s->apply_batch,
			s->machine_flush, s->keep_log, s->clock_drift, s->tick_miss);
	sim_say(w, "load: operation every %d: propose %u batch %u huge %u read "
			"%u conf %u transfer %u campaign %u forget %u unreachable %u "
			"compact %u", (int) s->op_mean, s->ops[0], s->ops[1], s->ops[2],
			s->ops[3], s->ops[4], s->ops[5], s->ops[6], s->ops[7], s->ops[8],
			s->ops[9]);
	sim_say(w, "faults every %d: crash %u leader %u many %u pause %u isolate "
			"%u one-way %u split %u link %u clog %u disk %u",
			(int) s->fault_mean, s->faults[0], s->faults[1], s->faults[2],
			s->faults[3], s->faults[4], s->faults[5], s->faults[6],
			s->faults[7], s->faults[8], s->faults[9]);
}

/* The core's own events, those that say something new. */
void
sim_trace_core(void *arg, const struct raft_event *ev)
{
	struct sim_world *w = arg;
	char		conf[200];

	switch (ev->kind)
	{
		case RAFT_EV_RECEIVE:
		case RAFT_EV_READY:
		case RAFT_EV_APPLIED:
		case RAFT_EV_NEW:
			return;
		default:
			break;
	}
	if (ev->kind == RAFT_EV_SEND && ev->msg != NULL)
	{
		sim_say(w, "      %d: sends %d %s term %d index %d/%d commit %d n %u%s"
				"%s", (int) ev->node, (int) ev->msg->to,
				raft_msg_name(ev->msg->type), (int) ev->msg->term,
				(int) ev->msg->index, (int) ev->msg->log_term,
				(int) ev->msg->commit, ev->msg->n_entries,
				ev->msg->reject ? " reject" : "",
				ev->flag ? " when durable" : "");
		return;
	}
	conf[0] = '\0';
	if (ev->conf != NULL)
		(void) sim_conf_text(ev->conf, conf, sizeof(conf));
	sim_say(w, "      %d: %s, term %d %s; peer %d index %d last %d/%d commit "
			"%d a %d b %d%s %s", (int) ev->node, raft_event_name(ev->kind),
			(int) ev->term, raft_role_name(ev->role), (int) ev->peer,
			(int) ev->index, (int) ev->last_term, (int) ev->last,
			(int) ev->commit, (int) ev->a, (int) ev->b,
			ev->flag ? " yes" : "", conf);
}
