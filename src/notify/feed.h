/*-------------------------------------------------------------------------
 *
 * feed.h
 *	  Events read in bounded batches, and the notifications they make.
 *
 * Private to src/notify/.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/notify/feed.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_NOTIFY_FEED_H
#define PGQ_NOTIFY_FEED_H

#include "notify/registry.h"

/*
 * How far the events have been told: every event up to `revision`, and of the
 * first revision after it that has events, the first `offset` of them (whatever
 * their keys).  The offset is 0 but within a revision too large for one batch.
 */
typedef struct FeedPosition
{
	int64		revision;
	int64		offset;
} FeedPosition;

typedef struct Notification
{
	const char *channel;		/* borrowed */
	const char *payload;		/* in the outbox's context; may be shared */
} Notification;

/* Notifications waiting to be sent, in order */
typedef struct Outbox
{
	MemoryContext context;		/* of everything below; reset by outbox_reset() */
	Notification *items;
	int			n;
	int			allocated;
	Size		bytes;			/* what they take, about */
	Size		batch_bytes;	/* a batch ends at this size; kept by outbox_reset() */
} Outbox;

extern void outbox_init(Outbox *outbox, MemoryContext parent);
extern void outbox_reset(Outbox *outbox);
extern void outbox_add(Outbox *outbox, const char *channel, const char *payload);

/* Adds what an event makes to the outbox; the event is valid until it returns */
typedef void (*FeedVisit) (const Mvccpb__Event *event, Outbox *outbox, void *arg);

extern StoreError feed_read(Relation tree, const WatchRange *range, bool want_prev,
							int64 until, FeedPosition *position,
							FeedVisit visit, void *arg, Outbox *outbox);

#endif							/* PGQ_NOTIFY_FEED_H */
