/*-------------------------------------------------------------------------
 *
 * prefetch.c
 *	  A test of reading ahead in the tree.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/storage/prefetch.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "fmgr.h"
#include "utils/rel.h"

#include "storage/storage.h"
#include "test_util.h"

PG_FUNCTION_INFO_V1(test_tree_prefetch);

/* Ask for leaves of the keyspace that test_tree_fill() fills: how many were not at hand */
Datum
test_tree_prefetch(PG_FUNCTION_ARGS)
{
	Relation	rel = open_relation(STORAGE_TREE, AccessShareLock);
	TreeKey		from = {.space = 7, .data = "", .major = (uint64) PG_GETARG_INT64(0)};
	TreeKey		to = {.space = 7, .data = "", .major = (uint64) PG_GETARG_INT64(1)};
	int			asked = tree_prefetch(rel, TREE_MAIN, &from, &to, PG_GETARG_INT32(2));

	relation_close(rel, AccessShareLock);
	PG_RETURN_INT32(asked);
}
