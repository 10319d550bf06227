/*-------------------------------------------------------------------------
 *
 * am_scan.c
 *	  Sequential scans of our relations, for SELECT.
 *
 * What the bytes of an entry or an item mean, the layers above know; they
 * register a decoder for each relation.  A scan sees the items as they are
 * when it comes to them: there are no row versions here, the snapshot has no
 * say.
 *
 * A parallel scan is done by whichever process comes first.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/storage/am_scan.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relscan.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "am.h"

/* Entries of the log are fetched in portions of this many bytes */
#define LOG_PORTION_BYTES	(64 * 1024)

typedef struct StorageScan
{
	TableScanDescData base;
	StorageKind kind;
	bool		started;
	bool		ended;
	MemoryContext row_context;	/* what the current row points to */
	void	   *access;			/* which items may be seen; NULL: all */

	/* tree */
	TreeScan   *tree;

	/* log: the portion at hand, and what is to come */
	MemoryContext portion_context;
	LogEntry   *entries;
	int			count;
	int			position;
	uint64		next_index;
	uint64		last_index;
} StorageScan;

static StorageLogRow log_row_decoder = NULL;
static StorageTreeRow tree_row_decoder = NULL;
static StorageScanBegin access_begin = NULL;
static StorageScanPermits access_permits = NULL;

void
storage_register_rows(StorageLogRow log_row, StorageTreeRow tree_row)
{
	log_row_decoder = log_row;
	tree_row_decoder = tree_row;
}

void
storage_register_access(StorageScanBegin begin, StorageScanPermits permits)
{
	access_begin = begin;
	access_permits = permits;
}

static void
reset(StorageScan *scan)
{
	scan->started = false;
	scan->ended = false;
	scan->entries = NULL;
	scan->count = 0;
	scan->position = 0;
	MemoryContextReset(scan->row_context);
	MemoryContextReset(scan->portion_context);
}

TableScanDesc
storage_scan_begin(Relation rel, Snapshot snapshot, int nkeys,
				   struct ScanKeyData *key, ParallelTableScanDesc pscan,
				   uint32 flags)
{
	StorageScan *scan;

	if (!storage_preloaded() && !(flags & SO_TYPE_ANALYZE))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot read table \"%s\": pg_quorum is not loaded",
						RelationGetRelationName(rel)),
				 errhint("Add pg_quorum to \"shared_preload_libraries\" and restart the server.")));
	if (nkeys > 0)
		elog(ERROR, "scan keys are not supported on table \"%s\"",
			 RelationGetRelationName(rel));

	scan = palloc0(sizeof(StorageScan));
	scan->base.rs_rd = rel;
	scan->base.rs_snapshot = snapshot;
	scan->base.rs_flags = flags;
	scan->base.rs_parallel = pscan;
	if (!storage_relation_kind(rel, &scan->kind))
		elog(ERROR, "table \"%s\" has another access method",
			 RelationGetRelationName(rel));
	RelationIncrementReferenceCount(rel);
	scan->row_context = AllocSetContextCreate(CurrentMemoryContext,
											  "pg_quorum scan row",
											  ALLOCSET_SMALL_SIZES);
	scan->portion_context = AllocSetContextCreate(CurrentMemoryContext,
												  "pg_quorum scan portion",
												  ALLOCSET_DEFAULT_SIZES);
	return &scan->base;
}

void
storage_scan_end(TableScanDesc sscan)
{
	StorageScan *scan = (StorageScan *) sscan;

	if (scan->tree != NULL)
		tree_scan_end(scan->tree);
	MemoryContextDelete(scan->row_context);
	MemoryContextDelete(scan->portion_context);
	RelationDecrementReferenceCount(sscan->rs_rd);
	if (sscan->rs_flags & SO_TEMP_SNAPSHOT)
		UnregisterSnapshot(sscan->rs_snapshot);
	pfree(scan);
}

void
storage_scan_rescan(TableScanDesc sscan, struct ScanKeyData *key,
					bool set_params, bool allow_strat, bool allow_sync,
					bool allow_pagemode)
{
	reset((StorageScan *) sscan);
}

