/*-------------------------------------------------------------------------
 *
 * test_deletions.c
 *	  Directed test of what the host is told of deletions.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/store/test_deletions.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "build_requests.h"
#include "directed.h"

#define TABLE	"store_test_table"

/* StoreKeyGone: write it down */
static void
note_deletion(const char *key, uint32 key_len, int64 create_revision, void *arg)
{
	appendStringInfo((StringInfo) arg, "%.*s@%lld ", (int) key_len, key, (long long) create_revision);
}

static bool
told(StringInfo log, const char *expected)
{
	bool		same = strcmp(log->data, expected) == 0;

	resetStringInfo(log);
	return same;
}

/*
 * Every way by which a key goes is told, with the revision that created it, once; nothing
 * else is.
 */
void
test_deletions_told(void)
{
	World	   *world = world_create("deletions told", TABLE, 0);
	StringInfoData log;
	Etcdserverpb__TxnRequest *txn;

	initStringInfo(&log);
	store_on_delete(world->store, note_deletion, &log);

	world_apply(world, put_command("a", "1"));	/* 2 */
	world_apply(world, put_command("a/b", "1"));	/* 3 */
	world_apply(world, put_command("a", "2"));
	world_apply(world, put_command("c", "1"));	/* 5 */
	expect(told(&log, ""));
	world_apply(world, delete_command("b", NULL));
	expect(told(&log, ""));
	world_apply(world, delete_command("a", NULL));
	expect(told(&log, "a@2 "));
	world_apply(world, delete_command("a", NULL));
	expect(told(&log, ""));
	world_apply(world, delete_command("a", "d"));
	expect(told(&log, "a/b@3 c@5 "));

	/* in a transaction, also what it made itself */
	world_apply(world, put_command("a", "3"));	/* 8 */
	txn = make_txn();
	add_op(txn, true, delete_op("a", NULL));
	add_op(txn, false, delete_op("b", NULL));
	add_op(txn, true, put_op("d", "1"));
	world_apply(world, txn_command(txn));	/* 9 */
	expect(told(&log, "a@8 "));

	/* with their lease */
	world_apply(world, grant_command(7, 10));
	world_apply(world, put_lease_command("f", 7));	/* 10 */
	world_apply(world, put_lease_command("e", 7));	/* 11 */
	expect(told(&log, ""));
	world_apply(world, revoke_command(7));
	expect(told(&log, "e@11 f@10 "));
	world_apply(world, delete_all_command());
	expect(told(&log, "d@9 "));

	/* and nobody any more */
	world_apply(world, put_command("a", "4"));
	store_on_delete(world->store, NULL, NULL);
	world_apply(world, delete_command("a", NULL));
	expect(told(&log, ""));
	world_check_state(world);
	world_destroy(world);
}
