/*-------------------------------------------------------------------------
 *
 * counter.c
 *	  Numbers that the state machine makes: increments, sequential keys.
 *
 * Both commands are a put whose key or value the state machine works out by
 * itself.  To a watcher, in the history and in the revisions they are nothing else.
 *
 * The number of a sequential key is the revision that makes it.  A counter for
 * each prefix would have to outlive the keys, in a place of its own that snapshots,
 * exports and a repeated apply must know of; the revision has all that is asked of
 * such a number already.  No two commands have the same, it only grows, whatever is
 * deleted, and it is a function of the log.  That numbers of one prefix are not
 * consecutive costs nothing, since the keys that have gone leave gaps anyway.
 *
 * If somebody has made the key by other means, the revisions of such keys are left
 * out.  So a sequential key never replaces anything, and its number is its create
 * revision always.  Whoever would make the next k numbers unusable has to write k
 * keys ahead of the revision, which the search then costs a look-up each.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/counter.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/int.h"

#include "store/counter.h"

/*
 * Read an optional sign and decimal digits, with nothing around them.  An entry
 * must mean the same on every member, so this leans on no function whose grammar
 * a later PostgreSQL may widen.
 */
static StoreError
parse_number(const char *data, uint32 len, int64 *number)
{
	uint32		i = 0;
	bool		negative = len > 0 && data[0] == '-';
	int64		value = 0;
	bool		overflow = false;

	if (negative || (len > 0 && data[0] == '+'))
		i++;
	if (i == len)
		return STORE_NOT_A_NUMBER;
	for (; i < len; i++)
	{
		if (data[i] < '0' || data[i] > '9')
			return STORE_NOT_A_NUMBER;
		/* downwards, where the range is larger by one */
		overflow = overflow ||
			pg_mul_s64_overflow(value, 10, &value) ||
			pg_sub_s64_overflow(value, data[i] - '0', &value);
	}
	if (overflow || (!negative && value == PG_INT64_MIN))
		return STORE_NUMBER_OUT_OF_RANGE;
	*number = negative ? value : -value;
	return STORE_OK;
}

StoreError
validate_increment(const Quorum__IncrementRequest *request)
{
	if (request->key.len == 0)
		return STORE_EMPTY_KEY;
	if (request->key.len > STORE_MAX_KEY_BYTES)
		return STORE_KEY_TOO_LARGE;
	return STORE_OK;
}

/*
 * apply_increment
 *		Add to the number that is a key's value; an absent key counts as 0.
 *
 * The key keeps its lease.  The result is the new number.
 */
StoreError
apply_increment(Store *store, const Quorum__IncrementRequest *request,
				Quorum__Result *result)
{
	Etcdserverpb__PutRequest put = ETCDSERVERPB__PUT_REQUEST__INIT;
	char		text[32];
	KeyVersion	previous;
	int64		number = 0;
	bool		exists;

	exists = view_lookup(&store->view, (const char *) request->key.data,
						 (uint32) request->key.len, store->view.latest, true, &previous);
	if (exists)
	{
		StoreError	error = parse_number(previous.value, previous.value_len, &number);

		if (error != STORE_OK)
			return error;
	}
	if (pg_add_s64_overflow(number, request->by, &number))
		return STORE_NUMBER_OUT_OF_RANGE;

	put.key = request->key;
	put.value.data = (uint8_t *) text;
	put.value.len = snprintf(text, sizeof(text), INT64_FORMAT, number);
	put.ignore_lease = exists;
	store->txn_writer.put(store->txn_writer.arg, &put, NULL);

	if (result != NULL)
	{
		result->response_case = QUORUM__RESULT__RESPONSE_NUMBER;
		result->number = number;
	}
	return STORE_OK;
}

StoreError
validate_put_sequential(const Quorum__PutSequentialRequest *request)
{
	if (request->prefix.len == 0)
		return STORE_EMPTY_KEY;
	if (request->prefix.len > STORE_MAX_PREFIX_BYTES)
		return STORE_KEY_TOO_LARGE;
	if (request->value.len > TREE_MAX_VALUE_BYTES - VERSION_HEADER_MAX)
		return STORE_REQUEST_TOO_LARGE;
	return STORE_OK;
}

/*
 * apply_put_sequential
 *		Put a new key: the prefix and the revision, in ten digits or more.
 *
 * The result is the key.
 */
StoreError
apply_put_sequential(Store *store, const Quorum__PutSequentialRequest *request,
					 Quorum__Result *result)
{
	Etcdserverpb__PutRequest put = ETCDSERVERPB__PUT_REQUEST__INIT;
	char		key[STORE_MAX_KEY_BYTES + 1];
	char	   *digits = key + request->prefix.len;
	KeyVersion	other;
	StoreError	error;

	memcpy(key, request->prefix.data, request->prefix.len);
	put.key.data = (uint8_t *) key;
	put.value = request->value;
	put.lease = request->lease;

	put.key.len = request->prefix.len;
	error = store->txn_writer.check_put(store->txn_writer.arg, &put);
	if (error != STORE_OK)
		return error;

	for (;;)
	{
		put.key.len = request->prefix.len +
			snprintf(digits, SEQUENTIAL_DIGITS + 1, "%010lld",
					 (long long) store_next_revision(store));
		if (!view_lookup(&store->view, key, (uint32) put.key.len,
						 store->view.latest, false, &other))
			break;
		store->skipped++;
		view_poll(&store->view);
	}
	store->txn_writer.put(store->txn_writer.arg, &put, NULL);

	if (result != NULL)
	{
		result->response_case = QUORUM__RESULT__RESPONSE_KEY;
		result->key.len = put.key.len;
		result->key.data = MemoryContextAlloc(store->result_context, put.key.len);
		memcpy(result->key.data, key, put.key.len);
	}
	return STORE_OK;
}
