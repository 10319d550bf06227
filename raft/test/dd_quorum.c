/*-------------------------------------------------------------------------
 *
 * dd_quorum.c
 *	  Scenario interpreter: the commands of quorum files.
 *
 *	committed cfg=(ids) [cfgj=(ids)|zero] idx=(numbers or _)
 *	vote cfg=(ids) [cfgj=(ids)|zero] votes=(y, n or _)
 *
 * The values belong to the distinct voters in the order in which cfg and cfgj
 * name them.  Results that must agree are computed in other ways too, and are
 * printed only where they do not.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/test/dd_quorum.c
 *
 *-------------------------------------------------------------------------
 */
#include "dd.h"

#define U(x)	((unsigned long long) (x))

struct quorum_test
{
	raft_id		ids[RAFT_MAX_MEMBERS];
	int			n;
	raft_id		idsj[RAFT_MAX_MEMBERS];
	int			nj;
	bool		joint;

	/* values by voter; 0 = unknown */
	raft_id		voter[RAFT_MAX_PEERS];
	uint64_t	value[RAFT_MAX_PEERS];
	int			n_voters;
};

static bool
index_of(const void *arg, raft_id id, uint64_t *value)
{
	const struct quorum_test *t = arg;
	int			i;

	for (i = 0; i < t->n_voters; i++)
		if (t->voter[i] == id && t->value[i] != 0)
		{
			*value = t->value[i];
			return true;
		}
	return false;
}

/* Votes are stored as 1 = no, 2 = yes. */
static bool
vote_of(const void *arg, raft_id id, uint64_t *value)
{
	if (!index_of(arg, id, value))
		return false;
	*value = *value == 2;
	return true;
}

static void
put_index(struct dd_buf *b, uint64_t index)
{
	if (index == UINT64_MAX)
		dd_puts(b, "\xe2\x88\x9e");
	else
		dd_printf(b, "%llu", U(index));
}

static void
put_result(struct dd_env *env, uint64_t index, const char *remark)
{
	struct dd_buf b = {0};

	put_index(&b, index);
	dd_write(env, "%s%s", b.data, remark);
	dd_buf_free(&b);
}

static void
sort_ids(raft_id *ids, int n)
{
	int			i;
	int			j;

	for (i = 1; i < n; i++)
		for (j = i; j > 0 && ids[j - 1] > ids[j]; j--)
		{
			raft_id		swap = ids[j];

			ids[j] = ids[j - 1];
			ids[j - 1] = swap;
		}
}

/* A table with a bar for each voter: the further, the longer. */
static void
describe(struct dd_env *env, const struct quorum_test *t)
{
	raft_id		ids[RAFT_MAX_PEERS];
	int			n = t->n_voters;
	int			i;
	int			j;

	if (n == 0)
	{
		dd_write(env, "<empty majority quorum>");
		return;
	}
	memcpy(ids, t->voter, sizeof(ids[0]) * (size_t) n);
	sort_ids(ids, n);
	dd_write(env, "%*s    idx\n", n, "");
	for (i = 0; i < n; i++)
	{
		uint64_t	mine = 0;
		bool		known = index_of(t, ids[i], &mine);
		int			bar = 0;

		/* as long as the number of voters that are behind */
		for (j = 0; j < n; j++)
		{
			uint64_t	other = 0;

			index_of(t, ids[j], &other);
			bar += other < mine;
		}
		if (known)
		{
			for (j = 0; j < bar; j++)
				dd_write(env, "x");
			dd_write(env, ">%*s", n - bar, "");
		}
		else
			dd_write(env, "?%*s", n, "");
		dd_write(env, " %5llu    (id=%llx)\n", U(mine), U(ids[i]));
	}
}

