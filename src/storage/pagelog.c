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
 * The records are those of PostgreSQL's generic WAL: core code alone replays
 * them, so a server with our pages in it starts, recovers and follows as a
 * standby without our library.  They are not made by GenericXLogFinish(),
 * though, which compares the old page with the new one byte by byte; that
 * took three quarters of the time of an append to the log.  Here the pages
 * are compared by words and the working copies are kept from one record to
 * the next.  What replay (generic_redo()) expects of a record is this: for
 * each page, either a full image or a series of fragments, each an offset and
 * a length of two bytes and then the bytes to be put there; and that the hole
 * between pd_lower and pd_upper is zeroed afterwards.  That has been the format
 * in all versions we support.  Everything that depends on it is in this file.
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

#include "access/rmgr.h"
#include "access/xlog.h"
#include "access/xloginsert.h"
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

/* A fragment begins with its offset and its length */
#define FRAGMENT_HEADER		(2 * sizeof(uint16))

/* The unit of comparison; fragments are at least so far apart */
#define WORD				sizeof(uint64)

/* A page is logged whole if its fragments would take as much */
#define MAX_DELTA			(BLCKSZ / 2)

typedef struct Delta
{
	Size		size;
	bool		overflow;		/* too much: log the page whole */
	char		data[MAX_DELTA];
} Delta;

/*
 * The working copies, and what is logged of them; only of use between
 * pagelog_begin() and the end of the record
 */
static PGAlignedBlock images[PAGELOG_MAX_PAGES];
static Delta deltas[PAGELOG_MAX_PAGES];

/*
 * Start a record.  rel says whether the change needs WAL; pages of a second
 * relation may be part of it.
 */
void
pagelog_begin(PageLog *log, Relation rel)
{
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("cannot change relation \"%s\" during recovery",
						RelationGetRelationName(rel))));
	log->logged = RelationNeedsWAL(rel);
	log->npages = 0;
}

/* Add a page, locked exclusively, to the record */
static Page
add_page(PageLog *log, Buffer buffer, bool owned, bool whole)
{
	int			i = log->npages;

	if (i >= PAGELOG_MAX_PAGES)
		elog(ERROR, "too many pages in one record");
	log->buffers[i] = buffer;
	log->owned[i] = owned;
	log->whole[i] = whole;
	log->npages++;
	return images[i].data;
}

/* Where in the record a page is; -1 if it is not part of it */
static int
find_page(PageLog *log, Buffer buffer)
{
	for (int i = 0; i < log->npages; i++)
	{
		if (log->buffers[i] == buffer)
			return i;
	}
	return -1;
}

/* Is the page part of the record? */
bool
pagelog_includes(PageLog *log, Buffer buffer)
{
	return find_page(log, buffer) >= 0;
}

static Page
change(PageLog *log, Buffer buffer, bool owned)
{
	Page		page;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	page = add_page(log, buffer, owned, false);
	memcpy(page, BufferGetPage(buffer), BLCKSZ);
	return page;
}

/*
 * The working copy of a page that is to be altered.  The caller holds a pin,
 * which stays the caller's; the lock is taken here and given up at the end of
 * the record.  Asking again for the same buffer gives the same copy.
 */
Page
pagelog_change(PageLog *log, Buffer buffer)
{
	int			i = find_page(log, buffer);

	return i >= 0 ? images[i].data : change(log, buffer, false);
}

/* Likewise; the caller's pin is given up, with the lock if that is taken here */
Page
pagelog_take_page(PageLog *log, Buffer buffer)
{
	int			i = find_page(log, buffer);

	if (i < 0)
		return change(log, buffer, true);
	ReleaseBuffer(buffer);
	return images[i].data;
}

static Page
overwrite(PageLog *log, Buffer buffer, Size special_size, bool owned)
{
	Page		page;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	page = add_page(log, buffer, owned, true);
	PageInit(page, BLCKSZ, special_size);
	return page;
}

/*
 * Likewise, for a page whose contents are given up: the working copy is an
 * empty page with a zeroed special space of special_size bytes.  It may be part of the record
 * already.
 */
Page
pagelog_overwrite(PageLog *log, Buffer buffer, Size special_size)
{
	int			i = find_page(log, buffer);

	if (i < 0)
		return overwrite(log, buffer, special_size, false);
	log->whole[i] = true;
	PageInit(images[i].data, BLCKSZ, special_size);
	return images[i].data;
}

/* Likewise, for a page that is not part of it yet; the caller's pin is given up with the lock */
Page
pagelog_reuse_page(PageLog *log, Buffer buffer, Size special_size)
{
	Assert(!pagelog_includes(log, buffer));
	return overwrite(log, buffer, special_size, true);
}

/*
 * Likewise, for a block that need not even be read: what it holds is of no
 * interest even if the record is never written (an error may leave it zeroed
 * in the buffer).  The block must lie within the file (pagelog_extend()).
 */
Page
pagelog_new_page(PageLog *log, Relation rel, BlockNumber block, Size special_size)
{
	Buffer		buffer;
	Page		page;

	buffer = ReadBufferExtended(rel, MAIN_FORKNUM, block, RBM_ZERO_AND_LOCK, NULL);
	page = add_page(log, buffer, true, true);
	PageInit(page, BLCKSZ, special_size);
	return page;
}

/* ----------------------------------------------------------------
 *		Differences
 * ----------------------------------------------------------------
 */

