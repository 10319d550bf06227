/*-------------------------------------------------------------------------
 *
 * log_read.c
 *	  Readers of the log, and how anybody finds its end.
 *
 * A reader takes a view from the meta page and then visits pages one at a
 * time, each share-locked and copied.  A page belongs to the log of that view
 * if it has the number it should have and
 *	 - it is not after the anchor, and its epoch is not later than the view's;
 *	 - or it is after the anchor, and its epoch is the view's.
 * After the anchor, pages of the log come first, then pages that are not: what
 * was there before a cut of the tail is of an earlier epoch, what was there
 * before the segment was reused has another number, and the rest is zeroes.
 * So the end is found by bisection within one segment.
 *
 * Where a page shows that the log has been cut or given up since the view was
 * taken, the reader takes a new view and starts again.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/storage/log_read.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "log_int.h"
#include "metapage.h"
#include "../compat.h"

StaticAssertDecl(sizeof(LogMeta) <= LOG_PAGE_ROOM, "the meta page is too small");
StaticAssertDecl(LOG_META_BLOCK == META_BLOCK, "the meta page is not the first");
StaticAssertDecl(sizeof(LogOpaque) == LOG_OPAQUE_SIZE, "the page id is not last");

/* So many pages ahead the last place is followed rather than searched anew */
#define FOLLOW_PAGES	4

/*
 * Where the last read of this process ended.  Only a hint: what is found there
 * is verified.
 */
static struct
{
	PgqRelNode	node;
	uint64		number;
}			last_place;

static const MetaPageFormat log_meta_format = {
	LOG_OPAQUE_SIZE, LOG_META_ID, LOG_MAGIC, LOG_VERSION, "a log"
};

/* Read and verify the meta page; BUFFER_LOCK_UNLOCK for no lock (writer) */
Buffer
log_read_meta_page(Relation rel, int lock)
{
	return metapage_read(rel, &log_meta_format, lock);
}

/* reader: has the relation been formatted?  ERROR if it is something else. */
bool
logring_is_formatted(Relation rel)
{
	return metapage_exists(rel, &log_meta_format);
}

/* ----------------------------------------------------------------
 *		Views and pages
 * ----------------------------------------------------------------
 */

/* Take a view.  True if it differs from what *view was before. */
bool
log_view(Relation rel, LogView *view)
{
	Buffer		buffer = log_read_meta_page(rel, BUFFER_LOCK_SHARE);
	LogMeta    *meta = log_meta(BufferGetPage(buffer));
	LogView		now = {0};
	bool		differs;

	now.rel = rel;
	now.epoch = meta->epoch;
	now.base_index = meta->base_index;
	now.base_term = meta->base_term;
	now.first_page = meta->first_page;
	now.anchor_page = meta->anchor_page;
	now.first_segment = meta->first_segment;
	now.end_segment = meta->end_segment;
	UnlockReleaseBuffer(buffer);
	differs = now.epoch != view->epoch || now.base_index != view->base_index ||
		now.first_page != view->first_page ||
		now.first_segment != view->first_segment ||
		now.end_segment != view->end_segment;
	*view = now;
	return differs;
}

/* Take a new view because a page did not fit the old one */
static void
renew_view(LogView *view, uint64 number)
{
	CHECK_FOR_INTERRUPTS();
	if (!log_view(view->rel, view))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("relation \"%s\" is corrupted", RelationGetRelationName(view->rel)),
				 errdetail("Page %llu of the log is not where it should be.",
						   (unsigned long long) number)));
}

/* The block of a page whose segment is one of the view's */
BlockNumber
log_page_block(const LogView *view, uint64 number)
{
	uint64		segment = number / LOG_SEGMENT_PAGES;
	Buffer		buffer = ReadBuffer(view->rel, log_table_block(segment));
	Page		page = BufferGetPage(buffer);
	BlockNumber block;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	if (PageIsNew(page) || log_opaque(page)->page_id != LOG_TABLE_ID)
		pagelog_corrupted(view->rel, log_table_block(segment),
					  "this is not a page of the segment table");
	block = log_block(log_table(page)[log_table_slot(segment)], number);
	UnlockReleaseBuffer(buffer);
	return block;
}

/*
 * Visit a page: copy its special space, and all of it if page is not NULL.
 */
