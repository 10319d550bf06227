/*-------------------------------------------------------------------------
 *
 * logring.c
 *	  The writer of the log.
 *
 * What an append costs is one record for each page it touches.  The meta page
 * is touched when a segment begins, when the tail is cut, and when the head
 * is given up; the pages in between say for themselves that they are part
 * of the log (log_read.c).
 *
 * Every record leaves a log that is whole, except that the last entry may
 * be incomplete when it spans pages; it counts as not there, and the next append
 * cuts it off.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/storage/logring.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

#include "log_int.h"
#include "../compat.h"

struct LogRing
{
	PgqRelNode	node;			/* the file that block numbers are about */
	uint64		epoch;
	uint64		base_index;
	uint64		base_term;
	uint64		last_index;
	uint64		tail_number;	/* the last page */
	BlockNumber tail_block;
	BlockNumber file_blocks;	/* as far as known */
	bool		torn;			/* an incomplete entry follows the last one */
};

/* A run of bytes being written to the tail page */
typedef struct LogRun
{
	PageLog		log;
	Page		page;			/* NULL if no record is begun */
	Buffer		pins[2];		/* to be released when it is finished */
	int			npins;
	XLogRecPtr	lsn;			/* of the last record */
} LogRun;

static void
set_host_meta(LogMeta *meta, const void *host, uint32 len)
{
	memcpy(meta->host, host, len);
	meta->host_len = len;
}

static void
check_host_len(uint32 len)
{
	if (len > LOGRING_MAX_META_BYTES)
		elog(ERROR, "host meta of %u bytes is too long", len);
}

static void
init_page(Page page, uint16 page_id)
{
	((PageHeader) page)->pd_lower = LOG_PAGE_START;
	log_opaque(page)->page_id = page_id;
}

static void
init_log_page(Page page, uint64 number, uint64 epoch, uint64 first_index, uint32 carry)
{
	init_page(page, LOG_PAGE_ID);
	log_opaque(page)->number = number;
	log_opaque(page)->epoch = epoch;
	log_opaque(page)->first_index = first_index;
	log_opaque(page)->carry = carry;
	log_opaque(page)->starts = 0;
}

/* The entry of a segment in the segment table */
static uint32
read_table(Relation rel, uint64 segment)
{
	Buffer		buffer = ReadBuffer(rel, log_table_block(segment));
	Page		page = BufferGetPage(buffer);
	uint32		physical;

	if (PageIsNew(page) || log_opaque(page)->page_id != LOG_TABLE_ID)
		pagelog_corrupted(rel, log_table_block(segment),
					  "this is not a page of the segment table");
	physical = log_table(page)[log_table_slot(segment)];
	ReleaseBuffer(buffer);
	return physical;
}

/* A page of the segment table, to be changed; the first use makes it one */
static Page
change_table(PageLog *log, Buffer buffer)
{
	Page		page;

	if (!PageIsNew(BufferGetPage(buffer)))
		return pagelog_change(log, buffer);
	page = pagelog_overwrite(log, buffer, LOG_OPAQUE_SIZE);
	init_page(page, LOG_TABLE_ID);
	((PageHeader) page)->pd_lower = LOG_PAGE_START + LOG_TABLE_ENTRIES * sizeof(uint32);
	return page;
}

/* ----------------------------------------------------------------
 *		Formatting and opening
 * ----------------------------------------------------------------
 */

/*
 * writer: make an empty log whose first entry will be base_index + 1.
 */
