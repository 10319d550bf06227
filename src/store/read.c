/*-------------------------------------------------------------------------
 *
 * read.c
 *	  Reads of the state machine, in any process.
 *
 * A reader takes the revision from the meta and ignores what is newer, so it
 * needs no snapshot and sees a state that was published as a whole.  Nothing
 * that is visible at a revision changes or goes away until that revision is
 * compacted; so a reader looks at the meta once more when it is done, and only if
 * the compacted revision has passed its own, the read may have missed something.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/read.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "store/read.h"
#include "../compat.h"

/* What the published meta says, as far as every reader wants to know it */
void
read_head(Relation tree, MetaHead *head)
{
	char		buffer[TREE_MAX_META_BYTES];
	uint32		len = tree_read_meta(tree, buffer, sizeof(buffer));

	if (len == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the key-value store is not initialized")));
	meta_head(buffer, len, head);
}

/*
 * The current and the compacted revision, as published.
 */
void
read_revisions(Relation tree, int64 *revision, int64 *compacted)
{
	MetaHead	head;

	read_head(tree, &head);
	*revision = head.revision;
	*compacted = head.compacted_revision;
}

/* A view of the published state */
void
read_view(StoreView *view, Relation tree)
{
	MetaHead	head;

	read_head(tree, &head);
	memset(view, 0, sizeof(*view));
	view->tree = tree;
	view->current = view->latest = head.revision;
	view->compacted = head.compacted_revision;
	view->corrupt = head.corrupt;
	view->head = head;
}

/*
 * Has a compaction overtaken a read as of the revision?  *compacted gets the
 * compacted revision as it is now.
 */
bool
read_overtaken(Relation tree, int64 revision, int64 *compacted)
{
	int64		current;

	read_revisions(tree, &current, compacted);
	return revision < *compacted;
}

Quorum__StoreMeta *
store_read_meta(Relation tree)
{
	char		buffer[TREE_MAX_META_BYTES];
	uint32		len = tree_read_meta(tree, buffer, sizeof(buffer));

	return meta_decode(buffer, len);
}

/* ----------------------------------------------------------------
 *	Ranges
 * ----------------------------------------------------------------
 */

/* Knows whether the caller has been shown anything yet */
typedef struct VisitWatch
{
	StoreKvVisit visit;
	void	   *arg;
	bool		visited;
	bool		stopped;
} VisitWatch;

static bool
watch_visit(const Mvccpb__KeyValue *kv, void *arg)
{
	VisitWatch *watch = arg;

	watch->visited = true;
	if (watch->visit(kv, watch->arg))
		return true;
	watch->stopped = true;
	return false;
}

/*
 * The revision that a range request stands for, checked.  Alone, unlike in a
 * transaction, any revision below 1 means the latest (etcd).
 */
StoreError
read_resolve_revision(const StoreView *view, int64 wanted, int64 *revision)
{
	if (unlikely(view->corrupt))
		return STORE_CORRUPT;
	if (wanted > view->current)
		return STORE_FUTURE_REVISION;
	*revision = wanted > 0 ? wanted : view->latest;
	return *revision < view->compacted ? STORE_COMPACTED : STORE_OK;
}

StoreError
store_range(Relation tree, const StoreCaller *caller,
			const Etcdserverpb__RangeRequest *request, bool need_count, StoreKvVisit visit, void *arg, StoreRangeInfo *info)
{
	StoreError	error = store_validate_range(request);
	VisitWatch	watch;

	memset(info, 0, sizeof(*info));
	if (error != STORE_OK)
		return error;

	watch.visit = visit;
	watch.arg = arg;
	watch.visited = false;
	watch.stopped = false;

	for (;;)
	{
		StoreView	view;
		int64		revision;

		read_view(&view, tree);
		info->revision = view.current;
		info->compacted_revision = view.compacted;
		error = access_check(tree, caller, &view.head, STORE_READ,
							 (const char *) request->key.data, request->key.len,
							 (const char *) request->range_end.data,
							 request->range_end.len);
		if (error == STORE_OK)
			error = read_resolve_revision(&view, request->revision, &revision);
		if (error != STORE_OK)
			return error;

		view_range(&view, request, need_count, watch_visit, &watch,
				   &info->count, &info->more);
		if (!read_overtaken(tree, revision, &info->compacted_revision))
			return STORE_OK;
		if (request->revision > 0 || watch.visited || watch.stopped)
			return STORE_COMPACTED;
		CHECK_FOR_INTERRUPTS();
	}
}

StoreError
store_get(Relation tree, const StoreCaller *caller,
		  const char *key, uint32 key_len, int64 revision,
		  Mvccpb__KeyValue **kv, StoreRangeInfo *info)
{
	StoreError	error;

	memset(info, 0, sizeof(*info));
	*kv = NULL;
	if (key_len == 0)
		return STORE_EMPTY_KEY;
	for (;;)
	{
		StoreView	view;
		KeyVersion	version;
		int64		at;
		bool		exists;

		read_view(&view, tree);
		info->revision = view.current;
		info->compacted_revision = view.compacted;
		error = access_check(tree, caller, &view.head, STORE_READ, key, key_len, NULL, 0);
		if (error == STORE_OK)
			error = read_resolve_revision(&view, revision, &at);
		if (error != STORE_OK)
			return error;

		exists = view_lookup(&view, key, key_len, at, true, &version);
		if (!read_overtaken(tree, at, &info->compacted_revision))
		{
			if (exists)
			{
				*kv = palloc(sizeof(**kv));
				version_to_kv(&version, *kv);
				info->count = 1;
			}
			return STORE_OK;
		}
		if (revision > 0)
			return STORE_COMPACTED;
		CHECK_FOR_INTERRUPTS();
	}
}

/* ----------------------------------------------------------------
 *	Transactions of reads
 * ----------------------------------------------------------------
 */

static bool
only_ranges(Etcdserverpb__RequestOp *const *ops, size_t nops)
{
	size_t		i;

	for (i = 0; i < nops; i++)
	{
		if (ops[i]->request_case != ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE)
			return false;
	}
	return true;
}

bool
store_txn_is_read_only(const Etcdserverpb__TxnRequest *txn)
{
	return only_ranges(txn->success, txn->n_success) &&
		only_ranges(txn->failure, txn->n_failure);
}

/* The lowest revision that a transaction of reads names in either branch */
static int64
lowest_revision(const Etcdserverpb__TxnRequest *txn, int64 latest)
{
	int64		lowest = latest;
	int			branch;

	for (branch = 0; branch < 2; branch++)
	{
		Etcdserverpb__RequestOp *const *ops = branch == 0 ? txn->success : txn->failure;
		size_t		nops = branch == 0 ? txn->n_success : txn->n_failure;
		size_t		i;

		for (i = 0; i < nops; i++)
		{
			int64		revision = ops[i]->request_range->revision;

			if (revision > 0)
				lowest = Min(lowest, revision);
		}
	}
	return lowest;
}

/* May the caller read what a transaction of reads looks at, in either branch? */
static StoreError
check_txn_access(Relation tree, const StoreCaller *caller, const MetaHead *head,
				 const Etcdserverpb__TxnRequest *txn)
{
	StoreError	error = STORE_OK;
	int			branch;
	size_t		i;

	if (!head->auth_enabled)
		return STORE_OK;
	for (i = 0; i < txn->n_compare && error == STORE_OK; i++)
	{
		const Etcdserverpb__Compare *compare = txn->compare[i];

		error = access_check(tree, caller, head, STORE_READ,
							 (const char *) compare->key.data, compare->key.len,
							 (const char *) compare->range_end.data,
							 compare->range_end.len);
	}
	for (branch = 0; branch < 2; branch++)
	{
		Etcdserverpb__RequestOp *const *ops = branch == 0 ? txn->success : txn->failure;
		size_t		nops = branch == 0 ? txn->n_success : txn->n_failure;

		for (i = 0; i < nops && error == STORE_OK; i++)
		{
			const Etcdserverpb__RangeRequest *range = ops[i]->request_range;

			error = access_check(tree, caller, head, STORE_READ,
								 (const char *) range->key.data, range->key.len,
								 (const char *) range->range_end.data,
								 range->range_end.len);
		}
	}
	return error;
}

/*
 * store_read_txn
 *		Run a transaction of ranges alone on the published state.
 *
 * The result, as from store_apply(), is in the current memory context.  The request
 * has been validated.
 */
StoreError
store_read_txn(Relation tree, const StoreCaller *caller,
			   const Etcdserverpb__TxnRequest *txn, Quorum__Result **result)
{
	Quorum__Result *answer = palloc(sizeof(*answer));
	StoreView	view;
	StoreError	error;

	Assert(store_txn_is_read_only(txn));
	for (;;)
	{
		Etcdserverpb__TxnResponse *response = palloc(sizeof(*response));
		int64		compacted;

		etcdserverpb__txn_response__init(response);
		read_view(&view, tree);
		error = check_txn_access(tree, caller, &view.head, txn);
		if (error == STORE_OK)
			error = view.corrupt ? STORE_CORRUPT :
				txn_run(&view, NULL, txn, CurrentMemoryContext, response);

		quorum__result__init(answer);
		answer->error = error;
		answer->revision = view.current;
		answer->compacted_revision = view.compacted;
		if (error != STORE_OK)
			break;
		if (!read_overtaken(tree, lowest_revision(txn, view.latest), &compacted) ||
			compacted == view.compacted)
		{
			response->header = make_header(CurrentMemoryContext, view.current);
			answer->response_case = QUORUM__RESULT__RESPONSE_TXN;
			answer->txn = response;
			break;
		}

		/*
		 * A compaction has come in between, beyond a revision that may have
		 * been read.  Again: either the reads are of the latest revision,
		 * which has moved on, or the checks will find that theirs is
		 * compacted.  What was read is left to the context.
		 */
		CHECK_FOR_INTERRUPTS();
	}
	*result = answer;
	return error;
}

/* ----------------------------------------------------------------
 *	Rows of quorum.mvcc
 * ----------------------------------------------------------------
 */

static Datum
bytes_datum(const char *data, uint32 len)
{
	bytea	   *result = palloc(VARHDRSZ + len);

	SET_VARSIZE(result, VARHDRSZ + len);
	memcpy(VARDATA(result), data, len);
	return PointerGetDatum(result);
}

/*
 * store_mvcc_row
 *		One row for each stored version of a key: key, mod_revision, sub,
 *		create_revision, version, lease, deleted, value.
 */
bool
store_mvcc_row(TupleDesc desc, const TreeItem *item, Datum *values, bool *isnull)
{
	KeyVersion	version;

	if (item->key.space != SPACE_KEY || item->value == NULL)
		return false;
	if (desc->natts != 8)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("a relation of key versions must have 8 columns, not %d", desc->natts)));

	decode_version(item, &version);
	memset(isnull, 0, 8 * sizeof(bool));
	values[0] = bytes_datum(version.key, version.key_len);
	values[1] = Int64GetDatum(version.revision);
	values[2] = Int64GetDatum(version.sub);
	values[3] = Int64GetDatum(version.create_revision);
	values[4] = Int64GetDatum(version.version);
	values[5] = Int64GetDatum(version.lease);
	values[6] = BoolGetDatum(version.tombstone);
	if (version.tombstone)
		isnull[7] = true;
	else
		values[7] = bytes_datum(version.value, version.value_len);
	return true;
}
