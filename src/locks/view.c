/*-------------------------------------------------------------------------
 *
 * view.c
 *	  The rows of the view quorum.locks.
 *
 * A key is taken for a place in a queue if it is what the recipe makes: a name, a
 * slash, and the lease it is attached to.  They are found by way of the leases,
 * so that the size of the store does not matter, but only what is attached.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/locks/view.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "locks/queue.h"

#include "compat.h"

#define LOCK_COLUMNS			4

/* A place in a queue */
typedef struct LockEntry
{
	ProtobufCBinaryData name;
	int64		token;
	int64		lease;
} LockEntry;

/* What is found; grows as needed */
typedef struct LockScan
{
	Relation	store;
	int64		lease;			/* whose keys are visited */
	char		suffix[32];		/* a slash and the lease's digits */
	uint32		suffix_len;
	int64	   *leases;
	Size		nleases;
	Size		max_leases;
	LockEntry  *entries;
	Size		nentries;
	Size		max_entries;
} LockScan;

/* StoreLeaseVisit: remember its id */
static bool
add_lease(const StoreLease *lease, void *arg)
{
	LockScan   *scan = arg;

	if (scan->nleases == scan->max_leases)
	{
		scan->max_leases *= 2;
		scan->leases = repalloc_huge(scan->leases, scan->max_leases * sizeof(int64));
	}
	scan->leases[scan->nleases++] = lease->id;
	return true;
}

/* StoreKeyVisit: a key of the lease at hand */
static bool
add_key(const char *key, uint32 key_len, void *arg)
{
	LockScan   *scan = arg;
	Mvccpb__KeyValue *kv = NULL;
	StoreRangeInfo info = {0};
	LockEntry  *entry;

	if (key_len <= scan->suffix_len ||
		memcmp(key + key_len - scan->suffix_len, scan->suffix, scan->suffix_len) != 0)
		return true;
	/* between the look at the lease and this one, anything may have happened */
	sql_check(store_get(scan->store, NULL, key, key_len, 0, &kv, &info), &info);
	if (kv == NULL || kv->lease != scan->lease)
		return true;

	if (scan->nentries == scan->max_entries)
	{
		scan->max_entries *= 2;
		scan->entries = repalloc_huge(scan->entries, scan->max_entries * sizeof(LockEntry));
	}
	entry = &scan->entries[scan->nentries++];
	entry->name.len = key_len - scan->suffix_len;
	entry->name.data = (uint8_t *) pnstrdup(key, entry->name.len);
	entry->token = kv->create_revision;
	entry->lease = scan->lease;
	return true;
}

static int
compare_names(const LockEntry *a, const LockEntry *b)
{
	int			cmp = memcmp(a->name.data, b->name.data, Min(a->name.len, b->name.len));

	if (cmp != 0)
		return cmp;
	return a->name.len < b->name.len ? -1 : a->name.len > b->name.len ? 1 : 0;
}

static int
compare_entries(const void *a, const void *b)
{
	const LockEntry *x = a;
	const LockEntry *y = b;
	int			cmp = compare_names(x, y);

	if (cmp != 0)
		return cmp;
	return x->token < y->token ? -1 : x->token > y->token ? 1 : 0;
}

/* May the caller read all keys of the queue? */
static bool
may_see(Relation store, ProtobufCBinaryData name)
{
	uint32		len;
	char	   *prefix = palloc(name.len + 1);
	char	   *end;

	memcpy(prefix, name.data, name.len);
	prefix[name.len] = '/';
	end = store_prefix_end(prefix, name.len + 1, &len);
	return store_check_access(store, sql_caller(store), STORE_READ,
							  prefix, name.len + 1, end, len) == STORE_OK;
}

/*
 * scan_locks(): one row a name, the first of its queue and how many come behind
 */
PG_FUNCTION_INFO_V1(quorum_scan_locks);
Datum
quorum_scan_locks(PG_FUNCTION_ARGS)
{
	LockScan	scan;
	SqlRowSink	sink;
	Size		i;
	Size		next;

	memset(&scan, 0, sizeof(scan));
	scan.max_leases = scan.max_entries = 64;
	scan.leases = palloc(scan.max_leases * sizeof(int64));
	scan.entries = palloc(scan.max_entries * sizeof(LockEntry));

	sql_sink_begin(&sink, fcinfo, SQL_BYTES);
	scan.store = sql_begin_read(true);
	store_scan_leases(scan.store, 0, add_lease, &scan);
	for (i = 0; i < scan.nleases; i++)
	{
		CHECK_FOR_INTERRUPTS();
		scan.lease = scan.leases[i];
		scan.suffix_len = snprintf(scan.suffix, sizeof(scan.suffix), "/%llx",
									 (unsigned long long) scan.lease);
		sql_check(store_lease_keys(scan.store, NULL, scan.lease, add_key, &scan),
				  &(StoreRangeInfo) {0});
	}
	qsort(scan.entries, scan.nentries, sizeof(LockEntry), compare_entries);

	for (i = 0; i < scan.nentries; i = next)
	{
		const LockEntry *first = &scan.entries[i];
		Datum		values[LOCK_COLUMNS];
		bool		isnull[LOCK_COLUMNS] = {false};

		for (next = i + 1; next < scan.nentries; next++)
			if (compare_names(first, &scan.entries[next]) != 0)
				break;
		if (!may_see(scan.store, first->name))
			continue;
		values[0] = sql_bytes_datum(&first->name, SQL_BYTES);
		values[1] = Int64GetDatum(first->lease);
		values[2] = Int64GetDatum(first->token);
		values[3] = Int64GetDatum((int64) (next - i - 1));
		sql_sink_row(&sink, values, isnull);
	}
	sql_end_read(scan.store);
	sql_sink_end(&sink);
	return (Datum) 0;
}
