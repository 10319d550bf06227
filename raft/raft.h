/*-------------------------------------------------------------------------
 *
 * raft.h
 *	  Public interface of the consensus core.
 *
 * The core is a deterministic state machine.  It does no I/O, reads no clock,
 * starts no thread, keeps no global state and never sees the payload of an
 * entry: a host (a PostgreSQL worker, a simulator, a test) feeds it messages,
 * ticks, proposals and completions, and takes from it what has to be done.
 * Many instances may live in one process; one instance must not be used by
 * two threads at once.
 *
 * The host loop
 * -------------
 *		raft_step(), raft_propose(), raft_read(), raft_tick() ...
 *		while (raft_has_ready(r))
 *		{
 *			raft_ready(r, &rd);
 *			1. if (rd.has_write): write rd.install, or the hard state and
 *			   rd.append, to the log, tagged with rd.seq; do not wait
 *			2. send rd.msgs, attaching to each RAFT_MSG_APP the entries
 *			   (index, index + n_entries] from the log; a host that has them
 *			   in memory may do so before 1
 *			3. queue the entries rd.apply_lo .. rd.apply_hi for apply
 *			4. complete rd.reads
 *		}
 *		after a flush:						raft_persisted(r, seq)
 *		at each applied conf entry:			raft_apply_conf() or raft_cancel_conf()
 *		after entries were applied:			raft_applied(r, index)
 *
 * Any number of readies may be outstanding: a host may take the next one
 * before the writes of the former are durable.  Writes must reach the disk in
 * the order of their sequence numbers, so that "durable up to seq" is one
 * number.  One flush acknowledges every batch before it (group commit).
 *
 * What must wait for the disk waits inside: an answer that promises a vote,
 * an entry or a snapshot, and a request for votes, is held in the core until
 * raft_persisted() covers the sequence number it depends on, and then comes
 * out in rd.msgs of a later ready.  A host therefore sends everything it finds in rd.msgs at once and
 * cannot send a promise too early.  The leader's own appends go out at once:
 * the followers write in parallel with it (thesis, section 10.2.1).
 *
 * Ownership
 * ---------
 * - raft_entry.data given to raft_step() or raft_propose() is borrowed, not
 *   copied.  It must stay valid until the host has used the rd.append (or the
 *   RAFT_MSG_PROP) of the first raft_ready() that follows.  The arrays of
 *   raft_entry themselves, the raft_msg and its snap are only read during the
 *   call.
 * - All arrays and pointers in a raft_ready belong to the core and stay valid
 *   until the next raft_ready() or raft_free() on the instance.
 * - The core does not allocate inside a state change: memory is reserved
 *   first, and RAFT_NOMEM means that nothing happened.
 *
 * Errors
 * ------
 * Every call that can fail returns enum raft_rc.  A broken invariant poisons
 * the instance: from then on every call returns RAFT_FATAL and no output is
 * given; the host is expected to stop the member.  Malformed input never does
 * that; peers that break the protocol (a second leader in a term that rewrites
 * committed entries) do, because going on would make it worse.
 *
 * Time is counted in ticks of raft_tick(); the core knows no other unit.
 * Log indexes start at 1; 0 means "none" for indexes, terms and ids.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/raft.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_RAFT_H
#define PGQ_RAFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t raft_id;		/* a member; 0 = none */
typedef uint64_t raft_term;
typedef uint64_t raft_index;
typedef uint64_t raft_seq;		/* number of a write handed to the host */

/* Most members of one list of a configuration, and of all lists together. */
#define RAFT_MAX_MEMBERS	16
#define RAFT_MAX_PEERS		32

/* Most single changes in one configuration change. */
#define RAFT_MAX_CHANGES	32

/*
 * What an entry costs on top of its payload when the size of a message or of
 * an apply is limited, so that empty entries are not free.  Quotas of
 * uncommitted bytes and bytes in flight count payloads only.
 */
#define RAFT_ENTRY_OVERHEAD 24

#define RAFT_NO_LIMIT		UINT64_MAX