LogPageState
log_load_page(const LogView *view, uint64 number, LogOpaque *opaque, char *page)
{
	uint64		segment = number / LOG_SEGMENT_PAGES;
	bool		after = number > view->anchor_page;
	LogPageState other = after ? LOG_PAGE_NONE : LOG_PAGE_CHANGED;
	LogPageState state = LOG_PAGE_LIVE;
	BlockNumber block;
	Buffer		buffer;
	Page		source;

	if (segment < view->first_segment || segment >= view->end_segment)
		return other;

	block = log_page_block(view, number);
	if (after && block >= RelationGetNumberOfBlocks(view->rel))
		return LOG_PAGE_NONE;

	buffer = ReadBuffer(view->rel, block);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	source = BufferGetPage(buffer);
	if (PageIsNew(source) ||
		((PageHeader) source)->pd_special != BLCKSZ - LOG_OPAQUE_SIZE ||
		log_opaque(source)->page_id != LOG_PAGE_ID ||
		log_opaque(source)->number != number)
		state = other;
	else if (log_opaque(source)->epoch > view->epoch)
		state = LOG_PAGE_CHANGED;
	else if (after && log_opaque(source)->epoch < view->epoch)
		state = LOG_PAGE_NONE;
	else
	{
		*opaque = *log_opaque(source);
		if (page != NULL)
			memcpy(page, source, BLCKSZ);
	}
	UnlockReleaseBuffer(buffer);
	return state;
}

/*
 * Find the last page of the log.  False if the view is out of date.
 */
bool
log_find_tail(const LogView *view, uint64 *number, LogOpaque *opaque)
{
	uint64		low = view->anchor_page;
	uint64		high = (low / LOG_SEGMENT_PAGES + 1) * LOG_SEGMENT_PAGES;

	if (log_load_page(view, low, opaque, NULL) != LOG_PAGE_LIVE)
		return false;

	/* low is a page of the log, high is not */
	while (high - low > 1)
	{
		uint64		middle = low + (high - low) / 2;
		LogOpaque	found;

		switch (log_load_page(view, middle, &found, NULL))
		{
			case LOG_PAGE_LIVE:
				low = middle;
				*opaque = found;
				break;
			case LOG_PAGE_NONE:
				high = middle;
				break;
			case LOG_PAGE_CHANGED:
				return false;
		}
	}
	*number = low;
	return true;
}

/*
 * Find the page on which an entry starts, or would if it is the next one: the
 * last page whose first_index is not above.  False if the view is out of date.
 */
bool
log_find_index(const LogView *view, uint64 tail, uint64 index, uint64 *number)
{
	uint64		low = view->first_page;
	uint64		high = tail + 1;

	while (high - low > 1)
	{
		uint64		middle = low + (high - low) / 2;
		LogOpaque	opaque;

		if (log_load_page(view, middle, &opaque, NULL) != LOG_PAGE_LIVE)
			return false;
		if (opaque.first_index <= index)
			low = middle;
		else
			high = middle;
	}
	*number = low;
	return true;
}

/*
 * The last entry that a log ending with this page has complete.  *torn is
 * set if the beginning of another one follows: a crash came in between, or the
 * writer is at it.
 */
uint64
log_last_index(Page page, bool *torn)
{
	LogOpaque  *opaque = log_opaque(page);
	char	   *p = PageGetContents(page) + log_carried(opaque);
	char	   *end = (char *) page + ((PageHeader) page)->pd_lower;
	uint64		last = opaque->first_index - 1;

	*torn = false;
	if (opaque->carry > LOG_PAGE_ROOM)
	{
		*torn = true;
		return last - 1;
	}
	for (int i = 0; i < opaque->starts; i++)
	{
		LogEntry	entry;

		log_header_get(p, &entry);
		p += LOG_HEADER_SIZE;
		if (entry.size > (Size) (end - p))
		{
			*torn = true;
			return last;
		}
		p += entry.size;
		last++;
	}
	return last;
}

