/*-------------------------------------------------------------------------
 *
 * test_leases.c
 *	  Directed tests of leases and of the keys attached to them.
 *
 * Results, leases and keys are compared with the model's all along
 * (world_apply(), world_check_state()); what is said here beside that is said
 * because the model might be wrong in the same way.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/store/test_leases.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/memutils.h"

#include "build_requests.h"
#include "directed.h"
#include "store/encoding.h"
#include "store/store_int.h"

#define TABLE		"store_test_table"

/* The keys of a lease, each with a blank behind it */
static bool
append_key(const char *key, uint32 key_len, void *arg)
{
	appendBinaryStringInfo((StringInfo) arg, key, key_len);
	appendStringInfoChar((StringInfo) arg, ' ');
	return true;
}

static char *
keys_of(World *world, int64 lease)
{
	StringInfoData keys;

	initStringInfo(&keys);
	expect(store_lease_keys(world->tree, NULL, lease, append_key, &keys) == STORE_OK);
	return keys.data;
}

/* Items of a keyspace */
static int
count_items(World *world, uint8 space)
{
	TreeScan   *scan = tree_scan_begin(world->tree, TREE_MAIN);
	TreeKey		first;
	TreeItem	item;
	int			n = 0;

	number_tree_key(&first, space, 0, 0);
	tree_seek(scan, &first);
	while (tree_next(scan, &item) && item.key.space == space)
		n++;
	tree_scan_end(scan);
	return n;
}

static void
commit_batch(void *arg)
{
	store_commit(((World *) arg)->store);
}

static void
count_poll(void *arg)
{
	(*(int *) arg)++;
}

void
test_lease_errors(void)
{
	World	   *world = world_create("lease errors", TABLE, 0);
	StoreLease	lease;
	Quorum__Result *result;

	expect_error(world, grant_command(0, 10), STORE_INVALID_REQUEST);
	expect_error(world, grant_command(7, STORE_MAX_LEASE_TTL + 1), STORE_LEASE_TTL_TOO_LARGE);
	expect_error(world, revoke_command(7), STORE_LEASE_NOT_FOUND);
	expect_error(world, revoke_command(0), STORE_LEASE_NOT_FOUND);
	expect_error(world, put_lease_command("a", 7), STORE_LEASE_NOT_FOUND);
	expect(!store_get_lease(world->tree, 7, &lease));

	result = world_apply(world, grant_command(7, STORE_MAX_LEASE_TTL));
	expect(result->error == STORE_OK && result->revision == 1);
	expect(result->lease_grant->id == 7 && result->lease_grant->ttl == STORE_MAX_LEASE_TTL);
	expect_error(world, grant_command(7, 5), STORE_LEASE_EXISTS);
	expect(store_get_lease(world->tree, 7, &lease) && lease.ttl == STORE_MAX_LEASE_TTL);
	expect(!store_get_lease(world->tree, 6, &lease) && !store_get_lease(world->tree, 8, &lease));

	expect_error(world, grant_command(-1, -5), STORE_OK);
	expect(store_get_lease(world->tree, -1, &lease) && lease.id == -1 && lease.ttl == 1);

	/* a lease without keys makes no revision, neither do the others */
	result = world_apply(world, revoke_command(7));
	expect(result->error == STORE_OK && result->revision == 1);
	expect_error(world, revoke_command(7), STORE_LEASE_NOT_FOUND);
	expect_error(world, put_lease_command("a", 7), STORE_LEASE_NOT_FOUND);
	expect(!store_get_lease(world->tree, 7, &lease));
	expect_error(world, grant_command(7, 5), STORE_OK);
	expect(store_get_lease(world->tree, 7, &lease) && lease.ttl == 5 && lease.remaining == 0);
	world_compact_all(world);
	world_check_state(world);
	world_check_items(world);
	world_destroy(world);
}

