/*-------------------------------------------------------------------------
 *
 * validate.c
 *	  Checks of a request that need no state.
 *
 * The faces call these before they propose, with the limits of the instance,
 * so that most bad requests cost no log entry; apply calls them again without
 * limits, since an entry means the same on every member whatever their settings.
 *
 * In a transaction no key may be put twice, and none put that is deleted as
 * well, on paths that can run together (etcd's checkIntervals).  A nested
 * transaction's two branches exclude each other.  As in etcd the rule looks at
 * deletes of this level and of nested transactions that come earlier: a nested put
 * before a nested delete of the same key passes, and both happen, in that order.
 * Unlike etcd, a delete whose range_end is "\0" counts as what it is, an interval
 * without an end; etcd takes it for an empty one here.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/validate.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/memutils.h"

#include "store/counter.h"
#include "store/alarms.h"
#include "store/auth.h"
#include "store/encoding.h"
#include "store/import.h"
#include "store/txn.h"

/* A user key */
typedef struct KeyBytes
{
	const char *data;
	uint32		len;
} KeyBytes;

typedef struct PutEntry
{
	KeyBytes	key;
	uint32		hash;
	char		status;
} PutEntry;

#define SH_PREFIX		puts
#define SH_ELEMENT_TYPE	PutEntry
#define SH_KEY_TYPE		KeyBytes
#define SH_KEY			key
#define SH_HASH_KEY(tb, k)	hash_bytes((const unsigned char *) (k).data, (k).len)
#define SH_EQUAL(tb, a, b)	bytes_equal((a).data, (a).len, (b).data, (b).len)
#define SH_STORE_HASH
#define SH_GET_HASH(tb, a)	(a)->hash
#define SH_SCOPE		static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* [start, end); end NULL means no end */
typedef struct DeleteInterval
{
	KeyBytes	start;
	KeyBytes	end;
} DeleteInterval;

/* What a list of operations may write */
typedef struct WriteSet
{
	puts_hash  *puts;
	DeleteInterval *deletes;	/* ascending and disjoint */
	int			ndeletes;
} WriteSet;

static StoreError validate_txn(const Etcdserverpb__TxnRequest *txn, int64 budget, int depth);

/* ----------------------------------------------------------------
 *	Single operations
 * ----------------------------------------------------------------
 */

StoreError
store_validate_range(const Etcdserverpb__RangeRequest *range)
{
	if (range->key.len == 0)
		return STORE_EMPTY_KEY;
	if ((int) range->sort_order < 0 ||
		range->sort_order > ETCDSERVERPB__RANGE_REQUEST__SORT_ORDER__DESCEND)
		return STORE_INVALID_SORT;
	if ((int) range->sort_target < 0 ||
		range->sort_target > ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__VALUE)
		return STORE_INVALID_SORT;
	return STORE_OK;
}

static StoreError
validate_put(const Etcdserverpb__PutRequest *put)
{
	if (put->key.len == 0)
		return STORE_EMPTY_KEY;
	if (put->key.len > STORE_MAX_KEY_BYTES)
		return STORE_KEY_TOO_LARGE;
	if (put->ignore_value && put->value.len != 0)
		return STORE_VALUE_PROVIDED;
	if (put->ignore_lease && put->lease != 0)
		return STORE_LEASE_PROVIDED;
	if (put->value.len > TREE_MAX_VALUE_BYTES - VERSION_HEADER_MAX)
		return STORE_REQUEST_TOO_LARGE;
	return STORE_OK;
}

/* The proposer has chosen an id, if the client did not. */
static StoreError
validate_lease_grant(const Etcdserverpb__LeaseGrantRequest *grant)
{
	if (grant->id == 0)
		return STORE_INVALID_REQUEST;
	if (grant->ttl > STORE_MAX_LEASE_TTL)
		return STORE_LEASE_TTL_TOO_LARGE;
	return STORE_OK;
}

