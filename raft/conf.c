/*-------------------------------------------------------------------------
 *
 * conf.c
 *	  Configurations and how they change.
 *
 * Pure functions: nothing here knows an instance.
 *
 * A simple change alters at most one voter, so that any two consecutive
 * majorities overlap.  Anything larger goes through a joint configuration
 * (thesis, section 4.3): the voters before the change become the outgoing half,
 * the change is made to the incoming half, and decisions need a majority of
 * both until the outgoing half is dropped.
 *
 * A voter that becomes a learner in a joint change is still a voter of the
 * outgoing half.  A member cannot be both, so it waits in learners_next and
 * becomes a learner when the joint configuration is left.
 *
 * Beside the configuration the changer keeps the list of tracked members: whom a
 * leader keeps progress of.  A member that is removed and added again in one
 * change starts with fresh progress, since it may have lost its log.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/conf.c
 *
 *-------------------------------------------------------------------------
 */
#include "raft_int.h"

/* ---------- sorted sets of ids ---------- */

bool
raft_set_has(const raft_id *ids, int n, raft_id id)
{
	int			i;

	for (i = 0; i < n; i++)
		if (ids[i] == id)
			return true;
	return false;
}

/* False if the set is full. */
static bool
set_add(raft_id *ids, uint8_t *n, raft_id id)
{
	int			i;

	if (raft_set_has(ids, *n, id))
		return true;
	if (*n >= RAFT_MAX_MEMBERS)
		return false;
	for (i = *n; i > 0 && ids[i - 1] > id; i--)
		ids[i] = ids[i - 1];
	ids[i] = id;
	(*n)++;
	return true;
}

static void
set_remove(raft_id *ids, uint8_t *n, raft_id id)
{
	int			i;
	int			j = 0;

	for (i = 0; i < *n; i++)
		if (ids[i] != id)
			ids[j++] = ids[i];
	for (i = j; i < *n; i++)
		ids[i] = 0;
	*n = (uint8_t) j;
}

/* Members in one set but not in the other. */
static int
set_difference(const raft_id *a, int na, const raft_id *b, int nb)
{
	int			count = 0;
	int			i;

	for (i = 0; i < na; i++)
		count += !raft_set_has(b, nb, a[i]);
	for (i = 0; i < nb; i++)
		count += !raft_set_has(a, na, b[i]);
	return count;
}

/* ---------- questions ---------- */

bool
raft_conf_is_joint(const struct raft_conf *c)
{
	return c->n_outgoing > 0;
}

bool
raft_conf_has_voter(const struct raft_conf *c, raft_id id)
{
	return raft_set_has(c->voters, c->n_voters, id) ||
		raft_set_has(c->outgoing, c->n_outgoing, id);
}

bool
raft_conf_has(const struct raft_conf *c, raft_id id)
{
	return raft_conf_has_voter(c, id) ||
		raft_set_has(c->learners, c->n_learners, id);
}

/* The voters of both halves, ascending; out has room for RAFT_MAX_PEERS. */
int
raft_conf_voters(const struct raft_conf *c, raft_id *out)
{
	int			i = 0;
	int			j = 0;
	int			n = 0;

	while (i < c->n_voters || j < c->n_outgoing)
	{
		raft_id		id;

		if (j >= c->n_outgoing ||
			(i < c->n_voters && c->voters[i] <= c->outgoing[j]))
			id = c->voters[i];
		else
			id = c->outgoing[j];
		if (i < c->n_voters && c->voters[i] == id)
			i++;
		if (j < c->n_outgoing && c->outgoing[j] == id)
			j++;
		out[n++] = id;
	}
	return n;
}

static bool
set_equal(const raft_id *a, int na, const raft_id *b, int nb)
{
	return na == nb && set_difference(a, na, b, nb) == 0;
}