static void
parse_ids(struct dd_env *env, const struct dd_arg *arg, raft_id *ids, int *n)
{
	int			i;

	for (i = 0; i < arg->n_vals; i++)
	{
		uint64_t	id;

		if (*n >= RAFT_MAX_MEMBERS || !dd_number(arg->vals[i], &id))
		{
			env->fatal = "expected ids";
			return;
		}
		if (!raft_set_has(ids, *n, id))
			ids[(*n)++] = id;
	}
}

static bool
parse_value(const char *s, uint64_t *value)
{
	if (strcmp(s, "_") == 0)
		*value = 0;
	else if (strcmp(s, "y") == 0)
		*value = 2;
	else if (strcmp(s, "n") == 0)
		*value = 1;
	else
		return dd_number(s, value) && *value != 0;
	return true;
}

/* Another way to the same result: count, for every candidate index. */
static uint64_t
by_counting(const struct quorum_test *t, const raft_id *ids, int n)
{
	uint64_t	best = 0;
	int			i;
	int			j;

	if (n == 0)
		return UINT64_MAX;
	for (i = 0; i < n; i++)
	{
		uint64_t	candidate = 0;
		int			count = 0;

		if (!index_of(t, ids[i], &candidate))
			continue;
		for (j = 0; j < n; j++)
		{
			uint64_t	other;

			count += index_of(t, ids[j], &other) && other >= candidate;
		}
		if (count >= n / 2 + 1)
			best = Max(best, candidate);
	}
	return best;
}

static void
make_conf(struct raft_conf *c, const raft_id *in, int n_in, const raft_id *out, int n_out)
{
	memset(c, 0, sizeof(*c));
	memcpy(c->voters, in, sizeof(in[0]) * (size_t) n_in);
	memcpy(c->outgoing, out, sizeof(out[0]) * (size_t) n_out);
	c->n_voters = (uint8_t) n_in;
	c->n_outgoing = (uint8_t) n_out;
}

/* An index that is not reached may shrink without effect. */
static void
check_overlay(struct dd_env *env, const struct quorum_test *t, uint64_t result)
{
	int			i;
	int			j;

	for (i = 0; i < t->n_voters; i++)
		for (j = 0; j < 2; j++)
		{
			struct quorum_test lower = *t;
			uint64_t	other;

			if (t->value[i] == 0 || t->value[i] >= result)
				continue;
			lower.value[i] = j == 0 ? t->value[i] - 1 : 0;
			other = raft_quorum_value(t->ids, t->n, index_of, &lower);
			if (other != result)
			{
				struct dd_buf b = {0};

				dd_printf(&b, " <-- overlaying %llu->%llu", U(t->voter[i]),
						  U(lower.value[i]));
				put_result(env, other, b.data);
				dd_buf_free(&b);
			}
		}
}

static void
committed(struct dd_env *env, const struct quorum_test *t)
{
	struct raft_conf c;
	uint64_t	result;
	uint64_t	other;

	describe(env, t);
	if (t->joint)
	{
		make_conf(&c, t->ids, t->n, t->idsj, t->nj);
		result = raft_joint_value(&c, index_of, t);
		make_conf(&c, t->idsj, t->nj, t->ids, t->n);
		other = raft_joint_value(&c, index_of, t);
		if (other != result)
			put_result(env, other, " <-- via symmetry\n");
		put_result(env, result, "\n");
		return;
	}
	result = raft_quorum_value(t->ids, t->n, index_of, t);
	other = by_counting(t, t->ids, t->n);
	if (other != result)
		put_result(env, other, " <-- via alternative computation\n");
	make_conf(&c, t->ids, t->n, t->ids, 0);
	other = raft_joint_value(&c, index_of, t);
	if (other != result)
		put_result(env, other, " <-- via zero-joint quorum\n");
	make_conf(&c, t->ids, t->n, t->ids, t->n);
	other = raft_joint_value(&c, index_of, t);
	if (other != result)
		put_result(env, other, " <-- via self-joint quorum\n");
	check_overlay(env, t, result);
	put_result(env, result, "\n");
}

