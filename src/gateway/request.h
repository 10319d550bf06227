/*-------------------------------------------------------------------------
 *
 * request.h
 *	  A call that asks the member for one thing at a time.
 *
 * The state of such a call begins with a Request.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/request.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_GATEWAY_REQUEST_H
#define PGQ_GATEWAY_REQUEST_H

#include "gateway/call.h"
#include "member/calls.h"

/* Sends the response to a command that succeeded; never raises */
typedef void (*ReplyToResult) (Call *call, Quorum__Result *result);

typedef struct Request
{
	MemberCall *pending;		/* NULL: nothing is asked */
	void		(*then) (Call *call);
	ReplyToResult reply;
	void		(*answered) (Call *call, const char *answer, uint32 len);
} Request;

/* Make the state of a call, zeroed; state_size is that of the service's struct */
extern void *request_new(Call *call, Size state_size);

/*
 * Go on in `then`, in a turn with the store open, when this member has applied all that
 * was committed by now.  Else the call ends.
 */
extern void request_barrier(Call *call, void (*then) (Call *call));

/*
 * Have a command carried out on behalf of the caller, who is named in it here; it has been checked but
 * for its size.  Any failure ends the call.  Makes the state of a call that has none.
 */
extern void request_execute(Call *call, Quorum__Command *command, ReplyToResult reply);

/*
 * The same for a change that only an administrator may make: it is checked here, and replied to with
 * nothing but a header.
 */
extern void request_change(Call *call, Quorum__Command *command);

/*
 * Ask the leader.  answered() must not raise; answer is NULL where this member was removed from the
 * cluster meanwhile, so that it is not known what came of it.  If there is no answer the call ends.
 */
extern void request_ask_leader(Call *call, QuestionKind kind, const char *question, uint32 len,
							   void (*answered) (Call *call, const char *answer, uint32 len));

/* Method.ended: forget what is asked */
extern void request_ended(Call *call);

/* Reply with a message of which only the header, its first field, is filled.  Never raises */
extern void request_reply_header(Call *call, int64 revision);

#endif							/* PGQ_GATEWAY_REQUEST_H */
