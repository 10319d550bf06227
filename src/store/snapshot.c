/*-------------------------------------------------------------------------
 *
 * snapshot.c
 *	  The state as a stream, and a state built from one.
 *
 * The sender walks the tree in key order and leaves out what is newer than the
 * revision at which it began; what is not newer stays as it is while the sender
 * goes on, as long as no physical compaction runs.  For leases the log index is what
 * the revision is for keys.  Users and roles are read when the stream begins and
 * sent in their place.  The members, which have no versions, are sent as they are
 * when the walk gets there, maybe newer than the rest: the receiver goes on to
 * apply the entries behind the snapshot's index, and that leads to the same again.
 *
 * The walk holds nothing between two chunks but the key it has come to.
 *
 * The receiver builds a second tree beside the one in use.  If it stops in the
 * middle, by a crash or because the stream broke off, the unfinished tree is thrown
 * away when the next attempt begins.
 *
 * A chunk is:
 *		magic, CRC-32C of what follows, sequence number from 0, flags, number of
 *		items (4 bytes each, big-endian); then the items: keyspace (1 byte),
 *		length of the bytes of the key (2), these bytes, the two numbers (8 each),
 *		length of the value (4), the value.
 * The last chunk bears a flag; without it the stream is not complete.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/snapshot.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "port/pg_crc32c.h"
#include "storage/storage.h"
#include "utils/memutils.h"

#include "store/pbmem.h"
#include "store/auth.h"
#include "store/read.h"

#define CHUNK_MAGIC			0x71734331	/* "qsC1" */
#define CHUNK_HEADER_BYTES	20
#define CHUNK_CRC_END		8	/* the CRC covers what is behind it */
#define CHUNK_FLAG_LAST		1

/* Items that one call examines at most: bounds its time, not only its bytes */
#define CHUNK_EXAMINE_ITEMS	20000

/* Versions that are too new to step over before seeking past them */
#define CHUNK_SKIP_VERSIONS	32

/* Changes in one call of the tree, and bytes of them */
#define INSTALL_SLICE		512
#define INSTALL_SLICE_BYTES	(1024 * 1024)

/* Where a walk in key order has come to */
typedef struct Position
{
	bool		valid;
	TreeKey		key;			/* its bytes are in data */
	char		data[TREE_MAX_KEY_BYTES];
} Position;

struct StoreSnapshotReader
{
	int64		revision;
	uint64		applied_index;
	uint32		sequence;
	bool		finished;
	Position	next;			/* the key to go on with */

	/* users and roles as of the state that is streamed, and the next to send */
	MemoryContext auth_context;
	StoreAuthItem *auth_items;
	int			n_auth_items;
	int			next_auth_item;
};

struct StoreSnapshotWriter
{
	Quorum__StoreMeta *meta;
	uint32		sequence;
	bool		complete;		/* the last chunk has come */
	Position	last;			/* the last key received */
};

static void
position_set(Position *position, const TreeKey *key)
{
	position->valid = true;
	position->key = *key;
	memmove(position->data, key->data, key->len);
	position->key.data = position->data;
}

/* ----------------------------------------------------------------
 *	The sender
 * ----------------------------------------------------------------
 */

/*
 * Begin to stream the published state.  *meta says what it is, in the current
 * memory context, as the reader itself.
 */
StoreSnapshotReader *
store_snapshot_begin(Relation tree, Quorum__StoreMeta **meta)
{
	StoreSnapshotReader *reader = palloc0(sizeof(*reader));
	MemoryContext old_context;
	MetaHead	head;
	TreeKey		first;

	reader->auth_context = AllocSetContextCreate(CurrentMemoryContext,
												 "quorum snapshot users",
												 ALLOCSET_SMALL_SIZES);
	do
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(reader->auth_context);
		*meta = store_read_meta(tree);
		old_context = MemoryContextSwitchTo(reader->auth_context);
		reader->auth_items = read_auth_items(tree, *meta, &reader->n_auth_items);
		MemoryContextSwitchTo(old_context);
		read_head(tree, &head);
	} while (head.auth_revision != (*meta)->auth_revision);

	reader->revision = (*meta)->revision;
	reader->applied_index = (*meta)->applied_index;
	number_tree_key(&first, 0, 0, 0);
	position_set(&reader->next, &first);
	return reader;
}

