/*-------------------------------------------------------------------------
 *
 * test_imports.c
 *	  Directed tests of export and import.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/store/test_imports.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "build_requests.h"
#include "directed.h"
#include "store/copy.h"
#include "store/store_int.h"

#define SOURCE	"store_test_source"
#define TARGET	"store_test_target"

static Quorum__Command *
discard_command(uint64 import)
{
	Quorum__Command *command = palloc(sizeof(*command));

	quorum__command__init(command);
	command->origin = 1;
	command->op_case = QUORUM__COMMAND__OP_IMPORT;
	command->import = palloc(sizeof(*command->import));
	quorum__import_request__init(command->import);
	command->import->copy = import;
	command->import->discard = true;
	return command;
}

/* A world with n keys, a deleted one, one with a lease, and a lease without keys */
static World *
make_source(int n)
{
	World	   *world = world_create("source of a copy", SOURCE, 0);
	Quorum__Command *put;
	int			i;

	for (i = 0; i < n; i++)
	{
		world_apply(world, put_command(psprintf("k%04d", i), psprintf("v%d", i)));
		if (i % 3 == 0)
			world_apply(world, put_command(psprintf("k%04d", i / 2), "again"));
	}
	world_apply(world, delete_command("k0001", NULL));
	world_apply(world, grant_command(7, 100));
	world_apply(world, grant_command(8, 200));
	put = put_command("leased", "x");
	put->put->lease = 7;
	world_apply(world, put);
	store_export_bytes = 500;
	return world;
}

static Mvccpb__KeyValue *
get_key(World *world, const char *key)
{
	Mvccpb__KeyValue *kv;
	StoreRangeInfo info;

	expect(store_get(world->tree, NULL, key, strlen(key), 0, &kv, &info) == STORE_OK);
	return kv;
}

void
test_import_refusals(void)
{
	World	   *source = make_source(60);
	World	   *target = world_create("target of a copy", TARGET, 0);
	Quorum__Command **copy;
	Quorum__Command **other;
	Quorum__Command *swapped;
	int			n;
	int			i;

	copy = world_export(source, 1, IMPORT_KEEP, false, &n);
	other = world_export(source, 2, IMPORT_KEEP, false, &n);
	expect(n > 6);

	/* nothing comes without what is before it */
	expect_error(target, copy[1], STORE_IMPORT_OVERTAKEN);
	expect_error(target, copy[0], STORE_OK);
	expect_error(target, copy[2], STORE_IMPORT_OVERTAKEN);
	expect_error(target, copy[1], STORE_OK);
	expect_error(target, copy[1], STORE_IMPORT_OVERTAKEN);
	expect_error(target, copy[n - 1], STORE_IMPORT_OVERTAKEN);

	/* another one overtakes it */
	expect_error(target, other[0], STORE_OK);
	expect_error(target, copy[2], STORE_IMPORT_OVERTAKEN);
	expect_error(target, other[1], STORE_OK);

	/* chunks of another copy, and bytes that are none */
	swapped = copy[2];
	swapped->import->copy = 2;
	expect_error(target, swapped, STORE_IMPORT_DAMAGED);
	swapped->import->items.len--;
	expect_error(target, swapped, STORE_IMPORT_DAMAGED);
	swapped->import->items.len = 3;
	expect_error(target, swapped, STORE_IMPORT_DAMAGED);
	for (i = 2; i < n - 1; i++)
		expect_error(target, other[i], STORE_OK);

	/* nothing of it is to be seen; a discarded one has gone */
	expect(get_key(target, "k0000") == NULL && store_meta(target->store)->revision == 1);
	expect_error(target, discard_command(2), STORE_OK);
	expect_error(target, other[n - 1], STORE_IMPORT_OVERTAKEN);
	expect_error(target, discard_command(2), STORE_OK);
	world_compact_all(target);
	world_check_items(target);

	/* into a store that is not empty, or has come too far */
	world_apply(target, put_command("mine", "x"));
	for (i = 0; i < n - 1; i++)
		expect_error(target, other[i], STORE_OK);
	expect_error(target, other[n - 1], STORE_IMPORT_NOT_EMPTY);
	other[n - 1]->import->replace = true;
	for (i = 0; i < 4; i++)
		world_apply(target, put_command("mine", "x"));
	expect_error(target, other[n - 1], STORE_IMPORT_REVISION);
	other[n - 1]->import->revision = 3;
	expect_error(target, other[n - 1], STORE_IMPORT_REVISION);
	other[n - 1]->import->revision = IMPORT_BUMP;
	expect(world_apply(target, other[n - 1])->revision > 1000000000);
	expect(get_key(target, "mine") == NULL && get_key(target, "k0000")->version == 2);
	expect(get_key(target, "k0001") == NULL);
	expect(get_key(target, "leased")->lease == 7);
	world_check_state(target);
	world_compact_all(target);
	world_check_state(target);
	world_check_items(target);

	world_destroy(target);
	world_destroy(source);
}

