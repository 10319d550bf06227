/*-------------------------------------------------------------------------
 *
 * shared.c
 *	  Layout and set-up of the member's shared memory.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/shared.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/socket.h>

#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "../settings.h"
#include "shared.h"

/* The DSA begins with this much and grows as requests ask, up to the limit. */
#define DSA_INITIAL_BYTES		((Size) 1024 * 1024)
#define DSA_LIMIT_FACTOR		16	/* times the queue size */

MemberShared *member_shared;
StatsShared *member_stats;
RequestSlot *member_slots;
uint32	   *member_queue;
uint32	   *member_answered;
InboxRing  *member_inbox;
StreamSlot *member_streams;
int			member_stream_sockets[2] = {-1, -1};

static void *dsa_place;

static Size
inbox_bytes(void)
{
	return mul_size((Size) setting_queue_size, 1024);
}

/*
 * How many slots there are: one a backend, and those of the gateway if there
 * is to be one.
 */
static int
count_slots(void)
{
	bool		gateway = setting_listen_client_urls[0] != '\0';

	return MaxBackends + (gateway ? CALL_SLOTS : 0);
}

Size
member_shmem_size(void)
{
	Size		size;

	size = MAXALIGN(sizeof(MemberShared));
	size = add_size(size, MAXALIGN(mul_size(count_slots(), sizeof(RequestSlot))));
	size = add_size(size, MAXALIGN(mul_size(MaxBackends, sizeof(StreamSlot))));
	size = add_size(size, MAXALIGN(mul_size(count_slots() + 1, sizeof(uint32))));
	size = add_size(size, MAXALIGN(mul_size(CALL_SLOTS, sizeof(uint32))));
	size = add_size(size, MAXALIGN(add_size(offsetof(InboxRing, bytes), inbox_bytes())));
	size = add_size(size, MAXALIGN(keywait_shmem_size()));
	size = add_size(size, MAXALIGN(stats_shmem_size()));
	size = add_size(size, DSA_INITIAL_BYTES);
	return size;
}

/*
 * member_preload() -- what is to be inherited from the postmaster.  Without
 * the sockets backends read peers' messages themselves.
 */
void
member_preload(void)
{
	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, member_stream_sockets) != 0)
	{
		ereport(LOG,
				(errmsg("could not create a socket pair: %m")));
		member_stream_sockets[0] = member_stream_sockets[1] = -1;
	}
	alarm_preload();
}

/*
 * Called from the shared memory start-up hook with AddinShmemInitLock held.
 */
