/*-------------------------------------------------------------------------
 *
 * password.c
 *	  Passwords of the store's users: verifiers, by PostgreSQL's own code.
 *
 * A password becomes a SCRAM-SHA-256 verifier in the process that it was given
 * to, and only the verifier goes to the log and into the store.  Deriving it, as
 * checking a password, takes some thousand rounds of hashing on purpose; that is done here, in the
 * process of whoever asks, never in the raft worker.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/password.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "libpq/crypt.h"
#include "libpq/scram.h"
#include "utils/memutils.h"

#include "store/password.h"

char *
password_verifier(const char *password)
{
	switch (get_password_type(password))
	{
		case PASSWORD_TYPE_SCRAM_SHA_256:
			return pstrdup(password);
		case PASSWORD_TYPE_MD5:
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("password must not be an MD5 hash"),
					 errhint("Give the password, or its SCRAM-SHA-256 verifier.")));
			break;
		case PASSWORD_TYPE_PLAINTEXT:
			break;
	}
	if (password[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("password must not be empty")));
	if (strlen(password) > PASSWORD_MAX_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("password must not be longer than %d bytes", PASSWORD_MAX_BYTES)));
	return pg_be_scram_build_secret(password);
}

char *
password_verifier_of_text(const char *password)
{
	Assert(strlen(password) <= PASSWORD_MAX_BYTES);
	return pg_be_scram_build_secret(password);
}

/* A verifier that no password is known for, to take the same time where there is no
 * user; made once in a process */
static const char *
nobodys_verifier(void)
{
	static char *verifier = NULL;

	if (verifier == NULL)
	{
		char		random[33];
		int			i;

		if (!pg_strong_random(random, sizeof(random)))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not generate a random password")));
		for (i = 0; i < (int) sizeof(random) - 1; i++)
			random[i] = 'a' + (uint8) random[i] % 26;
		random[sizeof(random) - 1] = '\0';
		verifier = MemoryContextStrdup(TopMemoryContext, pg_be_scram_build_secret(random));
	}
	return verifier;
}

StoreError
password_authenticate(Relation store, const char *user, const char *password,
					  uint64 *auth_revision, const char **fitting)
{
	Authpb__User *found;
	const char *verifier = NULL;

	if (!store_auth_enabled(store, auth_revision))
		return STORE_AUTH_NOT_ENABLED;
	found = store_find_user(store, user, auth_revision);
	if (found != NULL && found->password.len > 0)
		verifier = pnstrdup((char *) found->password.data, found->password.len);

	if (!scram_verify_plain_password(user, password,
									 verifier != NULL ? verifier : nobodys_verifier()) ||
		verifier == NULL)
		return STORE_AUTH_FAILED;
	if (fitting != NULL)
		*fitting = verifier;
	return STORE_OK;
}
