/*-------------------------------------------------------------------------
 *
 * corrupt.c
 *	  The comparison of what the members have stored.
 *
 * Every pg_quorum.corrupt_check_interval the leader has a short-lived worker
 * ask all members for the hash of their keys at one revision.  Hashes are
 * comparable where the compacted revisions are equal too (store/hash.c).  They
 * are computed by that worker and by backends of the other members, so no raft worker
 * spends time on it.
 *
 * Who is wrong is decided by majority, as in etcd's check of compactions and unlike in its
 * periodic one, which takes the leader for right: if more than half of all members
 * agree, CORRUPT is raised for each of the others, and if no such group exists, for member
 * 0, that is nobody in particular.  A member whose hash cannot be computed because a page
 * is broken differs from everybody.
 *
 * CORRUPT stops the whole cluster, so it is raised only if a second comparison,
 * at a later revision, comes to the same result.  Members that do not
 * answer, or do not get to the revision in time, are left out.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/corrupt.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "libpq-fe.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/resowner.h"
#include "utils/wait_event.h"

#include "../clock.h"
#include "../settings.h"
#include "worker.h"
#include "../compat.h"

#define CONNECT_MS				5000
#define QUERY_MS				(10 * 60 * 1000)

/* A member that has not applied the revision yet is asked again. */
#define BEHIND_RETRY_MS			200
#define BEHIND_RETRIES			50

/* Comparisons that a compaction has made void are repeated, and those that found
 * something, after a pause. */
#define MAX_ROUNDS				4
#define ROUND_PAUSE_MS			500

/* A check that has not ended by then is taken for lost. */
#define PATIENCE_MS				(30 * 60 * 1000)

#define CORRUPT					ETCDSERVERPB__ALARM_TYPE__CORRUPT

/* What is known of a member's hash. */
typedef struct Witness
{
	uint64		id;
	const char *name;
	const char *conninfo;
	bool		answered;
	bool		broken;			/* it could not read its own pages */
	uint32		hash;
	int64		compacted_revision;
	bool		suspect;
} Witness;

typedef enum Verdict
{
	VERDICT_EQUAL,
	VERDICT_VOID,				/* members were at different compacted revisions */
	VERDICT_DIFFERENT,			/* the suspects are marked */
	VERDICT_NO_MAJORITY
} Verdict;

/* ---------- the raft worker ---------- */

static void
launch_checker(void)
{
	BackgroundWorker w;

	memset(&w, 0, sizeof(w));
	w.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	w.bgw_start_time = BgWorkerStart_RecoveryFinished;
	w.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(w.bgw_library_name, "pg_quorum", sizeof(w.bgw_library_name));
	strlcpy(w.bgw_function_name, "member_checker_main", sizeof(w.bgw_function_name));
	strlcpy(w.bgw_name, "pg_quorum checker", sizeof(w.bgw_name));
	strlcpy(w.bgw_type, "pg_quorum checker", sizeof(w.bgw_type));
	/* before it starts, since it may have ended before we go on */
	pg_atomic_write_u32(&member_shared->checker_runs, 1);
	if (!RegisterDynamicBackgroundWorker(&w, NULL))
	{
		static ClockTime logged;

		pg_atomic_write_u32(&member_shared->checker_runs, 0);
		if (worker_may_log(&logged))
			ereport(LOG,
					(errmsg("could not start a worker to compare the members' contents"),
					 errhint("Set max_worker_processes higher.")));
	}
}

/*
 * corrupt_tick() -- have the members compared if it is time for that.
 */
void
corrupt_tick(void)
{
	static ClockTime last;
	ClockTime	now = clock_now();

	if (setting_corrupt_check_interval == 0 || worker->role != MEMBER_LEADER ||
		worker->npeers == 0)
	{
		last = now;
		return;
	}
	if (!clock_exceeds(last, now, setting_corrupt_check_interval * 1000) ||
		(pg_atomic_read_u32(&member_shared->checker_runs) != 0 &&
		 !clock_exceeds(last, now, PATIENCE_MS)) ||
		store_alarm_active(store_meta(worker->store), CORRUPT))
		return;
	last = now;
	launch_checker();
}

/* ---------- asking a member ---------- */

/*
 * Wait for a connection's socket; false when the time is up.
 */
static bool
wait_for_socket(PGconn *conn, int events, ClockTime deadline)
{
	static uint32 wait_event = 0;
	long		left = clock_ms_between(clock_now(), deadline);
	int			rc;

	if (left <= 0)
		return false;
	rc = WaitLatchOrSocket(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH | events,
						   PQsocket(conn), left, pgq_wait_event(&wait_event, "QuorumCompare"));
	if (rc & WL_LATCH_SET)
		ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	return true;
}

/*
 * Connect to a member; NULL if that does not succeed in time.  The raft worker
 * says in the log what is wrong with its own connections, so nothing is said here.
 */
