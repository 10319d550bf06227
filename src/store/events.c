/*-------------------------------------------------------------------------
 *
 * events.c
 *	  What happened after a revision: for watches, changes and history.
 *
 * Two ways lead to the events of a range of keys.  The revision index has every
 * change in order, and costs as much as there are changes in between, of
 * whatever key.  For a single key its own versions are all there is to look at;
 * they come newest first, so their revisions are gathered before the first event
 * is told.
 *
 * An event that has been told cannot be taken back, so events are gathered in
 * portions, and a portion is told only when the meta shows that no
 * compaction has touched it while it was read.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/events.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "store/read.h"

/* What ends a portion */
#define PORTION_EVENTS		256
#define PORTION_BYTES		(1024 * 1024)
#define PORTION_CHANGES		4096

/* enough() is asked after this many events at most */
#define ENOUGH_EVENTS		16

/* Revisions of which the versions of a single key are gathered at a time for one who may
 * have had enough at any time */
#define KEY_WINDOW			4096

/* One change, as either source gives it */
typedef struct Change
{
	int64		revision;
	int64		sub;
} Change;

typedef struct PendingEvent
{
	KeyVersion	version;
	bool		missing;		/* its version was not found */
	bool		has_prev;
	KeyVersion	prev;
} PendingEvent;

typedef struct EventScan
{
	Relation	tree;
	KeyRange	range;
	int64		until;
	bool		want_prev;
	int64		max_events;
	StoreEventVisit visit;		/* the one or the other */
	const StoreChangeReader *reader;
	void	   *arg;

	int64		compacted;		/* as last seen */
	StorePosition next;			/* all changes before this one are dealt with */

	TreeScan   *versions;		/* on a leaf near the last version that was read */
	MemoryContext portion_context;
	int			nevents;
	Size		bytes;
	int			nchanges;		/* looked at for this portion */
	int64		last_revision;	/* of the last event gathered, told or not */
	int64		ngathered;

	bool		stopped;		/* by the visitor, by max_events or by enough() */
	StoreError	error;

	PendingEvent events[PORTION_EVENTS];	/* the first nevents of them */
} EventScan;

/* What there is room for need not be zero: it is much, and mostly not used */
static EventScan *
new_scan(Relation tree)
{
	EventScan  *scan = palloc(sizeof(EventScan));

	memset(scan, 0, offsetof(EventScan, events));
	scan->tree = tree;
	return scan;
}

static inline void
move_to(EventScan *scan, int64 revision, int64 sub)
{
	if (revision > scan->next.revision ||
		(revision == scan->next.revision && sub > scan->next.sub))
	{
		scan->next.revision = revision;
		scan->next.sub = sub;
	}
}

/* ----------------------------------------------------------------
 *	Portions
 * ----------------------------------------------------------------
 */

/* Tell the events gathered, unless a compaction has overtaken them */
static void
tell_portion(EventScan *scan)
{
	int			i;

	if (read_overtaken(scan->tree, scan->next.revision, &scan->compacted))
	{
		scan->error = STORE_COMPACTED;
		return;
	}

	for (i = 0; i < scan->nevents && !scan->stopped; i++)
	{
		PendingEvent *pending = &scan->events[i];
		Mvccpb__Event event;
		Mvccpb__KeyValue kv;
		Mvccpb__KeyValue prev;

		if (pending->missing)
		{
			/*
			 * Of the compacted revision itself, a put may be gone that the
			 * same transaction deleted.
			 */
			if (pending->version.revision > scan->compacted)
				ereport(ERROR,
						(errcode(ERRCODE_DATA_CORRUPTED),
						 errmsg("a change of revision %lld is missing in the key-value store",
								(long long) pending->version.revision),
						 errhint("Run quorum.check() to look for damaged pages.")));
			continue;
		}

		mvccpb__event__init(&event);
		version_to_kv(&pending->version, &kv);
		event.type = pending->version.tombstone ?
			MVCCPB__EVENT__EVENT_TYPE__DELETE : MVCCPB__EVENT__EVENT_TYPE__PUT;
		event.kv = &kv;
		if (pending->has_prev && pending->version.revision - 1 >= scan->compacted)
		{
			version_to_kv(&pending->prev, &prev);
			event.prev_kv = &prev;
		}
		move_to(scan, pending->version.revision, pending->version.sub);
		if (scan->reader != NULL ?
			!scan->reader->visit(&event, pending->version.sub, scan->arg) :
			!scan->visit(&event, scan->arg))
			scan->stopped = true;
		else
			move_to(scan, pending->version.revision, pending->version.sub + 1);
	}

	MemoryContextReset(scan->portion_context);
	scan->nevents = 0;
	scan->bytes = 0;
	scan->nchanges = 0;
}

