/*-------------------------------------------------------------------------
 *
 * unit_api.c
 *	  Unit tests: the interface itself.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/test/unit_api.c
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

static void
configurations_are_checked(void)
{
	struct raft_config good;
	struct raft_config cfg;

	host_config(&good, 1);
	CHECK_EQ(raft_config_check(&good), RAFT_OK);
#define BAD(change) do { cfg = good; cfg.change; CHECK_EQ(raft_config_check(&cfg), RAFT_INVALID); } while (0)
	BAD(id = 0);
	BAD(heartbeat_tick = 0);
	BAD(election_tick = 1);
	BAD(max_inflight_msgs = 0);
	BAD(max_inflight_msgs = UINT32_MAX);
	BAD(max_inflight_bytes = 0);
	BAD(max_inflight_bytes = 1000);
	BAD(max_apply_bytes = 0);
	BAD(max_uncommitted_bytes = 0);
	BAD(max_pending_reads = 0);
#undef BAD
}

static void
durable_state_is_checked(void)
{
	struct raft_run good_runs[2] = {{6, 3, 2, 30}, {9, 2, 4, 20}};
	struct raft_run runs[2];
	raft_index	confs[2] = {8, 10};
	struct raft_config cfg;
	struct raft_boot good;
	struct raft_boot b;
	struct raft *r;

	host_config(&cfg, 1);
	memset(&good, 0, sizeof(good));
	good.term = 4;
	good.commit = 9;
	good.applied = 7;
	good.base_index = 5;
	good.base_term = 2;
	good.conf = conf_of(3);
	good.runs = runs;
	good.n_runs = 2;
	good.conf_entries = confs;
	good.n_conf_entries = 2;
#define CASE(change, fault) \
	do { \
		b = good; \
		memcpy(runs, good_runs, sizeof(runs)); \
		change; \
		CHECK_EQ(raft_boot_check(&cfg, &b), fault); \
		CHECK_EQ(raft_new(&cfg, &b, NULL, &r), fault == RAFT_BOOT_OK ? RAFT_OK : RAFT_INVALID); \
		raft_free(r); \
	} while (0)
	CASE((void) 0, RAFT_BOOT_OK);
	CASE(runs[1].first = 10, RAFT_BOOT_RUNS);
	CASE(runs[0].first = 5, RAFT_BOOT_RUNS);
	CASE(runs[0].count = 0, RAFT_BOOT_RUNS);
	CASE(runs[1].term = 1, RAFT_BOOT_RUNS);
	CASE(b.base_term = 0, RAFT_BOOT_RUNS);
	CASE(b.base_term = 3, RAFT_BOOT_RUNS);
	CASE(b.term = 3, RAFT_BOOT_TERM);
	CASE(b.commit = 11, RAFT_BOOT_COMMIT);
	CASE(b.applied = 4, RAFT_BOOT_APPLIED);	/* behind the log: a gap */
	CASE(b.applied = 11, RAFT_BOOT_APPLIED);	/* ahead of it */
	CASE(b.conf.voters[1] = 1, RAFT_BOOT_CONF);
	CASE(b.applied = 8, RAFT_BOOT_CONF_ENTRIES);
	CASE(confs[1] = 11, RAFT_BOOT_CONF_ENTRIES);
#undef CASE
}

static void
boot_keeps_terms_sizes_and_conf_entries(void)
{
	struct raft_run runs[2] = {{6, 3, 2, 31}, {9, 2, 4, 20}};
	raft_index	confs[1] = {9};
	struct raft_config cfg;
	struct raft_boot b;
	struct raft *r;
	raft_term	term;

	host_config(&cfg, 1);
	memset(&b, 0, sizeof(b));
	b.term = 4;
	b.commit = 9;
	b.applied = 7;
	b.base_index = 5;
	b.base_term = 2;
	b.conf = conf_of(3);
	b.runs = runs;
	b.n_runs = 2;
	b.conf_entries = confs;
	b.n_conf_entries = 1;
	CHECK_EQ(raft_new(&cfg, &b, NULL, &r), RAFT_OK);
	CHECK_EQ(raft_term_of(r, 4, &term), RAFT_COMPACTED);
	CHECK(raft_term_of(r, 5, &term) == RAFT_OK && term == 2);
	CHECK(raft_term_of(r, 8, &term) == RAFT_OK && term == 2);
	CHECK(raft_term_of(r, 10, &term) == RAFT_OK && term == 4);
	CHECK_EQ(raft_term_of(r, 11, &term), RAFT_INVALID);
	CHECK_EQ(raft_trail_bytes(&r->trail, 6, 8), 31);
	CHECK_EQ(raft_trail_bytes(&r->trail, 6, 10), 51);
	CHECK_EQ(raft_campaign(r), RAFT_DROPPED);	/* 9 is committed, not applied */
	CHECK_EQ(raft_check(r), RAFT_OK);
	raft_free(r);
}

