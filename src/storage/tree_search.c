/*-------------------------------------------------------------------------
 *
 * tree_search.c
 *	  Readers of the B+tree: lookups and forward scans.
 *
 * A reader holds one page at a time, share-locked, and nothing in between.
 * Whatever happened to the page it is about to visit shows when it arrives:
 * another incarnation, or the mark of a freed page, means start again from the
 * meta page; a key at or above the high key means move right.  (A freed page without a mark is as
 * good as it was when it was freed, see tree_free.c.)
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/storage/tree_search.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "tree_int.h"
#include "../compat.h"

/* No writer makes a reader start again so often: then the tree is broken */
#define MAX_ATTEMPTS	10000

struct TreeScan
{
	Relation	rel;
	TreeId		tree;
	bool		have_page;		/* page holds the leaf the scan is on */
	bool		ended;
	int			slot;			/* next slot of it */
	TreeKey		start;			/* where the last tree_seek() pointed to */
	char		start_data[TREE_MAX_KEY_BYTES];
	PGAlignedBlock page;
};

/*
 * Is the page still what the reference meant?  ERROR if it is no page of a
 * tree at all.
 */
bool
tree_page_is(Relation rel, Page page, PageRef ref)
{
	TreeOpaque *opaque;

	/* free, and its next use has ended with an error */
	if (PageIsNew(page))
		return false;
	if (((PageHeader) page)->pd_special != BLCKSZ - TREE_OPAQUE_SIZE)
		pagelog_corrupted(rel, ref.block, "a page in use has no valid header");
	opaque = tree_opaque(page);
	if (opaque->page_id != TREE_PAGE_ID)
		pagelog_corrupted(rel, ref.block, "a page in use is not a page of a tree");
	return opaque->incarnation == ref.incarnation &&
		(opaque->flags & (TREE_PAGE_NODE | TREE_PAGE_OVERFLOW)) != 0 &&
		(opaque->flags & TREE_PAGE_GARBAGE) == 0;
}

/*
 * Find the page of a level with *key in its range, or the root if that is lower.  It is
 * returned pinned and share-locked; InvalidBuffer if there is no such tree.
 */
static Buffer
descend_to_level(Relation rel, TreeId tree, const TreeKey *key, uint16 level)
{
	for (int attempt = 0; attempt < MAX_ATTEMPTS; attempt++)
	{
		Buffer		buffer = tree_read_meta_page(rel, BUFFER_LOCK_SHARE);
		TreeRoot   *root = &tree_meta(BufferGetPage(buffer))->roots[tree];
		PageRef		ref;

		ref.block = root->block;
		ref.incarnation = root->incarnation;
		UnlockReleaseBuffer(buffer);
		if (ref.block == InvalidBlockNumber)
			return InvalidBuffer;

		for (;;)
		{
			Page		page;
			TreeTuple  *high;

			buffer = ReadBuffer(rel, ref.block);
			LockBuffer(buffer, BUFFER_LOCK_SHARE);
			page = BufferGetPage(buffer);
			if (!tree_page_is(rel, page, ref))
				break;
			high = tree_high(page);
			if (high != NULL && tree_compare(key, high) >= 0)
				ref = tree_right(page);
			else if (tree_opaque(page)->level <= level)
				return buffer;
			else
				ref = tree_child(page, tree_find_child(page, key));
			UnlockReleaseBuffer(buffer);
		}
		UnlockReleaseBuffer(buffer);
		CHECK_FOR_INTERRUPTS();
	}
	pagelog_corrupted(rel, TREE_META_BLOCK, "links within the tree lead to wrong pages");
}

/*
 * Find the leaf with *key in its range.  It is returned pinned and
 * share-locked; InvalidBuffer if there is no such tree.
 */
Buffer
tree_descend(Relation rel, TreeId tree, const TreeKey *key)
{
	return descend_to_level(rel, tree, key, 0);
}

static void *
allocate_value(Size size)
{
	return palloc_extended(size, size > MaxAllocSize ? MCXT_ALLOC_HUGE : 0);
}

/*
 * Copy an item into the current memory context.  A value on overflow pages
 * cannot be read with the leaf locked: then true is returned in *overflow,
 * with the reference, and item->value is not set.
 */
