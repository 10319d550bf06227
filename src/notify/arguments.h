/*-------------------------------------------------------------------------
 *
 * arguments.h
 *	  Arguments of the functions on watches.
 *
 * Private to src/notify/.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/notify/arguments.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_NOTIFY_ARGUMENTS_H
#define PGQ_NOTIFY_ARGUMENTS_H

#include "fmgr.h"

#include "notify/registry.h"

extern void argument_range(FunctionCallInfo fcinfo, int argno, WatchRange *range);
extern void argument_watch_range(FunctionCallInfo fcinfo, int argno, WatchRange *range);
extern int	argument_kinds(FunctionCallInfo fcinfo, int argno);

#endif							/* PGQ_NOTIFY_ARGUMENTS_H */