void
logring_format(Relation rel, uint64 base_index, uint64 base_term,
			   const void *host, uint32 host_len)
{
	PageLog		log;
	Page		page;
	LogMeta    *meta;

	check_host_len(host_len);
	if (logring_is_formatted(rel))
		elog(ERROR, "relation \"%s\" is initialized already",
			 RelationGetRelationName(rel));

	pagelog_extend(rel, LOG_FIRST_BLOCK + 1);
	pagelog_begin(&log, rel);
	page = pagelog_new_page(&log, rel, LOG_META_BLOCK, LOG_OPAQUE_SIZE);
	init_page(page, LOG_META_ID);
	((PageHeader) page)->pd_lower = LOG_PAGE_START + sizeof(LogMeta);
	meta = log_meta(page);
	memset(meta, 0, sizeof(LogMeta));
	meta->magic = LOG_MAGIC;
	meta->version = LOG_VERSION;
	meta->epoch = 1;
	meta->base_index = base_index;
	meta->base_term = base_term;
	meta->end_segment = 1;
	meta->spare_segment = 1;
	meta->physical_segments = 1;
	if (host != NULL)
		set_host_meta(meta, host, host_len);

	/* the first entry of the table is 0: the first segment */
	page = pagelog_new_page(&log, rel, LOG_TABLE_BLOCK, LOG_OPAQUE_SIZE);
	init_page(page, LOG_TABLE_ID);
	((PageHeader) page)->pd_lower = LOG_PAGE_START + LOG_TABLE_ENTRIES * sizeof(uint32);

	page = pagelog_new_page(&log, rel, LOG_FIRST_BLOCK, LOG_OPAQUE_SIZE);
	init_log_page(page, 0, meta->epoch, base_index + 1, 0);
	pagelog_finish(&log);
}

static void
load_ring(Relation rel, LogRing *ring)
{
	LogView		view = {0};
	LogOpaque	opaque;
	PGAlignedBlock page;

	log_view(rel, &view);
	if (!log_find_tail(&view, &ring->tail_number, &opaque) ||
		log_load_page(&view, ring->tail_number, &opaque, page.data) != LOG_PAGE_LIVE)
		pagelog_corrupted(rel, LOG_META_BLOCK, "the log has no end");
	ring->node = PgqRelationNode(rel);
	ring->epoch = view.epoch;
	ring->base_index = view.base_index;
	ring->base_term = view.base_term;
	ring->last_index = Max(log_last_index(page.data, &ring->torn), view.base_index);
	ring->tail_block = log_block(read_table(rel, ring->tail_number / LOG_SEGMENT_PAGES),
								 ring->tail_number);
	ring->file_blocks = RelationGetNumberOfBlocks(rel);
}

/* writer: find the tail; the handle lives in the current memory context */
LogRing *
logring_open(Relation rel)
{
	LogRing    *ring = palloc(sizeof(LogRing));

	load_ring(rel, ring);
	return ring;
}

void
logring_close(LogRing *ring)
{
	pfree(ring);
}

void
logring_bounds(LogRing *ring, LogBounds *bounds)
{
	bounds->base_index = ring->base_index;
	bounds->base_term = ring->base_term;
	bounds->first_index = ring->base_index + 1;
	bounds->last_index = ring->last_index;
}

/* writer: replace the host's meta, in one record */
XLogRecPtr
logring_write_meta(Relation rel, const void *host, uint32 host_len)
{
	Buffer		buffer;
	PageLog		log;
	XLogRecPtr	lsn;

	check_host_len(host_len);
	buffer = log_read_meta_page(rel, BUFFER_LOCK_UNLOCK);
	pagelog_begin(&log, rel);
	set_host_meta(log_meta(pagelog_change(&log, buffer)), host, host_len);
	lsn = pagelog_finish(&log);
	ReleaseBuffer(buffer);
	return lsn;
}

/* ----------------------------------------------------------------
 *		Cutting the tail
 * ----------------------------------------------------------------
 */

/*
 * Give up all entries from index on, in one record: the page where it starts
 * becomes the last one, and a new epoch disowns the pages after it.
 */
