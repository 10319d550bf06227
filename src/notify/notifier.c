/*-------------------------------------------------------------------------
 *
 * notifier.c
 *	  The worker that tells watches what happened.
 *
 * It follows the store's revisions and turns them into notifications, one
 * transaction for what has come together in a window (pace.c).
 *
 * Watches are in two groups.  Those of the main group have been told all there was
 * up to its position, near the present.  A watch that begins in the past goes into the
 * lagging group, which reads from the furthest behind of its own, a batch a turn, and
 * joins the main group where it meets its position.  So a watch that has much to catch
 * up on delays nobody but others that do.
 *
 * The worker waits without a transaction: no snapshot, no xid, no lock.  While
 * nobody watches it sleeps on its latch alone.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/notify/notifier.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/ps_status.h"

#include "clock.h"
#include "member/member.h"
#include "notify/group.h"
#include "notify/named.h"
#include "notify/notify.h"
#include "notify/pace.h"
#include "notify/permit.h"
#include "notify/registry.h"
#include "notify/session.h"
#include "settings.h"
#include "storage/storage.h"

#include "compat.h"

/* Progress of named watches is saved this often at most */
#define SAVE_INTERVAL_MS		10000

/* How often the worker looks around while it waits for revisions */
#define LOOK_AROUND_MS			1000

typedef struct Notifier
{
	WatchGroup	main;
	WatchGroup	lagging;
	Outbox		outbox;
	HTAB	   *watches;		/* LocalWatch by id */
	MemoryContext context;		/* of the watches */
	Oid			store;			/* relation they are about */
	uint64		generation;		/* of the registry, as last seen */
	uint64		named_generation;
	int			named_watches;
	int64		saved_progress;
	ClockTime	saved_at;
	Pace		pace;
	bool		warned_full;
	bool		started;		/* has looked through the registry before */
	bool		look;			/* has reason to look around */
	uint64		seen_index;		/* applied index when it last looked at rights */
	bool		recheck;		/* rights have changed since the last batch */
} Notifier;

static Notifier notifier;

PGDLLEXPORT void notifier_main(Datum arg);

/*
 * notify_register_worker() -- called from _PG_init() under preload.
 *
 * Also installs the hook by which sessions notice that they listen no more.
 */
void
notify_register_worker(void)
{
	session_install_hook();

	member_register_worker("pg_quorum notifier", "notifier_main");
}

/* ----------------------------------------------------------------
 *	The registry
 * ----------------------------------------------------------------
 */

/*
 * Should the worker stop waiting and look around?
 */
static bool
notifier_called(void)
{
	return ShutdownRequestPending || ConfigReloadPending ||
		pg_atomic_read_u64(&watch_registry->generation) != notifier.generation;
}

static LocalWatch *
copy_watch(const SharedWatch *shared, int slot)
{
	LocalWatch *watch;
	WatchRange	range;
	char	   *bytes;

	registry_range(shared, &range);
	watch = hash_search(notifier.watches, &shared->id, HASH_ENTER, NULL);
	bytes = MemoryContextAlloc(notifier.context, range.key_len + range.end_len + 1);
	memcpy(bytes, range.key, range.key_len);
	memcpy(bytes + range.key_len, range.end, range.end_len);

	watch->slot = slot;
	watch->present = true;
	watch->ended = watch->denied = false;
	watch->role = shared->role;
	watch->named = shared->named;
	watch->prev_value = shared->prev_value;
	watch->kinds = shared->kinds;
	watch->payload = shared->payload;
	watch->after = shared->told_revision;
	watch->matched = watch->told = 0;
	watch->range.key = bytes;
	watch->range.key_len = range.key_len;
	watch->range.end = bytes + range.key_len;
	watch->range.end_len = range.end_len;
	strlcpy(watch->channel, shared->channel, NAMEDATALEN);
	return watch;
}

/*
 * Let go of the watches of a group that have left the registry.
 */
