/*-------------------------------------------------------------------------
 *
 * txn.c
 *	  Transactions: compares, the path they choose, and its execution.
 *
 * As in etcd a transaction has three phases.  First all compares, those of
 * nested transactions too, are evaluated on the state before the transaction;
 * they fix which branches will run.  Then the operations on that path are checked
 * against the same state: revisions of ranges, leases, keys that must exist.
 * Only then anything is executed, and from there on nothing can fail, so a
 * transaction that is refused has changed nothing, on every member alike,
 * and no member refuses what another one does.
 *
 * Execution works on the state with the transaction's earlier operations in it.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/txn.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "store/txn.h"

/*
 * The branches that run: one entry for each transaction on the path, itself
 * first, then those nested in its branch in their order.  Every phase walks the
 * path in this same order.
 */
typedef struct TxnPath
{
	bool	   *succeeded;
	int			n;
	int			max;
	int			next;			/* of the phase that reads it */
} TxnPath;

typedef struct TxnRun
{
	StoreView  *view;
	const TxnWriter *writer;	/* NULL in a reader */
	MemoryContext result_context;
	TxnPath		path;
} TxnRun;

/* ----------------------------------------------------------------
 *	Parts of responses
 * ----------------------------------------------------------------
 */

/* A header with the revision; the rest of it is not the store's to know */
Etcdserverpb__ResponseHeader *
make_header(MemoryContext context, int64 revision)
{
	Etcdserverpb__ResponseHeader *header = MemoryContextAlloc(context, sizeof(*header));

	etcdserverpb__response_header__init(header);
	header->revision = revision;
	return header;
}

/* A copy of a version, bytes included, in one allocation */
Mvccpb__KeyValue *
copy_version(MemoryContext context, const KeyVersion *version)
{
	Mvccpb__KeyValue *kv;
	uint32		value_len = version->value != NULL ? version->value_len : 0;

	kv = MemoryContextAllocHuge(context, sizeof(*kv) + version->key_len + value_len);
	version_to_kv(version, kv);
	kv->key.data = (uint8 *) (kv + 1);
	memcpy(kv->key.data, version->key, version->key_len);
	if (value_len > 0)
	{
		kv->value.data = kv->key.data + version->key_len;
		memcpy(kv->value.data, version->value, value_len);
	}
	return kv;
}

/* ----------------------------------------------------------------
 *	First phase: compares
 * ----------------------------------------------------------------
 */

/* Does one key pass?  All zero for a key that does not exist. */
static bool
compare_version(const Etcdserverpb__Compare *compare, const KeyVersion *version)
{
	int64		have = 0;
	int64		want = 0;
	int			cmp;

	if (compare->target == ETCDSERVERPB__COMPARE__COMPARE_TARGET__VALUE)
	{
		const ProtobufCBinaryData *value = NULL;

		if (compare->target_union_case == ETCDSERVERPB__COMPARE__TARGET_UNION_VALUE)
			value = &compare->value;
		cmp = bytes_compare(version->value, version->value_len,
							value != NULL && value->len > 0 ? (const char *) value->data : "",
							value != NULL ? value->len : 0);
	}
	else
	{
		switch (compare->target)
		{
			case ETCDSERVERPB__COMPARE__COMPARE_TARGET__VERSION:
				have = version->version;
				if (compare->target_union_case == ETCDSERVERPB__COMPARE__TARGET_UNION_VERSION)
					want = compare->version;
				break;
			case ETCDSERVERPB__COMPARE__COMPARE_TARGET__CREATE:
				have = version->create_revision;
				if (compare->target_union_case == ETCDSERVERPB__COMPARE__TARGET_UNION_CREATE_REVISION)
					want = compare->create_revision;
				break;
			case ETCDSERVERPB__COMPARE__COMPARE_TARGET__MOD:
				have = version->revision;
				if (compare->target_union_case == ETCDSERVERPB__COMPARE__TARGET_UNION_MOD_REVISION)
					want = compare->mod_revision;
				break;
			default:
				have = version->lease;
				if (compare->target_union_case == ETCDSERVERPB__COMPARE__TARGET_UNION_LEASE)
					want = compare->lease;
				break;
		}
		cmp = have < want ? -1 : have > want ? 1 : 0;
	}

	switch (compare->result)
	{
		case ETCDSERVERPB__COMPARE__COMPARE_RESULT__EQUAL:
			return cmp == 0;
		case ETCDSERVERPB__COMPARE__COMPARE_RESULT__NOT_EQUAL:
			return cmp != 0;
		case ETCDSERVERPB__COMPARE__COMPARE_RESULT__GREATER:
			return cmp > 0;
		default:
			return cmp < 0;
	}
}

