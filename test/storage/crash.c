/*-------------------------------------------------------------------------
 *
 * crash.c
 *	  A workload whose outcome can be told from the number of its last batch.
 *
 * Batch number b of the tree and of the log is a function of b alone.  The tree's
 * host meta holds the number of the last batch that is complete, so after a
 * crash the tree must be what that many batches make of it, except for keys
 * that the batch after it touches.  The log's host meta holds the number of
 * the last batch that was begun, so the log must be what the batches before it
 * make of it, and then a part of what that batch does, in order.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/storage/crash.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xlog.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "test_util.h"
#include "../../src/compat.h"

PG_FUNCTION_INFO_V1(test_crash_setup);
PG_FUNCTION_INFO_V1(test_crash_write);
PG_FUNCTION_INFO_V1(test_crash_verify);
PG_FUNCTION_INFO_V1(test_append_long);

#define KEYS		4000
#define MAX_BATCH	400
#define MAX_LOG		(1 << 20)

/* Keys whose numbers are so far apart are neighbours, see make_key() */
#define NEIGHBOUR_STEP	(3 * 23)

/* ----------------------------------------------------------------
 *		Batches of the tree
 * ----------------------------------------------------------------
 */

static void
make_key(TreeKey *key, char *data, uint32 number)
{
	int			len = number % 50 == 0 ? 1800 : number % 23;

	/* the number goes to the numbers of the key, the bytes are padding */
	memset(data, 'k', len);
	key->space = (uint8) (number % 3);
	key->len = (uint16) len;
	key->data = data;
	key->major = number;
	key->minor = number % 2;
}

static uint32
value_size(uint32 number, uint64 batch)
{
	uint64		mixed = number * UINT64CONST(7919) + batch * UINT64CONST(104729);

	return (uint32) (mixed % 101 == 0 ? mixed % 40009 : mixed % 331);
}

/*
 * What batch b does: for each key, nothing (0), a put (1) or a removal (2).
 * Returns how many keys it touches.
 */
static int
tree_batch(uint64 batch, char *what)
{
	Random		random = {batch};
	int			n = 1 + random_below(&random, MAX_BATCH - 1);
	uint32		at = random_below(&random, KEYS);
	int			kind = random_below(&random, 3);
	int			step = random_chance(&random, 50) ? NEIGHBOUR_STEP : 3;

	memset(what, 0, KEYS);
	for (int i = 0; i < n; i++)
	{
		uint32		number = kind == 0 ? (at + i * step) % KEYS : random_below(&random, KEYS);

		what[number] = (kind == 0 ? batch % 2 == 0 : random_chance(&random, 25)) ? 2 : 1;
	}
	n = 0;
	for (int i = 0; i < KEYS; i++)
		n += what[i] != 0;
	return n;
}

static int
compare_changes(const void *a, const void *b)
{
	return tree_key_compare(&((const TreeChange *) a)->key, &((const TreeChange *) b)->key);
}

static void
apply_tree_batch(Relation rel, uint64 batch)
{
	char	   *what = palloc(KEYS);
	int			n = tree_batch(batch, what);
	TreeChange *changes = palloc(n * sizeof(TreeChange));
	int			k = 0;

	for (uint32 number = 0; number < KEYS; number++)
	{
		TreeChange *change = &changes[k];
		char	   *value;

		if (what[number] == 0)
			continue;
		make_key(&change->key, palloc(1800), number);
		change->remove = what[number] == 2;
		change->value_len = value_size(number, batch);
		value = palloc(change->value_len + 1);
		fill_bytes(value, change->value_len, number + batch);
		change->value = value;
		k++;
	}
	qsort(changes, n, sizeof(TreeChange), compare_changes);
	tree_apply(rel, TREE_MAIN, changes, n, &batch, sizeof(batch));
}

/* ----------------------------------------------------------------
 *		Batches of the log
 * ----------------------------------------------------------------
 */

/* The log's host meta: the batch begun last, and the log as it was before */
typedef struct LogHost
{
	uint64		batch;
	uint64		base;
	uint64		last;
} LogHost;

/* What batch b does to a log from base + 1 to last */
typedef struct LogBatch
{
	uint64		first;			/* entries before it stay */
	int			n;
	uint64		give_up;		/* new base, or 0 */
} LogBatch;

static LogBatch
log_batch(uint64 batch, uint64 base, uint64 last)
{
	Random		random = {batch * 31};
	LogBatch	result;

	result.first = last + 1;
	if (random_chance(&random, 20))
		result.first -= random_below(&random, Min(last - base, 100) + 1);
	result.n = 1 + random_below(&random, 60);
	result.give_up = 0;
	if (random_chance(&random, 15) && last > base)
		result.give_up = base + random_below(&random, result.first + result.n - base);
	return result;
}

