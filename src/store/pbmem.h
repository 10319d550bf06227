/*-------------------------------------------------------------------------
 *
 * pbmem.h
 *	  Protocol buffer messages in memory contexts.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/pbmem.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_PBMEM_H
#define PGQ_PBMEM_H

#include <protobuf-c/protobuf-c.h>

/*
 * Deepest nesting of messages that pb_unpack() accepts, the outermost one
 * included.  A transaction nested to STORE_MAX_TXN_DEPTH needs two levels each
 * and a few around it.
 */
#define PB_MAX_DEPTH		300

/* Allocates in the memory context that is current at the time of the call */
extern ProtobufCAllocator pb_allocator;

/*
 * Decode a message from untrusted bytes into the current memory context.
 * NULL if the bytes are no such message or nest deeper than PB_MAX_DEPTH;
 * partly decoded memory is then left to the context.  ERROR only when out of
 * memory.
 */
extern ProtobufCMessage *pb_unpack(const ProtobufCMessageDescriptor *descriptor,
								   const void *data, size_t len);

/* Encode a message into palloc'd memory of the current context */
extern char *pb_pack(const ProtobufCMessage *message, size_t *len);

#endif							/* PGQ_PBMEM_H */
