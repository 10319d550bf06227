/*-------------------------------------------------------------------------
 *
 * sim_check.c
 *	  The invariants of one member, checked while it runs.
 *
 * sim_check_call() looks at a core after every call of it and compares its
 * state with what was seen before: what only grows, who leads, whom it votes
 * for, what it holds for committed.  sim_check_step() ends a step: the core's
 * own invariants and, on a leader, what it believes of its peers, compared
 * with their disks.  The others judge each thing that comes out of a core
 * before the host acts on it.
 *
 * Most of these are stronger than the safety of Raft needs: an answer that
 * promises what is not on disk is a bug even if no crash follows.  That is
 * what makes rare bugs show in few runs.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/test/sim_check.c
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "sim_world.h"

static bool
is_candidate(enum raft_role role)
{
	return role == RAFT_CANDIDATE || role == RAFT_PRE_CANDIDATE;
}

/* ---------- state of one core ---------- */

/* What must hold in every state, and between it and the one before. */
static void
check_numbers(struct sim_world *w, struct sim_member *m,
			  const struct raft_status *st)
{
	const struct raft_status *old = &m->seen;
	int			id = (int) m->id;

	if (st->term < old->term)
		sim_fail(w, "term is monotone", "member %d: %d after %d", id,
				 (int) st->term, (int) old->term);
	if (st->commit < old->commit)
		sim_fail(w, "commit is monotone", "member %d: %d after %d", id,
				 (int) st->commit, (int) old->commit);
	if (st->applied < old->applied)
		sim_fail(w, "applied is monotone", "member %d: %d after %d", id,
				 (int) st->applied, (int) old->applied);
	if (st->commit > st->last)
		sim_fail(w, "commit <= last", "member %d: commit %d last %d", id,
				 (int) st->commit, (int) st->last);
	if (st->applied > st->applying || st->applying > st->commit)
		sim_fail(w, "applied <= commit",
				 "member %d: applied %d applying %d commit %d", id,
				 (int) st->applied, (int) st->applying, (int) st->commit);
	if (st->durable > st->handed || st->handed > st->last)
		sim_fail(w, "durable <= handed <= last",
				 "member %d: durable %d handed %d last %d", id,
				 (int) st->durable, (int) st->handed, (int) st->last);
	if (!m->cfg.apply_unstable && st->applied > st->durable)
		sim_fail(w, "applied <= durable", "member %d: applied %d durable %d",
				 id, (int) st->applied, (int) st->durable);
	if (st->log_lost)
		sim_fail(w, "no log is taken for lost", "member %d", id);
}

/*
 * The core's idea of which entries are durable, against the disk.  Without
 * entries after its base, that idea is about a snapshot, installed or not.
 */
static void
check_durable(struct sim_world *w, struct sim_member *m,
			  const struct raft_status *st)
{
	raft_term	term;

	if (st->durable < st->first)
		return;
	if (st->durable > m->disk.log.last)
		sim_fail(w, "durable is on disk", "member %d: %d, disk ends at %d",
				 (int) m->id, (int) st->durable, (int) m->disk.log.last);
	if (st->durable > m->disk.log.base &&
		raft_term_of(m->raft, st->durable, &term) == RAFT_OK &&
		sim_log_term(&m->disk.log, st->durable) != term)
		sim_fail(w, "durable is on disk", "member %d: %d/%d, disk has term %d",
				 (int) m->id, (int) term, (int) st->durable,
				 (int) sim_log_term(&m->disk.log, st->durable));
}