/* Log the bytes from start to end - 1 of the new page */
static void
add_fragment(Delta *delta, const char *page, int start, int end)
{
	uint16		header[2];

	if (start >= end || delta->overflow)
		return;
	if (delta->size + FRAGMENT_HEADER + (end - start) > MAX_DELTA)
	{
		delta->overflow = true;
		return;
	}
	header[0] = (uint16) start;
	header[1] = (uint16) (end - start);
	memcpy(delta->data + delta->size, header, FRAGMENT_HEADER);
	memcpy(delta->data + delta->size + FRAGMENT_HEADER, page + start, end - start);
	delta->size += FRAGMENT_HEADER + (end - start);
}

static inline bool
words_differ(const char *a, const char *b)
{
	uint64		x;
	uint64		y;

	memcpy(&x, a, WORD);
	memcpy(&y, b, WORD);
	return x != y;
}

/* The place at or after i, before end, of the first word that differs */
static int
skip_same(const char *old, const char *new, int i, int end)
{
	/* several words at a time, the compiler makes vectors of it */
	while (i + 8 * (int) WORD <= end)
	{
		uint64		x[8];
		uint64		y[8];
		uint64		difference = 0;

		memcpy(x, old + i, sizeof(x));
		memcpy(y, new + i, sizeof(y));
		for (int k = 0; k < 8; k++)
			difference |= x[k] ^ y[k];
		if (difference != 0)
			break;
		i += sizeof(x);
	}
	while (i + (int) WORD <= end && !words_differ(old + i, new + i))
		i += WORD;
	return i;
}

/*
 * Log where the pages differ between start and end - 1.
 */
static void
compare_region(Delta *delta, const char *old, const char *new, int start, int end)
{
	int			i = start;

	while ((i = skip_same(old, new, i, end)) + (int) WORD <= end)
	{
		int			first = i;
		int			last;

		do
			i += WORD;
		while (i + (int) WORD <= end && words_differ(old + i, new + i));

		/* the first and the last word may differ in part only */
		last = i;
		while (old[first] == new[first])
			first++;
		while (old[last - 1] == new[last - 1])
			last--;
		add_fragment(delta, new, first, last);
	}
	if (i < end && memcmp(old + i, new + i, end - i) != 0)
		add_fragment(delta, new, i, end);
}

/*
 * Log the difference between a page and its working copy.  What has come out
 * of the hole is logged whatever the old page has there: a replayed page has
 * zeroes.
 */
static void
compare_pages(Delta *delta, const char *old, const char *new)
{
	int			old_lower = ((PageHeader) old)->pd_lower;
	int			old_upper = ((PageHeader) old)->pd_upper;
	int			new_lower = ((PageHeader) new)->pd_lower;
	int			new_upper = ((PageHeader) new)->pd_upper;
	int			common_lower = Min(old_lower, new_lower);
	int			common_upper = Max(old_upper, new_upper);

	delta->size = 0;
	delta->overflow = false;
	compare_region(delta, old, new, 0, common_lower);
	add_fragment(delta, new, common_lower, new_lower);
	add_fragment(delta, new, new_upper, common_upper);
	compare_region(delta, old, new, common_upper, BLCKSZ);
}

/* ----------------------------------------------------------------
 *		Finishing
 * ----------------------------------------------------------------
 */

/* Make the page what its working copy is, with zeroes in the hole */
static void
copy_image(char *page, const char *image)
{
	int			lower = ((PageHeader) image)->pd_lower;
	int			upper = ((PageHeader) image)->pd_upper;

	memcpy(page, image, lower);
	memset(page + lower, 0, upper - lower);
	memcpy(page + upper, image + upper, BLCKSZ - upper);
}

static void
release(PageLog *log)
{
	for (int i = 0; i < log->npages; i++)
	{
		LockBuffer(log->buffers[i], BUFFER_LOCK_UNLOCK);
		if (log->owned[i])
			ReleaseBuffer(log->buffers[i]);
	}
	log->npages = 0;
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
	XLogRecPtr	lsn = InvalidXLogRecPtr;

	if (log->logged)
	{
		for (int i = 0; i < log->npages; i++)
		{
			if (log->whole[i])
				continue;
			compare_pages(&deltas[i], BufferGetPage(log->buffers[i]), images[i].data);
			log->whole[i] = deltas[i].overflow;
		}
		XLogBeginInsert();
	}

	START_CRIT_SECTION();
	for (int i = 0; i < log->npages; i++)
	{
		copy_image(BufferGetPage(log->buffers[i]), images[i].data);
		MarkBufferDirty(log->buffers[i]);
		if (!log->logged)
			continue;
		if (log->whole[i])
			XLogRegisterBuffer(i, log->buffers[i], REGBUF_FORCE_IMAGE | REGBUF_STANDARD);
		else
		{
			XLogRegisterBuffer(i, log->buffers[i], REGBUF_STANDARD);
			XLogRegisterBufData(i, deltas[i].data, deltas[i].size);
		}
	}
	if (log->logged)
	{
		lsn = XLogInsert(RM_GENERIC_ID, 0);
		for (int i = 0; i < log->npages; i++)
			PageSetLSN(BufferGetPage(log->buffers[i]), lsn);
	}
	END_CRIT_SECTION();

	release(log);
	return lsn;
}

/* Forget the record and what was to be changed */
void
pagelog_abort(PageLog *log)
{
	release(log);
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

/*
 * ERROR: a page is not what it must be.  what is the end of a sentence about
 * the block.
 */
void
pagelog_corrupted(Relation rel, BlockNumber block, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("relation \"%s\" is corrupted", RelationGetRelationName(rel)),
			 errdetail("Block %u: %s.", block, what)));
	pg_unreachable();
}
