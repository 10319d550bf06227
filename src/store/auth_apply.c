/*-------------------------------------------------------------------------
 *
 * auth_apply.c
 *	  Commands about users and roles, and who may give which command.
 *
 * Every command passes auth_permit() when it is applied, wherever it comes
 * from; no face decides.  The decision depends on the log and the state alone, so
 * all members decide alike, also on the entry right behind the one that turned
 * authentication on.
 *
 * Rules, errors and the order of checks are etcd's (server/auth/store.go), with
 * two differences: a token's auth revision is looked at for commands
 * that need root too, and nested transactions were never exempt here.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/auth_apply.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "store/auth.h"
#include "store/pbmem.h"

/* ----------------------------------------------------------------
 *	Checks that need no state
 * ----------------------------------------------------------------
 */

/* Passwords never get into the log: a face makes a verifier of them. */
static StoreError
validate_password(const char *password, const char *verifier)
{
	if (password[0] != '\0' || strlen(verifier) > AUTH_MAX_VERIFIER_BYTES)
		return STORE_INVALID_REQUEST;
	return STORE_OK;
}

static StoreError
validate_permission(const Authpb__Permission *permission)
{
	if (permission == NULL)
		return STORE_PERMISSION_NOT_GIVEN;
	if (!permission_range_is_valid((const char *) permission->key.data, permission->key.len,
								   (const char *) permission->range_end.data,
								   permission->range_end.len))
		return STORE_INVALID_AUTH_MANAGEMENT;
	if (permission->permtype != AUTHPB__PERMISSION__TYPE__READ &&
		permission->permtype != AUTHPB__PERMISSION__TYPE__WRITE &&
		permission->permtype != AUTHPB__PERMISSION__TYPE__READWRITE)
		return STORE_INVALID_REQUEST;
	return STORE_OK;
}

static StoreError
validate_new_name(const char *name, StoreError if_empty)
{
	if (name[0] == '\0')
		return if_empty;
	return strlen(name) > AUTH_MAX_NAME_BYTES ? STORE_KEY_TOO_LARGE : STORE_OK;
}

/* auth_validate() -- store_validate() of the commands of this file */
StoreError
auth_validate(const Quorum__Command *command)
{
	StoreError	error;

	switch (command->op_case)
	{
		case QUORUM__COMMAND__OP_AUTH_USER_ADD:
			error = validate_new_name(command->auth_user_add->name, STORE_USER_EMPTY);
			if (error != STORE_OK)
				return error;
			return validate_password(command->auth_user_add->password,
									 command->auth_user_add->hashedpassword);
		case QUORUM__COMMAND__OP_AUTH_USER_CHANGE_PASSWORD:
			return validate_password(command->auth_user_change_password->password,
									 command->auth_user_change_password->hashedpassword);
		case QUORUM__COMMAND__OP_AUTH_ROLE_ADD:
			return validate_new_name(command->auth_role_add->name, STORE_ROLE_EMPTY);
		case QUORUM__COMMAND__OP_AUTH_ROLE_GRANT_PERMISSION:
			return validate_permission(command->auth_role_grant_permission->perm);
		case QUORUM__COMMAND__OP_USER_MAP:
			return validate_new_name(command->user_map->role_name, STORE_INVALID_REQUEST);
		default:
			return STORE_OK;
	}
}

/* ----------------------------------------------------------------
 *	Users and roles, unpacked
 * ----------------------------------------------------------------
 *
 * In the current memory context, which is the command's.
 */

static AuthItem *
find_item(Store *store, int table, const char *name)
{
	return auth_find(&store->auth->tables[table], name, strlen(name));
}

static Authpb__User *
unpack_user(const AuthItem *item)
{
	return (Authpb__User *) auth_unpack(&authpb__user__descriptor, item->data, item->len);
}

static Authpb__Role *
unpack_role(const AuthItem *item)
{
	return (Authpb__Role *) auth_unpack(&authpb__role__descriptor, item->data, item->len);
}

/* May a user or role become like this?  To be asked before anything changes. */
static bool
message_fits(const ProtobufCMessage *message)
{
	return protobuf_c_message_get_packed_size(message) <= AUTH_MAX_ITEM_BYTES;
}