static void
drop_absent(WatchGroup *group)
{
	bool		changed = false;
	ListCell   *lc;

	foreach(lc, group->watches)
	{
		LocalWatch *watch = lfirst(lc);

		if (watch->present)
			continue;
		group->watches = foreach_delete_current(group->watches, lc);
		pfree((char *) watch->range.key);
		hash_search(notifier.watches, &watch->id, HASH_REMOVE, NULL);
		changed = true;
	}
	if (changed)
		group_changed(group);
}

static void
add_to_group(WatchGroup *group, LocalWatch *watch)
{
	MemoryContext old = MemoryContextSwitchTo(notifier.context);

	group->watches = lappend(group->watches, watch);
	group->unpublished = true;
	MemoryContextSwitchTo(old);
	group_changed(group);
}

/*
 * A watch that begins at or after the main group's position joins it at
 * once; any other lags.
 */
static void
place_watch(LocalWatch *watch)
{
	WatchGroup *lagging = &notifier.lagging;
	ListCell   *lc;

	if (watch->after >= notifier.main.position.revision && notifier.main.position.offset == 0)
	{
		add_to_group(&notifier.main, watch);
		return;
	}

	if (lagging->watches == NIL)
	{
		lagging->position.revision = watch->after;
		lagging->position.offset = 0;
	}
	else if (watch->after < lagging->position.revision)
	{
		foreach(lc, lagging->watches)
		{
			LocalWatch *other = lfirst(lc);

			other->after = group_told(lagging, other);
		}
		lagging->position.revision = watch->after;
	}
	add_to_group(lagging, watch);
}

/*
 * Publish how far a watch has been told, or that it has ended.  Holds the lock.
 */
static void
publish_watch(const WatchGroup *group, LocalWatch *watch)
{
	SharedWatch *shared = &watch_registry->slots[watch->slot];

	if (shared->state != WATCH_ACTIVE || shared->id != watch->id)
		return;					/* ended by its session meanwhile */

	if (watch->ended && !watch->named)
	{
		registry_free(shared);
		return;
	}
	if (watch->ended)
		shared->state = watch->denied ? WATCH_DENIED : WATCH_ENDED;
	shared->following = group == &notifier.main && !watch->ended;
	shared->told_revision = shared->following ? watch->after : group_told(group, watch);
}

/*
 * Publish how far a group has been told, and let go of the watches that have ended.
 *
 * What follows the main group need not be touched for each batch.
 */
static void
publish_group(WatchGroup *group)
{
	bool		ended = false;
	ListCell   *lc;

	registry_lock(LW_EXCLUSIVE);
	if (group == &notifier.main)
	{
		watch_registry->followed_revision = group->position.revision;
		watch_registry->followed_offset = group->position.offset;
	}
	if (group->unpublished || group != &notifier.main)
	{
		foreach(lc, group->watches)
		{
			LocalWatch *watch = lfirst(lc);

			publish_watch(group, watch);
			if (watch->ended)
			{
				watch->present = false;
				ended = true;
			}
		}
		group->unpublished = false;
	}
	registry_unlock();

	if (ended)
		drop_absent(group);
}

/*
 * Look through the registry: take what is new, let go of what has ended.
 *
 * A position within a revision belongs to the watches that were told the first
 * part of it, so groups take no new watches until it is complete.  That is left
 * to the caller: it does not call this while one of the groups is there.
 */
