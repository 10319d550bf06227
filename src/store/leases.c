/*-------------------------------------------------------------------------
 *
 * leases.c
 *	  Leases in a batch: grants, revocations, checkpoints, attachments.
 *
 * A lease has versions, as a key has: an item for each state it was in, under
 * the index of the log entry that made it.  Leases make no revisions, so the log
 * index takes their place.  What is above the published applied index does not
 * exist yet for readers, nor for the commands of a batch that is applied once more
 * after a crash; what is superseded goes when it is published that it is
 * (lease_garbage.c).
 *
 * Which keys are attached to a lease is what the keys say: a key is attached to
 * the lease in its newest version.  An attachment is no more than a hint where to look,
 * an item that is there at least as long as the key says so.  It is written with
 * the version that needs it, and removed later than that; who finds it asks
 * the key.  So attachments need neither an order of writes nor versions.
 *
 * The batch keeps the newest state of each lease it has touched, the attachments
 * it has made, and the changes: what to tidy up after when all is published,
 * or to take back if it never is.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/leases.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/memutils.h"

#include "store/store_int.h"

#define EDITS_TABLE_SIZE	256

/* Attached keys that a revocation deletes at a time */
#define REVOKE_SLICE_KEYS	512

/* What the batch knows of a lease */
typedef struct LeaseEdit
{
	int64		id;
	bool		changed;		/* version is set */
	LeaseVersion version;
	LeaseAttachment *attachments;	/* the newest first */
	int			nattachments;
	char		status;
} LeaseEdit;

#define SH_PREFIX		edits
#define SH_ELEMENT_TYPE	LeaseEdit
#define SH_KEY_TYPE		int64
#define SH_KEY			id
#define SH_HASH_KEY(tb, k)	murmurhash32((uint32) ((uint64) (k) ^ (uint64) (k) >> 32))
#define SH_EQUAL(tb, a, b)	((a) == (b))
#define SH_SCOPE		static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* A change, as the tree will keep it */
typedef struct ChangeEdit
{
	uint64		index;
	uint64		number;
	char	   *value;
	uint32		value_len;
} ChangeEdit;

struct LeaseEdits
{
	MemoryContext context;		/* what the edits point to */
	MemoryContext table_context;
	edits_hash *table;			/* by lease */
	int			nversions;
	int			nattachments;
	ChangeEdit *changes;		/* in order */
	int			nchanges;
	int			max_changes;
	uint64		last_index;		/* of the last change made, written or not */
	uint64		last_number;
};

/* Make the edits of a batch, none, in the current memory context */
LeaseEdits *
lease_edits_create(void)
{
	LeaseEdits *edits = palloc0(sizeof(LeaseEdits));

	edits->context = AllocSetContextCreate(CurrentMemoryContext, "quorum lease edits",
										   ALLOCSET_DEFAULT_SIZES);
	edits->table_context = CurrentMemoryContext;
	edits->table = edits_create(edits->table_context, EDITS_TABLE_SIZE, NULL);
	edits->max_changes = EDITS_TABLE_SIZE;
	edits->changes = palloc(edits->max_changes * sizeof(ChangeEdit));
	return edits;
}

/* Items that are to be written */
int
lease_edits_count(const LeaseEdits *edits)
{
	return edits->nversions + edits->nattachments + edits->nchanges;
}

/*
 * Forget what has been written.  What a very large batch needed is given back.
 */
void
lease_edits_reset(LeaseEdits *edits)
{
	if (edits->table->members == 0 && edits->nchanges == 0)
		return;

	MemoryContextReset(edits->context);
	if (edits->table->members > EDITS_TABLE_SIZE * 4)
	{
		edits_destroy(edits->table);
		edits->table = edits_create(edits->table_context, EDITS_TABLE_SIZE, NULL);
	}
	else
		edits_reset(edits->table);
	edits->nversions = 0;
	edits->nattachments = 0;
	edits->nchanges = 0;
}

static LeaseEdit *
edit_of(LeaseEdits *edits, int64 id)
{
	bool		found;
	LeaseEdit  *edit = edits_insert(edits->table, id, &found);

	if (!found)
	{
		edit->changed = false;
		edit->attachments = NULL;
		edit->nattachments = 0;
	}
	return edit;
}

