/*-------------------------------------------------------------------------
 *
 * export.c
 *	  A consistent logical copy of the store, chunk by chunk.
 *
 * The copy is of the state as it was published when it began: the keys as of its
 * revision, the leases as of its applied index, users and roles as of its auth
 * revision.  All three are versioned, so writes may go on, and the walk
 * holds nothing between two chunks but the place it has come to.
 *
 * What it needs is that none of these versions is removed before the end.
 * Readers of other kinds notice when a compaction has overtaken them, and start
 * over or give up; a copy may take longer than the time between two compactions, and
 * would never come to its end.  So it keeps the writer from removing anything,
 * on this member, by a lock that ends with the transaction however that ends.
 * Compactions take effect for everybody else; only their space is given back
 * later.  It is a heavyweight lock of a kind that nothing else uses, on a
 * part of the relation that does not exist, and the writer only tries to get it.
 *
 * Users and roles are few; they are read at once, and again if they have changed
 * meanwhile.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/export.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class_d.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "store/auth.h"
#include "store/copy.h"
#include "store/read.h"

int			store_export_bytes = 256 * 1024;

/* What an item takes beside its bytes, at most about */
#define ITEM_BYTES		64

/* The lock's part of the relation */
#define EXPORT_LOCK_SUBID	0x5158

typedef enum ExportPhase
{
	EXPORT_HEADER,
	EXPORT_AUTH,
	EXPORT_LEASES,
	EXPORT_KEYS,
	EXPORT_TRAILER,
	EXPORT_END
} ExportPhase;

struct StoreExport
{
	MemoryContext context;
	ExportPhase phase;
	Quorum__StoreMeta *meta;
	uint64		cluster_id;
	const char *version;
	uint64		copy;
	uint64		number;
	uint64		keys;
	uint64		leases;
	StoreAuthItem *auth_items;
	int			nauth;
	int			auth_done;
	uint64		next_lease;		/* id */
	char	   *next_key;
	uint32		next_key_len;
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
};

static void
export_lock_tag(LOCKTAG *tag, Relation tree)
{
	SET_LOCKTAG_OBJECT(*tag, MyDatabaseId, RelationRelationId, RelationGetRelid(tree),
					   EXPORT_LOCK_SUBID);
}

