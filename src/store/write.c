/*-------------------------------------------------------------------------
 *
 * write.c
 *	  Writing a batch to the tree, and removing what was never published.
 *
 * The order of the writes is what makes a crash harmless.  A batch goes out in
 * key order: changes of leases and index items first, then versions of keys and
 * of leases, then members, roles, attachments and users, and with the last
 * record, or after it, the meta.  Until the meta is there, everything has a
 * revision, log index or auth revision above the published one, which no reader
 * looks at.  A batch
 * that was cut off leaves some index items and some of their versions, never a
 * version without its index item; so all of it is found through the index, and
 * removed in the opposite order: versions first, then the index items.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/write.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "store/auth.h"
#include "store/import.h"

/* Write the changes collected, with the meta if it is given */
static void
flush_slice(ChangeSlice *slice, const char *meta, uint32 meta_len)
{
	XLogRecPtr	lsn;

	if (slice->n == 0 && meta == NULL)
		return;
	lsn = tree_apply(slice->store->view.tree, TREE_MAIN, slice->changes, slice->n,
					 meta, meta_len);
	if (!XLogRecPtrIsInvalid(lsn))
		slice->lsn = lsn;
	slice->n = 0;
}

/* Where the next change of a batch goes */
TreeChange *
next_change(ChangeSlice *slice)
{
	if (slice->n == STORE_WRITE_SLICE)
	{
		flush_slice(slice, NULL, 0);
		view_poll(&slice->store->view);
	}
	return &slice->changes[slice->n++];
}

/*
 * store_write
 *		Write the overlay to the tree and empty it; with finish also the
 *		members and the meta.
 *
 * Works in the current memory context, which the caller resets.
 */
XLogRecPtr
store_write(Store *store, bool finish)
{
	Overlay    *overlay = store->overlay;
	ChangeSlice slice;
	TreeChange *change;
	ListCell   *cell;
	int			i;

	slice.store = store;
	slice.changes = palloc(STORE_WRITE_SLICE * sizeof(TreeChange));
	slice.n = 0;
	slice.lsn = InvalidXLogRecPtr;

	lease_write_changes(&slice);
	overlay_sort_versions(overlay);
	for (i = 0; i < overlay->nversions; i++)
	{
		const OverlayVersion *version = overlay->versions[i];

		change = next_change(&slice);
		number_tree_key(&change->key, SPACE_REVISION, version->version.revision,
						version->version.sub);
		change->remove = false;
		change->value = version->index_value;
		change->value_len = version->index_value_len;
	}

	overlay_sort(overlay);
	for (i = 0; i < overlay->nkeys; i++)
	{
		const OverlayVersion *version;

		for (version = overlay->keys[i]->newest; version != NULL; version = version->older)
		{
			change = next_change(&slice);
			version_tree_key(&change->key, version->version.key, version->version.key_len,
							 version->version.revision, version->version.sub);
			change->remove = false;
			change->value = version->tree_value;
			change->value_len = version->tree_value_len;
		}
	}

	lease_write_versions(&slice);
	if (finish)
	{
		foreach(cell, store->member_edits)
		{
			const MemberEdit *edit = lfirst(cell);

			change = next_change(&slice);
			number_tree_key(&change->key, SPACE_MEMBER, edit->id, 0);
			change->remove = false;
			change->value = edit->data;
			change->value_len = edit->len;
		}
		import_write(store, &slice);
		auth_write(store, AUTH_ROLES, &slice);
	}
	lease_write_attachments(&slice);

	if (finish)
	{
		char		meta[TREE_MAX_META_BYTES];

		auth_write(store, AUTH_USERS, &slice);
		auth_write(store, AUTH_MAP, &slice);
		flush_slice(&slice, meta, meta_encode(store->meta, meta));
		auth_written(store);
		store->member_edits = NIL;
		MemoryContextReset(store->edit_context);
	}
	else
		flush_slice(&slice, NULL, 0);

	overlay_reset(overlay);
	lease_edits_reset(store->lease_edits);
	pfree(slice.changes);
	return slice.lsn;
}

static int
change_cmp(const void *a, const void *b)
{
	return tree_key_compare(&((const TreeChange *) a)->key,
							&((const TreeChange *) b)->key);
}

/* Put changes that remove items in order, and drop repeated ones */
int
sort_removals(TreeChange *changes, int n)
{
	int			unique = 0;
	int			i;

	if (n == 0)
		return 0;
	qsort(changes, n, sizeof(TreeChange), change_cmp);
	for (i = 1; i < n; i++)
	{
		if (change_cmp(&changes[unique], &changes[i]) != 0)
			changes[++unique] = changes[i];
	}
	return unique + 1;
}

/* Carry out sorted removals, in slices */
void
remove_items(StoreView *view, const TreeChange *changes, int n)
{
	int			done;

	for (done = 0; done < n; done += STORE_WRITE_SLICE)
	{
		tree_apply(view->tree, TREE_MAIN, changes + done, Min(n - done, STORE_WRITE_SLICE),
				   NULL, 0);
		view_poll(view);
	}
}

/*
 * store_purge_unpublished
 *		Remove what lies above the published revision.
 *
 * Applying the log again would write most of it again just so, but not if the
 * entries behind the applied index are to be others, as after the founding of a
 * new cluster from this member's data.
 */
void
store_purge_unpublished(Store *store, Relation tree)
{
	StoreView	view;
	MemoryContext context;
	MemoryContext old_context;
	int			n;

	memset(&view, 0, sizeof(view));
	view.tree = tree;
	context = AllocSetContextCreate(CurrentMemoryContext, "quorum purge",
									ALLOCSET_DEFAULT_SIZES);
	old_context = MemoryContextSwitchTo(context);

	do
	{
		TreeScan   *scan = tree_scan_begin(tree, TREE_MAIN);
		TreeChange *versions = palloc(STORE_WRITE_SLICE * sizeof(TreeChange));
		TreeChange *indexes = palloc(STORE_WRITE_SLICE * sizeof(TreeChange));
		TreeKey		seek_key;
		TreeItem	item;

		number_tree_key(&seek_key, SPACE_REVISION, store->meta->revision + 1, 0);
		tree_seek(scan, &seek_key);
		n = 0;
		while (n < STORE_WRITE_SLICE && tree_next(scan, &item) &&
			   item.key.space == SPACE_REVISION)
		{
			KeyVersion	version;
			char	   *key;

			if (item.value == NULL && !tree_scan_value(scan, &item))
				break;
			decode_index(&item, &version);
			key = palloc(version.key_len);
			memcpy(key, version.key, version.key_len);
			memset(&versions[n], 0, sizeof(TreeChange));
			version_tree_key(&versions[n].key, key, version.key_len,
							 version.revision, version.sub);
			versions[n].remove = true;
			memset(&indexes[n], 0, sizeof(TreeChange));
			number_tree_key(&indexes[n].key, SPACE_REVISION, version.revision, version.sub);
			indexes[n].remove = true;
			n++;
		}
		tree_scan_end(scan);

		remove_items(&view, versions, sort_removals(versions, n));
		remove_items(&view, indexes, n);
		MemoryContextReset(context);
	} while (n > 0);

	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
}
