/*-------------------------------------------------------------------------
 *
 * txn_types.c
 *	  The types quorum.compare and quorum.op, and what makes them.
 *
 * A value of either type is the packed protobuf message of etcd, Compare or
 * RequestOp, so a transaction is its parts put together.  As text it is that
 * message in JSON, with keys and values as strings where they are text.
 * Whatever comes from outside, as text or in binary, is decoded before it
 * is taken, so that a stored value is always a message that decodes.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/sql/txn_types.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "libpq/pqformat.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "json/pbjson.h"
#include "sql.h"
#include "store/pbmem.h"

#include "compat.h"

#define COMPARE_DESCRIPTOR	(&etcdserverpb__compare__descriptor)
#define OP_DESCRIPTOR		(&etcdserverpb__request_op__descriptor)

/* ----------------------------------------------------------------
 *	Values of the types
 * ----------------------------------------------------------------
 */

/* A packed message as a value of its type */
static Datum
message_datum(const ProtobufCMessage *message)
{
	size_t		size = protobuf_c_message_get_packed_size(message);
	bytea	   *result = palloc(size + VARHDRSZ);

	SET_VARSIZE(result, size + VARHDRSZ);
	protobuf_c_message_pack(message, (uint8_t *) VARDATA(result));
	return PointerGetDatum(result);
}

/* Decode bytes that need not be a message of this kind; kind names the type */
static ProtobufCMessage *
decode(const ProtobufCMessageDescriptor *descriptor, const char *kind,
	   const void *data, size_t len)
{
	ProtobufCMessage *message = pb_unpack(descriptor, data, len);

	if (message == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid value of type quorum.%s", kind)));
	return message;
}

static ProtobufCMessage *
decode_datum(const ProtobufCMessageDescriptor *descriptor, const char *kind, Datum datum)
{
	bytea	   *packed = DatumGetByteaPP(datum);

	return decode(descriptor, kind, VARDATA_ANY(packed), VARSIZE_ANY_EXHDR(packed));
}

static Datum
message_in(FunctionCallInfo fcinfo, const ProtobufCMessageDescriptor *descriptor)
{
	char	   *text = PG_GETARG_CSTRING(0);

	return message_datum(pbjson_from_text(descriptor, text, strlen(text), PBJSON_READABLE));
}

static Datum
message_out(FunctionCallInfo fcinfo, const ProtobufCMessageDescriptor *descriptor,
			const char *kind)
{
	StringInfoData buf;

	initStringInfo(&buf);
	pbjson_append(&buf, decode_datum(descriptor, kind, PG_GETARG_DATUM(0)), PBJSON_READABLE);
	PG_RETURN_CSTRING(buf.data);
}

static Datum
message_recv(FunctionCallInfo fcinfo, const ProtobufCMessageDescriptor *descriptor,
			 const char *kind)
{
	StringInfo	buf = (StringInfo) PG_GETARG_POINTER(0);
	int			len = buf->len - buf->cursor;
	const char *bytes = pq_getmsgbytes(buf, len);

	return message_datum(decode(descriptor, kind, bytes, len));
}

PG_FUNCTION_INFO_V1(quorum_compare_in);
Datum
quorum_compare_in(PG_FUNCTION_ARGS)
{
	return message_in(fcinfo, COMPARE_DESCRIPTOR);
}

PG_FUNCTION_INFO_V1(quorum_compare_out);
Datum
quorum_compare_out(PG_FUNCTION_ARGS)
{
	return message_out(fcinfo, COMPARE_DESCRIPTOR, "compare");
}

PG_FUNCTION_INFO_V1(quorum_compare_recv);
Datum
quorum_compare_recv(PG_FUNCTION_ARGS)
{
	return message_recv(fcinfo, COMPARE_DESCRIPTOR, "compare");
}

PG_FUNCTION_INFO_V1(quorum_compare_send);
Datum
quorum_compare_send(PG_FUNCTION_ARGS)
{
	PG_RETURN_BYTEA_P(PG_GETARG_BYTEA_P_COPY(0));
}

PG_FUNCTION_INFO_V1(quorum_op_in);
Datum
quorum_op_in(PG_FUNCTION_ARGS)
{
	return message_in(fcinfo, OP_DESCRIPTOR);
}

PG_FUNCTION_INFO_V1(quorum_op_out);
Datum
quorum_op_out(PG_FUNCTION_ARGS)
{
	return message_out(fcinfo, OP_DESCRIPTOR, "op");
}

PG_FUNCTION_INFO_V1(quorum_op_recv);
Datum
quorum_op_recv(PG_FUNCTION_ARGS)
{
	return message_recv(fcinfo, OP_DESCRIPTOR, "op");
}

PG_FUNCTION_INFO_V1(quorum_op_send);
Datum
quorum_op_send(PG_FUNCTION_ARGS)
{
	PG_RETURN_BYTEA_P(PG_GETARG_BYTEA_P_COPY(0));
}

/* ----------------------------------------------------------------
 *	Comparisons
 * ----------------------------------------------------------------
 */

Etcdserverpb__Compare__CompareResult
sql_compare_operator(const char *name)
{
	static const struct
	{
		const char *name;
		Etcdserverpb__Compare__CompareResult result;
	}			operators[] =
	{
		{"=", ETCDSERVERPB__COMPARE__COMPARE_RESULT__EQUAL},
		{"<>", ETCDSERVERPB__COMPARE__COMPARE_RESULT__NOT_EQUAL},
		{"!=", ETCDSERVERPB__COMPARE__COMPARE_RESULT__NOT_EQUAL},
		{"<", ETCDSERVERPB__COMPARE__COMPARE_RESULT__LESS},
		{">", ETCDSERVERPB__COMPARE__COMPARE_RESULT__GREATER},
	};
	int			i;

	for (i = 0; i < (int) lengthof(operators); i++)
	{
		if (strcmp(operators[i].name, name) == 0)
			return operators[i].result;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unrecognized operator \"%s\"", name),
			 errhint("Valid operators are \"=\", \"<>\", \"<\" and \">\".")));
}

