/*-------------------------------------------------------------------------
 *
 * kv.c
 *	  The KV service: writes, transactions, compaction.
 *
 * A write is checked here as far as that needs no state, named for its caller, and
 * proposed; whether it may be carried out, and what comes of it, is
 * decided when it is applied.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/kv.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "clock.h"
#include "gateway/caller.h"
#include "gateway/errors.h"
#include "gateway/header.h"
#include "gateway/kv.h"
#include "gateway/request.h"
#include "gateway/timer.h"
#include "settings.h"
#include "store/pbmem.h"

/* How often physical compaction is looked at by whoever waits for it */
#define COMPACTION_POLL_MS		20

/*
 * Check a command but for its size, and have it carried out.
 */
static void
execute(Call *call, Quorum__Command *command, ReplyToResult reply)
{
	StoreError	error = store_validate(command, 0, setting_max_txn_ops);

	if (error != STORE_OK)
		errors_finish(call, error);
	else
		request_execute(call, command, reply);
}

/* ----------------------------------------------------------------
 *	Put, DeleteRange
 * ----------------------------------------------------------------
 */

static void
reply_put(Call *call, Quorum__Result *result)
{
	header_complete(result->put->header);
	call_reply(call, &result->put->base);
}

static void
put_message(Call *call, const ProtobufCMessage *message)
{
	Quorum__Command command = QUORUM__COMMAND__INIT;

	command.op_case = QUORUM__COMMAND__OP_PUT;
	command.put = (Etcdserverpb__PutRequest *) message;
	execute(call, &command, reply_put);
}

static void
reply_delete_range(Call *call, Quorum__Result *result)
{
	header_complete(result->delete_range->header);
	call_reply(call, &result->delete_range->base);
}

static void
delete_range_message(Call *call, const ProtobufCMessage *message)
{
	Quorum__Command command = QUORUM__COMMAND__INIT;

	command.op_case = QUORUM__COMMAND__OP_DELETE_RANGE;
	command.delete_range = (Etcdserverpb__DeleteRangeRequest *) message;
	execute(call, &command, reply_delete_range);
}

/* ----------------------------------------------------------------
 *	Txn
 * ----------------------------------------------------------------
 */

/* The state of a transaction of reads that waits for its barrier */
typedef struct TxnRead
{
	Request		base;
	Etcdserverpb__TxnRequest *request;
} TxnRead;

static void
reply_txn(Call *call, Quorum__Result *result)
{
	header_complete(result->txn->header);
	call_reply(call, &result->txn->base);
}

static bool
ops_are_serializable(Etcdserverpb__RequestOp *const *ops, size_t nops)
{
	size_t		i;

	for (i = 0; i < nops; i++)
	{
		if (!ops[i]->request_range->serializable)
			return false;
	}
	return true;
}

static void
run_read_txn(Call *call, const Etcdserverpb__TxnRequest *request)
{
	Quorum__Result *result;
	StoreCaller caller;
	StoreError	error = caller_of_call(call, &caller);

	if (error == STORE_OK)
		error = store_read_txn(call_store(), &caller, request, &result);
	if (error != STORE_OK)
		errors_finish(call, error);
	else
		reply_txn(call, result);
}

static void
run_kept_txn(Call *call)
{
	run_read_txn(call, ((const TxnRead *) call->state)->request);
}

/*
 * Keep a message for longer than its handler runs.
 */
static ProtobufCMessage *
keep_message(Call *call, const ProtobufCMessage *message)
{
	size_t		len;
	char	   *packed = pb_pack(message, &len);
	MemoryContext old = MemoryContextSwitchTo(call->context);
	ProtobufCMessage *copy = pb_unpack(message->descriptor, packed, len);

	MemoryContextSwitchTo(old);
	pfree(packed);
	if (copy == NULL)
		elog(ERROR, "could not copy a request");
	return copy;
}

static void
read_txn(Call *call, const Etcdserverpb__TxnRequest *request)
{
	TxnRead    *read;

	if (ops_are_serializable(request->success, request->n_success) &&
		ops_are_serializable(request->failure, request->n_failure))
	{
		run_read_txn(call, request);
		return;
	}
	read = request_new(call, sizeof(TxnRead));
	read->request = (Etcdserverpb__TxnRequest *) keep_message(call, &request->base);
	request_barrier(call, run_kept_txn);
}

