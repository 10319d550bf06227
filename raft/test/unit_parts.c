/*-------------------------------------------------------------------------
 *
 * unit_parts.c
 *	  Unit tests: the parts that know no instance.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/test/unit_parts.c
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

/* ---------- random numbers ---------- */

static void
rng_repeats(void)
{
	uint64_t	a = 7;
	uint64_t	b = 7;
	uint64_t	c = 8;
	int			same = 0;
	int			i;

	for (i = 0; i < 100; i++)
	{
		uint64_t	x = raft_random(&a);

		CHECK_EQ(x, raft_random(&b));
		same += x == raft_random(&c);
	}
	CHECK_EQ(same, 0);
}

static void
rng_covers_the_range(void)
{
	uint64_t	s = 1;
	bool		seen[10] = {false};
	int			i;

	for (i = 0; i < 1000; i++)
	{
		uint32_t	x = raft_random_below(&s, 10);

		CHECK(x < 10);
		seen[x] = true;
	}
	for (i = 0; i < 10; i++)
		CHECK(seen[i]);
}

/* ---------- window ---------- */

static struct raft_inflight ring[4];

static struct raft_window
new_window(uint32_t cap, uint64_t max_bytes)
{
	struct raft_window w;

	memset(&w, 0, sizeof(w));
	w.ring = ring;
	w.cap = cap;
	w.limit = cap;
	w.max_bytes = max_bytes;
	return w;
}

static void
window_counts_messages(void)
{
	struct raft_window w = new_window(3, 1000);

	CHECK(raft_window_add(&w, 1, 10));
	CHECK(raft_window_add(&w, 2, 10));
	CHECK(!raft_window_full(&w));
	CHECK(raft_window_add(&w, 5, 10));
	CHECK(raft_window_full(&w));
	CHECK(!raft_window_add(&w, 6, 10));
	CHECK_EQ(w.bytes, 30);
}

static void
window_counts_bytes_softly(void)
{
	struct raft_window w = new_window(4, 100);

	CHECK(raft_window_add(&w, 1, 99));
	CHECK(!raft_window_full(&w));
	CHECK(raft_window_add(&w, 2, 500));
	CHECK(raft_window_full(&w));
	CHECK(!raft_window_add(&w, 3, 0));
	raft_window_free_to(&w, 1);
	CHECK(raft_window_full(&w));
	raft_window_free_to(&w, 2);
	CHECK(!raft_window_full(&w));
	CHECK_EQ(w.bytes, 0);
}

static void
window_frees_a_prefix_and_wraps(void)
{
	struct raft_window w = new_window(4, 1000);
	raft_index	i;

	for (i = 1; i <= 4; i++)
		CHECK(raft_window_add(&w, i * 10, 1));
	raft_window_free_to(&w, 9);
	CHECK_EQ(w.count, 4);
	raft_window_free_to(&w, 25);
	CHECK_EQ(w.count, 2);
	CHECK(raft_window_add(&w, 50, 1));
	CHECK(raft_window_add(&w, 60, 1));
	CHECK(raft_window_full(&w));
	raft_window_free_to(&w, 50);
	CHECK_EQ(w.count, 1);
	CHECK_EQ(w.bytes, 1);
	raft_window_free_to(&w, 1000);
	CHECK_EQ(w.count, 0);
	CHECK_EQ(w.start, 0);
}

static void
window_refuses_indexes_that_do_not_grow(void)
{
	struct raft_window w = new_window(4, 1000);

	CHECK(raft_window_add(&w, 5, 1));
	CHECK(!raft_window_add(&w, 5, 1));
	CHECK(!raft_window_add(&w, 4, 1));
	CHECK(raft_window_add(&w, 6, 1));
}

/* ---------- progress ---------- */

static struct raft_peer
new_peer(enum raft_peer_state state, raft_index match, raft_index next)
{
	struct raft_peer p;

	memset(&p, 0, sizeof(p));
	p.id = 2;
	p.window = new_window(4, 1000);
	raft_progress_init(&p, match, next);
	p.state = state;
	return p;
}

static void
progress_probe_pauses_after_one(void)
{
	struct raft_peer p = new_peer(RAFT_PROBE, 0, 5);

	CHECK(!raft_progress_paused(&p));
	CHECK(raft_progress_sent(&p, 0, 0));
	CHECK(!raft_progress_paused(&p));
	CHECK(raft_progress_sent(&p, 3, 30));
	CHECK(raft_progress_paused(&p));
	CHECK_EQ(p.next, 5);
}

