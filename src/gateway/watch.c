/*-------------------------------------------------------------------------
 *
 * watch.c
 *	  The service Watch: streams and what their clients ask for.
 *
 * A stream has any number of watches, each known to the client by its id.  Requests are carried
 * out in the order they come, and answered at once, so "created" is always before the first
 * event, and created watches are told of in their order: events come from the hub, later in
 * the turn.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/watch.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "common/pg_prng.h"

#include "gateway/watch_int.h"
#include "settings.h"
#include "store/encoding.h"

/*
 * The ids of a stream.  They are the client's to choose, so where they go in the table is
 * not: they are mixed with a secret.
 */
typedef struct WatchId
{
	int64		id;
	ClientWatch *watch;
	char		status;
} WatchId;

static uint64 id_secret;

static inline uint32
hash_id(int64 id)
{
	return (uint32) hash_bytes_extended((const unsigned char *) &id, sizeof(id), id_secret);
}

#define SH_PREFIX		watch_ids
#define SH_ELEMENT_TYPE WatchId
#define SH_KEY_TYPE		int64
#define SH_KEY			id
#define SH_HASH_KEY(tb, key)	hash_id(key)
#define SH_EQUAL(tb, a, b)		((a) == (b))
#define SH_SCOPE		static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

dlist_head	watch_streams = DLIST_STATIC_INIT(watch_streams);

ClientWatch *
watch_find(WatchStream *stream, int64 id)
{
	WatchId    *entry = watch_ids_lookup(stream->ids, id);

	return entry != NULL ? entry->watch : NULL;
}

/*
 * watch_forget() -- a watch is over; the hub knows already.
 */
void
watch_forget(ClientWatch *watch)
{
	WatchStream *stream = watch->stream;

	if (!hub_is_synced(watch->hub))
		stream->nunsynced--;
	if (watch->notified)
		stream->nnotified--;
	stream->nwatches--;
	dlist_delete(&watch->link);
	(void) watch_ids_delete(stream->ids, watch->id);
	pfree(watch);
}

static WatchStream *
begin_stream(Call *call)
{
	WatchStream *stream = MemoryContextAllocZero(call->context, sizeof(WatchStream));

	if (id_secret == 0)
		id_secret = pg_prng_uint64(&pg_global_prng_state) | 1;
	stream->call = call;
	stream->ids = watch_ids_create(call->context, 1, NULL);
	dlist_init(&stream->watches);
	dlist_push_tail(&watch_streams, &stream->link);
	call->state = stream;
	leader_need_begin(&stream->leader, call);
	watch_rights_begin();
	return stream;
}

/* ----------------------------------------------------------------
 *	Requests
 * ----------------------------------------------------------------
 */

static bool
has_filter(const Etcdserverpb__WatchCreateRequest *request,
		   Etcdserverpb__WatchCreateRequest__FilterType filter)
{
	size_t		i;

	for (i = 0; i < request->n_filters; i++)
	{
		if (request->filters[i] == filter)
			return true;
	}
	return false;
}

/*
 * The range of a request; an empty key is the first there is (etcd).
 */
static void
set_range(const Etcdserverpb__WatchCreateRequest *request, HubRange *range)
{
	range->key = (const char *) request->key.data;
	range->key_len = (uint32) request->key.len;
	if (range->key_len == 0)
	{
		range->key = "";		/* its terminating zero byte */
		range->key_len = 1;
	}
	range->end = (const char *) request->range_end.data;
	range->end_len = (uint32) request->range_end.len;
	range->puts = !has_filter(request, ETCDSERVERPB__WATCH_CREATE_REQUEST__FILTER_TYPE__NOPUT);
	range->deletes = !has_filter(request, ETCDSERVERPB__WATCH_CREATE_REQUEST__FILTER_TYPE__NODELETE);
	range->prev_kv = request->prev_kv;
}

static bool
is_empty(const HubRange *range)
{
	if (range->end_len == 0 || (range->end_len == 1 && range->end[0] == '\0'))
		return false;
	return bytes_compare(range->key, range->key_len, range->end, range->end_len) >= 0;
}

/*
 * Why a watch cannot be made, in etcd's words and in its order of checks; NULL if it can.
 */
static const char *
find_obstacle(WatchStream *stream, const Etcdserverpb__WatchCreateRequest *request,
			  const HubRange *range)
{
	const char *denied = watch_check_create(stream, range);

	if (denied != NULL)
		return denied;
	if (request->start_revision < 0)
		return "etcdserver: mvcc: required revision has been compacted";
	if (is_empty(range))
		return "mvcc: watcher range is empty";
	if (request->watch_id != 0 && watch_find(stream, request->watch_id) != NULL)
		return "mvcc: duplicate watch ID provided on the WatchStream";
	if (hub_watch_count() >= setting_max_client_watches)
		return "rpc error: code = ResourceExhausted desc = etcdserver: too many requests";
	return NULL;
}

