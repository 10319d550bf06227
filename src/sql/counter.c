/*-------------------------------------------------------------------------
 *
 * counter.c
 *	  The SQL functions that count: increments and sequential keys.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/sql/counter.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "sql.h"

/* increment(key, by), for text and bytea */
PG_FUNCTION_INFO_V1(quorum_increment);
Datum
quorum_increment(PG_FUNCTION_ARGS)
{
	Quorum__Command command = QUORUM__COMMAND__INIT;
	Quorum__IncrementRequest increment = QUORUM__INCREMENT_REQUEST__INIT;

	sql_require_writable("increment");
	increment.key = sql_arg_key(fcinfo, 0);
	increment.by = PG_ARGISNULL(1) ? 1 : PG_GETARG_INT64(1);
	command.op_case = QUORUM__COMMAND__OP_INCREMENT;
	command.increment = &increment;

	PG_RETURN_INT64(sql_execute(&command)->number);
}

/* put_sequential(prefix, value, lease) */
static Datum
put_sequential_form(FunctionCallInfo fcinfo, SqlForm key_form, SqlForm value_form)
{
	Quorum__Command command = QUORUM__COMMAND__INIT;
	Quorum__PutSequentialRequest put = QUORUM__PUT_SEQUENTIAL_REQUEST__INIT;

	sql_require_writable("put_sequential");
	sql_require_argument(fcinfo, 0, "prefix");
	put.prefix = sql_arg_key(fcinfo, 0);
	put.value = sql_arg_value(fcinfo, 1, value_form);
	put.lease = sql_arg_int64(fcinfo, 2);
	command.op_case = QUORUM__COMMAND__OP_PUT_SEQUENTIAL;
	command.put_sequential = &put;

	return sql_bytes_datum(&sql_execute(&command)->key, key_form);
}

PG_FUNCTION_INFO_V1(quorum_put_sequential_text);
Datum
quorum_put_sequential_text(PG_FUNCTION_ARGS)
{
	return put_sequential_form(fcinfo, SQL_TEXT, SQL_TEXT);
}

PG_FUNCTION_INFO_V1(quorum_put_sequential_text_jsonb);
Datum
quorum_put_sequential_text_jsonb(PG_FUNCTION_ARGS)
{
	return put_sequential_form(fcinfo, SQL_TEXT, SQL_JSONB);
}

PG_FUNCTION_INFO_V1(quorum_put_sequential_bytea);
Datum
quorum_put_sequential_bytea(PG_FUNCTION_ARGS)
{
	return put_sequential_form(fcinfo, SQL_BYTES, SQL_BYTES);
}

PG_FUNCTION_INFO_V1(quorum_put_sequential_bytea_jsonb);
Datum
quorum_put_sequential_bytea_jsonb(PG_FUNCTION_ARGS)
{
	return put_sequential_form(fcinfo, SQL_BYTES, SQL_JSONB);
}
