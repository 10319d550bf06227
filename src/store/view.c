/*-------------------------------------------------------------------------
 *
 * view.c
 *	  Keys and values as of a revision, from the tree and an overlay.
 *
 * The newest version of a key that is not after the wanted revision is the
 * first item of the tree at or after (key, revision).  A scan walks forward and
 * takes the first such version of each key; what it has to step over are newer
 * versions and, behind the one it takes, older ones.  After a few of either it
 * gives up stepping and seeks, so a key with a million versions costs two
 * descents and not a million steps, while the usual key with one or two
 * costs no seek at all.
 *
 * The writer's view has the overlay of its batch on top.  The overlay's version
 * of a key, if it has one as of the revision, is newer than the tree's.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/view.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "store/view.h"

/* Items of one key to step over before seeking past them */
#define VIEW_MAX_STEPS			8

/* Items between two calls of view_poll() */
#define VIEW_POLL_ITEMS			128

/* Shortest time between two calls of the writer's poll function */
#define VIEW_POLL_MICROSECONDS	2000

struct ViewScan
{
	StoreView  *view;
	KeyRange	range;
	int64		revision;
	bool		point_done;		/* KEY_RANGE_POINT: the key has been looked up */

	TreeScan   *tree_scan;
	bool		tree_started;
	bool		tree_ended;
	bool		tree_pending;	/* tree_version is found and not yet returned */
	TreeItem	tree_item;
	KeyVersion	tree_version;
	MemoryContext value_context;	/* a value from overflow pages, or NULL */

	int			overlay_position;

	int			items;			/* since the last view_poll() */
	bool		stop_is_due;	/* the view's slice is over */
	bool		stopped;		/* in front of key */
	uint32		key_len;		/* of the last key seen in the tree */
	char		key[TREE_MAX_KEY_BYTES];
};

/*
 * To be called now and then in all that may take long: makes it interruptible
 * and lets the writer's caller attend to what else it has to do.
 */
void
view_poll(StoreView *view)
{
	CHECK_FOR_INTERRUPTS();

	if (view->poll != NULL)
	{
		instr_time	now;
		instr_time	elapsed;

		INSTR_TIME_SET_CURRENT(now);
		elapsed = now;
		INSTR_TIME_SUBTRACT(elapsed, view->last_poll);
		if (INSTR_TIME_GET_MICROSEC(elapsed) >= VIEW_POLL_MICROSECONDS)
		{
			view->poll(view->poll_arg);
			INSTR_TIME_SET_CURRENT(view->last_poll);
		}
	}
}

/*
 * view_lookup
 *		The version of a key as of a revision; false if the key does not exist
 *		then.
 *
 * What *version points to is in the current memory context or in the overlay.
 * want_value false means that the caller has no use for the value: a part of it
 * may be there, and only the rest of *version is right.
 */
bool
view_lookup(StoreView *view, const char *key, uint32 key_len, int64 revision,
			bool want_value, KeyVersion *version)
{
	TreeKey		tree_key;
	TreeItem	item;

	if (view->overlay != NULL)
	{
		const OverlayKey *overlay_key = overlay_find(view->overlay, key, key_len);

		if (overlay_key != NULL)
		{
			const OverlayVersion *found = overlay_version_at(overlay_key, revision);

			if (found != NULL)
			{
				*version = found->version;
				return !version->tombstone;
			}
		}
	}

	version_tree_key(&tree_key, key, key_len, revision, PG_INT64_MAX);
	if (!tree_lookup_head(view->tree, TREE_MAIN, &tree_key,
						  want_value ? PG_UINT32_MAX : VERSION_HEADER_MAX, &item) ||
		item.key.space != SPACE_KEY ||
		!bytes_equal(item.key.data, item.key.len, key, key_len))
		return false;
	decode_version(&item, version);
	return !version->tombstone;
}

/* ----------------------------------------------------------------
 *	Scans
 * ----------------------------------------------------------------
 */

/*
 * Begin to scan a range as of a revision.  The keys' bytes must stay where they
 * are until the end of the scan.
 */
