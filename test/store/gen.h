/*-------------------------------------------------------------------------
 *
 * gen.h
 *	  Random commands and requests from a seed.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/store/gen.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_TEST_GEN_H
#define PGQ_TEST_GEN_H

#include "store/store.h"

typedef struct Gen
{
	uint64		state;
	int			nkeys;			/* size of the pool of keys */
	bool		simple;			/* puts, deletes and compactions alone */
} Gen;

extern void gen_init(Gen *gen, uint64 seed);
extern uint32 gen_number(Gen *gen, uint32 below);
extern bool gen_chance(Gen *gen, uint32 percent);
extern int64 gen_lease(Gen *gen);
extern ProtobufCBinaryData gen_key(Gen *gen);
extern ProtobufCBinaryData gen_range_end(Gen *gen, ProtobufCBinaryData key);
extern int64 gen_revision(Gen *gen, int64 revision, int64 compacted);

/* All in the current memory context */
extern Quorum__Command *gen_command(Gen *gen, int64 revision, int64 compacted);
extern Etcdserverpb__RangeRequest *gen_range(Gen *gen, int64 revision, int64 compacted);
extern Etcdserverpb__TxnRequest *gen_txn(Gen *gen, int depth, bool only_reads,
										 int64 revision, int64 compacted);
extern Quorum__Member *gen_member(Gen *gen);

/* gen_auth.c */
extern char *gen_user(Gen *gen);
extern char *gen_pg_role(Gen *gen);
extern void gen_auth_command(Gen *gen, Quorum__Command *command);
extern void gen_caller(Gen *gen, Quorum__Command *command);

#endif							/* PGQ_TEST_GEN_H */
