/*-------------------------------------------------------------------------
 *
 * copy.h
 *	  Logical copies of the store: their chunks, and how to make and check them.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/copy.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_STORE_COPY_H
#define PGQ_STORE_COPY_H

#include "common/sha2.h"

#include "copy.pb-c.h"
#include "store/store.h"

/* Before the packed CopyChunk: what it is, and the version of the format */
#define COPY_MAGIC			"PGQC\001"
#define COPY_MAGIC_BYTES	5

/* Where a reader of a copy has come to */
typedef struct CopyState
{
	uint64		copy;			/* the number of the copy */
	uint64		next;			/* chunk */
	int64		revision;		/* of the copy */
	int64		least_revision; /* least mod_revision of a key so far; 0: none */
	uint64		keys;
	uint64		leases;
	bool		auth_enabled;
	bool		complete;		/* the trailer has come */
	uint64		keys_announced;
	uint32		last_len;		/* the last key; 0: none */
	char		last_key[STORE_MAX_KEY_BYTES];
} CopyState;

/* The chunk in these bytes, in the current memory context; NULL if it is none */
extern Quorum__CopyChunk *copy_unpack(const char *bytes, size_t len);

/* Its bytes, in the current memory context */
extern char *copy_pack(const Quorum__CopyChunk *chunk, uint32 *len);

/*
 * Take the next chunk: NULL, and the state moves on; or what is wrong with it, in
 * words.  A state of all zeros is before the first chunk.  Everything that an
 * import relies on is checked here, but for the digest.
 */
extern const char *copy_accept(CopyState *state, const Quorum__CopyChunk *chunk);

/* The order of keys that copy_accept() checks, for who begins in the middle */
extern void copy_note_keys(CopyState *state, const Quorum__CopyChunk *chunk);

/*
 * The digest of a copy: all zeros before the first chunk, then for each chunk but
 * the trailer SHA-256 of the digest so far and the chunk's bytes.
 */
extern void copy_digest(uint8 digest[PG_SHA256_DIGEST_LENGTH], const char *bytes, size_t len);

/* ----------------------------------------------------------------
 *	Export (export.c): any process but the writer's
 * ----------------------------------------------------------------
 */
typedef struct StoreExport StoreExport;

/* A chunk is closed when it has so many bytes; a long value makes a longer one.  A
 * variable for the sake of tests. */
extern int	store_export_bytes;

/*
 * Begin to copy the published state.  Until the end of the (sub)transaction this
 * member removes nothing that is compacted, so the copy is of this very state however long
 * it takes, and whatever is written meanwhile.
 */
extern StoreExport *store_export_begin(Relation tree, uint64 cluster_id, const char *version);

/*
 * The same for who has seen to it in another way that nothing is removed from now on
 * (member_hold_history()), for as long as it wants.  Does not wait: NULL while the writer is
 * about to remove something, then try again.
 */
extern StoreExport *store_export_begin_held(Relation tree, uint64 cluster_id,
											const char *version);

/* The next chunk, in the current memory context; NULL after the last.  Each
 * call may open the relation anew. */
extern char *store_export_next(StoreExport *copy, Relation tree, uint32 *len);

/* writer: does nobody export now?  Then nobody can begin until the end of the
 * transaction, or until store_unblock_exports(). */
extern bool store_block_exports(Relation tree);
extern void store_unblock_exports(Relation tree);

/* ----------------------------------------------------------------
 *	Import (import.c)
 * ----------------------------------------------------------------
 */

/* ImportRequest.revision beside a revision */
#define IMPORT_KEEP			0
#define IMPORT_BUMP			(-1)

/*
 * May a copy of this revision, whose keys have at least the other (0: it has none),
 * be imported into a store with this meta, and what is the store's revision
 * then?  occupied: it has keys, users or roles.  STORE_IMPORT_NOT_EMPTY,
 * STORE_IMPORT_REVISION.
 */
extern StoreError store_plan_import(const Quorum__StoreMeta *meta, bool occupied,
									int64 copy_revision, int64 least_revision,
									int64 wanted, bool replace, int64 *revision);

#endif							/* PGQ_STORE_COPY_H */
