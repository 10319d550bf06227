/*-------------------------------------------------------------------------
 *
 * unit_storage.c
 *	  Unit tests: numbered writes, crashes and restarts.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/test/unit_storage.c
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

static void
acks_wait_for_their_write(void)
{
	struct host *h = host_new(1, 3);

	h->hold_disk = true;
	(void) host_append(h, 2, 2, 1, 1, 1, "2");
	(void) host_append(h, 2, 2, 2, 2, 1, "2");
	CHECK_EQ(h->n_writes, 2);
	CHECK_EQ(host_count(h, RAFT_MSG_APP_RESP, 2), 0);
	host_persist_to(h, h->writes[0].seq);
	host_pump(h);
	CHECK_EQ(host_count(h, RAFT_MSG_APP_RESP, 2), 1);
	CHECK_EQ(host_sent(h, RAFT_MSG_APP_RESP, 2)->index, 2);
	host_persist(h);
	host_pump(h);
	CHECK_EQ(host_sent(h, RAFT_MSG_APP_RESP, 2)->index, 3);
}

static void
one_flush_acknowledges_every_batch(void)
{
	struct host *h = host_new(1, 1);
	int			i;

	host_elect(h);
	h->hold_disk = true;
	for (i = 0; i < 10; i++)
		CHECK_EQ(host_propose(h, 10, NULL), RAFT_OK);
	CHECK_EQ(h->n_writes, 10);
	CHECK_EQ(host_status(h).commit, 2);
	host_persist(h);
	CHECK_EQ(host_status(h).commit, 12);
	CHECK_EQ(host_status(h).durable, 12);
}

static void
acks_of_one_batch_are_merged(void)
{
	struct host *h = host_new(1, 3);
	struct raft_entry e[1] = {{.term = 2}};
	struct raft_msg m = {.type = RAFT_MSG_APP,.from = 2,.to = 1,.term = 2,.log_term = 1,
	.index = 1,.n_entries = 1};
	int			i;

	for (i = 0; i < 5; i++)
	{
		CHECK_EQ(raft_step(h->r, &m, e), RAFT_OK);
		m.index++;
		m.log_term = 2;
	}
	host_pump(h);
	CHECK_EQ(host_count(h, RAFT_MSG_APP_RESP, 2), 1);
	CHECK_EQ(host_sent(h, RAFT_MSG_APP_RESP, 2)->index, 6);
}

/* An answer that rests on nothing new does not wait for an unrelated commit. */
static void
answer_without_write_leaves_at_once(void)
{
	struct host *h = host_new(1, 3);

	(void) host_append(h, 2, 2, 1, 1, 1, "2");
	h->hold_disk = true;
	(void) host_heartbeat(h, 2, 2, 2);	/* commit moves: a write without sync */
	CHECK_EQ(h->n_writes, 1);
	host_clear(h);
	(void) host_append(h, 2, 2, 2, 2, 2, "");
	CHECK_EQ(host_count(h, RAFT_MSG_APP_RESP, 2), 1);
}

/* But one that repeats what is under way waits for it. */
static void
answer_for_entries_under_way_waits(void)
{
	struct host *h = host_new(1, 3);

	h->hold_disk = true;
	(void) host_append(h, 2, 2, 1, 1, 1, "2");
	(void) host_append(h, 2, 2, 1, 1, 1, "2");
	CHECK_EQ(host_count(h, RAFT_MSG_APP_RESP, 2), 0);
	host_persist(h);
	host_pump(h);
	CHECK(host_count(h, RAFT_MSG_APP_RESP, 2) >= 1);
}

static void
rewritten_entries_are_durable_by_their_own_write(void)
{
	struct host *h = host_new(1, 5);
	raft_seq	first;

	h->hold_disk = true;
	(void) host_append(h, 2, 2, 1, 1, 1, "2");	/* A */
	first = h->writes[0].seq;
	(void) host_append(h, 3, 3, 1, 1, 1, "3");	/* B over A */
	(void) host_heartbeat(h, 4, 4, 1);
	(void) host_append(h, 4, 4, 1, 1, 1, "2");	/* A over B: same term again */
	CHECK_EQ(host_status(h).last_term, 2);
	host_persist_to(h, first);
	CHECK_EQ(host_status(h).durable, 1);
	host_persist_to(h, first + 1);
	CHECK_EQ(host_status(h).durable, 1);
	host_pump(h);
	host_persist(h);
	CHECK_EQ(host_status(h).durable, 2);
	CHECK_EQ(h->disk.log[2].term, 2);
}

