/*-------------------------------------------------------------------------
 *
 * lease_wire.h
 *	  Questions and answers about leases: arrays of int64, in network order.
 *
 * A question is a list of lease ids; the answer has so many numbers
 * for each, in the same order.  For src/member/, and for faces that ask by themselves
 * (calls.h).
 *
 *	 kind                       numbers of the answer
 *	 QUESTION_LEASE_KEEPALIVE   granted TTL in s, 0 if there is no such lease
 *	 QUESTION_LEASE_TTL         remaining ms (-1: no such lease), granted TTL in s
 *	 QUESTION_LEASE_EXPIRE      none: the answer comes when they are all gone
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/lease_wire.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_MEMBER_LEASE_WIRE_H
#define PGQ_MEMBER_LEASE_WIRE_H

#include "port/pg_bswap.h"

#include "member.h"

/* In one question; the longest answer has two numbers for each */
#define LEASES_PER_QUESTION		(QUESTION_MAX_BYTES / (2 * (int) sizeof(int64)))

static inline void
lease_put_word(char *bytes, int i, int64 word)
{
	uint64		wire = pg_hton64((uint64) word);

	memcpy(bytes + i * sizeof(uint64), &wire, sizeof(uint64));
}

static inline int64
lease_get_word(const char *bytes, int i)
{
	uint64		wire;

	memcpy(&wire, bytes + i * sizeof(uint64), sizeof(uint64));
	return (int64) pg_ntoh64(wire);
}

#endif							/* PGQ_MEMBER_LEASE_WIRE_H */