void
member_shmem_init(void)
{
	bool		found;
	char	   *p;

	p = ShmemInitStruct("pg_quorum member", member_shmem_size(), &found);
	member_shared = (MemberShared *) p;
	p += MAXALIGN(sizeof(MemberShared));
	member_slots = (RequestSlot *) p;
	p += MAXALIGN(mul_size(count_slots(), sizeof(RequestSlot)));
	member_streams = (StreamSlot *) p;
	p += MAXALIGN(mul_size(MaxBackends, sizeof(StreamSlot)));
	member_queue = (uint32 *) p;
	p += MAXALIGN(mul_size(count_slots() + 1, sizeof(uint32)));
	member_answered = (uint32 *) p;
	p += MAXALIGN(mul_size(CALL_SLOTS, sizeof(uint32)));
	member_inbox = (InboxRing *) p;
	p += MAXALIGN(add_size(offsetof(InboxRing, bytes), inbox_bytes()));
	keywait_shmem_init(p, found);
	p += MAXALIGN(keywait_shmem_size());
	member_stats = (StatsShared *) p;
	p += MAXALIGN(stats_shmem_size());
	dsa_place = p;

	if (!found)
	{
		dsa_area   *area;
		int			i;

		memset(member_shared, 0, sizeof(MemberShared));
		SpinLockInit(&member_shared->mutex);
		SpinLockInit(&member_shared->queue_mutex);
		SpinLockInit(&member_shared->names_mutex);
		member_shared->slot_count = count_slots();
		member_shared->queue_size = count_slots() + 1;
		pg_atomic_init_u32(&member_shared->answered_head, 0);
		pg_atomic_init_u32(&member_shared->answered_tail, 0);
		member_shared->worker_procno = -1;
		member_shared->flusher_procno = -1;
		member_shared->caller_procno = -1;
		pg_atomic_init_u64(&member_shared->published_revision, 0);
		pg_atomic_init_u64(&member_shared->fresh_since, 0);
		pg_atomic_init_u32(&member_shared->store_generation, 0);
		pg_atomic_init_u32(&member_shared->alarm, 0);
		pg_atomic_init_u32(&member_shared->reads_queued, 0);
		pg_atomic_init_u32(&member_shared->reads_wanted, 0);
		pg_atomic_init_u64(&member_shared->flush_wanted, 0);
		pg_atomic_init_u64(&member_shared->flush_done, 0);
		pg_atomic_init_u64(&member_shared->flush_usec, 0);
		pg_atomic_init_u64(&member_shared->writeback_asked, 0);
		pg_atomic_init_u64(&member_shared->database_asked, 0);
		pg_atomic_init_u64(&member_shared->database_answered, 0);
		pg_atomic_init_u32(&member_shared->streams_offered, 0);
		pg_atomic_init_u64(&member_shared->space_in_use, 0);
		pg_atomic_init_u64(&member_shared->disk_free, PG_UINT64_MAX);
		pg_atomic_init_u32(&member_shared->no_space_raised, 0);
		pg_atomic_init_u32(&member_shared->checker_runs, 0);
		pg_atomic_init_u32(&member_shared->history_holds, 0);
		stats_shmem_init(member_stats);
		if (!pg_strong_random(&member_shared->run_id, sizeof(uint64)))
			elog(ERROR, "could not generate a random number");
		/* request numbers must differ from those of earlier runs */
		pg_atomic_init_u64(&member_shared->next_number, (uint64) GetCurrentTimestamp());
		ConditionVariableInit(&member_shared->revision_advanced);
		member_shared->status.role = MEMBER_STOPPED;

		for (i = 0; i < member_shared->slot_count; i++)
		{
			memset(&member_slots[i], 0, sizeof(RequestSlot));
			pg_atomic_init_u32(&member_slots[i].state, SLOT_FREE);
			pg_atomic_init_u32(&member_slots[i].queued, 0);
			pg_atomic_init_u32(&member_slots[i].announced, 0);
			pg_atomic_init_u32(&member_slots[i].undo, 0);
		}
		for (i = 0; i < MaxBackends; i++)
		{
			memset(&member_streams[i], 0, sizeof(StreamSlot));
			pg_atomic_init_u32(&member_streams[i].state, STREAM_NONE);
		}

		LWLockInitialize(&member_inbox->lock, LWLockNewTrancheId());
		ConditionVariableInit(&member_inbox->space);
		pg_atomic_init_u64(&member_inbox->head, 0);
		pg_atomic_init_u64(&member_inbox->tail, 0);
		member_inbox->size = inbox_bytes();

		member_shared->dsa_tranche = LWLockNewTrancheId();
		area = dsa_create_in_place(dsa_place, DSA_INITIAL_BYTES,
								   member_shared->dsa_tranche, NULL);
		dsa_pin(area);
		dsa_set_size_limit(area, inbox_bytes() * DSA_LIMIT_FACTOR);
		dsa_detach(area);
	}
	LWLockRegisterTranche(member_inbox->lock.tranche, "pg_quorum inbox");
	LWLockRegisterTranche(member_shared->dsa_tranche, "pg_quorum requests");
}

/*
 * The area for requests and results that do not fit in a slot.
 */
dsa_area *
member_dsa(void)
{
	static dsa_area *area = NULL;

	if (area == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		area = dsa_attach_in_place(dsa_place, NULL);
		dsa_pin_mapping(area);
		MemoryContextSwitchTo(old);
	}
	return area;
}

/*
 * Put a slot into the queue unless it is there already; so the queue, with a
 * place for each slot, never overflows.
 */
