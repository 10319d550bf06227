/*-------------------------------------------------------------------------
 *
 * unit_flow.c
 *	  Unit tests: flow control and quotas.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/test/unit_flow.c
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

static struct host *
leader_with(const struct raft_config *cfg)
{
	struct host *h = host_new_cfg(cfg, 3);

	host_elect(h);
	(void) host_ack(h, 2, 2);
	host_clear(h);
	return h;
}

static void
messages_in_flight_are_bounded(void)
{
	struct raft_config cfg;
	struct host *h;
	int			i;

	host_config(&cfg, 1);
	cfg.max_inflight_msgs = 4;
	h = leader_with(&cfg);
	for (i = 0; i < 10; i++)
		CHECK_EQ(host_propose(h, 10, NULL), RAFT_OK);
	CHECK_EQ(host_count(h, RAFT_MSG_APP, 2), 4);
	CHECK(host_peer(h, 2).inflight_full);
	CHECK(host_peer(h, 2).paused);

	/* what was held back goes in one message */
	host_clear(h);
	(void) host_ack(h, 2, 4);
	CHECK(host_sent(h, RAFT_MSG_APP, 2) != NULL);
	CHECK_EQ(host_peer(h, 2).next, 13);
}

static void
bytes_in_flight_are_bounded(void)
{
	struct raft_config cfg;
	struct host *h;
	int			i;

	host_config(&cfg, 1);
	cfg.max_msg_bytes = 100;
	cfg.max_inflight_bytes = 1000;
	h = leader_with(&cfg);
	for (i = 0; i < 20; i++)
		CHECK_EQ(host_propose(h, 300, NULL), RAFT_OK);
	CHECK_EQ(host_count(h, RAFT_MSG_APP, 2), 4);
	CHECK_EQ(host_peer(h, 2).inflight_bytes, 1200);
	(void) host_ack(h, 2, 6);
	CHECK_EQ(host_peer(h, 2).inflight_bytes, 1200);
	CHECK_EQ(host_peer(h, 2).next, 11);
}

static void
messages_are_bounded_in_size(void)
{
	struct raft_config cfg;
	struct host *h;
	struct raft_entry e[10];
	size_t		i;

	host_config(&cfg, 1);
	cfg.max_msg_bytes = 3 * (100 + RAFT_ENTRY_OVERHEAD);
	h = leader_with(&cfg);
	memset(e, 0, sizeof(e));
	for (i = 0; i < 10; i++)
	{
		e[i].size = 100;
		e[i].data = "x";
	}
	CHECK_EQ(raft_propose(h->r, e, 10, NULL), RAFT_OK);
	host_pump(h);
	CHECK_EQ(host_count(h, RAFT_MSG_APP, 2), 4);
	for (i = 0; i < h->n_out; i++)
		CHECK(h->out[i].m.n_entries <= 3);

	/* one entry always goes */
	e[0].size = 5000;
	host_clear(h);
	CHECK_EQ(raft_propose(h->r, e, 1, NULL), RAFT_OK);
	host_pump(h);
	CHECK_EQ(host_sent(h, RAFT_MSG_APP, 2)->n_entries, 1);
	CHECK_EQ(host_sent(h, RAFT_MSG_APP, 2)->bytes, 5000);
}

static void
probed_peer_gets_one_append_at_a_time(void)
{
	struct host *h = host_new(1, 3);
	int			i;

	host_elect(h);
	for (i = 0; i < 5; i++)
		(void) host_propose(h, 10, NULL);
	CHECK_EQ(host_count(h, RAFT_MSG_APP, 2), 1);
	CHECK(host_peer(h, 2).paused);

	/* an answer to a heartbeat releases the next */
	{
		struct raft_msg m = {.type = RAFT_MSG_HEARTBEAT_RESP,.from = 2,.term = 2};

		(void) host_msg(h, &m);
	}
	CHECK_EQ(host_count(h, RAFT_MSG_APP, 2), 2);
	(void) host_ack(h, 2, 2);
	CHECK_EQ(host_peer(h, 2).state, RAFT_REPLICATE);
	CHECK_EQ(host_peer(h, 2).next, 8);
}

