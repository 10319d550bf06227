/*-------------------------------------------------------------------------
 *
 * test_commands.c
 *	  Directed tests of commands: revisions, errors, transactions.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/store/test_commands.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "build_requests.h"
#include "directed.h"
#include "store/pbmem.h"
#include "store/txn.h"

#define VERSION	ETCDSERVERPB__COMPARE__COMPARE_TARGET__VERSION
#define CREATE	ETCDSERVERPB__COMPARE__COMPARE_TARGET__CREATE
#define MOD		ETCDSERVERPB__COMPARE__COMPARE_TARGET__MOD
#define LEASE	ETCDSERVERPB__COMPARE__COMPARE_TARGET__LEASE
#define EQUAL	ETCDSERVERPB__COMPARE__COMPARE_RESULT__EQUAL
#define NOT_EQUAL	ETCDSERVERPB__COMPARE__COMPARE_RESULT__NOT_EQUAL
#define GREATER	ETCDSERVERPB__COMPARE__COMPARE_RESULT__GREATER
#define LESS	ETCDSERVERPB__COMPARE__COMPARE_RESULT__LESS

#define TABLE	"store_test_table"

static Mvccpb__KeyValue *
get_key(World *world, const char *key, int64 revision)
{
	Mvccpb__KeyValue *kv;
	StoreRangeInfo info;

	expect(store_get(world->tree, NULL, key, strlen(key), revision, &kv, &info) == STORE_OK);
	return kv;
}

/* Is the ERROR raised that is expected? */
typedef struct ErrorAttempt
{
	World	   *world;
	const Quorum__Command *command;
	uint64		index;
} ErrorAttempt;

static int
sqlstate_of_apply(World *world, const Quorum__Command *command, uint64 index)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile int sqlstate = 0;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		store_begin(world->store, world->tree, NULL, NULL);
		store_apply(world->store, index, 1, command, false, NULL);
		store_commit(world->store);
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
	return sqlstate;
}

void
test_revisions(void)
{
	World	   *world = world_create("revisions", TABLE, 0);
	Etcdserverpb__TxnRequest *txn;
	Quorum__Result *result;
	Mvccpb__KeyValue *kv;

	/* the first write makes revision 2 */
	expect(world_apply(world, put_command("a", "1"))->revision == 2);
	kv = get_key(world, "a", 0);
	expect(kv->create_revision == 2 && kv->mod_revision == 2 && kv->version == 1);
	expect(world_apply(world, put_command("a", "1"))->revision == 3);
	kv = get_key(world, "a", 0);
	expect(kv->create_revision == 2 && kv->mod_revision == 3 && kv->version == 2);

	/* deleting nothing makes none */
	result = world_apply(world, delete_command("b", NULL));
	expect(result->revision == 3 && result->delete_range->deleted == 0);
	expect(result->delete_range->header->revision == 3);
	result = world_apply(world, delete_command("a", NULL));
	expect(result->revision == 4 && result->delete_range->deleted == 1);
	expect(get_key(world, "a", 0) == NULL);
	expect(get_key(world, "a", 3)->version == 2);

	/* a key's second life begins at version 1 */
	world_apply(world, put_command("a", "2"));
	kv = get_key(world, "a", 0);
	expect(kv->create_revision == 5 && kv->mod_revision == 5 && kv->version == 1);

	/* a transaction is one revision, and none if it changes nothing */
	txn = make_txn();
	add_op(txn, true, put_op("x", "1"));
	add_op(txn, true, put_op("y", "1"));
	add_op(txn, true, delete_op("a", NULL));
	expect(world_apply(world, txn_command(txn))->revision == 6);
	expect(get_key(world, "x", 0)->mod_revision == 6);
	expect(get_key(world, "y", 0)->mod_revision == 6);
	txn = make_txn();
	add_op(txn, true, delete_op("nothing", NULL));
	add_op(txn, true, range_op("x", NULL, 0));
	expect(world_apply(world, txn_command(txn))->revision == 6);
	expect(world_apply(world, txn_command(make_txn()))->revision == 6);

	/* a range delete is one revision too */
	expect(world_apply(world, delete_all_command())->revision == 7);
	expect(store_meta(world->store)->live_keys == 0);
	world_check_state(world);
	world_destroy(world);
}

