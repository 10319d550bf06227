/*-------------------------------------------------------------------------
 *
 * read.c
 *	  The SQL functions that read keys, revisions and history.
 *
 * A linearizable read is a barrier followed by a read of this member's
 * store; a serializable one leaves the barrier out.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/sql/read.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "json/pbjson.h"
#include "member/member.h"
#include "sql.h"

#include "compat.h"

#define KEY_FORMS(name) \
PG_FUNCTION_INFO_V1(quorum_##name##_text); \
Datum quorum_##name##_text(PG_FUNCTION_ARGS) \
{ return name##_form(fcinfo, SQL_TEXT); } \
PG_FUNCTION_INFO_V1(quorum_##name##_bytea); \
Datum quorum_##name##_bytea(PG_FUNCTION_ARGS) \
{ return name##_form(fcinfo, SQL_BYTES); }

/* The key of the arguments (key, revision, serializable, max_staleness), or NULL */
static Mvccpb__KeyValue *
get_one(FunctionCallInfo fcinfo)
{
	ProtobufCBinaryData key = sql_arg_key(fcinfo, 0);
	int64		revision = sql_arg_count(fcinfo, 1, "revision");
	bool		serializable = sql_arg_bool(fcinfo, 2);
	int64		max_staleness = sql_arg_max_staleness(fcinfo, 3, serializable);
	Mvccpb__KeyValue *kv = NULL;
	StoreRangeInfo info = {0};
	StoreError	error;
	Relation	store;

	store = sql_begin_bounded_read(serializable, max_staleness);
	error = store_get(store, sql_caller(store), (const char *) key.data, (uint32) key.len,
					  revision, &kv, &info);
	sql_end_read(store);
	sql_check(error, &info);
	return kv;
}

/* get(key, revision, serializable, max_staleness) */
static Datum
get_form(FunctionCallInfo fcinfo, SqlForm form)
{
	Mvccpb__KeyValue *kv = get_one(fcinfo);

	if (kv == NULL)
		PG_RETURN_NULL();
	return sql_bytes_datum(&kv->value, form);
}
KEY_FORMS(get)

/* get_kv(key, revision, serializable, max_staleness) */
static Datum
get_kv_form(FunctionCallInfo fcinfo, SqlForm form)
{
	Mvccpb__KeyValue *kv = get_one(fcinfo);

	if (kv == NULL)
		PG_RETURN_NULL();
	return sql_kv_datum(fcinfo, kv, form);
}
KEY_FORMS(get_kv)

/*
 * range(key, range_end, prefix, revision, max_rows, sort_by, descending,
 * keys_only, min_mod_revision, max_mod_revision, min_create_revision,
 * max_create_revision, serializable, max_staleness)
 */
static Datum
range_form(FunctionCallInfo fcinfo, SqlForm form)
{
	Etcdserverpb__RangeRequest request = ETCDSERVERPB__RANGE_REQUEST__INIT;
	StoreRangeInfo info = {0};
	SqlRowSink	sink;
	SqlRange	range;
	int64		max_staleness;
	StoreError	error;
	Relation	store;

	sql_arg_range(fcinfo, 0, 1, &range);
	request.key = range.key;
	request.range_end = range.range_end;
	sql_arg_range_options(fcinfo, 3, &request);
	max_staleness = sql_arg_max_staleness(fcinfo, 13, request.serializable);
	error = store_validate_range(&request);
	if (error != STORE_OK)
		sql_raise(error, 0, 0);

	sql_sink_begin(&sink, fcinfo, form);
	sink.keys_only = request.keys_only;
	store = sql_begin_bounded_read(request.serializable, max_staleness);
	error = store_range(store, sql_caller(store), &request, false, sql_sink_kv, &sink, &info);
	sql_end_read(store);
	sql_check(error, &info);
	sql_sink_end(&sink);
	return (Datum) 0;
}
KEY_FORMS(range)

/* count(key, range_end, prefix, revision, serializable, max_staleness), for text and bytea */
PG_FUNCTION_INFO_V1(quorum_count);
Datum
quorum_count(PG_FUNCTION_ARGS)
{
	Etcdserverpb__RangeRequest request = ETCDSERVERPB__RANGE_REQUEST__INIT;
	StoreRangeInfo info = {0};
	SqlRange	range;
	int64		max_staleness;
	StoreError	error;
	Relation	store;

	sql_arg_range(fcinfo, 0, 1, &range);
	request.key = range.key;
	request.range_end = range.range_end;
	request.revision = sql_arg_count(fcinfo, 3, "revision");
	request.serializable = sql_arg_bool(fcinfo, 4);
	max_staleness = sql_arg_max_staleness(fcinfo, 5, request.serializable);
	request.count_only = true;
	error = store_validate_range(&request);
	if (error != STORE_OK)
		sql_raise(error, 0, 0);

	store = sql_begin_bounded_read(request.serializable, max_staleness);
	error = store_range(store, sql_caller(store), &request, true, NULL, NULL, &info);
	sql_end_read(store);
	sql_check(error, &info);
	PG_RETURN_INT64(info.count);
}

