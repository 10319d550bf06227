/*-------------------------------------------------------------------------
 *
 * world.h
 *	  A store under test: its relations, its log of entries, its model.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/store/world.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_TEST_WORLD_H
#define PGQ_TEST_WORLD_H

#include "gen.h"
#include "model.h"

typedef struct WorldEntry
{
	char	   *packed;			/* a Command; NULL: a configuration entry */
	size_t		len;
	Quorum__Configuration *configuration;
	Quorum__MemberChange *change;
} WorldEntry;

typedef struct World
{
	const char *what;			/* for messages */
	uint64		seed;
	Relation	tree;
	Store	   *store;
	Model	   *model;
	Gen			gen;
	WorldEntry *entries;		/* entry i is entries[i - 1] */
	uint64		nentries;
	uint64		max_entries;
	int			crashes;
	Quorum__Command **imports;	/* portions of a copy, to be given one by one */
	int			nimports;
	int			next_import;
	MemoryContext context;
	MemoryContext step_context;
} World;

/* Relations for a test, dropped with their statement's transaction or by name */
extern Relation make_tree(const char *name);
extern Relation make_log(const char *name);
extern void drop_table(const char *name);

extern World *world_create(const char *what, const char *name, uint64 seed);
extern void world_destroy(World *world);
extern void world_reopen(World *world);

/* Apply entries, as a batch; the results are checked against the model's */
extern void world_random_batch(World *world, int entries);
extern void world_replay(World *world);
extern void world_add_command(World *world, const Quorum__Command *command);
extern void world_apply_pending(World *world);

/* Apply these commands as one batch; where a fuse is set, until that succeeds */
extern void world_batch(World *world, Quorum__Command *const *commands, int n);

/* The commands that import a copy of a world into another, in the current context */
extern Quorum__Command **world_export(World *world, uint64 import, int64 revision,
									  bool replace, int *n);

/* Apply one command as a batch of its own and give its result */
extern Quorum__Result *world_apply(World *world, const Quorum__Command *command);

extern void world_compact(World *world, int slices, int max_revisions);
extern void world_compact_all(World *world);
extern void world_check_reads(World *world, int n);
extern void world_check_state(World *world);
extern void world_check_items(World *world);

/* check_auth.c: users, roles and the map, and what random callers may do */
extern void world_check_auth(World *world);
extern void world_check_access(World *world, int n);

extern void check_messages_equal(World *world, const char *what,
								 const ProtobufCMessage *mine, const ProtobufCMessage *models);

/* Crash simulation: tree_apply() fails after so many more changes; -1: never */
extern int	fuse;
typedef void (*Attempt) (void *arg);
extern int64 tree_steps;		/* calls of tree_next() so far */
extern bool attempt(Attempt function, void *arg);	/* false if the fuse blew */

/* Collectors */
typedef struct RangeCollector
{
	Etcdserverpb__RangeResponse *response;
	size_t		max;
	int			stop_after;		/* -1: never */
} RangeCollector;
extern void range_collector_init(RangeCollector *collector);
extern bool collect_kv(const Mvccpb__KeyValue *kv, void *arg);

typedef struct EventCollector
{
	Mvccpb__Event **events;
	int			n;
	int			max;
	int			stop_after;
} EventCollector;
extern void event_collector_init(EventCollector *collector);
extern bool collect_event(const Mvccpb__Event *event, void *arg);

/* PostgreSQL 18 has no macro any more for an attribute that comes last */
extern void fail(World *world, const char *format,...) pg_attribute_printf(2, 3)
#if defined(__GNUC__)
			__attribute__((noreturn))
#endif
;

#endif							/* PGQ_TEST_WORLD_H */
