/*-------------------------------------------------------------------------
 *
 * catchup.c
 *	  Streaming the state to a member that is too far behind.
 *
 * When the entries a follower needs are gone from the log, the core asks for a
 * snapshot.  There is none on disk: the store itself is streamed as of its
 * applied index, chunk by chunk, on a link of its own, while writes go on.
 * The receiver builds the copy aside; with the last chunk comes
 * the core's message, and if the core accepts it the copy takes the store's place in
 * one step.  Either side may die at any point: an unfinished copy is thrown
 * away at the next start or stream, and the leader's core asks again.
 *
 * While a stream is under way physical compaction waits, and the log is kept
 * from the streamed index on, so that the receiver can go on from there.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/catchup.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "../clock.h"
#include "../store/pbmem.h"
#include "worker.h"

#define CHUNK_BYTES				(256 * 1024)
#define CHUNKS_PER_TURN			2

/* After the last chunk, the log is kept for the receiver to go on: so long at most. */
#define LINGER_MS				60000

/* ---------- sender ---------- */

typedef struct Stream
{
	uint64		peer_id;
	uint64		number;			/* of this stream */
	uint64		term;			/* of the message the core wants sent */
	uint64		index;			/* the state's applied index */
	uint64		index_term;
	Quorum__StoreMeta *meta;
	StoreSnapshotReader *reader;
	MemoryContext context;
	uint64		next_chunk;
	char	   *pending;		/* a chunk the link would not take */
	uint32		pending_len;
	bool		have_pending;
	bool		done;
	ClockTime	done_at;
	struct Stream *next;
} Stream;

static Stream *streams;

static void
stream_end(Stream *stream)
{
	Stream	  **link;

	for (link = &streams; *link != NULL; link = &(*link)->next)
	{
		if (*link == stream)
		{
			*link = stream->next;
			break;
		}
	}
	if (stream->reader != NULL)
		store_snapshot_end(stream->reader);
	MemoryContextDelete(stream->context);
}

static Stream *
stream_to(uint64 peer_id)
{
	Stream	   *stream;

	for (stream = streams; stream != NULL; stream = stream->next)
		if (stream->peer_id == peer_id)
			return stream;
	return NULL;
}

/*
 * catchup_start() -- the core wants this peer to have a snapshot.  In a turn.
 */
