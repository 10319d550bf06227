/*-------------------------------------------------------------------------
 *
 * test_compaction.c
 *	  Directed tests of the removal of many versions of few keys.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/store/test_compaction.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/guc.h"
#include "utils/memutils.h"

#include "storage/storage.h"
#include "store/encoding.h"
#include "store/known_keys.h"

#include "build_requests.h"
#include "directed.h"

#define TABLE		"store_test_table"

/* More than one round takes of a key */
#define VERSIONS	20000

/* How many items of a keyspace are there; of the keys only those that begin so */
static int
count_items(World *world, uint8 space, char first)
{
	TreeScan   *scan = tree_scan_begin(world->tree, TREE_MAIN);
	TreeKey		seek_key;
	TreeItem	item;
	int			n = 0;

	memset(&seek_key, 0, sizeof(seek_key));
	seek_key.space = space;
	seek_key.data = "";
	tree_seek(scan, &seek_key);
	while (tree_next(scan, &item) && item.key.space == space)
		n += space != SPACE_KEY || (item.key.len > 0 && item.key.data[0] == first);
	tree_scan_end(scan);
	return n;
}

/* Versions of one key, deletions now and then, and another key's among them */
static int64
write_versions(World *world, uint64 *index, bool deleted_last)
{
	int			i;

	store_begin(world->store, world->tree, NULL, NULL);
	for (i = 0; i < VERSIONS; i++)
	{
		if (i % 1000 == 7)
			store_apply(world->store, ++*index, 1, delete_command("hot", NULL), false, NULL);
		else if (i % 100 == 3)
			store_apply(world->store, ++*index, 1, put_command("other", "o"), false, NULL);
		else
			store_apply(world->store, ++*index, 1, put_command("hot", "h"), false, NULL);
	}
	if (deleted_last)
	{
		store_apply(world->store, ++*index, 1, delete_command("hot", NULL), false, NULL);
		store_apply(world->store, ++*index, 1, put_command("other", "last"), false, NULL);
	}
	store_apply(world->store, ++*index, 1, compact_command(store_meta(world->store)->revision),
				false, NULL);
	store_commit(world->store);
	return store_meta(world->store)->revision;
}

static void
compact_to_the_end(World *world)
{
	while (store_compact_slice(world->store, world->tree, 50))
		;
}

/* A key with more versions than a round takes is left with one, or with none */
void
test_compaction_hot_key(void)
{
	World	   *world = world_create("compaction of a hot key", TABLE, 0);
	uint64		index = 0;
	StoreRangeInfo info;
	Mvccpb__KeyValue *kv;

	write_versions(world, &index, false);
	compact_to_the_end(world);
	expect(count_items(world, SPACE_KEY, 'h') == 1);
	expect(count_items(world, SPACE_KEY, 'o') == 1);
	expect(count_items(world, SPACE_REVISION, 0) == 1);
	expect(store_get(world->tree, NULL, "hot", 3, 0, &kv, &info) == STORE_OK);
	expect(kv != NULL && kv->version == 992 - 9);

	write_versions(world, &index, true);
	compact_to_the_end(world);
	expect(count_items(world, SPACE_KEY, 'h') == 0);
	expect(count_items(world, SPACE_KEY, 'o') == 1);
	expect(store_get(world->tree, NULL, "hot", 3, 0, &kv, &info) == STORE_OK && kv == NULL);
	world_destroy(world);
}

static void
some_slices(void *arg)
{
	World	   *world = arg;
	int			i;

	for (i = 0; i < 400 && store_compact_slice(world->store, world->tree, 500); i++)
		;
}

/* The same with crashes on the way: at no time does an old version come to light */
void
test_compaction_hot_key_crash(void)
{
	World	   *world = world_create("compaction of a hot key, with crashes", TABLE, 0);
	uint64		index = 0;
	int64		revision = write_versions(world, &index, true);
	StoreRangeInfo info;
	Mvccpb__KeyValue *kv;
	int			crashes = 0;
	int			budget = 100;

	for (;;)
	{
		fuse = budget;
		budget = budget * 2 + 37;
		if (!attempt(some_slices, world))
			crashes++;
		fuse = -1;
		world_reopen(world);
		expect(store_meta(world->store)->revision == revision);
		expect(store_get(world->tree, NULL, "hot", 3, 0, &kv, &info) == STORE_OK && kv == NULL);
		expect(store_get(world->tree, NULL, "other", 5, 0, &kv, &info) == STORE_OK);
		expect(kv != NULL && kv->value.len == 4);
		if (store_meta(world->store)->compact_done_revision == revision)
			break;
	}
	expect(crashes > 3);
	expect(count_items(world, SPACE_KEY, 'h') == 0);
	expect(count_items(world, SPACE_KEY, 'o') == 1);
	expect(count_items(world, SPACE_REVISION, 0) == 1);
	world_destroy(world);
}

/* Keys that are changed in turn */
#define KEYS		15000