static void
malformed_messages_are_refused(void)
{
	struct host *h = host_new(1, 3);
	struct raft_entry e[2] = {{.term = 2}, {.term = 2}};
	struct raft_msg good = {.type = RAFT_MSG_APP,.from = 2,.to = 1,.term = 2,.index = 1,
	.log_term = 1,.n_entries = 2};
	struct raft_msg m;
	uint64_t	before = raft_hash(h->r);

#define BAD(change) do { m = good; change; CHECK_EQ(raft_step(h->r, &m, e), RAFT_INVALID); } while (0)
	BAD(m.type = 0);
	BAD(m.type = 99);
	BAD(m.from = 0);
	BAD(m.from = 1);
	BAD(m.to = 2);
	BAD(m.term = 0);
	BAD(m.log_term = 3);
	BAD(m.index = UINT64_MAX);
	BAD(m.type = RAFT_MSG_HEARTBEAT);
	BAD(m.type = RAFT_MSG_SNAP);
	BAD(m.type = RAFT_MSG_PROP);	/* term must be 0 */
	m = good;
	CHECK_EQ(raft_step(h->r, &m, NULL), RAFT_INVALID);
	e[1].term = 1;				/* terms decrease */
	BAD((void) 0);
	e[1].term = 3;				/* newer than the message */
	BAD((void) 0);
	e[0].term = e[1].term = 0;
	BAD((void) 0);
	m = good;
	m.type = RAFT_MSG_SNAP;
	m.n_entries = 0;
	BAD(m.type = RAFT_MSG_SNAP; m.n_entries = 0);
	{
		struct raft_snap snap;

		memset(&snap, 0, sizeof(snap));
		snap.index = 5;
		snap.term = 9;			/* newer than the message */
		BAD(m.type = RAFT_MSG_SNAP; m.n_entries = 0; m.snap = &snap);
	}
	BAD(m.type = RAFT_MSG_PROP; m.term = 0; m.n_entries = 0);
#undef BAD
	CHECK_EQ(raft_hash(h->r), before);
}

static void
answers_of_strangers_are_refused(void)
{
	struct host *h = host_new(1, 3);
	struct raft_msg m = {.type = RAFT_MSG_APP_RESP,.from = 9,.to = 1,.term = 2,.index = 2};

	host_elect(h);
	CHECK_EQ(raft_step(h->r, &m, NULL), RAFT_UNKNOWN_PEER);
	m.type = RAFT_MSG_HEARTBEAT_RESP;
	CHECK_EQ(raft_step(h->r, &m, NULL), RAFT_UNKNOWN_PEER);

	/* but an unknown leader of a higher term is followed */
	CHECK_EQ(host_append(h, 9, 7, 1, 1, 1, "7"), RAFT_OK);
	CHECK_EQ(host_status(h).leader, 9);
	CHECK_EQ(host_status(h).last, 2);
}

