/*-------------------------------------------------------------------------
 *
 * access.c
 *	  May a caller read this?
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/access.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "store/read.h"

/*
 * While authentication is on, nobody but the member itself has any
 * permission, as long as no user has one.
 */
static StoreError
check_caller(Relation tree, const StoreCaller *caller)
{
	MetaHead	head;

	if (caller == NULL)
		return STORE_OK;
	read_head(tree, &head);
	return head.auth_enabled ? STORE_PERMISSION_DENIED : STORE_OK;
}

StoreError
store_check_access(Relation tree, const StoreCaller *caller, StoreAccess access,
				   const char *key, uint32 key_len,
				   const char *range_end, uint32 range_end_len)
{
	return check_caller(tree, caller);
}

StoreError
store_check_admin(Relation tree, const StoreCaller *caller)
{
	return check_caller(tree, caller);
}
