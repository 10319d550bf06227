/*-------------------------------------------------------------------------
 *
 * tree_check.c
 *	  Verification of a B+tree.
 *
 * Each tree is walked level by level along the right links, beside the
 * downlinks of the level above; then overflow chains, the free list and trees
 * that wait to be taken apart are followed.  In the end each block up to the
 * highest one ever used must have been met exactly once.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/storage/tree_check.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/bufmgr.h"
#include "utils/rel.h"

#include "check.h"
#include "tree_int.h"

/* A key with bytes of its own */
typedef struct OwnKey
{
	bool		valid;
	TreeKey		key;
	char		data[TREE_MAX_KEY_BYTES];
} OwnKey;

/* The downlinks of a level, in order */
typedef struct Downlinks
{
	bool		present;		/* false at the root's level */
	bool		broken;			/* no use in comparing any further */
	int			slot;
	BlockNumber block;
	OwnKey		low;			/* low end of the page's range */
	PGAlignedBlock page;
} Downlinks;

static void
own_key_set(OwnKey *own, const TreeTuple *tuple)
{
	own->valid = tuple != NULL;
	if (tuple == NULL)
		return;
	tree_tuple_key(tuple, &own->key);
	memcpy(own->data, own->key.data, own->key.len);
	own->key.data = own->data;
}

/* Is the page of the kind, level and incarnation that are expected? */
static bool
check_header(CheckState *check, BlockNumber block, char *page, uint16 flags,
			 uint64 incarnation)
{
	PageHeader	header = (PageHeader) page;

	if (header->pd_special != BLCKSZ - TREE_OPAQUE_SIZE ||
		header->pd_lower < TREE_PAGE_START ||
		header->pd_lower > header->pd_upper ||
		header->pd_upper > header->pd_special ||
		tree_opaque(page)->page_id != TREE_PAGE_ID)
	{
		check_finding(check, block, "has no valid header");
		return false;
	}
	if (!(tree_opaque(page)->flags & flags))
	{
		check_finding(check, block, "is of kind 0x%x where 0x%x is expected",
					  tree_opaque(page)->flags, flags);
		return false;
	}
	if (incarnation != 0 && tree_opaque(page)->incarnation != incarnation)
	{
		check_finding(check, block, "has another incarnation than the link to it");
		return false;
	}
	return true;
}

/* Does a tuple lie within the page, and is it of a possible size? */
static bool
check_tuple(CheckState *check, BlockNumber block, char *page, uint16 offset)
{
	PageHeader	header = (PageHeader) page;
	TreeTuple  *tuple = (TreeTuple *) (page + offset);

	if (offset < header->pd_upper || offset % 2 != 0 ||
		offset + TREE_TUPLE_HEADER > header->pd_special ||
		offset + tuple->size > header->pd_special ||
		tuple->size > TREE_MAX_TUPLE ||
		tuple->key_len > TREE_MAX_KEY_BYTES ||
		tuple->size < TREE_TUPLE_HEADER + tree_numbers_size(tuple->flags) + tuple->key_len)
	{
		check_finding(check, block, "has a tuple at offset %u that cannot be", offset);
		return false;
	}
	return true;
}

/* The chain of a long value: every page of it, in order, and of the right size */
static void
check_chain(CheckState *check, BlockNumber leaf, const OverflowRef *chain)
{
	PGAlignedBlock page;
	BlockNumber block = chain->head;
	BlockNumber last = InvalidBlockNumber;
	uint32		pages = tree_chain_pages(chain->size);

	for (uint32 i = 0; i < pages; i++)
	{
		uint32		bytes = Min(chain->size - i * TREE_OVERFLOW_ROOM, TREE_OVERFLOW_ROOM);

		if (!check_mark(check, block) || !check_read(check, block, page.data) ||
			!check_header(check, block, page.data, TREE_PAGE_OVERFLOW,
						  incarnation_get(chain->incarnation)))
		{
			check_finding(check, leaf, "refers to a long value that is broken at block %u", block);
			return;
		}
		if (((PageHeader) page.data)->pd_lower != TREE_PAGE_START + bytes)
			check_finding(check, block, "has another length than its part of a long value");
		last = block;
		block = tree_opaque(page.data)->right;
	}
	if (last != chain->tail || block != InvalidBlockNumber)
		check_finding(check, leaf, "refers to a long value that does not end at block %u",
					  chain->tail);
}

static void
check_chains(CheckState *check, BlockNumber block, char *page)
{
	for (int i = 0; i < tree_count(page); i++)
	{
		TreeTuple  *tuple = tree_tuple(page, i);
		OverflowRef chain;

		if (!(tuple->flags & TREE_TUPLE_OVERFLOW))
			continue;
		if (tree_payload_size(tuple) != sizeof(OverflowRef))
		{
			check_finding(check, block, "has a reference to a long value of the wrong size");
			continue;
		}
		memcpy(&chain, tree_payload(tuple), sizeof(OverflowRef));
		check_chain(check, block, &chain);
	}
}

