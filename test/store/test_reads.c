/*-------------------------------------------------------------------------
 *
 * test_reads.c
 *	  Directed tests of reads: ranges, long keys and values, events.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/store/test_reads.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "build_requests.h"
#include "directed.h"

#define TABLE	"store_test_table"

#define PUT		MVCCPB__EVENT__EVENT_TYPE__PUT
#define DELETE	MVCCPB__EVENT__EVENT_TYPE__DELETE

void
test_fresh_store(void)
{
	World	   *world = world_create("fresh store", TABLE, 0);
	Quorum__StoreMeta *meta = store_read_meta(world->tree);
	Mvccpb__KeyValue *kv;
	StoreRangeInfo info;
	uint32		hash;
	int64		revision;
	int64		compacted;

	expect(meta->revision == 1 && meta->compacted_revision == -1 && meta->applied_index == 0);
	expect(meta->live_keys == 0 && meta->configuration->n_voters == 1);
	expect(store_is_formatted(world->tree));
	expect(store_get(world->tree, NULL, "a", 1, 0, &kv, &info) == STORE_OK && kv == NULL);
	expect(info.revision == 1 && info.compacted_revision == -1 && info.count == 0);
	expect(store_get(world->tree, NULL, "a", 1, 1, &kv, &info) == STORE_OK && kv == NULL);
	expect(store_get(world->tree, NULL, "a", 1, 2, &kv, &info) == STORE_FUTURE_REVISION);
	expect(info.revision == 1);
	expect(store_get(world->tree, NULL, "", 0, 0, &kv, &info) == STORE_EMPTY_KEY);
	expect(store_hash_kv(world->tree, NULL, 0, &hash, &revision, &compacted) == STORE_OK);
	expect(revision == 1 && compacted == -1);
	expect(store_hash_kv(world->tree, NULL, 2, &hash, &revision, &compacted) == STORE_FUTURE_REVISION);
	expect(list_length(store_read_members(world->tree)) == 1);
	world_destroy(world);
}

/* The keys of a range's result, as one string */
static char *
keys_of(World *world, const Etcdserverpb__RangeRequest *request, StoreRangeInfo *info)
{
	StringInfoData keys;
	RangeCollector collector;
	size_t		i;

	range_collector_init(&collector);
	expect(store_range(world->tree, NULL, request, true, collect_kv, &collector, info) == STORE_OK);
	initStringInfo(&keys);
	for (i = 0; i < collector.response->n_kvs; i++)
	{
		Mvccpb__KeyValue *kv = collector.response->kvs[i];

		appendBinaryStringInfo(&keys, (char *) kv->key.data, kv->key.len);
		if (request->keys_only)
			expect(kv->value.len == 0);
	}
	return keys.data;
}

