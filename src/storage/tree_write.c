/*-------------------------------------------------------------------------
 *
 * tree_write.c
 *	  Batches of changes to the B+tree.
 *
 * A sorted batch is cut into runs, each of them the changes that fall on one
 * leaf; a run is one record.  A leaf that turns out too full ends the run; it
 * is split and the rest looks again for its leaf.  At most one long value
 * comes or goes in one run, since a record has room for so many pages only.
 *
 * Keys that are ascending within their keyspace find their leaf without a
 * descent: the process remembers, for each of a few keyspaces, the leaf that
 * took the last insert if that went to the end of the leaf.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/storage/tree_write.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

#include "tree_int.h"
#include "../compat.h"

/* What a run has come to */
typedef struct Run
{
	int			done;			/* changes carried out */
	bool		full;			/* the next change needs a split */
	bool		removed;
	bool		sparse;			/* the leaf has become nearly empty */
} Run;

/*
 * The leaf that was last appended to, by keyspace.  Only a hint: the tree's
 * identity and the page's incarnation tell whether it is still that leaf.  (Of a freed page that might be
 * untouched the identity tells.)
 */
#define APPEND_SLOTS	8

typedef struct AppendHint
{
	PgqRelNode	node;
	uint64		identity;
	PageRef		leaf;
} AppendHint;

static AppendHint append_hints[APPEND_SLOTS];

/*
 * Try the remembered leaf: it must have *key between its first item and its
 * high key.
 */
static Buffer
find_by_hint(TreeWriter *w, const TreeKey *key)
{
	AppendHint *hint = &append_hints[key->space % APPEND_SLOTS];
	Buffer		buffer;
	Page		page;

	if (hint->identity == 0 ||
		hint->identity != tree_writer_meta(w)->roots[w->tree].identity ||
		!PgqRelNodeEquals(hint->node, PgqRelationNode(w->rel)))
		return InvalidBuffer;
	buffer = ReadBuffer(w->rel, hint->leaf.block);
	page = BufferGetPage(buffer);
	if (tree_page_is(w->rel, page, hint->leaf) &&
		(tree_opaque(page)->flags & (TREE_PAGE_NODE | TREE_PAGE_SPLIT)) == TREE_PAGE_NODE &&
		tree_count(page) > 0 &&
		tree_compare(key, tree_tuple(page, 0)) >= 0 &&
		(tree_high(page) == NULL || tree_compare(key, tree_high(page)) < 0))
		return buffer;
	ReleaseBuffer(buffer);
	hint->identity = 0;
	return InvalidBuffer;
}

static void
remember_append(TreeWriter *w, uint8 space, Buffer buffer)
{
	AppendHint *hint = &append_hints[space % APPEND_SLOTS];

	hint->node = PgqRelationNode(w->rel);
	hint->identity = tree_writer_meta(w)->roots[w->tree].identity;
	hint->leaf.block = BufferGetBlockNumber(buffer);
	hint->leaf.incarnation = tree_opaque(BufferGetPage(buffer))->incarnation;
}

static void
forget_append(uint8 space)
{
	append_hints[space % APPEND_SLOTS].identity = 0;
}

static bool
is_long(const TreeChange *change)
{
	return !change->remove &&
		(change->value_len > TREE_MAX_INLINE_VALUE ||
		 tree_key_size(&change->key) + change->value_len > TREE_MAX_TUPLE);
}

static void
check_change(const TreeChange *change)
{
	if (change->key.len > TREE_MAX_KEY_BYTES)
		elog(ERROR, "key of %u bytes is too long", change->key.len);
	if (!change->remove && change->value_len > TREE_MAX_VALUE_BYTES)
		elog(ERROR, "value of %u bytes is too long", change->value_len);
}

/*
 * Put an item at its place on a leaf, in place of the old one if there is one.
 * False if the leaf has no room.
 */
static bool
put_item(Page page, int slot, bool found, const TreeKey *key, uint8 flags,
		 const void *payload, Size payload_size)
{
	Size		size = tree_key_size(key) + payload_size;
	Size		room = tree_free_space(page);

	if (found)
	{
		TreeTuple  *old = tree_tuple(page, slot);

		if (old->size == size)
		{
			old->flags = (old->flags & ~TREE_TUPLE_OVERFLOW) | flags;
			memcpy(tree_payload(old), payload, payload_size);
			return true;
		}
		room += tree_tuple_space(old->size) + sizeof(uint16);
	}
	if (tree_tuple_space(size) + sizeof(uint16) > room)
		return false;
	if (found)
		tree_page_remove(page, slot);
	else
		tree_note_insert(page, slot);
	memcpy(tree_page_insert(page, slot, key, flags, payload_size), payload, payload_size);
	return true;
}

/*
 * Carry out the changes that fall on one leaf, as one record.  host is the new
 * host meta, to be set if all changes get done; *host_done says if it was.
 */
