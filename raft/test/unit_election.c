/*-------------------------------------------------------------------------
 *
 * unit_election.c
 *	  Unit tests: elections, votes and terms.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/test/unit_election.c
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

static struct host *
with(int voters, bool pre_vote, bool check_quorum)
{
	struct raft_config cfg;

	host_config(&cfg, 1);
	cfg.pre_vote = pre_vote;
	cfg.check_quorum = check_quorum;
	return host_new_cfg(&cfg, voters);
}

static void
starts_as_follower(void)
{
	struct host *h = host_new(1, 3);
	struct raft_status st = host_status(h);

	CHECK_EQ(st.role, RAFT_FOLLOWER);
	CHECK_EQ(st.term, 1);
	CHECK_EQ(st.leader, 0);
	CHECK(!raft_has_ready(h->r));
}

static void
times_out_and_campaigns(void)
{
	struct host *h = host_new(1, 3);
	uint32_t	timeout = host_status(h).election_timeout;

	CHECK(timeout >= 10 && timeout < 20);
	host_tick(h, (int) timeout - 1);
	CHECK_EQ(host_status(h).role, RAFT_FOLLOWER);
	host_tick(h, 1);
	CHECK_EQ(host_status(h).role, RAFT_CANDIDATE);
	CHECK_EQ(host_status(h).term, 2);
	CHECK_EQ(host_count(h, RAFT_MSG_VOTE, 0), 2);
	CHECK_EQ(host_sent(h, RAFT_MSG_VOTE, 2)->index, 1);
	CHECK_EQ(host_sent(h, RAFT_MSG_VOTE, 2)->log_term, 1);
}

static void
timeout_is_random_and_redrawn(void)
{
	bool		seen[20] = {false};
	int			distinct = 0;
	struct host *h = host_new(1, 3);
	int			i;

	for (i = 0; i < 200; i++)
	{
		uint32_t	t = host_status(h).election_timeout;

		CHECK(t >= 10 && t < 20);
		if (!seen[t])
			distinct++;
		seen[t] = true;
		CHECK_EQ(host_heartbeat(h, 2, (raft_term) i + 2, 0), RAFT_OK);
	}
	CHECK_EQ(distinct, 10);
}

static void
wins_with_a_majority(void)
{
	struct host *h = host_new(1, 5);

	CHECK_EQ(raft_campaign(h->r), RAFT_OK);
	host_pump(h);
	CHECK_EQ(host_vote_resp(h, RAFT_MSG_VOTE_RESP, 2, 2, false), RAFT_OK);
	CHECK_EQ(host_status(h).role, RAFT_CANDIDATE);
	CHECK_EQ(host_vote_resp(h, RAFT_MSG_VOTE_RESP, 3, 2, false), RAFT_OK);
	CHECK_EQ(host_status(h).role, RAFT_LEADER);
	CHECK_EQ(host_status(h).last, 2);
	CHECK_EQ(host_count(h, RAFT_MSG_APP, 0), 4);
}

static void
loses_with_a_majority_against(void)
{
	struct host *h = host_new(1, 3);

	(void) raft_campaign(h->r);
	host_pump(h);
	(void) host_vote_resp(h, RAFT_MSG_VOTE_RESP, 2, 2, true);
	CHECK_EQ(host_status(h).role, RAFT_CANDIDATE);
	(void) host_vote_resp(h, RAFT_MSG_VOTE_RESP, 3, 2, true);
	CHECK_EQ(host_status(h).role, RAFT_FOLLOWER);
	CHECK_EQ(host_status(h).vote, 1);
}

static void
vote_of_one_voter_counts_once(void)
{
	struct host *h = host_new(1, 5);
	int			i;

	(void) raft_campaign(h->r);
	host_pump(h);
	for (i = 0; i < 5; i++)
		(void) host_vote_resp(h, RAFT_MSG_VOTE_RESP, 2, 2, false);
	CHECK_EQ(host_status(h).role, RAFT_CANDIDATE);

	/* a refusal that comes first stays one */
	(void) host_vote_resp(h, RAFT_MSG_VOTE_RESP, 3, 2, true);
	(void) host_vote_resp(h, RAFT_MSG_VOTE_RESP, 3, 2, false);
	CHECK_EQ(host_status(h).role, RAFT_CANDIDATE);
}

static void
vote_of_an_earlier_term_does_not_count(void)
{
	struct host *h = host_new(1, 3);

	(void) raft_campaign(h->r);
	host_pump(h);
	(void) raft_campaign(h->r);
	host_pump(h);
	CHECK_EQ(host_status(h).term, 3);
	(void) host_vote_resp(h, RAFT_MSG_VOTE_RESP, 2, 2, false);
	CHECK_EQ(host_status(h).role, RAFT_CANDIDATE);
	(void) host_vote_resp(h, RAFT_MSG_VOTE_RESP, 2, 3, false);
	CHECK_EQ(host_status(h).role, RAFT_LEADER);
}

