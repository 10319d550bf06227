/*-------------------------------------------------------------------------
 *
 * tree_split.c
 *	  The writer's way down the B+tree, and splits.
 *
 * A split is two records: the first moves the upper part of the items to a
 * new right sibling and marks the page TREE_PAGE_SPLIT; the second gives the
 * sibling its downlink and takes the mark away.  In between the tree is
 * correct, only a step slower.  Whenever the writer, on its way down, meets
 * a marked page, it finishes the split first.
 *
 * The writer remembers no path.  Splits are rare enough that finding the
 * parent from the root again costs nothing that could be measured.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/storage/tree_split.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

#include "tree_int.h"

/*
 * The second record of a split: the right sibling of the page gets a downlink.
 * Or the page was the root: then a new root gets two.
 */
static void
finish_split(TreeWriter *w, Buffer left)
{
	Page		page = BufferGetPage(left);
	uint16		level = tree_opaque(page)->level;
	PageRef		right = tree_right(page);
	char		data[TREE_MAX_KEY_BYTES];
	TreeKey		separator;

	tree_tuple_key(tree_high(page), &separator);
	memcpy(data, separator.data, separator.len);
	separator.data = data;

	for (;;)
	{
		TreeRoot   *root = &tree_writer_meta(w)->roots[w->tree];
		PageLog		log;
		Buffer		parent = InvalidBuffer;
		Page		parent_page;

		CHECK_FOR_INTERRUPTS();
		if (root->block == BufferGetBlockNumber(left))
		{
			PageRef		left_ref;
			PageRef		ref;

			left_ref.block = root->block;
			left_ref.incarnation = root->incarnation;
			pagelog_begin(&log, w->rel);
			root = &tree_change_meta(w, &log)->roots[w->tree];
			ref = tree_allocate(w, &log, TREE_PAGE_NODE, level + 1, 0, &parent_page);
			tree_page_insert_child(parent_page, 0, &TreeKeyMinimum, left_ref);
			tree_page_insert_child(parent_page, 1, &separator, right);
			root->block = ref.block;
			root->incarnation = ref.incarnation;
			root->level = level + 1;
		}
		else
		{
			Size		need = tree_tuple_space(tree_key_size(&separator) + sizeof(Downlink)) +
				sizeof(uint16);
			int			slot;

			parent = tree_writer_find(w, &separator, level + 1);
			if (tree_free_space(BufferGetPage(parent)) < need)
			{
				tree_split(w, parent, &separator);
				ReleaseBuffer(parent);
				continue;
			}
			pagelog_begin(&log, w->rel);
			parent_page = pagelog_change(&log, parent);
			slot = tree_find_child(parent_page, &separator) + 1;
			tree_page_insert_child(parent_page, slot, &separator, right);
			tree_note_insert(parent_page, slot);
		}
		tree_opaque(pagelog_change(&log, left))->flags &= ~TREE_PAGE_SPLIT;
		w->lsn = pagelog_finish(&log);
		if (BufferIsValid(parent))
			ReleaseBuffer(parent);
		return;
	}
}

/*
 * Find the page of a level that has *key in its range; returned pinned.  The
 * writer needs no lock to look.  Splits that were left unfinished on the way
 * are finished.
 */
Buffer
tree_writer_find(TreeWriter *w, const TreeKey *key, uint16 level)
{
	TreeRoot   *root = &tree_writer_meta(w)->roots[w->tree];
	PageRef		ref;

	ref.block = root->block;
	ref.incarnation = root->incarnation;
	for (;;)
	{
		Buffer		buffer = ReadBuffer(w->rel, ref.block);
		Page		page = BufferGetPage(buffer);
		TreeTuple  *high;

		if (!tree_page_is(w->rel, page, ref) ||
			!(tree_opaque(page)->flags & TREE_PAGE_NODE) ||
			tree_opaque(page)->level < level)
			pagelog_corrupted(w->rel, ref.block, "a link within the tree leads to the wrong page");

		if (tree_opaque(page)->flags & TREE_PAGE_SPLIT)
		{
			finish_split(w, buffer);
			ReleaseBuffer(buffer);
			ref.block = root->block;
			ref.incarnation = root->incarnation;
			continue;
		}
		high = tree_high(page);
		if (high != NULL && tree_compare(key, high) >= 0)
			ref = tree_right(page);
		else if (tree_opaque(page)->level == level)
			return buffer;
		else
			ref = tree_child(page, tree_find_child(page, key));
		ReleaseBuffer(buffer);
	}
}

/*
 * Split a page that is too full to take incoming.  The caller keeps its pin,
 * and looks again for where incoming belongs.
 */
void
tree_split(TreeWriter *w, Buffer buffer, const TreeKey *incoming)
{
	PageLog		log;
	Page		left;
	Page		right;
	TreeKey		separator;
	char		separator_data[TREE_MAX_KEY_BYTES];
	PageRef		ref;
	int			split;
	int			first;

	Assert(!(tree_opaque(BufferGetPage(buffer))->flags & TREE_PAGE_SPLIT));

	pagelog_begin(&log, w->rel);
	left = pagelog_change(&log, buffer);
	split = tree_split_point(left, incoming, &separator);
	memcpy(separator_data, separator.data, separator.len);
	separator.data = separator_data;

	ref = tree_allocate(w, &log, TREE_PAGE_NODE, tree_opaque(left)->level, 0, &right);
	tree_page_set_right(right, tree_right(left));
	if (tree_high(left) != NULL)
	{
		TreeKey		high;

		tree_tuple_key(tree_high(left), &high);
		tree_page_set_high(right, &high);
	}
	first = split;
	if (!tree_is_leaf(left))
	{
		/* the first key of an inner page is never looked at */
		tree_page_insert_child(right, 0, &TreeKeyMinimum, tree_child(left, split));
		first++;
	}
	tree_page_copy(right, left, first, tree_count(left));

	tree_page_truncate(left, split);
	tree_page_set_high(left, &separator);
	tree_page_set_right(left, ref);
	tree_opaque(left)->flags |= TREE_PAGE_SPLIT;
	w->lsn = pagelog_finish(&log);

	finish_split(w, buffer);
}
