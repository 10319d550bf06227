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
} StoreView;

typedef struct ViewScan ViewScan;

extern void view_poll(StoreView *view);

extern bool view_lookup(StoreView *view, const char *key, uint32 key_len,
						int64 revision, bool want_value, KeyVersion *version);

extern ViewScan *view_scan_begin(StoreView *view, const KeyRange *range, int64 revision);
extern bool view_scan_next(ViewScan *scan, bool want_value, KeyVersion *version);
extern void view_scan_end(ViewScan *scan);

extern StoreError view_check_revision(const StoreView *view, int64 revision);
extern void view_range(StoreView *view, const Etcdserverpb__RangeRequest *request,
					   bool need_count, StoreKvVisit visit, void *arg,
					   int64 *count, bool *more);

#endif							/* PGQ_STORE_VIEW_H */
