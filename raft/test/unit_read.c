/*-------------------------------------------------------------------------
 *
 * unit_read.c
 *	  Unit tests: reads.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/test/unit_read.c
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

static struct host *
reader(bool lease)
{
	struct raft_config cfg;
	struct host *h;

	host_config(&cfg, 1);
	cfg.check_quorum = lease;
	cfg.lease_reads = lease;
	h = host_new_cfg(&cfg, 3);
	host_tick(h, lease ? 10 : 0);
	return h;
}

static enum raft_rc
heartbeat_resp(struct host *h, raft_id from, uint64_t ctx, uint64_t echo)
{
	struct raft_msg m = {.type = RAFT_MSG_HEARTBEAT_RESP,.from = from,.ctx = ctx,
	.echo = echo};

	m.term = host_status(h).term;
	return host_msg(h, &m);
}

static void
read_needs_a_round_of_heartbeats(void)
{
	struct host *h = reader(false);

	host_elect(h);
	(void) host_ack(h, 2, 2);
	host_clear(h);
	CHECK_EQ(raft_read(h->r, 77), RAFT_OK);
	CHECK_EQ(h->n_reads, 0);
	host_pump(h);
	CHECK_EQ(host_count(h, RAFT_MSG_HEARTBEAT, 0), 2);
	CHECK_EQ(host_sent(h, RAFT_MSG_HEARTBEAT, 2)->ctx, 1);
	CHECK_EQ(h->n_reads, 0);
	(void) heartbeat_resp(h, 2, 1, 0);
	CHECK_EQ(h->n_reads, 1);
	CHECK_EQ(h->reads[0].ctx, 77);
	CHECK_EQ(h->reads[0].index, 2);
	CHECK_EQ(h->reads[0].rc, RAFT_OK);
	(void) heartbeat_resp(h, 3, 1, 0);
	CHECK_EQ(h->n_reads, 1);
	CHECK_EQ(host_status(h).pending_reads, 0);
}

static void
reads_of_one_loop_share_a_round(void)
{
	struct host *h = reader(false);
	int			i;

	host_elect(h);
	(void) host_ack(h, 2, 2);
	host_clear(h);
	for (i = 0; i < 20; i++)
		CHECK_EQ(raft_read(h->r, (uint64_t) i), RAFT_OK);
	host_pump(h);
	CHECK_EQ(host_count(h, RAFT_MSG_HEARTBEAT, 0), 2);
	(void) heartbeat_resp(h, 3, host_sent(h, RAFT_MSG_HEARTBEAT, 3)->ctx, 0);
	CHECK_EQ(h->n_reads, 20);
	CHECK_EQ(h->reads[19].ctx, 19);
}

static void
plain_heartbeats_confirm_nothing(void)
{
	struct host *h = reader(false);

	host_elect(h);
	(void) host_ack(h, 2, 2);
	CHECK_EQ(raft_read(h->r, 1), RAFT_OK);
	host_pump(h);
	(void) heartbeat_resp(h, 2, 0, 0);
	(void) heartbeat_resp(h, 3, 0, 0);
	(void) host_ack(h, 2, 2);
	CHECK_EQ(h->n_reads, 0);
}

/* A repeated request must not be confirmed by the answer to the first one. */
static void
late_answers_confirm_only_their_round(void)
{
	struct host *h = reader(false);

	host_elect(h);
	(void) host_ack(h, 2, 2);
	CHECK_EQ(raft_read(h->r, 5), RAFT_OK);
	host_pump(h);
	CHECK_EQ(host_propose(h, 10, NULL), RAFT_OK);
	(void) host_ack(h, 2, 3);
	CHECK_EQ(raft_read(h->r, 5), RAFT_OK);	/* same context again */
	host_pump(h);
	(void) heartbeat_resp(h, 2, 1, 0);	/* of the first round */
	CHECK_EQ(h->n_reads, 1);
	CHECK_EQ(h->reads[0].index, 2);
	(void) heartbeat_resp(h, 3, 1, 0);
	CHECK_EQ(h->n_reads, 1);
	(void) heartbeat_resp(h, 3, 2, 0);
	CHECK_EQ(h->n_reads, 2);
	CHECK_EQ(h->reads[1].index, 3);
}

