/*-------------------------------------------------------------------------
 *
 * unit_member.c
 *	  Unit tests: changes of the configuration on instances.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/test/unit_member.c
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

/* A leader of three whose first entry is committed. */
static struct host *
leader_of_three(void)
{
	struct host *h = host_new(1, 3);

	host_elect(h);
	(void) host_ack(h, 2, 2);
	host_clear(h);
	return h;
}

static void
change_waits_for_the_first_entry_of_the_term(void)
{
	struct host *h = host_new(1, 3);
	const struct raft_conf_change *cc = change_of("v4", RAFT_TRANSITION_AUTO);

	h->hold_apply = true;
	(void) host_append(h, 2, 2, 1, 1, 1, "2");
	(void) raft_forget_leader(h->r);
	host_elect(h);
	CHECK_EQ(host_status(h).pending_conf, 2);
	CHECK_EQ(host_change(h, cc, NULL), RAFT_BUSY);
	(void) host_ack(h, 2, 3);
	CHECK_EQ(host_change(h, cc, NULL), RAFT_BUSY);
	host_apply(h);
	CHECK_EQ(host_change(h, cc, NULL), RAFT_OK);
}

static void
one_change_at_a_time(void)
{
	struct host *h = leader_of_three();
	raft_index	index = 0;

	CHECK_EQ(host_change(h, change_of("v4", RAFT_TRANSITION_AUTO), &index), RAFT_OK);
	CHECK_EQ(index, 3);
	CHECK_EQ(host_status(h).pending_conf, 3);
	CHECK_EQ(host_change(h, change_of("v5", RAFT_TRANSITION_AUTO), &index), RAFT_BUSY);
	CHECK_EQ(index, 0);
	CHECK_EQ(host_status(h).last, 3);
	(void) host_ack(h, 2, 3);
	CHECK_EQ(host_conf(h).n_voters, 4);
	CHECK_EQ(host_change(h, change_of("v5", RAFT_TRANSITION_AUTO), NULL), RAFT_OK);
}

static void
two_changes_in_one_batch(void)
{
	struct host *h = leader_of_three();
	struct raft_entry e[2];

	memset(e, 0, sizeof(e));
	e[0].type = e[1].type = RAFT_ENTRY_CONF;
	e[0].change = change_of("v4", RAFT_TRANSITION_AUTO);
	e[1].change = change_of("v5", RAFT_TRANSITION_AUTO);
	CHECK_EQ(raft_propose(h->r, e, 2, NULL), RAFT_BUSY);
	CHECK_EQ(host_status(h).last, 2);
	CHECK_EQ(host_status(h).pending_conf, 1);
	CHECK_EQ(raft_propose(h->r, e, 1, NULL), RAFT_OK);
}

static void
pending_index_is_exact_in_a_batch(void)
{
	struct host *h = leader_of_three();
	struct raft_entry e[3];

	memset(e, 0, sizeof(e));
	e[1].type = RAFT_ENTRY_CONF;
	e[1].change = change_of("v4", RAFT_TRANSITION_AUTO);
	CHECK_EQ(raft_propose(h->r, e, 3, NULL), RAFT_OK);
	CHECK_EQ(host_status(h).pending_conf, 4);
}

static void
impossible_change_is_refused(void)
{
	struct host *h = leader_of_three();

	CHECK_EQ(host_change(h, NULL, NULL), RAFT_BUSY);	/* not joint */
	CHECK_EQ(host_change(h, change_of("r1 r2 r3", RAFT_TRANSITION_AUTO), NULL), RAFT_INVALID);
	CHECK_EQ(host_status(h).last, 2);
	CHECK_EQ(raft_propose_conf(h->r, change_of("v4", (enum raft_transition) 7), NULL, 0, NULL),
			 RAFT_INVALID);
}

