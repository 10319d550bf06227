/*-------------------------------------------------------------------------
 *
 * dropdb.h
 *	  Makes way for DROP DATABASE of the database that holds the store.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/dropdb.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_DROPDB_H
#define PGQ_DROPDB_H

extern void dropdb_install(void);

#endif							/* PGQ_DROPDB_H */
