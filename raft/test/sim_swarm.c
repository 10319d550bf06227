/*-------------------------------------------------------------------------
 *
 * sim_swarm.c
 *	  The options of one run, drawn from its seed.
 *
 * Swarm testing: a run that does a little of everything rarely goes far in
 * any direction, so each run leaves out about half of the features and faults
 * and does the others with very different strength.  Some runs have no faults
 * but tiny limits, others crash every other tick, others change the
 * configuration all the time on perfect disks.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/test/sim_swarm.c
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "sim_world.h"

#define PICK(rng, ...) \
	pick((rng), (const uint64_t[]) {__VA_ARGS__}, \
		 sizeof((const uint64_t[]) {__VA_ARGS__}) / sizeof(uint64_t))

static uint64_t
pick(struct sim_rng *rng, const uint64_t *values, size_t n)
{
	return values[sim_rng_below(rng, n)];
}

/* Off with that chance, else a value of [lo, hi]. */
static uint32_t
maybe(struct sim_rng *rng, uint32_t off_1024, uint32_t lo, uint32_t hi)
{
	uint32_t	value = (uint32_t) sim_rng_between(rng, lo, hi);

	return sim_rng_chance(rng, off_1024) ? 0 : value;
}

static void
draw_core(struct sim_swarm *s, struct sim_rng *rng)
{
	struct raft_config *c = &s->cfg;

	raft_config_default(c);
	c->election_tick = (uint32_t) PICK(rng, 2, 3, 3, 4, 5, 6, 10);
	c->heartbeat_tick = c->election_tick >= 5 ?
		(uint32_t) sim_rng_between(rng, 1, 2) : 1;
	c->snapshot_tick = (uint32_t) PICK(rng, 4, 8, 20);
	c->pre_vote = sim_rng_chance(rng, 640);
	c->check_quorum = sim_rng_chance(rng, 640);
	c->forward_proposals = sim_rng_chance(rng, 700);
	c->snapshot_at_applied = sim_rng_chance(rng, 600);
	s->priorities = sim_rng_chance(rng, 120);

	c->max_msg_bytes = PICK(rng, 1, 200, 2000, 1024 * 1024);
	c->max_inflight_msgs = (uint32_t) PICK(rng, 1, 2, 4, 16, 64);
	c->max_inflight_bytes = PICK(rng, 2000, 20000, RAFT_NO_LIMIT,
								 RAFT_NO_LIMIT);
	if (c->max_inflight_bytes < c->max_msg_bytes)
		c->max_inflight_bytes = c->max_msg_bytes;
	c->max_uncommitted_bytes = PICK(rng, 500, 5000, RAFT_NO_LIMIT);
	c->max_apply_bytes = PICK(rng, 100, 2000, RAFT_NO_LIMIT);
	c->max_entry_bytes = 1000;
	c->max_pending_reads = (uint32_t) PICK(rng, 2, 16, 1024);
	s->entry_size = (uint32_t) PICK(rng, 20, 200, 900);

	/*
	 * Lease reads trust the clocks: all run at one rate, no process is
	 * stopped, and a member that restarts stays away for longer than a lease.
	 */
	s->lease = sim_rng_chance(rng, 100);
	if (s->lease)
	{
		c->lease_reads = true;
		c->check_quorum = true;
		c->pre_vote = true;
		c->lease_margin_tick = 1;
		if (c->election_tick < 4)
			c->election_tick = 4;
	}
}

static void
draw_network(struct sim_swarm *s, struct sim_rng *rng)
{
	s->delay_min = PICK(rng, 0, 0, 50, 200);
	s->delay_mean = PICK(rng, 10, 100, 300, 800, 1500);
	s->loss = maybe(rng, 400, 5, 300);
	s->duplicate = maybe(rng, 400, 5, 300);
	s->straggle = maybe(rng, 400, 4, 100);
	s->fifo = sim_rng_chance(rng, 300);
	s->link_capacity = maybe(rng, 800, 2, 20);
	s->cut_in_flight = sim_rng_chance(rng, 512);
	s->partition_mean = PICK(rng, 1, 3, 10, 25) * SIM_TICK;
	s->stream_min = PICK(rng, 0, 100, 1000);
	s->stream_mean = PICK(rng, 100, 1000, 5000);
	s->stream_lost = maybe(rng, 400, 50, 600);
	s->stream_silent = maybe(rng, 512, 50, 800);
}

