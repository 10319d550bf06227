/*-------------------------------------------------------------------------
 *
 * contend.c
 *	  Calls that stand in a queue of keys: Lock and Campaign.
 *
 * The recipe of etcd's clients, and of the SQL functions (src/locks/): the queue of a name is the keys
 * below "name/", in the order of their create revisions; a key is the name, a slash and its lease in
 * hexadecimal; whoever is first holds the lock.  So all of them stand in the same queues.
 *
 *	 grant a lease	(if the client names none)
 *	 enter			a transaction puts the key unless it is there
 *	 look			which key is just ahead?  wait until it is deleted, look again
 *	 confirm		after a wait: a barrier, and the own key must still be there
 *	 won
 *
 * A waiter hears of the end of the one key ahead, and of its own; so an unlock wakes one.
 *
 * Nobody may stand in a queue without knowing.  The place therefore outlives its call: a call that
 * ends before it has won gives the place up, when it is known what became of the transaction that
 * entered.  This is tried again for a while if there is no leader; at last the lease ends it.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/contend.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "clock.h"
#include "gateway/caller.h"
#include "gateway/contend.h"
#include "gateway/hub.h"
#include "gateway/timer.h"
#include "member/lease_wire.h"
#include "settings.h"
#include "store/store.h"

/* The lease of a call that names none, in s, and how often it is renewed, in ms (etcd's) */
#define OWN_LEASE_TTL			60
#define RENEW_MS				20000

/* Giving a place up is tried so many times */
#define RETRY_MS				1000
#define MAX_RETRIES				60

typedef struct Contender
{
	MemoryContext context;		/* of all that belongs to it */
	Call	   *call;			/* NULL: has ended */
	const Contest *contest;
	Place		place;
	bool		own_lease;		/* granted for this call */
	bool		entering;		/* the transaction may be on its way, or be lost */
	bool		entered;		/* the key is this call's making */
	bool		waited;
	bool		over;			/* won, or failed for a reason that leaves no key */
	int64		known_token;	/* of a key that was there before */
	int64		revision;		/* of the store when it entered */

	MemberCall *pending;
	HubWatch   *ahead;
	HubWatch   *own;
	Timer		timer;			/* renew the lease; later, try again to leave */
	int			retries;
} Contender;

static void look(Call *call, void *arg);
static void leave(Contender *contender);

static void
stop_watching(Contender *contender)
{
	if (contender->ahead != NULL)
		hub_unwatch(contender->ahead);
	if (contender->own != NULL)
		hub_unwatch(contender->own);
	contender->ahead = contender->own = NULL;
}

static void
free_contender(Contender *contender)
{
	Assert(contender->pending == NULL);
	timer_clear(&contender->timer);
	stop_watching(contender);
	if (contender->call != NULL)
		contender->call->state = NULL;
	MemoryContextDelete(contender->context);
}

/* ----------------------------------------------------------------
 *	Leaving
 * ----------------------------------------------------------------
 */

/* Timer: another attempt */
static void
leave_again(Timer *timer)
{
	leave((Contender *) ((char *) timer - offsetof(Contender, timer)));
}

/* MemberCallDone */
static void
left(MemberCallOutcome outcome, Quorum__Result *result,
	 const char *answer, uint32 answer_len, void *arg)
{
	Contender  *contender = arg;

	contender->pending = NULL;
	if ((outcome == MEMBER_CALL_NO_LEADER || outcome == MEMBER_CALL_UNKNOWN ||
		 outcome == MEMBER_CALL_OVERLOADED) && contender->retries++ < MAX_RETRIES)
		timer_set(&contender->timer, clock_plus_ms(gateway_now, RETRY_MS), leave_again);
	else
		free_contender(contender);
}

/*
 * Have the key deleted, and the lease if it is the call's own.  It is the member that does
 * so, whatever may be granted to whom by then.
 */
