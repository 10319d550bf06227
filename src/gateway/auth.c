/*-------------------------------------------------------------------------
 *
 * auth.c
 *	  The Auth service: users, roles, permissions.
 *
 * What a change of users and roles means, and who may make one, the state machine decides when
 * it applies the command.  Here it is looked at who asks only before a password is hashed for it.
 *
 * A password never goes further than this process.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/auth.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "gateway/authenticate.h"
#include "gateway/caller.h"
#include "gateway/errors.h"
#include "gateway/header.h"
#include "gateway/request.h"
#include "store/password.h"
#include "store/store.h"

/* ----------------------------------------------------------------
 *	Changes
 * ----------------------------------------------------------------
 */

/* Propose a request as it is */
static void
change(Call *call, const ProtobufCMessage *message, Quorum__Command__OpCase op_case)
{
	Quorum__Command command = QUORUM__COMMAND__INIT;

	command.op_case = op_case;
	/* all members of the union are pointers to messages of requests */
	command.put = (Etcdserverpb__PutRequest *) message;
	request_change(call, &command);
}

#define CHANGE(name, op) \
static void \
name(Call *call, const ProtobufCMessage *message) \
{ \
	change(call, message, QUORUM__COMMAND__OP_##op); \
}

CHANGE(auth_enable, AUTH_ENABLE)
CHANGE(auth_disable, AUTH_DISABLE)
CHANGE(user_delete, AUTH_USER_DELETE)
CHANGE(user_grant_role, AUTH_USER_GRANT_ROLE)
CHANGE(user_revoke_role, AUTH_USER_REVOKE_ROLE)
CHANGE(role_add, AUTH_ROLE_ADD)
CHANGE(role_delete, AUTH_ROLE_DELETE)
CHANGE(role_grant_permission, AUTH_ROLE_GRANT_PERMISSION)
CHANGE(role_revoke_permission, AUTH_ROLE_REVOKE_PERMISSION)

/* ----------------------------------------------------------------
 *	Changes with a password
 * ----------------------------------------------------------------
 */

/* The job: hash, then propose */
static void
run_user_add(Call *call)
{
	HashJob    *job = call->state;
	Quorum__Command command = QUORUM__COMMAND__INIT;
	Etcdserverpb__AuthUserAddRequest request = ETCDSERVERPB__AUTH_USER_ADD_REQUEST__INIT;

	request.name = job->name;
	request.hashedpassword = password_verifier_of_text(job->password);
	command.op_case = QUORUM__COMMAND__OP_AUTH_USER_ADD;
	command.auth_user_add = &request;
	request_change(call, &command);
}

static void
run_user_change_password(Call *call)
{
	HashJob    *job = call->state;
	Quorum__Command command = QUORUM__COMMAND__INIT;
	Etcdserverpb__AuthUserChangePasswordRequest request =
		ETCDSERVERPB__AUTH_USER_CHANGE_PASSWORD_REQUEST__INIT;

	request.name = job->name;
	request.hashedpassword = password_verifier_of_text(job->password);
	command.op_case = QUORUM__COMMAND__OP_AUTH_USER_CHANGE_PASSWORD;
	command.auth_user_change_password = &request;
	request_change(call, &command);
}

/* Have the password hashed for who may ask for it */
static void
queue_password(Call *call, const char *name, const char *password, void (*run) (Call *call))
{
	StoreError	error = caller_require_admin(call);

	if (error == STORE_OK && hash_job_new(call, name, password)->password == NULL)
		error = STORE_REQUEST_TOO_LARGE;
	if (error != STORE_OK)
		errors_finish(call, error);
	else
		hash_job_queue(call, run);
}

static void
user_add(Call *call, const ProtobufCMessage *message)
{
	const Etcdserverpb__AuthUserAddRequest *request =
		(const Etcdserverpb__AuthUserAddRequest *) message;
	Quorum__Command command = QUORUM__COMMAND__INIT;
	Etcdserverpb__AuthUserAddRequest plain = ETCDSERVERPB__AUTH_USER_ADD_REQUEST__INIT;

	if (request->options == NULL || !request->options->no_password)
	{
		queue_password(call, request->name, request->password, run_user_add);
		return;
	}
	(void) hash_job_new(call, request->name, "");
	plain.name = request->name;
	plain.options = request->options;
	command.op_case = QUORUM__COMMAND__OP_AUTH_USER_ADD;
	command.auth_user_add = &plain;
	request_change(call, &command);
}

static void
user_change_password(Call *call, const ProtobufCMessage *message)
{
	const Etcdserverpb__AuthUserChangePasswordRequest *request =
		(const Etcdserverpb__AuthUserChangePasswordRequest *) message;

	queue_password(call, request->name, request->password, run_user_change_password);
}

/* ----------------------------------------------------------------
 *	Questions
 * ----------------------------------------------------------------
 *
 * Answered behind a barrier, from the store of this member.
 */

/* A call whose question is a name */
typedef struct NameQuestion
{
	Request		request;
	char	   *name;
} NameQuestion;

static void
ask(Call *call, const char *name, void (*then) (Call *call))
{
	NameQuestion *question = request_new(call, sizeof(NameQuestion));

	question->name = MemoryContextStrdup(call->context, name);
	request_barrier(call, then);
}

static const char *
name_asked(const Call *call)
{
	return ((const NameQuestion *) call->state)->name;
}

static void
answer_status(Call *call)
{
	Etcdserverpb__AuthStatusResponse response = ETCDSERVERPB__AUTH_STATUS_RESPONSE__INIT;
	Etcdserverpb__ResponseHeader header;

	response.enabled = store_auth_enabled(call_store(), &response.authrevision);
	header_fill(&header, header_revision());
	response.header = &header;
	call_reply(call, &response.base);
}

static void
auth_status(Call *call, const ProtobufCMessage *message)
{
	ask(call, "", answer_status);
}

/* What the store says of a user; the name, NUL-terminated, as users call themselves */
static Authpb__User *
find_user(const char *name)
{
	uint64		auth_revision;

	return store_find_user(call_store(), name, &auth_revision);
}

/* Who is not root may ask about itself; so nobody is told that there is no user without a name */
static void
answer_user_get(Call *call)
{
	Etcdserverpb__AuthUserGetResponse response = ETCDSERVERPB__AUTH_USER_GET_RESPONSE__INIT;
	Etcdserverpb__ResponseHeader header;
	const char *name = name_asked(call);
	StoreCaller caller;
	Authpb__User *user;
	StoreError	error = caller_of_call(call, &caller);

	if (error == STORE_OK)
	{
		error = store_check_admin(call_store(), &caller);
		if ((error == STORE_PERMISSION_DENIED || error == STORE_USER_EMPTY) &&
			strcmp(name, caller.user) == 0)
			error = STORE_OK;
	}
	user = error == STORE_OK ? find_user(name) : NULL;
	if (error == STORE_OK && user == NULL)
		error = STORE_USER_NOT_FOUND;
	if (error != STORE_OK)
	{
		errors_finish(call, error);
		return;
	}
	response.n_roles = user->n_roles;
	response.roles = user->roles;
	header_fill(&header, header_revision());
	response.header = &header;
	call_reply(call, &response.base);
}

static void
user_get(Call *call, const ProtobufCMessage *message)
{
	ask(call, ((const Etcdserverpb__AuthUserGetRequest *) message)->name, answer_user_get);
}

static bool
has_role(const char *user_name, const char *role)
{
	Authpb__User *user = find_user(user_name);
	size_t		i;

	for (i = 0; user != NULL && i < user->n_roles; i++)
	{
		if (strcmp(user->roles[i], role) == 0)
			return true;
	}
	return false;
}

static Authpb__Role *
find_role(const StoreAuthList *list, const char *name)
{
	ListCell   *lc;

	foreach(lc, list->roles)
	{
		Authpb__Role *role = lfirst(lc);

		if (role->name.len == strlen(name) && memcmp(role->name.data, name, role->name.len) == 0)
			return role;
	}
	return NULL;
}

/* Who is not root may ask about the roles it has */
static void
answer_role_get(Call *call)
{
	Etcdserverpb__AuthRoleGetResponse response = ETCDSERVERPB__AUTH_ROLE_GET_RESPONSE__INIT;
	Etcdserverpb__ResponseHeader header;
	const char *name = name_asked(call);
	StoreCaller caller;
	StoreAuthList list;
	Authpb__Role *role = NULL;
	StoreError	error = caller_of_call(call, &caller);

	if (error == STORE_OK)
	{
		error = store_check_admin(call_store(), &caller);
		if (error == STORE_PERMISSION_DENIED && has_role(caller.user, name))
			error = STORE_OK;
	}
	if (error == STORE_OK)
		error = store_read_auth(call_store(), NULL, &list);
	if (error == STORE_OK)
	{
		role = find_role(&list, name);
		if (role == NULL)
			error = STORE_ROLE_NOT_FOUND;
	}
	if (error != STORE_OK)
	{
		errors_finish(call, error);
		return;
	}
	response.n_perm = role->n_keypermission;
	response.perm = role->keypermission;
	header_fill(&header, header_revision());
	response.header = &header;
	call_reply(call, &response.base);
}

static void
role_get(Call *call, const ProtobufCMessage *message)
{
	ask(call, ((const Etcdserverpb__AuthRoleGetRequest *) message)->role, answer_role_get);
}

/* Everybody's name, for root */
static StoreError
read_list(Call *call, StoreAuthList *list)
{
	StoreError	error = caller_require_admin(call);

	return error != STORE_OK ? error : store_read_auth(call_store(), NULL, list);
}

static void
answer_user_list(Call *call)
{
	Etcdserverpb__AuthUserListResponse response = ETCDSERVERPB__AUTH_USER_LIST_RESPONSE__INIT;
	Etcdserverpb__ResponseHeader header;
	StoreAuthList list;
	ListCell   *lc;
	StoreError	error = read_list(call, &list);

	if (error != STORE_OK)
	{
		errors_finish(call, error);
		return;
	}
	response.users = palloc((list_length(list.users) + 1) * sizeof(char *));
	foreach(lc, list.users)
	{
		const Authpb__User *user = lfirst(lc);

		response.users[response.n_users++] = pnstrdup((char *) user->name.data, user->name.len);
	}
	header_fill(&header, header_revision());
	response.header = &header;
	call_reply(call, &response.base);
}

static void
user_list(Call *call, const ProtobufCMessage *message)
{
	ask(call, "", answer_user_list);
}

static void
answer_role_list(Call *call)
{
	Etcdserverpb__AuthRoleListResponse response = ETCDSERVERPB__AUTH_ROLE_LIST_RESPONSE__INIT;
	Etcdserverpb__ResponseHeader header;
	StoreAuthList list;
	ListCell   *lc;
	StoreError	error = read_list(call, &list);

	if (error != STORE_OK)
	{
		errors_finish(call, error);
		return;
	}
	response.roles = palloc((list_length(list.roles) + 1) * sizeof(char *));
	foreach(lc, list.roles)
	{
		const Authpb__Role *role = lfirst(lc);

		response.roles[response.n_roles++] = pnstrdup((char *) role->name.data, role->name.len);
	}
	header_fill(&header, header_revision());
	response.header = &header;
	call_reply(call, &response.base);
}

static void
role_list(Call *call, const ProtobufCMessage *message)
{
	ask(call, "", answer_role_list);
}

/* ----------------------------------------------------------------
 *	The service
 * ----------------------------------------------------------------
 */

#define AUTH_METHOD(name, json_path, message_name, function, ended_function) \
	{ \
		.path = "/etcdserverpb.Auth/" name, \
		.json_paths = {"/auth/" json_path}, \
		.request = &etcdserverpb__##message_name##_request__descriptor, \
		.response = &etcdserverpb__##message_name##_response__descriptor, \
		.message = function, \
		.ended = ended_function \
	}
#define PLAIN_METHOD(name, json_path, message_name, function) \
	AUTH_METHOD(name, json_path, message_name, function, request_ended)
#define HASH_METHOD(name, json_path, message_name, function) \
	AUTH_METHOD(name, json_path, message_name, function, hash_job_ended)

const Method auth_methods[] = {
	PLAIN_METHOD("AuthEnable", "enable", auth_enable, auth_enable),
	PLAIN_METHOD("AuthDisable", "disable", auth_disable, auth_disable),
	PLAIN_METHOD("AuthStatus", "status", auth_status, auth_status),
	HASH_METHOD("Authenticate", "authenticate", authenticate, authenticate_message),
	HASH_METHOD("UserAdd", "user/add", auth_user_add, user_add),
	PLAIN_METHOD("UserGet", "user/get", auth_user_get, user_get),
	PLAIN_METHOD("UserList", "user/list", auth_user_list, user_list),
	PLAIN_METHOD("UserDelete", "user/delete", auth_user_delete, user_delete),
	HASH_METHOD("UserChangePassword", "user/changepw", auth_user_change_password,
				user_change_password),
	PLAIN_METHOD("UserGrantRole", "user/grant", auth_user_grant_role, user_grant_role),
	PLAIN_METHOD("UserRevokeRole", "user/revoke", auth_user_revoke_role, user_revoke_role),
	PLAIN_METHOD("RoleAdd", "role/add", auth_role_add, role_add),
	PLAIN_METHOD("RoleGet", "role/get", auth_role_get, role_get),
	PLAIN_METHOD("RoleList", "role/list", auth_role_list, role_list),
	PLAIN_METHOD("RoleDelete", "role/delete", auth_role_delete, role_delete),
	PLAIN_METHOD("RoleGrantPermission", "role/grant", auth_role_grant_permission,
				 role_grant_permission),
	PLAIN_METHOD("RoleRevokePermission", "role/revoke", auth_role_revoke_permission,
				 role_revoke_permission),
	{.path = NULL}
};
