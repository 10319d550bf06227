/*-------------------------------------------------------------------------
 *
 * fuzz.h
 *	  What the files of the fuzz targets share.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/fuzz/fuzz.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_FUZZ_H
#define PGQ_FUZZ_H

#include "datatype/timestamp.h"

/* What the loop takes for the time */
extern TimestampTz fuzz_now;

/* Every message of every method of etcd's services, for the target of messages */
extern void fuzz_all_messages(const uint8 *data, size_t len);

/* Once in a process */
extern void fuzz_services_init(void);

/* What the services do next is drawn from this */
extern void fuzz_services_seed(const uint8 *data, size_t len);

#endif							/* PGQ_FUZZ_H */
