/*-------------------------------------------------------------------------
 *
 * test_snapshots.c
 *	  Directed tests of streaming the state from one store to another.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/store/test_snapshots.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "storage/storage.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"

#include "build_requests.h"
#include "directed.h"
#include "store/encoding.h"

#define TABLE		"store_test_table"
#define OTHER_TABLE	"store_test_other_table"
#define LOG_TABLE	"store_test_log_table"

static World *
world_with_state(uint64 seed, int batches)
{
	World	   *world = world_create("snapshot", TABLE, seed);
	int			i;

	for (i = 0; i < batches; i++)
	{
		world_random_batch(world, 10);
		if (i % 10 == 5)
			world_compact(world, 1, 20);
	}
	return world;
}

/* The other end: a store of its own with something else in it, and a log */
typedef struct Receiver
{
	Relation	tree;
	Relation	log;
} Receiver;

static void
make_receiver(Receiver *receiver)
{
	World	   *world = world_create("receiver", OTHER_TABLE, 99);
	int			i;

	for (i = 0; i < 20; i++)
		world_random_batch(world, 10);
	store_close(world->store);
	receiver->tree = world->tree;
	receiver->log = make_log(LOG_TABLE);
	logring_format(receiver->log, 0, 0, "log", 3);
}

static void
drop_receiver(Receiver *receiver)
{
	relation_close(receiver->tree, NoLock);
	relation_close(receiver->log, NoLock);
	drop_table(OTHER_TABLE);
	drop_table(LOG_TABLE);
}

static void
raise_finding(const char *relation, BlockNumber block, const char *finding, void *arg)
{
	fail((World *) arg, "block %u: %s", block, finding);
}

/* Is there nothing in the tree that is above its revision, or its applied index? */
static void
expect_nothing_newer(Relation tree)
{
	Quorum__StoreMeta *meta = store_read_meta(tree);
	int64		revision = meta->revision;
	TreeScan   *scan = tree_scan_begin(tree, TREE_MAIN);
	TreeKey		first;
	TreeItem	item;
	KeyVersion	version;
	LeaseVersion lease;

	number_tree_key(&first, 0, 0, 0);
	tree_seek(scan, &first);
	while (tree_next(scan, &item))
	{
		expect(item.key.space != SPACE_LEASE_CHANGE || item.key.major <= meta->applied_index);
		expect(!decode_lease_key(&item.key, &lease) || lease.index <= meta->applied_index);
		expect(item.key.space != SPACE_REVISION || item.key.major <= (uint64) revision);
		expect(!decode_version_key(&item.key, &version) || version.revision <= revision);
	}
	tree_scan_end(scan);
}

/* The received state takes the place of the sender's relation for all checks */
static void
check_received(World *world, Receiver *receiver)
{
	Relation	tree = world->tree;
	LogBounds	bounds;

	logring_read_bounds(receiver->log, &bounds);
	expect(bounds.base_index == store_read_meta(receiver->tree)->applied_index);
	expect(bounds.first_index == bounds.base_index + 1 && bounds.last_index == bounds.base_index);
	storage_check(receiver->log, STORAGE_LOG, raise_finding, world);
	expect_nothing_newer(receiver->tree);

	world->tree = receiver->tree;
	world_replay(world);
	world_check_state(world);
	world_check_reads(world, 40);
	world_random_batch(world, 20);
	world_compact_all(world);
	world_check_state(world);
	world_check_items(world);
	while (tree_collect_garbage(receiver->tree, 10))
		;
	world_check_state(world);
	store_close(world->store);
	world->tree = tree;
}

/* As world_destroy(), for a world whose store is closed */
static void
drop_sender(World *world)
{
	relation_close(world->tree, NoLock);
	drop_table(TABLE);
}

/*
 * Stream from one to the other, a random size of chunk at a time.  Between the
 * chunks the sender may go on to write.  False if the fuse blew.
 */
typedef struct Stream
{
	World	   *world;
	Receiver   *receiver;
	bool		write;
	int			chunks;
	Quorum__StoreMeta *meta;
} Stream;

static void
run_stream(void *arg)
{
	Stream	   *stream = arg;
	World	   *world = stream->world;
	StoreSnapshotReader *reader = store_snapshot_begin(world->tree, &stream->meta);
	StoreSnapshotWriter *writer = store_install_begin(stream->receiver->tree, stream->meta);
	char	   *chunk;
	uint32		len;

	stream->chunks = 0;
	while ((len = store_snapshot_next(reader, world->tree, gen_number(&world->gen, 1500), &chunk)) > 0)
	{
		expect(store_install_chunk(writer, stream->receiver->tree, chunk, len));
		pfree(chunk);
		stream->chunks++;
		if (stream->write && stream->chunks % 4 == 0)
		{
			int			blown = fuse;

			fuse = -1;
			world_random_batch(world, 3);
			fuse = blown;
		}
	}
	store_snapshot_end(reader);
	store_install_finish(writer, stream->receiver->tree, stream->receiver->log, "meta", 4);
}

void
test_snapshot_copy(void)
{
	uint64		seed;

	for (seed = 1; seed <= 5; seed++)
	{
		World	   *world = world_with_state(seed, 60);
		Receiver	receiver;
		Stream		stream = {world, &receiver, false, 0, NULL};
		World		copy;
		char		log_meta[8];

		make_receiver(&receiver);
		run_stream(&stream);
		expect(stream.chunks > 5);
		expect(logring_read_meta(receiver.log, log_meta, 8) == 4 && memcmp(log_meta, "meta", 4) == 0);
		check_messages_equal(world, "meta", &store_read_meta(receiver.tree)->base, &stream.meta->base);
		check_received(world, &receiver);
		copy = *world;
		copy.tree = receiver.tree;
		world_check_auth(&copy);
		drop_receiver(&receiver);
		drop_sender(world);
	}
}

