/*-------------------------------------------------------------------------
 *
 * lease_keys.c
 *	  The keys that are attached to a lease.
 *
 * The attachments, those of the tree and those of the batch, say which keys may
 * be attached; the newest version of each says whether it is.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/lease_keys.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "store/store_int.h"

/* Attachments between two calls of view_poll() */
#define POLL_ATTACHMENTS	64

/* Keys that are looked at together */
#define VISIT_SLICE_KEYS	256

/* Is the key attached to the lease?  *version gets its newest version if it has one. */
bool
lease_has_key(StoreView *view, int64 id, const char *key, uint32 key_len,
			  KeyVersion *version)
{
	return view_lookup(view, key, key_len, view->latest, false, version) &&
		version->lease == id;
}

/* The next attachment to the lease in the tree; NULL at the end */
static const char *
next_in_tree(TreeScan *scan, int64 id, uint32 *key_len)
{
	TreeItem	item;
	int64		found_id;
	const char *key;

	if (!tree_next(scan, &item) ||
		!decode_attachment_key(&item.key, &found_id, &key, key_len) || found_id != id)
		return NULL;
	return key;
}

int
lease_collect_keys(StoreView *view, LeaseEdits *edits, int64 id,
				   const char *start, uint32 start_len, AttachedKey *keys, int max)
{
	MemoryContext lookup_context;
	MemoryContext old_context;
	LeaseAttachment **batch = NULL;
	int			nbatch = 0;
	int			batch_position = 0;
	TreeScan   *scan;
	TreeKey		seek_key;
	char	   *seek_bytes;
	const char *tree_key;
	uint32		tree_key_len = 0;
	int			examined = 0;
	int			n = 0;

	if (edits != NULL)
		batch = lease_edits_attachments(edits, id, start, start_len, &nbatch);
	seek_bytes = palloc(ATTACHMENT_ID_BYTES + start_len);
	attachment_tree_key(&seek_key, seek_bytes,
						encode_attachment_bytes(seek_bytes, id, start, start_len));
	scan = tree_scan_begin(view->tree, TREE_MAIN);
	tree_seek(scan, &seek_key);
	tree_key = next_in_tree(scan, id, &tree_key_len);
	lookup_context = AllocSetContextCreate(CurrentMemoryContext, "quorum attachments",
										   ALLOCSET_SMALL_SIZES);

	while (n < max && (tree_key != NULL || batch_position < nbatch))
	{
		const char *batch_key = NULL;
		uint32		batch_key_len = 0;
		int			cmp;
		AttachedKey *next = &keys[n];
		KeyVersion	version;
		bool		attached;

		if (batch_position < nbatch)
		{
			batch_key = batch[batch_position]->bytes + ATTACHMENT_ID_BYTES;
			batch_key_len = batch[batch_position]->len - ATTACHMENT_ID_BYTES;
		}
		if (tree_key == NULL)
			cmp = 1;
		else if (batch_key == NULL)
			cmp = -1;
		else
			cmp = bytes_compare(tree_key, tree_key_len, batch_key, batch_key_len);

		next->key_len = cmp <= 0 ? tree_key_len : batch_key_len;
		next->key = palloc(next->key_len);
		memcpy(next->key, cmp <= 0 ? tree_key : batch_key, next->key_len);
		if (cmp <= 0)
			tree_key = next_in_tree(scan, id, &tree_key_len);
		if (cmp >= 0)
			batch_position++;

		old_context = MemoryContextSwitchTo(lookup_context);
		attached = lease_has_key(view, id, next->key, next->key_len, &version);
		MemoryContextSwitchTo(old_context);
		MemoryContextReset(lookup_context);
		if (attached)
		{
			next->create_revision = version.create_revision;
			n++;
		}
		else
			pfree(next->key);
		if (++examined % POLL_ATTACHMENTS == 0)
			view_poll(view);
	}

	MemoryContextDelete(lookup_context);
	tree_scan_end(scan);
	pfree(seek_bytes);
	if (batch != NULL)
		pfree(batch);
	return n;
}

void
lease_visit_keys(Store *store, int64 id, StoreKeyVisit visit, void *arg)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "quorum lease keys",
												  ALLOCSET_DEFAULT_SIZES);
	char	   *start = palloc(STORE_MAX_KEY_BYTES + 1);
	uint32		start_len = 0;
	bool		go_on = true;
	int			n;

	do
	{
		MemoryContext old_context = MemoryContextSwitchTo(context);
		AttachedKey *keys = palloc(VISIT_SLICE_KEYS * sizeof(AttachedKey));
		int			i;

		n = lease_collect_keys(&store->view, store->lease_edits, id, start, start_len,
							   keys, VISIT_SLICE_KEYS);
		MemoryContextSwitchTo(old_context);
		for (i = 0; go_on && i < n; i++)
			go_on = visit(keys[i].key, keys[i].key_len, arg);
		if (n > 0)
		{
			memcpy(start, keys[n - 1].key, keys[n - 1].key_len);
			start[keys[n - 1].key_len] = '\0';
			start_len = keys[n - 1].key_len + 1;
		}
		MemoryContextReset(context);
	} while (go_on && n == VISIT_SLICE_KEYS);

	MemoryContextDelete(context);
	pfree(start);
}
