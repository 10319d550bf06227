/*-------------------------------------------------------------------------
 *
 * tree_free.c
 *	  The B+tree's free pages.
 *
 * Free pages are a list, linked by "right", that begins at free_head of the meta page.  A page in it is of one
 * of two kinds.  An overflow page is as it was: the chain of a long value was linked in as a whole.
 * The other kind was made for the list, and may name the blocks of further free pages.
 *
 * So a node is freed by noting its block on the first page of the list, and is not touched itself.  That
 * matters when most of a store goes at once: the nodes have been read to see what is on them, and to change them would
 * be to log and to write all of that.  When the first page is full, or of the first kind, the node becomes
 * the new first page.
 *
 * A reader who is on its way to a node that has been freed may thus find it as it was.  That does no harm: it
 * set out before the node was freed, as nothing has led there afterwards, so it sees what was there at a moment since it set
 * out.  Where it is led from there was in use at that moment, so the same holds for the next page.
 * Once the block is in use again, the incarnation tells.
 *
 * The writer must know better.  It remembers leaves from one call to the next (tree_write.c), but only
 * as long as the tree has the same identity, and to free a node gives it another.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/storage/tree_free.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/bufmgr.h"
#include "utils/rel.h"

#include "tree_int.h"

/* Read the first page of the free list, which there is; it is returned pinned */
static Buffer
read_head(TreeWriter *w, TreeMeta *meta)
{
	Buffer		buffer = ReadBuffer(w->rel, meta->free_head);
	Page		page = BufferGetPage(buffer);

	if (PageIsNew(page) || tree_opaque(page)->page_id != TREE_PAGE_ID ||
		!(tree_opaque(page)->flags & (TREE_PAGE_FREE | TREE_PAGE_OVERFLOW)))
		pagelog_corrupted(w->rel, meta->free_head, "a page on the free list is not free");
	return buffer;
}

/*
 * How many pages tree_allocate() is going to add to a record that has the meta page already, at most.
 */
int
tree_allocation_pages(TreeWriter *w, PageLog *log)
{
	TreeMeta   *meta = tree_change_meta(w, log);
	int			pages = 1;

	if (meta->free_head != InvalidBlockNumber)
	{
		Buffer		head = read_head(w, meta);

		if (tree_free_count(BufferGetPage(head)) > 0 && !pagelog_includes(log, head))
			pages++;
		ReleaseBuffer(head);
	}
	return pages;
}

/* Take a page off the free list; its block */
static BlockNumber
take_free(TreeWriter *w, PageLog *log, TreeMeta *meta, Page *page)
{
	Buffer		head = read_head(w, meta);
	Page		list = pagelog_take_page(log, head);
	int			count = tree_free_count(list);
	BlockNumber block;

	meta->free_count--;
	if (count > 0)
	{
		block = tree_free_blocks(list)[count - 1];
		((PageHeader) list)->pd_lower -= sizeof(BlockNumber);
		if (block < TREE_FIRST_BLOCK || block >= meta->end)
			pagelog_corrupted(w->rel, meta->free_head, "a page on the free list names a block that cannot be");
		*page = pagelog_new_page(log, w->rel, block, TREE_OPAQUE_SIZE);
		return block;
	}

	block = meta->free_head;
	meta->free_head = tree_opaque(list)->right;

	/* free pages lie anywhere, and the next one is read to find the one behind it */
	if (meta->free_head != InvalidBlockNumber)
		(void) PrefetchBuffer(w->rel, MAIN_FORKNUM, meta->free_head);
	*page = pagelog_overwrite(log, head, TREE_OPAQUE_SIZE);
	return block;
}

/*
 * Take a page for use and initialize it, as part of a record.  incarnation is
 * that of the new page, or 0 for a new one.
 */
