/*-------------------------------------------------------------------------
 *
 * trace.c
 *	  Events, names, and the end of an instance that broke.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/trace.c
 *
 *-------------------------------------------------------------------------
 */
#include "raft_int.h"

/* Complete an event and give it to the sink. */
void
raft_emit(struct raft *r, struct raft_event *ev)
{
	ev->node = r->cfg.id;
	ev->term = r->term;
	ev->role = r->role;
	r->cfg.trace(r->cfg.trace_arg, ev);
}

/* The first broken invariant is the one worth knowing.  Always false. */
bool
raft_poison(struct raft *r, const char *file, int line)
{
	if (r->fault_line == 0)
	{
		r->fault_line = line;
		r->fault_file = file;
		RAFT_TRACE(r, RAFT_EV_POISONED,.a = (uint64_t) line);
	}
	return false;
}

const char *
raft_rc_name(enum raft_rc rc)
{
	static const char *const names[] = {
		"ok", "dropped", "not leader", "no leader", "busy", "too big",
		"unknown peer", "compacted", "invalid", "out of memory", "log lost",
		"fatal"
	};

	return (unsigned) rc <= RAFT_FATAL ? names[rc] : "unknown";
}

const char *
raft_role_name(enum raft_role role)
{
	static const char *const names[] = {
		"follower", "candidate", "leader", "pre-candidate"
	};

	return (unsigned) role <= RAFT_PRE_CANDIDATE ? names[role] : "unknown";
}

const char *
raft_peer_state_name(enum raft_peer_state state)
{
	static const char *const names[] = {"probe", "replicate", "snapshot"};

	return (unsigned) state <= RAFT_SNAPSHOT ? names[state] : "unknown";
}

const char *
raft_msg_name(int type)
{
	static const char *const names[] = {
		"none", "append", "append response", "vote", "vote response",
		"pre-vote", "pre-vote response", "heartbeat", "heartbeat response",
		"snapshot", "timeout now", "proposal", "read index",
		"read index response", "transfer"
	};

	return type >= 0 && type <= RAFT_MSG_LAST ? names[type] : "unknown";
}

