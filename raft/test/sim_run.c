/*-------------------------------------------------------------------------
 *
 * sim_run.c
 *	  One run: the event loop, from founding to the end of the second phase.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/test/sim_run.c
 *
 *-------------------------------------------------------------------------
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "sim_world.h"

/* A run that does not end by itself within this many steps has gone mad. */
#define MAX_HEAL_STEPS	400000

/* ---------- the heap of events ---------- */

static bool
earlier(const struct sim_event *a, const struct sim_event *b)
{
	return a->time < b->time || (a->time == b->time && a->order < b->order);
}

/* Let something happen to a member (0 = nobody in particular) at a time. */
void
sim_push(struct sim_world *w, sim_time time, enum sim_event_kind kind,
		 raft_id id, void *ptr)
{
	struct sim_event ev;
	size_t		i = w->n_heap++;

	ev.time = time;
	ev.order = w->event_order++;
	ev.kind = (uint8_t) kind;
	ev.id = (uint8_t) id;
	ev.life = w->members[id].lives;
	ev.ptr = ptr;
	if (w->n_heap > w->heap_space)
	{
		w->heap_space = w->heap_space ? w->heap_space * 2 : 256;
		w->heap = sim_grow(w->heap, w->heap_space * sizeof(*w->heap));
	}
	while (i > 0 && earlier(&ev, &w->heap[(i - 1) / 2]))
	{
		w->heap[i] = w->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	w->heap[i] = ev;
}

static struct sim_event
pop(struct sim_world *w)
{
	struct sim_event top = w->heap[0];
	struct sim_event last = w->heap[--w->n_heap];
	size_t		i = 0;

	for (;;)
	{
		size_t		child = 2 * i + 1;

		if (child >= w->n_heap)
			break;
		if (child + 1 < w->n_heap &&
			earlier(&w->heap[child + 1], &w->heap[child]))
			child++;
		if (!earlier(&w->heap[child], &last))
			break;
		w->heap[i] = w->heap[child];
		i = child;
	}
	w->heap[i] = last;
	return top;
}

/* ---------- failing ---------- */

/* An invariant is broken: end the run. */
void
sim_fail(struct sim_world *w, const char *invariant, const char *fmt,...)
{
	va_list		args;

	w->failure.step = w->step;
	snprintf(w->failure.invariant, sizeof(w->failure.invariant), "%s",
			 invariant);
	va_start(args, fmt);
	vsnprintf(w->failure.text, sizeof(w->failure.text), fmt, args);
	va_end(args);
	longjmp(w->escape, 1);
}

/* ---------- beginning and end ---------- */

struct sim_world *
sim_world_new(void)
{
	struct sim_world *w = sim_grow(NULL, sizeof(*w));

	memset(w, 0, sizeof(*w));
	return w;
}

void
sim_world_free(struct sim_world *w)
{
	for (raft_id id = 0; id <= SIM_MAX_ID; id++)
	{
		free(w->members[id].log.at);
		free(w->members[id].disk.log.at);
	}
	free(w->oracle.facts);
	free(w->oracle.entries);
	free(w->oracle.terms);
	free(w->oracle.confs);
	free(w->oracle.reads);
	free(w->heap);
	free(w->payloads);
	sim_arena_free(&w->arena);
	free(w);
}

static void
reset(struct sim_world *w, uint64_t seed)
{
	sim_arena_reset(&w->arena);
	w->seed = seed;
	w->step = 0;
	w->now = 0;
	sim_rng_seed(&w->rng, seed);
	sim_swarm_draw(&w->swarm, &w->rng);
	for (raft_id id = 0; id <= SIM_MAX_ID; id++)
	{
		struct sim_member *m = &w->members[id];
		struct sim_log log = m->log;
		struct sim_log disk_log = m->disk.log;

		memset(m, 0, sizeof(*m));
		m->log = log;
		m->disk.log = disk_log;
		m->id = id;
	}
	sim_oracle_reset(w);
	w->stepping = NULL;
	w->n_heap = 0;
	w->event_order = 0;
	w->free_packets = NULL;
	w->n_payloads = 0;
	memset(w->in_flight, 0, sizeof(w->in_flight));
	sim_net_heal(w);
	w->healing = false;
	w->heal_start = w->heal_next = w->heal_write_time = 0;
	w->heal_tried = w->heal_index = 0;
	w->heal_payload = 0;
	w->heal_reads[0] = w->heal_reads[1] = 0;
	w->heal_missing = NULL;
	memset(w->counts, 0, sizeof(w->counts));
	w->hash = seed;
	memset(&w->failure, 0, sizeof(w->failure));
}

/* The founders start from one common state; payload 0 is the core's. */
static void
found(struct sim_world *w)
{
	struct raft_snap snap;

	memset(&snap, 0, sizeof(snap));
	snap.index = w->swarm.founding_index;
	snap.term = 1;
	for (uint32_t i = 1; i <= w->swarm.n_voters; i++)
		snap.conf.voters[snap.conf.n_voters++] = i;
	for (uint32_t i = 1; i <= w->swarm.n_learners; i++)
		snap.conf.learners[snap.conf.n_learners++] = w->swarm.n_voters + i;

	if (w->payload_space == 0)
	{
		w->payload_space = 1024;
		w->payloads = sim_grow(NULL,
							   w->payload_space * sizeof(*w->payloads));
	}
	w->payloads[w->n_payloads++] = sim_alloc(&w->arena,
											 sizeof(struct sim_payload));
	sim_oracle_found(w, &snap);
	for (raft_id id = 1; id <= w->swarm.n_voters + w->swarm.n_learners; id++)
	{
		sim_member_found(w, id, &snap);
		w->members[id].adds = 1;
		sim_member_start(w, &w->members[id]);
	}
	sim_push(w, 1 + sim_rng_exp(&w->rng, 4 * SIM_TICK), SIM_EV_OPERATION, 0,
			 NULL);
	if (w->swarm.fault_mean > 0)
		sim_push(w, 1 + sim_rng_exp(&w->rng, 4 * SIM_TICK), SIM_EV_FAULT, 0,
				 NULL);
}

static void
stop_all(struct sim_world *w)
{
	for (raft_id id = 1; id <= SIM_MAX_ID; id++)
	{
		raft_free(w->members[id].raft);
		w->members[id].raft = NULL;
	}
}

/* ---------- the loop ---------- */

/* Is that event still of use?  Puts it off if its member is paused. */
static bool
is_due(struct sim_world *w, const struct sim_event *ev)
{
	struct sim_member *m = &w->members[ev->id];

	if (ev->id == 0)
		return !w->healing;
	if (ev->kind == SIM_EV_RESTART)
		return m->life == SIM_DOWN;
	if (ev->kind == SIM_EV_STREAM_END)
		return true;
	if (m->life != SIM_UP)
		return false;
	if (ev->kind != SIM_EV_DELIVER && m->lives != ev->life)
		return false;
	if (m->paused_until > w->now)
	{
		if (ev->kind == SIM_EV_DELIVER)
		{
			const struct sim_packet *p = ev->ptr;

			w->in_flight[p->msg.from][ev->id]++;
		}
		sim_push(w, m->paused_until, (enum sim_event_kind) ev->kind, ev->id,
				 ev->ptr);
		return false;
	}
	return true;
}

/* Take the next event and do it; false if it was void. */
static bool
step(struct sim_world *w)
{
	struct sim_event ev = pop(w);

	w->now = ev.time;
	if (ev.kind == SIM_EV_DELIVER)
	{
		const struct sim_packet *p = ev.ptr;

		w->in_flight[p->msg.from][ev.id]--;
		if (!w->healing && w->swarm.cut_in_flight &&
			sim_net_cut(w, p->msg.from, ev.id))
			return false;
	}
	if (!is_due(w, &ev))
		return false;
	switch (ev.kind)
	{
		case SIM_EV_TICK:
		case SIM_EV_FLUSH:
		case SIM_EV_APPLY:
		case SIM_EV_READY:
			sim_member_event(w, &ev);
			break;
		case SIM_EV_RESTART:
			sim_member_start(w, &w->members[ev.id]);
			sim_member_output(w, &w->members[ev.id]);
			break;
		case SIM_EV_OPERATION:
			sim_operation(w);
			sim_push(w, w->now + 1 + sim_rng_exp(&w->rng, w->swarm.op_mean),
					 SIM_EV_OPERATION, 0, NULL);
			break;
		case SIM_EV_FAULT:
			sim_fault(w);
			sim_push(w, w->now + 1 +
					 sim_rng_exp(&w->rng, w->swarm.fault_mean),
					 SIM_EV_FAULT, 0, NULL);
			break;
		default:
			sim_net_event(w, &ev);
			break;
	}
	w->step++;
	return true;
}

static void
both_phases(struct sim_world *w, uint64_t steps)
{
	found(w);
	while (w->step < steps && w->n_heap > 0)
		(void) step(w);
	sim_heal_begin(w);
	while (!sim_heal_done(w))
	{
		if (w->n_heap == 0 || w->step > steps + MAX_HEAL_STEPS)
			sim_fail(w, "a healed cluster makes progress",
					 "no end, still waiting for %s",
					 w->heal_missing ? w->heal_missing : "?");
		(void) step(w);
	}
}

/*
 * Run one seed: so many steps with faults, then the second phase.  False and
 * w->failure filled in if an invariant was broken.
 */
bool
sim_run(struct sim_world *w, uint64_t seed, uint64_t steps)
{
	reset(w, seed);
	if (w->trace != NULL)
		sim_trace_swarm(w);
	if (setjmp(w->escape) != 0)
	{
		w->counts[SIM_COUNT_STEPS] = w->step;
		stop_all(w);
		return false;
	}
	both_phases(w, steps);
	w->counts[SIM_COUNT_STEPS] = w->step;
	stop_all(w);
	return true;
}
