/*-------------------------------------------------------------------------
 *
 * import.c
 *	  Imports of logical copies: portions out of sight, then one switch.
 *
 * The chunks of a copy come in commands, one after another, and are kept as they
 * are in a keyspace that nobody reads.  The last one, the trailer, puts in what
 * they contain, as one command: like any other it becomes visible with its batch's
 * meta, all of it or nothing, however many keys there are, since a large overlay
 * spills ahead of the meta.  So an import is never seen half done, by readers, by
 * watches, or after a crash.
 *
 * Revisions.  Nothing may be written below the published revision, where readers look.
 * So all revisions of the copy are raised by the same amount, the shift, which keeps
 * their order, and must be enough to bring the least of them above the store's.
 * With no shift the copy's revisions are kept: possible where the store has not got that
 * far, as in a new cluster.  The store is compacted at its new revision, because the
 * copy has no history: watches from before are told so, instead of seeing
 * revisions go back or changes that nobody made.
 *
 * Repeated application.  A portion is written by its number; applying the entry again
 * writes the same.  The meta says which import is under way and how many
 * portions of it count, so what a cut-off batch has left behind is overwritten or is
 * garbage.  Portions are removed when the meta says that their import is over,
 * which is behind it in the WAL: no entry that is applied again can need them.  A
 * state that is streamed to another member contains portions as they are when the
 * stream gets there; the entries behind it add the rest.
 *
 * An import that was abandoned is forgotten when the next one begins, or by a
 * command that says so.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/import.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "store/auth.h"
#include "store/copy.h"
#include "store/import.h"
#include "store/pbmem.h"

/* Beyond all that watchers of the copied cluster can have seen since, for
 * practical purposes; etcd's tools recommend the same */
#define BUMP_REVISIONS		INT64CONST(1000000000)

/* Largest portion: it is an item of the tree */
#define IMPORT_MAX_PORTION_BYTES ((size_t) 64 * 1024 * 1024)

/* Portions that one slice of garbage collection removes */
#define GARBAGE_PORTIONS	8

/* Keys between two looks at the time */
#define POLL_KEYS			256

/* A portion that the batch has still to write */
typedef struct PortionEdit
{
	uint64		copy;
	uint64		number;
	char	   *data;
	uint32		len;
} PortionEdit;

StoreError
validate_import(const Quorum__ImportRequest *request)
{
	if (request->items.len > IMPORT_MAX_PORTION_BYTES)
		return STORE_REQUEST_TOO_LARGE;
	if (request->copy == 0 || request->revision < IMPORT_BUMP ||
		request->discard != (request->items.len == 0) ||
		(request->discard && request->last) || (request->number == 0 && request->last))
		return STORE_INVALID_REQUEST;
	return STORE_OK;
}

/* ----------------------------------------------------------------
 *	Portions
 * ----------------------------------------------------------------
 */

static void
keep_portion(Store *store, const Quorum__ImportRequest *request)
{
	MemoryContext old_context = MemoryContextSwitchTo(store->edit_context);
	PortionEdit *edit = palloc(sizeof(PortionEdit));

	edit->copy = request->copy;
	edit->number = request->number;
	edit->len = (uint32) request->items.len;
	edit->data = MemoryContextAllocHuge(store->edit_context, edit->len);
	memcpy(edit->data, request->items.data, edit->len);
	store->import_edits = lappend(store->import_edits, edit);
	MemoryContextSwitchTo(old_context);
	store->nchanges++;
}