/* A vote in memory: one in a term, asked for, and for a log not behind. */
static void
check_vote(struct sim_world *w, struct sim_member *m,
		   const struct raft_status *st)
{
	const struct raft_status *old = &m->seen;
	const struct raft_msg *msg = w->stepping;

	if (st->vote == 0)
	{
		if (st->term == old->term && old->vote != 0)
			sim_fail(w, "a vote stays for its term", "member %d, term %d",
					 (int) m->id, (int) st->term);
		return;
	}
	if (st->term == old->term && st->vote == old->vote)
		return;
	if (st->term == old->term && old->vote != 0)
		sim_fail(w, "one vote in a term", "member %d, term %d: %d after %d",
				 (int) m->id, (int) st->term, (int) st->vote,
				 (int) old->vote);
	if (st->vote == m->id)
		return;
	if (msg == NULL || msg->type != RAFT_MSG_VOTE ||
		msg->from != st->vote || msg->term != st->term)
		sim_fail(w, "votes are asked for", "member %d, term %d: vote for %d",
				 (int) m->id, (int) st->term, (int) st->vote);
	if (msg->log_term < st->last_term ||
		(msg->log_term == st->last_term && msg->index < st->last))
		sim_fail(w, "votes go to logs that are up to date",
				 "member %d with %d/%d votes for %d with %d/%d", (int) m->id,
				 (int) st->last_term, (int) st->last, (int) st->vote,
				 (int) msg->log_term, (int) msg->index);
}

static void
check_campaign(struct sim_world *w, struct sim_member *m,
			   const struct raft_status *st)
{
	struct raft_conf conf;
	raft_index	end = st->commit < st->handed ? st->commit : st->handed;

	raft_current_conf(m->raft, &conf);
	if (!sim_conf_votes(&conf, m->id))
		sim_fail(w, "only voters campaign", "member %d, term %d", (int) m->id,
				 (int) st->term);
	if (is_candidate(m->seen.role))
		return;
	if (end > m->log.last)
		end = m->log.last;
	for (raft_index i = m->machine.applied + 1; i <= end; i++)
	{
		if (m->log.at[i].type == RAFT_ENTRY_CONF)
			sim_fail(w, "no campaign with a committed change unapplied",
					 "member %d, term %d: change at %d", (int) m->id,
					 (int) st->term, (int) i);
	}
}

/* A new leader: the only one, elected by a durable quorum, complete. */
static void
check_leader(struct sim_world *w, struct sim_member *m,
			 const struct raft_status *st)
{
	struct sim_term_fact *t = sim_oracle_term(w, st->term);
	struct raft_conf conf;
	raft_index	committed = w->oracle.committed;
	raft_term	term = 0;
	enum raft_rc rc;
	uint32_t	mask = 0;
	char		buf[200];

	if (t->leader != 0 && t->leader != m->id)
		sim_fail(w, "one leader in a term", "term %d: %d and %d",
				 (int) st->term, (int) t->leader, (int) m->id);
	t->leader = (uint8_t) m->id;
	w->counts[SIM_COUNT_LEADERS]++;
	memset(m->match_seen, 0, sizeof(m->match_seen));

	for (raft_id id = 1; id <= SIM_MAX_ID; id++)
	{
		if (t->grant[id] == m->id)
			mask |= UINT32_C(1) << id;
	}
	raft_current_conf(m->raft, &conf);
	if (!sim_conf_quorum(&conf, mask))
		sim_fail(w, "a leader has a durable quorum of votes",
				 "member %d, term %d: durable votes of members 0x%x",
				 (int) m->id, (int) st->term, mask >> 1);

	/*
	 * Who leads the newest term must not be elected by a configuration so old
	 * that another leader could be at work beside it.
	 */
	if (st->term == w->oracle.term_used &&
		!sim_quorums_intersect(&conf,
							   &w->oracle.confs[w->oracle.n_confs - 1].conf))
		sim_fail(w, "a leader's configuration is not two steps behind",
				 "member %d, term %d: %s", (int) m->id, (int) st->term,
				 sim_conf_text(&conf, buf, sizeof(buf)));

	/* A candidate of an old term may win when later terms have gone on. */
	while (committed > w->swarm.founding_index &&
		   w->oracle.facts[committed].by_term >= st->term)
		committed--;
	rc = raft_term_of(m->raft, committed, &term);
	if (rc == RAFT_INVALID ||
		(rc == RAFT_OK && term != w->oracle.facts[committed].term))
		sim_fail(w, "a new leader holds everything committed",
				 "member %d, term %d: has %d at %d, committed is %d",
				 (int) m->id, (int) st->term, (int) term, (int) committed,
				 (int) w->oracle.facts[committed].term);
}