void
catchup_start(Peer *peer, const struct raft_msg *msg)
{
	Stream	   *stream = stream_to(peer->id);
	MemoryContext context;
	MemoryContext old;

	if (stream != NULL)
		stream_end(stream);

	context = AllocSetContextCreate(worker->context, "pg_quorum state stream",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	stream = palloc0(sizeof(Stream));
	stream->context = context;
	stream->peer_id = peer->id;
	stream->number = (uint64) GetCurrentTimestamp();
	stream->term = msg->term;
	stream->reader = store_snapshot_begin(worker->tree_rel, &stream->meta);
	stream->index = stream->meta->applied_index;
	stream->index_term = stream->meta->applied_term;
	MemoryContextSwitchTo(old);
	stream->next = streams;
	streams = stream;
	ereport(LOG,
			(errmsg("streaming the state at index " UINT64_FORMAT " to member \"%s\"",
					stream->index, peer->name)));
}

/*
 * Send one chunk; false if it cannot go now.
 */
static bool
stream_send(Stream *stream, Peer *peer)
{
	Quorum__PeerBatch batch;
	Quorum__StateChunk chunk;
	Quorum__PeerSnapshot snapshot;

	if (!stream->have_pending)
	{
		MemoryContext old = MemoryContextSwitchTo(stream->context);

		stream->pending_len = store_snapshot_next(stream->reader, worker->tree_rel,
												  CHUNK_BYTES, &stream->pending);
		stream->have_pending = true;
		MemoryContextSwitchTo(old);
	}

	quorum__peer_batch__init(&batch);
	quorum__state_chunk__init(&chunk);
	batch.chunk = &chunk;
	chunk.stream = stream->number;
	chunk.number = stream->next_chunk;
	if (chunk.number == 0)
		chunk.meta = stream->meta;
	chunk.term = stream->term;
	if (stream->pending_len > 0)
	{
		chunk.items.data = (uint8_t *) stream->pending;
		chunk.items.len = stream->pending_len;
	}
	else
	{
		chunk.last = true;
		quorum__peer_snapshot__init(&snapshot);
		snapshot.index = stream->index;
		snapshot.term = stream->index_term;
		snapshot.configuration = stream->meta->configuration;
		chunk.snapshot = &snapshot;
	}
	if (!peers_send_state(peer, &batch))
		return false;

	stream->next_chunk++;
	stream->have_pending = false;
	if (stream->pending_len > 0)
		pfree(stream->pending);
	else
	{
		stream->done = true;
		stream->done_at = clock_now();
		store_snapshot_end(stream->reader);
		stream->reader = NULL;
		stats_add(STAT_SNAPSHOTS_SENT, 1);
		ereport(LOG,
				(errmsg("state at index " UINT64_FORMAT " sent to member \"%s\" in " UINT64_FORMAT " chunks",
						stream->index, peer->name, stream->next_chunk)));
	}
	(void) raft_report_snapshot(worker->raft, peer->id,
								stream->done ? RAFT_SNAP_OK : RAFT_SNAP_ALIVE);
	return true;
}

/*
 * Has the receiver taken the state and gone on with the log?  Then the log need
 * not be kept for it any longer than for any other follower.
 */
static bool
stream_has_served(const Stream *stream)
{
	struct raft_peer_status progress[RAFT_MAX_PEERS];
	size_t		n = raft_peers(worker->raft, progress, RAFT_MAX_PEERS);
	size_t		i;

	for (i = 0; i < n; i++)
		if (progress[i].id == stream->peer_id)
			return progress[i].state == RAFT_REPLICATE &&
				progress[i].match >= stream->index;
	return true;				/* no member any more */
}

/*
 * catchup_run() -- a few chunks of each stream.  In a turn.
 */
void
catchup_run(void)
{
	Stream	   *stream;
	Stream	   *next;

	for (stream = streams; stream != NULL; stream = next)
	{
		Peer	   *peer = peers_find(stream->peer_id);
		int			n;

		next = stream->next;
		if (stream->done)
		{
			if (worker->role != MEMBER_LEADER || stream_has_served(stream) ||
				clock_exceeds(stream->done_at, clock_now(), LINGER_MS))
				stream_end(stream);
			continue;
		}
		if (peer == NULL || worker->role != MEMBER_LEADER)
		{
			(void) raft_report_snapshot(worker->raft, stream->peer_id, RAFT_SNAP_FAILED);
			stream_end(stream);
			continue;
		}
		for (n = 0; n < CHUNKS_PER_TURN && !stream->done && stream_send(stream, peer); n++)
			;
	}
}

/*
 * Is a stream being sent, so that the store must keep what it has?
 */
bool
catchup_active(void)
{
	Stream	   *stream;

	for (stream = streams; stream != NULL; stream = stream->next)
		if (!stream->done)
			return true;
	return false;
}

uint64
catchup_keeps_from(void)
{
	uint64		index = PG_UINT64_MAX;
	Stream	   *stream;

	for (stream = streams; stream != NULL; stream = stream->next)
		index = Min(index, stream->index + 1);
	return index;
}

/*
 * The receiver could not use a stream.
 */
void
catchup_report(uint64 from, const Quorum__StateReport *report)
{
	Stream	   *stream = stream_to(from);

	if (stream == NULL || stream->number != report->stream || !report->failed)
		return;
	(void) raft_report_snapshot(worker->raft, from, RAFT_SNAP_FAILED);
	stream_end(stream);
}

/*
 * The link broke: the receiver misses a chunk now.
 */
void
catchup_peer_lost(uint64 id)
{
	Stream	   *stream = stream_to(id);

	if (stream == NULL || stream->done)
		return;
	if (worker->raft != NULL)
		(void) raft_report_snapshot(worker->raft, id, RAFT_SNAP_FAILED);
	stream_end(stream);
}

/* ---------- receiver ---------- */

static struct
{
	bool		active;
	bool		complete;		/* the core has been told; it may ask to install */
	uint64		from;
	uint64		stream;
	uint64		next_chunk;
	StoreSnapshotWriter *writer;
	MemoryContext context;
}			incoming;

static void
incoming_abort(void)
{
	if (!incoming.active)
		return;
	store_install_abort(incoming.writer, worker->tree_rel);
	MemoryContextDelete(incoming.context);
	memset(&incoming, 0, sizeof(incoming));
}

/*
 * catchup_forget() -- end all streams; the store they are of is being closed.
 * What has come of a state that was not complete is discarded at the next start.
 */
void
catchup_forget(void)
{
	while (streams != NULL)
		stream_end(streams);
	if (incoming.active)
		MemoryContextDelete(incoming.context);
	memset(&incoming, 0, sizeof(incoming));
}

static void
incoming_fail(uint64 from, uint64 stream)
{
	Peer	   *peer = peers_find(from);
	Quorum__StateReport *report;

	incoming_abort();
	if (peer == NULL)
		return;
	report = palloc(sizeof(*report));
	quorum__state_report__init(report);
	report->stream = stream;
	report->failed = true;
	peers_send_report(peer, report);
}

/*
 * catchup_receive() -- a chunk has come.  In a turn.
 */
void
catchup_receive(uint64 from, const Quorum__StateChunk *chunk)
{
	MemoryContext old;
	bool		fine;

	if (chunk->number == 0)
	{
		incoming_abort();
		if (chunk->meta == NULL)
			return;
		incoming.context = AllocSetContextCreate(worker->context, "pg_quorum incoming state",
												 ALLOCSET_DEFAULT_SIZES);
		old = MemoryContextSwitchTo(incoming.context);
		incoming.writer = store_install_begin(worker->tree_rel, chunk->meta);
		MemoryContextSwitchTo(old);
		incoming.active = true;
		incoming.from = from;
		incoming.stream = chunk->stream;
		incoming.next_chunk = 0;
		ereport(LOG, (errmsg("receiving the state at index " UINT64_FORMAT,
							 chunk->meta->applied_index)));
	}
	if (!incoming.active || incoming.from != from || incoming.stream != chunk->stream ||
		incoming.complete || incoming.next_chunk != chunk->number)
	{
		if (!incoming.active || incoming.stream != chunk->stream)
		{
			incoming_fail(from, chunk->stream);
			return;
		}
		return;
	}
	incoming.next_chunk++;

	if (chunk->items.len > 0)
	{
		old = MemoryContextSwitchTo(incoming.context);
		fine = store_install_chunk(incoming.writer, worker->tree_rel,
								   (const char *) chunk->items.data, chunk->items.len);
		MemoryContextSwitchTo(old);
		if (!fine)
		{
			ereport(LOG, (errmsg("chunk " UINT64_FORMAT " of the state is damaged", chunk->number)));
			incoming_fail(from, chunk->stream);
			return;
		}
	}
	if (chunk->last && chunk->snapshot != NULL)
	{
		struct raft_msg msg;
		struct raft_snap snap;

		memset(&snap, 0, sizeof(snap));
		snap.index = chunk->snapshot->index;
		snap.term = chunk->snapshot->term;
		if (!decode_configuration(chunk->snapshot->configuration, &snap.conf))
		{
			incoming_fail(from, chunk->stream);
			return;
		}
		memset(&msg, 0, sizeof(msg));
		msg.type = RAFT_MSG_SNAP;
		msg.from = from;
		msg.to = worker->meta.member_id;
		msg.term = chunk->term;
		msg.snap = &snap;
		incoming.complete = true;
		if (raft_step(worker->raft, &msg, NULL) != RAFT_OK)
			incoming_abort();
		else
		{
			/* the core either asks for it now or does not want it */
			ready_run();
			incoming_abort();
		}
	}
}

/*
 * catchup_install() -- the core accepts the state: switch to it.  In a turn,
 * called by ready_run().
 */
void
catchup_install(const struct raft_snap *snap)
{
	MemoryContext old;

	if (!incoming.active || !incoming.complete)
		elog(ERROR, "no state is there to be installed");
	pg_atomic_fetch_add_u32(&member_shared->store_generation, 1);
	worker->lsn_written = store_install_finish(incoming.writer, worker->tree_rel, worker->log_rel,
											   &worker->meta, sizeof(MemberMeta));
	MemoryContextDelete(incoming.context);
	memset(&incoming, 0, sizeof(incoming));

	old = MemoryContextSwitchTo(worker->context);
	store_close(worker->store);
	worker->store = store_open(worker->tree_rel);
	logring_close(worker->ring);
	worker->ring = logring_open(worker->log_rel);
	MemoryContextSwitchTo(old);

	entries_trim(PG_UINT64_MAX);
	worker->applied = worker->apply_to = snap->index;
	worker->applied_term = snap->term;
	requests_overtaken();
	publish_revision(store_meta(worker->store)->revision);
	keywait_start();
	worker->peers_changed = true;
	stats_add(STAT_SNAPSHOTS_RECEIVED, 1);
	ereport(LOG, (errmsg("state at index " UINT64_FORMAT " installed", snap->index)));
}
