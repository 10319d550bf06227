/*-------------------------------------------------------------------------
 *
 * unit_log.c
 *	  Unit tests: appends, conflicts and the commit index.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/test/unit_log.c
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

static void
follower_appends_and_acknowledges(void)
{
	struct host *h = host_new(1, 3);

	CHECK_EQ(host_append(h, 2, 2, 1, 1, 1, "22"), RAFT_OK);
	CHECK_EQ(h->disk.last, 3);
	CHECK_EQ(host_sent(h, RAFT_MSG_APP_RESP, 2)->index, 3);
	CHECK(!host_sent(h, RAFT_MSG_APP_RESP, 2)->reject);
	CHECK_EQ(host_status(h).leader, 2);
}

static void
repeated_append_cuts_nothing(void)
{
	struct host *h = host_new(1, 3);

	(void) host_append(h, 2, 2, 1, 1, 1, "2222");
	(void) host_append(h, 2, 2, 1, 1, 1, "22");
	CHECK_EQ(host_status(h).last, 5);
	(void) host_append(h, 2, 2, 1, 1, 1, "");
	CHECK_EQ(host_status(h).last, 5);
	CHECK_EQ(host_sent(h, RAFT_MSG_APP_RESP, 2)->index, 1);
}

static void
append_overlaps(void)
{
	struct host *h = host_new(1, 3);

	(void) host_append(h, 2, 2, 1, 1, 1, "22");
	(void) host_append(h, 2, 2, 2, 2, 1, "222");
	CHECK_EQ(host_status(h).last, 5);
	CHECK_EQ(h->disk.last, 5);
}

static void
conflict_replaces_the_tail(void)
{
	struct host *h = host_new(1, 3);

	(void) host_append(h, 2, 2, 1, 1, 1, "2222");
	(void) host_append(h, 3, 3, 2, 2, 1, "3");
	CHECK_EQ(host_status(h).last, 3);
	CHECK_EQ(host_status(h).last_term, 3);
	CHECK_EQ(h->disk.last, 3);
	CHECK_EQ(h->disk.log[3].term, 3);
}

static void
committed_entries_are_not_rewritten(void)
{
	struct host *h = host_new(1, 3);
	enum raft_rc rc;

	(void) host_append(h, 2, 2, 1, 1, 3, "22");
	CHECK_EQ(host_status(h).commit, 3);
	rc = host_append(h, 3, 3, 3, 2, 3, "3");
	CHECK_EQ(rc, RAFT_OK);
	h->hold_disk = true;
	/* an append below the commit index is answered, never written */
	{
		struct raft_entry e[2] = {{.term = 4}, {.term = 4}};
		struct raft_msg m = {.type = RAFT_MSG_APP,.from = 2,.to = 1,.term = 4,.index = 3,
		.log_term = 2,.n_entries = 2};

		CHECK_EQ(raft_step(h->r, &m, e), RAFT_OK);
		host_pump(h);
		m.commit = 5;
		CHECK_EQ(raft_step(h->r, &m, e), RAFT_OK);
		host_pump(h);
		CHECK_EQ(host_status(h).commit, 5);
		e[0].term = e[1].term = 5;
		m.term = 5;
		m.index = 3;
		CHECK_EQ(raft_step(h->r, &m, e), RAFT_OK);	/* below commit: only an ack */
		CHECK_EQ(host_status(h).last, 5);
	}
}

static void
append_below_commit_is_answered_with_it(void)
{
	struct host *h = host_new(1, 3);

	(void) host_append(h, 2, 2, 1, 1, 3, "222");
	host_clear(h);
	(void) host_append(h, 2, 2, 1, 1, 3, "2");
	CHECK_EQ(host_sent(h, RAFT_MSG_APP_RESP, 2)->index, 3);
	(void) host_append(h, 2, 2, 0, 0, 3, "");
	CHECK_EQ(host_sent(h, RAFT_MSG_APP_RESP, 2)->index, 3);
	CHECK_EQ(host_status(h).last, 4);
}

static void
previous_entry_0_on_an_empty_log(void)
{
	struct raft_config cfg;
	struct raft_conf none;
	struct host *h;

	host_config(&cfg, 1);
	memset(&none, 0, sizeof(none));
	h = host_new_conf(&cfg, &none);
	CHECK_EQ(host_append(h, 2, 2, 0, 0, 0, "12"), RAFT_OK);
	CHECK_EQ(host_status(h).last, 2);
	CHECK_EQ(host_append(h, 2, 2, 0, 0, 0, "12"), RAFT_OK);
	CHECK_EQ(host_status(h).last, 2);
	CHECK_EQ(host_append(h, 2, 2, 5, 0, 0, ""), RAFT_OK);
	CHECK(host_sent(h, RAFT_MSG_APP_RESP, 2)->reject);
}

