/*-------------------------------------------------------------------------
 *
 * worker.h
 *	  The raft worker's own state, shared by the files that make it up.
 *
 * Private to src/member/.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/worker.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_MEMBER_WORKER_H
#define PGQ_MEMBER_WORKER_H

#include "lib/ilist.h"
#include "nodes/pg_list.h"
#include "storage/latch.h"
#include "utils/relcache.h"

#include "raft.h"

#include "../clock.h"
#include "../storage/storage.h"
#include "../store/store.h"
#include "peer.pb-c.h"
#include "shared.h"
#include "stats.h"

#define MEMBER_META_FORMAT		1

/*
 * What the log's meta page keeps for the member: who it is, and Raft's hard
 * state but for the commit index.  That one must never be durable before the
 * entries it commits, and this page is written before them; after a start the
 * store's applied index serves, and the core learns the rest.
 */
typedef struct MemberMeta
{
	uint32		format;
	uint32		timeline;
	uint64		cluster_id;
	uint64		member_id;
	uint64		system_identifier;
	uint64		incarnation;	/* one more at every start */
	uint64		fence;			/* must equal the identity file's */
	uint64		term;
	uint64		vote;
	uint64		replaces;		/* while joining: the identity given up */
	bool		joining;		/* asks to be taken in, until it is */
	bool		founding;		/* becomes a new cluster at the next start */
	char		reason[MEMBER_REASON_LEN];	/* quarantined: why; else empty */
} MemberMeta;

/* One libpq connection to a peer. */
typedef enum LinkKind
{
	LINK_EXPRESS,				/* heartbeats, votes, acks, reads */
	LINK_BULK,					/* entries, forwarded commands */
	LINK_STATE,					/* streamed state; opened when needed */
	LINK_COUNT
} LinkKind;

typedef struct Link Link;

/* Another member, as the worker sees it. */
typedef struct Peer
{
	uint64		id;
	char	   *name;
	char	   *conninfo;
	bool		is_learner;
	bool		promote;		/* make it a voter as soon as it has caught up */
	bool		awaited;		/* no instance bears its id yet */
	uint64		round_target;	/* leader: what was committed at the last look at it */
	Link	   *links[LINK_COUNT];

	/* news of the commit index that waits for company (ready.c) */
	bool		holding;
	struct raft_msg held;
	uint64		sent_commit;

	/* times of its clock (staleness.c): the one to prove, the latest, the last proved */
	uint64		asked_time;
	uint64		asked_tick;
	uint64		latest_time;
	uint64		latest_tick;
	uint64		proved_time;
	uint64		proved_commit;

	ClockTime	heartbeat_at;	/* sent and not yet answered; 0: none */
} Peer;

/* Wanted of the loop: to go back to where a new worker begins. */
typedef enum StartOver
{
	START_OVER_NOT,
	START_OVER_SAME,			/* with the same store, for new settings */
	START_OVER_OTHER			/* the store is gone, or is another */
} StartOver;

typedef struct Worker
{
	MemoryContext context;		/* as long as the worker */
	MemoryContext turn;			/* reset after every turn */

	MemberMeta	meta;
	uint64		nonce;			/* random, of this start */
	MemberRole	role;
	StartOver	start_over;
	char		locked_out[MEMBER_REASON_LEN];	/* why no turn can be made; or empty */

	struct raft *raft;
	LogRing    *ring;
	Store	   *store;
	Oid			log_oid;
	Oid			tree_oid;

	/* open during a turn only */
	Relation	log_rel;
	Relation	tree_rel;

	/* writes not yet durable */
	raft_seq	seq_written;	/* in WAL up to lsn_written */
	raft_seq	seq_durable;
	XLogRecPtr	lsn_written;
	bool		flush_delegated;	/* the flusher works on it */

	/* apply */
	uint64		apply_to;		/* handed out by the core */
	uint64		applied;
	uint64		applied_term;

	Peer	   *peers;
	int			npeers;
	bool		peers_changed;

	/* the members as a leader told them, where that is newer than our store */
	List	   *hint;			/* of Quorum__Member *, in a context of their own */
	uint64		hint_index;		/* configuration entry they are as of */

	char		note[MEMBER_REASON_LEN];	/* why a joining member is not in yet */

	bool		more_work;		/* do not sleep: sliced work is left */
	bool		holding;		/* some peer's commit news is held */
	ClockTime	held_since;
} Worker;

