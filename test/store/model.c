/*-------------------------------------------------------------------------
 *
 * model.c
 *	  A plain model of the state machine, to compare the real one with.
 *
 * A list of all changes ever made, searched from one end to the other for
 * everything.  Nothing here is fast and nothing is shared with what it checks;
 * it follows etcd's rules as simply as they can be put.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/store/model.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "port/pg_bswap.h"
#include "port/pg_crc32c.h"
#include "utils/memutils.h"

#include "model_auth.h"
#include "model_int.h"

/* In place of the kind of a command that an alarm forbids */
#define ALARMED	(-1)

Model *
model_create(void)
{
	Model	   *model = palloc0(sizeof(Model));

	model->context = CurrentMemoryContext;
	model->revision = 1;
	model->compacted = -1;
	model->auth = model_auth_create();
	return model;
}

int
model_compare_bytes(const void *a, size_t a_len, const void *b, size_t b_len)
{
	size_t		i;

	for (i = 0; i < a_len && i < b_len; i++)
	{
		int			difference = ((const uint8 *) a)[i] - ((const uint8 *) b)[i];

		if (difference != 0)
			return difference;
	}
	return a_len < b_len ? -1 : a_len > b_len ? 1 : 0;
}

bool
model_in_range(const char *key, uint32 len, ProtobufCBinaryData start, ProtobufCBinaryData end)
{
	if (end.len == 0)
		return model_compare_bytes(key, len, start.data, start.len) == 0;
	if (model_compare_bytes(key, len, start.data, start.len) < 0)
		return false;
	if (end.len == 1 && end.data[0] == 0)
		return true;
	return model_compare_bytes(key, len, end.data, end.len) < 0;
}

static int
find_key(Model *model, ProtobufCBinaryData key)
{
	int			i;

	for (i = 0; i < model->nkeys; i++)
	{
		if (model_compare_bytes(model->keys[i].data, model->keys[i].len, key.data, key.len) == 0)
			return i;
	}
	return -1;
}

static void *
grow(Model *model, void *array, int n, size_t element)
{
	if (n == 0)
		return MemoryContextAlloc(model->context, 16 * element);
	if (n >= 16 && (n & (n - 1)) == 0)
		return repalloc_huge(array, 2 * n * element);
	return array;
}

static char *
copy_bytes(Model *model, const void *data, size_t len)
{
	char	   *copy = MemoryContextAlloc(model->context, len + 1);

	if (len > 0)
		memcpy(copy, data, len);
	return copy;
}

/* The newest change of a key not after a revision, tombstones too; or NULL */
ModelChange *
model_version(Model *model, int key, int64 revision)
{
	int			i;

	for (i = model->nchanges - 1; i >= 0; i--)
	{
		if (model->changes[i].key == key && model->changes[i].main <= revision)
			return &model->changes[i];
	}
	return NULL;
}

/* The same, or NULL if the key does not exist then */
static ModelChange *
live_version(Model *model, int key, int64 revision)
{
	ModelChange *change = key < 0 ? NULL : model_version(model, key, revision);

	return change != NULL && !change->deleted ? change : NULL;
}

Mvccpb__KeyValue *
model_kv(Model *model, const ModelChange *change)
{
	Mvccpb__KeyValue *kv = palloc(sizeof(*kv));

	mvccpb__key_value__init(kv);
	kv->key.data = (uint8 *) model->keys[change->key].data;
	kv->key.len = model->keys[change->key].len;
	kv->mod_revision = change->main;
	kv->create_revision = change->create_revision;
	kv->version = change->version;
	kv->lease = change->lease;
	kv->value.data = (uint8 *) change->value;
	kv->value.len = change->value_len;
	return kv;
}

/* The keys that exist in a range as of a revision, in order */
static ModelChange **
list_range(Model *model, ProtobufCBinaryData start, ProtobufCBinaryData end,
		   int64 revision, int *n)
{
	ModelChange **list = palloc((model->nkeys + 1) * sizeof(*list));
	int			i;

	*n = 0;
	for (i = 0; i < model->nkeys; i++)
	{
		ModelKey   *key = &model->keys[i];
		ModelChange *change;
		int			at;

		if (!model_in_range(key->data, key->len, start, end))
			continue;
		change = live_version(model, i, revision);
		if (change == NULL)
			continue;
		for (at = *n; at > 0; at--)
		{
			ModelKey   *before = &model->keys[list[at - 1]->key];

			if (model_compare_bytes(before->data, before->len, key->data, key->len) < 0)
				break;
			list[at] = list[at - 1];
		}
		list[at] = change;
		(*n)++;
	}
	return list;
}

int64
model_live_keys(Model *model)
{
	int64		n = 0;
	int			i;

	for (i = 0; i < model->nkeys; i++)
	{
		if (live_version(model, i, model->revision) != NULL)
			n++;
	}
	return n;
}

/* ----------------------------------------------------------------
 *	Changes
 * ----------------------------------------------------------------
 */

ModelChange *
model_add_change(ModelTxn *txn, ProtobufCBinaryData key)
{
	Model	   *model = txn->model;
	ModelChange *change;
	int			index = find_key(model, key);

	if (index < 0)
	{
		model->keys = grow(model, model->keys, model->nkeys, sizeof(ModelKey));
		index = model->nkeys++;
		model->keys[index].data = copy_bytes(model, key.data, key.len);
		model->keys[index].len = key.len;
	}
	model->changes = grow(model, model->changes, model->nchanges, sizeof(ModelChange));
	change = &model->changes[model->nchanges++];
	memset(change, 0, sizeof(*change));
	change->key = index;
	change->main = txn->begin + 1;
	change->sub = txn->sub++;
	return change;
}

