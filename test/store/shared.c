/*-------------------------------------------------------------------------
 *
 * shared.c
 *	  One writer and many readers of a store, in processes of their own.
 *
 * The writer writes ten keys in each transaction, all with the same value, so a
 * reader that ever finds two of them different has seen something that was never
 * published as a whole.  Each command makes one revision, so the events must cover
 * every one.  Values are short and long in turn, and old versions are compacted
 * all the time, so pages are freed and used again under the readers.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/store/shared.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "build_requests.h"

#define SHARED_TABLE	"store_test_shared"
#define GROUP_KEYS		10
#define KEPT_REVISIONS	300

PG_FUNCTION_INFO_V1(store_test_shared_setup);
PG_FUNCTION_INFO_V1(store_test_shared_write);
PG_FUNCTION_INFO_V1(store_test_shared_read);

Datum
store_test_shared_setup(PG_FUNCTION_ARGS)
{
	World	   *world = world_create("shared store", SHARED_TABLE, 1);

	store_close(world->store);
	relation_close(world->tree, NoLock);
	PG_RETURN_VOID();
}

/*
 * Leases: one that lives for ever and whose checkpoints only grow, two beside it
 * that come and go, one of them with a key.
 */
#define LASTING_LEASE	5
#define BRIEF_LEASE		4
#define KEY_LEASE		6
#define LEASE_KEY		"a-lease"

static void
write_leases(Store *store, Gen *gen, uint64 *index)
{
	(void) store_apply(store, *index + 1, 1,
					   checkpoint_command(LASTING_LEASE, *index + 1), false, NULL);
	(*index)++;
	(void) store_apply(store, ++*index, 1, grant_command(BRIEF_LEASE, 10), false, NULL);
	if (gen_chance(gen, 70))
		(void) store_apply(store, ++*index, 1, revoke_command(BRIEF_LEASE), false, NULL);
	(void) store_apply(store, ++*index, 1, grant_command(KEY_LEASE, 10), false, NULL);
	if (gen_chance(gen, 70))
		(void) store_apply(store, ++*index, 1, put_lease_command(LEASE_KEY, KEY_LEASE), false, NULL);
	if (gen_chance(gen, 70))
		(void) store_apply(store, ++*index, 1, revoke_command(KEY_LEASE), false, NULL);
}

static Quorum__Command *
group_command(Gen *gen, uint64 number)
{
	Etcdserverpb__TxnRequest *txn = make_txn();
	char	   *value = psprintf("%llu", (unsigned long long) number);
	size_t		size = gen_chance(gen, 10) ? 3000 + gen_number(gen, 20000) : 30;
	int			i;

	for (i = 0; i < GROUP_KEYS; i++)
	{
		Etcdserverpb__RequestOp *op = put_op(psprintf("p%d", i), "");

		op->request_put->value = long_bytes('.', size);
		memcpy(op->request_put->value.data, value, strlen(value));
		add_op(txn, true, op);
	}
	return txn_command(txn);
}

Datum
store_test_shared_write(PG_FUNCTION_ARGS)
{
	TimestampTz end = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
												  PG_GETARG_INT32(0) * 1000);
	Relation	tree = relation_openrv(makeRangeVar(NULL, SHARED_TABLE, -1), RowExclusiveLock);
	Store	   *store = store_open(tree);
	uint64		index = store_meta(store)->applied_index;
	MemoryContext context;
	MemoryContext old_context;
	Gen			gen;

	gen_init(&gen, index + 1);
	context = AllocSetContextCreate(CurrentMemoryContext, "batch", ALLOCSET_DEFAULT_SIZES);
	old_context = MemoryContextSwitchTo(context);
	while (GetCurrentTimestamp() < end)
	{
		int			n = 1 + gen_number(&gen, 6);

		store_begin(store, tree, NULL, NULL);
		if (index == 0)
			(void) store_apply(store, ++index, 1,
							   grant_command(LASTING_LEASE, STORE_MAX_LEASE_TTL), false, NULL);
		if (gen_chance(&gen, 50))
			write_leases(store, &gen, &index);
		while (n-- > 0)
		{
			if (gen_chance(&gen, 20))
				store_apply(store, ++index, 1,
							put_command(psprintf("a%d", gen_number(&gen, 5000)), "filler"), false, NULL);
			else if (gen_chance(&gen, 10))
				store_apply(store, ++index, 1, delete_command("p", "q"), false, NULL);
			store_apply(store, index + 1, 1, group_command(&gen, index + 1), false, NULL);
			index++;
		}
		if (gen_chance(&gen, 10) && store_meta(store)->revision > KEPT_REVISIONS)
			store_apply(store, ++index, 1,
						compact_command(store_meta(store)->revision - KEPT_REVISIONS), false, NULL);
		store_commit(store);
		(void) store_compact_slice(store, tree, 100);
		MemoryContextReset(context);
		CHECK_FOR_INTERRUPTS();
	}
	MemoryContextSwitchTo(old_context);
	store_close(store);
	relation_close(tree, NoLock);
	PG_RETURN_VOID();
}

