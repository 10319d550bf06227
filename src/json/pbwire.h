/*-------------------------------------------------------------------------
 *
 * pbwire.h
 *	  Protobuf messages in PostgreSQL's memory contexts.
 *
 * protobuf-c decodes nested messages by recursion without a limit, and takes
 * its memory from malloc unless told otherwise.  Whoever decodes bytes that
 * came from outside goes through here: nesting is measured before, and memory
 * is the current context's, so that an ERROR leaks nothing.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/json/pbwire.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_PBWIRE_H
#define PGQ_PBWIRE_H

#include <protobuf-c/protobuf-c.h>

/*
 * Deepest nesting of messages accepted from outside.  A transaction needs two
 * levels for each transaction in it, and the operation limit of 128 allows
 * 127 of them inside one another.
 */
#define PBWIRE_MAX_DEPTH	270

/* An allocator over palloc in the context that is current at each call */
extern ProtobufCAllocator pbwire_allocator;

/* Is this a well-formed message whose nesting stays within max_depth? */
extern bool pbwire_check(const ProtobufCMessageDescriptor *descriptor,
						 const uint8_t *data, size_t len, int max_depth);

/*
 * Decode a message into the current memory context; NULL if it is malformed or
 * nested deeper than PBWIRE_MAX_DEPTH.  bytes fields are copies.
 */
extern ProtobufCMessage *pbwire_unpack(const ProtobufCMessageDescriptor *descriptor,
									   const uint8_t *data, size_t len);

/* The size of an element in the array of a repeated field, in bytes */
extern size_t pbwire_element_size(ProtobufCType type);

#endif							/* PGQ_PBWIRE_H */