static void
invented_rounds_confirm_nothing(void)
{
	struct host *h = reader(false);

	host_elect(h);
	(void) host_ack(h, 2, 2);
	(void) heartbeat_resp(h, 2, 1000, 0);
	CHECK_EQ(raft_read(h->r, 5), RAFT_OK);
	host_pump(h);
	CHECK_EQ(h->n_reads, 0);
}

static void
new_leader_reads_after_its_first_commit(void)
{
	struct host *h = reader(false);

	host_elect(h);
	CHECK_EQ(raft_read(h->r, 1), RAFT_OK);
	host_pump(h);
	CHECK_EQ(h->n_reads, 0);
	CHECK_EQ(host_status(h).pending_reads, 1);
	host_clear(h);
	(void) host_ack(h, 2, 2);
	CHECK_EQ(h->n_reads, 0);
	CHECK(host_sent(h, RAFT_MSG_HEARTBEAT, 2) != NULL);
	(void) heartbeat_resp(h, 2, host_sent(h, RAFT_MSG_HEARTBEAT, 2)->ctx, 0);
	CHECK_EQ(h->n_reads, 1);
	CHECK_EQ(h->reads[0].index, 2);
}

static void
single_voter_reads_at_once_after_its_first_commit(void)
{
	struct host *h = host_new(1, 1);

	h->hold_disk = true;
	(void) raft_campaign(h->r);
	host_pump(h);
	host_persist(h);
	CHECK_EQ(host_status(h).role, RAFT_LEADER);
	CHECK_EQ(raft_read(h->r, 9), RAFT_OK);
	host_pump(h);
	CHECK_EQ(h->n_reads, 0);
	host_persist(h);
	host_pump(h);
	CHECK_EQ(h->n_reads, 1);
	CHECK_EQ(h->reads[0].index, 2);
	CHECK_EQ(raft_read(h->r, 10), RAFT_OK);
	host_pump(h);
	CHECK_EQ(h->n_reads, 2);
}

static void
joint_configuration_confirms_by_both_halves(void)
{
	struct raft_config cfg;
	struct raft_conf conf = conf_of(3);
	struct host *h;

	conf.n_outgoing = 3;
	conf.outgoing[0] = 1;
	conf.outgoing[1] = 4;
	conf.outgoing[2] = 5;
	host_config(&cfg, 1);
	h = host_new_conf(&cfg, &conf);
	(void) raft_campaign(h->r);
	host_pump(h);
	(void) host_vote_resp(h, RAFT_MSG_VOTE_RESP, 2, 2, false);
	(void) host_vote_resp(h, RAFT_MSG_VOTE_RESP, 4, 2, false);
	(void) host_ack(h, 2, 2);
	(void) host_ack(h, 4, 2);
	CHECK_EQ(raft_read(h->r, 1), RAFT_OK);
	host_pump(h);
	(void) heartbeat_resp(h, 2, 1, 0);
	(void) heartbeat_resp(h, 3, 1, 0);
	CHECK_EQ(h->n_reads, 0);
	(void) heartbeat_resp(h, 5, 1, 0);
	CHECK_EQ(h->n_reads, 1);
}

static void
learner_confirms_nothing(void)
{
	struct raft_config cfg;
	struct raft_conf conf = conf_of(3);
	struct host *h;

	conf.learners[0] = 4;
	conf.n_learners = 1;
	host_config(&cfg, 1);
	h = host_new_conf(&cfg, &conf);
	host_elect(h);
	(void) host_ack(h, 2, 2);
	CHECK_EQ(raft_read(h->r, 1), RAFT_OK);
	host_pump(h);
	(void) heartbeat_resp(h, 4, 1, 0);
	CHECK_EQ(h->n_reads, 0);
	(void) heartbeat_resp(h, 2, 1, 0);
	CHECK_EQ(h->n_reads, 1);
}