static void
read_registry(void)
{
	WatchRegistry *registry = watch_registry;
	HASH_SEQ_STATUS scan;
	LocalWatch *watch;
	List	   *arrived = NIL;
	ListCell   *lc;
	char		title[64];
	int			i;

	hash_seq_init(&scan, notifier.watches);
	while ((watch = hash_seq_search(&scan)) != NULL)
		watch->present = false;

	registry_lock(LW_EXCLUSIVE);
	notifier.generation = pg_atomic_read_u64(&registry->generation);
	if (!notifier.started && OidIsValid(notifier.store))
	{
		/* go on where the last notifier stopped, if anybody followed it */
		for (i = 0; i < registry->high_water; i++)
		{
			if (registry->slots[i].state == WATCH_ACTIVE && registry->slots[i].following &&
				registry->slots[i].store == notifier.store)
			{
				notifier.main.position.revision = registry->followed_revision;
				notifier.main.position.offset = registry->followed_offset;
				break;
			}
		}
	}

	notifier.named_watches = 0;
	for (i = 0; i < registry->high_water; i++)
	{
		SharedWatch *shared = &registry->slots[i];

		if (shared->state != WATCH_ACTIVE)
			continue;
		if (shared->store != notifier.store)
		{
			/* the extension was dropped, and its revisions with it */
			registry_free(shared);
			continue;
		}
		if (shared->named)
			notifier.named_watches++;
		watch = hash_search(notifier.watches, &shared->id, HASH_FIND, NULL);
		if (watch != NULL)
			watch->present = true;
		else
		{
			watch = copy_watch(shared, i);
			if (!notifier.started && shared->following)
				add_to_group(&notifier.main, watch);
			else
			{
				shared->following = false;
				arrived = lappend(arrived, watch);
			}
		}
	}
	registry_unlock();

	drop_absent(&notifier.main);
	drop_absent(&notifier.lagging);
	if (notifier.main.watches == NIL)
	{
		/* nobody is told from there on; the next start at the present */
		notifier.main.position.revision = member_published_revision();
		notifier.main.position.offset = 0;
	}
	foreach(lc, arrived)
		place_watch(lfirst(lc));
	list_free(arrived);
	if (notifier.main.unpublished)
		publish_group(&notifier.main);
	notifier.started = true;

	snprintf(title, sizeof(title), "%ld watches", hash_get_num_entries(notifier.watches));
	set_ps_display(title);
}

/*
 * Bring the worker's view up to date: the store, named watches, the registry.
 */
static void
look_around(void)
{
	Oid			store;
	int64		progress;

	notifier.look = false;
	StartTransactionCommand();
	store = named_find_store();
	CommitTransactionCommand();

	if (store != notifier.store)
	{
		/* everything known is about a store that is no more */
		notifier.store = store;
		notifier.named_generation = 0;
		notifier.saved_progress = 0;
	}
	if (notifier.named_generation != watch_registry->named_generation)
	{
		notifier.named_generation = named_load(&progress);
		notifier.saved_progress = Max(notifier.saved_progress, progress);
	}
	read_registry();
}

/* ----------------------------------------------------------------
 *	Sending
 * ----------------------------------------------------------------
 */

/*
 * The lagging watches that have reached the main group's position join it.
 */
static void
join_main(void)
{
	WatchGroup *main = &notifier.main;
	WatchGroup *lagging = &notifier.lagging;
	ListCell   *lc;

	if (lagging->watches == NIL || lagging->position.offset > 0 || main->position.offset > 0 ||
		lagging->position.revision < main->position.revision)
		return;
	foreach(lc, lagging->watches)
	{
		LocalWatch *watch = lfirst(lc);

		watch->after = group_told(lagging, watch);
		add_to_group(main, watch);
	}
	list_free(lagging->watches);
	lagging->watches = NIL;
	group_changed(lagging);
	publish_group(main);
}

/*
 * One batch of a group, errors caught: they are logged, and it is tried again
 * later.  Returns true if the group's position has moved.
 */