/* Look at a core after a call of it. */
void
sim_check_call(struct sim_world *w, struct sim_member *m)
{
	struct raft_status st;

	raft_status(m->raft, &st);
	if (st.fault_line > 0)
		sim_fail(w, "assertion of the core", "member %d: %s:%d", (int) m->id,
				 st.fault_file ? st.fault_file : "?", st.fault_line);
	check_numbers(w, m, &st);
	check_durable(w, m, &st);
	if (st.vote != m->seen.vote || st.term != m->seen.term)
		check_vote(w, m, &st);
	if (is_candidate(st.role) &&
		(st.role != m->seen.role || st.term != m->seen.term))
		check_campaign(w, m, &st);
	if (st.role == RAFT_LEADER)
	{
		if (m->seen.role != RAFT_LEADER || st.term != m->seen.term)
			check_leader(w, m, &st);
		else if (st.last < m->seen.last)
			sim_fail(w, "a leader only appends", "member %d, term %d: log "
					 "ends at %d, was %d", (int) m->id, (int) st.term,
					 (int) st.last, (int) m->seen.last);
		if (st.transferee != 0 && st.transferee != m->seen.transferee)
		{
			struct raft_conf conf;

			raft_current_conf(m->raft, &conf);
			if (!sim_conf_votes(&conf, st.transferee))
				sim_fail(w, "leadership goes to voters",
						 "member %d hands it to %d", (int) m->id,
						 (int) st.transferee);
		}
	}
	m->seen = st;
	sim_oracle_commit(w, m);
}

/* What a leader believes of one peer. */
static void
check_peer(struct sim_world *w, struct sim_member *m,
		   const struct raft_peer_status *ps)
{
	struct sim_member *p = &w->members[ps->id];
	raft_term	term;
	int			id = (int) m->id;
	int			peer = (int) ps->id;

	if (ps->id > SIM_MAX_ID)
		sim_fail(w, "members are known", "member %d: peer %d", id, peer);
	if (ps->match >= ps->next)
		sim_fail(w, "match < next", "leader %d, peer %d: match %d next %d",
				 id, peer, (int) ps->match, (int) ps->next);
	if (ps->next > m->seen.last + 1)
		sim_fail(w, "next <= last + 1", "leader %d, peer %d: next %d last %d",
				 id, peer, (int) ps->next, (int) m->seen.last);
	if (ps->match < m->match_seen[ps->id])
		sim_fail(w, "match is monotone", "leader %d, peer %d: %d after %d",
				 id, peer, (int) ps->match, (int) m->match_seen[ps->id]);
	if (ps->inflight_msgs > m->cfg.max_inflight_msgs)
		sim_fail(w, "messages in flight are bounded",
				 "leader %d, peer %d: %u", id, peer, ps->inflight_msgs);
	if (ps->match == m->match_seen[ps->id])
		return;
	m->match_seen[ps->id] = ps->match;

	/*
	 * A leader of an earlier term may know of entries that a later one has
	 * cut off since.
	 */
	if ((p->life == SIM_UP ? p->seen.term : p->disk.term) > m->seen.term)
		return;
	term = sim_log_term(&m->log, ps->match);

	/*
	 * A new leader counts what is in its own log at once, flushed or not.
	 * That is harmless: it commits by counting entries of its term only, and
	 * those come later.
	 */
	if (ps->id == m->id && term < m->seen.term)
		return;
	if (ps->match > p->disk.log.last ||
		(ps->match > p->disk.log.base && term != 0 &&
		 sim_log_term(&p->disk.log, ps->match) != term))
		sim_fail(w, "match is durable there", "leader %d, peer %d: match "
				 "%d/%d, disk ends at %d/%d", id, peer, (int) term,
				 (int) ps->match,
				 (int) sim_log_term(&p->disk.log, p->disk.log.last),
				 (int) p->disk.log.last);
}

/*
 * A leader that is free to leave a joint configuration by itself does so soon,
 * even if nothing else happens.
 */
void
sim_check_tick(struct sim_world *w, struct sim_member *m)
{
	if (m->seen.role == RAFT_LEADER && m->machine.conf.auto_leave &&
		m->machine.conf.n_outgoing > 0 && m->seen.transferee == 0 &&
		m->seen.pending_conf <= m->seen.applied)
		m->joint_ticks++;
	else
		m->joint_ticks = 0;
	if (m->joint_ticks > 2 * m->cfg.election_tick)
		sim_fail(w, "a joint configuration is left automatically",
				 "member %d, term %d: not for %u ticks", (int) m->id,
				 (int) m->seen.term, m->joint_ticks);
}

