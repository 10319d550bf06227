/*-------------------------------------------------------------------------
 *
 * alarms.h
 *	  Alarms, for the other files of the state machine.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/alarms.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_STORE_ALARMS_H
#define PGQ_STORE_ALARMS_H

#include "store/store_int.h"

extern StoreError alarms_validate(const Etcdserverpb__AlarmRequest *request);
extern StoreError alarms_forbid(const Quorum__StoreMeta *meta, const Quorum__Command *command);
extern StoreError alarms_apply(Store *store, const Etcdserverpb__AlarmRequest *request,
							   Quorum__Result *result);
extern void alarms_drop_member(Store *store, uint64 member);

#endif							/* PGQ_STORE_ALARMS_H */
