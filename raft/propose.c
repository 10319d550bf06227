/*-------------------------------------------------------------------------
 *
 * propose.c
 *	  Proposals: the leader appends, others pass them on.
 *
 * A leader accepts a configuration change only when no earlier one can be
 * unapplied: pending_conf is the last index at which one may be, set at election
 * to the end of the log, so that the log need not be searched.  With it, the
 * configurations of any two consecutive changes have overlapping quorums
 * although each is switched to when applied, not when appended.
 *
 * The quota counts the payload that is proposed and not applied here.  One entry
 * is always accepted when there is none, and entries without payload always: the
 * first entry of a term and the one that leaves a joint configuration must not
 * fail.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/propose.c
 *
 *-------------------------------------------------------------------------
 */
#include "raft_int.h"

static uint64_t
payload(const struct raft_entry *entries, size_t n)
{
	uint64_t	bytes = 0;
	size_t		i;

	for (i = 0; i < n; i++)
		bytes += entries[i].size;
	return bytes;
}

static bool
quota_admits(const struct raft *r, uint64_t bytes)
{
	return r->uncommitted == 0 || bytes == 0 ||
		(r->uncommitted <= r->cfg.max_uncommitted_bytes &&
		 bytes <= r->cfg.max_uncommitted_bytes - r->uncommitted);
}

void
raft_uncommitted_reduce(struct raft *r, uint64_t bytes)
{
	/* entries of earlier terms were never added: it may be less */
	if (!raft_broken(r, RAFT_BREAK_QUOTA_LEAK))
		r->uncommitted -= Min(bytes, r->uncommitted);
}

/* Room for n entries of ours everywhere; before any state changes. */
static bool
reserve(struct raft *r, size_t n)
{
	return raft_trail_reserve(r, &r->trail, n) &&
		raft_vec_reserve(r, &r->out[r->cur].entries, n, sizeof(struct raft_entry)) &&
		raft_vec_reserve(r, &r->gate, 2, sizeof(struct raft_gated)) &&
		raft_vec_reserve(r, &r->out[r->cur].gated, 2, sizeof(struct raft_msg));
}

/*
 * Append to the leader's own log.  Our acknowledgement to ourselves waits for
 * the disk as every other one does.  False: out of memory or over the quota.
 */
bool
raft_leader_append(struct raft *r, const struct raft_entry *entries, size_t n)
{
	struct raft_msg self = {0};
	uint64_t	bytes = payload(entries, n);
	raft_index	first = r->trail.last + 1;
	size_t		i;

	if (!quota_admits(r, bytes) || !reserve(r, n))
		return false;
	r->uncommitted += bytes;
	for (i = 0; i < n; i++)
	{
		struct raft_entry e = entries[i];

		e.term = r->term;
		raft_log_append(r, &e, 1, first + i);
	}
	self.type = RAFT_MSG_APP_RESP;
	self.to = r->cfg.id;
	self.index = r->trail.last;
	raft_send(r, &self);
	return true;
}

/*
 * Why a configuration change cannot be proposed now (enum raft_conf_refusal),
 * or 0.  pending is the last index that may hold an unapplied one.
 */
static int
refusal(const struct raft *r, const struct raft_conf_change *change,
		raft_index pending)
{
	bool		joint = raft_conf_is_joint(&r->conf);
	bool		leaves = change == NULL || change->n == 0;
	struct raft_changer c;

	if (pending > r->applied && !raft_broken(r, RAFT_BREAK_TWO_CONF_CHANGES))
		return RAFT_CONF_PENDING;
	if (joint && !leaves)
		return RAFT_CONF_MUST_LEAVE;
	if (!joint && leaves)
		return RAFT_CONF_NOT_JOINT;
	if (r->cfg.scripted)
		return 0;
	raft_changer_init(&c, &r->conf);
	if (raft_changer_apply(&c, change) != RAFT_CONF_FINE)
		return RAFT_CONF_IMPOSSIBLE;
	return 0;
}

/*
 * Check the configuration changes among n entries.  Scripted instances put an
 * empty entry in place of a refused one (*copy, allocated by the caller); all
 * others refuse the whole proposal.
 */
static enum raft_rc
check_changes(struct raft *r, struct raft_entry *copy, size_t n, raft_index *pending)
{
	size_t		i;

	*pending = r->pending_conf;
	for (i = 0; i < n; i++)
	{
		const struct raft_conf_change *change = copy[i].change;
		int			why;

		if (copy[i].type != RAFT_ENTRY_CONF)
			continue;
		why = refusal(r, change, *pending);
		if (why == 0 || r->cfg.no_conf_validation)
		{
			*pending = r->trail.last + 1 + i;
			RAFT_TRACE(r, RAFT_EV_CONF_ACCEPTED,.change = change,.index = *pending);
			continue;
		}
		RAFT_TRACE(r, RAFT_EV_CONF_REFUSED,.change = change,.conf = &r->conf,
				   .a = (uint64_t) why,.index = *pending,.applied = r->applied);
		if (!r->cfg.scripted)
			return why == RAFT_CONF_IMPOSSIBLE ? RAFT_INVALID : RAFT_BUSY;
		memset(&copy[i], 0, sizeof(copy[i]));
	}
	return RAFT_OK;
}

