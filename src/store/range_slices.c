/*-------------------------------------------------------------------------
 *
 * range_slices.c
 *	  A range read in slices, by a process that must not be held up.
 *
 * store_range() has a process to itself for as long as it takes.  A process with many
 * clients reads a little, looks after the others, and reads on: behind
 * the last key, at the revision of the first slice.  Nothing is held in between.  A compaction
 * that overtakes the revision is noticed after each slice.
 *
 * A sorted result has three phases, each of them in slices: collect into a heap with the
 * last of the wanted order on top, so that with a limit those beyond it can be
 * thrown out; unload the heap into an array, from the end; show the array.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/range_slices.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/pairingheap.h"
#include "utils/memutils.h"

#include "store/read.h"

/* Between two looks at the clock */
#define LOOK_ITEMS				32
#define LOOK_BYTES				(128 * 1024)

/* So often a read may begin anew */
#define MAX_AGAIN				5

typedef enum RangePhase
{
	RANGE_SCAN,
	RANGE_UNLOAD,
	RANGE_SHOW,
	RANGE_END
} RangePhase;

/* A version kept for sorting; its bytes are behind it */
typedef struct SortItem
{
	pairingheap_node node;
	KeyVersion	version;
} SortItem;

struct StoreRangeRead
{
	MemoryContext context;
	const Etcdserverpb__RangeRequest *request;
	KeyRange	range;
	bool		need_count;
	int			agains_left;

	RangePhase	phase;
	int64		revision;		/* 0 before the first slice */
	bool		behind;			/* the scan goes on at next, not at the start */
	char		next[STORE_MAX_KEY_BYTES + 1];
	uint32		next_len;
	int64		matched;
	StoreRangeInfo info;

	/* of a sorted result */
	bool		sorted;
	bool		cut_first;
	bool		with_value;
	int64		keep;			/* so many at most; 0: all */
	MemoryContext sort_context;
	pairingheap *heap;
	int64		nitems;			/* in the heap */
	Size		memory;
	SortItem  **items;			/* UNLOAD, SHOW: the first are the result */
	int64		position;		/* UNLOAD: still in the heap; SHOW: shown */
};

/* When a slice looks at the clock */
typedef struct SliceClock
{
	const StoreView *view;
	int			items;
	Size		bytes;
} SliceClock;

static bool
time_is_up(SliceClock *clock, Size bytes)
{
	clock->bytes += bytes;
	if (++clock->items < LOOK_ITEMS && clock->bytes < LOOK_BYTES)
		return false;
	clock->items = 0;
	clock->bytes = 0;
	return view_slice_is_over(clock->view);
}

/* The first in the heap is the greatest: what comes last in the wanted order */
static int
compare_items(const pairingheap_node *a, const pairingheap_node *b, void *arg)
{
	return view_compare(arg, &pairingheap_const_container(SortItem, node, a)->version,
						&pairingheap_const_container(SortItem, node, b)->version);
}

static void
begin_anew(StoreRangeRead *read)
{
	read->phase = RANGE_SCAN;
	read->revision = 0;
	read->behind = false;
	read->matched = 0;
	memset(&read->info, 0, sizeof(read->info));
	if (!read->sorted)
		return;
	MemoryContextReset(read->sort_context);
	read->heap = MemoryContextAlloc(read->sort_context, sizeof(pairingheap));
	read->heap->ph_compare = compare_items;
	read->heap->ph_arg = (void *) read->request;
	read->heap->ph_root = NULL;
	read->nitems = 0;
	read->memory = 0;
	read->items = NULL;
	read->position = 0;
}

StoreRangeRead *
store_range_begin(const Etcdserverpb__RangeRequest *request, bool need_count, bool again_allowed)
{
	StoreRangeRead *read = palloc0(sizeof(StoreRangeRead));

	read->context = CurrentMemoryContext;
	read->request = request;
	read->need_count = need_count;
	read->agains_left = again_allowed && request->revision <= 0 ? MAX_AGAIN : 0;
	key_range_set(&read->range, (const char *) request->key.data, request->key.len,
				  (const char *) request->range_end.data, request->range_end.len);
	read->sorted = view_needs_sort(request, &read->range);
	if (read->sorted)
	{
		read->cut_first = view_cuts_first(request);
		read->with_value = !request->keys_only ||
			request->sort_target == ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__VALUE;
		if (request->limit > 0)
			read->keep = request->limit < PG_INT64_MAX ? request->limit + 1 : 0;
		read->sort_context = AllocSetContextCreate(read->context, "quorum sort",
												   ALLOCSET_DEFAULT_SIZES);
	}
	begin_anew(read);
	return read;
}