void
test_range_options(void)
{
	World	   *world = world_create("range options", TABLE, 0);
	Etcdserverpb__RangeRequest *r = range_op("a", "", 0)->request_range;
	StoreRangeInfo info;
	Quorum__Command *command = put_command("d", "4");

	world_apply(world, put_command("c", "1"));	/* 2 */
	world_apply(world, put_command("a", "3"));	/* 3 */
	world_apply(world, put_command("b", "2"));	/* 4 */
	world_apply(world, put_command("c", "0"));	/* 5 */
	world_apply(world, command);	/* 6 */

	expect(strcmp(keys_of(world, r, &info), "abcd") == 0 && info.count == 4 && !info.more);
	r->limit = 2;
	expect(strcmp(keys_of(world, r, &info), "ab") == 0 && info.count == 4 && info.more);
	r->limit = 4;
	expect(strcmp(keys_of(world, r, &info), "abcd") == 0 && info.count == 4 && !info.more);
	r->limit = -1;
	expect(strcmp(keys_of(world, r, &info), "abcd") == 0 && !info.more);

	r->limit = 2;
	r->sort_order = ETCDSERVERPB__RANGE_REQUEST__SORT_ORDER__DESCEND;
	expect(strcmp(keys_of(world, r, &info), "dc") == 0 && info.count == 4 && info.more);
	r->sort_target = ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__VALUE;
	expect(strcmp(keys_of(world, r, &info), "da") == 0);
	r->keys_only = true;
	expect(strcmp(keys_of(world, r, &info), "da") == 0);
	r->keys_only = false;
	r->sort_target = ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__MOD;
	expect(strcmp(keys_of(world, r, &info), "dc") == 0);
	r->sort_target = ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__CREATE;
	r->limit = 0;
	expect(strcmp(keys_of(world, r, &info), "dbac") == 0 && !info.more);
	r->sort_target = ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__VERSION;
	expect(strcmp(keys_of(world, r, &info), "cabd") == 0);
	r->sort_order = ETCDSERVERPB__RANGE_REQUEST__SORT_ORDER__ASCEND;
	expect(strcmp(keys_of(world, r, &info), "abdc") == 0);

	/* a target without an order sorts upwards, but a limit cuts first */
	r->sort_order = ETCDSERVERPB__RANGE_REQUEST__SORT_ORDER__NONE;
	r->sort_target = ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__VALUE;
	expect(strcmp(keys_of(world, r, &info), "cbad") == 0);
	r->limit = 1;
	expect(strcmp(keys_of(world, r, &info), "b") == 0 && info.more && info.count == 4);

	/* filters are inclusive, and do not change the count */
	r = range_op("a", "", 0)->request_range;
	r->min_mod_revision = 4;
	r->max_mod_revision = 5;
	expect(strcmp(keys_of(world, r, &info), "bc") == 0 && info.count == 4 && !info.more);
	r->limit = 1;
	expect(strcmp(keys_of(world, r, &info), "b") == 0 && info.count == 4 && info.more);
	r->min_mod_revision = r->max_mod_revision = r->limit = 0;
	r->max_create_revision = 2;
	expect(strcmp(keys_of(world, r, &info), "c") == 0);
	r->count_only = true;
	r->limit = 1;
	expect(strcmp(keys_of(world, r, &info), "") == 0 && info.count == 4 && !info.more);

	/* an older revision; header.revision is still the current one */
	r = range_op("a", "", 3)->request_range;
	expect(strcmp(keys_of(world, r, &info), "ac") == 0 && info.revision == 6);
	r = range_op("c", "a", 0)->request_range;
	expect(strcmp(keys_of(world, r, &info), "") == 0 && info.count == 0);
	world_destroy(world);
}

/* Sorted ranges with a limit keep only what may be in the result */
void
test_sorted_limits(void)
{
	static const int limits[] = {1, 400, 511, 512, 513, 2999, 3000, 5000};
	World	   *world = world_create("sorted limits", TABLE, 0);
	Etcdserverpb__RangeRequest *r = range_op("k", "l", 0)->request_range;
	int			number;
	size_t		i;
	int			j;

	/* revision 2 + j is that of key number j * 1009 modulo 3000 */
	store_begin(world->store, world->tree, NULL, NULL);
	for (j = 0; j < 3000; j++)
		store_apply(world->store, j + 1, 1,
					put_command(psprintf("k%04d", j * 1009 % 3000), "v"), false, NULL);
	store_commit(world->store);

	for (i = 0; i < lengthof(limits); i++)
	{
		RangeCollector collector;
		StoreRangeInfo info;

		r->limit = limits[i];
		r->sort_order = ETCDSERVERPB__RANGE_REQUEST__SORT_ORDER__DESCEND;
		r->sort_target = ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__MOD;
		range_collector_init(&collector);
		expect(store_range(world->tree, NULL, r, true, collect_kv, &collector, &info) == STORE_OK);
		expect(info.count == 3000 && info.more == (limits[i] < 3000));
		expect((int) collector.response->n_kvs == Min(limits[i], 3000));
		for (j = 0; j < (int) collector.response->n_kvs; j++)
			expect(collector.response->kvs[j]->mod_revision == 3001 - j);

		r->sort_target = ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__KEY;
		range_collector_init(&collector);
		expect(store_range(world->tree, NULL, r, true, collect_kv, &collector, &info) == STORE_OK);
		expect((int) collector.response->n_kvs == Min(limits[i], 3000));
		for (j = 0; j < (int) collector.response->n_kvs; j++)
		{
			expect(sscanf((char *) collector.response->kvs[j]->key.data, "k%d", &number) == 1);
			expect(number == 2999 - j);
		}
	}
	world_destroy(world);
}

