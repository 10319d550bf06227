/*-------------------------------------------------------------------------
 *
 * notify.h
 *	  NOTIFY watches: their shared memory and their worker.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/notify/notify.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_NOTIFY_H
#define PGQ_NOTIFY_H

/* called from the library's shared memory hooks and from _PG_init */
extern Size notify_shmem_size(void);
extern void notify_shmem_init(void);
extern void notify_register_worker(void);

#endif							/* PGQ_NOTIFY_H */
