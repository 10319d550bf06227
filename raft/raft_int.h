/*-------------------------------------------------------------------------
 *
 * raft_int.h
 *	  Private declarations of the consensus core.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/raft_int.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_RAFT_INT_H
#define PGQ_RAFT_INT_H

#include <string.h>

#include "raft.h"
#include "raft_break.h"
#include "raft_trace.h"

#define Min(a, b) ((a) < (b) ? (a) : (b))
#define Max(a, b) ((a) > (b) ? (a) : (b))

/* ---------- invariants and events ---------- */

/*
 * True if the condition holds; else the instance is poisoned.  The checks stay
 * on in production: a core that goes on with broken state loses data, one that
 * stops loses a member.
 */
#define RAFT_ENSURE(r, cond) \
	((cond) || raft_poison((r), __FILE__, __LINE__))
#define RAFT_ASSERT(r, cond) \
	do { \
		if (!(cond)) \
			raft_poison((r), __FILE__, __LINE__); \
	} while (0)

extern bool raft_poison(struct raft *r, const char *file, int line);

/* Tell the trace sink: RAFT_TRACE(r, RAFT_EV_X, .peer = id, .a = n). */
#define RAFT_TRACE(r, k, ...) \
	do { \
		if ((r)->cfg.trace != NULL) \
			raft_emit((r), &(struct raft_event) {.kind = (k), __VA_ARGS__}); \
	} while (0)

#define RAFT_TRACE0(r, k) RAFT_TRACE(r, k, .flag = false)

extern void raft_emit(struct raft *r, struct raft_event *ev);

/* ---------- growing arrays ---------- */

/*
 * An array that grows by doubling.  raft_vec_reserve() is the only place that
 * allocates; pushing onto a reserved array cannot fail.
 */
struct raft_vec
{
	void	   *data;
	size_t		n;
	size_t		cap;
};

extern bool raft_vec_reserve(struct raft *r, struct raft_vec *v, size_t more,
							 size_t width);
extern void raft_vec_free(struct raft *r, struct raft_vec *v);

#define RAFT_VEC(v, type) ((type *) (v).data)

/* ---------- the trail: what the core knows of the log ---------- */

/* Entries first .. (next run's first - 1) have this term. */
struct raft_term_run
{
	raft_index	first;
	raft_term	term;
};

/*
 * Terms as run lengths, payload sizes as running totals (so that the bytes of
 * any range are one subtraction), and where the configuration entries are.
 */
struct raft_trail
{
	raft_index	base;			/* compacted up to here */
	raft_term	base_term;
	raft_index	last;
	struct raft_vec runs;		/* struct raft_term_run, from runs_head on */
	size_t		runs_head;
	uint64_t   *total;			/* ring: total[i & mask] = payload through i,
								 * for i in base .. last */
	size_t		total_cap;		/* power of two */
	struct raft_vec confs;		/* raft_index of conf entries, ascending */
};

extern bool raft_trail_reserve(struct raft *r, struct raft_trail *t, size_t n);
extern void raft_trail_reset(struct raft_trail *t, raft_index base, raft_term term);
extern void raft_trail_append(struct raft_trail *t, raft_term term, uint64_t size,
							  bool is_conf);
extern void raft_trail_truncate(struct raft_trail *t, raft_index from);
extern void raft_trail_compact(struct raft_trail *t, raft_index upto);
extern bool raft_trail_term(const struct raft_trail *t, raft_index i, raft_term *term);
extern raft_term raft_trail_last_term(const struct raft_trail *t);
extern bool raft_trail_match(const struct raft_trail *t, raft_index i, raft_term term);
extern uint64_t raft_trail_bytes(const struct raft_trail *t, raft_index lo, raft_index hi);
extern uint64_t raft_trail_cost(const struct raft_trail *t, raft_index lo, raft_index hi);
extern raft_index raft_trail_limit(const struct raft_trail *t, raft_index lo,
								   raft_index hi, uint64_t max);
extern raft_index raft_trail_find_term(const struct raft_trail *t, raft_index i,
									   raft_term term, raft_term *found);
