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
 * Keys whose old versions have been dealt with are remembered from round to round, in
 * maintenance_work_mem at most, so that a key that changes often is looked up once.  It is
 * no loss to forget them: who is looked up again has nothing more to remove.
 *
 * Why not remove at once: removals are sorted, and the more of them there are,
 * the more fall on one page and are one WAL record together.  A call does
 * only a part of a round; what it has gathered stays in memory until the
 * next, while new batches are applied in between.  They cannot make it wrong: what is
 * superseded stays so.
 *
 * The caller has other things to do than to wait for a disk.  So the changes that come next are
 * read from the index some time before they are examined, and the kernel is asked for the
 * pages that this will need; the caller is told, and had better rest meanwhile.
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
#include "store/known_keys.h"

/* What ends the first phase of a round */
#define ROUND_CHANGES	8192
#define ROUND_BYTES		(2 * 1024 * 1024)

/* Changes read ahead, and pages asked for at a time */
#define AHEAD_CHANGES	512
#define AHEAD_PAGES		32

/* Leaves of one key, and of the index, that are asked for ahead */
#define AHEAD_KEY_PAGES		TREE_MAX_PREFETCH
#define AHEAD_INDEX_PAGES	2

/*
 * So many steps to a neighbour, on the same page as a rule, take the time of one to somewhere else.
 */
#define NEIGHBOURS_PER_STEP	8

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

/* A change read ahead from the index */
typedef struct AheadChange
{
	KnownKey	key;
	int64		revision;
	int64		sub;
	bool		tombstone;
	bool		known;			/* its key's old versions have been dealt with */
} AheadChange;

typedef enum RoundPhase
{
	ROUND_EXAMINE,
	ROUND_SUPERSEDED,
	ROUND_TOMBSTONES,
	ROUND_INDEXES,
	ROUND_END
} RoundPhase;

struct Compaction
{
	MemoryContext context;
	int64		target;			/* the revision to compact to */

	/* the walk: what is read ahead, and where the index is read next */
	MemoryContext ahead_context;
	AheadChange *ahead;
	int			n_ahead;
	int			ahead_done;
	int64		revision;
	int64		sub;
	bool		index_ended;

	/* keys whose old versions have been removed or are noted to be */
	KnownKeys  *known;
	int64		looked_up;		/* how many keys have been looked up in the tree */