static void
progress_replicate_runs_ahead_until_full(void)
{
	struct raft_peer p = new_peer(RAFT_REPLICATE, 4, 5);
	int			i;

	for (i = 0; i < 4; i++)
	{
		CHECK(!raft_progress_paused(&p));
		CHECK(raft_progress_sent(&p, 2, 20));
	}
	CHECK_EQ(p.next, 13);
	CHECK(raft_progress_paused(&p));
}

static void
progress_snapshot_sends_nothing(void)
{
	struct raft_peer p = new_peer(RAFT_PROBE, 2, 3);

	raft_progress_become_snapshot(&p, 10);
	CHECK(raft_progress_paused(&p));
	CHECK_EQ(p.next, 11);
	CHECK_EQ(p.sent_commit, 10);
	CHECK(!raft_progress_sent(&p, 1, 1));
}

static void
progress_probe_after_snapshot_starts_behind_it(void)
{
	struct raft_peer p = new_peer(RAFT_PROBE, 2, 3);

	raft_progress_become_snapshot(&p, 10);
	raft_progress_become_probe(&p);
	CHECK_EQ(p.next, 11);
	CHECK_EQ(p.pending_snapshot, 0);

	raft_progress_become_snapshot(&p, 20);
	p.pending_snapshot = 0;		/* it failed */
	raft_progress_become_probe(&p);
	CHECK_EQ(p.next, 3);
	CHECK_EQ(p.sent_commit, 2);
}

static void
progress_match_never_decreases(void)
{
	struct raft_peer p = new_peer(RAFT_REPLICATE, 5, 9);

	CHECK(!raft_progress_update(&p, 5));
	CHECK(!raft_progress_update(&p, 3));
	CHECK_EQ(p.match, 5);
	CHECK(raft_progress_update(&p, 7));
	CHECK_EQ(p.next, 9);
	CHECK(raft_progress_update(&p, 12));
	CHECK_EQ(p.next, 13);
}

static void
progress_stale_rejects_are_recognized(void)
{
	struct raft_peer p = new_peer(RAFT_REPLICATE, 5, 10);

	CHECK(!raft_progress_decrease(&p, 5, 5));
	CHECK(!raft_progress_decrease(&p, 4, 1));
	CHECK(raft_progress_decrease(&p, 9, 9));
	CHECK_EQ(p.next, 6);

	p = new_peer(RAFT_PROBE, 0, 10);
	CHECK(!raft_progress_decrease(&p, 8, 2));
	CHECK(!raft_progress_decrease(&p, 10, 2));
	CHECK(raft_progress_decrease(&p, 9, 2));
	CHECK_EQ(p.next, 3);
}

static void
progress_next_stays_above_match(void)
{
	struct raft_peer p = new_peer(RAFT_PROBE, 4, 10);

	CHECK(raft_progress_decrease(&p, 9, 0));
	CHECK_EQ(p.next, 5);
	p = new_peer(RAFT_PROBE, 0, 10);
	CHECK(raft_progress_decrease(&p, 9, 100));
	CHECK_EQ(p.next, 9);
	p = new_peer(RAFT_PROBE, 0, 1);
	CHECK(raft_progress_decrease(&p, 0, 0));
	CHECK_EQ(p.next, 1);
}

static void
progress_empty_append_only_with_news(void)
{
	struct raft_peer p = new_peer(RAFT_REPLICATE, 5, 8);

	p.sent_commit = 3;
	CHECK(raft_progress_can_bump_commit(&p, 4));
	CHECK(!raft_progress_can_bump_commit(&p, 3));
	p.sent_commit = 7;			/* covers all that was sent */
	CHECK(!raft_progress_can_bump_commit(&p, 20));
}

static void
progress_window_is_reset_with_the_state(void)
{
	struct raft_peer p = new_peer(RAFT_REPLICATE, 5, 6);

	CHECK(raft_progress_sent(&p, 1, 1000));
	CHECK(raft_progress_paused(&p));
	raft_progress_become_probe(&p);
	CHECK_EQ(p.window.count, 0);
	CHECK_EQ(p.window.bytes, 0);
	CHECK(!raft_progress_paused(&p));
	CHECK_EQ(p.next, 6);
}