static XLogRecPtr
cut_tail(Relation rel, LogRing *ring, uint64 index, const void *host, uint32 host_len)
{
	LogView		view = {0};
	Buffer		meta_buffer = log_read_meta_page(rel, BUFFER_LOCK_UNLOCK);
	Buffer		buffer;
	BlockNumber block;
	uint64		number;
	PageLog		log;
	LogMeta    *meta;
	Page		page;
	uint16		offset;
	XLogRecPtr	lsn;

	log_view(rel, &view);
	if (!log_find_index(&view, ring->tail_number, index, &number))
		pagelog_corrupted(rel, LOG_META_BLOCK, "a page of the log is not where it should be");
	block = log_block(read_table(rel, number / LOG_SEGMENT_PAGES), number);
	buffer = ReadBuffer(rel, block);
	offset = log_entry_offset(rel, BufferGetPage(buffer), index);

	pagelog_begin(&log, rel);
	meta = log_meta(pagelog_change(&log, meta_buffer));
	meta->epoch++;
	meta->anchor_page = number;
	meta->end_segment = number / LOG_SEGMENT_PAGES + 1;
	if (host != NULL)
		set_host_meta(meta, host, host_len);
	page = pagelog_change(&log, buffer);
	((PageHeader) page)->pd_lower = offset;
	log_opaque(page)->starts = (uint16) (index - log_opaque(page)->first_index);
	log_opaque(page)->epoch = meta->epoch;
	ring->epoch = meta->epoch;
	lsn = pagelog_finish(&log);
	ReleaseBuffer(buffer);
	ReleaseBuffer(meta_buffer);

	ring->last_index = index - 1;
	ring->tail_number = number;
	ring->tail_block = block;
	ring->torn = false;
	return lsn;
}

/* ----------------------------------------------------------------
 *		Appending
 * ----------------------------------------------------------------
 */

static Size
page_room(Page page)
{
	return ((PageHeader) page)->pd_upper - ((PageHeader) page)->pd_lower;
}

/* Finish the record at hand, if there is one */
static void
run_finish(LogRun *run)
{
	if (run->page == NULL)
		return;
	run->lsn = pagelog_finish(&run->log);
	for (int i = 0; i < run->npins; i++)
		ReleaseBuffer(run->pins[i]);
	run->npins = 0;
	run->page = NULL;
}

/* Read a block for use in the record at hand */
static Buffer
run_pin(LogRun *run, Buffer buffer)
{
	Assert(run->npins < (int) lengthof(run->pins));
	run->pins[run->npins++] = buffer;
	return buffer;
}

/*
 * The next page begins a segment: take a spare one, or a new one at the end of
 * the file, as part of the page's record.  Returns the physical segment.
 */
static uint32
begin_segment(Relation rel, LogRun *run, uint64 number)
{
	uint64		segment = number / LOG_SEGMENT_PAGES;
	Buffer		buffer;
	LogMeta    *meta;
	uint32		physical;

	buffer = run_pin(run, log_read_meta_page(rel, BUFFER_LOCK_UNLOCK));
	meta = log_meta(pagelog_change(&run->log, buffer));
	if (segment < meta->spare_segment)
		physical = read_table(rel, segment);
	else
	{
		if (segment - meta->first_segment >= LOG_MAX_SEGMENTS)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("relation \"%s\" is full", RelationGetRelationName(rel)),
					 errdetail("The log has %llu segments of %d pages.",
							   (unsigned long long) (segment - meta->first_segment),
							   LOG_SEGMENT_PAGES)));
		buffer = run_pin(run, ReadBuffer(rel, log_table_block(segment)));
		physical = meta->physical_segments++;
		log_table(change_table(&run->log, buffer))[log_table_slot(segment)] = physical;
		meta->spare_segment = segment + 1;
	}
	meta->end_segment = segment + 1;
	meta->anchor_page = number;
	return physical;
}

