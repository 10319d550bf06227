/*-------------------------------------------------------------------------
 *
 * tree_int.h
 *	  What the files of the B+tree share.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/storage/tree_int.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_TREE_INT_H
#define PGQ_TREE_INT_H

#include "storage/buf.h"

#include "pagelog.h"
#include "tree.h"
#include "tree_page.h"

#define TREE_MAGIC				0x74517071
#define TREE_VERSION			1
#define TREE_META_BLOCK			0
#define TREE_FIRST_BLOCK		1	/* the first block that is not the meta page */
#define TREE_COUNT				2	/* number of TreeId values */

/* Replaced trees that wait to be taken apart */
#define TREE_MAX_GARBAGE		16

typedef struct TreeRoot
{
	BlockNumber block;			/* InvalidBlockNumber: there is no such tree */
	uint32		level;
	uint64		incarnation;
	uint64		identity;		/* of the tree as long as no node of it is freed; never
								 * given twice */
} TreeRoot;

/*
 * A tree that is taken apart, level by level from the root: the next page of
 * the level, and the leftmost page of the level below it (once known).
 */
typedef struct TreeGarbage
{
	BlockNumber next;
	BlockNumber below;
} TreeGarbage;

/* The contents of the meta page.  Fields are only ever added. */
typedef struct TreeMeta
{
	uint32		magic;
	uint32		version;
	uint64		last_incarnation;	/* given out so far */
	BlockNumber end;			/* pages at or after were never used */
	BlockNumber free_head;		/* free list (tree_free.c) */
	uint32		free_count;
	uint32		garbage_count;

	/*
	 * An overflow chain being written, not yet part of any item: garbage if
	 * the writer does not get as far as that
	 */
	BlockNumber pending_head;
	BlockNumber pending_tail;
	uint32		pending_count;
	uint32		host_len;
	TreeRoot	roots[TREE_COUNT];
	TreeGarbage garbage[TREE_MAX_GARBAGE];
	char		host[TREE_MAX_META_BYTES];
} TreeMeta;

static inline TreeMeta *
tree_meta(Page page)
{
	return (TreeMeta *) PageGetContents(page);
}

/* How a writer function finds its way; lives on the stack of one call */
typedef struct TreeWriter
{
	Relation	rel;
	TreeId		tree;
	Buffer		meta_buffer;	/* pinned */
	BlockNumber file_blocks;	/* as far as known */
	XLogRecPtr	lsn;			/* of the last record */
	bool		have_chain;		/* a chain is written for the change at hand */
	OverflowRef chain;
} TreeWriter;

/* tree_meta.c */
extern Buffer tree_read_meta_page(Relation rel, int lock);
extern void tree_writer_begin(TreeWriter *w, Relation rel, TreeId tree);
extern void tree_writer_end(TreeWriter *w);
extern TreeMeta *tree_writer_meta(TreeWriter *w);
extern TreeMeta *tree_change_meta(TreeWriter *w, PageLog *log);
extern void tree_set_host_meta(TreeMeta *meta, const void *host, uint32 len);
extern void tree_add_garbage(TreeWriter *w, TreeMeta *meta, TreeRoot *root);
extern void tree_ensure_root(TreeWriter *w);

/* tree_free.c */
extern int	tree_allocation_pages(TreeWriter *w, PageLog *log);
extern PageRef tree_allocate(TreeWriter *w, PageLog *log, uint16 flags,
							 uint16 level, uint64 incarnation, Page *page);
extern void tree_free_page(TreeWriter *w, PageLog *log, Buffer buffer);
extern void tree_free_chain(TreeWriter *w, PageLog *log, const OverflowRef *chain);
extern uint32 tree_chain_pages(uint32 size);

/* tree_overflow.c */
extern void tree_chain_write(TreeWriter *w, const char *value, uint32 size);
extern void tree_chain_drop_pending(TreeWriter *w);
extern bool tree_chain_read(Relation rel, const OverflowRef *chain, uint32 size, char *value);

/* tree_search.c */
extern bool tree_page_is(Relation rel, Page page, PageRef ref);
extern Buffer tree_descend(Relation rel, TreeId tree, const TreeKey *key);

/* tree_split.c */
extern Buffer tree_writer_find(TreeWriter *w, const TreeKey *key, uint16 level);
extern void tree_split(TreeWriter *w, Buffer buffer, const TreeKey *incoming);

/* tree_merge.c */
extern void tree_merge(TreeWriter *w, const TreeKey *key);
extern int	tree_remove_leaf(TreeWriter *w, Buffer leaf, const TreeChange *changes, int nchanges);

/* tree_garbage.c */
extern void tree_collect(TreeWriter *w, int max_pages);

#endif							/* PGQ_TREE_INT_H */
