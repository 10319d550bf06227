/*-------------------------------------------------------------------------
 *
 * calls.h
 *	  Requests to the member by a process that has many of them under way.
 *
 * A client backend has one request at a time and waits for it (client.c).  The gateway
 * has one process for all its clients: it begins calls, and hears of each when it is answered.
 * Refusals of the machinery are results here, not errors.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/calls.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_MEMBER_CALLS_H
#define PGQ_MEMBER_CALLS_H

#include "member.h"

typedef enum MemberCallOutcome
{
	MEMBER_CALL_DONE,			/* answered; for a command see result->error too */
	MEMBER_CALL_NO_LEADER,		/* in time no leader or no quorum; certainly not done */
	MEMBER_CALL_UNKNOWN,		/* timeout or loss after it was proposed */
	MEMBER_CALL_TOO_BIG,		/* larger than the limits */
	MEMBER_CALL_NO_SPACE,		/* the quota or the disk reserve of this member */
	MEMBER_CALL_OVERLOADED,		/* too much waits already, or shared memory is used up; not done */
	MEMBER_CALL_UNSUPPORTED,	/* the leader does not know such questions */
	MEMBER_CALL_STATE			/* quarantined, removed, joining, no extension, not running; not done */
} MemberCallOutcome;

typedef struct MemberCall MemberCall;

/*
 * A call is answered, in member_calls_run(); the current memory context is reset when
 * the function returns.  result: of a command that is DONE; answer: of a question.  Both
 * live in that context.  May begin and abandon other calls; the answered one is gone.  Must not raise.
 */
typedef void (*MemberCallDone) (MemberCallOutcome outcome, Quorum__Result *result,
								const char *answer, uint32 answer_len, void *arg);

/* Once in a process, before anything else: take over the slots of the process that was the
 * gateway before.  ERROR 55000 where there are none */
extern void member_calls_attach(void);

/*
 * Begin.  The command is packed at once.  Beyond the number of slots, calls wait in
 * this process in the order they came, and their time runs.  timeout_ms < 0: pg_quorum.request_timeout.
 * Never answered before member_calls_run().
 */
extern MemberCall *member_call_execute(Quorum__Command *command, int timeout_ms,
									   MemberCallDone done, void *arg);
/* a linearizable barrier; all that begin between two rounds share one */
extern MemberCall *member_call_read(int timeout_ms, MemberCallDone done, void *arg);
extern MemberCall *member_call_ask_leader(QuestionKind kind, const char *question, uint32 len,
										  int timeout_ms, MemberCallDone done, void *arg);

/*
 * Wake the worker for all that has begun since the last time.  Once a turn, when nothing
 * more is going to begin; member_calls_wait() does it too.
 */
extern void member_calls_send(void);

/* Nobody wants the answer any more; done is not called.  The command may be carried out all the same */
extern void member_call_abandon(MemberCall *call);

/* Hear of what was answered, and of what has run out of time.  After each wake-up by the latch,
 * and when member_calls_wait() is over */
extern void member_calls_run(void);

/* How long at most until member_calls_run() has something to do without being woken, in ms; -1: for ever */
extern long member_calls_wait(void);

/* How many had no answer, for want of a leader or of time */
typedef struct MemberCallFailures
{
	uint64		commands;
	uint64		reads;
} MemberCallFailures;

extern MemberCallFailures member_call_failures;

#endif							/* PGQ_MEMBER_CALLS_H */