static int64
now(const ModelTxn *txn)
{
	return txn->begin + (txn->sub > 0 ? 1 : 0);
}

static Etcdserverpb__ResponseHeader *
header(int64 revision)
{
	Etcdserverpb__ResponseHeader *result = palloc(sizeof(*result));

	etcdserverpb__response_header__init(result);
	result->revision = revision;
	return result;
}

/* ----------------------------------------------------------------
 *	Leases
 * ----------------------------------------------------------------
 */

/* What is known of a lease; NULL if it has never been granted */
ModelLease *
model_lease(Model *model, int64 id)
{
	int			i;

	for (i = 0; i < model->nleases; i++)
	{
		if (model->leases[i].id == id)
			return &model->leases[i];
	}
	return NULL;
}

static bool
lease_exists(Model *model, int64 id)
{
	ModelLease *lease = model_lease(model, id);

	return lease != NULL && lease->exists;
}

/* The keys that have a lease as of a revision, in order */
ModelChange **
model_lease_keys(Model *model, int64 id, int64 revision, int *n)
{
	ProtobufCBinaryData start = {1, (uint8 *) ""};
	ModelChange **list;
	int			all;
	int			i;

	list = list_range(model, start, start, revision, &all);
	*n = 0;
	for (i = 0; i < all; i++)
	{
		if (list[i]->lease == id)
			list[(*n)++] = list[i];
	}
	return list;
}

StoreError
model_run_grant(Model *model, const Etcdserverpb__LeaseGrantRequest *request,
		  Quorum__Result *result)
{
	ModelLease *lease;

	if (request->id == 0)
		return STORE_INVALID_REQUEST;
	if (request->ttl > INT64CONST(9000000000))
		return STORE_LEASE_TTL_TOO_LARGE;
	lease = model_lease(model, request->id);
	if (lease != NULL && lease->exists)
		return STORE_LEASE_EXISTS;
	if (lease == NULL)
	{
		model->leases = grow(model, model->leases, model->nleases, sizeof(ModelLease));
		lease = &model->leases[model->nleases++];
		memset(lease, 0, sizeof(*lease));
		lease->id = request->id;
	}
	lease->exists = true;
	lease->ttl = request->ttl < 1 ? 1 : request->ttl;
	lease->remaining = 0;
	lease->granted++;

	result->response_case = QUORUM__RESULT__RESPONSE_LEASE_GRANT;
	result->lease_grant = palloc(sizeof(*result->lease_grant));
	etcdserverpb__lease_grant_response__init(result->lease_grant);
	result->lease_grant->header = header(model->revision);
	result->lease_grant->id = lease->id;
	result->lease_grant->ttl = lease->ttl;
	return STORE_OK;
}

static StoreError
run_revoke(ModelTxn *txn, int64 id)
{
	ModelLease *lease = model_lease(txn->model, id);
	ModelChange **list;
	int		   *keys;
	int			n;
	int			i;

	if (lease == NULL || !lease->exists)
		return STORE_LEASE_NOT_FOUND;
	list = model_lease_keys(txn->model, id, now(txn), &n);
	keys = palloc((n + 1) * sizeof(int));
	for (i = 0; i < n; i++)
		keys[i] = list[i]->key;
	for (i = 0; i < n; i++)
	{
		ProtobufCBinaryData key;

		key.data = (uint8 *) txn->model->keys[keys[i]].data;
		key.len = txn->model->keys[keys[i]].len;
		model_add_change(txn, key)->deleted = true;
	}
	lease->exists = false;
	return STORE_OK;
}

static void
run_checkpoint(Model *model, const Etcdserverpb__LeaseCheckpoint *checkpoint)
{
	ModelLease *lease = model_lease(model, checkpoint->id);

	if (lease == NULL || !lease->exists)
		return;
	lease->remaining = checkpoint->remaining_ttl;
	if (lease->remaining < 0)
		lease->remaining = 0;
	if (lease->remaining > lease->ttl)
		lease->remaining = lease->ttl;
}

/* ----------------------------------------------------------------
 *	Puts and deletes
 * ----------------------------------------------------------------
 */

static StoreError
check_put_lease(ModelTxn *txn, const Etcdserverpb__PutRequest *put)
{
	return put->lease != 0 && !lease_exists(txn->model, put->lease) ?
		STORE_LEASE_NOT_FOUND : STORE_OK;
}

static StoreError
check_put_key(ModelTxn *txn, const Etcdserverpb__PutRequest *put)
{
	return (put->ignore_value || put->ignore_lease) &&
		live_version(txn->model, find_key(txn->model, put->key), now(txn)) == NULL ?
		STORE_KEY_NOT_FOUND : STORE_OK;
}

static StoreError
check_put(ModelTxn *txn, const Etcdserverpb__PutRequest *put)
{
	StoreError	error = check_put_lease(txn, put);

	return error != STORE_OK ? error : check_put_key(txn, put);
}

/* the other way round */
static StoreError
check_txn_put(ModelTxn *txn, const Etcdserverpb__PutRequest *put)
{
	StoreError	error = check_put_key(txn, put);

	return error != STORE_OK ? error : check_put_lease(txn, put);
}

