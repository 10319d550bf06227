/*-------------------------------------------------------------------------
 *
 * client.c
 *	  A client backend's side of a request: enqueue, wait, take the answer.
 *
 * A backend has one slot and so at most one request under way.  Whatever way
 * it leaves the wait - answer, timeout, cancel, termination - it takes its slot
 * back first, so the worker never answers into a slot that serves another
 * request.
 *
 * There is one exception.  A command may come with an undo, for effects that nobody
 * could ever find again, such as a place in a lock's queue.  If its client leaves
 * while it is proposed, the slot stays with the worker, which puts the undo in its place
 * as soon as the fate of the first is known: not before, or the undo might be
 * carried out first.  The session's next request waits until that is over.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/client.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "tcop/utility.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#include "../clock.h"
#include "../settings.h"
#include "../storage/storage.h"
#include "../store/pbmem.h"
#include "../store/store.h"
#include "parking.h"
#include "shared.h"
#include "../compat.h"

/* How often to look whether a locked store is free again */
#define LOCKED_RETRY_MS			10

static bool exit_callback_registered = false;

/* The slot was left to the worker: it belongs to an undo, or a detached command. */
static bool slot_is_detached = false;

/* A packed command */
typedef struct Packed
{
	uint64		number;
	char	   *bytes;
	uint32		len;
} Packed;

void
member_require_preload(void)
{
	if (member_shared == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("pg_quorum must be loaded via shared_preload_libraries"),
				 errhint("Add pg_quorum to shared_preload_libraries in postgresql.conf and restart the server.")));
}

static RequestSlot *
my_slot(void)
{
	return &member_slots[pgq_my_procno()];
}

/*
 * Take the slot back in whatever state it is; returns the state it had, which
 * is never TAKING or FILLING: those pass within microseconds unless the worker
 * died in them, and then its successor resolves them.
 */
static SlotState
slot_reclaim(RequestSlot *slot)
{
	for (;;)
	{
		SlotState	state = pg_atomic_read_u32(&slot->state);

		switch (state)
		{
			case SLOT_FREE:
				return state;
			case SLOT_TAKING:
			case SLOT_FILLING:
				pg_usleep(50);
				break;
			case SLOT_QUEUED:
			case SLOT_PROPOSED:
			case SLOT_DONE:
				if (slot_move(slot, state, SLOT_FREE))
					return state;
				break;
		}
	}
}

/*
 * Give up the slot and what it owns in the DSA.
 */
static SlotState
slot_release(RequestSlot *slot)
{
	SlotState	state = slot_reclaim(slot);

	slot_free_payloads(slot);
	if (DsaPointerIsValid(slot->undo_payload))
	{
		dsa_free(member_dsa(), slot->undo_payload);
		slot->undo_payload = InvalidDsaPointer;
	}
	pg_atomic_write_u32(&slot->undo, 0);
	slot->detached = false;
	slot_is_detached = false;
	return state;
}

/*
 * Give the slot up, and have the request undone if it may have been carried out, or may be
 * yet.  Returns the state it had: SLOT_QUEUED if it certainly was not and
 * will not be.
 */
static SlotState
slot_detach(RequestSlot *slot)
{
	slot_is_detached = true;
	pg_atomic_write_u32(&slot->undo, 1);
	for (;;)
	{
		SlotState	state;

		pg_memory_barrier();
		state = pg_atomic_read_u32(&slot->state);
		switch (state)
		{
			case SLOT_FREE:
				pg_atomic_write_u32(&slot->undo, 0);
				slot_is_detached = false;
				return state;
			case SLOT_TAKING:
			case SLOT_FILLING:
				pg_usleep(50);
				break;
			case SLOT_PROPOSED:
				return state;
			case SLOT_QUEUED:
				/* without the mark it is the undo that waits there */
				if (pg_atomic_exchange_u32(&slot->undo, 0) == 0)
					return SLOT_PROPOSED;
				if (slot_move(slot, SLOT_QUEUED, SLOT_FREE))
				{
					(void) slot_release(slot);
					return state;
				}
				pg_atomic_write_u32(&slot->undo, 1);
				break;
			case SLOT_DONE:
				if (pg_atomic_exchange_u32(&slot->undo, 0) == 1)
					slot_begin_undo(slot);
				return state;
		}
	}
}