static void
draw_host(struct sim_swarm *s, struct sim_rng *rng)
{
	s->disk = sim_rng_chance(rng, 300) ? SIM_DISK_SYNC : SIM_DISK_QUEUE;
	s->flush_mean = PICK(rng, 20, 100, 400, 1000, 3000);
	s->flush_part = maybe(rng, 512, 50, 600);
	s->write_fail = s->disk == SIM_DISK_QUEUE ? maybe(rng, 800, 5, 80) : 0;
	s->crash_mode = (enum sim_crash_mode) PICK(rng, SIM_CRASH_LOSE_ALL,
											   SIM_CRASH_KEEP_ALL,
											   SIM_CRASH_KEEP_PREFIX,
											   SIM_CRASH_KEEP_PREFIX);
	s->ready_mean = PICK(rng, 0, 0, 0, 30, 300, 1000);
	s->apply_mean = PICK(rng, 0, 0, 50, 400, 2500);
	s->apply_batch = (uint32_t) PICK(rng, 1, 2, 1000);
	s->machine_flush = (uint32_t) PICK(rng, 1024, 400, 60, 8);
	s->forget_commit = sim_rng_chance(rng, 300);
	s->exact_sizes = sim_rng_chance(rng, 512);
	s->keep_log = (uint32_t) PICK(rng, 0, 0, 1, 4, 20);
	if (s->disk == SIM_DISK_SYNC)
		s->cfg.apply_unstable = sim_rng_chance(rng, 300);
	s->clock_drift = maybe(rng, 512, 20, 250);
	s->tick_miss = maybe(rng, 600, 5, 100);
	s->pause_mean = PICK(rng, 1, 4, 15) * SIM_TICK;
	s->down_mean = PICK(rng, 1, 4, 15) * SIM_TICK;
	if (s->lease)
	{
		s->clock_drift = 0;
		s->tick_miss = 0;
	}
}

static void
draw_load(struct sim_swarm *s, struct sim_rng *rng)
{
	s->op_mean = PICK(rng, 150, 400, 1000, 2500);
	s->ops[SIM_OP_PROPOSE] = 10;
	s->ops[SIM_OP_PROPOSE_BATCH] = maybe(rng, 512, 1, 5);
	s->ops[SIM_OP_PROPOSE_HUGE] = maybe(rng, 700, 1, 1);
	s->ops[SIM_OP_READ] = maybe(rng, 300, 2, 10);
	s->ops[SIM_OP_CONF] = maybe(rng, 450, 1, 6);
	s->ops[SIM_OP_TRANSFER] = maybe(rng, 600, 1, 4);
	s->ops[SIM_OP_CAMPAIGN] = maybe(rng, 600, 1, 2);
	s->ops[SIM_OP_FORGET_LEADER] = maybe(rng, 800, 1, 2);
	s->ops[SIM_OP_UNREACHABLE] = maybe(rng, 600, 1, 3);
	s->ops[SIM_OP_COMPACT] = maybe(rng, 300, 1, 4);

	s->fault_mean = PICK(rng, 0, 1, 2, 2, 4, 8, 20) * SIM_TICK;
	for (int i = 0; i < SIM_N_FAULTS; i++)
		s->faults[i] = maybe(rng, 512, 1, 4);
	if (s->lease)
		s->faults[SIM_FAULT_PAUSE] = 0;
}

/* Draw everything that distinguishes this run from others. */
void
sim_swarm_draw(struct sim_swarm *s, struct sim_rng *rng)
{
	static const uint32_t voters[SIM_MAX_VOTERS] = {3, 3, 16, 4, 10, 1, 2};

	memset(s, 0, sizeof(*s));
	s->n_voters = 1 + sim_rng_weighted(rng, voters, SIM_MAX_VOTERS);
	s->n_learners = maybe(rng, 700, 1, 2);
	s->founding_index = sim_rng_between(rng, 1, 3);
	draw_core(s, rng);
	draw_network(s, rng);
	draw_host(s, rng);
	draw_load(s, rng);
}
