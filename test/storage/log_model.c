/*-------------------------------------------------------------------------
 *
 * log_model.c
 *	  Random operations on the log, beside a plain array.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/storage/log_model.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "test_util.h"
#include "../../src/compat.h"

PG_FUNCTION_INFO_V1(test_log_model);

#define MAX_BATCH	300

typedef struct ModelEntry
{
	uint64		term;
	uint64		seed;
	uint32		size;
	uint8		type;
} ModelEntry;

typedef struct Model
{
	Random		random;
	Relation	rel;
	LogRing    *ring;
	uint64		base_index;
	uint64		base_term;
	uint64		last_index;
	uint64		term;
	ModelEntry *entries;		/* by index modulo size */
	uint64		size;
	uint64		host_seed;
	uint32		host_len;
	int64		appended;
} Model;

static ModelEntry *
entry_of(Model *model, uint64 index)
{
	return &model->entries[index % model->size];
}

static void
append(Model *model)
{
	Random	   *random = &model->random;
	int			n = 1 + random_below(random, random_chance(random, 20) ? MAX_BATCH : 5);
	LogEntry   *entries = palloc(n * sizeof(LogEntry));
	uint64		first = model->last_index + 1;
	char		host[LOGRING_MAX_META_BYTES];
	bool		with_host = random_chance(random, 10);

	if (random_chance(random, 15) && model->last_index > model->base_index)
	{
		uint64		count = model->last_index - model->base_index;

		/* most often the last few are replaced, sometimes all */
		if (!random_chance(random, 5))
			count = Min(count, 400);
		first -= random_below(random, count) + 1;
		model->term++;
	}
	for (int i = 0; i < n; i++)
	{
		ModelEntry *entry = entry_of(model, first + i);
		char	   *data;

		entry->term = model->term;
		entry->type = (uint8) random_next(random);
		entry->seed = random_next(random);
		entry->size = random_below(random, 700);
		if (random_chance(random, 2))
			entry->size = random_below(random, 20000);
		if (random_below(random, 2000) == 0)
			entry->size = random_below(random, 3 * 1024 * 1024);
		data = palloc(entry->size + 1);
		fill_bytes(data, entry->size, entry->seed);
		entries[i].index = first + i;
		entries[i].term = entry->term;
		entries[i].type = entry->type;
		entries[i].size = entry->size;
		entries[i].data = data;
	}
	if (with_host)
	{
		model->host_seed = random_next(random);
		model->host_len = random_below(random, LOGRING_MAX_META_BYTES + 1);
		fill_bytes(host, model->host_len, model->host_seed);
	}
	logring_append(model->rel, model->ring, entries, n, with_host ? host : NULL,
				   model->host_len);
	model->last_index = first + n - 1;
	model->appended += n;
}

static void
expect_entry(Model *model, const LogEntry *entry, uint64 index)
{
	ModelEntry *expected = entry_of(model, index);

	if (entry->index != index || entry->term != expected->term ||
		entry->type != expected->type || entry->size != expected->size)
		elog(ERROR, "entry " UINT64_FORMAT " differs", index);
	if (entry->data != NULL && !bytes_are(entry->data, entry->size, expected->seed))
		elog(ERROR, "entry " UINT64_FORMAT " has other bytes", index);
}

static void
compare_read(Model *model, uint64 first, uint64 last, uint64 max_bytes)
{
	LogEntry   *entries;
	uint64		bytes = 0;
	int			n = logring_read(model->rel, first, last, max_bytes, &entries);
	int			expected = 0;

	if (first > model->base_index)
	{
		for (uint64 i = first; i <= Min(last, model->last_index); i++)
		{
			if (expected > 0 && bytes + entry_of(model, i)->size > max_bytes)
				break;
			bytes += entry_of(model, i)->size;
			expected++;
		}
	}
	if (n != expected)
		elog(ERROR, "read of entries from " UINT64_FORMAT " gives %d where %d are expected",
			 first, n, expected);
	for (int i = 0; i < n; i++)
		expect_entry(model, &entries[i], first + i);
}

typedef struct Visit
{
	Model	   *model;
	uint64		index;
} Visit;

static bool
visit_entry(const LogEntry *entry, void *arg)
{
	Visit	   *visit = arg;

	expect_entry(visit->model, entry, visit->index++);
	return true;
}

static void
compare_visit(Model *model, uint64 first)
{
	Visit		visit;

	visit.model = model;
	visit.index = first;
	logring_visit(model->rel, first, model->last_index, visit_entry, &visit);
	if (visit.index != model->last_index + 1)
		elog(ERROR, "visit ends at entry " UINT64_FORMAT " of " UINT64_FORMAT,
			 visit.index, model->last_index);
}