static Etcdserverpb__PutResponse *
run_put(ModelTxn *txn, const Etcdserverpb__PutRequest *put)
{
	Etcdserverpb__PutResponse *response = palloc(sizeof(*response));
	ModelChange *found = live_version(txn->model, find_key(txn->model, put->key), now(txn));
	ModelChange before;
	ModelChange *change;

	etcdserverpb__put_response__init(response);
	memset(&before, 0, sizeof(before));
	if (found != NULL)
		before = *found;
	if (found != NULL && put->prev_kv)
		response->prev_kv = model_kv(txn->model, &before);

	change = model_add_change(txn, put->key);
	change->create_revision = before.create_revision != 0 ? before.create_revision : change->main;
	change->version = before.version + 1;
	change->lease = put->ignore_lease ? before.lease : put->lease;
	if (put->ignore_value)
	{
		change->value = before.value;
		change->value_len = before.value_len;
	}
	else
	{
		change->value = copy_bytes(txn->model, put->value.data, put->value.len);
		change->value_len = put->value.len;
	}
	response->header = header(now(txn));
	return response;
}

Etcdserverpb__DeleteRangeResponse *
model_run_delete(ModelTxn *txn, const Etcdserverpb__DeleteRangeRequest *request)
{
	Etcdserverpb__DeleteRangeResponse *response = palloc(sizeof(*response));
	ModelChange **list;
	ModelChange *copies;
	int			n;
	int			i;

	etcdserverpb__delete_range_response__init(response);
	list = list_range(txn->model, request->key, request->range_end, now(txn), &n);
	copies = palloc((n + 1) * sizeof(*copies));
	for (i = 0; i < n; i++)
		copies[i] = *list[i];
	if (request->prev_kv && n > 0)
	{
		response->n_prev_kvs = n;
		response->prev_kvs = palloc(n * sizeof(*response->prev_kvs));
		for (i = 0; i < n; i++)
			response->prev_kvs[i] = model_kv(txn->model, &copies[i]);
	}
	for (i = 0; i < n; i++)
	{
		ProtobufCBinaryData key;

		key.data = (uint8 *) txn->model->keys[copies[i].key].data;
		key.len = txn->model->keys[copies[i].key].len;
		model_add_change(txn, key)->deleted = true;
	}
	response->deleted = n;
	response->header = header(now(txn));
	return response;
}

/* ----------------------------------------------------------------
 *	Ranges
 * ----------------------------------------------------------------
 */

static bool
filtered(const Etcdserverpb__RangeRequest *r, const ModelChange *c)
{
	return (r->min_mod_revision != 0 && c->main < r->min_mod_revision) ||
		(r->max_mod_revision != 0 && c->main > r->max_mod_revision) ||
		(r->min_create_revision != 0 && c->create_revision < r->min_create_revision) ||
		(r->max_create_revision != 0 && c->create_revision > r->max_create_revision);
}

/* Must b come before a, which precedes it in key order? */
static bool
wrong_order(Model *model, const Etcdserverpb__RangeRequest *r,
			const ModelChange *a, const ModelChange *b)
{
	int64		difference;

	switch (r->sort_target)
	{
		case ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__VERSION:
			difference = a->version - b->version;
			break;
		case ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__CREATE:
			difference = a->create_revision - b->create_revision;
			break;
		case ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__MOD:
			difference = a->main - b->main;
			break;
		case ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__VALUE:
			difference = model_compare_bytes(a->value, a->value_len, b->value, b->value_len);
			break;
		default:
			difference = model_compare_bytes(model->keys[a->key].data, model->keys[a->key].len,
											 model->keys[b->key].data, model->keys[b->key].len);
			break;
	}
	return r->sort_order == ETCDSERVERPB__RANGE_REQUEST__SORT_ORDER__DESCEND ?
		difference < 0 : difference > 0;
}

/* A range at a revision that is all right */
static Etcdserverpb__RangeResponse *
run_range(Model *model, const Etcdserverpb__RangeRequest *r, int64 latest)
{
	Etcdserverpb__RangeResponse *response = palloc(sizeof(*response));
	bool		filters = r->min_mod_revision != 0 || r->max_mod_revision != 0 ||
		r->min_create_revision != 0 || r->max_create_revision != 0;
	bool		none = r->sort_order == ETCDSERVERPB__RANGE_REQUEST__SORT_ORDER__NONE;
	bool		key_ascending = r->sort_target == ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__KEY &&
		r->sort_order == ETCDSERVERPB__RANGE_REQUEST__SORT_ORDER__ASCEND;
	ModelChange **list;
	int			n;
	int			kept = 0;
	int			i;
	int			j;

	etcdserverpb__range_response__init(response);
	response->header = header(latest);
	list = list_range(model, r->key, r->range_end, r->revision > 0 ? r->revision : latest, &n);
	response->count = n;
	if (r->count_only)
		return response;

	/* what etcd's index gives it: one more than the limit, unless it must sort or filter */
	if (r->limit > 0 && (none || key_ascending) && !filters && n > r->limit)
		n = r->limit + 1;
	for (i = 0; i < n; i++)
	{
		if (!filtered(r, list[i]))
			list[kept++] = list[i];
	}
	/* a stable sort, as etcd's is for a few keys */
	for (i = 1; i < kept; i++)
	{
		ModelChange *item = list[i];

		for (j = i; j > 0 && wrong_order(model, r, list[j - 1], item); j--)
			list[j] = list[j - 1];
		list[j] = item;
	}
	if (r->limit > 0 && kept > r->limit)
	{
		kept = r->limit;
		response->more = true;
	}
	response->n_kvs = kept;
	response->kvs = palloc((kept + 1) * sizeof(*response->kvs));
	for (i = 0; i < kept; i++)
	{
		response->kvs[i] = model_kv(model, list[i]);
		if (r->keys_only)
			response->kvs[i]->value.len = 0;
	}
	return response;
}

static StoreError
check_txn_revision(Model *model, int64 revision)
{
	if (revision != 0 && revision > model->revision)
		return STORE_FUTURE_REVISION;
	if (revision != 0 && revision < model->compacted)
		return STORE_COMPACTED;
	return STORE_OK;
}

