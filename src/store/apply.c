/*-------------------------------------------------------------------------
 *
 * apply.c
 *	  Application of log entries to the state machine.
 *
 * A command's effects go to the overlay of the batch and are seen from there by
 * the commands behind it; store_commit() writes them to the tree together with
 * the meta that makes them visible.  A batch that grows large, by one command
 * that deletes a million keys for instance, spills: its versions are written
 * ahead of the meta, where nobody looks for them, since they are above the
 * published revision.  If the batch never gets to its meta, store_open() removes
 * them again.
 *
 * A command is checked completely before it changes anything, so a refused one
 * leaves no trace and takes no revision.
 *
 * Revisions are etcd's: a command that changes anything makes one main revision;
 * its changes are numbered from 0 within it.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/apply.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "store/counter.h"
#include "store/alarms.h"
#include "store/auth.h"
#include "store/import.h"
#include "store/pbmem.h"
#include "store/store_int.h"

/* Keys, and bytes of keys and values, that a range delete takes at a time */
#define DELETE_SLICE_KEYS	512
#define DELETE_SLICE_BYTES	(4 * 1024 * 1024)

/* The overlay's size from which on it is written to the tree */
int			store_spill_versions = 8192;
#define SPILL_BYTES			(32 * 1024 * 1024)

static StoreError txn_check_put(void *arg, const Etcdserverpb__PutRequest *request);
static void txn_put(void *arg, const Etcdserverpb__PutRequest *request,
					Etcdserverpb__PutResponse *response);
static void txn_delete_range(void *arg, const Etcdserverpb__DeleteRangeRequest *request,
							 Etcdserverpb__DeleteRangeResponse *response);

/* ----------------------------------------------------------------
 *	Making, opening and closing a store
 * ----------------------------------------------------------------
 */

/*
 * store_format
 *		Make an empty store.
 *
 * The relation is new, or an earlier attempt ended in the middle: until the meta
 * is there the store does not exist (store_is_formatted()).
 */
void
store_format(Relation tree, uint64 index, uint64 term,
			 const Quorum__Configuration *configuration,
			 Quorum__Member *const *members, int nmembers)
{
	Quorum__StoreMeta meta = QUORUM__STORE_META__INIT;
	char		buffer[TREE_MAX_META_BYTES];
	TreeChange *changes = palloc0(Max(nmembers, 1) * sizeof(TreeChange));
	int			n = 0;
	int			i;

	if (store_is_formatted(tree))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the key-value store is already initialized")));
	if (!tree_is_formatted(tree))
		tree_format(tree, NULL, 0);

	for (i = 0; i < nmembers; i++)
	{
		size_t		len;
		int			at = n;

		/* in the order of the ids */
		while (at > 0 && changes[at - 1].key.major >= members[i]->id)
			at--;
		if (at < n && changes[at].key.major == members[i]->id)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("two members have the same identifier")));
		memmove(&changes[at + 1], &changes[at], (n - at) * sizeof(TreeChange));
		number_tree_key(&changes[at].key, SPACE_MEMBER, members[i]->id, 0);
		changes[at].remove = false;
		changes[at].value = pb_pack(&members[i]->base, &len);
		changes[at].value_len = len;
		n++;
	}

	meta.format = STORE_FORMAT;
	meta.applied_index = index;
	meta.applied_term = term;
	meta.revision = 1;
	meta.compacted_revision = -1;
	meta.compact_done_revision = -1;
	meta.auth_revision = 1;
	meta.configuration = (Quorum__Configuration *) configuration;
	meta.configuration_index = index;
	tree_apply(tree, TREE_MAIN, changes, n, buffer, meta_encode(&meta, buffer));
	pfree(changes);
}

/* Is there a store in the relation? */
bool
store_is_formatted(Relation tree)
{
	char		buffer[TREE_MAX_META_BYTES];

	return tree_is_formatted(tree) && tree_read_meta(tree, buffer, sizeof(buffer)) > 0;
}

/*
 * store_open
 *		The writer's state, in a memory context below the current one.
 *
 * Removes what a batch that did not get to its end has left in the tree.
 */
