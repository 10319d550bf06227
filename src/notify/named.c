/*-------------------------------------------------------------------------
 *
 * named.c
 *	  Watches with a channel name of their own, kept in a table.
 *
 * The truth about named watches is the table quorum.named_watch; slots in the
 * registry are made of it.  The session that creates or drops one does both
 * (row at once, slot when it commits), and a notifier that starts makes the slots
 * from the rows.  How far the notifier got is one number for all of them, in
 * quorum.watch_progress, written now and then: a watch has been told up to that
 * revision, or up to where it started if that is later.
 *
 * The tables are the extension owner's, and users get at them only through the
 * functions here, which act as that owner, as foreign keys do.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/notify/named.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "notify/arguments.h"
#include "notify/named.h"
#include "notify/session.h"
#include "sql/sql.h"

#include "compat.h"

/* A row of quorum.named_watch */
typedef struct NamedWatch
{
	WatchSpec	spec;
	char		channel[NAMEDATALEN];
	Oid			role;
	WatchState	state;			/* ACTIVE, ENDED or DENIED */
} NamedWatch;

/* ----------------------------------------------------------------
 *	Access to the tables
 * ----------------------------------------------------------------
 */

Oid
named_find_store(void)
{
	Oid			schema = get_namespace_oid("quorum", true);

	return OidIsValid(schema) ? get_relname_relid("mvcc", schema) : InvalidOid;
}

/*
 * The role that owns the table of named watches.
 */
static Oid
table_owner(void)
{
	Oid			table = get_relname_relid("named_watch", get_namespace_oid("quorum", false));
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s\" does not exist", "quorum.named_watch")));
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

/*
 * Run one statement as the tables' owner; returns the number of rows.
 */
static uint64
execute_as_owner(const char *query, int nargs, Oid *types, Datum *values, const char *nulls)
{
	Oid			owner = table_owner();
	Oid			user;
	int			context;
	int			result;
	uint64		rows;

	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(owner, context | SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_NOFORCE_RLS);
	SPI_connect();
	result = SPI_execute_with_args(query, nargs, types, values, nulls, false, 0);
	if (result < 0)
		elog(ERROR, "could not execute \"%s\": %s", query, SPI_result_code_string(result));
	rows = SPI_processed;
	SPI_finish();
	SetUserIdAndSecContext(user, context);
	return rows;
}

/* ----------------------------------------------------------------
 *	create_watch and drop_watch
 * ----------------------------------------------------------------
 */

static WatchPayload
argument_payload(FunctionCallInfo fcinfo, int argno)
{
	char	   *payload;

	if (PG_ARGISNULL(argno))
		return WATCH_PAYLOAD_EVENT;
	payload = text_to_cstring(PG_GETARG_TEXT_PP(argno));
	if (strcmp(payload, "event") == 0)
		return WATCH_PAYLOAD_EVENT;
	if (strcmp(payload, "revision") == 0)
		return WATCH_PAYLOAD_REVISION;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unrecognized value \"%s\" for payload", payload),
			 errhint("Valid values are \"event\" and \"revision\".")));
	return WATCH_PAYLOAD_EVENT; /* keep compiler quiet */
}

static Datum
bytes_datum(const char *bytes, uint32 len)
{
	return PointerGetDatum(cstring_to_text_with_len(bytes, (int) len));
}

/*
 * create_watch(channel name, key, range_end, prefix, events, payload,
 *				prev_value), for text and bytea; returns the revision after
 * which events come
 */
PG_FUNCTION_INFO_V1(quorum_create_watch);
Datum
quorum_create_watch(PG_FUNCTION_ARGS)
{
	static const char *const insert =
		"INSERT INTO quorum.named_watch (channel, key, range_end, puts, deletes, payload,"
		" prev_value, start_revision, created_by)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING";
	Oid			types[9] = {NAMEOID, BYTEAOID, BYTEAOID, BOOLOID, BOOLOID, TEXTOID,
	BOOLOID, INT8OID, NAMEOID};
	Datum		values[9];
	WatchSpec	spec;
	char	   *channel;
	NameData	user;
	Oid			store;

	sql_require_argument(fcinfo, 0, "channel");
	channel = NameStr(*PG_GETARG_NAME(0));
	if (channel[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("channel must not be empty")));
	argument_watch_range(fcinfo, 1, &spec.range);
	spec.kinds = argument_kinds(fcinfo, 4);
	spec.payload = argument_payload(fcinfo, 5);
	spec.prev_value = sql_arg_bool(fcinfo, 6);
	sql_require_writable("create_watch");
	spec.told_revision = session_watch_start(0, &spec, true, &store);

	namestrcpy(&user, GetUserNameFromId(GetUserId(), false));
	values[0] = PointerGetDatum(PG_GETARG_NAME(0));
	values[1] = bytes_datum(spec.range.key, spec.range.key_len);
	values[2] = bytes_datum(spec.range.end, spec.range.end_len);
	values[3] = BoolGetDatum((spec.kinds & WATCH_PUT) != 0);
	values[4] = BoolGetDatum((spec.kinds & WATCH_DELETE) != 0);
	values[5] = CStringGetTextDatum(spec.payload == WATCH_PAYLOAD_EVENT ? "event" : "revision");
	values[6] = BoolGetDatum(spec.prev_value);
	values[7] = Int64GetDatum(spec.told_revision);
	values[8] = NameGetDatum(&user);
	if (execute_as_owner(insert, lengthof(types), types, values, NULL) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("watch \"%s\" already exists", channel)));

	session_add_watch(&spec, channel, true, store);
	PG_RETURN_INT64(spec.told_revision);
}

