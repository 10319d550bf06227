/*-------------------------------------------------------------------------
 *
 * sim_util.c
 *	  Random numbers and memory of a simulation.
 *
 * The generator is splitmix64: one 64-bit state, any seed is a good seed, and
 * neighbouring seeds give unrelated runs.  No floating point is used, so that
 * a seed means the same on every machine.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/test/sim_util.c
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "sim_world.h"

#define CHUNK_SIZE	(256 * 1024)

struct sim_chunk
{
	struct sim_chunk *next;
	char		data[CHUNK_SIZE];
};

void
sim_rng_seed(struct sim_rng *rng, uint64_t seed)
{
	rng->state = seed * UINT64_C(0xD1342543DE82EF95) + 1;
	(void) sim_rng_next(rng);
	(void) sim_rng_next(rng);
}

uint64_t
sim_rng_next(struct sim_rng *rng)
{
	uint64_t	z = (rng->state += UINT64_C(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

/* A number of [0, n); n must be below 2^32. */
uint64_t
sim_rng_below(struct sim_rng *rng, uint64_t n)
{
	return ((sim_rng_next(rng) >> 32) * n) >> 32;
}

/* A number of [lo, hi]. */
uint64_t
sim_rng_between(struct sim_rng *rng, uint64_t lo, uint64_t hi)
{
	return lo + sim_rng_below(rng, hi - lo + 1);
}

bool
sim_rng_chance(struct sim_rng *rng, uint32_t per_1024)
{
	if (per_1024 == 0)
		return false;
	return (sim_rng_next(rng) >> 54) < per_1024;
}

/*
 * Exponentially distributed with that mean: mean * ln 2 * -log2(u), where the
 * logarithm is interpolated linearly between powers of two.
 */
uint64_t
sim_rng_exp(struct sim_rng *rng, uint64_t mean)
{
	uint64_t	u = sim_rng_next(rng) | 1;
	int			zeros = __builtin_clzll(u);
	uint64_t	mantissa = ((u << zeros) << 1) >> 48;	/* 16 bits */
	uint64_t	log2 = ((uint64_t) zeros << 16) + (65536 - mantissa);

	return (mean * ((log2 * 45426) >> 16)) >> 16;
}

/* An index of [0, n) by weight; n if all weights are zero. */
uint32_t
sim_rng_weighted(struct sim_rng *rng, const uint32_t *weights, uint32_t n)
{
	uint64_t	total = 0;
	uint64_t	pick;

	for (uint32_t i = 0; i < n; i++)
		total += weights[i];
	if (total == 0)
		return n;
	pick = sim_rng_below(rng, total);
	for (uint32_t i = 0; i < n; i++)
	{
		if (pick < weights[i])
			return i;
		pick -= weights[i];
	}
	return n;
}

/* realloc() that does not fail. */
void *
sim_grow(void *ptr, size_t size)
{
	void	   *p = realloc(ptr, size);

	if (p == NULL)
	{
		fprintf(stderr, "simulate: out of memory\n");
		exit(2);
	}
	return p;
}

/* Zeroed memory until sim_arena_reset(). */
void *
sim_alloc(struct sim_arena *arena, size_t size)
{
	struct sim_chunk *chunk;
	void	   *p;

	size = (size + 7) & ~(size_t) 7;
	if (size > CHUNK_SIZE)
	{
		fprintf(stderr, "simulate: allocation of %zu bytes\n", size);
		exit(2);
	}
	if (arena->current == NULL || arena->used + size > CHUNK_SIZE)
	{
		chunk = arena->current ? arena->current->next : arena->first;
		if (chunk == NULL)
		{
			chunk = sim_grow(NULL, sizeof(struct sim_chunk));
			chunk->next = NULL;
			if (arena->current)
				arena->current->next = chunk;
			else
				arena->first = chunk;
		}
		arena->current = chunk;
		arena->used = 0;
	}
	p = arena->current->data + arena->used;
	arena->used += size;
	memset(p, 0, size);
	return p;
}

void
sim_arena_reset(struct sim_arena *arena)
{
	arena->current = NULL;
	arena->used = 0;
}

/* Give the memory itself back. */
void
sim_arena_free(struct sim_arena *arena)
{
	while (arena->first != NULL)
	{
		struct sim_chunk *chunk = arena->first;

		arena->first = chunk->next;
		free(chunk);
	}
	sim_arena_reset(arena);
}
