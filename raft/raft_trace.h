/*-------------------------------------------------------------------------
 *
 * raft_trace.h
 *	  Structured events of the consensus core.
 *
 * The core has no texts: what it decides is told to the trace sink of its
 * configuration as an event number with numbers.  A log line, a scenario
 * transcript, a metric or a checker's trace is made of these by the host.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/raft_trace.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_RAFT_TRACE_H
#define PGQ_RAFT_TRACE_H

#include "raft.h"

/*
 * The fields of struct raft_event that an event uses beside node, term, role,
 * which are always those of the instance at that moment, are named after it.
 */
enum raft_event_kind
{
	RAFT_EV_NEW = 1,			/* conf, commit, applied, last, last_term */

	/* roles */
	RAFT_EV_FOLLOWER,			/* peer = leader or 0 */
	RAFT_EV_PRE_CANDIDATE,
	RAFT_EV_CANDIDATE,
	RAFT_EV_LEADER,
	RAFT_EV_QUORUM_LOST,		/* leader steps down: no quorum answers */
	RAFT_EV_LEADER_FORGOTTEN,	/* peer = the leader */
	RAFT_EV_FORGET_REFUSED,		/* lease reads forbid it */

	/* elections */
	RAFT_EV_ELECTION,			/* starts one */
	RAFT_EV_HUP_LEADER,			/* asked to campaign, but leads already */
	RAFT_EV_UNPROMOTABLE,		/* asked to campaign, but may not */
	RAFT_EV_HUP_PENDING_CONF,	/* ... because of an unapplied conf entry */
	RAFT_EV_VOTE_REQUEST,		/* peer, msg_type, last, last_term */
	RAFT_EV_VOTE_COUNTED,		/* peer, msg_type, flag = granted */
	RAFT_EV_VOTE_TALLY,			/* msg_type, a = granted, b = refused */
	RAFT_EV_VOTE_CAST,			/* peer, msg, vote, last, last_term */
	RAFT_EV_VOTE_REFUSED,		/* peer, msg, vote, last, last_term */
	RAFT_EV_VOTE_IGNORED,		/* peer, msg, vote, last, last_term, a = ticks
								 * of the lease left */
	RAFT_EV_COMMIT_BY_VOTE,		/* peer, commit: learnt from a vote message */

	/* messages */
	RAFT_EV_RECEIVE,			/* msg, before anything is done with it */
	RAFT_EV_SEND,				/* msg; flag = it waits for the disk */
	RAFT_EV_HIGHER_TERM,		/* peer, msg_type, a = its term */
	RAFT_EV_LOWER_TERM,			/* peer, msg_type, a = its term: ignored */
	RAFT_EV_NO_PEER,			/* peer: no such member */

	/* proposals */
	RAFT_EV_PROP_NO_LEADER,
	RAFT_EV_PROP_NOT_FORWARDED, /* peer = leader */
	RAFT_EV_PROP_TRANSFER,		/* peer = transferee */
	RAFT_EV_PROP_QUOTA,			/* over max_uncommitted_bytes */
	RAFT_EV_CONF_ACCEPTED,		/* change, index */
	RAFT_EV_CONF_REFUSED,		/* change, conf, a = enum raft_conf_refusal,
								 * index = pending conf, applied */

	/* the log */
	RAFT_EV_CONFLICT,			/* index, a = our term, b = the new one */
	RAFT_EV_LOG_REPLACED,		/* index: entries from here on are replaced, no
								 * earlier one waits for the disk */
	RAFT_EV_LOG_TRUNCATED,		/* index: entries from here on are replaced */
	RAFT_EV_APPENDED,			/* index = first new, last */
	RAFT_EV_COMMIT,				/* commit, a = before */
	RAFT_EV_APPLIED,			/* applied */
	RAFT_EV_COMPACTED,			/* index = new base */
	RAFT_EV_DURABLE,			/* index, a = seq */
	RAFT_EV_LOG_LOST,			/* peer = leader, index = what it knows, last */

	/* replication */
	RAFT_EV_APP_REJECTED,		/* msg, a = our term at msg->index */
	RAFT_EV_APP_RESP_REJECT,	/* msg */
	RAFT_EV_PROBE_DECREASED,	/* peer, progress */
	RAFT_EV_UNREACHABLE,		/* peer, progress */