/*
 * The items of one page: space accounted for, keys ascending and within the
 * page's range.  False if the items cannot be looked at any further.
 */
static bool
check_items(CheckState *check, BlockNumber block, char *page, const OwnKey *low)
{
	PageHeader	header = (PageHeader) page;
	TreeOpaque *opaque = tree_opaque(page);
	int			count = tree_count(page);
	Size		space = opaque->dead;
	TreeKey		previous;
	TreeKey		key;

	if (opaque->high != 0)
	{
		if (!check_tuple(check, block, page, opaque->high))
			return false;
		space += tree_tuple_space(tree_high(page)->size);
	}
	for (int i = 0; i < count; i++)
	{
		TreeTuple  *tuple;

		if (!check_tuple(check, block, page, tree_slots(page)[i]))
			return false;
		tuple = tree_tuple(page, i);
		space += tree_tuple_space(tuple->size);
		tree_tuple_key(tuple, &key);
		if (opaque->level > 0)
		{
			if (tree_payload_size(tuple) != sizeof(Downlink))
			{
				check_finding(check, block, "has a downlink of the wrong size in slot %d", i);
				return false;
			}
			if (i == 0 && tree_key_compare(&key, &TreeKeyMinimum) != 0)
				check_finding(check, block, "has a first downlink with a key");
		}
		if (i > 0 && tree_key_compare(&previous, &key) >= 0)
			check_finding(check, block, "has keys out of order at slot %d", i);
		if (low->valid && (opaque->level == 0 || i > 0) &&
			tree_key_compare(&key, &low->key) < 0)
			check_finding(check, block, "has a key below its range in slot %d", i);
		if (opaque->high != 0 && tree_compare(&key, tree_high(page)) >= 0)
			check_finding(check, block, "has a key above its range in slot %d", i);
		previous = key;
	}
	if (space != (Size) (header->pd_special - header->pd_upper))
		check_finding(check, block, "has %zu bytes of tuples accounted for of %d",
					  space, header->pd_special - header->pd_upper);
	if (opaque->level > 0 && count == 0)
		check_finding(check, block, "is an inner page without a child");
	return true;
}

/* Step to the next downlink of the level above; false if there is none */
static bool
next_downlink(CheckState *check, Downlinks *links)
{
	PageRef		right;

	links->slot++;
	if (links->slot < tree_count(links->page.data))
		return true;
	right = tree_right(links->page.data);
	if (right.block == InvalidBlockNumber)
		return false;
	own_key_set(&links->low, tree_high(links->page.data));
	if (!check_read(check, right.block, links->page.data) ||
		!check_header(check, right.block, links->page.data, TREE_PAGE_NODE,
					  right.incarnation))
	{
		links->broken = true;
		return false;
	}
	links->block = right.block;
	links->slot = 0;
	return tree_count(links->page.data) > 0;
}

/* The level above must lead to the page next, with the low end of its range */
static void
check_downlink(CheckState *check, Downlinks *links, PageRef ref, const OwnKey *low)
{
	PageRef		child;
	TreeKey		key;

	if (!links->present || links->broken)
		return;
	if (!next_downlink(check, links))
	{
		if (!links->broken)
			check_finding(check, ref.block, "has no downlink");
		links->broken = true;
		return;
	}
	child = tree_child(links->page.data, links->slot);
	if (child.block != ref.block || child.incarnation != ref.incarnation)
	{
		check_finding(check, links->block, "has a downlink to block %u where block %u is next",
					  child.block, ref.block);
		links->broken = true;
		return;
	}
	if (links->slot > 0)
		tree_tuple_key(tree_tuple(links->page.data, links->slot), &key);
	else if (links->low.valid)
		key = links->low.key;
	else
	{
		if (low->valid)
			check_finding(check, ref.block, "is the first page below but not at its level");
		return;
	}
	if (!low->valid || tree_key_compare(&key, &low->key) != 0)
		check_finding(check, ref.block, "has another low end than its downlink says");
}

/* One level of a tree, from its leftmost page on */
static void
check_level(CheckState *check, PageRef ref, uint16 level, Downlinks *links)
{
	PGAlignedBlock page;
	OwnKey	   *low = palloc(sizeof(OwnKey));
	bool		unlinked = false;

	low->valid = false;
	while (ref.block != InvalidBlockNumber)
	{
		TreeOpaque *opaque;

		if (!check_mark(check, ref.block) ||
			!check_read(check, ref.block, page.data) ||
			!check_header(check, ref.block, page.data, TREE_PAGE_NODE, ref.incarnation))
			break;
		opaque = tree_opaque(page.data);
		if (opaque->level != level)
		{
			check_finding(check, ref.block, "is at level %u where %u is expected",
						  opaque->level, level);
			break;
		}
		if (!unlinked)
			check_downlink(check, links, ref, low);
		unlinked = (opaque->flags & TREE_PAGE_SPLIT) != 0;

		if (!check_items(check, ref.block, page.data, low))
			break;
		if (level == 0)
			check_chains(check, ref.block, page.data);
		if ((tree_high(page.data) == NULL) != (opaque->right == InvalidBlockNumber))
			check_finding(check, ref.block, "has a high key or a right sibling, but not both");
		if (tree_high(page.data) != NULL && low->valid &&
			tree_compare(&low->key, tree_high(page.data)) >= 0)
			check_finding(check, ref.block, "has an empty range");
		own_key_set(low, tree_high(page.data));
		ref = tree_right(page.data);
	}
	if (links->present && !links->broken && ref.block == InvalidBlockNumber &&
		next_downlink(check, links))
		check_finding(check, links->block, "has more downlinks than there are pages below");
	pfree(low);
}

