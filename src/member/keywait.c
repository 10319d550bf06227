/*-------------------------------------------------------------------------
 *
 * keywait.c
 *	  Waiting in a queue of keys, woken when enough of those ahead have gone.
 *
 * The keys under a prefix form a queue by create revision: that of locks,
 * elections and semaphores.  A backend that waits in one says how many keys
 * ahead of its own must go before it need look again.  The raft worker, when it
 * has applied a batch, counts the deletions for each waiter concerned and sets the
 * latch of one whose number is full.  So a waiter is woken once, whatever is
 * written meanwhile elsewhere and however many wait with it; and it costs the
 * worker a look into a hash table for each deletion, and only while somebody waits.
 *
 * No deletion is missed.  A backend joins, begins to count (rearm), reads the store,
 * and then says how many departures it wants and sleeps.  The worker
 * publishes a batch before it looks who waits.  If it finds the backend not joined
 * yet, the batch was visible when the backend read.  One that is both seen and
 * counted makes the backend look again too early, which is harmless.
 *
 * The same goes for a deletion of which it is not told where in the queue the key stood.
 *
 * The table knows keys and prefixes by 64-bit hashes; two that collide also wake
 * each other too early.  Waiters must therefore decide by the store, never by being
 * woken.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/keywait.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "utils/wait_event.h"

#include "../clock.h"
#include "shared.h"
#include "worker.h"
#include "../compat.h"

#define KEYWAIT_BUCKETS			1024

/* Deletions of one batch that are told apart; if there are more, all waiters look. */
#define KEYWAIT_MAX_GONE		4096

/* One place a backend */
typedef struct KeyWaiter
{
	bool		joined;			/* under the lock, as the next five */
	int			next;			/* in its bucket; -1: none */
	int			previous;
	uint64		prefix;			/* hash */
	uint64		key;			/* hash of its own */
	int64		create_revision;	/* of its own */
	pg_atomic_uint32 departures;	/* of keys ahead, since rearm */
	pg_atomic_uint32 wanted;	/* wake it at so many */
	pg_atomic_uint32 look;		/* its own key has gone, or anything may have */
} KeyWaiter;

struct KeyWaitShared
{
	LWLock		lock;
	pg_atomic_uint32 count;		/* of those joined */
	int			buckets[KEYWAIT_BUCKETS];
	KeyWaiter	waiters[FLEXIBLE_ARRAY_MEMBER];
};

/* A key that a batch has deleted, for one of the prefixes it is under */
typedef struct GoneKey
{
	uint64		prefix;
	uint64		key;
	int64		create_revision;	/* 0: not known */
} GoneKey;

KeyWaitShared *member_keywait;

/* the worker's */
static GoneKey *gone;
static int	ngone;
static bool gone_overflow;

/* the backend's */
static bool exit_callback_registered = false;

Size
keywait_shmem_size(void)
{
	return add_size(offsetof(KeyWaitShared, waiters),
					mul_size(MaxBackends, sizeof(KeyWaiter)));
}

void
keywait_shmem_init(void *place, bool found)
{
	int			i;

	member_keywait = place;
	if (!found)
	{
		memset(member_keywait, 0, keywait_shmem_size());
		LWLockInitialize(&member_keywait->lock, LWLockNewTrancheId());
		pg_atomic_init_u32(&member_keywait->count, 0);
		for (i = 0; i < KEYWAIT_BUCKETS; i++)
			member_keywait->buckets[i] = -1;
		for (i = 0; i < MaxBackends; i++)
		{
			pg_atomic_init_u32(&member_keywait->waiters[i].departures, 0);
			pg_atomic_init_u32(&member_keywait->waiters[i].wanted, 0);
			pg_atomic_init_u32(&member_keywait->waiters[i].look, 0);
		}
	}
	LWLockRegisterTranche(member_keywait->lock.tranche, "pg_quorum queues");
}

/* FNV-1a, which gives the hash of every prefix on the way */
#define HASH_START				UINT64CONST(0xcbf29ce484222325)

static inline uint64
hash_byte(uint64 hash, char byte)
{
	return (hash ^ (uint8) byte) * UINT64CONST(0x100000001b3);
}

static uint64
hash_bytes_on(uint64 hash, const char *bytes, uint32 len)
{
	uint32		i;

	for (i = 0; i < len; i++)
		hash = hash_byte(hash, bytes[i]);
	return hash;
}

static inline int *
bucket_of(uint64 prefix)
{
	return &member_keywait->buckets[(prefix ^ (prefix >> 32)) % KEYWAIT_BUCKETS];
}

/* ---------- the backend's side ---------- */

static KeyWaiter *
my_waiter(void)
{
	return &member_keywait->waiters[pgq_my_procno()];
}

/*
 * member_queue_leave() -- see member.h.  No error if not joined.
 */
void
member_queue_leave(void)
{
	KeyWaiter  *w;

	if (member_keywait == NULL)
		return;
	w = my_waiter();
	if (!w->joined)
		return;
	LWLockAcquire(&member_keywait->lock, LW_EXCLUSIVE);
	if (w->previous >= 0)
		member_keywait->waiters[w->previous].next = w->next;
	else
		*bucket_of(w->prefix) = w->next;
	if (w->next >= 0)
		member_keywait->waiters[w->next].previous = w->previous;
	w->joined = false;
	pg_atomic_fetch_sub_u32(&member_keywait->count, 1);
	LWLockRelease(&member_keywait->lock);
}

static void
leave_at_exit(int code, Datum arg)
{
	member_queue_leave();
}

/*
 * member_queue_join() -- see member.h.
 */