static StoreError
validate_range(const Etcdserverpb__RangeRequest *r)
{
	if (r->key.len == 0)
		return STORE_EMPTY_KEY;
	if ((int) r->sort_order < 0 || (int) r->sort_order > 2 ||
		(int) r->sort_target < 0 || (int) r->sort_target > 4)
		return STORE_INVALID_SORT;
	return STORE_OK;
}

StoreError
model_range(Model *model, const Etcdserverpb__RangeRequest *request, bool in_txn,
			Etcdserverpb__RangeResponse **response)
{
	StoreError	error = validate_range(request);

	if (error != STORE_OK)
		return error;
	if (in_txn)
		error = check_txn_revision(model, request->revision);
	else if (model_alarm(model, ETCDSERVERPB__ALARM_TYPE__CORRUPT))
		error = STORE_CORRUPT;
	else if (request->revision > model->revision)
		error = STORE_FUTURE_REVISION;
	else if (request->revision > 0 && request->revision < model->compacted)
		error = STORE_COMPACTED;
	if (error == STORE_OK)
		*response = run_range(model, request, model->revision);
	return error;
}

/* ----------------------------------------------------------------
 *	Transactions
 * ----------------------------------------------------------------
 */

static StoreError
validate_put(const Etcdserverpb__PutRequest *put)
{
	if (put->key.len == 0)
		return STORE_EMPTY_KEY;
	if (put->key.len > STORE_MAX_KEY_BYTES)
		return STORE_KEY_TOO_LARGE;
	if (put->ignore_value && put->value.len > 0)
		return STORE_VALUE_PROVIDED;
	if (put->ignore_lease && put->lease != 0)
		return STORE_LEASE_PROVIDED;
	return STORE_OK;
}

static StoreError validate_txn(const Etcdserverpb__TxnRequest *txn);

static StoreError
validate_ops(Etcdserverpb__RequestOp **ops, size_t n)
{
	size_t		i;

	for (i = 0; i < n; i++)
	{
		StoreError	error = STORE_KEY_NOT_FOUND;

		if (ops[i]->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE)
			error = validate_range(ops[i]->request_range);
		else if (ops[i]->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT)
			error = validate_put(ops[i]->request_put);
		else if (ops[i]->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE)
			error = ops[i]->request_delete_range->key.len == 0 ? STORE_EMPTY_KEY : STORE_OK;
		else if (ops[i]->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN)
			error = validate_txn(ops[i]->request_txn);
		if (error != STORE_OK)
			return error;
	}
	return STORE_OK;
}

static StoreError
validate_txn(const Etcdserverpb__TxnRequest *txn)
{
	StoreError	error;
	size_t		i;

	for (i = 0; i < txn->n_compare; i++)
	{
		if (txn->compare[i]->key.len == 0)
			return STORE_EMPTY_KEY;
		if ((int) txn->compare[i]->result > 3 || (int) txn->compare[i]->target > 4)
			return STORE_INVALID_REQUEST;
	}
	error = validate_ops(txn->success, txn->n_success);
	return error != STORE_OK ? error : validate_ops(txn->failure, txn->n_failure);
}

/* Lists of requests, to find overlaps in */
typedef struct Writes
{
	const Etcdserverpb__PutRequest **puts;
	int			nputs;
	const Etcdserverpb__DeleteRangeRequest **deletes;
	int			ndeletes;
} Writes;

static bool
same_key(const Etcdserverpb__PutRequest *a, const Etcdserverpb__PutRequest *b)
{
	return model_compare_bytes(a->key.data, a->key.len, b->key.data, b->key.len) == 0;
}

static bool
has_put(const Writes *writes, const Etcdserverpb__PutRequest *put)
{
	int			i;

	for (i = 0; i < writes->nputs; i++)
	{
		if (same_key(writes->puts[i], put))
			return true;
	}
	return false;
}

static bool
has_delete(const Writes *writes, const Etcdserverpb__PutRequest *put)
{
	int			i;

	for (i = 0; i < writes->ndeletes; i++)
	{
		if (model_in_range((char *) put->key.data, put->key.len,
						   writes->deletes[i]->key, writes->deletes[i]->range_end))
			return true;
	}
	return false;
}

static bool
gather_writes(Etcdserverpb__RequestOp **ops, size_t n, Writes *writes)
{
	size_t		i;
	int			j;

	writes->puts = palloc(4096 * sizeof(*writes->puts));
	writes->deletes = palloc(4096 * sizeof(*writes->deletes));
	writes->nputs = writes->ndeletes = 0;

	for (i = 0; i < n; i++)
	{
		if (ops[i]->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE)
			writes->deletes[writes->ndeletes++] = ops[i]->request_delete_range;
	}
	for (i = 0; i < n; i++)
	{
		Writes		success;
		Writes		failure;

		if (ops[i]->request_case != ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN)
			continue;
		if (!gather_writes(ops[i]->request_txn->success, ops[i]->request_txn->n_success, &success) ||
			!gather_writes(ops[i]->request_txn->failure, ops[i]->request_txn->n_failure, &failure))
			return false;
		for (j = 0; j < success.nputs; j++)
		{
			if (has_put(writes, success.puts[j]) || has_delete(writes, success.puts[j]))
				return false;
		}
		for (j = 0; j < success.nputs; j++)
			writes->puts[writes->nputs++] = success.puts[j];
		for (j = 0; j < failure.nputs; j++)
		{
			if ((has_put(writes, failure.puts[j]) && !has_put(&success, failure.puts[j])) ||
				has_delete(writes, failure.puts[j]))
				return false;
		}
		for (j = 0; j < failure.nputs; j++)
			writes->puts[writes->nputs++] = failure.puts[j];
		for (j = 0; j < success.ndeletes; j++)
			writes->deletes[writes->ndeletes++] = success.deletes[j];
		for (j = 0; j < failure.ndeletes; j++)
			writes->deletes[writes->ndeletes++] = failure.deletes[j];
	}
	for (i = 0; i < n; i++)
	{
		if (ops[i]->request_case != ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT)
			continue;
		if (has_put(writes, ops[i]->request_put) || has_delete(writes, ops[i]->request_put))
			return false;
		writes->puts[writes->nputs++] = ops[i]->request_put;
	}
	return true;
}