static void
release_at_exit(int code, Datum arg)
{
	(void) slot_release(my_slot());
}

/*
 * Refuse at once what no waiting can help.
 */
static void
check_role(void)
{
	MemberStatus status;

	if (!slot_member_refuses(&status))
		return;
	if (status.role == MEMBER_JOINING)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("this instance has not joined its cluster yet"),
				 errdetail("%s", status.reason)));
	if (strcmp(status.reason, MEMBER_REASON_REMOVED) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("this member was removed from the cluster"),
				 errhint("To have it back, add it with quorum.member_add() on a member, and call quorum.rejoin() here.")));
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("member is quarantined"),
			 errdetail("%s", status.reason),
			 errhint("Call quorum.rejoin() to join again as a fresh member, or quorum.new_cluster() to found a new cluster from this data.")));
}

/*
 * Raise the error for a request that was given up at the timeout.
 */
static void
report_timeout(SlotState state, SlotKind kind, QuestionKind question, int timeout_ms,
			   bool undone)
{
	MemberStatus status;

	member_get_status(&status);
	if (kind == SLOT_REJOIN)
		ereport(ERROR,
				(errcode(ERRCODE_CANNOT_CONNECT_NOW),
				 errmsg("the member has not been taken into the cluster yet"),
				 errdetail("It goes on asking.  It has done so for %d ms.", timeout_ms),
				 errhint("The leader's log says why it refuses: a quorum must be there, and the member to be replaced must not be running.")));
	if (state == SLOT_PROPOSED && kind != SLOT_READ &&
		(kind != SLOT_QUESTION || question == QUESTION_MEMBER_CHANGE))
		ereport(ERROR,
				(errcode(ERRCODE_TRANSACTION_RESOLUTION_UNKNOWN),
				 errmsg("outcome of the request is unknown"),
				 undone ?
				 errdetail("It was proposed, but not known to be committed within %d ms.  It will be taken back.",
						   timeout_ms) :
				 errdetail("It was proposed, but not known to be committed within %d ms.  It may still be carried out.",
						   timeout_ms),
				 undone ? 0 : errhint("Read the keys concerned to learn what happened.")));
	if (status.role == MEMBER_STOPPED)
		ereport(ERROR,
				(errcode(ERRCODE_CANNOT_CONNECT_NOW),
				 errmsg("the raft worker is not running"),
				 errdetail("The request was not carried out."),
				 errhint("See the server log; max_worker_processes may be too small.")));
	if (status.role == MEMBER_IDLE)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("pg_quorum is not active in this database cluster"),
				 errdetail("%s", status.reason),
				 errhint("Run CREATE EXTENSION pg_quorum in the database that pg_quorum.database names.")));
	if (status.reason[0] != '\0')
		ereport(ERROR,
				(errcode(ERRCODE_CANNOT_CONNECT_NOW),
				 errmsg("the member cannot work at present"),
				 errdetail("%s  The request was not carried out.", status.reason)));
	ereport(ERROR,
			(errcode(ERRCODE_CANNOT_CONNECT_NOW),
			 errmsg(status.leader_id == 0 ? "no leader is known" : "no quorum of members answered in time"),
			 errdetail("The request was not carried out within %d ms.", timeout_ms),
			 errhint("Check quorum.members for members that cannot be reached.")));
}

static void
report_outcome(SlotOutcome outcome)
{
	switch (outcome)
	{
		case OUTCOME_RESULT:
			break;
		case OUTCOME_TOO_BIG:
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("request is too large"),
					 errdetail("It does not fit in the queues between the members."),
					 errhint("Set pg_quorum.queue_size higher on all members.")));
			break;
		case OUTCOME_POISON:
			ereport(ERROR,
					(errcode(ERRCODE_TRANSACTION_RESOLUTION_UNKNOWN),
					 errmsg("the raft worker failed while it handled this request"),
					 errdetail("It is not tried again.")));
			break;
		case OUTCOME_REMOVED:
			ereport(ERROR,
					(errcode(ERRCODE_TRANSACTION_RESOLUTION_UNKNOWN),
					 errmsg("outcome of the request is unknown"),
					 errdetail("This member was removed from the cluster while the request was under way.")));
			break;
		case OUTCOME_STORE_GONE:
			ereport(ERROR,
					(errcode(ERRCODE_TRANSACTION_RESOLUTION_UNKNOWN),
					 errmsg("the store of this member was dropped while it handled this request"),
					 errdetail("Other members may have carried it out.")));
			break;
		case OUTCOME_UNKNOWN_KIND:
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("the leader does not support this request"),
					 errhint("Bring all members to the same version of pg_quorum.")));
			break;
		case OUTCOME_STATE:
			check_role();
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("request is not possible in the member's present state")));
			break;
		case OUTCOME_NO_MEMORY:
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
					 errmsg("shared memory for results is used up"),
					 errdetail("The request was carried out, but its result is lost."),
					 errhint("Set pg_quorum.queue_size higher.")));
			break;
	}
}