	/* the round */
	RoundPhase	phase;
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

static void
begin_round(Compaction *compaction)
{
	compaction->phase = ROUND_EXAMINE;
	compaction->examined = 0;
	compaction->bytes = 0;
	compaction->superseded.n = compaction->superseded.done = 0;
	compaction->tombstones.n = compaction->tombstones.done = 0;
	compaction->indexes.n = compaction->indexes.done = 0;
	/* not later, removals that are noted refer to what is known */
	known_keys_trim(compaction->known, (Size) maintenance_work_mem * 1024);
}

static Compaction *
begin_compaction(Store *store)
{
	MemoryContext context = AllocSetContextCreate(store->context, "quorum compaction",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	Compaction *compaction = palloc0(sizeof(Compaction));

	compaction->context = context;
	compaction->target = store->meta->compacted_revision;
	compaction->ahead_context = AllocSetContextCreate(context, "quorum compaction ahead",
													  ALLOCSET_DEFAULT_SIZES);
	compaction->ahead = palloc(AHEAD_CHANGES * sizeof(AheadChange));
	compaction->revision = Max(store->meta->compact_done_revision, 0);
	compaction->known = known_keys_create();
	init_removals(&compaction->superseded);
	init_removals(&compaction->tombstones);
	init_removals(&compaction->indexes);
	begin_round(compaction);
	MemoryContextSwitchTo(old_context);
	return compaction;
}

static void
add_removal(Removals *removals, const TreeKey *key)
{
	TreeChange *change = &removals->changes[removals->n++];

	memset(change, 0, sizeof(TreeChange));
	change->key = *key;
	change->remove = true;
}

/* ---------- looking ahead ---------- */

/* Ask for the pages with the versions of a key */
static int
ask_for_versions(Relation tree, Compaction *compaction, KnownKey key)
{
	TreeKey		from;
	TreeKey		to;

	version_tree_key(&from, key.key, key.key_len, compaction->target, PG_INT64_MAX);
	key_end_tree_key(&to, key.key, key.key_len);
	return tree_prefetch(tree, TREE_MAIN, &from, &to, AHEAD_KEY_PAGES);
}

/*
 * Read the next changes from the index, and ask for the pages that it will take to examine
 * them.  How many pages were asked for that may be on their way now.
 */
static int
look_ahead(Relation tree, Compaction *compaction)
{
	TreeScan   *scan = tree_scan_begin(tree, TREE_MAIN);
	MemoryContext old_context;
	int			pages = 0;
	TreeKey		position;
	TreeKey		end;
	TreeItem	item;

	MemoryContextReset(compaction->ahead_context);
	old_context = MemoryContextSwitchTo(compaction->ahead_context);
	compaction->n_ahead = compaction->ahead_done = 0;
	number_tree_key(&position, SPACE_REVISION, compaction->revision, compaction->sub);
	tree_seek(scan, &position);
	while (compaction->n_ahead < AHEAD_CHANGES && pages < AHEAD_PAGES)
	{
		AheadChange *ahead = &compaction->ahead[compaction->n_ahead];
		KeyVersion	change;
		char	   *key;

		CHECK_FOR_INTERRUPTS();
		if (!tree_next(scan, &item) || item.key.space != SPACE_REVISION ||
			item.key.major > (uint64) compaction->target)
		{
			compaction->index_ended = true;
			break;
		}
		if (item.value == NULL && !tree_scan_value(scan, &item))
			elog(ERROR, "item of the revision index has vanished");
		decode_index(&item, &change);
		key = palloc(change.key_len);
		memcpy(key, change.key, change.key_len);
		ahead->key.key = key;
		ahead->key.key_len = change.key_len;
		ahead->revision = change.revision;
		ahead->sub = change.sub;
		ahead->tombstone = change.tombstone;
		ahead->known = known_keys_find(compaction->known, ahead->key) != NULL;
		if (!ahead->known)
			pages += ask_for_versions(tree, compaction, ahead->key);
		compaction->n_ahead++;
		compaction->revision = change.revision;
		compaction->sub = change.sub + 1;
	}
	tree_scan_end(scan);
	MemoryContextSwitchTo(old_context);

	if (!compaction->index_ended)
	{
		number_tree_key(&position, SPACE_REVISION, compaction->revision, compaction->sub);
		number_tree_key(&end, SPACE_REVISION, compaction->target, PG_UINT64_MAX);
		pages += tree_prefetch(tree, TREE_MAIN, &position, &end, AHEAD_INDEX_PAGES);
	}
	return pages;
}

/* ---------- examining ---------- */

/*
 * Note the versions of a key that the newest one not after the target has
 * superseded.  False if there are more than the round takes; those that
 * it does take are noted.
 */
static bool
add_superseded(TreeScan *versions, Compaction *compaction, KnownKey key)
{
	TreeKey		tree_key;
	TreeItem	item;
	bool		newest = true;

	version_tree_key(&tree_key, key.key, key.key_len, compaction->target, PG_INT64_MAX);
	tree_seek(versions, &tree_key);
	while (tree_next(versions, &item) && item.key.space == SPACE_KEY &&
		   bytes_equal(item.key.data, item.key.len, key.key, key.key_len))
	{
		CHECK_FOR_INTERRUPTS();
		if (!newest)
		{
			if (compaction->superseded.n == ROUND_CHANGES)
				return false;
			tree_scan_prefetch_value(versions);
			tree_key = item.key;
			tree_key.data = key.key;
			add_removal(&compaction->superseded, &tree_key);
		}
		newest = false;
	}
	return true;
}

/*
 * See to it that the old versions of a key are noted, and let the key refer to where its bytes stay until
 * the end of the round.  False if it has more old versions than the round takes.
 */
static bool
examine_key(TreeScan *versions, Compaction *compaction, KnownKey *key)
{
	const char *bytes = known_keys_find(compaction->known, *key);

	if (bytes != NULL)
	{
		key->key = bytes;
		return true;
	}
	*key = known_keys_copy(compaction->known, *key);
	compaction->bytes += key->key_len;
	if (!add_superseded(versions, compaction, *key))
		return false;
	known_keys_add(compaction->known, *key);
	compaction->looked_up++;
	return true;
}

/*
 * Find out what a change asks to remove.  False if that is more than the round takes: then the
 * next one begins with this change.
 */
static bool
examine_change(TreeScan *versions, Compaction *compaction, const AheadChange *change)
{
	bool		stays = change->revision >= compaction->target;
	TreeKey		tree_key;

	/* the set is large, and to look into it once more takes more time than the rest of this */
	if (!change->known || (change->tombstone && !stays))
	{
		KnownKey	key = change->key;

		if (!examine_key(versions, compaction, &key))
			return false;
		if (change->tombstone && !stays)
		{
			version_tree_key(&tree_key, key.key, key.key_len, change->revision, change->sub);
			add_removal(&compaction->tombstones, &tree_key);
		}
	}
	if (!stays)
	{
		number_tree_key(&tree_key, SPACE_REVISION, change->revision, change->sub);
		add_removal(&compaction->indexes, &tree_key);
	}
	return true;
}

/* Examine changes that were read ahead, as many as take the time of max steps */
static void
examine_some(Relation tree, Compaction *compaction, int max)
{
	TreeScan   *versions = tree_scan_begin(tree, TREE_MAIN);
	int			left = max * NEIGHBOURS_PER_STEP;

	while (left > 0 && compaction->ahead_done < compaction->n_ahead)
	{
		int			superseded = compaction->superseded.n;
		int64		looked_up = compaction->looked_up;

		CHECK_FOR_INTERRUPTS();
		if (!examine_change(versions, compaction, &compaction->ahead[compaction->ahead_done]))
		{
			compaction->phase = ROUND_SUPERSEDED;
			break;
		}
		compaction->ahead_done++;
		left -= compaction->superseded.n - superseded +
			(compaction->looked_up > looked_up ? NEIGHBOURS_PER_STEP : 1);
		if (++compaction->examined == ROUND_CHANGES || compaction->bytes >= ROUND_BYTES)
		{
			compaction->phase = ROUND_SUPERSEDED;
			break;
		}
	}
	tree_scan_end(versions);
}

/* ---------- removing ---------- */

/* How many of the removals from the first on take the time of max steps? */
static int
portion(const TreeChange *changes, int n, int max)
{
	int			left = max * NEIGHBOURS_PER_STEP;
	int			i;

	for (i = 0; i < n && left > 0; i++)
	{
		const TreeKey *key = &changes[i].key;
		const TreeKey *last = i > 0 ? &changes[i - 1].key : NULL;

		left -= last != NULL && bytes_equal(key->data, key->len, last->data, last->len) ? 1 : NEIGHBOURS_PER_STEP;
	}
	return i;
}

/*
 * Carry out as many removals as take the time of max steps, and what is left for the last leaf, which
 * need not be written if all of it goes at once; on to the next phase when all are done.
 */
static void
remove_some(StoreView *view, Compaction *compaction, Removals *removals, int max)
{
	const TreeChange *changes;
	int			left;
	int			n;

	if (removals->done == 0)
		removals->n = sort_removals(removals->changes, removals->n);
	changes = removals->changes + removals->done;
	left = removals->n - removals->done;
	n = portion(changes, left, max);
	if (n > 0)
		n = tree_whole_leaves(view->tree, TREE_MAIN, changes, left, n);
	remove_items(view, changes, n);
	removals->done += n;
	if (removals->done == removals->n)
		compaction->phase++;
}

/* ---------- all of it ---------- */

/* The walk has come to its end and all of it has been carried out */
static void
end_compaction(Store *store, Relation tree)
{
	Quorum__StoreMeta *meta = store->meta;
	Compaction *compaction = store->compaction;
	char		buffer[TREE_MAX_META_BYTES];

	meta->compact_done_revision = compaction->target;
	tree_apply(tree, TREE_MAIN, NULL, 0, buffer, meta_encode(meta, buffer));
	store->compaction = NULL;
	MemoryContextDelete(compaction->context);
}

/* Do a part of the physical compaction */
static StoreCompaction
compact_versions(Store *store, Relation tree, int max_revisions)
{
	Quorum__StoreMeta *meta = store->meta;
	Compaction *compaction = store->compaction;
	StoreView	view;

	if (compaction == NULL && meta->compact_done_revision >= meta->compacted_revision)
		return COMPACTION_DONE;
	if (compaction == NULL)
		compaction = store->compaction = begin_compaction(store);

	memset(&view, 0, sizeof(view));
	view.tree = tree;
	switch (compaction->phase)
	{
		case ROUND_EXAMINE:
			if (compaction->ahead_done < compaction->n_ahead)
				examine_some(tree, compaction, max_revisions);
			else if (compaction->index_ended)
				compaction->phase = ROUND_SUPERSEDED;
			else if (look_ahead(tree, compaction) > 0)
				return COMPACTION_READS;
			break;
		case ROUND_SUPERSEDED:
			remove_some(&view, compaction, &compaction->superseded, max_revisions);
			break;
		case ROUND_TOMBSTONES:
			remove_some(&view, compaction, &compaction->tombstones, max_revisions);
			break;
		case ROUND_INDEXES:
			remove_some(&view, compaction, &compaction->indexes, max_revisions);
			break;
		case ROUND_END:
			break;
	}

	if (compaction->phase == ROUND_END)
	{
		if (compaction->index_ended && compaction->ahead_done == compaction->n_ahead)
			end_compaction(store, tree);
		else
			begin_round(compaction);
	}
	return meta->compact_done_revision < meta->compacted_revision ? COMPACTION_GOES_ON : COMPACTION_DONE;
}

/*
 * store_compact_slice
 *		Do a part of the physical compaction: as much as takes the time to look up max_revisions
 *		keys, or to remove so many items.  Also remove some of what
 *		leases and imports have left behind.
 *
 * Outside a batch.  Does nothing, and writes nothing, when there is nothing to do
 * (COMPACTION_DONE).  COMPACTION_READS if pages have been asked for that the next call needs: it
 * would wait for them if it came at once.
 */
StoreCompaction
store_compact_slice(Store *store, Relation tree, int max_revisions)
{
	StoreCompaction result;

	Assert(store->view.tree == NULL);
	max_revisions = Max(max_revisions, 1);
	result = compact_versions(store, tree, max_revisions);
	if (lease_collect_garbage(store, tree, max_revisions * LEASE_ITEMS_PER_REVISION) && result == COMPACTION_DONE)
		result = COMPACTION_GOES_ON;
	if (import_collect_garbage(store, tree) && result == COMPACTION_DONE)
		result = COMPACTION_GOES_ON;
	return result;
}

/*
 * store_compaction_overtaken
 *		Is another compaction waiting for the one that is being carried out?
 *
 * Versions are then superseded as fast as they are removed, or faster.
 */
bool
store_compaction_overtaken(const Store *store)
{
	return store->compaction != NULL && store->compaction->target < store->meta->compacted_revision;
}
