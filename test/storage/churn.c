/*-------------------------------------------------------------------------
 *
 * churn.c
 *	  One process that keeps changing the tree and the log, and others that
 *	  read them meanwhile and know what must hold at any moment.
 *
 * The tree holds numbered keys.  Those with a number divisible by ten are
 * always there once churn_setup() is done, though their values change; the
 * others come and go.  A value tells the number of its key and is otherwise a
 * function of a seed that it begins with, so a reader can tell a good value from a
 * mixture.  An entry of the log is a function of its index and term.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/storage/churn.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "test_util.h"
#include "../../src/compat.h"

PG_FUNCTION_INFO_V1(test_churn_setup);
PG_FUNCTION_INFO_V1(test_churn_write);
PG_FUNCTION_INFO_V1(test_churn_read);

#define KEYS			6000
#define STABLE_STEP		10
#define MAX_BATCH		200
#define VALUE_HEADER	(2 * sizeof(uint64))

static bool
is_stable(uint64 number)
{
	return number % STABLE_STEP == 0;
}

static TimestampTz
deadline(double seconds)
{
	return GetCurrentTimestamp() + (TimestampTz) (seconds * USECS_PER_SEC);
}

/* ----------------------------------------------------------------
 *		The tree
 * ----------------------------------------------------------------
 */

/* Keys of several lengths, in the order of their numbers */
static void
make_key(TreeKey *key, char *data, uint64 number)
{
	key->space = (uint8) (number * 3 / KEYS);
	key->len = (uint16) (8 + (number % 97 == 0 ? 1500 : number % 13));
	for (int i = 0; i < 8; i++)
		data[i] = (char) (number >> (56 - 8 * i));
	memset(data + 8, 'x', key->len - 8);
	key->data = data;
	key->major = number % 3;
	key->minor = 0;
}

static uint64
number_of(const TreeKey *key)
{
	uint64		number = 0;

	for (int i = 0; i < 8; i++)
		number = (number << 8) | (uint8) key->data[i];
	return number;
}

static char *
make_value(Random *random, uint64 number, uint32 *size)
{
	uint64		seed = random_next(random);
	char	   *value;

	*size = VALUE_HEADER + random_below(random, 300);
	if (random_chance(random, 2))
		*size = VALUE_HEADER + random_below(random, 60000);
	value = palloc(*size);
	memcpy(value, &number, sizeof(number));
	memcpy(value + sizeof(number), &seed, sizeof(seed));
	fill_bytes(value + VALUE_HEADER, *size - VALUE_HEADER, seed);
	return value;
}

static void
expect_value(uint64 number, const TreeItem *item)
{
	uint64		header[2];

	if (item->value_len < VALUE_HEADER)
		elog(ERROR, "key " UINT64_FORMAT " has a value of %u bytes", number, item->value_len);
	memcpy(header, item->value, VALUE_HEADER);
	if (header[0] != number)
		elog(ERROR, "key " UINT64_FORMAT " has the value of key " UINT64_FORMAT,
			 number, header[0]);
	if (!bytes_are(item->value + VALUE_HEADER, item->value_len - VALUE_HEADER, header[1]))
		elog(ERROR, "key " UINT64_FORMAT " has a value with wrong bytes", number);
}

/* Put the keys from first to last into a tree, all of them or the stable ones */
static void
put_range(Relation rel, TreeId tree, Random *random, uint64 first, uint64 last,
		  bool stable_only)
{
	TreeChange *changes = palloc(MAX_BATCH * sizeof(TreeChange));
	int			n = 0;

	for (uint64 number = first; number <= last; number++)
	{
		TreeChange *change = &changes[n];

		if (stable_only && !is_stable(number))
			continue;
		make_key(&change->key, palloc(1600), number);
		change->remove = false;
		change->value = make_value(random, number, &change->value_len);
		if (++n == MAX_BATCH || number == last)
		{
			tree_apply(rel, tree, changes, n, NULL, 0);
			n = 0;
		}
	}
	tree_apply(rel, tree, changes, n, NULL, 0);
}

/* Remove the keys from first to last that are not stable */
static void
remove_range(Relation rel, uint64 first, uint64 last)
{
	TreeChange *changes = palloc((last - first + 1) * sizeof(TreeChange));
	int			n = 0;

	for (uint64 number = first; number <= last; number++)
	{
		if (is_stable(number))
			continue;
		make_key(&changes[n].key, palloc(1600), number);
		changes[n++].remove = true;
	}
	tree_apply(rel, TREE_MAIN, changes, n, NULL, 0);
}

/* ----------------------------------------------------------------
 *		The log
 * ----------------------------------------------------------------
 */

static uint64
entry_seed(uint64 index, uint64 term)
{
	return index * 1000003 + term;
}