static StoreError
validate_compare(const Etcdserverpb__Compare *compare)
{
	if (compare->key.len == 0)
		return STORE_EMPTY_KEY;
	if ((int) compare->result < 0 ||
		compare->result > ETCDSERVERPB__COMPARE__COMPARE_RESULT__NOT_EQUAL)
		return STORE_INVALID_REQUEST;
	if ((int) compare->target < 0 ||
		compare->target > ETCDSERVERPB__COMPARE__COMPARE_TARGET__LEASE)
		return STORE_INVALID_REQUEST;
	return STORE_OK;
}

static StoreError
validate_op(const Etcdserverpb__RequestOp *op, int64 budget, int depth)
{
	switch (op->request_case)
	{
		case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE:
			return store_validate_range(op->request_range);
		case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT:
			return validate_put(op->request_put);
		case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE:
			return op->request_delete_range->key.len == 0 ? STORE_EMPTY_KEY : STORE_OK;
		case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN:
			return validate_txn(op->request_txn, budget, depth + 1);
		default:
			/* etcd's answer to an operation that is none */
			return STORE_KEY_NOT_FOUND;
	}
}

/*
 * A transaction may have as many compares, and as many operations in either
 * branch, as the budget says; a nested one has what is left of it (etcd).
 */
static StoreError
validate_txn(const Etcdserverpb__TxnRequest *txn, int64 budget, int depth)
{
	int64		ops = Max(txn->n_compare, Max(txn->n_success, txn->n_failure));
	StoreError	error;
	size_t		i;

	if (ops > budget || depth > STORE_MAX_TXN_DEPTH)
		return STORE_TOO_MANY_OPS;

	for (i = 0; i < txn->n_compare; i++)
	{
		error = validate_compare(txn->compare[i]);
		if (error != STORE_OK)
			return error;
	}
	for (i = 0; i < txn->n_success; i++)
	{
		error = validate_op(txn->success[i], budget - ops, depth);
		if (error != STORE_OK)
			return error;
	}
	for (i = 0; i < txn->n_failure; i++)
	{
		error = validate_op(txn->failure[i], budget - ops, depth);
		if (error != STORE_OK)
			return error;
	}
	return STORE_OK;
}

/* ----------------------------------------------------------------
 *	Overlapping writes
 * ----------------------------------------------------------------
 */

static int
interval_cmp(const void *a, const void *b)
{
	const DeleteInterval *x = (const DeleteInterval *) a;
	const DeleteInterval *y = (const DeleteInterval *) b;

	return bytes_compare(x->start.data, x->start.len, y->start.data, y->start.len);
}

/* Sort the intervals and join those that overlap or touch */
static void
normalize_deletes(WriteSet *set)
{
	int			n = 0;
	int			i;

	if (set->ndeletes <= 1)
		return;
	qsort(set->deletes, set->ndeletes, sizeof(DeleteInterval), interval_cmp);
	for (i = 1; i < set->ndeletes; i++)
	{
		DeleteInterval *last = &set->deletes[n];
		DeleteInterval *next = &set->deletes[i];

		if (last->end.data == NULL)
			break;
		if (bytes_compare(last->end.data, last->end.len,
						  next->start.data, next->start.len) < 0)
			set->deletes[++n] = *next;
		else if (next->end.data == NULL ||
				 bytes_compare(last->end.data, last->end.len,
							   next->end.data, next->end.len) < 0)
			last->end = next->end;
	}
	set->ndeletes = n + 1;
}

static void
add_delete(WriteSet *set, const Etcdserverpb__DeleteRangeRequest *request)
{
	DeleteInterval *interval = &set->deletes[set->ndeletes];
	KeyRange	range;

	key_range_set(&range, (const char *) request->key.data, request->key.len,
				  (const char *) request->range_end.data, request->range_end.len);
	interval->start.data = range.start;
	interval->start.len = range.start_len;

	switch (range.kind)
	{
		case KEY_RANGE_OPEN:
			interval->end.data = NULL;
			interval->end.len = 0;
			break;
		case KEY_RANGE_INTERVAL:
			if (bytes_compare(range.start, range.start_len, range.end, range.end_len) >= 0)
				return;			/* empty */
			interval->end.data = range.end;
			interval->end.len = range.end_len;
			break;
		case KEY_RANGE_POINT:
			{
				/* The smallest string behind a key is the key and a zero byte. */
				char	   *end = palloc(range.start_len + 1);

				memcpy(end, range.start, range.start_len);
				end[range.start_len] = '\0';
				interval->end.data = end;
				interval->end.len = range.start_len + 1;
				break;
			}
	}
	set->ndeletes++;
}

