/*-------------------------------------------------------------------------
 *
 * store_test.c
 *	  The test module: SQL functions that run the tests of the state machine.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/store/store_test.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/storage.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "directed.h"
#include "store/store_int.h"
#include "world.h"

PG_MODULE_MAGIC;

#if PG_VERSION_NUM < 160000
extern PGDLLEXPORT void _PG_init(void);
#endif

PG_FUNCTION_INFO_V1(store_test_model);
PG_FUNCTION_INFO_V1(store_test_names);
PG_FUNCTION_INFO_V1(store_test_run);

void
_PG_init(void)
{
	storage_register_rows(NULL, store_mvcc_row);
	store_register_spaces();
	if (process_shared_preload_libraries_in_progress)
		storage_install_ddl_guard();
}

/* A memory context for a test, so that its end frees what it used */
static MemoryContext
enter_test(void)
{
	return MemoryContextSwitchTo(AllocSetContextCreate(CurrentMemoryContext, "test",
													   ALLOCSET_DEFAULT_SIZES));
}

static void
leave_test(MemoryContext old_context)
{
	MemoryContext context = MemoryContextSwitchTo(old_context);

	MemoryContextDelete(context);
}

/*
 * Random commands beside the model: batches, reads, crashes, compaction.  ERROR
 * at the first difference.
 */
Datum
store_test_model(PG_FUNCTION_ARGS)
{
	uint64		seed = (uint64) PG_GETARG_INT64(0);
	int			batches = PG_GETARG_INT32(1);
	MemoryContext old_context = enter_test();
	World	   *world = world_create("model test", "store_test_model", seed);
	int			crashes;
	int			i;

	if (seed % 10 == 0)
		world->gen.simple = true;
	/* some batches go to the tree piecemeal */
	store_spill_versions = seed % 4 == 1 ? 1 + gen_number(&world->gen, 6) : 8192;
	for (i = 0; i < batches; i++)
	{
		world_random_batch(world, 1 + gen_number(&world->gen, 12));
		if (gen_chance(&world->gen, 30))
			world_compact(world, 1 + gen_number(&world->gen, 4),
						  1 + gen_number(&world->gen, 10));
		world_check_reads(world, 4);
		if (i % 16 == 15)
			world_check_state(world);
	}
	world_check_state(world);
	world_compact_all(world);
	world_check_state(world);
	world_check_items(world);
	world_check_reads(world, 20);

	crashes = world->crashes;
	world_destroy(world);
	leave_test(old_context);
	PG_RETURN_INT32(crashes);
}

/* The names of the directed tests, one a line */
Datum
store_test_names(PG_FUNCTION_ARGS)
{
	StringInfoData names;
	int			i;

	initStringInfo(&names);
	for (i = 0; directed_tests[i].name != NULL; i++)
		appendStringInfo(&names, "%s\n", directed_tests[i].name);
	PG_RETURN_TEXT_P(cstring_to_text(names.data));
}

/* Run one directed test; ERROR if it fails */
Datum
store_test_run(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	int			i;

	for (i = 0; directed_tests[i].name != NULL; i++)
	{
		if (strcmp(directed_tests[i].name, name) == 0)
		{
			MemoryContext old_context = enter_test();

			store_spill_versions = 8192;
			directed_tests[i].run();
			leave_test(old_context);
			PG_RETURN_VOID();
		}
	}
	elog(ERROR, "there is no test \"%s\"", name);
	PG_RETURN_VOID();
}
