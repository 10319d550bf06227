/*-------------------------------------------------------------------------
 *
 * lease_list.c
 *	  LeaseLeases: all leases, those that expire soonest first.
 *
 * Which leases there are is in this member's store, as etcd lists its own.  Their
 * times are the leader's, who is asked about some thousand at a time; without one the
 * list is in the order of the ids.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/lease_list.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "gateway/caller.h"
#include "gateway/header.h"
#include "gateway/leader.h"
#include "gateway/lease.h"
#include "gateway/request.h"
#include "member/lease_wire.h"

/* Read in one turn */
#define LEASES_A_SLICE			2048

typedef struct ListedLease
{
	int64		id;
	int64		remaining_ms;	/* -1: it is gone by now */
} ListedLease;

typedef struct LeaseList
{
	Request		request;
	MemoryContext context;
	ListedLease *leases;
	int64		n;
	int64		max;
	int64		asked;			/* so many of them have their times */
	int			read;			/* in this turn */
} LeaseList;

/* qsort comparator */
static int
compare_leases(const void *a, const void *b)
{
	const ListedLease *x = a;
	const ListedLease *y = b;

	if (x->remaining_ms != y->remaining_ms)
		return x->remaining_ms < y->remaining_ms ? -1 : 1;
	return (uint64) x->id < (uint64) y->id ? -1 : (uint64) x->id > (uint64) y->id;
}

static void
reply_list(Call *call, void *arg)
{
	LeaseList  *list = call->state;
	Etcdserverpb__LeaseLeasesResponse response = ETCDSERVERPB__LEASE_LEASES_RESPONSE__INIT;
	Etcdserverpb__ResponseHeader header;
	Etcdserverpb__LeaseStatus *statuses;
	int64		i;

	if (list->asked == list->n)
		qsort(list->leases, list->n, sizeof(ListedLease), compare_leases);
	response.leases = MemoryContextAllocHuge(list->context, (list->n + 1) * sizeof(*response.leases));
	statuses = MemoryContextAllocHuge(list->context, (list->n + 1) * sizeof(*statuses));
	for (i = 0; i < list->n; i++)
	{
		Etcdserverpb__LeaseStatus *status = &statuses[response.n_leases];

		if (list->leases[i].remaining_ms < 0)
			continue;
		etcdserverpb__lease_status__init(status);
		status->id = list->leases[i].id;
		response.leases[response.n_leases++] = status;
	}
	header_fill(&header, header_revision());
	response.header = &header;
	call_reply(call, &response.base);
}

static void ask_times(Call *call);

/* MemberCallDone */
static void
times_answered(MemberCallOutcome outcome, Quorum__Result *result,
			   const char *answer, uint32 len, void *arg)
{
	Call	   *call = arg;
	LeaseList  *list = call->state;
	int			n = Min(list->n - list->asked, LEASES_PER_QUESTION);
	int			i;

	list->request.pending = NULL;
	if (outcome == MEMBER_CALL_DONE && len == 2 * n * sizeof(int64))
	{
		for (i = 0; i < n; i++)
			list->leases[list->asked++].remaining_ms = lease_get_word(answer, 2 * i);
		ask_times(call);
	}
	else
		call_run_later(call, reply_list, NULL);
}

static void
ask_times(Call *call)
{
	LeaseList  *list = call->state;
	char		question[LEASES_PER_QUESTION * sizeof(int64)];
	int			n = Min(list->n - list->asked, LEASES_PER_QUESTION);
	int			i;

	if (n == 0)
	{
		call_run_later(call, reply_list, NULL);
		return;
	}
	for (i = 0; i < n; i++)
		lease_put_word(question, i, list->leases[list->asked + i].id);
	list->request.pending = member_call_ask_leader(QUESTION_LEASE_TTL, question,
												   n * sizeof(int64), -1, times_answered, call);
}

/* StoreLeaseVisit */
static bool
add_lease(const StoreLease *lease, void *arg)
{
	LeaseList  *list = arg;

	if (list->n == list->max)
	{
		list->max = Max(list->max * 2, 64);
		list->leases = list->leases == NULL ?
			MemoryContextAlloc(list->context, list->max * sizeof(ListedLease)) :
			repalloc_huge(list->leases, list->max * sizeof(ListedLease));
	}
	list->leases[list->n].id = lease->id;
	list->leases[list->n].remaining_ms = 0;
	list->n++;
	return ++list->read < LEASES_A_SLICE;
}

static void
read_slice(Call *call, void *arg)
{
	LeaseList  *list = call->state;
	int64		after = list->n > 0 ? list->leases[list->n - 1].id : 0;

	list->read = 0;
	store_scan_leases(call_store(), after, add_lease, list);
	if (list->read == LEASES_A_SLICE)
		call_run_later(call, read_slice, NULL);
	else if (leader_is_known())
		ask_times(call);
	else
		reply_list(call, NULL);
}

void
lease_list_message(Call *call, const ProtobufCMessage *message)
{
	StoreError	error = caller_require_user(call);
	LeaseList  *list;

	if (error != STORE_OK)
	{
		errors_finish(call, error);
		return;
	}
	list = request_new(call, sizeof(LeaseList));
	list->context = call->context;
	read_slice(call, NULL);
}
