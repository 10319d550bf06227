/*-------------------------------------------------------------------------
 *
 * rows.c
 *	  Keys, values and events as SQL values and rows.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/sql/rows.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "json/pbjson.h"
#include "sql.h"

#include "compat.h"

Datum
sql_bytes_datum(const ProtobufCBinaryData *bytes, SqlForm form)
{
	if (form == SQL_TEXT && unlikely(!pbjson_is_text(bytes->data, bytes->len)))
		ereport(ERROR,
				(errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
				 errmsg("key or value is not text in the database encoding"),
				 errhint("Use the form of the function that takes and returns bytea.")));
	/* text and bytea look the same */
	return PointerGetDatum(cstring_to_text_with_len((const char *) bytes->data,
													(int) bytes->len));
}

TupleDesc
sql_result_desc(FunctionCallInfo fcinfo)
{
	FmgrInfo   *flinfo = fcinfo->flinfo;

	if (flinfo->fn_extra == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(flinfo->fn_mcxt);
		TupleDesc	desc;

		if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "function %u must return a composite type", flinfo->fn_oid);
		flinfo->fn_extra = BlessTupleDesc(desc);
		MemoryContextSwitchTo(old);
	}
	return flinfo->fn_extra;
}

void
sql_kv_values(const Mvccpb__KeyValue *kv, SqlForm form, bool keys_only,
			  Datum *values, bool *isnull)
{
	memset(isnull, 0, SQL_KV_COLUMNS * sizeof(bool));
	values[0] = sql_bytes_datum(&kv->key, form);
	if (keys_only)
	{
		values[1] = (Datum) 0;
		isnull[1] = true;
	}
	else
		values[1] = sql_bytes_datum(&kv->value, form);
	values[2] = Int64GetDatum(kv->create_revision);
	values[3] = Int64GetDatum(kv->mod_revision);
	values[4] = Int64GetDatum(kv->version);
	values[5] = Int64GetDatum(kv->lease);
}

Datum
sql_kv_datum(FunctionCallInfo fcinfo, const Mvccpb__KeyValue *kv, SqlForm form)
{
	Datum		values[SQL_KV_COLUMNS];
	bool		isnull[SQL_KV_COLUMNS];

	sql_kv_values(kv, form, false, values, isnull);
	return HeapTupleGetDatum(heap_form_tuple(sql_result_desc(fcinfo), values, isnull));
}

void
sql_event_values(const Mvccpb__Event *event, SqlForm form, Datum *values, bool *isnull)
{
	const Mvccpb__KeyValue *kv = event->kv;
	bool		is_delete = event->type == MVCCPB__EVENT__EVENT_TYPE__DELETE;

	memset(isnull, 0, SQL_EVENT_COLUMNS * sizeof(bool));
	values[0] = CStringGetTextDatum(is_delete ? "DELETE" : "PUT");
	values[1] = sql_bytes_datum(&kv->key, form);
	if (is_delete)
	{
		values[2] = (Datum) 0;
		isnull[2] = true;
	}
	else
		values[2] = sql_bytes_datum(&kv->value, form);
	values[3] = Int64GetDatum(kv->create_revision);
	values[4] = Int64GetDatum(kv->mod_revision);
	values[5] = Int64GetDatum(kv->version);
	values[6] = Int64GetDatum(kv->lease);
	if (event->prev_kv == NULL)
	{
		values[7] = (Datum) 0;
		isnull[7] = true;
	}
	else
		values[7] = sql_bytes_datum(&event->prev_kv->value, form);
}

void
sql_sink_begin(SqlRowSink *sink, FunctionCallInfo fcinfo, SqlForm form)
{
	memset(sink, 0, sizeof(*sink));
	InitMaterializedSRF(fcinfo, 0);
	sink->rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	sink->form = form;
	sink->row_context = AllocSetContextCreate(CurrentMemoryContext,
											  "pg_quorum row", ALLOCSET_DEFAULT_SIZES);
}

void
sql_sink_row(SqlRowSink *sink, Datum *values, bool *isnull)
{
	tuplestore_putvalues(sink->rsinfo->setResult, sink->rsinfo->setDesc, values, isnull);
	sink->rows++;
}

void
sql_sink_end(SqlRowSink *sink)
{
	MemoryContextDelete(sink->row_context);
}

static bool
sink_wants_more(const SqlRowSink *sink)
{
	return sink->max_rows == 0 || sink->rows < sink->max_rows;
}

bool
sql_sink_kv(const Mvccpb__KeyValue *kv, void *arg)
{
	SqlRowSink *sink = arg;
	MemoryContext old = MemoryContextSwitchTo(sink->row_context);
	Datum		values[SQL_KV_COLUMNS];
	bool		isnull[SQL_KV_COLUMNS];

	sql_kv_values(kv, sink->form, sink->keys_only, values, isnull);
	sql_sink_row(sink, values, isnull);
	MemoryContextSwitchTo(old);
	MemoryContextReset(sink->row_context);
	return sink_wants_more(sink);
}

bool
sql_sink_event(const Mvccpb__Event *event, void *arg)
{
	SqlRowSink *sink = arg;
	MemoryContext old = MemoryContextSwitchTo(sink->row_context);
	Datum		values[SQL_EVENT_COLUMNS];
	bool		isnull[SQL_EVENT_COLUMNS];

	sql_event_values(event, sink->form, values, isnull);
	sql_sink_row(sink, values, isnull);
	MemoryContextSwitchTo(old);
	MemoryContextReset(sink->row_context);
	return sink_wants_more(sink);
}
