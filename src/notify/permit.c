/*-------------------------------------------------------------------------
 *
 * permit.c
 *	  Watches that may no longer be told anything.
 *
 * While authentication is on, a watch needs the right to read its keys: who makes
 * one, when it is made, and from then on whenever users or roles have changed.
 * The notifier looks before it reads events, so a watch is told nothing that
 * happened after its right was taken away.  It is told why it ends.
 *
 * The channel of a named watch can be guessed, and whoever listens to it hears what
 * it says; so while authentication is on it may say no more than that something
 * has changed.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/notify/permit.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "notify/named.h"
#include "notify/payload.h"
#include "notify/permit.h"
#include "sql/sql.h"

/*
 * permit_state() -- a number that differs whenever rights may differ; 0 while
 * authentication is off.
 */
uint64
permit_state(Relation tree)
{
	uint64		auth_revision;

	return store_auth_enabled(tree, &auth_revision) ? auth_revision : 0;
}

static bool
is_permitted(Relation tree, const LocalWatch *watch)
{
	if (watch->named && watch->payload != WATCH_PAYLOAD_REVISION)
		return false;
	return store_check_access(tree, sql_caller_of_role(tree, watch->role), STORE_READ,
							  watch->range.key, watch->range.key_len,
							  watch->range.end, watch->range.end_len) == STORE_OK;
}

/*
 * permit_group() -- mark the watches that may be told nothing as ended, and add
 * to the outbox what tells them so.
 *
 * Returns whether there are any.  Called in a transaction.
 */
bool
permit_group(WatchGroup *group, Relation tree, Outbox *outbox)
{
	MemoryContext old = MemoryContextSwitchTo(outbox->context);
	bool		any = false;
	ListCell   *lc;

	foreach(lc, group->watches)
	{
		LocalWatch *watch = lfirst(lc);

		if (is_permitted(tree, watch))
			continue;
		watch->ended = watch->denied = true;
		any = true;
		outbox_add(outbox, watch->channel, payload_canceled("permission denied"));
		if (watch->named)
			named_save_end(watch->channel, group_told(group, watch), "permission");
	}
	MemoryContextSwitchTo(old);
	return any;
}

/*
 * permit_require() -- ERROR 42501 unless the current role may watch the range.
 */
void
permit_require(Relation tree, const WatchRange *range)
{
	StoreError	error;

	error = store_check_access(tree, sql_caller(tree), STORE_READ,
							   range->key, range->key_len, range->end, range->end_len);
	if (error != STORE_OK)
		sql_raise(error, 0, 0);
}

/*
 * permit_require_payload() -- ERROR 55000 if a named watch may not have this
 * payload.
 */
void
permit_require_payload(Relation tree, WatchPayload payload)
{
	if (payload == WATCH_PAYLOAD_REVISION || permit_state(tree) == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("a named watch cannot tell events while authentication is enabled"),
			 errdetail("Every session may listen to its channel."),
			 errhint("Pass payload => 'revision', and read the changes with quorum.changes().")));
}