bool
raft_conf_equal(const struct raft_conf *a, const struct raft_conf *b)
{
	return a->auto_leave == b->auto_leave &&
		set_equal(a->voters, a->n_voters, b->voters, b->n_voters) &&
		set_equal(a->outgoing, a->n_outgoing, b->outgoing, b->n_outgoing) &&
		set_equal(a->learners, a->n_learners, b->learners, b->n_learners) &&
		set_equal(a->learners_next, a->n_learners_next,
				  b->learners_next, b->n_learners_next);
}

static bool
normalize_set(const raft_id *in, uint8_t n, raft_id *out, uint8_t *n_out)
{
	int			i;

	*n_out = 0;
	if (n > RAFT_MAX_MEMBERS)
		return false;
	for (i = 0; i < n; i++)
	{
		if (in[i] == 0 || raft_set_has(out, *n_out, in[i]))
			return false;
		set_add(out, n_out, in[i]);
	}
	return true;
}

/*
 * Sort a configuration that came from outside, with everything unused zero.
 * False if it contradicts itself.
 */
bool
raft_conf_normalize(const struct raft_conf *in, struct raft_conf *out)
{
	struct raft_conf c;
	raft_id		all[RAFT_MAX_MEMBERS * 2];
	int			i;

	memset(&c, 0, sizeof(c));
	if (!normalize_set(in->voters, in->n_voters, c.voters, &c.n_voters) ||
		!normalize_set(in->outgoing, in->n_outgoing, c.outgoing, &c.n_outgoing) ||
		!normalize_set(in->learners, in->n_learners, c.learners, &c.n_learners) ||
		!normalize_set(in->learners_next, in->n_learners_next,
					   c.learners_next, &c.n_learners_next))
		return false;
	c.auto_leave = in->auto_leave;

	for (i = 0; i < c.n_learners; i++)
		if (raft_conf_has_voter(&c, c.learners[i]))
			return false;
	for (i = 0; i < c.n_learners_next; i++)
		if (!raft_set_has(c.outgoing, c.n_outgoing, c.learners_next[i]) ||
			raft_set_has(c.voters, c.n_voters, c.learners_next[i]))
			return false;
	if (c.n_voters == 0 && (c.n_outgoing > 0 || c.n_learners > 0))
		return false;
	if (c.n_outgoing == 0 && (c.auto_leave || c.n_learners_next > 0))
		return false;
	if (raft_conf_voters(&c, all) + c.n_learners > RAFT_MAX_PEERS)
		return false;
	*out = c;
	return true;
}

/* Is this the empty change that leaves a joint configuration? */
bool
raft_change_leaves(const struct raft_conf_change *change)
{
	return change == NULL ||
		(change->n == 0 && change->transition == RAFT_TRANSITION_AUTO);
}

/* ---------- the changer ---------- */

/* Start from a normalized configuration; all its members are tracked. */
void
raft_changer_init(struct raft_changer *c, const struct raft_conf *conf)
{
	raft_id		voters[RAFT_MAX_MEMBERS * 2];
	int			n;
	int			i;

	memset(c, 0, sizeof(*c));
	c->conf = *conf;
	n = raft_conf_voters(conf, voters);
	for (i = 0; i < n; i++)
		c->tracked[c->n_tracked++].id = voters[i];
	for (i = 0; i < conf->n_learners; i++)
	{
		c->tracked[c->n_tracked].id = conf->learners[i];
		c->tracked[c->n_tracked++].learner = true;
	}
}

static struct raft_tracked *
tracked_find(struct raft_changer *c, raft_id id)
{
	int			i;

	for (i = 0; i < c->n_tracked; i++)
		if (c->tracked[i].id == id)
			return &c->tracked[i];
	return NULL;
}

static void
tracked_drop(struct raft_changer *c, raft_id id)
{
	struct raft_tracked *t = tracked_find(c, id);

	if (t != NULL)
		*t = c->tracked[--c->n_tracked];
}

