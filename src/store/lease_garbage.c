/*-------------------------------------------------------------------------
 *
 * lease_garbage.c
 *	  Removal of what leases leave behind.
 *
 * Every change of a lease, and every key that loses its lease, has an item in the
 * log of changes, at the index of its entry.  That item has two uses.
 *
 * Once the entry is published, it says what is to be tidied up: the versions of the
 * lease that are superseded, a revoked lease altogether with its attachments, or
 * the attachment of the key.  Then it goes itself.  Attachments are removed by
 * what the newest version of the key says now, not then: it may have been
 * attached again.  A lease that was granted anew after it was revoked, and before
 * this came to it, keeps attachments of its first life until the end of the second;
 * they cost space and a look at the key, nothing else.
 *
 * If its batch was cut off, it leads store_open() to the versions that must go.  The
 * attachments of such a batch may stay, being hints, as long as their lease
 * has a version: they go with it.  A lease that has none left takes its own along.
 *
 * As everywhere, what leads to an item is written before it and removed after it.
 * Of a revoked lease, older versions are removed before the newest, or
 * they would come back to life.  A call examines and removes on its own and keeps
 * nothing in mind, so it does not matter what happens between two of them.
 *
 * While a state is streamed nothing may be removed here: the stream contains
 * what exists at its index.  The caller of store_compact_slice() sees to that.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/lease_garbage.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "store/store_int.h"

typedef struct Removals
{
	TreeChange *changes;
	int			n;
	int			max;
} Removals;

/* What a call has found, by the order in which it has to go */
typedef struct Garbage
{
	Relation	tree;
	Removals	attachments;
	Removals	superseded;
	Removals	revoked;
	Removals	changes;
} Garbage;

static void
add_removal(Removals *removals, const TreeKey *key)
{
	TreeChange *change;

	if (removals->n == removals->max)
	{
		removals->max = Max(removals->max * 2, 64);
		if (removals->changes == NULL)
			removals->changes = palloc(removals->max * sizeof(TreeChange));
		else
			removals->changes = repalloc(removals->changes,
										 removals->max * sizeof(TreeChange));
	}
	change = &removals->changes[removals->n++];
	memset(change, 0, sizeof(TreeChange));
	change->key = *key;
	change->remove = true;
}

static int
garbage_count(const Garbage *garbage)
{
	return garbage->attachments.n + garbage->superseded.n + garbage->revoked.n +
		garbage->changes.n;
}

static void
add_attachment(Garbage *garbage, int64 id, const char *key, uint32 key_len)
{
	char	   *bytes = palloc(ATTACHMENT_ID_BYTES + key_len);
	TreeKey		tree_key;

	attachment_tree_key(&tree_key, bytes, encode_attachment_bytes(bytes, id, key, key_len));
	add_removal(&garbage->attachments, &tree_key);
}

/* Add at most max attachments to a lease; false if there are more */
static bool
add_attachments_of_lease(Garbage *garbage, int64 id, int max)
{
	TreeScan   *scan = tree_scan_begin(garbage->tree, TREE_MAIN);
	char		bytes[ATTACHMENT_ID_BYTES];
	TreeKey		seek_key;
	TreeItem	item;
	bool		complete = true;

	attachment_tree_key(&seek_key, bytes, encode_attachment_bytes(bytes, id, "", 0));
	tree_seek(scan, &seek_key);
	while (tree_next(scan, &item))
	{
		int64		found_id;
		const char *key;
		uint32		key_len;

		if (!decode_attachment_key(&item.key, &found_id, &key, &key_len) || found_id != id)
			break;
		if (max-- <= 0)
		{
			complete = false;
			break;
		}
		add_attachment(garbage, id, key, key_len);
	}
	tree_scan_end(scan);
	return complete;
}

/*
 * Add at most max superseded versions of a lease; false if there are more.
 * *newest is the one that stays, and its index 0 if there is none.
 */
static bool
add_superseded(Garbage *garbage, int64 id, int max, LeaseVersion *newest)
{
	TreeScan   *scan = tree_scan_begin(garbage->tree, TREE_MAIN);
	TreeKey		seek_key;
	TreeItem	item;
	LeaseVersion version;
	bool		complete = true;

	memset(newest, 0, sizeof(*newest));
	lease_tree_key(&seek_key, id, PG_UINT64_MAX);
	tree_seek(scan, &seek_key);
	while (tree_next(scan, &item) && decode_lease_key(&item.key, &version) && version.id == id)
	{
		if (newest->index == 0)
		{
			decode_lease(&item, newest);
			continue;
		}
		if (max-- <= 0)
		{
			complete = false;
			break;
		}
		lease_tree_key(&seek_key, id, version.index);
		add_removal(&garbage->superseded, &seek_key);
	}
	tree_scan_end(scan);
	return complete;
}