	/* snapshots, leader */
	RAFT_EV_SNAP_INACTIVE,		/* peer: not sent, it does not answer */
	RAFT_EV_SNAP_UNAVAILABLE,	/* peer: not sent, there is none */
	RAFT_EV_SNAP_SENT,			/* peer, progress (before), index = first of the
								 * log, commit, a = snapshot index, b = its
								 * term */
	RAFT_EV_SNAP_PAUSED,		/* peer, progress */
	RAFT_EV_SNAP_RECOVERED,		/* peer, progress: it needs none any more */
	RAFT_EV_SNAP_REPORT,		/* peer, progress, flag = success */
	RAFT_EV_SNAP_TIMEOUT,		/* peer, progress */

	/* snapshots, follower; a = snapshot index, b = its term */
	RAFT_EV_SNAP_NOT_FOLLOWER,
	RAFT_EV_SNAP_NOT_MEMBER,	/* conf = that of the snapshot */
	RAFT_EV_SNAP_FAST_FORWARD,	/* commit, last, last_term: log has it already */
	RAFT_EV_SNAP_RESTORE,		/* commit, applied, applying, durable, handed,
								 * last: state before it is taken */
	RAFT_EV_SNAP_RESTORED,		/* commit, last, last_term */
	RAFT_EV_SNAP_ACCEPTED,		/* commit */
	RAFT_EV_SNAP_IGNORED,		/* commit */

	/* configurations */
	RAFT_EV_CONF_SWITCHED,		/* conf */
	RAFT_EV_AUTO_LEAVE,			/* conf: leaving was proposed */
	RAFT_EV_AUTO_LEAVE_REFUSED, /* conf */

	/* transfer; peer = transferee */
	RAFT_EV_TRANSFER_LEARNER,	/* refused: learner */
	RAFT_EV_TRANSFER_SAME,		/* refused: going on already */
	RAFT_EV_TRANSFER_ABORTED,	/* another one was asked for */
	RAFT_EV_TRANSFER_SELF,		/* refused: leads already */
	RAFT_EV_TRANSFER_START,
	RAFT_EV_TRANSFER_AT_ONCE,	/* TIMEOUT_NOW sent: it is up to date */
	RAFT_EV_TRANSFER_CAUGHT_UP, /* TIMEOUT_NOW sent after it caught up */
	RAFT_EV_TRANSFER_NO_LEADER, /* follower without leader */
	RAFT_EV_TRANSFER_TIMEOUT,	/* given up */
	RAFT_EV_TIMEOUT_NOW,		/* peer = old leader: starts an election */
	RAFT_EV_TIMEOUT_NOW_IGNORED,	/* peer: campaigns already */

	/* reads */
	RAFT_EV_READ_NO_LEADER,
	RAFT_EV_READ_ROUND,			/* a = round, b = reads in it */

	/* output and faults */
	RAFT_EV_READY,				/* a = seq, flag = has_write */
	RAFT_EV_DISK_FAILED,		/* a = seq */
	RAFT_EV_POISONED,			/* a = line */
	RAFT_EV_LAST = RAFT_EV_POISONED
};

enum raft_conf_refusal
{
	RAFT_CONF_PENDING = 1,		/* an earlier change may be unapplied */
	RAFT_CONF_MUST_LEAVE,		/* joint: only leaving is possible */
	RAFT_CONF_NOT_JOINT,		/* not joint: nothing to leave */
	RAFT_CONF_IMPOSSIBLE		/* the configuration cannot be changed so */
};

struct raft_event
{
	enum raft_event_kind kind;
	raft_id		node;
	raft_term	term;
	enum raft_role role;

	raft_id		peer;
	raft_id		vote;
	int			msg_type;		/* enum raft_msg_type */
	bool		flag;
	raft_index	index;
	raft_index	last;
	raft_term	last_term;
	raft_index	commit;
	raft_index	applied;
	raft_index	applying;
	raft_index	durable;
	raft_index	handed;
	uint64_t	a;
	uint64_t	b;

	/* valid during the call only; NULL where not used */
	const struct raft_msg *msg;
	const struct raft_conf *conf;
	const struct raft_conf_change *change;
	const struct raft_peer_status *progress;
};

/* "became leader" for RAFT_EV_LEADER and so on: for logs of developers. */
extern const char *raft_event_name(enum raft_event_kind kind);

#endif							/* PGQ_RAFT_TRACE_H */