/* No term change between: the number of the write alone decides. */
static void
overwritten_ack_does_not_make_durable(void)
{
	struct host *h = host_new(1, 3);
	raft_seq	first;

	h->hold_disk = true;
	(void) host_append(h, 2, 2, 1, 1, 1, "222");
	first = h->writes[0].seq;
	(void) host_append(h, 3, 3, 2, 2, 1, "3");
	host_persist_to(h, first);
	CHECK_EQ(host_status(h).durable, 2);
	CHECK_EQ(host_status(h).last, 3);
	host_persist(h);
	CHECK_EQ(host_status(h).durable, 3);
}

static void
only_durable_entries_are_applied(void)
{
	struct host *h = host_new(1, 3);

	h->hold_disk = true;
	(void) host_append(h, 2, 2, 1, 1, 4, "222");
	CHECK_EQ(host_status(h).commit, 4);
	CHECK_EQ(host_status(h).applying, 1);
	host_persist(h);
	host_pump(h);
	CHECK_EQ(host_status(h).applied, 4);
}

static void
role_changes_while_writes_are_under_way(void)
{
	struct host *h = host_new(1, 3);

	host_elect(h);
	h->hold_disk = true;
	(void) host_propose(h, 10, NULL);
	(void) host_heartbeat(h, 2, 3, 0);
	CHECK_EQ(host_status(h).role, RAFT_FOLLOWER);
	host_persist(h);
	host_pump(h);
	CHECK_EQ(host_status(h).durable, 3);
	CHECK_EQ(host_status(h).commit, 1);
	CHECK(!h->fatal);

	/* and it gets its own entry back from another leader */
	h->hold_disk = false;
	(void) host_append(h, 2, 3, 1, 1, 3, "22");
	CHECK_EQ(host_status(h).last, 3);
	CHECK_EQ(host_status(h).commit, 3);
}

static void
failed_disk_ends_leadership(void)
{
	struct host *h = host_new(1, 3);

	host_elect(h);
	h->hold_disk = true;
	(void) host_propose(h, 10, NULL);
	CHECK_EQ(raft_persist_failed(h->r, h->writes[0].seq), RAFT_OK);
	host_pump(h);
	CHECK_EQ(host_status(h).role, RAFT_FOLLOWER);
	CHECK(host_status(h).disk_failed);
	CHECK_EQ(raft_campaign(h->r), RAFT_INVALID);
	host_persist(h);			/* the host repeated the write */
	CHECK(!host_status(h).disk_failed);
	CHECK_EQ(raft_campaign(h->r), RAFT_OK);
	CHECK_EQ(raft_persist_failed(h->r, 1), RAFT_INVALID);
}

static void
write_numbers_are_checked(void)
{
	struct host *h = host_new(1, 3);

	h->hold_disk = true;
	(void) host_append(h, 2, 2, 1, 1, 1, "2");
	CHECK_EQ(raft_persisted(h->r, 99), RAFT_INVALID);
	CHECK_EQ(raft_persisted(h->r, 0), RAFT_OK);
	host_persist(h);
	CHECK_EQ(raft_persisted(h->r, 1), RAFT_OK);
	CHECK_EQ(host_status(h).durable, 2);
}

static void
thousands_of_writes_may_be_outstanding(void)
{
	struct host *h = host_new(1, 1);
	struct raft_entry e = {.size = 1,.data = "x"};
	struct raft_ready rd;
	raft_seq	last = 0;
	int			i;

	host_elect(h);
	for (i = 0; i < 3000; i++)
	{
		CHECK_EQ(raft_propose(h->r, &e, 1, NULL), RAFT_OK);
		CHECK_EQ(raft_ready(h->r, &rd), RAFT_OK);
		last = rd.seq;
	}
	CHECK_EQ(raft_check(h->r), RAFT_OK);
	CHECK_EQ(raft_persisted(h->r, last - 1), RAFT_OK);
	CHECK(host_status(h).durable < host_status(h).last);
	CHECK_EQ(raft_persisted(h->r, last), RAFT_OK);
	CHECK_EQ(host_status(h).durable, 3002);
	CHECK_EQ(host_status(h).commit, 3002);
}

/* ---------- crashes ---------- */

