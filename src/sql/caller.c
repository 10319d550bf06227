/*-------------------------------------------------------------------------
 *
 * caller.c
 *	  On whose behalf: from the current role to a user of the store.
 *
 * Which user a role is, the state machine decides: for a command when it is
 * applied, for a read from the state that is read.  So no session acts
 * on what the user map said a moment ago.  Here it is only decided that
 * superusers and members of the role that owns the extension are root.
 *
 * While authentication is off nobody looks at the caller, and commands go without
 * one.  A session notices that authentication has been turned on by the first
 * command that is refused for want of one.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/sql/caller.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/rel.h"

#include "member/member.h"
#include "sql.h"

/* What this session last knew of authentication */
static enum
{
	AUTH_UNKNOWN,
	AUTH_OFF,
	AUTH_ON
}			auth_seen = AUTH_UNKNOWN;

/* Bytes that outlive the command */
static char caller_role[NAMEDATALEN];
static char caller_root[] = STORE_ROOT;

/* Who a role is; owner is the extension's.  A role that was dropped is nobody. */
static void
find_caller(Oid role, Oid owner, StoreCaller *caller)
{
	memset(caller, 0, sizeof(*caller));
	if (superuser_arg(role) || has_privs_of_role(role, owner))
		caller->user = caller_root;
	else
	{
		const char *name = GetUserNameFromId(role, true);

		strlcpy(caller_role, name != NULL ? name : "", sizeof(caller_role));
		caller->role = caller_role;
	}
}

const StoreCaller *
sql_caller(Relation store)
{
	static StoreCaller caller;

	find_caller(GetUserId(), store->rd_rel->relowner, &caller);
	return &caller;
}

const StoreCaller *
sql_caller_of_role(Relation store, Oid role)
{
	static StoreCaller caller;

	find_caller(role, store->rd_rel->relowner, &caller);
	return &caller;
}

static bool
is_named(const Quorum__Command *command)
{
	return command->internal || command->user[0] != '\0' || command->role[0] != '\0';
}

/* The store, or NULL where there is none that could be read */
static Relation
open_store(void)
{
	Relation	store = member_open_store_if_any();

	if (store != NULL && !store_is_formatted(store))
	{
		relation_close(store, AccessShareLock);
		store = NULL;
	}
	return store;
}

void
sql_name_caller(Quorum__Command *command)
{
	Relation	store;
	uint64		auth_revision;

	if (likely(auth_seen == AUTH_OFF) || is_named(command))
		return;
	store = open_store();
	if (store == NULL)
		return;
	auth_seen = store_auth_enabled(store, &auth_revision) ? AUTH_ON : AUTH_OFF;
	if (auth_seen == AUTH_ON)
	{
		const StoreCaller *caller = sql_caller(store);

		if (caller->user != NULL)
			command->user = caller_root;
		else
			command->role = caller_role;
	}
	relation_close(store, AccessShareLock);
}

bool
sql_name_caller_now(Quorum__Command *command)
{
	if (is_named(command))
		return false;
	auth_seen = AUTH_UNKNOWN;
	sql_name_caller(command);
	return is_named(command);
}

void
sql_require_admin(void)
{
	Relation	store = open_store();
	StoreError	error;

	if (store == NULL)
		return;
	error = store_check_admin(store, sql_caller(store));
	relation_close(store, AccessShareLock);
	if (error != STORE_OK)
		sql_raise(error, 0, 0);
}

void
sql_require_user(void)
{
	Relation	store = open_store();
	StorePermissions *permissions;
	StoreError	error;

	if (store == NULL)
		return;
	error = store_permissions(store, sql_caller(store), &permissions);
	relation_close(store, AccessShareLock);
	if (error != STORE_OK)
		sql_raise(error, 0, 0);
}

/* ----------------------------------------------------------------
 *	Rows of quorum.mvcc and quorum.raft_log
 * ----------------------------------------------------------------
 */

/*
 * The log holds what everybody wrote, so it is root's to see.  Of the store one
 * sees the versions of the keys that one may read.
 */
void *
sql_scan_begin(Relation rel, StorageKind kind)
{
	StorePermissions *permissions = NULL;
	StoreError	error;

	if (kind == STORAGE_LOG)
	{
		sql_require_admin();
		return NULL;
	}
	if (!store_is_formatted(rel))
		return NULL;
	error = store_permissions(rel, sql_caller(rel), &permissions);
	if (error != STORE_OK)
		sql_raise(error, 0, 0);
	return permissions;
}

bool
sql_scan_permits(void *access, const TreeItem *item)
{
	return store_item_permitted(item, (const StorePermissions *) access);
}
