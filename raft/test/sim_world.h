/*-------------------------------------------------------------------------
 *
 * sim_world.h
 *	  A simulated cluster: members, disks, links, clocks and what is known to
 *	  be true about them.
 *
 * A world is one run of one seed.  It is a discrete event simulation: events
 * lie in a heap ordered by virtual time, the loop takes the first one, does it
 * and checks the invariants; that is one step.  Everything random comes from
 * one generator that is seeded with the number of the run, so a run can be
 * repeated exactly.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/test/sim_world.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_SIM_WORLD_H
#define PGQ_SIM_WORLD_H

#include <setjmp.h>
#include <stdio.h>

#include "raft.h"
#include "raft_break.h"
#include "raft_trace.h"

/* Virtual time; SIM_TICK units are one tick of a perfect clock. */
typedef uint64_t sim_time;

#define SIM_TICK		1000

/* Members have the ids 1 .. SIM_MAX_ID; ids of lost disks are not used again. */
#define SIM_MAX_ID		12
#define SIM_MAX_VOTERS	7

/* Complete snapshots that a member keeps until it is told to switch to one. */
#define SIM_MAX_STAGED	8

/* ---------- random numbers ---------- */

struct sim_rng
{
	uint64_t	state;
};

extern void sim_rng_seed(struct sim_rng *rng, uint64_t seed);
extern uint64_t sim_rng_next(struct sim_rng *rng);
extern uint64_t sim_rng_below(struct sim_rng *rng, uint64_t n);
extern uint64_t sim_rng_between(struct sim_rng *rng, uint64_t lo, uint64_t hi);
extern bool sim_rng_chance(struct sim_rng *rng, uint32_t per_1024);
extern uint64_t sim_rng_exp(struct sim_rng *rng, uint64_t mean);
extern uint32_t sim_rng_weighted(struct sim_rng *rng, const uint32_t *weights,
								 uint32_t n);

/* ---------- memory of one run ---------- */

struct sim_chunk;

/* Memory that lives as long as the run; chunks are kept for the next one. */
struct sim_arena
{
	struct sim_chunk *first;
	struct sim_chunk *current;
	size_t		used;			/* bytes of the current chunk */
};

extern void *sim_alloc(struct sim_arena *arena, size_t size);
extern void sim_arena_reset(struct sim_arena *arena);
extern void sim_arena_free(struct sim_arena *arena);
extern void *sim_grow(void *ptr, size_t size);

/* ---------- entries, logs and disks ---------- */

/* What a client or the simulator proposed; number 0 is the core's own. */
struct sim_payload
{
	uint32_t	number;
	uint32_t	size;
	bool		conf;
	bool		refuse;			/* every host cancels this change at apply */
	raft_id		proposer;
	uint32_t	life;			/* of the proposer, when it proposed */
	const struct raft_conf_change *change;
};

struct sim_entry
{
	uint32_t	term;
	uint32_t	size;
	uint32_t	payload;
	uint8_t		type;
};

/* Entries base + 1 .. last, at[index]; at[] is never moved down. */
struct sim_log
{
	raft_index	base;
	raft_term	base_term;
	raft_index	last;
	struct sim_entry *at;
	size_t		space;
};

/* The state machine: since it is a function of the log, a position. */
struct sim_machine
{
	raft_index	applied;
	raft_term	term;			/* of the entry at applied */
	struct raft_conf conf;
};

/* What survives a crash. */
struct sim_disk
{
	raft_term	term;
	raft_id		vote;
	raft_index	commit;
	struct sim_log log;
	struct sim_machine machine;
	struct raft_snap snap;		/* newest snapshot kept (if such are kept) */
};

/* One write handed out by the core and not yet on disk. */
struct sim_write
{
	struct sim_write *next;
	raft_seq	seq;
	bool		must_sync;
	bool		hard_changed;
	raft_term	term;
	raft_id		vote;
	raft_index	commit;
	const struct raft_snap *install;	/* NULL: entries */
	raft_index	first;
	uint32_t	n;
	struct sim_entry *entries;
};

/* ---------- members ---------- */

struct sim_beat;

enum sim_life
{
	SIM_ABSENT = 0,				/* never started */
	SIM_UP,
	SIM_DOWN,					/* crashed or stopped; its disk remains */
	SIM_GONE					/* its disk is lost; the id is not used again */
};

struct sim_member
{
	raft_id		id;
	enum sim_life life;
	uint32_t	lives;			/* number of starts: events of an earlier life
								 * are void */
	sim_time	paused_until;
	uint32_t	tick_period;
	uint32_t	adds;			/* changes proposed that would add it */
	struct raft *raft;
	struct raft_config cfg;
	struct sim_disk disk;

