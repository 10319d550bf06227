/*-------------------------------------------------------------------------
 *
 * test_util.h
 *	  Small tools of the storage tests: random numbers, values, relations.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/storage/test_util.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_TEST_UTIL_H
#define PGQ_TEST_UTIL_H

#include "utils/relcache.h"

#include "../../src/storage/storage.h"

/* A seeded generator: the same seed gives the same test */
typedef struct Random
{
	uint64		state;
} Random;

extern uint64 random_next(Random *random);
extern uint64 random_below(Random *random, uint64 limit);
extern bool random_chance(Random *random, int percent);

extern void fill_bytes(char *p, Size size, uint64 seed);
extern bool bytes_are(const char *p, Size size, uint64 seed);

extern Relation open_relation(StorageKind kind, LOCKMODE mode);
extern void expect_no_findings(Relation rel, StorageKind kind);
extern char *show_key(const TreeKey *key);

#endif							/* PGQ_TEST_UTIL_H */
