/*-------------------------------------------------------------------------
 *
 * shared.h
 *	  The member's shared memory: requests, messages, published state.
 *
 * Private to src/member/.  See the README for who may touch what.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/shared.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_MEMBER_SHARED_H
#define PGQ_MEMBER_SHARED_H

#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/lwlock.h"
#include "storage/spin.h"
#include "utils/dsa.h"

#include "../clock.h"
#include "member.h"

/* ----------------------------------------------------------------
 *	Requests: one slot a backend, and behind them those of the gateway
 * ----------------------------------------------------------------
 */

/* What the gateway can have under way at a time, where there is one */
#define CALL_SLOTS				1024

/* Requests and results up to this size need no DSA. */
#define SLOT_INLINE_BYTES		1024
#define SLOT_UNDO_BYTES			512

/*
 * Life of a slot.  Its owner, a backend or the gateway, moves it FREE -> QUEUED and, from QUEUED,
 * PROPOSED or DONE, back to FREE; the worker moves it QUEUED -> TAKING ->
 * PROPOSED -> FILLING -> DONE, or back to QUEUED.  All moves are
 * compare-and-swap; TAKING and FILLING are short, and an owner that wants to
 * leave waits them out.
 */
typedef enum SlotState
{
	SLOT_FREE,
	SLOT_QUEUED,				/* wants to be taken (again) */
	SLOT_TAKING,				/* the worker reads it */
	SLOT_PROPOSED,				/* proposed or forwarded, or a read under way */
	SLOT_FILLING,				/* the worker writes the answer */
	SLOT_DONE
} SlotState;

typedef enum SlotKind
{
	SLOT_COMMAND,				/* a packed Quorum__Command */
	SLOT_READ,					/* a linearizable barrier */
	SLOT_QUESTION,				/* for the leader, no log entry */
	SLOT_REJOIN,				/* leave quarantine as a fresh member */
	SLOT_NEW_CLUSTER			/* found a new cluster from this data */
} SlotKind;

typedef enum SlotOutcome
{
	OUTCOME_RESULT,				/* result bytes are there (commands), or done */
	OUTCOME_TOO_BIG,			/* the core refuses an entry of this size */
	OUTCOME_POISON,				/* the worker died while it took this request */
	OUTCOME_REMOVED,			/* the member was removed from the cluster meanwhile */
	OUTCOME_STORE_GONE,			/* the extension was dropped, or the store given up */
	OUTCOME_UNKNOWN_KIND,		/* the leader does not know such questions */
	OUTCOME_STATE,				/* not possible in this state; see status */
	OUTCOME_NO_MEMORY			/* done, but the result does not fit in shared memory */
} SlotOutcome;

typedef struct RequestSlot
{
	pg_atomic_uint32 state;		/* SlotState; a backend waits at this word (parking.c) */
	pg_atomic_uint32 queued;	/* is it in the queue? */
	pg_atomic_uint32 announced; /* of the gateway: is it among the answered? */
	uint64		number;			/* unique for ever; low bits are the slot's index */
	SlotKind	kind;
	QuestionKind question;		/* of a SLOT_QUESTION */
	uint32		len;			/* of the request, later of the result */
	dsa_pointer payload;		/* request, where too long for data; freed by the backend */
	dsa_pointer result;			/* result, likewise */
	SlotOutcome outcome;
	uint64		term;			/* worker: proposed, or asked, in this term */
	char		data[SLOT_INLINE_BYTES];

	/*
	 * A command that takes this one back (client.c).  undo is set while the
	 * worker is to carry it out as soon as it knows what has become of the first.
	 */
	pg_atomic_uint32 undo;
	bool		detached;		/* nobody waits, and twice does no harm */
	uint64		undo_number;
	uint32		undo_len;
	dsa_pointer undo_payload;	/* where too long for undo_data */
	char		undo_data[SLOT_UNDO_BYTES];
} RequestSlot;

#define SLOT_INDEX_BITS			20
#define SLOT_INDEX(number)		((uint32) ((number) & ((1U << SLOT_INDEX_BITS) - 1)))

/* ----------------------------------------------------------------
 *	Messages from other members: a byte ring, many producers, one consumer
 * ----------------------------------------------------------------
 */
typedef struct InboxRing
{
	LWLock		lock;			/* producers */
	ConditionVariable space;	/* signalled when the worker has made room */
	pg_atomic_uint64 head;		/* consumed up to */
	pg_atomic_uint64 tail;		/* produced up to */
	uint64		size;
	char		bytes[FLEXIBLE_ARRAY_MEMBER];
} InboxRing;

/* Fixed head of every batch of peer messages, before the packed Quorum__PeerBatch.
 * Numbers are in the sender's byte order, which magic tells. */
#define PEER_MAGIC				UINT32_C(0x51504742)
#define PEER_VERSION			1