void
test_put_errors(void)
{
	World	   *world = world_create("put errors", TABLE, 0);
	Quorum__Command *command;

	expect_error(world, put_command("", "v"), STORE_EMPTY_KEY);
	expect_error(world, delete_command("", NULL), STORE_EMPTY_KEY);

	command = put_command("k", "v");
	command->put->key = long_bytes('k', STORE_MAX_KEY_BYTES + 1);
	expect_error(world, command, STORE_KEY_TOO_LARGE);
	command->put->key.len = STORE_MAX_KEY_BYTES;
	expect_error(world, command, STORE_OK);

	command = put_command("k", "v");
	command->put->lease = 12345;
	expect_error(world, command, STORE_LEASE_NOT_FOUND);
	command->put->lease = -1;
	expect_error(world, command, STORE_LEASE_NOT_FOUND);

	/* the lease is looked at before the key */
	command->put->ignore_value = true;
	command->put->value.len = 0;
	command->put->lease = 1;
	expect_error(world, command, STORE_LEASE_NOT_FOUND);

	command = put_command("k", "v");
	command->put->ignore_value = true;
	expect_error(world, command, STORE_VALUE_PROVIDED);
	command = put_command("k", "v");
	command->put->ignore_lease = true;
	command->put->lease = 1;
	expect_error(world, command, STORE_LEASE_PROVIDED);
	expect(store_meta(world->store)->revision == 2);
	world_destroy(world);
}

void
test_ignore_value(void)
{
	World	   *world = world_create("ignore_value", TABLE, 0);
	Quorum__Command *command = put_command("k", "");
	Mvccpb__KeyValue *kv;

	command->put->ignore_value = true;
	expect_error(world, command, STORE_KEY_NOT_FOUND);
	command->put->ignore_value = false;
	command->put->ignore_lease = true;
	expect_error(world, command, STORE_KEY_NOT_FOUND);
	expect(store_meta(world->store)->revision == 1);

	world_apply(world, put_command("k", "kept"));
	command->put->ignore_value = true;
	command->put->prev_kv = true;
	world_apply(world, command);
	kv = get_key(world, "k", 0);
	expect(kv->version == 2 && kv->value.len == 4 && memcmp(kv->value.data, "kept", 4) == 0);

	/* a deleted key does not exist any more */
	world_apply(world, delete_command("k", NULL));
	expect_error(world, command, STORE_KEY_NOT_FOUND);
	world_destroy(world);
}

static Etcdserverpb__TxnRequest *
txn_of_puts(int n, int first)
{
	Etcdserverpb__TxnRequest *txn = make_txn();
	int			i;

	for (i = 0; i < n; i++)
		add_op(txn, true, put_op(psprintf("k%d", first + i), "v"));
	return txn;
}