static void
gap_is_rejected_with_a_hint(void)
{
	struct host *h = host_new(1, 3);

	(void) host_append(h, 2, 2, 1, 1, 1, "22");
	(void) host_append(h, 2, 2, 9, 2, 1, "2");
	CHECK(host_sent(h, RAFT_MSG_APP_RESP, 2)->reject);
	CHECK_EQ(host_sent(h, RAFT_MSG_APP_RESP, 2)->index, 9);
	CHECK_EQ(host_sent(h, RAFT_MSG_APP_RESP, 2)->hint, 3);
	CHECK_EQ(host_sent(h, RAFT_MSG_APP_RESP, 2)->log_term, 2);
	CHECK_EQ(host_status(h).last, 3);
}

static void
hint_skips_newer_terms(void)
{
	struct host *h = host_new(1, 3);

	/* ours: 2 3 3 5 5 at 2 .. 6; the leader probes (6, 4) */
	(void) host_append(h, 2, 5, 1, 1, 1, "23355");
	(void) host_append(h, 3, 6, 6, 4, 1, "6");
	CHECK(host_sent(h, RAFT_MSG_APP_RESP, 3)->reject);
	CHECK_EQ(host_sent(h, RAFT_MSG_APP_RESP, 3)->hint, 4);
	CHECK_EQ(host_sent(h, RAFT_MSG_APP_RESP, 3)->log_term, 3);
}

static void
missing_term_matches_nothing(void)
{
	struct host *h = host_new(1, 3);

	(void) host_append(h, 2, 2, 7, 0, 1, "2");
	CHECK(host_sent(h, RAFT_MSG_APP_RESP, 2)->reject);
	CHECK_EQ(host_status(h).last, 1);
}

static void
commit_is_limited_by_what_the_message_proves(void)
{
	struct host *h = host_new(1, 3);

	(void) host_append(h, 2, 2, 1, 1, 1, "2222");
	/* leader of term 3 knows 5 to be committed, but proves only up to 2 */
	(void) host_append(h, 3, 3, 2, 2, 5, "");
	CHECK_EQ(host_status(h).commit, 2);
	(void) host_append(h, 3, 3, 2, 2, 5, "2");
	CHECK_EQ(host_status(h).commit, 3);
	(void) host_append(h, 3, 3, 3, 2, 100, "3");
	CHECK_EQ(host_status(h).commit, 4);
	CHECK_EQ(host_status(h).last, 4);
}

static void
commit_does_not_regress(void)
{
	struct host *h = host_new(1, 3);

	(void) host_append(h, 2, 2, 1, 1, 4, "222");
	CHECK_EQ(host_status(h).commit, 4);
	(void) host_append(h, 2, 2, 4, 2, 2, "2");
	(void) host_heartbeat(h, 2, 2, 1);
	CHECK_EQ(host_status(h).commit, 4);
}

static void
heartbeat_commits_and_is_answered(void)
{
	struct host *h = host_new(1, 3);
	struct raft_msg m = {.type = RAFT_MSG_HEARTBEAT,.from = 2,.term = 2,.commit = 3,
	.ctx = 7,.echo = 99};

	(void) host_append(h, 2, 2, 1, 1, 1, "222");
	(void) host_msg(h, &m);
	CHECK_EQ(host_status(h).commit, 3);
	CHECK_EQ(host_sent(h, RAFT_MSG_HEARTBEAT_RESP, 2)->ctx, 7);
	CHECK_EQ(host_sent(h, RAFT_MSG_HEARTBEAT_RESP, 2)->echo, 99);
}

