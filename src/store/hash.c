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

/* Hash everything that counts at the two revisions */
static uint32
hash_versions(Relation tree, int64 revision, int64 compacted)
{
	TreeScan   *scan = tree_scan_begin(tree, TREE_MAIN);
	MemoryContext value_context;
	char		key[TREE_MAX_KEY_BYTES];
	uint32		key_len = 0;
	bool		old_seen = false;	/* of this key, at or below compacted */
	pg_crc32c	crc;
	TreeKey		seek_key;
	TreeItem	item;
	KeyVersion	version;

	value_context = AllocSetContextCreate(CurrentMemoryContext, "quorum hash",
										  ALLOCSET_SMALL_SIZES);
	INIT_CRC32C(crc);
	number_tree_key(&seek_key, SPACE_KEY, 0, 0);
	tree_seek(scan, &seek_key);
	while (tree_next(scan, &item) && decode_version_key(&item.key, &version))
	{
		MemoryContext old_context;
		bool		have_value = true;

		CHECK_FOR_INTERRUPTS();
		if (!bytes_equal(version.key, version.key_len, key, key_len))
		{
			memcpy(key, version.key, version.key_len);
			key_len = version.key_len;
			old_seen = false;
		}
		if (version.revision > revision)
			continue;
		if (version.revision <= compacted)
		{
			if (old_seen)
				continue;
			old_seen = true;
		}

		if (item.value == NULL)
		{
			MemoryContextReset(value_context);
			old_context = MemoryContextSwitchTo(value_context);
			have_value = tree_scan_value(scan, &item);
			MemoryContextSwitchTo(old_context);
		}
		if (!have_value)
			continue;			/* compacted: will be noticed */
		decode_version(&item, &version);
		if (version.tombstone && version.revision <= compacted)
			continue;
		hash_version(&crc, &version);
	}
	tree_scan_end(scan);
	MemoryContextDelete(value_context);
	FIN_CRC32C(crc);
	return crc;
}

/*
 * store_hash_kv
 *		The hash at a revision (0: the current one), with the revision it
 *		stands for and the compacted revision that it depends on.
 *
 * If a compaction comes in between, the hash is taken again.
 */
StoreError
store_hash_kv(Relation tree, const StoreCaller *caller,
			  int64 revision, uint32 *hash,
			  int64 *hash_revision, int64 *compacted_revision)
{
	StoreError	error = store_check_admin(tree, caller);

	if (error != STORE_OK)
		return error;
	for (;;)
	{
		int64		current;
		int64		compacted;
		int64		current_after;
		int64		compacted_after;

		read_revisions(tree, &current, &compacted);
		*hash_revision = revision > 0 ? revision : current;
		*compacted_revision = compacted;
		if (revision > current)
			return STORE_FUTURE_REVISION;
		if (*hash_revision < compacted)
			return STORE_COMPACTED;

		*hash = hash_versions(tree, *hash_revision, compacted);
		read_revisions(tree, &current_after, &compacted_after);
		if (compacted_after == compacted)
			return STORE_OK;
	}
}