	/* the host's volatile view: the log as written, flushed or not */
	struct sim_log log;
	struct sim_machine machine;
	raft_index	apply_end;		/* handed out for apply up to here */
	struct sim_write *writes;
	struct sim_write **writes_tail;
	uint32_t	installs_pending;
	bool		flush_planned;
	bool		flush_lazy;		/* nobody waits for the planned one */
	uintptr_t	flush_number;	/* of the planned one: others are void */
	bool		apply_planned;
	bool		ready_planned;
	raft_seq	flush_to;		/* the flush that is under way covers this */
	struct raft_snap staged[SIM_MAX_STAGED];
	uint32_t	n_staged;

	/* what the last look at the core showed */
	struct raft_status seen;
	raft_index	commit_checked;
	raft_index	match_seen[SIM_MAX_ID + 1];
	raft_term	led_term;		/* role in the last ready was leader of it */
	uint32_t	joint_ticks;	/* a leader could have left a joint conf since */
	raft_term	beats_term;		/* heartbeats of a leader, by peer */
	struct sim_beat *beats[SIM_MAX_ID + 1];
	uint64_t	beat_answered[SIM_MAX_ID + 1];	/* step it was sent at */
	struct raft_conf conf_before;	/* before the last change applied */
	raft_term	wrote_term;		/* hard state of the last write */
	raft_id		wrote_vote;
	raft_seq	wrote_seq;
};

/* ---------- events ---------- */

enum sim_event_kind
{
	SIM_EV_TICK,
	SIM_EV_DELIVER,				/* ptr = struct sim_packet */
	SIM_EV_FLUSH,
	SIM_EV_APPLY,
	SIM_EV_READY,
	SIM_EV_STREAM_BEGIN,		/* ptr = struct sim_stream */
	SIM_EV_STREAM_ALIVE,
	SIM_EV_STREAM_END,
	SIM_EV_STREAM_REPORT,
	SIM_EV_RESTART,
	SIM_EV_OPERATION,
	SIM_EV_FAULT
};

struct sim_event
{
	sim_time	time;
	uint32_t	order;			/* breaks ties */
	uint8_t		kind;
	uint8_t		id;
	uint32_t	life;
	void	   *ptr;
};

struct sim_packet
{
	struct sim_packet *next_free;
	struct raft_msg msg;
	struct sim_entry *entries;
};

/* A snapshot on its way. */
struct sim_stream
{
	raft_id		from;
	raft_id		to;
	uint32_t	from_life;
	uint32_t	to_life;
	raft_term	term;			/* of the message that asked for it */
	struct raft_snap snap;
	sim_time	end;
	bool		lost;			/* breaks in the middle */
	bool		silent;			/* nobody tells the sender how it ended */
	enum raft_snap_report report;
};

/* ---------- options of a run ---------- */

enum sim_operation
{
	SIM_OP_PROPOSE = 0,
	SIM_OP_PROPOSE_BATCH,
	SIM_OP_PROPOSE_HUGE,
	SIM_OP_READ,
	SIM_OP_CONF,
	SIM_OP_TRANSFER,
	SIM_OP_CAMPAIGN,
	SIM_OP_FORGET_LEADER,
	SIM_OP_UNREACHABLE,
	SIM_OP_COMPACT,
	SIM_N_OPERATIONS
};

enum sim_fault
{
	SIM_FAULT_CRASH = 0,
	SIM_FAULT_CRASH_LEADER,
	SIM_FAULT_CRASH_MANY,
	SIM_FAULT_PAUSE,
	SIM_FAULT_ISOLATE,
	SIM_FAULT_ISOLATE_ONE_WAY,
	SIM_FAULT_SPLIT,
	SIM_FAULT_CUT_LINK,
	SIM_FAULT_CLOG,
	SIM_FAULT_LOSE_DISK,		/* of a member that was removed */
	SIM_N_FAULTS
};

enum sim_disk_mode
{
	SIM_DISK_SYNC,				/* durable before the next call of the core */
	SIM_DISK_QUEUE				/* durable some time later */
};

enum sim_crash_mode
{
	SIM_CRASH_LOSE_ALL,			/* everything that was not flushed */
	SIM_CRASH_KEEP_ALL,
	SIM_CRASH_KEEP_PREFIX		/* any number of writes, the next one in part */
};

/* Chances are in 1/1024, times in units of SIM_TICK / 1000. */
struct sim_swarm
{
	uint32_t	n_voters;
	uint32_t	n_learners;
	raft_index	founding_index;
	struct raft_config cfg;		/* shared by all members but for id and seed */
	bool		priorities;
	bool		lease;