enum raft_rc
{
	RAFT_OK = 0,
	RAFT_DROPPED,				/* refused now, e.g. a transfer is going on;
								 * the caller may retry */
	RAFT_NOT_LEADER,			/* only a leader does this; see status.leader */
	RAFT_NO_LEADER,				/* not leader, and no leader is known */
	RAFT_BUSY,					/* a quota or a queue is full, or a
								 * configuration change is pending */
	RAFT_TOO_BIG,				/* entry over max_entry_bytes: never retry */
	RAFT_UNKNOWN_PEER,			/* no such member in the configuration */
	RAFT_COMPACTED,				/* index is below the first of the log */
	RAFT_INVALID,				/* argument or message makes no sense */
	RAFT_NOMEM,					/* nothing happened */
	RAFT_LOG_LOST,				/* the leader knows entries durable here that
								 * are not: this member lost its disk; see
								 * raft_status.log_lost */
	RAFT_FATAL					/* poisoned: a broken invariant */
};

enum raft_role
{
	RAFT_FOLLOWER = 0,
	RAFT_CANDIDATE,
	RAFT_LEADER,
	RAFT_PRE_CANDIDATE
};

/*
 * Entry types.  The core itself appends two kinds of entries without payload
 * (size 0, data NULL): a RAFT_ENTRY_NORMAL one when a leader's term begins,
 * which the state machine must ignore, and a RAFT_ENTRY_CONF one that means
 * "leave the joint configuration", for which the host calls raft_apply_conf()
 * with an empty change.  Every other entry is what the host proposed.
 */
enum raft_entry_type
{
	RAFT_ENTRY_NORMAL = 0,
	RAFT_ENTRY_CONF = 1			/* carries a configuration change, in an
								 * encoding of the host's choice */
};

/* ---------- configurations and their changes ---------- */

enum raft_change_type
{
	RAFT_ADD_VOTER = 0,			/* add as voter, or promote a learner */
	RAFT_REMOVE,
	RAFT_UPDATE,				/* no effect in the core (host's own data) */
	RAFT_ADD_LEARNER			/* add as learner, or demote a voter */
};

enum raft_transition
{
	RAFT_TRANSITION_AUTO = 0,	/* simple if one change, else joint, left
								 * automatically */
	RAFT_TRANSITION_IMPLICIT,	/* joint, left automatically */
	RAFT_TRANSITION_EXPLICIT	/* joint until an empty change is proposed */
};

struct raft_change
{
	enum raft_change_type type;
	raft_id		id;				/* 0: the change is ignored */
};

/*
 * A configuration change.  n == 0 with RAFT_TRANSITION_AUTO leaves the joint
 * configuration.
 */
struct raft_conf_change
{
	enum raft_transition transition;
	uint32_t	n;
	struct raft_change changes[RAFT_MAX_CHANGES];
};

/*
 * A configuration.  Lists are sorted by ascending id.  A joint configuration
 * has outgoing voters; a decision then needs a majority of both halves.
 * learners_next are outgoing voters that become learners when it is left.
 */
struct raft_conf
{
	uint8_t		n_voters;
	uint8_t		n_outgoing;
	uint8_t		n_learners;
	uint8_t		n_learners_next;
	bool		auto_leave;
	raft_id		voters[RAFT_MAX_MEMBERS];
	raft_id		outgoing[RAFT_MAX_MEMBERS];
	raft_id		learners[RAFT_MAX_MEMBERS];
	raft_id		learners_next[RAFT_MAX_MEMBERS];
};

/* What identifies a snapshot; its data never passes through the core. */
struct raft_snap
{
	raft_index	index;
	raft_term	term;
	struct raft_conf conf;		/* configuration as of index */
};

/* ---------- entries and messages ---------- */

struct raft_entry
{
	raft_term	term;			/* set by the core for proposals */
	uint32_t	size;			/* bytes of payload */
	uint8_t		type;			/* enum raft_entry_type */
	const void *data;			/* borrowed; NULL if size is 0 */

	/*
	 * Proposals of RAFT_ENTRY_CONF only: the change in decoded form, NULL for
	 * an empty change.  Read during the call only; not needed in entries of a
	 * RAFT_MSG_APP.
	 */
	const struct raft_conf_change *change;
};

/*
 * Message types.  Numbers are part of the wire format of the hosts: append
 * only.
 */
