/*-------------------------------------------------------------------------
 *
 * election.c
 *	  The service Election: Campaign, Proclaim, Resign, Leader.
 *
 * Observe is in observe.c.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/election.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "gateway/contend.h"
#include "gateway/header.h"
#include "gateway/observe.h"
#include "store/store.h"

#include "v3electionpb.pb-c.h"

#define TEXT_NO_LEADER_FIELD	"\"leader\" field must be provided"
#define TEXT_NOT_LEADER			"election: not leader"
#define TEXT_NO_LEADER			"election: no leader"

/* ----------------------------------------------------------------
 *	Campaign
 * ----------------------------------------------------------------
 */

/* Contest.won */
static void
reply_elected(Call *call, const Place *place, int64 revision)
{
	V3electionpb__CampaignResponse response = V3ELECTIONPB__CAMPAIGN_RESPONSE__INIT;
	V3electionpb__LeaderKey leader = V3ELECTIONPB__LEADER_KEY__INIT;
	Etcdserverpb__ResponseHeader header;

	header_fill(&header, revision);
	leader.name = place->name;
	leader.key = place->key;
	leader.rev = place->token;
	leader.lease = place->lease;
	response.header = &header;
	response.leader = &leader;
	call_reply(call, &response.base);
}

static const Contest election_contest = {
	.lost = TEXT_NOT_LEADER,
	.sets_value = true,
	.won = reply_elected
};

static void
campaign_message(Call *call, const ProtobufCMessage *message)
{
	const V3electionpb__CampaignRequest *request = (const V3electionpb__CampaignRequest *) message;

	contend(call, &election_contest, request->name, request->lease, request->value);
}

/* ----------------------------------------------------------------
 *	Proclaim, Resign
 * ----------------------------------------------------------------
 */

/* Both answers are a header alone */
static void
reply_header(Call *call, int64 revision)
{
	V3electionpb__ProclaimResponse proclaimed = V3ELECTIONPB__PROCLAIM_RESPONSE__INIT;
	V3electionpb__ResignResponse resigned = V3ELECTIONPB__RESIGN_RESPONSE__INIT;
	Etcdserverpb__ResponseHeader header;

	header_fill(&header, revision);
	proclaimed.header = resigned.header = &header;
	if (call->method->response == &v3electionpb__proclaim_response__descriptor)
		call_reply(call, &proclaimed.base);
	else
		call_reply(call, &resigned.base);
}

/* MemberCallDone: who is not the leader may resign, but not proclaim */
static void
changed(MemberCallOutcome outcome, Quorum__Result *result,
		const char *answer, uint32 answer_len, void *arg)
{
	Call	   *call = arg;

	call->state = NULL;
	if (outcome != MEMBER_CALL_DONE)
		contend_fail_outcome(call, outcome);
	else if (result->error != STORE_OK)
		contend_fail_store(call, result->error);
	else if (!result->txn->succeeded &&
			 call->method->response == &v3electionpb__proclaim_response__descriptor)
		contend_fail(call, TEXT_NOT_LEADER);
	else
		reply_header(call, result->revision);
}

static void
execute_change(Call *call, OwnedTxn *txn)
{
	if (contend_name_command(call, &txn->command))
		call->state = member_call_execute(&txn->command, -1, changed, call);
}

static void
proclaim_message(Call *call, const ProtobufCMessage *message)
{
	const V3electionpb__ProclaimRequest *request = (const V3electionpb__ProclaimRequest *) message;
	OwnedTxn	txn;

	if (request->leader == NULL)
	{
		contend_fail(call, TEXT_NO_LEADER_FIELD);
		return;
	}
	owned_txn_put(&txn, request->leader->key, request->leader->rev, request->value,
				  request->leader->lease);
	execute_change(call, &txn);
}

