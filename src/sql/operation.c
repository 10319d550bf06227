/*-------------------------------------------------------------------------
 *
 * operation.c
 *	  Alarms and statistics in SQL.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/sql/operation.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "member/member.h"
#include "member/stats.h"
#include "sql.h"

#include "compat.h"

#define STAT_COLUMNS		17
#define PEER_STAT_COLUMNS	9

static Datum
hex_datum(uint64 id)
{
	return CStringGetTextDatum(psprintf("%016llx", (unsigned long long) id));
}

static Datum
count_datum(uint64 count)
{
	return Int64GetDatum((int64) count);
}

/* As PostgreSQL's own statistics have times: milliseconds */
static Datum
time_datum(uint64 usec)
{
	return Float8GetDatum((double) usec / 1000.0);
}

/* ----------------------------------------------------------------
 *	Alarms
 * ----------------------------------------------------------------
 */

const char *
sql_alarm_name(int alarm)
{
	switch (alarm)
	{
		case ETCDSERVERPB__ALARM_TYPE__NOSPACE:
			return "NOSPACE";
		case ETCDSERVERPB__ALARM_TYPE__CORRUPT:
			return "CORRUPT";
		default:
			return "UNKNOWN";
	}
}

static const char *
member_name(List *members, uint64 id)
{
	ListCell   *lc;

	foreach(lc, members)
	{
		const Quorum__Member *member = lfirst(lc);

		if (member->id == id)
			return member->name;
	}
	return NULL;
}

/* The store's meta and members, if there is a store; closes it again */
static Quorum__StoreMeta *
read_alarms(List **members)
{
	Relation	store = member_open_store_if_any();
	Quorum__StoreMeta *meta = NULL;

	*members = NIL;
	if (store == NULL)
		return NULL;
	if (store_is_formatted(store))
	{
		meta = store_read_meta(store);
		*members = store_read_members(store);
	}
	sql_end_read(store);
	return meta;
}

/* get_alarms(): the rows of quorum.alarms (member_id, name, alarm) */
PG_FUNCTION_INFO_V1(quorum_get_alarms);
Datum
quorum_get_alarms(PG_FUNCTION_ARGS)
{
	SqlRowSink	sink;
	List	   *members;
	Quorum__StoreMeta *meta;
	size_t		i;

	sql_require_member();
	sql_sink_begin(&sink, fcinfo, SQL_TEXT);
	meta = read_alarms(&members);
	for (i = 0; meta != NULL && i < meta->n_alarms; i++)
	{
		uint64		id = meta->alarms[i]->memberid;
		const char *name = member_name(members, id);
		Datum		values[3];
		bool		isnull[3] = {false, false, false};

		isnull[0] = id == 0;
		if (id != 0)
			values[0] = hex_datum(id);
		isnull[1] = name == NULL;
		if (name != NULL)
			values[1] = CStringGetTextDatum(name);
		values[2] = CStringGetTextDatum(sql_alarm_name(meta->alarms[i]->alarm));
		sql_sink_row(&sink, values, isnull);
	}
	sql_sink_end(&sink);
	return (Datum) 0;
}

/* Is the alarm one of a member of this name or identity?  NULL: anybody's */
static bool
is_alarm_of(const Etcdserverpb__AlarmMember *alarm, List *members, const char *member)
{
	const char *name;

	if (member == NULL)
		return true;
	if (strcmp(member, psprintf("%016llx", (unsigned long long) alarm->memberid)) == 0)
		return true;
	name = member_name(members, alarm->memberid);
	return name != NULL && strcmp(name, member) == 0;
}

static bool
member_exists(List *members, const char *member)
{
	ListCell   *lc;

	foreach(lc, members)
	{
		const Quorum__Member *m = lfirst(lc);

		if (strcmp(m->name, member) == 0 ||
			strcmp(member, psprintf("%016llx", (unsigned long long) m->id)) == 0)
			return true;
	}
	return false;
}

