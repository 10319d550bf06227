/*-------------------------------------------------------------------------
 *
 * queue.c
 *	  Entering, waiting in and leaving the queue of keys behind a name.
 *
 * The recipe of etcd's clients: the queue of "name" is the keys under "name/",
 * ordered by create revision; a session's key is "name/" and its lease in
 * hexadecimal; it is entered by a transaction that puts the key unless it is
 * there.  See the README for why what is decided here on this member's own
 * state is right.
 *
 * Nobody may stand in a queue without knowing.  So the transaction that enters
 * goes out with an undo, for the case that its answer is not awaited; and whoever
 * ends his wait in any way deletes his key, or has it deleted.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/locks/queue.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "libpq/libpq.h"
#include "libpq/libpq-be.h"
#include "miscadmin.h"

#include "clock.h"
#include "locks/queue.h"
#include "member/member.h"

#include "compat.h"

/* A waiter looks whether its client and its session's lease are still there this often,
 * in ms ... */
#define CHECK_MS				3000

/* ... and reads the queue though nobody woke it this often. */
#define LOOK_ANYWAY_MS			60000

/* The queue as seen from a place in it */
typedef struct QueueLook
{
	const QueuePlace *place;
	bool		want_permits;
	bool		present;
	int64		ahead;			/* keys */
	int64		permits_ahead;
	int64		most_permits;	/* of one key ahead */
} QueueLook;

const QueueRule queue_lock = {.what = "lock", .exclusive = true};
const QueueRule queue_election = {.what = "leadership", .exclusive = true};

/* ----------------------------------------------------------------
 *	Names and places
 * ----------------------------------------------------------------
 */

ProtobufCBinaryData
queue_arg_prefix(FunctionCallInfo fcinfo, int argno)
{
	struct varlena *name;
	ProtobufCBinaryData prefix;

	sql_require_argument(fcinfo, argno, "name");
	name = PG_GETARG_VARLENA_PP(argno);
	if (VARSIZE_ANY_EXHDR(name) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("name must not be empty")));
	/* the lease's sixteen digits come behind it */
	if (VARSIZE_ANY_EXHDR(name) + 17 > STORE_MAX_KEY_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("name is too long"),
				 errdetail("The limit is %d bytes.", STORE_MAX_KEY_BYTES - 17)));

	prefix.len = VARSIZE_ANY_EXHDR(name) + 1;
	prefix.data = palloc(prefix.len);
	memcpy(prefix.data, VARDATA_ANY(name), prefix.len - 1);
	prefix.data[prefix.len - 1] = '/';
	return prefix;
}

static void
set_place(ProtobufCBinaryData prefix, int64 lease, QueuePlace *place)
{
	char		digits[32];
	int			n = snprintf(digits, sizeof(digits), "%llx", (unsigned long long) lease);

	memset(place, 0, sizeof(QueuePlace));
	place->lease = lease;
	place->key.len = prefix.len + n;
	place->key.data = palloc(place->key.len);
	memcpy(place->key.data, prefix.data, prefix.len);
	memcpy(place->key.data + prefix.len, digits, n);
	place->prefix.data = place->key.data;
	place->prefix.len = prefix.len;
}

void
queue_find_place(ProtobufCBinaryData prefix, QueuePlace *place)
{
	held_check_lease();
	sql_require_user();
	set_place(prefix, member_session_lease(QUEUE_LEASE_TTL), place);
}

bool
queue_find_own_place(ProtobufCBinaryData prefix, QueuePlace *place)
{
	int64		lease;

	held_check_lease();
	lease = member_session_lease_id();
	if (lease == 0)
		return false;
	set_place(prefix, lease, place);
	return true;
}

/* ----------------------------------------------------------------
 *	Looking
 * ----------------------------------------------------------------
 */

int64
queue_permits(ProtobufCBinaryData value)
{
	int64		permits = 0;
	size_t		i;

	for (i = 0; i < value.len && i < 10; i++)
	{
		if (value.data[i] < '0' || value.data[i] > '9')
			return 1;
		permits = permits * 10 + (value.data[i] - '0');
	}
	return value.len == 0 || value.len > 10 || permits == 0 ? 1 : permits;
}

