/*-------------------------------------------------------------------------
 *
 * write.c
 *	  The SQL functions that write keys: each is one request.
 *
 * Every function exists in forms that differ in the types of key and value.
 * The form is a constant of the C entry point, so that nothing about types is
 * looked up in a call.
 *
 * A text form can fail to show a previous value that is not text when the write has
 * been made already; its error then says so.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/sql/write.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/wait_event.h"

#include "clock.h"
#include "json/pbjson.h"
#include "member/member.h"
#include "settings.h"
#include "sql.h"

#include "compat.h"

/* How often physical compaction is looked at by whoever waits for it, in ms */
#define COMPACTION_POLL_MS	20

/* entry points of a function whose forms differ in the types of key and value */
#define KEY_VALUE_FORMS(name) \
PG_FUNCTION_INFO_V1(quorum_##name##_text); \
Datum quorum_##name##_text(PG_FUNCTION_ARGS) \
{ return name##_form(fcinfo, SQL_TEXT, SQL_TEXT); } \
PG_FUNCTION_INFO_V1(quorum_##name##_text_jsonb); \
Datum quorum_##name##_text_jsonb(PG_FUNCTION_ARGS) \
{ return name##_form(fcinfo, SQL_TEXT, SQL_JSONB); } \
PG_FUNCTION_INFO_V1(quorum_##name##_bytea); \
Datum quorum_##name##_bytea(PG_FUNCTION_ARGS) \
{ return name##_form(fcinfo, SQL_BYTES, SQL_BYTES); } \
PG_FUNCTION_INFO_V1(quorum_##name##_bytea_jsonb); \
Datum quorum_##name##_bytea_jsonb(PG_FUNCTION_ARGS) \
{ return name##_form(fcinfo, SQL_BYTES, SQL_JSONB); }

/*
 * After a write, before its answer is shown in text form: ERROR if some of it is
 * no text.
 */
static void
require_text_answer(const Mvccpb__KeyValue *kv, SqlForm form, int64 revision)
{
	if (form != SQL_TEXT ||
		(pbjson_is_text(kv->key.data, kv->key.len) &&
		 pbjson_is_text(kv->value.data, kv->value.len)))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
			 errmsg("previous key or value is not text in the database encoding"),
			 errdetail("The write was carried out, at revision %lld.", (long long) revision),
			 errhint("Use the form of the function that takes and returns bytea.")));
}

/* put(key, value, lease, ignore_value, ignore_lease) */
static Datum
put_form(FunctionCallInfo fcinfo, SqlForm key_form, SqlForm value_form)
{
	Quorum__Command command = QUORUM__COMMAND__INIT;
	Etcdserverpb__PutRequest put = ETCDSERVERPB__PUT_REQUEST__INIT;

	sql_require_writable("put");
	put.key = sql_arg_key(fcinfo, 0);
	put.value = sql_arg_value(fcinfo, 1, value_form);
	put.lease = sql_arg_int64(fcinfo, 2);
	put.ignore_value = sql_arg_bool(fcinfo, 3);
	put.ignore_lease = sql_arg_bool(fcinfo, 4);
	command.op_case = QUORUM__COMMAND__OP_PUT;
	command.put = &put;

	PG_RETURN_INT64(sql_execute(&command)->revision);
}
KEY_VALUE_FORMS(put)

/* swap(key, value, lease) */
static Datum
swap_form(FunctionCallInfo fcinfo, SqlForm key_form, SqlForm value_form)
{
	Quorum__Command command = QUORUM__COMMAND__INIT;
	Etcdserverpb__PutRequest put = ETCDSERVERPB__PUT_REQUEST__INIT;
	Quorum__Result *result;
	const Mvccpb__KeyValue *previous;

	sql_require_writable("swap");
	put.key = sql_arg_key(fcinfo, 0);
	put.value = sql_arg_value(fcinfo, 1, value_form);
	put.lease = sql_arg_int64(fcinfo, 2);
	put.prev_kv = true;
	command.op_case = QUORUM__COMMAND__OP_PUT;
	command.put = &put;

	result = sql_execute(&command);
	previous = result->response_case == QUORUM__RESULT__RESPONSE_PUT ?
		result->put->prev_kv : NULL;
	if (previous == NULL)
		PG_RETURN_NULL();
	require_text_answer(previous, key_form, result->revision);
	return sql_kv_datum(fcinfo, previous, key_form);
}
KEY_VALUE_FORMS(swap)

/* One comparison, and a put if it holds; returns whether it did */
static bool
put_if(Etcdserverpb__Compare *compare, Etcdserverpb__PutRequest *put)
{
	Quorum__Command command = QUORUM__COMMAND__INIT;
	Etcdserverpb__TxnRequest txn = ETCDSERVERPB__TXN_REQUEST__INIT;
	Etcdserverpb__RequestOp op = ETCDSERVERPB__REQUEST_OP__INIT;
	Etcdserverpb__RequestOp *ops[1];
	Etcdserverpb__Compare *compares[1];

	compare->key = put->key;
	compares[0] = compare;
	op.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
	op.request_put = put;
	ops[0] = &op;

	txn.n_compare = 1;
	txn.compare = compares;
	txn.n_success = 1;
	txn.success = ops;
	command.op_case = QUORUM__COMMAND__OP_TXN;
	command.txn = &txn;
	return sql_execute(&command)->txn->succeeded;
}

/* put_if_absent(key, value, lease) */
static Datum
put_if_absent_form(FunctionCallInfo fcinfo, SqlForm key_form, SqlForm value_form)
{
	Etcdserverpb__Compare compare = ETCDSERVERPB__COMPARE__INIT;
	Etcdserverpb__PutRequest put = ETCDSERVERPB__PUT_REQUEST__INIT;

	sql_require_writable("put_if_absent");
	put.key = sql_arg_key(fcinfo, 0);
	put.value = sql_arg_value(fcinfo, 1, value_form);
	put.lease = sql_arg_int64(fcinfo, 2);

	compare.result = ETCDSERVERPB__COMPARE__COMPARE_RESULT__EQUAL;
	compare.target = ETCDSERVERPB__COMPARE__COMPARE_TARGET__CREATE;
	compare.target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_CREATE_REVISION;
	compare.create_revision = 0;
	PG_RETURN_BOOL(put_if(&compare, &put));
}
KEY_VALUE_FORMS(put_if_absent)

/* cas(key, mod_revision, value, lease) */
static Datum
cas_form(FunctionCallInfo fcinfo, SqlForm key_form, SqlForm value_form)
{
	Etcdserverpb__Compare compare = ETCDSERVERPB__COMPARE__INIT;
	Etcdserverpb__PutRequest put = ETCDSERVERPB__PUT_REQUEST__INIT;

	sql_require_writable("cas");
	put.key = sql_arg_key(fcinfo, 0);
	sql_require_argument(fcinfo, 1, "mod_revision");
	put.value = sql_arg_value(fcinfo, 2, value_form);
	put.lease = sql_arg_int64(fcinfo, 3);

	compare.result = ETCDSERVERPB__COMPARE__COMPARE_RESULT__EQUAL;
	compare.target = ETCDSERVERPB__COMPARE__COMPARE_TARGET__MOD;
	compare.target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_MOD_REVISION;
	compare.mod_revision = sql_arg_count(fcinfo, 1, "mod_revision");
	PG_RETURN_BOOL(put_if(&compare, &put));
}
KEY_VALUE_FORMS(cas)

/* Delete the keys of the arguments (key, range_end, prefix) */
static Quorum__Result *
delete_range(FunctionCallInfo fcinfo, bool prev_kv)
{
	Quorum__Command command = QUORUM__COMMAND__INIT;
	Etcdserverpb__DeleteRangeRequest request = ETCDSERVERPB__DELETE_RANGE_REQUEST__INIT;
	SqlRange	range;

	sql_arg_range(fcinfo, 0, 1, &range);
	request.key = range.key;
	request.range_end = range.range_end;
	request.prev_kv = prev_kv;
	command.op_case = QUORUM__COMMAND__OP_DELETE_RANGE;
	command.delete_range = &request;
	return sql_execute(&command);
}

/* delete(key, range_end, prefix), for text and bytea */
PG_FUNCTION_INFO_V1(quorum_delete);
Datum
quorum_delete(PG_FUNCTION_ARGS)
{
	sql_require_writable("delete");
	PG_RETURN_INT64(delete_range(fcinfo, false)->delete_range->deleted);
}

/* delete_returning(key, range_end, prefix) */
static Datum
delete_returning_form(FunctionCallInfo fcinfo, SqlForm form)
{
	SqlRowSink	sink;
	Quorum__Result *result;
	Etcdserverpb__DeleteRangeResponse *response;
	size_t		i;

	sql_require_writable("delete_returning");
	sql_sink_begin(&sink, fcinfo, form);
	result = delete_range(fcinfo, true);
	response = result->delete_range;
	for (i = 0; i < response->n_prev_kvs; i++)
		require_text_answer(response->prev_kvs[i], form, result->revision);
	for (i = 0; i < response->n_prev_kvs; i++)
		sql_sink_kv(response->prev_kvs[i], &sink);
	sql_sink_end(&sink);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(quorum_delete_returning_text);
Datum
quorum_delete_returning_text(PG_FUNCTION_ARGS)
{
	return delete_returning_form(fcinfo, SQL_TEXT);
}

PG_FUNCTION_INFO_V1(quorum_delete_returning_bytea);
Datum
quorum_delete_returning_bytea(PG_FUNCTION_ARGS)
{
	return delete_returning_form(fcinfo, SQL_BYTES);
}

/* Has this member removed everything that was compacted up to the revision? */
static bool
compaction_done(int64 revision)
{
	Relation	store = sql_begin_read(true);
	Quorum__StoreMeta *meta = store_read_meta(store);
	bool		done = meta->compact_done_revision >= revision;

	sql_end_read(store);
	return done;
}

/*
 * Wait for this member's physical compaction, which needs no quorum, for at
 * most pg_quorum.request_timeout.
 */
static void
wait_for_compaction(int64 revision)
{
	static uint32 wait_event = 0;
	ClockTime	deadline = clock_plus_ms(clock_now(), setting_request_timeout);

	while (!compaction_done(revision))
	{
		if (clock_now() >= deadline)
		{
			ereport(WARNING,
					(errmsg("compacted revisions are not all removed yet"),
					 errdetail("The compaction is in effect; its space is given back in the background.")));
			return;
		}
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 COMPACTION_POLL_MS, pgq_wait_event(&wait_event, "QuorumCompaction"));
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/* compact(revision, physical) */
PG_FUNCTION_INFO_V1(quorum_compact);
Datum
quorum_compact(PG_FUNCTION_ARGS)
{
	Quorum__Command command = QUORUM__COMMAND__INIT;
	Etcdserverpb__CompactionRequest request = ETCDSERVERPB__COMPACTION_REQUEST__INIT;

	sql_require_writable("compact");
	sql_require_argument(fcinfo, 0, "revision");
	request.revision = sql_arg_count(fcinfo, 0, "revision");
	request.physical = sql_arg_bool(fcinfo, 1);
	command.op_case = QUORUM__COMMAND__OP_COMPACTION;
	command.compaction = &request;
	(void) sql_execute(&command);

	if (request.physical)
		wait_for_compaction(request.revision);
	PG_RETURN_VOID();
}