/* ----------------------------------------------------------------
 *	Leases
 * ----------------------------------------------------------------
 */

/*
 * lease_find
 *		A lease as of the commands so far; false if it does not exist.
 *
 * In the tree the newest version counts, published or not: what is above the
 * published index is this batch's own, since store_open() has removed
 * all else.
 */
bool
lease_find(Store *store, int64 id, LeaseVersion *version)
{
	LeaseEdits *edits = store->lease_edits;
	LeaseEdit  *edit = NULL;
	TreeKey		tree_key;
	TreeItem	item;

	if (edits->nversions > 0)
		edit = edits_lookup(edits->table, id);
	if (edit != NULL && edit->changed)
	{
		*version = edit->version;
		return !version->revoked;
	}

	lease_tree_key(&tree_key, id, PG_UINT64_MAX);
	if (!tree_lookup(store->view.tree, TREE_MAIN, &tree_key, true, &item) ||
		!decode_lease_key(&item.key, version) || version->id != id)
		return false;
	decode_lease(&item, version);
	return !version->revoked;
}

/* Note a change: of the lease, or of a key that has lost it */
static void
add_change(Store *store, int64 id, const char *key, uint32 key_len)
{
	LeaseEdits *edits = store->lease_edits;
	uint64		index = store->meta->applied_index;
	LeaseChange change;
	ChangeEdit *edit;

	if (edits->nchanges == edits->max_changes)
	{
		edits->max_changes *= 2;
		edits->changes = repalloc_huge(edits->changes,
									   (Size) edits->max_changes * sizeof(ChangeEdit));
	}
	edits->last_number = edits->last_index == index ? edits->last_number + 1 : 0;
	edits->last_index = index;

	change.index = index;
	change.number = edits->last_number;
	change.id = id;
	change.key = key;
	change.key_len = key_len;
	edit = &edits->changes[edits->nchanges++];
	edit->index = index;
	edit->number = change.number;
	edit->value = MemoryContextAlloc(edits->context, ATTACHMENT_ID_BYTES + key_len);
	edit->value_len = encode_lease_change(edit->value, &change);
	store->nchanges++;
	store->lease_garbage = true;
}

/* A lease is from now on what the version says, of which the index is filled in */
static void
set_lease(Store *store, const LeaseVersion *version)
{
	LeaseEdits *edits = store->lease_edits;
	LeaseEdit  *edit = edit_of(edits, version->id);

	if (!edit->changed)
	{
		edits->nversions++;
		store->nchanges++;
	}
	edit->changed = true;
	edit->version = *version;
	edit->version.index = store->meta->applied_index;
	add_change(store, version->id, "", 0);
}

StoreError
apply_lease_grant(Store *store, const Etcdserverpb__LeaseGrantRequest *request,
				  Quorum__Result *result)
{
	LeaseVersion version;

	if (lease_find(store, request->id, &version))
		return STORE_LEASE_EXISTS;

	memset(&version, 0, sizeof(version));
	version.id = request->id;
	version.ttl = Max(request->ttl, 1);
	set_lease(store, &version);

	if (result != NULL)
	{
		Etcdserverpb__LeaseGrantResponse *response;

		response = MemoryContextAlloc(store->result_context, sizeof(*response));
		etcdserverpb__lease_grant_response__init(response);
		response->header = make_header(store->result_context, store->meta->revision);
		response->id = version.id;
		response->ttl = version.ttl;
		result->response_case = QUORUM__RESULT__RESPONSE_LEASE_GRANT;
		result->lease_grant = response;
	}
	return STORE_OK;
}

/*
 * Note how much is left of some leases.  Those that are gone meanwhile are
 * passed over: the leader did not know yet.
 */
StoreError
apply_lease_checkpoint(Store *store, const Etcdserverpb__LeaseCheckpointRequest *request)
{
	size_t		i;

	for (i = 0; i < request->n_checkpoints; i++)
	{
		const Etcdserverpb__LeaseCheckpoint *checkpoint = request->checkpoints[i];
		LeaseVersion version;

		if (!lease_find(store, checkpoint->id, &version))
			continue;
		version.remaining = Min(Max(checkpoint->remaining_ttl, 0), version.ttl);
		set_lease(store, &version);
		if (i % REVOKE_SLICE_KEYS == REVOKE_SLICE_KEYS - 1)
			view_poll(&store->view);
	}
	return STORE_OK;
}