static void
leave(Contender *contender)
{
	const Place *place = &contender->place;
	Quorum__Command command = QUORUM__COMMAND__INIT;
	Etcdserverpb__LeaseRevokeRequest revoke = ETCDSERVERPB__LEASE_REVOKE_REQUEST__INIT;
	OwnedTxn	txn;

	if (contender->own_lease)
	{
		/* takes the key along, also one that is still on its way */
		revoke.id = place->lease;
		command.op_case = QUORUM__COMMAND__OP_LEASE_REVOKE;
		command.lease_revoke = &revoke;
		command.internal = true;
		contender->pending = member_call_execute(&command, -1, left, contender);
		return;
	}
	if (contender->entered)
		owned_txn_delete(&txn, place->key, ETCDSERVERPB__COMPARE__COMPARE_RESULT__EQUAL,
						 place->token);
	else
		owned_txn_delete(&txn, place->key, ETCDSERVERPB__COMPARE__COMPARE_RESULT__GREATER,
						 contender->known_token);
	txn.command.internal = true;
	contender->pending = member_call_execute(&txn.command, -1, left, contender);
}

/*
 * contend_ended() -- see contend.h.
 *
 * A transaction under way is waited for.
 */
void
contend_ended(Call *call)
{
	Contender  *contender = call->state;

	if (contender == NULL)
		return;
	call->state = NULL;
	contender->call = NULL;
	timer_clear(&contender->timer);
	if (contender->pending != NULL)
	{
		if (contender->entering)
			return;				/* entered() goes on */
		member_call_abandon(contender->pending);
		contender->pending = NULL;
	}
	if (!contender->over && (contender->entered || contender->entering || contender->own_lease))
	{
		stop_watching(contender);
		leave(contender);
	}
	else
		free_contender(contender);
}

/* ----------------------------------------------------------------
 *	Waiting
 * ----------------------------------------------------------------
 */

static void
look_later(Contender *contender)
{
	call_run_later(contender->call, look, NULL);
}

/* HubListener.compacted: the key ahead, or the own one, may have been deleted */
static void
key_is_unknown(HubWatch *watch, int64 compact_revision, void *arg)
{
	Contender  *contender = arg;

	if (watch == contender->ahead)
		contender->ahead = NULL;
	else
		contender->own = NULL;
	look_later(contender);
}

/* HubListener.events: it has been deleted */
static void
key_is_gone(HubWatch *watch, const HubEvents *events, void *arg)
{
	key_is_unknown(watch, 0, arg);
	hub_unwatch(watch);
}

static HubWatch *
watch_key(ProtobufCBinaryData key, int64 after, Contender *contender)
{
	static const HubListener listener = {.events = key_is_gone, .compacted = key_is_unknown};
	HubRange	range = {0};
	int64		next;

	range.key = (const char *) key.data;
	range.key_len = (uint32) key.len;
	range.deletes = true;
	return hub_watch(call_store(), &range, after + 1, &listener, contender, &next);
}

/* The queue, as seen from a place in it */
typedef struct QueueLook
{
	int64		token;
	bool		present;
	int64		ahead_token;	/* of the key just ahead; 0: none */
	ProtobufCBinaryData ahead;
} QueueLook;

/* StoreKvVisit */
static bool
look_at_key(const Mvccpb__KeyValue *kv, void *arg)
{
	QueueLook  *seen = arg;

	if (kv->create_revision == seen->token)
		seen->present = true;
	if (kv->create_revision >= seen->token || kv->create_revision < seen->ahead_token)
		return true;
	if (seen->ahead.data != NULL)
		pfree(seen->ahead.data);
	seen->ahead_token = kv->create_revision;
	seen->ahead.len = kv->key.len;
	seen->ahead.data = palloc(kv->key.len);
	memcpy(seen->ahead.data, kv->key.data, kv->key.len);
	return true;
}

/*
 * The place is lost: there is no key to be deleted.
 */
