/*-------------------------------------------------------------------------
 *
 * unit_snapshot.c
 *	  Unit tests: snapshots and compaction.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/test/unit_snapshot.c
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

static struct raft_msg
snap_msg(struct raft_snap *snap, raft_id from, raft_term term, raft_index index,
		 raft_term snap_term, int voters)
{
	struct raft_msg m = {.type = RAFT_MSG_SNAP,.from = from,.term = term};

	memset(snap, 0, sizeof(*snap));
	snap->index = index;
	snap->term = snap_term;
	snap->conf = conf_of(voters);
	m.snap = snap;
	return m;
}

/* A leader whose log starts at 12, with 2 probed and 3 up to date. */
static struct host *
compacted_leader(void)
{
	struct host *h = host_new(1, 3);
	int			i;

	host_elect(h);
	for (i = 0; i < 18; i++)
		(void) host_propose(h, 10, NULL);
	(void) host_ack(h, 3, 2);
	(void) host_ack(h, 3, 20);
	(void) raft_compact(h->r, 11);
	h->mem.base = h->disk.base = 11;
	h->mem.base_term = h->disk.base_term = 2;
	host_clear(h);
	return h;
}

static void
snapshot_replaces_log_and_state(void)
{
	struct host *h = host_new(1, 3);
	struct raft_snap snap;
	struct raft_msg m = snap_msg(&snap, 2, 4, 10, 3, 4);

	(void) host_append(h, 2, 2, 1, 1, 1, "22");
	host_clear(h);
	(void) host_msg(h, &m);
	CHECK_EQ(host_status(h).last, 10);
	CHECK_EQ(host_status(h).commit, 10);
	CHECK_EQ(host_status(h).applied, 10);
	CHECK_EQ(host_status(h).first, 11);
	CHECK_EQ(h->disk.base, 10);
	CHECK_EQ(host_conf(h).n_voters, 4);
	CHECK_EQ(host_sent(h, RAFT_MSG_APP_RESP, 2)->index, 10);

	/* the next entries follow */
	(void) host_append(h, 2, 4, 10, 3, 12, "44");
	CHECK_EQ(host_status(h).applied, 12);
}

static void
install_is_acknowledged_when_durable(void)
{
	struct host *h = host_new(1, 3);
	struct raft_snap snap;
	struct raft_msg m = snap_msg(&snap, 2, 4, 10, 3, 3);

	h->hold_disk = true;
	(void) host_msg(h, &m);
	CHECK_EQ(h->n_writes, 1);
	CHECK(h->writes[0].install);
	CHECK_EQ(host_count(h, RAFT_MSG_APP_RESP, 2), 0);
	CHECK_EQ(host_status(h).applied, 1);
	CHECK(!host_status(h).promotable);
	host_persist(h);
	host_pump(h);
	CHECK_EQ(host_count(h, RAFT_MSG_APP_RESP, 2), 1);
	CHECK_EQ(host_status(h).applied, 10);
	CHECK(host_status(h).promotable);
}

static void
entries_behind_an_install_wait_for_it(void)
{
	struct host *h = host_new(1, 3);
	struct raft_snap snap;
	struct raft_msg m = snap_msg(&snap, 2, 4, 10, 3, 3);

	h->hold_disk = true;
	(void) host_msg(h, &m);
	(void) host_append(h, 2, 4, 10, 3, 12, "44");
	CHECK_EQ(host_status(h).commit, 12);
	CHECK_EQ(h->apply_hi, 10);
	host_persist(h);
	host_pump(h);
	host_persist(h);
	CHECK_EQ(host_status(h).applied, 12);
	CHECK_EQ(h->disk.last, 12);
}