/* Where on the page the given entry starts, or would if it is the next one */
uint16
log_entry_offset(Relation rel, Page page, uint64 index)
{
	LogOpaque  *opaque = log_opaque(page);
	char	   *p = PageGetContents(page) + log_carried(opaque);
	char	   *end = (char *) page + ((PageHeader) page)->pd_lower;

	for (uint64 i = opaque->first_index; i < index; i++)
	{
		LogEntry	entry;

		if (p + LOG_HEADER_SIZE > end)
			break;
		log_header_get(p, &entry);
		p += LOG_HEADER_SIZE + entry.size;
	}
	if (p > end || index < opaque->first_index ||
		index > opaque->first_index + opaque->starts)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("relation \"%s\" is corrupted", RelationGetRelationName(rel)),
				 errdetail("Page %llu of the log does not have entry %llu.",
						   (unsigned long long) opaque->number,
						   (unsigned long long) index)));
	return (uint16) (p - (char *) page);
}

/* ----------------------------------------------------------------
 *		Walking over entries
 * ----------------------------------------------------------------
 */

typedef struct LogCursor
{
	LogView		view;
	uint64		number;			/* of the page at hand */
	uint64		index;			/* of the next entry */
	char	   *p;				/* its header, if it starts on this page */
	LogOpaque	opaque;
	PGAlignedBlock page;
} LogCursor;

static LogPageState
cursor_load(LogCursor *cursor, uint64 number)
{
	LogPageState state = log_load_page(&cursor->view, number, &cursor->opaque,
									   cursor->page.data);

	if (state == LOG_PAGE_LIVE)
		cursor->number = number;
	return state;
}

/* Does an entry start on the page at hand? */
static bool
cursor_has(LogCursor *cursor, uint64 index)
{
	return index >= cursor->opaque.first_index &&
		index - cursor->opaque.first_index < cursor->opaque.starts;
}

/* Try near the place where the last read of this process ended */
static bool
cursor_follow(LogCursor *cursor, uint64 index)
{
	if (!PgqRelNodeEquals(last_place.node, PgqRelationNode(cursor->view.rel)) ||
		last_place.number < cursor->view.first_page)
		return false;
	for (int i = 0; i < FOLLOW_PAGES; i++)
	{
		if (cursor_load(cursor, last_place.number + i) != LOG_PAGE_LIVE ||
			cursor->opaque.first_index > index)
			return false;
		if (cursor_has(cursor, index))
			return true;
	}
	return false;
}

/*
 * Go to an entry.  LOG_PAGE_NONE if there is none of that index.
 */
static LogPageState
cursor_seek(LogCursor *cursor, uint64 index)
{
	uint64		tail;
	uint64		number;
	LogPageState state;
	LogOpaque	opaque;

	if (index <= cursor->view.base_index)
		return LOG_PAGE_NONE;
	if (!cursor_follow(cursor, index))
	{
		if (!log_find_tail(&cursor->view, &tail, &opaque) ||
			!log_find_index(&cursor->view, tail, index, &number))
			return LOG_PAGE_CHANGED;
		state = cursor_load(cursor, number);
		if (state != LOG_PAGE_LIVE)
			return LOG_PAGE_CHANGED;
		if (!cursor_has(cursor, index))
			return LOG_PAGE_NONE;
	}
	cursor->index = index;
	cursor->p = cursor->page.data +
		log_entry_offset(cursor->view.rel, cursor->page.data, index);
	return LOG_PAGE_LIVE;
}

/*
 * The header of the next entry.  LOG_PAGE_NONE at the end of the log.
 */
static LogPageState
cursor_header(LogCursor *cursor, LogEntry *entry)
{
	while (!cursor_has(cursor, cursor->index))
	{
		LogPageState state = cursor_load(cursor, cursor->number + 1);

		if (state != LOG_PAGE_LIVE)
			return state;
		if (cursor->opaque.first_index > cursor->index)
		{
			/* the page before has grown since it was copied */
			state = cursor_load(cursor, cursor->number - 1);
			if (state != LOG_PAGE_LIVE || !cursor_has(cursor, cursor->index))
				return LOG_PAGE_CHANGED;
			cursor->p = cursor->page.data +
				log_entry_offset(cursor->view.rel, cursor->page.data, cursor->index);
			break;
		}
		cursor->p = PageGetContents(cursor->page.data) + log_carried(&cursor->opaque);
	}
	log_header_get(cursor->p, entry);
	entry->index = cursor->index;
	entry->data = NULL;
	return LOG_PAGE_LIVE;
}