static bool
compare_one(const Etcdserverpb__Compare *c, const Mvccpb__KeyValue *kv)
{
	int64		a = 0;
	int64		b = 0;

	if (c->target == ETCDSERVERPB__COMPARE__COMPARE_TARGET__VALUE)
	{
		if (c->target_union_case == ETCDSERVERPB__COMPARE__TARGET_UNION_VALUE)
			a = model_compare_bytes(kv->value.data, kv->value.len, c->value.data, c->value.len);
		else
			a = kv->value.len;
	}
	else if (c->target == ETCDSERVERPB__COMPARE__COMPARE_TARGET__VERSION)
	{
		a = kv->version;
		b = c->target_union_case == ETCDSERVERPB__COMPARE__TARGET_UNION_VERSION ? c->version : 0;
	}
	else if (c->target == ETCDSERVERPB__COMPARE__COMPARE_TARGET__CREATE)
	{
		a = kv->create_revision;
		b = c->target_union_case == ETCDSERVERPB__COMPARE__TARGET_UNION_CREATE_REVISION ?
			c->create_revision : 0;
	}
	else if (c->target == ETCDSERVERPB__COMPARE__COMPARE_TARGET__MOD)
	{
		a = kv->mod_revision;
		b = c->target_union_case == ETCDSERVERPB__COMPARE__TARGET_UNION_MOD_REVISION ?
			c->mod_revision : 0;
	}
	else
	{
		a = kv->lease;
		b = c->target_union_case == ETCDSERVERPB__COMPARE__TARGET_UNION_LEASE ? c->lease : 0;
	}

	switch (c->result)
	{
		case ETCDSERVERPB__COMPARE__COMPARE_RESULT__EQUAL:
			return a == b;
		case ETCDSERVERPB__COMPARE__COMPARE_RESULT__GREATER:
			return a > b;
		case ETCDSERVERPB__COMPARE__COMPARE_RESULT__LESS:
			return a < b;
		default:
			return a != b;
	}
}

static bool
compare_all(Model *model, const Etcdserverpb__TxnRequest *txn, int64 revision)
{
	size_t		i;

	for (i = 0; i < txn->n_compare; i++)
	{
		const Etcdserverpb__Compare *c = txn->compare[i];
		ModelChange **list;
		int			n;
		int			j;

		list = list_range(model, c->key, c->range_end, revision, &n);
		if (n == 0)
		{
			Mvccpb__KeyValue nothing = MVCCPB__KEY_VALUE__INIT;

			if (c->target == ETCDSERVERPB__COMPARE__COMPARE_TARGET__VALUE ||
				!compare_one(c, &nothing))
				return false;
		}
		for (j = 0; j < n; j++)
		{
			if (!compare_one(c, model_kv(model, list[j])))
				return false;
		}
	}
	return true;
}

/* All compares see the state before the transaction, so "begin" decides. */
static StoreError
check_txn(ModelTxn *txn, const Etcdserverpb__TxnRequest *request)
{
	bool		yes = compare_all(txn->model, request, txn->begin);
	Etcdserverpb__RequestOp **ops = yes ? request->success : request->failure;
	size_t		n = yes ? request->n_success : request->n_failure;
	size_t		i;

	for (i = 0; i < n; i++)
	{
		StoreError	error = STORE_OK;

		if (ops[i]->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE)
			error = check_txn_revision(txn->model, ops[i]->request_range->revision);
		else if (ops[i]->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT)
			error = check_txn_put(txn, ops[i]->request_put);
		else if (ops[i]->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN)
			error = check_txn(txn, ops[i]->request_txn);
		if (error != STORE_OK)
			return error;
	}
	return STORE_OK;
}

static Etcdserverpb__TxnResponse *
run_txn(ModelTxn *txn, const Etcdserverpb__TxnRequest *request)
{
	Etcdserverpb__TxnResponse *response = palloc(sizeof(*response));
	bool		yes = compare_all(txn->model, request, txn->begin);
	Etcdserverpb__RequestOp **ops = yes ? request->success : request->failure;
	size_t		n = yes ? request->n_success : request->n_failure;
	size_t		i;

	etcdserverpb__txn_response__init(response);
	response->header = header(0);
	response->succeeded = yes;
	response->n_responses = n;
	response->responses = palloc((n + 1) * sizeof(*response->responses));
	for (i = 0; i < n; i++)
	{
		Etcdserverpb__ResponseOp *op = palloc(sizeof(*op));

		etcdserverpb__response_op__init(op);
		response->responses[i] = op;
		switch (ops[i]->request_case)
		{
			case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE:
				op->response_case = ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_RANGE;
				op->response_range = run_range(txn->model, ops[i]->request_range, now(txn));
				break;
			case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT:
				op->response_case = ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_PUT;
				op->response_put = run_put(txn, ops[i]->request_put);
				break;
			case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE:
				op->response_case = ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_DELETE_RANGE;
				op->response_delete_range = model_run_delete(txn, ops[i]->request_delete_range);
				break;
			default:
				op->response_case = ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_TXN;
				op->response_txn = run_txn(txn, ops[i]->request_txn);
				break;
		}
	}
	return response;
}