enum raft_msg_type
{
	RAFT_MSG_NONE = 0,
	RAFT_MSG_APP = 1,			/* append entries */
	RAFT_MSG_APP_RESP = 2,
	RAFT_MSG_VOTE = 3,
	RAFT_MSG_VOTE_RESP = 4,
	RAFT_MSG_PRE_VOTE = 5,
	RAFT_MSG_PRE_VOTE_RESP = 6,
	RAFT_MSG_HEARTBEAT = 7,
	RAFT_MSG_HEARTBEAT_RESP = 8,
	RAFT_MSG_SNAP = 9,			/* a snapshot is to be sent / has arrived */
	RAFT_MSG_TIMEOUT_NOW = 10,	/* campaign at once: leadership is handed over */
	RAFT_MSG_PROP = 11,			/* proposal on its way to the leader */
	RAFT_MSG_READ_INDEX = 12,	/* follower asks the leader for a read index */
	RAFT_MSG_READ_INDEX_RESP = 13,
	RAFT_MSG_TRANSFER = 14,		/* follower asks the leader to hand over */
	RAFT_MSG_LAST = RAFT_MSG_TRANSFER
};

/*
 * A message between two cores.  All fields but "bytes", "entries" and "snap"
 * are plain numbers to be carried as they are; a field not listed for a type
 * is zero and may be left out of an encoding.
 *
 *	APP				term index(prev) log_term(of prev) commit n_entries
 *	APP_RESP		term index(acknowledged, or rejected prev) reject
 *					hint log_term(of hint)
 *	VOTE, PRE_VOTE	term index(last) log_term(of last) commit commit_term
 *					force priority
 *	.._VOTE_RESP	term reject commit commit_term
 *	HEARTBEAT		term commit ctx(read round) echo
 *	HEARTBEAT_RESP	term ctx echo
 *	SNAP			term snap
 *	TIMEOUT_NOW		term
 *	PROP			n_entries entries; term is 0
 *	READ_INDEX		ctx(request number of the sender); term is 0
 *	READ_INDEX_RESP	term index(read index) ctx
 *	TRANSFER		term target
 *
 * RAFT_MSG_APP goes out without entries: the host reads the entries
 * index + 1 .. index + n_entries from its own log (raft_send_range()) while it
 * handles the ready that has the message, after it has written rd.append of
 * the same ready, and before the next call that may change the log.
 *
 * RAFT_MSG_SNAP out: the host opens a stream and sends the state as of
 * snap->index, or of any later applied index.  In: the host calls raft_step()
 * only when the whole state is there, staged aside, with snap describing what
 * was really received; it is switched to when a ready asks for it (install).
 */
struct raft_msg
{
	uint8_t		type;			/* enum raft_msg_type */
	bool		reject;
	bool		force;			/* vote for a leadership transfer: leases do
								 * not protect from it */
	raft_id		from;
	raft_id		to;
	raft_id		target;
	raft_term	term;
	raft_term	log_term;
	raft_index	index;
	raft_index	commit;
	raft_term	commit_term;
	raft_index	hint;
	uint64_t	ctx;
	uint64_t	echo;
	int64_t		priority;
	uint32_t	n_entries;
	uint64_t	bytes;			/* APP out: payload bytes of the entries; a
								 * hint for the host, not for the wire */
	const struct raft_entry *entries;	/* PROP out only: what to send; data
										 * borrowed from raft_propose() */
	const struct raft_snap *snap;	/* SNAP only */
};

/* ---------- configuration of an instance ---------- */

struct raft_event;

/*
 * The one callback: called with every structured event (raft_trace.h).  It
 * must return (no longjmp) and must not call the core.
 */
typedef void (*raft_trace_fn) (void *arg, const struct raft_event *ev);

struct raft_config
{
	raft_id		id;				/* this member; not 0 */
	uint64_t	seed;			/* of election timeouts; must differ between
								 * members and between boots */

	/* time, in ticks */
	uint32_t	election_tick;	/* followers wait a random time in
								 * [election_tick, 2 * election_tick) */
	uint32_t	heartbeat_tick;
	uint32_t	snapshot_tick;	/* a snapshot not reported on for so long is
								 * taken for lost; 0 = wait for ever */
	uint32_t	lease_margin_tick;	/* safety margin of lease reads */

