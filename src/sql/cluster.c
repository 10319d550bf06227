/*-------------------------------------------------------------------------
 *
 * cluster.c
 *	  What SQL shows of the cluster, and how it is operated.
 *
 * The views work as long as the library is loaded: before the extension's store
 * is made, while the worker is down, on a standby.  What is not known is
 * null.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/sql/cluster.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "member/member.h"
#include "sql.h"

#include "compat.h"

#define STATUS_COLUMNS	17
#define MEMBER_COLUMNS	11

/* ----------------------------------------------------------------
 *	quorum.status and quorum.members
 * ----------------------------------------------------------------
 */

/* The next column of a row that is being filled */
typedef struct RowBuilder
{
	Datum	   *values;
	bool	   *isnull;
	int			n;
} RowBuilder;

static void
add_null(RowBuilder *row)
{
	row->values[row->n] = (Datum) 0;
	row->isnull[row->n++] = true;
}

static void
add_datum(RowBuilder *row, Datum value)
{
	row->values[row->n] = value;
	row->isnull[row->n++] = false;
}

static void
add_text(RowBuilder *row, const char *text)
{
	if (text == NULL)
		add_null(row);
	else
		add_datum(row, CStringGetTextDatum(text));
}

/* An identity as etcd prints it: 16 digits; 0 is none */
static void
add_id(RowBuilder *row, uint64 id)
{
	add_text(row, id == 0 ? NULL : psprintf("%016llx", (unsigned long long) id));
}

/* A number of which 0 says that it is not known */
static void
add_known(RowBuilder *row, uint64 value)
{
	if (value == 0)
		add_null(row);
	else
		add_datum(row, Int64GetDatum((int64) value));
}

/*
 * The store, or NULL where there is none that could be read (nowait: at once); the
 * caller closes it with sql_end_read().
 */
static Relation
open_store_if_any(bool nowait)
{
	Relation	store = nowait ? storage_open(STORAGE_TREE, AccessShareLock, true) :
		member_open_store_if_any();

	if (store != NULL && !tree_is_formatted(store))
	{
		relation_close(store, AccessShareLock);
		store = NULL;
	}
	return store;
}

static const Quorum__Member *
find_member(List *members, uint64 id)
{
	ListCell   *lc;

	foreach(lc, members)
	{
		const Quorum__Member *member = lfirst(lc);

		if (member->id == id)
			return member;
	}
	return NULL;
}

/* The name of the leader, its id if its name is not known, NULL if there is none */
static char *
leader_name(const MemberStatus *status, List *members)
{
	const Quorum__Member *leader;

	if (status->leader_id == 0)
		return NULL;
	leader = find_member(members, status->leader_id);
	if (leader != NULL && leader->name[0] != '\0')
		return leader->name;
	return psprintf("%016llx", (unsigned long long) status->leader_id);
}