static void
vote_of_a_stranger_does_not_count(void)
{
	struct host *h = host_new(1, 3);

	(void) raft_campaign(h->r);
	host_pump(h);
	CHECK_EQ(host_vote_resp(h, RAFT_MSG_VOTE_RESP, 7, 2, false), RAFT_UNKNOWN_PEER);
	CHECK_EQ(host_status(h).role, RAFT_CANDIDATE);
}

static void
gives_one_vote_a_term(void)
{
	struct host *h = host_new(1, 3);

	(void) host_vote(h, RAFT_MSG_VOTE, 2, 2, 1, 1);
	CHECK(host_sent(h, RAFT_MSG_VOTE_RESP, 2) && !host_sent(h, RAFT_MSG_VOTE_RESP, 2)->reject);
	(void) host_vote(h, RAFT_MSG_VOTE, 3, 2, 1, 1);
	CHECK(host_sent(h, RAFT_MSG_VOTE_RESP, 3)->reject);

	/* the same candidate may ask again */
	host_clear(h);
	(void) host_vote(h, RAFT_MSG_VOTE, 2, 2, 1, 1);
	CHECK(!host_sent(h, RAFT_MSG_VOTE_RESP, 2)->reject);
	(void) host_vote(h, RAFT_MSG_VOTE, 3, 3, 1, 1);
	CHECK(!host_sent(h, RAFT_MSG_VOTE_RESP, 3)->reject);
	CHECK_EQ(host_status(h).vote, 3);
}

static void
vote_survives_a_restart(void)
{
	struct host *h = host_new(1, 3);

	(void) host_vote(h, RAFT_MSG_VOTE, 2, 2, 1, 1);
	CHECK(host_restart(h));
	CHECK_EQ(host_status(h).vote, 2);
	(void) host_vote(h, RAFT_MSG_VOTE, 3, 2, 1, 1);
	CHECK(host_sent(h, RAFT_MSG_VOTE_RESP, 3)->reject);
}

static void
vote_is_kept_when_a_leader_of_the_term_is_found(void)
{
	struct host *h = host_new(1, 3);

	(void) host_vote(h, RAFT_MSG_VOTE, 2, 2, 1, 1);
	(void) host_heartbeat(h, 3, 2, 0);
	CHECK_EQ(host_status(h).leader, 3);
	CHECK_EQ(host_status(h).vote, 2);
	(void) raft_forget_leader(h->r);
	(void) host_vote(h, RAFT_MSG_VOTE, 3, 2, 9, 2);
	CHECK(host_sent(h, RAFT_MSG_VOTE_RESP, 3)->reject);
}

static void
vote_is_cleared_by_a_new_term_only(void)
{
	struct host *h = host_new(1, 3);

	(void) host_vote(h, RAFT_MSG_VOTE, 2, 2, 1, 1);
	(void) host_heartbeat(h, 3, 3, 0);
	CHECK_EQ(host_status(h).vote, 0);
	CHECK_EQ(host_status(h).term, 3);
}

static void
votes_only_for_logs_up_to_date(void)
{
	static const struct
	{
		raft_index	last;
		raft_term	term;
		bool		granted;
	}			cases[] = {
		{4, 3, true}, {5, 3, true}, {3, 3, false}, {100, 2, false}, {1, 4, true},
		{4, 2, false}, {4, 4, true}
	};
	size_t		i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		struct host *h = host_new(1, 3);

		/* log: 2 2 3 at 2 .. 4 */
		CHECK_EQ(host_append(h, 2, 3, 1, 1, 0, "223"), RAFT_OK);
		(void) raft_forget_leader(h->r);
		(void) host_vote(h, RAFT_MSG_VOTE, 3, 4, cases[i].last, cases[i].term);
		CHECK_EQ(host_sent(h, RAFT_MSG_VOTE_RESP, 3)->reject, !cases[i].granted);
	}
}

static void
higher_term_deposes(void)
{
	struct host *h = host_new(1, 3);

	host_elect(h);
	CHECK_EQ(host_status(h).role, RAFT_LEADER);
	(void) host_heartbeat(h, 2, 5, 0);
	CHECK_EQ(host_status(h).role, RAFT_FOLLOWER);
	CHECK_EQ(host_status(h).term, 5);
	CHECK_EQ(host_status(h).leader, 2);
}

static void
lower_term_changes_nothing(void)
{
	struct host *h = host_new(1, 3);

	(void) host_heartbeat(h, 2, 5, 0);
	host_clear(h);
	CHECK_EQ(host_append(h, 3, 4, 1, 1, 2, "4"), RAFT_OK);
	CHECK_EQ(host_status(h).last, 1);
	CHECK_EQ(h->n_out, 1);		/* tells its sender the term, no more */
	CHECK_EQ(host_sent(h, RAFT_MSG_APP_RESP, 3)->term, 5);
	CHECK_EQ(host_sent(h, RAFT_MSG_APP_RESP, 3)->index, 0);
	CHECK_EQ(host_status(h).leader, 2);
}