extern bool raft_trail_conf_in(const struct raft_trail *t, raft_index lo, raft_index hi);
extern bool raft_trail_is_conf(const struct raft_trail *t, raft_index i);

/* ---------- peers: progress and window ---------- */

struct raft_inflight
{
	raft_index	index;			/* last entry of the message */
	uint64_t	bytes;
};

/* Messages in flight to a peer, oldest first. */
struct raft_window
{
	struct raft_inflight *ring; /* cap slots, owned by the instance */
	uint32_t	cap;
	uint32_t	limit;			/* messages admitted now, 1 .. cap */
	uint32_t	start;
	uint32_t	count;
	uint64_t	bytes;
	uint64_t	max_bytes;
};

extern void raft_window_reset(struct raft_window *w);
extern void raft_window_open(struct raft_window *w);
extern void raft_window_shrink(struct raft_window *w);
extern bool raft_window_full(const struct raft_window *w);
extern bool raft_window_add(struct raft_window *w, raft_index index, uint64_t bytes);
extern void raft_window_free_to(struct raft_window *w, raft_index index);

enum raft_vote
{
	RAFT_VOTE_NONE = 0,
	RAFT_VOTE_YES,
	RAFT_VOTE_NO
};

struct raft_peer
{
	raft_id		id;				/* 0 = slot is free */
	bool		learner;
	enum raft_peer_state state;
	raft_index	match;
	raft_index	next;
	raft_index	sent_commit;
	raft_index	pending_snapshot;
	uint32_t	snapshot_ticks;
	bool		recent_active;
	bool		app_paused;
	uint32_t	silent_ticks;
	uint64_t	last_echo;		/* newest of our ticks it answered to */
	uint64_t	read_ack;		/* newest read round it answered to */
	enum raft_vote vote;
	struct raft_window window;
};

extern void raft_progress_init(struct raft_peer *p, raft_index match, raft_index next);
extern void raft_progress_become_probe(struct raft_peer *p);
extern void raft_progress_become_replicate(struct raft_peer *p);
extern void raft_progress_become_snapshot(struct raft_peer *p, raft_index index);
extern bool raft_progress_paused(const struct raft_peer *p);
extern bool raft_progress_sent(struct raft_peer *p, uint32_t n, uint64_t bytes);
extern bool raft_progress_can_bump_commit(const struct raft_peer *p, raft_index commit);
extern bool raft_progress_update(struct raft_peer *p, raft_index match);
extern bool raft_progress_decrease(struct raft_peer *p, raft_index rejected,
								   raft_index hint);

/* ---------- quorums ---------- */

enum raft_vote_result
{
	RAFT_VOTE_PENDING = 1,
	RAFT_VOTE_LOST,
	RAFT_VOTE_WON
};

/*
 * Value of each voter, in the order of a list of ids.  have[i] false: nothing
 * known (counts as 0).
 */
typedef bool (*raft_value_fn) (const void *arg, raft_id id, uint64_t *value);

extern uint64_t raft_quorum_value(const raft_id *ids, int n, raft_value_fn fn,
								  const void *arg);
extern enum raft_vote_result raft_quorum_vote(const raft_id *ids, int n,
											  raft_value_fn fn, const void *arg);
extern uint64_t raft_joint_value(const struct raft_conf *conf, raft_value_fn fn,
								 const void *arg);
extern enum raft_vote_result raft_joint_vote(const struct raft_conf *conf,
											 raft_value_fn fn, const void *arg);

/* ---------- configurations ---------- */

enum raft_conf_error
{
	RAFT_CONF_FINE = 0,
	RAFT_CONF_ALREADY_JOINT,
	RAFT_CONF_ZERO_VOTERS,		/* can't make a zero-voter config joint */
	RAFT_CONF_NOT_JOINT_ERR,	/* can't leave a non-joint config */
	RAFT_CONF_SIMPLE_IN_JOINT,
	RAFT_CONF_MANY_VOTERS,		/* more than one changed without joint */
	RAFT_CONF_NO_VOTERS,		/* removed all voters */
	RAFT_CONF_TOO_MANY,			/* over RAFT_MAX_MEMBERS or RAFT_MAX_PEERS */
	RAFT_CONF_BAD_CHANGE,		/* unknown change type or transition */
	RAFT_CONF_BROKEN			/* lists that contradict each other */
};

