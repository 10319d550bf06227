/*-------------------------------------------------------------------------
 *
 * am.c
 *	  The table access methods quorum_log and quorum_tree.
 *
 * They exist so that PostgreSQL makes, sizes, backs up, upgrades and drops
 * our relation files, and SELECT can read them.  Rows cannot be written through
 * them.  The two differ in what a scan returns, in nothing else.
 *
 * A new relation file is made only for the extension's own tables, in a
 * binary upgrade, and for VACUUM FULL, which copies the pages as they are:
 * pages refer to each other by block number.  Everything else that asks for a
 * new file would lose the contents, so it is refused.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/storage/am.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/multixact.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/storage.h"
#include "commands/extension.h"
#include "commands/vacuum.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lock.h"
#include "storage/smgr.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "am.h"
#include "../compat.h"

PG_FUNCTION_INFO_V1(quorum_log_handler);
PG_FUNCTION_INFO_V1(quorum_tree_handler);

static const TableAmRoutine log_routine;
static const TableAmRoutine tree_routine;

/*
 * Tell whether a relation is one of ours, and which.
 */
bool
storage_relation_kind(Relation rel, StorageKind *kind)
{
	if (rel->rd_tableam == &log_routine)
		*kind = STORAGE_LOG;
	else if (rel->rd_tableam == &tree_routine)
		*kind = STORAGE_TREE;
	else
		return false;
	return true;
}

/*
 * ERROR: this cannot be done to a relation of ours.  action is a verb with
 * what goes before the relation, as in "cannot %s table".
 */
void
storage_refuse(const char *action, const char *relation)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot %s table \"%s\"", action, relation),
			 errdetail("The table is written by the consensus protocol alone."),
			 errhint("Use quorum.put() and quorum.delete() to change keys.")));
}

static void
refuse(const char *action, Relation rel)
{
	storage_refuse(action, RelationGetRelationName(rel));
}

static const TupleTableSlotOps *
slot_callbacks(Relation rel)
{
	return &TTSOpsVirtual;
}

/* ----------------------------------------------------------------
 *		Reading by index or by tuple identifier, which our rows lack
 * ----------------------------------------------------------------
 */

static struct IndexFetchTableData *
index_fetch_begin(Relation rel)
{
	refuse("use an index on", rel);
	return NULL;				/* keep compiler quiet */
}

static void
index_fetch_reset(struct IndexFetchTableData *data)
{
}

static void
index_fetch_end(struct IndexFetchTableData *data)
{
}

static bool
index_fetch_tuple(struct IndexFetchTableData *data, ItemPointer tid,
				  Snapshot snapshot, TupleTableSlot *slot,
				  bool *call_again, bool *all_dead)
{
	refuse("use an index on", data->rel);
	return false;				/* keep compiler quiet */
}

static bool
tuple_fetch_row_version(Relation rel, ItemPointer tid, Snapshot snapshot,
						TupleTableSlot *slot)
{
	refuse("fetch a row by its identifier from", rel);
	return false;				/* keep compiler quiet */
}

static bool
tuple_tid_valid(TableScanDesc scan, ItemPointer tid)
{
	refuse("fetch a row by its identifier from", scan->rs_rd);
	return false;				/* keep compiler quiet */
}

static void
tuple_get_latest_tid(TableScanDesc scan, ItemPointer tid)
{
	refuse("fetch a row by its identifier from", scan->rs_rd);
}

static bool
tuple_satisfies_snapshot(Relation rel, TupleTableSlot *slot, Snapshot snapshot)
{
	return true;
}

static TransactionId
index_delete_tuples(Relation rel, TM_IndexDeleteOp *delstate)
{
	refuse("use an index on", rel);
	return InvalidTransactionId;	/* keep compiler quiet */
}

static double
index_build_range_scan(Relation rel, Relation index_rel,
					   struct IndexInfo *index_info, bool allow_sync,
					   bool anyvisible, bool progress,
					   BlockNumber start_blockno, BlockNumber numblocks,
					   IndexBuildCallback callback, void *callback_state,
					   TableScanDesc scan)
{
	refuse("create an index on", rel);
	return 0;					/* keep compiler quiet */
}

static void
index_validate_scan(Relation rel, Relation index_rel,
					struct IndexInfo *index_info, Snapshot snapshot,
					struct ValidateIndexState *state)
{
	refuse("create an index on", rel);
}

/* ----------------------------------------------------------------
 *		Writing rows, which is refused
 * ----------------------------------------------------------------
 */

static void
tuple_insert(Relation rel, TupleTableSlot *slot, CommandId cid, int options,
			 struct BulkInsertStateData *bistate)
{
	refuse("insert into", rel);
}

static void
tuple_insert_speculative(Relation rel, TupleTableSlot *slot, CommandId cid,
						 int options, struct BulkInsertStateData *bistate,
						 uint32 specToken)
{
	refuse("insert into", rel);
}

static void
tuple_complete_speculative(Relation rel, TupleTableSlot *slot, uint32 specToken,
						   bool succeeded)
{
	refuse("insert into", rel);
}

