/*-------------------------------------------------------------------------
 *
 * tree.h
 *	  The store's B+tree: one writer, many readers, in a relation of ours.
 *
 * A tree maps keys to values.  A key is a keyspace byte, a byte string and
 * two 64-bit numbers, compared in that order: the byte strings as memcmp
 * does, a prefix before what it is a prefix of; the numbers ascending.  The
 * tree does not know what any of them mean.
 *
 * There is exactly one writer (the member's worker, or a backend that holds
 * ExclusiveLock on the relation); every function marked "writer" must be
 * called by it, inside a transaction, with the relation open and locked
 * RowExclusiveLock or stronger.  Functions marked "reader" need the relation
 * open with AccessShareLock and may run at any time in any process; they
 * keep no lock or pin between calls.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/storage/tree.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_TREE_H
#define PGQ_TREE_H

#include "access/xlogdefs.h"
#include "storage/block.h"
#include "utils/relcache.h"

/* Longest byte string of a key; three items of this size fit on a page. */
#define TREE_MAX_KEY_BYTES		2304

/* Longest value; longer than a quarter page goes to overflow pages. */
#define TREE_MAX_VALUE_BYTES	(256 * 1024 * 1024)

/* Room for the host's own state on the tree's meta page. */
#define TREE_MAX_META_BYTES		4096

typedef struct TreeKey
{
	uint8		space;			/* keyspace */
	uint16		len;			/* bytes at data */
	const char *data;			/* borrowed */
	uint64		major;
	uint64		minor;
} TreeKey;

/*
 * The trees of a relation.  TREE_MAIN is what readers see.  TREE_INCOMING is
 * one being built aside (a state streamed in from elsewhere); it becomes the
 * main one by storage_install().
 */
typedef enum TreeId
{
	TREE_MAIN,
	TREE_INCOMING
} TreeId;

typedef struct TreeChange
{
	TreeKey		key;
	bool		remove;			/* remove the item, else insert or replace */
	const char *value;
	uint32		value_len;
} TreeChange;

/* An item as found; key.data and value point into memory of the caller's
 * current context or of the scan (see each function). */
typedef struct TreeItem
{
	TreeKey		key;
	const char *value;
	uint32		value_len;
} TreeItem;

typedef struct TreeStat
{
	BlockNumber pages;			/* in the file */
	BlockNumber free_pages;		/* of them free for reuse */
	BlockNumber garbage_pages;	/* of a replaced tree, not yet collected (0 or 1 if
								 * only known to exist) */
	int			height;
} TreeStat;

typedef struct TreeScan TreeScan;

/* writer: make an empty tree with the given host meta in a new relation file */
extern void tree_format(Relation rel, const void *meta, uint32 meta_len);

/* reader: has the relation been formatted?  ERROR DATA_CORRUPTED if its meta
 * page is not ours or of an unknown format version */
extern bool tree_is_formatted(Relation rel);

/* reader: copy the host's meta (at most max bytes) and return its length */
extern uint32 tree_read_meta(Relation rel, void *meta, uint32 max);

/*
 * Where keys of this space arrive in ascending order, leave so many percent of each leaf
 * (at most 50) free for keys that come between them later; without this it stays full.
 * Set once when the library is loaded, and no part of the format.
 */
extern void tree_reserve_room(uint8 space, int percent);

/*
 * writer: carry out a batch of changes, strictly ascending by key, in as few
 * WAL records as the leaves they touch, then (in the last record where it
 * fits, else in one after all the others) replace the host's meta when meta is
 * not NULL.  Crash-safe: after a crash any prefix of the records may have been
 * made, meta never before a change.  Removing what is not there is no error.
 * Does not flush; returns the LSN of the last record (InvalidXLogRecPtr if
 * nothing was changed).
 */
extern XLogRecPtr tree_apply(Relation rel, TreeId tree,
							 const TreeChange *changes, int nchanges,
							 const void *meta, uint32 meta_len);

/*
 * reader: a batch that is to be carried out a part at a time had better be cut where a leaf ends: one that
 * loses all it has at once is not changed at all, only forgotten.  How many of the changes that is,
 * at_least so many (one or more) if there are.
 */
extern int	tree_whole_leaves(Relation rel, TreeId tree, const TreeChange *changes,
							  int nchanges, int at_least);

/*
 * reader: the first item at or after *key, copied into the current memory
 * context with its whole value (unless value is unwanted).  False if none.
 */
extern bool tree_lookup(Relation rel, TreeId tree, const TreeKey *key,
						bool want_value, TreeItem *item);

/*
 * reader: the same, but a value that lies on overflow pages may come cut off to
 * its first max_value bytes (item->value_len says how many there are).
 */
extern bool tree_lookup_head(Relation rel, TreeId tree, const TreeKey *key,
							 uint32 max_value, TreeItem *item);

/*
 * reader: forward scans.  tree_seek() positions before the first item at or
 * after *key; tree_next() steps to the next item and returns false at the end
 * of the tree.  Between calls neither lock nor pin is held (a leaf is copied
 * out).  item->key.data stays valid until the next call on the scan;
 * item->value is NULL when the value lies on overflow pages or was not
 * wanted: then tree_scan_value() fetches it (palloc'd in the current context),
 * false if the item has vanished meanwhile; tree_scan_head() at most its first
 * max_value bytes.  tree_scan_find() steps to the item of exactly this key; it may
 * return what that was a while ago, so it is for items that never change.
 */
extern TreeScan *tree_scan_begin(Relation rel, TreeId tree);
extern void tree_seek(TreeScan *scan, const TreeKey *key);
extern bool tree_next(TreeScan *scan, TreeItem *item);
extern bool tree_scan_find(TreeScan *scan, const TreeKey *key, TreeItem *item);
extern bool tree_scan_value(TreeScan *scan, TreeItem *item);
extern bool tree_scan_head(TreeScan *scan, uint32 max_value, TreeItem *item);
extern void tree_scan_end(TreeScan *scan);

/* Most leaves that tree_prefetch() asks for at a time */
#define TREE_MAX_PREFETCH		32

/*
 * reader: ask the kernel for the first leaves with keys from *from to *to, at most
 * max of them; how many may be on their way now, as they were not in shared buffers.
 * Whoever reads them a little later does not wait for a disk.
 * tree_scan_prefetch_value() likewise for what has to be read to remove the item that
 * tree_next() just returned, apart from its leaf.
 */
extern int	tree_prefetch(Relation rel, TreeId tree, const TreeKey *from, const TreeKey *to, int max);
extern void tree_scan_prefetch_value(TreeScan *scan);

/* writer: throw away TREE_INCOMING, if there is one (its pages become garbage) */
extern void tree_discard_incoming(Relation rel);

/*
 * writer: free at most max_pages pages of replaced or discarded trees; true
 * while there is more.  Resumable at any point, also after a crash.
 */
extern bool tree_collect_garbage(Relation rel, int max_pages);

/* reader: sizes, from the meta page and the file */
extern void tree_stat(Relation rel, TreeStat *stat);

/* The key with the least value, at or below all others */
extern const TreeKey TreeKeyMinimum;

/* compare two keys: <0, 0, >0 */
extern int	tree_key_compare(const TreeKey *a, const TreeKey *b);

#endif							/* PGQ_TREE_H */
