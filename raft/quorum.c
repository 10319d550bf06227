/*-------------------------------------------------------------------------
 *
 * quorum.c
 *	  Majorities, and majorities of both halves.
 *
 * A value "reached by a quorum" is the largest one that a majority of the voters
 * has reached.  An empty list of voters agrees with everything, which makes a
 * configuration that is not joint a special case of one that is.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/quorum.c
 *
 *-------------------------------------------------------------------------
 */
#include "raft_int.h"

/*
 * The n/2+1 largest values decide; at most RAFT_MAX_MEMBERS of them, so an
 * insertion sort on the stack is all that is needed.
 */
uint64_t
raft_quorum_value(const raft_id *ids, int n, raft_value_fn fn, const void *arg)
{
	uint64_t	sorted[RAFT_MAX_PEERS];
	int			i;

	if (n == 0)
		return UINT64_MAX;
	for (i = 0; i < n; i++)
	{
		uint64_t	v;
		int			j;

		if (!fn(arg, ids[i], &v))
			v = 0;
		for (j = i; j > 0 && sorted[j - 1] > v; j--)
			sorted[j] = sorted[j - 1];
		sorted[j] = v;
	}
	return sorted[n - (n / 2 + 1)];
}

/* Values are votes: nonzero is yes, unknown is still pending. */
enum raft_vote_result
raft_quorum_vote(const raft_id *ids, int n, raft_value_fn fn, const void *arg)
{
	int			needed = n / 2 + 1;
	int			yes = 0;
	int			missing = 0;
	int			i;

	if (n == 0)
		return RAFT_VOTE_WON;
	for (i = 0; i < n; i++)
	{
		uint64_t	v;

		if (!fn(arg, ids[i], &v))
			missing++;
		else if (v != 0)
			yes++;
	}
	if (yes >= needed)
		return RAFT_VOTE_WON;
	if (yes + missing >= needed)
		return RAFT_VOTE_PENDING;
	return RAFT_VOTE_LOST;
}

uint64_t
raft_joint_value(const struct raft_conf *conf, raft_value_fn fn, const void *arg)
{
	uint64_t	in = raft_quorum_value(conf->voters, conf->n_voters, fn, arg);
	uint64_t	out = raft_quorum_value(conf->outgoing, conf->n_outgoing, fn, arg);

	return Min(in, out);
}

/* Both halves must win; one lost half loses. */
enum raft_vote_result
raft_joint_vote(const struct raft_conf *conf, raft_value_fn fn, const void *arg)
{
	enum raft_vote_result in = raft_quorum_vote(conf->voters, conf->n_voters, fn, arg);
	enum raft_vote_result out = raft_quorum_vote(conf->outgoing, conf->n_outgoing, fn, arg);

	if (in == out)
		return in;
	if (in == RAFT_VOTE_LOST || out == RAFT_VOTE_LOST)
		return RAFT_VOTE_LOST;
	return RAFT_VOTE_PENDING;
}
