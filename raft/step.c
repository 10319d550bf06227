/*-------------------------------------------------------------------------
 *
 * step.c
 *	  Dispatch of messages, and the rules of terms.
 *
 * Thesis, section 3.3: a higher term makes a follower, a lower one is refused.
 * The exceptions are what makes pre-vote and leases work.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/step.c
 *
 *-------------------------------------------------------------------------
 */
#include "raft_int.h"

static bool
is_response(const struct raft_msg *m)
{
	return m->type == RAFT_MSG_APP_RESP || m->type == RAFT_MSG_VOTE_RESP ||
		m->type == RAFT_MSG_PRE_VOTE_RESP || m->type == RAFT_MSG_HEARTBEAT_RESP ||
		m->type == RAFT_MSG_READ_INDEX_RESP;
}

static bool
is_from_leader(const struct raft_msg *m)
{
	return m->type == RAFT_MSG_APP || m->type == RAFT_MSG_HEARTBEAT ||
		m->type == RAFT_MSG_SNAP;
}

/*
 * Terms first: false if that was all there was to do.
 */
static bool
step_term(struct raft *r, const struct raft_msg *m)
{
	if (m->term == 0)
		return true;			/* proposals and reads belong to no term */

	if (m->term > r->term)
	{
		if ((m->type == RAFT_MSG_VOTE || m->type == RAFT_MSG_PRE_VOTE) &&
			!m->force && raft_in_lease(r))
		{
			uint64_t	left = r->cfg.election_tick -
				Min(r->election_elapsed, r->cfg.election_tick);

			RAFT_TRACE(r, RAFT_EV_VOTE_IGNORED,.peer = m->from,.msg = m,
					   .vote = r->vote,.last = r->trail.last,
					   .last_term = raft_trail_last_term(&r->trail),.a = left);
			return false;
		}

		/*
		 * A pre-vote changes no term, and a granted one carries the term we
		 * asked for; only a refusal tells a term that is really in use.
		 */
		if (m->type == RAFT_MSG_PRE_VOTE ||
			(m->type == RAFT_MSG_PRE_VOTE_RESP && !m->reject))
			return true;
		RAFT_TRACE(r, RAFT_EV_HIGHER_TERM,.peer = m->from,.msg_type = m->type,
				   .a = m->term);
		raft_become_follower(r, m->term, is_from_leader(m) ? m->from : 0);
		return true;
	}

	if (m->term == r->term)
		return true;

	if ((r->cfg.check_quorum || r->cfg.pre_vote || !r->cfg.scripted ||
		 !raft_promotable(r)) &&
		(m->type == RAFT_MSG_HEARTBEAT || m->type == RAFT_MSG_APP))
	{
		/*
		 * A leader that has not heard of our term.  If leases or pre-votes
		 * keep our vote requests from getting through, or if we send none, or
		 * none to it because our configuration does not know it, this answer
		 * is what makes it step down, so that we can be reached again.
		 */
		struct raft_msg resp = {0};

		resp.type = RAFT_MSG_APP_RESP;
		resp.to = m->from;
		raft_send(r, &resp);
	}
	else if (m->type == RAFT_MSG_PRE_VOTE ||
			 (m->type == RAFT_MSG_VOTE && !r->cfg.scripted))
		raft_refuse_old_vote(r, m);
	else if (m->type == RAFT_MSG_VOTE_RESP && r->role == RAFT_CANDIDATE &&
			 raft_broken(r, RAFT_BREAK_STALE_VOTE_RESPONSE))
		raft_handle_vote_resp(r, m);
	else
		RAFT_TRACE(r, RAFT_EV_LOWER_TERM,.peer = m->from,.msg_type = m->type,
				   .a = m->term);
	return false;
}

static enum raft_rc
step_leader(struct raft *r, const struct raft_msg *m)
{
	struct raft_peer *p;

	switch (m->type)
	{
		case RAFT_MSG_READ_INDEX:
			return raft_read_request(r, m->from, m->ctx);
		case RAFT_MSG_TRANSFER:
			return raft_transfer_request(r, m->target);
		default:
			break;
	}
	p = raft_peer_of(r, m->from);
	if (p == NULL)
	{
		RAFT_TRACE(r, RAFT_EV_NO_PEER,.peer = m->from);
		return RAFT_OK;
	}
	if (m->type == RAFT_MSG_APP_RESP)
		raft_handle_append_resp(r, p, m);
	else if (m->type == RAFT_MSG_HEARTBEAT_RESP)
		raft_handle_heartbeat_resp(r, p, m);
	return RAFT_OK;
}

/* What a leader of our term sends, to a follower. */
static enum raft_rc
step_from_leader(struct raft *r, const struct raft_msg *m,
				 const struct raft_entry *entries)
{
	r->election_elapsed = 0;
	r->leader_silent = 0;
	raft_set_leader(r, m->from);
	switch (m->type)
	{
		case RAFT_MSG_APP:
			raft_handle_append(r, m, entries);
			break;
		case RAFT_MSG_SNAP:
			raft_handle_snapshot(r, m);
			break;
		default:
			return raft_handle_heartbeat(r, m);
	}
	return RAFT_OK;
}