/* With leases a deposed leader must learn the term, or it never steps down. */
static void
stale_leader_is_answered_with_leases(void)
{
	struct host *h = with(3, false, true);

	(void) host_heartbeat(h, 2, 5, 0);
	host_clear(h);
	(void) host_heartbeat(h, 3, 4, 0);
	CHECK(host_sent(h, RAFT_MSG_APP_RESP, 3) != NULL);
	CHECK_EQ(host_sent(h, RAFT_MSG_APP_RESP, 3)->term, 5);
	CHECK_EQ(host_sent(h, RAFT_MSG_APP_RESP, 3)->index, 0);
}

static void
candidate_yields_to_the_leader_of_its_term(void)
{
	struct host *h = host_new(1, 3);

	(void) raft_campaign(h->r);
	host_pump(h);
	CHECK_EQ(host_append(h, 2, 2, 1, 1, 0, "2"), RAFT_OK);
	CHECK_EQ(host_status(h).role, RAFT_FOLLOWER);
	CHECK_EQ(host_status(h).leader, 2);
	CHECK_EQ(host_status(h).last, 2);
	CHECK_EQ(host_status(h).vote, 1);
}

static void
single_voter_waits_for_its_disk(void)
{
	struct host *h = host_new(1, 1);

	h->hold_disk = true;
	(void) raft_campaign(h->r);
	host_pump(h);
	CHECK_EQ(host_status(h).role, RAFT_CANDIDATE);
	host_persist(h);
	CHECK_EQ(host_status(h).role, RAFT_LEADER);
	host_pump(h);
	CHECK_EQ(host_status(h).commit, 1);
	host_persist(h);
	CHECK_EQ(host_status(h).commit, 2);
}

static void
own_vote_counts_only_when_durable(void)
{
	struct host *h = host_new(1, 3);

	h->hold_disk = true;
	(void) raft_campaign(h->r);
	host_pump(h);
	(void) host_vote_resp(h, RAFT_MSG_VOTE_RESP, 2, 2, false);
	CHECK_EQ(host_status(h).role, RAFT_CANDIDATE);
	host_persist(h);
	CHECK_EQ(host_status(h).role, RAFT_LEADER);
}

/*
 * Or a crash could make it a candidate of the same term again, with less of a
 * log, and it would count the votes that were given to the longer one.
 */
static void
votes_are_asked_for_when_the_candidacy_is_durable(void)
{
	struct host *h = host_new(1, 3);

	h->hold_disk = true;
	(void) host_append(h, 2, 2, 1, 1, 1, "22");
	(void) raft_campaign(h->r);
	host_pump(h);
	CHECK_EQ(host_count(h, RAFT_MSG_VOTE, 0), 0);
	host_persist(h);
	host_pump(h);
	CHECK_EQ(host_count(h, RAFT_MSG_VOTE, 0), 2);
	CHECK_EQ(host_sent(h, RAFT_MSG_VOTE, 2)->index, 3);

	/* and not at all when the candidacy is over by then */
	host_clear(h);
	(void) raft_campaign(h->r);
	host_pump(h);
	(void) host_heartbeat(h, 3, 9, 0);
	host_persist(h);
	host_pump(h);
	CHECK_EQ(host_count(h, RAFT_MSG_VOTE, 0), 0);
}

static void
vote_leaves_only_when_durable(void)
{
	struct host *h = host_new(1, 3);

	h->hold_disk = true;
	(void) host_vote(h, RAFT_MSG_VOTE, 2, 2, 1, 1);
	CHECK_EQ(host_count(h, RAFT_MSG_VOTE_RESP, 2), 0);
	host_persist(h);
	host_pump(h);
	CHECK_EQ(host_count(h, RAFT_MSG_VOTE_RESP, 2), 1);
}

/* A crash before the vote is durable: nobody got it, so another may. */
static void
undurable_vote_may_be_given_again(void)
{
	struct host *h = host_new(1, 3);

	h->hold_disk = true;
	(void) host_vote(h, RAFT_MSG_VOTE, 2, 2, 1, 1);
	CHECK_EQ(host_count(h, RAFT_MSG_VOTE_RESP, 0), 0);
	CHECK(host_restart(h));
	h->hold_disk = false;
	(void) host_vote(h, RAFT_MSG_VOTE, 3, 2, 1, 1);
	CHECK(!host_sent(h, RAFT_MSG_VOTE_RESP, 3)->reject);
}