static void
lost_window_is_recovered_by_heartbeats(void)
{
	struct raft_config cfg;
	struct host *h;
	struct raft_msg hb = {.type = RAFT_MSG_HEARTBEAT_RESP,.from = 2,.term = 2};
	int			i;

	host_config(&cfg, 1);
	cfg.max_inflight_msgs = 3;
	h = leader_with(&cfg);
	for (i = 0; i < 10; i++)
		(void) host_propose(h, 10, NULL);
	CHECK(host_peer(h, 2).inflight_full);
	host_clear(h);				/* all of it is lost */
	(void) host_msg(h, &hb);
	CHECK(host_sent(h, RAFT_MSG_APP, 2) != NULL);
	CHECK_EQ(host_sent(h, RAFT_MSG_APP, 2)->n_entries, 0);
	CHECK_EQ(host_sent(h, RAFT_MSG_APP, 2)->index, 5);
	(void) host_reject(h, 2, 5, 2, 2);
	CHECK_EQ(host_peer(h, 2).state, RAFT_PROBE);
	CHECK_EQ(host_sent(h, RAFT_MSG_APP, 2)->index, 2);
	(void) host_ack(h, 2, host_status(h).last);
	CHECK_EQ(host_peer(h, 2).state, RAFT_REPLICATE);
}

/* A rejection leaves the old messages on their way: half as many may follow. */
static void
rejections_narrow_the_window(void)
{
	struct raft_config cfg;
	struct host *h;
	raft_index	match = 2;
	size_t		expected;
	int			i;

	host_config(&cfg, 1);
	cfg.max_inflight_msgs = 16;
	cfg.max_msg_bytes = 1;
	h = leader_with(&cfg);
	for (i = 0; i < 60; i++)
		(void) host_propose(h, 10, NULL);
	CHECK_EQ(host_count(h, RAFT_MSG_APP, 2), 16);
	for (expected = 8; expected > 0; expected /= 2)
	{
		(void) host_reject(h, 2, match + 3, match, 2);
		CHECK_EQ(host_peer(h, 2).state, RAFT_PROBE);
		host_clear(h);
		(void) host_ack(h, 2, ++match);
		CHECK_EQ(host_count(h, RAFT_MSG_APP, 2), expected);
		CHECK(host_peer(h, 2).inflight_full);
	}
	/* never less than one */
	(void) host_reject(h, 2, match + 1, match, 2);
	host_clear(h);
	(void) host_ack(h, 2, ++match);
	CHECK_EQ(host_count(h, RAFT_MSG_APP, 2), 1);

	/* every message that arrives widens it again, as far as it was */
	for (expected = 2; expected <= 16; expected *= 2)
	{
		host_clear(h);
		match = host_peer(h, 2).next - 1;
		(void) host_ack(h, 2, match);
		CHECK_EQ(host_count(h, RAFT_MSG_APP, 2), expected);
	}
	host_clear(h);
	match = host_peer(h, 2).next - 1;
	(void) host_ack(h, 2, match);
	CHECK_EQ(host_count(h, RAFT_MSG_APP, 2), 16);
	CHECK_EQ(raft_check(h->r), RAFT_OK);
}

static void
single_entries(struct raft_config *cfg)
{
	cfg->max_msg_bytes = 1;
	cfg->max_inflight_msgs = 64;
}

/* The traffic of a peer that catches up is in proportion to what it lacks. */
static void
reordering_makes_no_storm(void)
{
	struct net *net = net_new_cfg(3, single_entries);
	size_t		delivered;
	int			i;

	host_elect(net->h[0]);
	net_run(net);
	net_isolate(net, 2);
	for (i = 0; i < 500; i++)
		(void) host_propose(net->h[0], 10, NULL);
	net_run(net);
	CHECK_EQ(host_status(net->h[0]).commit, 502);
	CHECK_EQ(host_status(net->h[1]).last, 2);
	net_heal(net);
	host_tick(net->h[0], 1);
	delivered = net_run_shuffled(net, 1, 100000);
	CHECK(delivered < 500 * 10);
	net_tick(net, 2);
	CHECK(net_agrees(net));
}

