/*-------------------------------------------------------------------------
 *
 * watch_tell.c
 *	  The service Watch: what its clients are told.
 *
 * Events come packed from the hub, and the same bytes go to all watches they concern.  Only
 * the head of a response is made for each: header, watch_id, fragment.
 *
 * A watch whose client does not read is not told more, and goes on from the history of
 * revisions when the client has read.  What is due to a stream besides events (progress) is
 * sent once, when there is room.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/watch_tell.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/pg_prng.h"

#include "clock.h"
#include "gateway/errors.h"
#include "gateway/header.h"
#include "gateway/watch_int.h"
#include "settings.h"

/* Tags of the fields of a WatchResponse that are packed here */
#define WATCH_ID_TAG			(2 << 3)
#define FRAGMENT_TAG			(7 << 3)

/* Header, watch_id, fragment */
#define HEAD_MAX				(HEADER_FIELD_MAX + 11 + 2)

/* A stream that was ready for a batch is told no more of it beyond this */
#define ADMITTED_MAX			(5 * CALL_HIGH_WATER)

/* What etcd allows a request beyond its limit, and a response that is to be fragmented */
#define FRAGMENT_OVERHEAD		(512 * 1024)

/* ----------------------------------------------------------------
 *	Answers
 * ----------------------------------------------------------------
 */

static void
init_response(Etcdserverpb__WatchResponse *response, Etcdserverpb__ResponseHeader *header,
			  int64 revision, int64 id)
{
	etcdserverpb__watch_response__init(response);
	header_fill(header, revision);
	response->header = header;
	response->watch_id = id;
}

/*
 * watch_send_created() -- the answer to a request for a watch; with a reason if it was not made.
 */
void
watch_send_created(WatchStream *stream, int64 id, int64 revision, const char *cancel_reason)
{
	Etcdserverpb__WatchResponse response;
	Etcdserverpb__ResponseHeader header;

	init_response(&response, &header, revision, id);
	response.created = true;
	if (cancel_reason != NULL)
	{
		response.canceled = true;
		response.cancel_reason = (char *) cancel_reason;
	}
	call_send(stream->call, &response.base);
}

/*
 * watch_send_canceled() -- a watch is over; reason may be NULL.
 */
void
watch_send_canceled(WatchStream *stream, int64 id, const char *reason)
{
	Etcdserverpb__WatchResponse response;
	Etcdserverpb__ResponseHeader header;

	init_response(&response, &header, header_revision(), id);
	response.canceled = true;
	if (reason != NULL)
		response.cancel_reason = (char *) reason;
	call_send(stream->call, &response.base);
}

static void
send_progress(WatchStream *stream, int64 id, int64 revision)
{
	Etcdserverpb__WatchResponse response;
	Etcdserverpb__ResponseHeader header;

	init_response(&response, &header, revision, id);
	call_send(stream->call, &response.base);
}

/* ----------------------------------------------------------------
 *	Events
 * ----------------------------------------------------------------
 */

/*
 * The part of a response that is before its events.  Headers differ by their revision alone, and
 * mostly not from one watch to the next.
 */
static size_t
pack_head(uint8 *head, int64 revision, uint64 batch, int64 id, bool fragment)
{
	static uint8 header[HEADER_FIELD_MAX];
	static size_t header_len = 0;
	static int64 header_revision;
	static uint64 header_batch;
	uint64		rest = (uint64) id;
	size_t		len;

	if (header_len == 0 || header_revision != revision || header_batch != batch)
	{
		header_len = header_pack_field(revision, header);
		header_revision = revision;
		header_batch = batch;
	}
	memcpy(head, header, header_len);
	len = header_len;
	if (id != 0)
	{
		head[len++] = WATCH_ID_TAG;
		for (; rest > 127; rest >>= 7)
			head[len++] = (uint8) (rest & 127) | 128;
		head[len++] = (uint8) rest;
	}
	if (fragment)
	{
		head[len++] = FRAGMENT_TAG;
		head[len++] = 1;
	}
	Assert(len <= HEAD_MAX);
	return len;
}

/*
 * Send some of the events.  False if there was no memory, which ends the stream.
 */
static bool
send_events(ClientWatch *watch, const HubEvents *events, int first, int n, bool fragment)
{
	uint8		head[HEAD_MAX];
	size_t		head_len = pack_head(head, events->revision, events->batch, watch->id, fragment);
	SharedBytes *body = hub_events_packed(events, first, n);

	if (body == NULL)
	{
		errors_finish_with(watch->stream->call, &error_too_many_requests);
		return false;
	}
	call_send_packed(watch->stream->call, head, head_len, body);
	return true;
}

/*
 * How many events from the first-th on fit into a response of this size; at least one.
 */
static int
count_fitting(const HubEvents *events, int first, size_t size)
{
	size_t		len = HEAD_MAX;
	int			n = 0;

	while (first + n < events->n)
	{
		len += hub_event_size(events, first + n);
		if (n > 0 && len >= size)
			break;
		n++;
	}
	return n;
}

/*
 * A watch that asks for fragments gets no response larger than a request may be, unless a
 * single event is.
 */
static void
send_fragments(ClientWatch *watch, const HubEvents *events)
{
	size_t		size = (size_t) setting_max_request_bytes + FRAGMENT_OVERHEAD;
	int			first = 0;

	while (first < events->n)
	{
		int			n = count_fitting(events, first, size);
		bool		last = first + n == events->n;

		if (!send_events(watch, events, first, n, !last || events->part))
			return;
		first += n;
	}
}

