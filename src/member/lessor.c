/*-------------------------------------------------------------------------
 *
 * lessor.c
 *	  The leader keeps the time of leases.
 *
 * What leases there are is in the store; when they end only the leader knows,
 * in memory and by its monotonic clock.  A new leader gives each lease the time
 * that its last checkpoint left it, or its full TTL where there is none, and an election
 * timeout more, in which nobody could renew it (as etcd does).
 *
 * Expiry.  Leases that are due wait in a list.  Before any of them is revoked a
 * read round must show that this member led at a moment after they fell due: a
 * leader that was paused or cut off must not judge by its clock alone.  Then a batch of
 * revocations is proposed in this very term, never forwarded: if another
 * leads by now they are lost, and the next leader does it.
 * One batch is under way at a time, and its size follows how long the last one
 * took to apply (that depends on the keys).  The next one waits a moment, so that,
 * however many leases end at once, other writes go on between; but what was given
 * up by its holder does not wait.
 *
 * Renewal is an assignment: the heap is put right when the lease comes to its
 * top.  A lease that has been checkpointed is renewed by a further checkpoint
 * first, which restores its full time, or the next leader would cut it short.
 *
 * Checkpoints.  The leases that live longer than the interval stand in a queue;
 * since the interval is one for all, the queue is in order of time.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/lessor.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "../settings.h"
#include "lease_wire.h"
#include "worker.h"

#define BUILD_PER_TURN			1000	/* leases read from the store */
#define DUE_PER_TURN			1000	/* leases taken off the heap */
#define CHECKPOINTS_PER_ENTRY	1000

/* A batch of revocations: its limits, and how long its apply should take (ms) */
#define REVOKE_BATCH_MIN		4
#define REVOKE_BATCH_MAX		512
#define REVOKE_BATCH_FIRST		64
#define REVOKE_BATCH_STEP		16
#define REVOKE_SLOW_MS			25
#define REVOKE_FAST_MS			12

/* Time from one batch to the next, a little less than the usual heartbeat interval */
#define REVOKE_EVERY_MS			90

/* The store refused a revocation: try again after so long */
#define REVOKE_RETRY_MS			3000

/* Context of our read rounds; clients' count from 1, questions have the top bit */
#define ROUND_CTX_BIT			(UINT64CONST(1) << 62)

typedef enum LeaseState
{
	LEASE_HELD,					/* in the heap */
	LEASE_DUE,					/* in the list of those due; can still be renewed */
	LEASE_CONDEMNED,			/* likewise, but its holder has given it up */
	LEASE_REVOKING				/* proposed for revocation */
} LeaseState;

typedef struct Lease
{
	int64		id;
	int64		ttl;			/* s */
	int64		remaining;		/* s, of the last checkpoint; 0: none since it was renewed */
	int64		expiry;			/* ms */
	LeaseState	state;
	int			heap_index;		/* -1: not in it */
	dlist_node	node;			/* due or revoking */
	bool		queued;			/* for checkpoints */
	dlist_node	checkpoint_node;
	int64		checkpoint_at;	/* ms */
} Lease;

typedef struct LeaseHashEntry
{
	int64		id;
	char		status;
	Lease	   *lease;
} LeaseHashEntry;

#define SH_PREFIX				lease_hash
#define SH_ELEMENT_TYPE			LeaseHashEntry
#define SH_KEY_TYPE				int64
#define SH_KEY					id
#define SH_HASH_KEY(tb, key)	((uint32) (((uint64) (key) * UINT64CONST(0x9E3779B97F4A7C15)) >> 32))
#define SH_EQUAL(tb, a, b)		((a) == (b))
#define SH_SCOPE				static inline
#define SH_DEFINE
#define SH_DECLARE
#include "lib/simplehash.h"

/* key <= lease->expiry: renewals do not touch the heap */
typedef struct HeapItem
{
	int64		key;
	Lease	   *lease;
} HeapItem;