static PGconn *
connect_to(const char *conninfo)
{
	ClockTime	deadline = clock_plus_ms(clock_now(), CONNECT_MS);
	PostgresPollingStatusType polling = PGRES_POLLING_WRITING;
	PeerConnection params;
	PGconn	   *conn;

	if (!peers_connection(conninfo, &params))
		return NULL;
	conn = PQconnectStartParams(params.keywords, params.values, 0);
	PQconninfoFree(params.options);
	if (conn == NULL)
		return NULL;
	while (PQstatus(conn) != CONNECTION_BAD && polling != PGRES_POLLING_OK &&
		   polling != PGRES_POLLING_FAILED &&
		   wait_for_socket(conn, polling == PGRES_POLLING_READING ?
						   WL_SOCKET_READABLE : WL_SOCKET_WRITEABLE, deadline))
		polling = PQconnectPoll(conn);
	if (polling == PGRES_POLLING_OK)
		return conn;
	PQfinish(conn);
	return NULL;
}

/*
 * Run a query; its last result, NULL if it did not come in time.
 */
static PGresult *
run_query(PGconn *conn, const char *query)
{
	ClockTime	deadline = clock_plus_ms(clock_now(), QUERY_MS);
	PGresult   *last = NULL;
	PGresult   *res;

	if (PQsendQuery(conn, query) != 1)
		return NULL;
	for (;;)
	{
		while (PQisBusy(conn))
		{
			if (!wait_for_socket(conn, WL_SOCKET_READABLE, deadline) || PQconsumeInput(conn) != 1)
			{
				PQclear(last);
				return NULL;
			}
		}
		res = PQgetResult(conn);
		if (res == NULL)
			return last;
		PQclear(last);
		last = res;
	}
}

/* Does this SQLSTATE say that stored data cannot be read? */
static bool
says_broken(const char *sqlstate)
{
	return strcmp(sqlstate, "XX001") == 0 || strcmp(sqlstate, "XX002") == 0;
}

static void
take_answer(Witness *witness, PGresult *res, bool *behind)
{
	const char *sqlstate = PQresultErrorField(res, PG_DIAG_SQLSTATE);

	*behind = false;
	if (PQresultStatus(res) == PGRES_TUPLES_OK && PQntuples(res) == 1)
	{
		int			error = atoi(PQgetvalue(res, 0, 0));

		*behind = error == STORE_FUTURE_REVISION;
		witness->answered = error == STORE_OK || error == STORE_COMPACTED;
		witness->hash = error == STORE_OK ? (uint32) strtoul(PQgetvalue(res, 0, 1), NULL, 10) : 0;
		witness->compacted_revision = strtoll(PQgetvalue(res, 0, 2), NULL, 10);
	}
	else if (sqlstate != NULL && says_broken(sqlstate))
		witness->answered = witness->broken = true;
}

/*
 * Ask a member for its hash.
 */
static void
ask(Witness *witness, int64 revision)
{
	PGconn	   *conn = connect_to(witness->conninfo);
	char		query[128];
	bool		behind = true;
	int			i;

	if (conn == NULL)
		return;
	snprintf(query, sizeof(query), "SELECT error, hash, compacted_revision FROM quorum.peer_hash("
			 INT64_FORMAT ")", revision);
	for (i = 0; i < BEHIND_RETRIES && behind; i++)
	{
		PGresult   *res = run_query(conn, query);

		if (res == NULL)
			break;
		take_answer(witness, res, &behind);
		PQclear(res);
		if (behind)
			(void) wait_for_socket(conn, 0, clock_plus_ms(clock_now(), BEHIND_RETRY_MS));
	}
	PQfinish(conn);
}

/*
 * This member's own hash.  That it cannot read its own pages is an answer too: a leader
 * must not escape judgement by failing in it.
 */
static void
hash_own(Relation store, int64 revision, Witness *witness)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	int64		hash_revision;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		witness->answered = store_hash_kv(store, NULL, revision, &witness->hash, &hash_revision,
										  &witness->compacted_revision) == STORE_OK;
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		MemoryContextSwitchTo(context);
		edata = CopyErrorData();
		if (!says_broken(unpack_sql_state(edata->sqlerrcode)))
			PG_RE_THROW();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		witness->answered = witness->broken = true;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
}

/* ---------- comparing ---------- */

static bool
agree(const Witness *a, const Witness *b)
{
	return a->answered && b->answered && !a->broken && !b->broken && a->hash == b->hash;
}

/*
 * What do the answers say?
 */
