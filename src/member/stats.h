/*-------------------------------------------------------------------------
 *
 * stats.h
 *	  Counters of what the member has done, in shared memory.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/stats.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_MEMBER_STATS_H
#define PGQ_MEMBER_STATS_H

#include "datatype/timestamp.h"

/*
 * Counters of the member.  All are counted up by the raft worker but for the two
 * of the flusher.  Times are in microseconds.
 */
typedef enum MemberCounter
{
	STAT_PROPOSALS,				/* commands of clients here, proposed or forwarded */
	STAT_FORWARDED,				/* of them forwarded to the leader */
	STAT_COMMITS,				/* entries known to be committed */
	STAT_APPLIES,				/* entries applied */
	STAT_APPLY_USEC,
	STAT_SLOW_APPLIES,			/* batches that took longer than STATS_SLOW_APPLY_MS */
	STAT_READS,					/* linearizable reads answered */
	STAT_READ_ROUNDS,
	STAT_FSYNCS,				/* by the raft worker */
	STAT_FSYNC_USEC,
	STAT_FLUSHER_FSYNCS,		/* by the flusher */
	STAT_FLUSHER_FSYNC_USEC,
	STAT_MESSAGES_SENT,
	STAT_MESSAGES_RECEIVED,
	STAT_BYTES_SENT,
	STAT_BYTES_RECEIVED,
	STAT_SNAPSHOTS_SENT,
	STAT_SNAPSHOTS_RECEIVED,
	STAT_LEADER_CHANGES,
	STAT_COUNT
} MemberCounter;

#define STATS_SLOW_APPLY_MS		100

/* Counters for each of the other members; all of the raft worker. */
typedef enum PeerCounter
{
	PEER_STAT_MESSAGES_SENT,
	PEER_STAT_MESSAGES_RECEIVED,
	PEER_STAT_BYTES_SENT,
	PEER_STAT_BYTES_RECEIVED,
	PEER_STAT_CONNECTS,			/* connections made */
	PEER_STAT_FAILURES,			/* connections lost, or not made */
	PEER_STAT_COUNT
} PeerCounter;

/*
 * Distributions of times, each of one process.  A bucket counts what is at most its bound and above that
 * of the one before; the last one what is above all bounds.
 */
typedef enum MemberHistogram
{
	HISTOGRAM_FSYNC,			/* by the raft worker */
	HISTOGRAM_FLUSHER_FSYNC,	/* by the flusher */
	HISTOGRAM_APPLY,			/* of a batch of entries, by the raft worker */
	HISTOGRAM_COUNT
} MemberHistogram;

#define STATS_BUCKETS			20
#define STATS_BUCKET_USEC(i)	(UINT64CONST(100) << (i))

typedef struct StatsHistogram
{
	uint64		buckets[STATS_BUCKETS + 1];
	uint64		sum_usec;
} StatsHistogram;

typedef struct MemberStats
{
	uint64		counters[STAT_COUNT];
	TimestampTz since;			/* when counting began */
} MemberStats;

typedef struct PeerStats
{
	uint64		id;
	uint64		counters[PEER_STAT_COUNT];
	uint64		rtt_usec;		/* 0: not known */
	StatsHistogram rtt;			/* of all round trips */
} PeerStats;

/* any process */
extern void member_get_stats(MemberStats *stats);
extern int	member_get_peer_stats(PeerStats *stats, int max);
extern void member_get_histogram(MemberHistogram which, StatsHistogram *histogram);
extern void member_reset_stats(void);	/* the counters, not the distributions */

/* the counters' writers */
extern void stats_add(MemberCounter counter, uint64 n);
extern void stats_add_peer(uint64 peer, PeerCounter counter, uint64 n);
extern void stats_peer_rtt(uint64 peer, uint64 usec);
extern void stats_observe(MemberHistogram which, uint64 usec);

#endif							/* PGQ_MEMBER_STATS_H */