void
test_long_keys(void)
{
	World	   *world = world_create("long keys", TABLE, 0);
	Quorum__Command *command = put_command("k", "long");
	Etcdserverpb__RangeRequest *r = range_op("k", "", 0)->request_range;
	StoreRangeInfo info;
	int			i;

	for (i = 0; i < 40; i++)
	{
		command->put->key = long_bytes('k', STORE_MAX_KEY_BYTES - i);
		expect_error(world, command, STORE_OK);
	}
	world_apply(world, put_command("l", "x"));
	expect(strlen(keys_of(world, r, &info)) > 0 && info.count == 41);

	/* the key behind the longest one, and keys that are longer than any can be */
	r->key = long_bytes('k', STORE_MAX_KEY_BYTES + 1);
	r->key.data[STORE_MAX_KEY_BYTES] = '\0';
	expect(strcmp(keys_of(world, r, &info), "l") == 0 && info.count == 1);
	r->key = long_bytes('k', 100000);
	expect(strcmp(keys_of(world, r, &info), "l") == 0 && info.count == 1);
	r->range_end.len = 0;
	expect(strcmp(keys_of(world, r, &info), "") == 0 && info.count == 0);
	r->key = text_bytes("k");
	r->range_end = long_bytes('k', 100000);
	expect(strlen(keys_of(world, r, &info)) > 0 && info.count == 40);

	/* deletes and compares take them as well */
	command = delete_command("k", "");
	command->delete_range->key = long_bytes('k', 5000);
	expect(world_apply(world, command)->delete_range->deleted == 1);
	command->delete_range->key = text_bytes("k");
	expect(world_apply(world, command)->delete_range->deleted == 40);
	world_check_state(world);
	world_destroy(world);
}

void
test_long_values(void)
{
	World	   *world = world_create("long values", TABLE, 0);
	static const int sizes[] = {0, 1, 1000, 1900, 2000, 2040, 2100, 8192, 100000, 1500000};
	Quorum__Command *command;
	size_t		i;

	for (i = 0; i < lengthof(sizes); i++)
	{
		command = put_command(psprintf("k%d", (int) i), "");
		command->put->value = long_bytes('a' + i, sizes[i]);
		expect_error(world, command, STORE_OK);
		command->put->key = text_bytes("same");
		command->put->prev_kv = true;
		expect_error(world, command, STORE_OK);
	}
	for (i = 0; i < lengthof(sizes); i++)
	{
		char	   *key = psprintf("k%d", (int) i);
		Mvccpb__KeyValue *kv;
		StoreRangeInfo info;
		int			j;

		expect(store_get(world->tree, NULL, key, strlen(key), 0, &kv, &info) == STORE_OK);
		expect(kv->value.len == (size_t) sizes[i]);
		for (j = 0; j < sizes[i]; j++)
			expect(kv->value.data[j] == 'a' + i);
	}
	command = put_command("same", "");
	command->put->ignore_value = true;
	expect_error(world, command, STORE_OK);
	world_check_state(world);
	expect_error(world, compact_command(store_meta(world->store)->revision), STORE_OK);
	world_compact_all(world);
	world_check_state(world);
	world_check_items(world);
	world_destroy(world);
}

void
test_prefix_end(void)
{
	uint32		len;
	char	   *end;

	end = store_prefix_end("abc", 3, &len);
	expect(len == 3 && memcmp(end, "abd", 3) == 0);
	end = store_prefix_end("ab\xff", 3, &len);
	expect(len == 2 && memcmp(end, "ac", 2) == 0);
	end = store_prefix_end("\xff\xff", 2, &len);
	expect(len == 1 && end[0] == '\0');
	end = store_prefix_end("", 0, &len);
	expect(len == 1 && end[0] == '\0');
	end = store_prefix_end("\x7f", 1, &len);
	expect(len == 1 && (uint8) end[0] == 0x80);
}

