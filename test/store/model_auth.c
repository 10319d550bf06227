/*-------------------------------------------------------------------------
 *
 * model_auth.c
 *	  Users and roles in the model: what should come out.
 *
 * Written without a look at the state machine's way: no merged intervals, but key
 * by key.  Whether a whole range is permitted can change only where a permission
 * ends, so it is enough to ask about the first key and about the keys at which some
 * permission has just ended.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/store/model_auth.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "model_auth.h"
#include "store/pbmem.h"
#include "world.h"

ModelAuth *
model_auth_create(void)
{
	ModelAuth  *auth = palloc0(sizeof(ModelAuth));

	auth->revision = 1;
	return auth;
}

static int
find_name(char names[][16], int n, const char *name)
{
	int			i;

	for (i = 0; i < n; i++)
	{
		if (strcmp(names[i], name) == 0)
			return i;
	}
	return -1;
}

static int
find_pair(char pairs[][2][16], int n, const char *first, const char *second)
{
	int			i;

	for (i = 0; i < n; i++)
	{
		if (strcmp(pairs[i][0], first) == 0 &&
			(second == NULL || strcmp(pairs[i][1], second) == 0))
			return i;
	}
	return -1;
}

/* ----------------------------------------------------------------
 *	Permissions, key by key
 * ----------------------------------------------------------------
 */