/*
 * Wait until the slot is DONE; returns the state in which it was left when the
 * time is up.
 */
static void
wait_for_answer(RequestSlot *slot, int timeout_ms)
{
	static uint32 wait_event = 0;
	ClockTime	deadline = clock_plus_ms(clock_now(), timeout_ms);
	long		left;

	for (;;)
	{
		uint32		state = pg_atomic_read_u32(&slot->state);

		if (state == SLOT_DONE)
		{
			pg_read_barrier();
			return;
		}
		CHECK_FOR_INTERRUPTS();
		left = clock_ms_between(clock_now(), deadline);
		if (left <= 0)
			return;
		park(&slot->state, state, left, pgq_wait_event(&wait_event, "QuorumRequest"));
	}
}

/*
 * Wait until the worker is done with a slot that was left to it.
 */
static void
await_detached(RequestSlot *slot, SlotKind kind, int timeout_ms)
{
	if (!slot_is_detached)
		return;
	wait_for_answer(slot, timeout_ms);
	if (pg_atomic_read_u32(&slot->state) != SLOT_DONE)
		report_timeout(SLOT_QUEUED, kind, 0, timeout_ms, false);	/* of the new request */
}

static void
report_no_memory(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
			 errmsg("shared memory for requests is used up"),
			 errhint("Set pg_quorum.queue_size higher.")));
}

/*
 * Copy an undo to where the worker finds it; false if there is no memory for it.
 */
static bool
slot_store_undo(RequestSlot *slot, const Packed *undo)
{
	char	   *place = slot->undo_data;

	if (undo->len > SLOT_UNDO_BYTES)
	{
		slot->undo_payload = dsa_allocate_extended(member_dsa(), undo->len, DSA_ALLOC_NO_OOM);
		if (!DsaPointerIsValid(slot->undo_payload))
			return false;
		place = dsa_get_address(member_dsa(), slot->undo_payload);
	}
	memcpy(place, undo->bytes, undo->len);
	slot->undo_number = undo->number;
	slot->undo_len = undo->len;
	return true;
}

/*
 * Have the worker carry out a request; the packed result, palloc'd, comes back
 * in *result (NULL where the kind has none).  undo is what takes it back if
 * the wait ends without an answer, or NULL.
 */