ViewScan *
view_scan_begin(StoreView *view, const KeyRange *range, int64 revision)
{
	ViewScan   *scan = palloc(sizeof(ViewScan));

	scan->view = view;
	scan->range = *range;
	scan->revision = revision;
	scan->point_done = false;
	scan->tree_scan = NULL;
	scan->tree_started = false;
	scan->tree_ended = false;
	scan->tree_pending = false;
	scan->value_context = NULL;
	scan->overlay_position = -1;
	scan->items = 0;
	scan->stop_is_due = false;
	scan->stopped = false;
	return scan;
}

void
view_scan_end(ViewScan *scan)
{
	if (scan->tree_scan != NULL)
		tree_scan_end(scan->tree_scan);
	if (scan->value_context != NULL)
		MemoryContextDelete(scan->value_context);
	pfree(scan);
}

/*
 * Read the value of the tree's item if it is not there yet, or only what must be
 * known of it.  False if the item has vanished, which only a compaction beyond the
 * scan's revision can cause.
 */
static bool
read_value(ViewScan *scan, bool want_value)
{
	MemoryContext old_context;
	bool		found;

	if (scan->tree_item.value != NULL)
		return true;

	if (scan->value_context == NULL)
		scan->value_context = AllocSetContextCreate(CurrentMemoryContext,
													"quorum scan value",
													ALLOCSET_SMALL_SIZES);
	else
		MemoryContextReset(scan->value_context);
	old_context = MemoryContextSwitchTo(scan->value_context);
	found = tree_scan_head(scan->tree_scan,
						   want_value ? PG_UINT32_MAX : VERSION_HEADER_MAX,
						   &scan->tree_item);
	MemoryContextSwitchTo(old_context);
	return found;
}

/*
 * Find the next key of the tree in the range, and its version as of the
 * revision, into tree_version (which may be a tombstone).
 */
static void
advance_tree(ViewScan *scan, bool want_value)
{
	TreeKey		seek_key;
	bool		have_key = scan->tree_started;
	int			steps = 0;

	if (!scan->tree_started)
	{
		scan->tree_scan = tree_scan_begin(scan->view->tree, TREE_MAIN);
		version_tree_key(&seek_key, scan->range.start, scan->range.start_len,
						 scan->revision, PG_INT64_MAX);
		tree_seek(scan->tree_scan, &seek_key);
		scan->tree_started = true;
		scan->key_len = 0;
	}

	for (;;)
	{
		TreeItem   *item = &scan->tree_item;
		KeyVersion *version = &scan->tree_version;

		if (++scan->items >= VIEW_POLL_ITEMS)
		{
			scan->items = 0;
			view_poll(scan->view);
			scan->stop_is_due = scan->view->slice_usec > 0 &&
				view_slice_is_over(scan->view);
		}

		if (!tree_next(scan->tree_scan, item) ||
			!decode_version_key(&item->key, version) ||
			key_range_ends_before(&scan->range, version->key, version->key_len))
		{
			scan->tree_ended = true;
			return;
		}

		/* an older version of the key before */
		if (have_key &&
			bytes_equal(version->key, version->key_len, scan->key, scan->key_len))
		{
			if (++steps >= VIEW_MAX_STEPS)
			{
				key_end_tree_key(&seek_key, scan->key, scan->key_len);
				tree_seek(scan->tree_scan, &seek_key);
				steps = 0;
			}
			continue;
		}

		if (unlikely(scan->stop_is_due))
		{
			memcpy(scan->key, version->key, version->key_len);
			scan->key_len = version->key_len;
			scan->stopped = scan->tree_ended = true;
			return;
		}

		/* a version that is too new */
		if (version->revision > scan->revision)
		{
			if (++steps >= VIEW_MAX_STEPS)
			{
				char		key[TREE_MAX_KEY_BYTES];

				memcpy(key, version->key, version->key_len);
				version_tree_key(&seek_key, key, version->key_len,
								 scan->revision, PG_INT64_MAX);
				tree_seek(scan->tree_scan, &seek_key);
				steps = 0;
			}
			continue;
		}

		memcpy(scan->key, version->key, version->key_len);
		scan->key_len = version->key_len;
		have_key = true;
		steps = 0;
		if (!read_value(scan, want_value))
			continue;
		decode_version(item, version);
		scan->tree_pending = true;
		return;
	}
}