static void
heartbeat_beyond_the_log_shows_a_lost_disk(void)
{
	struct host *h = host_new(1, 3);

	CHECK_EQ(host_heartbeat(h, 2, 2, 9), RAFT_LOG_LOST);
	CHECK(host_status(h).log_lost);
	CHECK_EQ(host_status(h).commit, 1);
	CHECK_EQ(raft_campaign(h->r), RAFT_INVALID);
	(void) raft_forget_leader(h->r);
	(void) host_vote(h, RAFT_MSG_VOTE, 3, 3, 100, 2);
	CHECK(host_sent(h, RAFT_MSG_VOTE_RESP, 3)->reject);

	/* it heals when the entries are there again */
	CHECK_EQ(host_append(h, 2, 3, 1, 1, 9, "22222222"), RAFT_OK);
	CHECK(!host_status(h).log_lost);
	CHECK_EQ(host_status(h).commit, 9);
}

static void
leader_appends_an_empty_entry_first(void)
{
	struct host *h = host_new(1, 3);

	host_elect(h);
	CHECK_EQ(h->disk.last, 2);
	CHECK_EQ(h->disk.log[2].size, 0);
	CHECK_EQ(h->disk.log[2].type, RAFT_ENTRY_NORMAL);
	CHECK_EQ(host_sent(h, RAFT_MSG_APP, 2)->index, 1);
	CHECK_EQ(host_sent(h, RAFT_MSG_APP, 2)->n_entries, 1);
	CHECK_EQ(host_status(h).commit, 1);
	CHECK(!host_status(h).commit_in_term);
	(void) host_ack(h, 3, 2);
	CHECK_EQ(host_status(h).commit, 2);
	CHECK(host_status(h).commit_in_term);
}

/* Thesis, figure 3.7. */
static void
earlier_terms_are_not_committed_by_counting(void)
{
	struct host *h = host_new(1, 3);

	(void) host_append(h, 2, 2, 1, 1, 1, "22");	/* 2, 3 of term 2 */
	(void) raft_forget_leader(h->r);
	host_elect(h);				/* term 3, empty entry at 4 */
	CHECK_EQ(host_status(h).term, 3);
	(void) host_ack(h, 2, 3);
	(void) host_ack(h, 3, 3);
	CHECK_EQ(host_status(h).commit, 1);
	(void) host_ack(h, 2, 4);
	CHECK_EQ(host_status(h).commit, 4);
}

static void
own_entries_count_only_when_durable(void)
{
	struct host *h = host_new(1, 3);

	host_elect(h);
	(void) host_ack(h, 2, 2);
	h->hold_disk = true;
	CHECK_EQ(host_propose(h, 10, NULL), RAFT_OK);
	(void) host_ack(h, 2, 3);
	CHECK_EQ(host_status(h).commit, 2);
	host_persist(h);
	CHECK_EQ(host_status(h).commit, 3);
}

/* The followers' disks are enough: the leader may be the slowest. */
static void
leader_may_commit_before_its_own_disk(void)
{
	struct host *h = host_new(1, 3);

	host_elect(h);
	(void) host_ack(h, 2, 2);
	h->hold_disk = true;
	CHECK_EQ(host_propose(h, 10, NULL), RAFT_OK);
	(void) host_ack(h, 2, 3);
	(void) host_ack(h, 3, 3);
	CHECK_EQ(host_status(h).commit, 3);
	CHECK_EQ(host_status(h).applied, 2);
	host_persist(h);
	host_pump(h);
	CHECK_EQ(host_status(h).applied, 3);
}

static void
match_and_commit_survive_reordered_acks(void)
{
	struct host *h = host_new(1, 3);
	int			i;

	host_elect(h);
	for (i = 0; i < 5; i++)
		CHECK_EQ(host_propose(h, 10, NULL), RAFT_OK);
	(void) host_ack(h, 2, 6);
	CHECK_EQ(host_status(h).commit, 6);
	(void) host_ack(h, 2, 3);
	(void) host_reject(h, 2, 4, 1, 1);
	CHECK_EQ(host_peer(h, 2).match, 6);
	CHECK(host_peer(h, 2).next > 6);
	CHECK_EQ(host_status(h).commit, 6);
}

static void
rejection_is_never_a_match(void)
{
	struct host *h = host_new(1, 3);

	host_elect(h);
	(void) host_reject(h, 2, 1, 1, 1);
	(void) host_reject(h, 3, 1, 1, 1);
	CHECK_EQ(host_peer(h, 2).match, 0);
	CHECK_EQ(host_status(h).commit, 1);
}

static void
ack_beyond_the_log_is_ignored(void)
{
	struct host *h = host_new(1, 3);

	host_elect(h);
	(void) host_ack(h, 2, 100);
	CHECK_EQ(host_peer(h, 2).match, 0);
	CHECK(!h->fatal);
}