/* The end of a step that touched a member. */
void
sim_check_step(struct sim_world *w, struct sim_member *m)
{
	if (raft_check(m->raft) != RAFT_OK)
	{
		sim_check_call(w, m);
		sim_fail(w, "raft_check", "member %d", (int) m->id);
	}
	if (m->seen.role == RAFT_LEADER)
	{
		struct raft_peer_status peers[RAFT_MAX_PEERS];
		size_t		n = raft_peers(m->raft, peers, RAFT_MAX_PEERS);

		for (size_t i = 0; i < n; i++)
			check_peer(w, m, &peers[i]);
	}
	if (w->hashing)
	{
		w->hash = (w->hash ^ raft_hash(m->raft)) *
			UINT64_C(0x9E3779B97F4A7C15);
		w->hash ^= w->hash >> 29;
	}
}

/*
 * A change in a log proves that the one before it is committed, since a leader
 * proposes it only when that is applied.  A member that has forgotten so, by
 * losing a commit index that was not flushed, could campaign by a
 * configuration two steps behind.
 */
void
sim_check_boot(struct sim_world *w, struct sim_member *m)
{
	raft_index	change = 0;

	for (raft_index i = m->seen.commit + 1; i <= m->log.last; i++)
	{
		if (m->log.at[i].type != RAFT_ENTRY_CONF)
			continue;
		if (change != 0)
			sim_fail(w, "one uncommitted change in a log", "member %d boots "
					 "with changes at %d and %d, commit %d", (int) m->id,
					 (int) change, (int) i, (int) m->seen.commit);
		change = i;
	}
}

/* ---------- output ---------- */

/* A core that booted from averages knows sizes only roughly. */
static bool
sizes_known(const struct sim_world *w, const struct sim_member *m)
{
	return m->lives == 1 || w->swarm.exact_sizes;
}

/* A log holds at most one change that is not known to be committed. */
static void
check_changes(struct sim_world *w, struct sim_member *m,
			  const struct raft_ready *rd, const struct sim_write *wr)
{
	raft_index	uncommitted = 0;
	raft_index	unapplied = 0;

	for (raft_index i = m->log.base + 1; i < wr->first; i++)
	{
		if (m->log.at[i].type != RAFT_ENTRY_CONF)
			continue;
		if (i > m->seen.commit)
			uncommitted = i;
		if (i > m->machine.applied)
			unapplied = i;
	}
	for (uint32_t k = 0; k < wr->n; k++)
	{
		raft_index	i = wr->first + k;

		if (wr->entries[k].type != RAFT_ENTRY_CONF)
			continue;
		if (i > m->seen.commit)
		{
			if (uncommitted != 0)
				sim_fail(w, "one uncommitted change in a log",
						 "member %d: changes at %d and %d, commit %d",
						 (int) m->id, (int) uncommitted, (int) i,
						 (int) m->seen.commit);
			uncommitted = i;
		}
		if (rd->role == RAFT_LEADER && wr->entries[k].term == rd->term)
		{
			if (unapplied != 0)
				sim_fail(w, "a leader proposes one change at a time",
						 "member %d: changes at %d and %d, applied %d",
						 (int) m->id, (int) unapplied, (int) i,
						 (int) m->machine.applied);
		}
		if (i > m->machine.applied)
			unapplied = i;
	}
}

/*
 * Entries that replace others must not lose what is committed.  A member that
 * follows an old leader may still lose what a later one has committed: the
 * quorum that it rests on has moved on to the later term.
 */
static void
check_truncation(struct sim_world *w, struct sim_member *m,
				 const struct sim_write *wr)
{
	raft_index	end = m->log.last;

	if (wr->first <= m->commit_checked)
		sim_fail(w, "committed entries stay",
				 "member %d: writes from %d, commit was %d", (int) m->id,
				 (int) wr->first, (int) m->commit_checked);
	if (end > w->oracle.committed)
		end = w->oracle.committed;
	for (raft_index i = wr->first; i <= end; i++)
	{
		const struct sim_fact *f = &w->oracle.facts[i];
		const struct sim_entry *now = NULL;

		if (m->log.at[i].term != f->term || f->by_term > wr->term)
			break;
		if (i - wr->first < wr->n)
			now = &wr->entries[i - wr->first];
		if (now == NULL || now->term != f->term)
			sim_fail(w, "committed entries stay",
					 "member %d: writes %u entries from %d over committed %d",
					 (int) m->id, wr->n, (int) wr->first, (int) i);
	}
}