/* ---------- quorums ---------- */

struct values
{
	uint64_t	v[8];			/* by id; 0 = unknown */
};

static bool
value_of(const void *arg, raft_id id, uint64_t *value)
{
	*value = ((const struct values *) arg)->v[id];
	return *value != 0;
}

static bool
vote_value_of(const void *arg, raft_id id, uint64_t *value)
{
	if (!value_of(arg, id, value))
		return false;
	*value -= 1;				/* 1 = no, 2 = yes */
	return true;
}

static void
quorum_value_is_what_a_majority_has(void)
{
	raft_id		ids[] = {1, 2, 3, 4, 5};
	struct values v = {{0, 10, 20, 30, 40, 50}};

	CHECK_EQ(raft_quorum_value(ids, 5, value_of, &v), 30);
	CHECK_EQ(raft_quorum_value(ids, 4, value_of, &v), 20);
	CHECK_EQ(raft_quorum_value(ids, 1, value_of, &v), 10);
	v.v[3] = 0;
	CHECK_EQ(raft_quorum_value(ids, 5, value_of, &v), 20);
	CHECK_EQ(raft_quorum_value(ids, 0, value_of, &v), UINT64_MAX);
}

static void
quorum_votes(void)
{
	raft_id		ids[] = {1, 2, 3, 4};
	struct values v = {{0, 2, 2, 0, 0}};

	CHECK_EQ(raft_quorum_vote(ids, 4, vote_value_of, &v), RAFT_VOTE_PENDING);
	v.v[3] = 2;
	CHECK_EQ(raft_quorum_vote(ids, 4, vote_value_of, &v), RAFT_VOTE_WON);
	v.v[3] = 1;
	v.v[4] = 1;
	CHECK_EQ(raft_quorum_vote(ids, 4, vote_value_of, &v), RAFT_VOTE_LOST);
	CHECK_EQ(raft_quorum_vote(ids, 0, vote_value_of, &v), RAFT_VOTE_WON);
}

static void
joint_quorum_needs_both_halves(void)
{
	struct raft_conf c = {.n_voters = 3,.n_outgoing = 2,.voters = {1, 2, 3},.outgoing = {4, 5}};
	struct values v = {{0, 9, 9, 9, 4, 7}};

	CHECK_EQ(raft_joint_value(&c, value_of, &v), 4);
	c.n_outgoing = 0;
	CHECK_EQ(raft_joint_value(&c, value_of, &v), 9);

	/* won in one half and lost in the other */
	c.n_outgoing = 2;
	v = (struct values) {{0, 2, 2, 2, 1, 2}};
	CHECK_EQ(raft_joint_vote(&c, vote_value_of, &v), RAFT_VOTE_LOST);
	v.v[4] = 0;
	CHECK_EQ(raft_joint_vote(&c, vote_value_of, &v), RAFT_VOTE_PENDING);
	v.v[4] = 2;
	CHECK_EQ(raft_joint_vote(&c, vote_value_of, &v), RAFT_VOTE_WON);
}

/* Against a definition by counting, on random input. */
static void
quorum_value_by_another_way(void)
{
	uint64_t	s = 3;
	int			round;

	for (round = 0; round < 2000; round++)
	{
		raft_id		ids[7] = {1, 2, 3, 4, 5, 6, 7};
		int			n = 1 + (int) raft_random_below(&s, 7);
		struct values v;
		uint64_t	best = 0;
		int			i;
		int			j;

		for (i = 1; i <= 7; i++)
			v.v[i] = raft_random_below(&s, 12);
		for (i = 0; i < n; i++)
		{
			int			count = 0;

			for (j = 0; j < n; j++)
				count += v.v[ids[j]] >= v.v[ids[i]];
			if (count > n / 2)
				best = Max(best, v.v[ids[i]]);
		}
		CHECK_EQ(raft_quorum_value(ids, n, value_of, &v), best);
	}
}

/* ---------- trail ---------- */

/* A trail needs an instance for its memory; take one that has done nothing. */
static struct raft *
empty_instance(void)
{
	return host_new(1, 1)->r;
}