typedef struct PeerHead
{
	uint32		magic;
	uint32		version;
	uint64		cluster_id;
	uint64		from;
	uint64		to;
	uint64		incarnation;
	uint64		nonce;
} PeerHead;

/*
 * SQLSTATEs of the errors by which a sender learns that it must stop, or ask
 * again.  A refusal, as the parts of the member pass it on, is such a SQLSTATE, a
 * space, a message, and perhaps on a second line a detail.
 */
#define PEER_TWIN				"PQ001"	/* another instance bears its identity */
#define PEER_REMOVED			"PQ002"	/* it is no member any more */
#define PEER_NOT_YET			"PQ003"	/* the receiver itself is about to join */
#define PEER_NOT_ADMITTED		"PQ004"	/* it may not join, or not yet */
#define REFUSAL_LEN				256

/*
 * A peer's connection that its backend lets the worker read (serve.c,
 * streams.c); one slot a backend.  The backend moves it NONE -> OFFERED, and to
 * NONE at its end; the worker moves it OFFERED -> ADOPTED -> CLOSED or REFUSED,
 * and only while the cookie is that of the offer.
 */
typedef enum StreamState
{
	STREAM_NONE,
	STREAM_OFFERED,
	STREAM_ADOPTED,
	STREAM_CLOSED,				/* the worker has let go of it: the session is to end */
	STREAM_REFUSED				/* likewise, and the client is to be told why */
} StreamState;

typedef struct StreamSlot
{
	pg_atomic_uint32 state;		/* StreamState */
	uint64		cookie;
	PeerHead	head;			/* REFUSED: of the batch that was not welcome */
	char		refusal[REFUSAL_LEN];	/* and why, if not for its head */
} StreamSlot;

/* What goes to the worker along with a descriptor. */
typedef struct StreamOffer
{
	int			procno;
	uint64		cookie;
} StreamOffer;

/* Who has been seen to bear a member's identity. */
typedef struct PeerIdentity
{
	uint64		id;
	uint64		incarnation;
	uint64		nonce;
	TimestampTz last_heard;
} PeerIdentity;

/* A peer's host name and its address (resolve.c). */
typedef struct ResolvedName
{
	char		host[256];
	char		address[64];	/* empty: not known */
	bool		wanted;			/* a look-up has been asked for */
	bool		failed;			/* the last one has, and the log says so */
	ClockTime	wanted_at;
	ClockTime	resolved_at;
} ResolvedName;

typedef struct MemberShared
{
	/* published state */
	slock_t		mutex;
	MemberStatus status;
	int			npeers;
	MemberPeer	peers[MEMBER_MAX_PEERS];
	int			nidentities;
	PeerIdentity identities[MEMBER_MAX_PEERS];

	pg_atomic_uint64 published_revision;
	ConditionVariable revision_advanced;

	/* how often the store was replaced by another one as a whole */
	pg_atomic_uint32 store_generation;

	/* the state contains all that was committed before this time of
	 * staleness_clock(); 0: not known */
	pg_atomic_uint64 fresh_since;

	/* processes; -1 where not running */
	int			worker_procno;
	pg_atomic_uint32 alarm;		/* what the worker does (alarm.c) */
	int			flusher_procno;
	int			caller_procno;	/* the gateway, owner of the slots from MaxBackends on */

	ClockTime	workers_began[MEMBER_WORKERS];	/* when last (workers.c) */

	int			slot_count;		/* of all slots */

	/* queue of slots that want to be taken */
	slock_t		queue_mutex;
	uint32		queue_head;
	uint32		queue_tail;
	uint32		queue_size;

	/* answered slots of the gateway: the worker moves the tail, the gateway the head */
	pg_atomic_uint32 answered_head;
	pg_atomic_uint32 answered_tail;

	/*
	 * Reads gather in rounds (requests.c).  A reader wakes the worker only if
	 * it is the reads_wanted'th since the worker last looked.
	 */
	pg_atomic_uint32 reads_queued;
	pg_atomic_uint32 reads_wanted;

	/* flusher: LSNs; done >= wanted when idle */
	pg_atomic_uint64 flush_wanted;
	pg_atomic_uint64 flush_done;
	pg_atomic_uint64 flush_usec;	/* how long the last one took */
	pg_atomic_uint64 writeback_asked;	/* how often (writeback.c) */

	/* is the database there that is to hold the store (database.c) */
	pg_atomic_uint64 database_asked;
	pg_atomic_uint64 database_answered;
	bool		database_exists;	/* as of database_answered */

	pg_atomic_uint32 streams_offered;	/* so many times */

	/* space (quota.c): by the worker, the flusher, the worker */
	pg_atomic_uint64 space_in_use;	/* bytes of the store; 0 without a quota */
	pg_atomic_uint64 disk_free; /* bytes; PG_UINT64_MAX: not looked at */
	pg_atomic_uint32 no_space_raised;	/* has this member raised the alarm? */
	char		store_path[MAXPGPATH];	/* under the mutex */

	pg_atomic_uint32 checker_runs;	/* the worker of corrupt.c */

	/* while above 0, nothing is removed that was compacted (member_hold_history()) */
	pg_atomic_uint32 history_holds;

	slock_t		names_mutex;
	ResolvedName names[MEMBER_MAX_PEERS];

	pg_atomic_uint64 next_number;
	uint64		run_id;			/* random; the origin of this run's commands */
	int			dsa_tranche;
} MemberShared;

