/*-------------------------------------------------------------------------
 *
 * alarm.c
 *	  Waking the raft worker.
 *
 * Any process may have something for the worker.  It sleeps in its wait set, whose latch
 * it has for signals; to wake it through that latch would cost every request a
 * signal.  An event descriptor, made in the postmaster and inherited by all, does
 * the same for less.
 *
 * The word says what the worker does.  A wake-up between two sleeps is remembered in it
 * and needs no system call; one that finds it asleep rings.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/alarm.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "worker.h"

typedef enum AlarmState
{
	ALARM_AWAKE,
	ALARM_ASLEEP,
	ALARM_PENDING				/* awake, and to look again before it sleeps */
} AlarmState;

static int	alarm_fd = -1;

/*
 * alarm_preload() -- make what all processes inherit; in the postmaster.  Without it the
 * worker's latch is set.
 */
void
alarm_preload(void)
{
	alarm_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (alarm_fd < 0)
		ereport(LOG,
				(errmsg("could not create an event descriptor: %m")));
}

/*
 * wake_worker() -- have the raft worker look for work; any process.  What it is to find must have
 * been written before.
 */
void
wake_worker(void)
{
	uint64		one = 1;

	if (alarm_fd < 0)
	{
		wake_procno(member_shared->worker_procno);
		return;
	}
	if (pg_atomic_exchange_u32(&member_shared->alarm, ALARM_PENDING) == ALARM_ASLEEP &&
		write(alarm_fd, &one, sizeof(one)) < 0)
		wake_procno(member_shared->worker_procno);
}

/* ---------- the worker ---------- */

/*
 * alarm_descriptor() -- what becomes readable when it rings; -1: nothing does.
 */
int
alarm_descriptor(void)
{
	return alarm_fd;
}

/*
 * alarm_may_sleep() -- about to sleep: false if somebody has called since the last
 * alarm_awake().
 */
bool
alarm_may_sleep(void)
{
	uint32		expected = ALARM_AWAKE;

	return pg_atomic_compare_exchange_u32(&member_shared->alarm, &expected, ALARM_ASLEEP);
}

/*
 * alarm_awake() -- after the sleep, or instead of it; before the worker looks for work.
 */
void
alarm_awake(void)
{
	pg_atomic_exchange_u32(&member_shared->alarm, ALARM_AWAKE);
}

/*
 * alarm_answered() -- the descriptor is readable: make it silent again.
 */
void
alarm_answered(void)
{
	uint64		count;

	/* nothing there is no harm */
	if (read(alarm_fd, &count, sizeof(count)) < 0)
		return;
}
