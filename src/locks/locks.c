/*-------------------------------------------------------------------------
 *
 * locks.c
 *	  lock, try_lock, unlock; assert_token.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/locks/locks.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "clock.h"
#include "locks/queue.h"
#include "member/member.h"

#include "compat.h"

/* As etcd's clients, a lock puts no value */
static const ProtobufCBinaryData no_value = {0, NULL};

/* lock(name, timeout), for text and bytea */
PG_FUNCTION_INFO_V1(quorum_lock);
Datum
quorum_lock(PG_FUNCTION_ARGS)
{
	QueuePlace	place;
	ProtobufCBinaryData prefix;
	ClockTime	deadline;

	sql_require_writable("lock");
	prefix = queue_arg_prefix(fcinfo, 0);
	deadline = queue_arg_deadline(fcinfo, 1);
	queue_find_place(prefix, &place);
	queue_enter(&place, no_value, false);
	queue_wait(&place, &queue_lock, deadline);
	PG_RETURN_INT64(place.token);
}

/* try_lock(name), for text and bytea */
PG_FUNCTION_INFO_V1(quorum_try_lock);
Datum
quorum_try_lock(PG_FUNCTION_ARGS)
{
	QueuePlace	place;
	ProtobufCBinaryData prefix;

	sql_require_writable("try_lock");
	prefix = queue_arg_prefix(fcinfo, 0);
	queue_find_place(prefix, &place);
	queue_enter(&place, no_value, true);
	if (place.token == 0 || (!place.entered && !queue_is_let_in(&place, &queue_lock)))
		PG_RETURN_NULL();
	held_add(&place);
	PG_RETURN_INT64(place.token);
}

/* unlock(name), resign(name), semaphore_release(name), for text and bytea */
PG_FUNCTION_INFO_V1(quorum_unlock);
Datum
quorum_unlock(PG_FUNCTION_ARGS)
{
	sql_require_writable("unlock");
	PG_RETURN_BOOL(queue_leave(queue_arg_prefix(fcinfo, 0)));
}

/* assert_token(name, token, capacity), for text and bytea */
PG_FUNCTION_INFO_V1(quorum_assert_token);
Datum
quorum_assert_token(PG_FUNCTION_ARGS)
{
	QueueRule	rule = queue_lock;
	ProtobufCBinaryData prefix;
	Relation	store;
	int64		token;
	bool		valid;

	prefix = queue_arg_prefix(fcinfo, 0);
	sql_require_argument(fcinfo, 1, "token");
	token = PG_GETARG_INT64(1);
	if (!PG_ARGISNULL(2))
	{
		rule.exclusive = false;
		rule.capacity = PG_GETARG_INT64(2);
		if (rule.capacity <= 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("capacity must be positive")));
	}

	store = sql_begin_read(false);
	valid = queue_token_is_let_in(store, prefix, token, &rule);
	sql_end_read(store);
	if (!valid)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("token %lld is not that of the present holder", (long long) token),
				 errhint("The lock has been lost; the transaction must not do what it protects.")));
	PG_RETURN_VOID();
}
