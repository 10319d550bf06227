/*-------------------------------------------------------------------------
 *
 * unit_conf.c
 *	  Unit tests: changes of the configuration, as pure functions.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/test/unit_conf.c
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

static enum raft_rc
preview(struct raft_conf *c, const char *change, enum raft_transition t)
{
	return raft_conf_preview(c, *change == '\0' && t == RAFT_TRANSITION_AUTO ?
							 NULL : change_of(change, t), c);
}

static void
add_and_remove(void)
{
	struct raft_conf c = conf_of(3);

	CHECK_EQ(preview(&c, "v4", RAFT_TRANSITION_AUTO), RAFT_OK);
	CHECK_EQ(c.n_voters, 4);
	CHECK_EQ(c.voters[3], 4);
	CHECK_EQ(preview(&c, "r1", RAFT_TRANSITION_AUTO), RAFT_OK);
	CHECK_EQ(c.n_voters, 3);
	CHECK_EQ(c.voters[0], 2);
	CHECK(!raft_conf_is_joint(&c));
}

static void
one_change_needs_no_joint_configuration(void)
{
	struct raft_conf c = conf_of(1);

	CHECK_EQ(preview(&c, "r1", RAFT_TRANSITION_AUTO), RAFT_INVALID);
	CHECK_EQ(preview(&c, "l1", RAFT_TRANSITION_AUTO), RAFT_INVALID);
	CHECK_EQ(c.n_voters, 1);
}

static void
two_changes_go_joint(void)
{
	struct raft_conf c = conf_of(3);

	CHECK_EQ(preview(&c, "v4 r1", RAFT_TRANSITION_AUTO), RAFT_OK);
	CHECK(raft_conf_is_joint(&c));
	CHECK(c.auto_leave);
	CHECK_EQ(c.n_voters, 3);
	CHECK_EQ(c.n_outgoing, 3);
	CHECK(raft_conf_has_voter(&c, 1));
	CHECK_EQ(preview(&c, "v5", RAFT_TRANSITION_AUTO), RAFT_INVALID);
	CHECK_EQ(preview(&c, "", RAFT_TRANSITION_AUTO), RAFT_OK);
	CHECK(!raft_conf_is_joint(&c));
	CHECK(!c.auto_leave);
	CHECK(!raft_conf_has(&c, 1));
	CHECK_EQ(preview(&c, "", RAFT_TRANSITION_AUTO), RAFT_INVALID);
}

static void
explicit_does_not_leave_by_itself(void)
{
	struct raft_conf c = conf_of(3);

	CHECK_EQ(preview(&c, "v4", RAFT_TRANSITION_EXPLICIT), RAFT_OK);
	CHECK(raft_conf_is_joint(&c));
	CHECK(!c.auto_leave);
	c = conf_of(3);
	CHECK_EQ(preview(&c, "v4", RAFT_TRANSITION_IMPLICIT), RAFT_OK);
	CHECK(c.auto_leave);
}

static void
demotion_waits_in_learners_next(void)
{
	struct raft_conf c = conf_of(3);

	CHECK_EQ(preview(&c, "l3 v4", RAFT_TRANSITION_AUTO), RAFT_OK);
	CHECK_EQ(c.n_learners, 0);
	CHECK_EQ(c.n_learners_next, 1);
	CHECK_EQ(c.learners_next[0], 3);
	CHECK(raft_conf_has_voter(&c, 3));
	CHECK_EQ(preview(&c, "", RAFT_TRANSITION_AUTO), RAFT_OK);
	CHECK_EQ(c.n_learners, 1);
	CHECK_EQ(c.learners[0], 3);
	CHECK_EQ(c.n_learners_next, 0);
	CHECK(!raft_conf_has_voter(&c, 3));
}

static void
simple_demotion_and_promotion(void)
{
	struct raft_conf c = conf_of(3);

	CHECK_EQ(preview(&c, "l3", RAFT_TRANSITION_AUTO), RAFT_OK);
	CHECK_EQ(c.n_voters, 2);
	CHECK_EQ(c.n_learners, 1);
	CHECK_EQ(preview(&c, "v3", RAFT_TRANSITION_AUTO), RAFT_OK);
	CHECK_EQ(c.n_voters, 3);
	CHECK_EQ(c.n_learners, 0);
}

static void
zero_id_and_update_do_nothing(void)
{
	struct raft_conf c = conf_of(3);
	struct raft_conf before = c;

	CHECK_EQ(preview(&c, "u2", RAFT_TRANSITION_AUTO), RAFT_OK);
	CHECK_EQ(preview(&c, "r0", RAFT_TRANSITION_AUTO), RAFT_OK);
	CHECK(raft_conf_equal(&c, &before));
}

static void
too_many_members(void)
{
	struct raft_conf c = conf_of(RAFT_MAX_MEMBERS);
	struct raft_conf_change cc;

	CHECK_EQ(preview(&c, "v100", RAFT_TRANSITION_AUTO), RAFT_INVALID);
	CHECK_EQ(preview(&c, "l100", RAFT_TRANSITION_AUTO), RAFT_OK);
	memset(&cc, 0, sizeof(cc));
	cc.n = RAFT_MAX_CHANGES + 1;
	CHECK_EQ(raft_conf_preview(&c, &cc, &c), RAFT_INVALID);
	cc.n = 1;
	cc.changes[0].id = 1;
	cc.changes[0].type = (enum raft_change_type) 9;
	CHECK_EQ(raft_conf_preview(&c, &cc, &c), RAFT_INVALID);
	cc.transition = (enum raft_transition) 9;
	CHECK_EQ(raft_conf_preview(&c, &cc, &c), RAFT_INVALID);
}

static void
contradictory_configurations(void)
{
	struct raft_conf c = conf_of(3);
	struct raft_conf out;

	CHECK(raft_conf_normalize(&c, &out));
	c.voters[2] = 1;			/* twice */
	CHECK(!raft_conf_normalize(&c, &out));
	c = conf_of(3);
	c.voters[2] = 0;
	CHECK(!raft_conf_normalize(&c, &out));
	c = conf_of(3);
	c.learners[c.n_learners++] = 3; /* voter and learner */
	CHECK(!raft_conf_normalize(&c, &out));
	c = conf_of(3);
	c.auto_leave = true;		/* not joint */
	CHECK(!raft_conf_normalize(&c, &out));
	c = conf_of(3);
	c.outgoing[c.n_outgoing++] = 1;
	c.learners_next[c.n_learners_next++] = 1;	/* voter of the incoming half */
	CHECK(!raft_conf_normalize(&c, &out));
	memset(&c, 0, sizeof(c));
	CHECK(raft_conf_normalize(&c, &out));
	c.learners[c.n_learners++] = 3; /* learners without voters */
	CHECK(!raft_conf_normalize(&c, &out));
	c.n_voters = 200;
	CHECK(!raft_conf_normalize(&c, &out));
}

