/*-------------------------------------------------------------------------
 *
 * token_setting.h
 *	  The setting pg_quorum.auth_token, taken apart.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/token_setting.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_GATEWAY_TOKEN_SETTING_H
#define PGQ_GATEWAY_TOKEN_SETTING_H

#define TOKEN_PATH_BYTES	1024

typedef enum JwtFamily
{
	JWT_HMAC,					/* HS */
	JWT_RSA,					/* RS */
	JWT_RSA_PSS,				/* PS */
	JWT_ECDSA,					/* ES */
	JWT_EDDSA
} JwtFamily;

/* A method of signing, as the standard names them */
typedef struct JwtMethod
{
	const char *name;			/* "RS256" */
	JwtFamily	family;
	const char *digest;			/* OpenSSL's name; NULL for EdDSA */
	int			key_bits;		/* of an elliptic curve, else 0 */
} JwtMethod;

typedef struct TokenSetting
{
	const JwtMethod *method;	/* NULL: simple tokens */
	char		public_key[TOKEN_PATH_BYTES];	/* files; empty: not given */
	char		private_key[TOKEN_PATH_BYTES];
	long		ttl;			/* of a JWT, in s */
} TokenSetting;

/*
 * "simple", or "jwt,sign-method=...,pub-key=...,priv-key=...,ttl=...".  NULL, and *setting is
 * filled; or what is wrong with the text.  Looks at no file.
 */
extern const char *token_setting_parse(const char *text, TokenSetting *setting);

#endif							/* PGQ_GATEWAY_TOKEN_SETTING_H */
