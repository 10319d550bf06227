/*-------------------------------------------------------------------------
 *
 * lease_read.c
 *	  Leases as readers see them, in any process.
 *
 * A reader takes of each lease the newest version that is published.  What is
 * superseded may be removed as soon as that is published; so when a reader
 * meets a version above the applied index it knows, it looks whether the index
 * has moved, and it remembers one that is not published yet: if nothing older is
 * found behind it, the older one may have been removed, and then this one has been
 * published meanwhile.  So a lease that exists is never missed, and each is seen
 * as it was at some moment of the read.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/lease_read.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "store/read.h"
#include "store/store_int.h"

/* Keys of a lease that are looked at together */
#define READ_SLICE_KEYS		256

typedef struct LeaseReader
{
	Relation	tree;
	TreeScan   *scan;
	uint64		applied;		/* the applied index, when last looked at */
	bool		pending;		/* next holds a version to go on with */
	LeaseVersion next;
} LeaseReader;

static bool
is_published(LeaseReader *reader, uint64 index)
{
	if (index > reader->applied)
	{
		MetaHead	head;

		read_head(reader->tree, &head);
		reader->applied = head.applied_index;
	}
	return index <= reader->applied;
}

/* Begin at the first lease not before id */
static void
begin_reader(LeaseReader *reader, Relation tree, int64 id)
{
	TreeKey		seek_key;

	memset(reader, 0, sizeof(*reader));
	reader->tree = tree;
	(void) is_published(reader, PG_UINT64_MAX);
	reader->scan = tree_scan_begin(tree, TREE_MAIN);
	lease_tree_key(&seek_key, id, PG_UINT64_MAX);
	tree_seek(reader->scan, &seek_key);
}

/* The next version in the tree; false at the end */
static bool
next_version(LeaseReader *reader, LeaseVersion *version)
{
	TreeItem	item;

	if (reader->pending)
	{
		reader->pending = false;
		*version = reader->next;
		return true;
	}
	CHECK_FOR_INTERRUPTS();
	if (!tree_next(reader->scan, &item) || item.key.space != SPACE_LEASE)
		return false;
	decode_lease(&item, version);
	return true;
}

/*
 * The next lease that exists or has existed; false at the end.  Revoked leases
 * come too.
 */
static bool
next_lease(LeaseReader *reader, LeaseVersion *lease)
{
	LeaseVersion version;
	LeaseVersion unpublished;
	bool		any_unpublished = false;
	bool		any = false;

	memset(&unpublished, 0, sizeof(unpublished));
	while (next_version(reader, &version))
	{
		if ((any && version.id != lease->id) ||
			(any_unpublished && version.id != unpublished.id))
		{
			/* the first version of the next lease: for the next call */
			reader->next = version;
			reader->pending = true;
			if (any || is_published(reader, unpublished.index))
				break;
			any_unpublished = false;
			continue;
		}
		if (any)
			continue;			/* superseded */
		if (is_published(reader, version.index))
		{
			*lease = version;
			any = true;
		}
		else
		{
			unpublished = version;
			any_unpublished = true;
		}
	}

	if (!any && any_unpublished && is_published(reader, unpublished.index))
	{
		*lease = unpublished;
		any = true;
	}
	return any;
}

static void
end_reader(LeaseReader *reader)
{
	tree_scan_end(reader->scan);
}

static void
set_store_lease(StoreLease *lease, const LeaseVersion *version)
{
	lease->id = version->id;
	lease->ttl = version->ttl;
	lease->remaining = version->remaining;
}

bool
store_get_lease(Relation tree, int64 id, StoreLease *lease)
{
	LeaseReader reader;
	LeaseVersion version;
	bool		found;

	begin_reader(&reader, tree, id);
	found = next_lease(&reader, &version) && version.id == id && !version.revoked;
	end_reader(&reader);
	if (found)
		set_store_lease(lease, &version);
	return found;
}

void
store_scan_leases(Relation tree, int64 after_id, StoreLeaseVisit visit, void *arg)
{
	LeaseReader reader;
	LeaseVersion version;

	begin_reader(&reader, tree, (int64) ((uint64) after_id + 1));
	while (next_lease(&reader, &version))
	{
		StoreLease	lease;

		if (version.revoked)
			continue;
		set_store_lease(&lease, &version);
		if (!visit(&lease, arg))
			break;
	}
	end_reader(&reader);
}

/*
 * The keys are looked at in their newest published version, some of them at a
 * time.  A compaction may remove that version only after a newer one has come;
 * then these keys are looked at again.
 */
StoreError
store_lease_keys(Relation tree, const StoreCaller *caller, int64 id,
				 StoreKeyVisit visit, void *arg)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "quorum lease keys",
												  ALLOCSET_DEFAULT_SIZES);
	char	   *start = palloc(STORE_MAX_KEY_BYTES + 1);
	uint32		start_len = 0;
	StoreError	error = STORE_OK;
	bool		go_on = true;
	int			n;

	do
	{
		MemoryContext old_context;
		StorePermissions *permissions;
		AttachedKey *keys;
		StoreView	view;
		int64		compacted;
		int			i;

		CHECK_FOR_INTERRUPTS();
		old_context = MemoryContextSwitchTo(context);
		keys = palloc(READ_SLICE_KEYS * sizeof(AttachedKey));
		do
		{
			read_view(&view, tree);
			n = lease_collect_keys(&view, NULL, id, start, start_len, keys, READ_SLICE_KEYS);
		} while (read_overtaken(tree, view.latest, &compacted));
		error = store_permissions(tree, caller, &permissions);
		MemoryContextSwitchTo(old_context);

		for (i = 0; go_on && error == STORE_OK && i < n; i++)
		{
			if (!store_permits(permissions, STORE_READ, keys[i].key, keys[i].key_len, NULL, 0))
				error = STORE_PERMISSION_DENIED;
			else
				go_on = visit(keys[i].key, keys[i].key_len, arg);
		}
		if (n > 0)
		{
			/* on behind the last key */
			memcpy(start, keys[n - 1].key, keys[n - 1].key_len);
			start[keys[n - 1].key_len] = '\0';
			start_len = keys[n - 1].key_len + 1;
		}
		MemoryContextReset(context);
	} while (go_on && error == STORE_OK && n == READ_SLICE_KEYS);

	MemoryContextDelete(context);
	pfree(start);
	return error;
}
