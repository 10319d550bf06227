/*-------------------------------------------------------------------------
 *
 * calls.c
 *	  The gateway's side of requests: many under way, and no waiting.
 *
 * The gateway owns CALL_SLOTS slots behind those of the backends.  It fills them as a
 * backend fills its own; but the worker, when it has answered one, puts it into a
 * ring and wakes the gateway once for all that is in there.  So an answer costs the same
 * however many are awaited.
 *
 * A call has a slot, or waits in this process for one to become free.  Linearizable reads
 * share: one that begins while a slot of an earlier one has not been taken by
 * the worker joins that one, as the round will begin later than both.
 *
 * Nothing here waits for the worker.  A slot that is TAKING or FILLING when it is to be given up
 * is left aside and looked at again: that passes within microseconds, unless the
 * worker died, and then its successor resolves it.  The same goes for
 * what a gateway that has died left behind: its successor gives up every slot
 * before it uses it, and an answer that is still on its way knows the number of
 * the request, which is never used again.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/calls.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/ilist.h"
#include "lib/pairingheap.h"
#include "storage/ipc.h"
#include "utils/memutils.h"

#include "../settings.h"
#include "../store/pbmem.h"
#include "calls.h"
#include "shared.h"
#include "../compat.h"

/* What may wait in this process for a slot; beyond, calls are refused */
#define WAITING_MAX				65536
#define WAITING_MAX_BYTES		((Size) 64 * 1024 * 1024)

/* How soon to look again at slots that could not be given up at once, in ms */
#define LEAVING_RETRY_MS		1

/* Where a call is */
typedef enum CallPlace
{
	CALL_ON_SLOT,				/* the worker has it */
	CALL_WAITING,				/* for a slot */
	CALL_FOR_ALARM,				/* refused as soon as the alarm has been raised */
	CALL_REFUSED,				/* its outcome is known, and has not been told yet */
	CALL_BEING_TOLD				/* among those who share an answer that is being told */
} CallPlace;

MemberCallFailures member_call_failures;

struct MemberCall
{
	pairingheap_node timer;
	dlist_node	node;			/* in the list of its place */
	uint64		deadline;		/* of staleness_clock() */
	CallPlace	place;
	SlotKind	kind;
	QuestionKind question;
	int			slot;			/* ON_SLOT: which of ours */
	char	   *bytes;			/* WAITING: the request, a command without its number */
	uint32		len;
	MemberCallOutcome outcome;	/* REFUSED */
	MemberCallDone done;
	void	   *arg;
};

/* What this process knows of each of its slots */
typedef struct CallSlot
{
	dlist_head	calls;			/* who waits for its answer: one, but for reads */
	dlist_node	leaving;		/* in leaving, while it cannot be given up */
} CallSlot;

static MemoryContext calls_context = NULL;
static MemoryContext answer_context;	/* reset after each answer */
static CallSlot *call_slots;
static int *free_slots;			/* a stack */
static int	nfree;
static dlist_head leaving = DLIST_STATIC_INIT(leaving);
static int	read_slot = -1;		/* of the latest read that got one of its own */

static pairingheap *timers;		/* of all calls that have not been told */
static dlist_head waiting = DLIST_STATIC_INIT(waiting);
static int	nwaiting;
static Size waiting_bytes;
static dlist_head for_alarm = DLIST_STATIC_INIT(for_alarm);
static bool alarm_under_way;
static dlist_head refused = DLIST_STATIC_INIT(refused);
static bool worker_to_wake;		/* for what has begun since the last time */

/* ---------- slots ---------- */

static RequestSlot *
shared_slot(int i)
{
	return &member_slots[MaxBackends + i];
}

static void
slot_becomes_free(int i)
{
	slot_free_payloads(shared_slot(i));
	free_slots[nfree++] = i;
}

/*
 * Give up a slot, now or as soon as possible.  Returns the state it had: QUEUED
 * if its request certainly was not carried out and will not be.  An answer that
 * is there is given up as well.
 */
