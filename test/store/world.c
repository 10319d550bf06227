/*-------------------------------------------------------------------------
 *
 * world.c
 *	  A store under test: its relations, its log of entries, its model.
 *
 * A crash is simulated by letting tree_apply() carry out a part of its changes
 * and then raise an ERROR (the linker puts our own function in its place); the
 * store is then opened again and the entries behind the applied index are
 * applied once more, as a member does.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/store/world.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "nodes/makefuncs.h"
#include "storage/storage.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"

#include "store/copy.h"
#include "store/encoding.h"
#include "store/pbmem.h"
#include "world.h"

int			fuse = -1;

void
fail(World *world, const char *format,...)
{
	char		text[1024];
	va_list		args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (world == NULL)
		elog(ERROR, "%s", text);
	elog(ERROR, "%s: seed %llu, entry %llu: %s", world->what,
		 (unsigned long long) world->seed, (unsigned long long) world->nentries, text);
}

/* ----------------------------------------------------------------
 *	Relations
 * ----------------------------------------------------------------
 */

static void
execute(const char *command)
{
	if (SPI_execute(command, false, 0) < 0)
		elog(ERROR, "could not execute: %s", command);
}

/* Our access methods make tables for an extension's script only. */
static Relation
make_table(const char *name, const char *columns, const char *method)
{
	RangeVar   *range;

	SPI_connect();
	creating_extension = true;
	PG_TRY();
	{
		execute(psprintf("CREATE TABLE %s (%s) USING %s", name, columns, method));
	}
	PG_FINALLY();
	{
		creating_extension = false;
	}
	PG_END_TRY();
	SPI_finish();

	range = makeRangeVar(NULL, pstrdup(name), -1);
	return relation_openrv(range, ExclusiveLock);
}

Relation
make_tree(const char *name)
{
	return make_table(name, "key bytea, mod_revision bigint, sub bigint, "
					  "create_revision bigint, version bigint, lease bigint, "
					  "deleted boolean, value bytea", "store_test_tree");
}

Relation
make_log(const char *name)
{
	return make_table(name, "index bigint", "store_test_log");
}

void
drop_table(const char *name)
{
	SPI_connect();
	execute(psprintf("DROP TABLE %s", name));
	SPI_finish();
}

/* ----------------------------------------------------------------
 *	Crashes
 * ----------------------------------------------------------------
 */

XLogRecPtr	__wrap_tree_apply(Relation rel, TreeId tree, const TreeChange *changes,
							  int nchanges, const void *meta, uint32 meta_len);
XLogRecPtr	__real_tree_apply(Relation rel, TreeId tree, const TreeChange *changes,
							  int nchanges, const void *meta, uint32 meta_len);

XLogRecPtr
__wrap_tree_apply(Relation rel, TreeId tree, const TreeChange *changes,
				  int nchanges, const void *meta, uint32 meta_len)
{
	if (fuse >= 0)
	{
		if (fuse <= nchanges)
		{
			__real_tree_apply(rel, tree, changes, fuse, NULL, 0);
			fuse = -1;
			ereport(ERROR,
					(errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
					 errmsg("the fuse has blown")));
		}
		fuse -= nchanges;
	}
	return __real_tree_apply(rel, tree, changes, nchanges, meta, meta_len);
}

/* Steps and seeks of scans, to see that reads do not walk where they should seek */
int64		tree_steps;

bool		__wrap_tree_next(TreeScan *scan, TreeItem *item);
bool		__real_tree_next(TreeScan *scan, TreeItem *item);

bool
__wrap_tree_next(TreeScan *scan, TreeItem *item)
{
	tree_steps++;
	return __real_tree_next(scan, item);
}

bool
attempt(Attempt function, void *arg)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool done = true;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		function(arg);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		RollbackAndReleaseCurrentSubTransaction();
		if (error->sqlerrcode != ERRCODE_TRIGGERED_ACTION_EXCEPTION)
			ReThrowError(error);
		FlushErrorState();
		done = false;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	fuse = -1;
	return done;
}

/* ----------------------------------------------------------------
 *	Worlds
 * ----------------------------------------------------------------
 */