/* A range read of the queue; the errors of the store are raised */
static void
scan_queue(Relation store, ProtobufCBinaryData prefix, bool keys_only, StoreKvVisit visit, void *arg)
{
	Etcdserverpb__RangeRequest request = ETCDSERVERPB__RANGE_REQUEST__INIT;
	StoreRangeInfo info = {0};
	uint32		len;
	StoreError	error;

	request.key = prefix;
	request.range_end.data = (uint8_t *)
		store_prefix_end((const char *) prefix.data, prefix.len, &len);
	request.range_end.len = len;
	request.keys_only = keys_only;
	error = store_range(store, sql_caller(store), &request, false, visit, arg, &info);
	sql_check(error, &info);
}

/* StoreKvVisit: count one key */
static bool
look_at_key(const Mvccpb__KeyValue *kv, void *arg)
{
	QueueLook  *look = arg;
	int64		permits;

	CHECK_FOR_INTERRUPTS();
	if (kv->create_revision == look->place->token)
		look->present = true;
	if (kv->create_revision >= look->place->token)
		return true;
	look->ahead++;
	if (look->want_permits)
	{
		permits = queue_permits(kv->value);
		look->permits_ahead += permits;
		look->most_permits = Max(look->most_permits, permits);
	}
	return true;
}

static void
look_from(Relation store, const QueuePlace *place, const QueueRule *rule, QueueLook *look)
{
	memset(look, 0, sizeof(QueueLook));
	look->place = place;
	look->want_permits = !rule->exclusive;
	scan_queue(store, place->prefix, rule->exclusive, look_at_key, look);
}

/*
 * How many keys ahead must go at least before the place is let in; 0: it is.
 */
static uint32
must_go(const QueueLook *look, const QueueRule *rule)
{
	int64		excess;

	if (rule->exclusive)
		return (uint32) Min(look->ahead, PG_INT32_MAX);
	excess = look->permits_ahead + rule->permits - rule->capacity;
	if (excess <= 0)
		return 0;
	/* each takes at most most_permits with it */
	return (uint32) Min((excess + look->most_permits - 1) / look->most_permits, PG_INT32_MAX);
}

/* On this member's present state, which has its own session's writes */
static void
look_here(const QueuePlace *place, const QueueRule *rule, QueueLook *look)
{
	Relation	store = sql_begin_read(true);

	look_from(store, place, rule, look);
	sql_end_read(store);
}

bool
queue_is_let_in(const QueuePlace *place, const QueueRule *rule)
{
	QueueLook	look;

	look_here(place, rule, &look);
	return look.present && must_go(&look, rule) == 0;
}

bool
queue_token_is_let_in(Relation store, ProtobufCBinaryData prefix, int64 token,
					  const QueueRule *rule)
{
	QueuePlace	place = {.prefix = prefix, .token = token};
	QueueRule	with_own = *rule;
	QueueLook	look;

	if (!rule->exclusive)
	{
		/* what it takes itself: all up to and with it, less those ahead */
		QueuePlace	behind = {.prefix = prefix, .token = token + 1};
		QueueLook	up_to;

		look_from(store, &behind, rule, &up_to);
		look_from(store, &place, rule, &look);
		with_own.permits = up_to.permits_ahead - look.permits_ahead;
	}
	else
		look_from(store, &place, rule, &look);
	return look.present && must_go(&look, &with_own) == 0;
}

/* StoreKvVisit: remember the key of the lowest create revision */
static bool
keep_first(const Mvccpb__KeyValue *kv, void *arg)
{
	Mvccpb__KeyValue *first = arg;

	CHECK_FOR_INTERRUPTS();
	if (first->create_revision == 0 || kv->create_revision < first->create_revision)
	{
		first->create_revision = kv->create_revision;
		if (first->key.len < kv->key.len)
		{
			if (first->key.data != NULL)
				pfree(first->key.data);
			first->key.data = palloc(kv->key.len);
		}
		memcpy(first->key.data, kv->key.data, kv->key.len);
		first->key.len = kv->key.len;
	}
	return true;
}