static void
do_request(SlotKind kind, QuestionKind question, uint64 number, const char *request, uint32 len,
		   int timeout_ms, const Packed *undo, char **result, uint32 *result_len)
{
	RequestSlot *slot = my_slot();
	SlotState	left_as;
	char	   *place;

	if (!exit_callback_registered)
	{
		before_shmem_exit(release_at_exit, (Datum) 0);
		exit_callback_registered = true;
	}
	await_detached(slot, kind, timeout_ms);
	(void) slot_release(slot);	/* left over from a request that failed */

	place = slot_room(slot, len);
	if (place == NULL || (undo != NULL && !slot_store_undo(slot, undo)))
		report_no_memory();
	if (len > 0)
		memcpy(place, request, len);
	if (slot_submit(slot, kind, question, number, len))
		wake_worker();

	PG_TRY();
	{
		wait_for_answer(slot, timeout_ms);
	}
	PG_CATCH();
	{
		left_as = undo != NULL ? slot_detach(slot) : slot_release(slot);
		if (left_as == SLOT_PROPOSED && kind == SLOT_COMMAND && undo == NULL)
		{
			MemoryContext old = MemoryContextSwitchTo(CurTransactionContext);
			ErrorData  *edata = CopyErrorData();

			FlushErrorState();
			MemoryContextSwitchTo(old);
			if (edata->detail == NULL)
				edata->detail = "The request was proposed before; it may still be carried out.";
			ReThrowError(edata);
		}
		PG_RE_THROW();
	}
	PG_END_TRY();

	if (pg_atomic_read_u32(&slot->state) != SLOT_DONE)
	{
		left_as = undo != NULL ? slot_detach(slot) : slot_release(slot);
		if (left_as != SLOT_DONE)
			report_timeout(left_as, kind, question, timeout_ms, undo != NULL);
		/* the answer came in the last moment and is gone: say what is known */
		report_timeout(kind == SLOT_READ ||
					   (kind == SLOT_QUESTION && question != QUESTION_MEMBER_CHANGE) ?
					   SLOT_QUEUED : SLOT_PROPOSED, kind, question, timeout_ms, undo != NULL);
	}

	if (slot->outcome == OUTCOME_RESULT && result != NULL)
	{
		*result_len = slot->len;
		*result = palloc(slot->len + 1);
		memcpy(*result, slot_result(slot), slot->len);
		(void) slot_release(slot);
	}
	else
	{
		SlotOutcome outcome = slot->outcome;

		/* may have been carried out, but there is no result */
		if (undo != NULL && (outcome == OUTCOME_POISON || outcome == OUTCOME_NO_MEMORY))
			(void) slot_detach(slot);
		else
			(void) slot_release(slot);
		if (outcome == OUTCOME_REMOVED && question == QUESTION_MEMBER_CHANGE)
			return;				/* perhaps just what was asked for: see change.c */
		report_outcome(outcome);
	}
}

/*
 * Number a command and pack it, into stack if it fits there.
 */
static void
pack_command(Quorum__Command *command, Packed *packed, char *stack, size_t stack_size)
{
	uint64		number = slot_new_number(my_slot());
	size_t		size = slot_command_size(command, number);

	if (size > COMMAND_MAX_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("request is too large"),
				 errdetail("The request has %zu bytes, the limit is %d.",
						   size, setting_max_request_bytes),
				 errhint("The limit is set by pg_quorum.max_request_bytes.")));
	packed->number = number;
	packed->bytes = size > stack_size ? palloc(size) : stack;
	packed->len = size;
	quorum__command__pack(command, (uint8_t *) packed->bytes);
}

/*
 * member_execute() -- see member.h.
 */
Quorum__Result *
member_execute(Quorum__Command *command)
{
	return member_execute_or_undo(command, NULL);
}

/*
 * member_execute_or_undo() -- see member.h.
 */
Quorum__Result *
member_execute_or_undo(Quorum__Command *command, Quorum__Command *undo)
{
	char		stack[SLOT_INLINE_BYTES];
	char		undo_stack[SLOT_UNDO_BYTES];
	Packed		packed;
	Packed		packed_undo;
	char	   *answer = NULL;
	uint32		answer_len = 0;
	Quorum__Result *result;

	member_require_preload();
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("cannot write to the cluster during recovery"),
				 errhint("A standby is not a member; send the call to one.")));
	if (XactReadOnly)
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("cannot write to the cluster in a read-only transaction")));
	check_role();
	quota_admit(command);

	pack_command(command, &packed, stack, sizeof(stack));
	if (undo != NULL)
		pack_command(undo, &packed_undo, undo_stack, sizeof(undo_stack));
	do_request(SLOT_COMMAND, 0, packed.number, packed.bytes, packed.len, setting_request_timeout,
			   undo != NULL ? &packed_undo : NULL, &answer, &answer_len);
	if (packed.bytes != stack)
		pfree(packed.bytes);
	if (undo != NULL && packed_undo.bytes != undo_stack)
		pfree(packed_undo.bytes);

	result = (Quorum__Result *) pb_unpack(&quorum__result__descriptor, answer, answer_len);
	if (result == NULL)
		elog(ERROR, "could not decode the result of a command");
	pfree(answer);
	return result;
}

/*
 * member_execute_detached() -- see member.h.
 */
bool
member_execute_detached(Quorum__Command *command)
{
	RequestSlot *slot = my_slot();
	Packed		packed;
	char		stack[SLOT_UNDO_BYTES];

	if (slot_is_detached)
		return false;
	(void) slot_release(slot);
	pack_command(command, &packed, stack, sizeof(stack));
	if (!slot_store_undo(slot, &packed))
		return false;
	slot_is_detached = true;
	slot_begin_undo(slot);
	return true;
}