	/* features */
	bool		pre_vote;
	bool		check_quorum;	/* leader without a quorum steps down, and
								 * followers ignore votes while they hear a
								 * leader */
	bool		lease_reads;	/* answer raft_read() from the lease; needs
								 * check_quorum and bounded clock drift */
	bool		forward_proposals;	/* followers send proposals to the leader;
									 * else RAFT_NOT_LEADER */
	bool		step_down_on_removal;	/* leader removed or demoted becomes
										 * follower when that is applied */
	bool		vote_carries_commit;	/* votes spread the commit index, so that
										 * a committed but unknown joint change
										 * cannot block elections */
	bool		snapshot_at_applied;	/* the host can stream its state as of
										 * the applied index at any time; else
										 * only what raft_snapshot_ready() told */
	bool		apply_unstable; /* hand out committed entries before they are
								 * durable here; only for a host that writes
								 * synchronously before it applies */
	bool		no_conf_validation; /* propose any configuration change */
	int64_t		priority;		/* voters refuse a candidate with a lower
								 * priority than theirs unless its log is
								 * longer; equal everywhere = no effect */

	/* limits */
	uint64_t	max_msg_bytes;	/* of entries in one append; at least one
								 * entry is always sent */
	uint64_t	max_apply_bytes;	/* of entries handed out for apply and not
									 * yet reported by raft_applied() */
	uint64_t	max_uncommitted_bytes;	/* payload a leader accepts beyond what
										 * is applied here; one entry is always
										 * accepted when there is none */
	uint64_t	max_entry_bytes;	/* larger proposals get RAFT_TOO_BIG */
	uint32_t	max_inflight_msgs;	/* appends in flight to a peer */
	uint64_t	max_inflight_bytes; /* payload in flight to a peer */
	uint32_t	max_pending_reads;	/* reads waiting for a quorum */

	/*
	 * Test only: gated messages are listed in rd.gated and delivered by the
	 * host, those to itself included (raft_step() with from == to == id);
	 * raft_persisted() then only moves the durable index.  Refused
	 * configuration changes become empty entries instead of an error.  This
	 * is how the scenario interpreter decides the order of everything.
	 */
	bool		scripted;

	raft_trace_fn trace;		/* NULL = none */
	void	   *trace_arg;

#ifdef RAFT_BREAK
	uint64_t	break_mask;		/* known bugs to switch on, raft_break.h */
#endif
};

/*
 * Memory.  fn(arg, NULL, n) allocates, fn(arg, p, n) resizes, fn(arg, p, 0)
 * frees.  It returns NULL on failure and must not longjmp (in PostgreSQL:
 * MCXT_ALLOC_NO_OOM).
 */
struct raft_alloc
{
	void	   *(*fn) (void *arg, void *ptr, size_t size);
	void	   *arg;
};

/* ---------- durable state at boot ---------- */

/* A run of entries of one term in the durable log. */
struct raft_run
{
	raft_index	first;
	uint64_t	count;			/* > 0 */
	raft_term	term;
	uint64_t	bytes;			/* payload of all of them; an average is used
								 * for a single one, an estimate will do */
};

/*
 * What the member knows after a (re)start.  The log holds base_index + 1 ..
 * last, described by runs in ascending order without gaps; base is the point
 * up to which the log was compacted (or the snapshot it starts from), 0/0 for
 * a log that was never compacted.
 *
 * Needed: base_index <= applied <= last, base_index <= commit <= last; a
 * commit below applied is raised to it (it is a hint: losing it costs time,
 * not safety).  A state machine behind base_index or ahead of the log is a gap:
 * the host must first restore one or the other.
 *
 * A new cluster starts either with an empty log and conf empty on members
 * that wait to be contacted, or, on its founders, from a common first
 * snapshot: base_index = applied = commit = 1 or more, base_term = 1, term =
 * 1, and conf = the founders.
 */
struct raft_boot
{
	raft_term	term;			/* hard state */
	raft_id		vote;
	raft_index	commit;
	raft_index	applied;		/* of the durable state machine */
	raft_index	base_index;
	raft_term	base_term;
	struct raft_conf conf;		/* as of applied */
	const struct raft_run *runs;
	size_t		n_runs;
	const raft_index *conf_entries; /* indexes > applied of RAFT_ENTRY_CONF
									 * entries in the log, ascending */
	size_t		n_conf_entries;
};