static void
deposed_leader_fails_its_reads(void)
{
	struct host *h = reader(false);

	host_elect(h);
	CHECK_EQ(raft_read(h->r, 1), RAFT_OK);	/* postponed */
	(void) host_ack(h, 2, 2);
	CHECK_EQ(raft_read(h->r, 2), RAFT_OK);
	host_pump(h);
	(void) host_heartbeat(h, 2, 3, 0);
	CHECK_EQ(h->n_reads, 2);
	CHECK_EQ(h->reads[0].rc, RAFT_NO_LEADER);
	CHECK_EQ(h->reads[1].rc, RAFT_NO_LEADER);
	CHECK_EQ(host_status(h).pending_reads, 0);
}

static void
reads_are_bounded(void)
{
	struct raft_config cfg;
	struct host *h;

	host_config(&cfg, 1);
	cfg.max_pending_reads = 3;
	h = host_new_cfg(&cfg, 3);
	CHECK_EQ(raft_read(h->r, 1), RAFT_NO_LEADER);
	host_elect(h);
	CHECK_EQ(raft_read(h->r, 1), RAFT_OK);
	CHECK_EQ(raft_read(h->r, 2), RAFT_OK);
	CHECK_EQ(raft_read(h->r, 3), RAFT_OK);
	CHECK_EQ(raft_read(h->r, 4), RAFT_BUSY);
}

/* ---------- followers ---------- */

static void
follower_asks_the_leader(void)
{
	struct net *net = net_new(3);

	host_elect(net->h[0]);
	net_run(net);
	net_tick(net, 1);
	(void) host_propose(net->h[0], 10, NULL);
	net_run(net);
	CHECK_EQ(raft_read(net->h[2]->r, 42), RAFT_OK);
	net_run(net);
	CHECK_EQ(net->h[2]->n_reads, 1);
	CHECK_EQ(net->h[2]->reads[0].ctx, 42);
	CHECK_EQ(net->h[2]->reads[0].index, 3);
	CHECK_EQ(host_status(net->h[2]).pending_reads, 0);
	CHECK_EQ(host_status(net->h[0]).pending_reads, 0);
}

static void
unanswered_read_of_a_follower_is_given_up(void)
{
	struct host *h = host_new(1, 3);
	int			i;

	(void) host_heartbeat(h, 2, 2, 0);
	CHECK_EQ(raft_read(h->r, 8), RAFT_OK);
	host_pump(h);
	CHECK(host_sent(h, RAFT_MSG_READ_INDEX, 2) != NULL);
	for (i = 0; i < 9; i++)
	{
		host_tick(h, 1);
		(void) host_heartbeat(h, 2, 2, 0);
	}
	CHECK_EQ(h->n_reads, 0);
	host_tick(h, 1);
	CHECK_EQ(h->n_reads, 1);
	CHECK_EQ(h->reads[0].rc, RAFT_DROPPED);

	/* the answer that comes too late is not taken for another read */
	CHECK_EQ(raft_read(h->r, 8), RAFT_OK);
	host_pump(h);
	{
		struct raft_msg m = {.type = RAFT_MSG_READ_INDEX_RESP,.from = 2,.term = 2,.index = 1};

		m.ctx = host_sent(h, RAFT_MSG_READ_INDEX, 2)->ctx - 1;
		(void) host_msg(h, &m);
		CHECK_EQ(h->n_reads, 1);
		m.ctx++;
		(void) host_msg(h, &m);
	}
	CHECK_EQ(h->n_reads, 2);
	CHECK_EQ(h->reads[1].rc, RAFT_OK);
}

static void
follower_fails_reads_when_the_leader_changes(void)
{
	struct host *h = host_new(1, 3);

	(void) host_heartbeat(h, 2, 2, 0);
	CHECK_EQ(raft_read(h->r, 8), RAFT_OK);
	(void) host_heartbeat(h, 3, 3, 0);
	CHECK_EQ(h->n_reads, 1);
	CHECK_EQ(h->reads[0].rc, RAFT_NO_LEADER);
	CHECK_EQ(raft_read(h->r, 9), RAFT_OK);
	(void) raft_forget_leader(h->r);
	host_pump(h);
	CHECK_EQ(h->n_reads, 2);
	CHECK_EQ(raft_read(h->r, 9), RAFT_NO_LEADER);
}