static bool
same_bytes(ProtobufCBinaryData a, ProtobufCBinaryData b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static bool
permits_key(ModelAuth *auth, const char *user, bool write, const char *key, size_t len)
{
	int			i;

	for (i = 0; i < auth->npermissions; i++)
	{
		ModelPermission *p = &auth->permissions[i];

		if (p->type == (write ? AUTHPB__PERMISSION__TYPE__READ :
						AUTHPB__PERMISSION__TYPE__WRITE))
			continue;
		if (find_pair(auth->granted, auth->ngranted, user, p->role) < 0)
			continue;
		if (model_in_range(key, len, p->key, p->end))
			return true;
	}
	return false;
}

/* A user by name, or the user of a role; NULL if there is none */
static const char *
who_is(ModelAuth *auth, const char *user, const char *role)
{
	int			mapped;
	int			found;

	if (user != NULL && user[0] != '\0')
		found = find_name(auth->users, auth->nusers, user);
	else if (role == NULL || role[0] == '\0')
		return NULL;
	else
	{
		mapped = find_pair(auth->map, auth->nmap, role, NULL);
		found = find_name(auth->users, auth->nusers, mapped >= 0 ? auth->map[mapped][1] : role);
	}
	return found >= 0 ? auth->users[found] : NULL;
}

bool
model_auth_is_root(Model *model, const char *user, const char *role)
{
	const char *name = who_is(model->auth, user, role);

	return name != NULL &&
		find_pair(model->auth->granted, model->auth->ngranted, name, "root") >= 0;
}

static bool
permits(Model *model, const char *user, bool write, ProtobufCBinaryData key,
		ProtobufCBinaryData end)
{
	ModelAuth  *auth = model->auth;
	int			i;

	if (key.len == 0)
	{
		key.data = (uint8 *) "";
		key.len = 1;
	}
	if (!permits_key(auth, user, write, (char *) key.data, key.len))
		return false;
	for (i = 0; i < auth->npermissions; i++)
	{
		ModelPermission *p = &auth->permissions[i];
		char	   *at = palloc0(p->key.len + p->end.len + 1);
		size_t		len;

		/* where it ends: at its end, or right behind its only key */
		if (p->end.len > 0)
			memcpy(at, p->end.data, len = p->end.len);
		else
		{
			memcpy(at, p->key.data, p->key.len);
			len = p->key.len + 1;
		}
		if (end.len > 0 && model_in_range(at, len, key, end) &&
			!permits_key(auth, user, write, at, len))
			return false;
	}
	return true;
}

StoreError
model_auth_check(Model *model, const char *user, const char *role, uint64 auth_revision,
				 bool write, ProtobufCBinaryData key, ProtobufCBinaryData end)
{
	const char *name;

	if (!model->auth->enabled)
		return STORE_OK;
	if (auth_revision != 0 && auth_revision < model->auth->revision)
		return STORE_AUTH_OLD_REVISION;
	name = who_is(model->auth, user, role);
	if (name == NULL)
		return user != NULL && user[0] != '\0' ? STORE_PERMISSION_DENIED : STORE_USER_EMPTY;
	if (model_auth_is_root(model, name, NULL))
		return STORE_OK;
	return permits(model, name, write, key, end) ? STORE_OK : STORE_PERMISSION_DENIED;
}

static bool
permits_lease(Model *model, const char *user, int64 lease)
{
	ProtobufCBinaryData none = {0, NULL};
	ModelChange **list;
	int			n;
	int			i;

	if (lease == 0)
		return true;
	list = model_lease_keys(model, lease, model->revision, &n);
	for (i = 0; i < n; i++)
	{
		ModelKey   *key = &model->keys[list[i]->key];
		ProtobufCBinaryData bytes = {key->len, (uint8 *) key->data};

		if (!permits(model, user, true, bytes, none))
			return false;
	}
	return true;
}

static bool
permits_put(Model *model, const char *user, const Etcdserverpb__PutRequest *put)
{
	ProtobufCBinaryData none = {0, NULL};

	if (!permits(model, user, true, put->key, none))
		return false;
	if (put->prev_kv && !permits(model, user, false, put->key, none))
		return false;
	return put->ignore_lease || permits_lease(model, user, put->lease);
}

static bool
permits_txn(Model *model, const char *user, const Etcdserverpb__TxnRequest *txn)
{
	size_t		i;

	for (i = 0; i < txn->n_compare; i++)
	{
		if (!permits(model, user, false, txn->compare[i]->key, txn->compare[i]->range_end))
			return false;
	}
	for (i = 0; i < txn->n_success + txn->n_failure; i++)
	{
		Etcdserverpb__RequestOp *op = i < txn->n_success ? txn->success[i] :
			txn->failure[i - txn->n_success];
		bool		good = false;

		if (op->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE)
			good = permits(model, user, false, op->request_range->key,
						   op->request_range->range_end);
		else if (op->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT)
			good = permits_put(model, user, op->request_put);
		else if (op->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE)
			good = permits(model, user, true, op->request_delete_range->key,
						   op->request_delete_range->range_end) &&
				(!op->request_delete_range->prev_kv ||
				 permits(model, user, false, op->request_delete_range->key,
						 op->request_delete_range->range_end));
		else if (op->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN)
			good = permits_txn(model, user, op->request_txn);
		if (!good)
			return false;
	}
	return true;
}

/*
 * What a command is refused with for want of permission.  What is wrong with the
 * request itself counts before.
 */
StoreError
model_auth_permit(Model *model, const Quorum__Command *command)
{
	ModelAuth  *auth = model->auth;
	ProtobufCBinaryData none = {0, NULL};
	ProtobufCBinaryData end;
	const char *name;
	bool		good = false;

	if (!auth->enabled || command->internal || store_validate(command, 0, 0) != STORE_OK)
		return STORE_OK;
	if (command->user[0] != '\0' && command->auth_revision != 0 &&
		command->auth_revision < auth->revision)
		return STORE_AUTH_OLD_REVISION;
	name = who_is(auth, command->user, command->role);
	if (name == NULL)
		return command->user[0] != '\0' ? STORE_PERMISSION_DENIED : STORE_USER_EMPTY;
	if (model_auth_is_root(model, name, NULL))
		return STORE_OK;

	switch ((int) command->op_case)
	{
		case QUORUM__COMMAND__OP_PUT:
			good = permits_put(model, name, command->put);
			break;
		case QUORUM__COMMAND__OP_DELETE_RANGE:
			good = permits(model, name, true, command->delete_range->key,
						   command->delete_range->range_end) &&
				(!command->delete_range->prev_kv ||
				 permits(model, name, false, command->delete_range->key,
						 command->delete_range->range_end));
			break;
		case QUORUM__COMMAND__OP_TXN:
			good = permits_txn(model, name, command->txn);
			break;
		case QUORUM__COMMAND__OP_LEASE_GRANT:
			good = true;
			break;
		case QUORUM__COMMAND__OP_LEASE_REVOKE:
			good = permits_lease(model, name, command->lease_revoke->id);
			break;
		case QUORUM__COMMAND__OP_INCREMENT:
			good = permits(model, name, false, command->increment->key, none) &&
				permits(model, name, true, command->increment->key, none);
			break;
		case QUORUM__COMMAND__OP_PUT_SEQUENTIAL:
			{
				uint32		len;

				end.data = (uint8 *) store_prefix_end((char *) command->put_sequential->prefix.data,
													  command->put_sequential->prefix.len, &len);
				end.len = len;
				good = permits(model, name, false, command->put_sequential->prefix, end) &&
					permits(model, name, true, command->put_sequential->prefix, end) &&
					permits_lease(model, name, command->put_sequential->lease);
				break;
			}
		case QUORUM__COMMAND__OP_ALARM:
			good = command->alarm->action == ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__GET;
			break;
	}
	return good ? STORE_OK : STORE_PERMISSION_DENIED;
}

/* ----------------------------------------------------------------
 *	Commands
 * ----------------------------------------------------------------
 */

#define REMOVE_AT(array, n, at) \
	memmove(&(array)[at], &(array)[(at) + 1], (--(n) - (at)) * sizeof((array)[0]))

static StoreError
add_user(ModelAuth *auth, const Etcdserverpb__AuthUserAddRequest *request)
{
	if (find_name(auth->users, auth->nusers, request->name) >= 0)
		return STORE_USER_EXISTS;
	strlcpy(auth->users[auth->nusers], request->name, 16);
	auth->no_password[auth->nusers] = request->options != NULL && request->options->no_password;
	strlcpy(auth->passwords[auth->nusers],
			auth->no_password[auth->nusers] ? "" : request->hashedpassword, 16);
	auth->nusers++;
	auth->revision++;
	return STORE_OK;
}

static StoreError
delete_user(ModelAuth *auth, const char *name)
{
	int			at = find_name(auth->users, auth->nusers, name);
	int			i;

	if (auth->enabled && strcmp(name, "root") == 0)
		return STORE_INVALID_AUTH_MANAGEMENT;
	if (at < 0)
		return STORE_USER_NOT_FOUND;
	memmove(&auth->passwords[at], &auth->passwords[at + 1],
			(auth->nusers - at - 1) * sizeof(auth->passwords[0]));
	memmove(&auth->no_password[at], &auth->no_password[at + 1],
			(auth->nusers - at - 1) * sizeof(bool));
	REMOVE_AT(auth->users, auth->nusers, at);
	for (i = auth->ngranted - 1; i >= 0; i--)
		if (strcmp(auth->granted[i][0], name) == 0)
			REMOVE_AT(auth->granted, auth->ngranted, i);
	for (i = auth->nmap - 1; i >= 0; i--)
		if (strcmp(auth->map[i][1], name) == 0)
			REMOVE_AT(auth->map, auth->nmap, i);
	auth->revision++;
	return STORE_OK;
}

static StoreError
grant_role(ModelAuth *auth, const char *user, const char *role)
{
	if (find_name(auth->users, auth->nusers, user) < 0)
		return STORE_USER_NOT_FOUND;
	if (strcmp(role, "root") != 0 && find_name(auth->roles, auth->nroles, role) < 0)
		return STORE_ROLE_NOT_FOUND;
	if (find_pair(auth->granted, auth->ngranted, user, role) < 0)
	{
		strlcpy(auth->granted[auth->ngranted][0], user, 16);
		strlcpy(auth->granted[auth->ngranted++][1], role, 16);
		auth->revision++;
	}
	return STORE_OK;
}

static StoreError
revoke_role(ModelAuth *auth, const char *user, const char *role)
{
	int			at = find_pair(auth->granted, auth->ngranted, user, role);

	if (auth->enabled && strcmp(user, "root") == 0 && strcmp(role, "root") == 0)
		return STORE_INVALID_AUTH_MANAGEMENT;
	if (find_name(auth->users, auth->nusers, user) < 0)
		return STORE_USER_NOT_FOUND;
	if (at < 0)
		return STORE_ROLE_NOT_GRANTED;
	REMOVE_AT(auth->granted, auth->ngranted, at);
	auth->revision++;
	return STORE_OK;
}

static StoreError
delete_role(ModelAuth *auth, const char *role)
{
	int			at = find_name(auth->roles, auth->nroles, role);
	int			i;

	if (auth->enabled && strcmp(role, "root") == 0)
		return STORE_INVALID_AUTH_MANAGEMENT;
	if (at < 0)
		return STORE_ROLE_NOT_FOUND;
	REMOVE_AT(auth->roles, auth->nroles, at);
	for (i = auth->ngranted - 1; i >= 0; i--)
		if (strcmp(auth->granted[i][1], role) == 0)
			REMOVE_AT(auth->granted, auth->ngranted, i);
	for (i = auth->npermissions - 1; i >= 0; i--)
		if (strcmp(auth->permissions[i].role, role) == 0)
			REMOVE_AT(auth->permissions, auth->npermissions, i);
	auth->revision++;
	return STORE_OK;
}

static int
find_permission(ModelAuth *auth, const char *role, ProtobufCBinaryData key,
				ProtobufCBinaryData end)
{
	int			i;

	for (i = 0; i < auth->npermissions; i++)
	{
		ModelPermission *p = &auth->permissions[i];

		if (strcmp(p->role, role) == 0 && same_bytes(p->key, key) && same_bytes(p->end, end))
			return i;
	}
	return -1;
}

static ProtobufCBinaryData
keep_bytes(Model *model, ProtobufCBinaryData bytes)
{
	ProtobufCBinaryData copy = {bytes.len, MemoryContextAlloc(model->context, bytes.len + 1)};

	if (bytes.len > 0)
		memcpy(copy.data, bytes.data, bytes.len);
	return copy;
}

static StoreError
grant_permission(Model *model, const Etcdserverpb__AuthRoleGrantPermissionRequest *request)
{
	ModelAuth  *auth = model->auth;
	int			at;

	if (find_name(auth->roles, auth->nroles, request->name) < 0)
		return STORE_ROLE_NOT_FOUND;
	at = find_permission(auth, request->name, request->perm->key, request->perm->range_end);
	if (at >= 0 && auth->permissions[at].type == (int) request->perm->permtype)
		return STORE_OK;
	if (at < 0)
	{
		size_t		bytes = request->perm->key.len + request->perm->range_end.len;
		int			i;

		for (i = 0; i < auth->npermissions; i++)
			if (strcmp(auth->permissions[i].role, request->name) == 0)
				bytes += auth->permissions[i].key.len + auth->permissions[i].end.len;
		if (bytes > 16 * 1024 * 1024)
			return STORE_REQUEST_TOO_LARGE;
		at = auth->npermissions++;
		strlcpy(auth->permissions[at].role, request->name, 16);
		auth->permissions[at].key = keep_bytes(model, request->perm->key);
		auth->permissions[at].end = keep_bytes(model, request->perm->range_end);
	}
	auth->permissions[at].type = request->perm->permtype;
	auth->revision++;
	return STORE_OK;
}

static StoreError
revoke_permission(ModelAuth *auth, const Etcdserverpb__AuthRoleRevokePermissionRequest *request)
{
	int			at = find_permission(auth, request->role, request->key, request->range_end);

	if (find_name(auth->roles, auth->nroles, request->role) < 0)
		return STORE_ROLE_NOT_FOUND;
	if (at < 0)
		return STORE_PERMISSION_NOT_GRANTED;
	REMOVE_AT(auth->permissions, auth->npermissions, at);
	auth->revision++;
	return STORE_OK;
}

static StoreError
map_role(ModelAuth *auth, const char *role, const char *user)
{
	int			at = find_pair(auth->map, auth->nmap, role, NULL);

	if (user[0] == '\0')
	{
		if (at >= 0)
		{
			REMOVE_AT(auth->map, auth->nmap, at);
			auth->revision++;
		}
		return STORE_OK;
	}
	if (find_name(auth->users, auth->nusers, user) < 0)
		return STORE_USER_NOT_FOUND;
	if (at >= 0 && strcmp(auth->map[at][1], user) == 0)
		return STORE_OK;
	if (at < 0)
		at = auth->nmap++;
	strlcpy(auth->map[at][0], role, 16);
	strlcpy(auth->map[at][1], user, 16);
	auth->revision++;
	return STORE_OK;
}

/* Is there any user, role or entry of the map? */
bool
model_auth_any(Model *model)
{
	return model->auth->nusers + model->auth->nroles + model->auth->nmap > 0;
}

static void
put_user(Model *model, const Quorum__CopyAuth *item)
{
	ModelAuth  *auth = model->auth;
	Authpb__User *user = (Authpb__User *)
		pb_unpack(&authpb__user__descriptor, item->value.data, item->value.len);
	size_t		i;

	strlcpy(auth->users[auth->nusers], pnstrdup((char *) item->name.data, item->name.len), 16);
	strlcpy(auth->passwords[auth->nusers],
			pnstrdup((char *) user->password.data, user->password.len), 16);
	auth->no_password[auth->nusers] = user->options != NULL && user->options->no_password;
	for (i = 0; i < user->n_roles; i++)
	{
		strlcpy(auth->granted[auth->ngranted][0], auth->users[auth->nusers], 16);
		strlcpy(auth->granted[auth->ngranted++][1], user->roles[i], 16);
	}
	auth->nusers++;
}

static void
put_role(Model *model, const Quorum__CopyAuth *item)
{
	ModelAuth  *auth = model->auth;
	Authpb__Role *role = (Authpb__Role *)
		pb_unpack(&authpb__role__descriptor, item->value.data, item->value.len);
	size_t		i;

	strlcpy(auth->roles[auth->nroles], pnstrdup((char *) item->name.data, item->name.len), 16);
	for (i = 0; i < role->n_keypermission; i++)
	{
		ModelPermission *p = &auth->permissions[auth->npermissions++];

		strlcpy(p->role, auth->roles[auth->nroles], 16);
		p->type = role->keypermission[i]->permtype;
		p->key = keep_bytes(model, role->keypermission[i]->key);
		p->end = keep_bytes(model, role->keypermission[i]->range_end);
	}
	auth->nroles++;
}

/* An import takes the place of all there was */
void
model_auth_import(Model *model, Quorum__CopyChunk *const *chunks, int nchunks)
{
	ModelAuth  *auth = model->auth;
	bool		enabled = chunks[0]->header->auth_enabled;
	bool		revised = model_auth_any(model) || auth->enabled != enabled;
	size_t		j;
	int			i;

	auth->nusers = auth->nroles = auth->nmap = auth->ngranted = auth->npermissions = 0;
	for (i = 0; i < nchunks; i++)
	{
		for (j = 0; j < chunks[i]->n_auth; j++)
		{
			const Quorum__CopyAuth *item = chunks[i]->auth[j];

			if (item->kind == QUORUM__COPY_AUTH__KIND__USER)
				put_user(model, item);
			else if (item->kind == QUORUM__COPY_AUTH__KIND__ROLE)
				put_role(model, item);
			else
			{
				strlcpy(auth->map[auth->nmap][0],
						pnstrdup((char *) item->name.data, item->name.len), 16);
				strlcpy(auth->map[auth->nmap++][1],
						pnstrdup((char *) item->value.data, item->value.len), 16);
			}
		}
	}
	auth->enabled = enabled && model_auth_is_root(model, "root", NULL);
	auth->revision += revised || model_auth_any(model);
}

/* Carry out a permitted command about users and roles */
StoreError
model_auth_apply(Model *model, const Quorum__Command *command)
{
	ModelAuth  *auth = model->auth;
	StoreError	error = store_validate(command, 0, 0);
	int			at;

	/* the checks without state are looked at by directed tests */
	if (error != STORE_OK)
		return error;
	if (auth->nusers == MODEL_AUTH_NAMES || auth->nroles == MODEL_AUTH_NAMES ||
		auth->nmap == MODEL_AUTH_NAMES || auth->ngranted == MODEL_AUTH_RANGES ||
		auth->npermissions == MODEL_AUTH_RANGES)
		fail(NULL, "more users and roles than the model has room for");

	switch ((int) command->op_case)
	{
		case QUORUM__COMMAND__OP_AUTH_ENABLE:
			if (auth->enabled)
				return STORE_OK;
			if (find_name(auth->users, auth->nusers, "root") < 0)
				return STORE_ROOT_USER_NOT_FOUND;
			if (find_pair(auth->granted, auth->ngranted, "root", "root") < 0)
				return STORE_ROOT_ROLE_NOT_GRANTED;
			auth->enabled = true;
			return STORE_OK;
		case QUORUM__COMMAND__OP_AUTH_DISABLE:
			auth->revision += auth->enabled;
			auth->enabled = false;
			return STORE_OK;
		case QUORUM__COMMAND__OP_AUTH_USER_ADD:
			return add_user(auth, command->auth_user_add);
		case QUORUM__COMMAND__OP_AUTH_USER_DELETE:
			return delete_user(auth, command->auth_user_delete->name);
		case QUORUM__COMMAND__OP_AUTH_USER_CHANGE_PASSWORD:
			at = find_name(auth->users, auth->nusers, command->auth_user_change_password->name);
			if (at < 0)
				return STORE_USER_NOT_FOUND;
			if (!auth->no_password[at])
				strlcpy(auth->passwords[at],
						command->auth_user_change_password->hashedpassword, 16);
			auth->revision++;
			return STORE_OK;
		case QUORUM__COMMAND__OP_AUTH_USER_GRANT_ROLE:
			return grant_role(auth, command->auth_user_grant_role->user,
							  command->auth_user_grant_role->role);
		case QUORUM__COMMAND__OP_AUTH_USER_REVOKE_ROLE:
			return revoke_role(auth, command->auth_user_revoke_role->name,
							   command->auth_user_revoke_role->role);
		case QUORUM__COMMAND__OP_AUTH_ROLE_ADD:
			if (find_name(auth->roles, auth->nroles, command->auth_role_add->name) >= 0)
				return STORE_ROLE_EXISTS;
			strlcpy(auth->roles[auth->nroles++], command->auth_role_add->name, 16);
			auth->revision++;
			return STORE_OK;
		case QUORUM__COMMAND__OP_AUTH_ROLE_DELETE:
			return delete_role(auth, command->auth_role_delete->role);
		case QUORUM__COMMAND__OP_AUTH_ROLE_GRANT_PERMISSION:
			return grant_permission(model, command->auth_role_grant_permission);
		case QUORUM__COMMAND__OP_AUTH_ROLE_REVOKE_PERMISSION:
			return revoke_permission(auth, command->auth_role_revoke_permission);
		case QUORUM__COMMAND__OP_USER_MAP:
			return map_role(auth, command->user_map->role_name, command->user_map->user_name);
		default:
			return STORE_INVALID_REQUEST;
	}
}