PageRef
tree_allocate(TreeWriter *w, PageLog *log, uint16 flags, uint16 level,
			  uint64 incarnation, Page *page)
{
	TreeMeta   *meta = tree_change_meta(w, log);
	PageRef		ref;

	if (meta->free_head != InvalidBlockNumber)
		ref.block = take_free(w, log, meta, page);
	else
	{
		ref.block = meta->end;
		if (ref.block >= w->file_blocks)
			w->file_blocks = RelationGetNumberOfBlocks(w->rel);
		if (ref.block >= w->file_blocks)
			w->file_blocks = pagelog_extend(w->rel, ref.block + 1);
		meta->end++;
		*page = pagelog_new_page(log, w->rel, ref.block, TREE_OPAQUE_SIZE);
	}
	ref.incarnation = incarnation != 0 ? incarnation : ++meta->last_incarnation;
	tree_page_init(*page, flags, level, ref.incarnation);
	return ref;
}

/* Note a free block on the first page of the free list; false if that does not take it */
static bool
note_free(TreeWriter *w, PageLog *log, TreeMeta *meta, BlockNumber block)
{
	Buffer		head;
	Page		page;

	if (meta->free_head == InvalidBlockNumber)
		return false;
	head = read_head(w, meta);
	page = BufferGetPage(head);
	if (!(tree_opaque(page)->flags & TREE_PAGE_FREE) || tree_free_count(page) >= TREE_MAX_FREE_BLOCKS)
	{
		ReleaseBuffer(head);
		return false;
	}
	page = pagelog_take_page(log, head);
	tree_free_blocks(page)[tree_free_count(page)] = block;
	((PageHeader) page)->pd_lower += sizeof(BlockNumber);
	return true;
}

/* Make a page of the free list of one whose contents are given up */
static void
init_free(Page page, uint64 incarnation, TreeMeta *meta)
{
	tree_page_init(page, TREE_PAGE_FREE, 0, incarnation);
	tree_opaque(page)->right = meta->free_head;
}

/*
 * Free a node that nothing leads to any more, as part of a record.  Adds one page and the meta page to it.  The
 * caller keeps the pin.
 */
void
tree_free_page(TreeWriter *w, PageLog *log, Buffer buffer)
{
	TreeMeta   *meta = tree_change_meta(w, log);
	BlockNumber block = BufferGetBlockNumber(buffer);

	meta->free_count++;
	meta->roots[w->tree].identity = ++meta->last_incarnation;
	if (!note_free(w, log, meta, block))
	{
		init_free(pagelog_overwrite(log, buffer, TREE_OPAQUE_SIZE),
				  tree_opaque(BufferGetPage(buffer))->incarnation, meta);
		meta->free_head = block;
	}
}

/*
 * Put an overflow chain on the free list, as part of a record.  The chain is
 * linked as the free list is, so that only its last page has to be touched; a
 * reader who is still on the others finds what was there, until they are used
 * anew.
 */
void
tree_free_chain(TreeWriter *w, PageLog *log, const OverflowRef *chain)
{
	TreeMeta   *meta = tree_change_meta(w, log);
	Buffer		tail = ReadBuffer(w->rel, chain->tail);
	PageRef		ref;

	ref.block = chain->tail;
	ref.incarnation = incarnation_get(chain->incarnation);
	if (!tree_page_is(w->rel, BufferGetPage(tail), ref) ||
		!(tree_opaque(BufferGetPage(tail))->flags & TREE_PAGE_OVERFLOW))
		pagelog_corrupted(w->rel, ref.block, "the last page of a long value is not where it should be");
	init_free(pagelog_reuse_page(log, tail, TREE_OPAQUE_SIZE), ref.incarnation, meta);
	meta->free_head = chain->head;
	meta->free_count += tree_chain_pages(chain->size);
}

/* Pages of an overflow chain that holds size bytes */
uint32
tree_chain_pages(uint32 size)
{
	return (size + TREE_OVERFLOW_ROOM - 1) / TREE_OVERFLOW_ROOM;
}
