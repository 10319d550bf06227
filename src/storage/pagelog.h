/*-------------------------------------------------------------------------
 *
 * pagelog.h
 *	  The one door through which pages of our relations change.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/storage/pagelog.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_PAGELOG_H
#define PGQ_PAGELOG_H

#include "access/xlogdefs.h"
#include "storage/buf.h"
#include "storage/bufpage.h"
#include "utils/relcache.h"

/* Pages in one WAL record */
#define PAGELOG_MAX_PAGES	4

/*
 * A WAL record being put together: working copies of some pages.  Nothing of
 * it is seen by anybody before pagelog_finish(), and nothing is left of it
 * when an error comes first.  Lives on the caller's stack; the copies are the
 * module's, so that a process can only be at one record at a time.
 */
typedef struct PageLog
{
	bool		logged;			/* does the change need WAL? */
	int			npages;
	Buffer		buffers[PAGELOG_MAX_PAGES];
	bool		whole[PAGELOG_MAX_PAGES];	/* log the page, not the difference */
	bool		owned[PAGELOG_MAX_PAGES];	/* pin is ours to drop */
} PageLog;

extern void pagelog_begin(PageLog *log, Relation rel);
extern bool pagelog_includes(PageLog *log, Buffer buffer);
extern Page pagelog_change(PageLog *log, Buffer buffer);
extern Page pagelog_take_page(PageLog *log, Buffer buffer);
extern Page pagelog_overwrite(PageLog *log, Buffer buffer, Size special_size);
extern Page pagelog_reuse_page(PageLog *log, Buffer buffer, Size special_size);
extern Page pagelog_new_page(PageLog *log, Relation rel, BlockNumber block,
							 Size special_size);
extern XLogRecPtr pagelog_finish(PageLog *log);
extern void pagelog_abort(PageLog *log);

extern BlockNumber pagelog_extend(Relation rel, BlockNumber need);
extern void pagelog_corrupted(Relation rel, BlockNumber block, const char *what)
#if defined(__GNUC__)
			__attribute__((noreturn))
#endif
;

#endif							/* PGQ_PAGELOG_H */