/* What reads of a key with many versions cost does not grow with them */
void
test_hot_key(void)
{
	World	   *world = world_create("hot key", TABLE, 0);
	Etcdserverpb__RangeRequest *r = range_op("a", "", 0)->request_range;
	Quorum__Result *result;
	EventCollector collector;
	StoreRangeInfo info;
	Mvccpb__KeyValue *kv;
	int64		next_after;
	int			i;

	world_apply(world, put_command("a", "1"));
	world_apply(world, put_command("z", "1"));
	store_begin(world->store, world->tree, NULL, NULL);
	for (i = 0; i < 20000; i++)
		store_apply(world->store, world->nentries + 1 + i, 1, put_command("hot", "v"), false, &result);
	store_commit(world->store);

	tree_steps = 0;
	expect(strcmp(keys_of(world, r, &info), "ahotz") == 0 && info.count == 3);
	expect(tree_steps < 50);
	tree_steps = 0;
	r->revision = 10000;
	expect(strcmp(keys_of(world, r, &info), "ahotz") == 0 && info.count == 3);
	expect(tree_steps < 50);
	tree_steps = 0;
	r->revision = 3;
	expect(strcmp(keys_of(world, r, &info), "az") == 0 && info.count == 2);
	expect(tree_steps < 50);
	expect(store_get(world->tree, NULL, "hot", 3, 5000, &kv, &info) == STORE_OK);
	expect(kv->mod_revision == 5000 && kv->version == 5000 - 3);

	/* the last events of one key among many of another */
	tree_steps = 0;
	event_collector_init(&collector);
	expect(store_events(world->tree, NULL, "z", 1, NULL, 0, 1, 0, true, 0,
						collect_event, &collector, &next_after) == STORE_OK);
	expect(collector.n == 1 && next_after == 20003 && tree_steps < 50);
	world_destroy(world);
}

static StoreError
get_events(World *world, const char *key, const char *range_end, int64 after, int64 until,
		   int64 max_events, EventCollector *collector, int64 *next_after)
{
	/* "" stands for the zero byte: no end */
	uint32		end_len = range_end == NULL ? 0 : Max(strlen(range_end), 1);

	event_collector_init(collector);
	return store_events(world->tree, NULL, key, strlen(key), range_end, end_len, after, until,
						true, max_events, collect_event, collector, next_after);
}

void
test_event_limits(void)
{
	World	   *world = world_create("limits of events", TABLE, 0);
	Etcdserverpb__TxnRequest *txn = make_txn();
	EventCollector collector;
	int64		next_after;
	int			i;

	for (i = 0; i < 10; i++)
		add_op(txn, true, put_op(psprintf("t%d", i), "v"));
	world_apply(world, put_command("a", "1"));	/* 2 */
	world_apply(world, txn_command(txn));	/* 3 */
	world_apply(world, put_command("a", "2"));	/* 4 */
	world_apply(world, delete_command("a", NULL));	/* 5 */

	/* a revision is never cut in two */
	expect(get_events(world, "", "", 0, 0, 1, &collector, &next_after) == STORE_OK);
	expect(collector.n == 1 && next_after == 2);
	expect(get_events(world, "", "", 2, 0, 1, &collector, &next_after) == STORE_OK);
	expect(collector.n == 10 && next_after == 3);
	expect(get_events(world, "", "", 2, 0, 11, &collector, &next_after) == STORE_OK);
	expect(collector.n == 11 && next_after == 4);
	expect(get_events(world, "", "", 0, 0, 0, &collector, &next_after) == STORE_OK);
	expect(collector.n == 13 && next_after == 5);
	expect(collector.events[12]->type == DELETE && collector.events[12]->kv->mod_revision == 5);
	expect(collector.events[12]->kv->create_revision == 0 && collector.events[12]->kv->value.len == 0);
	expect(collector.events[12]->prev_kv->version == 2);
	expect(get_events(world, "", "", 0, 3, 0, &collector, &next_after) == STORE_OK);
	expect(collector.n == 11 && next_after == 3);

	/* of one key */
	expect(get_events(world, "a", NULL, 0, 0, 2, &collector, &next_after) == STORE_OK);
	expect(collector.n == 2 && next_after == 4 && collector.events[1]->prev_kv->mod_revision == 2);
	expect(get_events(world, "a", NULL, 4, 0, 2, &collector, &next_after) == STORE_OK);
	expect(collector.n == 1 && next_after == 5);
	expect(get_events(world, "a", NULL, 5, 0, 2, &collector, &next_after) == STORE_OK);
	expect(collector.n == 0 && next_after == 5);
	expect(get_events(world, "a", NULL, 99, 0, 0, &collector, &next_after) == STORE_OK);
	expect(collector.n == 0 && next_after == 99);
	expect(get_events(world, "none", NULL, 0, 0, 2, &collector, &next_after) == STORE_OK);
	expect(collector.n == 0 && next_after == 5);

	/* a visitor that stops */
	event_collector_init(&collector);
	collector.stop_after = 4;
	expect(store_events(world->tree, NULL, "", 0, "", 1, 0, 0, false, 0,
						collect_event, &collector, &next_after) == STORE_OK);
	expect(collector.n == 4 && next_after == 2);

	/* many, with long values: in portions */
	for (i = 0; i < 600; i++)
	{
		Quorum__Command *command = put_command("long", "");

		command->put->value = long_bytes('v', i % 10 == 0 ? 100000 : 10);
		world_apply(world, command);
	}
	expect(get_events(world, "long", NULL, 0, 0, 0, &collector, &next_after) == STORE_OK);
	expect(collector.n == 600 && next_after == 605);
	expect(get_events(world, "", "", 5, 0, 0, &collector, &next_after) == STORE_OK);
	expect(collector.n == 600 && next_after == 605);
	for (i = 0; i < 600; i++)
		expect(collector.events[i]->kv->mod_revision == 6 + i);
	expect(get_events(world, "long", NULL, 0, 0, 100, &collector, &next_after) == STORE_OK);
	expect(collector.n == 100 && next_after == 105);
	world_destroy(world);
}