/* key, operator, range_end and prefix of (key, operator, operand, range_end, prefix) */
static void
compare_arguments(FunctionCallInfo fcinfo, const char *operand,
				  Etcdserverpb__Compare *compare)
{
	SqlRange	range;

	sql_arg_range(fcinfo, 0, 3, &range);
	if (range.key.len == 0)
		sql_raise(STORE_EMPTY_KEY, 0, 0);
	compare->key = range.key;
	compare->range_end = range.range_end;

	sql_require_argument(fcinfo, 1, "operator");
	compare->result = sql_compare_operator(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	sql_require_argument(fcinfo, 2, operand);
}

/* if_value(key, operator, value, range_end, prefix) */
static Datum
if_value_form(FunctionCallInfo fcinfo, SqlForm value_form)
{
	Etcdserverpb__Compare compare = ETCDSERVERPB__COMPARE__INIT;

	compare_arguments(fcinfo, "value", &compare);
	compare.target = ETCDSERVERPB__COMPARE__COMPARE_TARGET__VALUE;
	compare.target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_VALUE;
	compare.value = sql_arg_value(fcinfo, 2, value_form);
	return message_datum(&compare.base);
}

/* for text and bytea */
PG_FUNCTION_INFO_V1(quorum_if_value);
Datum
quorum_if_value(PG_FUNCTION_ARGS)
{
	return if_value_form(fcinfo, SQL_BYTES);
}

PG_FUNCTION_INFO_V1(quorum_if_value_jsonb);
Datum
quorum_if_value_jsonb(PG_FUNCTION_ARGS)
{
	return if_value_form(fcinfo, SQL_JSONB);
}

PG_FUNCTION_INFO_V1(quorum_if_version);
Datum
quorum_if_version(PG_FUNCTION_ARGS)
{
	Etcdserverpb__Compare compare = ETCDSERVERPB__COMPARE__INIT;

	compare_arguments(fcinfo, "version", &compare);
	compare.target = ETCDSERVERPB__COMPARE__COMPARE_TARGET__VERSION;
	compare.target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_VERSION;
	compare.version = PG_GETARG_INT64(2);
	return message_datum(&compare.base);
}

PG_FUNCTION_INFO_V1(quorum_if_create_revision);
Datum
quorum_if_create_revision(PG_FUNCTION_ARGS)
{
	Etcdserverpb__Compare compare = ETCDSERVERPB__COMPARE__INIT;

	compare_arguments(fcinfo, "create_revision", &compare);
	compare.target = ETCDSERVERPB__COMPARE__COMPARE_TARGET__CREATE;
	compare.target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_CREATE_REVISION;
	compare.create_revision = PG_GETARG_INT64(2);
	return message_datum(&compare.base);
}

PG_FUNCTION_INFO_V1(quorum_if_mod_revision);
Datum
quorum_if_mod_revision(PG_FUNCTION_ARGS)
{
	Etcdserverpb__Compare compare = ETCDSERVERPB__COMPARE__INIT;

	compare_arguments(fcinfo, "mod_revision", &compare);
	compare.target = ETCDSERVERPB__COMPARE__COMPARE_TARGET__MOD;
	compare.target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_MOD_REVISION;
	compare.mod_revision = PG_GETARG_INT64(2);
	return message_datum(&compare.base);
}

PG_FUNCTION_INFO_V1(quorum_if_lease);
Datum
quorum_if_lease(PG_FUNCTION_ARGS)
{
	Etcdserverpb__Compare compare = ETCDSERVERPB__COMPARE__INIT;

	compare_arguments(fcinfo, "lease", &compare);
	compare.target = ETCDSERVERPB__COMPARE__COMPARE_TARGET__LEASE;
	compare.target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_LEASE;
	compare.lease = PG_GETARG_INT64(2);
	return message_datum(&compare.base);
}

/* An absent key has create_revision 0 */
static Datum
compare_existence(FunctionCallInfo fcinfo, Etcdserverpb__Compare__CompareResult result)
{
	Etcdserverpb__Compare compare = ETCDSERVERPB__COMPARE__INIT;

	compare.key = sql_arg_key(fcinfo, 0);
	if (compare.key.len == 0)
		sql_raise(STORE_EMPTY_KEY, 0, 0);
	compare.result = result;
	compare.target = ETCDSERVERPB__COMPARE__COMPARE_TARGET__CREATE;
	compare.target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_CREATE_REVISION;
	compare.create_revision = 0;
	return message_datum(&compare.base);
}

PG_FUNCTION_INFO_V1(quorum_if_exists);
Datum
quorum_if_exists(PG_FUNCTION_ARGS)
{
	return compare_existence(fcinfo, ETCDSERVERPB__COMPARE__COMPARE_RESULT__GREATER);
}

PG_FUNCTION_INFO_V1(quorum_if_absent);
Datum
quorum_if_absent(PG_FUNCTION_ARGS)
{
	return compare_existence(fcinfo, ETCDSERVERPB__COMPARE__COMPARE_RESULT__EQUAL);
}

/* ----------------------------------------------------------------
 *	Operations
 * ----------------------------------------------------------------
 */

/* op_put(key, value, lease, ignore_value, ignore_lease, prev_kv) */
static Datum
op_put_form(FunctionCallInfo fcinfo, SqlForm value_form)
{
	Etcdserverpb__RequestOp op = ETCDSERVERPB__REQUEST_OP__INIT;
	Etcdserverpb__PutRequest put = ETCDSERVERPB__PUT_REQUEST__INIT;

	put.key = sql_arg_key(fcinfo, 0);
	put.value = sql_arg_value(fcinfo, 1, value_form);
	put.lease = sql_arg_int64(fcinfo, 2);
	put.ignore_value = sql_arg_bool(fcinfo, 3);
	put.ignore_lease = sql_arg_bool(fcinfo, 4);
	put.prev_kv = sql_arg_bool(fcinfo, 5);
	op.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
	op.request_put = &put;
	return message_datum(&op.base);
}

/* for text and bytea */
PG_FUNCTION_INFO_V1(quorum_op_put);
Datum
quorum_op_put(PG_FUNCTION_ARGS)
{
	return op_put_form(fcinfo, SQL_BYTES);
}

PG_FUNCTION_INFO_V1(quorum_op_put_jsonb);
Datum
quorum_op_put_jsonb(PG_FUNCTION_ARGS)
{
	return op_put_form(fcinfo, SQL_JSONB);
}

/* op_delete(key, range_end, prefix, prev_kv), for text and bytea */
PG_FUNCTION_INFO_V1(quorum_op_delete);
Datum
quorum_op_delete(PG_FUNCTION_ARGS)
{
	Etcdserverpb__RequestOp op = ETCDSERVERPB__REQUEST_OP__INIT;
	Etcdserverpb__DeleteRangeRequest request = ETCDSERVERPB__DELETE_RANGE_REQUEST__INIT;
	SqlRange	range;

	sql_arg_range(fcinfo, 0, 1, &range);
	request.key = range.key;
	request.range_end = range.range_end;
	request.prev_kv = sql_arg_bool(fcinfo, 3);
	op.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE;
	op.request_delete_range = &request;
	return message_datum(&op.base);
}

/*
 * op_range(key, range_end, prefix, revision, max_rows, sort_by, descending,
 * keys_only, min_mod_revision, max_mod_revision, min_create_revision,
 * max_create_revision, serializable, count_only), for text and bytea
 */
PG_FUNCTION_INFO_V1(quorum_op_range);
Datum
quorum_op_range(PG_FUNCTION_ARGS)
{
	Etcdserverpb__RequestOp op = ETCDSERVERPB__REQUEST_OP__INIT;
	Etcdserverpb__RangeRequest request = ETCDSERVERPB__RANGE_REQUEST__INIT;
	SqlRange	range;

	sql_arg_range(fcinfo, 0, 1, &range);
	request.key = range.key;
	request.range_end = range.range_end;
	sql_arg_range_options(fcinfo, 3, &request);
	request.count_only = sql_arg_bool(fcinfo, 13);
	op.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE;
	op.request_range = &request;
	return message_datum(&op.base);
}

/* op_txn(compare, success, failure) */
PG_FUNCTION_INFO_V1(quorum_op_txn);
Datum
quorum_op_txn(PG_FUNCTION_ARGS)
{
	Etcdserverpb__RequestOp op = ETCDSERVERPB__REQUEST_OP__INIT;
	Etcdserverpb__TxnRequest txn = ETCDSERVERPB__TXN_REQUEST__INIT;
	bytea	   *result;

	sql_arg_txn(fcinfo, 0, &txn);
	op.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN;
	op.request_txn = &txn;
	result = DatumGetByteaP(message_datum(&op.base));

	/* every value of the type can be decoded again */
	if (pb_unpack(OP_DESCRIPTOR, VARDATA(result), VARSIZE(result) - VARHDRSZ) == NULL)
		sql_raise(STORE_TOO_MANY_OPS, 0, 0);
	PG_RETURN_BYTEA_P(result);
}

/* ----------------------------------------------------------------
 *	A transaction of its parts
 * ----------------------------------------------------------------
 */

/* The messages of an array argument; NULL is the empty array */
static ProtobufCMessage **
array_messages(FunctionCallInfo fcinfo, int argno,
			   const ProtobufCMessageDescriptor *descriptor, const char *kind, size_t *n)
{
	ProtobufCMessage **messages;
	ArrayType  *array;
	Datum	   *elements;
	bool	   *isnull;
	int			count;
	int			i;

	*n = 0;
	if (PG_ARGISNULL(argno))
		return NULL;
	array = PG_GETARG_ARRAYTYPE_P(argno);
	deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_INT,
					  &elements, &isnull, &count);
	messages = palloc(count * sizeof(ProtobufCMessage *) + 1);
	for (i = 0; i < count; i++)
	{
		if (isnull[i])
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("an array of quorum.%s must not contain null", kind)));
		messages[i] = decode_datum(descriptor, kind, elements[i]);
	}
	*n = count;
	return messages;
}

void
sql_arg_txn(FunctionCallInfo fcinfo, int first_argno, Etcdserverpb__TxnRequest *request)
{
	request->compare = (Etcdserverpb__Compare **)
		array_messages(fcinfo, first_argno, COMPARE_DESCRIPTOR, "compare",
					   &request->n_compare);
	request->success = (Etcdserverpb__RequestOp **)
		array_messages(fcinfo, first_argno + 1, OP_DESCRIPTOR, "op", &request->n_success);
	request->failure = (Etcdserverpb__RequestOp **)
		array_messages(fcinfo, first_argno + 2, OP_DESCRIPTOR, "op", &request->n_failure);
}