static void
txn_message(Call *call, const ProtobufCMessage *message)
{
	Quorum__Command command = QUORUM__COMMAND__INIT;
	StoreError	error;

	command.op_case = QUORUM__COMMAND__OP_TXN;
	command.txn = (Etcdserverpb__TxnRequest *) message;
	error = store_validate(&command, 0, setting_max_txn_ops);
	if (error != STORE_OK)
		errors_finish(call, error);
	else if (store_txn_is_read_only(command.txn))
		read_txn(call, command.txn);
	else
		request_execute(call, &command, reply_txn);
}

/* ----------------------------------------------------------------
 *	Compact
 * ----------------------------------------------------------------
 */

typedef struct CompactCall
{
	Request		request;
	Timer		timer;
	Call	   *call;
	int64		revision;		/* compacted up to */
	bool		physical;		/* answer when everything is removed here */
	int64		header_revision;
} CompactCall;

static void
reply_compaction(CompactCall *compact)
{
	Etcdserverpb__CompactionResponse response = ETCDSERVERPB__COMPACTION_RESPONSE__INIT;
	Etcdserverpb__ResponseHeader header;

	header_fill(&header, compact->header_revision);
	response.header = &header;
	call_reply(compact->call, &response.base);
}

static void compaction_timer(Timer *timer);

/*
 * Has this member removed everything?  If not, look again soon.
 */
static void
look_at_compaction(Call *call, void *arg)
{
	CompactCall *compact = call->state;
	Quorum__StoreMeta *meta = store_read_meta(call_store());

	if (meta->compact_done_revision >= compact->revision)
		reply_compaction(compact);
	else
		timer_set(&compact->timer,
				  clock_plus_ms(gateway_now, COMPACTION_POLL_MS), compaction_timer);
}

static void
compaction_timer(Timer *timer)
{
	CompactCall *compact = (CompactCall *) ((char *) timer - offsetof(CompactCall, timer));

	call_run_later(compact->call, look_at_compaction, NULL);
}

static void
compacted(Call *call, Quorum__Result *result)
{
	CompactCall *compact = call->state;

	compact->header_revision = result->revision;
	if (compact->physical)
		call_run_later(call, look_at_compaction, NULL);
	else
		reply_compaction(compact);
}

static void
compact_message(Call *call, const ProtobufCMessage *message)
{
	Etcdserverpb__CompactionRequest *request = (Etcdserverpb__CompactionRequest *) message;
	Quorum__Command command = QUORUM__COMMAND__INIT;
	CompactCall *compact = request_new(call, sizeof(CompactCall));

	compact->call = call;
	compact->revision = request->revision;
	compact->physical = request->physical;
	command.op_case = QUORUM__COMMAND__OP_COMPACTION;
	command.compaction = request;
	request_execute(call, &command, compacted);
}

static void
compact_ended(Call *call)
{
	CompactCall *compact = call->state;

	if (compact == NULL)
		return;
	timer_clear(&compact->timer);
	request_ended(call);
}

const Method kv_methods[] = {
	{
		.path = "/etcdserverpb.KV/Range",
		.json_paths = {"/kv/range"},
		.request = &etcdserverpb__range_request__descriptor,
		.response = &etcdserverpb__range_response__descriptor,
		.message = range_message,
		.ended = range_ended,
	},
	{
		.path = "/etcdserverpb.KV/RangeStream",
		.request = &etcdserverpb__range_request__descriptor,
		.response = &etcdserverpb__range_stream_response__descriptor,
		.server_streams = true,
		.message = range_stream_message,
		.drained = range_stream_drained,
		.ended = range_ended,
	},
	{
		.path = "/etcdserverpb.KV/Put",
		.json_paths = {"/kv/put"},
		.request = &etcdserverpb__put_request__descriptor,
		.response = &etcdserverpb__put_response__descriptor,
		.message = put_message,
		.ended = request_ended,
	},
	{
		.path = "/etcdserverpb.KV/DeleteRange",
		.json_paths = {"/kv/deleterange"},
		.request = &etcdserverpb__delete_range_request__descriptor,
		.response = &etcdserverpb__delete_range_response__descriptor,
		.message = delete_range_message,
		.ended = request_ended,
	},
	{
		.path = "/etcdserverpb.KV/Txn",
		.json_paths = {"/kv/txn"},
		.request = &etcdserverpb__txn_request__descriptor,
		.response = &etcdserverpb__txn_response__descriptor,
		.message = txn_message,
		.ended = request_ended,
	},
	{
		.path = "/etcdserverpb.KV/Compact",
		.json_paths = {"/kv/compaction"},
		.request = &etcdserverpb__compaction_request__descriptor,
		.response = &etcdserverpb__compaction_response__descriptor,
		.message = compact_message,
		.ended = compact_ended,
	},
	{NULL}
};
