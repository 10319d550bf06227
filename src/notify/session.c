/*-------------------------------------------------------------------------
 *
 * session.c
 *	  What this session and its transaction hold in the registry.
 *
 * LISTEN takes effect when its transaction commits and is dropped when it
 * aborts, and so does a watch: its slot is PENDING until then.  The callback
 * that makes it ACTIVE runs when the backend is already in PostgreSQL's list
 * of listeners (PreCommit_Notify() entered it), so nothing that is sent from
 * then on can be missed; and what happened since the watch was registered is
 * sent then, since the slot says from which revision on.  The end of a watch
 * takes effect at commit as well, as UNLISTEN does.  A rolled back savepoint
 * takes back what was done in it.
 *
 * The watches of a session end with it, however it ends: before_shmem_exit()
 * covers every orderly end, and a crash makes shared memory anew.  They also end when
 * the session stops listening by other means: UNLISTEN and DISCARD ALL, which
 * poolers use to clean a session, are seen by a utility hook.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/notify/session.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "commands/async.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "member/member.h"
#include "notify/arguments.h"
#include "notify/permit.h"
#include "notify/session.h"
#include "sql/sql.h"

/* A watch of this session, or one that this transaction creates or drops */
typedef struct SessionWatch
{
	uint64		id;				/* in the registry; 0: to be found by channel */
	bool		named;
	bool		created;		/* in this transaction, by created_subid */
	SubTransactionId created_subid;
	bool		dropped;		/* likewise */
	SubTransactionId dropped_subid;
	char		channel[NAMEDATALEN];
} SessionWatch;

static List *session_watches = NIL; /* of SessionWatch, in session_context */
static MemoryContext session_context = NULL;
static ProcessUtility_hook_type next_ProcessUtility = NULL;

/* ----------------------------------------------------------------
 *	The ends of transactions, and of the session
 * ----------------------------------------------------------------
 */

/*
 * Take a watch out of the registry and out of the list.  Holds the lock.
 */
static void
forget_in_registry(SessionWatch *own)
{
	SharedWatch *watch;

	watch = own->id != 0 ? registry_find(own->id) : registry_find_named(own->channel);
	if (watch != NULL)
		registry_free(watch);
}

static bool
session_has_changes(void)
{
	ListCell   *lc;

	foreach(lc, session_watches)
	{
		SessionWatch *own = lfirst(lc);

		if (own->created || own->dropped)
			return true;
	}
	return false;
}

/*
 * Carry out, or take back, what the transaction did.  Must not raise errors
 * once it is decided.
 */
static void
session_xact_end(XactEvent event, void *arg)
{
	bool		commit;
	ListCell   *lc;

	switch (event)
	{
		case XACT_EVENT_COMMIT:
			commit = true;
			break;
		case XACT_EVENT_ABORT:
			commit = false;
			break;
		case XACT_EVENT_PRE_PREPARE:
			if (session_has_changes())
				ereport(ERROR,
						(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						 errmsg("cannot PREPARE a transaction that has created or dropped a watch")));
			return;
		default:
			return;
	}

	if (!session_has_changes())
		return;

	registry_lock(LW_EXCLUSIVE);
	foreach(lc, session_watches)
	{
		SessionWatch *own = lfirst(lc);
		bool		gone = commit ? own->dropped : own->created;
		bool		done = own->named;	/* what is named is not the session's */

		if (!own->created && !own->dropped)
			continue;
		if (own->named)
			watch_registry->named_generation++;
		if (gone)
		{
			forget_in_registry(own);
			done = true;
		}
		else if (own->created)
		{
			SharedWatch *watch = registry_find(own->id);

			if (watch != NULL)
				watch->state = WATCH_ACTIVE;
		}
		own->created = own->dropped = false;
		if (done)
		{
			session_watches = foreach_delete_current(session_watches, lc);
			pfree(own);
		}
	}
	registry_changed();
	registry_unlock();
}

static void
session_subxact_end(SubXactEvent event, SubTransactionId mySubid,
					SubTransactionId parentSubid, void *arg)
{
	ListCell   *lc;

	if (event != SUBXACT_EVENT_COMMIT_SUB && event != SUBXACT_EVENT_ABORT_SUB)
		return;

	foreach(lc, session_watches)
	{
		SessionWatch *own = lfirst(lc);

		if (event == SUBXACT_EVENT_COMMIT_SUB)
		{
			if (own->created && own->created_subid == mySubid)
				own->created_subid = parentSubid;
			if (own->dropped && own->dropped_subid == mySubid)
				own->dropped_subid = parentSubid;
			continue;
		}

		if (own->dropped && own->dropped_subid == mySubid)
		{
			own->dropped = false;
			if (own->named && !own->created)
			{
				session_watches = foreach_delete_current(session_watches, lc);
				pfree(own);
				continue;
			}
		}
		if (own->created && own->created_subid == mySubid)
		{
			registry_lock(LW_EXCLUSIVE);
			if (own->named)
				watch_registry->named_generation++;
			forget_in_registry(own);
			registry_changed();
			registry_unlock();
			session_watches = foreach_delete_current(session_watches, lc);
			pfree(own);
		}
	}
}

