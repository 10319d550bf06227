/*-------------------------------------------------------------------------
 *
 * hashing.c
 *	  Maintenance/Hash and HashKV: by which members are compared.
 *
 * A hash reads all there is.  It is taken in slices, one a turn, and then the process serves others
 * for as long as that took.
 *
 * Hash is etcd's older call, of the whole file of a member.  Our members have no equal files;
 * it is the hash of the keys at the present revision here.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/hashing.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/ilist.h"

#include "clock.h"
#include "gateway/caller.h"
#include "gateway/errors.h"
#include "gateway/header.h"
#include "gateway/maintenance.h"
#include "store/store.h"

#define SLICE_USEC			1500

/* Hashes under way at a time; each has a slice in turn */
#define HASHES_MAX			16

typedef struct Hashing
{
	dlist_node	node;
	Call	   *call;
	StoreHash  *hash;
} Hashing;

static dlist_head hashings = DLIST_STATIC_INIT(hashings);
static int	hashings_count = 0;
static ClockTime next_slice_at = 0;	/* not before */

static void
reply(Call *call, const StoreHash *hash)
{
	Etcdserverpb__ResponseHeader header;
	uint32		value;
	int64		revision;
	int64		compacted;

	store_hash_result(hash, &value, &revision, &compacted);
	header_fill(&header, header_revision());
	if (call->method->response == &etcdserverpb__hash_response__descriptor)
	{
		Etcdserverpb__HashResponse response = ETCDSERVERPB__HASH_RESPONSE__INIT;

		response.header = &header;
		response.hash = value;
		call_reply(call, &response.base);
	}
	else
	{
		Etcdserverpb__HashKVResponse response = ETCDSERVERPB__HASH_KVRESPONSE__INIT;

		response.header = &header;
		response.hash = value;
		response.hash_revision = revision;
		response.compact_revision = compacted;
		call_reply(call, &response.base);
	}
}

static void
run_slice(Call *call, void *arg)
{
	Hashing    *hashing = call->state;
	ClockTime	began = clock_now();
	ClockTime	ended;
	bool		done;
	StoreError	error = store_hash_step(hashing->hash, call_store(), SLICE_USEC, &done);

	if (error != STORE_OK)
		errors_finish(call, error);
	else if (done)
		reply(call, hashing->hash);
	ended = clock_now();
	next_slice_at = ended + (ended - began);
}

long
hashing_turn(void)
{
	Hashing    *hashing;

	if (dlist_is_empty(&hashings))
		return -1;
	if (gateway_now >= next_slice_at)
	{
		hashing = dlist_head_element(Hashing, node, &hashings);
		dlist_delete(&hashing->node);
		dlist_push_tail(&hashings, &hashing->node);
		call_run_later(hashing->call, run_slice, NULL);
	}
	return 1;
}

static void
begin(Call *call, int64 revision)
{
	Hashing    *hashing;
	MemoryContext old_context;
	StoreError	error = caller_require_admin(call);

	if (error != STORE_OK)
	{
		errors_finish(call, error);
		return;
	}
	if (hashings_count >= HASHES_MAX)
	{
		errors_finish_with(call, &error_too_many_requests);
		return;
	}
	old_context = MemoryContextSwitchTo(call->context);
	hashing = palloc0(sizeof(Hashing));
	hashing->call = call;
	hashing->hash = store_hash_begin(revision);
	MemoryContextSwitchTo(old_context);
	call->state = hashing;
	dlist_push_tail(&hashings, &hashing->node);
	hashings_count++;
}

void
hashing_hash(Call *call, const ProtobufCMessage *message)
{
	begin(call, 0);
}

void
hashing_hash_kv(Call *call, const ProtobufCMessage *message)
{
	begin(call, ((const Etcdserverpb__HashKVRequest *) message)->revision);
}

void
hashing_ended(Call *call)
{
	Hashing    *hashing = call->state;

	if (hashing == NULL)
		return;
	dlist_delete(&hashing->node);
	hashings_count--;
}