/* Begin a record with a new page at the tail */
static void
run_next_page(Relation rel, LogRing *ring, LogRun *run, uint64 first_index, uint32 carry)
{
	uint64		number = ring->tail_number + 1;
	BlockNumber block = ring->tail_block + 1;

	run_finish(run);
	CHECK_FOR_INTERRUPTS();
	pagelog_begin(&run->log, rel);
	if (number % LOG_SEGMENT_PAGES == 0)
		block = log_block(begin_segment(rel, run, number), number);
	if (block >= ring->file_blocks)
		ring->file_blocks = pagelog_extend(rel, block + 1);
	run->page = pagelog_new_page(&run->log, rel, block, LOG_OPAQUE_SIZE);
	init_log_page(run->page, number, ring->epoch, first_index, carry);
	ring->tail_number = number;
	ring->tail_block = block;
}

/* Append one entry */
static void
append_entry(Relation rel, LogRing *ring, LogRun *run, const LogEntry *entry)
{
	const char *data = entry->data;
	uint32		left = entry->size;
	PageHeader	header;

	if (run->page == NULL || page_room(run->page) < LOG_HEADER_SIZE)
		run_next_page(rel, ring, run, entry->index, 0);
	header = (PageHeader) run->page;
	log_header_set((char *) run->page + header->pd_lower, entry);
	header->pd_lower += LOG_HEADER_SIZE;
	log_opaque(run->page)->starts++;

	while (left > 0)
	{
		Size		bytes = Min(left, page_room(run->page));

		memcpy((char *) run->page + header->pd_lower, data, bytes);
		header->pd_lower += bytes;
		data += bytes;
		left -= bytes;
		if (left > 0)
		{
			run_next_page(rel, ring, run, entry->index + 1, left);
			header = (PageHeader) run->page;
		}
	}
	ring->last_index = entry->index;
}

/*
 * writer: append n entries with consecutive indexes; see logring.h.
 */
XLogRecPtr
logring_append(Relation rel, LogRing *ring, const LogEntry *entries, int n,
			   const void *host, uint32 host_len)
{
	LogRun		run = {0};
	Buffer		tail;

	check_host_len(host_len);
	if (!PgqRelNodeEquals(ring->node, PgqRelationNode(rel)))
		load_ring(rel, ring);
	if (n > 0 && (entries[0].index > ring->last_index + 1 ||
				  entries[0].index <= ring->base_index))
		elog(ERROR, "entry %llu cannot be appended to a log of entries %llu to %llu",
			 (unsigned long long) entries[0].index,
			 (unsigned long long) ring->base_index + 1,
			 (unsigned long long) ring->last_index);

	run.lsn = InvalidXLogRecPtr;
	if (n > 0 && (ring->torn || entries[0].index <= ring->last_index))
		run.lsn = cut_tail(rel, ring, entries[0].index, host, host_len);
	else if (host != NULL)
		run.lsn = logring_write_meta(rel, host, host_len);
	if (n == 0)
		return run.lsn;

	tail = ReadBuffer(rel, ring->tail_block);
	if (page_room(BufferGetPage(tail)) >= LOG_HEADER_SIZE)
	{
		pagelog_begin(&run.log, rel);
		run.page = pagelog_change(&run.log, run_pin(&run, tail));
	}
	else
		ReleaseBuffer(tail);
	for (int i = 0; i < n; i++)
	{
		Assert(entries[i].index == entries[0].index + i);
		append_entry(rel, ring, &run, &entries[i]);
	}
	run_finish(&run);
	return run.lsn;
}

/* ----------------------------------------------------------------
 *		Giving up the head
 * ----------------------------------------------------------------
 */

/*
 * Make spare segments of those before the first page, as many in one record as
 * have their new places on one page of the table.
 */
