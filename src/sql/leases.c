/*-------------------------------------------------------------------------
 *
 * leases.c
 *	  The SQL functions of leases.
 *
 * Grants and revocations are commands.  How long a lease has still to live is
 * known to the leader alone, who is asked; which leases there are, and which keys
 * they have, is read from the store here.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/sql/leases.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "json/pbjson.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "member/member.h"
#include "sql.h"

#include "compat.h"

/* Leases of quorum.leases that are looked up, and asked about, together */
#define LEASES_AT_A_TIME	4096

/* ----------------------------------------------------------------
 *	Arguments and values
 * ----------------------------------------------------------------
 */

/* The id of a lease, which must be given */
static int64
lease_arg(FunctionCallInfo fcinfo, int argno)
{
	sql_require_argument(fcinfo, argno, "id");
	return PG_GETARG_INT64(argno);
}

/* Whole seconds of an interval, a part of one counting as one */
static int64
interval_seconds(const Interval *interval)
{
	double		seconds = interval->time / (double) USECS_PER_SEC +
		(interval->day + interval->month * (double) DAYS_PER_MONTH) * SECS_PER_DAY;

	/* anything larger is too large whatever its number */
	return (int64) ceil(Max(Min(seconds, STORE_MAX_LEASE_TTL + 1.0), -1.0));
}

static Datum
microseconds_datum(int64 microseconds)
{
	Interval   *interval = palloc0(sizeof(Interval));

	interval->time = microseconds;
	return IntervalPGetDatum(interval);
}

static Datum
seconds_datum(int64 seconds)
{
	return microseconds_datum(seconds * USECS_PER_SEC);
}

/* ----------------------------------------------------------------
 *	lease_grant(ttl, id)
 * ----------------------------------------------------------------
 */

static Datum
lease_grant(FunctionCallInfo fcinfo, int64 ttl)
{
	Quorum__Command command = QUORUM__COMMAND__INIT;
	Etcdserverpb__LeaseGrantRequest grant = ETCDSERVERPB__LEASE_GRANT_REQUEST__INIT;

	if (ttl <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("ttl must be positive")));
	grant.id = sql_arg_count(fcinfo, 1, "id");

	/* random among so many that it is nobody's */
	while (grant.id == 0)
	{
		if (!pg_strong_random(&grant.id, sizeof(grant.id)))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not generate a random lease id")));
		grant.id &= PG_INT64_MAX;
	}
	grant.ttl = Max(ttl, member_min_lease_ttl());
	command.op_case = QUORUM__COMMAND__OP_LEASE_GRANT;
	command.lease_grant = &grant;

	PG_RETURN_INT64(sql_execute(&command)->lease_grant->id);
}

PG_FUNCTION_INFO_V1(quorum_lease_grant_interval);
Datum
quorum_lease_grant_interval(PG_FUNCTION_ARGS)
{
	sql_require_writable("lease_grant");
	sql_require_argument(fcinfo, 0, "ttl");
	return lease_grant(fcinfo, interval_seconds(PG_GETARG_INTERVAL_P(0)));
}

PG_FUNCTION_INFO_V1(quorum_lease_grant_seconds);
Datum
quorum_lease_grant_seconds(PG_FUNCTION_ARGS)
{
	sql_require_writable("lease_grant");
	sql_require_argument(fcinfo, 0, "ttl");
	return lease_grant(fcinfo, PG_GETARG_INT64(0));
}

/* An untyped literal fits interval and bigint alike; this form takes it. */
PG_FUNCTION_INFO_V1(quorum_lease_grant_text);
Datum
quorum_lease_grant_text(PG_FUNCTION_ARGS)
{
	Interval   *interval;

	sql_require_writable("lease_grant");
	sql_require_argument(fcinfo, 0, "ttl");
	interval = DatumGetIntervalP(DirectFunctionCall3(interval_in,
													 CStringGetDatum(text_to_cstring(PG_GETARG_TEXT_PP(0))),
													 ObjectIdGetDatum(InvalidOid),
													 Int32GetDatum(-1)));
	return lease_grant(fcinfo, interval_seconds(interval));
}

/* ----------------------------------------------------------------
 *	lease_keepalive(id), lease_revoke(id)
 * ----------------------------------------------------------------
 */

PG_FUNCTION_INFO_V1(quorum_lease_keepalive);
Datum
quorum_lease_keepalive(PG_FUNCTION_ARGS)
{
	int64		ttl;

	sql_require_writable("lease_keepalive");
	sql_require_user();
	ttl = member_lease_keepalive(lease_arg(fcinfo, 0));
	if (ttl <= 0)
		sql_raise(STORE_LEASE_NOT_FOUND, 0, 0);
	return seconds_datum(ttl);
}

PG_FUNCTION_INFO_V1(quorum_lease_revoke);
Datum
quorum_lease_revoke(PG_FUNCTION_ARGS)
{
	Quorum__Command command = QUORUM__COMMAND__INIT;
	Etcdserverpb__LeaseRevokeRequest revoke = ETCDSERVERPB__LEASE_REVOKE_REQUEST__INIT;

	sql_require_writable("lease_revoke");
	revoke.id = lease_arg(fcinfo, 0);
	command.op_case = QUORUM__COMMAND__OP_LEASE_REVOKE;
	command.lease_revoke = &revoke;
	(void) sql_execute(&command);
	PG_RETURN_VOID();
}

