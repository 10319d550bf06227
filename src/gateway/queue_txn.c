/*-------------------------------------------------------------------------
 *
 * queue_txn.c
 *	  What the services of locks and elections do to the queues of keys: transactions,
 *	  looks, and errors in etcd's words.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/queue_txn.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "gateway/caller.h"
#include "gateway/contend.h"
#include "gateway/errors.h"
#include "settings.h"
#include "store/store.h"

/* ---------- errors ---------- */

void
contend_fail(Call *call, const char *text)
{
	call_finish(call, GRPC_UNKNOWN, text);
}

void
contend_fail_store(Call *call, int error)
{
	contend_fail(call, errors_of_store((StoreError) error)->text);
}

void
contend_fail_outcome(Call *call, MemberCallOutcome outcome)
{
	contend_fail(call, errors_of_outcome(outcome)->text);
}

/* ---------- commands ---------- */

bool
contend_name_command(Call *call, Quorum__Command *command)
{
	StoreError	error = caller_name_command(call, command);

	if (error == STORE_OK)
		error = store_validate(command, setting_max_request_bytes, setting_max_txn_ops);
	if (error == STORE_OK)
		return true;
	contend_fail_store(call, error);
	return false;
}

static void
init_txn(OwnedTxn *t, ProtobufCBinaryData key, Etcdserverpb__Compare__CompareResult result,
		 int64 create_revision)
{
	quorum__command__init(&t->command);
	etcdserverpb__txn_request__init(&t->txn);
	etcdserverpb__compare__init(&t->compare);
	etcdserverpb__request_op__init(&t->op);
	t->compare.key = key;
	t->compare.result = result;
	t->compare.target = ETCDSERVERPB__COMPARE__COMPARE_TARGET__CREATE;
	t->compare.target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_CREATE_REVISION;
	t->compare.create_revision = create_revision;
	t->compares[0] = &t->compare;
	t->ops[0] = &t->op;
	t->txn.n_compare = t->txn.n_success = 1;
	t->txn.compare = t->compares;
	t->txn.success = t->ops;
	t->command.op_case = QUORUM__COMMAND__OP_TXN;
	t->command.txn = &t->txn;
}

void
owned_txn_put(OwnedTxn *t, ProtobufCBinaryData key, int64 create_revision,
			  ProtobufCBinaryData value, int64 lease)
{
	init_txn(t, key, ETCDSERVERPB__COMPARE__COMPARE_RESULT__EQUAL, create_revision);
	etcdserverpb__put_request__init(&t->put);
	t->put.key = key;
	t->put.value = value;
	t->put.lease = lease;
	t->op.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
	t->op.request_put = &t->put;
}

void
owned_txn_delete(OwnedTxn *t, ProtobufCBinaryData key,
				 Etcdserverpb__Compare__CompareResult result, int64 create_revision)
{
	init_txn(t, key, result, create_revision);
	etcdserverpb__delete_range_request__init(&t->deletion);
	t->deletion.key = key;
	t->op.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE;
	t->op.request_delete_range = &t->deletion;
}

/* ---------- looks ---------- */

ProtobufCBinaryData
contend_prefix(ProtobufCBinaryData name)
{
	ProtobufCBinaryData prefix;

	prefix.len = name.len + 1;
	prefix.data = palloc(prefix.len);
	if (name.len > 0)
		memcpy(prefix.data, name.data, name.len);
	prefix.data[name.len] = '/';
	return prefix;
}

ProtobufCBinaryData
contend_prefix_end(ProtobufCBinaryData prefix)
{
	ProtobufCBinaryData end;
	uint32		len;

	end.data = (uint8_t *) store_prefix_end((const char *) prefix.data, (uint32) prefix.len, &len);
	end.len = len;
	return end;
}

/* StoreKvVisit: keep the key that was created first */
static bool
keep_first(const Mvccpb__KeyValue *kv, void *arg)
{
	Mvccpb__KeyValue *first = arg;

	if (first->create_revision != 0 && first->create_revision <= kv->create_revision)
		return true;
	if (first->key.data != NULL)
		pfree(first->key.data);
	first->create_revision = kv->create_revision;
	first->key.len = kv->key.len;
	first->key.data = palloc(kv->key.len);
	memcpy(first->key.data, kv->key.data, kv->key.len);
	return true;
}

Mvccpb__KeyValue *
contend_first(Relation store, ProtobufCBinaryData prefix, int64 *revision)
{
	Etcdserverpb__RangeRequest request = ETCDSERVERPB__RANGE_REQUEST__INIT;

	request.key = prefix;
	request.range_end = contend_prefix_end(prefix);
	request.keys_only = true;
	for (;;)
	{
		Mvccpb__KeyValue first = MVCCPB__KEY_VALUE__INIT;
		Mvccpb__KeyValue *kv = NULL;
		StoreRangeInfo info = {0};
		StoreError	error;

		error = store_range(store, NULL, &request, false, keep_first, &first, &info);
		if (error != STORE_OK)
			elog(ERROR, "could not read a queue: error %d", (int) error);
		*revision = info.revision;
		if (first.create_revision == 0)
			return NULL;

		/* its value, as of the same revision unless that has just been compacted */
		error = store_get(store, NULL, (char *) first.key.data, (uint32) first.key.len,
						  info.revision, &kv, &info);
		if (error == STORE_OK && kv != NULL)
			return kv;
		if (error != STORE_COMPACTED)
			elog(ERROR, "could not read the first key of a queue: error %d", (int) error);
	}
}
