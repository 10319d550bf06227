/*-------------------------------------------------------------------------
 *
 * stats.c
 *	  Counters of what the member has done, in shared memory.
 *
 * Each counter has one process that counts it up, so that needs neither a lock
 * nor an atomic addition; readers may look at any time.  Resetting must not
 * write into others' counters: what they were is kept instead, and
 * subtracted when they are shown.  They live as long as the server runs, over
 * restarts of the worker.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/stats.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "member.h"
#include "shared.h"
#include "stats.h"

/* A smoothed round trip takes in this part of each new one. */
#define RTT_PART				8

typedef struct SharedHistogram
{
	pg_atomic_uint64 buckets[STATS_BUCKETS + 1];
	pg_atomic_uint64 sum_usec;
} SharedHistogram;

typedef struct PeerSlot
{
	pg_atomic_uint64 id;		/* 0: free; kept as long as it is a member's */
	pg_atomic_uint64 counters[PEER_STAT_COUNT];
	pg_atomic_uint64 rtt_usec;
	SharedHistogram rtt;
	uint64		before[PEER_STAT_COUNT];	/* at the last reset; under the mutex */
} PeerSlot;

struct StatsShared
{
	pg_atomic_uint64 counters[STAT_COUNT];
	PeerSlot	peers[MEMBER_MAX_PEERS];
	SharedHistogram histograms[HISTOGRAM_COUNT];

	slock_t		mutex;
	uint64		before[STAT_COUNT];
	TimestampTz since;
};

Size
stats_shmem_size(void)
{
	return sizeof(StatsShared);
}

static void
init_histogram(SharedHistogram *histogram)
{
	int			i;

	for (i = 0; i <= STATS_BUCKETS; i++)
		pg_atomic_init_u64(&histogram->buckets[i], 0);
	pg_atomic_init_u64(&histogram->sum_usec, 0);
}

void
stats_shmem_init(StatsShared *stats)
{
	int			i;
	int			k;

	memset(stats, 0, sizeof(*stats));
	SpinLockInit(&stats->mutex);
	stats->since = GetCurrentTimestamp();
	for (i = 0; i < STAT_COUNT; i++)
		pg_atomic_init_u64(&stats->counters[i], 0);
	for (i = 0; i < HISTOGRAM_COUNT; i++)
		init_histogram(&stats->histograms[i]);
	for (i = 0; i < MEMBER_MAX_PEERS; i++)
	{
		init_histogram(&stats->peers[i].rtt);
		pg_atomic_init_u64(&stats->peers[i].id, 0);
		pg_atomic_init_u64(&stats->peers[i].rtt_usec, 0);
		for (k = 0; k < PEER_STAT_COUNT; k++)
			pg_atomic_init_u64(&stats->peers[i].counters[k], 0);
	}
}

/* ---------- counting ---------- */

static inline void
count_up(pg_atomic_uint64 *counter, uint64 n)
{
	pg_atomic_write_u64(counter, pg_atomic_read_u64(counter) + n);
}

/*
 * stats_add() -- count up; only the process that owns the counter may.
 */
void
stats_add(MemberCounter counter, uint64 n)
{
	count_up(&member_stats->counters[counter], n);
}

/*
 * A place for a peer: a free one, or that of a member that has left.  Run by the worker,
 * which alone writes the list of peers.
 */
static PeerSlot *
free_slot(void)
{
	PeerSlot   *slot = member_stats->peers;
	int			i;
	int			k;

	for (i = 0; i < MEMBER_MAX_PEERS; i++)
	{
		uint64		id;

		slot = &member_stats->peers[i];
		id = pg_atomic_read_u64(&slot->id);
		if (id == 0)
			return slot;
		for (k = 0; k < member_shared->npeers; k++)
			if (member_shared->peers[k].id == id)
				break;
		if (k == member_shared->npeers)
			break;
	}
	pg_atomic_write_u64(&slot->id, 0);
	pg_atomic_write_u64(&slot->rtt_usec, 0);
	for (k = 0; k <= STATS_BUCKETS; k++)
		pg_atomic_write_u64(&slot->rtt.buckets[k], 0);
	pg_atomic_write_u64(&slot->rtt.sum_usec, 0);
	SpinLockAcquire(&member_stats->mutex);
	for (k = 0; k < PEER_STAT_COUNT; k++)
	{
		pg_atomic_write_u64(&slot->counters[k], 0);
		slot->before[k] = 0;
	}
	SpinLockRelease(&member_stats->mutex);
	return slot;
}

/*
 * The counters of a peer.
 */
static PeerSlot *
peer_slot(uint64 peer)
{
	static int	last;
	PeerSlot   *slot = &member_stats->peers[last];
	int			i;

	if (pg_atomic_read_u64(&slot->id) == peer)
		return slot;
	for (i = 0; i < MEMBER_MAX_PEERS; i++)
	{
		slot = &member_stats->peers[i];
		if (pg_atomic_read_u64(&slot->id) == peer)
			break;
	}
	if (i == MEMBER_MAX_PEERS)
	{
		slot = free_slot();
		pg_atomic_write_u64(&slot->id, peer);
	}
	last = slot - member_stats->peers;
	return slot;
}

