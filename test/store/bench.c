/*-------------------------------------------------------------------------
 *
 * bench.c
 *	  A micro-benchmark of the state machine; no test depends on its numbers.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/store/bench.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/resource.h>

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "build_requests.h"
#include "store/pbmem.h"

PG_FUNCTION_INFO_V1(store_bench);

static double
cpu_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec +
		(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static bool
ignore_kv(const Mvccpb__KeyValue *kv, void *arg)
{
	(*(int64 *) arg)++;
	return true;
}

/*
 * store_bench(batches, batch_size, keys, value_size, kind): CPU time an
 * operation takes.  Kinds: put, fill (ascending keys), get, range (100 keys),
 * compact (puts, with their compaction).
 */
Datum
store_bench(PG_FUNCTION_ARGS)
{
	int			batches = PG_GETARG_INT32(0);
	int			batch_size = PG_GETARG_INT32(1);
	int			nkeys = PG_GETARG_INT32(2);
	int			value_size = PG_GETARG_INT32(3);
	char	   *kind = text_to_cstring(PG_GETARG_TEXT_PP(4));
	World	   *world = world_create("benchmark", "store_bench_table", 1);
	MemoryContext old_context = MemoryContextSwitchTo(world->step_context);
	bool		reading = strcmp(kind, "get") == 0 || strcmp(kind, "range") == 0;
	char	   *value = palloc(value_size + 1);
	MemoryContext batch_context;
	double		begin;
	double		spent;
	int64		operations = 0;
	int64		next_key = 0;
	int64		found = 0;
	uint64		index = 0;
	int			i;
	int			j;

	memset(value, 'v', value_size);
	value[value_size] = '\0';
	batch_context = AllocSetContextCreate(CurrentMemoryContext, "batch", ALLOCSET_DEFAULT_SIZES);

	/* every key once, except for those who want to do that themselves */
	MemoryContextSwitchTo(batch_context);
	if (strcmp(kind, "fill") != 0)
	{
		while (next_key < nkeys)
		{
			store_begin(world->store, world->tree, NULL, NULL);
			for (j = 0; j < 1000 && next_key < nkeys; j++)
				store_apply(world->store, ++index, 1,
							put_command(psprintf("key%012lld", (long long) next_key++), value),
							false, NULL);
			store_commit(world->store);
			MemoryContextReset(batch_context);
			CHECK_FOR_INTERRUPTS();
		}
	}

	begin = cpu_seconds();
	spent = 0;
	for (i = 0; i < batches; i++)
	{
		Quorum__Command **commands = palloc(batch_size * sizeof(*commands));
		char	  **keys = palloc(batch_size * sizeof(*keys));

		for (j = 0; j < batch_size; j++)
		{
			int64		number = strcmp(kind, "fill") == 0 ? next_key++ :
				gen_number(&world->gen, nkeys);

			keys[j] = psprintf("key%012lld", (long long) number);
			if (!reading)
				commands[j] = put_command(keys[j], value);
		}

		begin = cpu_seconds();
		if (reading)
		{
			for (j = 0; j < batch_size; j++)
			{
				StoreRangeInfo info;
				Mvccpb__KeyValue *kv;

				if (strcmp(kind, "get") == 0)
					store_get(world->tree, NULL, keys[j], strlen(keys[j]), 0, &kv, &info);
				else
				{
					Etcdserverpb__RangeRequest request = ETCDSERVERPB__RANGE_REQUEST__INIT;

					request.key.data = (uint8 *) keys[j];
					request.key.len = strlen(keys[j]);
					request.range_end = long_bytes('\0', 1);
					request.limit = 100;
					store_range(world->tree, NULL, &request, false, ignore_kv, &found, &info);
				}
			}
		}
		else
		{
			store_begin(world->store, world->tree, NULL, NULL);
			for (j = 0; j < batch_size; j++)
				store_apply(world->store, ++index, 1, commands[j], false, NULL);
			if (strcmp(kind, "compact") == 0)
				store_apply(world->store, ++index, 1,
							compact_command(store_meta(world->store)->revision), false, NULL);
			store_commit(world->store);
			if (strcmp(kind, "compact") == 0)
			{
				while (store_compact_slice(world->store, world->tree, 500))
					;
			}
		}
		spent += cpu_seconds() - begin;
		operations += batch_size;
		MemoryContextReset(batch_context);
		CHECK_FOR_INTERRUPTS();
	}

	MemoryContextSwitchTo(old_context);
	world_destroy(world);
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("%s: %.2f us of CPU an operation",
											  kind, spent * 1e6 / operations)));
}