static bool
has_enough(EventScan *scan)
{
	return scan->reader != NULL && scan->reader->enough(scan->arg);
}

/*
 * Keep the version that scan->versions has stepped to, in the current memory context.  False if
 * it has vanished.
 */
static bool
keep_version(EventScan *scan, TreeItem *item, KeyVersion *version)
{
	uint32		value_len = item->value != NULL ? item->value_len : 0;
	char	   *copy;

	if (item->value == NULL && !tree_scan_value(scan->versions, item))
		return false;
	copy = palloc(item->key.len + value_len + 1);
	memcpy(copy, item->key.data, item->key.len);
	item->key.data = copy;
	if (value_len > 0)
	{
		memcpy(copy + item->key.len, item->value, value_len);
		item->value = copy + item->key.len;
	}
	decode_version(item, version);
	return true;
}

/*
 * What a key was before the revision of the version that scan->versions has stepped to: versions
 * of a key follow each other, newest first.  False if it did not exist.
 */
static bool
read_previous(EventScan *scan, const KeyVersion *version, KeyVersion *previous)
{
	TreeItem	item;

	while (tree_next(scan->versions, &item) && decode_version_key(&item.key, previous) &&
		   bytes_equal(previous->key, previous->key_len, version->key, version->key_len))
	{
		if (previous->revision < version->revision)
			return keep_version(scan, &item, previous) && !previous->tombstone;
	}
	return false;
}

/* Read what the event of a change tells */
static void
gather_event(EventScan *scan, const char *key, uint32 key_len, const Change *change,
			 bool want_prev)
{
	MemoryContext old_context = MemoryContextSwitchTo(scan->portion_context);
	PendingEvent *pending = &scan->events[scan->nevents++];
	KeyVersion *version = &pending->version;
	TreeKey		tree_key;
	TreeItem	item;

	version_tree_key(&tree_key, key, key_len, change->revision, change->sub);
	pending->missing = !tree_scan_find(scan->versions, &tree_key, &item) ||
		!keep_version(scan, &item, version);
	pending->has_prev = false;
	if (pending->missing)
	{
		memset(version, 0, sizeof(*version));
		version->revision = change->revision;
		version->sub = change->sub;
	}
	else
	{
		scan->bytes += version->value_len;
		if (want_prev && change->revision - 1 >= scan->compacted)
			pending->has_prev = read_previous(scan, version, &pending->prev);
		if (pending->has_prev)
			scan->bytes += pending->prev.value_len;
	}

	MemoryContextSwitchTo(old_context);
}

/*
 * All changes before this position have been looked at.  Tell what is to be told of them, and end
 * the scan there if the caller has had enough for now.
 */
static void
pass(EventScan *scan, int64 revision, int64 sub)
{
	tell_portion(scan);
	if (scan->error != STORE_OK || scan->stopped)
		return;
	move_to(scan, revision, sub);
	if (has_enough(scan))
		scan->stopped = true;
}

/*
 * Take in one change of a key in the range; false if no more are wanted.
 */
static bool
take_change(EventScan *scan, const char *key, uint32 key_len, const Change *change)
{
	bool		want_prev = scan->want_prev;

	if (scan->reader != NULL)
	{
		StoreWant	want = scan->reader->want(key, key_len, scan->arg);

		if (want == STORE_SKIP)
			return true;
		want_prev = want == STORE_EVENT_WITH_PREV;
	}
	if (scan->max_events > 0 && scan->ngathered >= scan->max_events &&
		change->revision > scan->last_revision)
	{
		tell_portion(scan);
		if (scan->error == STORE_OK && !scan->stopped)
			move_to(scan, change->revision, 0);
		scan->stopped = true;
		return false;
	}

	gather_event(scan, key, key_len, change, want_prev);
	scan->ngathered++;
	scan->last_revision = change->revision;
	if (scan->nevents == PORTION_EVENTS || scan->bytes >= PORTION_BYTES ||
		(scan->nevents % ENOUGH_EVENTS == 0 && has_enough(scan)))
		pass(scan, change->revision, change->sub + 1);
	return scan->error == STORE_OK && !scan->stopped;
}

