/*-------------------------------------------------------------------------
 *
 * append.c
 *	  Follower: appends, heartbeats, the commit index.
 *
 * Thesis, sections 3.5 and 3.6.  A follower keeps what matches, cuts its log only
 * where a term differs, never at or below its commit index, and believes the
 * leader's commit index only as far as the message proved the logs equal.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/append.c
 *
 *-------------------------------------------------------------------------
 */
#include "raft_int.h"

/* Commit indexes only grow, and never pass the log. */
void
raft_commit_to(struct raft *r, raft_index index)
{
	raft_index	before = r->commit;

	if (index <= r->commit)
		return;
	if (!RAFT_ENSURE(r, index <= r->trail.last))
		return;
	r->commit = index;
	RAFT_TRACE(r, RAFT_EV_COMMIT,.commit = index,.a = before);
}

/*
 * Put entries into the log from index first on, in place of what is there.
 * Room was reserved; first is above the commit index.
 */
void
raft_log_append(struct raft *r, const struct raft_entry *entries, size_t n,
				raft_index first)
{
	struct raft_vec *pending = &r->out[r->cur].entries;
	size_t		i;

	if (!RAFT_ENSURE(r, first > r->commit && first <= r->trail.last + 1))
		return;
	if (first <= r->trail.last)
	{
		if (first <= r->durable + 1)
			RAFT_TRACE(r, RAFT_EV_LOG_REPLACED,.index = first);
		else
			RAFT_TRACE(r, RAFT_EV_LOG_TRUNCATED,.index = first);
		raft_stable_truncate(r, first);
		raft_trail_truncate(&r->trail, first);
	}
	for (i = 0; i < n; i++)
	{
		raft_trail_append(&r->trail, entries[i].term, entries[i].size,
						  entries[i].type == RAFT_ENTRY_CONF);
		RAFT_VEC(*pending, struct raft_entry)[pending->n] = entries[i];
		RAFT_VEC(*pending, struct raft_entry)[pending->n].change = NULL;
		pending->n++;
	}
	RAFT_TRACE(r, RAFT_EV_APPENDED,.index = first,.last = r->trail.last);
}

static void
acknowledge(struct raft *r, raft_id to, raft_index index)
{
	struct raft_msg resp = {0};

	resp.type = RAFT_MSG_APP_RESP;
	resp.to = to;
	resp.index = index;
	raft_send(r, &resp);
}

/*
 * Tell the leader where the logs may agree: the largest index not after the
 * probe whose term is not after the probe's.  It spares the leader one probe
 * for every entry of a long tail that was never committed.
 */
static void
reject(struct raft *r, const struct raft_msg *m)
{
	struct raft_msg resp = {0};
	raft_term	ours = 0;

	raft_trail_term(&r->trail, m->index, &ours);
	RAFT_TRACE(r, RAFT_EV_APP_REJECTED,.peer = m->from,.msg = m,.a = ours);
	resp.type = RAFT_MSG_APP_RESP;
	resp.to = m->from;
	resp.index = m->index;
	resp.reject = true;
	resp.hint = raft_trail_find_term(&r->trail, Min(m->index, r->trail.last),
									 m->log_term, &resp.log_term);
	raft_send(r, &resp);
}

/* An append of the leader of our term. */
void
raft_handle_append(struct raft *r, const struct raft_msg *m,
				   const struct raft_entry *entries)
{
	raft_index	last_new = m->index + m->n_entries;
	raft_index	limit = last_new;
	uint32_t	i;

	/*
	 * A snapshot is handed to the host alone: what follows it has to wait for
	 * the next ready, as if it had been lost on the way.
	 */
	if (r->installing && !r->install_handed)
		return;
	if (m->index < r->commit)
	{
		acknowledge(r, m->from, r->commit);
		return;
	}
	if (!raft_trail_match(&r->trail, m->index, m->log_term))
	{
		reject(r, m);
		return;
	}

	/* skip what we have: a repeated append must not cut what follows it */
	for (i = 0; i < m->n_entries; i++)
	{
		raft_index	index = m->index + 1 + i;
		raft_term	ours = 0;

		if (raft_trail_match(&r->trail, index, entries[i].term))
			continue;
		if (index <= r->trail.last)
		{
			raft_trail_term(&r->trail, index, &ours);
			RAFT_TRACE(r, RAFT_EV_CONFLICT,.index = index,.a = ours,
					   .b = entries[i].term);
		}
		if (!RAFT_ENSURE(r, index > r->commit))
			return;
		raft_log_append(r, entries + i, m->n_entries - i, index);
		break;
	}
	if (raft_broken(r, RAFT_BREAK_TRUNCATE_ON_MATCH) &&
		last_new < r->trail.last && last_new >= r->commit)
		raft_log_append(r, NULL, 0, last_new + 1);
	if (raft_broken(r, RAFT_BREAK_FOLLOWER_COMMIT_UNCAPPED))
		limit = r->trail.last;

	raft_commit_to(r, Min(m->commit, limit));
	acknowledge(r, m->from, last_new);
}

/*
 * A heartbeat never carries a commit index beyond what this member has
 * acknowledged.  If its log ends before that, it has lost entries that it
 * promised to keep: it must not help to elect anyone by that log.
 */
enum raft_rc
raft_handle_heartbeat(struct raft *r, const struct raft_msg *m)
{
	struct raft_msg resp = {0};

	if (m->commit > r->trail.last)
	{
		r->lost_index = Max(r->lost_index, m->commit);
		RAFT_TRACE(r, RAFT_EV_LOG_LOST,.peer = m->from,.index = m->commit,
				   .last = r->trail.last);
		return RAFT_LOG_LOST;
	}
	raft_commit_to(r, m->commit);
	resp.type = RAFT_MSG_HEARTBEAT_RESP;
	resp.to = m->from;
	resp.ctx = m->ctx;
	resp.echo = m->echo;
	raft_send(r, &resp);
	return RAFT_OK;
}
