/*-------------------------------------------------------------------------
 *
 * checks.c
 *	  Reads of a store under test, compared with its model.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/store/checks.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/storage.h"
#include "utils/memutils.h"

#include "store/encoding.h"
#include "store/pbmem.h"
#include "world.h"

/* ----------------------------------------------------------------
 *	Collectors
 * ----------------------------------------------------------------
 */

static ProtobufCBinaryData
copy_binary(ProtobufCBinaryData data)
{
	ProtobufCBinaryData copy;

	copy.len = data.len;
	copy.data = palloc0(data.len + 1);
	if (data.len > 0)
		memcpy(copy.data, data.data, data.len);
	return copy;
}

static Mvccpb__KeyValue *
copy_kv(const Mvccpb__KeyValue *kv)
{
	Mvccpb__KeyValue *copy = palloc(sizeof(*copy));

	*copy = *kv;
	copy->key = copy_binary(kv->key);
	copy->value = copy_binary(kv->value);
	return copy;
}

void
range_collector_init(RangeCollector *collector)
{
	collector->response = palloc(sizeof(*collector->response));
	etcdserverpb__range_response__init(collector->response);
	collector->max = 16;
	collector->stop_after = -1;
	collector->response->kvs = palloc(collector->max * sizeof(Mvccpb__KeyValue *));
}

bool
collect_kv(const Mvccpb__KeyValue *kv, void *arg)
{
	RangeCollector *collector = arg;
	Etcdserverpb__RangeResponse *response = collector->response;

	if (response->n_kvs == collector->max)
	{
		collector->max *= 2;
		response->kvs = repalloc_huge(response->kvs,
									  collector->max * sizeof(Mvccpb__KeyValue *));
	}
	response->kvs[response->n_kvs++] = copy_kv(kv);
	return (int) response->n_kvs != collector->stop_after;
}

void
event_collector_init(EventCollector *collector)
{
	collector->n = 0;
	collector->max = 16;
	collector->stop_after = -1;
	collector->events = palloc(collector->max * sizeof(Mvccpb__Event *));
}

bool
collect_event(const Mvccpb__Event *event, void *arg)
{
	EventCollector *collector = arg;
	Mvccpb__Event *copy = palloc(sizeof(*copy));

	if (collector->n == collector->max)
	{
		collector->max *= 2;
		collector->events = repalloc_huge(collector->events,
										  collector->max * sizeof(Mvccpb__Event *));
	}
	*copy = *event;
	copy->kv = copy_kv(event->kv);
	if (event->prev_kv != NULL)
		copy->prev_kv = copy_kv(event->prev_kv);
	collector->events[collector->n++] = copy;
	return collector->n != collector->stop_after;
}

/* ----------------------------------------------------------------
 *	Ranges
 * ----------------------------------------------------------------
 */

static void
check_range(World *world)
{
	Model	   *model = world->model;
	Etcdserverpb__RangeRequest *request = gen_range(&world->gen, model->revision, model->compacted);
	Etcdserverpb__RangeResponse *expected = NULL;
	StoreError	expected_error = model_range(model, request, false, &expected);
	bool		need_count = gen_chance(&world->gen, 70);
	RangeCollector collector;
	StoreRangeInfo info;
	StoreError	error;

	range_collector_init(&collector);
	error = store_range(world->tree, NULL, request, need_count, collect_kv, &collector, &info);
	if (error != expected_error)
		fail(world, "range: error %d, the model says %d", error, expected_error);
	if (error != STORE_EMPTY_KEY && error != STORE_INVALID_SORT &&
		(info.revision != model->revision || info.compacted_revision != model->compacted))
		fail(world, "range: revisions " INT64_FORMAT ", " INT64_FORMAT,
			 info.revision, info.compacted_revision);
	if (error != STORE_OK)
		return;

	expected->header = NULL;
	collector.response->count = info.count;
	collector.response->more = info.more;
	if (!need_count)
		collector.response->count = expected->count = 0;
	check_messages_equal(world, "range", &collector.response->base, &expected->base);
}

