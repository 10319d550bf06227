/*-------------------------------------------------------------------------
 *
 * txn.h
 *	  Transactions: compares, the path they choose, and its execution.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/txn.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_STORE_TXN_H
#define PGQ_STORE_TXN_H

#include "store/view.h"

/*
 * How deep transactions may nest.  etcd's rule for the number of operations
 * gives the same bound at its default of 128.  Bounds every recursion over a
 * request.
 */
#define STORE_MAX_TXN_DEPTH		130

/* How the writer carries out what a reader cannot */
typedef struct TxnWriter
{
	StoreError	(*check_put) (void *arg, const Etcdserverpb__PutRequest *request);
	/* response is NULL if nobody wants it */
	void		(*put) (void *arg, const Etcdserverpb__PutRequest *request,
						Etcdserverpb__PutResponse *response);
	void		(*delete_range) (void *arg,
								 const Etcdserverpb__DeleteRangeRequest *request,
								 Etcdserverpb__DeleteRangeResponse *response);
	void	   *arg;
} TxnWriter;

extern Etcdserverpb__ResponseHeader *make_header(MemoryContext context, int64 revision);
extern Mvccpb__KeyValue *copy_version(MemoryContext context, const KeyVersion *version);

extern StoreError txn_run(StoreView *view, const TxnWriter *writer,
						  const Etcdserverpb__TxnRequest *request,
						  MemoryContext result_context,
						  Etcdserverpb__TxnResponse *response);

#endif							/* PGQ_STORE_TXN_H */
