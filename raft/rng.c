/*-------------------------------------------------------------------------
 *
 * rng.c
 *	  Pseudo-random numbers, seeded by the host.
 *
 * splitmix64: one 64-bit word of state, good enough to spread election timeouts
 * and exactly the same on every platform, so that a seed replays a run.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/rng.c
 *
 *-------------------------------------------------------------------------
 */
#include "raft_int.h"

uint64_t
raft_random(uint64_t *state)
{
	uint64_t	z;

	*state += UINT64_C(0x9E3779B97F4A7C15);
	z = *state;
	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

/* Uniform in [0, n), n > 0 (the bias of a 64-bit remainder is nothing). */
uint32_t
raft_random_below(uint64_t *state, uint32_t n)
{
	return (uint32_t) (raft_random(state) % n);
}