/* A snapshot is written alone, and no write has a commit index too early. */
static void
install_and_entries_are_two_writes(void)
{
	struct host *h = host_new(1, 3);
	struct raft_snap snap;
	struct raft_msg m = snap_msg(&snap, 2, 4, 10, 3, 3);
	struct raft_entry e[2] = {{.term = 4}, {.term = 4}};
	struct raft_msg app = {.type = RAFT_MSG_APP,.from = 2,.to = 1,.term = 4,.index = 10,
	.log_term = 3,.commit = 12,.n_entries = 2};

	m.to = 1;
	CHECK_EQ(raft_step(h->r, &m, NULL), RAFT_OK);
	CHECK_EQ(raft_step(h->r, &app, e), RAFT_OK);	/* too early: as if lost */
	CHECK_EQ(host_status(h).last, 10);
	h->hold_disk = true;
	host_pump(h);
	CHECK_EQ(h->n_writes, 1);
	CHECK(h->writes[0].install);
	CHECK_EQ(h->writes[0].n, 0);
	CHECK_EQ(h->writes[0].commit, 1);
	CHECK_EQ(raft_step(h->r, &app, e), RAFT_OK);
	host_pump(h);
	CHECK(h->n_writes >= 2);
	CHECK_EQ(h->writes[1].n, 2);
	CHECK_EQ(h->writes[1].commit, 10);
	CHECK_EQ(host_status(h).commit, 12);
	CHECK_EQ(host_count(h, RAFT_MSG_APP_RESP, 2), 0);
	host_persist_to(h, h->writes[0].seq);
	host_pump(h);
	CHECK_EQ(host_sent(h, RAFT_MSG_APP_RESP, 2)->index, 10);
	CHECK_EQ(host_status(h).applied, 10);
	host_persist(h);
	host_pump(h);
	CHECK_EQ(host_status(h).applied, 12);
	CHECK_EQ(h->mem.commit, 12);
}

static void
old_snapshot_is_refused(void)
{
	struct host *h = host_new(1, 3);
	struct raft_snap snap;
	struct raft_msg m = snap_msg(&snap, 2, 2, 3, 2, 3);

	(void) host_append(h, 2, 2, 1, 1, 5, "2222");
	host_clear(h);
	(void) host_msg(h, &m);
	CHECK_EQ(host_status(h).last, 5);
	CHECK_EQ(host_status(h).commit, 5);
	CHECK_EQ(host_sent(h, RAFT_MSG_APP_RESP, 2)->index, 5);
}

static void
snapshot_the_log_has_only_commits(void)
{
	struct host *h = host_new(1, 3);
	struct raft_snap snap;
	struct raft_msg m = snap_msg(&snap, 2, 2, 3, 2, 3);

	(void) host_append(h, 2, 2, 1, 1, 1, "2222");
	host_clear(h);
	(void) host_msg(h, &m);
	CHECK_EQ(host_status(h).last, 5);
	CHECK_EQ(host_status(h).commit, 3);
	CHECK_EQ(host_status(h).first, 2);
	CHECK_EQ(host_sent(h, RAFT_MSG_APP_RESP, 2)->index, 3);
}

static void
snapshot_changes_neither_term_nor_vote(void)
{
	struct host *h = host_new(1, 3);
	struct raft_snap snap;
	struct raft_msg m = snap_msg(&snap, 3, 5, 10, 2, 3);

	(void) host_vote(h, RAFT_MSG_VOTE, 2, 5, 9, 9);
	CHECK_EQ(host_status(h).vote, 2);
	(void) host_msg(h, &m);
	CHECK_EQ(host_status(h).last, 10);
	CHECK_EQ(host_status(h).term, 5);
	CHECK_EQ(host_status(h).vote, 2);
	CHECK_EQ(h->disk.vote, 2);
	CHECK(host_restart(h));
	CHECK_EQ(host_status(h).last_term, 2);
	CHECK_EQ(host_status(h).term, 5);
}

static void
snapshot_without_us_is_refused(void)
{
	struct host *h = host_new(1, 3);
	struct raft_snap snap;
	struct raft_msg m = snap_msg(&snap, 2, 4, 10, 3, 3);

	snap.conf.voters[0] = 7;
	(void) host_msg(h, &m);
	CHECK_EQ(host_status(h).last, 1);
	CHECK_EQ(host_sent(h, RAFT_MSG_APP_RESP, 2)->index, 1);
	snap.conf = conf_of(3);
	snap.conf.voters[1] = 1;	/* contradicts itself */
	(void) host_msg(h, &m);
	CHECK_EQ(host_status(h).last, 1);
}

