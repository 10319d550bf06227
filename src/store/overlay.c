/*-------------------------------------------------------------------------
 *
 * overlay.c
 *	  The versions that a batch has made and not yet written to the tree.
 *
 * Commands of a batch must see what earlier ones did, and all of them are
 * written at once.  The overlay keeps the new versions in three ways: by key in
 * a hash table (a put needs the key's previous version), in the order they were
 * made (the revision index is written in that order), and by key in order
 * (ranges, and the writing of the versions).  Only the last is made on demand: an
 * array, of which new keys are the unsorted tail.
 *
 * Everything about a version, the key and the encoded items too, is one
 * allocation, so a put costs the overlay one palloc and one copy.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/overlay.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/memutils.h"

#include "store/overlay.h"

#define OVERLAY_TABLE_SIZE		512
#define OVERLAY_BLOCK_SIZE		(256 * 1024)

typedef struct OverlaySlot
{
	const OverlayKey *key;
	uint32		hash;
	char		status;
} OverlaySlot;

/* Look-ups are by a key on the caller's stack, of which only the bytes count. */
#define SH_PREFIX		slots
#define SH_ELEMENT_TYPE	OverlaySlot
#define SH_KEY_TYPE		const OverlayKey *
#define SH_KEY			key
#define SH_HASH_KEY(tb, k)	hash_bytes((const unsigned char *) (k)->key, (k)->key_len)
#define SH_EQUAL(tb, a, b)	bytes_equal((a)->key, (a)->key_len, (b)->key, (b)->key_len)
#define SH_STORE_HASH
#define SH_GET_HASH(tb, a)	(a)->hash
#define SH_SCOPE		static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* Make an overlay in the current memory context */
Overlay *
overlay_create(void)
{
	Overlay    *overlay = palloc0(sizeof(Overlay));

	overlay->context = AllocSetContextCreate(CurrentMemoryContext, "quorum batch",
											 0, OVERLAY_BLOCK_SIZE,
											 ALLOCSET_DEFAULT_MAXSIZE);
	overlay->table_context = CurrentMemoryContext;
	overlay->table = slots_create(overlay->table_context, OVERLAY_TABLE_SIZE, NULL);
	overlay->max_keys = OVERLAY_TABLE_SIZE;
	overlay->keys = palloc(overlay->max_keys * sizeof(OverlayKey *));
	overlay->max_versions = OVERLAY_TABLE_SIZE;
	overlay->versions = palloc(overlay->max_versions * sizeof(OverlayVersion *));
	return overlay;
}

/*
 * Forget everything.  What a normal batch needs is kept, what a very large one
 * needed is given back.
 */
void
overlay_reset(Overlay *overlay)
{
	if (overlay->nversions == 0)
		return;

	MemoryContextReset(overlay->context);
	if (overlay->nkeys > OVERLAY_TABLE_SIZE * 4)
	{
		slots_destroy(overlay->table);
		overlay->table = slots_create(overlay->table_context, OVERLAY_TABLE_SIZE, NULL);
	}
	else
		slots_reset(overlay->table);
	overlay->nkeys = 0;
	overlay->nsorted = 0;
	overlay->nversions = 0;
	overlay->unordered = false;
	overlay->bytes = 0;
}

static void *
grow_array(void *array, int *max, size_t element)
{
	*max *= 2;
	return repalloc_huge(array, (Size) *max * element);
}

static int
version_order(const void *a, const void *b)
{
	const KeyVersion *x = &(*(OverlayVersion *const *) a)->version;
	const KeyVersion *y = &(*(OverlayVersion *const *) b)->version;

	if (x->revision != y->revision)
		return x->revision < y->revision ? -1 : 1;
	return x->sub < y->sub ? -1 : x->sub > y->sub ? 1 : 0;
}

/*
 * Put versions[] in the order of their revisions.  They are made in this
 * order, but for those of an imported copy, which come in key order.
 */
void
overlay_sort_versions(Overlay *overlay)
{
	if (!overlay->unordered)
		return;
	qsort(overlay->versions, overlay->nversions, sizeof(OverlayVersion *), version_order);
	overlay->unordered = false;
}

/*
 * Add a version, newer than all others of its key; key and value are copied.
 */