static void
change_takes_effect_at_apply(void)
{
	struct host *h = leader_of_three();

	h->hold_apply = true;
	CHECK_EQ(host_change(h, change_of("v4", RAFT_TRANSITION_AUTO), NULL), RAFT_OK);
	(void) host_ack(h, 2, 3);
	CHECK_EQ(host_status(h).commit, 3);
	CHECK_EQ(host_conf(h).n_voters, 3);
	host_apply(h);
	CHECK_EQ(host_conf(h).n_voters, 4);
	CHECK_EQ(host_peer(h, 4).id, 4);
	CHECK(host_peer(h, 4).recent_active);

	/* from now on three of four are needed */
	h->hold_apply = false;
	(void) host_propose(h, 10, NULL);
	(void) host_ack(h, 2, 4);
	CHECK_EQ(host_status(h).commit, 3);
	(void) host_ack(h, 3, 4);
	CHECK_EQ(host_status(h).commit, 4);
}

static void
learner_does_not_count(void)
{
	struct host *h = leader_of_three();

	CHECK_EQ(host_change(h, change_of("l4", RAFT_TRANSITION_AUTO), NULL), RAFT_OK);
	(void) host_ack(h, 2, 3);
	CHECK_EQ(host_conf(h).n_learners, 1);
	(void) host_propose(h, 10, NULL);
	(void) host_ack(h, 4, 4);
	CHECK_EQ(host_status(h).commit, 3);
	(void) host_ack(h, 3, 4);
	CHECK_EQ(host_status(h).commit, 4);
	CHECK(host_peer(h, 4).learner);
}

static void
learner_does_not_hold_the_quorum(void)
{
	struct raft_config cfg;
	struct raft_conf conf = conf_of(2);
	struct host *h;

	conf.learners[0] = 3;
	conf.n_learners = 1;
	host_config(&cfg, 1);
	cfg.check_quorum = true;
	h = host_new_conf(&cfg, &conf);
	host_elect(h);
	CHECK_EQ(host_status(h).role, RAFT_LEADER);
	host_tick(h, 10);
	(void) host_ack(h, 3, 2);
	host_tick(h, 10);
	CHECK_EQ(host_status(h).role, RAFT_FOLLOWER);
}

static void
smaller_quorum_commits_at_once(void)
{
	struct host *h = host_new(1, 5);

	host_elect(h);
	(void) host_ack(h, 2, 2);
	(void) host_ack(h, 3, 2);
	CHECK_EQ(host_change(h, change_of("r5", RAFT_TRANSITION_AUTO), NULL), RAFT_OK);
	(void) host_ack(h, 2, 3);
	(void) host_ack(h, 3, 3);
	CHECK_EQ(host_change(h, change_of("r4", RAFT_TRANSITION_AUTO), NULL), RAFT_OK);
	(void) host_propose(h, 10, NULL);
	(void) host_ack(h, 2, 5);
	CHECK_EQ(host_status(h).commit, 3);
	(void) host_ack(h, 3, 4);	/* removes 4: 2 of 3 are enough for 5 */
	CHECK_EQ(host_conf(h).n_voters, 3);
	CHECK_EQ(host_status(h).commit, 5);
}

static void
joint_configuration_needs_both_majorities(void)
{
	struct host *h = leader_of_three();

	CHECK_EQ(host_change(h, change_of("v4 v5 r2 r3", RAFT_TRANSITION_EXPLICIT), NULL), RAFT_OK);
	(void) host_ack(h, 2, 3);
	CHECK(host_status(h).joint);
	(void) host_propose(h, 10, NULL);
	(void) host_ack(h, 4, 4);
	(void) host_ack(h, 5, 4);
	CHECK_EQ(host_status(h).commit, 3);
	(void) host_ack(h, 3, 4);
	CHECK_EQ(host_status(h).commit, 4);
	CHECK_EQ(host_change(h, change_of("v6", RAFT_TRANSITION_AUTO), NULL), RAFT_BUSY);
	CHECK_EQ(host_change(h, NULL, NULL), RAFT_OK);
	(void) host_ack(h, 4, 5);
	(void) host_ack(h, 2, 5);
	CHECK(!host_status(h).joint);
	CHECK_EQ(host_conf(h).n_voters, 3);
	CHECK_EQ(host_peer(h, 2).id, 0);
}