void
store_snapshot_end(StoreSnapshotReader *reader)
{
	MemoryContextDelete(reader->auth_context);
	pfree(reader);
}

/* Is the item part of the state that is streamed? */
static bool
item_belongs(const StoreSnapshotReader *reader, const TreeKey *key)
{
	KeyVersion	version;
	LeaseVersion lease;

	if (key->space == SPACE_REVISION)
		return key->major <= (uint64) reader->revision;
	if (key->space == SPACE_LEASE_CHANGE)
		return key->major <= reader->applied_index;
	if (decode_version_key(key, &version))
		return version.revision <= reader->revision;
	if (decode_lease_key(key, &lease))
		return lease.index <= reader->applied_index;
	return !auth_is_space(key->space);
}

/* Go on behind this key.  No key has the highest possible numbers. */
static void
set_next(StoreSnapshotReader *reader, const TreeKey *key)
{
	position_set(&reader->next, key);
	if (++reader->next.key.minor == 0)
		reader->next.key.major++;
}

/* Go on with what may belong to the state, after a key that does not */
static void
skip_to(StoreSnapshotReader *reader, const TreeKey *key)
{
	if (key->space == SPACE_REVISION || key->space == SPACE_LEASE_CHANGE ||
		auth_is_space(key->space))
	{
		TreeKey		next_space;

		number_tree_key(&next_space, key->space + 1, 0, 0);
		position_set(&reader->next, &next_space);
		return;
	}
	if (key->space == SPACE_LEASE)
	{
		TreeKey		published;

		lease_tree_key(&published, (int64) key->major, reader->applied_index);
		position_set(&reader->next, &published);
		return;
	}
	position_set(&reader->next, key);
	reader->next.key.major = ~(uint64) reader->revision;
	reader->next.key.minor = 0;
}

static void
append_item(StringInfo chunk, const TreeItem *item)
{
	pq_sendint8(chunk, item->key.space);
	pq_sendint16(chunk, item->key.len);
	pq_sendbytes(chunk, item->key.data, item->key.len);
	pq_sendint64(chunk, item->key.major);
	pq_sendint64(chunk, item->key.minor);
	pq_sendint32(chunk, item->value_len);
	pq_sendbytes(chunk, item->value, item->value_len);
}

/*
 * Add the users and roles that belong before a key, or all that are left if it is
 * NULL; returns how many.  They were read when the stream began, since their
 * versions do not stay.
 */
static uint32
append_auth_items(StoreSnapshotReader *reader, StringInfo chunk, const TreeKey *before,
				  uint32 max_bytes)
{
	uint32		n = 0;

	while (reader->next_auth_item < reader->n_auth_items && (uint32) chunk->len < max_bytes)
	{
		const StoreAuthItem *auth_item = &reader->auth_items[reader->next_auth_item];
		TreeItem	item;

		if (before != NULL && tree_key_compare(&auth_item->key, before) >= 0)
			break;
		item.key = auth_item->key;
		item.value = auth_item->value;
		item.value_len = auth_item->value_len;
		append_item(chunk, &item);
		reader->next_auth_item++;
		n++;
	}
	return n;
}

static void
set_number(char *p, uint32 number)
{
	uint32		bytes = pg_hton32(number);

	memcpy(p, &bytes, sizeof(bytes));
}

/* Fill in the header, for which room was left */
static void
seal_chunk(StringInfo chunk, uint32 sequence, uint32 flags, uint32 nitems)
{
	pg_crc32c	crc;

	set_number(chunk->data, CHUNK_MAGIC);
	set_number(chunk->data + 8, sequence);
	set_number(chunk->data + 12, flags);
	set_number(chunk->data + 16, nitems);
	INIT_CRC32C(crc);
	COMP_CRC32C(crc, chunk->data + CHUNK_CRC_END, chunk->len - CHUNK_CRC_END);
	FIN_CRC32C(crc);
	set_number(chunk->data + 4, crc);
}