bool
store_block_exports(Relation tree)
{
	LOCKTAG		tag;

	export_lock_tag(&tag, tree);
	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

void
store_unblock_exports(Relation tree)
{
	LOCKTAG		tag;

	export_lock_tag(&tag, tree);
	LockRelease(&tag, ExclusiveLock, false);
}

/* The meta, and users and roles as of it */
static void
read_start(StoreExport *copy, Relation tree)
{
	for (;;)
	{
		MetaHead	head;

		copy->meta = store_read_meta(tree);
		copy->auth_items = read_auth_items(tree, copy->meta, &copy->nauth);
		read_head(tree, &head);
		if (head.auth_revision == copy->meta->auth_revision)
			break;
		CHECK_FOR_INTERRUPTS();
	}
}

static StoreExport *
begin_export(Relation tree, uint64 cluster_id, const char *version)
{
	StoreExport *copy = palloc0(sizeof(StoreExport));

	copy->context = CurrentMemoryContext;
	copy->cluster_id = cluster_id;
	copy->version = pstrdup(version);
	if (!pg_strong_random(&copy->copy, sizeof(copy->copy)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate a random number")));
	copy->copy |= 1;			/* not 0 */
	copy->next_key = palloc(STORE_MAX_KEY_BYTES + 1);
	copy->next_key[0] = '\0';
	copy->next_key_len = 1;		/* no key is smaller than one zero byte */

	read_start(copy, tree);
	return copy;
}

StoreExport *
store_export_begin(Relation tree, uint64 cluster_id, const char *version)
{
	LOCKTAG		tag;

	export_lock_tag(&tag, tree);
	(void) LockAcquire(&tag, ShareLock, false, false);
	return begin_export(tree, cluster_id, version);
}

StoreExport *
store_export_begin_held(Relation tree, uint64 cluster_id, const char *version)
{
	LOCKTAG		tag;
	StoreExport *copy;

	export_lock_tag(&tag, tree);
	if (LockAcquire(&tag, ShareLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
		return NULL;
	copy = begin_export(tree, cluster_id, version);
	LockRelease(&tag, ShareLock, false);
	return copy;
}

static void *
grow_list(void *list, size_t n, size_t *max)
{
	if (n < *max)
		return list;
	*max = Max(*max * 2, 256);
	return list == NULL ? palloc(*max * sizeof(void *)) :
		repalloc_huge(list, *max * sizeof(void *));
}

static ProtobufCBinaryData
copy_bytes(const char *data, uint32 len)
{
	ProtobufCBinaryData bytes;

	bytes.len = len;
	bytes.data = MemoryContextAllocHuge(CurrentMemoryContext, (Size) len + 1);
	if (len > 0)
		memcpy(bytes.data, data, len);
	return bytes;
}

static void
fill_header(StoreExport *copy, Quorum__CopyChunk *chunk)
{
	Quorum__CopyHeader *header = palloc(sizeof(*header));

	quorum__copy_header__init(header);
	header->cluster_id = copy->cluster_id;
	header->revision = copy->meta->revision;
	header->keys = copy->meta->live_keys;
	header->auth_enabled = copy->meta->auth_enabled;
	header->version = unconstify(char *, copy->version);
	chunk->header = header;
	copy->phase = EXPORT_AUTH;
}

static void
fill_auth(StoreExport *copy, Quorum__CopyChunk *chunk)
{
	Size		bytes = 0;
	size_t		max = 0;

	while (copy->auth_done < copy->nauth && bytes < (Size) store_export_bytes)
	{
		const StoreAuthItem *item = &copy->auth_items[copy->auth_done++];
		Quorum__CopyAuth *auth = palloc(sizeof(*auth));

		quorum__copy_auth__init(auth);
		auth->kind = item->key.space == SPACE_ROLE ? QUORUM__COPY_AUTH__KIND__ROLE :
			item->key.space == SPACE_USER ? QUORUM__COPY_AUTH__KIND__USER :
			QUORUM__COPY_AUTH__KIND__USER_MAP;
		auth->name.data = (uint8_t *) item->key.data;
		auth->name.len = item->key.len;
		auth->value.data = (uint8_t *) item->value;
		auth->value.len = item->value_len;
		chunk->auth = grow_list(chunk->auth, chunk->n_auth, &max);
		chunk->auth[chunk->n_auth++] = auth;
		bytes += auth->name.len + auth->value.len + ITEM_BYTES;
	}
	if (copy->auth_done == copy->nauth)
		copy->phase = EXPORT_LEASES;
}

/* Of each lease the newest version that is not after the copy's applied index */
static void
fill_leases(StoreExport *copy, Relation tree, Quorum__CopyChunk *chunk)
{
	TreeScan   *scan = tree_scan_begin(tree, TREE_MAIN);
	Size		bytes = 0;
	size_t		max = 0;
	bool		seen = false;
	uint64		seen_id = 0;
	TreeKey		seek_key;
	TreeItem	item;

	lease_tree_key(&seek_key, (int64) copy->next_lease, PG_UINT64_MAX);
	tree_seek(scan, &seek_key);
	copy->phase = EXPORT_KEYS;
	while (tree_next(scan, &item) && item.key.space == SPACE_LEASE)
	{
		Quorum__CopyLease *lease;
		LeaseVersion version;

		CHECK_FOR_INTERRUPTS();
		if (!decode_lease_key(&item.key, &version) || version.index > copy->meta->applied_index ||
			(seen && (uint64) version.id == seen_id))
			continue;
		if (bytes >= (Size) store_export_bytes)
		{
			copy->next_lease = (uint64) version.id;
			copy->phase = EXPORT_LEASES;
			break;
		}
		seen = true;
		seen_id = (uint64) version.id;
		decode_lease(&item, &version);
		if (version.revoked)
			continue;
		lease = palloc(sizeof(*lease));
		quorum__copy_lease__init(lease);
		lease->id = version.id;
		lease->ttl = version.ttl;
		chunk->leases = grow_list(chunk->leases, chunk->n_leases, &max);
		chunk->leases[chunk->n_leases++] = lease;
		copy->leases++;
		bytes += ITEM_BYTES;
	}
	tree_scan_end(scan);
}

static void
fill_keys(StoreExport *copy, Relation tree, Quorum__CopyChunk *chunk)
{
	StoreView	view;
	KeyRange	range;
	KeyVersion	version;
	ViewScan   *scan;
	Size		bytes = 0;
	size_t		max = 0;

	memset(&view, 0, sizeof(view));
	view.tree = tree;
	view.latest = view.current = copy->meta->revision;
	key_range_set(&range, copy->next_key, copy->next_key_len, "", 1);
	scan = view_scan_begin(&view, &range, copy->meta->revision);
	copy->phase = EXPORT_TRAILER;
	while (view_scan_next(scan, true, &version))
	{
		Quorum__CopyKey *key;

		CHECK_FOR_INTERRUPTS();
		if (bytes > 0 && bytes + version.key_len + version.value_len > (Size) store_export_bytes)
		{
			memcpy(copy->next_key, version.key, version.key_len);
			copy->next_key_len = version.key_len;
			copy->phase = EXPORT_KEYS;
			break;
		}
		key = palloc(sizeof(*key));
		quorum__copy_key__init(key);
		key->key = copy_bytes(version.key, version.key_len);
		key->value = copy_bytes(version.value, version.value_len);
		key->create_revision = version.create_revision;
		key->mod_revision = version.revision;
		key->version = version.version;
		key->lease = version.lease;
		chunk->keys = grow_list(chunk->keys, chunk->n_keys, &max);
		chunk->keys[chunk->n_keys++] = key;
		copy->keys++;
		bytes += version.key_len + version.value_len + ITEM_BYTES;
	}
	view_scan_end(scan);
}

static void
fill_trailer(StoreExport *copy, Quorum__CopyChunk *chunk)
{
	Quorum__CopyTrailer *trailer = palloc(sizeof(*trailer));

	/* a copy that its own reader would refuse is worse than none */
	if (copy->keys != (uint64) copy->meta->live_keys)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the store has %llu keys at revision %lld, and not %lld as it should",
						(unsigned long long) copy->keys, (long long) copy->meta->revision,
						(long long) copy->meta->live_keys),
				 errhint("Run quorum.check() on every member.")));
	quorum__copy_trailer__init(trailer);
	trailer->keys = copy->keys;
	trailer->leases = copy->leases;
	trailer->digest.data = copy->digest;
	trailer->digest.len = sizeof(copy->digest);
	chunk->trailer = trailer;
	copy->phase = EXPORT_END;
}

char *
store_export_next(StoreExport *copy, Relation tree, uint32 *len)
{
	MemoryContext result_context = CurrentMemoryContext;
	MemoryContext work_context;
	Quorum__CopyChunk chunk = QUORUM__COPY_CHUNK__INIT;
	char	   *bytes;

	if (copy->phase == EXPORT_END)
		return NULL;

	work_context = AllocSetContextCreate(result_context, "quorum export",
										 ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(work_context);
	chunk.copy = copy->copy;
	chunk.number = copy->number++;
	do
	{
		switch (copy->phase)
		{
			case EXPORT_HEADER:
				fill_header(copy, &chunk);
				break;
			case EXPORT_AUTH:
				fill_auth(copy, &chunk);
				break;
			case EXPORT_LEASES:
				fill_leases(copy, tree, &chunk);
				break;
			case EXPORT_KEYS:
				fill_keys(copy, tree, &chunk);
				break;
			default:
				fill_trailer(copy, &chunk);
				break;
		}
	} while (chunk.header == NULL && chunk.trailer == NULL &&
			 chunk.n_auth + chunk.n_leases + chunk.n_keys == 0);
	MemoryContextSwitchTo(result_context);
	bytes = copy_pack(&chunk, len);
	MemoryContextDelete(work_context);
	if (copy->phase != EXPORT_END)
		copy_digest(copy->digest, bytes, *len);
	return bytes;
}
