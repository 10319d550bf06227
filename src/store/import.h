/*-------------------------------------------------------------------------
 *
 * import.h
 *	  Imports of logical copies, in the state machine.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/import.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_STORE_IMPORT_H
#define PGQ_STORE_IMPORT_H

#include "store/store_int.h"

extern StoreError validate_import(const Quorum__ImportRequest *request);
extern StoreError apply_import(Store *store, const Quorum__ImportRequest *request);
extern void import_write(Store *store, ChangeSlice *slice);
extern bool import_collect_garbage(Store *store, Relation tree);

#endif							/* PGQ_STORE_IMPORT_H */