enum raft_boot_fault
{
	RAFT_BOOT_OK = 0,
	RAFT_BOOT_CONFIG,			/* raft_config_check() fails */
	RAFT_BOOT_RUNS,				/* runs have gaps, or terms that decrease */
	RAFT_BOOT_TERM,				/* an entry is newer than the hard state */
	RAFT_BOOT_COMMIT,			/* commit outside the log: entries are missing */
	RAFT_BOOT_APPLIED,			/* applied outside the log: a gap */
	RAFT_BOOT_CONF,				/* impossible configuration */
	RAFT_BOOT_CONF_ENTRIES		/* list not ascending or outside the log */
};

/* ---------- output ---------- */

struct raft_read
{
	uint64_t	ctx;			/* as given to raft_read() */
	enum raft_rc rc;			/* RAFT_OK, or why there is no answer:
								 * RAFT_NO_LEADER (leadership changed) or
								 * RAFT_DROPPED (no answer in an election
								 * timeout); the caller may ask again */
	raft_index	index;			/* serve the read once this is applied */
};

struct raft_ready
{
	/*
	 * Writes.  If has_write, everything in this block is to be written under
	 * number seq: first the hard state (if hard_changed), then either install
	 * or the entries append[0 .. n_append), which start at append_first and
	 * replace whatever the log holds from there on.  They may share one flush
	 * with earlier and later writes.  A crash may keep any prefix of it (an
	 * install as a whole or not at all): commit here never covers entries or
	 * the snapshot of the same write, so it may be behind raft_status.commit,
	 * but term and vote must not come after them.  must_sync false means that
	 * only the commit index moved: no flush has to be started for it, but it
	 * may not be written after a later seq.
	 */
	bool		has_write;
	bool		must_sync;
	bool		hard_changed;
	raft_seq	seq;			/* of this write, else of the last one */
	raft_term	term;			/* hard state, always filled in */
	raft_id		vote;
	raft_index	commit;
	raft_index	append_first;
	const struct raft_entry *append;
	size_t		n_append;

	/*
	 * Switch the state machine to the staged snapshot and let the log start
	 * after it (it becomes empty).  When raft_persisted(seq) says that this is
	 * durable, the core counts snap->index as applied.  NULL if none.
	 */
	const struct raft_snap *install;

	/* Send now, in this order per peer. */
	const struct raft_msg *msgs;
	size_t		n_msgs;

	/* Committed entries to apply, both inclusive; 0, 0 if none. */
	raft_index	apply_lo;
	raft_index	apply_hi;

	/* Answers to raft_read(). */
	const struct raft_read *reads;
	size_t		n_reads;

	/* Changes of role or leader since the last ready. */
	bool		soft_changed;
	raft_id		leader;			/* 0 = none; always filled in */
	enum raft_role role;

	/* config.scripted only: messages that wait for seq to be durable. */
	const struct raft_msg *gated;
	size_t		n_gated;
};

/* ---------- status ---------- */

enum raft_peer_state
{
	RAFT_PROBE = 0,				/* last index unknown: one append at a time */
	RAFT_REPLICATE,				/* appends are pipelined */
	RAFT_SNAPSHOT				/* needs a snapshot, appends are paused */
};

struct raft_peer_status
{
	raft_id		id;
	bool		learner;		/* does not count in quorums */
	bool		voter;			/* in the incoming half */
	bool		outgoing;		/* in the outgoing half */
	/* the rest is meaningful on a leader only */
	enum raft_peer_state state;
	raft_index	match;			/* known to be durable there */
	raft_index	next;			/* next entry to send */
	raft_index	sent_commit;
	raft_index	pending_snapshot;	/* index of the snapshot being sent */
	uint32_t	snapshot_ticks; /* since it was started or last reported on */
	bool		paused;
	bool		recent_active;	/* heard from since the last quorum check */
	uint32_t	silent_ticks;	/* ticks since it was last heard from */
	uint32_t	inflight_msgs;
	uint64_t	inflight_bytes;
	bool		inflight_full;
};

