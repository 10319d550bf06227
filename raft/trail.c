/*-------------------------------------------------------------------------
 *
 * trail.c
 *	  Terms, sizes and kinds of the entries of the log.
 *
 * All that consensus needs of a log is which term each entry has; all that flow
 * control needs is how large a range is.  Terms change rarely, so they are kept
 * as runs.  Sizes are kept as running totals in a ring indexed by log index:
 * eight bytes per entry, any range's size by one subtraction, and the longest
 * range under a limit by binary search.  The host keeps the entries themselves.
 *
 * Where configuration entries are is remembered until they are compacted away,
 * because a member with a committed but unapplied one must not campaign.
 *
 * The base (base, base_term) is the entry before the first: it was compacted, or
 * it is the last one a snapshot covers, but its term still proves a match.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/trail.c
 *
 *-------------------------------------------------------------------------
 */
#include "raft_int.h"

#define RUNS(t)		RAFT_VEC((t)->runs, struct raft_term_run)
#define CONFS(t)	RAFT_VEC((t)->confs, raft_index)

/*
 * Make room for n more entries, each possibly of a term of its own and a
 * configuration entry.  False: out of memory, nothing changed.
 */
bool
raft_trail_reserve(struct raft *r, struct raft_trail *t, size_t n)
{
	uint64_t	need = t->last - t->base + 1 + n;

	/* compacted runs are dropped here, so that the array does not creep */
	if (t->runs_head > 0 && t->runs_head >= t->runs.n / 2)
	{
		t->runs.n -= t->runs_head;
		memmove(RUNS(t), RUNS(t) + t->runs_head,
				t->runs.n * sizeof(struct raft_term_run));
		t->runs_head = 0;
	}
	if (!raft_vec_reserve(r, &t->runs, n, sizeof(struct raft_term_run)) ||
		!raft_vec_reserve(r, &t->confs, n, sizeof(raft_index)))
		return false;
	if (need > t->total_cap)
	{
		size_t		cap = t->total_cap > 0 ? t->total_cap : 64;
		uint64_t   *ring;
		raft_index	i;

		while (cap < need)
			cap *= 2;
		ring = raft_realloc(r, NULL, cap * sizeof(uint64_t));
		if (ring == NULL)
			return false;
		if (t->total != NULL)
		{
			for (i = t->base; i <= t->last; i++)
				ring[i & (cap - 1)] = t->total[i & (t->total_cap - 1)];
			raft_dealloc(r, t->total);
		}
		else
			ring[t->base & (cap - 1)] = 0;
		t->total = ring;
		t->total_cap = cap;
	}
	return true;
}

/* An empty log after (base, term).  Needs room for no entry reserved. */
void
raft_trail_reset(struct raft_trail *t, raft_index base, raft_term term)
{
	t->base = base;
	t->base_term = term;
	t->last = base;
	t->runs.n = 0;
	t->runs_head = 0;
	t->confs.n = 0;
	t->total[base & (t->total_cap - 1)] = 0;
}

/* Append one entry; room was reserved. */
void
raft_trail_append(struct raft_trail *t, raft_term term, uint64_t size, bool is_conf)
{
	uint64_t	before = t->total[t->last & (t->total_cap - 1)];

	t->last++;
	t->total[t->last & (t->total_cap - 1)] = before + size;
	if (t->runs.n == t->runs_head || RUNS(t)[t->runs.n - 1].term != term)
	{
		RUNS(t)[t->runs.n].first = t->last;
		RUNS(t)[t->runs.n].term = term;
		t->runs.n++;
	}
	if (is_conf)
		CONFS(t)[t->confs.n++] = t->last;
}

/* Forget the entries from .. last; base < from <= last + 1. */
void
raft_trail_truncate(struct raft_trail *t, raft_index from)
{
	t->last = from - 1;
	while (t->runs.n > t->runs_head && RUNS(t)[t->runs.n - 1].first >= from)
		t->runs.n--;
	while (t->confs.n > 0 && CONFS(t)[t->confs.n - 1] >= from)
		t->confs.n--;
}