static void
check_install(struct sim_world *w, struct sim_member *m,
			  const struct sim_write *wr)
{
	const struct raft_snap *snap = wr->install;
	uint32_t	i;

	for (i = 0; i < m->n_staged; i++)
	{
		if (m->staged[i].index == snap->index)
			break;
	}
	if (i == m->n_staged)
		sim_fail(w, "only a complete snapshot is installed",
				 "member %d: %d is not there", (int) m->id,
				 (int) snap->index);
	if (snap->index <= m->machine.applied ||
		snap->index <= m->commit_checked)
		sim_fail(w, "a snapshot leads forward",
				 "member %d: snapshot %d, applied %d, commit %d", (int) m->id,
				 (int) snap->index, (int) m->machine.applied,
				 (int) m->commit_checked);
	sim_oracle_snap(w, m, snap);
}

/* A write before the host does it; m->log is still what was there before. */
void
sim_check_write(struct sim_world *w, struct sim_member *m,
				const struct raft_ready *rd, const struct sim_write *wr)
{
	bool		hard = wr->term != m->wrote_term || wr->vote != m->wrote_vote;

	if (wr->seq <= m->wrote_seq)
		sim_fail(w, "writes are numbered", "member %d: %d after %d",
				 (int) m->id, (int) wr->seq, (int) m->wrote_seq);
	if (hard && (!wr->hard_changed || !wr->must_sync))
		sim_fail(w, "a new term or vote is written", "member %d: term %d "
				 "vote %d", (int) m->id, (int) wr->term, (int) wr->vote);
	if (!wr->must_sync && (wr->n > 0 || wr->install != NULL))
		sim_fail(w, "entries and snapshots are flushed", "member %d, write "
				 "%d", (int) m->id, (int) wr->seq);
	m->wrote_seq = wr->seq;
	m->wrote_term = wr->term;
	m->wrote_vote = wr->vote;
	if (wr->install != NULL)
		check_install(w, m, wr);
	if (wr->n == 0)
		return;
	if (wr->first > m->log.last + 1 || wr->first <= m->log.base)
		sim_fail(w, "logs have no gaps", "member %d: writes from %d, log "
				 "%d..%d", (int) m->id, (int) wr->first,
				 (int) m->log.base + 1, (int) m->log.last);
	if (wr->first <= m->log.last)
	{
		if (m->led_term == rd->term)
			sim_fail(w, "a leader only appends", "member %d, term %d: writes "
					 "from %d, log ends at %d", (int) m->id, (int) rd->term,
					 (int) wr->first, (int) m->log.last);
		check_truncation(w, m, wr);
	}
	for (uint32_t i = 0; i < wr->n; i++)
	{
		raft_term	before = i > 0 ? wr->entries[i - 1].term :
			sim_log_term(&m->log, wr->first - 1);

		if (wr->entries[i].term < before || wr->entries[i].term > rd->term)
			sim_fail(w, "terms in a log ascend", "member %d: %d/%d after "
					 "term %d, in term %d", (int) m->id,
					 (int) wr->entries[i].term, (int) (wr->first + i),
					 (int) before, (int) rd->term);
	}
	sim_oracle_entries(w, m, wr->first, wr->entries, wr->n);
	for (uint32_t i = 0; i < wr->n; i++)
	{
		if (wr->entries[i].type == RAFT_ENTRY_CONF)
		{
			check_changes(w, m, rd, wr);
			break;
		}
	}
}