	sim_time	delay_min;
	sim_time	delay_mean;
	uint32_t	loss;
	uint32_t	duplicate;
	uint32_t	straggle;		/* arrives very late */
	bool		fifo;
	uint32_t	link_capacity;	/* packets; 0 = no limit */
	bool		cut_in_flight;	/* partitions eat what is under way */

	enum sim_disk_mode disk;
	sim_time	flush_mean;
	uint32_t	flush_part;		/* a flush covers only a part of the queue */
	uint32_t	write_fail;
	enum sim_crash_mode crash_mode;
	sim_time	ready_mean;		/* 0 = output is taken at once */
	sim_time	apply_mean;		/* 0 = applied at once */
	uint32_t	apply_batch;
	uint32_t	machine_flush;	/* chance that an apply is made durable */

	uint32_t	clock_drift;	/* periods differ by so many 1/1000 */
	uint32_t	tick_miss;
	sim_time	pause_mean;
	sim_time	down_mean;
	sim_time	partition_mean;

	sim_time	stream_min;
	sim_time	stream_mean;
	uint32_t	stream_lost;
	uint32_t	stream_silent;

	uint32_t	entry_size;		/* largest usual payload */
	bool		forget_commit;	/* the commit index is not written for its own
								 * sake, only with a new term or vote */
	bool		exact_sizes;	/* a boot tells the size of every entry */
	uint32_t	keep_log;		/* entries that a compaction leaves */
	sim_time	op_mean;
	sim_time	fault_mean;		/* 0 = no faults */
	uint32_t	ops[SIM_N_OPERATIONS];	/* weights */
	uint32_t	faults[SIM_N_FAULTS];
};

/* ---------- what is known to be true ---------- */

/* A committed entry. */
struct sim_fact
{
	bool		known;
	uint32_t	term;
	uint32_t	payload;
	uint32_t	by_term;		/* of the leader that committed it */
};

/* Every entry that ever was in any log. */
struct sim_seen_entry
{
	struct sim_seen_entry *next;	/* other terms at the same index */
	uint32_t	term;
	uint32_t	prev_term;
	uint32_t	payload;
	uint8_t		type;
};

struct sim_term_fact
{
	uint8_t		leader;
	uint8_t		grant[SIM_MAX_ID + 1];	/* durable votes, by voter */
};

/* What a committed configuration entry led to. */
struct sim_conf_fact
{
	raft_index	index;
	bool		cancelled;
	struct raft_conf conf;		/* in force from index on */
};

struct sim_read_fact
{
	raft_id		member;
	uint32_t	life;
	bool		done;
	enum raft_rc rc;
	raft_index	at_least;		/* committed when it was asked for */
	uint64_t	step;			/* when it was asked for */
	bool		by_leader;		/* who believed to be one */
};

struct sim_oracle
{
	raft_index	committed;
	struct sim_fact *facts;		/* by index */
	struct sim_seen_entry **entries;	/* by index */
	size_t		index_space;
	struct sim_term_fact *terms;	/* by term */
	size_t		term_space;
	raft_term	term_used;
	struct sim_conf_fact *confs;	/* ascending; the first is the founding one */
	size_t		n_confs;
	size_t		conf_space;
	struct sim_read_fact *reads;
	size_t		n_reads;
	size_t		read_space;
};

/* What happened in a run, to see that the runs are worth something. */
enum sim_count
{
	SIM_COUNT_STEPS,
	SIM_COUNT_TICKS,
	SIM_COUNT_LEADERS,
	SIM_COUNT_COMMITS,
	SIM_COUNT_MESSAGES,
	SIM_COUNT_LOST,
	SIM_COUNT_DUPLICATES,
	SIM_COUNT_TRUNCATIONS,
	SIM_COUNT_CRASHES,
	SIM_COUNT_TORN,				/* crashes that kept a part of a write */
	SIM_COUNT_PAUSES,
	SIM_COUNT_PARTITIONS,
	SIM_COUNT_CLOGS,
	SIM_COUNT_WRITE_FAILS,
	SIM_COUNT_SNAPSHOTS,
	SIM_COUNT_STREAMS_LOST,
	SIM_COUNT_COMPACTIONS,
	SIM_COUNT_CONF_SIMPLE,
	SIM_COUNT_CONF_JOINT,
	SIM_COUNT_CONF_CANCELLED,
	SIM_COUNT_LEADER_REMOVED,
	SIM_COUNT_DISKS_LOST,
	SIM_COUNT_TRANSFERS,
	SIM_COUNT_ACKED,
	SIM_COUNT_FORWARDED,
	SIM_COUNT_REFUSED_SIZE,
	SIM_COUNT_REFUSED_QUOTA,
	SIM_COUNT_READS_OK,
	SIM_COUNT_READS_FOLLOWER,
	SIM_COUNT_READS_FAILED,
	SIM_COUNT_HEAL_TICKS,
	SIM_N_COUNTS
};