static void
compare_bounds(Model *model)
{
	LogBounds	here;
	LogBounds	there;
	char		host[LOGRING_MAX_META_BYTES];

	logring_bounds(model->ring, &here);
	logring_read_bounds(model->rel, &there);
	if (memcmp(&here, &there, sizeof(LogBounds)) != 0)
		elog(ERROR, "the writer's bounds are not those a reader finds");
	if (here.base_index != model->base_index || here.base_term != model->base_term ||
		here.last_index != model->last_index)
		elog(ERROR, "the log goes from " UINT64_FORMAT " to " UINT64_FORMAT
			 " where " UINT64_FORMAT " to " UINT64_FORMAT " is expected",
			 here.base_index, here.last_index, model->base_index, model->last_index);
	if (logring_read_meta(model->rel, host, sizeof(host)) != model->host_len ||
		!bytes_are(host, model->host_len, model->host_seed))
		elog(ERROR, "the host's meta differs");
}

static void
compare_all(Model *model)
{
	compare_bounds(model);
	for (uint64 i = model->base_index + 1; i <= model->last_index;)
	{
		LogEntry   *entries;
		int			n = logring_read(model->rel, i, model->last_index, 100000, &entries);

		if (n == 0)
			elog(ERROR, "entry " UINT64_FORMAT " is not there", i);
		for (int k = 0; k < n; k++)
			expect_entry(model, &entries[k], i + k);
		i += n;
		pfree(entries);
	}
	if (model->last_index > model->base_index)
		compare_visit(model, model->base_index + 1);
	expect_no_findings(model->rel, STORAGE_LOG);
}

Datum
test_log_model(PG_FUNCTION_ARGS)
{
	int			rounds = PG_GETARG_INT32(1);
	Model		model = {0};
	MemoryContext context;
	LogBounds	bounds;
	uint64		file_bytes;
	uint64		used_bytes;

	model.random.state = (uint64) PG_GETARG_INT64(0);
	model.rel = open_relation(STORAGE_LOG, ExclusiveLock);
	model.ring = logring_open(model.rel);
	model.size = 200000;
	model.entries = palloc_extended(model.size * sizeof(ModelEntry), MCXT_ALLOC_HUGE);
	model.term = 1;

	/* what is there from before is given up */
	logring_bounds(model.ring, &bounds);
	logring_truncate_head(model.rel, model.ring, bounds.last_index);
	logring_write_meta(model.rel, "", 0);
	logring_bounds(model.ring, &bounds);
	model.base_index = bounds.base_index;
	model.base_term = bounds.base_term;
	model.last_index = bounds.last_index;

	context = AllocSetContextCreate(CurrentMemoryContext, "round", ALLOCSET_DEFAULT_SIZES);
	for (int round = 0; round < rounds; round++)
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		Random	   *random = &model.random;

		CHECK_FOR_INTERRUPTS();
		append(&model);
		if (random_chance(random, 10) && model.last_index > model.base_index)
		{
			uint64		index = model.base_index +
				random_below(random, model.last_index - model.base_index + 1);

			if (random_chance(random, 10))
				index = model.last_index + 5;
			logring_truncate_head(model.rel, model.ring, index);
			index = Min(index, model.last_index);
			if (index > model.base_index)
			{
				model.base_index = index;
				model.base_term = entry_of(&model, index)->term;
			}
		}
		if (random_chance(random, 10))
		{
			MemoryContextSwitchTo(old);
			logring_close(model.ring);
			model.ring = logring_open(model.rel);
			MemoryContextSwitchTo(context);
		}
		for (int i = 0; i < 4; i++)
		{
			uint64		first = model.base_index +
				random_below(random, model.last_index - model.base_index + 3);

			compare_read(&model, first, first + random_below(random, 50),
						 random_below(random, 100000));
		}
		compare_read(&model, model.last_index, model.last_index + 10, 1000000);
		compare_bounds(&model);
		if (round % 64 == 63 || round == rounds - 1)
			compare_all(&model);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	logring_sizes(model.rel, &file_bytes, &used_bytes);
	relation_close(model.rel, NoLock);
	PG_RETURN_TEXT_P(cstring_to_text(psprintf(
		INT64_FORMAT " appended, " UINT64_FORMAT " there, file " UINT64_FORMAT " bytes, used " UINT64_FORMAT,
		model.appended, model.last_index - model.base_index, file_bytes, used_bytes)));
}
