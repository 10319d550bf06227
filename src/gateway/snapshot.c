/*-------------------------------------------------------------------------
 *
 * snapshot.c
 *	  Maintenance/Snapshot: a copy of the store, streamed.
 *
 * What is streamed is a logical copy (src/store/copy.h), framed so that it passes where a
 * snapshot of etcd would: a multiple of 512 bytes, and behind them their SHA-256.
 *
 *		"PGQSNAP\001", the length of a chunk in four bytes, big-endian, the chunk, and so on;
 *		zero bytes up to the next multiple of 512; the digest of all of that
 *
 * It is made as the client takes it: no more than the call's queue holds is
 * read ahead.  While it goes on this member removes nothing that is compacted; so a client has to go on
 * reading.  A store that is replaced
 * as a whole meanwhile ends it with an error.
 *
 * etcd tells how many bytes remain.  We know that at the end only; before, it is an estimate from the
 * space in use, which falls with what has been sent.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/snapshot.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <openssl/evp.h>

#include "lib/ilist.h"
#include "port/pg_bswap.h"

#include "clock.h"
#include "gateway/caller.h"
#include "gateway/errors.h"
#include "gateway/header.h"
#include "gateway/maintenance.h"
#include "gateway/version.h"
#include "storage/tree.h"
#include "store/copy.h"

#define SNAPSHOT_MAGIC		"PGQSNAP\001"
#define MAGIC_BYTES			8
#define BLOB_BYTES			(32 * 1024)
#define BLOCK_BYTES			512
#define DIGEST_BYTES		32

/* Snapshots under way at a time */
#define SNAPSHOTS_MAX		4

/* A client that takes nothing for so long keeps compaction waiting no longer */
#define STALL_MS			(5 * 60 * 1000)

typedef struct Snapshot
{
	dlist_node	node;
	Call	   *call;
	StoreExport *copy;			/* NULL: not begun yet */
	uint32		generation;		/* of the store */
	EVP_MD_CTX *digest;
	bool		waiting;		/* for the client to read */
	ClockTime	waits_since;
	uint64		sent;
	uint64		estimate;		/* of all of it */
	uint32		blob_len;
	uint8		blob[BLOB_BYTES];
} Snapshot;

static dlist_head snapshots = DLIST_STATIC_INIT(snapshots);
static int	snapshots_count = 0;

/* ----------------------------------------------------------------
 *	Bytes to blobs
 * ----------------------------------------------------------------
 */

static void
send_blob(Snapshot *snapshot, const uint8 *bytes, uint32 len, bool last)
{
	Etcdserverpb__SnapshotResponse response = ETCDSERVERPB__SNAPSHOT_RESPONSE__INIT;
	Etcdserverpb__ResponseHeader header;

	snapshot->sent += len;
	header_fill(&header, header_revision());
	response.header = &header;
	response.blob.data = (uint8_t *) bytes;
	response.blob.len = len;
	response.version = GATEWAY_VERSION;
	if (!last)
		response.remaining_bytes = snapshot->estimate > snapshot->sent + DIGEST_BYTES ?
			snapshot->estimate - snapshot->sent : DIGEST_BYTES;
	call_send(snapshot->call, &response.base);
}

static void
digest_update(Snapshot *snapshot, const void *bytes, size_t len)
{
	if (EVP_DigestUpdate(snapshot->digest, bytes, len) != 1)
		elog(ERROR, "could not compute the digest of a snapshot");
}

/* Add bytes to the stream; full blobs go out */
static void
add_bytes(Snapshot *snapshot, const void *bytes, size_t len)
{
	const uint8 *from = bytes;

	digest_update(snapshot, bytes, len);
	while (len > 0)
	{
		uint32		n = Min(len, BLOB_BYTES - snapshot->blob_len);

		memcpy(snapshot->blob + snapshot->blob_len, from, n);
		snapshot->blob_len += n;
		from += n;
		len -= n;
		if (snapshot->blob_len == BLOB_BYTES)
		{
			send_blob(snapshot, snapshot->blob, BLOB_BYTES, false);
			snapshot->blob_len = 0;
		}
	}
}

/* ----------------------------------------------------------------
 *	Beginning, going on, end
 * ----------------------------------------------------------------
 */

