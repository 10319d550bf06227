/*-------------------------------------------------------------------------
 *
 * status.c
 *	  Looking at an instance.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/status.c
 *
 *-------------------------------------------------------------------------
 */
#include "raft_int.h"

void
raft_status(const struct raft *r, struct raft_status *st)
{
	const struct raft_peer *self = raft_peer_get(r, r->cfg.id);

	memset(st, 0, sizeof(*st));
	st->id = r->cfg.id;
	st->role = r->role;
	st->leader = r->leader;
	st->term = r->term;
	st->vote = r->vote;
	st->commit = r->commit;
	st->applied = r->applied;
	st->applying = r->applying;
	st->first = r->trail.base + 1;
	st->last = r->trail.last;
	st->last_term = raft_trail_last_term(&r->trail);
	st->durable = r->durable;
	st->handed = r->handed;
	st->seq_handed = r->seq_handed;
	st->seq_durable = r->seq_durable;
	st->member = self != NULL;
	st->learner = self != NULL && self->learner;
	st->joint = raft_conf_is_joint(&r->conf);
	st->promotable = raft_promotable(r);
	st->transferee = r->transferee;
	st->pending_conf = r->pending_conf;
	st->uncommitted_bytes = r->uncommitted;
	st->pending_reads = raft_reads_waiting(r);
	st->election_elapsed = r->election_elapsed;
	st->election_timeout = r->election_timeout;
	st->commit_in_term = r->role == RAFT_LEADER && raft_committed_in_term(r);
	st->quorum_active = raft_quorum_active(r);
	st->lease_ticks = raft_lease_ticks(r);
	st->quorum_echo_ticks = raft_quorum_echo_ticks(r);
	st->leader_silent_ticks = r->role == RAFT_LEADER ? 0 : r->leader_silent;
	st->log_lost = r->lost_index > 0;
	st->disk_failed = r->failed_seq > 0;
	st->fault_line = r->fault_line;
	st->fault_file = r->fault_file;
}

void
raft_current_conf(const struct raft *r, struct raft_conf *conf)
{
	*conf = r->conf;
}

enum raft_rc
raft_term_of(const struct raft *r, raft_index index, raft_term *term)
{
	if (index < r->trail.base)
		return RAFT_COMPACTED;
	return raft_trail_term(&r->trail, index, term) ? RAFT_OK : RAFT_INVALID;
}