/* A long divergent tail costs one probe a term, not one an entry. */
static void
probes_are_bounded_by_terms(void)
{
	struct net *net = net_new(3);
	char		tail[200];
	size_t		before;
	size_t		probes = 0;
	int			round;

	/* 3 has a long tail of term 2 that nobody else has */
	memset(tail, '2', 150);
	tail[150] = '\0';
	(void) host_append(net->h[2], 1, 2, 1, 1, 1, tail);
	host_clear(net->h[2]);
	net_isolate(net, 3);
	(void) host_heartbeat(net->h[0], 2, 4, 0);
	(void) raft_forget_leader(net->h[0]->r);
	host_clear(net->h[0]);
	host_elect(net->h[0]);		/* term 5 */
	for (round = 0; round < 100; round++)
		(void) host_propose(net->h[0], 1, NULL);
	net_run(net);
	CHECK_EQ(host_status(net->h[0]).commit, 102);
	net_heal(net);
	before = host_status(net->h[0]).last;
	for (round = 0; round < 6 && host_status(net->h[2]).last_term != 5; round++)
	{
		net_tick(net, 1);
		probes++;
	}
	CHECK(probes <= 5);
	CHECK_EQ(host_status(net->h[0]).last, before);
	CHECK(net_agrees(net));
}

/* Follower and leader with long tails of many terms each. */
static void
many_terms_on_both_sides(void)
{
	struct net *net = net_new(3);

	(void) host_append(net->h[2], 1, 8, 1, 1, 1, "2244446666888");
	(void) host_append(net->h[0], 2, 9, 1, 1, 1, "2233335557779");
	host_clear(net->h[2]);
	host_clear(net->h[0]);
	host_elect(net->h[0]);
	net_run(net);
	net_tick(net, 12);
	CHECK_EQ(net_leader(net), 1);
	CHECK(net_agrees(net));
	CHECK_EQ(host_status(net->h[0]).commit, host_status(net->h[0]).last);
}

static void
stale_rejections_do_not_resend_windows(void)
{
	struct host *h = host_new(1, 3);
	size_t		before;
	int			i;

	host_elect(h);
	(void) host_ack(h, 2, 2);
	for (i = 0; i < 20; i++)
		(void) host_propose(h, 10, NULL);
	(void) host_ack(h, 2, 22);
	before = host_count(h, RAFT_MSG_APP, 2);
	for (i = 3; i < 22; i++)
		(void) host_reject(h, 2, (raft_index) i, 1, 1);
	CHECK_EQ(host_count(h, RAFT_MSG_APP, 2), before);
}

/* Only the first rejection of a lost window counts; the rest are of old probes. */
static void
rejections_of_a_lost_window_probe_once(void)
{
	struct host *h = host_new(1, 3);
	size_t		before;
	int			i;

	host_elect(h);
	(void) host_ack(h, 2, 2);
	for (i = 0; i < 20; i++)
		(void) host_propose(h, 10, NULL);
	before = host_count(h, RAFT_MSG_APP, 2);
	for (i = 3; i < 22; i++)
		(void) host_reject(h, 2, (raft_index) i, 2, 2);
	CHECK_EQ(host_count(h, RAFT_MSG_APP, 2), before + 1);
	CHECK_EQ(host_peer(h, 2).state, RAFT_PROBE);
	CHECK_EQ(host_peer(h, 2).next, 3);
}

static void
one_silent_peer_does_not_stop_the_others(void)
{
	struct net *net = net_new(5);

	host_elect(net->h[0]);
	net_run(net);
	net_isolate(net, 2);
	(void) host_propose(net->h[0], 10, NULL);
	net_run(net);
	CHECK_EQ(host_status(net->h[0]).commit, 3);
	CHECK_EQ(host_status(net->h[4]).last, 3);
	CHECK_EQ(host_status(net->h[1]).last, 2);
	net_heal(net);
	net_tick(net, 3);
	CHECK(net_agrees(net));
}