static void
multi_insert(Relation rel, TupleTableSlot **slots, int nslots, CommandId cid,
			 int options, struct BulkInsertStateData *bistate)
{
	refuse("insert into", rel);
}

static TM_Result
tuple_delete(Relation rel, ItemPointer tid, CommandId cid, Snapshot snapshot,
			 Snapshot crosscheck, bool wait, TM_FailureData *tmfd,
			 bool changingPart)
{
	refuse("delete from", rel);
	return TM_Invisible;		/* keep compiler quiet */
}

static TM_Result
tuple_update(Relation rel, ItemPointer otid, TupleTableSlot *slot,
			 CommandId cid, Snapshot snapshot, Snapshot crosscheck, bool wait,
			 TM_FailureData *tmfd, LockTupleMode *lockmode,
			 PgqUpdateIndexes *update_indexes)
{
	refuse("update", rel);
	return TM_Invisible;		/* keep compiler quiet */
}

static TM_Result
tuple_lock(Relation rel, ItemPointer tid, Snapshot snapshot,
		   TupleTableSlot *slot, CommandId cid, LockTupleMode mode,
		   LockWaitPolicy wait_policy, uint8 flags, TM_FailureData *tmfd)
{
	refuse("lock rows of", rel);
	return TM_Invisible;		/* keep compiler quiet */
}

/* ----------------------------------------------------------------
 *		Relation files
 * ----------------------------------------------------------------
 */

/*
 * Is this new relation the transient one of VACUUM FULL?  Rewriting commands
 * make a table of the same access method, named after the OID of the one to be
 * rewritten, which they have locked.  Other rewriting commands look the same
 * here; they read the rows of the old table and insert them into the new one,
 * which is refused, and the guard of am_guard.c does not let them come so far.
 */
static bool
is_rewrite(Relation rel)
{
	Oid			old_oid;
	HeapTuple	tuple;
	LOCKTAG		tag;
	bool		result = false;

	if (sscanf(RelationGetRelationName(rel), "pg_temp_%u", &old_oid) != 1)
		return false;
	SET_LOCKTAG_RELATION(tag, MyDatabaseId, old_oid);
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(old_oid));
	if (HeapTupleIsValid(tuple))
	{
		Form_pg_class form = (Form_pg_class) GETSTRUCT(tuple);

		result = form->relam == rel->rd_rel->relam &&
			form->relnamespace == rel->rd_rel->relnamespace &&
			form->relpersistence == rel->rd_rel->relpersistence &&
			PgqLockHeldByMe(&tag, AccessExclusiveLock);
		ReleaseSysCache(tuple);
	}
	return result;
}

static void
relation_set_new_file(Relation rel, const PgqRelNode *node, char persistence,
					  TransactionId *freeze_xid, MultiXactId *min_multi)
{
	SMgrRelation smgr;

	/* there are no transaction identifiers in our pages */
	*freeze_xid = InvalidTransactionId;
	*min_multi = InvalidMultiXactId;

	if (persistence != RELPERSISTENCE_PERMANENT)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("table \"%s\" can only be a permanent one",
						RelationGetRelationName(rel)),
				 errdetail("What the cluster has agreed on must survive a crash.")));
	if (rel->rd_rel->relkind != RELKIND_RELATION)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("relation \"%s\" cannot use an access method of pg_quorum",
						RelationGetRelationName(rel)),
				 errdetail("Only the extension's own tables can.")));
	if (!creating_extension && !IsBinaryUpgrade && !is_rewrite(rel))
	{
		if (rel->rd_createSubid == InvalidSubTransactionId)
			refuse("truncate or rewrite", rel);
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot create table \"%s\" with an access method of pg_quorum",
						RelationGetRelationName(rel)),
				 errdetail("Only the extension's own tables can have it."),
				 errhint("Use another access method, such as heap.")));
	}

	smgr = RelationCreateStorage(*node, persistence, true);
	PgqSmgrRelease(smgr);
}

static void
relation_nontransactional_truncate(Relation rel)
{
	refuse("truncate", rel);
}

/* SET TABLESPACE */
static void
relation_copy_data(Relation rel, const PgqRelNode *node)
{
	SMgrRelation to = PgqSmgrOpen(*node);

	/* nobody writes: the caller holds AccessExclusiveLock */
	FlushRelationBuffers(rel);
	RelationCreateStorage(*node, rel->rd_rel->relpersistence, true);
	RelationCopyStorage(RelationGetSmgr(rel), to, MAIN_FORKNUM,
						rel->rd_rel->relpersistence);
	RelationDropStorage(rel);
	PgqSmgrRelease(to);
}