static SlotState
slot_leave(int i)
{
	RequestSlot *slot = shared_slot(i);

	Assert(dlist_is_empty(&call_slots[i].calls));
	for (;;)
	{
		SlotState	state = pg_atomic_read_u32(&slot->state);

		switch (state)
		{
			case SLOT_TAKING:
			case SLOT_FILLING:
				dlist_push_tail(&leaving, &call_slots[i].leaving);
				return SLOT_PROPOSED;
			case SLOT_QUEUED:
			case SLOT_PROPOSED:
			case SLOT_DONE:
				if (!slot_move(slot, state, SLOT_FREE))
					break;
				/* FALLTHROUGH */
			case SLOT_FREE:
				slot_becomes_free(i);
				return state;
		}
	}
}

/*
 * Look again at slots that could not be given up.
 */
static void
leave_again(void)
{
	dlist_head	again;

	if (dlist_is_empty(&leaving))
		return;
	dlist_init(&again);
	while (!dlist_is_empty(&leaving))
		dlist_push_tail(&again, dlist_pop_head_node(&leaving));
	while (!dlist_is_empty(&again))
	{
		dlist_node *node = dlist_pop_head_node(&again);

		(void) slot_leave(dlist_container(CallSlot, leaving, node) - call_slots);
	}
}

static void
calls_at_exit(int code, Datum arg)
{
	int			i;

	member_shared->caller_procno = -1;
	pg_atomic_write_u32(&member_shared->history_holds, 0);
	for (i = 0; i < CALL_SLOTS; i++)
	{
		RequestSlot *slot = shared_slot(i);
		SlotState	state = pg_atomic_read_u32(&slot->state);

		/* what is just being moved is left to the next gateway */
		if ((state == SLOT_QUEUED || state == SLOT_PROPOSED || state == SLOT_DONE) &&
			slot_move(slot, state, SLOT_FREE))
			slot_free_payloads(slot);
	}
}

static int
compare_deadlines(const pairingheap_node *a, const pairingheap_node *b, void *arg)
{
	uint64		x = pairingheap_const_container(MemberCall, timer, a)->deadline;
	uint64		y = pairingheap_const_container(MemberCall, timer, b)->deadline;

	/* the first in the heap is the greatest */
	return x < y ? 1 : x > y ? -1 : 0;
}

/*
 * member_calls_attach() -- see calls.h.
 */
void
member_calls_attach(void)
{
	MemoryContext old;
	int			i;

	member_require_preload();
	if (member_shared->slot_count == MaxBackends)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no shared memory for the gateway's requests"),
				 errhint("Set pg_quorum.listen_client_urls and restart the server.")));
	Assert(calls_context == NULL);
	calls_context = AllocSetContextCreate(TopMemoryContext, "pg_quorum calls",
										  ALLOCSET_DEFAULT_SIZES);
	answer_context = AllocSetContextCreate(calls_context, "pg_quorum answer",
										   ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(calls_context);
	call_slots = palloc(CALL_SLOTS * sizeof(CallSlot));
	free_slots = palloc(CALL_SLOTS * sizeof(int));
	timers = pairingheap_allocate(compare_deadlines, NULL);
	MemoryContextSwitchTo(old);

	before_shmem_exit(calls_at_exit, (Datum) 0);
	member_shared->caller_procno = pgq_my_procno();
	for (i = 0; i < CALL_SLOTS; i++)
	{
		dlist_init(&call_slots[i].calls);
		(void) slot_leave(i);
	}
}

/* ---------- beginning ---------- */

static MemberCall *
call_new(SlotKind kind, QuestionKind question, int timeout_ms, MemberCallDone done, void *arg)
{
	MemberCall *call = MemoryContextAllocZero(calls_context, sizeof(MemberCall));

	if (timeout_ms < 0)
		timeout_ms = setting_request_timeout;
	call->deadline = staleness_clock() + (uint64) timeout_ms * 1000;
	call->kind = kind;
	call->question = question;
	call->done = done;
	call->arg = arg;
	pairingheap_add(timers, &call->timer);
	return call;
}

/*
 * The outcome of a call is known: it is told in member_calls_run().
 */
static void
call_refuse(MemberCall *call, MemberCallOutcome outcome)
{
	call->place = CALL_REFUSED;
	call->outcome = outcome;
	dlist_push_tail(&refused, &call->node);
}