/*
 * Does every key of the compare's range pass?  Where there is none, a compare
 * of the value fails, and any other compares with zero.
 */
static bool
evaluate_compare(StoreView *view, const Etcdserverpb__Compare *compare)
{
	bool		by_value = compare->target == ETCDSERVERPB__COMPARE__COMPARE_TARGET__VALUE;
	KeyRange	range;
	ViewScan   *scan;
	KeyVersion	version;
	bool		any = false;
	bool		passed = true;

	key_range_set(&range, (const char *) compare->key.data, compare->key.len,
				  (const char *) compare->range_end.data, compare->range_end.len);
	scan = view_scan_begin(view, &range, view->latest);
	while (passed && view_scan_next(scan, by_value, &version))
	{
		any = true;
		passed = compare_version(compare, &version);
	}
	view_scan_end(scan);

	if (any)
		return passed;
	if (by_value)
		return false;
	memset(&version, 0, sizeof(version));
	return compare_version(compare, &version);
}

static void
branch_of(const Etcdserverpb__TxnRequest *request, bool succeeded,
		  Etcdserverpb__RequestOp *const **ops, size_t *nops)
{
	*ops = succeeded ? request->success : request->failure;
	*nops = succeeded ? request->n_success : request->n_failure;
}

static void
choose_path(TxnRun *run, const Etcdserverpb__TxnRequest *request)
{
	TxnPath    *path = &run->path;
	bool		succeeded = true;
	Etcdserverpb__RequestOp *const *ops;
	size_t		nops;
	size_t		i;

	for (i = 0; succeeded && i < request->n_compare; i++)
		succeeded = evaluate_compare(run->view, request->compare[i]);

	if (path->n == path->max)
	{
		path->max *= 2;
		path->succeeded = repalloc_huge(path->succeeded, path->max * sizeof(bool));
	}
	path->succeeded[path->n++] = succeeded;

	branch_of(request, succeeded, &ops, &nops);
	for (i = 0; i < nops; i++)
	{
		if (ops[i]->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN)
			choose_path(run, ops[i]->request_txn);
	}
}

/* ----------------------------------------------------------------
 *	Second phase: checks
 * ----------------------------------------------------------------
 */

static StoreError
check_path(TxnRun *run, const Etcdserverpb__TxnRequest *request)
{
	bool		succeeded = run->path.succeeded[run->path.next++];
	StoreError	error = STORE_OK;
	Etcdserverpb__RequestOp *const *ops;
	size_t		nops;
	size_t		i;

	branch_of(request, succeeded, &ops, &nops);
	for (i = 0; error == STORE_OK && i < nops; i++)
	{
		switch (ops[i]->request_case)
		{
			case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE:
				error = view_check_revision(run->view, ops[i]->request_range->revision);
				break;
			case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT:
				error = run->writer->check_put(run->writer->arg, ops[i]->request_put);
				break;
			case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN:
				error = check_path(run, ops[i]->request_txn);
				break;
			default:
				break;
		}
	}
	return error;
}

/* ----------------------------------------------------------------
 *	Third phase: execution
 * ----------------------------------------------------------------
 */

typedef struct RangeCollector
{
	MemoryContext context;
	Etcdserverpb__RangeResponse *response;
	size_t		max;
} RangeCollector;

static bool
collect_kv(const Mvccpb__KeyValue *kv, void *arg)
{
	RangeCollector *collector = arg;
	Etcdserverpb__RangeResponse *response = collector->response;
	KeyVersion	version;

	if (response->n_kvs == collector->max)
	{
		collector->max = Max(collector->max * 2, 8);
		if (response->kvs == NULL)
			response->kvs = MemoryContextAlloc(collector->context,
											   collector->max * sizeof(Mvccpb__KeyValue *));
		else
			response->kvs = repalloc_huge(response->kvs,
										  collector->max * sizeof(Mvccpb__KeyValue *));
	}

	version.key = (const char *) kv->key.data;
	version.key_len = kv->key.len;
	version.revision = kv->mod_revision;
	version.create_revision = kv->create_revision;
	version.version = kv->version;
	version.lease = kv->lease;
	version.value = (const char *) kv->value.data;
	version.value_len = kv->value.len;
	response->kvs[response->n_kvs++] = copy_version(collector->context, &version);
	return true;
}

