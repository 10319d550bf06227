/*-------------------------------------------------------------------------
 *
 * session_keeper.c
 *	  The worker renews and ends the leases of this instance's sessions.
 *
 * As soon as one of them has a third of its TTL behind it, all that have
 * half of that go with it in one question to the leader.  So, however
 * many sessions there are and whenever they began, one stream of renewals is
 * left.  Leases that were given up are revoked in the same way, at once,
 * and until the leader says that they are gone; at the end of their time they
 * expire anyway.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/session_keeper.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "lease_wire.h"
#include "session_lease.h"
#include "worker.h"

/* Without an answer, another attempt after so long, in ms */
#define RETRY_MS				300

/* How often the table is looked at, in ms */
#define LOOK_MS					50

/* The leases of one question. */
typedef struct Batch
{
	int64		sent;
	int			n;
	int64		ids[LEASES_PER_QUESTION];
	SessionLease *leases[LEASES_PER_QUESTION];
} Batch;

static int64 next_look;

/*
 * The leader has renewed a batch, or not answered: then what became due is tried
 * again soon.
 */
static void
renewed(bool answered, const char *answer, uint32 len, void *arg)
{
	Batch	   *batch = arg;
	int			i;

	answered = answered && len == batch->n * sizeof(int64);
	ereport(DEBUG1,
			(errmsg_internal(answered ? "renewed the leases of %d sessions" :
							 "could not renew the leases of %d sessions", batch->n)));
	for (i = 0; answered && i < batch->n; i++)
	{
		SessionLease *lease = batch->leases[i];
		int64		ttl = lease_get_word(answer, i);

		/* by now it may be another session's */
		if (pg_atomic_read_u32(&lease->state) != SESSION_LEASE_HELD || lease->id != batch->ids[i])
			continue;
		if (ttl > 0)
		{
			pg_atomic_write_u64(&lease->known_until, batch->sent + ttl * 1000);
			pg_atomic_write_u64(&lease->next_try, batch->sent + ttl * 1000 / 3);
		}
		else if (session_lease_move(lease, SESSION_LEASE_HELD, SESSION_LEASE_LOST))
			wake_procno(lease->procno);
	}
	pfree(batch);
}

static void
entry_free(SessionLease *lease)
{
	if (session_lease_move(lease, SESSION_LEASE_ENDING, SESSION_LEASE_FREE))
		pg_atomic_fetch_sub_u32(&session_leases->used, 1);
}

/*
 * The leases of a batch are gone.
 */
static void
ended(bool answered, const char *answer, uint32 len, void *arg)
{
	Batch	   *batch = arg;
	int			i;

	for (i = 0; answered && i < batch->n; i++)
		if (batch->leases[i]->id == batch->ids[i])
			entry_free(batch->leases[i]);
	pfree(batch);
}

/*
 * Put a batch to the leader and begin the next.
 */
static void
send_batch(Batch **batch, QuestionKind kind)
{
	Batch	   *b = *batch;
	char	   *payload;
	int			i;

	*batch = NULL;
	if (b == NULL)
		return;
	payload = palloc(b->n * sizeof(int64));
	for (i = 0; i < b->n; i++)
		lease_put_word(payload, i, b->ids[i]);
	questions_ask_self(kind, payload, b->n * sizeof(int64),
					   kind == QUESTION_LEASE_KEEPALIVE ? renewed : ended, b);
}

static void
batch_add(Batch **batch, SessionLease *lease, int64 now, QuestionKind kind)
{
	if (*batch == NULL)
	{
		*batch = MemoryContextAlloc(worker->context, sizeof(Batch));
		(*batch)->n = 0;
		(*batch)->sent = now;
	}
	(*batch)->ids[(*batch)->n] = lease->id;
	(*batch)->leases[(*batch)->n++] = lease;
	pg_atomic_write_u64(&lease->next_try, now + RETRY_MS);
	if ((*batch)->n == LEASES_PER_QUESTION)
		send_batch(batch, kind);
}

/*
 * Is a renewal due?
 */
static bool
renewal_due(int64 now)
{
	int			i;

	for (i = 0; i < session_leases->size; i++)
	{
		SessionLease *lease = &session_leases->entries[i];

		if (pg_atomic_read_u32(&lease->state) == SESSION_LEASE_HELD &&
			(int64) pg_atomic_read_u64(&lease->next_try) <= now)
			return true;
	}
	return false;
}

/*
 * Is it time to look at the table?
 */
bool
sessions_due(void)
{
	if (pg_atomic_read_u32(&session_leases->used) == 0)
		return false;
	return pg_atomic_read_u32(&session_leases->changed) != 0 || clock_now_ms() >= next_look;
}

/*
 * sessions_run() -- renew and end what is due.  In a turn.
 */
void
sessions_run(void)
{
	Batch	   *renew = NULL;
	Batch	   *end = NULL;
	int64		now;
	bool		due;
	int			i;

	if (!sessions_due())
		return;
	now = clock_now_ms();
	next_look = now + LOOK_MS;
	pg_atomic_exchange_u32(&session_leases->changed, 0);

	due = worker->raft != NULL && renewal_due(now);
	for (i = 0; i < session_leases->size; i++)
	{
		SessionLease *lease = &session_leases->entries[i];
		int64		next_try = (int64) pg_atomic_read_u64(&lease->next_try);

		switch ((SessionLeaseState) pg_atomic_read_u32(&lease->state))
		{
			case SESSION_LEASE_HELD:
				if (due && next_try - lease->ttl * 1000 / 6 <= now)
					batch_add(&renew, lease, now, QUESTION_LEASE_KEEPALIVE);
				break;
			case SESSION_LEASE_ENDING:
				if (lease->id == 0 || now > (int64) pg_atomic_read_u64(&lease->known_until))
					entry_free(lease);
				else if (worker->raft != NULL && next_try <= now)
					batch_add(&end, lease, now, QUESTION_LEASE_EXPIRE);
				break;
			default:
				break;
		}
	}
	send_batch(&renew, QUESTION_LEASE_KEEPALIVE);
	send_batch(&end, QUESTION_LEASE_EXPIRE);
}
