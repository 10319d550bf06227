/*-------------------------------------------------------------------------
 *
 * watch_int.h
 *	  What the files of the Watch service share.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/watch_int.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_GATEWAY_WATCH_INT_H
#define PGQ_GATEWAY_WATCH_INT_H

#include "lib/ilist.h"

#include "etcdserverpb.pb-c.h"
#include "gateway/call.h"
#include "gateway/hub.h"
#include "gateway/leader.h"
#include "gateway/timer.h"
#include "store/store.h"

/* The watch_id of a watch that was not made, and of a progress that concerns all */
#define NO_WATCH_ID				(-1)

struct watch_ids_hash;

/*
 * A call of Watch, with any number of watches.  In the memory of the call, as all that
 * belongs to it.
 */
typedef struct WatchStream
{
	Call	   *call;
	dlist_node	link;			/* among all streams */
	struct watch_ids_hash *ids; /* of the watches */
	dlist_head	watches;		/* in no particular order */
	int			nwatches;
	int			nunsynced;
	int64		next_id;
	bool		paused;			/* takes no messages until the client has read */
	uint64		admitted;		/* batch of events that it was ready for */

	/* progress */
	int			nnotified;		/* watches that want it by interval */
	Timer		notify_timer;
	int64		progress_asked; /* as of this revision, and is owed; 0: not */
	int64		told;			/* a watch has been told up to here; progress does not go below */
	HubMoment	progress_moment;

	/* on whose behalf; NULL: not known, authentication was off */
	const char *user;
	int			unlooked;		/* watches whose rights are being looked at */

	LeaderNeed	leader;
} WatchStream;

typedef struct ClientWatch
{
	dlist_node	link;
	WatchStream *stream;
	HubWatch   *hub;
	int64		id;
	uint64		permitted;		/* watch_rights() as of which it may be told */
	bool		fragment;
	bool		notified;
	bool		told;			/* something since the last notification was due */
} ClientWatch;

/* watch.c */
extern dlist_head watch_streams;
extern ClientWatch *watch_find(WatchStream *stream, int64 id);
extern void watch_forget(ClientWatch *watch);

/* watch_tell.c: what is sent to the client */
extern const HubListener watch_listener;
extern void watch_send_created(WatchStream *stream, int64 id, int64 revision,
							   const char *cancel_reason);
extern void watch_send_canceled(WatchStream *stream, int64 id, const char *reason);
extern void watch_ask_progress(WatchStream *stream);
extern void watch_try_progress(WatchStream *stream);
extern void watch_start_notifying(WatchStream *stream);

/* watch_rights.c: who may watch what */
extern uint64 watch_rights(Relation store);
extern const char *watch_check_create(WatchStream *stream, const HubRange *range);
extern const char *watch_check_rights(ClientWatch *watch, Relation store, uint64 rights);
extern void watch_rights_begin(void);

#endif							/* PGQ_GATEWAY_WATCH_INT_H */