/* An event for each change, once, whatever in a transaction was only read */
void
test_events_once_17247(void)
{
	World	   *world = world_create("events once", TABLE, 0);
	Etcdserverpb__TxnRequest *txn = make_txn();
	Etcdserverpb__TxnRequest *nested = make_txn();
	EventCollector collector;
	int64		next_after;

	world_apply(world, put_command("a", "1"));	/* 2 */
	add_op(nested, true, put_op("c", "1"));
	add_op(nested, true, range_op("a", "", 0));
	add_op(txn, true, range_op("a", "", 0));
	add_op(txn, true, put_op("b", "1"));
	add_op(txn, true, range_op("a", "", 0));
	add_op(txn, true, delete_op("nothing", NULL));
	add_op(txn, true, txn_op(nested));
	add_op(txn, false, put_op("d", "1"));
	world_apply(world, txn_command(txn));	/* 3 */
	expect(get_events(world, "", "", 2, 0, 0, &collector, &next_after) == STORE_OK);
	expect(collector.n == 2 && next_after == 3);
	expect(collector.events[0]->kv->key.data[0] == 'b' && collector.events[1]->kv->key.data[0] == 'c');
	world_destroy(world);
}

/* The delete at the compacted revision is still told, before and after the removal */
void
test_compacted_delete_19179(void)
{
	World	   *world = world_create("delete at the compacted revision", TABLE, 0);
	EventCollector collector;
	int64		next_after;
	int			round;

	world_apply(world, put_command("a", "1"));	/* 2 */
	world_apply(world, put_command("b", "1"));	/* 3 */
	world_apply(world, delete_command("a", NULL));	/* 4 */
	world_apply(world, put_command("b", "2"));	/* 5 */
	expect_error(world, compact_command(4), STORE_OK);
	for (round = 0; round < 2; round++)
	{
		expect(get_events(world, "", "", 3, 0, 0, &collector, &next_after) == STORE_OK);
		expect(collector.n == 2 && next_after == 5);
		expect(collector.events[0]->type == DELETE && collector.events[0]->kv->mod_revision == 4);
		expect(collector.events[0]->prev_kv == NULL);
		expect(collector.events[1]->type == PUT && collector.events[1]->kv->mod_revision == 5);
		expect(collector.events[1]->prev_kv->mod_revision == 3);
		expect(get_events(world, "a", NULL, 3, 0, 0, &collector, &next_after) == STORE_OK);
		expect(collector.n == 1);
		expect(get_events(world, "", "", 2, 0, 0, &collector, &next_after) == STORE_COMPACTED);
		expect(collector.n == 0);
		world_compact_all(world);
	}
	world_destroy(world);
}

/* Events behind a compaction are all there when a delete was compacted */
void
test_compacted_delete_18089(void)
{
	World	   *world = world_create("compacted delete", TABLE, 0);
	EventCollector collector;
	StoreRangeInfo info;
	Mvccpb__KeyValue *kv;
	int64		next_after;
	int			round;

	world_apply(world, put_command("a", "1"));	/* 2 */
	world_apply(world, delete_command("a", NULL));	/* 3 */
	world_apply(world, put_command("a", "2"));	/* 4 */
	world_apply(world, delete_command("a", NULL));	/* 5 */
	world_apply(world, put_command("c", "1"));	/* 6 */
	world_apply(world, put_command("a", "3"));	/* 7 */
	world_apply(world, put_command("c", "2"));	/* 8 */
	expect_error(world, compact_command(3), STORE_OK);
	world_compact_all(world);
	expect(get_events(world, "a", NULL, 3, 0, 0, &collector, &next_after) == STORE_OK);
	expect(collector.n == 3 && collector.events[0]->prev_kv == NULL);
	expect(collector.events[1]->type == DELETE && collector.events[1]->prev_kv->mod_revision == 4);

	expect_error(world, compact_command(6), STORE_OK);
	for (round = 0; round < 2; round++)
	{
		expect(get_events(world, "", "", 6, 0, 0, &collector, &next_after) == STORE_OK);
		expect(collector.n == 2);
		expect(collector.events[0]->kv->mod_revision == 7 && collector.events[0]->prev_kv == NULL);
		expect(collector.events[1]->prev_kv->mod_revision == 6);
		expect(store_get(world->tree, NULL, "a", 1, 6, &kv, &info) == STORE_OK && kv == NULL);
		world_compact_all(world);
	}
	world_check_items(world);
	world_destroy(world);
}