const StoreRangeInfo *
store_range_info(const StoreRangeRead *read)
{
	return &read->info;
}

Size
store_range_memory(const StoreRangeRead *read)
{
	return read->memory;
}

void
store_range_end(StoreRangeRead *read)
{
	if (read->sort_context != NULL)
		MemoryContextDelete(read->sort_context);
	pfree(read);
}

/* ----------------------------------------------------------------
 *	Sorting
 * ----------------------------------------------------------------
 */

static void
item_free(StoreRangeRead *read, SortItem *item)
{
	read->memory -= sizeof(SortItem) + item->version.key_len + item->version.value_len;
	read->nitems--;
	pfree(item);
}

static SortItem *
item_copy(StoreRangeRead *read, const KeyVersion *version)
{
	uint32		value_len = read->with_value ? version->value_len : 0;
	Size		size = sizeof(SortItem) + version->key_len + value_len;
	SortItem   *item = MemoryContextAllocHuge(read->sort_context, size);
	char	   *bytes = (char *) (item + 1);

	item->version = *version;
	item->version.key = memcpy(bytes, version->key, version->key_len);
	item->version.value = bytes + version->key_len;
	item->version.value_len = value_len;
	if (value_len > 0)
		memcpy(bytes + version->key_len, version->value, value_len);
	read->memory += size;
	read->nitems++;
	return item;
}

/* Keep a version that matches, if it can be in the result */
static void
collect(StoreRangeRead *read, const KeyVersion *version)
{
	bool		full = read->keep > 0 && read->nitems >= read->keep;

	if (full)
	{
		SortItem   *last;

		if (read->cut_first)
			return;
		last = pairingheap_container(SortItem, node, pairingheap_first(read->heap));
		if (view_compare(read->request, version, &last->version) >= 0)
			return;
		(void) pairingheap_remove_first(read->heap);
		item_free(read, last);
	}
	pairingheap_add(read->heap, &item_copy(read, version)->node);
}

/*
 * Put the heap in order: what was only added makes the next removal dear.  So that
 * no removal is dearer than a slice is long, each slice pays for its own.
 */
static void
settle_heap(StoreRangeRead *read)
{
	if (!pairingheap_is_empty(read->heap))
		pairingheap_add(read->heap, pairingheap_remove_first(read->heap));
}

static void
begin_unload(StoreRangeRead *read)
{
	int64		limit = read->request->limit;

	read->phase = RANGE_UNLOAD;
	read->position = read->nitems;
	read->items = MemoryContextAllocHuge(read->sort_context,
										 Max(read->nitems, 1) * sizeof(SortItem *));
	read->info.more = limit > 0 && read->matched > limit;
}

static void
unload_slice(StoreRangeRead *read, SliceClock *clock)
{
	while (read->position > 0)
	{
		SortItem   *item = pairingheap_container(SortItem, node,
												 pairingheap_remove_first(read->heap));

		read->items[--read->position] = item;
		if (time_is_up(clock, 0))
			return;
	}
	if (read->info.more)
		read->nitems = Min(read->nitems, read->request->limit);
	read->phase = RANGE_SHOW;
}

static void
show_slice(StoreRangeRead *read, SliceClock *clock, StoreKvVisit visit, void *arg)
{
	while (read->position < read->nitems)
	{
		SortItem   *item = read->items[read->position++];
		Size		bytes = item->version.value_len;

		if (!view_visit_version(read->request, &item->version, visit, arg) ||
			time_is_up(clock, bytes))
			return;
	}
	read->phase = RANGE_END;
}

/* ----------------------------------------------------------------
 *	Scanning
 * ----------------------------------------------------------------
 */

/* The scan goes on with this key, or behind it */
static void
note_position(StoreRangeRead *read, const char *key, uint32 key_len, bool behind_it)
{
	Assert(key_len <= STORE_MAX_KEY_BYTES);
	memcpy(read->next, key, key_len);
	read->next_len = key_len;
	if (behind_it)
		read->next[read->next_len++] = '\0';
	read->behind = true;
}