static uint32
entry_size(uint64 index, uint64 batch)
{
	uint64		mixed = index * UINT64CONST(7919) + batch * UINT64CONST(104729);

	return (uint32) (mixed % 97 == 0 ? mixed % 50021 : mixed % 499);
}

static void
apply_log_batch(Relation rel, LogRing *ring, const LogHost *host)
{
	LogBatch	what = log_batch(host->batch, host->base, host->last);
	uint64		batch = host->batch;
	LogEntry   *entries;

	entries = palloc(what.n * sizeof(LogEntry));
	for (int i = 0; i < what.n; i++)
	{
		LogEntry   *entry = &entries[i];
		char	   *data;

		entry->index = what.first + i;
		entry->term = batch;
		entry->type = (uint8) batch;
		entry->size = entry_size(entry->index, batch);
		data = palloc(entry->size + 1);
		fill_bytes(data, entry->size, entry->index + batch);
		entry->data = data;
	}
	logring_append(rel, ring, entries, what.n, host, sizeof(LogHost));
	if (what.give_up > 0)
		logring_truncate_head(rel, ring, what.give_up);
}

/* ----------------------------------------------------------------
 *		Setup and workload
 * ----------------------------------------------------------------
 */

static uint64
read_counter(Relation tree)
{
	uint64		batch = 0;

	if (tree_read_meta(tree, &batch, sizeof(batch)) != sizeof(batch))
		elog(ERROR, "the tree is not that of this test");
	return batch;
}

Datum
test_crash_setup(PG_FUNCTION_ARGS)
{
	Relation	tree = open_relation(STORAGE_TREE, RowExclusiveLock);
	Relation	log = open_relation(STORAGE_LOG, RowExclusiveLock);
	uint64		batch = 0;
	LogHost		host = {0, 10, 10};

	tree_discard_incoming(tree);
	XLogFlush(storage_install(tree, &batch, sizeof(batch), log, 10, 0,
							  &host, sizeof(host)));
	relation_close(log, NoLock);
	relation_close(tree, NoLock);
	PG_RETURN_VOID();
}

/* Do so many more batches, flush, and return the number of the last */
Datum
test_crash_write(PG_FUNCTION_ARGS)
{
	Relation	tree = open_relation(STORAGE_TREE, RowExclusiveLock);
	Relation	log = open_relation(STORAGE_LOG, RowExclusiveLock);
	LogRing    *ring = logring_open(log);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "batch",
												  ALLOCSET_DEFAULT_SIZES);
	uint64		batch = read_counter(tree);
	LogBounds	bounds;
	LogHost		host = {0, 0, 0};

	/* the log comes first, so its last batch may have to be done again */
	logring_read_meta(log, &host, sizeof(host));
	logring_bounds(ring, &bounds);
	if (host.batch > batch && bounds.base_index == host.base)
		apply_log_batch(log, ring, &host);
	for (int i = 0; i < PG_GETARG_INT32(0); i++)
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		CHECK_FOR_INTERRUPTS();
		batch++;
		if (batch > host.batch)
		{
			logring_bounds(ring, &bounds);
			host.batch = batch;
			host.base = bounds.base_index;
			host.last = bounds.last_index;
			apply_log_batch(log, ring, &host);
		}
		apply_tree_batch(tree, batch);
		tree_collect_garbage(tree, 10);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	XLogFlush(XactLastRecEnd);
	relation_close(log, NoLock);
	relation_close(tree, NoLock);
	PG_RETURN_INT64((int64) batch);
}

/* ----------------------------------------------------------------
 *		Verification
 * ----------------------------------------------------------------
 */

static void
verify_tree(Relation rel, uint64 batches)
{
	uint64	   *written = palloc0(KEYS * sizeof(uint64));
	char	   *what = palloc(KEYS);
	char		data[1800];

	for (uint64 batch = 1; batch <= batches; batch++)
	{
		tree_batch(batch, what);
		for (int i = 0; i < KEYS; i++)
		{
			if (what[i] != 0)
				written[i] = what[i] == 1 ? batch : 0;
		}
	}
	tree_batch(batches + 1, what);
	for (uint32 number = 0; number < KEYS; number++)
	{
		TreeKey		key;
		TreeItem	item;
		bool		found;
		uint64		batch = written[number];

		make_key(&key, data, number);
		found = tree_lookup(rel, TREE_MAIN, &key, true, &item) &&
			tree_key_compare(&key, &item.key) == 0;

		/* the batch after the last complete one may have got to this key */
		if (what[number] == 2 && !found)
			continue;
		if (what[number] == 1 && found &&
			item.value_len == value_size(number, batches + 1) &&
			bytes_are(item.value, item.value_len, number + batches + 1))
			continue;

		if (found != (batch != 0))
			elog(ERROR, "key %u is %s after " UINT64_FORMAT " batches", number,
				 found ? "there" : "missing", batches);
		if (found && (item.value_len != value_size(number, batch) ||
					  !bytes_are(item.value, item.value_len, number + batch)))
			elog(ERROR, "key %u has another value than that of batch " UINT64_FORMAT,
				 number, batch);
	}
}