static void
save_message(Store *store, AuthItem *item, const ProtobufCMessage *message)
{
	size_t		len;
	char	   *packed = pb_pack(message, &len);

	auth_set(store, item, packed, len);
}

static int
find_role_of(const Authpb__User *user, const char *role)
{
	size_t		i;

	for (i = 0; i < user->n_roles; i++)
	{
		if (strcmp(user->roles[i], role) == 0)
			return (int) i;
	}
	return -1;
}

static bool
has_root_role(const Authpb__User *user)
{
	return find_role_of(user, STORE_ROOT) >= 0;
}

static void
set_bytes(ProtobufCBinaryData *bytes, const char *text)
{
	bytes->data = (uint8_t *) text;
	bytes->len = strlen(text);
}

/* ----------------------------------------------------------------
 *	Who may give a command
 * ----------------------------------------------------------------
 */

/* What a user may do, kept until something about users and roles changes */
static const StorePermissions *
permissions_of(Store *store, AuthItem *item)
{
	AuthState  *auth = store->auth;
	Authpb__User *user;
	Authpb__Role **roles;
	MemoryContext old_context;
	int			nroles = 0;
	size_t		i;

	if (item->permissions != NULL &&
		item->permissions_revision == store->meta->auth_revision)
		return item->permissions;

	user = unpack_user(item);
	roles = palloc(Max(user->n_roles, 1) * sizeof(Authpb__Role *));
	for (i = 0; i < user->n_roles; i++)
	{
		AuthItem   *role = find_item(store, AUTH_ROLES, user->roles[i]);

		if (role != NULL)
			roles[nroles++] = unpack_role(role);
	}
	old_context = MemoryContextSwitchTo(auth->permission_context);
	item->permissions = permissions_make(roles, nroles);
	MemoryContextSwitchTo(old_context);
	item->permissions->everything = has_root_role(user);
	item->permissions_revision = store->meta->auth_revision;
	return item->permissions;
}

/*
 * The user on whose behalf a command is.  Who names a user must name one that
 * there is; a role of PostgreSQL may well be nobody's.
 */
static StoreError
find_user(Store *store, const Quorum__Command *command, AuthItem **user)
{
	*user = NULL;
	if (command->user[0] != '\0')
	{
		if (command->auth_revision != 0 &&
			command->auth_revision < store->meta->auth_revision)
			return STORE_AUTH_OLD_REVISION;
		*user = find_item(store, AUTH_USERS, command->user);
		return *user != NULL ? STORE_OK : STORE_PERMISSION_DENIED;
	}
	if (command->role[0] != '\0')
	{
		AuthItem   *mapped = find_item(store, AUTH_MAP, command->role);

		*user = find_item(store, AUTH_USERS, mapped != NULL ? mapped->data : command->role);
	}
	return *user != NULL ? STORE_OK : STORE_USER_EMPTY;
}

static bool
permits(const StorePermissions *permissions, StoreAccess access,
		const ProtobufCBinaryData *key, const ProtobufCBinaryData *range_end)
{
	return store_permits(permissions, access, (const char *) key->data, key->len,
						 range_end != NULL ? (const char *) range_end->data : NULL,
						 range_end != NULL ? range_end->len : 0);
}

typedef struct LeaseKeysCheck
{
	const StorePermissions *permissions;
	bool		permitted;
} LeaseKeysCheck;

/* StoreKeyVisit */
static bool
check_lease_key(const char *key, uint32 key_len, void *arg)
{
	LeaseKeysCheck *check = arg;

	check->permitted = store_permits(check->permissions, STORE_WRITE, key, key_len, NULL, 0);
	return check->permitted;
}

/*
 * Whoever attaches a key to a lease decides, as whoever revokes it, how long the
 * keys attached to it live.
 */
static bool
permits_lease(Store *store, const StorePermissions *permissions, int64 lease)
{
	LeaseKeysCheck check = {permissions, true};

	if (lease != 0)
		lease_visit_keys(store, lease, check_lease_key, &check);
	return check.permitted;
}

static bool
permits_put(Store *store, const StorePermissions *permissions,
			const Etcdserverpb__PutRequest *put)
{
	return permits(permissions, STORE_WRITE, &put->key, NULL) &&
		(!put->prev_kv || permits(permissions, STORE_READ, &put->key, NULL)) &&
		(put->ignore_lease || permits_lease(store, permissions, put->lease));
}