static uint32
entry_size(uint64 index, uint64 term)
{
	uint64		seed = entry_seed(index, term);

	return (uint32) (seed % 61 == 0 ? seed % 30011 : seed % 499);
}

static void
expect_entry(const LogEntry *entry)
{
	if (entry->size != entry_size(entry->index, entry->term) ||
		!bytes_are(entry->data, entry->size, entry_seed(entry->index, entry->term)))
		elog(ERROR, "entry " UINT64_FORMAT " of term " UINT64_FORMAT " has wrong bytes",
			 entry->index, entry->term);
}

/* Append n entries from first on */
static void
append(Relation rel, LogRing *ring, uint64 first, int n, uint64 term)
{
	LogEntry   *entries = palloc(n * sizeof(LogEntry));

	for (int i = 0; i < n; i++)
	{
		char	   *data;

		entries[i].index = first + i;
		entries[i].term = term;
		entries[i].type = 1;
		entries[i].size = entry_size(first + i, term);
		data = palloc(entries[i].size + 1);
		fill_bytes(data, entries[i].size, entry_seed(first + i, term));
		entries[i].data = data;
	}
	logring_append(rel, ring, entries, n, NULL, 0);
}

static void
churn_log(Relation rel, LogRing *ring, Random *random, uint64 *term)
{
	LogBounds	bounds;
	uint64		first;

	logring_bounds(ring, &bounds);
	first = bounds.last_index + 1;
	if (random_chance(random, 20) && bounds.last_index > bounds.base_index + 50)
	{
		first -= random_below(random, 50);
		(*term)++;
	}
	append(rel, ring, first, 1 + random_below(random, 60), *term);
	logring_bounds(ring, &bounds);
	if (bounds.last_index - bounds.base_index > 20000 && random_chance(random, 30))
		logring_truncate_head(rel, ring, bounds.last_index - random_below(random, 15000));
}

/* ----------------------------------------------------------------
 *		SQL functions
 * ----------------------------------------------------------------
 */

Datum
test_churn_setup(PG_FUNCTION_ARGS)
{
	Relation	tree = open_relation(STORAGE_TREE, RowExclusiveLock);
	Relation	log = open_relation(STORAGE_LOG, RowExclusiveLock);
	Random		random = {1};
	LogRing    *ring;

	tree_discard_incoming(tree);
	put_range(tree, TREE_INCOMING, &random, 0, KEYS - 1, false);
	storage_install(tree, "", 0, log, 1000, 1, "", 0);
	ring = logring_open(log);
	append(log, ring, 1001, 100, 2);
	relation_close(log, NoLock);
	relation_close(tree, NoLock);
	PG_RETURN_VOID();
}

/* Change things for some seconds; returns how many changes were made */
Datum
test_churn_write(PG_FUNCTION_ARGS)
{
	Random		random = {(uint64) PG_GETARG_INT64(0)};
	TimestampTz end = deadline(PG_GETARG_FLOAT8(1));
	Relation	tree = open_relation(STORAGE_TREE, RowExclusiveLock);
	Relation	log = open_relation(STORAGE_LOG, RowExclusiveLock);
	LogRing    *ring = logring_open(log);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "churn",
												  ALLOCSET_DEFAULT_SIZES);
	LogBounds	bounds;
	LogEntry   *last;
	uint64		term = 3;
	int64		steps = 0;

	logring_bounds(ring, &bounds);
	if (logring_read(log, bounds.last_index, bounds.last_index, 1, &last) == 1)
		term = last->term + 1;
	while (GetCurrentTimestamp() < end)
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		uint64		first = random_below(&random, KEYS);
		uint64		length = random_chance(&random, 20) ? 1000 : random_below(&random, 60);
		uint64		final = Min(first + length, KEYS - 1);

		CHECK_FOR_INTERRUPTS();
		if (random_chance(&random, 45))
			remove_range(tree, first, final);
		else
			put_range(tree, TREE_MAIN, &random, first, Min(final, first + 300), false);
		if (random_below(&random, 150) == 0)
		{
			/* a new tree takes the place of this one, the log begins anew */
			put_range(tree, TREE_INCOMING, &random, 0, KEYS - 1, true);
			logring_bounds(ring, &bounds);
			storage_install(tree, "", 0, log, bounds.last_index + 10, term, "", 0);
			MemoryContextSwitchTo(old);
			logring_close(ring);
			ring = logring_open(log);
			MemoryContextSwitchTo(context);
		}
		tree_collect_garbage(tree, 20);
		churn_log(log, ring, &random, &term);
		steps++;
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	relation_close(log, NoLock);
	relation_close(tree, NoLock);
	PG_RETURN_INT64(steps);
}