/*
 * before_shmem_exit callback: the session's watches end.  A transaction
 * that is still open will be aborted, so what it created goes too and what it
 * wanted dropped stays, if it is not the session's.
 */
static void
session_exit(int code, Datum arg)
{
	ListCell   *lc;

	if (session_watches == NIL)
		return;
	registry_lock(LW_EXCLUSIVE);
	foreach(lc, session_watches)
	{
		SessionWatch *own = lfirst(lc);

		if (!own->named || own->created)
			forget_in_registry(own);
	}
	registry_changed();
	registry_unlock();
	session_watches = NIL;
}

static void
session_prepare(void)
{
	if (session_context != NULL)
		return;
	session_context = AllocSetContextCreate(TopMemoryContext, "pg_quorum watches",
											ALLOCSET_SMALL_SIZES);
	RegisterXactCallback(session_xact_end, NULL);
	RegisterSubXactCallback(session_subxact_end, NULL);
	before_shmem_exit(session_exit, (Datum) 0);
}

static SessionWatch *
session_remember(const char *channel, bool named)
{
	MemoryContext old = MemoryContextSwitchTo(session_context);
	SessionWatch *own = palloc0(sizeof(SessionWatch));

	own->named = named;
	strlcpy(own->channel, channel, NAMEDATALEN);
	session_watches = lappend(session_watches, own);
	MemoryContextSwitchTo(old);
	return own;
}

/*
 * session_add_watch() -- register a watch that takes effect at commit.
 *
 * store is the relation it is about.  ERROR 53400 if there are too many.
 */
void
session_add_watch(const WatchSpec *spec, const char *channel, bool named, Oid store)
{
	SessionWatch *own;
	SharedWatch *watch;

	registry_attach();
	session_prepare();

	/* what can fail comes first, so that no slot is lost */
	own = session_remember(channel, named);
	registry_lock(LW_EXCLUSIVE);
	watch = registry_add(spec, channel, named, store);
	if (watch != NULL)
	{
		own->id = watch->id;
		own->created = true;
		own->created_subid = GetCurrentSubTransactionId();
	}
	registry_unlock();

	if (watch == NULL)
	{
		session_watches = list_delete_ptr(session_watches, own);
		pfree(own);
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("too many watches"),
				 errdetail("All %d are in use on this server.", watch_registry->nslots),
				 errhint("End some, see the view quorum.watches, or raise \"pg_quorum.max_watches\".")));
	}
}

static void
mark_dropped(SessionWatch *own)
{
	own->dropped = true;
	own->dropped_subid = GetCurrentSubTransactionId();
}

/*
 * session_drop_watch() -- end this session's watch on a channel at commit.
 *
 * Returns false if the session has none there.
 */
bool
session_drop_watch(const char *channel)
{
	ListCell   *lc;

	foreach(lc, session_watches)
	{
		SessionWatch *own = lfirst(lc);

		if (!own->named && !own->dropped && strcmp(own->channel, channel) == 0)
		{
			mark_dropped(own);
			return true;
		}
	}
	return false;
}

/*
 * session_drop_named() -- end a named watch at commit.
 *
 * The caller has deleted its row.  One that this transaction created has a slot
 * that is found by its id, any other is found by its channel.
 */
void
session_drop_named(const char *channel)
{
	ListCell   *lc;

	registry_attach();
	session_prepare();
	foreach(lc, session_watches)
	{
		SessionWatch *own = lfirst(lc);

		if (own->named && own->created && !own->dropped && strcmp(own->channel, channel) == 0)
		{
			mark_dropped(own);
			return;
		}
	}
	mark_dropped(session_remember(channel, true));
}

/*
 * session_watch_start() -- where a new watch begins.
 *
 * start_revision is the first revision wanted, 0 for what happens from now
 * on: after a read barrier, so that nothing that was acknowledged before, on
 * whatever member, is told.  Returns the revision after which events come.
 * Raises the errors of a member that is not ready, and ERROR 42501 if the current role
 * may not watch this.
 */