static XLogRecPtr
reclaim_segments(Relation rel, Buffer meta_buffer)
{
	LogMeta    *meta = log_meta(BufferGetPage(meta_buffer));
	XLogRecPtr	lsn = InvalidXLogRecPtr;

	while (meta->first_segment < meta->first_page / LOG_SEGMENT_PAGES)
	{
		BlockNumber block = log_table_block(meta->spare_segment);
		Buffer		table_buffer = ReadBuffer(rel, block);
		PageLog		log;
		LogMeta    *changed;
		uint32	   *table;

		CHECK_FOR_INTERRUPTS();
		pagelog_begin(&log, rel);
		changed = log_meta(pagelog_change(&log, meta_buffer));
		table = log_table(change_table(&log, table_buffer));
		while (changed->first_segment < changed->first_page / LOG_SEGMENT_PAGES &&
			   log_table_block(changed->spare_segment) == block)
		{
			table[log_table_slot(changed->spare_segment)] =
				read_table(rel, changed->first_segment);
			changed->first_segment++;
			changed->spare_segment++;
		}
		lsn = pagelog_finish(&log);
		ReleaseBuffer(table_buffer);
	}
	return lsn;
}

/* Keep what is known of an entry */
static bool
note_entry(const LogEntry *entry, void *arg)
{
	*(LogEntry *) arg = *entry;
	return false;
}

/*
 * writer: give up all entries up to and including index (or the last one, if
 * index is beyond it); pages are reused.
 */
XLogRecPtr
logring_truncate_head(Relation rel, LogRing *ring, uint64 index)
{
	LogView		view = {0};
	Buffer		meta_buffer;
	uint64		number;
	LogEntry	entry = {0};
	PageLog		log;
	LogMeta    *meta;
	XLogRecPtr	lsn;
	XLogRecPtr	reclaim_lsn;

	if (!PgqRelNodeEquals(ring->node, PgqRelationNode(rel)))
		load_ring(rel, ring);
	index = Min(index, ring->last_index);
	if (index <= ring->base_index)
		return InvalidXLogRecPtr;

	logring_visit(rel, index, index, note_entry, &entry);
	log_view(rel, &view);
	if (entry.index != index ||
		!log_find_index(&view, ring->tail_number, index + 1, &number))
		pagelog_corrupted(rel, LOG_META_BLOCK, "a page of the log is not where it should be");

	meta_buffer = log_read_meta_page(rel, BUFFER_LOCK_UNLOCK);
	pagelog_begin(&log, rel);
	meta = log_meta(pagelog_change(&log, meta_buffer));
	meta->base_index = index;
	meta->base_term = entry.term;
	meta->first_page = number;
	lsn = pagelog_finish(&log);
	ring->base_index = index;
	ring->base_term = entry.term;
	reclaim_lsn = reclaim_segments(rel, meta_buffer);
	ReleaseBuffer(meta_buffer);
	return reclaim_lsn != InvalidXLogRecPtr ? reclaim_lsn : lsn;
}

/*
 * Empty the log, as part of a record; the caller releases the two buffers
 * after it.  The last page stays and becomes the only one.
 */
void
log_reset(PageLog *log, Relation rel, uint64 base_index, uint64 base_term,
		  const void *host, uint32 host_len, LogReset *reset)
{
	LogView		view = {0};
	LogOpaque	opaque;
	uint64		number;
	LogMeta    *meta;
	Page		page;

	check_host_len(host_len);
	log_view(rel, &view);
	if (!log_find_tail(&view, &number, &opaque))
		pagelog_corrupted(rel, LOG_META_BLOCK, "the log has no end");
	reset->meta_buffer = log_read_meta_page(rel, BUFFER_LOCK_UNLOCK);
	reset->page_buffer = ReadBuffer(rel, log_block(read_table(rel, number / LOG_SEGMENT_PAGES),
												   number));

	meta = log_meta(pagelog_change(log, reset->meta_buffer));
	meta->epoch++;
	meta->base_index = base_index;
	meta->base_term = base_term;
	meta->first_page = number;
	meta->anchor_page = number;
	if (host != NULL)
		set_host_meta(meta, host, host_len);
	page = pagelog_overwrite(log, reset->page_buffer, LOG_OPAQUE_SIZE);
	init_log_page(page, number, meta->epoch, base_index + 1, 0);
}