/*
 * End a lease and delete its keys, in key order, as changes of one revision; in
 * slices, as a range delete.  The attachments are left to lease_garbage.c.
 */
StoreError
apply_lease_revoke(Store *store, const Etcdserverpb__LeaseRevokeRequest *request)
{
	LeaseVersion version;
	MemoryContext slice_context;
	AttachedKey *keys;
	char	   *start;
	uint32		start_len = 0;
	int			n;

	if (!lease_find(store, request->id, &version))
		return STORE_LEASE_NOT_FOUND;

	slice_context = AllocSetContextCreate(store->scratch, "quorum revoke",
										  ALLOCSET_DEFAULT_SIZES);
	keys = palloc(REVOKE_SLICE_KEYS * sizeof(AttachedKey));
	start = palloc(STORE_MAX_KEY_BYTES + 1);
	do
	{
		MemoryContext old_context = MemoryContextSwitchTo(slice_context);
		int			i;

		n = lease_collect_keys(&store->view, store->lease_edits, request->id,
							   start, start_len, keys, REVOKE_SLICE_KEYS);
		MemoryContextSwitchTo(old_context);
		for (i = 0; i < n; i++)
		{
			KeyVersion	tombstone;

			memset(&tombstone, 0, sizeof(tombstone));
			tombstone.key = keys[i].key;
			tombstone.key_len = keys[i].key_len;
			tombstone.tombstone = true;
			tombstone.create_revision = keys[i].create_revision;
			store_add_version(store, &tombstone);
		}
		store->meta->live_keys -= n;

		if (n == REVOKE_SLICE_KEYS)
		{
			/* on behind the last key */
			memcpy(start, keys[n - 1].key, keys[n - 1].key_len);
			start[keys[n - 1].key_len] = '\0';
			start_len = keys[n - 1].key_len + 1;
			store_spill_if_large(store);
			view_poll(&store->view);
		}
		MemoryContextReset(slice_context);
	} while (n == REVOKE_SLICE_KEYS);
	MemoryContextDelete(slice_context);

	memset(&version, 0, sizeof(version));
	version.id = request->id;
	version.revoked = true;
	set_lease(store, &version);
	return STORE_OK;
}

/* ----------------------------------------------------------------
 *	Attachments
 * ----------------------------------------------------------------
 */

/*
 * lease_key_changed
 *		The newest version of a key now has another lease than the one before
 *		(0: none), or the same.
 *
 * A key that keeps its lease has its attachment already.
 */
void
lease_key_changed(Store *store, const char *key, uint32 key_len,
				  int64 old_lease, int64 new_lease)
{
	LeaseEdits *edits = store->lease_edits;
	LeaseEdit  *edit;
	LeaseAttachment *attachment;

	if (likely(old_lease == new_lease))
		return;
	if (old_lease != 0)
		add_change(store, old_lease, key, key_len);
	if (new_lease == 0)
		return;

	edit = edit_of(edits, new_lease);
	attachment = MemoryContextAlloc(edits->context,
									offsetof(LeaseAttachment, bytes) +
									ATTACHMENT_ID_BYTES + key_len);
	attachment->len = encode_attachment_bytes(attachment->bytes, new_lease, key, key_len);
	attachment->next = edit->attachments;
	edit->attachments = attachment;
	edit->nattachments++;
	edits->nattachments++;
	store->nchanges++;
}

static int
attachment_cmp(const void *a, const void *b)
{
	const LeaseAttachment *x = *(LeaseAttachment *const *) a;
	const LeaseAttachment *y = *(LeaseAttachment *const *) b;

	return bytes_compare(x->bytes, x->len, y->bytes, y->len);
}

/* Sort, and drop repeated ones */
static int
sort_attachments(LeaseAttachment **attachments, int n)
{
	int			unique = 0;
	int			i;

	if (n == 0)
		return 0;
	qsort(attachments, n, sizeof(LeaseAttachment *), attachment_cmp);
	for (i = 1; i < n; i++)
	{
		if (attachment_cmp(&attachments[unique], &attachments[i]) != 0)
			attachments[++unique] = attachments[i];
	}
	return unique + 1;
}

/*
 * The attachments to a lease that the batch has made and not written yet, for
 * keys not before start, in key order; the array is in the current memory context.
 */
