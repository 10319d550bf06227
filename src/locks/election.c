/*-------------------------------------------------------------------------
 *
 * election.c
 *	  campaign, proclaim, leader; to resign is to unlock.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/locks/election.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "clock.h"
#include "locks/queue.h"
#include "member/member.h"

#include "compat.h"

static bool
same_bytes(ProtobufCBinaryData a, ProtobufCBinaryData b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static void
report_not_leader(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("session is not the leader of the election"),
			 errhint("Call quorum.campaign() first.")));
}

/*
 * campaign(name, value, timeout)
 *
 * As in etcd, one who campaigns again with another value proclaims it.
 */
static Datum
campaign_form(FunctionCallInfo fcinfo, SqlForm value_form)
{
	QueuePlace	place;
	ProtobufCBinaryData prefix;
	ProtobufCBinaryData value;
	ClockTime	deadline;

	sql_require_writable("campaign");
	prefix = queue_arg_prefix(fcinfo, 0);
	value = sql_arg_value(fcinfo, 1, value_form);
	deadline = queue_arg_deadline(fcinfo, 2);
	queue_find_place(prefix, &place);
	queue_enter(&place, value, false);
	if (!place.entered && !same_bytes(place.value, value) && !queue_set_value(&place, value))
		report_not_leader();
	queue_wait(&place, &queue_election, deadline);
	PG_RETURN_INT64(place.token);
}

PG_FUNCTION_INFO_V1(quorum_campaign);
Datum
quorum_campaign(PG_FUNCTION_ARGS)
{
	return campaign_form(fcinfo, SQL_BYTES);
}

PG_FUNCTION_INFO_V1(quorum_campaign_jsonb);
Datum
quorum_campaign_jsonb(PG_FUNCTION_ARGS)
{
	return campaign_form(fcinfo, SQL_JSONB);
}

/*
 * proclaim(name, value)
 *
 * Whether the session leads is decided here by what this member knows, and confirmed by the
 * transaction that writes: as long as the key is the same, no other can have come before it.
 */
static Datum
proclaim_form(FunctionCallInfo fcinfo, SqlForm value_form)
{
	QueuePlace	place;
	ProtobufCBinaryData prefix;
	ProtobufCBinaryData value;

	sql_require_writable("proclaim");
	prefix = queue_arg_prefix(fcinfo, 0);
	value = sql_arg_value(fcinfo, 1, value_form);
	if (!queue_find_own_place(prefix, &place))
		report_not_leader();
	place.token = queue_known_token(place.key);
	if (place.token == 0 || !queue_is_let_in(&place, &queue_election) ||
		!queue_set_value(&place, value))
		report_not_leader();
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(quorum_proclaim);
Datum
quorum_proclaim(PG_FUNCTION_ARGS)
{
	return proclaim_form(fcinfo, SQL_BYTES);
}

PG_FUNCTION_INFO_V1(quorum_proclaim_jsonb);
Datum
quorum_proclaim_jsonb(PG_FUNCTION_ARGS)
{
	return proclaim_form(fcinfo, SQL_JSONB);
}

/* leader(name) */
static Datum
leader_form(FunctionCallInfo fcinfo, SqlForm form)
{
	ProtobufCBinaryData prefix = queue_arg_prefix(fcinfo, 0);
	Relation	store = sql_begin_read(false);
	Mvccpb__KeyValue *kv = queue_first(store, prefix);

	sql_end_read(store);
	if (kv == NULL)
		PG_RETURN_NULL();
	return sql_kv_datum(fcinfo, kv, form);
}

PG_FUNCTION_INFO_V1(quorum_leader_text);
Datum
quorum_leader_text(PG_FUNCTION_ARGS)
{
	return leader_form(fcinfo, SQL_TEXT);
}

PG_FUNCTION_INFO_V1(quorum_leader_bytea);
Datum
quorum_leader_bytea(PG_FUNCTION_ARGS)
{
	return leader_form(fcinfo, SQL_BYTES);
}