static bool
disarm(const Etcdserverpb__AlarmMember *alarm)
{
	Quorum__Command command;
	Etcdserverpb__AlarmRequest request;
	Quorum__Result *result;

	quorum__command__init(&command);
	etcdserverpb__alarm_request__init(&request);
	command.op_case = QUORUM__COMMAND__OP_ALARM;
	command.alarm = &request;
	request.action = ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__DEACTIVATE;
	request.memberid = alarm->memberid;
	request.alarm = alarm->alarm;
	result = sql_execute(&command);
	return result->alarm != NULL && result->alarm->n_alarms > 0;
}

/*
 * alarm_disarm(member, alarm) returns how many alarms were disarmed
 *
 * What there is to disarm is read after a barrier; each alarm then takes an
 * entry of its own.  One whose cause remains comes back.
 */
PG_FUNCTION_INFO_V1(quorum_alarm_disarm);
Datum
quorum_alarm_disarm(PG_FUNCTION_ARGS)
{
	char	   *member = PG_ARGISNULL(0) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *name = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	int			wanted = ETCDSERVERPB__ALARM_TYPE__NONE;
	List	   *members;
	Quorum__StoreMeta *meta;
	int64		disarmed = 0;
	size_t		i;

	sql_require_writable("alarm_disarm");
	if (name != NULL)
	{
		if (pg_strcasecmp(name, "NOSPACE") == 0)
			wanted = ETCDSERVERPB__ALARM_TYPE__NOSPACE;
		else if (pg_strcasecmp(name, "CORRUPT") == 0)
			wanted = ETCDSERVERPB__ALARM_TYPE__CORRUPT;
		else
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("unknown alarm \"%s\"", name),
					 errhint("The alarms are NOSPACE and CORRUPT.")));
	}

	member_read_barrier(-1);
	meta = read_alarms(&members);
	if (member != NULL && !member_exists(members, member))
		sql_raise(STORE_MEMBER_NOT_FOUND, 0, 0);
	for (i = 0; meta != NULL && i < meta->n_alarms; i++)
	{
		const Etcdserverpb__AlarmMember *alarm = meta->alarms[i];

		if ((wanted == ETCDSERVERPB__ALARM_TYPE__NONE || wanted == (int) alarm->alarm) &&
			is_alarm_of(alarm, members, member) && disarm(alarm))
			disarmed++;
	}
	PG_RETURN_INT64(disarmed);
}

/*
 * peer_hash(revision) returns (error, hash, compacted_revision)
 *
 * What another member asks to compare (member/corrupt.c); it acts for
 * no user.  A refusal is an answer too.
 */
PG_FUNCTION_INFO_V1(quorum_peer_hash);
Datum
quorum_peer_hash(PG_FUNCTION_ARGS)
{
	int64		revision;
	uint32		hash = 0;
	int64		hash_revision;
	int64		compacted = 0;
	StoreError	error;
	Relation	store;
	Datum		values[3];
	bool		isnull[3] = {false, false, false};

	sql_require_peer();
	revision = sql_arg_count(fcinfo, 0, "revision");
	store = sql_begin_read(true);
	error = store_hash_kv(store, NULL, revision, &hash, &hash_revision, &compacted);
	sql_end_read(store);

	values[0] = Int32GetDatum((int32) error);
	isnull[1] = error != STORE_OK;
	values[1] = Int64GetDatum((int64) hash);
	values[2] = Int64GetDatum(compacted);
	return HeapTupleGetDatum(heap_form_tuple(sql_result_desc(fcinfo), values, isnull));
}

/* ----------------------------------------------------------------
 *	Statistics
 * ----------------------------------------------------------------
 */