uint32
store_snapshot_next(StoreSnapshotReader *reader, Relation tree, uint32 max_bytes, char **chunk)
{
	StringInfoData buffer;
	TreeScan   *scan;
	uint32		nitems = 0;
	int			examined = 0;
	int			skipped = 0;
	uint32		flags = 0;

	if (reader->finished)
	{
		*chunk = NULL;
		return 0;
	}

	initStringInfo(&buffer);
	appendStringInfoSpaces(&buffer, CHUNK_HEADER_BYTES);
	scan = tree_scan_begin(tree, TREE_MAIN);
	tree_seek(scan, &reader->next.key);
	for (;;)
	{
		TreeItem	item;
		char	   *value = NULL;

		CHECK_FOR_INTERRUPTS();
		if (!tree_next(scan, &item))
		{
			nitems += append_auth_items(reader, &buffer, NULL, max_bytes);
			if (reader->next_auth_item < reader->n_auth_items)
				break;
			reader->finished = true;
			flags = CHUNK_FLAG_LAST;
			break;
		}

		examined++;
		if (!auth_is_space(item.key.space))
		{
			nitems += append_auth_items(reader, &buffer, &item.key, max_bytes);
			if ((uint32) buffer.len >= max_bytes)
				break;
		}
		if (!item_belongs(reader, &item.key))
		{
			set_next(reader, &item.key);
			if (++skipped >= CHUNK_SKIP_VERSIONS)
			{
				skip_to(reader, &item.key);
				tree_seek(scan, &reader->next.key);
				skipped = 0;
			}
		}
		else
		{
			skipped = 0;
			if (item.value == NULL)
			{
				if (!tree_scan_value(scan, &item))
					ereport(ERROR,
							(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
							 errmsg("the state to be streamed has been compacted")));
				value = (char *) item.value;
			}
			append_item(&buffer, &item);
			nitems++;
			set_next(reader, &item.key);
			if (value != NULL)
				pfree(value);
		}
		if ((uint32) buffer.len >= max_bytes || examined >= CHUNK_EXAMINE_ITEMS)
			break;
	}
	tree_scan_end(scan);

	seal_chunk(&buffer, reader->sequence++, flags, nitems);
	*chunk = buffer.data;
	return buffer.len;
}

/* ----------------------------------------------------------------
 *	The receiver
 * ----------------------------------------------------------------
 */

/*
 * Throw away any unfinished incoming tree and begin a new one, for the state that
 * meta describes.  The writer lives in the current memory context.
 */
StoreSnapshotWriter *
store_install_begin(Relation tree, const Quorum__StoreMeta *meta)
{
	StoreSnapshotWriter *writer = palloc0(sizeof(*writer));
	char	   *packed;
	size_t		len;

	packed = pb_pack(&meta->base, &len);
	writer->meta = meta_decode(packed, len);
	pfree(packed);

	if (!tree_is_formatted(tree))
		tree_format(tree, NULL, 0);
	tree_discard_incoming(tree);
	return writer;
}

void
store_install_abort(StoreSnapshotWriter *writer, Relation tree)
{
	tree_discard_incoming(tree);
	quorum__store_meta__free_unpacked(writer->meta, &pb_allocator);
	pfree(writer);
}

static uint32
get_number(const char *p)
{
	uint32		bytes;

	memcpy(&bytes, p, sizeof(bytes));
	return pg_ntoh32(bytes);
}

static uint64
get_long_number(const char *p)
{
	uint64		bytes;

	memcpy(&bytes, p, sizeof(bytes));
	return pg_ntoh64(bytes);
}

