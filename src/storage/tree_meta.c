/*-------------------------------------------------------------------------
 *
 * tree_meta.c
 *	  The B+tree's meta page: roots, replaced trees, the host's state.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/storage/tree_meta.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/smgr.h"
#include "utils/rel.h"

#include "metapage.h"
#include "tree_int.h"
#include "../compat.h"

StaticAssertDecl(sizeof(TreeMeta) <= TREE_PAGE_ROOM, "the meta page is too small");
StaticAssertDecl(TREE_META_BLOCK == META_BLOCK, "the meta page is not the first");
StaticAssertDecl(sizeof(TreeOpaque) == TREE_OPAQUE_SIZE, "the page id is not last");

static const MetaPageFormat tree_meta_format = {
	TREE_OPAQUE_SIZE, TREE_PAGE_ID, TREE_MAGIC, TREE_VERSION, "a tree"
};

/* Read and verify the meta page; BUFFER_LOCK_UNLOCK for no lock (writer) */
Buffer
tree_read_meta_page(Relation rel, int lock)
{
	return metapage_read(rel, &tree_meta_format, lock);
}

/* ----------------------------------------------------------------
 *		The writer
 * ----------------------------------------------------------------
 */

void
tree_writer_begin(TreeWriter *w, Relation rel, TreeId tree)
{
	w->rel = rel;
	w->tree = tree;
	w->meta_buffer = tree_read_meta_page(rel, BUFFER_LOCK_UNLOCK);
	w->file_blocks = 0;
	w->lsn = InvalidXLogRecPtr;
	w->have_chain = false;
}

void
tree_writer_end(TreeWriter *w)
{
	ReleaseBuffer(w->meta_buffer);
}

/* The meta page as it is; only the writer may look without a lock */
TreeMeta *
tree_writer_meta(TreeWriter *w)
{
	return tree_meta(BufferGetPage(w->meta_buffer));
}

/* The meta page as it will be */
TreeMeta *
tree_change_meta(TreeWriter *w, PageLog *log)
{
	return tree_meta(pagelog_change(log, w->meta_buffer));
}

void
tree_set_host_meta(TreeMeta *meta, const void *host, uint32 len)
{
	if (len > TREE_MAX_META_BYTES)
		elog(ERROR, "host meta of %u bytes is too long", len);
	memcpy(meta->host, host, len);
	meta->host_len = len;
}

/* Make a tree garbage, as part of a record; the caller has seen to a free place */
void
tree_add_garbage(TreeWriter *w, TreeMeta *meta, TreeRoot *root)
{
	TreeGarbage *garbage = &meta->garbage[meta->garbage_count];

	if (meta->garbage_count >= TREE_MAX_GARBAGE)
		elog(ERROR, "too many trees to be collected in relation \"%s\"",
			 RelationGetRelationName(w->rel));
	garbage->next = root->block;
	garbage->below = InvalidBlockNumber;
	meta->garbage_count++;
	root->block = InvalidBlockNumber;
}

static void
make_root(TreeWriter *w, PageLog *log, TreeId tree)
{
	TreeMeta   *meta = tree_change_meta(w, log);
	TreeRoot   *root = &meta->roots[tree];
	Page		page;
	PageRef		ref;

	ref = tree_allocate(w, log, TREE_PAGE_NODE, 0, 0, &page);
	root->block = ref.block;
	root->incarnation = ref.incarnation;
	root->identity = ref.incarnation;
	root->level = 0;
}

/* Make the writer's tree, if there is none: TREE_INCOMING comes about so */
void
tree_ensure_root(TreeWriter *w)
{
	PageLog		log;

	if (tree_writer_meta(w)->roots[w->tree].block != InvalidBlockNumber)
		return;
	pagelog_begin(&log, w->rel);
	make_root(w, &log, w->tree);
	w->lsn = pagelog_finish(&log);
}

