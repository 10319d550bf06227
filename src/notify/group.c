/*-------------------------------------------------------------------------
 *
 * group.c
 *	  Watches that the notifier serves together, from one position on.
 *
 * One batch is one transaction: read events, find the watches of each by the
 * index, queue the notifications, commit.  The position moves after the commit
 * only, so a failure (above all a full queue) leaves everything to be
 * tried again.  A transaction that has nothing to send gets no xid.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/notify/group.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "commands/async.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "notify/group.h"
#include "notify/named.h"
#include "notify/pace.h"
#include "notify/payload.h"
#include "notify/permit.h"
#include "storage/storage.h"

#include "compat.h"

/* What one event is turned into, at most once for each form */
typedef struct EventMatch
{
	WatchGroup *group;
	List	  **matched;		/* watches that are told revisions */
	const Mvccpb__Event *event;
	Outbox	   *outbox;
	const char *payloads[2];	/* without and with prev_value */
} EventMatch;

void
group_init(WatchGroup *group, const char *name)
{
	memset(group, 0, sizeof(*group));
	group->context = AllocSetContextCreate(TopMemoryContext, "pg_quorum watch index",
										   ALLOCSET_DEFAULT_SIZES);
	MemoryContextSetIdentifier(group->context, name);
}

/*
 * group_changed() -- to be called when the watches of a group have changed.
 */
void
group_changed(WatchGroup *group)
{
	group->index.root = NULL;
	group->permitted = 0;
	MemoryContextReset(group->context);
}

/*
 * group_told() -- the revision up to which a watch of the group has been told.
 */
int64
group_told(const WatchGroup *group, const LocalWatch *watch)
{
	return Max(watch->after, group->position.revision);
}

static void
build_index(WatchGroup *group)
{
	MemoryContext old = MemoryContextSwitchTo(group->context);
	RangeNode	hull;
	ListCell   *lc;

	group->want_prev = false;
	foreach(lc, group->watches)
	{
		LocalWatch *watch = lfirst(lc);

		range_node_set(&watch->node, watch->range.key, watch->range.key_len,
					   watch->range.end, watch->range.end_len);
		range_index_insert(&group->index, &watch->node);
		group->want_prev |= watch->prev_value;
	}
	range_index_hull(&group->index, &hull);
	group->hull.key = hull.key;
	group->hull.key_len = hull.key_len;
	group->hull.end = hull.end;
	group->hull.end_len = hull.end_len;
	MemoryContextSwitchTo(old);
}

/* ----------------------------------------------------------------
 *	From events to notifications
 * ----------------------------------------------------------------
 */

/* RangeIndexHit: an event lies in the range of a watch */
static bool
match_watch(RangeNode *node, void *arg)
{
	LocalWatch *watch = (LocalWatch *) ((char *) node - offsetof(LocalWatch, node));
	EventMatch *match = arg;
	const Mvccpb__Event *event = match->event;
	int64		revision = event->kv->mod_revision;
	int			kind = event->type == MVCCPB__EVENT__EVENT_TYPE__PUT ? WATCH_PUT : WATCH_DELETE;
	int			form = watch->prev_value ? 1 : 0;

	if (watch->ended || revision <= watch->after || (watch->kinds & kind) == 0)
		return true;

	if (watch->payload == WATCH_PAYLOAD_REVISION)
	{
		if (watch->matched <= watch->told)
		{
			MemoryContext old = MemoryContextSwitchTo(CurTransactionContext);

			*match->matched = lappend(*match->matched, watch);
			MemoryContextSwitchTo(old);
		}
		watch->matched = revision;
		return true;
	}

	if (match->payloads[form] == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(match->outbox->context);

		match->payloads[form] = payload_event(event, watch->prev_value, NOTIFY_MAX_PAYLOAD);
		MemoryContextSwitchTo(old);
	}
	outbox_add(match->outbox, watch->channel, match->payloads[form]);
	return true;
}

/* FeedVisit */
static void
match_event(const Mvccpb__Event *event, Outbox *outbox, void *arg)
{
	EventMatch *match = arg;

	match->event = event;
	match->outbox = outbox;
	match->payloads[0] = match->payloads[1] = NULL;
	range_index_search(&match->group->index, (const char *) event->kv->key.data,
					   (uint32) event->kv->key.len, match_watch, match);
}

/*
 * One notification for each watch that is told revisions only.  The batch may have
 * ended before the revision that matched last, which comes again with
 * the next one then.
 */
static void
add_revisions(List *matched, const FeedPosition *position, Outbox *outbox)
{
	MemoryContext old = MemoryContextSwitchTo(outbox->context);
	ListCell   *lc;

	foreach(lc, matched)
	{
		LocalWatch *watch = lfirst(lc);

		if (watch->matched > position->revision && position->offset == 0)
			watch->matched = position->revision;
		if (watch->matched > Max(watch->told, watch->after))
			outbox_add(outbox, watch->channel, payload_revision(watch->matched));
	}
	MemoryContextSwitchTo(old);
}