void
test_operation_limits(void)
{
	Etcdserverpb__TxnRequest *txn;
	Etcdserverpb__TxnRequest *nested;
	Quorum__Command *command;
	uint64		size;
	int			i;

	expect(store_validate(txn_command(txn_of_puts(128, 0)), 0, 128) == STORE_OK);
	expect(store_validate(txn_command(txn_of_puts(129, 0)), 0, 128) == STORE_TOO_MANY_OPS);
	expect(store_validate(txn_command(txn_of_puts(129, 0)), 0, 0) == STORE_OK);

	/* compares, and each branch, count for themselves */
	txn = txn_of_puts(100, 0);
	for (i = 0; i < 100; i++)
	{
		add_compare(txn, compare_number("k", MOD, EQUAL, 0));
		add_op(txn, false, put_op(psprintf("k%d", i), "v"));
	}
	expect(store_validate(txn_command(txn), 0, 100) == STORE_OK);
	expect(store_validate(txn_command(txn), 0, 99) == STORE_TOO_MANY_OPS);
	for (i = 0; i < 29; i++)
		add_compare(txn, compare_number("k", MOD, EQUAL, 0));
	expect(store_validate(txn_command(txn), 0, 128) == STORE_TOO_MANY_OPS);

	/* a nested transaction has what is left */
	txn = txn_of_puts(27, 0);
	add_op(txn, true, txn_op(txn_of_puts(100, 1000)));
	expect(store_validate(txn_command(txn), 0, 128) == STORE_OK);
	expect(store_validate(txn_command(txn), 0, 127) == STORE_TOO_MANY_OPS);

	/* the order of the checks is that of the operations */
	txn = make_txn();
	add_op(txn, true, put_op("", "v"));
	add_op(txn, true, txn_op(txn_of_puts(200, 0)));
	expect(store_validate(txn_command(txn), 0, 128) == STORE_EMPTY_KEY);

	/* nesting is bounded whatever the settings are */
	txn = make_txn();
	for (i = 1; i < STORE_MAX_TXN_DEPTH; i++)
	{
		nested = txn;
		txn = make_txn();
		add_op(txn, true, txn_op(nested));
	}
	expect(store_validate(txn_command(txn), 0, 0) == STORE_OK);
	nested = txn;
	txn = make_txn();
	add_op(txn, true, txn_op(nested));
	expect(store_validate(txn_command(txn), 0, 0) == STORE_TOO_MANY_OPS);

	/* bytes */
	command = put_command("k", "v");
	command->put->value = long_bytes('v', 10000);
	size = quorum__command__get_packed_size(command);
	expect(store_validate(command, size, 128) == STORE_OK);
	expect(store_validate(command, size - 1, 128) == STORE_REQUEST_TOO_LARGE);
	expect(store_validate(command, 0, 128) == STORE_OK);
}

/* A transaction whose success branch has these operations; NULL ends them */
static StoreError
validate_ops(Etcdserverpb__RequestOp *first,...)
{
	Etcdserverpb__TxnRequest *txn = make_txn();
	Etcdserverpb__TxnRequest *other = make_txn();
	Etcdserverpb__RequestOp *op;
	StoreError	error;
	va_list		args;

	va_start(args, first);
	for (op = first; op != NULL; op = va_arg(args, Etcdserverpb__RequestOp *))
	{
		add_op(txn, true, op);
		add_op(other, false, op);
	}
	va_end(args);
	error = store_validate(txn_command(txn), 0, 128);
	expect(store_validate(txn_command(other), 0, 128) == error);
	return error;
}

/* A nested transaction with one operation in each branch, or none */
static Etcdserverpb__RequestOp *
nested_op(Etcdserverpb__RequestOp *success, Etcdserverpb__RequestOp *failure)
{
	Etcdserverpb__TxnRequest *txn = make_txn();

	if (success != NULL)
		add_op(txn, true, success);
	if (failure != NULL)
		add_op(txn, false, failure);
	return txn_op(txn);
}

