/*-------------------------------------------------------------------------
 *
 * caller.c
 *	  On whose behalf a call is.
 *
 * A token beats a certificate, and a token that is not valid is an error even if there
 * is a certificate too.  The common name counts for gRPC only: etcd's
 * JSON gateway is a client of its own server and hides whoever is behind it, so that
 * clients of JSON have never been let in by a certificate alone.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/caller.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "gateway/caller.h"
#include "gateway/token.h"

/* etcd takes the token as it is; many clients of HTTP cannot but say what kind it is */
static const char *
without_scheme(const char *token)
{
	return pg_strncasecmp(token, "Bearer ", 7) == 0 ? token + 7 : token;
}

StoreError
caller_of_call(const Call *call, StoreCaller *caller)
{
	uint64		auth_revision;

	memset(caller, 0, sizeof(*caller));
	caller->user = "";
	if (likely(!store_auth_enabled(call_store(), &auth_revision)))
		return STORE_OK;

	if (call->token != NULL)
	{
		TokenBearer bearer;

		if (!token_check(call_store(), without_scheme(call->token), auth_revision, &bearer))
			return STORE_INVALID_AUTH_TOKEN;
		caller->user = bearer.user;
		caller->auth_revision = bearer.auth_revision;
	}
	else if (call->peer_user != NULL && !call->json)
	{
		caller->user = pstrdup(call->peer_user);
		caller->auth_revision = auth_revision;
	}
	return STORE_OK;
}

StoreError
caller_name_command(const Call *call, Quorum__Command *command)
{
	StoreCaller caller;
	StoreError	error = caller_of_call(call, &caller);

	if (error == STORE_OK)
	{
		command->user = unconstify(char *, caller.user);
		command->auth_revision = caller.auth_revision;
	}
	return error;
}

StoreError
caller_require_user(const Call *call)
{
	StoreCaller caller;
	StorePermissions *permissions;
	StoreError	error = caller_of_call(call, &caller);

	return error != STORE_OK ? error :
		store_permissions(call_store(), &caller, &permissions);
}

StoreError
caller_require_admin(const Call *call)
{
	StoreCaller caller;
	StoreError	error = caller_of_call(call, &caller);

	return error != STORE_OK ? error : store_check_admin(call_store(), &caller);
}