static void
unreachable_peer_that_has_everything_recovers(void)
{
	struct host *h = host_new(1, 3);
	struct raft_msg hb = {.type = RAFT_MSG_HEARTBEAT_RESP,.from = 2,.term = 2};

	host_elect(h);
	(void) host_ack(h, 2, 2);
	CHECK_EQ(raft_report_unreachable(h->r, 2), RAFT_OK);
	CHECK_EQ(host_peer(h, 2).state, RAFT_PROBE);
	host_clear(h);
	(void) host_msg(h, &hb);
	CHECK_EQ(host_sent(h, RAFT_MSG_APP, 2)->n_entries, 0);
	(void) host_ack(h, 2, 2);
	CHECK_EQ(host_peer(h, 2).state, RAFT_REPLICATE);
	CHECK_EQ(raft_report_unreachable(h->r, 9), RAFT_UNKNOWN_PEER);
}

static void
window_bytes_are_reset_with_the_state(void)
{
	struct host *h = host_new(1, 3);

	host_elect(h);
	(void) host_ack(h, 2, 2);
	(void) host_propose(h, 1000, NULL);
	CHECK_EQ(host_peer(h, 2).inflight_bytes, 1000);
	(void) raft_report_unreachable(h->r, 2);
	CHECK_EQ(host_peer(h, 2).inflight_bytes, 0);
	CHECK_EQ(host_peer(h, 2).inflight_msgs, 0);
	CHECK_EQ(raft_check(h->r), RAFT_OK);
}

/* ---------- quota of uncommitted bytes ---------- */

static struct host *
quota_leader(uint64_t max)
{
	struct raft_config cfg;

	host_config(&cfg, 1);
	cfg.max_uncommitted_bytes = max;
	return leader_with(&cfg);
}

static void
quota_is_enforced(void)
{
	struct host *h = quota_leader(1000);
	raft_index	index = 77;

	CHECK_EQ(host_propose(h, 600, NULL), RAFT_OK);
	CHECK_EQ(host_propose(h, 400, NULL), RAFT_OK);
	CHECK_EQ(host_propose(h, 1, &index), RAFT_BUSY);
	CHECK_EQ(index, 0);
	CHECK_EQ(host_status(h).last, 4);
	CHECK_EQ(host_status(h).uncommitted_bytes, 1000);
}

static void
quota_admits_one_large_and_all_empty_entries(void)
{
	struct host *h = quota_leader(1000);

	CHECK_EQ(host_propose(h, 5000, NULL), RAFT_OK);
	CHECK_EQ(host_propose(h, 1, NULL), RAFT_BUSY);
	CHECK_EQ(host_propose(h, 0, NULL), RAFT_OK);
}

static void
quota_is_given_back_at_apply(void)
{
	struct host *h = quota_leader(1000);

	CHECK_EQ(host_propose(h, 1000, NULL), RAFT_OK);
	h->hold_apply = true;
	(void) host_ack(h, 2, 3);
	CHECK_EQ(host_status(h).commit, 3);
	CHECK_EQ(host_propose(h, 1, NULL), RAFT_BUSY);
	host_apply(h);
	CHECK_EQ(host_status(h).uncommitted_bytes, 0);
	CHECK_EQ(host_propose(h, 1, NULL), RAFT_OK);
}

static void
quota_starts_anew_with_a_term(void)
{
	struct host *h = quota_leader(1000);

	CHECK_EQ(host_propose(h, 1000, NULL), RAFT_OK);
	(void) host_heartbeat(h, 3, 3, 0);
	host_elect(h);
	CHECK_EQ(host_status(h).role, RAFT_LEADER);
	CHECK_EQ(host_status(h).uncommitted_bytes, 0);
	CHECK_EQ(host_propose(h, 800, NULL), RAFT_OK);

	/* applying the entries of the earlier term does not underflow */
	(void) host_ack(h, 2, 4);
	CHECK_EQ(host_status(h).applied, 4);
	CHECK_EQ(host_status(h).uncommitted_bytes, 0);
	(void) host_ack(h, 2, host_status(h).last);
	CHECK_EQ(host_status(h).uncommitted_bytes, 0);
}