/* What attaches a key, what moves and what detaches it; revocation in key order */
void
test_lease_attachments(void)
{
	World	   *world = world_create("attachments", TABLE, 0);
	Quorum__Command *command;
	EventCollector collector;
	Quorum__Result *result;
	int64		next_after;
	int			i;

	world_apply(world, grant_command(1, 10));
	world_apply(world, grant_command(2, 10));
	world_apply(world, put_lease_command("c", 1));
	world_apply(world, put_lease_command("a", 1));
	world_apply(world, put_lease_command("d", 1));
	world_apply(world, put_lease_command("b", 1));
	expect(strcmp(keys_of(world, 1), "a b c d ") == 0);
	expect(strcmp(keys_of(world, 2), "") == 0);

	world_apply(world, put_lease_command("a", 1));	/* again */
	world_apply(world, put_lease_command("b", 2));	/* moves */
	world_apply(world, put_command("c", "v"));	/* detaches */
	command = put_command("d", "w");
	command->put->ignore_lease = true;	/* keeps */
	world_apply(world, command);
	expect(strcmp(keys_of(world, 1), "a d ") == 0);
	expect(strcmp(keys_of(world, 2), "b ") == 0);

	world_apply(world, delete_command("a", NULL));
	world_apply(world, put_command("a", "v"));
	expect(strcmp(keys_of(world, 1), "d ") == 0);

	/* tidying up changes nothing, and one that comes late neither */
	world_compact_all(world);
	expect(count_items(world, SPACE_ATTACHMENT) == 2);
	world_apply(world, put_command("d", "v"));
	world_apply(world, put_lease_command("d", 1));
	world_compact_all(world);
	expect(strcmp(keys_of(world, 1), "d ") == 0);
	world_check_items(world);

	for (i = 9; i > 0; i--)
		world_apply(world, put_lease_command(psprintf("k%d", i), 2));
	result = world_apply(world, revoke_command(2));
	event_collector_init(&collector);
	expect(store_events(world->tree, NULL, "", 0, "", 1, result->revision - 1, 0, true, 0,
						collect_event, &collector, &next_after) == STORE_OK);
	expect(collector.n == 10 && next_after == result->revision);
	for (i = 0; i < 10; i++)
	{
		Mvccpb__Event *event = collector.events[i];

		expect(event->type == MVCCPB__EVENT__EVENT_TYPE__DELETE);
		expect(event->kv->mod_revision == result->revision);
		expect(event->kv->key.data[0] == (i == 0 ? 'b' : 'k'));
		expect(i == 0 || event->kv->key.data[1] == '0' + i);
		expect(event->prev_kv->lease == 2);
	}
	expect(strcmp(keys_of(world, 2), "") == 0 && strcmp(keys_of(world, 1), "d ") == 0);
	world_check_state(world);
	world_compact_all(world);
	world_check_items(world);
	world_destroy(world);
}

/* Transactions attach and detach on the path that runs, nested ones too */
void
test_lease_in_txn(void)
{
	World	   *world = world_create("leases in transactions", TABLE, 0);
	Etcdserverpb__TxnRequest *txn = make_txn();
	Etcdserverpb__TxnRequest *nested = make_txn();
	Etcdserverpb__TxnRequest *detach = make_txn();
	Etcdserverpb__TxnRequest *attach = make_txn();
	Etcdserverpb__TxnRequest *refused = make_txn();
	Etcdserverpb__RequestOp *op;

	world_apply(world, grant_command(1, 10));
	world_apply(world, grant_command(2, 10));
	world_apply(world, put_lease_command("a", 1));

	op = put_op("b", "v");
	op->request_put->lease = 1;
	add_op(nested, true, op);
	op = put_op("x", "v");		/* the branch that does not run */
	op->request_put->lease = 99;
	add_op(nested, false, op);
	add_op(txn, true, txn_op(nested));
	op = put_op("c", "v");
	op->request_put->lease = 2;
	add_op(txn, true, op);
	add_op(txn, true, delete_op("a", NULL));
	expect_error(world, txn_command(txn), STORE_OK);
	expect(strcmp(keys_of(world, 1), "b ") == 0);
	expect(strcmp(keys_of(world, 2), "c ") == 0);

	/* a key may change hands within a transaction */
	op = put_op("b", "v");
	op->request_put->lease = 2;
	add_op(attach, true, op);
	add_op(detach, true, delete_op("b", NULL));
	txn = make_txn();
	add_op(txn, true, txn_op(attach));
	add_op(txn, true, txn_op(detach));
	expect_error(world, txn_command(txn), STORE_OK);
	expect(strcmp(keys_of(world, 1), "") == 0 && strcmp(keys_of(world, 2), "c ") == 0);

	/* all or nothing */
	op = put_op("d", "v");
	op->request_put->lease = 1;
	add_op(refused, true, op);
	op = put_op("e", "v");
	op->request_put->lease = 99;
	add_op(refused, true, op);
	expect_error(world, txn_command(refused), STORE_LEASE_NOT_FOUND);
	expect(strcmp(keys_of(world, 1), "") == 0);
	world_check_state(world);
	world_compact_all(world);
	world_check_items(world);
	world_destroy(world);
}