/* ----------------------------------------------------------------
 *	Sources
 * ----------------------------------------------------------------
 */

static void
scan_index(EventScan *scan)
{
	TreeScan   *tree_scan = tree_scan_begin(scan->tree, TREE_MAIN);
	TreeKey		seek_key;
	TreeItem	item;

	number_tree_key(&seek_key, SPACE_REVISION, scan->next.revision, scan->next.sub);
	tree_seek(tree_scan, &seek_key);
	while (tree_next(tree_scan, &item) && item.key.space == SPACE_REVISION &&
		   item.key.major <= (uint64) scan->until)
	{
		KeyVersion	version;
		Change		change;

		CHECK_FOR_INTERRUPTS();
		if (item.value == NULL && !tree_scan_value(tree_scan, &item))
			continue;			/* compacted: will be noticed */
		decode_index(&item, &version);
		change.revision = version.revision;
		change.sub = version.sub;

		if (key_range_contains(&scan->range, version.key, version.key_len))
		{
			if (!take_change(scan, version.key, version.key_len, &change))
				break;
		}
		if (++scan->nchanges >= PORTION_CHANGES)
		{
			pass(scan, change.revision, change.sub + 1);
			if (scan->error != STORE_OK || scan->stopped)
				break;
		}
	}
	tree_scan_end(tree_scan);
}

/*
 * The revisions of the key's versions from the next one to `until`, newest first.  With
 * max_events only the oldest that many are kept, and what belongs to the same
 * revision as the last of them; *cut tells whether others were left out.
 */
static Change *
gather_versions(EventScan *scan, int64 until, int64 *n, bool *cut)
{
	const KeyRange *range = &scan->range;
	TreeScan   *tree_scan = tree_scan_begin(scan->tree, TREE_MAIN);
	int64		max = 64;
	Change	   *changes = palloc(max * sizeof(Change));
	TreeKey		seek_key;
	TreeItem	item;
	KeyVersion	version;

	*n = 0;
	*cut = false;
	version_tree_key(&seek_key, range->start, range->start_len, until, PG_INT64_MAX);
	tree_seek(tree_scan, &seek_key);
	while (tree_next(tree_scan, &item) && decode_version_key(&item.key, &version) &&
		   bytes_equal(version.key, version.key_len, range->start, range->start_len) &&
		   version.revision >= scan->next.revision)
	{
		CHECK_FOR_INTERRUPTS();
		if (*n == max && scan->max_events > 0 && scan->max_events <= max / 2)
		{
			int64		first = *n - scan->max_events;

			while (first > 0 && changes[first - 1].revision == changes[first].revision)
				first--;
			if (first > 0)
			{
				*n -= first;
				memmove(changes, changes + first, *n * sizeof(Change));
				*cut = true;
			}
		}
		if (*n == max)
		{
			max *= 2;
			changes = repalloc_huge(changes, max * sizeof(Change));
		}
		changes[*n].revision = version.revision;
		changes[*n].sub = version.sub;
		(*n)++;
	}
	tree_scan_end(tree_scan);
	return changes;
}

static void
scan_versions(EventScan *scan, int64 until)
{
	bool		cut;
	int64		n;
	Change	   *changes = gather_versions(scan, until, &n, &cut);
	StorePosition from = scan->next;
	int64		i;

	for (i = n - 1; i >= 0; i--)
	{
		CHECK_FOR_INTERRUPTS();
		if (changes[i].revision == from.revision && changes[i].sub < from.sub)
			continue;
		if (!take_change(scan, scan->range.start, scan->range.start_len, &changes[i]))
			break;
	}
	if (cut && scan->error == STORE_OK && !scan->stopped)
	{
		tell_portion(scan);
		if (scan->error == STORE_OK && !scan->stopped)
			move_to(scan, scan->last_revision + 1, 0);
		scan->stopped = true;
	}
	pfree(changes);
}