static Verdict
judge(Witness *witnesses, int n)
{
	const Witness *right = NULL;
	bool		different = false;
	int			i;
	int			j;

	for (i = 0; i < n; i++)
	{
		int			supporters = 0;

		witnesses[i].suspect = false;
		if (!witnesses[i].answered)
			continue;
		for (j = 0; j < n; j++)
		{
			if (!witnesses[j].answered)
				continue;
			if (!witnesses[i].broken && !witnesses[j].broken &&
				witnesses[i].compacted_revision != witnesses[j].compacted_revision)
				return VERDICT_VOID;
			if (agree(&witnesses[i], &witnesses[j]))
				supporters++;
			else
				different = true;
		}
		if (supporters * 2 > n)
			right = &witnesses[i];
	}
	if (!different)
		return VERDICT_EQUAL;
	if (right == NULL)
		return VERDICT_NO_MAJORITY;
	for (i = 0; i < n; i++)
		witnesses[i].suspect = witnesses[i].answered && !agree(&witnesses[i], right);
	return VERDICT_DIFFERENT;
}

/*
 * One comparison.  The witnesses, *n of them, are palloc'd.
 */
static Verdict
compare(Witness **witnesses, int *n)
{
	MemberStatus status;
	Relation	store;
	List	   *members;
	ListCell   *lc;
	int64		revision = 0;
	int			i = 0;

	member_get_status(&status);
	store = member_open_store();
	members = store_read_members(store);
	*n = list_length(members);
	*witnesses = palloc0(*n * sizeof(Witness));
	foreach(lc, members)
	{
		const Quorum__Member *member = lfirst(lc);
		Witness    *witness = &(*witnesses)[i++];

		witness->id = member->id;
		witness->name = member->name;
		witness->conninfo = member->conninfo;
		if (member->id == status.member_id)
		{
			revision = store_read_meta(store)->revision;
			hash_own(store, revision, witness);
		}
	}
	relation_close(store, AccessShareLock);
	if (revision == 0)
		return VERDICT_VOID;	/* this member has been removed */

	for (i = 0; i < *n; i++)
	{
		if ((*witnesses)[i].id != status.member_id)
			ask(&(*witnesses)[i], revision);
	}
	return judge(*witnesses, *n);
}

/* ---------- the verdict ---------- */

static void
raise_alarm(uint64 member)
{
	Quorum__Command command;
	Etcdserverpb__AlarmRequest request;

	quorum__command__init(&command);
	etcdserverpb__alarm_request__init(&request);
	command.internal = true;
	command.op_case = QUORUM__COMMAND__OP_ALARM;
	command.alarm = &request;
	request.action = ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__ACTIVATE;
	request.memberid = member;
	request.alarm = CORRUPT;
	(void) member_execute(&command);
}

static void
act_on(Verdict verdict, const Witness *witnesses, int n)
{
	int			i;

	if (verdict == VERDICT_NO_MAJORITY)
	{
		ereport(LOG,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("members have stored different contents, and no majority agrees"),
				 errhint("Compare quorum.hash_kv(revision) and run quorum.check() on every member.")));
		raise_alarm(0);
		return;
	}
	for (i = 0; i < n; i++)
	{
		if (!witnesses[i].suspect)
			continue;
		ereport(LOG,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("member \"%s\" has stored other contents than the majority", witnesses[i].name),
				 witnesses[i].broken ? errdetail("It cannot read all of its pages.")
				 : errdetail("Its hash is %u.", witnesses[i].hash)));
		raise_alarm(witnesses[i].id);
	}
}

/*
 * Do two comparisons find the same?
 */
static bool
confirmed(Verdict first, const Witness *a, int na, Verdict second, const Witness *b, int nb)
{
	int			i;

	if (first != second || na != nb)
		return false;
	for (i = 0; i < na; i++)
	{
		if (a[i].id != b[i].id || a[i].suspect != b[i].suspect)
			return false;
	}
	return true;
}

static void
checker_leaves(int code, Datum arg)
{
	pg_atomic_write_u32(&member_shared->checker_runs, 0);
}

/*
 * member_checker_main() -- compare the members once, then end.
 */
void
member_checker_main(Datum arg)
{
	Witness    *before = NULL;
	Verdict		last = VERDICT_VOID;
	int			nbefore = 0;
	int			round;

	before_shmem_exit(checker_leaves, (Datum) 0);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(setting_database, NULL, 0);

	StartTransactionCommand();
	for (round = 0; round < MAX_ROUNDS; round++)
	{
		static uint32 wait_event = 0;
		Witness    *witnesses;
		int			n;
		Verdict		verdict;

		member_read_barrier(-1);
		verdict = compare(&witnesses, &n);
		if (verdict == VERDICT_EQUAL)
			break;
		if (verdict != VERDICT_VOID && confirmed(last, before, nbefore, verdict, witnesses, n))
		{
			act_on(verdict, witnesses, n);
			break;
		}
		last = verdict;
		before = witnesses;
		nbefore = n;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 ROUND_PAUSE_MS, pgq_wait_event(&wait_event, "QuorumComparePause"));
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	CommitTransactionCommand();
	proc_exit(0);
}