/* A batch in which everything depends on what comes before; spilled or not */
static int
one_batch(Quorum__Command **commands)
{
	int			n = 0;

	commands[n++] = put_lease_command("a", 7);	/* refused */
	commands[n++] = grant_command(7, 10);
	commands[n++] = put_lease_command("a", 7);
	commands[n++] = put_lease_command("b", 8);
	commands[n++] = grant_command(7, 20);	/* refused */
	commands[n++] = put_lease_command("c", 7);
	commands[n++] = checkpoint_command(7, 3);
	commands[n++] = put_command("a", "v");
	commands[n++] = revoke_command(7);	/* deletes "c" */
	commands[n++] = put_lease_command("d", 7);	/* refused */
	commands[n++] = grant_command(7, 30);
	commands[n++] = put_lease_command("d", 7);
	commands[n++] = put_lease_command("c", 7);
	commands[n++] = revoke_command(8);	/* deletes "b", if the lease exists */
	commands[n++] = revoke_command(8);	/* refused */
	commands[n++] = delete_command("d", NULL);
	commands[n++] = grant_command(8, 40);
	commands[n++] = put_lease_command("b", 8);
	commands[n++] = revoke_command(7);	/* so that it goes round */
	return n;
}

void
test_lease_in_one_batch(void)
{
	World	   *world = world_create("leases in one batch", TABLE, 0);
	int			round;

	for (round = 0; round < 6; round++)
	{
		Quorum__Command *commands[32];
		StoreLease	lease;

		store_spill_versions = round < 3 ? 1 + round : 8192;
		world_batch(world, commands, one_batch(commands));
		expect(!store_get_lease(world->tree, 7, &lease));
		expect(store_get_lease(world->tree, 8, &lease) && lease.ttl == 40);
		expect(strcmp(keys_of(world, 7), "") == 0);
		expect(strcmp(keys_of(world, 8), "b ") == 0);
		world_check_state(world);
		if (round % 2 == 1)
			world_compact_all(world);
	}
	expect(count_items(world, SPACE_LEASE) == 1);
	expect(count_items(world, SPACE_LEASE_CHANGE) == 0);
	expect(count_items(world, SPACE_ATTACHMENT) == 1);
	world_destroy(world);
}

void
test_lease_checkpoints(void)
{
	World	   *world = world_create("checkpoints", TABLE, 0);
	Quorum__Command *command;
	StoreLease	lease;
	int			i;

	world_apply(world, grant_command(1, 100));
	expect(store_get_lease(world->tree, 1, &lease) && lease.remaining == 0);
	expect_error(world, checkpoint_command(1, 60), STORE_OK);
	expect(store_get_lease(world->tree, 1, &lease) && lease.ttl == 100 && lease.remaining == 60);
	expect_error(world, checkpoint_command(1, 101), STORE_OK);
	expect(store_get_lease(world->tree, 1, &lease) && lease.remaining == 100);
	expect_error(world, checkpoint_command(1, -1), STORE_OK);
	expect(store_get_lease(world->tree, 1, &lease) && lease.remaining == 0);

	/* unknown ones are passed over, and the last of several counts */
	expect_error(world, checkpoint_command(2, 5), STORE_OK);
	expect(!store_get_lease(world->tree, 2, &lease));
	command = checkpoint_command(1, 50);
	command->lease_checkpoint->n_checkpoints = 2;
	command->lease_checkpoint->checkpoints = palloc(2 * sizeof(void *));
	command->lease_checkpoint->checkpoints[0] =
		checkpoint_command(1, 50)->lease_checkpoint->checkpoints[0];
	command->lease_checkpoint->checkpoints[1] =
		checkpoint_command(1, 40)->lease_checkpoint->checkpoints[0];
	expect_error(world, command, STORE_OK);
	expect(store_get_lease(world->tree, 1, &lease) && lease.remaining == 40);

	/* the old states go */
	for (i = 0; i < 50; i++)
		world_apply(world, checkpoint_command(1, i));
	world_compact_all(world);
	expect(count_items(world, SPACE_LEASE) == 1);
	expect(store_meta(world->store)->revision == 1);
	world_check_state(world);
	world_destroy(world);
}

