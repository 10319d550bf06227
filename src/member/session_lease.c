/*-------------------------------------------------------------------------
 *
 * session_lease.c
 *	  A session's own lease: the session's side, and the shared table.
 *
 * The session has a lease granted, enters it into the table, and has no more to
 * do with it: the worker renews all entries (session_keeper.c).  At the end of
 * the session, or DISCARD ALL, the entry is given up, and the worker
 * has the lease revoked.  A crash of the server's processes empties the table;
 * then nobody renews, and the lease expires.
 *
 * A session may rely on its lease only while it is known to live: until its TTL
 * after the sending of the last renewal that was answered.  Later the leader may
 * have let it expire.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/session_lease.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "tcop/utility.h"

#include "../storage/storage.h"
#include "../store/store.h"
#include "session_lease.h"
#include "shared.h"
#include "../compat.h"

/* etcd's limit, in s */
#define MAX_TTL					INT64CONST(9000000000)

SessionLeases *session_leases;

static SessionLease *own_lease;
static ProcessUtility_hook_type next_process_utility = NULL;

/* ---------- the table ---------- */

static int
table_size(void)
{
	return 2 * MaxBackends;
}

Size
session_leases_shmem_size(void)
{
	return add_size(offsetof(SessionLeases, entries),
					mul_size(table_size(), sizeof(SessionLease)));
}

/*
 * Called from the shared memory start-up hook with AddinShmemInitLock held.
 */
void
session_leases_shmem_init(void)
{
	bool		found;
	int			i;

	session_leases = ShmemInitStruct("pg_quorum session leases", session_leases_shmem_size(), &found);
	if (found)
		return;
	pg_atomic_init_u32(&session_leases->used, 0);
	pg_atomic_init_u32(&session_leases->changed, 0);
	session_leases->size = table_size();
	for (i = 0; i < session_leases->size; i++)
	{
		SessionLease *lease = &session_leases->entries[i];

		memset(lease, 0, sizeof(SessionLease));
		pg_atomic_init_u32(&lease->state, SESSION_LEASE_FREE);
		pg_atomic_init_u64(&lease->known_until, 0);
		pg_atomic_init_u64(&lease->next_try, 0);
	}
}

/* ---------- the end ---------- */

/*
 * Hand the entry to the worker, in whatever state it is.
 */
static void
give_up(void)
{
	SessionLease *lease = own_lease;

	if (lease == NULL)
		return;
	own_lease = NULL;
	pg_atomic_write_u64(&lease->next_try, 0);
	/* the worker may move it from HELD to LOST meanwhile */
	while (!session_lease_move(lease, SESSION_LEASE_CLAIMED, SESSION_LEASE_ENDING) &&
		   !session_lease_move(lease, SESSION_LEASE_HELD, SESSION_LEASE_ENDING) &&
		   !session_lease_move(lease, SESSION_LEASE_LOST, SESSION_LEASE_ENDING))
		;
	pg_atomic_write_u32(&session_leases->changed, 1);
	wake_worker();
}

static void
give_up_at_exit(int code, Datum arg)
{
	give_up();
}

bool
member_end_session_lease(void)
{
	bool		had = own_lease != NULL;

	give_up();
	return had;
}

/*
 * ProcessUtility hook: DISCARD ALL, with which poolers clean a session, ends its
 * lease.
 */
static void
session_lease_utility(PlannedStmt *pstmt, const char *query, bool read_only_tree,
					  ProcessUtilityContext context, ParamListInfo params,
					  QueryEnvironment *env, DestReceiver *dest, QueryCompletion *qc)
{
	bool		discard = own_lease != NULL && IsA(pstmt->utilityStmt, DiscardStmt) &&
		((DiscardStmt *) pstmt->utilityStmt)->target == DISCARD_ALL;

	if (next_process_utility != NULL)
		next_process_utility(pstmt, query, read_only_tree, context, params, env, dest, qc);
	else
		standard_ProcessUtility(pstmt, query, read_only_tree, context, params, env, dest, qc);
	if (discard)
		give_up();
}

void
member_install_session_lease(void)
{
	next_process_utility = ProcessUtility_hook;
	ProcessUtility_hook = session_lease_utility;
}

/* ---------- a session's lease ---------- */

static int64
random_lease_id(void)
{
	int64		id;

	do
	{
		if (!pg_strong_random(&id, sizeof(id)))
			elog(ERROR, "could not generate a random number");
		id &= PG_INT64_MAX;
	} while (id == 0);
	return id;
}

/*
 * Find a free entry and claim it for this session.
 */
