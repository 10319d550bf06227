/*-------------------------------------------------------------------------
 *
 * named.h
 *	  Watches with a channel name of their own, kept in a table.
 *
 * Private to src/notify/.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/notify/named.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_NOTIFY_NAMED_H
#define PGQ_NOTIFY_NAMED_H

#include "notify/registry.h"

/* For the notifier.  All but named_load() are called inside a transaction. */

/* The relation of the store, InvalidOid where the extension does not exist */
extern Oid	named_find_store(void);

/*
 * Make the registry hold the table's watches, none but those.  Returns the
 * generation of named watches that it then agrees with, and the progress that
 * was saved.  Runs transactions of its own.
 */
extern uint64 named_load(int64 *progress);

extern void named_save_progress(int64 revision);
extern void named_save_end(const char *channel, int64 revision, const char *reason);

#endif							/* PGQ_NOTIFY_NAMED_H */