/* ----------------------------------------------------------------
 *	lease_ttl(id)
 * ----------------------------------------------------------------
 */

/* Add a key to the array that is built, as quorum.as_text() shows it */
static bool
add_key(const char *key, uint32 key_len, void *arg)
{
	ArrayBuildState **keys = arg;
	bool		is_text = pbjson_is_text((const uint8_t *) key, key_len);

	*keys = accumArrayResult(*keys,
							 is_text ? PointerGetDatum(cstring_to_text_with_len(key, key_len)) : (Datum) 0,
							 !is_text, TEXTOID, CurrentMemoryContext);
	return true;
}

PG_FUNCTION_INFO_V1(quorum_lease_ttl);
Datum
quorum_lease_ttl(PG_FUNCTION_ARGS)
{
	int64		id;
	int64		remaining;
	int64		granted;
	Relation	store;
	ArrayBuildState *keys = NULL;
	StoreError	error;
	Datum		values[4];
	bool		isnull[4] = {false, false, false, false};

	sql_require_member();
	id = lease_arg(fcinfo, 0);
	if (!member_lease_ttl(id, &remaining, &granted))
		sql_raise(STORE_LEASE_NOT_FOUND, 0, 0);

	store = sql_begin_read(false);
	error = store_lease_keys(store, sql_caller(store), id, add_key, &keys);
	sql_end_read(store);
	if (error != STORE_OK)
		sql_raise(error, 0, 0);

	values[0] = Int64GetDatum(id);
	values[1] = microseconds_datum(remaining * 1000);
	values[2] = seconds_datum(granted);
	values[3] = keys != NULL ? makeArrayResult(keys, CurrentMemoryContext) :
		PointerGetDatum(construct_empty_array(TEXTOID));
	return HeapTupleGetDatum(heap_form_tuple(sql_result_desc(fcinfo), values, isnull));
}

/* ----------------------------------------------------------------
 *	quorum.leases
 * ----------------------------------------------------------------
 */

/* Some leases, in the order of their ids */
typedef struct LeaseList
{
	StoreLease *leases;
	int			n;
} LeaseList;

static bool
add_lease(const StoreLease *lease, void *arg)
{
	LeaseList  *list = arg;

	list->leases[list->n++] = *lease;
	return list->n < LEASES_AT_A_TIME;
}

static bool
count_key(const char *key, uint32 key_len, void *arg)
{
	(*(int64 *) arg)++;
	return true;
}

/* Is there somebody to ask how much time the leases have left? */
static bool
leader_is_known(void)
{
	MemberStatus status;

	if (RecoveryInProgress())
		return false;
	member_get_status(&status);
	return status.leader_id != 0;
}

/*
 * Every lease of this member's state, for whoever is a user of the store at all
 * (etcd's rule).  The lock on the store is not held while the leader is asked.
 */
PG_FUNCTION_INFO_V1(quorum_scan_leases);
Datum
quorum_scan_leases(PG_FUNCTION_ARGS)
{
	SqlRowSink	sink;
	LeaseList	list;
	int64	   *ids;
	int64	   *keys;
	MemberLeaseTime *times;
	StorePermissions *permissions;
	StoreError	error;
	bool		ask = false;
	int64		after = 0;
	int			i;

	sql_require_member();
	sql_sink_begin(&sink, fcinfo, SQL_TEXT);
	list.leases = palloc(LEASES_AT_A_TIME * sizeof(StoreLease));
	ids = palloc(LEASES_AT_A_TIME * sizeof(int64));
	keys = palloc0(LEASES_AT_A_TIME * sizeof(int64));
	times = palloc(LEASES_AT_A_TIME * sizeof(MemberLeaseTime));

	do
	{
		Relation	store = sql_begin_read(true);

		error = store_permissions(store, sql_caller(store), &permissions);
		if (error != STORE_OK)
			sql_raise(error, 0, 0);
		list.n = 0;
		store_scan_leases(store, after, add_lease, &list);
		for (i = 0; i < list.n; i++)
		{
			ids[i] = list.leases[i].id;
			keys[i] = 0;
			(void) store_lease_keys(store, NULL, ids[i], count_key, &keys[i]);
		}
		sql_end_read(store);
		if (list.n == 0)
			break;
		after = ids[list.n - 1];

		ask = leader_is_known();
		if (ask)
			member_lease_ttl_many(ids, list.n, times);
		for (i = 0; i < list.n; i++)
		{
			MemoryContext old_context = MemoryContextSwitchTo(sink.row_context);
			Datum		values[4];
			bool		isnull[4] = {false, false, false, false};

			values[0] = Int64GetDatum(ids[i]);
			values[1] = seconds_datum(list.leases[i].ttl);
			isnull[2] = !ask || times[i].remaining_ms < 0;
			values[2] = isnull[2] ? (Datum) 0 : microseconds_datum(times[i].remaining_ms * 1000);
			values[3] = Int64GetDatum(keys[i]);
			sql_sink_row(&sink, values, isnull);
			MemoryContextSwitchTo(old_context);
			MemoryContextReset(sink.row_context);
		}
	} while (list.n == LEASES_AT_A_TIME);

	sql_sink_end(&sink);
	return (Datum) 0;
}