static void
newer_snapshot_overtakes_one_under_way(void)
{
	struct host *h = host_new(1, 3);
	struct raft_snap a;
	struct raft_snap b;
	struct raft_msg first = snap_msg(&a, 2, 4, 10, 3, 3);
	struct raft_msg second = snap_msg(&b, 2, 4, 20, 4, 4);

	h->hold_disk = true;
	(void) host_msg(h, &first);
	(void) host_msg(h, &second);
	CHECK_EQ(h->n_writes, 2);
	host_persist_to(h, h->writes[0].seq);
	CHECK(!host_status(h).promotable);
	CHECK_EQ(host_status(h).applied, 10);
	host_persist(h);
	host_pump(h);
	CHECK_EQ(host_status(h).applied, 20);
	CHECK_EQ(host_conf(h).n_voters, 4);
	CHECK(!h->fatal);
}

static void
joint_configuration_survives_snapshot_and_restart(void)
{
	struct host *h = host_new(1, 3);
	struct raft_snap snap;
	struct raft_msg m = snap_msg(&snap, 2, 4, 10, 3, 3);

	snap.conf.n_outgoing = 2;
	snap.conf.outgoing[0] = 2;
	snap.conf.outgoing[1] = 5;
	snap.conf.learners_next[0] = 5;
	snap.conf.n_learners_next = 1;
	snap.conf.auto_leave = true;
	(void) host_msg(h, &m);
	CHECK(host_status(h).joint);
	CHECK(host_restart(h));
	CHECK(host_status(h).joint);
	CHECK(host_conf(h).auto_leave);
	CHECK_EQ(host_conf(h).learners_next[0], 5);
	CHECK_EQ(raft_check(h->r), RAFT_OK);
}

/* A conf entry handed out before a snapshot arrived does not undo its configuration. */
static void
late_conf_apply_does_not_change_the_new_configuration(void)
{
	struct host *h = host_new(1, 3);
	struct raft_entry e[1] = {{.term = 2,.type = RAFT_ENTRY_CONF,.size = 1}};
	struct raft_msg app = {.type = RAFT_MSG_APP,.from = 2,.to = 1,.term = 2,.index = 1,
	.log_term = 1,.commit = 2,.n_entries = 1};
	struct raft_snap snap;
	struct raft_msg m = snap_msg(&snap, 2, 4, 10, 3, 5);
	struct raft_conf conf;
	const struct raft_conf_change *cc = change_of("v4", RAFT_TRANSITION_AUTO);

	e[0].data = cc;
	h->hold_apply = true;
	CHECK_EQ(raft_step(h->r, &app, e), RAFT_OK);
	host_pump(h);
	CHECK_EQ(h->apply_hi, 2);
	h->hold_disk = true;
	(void) host_msg(h, &m);
	CHECK_EQ(raft_apply_conf(h->r, 2, cc, &conf), RAFT_OK);
	CHECK_EQ(conf.n_voters, 4);
	CHECK_EQ(host_conf(h).n_voters, 5);
	CHECK_EQ(raft_applied(h->r, 2), RAFT_OK);
	host_persist(h);
	CHECK_EQ(host_status(h).applied, 10);
	CHECK_EQ(raft_apply_conf(h->r, 2, cc, &conf), RAFT_INVALID);
	CHECK_EQ(raft_check(h->r), RAFT_OK);
}

/* ---------- the leader's side ---------- */

