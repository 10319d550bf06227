/*-------------------------------------------------------------------------
 *
 * lease.c
 *	  The Lease service: granting, revoking, time to live.
 *
 * Grants and revocations are commands.  How long a lease has still to live is
 * known to the leader alone, who is asked.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/lease.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "gateway/caller.h"
#include "gateway/header.h"
#include "gateway/lease.h"
#include "gateway/request.h"
#include "member/lease_wire.h"
#include "settings.h"

/*
 * Without a leader etcd says so where leases are concerned; everywhere else it says that
 * the request has timed out.
 */
const CallError *
lease_error(MemberCallOutcome outcome)
{
	/* DONE: with an answer that makes no sense */
	if (outcome == MEMBER_CALL_DONE)
		return errors_of_sqlstate(ERRCODE_PROTOCOL_VIOLATION);
	if (outcome == MEMBER_CALL_NO_LEADER)
		return &error_no_leader;
	return errors_of_outcome(outcome);
}

/* ----------------------------------------------------------------
 *	LeaseGrant, LeaseRevoke
 * ----------------------------------------------------------------
 */

static void
reply_grant(Call *call, Quorum__Result *result)
{
	header_complete(result->lease_grant->header);
	call_reply(call, &result->lease_grant->base);
}

static void
grant_message(Call *call, const ProtobufCMessage *message)
{
	Etcdserverpb__LeaseGrantRequest grant = *(const Etcdserverpb__LeaseGrantRequest *) message;
	Quorum__Command command = QUORUM__COMMAND__INIT;
	StoreError	error;

	/* random among so many that it is nobody's */
	while (grant.id == 0)
	{
		if (!pg_strong_random(&grant.id, sizeof(grant.id)))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not generate a random lease id")));
		grant.id &= PG_INT64_MAX;
	}
	grant.ttl = Max(grant.ttl, member_min_lease_ttl());
	command.op_case = QUORUM__COMMAND__OP_LEASE_GRANT;
	command.lease_grant = &grant;
	error = caller_require_user(call);
	if (error == STORE_OK)
		error = store_validate(&command, 0, 0);
	if (error != STORE_OK)
		errors_finish(call, error);
	else
		request_execute(call, &command, reply_grant);
}

static void
reply_revoke(Call *call, Quorum__Result *result)
{
	Etcdserverpb__LeaseRevokeResponse response = ETCDSERVERPB__LEASE_REVOKE_RESPONSE__INIT;
	Etcdserverpb__ResponseHeader header;

	header_fill(&header, result->revision);
	response.header = &header;
	call_reply(call, &response.base);
}

static void
revoke_message(Call *call, const ProtobufCMessage *message)
{
	Quorum__Command command = QUORUM__COMMAND__INIT;

	command.op_case = QUORUM__COMMAND__OP_LEASE_REVOKE;
	command.lease_revoke = (Etcdserverpb__LeaseRevokeRequest *) message;
	request_execute(call, &command, reply_revoke);
}

/* ----------------------------------------------------------------
 *	LeaseTimeToLive
 * ----------------------------------------------------------------
 */

typedef struct TimeToLive
{
	Request		request;
	int64		id;
	MemoryContext context;
	ProtobufCBinaryData *keys;
	size_t		nkeys;
	size_t		max_keys;
} TimeToLive;

/* MemberCallDone: the last step */
static void
reply_time_to_live(MemberCallOutcome outcome, Quorum__Result *result,
				   const char *answer, uint32 len, void *arg)
{
	Call	   *call = arg;
	TimeToLive *ttl = call->state;
	Etcdserverpb__LeaseTimeToLiveResponse response = ETCDSERVERPB__LEASE_TIME_TO_LIVE_RESPONSE__INIT;
	Etcdserverpb__ResponseHeader header;
	int64		remaining_ms;

	ttl->request.pending = NULL;
	if (outcome != MEMBER_CALL_DONE || len != 2 * sizeof(int64))
	{
		errors_finish_with(call, lease_error(outcome));
		return;
	}
	header_fill(&header, header_revision());
	response.header = &header;
	response.id = ttl->id;
	remaining_ms = lease_get_word(answer, 0);
	if (remaining_ms < 0)
		response.ttl = -1;		/* there is no such lease */
	else
	{
		response.ttl = remaining_ms / 1000;
		response.grantedttl = lease_get_word(answer, 1);
		response.keys = ttl->keys;
		response.n_keys = ttl->nkeys;
	}
	call_reply(call, &response.base);
}

