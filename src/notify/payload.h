/*-------------------------------------------------------------------------
 *
 * payload.h
 *	  The JSON text of notifications.
 *
 * Private to src/notify/.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/notify/payload.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_NOTIFY_PAYLOAD_H
#define PGQ_NOTIFY_PAYLOAD_H

#include "mvccpb.pb-c.h"

/* Longest payload that PostgreSQL's NOTIFY takes, in bytes */
#define NOTIFY_MAX_PAYLOAD		(BLCKSZ - NAMEDATALEN - 128 - 1)

/* All are palloc'd in the current memory context; max_bytes 0: no limit */
extern char *payload_event(const Mvccpb__Event *event, bool prev_value, Size max_bytes);
extern char *payload_compacted(int64 compact_revision);
extern char *payload_canceled(const char *reason);
extern char *payload_revision(int64 revision);

/* Can these bytes be a text value of this database, and of JSON? */
extern bool payload_is_text(const char *bytes, Size len);

#endif							/* PGQ_NOTIFY_PAYLOAD_H */