/*
 * member_await_detached() -- see member.h.
 */
void
member_await_detached(void)
{
	await_detached(my_slot(), SLOT_COMMAND, setting_request_timeout);
}

/*
 * member_read_barrier() -- see member.h.
 */
void
member_read_barrier(int timeout_ms)
{
	member_require_preload();
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("linearizable reads are not possible during recovery"),
				 errhint("Use serializable => true to read this server's own state.")));
	check_role();
	do_request(SLOT_READ, 0, slot_new_number(my_slot()), NULL, 0,
			   timeout_ms < 0 ? setting_request_timeout : timeout_ms, NULL, NULL, NULL);
}

/*
 * member_ask_leader() -- see member.h.
 */
char *
member_ask_leader(QuestionKind kind, const char *question, uint32 len, int timeout_ms,
				  uint32 *answer_len)
{
	char	   *answer = NULL;

	member_require_preload();
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the leader cannot be asked during recovery"),
				 errhint("A standby is not a member; send the call to one.")));
	if (len > QUESTION_MAX_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("request is too large"),
				 errdetail("The request has %u bytes, the limit is %d.", len, QUESTION_MAX_BYTES)));
	check_role();
	do_request(SLOT_QUESTION, kind, slot_new_number(my_slot()), question, len,
			   timeout_ms < 0 ? setting_request_timeout : timeout_ms, NULL, &answer, answer_len);
	return answer;
}

/*
 * member_pending_commands() -- see member.h.
 */
int
member_pending_commands(void)
{
	int			n = 0;
	uint32		i;

	for (i = 0; i < (uint32) member_shared->slot_count; i++)
	{
		SlotState	state = pg_atomic_read_u32(&member_slots[i].state);

		n += member_slots[i].kind == SLOT_COMMAND && state != SLOT_FREE && state != SLOT_DONE;
	}
	return n;
}

/*
 * member_hold_history() -- see member.h.
 */
void
member_hold_history(void)
{
	(void) pg_atomic_fetch_add_u32(&member_shared->history_holds, 1);
}

void
member_release_history(void)
{
	uint32		before = pg_atomic_fetch_sub_u32(&member_shared->history_holds, 1);

	Assert(before > 0);
	(void) before;
}

/*
 * A request that changes this member's own standing, not the store.
 */
static void
do_administration(SlotKind kind)
{
	member_require_preload();
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("cannot change the member during recovery")));
	do_request(kind, 0, slot_new_number(my_slot()), NULL, 0, Max(setting_request_timeout, 30000),
			   NULL, NULL, NULL);
}

void
member_rejoin(void)
{
	do_administration(SLOT_REJOIN);
}

void
member_new_cluster(void)
{
	do_administration(SLOT_NEW_CLUSTER);
}

uint32
member_store_generation(void)
{
	member_require_preload();
	return pg_atomic_read_u32(&member_shared->store_generation);
}

int64
member_staleness(void)
{
	uint64		since;
	uint64		now;

	member_require_preload();
	since = pg_atomic_read_u64(&member_shared->fresh_since);
	/* the state that is read must not be older than the time */
	pg_read_barrier();
	now = staleness_clock();
	return since == 0 || since > now ? PG_INT64_MAX : (int64) (now - since);
}

int64
member_published_revision(void)
{
	member_require_preload();
	return (int64) pg_atomic_read_u64(&member_shared->published_revision);
}

/*
 * member_revision_wait_begin(), member_revision_wait_end() -- see member.h.
 */
void
member_revision_wait_begin(void)
{
	ConditionVariablePrepareToSleep(&member_shared->revision_advanced);
}

void
member_revision_wait_end(void)
{
	ConditionVariableCancelSleep();
}

/*
 * member_wait_revision_or() -- see member.h.
 *
 * This is ConditionVariableTimedSleep() with a look at every setting of the latch:
 * the condition variable is joined again before each look, so that no change
 * between the look and the wait is missed.
 */
