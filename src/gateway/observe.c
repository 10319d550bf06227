/*-------------------------------------------------------------------------
 *
 * observe.c
 *	  Election.Observe: every value that a leader proclaims, from leader to leader.
 *
 * While there is a leader, its key is watched: each put is told, its deletion leads to a look at who is
 * next.  While there is none, the queue is watched for the first that comes.  A watch begins
 * behind the revision of the look that led to it, so nothing is missed in between.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/observe.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "gateway/caller.h"
#include "gateway/contend.h"
#include "gateway/header.h"
#include "gateway/hub.h"
#include "gateway/leader.h"
#include "gateway/observe.h"
#include "gateway/watch_int.h"

#include "v3electionpb.pb-c.h"

typedef struct Observer
{
	Call	   *call;
	MemberCall *pending;
	ProtobufCBinaryData prefix;
	HubWatch   *watch;			/* of the leader's key, or of the prefix; NULL: a look is due */
	bool		has_leader;
	uint64		permitted;		/* watch_rights() as of which it may be told */
	const char *user;			/* NULL: not known yet */
	LeaderNeed	need;
} Observer;

static void look(Call *call, void *arg);

/* Why the caller must not read the keys below the prefix */
static StoreError
check_access(Call *call, Relation store, const char **user, ProtobufCBinaryData prefix)
{
	ProtobufCBinaryData end = contend_prefix_end(prefix);
	StoreCaller caller = {0};
	StoreError	error = STORE_OK;

	if (user == NULL || *user == NULL)
		error = caller_of_call(call, &caller);
	else
		caller.user = *user;	/* later, a token may be old */
	if (error == STORE_OK)
		error = store_check_access(store, &caller, STORE_READ, (const char *) prefix.data,
								   (uint32) prefix.len, (const char *) end.data, (uint32) end.len);
	if (error == STORE_OK && user != NULL && *user == NULL && watch_rights(store) != 0)
		*user = MemoryContextStrdup(call->context, caller.user);
	return error;
}

bool
observe_is_permitted(Call *call, ProtobufCBinaryData prefix)
{
	StoreError	error = check_access(call, call_store(), NULL, prefix);

	if (error == STORE_OK)
		return true;
	contend_fail_store(call, error);
	return false;
}

/* ----------------------------------------------------------------
 *	Telling
 * ----------------------------------------------------------------
 */

static void
send_leader(Observer *observer, Mvccpb__KeyValue *kv, int64 revision)
{
	V3electionpb__LeaderResponse response = V3ELECTIONPB__LEADER_RESPONSE__INIT;
	Etcdserverpb__ResponseHeader header;

	header_fill(&header, revision);
	response.header = &header;
	response.kv = kv;
	call_send(observer->call, &response.base);
}

static void
look_later(Observer *observer)
{
	call_run_later(observer->call, look, NULL);
}

/* Has the right been lost meanwhile?  Then the call is ended */
static bool
is_still_permitted(Observer *observer)
{
	uint64		rights = watch_rights(hub_store());
	StoreError	error;

	if (rights == observer->permitted)
		return true;
	error = check_access(observer->call, hub_store(), &observer->user, observer->prefix);
	if (error == STORE_OK)
	{
		observer->permitted = rights;
		return true;
	}
	contend_fail_store(observer->call, error);
	return false;
}

/* HubListener.compacted: look again */
static void
observe_compacted(HubWatch *watch, int64 compact_revision, void *arg)
{
	Observer   *observer = arg;

	observer->watch = NULL;
	look_later(observer);
}

/* HubListener.ready */
static bool
observe_ready(HubWatch *watch, uint64 batch, void *arg)
{
	return !call_is_congested(((Observer *) arg)->call);
}

static void observe_events(HubWatch *watch, const HubEvents *events, void *arg);

static const HubListener observe_listener = {
	.events = observe_events,
	.compacted = observe_compacted,
	.ready = observe_ready
};

