/*-------------------------------------------------------------------------
 *
 * access.c
 *	  From a SQL function to the member and to the store.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/sql/access.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "tcop/utility.h"

#include "member/member.h"
#include "settings.h"
#include "sql.h"

/*
 * sql_require_member
 *
 * The extension can be created in any database, the member serves one.  In
 * another one writes would go to that one's store and reads to a relation that
 * was never filled.  A database's name cannot change while sessions are
 * connected to it, so asking once is enough.
 */
void
sql_require_member(void)
{
	static bool checked = false;
	char	   *name;

	if (likely(checked))
		return;

	member_require_preload();
	name = get_database_name(MyDatabaseId);
	if (name == NULL || strcmp(name, setting_database) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("pg_quorum does not serve this database"),
				 errdetail("It serves the database \"%s\".", setting_database),
				 errhint("Connect to that database, or change \"pg_quorum.database\" and restart the server.")));
	pfree(name);
	checked = true;
}

void
sql_require_writable(const char *function)
{
	sql_require_member();
	if (unlikely(XactReadOnly || RecoveryInProgress()))
	{
		char		command[NAMEDATALEN + 16];

		snprintf(command, sizeof(command), "quorum.%s()", function);
		PreventCommandDuringRecovery(command);
		PreventCommandIfReadOnly(command);
	}
}

Relation
sql_begin_read(bool serializable)
{
	sql_require_member();
	if (!serializable)
	{
		if (unlikely(RecoveryInProgress()))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("linearizable reads are not possible on a standby"),
					 errdetail("A standby is no member of the quorum."),
					 errhint("Pass serializable => true to read the state this standby has.")));
		member_read_barrier(-1);
	}
	return member_open_store();
}

Relation
sql_begin_bounded_read(bool serializable, int64 max_staleness)
{
	int64		age;

	if (max_staleness < 0)
		return sql_begin_read(serializable);

	sql_require_member();
	if (unlikely(RecoveryInProgress()))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("reads of bounded staleness are not possible on a standby"),
				 errdetail("A standby is no member of the quorum."),
				 errhint("Pass serializable => true to read the state this standby has.")));
	age = member_staleness();
	if (age > max_staleness)
		ereport(ERROR,
				(errcode(ERRCODE_CANNOT_CONNECT_NOW),
				 errmsg("this member's state may be older than max_staleness"),
				 age == PG_INT64_MAX ?
				 errdetail("This member has not heard from a leader that has a quorum.") :
				 errdetail("It is known to contain what was committed until %lld ms ago.",
						   (long long) (age / 1000)),
				 errhint("Leave max_staleness out for a read that asks the quorum, or pass serializable => true for this member's state however old it is.")));
	return member_open_store();
}

void
sql_end_read(Relation store)
{
	relation_close(store, AccessShareLock);
}

Quorum__Result *
sql_try_execute(Quorum__Command *command, Quorum__Command *undo)
{
	Quorum__Result *result;
	StoreError	error;

	error = store_validate(command, setting_max_request_bytes, setting_max_txn_ops);
	if (unlikely(error != STORE_OK))
		sql_raise(error, 0, 0);
	sql_name_caller(command);
	result = member_execute_or_undo(command, undo);
	if (unlikely(result->error == STORE_USER_EMPTY) && sql_name_caller_now(command))
		result = member_execute_or_undo(command, undo);
	return result;
}

Quorum__Result *
sql_execute(Quorum__Command *command)
{
	Quorum__Result *result = sql_try_execute(command, NULL);

	if (unlikely(result->error != STORE_OK))
		sql_raise((StoreError) result->error, result->revision, result->compacted_revision);
	return result;
}
