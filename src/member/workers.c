/*-------------------------------------------------------------------------
 *
 * workers.c
 *	  Background workers: how they are registered, and how they begin.
 *
 * All of them are crash-only, so each restart is part of a member's normal life and
 * clients wait for it: leases of 2 s must outlive it.  The postmaster's own delay
 * has a whole second as its least value but for none at all.  So it is told to wait for
 * none, and a worker that fails again and again holds itself back: it
 * begins when a second has passed since the last time it did.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/workers.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/wait_event.h"

#include "../clock.h"
#include "../settings.h"
#include "worker.h"
#include "../compat.h"

/* A worker begins no more often than this */
#define BEGIN_EVERY_MS			1000

/*
 * member_register_worker() -- have the postmaster run a worker from the end of recovery
 * on, and again whenever it ends.  From _PG_init() under preload only, at most
 * MEMBER_WORKERS times.
 */
void
member_register_worker(const char *name, const char *function)
{
	static int	registered = 0;
	BackgroundWorker w;

	Assert(registered < MEMBER_WORKERS);
	memset(&w, 0, sizeof(w));
	w.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	w.bgw_start_time = BgWorkerStart_RecoveryFinished;
	w.bgw_restart_time = 0;
	w.bgw_main_arg = Int32GetDatum(registered++);
	strlcpy(w.bgw_library_name, "pg_quorum", sizeof(w.bgw_library_name));
	strlcpy(w.bgw_function_name, function, sizeof(w.bgw_function_name));
	strlcpy(w.bgw_name, name, sizeof(w.bgw_name));
	strlcpy(w.bgw_type, name, sizeof(w.bgw_type));
	RegisterBackgroundWorker(&w);
}

/*
 * worker_pause() -- a worker that has not begun its work sleeps, for ms at most.
 */
void
worker_pause(long ms)
{
	static uint32 wait_event = 0;

	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, ms,
					 pgq_wait_event(&wait_event, "QuorumWorkerStart"));
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	if (ShutdownRequestPending)
		proc_exit(1);
}

/*
 * worker_begin() -- hold this worker back if it began only just now.  For a worker that
 * has set up its signals.
 */
void
worker_begin(void)
{
	ClockTime  *began = &member_shared->workers_began[DatumGetInt32(MyBgworkerEntry->bgw_main_arg)];
	ClockTime	now = clock_now();

	while (!clock_exceeds(*began, now, BEGIN_EVERY_MS))
	{
		worker_pause(clock_ms_between(now, clock_plus_ms(*began, BEGIN_EVERY_MS)));
		now = clock_now();
	}
	*began = now;
}

/*
 * member_connect_worker() -- begin, and connect to pg_quorum.database as soon as it is there.
 *
 * For a worker that has set up its signals.  What is set for the database is meant for its users,
 * and could keep a worker from its work: it does not hold here.
 */
void
member_connect_worker(void)
{
	worker_begin();
	database_await();
	BackgroundWorkerInitializeConnection(setting_database, NULL, 0);

	SetConfigOption("lock_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("statement_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("idle_in_transaction_session_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_read_only", "off", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_isolation", "read committed",
					PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("search_path", "pg_catalog", PGC_SUSET, PGC_S_OVERRIDE);
}