static void
scan_key(EventScan *scan)
{
	if (scan->reader == NULL)
	{
		scan_versions(scan, scan->until);
		return;
	}

	while (scan->error == STORE_OK && !scan->stopped && scan->next.revision <= scan->until)
	{
		int64		until = Min(scan->until, scan->next.revision + KEY_WINDOW - 1);

		scan_versions(scan, until);
		if (scan->error == STORE_OK && !scan->stopped)
			pass(scan, until + 1, 0);
	}
}

/*
 * Check where the scan begins and ends, in the state of a meta.  Returns false if there is nothing
 * to tell.
 */
static bool
begin_scan(EventScan *scan, const MetaHead *head, int64 until)
{
	scan->compacted = head->compacted_revision;
	scan->until = until <= 0 || until > head->revision ? head->revision : until;
	if (scan->next.revision < scan->compacted)
	{
		scan->error = STORE_COMPACTED;
		return false;
	}
	return scan->next.revision <= scan->until;
}

static void
run_scan(EventScan *scan)
{
	scan->portion_context = AllocSetContextCreate(CurrentMemoryContext, "quorum events",
												  ALLOCSET_DEFAULT_SIZES);
	scan->versions = tree_scan_begin(scan->tree, TREE_MAIN);
	if (scan->range.kind == KEY_RANGE_POINT)
		scan_key(scan);
	else
		scan_index(scan);

	if (scan->error == STORE_OK && !scan->stopped)
	{
		tell_portion(scan);
		if (scan->error == STORE_OK && !scan->stopped)
			move_to(scan, scan->until + 1, 0);
	}
	tree_scan_end(scan->versions);
	MemoryContextDelete(scan->portion_context);
}

/*
 * store_events
 *		Tell the events of a range of keys in (after, until]; see store.h.
 *
 * On STORE_COMPACTED *next_after says how far they have been told all the same.
 */
StoreError
store_events(Relation tree, const StoreCaller *caller, const char *key, uint32 key_len,
			 const char *range_end, uint32 range_end_len,
			 int64 after, int64 until, bool want_prev, int64 max_events,
			 StoreEventVisit visit, void *arg, int64 *next_after)
{
	EventScan  *scan;
	StoreError	error;
	MetaHead	head;

	/* what is told must not be newer than the look at the permission */
	read_head(tree, &head);
	error = access_check(tree, caller, &head, STORE_READ, key, key_len,
						 range_end, range_end_len);
	if (error != STORE_OK)
	{
		*next_after = after;
		return error;
	}

	scan = new_scan(tree);
	key_range_set(&scan->range, key, key_len, range_end, range_end_len);
	scan->next.revision = Max(after, 0) + 1;
	scan->want_prev = want_prev;
	scan->max_events = max_events;
	scan->visit = visit;
	scan->arg = arg;
	if (begin_scan(scan, &head, until))
		run_scan(scan);

	error = scan->error;
	*next_after = scan->next.revision - 1;
	pfree(scan);
	return error;
}

/*
 * store_changes
 *		Tell the events of a range of keys from a position on; see store.h.
 */
StoreError
store_changes(Relation tree, const char *key, uint32 key_len,
			  const char *range_end, uint32 range_end_len,
			  StorePosition *position, int64 until,
			  const StoreChangeReader *reader, void *arg)
{
	EventScan  *scan = new_scan(tree);
	StoreError	error;
	MetaHead	head;

	read_head(tree, &head);
	key_range_set(&scan->range, key, key_len, range_end, range_end_len);
	scan->next = *position;
	scan->reader = reader;
	scan->arg = arg;
	if (begin_scan(scan, &head, until))
		run_scan(scan);

	error = scan->error;
	*position = scan->next;
	pfree(scan);
	return error;
}

/*
 * store_read_revisions() -- see store.h.
 */
void
store_read_revisions(Relation tree, int64 *revision, int64 *compacted)
{
	read_revisions(tree, revision, compacted);
}
