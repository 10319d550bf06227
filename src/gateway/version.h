/*-------------------------------------------------------------------------
 *
 * version.h
 *	  The version of etcd that the gateway speaks like.
 *
 * Clients choose by it what they ask for, so it is the version whose behaviour is matched
 * and has the plain form of three numbers.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/version.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_GATEWAY_VERSION_H
#define PGQ_GATEWAY_VERSION_H

#define GATEWAY_VERSION			"3.7.0"

#endif							/* PGQ_GATEWAY_VERSION_H */