/* The same request in slices, ended by the visitor or by the time, gives the same */
static void
check_range_slices(World *world)
{
	Model	   *model = world->model;
	Etcdserverpb__RangeRequest *request = gen_range(&world->gen, model->revision, model->compacted);
	Etcdserverpb__RangeResponse *expected = NULL;
	StoreError	expected_error = model_range(model, request, false, &expected);
	StoreRangeRead *read = store_range_begin(request, true, gen_chance(&world->gen, 50));
	int			usec = gen_chance(&world->gen, 50) ? 1 : 1000000;
	StoreRangeState state = STORE_RANGE_MORE;
	RangeCollector collector;
	StoreError	error = STORE_OK;

	range_collector_init(&collector);
	while (error == STORE_OK && state != STORE_RANGE_DONE)
	{
		/* so that a slice ends with a key now and then */
		collector.stop_after = (int) collector.response->n_kvs + 1 +
			(int) gen_number(&world->gen, 5);
		error = store_range_slice(read, world->tree, NULL, usec, collect_kv, &collector, &state);
		if (error == STORE_OK && state == STORE_RANGE_AGAIN)
			fail(world, "range in slices began anew");
	}
	if (error != expected_error)
		fail(world, "range in slices: error %d, the model says %d", error, expected_error);
	if (error == STORE_OK)
	{
		if (store_range_info(read)->revision != model->revision)
			fail(world, "range in slices: revision " INT64_FORMAT,
				 store_range_info(read)->revision);
		expected->header = NULL;
		collector.response->count = store_range_info(read)->count;
		collector.response->more = store_range_info(read)->more;
		check_messages_equal(world, "range in slices", &collector.response->base,
							 &expected->base);
	}
	store_range_end(read);
}

/* A visitor that stops gets what it would have got first */
static void
check_range_stop(World *world)
{
	Model	   *model = world->model;
	Etcdserverpb__RangeRequest *request = gen_range(&world->gen, model->revision, model->compacted);
	Etcdserverpb__RangeResponse *expected = NULL;
	RangeCollector collector;
	StoreRangeInfo info;
	size_t		i;

	if (model_range(model, request, false, &expected) != STORE_OK || expected->n_kvs == 0)
		return;
	range_collector_init(&collector);
	collector.stop_after = 1 + gen_number(&world->gen, expected->n_kvs);
	if (store_range(world->tree, NULL, request, false, collect_kv, &collector, &info) != STORE_OK)
		fail(world, "stopped range failed");
	if ((int) collector.response->n_kvs != collector.stop_after)
		fail(world, "stopped range went on");
	for (i = 0; i < collector.response->n_kvs; i++)
		check_messages_equal(world, "key of a stopped range",
							 &collector.response->kvs[i]->base, &expected->kvs[i]->base);
}

static void
check_get(World *world)
{
	Model	   *model = world->model;
	Etcdserverpb__RangeRequest request = ETCDSERVERPB__RANGE_REQUEST__INIT;
	Etcdserverpb__RangeResponse *expected = NULL;
	Mvccpb__KeyValue *kv;
	StoreRangeInfo info;
	StoreError	error;
	StoreError	expected_error;

	request.key = gen_key(&world->gen);
	request.revision = gen_revision(&world->gen, model->revision, model->compacted);
	expected_error = model_range(model, &request, false, &expected);
	error = store_get(world->tree, NULL, (char *) request.key.data, request.key.len,
					  request.revision, &kv, &info);
	if (error != expected_error)
		fail(world, "get: error %d, the model says %d", error, expected_error);
	if (error != STORE_OK)
		return;
	if ((kv != NULL) != (expected->n_kvs == 1))
		fail(world, "get: key %s", kv != NULL ? "found" : "not found");
	if (kv != NULL)
		check_messages_equal(world, "get", &kv->base, &expected->kvs[0]->base);
}

static void
check_read_txn(World *world)
{
	Model	   *model = world->model;
	Etcdserverpb__TxnRequest *request;
	Quorum__Command command = QUORUM__COMMAND__INIT;
	Quorum__Result *result;
	Quorum__Result *expected;

	request = gen_txn(&world->gen, 1, true, model->revision, model->compacted);
	if (!store_txn_is_read_only(request))
		fail(world, "transaction of reads is taken for another");
	command.op_case = QUORUM__COMMAND__OP_TXN;
	command.txn = request;
	if (store_validate(&command, 0, 0) != STORE_OK)
		return;
	expected = model_read_txn(model, request);
	if (store_read_txn(world->tree, NULL, request, &result) != (StoreError) expected->error)
		fail(world, "transaction of reads: error %d, the model says %d",
			 result->error, expected->error);
	check_messages_equal(world, "transaction of reads", &result->base, &expected->base);
}