static void
normalizing_sorts(void)
{
	struct raft_conf c = {.n_voters = 3,.voters = {9, 2, 5}};
	struct raft_conf out;

	CHECK(raft_conf_normalize(&c, &out));
	CHECK(out.voters[0] == 2 && out.voters[1] == 5 && out.voters[2] == 9);
	CHECK(raft_conf_equal(&c, &out));
}

/* A member removed and added in one change has lost its log. */
static void
readded_member_starts_anew(void)
{
	struct raft_conf conf = conf_of(3);
	const struct raft_conf_change *cc = change_of("r3 v3", RAFT_TRANSITION_AUTO);
	struct raft_changer c;
	int			i;

	raft_changer_init(&c, &conf);
	CHECK_EQ(raft_changer_simple(&c, cc->changes, cc->n), RAFT_CONF_FINE);
	for (i = 0; i < c.n_tracked; i++)
		CHECK_EQ(c.tracked[i].fresh, c.tracked[i].id == 3);

	raft_changer_init(&c, &conf);
	CHECK_EQ(raft_changer_enter_joint(&c, true, cc->changes, cc->n), RAFT_CONF_FINE);
	for (i = 0; i < c.n_tracked; i++)
		CHECK(!c.tracked[i].fresh);
}

/*
 * Any list of changes gives the same members, made one by one or at once
 * through a joint configuration.
 */
static void
joint_equals_simple(void)
{
	static const char types[] = "vrlu";
	uint64_t	s = 5;
	int			round;
	int			compared = 0;

	for (round = 0; round < 3000; round++)
	{
		struct raft_conf conf = conf_of(1 + (int) raft_random_below(&s, 4));
		struct raft_conf_change cc;
		struct raft_changer simple;
		struct raft_changer joint;
		bool		possible = true;
		uint32_t	i;

		memset(&cc, 0, sizeof(cc));
		cc.n = 1 + raft_random_below(&s, 6);
		for (i = 0; i < cc.n; i++)
		{
			char		type = types[raft_random_below(&s, 4)];

			cc.changes[i].type = type == 'v' ? RAFT_ADD_VOTER : type == 'r' ? RAFT_REMOVE :
				type == 'l' ? RAFT_ADD_LEARNER : RAFT_UPDATE;
			cc.changes[i].id = 1 + raft_random_below(&s, 8);
		}
		raft_changer_init(&simple, &conf);
		raft_changer_init(&joint, &conf);
		for (i = 0; i < cc.n && possible; i++)
			possible = raft_changer_simple(&simple, &cc.changes[i], 1) == RAFT_CONF_FINE;
		if (!possible)
			continue;
		CHECK_EQ(raft_changer_enter_joint(&joint, false, cc.changes, cc.n), RAFT_CONF_FINE);
		CHECK_EQ(raft_changer_leave_joint(&joint), RAFT_CONF_FINE);
		CHECK(raft_conf_equal(&simple.conf, &joint.conf));
		CHECK_EQ(simple.n_tracked, joint.n_tracked);
		compared++;
	}
	CHECK(compared > 500);
}

const struct unit_test unit_conf[] = {
	{"conf/add_and_remove", add_and_remove},
	{"conf/one_change_needs_no_joint_configuration", one_change_needs_no_joint_configuration},
	{"conf/two_changes_go_joint", two_changes_go_joint},
	{"conf/explicit_does_not_leave_by_itself", explicit_does_not_leave_by_itself},
	{"conf/demotion_waits_in_learners_next", demotion_waits_in_learners_next},
	{"conf/simple_demotion_and_promotion", simple_demotion_and_promotion},
	{"conf/zero_id_and_update_do_nothing", zero_id_and_update_do_nothing},
	{"conf/too_many_members", too_many_members},
	{"conf/contradictory_configurations", contradictory_configurations},
	{"conf/normalizing_sorts", normalizing_sorts},
	{"conf/readded_member_starts_anew", readded_member_starts_anew},
	{"conf/joint_equals_simple", joint_equals_simple},
	{NULL, NULL}
};