static bool
try_send(WatchGroup *group, int64 until, GroupResult *result)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool ok = false;

	PG_TRY();
	{
		*result = group_send(group, until, notifier.store, &notifier.outbox);
		ok = true;
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		EmitErrorReport();
		AbortCurrentTransaction();
		LWLockReleaseAll();
		MemoryContextSwitchTo(context);
		FlushErrorState();
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();

	MemoryContextSwitchTo(context);
	if (!ok)
	{
		pace_failed(&notifier.pace);
		return false;
	}

	switch (*result)
	{
		case GROUP_NO_STORE:
			notifier.look = true;	/* the extension may have been dropped */
			pace_failed(&notifier.pace);
			return false;
		case GROUP_FULL:
			if (!notifier.warned_full)
				ereport(WARNING,
						(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						 errmsg("notifications of watches are held back because the NOTIFY queue is nearly full"),
						 errhint("A session that listens and stays in a transaction keeps the queue from being emptied.")));
			notifier.warned_full = true;
			pace_failed(&notifier.pace);
			return false;
		default:
			notifier.warned_full = false;
			return true;
	}
}

/*
 * Send one batch of each group that has something to be told.
 */
static void
send_batches(int64 revision)
{
	WatchGroup *main = &notifier.main;
	WatchGroup *lagging = &notifier.lagging;
	GroupResult result;
	ClockTime	start = clock_now();
	bool		sent = false;

	pgstat_report_activity(STATE_RUNNING, "telling watches");
	notifier.outbox.batch_bytes = notifier.pace.batch_bytes;
	if (lagging->watches != NIL)
	{
		int64		until = Min(main->position.revision, revision);

		if (lagging->position.revision < until)
		{
			if (!try_send(lagging, until, &result))
				goto done;
			sent |= result != GROUP_QUIET;
			publish_group(lagging);
		}
		join_main();
	}
	if (main->watches != NIL && (main->position.revision < revision || notifier.recheck))
	{
		if (!try_send(main, Max(main->position.revision, revision), &result))
			goto done;
		notifier.recheck = false;
		sent |= result != GROUP_QUIET;
		main->unpublished |= result == GROUP_ENDED;
		publish_group(main);
	}

	pace_done(&notifier.pace, start, sent,
			  main->watches != NIL && main->position.revision < revision,
			  setting_notify_interval, hash_get_num_entries(notifier.watches));

done:
	pgstat_report_stat(false);
	pgstat_report_activity(STATE_IDLE, NULL);
}

/*
 * Up to where every named watch has been told; 0 if there is none.
 */
static int64
named_progress(void)
{
	int64		progress = PG_INT64_MAX;
	WatchGroup *groups[2] = {&notifier.main, &notifier.lagging};
	int			i;

	if (notifier.named_watches == 0)
		return 0;
	for (i = 0; i < 2; i++)
	{
		ListCell   *lc;

		foreach(lc, groups[i]->watches)
		{
			LocalWatch *watch = lfirst(lc);

			if (watch->named)
			{
				progress = Min(progress, groups[i]->position.revision);
				break;
			}
		}
	}
	return progress == PG_INT64_MAX ? 0 : progress;
}

/*
 * Save the progress of named watches, if it has moved.
 */
static void
save_progress(void)
{
	int64		progress = named_progress();

	if (progress <= notifier.saved_progress)
		return;
	StartTransactionCommand();
	if (named_find_store() == notifier.store)
		named_save_progress(progress);
	CommitTransactionCommand();
	notifier.saved_progress = progress;
	notifier.saved_at = clock_now();
}

/* ----------------------------------------------------------------
 *	The worker
 * ----------------------------------------------------------------
 */

static void
notifier_exit(int code, Datum arg)
{
	registry_lock(LW_EXCLUSIVE);
	watch_registry->notifier_procno = -1;
	registry_unlock();
}

