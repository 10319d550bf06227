/*-------------------------------------------------------------------------
 *
 * bench.c
 *	  How fast the storage layer is by itself, in one process.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/storage/bench.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "test_util.h"
#include "../../src/compat.h"

PG_FUNCTION_INFO_V1(bench_log_append);
PG_FUNCTION_INFO_V1(bench_tree_put);
PG_FUNCTION_INFO_V1(bench_tree_lookup);
PG_FUNCTION_INFO_V1(test_tree_fill);

static double
rate_since(instr_time start, int64 n)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, start);
	return n / INSTR_TIME_GET_DOUBLE(now);
}

/* entries per second: calls of batch entries of size bytes each */
Datum
bench_log_append(PG_FUNCTION_ARGS)
{
	int			calls = PG_GETARG_INT32(0);
	int			batch = PG_GETARG_INT32(1);
	int			size = PG_GETARG_INT32(2);
	Relation	rel = open_relation(STORAGE_LOG, RowExclusiveLock);
	LogRing    *ring = logring_open(rel);
	LogEntry   *entries = palloc(batch * sizeof(LogEntry));
	char	   *data = palloc(size + 1);
	LogBounds	bounds;
	instr_time	start;

	fill_bytes(data, size, 1);
	logring_bounds(ring, &bounds);
	for (int i = 0; i < batch; i++)
	{
		entries[i].index = bounds.last_index + 1 + i;
		entries[i].term = 1;
		entries[i].type = 0;
		entries[i].size = size;
		entries[i].data = data;
	}
	INSTR_TIME_SET_CURRENT(start);
	for (int call = 0; call < calls; call++)
	{
		CHECK_FOR_INTERRUPTS();
		logring_append(rel, ring, entries, batch, NULL, 0);
		for (int i = 0; i < batch; i++)
			entries[i].index += batch;
		if (call % 1000 == 999)
			logring_truncate_head(rel, ring, entries[0].index - 1);
	}
	relation_close(rel, RowExclusiveLock);
	PG_RETURN_FLOAT8(rate_since(start, (int64) calls * batch));
}

/* A key of the benchmark: 20 bytes, scattered */
static void
make_key(TreeKey *key, char *data, uint64 number)
{
	fill_bytes(data, 16, number * 2 + 1);
	memcpy(data + 16, "/key", 4);
	key->space = 1;
	key->len = 20;
	key->data = data;
	key->major = 0;
	key->minor = 0;
}

static int
compare_changes(const void *a, const void *b)
{
	return tree_key_compare(&((const TreeChange *) a)->key, &((const TreeChange *) b)->key);
}

/*
 * puts per second, in batches: each a new version of one of nkeys keys with a
 * value, and an entry of an index by version; as the store does it
 */
Datum
bench_tree_put(PG_FUNCTION_ARGS)
{
	int			batches = PG_GETARG_INT32(0);
	int			batch = PG_GETARG_INT32(1);
	int64		nkeys = PG_GETARG_INT64(2);
	int			size = PG_GETARG_INT32(3);
	Relation	rel = open_relation(STORAGE_TREE, RowExclusiveLock);
	TreeChange *changes = palloc(batch * 2 * sizeof(TreeChange));
	char	   *keys = palloc(batch * 20);
	char	   *value = palloc(size + 1);
	Random		random;
	uint64		version;
	instr_time	start;

	fill_bytes(value, size, 1);
	if (tree_read_meta(rel, &version, sizeof(version)) != sizeof(version))
		version = 1;
	random.state = version;
	INSTR_TIME_SET_CURRENT(start);
	for (int b = 0; b < batches; b++)
	{
		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < batch; i++)
		{
			make_key(&changes[i].key, keys + i * 20, random_below(&random, nkeys));
			changes[i].key.major = ++version;
			changes[i].remove = false;
			changes[i].value = value;
			changes[i].value_len = size;
		}
		qsort(changes, batch, sizeof(TreeChange), compare_changes);
		for (int i = 0; i < batch; i++)
		{
			TreeChange *change = &changes[batch + i];

			change->key.space = 2;
			change->key.len = 0;
			change->key.data = "";
			change->key.major = version - batch + 1 + i;
			change->key.minor = 0;
			change->remove = false;
			change->value = keys + i * 20;
			change->value_len = 20;
		}
		tree_apply(rel, TREE_MAIN, changes, batch * 2, &version, sizeof(version));
	}
	relation_close(rel, RowExclusiveLock);
	PG_RETURN_FLOAT8(rate_since(start, (int64) batches * batch));
}

/* lookups per second of keys of bench_tree_put() */
Datum
bench_tree_lookup(PG_FUNCTION_ARGS)
{
	int			n = PG_GETARG_INT32(0);
	int64		nkeys = PG_GETARG_INT64(1);
	Relation	rel = open_relation(STORAGE_TREE, AccessShareLock);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "lookup",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Random		random = {42};
	char		data[20];
	instr_time	start;

	INSTR_TIME_SET_CURRENT(start);
	for (int i = 0; i < n; i++)
	{
		TreeKey		key;
		TreeItem	item;

		make_key(&key, data, random_below(&random, nkeys));
		tree_lookup(rel, TREE_MAIN, &key, true, &item);
		if (i % 100 == 99)
			MemoryContextReset(context);
	}
	MemoryContextSwitchTo(old);
	relation_close(rel, AccessShareLock);
	PG_RETURN_FLOAT8(rate_since(start, n));
}

/*
 * Put n items of size bytes with ascending keys into a keyspace, beside another
 * with a few items; returns what part of the pages that takes is filled.
 */
Datum
test_tree_fill(PG_FUNCTION_ARGS)
{
	int			n = PG_GETARG_INT32(0);
	int			size = PG_GETARG_INT32(1);
	int			room = PG_GETARG_INT32(2);
	Relation	rel = open_relation(STORAGE_TREE, RowExclusiveLock);
	char	   *value = palloc0(size);
	TreeChange	change = {0};
	TreeStat	before;
	TreeStat	after;

	change.key.space = 9;
	change.key.data = "above";
	change.key.len = 5;
	change.value = value;
	change.value_len = size;
	tree_apply(rel, TREE_MAIN, &change, 1, NULL, 0);
	tree_stat(rel, &before);
	tree_reserve_room(7, room);
	change.key.space = 7;
	change.key.len = 0;
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		change.key.major = (uint64) i + 1;
		tree_apply(rel, TREE_MAIN, &change, 1, NULL, 0);
	}
	tree_stat(rel, &after);
	relation_close(rel, RowExclusiveLock);

	/* an item of this kind takes 16 bytes beside its value */
	PG_RETURN_FLOAT8((double) n * (size + 16) / BLCKSZ / (after.pages - before.pages));
}