/* Entries after (1, 1) with the terms of a string, size 10 each. */
static bool
fill(struct raft *r, const char *terms)
{
	for (; *terms != '\0'; terms++)
	{
		if (!raft_trail_reserve(r, &r->trail, 1))
			return false;
		raft_trail_append(&r->trail, (raft_term) (*terms - '0'), 10, *terms == '7');
	}
	return true;
}

static void
trail_terms(void)
{
	struct raft *r = empty_instance();
	struct raft_trail *t = &r->trail;
	raft_term	term = 99;

	CHECK(fill(r, "1122233"));	/* 2 .. 8 */
	CHECK_EQ(t->last, 8);
	CHECK(raft_trail_term(t, 1, &term) && term == 1);
	CHECK(raft_trail_term(t, 3, &term) && term == 1);
	CHECK(raft_trail_term(t, 4, &term) && term == 2);
	CHECK(raft_trail_term(t, 8, &term) && term == 3);
	CHECK(!raft_trail_term(t, 9, &term));
	CHECK(!raft_trail_term(t, 0, &term));
	CHECK(!raft_trail_match(t, 9, 0));
	CHECK_EQ(raft_trail_last_term(t), 3);
}

static void
trail_sizes(void)
{
	struct raft *r = empty_instance();
	struct raft_trail *t = &r->trail;
	uint64_t	one = 10 + RAFT_ENTRY_OVERHEAD;

	CHECK(fill(r, "111111"));	/* 2 .. 7 */
	CHECK_EQ(raft_trail_bytes(t, 2, 7), 60);
	CHECK_EQ(raft_trail_bytes(t, 3, 4), 20);
	CHECK_EQ(raft_trail_bytes(t, 5, 4), 0);
	CHECK_EQ(raft_trail_limit(t, 2, 7, 6 * one), 7);
	CHECK_EQ(raft_trail_limit(t, 2, 7, 6 * one - 1), 6);
	CHECK_EQ(raft_trail_limit(t, 2, 7, 2 * one), 3);
	CHECK_EQ(raft_trail_limit(t, 2, 7, 1), 2);
	CHECK_EQ(raft_trail_limit(t, 4, 4, 0), 4);
}

static void
trail_truncates(void)
{
	struct raft *r = empty_instance();
	struct raft_trail *t = &r->trail;
	raft_term	term;

	CHECK(fill(r, "1177"));		/* 2 .. 5 */
	CHECK(raft_trail_conf_in(t, 2, 5));
	CHECK(!raft_trail_conf_in(t, 2, 3));
	raft_trail_truncate(t, 5);
	CHECK_EQ(t->last, 4);
	CHECK(!raft_trail_term(t, 5, &term));
	CHECK(raft_trail_is_conf(t, 4));
	raft_trail_truncate(t, 4);
	CHECK(!raft_trail_conf_in(t, 1, 100));
	CHECK(fill(r, "2"));
	CHECK(raft_trail_term(t, 4, &term) && term == 2);
	CHECK_EQ(raft_trail_bytes(t, 2, 4), 30);
	raft_trail_truncate(t, 2);
	CHECK_EQ(t->last, 1);
	CHECK_EQ(raft_trail_last_term(t), 1);
}

static void
trail_compacts(void)
{
	struct raft *r = empty_instance();
	struct raft_trail *t = &r->trail;
	raft_term	term;

	CHECK(fill(r, "1122337"));	/* 2 .. 8 */
	raft_trail_compact(t, 4);
	CHECK(!raft_trail_term(t, 3, &term));
	CHECK(raft_trail_term(t, 4, &term) && term == 2);
	CHECK(raft_trail_term(t, 5, &term) && term == 2);
	CHECK_EQ(raft_trail_bytes(t, 5, 8), 40);
	CHECK(raft_trail_is_conf(t, 8));
	raft_trail_compact(t, 8);
	CHECK_EQ(t->base, 8);
	CHECK_EQ(raft_trail_last_term(t), 7);
	CHECK(!raft_trail_conf_in(t, 0, 100));
	CHECK(fill(r, "8"));
	CHECK(raft_trail_term(t, 9, &term) && term == 8);
}

