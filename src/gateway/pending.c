/*-------------------------------------------------------------------------
 *
 * pending.c
 *	  Calls that wait for the member: a command carried out for a caller.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/pending.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "gateway/caller.h"
#include "gateway/errors.h"
#include "gateway/kv.h"
#include "settings.h"

void *
pending_new(Call *call, Size size)
{
	Assert(size >= sizeof(Pending));
	call->state = MemoryContextAllocZero(call->context, size);
	return call->state;
}

void
pending_ended(Call *call)
{
	Pending    *pending = call->state;

	if (pending == NULL || pending->call == NULL)
		return;
	member_call_abandon(pending->call);
	pending->call = NULL;
}

/* MemberCallDone */
static void
command_done(MemberCallOutcome outcome, Quorum__Result *result,
			 const char *answer, uint32 answer_len, void *arg)
{
	Call	   *call = arg;
	PendingCommand *state = call->state;

	state->pending.call = NULL;
	if (outcome != MEMBER_CALL_DONE)
		errors_finish_outcome(call, outcome);
	else if (result->error != STORE_OK)
		errors_finish(call, (StoreError) result->error);
	else
		state->reply(call, result);
}

void
kv_execute_with(Call *call, PendingCommand *state, Quorum__Command *command,
				ReplyToResult reply)
{
	StoreError	error = caller_name_command(call, command);

	/* etcd's order: who it is, then how large */
	if (error == STORE_OK &&
		quorum__command__get_packed_size(command) > (size_t) setting_max_request_bytes)
		error = STORE_REQUEST_TOO_LARGE;
	if (error != STORE_OK)
	{
		errors_finish(call, error);
		return;
	}
	state->reply = reply;
	state->pending.call = member_call_execute(command, -1, command_done, call);
}

void
kv_execute(Call *call, Quorum__Command *command, ReplyToResult reply)
{
	kv_execute_with(call, pending_new(call, sizeof(PendingCommand)), command, reply);
}