World *
world_create(const char *what, const char *name, uint64 seed)
{
	Quorum__Configuration configuration = QUORUM__CONFIGURATION__INIT;
	Quorum__Member member = QUORUM__MEMBER__INIT;
	Quorum__Member *members[1];
	uint64		voters[1] = {1};
	World	   *world = palloc0(sizeof(World));

	world->what = what;
	world->seed = seed;
	world->context = CurrentMemoryContext;
	world->step_context = AllocSetContextCreate(CurrentMemoryContext, "test step",
												ALLOCSET_DEFAULT_SIZES);
	gen_init(&world->gen, seed);
	world->model = model_create();
	world->max_entries = 1024;
	world->entries = palloc(world->max_entries * sizeof(WorldEntry));
	world->tree = make_tree(name);

	configuration.n_voters = 1;
	configuration.voters = voters;
	member.id = 1;
	member.name = "n1";
	member.conninfo = "port=1";
	members[0] = &member;
	store_format(world->tree, 0, 0, &configuration, members, 1);
	model_record_member(world->model, &member);
	world->store = store_open(world->tree);
	return world;
}

void
world_destroy(World *world)
{
	char	   *name = pstrdup(RelationGetRelationName(world->tree));

	store_close(world->store);
	relation_close(world->tree, NoLock);
	drop_table(name);
}

void
world_reopen(World *world)
{
	if (world->store != NULL)
		store_close(world->store);
	world->store = NULL;		/* if opening fails */
	world->store = store_open(world->tree);
}

static void
reopen(void *arg)
{
	world_reopen((World *) arg);
}

void
check_messages_equal(World *world, const char *what, const ProtobufCMessage *mine,
					 const ProtobufCMessage *models)
{
	size_t		mine_len;
	size_t		models_len;
	char	   *mine_packed = pb_pack(mine, &mine_len);
	char	   *models_packed = pb_pack(models, &models_len);
	size_t		at = 0;

	if (mine_len == models_len && memcmp(mine_packed, models_packed, mine_len) == 0)
		return;
	while (at < mine_len && at < models_len && mine_packed[at] == models_packed[at])
		at++;
	fail(world, "%s differs from the model's at byte %d of %d (model %d)",
		 what, (int) at, (int) mine_len, (int) models_len);
}

static WorldEntry *
new_entry(World *world)
{
	if (world->nentries == world->max_entries)
	{
		world->max_entries *= 2;
		world->entries = repalloc_huge(world->entries,
									   world->max_entries * sizeof(WorldEntry));
	}
	memset(&world->entries[world->nentries], 0, sizeof(WorldEntry));
	return &world->entries[world->nentries++];
}

/* Give an entry that is in the log to the store */
static Quorum__Result *
apply_entry(World *world, uint64 index, bool want_result)
{
	WorldEntry *entry = &world->entries[index - 1];
	Quorum__Result *result = NULL;
	Quorum__Command *command;

	if (entry->configuration != NULL)
	{
		store_apply_configuration(world->store, index, index / 10 + 1,
								  entry->configuration, entry->change);
		return NULL;
	}
	command = (Quorum__Command *) pb_unpack(&quorum__command__descriptor,
											entry->packed, entry->len);
	if (command == NULL)
		fail(world, "command does not decode");
	store_apply(world->store, index, index / 10 + 1, command, want_result, &result);
	if (want_result != (result != NULL))
		fail(world, "result %s", want_result ? "missing" : "not asked for");
	return result;
}

static void
commit_batch(void *arg)
{
	store_commit(((World *) arg)->store);
}

static void
count_poll(void *arg)
{
	(*(int *) arg)++;
}

/* Open the store again and apply what it has not applied, until that succeeds */
void
world_replay(World *world)
{
	MemoryContext old_context = CurrentMemoryContext;
	bool		done;

	do
	{
		int			polls = 0;
		uint64		index;

		/* it may be gone half-way through anything, and again while it opens */
		MemoryContextSwitchTo(world->context);
		do
		{
			if (gen_chance(&world->gen, 50))
				fuse = gen_number(&world->gen, 40);
		} while (!attempt(reopen, world));
		MemoryContextSwitchTo(old_context);

		store_begin(world->store, world->tree, count_poll, &polls);
		for (index = store_meta(world->store)->applied_index + 1; index <= world->nentries; index++)
			(void) apply_entry(world, index, gen_chance(&world->gen, 50));
		if (gen_chance(&world->gen, 30))
			fuse = gen_number(&world->gen, 2 * store_pending_changes(world->store) + 1);
		done = attempt(commit_batch, world);
		if (!done)
			world->crashes++;
	} while (!done);
}