struct raft_tracked
{
	raft_id		id;
	bool		learner;
	bool		fresh;			/* its progress starts anew */
};

/* A configuration being changed, with the members whose progress is tracked. */
struct raft_changer
{
	struct raft_conf conf;
	struct raft_tracked tracked[RAFT_MAX_PEERS];
	int			n_tracked;
};

extern bool raft_set_has(const raft_id *ids, int n, raft_id id);
extern bool raft_conf_is_joint(const struct raft_conf *c);
extern bool raft_conf_has_voter(const struct raft_conf *c, raft_id id);
extern bool raft_conf_has(const struct raft_conf *c, raft_id id);
extern bool raft_conf_equal(const struct raft_conf *a, const struct raft_conf *b);
extern int	raft_conf_voters(const struct raft_conf *c, raft_id *out);
extern bool raft_conf_normalize(const struct raft_conf *in, struct raft_conf *out);
extern void raft_changer_init(struct raft_changer *c, const struct raft_conf *conf);
extern enum raft_conf_error raft_changer_simple(struct raft_changer *c,
												const struct raft_change *changes,
												uint32_t n);
extern enum raft_conf_error raft_changer_enter_joint(struct raft_changer *c,
													 bool auto_leave,
													 const struct raft_change *changes,
													 uint32_t n);
extern enum raft_conf_error raft_changer_leave_joint(struct raft_changer *c);
extern enum raft_conf_error raft_changer_apply(struct raft_changer *c,
											   const struct raft_conf_change *change);
extern bool raft_change_leaves(const struct raft_conf_change *change);

/* ---------- the instance ---------- */

/* A write handed out and not yet known to be durable. */
struct raft_batch
{
	raft_seq	seq;
	raft_index	last;			/* log entries up to here are covered, as far
								 * as they were not replaced since; 0 = none */
	raft_index	install;		/* snapshot index, 0 = none */
};

struct raft_gated
{
	raft_seq	seq;
	struct raft_msg msg;
};

struct raft_pending_read
{
	uint64_t	ctx;			/* the asker's */
	raft_id		from;			/* who asked; own id for local reads */
	raft_index	index;			/* commit index when it was asked */
};

struct raft_forwarded_read
{
	uint64_t	wire_ctx;		/* number on the wire */
	uint64_t	ctx;			/* the host's */
	uint32_t	ticks;
};

/* One half of the double-buffered output. */
struct raft_outbox
{
	struct raft_vec entries;	/* struct raft_entry: handed + 1 .. last */
	struct raft_vec msgs;		/* struct raft_msg */
	struct raft_vec props;		/* struct raft_entry of PROP messages */
	struct raft_vec snaps;		/* struct raft_snap of SNAP messages */
	struct raft_vec reads;		/* struct raft_read */
	struct raft_vec gated;		/* struct raft_msg, scripted only */
	struct raft_snap install;
};

struct raft
{
	struct raft_config cfg;
	struct raft_alloc alloc;

	/* faults */
	int			fault_line;
	const char *fault_file;
	raft_index	lost_index;		/* > 0: log_lost until it is durable again */
	raft_seq	failed_seq;		/* > 0: disk_failed until it is durable */

	/* hard state */
	raft_term	term;
	raft_id		vote;
	raft_index	commit;

	/* soft state */
	enum raft_role role;
	raft_id		leader;

	/* the log */
	struct raft_trail trail;
	raft_index	applied;
	raft_index	applying;
	uint64_t	applying_bytes;
	bool		apply_paused;
	raft_index	conf_done;		/* conf entries up to here were answered */
	raft_index	conf_index;		/* entry that made the present configuration */
	raft_index	durable;		/* entries on disk (or in the snapshot) */
	raft_index	handed;			/* entries handed out for writing */

