/*-------------------------------------------------------------------------
 *
 * session_lease.h
 *	  The table of session leases in shared memory.
 *
 * Private to src/member/.  A session claims an entry and gives it up by making
 * it ENDING; only the worker frees it, when the lease is gone.  So the
 * table has more entries than there can be sessions.
 *
 *	 FREE -> CLAIMED -> HELD <-> LOST, any of the last three -> ENDING -> FREE
 *
 * The session moves FREE -> CLAIMED, CLAIMED -> HELD, LOST -> CLAIMED and to ENDING; the
 * worker moves HELD -> LOST and ENDING -> FREE; all by compare-and-swap.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/session_lease.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_MEMBER_SESSION_LEASE_H
#define PGQ_MEMBER_SESSION_LEASE_H

#include "port/atomics.h"

#include "member.h"

typedef enum SessionLeaseState
{
	SESSION_LEASE_FREE,
	SESSION_LEASE_CLAIMED,		/* being granted, or that was tried with unknown outcome */
	SESSION_LEASE_HELD,			/* the worker renews it */
	SESSION_LEASE_LOST,			/* the leader says that it is gone */
	SESSION_LEASE_ENDING		/* given up, the worker has it revoked */
} SessionLeaseState;

/*
 * id, ttl and procno are written by the session in CLAIMED.  Times are in ms of the
 * monotonic clock, which all processes share.
 */
typedef struct SessionLease
{
	pg_atomic_uint32 state;
	int			procno;
	int64		id;
	int64		ttl;			/* s, as granted */
	pg_atomic_uint64 known_until;	/* nobody lets it expire before */
	pg_atomic_uint64 next_try;	/* when the worker renews or revokes it */
} SessionLease;

typedef struct SessionLeases
{
	pg_atomic_uint32 used;		/* entries that are not FREE */
	pg_atomic_uint32 changed;	/* some session has given its entry up */
	int			size;
	SessionLease entries[FLEXIBLE_ARRAY_MEMBER];
} SessionLeases;

extern SessionLeases *session_leases;

extern Size session_leases_shmem_size(void);
extern void session_leases_shmem_init(void);

static inline bool
session_lease_move(SessionLease *lease, SessionLeaseState from, SessionLeaseState to)
{
	uint32		expected = from;

	return pg_atomic_compare_exchange_u32(&lease->state, &expected, to);
}

#endif							/* PGQ_MEMBER_SESSION_LEASE_H */
