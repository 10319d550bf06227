/*-------------------------------------------------------------------------
 *
 * feed.c
 *	  Events read in bounded batches, and the notifications they make.
 *
 * A batch ends where a revision ends, as soon as it is as large as the outbox
 * wants it, or holds FEED_BATCH_EVENTS.  So the notifications of one revision go out together.  A
 * revision may be as large as the store, though (the deletion of everything is
 * one): beyond FEED_MAX_BYTES it is told in parts, and the position then counts the
 * events of that revision that have been told.  The count must mean the same when
 * the range asked for has changed in between, so a revision told in parts is
 * read whole, all keys, and the visitor leaves out what it does not want.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/notify/feed.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "notify/feed.h"

/* A batch ends at the first end of a revision beyond these */
#define FEED_BATCH_BYTES		(1024 * 1024)	/* unless the outbox has another limit */
#define FEED_BATCH_EVENTS		10000

/* What a notification takes beside its channel and payload */
#define NOTIFICATION_BYTES		24

/* A revision that makes more than this is told in parts */
#define FEED_MAX_BYTES			(8 * 1024 * 1024)

typedef struct FeedState
{
	FeedVisit	visit;
	void	   *arg;
	Outbox	   *outbox;
	bool		whole;			/* reading one revision, all keys, from an offset */
	int64		skip;			/* whole: events told before */
	int64		current;		/* revision being read; 0: none yet */
	int64		seen;			/* events seen of it */
	int			mark;			/* notifications before it */
	int64		complete;		/* all before this revision was visited */
	int64		events;			/* seen in the batch */
	bool		overflow;		/* the revision does not fit */
	bool		stopped;		/* the batch ended before `until` */
} FeedState;

void
outbox_init(Outbox *outbox, MemoryContext parent)
{
	outbox->context = AllocSetContextCreate(parent, "pg_quorum notifications",
											ALLOCSET_DEFAULT_SIZES);
	outbox->items = NULL;
	outbox->n = outbox->allocated = 0;
	outbox->bytes = 0;
	outbox->batch_bytes = FEED_BATCH_BYTES;
}

void
outbox_reset(Outbox *outbox)
{
	MemoryContextReset(outbox->context);
	outbox->items = NULL;
	outbox->n = outbox->allocated = 0;
	outbox->bytes = 0;
}

void
outbox_add(Outbox *outbox, const char *channel, const char *payload)
{
	if (outbox->n >= outbox->allocated)
	{
		if (outbox->items == NULL)
		{
			outbox->allocated = 64;
			outbox->items = MemoryContextAlloc(outbox->context,
											   outbox->allocated * sizeof(Notification));
		}
		else
		{
			outbox->allocated *= 2;
			outbox->items = repalloc_huge(outbox->items,
										  outbox->allocated * sizeof(Notification));
		}
	}
	outbox->items[outbox->n].channel = channel;
	outbox->items[outbox->n].payload = payload;
	outbox->n++;
	outbox->bytes += strlen(channel) + strlen(payload) + NOTIFICATION_BYTES;
}

/*
 * StoreEventVisit: hand an event on, or end the batch.
 */
static bool
feed_event(const Mvccpb__Event *event, void *arg)
{
	FeedState  *state = arg;
	int64		revision = event->kv->mod_revision;

	CHECK_FOR_INTERRUPTS();

	if (revision != state->current)
	{
		if (state->current != 0)
		{
			state->complete = state->current;
			if (state->whole ||
				state->outbox->bytes >= state->outbox->batch_bytes ||
				state->events >= FEED_BATCH_EVENTS)
			{
				state->stopped = true;
				return false;
			}
		}
		state->current = revision;
		state->seen = 0;
		state->mark = state->outbox->n;
	}
	else if (state->outbox->bytes > FEED_MAX_BYTES)
	{
		state->overflow = true;
		state->stopped = true;
		return false;
	}

	state->seen++;
	state->events++;
	if (state->whole && state->seen <= state->skip)
		return true;
	state->visit(event, state->outbox, state->arg);
	return true;
}

/*
 * feed_read() -- read one batch of events and let `visit` make notifications.
 *
 * Reads the events after *position up to revision `until` on the range, moves
 * *position past what the batch holds, and appends to the outbox, which must be empty.
 * A batch that reaches `until`, or the present, leaves position->revision there.
 *
 * Returns STORE_COMPACTED, with nothing read, where events after the position are
 * compacted away.  The store's relation must be open.
 */
StoreError
feed_read(Relation tree, const WatchRange *range, bool want_prev,
		  int64 until, FeedPosition *position,
		  FeedVisit visit, void *arg, Outbox *outbox)
{
	static const WatchRange all = {"", 0, "", 1};
	FeedState	state;
	int64		next_after;
	StoreError	error;

	Assert(outbox->n == 0);
	if (until <= position->revision)
		return STORE_OK;

	memset(&state, 0, sizeof(state));
	state.visit = visit;
	state.arg = arg;
	state.outbox = outbox;
	state.whole = position->offset > 0;
	state.skip = position->offset;

retry:
	if (state.whole)
		range = &all;
	error = store_events(tree, NULL, range->key, range->key_len, range->end, range->end_len,
						 position->revision, until, want_prev, 0,
						 feed_event, &state, &next_after);
	if (error != STORE_OK)
		return error;

	if (state.overflow && !state.whole)
	{
		if (state.complete > 0)
		{
			/* send what came before it first */
			outbox->n = state.mark;
			position->revision = state.complete;
			position->offset = 0;
			return STORE_OK;
		}
		outbox_reset(outbox);
		position->revision = state.current - 1; /* nothing wanted before it */
		state.whole = true;
		state.skip = 0;
		state.current = 0;
		state.seen = 0;
		state.events = 0;
		state.overflow = false;
		state.stopped = false;
		goto retry;
	}

	if (state.overflow)
	{
		/* state.seen counts all that were told, those before this batch included */
		position->offset = state.seen;
		return STORE_OK;
	}

	position->revision = state.stopped ? state.complete : next_after;
	position->offset = 0;
	return STORE_OK;
}
