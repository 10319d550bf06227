/*-------------------------------------------------------------------------
 *
 * watch_rights.c
 *	  The service Watch: who may watch what.
 *
 * While authentication is on, a watch needs the right to read its keys: when it is made, and from then
 * on whenever users or roles have changed.  Before it is told events its right is looked
 * at as of a state not older than those, so nothing is told that happened after it
 * was taken away.  A watch with nothing to be told hears within some seconds that it
 * is over.
 *
 * Later looks go by the user's name.  That a token has run out, or is older than the last change of
 * users and roles, ends no watch, as it ends none in etcd.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/watch_rights.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "clock.h"
#include "gateway/caller.h"
#include "gateway/watch_int.h"
#include "member/member.h"

/* How often it is asked whether users or roles have changed */
#define LOOK_MS					1000

/* Watches of a stream looked at in one turn */
#define LOOKS_PER_TURN			500

static Timer look_timer;
static uint64 seen_rights;
static uint64 seen_index;		/* applied when they were looked at */

/*
 * watch_rights() -- a number that differs whenever rights may differ; 0 while
 * authentication is off.
 */
uint64
watch_rights(Relation store)
{
	uint64		auth_revision;

	return store_auth_enabled(store, &auth_revision) ? auth_revision : 0;
}

/*
 * Why, as etcd says it in a cancel_reason.
 */
static const char *
reason_of(StoreError error)
{
	switch (error)
	{
		case STORE_OK:
			return NULL;
		case STORE_INVALID_AUTH_TOKEN:
			return "rpc error: code = Unauthenticated desc = etcdserver: invalid auth token";
		case STORE_AUTH_OLD_REVISION:
			return "rpc error: code = InvalidArgument desc = etcdserver: revision of auth store is old";
		case STORE_USER_EMPTY:
			return "rpc error: code = InvalidArgument desc = etcdserver: user name is empty";
		default:
			return "rpc error: code = PermissionDenied desc = etcdserver: permission denied";
	}
}

static void
remember_user(WatchStream *stream, const StoreCaller *caller)
{
	if (stream->user == NULL && caller->user != NULL)
		stream->user = MemoryContextStrdup(stream->call->context, caller->user);
}

/*
 * watch_check_create() -- may the client watch this range?  NULL, or why not.
 */
const char *
watch_check_create(WatchStream *stream, const HubRange *range)
{
	StoreCaller caller = {0};
	StoreError	error;

	if (watch_rights(call_store()) == 0)
		return NULL;
	error = caller_of_call(stream->call, &caller);
	if (error == STORE_OK)
		error = store_check_access(call_store(), &caller, STORE_READ, range->key, range->key_len,
								   range->end, range->end_len);
	if (error == STORE_OK)
		remember_user(stream, &caller);
	return reason_of(error);
}

/*
 * watch_check_rights() -- may a watch still be told?  NULL, or why not.
 *
 * rights: watch_rights() of this moment.
 */
const char *
watch_check_rights(ClientWatch *watch, Relation store, uint64 rights)
{
	WatchStream *stream = watch->stream;
	StoreCaller caller = {0};
	StoreError	error = STORE_OK;
	HubRange	range;

	if (rights != 0)
	{
		if (stream->user == NULL)
		{
			/* it began when nobody asked who it is */
			error = caller_of_call(stream->call, &caller);
			if (error == STORE_OK)
				remember_user(stream, &caller);
		}
		if (error == STORE_OK)
		{
			caller.user = stream->user != NULL ? stream->user : "";
			caller.role = NULL;
			caller.auth_revision = 0;
			hub_watch_range(watch->hub, &range);
			error = store_check_access(store, &caller, STORE_READ, range.key, range.key_len,
									   range.end, range.end_len);
		}
	}
	if (error == STORE_OK)
		watch->permitted = rights;
	return reason_of(error);
}

/* ----------------------------------------------------------------
 *	Watches with nothing to be told
 * ----------------------------------------------------------------
 */

/*
 * call_run_later(): look at some watches of a stream.  Those looked at go to the end of its list.
 */
static void
look_at_stream(Call *call, void *arg)
{
	WatchStream *stream = call->state;
	Relation	store = call_store();
	uint64		rights = watch_rights(store);
	int			n;

	for (n = 0; n < LOOKS_PER_TURN && stream->unlooked > 0; n++)
	{
		ClientWatch *watch;
		const char *denied;

		stream->unlooked--;
		if (dlist_is_empty(&stream->watches))
			continue;
		watch = dlist_container(ClientWatch, link, dlist_head_node(&stream->watches));
		dlist_move_tail(&stream->watches, &watch->link);
		if (watch->permitted == rights)
			continue;
		denied = watch_check_rights(watch, store, rights);
		if (denied != NULL)
		{
			int64		id = watch->id;
			HubWatch   *hub = watch->hub;

			watch_forget(watch);
			hub_unwatch(hub);
			watch_send_canceled(stream, id, denied);
		}
	}
	watch_try_progress(stream);
	if (stream->unlooked > 0)
		call_run_later(call, look_at_stream, NULL);
}

/* call_run_later(): if rights have changed, have all streams look at theirs */
static void
look_at_rights(Call *call, void *arg)
{
	uint64		rights = watch_rights(call_store());
	dlist_iter	iter;

	if (rights == seen_rights)
		return;
	seen_rights = rights;
	dlist_foreach(iter, &watch_streams)
	{
		WatchStream *stream = dlist_container(WatchStream, link, iter.cur);
		bool		looks = stream->unlooked > 0;

		stream->unlooked = stream->nwatches;
		if (!looks && stream->unlooked > 0)
			call_run_later(stream->call, look_at_stream, NULL);
	}
}

static void look(Timer *timer);

static void
set_timer(void)
{
	timer_set(&look_timer, clock_plus_ms(gateway_now, LOOK_MS), look);
}

/*
 * Timer: have a stream ask, since the store is not open here.  Users and roles change
 * without a revision, but not without a log entry.
 */
static void
look(Timer *timer)
{
	MemberStatus status;

	if (dlist_is_empty(&watch_streams))
		return;
	set_timer();
	member_get_status(&status);
	if (status.applied_index == seen_index)
		return;
	seen_index = status.applied_index;
	call_run_later(dlist_container(WatchStream, link, dlist_head_node(&watch_streams))->call,
				   look_at_rights, NULL);
}

/*
 * watch_rights_begin() -- there is a stream.
 */
void
watch_rights_begin(void)
{
	if (look_timer.at == 0)
		set_timer();
}
