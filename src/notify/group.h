/*-------------------------------------------------------------------------
 *
 * group.h
 *	  Watches that the notifier serves together, from one position on.
 *
 * Private to src/notify/.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/notify/group.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_NOTIFY_GROUP_H
#define PGQ_NOTIFY_GROUP_H

#include "nodes/pg_list.h"

#include "notify/feed.h"
#include "store/range_index.h"

/* The notifier's copy of a watch in the registry */
typedef struct LocalWatch
{
	uint64		id;				/* key of the notifier's hash table */
	int			slot;			/* in the registry */
	bool		present;		/* seen in the last look through the registry */
	bool		ended;			/* was told that it is told no more */
	bool		denied;			/* because it may not be, not for compacted events */
	Oid			role;			/* who registered it */
	bool		named;
	bool		prev_value;
	uint8		kinds;
	WatchPayload payload;
	int64		after;			/* not to be told anything up to this revision */
	int64		matched;		/* WATCH_PAYLOAD_REVISION: last revision with an event */
	int64		told;			/* likewise: last revision told */
	WatchRange	range;			/* bytes are palloc'd with the watch */
	RangeNode	node;			/* in the index of its group */
	char		channel[NAMEDATALEN];
} LocalWatch;

/*
 * Watches and the position up to which all of them have been told (those
 * with a later `after` up to there).
 */
typedef struct WatchGroup
{
	List	   *watches;		/* of LocalWatch */
	FeedPosition position;
	uint64		permitted;		/* permit_state() as of which all may be told; 0 also
								 * if nobody has looked */
	bool		unpublished;	/* the registry does not know of all that has changed */

	/* made of the watches; see group_changed() */
	MemoryContext context;
	RangeIndex	index;			/* empty: to be built */
	WatchRange	hull;
	bool		want_prev;
} WatchGroup;

/* What became of an attempt to send */
typedef enum GroupResult
{
	GROUP_QUIET,				/* there was nothing to send */
	GROUP_SENT,
	GROUP_ENDED,				/* sent, and some watches are marked ended */
	GROUP_NO_STORE,				/* the store could not be opened just now */
	GROUP_FULL					/* PostgreSQL's queue is too full */
} GroupResult;

extern void group_init(WatchGroup *group, const char *name);
extern void group_changed(WatchGroup *group);
extern int64 group_told(const WatchGroup *group, const LocalWatch *watch);
extern GroupResult group_send(WatchGroup *group, int64 until, Oid store, Outbox *outbox);

#endif							/* PGQ_NOTIFY_GROUP_H */