/* The entries that a vote was refused or given by count as if durable. */
static void
vote_goes_by_the_log_in_memory(void)
{
	struct host *h = host_new(1, 3);

	h->hold_disk = true;
	(void) host_append(h, 2, 2, 1, 1, 0, "22");
	(void) raft_forget_leader(h->r);
	(void) host_vote(h, RAFT_MSG_VOTE, 3, 3, 2, 2);
	host_persist(h);
	host_pump(h);
	CHECK(host_sent(h, RAFT_MSG_VOTE_RESP, 3)->reject);
}

/* ---------- pre-vote ---------- */

static void
pre_vote_changes_nothing(void)
{
	struct host *h = with(3, true, false);

	(void) raft_campaign(h->r);
	host_pump(h);
	CHECK_EQ(host_status(h).role, RAFT_PRE_CANDIDATE);
	CHECK_EQ(host_status(h).term, 1);
	CHECK_EQ(host_status(h).vote, 0);
	CHECK_EQ(host_sent(h, RAFT_MSG_PRE_VOTE, 2)->term, 2);
	CHECK_EQ(h->n_writes, 0);
}

static void
pre_vote_answer_carries_the_asked_term(void)
{
	struct host *h = with(3, true, false);

	(void) host_vote(h, RAFT_MSG_PRE_VOTE, 2, 9, 1, 1);
	CHECK(!host_sent(h, RAFT_MSG_PRE_VOTE_RESP, 2)->reject);
	CHECK_EQ(host_sent(h, RAFT_MSG_PRE_VOTE_RESP, 2)->term, 9);
	CHECK_EQ(host_status(h).term, 1);
	CHECK_EQ(host_status(h).vote, 0);

	/* and it promises nothing: another may get it too */
	(void) host_vote(h, RAFT_MSG_PRE_VOTE, 3, 9, 1, 1);
	CHECK(!host_sent(h, RAFT_MSG_PRE_VOTE_RESP, 3)->reject);
}

static void
pre_vote_of_a_lower_term_is_refused_with_ours(void)
{
	struct host *h = with(3, true, false);

	(void) host_heartbeat(h, 2, 5, 0);
	(void) raft_forget_leader(h->r);
	(void) host_vote(h, RAFT_MSG_PRE_VOTE, 3, 3, 100, 2);
	CHECK(host_sent(h, RAFT_MSG_PRE_VOTE_RESP, 3) != NULL);
	CHECK(host_sent(h, RAFT_MSG_PRE_VOTE_RESP, 3)->reject);
	CHECK_EQ(host_sent(h, RAFT_MSG_PRE_VOTE_RESP, 3)->term, 5);
}

static void
refused_pre_candidate_takes_the_higher_term(void)
{
	struct host *h = with(3, true, false);

	(void) raft_campaign(h->r);
	host_pump(h);
	(void) host_vote_resp(h, RAFT_MSG_PRE_VOTE_RESP, 2, 7, true);
	CHECK_EQ(host_status(h).role, RAFT_FOLLOWER);
	CHECK_EQ(host_status(h).term, 7);
}

static void
pre_candidate_forgets_its_leader_and_votes(void)
{
	struct host *h = with(3, true, false);

	(void) host_heartbeat(h, 2, 2, 0);
	host_tick(h, 20);
	CHECK_EQ(host_status(h).role, RAFT_PRE_CANDIDATE);
	CHECK_EQ(host_status(h).leader, 0);
	(void) host_vote_resp(h, RAFT_MSG_PRE_VOTE_RESP, 2, 2, true);
	host_tick(h, 20);			/* asks again: the refusal is forgotten */
	CHECK_EQ(host_status(h).role, RAFT_PRE_CANDIDATE);
	(void) host_vote_resp(h, RAFT_MSG_PRE_VOTE_RESP, 2, 3, false);
	CHECK_EQ(host_status(h).role, RAFT_CANDIDATE);
	CHECK_EQ(host_status(h).term, 3);
}

static void
stale_pre_votes_do_not_elect(void)
{
	struct host *h = with(3, true, false);

	(void) raft_campaign(h->r);
	host_pump(h);
	(void) host_vote_resp(h, RAFT_MSG_PRE_VOTE_RESP, 2, 2, false);
	CHECK_EQ(host_status(h).role, RAFT_CANDIDATE);
	(void) host_vote_resp(h, RAFT_MSG_PRE_VOTE_RESP, 3, 2, false);
	CHECK_EQ(host_status(h).role, RAFT_CANDIDATE);
	(void) host_vote_resp(h, RAFT_MSG_VOTE_RESP, 3, 2, false);
	CHECK_EQ(host_status(h).role, RAFT_LEADER);
}

/* ---------- leases ---------- */