/* ----------------------------------------------------------------
 *	Events
 * ----------------------------------------------------------------
 */

/* Has a later change of the same transaction replaced this one? */
static bool
replaced_at_once(Model *model, int n)
{
	int			i;

	for (i = n + 1; i < model->nchanges && model->changes[i].main == model->changes[n].main; i++)
	{
		if (model->changes[i].key == model->changes[n].key)
			return true;
	}
	return false;
}

static Mvccpb__Event *
model_event(Model *model, int n, bool want_prev)
{
	ModelChange *change = &model->changes[n];
	Mvccpb__Event *event = palloc(sizeof(*event));
	ModelChange *prev;

	mvccpb__event__init(event);
	event->type = change->deleted ? MVCCPB__EVENT__EVENT_TYPE__DELETE :
		MVCCPB__EVENT__EVENT_TYPE__PUT;
	event->kv = model_kv(model, change);
	prev = model_version(model, change->key, change->main - 1);
	if (want_prev && change->main - 1 >= model->compacted && prev != NULL && !prev->deleted)
		event->prev_kv = model_kv(model, prev);
	return event;
}

/* A reader of slices that stops wherever it likes */
typedef struct SliceReader
{
	World	   *world;
	EventCollector collector;
	bool		want_prev;
	StorePosition last;			/* position of the last event */
} SliceReader;

static StoreWant
want_key(const char *key, uint32 key_len, void *arg)
{
	return ((SliceReader *) arg)->want_prev ? STORE_EVENT_WITH_PREV : STORE_EVENT;
}

static bool
take_change(const Mvccpb__Event *event, int64 sub, void *arg)
{
	SliceReader *reader = arg;
	int64		revision = event->kv->mod_revision;

	if (gen_chance(&reader->world->gen, 30))
		return false;
	if (revision < reader->last.revision ||
		(revision == reader->last.revision && sub <= reader->last.sub))
		fail(reader->world, "change " INT64_FORMAT ".." INT64_FORMAT " comes again", revision, sub);
	reader->last.revision = revision;
	reader->last.sub = sub;
	return collect_event(event, &reader->collector);
}

static bool
has_enough(void *arg)
{
	return gen_chance(&((SliceReader *) arg)->world->gen, 30);
}

/*
 * The same events in slices.
 */
static void
check_changes(World *world, ProtobufCBinaryData key, ProtobufCBinaryData end,
			  int64 after, int64 last, bool want_prev, const EventCollector *expected)
{
	static const StoreChangeReader how = {want_key, take_change, has_enough};
	StorePosition position = {Max(after, 0) + 1, 0};
	SliceReader reader = {.world = world, .want_prev = want_prev};
	int			i;

	event_collector_init(&reader.collector);
	while (position.revision <= last)
	{
		if (store_changes(world->tree, (char *) key.data, key.len, (char *) end.data, end.len,
						  &position, last, &how, &reader) != STORE_OK)
			fail(world, "changes after " INT64_FORMAT " cannot be read", after);
	}
	if (reader.collector.n != expected->n)
		fail(world, "changes after " INT64_FORMAT ": %d in slices, %d at once", after,
			 reader.collector.n, expected->n);
	for (i = 0; i < expected->n; i++)
		check_messages_equal(world, "change", &reader.collector.events[i]->base,
							 &expected->events[i]->base);
}