struct raft_status
{
	raft_id		id;
	enum raft_role role;
	raft_id		leader;
	raft_term	term;
	raft_id		vote;
	raft_index	commit;
	raft_index	applied;
	raft_index	applying;		/* handed out for apply */
	raft_index	first;			/* first index of the log (base + 1) */
	raft_index	last;
	raft_term	last_term;
	raft_index	durable;		/* entries known to be on this disk */
	raft_index	handed;			/* entries handed out for writing */
	raft_seq	seq_handed;
	raft_seq	seq_durable;
	bool		member;			/* in the configuration at all */
	bool		learner;
	bool		joint;
	bool		promotable;		/* may campaign */
	raft_id		transferee;		/* leadership is being handed to */
	raft_index	pending_conf;	/* leader: no change may be proposed before
								 * this is applied */
	uint64_t	uncommitted_bytes;
	size_t		pending_reads;
	uint32_t	election_elapsed;	/* ticks */
	uint32_t	election_timeout;	/* randomized, ticks */

	/*
	 * Leader only: does it still lead?  commit_in_term: an entry of its own
	 * term is committed, so reads and configuration changes can go on.
	 * quorum_active: a quorum answered within the last election_tick ticks.
	 * lease_ticks: for so many more ticks no other leader can be elected by
	 * members that keep their clocks (0: no lease).  quorum_echo_ticks: a quorum
	 * has answered a heartbeat that was sent so many ticks ago, so until then
	 * there was no leader of a later term (UINT32_MAX: none has).
	 */
	bool		commit_in_term;
	bool		quorum_active;
	uint32_t	lease_ticks;
	uint32_t	quorum_echo_ticks;

	/* Other roles: ticks since the leader was heard (0 on the leader). */
	uint32_t	leader_silent_ticks;

	/*
	 * log_lost: a leader holds acknowledgements of entries that this member
	 * does not have.  It neither votes nor campaigns until it has them again;
	 * if that does not come, the way out is to rejoin as a fresh member.
	 * disk_failed: see raft_persist_failed().
	 */
	bool		log_lost;
	bool		disk_failed;
	int			fault_line;		/* > 0: poisoned; line of the assertion */
	const char *fault_file;		/* static text */
};

struct raft;

/* ---------- life ---------- */

/*
 * Fill in etcd's defaults and what this core adds: 10/1 ticks, pre-vote,
 * check-quorum, step-down, forwarding, 1 MiB messages, 512 and 32 MiB in
 * flight, 64 MiB apply, 256 MiB uncommitted.  id and seed remain to be set.
 */
extern void raft_config_default(struct raft_config *cfg);

/* RAFT_OK, or RAFT_INVALID for settings that cannot work together. */
extern enum raft_rc raft_config_check(const struct raft_config *cfg);

/* First thing wrong with a durable state; RAFT_BOOT_OK if it can be used. */
extern enum raft_boot_fault raft_boot_check(const struct raft_config *cfg,
											const struct raft_boot *boot);

/*
 * Build an instance from durable state; it starts as a follower.  cfg, boot
 * and what they point to are copied.  alloc NULL = malloc.  RAFT_INVALID (see
 * raft_boot_check()), RAFT_NOMEM.
 */
extern enum raft_rc raft_new(const struct raft_config *cfg,
							 const struct raft_boot *boot,
							 const struct raft_alloc *alloc,
							 struct raft **out);

/* Release everything; NULL is allowed. */
extern void raft_free(struct raft *r);

/* ---------- input ---------- */

/*
 * One tick of logical time: election timeout, heartbeats, quorum check,
 * deadlines of snapshots, transfers and forwarded reads.  After a pause, call
 * it once, not once per missed tick.
 */
extern enum raft_rc raft_tick(struct raft *r);

/*
 * Feed one message of a peer.  entries: msg->n_entries entries of a
 * RAFT_MSG_APP or RAFT_MSG_PROP (for the latter with "change" decoded where
 * type is RAFT_ENTRY_CONF), else NULL; msg->entries is not read.
 *
 * The host has checked that the message really comes from msg->from.  It may
 * be old, repeated or out of order.  RAFT_INVALID: malformed, or not for us.  RAFT_UNKNOWN_PEER: an answer
 * from no member.  RAFT_DROPPED, RAFT_NO_LEADER, RAFT_BUSY, RAFT_TOO_BIG: what
 * became of a forwarded proposal.  RAFT_LOG_LOST: see raft_status.
 */