/* Find out what a published change asks to remove; false: not all of it yet */
static bool
examine_change(StoreView *view, Garbage *garbage, const LeaseChange *change, int max)
{
	LeaseVersion newest;
	KeyVersion	version;
	TreeKey		tree_key;

	if (change->key_len > 0)
	{
		if (!lease_has_key(view, change->id, change->key, change->key_len, &version))
			add_attachment(garbage, change->id, change->key, change->key_len);
		return true;
	}

	if (!add_superseded(garbage, change->id, max, &newest))
		return false;
	if (newest.index == 0 || !newest.revoked)
		return true;
	if (!add_attachments_of_lease(garbage, change->id, max))
		return false;
	lease_tree_key(&tree_key, newest.id, newest.index);
	add_removal(&garbage->revoked, &tree_key);
	return true;
}

/* Remove what was found; repeated ones count once */
static void
remove_garbage(StoreView *view, Garbage *garbage)
{
	Removals   *order[4];
	int			i;

	order[0] = &garbage->attachments;
	order[1] = &garbage->superseded;
	order[2] = &garbage->revoked;
	order[3] = &garbage->changes;
	for (i = 0; i < 4; i++)
		remove_items(view, order[i]->changes,
					 sort_removals(order[i]->changes, order[i]->n));
}

/*
 * Examine changes from an index on, as long as there is room for what
 * they ask to remove.  The function says whether all of it was found.  True if
 * there may be more changes.
 */
typedef bool (*ExamineChange) (StoreView *view, Garbage *garbage, const LeaseChange *change,
							   int max);

static bool
run_slice(StoreView *view, uint64 from_index, int max_items, ExamineChange examine)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "quorum lease garbage",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	TreeScan   *scan = tree_scan_begin(view->tree, TREE_MAIN);
	Garbage		garbage;
	TreeKey		tree_key;
	TreeItem	item;
	bool		more = false;

	memset(&garbage, 0, sizeof(garbage));
	garbage.tree = view->tree;
	number_tree_key(&tree_key, SPACE_LEASE_CHANGE, from_index, 0);
	tree_seek(scan, &tree_key);
	while (tree_next(scan, &item) && item.key.space == SPACE_LEASE_CHANGE)
	{
		LeaseChange change;

		CHECK_FOR_INTERRUPTS();
		if (garbage_count(&garbage) >= max_items)
		{
			more = true;
			break;
		}
		if (item.value == NULL && !tree_scan_value(scan, &item))
			elog(ERROR, "change of a lease has vanished");
		decode_lease_change(&item, &change);
		if (!examine(view, &garbage, &change, max_items))
		{
			more = true;
			break;
		}
		number_tree_key(&tree_key, SPACE_LEASE_CHANGE, change.index, change.number);
		add_removal(&garbage.changes, &tree_key);
	}
	tree_scan_end(scan);

	remove_garbage(view, &garbage);
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
	return more;
}

/*
 * lease_collect_garbage
 *		Tidy up after some changes of leases: remove at most about max_items
 *		items.  Outside a batch; true while there is more to do.
 */
bool
lease_collect_garbage(Store *store, Relation tree, int max_items)
{
	StoreView	view;

	if (!store->lease_garbage)
		return false;
	memset(&view, 0, sizeof(view));
	view.tree = tree;
	view.latest = store->meta->revision;
	store->lease_garbage = run_slice(&view, 0, max_items, examine_change);
	return store->lease_garbage;
}

/* Find out what a change that was never published has made; false: not all of it yet */
static bool
examine_unpublished(StoreView *view, Garbage *garbage, const LeaseChange *change, int max)
{
	TreeKey		tree_key;
	TreeItem	item;
	LeaseVersion version;

	if (change->key_len > 0)
		return true;

	/* the newest that was before, if any */
	lease_tree_key(&tree_key, change->id, change->index - 1);
	if ((!tree_lookup(view->tree, TREE_MAIN, &tree_key, false, &item) ||
		 !decode_lease_key(&item.key, &version) || version.id != change->id) &&
		!add_attachments_of_lease(garbage, change->id, max))
		return false;
	lease_tree_key(&tree_key, change->id, change->index);
	add_removal(&garbage->superseded, &tree_key);
	return true;
}

/*
 * lease_purge_unpublished
 *		Remove the versions of leases above the published index, as
 *		store_purge_unpublished() those of keys.
 */
void
lease_purge_unpublished(Store *store, Relation tree)
{
	StoreView	view;

	memset(&view, 0, sizeof(view));
	view.tree = tree;
	while (run_slice(&view, store->meta->applied_index + 1, STORE_WRITE_SLICE,
					 examine_unpublished))
		;
}