static bool
permits_delete_range(const StorePermissions *permissions,
					 const Etcdserverpb__DeleteRangeRequest *request)
{
	return permits(permissions, STORE_WRITE, &request->key, &request->range_end) &&
		(!request->prev_kv ||
		 permits(permissions, STORE_READ, &request->key, &request->range_end));
}

static bool permits_txn(Store *store, const StorePermissions *permissions,
						const Etcdserverpb__TxnRequest *txn);

static bool
permits_ops(Store *store, const StorePermissions *permissions,
			Etcdserverpb__RequestOp *const *ops, size_t nops)
{
	bool		permitted = true;
	size_t		i;

	for (i = 0; i < nops && permitted; i++)
	{
		switch (ops[i]->request_case)
		{
			case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE:
				permitted = permits(permissions, STORE_READ, &ops[i]->request_range->key,
									&ops[i]->request_range->range_end);
				break;
			case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT:
				permitted = permits_put(store, permissions, ops[i]->request_put);
				break;
			case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE:
				permitted = permits_delete_range(permissions, ops[i]->request_delete_range);
				break;
			case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN:
				permitted = permits_txn(store, permissions, ops[i]->request_txn);
				break;
			default:
				permitted = false;
				break;
		}
	}
	return permitted;
}

/*
 * All that a transaction may do, whatever its compares will say: the branch that
 * is not taken too, and every nested one.  The depth is bounded by
 * STORE_MAX_TXN_DEPTH, which was checked before.
 */
static bool
permits_txn(Store *store, const StorePermissions *permissions,
			const Etcdserverpb__TxnRequest *txn)
{
	size_t		i;

	for (i = 0; i < txn->n_compare; i++)
	{
		if (!permits(permissions, STORE_READ, &txn->compare[i]->key,
					 &txn->compare[i]->range_end))
			return false;
	}
	return permits_ops(store, permissions, txn->success, txn->n_success) &&
		permits_ops(store, permissions, txn->failure, txn->n_failure);
}

/* The number made goes behind the prefix, and all that have it are looked at. */
static bool
permits_put_sequential(Store *store, const StorePermissions *permissions,
					   const Quorum__PutSequentialRequest *request)
{
	const char *prefix = (const char *) request->prefix.data;
	uint32		end_len;
	char	   *end = store_prefix_end(prefix, request->prefix.len, &end_len);

	return store_permits(permissions, STORE_READ, prefix, request->prefix.len, end, end_len) &&
		store_permits(permissions, STORE_WRITE, prefix, request->prefix.len, end, end_len) &&
		permits_lease(store, permissions, request->lease);
}

/*
 * auth_permit
 *		May this command be carried out?  STORE_OK, or why not.
 *
 * The command has been validated.  What is not listed here needs the role root.
 */
StoreError
auth_permit(Store *store, const Quorum__Command *command)
{
	const StorePermissions *permissions;
	AuthItem   *user;
	StoreError	error;
	bool		permitted;

	if (likely(!store->meta->auth_enabled) || command->internal)
		return STORE_OK;
	error = find_user(store, command, &user);
	if (error != STORE_OK)
		return error;
	permissions = permissions_of(store, user);
	if (permissions->everything)
		return STORE_OK;

	switch (command->op_case)
	{
		case QUORUM__COMMAND__OP_PUT:
			permitted = permits_put(store, permissions, command->put);
			break;
		case QUORUM__COMMAND__OP_DELETE_RANGE:
			permitted = permits_delete_range(permissions, command->delete_range);
			break;
		case QUORUM__COMMAND__OP_TXN:
			permitted = permits_txn(store, permissions, command->txn);
			break;
		case QUORUM__COMMAND__OP_LEASE_GRANT:
			permitted = true;
			break;
		case QUORUM__COMMAND__OP_LEASE_REVOKE:
			permitted = permits_lease(store, permissions, command->lease_revoke->id);
			break;
		case QUORUM__COMMAND__OP_INCREMENT:
			permitted = permits(permissions, STORE_READ, &command->increment->key, NULL) &&
				permits(permissions, STORE_WRITE, &command->increment->key, NULL);
			break;
		case QUORUM__COMMAND__OP_PUT_SEQUENTIAL:
			permitted = permits_put_sequential(store, permissions, command->put_sequential);
			break;
		case QUORUM__COMMAND__OP_ALARM:
			permitted = command->alarm->action == ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__GET;
			break;
		default:
			permitted = false;
			break;
	}
	return permitted ? STORE_OK : STORE_PERMISSION_DENIED;
}