static void
notifier_start(void)
{
	HASHCTL		control = {0};

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	pqsignal(SIGINT, SIG_IGN);	/* there is no statement to cancel */
	BackgroundWorkerUnblockSignals();
	member_connect_worker();

	/* A notification is worth no flush, and no wait for a standby. */
	SetConfigOption("synchronous_commit", "off", PGC_SUSET, PGC_S_OVERRIDE);

	registry_attach();
	notifier.context = AllocSetContextCreate(TopMemoryContext, "pg_quorum watches",
											 ALLOCSET_DEFAULT_SIZES);
	control.keysize = sizeof(uint64);
	control.entrysize = sizeof(LocalWatch);
	control.hcxt = notifier.context;
	notifier.watches = hash_create("pg_quorum watches", 256, &control,
								   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	group_init(&notifier.main, "main");
	group_init(&notifier.lagging, "lagging");
	outbox_init(&notifier.outbox, notifier.context);
	pace_init(&notifier.pace);
	MemoryContextSwitchTo(notifier.context);

	notifier.saved_at = clock_now();
	before_shmem_exit(notifier_exit, (Datum) 0);
	registry_lock(LW_EXCLUSIVE);
	watch_registry->notifier_procno = pgq_my_procno();
	registry_unlock();
}

static void
wait_for_call(long timeout_ms)
{
	static uint32 wait_event = 0;
	int			events = WL_LATCH_SET | WL_EXIT_ON_PM_DEATH;

	if (timeout_ms >= 0)
		events |= WL_TIMEOUT;
	(void) WaitLatch(MyLatch, events, timeout_ms,
					 pgq_wait_event(&wait_event, "QuorumNotifier"));
	ResetLatch(MyLatch);
}

/*
 * Have rights changed since the main group's watches were last looked at?  Users
 * and roles change without a revision, but not without a log entry.
 */
static void
look_at_rights(void)
{
	MemberStatus status;
	Relation	tree;

	if (notifier.recheck || notifier.main.watches == NIL)
		return;
	member_get_status(&status);
	if (status.applied_index == notifier.seen_index)
		return;
	notifier.seen_index = status.applied_index;

	StartTransactionCommand();
	tree = storage_open(STORAGE_TREE, AccessShareLock, true);
	if (tree != NULL)
	{
		if (RelationGetRelid(tree) == notifier.store)
			notifier.recheck = permit_state(tree) != notifier.main.permitted;
		relation_close(tree, AccessShareLock);
	}
	CommitTransactionCommand();
}

/*
 * Is there anything to be told?
 */
static bool
has_work(int64 revision)
{
	if (notifier.lagging.watches != NIL ||
		(notifier.main.watches != NIL && notifier.main.position.revision < revision))
		return true;
	look_at_rights();
	return notifier.recheck && notifier.main.watches != NIL;
}

/*
 * Nothing to tell: wait until there may be.
 */
static void
wait_for_work(int64 revision)
{
	if (revision <= 0)
		wait_for_call(LOOK_AROUND_MS);	/* the member is not ready, nor is anything known */
	else if (hash_get_num_entries(notifier.watches) == 0)
		wait_for_call(-1);
	else
		(void) member_wait_revision_or(notifier.main.position.revision, LOOK_AROUND_MS,
									   notifier_called);
}

/*
 * notifier_main() -- entry point of the worker.
 */
void
notifier_main(Datum arg)
{
	notifier_start();

	for (;;)
	{
		int64		revision;

		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		if (ShutdownRequestPending)
			break;

		revision = member_published_revision();
		if (revision > 0 &&
			(notifier_called() || notifier.look || revision < notifier.main.position.revision) &&
			notifier.main.position.offset == 0 && notifier.lagging.position.offset == 0)
			look_around();

		if (notifier.named_watches > 0 &&
			clock_exceeds(notifier.saved_at, clock_now(), SAVE_INTERVAL_MS))
			save_progress();

		if (revision > 0 && has_work(revision))
		{
			long		wait_ms = pace_wait_ms(&notifier.pace);

			if (wait_ms == 0)
				send_batches(revision);
			else
				wait_for_call(Min(wait_ms, LOOK_AROUND_MS));
		}
		else
			wait_for_work(revision);
	}

	save_progress();
	proc_exit(1);				/* so that it starts again, if the server goes on */
}