static void
compacted_entries_mean_a_snapshot(void)
{
	struct host *h = compacted_leader();

	(void) host_reject(h, 2, 1, 0, 0);
	CHECK(host_sent(h, RAFT_MSG_SNAP, 2) != NULL);
	CHECK_EQ(h->out[h->n_out - 1].snap.index, 20);
	CHECK_EQ(h->out[h->n_out - 1].snap.term, 2);
	CHECK_EQ(host_peer(h, 2).state, RAFT_SNAPSHOT);
	CHECK_EQ(host_peer(h, 2).pending_snapshot, 20);
	CHECK_EQ(host_count(h, RAFT_MSG_APP, 2), 0);
	(void) host_propose(h, 10, NULL);
	CHECK_EQ(host_count(h, RAFT_MSG_APP, 2), 0);
}

static void
entry_at_the_base_is_a_match(void)
{
	struct host *h = compacted_leader();

	/* the peer has exactly what was compacted: no snapshot is needed */
	(void) host_ack(h, 2, 11);
	CHECK_EQ(host_count(h, RAFT_MSG_SNAP, 2), 0);
	CHECK_EQ(host_sent(h, RAFT_MSG_APP, 2)->index, 11);
	CHECK_EQ(host_sent(h, RAFT_MSG_APP, 2)->log_term, 2);
	CHECK_EQ(host_sent(h, RAFT_MSG_APP, 2)->n_entries, 9);
}

static void
follower_rejects_below_its_base(void)
{
	struct host *h = host_new(1, 3);
	struct raft_snap snap;
	struct raft_msg m = snap_msg(&snap, 2, 4, 10, 3, 3);

	(void) host_msg(h, &m);
	host_clear(h);
	(void) host_append(h, 2, 4, 10, 2, 10, "4");	/* other term at the base */
	CHECK(host_sent(h, RAFT_MSG_APP_RESP, 2)->reject);
	CHECK_EQ(host_status(h).last, 10);
	(void) host_append(h, 2, 4, 9, 3, 10, "34");
	CHECK(!host_sent(h, RAFT_MSG_APP_RESP, 2)->reject);
	CHECK_EQ(host_sent(h, RAFT_MSG_APP_RESP, 2)->index, 10);
}

static void
inactive_peer_gets_no_snapshot(void)
{
	struct host *h = host_new(1, 3);
	struct raft_msg hb = {.type = RAFT_MSG_HEARTBEAT_RESP,.from = 2,.term = 2};
	int			i;

	host_elect(h);
	for (i = 0; i < 5; i++)
		(void) host_propose(h, 10, NULL);
	(void) host_ack(h, 3, 7);
	(void) raft_compact(h->r, 5);
	host_clear(h);
	CHECK(!host_peer(h, 2).recent_active);
	(void) raft_report_unreachable(h->r, 2);
	(void) host_propose(h, 10, NULL);
	CHECK_EQ(host_count(h, RAFT_MSG_SNAP, 2), 0);
	(void) host_msg(h, &hb);
	CHECK_EQ(host_count(h, RAFT_MSG_SNAP, 2), 1);
}

static void
delivered_snapshot_resumes(void)
{
	struct host *h = compacted_leader();

	(void) host_reject(h, 2, 1, 0, 0);
	(void) host_propose(h, 10, NULL);
	host_clear(h);
	(void) host_ack(h, 2, 20);
	CHECK_EQ(host_peer(h, 2).state, RAFT_REPLICATE);
	CHECK_EQ(host_sent(h, RAFT_MSG_APP, 2)->index, 20);
	CHECK_EQ(host_sent(h, RAFT_MSG_APP, 2)->n_entries, 1);
}

static void
snapshot_behind_the_pending_one_is_good_enough(void)
{
	struct host *h = compacted_leader();

	(void) host_reject(h, 2, 1, 0, 0);
	(void) host_ack(h, 2, 15);
	CHECK_EQ(host_peer(h, 2).state, RAFT_REPLICATE);
	CHECK_EQ(host_peer(h, 2).match, 15);
	CHECK_EQ(host_peer(h, 2).next, 21);

	/* not if the log does not reach back that far */
	h = compacted_leader();
	(void) host_reject(h, 2, 1, 0, 0);
	(void) host_ack(h, 2, 10);
	CHECK_EQ(host_peer(h, 2).state, RAFT_SNAPSHOT);
}