static void
joint_configuration_is_left_once(void)
{
	struct host *h = leader_of_three();
	raft_index	last;

	CHECK_EQ(host_change(h, change_of("v4 r3", RAFT_TRANSITION_AUTO), NULL), RAFT_OK);
	(void) host_ack(h, 2, 3);
	CHECK(host_status(h).joint);
	last = host_status(h).last;
	CHECK_EQ(last, 4);			/* the leave is proposed */
	CHECK_EQ(h->mem.log[4].type, RAFT_ENTRY_CONF);
	CHECK_EQ(h->mem.log[4].size, 0);
	(void) host_propose(h, 10, NULL);
	(void) host_propose(h, 10, NULL);
	(void) host_ack(h, 2, 3);
	CHECK_EQ(host_status(h).last, 6);
	(void) host_ack(h, 2, 4);
	(void) host_ack(h, 4, 4);
	CHECK(!host_status(h).joint);
	CHECK_EQ(host_status(h).last, 6);
}

static void
new_leader_leaves_the_joint_configuration(void)
{
	struct net *net = net_new(3);
	struct raft_config cfg;

	host_elect(net->h[0]);
	net_run(net);
	host_config(&cfg, 4);
	net_add(net, &cfg);
	net_isolate(net, 4);
	CHECK_EQ(host_change(net->h[0], change_of("v4 l3", RAFT_TRANSITION_EXPLICIT), NULL), RAFT_OK);
	net_run(net);
	CHECK(host_status(net->h[1]).joint);
	net->h[0]->mem.conf.auto_leave = true;	/* as if it were implicit */
	net->h[1]->mem.conf.auto_leave = net->h[1]->disk.conf.auto_leave = true;
	net_isolate(net, 1);
	CHECK(host_restart(net->h[1]));
	CHECK(host_conf(net->h[1]).auto_leave);
	net_heal(net);
	net_isolate(net, 1);
	(void) raft_campaign(net->h[1]->r);
	net_run(net);
	net_tick(net, 30);
	CHECK_EQ(net_leader(net), 2);
	CHECK(!host_status(net->h[1]).joint);
	CHECK_EQ(host_conf(net->h[1]).learners[0], 3);
}

static void
leave_after_a_failed_transfer(void)
{
	struct host *h = leader_of_three();

	h->hold_apply = true;
	CHECK_EQ(host_change(h, change_of("v4 r3", RAFT_TRANSITION_AUTO), NULL), RAFT_OK);
	(void) host_ack(h, 2, 3);
	CHECK_EQ(raft_transfer(h->r, 3), RAFT_OK);
	host_apply(h);
	host_pump(h);
	CHECK(host_status(h).joint);
	CHECK_EQ(host_status(h).last, 3);	/* refused during the transfer */
	host_tick(h, 10);
	CHECK_EQ(host_status(h).transferee, 0);
	h->hold_apply = false;
	(void) host_propose(h, 1, NULL);
	(void) host_ack(h, 2, 4);
	(void) host_ack(h, 4, 4);
	CHECK_EQ(host_status(h).last, 5);
	(void) host_ack(h, 2, 5);
	(void) host_ack(h, 4, 5);
	CHECK(!host_status(h).joint);
}

static void
removed_leader_steps_down_when_it_is_applied(void)
{
	struct host *h = leader_of_three();
	size_t		before;

	CHECK_EQ(host_change(h, change_of("r1", RAFT_TRANSITION_AUTO), NULL), RAFT_OK);
	CHECK_EQ(host_status(h).role, RAFT_LEADER);
	(void) host_ack(h, 2, 3);
	CHECK_EQ(host_status(h).commit, 3);
	CHECK_EQ(host_status(h).role, RAFT_FOLLOWER);
	CHECK(!host_status(h).member);
	before = h->n_out;
	host_tick(h, 200);
	CHECK_EQ(h->n_out, before); /* harmless: no heartbeat, no campaign */
	CHECK_EQ(host_propose(h, 1, NULL), RAFT_NO_LEADER);
}

static void
removed_leader_may_be_told_to_go_on(void)
{
	struct raft_config cfg;
	struct host *h;

	host_config(&cfg, 1);
	cfg.step_down_on_removal = false;
	h = host_new_cfg(&cfg, 3);
	host_elect(h);
	(void) host_ack(h, 2, 2);
	CHECK_EQ(host_change(h, change_of("r1", RAFT_TRANSITION_AUTO), NULL), RAFT_OK);
	(void) host_ack(h, 2, 3);
	CHECK_EQ(host_status(h).role, RAFT_LEADER);
	CHECK_EQ(host_propose(h, 1, NULL), RAFT_DROPPED);
	CHECK_EQ(raft_check(h->r), RAFT_OK);
}