/* get_stat(): the row of quorum.pg_stat_quorum but for the watchers */
PG_FUNCTION_INFO_V1(quorum_get_stat);
Datum
quorum_get_stat(PG_FUNCTION_ARGS)
{
	MemberStats stats;
	const uint64 *c = stats.counters;
	Datum		values[STAT_COLUMNS];
	bool		isnull[STAT_COLUMNS] = {false};
	int			n = 0;

	sql_require_member();
	member_get_stats(&stats);
	values[n++] = count_datum(c[STAT_PROPOSALS]);
	values[n++] = count_datum(c[STAT_FORWARDED]);
	values[n++] = count_datum(c[STAT_COMMITS]);
	values[n++] = count_datum(c[STAT_APPLIES]);
	values[n++] = time_datum(c[STAT_APPLY_USEC]);
	values[n++] = count_datum(c[STAT_SLOW_APPLIES]);
	values[n++] = count_datum(c[STAT_READS]);
	values[n++] = count_datum(c[STAT_READ_ROUNDS]);
	values[n++] = count_datum(c[STAT_FSYNCS] + c[STAT_FLUSHER_FSYNCS]);
	values[n++] = time_datum(c[STAT_FSYNC_USEC] + c[STAT_FLUSHER_FSYNC_USEC]);
	values[n++] = count_datum(c[STAT_MESSAGES_SENT]);
	values[n++] = count_datum(c[STAT_MESSAGES_RECEIVED]);
	values[n++] = count_datum(c[STAT_BYTES_SENT]);
	values[n++] = count_datum(c[STAT_BYTES_RECEIVED]);
	values[n++] = count_datum(c[STAT_SNAPSHOTS_SENT]);
	values[n++] = count_datum(c[STAT_SNAPSHOTS_RECEIVED]);
	values[n++] = count_datum(c[STAT_LEADER_CHANGES]);
	Assert(n == STAT_COLUMNS);
	return HeapTupleGetDatum(heap_form_tuple(sql_result_desc(fcinfo), values, isnull));
}

/* get_stat_since(): when the counters began at zero */
PG_FUNCTION_INFO_V1(quorum_get_stat_since);
Datum
quorum_get_stat_since(PG_FUNCTION_ARGS)
{
	MemberStats stats;

	sql_require_member();
	member_get_stats(&stats);
	PG_RETURN_TIMESTAMPTZ(stats.since);
}

/* get_stat_peers(): the rows of quorum.pg_stat_quorum_peers */
PG_FUNCTION_INFO_V1(quorum_get_stat_peers);
Datum
quorum_get_stat_peers(PG_FUNCTION_ARGS)
{
	PeerStats	peers[MEMBER_MAX_PEERS];
	SqlRowSink	sink;
	List	   *members;
	int			n;
	int			i;

	sql_require_member();
	sql_sink_begin(&sink, fcinfo, SQL_TEXT);
	n = member_get_peer_stats(peers, MEMBER_MAX_PEERS);
	(void) read_alarms(&members);
	for (i = 0; i < n; i++)
	{
		const char *name = member_name(members, peers[i].id);
		Datum		values[PEER_STAT_COLUMNS];
		bool		isnull[PEER_STAT_COLUMNS] = {false};
		int			k = 0;

		if (name == NULL)
			continue;			/* no member any more */
		values[k++] = hex_datum(peers[i].id);
		values[k++] = CStringGetTextDatum(name);
		values[k++] = count_datum(peers[i].counters[PEER_STAT_MESSAGES_SENT]);
		values[k++] = count_datum(peers[i].counters[PEER_STAT_MESSAGES_RECEIVED]);
		values[k++] = count_datum(peers[i].counters[PEER_STAT_BYTES_SENT]);
		values[k++] = count_datum(peers[i].counters[PEER_STAT_BYTES_RECEIVED]);
		isnull[k] = peers[i].rtt_usec == 0;
		values[k++] = time_datum(peers[i].rtt_usec);
		values[k++] = count_datum(peers[i].counters[PEER_STAT_CONNECTS]);
		values[k++] = count_datum(peers[i].counters[PEER_STAT_FAILURES]);
		Assert(k == PEER_STAT_COLUMNS);
		sql_sink_row(&sink, values, isnull);
	}
	sql_sink_end(&sink);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(quorum_stat_reset);
Datum
quorum_stat_reset(PG_FUNCTION_ARGS)
{
	sql_require_member();
	member_reset_stats();
	PG_RETURN_VOID();
}
