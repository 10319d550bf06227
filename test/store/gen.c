/*-------------------------------------------------------------------------
 *
 * gen.c
 *	  Random commands and requests from a seed.
 *
 * Few keys, so that commands meet; many of them prefixes of each other, some
 * with bytes 0 and 255, one of the greatest length.  Few values, so that
 * compares of them can hold; some are long enough for overflow pages.  Of the
 * requests a few are wrong, each in one way.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/store/gen.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "build_requests.h"
#include "gen.h"

void
gen_init(Gen *gen, uint64 seed)
{
	memset(gen, 0, sizeof(*gen));
	gen->state = seed * UINT64CONST(0x9e3779b97f4a7c15) + 1;
	gen->nkeys = 12 + gen_number(gen, 40);
}

/* splitmix64 */
uint32
gen_number(Gen *gen, uint32 below)
{
	uint64		z = (gen->state += UINT64CONST(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64CONST(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64CONST(0x94d049bb133111eb);
	z ^= z >> 31;
	return (uint32) ((z >> 32) * below >> 32);
}

bool
gen_chance(Gen *gen, uint32 percent)
{
	return gen_number(gen, 100) < percent;
}

static ProtobufCBinaryData
bytes(const char *data, size_t len)
{
	ProtobufCBinaryData result;

	result.data = palloc(len + 1);
	result.len = len;
	if (len > 0)
		memcpy(result.data, data, len);
	return result;
}

/* Key number n is always the same; none is empty */
static ProtobufCBinaryData
pool_key(int n)
{
	static const char alphabet[] = {'a', 'b', '\0', (char) 0xff};
	char		key[8];
	int			len = 0;

	if (n == 11)
		return long_bytes('a', STORE_MAX_KEY_BYTES);
	do
	{
		key[len++] = alphabet[n % 4];
		n = n / 4 - 1;
	} while (n >= 0);
	return bytes(key, len);
}

ProtobufCBinaryData
gen_key(Gen *gen)
{
	return pool_key(gen_number(gen, gen->nkeys));
}

ProtobufCBinaryData
gen_range_end(Gen *gen, ProtobufCBinaryData key)
{
	uint32		kind = gen_number(gen, 100);

	if (kind < 40)
		return bytes("", 0);
	if (kind < 55)
		return bytes("\0", 1);
	if (kind < 70)
	{
		uint32		len;
		char	   *end = store_prefix_end((char *) key.data, key.len, &len);

		return bytes(end, len);
	}
	return gen_key(gen);
}

int64
gen_revision(Gen *gen, int64 revision, int64 compacted)
{
	uint32		kind = gen_number(gen, 100);

	if (kind < 40)
		return 0;
	if (kind < 43)
		return -(int64) gen_number(gen, 4);
	if (kind < 46)
		return revision + gen_number(gen, 3);
	if (kind < 50)
		return compacted - 1 + gen_number(gen, 3);
	compacted = Max(compacted, 0);
	return compacted + gen_number(gen, (uint32) (revision - compacted + 1));
}

static ProtobufCBinaryData
gen_value(Gen *gen)
{
	uint32		kind = gen_number(gen, 100);
	uint32		len;
	ProtobufCBinaryData value;

	if (kind < 30)
		return bytes("", 0);
	if (kind < 45)
	{
		/* numbers, and what looks like one */
		static const char *const numbers[] = {"7", "-12", "+3", "0", "9223372036854775807",
			"-9223372036854775808", "9223372036854775808", "-", "1 ", "-9223372036854775809",
			"00000000000000000000000000000000000000000000000042"};
		const char *number = numbers[gen_number(gen, lengthof(numbers))];

		return bytes(number, strlen(number));
	}
	if (kind < 96)
	{
		value = bytes("vvvvvvvvvvvvvvvvvvvv", 1 + gen_number(gen, 3));
		value.data[0] = 'v' + gen_number(gen, 2);
		return value;
	}
	len = 1500 + gen_number(gen, 16000);
	return long_bytes('v' + gen_number(gen, 2), len);
}

/* Few leases, so that they are granted again after they were revoked; some
 * differ in the upper half alone, and some are negative */
int64
gen_lease(Gen *gen)
{
	static const int64 leases[] = {1, 2, 3, INT64CONST(0x100000001), INT64CONST(0x7fffffffffffffff),
	-1, -2};

	return leases[gen_number(gen, lengthof(leases))];
}

static Etcdserverpb__PutRequest *
gen_put(Gen *gen)
{
	Etcdserverpb__PutRequest *put = palloc(sizeof(*put));

	etcdserverpb__put_request__init(put);
	put->key = gen_key(gen);
	put->value = gen_value(gen);
	put->prev_kv = gen_chance(gen, 30);
	if (gen->simple)
		return put;

	if (gen_chance(gen, 10))
	{
		put->ignore_value = true;
		if (!gen_chance(gen, 10))
			put->value.len = 0;
	}
	put->ignore_lease = gen_chance(gen, 5);
	if (gen_chance(gen, 2))
		put->lease = 4711;		/* there is no such lease */
	else if (!put->ignore_lease && gen_chance(gen, 35))
		put->lease = gen_lease(gen);
	if (gen_chance(gen, 1))
		put->key.len = 0;
	else if (gen_chance(gen, 1))
		put->key = long_bytes('k', STORE_MAX_KEY_BYTES + 1);
	return put;
}

static Etcdserverpb__DeleteRangeRequest *
gen_delete(Gen *gen)
{
	Etcdserverpb__DeleteRangeRequest *request = palloc(sizeof(*request));

	etcdserverpb__delete_range_request__init(request);
	request->key = gen_key(gen);
	if (gen_chance(gen, 50))
		request->range_end = gen_range_end(gen, request->key);
	request->prev_kv = gen_chance(gen, 30);
	if (!gen->simple && gen_chance(gen, 1))
		request->key.len = 0;
	return request;
}

Etcdserverpb__RangeRequest *
gen_range(Gen *gen, int64 revision, int64 compacted)
{
	Etcdserverpb__RangeRequest *range = palloc(sizeof(*range));

	etcdserverpb__range_request__init(range);
	range->key = gen_key(gen);
	range->range_end = gen_range_end(gen, range->key);
	range->revision = gen_revision(gen, revision, compacted);
	range->serializable = gen_chance(gen, 50);
	if (gen_chance(gen, 40))
		range->limit = (int64) gen_number(gen, 8) - 1;
	if (gen_chance(gen, 40))
	{
		range->sort_order = gen_number(gen, 3);
		range->sort_target = gen_number(gen, 5);
	}
	range->keys_only = gen_chance(gen, 20);
	range->count_only = gen_chance(gen, 10);
	if (gen_chance(gen, 10))
		range->min_mod_revision = gen_number(gen, (uint32) revision + 1);
	if (gen_chance(gen, 10))
		range->max_mod_revision = gen_number(gen, (uint32) revision + 1);
	if (gen_chance(gen, 10))
		range->min_create_revision = gen_number(gen, (uint32) revision + 1);
	if (gen_chance(gen, 10))
		range->max_create_revision = gen_number(gen, (uint32) revision + 1);
	if (gen_chance(gen, 1))
		range->key.len = 0;
	else if (gen_chance(gen, 1))
		range->sort_order = 3;
	else if (gen_chance(gen, 1))
		range->sort_target = 5;
	return range;
}

static Etcdserverpb__Compare *
gen_compare(Gen *gen, int64 revision)
{
	Etcdserverpb__Compare *compare = palloc(sizeof(*compare));

	etcdserverpb__compare__init(compare);
	compare->key = gen_key(gen);
	if (gen_chance(gen, 30))
		compare->range_end = gen_range_end(gen, compare->key);
	compare->result = gen_number(gen, 4);
	compare->target = gen_number(gen, 5);
	switch (gen_chance(gen, 95) ? compare->target : gen_number(gen, 6))
	{
		case ETCDSERVERPB__COMPARE__COMPARE_TARGET__VERSION:
			compare->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_VERSION;
			compare->version = gen_number(gen, 4);
			break;
		case ETCDSERVERPB__COMPARE__COMPARE_TARGET__CREATE:
			compare->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_CREATE_REVISION;
			compare->create_revision = gen_chance(gen, 50) ? 0 : gen_number(gen, revision + 1);
			break;
		case ETCDSERVERPB__COMPARE__COMPARE_TARGET__MOD:
			compare->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_MOD_REVISION;
			compare->mod_revision = gen_chance(gen, 50) ? 0 : gen_number(gen, revision + 1);
			break;
		case ETCDSERVERPB__COMPARE__COMPARE_TARGET__VALUE:
			compare->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_VALUE;
			compare->value = gen_value(gen);
			break;
		case ETCDSERVERPB__COMPARE__COMPARE_TARGET__LEASE:
			compare->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_LEASE;
			compare->lease = gen_number(gen, 3);
			break;
		default:
			break;
	}
	if (gen_chance(gen, 1))
		compare->key.len = 0;
	else if (gen_chance(gen, 1))
		compare->target = 5;
	else if (gen_chance(gen, 1))
		compare->result = 4;
	return compare;
}

static Etcdserverpb__RequestOp *
gen_op(Gen *gen, int depth, bool only_reads, int64 revision, int64 compacted)
{
	Etcdserverpb__RequestOp *op = palloc(sizeof(*op));
	uint32		kind = only_reads ? 0 : gen_number(gen, 100);

	etcdserverpb__request_op__init(op);
	if (kind < 25)
	{
		op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE;
		op->request_range = gen_range(gen, revision, compacted);
	}
	else if (kind < 65)
	{
		op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
		op->request_put = gen_put(gen);
	}
	else if (kind < 80)
	{
		op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE;
		op->request_delete_range = gen_delete(gen);
	}
	else if (kind < 99)
	{
		op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN;
		op->request_txn = gen_txn(gen, depth + 1, false, revision, compacted);
	}
	return op;
}

static Etcdserverpb__RequestOp **
gen_ops(Gen *gen, size_t *n, int depth, bool only_reads, int64 revision, int64 compacted)
{
	Etcdserverpb__RequestOp **ops;
	size_t		i;

	*n = depth > 3 ? 0 : gen_number(gen, 4);
	ops = palloc((*n + 1) * sizeof(*ops));
	for (i = 0; i < *n; i++)
		ops[i] = gen_op(gen, depth, only_reads, revision, compacted);
	return ops;
}

Etcdserverpb__TxnRequest *
gen_txn(Gen *gen, int depth, bool only_reads, int64 revision, int64 compacted)
{
	Etcdserverpb__TxnRequest *txn = palloc(sizeof(*txn));
	size_t		i;

	etcdserverpb__txn_request__init(txn);
	txn->n_compare = gen_number(gen, 3);
	txn->compare = palloc((txn->n_compare + 1) * sizeof(*txn->compare));
	for (i = 0; i < txn->n_compare; i++)
		txn->compare[i] = gen_compare(gen, revision);
	txn->success = gen_ops(gen, &txn->n_success, depth, only_reads, revision, compacted);
	txn->failure = gen_ops(gen, &txn->n_failure, depth, only_reads, revision, compacted);
	return txn;
}

Quorum__Member *
gen_member(Gen *gen)
{
	Quorum__Member *member = palloc(sizeof(*member));

	quorum__member__init(member);
	member->id = gen_number(gen, 6) + 1;
	member->name = psprintf("n%d", (int) member->id);
	member->conninfo = psprintf("port=%d", (int) gen_number(gen, 60000));
	member->is_learner = gen_chance(gen, 20);
	return member;
}

static Quorum__IncrementRequest *
gen_increment(Gen *gen)
{
	Quorum__IncrementRequest *request = palloc(sizeof(*request));

	quorum__increment_request__init(request);
	request->key = gen_key(gen);
	request->by = (int64) gen_number(gen, 5) - 2;
	if (gen_chance(gen, 5))
		request->by = gen_chance(gen, 50) ? PG_INT64_MAX : PG_INT64_MIN;
	if (gen_chance(gen, 2))
		request->key.len = 0;
	else if (gen_chance(gen, 2))
		request->key = long_bytes('k', STORE_MAX_KEY_BYTES + 1);
	return request;
}

static Quorum__PutSequentialRequest *
gen_put_sequential(Gen *gen)
{
	Quorum__PutSequentialRequest *request = palloc(sizeof(*request));

	quorum__put_sequential_request__init(request);
	request->prefix = gen_key(gen);
	request->value = gen_value(gen);
	if (gen_chance(gen, 2))
		request->prefix.len = 0;
	else if (gen_chance(gen, 2))
		request->lease = 4711;
	else if (gen_chance(gen, 20))
		request->lease = gen_lease(gen);
	return request;
}

/* A put of a key as a sequential one to come would have it */
static void
gen_foreign_sequential(Gen *gen, Etcdserverpb__PutRequest *put, int64 revision)
{
	char		digits[32];
	int			len = snprintf(digits, sizeof(digits), "%010lld",
							   (long long) revision + 1 + gen_number(gen, 6));

	if (put->key.len == 0 || put->key.len + len > STORE_MAX_KEY_BYTES)
		return;
	put->key.data = repalloc(put->key.data, put->key.len + len);
	memcpy(put->key.data + put->key.len, digits, len);
	put->key.len += len;
}

/* More often disarmed than raised, since what alarms refuse tests nothing else */
static Etcdserverpb__AlarmRequest *
gen_alarm(Gen *gen)
{
	Etcdserverpb__AlarmRequest *alarm = palloc(sizeof(*alarm));

	etcdserverpb__alarm_request__init(alarm);
	alarm->action = gen_chance(gen, 20) ? 1 : gen_chance(gen, 85) ? 2 : gen_number(gen, 4);
	alarm->alarm = gen_chance(gen, 5) ? gen_number(gen, 4) : gen_chance(gen, 60) ? 1 : 2;
	alarm->memberid = gen_chance(gen, 80) ? 1 : gen_number(gen, 7);
	return alarm;
}

static void
gen_lease_command(Gen *gen, Quorum__Command *command)
{
	uint32		kind = gen_number(gen, 100);

	if (kind < 50)
	{
		command->op_case = QUORUM__COMMAND__OP_LEASE_GRANT;
		command->lease_grant = palloc(sizeof(*command->lease_grant));
		etcdserverpb__lease_grant_request__init(command->lease_grant);
		command->lease_grant->id = gen_chance(gen, 98) ? gen_lease(gen) : 0;
		command->lease_grant->ttl = (int64) gen_number(gen, 1000) - 2;
		if (gen_chance(gen, 5))
			command->lease_grant->ttl = INT64CONST(9000000000) + gen_number(gen, 2);
	}
	else if (kind < 80)
	{
		command->op_case = QUORUM__COMMAND__OP_LEASE_REVOKE;
		command->lease_revoke = palloc(sizeof(*command->lease_revoke));
		etcdserverpb__lease_revoke_request__init(command->lease_revoke);
		command->lease_revoke->id = gen_lease(gen);
	}
	else
	{
		Etcdserverpb__LeaseCheckpointRequest *request = palloc(sizeof(*request));
		size_t		i;

		etcdserverpb__lease_checkpoint_request__init(request);
		request->n_checkpoints = gen_number(gen, 5);
		request->checkpoints = palloc(5 * sizeof(*request->checkpoints));
		for (i = 0; i < request->n_checkpoints; i++)
		{
			Etcdserverpb__LeaseCheckpoint *checkpoint = palloc(sizeof(*checkpoint));

			etcdserverpb__lease_checkpoint__init(checkpoint);
			checkpoint->id = gen_lease(gen);
			checkpoint->remaining_ttl = (int64) gen_number(gen, 1100) - 10;
			request->checkpoints[i] = checkpoint;
		}
		command->op_case = QUORUM__COMMAND__OP_LEASE_CHECKPOINT;
		command->lease_checkpoint = request;
	}
}

Quorum__Command *
gen_command(Gen *gen, int64 revision, int64 compacted)
{
	Quorum__Command *command = palloc(sizeof(*command));
	uint32		kind = gen_number(gen, 100);

	quorum__command__init(command);
	command->origin = 1;
	command->request = gen_number(gen, 1000000);
	if (!gen->simple)
		gen_caller(gen, command);
	if (!gen->simple && gen_chance(gen, 15))
		gen_auth_command(gen, command);
	else if (!gen->simple && gen_chance(gen, 5))
	{
		command->op_case = QUORUM__COMMAND__OP_ALARM;
		command->alarm = gen_alarm(gen);
	}
	else if (!gen->simple && gen_chance(gen, 8))
	{
		command->op_case = QUORUM__COMMAND__OP_INCREMENT;
		command->increment = gen_increment(gen);
	}
	else if (!gen->simple && gen_chance(gen, 8))
	{
		command->op_case = QUORUM__COMMAND__OP_PUT_SEQUENTIAL;
		command->put_sequential = gen_put_sequential(gen);
	}
	else if (kind < (gen->simple ? 70 : 35))
	{
		command->op_case = QUORUM__COMMAND__OP_PUT;
		command->put = gen_put(gen);
		if (!gen->simple && gen_chance(gen, 5))
			gen_foreign_sequential(gen, command->put, revision);
	}
	else if (kind < (gen->simple ? 96 : 50))
	{
		command->op_case = QUORUM__COMMAND__OP_DELETE_RANGE;
		command->delete_range = gen_delete(gen);
	}
	else if (kind < 65 && !gen->simple)
		gen_lease_command(gen, command);
	else if (kind < 90 && !gen->simple)
	{
		command->op_case = QUORUM__COMMAND__OP_TXN;
		command->txn = gen_txn(gen, 1, false, revision, compacted);
	}
	else if (kind < 95 || gen->simple)
	{
		command->op_case = QUORUM__COMMAND__OP_COMPACTION;
		command->compaction = palloc(sizeof(*command->compaction));
		etcdserverpb__compaction_request__init(command->compaction);
		command->compaction->revision = gen_chance(gen, 80) ?
			gen_revision(gen, revision, compacted) : revision;
		command->compaction->physical = gen_chance(gen, 50);
	}
	else if (kind < 97)
	{
		command->op_case = QUORUM__COMMAND__OP_MEMBER_CHANGE;
		command->member_change = palloc(sizeof(*command->member_change));
		quorum__member_change__init(command->member_change);
		command->member_change->n_record = 1;
		command->member_change->record = palloc(sizeof(Quorum__Member *));
		command->member_change->record[0] = gen_member(gen);
	}
	else if (kind < 99)
		command->origin = 0, command->request = 0;	/* a leader's empty entry */
	return command;
}