static enum raft_rc
step_candidate(struct raft *r, const struct raft_msg *m,
			   const struct raft_entry *entries)
{
	int			mine = r->role == RAFT_PRE_CANDIDATE ?
		RAFT_MSG_PRE_VOTE_RESP : RAFT_MSG_VOTE_RESP;

	if (is_from_leader(m))
	{
		raft_become_follower(r, m->term, m->from);
		return step_from_leader(r, m, entries);
	}
	if (m->type == mine)
		raft_handle_vote_resp(r, m);
	else if (m->type == RAFT_MSG_TIMEOUT_NOW)
		RAFT_TRACE(r, RAFT_EV_TIMEOUT_NOW_IGNORED,.peer = m->from);
	else if (m->type == RAFT_MSG_READ_INDEX)
		return raft_read_request(r, m->from, m->ctx);
	return RAFT_OK;
}

static enum raft_rc
step_follower(struct raft *r, const struct raft_msg *m,
			  const struct raft_entry *entries)
{
	if (is_from_leader(m))
		return step_from_leader(r, m, entries);
	switch (m->type)
	{
		case RAFT_MSG_TRANSFER:
			return raft_transfer_request(r, m->target);
		case RAFT_MSG_TIMEOUT_NOW:

			/*
			 * No pre-vote: the leader wants it, so there is no cluster to
			 * disturb.
			 */
			RAFT_TRACE(r, RAFT_EV_TIMEOUT_NOW,.peer = m->from);
			(void) raft_hup(r, RAFT_CAMPAIGN_TRANSFER);
			return RAFT_OK;
		case RAFT_MSG_READ_INDEX:
			return raft_read_request(r, m->from, m->ctx);
		case RAFT_MSG_READ_INDEX_RESP:
			raft_handle_read_resp(r, m);
			return RAFT_OK;
		default:
			return RAFT_OK;
	}
}

/* A message that is known to be well formed, of a peer or of ourselves. */
enum raft_rc
raft_step_internal(struct raft *r, const struct raft_msg *m,
				   const struct raft_entry *entries)
{
	raft_index	first;

	RAFT_TRACE(r, RAFT_EV_RECEIVE,.peer = m->from,.msg = m);
	if (!step_term(r, m))
		return RAFT_OK;
	if (m->type == RAFT_MSG_VOTE || m->type == RAFT_MSG_PRE_VOTE)
	{
		raft_handle_vote(r, m);
		return RAFT_OK;
	}
	if (m->type == RAFT_MSG_PROP)
		return raft_handle_propose(r, entries, m->n_entries, m->from, &first);
	switch (r->role)
	{
		case RAFT_LEADER:
			return step_leader(r, m);
		case RAFT_FOLLOWER:
			return step_follower(r, m, entries);
		case RAFT_CANDIDATE:
		case RAFT_PRE_CANDIDATE:
			return step_candidate(r, m, entries);
	}
	return RAFT_OK;
}

/* Is the message possible at all?  Nothing of it is believed before this. */
static bool
well_formed(const struct raft *r, const struct raft_msg *m,
			const struct raft_entry *entries)
{
	raft_term	term = m->log_term;
	uint32_t	i;

	if (m->type == RAFT_MSG_NONE || m->type > RAFT_MSG_LAST ||
		m->from == 0 || m->to != r->cfg.id)
		return false;
	if (m->from == r->cfg.id &&
		(!r->cfg.scripted ||
		 (m->type != RAFT_MSG_APP_RESP && m->type != RAFT_MSG_VOTE_RESP &&
		  m->type != RAFT_MSG_PRE_VOTE_RESP)))
		return false;
	if ((m->term == 0) != (m->type == RAFT_MSG_PROP || m->type == RAFT_MSG_READ_INDEX))
		return false;
	if (m->n_entries > 0 && entries == NULL)
		return false;

	switch (m->type)
	{
		case RAFT_MSG_APP:
			if (m->index > UINT64_MAX - m->n_entries || m->log_term > m->term)
				return false;
			for (i = 0; i < m->n_entries; i++)
			{
				if (entries[i].term < term || entries[i].term == 0 ||
					entries[i].term > m->term)
					return false;
				term = entries[i].term;
			}
			return true;
		case RAFT_MSG_PROP:
			for (i = 0; i < m->n_entries; i++)
				if (entries[i].change != NULL &&
					entries[i].change->n > RAFT_MAX_CHANGES)
					return false;
			return m->n_entries > 0;
		case RAFT_MSG_SNAP:
			return m->n_entries == 0 && m->snap != NULL && m->snap->index > 0 &&
				m->snap->term > 0 && m->snap->term <= m->term;
		default:
			return m->n_entries == 0;
	}
}

enum raft_rc
raft_step(struct raft *r, const struct raft_msg *msg, const struct raft_entry *entries)
{
	size_t		n;

	if (r->fault_line != 0)
		return RAFT_FATAL;
	if (!well_formed(r, msg, entries))
		return RAFT_INVALID;
	if (is_response(msg) && msg->from != r->cfg.id &&
		raft_peer_get(r, msg->from) == NULL)
		return RAFT_UNKNOWN_PEER;

	/*
	 * The most that any message can make us append (an append's entries, or
	 * the first one of a term), and our promises to ourselves.
	 */
	n = msg->type == RAFT_MSG_APP ? msg->n_entries : 0;
	if (!raft_reserve_role(r) || !raft_trail_reserve(r, &r->trail, n) ||
		!raft_vec_reserve(r, &r->out[r->cur].entries, n, sizeof(struct raft_entry)))
		return RAFT_NOMEM;
	return raft_finish(r, raft_step_internal(r, msg, entries));
}