static enum raft_conf_error
tracked_add(struct raft_changer *c, raft_id id, bool learner)
{
	bool		ok;

	if (c->n_tracked >= RAFT_MAX_PEERS)
		return RAFT_CONF_TOO_MANY;
	if (learner)
		ok = set_add(c->conf.learners, &c->conf.n_learners, id);
	else
		ok = set_add(c->conf.voters, &c->conf.n_voters, id);
	if (!ok)
		return RAFT_CONF_TOO_MANY;
	c->tracked[c->n_tracked].id = id;
	c->tracked[c->n_tracked].learner = learner;
	c->tracked[c->n_tracked].fresh = true;
	c->n_tracked++;
	return RAFT_CONF_FINE;
}

static void
change_remove(struct raft_changer *c, raft_id id)
{
	if (tracked_find(c, id) == NULL)
		return;
	set_remove(c->conf.voters, &c->conf.n_voters, id);
	set_remove(c->conf.learners, &c->conf.n_learners, id);
	set_remove(c->conf.learners_next, &c->conf.n_learners_next, id);
	if (!raft_set_has(c->conf.outgoing, c->conf.n_outgoing, id))
		tracked_drop(c, id);
}

static enum raft_conf_error
change_add_voter(struct raft_changer *c, raft_id id)
{
	struct raft_tracked *t = tracked_find(c, id);

	if (t == NULL)
		return tracked_add(c, id, false);
	t->learner = false;
	set_remove(c->conf.learners, &c->conf.n_learners, id);
	set_remove(c->conf.learners_next, &c->conf.n_learners_next, id);
	if (!set_add(c->conf.voters, &c->conf.n_voters, id))
		return RAFT_CONF_TOO_MANY;
	return RAFT_CONF_FINE;
}

static enum raft_conf_error
change_add_learner(struct raft_changer *c, raft_id id)
{
	struct raft_tracked *t = tracked_find(c, id);
	bool		ok;

	if (t == NULL)
		return tracked_add(c, id, true);
	if (t->learner)
		return RAFT_CONF_FINE;

	/* a demotion: the progress is kept */
	set_remove(c->conf.voters, &c->conf.n_voters, id);
	set_remove(c->conf.learners_next, &c->conf.n_learners_next, id);
	if (raft_set_has(c->conf.outgoing, c->conf.n_outgoing, id))
		ok = set_add(c->conf.learners_next, &c->conf.n_learners_next, id);
	else
	{
		t->learner = true;
		ok = set_add(c->conf.learners, &c->conf.n_learners, id);
	}
	return ok ? RAFT_CONF_FINE : RAFT_CONF_TOO_MANY;
}

static enum raft_conf_error
change_all(struct raft_changer *c, const struct raft_change *changes, uint32_t n)
{
	uint32_t	i;

	for (i = 0; i < n; i++)
	{
		enum raft_conf_error err = RAFT_CONF_FINE;

		if (changes[i].id == 0)
			continue;
		switch (changes[i].type)
		{
			case RAFT_ADD_VOTER:
				err = change_add_voter(c, changes[i].id);
				break;
			case RAFT_ADD_LEARNER:
				err = change_add_learner(c, changes[i].id);
				break;
			case RAFT_REMOVE:
				change_remove(c, changes[i].id);
				break;
			case RAFT_UPDATE:
				break;
			default:
				err = RAFT_CONF_BAD_CHANGE;
		}
		if (err != RAFT_CONF_FINE)
			return err;
	}
	return c->conf.n_voters == 0 ? RAFT_CONF_NO_VOTERS : RAFT_CONF_FINE;
}

/*
 * The three ways to change a configuration.  On an error *c is as it was.
 */
enum raft_conf_error
raft_changer_simple(struct raft_changer *c, const struct raft_change *changes,
					uint32_t n)
{
	struct raft_changer next = *c;
	enum raft_conf_error err;

	if (raft_conf_is_joint(&c->conf))
		return RAFT_CONF_SIMPLE_IN_JOINT;
	err = change_all(&next, changes, n);
	if (err != RAFT_CONF_FINE)
		return err;
	if (set_difference(c->conf.voters, c->conf.n_voters,
					   next.conf.voters, next.conf.n_voters) > 1)
		return RAFT_CONF_MANY_VOTERS;
	*c = next;
	return RAFT_CONF_FINE;
}

