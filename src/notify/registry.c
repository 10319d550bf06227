/*-------------------------------------------------------------------------
 *
 * registry.c
 *	  The watches of this instance, in shared memory.
 *
 * A fixed array of slots under one lock.  Sessions add and remove watches; the
 * notifier copies what it serves and comes back when the generation has moved, so
 * that the lock is taken for a look through the slots only then, and once a
 * window to publish how far it got.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/notify/registry.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/shmem.h"

#include "notify/notify.h"
#include "notify/registry.h"
#include "settings.h"

WatchRegistry *watch_registry = NULL;

/*
 * notify_shmem_size() -- bytes of static shared memory that watches need.
 */
Size
notify_shmem_size(void)
{
	return add_size(offsetof(WatchRegistry, slots),
					mul_size(setting_max_watches, sizeof(SharedWatch)));
}

/*
 * notify_shmem_init() -- create the registry, or attach to it.
 *
 * Called from the shared memory startup hook, with AddinShmemInitLock held.
 * Only the head is initialised: the slots of fresh shared memory are zero, that is
 * free, and pages of them that nobody uses stay untouched.
 */
void
notify_shmem_init(void)
{
	bool		found;

	watch_registry = ShmemInitStruct("pg_quorum watches", notify_shmem_size(), &found);
	if (found)
		return;

	memset(watch_registry, 0, offsetof(WatchRegistry, slots));
	watch_registry->tranche = LWLockNewTrancheId();
	LWLockInitialize(&watch_registry->lock, watch_registry->tranche);
	watch_registry->notifier_procno = -1;
	pg_atomic_init_u64(&watch_registry->generation, 1);
	watch_registry->named_generation = 1;
	watch_registry->next_id = 1;
	watch_registry->nslots = setting_max_watches;
}

/*
 * registry_attach() -- make the registry usable in this process.
 *
 * ERROR 55000 when the library was not preloaded.
 */
void
registry_attach(void)
{
	static bool registered = false;

	if (watch_registry == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("pg_quorum must be loaded via shared_preload_libraries"),
				 errhint("Add pg_quorum to shared_preload_libraries in postgresql.conf and restart the server.")));
	if (!registered)
	{
		LWLockRegisterTranche(watch_registry->tranche, "pg_quorum_watches");
		registered = true;
	}
}

void
registry_lock(LWLockMode mode)
{
	LWLockAcquire(&watch_registry->lock, mode);
}

void
registry_unlock(void)
{
	LWLockRelease(&watch_registry->lock);
}

/*
 * registry_add() -- take a slot for a watch, in state PENDING.
 *
 * The lock must be held exclusively.  Returns NULL when all slots are taken;
 * the caller raises that after it has released the lock.
 */
SharedWatch *
registry_add(const WatchSpec *spec, const char *channel, bool named, Oid store)
{
	SharedWatch *watch = NULL;
	int			i;

	Assert(LWLockHeldByMeInMode(&watch_registry->lock, LW_EXCLUSIVE));
	Assert(spec->range.key_len <= WATCH_MAX_KEY_BYTES);
	Assert(spec->range.end_len <= WATCH_MAX_KEY_BYTES);

	if (watch_registry->nused >= watch_registry->nslots)
		return NULL;
	for (i = 0; i < watch_registry->nslots; i++)
	{
		if (i == watch_registry->high_water)
			watch_registry->high_water++;
		if (watch_registry->slots[i].state == WATCH_FREE)
		{
			watch = &watch_registry->slots[i];
			break;
		}
	}
	Assert(watch != NULL);

	watch_registry->nused++;
	watch->state = WATCH_PENDING;
	watch->named = named;
	watch->following = false;
	watch->prev_value = spec->prev_value;
	watch->kinds = spec->kinds;
	watch->payload = spec->payload;
	watch->key_len = spec->range.key_len;
	watch->end_len = spec->range.end_len;
	watch->id = watch_registry->next_id++;
	watch->store = store;
	watch->role = GetUserId();
	watch->pid = named ? 0 : MyProcPid;
	watch->told_revision = spec->told_revision;
	strlcpy(watch->channel, channel, NAMEDATALEN);
	memcpy(watch->bytes, spec->range.key, spec->range.key_len);
	memcpy(watch->bytes + spec->range.key_len, spec->range.end, spec->range.end_len);
	return watch;
}

/*
 * registry_find() -- the watch with this id, or NULL if it has ended.
 *
 * The lock must be held.
 */
SharedWatch *
registry_find(uint64 id)
{
	int			i;

	for (i = 0; i < watch_registry->high_water; i++)
	{
		SharedWatch *watch = &watch_registry->slots[i];

		if (watch->state != WATCH_FREE && watch->id == id)
			return watch;
	}
	return NULL;
}

/*
 * registry_find_named() -- the named watch of a channel that is not being
 * registered just now, or NULL.  The lock must be held.
 */
SharedWatch *
registry_find_named(const char *channel)
{
	int			i;

	for (i = 0; i < watch_registry->high_water; i++)
	{
		SharedWatch *watch = &watch_registry->slots[i];

		if (watch->named &&
			(watch->state == WATCH_ACTIVE || watch->state == WATCH_ENDED ||
			 watch->state == WATCH_DENIED) &&
			strcmp(watch->channel, channel) == 0)
			return watch;
	}
	return NULL;
}

/*
 * registry_free() -- give a slot back.  The lock must be held exclusively.
 */
void
registry_free(SharedWatch *watch)
{
	Assert(LWLockHeldByMeInMode(&watch_registry->lock, LW_EXCLUSIVE));
	Assert(watch->state != WATCH_FREE);
	watch->state = WATCH_FREE;
	watch_registry->nused--;
}

/*
 * registry_changed() -- tell the notifier to look again.
 *
 * Must be called with the lock held (any mode), so that whoever reads the
 * generation under the lock sees the change that goes with it.
 */
void
registry_changed(void)
{
	int			procno = watch_registry->notifier_procno;

	pg_atomic_fetch_add_u64(&watch_registry->generation, 1);
	if (procno >= 0)
		SetLatch(&ProcGlobal->allProcs[procno].procLatch);
}

/*
 * registry_told() -- the revision a watch has been told up to, in full.
 *
 * The lock must be held.
 */
int64
registry_told(const SharedWatch *watch)
{
	if (watch->following)
		return Max(watch->told_revision, watch_registry->followed_revision);
	return watch->told_revision;
}

/*
 * registry_range() -- the keys of a watch, borrowed from its slot.
 */
void
registry_range(const SharedWatch *watch, WatchRange *range)
{
	range->key = watch->bytes;
	range->key_len = watch->key_len;
	range->end = watch->bytes + watch->key_len;
	range->end_len = watch->end_len;
}
