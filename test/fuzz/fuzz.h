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

#include "utils/numeric.h"

#include <protobuf-c/protobuf-c.h>

#include "clock.h"

/* What the loop takes for the time */
extern ClockTime fuzz_now;

/* What all memory contexts hold now, and the most since this was last set; both in bytes */
extern Size fuzz_memory_used;
extern Size fuzz_memory_peak;

/* check_stack_depth() counts from the caller's frame */
extern void fuzz_stack_begins(void);

/* A JSON number; ERROR if numeric cannot hold it */
extern Numeric fuzz_numeric(const char *token);

/* The target of messages: the bytes are one of each kind */
extern void fuzz_all_messages(const uint8 *data, size_t len);

/* The target of what is in JSON: a byte says which message, the rest is its JSON */
extern void fuzz_json(const uint8 *data, size_t len);

/* How often that was JSON of the message, in one style or the other */
extern uint64 fuzz_json_accepted;

/* A message from elsewhere must have JSON, and that must be all of it */
extern void fuzz_json_of(const ProtobufCMessage *message);

/* Make up an input for it; below(n) is a number at random below n */
extern size_t fuzz_json_make(uint32 (*below) (uint32 n), uint8 *input, size_t size);

/* Messages by number: all requests of etcd's services, all responses, and one with every type of field */
extern unsigned fuzz_message_count(void);
extern const ProtobufCMessageDescriptor *fuzz_message(unsigned which);

/* Once in a process */
extern void fuzz_services_init(void);

/* What the services do next is drawn from this */
extern void fuzz_services_seed(const uint8 *data, size_t len);

#endif							/* PGQ_FUZZ_H */