extern enum raft_rc raft_step(struct raft *r, const struct raft_msg *msg,
							  const struct raft_entry *entries);

/*
 * Propose n > 0 entries, all or none.  Terms are set by the core.  On a leader
 * they are appended and *first (may be NULL) is the index of the first one; an
 * entry is decided when it is handed out for apply, and lost when another
 * entry (another term) comes out at its index.  On a follower with
 * forward_proposals they go to the leader as RAFT_MSG_PROP and *first is 0:
 * whether they are ever decided is then unknown.
 *
 * RAFT_NOT_LEADER, RAFT_NO_LEADER, RAFT_DROPPED (transfer going on, or removed
 * from the configuration), RAFT_BUSY (quota, or a configuration change among
 * them cannot be accepted now), RAFT_TOO_BIG.
 */
extern enum raft_rc raft_propose(struct raft *r,
								 const struct raft_entry *entries, size_t n,
								 raft_index *first);

/*
 * Propose one configuration change; data/size is the host's encoding of it,
 * which comes back at apply (an empty change may have none).  *index as for
 * raft_propose().  RAFT_BUSY: an earlier change may not be applied yet, or
 * the configuration is joint and the change does not leave it, or the reverse.
 * RAFT_INVALID: the change is impossible for the present configuration.
 */
extern enum raft_rc raft_propose_conf(struct raft *r,
									  const struct raft_conf_change *change,
									  const void *data, uint32_t size,
									  raft_index *index);

/*
 * Ask for an index at which a linearizable read may be served.  The answer
 * comes in rd.reads with the same ctx, exactly once: also when it fails.  All
 * reads since the last ready share one round of heartbeats.  A follower asks
 * its leader.  RAFT_NO_LEADER, RAFT_BUSY (max_pending_reads).
 */
extern enum raft_rc raft_read(struct raft *r, uint64_t ctx);

/*
 * Start an election (a pre-election with pre_vote) now.  RAFT_INVALID if this
 * member may not campaign, RAFT_DROPPED if not before a configuration change is
 * applied; RAFT_OK and nothing happens on a leader.
 */
extern enum raft_rc raft_campaign(struct raft *r);

/*
 * Hand leadership to a voter; to == 0 lets the leader pick the one that is
 * most up to date.  Given up after an election timeout; proposals are dropped
 * meanwhile.  A follower passes the wish to the leader.  RAFT_NO_LEADER,
 * RAFT_UNKNOWN_PEER, RAFT_INVALID (a learner; or nobody to pick).  RAFT_OK does
 * not mean that it will happen: watch the leader.
 */
extern enum raft_rc raft_transfer(struct raft *r, raft_id to);

/*
 * An external failure detector says that the leader is gone: forget it, so
 * that votes are given at once.  No effect on a leader.  RAFT_INVALID with
 * lease_reads, which it would break.
 */
extern enum raft_rc raft_forget_leader(struct raft *r);

/*
 * The transport lost its connection to a peer and what was under way: fall
 * back to probing it.  RAFT_UNKNOWN_PEER.
 */
extern enum raft_rc raft_report_unreachable(struct raft *r, raft_id id);

enum raft_snap_report
{
	RAFT_SNAP_OK = 0,			/* the stream was delivered completely */
	RAFT_SNAP_FAILED,			/* it will not arrive; retry later */
	RAFT_SNAP_ALIVE				/* still making progress: extends snapshot_tick */
};

/* What became of the snapshot of a RAFT_MSG_SNAP.  RAFT_UNKNOWN_PEER. */
extern enum raft_rc raft_report_snapshot(struct raft *r, raft_id id,
										 enum raft_snap_report report);

/* ---------- output ---------- */

/* Is there anything to take?  Cheap. */
extern bool raft_has_ready(const struct raft *r);

/*
 * Take all output.  RAFT_OK also when there is none (*rd is then empty).
 * RAFT_FATAL: poisoned, *rd is empty.  RAFT_NOMEM.
 */
