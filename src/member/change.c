/*-------------------------------------------------------------------------
 *
 * change.c
 *	  Asking the leader to change the membership (any backend).
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/change.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/wait_event.h"

#include "../clock.h"
#include "../settings.h"
#include "../store/pbmem.h"
#include "member.h"
#include "../compat.h"

/* How often a session looks at the member's state while it waits for a change of it. */
#define STATE_POLL_MS			5

/*
 * member_change_pack() -- see member.h.
 */
char *
member_change_pack(Quorum__MemberRequest *request, uint32 *len)
{
	char	   *packed;

	/*
	 * It may become an id that people type: positive as a bigint, and of 16 digits in
	 * hexadecimal however it is printed.
	 */
	do
	{
		if (!pg_strong_random(&request->number, sizeof(request->number)))
			elog(ERROR, "could not generate a random number");
		request->number >>= 1;
	} while ((request->number >> 60) == 0);

	*len = quorum__member_request__get_packed_size(request);
	packed = palloc(*len);
	quorum__member_request__pack(request, (uint8_t *) packed);
	return packed;
}

/*
 * member_change_unpack() -- see member.h.
 */
Quorum__Result *
member_change_unpack(const char *answer, uint32 len)
{
	return (Quorum__Result *) pb_unpack(&quorum__result__descriptor, answer, len);
}

/*
 * Put a request to the leader; NULL if this member was removed meanwhile.
 */
static Quorum__Result *
ask(QuestionKind kind, Quorum__MemberRequest *request)
{
	char	   *packed;
	char	   *answer;
	uint32		size;
	uint32		len = 0;
	Quorum__Result *result;

	if (XactReadOnly)
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("cannot change the cluster in a read-only transaction")));

	packed = member_change_pack(request, &size);
	answer = member_ask_leader(kind, packed, size, -1, &len);
	pfree(packed);
	if (answer == NULL)
		return NULL;
	result = member_change_unpack(answer, len);
	if (result == NULL)
		elog(ERROR, "could not decode the answer of the leader");
	return result;
}

/*
 * The leader has applied the change.  Wait for this member to do so, so that who asked
 * sees it here; but if that takes long, the change is made for all that.
 */
static void
wait_until_applied(uint64 index)
{
	static uint32 wait_event = 0;
	ClockTime	deadline = clock_plus_ms(clock_now(), setting_request_timeout);

	for (;;)
	{
		MemberStatus status;

		member_get_status(&status);
		if (status.applied_index >= index || status.role == MEMBER_QUARANTINED ||
			clock_now() >= deadline)
			return;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 STATE_POLL_MS, pgq_wait_event(&wait_event, "QuorumApplied"));
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/*
 * member_change() -- see member.h.
 */
Quorum__Result *
member_change(Quorum__MemberRequest *request)
{
	Quorum__Result *result;
	MemberStatus status;

	member_get_status(&status);
	result = ask(QUESTION_MEMBER_CHANGE, request);
	if (result != NULL)
	{
		if (result->error == 0)
			wait_until_applied(result->index);
		return result;
	}
	if (request->kind != QUORUM__MEMBER_REQUEST__KIND__REMOVE ||
		!(request->id == status.member_id ||
		  (request->id == 0 &&
		   (strcmp(request->name, status.name) == 0 ||
			strcmp(request->name, psprintf("%016llx", (unsigned long long) status.member_id)) == 0))))
		ereport(ERROR,
				(errcode(ERRCODE_TRANSACTION_RESOLUTION_UNKNOWN),
				 errmsg("outcome of the request is unknown"),
				 errdetail("This member was removed from the cluster while the request was under way.")));
	result = palloc(sizeof(*result));
	quorum__result__init(result);
	result->response_case = QUORUM__RESULT__RESPONSE_NUMBER;
	result->number = (int64) status.member_id;
	return result;
}

/*
 * member_move_leader() -- see member.h.
 *
 * The core gives a transfer up after an election timeout, so there is no use in
 * waiting much longer than that.
 */
Quorum__Result *
member_move_leader(Quorum__MemberRequest *request)
{
	static uint32 wait_event = 0;
	Quorum__Result *result;
	ClockTime	deadline;

	result = ask(QUESTION_MOVE_LEADER, request);
	if (result == NULL || result->error != 0)
		return result;

	deadline = clock_plus_ms(clock_now(), Max(3 * setting_election_timeout, 2000));
	for (;;)
	{
		MemberStatus status;

		member_get_status(&status);
		if (status.leader_id == (uint64) result->number)
			return result;
		if (clock_now() >= deadline)
			ereport(ERROR,
					(errcode(ERRCODE_TRANSACTION_RESOLUTION_UNKNOWN),
					 errmsg("leadership has not been handed over yet"),
					 errdetail("The member did not win an election in time.  It may still do so.")));
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 STATE_POLL_MS, pgq_wait_event(&wait_event, "QuorumLeader"));
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}