enum raft_conf_error
raft_changer_enter_joint(struct raft_changer *c, bool auto_leave,
						 const struct raft_change *changes, uint32_t n)
{
	struct raft_changer next = *c;
	enum raft_conf_error err;

	if (raft_conf_is_joint(&c->conf))
		return RAFT_CONF_ALREADY_JOINT;
	if (c->conf.n_voters == 0)
		return RAFT_CONF_ZERO_VOTERS;
	memcpy(next.conf.outgoing, c->conf.voters, sizeof(next.conf.outgoing));
	next.conf.n_outgoing = c->conf.n_voters;
	err = change_all(&next, changes, n);
	if (err != RAFT_CONF_FINE)
		return err;
	next.conf.auto_leave = auto_leave;
	*c = next;
	return RAFT_CONF_FINE;
}

enum raft_conf_error
raft_changer_leave_joint(struct raft_changer *c)
{
	struct raft_changer next = *c;
	int			i;

	if (!raft_conf_is_joint(&c->conf))
		return RAFT_CONF_NOT_JOINT_ERR;
	for (i = 0; i < c->conf.n_learners_next; i++)
	{
		raft_id		id = c->conf.learners_next[i];
		struct raft_tracked *t = tracked_find(&next, id);

		if (t == NULL)
			return RAFT_CONF_BROKEN;
		t->learner = true;
		if (!set_add(next.conf.learners, &next.conf.n_learners, id))
			return RAFT_CONF_TOO_MANY;
	}
	for (i = 0; i < c->conf.n_outgoing; i++)
	{
		raft_id		id = c->conf.outgoing[i];

		if (!raft_set_has(next.conf.voters, next.conf.n_voters, id) &&
			!raft_set_has(next.conf.learners, next.conf.n_learners, id))
			tracked_drop(&next, id);
	}
	memset(next.conf.outgoing, 0, sizeof(next.conf.outgoing));
	memset(next.conf.learners_next, 0, sizeof(next.conf.learners_next));
	next.conf.n_outgoing = 0;
	next.conf.n_learners_next = 0;
	next.conf.auto_leave = false;
	*c = next;
	return RAFT_CONF_FINE;
}

/* A change as it stands in an entry; NULL is the empty one. */
enum raft_conf_error
raft_changer_apply(struct raft_changer *c, const struct raft_conf_change *change)
{
	if (raft_change_leaves(change))
		return raft_changer_leave_joint(c);
	if (change->n > RAFT_MAX_CHANGES)
		return RAFT_CONF_BAD_CHANGE;
	switch (change->transition)
	{
		case RAFT_TRANSITION_AUTO:
			if (change->n <= 1)
				return raft_changer_simple(c, change->changes, change->n);
			return raft_changer_enter_joint(c, true, change->changes, change->n);
		case RAFT_TRANSITION_IMPLICIT:
			return raft_changer_enter_joint(c, true, change->changes, change->n);
		case RAFT_TRANSITION_EXPLICIT:
			return raft_changer_enter_joint(c, false, change->changes, change->n);
	}
	return RAFT_CONF_BAD_CHANGE;
}

enum raft_rc
raft_conf_preview(const struct raft_conf *conf,
				  const struct raft_conf_change *change,
				  struct raft_conf *result)
{
	struct raft_conf from;
	struct raft_changer c;

	if (!raft_conf_normalize(conf, &from))
		return RAFT_INVALID;
	raft_changer_init(&c, &from);
	if (raft_changer_apply(&c, change) != RAFT_CONF_FINE)
		return RAFT_INVALID;
	*result = c.conf;
	return RAFT_OK;
}
