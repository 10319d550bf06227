/*-------------------------------------------------------------------------
 *
 * admit.h
 *	  May a call be served by this member in its present state?
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/admit.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_GATEWAY_ADMIT_H
#define PGQ_GATEWAY_ADMIT_H

#include "gateway/call.h"

/*
 * Asked before the first message of a call is handed to its method.  If not, the call
 * has been ended, and false is returned.
 */
extern bool admit_call(Call *call, const ProtobufCMessage *message);

#endif							/* PGQ_GATEWAY_ADMIT_H */
