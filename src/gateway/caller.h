/*-------------------------------------------------------------------------
 *
 * caller.h
 *	  On whose behalf a call is.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/caller.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_GATEWAY_CALLER_H
#define PGQ_GATEWAY_CALLER_H

#include "gateway/call.h"
#include "store/store.h"

/*
 * Who calls, as of the store of this turn: the bearer of the call's token, else the common
 * name of a client certificate, else nobody (then user is "", which the store refuses while
 * authentication is on).  STORE_OK; or STORE_INVALID_AUTH_TOKEN for a token that is
 * forged, has run out, or is of a user who is gone or has another password.  Nothing
 * is looked at while authentication is off.
 *
 * The strings are in the current memory context.  Ask where the state is read, so for
 * a linearizable read after its barrier.
 */
extern StoreError caller_of_call(const Call *call, StoreCaller *caller);

/* The same, put into a command that is about to be proposed */
extern StoreError caller_name_command(const Call *call, Quorum__Command *command);

/*
 * For what needs no permission on keys: STORE_OK if the call is some user's, or authentication
 * is off; and if it is one's with the role root.  Else why not, in etcd's order of checks.
 */
extern StoreError caller_require_user(const Call *call);
extern StoreError caller_require_admin(const Call *call);

#endif							/* PGQ_GATEWAY_CALLER_H */
