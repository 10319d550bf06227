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
 * The work is done in rounds: a round examines some thousands of changes, then
 * removes superseded versions, then tombstones, then index items.  The order
 * matters.  A tombstone that went before the version it hides would bring that one
 * back to life, and an index item that went before its version would leave it
 * behind for ever.  In this order a round may end anywhere, also in a crash, and the
 * next one finds what is left by beginning at d again.  compact_done_revision says
 * d, and moves only at the end; index items below c that are done with are gone by
 * then, so to begin again costs little.
 *
 * Why not remove at once: removals are sorted, and the more of them there are,
 * the more fall on one page and are one WAL record together.  A call does
 * only a part of a round; what it has gathered stays in memory until the
 * next, while new batches are applied in between.  They cannot make it wrong: what is
 * superseded stays so.
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

#include "store/import.h"

/* What ends the first phase of a round */
#define ROUND_CHANGES	8192
#define ROUND_BYTES		(2 * 1024 * 1024)

/*
 * Items of leases to remove in the place of one revision: these lie together, so
 * they take less time, and the less the more of them there are.
 */
#define LEASE_ITEMS_PER_REVISION	8

typedef struct Removals
{
	TreeChange *changes;
	int			n;
	int			done;
} Removals;

typedef enum RoundPhase
{
	ROUND_EXAMINE,
	ROUND_SUPERSEDED,
	ROUND_TOMBSTONES,
	ROUND_INDEXES,
	ROUND_END
} RoundPhase;

struct CompactRound
{
	MemoryContext context;
	RoundPhase	phase;
	int64		target;			/* the revision to compact to */
	int64		revision;		/* the change to go on with */
	int64		sub;
	bool		last;			/* the walk has come to its end */
	int			examined;
	Size		bytes;			/* of the keys kept */
	Removals	superseded;
	Removals	tombstones;
	Removals	indexes;
};

static void
init_removals(Removals *removals)
{
	removals->changes = palloc(ROUND_CHANGES * sizeof(TreeChange));
	removals->n = 0;
	removals->done = 0;
}