/* Any bytes in any field: refused or handled, never a broken invariant. */
static void
random_messages_break_nothing(void)
{
	uint64_t	s = 99;
	int			round;

	for (round = 0; round < 300; round++)
	{
		struct raft_config cfg;
		struct host *h;
		int			i;

		host_config(&cfg, 1);
		cfg.pre_vote = raft_random_below(&s, 2);
		cfg.check_quorum = raft_random_below(&s, 2);
		h = host_new_cfg(&cfg, 3);
		h->hold_disk = raft_random_below(&s, 2);
		for (i = 0; i < 120 && !h->fatal; i++)
		{
			struct raft_entry e[3];
			struct raft_snap snap;
			struct raft_msg m;
			int			k;

			memset(&m, 0, sizeof(m));
			m.type = (uint8_t) raft_random_below(&s, RAFT_MSG_LAST + 2);
			m.from = raft_random_below(&s, 5);
			m.to = 1;
			m.term = raft_random_below(&s, 6);
			m.log_term = raft_random_below(&s, 5);
			m.index = h->mem.last + 3 - Min(raft_random_below(&s, 8), h->mem.last + 3);
			/* a commit index is only ever told by who knows it */
			m.commit = Min(raft_random_below(&s, 3), host_status(h).commit);
			m.hint = raft_random_below(&s, 12);
			m.reject = raft_random_below(&s, 2);
			m.force = raft_random_below(&s, 2);
			m.ctx = raft_random_below(&s, 4);
			m.target = raft_random_below(&s, 5);
			memset(e, 0, sizeof(e));
			if (m.type == RAFT_MSG_APP)
				m.n_entries = raft_random_below(&s, 4);
			for (k = 0; k < 3; k++)
				e[k].term = Max(m.log_term, 1);
			if (m.type == RAFT_MSG_APP_RESP)
				m.index = Min(m.index, host_status(h).commit);
			memset(&snap, 0, sizeof(snap));
			snap.index = raft_random_below(&s, 12);
			snap.term = raft_random_below(&s, 5);
			snap.conf = conf_of(3);
			if (m.type == RAFT_MSG_SNAP)
				m.snap = &snap;
			CHECK(raft_step(h->r, &m, e) != RAFT_FATAL);
			if (raft_random_below(&s, 4) == 0)
				host_pump(h);
			if (raft_random_below(&s, 4) == 0)
				host_tick(h, 1);
			if (raft_random_below(&s, 8) == 0)
				host_persist(h);
			if (raft_random_below(&s, 16) == 0)
				(void) host_propose(h, 5, NULL);
			CHECK_EQ(raft_check(h->r), RAFT_OK);
		}
		CHECK(!h->fatal);
	}
}

static void
same_input_same_state(void)
{
	uint64_t	hash[2] = {0, 0};
	int			run;

	for (run = 0; run < 2; run++)
	{
		struct net *net = net_new(3);
		uint64_t	s = 17;
		int			i;

		for (i = 0; i < 300; i++)
		{
			int			who = (int) raft_random_below(&s, 3);

			if (raft_random_below(&s, 20) == 0)
				net_isolate(net, (raft_id) who + 1);
			if (raft_random_below(&s, 10) == 0)
				net_heal(net);
			(void) host_propose(net->h[who], raft_random_below(&s, 100), NULL);
			if (raft_random_below(&s, 5) == 0)
				(void) raft_read(net->h[who]->r, s);
			net_tick(net, 1);
			hash[run] = hash[run] * 31 + raft_hash(net->h[who]->r);
		}
		net_heal(net);
		net_tick(net, 60);
		CHECK(net_leader(net) != 0);
	}
	CHECK_EQ(hash[0], hash[1]);
}

static void
hash_tells_states_apart(void)
{
	struct host *a = host_new(1, 3);
	struct host *b = host_new(1, 3);

	CHECK_EQ(raft_hash(a->r), raft_hash(b->r));
	CHECK_EQ(raft_tick(a->r), RAFT_OK);
	CHECK(raft_hash(a->r) != raft_hash(b->r));
}

/* ---------- memory ---------- */

struct meter
{
	long		until;			/* allocations that still succeed */
	long		blocks;
};

static void *
metered(void *arg, void *ptr, size_t size)
{
	struct meter *m = arg;
	void	   *p;

	if (size == 0)
	{
		m->blocks -= ptr != NULL;
		free(ptr);
		return NULL;
	}
	if (m->until-- <= 0)
		return NULL;
	p = realloc(ptr, size);
	m->blocks += ptr == NULL && p != NULL;
	return p;
}