const char *
raft_event_name(enum raft_event_kind kind)
{
	static const char *const names[] = {
		[RAFT_EV_NEW] = "started",
		[RAFT_EV_FOLLOWER] = "became follower",
		[RAFT_EV_PRE_CANDIDATE] = "became pre-candidate",
		[RAFT_EV_CANDIDATE] = "became candidate",
		[RAFT_EV_LEADER] = "became leader",
		[RAFT_EV_QUORUM_LOST] = "lost its quorum",
		[RAFT_EV_LEADER_FORGOTTEN] = "forgot the leader",
		[RAFT_EV_FORGET_REFUSED] = "may not forget the leader",
		[RAFT_EV_ELECTION] = "starts an election",
		[RAFT_EV_HUP_LEADER] = "leads already",
		[RAFT_EV_UNPROMOTABLE] = "may not campaign",
		[RAFT_EV_HUP_PENDING_CONF] = "may not campaign yet",
		[RAFT_EV_VOTE_REQUEST] = "asks for a vote",
		[RAFT_EV_VOTE_COUNTED] = "counts a vote",
		[RAFT_EV_VOTE_TALLY] = "tallies votes",
		[RAFT_EV_VOTE_CAST] = "votes",
		[RAFT_EV_VOTE_REFUSED] = "refuses a vote",
		[RAFT_EV_VOTE_IGNORED] = "ignores a vote request",
		[RAFT_EV_COMMIT_BY_VOTE] = "learns a commit index",
		[RAFT_EV_RECEIVE] = "receives",
		[RAFT_EV_SEND] = "sends",
		[RAFT_EV_HIGHER_TERM] = "sees a higher term",
		[RAFT_EV_LOWER_TERM] = "ignores a lower term",
		[RAFT_EV_NO_PEER] = "does not know the peer",
		[RAFT_EV_PROP_NO_LEADER] = "drops a proposal: no leader",
		[RAFT_EV_PROP_NOT_FORWARDED] = "drops a proposal: not forwarded",
		[RAFT_EV_PROP_TRANSFER] = "drops a proposal: transfer",
		[RAFT_EV_PROP_QUOTA] = "drops a proposal: quota",
		[RAFT_EV_CONF_ACCEPTED] = "accepts a configuration change",
		[RAFT_EV_CONF_REFUSED] = "refuses a configuration change",
		[RAFT_EV_CONFLICT] = "finds a conflict",
		[RAFT_EV_LOG_REPLACED] = "replaces entries",
		[RAFT_EV_LOG_TRUNCATED] = "truncates entries",
		[RAFT_EV_APPENDED] = "appends",
		[RAFT_EV_COMMIT] = "commits",
		[RAFT_EV_APPLIED] = "applied",
		[RAFT_EV_COMPACTED] = "compacted",
		[RAFT_EV_DURABLE] = "is durable",
		[RAFT_EV_LOG_LOST] = "lost its log",
		[RAFT_EV_APP_REJECTED] = "rejects an append",
		[RAFT_EV_APP_RESP_REJECT] = "learns of a rejection",
		[RAFT_EV_PROBE_DECREASED] = "probes further back",
		[RAFT_EV_UNREACHABLE] = "cannot reach a peer",
		[RAFT_EV_SNAP_INACTIVE] = "sends no snapshot: inactive",
		[RAFT_EV_SNAP_UNAVAILABLE] = "sends no snapshot: none",
		[RAFT_EV_SNAP_SENT] = "sends a snapshot",
		[RAFT_EV_SNAP_PAUSED] = "pauses appends",
		[RAFT_EV_SNAP_RECOVERED] = "resumes appends",
		[RAFT_EV_SNAP_REPORT] = "learns what became of a snapshot",
		[RAFT_EV_SNAP_TIMEOUT] = "gives up a snapshot",
		[RAFT_EV_SNAP_NOT_FOLLOWER] = "ignores a snapshot: no follower",
		[RAFT_EV_SNAP_NOT_MEMBER] = "ignores a snapshot: not in it",
		[RAFT_EV_SNAP_FAST_FORWARD] = "has what a snapshot covers",
		[RAFT_EV_SNAP_RESTORE] = "takes a snapshot",
		[RAFT_EV_SNAP_RESTORED] = "took a snapshot",
		[RAFT_EV_SNAP_ACCEPTED] = "accepted a snapshot",
		[RAFT_EV_SNAP_IGNORED] = "ignored a snapshot",
		[RAFT_EV_CONF_SWITCHED] = "switches its configuration",
		[RAFT_EV_AUTO_LEAVE] = "leaves the joint configuration",
		[RAFT_EV_AUTO_LEAVE_REFUSED] = "cannot leave the joint configuration",
		[RAFT_EV_TRANSFER_LEARNER] = "transfers to no learner",
		[RAFT_EV_TRANSFER_SAME] = "transfers already",
		[RAFT_EV_TRANSFER_ABORTED] = "aborts a transfer",
		[RAFT_EV_TRANSFER_SELF] = "transfers not to itself",
		[RAFT_EV_TRANSFER_START] = "starts a transfer",
		[RAFT_EV_TRANSFER_AT_ONCE] = "hands over at once",
		[RAFT_EV_TRANSFER_CAUGHT_UP] = "hands over",
		[RAFT_EV_TRANSFER_NO_LEADER] = "transfers not: no leader",
		[RAFT_EV_TRANSFER_TIMEOUT] = "gives up a transfer",
		[RAFT_EV_TIMEOUT_NOW] = "takes over",
		[RAFT_EV_TIMEOUT_NOW_IGNORED] = "campaigns already",
		[RAFT_EV_READ_NO_LEADER] = "drops a read: no leader",
		[RAFT_EV_READ_ROUND] = "starts a read round",
		[RAFT_EV_READY] = "hands out work",
		[RAFT_EV_DISK_FAILED] = "has a failed disk",
		[RAFT_EV_POISONED] = "broke an invariant"
	};

	if ((unsigned) kind > RAFT_EV_LAST || names[kind] == NULL)
		return "unknown";
	return names[kind];
}