static int
edit_cmp(const ListCell *a, const ListCell *b)
{
	const PortionEdit *x = lfirst(a);
	const PortionEdit *y = lfirst(b);

	if (x->copy != y->copy)
		return x->copy < y->copy ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

/*
 * import_write
 *		Write the batch's portions; the caller resets the edit context.
 */
void
import_write(Store *store, ChangeSlice *slice)
{
	ListCell   *cell;

	list_sort(store->import_edits, edit_cmp);
	foreach(cell, store->import_edits)
	{
		const PortionEdit *edit = lfirst(cell);
		TreeChange *change = next_change(slice);

		number_tree_key(&change->key, SPACE_IMPORT, edit->copy, edit->number);
		change->remove = false;
		change->value = edit->data;
		change->value_len = edit->len;
	}
	store->import_edits = NIL;
}

/* A portion of the import under way, in the current memory context */
static Quorum__CopyChunk *
read_portion(Store *store, uint64 number)
{
	uint64		copy = store->meta->import->copy;
	Quorum__CopyChunk *chunk;
	TreeKey		tree_key;
	TreeItem	item;
	ListCell   *cell;

	foreach(cell, store->import_edits)
	{
		const PortionEdit *edit = lfirst(cell);

		if (edit->copy == copy && edit->number == number)
			return copy_unpack(edit->data, edit->len);
	}

	number_tree_key(&tree_key, SPACE_IMPORT, copy, number);
	if (!tree_lookup(store->view.tree, TREE_MAIN, &tree_key, true, &item) ||
		tree_key_compare(&item.key, &tree_key) != 0 ||
		(chunk = copy_unpack(item.value, item.value_len)) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("portion %llu of an import is missing or damaged",
						(unsigned long long) number)));
	return chunk;
}

static void
forget_import(Store *store)
{
	if (store->meta->import == NULL)
		return;
	quorum__import_state__free_unpacked(store->meta->import, &pb_allocator);
	store->meta->import = NULL;
	store->import_garbage = true;
}

static void
begin_import(Store *store, uint64 copy)
{
	MemoryContext old_context;

	forget_import(store);
	store->import_garbage = true;
	old_context = MemoryContextSwitchTo(store->context);
	store->meta->import = palloc(sizeof(Quorum__ImportState));
	quorum__import_state__init(store->meta->import);
	store->meta->import->copy = copy;
	MemoryContextSwitchTo(old_context);
}

/* Where the import under way has come to */
static void
load_state(Store *store, CopyState *state)
{
	const Quorum__ImportState *import = store->meta->import;

	memset(state, 0, offsetof(CopyState, last_key));
	state->copy = import->source;
	state->next = import->next;
	state->revision = import->revision;
	state->least_revision = import->least_revision;
	state->keys = import->keys;
	state->leases = import->leases;
	state->auth_enabled = import->auth_enabled;
	state->keys_announced = import->keys_announced;
	if (import->next > 0)
		copy_note_keys(state, read_portion(store, import->next - 1));
}

static void
save_state(Store *store, const CopyState *state)
{
	Quorum__ImportState *import = store->meta->import;

	import->source = state->copy;
	import->next = state->next;
	import->revision = state->revision;
	import->least_revision = state->least_revision;
	import->keys = state->keys;
	import->leases = state->leases;
	import->auth_enabled = state->auth_enabled;
	import->keys_announced = state->keys_announced;
}

/* ----------------------------------------------------------------
 *	The switch
 * ----------------------------------------------------------------
 */

StoreError
store_plan_import(const Quorum__StoreMeta *meta, bool occupied,
				  int64 copy_revision, int64 least_revision,
				  int64 wanted, bool replace, int64 *revision)
{
	/* the least revision that something imported can have */
	int64		least = meta->revision + 1;
	int64		shift;

	if (occupied && !replace)
		return STORE_IMPORT_NOT_EMPTY;
	if (meta->live_keys > 0)
		least++;				/* what is there goes in the one before */
	if (least_revision == 0)
		least_revision = copy_revision; /* no keys */

	if (wanted == IMPORT_KEEP)
		shift = 0;
	else if (wanted == IMPORT_BUMP)
		shift = Max(least - least_revision, 0) + BUMP_REVISIONS;
	else
		shift = wanted - copy_revision;
	if (shift < 0 || shift > PG_INT64_MAX / 4 || least_revision + shift < least)
		return STORE_IMPORT_REVISION;
	*revision = copy_revision + shift;
	return STORE_OK;
}

