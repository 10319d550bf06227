/*-------------------------------------------------------------------------
 *
 * semaphore.c
 *	  semaphore_acquire; to release is to unlock.
 *
 * The value of a key is the number of permits it takes.  Strictly first come,
 * first served: who asks for many is not overtaken by who asks for few.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/locks/semaphore.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "clock.h"
#include "locks/queue.h"
#include "member/member.h"

#include "compat.h"

#define MAX_CAPACITY			INT64CONST(1000000000)

static int64
positive_argument(FunctionCallInfo fcinfo, int argno, const char *name, int64 if_null)
{
	int64		value = PG_ARGISNULL(argno) ? if_null : PG_GETARG_INT64(argno);

	if (value <= 0 || value > MAX_CAPACITY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be between 1 and %lld", name, (long long) MAX_CAPACITY)));
	return value;
}

/* semaphore_acquire(name, capacity, permits, timeout), for text and bytea */
PG_FUNCTION_INFO_V1(quorum_semaphore_acquire);
Datum
quorum_semaphore_acquire(PG_FUNCTION_ARGS)
{
	QueueRule	rule = {.what = "semaphore"};
	QueuePlace	place;
	ProtobufCBinaryData prefix;
	ProtobufCBinaryData value;
	ClockTime	deadline;
	char		number[32];

	sql_require_writable("semaphore_acquire");
	prefix = queue_arg_prefix(fcinfo, 0);
	sql_require_argument(fcinfo, 1, "capacity");
	rule.capacity = positive_argument(fcinfo, 1, "capacity", 0);
	rule.permits = positive_argument(fcinfo, 2, "permits", 1);
	if (rule.permits > rule.capacity)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("permits must not be more than capacity")));
	deadline = queue_arg_deadline(fcinfo, 3);

	value.len = snprintf(number, sizeof(number), "%lld", (long long) rule.permits);
	value.data = (uint8_t *) number;
	queue_find_place(prefix, &place);
	queue_enter(&place, value, false);
	if (!place.entered && queue_permits(place.value) != rule.permits)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("session has acquired this semaphore with another number of permits"),
				 errdetail("It has %lld.", (long long) queue_permits(place.value)),
				 errhint("Call quorum.semaphore_release() first.")));
	queue_wait(&place, &rule, deadline);
	PG_RETURN_INT64(place.token);
}