Store *
store_open(Relation tree)
{
	MemoryContext context;
	MemoryContext old_context;
	Store	   *store;
	char		buffer[TREE_MAX_META_BYTES];
	uint32		len;

	context = AllocSetContextCreate(CurrentMemoryContext, "quorum store",
									ALLOCSET_DEFAULT_SIZES);
	old_context = MemoryContextSwitchTo(context);

	store = palloc0(sizeof(Store));
	store->context = context;
	store->scratch = AllocSetContextCreate(context, "quorum command",
										   0, 64 * 1024, ALLOCSET_DEFAULT_MAXSIZE);
	store->edit_context = AllocSetContextCreate(context, "quorum members",
												ALLOCSET_SMALL_SIZES);
	store->overlay = overlay_create();
	store->lease_edits = lease_edits_create();
	store->lease_garbage = true;
	store->import_garbage = true;
	store->txn_writer.check_put = txn_check_put;
	store->txn_writer.put = txn_put;
	store->txn_writer.delete_range = txn_delete_range;
	store->txn_writer.arg = store;

	len = tree_read_meta(tree, buffer, sizeof(buffer));
	store->meta = meta_decode(buffer, len);
	MemoryContextSwitchTo(store->scratch);
	store_purge_unpublished(store, tree);
	lease_purge_unpublished(store, tree);
	store->auth = auth_load(store, tree);

	MemoryContextSwitchTo(old_context);
	MemoryContextReset(store->scratch);
	return store;
}

void
store_close(Store *store)
{
	MemoryContextDelete(store->context);
}

void
store_on_delete(Store *store, StoreKeyGone gone, void *arg)
{
	store->key_gone = gone;
	store->key_gone_arg = arg;
}

/* The state as of the last applied entry; valid until the next call on the store */
const Quorum__StoreMeta *
store_meta(Store *store)
{
	return store->meta;
}

/* ----------------------------------------------------------------
 *	Puts and deletes
 * ----------------------------------------------------------------
 */

static bool
lease_exists(Store *store, int64 lease)
{
	LeaseVersion version;

	return lease_find(store, lease, &version);
}

/*
 * Add a version to the batch as the next change of the command at hand.  A
 * tombstone comes with the create revision of the key that goes, to be told, and
 * is stored without.
 */
void
store_add_version(Store *store, KeyVersion *version)
{
	if (version->tombstone)
	{
		if (store->key_gone != NULL)
			store->key_gone(version->key, version->key_len, version->create_revision,
							store->key_gone_arg);
		version->create_revision = 0;
	}
	version->revision = store_next_revision(store);
	version->sub = store->sub++;
	overlay_add(store->overlay, version);
	store->nchanges++;
	store->view.latest = version->revision;
}

void
store_spill_if_large(Store *store)
{
	if (store->overlay->nversions >= store_spill_versions ||
		store->overlay->bytes >= SPILL_BYTES ||
		lease_edits_count(store->lease_edits) >= store_spill_versions)
		store_write(store, false);
}

/*
 * Look at what a put needs to know: whether its lease exists, and the key's
 * present version.
 */
static StoreError
prepare_put(Store *store, const Etcdserverpb__PutRequest *request, bool want_value,
			bool *exists, KeyVersion *previous)
{
	if (request->lease != 0 && !lease_exists(store, request->lease))
		return STORE_LEASE_NOT_FOUND;

	*exists = view_lookup(&store->view, (const char *) request->key.data, request->key.len,
						  store->view.latest, want_value, previous);
	if (!*exists && (request->ignore_value || request->ignore_lease))
		return STORE_KEY_NOT_FOUND;
	return STORE_OK;
}

static void
do_put(Store *store, const Etcdserverpb__PutRequest *request, bool exists,
	   const KeyVersion *previous, Etcdserverpb__PutResponse *response)
{
	KeyVersion	version;

	version.key = (const char *) request->key.data;
	version.key_len = request->key.len;
	version.tombstone = false;
	version.create_revision = exists ? previous->create_revision : store_next_revision(store);
	version.version = exists ? previous->version + 1 : 1;
	version.lease = request->ignore_lease ? previous->lease : request->lease;
	if (request->ignore_value)
	{
		version.value = previous->value;
		version.value_len = previous->value_len;
	}
	else
	{
		version.value = (const char *) request->value.data;
		version.value_len = request->value.len;
	}

	store_add_version(store, &version);
	lease_key_changed(store, version.key, version.key_len,
					  exists ? previous->lease : 0, version.lease);
	if (!exists)
		store->meta->live_keys++;

	if (response != NULL)
	{
		response->header = make_header(store->result_context, store->view.latest);
		if (request->prev_kv && exists)
			response->prev_kv = copy_version(store->result_context, previous);
	}
}