/* VACUUM FULL: nothing to be gained but the file is as good as new */
static void
relation_copy_for_cluster(Relation from, Relation to, Relation index,
						  bool use_sort, TransactionId oldest_xmin,
						  TransactionId *xid_cutoff, MultiXactId *multi_cutoff,
						  double *num_tuples, double *tups_vacuumed,
						  double *tups_recently_dead)
{
	*xid_cutoff = InvalidTransactionId;
	*multi_cutoff = InvalidMultiXactId;
	*num_tuples = Max(from->rd_rel->reltuples, 0);
	*tups_vacuumed = 0;
	*tups_recently_dead = 0;

	FlushRelationBuffers(from);
	RelationCopyStorage(RelationGetSmgr(from), RelationGetSmgr(to),
						MAIN_FORKNUM, to->rd_rel->relpersistence);
}

/* VACUUM: pages are reused as they become free, there is nothing to do */
static void
relation_vacuum(Relation rel, struct VacuumParams *params,
				BufferAccessStrategy bstrategy)
{
}

static bool
relation_needs_toast_table(Relation rel)
{
	return false;
}

/* ----------------------------------------------------------------
 *		ANALYZE, samples, the planner
 * ----------------------------------------------------------------
 */

/* There is nothing to sample by block: ANALYZE sees a table without rows */
#if PG_VERSION_NUM >= 170000
static bool
scan_analyze_next_block(TableScanDesc scan, ReadStream *stream)
{
	return false;
}
#else
static bool
scan_analyze_next_block(TableScanDesc scan, BlockNumber blockno,
						BufferAccessStrategy bstrategy)
{
	return false;
}
#endif

static bool
scan_analyze_next_tuple(TableScanDesc scan, TransactionId oldest_xmin,
						double *liverows, double *deadrows, TupleTableSlot *slot)
{
	return false;
}

static bool
scan_sample_next_block(TableScanDesc scan, struct SampleScanState *scanstate)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot take a sample of table \"%s\"",
					RelationGetRelationName(scan->rs_rd)),
			 errhint("Use SELECT without TABLESAMPLE.")));
	return false;				/* keep compiler quiet */
}

static bool
scan_sample_next_tuple(TableScanDesc scan, struct SampleScanState *scanstate,
					   TupleTableSlot *slot)
{
	return false;
}

/* Rows are of a few hundred bytes, as a rule; nothing depends on it much */
#define ROWS_PER_PAGE	24

static void
relation_estimate_size(Relation rel, int32 *attr_widths, BlockNumber *pages,
					   double *tuples, double *allvisfrac)
{
	*pages = RelationGetNumberOfBlocks(rel);
	*tuples = (double) *pages * ROWS_PER_PAGE;
	*allvisfrac = 0;
}

/* ----------------------------------------------------------------
 *		The routines
 * ----------------------------------------------------------------
 */

#define STORAGE_ROUTINE \
{ \
	.type = T_TableAmRoutine, \
	.slot_callbacks = slot_callbacks, \
	.scan_begin = storage_scan_begin, \
	.scan_end = storage_scan_end, \
	.scan_rescan = storage_scan_rescan, \
	.scan_getnextslot = storage_scan_next, \
	.parallelscan_estimate = table_block_parallelscan_estimate, \
	.parallelscan_initialize = table_block_parallelscan_initialize, \
	.parallelscan_reinitialize = table_block_parallelscan_reinitialize, \
	.index_fetch_begin = index_fetch_begin, \
	.index_fetch_reset = index_fetch_reset, \
	.index_fetch_end = index_fetch_end, \
	.index_fetch_tuple = index_fetch_tuple, \
	.tuple_fetch_row_version = tuple_fetch_row_version, \
	.tuple_tid_valid = tuple_tid_valid, \
	.tuple_get_latest_tid = tuple_get_latest_tid, \
	.tuple_satisfies_snapshot = tuple_satisfies_snapshot, \
	.index_delete_tuples = index_delete_tuples, \
	.tuple_insert = tuple_insert, \
	.tuple_insert_speculative = tuple_insert_speculative, \
	.tuple_complete_speculative = tuple_complete_speculative, \
	.multi_insert = multi_insert, \
	.tuple_delete = tuple_delete, \
	.tuple_update = tuple_update, \
	.tuple_lock = tuple_lock, \
	.PGQ_SET_NEW_FILE = relation_set_new_file, \
	.relation_nontransactional_truncate = relation_nontransactional_truncate, \
	.relation_copy_data = relation_copy_data, \
	.relation_copy_for_cluster = relation_copy_for_cluster, \
	.relation_vacuum = relation_vacuum, \
	.scan_analyze_next_block = scan_analyze_next_block, \
	.scan_analyze_next_tuple = scan_analyze_next_tuple, \
	.index_build_range_scan = index_build_range_scan, \
	.index_validate_scan = index_validate_scan, \
	.relation_size = table_block_relation_size, \
	.relation_needs_toast_table = relation_needs_toast_table, \
	.relation_estimate_size = relation_estimate_size, \
	.scan_sample_next_block = scan_sample_next_block, \
	.scan_sample_next_tuple = scan_sample_next_tuple \
}

static const TableAmRoutine log_routine = STORAGE_ROUTINE;
static const TableAmRoutine tree_routine = STORAGE_ROUTINE;

Datum
quorum_log_handler(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(&log_routine);
}

Datum
quorum_tree_handler(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(&tree_routine);
}