static enum raft_rc
propose_leader(struct raft *r, const struct raft_entry *entries, size_t n,
			   raft_index *first)
{
	struct raft_vec *props = &r->out[r->cur].props;
	struct raft_entry *copy;
	raft_index	pending;
	enum raft_rc rc;
	size_t		i;

	if (raft_peer_get(r, r->cfg.id) == NULL)
		return RAFT_DROPPED;
	if (r->transferee != 0)
	{
		RAFT_TRACE(r, RAFT_EV_PROP_TRANSFER,.peer = r->transferee);
		return RAFT_DROPPED;
	}
	for (i = 0; i < n; i++)
		if (entries[i].size > r->cfg.max_entry_bytes)
			return RAFT_TOO_BIG;
	if (!reserve(r, n) || !raft_vec_reserve(r, props, n, sizeof(struct raft_entry)))
		return RAFT_NOMEM;

	/* work on a copy behind the queued ones; it is not kept */
	copy = RAFT_VEC(*props, struct raft_entry) + props->n;
	memcpy(copy, entries, n * sizeof(struct raft_entry));
	rc = check_changes(r, copy, n, &pending);
	if (rc != RAFT_OK)
		return rc;
	*first = r->trail.last + 1;
	if (!raft_leader_append(r, copy, n))
	{
		RAFT_TRACE0(r, RAFT_EV_PROP_QUOTA);
		return RAFT_BUSY;
	}
	r->pending_conf = pending;
	raft_bcast_append_soon(r);
	return RAFT_OK;
}

/*
 * Hand the entries to the leader; they are listed in the message itself.  What
 * came from another member is not passed on again: two members that take each
 * other for the leader would never stop.
 */
static enum raft_rc
forward(struct raft *r, const struct raft_entry *entries, size_t n)
{
	struct raft_vec *props = &r->out[r->cur].props;
	struct raft_msg m = {0};

	if (n > UINT32_MAX)
		return RAFT_INVALID;
	if (!raft_vec_reserve(r, props, n, sizeof(struct raft_entry)))
		return RAFT_NOMEM;
	memcpy(RAFT_VEC(*props, struct raft_entry) + props->n, entries,
		   n * sizeof(struct raft_entry));
	m.type = RAFT_MSG_PROP;
	m.to = r->leader;
	m.n_entries = (uint32_t) n;
	m.bytes = payload(entries, n);
	m.ctx = props->n;
	m.entries = entries;
	props->n += n;
	raft_send(r, &m);
	return RAFT_OK;
}

/* A proposal of our own or of a peer. */
enum raft_rc
raft_handle_propose(struct raft *r, const struct raft_entry *entries, size_t n,
					raft_id from, raft_index *first)
{
	switch (r->role)
	{
		case RAFT_LEADER:
			return propose_leader(r, entries, n, first);
		case RAFT_FOLLOWER:
			if (r->leader == 0)
				break;
			if (!r->cfg.forward_proposals || (from != r->cfg.id && !r->cfg.scripted))
			{
				RAFT_TRACE(r, RAFT_EV_PROP_NOT_FORWARDED,.peer = r->leader);
				return RAFT_NOT_LEADER;
			}
			return forward(r, entries, n);
		case RAFT_CANDIDATE:
		case RAFT_PRE_CANDIDATE:
			break;
	}
	RAFT_TRACE0(r, RAFT_EV_PROP_NO_LEADER);
	return RAFT_NO_LEADER;
}

enum raft_rc
raft_propose(struct raft *r, const struct raft_entry *entries, size_t n,
			 raft_index *first)
{
	raft_index	index = 0;
	enum raft_rc rc;

	if (r->fault_line != 0)
		return RAFT_FATAL;
	if (n == 0)
		return RAFT_INVALID;
	rc = raft_handle_propose(r, entries, n, r->cfg.id, &index);
	if (rc != RAFT_OK)
		index = 0;
	if (first != NULL)
		*first = index;
	return raft_finish(r, rc);
}

enum raft_rc
raft_propose_conf(struct raft *r, const struct raft_conf_change *change,
				  const void *data, uint32_t size, raft_index *index)
{
	struct raft_entry e = {0};

	if (change != NULL && change->n > RAFT_MAX_CHANGES)
		return RAFT_INVALID;
	e.type = RAFT_ENTRY_CONF;
	e.size = size;
	e.data = data;
	e.change = change;
	return raft_propose(r, &e, 1, index);
}