static StoreError
validate_whole_txn(const Etcdserverpb__TxnRequest *txn)
{
	StoreError	error = validate_txn(txn);
	Writes		writes;

	if (error != STORE_OK)
		return error;
	if (!gather_writes(txn->success, txn->n_success, &writes) ||
		!gather_writes(txn->failure, txn->n_failure, &writes))
		return STORE_DUPLICATE_KEY;
	return STORE_OK;
}

Quorum__Result *
model_read_txn(Model *model, const Etcdserverpb__TxnRequest *request)
{
	Quorum__Result *result = palloc(sizeof(*result));
	ModelTxn	txn = {model, model->revision, 0};

	quorum__result__init(result);
	result->error = model_alarm(model, ETCDSERVERPB__ALARM_TYPE__CORRUPT) ? STORE_CORRUPT :
		check_txn(&txn, request);
	if (result->error == STORE_OK)
	{
		result->response_case = QUORUM__RESULT__RESPONSE_TXN;
		result->txn = run_txn(&txn, request);
		result->txn->header->revision = model->revision;
	}
	result->revision = model->revision;
	result->compacted_revision = model->compacted;
	return result;
}

/* ----------------------------------------------------------------
 *	Commands
 * ----------------------------------------------------------------
 */

void
model_drop_member(Model *model, uint64 id)
{
	int			i;

	for (i = 0; i < model->nmembers; i++)
	{
		if (model->members[i].id == id)
		{
			model->members[i] = model->members[--model->nmembers];
			return;
		}
	}
}

void
model_record_member(Model *model, const Quorum__Member *member)
{
	ModelMember *slot;

	model_drop_member(model, member->id);
	if (model->members == NULL)
		model->members = MemoryContextAlloc(model->context, 64 * sizeof(ModelMember));
	if (model->nmembers == 64)
		elog(ERROR, "too many members in the model");
	slot = &model->members[model->nmembers++];
	slot->id = member->id;
	slot->len = quorum__member__get_packed_size(member);
	slot->packed = MemoryContextAlloc(model->context, slot->len + 1);
	quorum__member__pack(member, (uint8 *) slot->packed);
}

/* A whole number of 64 bits in decimal, worked out with 128 */
static StoreError
read_number(const ModelChange *change, int64 *number)
{
	__int128	value = 0;
	bool		huge = false;
	uint32		i;

	for (i = 0; i < change->value_len; i++)
	{
		char		c = change->value[i];

		if (i == 0 && (c == '-' || c == '+') && change->value_len > 1)
			continue;
		if (c < '0' || c > '9')
			return STORE_NOT_A_NUMBER;
		value = value * 10 + (c - '0');
		if (value > (__int128) 1 << 100)
		{
			huge = true;
			value = 0;
		}
	}
	if (change->value_len == 0)
		return STORE_NOT_A_NUMBER;
	if (change->value[0] == '-')
		value = -value;
	*number = (int64) value;
	return huge || *number != value ? STORE_NUMBER_OUT_OF_RANGE : STORE_OK;
}

static StoreError
run_increment(ModelTxn *txn, const Quorum__IncrementRequest *request, Quorum__Result *result)
{
	Etcdserverpb__PutRequest put = ETCDSERVERPB__PUT_REQUEST__INIT;
	ModelChange *found;
	int64		before = 0;
	__int128	after;
	StoreError	error;

	if (request->key.len == 0)
		return STORE_EMPTY_KEY;
	if (request->key.len > STORE_MAX_KEY_BYTES)
		return STORE_KEY_TOO_LARGE;
	found = live_version(txn->model, find_key(txn->model, request->key), txn->begin);
	error = found != NULL ? read_number(found, &before) : STORE_OK;
	if (error != STORE_OK)
		return error;
	after = (__int128) before + request->by;
	if (after > PG_INT64_MAX || after < PG_INT64_MIN)
		return STORE_NUMBER_OUT_OF_RANGE;

	put.key = request->key;
	put.lease = found != NULL ? found->lease : 0;
	put.value.data = (uint8 *) psprintf("%lld", (long long) after);
	put.value.len = strlen((char *) put.value.data);
	(void) run_put(txn, &put);
	result->response_case = QUORUM__RESULT__RESPONSE_NUMBER;
	result->number = (int64) after;
	return STORE_OK;
}

/* The first revision to come whose number no key of the prefix has is its number */
static StoreError
run_put_sequential(ModelTxn *txn, const Quorum__PutSequentialRequest *request,
				   Quorum__Result *result)
{
	Etcdserverpb__PutRequest put = ETCDSERVERPB__PUT_REQUEST__INIT;
	StoreError	error;

	if (request->prefix.len == 0)
		return STORE_EMPTY_KEY;
	if (request->prefix.len > STORE_MAX_KEY_BYTES - 19)
		return STORE_KEY_TOO_LARGE;
	put.value = request->value;
	put.lease = request->lease;
	error = check_put(txn, &put);
	if (error != STORE_OK)
		return error;

	put.key.data = palloc(request->prefix.len + 32);
	memcpy(put.key.data, request->prefix.data, request->prefix.len);
	txn->begin--;
	do
	{
		txn->begin++;
		put.key.len = request->prefix.len +
			sprintf((char *) put.key.data + request->prefix.len, "%010lld",
					(long long) txn->begin + 1);
	} while (live_version(txn->model, find_key(txn->model, put.key),
						  txn->model->revision) != NULL);
	(void) run_put(txn, &put);
	result->response_case = QUORUM__RESULT__RESPONSE_KEY;
	result->key = put.key;
	return STORE_OK;
}