static void
ask_time_to_live(Call *call)
{
	TimeToLive *ttl = call->state;
	char		question[sizeof(int64)];

	lease_put_word(question, 0, ttl->id);
	ttl->request.pending = member_call_ask_leader(QUESTION_LEASE_TTL, question, sizeof(question),
												  -1, reply_time_to_live, call);
}

/* StoreKeyVisit */
static bool
add_key(const char *key, uint32 key_len, void *arg)
{
	TimeToLive *ttl = arg;
	ProtobufCBinaryData *copy;

	if (ttl->nkeys == ttl->max_keys)
	{
		ttl->max_keys = Max(ttl->max_keys * 2, 16);
		ttl->keys = ttl->keys == NULL ?
			MemoryContextAlloc(ttl->context, ttl->max_keys * sizeof(*ttl->keys)) :
			repalloc_huge(ttl->keys, ttl->max_keys * sizeof(*ttl->keys));
	}
	copy = &ttl->keys[ttl->nkeys++];
	copy->len = key_len;
	copy->data = memcpy(MemoryContextAlloc(ttl->context, key_len + 1), key, key_len);
	return true;
}

/*
 * The keys, of a state that has all that was committed when the call came; whoever asks must be
 * allowed to read them.
 */
static void
collect_keys(Call *call, void *arg)
{
	TimeToLive *ttl = call->state;
	StoreCaller caller;
	StoreError	error = caller_of_call(call, &caller);

	if (error == STORE_OK)
		error = store_lease_keys(call_store(), &caller, ttl->id, add_key, ttl);
	if (error != STORE_OK)
		errors_finish(call, error);
	else
		ask_time_to_live(call);
}

/* MemberCallDone */
static void
keys_barrier_passed(MemberCallOutcome outcome, Quorum__Result *result,
					const char *answer, uint32 len, void *arg)
{
	Call	   *call = arg;
	TimeToLive *ttl = call->state;

	ttl->request.pending = NULL;
	if (outcome == MEMBER_CALL_DONE)
		call_run_later(call, collect_keys, NULL);
	else
		errors_finish_with(call, lease_error(outcome));
}

static void
time_to_live_message(Call *call, const ProtobufCMessage *message)
{
	const Etcdserverpb__LeaseTimeToLiveRequest *request =
	(const Etcdserverpb__LeaseTimeToLiveRequest *) message;
	StoreError	error = caller_require_user(call);
	TimeToLive *ttl;

	if (error != STORE_OK)
	{
		errors_finish(call, error);
		return;
	}
	ttl = request_new(call, sizeof(TimeToLive));
	ttl->id = request->id;
	ttl->context = call->context;
	if (request->keys)
		ttl->request.pending = member_call_read(-1, keys_barrier_passed, call);
	else
		ask_time_to_live(call);
}

const Method lease_methods[] = {
	{
		.path = "/etcdserverpb.Lease/LeaseGrant",
		.json_paths = {"/lease/grant"},
		.request = &etcdserverpb__lease_grant_request__descriptor,
		.response = &etcdserverpb__lease_grant_response__descriptor,
		.message = grant_message,
		.ended = request_ended,
	},
	{
		.path = "/etcdserverpb.Lease/LeaseRevoke",
		.json_paths = {"/lease/revoke", "/kv/lease/revoke"},
		.request = &etcdserverpb__lease_revoke_request__descriptor,
		.response = &etcdserverpb__lease_revoke_response__descriptor,
		.message = revoke_message,
		.ended = request_ended,
	},
	{
		.path = "/etcdserverpb.Lease/LeaseKeepAlive",
		.json_paths = {"/lease/keepalive"},
		.request = &etcdserverpb__lease_keep_alive_request__descriptor,
		.response = &etcdserverpb__lease_keep_alive_response__descriptor,
		.client_streams = true,
		.server_streams = true,
		.message = keepalive_message,
		.half_closed = keepalive_half_closed,
		.ended = keepalive_ended,
	},
	{
		.path = "/etcdserverpb.Lease/LeaseTimeToLive",
		.json_paths = {"/lease/timetolive", "/kv/lease/timetolive"},
		.request = &etcdserverpb__lease_time_to_live_request__descriptor,
		.response = &etcdserverpb__lease_time_to_live_response__descriptor,
		.message = time_to_live_message,
		.ended = request_ended,
	},
	{
		.path = "/etcdserverpb.Lease/LeaseLeases",
		.json_paths = {"/lease/leases", "/kv/lease/leases"},
		.request = &etcdserverpb__lease_leases_request__descriptor,
		.response = &etcdserverpb__lease_leases_response__descriptor,
		.message = lease_list_message,
		.ended = request_ended,
	},
	{NULL}
};