static void
claim_entry(void)
{
	static bool registered = false;
	int			start = pgq_my_procno() % session_leases->size;
	int			i;

	if (!registered)
	{
		before_shmem_exit(give_up_at_exit, (Datum) 0);
		registered = true;
	}
	for (i = 0; i < session_leases->size; i++)
	{
		SessionLease *lease = &session_leases->entries[(start + i) % session_leases->size];

		if (session_lease_move(lease, SESSION_LEASE_FREE, SESSION_LEASE_CLAIMED))
		{
			pg_atomic_fetch_add_u32(&session_leases->used, 1);
			lease->procno = pgq_my_procno();
			lease->id = 0;
			own_lease = lease;
			return;
		}
	}
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
			 errmsg("too many leases of ended sessions wait to be revoked"),
			 errhint("They expire by themselves; check quorum.status for a leader.")));
}

static void
known_for(SessionLease *lease, int64 sent, int64 ttl)
{
	pg_atomic_write_u64(&lease->known_until, sent + ttl * 1000);
	pg_atomic_write_u64(&lease->next_try, sent + ttl * 1000 / 3);
}

/*
 * Raise what the state machine says against a grant.
 */
static void
report_refusal(StoreError error)
{
	if (error == STORE_NO_SPACE)
		ereport(ERROR,
				(errcode(ERRCODE_DISK_FULL),
				 errmsg("could not grant a lease to the session: the store has reached its size limit"),
				 errhint("Delete keys and compact old revisions.")));
	if (error == STORE_CORRUPT)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("could not grant a lease to the session: the store is corrupted"),
				 errhint("Run quorum.check() on every member.")));
	ereport(ERROR,
			(errcode(ERRCODE_INTERNAL_ERROR),
			 errmsg("could not grant a lease to the session: error %d", (int) error)));
}

/*
 * Have a lease granted for the claimed entry.  An error leaves it claimed, with
 * its id: the next attempt takes the same, so that a grant whose outcome was
 * unknown is found again instead of being left to expire.
 */
static void
grant(int64 ttl)
{
	SessionLease *lease = own_lease;
	bool		again = lease->id != 0;

	if (!again)
		lease->ttl = Max(ttl, member_min_lease_ttl());
	for (;;)
	{
		Quorum__Command command = QUORUM__COMMAND__INIT;
		Etcdserverpb__LeaseGrantRequest request = ETCDSERVERPB__LEASE_GRANT_REQUEST__INIT;
		int64		sent = clock_now_ms();
		StoreError	error;

		if (lease->id == 0)
			lease->id = random_lease_id();
		/* should the session end now, the worker gives up on it then */
		pg_atomic_write_u64(&lease->known_until, sent + lease->ttl * 1000);
		request.id = lease->id;
		request.ttl = lease->ttl;
		command.internal = true;
		command.op_case = QUORUM__COMMAND__OP_LEASE_GRANT;
		command.lease_grant = &request;
		error = member_execute(&command)->error;

		if (error == STORE_OK)
		{
			known_for(lease, sent, lease->ttl);
			break;
		}
		if (error != STORE_LEASE_EXISTS)
			report_refusal(error);
		if (again)
		{
			/* granted by the attempt before; how long ago is not known */
			sent = clock_now_ms();
			if (member_lease_keepalive(lease->id) > 0)
			{
				known_for(lease, sent, lease->ttl);
				break;
			}
		}
		lease->id = 0;
		again = false;
	}
	(void) session_lease_move(lease, SESSION_LEASE_CLAIMED, SESSION_LEASE_HELD);
}

/*
 * member_session_lease() -- see member.h.
 */
int64
member_session_lease(int64 ttl_seconds)
{
	member_require_preload();
	if (ttl_seconds <= 0 || ttl_seconds > MAX_TTL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time to live of a lease must be between 1 and %lld seconds",
						(long long) MAX_TTL)));

	if (own_lease != NULL)
	{
		int64		id = member_session_lease_id();

		if (id != 0)
			return id;
		if (pg_atomic_read_u32(&own_lease->state) == SESSION_LEASE_HELD)
		{
			int64		sent = clock_now_ms();

			/* its time may be over, or the leader just not reached */
			if (member_lease_keepalive(own_lease->id) > 0)
			{
				known_for(own_lease, sent, own_lease->ttl);
				return own_lease->id;
			}
			(void) session_lease_move(own_lease, SESSION_LEASE_HELD, SESSION_LEASE_LOST);
		}
		if (pg_atomic_read_u32(&own_lease->state) == SESSION_LEASE_LOST)
		{
			own_lease->id = 0;
			(void) session_lease_move(own_lease, SESSION_LEASE_LOST, SESSION_LEASE_CLAIMED);
		}
	}
	else
		claim_entry();
	grant(ttl_seconds);
	return own_lease->id;
}

int64
member_session_lease_id(void)
{
	if (own_lease == NULL ||
		pg_atomic_read_u32(&own_lease->state) != SESSION_LEASE_HELD ||
		clock_now_ms() >= (int64) pg_atomic_read_u64(&own_lease->known_until))
		return 0;
	return own_lease->id;
}

bool
member_session_lease_lost(void)
{
	return own_lease != NULL &&
		pg_atomic_read_u32(&own_lease->state) != SESSION_LEASE_CLAIMED &&
		member_session_lease_id() == 0;
}
