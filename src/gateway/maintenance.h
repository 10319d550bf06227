/*-------------------------------------------------------------------------
 *
 * maintenance.h
 *	  The parts of the Maintenance service.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/maintenance.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_GATEWAY_MAINTENANCE_H
#define PGQ_GATEWAY_MAINTENANCE_H

#include "gateway/call.h"

/* hashing.c: Hash and HashKV */
extern void hashing_hash(Call *call, const ProtobufCMessage *message);
extern void hashing_hash_kv(Call *call, const ProtobufCMessage *message);
extern void hashing_ended(Call *call);

/* One turn: have at most one slice done.  In how many ms the next may be, -1: there is none */
extern long hashing_turn(void);

/* snapshot.c: Snapshot */
extern void snapshot_message(Call *call, const ProtobufCMessage *message);
extern void snapshot_drained(Call *call);
extern void snapshot_ended(Call *call);
extern long snapshot_turn(void);

#endif							/* PGQ_GATEWAY_MAINTENANCE_H */
