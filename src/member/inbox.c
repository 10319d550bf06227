/*-------------------------------------------------------------------------
 *
 * inbox.c
 *	  Messages from other members, on their way to the worker.
 *
 * A backend that serves quorum.raft_step() checks who sends and to whom,
 * copies the message into a ring and returns at once.  A full ring makes it
 * wait for a while: that is the back-pressure a sender feels.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/inbox.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "shared.h"
#include "../compat.h"

/* How long a sender is kept waiting for room, in ms. */
#define INBOX_FULL_TIMEOUT		5000

/*
 * Check the head of a batch and note who sent it.  Raises ERROR where the batch
 * is not for this member or its sender is not who bears that identity now.
 */
static void
check_sender(const PeerHead *head)
{
	MemberShared *s = member_shared;
	MemberRole	role;
	uint64		cluster_id;
	uint64		member_id;
	PeerIdentity *who = NULL;
	bool		stale = false;
	bool		twin = false;
	int			i;

	SpinLockAcquire(&s->mutex);
	role = s->status.role;
	cluster_id = s->status.cluster_id;
	member_id = s->status.member_id;
	SpinLockRelease(&s->mutex);

	if (role == MEMBER_STOPPED || role == MEMBER_IDLE)
		ereport(ERROR,
				(errcode(ERRCODE_CANNOT_CONNECT_NOW),
				 errmsg("member is not ready to receive messages")));
	if (head->cluster_id != cluster_id)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("message from another cluster"),
				 errdetail("The message belongs to cluster %016llx, this member to %016llx.",
						   (unsigned long long) head->cluster_id, (unsigned long long) cluster_id),
				 errhint("Check pg_quorum.initial_cluster and pg_quorum.initial_cluster_token on both members.")));
	if (head->to != 0 && head->to != member_id)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("message for another member"),
				 errdetail("The message is for member %016llx, this member is %016llx.",
						   (unsigned long long) head->to, (unsigned long long) member_id)));
	if (role == MEMBER_QUARANTINED)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("member is quarantined")));

	if (head->to == 0)
		return;					/* asks to join: bears no identity yet */

	SpinLockAcquire(&s->mutex);
	for (i = 0; i < s->nidentities; i++)
		if (s->identities[i].id == head->from)
			who = &s->identities[i];
	if (who == NULL && s->nidentities < MEMBER_MAX_PEERS)
	{
		who = &s->identities[s->nidentities++];
		memset(who, 0, sizeof(*who));
		who->id = head->from;
	}
	if (who != NULL)
	{
		if (head->incarnation < who->incarnation)
			stale = true;
		else if (head->incarnation == who->incarnation &&
				 who->nonce != 0 && head->nonce != who->nonce)
			twin = true;
		else
		{
			who->incarnation = head->incarnation;
			who->nonce = head->nonce;
			who->last_heard = GetCurrentTimestamp();
		}
	}
	SpinLockRelease(&s->mutex);

	/* PQ001 tells the sender that it must not go on (peers.c) */
	if (stale || twin)
		ereport(ERROR,
				(errcode(MAKE_SQLSTATE('P', 'Q', '0', '0', '1')),
				 errmsg("identity of member %016llx is held by another instance",
						(unsigned long long) head->from),
				 stale ? errdetail("A later incarnation of this member has been seen.")
				 : errdetail("Another instance with the same incarnation has been seen.")));
}

/*
 * Copy into the ring at position pos, round its end.
 */
static void
ring_write(uint64 pos, const char *src, uint64 len)
{
	uint64		at = pos % member_inbox->size;
	uint64		first = Min(len, member_inbox->size - at);

	memcpy(member_inbox->bytes + at, src, first);
	if (first < len)
		memcpy(member_inbox->bytes, src + first, len - first);
}

static void
ring_read(uint64 pos, char *dst, uint64 len)
{
	uint64		at = pos % member_inbox->size;
	uint64		first = Min(len, member_inbox->size - at);

	memcpy(dst, member_inbox->bytes + at, first);
	if (first < len)
		memcpy(dst + first, member_inbox->bytes, len - first);
}

/*
 * member_receive() -- take a batch of peer messages (any backend).
 *
 * Returns when the batch is in the ring.  ERROR 54000 if it can never fit,
 * 53000 if there was no room in time, 57P03 or 55000 if it is not welcome.
 */
void
member_receive(const char *bytes, uint32 len)
{
	PeerHead	head;
	uint64		need;
	uint64		tail;
	TimestampTz give_up = 0;

	member_require_preload();

	if (len < sizeof(PeerHead))
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("invalid message from another member"),
				 errdetail("It has %u bytes, the head alone has %zu.", len, sizeof(PeerHead))));
	memcpy(&head, bytes, sizeof(PeerHead));
	if (head.magic != PEER_MAGIC || head.version != PEER_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("invalid message from another member"),
				 errdetail("It has magic number %08X and version %u.", head.magic, head.version)));
	check_sender(&head);

	need = sizeof(uint32) + (uint64) len;
	if (need > member_inbox->size / 2)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("message from another member is too large"),
				 errdetail("It has %u bytes.", len),
				 errhint("Set pg_quorum.queue_size higher.")));

	for (;;)
	{
		LWLockAcquire(&member_inbox->lock, LW_EXCLUSIVE);
		tail = pg_atomic_read_u64(&member_inbox->tail);
		if (member_inbox->size - (tail - pg_atomic_read_u64(&member_inbox->head)) >= need)
			break;
		LWLockRelease(&member_inbox->lock);

		if (give_up == 0)
		{
			give_up = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), INBOX_FULL_TIMEOUT);
			ConditionVariablePrepareToSleep(&member_inbox->space);
			continue;
		}
		if (GetCurrentTimestamp() >= give_up)
		{
			ConditionVariableCancelSleep();
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
					 errmsg("queue for messages from other members is full")));
		}
		(void) ConditionVariableTimedSleep(&member_inbox->space, 100, PG_WAIT_EXTENSION);
	}

	ring_write(tail, (const char *) &len, sizeof(uint32));
	ring_write(tail + sizeof(uint32), bytes, len);
	pg_write_barrier();
	pg_atomic_write_u64(&member_inbox->tail, tail + need);
	LWLockRelease(&member_inbox->lock);
	if (give_up != 0)
		ConditionVariableCancelSleep();

	wake_procno(member_shared->worker_procno);
}

bool
inbox_empty(void)
{
	return pg_atomic_read_u64(&member_inbox->head) == pg_atomic_read_u64(&member_inbox->tail);
}

/*
 * inbox_take() -- the worker's side: the next batch, palloc'd, or NULL.
 */
char *
inbox_take(uint32 *len)
{
	uint64		head = pg_atomic_read_u64(&member_inbox->head);
	char	   *bytes;

	if (head == pg_atomic_read_u64(&member_inbox->tail))
		return NULL;
	pg_read_barrier();
	ring_read(head, (char *) len, sizeof(uint32));
	bytes = palloc(*len);
	ring_read(head + sizeof(uint32), bytes, *len);
	pg_memory_barrier();
	pg_atomic_write_u64(&member_inbox->head, head + sizeof(uint32) + *len);
	ConditionVariableBroadcast(&member_inbox->space);
	return bytes;
}
