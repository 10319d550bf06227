/*-------------------------------------------------------------------------
 *
 * counter.h
 *	  Numbers that the state machine makes: increments, sequential keys.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/counter.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_STORE_COUNTER_H
#define PGQ_STORE_COUNTER_H

#include "store/store_int.h"

/* Most digits of a revision, and what they leave of a key for its prefix */
#define SEQUENTIAL_DIGITS		19
#define STORE_MAX_PREFIX_BYTES	(STORE_MAX_KEY_BYTES - SEQUENTIAL_DIGITS)

extern StoreError validate_increment(const Quorum__IncrementRequest *request);
extern StoreError validate_put_sequential(const Quorum__PutSequentialRequest *request);
extern StoreError apply_increment(Store *store, const Quorum__IncrementRequest *request,
								  Quorum__Result *result);
extern StoreError apply_put_sequential(Store *store,
									   const Quorum__PutSequentialRequest *request,
									   Quorum__Result *result);

#endif							/* PGQ_STORE_COUNTER_H */