void
overlay_add(Overlay *overlay, const KeyVersion *version)
{
	OverlayKey	probe;
	OverlaySlot *slot;
	OverlayVersion *entry;
	bool		found;
	char		header[VERSION_HEADER_MAX];
	uint32		header_len;
	Size		size;
	char	   *p;

	header_len = encode_version_header(header, version);
	size = MAXALIGN(sizeof(OverlayVersion)) + 1 + version->key_len +
		header_len + version->value_len;
	entry = MemoryContextAllocHuge(overlay->context, size);

	/* the index item's value, which contains the key */
	p = (char *) entry + MAXALIGN(sizeof(OverlayVersion));
	entry->index_value = p;
	entry->index_value_len = 1 + version->key_len;
	*p++ = (char) encode_index_flags(version->tombstone);
	memcpy(p, version->key, version->key_len);
	entry->version = *version;
	entry->version.key = p;
	p += version->key_len;

	/* the version item's value */
	entry->tree_value = p;
	entry->tree_value_len = header_len + version->value_len;
	memcpy(p, header, header_len);
	p += header_len;
	if (version->value_len > 0)
		memcpy(p, version->value, version->value_len);
	entry->version.value = p;

	probe.key = entry->version.key;
	probe.key_len = version->key_len;
	slot = slots_insert(overlay->table, &probe, &found);
	if (!found)
	{
		OverlayKey *key = MemoryContextAlloc(overlay->context, sizeof(OverlayKey));

		key->key = entry->version.key;
		key->key_len = version->key_len;
		key->newest = NULL;
		slot->key = key;
		if (overlay->nkeys == overlay->max_keys)
			overlay->keys = grow_array(overlay->keys, &overlay->max_keys,
									   sizeof(OverlayKey *));
		overlay->keys[overlay->nkeys++] = key;
	}

	entry->older = slot->key->newest;
	((OverlayKey *) slot->key)->newest = entry;
	if (overlay->nversions == overlay->max_versions)
		overlay->versions = grow_array(overlay->versions, &overlay->max_versions,
									   sizeof(OverlayVersion *));
	if (overlay->nversions > 0 &&
		version_order(&overlay->versions[overlay->nversions - 1], &entry) > 0)
		overlay->unordered = true;
	overlay->versions[overlay->nversions++] = entry;
	overlay->bytes += size + sizeof(OverlayKey);
}

/* The key's new versions; NULL if there are none */
const OverlayKey *
overlay_find(Overlay *overlay, const char *key, uint32 key_len)
{
	OverlayKey	probe;
	OverlaySlot *slot;

	if (overlay->nkeys == 0)
		return NULL;
	probe.key = key;
	probe.key_len = key_len;
	slot = slots_lookup(overlay->table, &probe);
	return slot != NULL ? slot->key : NULL;
}

/* The key's newest version as of a revision; NULL if all are later */
const OverlayVersion *
overlay_version_at(const OverlayKey *key, int64 revision)
{
	const OverlayVersion *version = key->newest;

	while (version != NULL && version->version.revision > revision)
		version = version->older;
	return version;
}

static int
overlay_key_cmp(const void *a, const void *b)
{
	const OverlayKey *x = *(OverlayKey *const *) a;
	const OverlayKey *y = *(OverlayKey *const *) b;

	return bytes_compare(x->key, x->key_len, y->key, y->key_len);
}

/*
 * Put keys[] in order: sort the new ones and merge them from the end into the
 * ones already sorted.
 */
void
overlay_sort(Overlay *overlay)
{
	int			ntail = overlay->nkeys - overlay->nsorted;
	OverlayKey **tail;
	int			i = overlay->nsorted - 1;
	int			j = ntail - 1;
	int			k = overlay->nkeys - 1;

	if (ntail == 0)
		return;
	qsort(overlay->keys + overlay->nsorted, ntail, sizeof(OverlayKey *), overlay_key_cmp);

	if (overlay->nsorted > 0)
	{
		tail = MemoryContextAllocHuge(overlay->table_context, ntail * sizeof(OverlayKey *));
		memcpy(tail, overlay->keys + overlay->nsorted, ntail * sizeof(OverlayKey *));
		while (j >= 0)
		{
			if (i >= 0 && overlay_key_cmp(&overlay->keys[i], &tail[j]) > 0)
				overlay->keys[k--] = overlay->keys[i--];
			else
				overlay->keys[k--] = tail[j--];
		}
		pfree(tail);
	}
	overlay->nsorted = overlay->nkeys;
}

/* The position in keys[], which is sorted first, of the first key at or after this one */
int
overlay_seek(Overlay *overlay, const char *key, uint32 key_len)
{
	int			low = 0;
	int			high;

	overlay_sort(overlay);
	high = overlay->nkeys;
	while (low < high)
	{
		int			middle = low + (high - low) / 2;
		const OverlayKey *candidate = overlay->keys[middle];

		if (bytes_compare(candidate->key, candidate->key_len, key, key_len) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}
