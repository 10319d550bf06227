/*-------------------------------------------------------------------------
 *
 * hub.h
 *	  Events for the gateway: any number of watches, read once for all.
 *
 * The hub follows the store's revisions.  Watches that have been told everything are
 * in one group, which reads each new revision once and finds the watches concerned by
 * an index of ranges; those that begin in the past are read for in slices until they
 * have caught up (etcd's synced and unsynced watchers).
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/hub.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_GATEWAY_HUB_H
#define PGQ_GATEWAY_HUB_H

#include "mvccpb.pb-c.h"
#include "utils/relcache.h"

typedef struct HubWatch HubWatch;

/*
 * Some events of a watch, in the order of revisions, those of one revision all together.  What is
 * told is valid until the function returns.  The packed form of each event is made once for all
 * watches.
 */
typedef struct HubEvent
{
	const Mvccpb__Event *event;
	const uint8 *packed;		/* packed Mvccpb__Event, with prev_kv if the watch wants it */
	size_t		packed_len;
} HubEvent;

typedef struct HubListener
{
	/* revision: all up to it has been told with this */
	void		(*events) (HubWatch *watch, const HubEvent *events, int n, int64 revision, void *arg);

	/* What comes next has been compacted; the watch is over, and freed when this returns */
	void		(*compacted) (HubWatch *watch, int64 compact_revision, void *arg);

	/* May the watch be told more now?  If not, it falls behind, and is asked again each turn; NULL: yes */
	bool		(*ready) (HubWatch *watch, void *arg);
} HubListener;

typedef struct HubRange
{
	const char *key;			/* copied by the hub */
	uint32		key_len;
	const char *end;			/* etcd's range_end */
	uint32		end_len;
	bool		puts;
	bool		deletes;
	bool		prev_kv;
} HubRange;

/*
 * Begin to tell about a range all that happens from start_revision on (0: after the
 * present published revision).  *next gets the first revision that will be told.  Never calls the
 * listener itself.
 */
extern HubWatch *hub_watch(const HubRange *range, int64 start_revision,
						   const HubListener *listener, void *arg, int64 *next);
extern void hub_unwatch(HubWatch *watch);

/* Everything up to here has been told to this watch */
extern int64 hub_watch_told(const HubWatch *watch);

/* One turn: read what is new, tell it, let those behind catch up, all bounded in time.  In
 * the transaction of the turn.  Returns whether there is more to do at once. */
extern bool hub_turn(Relation store);

/* Has hub_turn() anything to do?  Looks at memory only: asked each turn, to save a transaction */
extern bool hub_has_work(void);

/*
 * Around the wait of the loop.  hub_prepare_wait() sees to it that the latch is set when there is
 * something new to be told, if anybody watches; returns false if there is already, and lowers
 * *timeout_ms (-1: for ever) to when hub_turn() wants to be called in any case.
 */
extern bool hub_prepare_wait(long *timeout_ms);
extern void hub_end_wait(void);

#endif							/* PGQ_GATEWAY_HUB_H */
