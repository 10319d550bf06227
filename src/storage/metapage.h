/*-------------------------------------------------------------------------
 *
 * metapage.h
 *	  The first page of a relation of ours: is it there, and what we know?
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/storage/metapage.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_METAPAGE_H
#define PGQ_METAPAGE_H

#include "storage/bufmgr.h"
#include "utils/relcache.h"

#define META_BLOCK				0

/* What the contents of every meta page begin with. */
typedef struct MetaPageHead
{
	uint32		magic;
	uint32		version;
} MetaPageHead;

/* What tells a kind of relation; the page id is the page's last two bytes. */
typedef struct MetaPageFormat
{
	Size		special_size;
	uint16		page_id;
	uint32		magic;
	uint32		version;
	const char *what;			/* "a log" */
} MetaPageFormat;

extern Buffer metapage_read(Relation rel, const MetaPageFormat *format, int lock);
extern bool metapage_exists(Relation rel, const MetaPageFormat *format);

#endif							/* PGQ_METAPAGE_H */