void
test_duplicate_keys(void)
{
	Etcdserverpb__TxnRequest *txn;

	expect(validate_ops(put_op("a", "1"), put_op("b", "1"), NULL) == STORE_OK);
	expect(validate_ops(put_op("a", "1"), put_op("a", "2"), NULL) == STORE_DUPLICATE_KEY);
	expect(validate_ops(put_op("a", "1"), delete_op("a", NULL), NULL) == STORE_DUPLICATE_KEY);
	expect(validate_ops(delete_op("a", NULL), put_op("a", "1"), NULL) == STORE_DUPLICATE_KEY);
	expect(validate_ops(put_op("b", "1"), delete_op("a", "c"), NULL) == STORE_DUPLICATE_KEY);
	expect(validate_ops(put_op("c", "1"), delete_op("a", "c"), NULL) == STORE_OK);
	expect(validate_ops(put_op("z", "1"), delete_op("a", ""), NULL) == STORE_DUPLICATE_KEY);
	expect(validate_ops(put_op("0", "1"), delete_op("a", ""), NULL) == STORE_OK);
	expect(validate_ops(put_op("b", "1"), delete_op("c", "a"), NULL) == STORE_OK);
	expect(validate_ops(put_op("ab", "1"), delete_op("a", NULL), NULL) == STORE_OK);

	/* deletes may overlap, and ranges overlap with anything */
	expect(validate_ops(delete_op("a", "c"), delete_op("b", "d"), delete_op("a", NULL), NULL) == STORE_OK);
	expect(validate_ops(delete_op("a", "c"), delete_op("b", "d"), put_op("c", "1"), NULL) == STORE_DUPLICATE_KEY);
	expect(validate_ops(delete_op("a", "b"), delete_op("c", "d"), put_op("b", "1"), NULL) == STORE_OK);
	expect(validate_ops(put_op("a", "1"), range_op("a", NULL, 0), range_op("a", "b", 0), NULL) == STORE_OK);

	/* the two branches of a transaction exclude each other */
	txn = make_txn();
	add_op(txn, true, put_op("a", "1"));
	add_op(txn, false, put_op("a", "2"));
	expect(store_validate(txn_command(txn), 0, 128) == STORE_OK);
	expect(validate_ops(nested_op(put_op("a", "1"), put_op("a", "2")), NULL) == STORE_OK);
	expect(validate_ops(nested_op(put_op("a", "1"), delete_op("a", NULL)), NULL) == STORE_OK);

	/* nested ones run beside what is around them */
	expect(validate_ops(put_op("a", "1"), nested_op(put_op("a", "2"), NULL), NULL) == STORE_DUPLICATE_KEY);
	expect(validate_ops(put_op("a", "1"), nested_op(NULL, put_op("a", "2")), NULL) == STORE_DUPLICATE_KEY);
	expect(validate_ops(delete_op("a", NULL), nested_op(NULL, put_op("a", "2")), NULL) == STORE_DUPLICATE_KEY);
	expect(validate_ops(put_op("a", "1"), nested_op(NULL, delete_op("a", NULL)), NULL) == STORE_DUPLICATE_KEY);
	expect(validate_ops(nested_op(put_op("a", "1"), NULL), nested_op(put_op("a", "2"), NULL), NULL) == STORE_DUPLICATE_KEY);
	expect(validate_ops(nested_op(put_op("a", "1"), NULL), nested_op(put_op("b", "2"), put_op("a", "3")), NULL) == STORE_DUPLICATE_KEY);
	expect(validate_ops(nested_op(nested_op(put_op("a", "1"), NULL), NULL), put_op("a", "2"), NULL) == STORE_DUPLICATE_KEY);
	expect(validate_ops(nested_op(delete_op("a", NULL), NULL), nested_op(put_op("a", "2"), NULL), NULL) == STORE_DUPLICATE_KEY);

	/* as in etcd, a nested put before a nested delete passes */
	expect(validate_ops(nested_op(put_op("a", "1"), NULL), nested_op(delete_op("a", NULL), NULL), NULL) == STORE_OK);

	/* it comes after the checks of the operations */
	expect(validate_ops(put_op("a", "1"), put_op("a", "2"), put_op("", "1"), NULL) == STORE_EMPTY_KEY);
}

void
test_malformed(void)
{
	World	   *world = world_create("malformed", TABLE, 0);
	Etcdserverpb__RequestOp *op;
	Etcdserverpb__TxnRequest *txn;
	Quorum__Command *command = put_command("a", "b");

	command->op_case = QUORUM__COMMAND__OP__NOT_SET;
	expect(store_validate(command, 0, 0) == STORE_INVALID_REQUEST);
	expect_error(world, command, STORE_INVALID_REQUEST);

	op = range_op("a", NULL, 0);
	op->request_range->sort_order = 3;
	expect(validate_ops(op, NULL) == STORE_INVALID_SORT);
	op->request_range->sort_order = -1;
	expect(validate_ops(op, NULL) == STORE_INVALID_SORT);
	op->request_range->sort_order = 0;
	op->request_range->sort_target = 5;
	expect(validate_ops(op, NULL) == STORE_INVALID_SORT);
	op->request_range->sort_target = 0;
	op->request_range->key.len = 0;
	expect(validate_ops(op, NULL) == STORE_EMPTY_KEY);

	op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST__NOT_SET;
	expect(validate_ops(op, NULL) == STORE_KEY_NOT_FOUND);
	txn = make_txn();
	add_op(txn, false, op);
	expect_error(world, txn_command(txn), STORE_KEY_NOT_FOUND);

	txn = make_txn();
	add_compare(txn, compare_number("", MOD, EQUAL, 0));
	expect_error(world, txn_command(txn), STORE_EMPTY_KEY);
	txn->compare[0] = compare_number("a", MOD, 4, 0);
	expect_error(world, txn_command(txn), STORE_INVALID_REQUEST);
	txn->compare[0] = compare_number("a", MOD, EQUAL, 0);
	txn->compare[0]->target = 5;
	expect_error(world, txn_command(txn), STORE_INVALID_REQUEST);
	expect(store_meta(world->store)->revision == 1);
	world_destroy(world);
}

