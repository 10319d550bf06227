/*-------------------------------------------------------------------------
 *
 * pagelog.c
 *	  The one door through which pages of our relations change.
 *
 * A change of up to four pages is one WAL record: pagelog_begin(), then
 * pagelog_change() for each page that is altered and pagelog_overwrite() or
 * pagelog_new_page() for each page whose old contents do not matter, then
 * pagelog_finish().  The caller alters working copies; the pages themselves
 * change only inside pagelog_finish(), all together, so an error at any point
 * before leaves nothing half done.
 *
 * Underneath is GenericXLog: core code alone replays it, so a server with our
 * pages in it starts, recovers and follows as a standby without our library.
 * Everything that depends on that choice is in this file.
 *
 * A page whose old contents do not matter is logged as a full image.  That
 * makes its replay independent of what is in the file, in particular when the
 * file had been extended before a crash but the extension was lost: extending
 * a file is not logged.  An image leaves out the hole in the middle of the
 * page, so that emptying a page costs few bytes of WAL.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/storage/pagelog.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/smgr.h"
#include "utils/rel.h"

#include "pagelog.h"
#include "../compat.h"

/* A file grows by an eighth, within these bounds (pages) */
#define EXTEND_MIN_PAGES	4
#define EXTEND_MAX_PAGES	128

/*
 * Start a record.  rel says whether the change needs WAL; pages of a second
 * relation may be part of it.
 */
void
pagelog_begin(PageLog *log, Relation rel)
{
	log->rel = rel;
	log->npages = 0;
	log->state = GenericXLogStart(rel);
}

static Page
pagelog_add(PageLog *log, Buffer buffer, bool owned, int flags)
{
	int			i = log->npages;

	if (i >= PAGELOG_MAX_PAGES)
		elog(ERROR, "too many pages in one record");
	log->buffers[i] = buffer;
	log->owned[i] = owned;
	log->npages++;
	log->images[i] = GenericXLogRegisterBuffer(log->state, buffer, flags);
	return log->images[i];
}

static Page
pagelog_find(PageLog *log, Buffer buffer)
{
	for (int i = 0; i < log->npages; i++)
	{
		if (log->buffers[i] == buffer)
			return log->images[i];
	}
	return NULL;
}

/*
 * The working copy of a page that is to be altered.  The caller holds a pin,
 * which stays the caller's; the lock is taken here and given up at the end of
 * the record.  Asking again for the same buffer gives the same copy.
 */
Page
pagelog_change(PageLog *log, Buffer buffer)
{
	Page		page = pagelog_find(log, buffer);

	if (page != NULL)
		return page;
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	return pagelog_add(log, buffer, false, 0);
}

/*
 * Likewise, for a page whose contents are given up: the working copy is an
 * empty page with a zeroed special space of special_size bytes.
 */
Page
pagelog_overwrite(PageLog *log, Buffer buffer, Size special_size)
{
	Page		page;

	Assert(pagelog_find(log, buffer) == NULL);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	page = pagelog_add(log, buffer, false, GENERIC_XLOG_FULL_IMAGE);
	PageInit(page, BLCKSZ, special_size);
	return page;
}

/*
 * Likewise, for a block that is not pinned by anybody's plan and need not be
 * read: it has never been used, or what it holds is of no interest.  The block
 * must lie within the file (pagelog_extend()).
 */
Page
pagelog_new_page(PageLog *log, Relation rel, BlockNumber block, Size special_size)
{
	Buffer		buffer;
	Page		page;

	buffer = ReadBufferExtended(rel, MAIN_FORKNUM, block, RBM_ZERO_AND_LOCK, NULL);
	page = pagelog_add(log, buffer, true, GENERIC_XLOG_FULL_IMAGE);
	PageInit(page, BLCKSZ, special_size);
	return page;
}

static void
pagelog_release(PageLog *log)
{
	for (int i = 0; i < log->npages; i++)
	{
		LockBuffer(log->buffers[i], BUFFER_LOCK_UNLOCK);
		if (log->owned[i])
			ReleaseBuffer(log->buffers[i]);
	}
	log->npages = 0;
	log->state = NULL;
}

/*
 * Write the record, change the pages, give up the locks.  Returns the LSN
 * just after the record; InvalidXLogRecPtr if the relation is not WAL-logged
 * now (created in this transaction under wal_level = minimal: PostgreSQL
 * syncs the file at commit instead).
 */
XLogRecPtr
pagelog_finish(PageLog *log)
{
	XLogRecPtr	lsn = GenericXLogFinish(log->state);

	pagelog_release(log);
	return lsn;
}

/* Forget the record and what was to be changed */
void
pagelog_abort(PageLog *log)
{
	GenericXLogAbort(log->state);
	pagelog_release(log);
}

/*
 * Make the file at least need blocks long, and a little longer so that this
 * is seldom called.  The new pages are zeroes.  Returns the file's length.
 */
BlockNumber
pagelog_extend(Relation rel, BlockNumber need)
{
	BlockNumber nblocks;
	BlockNumber target;

	LockRelationForExtension(rel, ExclusiveLock);
	nblocks = RelationGetNumberOfBlocks(rel);
	if (nblocks < need)
	{
		target = Max(nblocks / 8, EXTEND_MIN_PAGES);
		target = need - 1 + Min(target, EXTEND_MAX_PAGES);
		if (target < need)
			target = need;
#if PG_VERSION_NUM >= 160000
		smgrzeroextend(RelationGetSmgr(rel), MAIN_FORKNUM, nblocks,
					   (int) (target - nblocks), false);
		nblocks = target;
#else
		{
			PGAlignedBlock zeroes;

			memset(zeroes.data, 0, BLCKSZ);
			for (; nblocks < target; nblocks++)
				smgrextend(RelationGetSmgr(rel), MAIN_FORKNUM, nblocks,
						   zeroes.data, false);
		}
#endif
	}
	UnlockRelationForExtension(rel, ExclusiveLock);
	return nblocks;
}