extern Worker *worker;

/* worker.c */
PGDLLEXPORT extern void member_worker_main(Datum arg);
extern bool turn_begin(void);	/* transaction and relations; false if not to be had now */
extern void turn_end(void);
extern void worker_service(void);	/* messages, ticks and output, but no apply */
extern bool worker_may_log(ClockTime *last);	/* of a condition that repeats */
extern void worker_set_role(MemberRole role, const char *reason);

/* identity.c */
extern void identity_start(void);	/* in a turn: format or verify, sets worker->meta */
extern void identity_write_meta(void);	/* in a turn */
extern void identity_quarantine(const char *reason);	/* in a turn */
extern uint64 identity_hash(const char *a, const char *b);
extern List *identity_initial_members(void);	/* of Quorum__Member * */
extern uint64 identity_own_id(void);
extern void identity_begin_rejoin(void);	/* in a turn; the worker starts over */
extern void identity_begin_new_cluster(void);
extern void identity_take_place(uint64 cluster_id, uint64 member_id);	/* likewise */
extern uint64 identity_token(void);

/* entries.c: recent entries in memory */
extern void entries_init(void);
extern void entries_forget(void);	/* until entries_init() */
extern void entries_append(uint64 index, uint64 term, uint8 type, const char *data, uint32 size);
extern const LogEntry *entries_get(uint64 index);
extern void entries_trim(uint64 upto);

/* codec.c: core messages <-> protobuf */
extern Quorum__PeerMessage *encode_message(const struct raft_msg *msg);
extern bool decode_message(const Quorum__PeerMessage *in, uint64 from, uint64 to,
						   struct raft_msg *msg, struct raft_entry **entries);
extern Quorum__Configuration *encode_configuration(const struct raft_conf *conf);
extern bool decode_configuration(const Quorum__Configuration *in, struct raft_conf *conf);
extern bool decode_change(const Quorum__MemberChange *in, struct raft_conf_change *change);

/* peers.c */
extern void peers_reload(void);		/* in a turn: from the store's members */
extern Peer *peers_find(uint64 id);
extern void peers_queue_message(Peer *peer, Quorum__PeerMessage *message);
extern bool peers_queue_forward(Peer *peer, uint64 term, uint64 request, const char *command, uint32 len);
extern void peers_queue_refusal(Peer *peer, const Quorum__Forward *forward);
extern bool peers_queue_question(Peer *peer, Quorum__Question *question);
extern void peers_queue_answer(Peer *peer, Quorum__Answer *answer);
extern bool peers_send_join(Peer *peer, Quorum__JoinRequest *join);
extern void peers_send_welcome(Peer *peer, Quorum__Welcome *welcome);
extern void peers_queue_members(Peer *peer, Quorum__Member **members, int n, uint64 index);
extern void peers_queue_removed(Peer *peer);
extern void peers_set(List *members);	/* replace the set, keeping links */
extern bool peers_send_state(Peer *peer, Quorum__PeerBatch *batch);	/* false: busy or down */
extern void peers_send_report(Peer *peer, Quorum__StateReport *report);
extern void peers_flush(void);	/* hand what is queued to libpq */
extern void peers_poll(void);	/* connect, read answers, notice failures */
extern void peers_came_back(uint64 id); /* it has called: call it */
extern bool peers_connected(Peer *peer);
extern ClockTime peers_connected_since(Peer *peer);
extern int	peers_add_events(WaitEventSet *set);	/* returns how many */
extern bool peers_events_stale(void);
extern void peers_prepare_wait(WaitEventSet *set);
extern void peers_event(void *link, uint32 events);
extern void peers_shutdown(void);

/* libpq's parameters for a connection to a member */
typedef struct PeerConnection
{
	const char *keywords[64];	/* the end is NULL */
	const char *values[64];
	int			n;
	const char *host;
	bool		have_address;
	struct _PQconninfoOption *options;
} PeerConnection;

extern bool peers_connection(const char *conninfo, PeerConnection *params);

