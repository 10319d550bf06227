/*-------------------------------------------------------------------------
 *
 * log_check.c
 *	  Verification of a log.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/storage/log_check.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/bufmgr.h"
#include "utils/rel.h"

#include "check.h"
#include "log_int.h"

/* Every physical segment is in the table once */
static bool
check_table(CheckState *check, const LogMeta *meta)
{
	bool	   *seen = palloc0(LOG_MAX_SEGMENTS * sizeof(bool));
	BlockNumber loaded = InvalidBlockNumber;
	PGAlignedBlock page;
	bool		good = true;

	if (meta->first_segment >= meta->end_segment ||
		meta->end_segment > meta->spare_segment ||
		meta->spare_segment - meta->first_segment != meta->physical_segments ||
		meta->physical_segments > LOG_MAX_SEGMENTS ||
		meta->anchor_page / LOG_SEGMENT_PAGES != meta->end_segment - 1 ||
		meta->first_page > meta->anchor_page + LOG_SEGMENT_PAGES ||
		meta->first_page / LOG_SEGMENT_PAGES < meta->first_segment ||
		meta->host_len > LOGRING_MAX_META_BYTES)
	{
		check_finding(check, LOG_META_BLOCK, "has bounds that cannot be");
		return false;
	}
	for (uint64 segment = meta->first_segment; segment < meta->spare_segment; segment++)
	{
		BlockNumber block = log_table_block(segment);
		uint32		physical;

		if (block != loaded)
		{
			if (!check_read(check, block, page.data))
				return false;
			if (PageIsNew(page.data) || log_opaque(page.data)->page_id != LOG_TABLE_ID)
			{
				check_finding(check, block, "is not a page of the segment table");
				return false;
			}
			loaded = block;
		}
		physical = log_table(page.data)[log_table_slot(segment)];
		if (physical >= meta->physical_segments || seen[physical])
		{
			check_finding(check, block, "gives segment %llu a place that cannot be",
						  (unsigned long long) segment);
			good = false;
		}
		else
			seen[physical] = true;
	}
	return good;
}

/*
 * One page of the log.  *carry is what the page before leaves to come of its
 * last entry; becomes what this page leaves.
 */
static bool
check_page(CheckState *check, BlockNumber block, char *page, uint64 *index, uint32 *carry)
{
	LogOpaque  *opaque = log_opaque(page);
	PageHeader	header = (PageHeader) page;
	char	   *p = PageGetContents(page) + log_carried(opaque);
	char	   *end = page + header->pd_lower;

	if (header->pd_lower > header->pd_upper ||
		header->pd_upper != header->pd_special || p > end)
	{
		check_finding(check, block, "has no valid header");
		return false;
	}
	if (opaque->carry != *carry)
		check_finding(check, block, "goes on with %u bytes of an entry that lacks %u",
					  opaque->carry, *carry);
	if (opaque->first_index != *index)
		check_finding(check, block, "begins with entry %llu where %llu is next",
					  (unsigned long long) opaque->first_index,
					  (unsigned long long) *index);
	*carry = opaque->carry - log_carried(opaque);
	if (*carry > 0 && opaque->starts > 0)
		check_finding(check, block, "has entries starting within another one");
	for (int i = 0; i < opaque->starts; i++)
	{
		LogEntry	entry;
		uint32		here;

		if (p + LOG_HEADER_SIZE > end)
		{
			check_finding(check, block, "has fewer entries than it says");
			return false;
		}
		log_header_get(p, &entry);
		p += LOG_HEADER_SIZE;
		here = Min(entry.size, (uint32) (end - p));
		p += here;
		*carry = entry.size - here;
		if (*carry > 0 && (i + 1 < opaque->starts || header->pd_lower != header->pd_upper))
			check_finding(check, block, "has an incomplete entry before its end");
	}
	if (p != end)
		check_finding(check, block, "has bytes that are part of no entry");
	*index = opaque->first_index + opaque->starts;
	return true;
}

/* Verify a relation that holds a log */
void
logring_check(CheckState *check)
{
	PGAlignedBlock page;
	LogMeta    *meta = palloc(sizeof(LogMeta));
	LogView		view = {0};
	LogOpaque	opaque;
	uint64		tail;
	uint64		index = 0;
	uint32		carry = 0;

	if (!check_read(check, LOG_META_BLOCK, page.data))
		return;
	memcpy(meta, log_meta(page.data), sizeof(LogMeta));
	if (!check_table(check, meta))
		return;

	log_view(check->rel, &view);
	if (!log_find_tail(&view, &tail, &opaque))
	{
		check_finding(check, LOG_META_BLOCK, "refers to a last page that is not there");
		return;
	}
	if (meta->first_page > tail)
	{
		check_finding(check, LOG_META_BLOCK, "has a first page after the last one");
		return;
	}
	for (uint64 number = meta->first_page; number <= tail; number++)
	{
		if (log_load_page(&view, number, &opaque, page.data) != LOG_PAGE_LIVE)
		{
			check_finding(check, LOG_META_BLOCK, "refers to page %llu, which is not there",
						  (unsigned long long) number);
			return;
		}
		if (number == meta->first_page)
		{
			index = opaque.first_index;
			carry = opaque.carry;
			if (index > meta->base_index + 1 ||
				meta->base_index + 1 > index + opaque.starts)
				check_finding(check, LOG_META_BLOCK, "refers to a first page without entry %llu",
							  (unsigned long long) meta->base_index + 1);
		}
		if (!check_page(check, log_page_block(&view, number), page.data, &index, &carry))
			return;
	}
}
