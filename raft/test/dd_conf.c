/*-------------------------------------------------------------------------
 *
 * dd_conf.c
 *	  Scenario interpreter: the commands of configuration change files.
 *
 *	simple, enter-joint [autoleave=BOOL], leave-joint
 *
 * Each command works on the configuration the last one left; a number that grows
 * with every command stands for the last index of the log, which is where a new
 * member's progress starts.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/test/dd_conf.c
 *
 *-------------------------------------------------------------------------
 */
#include "dd.h"

static const char *
error_text(enum raft_conf_error err)
{
	switch (err)
	{
		case RAFT_CONF_FINE:
			break;
		case RAFT_CONF_ALREADY_JOINT:
			return "config is already joint";
		case RAFT_CONF_ZERO_VOTERS:
			return "can't make a zero-voter config joint";
		case RAFT_CONF_NOT_JOINT_ERR:
			return "can't leave a non-joint config";
		case RAFT_CONF_SIMPLE_IN_JOINT:
			return "can't apply simple config change in joint config";
		case RAFT_CONF_MANY_VOTERS:
			return "more than one voter changed without entering joint config";
		case RAFT_CONF_NO_VOTERS:
			return "removed all voters";
		case RAFT_CONF_TOO_MANY:
			return "too many members";
		case RAFT_CONF_BAD_CHANGE:
			return "unexpected conf type";
		case RAFT_CONF_BROKEN:
			return "inconsistent config";
	}
	return "";
}

static uint64_t *
next_of(struct dd_env *env, raft_id id)
{
	int			i;

	for (i = 0; i < env->changer_n; i++)
		if (env->changer_ids[i] == id)
			return &env->changer_next[i];
	return NULL;
}

/* Start the progress of fresh members, drop that of removed ones. */
static void
track(struct dd_env *env)
{
	struct raft_changer *c = &env->changer;
	uint64_t	next[RAFT_MAX_PEERS];
	raft_id		ids[RAFT_MAX_PEERS];
	int			i;

	for (i = 0; i < c->n_tracked; i++)
	{
		uint64_t   *old = next_of(env, c->tracked[i].id);

		ids[i] = c->tracked[i].id;
		next[i] = c->tracked[i].fresh || old == NULL ? Max(env->changer_last, 1) : *old;
		c->tracked[i].fresh = false;
	}
	memcpy(env->changer_ids, ids, sizeof(ids[0]) * (size_t) c->n_tracked);
	memcpy(env->changer_next, next, sizeof(next[0]) * (size_t) c->n_tracked);
	env->changer_n = c->n_tracked;
}

static void
print(struct dd_env *env)
{
	const struct raft_changer *c = &env->changer;
	struct dd_buf b = {0};
	raft_id		before = 0;
	int			i;
	int			j;

	dd_put_conf(&b, &c->conf);
	dd_puts(&b, "\n");
	for (i = 0; i < c->n_tracked; i++)
	{
		struct raft_peer_status st;
		const struct raft_tracked *lowest = NULL;

		for (j = 0; j < c->n_tracked; j++)
			if (c->tracked[j].id > before &&
				(lowest == NULL || c->tracked[j].id < lowest->id))
				lowest = &c->tracked[j];
		before = lowest->id;
		memset(&st, 0, sizeof(st));
		st.next = *next_of(env, lowest->id);
		st.learner = lowest->learner;
		st.recent_active = true;
		dd_printf(&b, "%llu: ", (unsigned long long) lowest->id);
		dd_put_progress(&b, &st);
		dd_puts(&b, "\n");
	}
	dd_write(env, "%s", b.data);
	dd_buf_free(&b);
}

bool
dd_conf_command(struct dd_env *env, const struct dd_directive *d)
{
	struct raft_conf_change cc;
	enum raft_conf_error err;
	bool		auto_leave = false;
	const struct dd_arg *arg;

	if (strcmp(d->cmd, "simple") != 0 && strcmp(d->cmd, "enter-joint") != 0 &&
		strcmp(d->cmd, "leave-joint") != 0)
		return false;
	if (!dd_parse_changes(d->input, &cc, &env->error))
	{
		env->changer_last++;
		return true;
	}
	if (strcmp(d->cmd, "simple") == 0)
		err = raft_changer_simple(&env->changer, cc.changes, cc.n);
	else if (strcmp(d->cmd, "enter-joint") == 0)
	{
		arg = dd_find_arg(d, "autoleave");
		if (arg != NULL && (arg->n_vals != 1 || !dd_bool(arg->vals[0], &auto_leave)))
			env->fatal = "expected a truth value";
		err = raft_changer_enter_joint(&env->changer, auto_leave, cc.changes, cc.n);
	}
	else if (cc.n > 0)
	{
		dd_error(env, "this command takes no input\n");
		env->changer_last++;
		return true;
	}
	else
		err = raft_changer_leave_joint(&env->changer);

	if (err != RAFT_CONF_FINE)
		dd_write(env, "%s\n", error_text(err));
	else
	{
		track(env);
		print(env);
	}
	env->changer_last++;
	return true;
}