LeaseAttachment **
lease_edits_attachments(LeaseEdits *edits, int64 id, const char *start, uint32 start_len,
						int *n)
{
	LeaseEdit  *edit = edits->nattachments > 0 ? edits_lookup(edits->table, id) : NULL;
	LeaseAttachment **array;
	LeaseAttachment *attachment;

	*n = 0;
	if (edit == NULL || edit->nattachments == 0)
		return NULL;

	array = MemoryContextAllocHuge(CurrentMemoryContext,
								   (Size) edit->nattachments * sizeof(LeaseAttachment *));
	for (attachment = edit->attachments; attachment != NULL; attachment = attachment->next)
	{
		if (bytes_compare(attachment->bytes + ATTACHMENT_ID_BYTES,
						  attachment->len - ATTACHMENT_ID_BYTES, start, start_len) >= 0)
			array[(*n)++] = attachment;
	}
	*n = sort_attachments(array, *n);
	return array;
}

/* ----------------------------------------------------------------
 *	Writing
 * ----------------------------------------------------------------
 *
 * In the order of the keyspaces.  All memory is the edits' own, since a slice
 * is written when it is full, not before.
 */

void
lease_write_changes(ChangeSlice *slice)
{
	LeaseEdits *edits = slice->store->lease_edits;
	int			i;

	for (i = 0; i < edits->nchanges; i++)
	{
		const ChangeEdit *edit = &edits->changes[i];
		TreeChange *change = next_change(slice);

		number_tree_key(&change->key, SPACE_LEASE_CHANGE, edit->index, edit->number);
		change->remove = false;
		change->value = edit->value;
		change->value_len = edit->value_len;
	}
}

static int
edit_cmp(const void *a, const void *b)
{
	uint64		x = (uint64) (*(LeaseEdit *const *) a)->id;
	uint64		y = (uint64) (*(LeaseEdit *const *) b)->id;

	return x < y ? -1 : x > y ? 1 : 0;
}

void
lease_write_versions(ChangeSlice *slice)
{
	LeaseEdits *edits = slice->store->lease_edits;
	MemoryContext old_context;
	LeaseEdit **array;
	LeaseEdit  *edit;
	edits_iterator iterator;
	int			n = 0;
	int			i;

	if (edits->nversions == 0)
		return;
	old_context = MemoryContextSwitchTo(edits->context);
	array = MemoryContextAllocHuge(edits->context,
								   (Size) edits->nversions * sizeof(LeaseEdit *));
	edits_start_iterate(edits->table, &iterator);
	while ((edit = edits_iterate(edits->table, &iterator)) != NULL)
	{
		if (edit->changed)
			array[n++] = edit;
	}
	Assert(n == edits->nversions);
	qsort(array, n, sizeof(LeaseEdit *), edit_cmp);

	for (i = 0; i < n; i++)
	{
		TreeChange *change = next_change(slice);
		char	   *value = palloc(LEASE_VALUE_MAX);

		lease_tree_key(&change->key, array[i]->id, array[i]->version.index);
		change->remove = false;
		change->value = value;
		change->value_len = encode_lease(value, &array[i]->version);
	}
	MemoryContextSwitchTo(old_context);
}

void
lease_write_attachments(ChangeSlice *slice)
{
	LeaseEdits *edits = slice->store->lease_edits;
	LeaseAttachment **array;
	LeaseEdit  *edit;
	edits_iterator iterator;
	int			n = 0;
	int			i;

	if (edits->nattachments == 0)
		return;
	array = MemoryContextAllocHuge(edits->context,
								   (Size) edits->nattachments * sizeof(LeaseAttachment *));
	edits_start_iterate(edits->table, &iterator);
	while ((edit = edits_iterate(edits->table, &iterator)) != NULL)
	{
		LeaseAttachment *attachment;

		for (attachment = edit->attachments; attachment != NULL; attachment = attachment->next)
			array[n++] = attachment;
	}
	Assert(n == edits->nattachments);
	n = sort_attachments(array, n);

	for (i = 0; i < n; i++)
	{
		TreeChange *change = next_change(slice);

		attachment_tree_key(&change->key, array[i]->bytes, array[i]->len);
		change->remove = false;
		change->value = "";
		change->value_len = 0;
	}
}