static void
copy_item(TreeTuple *tuple, bool want_value, TreeItem *item,
		  OverflowRef *chain, bool *overflow)
{
	Size		payload = tree_payload_size(tuple);
	char	   *copy;

	*overflow = false;
	item->value = NULL;
	if (tuple->flags & TREE_TUPLE_OVERFLOW)
	{
		memcpy(chain, tree_payload(tuple), sizeof(OverflowRef));
		item->value_len = chain->size;
		*overflow = want_value;
		payload = 0;
	}
	else
	{
		item->value_len = (uint32) payload;
		if (!want_value)
			payload = 0;
	}
	tree_tuple_key(tuple, &item->key);
	copy = palloc(item->key.len + payload + 1);
	memcpy(copy, item->key.data, item->key.len + payload);
	item->key.data = copy;
	if (want_value && !*overflow)
		item->value = copy + item->key.len;
}

/*
 * The first item at or after *key, copied into the current memory context;
 * of its value, if that is wanted and lies on overflow pages, max_value bytes
 * at most.
 */
static bool
lookup_item(Relation rel, TreeId tree, const TreeKey *key, bool want_value,
			uint32 max_value, TreeItem *item)
{
	for (int attempt = 0; attempt < MAX_ATTEMPTS; attempt++)
	{
		Buffer		buffer = tree_descend(rel, tree, key);
		Page		page;
		OverflowRef chain;
		bool		overflow;
		bool		found;
		bool		gone = false;
		int			slot;

		if (!BufferIsValid(buffer))
			return false;
		page = BufferGetPage(buffer);
		slot = tree_find(page, key, 0, &found);
		while (slot >= tree_count(page))
		{
			PageRef		ref = tree_right(page);

			UnlockReleaseBuffer(buffer);
			if (ref.block == InvalidBlockNumber)
				return false;
			CHECK_FOR_INTERRUPTS();
			buffer = ReadBuffer(rel, ref.block);
			LockBuffer(buffer, BUFFER_LOCK_SHARE);
			page = BufferGetPage(buffer);
			if (!tree_page_is(rel, page, ref))
			{
				gone = true;
				break;
			}
			slot = 0;
		}
		if (gone)
		{
			/* the right sibling has been merged away, its page may serve
			 * anywhere by now: start again */
			UnlockReleaseBuffer(buffer);
			continue;
		}

		copy_item(tree_tuple(page, slot), want_value, item, &chain, &overflow);
		UnlockReleaseBuffer(buffer);
		if (overflow)
		{
			uint32		size = Min(chain.size, max_value);
			char	   *value = allocate_value(size);

			if (!tree_chain_read(rel, &chain, size, value))
			{
				pfree(value);
				pfree(unconstify(char *, item->key.data));
				continue;
			}
			item->value = value;
			item->value_len = size;
		}
		return true;
	}
	pagelog_corrupted(rel, TREE_META_BLOCK, "a link within the tree leads to a wrong page");
}

/*
 * reader: the first item at or after *key, copied into the current memory
 * context with its whole value (unless value is unwanted).
 */
bool
tree_lookup(Relation rel, TreeId tree, const TreeKey *key, bool want_value,
			TreeItem *item)
{
	return lookup_item(rel, tree, key, want_value, PG_UINT32_MAX, item);
}

/*
 * reader: the same, but of a value on overflow pages the first max_value bytes
 * at most.
 */
bool
tree_lookup_head(Relation rel, TreeId tree, const TreeKey *key, uint32 max_value,
				 TreeItem *item)
{
	return lookup_item(rel, tree, key, true, max_value, item);
}

/* ----------------------------------------------------------------
 *		Scans
 * ----------------------------------------------------------------
 */

/*
 * reader: start a scan, positioned before the first item.  It lives in the
 * current memory context.
 */
TreeScan *
tree_scan_begin(Relation rel, TreeId tree)
{
	TreeScan   *scan = palloc(sizeof(TreeScan));

	scan->rel = rel;
	scan->tree = tree;
	tree_seek(scan, &TreeKeyMinimum);
	return scan;
}

