/*-------------------------------------------------------------------------
 *
 * check.h
 *	  What the verification of the two kinds of relations shares.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/storage/check.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_CHECK_H
#define PGQ_CHECK_H

#include "storage.h"

typedef struct CheckState
{
	Relation	rel;
	StorageReport report;
	void	   *arg;
	BlockNumber end;			/* blocks that may be in use */
	uint8	   *seen;			/* a bit for each of them */
} CheckState;

extern void check_finding(CheckState *check, BlockNumber block,
						  const char *format,...) pg_attribute_printf(3, 4);
extern void check_begin_blocks(CheckState *check, BlockNumber end);
extern bool check_mark(CheckState *check, BlockNumber block);
extern void check_unmarked(CheckState *check, BlockNumber first);
extern bool check_read(CheckState *check, BlockNumber block, char *page);

extern void tree_check(CheckState *check);
extern void logring_check(CheckState *check);

#endif							/* PGQ_CHECK_H */
