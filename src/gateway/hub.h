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

#include "lib/ilist.h"
#include "utils/relcache.h"

#include "gateway/call.h"
#include "mvccpb.pb-c.h"

typedef struct HubWatch HubWatch;

/*
 * Some events of one watch, in the order of revisions.  Valid until the function they are told to
 * returns.  Those of one revision come together, unless there are more of them than the hub
 * wants in memory: then `part` says that the last revision goes on with the next call.
 */
typedef struct HubEvents
{
	int			n;
	bool		part;
	int64		revision;		/* all up to it has been told with these; if part, the one that goes on */
	uint64		batch;			/* a number that tells what was read together */
} HubEvents;

/* Length of the i-th event, packed as a field of a WatchResponse (tag, length, mvccpb.Event) */
extern size_t hub_event_size(const HubEvents *events, int i);

/*
 * The fields of n events from the first-th on.  The reference is the hub's; whoever is told the same
 * gets the same bytes.  NULL if there is no memory for them.
 */
extern SharedBytes *hub_events_packed(const HubEvents *events, int first, int n);

/* The i-th event, in the current memory context */
extern Mvccpb__Event *hub_event_unpack(const HubEvents *events, int i);

/*
 * What is told about a watch.  These run in hub_turn(), in its transaction (hub_store()), and
 * may begin and end watches, also the one they are told about unless it is over.
 */
typedef struct HubListener
{
	void		(*events) (HubWatch *watch, const HubEvents *events, void *arg);

	/* What comes next has been compacted; the watch is over, and freed when this returns */
	void		(*compacted) (HubWatch *watch, int64 compact_revision, void *arg);

	/* May the watch be told something now, a batch of this number?  If not, it falls behind
	 * and waits for hub_resume(); NULL: always */
	bool		(*ready) (HubWatch *watch, uint64 batch, void *arg);

	/* hub_is_synced() has changed; NULL: of no interest */
	void		(*synced) (HubWatch *watch, bool synced, void *arg);
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
 * present revision of the store).  *next gets the first revision that will be told.  Never calls the
 * listener itself.
 */
extern HubWatch *hub_watch(Relation store, const HubRange *range, int64 start_revision,
						   const HubListener *listener, void *arg, int64 *next);
extern void hub_unwatch(HubWatch *watch);

/* The listener is ready again */
extern void hub_resume(HubWatch *watch);

/* Has the watch been told all there is, up to where the hub has read?  Not so before its first
 * revision has come */
extern bool hub_is_synced(const HubWatch *watch);

/* Everything up to here has been told to this watch; and to all that are synced */
extern int64 hub_watch_told(const HubWatch *watch);
extern int64 hub_revision(void);

/* The range as it was given, but for bounds longer than any key; valid as long as the watch */
extern void hub_watch_range(const HubWatch *watch, HubRange *range);

/*
 * To be called when hub_revision() has reached a revision, at the end of a hub_turn(); once.  Part of what
 * waits; zeroed memory waits for nothing.
 */
typedef struct HubMoment
{
	dlist_node	link;
	int64		revision;		/* 0: not waiting */
	void		(*reached) (struct HubMoment *moment);
} HubMoment;

extern void hub_await(HubMoment *moment, int64 revision, void (*reached) (HubMoment *moment));
extern void hub_await_no_more(HubMoment *moment);

/* How many watches there are */
extern int	hub_watch_count(void);

/* The store, while listeners are told something */
extern Relation hub_store(void);

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
