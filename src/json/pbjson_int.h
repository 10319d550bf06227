/*-------------------------------------------------------------------------
 *
 * pbjson_int.h
 *	  What reading and writing of JSON forms share.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/json/pbjson_int.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_PBJSON_INT_H
#define PGQ_PBJSON_INT_H

#include <protobuf-c/protobuf-c.h>

/* The size of an element in the array of a repeated field, in bytes */
extern size_t pbjson_element_size(ProtobufCType type);

#endif							/* PGQ_PBJSON_INT_H */