/* An append: from the leader of its term, out of its log, of a fair size. */
static void
check_append(struct sim_world *w, struct sim_member *m,
			 const struct raft_msg *msg)
{
	uint64_t	bytes = 0;
	raft_term	term = sim_log_term(&m->log, msg->index);

	/* An empty one of an earlier term may describe what was replaced since. */
	if (term != 0 && term != msg->log_term &&
		(msg->term == m->seen.term || msg->n_entries > 0))
		sim_fail(w, "appends describe the log", "member %d: entry before is "
				 "%d/%d, log has term %d", (int) m->id, (int) msg->log_term,
				 (int) msg->index, (int) term);
	for (uint32_t i = 0; i < msg->n_entries; i++)
	{
		raft_index	index = msg->index + 1 + i;

		if (index > m->log.last)
			break;				/* reported when the entries are read */
		bytes += m->log.at[index].size + RAFT_ENTRY_OVERHEAD;
	}
	if (msg->n_entries > 1 && bytes > m->cfg.max_msg_bytes &&
		sizes_known(w, m))
		sim_fail(w, "messages are bounded", "member %d: %u entries, %d bytes",
				 (int) m->id, msg->n_entries, (int) bytes);
}

/* A message on its way out: what it claims must be so, and be durable. */
void
sim_check_message(struct sim_world *w, struct sim_member *m,
				  const struct raft_msg *msg)
{
	const char *name = raft_msg_name(msg->type);
	int			id = (int) m->id;

	if (msg->from != m->id)
		sim_fail(w, "messages are signed", "member %d sends %s as %d", id,
				 name, (int) msg->from);
	if (msg->term > m->seen.term && msg->type != RAFT_MSG_PRE_VOTE &&
		msg->type != RAFT_MSG_PRE_VOTE_RESP)
		sim_fail(w, "messages are of a known term", "member %d: %s of term "
				 "%d", id, name, (int) msg->term);
	switch (msg->type)
	{
		case RAFT_MSG_APP:
		case RAFT_MSG_HEARTBEAT:
		case RAFT_MSG_SNAP:
		case RAFT_MSG_TIMEOUT_NOW:
			if (sim_oracle_term(w, msg->term)->leader != m->id)
				sim_fail(w, "only leaders lead", "member %d: %s of term %d",
						 id, name, (int) msg->term);
			if (msg->commit > w->oracle.committed)
				sim_fail(w, "commits are not invented", "member %d: %s, "
						 "commit %d of %d", id, name, (int) msg->commit,
						 (int) w->oracle.committed);
			if (msg->type == RAFT_MSG_APP)
				check_append(w, m, msg);
			if (msg->type == RAFT_MSG_HEARTBEAT)
				sim_reads_beat(w, m, msg);
			if (msg->type == RAFT_MSG_SNAP &&
				msg->snap->index > m->machine.applied)
				sim_fail(w, "snapshots can be served", "member %d: %d, "
						 "applied %d", id, (int) msg->snap->index,
						 (int) m->machine.applied);
			break;
		case RAFT_MSG_VOTE:

			/*
			 * Or it could campaign in that term twice, the second time with
			 * less of a log, and count the votes of the first.
			 */
			if (m->disk.term < msg->term ||
				(m->disk.term == msg->term && m->disk.vote != m->id))
				sim_fail(w, "a candidacy is durable before votes are asked for",
						 "member %d, term %d: disk has term %d vote %d", id,
						 (int) msg->term, (int) m->disk.term,
						 (int) m->disk.vote);
			if (m->seen.role == RAFT_CANDIDATE && m->seen.term == msg->term &&
				sim_log_term(&m->disk.log, msg->index) != msg->log_term)
				sim_fail(w, "a candidate's log is durable", "member %d: claims "
						 "%d/%d, disk ends at %d", id, (int) msg->log_term,
						 (int) msg->index, (int) m->disk.log.last);
			break;
		case RAFT_MSG_VOTE_RESP:
			if (msg->reject)
				break;

			/*
			 * A later term on disk is as good: no other vote can follow in
			 * this one.
			 */
			if (m->disk.term > msg->term)
				sim_oracle_vote(w, m->id, msg->term, msg->to);
			if (sim_oracle_term(w, msg->term)->grant[m->id] != msg->to)
				sim_fail(w, "votes are durable before they are given",
						 "member %d votes for %d in term %d", id,
						 (int) msg->to, (int) msg->term);
			break;
		case RAFT_MSG_APP_RESP:

			/*
			 * An answer of an earlier term may speak of entries that were
			 * durable and have been replaced since.
			 */
			if (msg->term < m->seen.term)
				break;
			if (!msg->reject && msg->index > m->disk.log.last)
				sim_fail(w, "acknowledged entries are durable",
						 "member %d: up to %d, disk ends at %d", id,
						 (int) msg->index, (int) m->disk.log.last);
			if (!msg->reject && msg->index > 0 && msg->term > m->disk.term)
				sim_fail(w, "acknowledged terms are durable",
						 "member %d: term %d, disk has %d", id,
						 (int) msg->term, (int) m->disk.term);
			break;
		default:
			break;
	}
}

