/*-------------------------------------------------------------------------
 *
 * request.c
 *	  A call that asks the member for one thing at a time.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/request.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "gateway/caller.h"
#include "gateway/errors.h"
#include "gateway/header.h"
#include "gateway/request.h"
#include "settings.h"
#include "store/store.h"

/* Messages that are a header and little else are made on the stack */
#define SMALL_MESSAGE_BYTES		256

void *
request_new(Call *call, Size state_size)
{
	Assert(state_size >= sizeof(Request));
	call->state = MemoryContextAllocZero(call->context, state_size);
	return call->state;
}

static Request *
request_of(Call *call)
{
	return (Request *) call->state;
}

void
request_reply_header(Call *call, int64 revision)
{
	const ProtobufCMessageDescriptor *descriptor = call->method->response;
	union
	{
		ProtobufCMessage base;
		char		bytes[SMALL_MESSAGE_BYTES];
	}			message;
	Etcdserverpb__ResponseHeader header;

	Assert(descriptor->sizeof_message <= sizeof(message) &&
		   descriptor->fields[0].descriptor == &etcdserverpb__response_header__descriptor);
	protobuf_c_message_init(descriptor, &message);
	header_fill(&header, revision);
	*(Etcdserverpb__ResponseHeader **) (message.bytes + descriptor->fields[0].offset) = &header;
	call_reply(call, &message.base);
}

/* ----------------------------------------------------------------
 *	Barriers
 * ----------------------------------------------------------------
 */

static void
go_on(Call *call, void *arg)
{
	request_of(call)->then(call);
}

/* MemberCallDone */
static void
barrier_passed(MemberCallOutcome outcome, Quorum__Result *result,
			   const char *answer, uint32 answer_len, void *arg)
{
	Call	   *call = arg;

	request_of(call)->pending = NULL;
	if (outcome == MEMBER_CALL_DONE)
		call_run_later(call, go_on, NULL);
	else
		errors_finish_outcome(call, outcome);
}

void
request_barrier(Call *call, void (*then) (Call *call))
{
	Request    *request = request_of(call);

	Assert(request->pending == NULL);
	request->then = then;
	request->pending = member_call_read(-1, barrier_passed, call);
}

/* ----------------------------------------------------------------
 *	Commands
 * ----------------------------------------------------------------
 */

/* ReplyToResult */
static void
reply_header_of(Call *call, Quorum__Result *result)
{
	request_reply_header(call, result->revision);
}

/* MemberCallDone */
static void
executed(MemberCallOutcome outcome, Quorum__Result *result,
		 const char *answer, uint32 answer_len, void *arg)
{
	Call	   *call = arg;

	request_of(call)->pending = NULL;
	if (outcome != MEMBER_CALL_DONE)
		errors_finish_outcome(call, outcome);
	else if (result->error != STORE_OK)
		errors_finish(call, (StoreError) result->error);
	else
		request_of(call)->reply(call, result);
}

/*
 * Propose a command that has been checked and names its caller.
 */
static void
propose(Call *call, Quorum__Command *command, ReplyToResult reply)
{
	if (call->state == NULL)
		(void) request_new(call, sizeof(Request));
	Assert(request_of(call)->pending == NULL);
	request_of(call)->reply = reply;
	request_of(call)->pending = member_call_execute(command, -1, executed, call);
}

void
request_execute(Call *call, Quorum__Command *command, ReplyToResult reply)
{
	StoreError	error = caller_name_command(call, command);

	/* etcd's order: who it is, then how large */
	if (error == STORE_OK &&
		quorum__command__get_packed_size(command) > (size_t) setting_max_request_bytes)
		error = STORE_REQUEST_TOO_LARGE;
	if (error != STORE_OK)
		errors_finish(call, error);
	else
		propose(call, command, reply);
}

void
request_change(Call *call, Quorum__Command *command)
{
	StoreError	error = caller_name_command(call, command);

	if (error == STORE_OK)
	{
		error = store_validate(command, setting_max_request_bytes, setting_max_txn_ops);
		if (error != STORE_OK)
		{
			/* who may not ask is not told what was wrong with the question */
			StoreError	refusal = caller_require_admin(call);

			error = refusal != STORE_OK ? refusal : error;
		}
	}
	if (error != STORE_OK)
		errors_finish(call, error);
	else
		propose(call, command, reply_header_of);
}

/* ----------------------------------------------------------------
 *	Questions
 * ----------------------------------------------------------------
 */

static bool
was_removed(void)
{
	MemberStatus status;

	member_get_status(&status);
	return status.role == MEMBER_QUARANTINED &&
		strcmp(status.reason, MEMBER_REASON_REMOVED) == 0;
}

/* MemberCallDone */
static void
leader_answered(MemberCallOutcome outcome, Quorum__Result *result,
				const char *answer, uint32 answer_len, void *arg)
{
	Call	   *call = arg;

	request_of(call)->pending = NULL;
	if (outcome == MEMBER_CALL_DONE)
		request_of(call)->answered(call, answer, answer_len);
	else if (outcome == MEMBER_CALL_UNKNOWN && was_removed())
		request_of(call)->answered(call, NULL, 0);
	else
		errors_finish_outcome(call, outcome);
}

void
request_ask_leader(Call *call, QuestionKind kind, const char *question, uint32 len,
				   void (*answered) (Call *call, const char *answer, uint32 len))
{
	Request    *request = request_of(call);

	Assert(request->pending == NULL);
	request->answered = answered;
	request->pending = member_call_ask_leader(kind, question, len, -1, leader_answered, call);
}

void
request_ended(Call *call)
{
	Request    *request = request_of(call);

	if (request != NULL && request->pending != NULL)
	{
		member_call_abandon(request->pending);
		request->pending = NULL;
	}
}
