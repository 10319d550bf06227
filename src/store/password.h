/*-------------------------------------------------------------------------
 *
 * password.h
 *	  Passwords of the store's users: verifiers, by PostgreSQL's own code.
 *
 * For all faces; never called in the raft worker.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/password.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_STORE_PASSWORD_H
#define PGQ_STORE_PASSWORD_H

#include "store/store.h"

/* PostgreSQL's clients take no longer ones */
#define PASSWORD_MAX_BYTES	1024

/*
 * The SCRAM-SHA-256 verifier of a password, palloc'd; a verifier is returned as
 * it is.  ERROR 22023 for an empty or a much too long password, and for an md5 hash.
 */
extern char *password_verifier(const char *password);

/* The same for text that is a password whatever it looks like, also the empty one; of
 * at most PASSWORD_MAX_BYTES */
extern char *password_verifier_of_text(const char *password);

/*
 * Is this the password of a user of the store?  STORE_OK with the auth revision
 * that a token is good for, STORE_AUTH_FAILED for a wrong password as for an unknown
 * user or one without a password, after the same time, STORE_AUTH_NOT_ENABLED.
 * Takes some milliseconds of computing; the password is not looked at by anybody
 * but PostgreSQL's SCRAM code.  verifier, if not NULL, gets what the password was found
 * to fit, palloc'd.
 */
extern StoreError password_authenticate(Relation store, const char *user,
										const char *password, uint64 *auth_revision,
										const char **verifier);

#endif							/* PGQ_STORE_PASSWORD_H */