/*
 * queue_first
 *
 * The value is read when the key is known, so that it takes no memory for those of the
 * others.  If the key has gone in between there is another first one.
 */
Mvccpb__KeyValue *
queue_first(Relation store, ProtobufCBinaryData prefix)
{
	for (;;)
	{
		Mvccpb__KeyValue first = MVCCPB__KEY_VALUE__INIT;
		Mvccpb__KeyValue *kv = NULL;
		StoreRangeInfo info = {0};
		StoreError	error;

		CHECK_FOR_INTERRUPTS();
		scan_queue(store, prefix, true, keep_first, &first);
		if (first.create_revision == 0)
			return NULL;
		error = store_get(store, sql_caller(store), (char *) first.key.data, first.key.len,
						  0, &kv, &info);
		sql_check(error, &info);
		if (kv != NULL && kv->create_revision == first.create_revision)
			return kv;
	}
}

/* ----------------------------------------------------------------
 *	Entering and leaving
 * ----------------------------------------------------------------
 */

static void
set_compare(Etcdserverpb__Compare *compare, ProtobufCBinaryData key,
			Etcdserverpb__Compare__CompareResult result, int64 create_revision)
{
	etcdserverpb__compare__init(compare);
	compare->key = key;
	compare->result = result;
	compare->target = ETCDSERVERPB__COMPARE__COMPARE_TARGET__CREATE;
	compare->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_CREATE_REVISION;
	compare->create_revision = create_revision;
}

/* A command that deletes a key if its create revision compares like this */
typedef struct DeleteIf
{
	Quorum__Command command;
	Etcdserverpb__TxnRequest txn;
	Etcdserverpb__Compare compare;
	Etcdserverpb__Compare *compares[1];
	Etcdserverpb__RequestOp op;
	Etcdserverpb__RequestOp *ops[1];
	Etcdserverpb__DeleteRangeRequest request;
} DeleteIf;

static void
set_delete_if(DeleteIf *d, ProtobufCBinaryData key,
			  Etcdserverpb__Compare__CompareResult result, int64 create_revision)
{
	quorum__command__init(&d->command);
	etcdserverpb__txn_request__init(&d->txn);
	etcdserverpb__request_op__init(&d->op);
	etcdserverpb__delete_range_request__init(&d->request);
	set_compare(&d->compare, key, result, create_revision);
	d->request.key = key;
	d->op.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE;
	d->op.request_delete_range = &d->request;
	d->compares[0] = &d->compare;
	d->ops[0] = &d->op;
	d->txn.n_compare = 1;
	d->txn.compare = d->compares;
	d->txn.n_success = 1;
	d->txn.success = d->ops;
	d->command.op_case = QUORUM__COMMAND__OP_TXN;
	d->command.txn = &d->txn;
	/* it is this session's own key, whatever may be granted to whom by then */
	d->command.internal = true;
}

int64
queue_known_token(ProtobufCBinaryData key)
{
	Relation	store;
	Mvccpb__KeyValue *kv = NULL;
	StoreRangeInfo info = {0};
	StoreError	error;

	/* an earlier place in this queue may be about to be given up */
	member_await_detached();
	store = sql_begin_read(true);
	error = store_get(store, NULL, (char *) key.data, key.len, 0, &kv, &info);
	sql_end_read(store);
	sql_check(error, &info);
	return kv != NULL ? kv->create_revision : 0;
}

/*
 * The transaction that enters; the result is in the current memory context.
 */
