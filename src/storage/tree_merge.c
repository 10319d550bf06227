/*-------------------------------------------------------------------------
 *
 * tree_merge.c
 *	  Pages of the B+tree that have become empty, or nearly so.
 *
 * There is one operation: of two neighbours with the same parent, the left
 * page takes over the items, the range and the right link of the right page,
 * the parent loses the downlink to the right page, and the right page is
 * freed; all in one record.  The low end of a page's range thus never
 * changes while the page lives, which is what lets a reader trust a downlink
 * with the right incarnation.
 *
 * Pages under different parents are not merged.  So an empty leaf can remain
 * as the first one of its parent, if the next one is too full to be moved; it takes that over when that
 * has become empty, or is used again when keys of its range come.
 *
 * When most of a store is removed, nearly all leaves go, one after the other.  So a leaf of which a batch
 * leaves little is merged before it is changed (tree_remove_leaf()): what stays goes to the left, and
 * the leaf itself is neither logged nor written any more.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/storage/tree_merge.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

#include "tree_int.h"

/* Two pages are merged if the result is not fuller than this */
#define MERGE_UP_TO			(TREE_PAGE_ROOM * 3 / 4)

static Buffer
read_child(TreeWriter *w, Page parent, int slot)
{
	PageRef		ref = tree_child(parent, slot);
	Buffer		buffer = ReadBuffer(w->rel, ref.block);

	if (!tree_page_is(w->rel, BufferGetPage(buffer), ref))
		pagelog_corrupted(w->rel, ref.block, "a downlink leads to the wrong page");
	return buffer;
}

/* What of a page's tuples goes with a merge instead of moving */
typedef struct Gone
{
	int			count;
	Size		space;
	bool		slots[TREE_MAX_COUNT];
} Gone;

/* May the child in slot + 1 be merged into the child in slot? */
static bool
may_merge(Page parent, int slot, Page left, Page right, const Gone *gone)
{
	Size		sum = tree_used_space(left) + tree_used_space(right);
	int			moving = tree_count(right);
	Size		limit = MERGE_UP_TO;

	if ((tree_opaque(left)->flags | tree_opaque(right)->flags) & TREE_PAGE_SPLIT)
		return false;
	if (tree_high(left) != NULL)
		sum -= tree_tuple_space(tree_high(left)->size);
	if (gone != NULL)
	{
		sum -= gone->space;
		moving -= gone->count;
	}
	if (!tree_is_leaf(right))
		sum += tree_tuple_space(tree_tuple(parent, slot + 1)->size);
	if (moving <= (tree_is_leaf(right) ? 0 : 1))
		limit = TREE_PAGE_ROOM;
	return sum <= limit;
}

/* Append the tuples from the first one on that are not gone */
static void
copy_moving(Page to, Page from, int first, const Gone *gone)
{
	for (int i = first; i < tree_count(from); i++)
	{
		if (gone == NULL || !gone->slots[i])
			tree_page_copy(to, from, i, i + 1);
	}
}

/*
 * Merge the child in slot + 1 of parent into the child in slot, if that is
 * possible; without what is gone of it, if it is a leaf and gone is not NULL.
 */
static bool
merge_children(TreeWriter *w, Buffer parent, int slot, const Gone *gone)
{
	Page		parent_page = BufferGetPage(parent);
	Buffer		left = read_child(w, parent_page, slot);
	Buffer		right = read_child(w, parent_page, slot + 1);
	bool		merge = may_merge(parent_page, slot, BufferGetPage(left),
								  BufferGetPage(right), gone);

	if (merge)
	{
		Page		source = BufferGetPage(right);
		int			first = 0;
		PageLog		log;
		Page		page;

		if (tree_right(BufferGetPage(left)).block != BufferGetBlockNumber(right))
			pagelog_corrupted(w->rel, BufferGetBlockNumber(left),
						   "the right link and the parent disagree");
		pagelog_begin(&log, w->rel);
		page = pagelog_change(&log, left);
		if (tree_high(source) != NULL)
		{
			TreeKey		high;

			tree_tuple_key(tree_high(source), &high);
			tree_page_set_high(page, &high);
		}
		else
			tree_page_set_high(page, NULL);
		tree_page_set_right(page, tree_right(source));
		if (!tree_is_leaf(source))
		{
			/* what stood for the first key of the right page is in the parent */
			TreeKey		key;

			tree_tuple_key(tree_tuple(parent_page, slot + 1), &key);
			tree_page_insert_child(page, tree_count(page), &key, tree_child(source, 0));
			first = 1;
		}
		copy_moving(page, source, first, gone);
		tree_page_remove(pagelog_change(&log, parent), slot + 1);
		tree_free_page(w, &log, right);
		w->lsn = pagelog_finish(&log);
	}
	ReleaseBuffer(left);
	ReleaseBuffer(right);
	return merge;
}

