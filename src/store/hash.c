/*-------------------------------------------------------------------------
 *
 * hash.c
 *	  The hash by which members compare their states.
 *
 * The hash covers, in key order, what a member must have at a revision: the
 * versions made after the compacted revision and up to that one, and of each key
 * the newest version not after the compacted revision, unless it is a tombstone.
 * What physical compaction has yet to remove does not count.  It is CRC-32C over
 * fields of fixed width in big-endian order, the same on every architecture
 * and in every version.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/hash.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "port/pg_crc32c.h"
#include "utils/memutils.h"

#include "clock.h"
#include "store/read.h"

static void
hash_number(pg_crc32c *crc, uint64 number)
{
	uint64		bytes = pg_hton64(number);

	COMP_CRC32C(*crc, &bytes, sizeof(bytes));
}

static void
hash_version(pg_crc32c *crc, const KeyVersion *version)
{
	hash_number(crc, version->key_len);
	COMP_CRC32C(*crc, version->key, version->key_len);
	hash_number(crc, version->tombstone ? 1 : 0);
	hash_number(crc, version->revision);
	hash_number(crc, version->sub);
	hash_number(crc, version->create_revision);
	hash_number(crc, version->version);
	hash_number(crc, version->lease);
	hash_number(crc, version->value_len);
	COMP_CRC32C(*crc, version->value, version->value_len);
}

/* How often the clock is looked at, in versions */
#define CLOCK_EVERY			64

/* A hash on its way through the keys */
struct StoreHash
{
	MemoryContext context;		/* of its own */
	int64		wanted;			/* revision asked for; 0: the current one */
	int64		revision;
	int64		compacted;
	bool		running;		/* else it begins (again) with the next step */
	pg_crc32c	crc;
	char		key[TREE_MAX_KEY_BYTES];	/* the last one that was hashed */
	uint32		key_len;
	bool		old_seen;		/* of this key, at or below compacted */
	TreeKey		next;			/* where to go on; its bytes are next_key */
	char		next_key[TREE_MAX_KEY_BYTES];
};

StoreHash *
store_hash_begin(int64 revision)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "quorum hash",
												  ALLOCSET_SMALL_SIZES);
	StoreHash  *hash = MemoryContextAllocZero(context, sizeof(StoreHash));

	hash->context = context;
	hash->wanted = revision;
	return hash;
}

void
store_hash_end(StoreHash *hash)
{
	MemoryContextDelete(hash->context);
}

/* The revisions that it is about, and the first key */
static StoreError
begin_hash(StoreHash *hash, Relation tree)
{
	int64		current;

	read_revisions(tree, &current, &hash->compacted);
	hash->revision = hash->wanted > 0 ? hash->wanted : current;
	if (hash->wanted > current)
		return STORE_FUTURE_REVISION;
	if (hash->revision < hash->compacted)
		return STORE_COMPACTED;
	INIT_CRC32C(hash->crc);
	hash->key_len = 0;
	hash->old_seen = false;
	number_tree_key(&hash->next, SPACE_KEY, 0, 0);
	hash->running = true;
	return STORE_OK;
}

/* Does this version count?  Of each key the newest one at or below compacted does */
static bool
is_counted(StoreHash *hash, const KeyVersion *version)
{
	if (!bytes_equal(version->key, version->key_len, hash->key, hash->key_len))
	{
		memcpy(hash->key, version->key, version->key_len);
		hash->key_len = version->key_len;
		hash->old_seen = false;
	}
	if (version->revision > hash->revision)
		return false;
	if (version->revision <= hash->compacted)
	{
		if (hash->old_seen)
			return false;
		hash->old_seen = true;
	}
	return true;
}

/* Hash an item that counts */
static void
hash_item(StoreHash *hash, TreeScan *scan, TreeItem *item, MemoryContext value_context)
{
	KeyVersion	version;

	if (item->value == NULL)
	{
		MemoryContext old_context;
		bool		have_value;

		MemoryContextReset(value_context);
		old_context = MemoryContextSwitchTo(value_context);
		have_value = tree_scan_value(scan, item);
		MemoryContextSwitchTo(old_context);
		if (!have_value)
			return;				/* compacted: will be noticed */
	}
	(void) decode_version_key(&item->key, &version);
	decode_version(item, &version);
	if (!version.tombstone || version.revision > hash->compacted)
		hash_version(&hash->crc, &version);
}

/*
 * Hash what counts at the two revisions, for about so many us (0: to the end).  Returns
 * whether it has come to the end.  Versions that count may not go between two steps without
 * the compacted revision having moved.
 */
static bool
hash_some(StoreHash *hash, Relation tree, int64 usec)
{
	ClockTime	began = clock_now();
	TreeScan   *scan = tree_scan_begin(tree, TREE_MAIN);
	MemoryContext value_context = AllocSetContextCreate(CurrentMemoryContext, "quorum hash value",
														ALLOCSET_SMALL_SIZES);
	bool		at_end = true;
	int			n = 0;
	TreeItem	item;
	KeyVersion	version;

	tree_seek(scan, &hash->next);
	while (tree_next(scan, &item) && decode_version_key(&item.key, &version))
	{
		CHECK_FOR_INTERRUPTS();
		if (usec > 0 && ++n % CLOCK_EVERY == 0 && clock_now() - began >= usec)
		{
			memcpy(hash->next_key, item.key.data, item.key.len);
			hash->next = item.key;
			hash->next.data = hash->next_key;
			at_end = false;
			break;
		}
		if (is_counted(hash, &version))
			hash_item(hash, scan, &item, value_context);
	}
	tree_scan_end(scan);
	MemoryContextDelete(value_context);
	return at_end;
}

/*
 * store_hash_step
 *		Go on for about so many us (0: to the end).
 *
 * If a compaction has come in between, the hash is begun anew.
 */
StoreError
store_hash_step(StoreHash *hash, Relation tree, int64 usec, bool *done)
{
	int64		current;
	int64		compacted;

	*done = false;
	if (!hash->running)
	{
		StoreError	error = begin_hash(hash, tree);

		if (error != STORE_OK)
			return error;
	}
	if (!hash_some(hash, tree, usec))
		return STORE_OK;
	read_revisions(tree, &current, &compacted);
	if (compacted != hash->compacted)
		hash->running = false;
	else
	{
		FIN_CRC32C(hash->crc);
		*done = true;
	}
	return STORE_OK;
}

void
store_hash_result(const StoreHash *hash, uint32 *value, int64 *hash_revision,
				  int64 *compacted_revision)
{
	*value = hash->crc;
	*hash_revision = hash->revision;
	*compacted_revision = hash->compacted;
}

/*
 * store_hash_kv
 *		The hash at a revision (0: the current one), with the revision it
 *		stands for and the compacted revision that it depends on.
 */
StoreError
store_hash_kv(Relation tree, const StoreCaller *caller,
			  int64 revision, uint32 *hash,
			  int64 *hash_revision, int64 *compacted_revision)
{
	StoreError	error = store_check_admin(tree, caller);
	StoreHash  *run;
	bool		done = false;

	if (error != STORE_OK)
		return error;
	run = store_hash_begin(revision);
	while (error == STORE_OK && !done)
		error = store_hash_step(run, tree, 0, &done);
	store_hash_result(run, hash, hash_revision, compacted_revision);
	store_hash_end(run);
	return error;
}