/* Keep a deleted pair for the response */
static void
add_prev_kv(Etcdserverpb__DeleteRangeResponse *response, size_t *max,
			MemoryContext result_context, const KeyVersion *version)
{
	if (response->n_prev_kvs == *max)
	{
		*max = Max(*max * 2, 8);
		if (response->prev_kvs == NULL)
			response->prev_kvs = MemoryContextAlloc(result_context,
													*max * sizeof(Mvccpb__KeyValue *));
		else
			response->prev_kvs = repalloc_huge(response->prev_kvs,
											   *max * sizeof(Mvccpb__KeyValue *));
	}
	response->prev_kvs[response->n_prev_kvs++] = copy_version(result_context, version);
}

/*
 * Delete a range: find some keys, then add their tombstones, and go on behind
 * the last of them, so that neither the memory nor the time between two polls
 * depends on the size of the range.
 */
static void
do_delete_range(Store *store, const Etcdserverpb__DeleteRangeRequest *request,
				Etcdserverpb__DeleteRangeResponse *response)
{
	bool		want_prev = response != NULL && request->prev_kv;
	MemoryContext slice_context;
	MemoryContext old_context;
	KeyRange	range;
	KeyVersion *keys;
	int64	   *leases;
	char	   *start;
	size_t		max_prev = 0;
	int64		deleted = 0;
	int			n;

	key_range_set(&range, (const char *) request->key.data, request->key.len,
				  (const char *) request->range_end.data, request->range_end.len);
	slice_context = AllocSetContextCreate(store->scratch, "quorum delete",
										  ALLOCSET_DEFAULT_SIZES);
	keys = palloc(DELETE_SLICE_KEYS * sizeof(KeyVersion));
	leases = palloc(DELETE_SLICE_KEYS * sizeof(int64));
	start = palloc(STORE_MAX_KEY_BYTES + 1);

	do
	{
		ViewScan   *scan;
		KeyVersion	version;
		Size		bytes = 0;
		int			i;

		old_context = MemoryContextSwitchTo(slice_context);
		n = 0;
		scan = view_scan_begin(&store->view, &range, store->view.latest);
		while (n < DELETE_SLICE_KEYS && bytes < DELETE_SLICE_BYTES &&
			   view_scan_next(scan, want_prev, &version))
		{
			char	   *key = palloc(version.key_len);

			if (want_prev)
				add_prev_kv(response, &max_prev, store->result_context, &version);
			memset(&keys[n], 0, sizeof(KeyVersion));
			keys[n].key = memcpy(key, version.key, version.key_len);
			keys[n].key_len = version.key_len;
			keys[n].tombstone = true;
			keys[n].create_revision = version.create_revision;
			leases[n] = version.lease;
			bytes += version.key_len + version.value_len;
			n++;
		}
		view_scan_end(scan);
		MemoryContextSwitchTo(old_context);

		for (i = 0; i < n; i++)
		{
			store_add_version(store, &keys[i]);
			lease_key_changed(store, keys[i].key, keys[i].key_len, leases[i], 0);
		}
		deleted += n;
		if (n == 0 || range.kind == KEY_RANGE_POINT)
			break;

		/* on behind the last key */
		memcpy(start, keys[n - 1].key, keys[n - 1].key_len);
		start[keys[n - 1].key_len] = '\0';
		range.start = start;
		range.start_len = keys[n - 1].key_len + 1;
		MemoryContextReset(slice_context);
		store_spill_if_large(store);
		view_poll(&store->view);
	} while (n > 0);

	MemoryContextDelete(slice_context);
	store->meta->live_keys -= deleted;
	if (response != NULL)
	{
		response->header = make_header(store->result_context, store->view.latest);
		response->deleted = deleted;
	}
}

/* ----------------------------------------------------------------
 *	Operations of a transaction
 * ----------------------------------------------------------------
 */

/*
 * In a transaction, unlike alone, the key is looked at before the lease (etcd).
 */
