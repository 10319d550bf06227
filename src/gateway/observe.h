/*-------------------------------------------------------------------------
 *
 * observe.h
 *	  Election.Observe, and who may see a queue.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/observe.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_GATEWAY_OBSERVE_H
#define PGQ_GATEWAY_OBSERVE_H

#include "gateway/call.h"

/* May the caller read the keys below a prefix?  If not, the call has been ended */
extern bool observe_is_permitted(Call *call, ProtobufCBinaryData prefix);

extern void observe_message(Call *call, const ProtobufCMessage *message);
extern void observe_drained(Call *call);
extern void observe_ended(Call *call);

#endif							/* PGQ_GATEWAY_OBSERVE_H */