static void
execute_range(TxnRun *run, const Etcdserverpb__RangeRequest *request,
			  Etcdserverpb__ResponseOp *op)
{
	RangeCollector collector;
	Etcdserverpb__RangeResponse *response;
	int64		count;
	bool		more;

	response = MemoryContextAlloc(run->result_context, sizeof(*response));
	etcdserverpb__range_response__init(response);
	op->response_case = ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_RANGE;
	op->response_range = response;

	collector.context = run->result_context;
	collector.response = response;
	collector.max = 0;
	view_range(run->view, request, true, collect_kv, &collector, &count, &more);
	response->header = make_header(run->result_context, run->view->latest);
	response->count = count;
	response->more = more;
}

static void
execute_put(TxnRun *run, const Etcdserverpb__PutRequest *request,
			Etcdserverpb__ResponseOp *op)
{
	Etcdserverpb__PutResponse *response = NULL;

	if (op != NULL)
	{
		response = MemoryContextAlloc(run->result_context, sizeof(*response));
		etcdserverpb__put_response__init(response);
		op->response_case = ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_PUT;
		op->response_put = response;
	}
	run->writer->put(run->writer->arg, request, response);
}

static void
execute_delete_range(TxnRun *run, const Etcdserverpb__DeleteRangeRequest *request,
					 Etcdserverpb__ResponseOp *op)
{
	Etcdserverpb__DeleteRangeResponse *response = NULL;

	if (op != NULL)
	{
		response = MemoryContextAlloc(run->result_context, sizeof(*response));
		etcdserverpb__delete_range_response__init(response);
		op->response_case = ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_DELETE_RANGE;
		op->response_delete_range = response;
	}
	run->writer->delete_range(run->writer->arg, request, response);
}

/*
 * Execute the branch of a transaction.  The response is NULL if nobody wants it;
 * ranges are then not even read.
 */
static void
execute_path(TxnRun *run, const Etcdserverpb__TxnRequest *request,
			 Etcdserverpb__TxnResponse *response)
{
	bool		succeeded = run->path.succeeded[run->path.next++];
	Etcdserverpb__RequestOp *const *ops;
	size_t		nops;
	size_t		i;

	branch_of(request, succeeded, &ops, &nops);
	if (response != NULL)
	{
		response->succeeded = succeeded;
		response->n_responses = nops;
		response->responses = MemoryContextAllocHuge(run->result_context,
													 Max(nops, 1) * sizeof(*response->responses));
	}

	for (i = 0; i < nops; i++)
	{
		Etcdserverpb__ResponseOp *op = NULL;

		if (response != NULL)
		{
			op = MemoryContextAlloc(run->result_context, sizeof(*op));
			etcdserverpb__response_op__init(op);
			response->responses[i] = op;
		}

		switch (ops[i]->request_case)
		{
			case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE:
				if (op != NULL)
					execute_range(run, ops[i]->request_range, op);
				break;
			case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT:
				execute_put(run, ops[i]->request_put, op);
				break;
			case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE:
				execute_delete_range(run, ops[i]->request_delete_range, op);
				break;
			default:
				{
					Etcdserverpb__TxnResponse *nested = NULL;

					if (op != NULL)
					{
						nested = MemoryContextAlloc(run->result_context, sizeof(*nested));
						etcdserverpb__txn_response__init(nested);
						nested->header = make_header(run->result_context, 0);
						op->response_case = ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_TXN;
						op->response_txn = nested;
					}
					execute_path(run, ops[i]->request_txn, nested);
					break;
				}
		}
	}
}

/*
 * txn_run
 *		Run a valid transaction (store_validate()) on a view.
 *
 * writer is NULL in a reader, whose transactions have only ranges.  response is
 * an initialized message to be filled with memory of result_context, or NULL;
 * its own header is left to the caller.  On any result but STORE_OK nothing was
 * changed.
 */
StoreError
txn_run(StoreView *view, const TxnWriter *writer,
		const Etcdserverpb__TxnRequest *request,
		MemoryContext result_context, Etcdserverpb__TxnResponse *response)
{
	TxnRun		run;
	StoreError	error;

	run.view = view;
	run.writer = writer;
	run.result_context = result_context;
	run.path.max = 16;
	run.path.n = 0;
	run.path.next = 0;
	run.path.succeeded = palloc(run.path.max * sizeof(bool));

	choose_path(&run, request);
	error = check_path(&run, request);
	if (error == STORE_OK)
	{
		run.path.next = 0;
		execute_path(&run, request, response);
	}
	pfree(run.path.succeeded);
	return error;
}