/* Apply what is in the log and not applied yet; the fuse may blow in any part of it */
void
world_apply_pending(World *world)
{
	int			polls = 0;
	uint64		index;

	store_begin(world->store, world->tree, count_poll, &polls);
	for (index = store_meta(world->store)->applied_index + 1; index <= world->nentries; index++)
		(void) apply_entry(world, index, false);
	store_commit(world->store);
}

static void
add_configuration_entry(World *world)
{
	MemoryContext old_context = MemoryContextSwitchTo(world->context);
	WorldEntry *entry = new_entry(world);
	Gen		   *gen = &world->gen;

	entry->configuration = palloc(sizeof(Quorum__Configuration));
	quorum__configuration__init(entry->configuration);
	entry->configuration->n_voters = 2;
	entry->configuration->voters = palloc(2 * sizeof(uint64));
	entry->configuration->voters[0] = 1;
	entry->configuration->voters[1] = 2 + gen_number(gen, 5);
	if (gen_chance(gen, 80))
	{
		entry->change = palloc(sizeof(Quorum__MemberChange));
		quorum__member_change__init(entry->change);
		entry->change->n_record = gen_number(gen, 2);
		entry->change->record = palloc(sizeof(Quorum__Member *));
		entry->change->record[0] = gen_member(gen);
		entry->change->n_steps = gen_number(gen, 2);
		entry->change->steps = palloc(sizeof(Quorum__MemberChange__Step *));
		entry->change->steps[0] = palloc(sizeof(Quorum__MemberChange__Step));
		quorum__member_change__step__init(entry->change->steps[0]);
		entry->change->steps[0]->kind = gen_number(gen, 3);
		entry->change->steps[0]->id = 1 + gen_number(gen, 6);

		if (entry->change->n_steps > 0 &&
			entry->change->steps[0]->kind == QUORUM__MEMBER_CHANGE__STEP__KIND__REMOVE)
		{
			model_drop_member(world->model, entry->change->steps[0]->id);
			model_drop_alarms(world->model, entry->change->steps[0]->id);
		}
		if (entry->change->n_record > 0)
			model_record_member(world->model, entry->change->record[0]);
	}
	MemoryContextSwitchTo(old_context);
}

void
world_add_command(World *world, const Quorum__Command *command)
{
	MemoryContext old_context = MemoryContextSwitchTo(world->context);
	WorldEntry *entry = new_entry(world);

	entry->packed = pb_pack(&command->base, &entry->len);
	MemoryContextSwitchTo(old_context);
}

/* Does store_validate() agree with what apply said? */
static void
check_validation(World *world, const Quorum__Command *command, const Quorum__Result *expected)
{
	StoreError	error = store_validate(command, 0, 0);

	if (error != STORE_OK && error != (StoreError) expected->error)
		fail(world, "validation says %d, the model %d", error, expected->error);
}

Quorum__Command **
world_export(World *world, uint64 import, int64 revision, bool replace, int *n)
{
	Quorum__Command **commands = palloc(4096 * sizeof(Quorum__Command *));
	StoreExport *export = store_export_begin(world->tree, 4711, "test");
	char	   *bytes;
	uint32		len;

	for (*n = 0; (bytes = store_export_next(export, world->tree, &len)) != NULL; (*n)++)
	{
		Quorum__Command *command = palloc(sizeof(*command));

		if (*n == 4096)
			fail(world, "too many chunks");
		quorum__command__init(command);
		command->origin = 1;
		command->internal = true;
		command->op_case = QUORUM__COMMAND__OP_IMPORT;
		command->import = palloc(sizeof(*command->import));
		quorum__import_request__init(command->import);
		command->import->copy = import;
		command->import->number = *n;
		command->import->items.data = (uint8_t *) bytes;
		command->import->items.len = len;
		commands[*n] = command;
	}
	commands[*n - 1]->import->last = true;
	commands[*n - 1]->import->revision = revision;
	commands[*n - 1]->import->replace = replace;
	return commands;
}

/* Now and then, begin to import a copy of the world into itself */
static void
random_export(World *world)
{
	MemoryContext old_context = MemoryContextSwitchTo(world->context);
	Gen		   *gen = &world->gen;

	store_export_bytes = 1 + gen_number(gen, 2000);
	world->imports = world_export(world, 1 + gen_number(gen, 1000000),
								  world->model->revision + gen_number(gen, 300),
								  !gen_chance(gen, 10), &world->nimports);
	world->next_import = 0;
	MemoryContextSwitchTo(old_context);
}

