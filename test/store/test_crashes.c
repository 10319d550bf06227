/*-------------------------------------------------------------------------
 *
 * test_crashes.c
 *	  Directed tests of compaction, large commands, and crashes in them.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/store/test_crashes.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "storage/storage.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "build_requests.h"
#include "directed.h"
#include "store/encoding.h"
#include "store/store_int.h"

#define TABLE		"store_test_table"
#define OTHER_TABLE	"store_test_other_table"

void
test_compaction_errors(void)
{
	World	   *world = world_create("compaction errors", TABLE, 0);
	Mvccpb__KeyValue *kv;
	StoreRangeInfo info;

	expect_error(world, compact_command(-1), STORE_COMPACTED);
	expect_error(world, compact_command(2), STORE_FUTURE_REVISION);
	expect_error(world, compact_command(0), STORE_OK);
	expect_error(world, compact_command(0), STORE_COMPACTED);
	expect_error(world, compact_command(1), STORE_OK);
	world_apply(world, put_command("a", "1"));
	world_apply(world, put_command("a", "2"));
	world_apply(world, put_command("a", "3"));
	expect_error(world, compact_command(5), STORE_FUTURE_REVISION);
	expect_error(world, compact_command(3), STORE_OK);
	expect_error(world, compact_command(3), STORE_COMPACTED);
	expect_error(world, compact_command(2), STORE_COMPACTED);

	expect(store_get(world->tree, NULL, "a", 1, 2, &kv, &info) == STORE_COMPACTED);
	expect(info.revision == 4 && info.compacted_revision == 3);
	expect(store_get(world->tree, NULL, "a", 1, 3, &kv, &info) == STORE_OK && kv->version == 2);
	expect(store_get(world->tree, NULL, "a", 1, -7, &kv, &info) == STORE_OK && kv->version == 3);
	world_compact_all(world);
	expect(store_get(world->tree, NULL, "a", 1, 3, &kv, &info) == STORE_OK && kv->version == 2);
	expect(store_meta(world->store)->revision == 4);
	world_check_items(world);
	world_destroy(world);
}

/* A key that a transaction puts and deletes: both are gone after compaction */
void
test_compaction_within_revision(void)
{
	World	   *world = world_create("compaction within a revision", TABLE, 0);
	Etcdserverpb__TxnRequest *txn = make_txn();
	Etcdserverpb__TxnRequest *put = make_txn();
	Etcdserverpb__TxnRequest *delete = make_txn();
	EventCollector collector;
	int64		next_after;

	add_op(put, true, put_op("a", "2"));
	add_op(delete, true, delete_op("a", NULL));
	add_op(txn, true, txn_op(put));
	add_op(txn, true, txn_op(delete));
	world_apply(world, put_command("a", "1"));	/* 2 */
	world_apply(world, txn_command(txn));	/* 3 */
	world_apply(world, txn_command(txn));	/* 4 */

	event_collector_init(&collector);
	expect(store_events(world->tree, NULL, "a", 1, NULL, 0, 1, 0, true, 0,
						collect_event, &collector, &next_after) == STORE_OK);
	expect(collector.n == 5);
	expect(collector.events[1]->prev_kv->mod_revision == 2);
	expect(collector.events[2]->prev_kv->mod_revision == 2);
	expect(collector.events[3]->prev_kv == NULL && collector.events[4]->prev_kv == NULL);

	expect_error(world, compact_command(4), STORE_OK);
	world_compact_all(world);
	world_check_state(world);
	world_check_items(world);
	event_collector_init(&collector);
	expect(store_events(world->tree, NULL, "a", 1, NULL, 0, 3, 0, true, 0,
						collect_event, &collector, &next_after) == STORE_OK);
	expect(collector.n == 1 && collector.events[0]->type == MVCCPB__EVENT__EVENT_TYPE__DELETE);
	event_collector_init(&collector);
	expect(store_events(world->tree, NULL, "a", 1, "b", 1, 3, 0, true, 0,
						collect_event, &collector, &next_after) == STORE_OK);
	expect(collector.n == 1 && next_after == 4);

	world_apply(world, put_command("b", "1"));	/* 5 */
	expect_error(world, compact_command(5), STORE_OK);
	world_compact_all(world);
	world_check_items(world);
	world_destroy(world);
}

