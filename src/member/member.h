/*-------------------------------------------------------------------------
 *
 * member.h
 *	  What the faces may ask of this instance's member.
 *
 * Functions of this header run in client backends and in the notifier, never
 * in the raft worker.  All waits are interruptible, end at a timeout, and
 * notice the death of the worker.  Errors of the machinery are raised here
 * with the SQLSTATEs of the interface; refusals by the state machine are
 * returned (Quorum__Result.error, a StoreError) for the face to word.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/member.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_MEMBER_H
#define PGQ_MEMBER_H

#include "datatype/timestamp.h"
#include "utils/relcache.h"

#include "command.pb-c.h"

#define MEMBER_NAME_LEN			64
#define MEMBER_MAX_PEERS		32
#define MEMBER_REASON_LEN		512
#define MEMBER_CONNINFO_LEN		1024

/* The reason of a quarantine that is none: it cannot end but by being added again */
#define MEMBER_REASON_REMOVED	"This member was removed from the cluster."

typedef enum MemberRole
{
	MEMBER_STOPPED,				/* the worker does not run, or has not finished starting */
	MEMBER_IDLE,				/* it runs, but the extension does not exist */
	MEMBER_FOLLOWER,
	MEMBER_CANDIDATE,			/* also while asking for pre-votes */
	MEMBER_LEADER,
	MEMBER_LEARNER,
	MEMBER_QUARANTINED,			/* takes no part; the status says why */
	MEMBER_JOINING				/* asks to be taken in, or catches up for the first time */
} MemberRole;

typedef struct MemberStatus
{
	uint64		cluster_id;
	uint64		member_id;
	char		name[MEMBER_NAME_LEN];
	MemberRole	role;
	uint64		leader_id;		/* 0: none known */
	uint64		term;
	uint64		commit_index;
	uint64		applied_index;
	uint64		first_index;	/* of the log */
	uint64		last_index;
	int64		revision;
	int64		compacted_revision;
	char		reason[MEMBER_REASON_LEN];	/* why quarantined, idle or still joining; else empty */
} MemberStatus;

/* the leader's view of another member; on a follower only what it knows itself */
typedef struct MemberPeer
{
	uint64		id;
	bool		connected;
	uint64		match_index;	/* 0 where this member does not lead */
	char		state[16];		/* probe, replicate, snapshot, ... ; empty where not leading */
	TimestampTz last_heard;		/* 0: never */
} MemberPeer;

/* ERROR 55000 unless the library was preloaded (with a hint) */
extern void member_require_preload(void);

extern void member_get_status(MemberStatus *status);

/* What every answer of the cluster names, without the rest */
extern void member_get_identity(uint64 *cluster_id, uint64 *member_id, uint64 *term);

/* One look at shared memory, no lock */
extern bool member_is_learner(void);
extern int	member_get_peers(MemberPeer *peers, int max);
extern const char *member_role_name(MemberRole role);	/* "leader", ... */

/*
 * Propose a command and wait until this member has applied it; the result is palloc'd in
 * the current context.  command->origin and request are filled in here.
 * From a follower it is forwarded.  If leadership moves before the command got into the log for
 * certain, it is proposed again to the new leader, as long as the timeout allows;
 * it is never carried out twice.  Raises:
 *	 57P03 no leader or no quorum within the timeout, certainly not done
 *	 08007 outcome unknown (timeout after it was proposed, worker lost)
 *	 55000 quarantined, removed, no extension, worker not running
 *	 54000 larger than the limits
 *	 25006 in recovery or in a read-only transaction
 * A query cancel after it was proposed ends the wait with the usual 57014 and a
 * detail that says the outcome is unknown.
 */
extern Quorum__Result *member_execute(Quorum__Command *command);

/*
 * The same for a command whose effect must not stay if nobody has learnt of it.  If the
 * wait ends by an error (cancel, timeout), undo is carried out once it is known what
 * became of command, though nobody waits any more; not if the process
 * ends before.  undo must fit its every outcome and do no harm if carried out twice.
 * The session's next request waits for it.
 */
extern Quorum__Result *member_execute_or_undo(Quorum__Command *command,
											  Quorum__Command *undo);

/*
 * Have a command carried out without waiting for it; raises nothing but for memory, so that it
 * can be called where an error is being handled.  It must do no harm if carried out
 * twice.  False if it cannot be taken: another one is still under way, or shared memory is
 * used up.
 */
