/*-------------------------------------------------------------------------
 *
 * auth.c
 *	  Users, roles and the user map: the writer's copy, and its way to the tree.
 *
 * The writer keeps them all in memory, as they are after the last command, in
 * one sorted table for each keyspace; there are few of them, and each command
 * needs some.
 *
 * In the tree they are versioned, as keys are, only that the auth revision
 * takes the place of the revision: a version written by a batch has an auth revision
 * above the published one until the meta is there, and readers, which look for
 * the newest version not after the one they know, do not see it.  So a batch
 * that was cut off shows nothing, a command that is applied again finds the state
 * it found the first time, and readers see users and roles as of one moment.
 *
 * Nobody asks for old versions, so two of a name are enough: the published one
 * and, during a batch, the one that is to be.  The one before goes with the next
 * batch that changes users or roles.  The end of a user or role is a version
 * without a value; it goes when nothing is left before it.  This order matters:
 * a batch removes in one go only versions that something published has replaced
 * before.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/auth.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "store/auth.h"
#include "store/pbmem.h"

static const uint8 table_spaces[AUTH_TABLES] = {SPACE_ROLE, SPACE_USER, SPACE_USER_MAP};

/* A user or role from its item, in the current memory context */
ProtobufCMessage *
auth_unpack(const ProtobufCMessageDescriptor *descriptor, const char *data, uint32 len)
{
	ProtobufCMessage *message = pb_unpack(descriptor, data, len);

	if (message == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("damaged user or role in the key-value store")));
	return message;
}

/* Where a version lies, and where a seek finds the newest one not after it */
void
auth_tree_key(TreeKey *tree_key, uint8 space, const char *name, uint32 len,
			  uint64 auth_revision)
{
	tree_key->space = space;
	tree_key->len = (uint16) Min(len, TREE_MAX_KEY_BYTES);
	tree_key->data = name;
	tree_key->major = ~auth_revision;
	tree_key->minor = 0;
}

/* ----------------------------------------------------------------
 *	Items in memory
 * ----------------------------------------------------------------
 */

