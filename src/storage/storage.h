/*-------------------------------------------------------------------------
 *
 * storage.h
 *	  The access methods of our two relations, and what concerns both.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/storage/storage.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_STORAGE_H
#define PGQ_STORAGE_H

#include "executor/tuptable.h"
#include "storage/lock.h"
#include "utils/relcache.h"

#include "logring.h"
#include "tree.h"

typedef enum StorageKind
{
	STORAGE_LOG,				/* quorum.raft_log, access method quorum_log */
	STORAGE_TREE				/* quorum.mvcc, access method quorum_tree */
} StorageKind;

/*
 * How a sequential scan makes a row of an entry or an item: the upper layers
 * know what the bytes mean.  Fills natts values of the relation's tuple
 * descriptor; returns false to leave the item out.  Registered from _PG_init;
 * without a decoder a scan returns no rows.  The tree scan covers TREE_MAIN in
 * key order.
 */
typedef bool (*StorageLogRow) (TupleDesc desc, const LogEntry *entry,
							   Datum *values, bool *isnull);
typedef bool (*StorageTreeRow) (TupleDesc desc, const TreeItem *item,
								Datum *values, bool *isnull);
extern void storage_register_rows(StorageLogRow log_row, StorageTreeRow tree_row);

/*
 * Who may see which rows.  begin is called when a scan begins, in memory that lives as
 * long as the scan; it raises an ERROR if nothing may be seen, and what it
 * returns, if it is not NULL, is asked about each item of the tree.  Without
 * registration every row is shown.
 */
typedef void *(*StorageScanBegin) (Relation rel, StorageKind kind);
typedef bool (*StorageScanPermits) (void *access, const TreeItem *item);
extern void storage_register_access(StorageScanBegin begin, StorageScanPermits permits);

/*
 * Open one of our relations (schema quorum, by name; the OID is cached and
 * revalidated).  Takes the lock, conditionally if nowait is set.  NULL if the
 * relation does not exist or the lock was not to be had; ERROR if the relation
 * is not ours any more (access method or magic differ).  Close with
 * relation_close(rel, lockmode) or at the end of the transaction.
 */
extern Relation storage_open(StorageKind kind, LOCKMODE lockmode, bool nowait);

/*
 * writer: in one WAL record make TREE_INCOMING the main tree, with the given host
 * meta, and empty the log so that its first entry will be base_index + 1 (with the
 * given log meta).  What was the main tree becomes garbage to be collected.
 * The log's handle must be reopened afterwards.
 */
extern XLogRecPtr storage_install(Relation tree_rel, const void *tree_meta, uint32 tree_meta_len,
								  Relation log_rel, uint64 base_index, uint64 base_term,
								  const void *log_meta, uint32 log_meta_len);

/*
 * Verify every page of a relation: headers, order, links, incarnations, high
 * keys, free list (each page is used exactly once), segment table, entry
 * continuity.  Calls report for each finding; the caller must keep the writer
 * out (ExclusiveLock), or accept that an interleaved change is reported.
 */
typedef void (*StorageReport) (const char *relation, BlockNumber block,
							   const char *finding, void *arg);
extern void storage_check(Relation rel, StorageKind kind, StorageReport report, void *arg);

/* Hooks that refuse the DDL no access method callback can stop (SET ACCESS
 * METHOD, SET UNLOGGED ...); call once from _PG_init under preload. */
extern void storage_install_ddl_guard(void);

#endif							/* PGQ_STORAGE_H */