/* The alarms that are on, each once */
static Datum
alarm_array(const Quorum__StoreMeta *meta)
{
	static const int kinds[] = {ETCDSERVERPB__ALARM_TYPE__NOSPACE, ETCDSERVERPB__ALARM_TYPE__CORRUPT};
	Datum		elements[lengthof(kinds)];
	int			n = 0;
	int			i;

	for (i = 0; i < (int) lengthof(kinds); i++)
	{
		if (meta != NULL && store_alarm_active(meta, kinds[i]))
			elements[n++] = CStringGetTextDatum(sql_alarm_name(kinds[i]));
	}
	return PointerGetDatum(construct_array(elements, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/* get_status(): the row of quorum.status */
PG_FUNCTION_INFO_V1(quorum_get_status);
Datum
quorum_get_status(PG_FUNCTION_ARGS)
{
	Datum		values[STATUS_COLUMNS];
	bool		isnull[STATUS_COLUMNS];
	RowBuilder	row = {values, isnull, 0};
	MemberStatus status;
	Relation	store;
	Quorum__StoreMeta *meta = NULL;
	List	   *members = NIL;
	TreeStat	stat = {0};

	sql_require_member();
	member_get_status(&status);
	/* who asks must learn that the store is locked, not wait for it */
	store = open_store_if_any(true);
	if (store != NULL)
	{
		meta = store_read_meta(store);
		members = store_read_members(store);
		tree_stat(store, &stat);
		sql_end_read(store);
	}

	add_id(&row, status.cluster_id);
	add_id(&row, status.member_id);
	add_text(&row, status.name[0] != '\0' ? status.name : NULL);
	if (RecoveryInProgress())
		add_text(&row, "standby");
	else if (status.role == MEMBER_QUARANTINED &&
			 strcmp(status.reason, MEMBER_REASON_REMOVED) == 0)
		add_text(&row, "removed");
	else
		add_text(&row, member_role_name(status.role));
	add_text(&row, leader_name(&status, members));
	add_known(&row, status.term);
	add_known(&row, status.commit_index);
	if (meta != NULL)
	{
		add_datum(&row, Int64GetDatum((int64) meta->applied_index));
		add_datum(&row, Int64GetDatum(meta->revision));
		add_datum(&row, Int64GetDatum(meta->compacted_revision));
		add_datum(&row, Int64GetDatum(meta->live_keys));
		add_datum(&row, Int64GetDatum((int64) stat.pages * BLCKSZ));
		add_datum(&row, Int64GetDatum((int64) (stat.pages - stat.free_pages) * BLCKSZ));
	}
	else
	{
		while (row.n < 13)
			add_null(&row);
	}
	add_datum(&row, alarm_array(meta));
	add_text(&row, status.role == MEMBER_QUARANTINED ? status.reason : NULL);
	add_text(&row, SQL_VERSION);
	add_text(&row, status.reason[0] != '\0' ? status.reason : NULL);
	Assert(row.n == STATUS_COLUMNS);

	return HeapTupleGetDatum(heap_form_tuple(sql_result_desc(fcinfo), values, isnull));
}

static Datum
text_array(char **strings, size_t n)
{
	Datum	   *elements = palloc(n * sizeof(Datum) + 1);
	size_t		i;

	for (i = 0; i < n; i++)
		elements[i] = CStringGetTextDatum(strings[i]);
	return PointerGetDatum(construct_array(elements, (int) n, TEXTOID, -1, false, TYPALIGN_INT));
}

static const MemberPeer *
find_peer(const MemberPeer *peers, int n, uint64 id)
{
	int			i;

	for (i = 0; i < n; i++)
	{
		if (peers[i].id == id)
			return &peers[i];
	}
	return NULL;
}

static const char *
peer_state(const Quorum__Member *member, const MemberPeer *peer)
{
	if (member->awaited)
		return "awaited";
	if (peer == NULL)
		return "unknown";
	if (peer->state[0] != '\0')
		return peer->state;
	return peer->connected ? "connected" : "disconnected";
}

static void
add_member_row(SqlRowSink *sink, const Quorum__Member *member,
			   const MemberStatus *status, const MemberPeer *peer)
{
	Datum		values[MEMBER_COLUMNS];
	bool		isnull[MEMBER_COLUMNS];
	RowBuilder	row = {values, isnull, 0};
	bool		is_self = member->id == status->member_id;
	bool		is_leader = member->id == status->leader_id;
	uint64		match_index = 0;

	if (is_self)
		match_index = status->last_index;
	else if (peer != NULL)
		match_index = peer->match_index;

	add_id(&row, member->id);
	add_text(&row, member->name);
	add_text(&row, sql_conninfo_public(member->conninfo));
	add_datum(&row, text_array(member->client_urls, member->n_client_urls));
	add_datum(&row, BoolGetDatum(member->is_learner));
	add_datum(&row, BoolGetDatum(is_leader));
	add_datum(&row, BoolGetDatum(is_self));
	add_known(&row, match_index);
	if (status->role == MEMBER_LEADER && match_index != 0)
		add_datum(&row, Int64GetDatum((int64) (status->last_index - match_index)));
	else
		add_null(&row);
	add_text(&row, is_self ? member_role_name(status->role) : peer_state(member, peer));
	if (!is_self && peer != NULL && peer->last_heard != 0)
		add_datum(&row, TimestampTzGetDatum(peer->last_heard));
	else
		add_null(&row);
	Assert(row.n == MEMBER_COLUMNS);

	sql_sink_row(sink, values, isnull);
}

/* get_members(): the rows of quorum.members */
PG_FUNCTION_INFO_V1(quorum_get_members);
Datum
quorum_get_members(PG_FUNCTION_ARGS)
{
	MemberPeer	peers[MEMBER_MAX_PEERS];
	int			n_peers;
	SqlRowSink	sink;
	MemberStatus status;
	Relation	store;
	ListCell   *lc;
	List	   *members;

	sql_require_member();
	sql_sink_begin(&sink, fcinfo, SQL_TEXT);
	store = open_store_if_any(false);
	if (store == NULL)
		return (Datum) 0;
	members = store_read_members(store);
	sql_end_read(store);

	member_get_status(&status);
	n_peers = member_get_peers(peers, MEMBER_MAX_PEERS);
	foreach(lc, members)
	{
		const Quorum__Member *member = lfirst(lc);

		add_member_row(&sink, member, &status, find_peer(peers, n_peers, member->id));
	}
	sql_sink_end(&sink);
	return (Datum) 0;
}

/* ----------------------------------------------------------------
 *	Checks
 * ----------------------------------------------------------------
 */

/* hash_kv(revision) returns (hash, revision, compacted_revision) */
PG_FUNCTION_INFO_V1(quorum_hash_kv);
Datum
quorum_hash_kv(PG_FUNCTION_ARGS)
{
	int64		revision = sql_arg_count(fcinfo, 0, "revision");
	uint32		hash = 0;
	int64		hash_revision = 0;
	int64		compacted_revision = 0;
	Quorum__StoreMeta *meta;
	StoreError	error;
	Relation	store;
	Datum		values[3];
	bool		isnull[3] = {false, false, false};

	store = sql_begin_read(true);
	error = store_hash_kv(store, sql_caller(store), revision,
						  &hash, &hash_revision, &compacted_revision);
	meta = store_read_meta(store);
	sql_end_read(store);
	if (error != STORE_OK)
		sql_raise(error, meta->revision, meta->compacted_revision);

	values[0] = Int64GetDatum((int64) hash);
	values[1] = Int64GetDatum(hash_revision);
	values[2] = Int64GetDatum(compacted_revision);
	return HeapTupleGetDatum(heap_form_tuple(sql_result_desc(fcinfo), values, isnull));
}

static void
report_finding(const char *relation, BlockNumber block, const char *finding, void *arg)
{
	SqlRowSink *sink = arg;
	Datum		values[3];
	bool		isnull[3] = {false, false, false};

	values[0] = CStringGetTextDatum(relation);
	if (block == InvalidBlockNumber)
		isnull[1] = true;
	else
		values[1] = Int64GetDatum((int64) block);
	values[2] = CStringGetTextDatum(finding);
	sql_sink_row(sink, values, isnull);
}

static void
count_finding(const char *relation, BlockNumber block, const char *finding, void *arg)
{
	(*(int64 *) arg)++;
}

/*
 * storage_check(), in which a page that cannot be read at all is a finding too
 * (without a block; the message names it) and ends the pass.
 */
static void
check_pages(Relation rel, StorageKind kind, StorageReport report, void *arg)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		storage_check(rel, kind, report, arg);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;

		if (error->sqlerrcode != ERRCODE_DATA_CORRUPTED &&
			error->sqlerrcode != ERRCODE_INDEX_CORRUPTED)
			ReThrowError(error);
		report(RelationGetRelationName(rel), InvalidBlockNumber, error->message, arg);
	}
	PG_END_TRY();
}

/*
 * Verify a relation.  The first pass lets the writer go on and may therefore
 * find what is only in the middle of a change; a finding counts if a second
 * pass, with the writer locked out, makes it too.  So a sound store is
 * verified at any size without holding up the member.
 */
static void
check_relation(SqlRowSink *sink, StorageKind kind)
{
	LOCKMODE	exclusive = RecoveryInProgress() ? AccessShareLock : ExclusiveLock;
	int64		findings = 0;
	Relation	rel;

	rel = storage_open(kind, AccessShareLock, false);
	if (rel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("relation \"quorum.%s\" does not exist",
						kind == STORAGE_LOG ? "raft_log" : "mvcc"),
				 errhint("Run CREATE EXTENSION pg_quorum.")));
	check_pages(rel, kind, count_finding, &findings);
	relation_close(rel, AccessShareLock);
	if (findings == 0)
		return;

	rel = storage_open(kind, exclusive, false);
	if (rel == NULL)
		return;
	check_pages(rel, kind, report_finding, sink);
	relation_close(rel, exclusive);
}