/*
 * Events after the position are gone.  What is left begins with the compacted
 * revision itself: a watch that wants events and has not been told all before it is
 * told so, and ends; one that is told revisions is told that one.
 */
static void
add_compacted(WatchGroup *group, int64 compacted, Outbox *outbox)
{
	MemoryContext old = MemoryContextSwitchTo(outbox->context);
	ListCell   *lc;

	foreach(lc, group->watches)
	{
		LocalWatch *watch = lfirst(lc);

		if (watch->ended || group_told(group, watch) >= compacted - 1)
			continue;
		if (watch->payload == WATCH_PAYLOAD_REVISION)
		{
			watch->matched = compacted;
			outbox_add(outbox, watch->channel, payload_revision(compacted));
			continue;
		}
		watch->ended = true;
		outbox_add(outbox, watch->channel, payload_compacted(compacted));
		if (watch->named)
			named_save_end(watch->channel, compacted, "compaction");
	}
	MemoryContextSwitchTo(old);
}

/*
 * Undo what a failed batch has noted in the watches.
 */
static void
forget_batch(WatchGroup *group)
{
	ListCell   *lc;

	foreach(lc, group->watches)
	{
		LocalWatch *watch = lfirst(lc);

		watch->ended = watch->denied = false;
		watch->matched = Min(watch->matched, watch->told);
	}
}

/*
 * Read what there is to tell, unless a watch has lost its right to be told: then that
 * is told first, and the others' events with the next batch.
 */
static GroupResult
gather_batch(WatchGroup *group, Relation tree, int64 until, FeedPosition *position,
			 EventMatch *match, Outbox *outbox)
{
	uint64		state = permit_state(tree);
	StoreError	error;

	if (state != group->permitted)
	{
		if (state != 0 && permit_group(group, tree, outbox))
			return GROUP_ENDED;
		group->permitted = state;
	}

	error = feed_read(tree, &group->hull, group->want_prev, until, position,
					  match_event, match, outbox);
	if (error == STORE_COMPACTED)
	{
		Quorum__StoreMeta *meta = store_read_meta(tree);

		outbox_reset(outbox);
		*match->matched = NIL;
		forget_batch(group);
		add_compacted(group, meta->compacted_revision, outbox);
		position->revision = Max(group->position.revision, meta->compacted_revision - 1);
		position->offset = 0;
		return GROUP_ENDED;
	}
	if (error != STORE_OK)
		elog(ERROR, "could not read events after revision " INT64_FORMAT ": error %d",
			 position->revision, (int) error);
	return GROUP_SENT;
}

static GroupResult
send_batch(WatchGroup *group, int64 until, Oid store, FeedPosition *position, Outbox *outbox)
{
	EventMatch	match = {0};
	List	   *matched = NIL;
	GroupResult result;
	Relation	tree;
	bool		told_revisions;
	int			i;
	ListCell   *lc;

	tree = storage_open(STORAGE_TREE, AccessShareLock, true);
	if (tree == NULL)
		return GROUP_NO_STORE;
	if (RelationGetRelid(tree) != store)
	{
		relation_close(tree, AccessShareLock);
		return GROUP_NO_STORE;
	}

	match.group = group;
	match.matched = &matched;
	result = gather_batch(group, tree, until, position, &match, outbox);
	relation_close(tree, AccessShareLock);

	add_revisions(matched, position, outbox);
	if (outbox->n == 0)
		return result == GROUP_ENDED ? GROUP_ENDED : GROUP_QUIET;
	if (pace_queue_full())
		return GROUP_FULL;
	for (i = 0; i < outbox->n; i++)
		Async_Notify(outbox->items[i].channel, outbox->items[i].payload);

	told_revisions = matched != NIL || result == GROUP_ENDED;
	CommitTransactionCommand();
	if (told_revisions)
	{
		foreach(lc, group->watches)
		{
			LocalWatch *watch = lfirst(lc);

			watch->told = Max(watch->told, watch->matched);
		}
	}
	return result;
}

/*
 * group_send() -- tell the group's watches one batch of events.
 *
 * Sends what comes after the position, up to revision `until` at most, and moves
 * the position.  There must be a watch.  `store` is the relation the watches
 * are about.  Called outside a transaction.  On GROUP_NO_STORE and GROUP_FULL,
 * and on an ERROR, after which the caller aborts the transaction, nothing was
 * told and nothing has moved.
 */
GroupResult
group_send(WatchGroup *group, int64 until, Oid store, Outbox *outbox)
{
	FeedPosition position = group->position;
	GroupResult result;

	Assert(group->watches != NIL);
	if (group->index.root == NULL)
		build_index(group);

	outbox_reset(outbox);
	forget_batch(group);
	StartTransactionCommand();
	result = send_batch(group, until, store, &position, outbox);
	if (IsTransactionState())
	{
		if (result == GROUP_FULL)
			AbortCurrentTransaction();
		else
			CommitTransactionCommand();
	}
	if (result == GROUP_NO_STORE || result == GROUP_FULL)
		forget_batch(group);
	else
		group->position = position;
	outbox_reset(outbox);
	return result;
}