/*
 * Visit or keep a key of the range.  Returns false if the slice is to end
 * with it; *enough is set where nothing behind it matters.
 */
static bool
take_version(StoreRangeRead *read, const KeyVersion *version,
			 StoreKvVisit visit, void *arg, bool *enough)
{
	const Etcdserverpb__RangeRequest *request = read->request;

	read->info.count++;
	if (request->count_only || read->info.more || !view_passes_filters(request, version))
		return true;
	if (read->sorted)
	{
		read->matched++;
		collect(read, version);
		return true;
	}
	if (request->limit > 0 && read->matched == request->limit)
	{
		read->info.more = true;
		*enough = !read->need_count;
		return true;
	}
	read->matched++;
	return view_visit_version(request, version, visit, arg);
}

/* Are values still wanted? */
static bool
wants_values(const StoreRangeRead *read)
{
	const Etcdserverpb__RangeRequest *request = read->request;

	if (request->count_only)
		return false;
	if (read->sorted)
		return read->with_value;
	return !request->keys_only && (request->limit <= 0 || read->matched < request->limit);
}

static void
scan_slice(StoreRangeRead *read, StoreView *view, SliceClock *clock,
		   StoreKvVisit visit, void *arg)
{
	KeyRange	range = read->range;
	ViewScan   *scan;
	KeyVersion	version = {0};
	const char *key;
	uint32		key_len;
	bool		enough = false;
	bool		ended = false;

	if (read->behind)
	{
		range.start = read->next;
		range.start_len = read->next_len;
	}
	scan = view_scan_begin(view, &range, read->revision);
	while (!enough && !ended)
	{
		bool		want_value = wants_values(read);

		if (!view_scan_next(scan, want_value, &version))
			break;
		ended = !take_version(read, &version, visit, arg, &enough) ||
			time_is_up(clock, want_value ? version.value_len : 0);
	}
	if (ended && !enough && range.kind != KEY_RANGE_POINT)
		note_position(read, version.key, version.key_len, true);
	else if (!ended && !enough && view_scan_stopped(scan, &key, &key_len))
		note_position(read, key, key_len, false);
	else if (read->sorted)
		begin_unload(read);
	else
		read->phase = RANGE_END;
	view_scan_end(scan);
	if (read->sorted)
		settle_heap(read);
}

/*
 * The first slice decides on the revision, and whether the caller may read at all.
 */
static StoreError
first_slice(StoreRangeRead *read, StoreView *view, const StoreCaller *caller)
{
	const Etcdserverpb__RangeRequest *request = read->request;
	StoreError	error = store_validate_range(request);

	if (error != STORE_OK)
		return error;
	read->info.revision = view->current;
	error = access_check(view->tree, caller, &view->head, STORE_READ,
						 (const char *) request->key.data, request->key.len,
						 (const char *) request->range_end.data, request->range_end.len);
	if (error == STORE_OK)
		error = read_resolve_revision(view, request->revision, &read->revision);
	return error;
}

StoreError
store_range_slice(StoreRangeRead *read, Relation tree, const StoreCaller *caller, int usec,
				  StoreKvVisit visit, void *arg, StoreRangeState *state)
{
	StoreView	view;
	SliceClock	clock = {&view, 0, 0};
	StoreError	error;

	read_view(&view, tree);
	read->info.compacted_revision = view.compacted;
	INSTR_TIME_SET_CURRENT(view.slice_began);
	view.slice_usec = usec;
	*state = STORE_RANGE_MORE;

	if (read->revision == 0)
	{
		error = first_slice(read, &view, caller);
		if (error != STORE_OK)
			return error;
	}
	if (read->phase == RANGE_SCAN)
	{
		scan_slice(read, &view, &clock, visit, arg);
		if (read_overtaken(tree, read->revision, &read->info.compacted_revision))
		{
			if (read->agains_left == 0)
				return STORE_COMPACTED;
			read->agains_left--;
			begin_anew(read);
			*state = STORE_RANGE_AGAIN;
			return STORE_OK;
		}
	}
	if (read->phase == RANGE_UNLOAD && !view_slice_is_over(&view))
		unload_slice(read, &clock);
	if (read->phase == RANGE_SHOW && !view_slice_is_over(&view))
		show_slice(read, &clock, visit, arg);
	if (read->phase == RANGE_END)
		*state = STORE_RANGE_DONE;
	return STORE_OK;
}