	/* snapshot taken from the leader, until its install is durable */
	bool		installing;
	bool		install_handed;
	struct raft_snap install;
	struct raft_conf applied_conf;	/* while installing: configuration of the
									 * state machine that is being replaced */

	/* newest snapshot of the host */
	bool		has_snapshot;
	struct raft_snap snapshot;

	/* configuration and peers */
	struct raft_conf conf;
	struct raft_peer peers[RAFT_MAX_PEERS];
	uint8_t		order[RAFT_MAX_PEERS];	/* used slots by ascending id */
	int			n_peers;
	struct raft_inflight *rings;	/* RAFT_MAX_PEERS windows */

	/* timers, in ticks */
	uint64_t	now;			/* since boot */
	uint32_t	election_elapsed;
	uint32_t	heartbeat_elapsed;
	uint32_t	election_timeout;	/* randomized */
	uint32_t	leader_silent;
	uint64_t	rng;

	/* leader */
	raft_id		transferee;
	bool		lease_given_up; /* TIMEOUT_NOW was sent in this term */
	raft_index	pending_conf;
	uint64_t	uncommitted;
	bool		want_bcast;		/* send appends at the next ready */
	bool		want_round;		/* send heartbeats at the next ready */

	/* reads */
	struct raft_vec reads;		/* struct raft_pending_read, unconfirmed */
	uint64_t	reads_confirmed;	/* number of those confirmed in this term */
	struct raft_vec postponed;	/* struct raft_pending_read, before the first
								 * commit of the term */
	struct raft_vec forwarded;	/* struct raft_forwarded_read */
	uint64_t	next_wire_ctx;

	/* output */
	struct raft_outbox out[2];
	int			cur;
	struct raft_vec gate;		/* struct raft_gated, from gate_head on */
	size_t		gate_head;
	struct raft_vec batches;	/* struct raft_batch, from batch_head on */
	size_t		batch_head;
	raft_seq	seq_handed;
	raft_seq	seq_sync;		/* last one with must_sync */
	raft_seq	seq_durable;
	raft_term	prev_term;		/* as last handed out */
	raft_id		prev_vote;
	raft_index	prev_commit;
	enum raft_role prev_role;
	raft_id		prev_leader;
};

/* Most outstanding writes tracked one by one; beyond that they are merged. */
#define RAFT_MAX_BATCHES 1024

/* raft.c */
extern enum raft_rc raft_finish(struct raft *r, enum raft_rc rc);
extern bool raft_reserve_role(struct raft *r);
extern void *raft_realloc(struct raft *r, void *ptr, size_t size);
extern void raft_dealloc(struct raft *r, void *ptr);

/* rng.c */
extern uint64_t raft_random(uint64_t *state);
extern uint32_t raft_random_below(uint64_t *state, uint32_t n);

/* peers.c */
extern struct raft_peer *raft_peer_of(struct raft *r, raft_id id);
extern const struct raft_peer *raft_peer_get(const struct raft *r, raft_id id);
extern void raft_peer_describe(const struct raft *r, const struct raft_peer *p,
							   struct raft_peer_status *st);
extern void raft_peers_track(struct raft *r, const struct raft_changer *c);

#define raft_foreach_peer(r, i, p) \
	for ((i) = 0; (i) < (r)->n_peers && ((p) = &(r)->peers[(r)->order[i]], true); (i)++)

/* gate.c */
extern void raft_send(struct raft *r, struct raft_msg *m);
extern void raft_release(struct raft *r);
extern bool raft_unsynced(const struct raft *r);

/* step.c */
extern enum raft_rc raft_step_internal(struct raft *r, const struct raft_msg *m,
									   const struct raft_entry *entries);

/* role.c */
extern void raft_become_follower(struct raft *r, raft_term term, raft_id leader);
extern void raft_become_pre_candidate(struct raft *r);
extern void raft_become_candidate(struct raft *r);
extern void raft_become_leader(struct raft *r);
extern void raft_set_leader(struct raft *r, raft_id leader);
extern bool raft_promotable(const struct raft *r);
extern bool raft_unapplied_conf(const struct raft *r);