/* requests.c */
extern void requests_adopt(void);	/* at start: what an earlier worker left */
extern void requests_take(void);
extern void requests_take_forward(uint64 from, const Quorum__Forward *forward);
extern void requests_refused(uint64 number, uint64 term);
extern void requests_complete(uint64 number, SlotOutcome outcome, const char *result, uint32 len);
extern void requests_lost_before(uint64 term);
extern void requests_read_answer(const struct raft_read *read);
extern void requests_complete_reads(void);
extern bool requests_collecting(void);
extern ClockTime requests_taken_at(void); /* when a client here last asked for something */
extern void requests_overtaken(void);
extern bool requests_propose(Quorum__Command *command); /* of the worker itself */
extern void requests_store_gone(void);
extern void requests_ask_again(uint64 number);	/* a question, at the next tick */
extern bool requests_retry_questions(uint64 term, bool overdue);
extern void requests_joined(void);
extern void requests_abandon(void);
extern void requests_tell_gateway(void);

/*
 * questions.c: what only the leader may answer.
 *
 * A question on the leader, while it is there.  A handler fills in *answer, palloc'd
 * in the turn's context, and returns QUESTION_ANSWERED; or it sets apply_index
 * and returns QUESTION_WAITS to be called again when that is applied in the same
 * term; or it has the question asked again.
 */
typedef struct Question
{
	dlist_node	node;
	uint64		from;			/* the member that asks; may be this one */
	uint64		number;
	uint64		term;			/* in which it was asked */
	QuestionKind kind;
	uint64		apply_index;	/* handled when this is applied */
	void	   *state;			/* of the handler, in worker->context; freed with it */
	uint32		len;
	char		payload[FLEXIBLE_ARRAY_MEMBER];
} Question;

typedef enum QuestionVerdict
{
	QUESTION_ANSWERED,
	QUESTION_WAITS,
	QUESTION_AGAIN
} QuestionVerdict;

typedef QuestionVerdict (*QuestionHandler) (Question *question, char **answer, uint32 *len);

/* what the worker itself asks, told apart by number; it asks again on its own */
#define QUESTION_OF_WORKER		((UINT64CONST(1) << SLOT_INDEX_BITS) - 1)
typedef void (*QuestionCallback) (bool answered, const char *answer, uint32 len, void *arg);

extern void questions_start(void);
extern void questions_ask_slot(RequestSlot *slot, const char *payload, const struct raft_status *status);
extern void questions_ask_self(QuestionKind kind, const char *payload, uint32 len,
							   QuestionCallback callback, void *arg);
extern void questions_take(uint64 from, const Quorum__Question *question);
extern void questions_take_answer(const Quorum__Answer *answer);
extern bool questions_own_read(const struct raft_read *read);
extern void questions_run(void);	/* in a turn, outside of apply */
extern void questions_tick(void);

/* keywait.c: deletions told to those who wait for them */
extern void keywait_start(void);	/* the store has been opened */
extern void keywait_signal(void);	/* after a batch has been published */
extern void keywait_signal_all(void);
extern bool keywait_anybody(void);

/* lessor.c: the leader keeps the time of leases */
extern void lessor_start(void);
extern void lessor_run(void);	/* in a turn, outside of apply */
extern void lessor_apply_begins(void);
extern void lessor_applied(const Quorum__Command *command, StoreError error);
extern void lessor_committed(void);
extern bool lessor_own_read(const struct raft_read *read);
extern QuestionVerdict lessor_keepalive(Question *question, char **answer, uint32 *len);
extern QuestionVerdict lessor_ttl(Question *question, char **answer, uint32 *len);
extern QuestionVerdict lessor_expire(Question *question, char **answer, uint32 *len);

/* session_keeper.c: the leases of this instance's sessions */
extern bool sessions_due(void);
extern void sessions_run(void);	/* in a turn */

/* ready.c */
extern void ready_run(void);	/* take and carry out all output of the core */
extern void ready_flush(void);	/* make writes durable, or have it done */
extern void ready_poll_flusher(void);
extern uint64 ready_flush_took(void);
extern void ready_release_held(void);	/* send held commit news now */
extern bool ready_held_is_due(void);
extern void ready_hand_over(void);	/* outside of a turn: pass leadership on */
extern void apply_run(void);	/* a bounded amount */
extern void log_trim(void);

