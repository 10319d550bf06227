/*-------------------------------------------------------------------------
 *
 * unit_transfer.c
 *	  Unit tests: leadership transfer.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/test/unit_transfer.c
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

static struct host *
leader(void)
{
	struct host *h = host_new(1, 3);

	host_elect(h);
	(void) host_ack(h, 2, 2);
	host_clear(h);
	return h;
}

static void
target_up_to_date_takes_over_at_once(void)
{
	struct host *h = leader();

	CHECK_EQ(raft_transfer(h->r, 2), RAFT_OK);
	host_pump(h);
	CHECK(host_sent(h, RAFT_MSG_TIMEOUT_NOW, 2) != NULL);
	CHECK_EQ(host_status(h).transferee, 2);
	CHECK_EQ(host_status(h).role, RAFT_LEADER);
}

static void
lagging_target_is_brought_up_first(void)
{
	struct host *h = leader();

	CHECK_EQ(raft_transfer(h->r, 3), RAFT_OK);
	host_pump(h);
	CHECK_EQ(host_count(h, RAFT_MSG_TIMEOUT_NOW, 3), 0);
	(void) host_ack(h, 3, 2);
	CHECK_EQ(host_count(h, RAFT_MSG_TIMEOUT_NOW, 3), 1);
}

static void
proposals_are_dropped_meanwhile(void)
{
	struct host *h = leader();

	CHECK_EQ(raft_transfer(h->r, 2), RAFT_OK);
	CHECK_EQ(host_propose(h, 10, NULL), RAFT_DROPPED);
	CHECK_EQ(host_change(h, change_of("v4", RAFT_TRANSITION_AUTO), NULL), RAFT_DROPPED);
	CHECK_EQ(host_status(h).last, 2);
	host_tick(h, 9);
	CHECK_EQ(host_propose(h, 10, NULL), RAFT_DROPPED);
	host_tick(h, 1);			/* TIMEOUT_NOW was lost */
	CHECK_EQ(host_status(h).transferee, 0);
	CHECK_EQ(host_propose(h, 10, NULL), RAFT_OK);
}

static void
transfer_hands_over(void)
{
	struct net *net = net_new(3);

	host_elect(net->h[0]);
	net_run(net);
	net_tick(net, 1);
	CHECK_EQ(raft_transfer(net->h[0]->r, 3), RAFT_OK);
	net_run(net);
	CHECK_EQ(net_leader(net), 3);
	CHECK_EQ(host_status(net->h[0]).role, RAFT_FOLLOWER);
	CHECK_EQ(host_status(net->h[0]).transferee, 0);
	CHECK(net_agrees(net));
}

static void
cautious(struct raft_config *cfg)
{
	cfg->pre_vote = true;
	cfg->check_quorum = true;
}

static void
transfer_passes_leases_and_pre_vote(void)
{
	struct net *net = net_new_cfg(3, cautious);

	host_elect(net->h[0]);
	net_run(net);
	net_tick(net, 2);
	CHECK_EQ(raft_transfer(net->h[0]->r, 2), RAFT_OK);
	net_run(net);
	CHECK_EQ(net_leader(net), 2);
	CHECK_EQ(host_status(net->h[1]).term, 3);
}

static void
transferee_gets_no_free_vote(void)
{
	struct net *net = net_new_cfg(3, cautious);
	struct raft_msg m = {.type = RAFT_MSG_TIMEOUT_NOW,.from = 1,.term = 2};

	host_elect(net->h[0]);
	net_run(net);
	net_isolate(net, 3);
	(void) host_propose(net->h[0], 10, NULL);
	net_run(net);
	net_heal(net);
	net->drop_type = RAFT_MSG_APP;
	(void) host_msg(net->h[2], &m); /* it lags */
	net_run(net);
	CHECK(host_status(net->h[2]).role != RAFT_LEADER);
	net->drop_type = 0;
	net_tick(net, 60);
	CHECK(net_leader(net) != 0);
	CHECK(net_agrees(net));
	CHECK(host_status(net->h[2]).commit >= 3);
}

static void
wrong_targets(void)
{
	struct raft_config cfg;
	struct raft_conf conf = conf_of(2);
	struct host *h;

	conf.learners[0] = 3;
	conf.n_learners = 1;
	host_config(&cfg, 1);
	h = host_new_conf(&cfg, &conf);
	host_elect(h);
	(void) host_ack(h, 2, 2);
	CHECK_EQ(raft_transfer(h->r, 3), RAFT_INVALID);
	CHECK_EQ(raft_transfer(h->r, 9), RAFT_UNKNOWN_PEER);
	CHECK_EQ(raft_transfer(h->r, 1), RAFT_OK);	/* itself: nothing to do */
	CHECK_EQ(host_status(h).transferee, 0);
	CHECK_EQ(host_propose(h, 1, NULL), RAFT_OK);
}

static void
best_target_is_picked(void)
{
	struct host *h = host_new(1, 5);
	int			i;

	host_elect(h);
	for (i = 0; i < 5; i++)
		(void) host_propose(h, 1, NULL);
	(void) host_ack(h, 2, 3);
	(void) host_ack(h, 3, 7);
	(void) host_ack(h, 4, 5);
	(void) host_ack(h, 5, 7);
	CHECK_EQ(raft_transfer(h->r, 0), RAFT_OK);
	CHECK_EQ(host_status(h).transferee, 3);

	h = host_new(1, 1);
	host_elect(h);
	CHECK_EQ(raft_transfer(h->r, 0), RAFT_INVALID);
}