/* Does a transaction with this compare take its success branch? */
static bool
holds(World *world, Etcdserverpb__Compare *compare)
{
	Etcdserverpb__TxnRequest *txn = make_txn();
	Quorum__Result *result;

	add_compare(txn, compare);
	result = world_apply(world, txn_command(txn));
	expect(result->error == STORE_OK);
	return result->txn->succeeded;
}

static Etcdserverpb__Compare *
over_range(Etcdserverpb__Compare *compare, const char *range_end)
{
	compare->range_end = text_bytes(range_end);
	return compare;
}

void
test_compares(void)
{
	World	   *world = world_create("compares", TABLE, 0);

	world_apply(world, put_command("a", "m"));	/* 2 */
	world_apply(world, put_command("b", "m"));	/* 3 */
	world_apply(world, put_command("a", "n"));	/* 4 */

	expect(holds(world, compare_number("a", VERSION, EQUAL, 2)));
	expect(holds(world, compare_number("a", VERSION, GREATER, 1)));
	expect(!holds(world, compare_number("a", VERSION, GREATER, 2)));
	expect(holds(world, compare_number("a", VERSION, LESS, 3)));
	expect(holds(world, compare_number("a", VERSION, NOT_EQUAL, 1)));
	expect(holds(world, compare_number("a", CREATE, EQUAL, 2)));
	expect(holds(world, compare_number("a", MOD, EQUAL, 4)));
	expect(holds(world, compare_number("a", LEASE, EQUAL, 0)));
	expect(holds(world, compare_value("a", EQUAL, "n")));
	expect(holds(world, compare_value("a", GREATER, "m")));
	expect(holds(world, compare_value("a", LESS, "na")));
	expect(!holds(world, compare_value("a", NOT_EQUAL, "n")));

	/* a key that does not exist compares as zero, but never by its value */
	expect(holds(world, compare_number("c", VERSION, EQUAL, 0)));
	expect(holds(world, compare_number("c", CREATE, EQUAL, 0)));
	expect(holds(world, compare_number("c", MOD, LESS, 1)));
	expect(holds(world, compare_number("c", LEASE, EQUAL, 0)));
	expect(!holds(world, compare_number("c", VERSION, GREATER, 0)));
	expect(!holds(world, compare_value("c", EQUAL, "")));
	expect(!holds(world, compare_value("c", NOT_EQUAL, "x")));
	expect(!holds(world, over_range(compare_value("c", NOT_EQUAL, "x"), "d")));
	expect(holds(world, over_range(compare_number("c", VERSION, EQUAL, 0), "d")));

	/* every key of a range must pass */
	expect(holds(world, over_range(compare_number("a", VERSION, GREATER, 0), "c")));
	expect(!holds(world, over_range(compare_number("a", VERSION, GREATER, 1), "c")));
	expect(holds(world, over_range(compare_value("a", GREATER, "l"), "c")));
	expect(!holds(world, over_range(compare_value("a", GREATER, "m"), "c")));

	/* a deleted key is one that does not exist */
	world_apply(world, delete_command("a", NULL));
	expect(holds(world, compare_number("a", VERSION, EQUAL, 0)));
	expect(!holds(world, compare_value("a", EQUAL, "n")));
	world_destroy(world);
}

/* Compares of nested transactions look at the state before the whole */
void
test_nested_compares(void)
{
	World	   *world = world_create("nested compares", TABLE, 0);
	Etcdserverpb__TxnRequest *txn = make_txn();
	Etcdserverpb__TxnRequest *nested = make_txn();
	Quorum__Result *result;

	add_compare(nested, compare_number("a", VERSION, EQUAL, 0));
	add_op(nested, true, put_op("yes", "1"));
	add_op(nested, false, put_op("no", "1"));
	add_op(txn, true, put_op("a", "1"));
	add_op(txn, true, txn_op(nested));
	result = world_apply(world, txn_command(txn));
	expect(result->txn->responses[1]->response_txn->succeeded);
	expect(get_key(world, "yes", 0) != NULL && get_key(world, "no", 0) == NULL);

	result = world_apply(world, txn_command(txn));
	expect(!result->txn->responses[1]->response_txn->succeeded);
	expect(get_key(world, "no", 0)->mod_revision == 3);
	world_destroy(world);
}

