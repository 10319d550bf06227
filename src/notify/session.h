/*-------------------------------------------------------------------------
 *
 * session.h
 *	  What this session and its transaction hold in the registry.
 *
 * Private to src/notify/.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/notify/session.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_NOTIFY_SESSION_H
#define PGQ_NOTIFY_SESSION_H

#include "notify/registry.h"

/* Register a watch that takes effect when the transaction commits */
extern void session_add_watch(const WatchSpec *spec, const char *channel,
							  bool named, Oid store);

/* End this session's watch on a channel when the transaction commits */
extern bool session_drop_watch(const char *channel);

/* End a named watch when the transaction commits */
extern void session_drop_named(const char *channel);

/* The revision that a watch from now on starts after, and the store it is about */
extern int64 session_watch_start(int64 start_revision, const WatchSpec *spec, bool named,
								 Oid *store);

extern void session_install_hook(void);

#endif							/* PGQ_NOTIFY_SESSION_H */