static void
reports_end_a_snapshot(void)
{
	struct host *h = compacted_leader();

	(void) host_reject(h, 2, 1, 0, 0);
	CHECK_EQ(raft_report_snapshot(h->r, 2, RAFT_SNAP_OK), RAFT_OK);
	CHECK_EQ(host_peer(h, 2).state, RAFT_PROBE);
	CHECK_EQ(host_peer(h, 2).next, 21);
	CHECK(host_peer(h, 2).paused);

	h = compacted_leader();
	(void) host_reject(h, 2, 1, 0, 0);
	CHECK_EQ(raft_report_snapshot(h->r, 2, RAFT_SNAP_FAILED), RAFT_OK);
	CHECK_EQ(host_peer(h, 2).state, RAFT_PROBE);
	CHECK_EQ(host_peer(h, 2).next, 1);
	CHECK(host_peer(h, 2).paused);
	{
		struct raft_msg hb = {.type = RAFT_MSG_HEARTBEAT_RESP,.from = 2,.term = 2};

		host_clear(h);
		(void) host_msg(h, &hb);	/* and it is tried again */
	}
	CHECK_EQ(host_count(h, RAFT_MSG_SNAP, 2), 1);
	CHECK_EQ(raft_report_snapshot(h->r, 9, RAFT_SNAP_OK), RAFT_UNKNOWN_PEER);
}

static void
lost_snapshot_times_out(void)
{
	struct host *h = compacted_leader();
	int			i;

	(void) host_reject(h, 2, 1, 0, 0);
	for (i = 0; i < 299; i++)
		host_tick(h, 1);
	CHECK_EQ(host_peer(h, 2).state, RAFT_SNAPSHOT);
	CHECK_EQ(raft_report_snapshot(h->r, 2, RAFT_SNAP_ALIVE), RAFT_OK);
	host_tick(h, 299);
	CHECK_EQ(host_peer(h, 2).state, RAFT_SNAPSHOT);
	host_tick(h, 1);
	CHECK_EQ(host_peer(h, 2).state, RAFT_PROBE);
	CHECK_EQ(host_peer(h, 2).next, 1);
}

static void
host_may_offer_its_own_snapshots(void)
{
	struct raft_config cfg;
	struct raft_snap snap;
	struct host *h;
	int			i;

	host_config(&cfg, 1);
	cfg.snapshot_at_applied = false;
	h = host_new_cfg(&cfg, 3);
	host_elect(h);
	for (i = 0; i < 8; i++)
		(void) host_propose(h, 10, NULL);
	(void) host_ack(h, 3, 10);
	(void) raft_compact(h->r, 6);
	(void) host_reject(h, 2, 1, 0, 0);
	CHECK_EQ(host_count(h, RAFT_MSG_SNAP, 2), 0);	/* there is none */
	memset(&snap, 0, sizeof(snap));
	snap.index = 99;
	snap.term = 2;
	snap.conf = conf_of(3);
	CHECK_EQ(raft_snapshot_ready(h->r, &snap), RAFT_INVALID);
	snap.index = 5;				/* does not reach the log */
	CHECK_EQ(raft_snapshot_ready(h->r, &snap), RAFT_OK);
	host_tick(h, 1);
	{
		struct raft_msg hb = {.type = RAFT_MSG_HEARTBEAT_RESP,.from = 2,.term = 2};

		(void) host_msg(h, &hb);
		CHECK_EQ(host_count(h, RAFT_MSG_SNAP, 2), 0);
		snap.index = 8;
		CHECK_EQ(raft_snapshot_ready(h->r, &snap), RAFT_OK);
		(void) host_msg(h, &hb);
	}
	CHECK_EQ(host_count(h, RAFT_MSG_SNAP, 2), 1);
	CHECK_EQ(host_peer(h, 2).pending_snapshot, 8);
}

