/*-------------------------------------------------------------------------
 *
 * flusher.c
 *	  The worker that waits for a slow disk.
 *
 * XLogFlush() waits for all WAL of the instance before its LSN; under somebody's
 * bulk load that can take seconds.  While flushes are fast the raft worker does them
 * itself; when they are not, it leaves them to this process, and
 * heartbeats and elections go on.  It has the kernel write the store's pages, when it is asked to (writeback.c),
 * looks at the free space (quota.c), sees to it that the raft worker comes
 * back after it has ended with an error, and knows whether there is a database to
 * come back to (database.c).
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/flusher.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "portability/instr_time.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/pmsignal.h"
#include "tcop/tcopprot.h"
#include "utils/ps_status.h"
#include "utils/wait_event.h"

#include "worker.h"
#include "../compat.h"

/* How often to look whether the raft worker is there. */
#define WATCH_WORKER_MS			1000

/*
 * flusher_wanted() -- is WAL to be flushed here?
 */
bool
flusher_wanted(void)
{
	return pg_atomic_read_u64(&member_shared->flush_wanted) > pg_atomic_read_u64(&member_shared->flush_done);
}

static void
flusher_leaves(int code, Datum arg)
{
	member_shared->flusher_procno = -1;
}

void
member_flusher_main(Datum arg)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	worker_begin();
	/* no database: only to be seen in pg_stat_activity, and to take interrupts */
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);

	before_shmem_exit(flusher_leaves, (Datum) 0);
	member_shared->flusher_procno = pgq_my_procno();
	wake_worker();

	for (;;)
	{
		static uint32 wait_event = 0;

		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}

		database_answer();
		quota_look_at_disks();
		if (flusher_wanted())
		{
			uint64		wanted = pg_atomic_read_u64(&member_shared->flush_wanted);
			instr_time	start;
			instr_time	end;

			INSTR_TIME_SET_CURRENT(start);
			XLogFlush((XLogRecPtr) wanted);
			INSTR_TIME_SET_CURRENT(end);
			INSTR_TIME_SUBTRACT(end, start);
			pg_atomic_write_u64(&member_shared->flush_usec, INSTR_TIME_GET_MICROSEC(end));
			stats_add(STAT_FLUSHER_FSYNCS, 1);
			stats_add(STAT_FLUSHER_FSYNC_USEC, INSTR_TIME_GET_MICROSEC(end));
			stats_observe(HISTOGRAM_FLUSHER_FSYNC, INSTR_TIME_GET_MICROSEC(end));
			pg_write_barrier();
			pg_atomic_write_u64(&member_shared->flush_done, wanted);
			wake_worker();
			continue;
		}
		writeback_run();

		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 WATCH_WORKER_MS, pgq_wait_event(&wait_event, "QuorumFlusher"));
		ResetLatch(MyLatch);

		/*
		 * A postmaster before version 16 can miss, for up to a minute, that a
		 * worker is due to be restarted: the child's death may come between
		 * its look at the time and its sleep.
		 */
		if (member_shared->worker_procno < 0)
			SendPostmasterSignal(PMSIGNAL_BACKGROUND_WORKER_CHANGE);
	}
}
