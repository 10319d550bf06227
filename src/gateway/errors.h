/*-------------------------------------------------------------------------
 *
 * errors.h
 *	  Refusals and failures in etcd's words: a gRPC code and a text.
 *
 * Clients tell errors apart by these texts, then by the codes, so both are exact.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/errors.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_GATEWAY_ERRORS_H
#define PGQ_GATEWAY_ERRORS_H

#include "gateway/call.h"
#include "member/calls.h"
#include "store/store.h"

typedef struct CallError
{
	GrpcCode	code;
	const char *text;			/* constant */
} CallError;

/* Errors of etcd's that are no refusal by the store */
extern const CallError error_no_leader;
extern const CallError error_timeout;
extern const CallError error_stopped;
extern const CallError error_learner;	/* a learner does not serve this */
extern const CallError error_not_capable;
extern const CallError error_too_many_requests;
extern const CallError error_too_large; /* of a request */
extern const CallError error_cancelled;

/* Why the store refuses; error is not STORE_OK */
extern const CallError *errors_of_store(StoreError error);

/* Why the member has no answer; outcome is not MEMBER_CALL_DONE */
extern const CallError *errors_of_outcome(MemberCallOutcome outcome);

/*
 * What a client is told of an ERROR that was raised for its call.  The text of PostgreSQL's
 * error is for the server's log alone.
 */
extern const CallError *errors_of_sqlstate(int sqlstate);

/* End a call with one of these.  Never raise */
extern void errors_finish(Call *call, StoreError error);
extern void errors_finish_outcome(Call *call, MemberCallOutcome outcome);

static inline void
errors_finish_with(Call *call, const CallError *error)
{
	call_finish(call, error->code, error->text);
}

#endif							/* PGQ_GATEWAY_ERRORS_H */