static void
demoted_leader_steps_down(void)
{
	struct host *h = leader_of_three();

	CHECK_EQ(host_change(h, change_of("l1", RAFT_TRANSITION_AUTO), NULL), RAFT_OK);
	(void) host_ack(h, 2, 3);
	CHECK_EQ(host_status(h).role, RAFT_FOLLOWER);
	CHECK(host_status(h).learner);
	CHECK_EQ(raft_campaign(h->r), RAFT_INVALID);
}

/* The message of a leader that no longer counts itself: its log is not in the quorum. */
static void
leader_that_removes_itself_does_not_count_itself(void)
{
	struct raft_config cfg;
	struct raft_conf conf = conf_of(3);
	struct host *h;

	host_config(&cfg, 1);
	cfg.step_down_on_removal = false;
	conf.n_outgoing = 0;
	h = host_new_conf(&cfg, &conf);
	host_elect(h);
	(void) host_ack(h, 2, 2);
	CHECK_EQ(host_change(h, change_of("r1", RAFT_TRANSITION_AUTO), NULL), RAFT_OK);
	(void) host_ack(h, 2, 3);
	CHECK(!host_status(h).member);
	CHECK_EQ(host_conf(h).n_voters, 2);
}

static void
demotion_through_learners_next_keeps_progress(void)
{
	struct host *h = leader_of_three();

	(void) host_ack(h, 3, 2);
	CHECK_EQ(host_change(h, change_of("l3 v4", RAFT_TRANSITION_EXPLICIT), NULL), RAFT_OK);
	(void) host_ack(h, 2, 3);
	(void) host_ack(h, 3, 3);
	CHECK_EQ(host_conf(h).n_learners_next, 1);
	CHECK_EQ(host_peer(h, 3).match, 3);
	CHECK(!host_peer(h, 3).learner);
	CHECK_EQ(host_change(h, NULL, NULL), RAFT_OK);
	(void) host_ack(h, 2, 4);
	(void) host_ack(h, 4, 4);
	CHECK(host_peer(h, 3).learner);
	CHECK_EQ(host_peer(h, 3).match, 3);
}

static void
cancelled_change_changes_nothing(void)
{
	struct host *h = leader_of_three();
	raft_index	index;

	h->hold_apply = true;
	CHECK_EQ(host_change(h, change_of("v4", RAFT_TRANSITION_AUTO), &index), RAFT_OK);
	CHECK_EQ(raft_cancel_conf(h->r, index), RAFT_INVALID);	/* not handed out yet */
	(void) host_ack(h, 2, 3);
	CHECK_EQ(raft_applied(h->r, index), RAFT_INVALID);	/* not answered yet */
	CHECK_EQ(raft_cancel_conf(h->r, 2), RAFT_INVALID);	/* no conf entry */
	CHECK_EQ(raft_cancel_conf(h->r, index), RAFT_OK);
	CHECK_EQ(raft_cancel_conf(h->r, index), RAFT_INVALID);	/* twice */
	CHECK_EQ(raft_applied(h->r, index), RAFT_OK);
	CHECK_EQ(host_conf(h).n_voters, 3);
	CHECK_EQ(host_change(h, change_of("v5", RAFT_TRANSITION_AUTO), NULL), RAFT_OK);
}

/* A change that became impossible: the host hears of it and cancels. */
static void
impossible_change_at_apply(void)
{
	struct raft_config cfg;
	struct host *h;

	host_config(&cfg, 1);
	cfg.no_conf_validation = true;
	h = host_new_cfg(&cfg, 3);
	host_elect(h);
	(void) host_ack(h, 2, 2);
	CHECK_EQ(host_change(h, change_of("r1 r2 r3", RAFT_TRANSITION_AUTO), NULL), RAFT_OK);
	(void) host_ack(h, 2, 3);
	CHECK_EQ(host_status(h).applied, 3);
	CHECK_EQ(host_conf(h).n_voters, 3);
	CHECK(!host_status(h).joint);
	CHECK(!h->fatal);
}