/* A leader deposed in the same loop must not send entries it no longer has. */
static void
queued_append_of_replaced_entries_is_not_sent(void)
{
	struct host *h = host_new(1, 3);
	struct raft_entry e = {.size = 3,.data = "abc"};
	struct raft_entry other[1] = {{.term = 3}};
	struct raft_msg m = {.type = RAFT_MSG_APP,.from = 2,.to = 1,.term = 3,.index = 2,
	.log_term = 2,.n_entries = 1};
	struct raft_msg hb = {.type = RAFT_MSG_HEARTBEAT_RESP,.from = 3,.to = 1,.term = 2};
	size_t		i;

	host_elect(h);
	(void) host_ack(h, 3, 2);
	host_clear(h);
	CHECK_EQ(raft_propose(h->r, &e, 1, NULL), RAFT_OK);
	CHECK_EQ(raft_step(h->r, &hb, NULL), RAFT_OK);	/* queues the append of 3 */
	CHECK_EQ(raft_step(h->r, &m, other), RAFT_OK);	/* term 3 replaces it */
	host_pump(h);
	CHECK(!h->fatal);
	CHECK_EQ(h->disk.log[3].term, 3);
	for (i = 0; i < h->n_out; i++)
		CHECK(h->out[i].m.type != RAFT_MSG_APP || h->out[i].m.n_entries == 0);
}

static void
entries_of_every_call_come_out_once(void)
{
	struct host *h = host_new(1, 1);
	struct raft_entry e[3] = {{.size = 1,.data = "a"}, {.size = 2,.data = "bb"}, {.size = 3,.data = "ccc"}};
	raft_index	first;

	host_elect(h);
	CHECK_EQ(raft_propose(h->r, e, 3, &first), RAFT_OK);
	CHECK_EQ(first, 3);
	CHECK_EQ(raft_propose(h->r, e, 2, &first), RAFT_OK);
	CHECK_EQ(first, 6);
	host_pump(h);
	CHECK_EQ(h->disk.last, 7);
	CHECK_EQ(h->disk.log[5].size, 3);
	CHECK_EQ(h->disk.log[6].size, 1);
	CHECK_EQ(host_status(h).applied, 7);
}

const struct unit_test unit_log[] = {
	{"log/follower_appends_and_acknowledges", follower_appends_and_acknowledges},
	{"log/repeated_append_cuts_nothing", repeated_append_cuts_nothing},
	{"log/append_overlaps", append_overlaps},
	{"log/conflict_replaces_the_tail", conflict_replaces_the_tail},
	{"log/committed_entries_are_not_rewritten", committed_entries_are_not_rewritten},
	{"log/append_below_commit_is_answered_with_it", append_below_commit_is_answered_with_it},
	{"log/previous_entry_0_on_an_empty_log", previous_entry_0_on_an_empty_log},
	{"log/gap_is_rejected_with_a_hint", gap_is_rejected_with_a_hint},
	{"log/hint_skips_newer_terms", hint_skips_newer_terms},
	{"log/missing_term_matches_nothing", missing_term_matches_nothing},
	{"log/commit_is_limited_by_what_the_message_proves", commit_is_limited_by_what_the_message_proves},
	{"log/commit_does_not_regress", commit_does_not_regress},
	{"log/heartbeat_commits_and_is_answered", heartbeat_commits_and_is_answered},
	{"log/heartbeat_beyond_the_log_shows_a_lost_disk", heartbeat_beyond_the_log_shows_a_lost_disk},
	{"log/leader_appends_an_empty_entry_first", leader_appends_an_empty_entry_first},
	{"log/earlier_terms_are_not_committed_by_counting", earlier_terms_are_not_committed_by_counting},
	{"log/own_entries_count_only_when_durable", own_entries_count_only_when_durable},
	{"log/leader_may_commit_before_its_own_disk", leader_may_commit_before_its_own_disk},
	{"log/match_and_commit_survive_reordered_acks", match_and_commit_survive_reordered_acks},
	{"log/rejection_is_never_a_match", rejection_is_never_a_match},
	{"log/ack_beyond_the_log_is_ignored", ack_beyond_the_log_is_ignored},
	{"log/probes_are_bounded_by_terms", probes_are_bounded_by_terms},
	{"log/many_terms_on_both_sides", many_terms_on_both_sides},
	{"log/stale_rejections_do_not_resend_windows", stale_rejections_do_not_resend_windows},
	{"log/rejections_of_a_lost_window_probe_once", rejections_of_a_lost_window_probe_once},
	{"log/one_silent_peer_does_not_stop_the_others", one_silent_peer_does_not_stop_the_others},
	{"log/queued_append_of_replaced_entries_is_not_sent", queued_append_of_replaced_entries_is_not_sent},
	{"log/entries_of_every_call_come_out_once", entries_of_every_call_come_out_once},
	{NULL, NULL}
};