static void
refused_conf_change_costs_no_quota(void)
{
	struct host *h = quota_leader(100000);
	const struct raft_conf_change *cc = change_of("v4", RAFT_TRANSITION_AUTO);

	CHECK_EQ(host_change(h, cc, NULL), RAFT_OK);
	CHECK_EQ(host_status(h).uncommitted_bytes, sizeof(*cc));
	CHECK_EQ(host_change(h, cc, NULL), RAFT_BUSY);
	CHECK_EQ(host_status(h).uncommitted_bytes, sizeof(*cc));
}

static void
too_big_is_too_big_for_ever(void)
{
	struct raft_config cfg;
	struct host *h;

	host_config(&cfg, 1);
	cfg.max_entry_bytes = 100;
	h = leader_with(&cfg);
	CHECK_EQ(host_propose(h, 101, NULL), RAFT_TOO_BIG);
	CHECK_EQ(host_propose(h, 100, NULL), RAFT_OK);
}

/* ---------- apply ---------- */

static void
apply_is_bounded_and_loses_nothing(void)
{
	struct raft_config cfg;
	struct host *h;
	raft_index	before;
	int			i;

	host_config(&cfg, 1);
	cfg.max_apply_bytes = 3 * (100 + RAFT_ENTRY_OVERHEAD);
	h = leader_with(&cfg);
	h->hold_apply = true;
	for (i = 0; i < 20; i++)
		(void) host_propose(h, 100, NULL);
	(void) host_ack(h, 2, 22);
	CHECK_EQ(host_status(h).commit, 22);
	CHECK_EQ(h->apply_hi, 5);
	CHECK(!raft_has_ready(h->r));
	for (i = 0; i < 100 && host_status(h).applied < 22; i++)
	{
		before = h->apply_hi;
		host_apply(h);
		host_pump(h);
		CHECK(h->apply_hi - before <= 3);
		CHECK_EQ(host_status(h).commit, 22);
	}
	CHECK_EQ(host_status(h).applied, 22);
}

static void
apply_hands_out_at_least_one(void)
{
	struct raft_config cfg;
	struct host *h;

	host_config(&cfg, 1);
	cfg.max_apply_bytes = 1;
	h = leader_with(&cfg);
	(void) host_propose(h, 100000, NULL);
	(void) host_ack(h, 2, 3);
	CHECK_EQ(host_status(h).applied, 3);
}

static void
apply_answers_are_checked(void)
{
	struct host *h = host_new(1, 1);

	host_elect(h);
	h->hold_apply = true;
	(void) host_propose(h, 10, NULL);
	CHECK_EQ(host_status(h).applying, 3);
	CHECK_EQ(raft_applied(h->r, 4), RAFT_INVALID);
	CHECK_EQ(raft_applied(h->r, 3), RAFT_OK);
	CHECK_EQ(raft_applied(h->r, 2), RAFT_OK);
	CHECK_EQ(host_status(h).applied, 3);
}

static void
commit_alone_needs_no_sync(void)
{
	struct host *h = host_new(1, 3);
	struct raft_ready rd;
	struct raft_msg m = {.type = RAFT_MSG_HEARTBEAT,.from = 2,.to = 1,.term = 2,.commit = 2};

	(void) host_append(h, 2, 2, 1, 1, 1, "22");
	CHECK_EQ(raft_step(h->r, &m, NULL), RAFT_OK);
	CHECK_EQ(raft_ready(h->r, &rd), RAFT_OK);
	CHECK(rd.has_write && rd.hard_changed && !rd.must_sync);
	CHECK_EQ(rd.commit, 2);
	CHECK_EQ(rd.apply_lo, 2);
	CHECK_EQ(rd.apply_hi, 2);
	CHECK_EQ(raft_applied(h->r, 2), RAFT_OK);
	CHECK(!raft_has_ready(h->r));

	m.term = 3;
	CHECK_EQ(raft_step(h->r, &m, NULL), RAFT_OK);
	CHECK_EQ(raft_ready(h->r, &rd), RAFT_OK);
	CHECK(rd.must_sync);
}

