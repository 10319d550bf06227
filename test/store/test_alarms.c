/*-------------------------------------------------------------------------
 *
 * test_alarms.c
 *	  Directed tests of alarms: raising, disarming, and what they forbid.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/store/test_alarms.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "build_requests.h"
#include "directed.h"

#define TABLE		"store_test_table"

#define GET			ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__GET
#define ACTIVATE	ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__ACTIVATE
#define DEACTIVATE	ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__DEACTIVATE
#define NONE		ETCDSERVERPB__ALARM_TYPE__NONE
#define NOSPACE		ETCDSERVERPB__ALARM_TYPE__NOSPACE
#define CORRUPT		ETCDSERVERPB__ALARM_TYPE__CORRUPT

static Quorum__Command *
alarm_command(int action, uint64 member, int alarm)
{
	Quorum__Command *command = palloc(sizeof(*command));

	quorum__command__init(command);
	command->origin = 1;
	command->op_case = QUORUM__COMMAND__OP_ALARM;
	command->alarm = palloc(sizeof(*command->alarm));
	etcdserverpb__alarm_request__init(command->alarm);
	command->alarm->action = action;
	command->alarm->memberid = member;
	command->alarm->alarm = alarm;
	return command;
}

static int
alarms_listed(World *world, int alarm)
{
	Quorum__Result *result = world_apply(world, alarm_command(GET, 0, alarm));

	expect(result->error == STORE_OK);
	return (int) result->alarm->n_alarms;
}

/* Raised once, listed in order, disarmed one by one; no revision is made */
void
test_alarms(void)
{
	World	   *world = world_create("alarms", TABLE, 0);
	Quorum__Result *result;
	int64		revision;

	revision = world_apply(world, put_command("a", "1"))->revision;
	expect(alarms_listed(world, NONE) == 0);
	result = world_apply(world, alarm_command(ACTIVATE, 1, NOSPACE));
	expect(result->error == STORE_OK && result->revision == revision);
	expect(result->alarm->n_alarms == 1 && result->alarm->alarms[0]->memberid == 1);
	expect(result->alarm->alarms[0]->alarm == NOSPACE);
	result = world_apply(world, alarm_command(ACTIVATE, 1, NOSPACE));
	expect(result->error == STORE_OK && result->alarm->n_alarms == 1);
	expect(alarms_listed(world, NONE) == 1);

	/* nobody in particular; a stranger */
	expect(world_apply(world, alarm_command(ACTIVATE, 0, CORRUPT))->error == STORE_OK);
	expect_error(world, alarm_command(ACTIVATE, 77, NOSPACE), STORE_MEMBER_NOT_FOUND);
	expect(alarms_listed(world, NONE) == 2);
	expect(alarms_listed(world, CORRUPT) == 1);
	expect(store_meta(world->store)->alarms[0]->memberid == 0);

	/* what is not there can be disarmed, and nothing happens */
	result = world_apply(world, alarm_command(DEACTIVATE, 1, CORRUPT));
	expect(result->error == STORE_OK && result->alarm->n_alarms == 0);
	result = world_apply(world, alarm_command(DEACTIVATE, 1, NOSPACE));
	expect(result->alarm->n_alarms == 1 && result->revision == revision);
	world_apply(world, alarm_command(DEACTIVATE, 0, CORRUPT));
	expect(alarms_listed(world, NONE) == 0);
	expect(store_meta(world->store)->n_alarms == 0);

	expect_error(world, alarm_command(ACTIVATE, 1, NONE), STORE_INVALID_REQUEST);
	expect_error(world, alarm_command(DEACTIVATE, 1, NONE), STORE_INVALID_REQUEST);
	expect_error(world, alarm_command(GET, 0, 3), STORE_INVALID_REQUEST);
	expect_error(world, alarm_command(3, 1, NOSPACE), STORE_INVALID_REQUEST);
	world_destroy(world);
}

