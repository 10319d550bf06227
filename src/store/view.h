/*-------------------------------------------------------------------------
 *
 * view.h
 *	  Keys and values as of a revision, from the tree and an overlay.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/view.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_STORE_VIEW_H
#define PGQ_STORE_VIEW_H

#include "portability/instr_time.h"

#include "store/overlay.h"

typedef struct StoreView
{
	Relation	tree;
	Overlay    *overlay;		/* NULL for a reader */
	int64		latest;			/* what revision 0 means */
	int64		current;		/* the highest revision a request may name */
	int64		compacted;		/* the lowest */
	bool		corrupt;		/* an alarm says so; of a reader's view */
	MetaHead	head;			/* what a reader's view was made of */
	StorePoll	poll;			/* or NULL */
	void	   *poll_arg;
	instr_time	last_poll;

	/* of a reader in slices: a scan stops so long after this; 0: it does not */
	instr_time	slice_began;
	uint64		slice_usec;
} StoreView;

typedef struct ViewScan ViewScan;

extern void view_poll(StoreView *view);

extern bool view_lookup(StoreView *view, const char *key, uint32 key_len,
						int64 revision, bool want_value, KeyVersion *version);

extern ViewScan *view_scan_begin(StoreView *view, const KeyRange *range, int64 revision);
extern bool view_scan_next(ViewScan *scan, bool want_value, KeyVersion *version);
extern bool view_scan_stopped(const ViewScan *scan, const char **key, uint32 *key_len);
extern void view_scan_end(ViewScan *scan);

static inline bool
view_slice_is_over(const StoreView *view)
{
	instr_time	elapsed;

	INSTR_TIME_SET_CURRENT(elapsed);
	INSTR_TIME_SUBTRACT(elapsed, view->slice_began);
	return INSTR_TIME_GET_MICROSEC(elapsed) >= view->slice_usec;
}

/* What a range request asks for, in the parts that range_slices.c needs */
extern bool view_has_filters(const Etcdserverpb__RangeRequest *request);
extern bool view_passes_filters(const Etcdserverpb__RangeRequest *request,
								const KeyVersion *version);
extern bool view_needs_sort(const Etcdserverpb__RangeRequest *request, const KeyRange *range);
extern bool view_cuts_first(const Etcdserverpb__RangeRequest *request);
extern int	view_compare(const Etcdserverpb__RangeRequest *request,
						 const KeyVersion *x, const KeyVersion *y);
extern bool view_visit_version(const Etcdserverpb__RangeRequest *request,
							   const KeyVersion *version, StoreKvVisit visit, void *arg);

extern StoreError view_check_revision(const StoreView *view, int64 revision);
extern void view_range(StoreView *view, const Etcdserverpb__RangeRequest *request,
					   bool need_count, StoreKvVisit visit, void *arg,
					   int64 *count, bool *more);

#endif							/* PGQ_STORE_VIEW_H */
