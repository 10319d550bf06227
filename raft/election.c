/*-------------------------------------------------------------------------
 *
 * election.c
 *	  Campaigns and votes.
 *
 * Thesis, sections 3.4, 3.6.1 (up-to-date logs), 4.2.3 (leases against
 * disruption), 9.6 (pre-vote).
 *
 * A pre-vote asks "would you vote for me in the next term?" without anyone
 * changing term or vote; the answer carries the term of the question, or, when
 * it is no, the term of who answers, so that a candidate behind in term catches
 * up instead of asking for ever.
 *
 * With check_quorum a member that hears a leader ignores requests for votes of
 * higher terms: a member that was removed, or cut off, cannot disturb the rest.
 * A leadership transfer is the exception the leader itself asked for.
 *
 * Vote messages also spread the commit index (vote_carries_commit).  A member
 * that has a joint change committed but does not know it would otherwise refuse
 * to step aside, while the ones that know wait for it.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/election.c
 *
 *-------------------------------------------------------------------------
 */
#include "raft_int.h"

static bool
vote_value(const void *arg, raft_id id, uint64_t *value)
{
	const struct raft_peer *p = raft_peer_get(arg, id);

	if (p == NULL || p->vote == RAFT_VOTE_NONE)
		return false;
	*value = p->vote == RAFT_VOTE_YES;
	return true;
}

static void
add_commit(const struct raft *r, struct raft_msg *m)
{
	if (!r->cfg.vote_carries_commit)
		return;
	m->commit = r->commit;
	raft_trail_term(&r->trail, r->commit, &m->commit_term);
}

/* Become (pre-)candidate and ask every voter, oneself included. */
static void
campaign(struct raft *r, enum raft_campaign_type type)
{
	bool		pre = type == RAFT_CAMPAIGN_PRE;
	raft_id		voters[RAFT_MAX_MEMBERS * 2];
	raft_term	term;
	int			n;
	int			i;

	if (pre)
	{
		raft_become_pre_candidate(r);
		term = r->term + 1;
	}
	else
	{
		raft_become_candidate(r);
		term = r->term;
	}

	n = raft_conf_voters(&r->conf, voters);
	for (i = 0; i < n; i++)
	{
		struct raft_msg m = {0};

		m.to = voters[i];
		m.term = term;
		if (voters[i] == r->cfg.id)
		{
			m.type = pre ? RAFT_MSG_PRE_VOTE_RESP : RAFT_MSG_VOTE_RESP;
			raft_send(r, &m);
			continue;
		}
		m.type = pre ? RAFT_MSG_PRE_VOTE : RAFT_MSG_VOTE;
		m.index = r->trail.last;
		m.log_term = raft_trail_last_term(&r->trail);
		m.force = type == RAFT_CAMPAIGN_TRANSFER;
		m.priority = r->cfg.priority;
		add_commit(r, &m);
		RAFT_TRACE(r, RAFT_EV_VOTE_REQUEST,.peer = m.to,.msg_type = m.type,
				   .last = m.index,.last_term = m.log_term);
		raft_send(r, &m);
	}
}

/* Start an election, if this member may. */
enum raft_rc
raft_hup(struct raft *r, enum raft_campaign_type type)
{
	if (r->role == RAFT_LEADER)
	{
		RAFT_TRACE0(r, RAFT_EV_HUP_LEADER);
		return RAFT_OK;
	}
	if (!raft_promotable(r))
	{
		RAFT_TRACE0(r, RAFT_EV_UNPROMOTABLE);
		return RAFT_INVALID;
	}
	if (raft_unapplied_conf(r) && !raft_broken(r, RAFT_BREAK_CAMPAIGN_UNAPPLIED_CONF))
	{
		RAFT_TRACE0(r, RAFT_EV_HUP_PENDING_CONF);
		return RAFT_DROPPED;
	}
	RAFT_TRACE0(r, RAFT_EV_ELECTION);
	campaign(r, type);
	return RAFT_OK;
}

/*
 * Does a leader hold a lease on this member's vote?  With lease reads the
 * promise must survive a restart: the member does not remember when it last
 * heard a leader, so it stays quiet for as long as that can matter.
 */
bool
raft_in_lease(const struct raft *r)
{
	if (!r->cfg.check_quorum)
		return false;
	if (r->cfg.lease_reads && r->now < r->cfg.election_tick && !r->cfg.scripted)
		return true;
	return r->leader != 0 && r->election_elapsed < r->cfg.election_tick;
}

static bool
up_to_date(const struct raft *r, const struct raft_msg *m)
{
	raft_term	last_term = raft_trail_last_term(&r->trail);

	if (raft_broken(r, RAFT_BREAK_NO_UP_TO_DATE_CHECK))
		return true;
	if (raft_broken(r, RAFT_BREAK_UP_TO_DATE_BY_LENGTH))
		return m->index >= r->trail.last;
	return m->log_term > last_term ||
		(m->log_term == last_term && m->index >= r->trail.last);
}

/*
 * Is the candidate's log strictly more up to date than ours?  Then we could not
 * win in its place, whatever our priority.
 */
static bool
is_ahead(const struct raft *r, const struct raft_msg *m)
{
	raft_term	last_term = raft_trail_last_term(&r->trail);

	if (raft_broken(r, RAFT_BREAK_PRIORITY_BY_LENGTH))
		return m->index > r->trail.last;
	return m->log_term > last_term ||
		(m->log_term == last_term && m->index > r->trail.last);
}

