/*-------------------------------------------------------------------------
 *
 * tree_overflow.c
 *	  Long values of the B+tree: chains of overflow pages.
 *
 * A chain is written before the item that refers to it, and from its end to
 * its beginning, so that it is a proper list at any moment.  Meanwhile the
 * meta page knows it as pending; the record that puts the item on its leaf
 * ends that.  What a crash or an error leaves pending the next writer frees.
 *
 * All pages of a chain have one incarnation, which the item knows too.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/storage/tree_overflow.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

#include "tree_int.h"

/*
 * Write a value to a new chain: w->chain, pending.
 */
void
tree_chain_write(TreeWriter *w, const char *value, uint32 size)
{
	uint32		left = tree_chain_pages(size);
	uint64		incarnation = 0;

	Assert(size > 0 && !w->have_chain);
	Assert(tree_writer_meta(w)->pending_head == InvalidBlockNumber);

	w->chain.size = size;
	while (left > 0)
	{
		PageLog		log;
		TreeMeta   *meta;

		CHECK_FOR_INTERRUPTS();
		pagelog_begin(&log, w->rel);
		meta = tree_change_meta(w, &log);
		do
		{
			Size		offset = (Size) (left - 1) * TREE_OVERFLOW_ROOM;
			Size		bytes = Min(size - offset, TREE_OVERFLOW_ROOM);
			Page		page;
			PageRef		ref;

			ref = tree_allocate(w, &log, TREE_PAGE_OVERFLOW, 0, incarnation, &page);
			incarnation = ref.incarnation;
			memcpy(PageGetContents(page), value + offset, bytes);
			((PageHeader) page)->pd_lower = TREE_PAGE_START + bytes;
			tree_opaque(page)->right = meta->pending_head;
			tree_opaque(page)->right_incarnation = incarnation;
			if (meta->pending_tail == InvalidBlockNumber)
				meta->pending_tail = ref.block;
			meta->pending_head = ref.block;
			meta->pending_count++;
			left--;
		} while (left > 0 && log.npages + tree_allocation_pages(w, &log) <= PAGELOG_MAX_PAGES);
		w->lsn = pagelog_finish(&log);
	}
	w->chain.head = tree_writer_meta(w)->pending_head;
	w->chain.tail = tree_writer_meta(w)->pending_tail;
	incarnation_set(w->chain.incarnation, incarnation);
	w->have_chain = true;
}

/*
 * Free a chain that no item has come to refer to.
 */
void
tree_chain_drop_pending(TreeWriter *w)
{
	TreeMeta   *meta = tree_writer_meta(w);
	PageLog		log;
	OverflowRef chain;
	Buffer		tail;

	if (meta->pending_head == InvalidBlockNumber)
		return;

	chain.size = meta->pending_count * TREE_OVERFLOW_ROOM;
	chain.head = meta->pending_head;
	chain.tail = meta->pending_tail;
	tail = ReadBuffer(w->rel, chain.tail);
	incarnation_set(chain.incarnation, tree_opaque(BufferGetPage(tail))->incarnation);
	ReleaseBuffer(tail);

	pagelog_begin(&log, w->rel);
	tree_free_chain(w, &log, &chain);
	meta = tree_change_meta(w, &log);
	meta->pending_head = InvalidBlockNumber;
	meta->pending_tail = InvalidBlockNumber;
	meta->pending_count = 0;
	w->lsn = pagelog_finish(&log);
	w->have_chain = false;
}

/*
 * reader: copy the first size bytes of a long value out, or all of it.  False
 * if the chain is no longer what it was:
 * then the item has changed or gone, and must be looked up again.
 */
bool
tree_chain_read(Relation rel, const OverflowRef *chain, uint32 size, char *value)
{
	PageRef		ref;
	uint32		done = 0;

	ref.block = chain->head;
	ref.incarnation = incarnation_get(chain->incarnation);
	while (done < size)
	{
		uint32		bytes = Min(chain->size - done, TREE_OVERFLOW_ROOM);
		Buffer		buffer;
		Page		page;

		CHECK_FOR_INTERRUPTS();
		if (ref.block == InvalidBlockNumber)
			return false;
		buffer = ReadBuffer(rel, ref.block);
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		page = BufferGetPage(buffer);
		if (!tree_page_is(rel, page, ref) ||
			!(tree_opaque(page)->flags & TREE_PAGE_OVERFLOW) ||
			((PageHeader) page)->pd_lower != TREE_PAGE_START + bytes)
		{
			UnlockReleaseBuffer(buffer);
			return false;
		}
		memcpy(value + done, PageGetContents(page), Min(bytes, size - done));
		ref.block = tree_opaque(page)->right;
		UnlockReleaseBuffer(buffer);
		done += bytes;
	}
	return true;
}