/* NOSPACE: no put, however it is wrapped up; what makes room goes on */
void
test_alarm_no_space(void)
{
	World	   *world = world_create("alarm for space", TABLE, 0);
	Etcdserverpb__TxnRequest *txn;
	Etcdserverpb__TxnRequest *inner;

	world_apply(world, put_command("a", "1"));
	world_apply(world, put_command("b", "1"));
	world_apply(world, alarm_command(ACTIVATE, 1, NOSPACE));
	expect_error(world, put_command("a", "2"), STORE_NO_SPACE);

	/* in the branch that would not be taken, too, and in a nested transaction */
	txn = make_txn();
	add_op(txn, false, put_op("a", "2"));
	expect_error(world, txn_command(txn), STORE_NO_SPACE);
	inner = make_txn();
	add_op(inner, true, put_op("a", "2"));
	txn = make_txn();
	add_op(txn, true, txn_op(inner));
	expect_error(world, txn_command(txn), STORE_NO_SPACE);

	/* the mistake in a request counts before the alarm */
	expect_error(world, put_command("", "2"), STORE_EMPTY_KEY);

	txn = make_txn();
	add_op(txn, true, range_op("a", NULL, 0));
	add_op(txn, true, delete_op("a", NULL));
	expect(world_apply(world, txn_command(txn))->error == STORE_OK);
	expect(world_apply(world, delete_command("b", NULL))->error == STORE_OK);
	expect(world_apply(world, compact_command(store_meta(world->store)->revision))->error == STORE_OK);
	expect_error(world, put_command("a", "2"), STORE_NO_SPACE);

	world_apply(world, alarm_command(DEACTIVATE, 1, NOSPACE));
	expect(world_apply(world, put_command("a", "2"))->error == STORE_OK);
	world_destroy(world);
}

/* CORRUPT: neither writes nor reads; the hash, by which it was found, remains */
void
test_alarm_corrupt(void)
{
	World	   *world = world_create("alarm for corruption", TABLE, 0);
	Etcdserverpb__TxnRequest *txn = make_txn();
	Etcdserverpb__RangeRequest *range = range_op("a", NULL, 0)->request_range;
	RangeCollector collector;
	StoreRangeInfo info;
	Mvccpb__KeyValue *kv;
	Quorum__Result *result;
	uint32		hash;
	int64		revision;
	int64		compacted;

	world_apply(world, put_command("a", "1"));
	add_op(txn, true, range_op("a", NULL, 0));
	expect(store_read_txn(world->tree, NULL, txn, &result) == STORE_OK);
	world_apply(world, alarm_command(ACTIVATE, 1, CORRUPT));
	world_apply(world, alarm_command(ACTIVATE, 1, NOSPACE));

	expect_error(world, put_command("a", "2"), STORE_CORRUPT);
	expect_error(world, delete_command("a", NULL), STORE_CORRUPT);
	expect_error(world, txn_command(txn), STORE_CORRUPT);
	expect_error(world, compact_command(2), STORE_CORRUPT);
	range_collector_init(&collector);
	expect(store_range(world->tree, NULL, range, true, collect_kv, &collector, &info) == STORE_CORRUPT);
	expect(collector.response->n_kvs == 0 && info.revision == 2);
	expect(store_get(world->tree, NULL, "a", 1, 0, &kv, &info) == STORE_CORRUPT && kv == NULL);
	expect(store_read_txn(world->tree, NULL, txn, &result) == STORE_CORRUPT);
	expect(result->error == STORE_CORRUPT);
	expect(store_hash_kv(world->tree, NULL, 0, &hash, &revision, &compacted) == STORE_OK);

	world_apply(world, alarm_command(DEACTIVATE, 1, CORRUPT));
	expect_error(world, put_command("a", "2"), STORE_NO_SPACE);
	expect(store_get(world->tree, NULL, "a", 1, 0, &kv, &info) == STORE_OK && kv != NULL);
	world_destroy(world);
}

/* Alarms live as long as what they were written with, and go with their member */
void
test_alarm_crash(void)
{
	World	   *world = world_create("alarms over a crash", TABLE, 0);
	Quorum__Configuration configuration = QUORUM__CONFIGURATION__INIT;
	Quorum__MemberChange change = QUORUM__MEMBER_CHANGE__INIT;
	Quorum__MemberChange__Step step = QUORUM__MEMBER_CHANGE__STEP__INIT;
	Quorum__MemberChange__Step *steps = &step;
	uint64		voters[1] = {2};

	world_apply(world, alarm_command(ACTIVATE, 1, NOSPACE));
	world_apply(world, alarm_command(ACTIVATE, 0, NOSPACE));
	world_reopen(world);
	expect(store_meta(world->store)->n_alarms == 2);
	expect_error(world, put_command("a", "1"), STORE_NO_SPACE);
	world_apply(world, alarm_command(ACTIVATE, 1, CORRUPT));

	configuration.n_voters = 1;
	configuration.voters = voters;
	step.kind = QUORUM__MEMBER_CHANGE__STEP__KIND__REMOVE;
	step.id = 1;
	change.n_steps = 1;
	change.steps = &steps;
	store_begin(world->store, world->tree, NULL, NULL);
	store_apply_configuration(world->store, world->nentries + 1, 1, &configuration, &change);
	store_commit(world->store);
	world_reopen(world);
	expect(store_meta(world->store)->n_alarms == 1);
	expect(store_alarm_raised(store_meta(world->store), 0, NOSPACE));
	expect(!store_alarm_active(store_meta(world->store), CORRUPT));
	world_destroy(world);
}