static void
restart_keeps_what_was_durable(void)
{
	struct host *h = host_new(1, 3);
	raft_index	durable;

	(void) host_append(h, 2, 2, 1, 1, 2, "222");
	h->hold_disk = h->hold_apply = true;
	(void) host_append(h, 2, 2, 4, 2, 4, "222");
	durable = h->disk.last;
	CHECK_EQ(durable, 4);
	CHECK(host_restart(h));
	CHECK_EQ(host_status(h).last, 4);
	CHECK_EQ(host_status(h).term, 2);
	CHECK_EQ(host_status(h).commit, 2);
	CHECK_EQ(host_status(h).applied, 2);
	CHECK_EQ(host_status(h).durable, 4);
}

static void
restart_after_part_of_the_writes(void)
{
	struct host *h = host_new(1, 3);

	h->hold_disk = true;
	(void) host_append(h, 2, 2, 1, 1, 1, "2");
	(void) host_append(h, 2, 2, 2, 2, 2, "2");
	(void) host_append(h, 3, 3, 3, 2, 3, "3");
	host_persist_to(h, h->writes[1].seq);
	CHECK(host_restart(h));
	h->hold_disk = false;
	CHECK_EQ(host_status(h).last, 3);
	CHECK_EQ(host_status(h).term, 2);
	(void) host_append(h, 3, 3, 3, 2, 3, "3");
	CHECK_EQ(host_status(h).last, 4);
	CHECK_EQ(host_sent(h, RAFT_MSG_APP_RESP, 3)->index, 4);
}

static void
restart_applies_again_what_the_state_machine_lost(void)
{
	struct host *h = host_new(1, 1);
	int			i;

	host_elect(h);
	for (i = 0; i < 5; i++)
		(void) host_propose(h, 10, NULL);
	CHECK_EQ(h->disk.applied, 7);
	h->disk.applied = 4;
	h->disk.commit = 7;
	CHECK(host_restart(h));
	host_pump(h);
	CHECK_EQ(host_status(h).applied, 7);
}

static void
commit_behind_applied_is_raised(void)
{
	struct host *h = host_new(1, 1);

	host_elect(h);
	(void) host_propose(h, 10, NULL);
	h->disk.commit = 1;
	CHECK(host_restart(h));
	CHECK_EQ(host_status(h).commit, 3);
}

static void
cluster_survives_the_crash_of_all(void)
{
	struct net *net = net_new(3);
	int			i;

	host_elect(net->h[0]);
	net_run(net);
	for (i = 0; i < 10; i++)
	{
		(void) host_propose(net->h[0], 10, NULL);
		net_run(net);
	}
	for (i = 0; i < 3; i++)
		CHECK(host_restart(net->h[i]));
	net_tick(net, 60);
	CHECK(net_leader(net) != 0);
	CHECK(net_agrees(net));
	CHECK(host_status(net->h[0]).commit >= 13);
	for (i = 3; i <= 12; i++)
		CHECK_EQ(net->h[2]->disk.log[i].term, 2);
}

/* What a write says of the commit index holds for any prefix of it. */
static void
written_commit_does_not_cover_its_own_entries(void)
{
	struct host *h = host_new(1, 3);
	struct raft_ready rd;
	struct raft_entry e[2] = {{.term = 3}, {.term = 3}};
	struct raft_msg m = {.type = RAFT_MSG_APP,.from = 2,.to = 1,.term = 3,.index = 2,
	.log_term = 2,.commit = 4,.n_entries = 2};

	(void) host_append(h, 2, 2, 1, 1, 1, "222");
	CHECK_EQ(raft_step(h->r, &m, e), RAFT_OK);	/* replaces 3 and 4 */
	CHECK_EQ(host_status(h).commit, 4);
	CHECK_EQ(raft_ready(h->r, &rd), RAFT_OK);
	CHECK(rd.hard_changed);
	CHECK_EQ(rd.append_first, 3);
	CHECK_EQ(rd.commit, 2);
	CHECK(raft_has_ready(h->r));
	CHECK_EQ(raft_ready(h->r, &rd), RAFT_OK);
	CHECK(rd.has_write && !rd.must_sync);
	CHECK_EQ(rd.commit, 4);
}