static void
resign_message(Call *call, const ProtobufCMessage *message)
{
	const V3electionpb__ResignRequest *request = (const V3electionpb__ResignRequest *) message;
	OwnedTxn	txn;

	if (request->leader == NULL)
	{
		contend_fail(call, TEXT_NO_LEADER_FIELD);
		return;
	}
	owned_txn_delete(&txn, request->leader->key, ETCDSERVERPB__COMPARE__COMPARE_RESULT__EQUAL,
					 request->leader->rev);
	execute_change(call, &txn);
}

/* ----------------------------------------------------------------
 *	Leader
 * ----------------------------------------------------------------
 */

/* call_run_later() */
static void
reply_leader(Call *call, void *arg)
{
	V3electionpb__LeaderResponse response = V3ELECTIONPB__LEADER_RESPONSE__INIT;
	Etcdserverpb__ResponseHeader header;
	ProtobufCBinaryData prefix = *(ProtobufCBinaryData *) arg;
	int64		revision;

	if (!observe_is_permitted(call, prefix))
		return;
	response.kv = contend_first(call_store(), prefix, &revision);
	if (response.kv == NULL)
	{
		contend_fail(call, TEXT_NO_LEADER);
		return;
	}
	header_fill(&header, revision);
	response.header = &header;
	call_reply(call, &response.base);
}

typedef struct LeaderCall
{
	MemberCall *pending;
	ProtobufCBinaryData prefix;
} LeaderCall;

/* MemberCallDone */
static void
leader_barrier_passed(MemberCallOutcome outcome, Quorum__Result *result,
					  const char *answer, uint32 answer_len, void *arg)
{
	Call	   *call = arg;
	LeaderCall *state = call->state;

	state->pending = NULL;
	if (outcome != MEMBER_CALL_DONE)
		contend_fail_outcome(call, outcome);
	else
		call_run_later(call, reply_leader, &state->prefix);
}

static void
leader_message(Call *call, const ProtobufCMessage *message)
{
	const V3electionpb__LeaderRequest *request = (const V3electionpb__LeaderRequest *) message;
	MemoryContext old;
	LeaderCall *state;

	old = MemoryContextSwitchTo(call->context);
	state = palloc0(sizeof(LeaderCall));
	state->prefix = contend_prefix(request->name);
	MemoryContextSwitchTo(old);
	call->state = state;
	state->pending = member_call_read(-1, leader_barrier_passed, call);
}

static void
leader_ended(Call *call)
{
	LeaderCall *state = call->state;

	if (state != NULL && state->pending != NULL)
		member_call_abandon(state->pending);
}

static void
change_ended(Call *call)
{
	if (call->state != NULL)
		member_call_abandon(call->state);
	call->state = NULL;
}

const Method election_methods[] = {
	{
		.path = "/v3electionpb.Election/Campaign",
		.json_paths = {"/election/campaign"},
		.request = &v3electionpb__campaign_request__descriptor,
		.response = &v3electionpb__campaign_response__descriptor,
		.message = campaign_message,
		.ended = contend_ended
	},
	{
		.path = "/v3electionpb.Election/Proclaim",
		.json_paths = {"/election/proclaim"},
		.request = &v3electionpb__proclaim_request__descriptor,
		.response = &v3electionpb__proclaim_response__descriptor,
		.message = proclaim_message,
		.ended = change_ended
	},
	{
		.path = "/v3electionpb.Election/Leader",
		.json_paths = {"/election/leader"},
		.request = &v3electionpb__leader_request__descriptor,
		.response = &v3electionpb__leader_response__descriptor,
		.message = leader_message,
		.ended = leader_ended
	},
	{
		.path = "/v3electionpb.Election/Observe",
		.json_paths = {"/election/observe"},
		.request = &v3electionpb__leader_request__descriptor,
		.response = &v3electionpb__leader_response__descriptor,
		.server_streams = true,
		.message = observe_message,
		.drained = observe_drained,
		.ended = observe_ended
	},
	{
		.path = "/v3electionpb.Election/Resign",
		.json_paths = {"/election/resign"},
		.request = &v3electionpb__resign_request__descriptor,
		.response = &v3electionpb__resign_response__descriptor,
		.message = resign_message,
		.ended = change_ended
	},
	{NULL}
};
