/*-------------------------------------------------------------------------
 *
 * am.h
 *	  What the files about the access methods share.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/storage/am.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_AM_H
#define PGQ_AM_H

#include "access/tableam.h"

#include "storage.h"

/* am.c */
extern bool storage_relation_kind(Relation rel, StorageKind *kind);
extern void storage_refuse(const char *action, const char *relation);

/* am_scan.c */
extern TableScanDesc storage_scan_begin(Relation rel, Snapshot snapshot, int nkeys,
										struct ScanKeyData *key,
										ParallelTableScanDesc pscan, uint32 flags);
extern void storage_scan_end(TableScanDesc scan);
extern void storage_scan_rescan(TableScanDesc scan, struct ScanKeyData *key,
								bool set_params, bool allow_strat,
								bool allow_sync, bool allow_pagemode);
extern bool storage_scan_next(TableScanDesc scan, ScanDirection direction,
							  TupleTableSlot *slot);

/* am_guard.c */
extern bool storage_preloaded(void);

#endif							/* PGQ_AM_H */