static void
another_target_replaces_the_first(void)
{
	struct host *h = leader();

	CHECK_EQ(raft_transfer(h->r, 3), RAFT_OK);
	host_tick(h, 5);
	CHECK_EQ(raft_transfer(h->r, 3), RAFT_OK);	/* again: does not extend it */
	host_tick(h, 4);
	CHECK_EQ(host_status(h).transferee, 3);
	CHECK_EQ(raft_transfer(h->r, 2), RAFT_OK);
	CHECK_EQ(host_status(h).transferee, 2);
	host_tick(h, 9);
	CHECK_EQ(host_status(h).transferee, 2);
	host_tick(h, 1);
	CHECK_EQ(host_status(h).transferee, 0);
}

static void
removed_target_ends_the_transfer(void)
{
	struct host *h = leader();

	h->hold_apply = true;
	CHECK_EQ(host_change(h, change_of("r3", RAFT_TRANSITION_AUTO), NULL), RAFT_OK);
	CHECK_EQ(raft_transfer(h->r, 3), RAFT_OK);
	(void) host_ack(h, 2, 3);
	CHECK_EQ(host_status(h).transferee, 3);
	host_apply(h);
	CHECK_EQ(host_status(h).transferee, 0);
	h->hold_apply = false;
	CHECK_EQ(host_propose(h, 1, NULL), RAFT_OK);
}

static void
deposed_leader_forgets_the_transfer(void)
{
	struct host *h = leader();

	CHECK_EQ(raft_transfer(h->r, 3), RAFT_OK);
	(void) host_heartbeat(h, 2, 3, 0);
	CHECK_EQ(host_status(h).transferee, 0);
}

static void
follower_passes_the_wish_on(void)
{
	struct net *net = net_new(3);

	host_elect(net->h[0]);
	net_run(net);
	net_tick(net, 1);
	CHECK_EQ(raft_transfer(net->h[1]->r, 3), RAFT_OK);
	net_run(net);
	CHECK_EQ(net_leader(net), 3);
	CHECK_EQ(raft_transfer(host_new(1, 3)->r, 2), RAFT_NO_LEADER);
}

static void
old_timeout_now_is_ignored(void)
{
	struct host *h = host_new(1, 3);
	struct raft_msg m = {.type = RAFT_MSG_TIMEOUT_NOW,.from = 2,.term = 2};

	(void) host_heartbeat(h, 3, 5, 0);
	(void) host_msg(h, &m);
	CHECK_EQ(host_status(h).role, RAFT_FOLLOWER);
	m.term = 5;
	m.from = 3;
	(void) host_msg(h, &m);
	CHECK_EQ(host_status(h).role, RAFT_CANDIDATE);
	CHECK(host_sent(h, RAFT_MSG_VOTE, 2)->force);
	CHECK_EQ(host_status(h).term, 6);
	m.term = 6;
	(void) host_msg(h, &m);		/* campaigns already */
	CHECK_EQ(host_status(h).term, 6);
}

/* Appends and heartbeats of the old term do not stop the target's campaign. */
static void
messages_under_way_do_not_cancel_the_campaign(void)
{
	struct host *h = host_new(1, 3);
	struct raft_msg m = {.type = RAFT_MSG_TIMEOUT_NOW,.from = 2,.term = 2};

	(void) host_append(h, 2, 2, 1, 1, 1, "2");
	(void) host_msg(h, &m);
	CHECK_EQ(host_status(h).role, RAFT_CANDIDATE);
	(void) host_append(h, 2, 2, 2, 2, 1, "2");
	(void) host_heartbeat(h, 2, 2, 1);
	CHECK_EQ(host_status(h).role, RAFT_CANDIDATE);
	CHECK_EQ(host_status(h).last, 2);
	(void) host_vote_resp(h, RAFT_MSG_VOTE_RESP, 3, 3, false);
	CHECK_EQ(host_status(h).role, RAFT_LEADER);
}

const struct unit_test unit_transfer[] = {
	{"transfer/target_up_to_date_takes_over_at_once", target_up_to_date_takes_over_at_once},
	{"transfer/lagging_target_is_brought_up_first", lagging_target_is_brought_up_first},
	{"transfer/proposals_are_dropped_meanwhile", proposals_are_dropped_meanwhile},
	{"transfer/transfer_hands_over", transfer_hands_over},
	{"transfer/transfer_passes_leases_and_pre_vote", transfer_passes_leases_and_pre_vote},
	{"transfer/transferee_gets_no_free_vote", transferee_gets_no_free_vote},
	{"transfer/wrong_targets", wrong_targets},
	{"transfer/best_target_is_picked", best_target_is_picked},
	{"transfer/another_target_replaces_the_first", another_target_replaces_the_first},
	{"transfer/removed_target_ends_the_transfer", removed_target_ends_the_transfer},
	{"transfer/deposed_leader_forgets_the_transfer", deposed_leader_forgets_the_transfer},
	{"transfer/follower_passes_the_wish_on", follower_passes_the_wish_on},
	{"transfer/old_timeout_now_is_ignored", old_timeout_now_is_ignored},
	{"transfer/messages_under_way_do_not_cancel_the_campaign", messages_under_way_do_not_cancel_the_campaign},
	{NULL, NULL}
};
