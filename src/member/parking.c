/*-------------------------------------------------------------------------
 *
 * parking.c
 *	  Sleeping until a word of shared memory changes.
 *
 * A backend waits for its slot to be DONE and for nothing else.  A latch would
 * cost a signal to wake it, and a read to take that signal up: on the way of
 * every request, in the raft worker, which is what a cluster's speed is made of.  A futex is the
 * word itself.
 *
 * Interrupts come as signals, which end the sleep.  One that comes between the
 * caller's look at them and the system call does not, so a sleep is never longer
 * than PARK_LOOK_MS: a cancel can be late by that much, once in a great many.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/parking.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "pgstat.h"
#include "storage/ipc.h"
#include "storage/pmsignal.h"
#include "utils/wait_event.h"

#include "parking.h"

#define PARK_LOOK_MS	100

/*
 * park() -- sleep while a word is as it was seen, until unpark(), a signal, or the
 * time is up.  May return early; the caller looks again, and at interrupts too.
 * Ends the process if the postmaster has died.
 */
void
park(pg_atomic_uint32 *word, uint32 seen, long timeout_ms, uint32 wait_event)
{
	long		ms = Min(timeout_ms, PARK_LOOK_MS);
	struct timespec timeout = {ms / 1000, (ms % 1000) * 1000000};

	pgstat_report_wait_start(wait_event);
	(void) syscall(SYS_futex, &word->value, FUTEX_WAIT, seen, &timeout, NULL, 0);
	pgstat_report_wait_end();
	if (!PostmasterIsAlive())
		proc_exit(1);
}

/*
 * unpark() -- wake whoever sleeps at a word; after it has been changed.
 */
void
unpark(pg_atomic_uint32 *word)
{
	(void) syscall(SYS_futex, &word->value, FUTEX_WAKE, 1, NULL, NULL, 0);
}