static void
follower_of_a_live_leader_ignores_votes(void)
{
	struct host *h = with(3, true, true);

	(void) host_heartbeat(h, 2, 2, 0);
	host_clear(h);
	(void) host_vote(h, RAFT_MSG_VOTE, 3, 9, 100, 8);
	(void) host_vote(h, RAFT_MSG_PRE_VOTE, 3, 9, 100, 8);
	CHECK_EQ(h->n_out, 0);
	CHECK_EQ(host_status(h).term, 2);

	/* a transfer is exempt */
	{
		struct raft_msg m = {.type = RAFT_MSG_VOTE,.from = 3,.term = 3,.index = 100,
		.log_term = 2,.force = true};

		(void) host_msg(h, &m);
		CHECK(!host_sent(h, RAFT_MSG_VOTE_RESP, 3)->reject);
	}
}

static void
lease_ends_with_silence(void)
{
	struct host *h = with(3, true, true);

	(void) host_heartbeat(h, 2, 2, 0);
	(void) raft_set_election_timeout(h->r, 19);
	host_tick(h, 10);
	host_clear(h);
	(void) host_vote(h, RAFT_MSG_VOTE, 3, 9, 100, 8);
	CHECK(!host_sent(h, RAFT_MSG_VOTE_RESP, 3)->reject);
}

static void
leader_itself_keeps_its_lease(void)
{
	struct host *h = with(3, true, true);

	host_elect(h);
	host_clear(h);
	(void) host_vote(h, RAFT_MSG_VOTE, 3, 9, 100, 8);
	(void) host_vote(h, RAFT_MSG_PRE_VOTE, 3, 9, 100, 8);
	CHECK_EQ(host_status(h).role, RAFT_LEADER);
	CHECK_EQ(h->n_out, 0);
}

static void
leader_without_quorum_steps_down(void)
{
	struct host *h = with(3, false, true);
	int			i;

	host_elect(h);
	for (i = 0; i < 3; i++)
	{
		host_tick(h, 9);
		(void) host_ack(h, 2, 2);
		host_tick(h, 1);
	}
	CHECK_EQ(host_status(h).role, RAFT_LEADER);
	CHECK(host_status(h).quorum_active);
	host_tick(h, 10);
	CHECK(!host_status(h).quorum_active || host_status(h).role == RAFT_FOLLOWER);
	host_tick(h, 10);
	CHECK_EQ(host_status(h).role, RAFT_FOLLOWER);
	CHECK_EQ(host_status(h).leader, 0);
}

static void
isolated_member_does_not_disturb(void)
{
	struct net *net = net_new(3);
	int			i;

	for (i = 0; i < 3; i++)
	{
		net->h[i]->cfg.pre_vote = net->h[i]->cfg.check_quorum = true;
		CHECK(host_restart(net->h[i]));
	}
	host_elect(net->h[0]);
	net_run(net);
	net_tick(net, 2);
	CHECK_EQ(net_leader(net), 1);
	net_isolate(net, 3);
	net_tick(net, 100);
	CHECK_EQ(host_status(net->h[2]).role, RAFT_PRE_CANDIDATE);
	net_heal(net);
	net_tick(net, 30);
	CHECK_EQ(net_leader(net), 1);
	CHECK_EQ(host_status(net->h[0]).term, host_status(net->h[2]).term);
	CHECK_EQ(host_status(net->h[0]).term, 2);
	CHECK(net_agrees(net));
}

static void
cautious(struct raft_config *cfg)
{
	cfg->pre_vote = true;
	cfg->check_quorum = true;
}

static void
leases_only(struct raft_config *cfg)
{
	cfg->check_quorum = true;
}

/* Without pre-vote it comes back with a higher term: one disruption, then calm. */
static void
isolated_candidate_is_freed_by_an_answer(void)
{
	struct net *net = net_new_cfg(3, leases_only);
	raft_term	term;

	host_elect(net->h[0]);
	net_run(net);
	net_isolate(net, 3);
	net_tick(net, 60);
	term = host_status(net->h[2]).term;
	CHECK(term > 2);
	net_heal(net);
	net_tick(net, 100);
	CHECK(net_leader(net) != 0);
	CHECK(host_status(net->h[(int) net_leader(net) - 1]).term <= term + 2);
	CHECK(net_agrees(net));
}

/* A member that hears the leader only in one direction deposes nobody for ever. */
static void
partly_connected_members(void)
{
	struct net *net = net_new_cfg(5, cautious);
	raft_id		leader;

	host_elect(net->h[0]);
	net_run(net);
	net->cut[0][4] = true;		/* 5 hears all but the leader */
	net_tick(net, 200);
	leader = net_leader(net);
	CHECK(leader != 0);
	CHECK_EQ(leader, 1);
	CHECK_EQ(host_status(net->h[0]).term, 2);
}