/* ----------------------------------------------------------------
 *	Compactions that overtake reads
 * ----------------------------------------------------------------
 */

typedef struct Overtaker
{
	World	   *world;
	int			visited;
	int			at;				/* compact at this visit */
} Overtaker;

static void
overtake(Overtaker *overtaker)
{
	World	   *world = overtaker->world;

	if (++overtaker->visited != overtaker->at)
		return;
	world_apply(world, put_command("a", "new"));
	world_apply(world, delete_command("k1", "k9"));
	world_apply(world, put_command("z", "new"));
	expect_error(world, compact_command(store_meta(world->store)->revision), STORE_OK);
	world_compact_all(world);
}

static bool
overtaken_kv(const Mvccpb__KeyValue *kv, void *arg)
{
	overtake((Overtaker *) arg);
	return true;
}

static bool
overtaken_event(const Mvccpb__Event *event, void *arg)
{
	overtake((Overtaker *) arg);
	return true;
}

static World *
world_of_many_keys(void)
{
	World	   *world = world_create("overtaken reads", TABLE, 0);
	int			i;

	for (i = 0; i < 500; i++)
		world_apply(world, put_command(psprintf("k%03d", i), "v"));
	return world;
}

void
test_overtaken_range(void)
{
	World	   *world = world_of_many_keys();
	Overtaker	overtaker = {world, 0, 3};
	StoreRangeInfo info;

	/* some keys have been shown, so it cannot begin again */
	expect(store_range(world->tree, NULL, range_op("a", "", 0)->request_range, true,
					   overtaken_kv, &overtaker, &info) == STORE_COMPACTED);
	expect(info.compacted_revision == store_meta(world->store)->compacted_revision);

	/* nothing happens in between: all is well */
	overtaker.visited = 1000;
	expect(store_range(world->tree, NULL, range_op("a", "", 0)->request_range, true,
					   overtaken_kv, &overtaker, &info) == STORE_OK);
	expect(info.count == world->model->nkeys - 400);
	world_destroy(world);
}

void
test_overtaken_events(void)
{
	World	   *world = world_of_many_keys();
	Overtaker	overtaker = {world, 0, 3};
	int64		next_after;

	/* what was told is right, and what could not be is not told */
	expect(store_events(world->tree, NULL, "", 0, "", 1, 0, 0, true, 0,
						overtaken_event, &overtaker, &next_after) == STORE_COMPACTED);
	expect(overtaker.visited >= 3 && overtaker.visited < 500);
	expect(next_after >= 2 && next_after <= 1 + overtaker.visited);
	world_destroy(world);
}

/* The rows that SELECT finds in the relation */
void
test_relation_rows(void)
{
	World	   *world = world_create("rows", TABLE, 0);
	char	   *text;

	world_apply(world, put_command("a", "1"));
	world_apply(world, put_command("a", "2"));
	world_apply(world, delete_command("a", NULL));
	world_apply(world, put_command("b", "3"));
	SPI_connect();
	expect(SPI_execute("SELECT string_agg(concat_ws(' ', convert_from(key, 'utf8'), mod_revision, sub, "
					   "create_revision, version, lease, deleted, convert_from(value, 'utf8')), ',') "
					   "FROM " TABLE, true, 0) == SPI_OK_SELECT);
	text = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	expect(strcmp(text, "a 4 0 0 0 0 t,a 3 0 2 2 0 f 2,a 2 0 2 1 0 f 1,b 5 0 5 1 0 f 3") == 0);
	SPI_finish();
	world_destroy(world);
}