static StoreError
txn_check_put(void *arg, const Etcdserverpb__PutRequest *request)
{
	Store	   *store = arg;
	KeyVersion	previous;

	if ((request->ignore_value || request->ignore_lease) &&
		!view_lookup(&store->view, (const char *) request->key.data, request->key.len,
					 store->view.latest, false, &previous))
		return STORE_KEY_NOT_FOUND;
	if (request->lease != 0 && !lease_exists(store, request->lease))
		return STORE_LEASE_NOT_FOUND;
	return STORE_OK;
}

static void
txn_put(void *arg, const Etcdserverpb__PutRequest *request,
		Etcdserverpb__PutResponse *response)
{
	Store	   *store = arg;
	bool		want_value = request->ignore_value || (response != NULL && request->prev_kv);
	bool		exists;
	KeyVersion	previous;

	exists = view_lookup(&store->view, (const char *) request->key.data, request->key.len,
						 store->view.latest, want_value, &previous);
	Assert(exists || (!request->ignore_value && !request->ignore_lease));
	do_put(store, request, exists, &previous, response);
}

static void
txn_delete_range(void *arg, const Etcdserverpb__DeleteRangeRequest *request,
				 Etcdserverpb__DeleteRangeResponse *response)
{
	do_delete_range((Store *) arg, request, response);
}

/* ----------------------------------------------------------------
 *	Commands
 * ----------------------------------------------------------------
 */

static StoreError
apply_put(Store *store, const Etcdserverpb__PutRequest *request, Quorum__Result *result)
{
	Etcdserverpb__PutResponse *response = NULL;
	bool		want_value = request->ignore_value || (result != NULL && request->prev_kv);
	bool		exists;
	KeyVersion	previous;
	StoreError	error;

	error = prepare_put(store, request, want_value, &exists, &previous);
	if (error != STORE_OK)
		return error;

	if (result != NULL)
	{
		response = MemoryContextAlloc(store->result_context, sizeof(*response));
		etcdserverpb__put_response__init(response);
		result->response_case = QUORUM__RESULT__RESPONSE_PUT;
		result->put = response;
	}
	do_put(store, request, exists, &previous, response);
	return STORE_OK;
}

static StoreError
apply_delete_range(Store *store, const Etcdserverpb__DeleteRangeRequest *request,
				   Quorum__Result *result)
{
	Etcdserverpb__DeleteRangeResponse *response = NULL;

	if (result != NULL)
	{
		response = MemoryContextAlloc(store->result_context, sizeof(*response));
		etcdserverpb__delete_range_response__init(response);
		result->response_case = QUORUM__RESULT__RESPONSE_DELETE_RANGE;
		result->delete_range = response;
	}
	do_delete_range(store, request, response);
	return STORE_OK;
}

static StoreError
apply_txn(Store *store, const Etcdserverpb__TxnRequest *request, Quorum__Result *result)
{
	Etcdserverpb__TxnResponse *response = NULL;
	StoreError	error;

	if (result != NULL)
	{
		response = MemoryContextAlloc(store->result_context, sizeof(*response));
		etcdserverpb__txn_response__init(response);
	}
	error = txn_run(&store->view, &store->txn_writer, request,
					store->result_context, response);
	if (error == STORE_OK && response != NULL)
	{
		response->header = make_header(store->result_context, store->view.latest);
		result->response_case = QUORUM__RESULT__RESPONSE_TXN;
		result->txn = response;
	}
	return error;
}

/*
 * Compaction takes effect for readers with the batch; the versions are removed
 * by store_compact_slice() in its own time.
 */
static StoreError
apply_compaction(Store *store, const Etcdserverpb__CompactionRequest *request,
				 Quorum__Result *result)
{
	if (request->revision <= store->meta->compacted_revision)
		return STORE_COMPACTED;
	if (request->revision > store->meta->revision)
		return STORE_FUTURE_REVISION;
	store->meta->compacted_revision = request->revision;

	if (result != NULL)
	{
		Etcdserverpb__CompactionResponse *response;

		response = MemoryContextAlloc(store->result_context, sizeof(*response));
		etcdserverpb__compaction_response__init(response);
		response->header = make_header(store->result_context, store->meta->revision);
		result->response_case = QUORUM__RESULT__RESPONSE_COMPACTION;
		result->compaction = response;
	}
	return STORE_OK;
}

/* Members' addresses; what changes the consensus is a configuration entry */
static StoreError
apply_member_change(Store *store, const Quorum__MemberChange *change)
{
	size_t		i;

	if (change->n_steps > 0)
		return STORE_INVALID_REQUEST;
	for (i = 0; i < change->n_record; i++)
		store_record_member(store, change->record[i]);
	return STORE_OK;
}