static int64
change_keys(World *world, uint64 *index)
{
	char		key[32];
	int			round;
	int			i;

	store_begin(world->store, world->tree, NULL, NULL);
	for (round = 0; round < 3; round++)
	{
		for (i = 0; i < KEYS; i++)
		{
			snprintf(key, sizeof(key), "k%05d", i);
			/* every third key is deleted once and comes back, every seventh is deleted at last */
			if ((round == 1 && i % 3 == 0) || (round == 2 && i % 7 == 0))
				store_apply(world->store, ++*index, 1, delete_command(key, NULL), false, NULL);
			else
				store_apply(world->store, ++*index, 1, put_command(key, "v"), false, NULL);
		}
	}
	store_apply(world->store, ++*index, 1, put_command("last", "v"), false, NULL);
	store_apply(world->store, ++*index, 1, compact_command(store_meta(world->store)->revision),
				false, NULL);
	store_commit(world->store);
	return store_meta(world->store)->revision;
}

/*
 * Keys that come again and again are left with one version, or with none, whether there is memory to
 * know them again or not.
 */
void
test_compaction_keys_in_turn(void)
{
	World	   *world = world_create("compaction of keys that are changed in turn", TABLE, 0);
	uint64		index = 0;
	int			pass;

	for (pass = 0; pass < 2; pass++)
	{
		StoreRangeInfo info;
		Mvccpb__KeyValue *kv;
		int			nest = NewGUCNestLevel();
		int64		revision;

		(void) set_config_option("maintenance_work_mem", pass == 0 ? "1MB" : "64MB", PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
		revision = change_keys(world, &index);
		compact_to_the_end(world);
		AtEOXact_GUC(true, nest);
		expect(store_meta(world->store)->compact_done_revision == revision);
		expect(count_items(world, SPACE_KEY, 'k') == KEYS - (KEYS + 6) / 7);
		expect(count_items(world, SPACE_REVISION, 0) == 1);
		expect(store_get(world->tree, NULL, "k00003", 6, 0, &kv, &info) == STORE_OK);
		expect(kv != NULL && kv->version == 1);
		expect(store_get(world->tree, NULL, "k00007", 6, 0, &kv, &info) == STORE_OK && kv == NULL);
		expect(store_get(world->tree, NULL, "k00008", 6, 0, &kv, &info) == STORE_OK);
		expect(kv != NULL && kv->version == 3 * (pass + 1));
	}
	world_destroy(world);
}

/* A compaction knows that the next one waits for it */
void
test_compaction_overtaken(void)
{
	World	   *world = world_create("a compaction that is overtaken", TABLE, 0);
	uint64		index = 0;
	int64		revision;

	expect(!store_compaction_overtaken(world->store));
	write_versions(world, &index, false);
	expect(store_compact_slice(world->store, world->tree, 50) != COMPACTION_DONE);
	expect(!store_compaction_overtaken(world->store));
	revision = write_versions(world, &index, false);
	expect(store_compaction_overtaken(world->store));
	compact_to_the_end(world);
	expect(!store_compaction_overtaken(world->store));
	expect(store_meta(world->store)->compact_done_revision == revision);
	expect(count_items(world, SPACE_KEY, 'h') == 1);
	world_destroy(world);
}

/* Keys of the set, and how much of it may stay */
#define MANY_KEYS		200000
#define TRIMMED_BYTES	(1024 * 1024)

static KnownKey
numbered_key(char *buffer, int number)
{
	KnownKey	key = {buffer, sprintf(buffer, "some/key/%d", number)};

	return key;
}

/* What compaction knows of keys it knows rightly, also when it has had to forget some */
void
test_known_keys(void)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "keys", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	KnownKeys  *keys = known_keys_create();
	char		buffer[32];
	int			known = 0;
	int			number;

	MemoryContextSwitchTo(old_context);
	expect(known_keys_find(keys, numbered_key(buffer, 1)) == NULL);
	for (number = 0; number < MANY_KEYS; number += 2)
		known_keys_add(keys, known_keys_copy(keys, numbered_key(buffer, number)));
	for (number = 0; number < MANY_KEYS; number++)
	{
		KnownKey	key = numbered_key(buffer, number);
		const char *bytes = known_keys_find(keys, key);

		expect((bytes != NULL) == (number % 2 == 0));
		expect(bytes == NULL || (bytes != buffer && memcmp(bytes, buffer, key.key_len) == 0));
	}

	known_keys_trim(keys, TRIMMED_BYTES);
	expect(MemoryContextMemAllocated(context, true) < 2 * TRIMMED_BYTES);
	for (number = 0; number < MANY_KEYS; number++)
	{
		bool		found = known_keys_find(keys, numbered_key(buffer, number)) != NULL;

		expect(!found || number % 2 == 0);
		known += found ? 1 : 0;
	}
	expect(known > 0 && known < MANY_KEYS / 10);
	/* those that it is told about again it knows again */
	for (number = 0; number < MANY_KEYS; number += 2)
	{
		if (known_keys_find(keys, numbered_key(buffer, number)) == NULL)
			known_keys_add(keys, known_keys_copy(keys, numbered_key(buffer, number)));
	}
	for (number = 0; number < MANY_KEYS; number++)
		expect((known_keys_find(keys, numbered_key(buffer, number)) != NULL) == (number % 2 == 0));
	MemoryContextDelete(context);
}
