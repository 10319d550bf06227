/*-------------------------------------------------------------------------
 *
 * compact.c
 *	  Removal of what compaction has made invisible.
 *
 * A compaction at revision c leaves of each key the newest version not after c,
 * unless that is a tombstone, and all later ones.  The compaction of the last
 * time, at revision d, has done so up to d.  Hence a version that must go now
 * is either superseded by a change in (d, c], or is a tombstone made in [d, c),
 * and a walk over the revision index from d to c meets all of them:
 * for each change, remove the version of its key before it, and the
 * change itself if it is a tombstone.  The cost is that of the changes since the
 * last time, whatever the size of the store.
 *
 * The changes of revision c itself stay in the index, tombstones too, until
 * the next compaction, since a watch may begin at the compacted revision and
 * must be told them.  That is why the walk begins at d and not behind it.
 *
 * Within a slice, superseded versions go first, then tombstones, then the index
 * items, with a call of the tree for each: a tombstone that went before the
 * version it hides would bring that one back to life, and an index item
 * that went before its version would leave it behind for ever.  So a slice
 * may end anywhere, a crash included, and the next one finds what is left by
 * beginning at d again.  compact_done_revision says d, and moves only at the end;
 * index items below c that are done with are gone by then, so to begin again
 * costs little.
 *
 * The index therefore covers the revisions from d on.  Versions that have been
 * alive since before have no index item.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/compact.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "store/store_int.h"

/* What one slice removes */
typedef struct CompactSlice
{
	TreeChange *superseded;
	TreeChange *tombstones;
	TreeChange *indexes;
	int			nsuperseded;
	int			ntombstones;
	int			nindexes;
} CompactSlice;

static void
add_removal(TreeChange *changes, int *n, const TreeKey *key)
{
	memset(&changes[*n], 0, sizeof(TreeChange));
	changes[*n].key = *key;
	changes[*n].remove = true;
	(*n)++;
}

/* Find out what the change at hand, an index item, asks to remove */
static void
examine_change(Relation tree, CompactSlice *slice, const TreeItem *item, int64 target)
{
	KeyVersion	change;
	char	   *key;
	TreeKey		tree_key;
	TreeItem	found;

	decode_index(item, &change);
	key = palloc(change.key_len);
	memcpy(key, change.key, change.key_len);

	/* the version of the key before this change */
	if (change.sub > 0)
		version_tree_key(&tree_key, key, change.key_len, change.revision, change.sub - 1);
	else
		version_tree_key(&tree_key, key, change.key_len, change.revision - 1, PG_INT64_MAX);
	if (tree_lookup(tree, TREE_MAIN, &tree_key, false, &found) &&
		found.key.space == SPACE_KEY &&
		bytes_equal(found.key.data, found.key.len, key, change.key_len))
		add_removal(slice->superseded, &slice->nsuperseded, &found.key);

	if (change.revision >= target)
		return;
	if (change.tombstone)
	{
		version_tree_key(&tree_key, key, change.key_len, change.revision, change.sub);
		add_removal(slice->tombstones, &slice->ntombstones, &tree_key);
	}
	number_tree_key(&tree_key, SPACE_REVISION, change.revision, change.sub);
	add_removal(slice->indexes, &slice->nindexes, &tree_key);
}

/*
 * store_compact_slice
 *		Remove what at most max_revisions changes have superseded.
 *
 * Outside a batch.  True while there is more to do; does nothing, and writes
 * nothing, when there is not.
 */
bool
store_compact_slice(Store *store, Relation tree, int max_revisions)
{
	Quorum__StoreMeta *meta = store->meta;
	int64		target = meta->compacted_revision;
	MemoryContext old_context;
	CompactSlice slice;
	StoreView	view;
	TreeScan   *scan;
	TreeKey		seek_key;
	TreeItem	item;
	bool		more = true;
	int			examined;

	Assert(store->view.tree == NULL);
	if (meta->compact_done_revision >= target)
		return false;

	if (store->compact_target != target)
	{
		store->compact_target = target;
		store->compact_revision = Max(meta->compact_done_revision, 0);
		store->compact_sub = 0;
	}

	old_context = MemoryContextSwitchTo(store->scratch);
	memset(&view, 0, sizeof(view));
	view.tree = tree;
	max_revisions = Max(max_revisions, 1);
	memset(&slice, 0, sizeof(slice));
	slice.superseded = palloc(max_revisions * sizeof(TreeChange));
	slice.tombstones = palloc(max_revisions * sizeof(TreeChange));
	slice.indexes = palloc(max_revisions * sizeof(TreeChange));

	scan = tree_scan_begin(tree, TREE_MAIN);
	number_tree_key(&seek_key, SPACE_REVISION, store->compact_revision, store->compact_sub);
	tree_seek(scan, &seek_key);
	for (examined = 0; examined < max_revisions; examined++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!tree_next(scan, &item) || item.key.space != SPACE_REVISION ||
			item.key.major > (uint64) target)
		{
			more = false;
			break;
		}
		store->compact_revision = (int64) item.key.major;
		store->compact_sub = (int64) item.key.minor + 1;
		if (item.value == NULL && !tree_scan_value(scan, &item))
			elog(ERROR, "item of the revision index has vanished");
		examine_change(tree, &slice, &item, target);
	}
	tree_scan_end(scan);

	store_remove_items(&view, slice.superseded, slice.nsuperseded);
	store_remove_items(&view, slice.tombstones, slice.ntombstones);
	store_remove_items(&view, slice.indexes, slice.nindexes);
	if (!more)
	{
		char		buffer[TREE_MAX_META_BYTES];

		meta->compact_done_revision = target;
		tree_apply(tree, TREE_MAIN, NULL, 0, buffer, meta_encode(meta, buffer));
		store->compact_target = -1;
	}

	MemoryContextSwitchTo(old_context);
	MemoryContextReset(store->scratch);
	return more;
}
