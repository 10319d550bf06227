/*-------------------------------------------------------------------------
 *
 * removal.c
 *	  Tests of the removal of much at once: what it costs, and that readers and other writers get along with
 *	  leaves that are freed as they are.
 *
 * The items are those of test_tree_fill(): keyspace 7, numbered from 1.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/storage/removal.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/xact.h"
#include "executor/instrument.h"
#include "fmgr.h"
#include "funcapi.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"

#include "../../src/storage/tree_int.h"
#include "test_util.h"

PG_FUNCTION_INFO_V1(test_tree_remove);
PG_FUNCTION_INFO_V1(test_tree_put_one);
PG_FUNCTION_INFO_V1(test_scan_beside_removal);
PG_FUNCTION_INFO_V1(test_break_free_list);

#define SPACE			7
#define OTHER_SPACE		8		/* new items, for which free pages are used */
#define AT_ONCE			100

static bool
is_kept(uint64 number, int keep)
{
	return keep > 0 && number % keep == 0;
}

static void
put_one(Relation rel, uint8 space, uint64 number, uint64 minor)
{
	TreeChange	change = {.key = {.space = space, .data = "", .major = number, .minor = minor},
	.value = "new", .value_len = 3};

	tree_apply(rel, TREE_MAIN, &change, 1, NULL, 0);
}

/* Remove the items from first to last but every keep-th, in parts that end where a leaf ends */
static void
remove_numbers(Relation rel, uint64 first, uint64 last, int keep)
{
	TreeChange *changes = palloc0((last - first + 1) * sizeof(TreeChange));
	int			n = 0;
	int			part;

	for (uint64 number = first; number <= last; number++)
	{
		if (is_kept(number, keep))
			continue;
		changes[n].key.space = SPACE;
		changes[n].key.data = "";
		changes[n].key.major = number;
		changes[n++].remove = true;
	}
	for (int done = 0; done < n; done += part)
	{
		part = tree_whole_leaves(rel, TREE_MAIN, changes + done, n - done, Min(AT_ONCE, n - done));
		tree_apply(rel, TREE_MAIN, changes + done, part, NULL, 0);
	}
	pfree(changes);
}

/* How many pages that has freed, and how many that were clean it has changed */
Datum
test_tree_remove(PG_FUNCTION_ARGS)
{
	Relation	rel = open_relation(STORAGE_TREE, RowExclusiveLock);
	int64		dirtied = pgBufferUsage.shared_blks_dirtied;
	TreeStat	before;
	TreeStat	after;
	TupleDesc	desc;
	Datum		values[2];
	bool		nulls[2] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	tree_stat(rel, &before);
	remove_numbers(rel, PG_GETARG_INT64(0), PG_GETARG_INT64(1), PG_GETARG_INT32(2));
	tree_stat(rel, &after);
	relation_close(rel, RowExclusiveLock);
	values[0] = Int64GetDatum((int64) after.free_pages - before.free_pages);
	values[1] = Int64GetDatum(pgBufferUsage.shared_blks_dirtied - dirtied);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}

Datum
test_tree_put_one(PG_FUNCTION_ARGS)
{
	Relation	rel = open_relation(STORAGE_TREE, RowExclusiveLock);

	put_one(rel, SPACE, (uint64) PG_GETARG_INT64(0), 0);
	relation_close(rel, RowExclusiveLock);
	PG_RETURN_VOID();
}

/* Leave no page of the relation in shared buffers */
static void
evict_pages(Relation rel)
{
	ForkNumber	fork = MAIN_FORKNUM;
	BlockNumber first = 0;

	FlushRelationBuffers(rel);
#if PG_VERSION_NUM >= 160000
	DropRelationBuffers(RelationGetSmgr(rel), &fork, 1, &first);
#else
	DropRelFileNodeBuffers(RelationGetSmgr(rel), &fork, 1, &first);
#endif
}

/* Take so many free pages for use, and meet an error before anything comes of it */
static void
abandon_allocations(Relation rel, int pages)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		TreeWriter	w;
		PageLog		log;
		Page		page;

		tree_writer_begin(&w, rel, TREE_MAIN);
		pagelog_begin(&log, rel);
		for (int i = 0; i < pages; i++)
			tree_allocate(&w, &log, TREE_PAGE_NODE, 0, 0, &page);
		elog(ERROR, "abandoned");
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_END_TRY();
}