static int64
choose_id(WatchStream *stream, int64 wanted)
{
	if (wanted != 0)
		return wanted;
	while (watch_find(stream, stream->next_id) != NULL)
		stream->next_id++;
	return stream->next_id++;
}

static void
create_watch(WatchStream *stream, const Etcdserverpb__WatchCreateRequest *request)
{
	Relation	store = call_store();
	ClientWatch *watch;
	HubRange	range;
	const char *obstacle;
	int64		revision;
	int64		compacted;
	int64		next;
	bool		found;

	set_range(request, &range);
	store_read_revisions(store, &revision, &compacted);
	obstacle = find_obstacle(stream, request, &range);
	if (obstacle != NULL)
	{
		watch_send_created(stream, NO_WATCH_ID, revision, obstacle);
		return;
	}

	watch = MemoryContextAllocZero(stream->call->context, sizeof(ClientWatch));
	watch->stream = stream;
	watch->id = choose_id(stream, request->watch_id);
	watch->permitted = watch_rights(store);
	watch->fragment = request->fragment;
	watch->notified = request->progress_notify;
	watch_ids_insert(stream->ids, watch->id, &found)->watch = watch;
	Assert(!found);
	watch->hub = hub_watch(store, &range, request->start_revision, &watch_listener, watch, &next);
	dlist_push_tail(&stream->watches, &watch->link);
	stream->nwatches++;
	if (!hub_is_synced(watch->hub))
		stream->nunsynced++;
	if (watch->notified && stream->nnotified++ == 0)
		watch_start_notifying(stream);

	/* what is told first comes after the revision that the client hears of */
	if (request->start_revision == 0)
		revision = next - 1;
	watch_send_created(stream, watch->id, revision, NULL);
}

static void
cancel_watch(WatchStream *stream, int64 id)
{
	ClientWatch *watch = watch_find(stream, id);
	HubWatch   *hub;

	if (watch == NULL)
		return;					/* as in etcd */
	hub = watch->hub;
	watch_forget(watch);
	hub_unwatch(hub);
	watch_send_canceled(stream, id, NULL);
	watch_try_progress(stream); /* that one may have been what it waited for */
}

/* ----------------------------------------------------------------
 *	The method
 * ----------------------------------------------------------------
 */

static void
watch_message(Call *call, const ProtobufCMessage *message)
{
	const Etcdserverpb__WatchRequest *request = (const Etcdserverpb__WatchRequest *) message;
	WatchStream *stream = call->state;

	if (stream == NULL)
		stream = begin_stream(call);

	switch (request->request_union_case)
	{
		case ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST:
			create_watch(stream, request->create_request);
			break;
		case ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CANCEL_REQUEST:
			cancel_watch(stream, request->cancel_request->watch_id);
			break;
		case ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_PROGRESS_REQUEST:
			watch_ask_progress(stream);
			break;
		default:
			/* etcd takes no notice of what it does not know */
			break;
	}

	/* a client that asks and does not read fills no memory with answers */
	if (!stream->paused && call_is_congested(call))
	{
		stream->paused = true;
		call_pause(call);
	}
}

static void
watch_drained(Call *call)
{
	WatchStream *stream = call->state;
	dlist_iter	iter;

	if (stream == NULL)
		return;
	dlist_foreach(iter, &stream->watches)
		hub_resume(dlist_container(ClientWatch, link, iter.cur)->hub);
	watch_try_progress(stream);
	if (stream->paused)
	{
		stream->paused = false;
		call_resume(call);
	}
}

static void
watch_ended(Call *call)
{
	WatchStream *stream = call->state;
	dlist_iter	iter;

	if (stream == NULL)
		return;
	dlist_foreach(iter, &stream->watches)
		hub_unwatch(dlist_container(ClientWatch, link, iter.cur)->hub);
	hub_await_no_more(&stream->progress_moment);
	timer_clear(&stream->notify_timer);
	leader_need_end(&stream->leader);
	dlist_delete(&stream->link);
	call->state = NULL;
}

const Method watch_methods[] = {
	{
		.path = "/etcdserverpb.Watch/Watch",
		.json_paths = {"/watch"},
		.request = &etcdserverpb__watch_request__descriptor,
		.response = &etcdserverpb__watch_response__descriptor,
		.client_streams = true,
		.server_streams = true,
		.message = watch_message,
		.drained = watch_drained,
		.ended = watch_ended
	},
	{NULL}
};
