/*-------------------------------------------------------------------------
 *
 * test_counters.c
 *	  Directed tests of increments and sequential keys.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/store/test_counters.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "build_requests.h"
#include "directed.h"

#define TABLE	"store_test_table"

static Quorum__Command *
increment_command(const char *key, int64 by)
{
	Quorum__Command *command = palloc(sizeof(*command));

	quorum__command__init(command);
	command->origin = 1;
	command->op_case = QUORUM__COMMAND__OP_INCREMENT;
	command->increment = palloc(sizeof(*command->increment));
	quorum__increment_request__init(command->increment);
	command->increment->key = text_bytes(key);
	command->increment->by = by;
	return command;
}

static Quorum__Command *
sequential_command(const char *prefix, const char *value)
{
	Quorum__Command *command = palloc(sizeof(*command));

	quorum__command__init(command);
	command->origin = 1;
	command->op_case = QUORUM__COMMAND__OP_PUT_SEQUENTIAL;
	command->put_sequential = palloc(sizeof(*command->put_sequential));
	quorum__put_sequential_request__init(command->put_sequential);
	command->put_sequential->prefix = text_bytes(prefix);
	command->put_sequential->value = text_bytes(value);
	return command;
}

static Mvccpb__KeyValue *
get_key(World *world, const char *key)
{
	Mvccpb__KeyValue *kv;
	StoreRangeInfo info;

	expect(store_get(world->tree, NULL, key, strlen(key), 0, &kv, &info) == STORE_OK);
	return kv;
}

static bool
result_key_is(const Quorum__Result *result, const char *key)
{
	return result->error == STORE_OK && result->key.len == strlen(key) &&
		memcmp(result->key.data, key, result->key.len) == 0;
}

void
test_increments(void)
{
	World	   *world = world_create("increments", TABLE, 0);
	Mvccpb__KeyValue *kv;

	/* an absent key counts as 0, and each increment is a revision */
	expect(world_apply(world, increment_command("n", 5))->number == 5);
	expect(world_apply(world, increment_command("n", -7))->number == -2);
	expect(world_apply(world, increment_command("n", 0))->revision == 4);
	kv = get_key(world, "n");
	expect(kv->create_revision == 2 && kv->mod_revision == 4 && kv->version == 3);
	expect(kv->value.len == 2 && memcmp(kv->value.data, "-2", 2) == 0);

	/* a refusal changes nothing */
	expect(world_apply(world, increment_command("m", PG_INT64_MAX))->error == STORE_OK);
	expect_error(world, increment_command("m", 1), STORE_NUMBER_OUT_OF_RANGE);
	expect(world_apply(world, increment_command("m", PG_INT64_MIN))->number == -1);
	expect(world_apply(world, increment_command("m", -PG_INT64_MAX))->number == PG_INT64_MIN);
	expect_error(world, increment_command("m", -1), STORE_NUMBER_OUT_OF_RANGE);
	world_apply(world, put_command("m", "9223372036854775808"));
	expect_error(world, increment_command("m", -1), STORE_NUMBER_OUT_OF_RANGE);
	world_apply(world, put_command("m", "-9223372036854775808"));
	expect(world_apply(world, increment_command("m", 1))->number == -PG_INT64_MAX);

	world_apply(world, put_command("m", ""));
	expect_error(world, increment_command("m", 1), STORE_NOT_A_NUMBER);
	world_apply(world, put_command("m", "1 "));
	expect_error(world, increment_command("m", 1), STORE_NOT_A_NUMBER);
	world_apply(world, put_command("m", "0x1"));
	expect_error(world, increment_command("m", 1), STORE_NOT_A_NUMBER);
	world_apply(world, put_command("m", "-"));
	expect_error(world, increment_command("m", 1), STORE_NOT_A_NUMBER);
	world_apply(world, put_command("m", "+007"));
	expect(world_apply(world, increment_command("m", 1))->number == 8);
	expect_error(world, increment_command("", 1), STORE_EMPTY_KEY);

	world_check_state(world);
	world_destroy(world);
}

void
test_sequential_keys(void)
{
	World	   *world = world_create("sequential keys", TABLE, 0);
	Quorum__Command *command;
	Quorum__Result *results[3];
	uint64		index;
	int			i;

	expect(result_key_is(world_apply(world, sequential_command("q/", "a")), "q/0000000002"));
	expect(get_key(world, "q/0000000002")->create_revision == 2);

	/* it grows on after all keys have gone */
	world_apply(world, delete_command("q/", "q0"));
	expect(result_key_is(world_apply(world, sequential_command("q/", "b")), "q/0000000004"));

	/* keys made by other means are left alone, and their revisions left out */
	world_apply(world, put_command("q/0000000007", "mine"));
	world_apply(world, put_command("q/0000000008", "mine"));
	expect(result_key_is(world_apply(world, sequential_command("q/", "c")), "q/0000000009"));
	expect(store_meta(world->store)->revision == 9);
	expect(get_key(world, "q/0000000009")->create_revision == 9);
	expect(get_key(world, "q/0000000009")->mod_revision == 9);
	expect(get_key(world, "q/0000000008")->version == 1);
	expect(result_key_is(world_apply(world, sequential_command("r/", "d")), "r/0000000010"));

	/* in one batch */
	index = store_meta(world->store)->applied_index;
	store_begin(world->store, world->tree, NULL, NULL);
	for (i = 0; i < 3; i++)
		store_apply(world->store, index + 1 + i, 1, sequential_command("q/", "e"), true, &results[i]);
	store_commit(world->store);
	expect(result_key_is(results[0], "q/0000000011"));
	expect(result_key_is(results[1], "q/0000000012"));
	expect(result_key_is(results[2], "q/0000000013"));
	world_destroy(world);

	/* limits */
	world = world_create("sequential keys", TABLE, 0);
	command = sequential_command("", "x");
	expect_error(world, command, STORE_EMPTY_KEY);
	command->put_sequential->prefix = long_bytes('p', STORE_MAX_KEY_BYTES - 18);
	expect_error(world, command, STORE_KEY_TOO_LARGE);
	command->put_sequential->prefix = long_bytes('p', STORE_MAX_KEY_BYTES - 19);
	expect(world_apply(world, command)->error == STORE_OK);
	command->put_sequential->lease = 4711;
	expect_error(world, command, STORE_LEASE_NOT_FOUND);
	world_check_state(world);
	world_destroy(world);
}