static void
fail_lost(Contender *contender)
{
	contender->over = !contender->own_lease;
	contend_fail(contender->call, contender->contest->lost);
}

/*
 * The answer is of the revision that the place was last seen to be the first at; that of a campaign,
 * as etcd's, of the transaction that entered.
 */
static void
win(Contender *contender, int64 revision)
{
	contender->over = true;
	contender->contest->won(contender->call, &contender->place, revision);
}

/* MemberCallDone: whatever this member sees now is not older than the call */
static void
confirmed(MemberCallOutcome outcome, Quorum__Result *result,
		  const char *answer, uint32 answer_len, void *arg)
{
	Contender  *contender = arg;

	contender->pending = NULL;
	if (outcome != MEMBER_CALL_DONE)
	{
		contend_fail_outcome(contender->call, outcome);
		return;
	}
	contender->waited = false;
	look_later(contender);
}

/*
 * call_run_later(): see who is ahead, and go on from there.
 *
 * No key can come ahead of one that is there, so who has been seen as the first is the first as long as its
 * key is there.
 */
static void
look(Call *call, void *arg)
{
	Contender  *contender = call->state;
	Relation	store = call_store();
	Etcdserverpb__RangeRequest request = ETCDSERVERPB__RANGE_REQUEST__INIT;
	StoreRangeInfo info = {0};
	QueueLook	seen = {0};
	StoreError	error;

	if (contender == NULL || contender->over || contender->pending != NULL)
		return;
	request.key = contender->place.prefix;
	request.range_end = contend_prefix_end(contender->place.prefix);
	request.keys_only = true;
	seen.token = contender->place.token;
	error = store_range(store, NULL, &request, false, look_at_key, &seen, &info);
	if (error != STORE_OK)
	{
		contend_fail_store(call, error);
		return;
	}
	if (!seen.present)
	{
		fail_lost(contender);
		return;
	}
	if (seen.ahead_token != 0)
	{
		contender->waited = true;
		if (contender->own == NULL)
			contender->own = watch_key(contender->place.key, info.revision, contender);
		if (contender->ahead == NULL)
			contender->ahead = watch_key(seen.ahead, info.revision, contender);
		return;
	}
	if (contender->waited)
		contender->pending = member_call_read(-1, confirmed, contender);
	else
		win(contender, contender->own != NULL && !contender->contest->sets_value ?
			info.revision : contender->revision);
}

/* ----------------------------------------------------------------
 *	Entering
 * ----------------------------------------------------------------
 */

static void set_value(Call *call, void *arg);

