/*-------------------------------------------------------------------------
 *
 * build_requests.c
 *	  Short ways to make commands, and to say what must come of them.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/store/build_requests.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "build_requests.h"

ProtobufCBinaryData
text_bytes(const char *text)
{
	ProtobufCBinaryData result;

	result.data = (uint8 *) pstrdup(text);
	result.len = strlen(text);
	return result;
}

ProtobufCBinaryData
long_bytes(char byte, size_t len)
{
	ProtobufCBinaryData result;

	result.data = palloc(len + 1);
	result.len = len;
	memset(result.data, byte, len);
	return result;
}

/* range_end NULL: the key alone; "" stands for the zero byte: no end */
static ProtobufCBinaryData
range_end_bytes(const char *range_end)
{
	ProtobufCBinaryData result = {0, NULL};

	if (range_end == NULL)
		return result;
	if (range_end[0] == '\0')
		return long_bytes('\0', 1);
	return text_bytes(range_end);
}

static Etcdserverpb__PutRequest *
make_put(const char *key, const char *value)
{
	Etcdserverpb__PutRequest *put = palloc(sizeof(*put));

	etcdserverpb__put_request__init(put);
	put->key = text_bytes(key);
	put->value = text_bytes(value);
	return put;
}

static Etcdserverpb__DeleteRangeRequest *
make_delete(const char *key, const char *range_end)
{
	Etcdserverpb__DeleteRangeRequest *request = palloc(sizeof(*request));

	etcdserverpb__delete_range_request__init(request);
	request->key = text_bytes(key);
	request->range_end = range_end_bytes(range_end);
	return request;
}

static Quorum__Command *
make_command(void)
{
	Quorum__Command *command = palloc(sizeof(*command));

	quorum__command__init(command);
	command->origin = 1;
	command->request = 1;
	return command;
}

Quorum__Command *
put_command(const char *key, const char *value)
{
	Quorum__Command *command = make_command();

	command->op_case = QUORUM__COMMAND__OP_PUT;
	command->put = make_put(key, value);
	return command;
}

Quorum__Command *
put_lease_command(const char *key, int64 lease)
{
	Quorum__Command *command = put_command(key, "v");

	command->put->lease = lease;
	return command;
}

Quorum__Command *
grant_command(int64 lease, int64 ttl)
{
	Quorum__Command *command = make_command();

	command->op_case = QUORUM__COMMAND__OP_LEASE_GRANT;
	command->lease_grant = palloc(sizeof(*command->lease_grant));
	etcdserverpb__lease_grant_request__init(command->lease_grant);
	command->lease_grant->id = lease;
	command->lease_grant->ttl = ttl;
	return command;
}

Quorum__Command *
revoke_command(int64 lease)
{
	Quorum__Command *command = make_command();

	command->op_case = QUORUM__COMMAND__OP_LEASE_REVOKE;
	command->lease_revoke = palloc(sizeof(*command->lease_revoke));
	etcdserverpb__lease_revoke_request__init(command->lease_revoke);
	command->lease_revoke->id = lease;
	return command;
}

Quorum__Command *
checkpoint_command(int64 lease, int64 remaining)
{
	Quorum__Command *command = make_command();
	Etcdserverpb__LeaseCheckpointRequest *request = palloc(sizeof(*request));

	command->op_case = QUORUM__COMMAND__OP_LEASE_CHECKPOINT;
	etcdserverpb__lease_checkpoint_request__init(request);
	request->n_checkpoints = 1;
	request->checkpoints = palloc(sizeof(*request->checkpoints));
	request->checkpoints[0] = palloc(sizeof(**request->checkpoints));
	etcdserverpb__lease_checkpoint__init(request->checkpoints[0]);
	request->checkpoints[0]->id = lease;
	request->checkpoints[0]->remaining_ttl = remaining;
	command->lease_checkpoint = request;
	return command;
}

Quorum__Command *
delete_command(const char *key, const char *range_end)
{
	Quorum__Command *command = make_command();

	command->op_case = QUORUM__COMMAND__OP_DELETE_RANGE;
	command->delete_range = make_delete(key, range_end);
	return command;
}

Quorum__Command *
delete_all_command(void)
{
	Quorum__Command *command = delete_command("x", "");

	command->delete_range->key = long_bytes('\0', 1);
	return command;
}