/* Scan all: keys ascending, values good, none of the stable keys missing */
static void
read_tree(Relation rel, Random *random)
{
	TreeScan   *scan = tree_scan_begin(rel, TREE_MAIN);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "value",
												  ALLOCSET_DEFAULT_SIZES);
	uint64		first = random_chance(random, 50) ? 0 : random_below(random, KEYS);
	uint64		next_stable = (first + STABLE_STEP - 1) / STABLE_STEP * STABLE_STEP;
	int64		previous = -1;
	char		data[1600];
	TreeKey		key;
	TreeItem	item;

	make_key(&key, data, first);
	tree_seek(scan, &key);
	while (tree_next(scan, &item))
	{
		uint64		number = number_of(&item.key);
		MemoryContext old = MemoryContextSwitchTo(context);

		make_key(&key, data, number);
		if (tree_key_compare(&key, &item.key) != 0)
			elog(ERROR, "key " UINT64_FORMAT " has wrong bytes", number);
		if ((int64) number <= previous || number < first)
			elog(ERROR, "key " UINT64_FORMAT " follows key " INT64_FORMAT, number, previous);
		previous = (int64) number;
		if (number > next_stable)
			elog(ERROR, "scan misses key " UINT64_FORMAT, next_stable);
		if (number == next_stable)
			next_stable += STABLE_STEP;
		if (item.value != NULL || tree_scan_value(scan, &item))
			expect_value(number, &item);
		else if (is_stable(number))
			elog(ERROR, "value of key " UINT64_FORMAT " has vanished", number);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	if (next_stable < KEYS)
		elog(ERROR, "scan ends before key " UINT64_FORMAT, next_stable);
	tree_scan_end(scan);
	MemoryContextDelete(context);
}

static void
look_up(Relation rel, Random *random)
{
	uint64		number = random_below(random, KEYS - STABLE_STEP);
	uint64		bound = (number + STABLE_STEP - 1) / STABLE_STEP * STABLE_STEP;
	char		data[1600];
	TreeKey		key;
	TreeItem	item;

	make_key(&key, data, number);
	if (!tree_lookup(rel, TREE_MAIN, &key, true, &item))
		elog(ERROR, "lookup of key " UINT64_FORMAT " finds nothing", number);
	if (number_of(&item.key) < number || number_of(&item.key) > bound)
		elog(ERROR, "lookup of key " UINT64_FORMAT " finds key " UINT64_FORMAT,
			 number, number_of(&item.key));
	expect_value(number_of(&item.key), &item);
}

/* Read a portion of the log: indexes in sequence, terms not falling, good bytes */
static int64
read_log(Relation rel, Random *random)
{
	LogBounds	bounds;
	LogEntry   *entries;
	uint64		first;
	int			n;

	logring_read_bounds(rel, &bounds);
	if (bounds.last_index < bounds.base_index)
		elog(ERROR, "the log ends before it begins");
	first = bounds.base_index + 1 + random_below(random, bounds.last_index - bounds.base_index + 1);
	if (random_chance(random, 30))
		first = bounds.last_index - Min(bounds.last_index - bounds.base_index, 5);
	n = logring_read(rel, first, bounds.last_index + 100, 200000, &entries);
	for (int i = 0; i < n; i++)
	{
		if (entries[i].index != first + i)
			elog(ERROR, "entry " UINT64_FORMAT " is not in sequence", entries[i].index);
		if (i > 0 && entries[i].term < entries[i - 1].term)
			elog(ERROR, "entry " UINT64_FORMAT " is of an earlier term than the one before",
				 entries[i].index);
		expect_entry(&entries[i]);
	}
	return n;
}

/* Read and verify for some seconds; ERROR at the first thing that cannot be */
Datum
test_churn_read(PG_FUNCTION_ARGS)
{
	Random		random = {(uint64) PG_GETARG_INT64(0)};
	TimestampTz end = deadline(PG_GETARG_FLOAT8(1));
	Relation	tree = open_relation(STORAGE_TREE, AccessShareLock);
	Relation	log = open_relation(STORAGE_LOG, AccessShareLock);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "read",
												  ALLOCSET_DEFAULT_SIZES);
	int64		scans = 0;
	int64		entries = 0;

	while (GetCurrentTimestamp() < end)
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		CHECK_FOR_INTERRUPTS();
		read_tree(tree, &random);
		for (int i = 0; i < 300; i++)
			look_up(tree, &random);
		for (int i = 0; i < 20; i++)
			entries += read_log(log, &random);
		scans++;
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	relation_close(log, NoLock);
	relation_close(tree, NoLock);
	PG_RETURN_TEXT_P(cstring_to_text(psprintf(
		INT64_FORMAT " scans, " INT64_FORMAT " lookups, " INT64_FORMAT " entries",
		scans, scans * 300, entries)));
}