/* A portion of the import under way, or of none; once in a while not the next one */
static Quorum__Command *
random_command(World *world)
{
	Gen		   *gen = &world->gen;

	if (world->next_import < world->nimports && gen_chance(gen, 70))
	{
		if (gen_chance(gen, 1))
			world->next_import++;
		if (world->next_import < world->nimports)
			return world->imports[world->next_import++];
	}
	return gen_command(gen, world->model->revision, world->model->compacted);
}

void
world_random_batch(World *world, int entries)
{
	MemoryContext old_context = MemoryContextSwitchTo(world->step_context);
	Gen		   *gen = &world->gen;
	int			polls = 0;
	int			i;

	if (!gen->simple && gen_chance(gen, 3))
		random_export(world);
	store_begin(world->store, world->tree, count_poll, &polls);
	for (i = 0; i < entries; i++)
	{
		Quorum__Command *command;
		Quorum__Result *expected;
		Quorum__Result *result;

		if (gen_chance(gen, 2))
		{
			add_configuration_entry(world);
			(void) apply_entry(world, world->nentries, false);
			continue;
		}
		command = random_command(world);
		world_add_command(world, command);
		expected = model_apply(world->model, command);
		if (command->op_case != QUORUM__COMMAND__OP__NOT_SET)
			check_validation(world, command, expected);
		result = apply_entry(world, world->nentries, gen_chance(gen, 70));
		if (result != NULL)
		{
			if (result->error != expected->error)
				fail(world, "error %d, the model says %d", result->error, expected->error);
			check_messages_equal(world, "result", &result->base, &expected->base);
		}
	}

	if (gen_chance(gen, 15))
		fuse = gen_number(gen, 2 * store_pending_changes(world->store) + 2);
	if (!attempt(commit_batch, world))
	{
		world->crashes++;
		world_replay(world);
	}
	else if (gen_chance(gen, 5))
		world_replay(world);
	MemoryContextSwitchTo(old_context);
	MemoryContextReset(world->step_context);
}

void
world_batch(World *world, Quorum__Command *const *commands, int n)
{
	int			polls = 0;
	int			blow = fuse;
	int			i;

	fuse = -1;
	store_begin(world->store, world->tree, count_poll, &polls);
	for (i = 0; i < n; i++)
	{
		Quorum__Result *expected;

		world_add_command(world, commands[i]);
		expected = model_apply(world->model, commands[i]);
		check_messages_equal(world, "result",
							 &apply_entry(world, world->nentries, true)->base,
							 &expected->base);
	}
	fuse = blow;
	if (!attempt(commit_batch, world))
	{
		world->crashes++;
		world_replay(world);
	}
}

Quorum__Result *
world_apply(World *world, const Quorum__Command *command)
{
	Quorum__Result *expected;
	Quorum__Result *result;
	int			polls = 0;

	world_add_command(world, command);
	expected = model_apply(world->model, command);
	store_begin(world->store, world->tree, count_poll, &polls);
	result = apply_entry(world, world->nentries, true);
	store_commit(world->store);
	check_messages_equal(world, "result", &result->base, &expected->base);
	return result;
}

/* ----------------------------------------------------------------
 *	Compaction
 * ----------------------------------------------------------------
 */

typedef struct CompactAttempt
{
	World	   *world;
	int			slices;
	int			max_revisions;
} CompactAttempt;

static void
compact_slices(void *arg)
{
	CompactAttempt *args = arg;
	int			i;

	for (i = 0; i < args->slices; i++)
	{
		if (!store_compact_slice(args->world->store, args->world->tree, args->max_revisions))
			break;
	}
}

void
world_compact(World *world, int slices, int max_revisions)
{
	CompactAttempt args = {world, slices, max_revisions};

	if (gen_chance(&world->gen, 30))
		fuse = gen_number(&world->gen, 30);
	if (!attempt(compact_slices, &args))
	{
		world->crashes++;
		world_replay(world);
	}
}

void
world_compact_all(World *world)
{
	while (store_compact_slice(world->store, world->tree, 7))
		;
	if (store_compact_slice(world->store, world->tree, 7))
		fail(world, "compaction does not come to an end");
}