static bool
may_vote(const struct raft *r, const struct raft_msg *m)
{
	bool		pre = m->type == RAFT_MSG_PRE_VOTE;

	/* it has forgotten entries it acknowledged: its log proves nothing */
	if (r->lost_index > 0)
		return false;
	if (!(r->vote == m->from ||
		  (r->vote == 0 && r->leader == 0) ||
		  (pre && m->term > r->term) ||
		  (!pre && raft_broken(r, RAFT_BREAK_DOUBLE_VOTE))))
		return false;
	if (!up_to_date(r, m))
		return false;
	return m->force || m->priority >= r->cfg.priority ||
		is_ahead(r, m);
}

static uint8_t
answer_type(const struct raft_msg *m)
{
	return m->type == RAFT_MSG_VOTE ? RAFT_MSG_VOTE_RESP : RAFT_MSG_PRE_VOTE_RESP;
}

/*
 * A request for a (pre-)vote of our term or, for a pre-vote, a later one.
 * Learners answer as voters do: the candidate may know of a promotion that has
 * not reached this member yet, and its election may need the vote.
 */
void
raft_handle_vote(struct raft *r, const struct raft_msg *m)
{
	raft_term	last_term = raft_trail_last_term(&r->trail);
	struct raft_msg resp = {0};

	resp.type = answer_type(m);
	resp.to = m->from;
	if (may_vote(r, m))
	{
		RAFT_TRACE(r, RAFT_EV_VOTE_CAST,.peer = m->from,.msg = m,
				   .vote = r->vote,.last = r->trail.last,.last_term = last_term);
		if (m->type == RAFT_MSG_VOTE)
		{
			r->election_elapsed = 0;
			r->vote = m->from;
		}
		resp.term = m->term;
	}
	else
	{
		RAFT_TRACE(r, RAFT_EV_VOTE_REFUSED,.peer = m->from,.msg = m,
				   .vote = r->vote,.last = r->trail.last,.last_term = last_term);
		resp.term = r->term;
		resp.reject = true;
		add_commit(r, &resp);
	}
	raft_send(r, &resp);
	raft_commit_by_vote(r, m);
}

/*
 * A request of an earlier term.  Silence could leave a cluster stuck: members
 * that moved to pre-vote with different terms, or a candidate with the only
 * complete log whose voter does not know it as a member and is ahead of it by
 * a few terms, campaigning as often as it does.
 */
void
raft_refuse_old_vote(struct raft *r, const struct raft_msg *m)
{
	struct raft_msg resp = {0};

	RAFT_TRACE(r, RAFT_EV_VOTE_REFUSED,.peer = m->from,.msg = m,.vote = r->vote,
			   .last = r->trail.last,
			   .last_term = raft_trail_last_term(&r->trail));
	resp.type = answer_type(m);
	resp.to = m->from;
	resp.term = r->term;
	resp.reject = true;
	add_commit(r, &resp);
	raft_send(r, &resp);
}

/*
 * "The entry (commit, commit_term) is committed" is true for ever, whoever
 * says it; if our log has that entry, everything up to it is committed here.
 */
void
raft_commit_by_vote(struct raft *r, const struct raft_msg *m)
{
	if (!r->cfg.vote_carries_commit || r->role == RAFT_LEADER ||
		m->commit <= r->commit || m->commit_term == 0 ||
		!raft_trail_match(&r->trail, m->commit, m->commit_term))
		return;
	RAFT_TRACE(r, RAFT_EV_COMMIT_BY_VOTE,.peer = m->from,.commit = m->commit);
	raft_commit_to(r, m->commit);
	if (r->role != RAFT_FOLLOWER && raft_unapplied_conf(r))
		raft_become_follower(r, r->term, 0);
}

/* Outcome of the election so far. */
static enum raft_vote_result
tally(struct raft *r, int msg_type)
{
	const struct raft_peer *p;
	uint64_t	granted = 0;
	uint64_t	refused = 0;
	int			i;

	raft_foreach_peer(r, i, p)
	{
		if (p->learner)
			continue;
		granted += p->vote == RAFT_VOTE_YES;
		refused += p->vote == RAFT_VOTE_NO;
	}
	RAFT_TRACE(r, RAFT_EV_VOTE_TALLY,.msg_type = msg_type,.a = granted,.b = refused);
	if (raft_broken(r, RAFT_BREAK_JOINT_VOTE_ONE_SIDE))
		return raft_quorum_vote(r->conf.voters, r->conf.n_voters, vote_value, r);
	return raft_joint_vote(&r->conf, vote_value, r);
}

/* A vote, ours included.  Only the first answer of a voter counts. */
void
raft_handle_vote_resp(struct raft *r, const struct raft_msg *m)
{
	struct raft_peer *p = raft_peer_of(r, m->from);

	RAFT_TRACE(r, RAFT_EV_VOTE_COUNTED,.peer = m->from,.msg_type = m->type,
			   .flag = !m->reject);
	if (p != NULL && p->vote == RAFT_VOTE_NONE)
		p->vote = m->reject ? RAFT_VOTE_NO : RAFT_VOTE_YES;

	switch (tally(r, m->type))
	{
		case RAFT_VOTE_WON:
			if (r->role == RAFT_PRE_CANDIDATE)
				campaign(r, RAFT_CAMPAIGN_REAL);
			else
			{
				raft_become_leader(r);
				raft_bcast_append(r);
			}
			return;
		case RAFT_VOTE_LOST:
			/* a pre-vote's answer may carry a later term: keep ours */
			raft_become_follower(r, r->term, 0);
			break;
		case RAFT_VOTE_PENDING:
			break;
	}
	raft_commit_by_vote(r, m);
}

void
raft_tick_election(struct raft *r)
{
	r->election_elapsed++;
	if (raft_promotable(r) && r->election_elapsed >= r->election_timeout)
	{
		r->election_elapsed = 0;
		(void) raft_hup(r, r->cfg.pre_vote ? RAFT_CAMPAIGN_PRE : RAFT_CAMPAIGN_REAL);
	}
}