/* Are there users, roles or entries of the user map? */
static bool
has_auth_items(Store *store)
{
	int			table;
	int			i;

	for (table = 0; table < AUTH_TABLES; table++)
	{
		for (i = 0; i < store->auth->tables[table].n; i++)
		{
			if (store->auth->tables[table].items[i]->data != NULL)
				return true;
		}
	}
	return false;
}

static void
remove_everything(Store *store)
{
	static uint8_t all_keys[] = {0};
	Etcdserverpb__DeleteRangeRequest request = ETCDSERVERPB__DELETE_RANGE_REQUEST__INIT;
	int			table;
	int			i;

	request.key.data = request.range_end.data = all_keys;
	request.key.len = request.range_end.len = sizeof(all_keys);
	store->txn_writer.delete_range(store->txn_writer.arg, &request, NULL);

	for (table = 0; table < AUTH_TABLES; table++)
	{
		for (i = 0; i < store->auth->tables[table].n; i++)
		{
			AuthItem   *item = store->auth->tables[table].items[i];

			if (item->data != NULL)
				auth_set(store, item, NULL, 0);
		}
	}
}

static void
put_auth(Store *store, const Quorum__CopyAuth *auth)
{
	int			table = auth->kind == QUORUM__COPY_AUTH__KIND__ROLE ? AUTH_ROLES :
		auth->kind == QUORUM__COPY_AUTH__KIND__USER ? AUTH_USERS : AUTH_MAP;
	AuthItem   *item = auth_enter(store, &store->auth->tables[table],
								  (const char *) auth->name.data, (uint32) auth->name.len);

	auth_set(store, item, (const char *) auth->value.data, (uint32) auth->value.len);
}

/* A lease of this number that is there already serves as well: it is somebody's who lives */
static void
put_lease(Store *store, const Quorum__CopyLease *lease)
{
	Etcdserverpb__LeaseGrantRequest request = ETCDSERVERPB__LEASE_GRANT_REQUEST__INIT;

	request.id = lease->id;
	request.ttl = lease->ttl;
	(void) apply_lease_grant(store, &request, NULL);
}

/*
 * The number within the revision is the key's place in the copy: so no two keys have the
 * same, whatever the copy says of their revisions.
 */
static void
put_key(Store *store, const Quorum__CopyKey *key, int64 shift, int64 place)
{
	LeaseVersion lease;
	KeyVersion	version;

	memset(&version, 0, sizeof(version));
	version.key = (const char *) key->key.data;
	version.key_len = (uint32) key->key.len;
	version.value = (const char *) key->value.data;
	version.value_len = (uint32) key->value.len;
	version.revision = key->mod_revision + shift;
	version.sub = place;
	version.create_revision = key->create_revision + shift;
	version.version = key->version;
	if (key->lease != 0 && lease_find(store, key->lease, &lease))
		version.lease = key->lease;

	overlay_add(store->overlay, &version);
	store->nchanges++;
	store->meta->live_keys++;
	lease_key_changed(store, version.key, version.key_len, 0, version.lease);
}