/* Every allocation fails once: the call says so, and nothing has happened. */
static void
out_of_memory_changes_nothing(void)
{
	long		fail;

	for (fail = 0; fail < 40; fail++)
	{
		struct meter m = {.until = fail};
		struct raft_alloc alloc = {metered, &m};
		struct raft_entry e[200];
		struct raft_msg app = {.type = RAFT_MSG_APP,.from = 2,.to = 1,.term = 2,.index = 1,
		.log_term = 1,.n_entries = 200};
		struct raft_config cfg;
		struct raft_boot b;
		struct raft_ready rd;
		struct raft *r;
		enum raft_rc rc;
		uint64_t	before;
		int			i;

		memset(e, 0, sizeof(e));
		for (i = 0; i < 200; i++)
			e[i].term = 2;
		memset(&b, 0, sizeof(b));
		host_config(&cfg, 1);
		b.term = b.base_term = b.base_index = b.commit = b.applied = 1;
		b.conf = conf_of(3);
		rc = raft_new(&cfg, &b, &alloc, &r);
		if (rc != RAFT_OK)
		{
			CHECK_EQ(rc, RAFT_NOMEM);
			CHECK(r == NULL);
			CHECK_EQ(m.blocks, 0);
			continue;
		}
		before = raft_hash(r);
		rc = raft_step(r, &app, e);
		if (rc == RAFT_NOMEM)
		{
			CHECK_EQ(raft_hash(r), before);
			m.until = 1000;
			rc = raft_step(r, &app, e);
		}
		CHECK_EQ(rc, RAFT_OK);
		rc = raft_ready(r, &rd);
		if (rc == RAFT_NOMEM)
		{
			m.until = 1000;
			rc = raft_ready(r, &rd);
		}
		CHECK_EQ(rc, RAFT_OK);
		CHECK_EQ(rd.n_append, 200);
		rc = raft_persisted(r, rd.seq);
		CHECK(rc == RAFT_OK || rc == RAFT_NOMEM);
		CHECK_EQ(raft_check(r), RAFT_OK);
		raft_free(r);
		CHECK_EQ(m.blocks, 0);
	}
}

static void
proposals_without_memory(void)
{
	struct meter m = {.until = 1000};
	struct raft_alloc alloc = {metered, &m};
	struct raft_entry e[3000];
	struct raft_config cfg;
	struct raft_boot b;
	struct raft_ready rd;
	struct raft_status st;
	struct raft *r;
	uint64_t	before;

	memset(e, 0, sizeof(e));
	memset(&b, 0, sizeof(b));
	host_config(&cfg, 1);
	b.term = b.base_term = b.base_index = b.commit = b.applied = 1;
	b.conf = conf_of(1);
	CHECK_EQ(raft_new(&cfg, &b, &alloc, &r), RAFT_OK);
	CHECK_EQ(raft_campaign(r), RAFT_OK);
	CHECK_EQ(raft_ready(r, &rd), RAFT_OK);
	CHECK_EQ(raft_persisted(r, rd.seq), RAFT_OK);
	raft_status(r, &st);
	CHECK_EQ(st.role, RAFT_LEADER);
	m.until = 0;
	before = raft_hash(r);
	CHECK_EQ(raft_propose(r, e, 3000, NULL), RAFT_NOMEM);
	CHECK_EQ(raft_hash(r), before);
	m.until = 1000;
	CHECK_EQ(raft_propose(r, e, 3000, NULL), RAFT_OK);
	raft_free(r);
	CHECK_EQ(m.blocks, 0);
}

/* ---------- faults ---------- */

static int	poisoned_events;

static void
count_poison(void *arg, const struct raft_event *ev)
{
	if (ev->kind == RAFT_EV_POISONED)
		poisoned_events++;
}

static void
poisoned_instance_is_silent(void)
{
	struct raft_config cfg;
	struct host *h;
	struct raft_ready rd;

	host_config(&cfg, 1);
	cfg.trace = count_poison;
	poisoned_events = 0;
	h = host_new_cfg(&cfg, 3);
	host_elect(h);
	(void) raft_propose(h->r, &(struct raft_entry) {.size = 0}, 1, NULL);
	h->r->commit = 1000;		/* what must never happen */
	CHECK_EQ(raft_check(h->r), RAFT_FATAL);
	CHECK(host_status(h).fault_line > 0);
	CHECK(host_status(h).fault_file != NULL);
	CHECK_EQ(poisoned_events, 1);
	CHECK(!raft_has_ready(h->r));
	CHECK_EQ(raft_ready(h->r, &rd), RAFT_FATAL);
	CHECK_EQ(rd.n_msgs, 0);
	CHECK_EQ(raft_tick(h->r), RAFT_FATAL);
	CHECK_EQ(raft_propose(h->r, &(struct raft_entry) {.size = 0}, 1, NULL), RAFT_FATAL);
	CHECK_EQ(raft_persisted(h->r, 1), RAFT_FATAL);
	CHECK_EQ(raft_campaign(h->r), RAFT_FATAL);
}

static void
cheap_checks_run_in_every_call(void)
{
	struct host *h = host_new(1, 3);

	h->r->applied = 50;
	CHECK_EQ(raft_tick(h->r), RAFT_FATAL);
}

/* ---------- proposals by others ---------- */

