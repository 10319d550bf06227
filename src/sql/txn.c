/*-------------------------------------------------------------------------
 *
 * txn.c
 *	  quorum.txn: compare, then one of two lists of operations.
 *
 * Two faces of one request: arrays of typed parts, answered in the words of SQL_API,
 * and etcd's own JSON, answered in the same.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/sql/txn.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "json/pbjson.h"
#include "member/member.h"
#include "settings.h"
#include "sql.h"

static void append_responses(StringInfo buf, const Etcdserverpb__TxnRequest *request,
							 const Etcdserverpb__TxnResponse *response);

/* ----------------------------------------------------------------
 *	Carrying it out
 * ----------------------------------------------------------------
 */

static bool
all_serializable(Etcdserverpb__RequestOp *const *ops, size_t n)
{
	size_t		i;

	for (i = 0; i < n; i++)
	{
		if (!ops[i]->request_range->serializable)
			return false;
	}
	return true;
}

/*
 * A transaction that only reads needs no log entry.  Like etcd, it needs no
 * quorum either if every read in it is serializable.
 */
static Quorum__Result *
run_read_only(Quorum__Command *command)
{
	const Etcdserverpb__TxnRequest *request = command->txn;
	Quorum__Result *result;
	StoreError	error;
	Relation	store;
	bool		serializable;

	error = store_validate(command, setting_max_request_bytes, setting_max_txn_ops);
	if (error != STORE_OK)
		sql_raise(error, 0, 0);

	serializable = request->n_success + request->n_failure > 0 &&
		all_serializable(request->success, request->n_success) &&
		all_serializable(request->failure, request->n_failure);
	store = sql_begin_read(serializable);
	error = store_read_txn(store, sql_caller(store), request, &result);
	sql_end_read(store);
	if (error != STORE_OK || result->error != STORE_OK)
		sql_raise(error != STORE_OK ? error : (StoreError) result->error,
				  result->revision, result->compacted_revision);
	return result;
}

Quorum__Result *
sql_run_txn(Etcdserverpb__TxnRequest *request)
{
	Quorum__Command command = QUORUM__COMMAND__INIT;

	command.op_case = QUORUM__COMMAND__OP_TXN;
	command.txn = request;
	if (store_txn_is_read_only(request))
		return run_read_only(&command);
	sql_require_writable("txn");
	return sql_execute(&command);
}

/* ----------------------------------------------------------------
 *	The answer, for people
 * ----------------------------------------------------------------
 */

static void
append_kv(StringInfo buf, const Mvccpb__KeyValue *kv, bool keys_only)
{
	appendStringInfoString(buf, "{\"key\": ");
	pbjson_append_bytes(buf, kv->key.data, kv->key.len);
	if (!keys_only)
	{
		appendStringInfoString(buf, ", \"value\": ");
		pbjson_append_bytes(buf, kv->value.data, kv->value.len);
	}
	appendStringInfo(buf, ", \"create_revision\": " INT64_FORMAT
					 ", \"mod_revision\": " INT64_FORMAT
					 ", \"version\": " INT64_FORMAT ", \"lease\": " INT64_FORMAT "}",
					 (int64) kv->create_revision, (int64) kv->mod_revision,
					 (int64) kv->version, (int64) kv->lease);
}

static void
append_kvs(StringInfo buf, Mvccpb__KeyValue *const *kvs, size_t n, bool keys_only)
{
	size_t		i;

	appendStringInfoChar(buf, '[');
	for (i = 0; i < n; i++)
	{
		if (i > 0)
			appendStringInfoString(buf, ", ");
		append_kv(buf, kvs[i], keys_only);
	}
	appendStringInfoChar(buf, ']');
}

