/*-------------------------------------------------------------------------
 *
 * database.c
 *	  Workers wait for the database that is to hold the store.
 *
 * A worker that connects to a database that does not exist ends with a FATAL, is
 * started again a second later, and so on.  It cannot look first, since
 * it may connect only once.  The flusher is connected to no database and
 * sees the shared catalogs: it is asked, and the others wait, without a line in
 * the log but for one a minute from the flusher.
 *
 * Each look of a waiting worker is a fresh question, so that an answer from before
 * DROP DATABASE misleads nobody.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/database.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "../settings.h"
#include "worker.h"
#include "../compat.h"

/* How often a worker asks again, and how often it looks for the answer */
#define ASK_EVERY_MS			1000
#define ANSWER_POLL_MS			50

/* Without an answer in that time there is no flusher: try by ourselves. */
#define NO_FLUSHER_MS			5000

/* How often the log says what is waited for */
#define SAY_EVERY_MS			60000

static void
wait_ms(long ms)
{
	static uint32 wait_event = 0;

	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, ms,
					 pgq_wait_event(&wait_event, "QuorumDatabase"));
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	if (ShutdownRequestPending)
		proc_exit(1);
}

/*
 * Ask the flusher; true if the database exists, or if nobody answers.
 */
static bool
ask(void)
{
	uint64		ticket = pg_atomic_add_fetch_u64(&member_shared->database_asked, 1);
	TimestampTz since = GetCurrentTimestamp();

	while (pg_atomic_read_u64(&member_shared->database_answered) < ticket)
	{
		if (TimestampDifferenceExceeds(since, GetCurrentTimestamp(), NO_FLUSHER_MS))
			return true;
		wake_procno(member_shared->flusher_procno);
		wait_ms(ANSWER_POLL_MS);
	}
	pg_read_barrier();
	return member_shared->database_exists;
}

/*
 * member_connect_worker() -- connect to pg_quorum.database, as soon as it is there.
 *
 * For a worker that has set up its signals.  What is set for the database is meant for its users,
 * and could keep a worker from its work: it does not hold here.
 */
void
member_connect_worker(void)
{
	while (!ask())
		wait_ms(ASK_EVERY_MS);
	BackgroundWorkerInitializeConnection(setting_database, NULL, 0);

	SetConfigOption("lock_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("statement_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("idle_in_transaction_session_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_read_only", "off", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_isolation", "read committed",
					PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("search_path", "pg_catalog", PGC_SUSET, PGC_S_OVERRIDE);
}

/*
 * Without a database there is no index to be had, so the whole of pg_database is read.
 */
static bool
database_exists(const char *name)
{
	Relation	rel = table_open(DatabaseRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	bool		found;

	ScanKeyInit(&key, Anum_pg_database_datname, BTEqualStrategyNumber, F_NAMEEQ,
				CStringGetDatum(name));
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 1, &key);
	found = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

/*
 * database_answer() -- the flusher's side: look if somebody asks.
 */
void
database_answer(void)
{
	static TimestampTz said;
	uint64		asked = pg_atomic_read_u64(&member_shared->database_asked);
	TimestampTz now = GetCurrentTimestamp();
	bool		exists;

	if (asked == pg_atomic_read_u64(&member_shared->database_answered))
		return;
	StartTransactionCommand();
	exists = database_exists(setting_database);
	CommitTransactionCommand();
	MemoryContextSwitchTo(TopMemoryContext);

	member_shared->database_exists = exists;
	pg_write_barrier();
	pg_atomic_write_u64(&member_shared->database_answered, asked);
	if (exists)
		said = 0;
	else if (said == 0 || TimestampDifferenceExceeds(said, now, SAY_EVERY_MS))
	{
		said = now;
		ereport(LOG,
				(errmsg("database \"%s\" does not exist; the member waits for it", setting_database),
				 errhint("Create the database and the extension in it, or set pg_quorum.database and restart.")));
	}
}