void
model_drop_alarms(Model *model, uint64 member)
{
	int			n = 0;
	int			i;

	for (i = 0; i < model->nalarms; i++)
	{
		if (model->alarms[i].member != member)
			model->alarms[n++] = model->alarms[i];
	}
	model->nalarms = n;
}

bool
model_alarm(Model *model, int kind)
{
	int			i;

	for (i = 0; i < model->nalarms; i++)
	{
		if (model->alarms[i].kind == kind)
			return true;
	}
	return false;
}

/* How many puts there are in a transaction, at any depth */
static int
count_puts(const Etcdserverpb__TxnRequest *txn)
{
	int			puts = 0;
	size_t		i;

	for (i = 0; i < txn->n_success + txn->n_failure; i++)
	{
		const Etcdserverpb__RequestOp *op = i < txn->n_success ?
			txn->success[i] : txn->failure[i - txn->n_success];

		if (op->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT)
			puts++;
		else if (op->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN)
			puts += count_puts(op->request_txn);
	}
	return puts;
}

/*
 * Which alarm is in the way of a command.  What is wrong with the request itself
 * counts before; there the model relies on what it compares when no alarm is on.
 */
static StoreError
check_alarms(Model *model, const Quorum__Command *command)
{
	bool		grows = command->op_case == QUORUM__COMMAND__OP_PUT ||
		command->op_case == QUORUM__COMMAND__OP_LEASE_GRANT ||
		command->op_case == QUORUM__COMMAND__OP_INCREMENT ||
		command->op_case == QUORUM__COMMAND__OP_PUT_SEQUENTIAL ||
		command->op_case == QUORUM__COMMAND__OP_IMPORT;

	if (model->nalarms == 0 || store_validate(command, 0, 0) != STORE_OK)
		return STORE_OK;
	if (model_alarm(model, ETCDSERVERPB__ALARM_TYPE__CORRUPT) &&
		(grows || command->op_case == QUORUM__COMMAND__OP_DELETE_RANGE ||
		 command->op_case == QUORUM__COMMAND__OP_TXN ||
		 command->op_case == QUORUM__COMMAND__OP_LEASE_REVOKE ||
		 command->op_case == QUORUM__COMMAND__OP_COMPACTION))
		return STORE_CORRUPT;
	if (model_alarm(model, ETCDSERVERPB__ALARM_TYPE__NOSPACE) &&
		(grows || (command->op_case == QUORUM__COMMAND__OP_TXN && count_puts(command->txn) > 0)))
		return STORE_NO_SPACE;
	return STORE_OK;
}

static StoreError
run_alarm(Model *model, const Etcdserverpb__AlarmRequest *request, Quorum__Result *result)
{
	Etcdserverpb__AlarmResponse *response = palloc(sizeof(*response));
	bool		get = request->action == ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__GET;
	bool		raise = request->action == ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__ACTIVATE;
	int			at = 0;
	int			i;

	if ((int) request->action > 2 || (int) request->alarm > 2 || (!get && request->alarm == 0))
		return STORE_INVALID_REQUEST;
	if (raise && request->memberid != 0)
	{
		for (i = 0; i < model->nmembers && model->members[i].id != request->memberid; i++)
			;
		if (i == model->nmembers)
			return STORE_MEMBER_NOT_FOUND;
	}
	while (at < model->nalarms &&
		   (model->alarms[at].member < request->memberid ||
			(model->alarms[at].member == request->memberid &&
			 model->alarms[at].kind < (int) request->alarm)))
		at++;
	if (raise && (at == model->nalarms || model->alarms[at].member != request->memberid ||
				  model->alarms[at].kind != (int) request->alarm))
	{
		memmove(&model->alarms[at + 1], &model->alarms[at],
				(model->nalarms++ - at) * sizeof(model->alarms[0]));
		model->alarms[at].member = request->memberid;
		model->alarms[at].kind = request->alarm;
	}

	etcdserverpb__alarm_response__init(response);
	response->header = header(model->revision);
	response->alarms = palloc(64 * sizeof(*response->alarms));
	for (i = 0; i < model->nalarms; i++)
	{
		Etcdserverpb__AlarmMember *alarm;

		if (get ? request->alarm != 0 && model->alarms[i].kind != (int) request->alarm :
			i != at || model->alarms[i].member != request->memberid ||
			model->alarms[i].kind != (int) request->alarm)
			continue;
		alarm = palloc(sizeof(*alarm));
		etcdserverpb__alarm_member__init(alarm);
		alarm->memberid = model->alarms[i].member;
		alarm->alarm = model->alarms[i].kind;
		response->alarms[response->n_alarms++] = alarm;
	}
	if (!get && !raise && response->n_alarms == 1)
		memmove(&model->alarms[at], &model->alarms[at + 1],
				(--model->nalarms - at) * sizeof(model->alarms[0]));
	result->response_case = QUORUM__RESULT__RESPONSE_ALARM;
	result->alarm = response;
	return STORE_OK;
}