static void
check_events(World *world)
{
	Model	   *model = world->model;
	Gen		   *gen = &world->gen;
	ProtobufCBinaryData key = gen_key(gen);
	ProtobufCBinaryData end = gen_range_end(gen, key);
	int64		after = gen_revision(gen, model->revision, model->compacted);
	int64		until = gen_chance(gen, 60) ? 0 : gen_revision(gen, model->revision, 0);
	int64		max_events = gen_chance(gen, 50) ? 0 : gen_number(gen, 5);
	bool		want_prev = gen_chance(gen, 50);
	int64		last = until <= 0 || until > model->revision ? model->revision : until;
	EventCollector collector;
	StoreError	error;
	int64		next_after;
	int64		told = 0;
	int64		expected_next;
	int			got = 0;
	int			i;

	if (gen_chance(gen, 30))
	{
		key.len = 0;
		end.len = 1;
		end.data[0] = '\0';
	}

	event_collector_init(&collector);
	error = store_events(world->tree, NULL, (char *) key.data, key.len, (char *) end.data, end.len,
						 after, until, want_prev, max_events,
						 collect_event, &collector, &next_after);
	if (after < 0)
		after = 0;
	if (after + 1 < model->compacted)
	{
		if (error != STORE_COMPACTED || collector.n > 0)
			fail(world, "events after " INT64_FORMAT ": error %d", after, error);
		return;
	}
	if (error != STORE_OK)
		fail(world, "events after " INT64_FORMAT ": error %d", after, error);

	expected_next = Max(after, last);
	for (i = 0; i < model->nchanges; i++)
	{
		ModelChange *change = &model->changes[i];

		if (change->main <= after || change->main > last ||
			!model_in_range(model->keys[change->key].data, model->keys[change->key].len, key, end))
			continue;
		if (change->main == model->compacted && replaced_at_once(model, i))
		{
			/* it may be gone, but if it is told it must be right */
			if (got >= collector.n ||
				collector.events[got]->kv->mod_revision != change->main ||
				collector.events[got]->type != MVCCPB__EVENT__EVENT_TYPE__PUT)
				continue;
		}
		if (max_events > 0 && got >= max_events && change->main > told)
		{
			expected_next = change->main - 1;
			break;
		}
		told = change->main;
		if (got >= collector.n)
			fail(world, "events after " INT64_FORMAT ": one of revision " INT64_FORMAT " is missing",
				 after, change->main);
		check_messages_equal(world, "event", &collector.events[got++]->base,
							 &model_event(model, i, want_prev)->base);
	}
	if (got < collector.n)
		fail(world, "events after " INT64_FORMAT ": %d too many", after, collector.n - got);
	if (expected_next != next_after &&
		!(next_after >= told && next_after < expected_next && max_events > 0))
		fail(world, "events after " INT64_FORMAT " told until " INT64_FORMAT " and not " INT64_FORMAT,
			 after, next_after, expected_next);
	if (max_events == 0)
		check_changes(world, key, end, after, last, want_prev, &collector);
}

/* ----------------------------------------------------------------
 *	Leases
 * ----------------------------------------------------------------
 */

typedef struct LeaseCheck
{
	World	   *world;
	int			n;
	uint64		last;			/* id */
	int			stop_after;		/* -1: never */
} LeaseCheck;

static bool
check_lease(const StoreLease *lease, void *arg)
{
	LeaseCheck *check = arg;
	ModelLease *expected = model_lease(check->world->model, lease->id);

	if ((uint64) lease->id <= check->last)
		fail(check->world, "leases are not in order");
	check->last = (uint64) lease->id;
	if (expected == NULL || !expected->exists)
		fail(check->world, "lease " INT64_FORMAT " does not exist in the model", lease->id);
	if (lease->ttl != expected->ttl || lease->remaining != expected->remaining)
		fail(check->world, "lease " INT64_FORMAT " has " INT64_FORMAT ", " INT64_FORMAT " and not " INT64_FORMAT ", " INT64_FORMAT,
			 lease->id, lease->ttl, lease->remaining, expected->ttl, expected->remaining);
	return ++check->n != check->stop_after;
}

typedef struct LeaseKeyCheck
{
	World	   *world;
	ModelChange **expected;
	int			nexpected;
	int			n;
	int			stop_after;
} LeaseKeyCheck;

static bool
check_lease_key(const char *key, uint32 key_len, void *arg)
{
	LeaseKeyCheck *check = arg;
	ModelKey   *expected;

	if (check->n == check->nexpected)
		fail(check->world, "lease has more than %d keys", check->nexpected);
	expected = &check->world->model->keys[check->expected[check->n]->key];
	if (model_compare_bytes(key, key_len, expected->data, expected->len) != 0)
		fail(check->world, "key %d of a lease differs from the model's", check->n);
	return ++check->n != check->stop_after;
}