static Run
apply_run(TreeWriter *w, Buffer leaf, const TreeChange *changes, int nchanges,
		  const void *host, uint32 host_len, bool *host_done)
{
	Run			run = {0, false, false, false};
	bool		changed = false;
	bool		linked = false;
	bool		unlinked = false;
	bool		appended = false;
	uint8		append_space = 0;
	OverflowRef old_chain;
	int			slot = 0;
	PageLog		log;
	Page		page;

	pagelog_begin(&log, w->rel);
	page = pagelog_change(&log, leaf);
	for (; run.done < nchanges; run.done++)
	{
		const TreeChange *change = &changes[run.done];
		const TreeKey *key = &change->key;
		TreeTuple  *high = tree_high(page);
		bool		is_new_chain;
		bool		is_old_chain;
		bool		found;
		bool		fits;

		if (run.done > 0 && high != NULL && tree_compare(key, high) >= 0)
			break;
		slot = tree_find(page, key, slot, &found);
		if (change->remove && !found)
			continue;

		is_new_chain = is_long(change);
		is_old_chain = found && (tree_tuple(page, slot)->flags & TREE_TUPLE_OVERFLOW) != 0;
		if ((is_old_chain && unlinked) || (is_new_chain && !w->have_chain))
			break;
		if (is_old_chain)
		{
			OverflowRef chain;

			memcpy(&chain, tree_payload(tree_tuple(page, slot)), sizeof(OverflowRef));
			old_chain = chain;
		}

		if (change->remove)
		{
			tree_page_remove(page, slot);
			run.removed = true;
		}
		else
		{
			if (is_new_chain)
				fits = put_item(page, slot, found, key, TREE_TUPLE_OVERFLOW,
								&w->chain, sizeof(OverflowRef));
			else
				fits = put_item(page, slot, found, key, 0, change->value,
								change->value_len);
			if (!fits)
			{
				run.full = true;
				break;
			}
			if (is_new_chain)
			{
				linked = true;
				w->have_chain = false;
			}
			appended = slot == tree_count(page) - 1;
			append_space = key->space;
			slot++;
		}
		changed = true;
		unlinked |= is_old_chain;
	}

	if (!changed)
	{
		pagelog_abort(&log);
		return run;
	}
	if (linked)
	{
		TreeMeta   *meta = tree_change_meta(w, &log);

		meta->pending_head = InvalidBlockNumber;
		meta->pending_tail = InvalidBlockNumber;
		meta->pending_count = 0;
	}
	if (unlinked)
		tree_free_chain(w, &log, &old_chain);
	if (host != NULL && run.done == nchanges)
	{
		tree_set_host_meta(tree_change_meta(w, &log), host, host_len);
		*host_done = true;
	}
	run.sparse = run.removed && tree_is_sparse(page);
	w->lsn = pagelog_finish(&log);

	if (appended)
		remember_append(w, append_space, leaf);
	return run;
}

/*
 * writer: carry out a batch of changes, strictly ascending by key; see tree.h.
 */
XLogRecPtr
tree_apply(Relation rel, TreeId tree, const TreeChange *changes, int nchanges,
		   const void *host, uint32 host_len)
{
	bool		host_done = false;
	TreeWriter	w;
	int			i = 0;

	for (int k = 0; k < nchanges; k++)
	{
		check_change(&changes[k]);
		Assert(k == 0 || tree_key_compare(&changes[k - 1].key, &changes[k].key) < 0);
	}
	if (host != NULL && host_len > TREE_MAX_META_BYTES)
		elog(ERROR, "host meta of %u bytes is too long", host_len);

	tree_writer_begin(&w, rel, tree);
	tree_chain_drop_pending(&w);
	if (nchanges > 0)
		tree_ensure_root(&w);

	while (i < nchanges)
	{
		const TreeChange *change = &changes[i];
		Buffer		leaf;
		int			removed;
		Run			run;

		CHECK_FOR_INTERRUPTS();
		if (is_long(change) && !w.have_chain)
			tree_chain_write(&w, change->value, change->value_len);
		leaf = find_by_hint(&w, &change->key);
		if (!BufferIsValid(leaf))
			leaf = tree_writer_find(&w, &change->key, 0);
		removed = change->remove ? tree_remove_leaf(&w, leaf, change, nchanges - i) : 0;
		if (removed > 0)
		{
			i += removed;
			ReleaseBuffer(leaf);
			continue;
		}
		run = apply_run(&w, leaf, change, nchanges - i, host, host_len, &host_done);
		i += run.done;
		if (run.full)
		{
			forget_append(changes[i].key.space);
			tree_split(&w, leaf, &changes[i].key);
		}
		ReleaseBuffer(leaf);
		if (run.sparse)
			tree_merge(&w, &change->key);
	}

	if (host != NULL && !host_done)
	{
		PageLog		log;

		pagelog_begin(&log, rel);
		tree_set_host_meta(tree_change_meta(&w, &log), host, host_len);
		w.lsn = pagelog_finish(&log);
	}
	tree_writer_end(&w);
	return w.lsn;
}
