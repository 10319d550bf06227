/*-------------------------------------------------------------------------
 *
 * raft_break.h
 *	  Known bugs that a test can switch on.
 *
 * A test that never fails proves nothing.  Compiled with -DRAFT_BREAK (library
 * build/libraft_break.a) the core can be given any of these classic mistakes
 * by a bit in raft_config.break_mask; the tests must notice every one.  The
 * production library has none of this code: without RAFT_BREAK, raft_broken()
 * is the constant false.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/raft_break.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_RAFT_BREAK_H
#define PGQ_RAFT_BREAK_H

enum raft_break
{
	RAFT_BREAK_COMMIT_OLD_TERM, /* counts replicas of an earlier term's entry */
	RAFT_BREAK_DOUBLE_VOTE,		/* votes again in a term it voted in */
	RAFT_BREAK_ACK_BEFORE_DURABLE,	/* acknowledges entries not on disk */
	RAFT_BREAK_VOTE_BEFORE_DURABLE, /* gives a vote that a crash forgets */
	RAFT_BREAK_SELF_ACK_BEFORE_DURABLE, /* leader counts its own entries early */
	RAFT_BREAK_NO_UP_TO_DATE_CHECK, /* votes for any log */
	RAFT_BREAK_UP_TO_DATE_BY_LENGTH,	/* longer log wins whatever its terms */
	RAFT_BREAK_TRUNCATE_ON_MATCH,	/* duplicate append cuts what follows it */
	RAFT_BREAK_STALE_VOTE_RESPONSE, /* counts votes of an earlier term */
	RAFT_BREAK_NO_PENDING_CONF_INDEX,	/* new leader forgets a change in its log */
	RAFT_BREAK_TWO_CONF_CHANGES,	/* accepts a change while one is pending */
	RAFT_BREAK_JOINT_COMMIT_ONE_SIDE,	/* joint commit by the incoming half */
	RAFT_BREAK_JOINT_VOTE_ONE_SIDE, /* joint election by the incoming half */
	RAFT_BREAK_LEARNER_CAMPAIGNS,
	RAFT_BREAK_LEARNER_COUNTS,	/* learners acknowledge for the quorum */
	RAFT_BREAK_APPLY_BEFORE_DURABLE,	/* applies what is only in memory here */
	RAFT_BREAK_READ_WITHOUT_QUORUM, /* leader answers reads without asking */
	RAFT_BREAK_READ_BEFORE_TERM_COMMIT, /* new leader answers reads too early */
	RAFT_BREAK_READ_STALE_ROUND,	/* any heartbeat answer confirms any read */
	RAFT_BREAK_MATCH_REGRESS,	/* an old acknowledgement lowers match */
	RAFT_BREAK_STALE_REJECT,	/* an old rejection lowers next below match */
	RAFT_BREAK_HEARTBEAT_COMMIT_UNCAPPED,	/* heartbeat commits what the
											 * follower may not have */
	RAFT_BREAK_FOLLOWER_COMMIT_UNCAPPED,	/* append commits beyond what it
											 * proved to match */
	RAFT_BREAK_SNAPSHOT_REGRESS,	/* installs a snapshot older than commit */
	RAFT_BREAK_CAMPAIGN_UNAPPLIED_CONF, /* campaigns with an unapplied change */
	RAFT_BREAK_TRANSFER_NEVER_ABORTS,	/* a lost TIMEOUT_NOW blocks for ever */
	RAFT_BREAK_SNAPSHOT_NEVER_TIMES_OUT,	/* a lost snapshot blocks for ever */
	RAFT_BREAK_QUOTA_LEAK,		/* uncommitted bytes are never given back */
	RAFT_BREAK_FULL_WINDOW_STUCK,	/* lost window: no empty append is sent */
	RAFT_BREAK_VOTE_KEPT_NEXT_TERM, /* vote survives into a new term */
	RAFT_BREAK_PERSIST_ABA,		/* durable judged by index, not by write */
	RAFT_BREAK_CANDIDACY_BEFORE_DURABLE,	/* asks for votes in a term that a
											 * crash forgets */
	RAFT_BREAK_COMMIT_BEFORE_ENTRIES,	/* a write commits what it brings */
	RAFT_BREAK_BOOT_FORGETS_CHANGE, /* a boot does not see that a change in the
									 * log proves the one before committed */
	RAFT_BREAK_PRIORITY_BY_LENGTH,	/* priority yields to longer logs only, not
									 * to newer ones */
	RAFT_BREAK_AUTO_LEAVE_ONCE, /* a refused auto-leave is not tried again */
	RAFT_BREAK_COUNT
};

/*
 * Short name ("double-vote") of a bug for command lines; NULL at and beyond
 * RAFT_BREAK_COUNT.
 */
extern const char *raft_break_name(int bug);

#ifdef RAFT_BREAK
#define raft_broken(r, bug) (((r)->cfg.break_mask >> (bug)) & 1)
#else
#define raft_broken(r, bug) (false)
#endif

#endif							/* PGQ_RAFT_BREAK_H */