/* history(key, range_end, prefix, since, until, max_rows, serializable) */
static Datum
history_form(FunctionCallInfo fcinfo, SqlForm form)
{
	SqlRowSink	sink;
	SqlRange	range;
	int64		since;
	int64		until;
	int64		next_after;
	Quorum__StoreMeta *meta;
	StoreError	error = STORE_OK;
	Relation	store;

	sql_arg_range(fcinfo, 0, 1, &range);
	if (range.key.len == 0)
		sql_raise(STORE_EMPTY_KEY, 0, 0);
	since = sql_arg_count(fcinfo, 3, "since");
	until = sql_arg_count(fcinfo, 4, "until");
	sql_sink_begin(&sink, fcinfo, form);
	sink.max_rows = sql_arg_count(fcinfo, 5, "max_rows");

	store = sql_begin_read(sql_arg_bool(fcinfo, 6));
	meta = store_read_meta(store);
	if (since == 0)
		since = Max(meta->compacted_revision - 1, 0);
	if (since > meta->revision || until > meta->revision)
		error = STORE_FUTURE_REVISION;
	else
		error = store_events(store, sql_caller(store),
							 (const char *) range.key.data, (uint32) range.key.len,
							 (const char *) range.range_end.data,
							 (uint32) range.range_end.len,
							 since, until, true, 0, sql_sink_event, &sink, &next_after);
	sql_end_read(store);
	if (error != STORE_OK)
		sql_raise(error, meta->revision, meta->compacted_revision);
	sql_sink_end(&sink);
	return (Datum) 0;
}
KEY_FORMS(history)

/* revision(serializable) */
PG_FUNCTION_INFO_V1(quorum_revision);
Datum
quorum_revision(PG_FUNCTION_ARGS)
{
	Relation	store = sql_begin_read(sql_arg_bool(fcinfo, 0));
	Quorum__StoreMeta *meta = store_read_meta(store);

	sql_end_read(store);
	PG_RETURN_INT64(meta->revision);
}

/* compacted_revision(serializable) */
PG_FUNCTION_INFO_V1(quorum_compacted_revision);
Datum
quorum_compacted_revision(PG_FUNCTION_ARGS)
{
	Relation	store = sql_begin_read(sql_arg_bool(fcinfo, 0));
	Quorum__StoreMeta *meta = store_read_meta(store);

	sql_end_read(store);
	PG_RETURN_INT64(meta->compacted_revision);
}

/* read_barrier(timeout): the revision that reads see from now on, at least */
PG_FUNCTION_INFO_V1(quorum_read_barrier);
Datum
quorum_read_barrier(PG_FUNCTION_ARGS)
{
	int			timeout = sql_arg_timeout(fcinfo, 0);
	Relation	store;
	Quorum__StoreMeta *meta;

	sql_require_member();
	member_read_barrier(timeout);
	store = sql_begin_read(true);
	meta = store_read_meta(store);
	sql_end_read(store);
	PG_RETURN_INT64(meta->revision);
}

/* The keys that the current role may read, on their way to the rows */
typedef struct KeyFilter
{
	StorePermissions *permissions;
	SqlRowSink *sink;
} KeyFilter;

/* StoreKvVisit */
static bool
sink_permitted_kv(const Mvccpb__KeyValue *kv, void *arg)
{
	KeyFilter  *filter = arg;

	if (!store_permits(filter->permissions, STORE_READ, (const char *) kv->key.data,
					   kv->key.len, NULL, 0))
		return true;
	return sql_sink_kv(kv, filter->sink);
}

/* scan_keys(): every live key that may be read, for the view quorum.keys */
PG_FUNCTION_INFO_V1(quorum_scan_keys);
Datum
quorum_scan_keys(PG_FUNCTION_ARGS)
{
	static uint8_t all_keys[] = {0};
	Etcdserverpb__RangeRequest request = ETCDSERVERPB__RANGE_REQUEST__INIT;
	StoreRangeInfo info = {0};
	SqlRowSink	sink;
	KeyFilter	filter;
	StoreError	error;
	Relation	store;

	request.key.data = request.range_end.data = all_keys;
	request.key.len = request.range_end.len = sizeof(all_keys);

	sql_sink_begin(&sink, fcinfo, SQL_BYTES);
	store = sql_begin_read(true);
	filter.sink = &sink;
	error = store_permissions(store, sql_caller(store), &filter.permissions);
	if (error == STORE_OK)
		error = store_range(store, NULL, &request, false, sink_permitted_kv, &filter, &info);
	sql_end_read(store);
	sql_check(error, &info);
	sql_sink_end(&sink);
	return (Datum) 0;
}

/* as_text(bytea): NULL where it is none */
PG_FUNCTION_INFO_V1(quorum_as_text);
Datum
quorum_as_text(PG_FUNCTION_ARGS)
{
	bytea	   *bytes = PG_GETARG_BYTEA_PP(0);

	if (!pbjson_is_text(VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes)))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes)));
}

/* as_jsonb(bytea): NULL where it is none */
PG_FUNCTION_INFO_V1(quorum_as_jsonb);
Datum
quorum_as_jsonb(PG_FUNCTION_ARGS)
{
	bytea	   *bytes = PG_GETARG_BYTEA_PP(0);
	Jsonb	   *json = json_try_parse(VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));

	if (json == NULL)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(json);
}