int64
session_watch_start(int64 start_revision, const WatchSpec *spec, bool named, Oid *store)
{
	Relation	tree;
	int64		revision;

	tree = sql_begin_read(start_revision != 0);
	*store = RelationGetRelid(tree);
	permit_require(tree, &spec->range);
	if (named)
		permit_require_payload(tree, spec->payload);
	if (start_revision != 0)
		revision = start_revision - 1;
	else
	{
		Quorum__StoreMeta *meta = store_read_meta(tree);

		revision = meta->revision;
	}
	sql_end_read(tree);
	return revision;
}

/* ----------------------------------------------------------------
 *	The end of listening by other means
 * ----------------------------------------------------------------
 */

/*
 * ProcessUtility hook: after UNLISTEN and DISCARD ALL.
 */
static void
session_ProcessUtility(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
					   ProcessUtilityContext context, ParamListInfo params,
					   QueryEnvironment *queryEnv, DestReceiver *dest,
					   QueryCompletion *qc)
{
	Node	   *statement = pstmt->utilityStmt;
	const char *channel = NULL;
	bool		unlisten = false;
	ListCell   *lc;

	/* looked at before: the statement may free its own tree */
	if (session_watches != NIL)
	{
		if (IsA(statement, UnlistenStmt))
		{
			unlisten = true;
			channel = ((UnlistenStmt *) statement)->conditionname;
			if (channel != NULL)
				channel = pstrdup(channel);
		}
		else if (IsA(statement, DiscardStmt))
			unlisten = ((DiscardStmt *) statement)->target == DISCARD_ALL;
	}

	if (next_ProcessUtility != NULL)
		next_ProcessUtility(pstmt, queryString, readOnlyTree, context, params,
							queryEnv, dest, qc);
	else
		standard_ProcessUtility(pstmt, queryString, readOnlyTree, context, params,
								queryEnv, dest, qc);

	if (!unlisten)
		return;
	foreach(lc, session_watches)
	{
		SessionWatch *own = lfirst(lc);

		if (!own->named && !own->dropped &&
			(channel == NULL || strcmp(own->channel, channel) == 0))
			mark_dropped(own);
	}
}

/*
 * session_install_hook() -- called once, under preload.
 */
void
session_install_hook(void)
{
	next_ProcessUtility = ProcessUtility_hook;
	ProcessUtility_hook = session_ProcessUtility;
}

/* ----------------------------------------------------------------
 *	watch and unwatch
 * ----------------------------------------------------------------
 */

/*
 * A channel name that nobody can guess: 128 random bits.
 */
static char *
random_channel(void)
{
	unsigned char bytes[16];
	StringInfoData buf;
	int			i;

	if (!pg_strong_random(bytes, sizeof(bytes)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate a random channel name")));
	initStringInfo(&buf);
	appendStringInfoString(&buf, "quorum_");
	for (i = 0; i < (int) sizeof(bytes); i++)
		appendStringInfo(&buf, "%02x", bytes[i]);
	return buf.data;
}

/*
 * watch(key, range_end, prefix, start_revision, events, prev_value,
 *		 OUT channel, OUT revision), for text and bytea
 */
PG_FUNCTION_INFO_V1(quorum_watch);
Datum
quorum_watch(PG_FUNCTION_ARGS)
{
	WatchSpec	spec;
	int64		start_revision;
	char	   *channel;
	Oid			store;
	Datum		values[2];
	bool		isnull[2] = {false, false};

	argument_watch_range(fcinfo, 0, &spec.range);
	start_revision = sql_arg_count(fcinfo, 3, "start_revision");
	spec.kinds = argument_kinds(fcinfo, 4);
	spec.prev_value = sql_arg_bool(fcinfo, 5);
	spec.payload = WATCH_PAYLOAD_EVENT;

	sql_require_writable("watch");
	if (MyBackendType != B_BACKEND)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot watch in a background process"),
				 errdetail("Only a client session receives notifications.")));
	if (InSecurityRestrictedOperation())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("cannot watch within security-restricted operation")));

	spec.told_revision = session_watch_start(start_revision, &spec, false, &store);
	channel = random_channel();
	Async_Listen(channel);
	session_add_watch(&spec, channel, false, store);

	values[0] = CStringGetTextDatum(channel);
	values[1] = Int64GetDatum(spec.told_revision);
	return HeapTupleGetDatum(heap_form_tuple(sql_result_desc(fcinfo), values, isnull));
}

/*
 * unwatch(channel)
 */
PG_FUNCTION_INFO_V1(quorum_unwatch);
Datum
quorum_unwatch(PG_FUNCTION_ARGS)
{
	char	   *channel;

	sql_require_argument(fcinfo, 0, "channel");
	channel = text_to_cstring(PG_GETARG_TEXT_PP(0));
	registry_attach();
	if (!session_drop_watch(channel))
		PG_RETURN_BOOL(false);
	Async_Unlisten(channel);
	PG_RETURN_BOOL(true);
}
