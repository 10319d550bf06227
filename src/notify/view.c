/*-------------------------------------------------------------------------
 *
 * view.c
 *	  The rows of the view quorum.watches.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/notify/view.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "notify/registry.h"
#include "sql/sql.h"

#include "compat.h"

#define WATCH_COLUMNS			12

/*
 * The name of a session's channel is what protects its events, so it is shown to
 * those only who could act as the role that made it.
 */
static bool
may_see_channel(const SharedWatch *watch)
{
	return watch->named || watch->pid == MyProcPid || has_privs_of_role(GetUserId(), watch->role);
}

/*
 * The keys that somebody watches tell about keys: while authentication is on, who is
 * not root sees only the watches of roles that it could act as.
 */
static bool
sees_all_watches(void)
{
	Relation	tree = storage_open(STORAGE_TREE, AccessShareLock, false);
	bool		result = true;

	if (tree == NULL)
		return true;
	if (store_is_formatted(tree))
		result = store_check_admin(tree, sql_caller(tree)) == STORE_OK;
	relation_close(tree, AccessShareLock);
	return result;
}

static Datum
bytes_datum(const char *bytes, uint32 len)
{
	return PointerGetDatum(cstring_to_text_with_len(bytes, (int) len));
}

static const char *
state_name(const SharedWatch *watch)
{
	switch (watch->state)
	{
		case WATCH_PENDING:
			return "pending";
		case WATCH_ACTIVE:
			return watch->following ? "active" : "catching up";
		case WATCH_ENDED:
			return "compacted";
		case WATCH_DENIED:
			return "denied";
		case WATCH_FREE:
			break;
	}
	return NULL;
}

static void
add_row(ReturnSetInfo *rsinfo, const SharedWatch *watch, int64 told_revision)
{
	Datum		values[WATCH_COLUMNS] = {0};
	bool		isnull[WATCH_COLUMNS] = {false};
	WatchRange	range;

	registry_range(watch, &range);
	if (may_see_channel(watch))
		values[0] = CStringGetTextDatum(watch->channel);
	else
		isnull[0] = true;
	values[1] = BoolGetDatum(watch->named);
	values[2] = Int32GetDatum(watch->pid);
	isnull[2] = watch->named;
	values[3] = ObjectIdGetDatum(watch->role);
	isnull[3] = !OidIsValid(watch->role);
	values[4] = bytes_datum(range.key, range.key_len);
	values[5] = bytes_datum(range.end, range.end_len);
	isnull[5] = range.end_len == 0;
	if (watch->kinds == WATCH_PUT)
		values[6] = CStringGetTextDatum("PUT");
	else if (watch->kinds == WATCH_DELETE)
		values[6] = CStringGetTextDatum("DELETE");
	else
		isnull[6] = true;
	values[7] = BoolGetDatum(watch->prev_value);
	values[8] = CStringGetTextDatum(watch->payload == WATCH_PAYLOAD_REVISION ?
									"revision" : "event");
	values[9] = Int64GetDatum(told_revision);
	values[10] = CStringGetTextDatum(state_name(watch));
	values[11] = Int64GetDatum((int64) watch->id);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, isnull);
}

/*
 * scan_watches(): one row a watch of this instance
 *
 * Each slot is copied under the lock and shown without it.
 */
PG_FUNCTION_INFO_V1(quorum_scan_watches);
Datum
quorum_scan_watches(PG_FUNCTION_ARGS)
{
	SharedWatch *copy = palloc(sizeof(SharedWatch));
	bool		sees_all;
	int			n;
	int			i;

	registry_attach();
	sees_all = sees_all_watches();
	InitMaterializedSRF(fcinfo, 0);

	registry_lock(LW_SHARED);
	n = watch_registry->high_water;
	registry_unlock();
	for (i = 0; i < n; i++)
	{
		int64		told = 0;

		CHECK_FOR_INTERRUPTS();
		registry_lock(LW_SHARED);
		memcpy(copy, &watch_registry->slots[i], sizeof(SharedWatch));
		if (copy->state != WATCH_FREE)
			told = registry_told(copy);
		registry_unlock();
		if (copy->state != WATCH_FREE &&
			(sees_all || has_privs_of_role(GetUserId(), copy->role)))
			add_row((ReturnSetInfo *) fcinfo->resultinfo, copy, told);
	}
	return (Datum) 0;
}