static void
leadership_returns_under_pre_vote(void)
{
	struct net *net = net_new_cfg(3, cautious);

	host_elect(net->h[0]);
	net_run(net);
	net_isolate(net, 1);
	net_tick(net, 60);
	CHECK(net_leader(net) != 1 && net_leader(net) != 0);
	net_heal(net);
	net_tick(net, 30);
	net_isolate(net, net_leader(net));
	net_tick(net, 60);
	CHECK(net_leader(net) != 0);
	net_heal(net);
	net_tick(net, 60);
	CHECK(net_agrees(net));
}

/* Members that moved to pre-vote with different terms and logs still elect. */
static void
mixed_terms_do_not_deadlock(void)
{
	struct net *net = net_new_cfg(3, cautious);

	host_elect(net->h[0]);
	net_run(net);
	(void) host_propose(net->h[0], 10, NULL);
	net_run(net);
	net->h[0]->disk.term = 2;
	net->h[2]->disk.term = 9;	/* ran without pre-vote in a partition */
	net->h[2]->disk.vote = 3;
	CHECK(host_restart(net->h[0]) && host_restart(net->h[1]) && host_restart(net->h[2]));
	net_tick(net, 100);
	CHECK(net_leader(net) != 0);
	CHECK(net_agrees(net));
}

/* ---------- who may not campaign ---------- */

static void
learner_does_not_campaign_but_votes(void)
{
	struct raft_config cfg;
	struct raft_conf conf = conf_of(3);
	struct host *h;

	conf.n_voters = 2;
	conf.voters[0] = 2;
	conf.voters[1] = 3;
	conf.learners[0] = 1;
	conf.n_learners = 1;
	host_config(&cfg, 1);
	h = host_new_conf(&cfg, &conf);
	CHECK_EQ(raft_campaign(h->r), RAFT_INVALID);
	host_tick(h, 100);
	CHECK_EQ(host_status(h).role, RAFT_FOLLOWER);
	(void) host_vote(h, RAFT_MSG_VOTE, 2, 2, 1, 1);
	CHECK(!host_sent(h, RAFT_MSG_VOTE_RESP, 2)->reject);
}

static void
stranger_does_not_campaign(void)
{
	struct raft_config cfg;
	struct raft_conf conf = conf_of(3);
	struct host *h;

	host_config(&cfg, 9);
	h = host_new_conf(&cfg, &conf);
	CHECK_EQ(raft_campaign(h->r), RAFT_INVALID);
	host_tick(h, 100);
	CHECK_EQ(host_status(h).role, RAFT_FOLLOWER);
	memset(&conf, 0, sizeof(conf));
	h = host_new_conf(&cfg, &conf);
	host_tick(h, 100);
	CHECK_EQ(host_status(h).term, 0);
}

static void
unapplied_conf_change_forbids_a_campaign(void)
{
	struct host *h = host_new(1, 3);
	struct raft_entry e[1] = {{.term = 2,.type = RAFT_ENTRY_CONF,.size = 1}};
	struct raft_msg m = {.type = RAFT_MSG_APP,.from = 2,.to = 1,.term = 2,.index = 1,
	.log_term = 1,.commit = 2,.n_entries = 1};

	e[0].data = change_of("v4", RAFT_TRANSITION_AUTO);
	h->hold_apply = true;
	CHECK_EQ(raft_step(h->r, &m, e), RAFT_OK);
	host_pump(h);
	CHECK_EQ(host_status(h).commit, 2);
	CHECK_EQ(raft_campaign(h->r), RAFT_DROPPED);
	host_tick(h, 100);
	CHECK_EQ(host_status(h).role, RAFT_FOLLOWER);
	host_apply(h);
	CHECK_EQ(host_conf(h).n_voters, 4);
	CHECK_EQ(raft_campaign(h->r), RAFT_OK);
}

static void
uncommitted_conf_change_does_not(void)
{
	struct host *h = host_new(1, 3);
	struct raft_entry e[1] = {{.term = 2,.type = RAFT_ENTRY_CONF,.size = 1}};
	struct raft_msg m = {.type = RAFT_MSG_APP,.from = 2,.to = 1,.term = 2,.index = 1,
	.log_term = 1,.commit = 1,.n_entries = 1};

	e[0].data = change_of("v4", RAFT_TRANSITION_AUTO);
	CHECK_EQ(raft_step(h->r, &m, e), RAFT_OK);
	host_pump(h);
	CHECK_EQ(raft_campaign(h->r), RAFT_OK);
}

/* ---------- votes that carry the commit index ---------- */

static void
voter_learns_the_commit_index_from_a_candidate(void)
{
	struct host *h = host_new(1, 3);
	struct raft_msg m = {.type = RAFT_MSG_VOTE,.from = 3,.term = 3,.index = 1,
	.log_term = 1,.commit = 3,.commit_term = 2};

	(void) host_append(h, 2, 2, 1, 1, 1, "222");
	CHECK_EQ(host_status(h).commit, 1);
	(void) host_msg(h, &m);
	CHECK_EQ(host_status(h).commit, 3);

	/* only where the logs agree */
	m.commit = 4;
	m.commit_term = 3;
	m.term = 4;
	(void) host_msg(h, &m);
	CHECK_EQ(host_status(h).commit, 3);
}