static void
compaction_is_checked(void)
{
	struct host *h = host_new(1, 1);

	host_elect(h);
	(void) host_propose(h, 10, NULL);
	CHECK_EQ(raft_compact(h->r, 9), RAFT_INVALID);
	CHECK_EQ(raft_compact(h->r, 1), RAFT_COMPACTED);
	CHECK_EQ(raft_compact(h->r, 3), RAFT_OK);
	CHECK_EQ(host_status(h).first, 4);
	CHECK_EQ(host_status(h).last_term, 2);
	h->mem.base = h->disk.base = 3;
	h->mem.base_term = h->disk.base_term = 2;
	CHECK_EQ(host_propose(h, 10, NULL), RAFT_OK);
	CHECK_EQ(host_status(h).applied, 4);
	CHECK(host_restart(h));
	CHECK_EQ(host_status(h).first, 4);
}

static void
follower_at_the_edge_of_compaction(void)
{
	struct net *net = net_new(3);
	int			i;

	host_elect(net->h[0]);
	net_run(net);
	net_isolate(net, 3);
	for (i = 0; i < 30; i++)
		(void) host_propose(net->h[0], 10, NULL);
	net_run(net);
	CHECK_EQ(raft_compact(net->h[0]->r, 30), RAFT_OK);
	net->h[0]->mem.base = net->h[0]->disk.base = 30;
	net->h[0]->mem.base_term = net->h[0]->disk.base_term = 2;
	(void) host_propose(net->h[0], 10, NULL);
	net_heal(net);
	net_tick(net, 5);
	CHECK_EQ(host_peer(net->h[0], 3).state, RAFT_REPLICATE);
	CHECK_EQ(host_status(net->h[2]).first, 34);
	CHECK(net_agrees(net));
	CHECK_EQ(host_status(net->h[2]).applied, 33);
}

const struct unit_test unit_snapshot[] = {
	{"snapshot/snapshot_replaces_log_and_state", snapshot_replaces_log_and_state},
	{"snapshot/install_is_acknowledged_when_durable", install_is_acknowledged_when_durable},
	{"snapshot/entries_behind_an_install_wait_for_it", entries_behind_an_install_wait_for_it},
	{"snapshot/install_and_entries_are_two_writes", install_and_entries_are_two_writes},
	{"snapshot/old_snapshot_is_refused", old_snapshot_is_refused},
	{"snapshot/snapshot_the_log_has_only_commits", snapshot_the_log_has_only_commits},
	{"snapshot/snapshot_changes_neither_term_nor_vote", snapshot_changes_neither_term_nor_vote},
	{"snapshot/snapshot_without_us_is_refused", snapshot_without_us_is_refused},
	{"snapshot/newer_snapshot_overtakes_one_under_way", newer_snapshot_overtakes_one_under_way},
	{"snapshot/joint_configuration_survives_snapshot_and_restart", joint_configuration_survives_snapshot_and_restart},
	{"snapshot/late_conf_apply_does_not_change_the_new_configuration", late_conf_apply_does_not_change_the_new_configuration},
	{"snapshot/compacted_entries_mean_a_snapshot", compacted_entries_mean_a_snapshot},
	{"snapshot/entry_at_the_base_is_a_match", entry_at_the_base_is_a_match},
	{"snapshot/follower_rejects_below_its_base", follower_rejects_below_its_base},
	{"snapshot/inactive_peer_gets_no_snapshot", inactive_peer_gets_no_snapshot},
	{"snapshot/delivered_snapshot_resumes", delivered_snapshot_resumes},
	{"snapshot/snapshot_behind_the_pending_one_is_good_enough", snapshot_behind_the_pending_one_is_good_enough},
	{"snapshot/reports_end_a_snapshot", reports_end_a_snapshot},
	{"snapshot/lost_snapshot_times_out", lost_snapshot_times_out},
	{"snapshot/host_may_offer_its_own_snapshots", host_may_offer_its_own_snapshots},
	{"snapshot/compaction_is_checked", compaction_is_checked},
	{"snapshot/follower_at_the_edge_of_compaction", follower_at_the_edge_of_compaction},
	{NULL, NULL}
};