/* reader: go to before the first item at or after *key */
void
tree_seek(TreeScan *scan, const TreeKey *key)
{
	if (key->len > TREE_MAX_KEY_BYTES)
		elog(ERROR, "key of %u bytes is too long", key->len);
	scan->start = *key;
	memmove(scan->start_data, key->data, key->len);
	scan->start.data = scan->start_data;
	scan->have_page = false;
	scan->ended = false;
}

/* Copy the leaf out that has scan->start in its range */
static bool
load_start(TreeScan *scan)
{
	Buffer		buffer = tree_descend(scan->rel, scan->tree, &scan->start);
	bool		found;

	if (!BufferIsValid(buffer))
		return false;
	memcpy(scan->page.data, BufferGetPage(buffer), BLCKSZ);
	UnlockReleaseBuffer(buffer);
	scan->slot = tree_find(scan->page.data, &scan->start, 0, &found);
	scan->have_page = true;
	return true;
}

/*
 * Copy the right sibling out.  All that is still to come is at or above the
 * high key of the leaf at hand, so that is where to look if the sibling is
 * not what it was.
 */
static bool
load_right(TreeScan *scan)
{
	Page		old = scan->page.data;
	PageRef		ref = tree_right(old);
	Buffer		buffer;
	bool		valid;

	if (ref.block == InvalidBlockNumber)
		return false;
	CHECK_FOR_INTERRUPTS();
	buffer = ReadBuffer(scan->rel, ref.block);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	valid = tree_page_is(scan->rel, BufferGetPage(buffer), ref);
	if (valid)
	{
		memcpy(scan->page.data, BufferGetPage(buffer), BLCKSZ);
		scan->slot = 0;
	}
	UnlockReleaseBuffer(buffer);
	if (!valid)
	{
		TreeKey		high;

		tree_tuple_key(tree_high(old), &high);
		tree_seek(scan, &high);
		return load_start(scan);
	}
	return true;
}

/*
 * reader: step to the next item; false at the end.
 */
bool
tree_next(TreeScan *scan, TreeItem *item)
{
	TreeTuple  *tuple;

	if (scan->ended)
		return false;
	if (!scan->have_page && !load_start(scan))
	{
		scan->ended = true;
		return false;
	}
	while (scan->slot >= tree_count(scan->page.data))
	{
		if (!load_right(scan))
		{
			scan->ended = true;
			return false;
		}
	}
	tuple = tree_tuple(scan->page.data, scan->slot++);
	tree_tuple_key(tuple, &item->key);
	if (tuple->flags & TREE_TUPLE_OVERFLOW)
	{
		OverflowRef chain;

		memcpy(&chain, tree_payload(tuple), sizeof(OverflowRef));
		item->value = NULL;
		item->value_len = chain.size;
	}
	else
	{
		item->value = tree_payload(tuple);
		item->value_len = (uint32) tree_payload_size(tuple);
	}
	return true;
}

/*
 * reader: step to the item of exactly this key, as tree_next() would; false if there is none.
 *
 * It is looked for on the leaf at hand first, as that was when it was copied out, so this is for
 * items that never change: many of them that lie close together cost hardly more than one.
 */
bool
tree_scan_find(TreeScan *scan, const TreeKey *key, TreeItem *item)
{
	bool		found = false;

	if (scan->have_page)
	{
		scan->slot = tree_find(scan->page.data, key, 0, &found);
		scan->ended = false;
	}
	if (!found)
		tree_seek(scan, key);
	return tree_next(scan, item) && (found || tree_key_compare(&item->key, key) == 0);
}

/* The tuple of the item that tree_next() just returned */
static TreeTuple *
current_tuple(TreeScan *scan)
{
	if (!scan->have_page || scan->slot < 1)
		elog(ERROR, "tree scan is not on an item");
	return tree_tuple(scan->page.data, scan->slot - 1);
}

/*
 * reader: the value of the item that tree_next() just returned, palloc'd; for
 * items whose value was NULL.  False if the item has vanished meanwhile.
 */
bool
tree_scan_value(TreeScan *scan, TreeItem *item)
{
	return tree_scan_head(scan, PG_UINT32_MAX, item);
}

/*
 * reader: the same, but of a value on overflow pages the first max_value bytes
 * at most.
 */
