/*-------------------------------------------------------------------------
 *
 * database.c
 *	  Workers wait for the database that is to hold the store.
 *
 * A worker that connects to a database that does not exist ends with a FATAL, is
 * started again, and so on.  It cannot look first, since
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
#include "utils/fmgroids.h"
#include "utils/memutils.h"

#include "../clock.h"
#include "../settings.h"
#include "worker.h"

/* How often a worker asks again, and how often it looks for the answer */
#define ASK_EVERY_MS			1000
#define ANSWER_POLL_MS			50

/* Without an answer in that time there is no flusher: try by ourselves. */
#define NO_FLUSHER_MS			5000

/* How often the log says what is waited for */
#define SAY_EVERY_MS			60000

/*
 * Ask the flusher; true if the database exists, or if nobody answers.
 */
static bool
ask(void)
{
	uint64		ticket = pg_atomic_add_fetch_u64(&member_shared->database_asked, 1);
	ClockTime	since = clock_now();

	while (pg_atomic_read_u64(&member_shared->database_answered) < ticket)
	{
		if (clock_exceeds(since, clock_now(), NO_FLUSHER_MS))
			return true;
		wake_procno(member_shared->flusher_procno);
		worker_pause(ANSWER_POLL_MS);
	}
	pg_read_barrier();
	return member_shared->database_exists;
}

/*
 * database_await() -- wait until pg_quorum.database is there.
 */
void
database_await(void)
{
	while (!ask())
		worker_pause(ASK_EVERY_MS);
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
	static ClockTime said;
	uint64		asked = pg_atomic_read_u64(&member_shared->database_asked);
	ClockTime	now = clock_now();
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
	else if (said == 0 || clock_exceeds(said, now, SAY_EVERY_MS))
	{
		said = now;
		ereport(LOG,
				(errmsg("database \"%s\" does not exist; the member waits for it", setting_database),
				 errhint("Create the database and the extension in it, or set pg_quorum.database and restart.")));
	}
}