static const char *
vote_text(enum raft_vote_result r)
{
	return r == RAFT_VOTE_WON ? "VoteWon" : r == RAFT_VOTE_LOST ? "VoteLost" : "VotePending";
}

static void
vote(struct dd_env *env, const struct quorum_test *t)
{
	struct raft_conf c;
	enum raft_vote_result result;
	enum raft_vote_result other;

	if (!t->joint)
	{
		dd_write(env, "%s\n", vote_text(raft_quorum_vote(t->ids, t->n, vote_of, t)));
		return;
	}
	make_conf(&c, t->ids, t->n, t->idsj, t->nj);
	result = raft_joint_vote(&c, vote_of, t);
	make_conf(&c, t->idsj, t->nj, t->ids, t->n);
	other = raft_joint_vote(&c, vote_of, t);
	if (other != result)
		dd_write(env, "%s <-- via symmetry\n", vote_text(other));
	dd_write(env, "%s\n", vote_text(result));
}

static void
mismatch(struct dd_env *env, const struct quorum_test *t, const uint64_t *values, int n)
{
	raft_id		ids[RAFT_MAX_PEERS];
	struct dd_buf b = {0};
	int			i;

	memcpy(ids, t->voter, sizeof(ids[0]) * (size_t) t->n_voters);
	sort_ids(ids, t->n_voters);
	dd_puts(&b, "error: mismatched input (explicit or _) for voters map[");
	for (i = 0; i < t->n_voters; i++)
		dd_printf(&b, "%s%llu:{}", i > 0 ? " " : "", U(ids[i]));
	dd_puts(&b, "]: [");
	for (i = 0; i < n; i++)
	{
		dd_puts(&b, i > 0 ? " " : "");
		put_index(&b, values[i]);
	}
	dd_puts(&b, "]");
	dd_write(env, "%s", b.data);
	dd_buf_free(&b);
}

bool
dd_quorum_command(struct dd_env *env, const struct dd_directive *d)
{
	struct quorum_test t;
	uint64_t	values[DD_MAX_VALS];
	int			n_values = 0;
	int			i;
	int			j;

	if (strcmp(d->cmd, "committed") != 0 && strcmp(d->cmd, "vote") != 0)
		return false;
	memset(&t, 0, sizeof(t));
	for (i = 0; i < d->n_args && env->fatal == NULL; i++)
	{
		const struct dd_arg *arg = &d->args[i];

		if (arg->n_vals == 1 && arg->vals[0][0] == '\0')
			continue;
		if (strcmp(arg->key, "cfg") == 0)
			parse_ids(env, arg, t.ids, &t.n);
		else if (strcmp(arg->key, "cfgj") == 0)
		{
			t.joint = true;
			if (strcmp(arg->vals[0], "zero") != 0)
				parse_ids(env, arg, t.idsj, &t.nj);
		}
		else if (strcmp(arg->key, "idx") == 0 || strcmp(arg->key, "votes") == 0)
		{
			for (j = 0; j < arg->n_vals; j++)
				if (!parse_value(arg->vals[j], &values[n_values++]))
					env->fatal = "expected a number, y, n or _";
		}
		else
			env->fatal = "unknown argument";
	}
	if (env->fatal != NULL)
		return true;

	for (i = 0; i < t.n + t.nj; i++)
	{
		raft_id		id = i < t.n ? t.ids[i] : t.idsj[i - t.n];

		if (!raft_set_has(t.voter, t.n_voters, id))
			t.voter[t.n_voters++] = id;
	}
	if (t.n_voters != n_values)
	{
		mismatch(env, &t, values, n_values);
		return true;
	}
	memcpy(t.value, values, sizeof(values[0]) * (size_t) n_values);
	if (strcmp(d->cmd, "committed") == 0)
		committed(env, &t);
	else
		vote(env, &t);
	return true;
}