/* Begin a round at a change */
static CompactRound *
begin_round(Store *store, int64 target, int64 revision, int64 sub)
{
	MemoryContext context = AllocSetContextCreate(store->context, "quorum compaction",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	CompactRound *round = palloc0(sizeof(CompactRound));

	round->context = context;
	round->phase = ROUND_EXAMINE;
	round->target = target;
	round->revision = revision;
	round->sub = sub;
	init_removals(&round->superseded);
	init_removals(&round->tombstones);
	init_removals(&round->indexes);
	MemoryContextSwitchTo(old_context);
	return round;
}

static void
add_removal(Removals *removals, const TreeKey *key)
{
	TreeChange *change = &removals->changes[removals->n++];

	memset(change, 0, sizeof(TreeChange));
	change->key = *key;
	change->remove = true;
}

/* Find out what the change at hand, an index item, asks to remove */
static void
examine_change(Relation tree, CompactRound *round, const TreeItem *item)
{
	KeyVersion	change;
	char	   *key;
	TreeKey		tree_key;
	TreeItem	found;

	decode_index(item, &change);
	key = palloc(change.key_len);
	memcpy(key, change.key, change.key_len);
	round->bytes += change.key_len;

	/* the version of the key before this change */
	if (change.sub > 0)
		version_tree_key(&tree_key, key, change.key_len, change.revision, change.sub - 1);
	else
		version_tree_key(&tree_key, key, change.key_len, change.revision - 1, PG_INT64_MAX);
	if (tree_lookup(tree, TREE_MAIN, &tree_key, false, &found))
	{
		if (found.key.space == SPACE_KEY &&
			bytes_equal(found.key.data, found.key.len, key, change.key_len))
		{
			tree_key = found.key;
			tree_key.data = key;
			add_removal(&round->superseded, &tree_key);
		}
		pfree(unconstify(char *, found.key.data));
	}

	if (change.revision >= round->target)
		return;
	if (change.tombstone)
	{
		version_tree_key(&tree_key, key, change.key_len, change.revision, change.sub);
		add_removal(&round->tombstones, &tree_key);
	}
	number_tree_key(&tree_key, SPACE_REVISION, change.revision, change.sub);
	add_removal(&round->indexes, &tree_key);
}

/* Examine at most max changes */
static void
examine_some(Relation tree, CompactRound *round, int max)
{
	TreeScan   *scan = tree_scan_begin(tree, TREE_MAIN);
	TreeKey		seek_key;
	TreeItem	item;

	number_tree_key(&seek_key, SPACE_REVISION, round->revision, round->sub);
	tree_seek(scan, &seek_key);
	while (max-- > 0 && round->phase == ROUND_EXAMINE)
	{
		CHECK_FOR_INTERRUPTS();
		if (!tree_next(scan, &item) || item.key.space != SPACE_REVISION ||
			item.key.major > (uint64) round->target)
		{
			round->last = true;
			round->phase = ROUND_SUPERSEDED;
			break;
		}
		if (item.value == NULL && !tree_scan_value(scan, &item))
			elog(ERROR, "item of the revision index has vanished");
		round->revision = (int64) item.key.major;
		round->sub = (int64) item.key.minor + 1;
		examine_change(tree, round, &item);
		if (++round->examined == ROUND_CHANGES || round->bytes >= ROUND_BYTES)
			round->phase = ROUND_SUPERSEDED;
	}
	tree_scan_end(scan);
}

/* Carry out at most max removals; on to the next phase when all are done */
static void
remove_some(StoreView *view, CompactRound *round, Removals *removals, int max)
{
	int			n;

	if (removals->done == 0)
		removals->n = sort_removals(removals->changes, removals->n);
	n = Min(removals->n - removals->done, max);
	remove_items(view, removals->changes + removals->done, n);
	removals->done += n;
	if (removals->done == removals->n)
		round->phase++;
}

/* Do a part of the physical compaction; true while there is more to do */
static bool
compact_versions(Store *store, Relation tree, int max_revisions)
{
	Quorum__StoreMeta *meta = store->meta;
	CompactRound *round = store->compact_round;
	MemoryContext old_context;
	StoreView	view;

	if (round == NULL && meta->compact_done_revision >= meta->compacted_revision)
		return false;
	if (round == NULL)
		round = begin_round(store, meta->compacted_revision,
							Max(meta->compact_done_revision, 0), 0);
	store->compact_round = round;

	memset(&view, 0, sizeof(view));
	view.tree = tree;
	old_context = MemoryContextSwitchTo(round->context);
	switch (round->phase)
	{
		case ROUND_EXAMINE:
			examine_some(tree, round, max_revisions);
			break;
		case ROUND_SUPERSEDED:
			remove_some(&view, round, &round->superseded, max_revisions);
			break;
		case ROUND_TOMBSTONES:
			remove_some(&view, round, &round->tombstones, max_revisions);
			break;
		case ROUND_INDEXES:
			remove_some(&view, round, &round->indexes, max_revisions);
			break;
		case ROUND_END:
			break;
	}
	MemoryContextSwitchTo(old_context);

	if (round->phase == ROUND_END)
	{
		store->compact_round = NULL;
		if (round->last)
		{
			char		buffer[TREE_MAX_META_BYTES];

			meta->compact_done_revision = round->target;
			tree_apply(tree, TREE_MAIN, NULL, 0, buffer, meta_encode(meta, buffer));
		}
		else
			store->compact_round = begin_round(store, round->target,
											   round->revision, round->sub);
		MemoryContextDelete(round->context);
	}
	return meta->compact_done_revision < meta->compacted_revision;
}

/*
 * store_compact_slice
 *		Do a part of the physical compaction: examine at most max_revisions
 *		changes, or remove at most so many items.  Also remove some of what
 *		leases and imports have left behind.
 *
 * Outside a batch.  True while there is more to do; does nothing, and writes
 * nothing, when there is not.
 */
bool
store_compact_slice(Store *store, Relation tree, int max_revisions)
{
	bool		more;

	Assert(store->view.tree == NULL);
	max_revisions = Max(max_revisions, 1);
	more = compact_versions(store, tree, max_revisions);
	more = lease_collect_garbage(store, tree, max_revisions * LEASE_ITEMS_PER_REVISION) || more;
	return import_collect_garbage(store, tree) || more;
}