/* Apply a command; the result is in the current memory context */
Quorum__Result *
model_apply(Model *model, const Quorum__Command *command)
{
	Quorum__Result *result = palloc(sizeof(*result));
	ModelTxn	txn = {model, model->revision, 0};
	StoreError	error = model_auth_permit(model, command);
	size_t		i;

	quorum__result__init(result);
	if (error == STORE_OK)
		error = check_alarms(model, command);
	switch (error == STORE_OK ? (int) command->op_case : ALARMED)
	{
		case QUORUM__COMMAND__OP_PUT:
			error = validate_put(command->put);
			if (error == STORE_OK)
				error = check_put(&txn, command->put);
			if (error != STORE_OK)
				break;
			result->response_case = QUORUM__RESULT__RESPONSE_PUT;
			result->put = run_put(&txn, command->put);
			break;
		case QUORUM__COMMAND__OP_DELETE_RANGE:
			if (command->delete_range->key.len == 0)
			{
				error = STORE_EMPTY_KEY;
				break;
			}
			result->response_case = QUORUM__RESULT__RESPONSE_DELETE_RANGE;
			result->delete_range = model_run_delete(&txn, command->delete_range);
			break;
		case QUORUM__COMMAND__OP_TXN:
			error = validate_whole_txn(command->txn);
			if (error == STORE_OK)
				error = check_txn(&txn, command->txn);
			if (error != STORE_OK)
				break;
			result->response_case = QUORUM__RESULT__RESPONSE_TXN;
			result->txn = run_txn(&txn, command->txn);
			result->txn->header->revision = now(&txn);
			break;
		case QUORUM__COMMAND__OP_COMPACTION:
			if (command->compaction->revision <= model->compacted)
				error = STORE_COMPACTED;
			else if (command->compaction->revision > model->revision)
				error = STORE_FUTURE_REVISION;
			else
			{
				model->compacted = command->compaction->revision;
				result->response_case = QUORUM__RESULT__RESPONSE_COMPACTION;
				result->compaction = palloc(sizeof(*result->compaction));
				etcdserverpb__compaction_response__init(result->compaction);
				result->compaction->header = header(model->revision);
			}
			break;
		case QUORUM__COMMAND__OP_MEMBER_CHANGE:
			if (command->member_change->n_steps > 0)
				error = STORE_INVALID_REQUEST;
			for (i = 0; error == STORE_OK && i < command->member_change->n_record; i++)
				model_record_member(model, command->member_change->record[i]);
			break;
		case QUORUM__COMMAND__OP_INCREMENT:
			error = run_increment(&txn, command->increment, result);
			break;
		case QUORUM__COMMAND__OP_PUT_SEQUENTIAL:
			error = run_put_sequential(&txn, command->put_sequential, result);
			break;
		case QUORUM__COMMAND__OP_IMPORT:
			error = model_run_import(&txn, command->import);
			break;
		case QUORUM__COMMAND__OP_ALARM:
			error = run_alarm(model, command->alarm, result);
			break;
		case ALARMED:
			break;
		case QUORUM__COMMAND__OP_LEASE_GRANT:
			error = model_run_grant(model, command->lease_grant, result);
			break;
		case QUORUM__COMMAND__OP_LEASE_REVOKE:
			error = run_revoke(&txn, command->lease_revoke->id);
			break;
		case QUORUM__COMMAND__OP_LEASE_CHECKPOINT:
			for (i = 0; i < command->lease_checkpoint->n_checkpoints; i++)
				run_checkpoint(model, command->lease_checkpoint->checkpoints[i]);
			break;
		default:
			if (command->op_case >= QUORUM__COMMAND__OP_AUTH_ENABLE &&
				command->op_case <= QUORUM__COMMAND__OP_USER_MAP)
				error = model_auth_apply(model, command);
			else
				error = command->origin != 0 ? STORE_INVALID_REQUEST : STORE_OK;
			break;
	}

	if (txn.sub > 0)
		model->revision = txn.begin + 1;
	result->error = error;
	result->revision = model->revision;
	result->compacted_revision = model->compacted;
	return result;
}

/* ----------------------------------------------------------------
 *	The hash
 * ----------------------------------------------------------------
 */

static void
hash_number(pg_crc32c *crc, int64 number)
{
	uint8		bytes[8];
	int			i;

	for (i = 0; i < 8; i++)
		bytes[i] = (uint8) ((uint64) number >> (56 - 8 * i));
	COMP_CRC32C(*crc, bytes, 8);
}

/*
 * The hash, from its definition: keys in order, of each the changes from the
 * newest to the oldest.
 */
uint32
model_hash(Model *model, int64 revision, int64 compacted)
{
	int		   *order = palloc((model->nkeys + 1) * sizeof(int));
	pg_crc32c	crc;
	int			i;
	int			j;

	for (i = 0; i < model->nkeys; i++)
	{
		for (j = i; j > 0; j--)
		{
			ModelKey   *a = &model->keys[order[j - 1]];
			ModelKey   *b = &model->keys[i];

			if (model_compare_bytes(a->data, a->len, b->data, b->len) < 0)
				break;
			order[j] = order[j - 1];
		}
		order[j] = i;
	}

	INIT_CRC32C(crc);
	for (i = 0; i < model->nkeys; i++)
	{
		ModelKey   *key = &model->keys[order[i]];
		ModelChange *kept = model_version(model, order[i], compacted);

		for (j = model->nchanges - 1; j >= 0; j--)
		{
			ModelChange *c = &model->changes[j];

			if (c->key != order[i] || c->main > revision)
				continue;
			if (c->main <= compacted && (c != kept || c->deleted))
				continue;
			hash_number(&crc, key->len);
			COMP_CRC32C(crc, key->data, key->len);
			hash_number(&crc, c->deleted);
			hash_number(&crc, c->main);
			hash_number(&crc, c->sub);
			hash_number(&crc, c->create_revision);
			hash_number(&crc, c->version);
			hash_number(&crc, c->lease);
			hash_number(&crc, c->value_len);
			if (c->value_len > 0)
				COMP_CRC32C(crc, c->value, c->value_len);
		}
	}
	FIN_CRC32C(crc);
	pfree(order);
	return crc;
}