/* The free slot that will be used next; there must be one */
static int
next_free_slot(void)
{
	Assert(nfree > 0);
	return free_slots[nfree - 1];
}

/*
 * Hand a call to the worker: its request of len bytes is in the room of the next
 * free slot.
 */
static void
call_submit(MemberCall *call, uint64 number, uint32 len)
{
	int			i = free_slots[--nfree];

	call->place = CALL_ON_SLOT;
	call->slot = i;
	dlist_push_tail(&call_slots[i].calls, &call->node);
	if (slot_submit(shared_slot(i), call->kind, call->question, number, len))
		worker_to_wake = true;
}

/*
 * Can a read share the slot of an earlier one, which the worker has not taken yet?
 */
static bool
read_can_join(void)
{
	return read_slot >= 0 && !dlist_is_empty(&call_slots[read_slot].calls) &&
		shared_slot(read_slot)->kind == SLOT_READ &&
		pg_atomic_read_u32(&shared_slot(read_slot)->state) == SLOT_QUEUED;
}

static void
read_join(MemberCall *call)
{
	call->place = CALL_ON_SLOT;
	call->slot = read_slot;
	dlist_push_tail(&call_slots[read_slot].calls, &call->node);
}

/*
 * Put a request of len bytes into the next free slot.  A command, as it was packed
 * for waiting, has no number yet: fields of a message may come in any order and in
 * pieces, so those two go before the others.  False if there is no memory for it.
 */
static bool
call_place(MemberCall *call, const char *bytes, uint32 len)
{
	int			i = next_free_slot();
	RequestSlot *slot = shared_slot(i);
	uint64		number = slot_new_number(slot);
	Quorum__Command head = QUORUM__COMMAND__INIT;
	uint32		head_len = call->kind == SLOT_COMMAND ? slot_command_size(&head, number) : 0;
	char	   *room = slot_room(slot, head_len + len);

	if (room == NULL)
		return false;
	if (head_len > 0)
		quorum__command__pack(&head, (uint8_t *) room);
	if (len > 0)
		memcpy(room + head_len, bytes, len);
	if (call->kind == SLOT_READ)
		read_slot = i;
	call_submit(call, number, head_len + len);
	return true;
}

/* Is there room for one more that waits? */
static bool
may_wait(size_t len)
{
	return nwaiting < WAITING_MAX && waiting_bytes + len <= WAITING_MAX_BYTES;
}

/*
 * Have a call wait for a slot; the bytes are its own from now on.
 */
static void
call_wait(MemberCall *call, char *bytes, uint32 len)
{
	call->place = CALL_WAITING;
	call->bytes = bytes;
	call->len = len;
	dlist_push_tail(&waiting, &call->node);
	nwaiting++;
	waiting_bytes += len;
}

static void
stop_waiting(MemberCall *call)
{
	dlist_delete(&call->node);
	nwaiting--;
	waiting_bytes -= call->len;
}

static void
forget_bytes(MemberCall *call)
{
	if (call->bytes != NULL)
		pfree(call->bytes);
	call->bytes = NULL;
}

/*
 * Give slots that have become free to those who wait, in their order.
 */
static void
place_waiting(void)
{
	while (!dlist_is_empty(&waiting))
	{
		MemberCall *call = dlist_head_element(MemberCall, node, &waiting);
		bool		joins = call->kind == SLOT_READ && read_can_join();

		if (!joins && nfree == 0)
			return;
		stop_waiting(call);
		if (joins)
			read_join(call);
		else if (!call_place(call, call->bytes, call->len))
			call_refuse(call, MEMBER_CALL_OVERLOADED);
		forget_bytes(call);
	}
}

/*
 * Is this refused whatever it is?
 */
static bool
member_refuses(void)
{
	MemberStatus status;

	return slot_member_refuses(&status);
}

/*
 * member_call_ask_leader() -- see calls.h.
 */