static bool
same_bytes(ProtobufCBinaryData a, ProtobufCBinaryData b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/*
 * What the transaction says: the key is new, or was there.
 */
static bool
take_place(Contender *contender, Quorum__Result *result)
{
	const Etcdserverpb__RangeResponse *range;

	contender->entering = false;
	contender->revision = result->revision;
	contender->entered = result->txn->succeeded;
	if (contender->entered)
	{
		contender->place.token = result->revision;
		return true;
	}
	range = result->txn->responses[0]->response_range;
	if (range->n_kvs == 0)
		return false;			/* cannot be: it is created or it is there */
	contender->place.token = range->kvs[0]->create_revision;
	if (contender->contest->sets_value && !same_bytes(range->kvs[0]->value, contender->place.value))
		call_run_later(contender->call, set_value, NULL);
	else
		look_later(contender);
	return false;
}

/* MemberCallDone: the transaction that enters */
static void
entered(MemberCallOutcome outcome, Quorum__Result *result,
		const char *answer, uint32 answer_len, void *arg)
{
	Contender  *contender = arg;
	bool		done = outcome == MEMBER_CALL_DONE;

	contender->pending = NULL;
	if (contender->call == NULL)
	{
		if (done && result->error == STORE_OK && result->txn->succeeded)
		{
			contender->entered = true;
			contender->place.token = result->revision;
		}
		if (contender->entered || outcome == MEMBER_CALL_UNKNOWN || contender->own_lease)
			leave(contender);
		else
			free_contender(contender);
		return;
	}

	if (!done || result->error != STORE_OK)
	{
		/* of a lost one there may be a key all the same */
		contender->entering = outcome == MEMBER_CALL_UNKNOWN;
		if (!done)
			contend_fail_outcome(contender->call, outcome);
		else
			contend_fail_store(contender->call, result->error);
	}
	else if (take_place(contender, result))
		look_later(contender);
}

/*
 * call_run_later(): the transaction that enters, on behalf of the caller, who must also be allowed to
 * see the queue.
 */
static void
enter(Call *call, void *arg)
{
	Contender  *contender = call->state;
	const Place *place = &contender->place;
	ProtobufCBinaryData end = contend_prefix_end(place->prefix);
	Etcdserverpb__RequestOp get = ETCDSERVERPB__REQUEST_OP__INIT;
	Etcdserverpb__RequestOp *gets[1] = {&get};
	Etcdserverpb__RangeRequest range = ETCDSERVERPB__RANGE_REQUEST__INIT;
	Mvccpb__KeyValue *known = NULL;
	StoreRangeInfo info = {0};
	StoreCaller caller;
	StoreError	error;
	OwnedTxn	txn;

	error = caller_of_call(call, &caller);
	if (error == STORE_OK)
		error = store_check_access(call_store(), &caller, STORE_READ,
								   (const char *) place->prefix.data, (uint32) place->prefix.len,
								   (const char *) end.data, (uint32) end.len);
	if (error == STORE_OK && place->key.len <= STORE_MAX_KEY_BYTES)
		error = store_get(call_store(), NULL, (const char *) place->key.data,
						  (uint32) place->key.len, 0, &known, &info);
	if (error != STORE_OK)
	{
		contend_fail_store(call, error);
		return;
	}
	contender->known_token = known != NULL ? known->create_revision : 0;

	owned_txn_put(&txn, place->key, 0, place->value, place->lease);
	range.key = place->key;
	get.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE;
	get.request_range = &range;
	txn.txn.n_failure = 1;
	txn.txn.failure = gets;
	if (!contend_name_command(call, &txn.command))
		return;
	contender->entering = true;
	contender->pending = member_call_execute(&txn.command, -1, entered, contender);
}

/* MemberCallDone */
static void
value_set(MemberCallOutcome outcome, Quorum__Result *result,
		  const char *answer, uint32 answer_len, void *arg)
{
	Contender  *contender = arg;

	contender->pending = NULL;
	if (outcome != MEMBER_CALL_DONE)
		contend_fail_outcome(contender->call, outcome);
	else if (result->error != STORE_OK)
		contend_fail_store(contender->call, result->error);
	else if (!result->txn->succeeded)
		contend_fail(contender->call, contender->contest->lost);
	else
		look_later(contender);
}

/* call_run_later(): the key is there with another value */
static void
set_value(Call *call, void *arg)
{
	Contender  *contender = call->state;
	const Place *place = &contender->place;
	OwnedTxn	txn;

	owned_txn_put(&txn, place->key, place->token, place->value, place->lease);
	if (contend_name_command(call, &txn.command))
		contender->pending = member_call_execute(&txn.command, -1, value_set, contender);
}

/* ----------------------------------------------------------------
 *	A lease of the call's own
 * ----------------------------------------------------------------
 */

static void renew(Timer *timer);

static void
renew_later(Contender *contender)
{
	timer_set(&contender->timer, clock_plus_ms(gateway_now, RENEW_MS), renew);
}

/* MemberCallDone: if the lease is gone, so is the key, and that is noticed */
static void
renewed(MemberCallOutcome outcome, Quorum__Result *result,
		const char *answer, uint32 answer_len, void *arg)
{
}

/* Timer */
static void
renew(Timer *timer)
{
	Contender  *contender = (Contender *) ((char *) timer - offsetof(Contender, timer));
	char		question[sizeof(int64)];

	if (contender->over)
		return;
	lease_put_word(question, 0, contender->place.lease);
	(void) member_call_ask_leader(QUESTION_LEASE_KEEPALIVE, question, sizeof(question), -1,
								  renewed, NULL);
	renew_later(contender);
}

static void
set_key(Contender *contender)
{
	Place	   *place = &contender->place;
	char		digits[32];
	int			n;

	/* as etcd's clients write it */
	if (place->lease < 0)
		n = snprintf(digits, sizeof(digits), "-%llx", -(unsigned long long) place->lease);
	else
		n = snprintf(digits, sizeof(digits), "%llx", (unsigned long long) place->lease);
	place->key.len = place->prefix.len + n;
	place->key.data = MemoryContextAlloc(contender->context, place->key.len);
	memcpy(place->key.data, place->prefix.data, place->prefix.len);
	memcpy(place->key.data + place->prefix.len, digits, n);
}

/* MemberCallDone */
static void
lease_granted(MemberCallOutcome outcome, Quorum__Result *result,
			  const char *answer, uint32 answer_len, void *arg)
{
	Contender  *contender = arg;

	contender->pending = NULL;
	if (outcome != MEMBER_CALL_DONE)
		contend_fail_outcome(contender->call, outcome);
	else if (result->error != STORE_OK)
		contend_fail_store(contender->call, result->error);
	else
	{
		contender->own_lease = true;
		contender->place.lease = result->lease_grant->id;
		set_key(contender);
		renew_later(contender);
		call_run_later(contender->call, enter, NULL);
	}
}

/*
 * Grant a lease to the call.  Its id is random among so many that it is nobody's; as etcd's, not
 * negative.  If the call ends before it is granted, it runs out by itself.
 */
static void
grant_lease(Contender *contender)
{
	Quorum__Command command = QUORUM__COMMAND__INIT;
	Etcdserverpb__LeaseGrantRequest grant = ETCDSERVERPB__LEASE_GRANT_REQUEST__INIT;
	uint64		id;

	if (!pg_strong_random(&id, sizeof(id)))
		elog(ERROR, "could not generate a random lease id");
	grant.id = (int64) (id & PG_INT64_MAX) | 1;
	grant.ttl = OWN_LEASE_TTL;
	command.op_case = QUORUM__COMMAND__OP_LEASE_GRANT;
	command.lease_grant = &grant;
	if (contend_name_command(contender->call, &command))
		contender->pending = member_call_execute(&command, -1, lease_granted, contender);
}

static ProtobufCBinaryData
copy_bytes(MemoryContext context, ProtobufCBinaryData bytes)
{
	ProtobufCBinaryData copy;

	copy.len = bytes.len;
	copy.data = MemoryContextAlloc(context, bytes.len + 1);
	if (bytes.len > 0)
		memcpy(copy.data, bytes.data, bytes.len);
	return copy;
}

/*
 * contend() -- see contend.h.
 */
void
contend(Call *call, const Contest *contest, ProtobufCBinaryData name, int64 lease,
		ProtobufCBinaryData value)
{
	MemoryContext context;
	MemoryContext old;
	Contender  *contender;

	context = AllocSetContextCreate(TopMemoryContext, "pg_quorum place in a queue",
									ALLOCSET_SMALL_SIZES);
	contender = MemoryContextAllocZero(context, sizeof(Contender));
	contender->context = context;
	contender->call = call;
	contender->contest = contest;
	call->state = contender;

	old = MemoryContextSwitchTo(context);
	contender->place.name = copy_bytes(context, name);
	contender->place.prefix = contend_prefix(name);
	contender->place.value = copy_bytes(context, value);
	contender->place.lease = lease;
	MemoryContextSwitchTo(old);

	if (lease == 0)
	{
		grant_lease(contender);
		return;
	}
	set_key(contender);
	enter(call, NULL);
}