static void
check_root(CheckState *check, const TreeRoot *root)
{
	Downlinks  *links = palloc(sizeof(Downlinks));
	PGAlignedBlock page;
	PageRef		ref;

	if (root->block == InvalidBlockNumber)
		return;
	ref.block = root->block;
	ref.incarnation = root->incarnation;
	links->present = false;
	for (int level = root->level;; level--)
	{
		check_level(check, ref, level, links);
		if (level == 0)
			break;
		if (!check_read(check, ref.block, page.data) ||
			!check_header(check, ref.block, page.data, TREE_PAGE_NODE, ref.incarnation) ||
			tree_count(page.data) == 0)
			break;
		links->present = true;
		links->broken = false;
		links->slot = -1;
		links->block = ref.block;
		links->low.valid = false;
		memcpy(links->page.data, page.data, BLCKSZ);
		ref = tree_child(page.data, 0);
	}
	pfree(links);
}

/* A tree that is being taken apart: only that its pages are there */
static void
check_garbage(CheckState *check, const TreeGarbage *garbage)
{
	BlockNumber block = garbage->next;
	BlockNumber below = garbage->below;
	PGAlignedBlock page;

	while (block != InvalidBlockNumber)
	{
		if (!check_mark(check, block) || !check_read(check, block, page.data) ||
			!check_header(check, block, page.data, TREE_PAGE_NODE, 0))
			return;
		if (tree_is_leaf(page.data))
			check_chains(check, block, page.data);
		else if (below == InvalidBlockNumber && tree_count(page.data) > 0)
			below = tree_child(page.data, 0).block;
		block = tree_opaque(page.data)->right;
		if (block == InvalidBlockNumber)
		{
			block = below;
			below = InvalidBlockNumber;
		}
	}
}

/* The free blocks that a page of the free list, with a valid header, names; how many */
static uint32
check_free_blocks(CheckState *check, BlockNumber block, char *page)
{
	int			count = tree_free_count(page);

	for (int i = 0; i < count; i++)
	{
		if (!check_mark(check, tree_free_blocks(page)[i]))
			check_finding(check, block, "names block %u as free", tree_free_blocks(page)[i]);
	}
	return count;
}

/* Pages linked by "right": the free list, or a chain being written */
static void
check_list(CheckState *check, BlockNumber head, uint32 count, uint16 flags,
		   const char *what)
{
	PGAlignedBlock page;
	BlockNumber block = head;
	uint32		found = 0;

	while (block != InvalidBlockNumber)
	{
		if (!check_mark(check, block) || !check_read(check, block, page.data) ||
			!check_header(check, block, page.data, flags, 0))
			return;
		found += 1 + check_free_blocks(check, block, page.data);
		block = tree_opaque(page.data)->right;
	}
	if (found != count)
		check_finding(check, TREE_META_BLOCK, "says that %s has %u pages, but it has %u",
					  what, count, found);
}

/* Verify a relation that holds trees */
void
tree_check(CheckState *check)
{
	PGAlignedBlock page;
	TreeMeta   *meta = palloc(sizeof(TreeMeta));

	if (!check_read(check, TREE_META_BLOCK, page.data))
		return;
	memcpy(meta, tree_meta(page.data), sizeof(TreeMeta));
	if (meta->end < TREE_FIRST_BLOCK || meta->host_len > TREE_MAX_META_BYTES ||
		meta->garbage_count > TREE_MAX_GARBAGE)
	{
		check_finding(check, TREE_META_BLOCK, "has counts that cannot be");
		return;
	}
	check_begin_blocks(check, meta->end);
	check_mark(check, TREE_META_BLOCK);
	for (int i = 0; i < TREE_COUNT; i++)
		check_root(check, &meta->roots[i]);
	for (uint32 i = 0; i < meta->garbage_count; i++)
		check_garbage(check, &meta->garbage[i]);
	check_list(check, meta->pending_head, meta->pending_count, TREE_PAGE_OVERFLOW,
			   "the chain being written");
	check_list(check, meta->free_head, meta->free_count,
			   TREE_PAGE_FREE | TREE_PAGE_OVERFLOW, "the free list");
	check_unmarked(check, TREE_FIRST_BLOCK);
}