Quorum__Command *
compact_command(int64 revision)
{
	Quorum__Command *command = make_command();

	command->op_case = QUORUM__COMMAND__OP_COMPACTION;
	command->compaction = palloc(sizeof(*command->compaction));
	etcdserverpb__compaction_request__init(command->compaction);
	command->compaction->revision = revision;
	return command;
}

Quorum__Command *
txn_command(Etcdserverpb__TxnRequest *txn)
{
	Quorum__Command *command = make_command();

	command->op_case = QUORUM__COMMAND__OP_TXN;
	command->txn = txn;
	return command;
}

Etcdserverpb__TxnRequest *
make_txn(void)
{
	Etcdserverpb__TxnRequest *txn = palloc(sizeof(*txn));

	etcdserverpb__txn_request__init(txn);
	txn->compare = palloc(sizeof(*txn->compare));
	txn->success = palloc(sizeof(*txn->success));
	txn->failure = palloc(sizeof(*txn->failure));
	return txn;
}

void
add_op(Etcdserverpb__TxnRequest *txn, bool success, Etcdserverpb__RequestOp *op)
{
	if (success)
	{
		txn->success = repalloc(txn->success, (txn->n_success + 1) * sizeof(op));
		txn->success[txn->n_success++] = op;
	}
	else
	{
		txn->failure = repalloc(txn->failure, (txn->n_failure + 1) * sizeof(op));
		txn->failure[txn->n_failure++] = op;
	}
}

void
add_compare(Etcdserverpb__TxnRequest *txn, Etcdserverpb__Compare *compare)
{
	txn->compare = repalloc(txn->compare, (txn->n_compare + 1) * sizeof(compare));
	txn->compare[txn->n_compare++] = compare;
}

static Etcdserverpb__RequestOp *
make_op(void)
{
	Etcdserverpb__RequestOp *op = palloc(sizeof(*op));

	etcdserverpb__request_op__init(op);
	return op;
}

Etcdserverpb__RequestOp *
put_op(const char *key, const char *value)
{
	Etcdserverpb__RequestOp *op = make_op();

	op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
	op->request_put = make_put(key, value);
	return op;
}

Etcdserverpb__RequestOp *
delete_op(const char *key, const char *range_end)
{
	Etcdserverpb__RequestOp *op = make_op();

	op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE;
	op->request_delete_range = make_delete(key, range_end);
	return op;
}

Etcdserverpb__RequestOp *
range_op(const char *key, const char *range_end, int64 revision)
{
	Etcdserverpb__RequestOp *op = make_op();
	Etcdserverpb__RangeRequest *range = palloc(sizeof(*range));

	etcdserverpb__range_request__init(range);
	range->key = text_bytes(key);
	range->range_end = range_end_bytes(range_end);
	range->revision = revision;
	op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE;
	op->request_range = range;
	return op;
}

Etcdserverpb__RequestOp *
txn_op(Etcdserverpb__TxnRequest *txn)
{
	Etcdserverpb__RequestOp *op = make_op();

	op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN;
	op->request_txn = txn;
	return op;
}

Etcdserverpb__Compare *
compare_number(const char *key, int target, int result, int64 number)
{
	Etcdserverpb__Compare *compare = palloc(sizeof(*compare));

	etcdserverpb__compare__init(compare);
	compare->key = text_bytes(key);
	compare->target = target;
	compare->result = result;
	switch (target)
	{
		case ETCDSERVERPB__COMPARE__COMPARE_TARGET__VERSION:
			compare->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_VERSION;
			break;
		case ETCDSERVERPB__COMPARE__COMPARE_TARGET__CREATE:
			compare->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_CREATE_REVISION;
			break;
		case ETCDSERVERPB__COMPARE__COMPARE_TARGET__MOD:
			compare->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_MOD_REVISION;
			break;
		default:
			compare->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_LEASE;
			break;
	}
	compare->version = number;	/* the numbers of the union share their place */
	return compare;
}

Etcdserverpb__Compare *
compare_value(const char *key, int result, const char *value)
{
	Etcdserverpb__Compare *compare = palloc(sizeof(*compare));

	etcdserverpb__compare__init(compare);
	compare->key = text_bytes(key);
	compare->target = ETCDSERVERPB__COMPARE__COMPARE_TARGET__VALUE;
	compare->result = result;
	compare->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_VALUE;
	compare->value = text_bytes(value);
	return compare;
}