/*
 * Whatever part of a batch reached the disk, applying it again gives the same
 * answers and the same state: a put must not fail since its lease is
 * revoked behind it, nor a grant since there is one already.
 */
void
test_lease_crash_13766(void)
{
	int			spill;

	for (spill = 0; spill < 2; spill++)
	{
		World	   *world = world_create("crash and leases", TABLE, spill);
		int			at;

		for (at = 0; at < 60; at++)
		{
			Quorum__Command *commands[32];
			int			n = one_batch(commands);

			store_spill_versions = spill == 0 ? 8192 : 1 + at % 5;
			fuse = spill == 0 ? at : -1;
			world_batch(world, commands, n);
			fuse = -1;
			world_check_state(world);
			if (at % 7 == 3)
				world_compact_all(world);
		}
		expect(spill == 1 || world->crashes > 30);
		world_compact_all(world);
		world_check_items(world);
		world_destroy(world);
	}
}

/*
 * A batch that a crash cut off, written piecemeal, and other entries behind it than before: no
 * lease of it has been granted, none has been revoked, and nothing is left over.
 */
void
test_lease_other_history(void)
{
	World	   *world = world_create("leases and another history", TABLE, 0);
	int			at;

	world_apply(world, grant_command(1, 10));
	world_apply(world, put_lease_command("kept", 1));
	for (at = 0; at < 40; at++)
	{
		Quorum__Command *commands[32];
		uint64		index = world->nentries;
		StoreLease	lease;
		int			n;
		int			i;

		n = one_batch(commands);
		commands[n++] = grant_command(5, 10);
		for (i = 0; i < 4; i++)
			commands[n++] = put_lease_command(psprintf("e%d", i), 5);
		commands[n++] = put_command("kept", "v");
		commands[n++] = revoke_command(1);
		store_spill_versions = 1 + at % 8;
		store_begin(world->store, world->tree, NULL, NULL);
		for (i = 0; i < n; i++)
			(void) store_apply(world->store, ++index, 1, commands[i], false, NULL);
		fuse = 0;
		if (attempt(commit_batch, world))
			fail(world, "the batch was not cut off");

		/* nor may it matter that opening is cut off */
		fuse = at / 2;
		if (!attempt((Attempt) world_reopen, world))
			world_reopen(world);
		fuse = -1;
		world_check_state(world);
		expect(!store_get_lease(world->tree, 5, &lease));
		expect(strcmp(keys_of(world, 1), "kept ") == 0);
		expect(count_items(world, SPACE_LEASE) == 1 + (at > 0));
		world_apply(world, put_command("other", "x"));
		expect_error(world, put_lease_command("other", 5), STORE_LEASE_NOT_FOUND);
		expect_error(world, revoke_command(7), STORE_LEASE_NOT_FOUND);
		if (at == 0)
			world_apply(world, grant_command(9, 10));
		world_check_state(world);
	}
	world_compact_all(world);
	expect(count_items(world, SPACE_ATTACHMENT) == 1);
	expect(count_items(world, SPACE_LEASE) == 2);
	expect(count_items(world, SPACE_LEASE_CHANGE) == 0);
	world_destroy(world);
}

static bool
add_id(const StoreLease *lease, void *arg)
{
	appendStringInfo((StringInfo) arg, INT64_FORMAT " ", lease->id);
	return true;
}