/* Does the transaction contain an operation that this version does not know? */
static bool
has_unknown_op(const Etcdserverpb__TxnRequest *txn, int depth)
{
	size_t		i;
	int			branch;

	if (depth > STORE_MAX_TXN_DEPTH)
		return false;
	for (branch = 0; branch < 2; branch++)
	{
		Etcdserverpb__RequestOp *const *ops = branch == 0 ? txn->success : txn->failure;
		size_t		nops = branch == 0 ? txn->n_success : txn->n_failure;

		for (i = 0; i < nops; i++)
		{
			if (ops[i]->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST__NOT_SET &&
				ops[i]->base.n_unknown_fields > 0)
				return true;
			if (ops[i]->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN &&
				has_unknown_op(ops[i]->request_txn, depth + 1))
				return true;
		}
	}
	return false;
}

/*
 * A command of a kind that a later version has made must not be skipped: the
 * member would differ from the others from then on.
 */
static void
refuse_unknown_command(const Quorum__Command *command, uint64 index)
{
	bool		unknown = false;

	if (command->op_case == QUORUM__COMMAND__OP__NOT_SET)
		unknown = command->base.n_unknown_fields > 0;
	else if (command->op_case == QUORUM__COMMAND__OP_TXN)
		unknown = has_unknown_op(command->txn, 1);

	if (unknown)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("log entry %llu holds a command that this version of pg_quorum does not know",
						(unsigned long long) index),
				 errhint("Update pg_quorum on this instance to the version of the other members.")));
}

static StoreError
apply_command(Store *store, uint64 index, const Quorum__Command *command,
			  Quorum__Result *result)
{
	StoreError	error = store_validate(command, 0, 0);

	if (error != STORE_OK)
	{
		refuse_unknown_command(command, index);
		return error;
	}
	error = auth_permit(store, command);
	if (error != STORE_OK)
		return error;
	error = alarms_forbid(store->meta, command);
	if (error != STORE_OK)
		return error;

	switch (command->op_case)
	{
		case QUORUM__COMMAND__OP_PUT:
			return apply_put(store, command->put, result);
		case QUORUM__COMMAND__OP_DELETE_RANGE:
			return apply_delete_range(store, command->delete_range, result);
		case QUORUM__COMMAND__OP_TXN:
			return apply_txn(store, command->txn, result);
		case QUORUM__COMMAND__OP_COMPACTION:
			return apply_compaction(store, command->compaction, result);
		case QUORUM__COMMAND__OP_MEMBER_CHANGE:
			return apply_member_change(store, command->member_change);
		case QUORUM__COMMAND__OP_INCREMENT:
			return apply_increment(store, command->increment, result);
		case QUORUM__COMMAND__OP_PUT_SEQUENTIAL:
			return apply_put_sequential(store, command->put_sequential, result);
		case QUORUM__COMMAND__OP_IMPORT:
			return apply_import(store, command->import);
		case QUORUM__COMMAND__OP_ALARM:
			return alarms_apply(store, command->alarm, result);
		case QUORUM__COMMAND__OP_LEASE_GRANT:
			return apply_lease_grant(store, command->lease_grant, result);
		case QUORUM__COMMAND__OP_LEASE_REVOKE:
			return apply_lease_revoke(store, command->lease_revoke);
		case QUORUM__COMMAND__OP_LEASE_CHECKPOINT:
			return apply_lease_checkpoint(store, command->lease_checkpoint);
		default:
			return auth_apply(store, command);
	}
}

/* ----------------------------------------------------------------
 *	Batches
 * ----------------------------------------------------------------
 */

/* Begin a batch; the relation stays open until store_commit() */
void
store_begin(Store *store, Relation tree, StorePoll poll, void *poll_arg)
{
	StoreView  *view = &store->view;

	Assert(view->tree == NULL);
	view->tree = tree;
	view->overlay = store->overlay;
	view->latest = store->meta->revision;
	view->current = store->meta->revision;
	view->compacted = store->meta->compacted_revision;
	view->poll = poll;
	view->poll_arg = poll_arg;
	if (poll != NULL)
		INSTR_TIME_SET_CURRENT(view->last_poll);
	store->nchanges = 0;
	store->advanced = false;
}

