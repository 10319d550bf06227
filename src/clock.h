/*-------------------------------------------------------------------------
 *
 * clock.h
 *	  The clock that pauses, timeouts and periods go by.
 *
 * It goes on steadily, whatever is done to the time of day: when an administrator or a time
 * server sets that, no heartbeat may be late for it, and no timeout early.  It is the same in all processes
 * of a machine, and means nothing outside of it, nor after the machine has been started anew.
 * PostgreSQL's TimestampTz remains for what is shown to somebody, or compared with
 * what another machine said.  Bounded staleness has a clock of its own, which also counts the time that the machine
 * was suspended (staleness_clock()).
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/clock.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_CLOCK_H
#define PGQ_CLOCK_H

#include <limits.h>
#include <time.h>

/* A moment, in microseconds.  0 is long before any */
typedef int64 ClockTime;

#define CLOCK_NEVER		PG_INT64_MAX

/*
 * The system counts from the start of the machine.  Years are added to it: who has yet to do something for the
 * first time keeps a 0, and it is due, however lately the machine was started.
 */
#define CLOCK_START		(INT64CONST(1) << 50)

static inline ClockTime
clock_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return CLOCK_START + (int64) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* The same in ms, for what is counted in them; no ClockTime */
static inline int64
clock_now_ms(void)
{
	return clock_now() / 1000;
}

static inline ClockTime
clock_plus_ms(ClockTime time, int64 ms)
{
	return time + ms * 1000;
}

/* Has so much passed from one moment to the other? */
static inline bool
clock_exceeds(ClockTime from, ClockTime to, int64 ms)
{
	return to - from >= ms * 1000;
}

/*
 * How long it is from one moment to the other, in ms, rounded up: who sleeps for so long does
 * not wake before.  0 if that is over; INT_MAX, which is what a wait can take, at most.
 */
static inline long
clock_ms_between(ClockTime from, ClockTime to)
{
	if (to <= from)
		return 0;
	return (long) Min((to - from - 1) / 1000 + 1, INT_MAX);
}

#endif							/* PGQ_CLOCK_H */
