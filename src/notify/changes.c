/*-------------------------------------------------------------------------
 *
 * changes.c
 *	  changes() and wait(): what happened after a revision.
 *
 * Both are stateless: the caller keeps the revision.  wait() holds its
 * statement's snapshot while it waits, which is why it waits no longer than
 * half a minute.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/notify/changes.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "miscadmin.h"

#include "clock.h"
#include "member/member.h"
#include "notify/arguments.h"
#include "notify/permit.h"
#include "sql/sql.h"

#include "compat.h"

#define WAIT_MAX_MS				30000

/* StoreEventVisit: a row for each event; the store counts them */
static bool
add_event(const Mvccpb__Event *event, void *arg)
{
	CHECK_FOR_INTERRUPTS();
	(void) sql_sink_event(event, arg);
	return true;
}

/*
 * Add the events after a revision to the sink.  Returns the revision up to which it
 * holds them all; raises the error of a revision that is compacted.
 */
static int64
add_changes(Relation tree, const WatchRange *range, int64 since, int64 max_rows,
			SqlRowSink *sink)
{
	int64		told = since;
	StoreError	error;

	error = store_events(tree, sql_caller(tree),
						 range->key, range->key_len, range->end, range->end_len,
						 since, 0, true, max_rows, add_event, sink, &told);
	if (error != STORE_OK)
	{
		Quorum__StoreMeta *meta = store_read_meta(tree);

		sql_raise(error, meta->revision, meta->compacted_revision);
	}
	return told;
}

/*
 * changes(since, key, range_end, prefix, max_rows)
 *
 * max_rows bounds the result where a revision ends: a revision is given in
 * full or not at all, so that the caller goes on from the last one.
 */
static Datum
changes_form(FunctionCallInfo fcinfo, SqlForm form)
{
	WatchRange	range;
	SqlRowSink	sink;
	int64		since;
	int64		max_rows;
	Relation	tree;
	Quorum__StoreMeta *meta;

	sql_require_argument(fcinfo, 0, "since");
	since = sql_arg_count(fcinfo, 0, "since");
	argument_range(fcinfo, 1, &range);
	max_rows = sql_arg_count(fcinfo, 4, "max_rows");

	sql_sink_begin(&sink, fcinfo, form);
	tree = sql_begin_read(false);
	meta = store_read_meta(tree);
	if (since > meta->revision)
		sql_raise(STORE_FUTURE_REVISION, meta->revision, meta->compacted_revision);
	(void) add_changes(tree, &range, since, max_rows, &sink);
	sql_end_read(tree);
	sql_sink_end(&sink);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(quorum_changes_text);
Datum
quorum_changes_text(PG_FUNCTION_ARGS)
{
	return changes_form(fcinfo, SQL_TEXT);
}

PG_FUNCTION_INFO_V1(quorum_changes_bytea);
Datum
quorum_changes_bytea(PG_FUNCTION_ARGS)
{
	return changes_form(fcinfo, SQL_BYTES);
}

static int
wait_timeout(FunctionCallInfo fcinfo, int argno)
{
	int			timeout = sql_arg_timeout(fcinfo, argno);

	if (timeout < 0)
		return WAIT_MAX_MS;
	if (timeout > WAIT_MAX_MS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("timeout must not be longer than %d seconds", WAIT_MAX_MS / 1000),
				 errhint("Call quorum.wait() again, or use quorum.watch() or quorum.watch_stream().")));
	return timeout;
}

/* Whoever waits may wait for nothing; who may not read it is told so at once. */
static void
require_permission(const WatchRange *range)
{
	Relation	tree = sql_begin_read(true);

	permit_require(tree, range);
	sql_end_read(tree);
}

/*
 * wait(key, range_end, prefix, since, timeout, max_rows)
 *
 * A null `since` is the present.  A `since` in the future waits for it.  The
 * relation is closed while waiting, so that nobody waits for its lock.
 */
static Datum
wait_form(FunctionCallInfo fcinfo, SqlForm form)
{
	WatchRange	range;
	SqlRowSink	sink;
	int64		since;
	int64		max_rows;
	int			timeout;
	ClockTime	deadline;

	argument_range(fcinfo, 0, &range);
	since = sql_arg_count(fcinfo, 3, "since");
	timeout = wait_timeout(fcinfo, 4);
	max_rows = sql_arg_count(fcinfo, 5, "max_rows");

	sql_sink_begin(&sink, fcinfo, form);
	require_permission(&range);
	deadline = clock_plus_ms(clock_now(), timeout);
	if (PG_ARGISNULL(3))
	{
		Relation	tree = sql_begin_read(false);
		Quorum__StoreMeta *meta = store_read_meta(tree);

		since = meta->revision;
		sql_end_read(tree);
	}

	for (;;)
	{
		Relation	tree;
		long		left;

		CHECK_FOR_INTERRUPTS();
		tree = sql_begin_read(true);
		if (since < store_read_meta(tree)->revision)
			since = add_changes(tree, &range, since, max_rows, &sink);
		sql_end_read(tree);
		left = clock_ms_between(clock_now(), deadline);
		if (sink.rows > 0 || left <= 0)
			break;
		(void) member_wait_revision(since, (int) left);
	}
	sql_sink_end(&sink);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(quorum_wait_text);
Datum
quorum_wait_text(PG_FUNCTION_ARGS)
{
	return wait_form(fcinfo, SQL_TEXT);
}

PG_FUNCTION_INFO_V1(quorum_wait_bytea);
Datum
quorum_wait_bytea(PG_FUNCTION_ARGS)
{
	return wait_form(fcinfo, SQL_BYTES);
}
