/*-------------------------------------------------------------------------
 *
 * logring.h
 *	  An indexed log in a relation of ours: a ring of page segments.
 *
 * Entries have consecutive indexes; each carries a term, a type and bytes.
 * The tail may be rewritten from any index on, the head given up at any time.
 * Neither the number of entries nor their bytes has to fit in memory, and
 * opening costs what lies between the meta page's note of the tail and the
 * tail itself (bounded), whatever the log's length.
 *
 * One writer, as for the tree (tree.h says what that asks of callers); SQL
 * readers may read beside it.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/storage/logring.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_LOGRING_H
#define PGQ_LOGRING_H

#include "access/xlogdefs.h"
#include "utils/relcache.h"

/* Room for the host's own durable state (identity, term, vote) on the meta page */
#define LOGRING_MAX_META_BYTES	2048

typedef struct LogEntry
{
	uint64		index;
	uint64		term;
	uint8		type;
	uint32		size;
	const char *data;			/* borrowed */
} LogEntry;

/* first_index == last_index + 1 when empty; base is the entry before the first */
typedef struct LogBounds
{
	uint64		base_index;
	uint64		base_term;
	uint64		first_index;	/* base_index + 1 */
	uint64		last_index;
} LogBounds;

/*
 * The writer's handle: where the tail is, so that an append reads no meta page.
 * Process-local; made by logring_open() after any restart of the writer, and
 * anew after an ERROR in any writer function (the relation's pages are then
 * still consistent, the handle is not).
 */
typedef struct LogRing LogRing;

/* writer: make an empty log whose first entry will be base_index + 1 */
extern void logring_format(Relation rel, uint64 base_index, uint64 base_term,
						   const void *meta, uint32 meta_len);
extern bool logring_is_formatted(Relation rel);

/* writer: find the tail; the handle lives in the current memory context */
extern LogRing *logring_open(Relation rel);
extern void logring_close(LogRing *ring);
extern void logring_bounds(LogRing *ring, LogBounds *bounds);

/* reader: the bounds as a reader in another process finds them */
extern void logring_read_bounds(Relation rel, LogBounds *bounds);

/* reader / writer: the host's meta; writing is one WAL record of one page */
extern uint32 logring_read_meta(Relation rel, void *meta, uint32 max);
extern XLogRecPtr logring_write_meta(Relation rel, const void *meta, uint32 meta_len);

/*
 * writer: append n entries with consecutive indexes.  The first may be at or
 * below last_index: then the tail from there on is given up first (never to
 * be seen again, also after a crash that comes in the middle).  One WAL record
 * for each run of entries on a page.  Does not flush; returns the LSN after the
 * last record.  When meta is not NULL it is replaced in the first record that
 * touches the meta page or in a record of its own before any entry is written.
 */
extern XLogRecPtr logring_append(Relation rel, LogRing *ring,
								 const LogEntry *entries, int n,
								 const void *meta, uint32 meta_len);

/*
 * reader / writer: entries from index first to at most last, at least one,
 * then as many as fit in max_bytes.  Returns how many; *entries is one palloc'd
 * chunk (array and bytes together).  0 if first is not in the log.
 */
extern int	logring_read(Relation rel, uint64 first, uint64 last, uint64 max_bytes,
						 LogEntry **entries);

/* reader / writer: walk terms, types and sizes without reading the bytes;
 * stops early when the callback returns false */
typedef bool (*LogVisit) (const LogEntry *entry, void *arg);
extern void logring_visit(Relation rel, uint64 first, uint64 last, LogVisit visit, void *arg);

/* writer: give up all entries up to and including index; pages are reused */
extern XLogRecPtr logring_truncate_head(Relation rel, LogRing *ring, uint64 index);

/* reader: bytes of the file, and of them in use */
extern void logring_sizes(Relation rel, uint64 *file_bytes, uint64 *used_bytes);

#endif							/* PGQ_LOGRING_H */