/* False if the writer is just removing something */
static bool
begin_copy(Snapshot *snapshot)
{
	MemoryContext old_context;
	MemberStatus status;
	TreeStat	stat;

	member_get_status(&status);
	old_context = MemoryContextSwitchTo(snapshot->call->context);
	snapshot->generation = member_store_generation();
	snapshot->copy = store_export_begin_held(call_store(), status.cluster_id, GATEWAY_VERSION);
	MemoryContextSwitchTo(old_context);
	if (snapshot->copy == NULL)
		return false;
	tree_stat(call_store(), &stat);
	snapshot->estimate = (uint64) (stat.pages - stat.free_pages) * BLCKSZ;
	add_bytes(snapshot, SNAPSHOT_MAGIC, MAGIC_BYTES);
	return true;
}

static void
end_copy(Snapshot *snapshot)
{
	static const uint8 zeros[BLOCK_BYTES];
	uint8		digest[DIGEST_BYTES];
	uint64		rest = (snapshot->sent + snapshot->blob_len) % BLOCK_BYTES;

	if (rest > 0)
		add_bytes(snapshot, zeros, BLOCK_BYTES - rest);
	if (snapshot->blob_len > 0)
		send_blob(snapshot, snapshot->blob, snapshot->blob_len, false);
	if (EVP_DigestFinal_ex(snapshot->digest, digest, NULL) != 1)
		elog(ERROR, "could not compute the digest of a snapshot");
	send_blob(snapshot, digest, DIGEST_BYTES, true);
	call_finish(snapshot->call, GRPC_OK, NULL);
}

/* A chunk more, unless the client has to read first */
static void
run_slice(Call *call, void *arg)
{
	Snapshot   *snapshot = call->state;
	char	   *chunk;
	uint32		len;
	uint32		head;

	if (call_is_congested(call))
	{
		snapshot->waiting = true;
		snapshot->waits_since = gateway_now;
		return;
	}
	if (snapshot->copy == NULL && !begin_copy(snapshot))
		return;
	chunk = store_export_next(snapshot->copy, call_store(), &len);
	if (member_store_generation() != snapshot->generation)
	{
		call_finish(call, GRPC_UNAVAILABLE, "etcdserver: the store was replaced while it was copied");
		return;
	}
	if (chunk == NULL)
	{
		end_copy(snapshot);
		return;
	}
	head = pg_hton32(len);
	add_bytes(snapshot, &head, sizeof(head));
	add_bytes(snapshot, chunk, len);
}

long
snapshot_turn(void)
{
	dlist_iter	iter;
	bool		active = false;

	dlist_foreach(iter, &snapshots)
	{
		Snapshot   *snapshot = dlist_container(Snapshot, node, iter.cur);

		if (snapshot->waiting)
		{
			if (clock_exceeds(snapshot->waits_since, gateway_now, STALL_MS))
				call_finish(snapshot->call, GRPC_ABORTED, "etcdserver: snapshot is not read");
			continue;
		}
		active = true;
		call_run_later(snapshot->call, run_slice, NULL);
	}
	return active ? 1 : -1;
}

void
snapshot_drained(Call *call)
{
	((Snapshot *) call->state)->waiting = false;
}

void
snapshot_message(Call *call, const ProtobufCMessage *message)
{
	Snapshot   *snapshot;
	EVP_MD_CTX *digest;
	StoreError	error = caller_require_admin(call);

	if (error != STORE_OK)
	{
		errors_finish(call, error);
		return;
	}
	if (snapshots_count >= SNAPSHOTS_MAX)
	{
		errors_finish_with(call, &error_too_many_requests);
		return;
	}
	snapshot = MemoryContextAllocZero(call->context, sizeof(Snapshot));
	digest = EVP_MD_CTX_new();
	if (digest == NULL || EVP_DigestInit_ex(digest, EVP_sha256(), NULL) != 1)
	{
		EVP_MD_CTX_free(digest);
		elog(ERROR, "could not compute the digest of a snapshot");
	}
	snapshot->call = call;
	snapshot->digest = digest;
	call->state = snapshot;
	dlist_push_tail(&snapshots, &snapshot->node);
	snapshots_count++;
	member_hold_history();
}

void
snapshot_ended(Call *call)
{
	Snapshot   *snapshot = call->state;

	if (snapshot == NULL)
		return;
	member_release_history();
	EVP_MD_CTX_free(snapshot->digest);
	dlist_delete(&snapshot->node);
	snapshots_count--;
}