/* What a batch of applied commands changed, until it is committed. */
typedef struct Change
{
	enum
	{
		CHANGE_GRANT,
		CHANGE_REVOKE,
		CHANGE_REVOKE_FAILED,
		CHANGE_CHECKPOINT
	}			kind;
	int64		id;
	int64		remaining;
} Change;

static MemoryContext lessor_context;	/* all of one term */
static uint64 lessor_term;		/* in which this member leads; 0: it does not */
static bool building;
static int64 build_after;		/* the store's leases are known up to this id */
static int64 build_time;

static lease_hash_hash *leases;
static HeapItem *heap;
static int	heap_count;
static int	heap_size;
static dlist_head due;
static int	ndue;
static dlist_head revoking;
static dlist_head checkpoint_queue;

static Change *changes;
static int	nchanges;
static int	changes_size;
static bool store_replaced;		/* by an import: begin anew */

/* the read round before a batch */
static bool round_under_way;
static uint64 round_ctx;
static int64 round_time;
static int64 confirmed_time;	/* what was due by then may be revoked; 0: nothing */

/* the batch of revocations under way */
static uint64 batch_last;		/* its last index; 0: none */
static int64 batch_spent;		/* us of apply, so far */
static ClockTime apply_began;
static int64 next_batch_at;
static int	batch_limit = REVOKE_BATCH_FIRST;

/* ---------- the heap ---------- */

static void
heap_put(int i, HeapItem item)
{
	heap[i] = item;
	item.lease->heap_index = i;
}