/*
 * view_scan_stopped
 *		Has a scan ended because the view's slice is over?  *key is where it would go on.
 */
bool
view_scan_stopped(const ViewScan *scan, const char **key, uint32 *key_len)
{
	*key = scan->key;
	*key_len = scan->key_len;
	return scan->stopped;
}

/* The next version of the overlay as of the revision; NULL at the end */
static const OverlayVersion *
peek_overlay(ViewScan *scan)
{
	Overlay    *overlay = scan->view->overlay;

	if (overlay == NULL || overlay->nkeys == 0)
		return NULL;
	if (scan->overlay_position < 0)
		scan->overlay_position = overlay_seek(overlay, scan->range.start,
											  scan->range.start_len);

	while (scan->overlay_position < overlay->nkeys)
	{
		const OverlayKey *key = overlay->keys[scan->overlay_position];
		const OverlayVersion *found;

		if (key_range_ends_before(&scan->range, key->key, key->key_len))
			break;
		found = overlay_version_at(key, scan->revision);
		if (found != NULL)
			return found;
		scan->overlay_position++;
	}
	return NULL;
}

/*
 * view_scan_next
 *		The next key that exists as of the scan's revision, in key order;
 *		false at the end.
 *
 * What *version points to is valid until the next call.  The overlay must not
 * change while a scan goes on.  want_value as for view_lookup(); once it was
 * false it must stay so.
 */
bool
view_scan_next(ViewScan *scan, bool want_value, KeyVersion *version)
{
	if (scan->range.kind == KEY_RANGE_POINT)
	{
		if (scan->point_done)
			return false;
		scan->point_done = true;
		return view_lookup(scan->view, scan->range.start, scan->range.start_len,
						   scan->revision, want_value, version);
	}

	for (;;)
	{
		const OverlayVersion *overlay_version = peek_overlay(scan);

		if (!scan->tree_pending && !scan->tree_ended)
			advance_tree(scan, want_value);

		if (overlay_version != NULL)
		{
			int			cmp = -1;

			if (scan->tree_pending)
				cmp = bytes_compare(overlay_version->version.key,
									overlay_version->version.key_len,
									scan->tree_version.key, scan->tree_version.key_len);
			if (cmp <= 0)
			{
				scan->overlay_position++;
				if (cmp == 0)
					scan->tree_pending = false;
				if (overlay_version->version.tombstone)
					continue;
				*version = overlay_version->version;
				return true;
			}
		}

		if (!scan->tree_pending)
			return false;
		scan->tree_pending = false;
		if (scan->tree_version.tombstone)
			continue;
		*version = scan->tree_version;
		return true;
	}
}

/* ----------------------------------------------------------------
 *	Range requests
 * ----------------------------------------------------------------
 */

/*
 * May a request name this revision?  0 stands for the latest; so does any
 * other number below 1 that is not below the compacted revision.
 */
StoreError
view_check_revision(const StoreView *view, int64 revision)
{
	if (revision == 0)
		return STORE_OK;
	if (revision > view->current)
		return STORE_FUTURE_REVISION;
	if (revision < view->compacted)
		return STORE_COMPACTED;
	return STORE_OK;
}

bool
view_has_filters(const Etcdserverpb__RangeRequest *request)
{
	return request->min_mod_revision != 0 || request->max_mod_revision != 0 ||
		request->min_create_revision != 0 || request->max_create_revision != 0;
}

bool
view_passes_filters(const Etcdserverpb__RangeRequest *request, const KeyVersion *version)
{
	if (request->min_mod_revision != 0 && version->revision < request->min_mod_revision)
		return false;
	if (request->max_mod_revision != 0 && version->revision > request->max_mod_revision)
		return false;
	if (request->min_create_revision != 0 &&
		version->create_revision < request->min_create_revision)
		return false;
	if (request->max_create_revision != 0 &&
		version->create_revision > request->max_create_revision)
		return false;
	return true;
}