/*
 * Step over the entry whose header has been read, and copy its data to data
 * if that is not NULL.  LOG_PAGE_NONE if the entry is not complete.
 */
static LogPageState
cursor_data(LogCursor *cursor, const LogEntry *entry, char *data)
{
	char	   *end = cursor->page.data + ((PageHeader) cursor->page.data)->pd_lower;
	char	   *p = cursor->p + LOG_HEADER_SIZE;
	uint32		bytes = Min(entry->size, (Size) (end - p));
	uint32		left = entry->size - bytes;

	if (data != NULL)
		memcpy(data, p, bytes);
	cursor->p = p + bytes;
	cursor->index++;
	if (left > 0 && data == NULL && left > LOG_PAGE_ROOM)
	{
		/* nothing to see on the pages that are filled with the entry's data */
		cursor->number += (left - 1) / LOG_PAGE_ROOM;
		left -= (left - 1) / LOG_PAGE_ROOM * LOG_PAGE_ROOM;
	}
	while (left > 0)
	{
		LogPageState state;

		CHECK_FOR_INTERRUPTS();
		state = cursor_load(cursor, cursor->number + 1);
		if (state != LOG_PAGE_LIVE)
			return state;
		if (cursor->opaque.carry != left || cursor->opaque.first_index != cursor->index)
			return LOG_PAGE_CHANGED;
		bytes = log_carried(&cursor->opaque);
		if (data != NULL)
			memcpy(data + (entry->size - left), PageGetContents(cursor->page.data), bytes);
		left -= bytes;
		cursor->p = PageGetContents(cursor->page.data) + bytes;
	}
	return LOG_PAGE_LIVE;
}

/* Entries and their bytes, as they are gathered */
typedef struct Gathered
{
	LogEntry   *entries;
	int			count;
	int			max_count;
	char	   *bytes;
	Size		used;
	Size		size;
} Gathered;

static void *
allocate(Size size)
{
	return palloc_extended(size, size > MaxAllocSize ? MCXT_ALLOC_HUGE : 0);
}

static void
gather_begin(Gathered *gathered)
{
	gathered->count = 0;
	gathered->max_count = 64;
	gathered->entries = palloc(gathered->max_count * sizeof(LogEntry));
	gathered->used = 0;
	gathered->size = 16 * 1024;
	gathered->bytes = palloc(gathered->size);
}

static void
gather_end(Gathered *gathered)
{
	pfree(gathered->entries);
	pfree(gathered->bytes);
}

/* Make room for one more entry of size bytes; returns where they go */
static char *
gather_room(Gathered *gathered, Size size)
{
	if (gathered->count == gathered->max_count)
	{
		gathered->max_count *= 2;
		gathered->entries = repalloc_huge(gathered->entries,
										  gathered->max_count * sizeof(LogEntry));
	}
	if (gathered->size - gathered->used < size)
	{
		gathered->size = Max(gathered->size * 2, gathered->used + size);
		gathered->bytes = repalloc_huge(gathered->bytes, gathered->size);
	}
	return gathered->bytes + gathered->used;
}

/* One palloc'd chunk of what was gathered */
static LogEntry *
gather_result(const Gathered *gathered)
{
	Size		array = MAXALIGN(gathered->count * sizeof(LogEntry));
	char	   *chunk = allocate(array + gathered->used + 1);
	LogEntry   *entries = (LogEntry *) chunk;
	char	   *bytes = chunk + array;

	memcpy(entries, gathered->entries, gathered->count * sizeof(LogEntry));
	memcpy(bytes, gathered->bytes, gathered->used);
	for (int i = 0; i < gathered->count; i++)
	{
		entries[i].data = bytes;
		bytes += entries[i].size;
	}
	return entries;
}

/* One attempt of logring_read(); LOG_PAGE_CHANGED if it must be repeated */
static LogPageState
gather(LogCursor *cursor, uint64 first, uint64 last, uint64 max_bytes,
	   Gathered *gathered)
{
	LogPageState state = cursor_seek(cursor, first);

	while (state == LOG_PAGE_LIVE && cursor->index <= last)
	{
		LogEntry	entry;
		char	   *room;

		state = cursor_header(cursor, &entry);
		if (state != LOG_PAGE_LIVE ||
			(gathered->count > 0 && gathered->used + entry.size > max_bytes))
			break;
		room = gather_room(gathered, entry.size);
		state = cursor_data(cursor, &entry, room);
		if (state != LOG_PAGE_LIVE)
			break;
		gathered->entries[gathered->count++] = entry;
		gathered->used += entry.size;
	}
	return state;
}