/* Compaction gives space back, and new writes take it */
void
test_compaction_space(void)
{
	World	   *world = world_create("compaction and space", TABLE, 0);
	TreeStat	stat;
	BlockNumber pages = 0;
	uint64		index = 0;
	int			round;
	int			i;

	for (round = 0; round < 8; round++)
	{
		store_begin(world->store, world->tree, NULL, NULL);
		for (i = 0; i < 2000; i++)
			store_apply(world->store, ++index, 1,
						put_command(psprintf("k%d", i), "0123456789012345678901234567890123456789"),
						false, NULL);
		store_apply(world->store, ++index, 1,
					compact_command(store_meta(world->store)->revision), false, NULL);
		store_commit(world->store);
		world_compact_all(world);
		tree_stat(world->tree, &stat);
		if (round == 2)
			pages = stat.pages;
	}
	expect(stat.pages <= pages + pages / 4);

	/* all gone: next to nothing is left */
	store_begin(world->store, world->tree, NULL, NULL);
	store_apply(world->store, ++index, 1, delete_all_command(), false, NULL);
	store_apply(world->store, ++index, 1, put_command("k", "v"), false, NULL);
	store_apply(world->store, ++index, 1,
				compact_command(store_meta(world->store)->revision), false, NULL);
	store_commit(world->store);
	world_compact_all(world);
	tree_stat(world->tree, &stat);
	expect(stat.pages - stat.free_pages < 30);
	world_destroy(world);
}

/* A history with all that compaction has to deal with */
static World *
world_with_history(const char *what, const char *table, int entries)
{
	World	   *world = world_create(what, table, 3);
	int			i;

	world->gen.simple = true;
	for (i = 0; i < entries; i += 10)
		world_random_batch(world, 10);
	return world;
}

typedef struct Slices
{
	World	   *world;
	int			max_revisions;
} Slices;

static void
compact_to_the_end(void *arg)
{
	Slices	   *slices = arg;

	while (store_compact_slice(slices->world->store, slices->world->tree, slices->max_revisions))
		;
}

/* A crash at any moment of a compaction, and the revision stays */
void
test_compaction_crash_17780(void)
{
	World	   *world = world_with_history("compaction crash", TABLE, 300);
	int64		revision = world->model->revision;
	Slices		slices = {world, 16};
	int			at = 0;
	bool		done;

	expect_error(world, compact_command(revision), STORE_OK);
	do
	{
		fuse = at++;
		done = attempt(compact_to_the_end, &slices);
		world_reopen(world);
		expect(store_meta(world->store)->revision == revision);
		expect(store_meta(world->store)->compacted_revision == revision);
		world_check_state(world);
	} while (!done);
	expect(at > 10);
	world_check_items(world);
	world_check_reads(world, 30);
	world_destroy(world);
}

/* How far compaction has come, and with how many crashes, does not show in the hash */
void
test_compaction_hash_14685(void)
{
	World	   *world = world_with_history("compaction and hash", TABLE, 200);
	int64		revision = world->model->revision;
	uint32		hash;
	uint32		hash_now;
	int64		at;
	int64		compacted;

	expect_error(world, compact_command(revision - 5), STORE_OK);
	expect(store_hash_kv(world->tree, NULL, 0, &hash, &at, &compacted) == STORE_OK);
	expect(at == revision && compacted == revision - 5);
	while (store_compact_slice(world->store, world->tree, 3))
	{
		expect(store_hash_kv(world->tree, NULL, 0, &hash_now, &at, &compacted) == STORE_OK);
		expect(hash_now == hash);
		if (gen_chance(&world->gen, 10))
			world_reopen(world);
	}
	expect(store_hash_kv(world->tree, NULL, 0, &hash_now, &at, &compacted) == STORE_OK);
	expect(hash_now == hash);
	expect(store_hash_kv(world->tree, NULL, revision - 6, &hash_now, &at, &compacted) == STORE_COMPACTED);
	world_destroy(world);
}

static void
commit_batch(void *arg)
{
	store_commit(((World *) arg)->store);
}

/* A batch of all kinds of commands, from a number */
static void
apply_batch(World *world, uint64 *index)
{
	Etcdserverpb__TxnRequest *txn = make_txn();

	add_op(txn, true, put_op("t1", "v"));
	add_op(txn, true, delete_op("b", NULL));
	add_op(txn, true, put_op("t2", "v"));
	store_begin(world->store, world->tree, NULL, NULL);
	store_apply(world->store, ++*index, 1, put_command("a", "1"), false, NULL);
	store_apply(world->store, ++*index, 1, put_command("b", "1"), false, NULL);
	store_apply(world->store, ++*index, 1, txn_command(txn), false, NULL);
	store_apply(world->store, ++*index, 1, delete_command("nothing", NULL), false, NULL);
	store_apply(world->store, ++*index, 1, delete_command("a", "z"), false, NULL);
	store_apply(world->store, ++*index, 1, put_command("a", "2"), false, NULL);
}

/*
 * Whatever part of a batch reached the disk, applying it again makes the state
 * that a member has which never crashed.
 */