static void
trail_grows_while_it_is_compacted(void)
{
	struct raft *r = empty_instance();
	struct raft_trail *t = &r->trail;
	raft_index	i;

	for (i = 2; i < 20000; i++)
	{
		CHECK(raft_trail_reserve(r, t, 1));
		raft_trail_append(t, i / 100 + 1, i, false);
		if (i % 7 == 0 && i > 50)
			raft_trail_compact(t, i - 40);
		if (i > 60)
		{
			raft_term	term = 0;

			CHECK_EQ(raft_trail_bytes(t, i, i), i);
			CHECK_EQ(raft_trail_bytes(t, i - 20, i - 20), i - 20);
			CHECK(raft_trail_term(t, i - 30, &term));
			CHECK_EQ(term, (i - 30) / 100 + 1);
		}
	}
	CHECK(t->total_cap <= 128);
}

/* The hint both sides use: by its definition, entry by entry. */
static raft_index
slow_find(const struct raft_trail *t, raft_index i, raft_term term, raft_term *found)
{
	for (; i > 0; i--)
	{
		raft_term	ours;

		*found = 0;
		if (!raft_trail_term(t, i, &ours))
			return i;
		if (ours <= term)
		{
			*found = ours;
			return i;
		}
	}
	*found = 0;
	return 0;
}

static void
trail_find_term_matches_its_definition(void)
{
	uint64_t	s = 11;
	int			round;

	for (round = 0; round < 60; round++)
	{
		struct raft *r = empty_instance();
		struct raft_trail *t = &r->trail;
		char		terms[24];
		int			n = (int) raft_random_below(&s, 20);
		int			term = 1;
		raft_index	i;
		raft_term	probe;
		int			k;

		for (k = 0; k < n; k++)
		{
			term += (int) raft_random_below(&s, 2);
			terms[k] = (char) ('0' + Min(term, 6));
		}
		terms[n] = '\0';
		CHECK(fill(r, terms));
		if (n > 4)
			raft_trail_compact(t, 1 + raft_random_below(&s, (uint32_t) n));
		for (i = 0; i <= t->last + 2; i++)
			for (probe = 0; probe < 8; probe++)
			{
				raft_term	a;
				raft_term	b;
				raft_index	x = raft_trail_find_term(t, i, probe, &a);
				raft_index	y = slow_find(t, i, probe, &b);

				CHECK_EQ(x, y);
				CHECK_EQ(a, b);
			}
	}
}

const struct unit_test unit_parts[] = {
	{"parts/rng_repeats", rng_repeats},
	{"parts/rng_covers_the_range", rng_covers_the_range},
	{"parts/window_counts_messages", window_counts_messages},
	{"parts/window_counts_bytes_softly", window_counts_bytes_softly},
	{"parts/window_frees_a_prefix_and_wraps", window_frees_a_prefix_and_wraps},
	{"parts/window_refuses_indexes_that_do_not_grow", window_refuses_indexes_that_do_not_grow},
	{"parts/progress_probe_pauses_after_one", progress_probe_pauses_after_one},
	{"parts/progress_replicate_runs_ahead_until_full", progress_replicate_runs_ahead_until_full},
	{"parts/progress_snapshot_sends_nothing", progress_snapshot_sends_nothing},
	{"parts/progress_probe_after_snapshot_starts_behind_it", progress_probe_after_snapshot_starts_behind_it},
	{"parts/progress_match_never_decreases", progress_match_never_decreases},
	{"parts/progress_stale_rejects_are_recognized", progress_stale_rejects_are_recognized},
	{"parts/progress_next_stays_above_match", progress_next_stays_above_match},
	{"parts/progress_empty_append_only_with_news", progress_empty_append_only_with_news},
	{"parts/progress_window_is_reset_with_the_state", progress_window_is_reset_with_the_state},
	{"parts/quorum_value_is_what_a_majority_has", quorum_value_is_what_a_majority_has},
	{"parts/quorum_votes", quorum_votes},
	{"parts/joint_quorum_needs_both_halves", joint_quorum_needs_both_halves},
	{"parts/quorum_value_by_another_way", quorum_value_by_another_way},
	{"parts/trail_terms", trail_terms},
	{"parts/trail_sizes", trail_sizes},
	{"parts/trail_truncates", trail_truncates},
	{"parts/trail_compacts", trail_compacts},
	{"parts/trail_grows_while_it_is_compacted", trail_grows_while_it_is_compacted},
	{"parts/trail_find_term_matches_its_definition", trail_find_term_matches_its_definition},
	{NULL, NULL}
};