/*
 * Watch the leader's key, or where there is none, the prefix.
 */
static void
watch_from(Observer *observer, Relation store, ProtobufCBinaryData *leader, int64 revision)
{
	HubRange	range = {0};
	int64		next;

	observer->has_leader = leader != NULL;
	if (leader != NULL)
	{
		range.key = (const char *) leader->data;
		range.key_len = (uint32) leader->len;
	}
	else
	{
		ProtobufCBinaryData end = contend_prefix_end(observer->prefix);

		range.key = (const char *) observer->prefix.data;
		range.key_len = (uint32) observer->prefix.len;
		range.end = (const char *) end.data;
		range.end_len = (uint32) end.len;
	}
	range.puts = true;
	range.deletes = leader != NULL;
	observer->watch = hub_watch(store, &range, revision, &observe_listener, observer, &next);
}

/* HubListener.events */
static void
observe_events(HubWatch *watch, const HubEvents *events, void *arg)
{
	Observer   *observer = arg;
	int			i;

	if (!is_still_permitted(observer))
		return;
	for (i = 0; i < events->n; i++)
	{
		Mvccpb__Event *event = hub_event_unpack(events, i);

		if (event->type == MVCCPB__EVENT__EVENT_TYPE__DELETE)
		{
			hub_unwatch(watch);
			observer->watch = NULL;
			look_later(observer);
			return;
		}
		send_leader(observer, event->kv,
					observer->has_leader ? events->revision : event->kv->mod_revision);
		if (!observer->has_leader)
		{
			/* the first that comes leads */
			hub_unwatch(watch);
			watch_from(observer, hub_store(), &event->kv->key, event->kv->mod_revision + 1);
			return;
		}
	}
}

/* ----------------------------------------------------------------
 *	Looking
 * ----------------------------------------------------------------
 */

/* call_run_later(): who leads now? */
static void
look(Call *call, void *arg)
{
	Observer   *observer = call->state;
	Relation	store = call_store();
	Mvccpb__KeyValue *kv;
	StoreError	error;
	int64		revision;

	if (observer->watch != NULL)
		return;
	error = check_access(call, store, &observer->user, observer->prefix);
	if (error != STORE_OK)
	{
		contend_fail_store(call, error);
		return;
	}
	observer->permitted = watch_rights(store);
	kv = contend_first(store, observer->prefix, &revision);
	if (kv != NULL)
		send_leader(observer, kv, revision);
	watch_from(observer, store, kv != NULL ? &kv->key : NULL, revision + 1);
}

/* MemberCallDone */
static void
barrier_passed(MemberCallOutcome outcome, Quorum__Result *result,
			   const char *answer, uint32 answer_len, void *arg)
{
	Observer   *observer = arg;

	observer->pending = NULL;
	if (outcome != MEMBER_CALL_DONE)
		contend_fail_outcome(observer->call, outcome);
	else
		look_later(observer);
}

void
observe_message(Call *call, const ProtobufCMessage *message)
{
	const V3electionpb__LeaderRequest *request = (const V3electionpb__LeaderRequest *) message;
	MemoryContext old;
	Observer   *observer;

	old = MemoryContextSwitchTo(call->context);
	observer = palloc0(sizeof(Observer));
	observer->call = call;
	observer->prefix = contend_prefix(request->name);
	MemoryContextSwitchTo(old);
	call->state = observer;
	leader_need_begin(&observer->need, call);
	observer->pending = member_call_read(-1, barrier_passed, observer);
}

void
observe_drained(Call *call)
{
	Observer   *observer = call->state;

	if (observer != NULL && observer->watch != NULL)
		hub_resume(observer->watch);
}

void
observe_ended(Call *call)
{
	Observer   *observer = call->state;

	if (observer == NULL)
		return;
	if (observer->pending != NULL)
		member_call_abandon(observer->pending);
	if (observer->watch != NULL)
		hub_unwatch(observer->watch);
	leader_need_end(&observer->need);
	call->state = NULL;
}