/* ----------------------------------------------------------------
 *	The commands
 * ----------------------------------------------------------------
 *
 * Each checks everything before it changes anything.
 */

/* auth_has_root() -- STORE_OK if there is the user that must be there while
 * authentication is on, since without it nobody could turn it off */
StoreError
auth_has_root(Store *store)
{
	AuthItem   *root = find_item(store, AUTH_USERS, STORE_ROOT);

	if (root == NULL)
		return STORE_ROOT_USER_NOT_FOUND;
	return has_root_role(unpack_user(root)) ? STORE_OK : STORE_ROOT_ROLE_NOT_GRANTED;
}

static StoreError
enable(Store *store)
{
	StoreError	error;

	if (store->meta->auth_enabled)
		return STORE_OK;
	error = auth_has_root(store);
	if (error == STORE_OK)
		store->meta->auth_enabled = true;
	return error;
}

static StoreError
disable(Store *store)
{
	if (store->meta->auth_enabled)
	{
		store->meta->auth_enabled = false;
		auth_revise(store);
	}
	return STORE_OK;
}

static StoreError
user_add(Store *store, const Etcdserverpb__AuthUserAddRequest *request)
{
	AuthTable  *users = &store->auth->tables[AUTH_USERS];
	Authpb__User user = AUTHPB__USER__INIT;

	if (find_item(store, AUTH_USERS, request->name) != NULL)
		return STORE_USER_EXISTS;
	set_bytes(&user.name, request->name);
	user.options = request->options;
	if (request->options == NULL || !request->options->no_password)
		set_bytes(&user.password, request->hashedpassword);
	save_message(store, auth_enter(store, users, request->name, strlen(request->name)),
				 &user.base);
	auth_revise(store);
	return STORE_OK;
}

/* A role of PostgreSQL must not become whoever is next to bear the name. */
static void
end_mapping_to(Store *store, const char *user)
{
	AuthTable  *map = &store->auth->tables[AUTH_MAP];
	int			i;

	for (i = 0; i < map->n; i++)
	{
		AuthItem   *item = map->items[i];

		if (item->data != NULL && strcmp(item->data, user) == 0)
			auth_set(store, item, NULL, 0);
	}
}

static StoreError
user_delete(Store *store, const char *name)
{
	AuthItem   *item;

	if (store->meta->auth_enabled && strcmp(name, STORE_ROOT) == 0)
		return STORE_INVALID_AUTH_MANAGEMENT;
	item = find_item(store, AUTH_USERS, name);
	if (item == NULL)
		return STORE_USER_NOT_FOUND;
	auth_set(store, item, NULL, 0);
	end_mapping_to(store, name);
	auth_revise(store);
	return STORE_OK;
}

/* A user who was made without a password for good keeps none. */
static StoreError
user_change_password(Store *store, const Etcdserverpb__AuthUserChangePasswordRequest *request)
{
	AuthItem   *item = find_item(store, AUTH_USERS, request->name);
	Authpb__User *user;

	if (item == NULL)
		return STORE_USER_NOT_FOUND;
	user = unpack_user(item);
	if (user->options == NULL || !user->options->no_password)
		set_bytes(&user->password, request->hashedpassword);
	save_message(store, item, &user->base);
	auth_revise(store);
	return STORE_OK;
}

/* The role root need not exist to be granted. */
static StoreError
user_grant_role(Store *store, const Etcdserverpb__AuthUserGrantRoleRequest *request)
{
	AuthItem   *item = find_item(store, AUTH_USERS, request->user);
	Authpb__User *user;
	char	  **roles;
	size_t		at;

	if (item == NULL)
		return STORE_USER_NOT_FOUND;
	if (strcmp(request->role, STORE_ROOT) != 0 &&
		find_item(store, AUTH_ROLES, request->role) == NULL)
		return STORE_ROLE_NOT_FOUND;
	user = unpack_user(item);
	if (find_role_of(user, request->role) >= 0)
		return STORE_OK;

	/* roles are kept in order */
	roles = palloc((user->n_roles + 1) * sizeof(char *));
	for (at = 0; at < user->n_roles && strcmp(user->roles[at], request->role) < 0; at++)
		roles[at] = user->roles[at];
	roles[at] = request->role;
	for (; at < user->n_roles; at++)
		roles[at + 1] = user->roles[at];
	user->roles = roles;
	user->n_roles++;
	if (!message_fits(&user->base))
		return STORE_REQUEST_TOO_LARGE;
	save_message(store, item, &user->base);
	auth_revise(store);
	return STORE_OK;
}