/* Every entry counts, and in its order */
static void
advance(Store *store, uint64 index, uint64 term)
{
	Assert(store->view.tree != NULL);
	if (index != store->meta->applied_index + 1)
		elog(ERROR, "log entry %llu applied after entry %llu",
			 (unsigned long long) index,
			 (unsigned long long) store->meta->applied_index);
	store->meta->applied_index = index;
	store->meta->applied_term = term;
	store->advanced = true;
}

/*
 * store_apply
 *		Apply one entry to the batch.
 *
 * The command is no longer needed when this returns.  The result, if wanted,
 * is in the current memory context; in its headers only the revision is set.
 */
StoreError
store_apply(Store *store, uint64 index, uint64 term, const Quorum__Command *command,
			bool want_result, Quorum__Result **result)
{
	Quorum__Result *answer = NULL;
	MemoryContext old_context;
	StoreError	error = STORE_OK;
	bool		empty;

	empty = command == NULL ||
		(command->op_case == QUORUM__COMMAND__OP__NOT_SET &&
		 command->origin == 0 && command->request == 0 &&
		 command->base.n_unknown_fields == 0);

	advance(store, index, term);
	store->sub = 0;
	store->skipped = 0;
	store->result_context = CurrentMemoryContext;
	if (want_result)
	{
		answer = palloc(sizeof(*answer));
		quorum__result__init(answer);
	}

	old_context = MemoryContextSwitchTo(store->scratch);
	if (!empty)
		error = apply_command(store, index, command, answer);
	MemoryContextSwitchTo(old_context);
	MemoryContextReset(store->scratch);

	if (store->sub > 0)
		store->meta->revision = store_next_revision(store);
	Assert(store->view.latest == store->meta->revision);
	Assert(error == STORE_OK || store->sub == 0);
	store->view.current = store->meta->revision;
	store->view.compacted = store->meta->compacted_revision;

	if (answer != NULL)
	{
		answer->error = error;
		answer->revision = store->meta->revision;
		answer->compacted_revision = store->meta->compacted_revision;
	}
	if (result != NULL)
		*result = answer;
	store_spill_if_large(store);
	return error;
}

/*
 * store_apply_configuration
 *		Apply one configuration entry to the batch.  change may be NULL.
 */
void
store_apply_configuration(Store *store, uint64 index, uint64 term,
						  const Quorum__Configuration *configuration,
						  const Quorum__MemberChange *change)
{
	MemoryContext old_context;
	Quorum__Configuration *copy;
	char	   *packed;
	size_t		len;
	size_t		i;

	advance(store, index, term);

	packed = pb_pack(&configuration->base, &len);
	old_context = MemoryContextSwitchTo(store->context);
	copy = (Quorum__Configuration *) pb_unpack(&quorum__configuration__descriptor, packed, len);
	MemoryContextSwitchTo(old_context);
	if (copy == NULL)
		elog(ERROR, "could not copy a configuration");
	pfree(packed);
	if (store->meta->configuration != NULL)
		quorum__configuration__free_unpacked(store->meta->configuration, &pb_allocator);
	store->meta->configuration = copy;
	store->meta->configuration_index = index;

	if (change == NULL)
		return;
	for (i = 0; i < change->n_steps; i++)
	{
		if (change->steps[i]->kind == QUORUM__MEMBER_CHANGE__STEP__KIND__REMOVE)
		{
			store_drop_member(store, change->steps[i]->id, change->change);
			alarms_drop_member(store, change->steps[i]->id);
		}
	}
	for (i = 0; i < change->n_record; i++)
		store_record_member(store, change->record[i]);
}

/* Changes that the batch has made so far */
int
store_pending_changes(Store *store)
{
	return store->nchanges;
}

/*
 * store_commit
 *		End the batch: write what it changed, and the meta.
 *
 * Returns the LSN of the last record, InvalidXLogRecPtr if the batch was empty.
 */
XLogRecPtr
store_commit(Store *store)
{
	XLogRecPtr	lsn = InvalidXLogRecPtr;
	MemoryContext old_context;

	Assert(store->view.tree != NULL);
	if (store->advanced)
	{
		old_context = MemoryContextSwitchTo(store->scratch);
		lsn = store_write(store, true);
		MemoryContextSwitchTo(old_context);
		MemoryContextReset(store->scratch);
	}
	store->view.tree = NULL;
	return lsn;
}