/* Read one item; NULL if there is none whole before end */
static const char *
parse_item(const char *p, const char *end, TreeChange *change)
{
	memset(change, 0, sizeof(*change));
	if (end - p < 3)
		return NULL;
	change->key.space = (uint8) p[0];
	change->key.len = (uint16) ((uint8) p[1] << 8 | (uint8) p[2]);
	p += 3;
	if (change->key.len > TREE_MAX_KEY_BYTES || end - p < change->key.len + 20)
		return NULL;
	change->key.data = p;
	p += change->key.len;
	change->key.major = get_long_number(p);
	change->key.minor = get_long_number(p + 8);
	change->value_len = get_number(p + 16);
	p += 20;
	if (change->value_len > TREE_MAX_VALUE_BYTES || end - p < change->value_len)
		return NULL;
	change->value = p;
	return p + change->value_len;
}

/* Is the chunk whole, and the one that must come next? */
static bool
chunk_is_next(const StoreSnapshotWriter *writer, const char *chunk, uint32 len)
{
	pg_crc32c	crc;

	if (writer->complete || len < CHUNK_HEADER_BYTES || get_number(chunk) != CHUNK_MAGIC)
		return false;
	INIT_CRC32C(crc);
	COMP_CRC32C(crc, chunk + CHUNK_CRC_END, len - CHUNK_CRC_END);
	FIN_CRC32C(crc);
	return get_number(chunk + 4) == crc && get_number(chunk + 8) == writer->sequence;
}

bool
store_install_chunk(StoreSnapshotWriter *writer, Relation tree, const char *chunk, uint32 len)
{
	const char *p = chunk + CHUNK_HEADER_BYTES;
	const char *end = chunk + len;
	TreeChange *changes;
	uint32		nitems;
	uint32		i;
	Size		bytes = 0;
	int			n = 0;

	if (!chunk_is_next(writer, chunk, len))
		return false;

	nitems = get_number(chunk + 16);
	changes = palloc(INSTALL_SLICE * sizeof(TreeChange));
	for (i = 0; i < nitems; i++)
	{
		TreeChange *change = &changes[n];

		p = parse_item(p, end, change);
		if (p == NULL ||
			(writer->last.valid && tree_key_compare(&change->key, &writer->last.key) <= 0))
			break;
		position_set(&writer->last, &change->key);
		bytes += change->key.len + change->value_len;
		if (++n == INSTALL_SLICE || bytes >= INSTALL_SLICE_BYTES)
		{
			CHECK_FOR_INTERRUPTS();
			tree_apply(tree, TREE_INCOMING, changes, n, NULL, 0);
			n = 0;
			bytes = 0;
		}
	}
	if (i < nitems || p != end)
	{
		pfree(changes);
		return false;
	}
	if (n > 0)
		tree_apply(tree, TREE_INCOMING, changes, n, NULL, 0);
	pfree(changes);

	writer->sequence++;
	writer->complete = (get_number(chunk + 12) & CHUNK_FLAG_LAST) != 0;
	return true;
}

/*
 * Make the incoming state the store's own, and the log one that begins behind
 * its applied index.  ERROR if the stream was not complete.
 */
XLogRecPtr
store_install_finish(StoreSnapshotWriter *writer, Relation tree,
					 Relation log, const void *log_meta, uint32 log_meta_len)
{
	char		buffer[TREE_MAX_META_BYTES];
	XLogRecPtr	lsn;

	if (!writer->complete)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the streamed state is not complete")));

	lsn = storage_install(tree, buffer, meta_encode(writer->meta, buffer), log,
						  writer->meta->applied_index, writer->meta->applied_term,
						  log_meta, log_meta_len);
	quorum__store_meta__free_unpacked(writer->meta, &pb_allocator);
	pfree(writer);
	return lsn;
}

/*
 * Replace the state by an empty one with this meta, and the log by one that
 * begins behind its applied index.
 */
XLogRecPtr
store_reset(Relation tree, const Quorum__StoreMeta *meta,
			Relation log, const void *log_meta, uint32 log_meta_len)
{
	char		buffer[TREE_MAX_META_BYTES];

	tree_discard_incoming(tree);
	return storage_install(tree, buffer, meta_encode(meta, buffer), log,
						   meta->applied_index, meta->applied_term,
						   log_meta, log_meta_len);
}
