/*-------------------------------------------------------------------------
 *
 * check.c
 *	  Verification of our relations: what both kinds need.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/storage/check.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "check.h"

/* Report something that is wrong with a block */
void
check_finding(CheckState *check, BlockNumber block, const char *format,...)
{
	char		text[256];
	va_list		args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	check->report(RelationGetRelationName(check->rel), block, text, check->arg);
}

/* Begin to account for the blocks before end */
void
check_begin_blocks(CheckState *check, BlockNumber end)
{
	Size		size = (Size) end / 8 + 1;

	check->end = end;
	check->seen = palloc_extended(size, MCXT_ALLOC_ZERO |
								  (size > MaxAllocSize ? MCXT_ALLOC_HUGE : 0));
}

/* A block is in use: report if it cannot be, or is twice.  True if all is well. */
bool
check_mark(CheckState *check, BlockNumber block)
{
	if (block >= check->end)
	{
		check_finding(check, block, "refers to a block that was never used");
		return false;
	}
	if (check->seen[block / 8] & (1 << (block % 8)))
	{
		check_finding(check, block, "is used twice");
		return false;
	}
	check->seen[block / 8] |= 1 << (block % 8);
	return true;
}

/* Report the blocks from first on that nothing has accounted for */
void
check_unmarked(CheckState *check, BlockNumber first)
{
	for (BlockNumber block = first; block < check->end; block++)
	{
		if (!(check->seen[block / 8] & (1 << (block % 8))))
			check_finding(check, block, "is neither in use nor free");
	}
}

/* Copy a page out; false, with a finding, if the file has no such block */
bool
check_read(CheckState *check, BlockNumber block, char *page)
{
	Buffer		buffer;

	CHECK_FOR_INTERRUPTS();
	if (block >= RelationGetNumberOfBlocks(check->rel))
	{
		check_finding(check, block, "lies beyond the end of the file");
		return false;
	}
	buffer = ReadBuffer(check->rel, block);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	memcpy(page, BufferGetPage(buffer), BLCKSZ);
	UnlockReleaseBuffer(buffer);
	return true;
}

/*
 * Verify every page of a relation; see storage.h.
 */
void
storage_check(Relation rel, StorageKind kind, StorageReport report, void *arg)
{
	MemoryContext context;
	MemoryContext old;
	CheckState	check = {0};

	context = AllocSetContextCreate(CurrentMemoryContext, "pg_quorum check",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	check.rel = rel;
	check.report = report;
	check.arg = arg;
	if (kind == STORAGE_TREE)
	{
		if (tree_is_formatted(rel))
			tree_check(&check);
	}
	else
	{
		if (logring_is_formatted(rel))
			logring_check(&check);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}