void
member_queue_join(const char *key, uint32 key_len, uint32 prefix_len, int64 create_revision)
{
	KeyWaiter  *w;
	int		   *bucket;

	Assert(prefix_len > 0 && prefix_len <= key_len && key[prefix_len - 1] == '/');
	member_require_preload();
	if (!exit_callback_registered)
	{
		before_shmem_exit(leave_at_exit, (Datum) 0);
		exit_callback_registered = true;
	}
	member_queue_leave();		/* left over from a wait that failed */

	w = my_waiter();
	w->prefix = hash_bytes_on(HASH_START, key, prefix_len);
	w->key = hash_bytes_on(w->prefix, key + prefix_len, key_len - prefix_len);
	w->create_revision = create_revision;
	bucket = bucket_of(w->prefix);
	member_queue_rearm();

	LWLockAcquire(&member_keywait->lock, LW_EXCLUSIVE);
	w->previous = -1;
	w->next = *bucket;
	if (w->next >= 0)
		member_keywait->waiters[w->next].previous = pgq_my_procno();
	*bucket = pgq_my_procno();
	w->joined = true;
	pg_atomic_fetch_add_u32(&member_keywait->count, 1);
	LWLockRelease(&member_keywait->lock);
}

/*
 * member_queue_rearm() -- see member.h.
 */
void
member_queue_rearm(void)
{
	KeyWaiter  *w = my_waiter();

	pg_atomic_write_u32(&w->wanted, PG_UINT32_MAX);
	pg_atomic_write_u32(&w->look, 0);
	pg_atomic_write_u32(&w->departures, 0);
	pg_memory_barrier();
}

/*
 * member_queue_wait() -- see member.h.
 */
bool
member_queue_wait(uint32 departures, int timeout_ms)
{
	static uint32 wait_event = 0;
	KeyWaiter  *w = my_waiter();
	ClockTime	deadline = clock_plus_ms(clock_now(), timeout_ms);
	long		left = timeout_ms;

	Assert(w->joined);
	pg_atomic_write_u32(&w->wanted, departures);
	pg_memory_barrier();
	for (;;)
	{
		if (pg_atomic_read_u32(&w->look) != 0 ||
			pg_atomic_read_u32(&w->departures) >= departures)
			return true;
		if (left <= 0)
			return false;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 left, pgq_wait_event(&wait_event, "QuorumQueue"));
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		left = clock_ms_between(clock_now(), deadline);
	}
}

/* ---------- the worker's side ---------- */

/*
 * A StoreKeyGone: note a deletion until its batch is published.  A key is under as
 * many prefixes as it has slashes.
 */
static void
key_gone(const char *key, uint32 key_len, int64 create_revision, void *arg)
{
	uint64		hash = HASH_START;
	int			first = ngone;
	uint32		i;

	if (gone == NULL)
		gone = MemoryContextAlloc(worker->context, KEYWAIT_MAX_GONE * sizeof(GoneKey));
	for (i = 0; i < key_len && !gone_overflow; i++)
	{
		hash = hash_byte(hash, key[i]);
		if (key[i] != '/')
			continue;
		if (ngone == KEYWAIT_MAX_GONE)
			gone_overflow = true;
		else
		{
			gone[ngone].prefix = hash;
			gone[ngone].create_revision = create_revision;
			ngone++;
		}
	}
	for (; first < ngone; first++)
		gone[first].key = hash;
}

static void
tell_to_look(int procno)
{
	pg_atomic_write_u32(&member_keywait->waiters[procno].look, 1);
	wake_procno(procno);
}

/*
 * keywait_signal_all() -- the state is not what it was, in ways not told: every
 * waiter looks.
 */
void
keywait_signal_all(void)
{
	int			i;

	ngone = 0;
	gone_overflow = false;
	pg_memory_barrier();
	if (pg_atomic_read_u32(&member_keywait->count) == 0)
		return;
	LWLockAcquire(&member_keywait->lock, LW_SHARED);
	for (i = 0; i < MaxBackends; i++)
		if (member_keywait->waiters[i].joined)
			tell_to_look(i);
	LWLockRelease(&member_keywait->lock);
}

/*
 * Count one deletion for those behind it.
 */
static void
count_departure(const GoneKey *key)
{
	int			procno = *bucket_of(key->prefix);

	while (procno >= 0)
	{
		KeyWaiter  *w = &member_keywait->waiters[procno];

		if (w->prefix == key->prefix)
		{
			if (key->key == w->key)
				tell_to_look(procno);
			else if (key->create_revision < w->create_revision &&
					 pg_atomic_add_fetch_u32(&w->departures, 1) >= pg_atomic_read_u32(&w->wanted))
				wake_procno(procno);
		}
		procno = w->next;
	}
}

/*
 * keywait_signal() -- a batch has been published: tell those who wait for what
 * it deleted.
 */
void
keywait_signal(void)
{
	int			i;

	if (gone_overflow)
	{
		keywait_signal_all();
		return;
	}
	if (ngone == 0)
		return;
	pg_memory_barrier();
	if (pg_atomic_read_u32(&member_keywait->count) > 0)
	{
		LWLockAcquire(&member_keywait->lock, LW_SHARED);
		for (i = 0; i < ngone; i++)
			count_departure(&gone[i]);
		LWLockRelease(&member_keywait->lock);
	}
	ngone = 0;
}

/*
 * keywait_anybody() -- does anybody wait in a queue?
 */
bool
keywait_anybody(void)
{
	return pg_atomic_read_u32(&member_keywait->count) > 0;
}

/*
 * keywait_start() -- the worker has opened the store, or opened it anew: be told
 * of deletions from now on, and have the waiters look at what they missed.
 */
void
keywait_start(void)
{
	store_on_delete(worker->store, key_gone, NULL);
	keywait_signal_all();
}