/* ----------------------------------------------------------------
 *		The interface
 * ----------------------------------------------------------------
 */

/*
 * writer: make an empty tree with the given host meta in a new relation file.
 */
void
tree_format(Relation rel, const void *host, uint32 host_len)
{
	TreeWriter	w;
	PageLog		log;
	Page		page;
	TreeMeta   *meta;

	if (tree_is_formatted(rel))
		elog(ERROR, "relation \"%s\" is initialized already",
			 RelationGetRelationName(rel));

	w.rel = rel;
	w.tree = TREE_MAIN;
	w.lsn = InvalidXLogRecPtr;
	w.have_chain = false;
	w.file_blocks = pagelog_extend(rel, TREE_FIRST_BLOCK + 1);
	w.meta_buffer = ReadBuffer(rel, TREE_META_BLOCK);

	pagelog_begin(&log, rel);
	page = pagelog_overwrite(&log, w.meta_buffer, TREE_OPAQUE_SIZE);
	tree_page_init(page, TREE_PAGE_META, 0, 0);
	((PageHeader) page)->pd_lower = TREE_PAGE_START + sizeof(TreeMeta);
	meta = tree_meta(page);
	memset(meta, 0, sizeof(TreeMeta));
	meta->magic = TREE_MAGIC;
	meta->version = TREE_VERSION;
	meta->end = TREE_FIRST_BLOCK;
	meta->free_head = InvalidBlockNumber;
	meta->pending_head = InvalidBlockNumber;
	meta->pending_tail = InvalidBlockNumber;
	for (int i = 0; i < TREE_COUNT; i++)
		meta->roots[i].block = InvalidBlockNumber;
	tree_set_host_meta(meta, host, host_len);
	make_root(&w, &log, TREE_MAIN);
	pagelog_finish(&log);
	ReleaseBuffer(w.meta_buffer);
}

/* reader: has the relation been formatted?  ERROR if it is something else. */
bool
tree_is_formatted(Relation rel)
{
	return metapage_exists(rel, &tree_meta_format);
}

/* reader: copy the host's meta and return its length */
uint32
tree_read_meta(Relation rel, void *host, uint32 max)
{
	Buffer		buffer = tree_read_meta_page(rel, BUFFER_LOCK_SHARE);
	TreeMeta   *meta = tree_meta(BufferGetPage(buffer));
	uint32		len = meta->host_len;

	memcpy(host, meta->host, Min(len, max));
	UnlockReleaseBuffer(buffer);
	return len;
}

/* reader: sizes, from the meta page and the file */
void
tree_stat(Relation rel, TreeStat *stat)
{
	Buffer		buffer = tree_read_meta_page(rel, BUFFER_LOCK_SHARE);
	TreeMeta   *meta = tree_meta(BufferGetPage(buffer));

	stat->free_pages = meta->free_count;
	stat->garbage_pages = meta->garbage_count > 0 ? 1 : 0;
	stat->height = (int) meta->roots[TREE_MAIN].level + 1;
	UnlockReleaseBuffer(buffer);
	stat->pages = RelationGetNumberOfBlocks(rel);
}

/* writer: throw away TREE_INCOMING, if there is one */
void
tree_discard_incoming(Relation rel)
{
	TreeWriter	w;
	PageLog		log;
	TreeMeta   *meta;

	tree_writer_begin(&w, rel, TREE_INCOMING);
	tree_chain_drop_pending(&w);
	if (tree_writer_meta(&w)->roots[TREE_INCOMING].block != InvalidBlockNumber)
	{
		while (tree_writer_meta(&w)->garbage_count >= TREE_MAX_GARBAGE)
			tree_collect(&w, 1000);
		pagelog_begin(&log, rel);
		meta = tree_change_meta(&w, &log);
		tree_add_garbage(&w, meta, &meta->roots[TREE_INCOMING]);
		pagelog_finish(&log);
	}
	tree_writer_end(&w);
}
