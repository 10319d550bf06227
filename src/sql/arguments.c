/*-------------------------------------------------------------------------
 *
 * arguments.c
 *	  The arguments that the SQL functions have in common.
 *
 * None of the functions is STRICT: a NULL key or value is an error, and a
 * NULL in an optional argument is its default, so that a caller need not
 * build his calls from pieces.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/sql/arguments.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "sql.h"

#include "compat.h"

void
sql_require_argument(FunctionCallInfo fcinfo, int argno, const char *name)
{
	if (unlikely(PG_ARGISNULL(argno)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be null", name)));
}

/* The bytes of a text or bytea argument, which is not NULL */
static ProtobufCBinaryData
argument_bytes(FunctionCallInfo fcinfo, int argno)
{
	struct varlena *datum = PG_GETARG_VARLENA_PP(argno);
	ProtobufCBinaryData bytes;

	bytes.data = (uint8_t *) VARDATA_ANY(datum);
	bytes.len = VARSIZE_ANY_EXHDR(datum);
	return bytes;
}

ProtobufCBinaryData
sql_arg_key(FunctionCallInfo fcinfo, int argno)
{
	sql_require_argument(fcinfo, argno, "key");
	return argument_bytes(fcinfo, argno);
}

ProtobufCBinaryData
sql_arg_value(FunctionCallInfo fcinfo, int argno, SqlForm form)
{
	ProtobufCBinaryData bytes;
	Jsonb	   *json;

	sql_require_argument(fcinfo, argno, "value");
	if (form != SQL_JSONB)
		return argument_bytes(fcinfo, argno);

	json = PG_GETARG_JSONB_P(argno);
	bytes.data = (uint8_t *) JsonbToCString(NULL, &json->root, VARSIZE(json));
	bytes.len = strlen((char *) bytes.data);
	return bytes;
}

bool
sql_arg_bool(FunctionCallInfo fcinfo, int argno)
{
	return !PG_ARGISNULL(argno) && PG_GETARG_BOOL(argno);
}

int64
sql_arg_int64(FunctionCallInfo fcinfo, int argno)
{
	return PG_ARGISNULL(argno) ? 0 : PG_GETARG_INT64(argno);
}

int64
sql_arg_count(FunctionCallInfo fcinfo, int argno, const char *name)
{
	int64		value = sql_arg_int64(fcinfo, argno);

	if (value < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be negative", name)));
	return value;
}

/* All keys: no key is smaller than one zero byte, and a range_end of one
 * zero byte has no end */
static void
set_all_keys(SqlRange *range)
{
	range->key.data = (uint8_t *) pstrdup("");
	range->key.len = 1;
	range->range_end = range->key;
}

void
sql_arg_range(FunctionCallInfo fcinfo, int key_argno, int end_argno, SqlRange *range)
{
	bool		prefix = sql_arg_bool(fcinfo, end_argno + 1);

	range->key = sql_arg_key(fcinfo, key_argno);
	range->range_end.data = NULL;
	range->range_end.len = 0;

	if (!PG_ARGISNULL(end_argno))
	{
		if (prefix)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("range_end and prefix cannot be given together")));
		range->range_end = argument_bytes(fcinfo, end_argno);
		if (range->range_end.len == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("range_end must not be empty"),
					 errhint("Leave range_end out for the key alone; in the bytea form '\\x00' is a range without end.")));
	}
	else if (prefix && range->key.len == 0)
		set_all_keys(range);
	else if (prefix)
	{
		uint32		len;

		range->range_end.data = (uint8_t *)
			store_prefix_end((const char *) range->key.data, (uint32) range->key.len, &len);
		range->range_end.len = len;
	}
}

int
sql_arg_timeout(FunctionCallInfo fcinfo, int argno)
{
	Interval   *interval;
	double		ms;

	if (PG_ARGISNULL(argno))
		return -1;
	interval = PG_GETARG_INTERVAL_P(argno);
	ms = interval->time / 1000.0 +
		(interval->day + interval->month * (double) DAYS_PER_MONTH) * SECS_PER_DAY * 1000.0;
	if (ms < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("timeout must not be negative")));
	return (int) Min(ms, (double) PG_INT32_MAX);
}

int64
sql_arg_max_staleness(FunctionCallInfo fcinfo, int argno, bool serializable)
{
	Interval   *interval;
	double		us;

	if (PG_ARGISNULL(argno))
		return -1;
	if (serializable)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("serializable and max_staleness cannot be given together"),
				 errdetail("A serializable read takes this member's state however old it is.")));
	interval = PG_GETARG_INTERVAL_P(argno);
	us = interval->time +
		(interval->day + interval->month * (double) DAYS_PER_MONTH) * USECS_PER_DAY;
	if (us < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_staleness must not be negative")));
	return us < (double) PG_INT64_MAX ? (int64) us : PG_INT64_MAX - 1;
}

/* sort_by: the name of a column of quorum.kv */
static Etcdserverpb__RangeRequest__SortTarget
sort_target(FunctionCallInfo fcinfo, int argno)
{
	static const struct
	{
		const char *name;
		Etcdserverpb__RangeRequest__SortTarget target;
	}			targets[] =
	{
		{"key", ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__KEY},
		{"version", ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__VERSION},
		{"create_revision", ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__CREATE},
		{"mod_revision", ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__MOD},
		{"value", ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__VALUE},
	};
	char	   *name;
	int			i;

	if (PG_ARGISNULL(argno))
		return ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__KEY;
	name = text_to_cstring(PG_GETARG_TEXT_PP(argno));
	for (i = 0; i < (int) lengthof(targets); i++)
	{
		if (strcmp(targets[i].name, name) == 0)
			return targets[i].target;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unrecognized value \"%s\" for sort_by", name),
			 errhint("Valid values are \"key\", \"version\", \"create_revision\", \"mod_revision\" and \"value\".")));
}

void
sql_arg_range_options(FunctionCallInfo fcinfo, int first_argno,
					  Etcdserverpb__RangeRequest *request)
{
	bool		descending = sql_arg_bool(fcinfo, first_argno + 3);

	request->revision = sql_arg_count(fcinfo, first_argno, "revision");
	request->limit = sql_arg_count(fcinfo, first_argno + 1, "max_rows");
	request->sort_target = sort_target(fcinfo, first_argno + 2);
	if (descending)
		request->sort_order = ETCDSERVERPB__RANGE_REQUEST__SORT_ORDER__DESCEND;
	else if (request->sort_target != ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__KEY)
		request->sort_order = ETCDSERVERPB__RANGE_REQUEST__SORT_ORDER__ASCEND;
	request->keys_only = sql_arg_bool(fcinfo, first_argno + 4);
	request->min_mod_revision = sql_arg_count(fcinfo, first_argno + 5, "min_mod_revision");
	request->max_mod_revision = sql_arg_count(fcinfo, first_argno + 6, "max_mod_revision");
	request->min_create_revision = sql_arg_count(fcinfo, first_argno + 7, "min_create_revision");
	request->max_create_revision = sql_arg_count(fcinfo, first_argno + 8, "max_create_revision");
	request->serializable = sql_arg_bool(fcinfo, first_argno + 9);
}