static void
heap_sift_up(int i, HeapItem item)
{
	while (i > 0 && heap[(i - 1) / 2].key > item.key)
	{
		heap_put(i, heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	heap_put(i, item);
}

static void
heap_sift_down(int i, HeapItem item)
{
	for (;;)
	{
		int			child = 2 * i + 1;

		if (child >= heap_count)
			break;
		if (child + 1 < heap_count && heap[child + 1].key < heap[child].key)
			child++;
		if (heap[child].key >= item.key)
			break;
		heap_put(i, heap[child]);
		i = child;
	}
	heap_put(i, item);
}

static void
heap_add(Lease *lease)
{
	HeapItem	item = {lease->expiry, lease};

	if (heap_count == heap_size)
	{
		heap_size = Max(2 * heap_size, 64);
		heap = heap == NULL ?
			MemoryContextAllocHuge(lessor_context, heap_size * sizeof(HeapItem)) :
			repalloc_huge(heap, heap_size * sizeof(HeapItem));
	}
	heap_sift_up(heap_count++, item);
}

static void
heap_remove(Lease *lease)
{
	int			i = lease->heap_index;
	HeapItem	last = heap[--heap_count];

	lease->heap_index = -1;
	if (i == heap_count)
		return;
	if (i > 0 && heap[(i - 1) / 2].key > last.key)
		heap_sift_up(i, last);
	else
		heap_sift_down(i, last);
}

/* ---------- the leases ---------- */

static Lease *
lease_find(int64 id)
{
	LeaseHashEntry *entry = lease_hash_lookup(leases, id);

	return entry ? entry->lease : NULL;
}

static void
lease_set_state(Lease *lease, LeaseState state)
{
	if (lease->state == LEASE_HELD)
	{
		if (lease->heap_index >= 0)
			heap_remove(lease);
	}
	else
	{
		dlist_delete(&lease->node);
		if (lease->state != LEASE_REVOKING)
			ndue--;
	}

	lease->state = state;
	switch (state)
	{
		case LEASE_HELD:
			heap_add(lease);
			break;
		case LEASE_DUE:
			dlist_push_tail(&due, &lease->node);
			ndue++;
			break;
		case LEASE_CONDEMNED:
			/* somebody may wait for what it holds: before those nobody keeps alive */
			dlist_push_head(&due, &lease->node);
			ndue++;
			break;
		case LEASE_REVOKING:
			dlist_push_tail(&revoking, &lease->node);
			break;
	}
}

static void
lease_queue_checkpoint(Lease *lease, int64 now)
{
	if (lease->queued)
		dlist_delete(&lease->checkpoint_node);
	lease->queued = lease->ttl > setting_lease_checkpoint_interval;
	if (lease->queued)
	{
		lease->checkpoint_at = now + setting_lease_checkpoint_interval * INT64CONST(1000);
		dlist_push_tail(&checkpoint_queue, &lease->checkpoint_node);
	}
}

static void
lease_add(const StoreLease *stored, int64 expiry, int64 now)
{
	bool		found;
	LeaseHashEntry *entry = lease_hash_insert(leases, stored->id, &found);
	Lease	   *lease;

	if (found)
		return;
	lease = MemoryContextAllocZero(lessor_context, sizeof(Lease));
	entry->lease = lease;
	lease->id = stored->id;
	lease->ttl = stored->ttl;
	lease->remaining = stored->remaining;
	lease->expiry = expiry;
	lease->heap_index = -1;
	lease_set_state(lease, LEASE_HELD);
	lease_queue_checkpoint(lease, now);
}

static void
lease_remove(Lease *lease)
{
	if (lease->state == LEASE_HELD)
		heap_remove(lease);
	else
	{
		dlist_delete(&lease->node);
		if (lease->state != LEASE_REVOKING)
			ndue--;
	}
	if (lease->queued)
		dlist_delete(&lease->checkpoint_node);
	lease_hash_delete(leases, lease->id);
	pfree(lease);
}

static void
lease_renew(Lease *lease, int64 now)
{
	lease->expiry = now + lease->ttl * 1000;
	if (lease->state == LEASE_DUE)
		lease_set_state(lease, LEASE_HELD);
}

/* ---------- a term ---------- */

static void
end_term(void)
{
	if (lessor_context != NULL)
		MemoryContextReset(lessor_context);
	lessor_term = 0;
	leases = NULL;
	heap = NULL;
	heap_count = heap_size = 0;
	ndue = 0;
	changes = NULL;
	nchanges = changes_size = 0;
	round_under_way = false;
	confirmed_time = 0;
	batch_last = 0;
	batch_limit = REVOKE_BATCH_FIRST;
	next_batch_at = 0;
	store_replaced = false;
}

/*
 * lessor_start() -- begin with nothing; called when the consensus core has been
 * made anew, perhaps on another store.
 */
void
lessor_start(void)
{
	end_term();
}

static void
begin_term(uint64 term)
{
	end_term();
	if (lessor_context == NULL)
		lessor_context = AllocSetContextCreate(worker->context, "pg_quorum leases",
											   ALLOCSET_DEFAULT_SIZES);
	leases = lease_hash_create(lessor_context, 64, NULL);
	dlist_init(&due);
	dlist_init(&revoking);
	dlist_init(&checkpoint_queue);
	lessor_term = term;
	building = true;
	build_after = 0;
	build_time = clock_now_ms();
}

typedef struct BuildVisit
{
	int64		now;
	int			n;
} BuildVisit;

static bool
build_visit(const StoreLease *stored, void *arg)
{
	BuildVisit *visit = arg;
	int64		left = stored->remaining > 0 ? stored->remaining : stored->ttl;

	lease_add(stored, build_time + setting_election_timeout + left * 1000, visit->now);
	build_after = stored->id;
	return ++visit->n < BUILD_PER_TURN;
}

/*
 * Read some more of the store's leases.
 */
static void
build(void)
{
	BuildVisit	visit = {clock_now_ms(), 0};

	store_scan_leases(worker->tree_rel, build_after, build_visit, &visit);
	if (visit.n < BUILD_PER_TURN)
		building = false;
	else
		worker->more_work = true;
}

/* ---------- what was applied ---------- */

static void
note_change(int kind, int64 id, int64 remaining)
{
	if (nchanges == changes_size)
	{
		changes_size = Max(2 * changes_size, 64);
		changes = changes == NULL ?
			MemoryContextAlloc(lessor_context, changes_size * sizeof(Change)) :
			repalloc_huge(changes, changes_size * sizeof(Change));
	}
	changes[nchanges].kind = kind;
	changes[nchanges].id = id;
	changes[nchanges].remaining = remaining;
	nchanges++;
}

/*
 * lessor_apply_begins() -- a batch of commands is about to be applied.
 */
void
lessor_apply_begins(void)
{
	if (batch_last != 0)
		apply_began = clock_now();
}

/*
 * Add the apply that ends now to what the batch of revocations has cost.
 */
static void
count_apply_time(void)
{
	batch_spent += clock_now() - apply_began;
}

/*
 * lessor_applied() -- a command was applied to the batch, with this outcome.
 */
void
lessor_applied(const Quorum__Command *command, StoreError error)
{
	size_t		i;

	if (lessor_term == 0 || command == NULL)
		return;
	switch (command->op_case)
	{
		case QUORUM__COMMAND__OP_LEASE_GRANT:
			if (error == STORE_OK)
				note_change(CHANGE_GRANT, command->lease_grant->id, 0);
			break;
		case QUORUM__COMMAND__OP_LEASE_REVOKE:
			if (error == STORE_OK || error == STORE_LEASE_NOT_FOUND)
				note_change(CHANGE_REVOKE, command->lease_revoke->id, 0);
			else if (command->internal)
				note_change(CHANGE_REVOKE_FAILED, command->lease_revoke->id, 0);
			break;
		case QUORUM__COMMAND__OP_LEASE_CHECKPOINT:
			for (i = 0; error == STORE_OK && i < command->lease_checkpoint->n_checkpoints; i++)
				note_change(CHANGE_CHECKPOINT, command->lease_checkpoint->checkpoints[i]->id,
							command->lease_checkpoint->checkpoints[i]->remaining_ttl);
			break;
		case QUORUM__COMMAND__OP_IMPORT:
			if (error == STORE_OK && command->import->last)
				store_replaced = true;
			break;
		default:
			break;
	}
}

/*
 * lessor_committed() -- the batch is in the store: follow it.
 */
void
lessor_committed(void)
{
	bool		revoked = false;
	int64		now;
	int			i;

	if (nchanges == 0)
		return;
	now = clock_now_ms();
	for (i = 0; i < nchanges; i++)
	{
		Lease	   *lease = lease_find(changes[i].id);
		StoreLease	stored;

		switch (changes[i].kind)
		{
			case CHANGE_GRANT:
				/* what the store made of it counts, and it may be gone again */
				if (lease == NULL && store_get_lease(worker->tree_rel, changes[i].id, &stored))
					lease_add(&stored, now + stored.ttl * 1000, now);
				break;
			case CHANGE_REVOKE:
				if (lease == NULL)
					break;
				revoked |= lease->state == LEASE_REVOKING;
				lease_remove(lease);
				break;
			case CHANGE_REVOKE_FAILED:
				if (lease != NULL && lease->state == LEASE_REVOKING)
				{
					lease->expiry = now + REVOKE_RETRY_MS;
					lease_set_state(lease, LEASE_HELD);
				}
				break;
			case CHANGE_CHECKPOINT:
				if (lease != NULL)
					lease->remaining = changes[i].remaining;
				break;
		}
	}
	nchanges = 0;
	if (revoked && batch_last != 0)
		count_apply_time();
}

/* ---------- proposals ---------- */

static void
entry_init(struct raft_entry *entry, Quorum__Command *command)
{
	size_t		size;
	char	   *packed;

	command->internal = true;
	size = quorum__command__get_packed_size(command);
	packed = palloc(size);
	quorum__command__pack(command, (uint8_t *) packed);
	memset(entry, 0, sizeof(*entry));
	entry->type = RAFT_ENTRY_NORMAL;
	entry->size = size;
	entry->data = packed;
}

/*
 * Propose a checkpoint of n leases; the index of its entry, 0 if it was not
 * taken.
 */
static uint64
propose_checkpoint(Lease **which, const int64 *remaining, int n)
{
	Quorum__Command command = QUORUM__COMMAND__INIT;
	Etcdserverpb__LeaseCheckpointRequest request = ETCDSERVERPB__LEASE_CHECKPOINT_REQUEST__INIT;
	Etcdserverpb__LeaseCheckpoint *items = palloc(n * sizeof(*items));
	struct raft_entry entry;
	raft_index	index = 0;
	int			i;

	request.n_checkpoints = n;
	request.checkpoints = palloc(n * sizeof(void *));
	for (i = 0; i < n; i++)
	{
		etcdserverpb__lease_checkpoint__init(&items[i]);
		items[i].id = which[i]->id;
		items[i].remaining_ttl = remaining[i];
		request.checkpoints[i] = &items[i];
	}
	command.op_case = QUORUM__COMMAND__OP_LEASE_CHECKPOINT;
	command.lease_checkpoint = &request;
	entry_init(&entry, &command);
	if (raft_propose(worker->raft, &entry, 1, &index) != RAFT_OK)
		return 0;
	return index;
}

/*
 * Save the remaining time of those leases whose turn it is and that have not
 * been renewed for an interval: at most one entry.
 */
static void
checkpoint(int64 now)
{
	Lease	  **which;
	int64	   *remaining;
	int			n = 0;
	int			i;

	if (dlist_is_empty(&checkpoint_queue) ||
		dlist_head_element(Lease, checkpoint_node, &checkpoint_queue)->checkpoint_at > now)
		return;
	which = palloc(CHECKPOINTS_PER_ENTRY * sizeof(Lease *));
	remaining = palloc(CHECKPOINTS_PER_ENTRY * sizeof(int64));
	for (i = 0; i < CHECKPOINTS_PER_ENTRY && !dlist_is_empty(&checkpoint_queue); i++)
	{
		Lease	   *lease = dlist_head_element(Lease, checkpoint_node, &checkpoint_queue);
		int64		left = (lease->expiry - now + 999) / 1000;

		if (lease->checkpoint_at > now)
			break;
		lease_queue_checkpoint(lease, now);
		if (lease->state == LEASE_HELD && left > 0 &&
			left <= lease->ttl - setting_lease_checkpoint_interval &&
			(lease->remaining == 0 || left < lease->remaining))
		{
			which[n] = lease;
			remaining[n++] = left;
		}
	}
	if (n > 0)
		(void) propose_checkpoint(which, remaining, n);
	if (i == CHECKPOINTS_PER_ENTRY)
		worker->more_work = true;
}

/*
 * Is there anything that may be revoked now?  While the alarm CORRUPT is raised the
 * store refuses to, and trying would only fill the log.
 */
static bool
batch_wanted(int64 now)
{
	return ndue > 0 &&
		!store_alarm_active(store_meta(worker->store), ETCDSERVERPB__ALARM_TYPE__CORRUPT) &&
		(now >= next_batch_at ||
		 dlist_head_element(Lease, node, &due)->state == LEASE_CONDEMNED);
}

/*
 * Propose the revocation of leases whose time had come when the last read round
 * began.
 */
static void
propose_revocations(int64 now)
{
	struct raft_entry *entries = palloc(batch_limit * sizeof(struct raft_entry));
	Lease	  **which = palloc(batch_limit * sizeof(Lease *));
	dlist_iter	iter;
	raft_index	first = 0;
	int			n = 0;
	int			i;

	dlist_foreach(iter, &due)
	{
		Lease	   *lease = dlist_container(Lease, node, iter.cur);
		Quorum__Command command = QUORUM__COMMAND__INIT;
		Etcdserverpb__LeaseRevokeRequest request = ETCDSERVERPB__LEASE_REVOKE_REQUEST__INIT;

		if (n == batch_limit || (lease->state == LEASE_DUE && now < next_batch_at))
			break;
		if (lease->expiry > confirmed_time)
			continue;
		request.id = lease->id;
		command.op_case = QUORUM__COMMAND__OP_LEASE_REVOKE;
		command.lease_revoke = &request;
		entry_init(&entries[n], &command);
		which[n++] = lease;
	}
	confirmed_time = 0;
	if (n == 0 || raft_propose(worker->raft, entries, n, &first) != RAFT_OK)
		return;					/* the next round tries again */
	for (i = 0; i < n; i++)
		lease_set_state(which[i], LEASE_REVOKING);
	batch_last = first + n - 1;
	batch_spent = 0;
	if (now >= next_batch_at)
		next_batch_at = now + REVOKE_EVERY_MS;
}

/*
 * Has the batch under way been applied?  Then its time says how large the next
 * one should be.
 */
static void
finish_batch(void)
{
	if (batch_last == 0 || worker->applied < batch_last)
		return;
	batch_last = 0;
	ereport(DEBUG1,
			(errmsg_internal("revoked leases, %d at most, applied in " INT64_FORMAT " us; " INT64_FORMAT " left",
							 batch_limit, batch_spent, (int64) ndue)));
	if (batch_spent > REVOKE_SLOW_MS * 1000)
		batch_limit = Max(batch_limit / 2, REVOKE_BATCH_MIN);
	else if (batch_spent < REVOKE_FAST_MS * 1000)
		batch_limit = Min(batch_limit + REVOKE_BATCH_STEP, REVOKE_BATCH_MAX);
}

/*
 * Take off the heap what is due.
 */
static void
collect_due(int64 now)
{
	int			n;

	for (n = 0; heap_count > 0 && heap[0].key <= now; n++)
	{
		Lease	   *lease = heap[0].lease;

		if (n == DUE_PER_TURN)
		{
			worker->more_work = true;
			break;
		}
		if (lease->expiry > now)
		{
			HeapItem	item = {lease->expiry, lease};

			heap_sift_down(0, item);
		}
		else
			lease_set_state(lease, LEASE_DUE);
	}
}

/*
 * lessor_own_read() -- the core answers a read round: is it the lessor's?
 */
bool
lessor_own_read(const struct raft_read *read)
{
	if ((read->ctx & ROUND_CTX_BIT) == 0)
		return false;
	if (round_under_way && read->ctx == round_ctx)
	{
		round_under_way = false;
		if (read->rc == RAFT_OK)
			confirmed_time = round_time;
	}
	return true;
}

/*
 * lessor_run() -- do what is due.  In a turn, outside of apply.
 */
void
lessor_run(void)
{
	static uint64 next_ctx = 1;
	uint64		term = worker->role == MEMBER_LEADER ? worker->meta.term : 0;
	int64		now;

	if (term != lessor_term || store_replaced)
	{
		if (term == 0)
			end_term();
		else
			begin_term(term);
	}
	if (term == 0)
		return;
	if (building)
		build();
	if (heap_count == 0 && ndue == 0 && batch_last == 0)
		return;

	now = clock_now_ms();
	finish_batch();
	collect_due(now);
	checkpoint(now);
	if (building || !batch_wanted(now))
		return;
	if (confirmed_time > 0 && batch_last == 0)
		propose_revocations(now);
	if (!round_under_way && confirmed_time == 0 && batch_wanted(now))
	{
		round_ctx = ROUND_CTX_BIT | next_ctx++;
		round_time = now;
		round_under_way = raft_read(worker->raft, round_ctx) == RAFT_OK;
	}
}

/* ---------- questions ---------- */

/*
 * The ids of a question; false unless this member keeps the time in its
 * term.
 */
static bool
question_ready(const Question *question, int *n)
{
	*n = question->len / sizeof(int64);
	return lessor_term == question->term && !building && !store_replaced;
}

/*
 * lessor_keepalive() -- renew leases.  Waits for checkpoints that give leases
 * their full time back, and for revocations that are under way.
 */
QuestionVerdict
lessor_keepalive(Question *question, char **answer, uint32 *len)
{
	int64		now = clock_now_ms();
	Lease	  **cut = NULL;
	int			ncut = 0;
	bool		wait = false;
	int			n;
	int			i;

	if (!question_ready(question, &n))
		return QUESTION_WAITS;
	*len = n * sizeof(int64);
	*answer = palloc(*len + 1);
	for (i = 0; i < n; i++)
	{
		Lease	   *lease = lease_find(lease_get_word(question->payload, i));

		lease_put_word(*answer, i, lease ? lease->ttl : 0);
		if (lease == NULL)
			continue;
		if (lease->state == LEASE_REVOKING || lease->state == LEASE_CONDEMNED)
		{
			wait = true;
			continue;
		}
		lease_renew(lease, now);
		if (lease->remaining > 0)
		{
			if (cut == NULL)
				cut = palloc(n * sizeof(Lease *));
			cut[ncut++] = lease;
		}
	}

	if (ncut > 0 && question->state == NULL)
	{
		int64	   *full = palloc0(CHECKPOINTS_PER_ENTRY * sizeof(int64));

		for (i = 0; i < ncut; i += CHECKPOINTS_PER_ENTRY)
		{
			uint64		index = propose_checkpoint(cut + i, full,
												   Min(ncut - i, CHECKPOINTS_PER_ENTRY));

			if (index == 0)
				return QUESTION_AGAIN;
			question->apply_index = index;
		}
		/* once is enough, however often this is called */
		question->state = MemoryContextAlloc(worker->context, 1);
		wait = true;
	}
	return wait ? QUESTION_WAITS : QUESTION_ANSWERED;
}

/*
 * lessor_ttl() -- the remaining and the granted time of leases.
 */
QuestionVerdict
lessor_ttl(Question *question, char **answer, uint32 *len)
{
	int64		now = clock_now_ms();
	int			n;
	int			i;

	if (!question_ready(question, &n))
		return QUESTION_WAITS;
	n = Min(n, LEASES_PER_QUESTION);
	*len = 2 * n * sizeof(int64);
	*answer = palloc(*len + 1);
	for (i = 0; i < n; i++)
	{
		Lease	   *lease = lease_find(lease_get_word(question->payload, i));
		int64		left = -1;

		if (lease != NULL)
			left = lease->state == LEASE_HELD ? Max(lease->expiry - now, 0) : 0;
		lease_put_word(*answer, 2 * i, left);
		lease_put_word(*answer, 2 * i + 1, lease ? lease->ttl : 0);
	}
	return QUESTION_ANSWERED;
}

/*
 * lessor_expire() -- their holder has given leases up: revoke them, and answer
 * when they are gone.
 */
QuestionVerdict
lessor_expire(Question *question, char **answer, uint32 *len)
{
	int64		now = clock_now_ms();
	bool		wait = false;
	int			n;
	int			i;

	if (!question_ready(question, &n))
		return QUESTION_WAITS;
	for (i = 0; i < n; i++)
	{
		Lease	   *lease = lease_find(lease_get_word(question->payload, i));

		if (lease == NULL)
			continue;
		wait = true;
		if (lease->state == LEASE_HELD || lease->state == LEASE_DUE)
		{
			lease->expiry = now;
			lease_set_state(lease, LEASE_CONDEMNED);
		}
	}
	*answer = NULL;
	*len = 0;
	return wait ? QUESTION_WAITS : QUESTION_ANSWERED;
}