/* HubListener.events */
static void
tell_events(HubWatch *hub, const HubEvents *events, void *arg)
{
	static uint64 seen_batch = 0;
	static uint64 rights;
	ClientWatch *watch = arg;

	/* a look at the rights that is not older than the events */
	if (events->batch != seen_batch)
	{
		rights = watch_rights(hub_store());
		seen_batch = events->batch;
	}
	if (rights != watch->permitted)
	{
		const char *denied = watch_check_rights(watch, hub_store(), rights);

		if (denied != NULL)
		{
			WatchStream *stream = watch->stream;
			int64		id = watch->id;

			watch_forget(watch);
			hub_unwatch(hub);
			watch_send_canceled(stream, id, denied);
			return;
		}
	}

	watch->told = true;
	watch->stream->told = Max(watch->stream->told, events->revision);
	if (watch->fragment)
		send_fragments(watch, events);
	else
		(void) send_events(watch, events, 0, events->n, events->part);
}

/* HubListener.compacted */
static void
tell_compacted(HubWatch *hub, int64 compact_revision, void *arg)
{
	ClientWatch *watch = arg;
	WatchStream *stream = watch->stream;
	Etcdserverpb__WatchResponse response;
	Etcdserverpb__ResponseHeader header;

	/* as etcd's, the header is of no revision */
	init_response(&response, &header, 0, watch->id);
	response.canceled = true;
	response.compact_revision = compact_revision;
	watch_forget(watch);
	call_send(stream->call, &response.base);
	watch_try_progress(stream);
}

/*
 * HubListener.ready
 *
 * A stream that is ready for a batch takes it for all of its watches, if it is not very large.
 * They would be at as many places otherwise as there were times when the client did
 * not keep up, and each place is read for on its own.
 */
static bool
is_ready(HubWatch *hub, uint64 batch, void *arg)
{
	WatchStream *stream = ((ClientWatch *) arg)->stream;

	if (stream->admitted == batch && call_queued_bytes(stream->call) < ADMITTED_MAX)
		return true;
	if (call_is_congested(stream->call))
		return false;
	stream->admitted = batch;
	return true;
}

/* HubListener.synced */
static void
note_synced(HubWatch *hub, bool synced, void *arg)
{
	ClientWatch *watch = arg;
	WatchStream *stream = watch->stream;

	stream->nunsynced += synced ? -1 : 1;
	if (synced)
		stream->told = Max(stream->told, hub_watch_told(hub));
	Assert(stream->nunsynced >= 0 && stream->nunsynced <= stream->nwatches);
	if (stream->nunsynced == 0)
		watch_try_progress(stream);
}

const HubListener watch_listener = {
	.events = tell_events,
	.compacted = tell_compacted,
	.ready = is_ready,
	.synced = note_synced
};

/* ----------------------------------------------------------------
 *	Progress
 * ----------------------------------------------------------------
 */

static void
progress_reached(HubMoment *moment)
{
	watch_try_progress((WatchStream *) ((char *) moment - offsetof(WatchStream, progress_moment)));
}

/*
 * watch_try_progress() -- answer a client that asked for the progress of its stream, if it is time.
 *
 * The answer says that everything up to its revision has been sent.  So it waits until all
 * watches of the stream have been told what there was when the client asked, and goes
 * out behind their events.
 */
void
watch_try_progress(WatchStream *stream)
{
	int64		revision = stream->progress_asked;

	if (revision == 0 || stream->nunsynced > 0 || call_is_congested(stream->call))
		return;
	if (stream->nwatches > 0)
	{
		/* a watch that has just caught up may be ahead; progress does not go back */
		revision = Max(revision, stream->told);
		if (hub_revision() < revision)
		{
			hub_await(&stream->progress_moment, revision, progress_reached);
			return;
		}
		revision = hub_revision();
	}
	stream->progress_asked = 0;
	hub_await_no_more(&stream->progress_moment);
	send_progress(stream, NO_WATCH_ID, revision);
}

/*
 * watch_ask_progress() -- the client asks how far its stream has been told.
 */
void
watch_ask_progress(WatchStream *stream)
{
	int64		revision;
	int64		compacted;

	store_read_revisions(call_store(), &revision, &compacted);
	stream->progress_asked = Max(stream->progress_asked, revision);
	watch_try_progress(stream);
}

static void notify_progress(Timer *timer);

/*
 * watch_start_notifying() -- a stream has its first watch that wants to hear of its progress by interval.
 *
 * Streams that began together do not stay so.
 */
void
watch_start_notifying(WatchStream *stream)
{
	int			ms = setting_watch_progress_notify_interval;

	ms += (int) pg_prng_uint64_range(&pg_global_prng_state, 0, ms / 10);
	timer_set(&stream->notify_timer, clock_plus_ms(gateway_now, ms), notify_progress);
}

/* Timer: tell the watches that have been told nothing since the last time */
static void
notify_progress(Timer *timer)
{
	WatchStream *stream = (WatchStream *) ((char *) timer - offsetof(WatchStream, notify_timer));
	dlist_iter	iter;

	if (stream->nnotified == 0)
		return;
	dlist_foreach(iter, &stream->watches)
	{
		ClientWatch *watch = dlist_container(ClientWatch, link, iter.cur);

		if (watch->notified && !watch->told && hub_is_synced(watch->hub) &&
			!call_is_congested(stream->call))
			send_progress(stream, watch->id, hub_watch_told(watch->hub));
		watch->told = false;
	}
	watch_start_notifying(stream);
}