static void
follower_does_not_answer_for_the_leader(void)
{
	struct host *h = host_new(1, 3);
	struct raft_msg m = {.type = RAFT_MSG_READ_INDEX,.from = 3,.ctx = 5};

	(void) host_heartbeat(h, 2, 2, 0);
	host_clear(h);
	CHECK_EQ(host_msg(h, &m), RAFT_NO_LEADER);
	CHECK_EQ(h->n_out, 0);
}

/* ---------- leases ---------- */

static void
lease_answers_without_a_round(void)
{
	struct host *h = reader(true);

	host_elect(h);
	(void) host_ack(h, 2, 2);
	host_tick(h, 1);
	CHECK_EQ(host_status(h).lease_ticks, 0);
	CHECK_EQ(host_status(h).quorum_echo_ticks, UINT32_MAX);
	(void) heartbeat_resp(h, 2, 0, host_sent(h, RAFT_MSG_HEARTBEAT, 2)->echo);
	CHECK_EQ(host_status(h).lease_ticks, 8);
	host_clear(h);
	CHECK_EQ(raft_read(h->r, 1), RAFT_OK);
	host_pump(h);
	CHECK_EQ(h->n_reads, 1);
	CHECK_EQ(host_count(h, RAFT_MSG_HEARTBEAT, 0), 0);
}

static void
lease_runs_from_when_the_heartbeat_was_sent(void)
{
	struct host *h = reader(true);
	uint64_t	echo;

	host_elect(h);
	(void) host_ack(h, 2, 2);
	host_tick(h, 1);
	echo = host_sent(h, RAFT_MSG_HEARTBEAT, 2)->echo;
	host_tick(h, 6);
	(void) heartbeat_resp(h, 2, 0, echo);	/* took 6 ticks */
	CHECK_EQ(host_status(h).lease_ticks, 2);
	CHECK_EQ(host_status(h).quorum_echo_ticks, 6);
	host_tick(h, 2);
	CHECK_EQ(host_status(h).lease_ticks, 0);
	CHECK_EQ(host_status(h).quorum_echo_ticks, 8);
	host_clear(h);
	CHECK_EQ(raft_read(h->r, 1), RAFT_OK);
	host_pump(h);
	CHECK_EQ(h->n_reads, 0);	/* back to a round */
	CHECK(host_sent(h, RAFT_MSG_HEARTBEAT, 2)->ctx > 0);

	/* nor does an answer from the future make one */
	(void) heartbeat_resp(h, 2, 0, 1000000);
	CHECK_EQ(host_status(h).lease_ticks, 0);
	CHECK_EQ(host_status(h).quorum_echo_ticks, 8);
}

static void
transfer_ends_the_lease(void)
{
	struct host *h = reader(true);

	host_elect(h);
	(void) host_ack(h, 2, 2);
	host_tick(h, 1);
	(void) heartbeat_resp(h, 2, 0, host_sent(h, RAFT_MSG_HEARTBEAT, 2)->echo);
	CHECK(host_status(h).lease_ticks > 0);
	CHECK_EQ(raft_transfer(h->r, 2), RAFT_OK);
	CHECK_EQ(host_status(h).lease_ticks, 0);
	host_tick(h, 11);			/* given up, but TIMEOUT_NOW may still arrive */
	CHECK_EQ(host_status(h).transferee, 0);
	(void) heartbeat_resp(h, 2, 0, host_sent(h, RAFT_MSG_HEARTBEAT, 2)->echo);
	CHECK_EQ(host_status(h).lease_ticks, 0);
}

