/*-------------------------------------------------------------------------
 *
 * known_keys.c
 *	  A large set of keys that may forget some, and never makes anybody wait.
 *
 * A hash table doubles in one go, and is freed in one go, and the larger it is the longer that
 * takes.  So there are many small ones, each with its keys in a memory context of its own: they grow one by one,
 * and what is forgotten is one of them after the other.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/known_keys.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/memutils.h"

#include "store/encoding.h"
#include "store/known_keys.h"

/* Tables; a power of two.  Which one is said by the top bits of the hash, the place in it by the others */
#define PART_BITS		8
#define PARTS			(1 << PART_BITS)

typedef struct KnownEntry
{
	KnownKey	key;
	uint32		hash;
	char		status;
} KnownEntry;

static inline uint32
hash_key(KnownKey key)
{
	return hash_bytes((const unsigned char *) key.key, (int) key.key_len);
}

#define SH_PREFIX		known
#define SH_ELEMENT_TYPE	KnownEntry
#define SH_KEY_TYPE		KnownKey
#define SH_KEY			key
#define SH_HASH_KEY(tb, k)	hash_key(k)
#define SH_EQUAL(tb, a, b)	bytes_equal((a).key, (a).key_len, (b).key, (b).key_len)
#define SH_STORE_HASH
#define SH_GET_HASH(tb, a)	(a)->hash
#define SH_SCOPE		static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* What an empty part allocates first, and what it allocates at a time at most */
#define PART_BLOCK		1024
#define PART_MAX_BLOCK	(64 * 1024)
#define PART_ENTRIES	8

typedef struct Part
{
	MemoryContext context;
	known_hash *table;			/* NULL: no key */
} Part;

struct KnownKeys
{
	MemoryContext context;
	Part		parts[PARTS];
	int			trimmed;		/* the part that forgets next */
};

static inline uint32
part_of(uint32 hash)
{
	return hash >> (32 - PART_BITS);
}

KnownKeys *
known_keys_create(void)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "quorum known keys",
												  ALLOCSET_DEFAULT_SIZES);
	KnownKeys  *keys = MemoryContextAllocZero(context, sizeof(KnownKeys));

	keys->context = context;
	for (int i = 0; i < PARTS; i++)
		keys->parts[i].context = AllocSetContextCreate(context, "quorum known keys, a part",
													   0, PART_BLOCK, PART_MAX_BLOCK);
	return keys;
}

const char *
known_keys_find(const KnownKeys *keys, KnownKey key)
{
	uint32		hash = hash_key(key);
	known_hash *table = keys->parts[part_of(hash)].table;
	KnownEntry *entry = table == NULL ? NULL : known_lookup_hash(table, key, hash);

	return entry == NULL ? NULL : entry->key.key;
}

KnownKey
known_keys_copy(KnownKeys *keys, KnownKey key)
{
	KnownKey	copy = key;
	char	   *bytes = MemoryContextAlloc(keys->parts[part_of(hash_key(key))].context, key.key_len);

	memcpy(bytes, key.key, key.key_len);
	copy.key = bytes;
	return copy;
}

void
known_keys_add(KnownKeys *keys, KnownKey key)
{
	uint32		hash = hash_key(key);
	Part	   *part = &keys->parts[part_of(hash)];
	bool		found;

	if (part->table == NULL)
		part->table = known_create(part->context, PART_ENTRIES, NULL);
	(void) known_insert_hash(part->table, key, hash, &found);
	Assert(!found);
}

void
known_keys_trim(KnownKeys *keys, Size max)
{
	for (int i = 0; i < PARTS && MemoryContextMemAllocated(keys->context, true) > max; i++)
	{
		Part	   *part = &keys->parts[keys->trimmed];

		MemoryContextReset(part->context);
		part->table = NULL;
		keys->trimmed = (keys->trimmed + 1) % PARTS;
	}
}