/* In an empty store everything is as it was, but for the history */
void
test_import_keeps_revisions(void)
{
	World	   *source = make_source(300);
	World	   *target = world_create("target of a copy", TARGET, 0);
	Quorum__Command **copy;
	int			n;
	int			i;

	/* a copy is of the state when it began, whatever happens meanwhile */
	copy = world_export(source, 1, IMPORT_KEEP, false, &n);
	for (i = 0; i < n; i++)
		expect_error(target, copy[i], STORE_OK);
	expect(store_meta(target->store)->revision == store_meta(source->store)->revision);
	expect(store_meta(target->store)->live_keys == store_meta(source->store)->live_keys);
	expect(store_meta(target->store)->compacted_revision == store_meta(target->store)->revision);
	for (i = 0; i < 300; i++)
	{
		Mvccpb__KeyValue *a = get_key(source, psprintf("k%04d", i));
		Mvccpb__KeyValue *b = get_key(target, psprintf("k%04d", i));

		expect((a == NULL) == (b == NULL));
		if (a != NULL)
			check_messages_equal(target, "imported key", &b->base, &a->base);
	}
	expect(world_apply(target, put_command("next", "x"))->revision ==
		   store_meta(source->store)->revision + 1);
	world_check_state(target);
	world_compact_all(target);
	world_check_items(target);
	world_destroy(target);
	world_destroy(source);
}

static void
apply_pending(void *arg)
{
	world_apply_pending((World *) arg);
}

/*
 * The switch writes ahead of the meta.  Wherever it is cut off, nothing of it
 * is seen, and nothing is left of it; then it is applied again.
 */
void
test_import_crashes(void)
{
	World	   *source = make_source(40);
	int			step;

	for (step = 0; step < 200; step += 7)
	{
		World	   *target = world_create("target of a copy", TARGET, 0);
		Quorum__Command **copy;
		int			n;
		int			i;

		store_spill_versions = 8;
		for (i = 0; i < 10; i++)
			world_apply(target, put_command(psprintf("k%04d", i * 2), "old"));
		copy = world_export(source, 1, 500, true, &n);
		for (i = 0; i < n - 1; i++)
			expect_error(target, copy[i], STORE_OK);

		world_add_command(target, copy[n - 1]);
		fuse = step;
		if (!attempt(apply_pending, target))
		{
			world_reopen(target);
			expect(store_meta(target->store)->revision == 11);
			expect(get_key(target, "k0002")->mod_revision == 3);
			expect(get_key(target, "k0003") == NULL);
			world_replay(target);
		}
		(void) model_apply(target->model, copy[n - 1]);
		expect(store_meta(target->store)->revision == 500);
		world_check_state(target);
		world_compact_all(target);
		world_check_items(target);
		world_destroy(target);
	}
	store_spill_versions = 8192;
	world_destroy(source);
}