static void
candidate_learns_it_from_a_refusal_and_steps_aside(void)
{
	struct host *h = host_new(1, 3);
	struct raft_entry e[1] = {{.term = 2,.type = RAFT_ENTRY_CONF,.size = 1}};
	struct raft_msg app = {.type = RAFT_MSG_APP,.from = 2,.to = 1,.term = 2,.index = 1,
	.log_term = 1,.commit = 1,.n_entries = 1};
	struct raft_msg resp = {.type = RAFT_MSG_VOTE_RESP,.from = 3,.term = 3,.reject = true,
	.commit = 2,.commit_term = 2};

	e[0].data = change_of("v4", RAFT_TRANSITION_AUTO);
	CHECK_EQ(raft_step(h->r, &app, e), RAFT_OK);
	host_pump(h);
	h->hold_apply = true;
	CHECK_EQ(raft_campaign(h->r), RAFT_OK);
	host_pump(h);
	CHECK_EQ(host_status(h).role, RAFT_CANDIDATE);
	(void) host_msg(h, &resp);
	CHECK_EQ(host_status(h).commit, 2);
	CHECK_EQ(host_status(h).role, RAFT_FOLLOWER);
	host_apply(h);
	CHECK_EQ(host_conf(h).n_voters, 4);
}

static void
refusal_tells_the_commit_index(void)
{
	struct host *h = host_new(1, 3);

	(void) host_append(h, 2, 2, 1, 1, 2, "22");
	(void) raft_forget_leader(h->r);
	(void) host_vote(h, RAFT_MSG_VOTE, 3, 3, 1, 1);
	CHECK(host_sent(h, RAFT_MSG_VOTE_RESP, 3)->reject);
	CHECK_EQ(host_sent(h, RAFT_MSG_VOTE_RESP, 3)->commit, 2);
	CHECK_EQ(host_sent(h, RAFT_MSG_VOTE_RESP, 3)->commit_term, 2);
}

/* ---------- priority, silence ---------- */

static void
priority_yields_to_a_longer_log_only(void)
{
	struct raft_config cfg;
	struct host *h;

	host_config(&cfg, 1);
	cfg.priority = 5;
	h = host_new_cfg(&cfg, 3);
	(void) host_vote(h, RAFT_MSG_VOTE, 2, 2, 1, 1);
	CHECK(host_sent(h, RAFT_MSG_VOTE_RESP, 2)->reject);
	(void) host_vote(h, RAFT_MSG_VOTE, 3, 3, 2, 1);
	CHECK(!host_sent(h, RAFT_MSG_VOTE_RESP, 3)->reject);
}

static void
forgotten_leader_frees_the_vote(void)
{
	struct host *h = with(3, true, true);

	(void) host_heartbeat(h, 2, 2, 0);
	CHECK_EQ(raft_forget_leader(h->r), RAFT_OK);
	CHECK_EQ(host_status(h).leader, 0);
	(void) host_vote(h, RAFT_MSG_PRE_VOTE, 3, 3, 1, 1);
	CHECK(!host_sent(h, RAFT_MSG_PRE_VOTE_RESP, 3)->reject);
	host_elect(h);
	CHECK_EQ(raft_forget_leader(h->r), RAFT_OK);
	CHECK_EQ(host_status(h).leader, 1);
}

static void
silence_of_the_leader_is_counted(void)
{
	struct host *h = host_new(1, 3);

	(void) host_heartbeat(h, 2, 2, 0);
	(void) raft_set_election_timeout(h->r, 1000);
	host_tick(h, 7);
	CHECK_EQ(host_status(h).leader_silent_ticks, 7);
	(void) host_heartbeat(h, 2, 2, 0);
	CHECK_EQ(host_status(h).leader_silent_ticks, 0);
}

/* A heartbeat resets the election timer; a refused vote does not. */
static void
election_timer(void)
{
	struct host *h = host_new(1, 3);
	int			i;

	for (i = 0; i < 20; i++)
	{
		(void) host_heartbeat(h, 2, 2, 0);
		host_tick(h, 9);
		CHECK_EQ(host_status(h).role, RAFT_FOLLOWER);
	}
	CHECK_EQ(host_append(h, 2, 2, 1, 1, 0, "2"), RAFT_OK);
	CHECK_EQ(host_status(h).election_elapsed, 0);
	host_tick(h, 5);
	(void) raft_forget_leader(h->r);
	(void) host_vote(h, RAFT_MSG_VOTE, 3, 2, 1, 1);
	CHECK(host_sent(h, RAFT_MSG_VOTE_RESP, 3)->reject);
	CHECK_EQ(host_status(h).election_elapsed, 5);
	(void) host_vote(h, RAFT_MSG_VOTE, 3, 2, 2, 2);
	CHECK_EQ(host_status(h).election_elapsed, 0);
}