/* All leases, and the keys of each */
static void
check_leases(World *world)
{
	Model	   *model = world->model;
	LeaseCheck	check = {world, 0, 0, -1};
	int			expected = 0;
	int			i;

	store_scan_leases(world->tree, 0, check_lease, &check);
	for (i = 0; i < model->nleases; i++)
	{
		ModelLease *lease = &model->leases[i];
		LeaseKeyCheck keys = {world, NULL, 0, 0, -1};
		StoreLease	found;
		bool		exists = store_get_lease(world->tree, lease->id, &found);

		if (exists != lease->exists)
			fail(world, "lease " INT64_FORMAT " %s", lease->id, exists ? "exists" : "is missing");
		if (exists && (found.id != lease->id || found.ttl != lease->ttl ||
					   found.remaining != lease->remaining))
			fail(world, "lease " INT64_FORMAT " differs from the model's", lease->id);
		expected += lease->exists;

		keys.expected = model_lease_keys(model, lease->id, model->revision, &keys.nexpected);
		if (!lease->exists && keys.nexpected > 0)
			fail(world, "the model's revoked lease has keys");
		if (store_lease_keys(world->tree, NULL, lease->id, check_lease_key, &keys) != STORE_OK)
			fail(world, "keys of a lease refused");
		if (keys.n != keys.nexpected)
			fail(world, "%d keys of a lease, not %d", keys.n, keys.nexpected);
		if (keys.nexpected > 1)
		{
			keys.n = 0;
			keys.stop_after = 1 + gen_number(&world->gen, keys.nexpected - 1);
			(void) store_lease_keys(world->tree, NULL, lease->id, check_lease_key, &keys);
			if (keys.n != keys.stop_after)
				fail(world, "keys of a lease went on");
		}
	}
	if (check.n != expected)
		fail(world, "%d leases, the model has %d", check.n, expected);

	if (expected > 1)
	{
		LeaseCheck	rest = {world, 0, 0, -1};

		/* stop, and go on behind that one */
		check.n = 0;
		check.last = 0;
		check.stop_after = 1 + gen_number(&world->gen, expected - 1);
		store_scan_leases(world->tree, 0, check_lease, &check);
		if (check.n != check.stop_after)
			fail(world, "stopped scan of leases went on");
		rest.last = check.last;
		store_scan_leases(world->tree, (int64) check.last, check_lease, &rest);
		if (check.n + rest.n != expected)
			fail(world, "%d and %d leases, the model has %d", check.n, rest.n, expected);
	}
}

/* ----------------------------------------------------------------
 *	The whole
 * ----------------------------------------------------------------
 */

static void
check_hash(World *world, int64 revision)
{
	Model	   *model = world->model;
	int64		at = revision > 0 ? revision : model->revision;
	StoreError	expected = revision > model->revision ? STORE_FUTURE_REVISION :
		at < model->compacted ? STORE_COMPACTED : STORE_OK;
	StoreError	error;
	uint32		hash;
	int64		hash_revision;
	int64		compacted;

	error = store_hash_kv(world->tree, NULL, revision, &hash, &hash_revision, &compacted);
	if (error != expected)
		fail(world, "hash at " INT64_FORMAT ": error %d", revision, error);
	if (error == STORE_OK &&
		(hash_revision != at || compacted != model->compacted ||
		 hash != model_hash(model, at, compacted)))
		fail(world, "hash at " INT64_FORMAT " differs from the model's", revision);
}

void
world_check_reads(World *world, int n)
{
	MemoryContext old_context = MemoryContextSwitchTo(world->step_context);
	int			i;

	for (i = 0; i < n; i++)
	{
		check_range(world);
		check_get(world);
		if (i % 2 == 0)
			check_read_txn(world);
		else
			check_events(world);
		if (i % 4 == 0)
			check_range_slices(world);
		if (i % 8 == 0)
			check_range_stop(world);
		world_check_access(world, 3);
		if (i % 4 == 0)
			check_leases(world);
		if (i % 16 == 0)
			check_hash(world, gen_revision(&world->gen, world->model->revision,
										   world->model->compacted));
		MemoryContextReset(world->step_context);
	}
	MemoryContextSwitchTo(old_context);
	MemoryContextReset(world->step_context);
}

static void
raise_finding(const char *relation, BlockNumber block, const char *finding, void *arg)
{
	fail((World *) arg, "block %u: %s", block, finding);
}