static char *
all_leases(World *world)
{
	StringInfoData ids;

	initStringInfo(&ids);
	store_scan_leases(world->tree, 0, add_id, &ids);
	return ids.data;
}

/* What a batch does is not seen before its end, though it is in the tree by then */
void
test_lease_unpublished(void)
{
	World	   *world = world_create("unpublished leases", TABLE, 0);
	uint64		index;
	StoreLease	lease;
	int			i;

	world_apply(world, grant_command(1, 10));
	world_apply(world, grant_command(3, 10));
	world_apply(world, put_lease_command("a", 1));
	index = world->nentries;

	store_spill_versions = 1;
	store_begin(world->store, world->tree, NULL, NULL);
	(void) store_apply(world->store, ++index, 1, grant_command(2, 10), false, NULL);
	(void) store_apply(world->store, ++index, 1, put_lease_command("b", 2), false, NULL);
	(void) store_apply(world->store, ++index, 1, revoke_command(1), false, NULL);
	for (i = 1; i < 10; i++)
		(void) store_apply(world->store, ++index, 1, checkpoint_command(3, i), false, NULL);
	(void) store_apply(world->store, ++index, 1, grant_command(4, 10), false, NULL);
	expect(count_items(world, SPACE_LEASE) == 14);
	expect(count_items(world, SPACE_ATTACHMENT) == 2);

	expect(strcmp(all_leases(world), "1 3 ") == 0);
	expect(store_get_lease(world->tree, 1, &lease) && !store_get_lease(world->tree, 2, &lease));
	expect(store_get_lease(world->tree, 3, &lease) && lease.remaining == 0);
	expect(strcmp(keys_of(world, 1), "a ") == 0 && strcmp(keys_of(world, 2), "") == 0);

	store_commit(world->store);
	expect(strcmp(all_leases(world), "2 3 4 ") == 0);
	expect(!store_get_lease(world->tree, 1, &lease) && store_get_lease(world->tree, 2, &lease));
	expect(store_get_lease(world->tree, 3, &lease) && lease.remaining == 9);
	expect(strcmp(keys_of(world, 1), "") == 0 && strcmp(keys_of(world, 2), "b ") == 0);
	while (store_compact_slice(world->store, world->tree, 3))
		;
	expect(count_items(world, SPACE_LEASE) == 3);
	expect(strcmp(all_leases(world), "2 3 4 ") == 0);
	world_destroy(world);
}

/* Keys die with their lease, however it was come by: etcd had keys that lived on */
void
test_lease_keys_die_9935(void)
{
	World	   *world = world_create("keys die with their lease", TABLE, 0);
	int			life;

	for (life = 0; life < 3; life++)
	{
		Quorum__Command *command = put_command("kept", "w");

		world_apply(world, grant_command(1, 10));
		world_apply(world, put_lease_command("a", 1));
		world_apply(world, put_lease_command("kept", 1));
		command->put->ignore_lease = true;
		world_apply(world, command);
		world_reopen(world);
		expect_error(world, compact_command(store_meta(world->store)->revision), STORE_OK);
		world_compact_all(world);
		expect(strcmp(keys_of(world, 1), "a kept ") == 0);
		expect(store_meta(world->store)->live_keys == 2);
		expect_error(world, revoke_command(1), STORE_OK);
		expect(store_meta(world->store)->live_keys == 0);

		/* a new life of the lease does not inherit the keys of the old one */
		world_apply(world, put_command("a", "v"));
		world_apply(world, grant_command(1, 10));
		expect(strcmp(keys_of(world, 1), "") == 0);
		expect_error(world, revoke_command(1), STORE_OK);
		expect(store_meta(world->store)->live_keys == 1);
		world_apply(world, delete_command("a", NULL));
	}
	world_check_state(world);
	world_compact_all(world);
	expect(count_items(world, SPACE_ATTACHMENT) == 0);
	world_destroy(world);
}

#define LARGE_KEYS	30000

static bool
count_key(const char *key, uint32 key_len, void *arg)
{
	(*(int *) arg)++;
	return true;
}