typedef struct StatsShared StatsShared; /* stats.c */

extern MemberShared *member_shared;
extern StatsShared *member_stats;
extern RequestSlot *member_slots;
extern uint32 *member_queue;
extern uint32 *member_answered; /* a ring of CALL_SLOTS, a power of two */
extern InboxRing *member_inbox;
extern StreamSlot *member_streams;

/* Descriptors go in at [0], any backend, and come out at [1], the worker.  Made
 * in the postmaster, inherited by all; -1 if that failed */
extern int	member_stream_sockets[2];

extern Size member_shmem_size(void);
extern void member_shmem_init(void);
extern void member_preload(void);
extern dsa_area *member_dsa(void);	/* attaches on first use */

/* keywait.c: who waits in a queue of keys; own part of the shared memory */
typedef struct KeyWaitShared KeyWaitShared;
extern KeyWaitShared *member_keywait;
extern Size keywait_shmem_size(void);
extern void keywait_shmem_init(void *place, bool found);

/* stats.c */
extern Size stats_shmem_size(void);
extern void stats_shmem_init(StatsShared *stats);

/* quota.c: who proposes */
typedef enum QuotaVerdict
{
	QUOTA_OK,
	QUOTA_DISK_LOW,
	QUOTA_REACHED
} QuotaVerdict;

extern QuotaVerdict quota_verdict(const Quorum__Command *command);
extern bool quota_alarm_is_due(void);
extern void quota_fill_alarm(Quorum__Command *command, Etcdserverpb__AlarmRequest *request);
extern void quota_admit(const Quorum__Command *command);

/* shared.c: the queue of slots, and the ring of answered ones */
extern void queue_push(uint32 index);
extern bool queue_pop(uint32 *index);
extern uint32 queue_length(void);
extern void answered_push(uint32 index);
extern bool answered_pop(uint32 *index);
extern bool answered_is_empty(void);

/* slots.c: what the owners of slots do alike */
extern bool slot_member_refuses(MemberStatus *status);
extern uint64 slot_new_number(const RequestSlot *slot);
extern size_t slot_command_size(Quorum__Command *command, uint64 number);
extern char *slot_room(RequestSlot *slot, uint32 len);
extern bool slot_submit(RequestSlot *slot, SlotKind kind, QuestionKind question,
						uint64 number, uint32 len);
extern const char *slot_result(const RequestSlot *slot);
extern void slot_free_payloads(RequestSlot *slot);

/* Longest packed command: a request of the greatest size, and what goes with it */
#define COMMAND_MAX_BYTES		((size_t) setting_max_request_bytes + 1024)

static inline bool
slot_move(RequestSlot *slot, SlotState from, SlotState to)
{
	uint32		expected = from;

	return pg_atomic_compare_exchange_u32(&slot->state, &expected, to);
}

static inline bool
slot_is_of_gateway(const RequestSlot *slot)
{
	return slot - member_slots >= MaxBackends;
}

/* admission.c */
extern Quorum__Member *admission_find_place(List *members, const Quorum__Member *instance);
extern bool admission_is_peer(uint64 id);
extern char *admission_refusal(Relation store, const PeerHead *head,
							   const char *bytes, uint32 len);
extern void admission_raise(const char *refusal);	/* does not return */

/* inbox.c: worker side; next message into palloc'd memory, NULL if none */
extern char *inbox_take(uint32 *len);
extern bool inbox_empty(void);

/* put the undo of a slot that nobody else moves in the place of its request, and
 * into the queue */
extern void slot_begin_undo(RequestSlot *slot);

/* staleness.c: a clock that nobody sets, in us */
extern uint64 staleness_clock(void);

/* inbox.c: any process */
extern void inbox_require_worker(void);
extern void inbox_check_sender(const PeerHead *head);
extern bool inbox_sender_is_welcome(const PeerHead *head);
extern uint32 member_largest_batch(void);
extern void member_receive(const char *bytes, uint32 len);

/* wake a process by number; no-op for -1 */
extern void wake_procno(int procno);

/* alarm.c: have the raft worker look for work; any process */
extern void alarm_preload(void);
extern void wake_worker(void);

#endif							/* PGQ_MEMBER_SHARED_H */