void
test_crash_revisions_13766(void)
{
	World	   *world = world_create("crash and revisions", TABLE, 0);
	World	   *other = world_create("no crash", OTHER_TABLE, 0);
	int			at;

	for (at = 0; at < 40; at++)
	{
		uint64		index = store_meta(other->store)->applied_index;
		uint64		again = index;
		uint32		hash;
		uint32		other_hash;
		int64		revision;
		int64		other_revision;
		int64		compacted;

		apply_batch(other, &index);
		store_commit(other->store);

		apply_batch(world, &again);
		fuse = at;
		if (!attempt(commit_batch, world))
		{
			world_reopen(world);
			again = store_meta(world->store)->applied_index;
			apply_batch(world, &again);
			store_commit(world->store);
		}
		else
			expect(at > 10);
		expect(store_meta(world->store)->applied_index == index);
		expect(store_hash_kv(world->tree, NULL, 0, &hash, &revision, &compacted) == STORE_OK);
		expect(store_hash_kv(other->tree, NULL, 0, &other_hash, &other_revision, &compacted) == STORE_OK);
		expect(hash == other_hash && revision == other_revision);
		expect(store_meta(world->store)->live_keys == store_meta(other->store)->live_keys);
	}
	world_destroy(other);
	world_destroy(world);
}

static void
raise_finding(const char *relation, BlockNumber block, const char *finding, void *arg)
{
	fail((World *) arg, "block %u: %s", block, finding);
}

/* After a crash every page is sound, before anything is repaired and after */
void
test_crash_pages_20271(void)
{
	World	   *world = world_create("crash and pages", TABLE, 0);
	uint64		index = 0;
	int			at;
	int			i;

	for (at = 0; at < 60; at++)
	{
		uint64		again = index;

		store_begin(world->store, world->tree, NULL, NULL);
		for (i = 0; i < 40; i++)
		{
			Quorum__Command *command = put_command(psprintf("k%d", (at * 7 + i * 31) % 500), "v");

			command->put->value = long_bytes('v', i % 8 == 0 ? 10000 : 200);
			store_apply(world->store, ++again, 1, command, false, NULL);
		}
		fuse = (at * 13) % 80;
		expect(!attempt(commit_batch, world));
		storage_check(world->tree, STORAGE_TREE, raise_finding, world);
		world_reopen(world);
		storage_check(world->tree, STORAGE_TREE, raise_finding, world);
		expect(store_meta(world->store)->revision == 1);
	}

	/* nothing of it is left */
	{
		TreeKey		first;
		TreeItem	item;

		number_tree_key(&first, 0, 0, 0);
		expect(tree_lookup(world->tree, TREE_MAIN, &first, false, &item));
		expect(item.key.space == SPACE_MEMBER);
	}
	world_destroy(world);
}

/*
 * A batch that a crash cut off, and other entries behind it than before: as
 * when a new cluster is founded from this member's data.
 */
void
test_other_history(void)
{
	World	   *world = world_create("other history", TABLE, 0);
	uint64		index;
	int			at;

	world_apply(world, put_command("z", "first"));
	for (at = 0; at < 12; at++)
	{
		index = world->nentries;
		apply_batch(world, &index);
		fuse = at;
		expect(!attempt(commit_batch, world));
		world_reopen(world);
		world_apply(world, put_command(psprintf("other%d", at), "x"));
		world_apply(world, delete_command("other0", NULL));
		world_check_state(world);
		world_check_reads(world, 4);
	}
	world_compact_all(world);
	world_check_items(world);
	world_destroy(world);
}

/* ----------------------------------------------------------------
 *	Large deletes
 * ----------------------------------------------------------------
 */

#define LARGE_KEYS	30000

static void
fill_with_keys(World *world, uint64 *index)
{
	int			n = 0;

	while (n < LARGE_KEYS)
	{
		int			i;

		store_begin(world->store, world->tree, NULL, NULL);
		for (i = 0; i < 1000; i++)
			store_apply(world->store, ++*index, 1, put_command(psprintf("key%06d", n++), "value"),
						false, NULL);
		store_commit(world->store);
	}
}

static void
count_poll(void *arg)
{
	(*(int *) arg)++;
}