static Quorum__Result *
execute_enter(QueuePlace *place, ProtobufCBinaryData value, bool only_if_empty)
{
	Quorum__Command command = QUORUM__COMMAND__INIT;
	Etcdserverpb__TxnRequest txn = ETCDSERVERPB__TXN_REQUEST__INIT;
	Etcdserverpb__Compare compare;
	Etcdserverpb__RequestOp op_put = ETCDSERVERPB__REQUEST_OP__INIT;
	Etcdserverpb__RequestOp op_get = ETCDSERVERPB__REQUEST_OP__INIT;
	Etcdserverpb__PutRequest put = ETCDSERVERPB__PUT_REQUEST__INIT;
	Etcdserverpb__RangeRequest get = ETCDSERVERPB__RANGE_REQUEST__INIT;
	Etcdserverpb__Compare *compares[1] = {&compare};
	Etcdserverpb__RequestOp *puts[1] = {&op_put};
	Etcdserverpb__RequestOp *gets[1] = {&op_get};
	DeleteIf	undo;

	set_compare(&compare, place->key, ETCDSERVERPB__COMPARE__COMPARE_RESULT__EQUAL, 0);
	if (only_if_empty)
	{
		uint32		len;

		/* holds of an empty range, and of no other */
		compare.key = place->prefix;
		compare.range_end.data = (uint8_t *)
			store_prefix_end((const char *) place->prefix.data, place->prefix.len, &len);
		compare.range_end.len = len;
	}
	put.key = get.key = place->key;
	put.value = value;
	put.lease = place->lease;
	op_put.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
	op_put.request_put = &put;
	op_get.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE;
	op_get.request_range = &get;
	txn.n_compare = txn.n_success = txn.n_failure = 1;
	txn.compare = compares;
	txn.success = puts;
	txn.failure = gets;
	command.op_case = QUORUM__COMMAND__OP_TXN;
	command.txn = &txn;

	/* a place that the session has already is not to be undone */
	set_delete_if(&undo, place->key, ETCDSERVERPB__COMPARE__COMPARE_RESULT__GREATER,
				  queue_known_token(place->key));
	return sql_try_execute(&command, &undo.command);
}

void
queue_enter(QueuePlace *place, ProtobufCBinaryData value, bool only_if_empty)
{
	Quorum__Result *result = execute_enter(place, value, only_if_empty);

	if (result->error == STORE_LEASE_NOT_FOUND)
	{
		(void) member_end_session_lease();
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("lease of this session has been lost"),
				 errdetail("It expired or was revoked.  Whatever the session held is not held any more."),
				 errhint("Call again to go on with a new lease.")));
	}
	if (result->error != STORE_OK)
		sql_raise((StoreError) result->error, result->revision, result->compacted_revision);

	place->entered = result->txn->succeeded;
	if (place->entered)
	{
		place->token = result->revision;
		place->value = value;
	}
	else
	{
		const Etcdserverpb__RangeResponse *range = result->txn->responses[0]->response_range;

		if (range->n_kvs > 0)
		{
			place->token = range->kvs[0]->create_revision;
			place->value = range->kvs[0]->value;
		}
	}
}

/*
 * Delete the place's key and wait for it, so that the next in the queue has its turn when the
 * caller's error arrives.
 */
static void
withdraw(const QueuePlace *place)
{
	DeleteIf	deletion;

	set_delete_if(&deletion, place->key, ETCDSERVERPB__COMPARE__COMPARE_RESULT__EQUAL,
				  place->token);
	(void) sql_try_execute(&deletion.command, NULL);
}

/*
 * The same while an error is being handled: nothing is awaited, and nothing may
 * fail.  If all else does, the lease takes the key with it.
 */
void
queue_withdraw_later(const QueuePlace *place)
{
	DeleteIf	deletion;

	set_delete_if(&deletion, place->key, ETCDSERVERPB__COMPARE__COMPARE_RESULT__EQUAL,
				  place->token);
	if (!member_execute_detached(&deletion.command))
		(void) member_end_session_lease();
}

bool
queue_set_value(const QueuePlace *place, ProtobufCBinaryData value)
{
	Quorum__Command command = QUORUM__COMMAND__INIT;
	Etcdserverpb__TxnRequest txn = ETCDSERVERPB__TXN_REQUEST__INIT;
	Etcdserverpb__Compare compare;
	Etcdserverpb__RequestOp op = ETCDSERVERPB__REQUEST_OP__INIT;
	Etcdserverpb__PutRequest put = ETCDSERVERPB__PUT_REQUEST__INIT;
	Etcdserverpb__Compare *compares[1] = {&compare};
	Etcdserverpb__RequestOp *ops[1] = {&op};

	set_compare(&compare, place->key, ETCDSERVERPB__COMPARE__COMPARE_RESULT__EQUAL, place->token);
	put.key = place->key;
	put.value = value;
	put.lease = place->lease;
	op.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
	op.request_put = &put;
	txn.n_compare = txn.n_success = 1;
	txn.compare = compares;
	txn.success = ops;
	command.op_case = QUORUM__COMMAND__OP_TXN;
	command.txn = &txn;
	return sql_execute(&command)->txn->succeeded;
}

