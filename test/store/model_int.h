/*-------------------------------------------------------------------------
 *
 * model_int.h
 *	  What the files of the model share.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/store/model_int.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_TEST_MODEL_INT_H
#define PGQ_TEST_MODEL_INT_H

#include "model.h"

typedef struct ModelTxn
{
	Model	   *model;
	int64		begin;			/* revision before it, and what it leaves out */
	int64		sub;			/* changes so far */
} ModelTxn;

/* model.c */
extern ModelChange *model_add_change(ModelTxn *txn, ProtobufCBinaryData key);
extern Etcdserverpb__DeleteRangeResponse *model_run_delete(ModelTxn *txn,
														   const Etcdserverpb__DeleteRangeRequest *request);
extern StoreError model_run_grant(Model *model, const Etcdserverpb__LeaseGrantRequest *request,
								  Quorum__Result *result);

/* model_import.c */
extern StoreError model_run_import(ModelTxn *txn, const Quorum__ImportRequest *request);

#endif							/* PGQ_TEST_MODEL_INT_H */