const struct unit_test unit_election[] = {
	{"election/starts_as_follower", starts_as_follower},
	{"election/times_out_and_campaigns", times_out_and_campaigns},
	{"election/timeout_is_random_and_redrawn", timeout_is_random_and_redrawn},
	{"election/wins_with_a_majority", wins_with_a_majority},
	{"election/loses_with_a_majority_against", loses_with_a_majority_against},
	{"election/vote_of_one_voter_counts_once", vote_of_one_voter_counts_once},
	{"election/vote_of_an_earlier_term_does_not_count", vote_of_an_earlier_term_does_not_count},
	{"election/vote_of_a_stranger_does_not_count", vote_of_a_stranger_does_not_count},
	{"election/gives_one_vote_a_term", gives_one_vote_a_term},
	{"election/vote_survives_a_restart", vote_survives_a_restart},
	{"election/vote_is_kept_when_a_leader_of_the_term_is_found", vote_is_kept_when_a_leader_of_the_term_is_found},
	{"election/vote_is_cleared_by_a_new_term_only", vote_is_cleared_by_a_new_term_only},
	{"election/votes_only_for_logs_up_to_date", votes_only_for_logs_up_to_date},
	{"election/higher_term_deposes", higher_term_deposes},
	{"election/lower_term_changes_nothing", lower_term_changes_nothing},
	{"election/stale_leader_is_answered_with_leases", stale_leader_is_answered_with_leases},
	{"election/candidate_yields_to_the_leader_of_its_term", candidate_yields_to_the_leader_of_its_term},
	{"election/single_voter_waits_for_its_disk", single_voter_waits_for_its_disk},
	{"election/own_vote_counts_only_when_durable", own_vote_counts_only_when_durable},
	{"election/votes_are_asked_for_when_the_candidacy_is_durable", votes_are_asked_for_when_the_candidacy_is_durable},
	{"election/vote_leaves_only_when_durable", vote_leaves_only_when_durable},
	{"election/undurable_vote_may_be_given_again", undurable_vote_may_be_given_again},
	{"election/vote_goes_by_the_log_in_memory", vote_goes_by_the_log_in_memory},
	{"election/pre_vote_changes_nothing", pre_vote_changes_nothing},
	{"election/pre_vote_answer_carries_the_asked_term", pre_vote_answer_carries_the_asked_term},
	{"election/pre_vote_of_a_lower_term_is_refused_with_ours", pre_vote_of_a_lower_term_is_refused_with_ours},
	{"election/refused_pre_candidate_takes_the_higher_term", refused_pre_candidate_takes_the_higher_term},
	{"election/pre_candidate_forgets_its_leader_and_votes", pre_candidate_forgets_its_leader_and_votes},
	{"election/stale_pre_votes_do_not_elect", stale_pre_votes_do_not_elect},
	{"election/follower_of_a_live_leader_ignores_votes", follower_of_a_live_leader_ignores_votes},
	{"election/lease_ends_with_silence", lease_ends_with_silence},
	{"election/leader_itself_keeps_its_lease", leader_itself_keeps_its_lease},
	{"election/leader_without_quorum_steps_down", leader_without_quorum_steps_down},
	{"election/isolated_member_does_not_disturb", isolated_member_does_not_disturb},
	{"election/isolated_candidate_is_freed_by_an_answer", isolated_candidate_is_freed_by_an_answer},
	{"election/partly_connected_members", partly_connected_members},
	{"election/leadership_returns_under_pre_vote", leadership_returns_under_pre_vote},
	{"election/mixed_terms_do_not_deadlock", mixed_terms_do_not_deadlock},
	{"election/learner_does_not_campaign_but_votes", learner_does_not_campaign_but_votes},
	{"election/stranger_does_not_campaign", stranger_does_not_campaign},
	{"election/unapplied_conf_change_forbids_a_campaign", unapplied_conf_change_forbids_a_campaign},
	{"election/uncommitted_conf_change_does_not", uncommitted_conf_change_does_not},
	{"election/voter_learns_the_commit_index_from_a_candidate", voter_learns_the_commit_index_from_a_candidate},
	{"election/candidate_learns_it_from_a_refusal_and_steps_aside", candidate_learns_it_from_a_refusal_and_steps_aside},
	{"election/refusal_tells_the_commit_index", refusal_tells_the_commit_index},
	{"election/priority_yields_to_a_longer_log_only", priority_yields_to_a_longer_log_only},
	{"election/forgotten_leader_frees_the_vote", forgotten_leader_frees_the_vote},
	{"election/silence_of_the_leader_is_counted", silence_of_the_leader_is_counted},
	{"election/election_timer", election_timer},
	{NULL, NULL}
};
