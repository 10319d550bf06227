/*-------------------------------------------------------------------------
 *
 * pace.c
 *	  When the notifier may send, and how much.
 *
 * The first batch after a pause goes out at once, the next ones at most every
 * pg_quorum.notify_interval.  That is all while listeners are few.
 *
 * With many, they are what takes the time.  Each of them is woken for each batch;
 * so the interval grows with the number of watches.  And each of them reads
 * every page of PostgreSQL's notification queue, which has a handful of page
 * buffers (8 up to PostgreSQL 16).  As long as all that is unread fits into them, a
 * thousand listeners read a batch in some tens of milliseconds; beyond that they
 * evict each other's pages, and a batch takes seconds, in which a larger one gathers.
 * So a batch waits until the last one has been read, nearly, which the distance
 * of the queue's tail from its head tells, and it is no larger than the buffers
 * unless the last one had been read before this one was due.
 *
 * A listener that is in a transaction does not read and keeps the tail where it
 * is.  It must not hold up the others: after a while batches are sent at the
 * pace at which listeners were last seen to read, until the tail moves up.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/notify/pace.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/fmgrprotos.h"
#include "utils/guc.h"

#include "clock.h"
#include "notify/pace.h"

/* Batches are of a size between what fits into the queue's buffers and this */
#define MIN_BATCH_BYTES			(6 * BLCKSZ)
#define MAX_BATCH_BYTES			(1024 * 1024)

/* A listener that has not read a batch after this time is taken to be stuck */
#define STUCK_MS				500

/* A batch counts as read when no more pages than this are unread */
#define READ_PAGES				1

/* What a woken listener costs, and how long batches may rest for that */
#define WAKE_US					100
#define MAX_REST_MS				250

/* First and last delay before a failed batch is tried again */
#define MIN_RETRY_MS			50
#define MAX_RETRY_MS			10000

/*
 * Leave the last quarter of the queue to the applications, whose transactions fail
 * when it is full.
 */
#define QUEUE_USAGE_LIMIT		0.75

void
pace_init(Pace *pace)
{
	memset(pace, 0, sizeof(*pace));
	pace->batch_bytes = MIN_BATCH_BYTES;
}

/*
 * The part of PostgreSQL's notification queue that is unread; its function looks at
 * no argument.  Moves the queue's tail up to the slowest listener.
 */
static double
queue_usage(void)
{
	return DatumGetFloat8(DirectFunctionCall1(pg_notification_queue_usage, (Datum) 0));
}

/*
 * The same in pages.  The function divides by the size of the queue.
 */
static int64
queue_pages(void)
{
#if PG_VERSION_NUM >= 170000
	int64		size = atoi(GetConfigOption("max_notify_queue_pages", false, false));
#else
	int64		size = 1024 * 1024;
#endif

	return (int64) (queue_usage() * size + 0.5);
}

bool
pace_queue_full(void)
{
	return queue_usage() > QUEUE_USAGE_LIMIT;
}

/*
 * All have read the last batch; `waited` tells whether it was due by then.
 */
static void
note_read(Pace *pace, long elapsed_ms)
{
	pace->read_ms = elapsed_ms;
	pace->stuck = false;
	pace->unread = false;
	if (pace->waited)
		pace->batch_bytes = Max(pace->batch_bytes / 2, MIN_BATCH_BYTES);
	else
		pace->batch_bytes = Min(pace->batch_bytes * 2, MAX_BATCH_BYTES);
}

/*
 * pace_wait_ms() -- see pace.h.
 *
 * To be called when there is something to send.
 */
long
pace_wait_ms(Pace *pace)
{
	ClockTime	now = clock_now();
	long		left_ms = clock_ms_between(now, pace->next);
	long		elapsed_ms;

	if (left_ms > 0)
		return left_ms;
	if (!pace->unread)
		return 0;

	elapsed_ms = clock_ms_between(pace->sent_at, now);
	if (queue_pages() <= READ_PAGES)
		note_read(pace, elapsed_ms);
	else if (pace->stuck)
	{
		if (elapsed_ms < pace->read_ms)
			return pace->read_ms - elapsed_ms;
		pace->unread = false;
	}
	else if (elapsed_ms >= STUCK_MS)
	{
		pace->stuck = true;
		pace->unread = false;
		pace->batch_bytes = MIN_BATCH_BYTES;
	}
	else
	{
		pace->waited = true;
		return Max(elapsed_ms / 8, 1);
	}
	return 0;
}

/*
 * pace_done() -- see pace.h.
 */
void
pace_done(Pace *pace, ClockTime start, bool sent, bool more, int interval_ms, long watches)
{
	pace->retry_ms = 0;
	if (sent)
	{
		pace->sent_at = clock_now();
		pace->unread = true;
		pace->waited = false;
		if (!more)
			interval_ms = Max(interval_ms, Min(watches * WAKE_US / 1000, MAX_REST_MS));
	}
	pace->next = clock_plus_ms(start, interval_ms);
}

/*
 * pace_failed() -- see pace.h.
 */
void
pace_failed(Pace *pace)
{
	pace->retry_ms = Min(Max(pace->retry_ms * 2, MIN_RETRY_MS), MAX_RETRY_MS);
	pace->next = clock_plus_ms(clock_now(), pace->retry_ms);
}