static void
append_response(StringInfo buf, const Etcdserverpb__RequestOp *op,
				const Etcdserverpb__ResponseOp *response)
{
	switch (response->response_case)
	{
		case ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_PUT:
			appendStringInfoString(buf, "{\"put\": {\"prev\": ");
			if (response->response_put->prev_kv != NULL)
				append_kv(buf, response->response_put->prev_kv, false);
			else
				appendStringInfoString(buf, "null");
			appendStringInfoString(buf, "}}");
			break;
		case ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_RANGE:
			appendStringInfoString(buf, "{\"range\": {\"kvs\": ");
			append_kvs(buf, response->response_range->kvs, response->response_range->n_kvs,
					   op->request_range->keys_only);
			appendStringInfo(buf, ", \"count\": " INT64_FORMAT ", \"more\": %s}}",
							 (int64) response->response_range->count,
							 response->response_range->more ? "true" : "false");
			break;
		case ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_DELETE_RANGE:
			appendStringInfo(buf, "{\"delete\": {\"deleted\": " INT64_FORMAT ", \"prev\": ",
							 (int64) response->response_delete_range->deleted);
			append_kvs(buf, response->response_delete_range->prev_kvs,
					   response->response_delete_range->n_prev_kvs, false);
			appendStringInfoString(buf, "}}");
			break;
		case ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_TXN:
			appendStringInfo(buf, "{\"txn\": {\"succeeded\": %s, \"responses\": ",
							 response->response_txn->succeeded ? "true" : "false");
			append_responses(buf, op->request_txn, response->response_txn);
			appendStringInfoString(buf, "}}");
			break;
		default:
			elog(ERROR, "unexpected kind %d of response in a transaction",
				 (int) response->response_case);
	}
}

/* The responses beside the operations that they answer */
static void
append_responses(StringInfo buf, const Etcdserverpb__TxnRequest *request,
				 const Etcdserverpb__TxnResponse *response)
{
	Etcdserverpb__RequestOp *const *ops = response->succeeded ? request->success : request->failure;
	size_t		n_ops = response->succeeded ? request->n_success : request->n_failure;
	size_t		i;

	check_stack_depth();
	if (response->n_responses != n_ops)
		elog(ERROR, "transaction of %zu operations has %zu responses",
			 n_ops, response->n_responses);

	appendStringInfoChar(buf, '[');
	for (i = 0; i < response->n_responses; i++)
	{
		if (i > 0)
			appendStringInfoString(buf, ", ");
		append_response(buf, ops[i], response->responses[i]);
	}
	appendStringInfoChar(buf, ']');
}

/* txn(compare, success, failure) returns (succeeded, revision, responses) */
PG_FUNCTION_INFO_V1(quorum_txn);
Datum
quorum_txn(PG_FUNCTION_ARGS)
{
	Etcdserverpb__TxnRequest request = ETCDSERVERPB__TXN_REQUEST__INIT;
	Quorum__Result *result;
	StringInfoData buf;
	Datum		values[3];
	bool		isnull[3] = {false, false, false};

	sql_arg_txn(fcinfo, 0, &request);
	result = sql_run_txn(&request);

	initStringInfo(&buf);
	append_responses(&buf, &request, result->txn);
	values[0] = BoolGetDatum(result->txn->succeeded);
	values[1] = Int64GetDatum(result->revision);
	values[2] = DirectFunctionCall1(jsonb_in, CStringGetDatum(buf.data));
	return HeapTupleGetDatum(heap_form_tuple(sql_result_desc(fcinfo), values, isnull));
}

/* ----------------------------------------------------------------
 *	etcd's JSON
 * ----------------------------------------------------------------
 */

/* txn(request jsonb) returns jsonb */
PG_FUNCTION_INFO_V1(quorum_txn_json);
Datum
quorum_txn_json(PG_FUNCTION_ARGS)
{
	Etcdserverpb__ResponseHeader header = ETCDSERVERPB__RESPONSE_HEADER__INIT;
	Etcdserverpb__TxnRequest *request;
	Quorum__Result *result;
	MemberStatus status;

	sql_require_argument(fcinfo, 0, "request");
	request = (Etcdserverpb__TxnRequest *)
		pbjson_from_jsonb(&etcdserverpb__txn_request__descriptor, PG_GETARG_JSONB_P(0),
						  PBJSON_WIRE);
	result = sql_run_txn(request);

	member_get_status(&status);
	header.cluster_id = status.cluster_id;
	header.member_id = status.member_id;
	header.raft_term = status.term;
	header.revision = result->revision;
	result->txn->header = &header;
	PG_RETURN_JSONB_P(pbjson_to_jsonb(&result->txn->base, PBJSON_WIRE));
}