/* The copy is the state as of its beginning; the log behind it does the rest */
void
test_snapshot_while_writing(void)
{
	uint64		seed;

	for (seed = 11; seed <= 15; seed++)
	{
		World	   *world = world_with_state(seed, 60);
		Receiver	receiver;
		Stream		stream = {world, &receiver, true, 0, NULL};
		uint32		hash;
		uint32		hash_received;
		int64		revision;
		int64		compacted;

		make_receiver(&receiver);
		expect(store_hash_kv(world->tree, NULL, 0, &hash, &revision, &compacted) == STORE_OK);
		run_stream(&stream);
		expect(stream.meta->applied_index < world->nentries);
		expect(store_hash_kv(receiver.tree, NULL, 0, &hash_received, &revision, &compacted) == STORE_OK);
		expect(hash == hash_received && revision == stream.meta->revision);
		check_received(world, &receiver);
		drop_receiver(&receiver);
		drop_sender(world);
	}
}

/* The receiver stops at any moment; its own state stays, and the next time it works */
void
test_snapshot_interrupted(void)
{
	World	   *world = world_with_state(21, 40);
	Receiver	receiver;
	Stream		stream = {world, &receiver, true, 0, NULL};
	uint32		hash;
	int64		revision;
	int64		compacted;
	int			round;

	make_receiver(&receiver);
	expect(store_hash_kv(receiver.tree, NULL, 0, &hash, &revision, &compacted) == STORE_OK);
	for (round = 0; round < 12; round++)
	{
		uint32		hash_now;

		fuse = round * 9;
		expect(!attempt(run_stream, &stream));
		world_reopen(world);
		expect(store_hash_kv(receiver.tree, NULL, 0, &hash_now, &revision, &compacted) == STORE_OK);
		expect(hash_now == hash);
		storage_check(receiver.tree, STORAGE_TREE, raise_finding, world);
		if (round % 3 == 0)
		{
			while (tree_collect_garbage(receiver.tree, 3))
				;
		}
	}
	fuse = -1;
	run_stream(&stream);
	check_received(world, &receiver);
	drop_receiver(&receiver);
	drop_sender(world);
}

void
test_snapshot_damaged(void)
{
	World	   *world = world_with_state(31, 40);
	Receiver	receiver;
	Quorum__StoreMeta *meta;
	StoreSnapshotReader *reader;
	StoreSnapshotWriter *writer;
	char	   *chunks[2];
	uint32		lens[2];
	char	   *copy;
	uint32		at;

	make_receiver(&receiver);
	reader = store_snapshot_begin(world->tree, &meta);
	lens[0] = store_snapshot_next(reader, world->tree, 500, &chunks[0]);
	lens[1] = store_snapshot_next(reader, world->tree, 500, &chunks[1]);
	store_snapshot_end(reader);
	expect(lens[0] > 100 && lens[1] > 100);

	/* any wrong byte, any part of it */
	writer = store_install_begin(receiver.tree, meta);
	copy = palloc(lens[0]);
	for (at = 0; at < lens[0]; at += 11)
	{
		memcpy(copy, chunks[0], lens[0]);
		copy[at] ^= 0x10;
		expect(!store_install_chunk(writer, receiver.tree, copy, lens[0]));
		expect(!store_install_chunk(writer, receiver.tree, chunks[0], at));
	}

	/* out of order, twice */
	expect(!store_install_chunk(writer, receiver.tree, chunks[1], lens[1]));
	expect(store_install_chunk(writer, receiver.tree, chunks[0], lens[0]));
	expect(!store_install_chunk(writer, receiver.tree, chunks[0], lens[0]));
	expect(store_install_chunk(writer, receiver.tree, chunks[1], lens[1]));
	store_install_abort(writer, receiver.tree);
	storage_check(receiver.tree, STORAGE_TREE, raise_finding, world);
	drop_receiver(&receiver);
	world_destroy(world);
}

void
test_snapshot_incomplete(void)
{
	World	   *world = world_with_state(41, 20);
	Receiver	receiver;
	Quorum__StoreMeta *meta;
	StoreSnapshotReader *reader;
	StoreSnapshotWriter *writer;
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile int sqlstate = 0;
	char	   *chunk;
	uint32		len;

	make_receiver(&receiver);
	reader = store_snapshot_begin(world->tree, &meta);
	writer = store_install_begin(receiver.tree, meta);
	len = store_snapshot_next(reader, world->tree, 100, &chunk);
	expect(store_install_chunk(writer, receiver.tree, chunk, len));

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		store_install_finish(writer, receiver.tree, receiver.log, "meta", 4);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		sqlstate = CopyErrorData()->sqlerrcode;
		RollbackAndReleaseCurrentSubTransaction();
		FlushErrorState();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	expect(sqlstate == ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);
	drop_receiver(&receiver);
	world_destroy(world);
}

/* One snapshot after another, with and without the garbage of the last one */
void
test_snapshots_in_succession_18055(void)
{
	World	   *world = world_with_state(51, 40);
	Receiver	receiver;
	Stream		stream = {world, &receiver, true, 0, NULL};
	int			round;

	make_receiver(&receiver);
	for (round = 0; round < 6; round++)
	{
		run_stream(&stream);
		if (round % 2 == 1)
			(void) tree_collect_garbage(receiver.tree, 5);
		storage_check(receiver.tree, STORAGE_TREE, raise_finding, world);
	}
	check_received(world, &receiver);
	drop_receiver(&receiver);
	drop_sender(world);
}