/* election.c */
enum raft_campaign_type
{
	RAFT_CAMPAIGN_PRE,
	RAFT_CAMPAIGN_REAL,
	RAFT_CAMPAIGN_TRANSFER
};
extern enum raft_rc raft_hup(struct raft *r, enum raft_campaign_type type);
extern bool raft_in_lease(const struct raft *r);
extern void raft_handle_vote(struct raft *r, const struct raft_msg *m);
extern void raft_handle_vote_resp(struct raft *r, const struct raft_msg *m);
extern void raft_refuse_old_vote(struct raft *r, const struct raft_msg *m);
extern void raft_commit_by_vote(struct raft *r, const struct raft_msg *m);
extern void raft_tick_election(struct raft *r);

/* append.c */
extern void raft_handle_append(struct raft *r, const struct raft_msg *m,
							   const struct raft_entry *entries);
extern enum raft_rc raft_handle_heartbeat(struct raft *r, const struct raft_msg *m);
extern void raft_log_append(struct raft *r, const struct raft_entry *entries,
							size_t n, raft_index first);
extern void raft_commit_to(struct raft *r, raft_index index);

/* install.c */
extern void raft_handle_snapshot(struct raft *r, const struct raft_msg *m);
extern void raft_installed(struct raft *r, raft_index index);

/* replicate.c */
extern bool raft_send_append(struct raft *r, struct raft_peer *p, bool if_empty);
extern void raft_bcast_append(struct raft *r);
extern void raft_bcast_append_soon(struct raft *r);
extern void raft_bcast_append_now(struct raft *r);
extern void raft_bcast_heartbeat(struct raft *r);
extern bool raft_maybe_commit(struct raft *r);
extern bool raft_committed_in_term(const struct raft *r);
extern void raft_handle_append_resp(struct raft *r, struct raft_peer *p,
									const struct raft_msg *m);
extern void raft_handle_heartbeat_resp(struct raft *r, struct raft_peer *p,
									   const struct raft_msg *m);
extern void raft_tick_leader(struct raft *r);
extern bool raft_quorum_active(const struct raft *r);

/* snapshot.c */
extern bool raft_send_snapshot(struct raft *r, struct raft_peer *p);
extern void raft_tick_snapshot(struct raft *r, struct raft_peer *p);

/* propose.c */
extern bool raft_leader_append(struct raft *r, const struct raft_entry *entries,
							   size_t n);
extern enum raft_rc raft_handle_propose(struct raft *r,
										const struct raft_entry *entries,
										size_t n, raft_id from,
										raft_index *first);
extern void raft_uncommitted_reduce(struct raft *r, uint64_t bytes);

/* member.c */
extern void raft_switch_conf(struct raft *r, const struct raft_changer *c);
extern void raft_maybe_auto_leave(struct raft *r);

/* read.c */
extern enum raft_rc raft_read_request(struct raft *r, raft_id from, uint64_t ctx);
extern void raft_reads_advance(struct raft *r);
extern void raft_reads_release_postponed(struct raft *r);
extern void raft_reads_fail(struct raft *r);
extern void raft_reads_fail_forwarded(struct raft *r);
extern void raft_tick_reads(struct raft *r);
extern uint64_t raft_read_round(const struct raft *r);
extern size_t raft_reads_waiting(const struct raft *r);
extern void raft_handle_read_resp(struct raft *r, const struct raft_msg *m);
extern uint32_t raft_lease_ticks(const struct raft *r);
extern uint32_t raft_quorum_echo_ticks(const struct raft *r);

/* transfer.c */
extern enum raft_rc raft_transfer_request(struct raft *r, raft_id to);
extern void raft_transfer_abort(struct raft *r);
extern void raft_send_timeout_now(struct raft *r, raft_id to);

/* ready.c */
extern raft_index raft_appliable(const struct raft *r);
extern void raft_stable_truncate(struct raft *r, raft_index from);

/* check.c */
extern void raft_check_cheap(struct raft *r);

#endif							/* PGQ_RAFT_INT_H */