static void
follower_forwards(void)
{
	struct net *net = net_new(3);
	raft_index	index = 5;

	host_elect(net->h[0]);
	net_run(net);
	net_tick(net, 1);
	CHECK_EQ(host_propose(net->h[1], 33, &index), RAFT_OK);
	CHECK_EQ(index, 0);
	net_run(net);
	CHECK_EQ(host_status(net->h[0]).commit, 3);
	CHECK_EQ(net->h[2]->mem.log[3].size, 33);
	CHECK(net_agrees(net));
}

static void
forwarded_conf_change(void)
{
	struct net *net = net_new(3);

	host_elect(net->h[0]);
	net_run(net);
	net_tick(net, 1);
	CHECK_EQ(host_change(net->h[1], change_of("l4", RAFT_TRANSITION_AUTO), NULL), RAFT_OK);
	net_run(net);
	CHECK_EQ(host_conf(net->h[2]).n_learners, 1);
}

static void
forwarding_can_be_off(void)
{
	struct raft_config cfg;
	struct host *h;

	host_config(&cfg, 1);
	cfg.forward_proposals = false;
	h = host_new_cfg(&cfg, 3);
	CHECK_EQ(host_propose(h, 1, NULL), RAFT_NO_LEADER);
	(void) host_heartbeat(h, 2, 2, 0);
	CHECK_EQ(host_propose(h, 1, NULL), RAFT_NOT_LEADER);
	(void) raft_campaign(h->r);
	CHECK_EQ(host_propose(h, 1, NULL), RAFT_NO_LEADER);
	CHECK_EQ(raft_propose(h->r, NULL, 0, NULL), RAFT_INVALID);
}

static void
forwarded_proposals_are_not_forwarded_again(void)
{
	struct host *h = host_new(1, 3);
	struct raft_entry e = {.size = 1,.data = "x"};
	struct raft_msg m = {.type = RAFT_MSG_PROP,.from = 3,.to = 1,.n_entries = 1};

	(void) host_heartbeat(h, 2, 2, 0);
	host_clear(h);
	CHECK_EQ(raft_step(h->r, &m, &e), RAFT_NOT_LEADER);
	host_pump(h);
	CHECK_EQ(h->n_out, 0);
}

static void
every_value_has_a_name(void)
{
	int			i;

	for (i = 0; i <= RAFT_FATAL; i++)
		CHECK(strcmp(raft_rc_name((enum raft_rc) i), "unknown") != 0);
	for (i = 1; i <= RAFT_MSG_LAST; i++)
		CHECK(strcmp(raft_msg_name(i), "unknown") != 0);
	for (i = 1; i <= RAFT_EV_LAST; i++)
		CHECK(strcmp(raft_event_name((enum raft_event_kind) i), "unknown") != 0);
	CHECK(strcmp(raft_msg_name(-1), "unknown") == 0);
	CHECK(strcmp(raft_role_name(RAFT_LEADER), "leader") == 0);
	CHECK(strcmp(raft_peer_state_name(RAFT_SNAPSHOT), "snapshot") == 0);
}

const struct unit_test unit_api[] = {
	{"api/configurations_are_checked", configurations_are_checked},
	{"api/durable_state_is_checked", durable_state_is_checked},
	{"api/boot_keeps_terms_sizes_and_conf_entries", boot_keeps_terms_sizes_and_conf_entries},
	{"api/malformed_messages_are_refused", malformed_messages_are_refused},
	{"api/answers_of_strangers_are_refused", answers_of_strangers_are_refused},
	{"api/random_messages_break_nothing", random_messages_break_nothing},
	{"api/same_input_same_state", same_input_same_state},
	{"api/hash_tells_states_apart", hash_tells_states_apart},
	{"api/out_of_memory_changes_nothing", out_of_memory_changes_nothing},
	{"api/proposals_without_memory", proposals_without_memory},
	{"api/poisoned_instance_is_silent", poisoned_instance_is_silent},
	{"api/cheap_checks_run_in_every_call", cheap_checks_run_in_every_call},
	{"api/follower_forwards", follower_forwards},
	{"api/forwarded_conf_change", forwarded_conf_change},
	{"api/forwarding_can_be_off", forwarding_can_be_off},
	{"api/forwarded_proposals_are_not_forwarded_again", forwarded_proposals_are_not_forwarded_again},
	{"api/every_value_has_a_name", every_value_has_a_name},
	{NULL, NULL}
};