bool
view_visit_version(const Etcdserverpb__RangeRequest *request, const KeyVersion *version,
				   StoreKvVisit visit, void *arg)
{
	Mvccpb__KeyValue kv;

	version_to_kv(version, &kv);
	if (request->keys_only)
	{
		kv.value.data = NULL;
		kv.value.len = 0;
	}
	return visit(&kv, arg);
}

static int
compare_numbers(int64 a, int64 b)
{
	return a < b ? -1 : a > b ? 1 : 0;
}

/* The order asked for, and key order among equals */
int
view_compare(const Etcdserverpb__RangeRequest *request, const KeyVersion *x, const KeyVersion *y)
{
	int			cmp = 0;

	switch (request->sort_target)
	{
		case ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__VERSION:
			cmp = compare_numbers(x->version, y->version);
			break;
		case ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__CREATE:
			cmp = compare_numbers(x->create_revision, y->create_revision);
			break;
		case ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__MOD:
			cmp = compare_numbers(x->revision, y->revision);
			break;
		case ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__VALUE:
			cmp = bytes_compare(x->value, x->value_len, y->value, y->value_len);
			break;
		default:
			cmp = bytes_compare(x->key, x->key_len, y->key, y->key_len);
			break;
	}
	if (cmp != 0)
		return request->sort_order == ETCDSERVERPB__RANGE_REQUEST__SORT_ORDER__DESCEND ? -cmp : cmp;
	return bytes_compare(x->key, x->key_len, y->key, y->key_len);
}

/* qsort_arg comparator */
static int
sort_cmp(const void *a, const void *b, void *arg)
{
	return view_compare(arg, *(KeyVersion *const *) a, *(KeyVersion *const *) b);
}

/* Versions kept for sorting */
typedef struct SortSpace
{
	const Etcdserverpb__RangeRequest *request;
	MemoryContext context;
	KeyVersion **versions;
	int64		n;
	int64		max;
	int64		keep;			/* how many will be wanted after the sort; 0: all */
} SortSpace;

static void
sort_versions(SortSpace *space)
{
	qsort_arg(space->versions, space->n, sizeof(KeyVersion *), sort_cmp,
			  (void *) space->request);
}

/*
 * Keep a copy of a version.  With a limit, those that cannot be among the first
 * are thrown out now and then, so the memory is that of the result.
 */
static void
sort_add(SortSpace *space, const KeyVersion *version, bool with_value)
{
	KeyVersion *copy;
	char	   *bytes;
	uint32		value_len = with_value ? version->value_len : 0;

	if (space->n == space->max)
	{
		if (space->keep > 0 && space->n / 2 >= space->keep)
		{
			sort_versions(space);
			while (space->n > space->keep)
				pfree(space->versions[--space->n]);
		}
		else
		{
			space->max *= 2;
			space->versions = repalloc_huge(space->versions,
											space->max * sizeof(KeyVersion *));
		}
	}

	copy = MemoryContextAllocHuge(space->context,
								  sizeof(KeyVersion) + version->key_len + value_len);
	bytes = (char *) (copy + 1);
	*copy = *version;
	copy->key = memcpy(bytes, version->key, version->key_len);
	copy->value = bytes + version->key_len;
	copy->value_len = value_len;
	if (value_len > 0)
		memcpy(bytes + version->key_len, version->value, value_len);
	space->versions[space->n++] = copy;
}

/*
 * view_needs_sort
 *		Is the result of a range request in another order than the scan?
 */
bool
view_needs_sort(const Etcdserverpb__RangeRequest *request, const KeyRange *range)
{
	if (request->count_only || range->kind == KEY_RANGE_POINT)
		return false;
	return request->sort_target != ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__KEY ||
		request->sort_order == ETCDSERVERPB__RANGE_REQUEST__SORT_ORDER__DESCEND;
}

