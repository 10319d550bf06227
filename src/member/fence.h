/*-------------------------------------------------------------------------
 *
 * fence.h
 *	  A file that a copy of the data directory cannot pass off as its own.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/fence.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_MEMBER_FENCE_H
#define PGQ_MEMBER_FENCE_H

/* make or replace the file for this number; ERROR if that fails */
extern void fence_create(uint64 fence);

/* NULL if the file is in order, else why not (a full sentence) */
extern const char *fence_check(uint64 fence);

#endif							/* PGQ_MEMBER_FENCE_H */
