/*-------------------------------------------------------------------------
 *
 * inbox.c
 *	  Messages from other members: whose are taken, and the ring for those
 *	  that a backend reads.
 *
 * Most connections the worker reads by itself (streams.c).  A backend that has
 * to do it (serve.c) checks who sends and to whom, and copies the batch into a
 * ring.  A full ring makes it wait for a while: that is the back-pressure a
 * sender feels.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/inbox.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "../clock.h"
#include "shared.h"
#include "../compat.h"

/* How long a sender is kept waiting for room, in ms. */
#define INBOX_FULL_TIMEOUT		5000

/* What is wrong with a batch, by its head */
typedef enum Verdict
{
	WELCOME,
	MALFORMED,
	NOT_READY,
	NOT_YET,					/* this instance is about to join */
	OTHER_CLUSTER,
	OTHER_MEMBER,
	QUARANTINED,
	STALE_SENDER,				/* a later incarnation of it has been seen */
	TWIN_SENDER					/* another instance bears its incarnation */
} Verdict;

/*
 * Is this the id of a member that we know?  Under the mutex.
 */
static bool
is_peer(uint64 id)
{
	MemberShared *s = member_shared;
	int			i;

	for (i = 0; i < s->npeers; i++)
		if (s->peers[i].id == id)
			return true;
	return false;
}

/*
 * Look at the head of a batch, and note who sent it.
 */
static Verdict
judge_sender(const PeerHead *head)
{
	MemberShared *s = member_shared;
	Verdict		verdict = WELCOME;
	PeerIdentity *who = NULL;
	TimestampTz now;
	int			i;

	if (head->magic != PEER_MAGIC || head->version != PEER_VERSION)
		return MALFORMED;

	now = GetCurrentTimestamp();
	SpinLockAcquire(&s->mutex);
	if (s->status.role == MEMBER_STOPPED || s->status.role == MEMBER_IDLE)
		verdict = NOT_READY;
	/* an instance that is about to join knows neither its cluster's id nor its own */
	else if (head->to != 0 && s->status.role == MEMBER_JOINING &&
			 (s->status.cluster_id == 0 || head->to != s->status.member_id))
		verdict = NOT_YET;
	else if (head->cluster_id != s->status.cluster_id &&
			 !(head->to == 0 && (head->cluster_id == 0 || s->status.cluster_id == 0)))
		verdict = OTHER_CLUSTER;
	else if (head->to != 0 && head->to != s->status.member_id)
		verdict = OTHER_MEMBER;
	else if (s->status.role == MEMBER_QUARANTINED)
		verdict = QUARANTINED;
	/* who asks to join (to is 0) bears no identity yet, nor does a stranger */
	else if (head->to != 0 && is_peer(head->from))
	{
		for (i = 0; i < s->nidentities; i++)
		{
			if (s->identities[i].id == head->from)
			{
				who = &s->identities[i];
				break;
			}
			/* else the place of whom we have not heard for longest: it has left */
			if (who == NULL || s->identities[i].last_heard < who->last_heard)
				who = &s->identities[i];
		}
		if (i == s->nidentities)
		{
			if (s->nidentities < MEMBER_MAX_PEERS)
				who = &s->identities[s->nidentities++];
			memset(who, 0, sizeof(*who));
			who->id = head->from;
		}
		if (head->incarnation < who->incarnation)
			verdict = STALE_SENDER;
		else if (head->incarnation == who->incarnation &&
				 who->nonce != 0 && head->nonce != who->nonce)
			verdict = TWIN_SENDER;
		else
		{
			who->incarnation = head->incarnation;
			who->nonce = head->nonce;
			who->last_heard = now;
		}
	}
	SpinLockRelease(&s->mutex);
	return verdict;
}

/*
 * inbox_sender_is_welcome() -- may a batch with this head be taken?
 */
bool
inbox_sender_is_welcome(const PeerHead *head)
{
	return judge_sender(head) == WELCOME;
}

/*
 * inbox_check_sender() -- ERROR where a batch is not for this member, or its
 * sender is not who bears that identity now.
 */