void
test_txn_sees_itself(void)
{
	World	   *world = world_create("transaction sees itself", TABLE, 0);
	Etcdserverpb__TxnRequest *txn = make_txn();
	Etcdserverpb__TxnResponse *response;
	Quorum__Result *result;

	world_apply(world, put_command("a", "old"));
	add_op(txn, true, range_op("a", NULL, 0));
	add_op(txn, true, put_op("a", "new"));
	add_op(txn, true, range_op("a", NULL, 0));
	add_op(txn, true, range_op("a", NULL, 2));
	add_op(txn, true, delete_op("b", NULL));
	add_op(txn, true, range_op("a", "", 0));
	result = world_apply(world, txn_command(txn));
	response = result->txn;
	expect(result->revision == 3 && response->header->revision == 3);
	expect(response->responses[0]->response_range->header->revision == 2);
	expect(response->responses[0]->response_range->kvs[0]->version == 1);
	expect(response->responses[2]->response_range->header->revision == 3);
	expect(response->responses[2]->response_range->kvs[0]->version == 2);
	expect(response->responses[3]->response_range->kvs[0]->version == 1);
	expect(response->responses[5]->response_range->count == 1);

	/* a key put and deleted in one revision is gone at it */
	txn = make_txn();
	add_op(txn, true, nested_op(put_op("p", "1"), NULL));
	add_op(txn, true, nested_op(delete_op("p", NULL), NULL));
	add_op(txn, true, range_op("p", NULL, 0));
	result = world_apply(world, txn_command(txn));
	expect(result->revision == 4);
	expect(result->txn->responses[1]->response_txn->responses[0]->response_delete_range->deleted == 1);
	expect(result->txn->responses[2]->response_range->count == 0);
	expect(get_key(world, "p", 0) == NULL && get_key(world, "p", 4) == NULL);
	world_check_state(world);
	world_destroy(world);
}

/*
 * A transaction with a range at a revision that is compacted, or in the future,
 * is refused by every member alike, before anything in it is done, and also
 * where nobody waits for the result.
 */
void
test_txn_revisions_18667(void)
{
	int			round;

	for (round = 0; round < 2; round++)
	{
		World	   *world = world_create("ranges at revisions", TABLE, 0);
		StoreError	code = round == 0 ? STORE_COMPACTED : STORE_FUTURE_REVISION;
		Etcdserverpb__TxnRequest *txn = make_txn();
		Quorum__Result *ignored;
		int			i;

		for (i = 0; i < 5; i++)
			world_apply(world, put_command("a", "v"));
		expect_error(world, compact_command(4), STORE_OK);

		add_op(txn, true, put_op("b", "1"));
		add_op(txn, true, nested_op(range_op("a", NULL, round == 0 ? 3 : 7), NULL));
		expect_error(world, txn_command(txn), code);
		expect(get_key(world, "b", 0) == NULL);
		expect(store_meta(world->store)->revision == 6);

		/* the same on a member that has no use for the result */
		store_begin(world->store, world->tree, NULL, NULL);
		store_apply(world->store, store_meta(world->store)->applied_index + 1, 1,
					txn_command(txn), false, &ignored);
		store_commit(world->store);
		expect(ignored == NULL);
		expect(get_key(world, "b", 0) == NULL);
		expect(store_meta(world->store)->revision == 6);

		/* on the path not taken nothing is checked */
		txn = make_txn();
		add_op(txn, true, put_op("b", "1"));
		add_op(txn, false, range_op("a", NULL, 3));
		world->nentries++;
		world->entries[world->nentries - 1] = world->entries[0];
		expect_error(world, txn_command(txn), STORE_OK);

		/* the compacted revision itself can be read, and the one before the write */
		txn = make_txn();
		add_op(txn, true, put_op("c", "1"));
		add_op(txn, true, range_op("a", NULL, 4));
		add_op(txn, true, range_op("a", NULL, 7));
		expect_error(world, txn_command(txn), STORE_OK);
		world_destroy(world);
	}
}