/*
 * view_cuts_first
 *		As in etcd, a limit together with an order that is only implied by the sort
 *		target (order NONE) cuts before the sort: the first limit + 1 keys are
 *		sorted and the last of them is dropped.
 */
bool
view_cuts_first(const Etcdserverpb__RangeRequest *request)
{
	return request->limit > 0 && !view_has_filters(request) &&
		request->sort_order == ETCDSERVERPB__RANGE_REQUEST__SORT_ORDER__NONE;
}

/* A range whose result is sorted */
static void
range_sorted(StoreView *view, const Etcdserverpb__RangeRequest *request,
			 const KeyRange *range, int64 revision,
			 StoreKvVisit visit, void *arg, int64 *count, bool *more)
{
	bool		cut_first = view_cuts_first(request);
	bool		with_value = !request->keys_only ||
		request->sort_target == ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__VALUE;
	ViewScan   *scan;
	KeyVersion	version;
	SortSpace	space;
	int64		matched = 0;
	int64		i;

	space.request = request;
	space.context = AllocSetContextCreate(CurrentMemoryContext, "quorum sort",
										  ALLOCSET_DEFAULT_SIZES);
	space.n = 0;
	space.max = 1024;
	space.keep = cut_first ? 0 : Max(request->limit, 0);
	space.versions = MemoryContextAlloc(space.context, space.max * sizeof(KeyVersion *));

	scan = view_scan_begin(view, range, revision);
	while (view_scan_next(scan, with_value, &version))
	{
		(*count)++;
		if (!view_passes_filters(request, &version))
			continue;
		matched++;
		if (!cut_first || matched - 1 <= request->limit)
			sort_add(&space, &version, with_value);
	}
	view_scan_end(scan);

	sort_versions(&space);
	*more = request->limit > 0 && matched > request->limit;
	if (*more)
		space.n = Min(space.n, request->limit);
	for (i = 0; i < space.n; i++)
	{
		if (i % VIEW_POLL_ITEMS == 0)
			view_poll(view);
		if (!view_visit_version(request, space.versions[i], visit, arg))
			break;
	}
	MemoryContextDelete(space.context);
}

/* A range in key order: nothing is kept */
static void
range_streamed(StoreView *view, const Etcdserverpb__RangeRequest *request,
			   const KeyRange *range, int64 revision, bool need_count,
			   StoreKvVisit visit, void *arg, int64 *count, bool *more)
{
	ViewScan   *scan = view_scan_begin(view, range, revision);
	KeyVersion	version;
	bool		full = request->count_only;
	int64		matched = 0;

	while (view_scan_next(scan, !full && !request->keys_only, &version))
	{
		(*count)++;
		if (request->count_only || *more || !view_passes_filters(request, &version))
			continue;
		if (request->limit > 0 && matched == request->limit)
		{
			*more = true;
			if (!need_count)
				break;
			continue;
		}
		matched++;
		full = request->limit > 0 && matched == request->limit;
		if (!view_visit_version(request, &version, visit, arg))
			break;
	}
	view_scan_end(scan);
}

/*
 * view_range
 *		Evaluate a range request, whose revision has been checked.
 *
 * Calls visit for each key of the result in order, until it returns false
 * (*count and *more are then of no use).  need_count false allows *count to be
 * less than the truth when a limit is reached.
 */
void
view_range(StoreView *view, const Etcdserverpb__RangeRequest *request, bool need_count,
		   StoreKvVisit visit, void *arg, int64 *count, bool *more)
{
	int64		revision = request->revision > 0 ? request->revision : view->latest;
	KeyRange	range;

	key_range_set(&range, (const char *) request->key.data, request->key.len,
				  (const char *) request->range_end.data, request->range_end.len);
	*count = 0;
	*more = false;

	if (!view_needs_sort(request, &range))
		range_streamed(view, request, &range, revision, need_count, visit, arg, count, more);
	else
		range_sorted(view, request, &range, revision, visit, arg, count, more);
}