/*
 * A commit index after a message: what the message says, as far as it has
 * shown that the logs agree.
 */
static void
check_commit_received(struct sim_world *w, struct sim_member *m,
					  const struct raft_msg *msg)
{
	raft_index	limit = msg->commit;

	if (msg->type == RAFT_MSG_APP && limit > msg->index + msg->n_entries)
		limit = msg->index + msg->n_entries;
	if (m->seen.commit > limit)
		sim_fail(w, "commits follow what is proved to match",
				 "member %d: commit %d after %s with commit %d, up to %d",
				 (int) m->id, (int) m->seen.commit, raft_msg_name(msg->type),
				 (int) msg->commit, (int) (msg->index + msg->n_entries));
}

/*
 * Who has no reason to refuse votes for a log that is ahead of its own, or the
 * one member that can still win would not.
 */
static void
check_vote_refused(struct sim_world *w, struct sim_member *m,
				   const struct raft_msg *msg,
				   const struct raft_status *before)
{
	bool		ahead = msg->log_term > before->last_term ||
		(msg->log_term == before->last_term && msg->index > before->last);

	if (!ahead || msg->term <= before->term ||
		(m->cfg.check_quorum && (before->leader != 0 || m->cfg.lease_reads)))
		return;
	if (m->seen.term != msg->term || m->seen.vote != msg->from)
		sim_fail(w, "a free voter votes for a log that is ahead",
				 "member %d with %d/%d refuses %d with %d/%d, term %d",
				 (int) m->id, (int) before->last_term, (int) before->last,
				 (int) msg->from, (int) msg->log_term, (int) msg->index,
				 (int) msg->term);
}

/* What became of a message. */
void
sim_check_received(struct sim_world *w, struct sim_member *m,
				   const struct raft_msg *msg,
				   const struct raft_status *before)
{
	if (m->seen.commit > before->commit &&
		(msg->type == RAFT_MSG_APP || msg->type == RAFT_MSG_HEARTBEAT))
		check_commit_received(w, m, msg);
	if (msg->type == RAFT_MSG_VOTE)
		check_vote_refused(w, m, msg, before);
}

/* A range handed out for apply. */
void
sim_check_apply(struct sim_world *w, struct sim_member *m, raft_index lo,
				raft_index hi)
{
	uint64_t	bytes = 0;

	if (lo != m->apply_end + 1 || hi < lo)
		sim_fail(w, "nothing is skipped or repeated at apply",
				 "member %d: %d..%d after %d", (int) m->id, (int) lo,
				 (int) hi, (int) m->apply_end);
	if (hi > m->commit_checked)
		sim_fail(w, "only committed entries are applied",
				 "member %d: %d..%d, commit %d", (int) m->id, (int) lo,
				 (int) hi, (int) m->commit_checked);
	if (hi > m->disk.log.last ||
		sim_log_term(&m->disk.log, hi) != sim_log_term(&m->log, hi))
		sim_fail(w, "applied is durable", "member %d: %d..%d, disk ends at %d",
				 (int) m->id, (int) lo, (int) hi, (int) m->disk.log.last);
	/* The last one may exceed the limit, or large entries would never go. */
	for (raft_index i = m->machine.applied + 1; i < hi; i++)
		bytes += m->log.at[i].size + RAFT_ENTRY_OVERHEAD;
	if (bytes > m->cfg.max_apply_bytes && sizes_known(w, m))
		sim_fail(w, "applies are bounded", "member %d: %d..%d handed out, %d "
				 "bytes", (int) m->id, (int) m->machine.applied + 1, (int) hi,
				 (int) bytes);
}