/* A refused command changes nothing, in a batch among others too */
void
test_failed_commands(void)
{
	World	   *world = world_create("failed commands", TABLE, 0);
	Etcdserverpb__TxnRequest *txn = make_txn();
	Quorum__Result *result;

	add_op(txn, true, put_op("a", "1"));
	add_op(txn, true, put_op("b", "1"));
	txn->success[1]->request_put->lease = 5;
	store_begin(world->store, world->tree, NULL, NULL);
	store_apply(world->store, 1, 1, put_command("x", "1"), true, &result);
	expect(result->error == STORE_OK && result->revision == 2);
	store_apply(world->store, 2, 1, txn_command(txn), true, &result);
	expect(result->error == STORE_LEASE_NOT_FOUND && result->revision == 2);
	expect(result->response_case == QUORUM__RESULT__RESPONSE__NOT_SET);
	store_apply(world->store, 3, 1, put_command("x", "2"), true, &result);
	expect(result->error == STORE_OK && result->revision == 3);

	/* not visible before the end of the batch */
	expect(get_key(world, "x", 0) == NULL);
	expect(store_pending_changes(world->store) == 2);
	store_commit(world->store);
	expect(get_key(world, "x", 0)->version == 2);
	expect(get_key(world, "a", 0) == NULL);
	expect(store_meta(world->store)->applied_index == 3);
	world_destroy(world);
}

static Quorum__Command *
unpack_command(const char *bytes, size_t len)
{
	Quorum__Command *command;

	command = (Quorum__Command *) pb_unpack(&quorum__command__descriptor, bytes, len);
	expect(command != NULL);
	return command;
}

/* What a later version has put into the log must not be skipped */
void
test_unknown_commands(void)
{
	World	   *world = world_create("unknown commands", TABLE, 0);

	/* field 99, a message */
	static const char unknown_command[] = {(char) 0x9a, 0x06, 0x00};

	/* txn { success { field 99 } } */
	static const char unknown_op[] = {0x62, 0x05, 0x12, 0x03, (char) 0x9a, 0x06, 0x00};

	expect(sqlstate_of_apply(world, unpack_command(unknown_command, sizeof(unknown_command)), 1) ==
		   ERRCODE_FEATURE_NOT_SUPPORTED);
	world_reopen(world);
	expect(sqlstate_of_apply(world, unpack_command(unknown_op, sizeof(unknown_op)), 1) ==
		   ERRCODE_FEATURE_NOT_SUPPORTED);
	world_reopen(world);
	expect(store_meta(world->store)->applied_index == 0);
	expect(sqlstate_of_apply(world, put_command("a", "1"), 1) == 0);
	expect(store_meta(world->store)->applied_index == 1);
	world_destroy(world);
}

void
test_entry_order(void)
{
	World	   *world = world_create("order of entries", TABLE, 0);

	expect(sqlstate_of_apply(world, put_command("a", "1"), 2) == ERRCODE_INTERNAL_ERROR);
	world_reopen(world);
	expect(sqlstate_of_apply(world, put_command("a", "1"), 1) == 0);
	expect(sqlstate_of_apply(world, put_command("a", "1"), 1) == ERRCODE_INTERNAL_ERROR);
	world_reopen(world);

	/* entries without a command move the applied index */
	expect(sqlstate_of_apply(world, NULL, 2) == 0);
	expect(sqlstate_of_apply(world, unpack_command("", 0), 3) == 0);
	expect(store_meta(world->store)->applied_index == 3);
	expect(store_meta(world->store)->revision == 2);

	/* a batch without entries writes nothing */
	store_begin(world->store, world->tree, NULL, NULL);
	expect(XLogRecPtrIsInvalid(store_commit(world->store)));
	world_destroy(world);
}

