/*-------------------------------------------------------------------------
 *
 * arguments.c
 *	  Arguments of the functions on watches.
 *
 * Keys arrive as text or bytea, whose representations are the same bytes, so
 * that one C function serves both forms.  Bytes are borrowed from the argument,
 * detoasted into the current memory context where needed.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/notify/arguments.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "notify/arguments.h"
#include "sql/sql.h"

#include "compat.h"

/*
 * argument_range() -- arguments key, range_end and prefix, from argno on.
 */
void
argument_range(FunctionCallInfo fcinfo, int argno, WatchRange *range)
{
	SqlRange	argument;

	sql_arg_range(fcinfo, argno, argno + 1, &argument);
	if (argument.key.len == 0)
		sql_raise(STORE_EMPTY_KEY, 0, 0);
	if (argument.key.len > WATCH_MAX_KEY_BYTES ||
		argument.range_end.len > WATCH_MAX_KEY_BYTES)
		sql_raise(STORE_KEY_TOO_LARGE, 0, 0);

	range->key = (const char *) argument.key.data;
	range->key_len = (uint32) argument.key.len;
	range->end = argument.range_end.len > 0 ? (const char *) argument.range_end.data : "";
	range->end_len = (uint32) argument.range_end.len;
}

/*
 * argument_watch_range() -- as argument_range(), for a watch: a range that
 * holds no key, and so would never be told anything, is refused.
 */
void
argument_watch_range(FunctionCallInfo fcinfo, int argno, WatchRange *range)
{
	int			cmp;

	argument_range(fcinfo, argno, range);
	if (range->end_len == 0 || (range->end_len == 1 && range->end[0] == '\0'))
		return;
	cmp = memcmp(range->key, range->end, Min(range->key_len, range->end_len));
	if (cmp > 0 || (cmp == 0 && range->key_len >= range->end_len))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("range to watch is empty"),
				 errdetail("range_end must be greater than key.")));
}

/*
 * argument_kinds() -- argument events: null for all, or 'PUT' or 'DELETE'.
 */
int
argument_kinds(FunctionCallInfo fcinfo, int argno)
{
	char	   *kind;

	if (PG_ARGISNULL(argno))
		return WATCH_ALL;
	kind = text_to_cstring(PG_GETARG_TEXT_PP(argno));
	if (pg_strcasecmp(kind, "PUT") == 0)
		return WATCH_PUT;
	if (pg_strcasecmp(kind, "DELETE") == 0)
		return WATCH_DELETE;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unrecognized value \"%s\" for events", kind),
			 errhint("Valid values are \"PUT\", \"DELETE\", and null for both.")));
	return 0;					/* keep compiler quiet */
}