static void
restarted_member_respects_leases_it_forgot(void)
{
	struct raft_config cfg;
	struct host *h;

	host_config(&cfg, 1);
	cfg.check_quorum = cfg.lease_reads = true;
	h = host_new_cfg(&cfg, 3);
	(void) host_vote(h, RAFT_MSG_VOTE, 2, 2, 1, 1);
	CHECK_EQ(h->n_out, 0);
	(void) raft_set_election_timeout(h->r, 100);
	host_tick(h, 10);
	(void) host_vote(h, RAFT_MSG_VOTE, 2, 2, 1, 1);
	CHECK(!host_sent(h, RAFT_MSG_VOTE_RESP, 2)->reject);
}

static void
lease_needs_quorum_checks(void)
{
	struct raft_config cfg;

	host_config(&cfg, 1);
	cfg.lease_reads = true;
	CHECK_EQ(raft_config_check(&cfg), RAFT_INVALID);
	cfg.check_quorum = true;
	CHECK_EQ(raft_config_check(&cfg), RAFT_OK);
	cfg.lease_margin_tick = 10;
	CHECK_EQ(raft_config_check(&cfg), RAFT_INVALID);
}

static void
leader_cannot_be_forgotten_with_leases(void)
{
	struct host *h = reader(true);

	(void) host_heartbeat(h, 2, 2, 0);
	CHECK_EQ(raft_forget_leader(h->r), RAFT_INVALID);
	CHECK_EQ(host_status(h).leader, 2);
}

static void
leader_knows_whether_it_still_leads(void)
{
	struct host *h = reader(true);

	host_elect(h);
	(void) host_ack(h, 2, 2);
	CHECK(host_status(h).quorum_active);
	host_tick(h, 9);
	CHECK(host_status(h).quorum_active);
	host_tick(h, 1);
	CHECK(!host_status(h).quorum_active);
	(void) heartbeat_resp(h, 3, 0, 0);
	CHECK(host_status(h).quorum_active);
}

const struct unit_test unit_read[] = {
	{"read/read_needs_a_round_of_heartbeats", read_needs_a_round_of_heartbeats},
	{"read/reads_of_one_loop_share_a_round", reads_of_one_loop_share_a_round},
	{"read/plain_heartbeats_confirm_nothing", plain_heartbeats_confirm_nothing},
	{"read/late_answers_confirm_only_their_round", late_answers_confirm_only_their_round},
	{"read/invented_rounds_confirm_nothing", invented_rounds_confirm_nothing},
	{"read/new_leader_reads_after_its_first_commit", new_leader_reads_after_its_first_commit},
	{"read/single_voter_reads_at_once_after_its_first_commit", single_voter_reads_at_once_after_its_first_commit},
	{"read/joint_configuration_confirms_by_both_halves", joint_configuration_confirms_by_both_halves},
	{"read/learner_confirms_nothing", learner_confirms_nothing},
	{"read/deposed_leader_fails_its_reads", deposed_leader_fails_its_reads},
	{"read/reads_are_bounded", reads_are_bounded},
	{"read/follower_asks_the_leader", follower_asks_the_leader},
	{"read/unanswered_read_of_a_follower_is_given_up", unanswered_read_of_a_follower_is_given_up},
	{"read/follower_fails_reads_when_the_leader_changes", follower_fails_reads_when_the_leader_changes},
	{"read/follower_does_not_answer_for_the_leader", follower_does_not_answer_for_the_leader},
	{"read/lease_answers_without_a_round", lease_answers_without_a_round},
	{"read/lease_runs_from_when_the_heartbeat_was_sent", lease_runs_from_when_the_heartbeat_was_sent},
	{"read/transfer_ends_the_lease", transfer_ends_the_lease},
	{"read/restarted_member_respects_leases_it_forgot", restarted_member_respects_leases_it_forgot},
	{"read/lease_needs_quorum_checks", lease_needs_quorum_checks},
	{"read/leader_cannot_be_forgotten_with_leases", leader_cannot_be_forgotten_with_leases},
	{"read/leader_knows_whether_it_still_leads", leader_knows_whether_it_still_leads},
	{NULL, NULL}
};