/* alarm.c: the sleeping side */
extern int	alarm_descriptor(void);
extern bool alarm_may_sleep(void);
extern void alarm_awake(void);
extern void alarm_answered(void);

/* applydelay.c */
extern void apply_delay_begin(void);
extern bool apply_may_wait(void);
extern long apply_delay_left(void);

/* catchup.c: streaming the state */
extern void catchup_start(Peer *peer, const struct raft_msg *msg);
extern void catchup_run(void);	/* sender: a few more chunks */
extern bool catchup_active(void);
extern uint64 catchup_keeps_from(void); /* log entries a stream still needs, or UINT64_MAX */
extern void catchup_report(uint64 from, const Quorum__StateReport *report);
extern void catchup_receive(uint64 from, const Quorum__StateChunk *chunk);
extern void catchup_install(const struct raft_snap *snap);	/* the core says switch */
extern void catchup_peer_lost(uint64 id);
extern void catchup_forget(void);	/* the store is about to be closed */

/* streams.c: connections that the worker reads by itself */
typedef void (*StreamDeliver) (const char *bytes, uint32 len);

/* most at a time: those of each peer, and their successors */
#define STREAMS_MAX				(MEMBER_MAX_PEERS * LINK_COUNT * 2)

extern void streams_adopt(void);
extern void streams_take(StreamDeliver deliver, bool all);
extern bool streams_offered(void);
extern bool streams_readable(void);
extern bool streams_events_stale(void);
extern void streams_add_events(WaitEventSet *set);
extern void streams_event(void *stream);
extern void streams_close_all(void);

/* resolve.c */
extern bool resolve_is_address(const char *host);
extern bool resolve_lookup(const char *host, char *address, Size size);
PGDLLEXPORT extern void member_resolver_main(Datum arg);

/* database.c */
extern void database_await(void);
extern void database_answer(void);	/* the flusher, whenever it is woken */

/* workers.c */
extern void worker_begin(void);
extern void worker_pause(long ms);

/* flusher.c */
PGDLLEXPORT extern void member_flusher_main(Datum arg);

/* membership.c: applying changes, joining, promoting, replacing */
extern void membership_start(void); /* the consensus core has been made anew */
extern void membership_apply(uint64 index, uint64 term, const Quorum__Command *command);
extern void membership_tick(void);
extern void membership_take_join(const Quorum__JoinRequest *join);
extern void membership_take_welcome(uint64 cluster_id, const Quorum__Welcome *welcome);
extern void membership_take_members(const Quorum__PeerBatch *batch);
extern void membership_not_admitted(const char *message, const char *detail);

/* reconfigure.c: the leader's decisions about membership */
extern bool reconfigure_peer_active(Peer *peer);	/* leader: is it being heard? */
extern bool reconfigure_keeps_quorum(const Quorum__MemberChange *wire);
extern enum raft_rc reconfigure_propose(Quorum__MemberChange *wire);
extern Quorum__MemberChange *reconfigure_make(Quorum__MemberChange__Step__Kind kind,
											  uint64 id, Quorum__Member *record);
extern QuestionVerdict reconfigure_answer(Question *question, char **answer, uint32 *len);

/* staleness.c: how fresh the state is */
extern void staleness_start(void);
extern void staleness_tick(void);
extern void staleness_turn(void);
extern void staleness_attach(Peer *peer, Quorum__PeerBatch *batch);
extern void staleness_receive(uint64 from, const Quorum__PeerBatch *batch);

/* quota.c */
extern void quota_turn(void);	/* in a turn */
extern void quota_look_at_disks(void);	/* the flusher */

/* corrupt.c */
extern void corrupt_tick(void);
PGDLLEXPORT extern void member_checker_main(Datum arg);

/* compaction.c */
extern void compaction_run(bool look);	/* in a turn */
extern long compaction_delay_left(void);

/* flusher.c, writeback.c */
extern bool flusher_wanted(void);
extern void writeback_ask(int64 pages); /* the raft worker */
extern void writeback_run(void);	/* the flusher */

/* autocompact.c */
extern void autocompact_start(void);
extern void autocompact_tick(void); /* in a turn */

/* publish.c */
extern void publish_status(void);
extern void publish_revision(int64 revision);

#endif							/* PGQ_MEMBER_WORKER_H */