/*
 * reader / writer: entries from first to at most last; see logring.h.
 */
int
logring_read(Relation rel, uint64 first, uint64 last, uint64 max_bytes,
			 LogEntry **entries)
{
	LogCursor  *cursor = palloc(sizeof(LogCursor));
	Gathered	gathered;
	LogView		now = {0};

	*entries = NULL;
	gather_begin(&gathered);
	memset(&cursor->view, 0, sizeof(LogView));
	log_view(rel, &cursor->view);
	for (;;)
	{
		gathered.count = 0;
		gathered.used = 0;
		if (gather(cursor, first, last, max_bytes, &gathered) == LOG_PAGE_CHANGED)
		{
			renew_view(&cursor->view, cursor->number);
			continue;
		}

		/* was the tail cut while we were reading? */
		now = cursor->view;
		log_view(rel, &now);
		if (now.epoch == cursor->view.epoch)
			break;
		cursor->view = now;
	}
	if (gathered.count > 0)
	{
		*entries = gather_result(&gathered);
		last_place.node = PgqRelationNode(rel);
		last_place.number = cursor->number;
	}
	gather_end(&gathered);
	pfree(cursor);
	return gathered.count;
}

/*
 * reader / writer: walk terms, types and sizes without reading the bytes.
 */
void
logring_visit(Relation rel, uint64 first, uint64 last, LogVisit visit, void *arg)
{
	LogCursor  *cursor = palloc(sizeof(LogCursor));
	uint64		index = first;

	memset(&cursor->view, 0, sizeof(LogView));
	log_view(rel, &cursor->view);
	while (index <= last)
	{
		LogPageState state = cursor_seek(cursor, index);
		bool		stop = false;

		while (state == LOG_PAGE_LIVE && index <= last)
		{
			LogEntry	entry;

			state = cursor_header(cursor, &entry);
			if (state == LOG_PAGE_LIVE)
				state = cursor_data(cursor, &entry, NULL);
			if (state != LOG_PAGE_LIVE)
				break;
			index++;
			if (!visit(&entry, arg))
			{
				stop = true;
				break;
			}
		}
		if (stop || state != LOG_PAGE_CHANGED)
			break;
		renew_view(&cursor->view, cursor->number);
	}
	pfree(cursor);
}

/* reader: the bounds as a reader in another process finds them */
void
logring_read_bounds(Relation rel, LogBounds *bounds)
{
	LogView		view = {0};
	uint64		tail = 0;
	LogOpaque	opaque;
	PGAlignedBlock page;
	bool		torn;

	log_view(rel, &view);
	while (!log_find_tail(&view, &tail, &opaque) ||
		   log_load_page(&view, tail, &opaque, page.data) != LOG_PAGE_LIVE)
		renew_view(&view, tail);
	bounds->base_index = view.base_index;
	bounds->base_term = view.base_term;
	bounds->first_index = view.base_index + 1;
	bounds->last_index = Max(log_last_index(page.data, &torn), view.base_index);
}

/* reader / writer: the host's meta; returns its length */
uint32
logring_read_meta(Relation rel, void *host, uint32 max)
{
	Buffer		buffer = log_read_meta_page(rel, BUFFER_LOCK_SHARE);
	LogMeta    *meta = log_meta(BufferGetPage(buffer));
	uint32		len = meta->host_len;

	memcpy(host, meta->host, Min(len, max));
	UnlockReleaseBuffer(buffer);
	return len;
}

/* reader: bytes of the file, and of them in use */
void
logring_sizes(Relation rel, uint64 *file_bytes, uint64 *used_bytes)
{
	LogView		view = {0};
	uint64		tail = 0;
	LogOpaque	opaque;

	log_view(rel, &view);
	while (!log_find_tail(&view, &tail, &opaque))
		renew_view(&view, tail);
	*file_bytes = (uint64) RelationGetNumberOfBlocks(rel) * BLCKSZ;
	*used_bytes = (LOG_FIRST_BLOCK + tail - view.first_page + 1) * BLCKSZ;
}
