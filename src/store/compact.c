/*-------------------------------------------------------------------------
 *
 * compact.c
 *	  Removal of what compaction has made invisible.
 *
 * A compaction at revision c leaves of each key the newest version not after c,
 * unless that is a tombstone, and all later ones.  The compaction of the last
 * time, at revision d, has done so up to d.  Hence a version that must go now
 * is either superseded by a change in (d, c], or is a tombstone made in [d, c),
 * and a walk over the revision index from d to c meets all keys concerned: for
 * each change, remove all versions of its key but the newest not after c, and the
 * change itself if it is a tombstone.  The cost is that of the changes since the
 * last time, whatever the size of the store.
 *
 * The first change of a key that the walk meets takes all of the key's old versions
 * along.  They are neighbours, mostly on one page, so that page is changed once.  To remove
 * with each change only the version before it would change the page as often as
 * the key has versions, each time after the walk has been through the
 * rest of the store, and a store that does not fit in the buffer cache would be
 * written that many times.
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

#include "common/hashfn.h"
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

/* Keys met in a round */
typedef struct SeenKey
{
	const char *key;
	uint32		key_len;
} SeenKey;

typedef struct SeenEntry
{
	SeenKey		key;
	uint32		hash;
	char		status;
} SeenEntry;

#define SH_PREFIX		seen
#define SH_ELEMENT_TYPE	SeenEntry
#define SH_KEY_TYPE		SeenKey
#define SH_KEY			key
#define SH_HASH_KEY(tb, k)	hash_bytes((const unsigned char *) (k).key, (k).key_len)
#define SH_EQUAL(tb, a, b)	bytes_equal((a).key, (a).key_len, (b).key, (b).key_len)
#define SH_STORE_HASH
#define SH_GET_HASH(tb, a)	(a)->hash
#define SH_SCOPE		static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

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
	seen_hash  *seen;			/* keys whose old versions are in superseded */
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
	round->seen = seen_create(context, 1024, NULL);
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

/*
 * Note the versions of a key that the newest one not after the target has
 * superseded.  False if there are more than the round takes; those that
 * it does take are noted.
 */
static bool
add_superseded(TreeScan *versions, CompactRound *round, const char *key, uint32 key_len)
{
	TreeKey		tree_key;
	TreeItem	item;
	bool		newest = true;

	version_tree_key(&tree_key, key, key_len, round->target, PG_INT64_MAX);
	tree_seek(versions, &tree_key);
	while (tree_next(versions, &item) && item.key.space == SPACE_KEY &&
		   bytes_equal(item.key.data, item.key.len, key, key_len))
	{
		CHECK_FOR_INTERRUPTS();
		if (!newest)
		{
			if (round->superseded.n == ROUND_CHANGES)
				return false;
			tree_key = item.key;
			tree_key.data = key;
			add_removal(&round->superseded, &tree_key);
		}
		newest = false;
	}
	return true;
}

/*
 * Find out what the change at hand, an index item, asks to remove.  False if
 * that is more than the round takes: then the next one begins with this change.
 */
static bool
examine_change(TreeScan *versions, CompactRound *round, const TreeItem *item)
{
	KeyVersion	change;
	SeenKey		seen;
	char	   *key;
	TreeKey		tree_key;
	bool		found;

	decode_index(item, &change);
	key = palloc(change.key_len);
	memcpy(key, change.key, change.key_len);
	round->bytes += change.key_len;

	seen.key = key;
	seen.key_len = change.key_len;
	(void) seen_insert(round->seen, seen, &found);
	if (!found && !add_superseded(versions, round, key, change.key_len))
		return false;

	if (change.revision >= round->target)
		return true;
	if (change.tombstone)
	{
		version_tree_key(&tree_key, key, change.key_len, change.revision, change.sub);
		add_removal(&round->tombstones, &tree_key);
	}
	number_tree_key(&tree_key, SPACE_REVISION, change.revision, change.sub);
	add_removal(&round->indexes, &tree_key);
	return true;
}

/* Examine at most max changes, fewer if they have many versions behind them */
static void
examine_some(Relation tree, CompactRound *round, int max)
{
	TreeScan   *scan = tree_scan_begin(tree, TREE_MAIN);
	TreeScan   *versions = tree_scan_begin(tree, TREE_MAIN);
	TreeKey		seek_key;
	TreeItem	item;

	number_tree_key(&seek_key, SPACE_REVISION, round->revision, round->sub);
	tree_seek(scan, &seek_key);
	while (max > 0 && round->phase == ROUND_EXAMINE)
	{
		int			before = round->superseded.n;

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
		if (!examine_change(versions, round, &item))
		{
			round->revision = (int64) item.key.major;
			round->sub = (int64) item.key.minor;
			round->phase = ROUND_SUPERSEDED;
			break;
		}
		round->revision = (int64) item.key.major;
		round->sub = (int64) item.key.minor + 1;
		max -= 1 + (round->superseded.n - before) / 8;
		if (++round->examined == ROUND_CHANGES || round->bytes >= ROUND_BYTES)
			round->phase = ROUND_SUPERSEDED;
	}
	tree_scan_end(versions);
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
