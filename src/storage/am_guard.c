/*-------------------------------------------------------------------------
 *
 * am_guard.c
 *	  Refusal of the DDL that no access method callback can stop.
 *
 * ALTER TABLE ... SET ACCESS METHOD replaces a relation file without asking
 * the access method it takes it from, and rewrites for other reasons could
 * lose the contents of a relation whose rows a scan does not show.  So of
 * ALTER TABLE's many forms only those are let through that leave the file
 * alone or copy it whole.  The extension's own scripts may do what they like.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/storage/am_guard.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "tcop/utility.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "am.h"

static ProcessUtility_hook_type previous_process_utility = NULL;
static bool installed = false;

/* Is the library loaded the way it must be to work? */
bool
storage_preloaded(void)
{
	return installed;
}

/* Does the table have an access method of ours?  By name: no lock is held */
static bool
is_ours(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			am = InvalidOid;
	bool		result = false;

	if (HeapTupleIsValid(tuple))
	{
		Form_pg_class form = (Form_pg_class) GETSTRUCT(tuple);

		if (form->relkind == RELKIND_RELATION)
			am = form->relam;
		ReleaseSysCache(tuple);
	}
	if (!OidIsValid(am))
		return false;
	tuple = SearchSysCache1(AMOID, ObjectIdGetDatum(am));
	if (HeapTupleIsValid(tuple))
	{
		const char *name = NameStr(((Form_pg_am) GETSTRUCT(tuple))->amname);

		result = strcmp(name, "quorum_log") == 0 || strcmp(name, "quorum_tree") == 0;
		ReleaseSysCache(tuple);
	}
	return result;
}

static bool
names_ours(RangeVar *range)
{
	Oid			relid = RangeVarGetRelid(range, NoLock, true);

	return OidIsValid(relid) && is_ours(relid);
}

/* Does this form of ALTER TABLE leave the contents of the file alone? */
static bool
is_harmless(AlterTableType type)
{
	switch (type)
	{
		case AT_SetTableSpace:
		case AT_ChangeOwner:
		case AT_SetRelOptions:
		case AT_ResetRelOptions:
		case AT_ReplaceRelOptions:
		case AT_SetStatistics:
		case AT_SetOptions:
		case AT_ResetOptions:
		case AT_ReplicaIdentity:
		case AT_EnableRowSecurity:
		case AT_DisableRowSecurity:
		case AT_ForceRowSecurity:
		case AT_NoForceRowSecurity:
			return true;
		default:
			return false;
	}
}

static void
check_alter_table(AlterTableStmt *stmt)
{
	ListCell   *cell;

	if (!names_ours(stmt->relation))
		return;
	foreach(cell, stmt->cmds)
	{
		AlterTableCmd *cmd = lfirst_node(AlterTableCmd, cell);

		if (cmd->subtype == AT_SetAccessMethod)
			storage_refuse("set the access method of", stmt->relation->relname);
		if (cmd->subtype == AT_SetUnLogged)
			storage_refuse("set unlogged", stmt->relation->relname);
		if (!is_harmless(cmd->subtype))
			storage_refuse("alter the definition of", stmt->relation->relname);
	}
}

static void
check_truncate(TruncateStmt *stmt)
{
	ListCell   *cell;

	foreach(cell, stmt->relations)
	{
		RangeVar   *range = lfirst_node(RangeVar, cell);

		if (names_ours(range))
			storage_refuse("truncate", range->relname);
	}
}

/* A table is found by its name, and its rows are made to fit its columns */
static void
check_rename(RenameStmt *stmt)
{
	if ((stmt->renameType == OBJECT_TABLE || stmt->renameType == OBJECT_COLUMN) &&
		stmt->relation != NULL && names_ours(stmt->relation))
		storage_refuse("rename", stmt->relation->relname);
}

static void
check_set_schema(AlterObjectSchemaStmt *stmt)
{
	if (stmt->objectType == OBJECT_TABLE && stmt->relation != NULL &&
		names_ours(stmt->relation))
		storage_refuse("set the schema of", stmt->relation->relname);
}

static void
guard_process_utility(PlannedStmt *pstmt, const char *query_string,
					  bool read_only_tree, ProcessUtilityContext context,
					  ParamListInfo params, QueryEnvironment *query_env,
					  DestReceiver *dest, QueryCompletion *qc)
{
	Node	   *stmt = pstmt->utilityStmt;

	if (!creating_extension && !IsBinaryUpgrade)
	{
		if (IsA(stmt, AlterTableStmt))
			check_alter_table((AlterTableStmt *) stmt);
		else if (IsA(stmt, TruncateStmt))
			check_truncate((TruncateStmt *) stmt);
		else if (IsA(stmt, RenameStmt))
			check_rename((RenameStmt *) stmt);
		else if (IsA(stmt, AlterObjectSchemaStmt))
			check_set_schema((AlterObjectSchemaStmt *) stmt);
	}
	if (previous_process_utility != NULL)
		previous_process_utility(pstmt, query_string, read_only_tree, context,
								 params, query_env, dest, qc);
	else
		standard_ProcessUtility(pstmt, query_string, read_only_tree, context,
								params, query_env, dest, qc);
}

/*
 * Install the hook; once, from _PG_init under shared_preload_libraries.
 */
void
storage_install_ddl_guard(void)
{
	if (installed)
		return;
	installed = true;
	previous_process_utility = ProcessUtility_hook;
	ProcessUtility_hook = guard_process_utility;
}