MemberCall *
member_call_ask_leader(QuestionKind kind, const char *question, uint32 len,
					   int timeout_ms, MemberCallDone done, void *arg)
{
	MemberCall *call = call_new(SLOT_QUESTION, kind, timeout_ms, done, arg);

	if (member_refuses())
		call_refuse(call, MEMBER_CALL_STATE);
	else if (len > QUESTION_MAX_BYTES)
		call_refuse(call, MEMBER_CALL_TOO_BIG);
	else if (nfree > 0 && dlist_is_empty(&waiting))
	{
		if (!call_place(call, question, len))
			call_refuse(call, MEMBER_CALL_OVERLOADED);
	}
	else if (may_wait(len))
		call_wait(call, memcpy(MemoryContextAlloc(calls_context, len + 1), question, len), len);
	else
		call_refuse(call, MEMBER_CALL_OVERLOADED);
	return call;
}

/*
 * member_call_read() -- see calls.h.
 */
MemberCall *
member_call_read(int timeout_ms, MemberCallDone done, void *arg)
{
	MemberCall *call = call_new(SLOT_READ, 0, timeout_ms, done, arg);

	if (member_refuses())
		call_refuse(call, MEMBER_CALL_STATE);
	else if (read_can_join())
		read_join(call);
	else if (nfree > 0 && dlist_is_empty(&waiting))
		(void) call_place(call, NULL, 0);	/* needs no memory */
	else if (may_wait(0))
		call_wait(call, NULL, 0);
	else
		call_refuse(call, MEMBER_CALL_OVERLOADED);
	return call;
}

/*
 * Pack a command right into the next free slot.
 */
static void
command_place(MemberCall *call, Quorum__Command *command)
{
	RequestSlot *slot = shared_slot(next_free_slot());
	uint64		number = slot_new_number(slot);
	size_t		size = slot_command_size(command, number);
	char	   *room;

	if (size > COMMAND_MAX_BYTES)
		call_refuse(call, MEMBER_CALL_TOO_BIG);
	else if ((room = slot_room(slot, size)) == NULL)
		call_refuse(call, MEMBER_CALL_OVERLOADED);
	else
	{
		quorum__command__pack(command, (uint8_t *) room);
		call_submit(call, number, size);
	}
}

/*
 * Pack a command, all but its number, to wait for a slot.
 */
static void
command_wait(MemberCall *call, Quorum__Command *command)
{
	size_t		size;
	char	   *bytes;

	command->origin = command->request = 0;
	size = quorum__command__get_packed_size(command);
	if (size > COMMAND_MAX_BYTES)
		call_refuse(call, MEMBER_CALL_TOO_BIG);
	else if (!may_wait(size))
		call_refuse(call, MEMBER_CALL_OVERLOADED);
	else
	{
		bytes = MemoryContextAlloc(calls_context, size + 1);
		quorum__command__pack(command, (uint8_t *) bytes);
		call_wait(call, bytes, size);
	}
}

/*
 * The alarm has been raised, or not: those who were the cause are refused.
 */
static void
alarm_done(MemberCallOutcome outcome, Quorum__Result *result,
		   const char *answer, uint32 answer_len, void *arg)
{
	alarm_under_way = false;
	while (!dlist_is_empty(&for_alarm))
		call_refuse(dlist_container(MemberCall, node, dlist_pop_head_node(&for_alarm)),
					MEMBER_CALL_NO_SPACE);
}

/*
 * There is no space for a command.  As etcd does, raise the alarm before
 * its client hears of it.
 */
static void
refuse_for_space(MemberCall *call)
{
	if (!alarm_under_way)
	{
		Quorum__Command command;
		Etcdserverpb__AlarmRequest request;

		if (!quota_alarm_is_due())
		{
			call_refuse(call, MEMBER_CALL_NO_SPACE);
			return;
		}
		alarm_under_way = true;
		quota_fill_alarm(&command, &request);
		(void) member_call_execute(&command, -1, alarm_done, NULL);
	}
	call->place = CALL_FOR_ALARM;
	dlist_push_tail(&for_alarm, &call->node);
}

/*
 * member_call_execute() -- see calls.h.
 */
MemberCall *
member_call_execute(Quorum__Command *command, int timeout_ms, MemberCallDone done, void *arg)
{
	MemberCall *call = call_new(SLOT_COMMAND, 0, timeout_ms, done, arg);

	if (member_refuses())
		call_refuse(call, MEMBER_CALL_STATE);
	else if (quota_verdict(command) != QUOTA_OK)
		refuse_for_space(call);
	else if (nfree > 0 && dlist_is_empty(&waiting))
		command_place(call, command);
	else
		command_wait(call, command);
	return call;
}