static void
new_member_gets_everything(void)
{
	struct net *net = net_new(3);
	struct raft_config cfg;
	int			i;

	host_elect(net->h[0]);
	net_run(net);
	for (i = 0; i < 20; i++)
		(void) host_propose(net->h[0], 10, NULL);
	net_run(net);
	host_config(&cfg, 4);
	net_add(net, &cfg);
	CHECK_EQ(host_change(net->h[0], change_of("l4", RAFT_TRANSITION_AUTO), NULL), RAFT_OK);
	net_run(net);
	net_tick(net, 5);
	CHECK(net_agrees(net));
	CHECK_EQ(host_conf(net->h[3]).n_learners, 1);
	CHECK_EQ(host_change(net->h[0], change_of("v4", RAFT_TRANSITION_AUTO), NULL), RAFT_OK);
	net_run(net);
	net_tick(net, 2);
	CHECK_EQ(host_conf(net->h[3]).n_voters, 4);
	net_isolate(net, 1);
	net_isolate(net, 1);
	net_tick(net, 60);
	CHECK(net_leader(net) > 1);
	net_heal(net);
	net_tick(net, 30);
	CHECK(net_agrees(net));
}

static void
readded_member_with_an_empty_disk(void)
{
	struct net *net = net_new(3);
	struct raft_config cfg;
	int			i;

	host_elect(net->h[0]);
	net_run(net);
	for (i = 0; i < 10; i++)
		(void) host_propose(net->h[0], 10, NULL);
	net_run(net);
	CHECK_EQ(host_change(net->h[0], change_of("r3", RAFT_TRANSITION_AUTO), NULL), RAFT_OK);
	net_run(net);
	host_config(&cfg, 3);
	net_add(net, &cfg);
	CHECK_EQ(host_change(net->h[0], change_of("v3", RAFT_TRANSITION_AUTO), NULL), RAFT_OK);
	net_run(net);
	net_tick(net, 5);
	CHECK(net_agrees(net));
	CHECK(!host_status(net->h[2]).log_lost);
	CHECK_EQ(host_status(net->h[2]).applied, host_status(net->h[0]).applied);
}

static void
removed_member_does_not_disturb(void)
{
	struct net *net = net_new(3);
	raft_term	term;
	int			i;

	for (i = 0; i < 3; i++)
	{
		net->h[i]->cfg.pre_vote = net->h[i]->cfg.check_quorum = true;
		CHECK(host_restart(net->h[i]));
	}
	host_elect(net->h[0]);
	net_run(net);
	net_isolate(net, 3);		/* it never learns of its removal */
	CHECK_EQ(host_change(net->h[0], change_of("r3", RAFT_TRANSITION_AUTO), NULL), RAFT_OK);
	net_run(net);
	CHECK_EQ(host_conf(net->h[1]).n_voters, 2);
	term = host_status(net->h[0]).term;
	net_heal(net);
	net_tick(net, 200);
	CHECK_EQ(net_leader(net), 1);
	CHECK_EQ(host_status(net->h[0]).term, term);
}

static void
members_restart_with_the_configuration_of_their_state(void)
{
	struct host *h = leader_of_three();

	CHECK_EQ(host_change(h, change_of("v4", RAFT_TRANSITION_AUTO), NULL), RAFT_OK);
	CHECK(host_restart(h));		/* the entry is in the log, not committed */
	CHECK_EQ(host_conf(h).n_voters, 3);
	CHECK_EQ(host_status(h).last, 3);
	host_elect(h);
	CHECK_EQ(host_status(h).pending_conf, 3);
	(void) host_ack(h, 2, 4);
	CHECK_EQ(host_conf(h).n_voters, 4);
	CHECK(host_restart(h));
	CHECK_EQ(host_conf(h).n_voters, 4);
}

/* The tally is made for each half, not over the union. */
static void
election_needs_both_halves(void)
{
	struct raft_config cfg;
	struct raft_conf conf;
	struct host *h;

	memset(&conf, 0, sizeof(conf));
	conf.n_voters = 3;
	conf.voters[0] = 1;
	conf.voters[1] = 2;
	conf.voters[2] = 3;
	conf.n_outgoing = 3;
	conf.outgoing[0] = 1;
	conf.outgoing[1] = 4;
	conf.outgoing[2] = 5;
	host_config(&cfg, 1);
	h = host_new_conf(&cfg, &conf);
	(void) raft_campaign(h->r);
	host_pump(h);
	CHECK_EQ(host_count(h, RAFT_MSG_VOTE, 0), 4);
	(void) host_vote_resp(h, RAFT_MSG_VOTE_RESP, 2, 2, false);
	(void) host_vote_resp(h, RAFT_MSG_VOTE_RESP, 3, 2, false);
	CHECK_EQ(host_status(h).role, RAFT_CANDIDATE);
	(void) host_vote_resp(h, RAFT_MSG_VOTE_RESP, 4, 2, false);
	CHECK_EQ(host_status(h).role, RAFT_LEADER);
}