/* Where the name is, or belongs */
static int
position_of(const AuthTable *table, const char *name, uint32 len, bool *found)
{
	int			low = 0;
	int			high = table->n;

	*found = false;
	while (low < high)
	{
		int			middle = low + (high - low) / 2;
		const AuthItem *item = table->items[middle];
		int			cmp = bytes_compare(item->name, item->name_len, name, len);

		if (cmp == 0)
		{
			*found = true;
			return middle;
		}
		if (cmp < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The item of this name, if there is such a user, role or entry; else NULL */
AuthItem *
auth_find(AuthTable *table, const char *name, uint32 len)
{
	bool		found;
	int			i = position_of(table, name, len, &found);

	return found && table->items[i]->data != NULL ? table->items[i] : NULL;
}

static AuthItem *
enter_item(AuthState *auth, AuthTable *table, const char *name, uint32 len)
{
	bool		found;
	int			i = position_of(table, name, len, &found);
	AuthItem   *item;
	MemoryContext old_context;

	if (found)
		return table->items[i];

	old_context = MemoryContextSwitchTo(auth->context);
	item = palloc0(sizeof(AuthItem));
	item->name = palloc(len + 1);
	memcpy(item->name, name, len);
	item->name[len] = '\0';
	item->name_len = len;
	if (table->n == table->max)
	{
		table->max = Max(table->max * 2, 16);
		if (table->items == NULL)
			table->items = palloc(table->max * sizeof(AuthItem *));
		else
			table->items = repalloc_huge(table->items, table->max * sizeof(AuthItem *));
	}
	MemoryContextSwitchTo(old_context);

	memmove(&table->items[i + 1], &table->items[i], (table->n - i) * sizeof(AuthItem *));
	table->items[i] = item;
	table->n++;
	return item;
}

/* The item of this name, made without a value if there is none */
AuthItem *
auth_enter(Store *store, AuthTable *table, const char *name, uint32 len)
{
	return enter_item(store->auth, table, name, len);
}

static void
set_data(AuthState *auth, AuthItem *item, const char *data, uint32 len)
{
	if (item->data != NULL)
		pfree(item->data);
	item->data = NULL;
	item->len = len;
	if (data != NULL)
	{
		item->data = MemoryContextAlloc(auth->context, len + 1);
		memcpy(item->data, data, len);
		item->data[len] = '\0';
	}
}

/* Change an item with the batch; data NULL ends it */
void
auth_set(Store *store, AuthItem *item, const char *data, uint32 len)
{
	set_data(store->auth, item, data, len);
	item->dirty = true;
	store->auth->dirty = true;
	store->nchanges++;
}

/* A command has changed something: the next auth revision begins */
void
auth_revise(Store *store)
{
	store->meta->auth_revision++;
	MemoryContextReset(store->auth->permission_context);
}

/* ----------------------------------------------------------------
 *	From the tree and back
 * ----------------------------------------------------------------
 */

static void
add_removal(TreeChange *changes, int *n, const TreeKey *key)
{
	char	   *name = palloc(key->len + 1);

	memcpy(name, key->data, key->len);
	memset(&changes[*n], 0, sizeof(TreeChange));
	changes[*n].key = *key;
	changes[*n].key.data = name;
	changes[*n].remove = true;
	(*n)++;
}

/*
 * Read one keyspace.  Versions above the published auth revision are what a batch
 * has left that did not get to its meta; they are removed.
 */
static void
load_table(AuthState *auth, AuthTable *table, Relation tree, uint64 published)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "quorum auth load",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	TreeChange *removals = palloc(STORE_WRITE_SLICE * sizeof(TreeChange));
	TreeScan   *scan = tree_scan_begin(tree, TREE_MAIN);
	TreeKey		seek_key;
	TreeItem	item;
	int			n = 0;

	number_tree_key(&seek_key, table->space, 0, 0);
	tree_seek(scan, &seek_key);
	while (tree_next(scan, &item) && item.key.space == table->space)
	{
		uint64		revision = auth_item_revision(&item.key);
		AuthItem   *entry;

		if (revision > published)
		{
			add_removal(removals, &n, &item.key);
			if (n == STORE_WRITE_SLICE)
			{
				tree_apply(tree, TREE_MAIN, removals, n, NULL, 0);
				n = 0;
			}
			continue;
		}

		entry = enter_item(auth, table, item.key.data, item.key.len);
		if (entry->stored == 0)
		{
			if (item.value == NULL && !tree_scan_value(scan, &item))
				continue;
			entry->stored = revision;
			set_data(auth, entry, item.value_len > 0 ? item.value : NULL, item.value_len);
		}
		else
			entry->older = revision;
	}
	tree_scan_end(scan);
	if (n > 0)
		tree_apply(tree, TREE_MAIN, removals, n, NULL, 0);
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
}

/*
 * auth_load
 *		The state as published, in the store's memory context.  Also removes what
 *		was never published.
 */
AuthState *
auth_load(Store *store, Relation tree)
{
	AuthState  *auth = MemoryContextAllocZero(store->context, sizeof(AuthState));
	int			i;

	auth->context = AllocSetContextCreate(store->context, "quorum auth",
										  ALLOCSET_DEFAULT_SIZES);
	auth->permission_context = AllocSetContextCreate(auth->context, "quorum permissions",
													 ALLOCSET_DEFAULT_SIZES);
	for (i = 0; i < AUTH_TABLES; i++)
	{
		auth->tables[i].space = table_spaces[i];
		load_table(auth, &auth->tables[i], tree, store->meta->auth_revision);
	}
	return auth;
}

static void
write_version(ChangeSlice *slice, uint8 space, const AuthItem *item, uint64 revision,
			  bool remove)
{
	TreeChange *change = next_change(slice);

	auth_tree_key(&change->key, space, item->name, item->name_len, revision);
	change->remove = remove;
	change->value = !remove && item->data != NULL ? item->data : "";
	change->value_len = !remove && item->data != NULL ? item->len : 0;
}

/*
 * auth_write
 *		What the batch has changed in a table, in key order, newest versions first.
 *
 * In memory everything stays as it is until auth_written().
 */
void
auth_write(Store *store, int table, ChangeSlice *slice)
{
	AuthTable  *items = &store->auth->tables[table];
	int			i;

	if (!store->auth->dirty)
		return;
	for (i = 0; i < items->n; i++)
	{
		const AuthItem *item = items->items[i];

		if (item->dirty)
			write_version(slice, items->space, item, store->meta->auth_revision, false);
		if (item->older != 0)
			write_version(slice, items->space, item, item->older, true);
		else if (!item->dirty && item->data == NULL && item->stored != 0)
			write_version(slice, items->space, item, item->stored, true);
	}
}

/* The batch is written: note which versions there are now */
static void
note_written(Store *store, AuthTable *table)
{
	int			kept = 0;
	int			i;

	for (i = 0; i < table->n; i++)
	{
		AuthItem   *item = table->items[i];
		bool		gone = !item->dirty && item->data == NULL && item->older == 0;

		item->older = 0;
		if (gone)
		{
			pfree(item->name);
			pfree(item);
			continue;
		}
		if (item->dirty)
		{
			item->older = item->stored;
			item->stored = store->meta->auth_revision;
			item->dirty = false;
		}
		table->items[kept++] = item;
	}
	table->n = kept;
}

void
auth_written(Store *store)
{
	int			i;

	if (!store->auth->dirty)
		return;
	for (i = 0; i < AUTH_TABLES; i++)
		note_written(store, &store->auth->tables[i]);
	store->auth->dirty = false;
}
