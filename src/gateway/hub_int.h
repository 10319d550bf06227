/*-------------------------------------------------------------------------
 *
 * hub_int.h
 *	  What the files of the hub share.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/hub_int.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_GATEWAY_HUB_INT_H
#define PGQ_GATEWAY_HUB_INT_H

#include "lib/ilist.h"
#include "lib/pairingheap.h"

#include "clock.h"
#include "gateway/hub.h"
#include "store/range_index.h"
#include "store/store.h"

/* Most watches that change their group in one turn */
#define HUB_MOVES_PER_TURN		2000

typedef enum HubState
{
	HUB_IN_GROUP,
	HUB_FUTURE,					/* its first revision has not come */
	HUB_PARKED,					/* its listener is not ready */
	HUB_OVER					/* to be told that what comes next is compacted */
} HubState;

/*
 * A watch.  It has been told all changes before `next`, and in a group also those before
 * the group's.  There are many of them, so it has nothing that is not needed, and its bytes
 * are in the same piece of memory.
 */
struct HubWatch
{
	RangeNode	node;			/* in the index of its group */
	dlist_node	link;			/* in its group, or with those parked or over */
	pairingheap_node future;
	struct HubGroup *group;		/* NULL unless HUB_IN_GROUP */
	const HubListener *listener;
	void	   *arg;
	StorePosition next;
	int32		target;			/* place in the batch of its group; -1: not concerned */
	uint8		state;			/* HubState */
	bool		puts;
	bool		deletes;
	bool		prev_kv;
	bool		synced;			/* as the listener knows it */
	char		bytes[FLEXIBLE_ARRAY_MEMBER];	/* key and end */
};

/* An event, packed at most once for each form: without and with prev_kv */
typedef struct HubPacked
{
	int64		revision;
	SharedBytes *packed[2];		/* the same twice if there is no prev_kv */
} HubPacked;

/* Events that follow each other in a batch and concern the same watch */
typedef struct HubRun
{
	int32		first;
	int32		n;
	int32		next;			/* run of the same watch; -1: none */
} HubRun;

typedef struct HubTarget
{
	HubWatch   *watch;			/* NULL: has gone meanwhile */
	int32		first_run;
	int32		last_run;
	int32		n;				/* events */
} HubTarget;

/* Fields of several events in one piece, kept for the next watch that wants just these */
typedef struct HubComposed
{
	SharedBytes *bytes;
	int32		first;			/* of consecutive events; or -1: events[] */
	int32		n;
	int32	   *events;
} HubComposed;

/*
 * What has been read for a group and is to be told.  It is read in one or more turns, then told in one or
 * more; then the group moves to `cursor`.
 */
typedef struct HubBatch
{
	MemoryContext context;
	uint64		number;
	uint32		generation;		/* of the store it is read from */
	bool		begun;			/* else all of the below means nothing */
	bool		reading;		/* within a call of the store */
	bool		complete;		/* to be told */
	bool		part;			/* ends within a revision */
	StorePosition cursor;		/* up to where it was read */
	int64		current;		/* revision of the last event */
	Size		bytes;			/* memory it takes */
	Size		told_bytes;		/* of all events, for each watch that is told them */

	HubPacked  *events;
	int32		nevents;
	int32		max_events;
	HubRun	   *runs;
	int32		nruns;
	int32		max_runs;
	HubTarget  *targets;
	int32		ntargets;
	int32		max_targets;

	int32		told;			/* targets done */
	HubComposed composed[2];
} HubBatch;

/* Watches that are served together from one position on */
typedef struct HubGroup
{
	dlist_node	link;			/* among those that catch up */
	dlist_head	watches;
	int			nwatches;
	int			nprev;			/* that want prev_kv */
	RangeIndex	index;
	StorePosition next;
	HubBatch	batch;
} HubGroup;

typedef struct Hub
{
	MemoryContext context;		/* of all of it; NULL: never used */
	HubGroup	synced;
	dlist_head	behind;			/* groups that catch up, in the order of their turns */
	int			nbehind;
	pairingheap *future;
	dlist_head	parked;
	dlist_head	over;
	dlist_head	moments;
	int			nwatches;
	Oid			store_id;		/* relation they are about */
	Relation	store;			/* during a turn */
	int64		revision;		/* of the store, when it was looked at last */
	int64		compacted;
	int64		published;		/* likewise, as the member said */
	bool		more;			/* the last turn left something to do */
} Hub;

extern Hub hub;

static inline int
position_compare(const StorePosition *a, const StorePosition *b)
{
	if (a->revision != b->revision)
		return a->revision < b->revision ? -1 : 1;
	return a->sub < b->sub ? -1 : a->sub > b->sub ? 1 : 0;
}

static inline void
position_raise(StorePosition *position, const StorePosition *to)
{
	if (position_compare(position, to) < 0)
		*position = *to;
}

/* hub_batch.c: what was read, and for whom */
extern void hub_batch_init(HubBatch *batch);
extern void hub_batch_begin(HubBatch *batch, const StorePosition *from, uint32 generation);
extern void hub_batch_reset(HubBatch *batch);
extern int32 hub_batch_add_event(HubBatch *batch, const Mvccpb__Event *event);
extern void hub_batch_pack(HubBatch *batch, int32 number, const Mvccpb__Event *event, bool prev_kv);
extern void hub_batch_add_hit(HubBatch *batch, HubWatch *watch, int32 event);
extern void hub_batch_forget(HubBatch *batch, HubWatch *watch);
extern void hub_batch_tell(HubBatch *batch, HubTarget *target);

/* hub_group.c: watches served together */
extern void hub_group_init(HubGroup *group);
extern void hub_group_add(HubGroup *group, HubWatch *watch);
extern void hub_group_remove(HubWatch *watch);
extern const StorePosition *hub_group_join(const HubGroup *group);
extern bool hub_group_serve(HubGroup *group, ClockTime deadline);

/* hub_behind.c: those that catch up */
extern void hub_behind_add(HubWatch *watch);
extern bool hub_behind_turn(void);

/* hub.c */
extern void hub_place(HubWatch *watch);
extern void hub_set_synced(HubWatch *watch);
extern void hub_park(HubWatch *watch);
extern void hub_end(HubWatch *watch);

#endif							/* PGQ_GATEWAY_HUB_INT_H */