static void
proposals_of_one_loop_share_a_message(void)
{
	struct host *h = host_new(1, 3);
	struct raft_entry e = {.size = 10,.data = "x"};
	int			i;

	host_elect(h);
	(void) host_ack(h, 2, 2);
	host_clear(h);
	for (i = 0; i < 50; i++)
		CHECK_EQ(raft_propose(h->r, &e, 1, NULL), RAFT_OK);
	host_pump(h);
	CHECK_EQ(host_count(h, RAFT_MSG_APP, 2), 1);
	CHECK_EQ(host_sent(h, RAFT_MSG_APP, 2)->n_entries, 50);
}

static void
commit_is_told_once(void)
{
	struct net *net = net_new(3);
	size_t		appends;

	host_elect(net->h[0]);
	net_run(net);
	net_tick(net, 1);
	(void) host_propose(net->h[0], 10, NULL);
	net_run(net);
	CHECK_EQ(host_status(net->h[1]).commit, 3);
	net_tick(net, 5);
	appends = host_count(net->h[0], RAFT_MSG_APP, 0);
	CHECK_EQ(appends, 0);
	CHECK(net_agrees(net));
}

static void
idle_means_no_output(void)
{
	struct net *net = net_new(3);
	size_t		before[3];
	int			i;

	host_elect(net->h[0]);
	net_run(net);
	net_tick(net, 5);
	for (i = 0; i < 3; i++)
		before[i] = host_status(net->h[i]).seq_handed;
	net_tick(net, 50);
	for (i = 0; i < 3; i++)
		CHECK_EQ(host_status(net->h[i]).seq_handed, before[i]);
}

const struct unit_test unit_flow[] = {
	{"flow/messages_in_flight_are_bounded", messages_in_flight_are_bounded},
	{"flow/bytes_in_flight_are_bounded", bytes_in_flight_are_bounded},
	{"flow/messages_are_bounded_in_size", messages_are_bounded_in_size},
	{"flow/probed_peer_gets_one_append_at_a_time", probed_peer_gets_one_append_at_a_time},
	{"flow/lost_window_is_recovered_by_heartbeats", lost_window_is_recovered_by_heartbeats},
	{"flow/unreachable_peer_that_has_everything_recovers", unreachable_peer_that_has_everything_recovers},
	{"flow/rejections_narrow_the_window", rejections_narrow_the_window},
	{"flow/reordering_makes_no_storm", reordering_makes_no_storm},
	{"flow/window_bytes_are_reset_with_the_state", window_bytes_are_reset_with_the_state},
	{"flow/quota_is_enforced", quota_is_enforced},
	{"flow/quota_admits_one_large_and_all_empty_entries", quota_admits_one_large_and_all_empty_entries},
	{"flow/quota_is_given_back_at_apply", quota_is_given_back_at_apply},
	{"flow/quota_starts_anew_with_a_term", quota_starts_anew_with_a_term},
	{"flow/refused_conf_change_costs_no_quota", refused_conf_change_costs_no_quota},
	{"flow/too_big_is_too_big_for_ever", too_big_is_too_big_for_ever},
	{"flow/apply_is_bounded_and_loses_nothing", apply_is_bounded_and_loses_nothing},
	{"flow/apply_hands_out_at_least_one", apply_hands_out_at_least_one},
	{"flow/apply_answers_are_checked", apply_answers_are_checked},
	{"flow/commit_alone_needs_no_sync", commit_alone_needs_no_sync},
	{"flow/proposals_of_one_loop_share_a_message", proposals_of_one_loop_share_a_message},
	{"flow/commit_is_told_once", commit_is_told_once},
	{"flow/idle_means_no_output", idle_means_no_output},
	{NULL, NULL}
};