/*
 * drop_watch(channel)
 */
PG_FUNCTION_INFO_V1(quorum_drop_watch);
Datum
quorum_drop_watch(PG_FUNCTION_ARGS)
{
	Oid			types[1] = {NAMEOID};
	Datum		values[1];
	char	   *channel;

	sql_require_argument(fcinfo, 0, "channel");
	channel = NameStr(*PG_GETARG_NAME(0));
	values[0] = PointerGetDatum(PG_GETARG_NAME(0));
	sql_require_writable("drop_watch");
	if (execute_as_owner("DELETE FROM quorum.named_watch"
						 " WHERE channel OPERATOR(pg_catalog.=) $1",
						 1, types, values, NULL) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("watch \"%s\" does not exist", channel),
				 errhint("Named watches are listed in the view quorum.watches; a watch of this session is ended with quorum.unwatch().")));
	session_drop_named(channel);
	PG_RETURN_VOID();
}

/* ----------------------------------------------------------------
 *	The notifier's side
 * ----------------------------------------------------------------
 */

static char *
copy_bytes(Datum datum, uint32 *len)
{
	bytea	   *bytes = DatumGetByteaPP(datum);
	char	   *copy;

	*len = Min((uint32) VARSIZE_ANY_EXHDR(bytes), WATCH_MAX_KEY_BYTES);
	copy = palloc(*len + 1);
	memcpy(copy, VARDATA_ANY(bytes), *len);
	return copy;
}

static NamedWatch *
make_named_watch(HeapTuple tuple, TupleDesc desc)
{
	NamedWatch *named = palloc0(sizeof(NamedWatch));
	bool		isnull;

	namestrcpy((Name) named->channel,
			   NameStr(*DatumGetName(SPI_getbinval(tuple, desc, 1, &isnull))));
	named->spec.range.key = copy_bytes(SPI_getbinval(tuple, desc, 2, &isnull),
									   &named->spec.range.key_len);
	named->spec.range.end = copy_bytes(SPI_getbinval(tuple, desc, 3, &isnull),
									   &named->spec.range.end_len);
	if (DatumGetBool(SPI_getbinval(tuple, desc, 4, &isnull)))
		named->spec.kinds |= WATCH_PUT;
	if (DatumGetBool(SPI_getbinval(tuple, desc, 5, &isnull)))
		named->spec.kinds |= WATCH_DELETE;
	named->spec.payload = DatumGetBool(SPI_getbinval(tuple, desc, 6, &isnull)) ?
		WATCH_PAYLOAD_REVISION : WATCH_PAYLOAD_EVENT;
	named->spec.prev_value = DatumGetBool(SPI_getbinval(tuple, desc, 7, &isnull));
	named->spec.told_revision = DatumGetInt64(SPI_getbinval(tuple, desc, 8, &isnull));
	named->role = get_role_oid(NameStr(*DatumGetName(SPI_getbinval(tuple, desc, 9, &isnull))),
							   true);
	if (!DatumGetBool(SPI_getbinval(tuple, desc, 10, &isnull)))
		named->state = WATCH_ACTIVE;
	else if (DatumGetBool(SPI_getbinval(tuple, desc, 11, &isnull)))
		named->state = WATCH_DENIED;
	else
		named->state = WATCH_ENDED;
	return named;
}

/*
 * Read the table in a transaction; the list is in the given context.
 */
static List *
read_table(MemoryContext context, Oid *store, int64 *progress)
{
	List	   *list = NIL;
	MemoryContext old;
	uint64		i;

	*progress = 0;
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	*store = named_find_store();
	if (OidIsValid(*store) &&
		OidIsValid(get_relname_relid("named_watch", get_namespace_oid("quorum", false))))
	{
		SPI_connect();
		if (SPI_execute("SELECT channel, key, range_end, puts, deletes,"
						" payload OPERATOR(pg_catalog.=) 'revision', prev_value,"
						" start_revision, created_by, ended_revision IS NOT NULL,"
						" ended_by IS NOT DISTINCT FROM 'permission'::pg_catalog.text"
						" FROM quorum.named_watch", true, 0) != SPI_OK_SELECT)
			elog(ERROR, "could not read the named watches");
		old = MemoryContextSwitchTo(context);
		for (i = 0; i < SPI_processed; i++)
			list = lappend(list, make_named_watch(SPI_tuptable->vals[i],
												  SPI_tuptable->tupdesc));
		MemoryContextSwitchTo(old);
		if (SPI_execute("SELECT told_revision FROM quorum.watch_progress", true, 1) != SPI_OK_SELECT)
			elog(ERROR, "could not read the progress of named watches");
		if (SPI_processed > 0)
		{
			bool		isnull;

			*progress = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
													SPI_tuptable->tupdesc, 1, &isnull));
		}
		SPI_finish();
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	return list;
}

