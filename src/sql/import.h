/*-------------------------------------------------------------------------
 *
 * import.h
 *	  Handing a copy to the state machine, chunk by chunk.
 *
 * Private to src/sql/: copy.c, and those that make copies of something else.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/sql/import.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_SQL_IMPORT_H
#define PGQ_SQL_IMPORT_H

#include "fmgr.h"
#include "store/copy.h"

typedef struct ImportRun
{
	CopyState	state;
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	MemoryContext chunk_context;
	uint64		import;			/* its number; 0: only check */
	int64		revision;		/* wanted */
	bool		replace;
	int64		result;			/* the new revision */
} ImportRun;

/* A run that only checks, palloc'd, with the arguments revision and replace from an argument on */
extern ImportRun *import_create(FunctionCallInfo fcinfo, int argno);

/* From here on chunks are sent; what was checked before is forgotten */
extern void import_start(ImportRun *run);

/* ERROR now where the state machine would refuse a copy of what is known of it so far */
extern void import_check(const ImportRun *run);

/* The next chunk; ERROR 22P03 if it cannot be.  Resets run->chunk_context, which may hold the bytes */
extern void import_take(ImportRun *run, char *bytes, size_t len);

/* Forget the chunks that were sent */
extern void import_discard(uint64 import);

/* The same where an error is being handled: does not wait, and may not succeed; then the next
 * import takes them away */
extern void import_discard_detached(uint64 import);

#endif							/* PGQ_SQL_IMPORT_H */
