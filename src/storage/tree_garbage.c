/*-------------------------------------------------------------------------
 *
 * tree_garbage.c
 *	  Taking replaced trees apart, a little at a time.
 *
 * A replaced tree is walked level by level from the root, each level along
 * its right links, and each page is freed as it is passed; the meta page knows
 * how far that has come, in the same record, so it can go on after a crash.
 * A leaf gives up its overflow chains before it goes.  It is marked first,
 * so that a reader who is still in the old tree starts again in the new one
 * instead of missing items.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/storage/tree_garbage.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

#include "tree_int.h"

/* The first item of a leaf whose value is on overflow pages, or -1 */
static int
find_overflow(Page page)
{
	if (tree_is_leaf(page))
	{
		for (int i = 0; i < tree_count(page); i++)
		{
			if (tree_tuple(page, i)->flags & TREE_TUPLE_OVERFLOW)
				return i;
		}
	}
	return -1;
}

/* Free one page or one chain of the garbage tree that was added last */
static void
collect_one(TreeWriter *w)
{
	TreeMeta   *meta = tree_writer_meta(w);
	int			last = meta->garbage_count - 1;
	BlockNumber block = meta->garbage[last].next;
	Buffer		buffer = ReadBuffer(w->rel, block);
	Page		page = BufferGetPage(buffer);
	PageLog		log;
	int			slot;

	if (PageIsNew(page) || tree_opaque(page)->page_id != TREE_PAGE_ID ||
		!(tree_opaque(page)->flags & TREE_PAGE_NODE))
		pagelog_corrupted(w->rel, block, "a link within a replaced tree leads to the wrong page");

	slot = find_overflow(page);
	pagelog_begin(&log, w->rel);
	if (slot >= 0)
	{
		OverflowRef chain;
		Page		changed = pagelog_change(&log, buffer);

		memcpy(&chain, tree_payload(tree_tuple(page, slot)), sizeof(OverflowRef));
		tree_opaque(changed)->flags |= TREE_PAGE_GARBAGE;
		tree_page_remove(changed, slot);
		tree_free_chain(w, &log, &chain);
	}
	else
	{
		TreeGarbage garbage = meta->garbage[last];

		if (!tree_is_leaf(page) && garbage.below == InvalidBlockNumber)
			garbage.below = tree_child(page, 0).block;
		garbage.next = tree_right(page).block;
		if (garbage.next == InvalidBlockNumber)
		{
			garbage.next = garbage.below;
			garbage.below = InvalidBlockNumber;
		}
		meta = tree_change_meta(w, &log);
		meta->garbage[last] = garbage;
		if (garbage.next == InvalidBlockNumber)
			meta->garbage_count--;
		tree_free_page(w, &log, buffer);
	}
	w->lsn = pagelog_finish(&log);
	ReleaseBuffer(buffer);
}

/* Free at most max_pages pages, or chains of pages */
void
tree_collect(TreeWriter *w, int max_pages)
{
	for (int i = 0; i < max_pages && tree_writer_meta(w)->garbage_count > 0; i++)
	{
		CHECK_FOR_INTERRUPTS();
		collect_one(w);
	}
}

/*
 * writer: free at most max_pages pages of replaced or discarded trees (a long
 * value counts as one); true while there is more.
 */
bool
tree_collect_garbage(Relation rel, int max_pages)
{
	TreeWriter	w;
	bool		more;

	tree_writer_begin(&w, rel, TREE_MAIN);
	tree_collect(&w, max_pages);
	more = tree_writer_meta(&w)->garbage_count > 0;
	tree_writer_end(&w);
	return more;
}