extern bool member_execute_detached(Quorum__Command *command);

/* Wait until a command or undo that was left like that has been carried out.  Raises
 * as member_execute() */
extern void member_await_detached(void);

/*
 * Wait until this member has applied everything that was committed when
 * the call began (a shared read-index round).  timeout_ms < 0: pg_quorum.request_timeout.
 * Raises 57P03 when there is no quorum in time.
 */
extern void member_read_barrier(int timeout_ms);

/* How many commands of this instance's clients are under way */
extern int	member_pending_commands(void);

/*
 * Keep this member from removing what was compacted, until it is let go of as often as it was
 * held; for a process that reads one state for longer than a transaction.  What is being removed at
 * this moment may still go (store_export_begin_held()).  Ends by itself with the process that
 * makes calls (calls.h), which alone may hold.
 */
extern void member_hold_history(void);
extern void member_release_history(void);

/* Moves when the store of this member gives way to another one as a whole: then
 * what was not compacted may be gone all the same */
extern uint32 member_store_generation(void);

/*
 * How old this member's state may be at most, in us: all that was committed
 * anywhere longer ago is in it.  A look at shared memory; no message is
 * sent.  PG_INT64_MAX where nothing is known (README, "Bounded staleness").
 */
extern int64 member_staleness(void);

/* ----------------------------------------------------------------
 *	Questions to the leader (questions.c)
 * ----------------------------------------------------------------
 *
 * For what only the leader knows or may decide, and what needs no log entry.
 * The encoding of question and answer belongs to the kind.
 */
typedef enum QuestionKind
{
	QUESTION_LEASE_KEEPALIVE = 1,
	QUESTION_LEASE_TTL = 2,
	QUESTION_LEASE_EXPIRE = 3,
	QUESTION_MOVE_LEADER = 4,
	QUESTION_MEMBER_CHANGE = 5
} QuestionKind;

/* Largest question and answer: they travel beside heartbeats */
#define QUESTION_MAX_BYTES		(64 * 1024)

/*
 * Ask the leader, be it this member or another; the answer is palloc'd.  The
 * question is put again after a change of leader or the loss of a link, so it
 * may be heard more than once.  timeout_ms < 0: pg_quorum.request_timeout.
 * Raises 57P03 without an answer in time, 0A000 if the leader's version does not
 * know the kind, 54000 if the question is too long, 55000 as member_execute().
 * For QUESTION_MEMBER_CHANGE, no answer in time is 08007, and the result is NULL
 * where this member was removed from the cluster meanwhile.
 */
extern char *member_ask_leader(QuestionKind kind, const char *question, uint32 len,
							   int timeout_ms, uint32 *answer_len);

/* ----------------------------------------------------------------
 *	Membership (reconfigure.c)
 * ----------------------------------------------------------------
 *
 * Have the leader change the membership.  request->number is filled in here.
 * The result's error is the leader's refusal (nothing was done then), its number the id of
 * the member concerned.  An added member is a learner when this returns.  A
 * member that removes itself succeeds also if it learns of that in another way
 * than by the leader's answer.  Raises as member_execute().
 */
extern Quorum__Result *member_change(Quorum__MemberRequest *request);

/* The same for a request of kind MOVE_LEADER: have the leader hand over to request->id or name, and wait until that one is known to lead;
 * 57P03 if it does not come to that */
extern Quorum__Result *member_move_leader(Quorum__MemberRequest *request);

/*
 * The same in parts, for who asks by member_call_ask_leader(): the question, palloc'd, with
 * request->number filled in; and the result that an answer is, palloc'd, NULL if it is none.
 */
extern char *member_change_pack(Quorum__MemberRequest *request, uint32 *len);
extern Quorum__Result *member_change_unpack(const char *answer, uint32 len);

/* A conninfo, or etcd's form of a peer's URL, that libpq can use */
extern bool member_conninfo_is_valid(const char *conninfo);

/* ----------------------------------------------------------------
 *	Leases (lessor.c): the leader keeps the time
 * ----------------------------------------------------------------
 *
 * These raise as member_ask_leader().  The leader answers after a read round that
 * began after the question came, so no leader that has been replaced does.
 */

/* Renew a lease: its time begins anew.  Returns the TTL it was granted, in s; 0 if
 * it does not exist (any more) */
extern int64 member_lease_keepalive(int64 id);

/* The same for many, in one question for some thousand of them; ttls[i] belongs to ids[i] */
extern void member_lease_keepalive_many(const int64 *ids, int n, int64 *ttls);