/*
 * A joint change is committed but only one member knows; it is the one with
 * the shorter log.  Without the commit index in votes neither can win.
 */
static void
joint_change_known_to_one_does_not_block_elections(void)
{
	struct host *h = host_new(2, 2);
	struct raft_entry e[2] = {{.term = 2,.type = RAFT_ENTRY_CONF,.size = 1}, {.term = 2}};
	struct raft_msg m = {.type = RAFT_MSG_APP,.from = 1,.to = 2,.term = 2,.index = 1,
	.log_term = 1,.commit = 1,.n_entries = 2};
	struct raft_msg vote = {.type = RAFT_MSG_VOTE,.from = 1,.term = 4,.index = 2,
	.log_term = 2,.commit = 2,.commit_term = 2};

	e[0].data = change_of("v3 v4", RAFT_TRANSITION_AUTO);
	CHECK_EQ(raft_step(h->r, &m, e), RAFT_OK);
	host_pump(h);
	CHECK_EQ(host_status(h).commit, 1);
	CHECK(!host_status(h).joint);
	(void) host_msg(h, &vote);
	CHECK(host_sent(h, RAFT_MSG_VOTE_RESP, 1)->reject);
	CHECK_EQ(host_status(h).commit, 2);
	CHECK(host_status(h).joint);
}

const struct unit_test unit_member[] = {
	{"member/change_waits_for_the_first_entry_of_the_term", change_waits_for_the_first_entry_of_the_term},
	{"member/one_change_at_a_time", one_change_at_a_time},
	{"member/two_changes_in_one_batch", two_changes_in_one_batch},
	{"member/pending_index_is_exact_in_a_batch", pending_index_is_exact_in_a_batch},
	{"member/impossible_change_is_refused", impossible_change_is_refused},
	{"member/change_takes_effect_at_apply", change_takes_effect_at_apply},
	{"member/learner_does_not_count", learner_does_not_count},
	{"member/learner_does_not_hold_the_quorum", learner_does_not_hold_the_quorum},
	{"member/smaller_quorum_commits_at_once", smaller_quorum_commits_at_once},
	{"member/joint_configuration_needs_both_majorities", joint_configuration_needs_both_majorities},
	{"member/joint_configuration_is_left_once", joint_configuration_is_left_once},
	{"member/new_leader_leaves_the_joint_configuration", new_leader_leaves_the_joint_configuration},
	{"member/leave_after_a_failed_transfer", leave_after_a_failed_transfer},
	{"member/removed_leader_steps_down_when_it_is_applied", removed_leader_steps_down_when_it_is_applied},
	{"member/removed_leader_may_be_told_to_go_on", removed_leader_may_be_told_to_go_on},
	{"member/demoted_leader_steps_down", demoted_leader_steps_down},
	{"member/leader_that_removes_itself_does_not_count_itself", leader_that_removes_itself_does_not_count_itself},
	{"member/demotion_through_learners_next_keeps_progress", demotion_through_learners_next_keeps_progress},
	{"member/cancelled_change_changes_nothing", cancelled_change_changes_nothing},
	{"member/impossible_change_at_apply", impossible_change_at_apply},
	{"member/new_member_gets_everything", new_member_gets_everything},
	{"member/readded_member_with_an_empty_disk", readded_member_with_an_empty_disk},
	{"member/removed_member_does_not_disturb", removed_member_does_not_disturb},
	{"member/members_restart_with_the_configuration_of_their_state", members_restart_with_the_configuration_of_their_state},
	{"member/election_needs_both_halves", election_needs_both_halves},
	{"member/joint_change_known_to_one_does_not_block_elections", joint_change_known_to_one_does_not_block_elections},
	{NULL, NULL}
};