static void
verify_log(Relation rel, uint64 begun, bool complete)
{
	uint64	   *terms = palloc_extended(MAX_LOG * sizeof(uint64), MCXT_ALLOC_HUGE);
	uint64		base = 10;
	uint64		last = 10;
	uint64		lowest;
	LogBatch	what = {0};
	LogBounds	bounds;

	for (uint64 batch = 1; batch <= begun; batch++)
	{
		what = log_batch(batch, base, last);
		if (batch == begun && !complete)
			break;
		for (int i = 0; i < what.n; i++)
			terms[(what.first + i) % MAX_LOG] = batch;
		last = what.first + what.n - 1;
		base = Max(base, Min(what.give_up, last));
	}

	/* batch "begun" may have come to any point: cut, appended in part or whole */
	logring_read_bounds(rel, &bounds);
	lowest = last;
	if (!complete && begun > 0)
	{
		bool		given_up = bounds.base_index != base;
		LogEntry   *entry;

		if (given_up ||
			(logring_read(rel, what.first, what.first, 1, &entry) == 1 &&
			 entry->term == begun))
		{
			for (int i = 0; i < what.n; i++)
				terms[(what.first + i) % MAX_LOG] = begun;
			last = what.first + what.n - 1;
			lowest = given_up ? last : what.first;
		}
		else if (bounds.last_index == what.first - 1)
			lowest = what.first - 1;
		if (given_up)
			base = Max(base, Min(what.give_up, last));
	}
	if (bounds.last_index < lowest || bounds.last_index > last || bounds.base_index != base)
		elog(ERROR, "the log goes from " UINT64_FORMAT " to " UINT64_FORMAT
			 " where " UINT64_FORMAT " to " UINT64_FORMAT " or more is expected",
			 bounds.base_index, bounds.last_index, base, lowest);
	for (uint64 index = base + 1; index <= bounds.last_index; index++)
	{
		LogEntry   *entry;

		if (logring_read(rel, index, index, 1, &entry) != 1)
			elog(ERROR, "entry " UINT64_FORMAT " cannot be read", index);
		if (entry->term != terms[index % MAX_LOG] ||
			entry->size != entry_size(index, entry->term) ||
			!bytes_are(entry->data, entry->size, index + entry->term))
			elog(ERROR, "entry " UINT64_FORMAT " is not that of batch " UINT64_FORMAT,
				 index, terms[index % MAX_LOG]);
		pfree(entry);
	}
}

/* ERROR unless everything is as it can be; returns the batches that are complete */
Datum
test_crash_verify(PG_FUNCTION_ARGS)
{
	Relation	tree = open_relation(STORAGE_TREE, ExclusiveLock);
	Relation	log = open_relation(STORAGE_LOG, ExclusiveLock);
	uint64		complete = read_counter(tree);
	uint64		begun = 0;

	expect_no_findings(tree, STORAGE_TREE);
	expect_no_findings(log, STORAGE_LOG);
	logring_read_meta(log, &begun, sizeof(begun));
	if (begun != complete && begun != complete + 1)
		elog(ERROR, "the log has begun batch " UINT64_FORMAT ", the tree has completed " UINT64_FORMAT,
			 begun, complete);
	verify_tree(tree, complete);
	verify_log(log, begun, begun == complete);
	relation_close(log, NoLock);
	relation_close(tree, NoLock);
	PG_RETURN_INT64((int64) complete);
}

/*
 * Append one entry of so many bytes: meant to be cancelled on the way, so that
 * the entry remains incomplete.
 */
Datum
test_append_long(PG_FUNCTION_ARGS)
{
	Relation	rel = open_relation(STORAGE_LOG, RowExclusiveLock);
	LogRing    *ring = logring_open(rel);
	LogBounds	bounds;
	LogEntry	entry = {0};

	logring_bounds(ring, &bounds);
	entry.index = bounds.last_index + 1;
	entry.size = (uint32) PG_GETARG_INT32(0);
	entry.data = palloc0(entry.size);
	logring_append(rel, ring, &entry, 1, NULL, 0);
	relation_close(rel, NoLock);
	PG_RETURN_VOID();
}