/* A delete of many keys is done in slices, and is one revision all the same */
void
test_large_delete(void)
{
	World	   *world = world_create("large delete", TABLE, 0);
	Etcdserverpb__TxnRequest *txn = make_txn();
	EventCollector collector;
	StoreRangeInfo info;
	Mvccpb__KeyValue *kv;
	Quorum__Result *result;
	uint64		index = 0;
	int64		revision;
	int64		next_after;
	int			polls = 0;

	fill_with_keys(world, &index);
	revision = store_meta(world->store)->revision;
	expect(store_meta(world->store)->live_keys == LARGE_KEYS);

	add_op(txn, true, put_op("a", "1"));
	add_op(txn, true, delete_op("key", "l"));
	add_op(txn, true, range_op("a", "", 0));
	store_begin(world->store, world->tree, count_poll, &polls);
	store_apply(world->store, ++index, 1, txn_command(txn), true, &result);
	expect(result->error == STORE_OK && result->revision == revision + 1);
	expect(result->txn->responses[1]->response_delete_range->deleted == LARGE_KEYS);
	expect(result->txn->responses[2]->response_range->count == 1);
	expect(polls > 0);
	expect(store_pending_changes(world->store) == LARGE_KEYS + 1);

	/* most of it is in the tree by now, but nobody sees it */
	expect(world->store->overlay->nversions < LARGE_KEYS / 2);
	expect(store_get(world->tree, NULL, "key000000", 9, 0, &kv, &info) == STORE_OK && kv != NULL);
	store_commit(world->store);

	expect(store_get(world->tree, NULL, "key000000", 9, 0, &kv, &info) == STORE_OK && kv == NULL);
	expect(store_get(world->tree, NULL, "key000000", 9, revision, &kv, &info) == STORE_OK && kv != NULL);
	expect(store_meta(world->store)->live_keys == 1);
	event_collector_init(&collector);
	expect(store_events(world->tree, NULL, "", 0, "", 1, revision, 0, false, 10,
						collect_event, &collector, &next_after) == STORE_OK);
	expect(collector.n == LARGE_KEYS + 1 && next_after == revision + 1);
	world_destroy(world);
}

typedef struct DeleteAttempt
{
	World	   *world;
	uint64		index;
} DeleteAttempt;

static void
delete_everything(void *arg)
{
	DeleteAttempt *args = arg;

	store_begin(args->world->store, args->world->tree, NULL, NULL);
	store_apply(args->world->store, args->index, 1, delete_all_command(), false, NULL);
	store_commit(args->world->store);
}

void
test_large_delete_crash(void)
{
	World	   *world = world_create("crash in a large delete", TABLE, 0);
	DeleteAttempt args = {world, 0};
	StoreRangeInfo info;
	Mvccpb__KeyValue *kv;
	uint64		index = 0;
	int64		revision;
	uint32		hash;
	uint32		hash_now;
	int64		at;
	int64		compacted;
	int			round;

	fill_with_keys(world, &index);
	revision = store_meta(world->store)->revision;
	expect(store_hash_kv(world->tree, NULL, 0, &hash, &at, &compacted) == STORE_OK);
	args.index = index + 1;
	for (round = 0; round < 4; round++)
	{
		fuse = 20001 * round + 100;
		if (round == 3)
			fuse = -1;
		expect(attempt(delete_everything, &args) == (round == 3));
		world_reopen(world);
		expect(store_meta(world->store)->revision == revision + (round == 3));
		expect(store_hash_kv(world->tree, NULL, revision, &hash_now, &at, &compacted) == STORE_OK);
		expect(hash_now == hash);
		expect(store_get(world->tree, NULL, "key000007", 9, 0, &kv, &info) == STORE_OK);
		expect((kv == NULL) == (round == 3));
	}
	expect(store_meta(world->store)->live_keys == 0);
	world_destroy(world);
}

/* ----------------------------------------------------------------
 *	Formatting
 * ----------------------------------------------------------------
 */

static int
sqlstate_of_format(Relation tree)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	Quorum__Configuration configuration = QUORUM__CONFIGURATION__INIT;
	Quorum__Member members[3];
	Quorum__Member *list[3] = {&members[0], &members[1], &members[2]};
	volatile int sqlstate = 0;
	int			i;

	for (i = 0; i < 3; i++)
	{
		quorum__member__init(&members[i]);
		members[i].id = 30 - i;
		members[i].name = "n";
		members[i].conninfo = "";
	}
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		store_format(tree, 7, 3, &configuration, list, 3);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		sqlstate = CopyErrorData()->sqlerrcode;
		RollbackAndReleaseCurrentSubTransaction();
		FlushErrorState();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	fuse = -1;
	return sqlstate;
}

/* A crash while the store is made leaves none, and then it can be made */
void
test_format_twice(void)
{
	Relation	tree = make_tree(TABLE);
	Quorum__StoreMeta *meta;
	List	   *members;

	expect(!store_is_formatted(tree));
	fuse = 2;
	expect(sqlstate_of_format(tree) == ERRCODE_TRIGGERED_ACTION_EXCEPTION);
	expect(!store_is_formatted(tree));
	expect(sqlstate_of_format(tree) == 0);
	expect(store_is_formatted(tree));
	meta = store_read_meta(tree);
	expect(meta->applied_index == 7 && meta->applied_term == 3 && meta->revision == 1);
	members = store_read_members(tree);
	expect(list_length(members) == 3 && ((Quorum__Member *) linitial(members))->id == 28);
	expect(sqlstate_of_format(tree) == ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);
	relation_close(tree, NoLock);
	drop_table(TABLE);
}