bool
queue_leave(ProtobufCBinaryData prefix)
{
	Quorum__Command command = QUORUM__COMMAND__INIT;
	Etcdserverpb__DeleteRangeRequest request = ETCDSERVERPB__DELETE_RANGE_REQUEST__INIT;
	QueuePlace	place;
	bool		was_there;

	if (!queue_find_own_place(prefix, &place))
		return false;
	request.key = place.key;
	command.op_case = QUORUM__COMMAND__OP_DELETE_RANGE;
	command.delete_range = &request;
	was_there = sql_execute(&command)->delete_range->deleted > 0;
	held_remove(&place);
	return was_there;
}

/* ----------------------------------------------------------------
 *	Waiting
 * ----------------------------------------------------------------
 */

ClockTime
queue_arg_deadline(FunctionCallInfo fcinfo, int argno)
{
	int			timeout_ms = sql_arg_timeout(fcinfo, argno);

	return timeout_ms < 0 ? CLOCK_NEVER : clock_plus_ms(clock_now(), timeout_ms);
}

static void
report_lost(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("place in the queue has been lost"),
			 errdetail("The lease of this session expired or was revoked, or its key was deleted."),
			 errhint("Call again to wait anew.")));
}

static long
left_until(ClockTime deadline)
{
	return deadline == CLOCK_NEVER ? LONG_MAX : clock_ms_between(clock_now(), deadline);
}

/*
 * End the session if its client has gone, which nothing else would notice while the session waits.
 */
static void
check_client(void)
{
	if (MyProcPort == NULL || pq_check_connection())
		return;
	ClientConnectionLost = true;
	InterruptPending = true;
	CHECK_FOR_INTERRUPTS();
}

/*
 * Sleep until as many keys ahead as must have gone, or something else is worth a
 * look.  False at the deadline.
 */
static bool
sleep_in_queue(uint32 departures, ClockTime deadline)
{
	long		since_look = 0;

	while (since_look < LOOK_ANYWAY_MS)
	{
		long		left = left_until(deadline);
		int			ms = (int) Min(left, CHECK_MS);

		if (left <= 0)
			return false;
		if (member_queue_wait(departures, ms))
			return true;
		check_client();
		if (member_session_lease_lost())
			report_lost();
		since_look += ms;
	}
	return true;
}

/*
 * Wait until the place is let in.
 *
 * What this member sees may be old when it is let in after a sleep: its own key may have
 * gone in the meantime.  So it is read once more after a barrier.
 */
static void
wait_for_turn(QueuePlace *place, const QueueRule *rule, ClockTime deadline)
{
	bool		slept = false;
	bool		confirmed = false;

	member_queue_join((char *) place->key.data, place->key.len, place->prefix.len, place->token);
	for (;;)
	{
		QueueLook	look;
		uint32		departures;

		member_queue_rearm();
		look_here(place, rule, &look);
		if (!look.present)
			report_lost();
		departures = must_go(&look, rule);
		if (departures == 0)
		{
			if (!slept || confirmed)
				break;
			member_read_barrier(-1);
			confirmed = true;
			continue;
		}
		slept = true;
		if (!sleep_in_queue(departures, deadline))
		{
			if (place->entered)
			{
				withdraw(place);
				place->entered = false;
			}
			ereport(ERROR,
					(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
					 errmsg("%s was not obtained within the timeout", rule->what),
					 errhint("The view quorum.locks shows who has it.")));
		}
	}
}

void
queue_wait(QueuePlace *place, const QueueRule *rule, ClockTime deadline)
{
	PG_TRY();
	{
		wait_for_turn(place, rule, deadline);
	}
	PG_CATCH();
	{
		member_queue_leave();
		if (place->entered)
			queue_withdraw_later(place);
		PG_RE_THROW();
	}
	PG_END_TRY();
	member_queue_leave();
	held_add(place);
}
