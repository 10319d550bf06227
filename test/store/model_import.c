/*-------------------------------------------------------------------------
 *
 * model_import.c
 *	  The model's imports: chunks are collected, then put in as they stand.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/store/model_import.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "model.h"
#include "model_auth.h"
#include "model_int.h"
#include "store/pbmem.h"

static bool
keys_ascend(const ModelImport *import, const Quorum__CopyChunk *chunk)
{
	const Quorum__CopyKey *last = NULL;
	int			i;
	size_t		j;

	for (i = 0; i < import->nchunks; i++)
	{
		if (import->chunks[i]->n_keys > 0)
			last = import->chunks[i]->keys[import->chunks[i]->n_keys - 1];
	}
	for (j = 0; j < chunk->n_keys; j++)
	{
		if (last != NULL && model_compare_bytes(last->key.data, last->key.len,
												chunk->keys[j]->key.data,
												chunk->keys[j]->key.len) >= 0)
			return false;
		last = chunk->keys[j];
	}
	return true;
}

/* Put everything in, if the store may take it */
static StoreError
switch_over(ModelTxn *txn, const Quorum__ImportRequest *request)
{
	static uint8_t zero[] = {0};
	Model	   *model = txn->model;
	ModelImport *import = &model->import;
	Etcdserverpb__DeleteRangeRequest all = ETCDSERVERPB__DELETE_RANGE_REQUEST__INIT;
	bool		occupied = model_live_keys(model) > 0 || model_auth_any(model);
	int64		copied = import->chunks[0]->header->revision;
	int64		least = copied;
	int64		shift;
	int64		place = 0;
	int			i;
	size_t		j;

	if (occupied && !request->replace)
		return STORE_IMPORT_NOT_EMPTY;
	for (i = 0; i < import->nchunks; i++)
	{
		for (j = 0; j < import->chunks[i]->n_keys; j++)
			least = Min(least, import->chunks[i]->keys[j]->mod_revision);
	}
	if (request->revision == 0)
		shift = 0;
	else if (request->revision == -1)
		shift = 1000000000 + Max(model->revision + 1 + occupied - least, 0);
	else
		shift = request->revision - copied;
	if (shift < 0 || least + shift <= model->revision + occupied)
		return STORE_IMPORT_REVISION;

	all.key.data = all.range_end.data = zero;
	all.key.len = all.range_end.len = 1;
	(void) model_run_delete(txn, &all);
	model_auth_import(model, import->chunks, import->nchunks);

	for (i = 0; i < import->nchunks; i++)
	{
		const Quorum__CopyChunk *chunk = import->chunks[i];

		for (j = 0; j < chunk->n_leases; j++)
		{
			Etcdserverpb__LeaseGrantRequest grant = ETCDSERVERPB__LEASE_GRANT_REQUEST__INIT;
			Quorum__Result ignored = QUORUM__RESULT__INIT;

			grant.id = chunk->leases[j]->id;
			grant.ttl = chunk->leases[j]->ttl;
			(void) model_run_grant(model, &grant, &ignored);
		}
		for (j = 0; j < chunk->n_keys; j++)
		{
			const Quorum__CopyKey *key = chunk->keys[j];
			ModelLease *lease = model_lease(model, key->lease);
			ModelChange *change = model_add_change(txn, key->key);

			change->main = key->mod_revision + shift;
			change->sub = place++;
			change->create_revision = key->create_revision + shift;
			change->version = key->version;
			change->lease = lease != NULL && lease->exists ? key->lease : 0;
			change->value = (char *) key->value.data;
			change->value_len = key->value.len;
		}
	}
	model->compacted = copied + shift;
	txn->begin = copied + shift - 1;
	txn->sub = 1;
	import->copy = 0;
	return STORE_OK;
}

StoreError
model_run_import(ModelTxn *txn, const Quorum__ImportRequest *request)
{
	ModelImport *import = &txn->model->import;
	MemoryContext old_context;
	Quorum__CopyChunk *chunk;
	bool		mine = import->copy == request->copy;

	if (request->copy == 0 || request->discard != (request->items.len == 0))
		return STORE_INVALID_REQUEST;
	if (request->discard)
	{
		if (mine)
			import->copy = 0;
		return STORE_OK;
	}
	if (request->number > 0 && (!mine || request->number != (uint64) import->nchunks))
		return STORE_IMPORT_OVERTAKEN;

	old_context = MemoryContextSwitchTo(txn->model->context);
	chunk = request->items.len < 5 ? NULL : (Quorum__CopyChunk *)
		pb_unpack(&quorum__copy_chunk__descriptor, (char *) request->items.data + 5,
				  request->items.len - 5);
	MemoryContextSwitchTo(old_context);
	if (chunk == NULL || (chunk->header != NULL) != (request->number == 0) ||
		chunk->number != request->number || (chunk->trailer != NULL) != (bool) request->last)
		return STORE_IMPORT_DAMAGED;
	if (request->number > 0 && (!keys_ascend(import, chunk) ||
								chunk->copy != import->chunks[0]->copy))
		return STORE_IMPORT_DAMAGED;
	if (request->last)
		return switch_over(txn, request);

	if (request->number == 0)
	{
		import->copy = request->copy;
		import->nchunks = 0;
	}
	if (import->nchunks == lengthof(import->chunks))
		elog(ERROR, "too many chunks for the model");
	import->chunks[import->nchunks++] = chunk;
	return STORE_OK;
}
