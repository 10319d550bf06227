/*-------------------------------------------------------------------------
 *
 * keepalive.c
 *	  LeaseKeepAlive: streams of renewals.
 *
 * Only the leader renews, and what it answers is true as of a read round.  So a renewal
 * costs about the same alone as with a thousand others: while one question is under way, the
 * renewals of all streams gather for the next.
 *
 * A stream's renewals are answered in their order, since the questions are put one
 * after the other.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/keepalive.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/ilist.h"
#include "utils/memutils.h"

#include "gateway/caller.h"
#include "gateway/header.h"
#include "gateway/leader.h"
#include "gateway/lease.h"
#include "member/lease_wire.h"

/* A stream that has so many renewals without an answer is not read from */
#define STREAM_MAX_RENEWALS		256

typedef struct KeepAlive
{
	Call	   *call;
	LeaderNeed	need;
	dlist_head	renewals;		/* without an answer */
	int			n;
	bool		half_closed;
} KeepAlive;

typedef struct Renewal
{
	dlist_node	node;			/* in waiting or asked */
	dlist_node	stream_node;
	KeepAlive  *stream;			/* NULL: it has ended */
	int64		id;
} Renewal;

static MemoryContext renewals_context = NULL;
static dlist_head waiting = DLIST_STATIC_INIT(waiting);
static dlist_head asked = DLIST_STATIC_INIT(asked);
static bool asking;

static void ask(void);

static Renewal *
renewal_new(KeepAlive *stream, int64 id)
{
	Renewal    *renewal;

	if (renewals_context == NULL)
		renewals_context = AllocSetContextCreate(TopMemoryContext, "lease renewals",
												 ALLOCSET_DEFAULT_SIZES);
	renewal = MemoryContextAlloc(renewals_context, sizeof(Renewal));
	renewal->stream = stream;
	renewal->id = id;
	dlist_push_tail(&stream->renewals, &renewal->stream_node);
	stream->n++;
	return renewal;
}

/*
 * A renewal has been answered, or never will be: out of its stream with it.
 */
static void
renewal_free(Renewal *renewal)
{
	if (renewal->stream != NULL)
	{
		dlist_delete(&renewal->stream_node);
		renewal->stream->n--;
	}
	pfree(renewal);
}

/*
 * A stream goes on, or ends, after an answer.
 */
static void
stream_answered(KeepAlive *stream)
{
	if (stream->n == STREAM_MAX_RENEWALS / 2)
		call_resume(stream->call);
	if (stream->n == 0 && stream->half_closed)
		call_finish(stream->call, GRPC_OK, NULL);
}

static void
answer(Renewal *renewal, const Etcdserverpb__ResponseHeader *header, int64 ttl)
{
	Etcdserverpb__LeaseKeepAliveResponse response = ETCDSERVERPB__LEASE_KEEP_ALIVE_RESPONSE__INIT;
	KeepAlive  *stream = renewal->stream;

	if (stream != NULL)
	{
		response.header = (Etcdserverpb__ResponseHeader *) header;
		response.id = renewal->id;
		response.ttl = ttl;
		call_send(stream->call, &response.base);
	}
	renewal_free(renewal);
	if (stream != NULL)
		stream_answered(stream);
}

/* MemberCallDone */
static void
answered(MemberCallOutcome outcome, Quorum__Result *result,
		 const char *bytes, uint32 len, void *arg)
{
	uint32		n = (uint32) (uintptr_t) arg;
	Etcdserverpb__ResponseHeader header;
	uint32		i;

	asking = false;
	header_fill(&header, header_revision());
	for (i = 0; i < n; i++)
	{
		Renewal    *renewal = dlist_container(Renewal, node, dlist_pop_head_node(&asked));

		if (outcome == MEMBER_CALL_DONE && len == n * sizeof(int64))
			answer(renewal, &header, lease_get_word(bytes, i));
		else
		{
			if (renewal->stream != NULL)
				errors_finish_with(renewal->stream->call, lease_error(outcome));
			renewal_free(renewal);
		}
	}
	ask();
}

/*
 * Ask the leader about those that wait, unless it is being asked.
 */
static void
ask(void)
{
	char		question[LEASES_PER_QUESTION * sizeof(int64)];
	int			n = 0;

	if (asking || dlist_is_empty(&waiting))
		return;
	while (n < LEASES_PER_QUESTION && !dlist_is_empty(&waiting))
	{
		dlist_node *node = dlist_pop_head_node(&waiting);

		lease_put_word(question, n++, dlist_container(Renewal, node, node)->id);
		dlist_push_tail(&asked, node);
	}
	asking = true;
	(void) member_call_ask_leader(QUESTION_LEASE_KEEPALIVE, question, n * sizeof(int64), -1,
								  answered, (void *) (uintptr_t) n);
}

void
keepalive_message(Call *call, const ProtobufCMessage *message)
{
	const Etcdserverpb__LeaseKeepAliveRequest *request =
	(const Etcdserverpb__LeaseKeepAliveRequest *) message;
	KeepAlive  *stream = call->state;
	StoreError	error;

	if (stream == NULL)
	{
		call->state = stream = MemoryContextAllocZero(call->context, sizeof(KeepAlive));
		stream->call = call;
		dlist_init(&stream->renewals);
		leader_need_begin(&stream->need, call);
	}
	error = caller_require_user(call);
	if (error != STORE_OK)
	{
		errors_finish(call, error);
		return;
	}
	dlist_push_tail(&waiting, &renewal_new(stream, request->id)->node);
	if (stream->n == STREAM_MAX_RENEWALS)
		call_pause(call);
	ask();
}

/* Method.half_closed: the client sends no more, and waits for its answers */
void
keepalive_half_closed(Call *call)
{
	KeepAlive  *stream = call->state;

	if (stream == NULL || stream->n == 0)
		call_finish(call, GRPC_OK, NULL);
	else
		stream->half_closed = true;
}

/* Method.ended: what is being asked goes on, and its answers find nobody */
void
keepalive_ended(Call *call)
{
	KeepAlive  *stream = call->state;
	dlist_mutable_iter iter;

	if (stream == NULL)
		return;
	leader_need_end(&stream->need);
	dlist_foreach_modify(iter, &stream->renewals)
	{
		Renewal    *renewal = dlist_container(Renewal, stream_node, iter.cur);

		dlist_delete(&renewal->stream_node);
		renewal->stream = NULL;
	}
	stream->n = 0;
}
