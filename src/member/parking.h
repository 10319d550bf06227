/*-------------------------------------------------------------------------
 *
 * parking.h
 *	  Sleeping until a word of shared memory changes.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/parking.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_MEMBER_PARKING_H
#define PGQ_MEMBER_PARKING_H

#include "port/atomics.h"

extern void park(pg_atomic_uint32 *word, uint32 seen, long timeout_ms, uint32 wait_event);
extern void unpark(pg_atomic_uint32 *word);

#endif							/* PGQ_MEMBER_PARKING_H */