/* Begin at the first row, unless another process does this scan */
static void
start(StorageScan *scan)
{
	Relation	rel = scan->base.rs_rd;

	scan->started = true;
	if (scan->base.rs_parallel != NULL)
	{
		ParallelBlockTableScanDesc shared =
			(ParallelBlockTableScanDesc) scan->base.rs_parallel;

		if (pg_atomic_fetch_add_u64(&shared->phs_nallocated, 1) != 0)
		{
			scan->ended = true;
			return;
		}
	}

	if (access_begin != NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(scan));

		scan->access = access_begin(rel, scan->kind);
		MemoryContextSwitchTo(old);
	}
	if (scan->kind == STORAGE_TREE)
	{
		if (tree_row_decoder == NULL || !tree_is_formatted(rel))
			scan->ended = true;
		else
		{
			MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(scan));

			if (scan->tree == NULL)
				scan->tree = tree_scan_begin(rel, TREE_MAIN);
			else
				tree_seek(scan->tree, &TreeKeyMinimum);
			MemoryContextSwitchTo(old);
		}
	}
	else
	{
		if (log_row_decoder == NULL || !logring_is_formatted(rel))
			scan->ended = true;
		else
		{
			LogBounds	bounds;

			logring_read_bounds(rel, &bounds);
			scan->next_index = bounds.first_index;
			scan->last_index = bounds.last_index;
		}
	}
}

/* The next item of the tree as a row, if there is one */
static bool
next_tree_row(StorageScan *scan, TupleTableSlot *slot)
{
	TreeItem	item;

	while (tree_next(scan->tree, &item))
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(scan->row_context);
		if (scan->access != NULL && !access_permits(scan->access, &item))
			continue;
		if (item.value == NULL && !tree_scan_value(scan->tree, &item))
			continue;
		memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts * sizeof(bool));
		if (tree_row_decoder(slot->tts_tupleDescriptor, &item,
							 slot->tts_values, slot->tts_isnull))
			return true;
	}
	return false;
}

/* Fetch the next portion of the log; false at its end */
static bool
next_portion(StorageScan *scan)
{
	Relation	rel = scan->base.rs_rd;

	MemoryContextReset(scan->portion_context);
	scan->position = 0;
	scan->count = 0;
	while (scan->next_index <= scan->last_index)
	{
		MemoryContext old = MemoryContextSwitchTo(scan->portion_context);
		LogBounds	bounds;

		scan->count = logring_read(rel, scan->next_index, scan->last_index,
								   LOG_PORTION_BYTES, &scan->entries);
		MemoryContextSwitchTo(old);
		if (scan->count > 0)
		{
			scan->next_index += scan->count;
			return true;
		}
		/* the head has been given up meanwhile: go on where it is now */
		logring_read_bounds(rel, &bounds);
		if (bounds.first_index <= scan->next_index)
			return false;
		scan->next_index = bounds.first_index;
	}
	return false;
}

/* The next entry of the log as a row, if there is one */
static bool
next_log_row(StorageScan *scan, TupleTableSlot *slot)
{
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(scan->row_context);
		if (scan->position >= scan->count && !next_portion(scan))
			return false;
		memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts * sizeof(bool));
		if (log_row_decoder(slot->tts_tupleDescriptor, &scan->entries[scan->position++],
							slot->tts_values, slot->tts_isnull))
			return true;
	}
}

bool
storage_scan_next(TableScanDesc sscan, ScanDirection direction,
				  TupleTableSlot *slot)
{
	StorageScan *scan = (StorageScan *) sscan;
	MemoryContext old;
	bool		result;

	ExecClearTuple(slot);
	if (direction == BackwardScanDirection)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot scan table \"%s\" backward",
						RelationGetRelationName(sscan->rs_rd)),
				 errhint("Declare the cursor with NO SCROLL, or order the rows.")));
	if (!scan->started)
		start(scan);
	if (scan->ended)
		return false;

	old = MemoryContextSwitchTo(scan->row_context);
	if (scan->kind == STORAGE_TREE)
		result = next_tree_row(scan, slot);
	else
		result = next_log_row(scan, slot);
	MemoryContextSwitchTo(old);
	if (!result)
	{
		scan->ended = true;
		return false;
	}
	ExecStoreVirtualTuple(slot);
	slot->tts_tableOid = RelationGetRelid(sscan->rs_rd);
	ItemPointerSetInvalid(&slot->tts_tid);
	return true;
}