static SharedWatch *
find_slot(const char *channel)
{
	int			i;

	for (i = 0; i < watch_registry->high_water; i++)
	{
		SharedWatch *watch = &watch_registry->slots[i];

		if (watch->state != WATCH_FREE && watch->named &&
			strcmp(watch->channel, channel) == 0)
			return watch;
	}
	return NULL;
}

/*
 * Give every row a slot, and take the slots that have no row.  Holds the lock;
 * returns how many found no room.
 *
 * A slot that is PENDING belongs to a transaction that has not committed, or
 * not told us so yet; either way it will move the generation.
 */
static int
make_slots(List *rows, Oid store, int64 progress)
{
	int			missing = 0;
	int			i;
	ListCell   *lc;

	for (i = 0; i < watch_registry->high_water; i++)
	{
		SharedWatch *watch = &watch_registry->slots[i];
		bool		found = false;

		if (!watch->named || watch->state == WATCH_FREE || watch->state == WATCH_PENDING)
			continue;
		foreach(lc, rows)
		{
			NamedWatch *named = lfirst(lc);

			if (strcmp(named->channel, watch->channel) == 0)
			{
				found = true;
				break;
			}
		}
		if (!found || watch->store != store)
			registry_free(watch);
	}

	foreach(lc, rows)
	{
		NamedWatch *named = lfirst(lc);
		SharedWatch *watch;

		if (find_slot(named->channel) != NULL)
			continue;
		named->spec.told_revision = Max(named->spec.told_revision, progress);
		watch = registry_add(&named->spec, named->channel, true, store);
		if (watch == NULL)
		{
			missing++;
			continue;
		}
		watch->role = named->role;
		watch->state = named->state;
	}
	return missing;
}

/*
 * named_load() -- see named.h.
 *
 * The table is read without the lock; if named watches came or went
 * meanwhile, it is read again.
 */
uint64
named_load(int64 *progress)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "pg_quorum named watches",
												  ALLOCSET_DEFAULT_SIZES);
	uint64		generation;
	int			missing = 0;
	bool		done = false;

	do
	{
		Oid			store;
		List	   *rows;

		CHECK_FOR_INTERRUPTS();
		registry_lock(LW_SHARED);
		generation = watch_registry->named_generation;
		registry_unlock();

		rows = read_table(context, &store, progress);

		registry_lock(LW_EXCLUSIVE);
		if (generation == watch_registry->named_generation)
		{
			missing = make_slots(rows, store, *progress);
			done = true;
		}
		registry_unlock();
		MemoryContextReset(context);
	} while (!done);

	MemoryContextDelete(context);
	if (missing > 0)
		ereport(WARNING,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg_plural("%d named watch is not served",
							   "%d named watches are not served", missing, missing),
				 errdetail("All %d places for watches are in use.", watch_registry->nslots),
				 errhint("Raise \"pg_quorum.max_watches\" and restart the server.")));
	return generation;
}

/*
 * named_save_progress() -- all named watches have been told up to this.
 */
void
named_save_progress(int64 revision)
{
	Oid			types[1] = {INT8OID};
	Datum		values[1];

	values[0] = Int64GetDatum(revision);
	PushActiveSnapshot(GetTransactionSnapshot());
	execute_as_owner("UPDATE quorum.watch_progress SET told_revision = $1",
					 1, types, values, NULL);
	PopActiveSnapshot();
}

/*
 * named_save_end() -- a named watch is told no more: it has missed events
 * (reason "compaction"), or may not be told ("permission").
 */
void
named_save_end(const char *channel, int64 revision, const char *reason)
{
	Oid			types[3] = {NAMEOID, INT8OID, TEXTOID};
	Datum		values[3];
	NameData	name;

	namestrcpy(&name, channel);
	values[0] = NameGetDatum(&name);
	values[1] = Int64GetDatum(revision);
	values[2] = CStringGetTextDatum(reason);
	PushActiveSnapshot(GetTransactionSnapshot());
	execute_as_owner("UPDATE quorum.named_watch SET ended_revision = $2, ended_by = $3"
					 " WHERE channel OPERATOR(pg_catalog.=) $1",
					 3, types, values, NULL);
	PopActiveSnapshot();
}
