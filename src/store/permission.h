/*-------------------------------------------------------------------------
 *
 * permission.h
 *	  What the roles of a user allow, as intervals of keys.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/permission.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_STORE_PERMISSION_H
#define PGQ_STORE_PERMISSION_H

#include "store/encoding.h"

/* Keys from start on, before end unless open */
typedef struct KeyInterval
{
	const char *start;
	uint32		start_len;
	const char *end;
	uint32		end_len;
	bool		open;			/* there is no end */
} KeyInterval;

/* Disjoint, not even touching, and in order */
typedef struct IntervalSet
{
	KeyInterval *intervals;
	int			n;
} IntervalSet;

struct StorePermissions
{
	bool		everything;		/* the role root */
	IntervalSet allowed[2];		/* by StoreAccess */
};

extern bool permission_range_is_valid(const char *key, uint32 key_len,
									  const char *range_end, uint32 range_end_len);
extern StorePermissions *permissions_make(Authpb__Role *const *roles, int nroles);

#endif							/* PGQ_STORE_PERMISSION_H */