static void
put_portions(Store *store, int64 shift)
{
	MemoryContext context = AllocSetContextCreate(store->scratch, "quorum import",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	int64		place = 0;
	uint64		number;
	size_t		i;

	for (number = 0; number < store->meta->import->next; number++)
	{
		const Quorum__CopyChunk *chunk = read_portion(store, number);

		for (i = 0; i < chunk->n_auth; i++)
			put_auth(store, chunk->auth[i]);
		for (i = 0; i < chunk->n_leases; i++)
			put_lease(store, chunk->leases[i]);
		for (i = 0; i < chunk->n_keys; i++)
		{
			put_key(store, chunk->keys[i], shift, place++);
			if (place % POLL_KEYS == 0)
				view_poll(&store->view);
		}
		store_spill_if_large(store);
		view_poll(&store->view);
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
}

static StoreError
switch_over(Store *store, const Quorum__ImportRequest *request)
{
	Quorum__StoreMeta *meta = store->meta;
	const Quorum__ImportState *import = meta->import;
	bool		has_auth = has_auth_items(store);
	bool		occupied = meta->live_keys > 0 || has_auth;
	int64		revision;
	StoreError	error;

	error = store_plan_import(meta, occupied, import->revision, import->least_revision,
							  request->revision, request->replace, &revision);
	if (error != STORE_OK)
		return error;

	if (occupied)
		remove_everything(store);
	put_portions(store, revision - import->revision);
	if (import->auth_enabled != (bool) meta->auth_enabled || has_auth || has_auth_items(store))
	{
		meta->auth_enabled = import->auth_enabled && auth_has_root(store) == STORE_OK;
		auth_revise(store);
	}

	/* the command's revision is the store's new one, even if it changes nothing */
	store->skipped = revision - meta->revision - 1;
	store->sub = Max(store->sub, 1);
	store->view.latest = revision;
	meta->compacted_revision = revision;
	forget_import(store);
	return STORE_OK;
}

/* ----------------------------------------------------------------
 *	The command
 * ----------------------------------------------------------------
 */

StoreError
apply_import(Store *store, const Quorum__ImportRequest *request)
{
	Quorum__ImportState *import = store->meta->import;
	bool		mine = import != NULL && import->copy == request->copy;
	Quorum__CopyChunk *chunk;
	CopyState	state;

	if (request->discard)
	{
		if (mine)
			forget_import(store);
		return STORE_OK;
	}
	if (request->number > 0 && (!mine || import->next != request->number))
		return STORE_IMPORT_OVERTAKEN;

	chunk = copy_unpack((const char *) request->items.data, request->items.len);
	if (chunk == NULL)
		return STORE_IMPORT_DAMAGED;
	if (request->number > 0)
		load_state(store, &state);
	else
		memset(&state, 0, sizeof(state));
	if (copy_accept(&state, chunk) != NULL || state.complete != (bool) request->last)
		return STORE_IMPORT_DAMAGED;
	if (state.complete)
		return switch_over(store, request);

	if (request->number == 0)
		begin_import(store, request->copy);
	save_state(store, &state);
	keep_portion(store, request);
	return STORE_OK;
}

/*
 * import_collect_garbage
 *		Remove some portions of imports that are over.
 *
 * Outside a batch.  True while there may be more.
 */
bool
import_collect_garbage(Store *store, Relation tree)
{
	TreeChange	removals[GARBAGE_PORTIONS];
	TreeScan   *scan;
	TreeKey		seek_key;
	TreeItem	item;
	int			n = 0;

	if (!store->import_garbage)
		return false;

	scan = tree_scan_begin(tree, TREE_MAIN);
	number_tree_key(&seek_key, SPACE_IMPORT, 0, 0);
	tree_seek(scan, &seek_key);
	while (n < GARBAGE_PORTIONS && tree_next(scan, &item) && item.key.space == SPACE_IMPORT)
	{
		if (store->meta->import != NULL && item.key.major == store->meta->import->copy)
		{
			number_tree_key(&seek_key, SPACE_IMPORT, item.key.major + 1, 0);
			if (seek_key.major == 0)
				break;
			tree_seek(scan, &seek_key);
			continue;
		}
		memset(&removals[n], 0, sizeof(TreeChange));
		number_tree_key(&removals[n].key, SPACE_IMPORT, item.key.major, item.key.minor);
		removals[n].remove = true;
		n++;
	}
	tree_scan_end(scan);

	if (n > 0)
		tree_apply(tree, TREE_MAIN, removals, n, NULL, 0);
	else
		store->import_garbage = false;
	return n > 0;
}
