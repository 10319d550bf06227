/*-------------------------------------------------------------------------
 *
 * log_int.h
 *	  The pages of the log, and what its files share.
 *
 * The relation's blocks:
 *
 *		0		the meta page
 *		1..8	the segment table
 *		9..		segments of LOG_SEGMENT_PAGES pages each
 *
 * The log is a sequence of pages numbered from 0 on and never renumbered;
 * page n is in segment n / LOG_SEGMENT_PAGES.  The table says in which
 * physical segment of the file a segment lives; it is a ring itself, indexed by
 * the segment's number modulo its size.  Segments from first_segment to
 * end_segment hold the log; those from there to spare_segment have a place in
 * the file already but no contents.  A segment that the head has left behind
 * moves to the end of the spare ones.  So every physical segment is in the
 * table exactly once.
 *
 * A page of the log is filled with a stream of bytes: entries, each a header
 * and its data.  A header is never split, data may go on over many pages.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/storage/log_int.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_LOG_INT_H
#define PGQ_LOG_INT_H

#include "storage/buf.h"
#include "storage/bufpage.h"

#include "logring.h"
#include "pagelog.h"

#define LOG_MAGIC				0x6c517071
#define LOG_VERSION				1

#define LOG_META_BLOCK			0
#define LOG_TABLE_BLOCK			1
#define LOG_TABLE_PAGES			8
#define LOG_FIRST_BLOCK			(LOG_TABLE_BLOCK + LOG_TABLE_PAGES)
#define LOG_SEGMENT_PAGES		256

#define LOG_META_ID				0xFB72
#define LOG_TABLE_ID			0xFB73
#define LOG_PAGE_ID				0xFB74

typedef struct LogOpaque
{
	uint64		number;			/* of the page */
	uint64		epoch;			/* of the log when the page was begun */
	uint64		first_index;	/* of the first entry that starts on the page, or
								 * the next one to start if none does */
	uint32		carry;			/* bytes yet to come of an entry begun earlier */
	uint16		starts;			/* entries that start on the page */
	uint16		page_id;		/* LOG_*_ID, the page's last two bytes */
} LogOpaque;

#define LOG_OPAQUE_SIZE			MAXALIGN(sizeof(LogOpaque))
#define LOG_PAGE_START			MAXALIGN(SizeOfPageHeaderData)
#define LOG_PAGE_ROOM			(BLCKSZ - LOG_PAGE_START - LOG_OPAQUE_SIZE)

/* The segment table: 31 GB of log with pages of 8 kB */
#define LOG_TABLE_ENTRIES		(LOG_PAGE_ROOM / sizeof(uint32))
#define LOG_MAX_SEGMENTS		(LOG_TABLE_PAGES * LOG_TABLE_ENTRIES)

/* The contents of the meta page.  Fields are only ever added. */
typedef struct LogMeta
{
	uint32		magic;
	uint32		version;

	/* Raised whenever the tail is cut: pages after the anchor that are of an
	 * earlier epoch are leftovers */
	uint64		epoch;
	uint64		base_index;		/* the entry before the first */
	uint64		base_term;
	uint64		first_page;		/* where the entry after base starts, or will */
	uint64		anchor_page;	/* a page of the log not before which it ends; in
								 * the last segment */
	uint64		first_segment;
	uint64		end_segment;
	uint64		spare_segment;
	uint32		physical_segments;	/* in the file */
	uint32		host_len;
	char		host[LOGRING_MAX_META_BYTES];
} LogMeta;

/* What stands before an entry's data; not aligned */
#define LOG_HEADER_SIZE			(sizeof(uint64) + sizeof(uint32) + sizeof(uint8))

static inline LogOpaque *
log_opaque(Page page)
{
	return (LogOpaque *) ((char *) page + BLCKSZ - LOG_OPAQUE_SIZE);
}

static inline LogMeta *
log_meta(Page page)
{
	return (LogMeta *) PageGetContents(page);
}

static inline uint32 *
log_table(Page page)
{
	return (uint32 *) PageGetContents(page);
}

static inline void
log_header_get(const char *p, LogEntry *entry)
{
	memcpy(&entry->term, p, sizeof(uint64));
	memcpy(&entry->size, p + sizeof(uint64), sizeof(uint32));
	entry->type = (uint8) p[sizeof(uint64) + sizeof(uint32)];
}

static inline void
log_header_set(char *p, const LogEntry *entry)
{
	memcpy(p, &entry->term, sizeof(uint64));
	memcpy(p + sizeof(uint64), &entry->size, sizeof(uint32));
	p[sizeof(uint64) + sizeof(uint32)] = (char) entry->type;
}

/* Bytes on a page that belong to an entry begun earlier */
static inline uint32
log_carried(const LogOpaque *opaque)
{
	return Min(opaque->carry, LOG_PAGE_ROOM);
}

static inline BlockNumber
log_table_block(uint64 segment)
{
	return LOG_TABLE_BLOCK + (segment % LOG_MAX_SEGMENTS) / LOG_TABLE_ENTRIES;
}

static inline int
log_table_slot(uint64 segment)
{
	return (segment % LOG_MAX_SEGMENTS) % LOG_TABLE_ENTRIES;
}

static inline BlockNumber
log_block(uint32 physical, uint64 number)
{
	return LOG_FIRST_BLOCK + physical * LOG_SEGMENT_PAGES + number % LOG_SEGMENT_PAGES;
}

/* The log as a reader finds it at some moment */
typedef struct LogView
{
	Relation	rel;
	uint64		epoch;
	uint64		base_index;
	uint64		base_term;
	uint64		first_page;
	uint64		anchor_page;
	uint64		first_segment;
	uint64		end_segment;
} LogView;

typedef enum LogPageState
{
	LOG_PAGE_LIVE,
	LOG_PAGE_NONE,				/* after the end of the log */
	LOG_PAGE_CHANGED			/* the view is out of date */
} LogPageState;

/* log_read.c */
extern Buffer log_read_meta_page(Relation rel, int lock);
extern bool log_view(Relation rel, LogView *view);
extern BlockNumber log_page_block(const LogView *view, uint64 number);
extern LogPageState log_load_page(const LogView *view, uint64 number,
								  LogOpaque *opaque, char *page);
extern bool log_find_tail(const LogView *view, uint64 *number, LogOpaque *opaque);
extern bool log_find_index(const LogView *view, uint64 tail, uint64 index,
						   uint64 *number);
extern uint64 log_last_index(Page page, bool *torn);
extern uint16 log_entry_offset(Relation rel, Page page, uint64 index);

/* logring.c */
typedef struct LogReset
{
	Buffer		meta_buffer;
	Buffer		page_buffer;
} LogReset;

extern void log_reset(PageLog *log, Relation rel, uint64 base_index, uint64 base_term,
					  const void *host, uint32 host_len, LogReset *reset);

#endif							/* PGQ_LOG_INT_H */