typedef struct MemberLeaseTime
{
	int64		remaining_ms;	/* -1: there is no such lease */
	int64		granted;		/* TTL in s */
} MemberLeaseTime;

/* How long a lease has still to live; false if there is no such lease */
extern bool member_lease_ttl(int64 id, int64 *remaining_ms, int64 *granted_s);
extern void member_lease_ttl_many(const int64 *ids, int n, MemberLeaseTime *times);

/* The shortest TTL that a lease is granted, in s (etcd's rule: one and a half
 * election timeouts, rounded up): a shorter one is raised to it */
extern int64 member_min_lease_ttl(void);

/* ----------------------------------------------------------------
 *	Session leases (session_lease.c)
 * ----------------------------------------------------------------
 *
 * A lease that belongs to this session.  The member renews it while the session
 * lives, and revokes it when that ends, however it ends, or at DISCARD ALL.  If
 * the instance goes, it expires.
 */

/*
 * The session's lease; granted with this TTL (in s; raised to the minimum) if the
 * session has none, or has lost the one it had.  Raises as member_execute().
 */
extern int64 member_session_lease(int64 ttl_seconds);

/* The session's lease if it has one that is not known to be lost, else 0 */
extern int64 member_session_lease_id(void);

/*
 * Had the session a lease that is gone (it expired while the instance was cut
 * off, or someone revoked it)?  Whatever it guarded is then not held any more.
 * True until member_session_lease() grants a new one.
 */
extern bool member_session_lease_lost(void);

/* Give it up now: it is revoked soon.  Returns whether there was one */
extern bool member_end_session_lease(void);

/* at loading: the hook that ends it at DISCARD ALL */
extern void member_install_session_lease(void);

/*
 * Wait until this member's published revision is greater than `after`, or
 * timeout_ms (-1: for ever) has passed; returns the published revision.  Other latch
 * events (interrupts apart) do not end the wait.  Holds no snapshot of its own.
 */
extern int64 member_wait_revision(int64 after, int timeout_ms);

/* The same, but ends also as soon as stop() is true, which is asked whenever the
 * latch of this process has been set */
extern int64 member_wait_revision_or(int64 after, int timeout_ms, bool (*stop) (void));
extern int64 member_published_revision(void);

/*
 * For a process that waits for other things too: from begin on, the next change of the published
 * revision sets its latch, once.  end after each wait.
 */
extern void member_revision_wait_begin(void);
extern void member_revision_wait_end(void);

/* ----------------------------------------------------------------
 *	Waiting in a queue of keys (keywait.c)
 * ----------------------------------------------------------------
 *
 * The keys under a prefix, which ends in a slash, are a queue by create revision.
 * join; then as often as needed rearm, read the store, wait; at last leave.
 * One queue at a time; leave after an error too.
 */

/* key: this backend's own in the queue, of which the first prefix_len bytes are the prefix */
extern void member_queue_join(const char *key, uint32 key_len, uint32 prefix_len,
							  int64 create_revision);

/* Count departures anew.  Call before the store is read */
extern void member_queue_rearm(void);

/*
 * Wait until so many keys ahead of the own one have been deleted since rearm, or
 * the own one has, or the state changed as a whole: true, now look at the store.
 * False: timeout_ms have passed.  It may be woken too early, never too late.
 */
extern bool member_queue_wait(uint32 departures, int timeout_ms);
extern void member_queue_leave(void);

/* what CALL quorum.raft_stream() does: take messages from the client, another
 * member, as long as it stays connected */
extern void member_serve_peer(void);

/* what quorum.rejoin() and quorum.new_cluster() do: see docs/ARCHITECTURE.md */
extern void member_rejoin(void);
extern void member_new_cluster(void);

/* The background workers: raft, flusher, notifier, gateway */
#define MEMBER_WORKERS			4

extern void member_register_worker(const char *name, const char *function);

/* Connect a worker to pg_quorum.database, waiting until that exists; with settings of its own */
extern void member_connect_worker(void);

/* Open quorum.mvcc for reading; ERROR 55000 with a hint if there is no store yet */
extern Relation member_open_store(void);

/* The same, NULL if quorum.mvcc does not exist; whether it is formatted is the caller's to
 * find out.  ERROR 57P03 if it stays locked for as long as a request may take. */
extern Relation member_open_store_if_any(void);

#endif							/* PGQ_MEMBER_H */