/* A change in the log proves that the one before it is committed. */
static void
conf_entries_tell_the_commit_index_at_boot(void)
{
	struct host *h = host_new(1, 3);
	struct raft_entry e[4] = {{.term = 2}, {.term = 2,.type = RAFT_ENTRY_CONF,.size = 1},
	{.term = 2,.type = RAFT_ENTRY_CONF,.size = 1}, {.term = 2}};
	struct raft_msg m = {.type = RAFT_MSG_APP,.from = 2,.to = 1,.term = 2,.index = 1,
	.log_term = 1,.commit = 1,.n_entries = 4};

	e[1].data = change_of("v4", RAFT_TRANSITION_AUTO);
	e[2].data = change_of("v5", RAFT_TRANSITION_AUTO);
	CHECK_EQ(raft_step(h->r, &m, e), RAFT_OK);
	host_pump(h);
	CHECK(host_restart(h));
	CHECK_EQ(host_status(h).commit, 3);
	h->hold_apply = true;
	CHECK_EQ(raft_campaign(h->r), RAFT_DROPPED);
	host_pump(h);
	host_apply(h);
	CHECK_EQ(host_conf(h).n_voters, 4);
	CHECK_EQ(raft_campaign(h->r), RAFT_OK);
}

static void
output_stays_valid_until_the_next_ready(void)
{
	struct host *h = host_new(1, 3);
	struct raft_entry e = {.size = 4,.data = "data"};
	struct raft_ready rd;
	struct raft_msg m = {.type = RAFT_MSG_APP_RESP,.from = 2,.to = 1,.term = 2,.index = 2};
	int			i;

	host_elect(h);
	CHECK_EQ(raft_step(h->r, &m, NULL), RAFT_OK);
	host_pump(h);
	CHECK_EQ(raft_propose(h->r, &e, 1, NULL), RAFT_OK);
	CHECK_EQ(raft_ready(h->r, &rd), RAFT_OK);
	for (i = 0; i < 500; i++)
	{
		CHECK_EQ(raft_propose(h->r, &e, 1, NULL), RAFT_OK);
		CHECK_EQ(raft_tick(h->r), RAFT_OK);
	}
	CHECK_EQ(rd.n_append, 1);
	CHECK_EQ(rd.append[0].size, 4);
	CHECK(memcmp(rd.append[0].data, "data", 4) == 0);
	CHECK_EQ(rd.msgs[rd.n_msgs - 1].type, RAFT_MSG_APP);
	CHECK_EQ(rd.msgs[rd.n_msgs - 1].n_entries, 1);
}

const struct unit_test unit_storage[] = {
	{"storage/acks_wait_for_their_write", acks_wait_for_their_write},
	{"storage/one_flush_acknowledges_every_batch", one_flush_acknowledges_every_batch},
	{"storage/acks_of_one_batch_are_merged", acks_of_one_batch_are_merged},
	{"storage/answer_without_write_leaves_at_once", answer_without_write_leaves_at_once},
	{"storage/answer_for_entries_under_way_waits", answer_for_entries_under_way_waits},
	{"storage/rewritten_entries_are_durable_by_their_own_write", rewritten_entries_are_durable_by_their_own_write},
	{"storage/overwritten_ack_does_not_make_durable", overwritten_ack_does_not_make_durable},
	{"storage/only_durable_entries_are_applied", only_durable_entries_are_applied},
	{"storage/role_changes_while_writes_are_under_way", role_changes_while_writes_are_under_way},
	{"storage/failed_disk_ends_leadership", failed_disk_ends_leadership},
	{"storage/write_numbers_are_checked", write_numbers_are_checked},
	{"storage/thousands_of_writes_may_be_outstanding", thousands_of_writes_may_be_outstanding},
	{"storage/restart_keeps_what_was_durable", restart_keeps_what_was_durable},
	{"storage/restart_after_part_of_the_writes", restart_after_part_of_the_writes},
	{"storage/restart_applies_again_what_the_state_machine_lost", restart_applies_again_what_the_state_machine_lost},
	{"storage/commit_behind_applied_is_raised", commit_behind_applied_is_raised},
	{"storage/cluster_survives_the_crash_of_all", cluster_survives_the_crash_of_all},
	{"storage/written_commit_does_not_cover_its_own_entries", written_commit_does_not_cover_its_own_entries},
	{"storage/conf_entries_tell_the_commit_index_at_boot", conf_entries_tell_the_commit_index_at_boot},
	{"storage/output_stays_valid_until_the_next_ready", output_stays_valid_until_the_next_ready},
	{NULL, NULL}
};