bool
tree_scan_head(TreeScan *scan, uint32 max_value, TreeItem *item)
{
	TreeTuple  *tuple = current_tuple(scan);
	OverflowRef chain;
	TreeItem	now;
	char	   *value;
	uint32		size;

	if (!(tuple->flags & TREE_TUPLE_OVERFLOW))
	{
		value = palloc(tree_payload_size(tuple) + 1);
		memcpy(value, tree_payload(tuple), tree_payload_size(tuple));
		item->value = value;
		return true;
	}

	memcpy(&chain, tree_payload(tuple), sizeof(OverflowRef));
	size = Min(chain.size, max_value);
	value = allocate_value(size);
	if (tree_chain_read(scan->rel, &chain, size, value))
	{
		item->value = value;
		item->value_len = size;
		return true;
	}
	pfree(value);

	/* replaced or removed since the leaf was copied out */
	if (!tree_lookup_head(scan->rel, scan->tree, &item->key, max_value, &now) ||
		tree_key_compare(&now.key, &item->key) != 0)
		return false;
	item->value = now.value;
	item->value_len = now.value_len;
	return true;
}

void
tree_scan_end(TreeScan *scan)
{
	pfree(scan);
}

/* ----------------------------------------------------------------
 *		Reading ahead
 * ----------------------------------------------------------------
 */

/* Ask the kernel for a page.  Is it perhaps on its way now? */
static bool
prefetch(Relation rel, BlockNumber block)
{
	return PrefetchBuffer(rel, MAIN_FORKNUM, block).initiated_io;
}

/*
 * reader: ask for leaves with keys from *from to *to, the first ones, at most max of them.
 *
 * Only leaves under one parent; a range has rarely more, and they are asked for when it comes to
 * them.  The inner pages are read: there are so few of them that they are at hand.
 */
int
tree_prefetch(Relation rel, TreeId tree, const TreeKey *from, const TreeKey *to, int max)
{
	Buffer		buffer = descend_to_level(rel, tree, from, 1);
	BlockNumber blocks[TREE_MAX_PREFETCH];
	int			nblocks = 0;
	int			asked = 0;
	Page		page;

	if (!BufferIsValid(buffer))
		return 0;
	page = BufferGetPage(buffer);
	if (!tree_is_leaf(page))
	{
		int			first = tree_find_child(page, from);

		for (int slot = first; slot < tree_count(page) && nblocks < Min(max, TREE_MAX_PREFETCH); slot++)
		{
			if (slot > first && tree_compare(to, tree_tuple(page, slot)) < 0)
				break;
			blocks[nblocks++] = tree_child(page, slot).block;
		}
	}
	UnlockReleaseBuffer(buffer);
	for (int i = 0; i < nblocks; i++)
		asked += prefetch(rel, blocks[i]) ? 1 : 0;
	return asked;
}

/*
 * reader: if the value of the item that tree_next() just returned is on overflow pages, ask for
 * the one that it takes to free them.
 */
void
tree_scan_prefetch_value(TreeScan *scan)
{
	TreeTuple  *tuple = current_tuple(scan);
	OverflowRef chain;

	if (!(tuple->flags & TREE_TUPLE_OVERFLOW))
		return;
	memcpy(&chain, tree_payload(tuple), sizeof(OverflowRef));
	(void) prefetch(scan->rel, chain.tail);
}

/* ----------------------------------------------------------------
 *		Changes to come
 * ----------------------------------------------------------------
 */

/*
 * reader: how many of the changes, at_least so many (one or more), to carry out so that none is left for the
 * leaf of the last of them.
 */
int
tree_whole_leaves(Relation rel, TreeId tree, const TreeChange *changes, int nchanges, int at_least)
{
	int			n = at_least;
	Buffer		leaf;
	TreeTuple  *high;

	if (n >= nchanges)
		return nchanges;
	leaf = tree_descend(rel, tree, &changes[n - 1].key);
	if (!BufferIsValid(leaf))
		return n;
	high = tree_high(BufferGetPage(leaf));
	while (n < nchanges && (high == NULL || tree_compare(&changes[n].key, high) < 0))
		n++;
	UnlockReleaseBuffer(leaf);
	return n;
}
