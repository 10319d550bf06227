/*-------------------------------------------------------------------------
 *
 * registry.h
 *	  The watches of this instance, in shared memory.
 *
 * Private to src/notify/.  See the README for the life of a watch and for who
 * may touch what.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/notify/registry.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_NOTIFY_REGISTRY_H
#define PGQ_NOTIFY_REGISTRY_H

#include "port/atomics.h"
#include "storage/lwlock.h"

#include "store/store.h"

/* Kinds of events a watch wants, a bit mask */
#define WATCH_PUT				0x01
#define WATCH_DELETE			0x02
#define WATCH_ALL				(WATCH_PUT | WATCH_DELETE)

/* What the notifications of a watch carry */
typedef enum WatchPayload
{
	WATCH_PAYLOAD_EVENT,		/* an event each */
	WATCH_PAYLOAD_REVISION		/* the last revision with an event, once a window */
} WatchPayload;

/*
 * Keys, in etcd's form: an empty end is the one key, "\0" as end is all keys
 * from key on, anything else is the half-open range [key, end).
 */
typedef struct WatchRange
{
	const char *key;
	uint32		key_len;
	const char *end;
	uint32		end_len;
} WatchRange;

/* What somebody wants to be told; told_revision counts as told already. */
typedef struct WatchSpec
{
	WatchRange	range;
	int			kinds;			/* WATCH_PUT, WATCH_DELETE */
	bool		prev_value;
	WatchPayload payload;
	int64		told_revision;
} WatchSpec;

/*
 * Life of a registered watch.  PENDING: the transaction that registers it has not
 * committed, nothing is sent.  ACTIVE: the notifier serves it.  ENDED and DENIED:
 * named watches only, its events were compacted away before they were told, or
 * it may not be told them; it stays to be seen until it is dropped.
 */
typedef enum WatchState
{
	WATCH_FREE = 0,
	WATCH_PENDING,
	WATCH_ACTIVE,
	WATCH_ENDED,
	WATCH_DENIED
} WatchState;

/* Longest range end: the end of a prefix is no longer than the prefix. */
#define WATCH_MAX_KEY_BYTES		STORE_MAX_KEY_BYTES

/*
 * One watch.  Memory for the longest keys is set aside in each slot; pages of
 * slots that were never used are never touched, so that costs address space,
 * not memory.
 */
typedef struct SharedWatch
{
	WatchState	state;
	bool		named;			/* else it belongs to session pid */
	bool		following;		/* told up to the registry's followed_revision */
	bool		prev_value;
	uint8		kinds;
	uint8		payload;		/* WatchPayload */
	uint16		key_len;
	uint16		end_len;
	uint64		id;				/* unique until shared memory is made anew */
	Oid			store;			/* relation whose events it is told */
	Oid			role;			/* who registered it */
	int			pid;			/* session; 0 for a named watch */
	int64		told_revision;	/* where not following, or if larger */
	char		channel[NAMEDATALEN];
	char		bytes[2 * WATCH_MAX_KEY_BYTES]; /* key, then end */
} SharedWatch;

typedef struct WatchRegistry
{
	LWLock		lock;			/* everything below but the atomics */
	int			tranche;
	int			notifier_procno;	/* -1: not running */
	pg_atomic_uint64 generation;	/* moves whenever the notifier should look again */
	uint64		named_generation;	/* moves when a named watch comes or goes */
	uint64		next_id;
	int64		followed_revision;	/* up to which following watches have been told */
	int64		followed_offset;	/* and so many events of the revision after it */
	int			nslots;
	int			high_water;		/* slots at and above it were never used */
	int			nused;
	SharedWatch slots[FLEXIBLE_ARRAY_MEMBER];
} WatchRegistry;

extern WatchRegistry *watch_registry;

/* registry.c */
extern void registry_lock(LWLockMode mode);
extern void registry_unlock(void);
extern void registry_attach(void);
extern SharedWatch *registry_add(const WatchSpec *spec, const char *channel,
								 bool named, Oid store);
extern SharedWatch *registry_find(uint64 id);
extern SharedWatch *registry_find_named(const char *channel);
extern void registry_free(SharedWatch *watch);
extern void registry_changed(void);
extern int64 registry_told(const SharedWatch *watch);
extern void registry_range(const SharedWatch *watch, WatchRange *range);

#endif							/* PGQ_NOTIFY_REGISTRY_H */