int64
member_wait_revision_or(int64 after, int timeout_ms, bool (*stop) (void))
{
	static uint32 wait_event = 0;
	ClockTime	deadline;
	int64		revision = member_published_revision();

	if (revision > after)
		return revision;

	deadline = timeout_ms < 0 ? CLOCK_NEVER : clock_plus_ms(clock_now(), timeout_ms);
	for (;;)
	{
		long		wait = 1000;	/* interrupts are looked at once a second at least */

		ConditionVariablePrepareToSleep(&member_shared->revision_advanced);
		revision = member_published_revision();
		if (revision > after || (stop != NULL && stop()))
			break;
		if (timeout_ms >= 0)
		{
			long		left = clock_ms_between(clock_now(), deadline);

			if (left <= 0)
				break;
			wait = Min(wait, left);
		}
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 wait, pgq_wait_event(&wait_event, "QuorumRevision"));
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	ConditionVariableCancelSleep();
	return revision;
}

int64
member_wait_revision(int64 after, int timeout_ms)
{
	return member_wait_revision_or(after, timeout_ms, NULL);
}

void
member_get_status(MemberStatus *status)
{
	member_require_preload();
	SpinLockAcquire(&member_shared->mutex);
	*status = member_shared->status;
	SpinLockRelease(&member_shared->mutex);
}

bool
member_is_learner(void)
{
	return member_shared->status.role == MEMBER_LEARNER;
}

void
member_get_identity(uint64 *cluster_id, uint64 *member_id, uint64 *term)
{
	member_require_preload();
	SpinLockAcquire(&member_shared->mutex);
	*cluster_id = member_shared->status.cluster_id;
	*member_id = member_shared->status.member_id;
	*term = member_shared->status.term;
	SpinLockRelease(&member_shared->mutex);
}

int
member_get_peers(MemberPeer *peers, int max)
{
	int			n;
	int			i;
	int			j;

	member_require_preload();
	SpinLockAcquire(&member_shared->mutex);
	n = Min(member_shared->npeers, max);
	memcpy(peers, member_shared->peers, n * sizeof(MemberPeer));
	for (i = 0; i < n; i++)
		for (j = 0; j < member_shared->nidentities; j++)
			if (member_shared->identities[j].id == peers[i].id)
				peers[i].last_heard = member_shared->identities[j].last_heard;
	SpinLockRelease(&member_shared->mutex);
	return n;
}

const char *
member_role_name(MemberRole role)
{
	switch (role)
	{
		case MEMBER_STOPPED:
			return "stopped";
		case MEMBER_IDLE:
			return "idle";
		case MEMBER_FOLLOWER:
			return "follower";
		case MEMBER_CANDIDATE:
			return "candidate";
		case MEMBER_LEADER:
			return "leader";
		case MEMBER_LEARNER:
			return "learner";
		case MEMBER_QUARANTINED:
			return "quarantined";
		case MEMBER_JOINING:
			return "joining";
	}
	return "unknown";
}

/*
 * member_open_store_if_any() -- see member.h.
 */
Relation
member_open_store_if_any(void)
{
	Relation	rel = storage_open(STORAGE_TREE, AccessShareLock, true);
	ClockTime	deadline;

	if (likely(rel != NULL))
		return rel;
	deadline = clock_plus_ms(clock_now(), setting_request_timeout);
	while ((rel = storage_open(STORAGE_TREE, AccessShareLock, true)) == NULL)
	{
		if (!OidIsValid(get_relname_relid("mvcc", get_namespace_oid("quorum", true))))
			return NULL;
		if (clock_now() >= deadline)
			ereport(ERROR,
					(errcode(ERRCODE_CANNOT_CONNECT_NOW),
					 errmsg("the store is locked"),
					 errdetail("Another session has locked \"quorum.mvcc\" exclusively for %d ms.",
							   setting_request_timeout),
					 errhint("pg_locks shows who it is.")));
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 LOCKED_RETRY_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	return rel;
}

Relation
member_open_store(void)
{
	Relation	rel = member_open_store_if_any();

	if (rel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("relation \"quorum.mvcc\" does not exist"),
				 errhint("Run CREATE EXTENSION pg_quorum.")));
	/* a published revision saves a look at the file for every read */
	if ((member_shared == NULL || pg_atomic_read_u64(&member_shared->published_revision) == 0) &&
		!tree_is_formatted(rel))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the store does not exist yet"),
				 errdetail("The member has not started."),
				 errhint("Load pg_quorum via shared_preload_libraries, create the extension in the database that pg_quorum.database names, and try again in a moment.")));
	return rel;
}