/*
 * member_calls_send() -- see calls.h.
 */
void
member_calls_send(void)
{
	if (!worker_to_wake)
		return;
	worker_to_wake = false;
	wake_worker();
}

/* ---------- answers ---------- */

/*
 * Tell a call how it ended; it is in no list any more.
 */
static void
call_tell(MemberCall *call, MemberCallOutcome outcome, Quorum__Result *result,
		  const char *answer, uint32 answer_len)
{
	MemberCallDone done = call->done;
	void	   *arg = call->arg;

	if (outcome == MEMBER_CALL_NO_LEADER || outcome == MEMBER_CALL_UNKNOWN)
	{
		member_call_failures.commands += call->kind == SLOT_COMMAND;
		member_call_failures.reads += call->kind == SLOT_READ;
	}
	pairingheap_remove(timers, &call->timer);
	forget_bytes(call);
	pfree(call);
	done(outcome, result, answer, answer_len, arg);
}

static MemberCallOutcome
outcome_of(const RequestSlot *slot)
{
	switch (slot->outcome)
	{
		case OUTCOME_RESULT:
			return MEMBER_CALL_DONE;
		case OUTCOME_TOO_BIG:
			return MEMBER_CALL_TOO_BIG;
		case OUTCOME_UNKNOWN_KIND:
			return MEMBER_CALL_UNSUPPORTED;
		case OUTCOME_STATE:
			return MEMBER_CALL_STATE;
		case OUTCOME_NO_MEMORY:
			/* a command has been carried out, but its result is lost */
			return slot->kind == SLOT_COMMAND ? MEMBER_CALL_UNKNOWN : MEMBER_CALL_OVERLOADED;
		case OUTCOME_POISON:
		case OUTCOME_REMOVED:
		case OUTCOME_STORE_GONE:
			break;
	}
	return MEMBER_CALL_UNKNOWN;
}

/*
 * A slot is DONE: take what is in it, let it go, and tell who waits for it.
 */
static void
slot_tell(int i)
{
	RequestSlot *slot = shared_slot(i);
	MemoryContext old = MemoryContextSwitchTo(answer_context);
	MemberCallOutcome outcome;
	Quorum__Result *result = NULL;
	char	   *answer = NULL;
	uint32		answer_len = 0;
	dlist_head	calls;
	dlist_iter	iter;

	pg_read_barrier();
	outcome = outcome_of(slot);
	if (outcome == MEMBER_CALL_DONE && slot->kind == SLOT_COMMAND)
	{
		result = (Quorum__Result *) pb_unpack(&quorum__result__descriptor,
											  slot_result(slot), slot->len);
		if (result == NULL)
			outcome = MEMBER_CALL_UNKNOWN;
	}
	else if (outcome == MEMBER_CALL_DONE && slot->kind == SLOT_QUESTION)
	{
		answer_len = slot->len;
		answer = memcpy(palloc(answer_len + 1), slot_result(slot), answer_len);
	}

	dlist_init(&calls);
	while (!dlist_is_empty(&call_slots[i].calls))
		dlist_push_tail(&calls, dlist_pop_head_node(&call_slots[i].calls));
	pg_atomic_write_u32(&slot->state, SLOT_FREE);
	slot_becomes_free(i);

	/* one of them may abandon another */
	dlist_foreach(iter, &calls)
		dlist_container(MemberCall, node, iter.cur)->place = CALL_BEING_TOLD;
	while (!dlist_is_empty(&calls))
		call_tell(dlist_container(MemberCall, node, dlist_pop_head_node(&calls)),
				  outcome, result, answer, answer_len);
	MemoryContextSwitchTo(old);
	MemoryContextReset(answer_context);
}

/*
 * Tell the outcome of a call that never had an answer.
 */
static void
tell_outcome(MemberCall *call, MemberCallOutcome outcome)
{
	MemoryContext old = MemoryContextSwitchTo(answer_context);

	call_tell(call, outcome, NULL, NULL, 0);
	MemoryContextSwitchTo(old);
	MemoryContextReset(answer_context);
}

