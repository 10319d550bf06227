/*-------------------------------------------------------------------------
 *
 * session_lease.c
 *	  The SQL functions of a session's own lease.
 *
 * The lease is the session's, not the transaction's: ROLLBACK does not end it.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/sql/session_lease.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "datatype/timestamp.h"
#include "utils/timestamp.h"

#include "member/member.h"
#include "sql.h"

#define DEFAULT_TTL				10	/* s */

/*
 * Seconds of an interval, rounded up, since a lease must not be shorter than was asked
 * for.
 */
static int64
ttl_argument(FunctionCallInfo fcinfo, int argno)
{
	Interval   *interval;
	double		seconds;

	if (PG_ARGISNULL(argno))
		return DEFAULT_TTL;
	interval = PG_GETARG_INTERVAL_P(argno);
	seconds = ceil(interval->time / (double) USECS_PER_SEC) +
		(interval->day + interval->month * (double) DAYS_PER_MONTH) * SECS_PER_DAY;
	if (seconds <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time to live of a lease must be positive")));
	return (int64) Min(seconds, 1e15);
}

/* session_lease(ttl): the id of the session's lease, granted if there is none */
PG_FUNCTION_INFO_V1(quorum_session_lease);
Datum
quorum_session_lease(PG_FUNCTION_ARGS)
{
	sql_require_writable("session_lease");
	sql_require_user();
	PG_RETURN_INT64(member_session_lease(ttl_argument(fcinfo, 0)));
}

/* end_session_lease(): was there one? */
PG_FUNCTION_INFO_V1(quorum_end_session_lease);
Datum
quorum_end_session_lease(PG_FUNCTION_ARGS)
{
	sql_require_writable("end_session_lease");
	PG_RETURN_BOOL(member_end_session_lease());
}