static void
union_deletes(WriteSet *set, const WriteSet *other)
{
	if (other->ndeletes == 0)
		return;
	set->deletes = repalloc(set->deletes,
							(set->ndeletes + other->ndeletes) * sizeof(DeleteInterval));
	memcpy(set->deletes + set->ndeletes, other->deletes,
		   other->ndeletes * sizeof(DeleteInterval));
	set->ndeletes += other->ndeletes;
	normalize_deletes(set);
}

static bool
is_deleted(const WriteSet *set, KeyBytes key)
{
	int			low = 0;
	int			high = set->ndeletes;
	const DeleteInterval *interval;

	/* the last interval that starts at or before the key */
	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		interval = &set->deletes[middle];
		if (bytes_compare(interval->start.data, interval->start.len, key.data, key.len) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return false;
	interval = &set->deletes[low - 1];
	return interval->end.data == NULL ||
		bytes_compare(key.data, key.len, interval->end.data, interval->end.len) < 0;
}

/*
 * Add a put to the set.  A key that is in it already is a duplicate, unless it
 * is in the set of the branch that excludes this one.
 */
static bool
add_put(WriteSet *set, KeyBytes key, const WriteSet *excluded)
{
	bool		found;

	if (is_deleted(set, key))
		return false;
	puts_insert(set->puts, key, &found);
	if (!found)
		return true;
	return excluded != NULL && puts_lookup(excluded->puts, key) != NULL;
}

static bool
add_puts(WriteSet *set, const WriteSet *other, const WriteSet *excluded)
{
	puts_iterator iterator;
	PutEntry   *entry;

	puts_start_iterate(other->puts, &iterator);
	while ((entry = puts_iterate(other->puts, &iterator)) != NULL)
	{
		if (!add_put(set, entry->key, excluded))
			return false;
	}
	return true;
}

/*
 * Collect what the operations may write; false if two of them collide.  The
 * recursion is bounded by STORE_MAX_TXN_DEPTH, which was checked before.
 */
static bool
collect_writes(Etcdserverpb__RequestOp *const *ops, size_t nops, WriteSet *set)
{
	size_t		i;

	set->puts = puts_create(CurrentMemoryContext, Min(nops, 1024), NULL);
	set->deletes = palloc(Max(nops, 1) * sizeof(DeleteInterval));
	set->ndeletes = 0;

	for (i = 0; i < nops; i++)
	{
		if (ops[i]->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE)
			add_delete(set, ops[i]->request_delete_range);
	}
	normalize_deletes(set);

	for (i = 0; i < nops; i++)
	{
		const Etcdserverpb__TxnRequest *txn;
		WriteSet	success;
		WriteSet	failure;

		if (ops[i]->request_case != ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN)
			continue;
		txn = ops[i]->request_txn;
		if (!collect_writes(txn->success, txn->n_success, &success) ||
			!collect_writes(txn->failure, txn->n_failure, &failure) ||
			!add_puts(set, &success, NULL) ||
			!add_puts(set, &failure, &success))
			return false;
		union_deletes(set, &success);
		union_deletes(set, &failure);
	}

	for (i = 0; i < nops; i++)
	{
		const Etcdserverpb__PutRequest *put;
		KeyBytes	key;

		if (ops[i]->request_case != ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT)
			continue;
		put = ops[i]->request_put;
		key.data = (const char *) put->key.data;
		key.len = put->key.len;
		if (!add_put(set, key, NULL))
			return false;
	}
	return true;
}

/* Can operations of the list collide at all?  Most transactions write once. */
static bool
needs_collecting(Etcdserverpb__RequestOp *const *ops, size_t nops)
{
	int			writes = 0;
	size_t		i;

	for (i = 0; i < nops; i++)
	{
		if (ops[i]->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN)
			return true;
		if (ops[i]->request_case != ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE &&
			++writes > 1)
			return true;
	}
	return false;
}

static bool
writes_overlap(const Etcdserverpb__TxnRequest *txn)
{
	bool		success = needs_collecting(txn->success, txn->n_success);
	bool		failure = needs_collecting(txn->failure, txn->n_failure);
	bool		overlap;
	MemoryContext context;
	MemoryContext old_context;
	WriteSet	set;

	if (!success && !failure)
		return false;

	context = AllocSetContextCreate(CurrentMemoryContext, "quorum write sets",
									ALLOCSET_DEFAULT_SIZES);
	old_context = MemoryContextSwitchTo(context);
	overlap = (success && !collect_writes(txn->success, txn->n_success, &set)) ||
		(failure && !collect_writes(txn->failure, txn->n_failure, &set));
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
	return overlap;
}

/* ----------------------------------------------------------------
 *	Commands
 * ----------------------------------------------------------------
 */

StoreError
store_validate(const Quorum__Command *command, uint64 max_bytes, int max_ops)
{
	StoreError	error = STORE_OK;

	switch (command->op_case)
	{
		case QUORUM__COMMAND__OP_PUT:
			error = validate_put(command->put);
			break;
		case QUORUM__COMMAND__OP_DELETE_RANGE:
			if (command->delete_range->key.len == 0)
				error = STORE_EMPTY_KEY;
			break;
		case QUORUM__COMMAND__OP_TXN:
			error = validate_txn(command->txn, max_ops > 0 ? max_ops : PG_INT64_MAX, 1);
			if (error == STORE_OK && writes_overlap(command->txn))
				error = STORE_DUPLICATE_KEY;
			break;
		case QUORUM__COMMAND__OP_INCREMENT:
			error = validate_increment(command->increment);
			break;
		case QUORUM__COMMAND__OP_IMPORT:
			error = validate_import(command->import);
			break;
		case QUORUM__COMMAND__OP_PUT_SEQUENTIAL:
			error = validate_put_sequential(command->put_sequential);
			break;
		case QUORUM__COMMAND__OP_LEASE_GRANT:
			error = validate_lease_grant(command->lease_grant);
			break;
		case QUORUM__COMMAND__OP_COMPACTION:
		case QUORUM__COMMAND__OP_MEMBER_CHANGE:
		case QUORUM__COMMAND__OP_LEASE_REVOKE:
		case QUORUM__COMMAND__OP_LEASE_CHECKPOINT:
			break;
		case QUORUM__COMMAND__OP_ALARM:
			error = alarms_validate(command->alarm);
			break;
		case QUORUM__COMMAND__OP_AUTH_ENABLE:
		case QUORUM__COMMAND__OP_AUTH_DISABLE:
		case QUORUM__COMMAND__OP_AUTH_USER_ADD:
		case QUORUM__COMMAND__OP_AUTH_USER_DELETE:
		case QUORUM__COMMAND__OP_AUTH_USER_CHANGE_PASSWORD:
		case QUORUM__COMMAND__OP_AUTH_USER_GRANT_ROLE:
		case QUORUM__COMMAND__OP_AUTH_USER_REVOKE_ROLE:
		case QUORUM__COMMAND__OP_AUTH_ROLE_ADD:
		case QUORUM__COMMAND__OP_AUTH_ROLE_DELETE:
		case QUORUM__COMMAND__OP_AUTH_ROLE_GRANT_PERMISSION:
		case QUORUM__COMMAND__OP_AUTH_ROLE_REVOKE_PERMISSION:
		case QUORUM__COMMAND__OP_USER_MAP:
			error = auth_validate(command);
			break;
		default:
			error = STORE_INVALID_REQUEST;
			break;
	}
	if (error != STORE_OK)
		return error;

	/* a portion of an import can be one key of the greatest size and what goes with it */
	if (max_bytes > 0 && command->op_case != QUORUM__COMMAND__OP_IMPORT &&
		quorum__command__get_packed_size(command) > max_bytes)
		return STORE_REQUEST_TOO_LARGE;
	return STORE_OK;
}
