/*-------------------------------------------------------------------------
 *
 * bench_leases.c
 *	  What leases cost, and what it costs if all of them end at once; no test
 *	  depends on its numbers.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/store/bench_leases.c
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

/* As the member has it */
#define BENCH_BATCH			512
#define BENCH_SLICE			8

PG_FUNCTION_INFO_V1(store_bench_leases);

static double
cpu_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec +
		(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

typedef Quorum__Command *(*MakeCommand) (int number);

static Quorum__Command *
make_grant(int number)
{
	return grant_command(1 + number, 60);
}

static Quorum__Command *
make_put(int number)
{
	return put_lease_command(psprintf("key%08d", number), 1 + number);
}

static Quorum__Command *
make_plain_put(int number)
{
	return put_command(psprintf("plain%08d", number), "v");
}

static Quorum__Command *
make_revoke(int number)
{
	return revoke_command(1 + number);
}

/* Apply n commands in batches; CPU time of one in us, and of the longest batch in ms */
static double
run_commands(World *world, uint64 *index, int n, MakeCommand make, double *longest)
{
	Quorum__Command *commands[BENCH_BATCH];
	double		spent = 0;
	int			done = 0;

	*longest = 0;
	while (done < n)
	{
		int			size = Min(n - done, BENCH_BATCH);
		double		begin;
		int			i;

		for (i = 0; i < size; i++)
			commands[i] = make(done + i);
		begin = cpu_seconds();
		store_begin(world->store, world->tree, NULL, NULL);
		for (i = 0; i < size; i++)
			(void) store_apply(world->store, ++*index, 1, commands[i], false, NULL);
		store_commit(world->store);
		begin = cpu_seconds() - begin;
		spent += begin;
		*longest = Max(*longest, begin * 1e3);
		done += size;
		MemoryContextReset(world->step_context);
		CHECK_FOR_INTERRUPTS();
	}
	return spent * 1e6 / n;
}

/* Tidy up after n leases; CPU time for one in us, and of the longest slice in ms */
static double
run_slices(World *world, int n, double *longest)
{
	double		spent = 0;
	bool		more = true;

	*longest = 0;
	while (more)
	{
		double		begin = cpu_seconds();

		more = store_compact_slice(world->store, world->tree, BENCH_SLICE);
		begin = cpu_seconds() - begin;
		spent += begin;
		*longest = Max(*longest, begin * 1e3);
		CHECK_FOR_INTERRUPTS();
	}
	return spent * 1e6 / n;
}

/* store_bench_leases(n): n leases with a key each */
Datum
store_bench_leases(PG_FUNCTION_ARGS)
{
	int			n = PG_GETARG_INT32(0);
	World	   *world = world_create("benchmark of leases", "store_bench_table", 1);
	MemoryContext old_context = MemoryContextSwitchTo(world->step_context);
	uint64		index = 0;
	double		cost[6];
	double		longest[6];

	cost[0] = run_commands(world, &index, n, make_plain_put, &longest[0]);
	cost[1] = run_commands(world, &index, n, make_grant, &longest[1]);
	cost[2] = run_commands(world, &index, n, make_put, &longest[2]);
	cost[3] = run_slices(world, n, &longest[3]);
	cost[4] = run_commands(world, &index, n, make_revoke, &longest[4]);
	cost[5] = run_slices(world, n, &longest[5]);
	MemoryContextSwitchTo(old_context);
	world_destroy(world);
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("CPU each in us, longest batch or slice in ms:\n"
											  "put           %5.2f %6.1f\n"
											  "grant         %5.2f %6.1f\n"
											  "attaching put %5.2f %6.1f\n"
											  "tidying up    %5.2f %6.1f\n"
											  "revoke        %5.2f %6.1f\n"
											  "tidying up    %5.2f %6.1f",
											  cost[0], longest[0], cost[1], longest[1],
											  cost[2], longest[2], cost[3], longest[3],
											  cost[4], longest[4], cost[5], longest[5])));
}
