/*-------------------------------------------------------------------------
 *
 * lock.c
 *	  The service Lock.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/lock.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "gateway/contend.h"
#include "gateway/header.h"
#include "store/store.h"

#include "v3lockpb.pb-c.h"

/* Contest.won */
static void
reply_locked(Call *call, const Place *place, int64 revision)
{
	V3lockpb__LockResponse response = V3LOCKPB__LOCK_RESPONSE__INIT;
	Etcdserverpb__ResponseHeader header;

	header_fill(&header, revision);
	response.header = &header;
	response.key = place->key;
	call_reply(call, &response.base);
}

static const Contest lock_contest = {
	.lost = "mutex: session is expired",
	.won = reply_locked
};

static void
lock_message(Call *call, const ProtobufCMessage *message)
{
	const V3lockpb__LockRequest *request = (const V3lockpb__LockRequest *) message;
	ProtobufCBinaryData no_value = {0, NULL};

	contend(call, &lock_contest, request->name, request->lease, no_value);
}

/* MemberCallDone */
static void
unlocked(MemberCallOutcome outcome, Quorum__Result *result,
		 const char *answer, uint32 answer_len, void *arg)
{
	Call	   *call = arg;
	V3lockpb__UnlockResponse response = V3LOCKPB__UNLOCK_RESPONSE__INIT;
	Etcdserverpb__ResponseHeader header;

	call->state = NULL;
	if (outcome != MEMBER_CALL_DONE)
		contend_fail_outcome(call, outcome);
	else if (result->error != STORE_OK)
		contend_fail_store(call, result->error);
	else
	{
		header_fill(&header, result->revision);
		response.header = &header;
		call_reply(call, &response.base);
	}
}

static void
unlock_message(Call *call, const ProtobufCMessage *message)
{
	const V3lockpb__UnlockRequest *request = (const V3lockpb__UnlockRequest *) message;
	Quorum__Command command = QUORUM__COMMAND__INIT;
	Etcdserverpb__DeleteRangeRequest deletion = ETCDSERVERPB__DELETE_RANGE_REQUEST__INIT;

	deletion.key = request->key;
	command.op_case = QUORUM__COMMAND__OP_DELETE_RANGE;
	command.delete_range = &deletion;
	if (contend_name_command(call, &command))
		call->state = member_call_execute(&command, -1, unlocked, call);
}

static void
unlock_ended(Call *call)
{
	if (call->state != NULL)
		member_call_abandon(call->state);
	call->state = NULL;
}

const Method lock_methods[] = {
	{
		.path = "/v3lockpb.Lock/Lock",
		.json_paths = {"/lock/lock"},
		.request = &v3lockpb__lock_request__descriptor,
		.response = &v3lockpb__lock_response__descriptor,
		.message = lock_message,
		.ended = contend_ended
	},
	{
		.path = "/v3lockpb.Lock/Unlock",
		.json_paths = {"/lock/unlock"},
		.request = &v3lockpb__unlock_request__descriptor,
		.response = &v3lockpb__unlock_response__descriptor,
		.message = unlock_message,
		.ended = unlock_ended
	},
	{NULL}
};
