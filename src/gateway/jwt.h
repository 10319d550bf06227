/*-------------------------------------------------------------------------
 *
 * jwt.h
 *	  JSON web tokens.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/jwt.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_GATEWAY_JWT_H
#define PGQ_GATEWAY_JWT_H

#include "datatype/timestamp.h"

#include "gateway/token_setting.h"

typedef struct JwtClaims
{
	char	   *username;		/* palloc'd */
	uint64		revision;
	TimestampTz expires;
} JwtClaims;

/* Read the keys.  NULL, or what is wrong, palloc'd; then no token is made or good */
extern const char *jwt_load(const TokenSetting *setting);

/* Is it a token of ours, and still good?  The claims are in the current memory context */
extern bool jwt_verify(const char *token, TimestampTz now, JwtClaims *claims);

/* palloc'd; NULL where there is no key to sign with */
extern char *jwt_sign(const char *username, uint64 revision, TimestampTz now);

#endif							/* PGQ_GATEWAY_JWT_H */