/* The end of a lease with many keys: in slices, invisible until it is done, one revision */
void
test_lease_large_revoke(void)
{
	World	   *world = world_create("large revoke", TABLE, 0);
	Quorum__Result *result;
	uint64		index = 0;
	int64		revision;
	int			polls = 0;
	int			slices = 0;
	int			n = 0;
	int			i;

	store_begin(world->store, world->tree, NULL, NULL);
	(void) store_apply(world->store, ++index, 1, grant_command(1, 10), false, NULL);
	for (i = 0; i < LARGE_KEYS; i++)
		(void) store_apply(world->store, ++index, 1,
						   put_lease_command(psprintf("key%06d", i), 1), false, NULL);
	store_commit(world->store);
	revision = store_meta(world->store)->revision;
	expect(store_lease_keys(world->tree, NULL, 1, count_key, &n) == STORE_OK && n == LARGE_KEYS);

	store_begin(world->store, world->tree, count_poll, &polls);
	expect(store_apply(world->store, ++index, 1, revoke_command(1), true, &result) == STORE_OK);
	expect(result->revision == revision + 1 && polls > 0);
	expect(world->store->overlay->nversions < LARGE_KEYS / 2);
	n = 0;
	expect(store_lease_keys(world->tree, NULL, 1, count_key, &n) == STORE_OK && n == LARGE_KEYS);
	store_commit(world->store);
	n = 0;
	expect(store_lease_keys(world->tree, NULL, 1, count_key, &n) == STORE_OK && n == 0);
	expect(store_meta(world->store)->live_keys == 0);

	/* what is left goes a little at a time */
	expect(count_items(world, SPACE_ATTACHMENT) == LARGE_KEYS);
	while (store_compact_slice(world->store, world->tree, 20))
		slices++;
	expect(slices >= LARGE_KEYS / 400 && slices < LARGE_KEYS / 50);
	expect(count_items(world, SPACE_ATTACHMENT) == 0);
	expect(count_items(world, SPACE_LEASE) == 0);
	expect(count_items(world, SPACE_LEASE_CHANGE) == 0);
	world_destroy(world);
}

#define MANY_LEASES		20000
#define EXPIRE_BATCH	512

/* Does the work of a batch of revocations stay the same, however many leases there are? */
void
test_lease_expiry_in_masses(void)
{
	World	   *world = world_create("expiry in masses", TABLE, 0);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "batch",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	uint64		index = 0;
	int64		most_steps = 0;
	int			n;

	for (n = 0; n < MANY_LEASES;)
	{
		int			i;

		store_begin(world->store, world->tree, NULL, NULL);
		for (i = 0; i < EXPIRE_BATCH && n < MANY_LEASES; i++, n++)
		{
			(void) store_apply(world->store, ++index, 1, grant_command(1 + n, 10), false, NULL);
			(void) store_apply(world->store, ++index, 1,
							   put_lease_command(psprintf("key%d", n), 1 + n), false, NULL);
		}
		store_commit(world->store);
		MemoryContextReset(context);
	}
	expect(store_meta(world->store)->live_keys == MANY_LEASES);

	for (n = 0; n < MANY_LEASES;)
	{
		int64		steps = tree_steps;
		int			i;

		store_begin(world->store, world->tree, NULL, NULL);
		for (i = 0; i < EXPIRE_BATCH && n < MANY_LEASES; i++, n++)
			expect(store_apply(world->store, ++index, 1, revoke_command(1 + n), false, NULL) == STORE_OK);
		store_commit(world->store);
		(void) store_compact_slice(world->store, world->tree, 200);
		most_steps = Max(most_steps, tree_steps - steps);
		MemoryContextReset(context);
	}
	expect(most_steps < 10 * EXPIRE_BATCH);
	expect(store_meta(world->store)->live_keys == 0);
	while (store_compact_slice(world->store, world->tree, 200))
		;
	expect(count_items(world, SPACE_LEASE) == 0);
	expect(count_items(world, SPACE_ATTACHMENT) == 0);
	expect(count_items(world, SPACE_LEASE_CHANGE) == 0);
	MemoryContextSwitchTo(old_context);
	world_destroy(world);
}