/* Bytes that nest so deep that decoding them would overflow the stack */
void
test_deep_nesting(void)
{
	size_t		size = 3 * 1000 * 1000;
	char	   *bytes = palloc(size);
	size_t		at = size;
	size_t		levels;
	Etcdserverpb__TxnRequest *txn = make_txn();
	char	   *packed;
	size_t		len;

	/* from the inside out: RequestOp.request_txn (4), TxnRequest.success (2) */
	for (levels = 0; at > 20; levels++)
	{
		size_t		inner = size - at;
		char		length[10];
		int			n = 0;

		do
		{
			length[n++] = (char) ((inner & 0x7f) | (inner > 0x7f ? 0x80 : 0));
			inner >>= 7;
		} while (inner > 0);
		at -= n;
		memcpy(bytes + at, length, n);
		bytes[--at] = levels % 2 == 0 ? 0x22 : 0x12;
	}
	if (levels % 2 == 0)
		expect(pb_unpack(&etcdserverpb__txn_request__descriptor, bytes + at, size - at) == NULL);
	else
		expect(pb_unpack(&etcdserverpb__request_op__descriptor, bytes + at, size - at) == NULL);
	expect(levels > 100000);

	/* what store_validate() lets pass, decodes */
	for (levels = 1; levels < STORE_MAX_TXN_DEPTH; levels++)
	{
		Etcdserverpb__TxnRequest *nested = txn;

		txn = make_txn();
		add_op(txn, true, put_op(psprintf("a key of level %d", (int) levels), "v"));
		add_op(txn, true, txn_op(nested));
	}
	expect(store_validate(txn_command(txn), 0, 0) == STORE_OK);
	packed = pb_pack(&txn_command(txn)->base, &len);
	expect(len > 2 * PB_MAX_DEPTH);
	expect(pb_unpack(&quorum__command__descriptor, packed, len) != NULL);

	/* bytes cut off anywhere are no message, or a shorter one, and never more */
	for (at = 0; at < len; at += 7)
		(void) pb_unpack(&quorum__command__descriptor, packed, at);
}

void
test_configuration(void)
{
	World	   *world = world_create("configuration", TABLE, 0);
	Quorum__Configuration configuration = QUORUM__CONFIGURATION__INIT;
	Quorum__MemberChange change = QUORUM__MEMBER_CHANGE__INIT;
	Quorum__MemberChange__Step step = QUORUM__MEMBER_CHANGE__STEP__INIT;
	Quorum__MemberChange__Step *steps[1] = {&step};
	Quorum__Member member = QUORUM__MEMBER__INIT;
	Quorum__Member *members[1] = {&member};
	uint64		voters[2] = {1, 7};
	Quorum__StoreMeta *meta;
	List	   *list;

	configuration.n_voters = 2;
	configuration.voters = voters;
	member.id = 7;
	member.name = "n7";
	member.conninfo = "port=7";
	change.n_record = 1;
	change.record = members;
	store_begin(world->store, world->tree, NULL, NULL);
	store_apply_configuration(world->store, 1, 1, &configuration, &change);
	store_commit(world->store);

	meta = store_read_meta(world->tree);
	expect(meta->applied_index == 1 && meta->configuration_index == 1);
	expect(meta->configuration->n_voters == 2 && meta->configuration->voters[1] == 7);
	list = store_read_members(world->tree);
	expect(list_length(list) == 2);
	expect(strcmp(((Quorum__Member *) lsecond(list))->conninfo, "port=7") == 0);

	/* removed, and none recorded */
	step.kind = QUORUM__MEMBER_CHANGE__STEP__KIND__REMOVE;
	step.id = 1;
	change.n_record = 0;
	change.n_steps = 1;
	change.steps = steps;
	configuration.n_voters = 1;
	voters[0] = 7;
	store_begin(world->store, world->tree, NULL, NULL);
	store_apply_configuration(world->store, 2, 1, &configuration, &change);
	store_apply_configuration(world->store, 3, 1, &configuration, NULL);
	store_commit(world->store);
	list = store_read_members(world->tree);
	expect(list_length(list) == 1 && ((Quorum__Member *) linitial(list))->id == 7);
	world_reopen(world);
	expect(store_meta(world->store)->configuration->n_voters == 1);
	expect(store_meta(world->store)->configuration->voters[0] == 7);
	expect(store_meta(world->store)->configuration_index == 3);
	world_destroy(world);
}
