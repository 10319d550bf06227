/*-------------------------------------------------------------------------
 *
 * index.h
 *	  From a key to the ranges that contain it.
 *
 * Private to src/notify/.  Knows nothing of PostgreSQL but its memory.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/notify/index.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_NOTIFY_INDEX_H
#define PGQ_NOTIFY_INDEX_H

#include "notify/registry.h"

typedef struct RangeIndex RangeIndex;

typedef void (*RangeIndexHit) (void *item, void *arg);

/*
 * Build an index of n ranges, each with the item that a hit reports, in the
 * current memory context.  The bytes of the ranges are borrowed and must outlive the index.
 */
extern RangeIndex *range_index_build(const WatchRange *ranges, void *const *items, int n);

/* Report the item of every range that contains the key, in no particular order */
extern void range_index_search(const RangeIndex *index, const char *key, uint32 key_len,
							   RangeIndexHit hit, void *arg);

/* The smallest range that contains all of them; bytes borrowed from the index,
 * which must hold at least one */
extern void range_index_hull(const RangeIndex *index, WatchRange *hull);

/* Is the key in the range? */
extern bool watch_range_contains(const WatchRange *range, const char *key, uint32 key_len);

#endif							/* PGQ_NOTIFY_INDEX_H */
