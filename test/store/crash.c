/*-------------------------------------------------------------------------
 *
 * crash.c
 *	  A store that is written until its server crashes, and then checked.
 *
 * The commands are a function of a fixed seed, so the log need not be kept:
 * after a crash the model is brought to the applied index that the store
 * says, by making the same commands again.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/store/crash.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "postmaster/bgwriter.h"
#include "utils/memutils.h"

#include "world.h"

#define CRASH_TABLE		"store_test_crash"
#define CRASH_SEED		77

PG_FUNCTION_INFO_V1(store_test_crash_setup);
PG_FUNCTION_INFO_V1(store_test_crash_work);
PG_FUNCTION_INFO_V1(store_test_crash_check);

Datum
store_test_crash_setup(PG_FUNCTION_ARGS)
{
	World	   *world = world_create("server crash", CRASH_TABLE, CRASH_SEED);

	store_close(world->store);
	relation_close(world->tree, NoLock);
	PG_RETURN_VOID();
}

/* One more command, of which the model already knows the effect */
static Quorum__Command *
next_command(World *world)
{
	Quorum__Command *command = gen_command(&world->gen, world->model->revision,
										   world->model->compacted);

	(void) model_apply(world->model, command);
	world->nentries++;
	return command;
}

/* The store as the crash has left it, and the model at the same entry */
static World *
attach_world(void)
{
	World	   *world = palloc0(sizeof(World));
	MemoryContext old_context;
	Quorum__Member member = QUORUM__MEMBER__INIT;

	world->what = "server crash";
	world->seed = CRASH_SEED;
	world->context = CurrentMemoryContext;
	world->step_context = AllocSetContextCreate(CurrentMemoryContext, "test step",
												ALLOCSET_DEFAULT_SIZES);
	world->tree = relation_openrv(makeRangeVar(NULL, CRASH_TABLE, -1), ExclusiveLock);
	world->store = store_open(world->tree);
	world->model = model_create();
	gen_init(&world->gen, CRASH_SEED);
	member.id = 1;
	member.name = "n1";
	member.conninfo = "port=1";
	model_record_member(world->model, &member);

	old_context = MemoryContextSwitchTo(world->step_context);
	while (world->nentries < store_meta(world->store)->applied_index)
	{
		(void) next_command(world);
		MemoryContextReset(world->step_context);
	}
	MemoryContextSwitchTo(old_context);
	return world;
}

Datum
store_test_crash_work(PG_FUNCTION_ARGS)
{
	int			batches = PG_GETARG_INT32(1);
	World	   *world = attach_world();
	MemoryContext old_context = MemoryContextSwitchTo(world->step_context);
	Gen			batch_gen;
	int			i;

	gen_init(&batch_gen, PG_GETARG_INT64(0));
	for (i = 0; i < batches; i++)
	{
		int			entries = 1 + gen_number(&batch_gen, 100);
		XLogRecPtr	lsn;

		store_begin(world->store, world->tree, NULL, NULL);
		while (entries-- > 0)
		{
			Quorum__Command *command = next_command(world);

			store_apply(world->store, world->nentries, 1, command, false, NULL);
		}
		lsn = store_commit(world->store);
		if (gen_chance(&batch_gen, 20))
			XLogFlush(lsn);
		if (gen_chance(&batch_gen, 20))
			(void) store_compact_slice(world->store, world->tree, 100);
		if (gen_chance(&batch_gen, 2))
			RequestCheckpoint(CHECKPOINT_IMMEDIATE | CHECKPOINT_FORCE);
		MemoryContextReset(world->step_context);
		CHECK_FOR_INTERRUPTS();
	}
	MemoryContextSwitchTo(old_context);
	PG_RETURN_VOID();
}

Datum
store_test_crash_check(PG_FUNCTION_ARGS)
{
	World	   *world = attach_world();

	if (world->nentries == 0)
		fail(world, "nothing has been written");
	world_check_state(world);
	world_check_reads(world, 30);
	world_compact_all(world);
	world_check_state(world);
	world_check_items(world);
	store_close(world->store);
	relation_close(world->tree, NoLock);
	PG_RETURN_VOID();
}