extern enum raft_rc raft_ready(struct raft *r, struct raft_ready *rd);

/*
 * Which entries to attach to an outbound RAFT_MSG_APP, both inclusive (lo > hi
 * if none).  RAFT_COMPACTED: not in the log any more, do not send it.
 */
extern enum raft_rc raft_send_range(const struct raft *r,
									const struct raft_msg *msg,
									raft_index *lo, raft_index *hi);

/* ---------- completions ---------- */

/*
 * Every write with a number <= seq is durable.  Releases the answers that
 * waited for it, counts the leader's own entries and a candidate's own vote.
 * Numbers may be skipped; an older number than before does nothing.
 * RAFT_INVALID: never handed out.
 */
extern enum raft_rc raft_persisted(struct raft *r, raft_seq seq);

/*
 * The disk refused a write with number seq or an earlier one.  A leader steps
 * down, and this member does not campaign until raft_persisted(seq) says that
 * the host has repeated the write.  Nothing that waits for it is released.
 */
extern enum raft_rc raft_persist_failed(struct raft *r, raft_seq seq);

/*
 * The state machine has applied everything up to index (<= the last apply_hi).
 * Frees quota and budget, allows the next configuration change, leaves a joint
 * configuration automatically.  Each RAFT_ENTRY_CONF entry up to index must
 * have been answered by raft_apply_conf() or raft_cancel_conf() before.
 */
extern enum raft_rc raft_applied(struct raft *r, raft_index index);

/*
 * The host applies the RAFT_ENTRY_CONF entry at index: switch to the changed
 * configuration, which is returned in *conf (may be NULL) for the host to
 * store together with the applied index.  change NULL = empty (leave joint).
 * RAFT_INVALID: impossible change (the host must cancel it; every member sees
 * the same), or not an entry handed out for apply.
 */
extern enum raft_rc raft_apply_conf(struct raft *r, raft_index index,
									const struct raft_conf_change *change,
									struct raft_conf *conf);

/* The host applies that entry as a no-op, as every member will. */
extern enum raft_rc raft_cancel_conf(struct raft *r, raft_index index);

/*
 * The newest snapshot the host can serve (not needed with
 * snapshot_at_applied).  Copied.  RAFT_INVALID if it is beyond applied.
 */
extern enum raft_rc raft_snapshot_ready(struct raft *r,
										const struct raft_snap *snap);

/*
 * The host is about to drop its log up to index: forget the metadata.
 * RAFT_INVALID beyond applied or beyond what is durable; RAFT_COMPACTED (no
 * effect) below the start.
 */
extern enum raft_rc raft_compact(struct raft *r, raft_index index);

/* ---------- looking ---------- */

extern void raft_status(const struct raft *r, struct raft_status *st);

/* Peers by ascending id, this member included; returns how many were stored. */
extern size_t raft_peers(const struct raft *r, struct raft_peer_status *out,
						 size_t max);

extern void raft_current_conf(const struct raft *r, struct raft_conf *conf);

/*
 * Term of an entry; base_index included.  RAFT_COMPACTED below it,
 * RAFT_INVALID beyond the end.
 */
extern enum raft_rc raft_term_of(const struct raft *r, raft_index index,
								 raft_term *term);

/*
 * What a configuration would become, without an instance: for hosts that check
 * a change before they propose it.  RAFT_INVALID.
 */
extern enum raft_rc raft_conf_preview(const struct raft_conf *conf,
									  const struct raft_conf_change *change,
									  struct raft_conf *result);

/* Check every invariant; RAFT_FATAL (and poisoned) if one is broken. */
extern enum raft_rc raft_check(struct raft *r);

/* Digest of the whole state, for determinism tests. */
extern uint64_t raft_hash(const struct raft *r);

/*
 * Tests only: replace the randomized election timeout until it is next drawn.
 */
extern enum raft_rc raft_set_election_timeout(struct raft *r, uint32_t ticks);

/* Names of enum values ("StateLeader"-like texts are the host's affair). */
extern const char *raft_rc_name(enum raft_rc rc);
extern const char *raft_role_name(enum raft_role role);
extern const char *raft_msg_name(int type);
extern const char *raft_peer_state_name(enum raft_peer_state state);

#endif							/* PGQ_RAFT_H */