/* What happens beside the scan, one after the other */
typedef enum Stage
{
	FEW_LEAVES_GO,				/* before the scan leaves the first leaf */
	ALL_LEAVES_GO,
	PAGES_SERVE_AGAIN,
	NOTHING_MORE
} Stage;

static void
run_stage(Relation rel, Stage stage, uint64 last, int keep)
{
	switch (stage)
	{
		case FEW_LEAVES_GO:
			/* the leaf that the scan comes to next is the one taken in vain */
			remove_numbers(rel, 1, 160, keep);
			evict_pages(rel);
			abandon_allocations(rel, 1);
			break;
		case ALL_LEAVES_GO:
			remove_numbers(rel, 161, last, keep);
			for (uint64 number = (uint64) keep; number <= last; number += (uint64) keep)
				put_one(rel, SPACE, number, 1);
			break;
		case PAGES_SERVE_AGAIN:
			for (int i = 0; i < 3; i++)
				abandon_allocations(rel, 1 + i % 2);
			for (uint64 number = 1; number <= last; number++)
				put_one(rel, OTHER_SPACE, number, 0);
			break;
		case NOTHING_MORE:
			break;
	}
}

/*
 * A scan of items 1 to last, beside which all but every keep-th are removed, new items put in between, and the freed
 * pages taken for other items, some of them in vain.  The scan must see what is kept, in order.  Returns how
 * many of the removed items it saw: pages that are as they were when they were freed.
 */
Datum
test_scan_beside_removal(PG_FUNCTION_ARGS)
{
	uint64		last = (uint64) PG_GETARG_INT64(0);
	int			keep = PG_GETARG_INT32(1);
	Relation	rel = open_relation(STORAGE_TREE, RowExclusiveLock);
	TreeScan   *scan = tree_scan_begin(rel, TREE_MAIN);
	uint64		begins[] = {0, 100, last / 2, PG_UINT64_MAX};	/* of each stage, after this item */
	TreeKey		previous = {.space = SPACE, .data = ""};
	uint64		next_kept = (uint64) keep;
	int64		removed_seen = 0;
	Stage		stage = FEW_LEAVES_GO;
	TreeItem	item;

	tree_seek(scan, &previous);
	while (tree_next(scan, &item) && item.key.space == SPACE)
	{
		if (tree_key_compare(&previous, &item.key) >= 0)
			elog(ERROR, "item " UINT64_FORMAT " is out of order", item.key.major);
		previous.major = item.key.major;
		previous.minor = item.key.minor;
		if (!is_kept(item.key.major, keep))
			removed_seen++;
		else if (item.key.minor == 0)
		{
			if (item.key.major != next_kept)
				elog(ERROR, "item " UINT64_FORMAT " is missing", next_kept);
			next_kept += (uint64) keep;
		}
		if (item.key.major > begins[stage])
			run_stage(rel, stage++, last, keep);
	}
	if (next_kept <= last)
		elog(ERROR, "item " UINT64_FORMAT " is missing", next_kept);
	tree_scan_end(scan);
	expect_no_findings(rel, STORAGE_TREE);
	relation_close(rel, RowExclusiveLock);
	PG_RETURN_INT64(removed_seen);
}

/* Name a block on the first page of the free list, wherever it is */
Datum
test_break_free_list(PG_FUNCTION_ARGS)
{
	Relation	rel = open_relation(STORAGE_TREE, RowExclusiveLock);
	TreeWriter	w;
	PageLog		log;
	Buffer		head;
	Page		page;

	tree_writer_begin(&w, rel, TREE_MAIN);
	head = ReadBuffer(rel, tree_writer_meta(&w)->free_head);
	pagelog_begin(&log, rel);
	tree_change_meta(&w, &log)->free_count++;
	page = pagelog_take_page(&log, head);
	tree_free_blocks(page)[tree_free_count(page)] = (BlockNumber) PG_GETARG_INT64(0);
	((PageHeader) page)->pd_lower += sizeof(BlockNumber);
	pagelog_finish(&log);
	tree_writer_end(&w);
	relation_close(rel, RowExclusiveLock);
	PG_RETURN_VOID();
}