static void
take_role(Store *store, AuthItem *item, Authpb__User *user, int at)
{
	memmove(&user->roles[at], &user->roles[at + 1],
			(user->n_roles - at - 1) * sizeof(char *));
	user->n_roles--;
	save_message(store, item, &user->base);
}

static StoreError
user_revoke_role(Store *store, const Etcdserverpb__AuthUserRevokeRoleRequest *request)
{
	AuthItem   *item;
	Authpb__User *user;
	int			at;

	if (store->meta->auth_enabled && strcmp(request->name, STORE_ROOT) == 0 &&
		strcmp(request->role, STORE_ROOT) == 0)
		return STORE_INVALID_AUTH_MANAGEMENT;
	item = find_item(store, AUTH_USERS, request->name);
	if (item == NULL)
		return STORE_USER_NOT_FOUND;
	user = unpack_user(item);
	at = find_role_of(user, request->role);
	if (at < 0)
		return STORE_ROLE_NOT_GRANTED;
	take_role(store, item, user, at);
	auth_revise(store);
	return STORE_OK;
}

static StoreError
role_add(Store *store, const char *name)
{
	Authpb__Role role = AUTHPB__ROLE__INIT;

	if (find_item(store, AUTH_ROLES, name) != NULL)
		return STORE_ROLE_EXISTS;
	set_bytes(&role.name, name);
	save_message(store, auth_enter(store, &store->auth->tables[AUTH_ROLES],
								   name, strlen(name)), &role.base);
	auth_revise(store);
	return STORE_OK;
}

static StoreError
role_delete(Store *store, const char *name)
{
	AuthTable  *users = &store->auth->tables[AUTH_USERS];
	AuthItem   *item;
	int			i;

	if (store->meta->auth_enabled && strcmp(name, STORE_ROOT) == 0)
		return STORE_INVALID_AUTH_MANAGEMENT;
	item = find_item(store, AUTH_ROLES, name);
	if (item == NULL)
		return STORE_ROLE_NOT_FOUND;
	auth_set(store, item, NULL, 0);

	for (i = 0; i < users->n; i++)
	{
		Authpb__User *user;
		int			at;

		if (users->items[i]->data == NULL)
			continue;
		user = unpack_user(users->items[i]);
		at = find_role_of(user, name);
		if (at >= 0)
			take_role(store, users->items[i], user, at);
	}
	auth_revise(store);
	return STORE_OK;
}

static int
find_permission(const Authpb__Role *role, const ProtobufCBinaryData *key,
				const ProtobufCBinaryData *range_end)
{
	size_t		i;

	for (i = 0; i < role->n_keypermission; i++)
	{
		const Authpb__Permission *permission = role->keypermission[i];

		if (bytes_equal((const char *) permission->key.data, permission->key.len,
						(const char *) key->data, key->len) &&
			bytes_equal((const char *) permission->range_end.data, permission->range_end.len,
						(const char *) range_end->data, range_end->len))
			return (int) i;
	}
	return -1;
}