/* check(): (relation, block, finding), no row where all is sound */
PG_FUNCTION_INFO_V1(quorum_check);
Datum
quorum_check(PG_FUNCTION_ARGS)
{
	SqlRowSink	sink;

	sql_sink_begin(&sink, fcinfo, SQL_TEXT);
	check_relation(&sink, STORAGE_LOG);
	check_relation(&sink, STORAGE_TREE);
	sql_sink_end(&sink);
	return (Datum) 0;
}

/* ----------------------------------------------------------------
 *	Ways out of quarantine, and peers
 * ----------------------------------------------------------------
 */

PG_FUNCTION_INFO_V1(quorum_rejoin);
Datum
quorum_rejoin(PG_FUNCTION_ARGS)
{
	sql_require_writable("rejoin");
	sql_require_admin();
	member_rejoin();
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(quorum_new_cluster);
Datum
quorum_new_cluster(PG_FUNCTION_ARGS)
{
	sql_require_writable("new_cluster");
	sql_require_admin();
	member_new_cluster();
	PG_RETURN_VOID();
}

/*
 * sql_require_peer
 *
 * The privilege to execute the functions of members is granted to quorum_peer alone.
 * Asking for the role itself too keeps a careless GRANT from opening the
 * consensus to clients.
 */
void
sql_require_peer(void)
{
	Oid			peer_role = get_role_oid("quorum_peer", true);

	if (!OidIsValid(peer_role) || !has_privs_of_role(GetUserId(), peer_role))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to act as a member of the quorum"),
				 errdetail("Only roles with privileges of the role \"%s\" may do so.",
						   "quorum_peer")));
}

/* raft_stream() */
PG_FUNCTION_INFO_V1(quorum_raft_stream);
Datum
quorum_raft_stream(PG_FUNCTION_ARGS)
{
	CallContext *context = (CallContext *) fcinfo->context;

	sql_require_peer();
	sql_require_member();
	PreventCommandDuringRecovery("quorum.raft_stream()");
	if (context == NULL || !IsA(context, CallContext) || context->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
				 errmsg("quorum.raft_stream() cannot run inside a transaction block")));
	member_serve_peer();
	PG_RETURN_VOID();
}