/*
 * Try to merge the page of a level that has *key in its range with one of its
 * neighbours.  A merge that leaves the parent nearly empty goes on above; one
 * that is impossible for lack of neighbours is tried above first.
 */
static bool
merge_level(TreeWriter *w, const TreeKey *key, uint16 level)
{
	Buffer		parent;
	Page		page;
	int			slot;
	bool		merged;
	bool		alone;
	bool		sparse;

	if (tree_writer_meta(w)->roots[w->tree].level <= level)
		return false;
	parent = tree_writer_find(w, key, level + 1);
	page = BufferGetPage(parent);
	slot = tree_find_child(page, key);
	merged = (slot > 0 && merge_children(w, parent, slot - 1, NULL)) ||
		(slot + 1 < tree_count(page) && merge_children(w, parent, slot, NULL));
	alone = tree_count(page) == 1;
	sparse = tree_is_sparse(page);
	ReleaseBuffer(parent);

	if (!merged && alone)
		return merge_level(w, key, level + 1) && merge_level(w, key, level);
	if (merged && sparse)
		merge_level(w, key, level + 1);
	return merged;
}

/* While the root has a single child, that may as well be the root */
static void
lower_root(TreeWriter *w)
{
	TreeRoot   *root = &tree_writer_meta(w)->roots[w->tree];

	while (root->level > 0)
	{
		Buffer		buffer = ReadBuffer(w->rel, root->block);
		Page		page = BufferGetPage(buffer);
		bool		lower = tree_count(page) == 1 &&
			!(tree_opaque(page)->flags & TREE_PAGE_SPLIT);

		if (lower)
		{
			PageRef		child = tree_child(page, 0);
			PageLog		log;
			TreeRoot   *changed;

			pagelog_begin(&log, w->rel);
			changed = &tree_change_meta(w, &log)->roots[w->tree];
			changed->block = child.block;
			changed->incarnation = child.incarnation;
			changed->level--;
			tree_free_page(w, &log, buffer);
			w->lsn = pagelog_finish(&log);
		}
		ReleaseBuffer(buffer);
		if (!lower)
			break;
	}
}

/*
 * writer: removals have left the leaf that has *key in its range nearly empty,
 * perhaps; see whether it can be merged.
 */
void
tree_merge(TreeWriter *w, const TreeKey *key)
{
	Buffer		leaf = tree_writer_find(w, key, 0);
	bool		sparse = tree_is_sparse(BufferGetPage(leaf));

	ReleaseBuffer(leaf);
	if (sparse && merge_level(w, key, 0))
		lower_root(w);
}

/*
 * The first changes, as far as they fall on the leaf, if they are all removals: how many of them, and what they
 * take away.  0 if there are others, or long values among what is removed.
 */
static int
find_gone(Page leaf, const TreeChange *changes, int nchanges, Gone *gone)
{
	TreeTuple  *high = tree_high(leaf);
	int			slot = 0;
	int			n;

	gone->count = 0;
	gone->space = 0;
	memset(gone->slots, 0, tree_count(leaf) * sizeof(bool));
	for (n = 0; n < nchanges; n++)
	{
		TreeTuple  *tuple;
		bool		found;

		if (high != NULL && tree_compare(&changes[n].key, high) >= 0)
			break;
		if (!changes[n].remove)
			return 0;
		slot = tree_find(leaf, &changes[n].key, slot, &found);
		if (!found)
			continue;
		tuple = tree_tuple(leaf, slot);
		if (tuple->flags & TREE_TUPLE_OVERFLOW)
			return 0;
		gone->slots[slot++] = true;
		gone->count++;
		gone->space += tree_tuple_space(tuple->size) + sizeof(uint16);
	}
	return n;
}

/*
 * writer: carry out the removals at the beginning of a batch by freeing the leaf that they fall on.  How many
 * they are; 0 if more stays on the leaf than that is worth, or its left sibling, under the same parent, has no room for it.
 *
 * The leaf keeps its contents, until it is used again; the caller keeps the pin.
 */
int
tree_remove_leaf(TreeWriter *w, Buffer leaf, const TreeChange *changes, int nchanges)
{
	Page		page = BufferGetPage(leaf);
	const TreeKey *key = &changes[0].key;
	Gone		gone;
	int			n = find_gone(page, changes, nchanges, &gone);
	Buffer		parent;
	int			slot;
	bool		merged;
	bool		sparse;

	if (gone.count == 0 || n == 0 ||
		tree_used_space(page) - gone.space >= TREE_SPARSE_SPACE ||
		tree_writer_meta(w)->roots[w->tree].level == 0)
		return 0;
	parent = tree_writer_find(w, key, 1);
	slot = tree_find_child(BufferGetPage(parent), key);
	merged = slot > 0 && merge_children(w, parent, slot - 1, &gone);
	sparse = tree_is_sparse(BufferGetPage(parent));
	ReleaseBuffer(parent);

	if (merged && sparse && merge_level(w, key, 1))
		lower_root(w);
	return merged ? n : 0;
}
