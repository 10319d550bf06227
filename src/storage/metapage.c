/*-------------------------------------------------------------------------
 *
 * metapage.c
 *	  The first page of a relation of ours: is it there, and what we know?
 *
 * Log and tree begin with a page of their own, made when they are formatted.
 * Whoever uses one reads that page first, and so all that can be wrong with a file
 * as a whole is found here: it was never formatted, it is something else, or a later
 * version of the library has written it.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/storage/metapage.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/bufmgr.h"
#include "utils/rel.h"

#include "metapage.h"
#include "pagelog.h"
#include "../compat.h"

/* Files known to have a meta page: asking for their size each time would cost too much */
#define KNOWN_FILES				2

static void
check(Relation rel, const MetaPageFormat *format, Page page)
{
	const MetaPageHead *head = (MetaPageHead *) PageGetContents(page);
	uint16		page_id;

	memcpy(&page_id, (char *) page + BLCKSZ - sizeof(uint16), sizeof(uint16));
	if (PageIsNew(page) ||
		((PageHeader) page)->pd_special != BLCKSZ - format->special_size ||
		page_id != format->page_id || head->magic != format->magic)
		pagelog_corrupted(rel, META_BLOCK, psprintf("this is not the meta page of %s", format->what));
	if (head->version != format->version)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("relation \"%s\" has format version %u, but this library knows version %u",
						RelationGetRelationName(rel), head->version, format->version),
				 errhint("Install the version of the library that wrote it, or a later one.")));
}

/*
 * metapage_read() -- read and verify the meta page.  ERROR 55000 if the relation has
 * not been formatted.  lock is the lock to take, or BUFFER_LOCK_UNLOCK for none (the
 * writer needs none, nobody else changes the page).
 */
Buffer
metapage_read(Relation rel, const MetaPageFormat *format, int lock)
{
	static PgqRelNode known[KNOWN_FILES];
	static int	next_known;
	Buffer		buffer;
	int			i;

	for (i = 0; i < KNOWN_FILES && !PgqRelNodeEquals(known[i], PgqRelationNode(rel)); i++)
		;
	if (i == KNOWN_FILES)
	{
		if (!metapage_exists(rel, format))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("relation \"%s\" has not been initialized",
							RelationGetRelationName(rel))));
		known[next_known] = PgqRelationNode(rel);
		next_known = (next_known + 1) % KNOWN_FILES;
	}
	buffer = ReadBuffer(rel, META_BLOCK);
	if (lock != BUFFER_LOCK_UNLOCK)
		LockBuffer(buffer, lock);
	check(rel, format, BufferGetPage(buffer));
	return buffer;
}

/*
 * metapage_exists() -- reader: has the relation been formatted?  ERROR if it is
 * something else.  A page of zeroes does not count: a crash while it was formatted
 * may have left the file extended.
 */
bool
metapage_exists(Relation rel, const MetaPageFormat *format)
{
	Buffer		buffer;
	bool		result;

	if (RelationGetNumberOfBlocks(rel) == 0)
		return false;
	buffer = ReadBuffer(rel, META_BLOCK);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	result = !PageIsNew(BufferGetPage(buffer));
	if (result)
		check(rel, format, BufferGetPage(buffer));
	UnlockReleaseBuffer(buffer);
	return result;
}
