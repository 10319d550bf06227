/*-------------------------------------------------------------------------
 *
 * dropdb.c
 *	  Makes way for DROP DATABASE of the database that holds the store.
 *
 * PostgreSQL drops no database that somebody is connected to, and our workers
 * always are, as are the other members.  They are told to leave when the
 * command comes.  The database is locked first: who wants to come back waits for
 * that lock, and then finds no database.  If the command fails, the workers
 * start again and the members reconnect, as after any other accident.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/dropdb.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "postmaster/bgworker.h"
#include "storage/lmgr.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/backend_status.h"

#include "dropdb.h"
#include "compat.h"

static ProcessUtility_hook_type previous_process_utility = NULL;

/* Is this a worker of ours, or the connection of another member? */
static bool
is_ours(const PgBackendStatus *entry)
{
	const char *type;

	if (entry->st_backendType == B_BACKEND)
		return strncmp(entry->st_appname, "pg_quorum/", 10) == 0;
	if (entry->st_backendType != B_BG_WORKER)
		return false;
	type = GetBackgroundWorkerTypeByPid(entry->st_procpid);
	return type != NULL && strncmp(type, "pg_quorum ", 10) == 0;
}

static void
make_way(const char *name)
{
	Oid			database = get_database_oid(name, true);
	int			n;
	int			i;

	if (!OidIsValid(database) || !pgq_owns_database(database) ||
		database == MyDatabaseId)
		return;					/* the command itself says why not */
	LockSharedObject(DatabaseRelationId, database, 0, AccessExclusiveLock);

	n = pgstat_fetch_stat_numbackends();
	for (i = 1; i <= n; i++)
	{
		const PgBackendStatus *entry = pgq_backend_status(i);

		if (entry != NULL && entry->st_procpid > 0 &&
			entry->st_databaseid == database && is_ours(entry))
			(void) kill(entry->st_procpid, SIGTERM);
	}
}

static void
process_utility(PlannedStmt *pstmt, const char *query, bool read_only_tree,
				ProcessUtilityContext context, ParamListInfo params,
				QueryEnvironment *env, DestReceiver *dest, QueryCompletion *qc)
{
	if (IsA(pstmt->utilityStmt, DropdbStmt) &&
		context == PROCESS_UTILITY_TOPLEVEL && !IsTransactionBlock())
		make_way(castNode(DropdbStmt, pstmt->utilityStmt)->dbname);
	if (previous_process_utility)
		previous_process_utility(pstmt, query, read_only_tree, context, params,
								 env, dest, qc);
	else
		standard_ProcessUtility(pstmt, query, read_only_tree, context, params,
								env, dest, qc);
}

/*
 * Install the hook; once, from _PG_init() under preload.
 */
void
dropdb_install(void)
{
	previous_process_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}