extern const char *sim_count_name(int count);

/* ---------- the world ---------- */

#define SIM_TEXT	600

struct sim_failure
{
	uint64_t	step;
	char		invariant[64];
	char		text[SIM_TEXT];
};

/* Where the trace goes: called with one line without newline. */
typedef void (*sim_trace_fn) (void *arg, const char *line);

struct sim_world
{
	uint64_t	seed;
	uint64_t	step;
	sim_time	now;
	uint64_t	break_mask;
	struct sim_rng rng;
	struct sim_arena arena;
	struct sim_swarm swarm;
	struct sim_member members[SIM_MAX_ID + 1];
	struct sim_oracle oracle;
	const struct raft_msg *stepping;	/* message being given to a core */

	struct sim_event *heap;
	size_t		n_heap;
	size_t		heap_space;
	uint32_t	event_order;
	struct sim_packet *free_packets;

	struct sim_payload **payloads;
	uint32_t	n_payloads;
	size_t		payload_space;

	/* links, [from][to] */
	sim_time	blocked_until[SIM_MAX_ID + 1][SIM_MAX_ID + 1];
	sim_time	clogged_until[SIM_MAX_ID + 1][SIM_MAX_ID + 1];
	sim_time	last_arrival[SIM_MAX_ID + 1][SIM_MAX_ID + 1];
	uint32_t	in_flight[SIM_MAX_ID + 1][SIM_MAX_ID + 1];

	/* the second phase: faults are over, progress is demanded */
	bool		healing;
	sim_time	heal_start;
	sim_time	heal_next;		/* when the demands are made again */
	raft_index	heal_tried;		/* where the last write went, 0 = none */
	uint32_t	heal_payload;
	sim_time	heal_write_time;
	raft_index	heal_index;		/* committed write that all must apply */
	uint32_t	heal_reads[2];	/* asked of the leader and of another one */
	const char *heal_missing;	/* what is still missing */

	uint64_t	counts[SIM_N_COUNTS];
	bool		hashing;
	uint64_t	hash;
	sim_trace_fn trace;
	void	   *trace_arg;
	struct sim_failure failure;
	jmp_buf		escape;
};

/* sim_run.c */
extern struct sim_world *sim_world_new(void);
extern void sim_world_free(struct sim_world *w);
extern bool sim_run(struct sim_world *w, uint64_t seed, uint64_t steps);
extern void sim_fail(struct sim_world *w, const char *invariant,
					 const char *fmt,...)
			__attribute__((format(printf, 3, 4), noreturn));
extern void sim_push(struct sim_world *w, sim_time time,
					 enum sim_event_kind kind, raft_id id, void *ptr);

/* sim_trace.c */
extern void sim_say(struct sim_world *w, const char *fmt,...)
			__attribute__((format(printf, 2, 3)));
extern void sim_trace_core(void *arg, const struct raft_event *ev);
extern const char *sim_conf_text(const struct raft_conf *conf, char *buf,
								 size_t size);
extern void sim_trace_swarm(struct sim_world *w);

/* Say something if somebody listens; arguments are not evaluated otherwise. */
#define SIM_TRACE(w, ...) \
	do { \
		if ((w)->trace != NULL) \
			sim_say((w), __VA_ARGS__); \
	} while (0)

/* sim_swarm.c */
extern void sim_swarm_draw(struct sim_swarm *s, struct sim_rng *rng);

/* sim_disk.c */
extern void sim_log_set(struct sim_log *log, raft_index base,
						raft_term base_term);
extern void sim_log_put(struct sim_log *log, raft_index first,
						const struct sim_entry *entries, uint32_t n);
extern void sim_log_copy(struct sim_log *to, const struct sim_log *from);
extern raft_term sim_log_term(const struct sim_log *log, raft_index index);
extern void sim_disk_write(struct sim_world *w, struct sim_member *m,
						   const struct sim_write *wr, bool whole,
						   uint32_t n_entries);
extern void sim_disk_flush(struct sim_world *w, struct sim_member *m,
						   raft_seq upto);
extern void sim_disk_crash(struct sim_world *w, struct sim_member *m);

/* sim_member.c */
extern void sim_member_found(struct sim_world *w, raft_id id,
							 const struct raft_snap *snap);