/* Meta, members, hash, and the pages */
void
world_check_state(World *world)
{
	MemoryContext old_context = MemoryContextSwitchTo(world->step_context);
	Model	   *model = world->model;
	Quorum__StoreMeta *meta = store_read_meta(world->tree);
	List	   *members = store_read_members(world->tree);
	ListCell   *cell;
	uint64		last_id = 0;
	int			alarm;

	check_messages_equal(world, "meta", &meta->base, &store_meta(world->store)->base);
	if (meta->applied_index != world->nentries ||
		meta->revision != model->revision ||
		meta->compacted_revision != model->compacted ||
		meta->live_keys != model_live_keys(model))
		fail(world, "applied index %llu, revision " INT64_FORMAT ", compacted " INT64_FORMAT ", keys " INT64_FORMAT,
			 (unsigned long long) meta->applied_index, meta->revision,
			 meta->compacted_revision, meta->live_keys);

	if ((int) meta->n_alarms != model->nalarms)
		fail(world, "%d alarms, the model has %d", (int) meta->n_alarms, model->nalarms);
	for (alarm = 0; alarm < model->nalarms; alarm++)
	{
		if (meta->alarms[alarm]->memberid != model->alarms[alarm].member ||
			(int) meta->alarms[alarm]->alarm != model->alarms[alarm].kind)
			fail(world, "alarm %d differs from the model's", alarm);
	}

	world_check_auth(world);
	if (list_length(members) != model->nmembers)
		fail(world, "%d members, the model has %d", list_length(members), model->nmembers);
	foreach(cell, members)
	{
		Quorum__Member *member = lfirst(cell);
		size_t		len;
		char	   *packed = pb_pack(&member->base, &len);
		bool		found = false;
		int			i;

		if (member->id <= last_id)
			fail(world, "members are not in order");
		last_id = member->id;
		for (i = 0; i < model->nmembers; i++)
			found |= len == model->members[i].len &&
				memcmp(packed, model->members[i].packed, len) == 0;
		if (!found)
			fail(world, "member %llu differs from the model's", (unsigned long long) member->id);
	}

	check_hash(world, 0);
	check_leases(world);
	storage_check(world->tree, STORAGE_TREE, raise_finding, world);
	MemoryContextSwitchTo(old_context);
	MemoryContextReset(world->step_context);
}

/*
 * After all physical compaction: does the tree hold just what it should?
 */
void
world_check_items(World *world)
{
	MemoryContext old_context = MemoryContextSwitchTo(world->step_context);
	Model	   *model = world->model;
	TreeScan   *scan = tree_scan_begin(world->tree, TREE_MAIN);
	TreeKey		first;
	TreeItem	item;
	int			versions = 0;
	int			indexes = 0;
	int			leases = 0;
	int			attachments = 0;
	int			portions = 0;
	int			expected_versions = 0;
	int			expected_indexes = 0;
	int			expected_leases = 0;
	int			expected_attachments = 0;
	int			i;

	number_tree_key(&first, 0, 0, 0);
	tree_seek(scan, &first);
	while (tree_next(scan, &item))
	{
		int64		id;
		const char *key;
		uint32		key_len;

		versions += item.key.space == SPACE_KEY;
		indexes += item.key.space == SPACE_REVISION;
		leases += item.key.space == SPACE_LEASE;
		portions += item.key.space == SPACE_IMPORT;
		if (item.key.space == SPACE_LEASE_CHANGE)
			fail(world, "a change of a lease is left");
		if (decode_attachment_key(&item.key, &id, &key, &key_len))
		{
			ModelLease *lease = model_lease(model, id);

			if (lease == NULL || !lease->exists)
				fail(world, "an attachment to lease " INT64_FORMAT " is left", id);
			attachments += lease->granted == 1;
		}
	}
	tree_scan_end(scan);

	if (portions != (model->import.copy != 0 ? model->import.nchunks : 0))
		fail(world, "%d portions of imports are left", portions);

	/* those that were granted twice may have attachments of their first life */
	for (i = 0; i < model->nleases; i++)
	{
		int			n;

		if (!model->leases[i].exists)
			continue;
		expected_leases++;
		(void) model_lease_keys(model, model->leases[i].id, model->revision, &n);
		if (model->leases[i].granted == 1)
			expected_attachments += n;
	}
	if (leases != expected_leases || attachments != expected_attachments)
		fail(world, "%d leases and %d attachments left, not %d and %d",
			 leases, attachments, expected_leases, expected_attachments);

	for (i = 0; i < model->nchanges; i++)
	{
		ModelChange *change = &model->changes[i];

		expected_indexes += change->main >= model->compacted;
		if (change->main > model->compacted)
			expected_versions++;
		else if (change == model_version(model, change->key, model->compacted))
			expected_versions += !change->deleted || change->main == model->compacted;
	}
	if (versions != expected_versions || indexes != expected_indexes)
		fail(world, "%d versions and %d index items left, not %d and %d",
			 versions, indexes, expected_versions, expected_indexes);
	MemoryContextSwitchTo(old_context);
	MemoryContextReset(world->step_context);
}