/* One permission for each range: a second one takes the place of the first. */
static StoreError
role_grant_permission(Store *store,
					  const Etcdserverpb__AuthRoleGrantPermissionRequest *request)
{
	AuthItem   *item = find_item(store, AUTH_ROLES, request->name);
	Authpb__Permission *perm = request->perm;
	Authpb__Role *role;
	int			at;

	if (item == NULL)
		return STORE_ROLE_NOT_FOUND;
	role = unpack_role(item);
	at = find_permission(role, &perm->key, &perm->range_end);
	if (at >= 0)
	{
		if (role->keypermission[at]->permtype == perm->permtype)
			return STORE_OK;
		role->keypermission[at]->permtype = perm->permtype;
	}
	else
	{
		Authpb__Permission **permissions;
		size_t		i = role->n_keypermission;

		/* they are kept in the order of their keys */
		permissions = palloc((i + 1) * sizeof(Authpb__Permission *));
		memcpy(permissions, role->keypermission, i * sizeof(Authpb__Permission *));
		for (; i > 0 && bytes_compare((const char *) permissions[i - 1]->key.data,
									  permissions[i - 1]->key.len,
									  (const char *) perm->key.data, perm->key.len) > 0; i--)
			permissions[i] = permissions[i - 1];
		permissions[i] = perm;
		role->keypermission = permissions;
		role->n_keypermission++;
	}
	if (!message_fits(&role->base))
		return STORE_REQUEST_TOO_LARGE;
	save_message(store, item, &role->base);
	auth_revise(store);
	return STORE_OK;
}

static StoreError
role_revoke_permission(Store *store,
					   const Etcdserverpb__AuthRoleRevokePermissionRequest *request)
{
	AuthItem   *item = find_item(store, AUTH_ROLES, request->role);
	Authpb__Role *role;
	int			at;

	if (item == NULL)
		return STORE_ROLE_NOT_FOUND;
	role = unpack_role(item);
	at = find_permission(role, &request->key, &request->range_end);
	if (at < 0)
		return STORE_PERMISSION_NOT_GRANTED;
	memmove(&role->keypermission[at], &role->keypermission[at + 1],
			(role->n_keypermission - at - 1) * sizeof(Authpb__Permission *));
	role->n_keypermission--;
	save_message(store, item, &role->base);
	auth_revise(store);
	return STORE_OK;
}

static StoreError
user_map(Store *store, const Quorum__UserMapRequest *request)
{
	AuthTable  *map = &store->auth->tables[AUTH_MAP];
	AuthItem   *item = find_item(store, AUTH_MAP, request->role_name);

	if (request->user_name[0] == '\0')
	{
		if (item == NULL)
			return STORE_OK;
		auth_set(store, item, NULL, 0);
	}
	else
	{
		if (find_item(store, AUTH_USERS, request->user_name) == NULL)
			return STORE_USER_NOT_FOUND;
		if (item != NULL && strcmp(item->data, request->user_name) == 0)
			return STORE_OK;
		item = auth_enter(store, map, request->role_name, strlen(request->role_name));
		auth_set(store, item, request->user_name, strlen(request->user_name));
	}
	auth_revise(store);
	return STORE_OK;
}

/* auth_apply() -- carry out a permitted command about users and roles */
StoreError
auth_apply(Store *store, const Quorum__Command *command)
{
	switch (command->op_case)
	{
		case QUORUM__COMMAND__OP_AUTH_ENABLE:
			return enable(store);
		case QUORUM__COMMAND__OP_AUTH_DISABLE:
			return disable(store);
		case QUORUM__COMMAND__OP_AUTH_USER_ADD:
			return user_add(store, command->auth_user_add);
		case QUORUM__COMMAND__OP_AUTH_USER_DELETE:
			return user_delete(store, command->auth_user_delete->name);
		case QUORUM__COMMAND__OP_AUTH_USER_CHANGE_PASSWORD:
			return user_change_password(store, command->auth_user_change_password);
		case QUORUM__COMMAND__OP_AUTH_USER_GRANT_ROLE:
			return user_grant_role(store, command->auth_user_grant_role);
		case QUORUM__COMMAND__OP_AUTH_USER_REVOKE_ROLE:
			return user_revoke_role(store, command->auth_user_revoke_role);
		case QUORUM__COMMAND__OP_AUTH_ROLE_ADD:
			return role_add(store, command->auth_role_add->name);
		case QUORUM__COMMAND__OP_AUTH_ROLE_DELETE:
			return role_delete(store, command->auth_role_delete->role);
		case QUORUM__COMMAND__OP_AUTH_ROLE_GRANT_PERMISSION:
			return role_grant_permission(store, command->auth_role_grant_permission);
		case QUORUM__COMMAND__OP_AUTH_ROLE_REVOKE_PERMISSION:
			return role_revoke_permission(store, command->auth_role_revoke_permission);
		case QUORUM__COMMAND__OP_USER_MAP:
			return user_map(store, command->user_map);
		default:
			return STORE_INVALID_REQUEST;
	}
}