void
queue_push(uint32 index)
{
	if (pg_atomic_exchange_u32(&member_slots[index].queued, 1) == 1)
		return;
	SpinLockAcquire(&member_shared->queue_mutex);
	member_queue[member_shared->queue_tail] = index;
	member_shared->queue_tail = (member_shared->queue_tail + 1) % member_shared->queue_size;
	SpinLockRelease(&member_shared->queue_mutex);
}

/*
 * The fate of a slot's request is known, and it is to be taken back: its undo
 * takes its place.
 */
void
slot_begin_undo(RequestSlot *slot)
{
	if (DsaPointerIsValid(slot->payload))
		dsa_free(member_dsa(), slot->payload);
	if (DsaPointerIsValid(slot->result))
		dsa_free(member_dsa(), slot->result);
	slot->payload = slot->undo_payload;
	slot->result = InvalidDsaPointer;
	slot->undo_payload = InvalidDsaPointer;
	if (!DsaPointerIsValid(slot->payload))
		memcpy(slot->data, slot->undo_data, slot->undo_len);
	slot->number = slot->undo_number;
	slot->kind = SLOT_COMMAND;
	slot->term = 0;
	slot->len = slot->undo_len;
	slot->outcome = OUTCOME_RESULT;
	slot->detached = true;
	pg_write_barrier();
	pg_atomic_write_u32(&slot->state, SLOT_QUEUED);
	queue_push(slot - member_slots);
	wake_worker();
}

/*
 * Take the next slot from the queue; only the worker does.
 */
bool
queue_pop(uint32 *index)
{
	bool		found = false;

	SpinLockAcquire(&member_shared->queue_mutex);
	if (member_shared->queue_head != member_shared->queue_tail)
	{
		*index = member_queue[member_shared->queue_head];
		member_shared->queue_head = (member_shared->queue_head + 1) % member_shared->queue_size;
		found = true;
	}
	SpinLockRelease(&member_shared->queue_mutex);
	if (found)
		pg_atomic_exchange_u32(&member_slots[*index].queued, 0);
	return found;
}

/*
 * How many slots wait in the queue; there may be more a moment later.  Only the worker asks.
 */
uint32
queue_length(void)
{
	uint32		length;

	SpinLockAcquire(&member_shared->queue_mutex);
	length = (member_shared->queue_tail + member_shared->queue_size -
			  member_shared->queue_head) % member_shared->queue_size;
	SpinLockRelease(&member_shared->queue_mutex);
	return length;
}

/*
 * A slot of the gateway is DONE: put it among the answered, unless it is there since
 * an earlier answer that nobody waited for.  So the ring, with a place for each, never
 * overflows.  Only the worker does.
 */
void
answered_push(uint32 index)
{
	uint32		tail;

	if (pg_atomic_exchange_u32(&member_slots[index].announced, 1) == 1)
		return;
	tail = pg_atomic_read_u32(&member_shared->answered_tail);
	member_answered[tail % CALL_SLOTS] = index;
	pg_write_barrier();
	pg_atomic_write_u32(&member_shared->answered_tail, tail + 1);
}

/*
 * Take the next answered slot; only the gateway does.  It may be used for something
 * else by now: look at its state.
 */
bool
answered_pop(uint32 *index)
{
	uint32		head = pg_atomic_read_u32(&member_shared->answered_head);

	if (answered_is_empty())
		return false;
	pg_read_barrier();
	*index = member_answered[head % CALL_SLOTS];
	pg_memory_barrier();
	pg_atomic_write_u32(&member_shared->answered_head, head + 1);
	pg_atomic_exchange_u32(&member_slots[*index].announced, 0);
	return true;
}

bool
answered_is_empty(void)
{
	return pg_atomic_read_u32(&member_shared->answered_head) ==
		pg_atomic_read_u32(&member_shared->answered_tail);
}

void
wake_procno(int procno)
{
	if (procno >= 0)
		SetLatch(&ProcGlobal->allProcs[procno].procLatch);
}