/* Is every key of the group there with the same value, or none at all? */
static void
check_group(Relation tree, int64 revision, int *reads)
{
	Etcdserverpb__RangeRequest *request = range_op("p", "q", revision)->request_range;
	RangeCollector collector;
	StoreRangeInfo info;
	StoreError	error;
	size_t		i;

	range_collector_init(&collector);
	error = store_range(tree, NULL, request, true, collect_kv, &collector, &info);
	if (error == STORE_COMPACTED)
		return;
	expect(error == STORE_OK);
	expect(info.count == 0 || info.count == GROUP_KEYS);
	expect((int64) collector.response->n_kvs == info.count);
	for (i = 1; i < collector.response->n_kvs; i++)
	{
		Mvccpb__KeyValue *first = collector.response->kvs[0];
		Mvccpb__KeyValue *kv = collector.response->kvs[i];

		expect(kv->mod_revision == first->mod_revision && kv->version == first->version);
		expect(kv->create_revision == first->create_revision);
		expect(model_compare_bytes(kv->value.data, kv->value.len,
								   first->value.data, first->value.len) == 0);
	}
	(*reads)++;
}

/* Events from where the last call ended, and a gap only after a compaction */
static void
check_events(Relation tree, int64 *after, int *told)
{
	EventCollector collector;
	int64		expected = *after + 1;
	int64		next_after;
	StoreError	error;
	int			i = 0;

	event_collector_init(&collector);
	error = store_events(tree, NULL, "", 0, "", 1, *after, 0, true, 1000,
						 collect_event, &collector, &next_after);
	if (error == STORE_COMPACTED)
	{
		Quorum__StoreMeta *meta = store_read_meta(tree);

		*after = meta->revision;
		return;
	}
	expect(error == STORE_OK);
	while (i < collector.n)
	{
		Mvccpb__Event *event = collector.events[i];
		int			n = event->kv->key.data[0] == 'a' ? 1 : GROUP_KEYS;
		int			j;

		expect(event->kv->mod_revision == expected++);
		expect(i + n <= collector.n);
		for (j = 0; j < n; j++)
		{
			expect(collector.events[i + j]->kv->mod_revision == event->kv->mod_revision);
			expect(collector.events[i + j]->type == event->type);
			expect(event->type == MVCCPB__EVENT__EVENT_TYPE__DELETE ||
				   collector.events[i + j]->kv->value.len == event->kv->value.len);
		}
		i += n;
	}
	expect(next_after == expected - 1);
	*after = next_after;
	*told += collector.n;
}

typedef struct LeaseCount
{
	int			lasting;
	int			others;
	int64		last;
	int			keys;
} LeaseCount;

static bool
count_lease(const StoreLease *lease, void *arg)
{
	LeaseCount *count = arg;

	expect(lease->id > count->last);
	count->last = lease->id;
	if (lease->id == LASTING_LEASE)
		count->lasting++;
	else
	{
		expect(lease->id == BRIEF_LEASE || lease->id == KEY_LEASE);
		count->others++;
	}
	return true;
}

static bool
count_lease_key(const char *key, uint32 key_len, void *arg)
{
	expect(key_len == strlen(LEASE_KEY) && memcmp(key, LEASE_KEY, key_len) == 0);
	((LeaseCount *) arg)->keys++;
	return true;
}

/* The lasting lease is never missed, and does not go back */
static void
check_leases(Relation tree, int64 *remaining)
{
	LeaseCount	count = {0, 0, 0, 0};
	StoreLease	lease;

	if (store_read_meta(tree)->applied_index == 0)
		return;
	expect(store_get_lease(tree, LASTING_LEASE, &lease));
	expect(lease.ttl == STORE_MAX_LEASE_TTL && lease.remaining >= *remaining);
	*remaining = lease.remaining;
	store_scan_leases(tree, 0, count_lease, &count);
	expect(count.lasting == 1 && count.others <= 2);
	expect(store_lease_keys(tree, NULL, KEY_LEASE, count_lease_key, &count) == STORE_OK);
	expect(count.keys <= 1);
	expect(store_lease_keys(tree, NULL, BRIEF_LEASE, count_lease_key, &count) == STORE_OK);
	expect(count.keys <= 1);
}

static void
check_hash(Relation tree)
{
	uint32		hash;
	uint32		again;
	int64		revision;
	int64		compacted;
	int64		compacted_again;

	expect(store_hash_kv(tree, NULL, 0, &hash, &revision, &compacted) == STORE_OK);
	if (store_hash_kv(tree, NULL, revision, &again, &revision, &compacted_again) != STORE_OK ||
		compacted_again != compacted)
		return;
	expect(again == hash);
}

Datum
store_test_shared_read(PG_FUNCTION_ARGS)
{
	TimestampTz end = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
												  PG_GETARG_INT32(0) * 1000);
	Relation	tree = relation_openrv(makeRangeVar(NULL, SHARED_TABLE, -1), AccessShareLock);
	MemoryContext context;
	MemoryContext old_context;
	int64		after = 1;
	int64		remaining = 0;
	int			told = 0;
	int			reads = 0;
	int			i;
	Gen			gen;

	gen_init(&gen, (uint64) MyProcPid);
	context = AllocSetContextCreate(CurrentMemoryContext, "read", ALLOCSET_DEFAULT_SIZES);
	old_context = MemoryContextSwitchTo(context);
	while (GetCurrentTimestamp() < end)
	{
		Quorum__StoreMeta *meta = store_read_meta(tree);

		check_group(tree, 0, &reads);
		check_group(tree, Max(meta->revision - gen_number(&gen, KEPT_REVISIONS + 20), 1), &reads);
		check_events(tree, &after, &told);
		for (i = 0; i < 20; i++)
			check_leases(tree, &remaining);
		if (gen_chance(&gen, 5))
			check_hash(tree);
		MemoryContextReset(context);
		CHECK_FOR_INTERRUPTS();
	}
	MemoryContextSwitchTo(old_context);
	relation_close(tree, NoLock);
	expect(reads > 10 && told > 10 && remaining > 0);
	PG_RETURN_INT32(told);
}