void
stats_add_peer(uint64 peer, PeerCounter counter, uint64 n)
{
	count_up(&peer_slot(peer)->counters[counter], n);
}

static void
observe(SharedHistogram *histogram, uint64 usec)
{
	int			i = 0;

	while (i < STATS_BUCKETS && usec > STATS_BUCKET_USEC(i))
		i++;
	count_up(&histogram->buckets[i], 1);
	count_up(&histogram->sum_usec, usec);
}

/*
 * stats_observe() -- something has taken so long; only the process that the
 * distribution belongs to may.
 */
void
stats_observe(MemberHistogram which, uint64 usec)
{
	observe(&member_stats->histograms[which], usec);
}

/*
 * stats_peer_rtt() -- a message and its answer have taken so long.
 */
void
stats_peer_rtt(uint64 peer, uint64 usec)
{
	PeerSlot   *slot = peer_slot(peer);
	uint64		old = pg_atomic_read_u64(&slot->rtt_usec);

	observe(&slot->rtt, usec);
	pg_atomic_write_u64(&slot->rtt_usec,
						Max(old == 0 ? usec : (old * (RTT_PART - 1) + usec) / RTT_PART, 1));
}

/* ---------- showing ---------- */

/*
 * member_get_stats() -- the counters since the last reset (any process).
 */
void
member_get_stats(MemberStats *stats)
{
	uint64		before[STAT_COUNT];
	int			i;

	member_require_preload();
	SpinLockAcquire(&member_stats->mutex);
	memcpy(before, member_stats->before, sizeof(before));
	stats->since = member_stats->since;
	SpinLockRelease(&member_stats->mutex);
	for (i = 0; i < STAT_COUNT; i++)
		stats->counters[i] = pg_atomic_read_u64(&member_stats->counters[i]) - before[i];
}

static void
read_histogram(SharedHistogram *shared, StatsHistogram *histogram)
{
	int			i;

	for (i = 0; i <= STATS_BUCKETS; i++)
		histogram->buckets[i] = pg_atomic_read_u64(&shared->buckets[i]);
	histogram->sum_usec = pg_atomic_read_u64(&shared->sum_usec);
}

/*
 * member_get_histogram() -- a distribution since the server started (any process).
 */
void
member_get_histogram(MemberHistogram which, StatsHistogram *histogram)
{
	member_require_preload();
	read_histogram(&member_stats->histograms[which], histogram);
}

/*
 * member_get_peer_stats() -- the same for each of the other members that
 * anything was counted for; returns how many there are.
 */
int
member_get_peer_stats(PeerStats *stats, int max)
{
	uint64		before[PEER_STAT_COUNT];
	int			n = 0;
	int			i;
	int			k;

	member_require_preload();
	for (i = 0; i < MEMBER_MAX_PEERS && n < max; i++)
	{
		PeerSlot   *slot = &member_stats->peers[i];

		stats[n].id = pg_atomic_read_u64(&slot->id);
		if (stats[n].id == 0)
			continue;
		SpinLockAcquire(&member_stats->mutex);
		memcpy(before, slot->before, sizeof(before));
		SpinLockRelease(&member_stats->mutex);
		for (k = 0; k < PEER_STAT_COUNT; k++)
			stats[n].counters[k] = pg_atomic_read_u64(&slot->counters[k]) - before[k];
		stats[n].rtt_usec = pg_atomic_read_u64(&slot->rtt_usec);
		read_histogram(&slot->rtt, &stats[n].rtt);
		n++;
	}
	return n;
}

/*
 * member_reset_stats() -- count from zero again.
 */
void
member_reset_stats(void)
{
	TimestampTz now = GetCurrentTimestamp();
	uint64		counters[STAT_COUNT];
	uint64		peers[MEMBER_MAX_PEERS][PEER_STAT_COUNT];
	int			i;
	int			k;

	member_require_preload();
	for (i = 0; i < STAT_COUNT; i++)
		counters[i] = pg_atomic_read_u64(&member_stats->counters[i]);
	for (i = 0; i < MEMBER_MAX_PEERS; i++)
		for (k = 0; k < PEER_STAT_COUNT; k++)
			peers[i][k] = pg_atomic_read_u64(&member_stats->peers[i].counters[k]);

	SpinLockAcquire(&member_stats->mutex);
	memcpy(member_stats->before, counters, sizeof(counters));
	for (i = 0; i < MEMBER_MAX_PEERS; i++)
		memcpy(member_stats->peers[i].before, peers[i], sizeof(peers[i]));
	member_stats->since = now;
	SpinLockRelease(&member_stats->mutex);
}
