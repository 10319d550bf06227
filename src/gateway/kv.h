/*-------------------------------------------------------------------------
 *
 * kv.h
 *	  What the files of the KV and the Lease service share.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/kv.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_GATEWAY_KV_H
#define PGQ_GATEWAY_KV_H

#include "gateway/call.h"
#include "member/calls.h"

/*
 * The state of a call begins with what it waits for from the member.  pending_new() makes such a state,
 * zeroed; pending_ended() is Method.ended of those that hold nothing else.
 */
typedef struct Pending
{
	MemberCall *call;			/* NULL: nothing */
} Pending;

extern void *pending_new(Call *call, Size size);
extern void pending_ended(Call *call);

/* Sends the response to a command that succeeded; never raises */
typedef void (*ReplyToResult) (Call *call, Quorum__Result *result);

/* The state of a call that waits for a command */
typedef struct PendingCommand
{
	Pending		pending;
	ReplyToResult reply;
} PendingCommand;

/*
 * Have a command carried out for the caller of a call, which is named here; the
 * command has been checked but for its size.  Any failure ends the call.  The second form is for
 * calls whose state has more in it.
 */
extern void kv_execute(Call *call, Quorum__Command *command, ReplyToResult reply);
extern void kv_execute_with(Call *call, PendingCommand *state, Quorum__Command *command,
							ReplyToResult reply);

/* range.c */
extern void range_message(Call *call, const ProtobufCMessage *message);
extern void range_stream_message(Call *call, const ProtobufCMessage *message);
extern void range_stream_drained(Call *call);
extern void range_ended(Call *call);

#endif							/* PGQ_GATEWAY_KV_H */