#ifdef RAFT_BREAK
const char *
raft_break_name(int bug)
{
	static const char *const names[RAFT_BREAK_COUNT] = {
		[RAFT_BREAK_COMMIT_OLD_TERM] = "commit-old-term-by-counting",
		[RAFT_BREAK_DOUBLE_VOTE] = "double-vote",
		[RAFT_BREAK_ACK_BEFORE_DURABLE] = "ack-before-durable",
		[RAFT_BREAK_VOTE_BEFORE_DURABLE] = "vote-before-durable",
		[RAFT_BREAK_SELF_ACK_BEFORE_DURABLE] = "self-ack-before-durable",
		[RAFT_BREAK_NO_UP_TO_DATE_CHECK] = "no-up-to-date-check",
		[RAFT_BREAK_UP_TO_DATE_BY_LENGTH] = "up-to-date-by-length",
		[RAFT_BREAK_TRUNCATE_ON_MATCH] = "truncate-on-match",
		[RAFT_BREAK_STALE_VOTE_RESPONSE] = "stale-vote-response",
		[RAFT_BREAK_NO_PENDING_CONF_INDEX] = "no-pending-conf-index",
		[RAFT_BREAK_TWO_CONF_CHANGES] = "two-conf-changes",
		[RAFT_BREAK_JOINT_COMMIT_ONE_SIDE] = "joint-commit-one-side",
		[RAFT_BREAK_JOINT_VOTE_ONE_SIDE] = "joint-vote-one-side",
		[RAFT_BREAK_LEARNER_CAMPAIGNS] = "learner-campaigns",
		[RAFT_BREAK_LEARNER_COUNTS] = "learner-counts",
		[RAFT_BREAK_APPLY_BEFORE_DURABLE] = "apply-before-durable",
		[RAFT_BREAK_READ_WITHOUT_QUORUM] = "read-index-without-quorum",
		[RAFT_BREAK_READ_BEFORE_TERM_COMMIT] = "read-before-term-commit",
		[RAFT_BREAK_READ_STALE_ROUND] = "read-stale-round",
		[RAFT_BREAK_MATCH_REGRESS] = "match-regress",
		[RAFT_BREAK_STALE_REJECT] = "stale-reject",
		[RAFT_BREAK_HEARTBEAT_COMMIT_UNCAPPED] = "heartbeat-commit-uncapped",
		[RAFT_BREAK_FOLLOWER_COMMIT_UNCAPPED] = "follower-commit-uncapped",
		[RAFT_BREAK_SNAPSHOT_REGRESS] = "snapshot-regress",
		[RAFT_BREAK_CAMPAIGN_UNAPPLIED_CONF] = "campaign-with-unapplied-conf",
		[RAFT_BREAK_TRANSFER_NEVER_ABORTS] = "transfer-never-aborts",
		[RAFT_BREAK_SNAPSHOT_NEVER_TIMES_OUT] = "snapshot-never-times-out",
		[RAFT_BREAK_QUOTA_LEAK] = "quota-leak",
		[RAFT_BREAK_FULL_WINDOW_STUCK] = "full-window-stuck",
		[RAFT_BREAK_VOTE_KEPT_NEXT_TERM] = "vote-kept-next-term",
		[RAFT_BREAK_PERSIST_ABA] = "persist-aba",
		[RAFT_BREAK_CANDIDACY_BEFORE_DURABLE] = "candidacy-before-durable",
		[RAFT_BREAK_COMMIT_BEFORE_ENTRIES] = "commit-before-entries",
		[RAFT_BREAK_BOOT_FORGETS_CHANGE] = "boot-forgets-change",
		[RAFT_BREAK_PRIORITY_BY_LENGTH] = "priority-by-length",
		[RAFT_BREAK_AUTO_LEAVE_ONCE] = "auto-leave-once"
	};

	return bug >= 0 && bug < RAFT_BREAK_COUNT ? names[bug] : NULL;
}
#endif