/*
 * What a call has come to that has no answer when its time is over; left is the state
 * in which its slot was given up.
 */
static MemberCallOutcome
outcome_at_timeout(const MemberCall *call, SlotState left)
{
	MemberStatus status;

	if (left != SLOT_QUEUED &&
		(call->kind == SLOT_COMMAND ||
		 (call->kind == SLOT_QUESTION && call->question == QUESTION_MEMBER_CHANGE)))
		return MEMBER_CALL_UNKNOWN;
	member_get_status(&status);
	if (status.role == MEMBER_STOPPED || status.role == MEMBER_IDLE || status.reason[0] != '\0')
		return MEMBER_CALL_STATE;
	return MEMBER_CALL_NO_LEADER;
}

/*
 * The time of a call is over.
 */
static void
call_expire(MemberCall *call)
{
	SlotState	left = SLOT_QUEUED;

	switch (call->place)
	{
		case CALL_ON_SLOT:
			if (pg_atomic_read_u32(&shared_slot(call->slot)->state) == SLOT_DONE)
			{
				slot_tell(call->slot);
				return;
			}
			dlist_delete(&call->node);
			if (dlist_is_empty(&call_slots[call->slot].calls))
				left = slot_leave(call->slot);
			break;
		case CALL_WAITING:
			stop_waiting(call);
			break;
		case CALL_FOR_ALARM:
			dlist_delete(&call->node);
			tell_outcome(call, MEMBER_CALL_NO_SPACE);
			return;
		case CALL_REFUSED:
			dlist_delete(&call->node);
			tell_outcome(call, call->outcome);
			return;
		case CALL_BEING_TOLD:
			Assert(false);
			return;
	}
	tell_outcome(call, outcome_at_timeout(call, left));
}

/*
 * member_call_abandon() -- see calls.h.
 */
void
member_call_abandon(MemberCall *call)
{
	pairingheap_remove(timers, &call->timer);
	if (call->place == CALL_WAITING)
		stop_waiting(call);
	else
		dlist_delete(&call->node);
	if (call->place == CALL_ON_SLOT && dlist_is_empty(&call_slots[call->slot].calls))
		(void) slot_leave(call->slot);
	forget_bytes(call);
	pfree(call);
}

/* The call whose time is over next, or NULL */
static MemberCall *
first_to_expire(void)
{
	return pairingheap_is_empty(timers) ? NULL :
		pairingheap_container(MemberCall, timer, pairingheap_first(timers));
}

/*
 * member_calls_run() -- see calls.h.
 */
void
member_calls_run(void)
{
	MemberCall *call;
	uint32		index;
	uint64		now;

	leave_again();
	while (answered_pop(&index))
	{
		int			i = index - MaxBackends;

		/* nobody waits for what is to be given up, or was used for something else since */
		if (!dlist_is_empty(&call_slots[i].calls) &&
			pg_atomic_read_u32(&shared_slot(i)->state) == SLOT_DONE)
			slot_tell(i);
	}
	place_waiting();
	while (!dlist_is_empty(&refused))
	{
		call = dlist_container(MemberCall, node, dlist_pop_head_node(&refused));
		tell_outcome(call, call->outcome);
	}
	now = staleness_clock();
	while ((call = first_to_expire()) != NULL && call->deadline <= now)
		call_expire(call);
	place_waiting();
	member_calls_send();
}

/*
 * member_calls_wait() -- see calls.h.
 */
long
member_calls_wait(void)
{
	MemberCall *call = first_to_expire();
	long		wait = -1;

	member_calls_send();
	if (!dlist_is_empty(&refused) || !answered_is_empty() ||
		(!dlist_is_empty(&waiting) && nfree > 0))
		return 0;
	if (call != NULL)
	{
		uint64		now = staleness_clock();

		wait = call->deadline <= now ? 0 : (long) ((call->deadline - now) / 1000) + 1;
	}
	if (!dlist_is_empty(&leaving))
		wait = wait < 0 ? LEAVING_RETRY_MS : Min(wait, LEAVING_RETRY_MS);
	return wait;
}