extern void sim_member_start(struct sim_world *w, struct sim_member *m);
extern void sim_member_crash(struct sim_world *w, struct sim_member *m);
extern void sim_member_output(struct sim_world *w, struct sim_member *m);
extern void sim_member_event(struct sim_world *w, const struct sim_event *ev);
extern void sim_member_snapshot(struct sim_world *w, struct sim_member *m);
extern void sim_member_compact(struct sim_world *w, struct sim_member *m);
extern bool sim_member_finished(struct sim_world *w, struct sim_member *m);

/* sim_net.c */
extern void sim_net_send(struct sim_world *w, struct sim_member *from,
						 const struct raft_msg *msg);
extern void sim_net_stream(struct sim_world *w, struct sim_member *from,
						   const struct raft_msg *msg);
extern void sim_net_event(struct sim_world *w, const struct sim_event *ev);
extern bool sim_net_cut(struct sim_world *w, raft_id from, raft_id to);
extern void sim_net_heal(struct sim_world *w);

/* sim_client.c */
extern struct sim_member *sim_leader(struct sim_world *w);
extern void sim_change_seen(struct sim_world *w,
							const struct raft_conf_change *change);
extern bool sim_change_hopeless(struct sim_world *w,
								const struct raft_conf_change *change);
extern void sim_operation(struct sim_world *w);
extern void sim_fault(struct sim_world *w);
extern enum raft_rc sim_propose(struct sim_world *w, struct sim_member *m,
								uint32_t n, uint32_t max_size,
								raft_index *first);
extern enum raft_rc sim_leave_joint(struct sim_world *w,
									struct sim_member *m);
extern uint32_t sim_read(struct sim_world *w, struct sim_member *m);

/* sim_heal.c */
extern bool sim_removal_known(struct sim_world *w);
extern void sim_heal_begin(struct sim_world *w);
extern bool sim_heal_done(struct sim_world *w);

/* sim_check.c, sim_oracle.c: each ends the run when an invariant is broken */
extern void sim_oracle_reset(struct sim_world *w);
extern void sim_oracle_found(struct sim_world *w,
							 const struct raft_snap *snap);
extern void sim_oracle_entries(struct sim_world *w, struct sim_member *m,
							   raft_index first,
							   const struct sim_entry *entries, uint32_t n);
extern void sim_oracle_vote(struct sim_world *w, raft_id voter, raft_term term,
							raft_id candidate);
extern void sim_oracle_commit(struct sim_world *w, struct sim_member *m);
extern void sim_oracle_applied(struct sim_world *w, struct sim_member *m,
							   raft_index index);
extern void sim_oracle_conf(struct sim_world *w, struct sim_member *m,
							raft_index index, bool cancelled,
							const struct raft_conf *conf);
extern void sim_oracle_snap(struct sim_world *w, struct sim_member *m,
							const struct raft_snap *snap);
extern const struct sim_conf_fact *sim_oracle_conf_at(struct sim_world *w,
													  raft_index index);
extern struct sim_term_fact *sim_oracle_term(struct sim_world *w,
											 raft_term term);
extern bool sim_quorums_intersect(const struct raft_conf *a,
								  const struct raft_conf *b);
extern bool sim_conf_quorum(const struct raft_conf *conf, uint32_t mask);
extern bool sim_conf_has(const struct raft_conf *conf, raft_id id);
extern bool sim_conf_votes(const struct raft_conf *conf, raft_id id);

extern void sim_check_call(struct sim_world *w, struct sim_member *m);
extern void sim_check_tick(struct sim_world *w, struct sim_member *m);
extern void sim_check_step(struct sim_world *w, struct sim_member *m);
extern void sim_check_boot(struct sim_world *w, struct sim_member *m);
extern void sim_check_write(struct sim_world *w, struct sim_member *m,
							const struct raft_ready *rd,
							const struct sim_write *wr);
extern void sim_check_message(struct sim_world *w, struct sim_member *m,
							  const struct raft_msg *msg);
extern void sim_check_received(struct sim_world *w, struct sim_member *m,
							   const struct raft_msg *msg,
							   const struct raft_status *before);
extern void sim_check_apply(struct sim_world *w, struct sim_member *m,
							raft_index lo, raft_index hi);

/* sim_reads.c */
extern void sim_check_read(struct sim_world *w, struct sim_member *m,
						   const struct raft_read *read);
extern void sim_reads_beat(struct sim_world *w, struct sim_member *m,
						   const struct raft_msg *msg);
extern void sim_reads_beat_answered(struct sim_world *w, struct sim_member *m,
									const struct raft_msg *msg);

#endif							/* PGQ_SIM_WORLD_H */
