/*-------------------------------------------------------------------------
 *
 * test_util.c
 *	  The test module, and small tools of the storage tests.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/storage/test_util.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/xlog.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

#include "test_util.h"
#include "../../src/compat.h"

PG_MODULE_MAGIC;

#if PG_VERSION_NUM < 160000
extern PGDLLEXPORT void _PG_init(void);
#endif

PG_FUNCTION_INFO_V1(test_format);
PG_FUNCTION_INFO_V1(test_check);

static bytea *
make_bytea(const char *data, Size size)
{
	bytea	   *result = palloc(VARHDRSZ + size);

	SET_VARSIZE(result, VARHDRSZ + size);
	if (size > 0)
		memcpy(VARDATA(result), data, size);
	return result;
}

static bool
log_row(TupleDesc desc, const LogEntry *entry, Datum *values, bool *isnull)
{
	values[0] = Int64GetDatum((int64) entry->index);
	values[1] = Int64GetDatum((int64) entry->term);
	values[2] = Int32GetDatum(entry->type);
	values[3] = PointerGetDatum(make_bytea(entry->data, entry->size));
	memset(isnull, false, 4);
	return true;
}

static bool
tree_row(TupleDesc desc, const TreeItem *item, Datum *values, bool *isnull)
{
	values[0] = Int32GetDatum(item->key.space);
	values[1] = PointerGetDatum(make_bytea(item->key.data, item->key.len));
	values[2] = Int64GetDatum((int64) item->key.major);
	values[3] = Int64GetDatum((int64) item->key.minor);
	values[4] = PointerGetDatum(make_bytea(item->value, item->value_len));
	memset(isnull, false, 5);
	return true;
}

void
_PG_init(void)
{
	storage_register_rows(log_row, tree_row);
	if (process_shared_preload_libraries_in_progress)
		storage_install_ddl_guard();
}

/* splitmix64 */
uint64
random_next(Random *random)
{
	uint64		z = (random->state += UINT64CONST(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64CONST(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64CONST(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

uint64
random_below(Random *random, uint64 limit)
{
	return random_next(random) % limit;
}

bool
random_chance(Random *random, int percent)
{
	return random_below(random, 100) < (uint64) percent;
}

/* Bytes that are a function of a seed */
void
fill_bytes(char *p, Size size, uint64 seed)
{
	Random		random = {seed};

	while (size > 0)
	{
		uint64		word = random_next(&random);
		Size		bytes = Min(size, sizeof(word));

		memcpy(p, &word, bytes);
		p += bytes;
		size -= bytes;
	}
}

bool
bytes_are(const char *p, Size size, uint64 seed)
{
	Random		random = {seed};

	while (size > 0)
	{
		uint64		word = random_next(&random);
		Size		bytes = Min(size, sizeof(word));

		if (memcmp(p, &word, bytes) != 0)
			return false;
		p += bytes;
		size -= bytes;
	}
	return true;
}

Relation
open_relation(StorageKind kind, LOCKMODE mode)
{
	Relation	rel = storage_open(kind, mode, false);

	if (rel == NULL)
		elog(ERROR, "there is no such relation");
	return rel;
}

static void
raise_finding(const char *relation, BlockNumber block, const char *finding, void *arg)
{
	elog(ERROR, "%s: block %u %s", relation, block, finding);
}

void
expect_no_findings(Relation rel, StorageKind kind)
{
	storage_check(rel, kind, raise_finding, NULL);
}

char *
show_key(const TreeKey *key)
{
	int			shown = Min(key->len, 24);
	char	   *hex = palloc(shown * 2 + 1);

	hex_encode(key->data, shown, hex);
	hex[shown * 2] = '\0';
	return psprintf("%u:%s(%u):" UINT64_FORMAT ":" UINT64_FORMAT,
					key->space, hex, key->len, key->major, key->minor);
}

Datum
test_format(PG_FUNCTION_ARGS)
{
	Relation	tree = open_relation(STORAGE_TREE, RowExclusiveLock);
	Relation	log = open_relation(STORAGE_LOG, RowExclusiveLock);

	tree_format(tree, "tree", 4);
	logring_format(log, 0, 0, "log", 3);
	relation_close(tree, RowExclusiveLock);
	relation_close(log, RowExclusiveLock);

	/* without a transaction id, COMMIT does not flush */
	XLogFlush(XactLastRecEnd);
	PG_RETURN_VOID();
}

static void
store_finding(const char *relation, BlockNumber block, const char *finding, void *arg)
{
	ReturnSetInfo *rsinfo = arg;
	Datum		values[3];
	bool		nulls[3] = {false, false, false};

	values[0] = CStringGetTextDatum(relation);
	values[1] = Int64GetDatum((int64) block);
	values[2] = CStringGetTextDatum(finding);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

Datum
test_check(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Relation	rel;

	InitMaterializedSRF(fcinfo, 0);
	rel = open_relation(STORAGE_TREE, ExclusiveLock);
	storage_check(rel, STORAGE_TREE, store_finding, rsinfo);
	relation_close(rel, ExclusiveLock);
	rel = open_relation(STORAGE_LOG, ExclusiveLock);
	storage_check(rel, STORAGE_LOG, store_finding, rsinfo);
	relation_close(rel, ExclusiveLock);
	return (Datum) 0;
}