void
inbox_check_sender(const PeerHead *head)
{
	MemberStatus status;
	Verdict		verdict = judge_sender(head);

	member_get_status(&status);
	switch (verdict)
	{
		case WELCOME:
			break;
		case MALFORMED:
			ereport(ERROR,
					(errcode(ERRCODE_PROTOCOL_VIOLATION),
					 errmsg("invalid message from another member"),
					 errdetail("It has magic number %08X and version %u.", head->magic, head->version)));
			break;
		case NOT_READY:
			ereport(ERROR,
					(errcode(ERRCODE_CANNOT_CONNECT_NOW),
					 errmsg("member is not ready to receive messages")));
			break;
		case NOT_YET:
			admission_raise(PEER_NOT_YET " member has not joined the cluster yet");
			break;
		case OTHER_CLUSTER:
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("message from another cluster"),
					 errdetail("The message belongs to cluster %016llx, this member to %016llx.",
							   (unsigned long long) head->cluster_id, (unsigned long long) status.cluster_id),
					 errhint("Check pg_quorum.initial_cluster and pg_quorum.initial_cluster_token on both members.")));
			break;
		case OTHER_MEMBER:
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("message for another member"),
					 errdetail("The message is for member %016llx, this member is %016llx.",
							   (unsigned long long) head->to, (unsigned long long) status.member_id)));
			break;
		case QUARANTINED:
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("member is quarantined")));
			break;
		case STALE_SENDER:
		case TWIN_SENDER:
			/* PEER_TWIN tells the sender that it must not go on (peers.c) */
			ereport(ERROR,
					(errcode(MAKE_SQLSTATE('P', 'Q', '0', '0', '1')),
					 errmsg("identity of member %016llx is held by another instance",
							(unsigned long long) head->from),
					 verdict == STALE_SENDER ? errdetail("A later incarnation of this member has been seen.")
					 : errdetail("Another instance with the same incarnation has been seen.")));
			break;
	}
}

/*
 * inbox_require_worker() -- ERROR 57P03 unless the worker takes messages.
 */
void
inbox_require_worker(void)
{
	MemberStatus status;

	member_get_status(&status);
	if (status.role == MEMBER_STOPPED || status.role == MEMBER_IDLE)
		ereport(ERROR,
				(errcode(ERRCODE_CANNOT_CONNECT_NOW),
				 errmsg("member is not ready to receive messages")));
}

/*
 * The largest batch that this member takes, in bytes.
 */
uint32
member_largest_batch(void)
{
	return (uint32) (member_inbox->size / 2 - sizeof(uint32));
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
 * member_receive() -- put a batch of messages into the ring.
 *
 * Returns when it is there.  ERROR 54000 if it can never fit, 53000 if there
 * was no room in time, 57P03 or 55000 if it is not welcome.
 */
void
member_receive(const char *bytes, uint32 len)
{
	static uint32 wait_event = 0;
	PeerHead	head;
	Relation	store;
	char	   *refusal;
	uint64		need = sizeof(uint32) + (uint64) len;
	uint64		tail;
	ClockTime	give_up = 0;

	if (len < sizeof(PeerHead))
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("invalid message from another member"),
				 errdetail("It has %u bytes, the head alone has %zu.", len, sizeof(PeerHead))));
	memcpy(&head, bytes, sizeof(PeerHead));
	inbox_check_sender(&head);
	if (head.to == 0 || !admission_is_peer(head.from))
	{
		store = member_open_store();
		refusal = admission_refusal(store, &head, bytes + sizeof(PeerHead), len - sizeof(PeerHead));
		relation_close(store, AccessShareLock);
		if (refusal != NULL)
			admission_raise(refusal);
	}

	if (len > member_largest_batch())
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
			give_up = clock_plus_ms(clock_now(), INBOX_FULL_TIMEOUT);
			ConditionVariablePrepareToSleep(&member_inbox->space);
			continue;
		}
		if (clock_now() >= give_up)
		{
			ConditionVariableCancelSleep();
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
					 errmsg("queue for messages from other members is full")));
		}
		(void) ConditionVariableTimedSleep(&member_inbox->space, 100, pgq_wait_event(&wait_event, "QuorumInbox"));
	}

	ring_write(tail, (const char *) &len, sizeof(uint32));
	ring_write(tail + sizeof(uint32), bytes, len);
	pg_write_barrier();
	pg_atomic_write_u64(&member_inbox->tail, tail + need);
	LWLockRelease(&member_inbox->lock);
	if (give_up != 0)
		ConditionVariableCancelSleep();

	wake_worker();
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
