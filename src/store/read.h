/*-------------------------------------------------------------------------
 *
 * read.h
 *	  What the files with the readers share.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/read.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_STORE_READ_H
#define PGQ_STORE_READ_H

#include "store/txn.h"

extern void read_head(Relation tree, MetaHead *head);
extern void read_revisions(Relation tree, int64 *revision, int64 *compacted);
extern void read_view(StoreView *view, Relation tree);

/* access.c */
extern StoreError access_check(Relation tree, const StoreCaller *caller, const MetaHead *head,
							   StoreAccess access, const char *key, uint32 key_len,
							   const char *range_end, uint32 range_end_len);

extern StoreError read_resolve_revision(const StoreView *view, int64 wanted, int64 *revision);
extern bool read_overtaken(Relation tree, int64 revision, int64 *compacted);

#endif							/* PGQ_STORE_READ_H */
