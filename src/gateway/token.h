/*-------------------------------------------------------------------------
 *
 * token.h
 *	  Tokens: how a client that has authenticated shows who it is.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/token.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_GATEWAY_TOKEN_H
#define PGQ_GATEWAY_TOKEN_H

#include "datatype/timestamp.h"
#include "utils/relcache.h"

/* A longer text is no token; a name of a user has at most 2 kB */
#define AUTH_TOKEN_MAX_BYTES		8192

typedef struct TokenBearer
{
	char	   *user;			/* in the current memory context */
	uint64		auth_revision;	/* what the request is good for: see StoreCaller */
} TokenBearer;

/*
 * Whose token is it?  False if it is nobody's, has run out, or is no token at all.
 * auth_revision is that of the store.  Raises only for damage of the store or want of memory.
 */
extern bool token_check(Relation store, const char *token, uint64 auth_revision,
						TokenBearer *bearer);

/*
 * A token for a user who has shown the password that this is the verifier of, palloc'd; NULL
 * where tokens are only checked.
 */
extern char *token_issue(const char *user, const char *verifier, size_t verifier_len,
						 uint64 auth_revision);

/* The settings, or files they name, may have changed */
extern void token_reload(void);

#endif							/* PGQ_GATEWAY_TOKEN_H */
