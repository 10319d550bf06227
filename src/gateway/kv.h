/*-------------------------------------------------------------------------
 *
 * kv.h
 *	  What the files of the KV service share.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/kv.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_GATEWAY_KV_H
#define PGQ_GATEWAY_KV_H

#include "gateway/call.h"

/* range.c */
extern void range_message(Call *call, const ProtobufCMessage *message);
extern void range_stream_message(Call *call, const ProtobufCMessage *message);
extern void range_stream_drained(Call *call);
extern void range_ended(Call *call);

#endif							/* PGQ_GATEWAY_KV_H */