/* Forget the entries up to and including upto; base < upto <= last. */
void
raft_trail_compact(struct raft_trail *t, raft_index upto)
{
	raft_term	term = 0;
	size_t		gone = 0;

	raft_trail_term(t, upto, &term);
	t->base = upto;
	t->base_term = term;
	while (t->runs_head + 1 < t->runs.n && RUNS(t)[t->runs_head + 1].first <= upto + 1)
		t->runs_head++;
	if (t->last == upto)
	{
		t->runs.n = 0;
		t->runs_head = 0;
	}
	while (gone < t->confs.n && CONFS(t)[gone] <= upto)
		gone++;
	if (gone == 0)
		return;
	t->confs.n -= gone;
	memmove(CONFS(t), CONFS(t) + gone, t->confs.n * sizeof(raft_index));
}

/* False if the index is compacted away or not there yet. */
bool
raft_trail_term(const struct raft_trail *t, raft_index i, raft_term *term)
{
	size_t		lo = t->runs_head;
	size_t		hi = t->runs.n;

	if (i == t->base)
	{
		*term = t->base_term;
		return true;
	}
	if (i < t->base || i > t->last)
		return false;

	/* nearly all questions are about the newest run */
	if (RUNS(t)[hi - 1].first <= i)
	{
		*term = RUNS(t)[hi - 1].term;
		return true;
	}
	while (hi - lo > 1)
	{
		size_t		mid = lo + (hi - lo) / 2;

		if (RUNS(t)[mid].first <= i)
			lo = mid;
		else
			hi = mid;
	}
	*term = RUNS(t)[lo].term;
	return true;
}

raft_term
raft_trail_last_term(const struct raft_trail *t)
{
	raft_term	term = 0;

	raft_trail_term(t, t->last, &term);
	return term;
}

/* An index that is not there matches no term, not even 0. */
bool
raft_trail_match(const struct raft_trail *t, raft_index i, raft_term term)
{
	raft_term	ours;

	return raft_trail_term(t, i, &ours) && ours == term;
}

/* Payload bytes of lo .. hi, base < lo, hi <= last; 0 if the range is empty. */
uint64_t
raft_trail_bytes(const struct raft_trail *t, raft_index lo, raft_index hi)
{
	if (lo > hi)
		return 0;
	return t->total[hi & (t->total_cap - 1)] - t->total[(lo - 1) & (t->total_cap - 1)];
}

/* The same with what each entry costs by itself. */
uint64_t
raft_trail_cost(const struct raft_trail *t, raft_index lo, raft_index hi)
{
	if (lo > hi)
		return 0;
	return raft_trail_bytes(t, lo, hi) + (hi - lo + 1) * RAFT_ENTRY_OVERHEAD;
}

/* Largest end of a range from lo that costs at most max; at least lo. */
raft_index
raft_trail_limit(const struct raft_trail *t, raft_index lo, raft_index hi, uint64_t max)
{
	raft_index	good = lo;

	if (raft_trail_cost(t, lo, hi) <= max)
		return hi;
	while (hi - good > 1)
	{
		raft_index	mid = good + (hi - good) / 2;

		if (raft_trail_cost(t, lo, mid) <= max)
			good = mid;
		else
			hi = mid;
	}
	return good;
}

/*
 * The largest index <= i whose term is at most "term": where our log can agree
 * with another one that has "term" at i.  An index of unknown term is a
 * possible match; *found is then 0.  Steps by runs, not by entries, so a long
 * divergent tail costs as many steps as it has terms.
 */
raft_index
raft_trail_find_term(const struct raft_trail *t, raft_index i, raft_term term,
					 raft_term *found)
{
	size_t		run = t->runs.n;

	*found = 0;
	if (i > t->last || i < t->base)
		return i;
	while (i > t->base && run > t->runs_head)
	{
		const struct raft_term_run *tr = &RUNS(t)[run - 1];

		if (tr->first <= i)
		{
			if (tr->term <= term)
			{
				*found = tr->term;
				return i;
			}
			i = Max(tr->first - 1, t->base);
		}
		run--;
	}
	if (i == 0)
		return 0;
	if (i == t->base)
	{
		if (t->base_term <= term)
		{
			*found = t->base_term;
			return i;
		}

		/* below the base nothing is known: a possible match */
		return i - 1;
	}
	return i;
}

/* Is there a configuration entry in lo .. hi? */
bool
raft_trail_conf_in(const struct raft_trail *t, raft_index lo, raft_index hi)
{
	size_t		i;

	for (i = 0; i < t->confs.n; i++)
		if (CONFS(t)[i] >= lo)
			return CONFS(t)[i] <= hi;
	return false;
}

bool
raft_trail_is_conf(const struct raft_trail *t, raft_index i)
{
	return raft_trail_conf_in(t, i, i);
}
