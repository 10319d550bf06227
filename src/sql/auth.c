/*-------------------------------------------------------------------------
 *
 * auth.c
 *	  The SQL functions about the store's users, roles and permissions.
 *
 * Passwords.  A function cannot keep the statement that calls it out of
 * PostgreSQL's sight, but from the moment it runs the statement is no longer shown:
 * not in pg_stat_activity, and not beside an error in the server's log.  What logs
 * a statement before or after it runs, or as a whole (log_statement,
 * log_min_duration_statement), sees it; so a ready verifier is taken in place of
 * a password, as CREATE ROLE does.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/sql/auth.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "tcop/tcopprot.h"
#include "utils/array.h"
#include "utils/backend_status.h"
#include "utils/builtins.h"

#include "json/pbjson.h"
#include "sql.h"
#include "store/password.h"

#define USER_COLUMNS		4
#define ROLE_COLUMNS		5

/* ----------------------------------------------------------------
 *	Arguments
 * ----------------------------------------------------------------
 */

/* A name that must be given */
static char *
argument_name(FunctionCallInfo fcinfo, int argno, const char *name)
{
	char	   *value;

	sql_require_argument(fcinfo, argno, name);
	value = text_to_cstring(PG_GETARG_TEXT_PP(argno));
	if (value[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be empty", name)));
	return value;
}

/*
 * sql_hide_statement() -- see sql.h.
 */
void
sql_hide_statement(const char *instead)
{
	debug_query_string = instead;
	pgstat_report_activity(STATE_RUNNING, instead);
}

static void
execute(Quorum__Command *command, Quorum__Command__OpCase op_case)
{
	command->op_case = op_case;
	(void) sql_execute(command);
}

/* ----------------------------------------------------------------
 *	Users
 * ----------------------------------------------------------------
 */

/*
 * user_add(name, password): without a password it cannot log in, and acts only as the
 * user of a role of PostgreSQL
 */
PG_FUNCTION_INFO_V1(quorum_user_add);
Datum
quorum_user_add(PG_FUNCTION_ARGS)
{
	Quorum__Command command = QUORUM__COMMAND__INIT;
	Etcdserverpb__AuthUserAddRequest request = ETCDSERVERPB__AUTH_USER_ADD_REQUEST__INIT;

	if (!PG_ARGISNULL(1))
		sql_hide_statement("SELECT quorum.user_add(...)");
	sql_require_writable("user_add");
	request.name = argument_name(fcinfo, 0, "name");
	if (!PG_ARGISNULL(1))
		request.hashedpassword = password_verifier(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	command.auth_user_add = &request;
	execute(&command, QUORUM__COMMAND__OP_AUTH_USER_ADD);
	PG_RETURN_VOID();
}

/* user_delete(name) */
PG_FUNCTION_INFO_V1(quorum_user_delete);
Datum
quorum_user_delete(PG_FUNCTION_ARGS)
{
	Quorum__Command command = QUORUM__COMMAND__INIT;
	Etcdserverpb__AuthUserDeleteRequest request = ETCDSERVERPB__AUTH_USER_DELETE_REQUEST__INIT;

	sql_require_writable("user_delete");
	request.name = argument_name(fcinfo, 0, "name");
	command.auth_user_delete = &request;
	execute(&command, QUORUM__COMMAND__OP_AUTH_USER_DELETE);
	PG_RETURN_VOID();
}

/* user_change_password(name, password): null takes the password away */
PG_FUNCTION_INFO_V1(quorum_user_change_password);
Datum
quorum_user_change_password(PG_FUNCTION_ARGS)
{
	Quorum__Command command = QUORUM__COMMAND__INIT;
	Etcdserverpb__AuthUserChangePasswordRequest request =
		ETCDSERVERPB__AUTH_USER_CHANGE_PASSWORD_REQUEST__INIT;

	if (!PG_ARGISNULL(1))
		sql_hide_statement("SELECT quorum.user_change_password(...)");
	sql_require_writable("user_change_password");
	request.name = argument_name(fcinfo, 0, "name");
	if (!PG_ARGISNULL(1))
		request.hashedpassword = password_verifier(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	command.auth_user_change_password = &request;
	execute(&command, QUORUM__COMMAND__OP_AUTH_USER_CHANGE_PASSWORD);
	PG_RETURN_VOID();
}

/* user_check_password(name, password) */
PG_FUNCTION_INFO_V1(quorum_user_check_password);
Datum
quorum_user_check_password(PG_FUNCTION_ARGS)
{
	uint64		auth_revision;
	StoreError	error;
	Relation	store;
	char	   *name;

	sql_hide_statement("SELECT quorum.user_check_password(...)");
	name = argument_name(fcinfo, 0, "name");
	sql_require_argument(fcinfo, 1, "password");
	store = sql_begin_read(false);
	error = store_check_admin(store, sql_caller(store));
	if (error == STORE_OK)
		error = password_authenticate(store, name, text_to_cstring(PG_GETARG_TEXT_PP(1)),
									  &auth_revision, NULL);
	sql_end_read(store);
	if (error != STORE_OK && error != STORE_AUTH_FAILED)
		sql_raise(error, 0, 0);
	PG_RETURN_BOOL(error == STORE_OK);
}

/* user_grant_role(name, role) */
PG_FUNCTION_INFO_V1(quorum_user_grant_role);
Datum
quorum_user_grant_role(PG_FUNCTION_ARGS)
{
	Quorum__Command command = QUORUM__COMMAND__INIT;
	Etcdserverpb__AuthUserGrantRoleRequest request =
		ETCDSERVERPB__AUTH_USER_GRANT_ROLE_REQUEST__INIT;

	sql_require_writable("user_grant_role");
	request.user = argument_name(fcinfo, 0, "name");
	request.role = argument_name(fcinfo, 1, "role");
	command.auth_user_grant_role = &request;
	execute(&command, QUORUM__COMMAND__OP_AUTH_USER_GRANT_ROLE);
	PG_RETURN_VOID();
}

/* user_revoke_role(name, role) */
PG_FUNCTION_INFO_V1(quorum_user_revoke_role);
Datum
quorum_user_revoke_role(PG_FUNCTION_ARGS)
{
	Quorum__Command command = QUORUM__COMMAND__INIT;
	Etcdserverpb__AuthUserRevokeRoleRequest request =
		ETCDSERVERPB__AUTH_USER_REVOKE_ROLE_REQUEST__INIT;

	sql_require_writable("user_revoke_role");
	request.name = argument_name(fcinfo, 0, "name");
	request.role = argument_name(fcinfo, 1, "role");
	command.auth_user_revoke_role = &request;
	execute(&command, QUORUM__COMMAND__OP_AUTH_USER_REVOKE_ROLE);
	PG_RETURN_VOID();
}

/* user_map(role_name, user_name): a null user ends it */
PG_FUNCTION_INFO_V1(quorum_user_map);
Datum
quorum_user_map(PG_FUNCTION_ARGS)
{
	Quorum__Command command = QUORUM__COMMAND__INIT;
	Quorum__UserMapRequest request = QUORUM__USER_MAP_REQUEST__INIT;

	sql_require_writable("user_map");
	sql_require_argument(fcinfo, 0, "role_name");
	request.role_name = NameStr(*PG_GETARG_NAME(0));
	if (request.role_name[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be empty", "role_name")));
	if (!PG_ARGISNULL(1))
		request.user_name = argument_name(fcinfo, 1, "user_name");
	command.user_map = &request;
	execute(&command, QUORUM__COMMAND__OP_USER_MAP);
	PG_RETURN_VOID();
}

/* ----------------------------------------------------------------
 *	Roles
 * ----------------------------------------------------------------
 */

/* role_add(name) */
PG_FUNCTION_INFO_V1(quorum_role_add);
Datum
quorum_role_add(PG_FUNCTION_ARGS)
{
	Quorum__Command command = QUORUM__COMMAND__INIT;
	Etcdserverpb__AuthRoleAddRequest request = ETCDSERVERPB__AUTH_ROLE_ADD_REQUEST__INIT;

	sql_require_writable("role_add");
	request.name = argument_name(fcinfo, 0, "name");
	command.auth_role_add = &request;
	execute(&command, QUORUM__COMMAND__OP_AUTH_ROLE_ADD);
	PG_RETURN_VOID();
}

/* role_delete(name) */
PG_FUNCTION_INFO_V1(quorum_role_delete);
Datum
quorum_role_delete(PG_FUNCTION_ARGS)
{
	Quorum__Command command = QUORUM__COMMAND__INIT;
	Etcdserverpb__AuthRoleDeleteRequest request = ETCDSERVERPB__AUTH_ROLE_DELETE_REQUEST__INIT;

	sql_require_writable("role_delete");
	request.role = argument_name(fcinfo, 0, "name");
	command.auth_role_delete = &request;
	execute(&command, QUORUM__COMMAND__OP_AUTH_ROLE_DELETE);
	PG_RETURN_VOID();
}

static Authpb__Permission__Type
argument_permission(FunctionCallInfo fcinfo, int argno)
{
	char	   *name = argument_name(fcinfo, argno, "permission");

	if (pg_strcasecmp(name, "read") == 0)
		return AUTHPB__PERMISSION__TYPE__READ;
	if (pg_strcasecmp(name, "write") == 0)
		return AUTHPB__PERMISSION__TYPE__WRITE;
	if (pg_strcasecmp(name, "readwrite") == 0)
		return AUTHPB__PERMISSION__TYPE__READWRITE;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unrecognized value \"%s\" for permission", name),
			 errhint("Valid values are \"read\", \"write\", and \"readwrite\".")));
	return AUTHPB__PERMISSION__TYPE__READ;	/* keep compiler quiet */
}

/* A range with a key in it */
static void
argument_permission_range(FunctionCallInfo fcinfo, int argno, SqlRange *range)
{
	sql_arg_range(fcinfo, argno, argno + 1, range);
	if (range->key.len == 0)
		sql_raise(STORE_EMPTY_KEY, 0, 0);
	if (range->range_end.len > 0 &&
		!(range->range_end.len == 1 && range->range_end.data[0] == 0))
	{
		int			cmp = memcmp(range->key.data, range->range_end.data,
								 Min(range->key.len, range->range_end.len));

		if (cmp > 0 || (cmp == 0 && range->key.len >= range->range_end.len))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("range of a permission is empty"),
					 errdetail("range_end must be greater than key.")));
	}
}

/* role_grant_permission(role, permission, key, range_end, prefix), for text and bytea */
PG_FUNCTION_INFO_V1(quorum_role_grant_permission);
Datum
quorum_role_grant_permission(PG_FUNCTION_ARGS)
{
	Quorum__Command command = QUORUM__COMMAND__INIT;
	Etcdserverpb__AuthRoleGrantPermissionRequest request =
		ETCDSERVERPB__AUTH_ROLE_GRANT_PERMISSION_REQUEST__INIT;
	Authpb__Permission permission = AUTHPB__PERMISSION__INIT;
	SqlRange	range;

	sql_require_writable("role_grant_permission");
	request.name = argument_name(fcinfo, 0, "role");
	permission.permtype = argument_permission(fcinfo, 1);
	argument_permission_range(fcinfo, 2, &range);
	permission.key = range.key;
	permission.range_end = range.range_end;
	request.perm = &permission;
	command.auth_role_grant_permission = &request;
	execute(&command, QUORUM__COMMAND__OP_AUTH_ROLE_GRANT_PERMISSION);
	PG_RETURN_VOID();
}

/* role_revoke_permission(role, key, range_end, prefix), for text and bytea */
PG_FUNCTION_INFO_V1(quorum_role_revoke_permission);
Datum
quorum_role_revoke_permission(PG_FUNCTION_ARGS)
{
	Quorum__Command command = QUORUM__COMMAND__INIT;
	Etcdserverpb__AuthRoleRevokePermissionRequest request =
		ETCDSERVERPB__AUTH_ROLE_REVOKE_PERMISSION_REQUEST__INIT;
	SqlRange	range;

	sql_require_writable("role_revoke_permission");
	request.role = argument_name(fcinfo, 0, "role");
	argument_permission_range(fcinfo, 1, &range);
	request.key = range.key;
	request.range_end = range.range_end;
	command.auth_role_revoke_permission = &request;
	execute(&command, QUORUM__COMMAND__OP_AUTH_ROLE_REVOKE_PERMISSION);
	PG_RETURN_VOID();
}

/* ----------------------------------------------------------------
 *	Turning it on and off
 * ----------------------------------------------------------------
 */

PG_FUNCTION_INFO_V1(quorum_auth_enable);
Datum
quorum_auth_enable(PG_FUNCTION_ARGS)
{
	Quorum__Command command = QUORUM__COMMAND__INIT;
	Etcdserverpb__AuthEnableRequest request = ETCDSERVERPB__AUTH_ENABLE_REQUEST__INIT;

	sql_require_writable("auth_enable");
	command.auth_enable = &request;
	execute(&command, QUORUM__COMMAND__OP_AUTH_ENABLE);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(quorum_auth_disable);
Datum
quorum_auth_disable(PG_FUNCTION_ARGS)
{
	Quorum__Command command = QUORUM__COMMAND__INIT;
	Etcdserverpb__AuthDisableRequest request = ETCDSERVERPB__AUTH_DISABLE_REQUEST__INIT;

	sql_require_writable("auth_disable");
	command.auth_disable = &request;
	execute(&command, QUORUM__COMMAND__OP_AUTH_DISABLE);
	PG_RETURN_VOID();
}

/* auth_status(): (enabled, auth_revision) as this member knows them */
PG_FUNCTION_INFO_V1(quorum_auth_status);
Datum
quorum_auth_status(PG_FUNCTION_ARGS)
{
	Relation	store = sql_begin_read(true);
	uint64		auth_revision;
	bool		enabled = store_auth_enabled(store, &auth_revision);
	Datum		values[2];
	bool		isnull[2] = {false, false};

	sql_end_read(store);
	values[0] = BoolGetDatum(enabled);
	values[1] = Int64GetDatum((int64) auth_revision);
	return HeapTupleGetDatum(heap_form_tuple(sql_result_desc(fcinfo), values, isnull));
}

/* ----------------------------------------------------------------
 *	Views
 * ----------------------------------------------------------------
 */

static void
read_auth(StoreAuthList *list)
{
	Relation	store = sql_begin_read(true);
	StoreError	error = store_read_auth(store, sql_caller(store), list);

	sql_end_read(store);
	if (error != STORE_OK)
		sql_raise(error, 0, 0);
}

static Datum
text_array(Datum *elements, int n)
{
	return PointerGetDatum(construct_array(elements, n, TEXTOID, -1, false, TYPALIGN_INT));
}

static Datum
bytes_datum(const ProtobufCBinaryData *bytes)
{
	return PointerGetDatum(cstring_to_text_with_len((const char *) bytes->data, bytes->len));
}

/* A name, which may have come in another encoding: then its bytes are shown */
static Datum
name_datum(const char *name, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	char	   *hex;
	size_t		i;

	if (pbjson_is_text(name, len))
		return PointerGetDatum(cstring_to_text_with_len(name, len));
	hex = palloc(2 * len + 3);
	strcpy(hex, "\\x");
	for (i = 0; i < len; i++)
	{
		hex[2 + 2 * i] = digits[(uint8) name[i] >> 4];
		hex[3 + 2 * i] = digits[(uint8) name[i] & 15];
	}
	hex[2 + 2 * len] = '\0';
	return CStringGetTextDatum(hex);
}

static Datum
user_name_datum(const Authpb__User *user)
{
	return name_datum((const char *) user->name.data, user->name.len);
}

/* The roles of PostgreSQL that the user map makes this user */
static Datum
mapped_roles(const StoreAuthList *list, const Authpb__User *user)
{
	Datum	   *elements = palloc((list_length(list->map) + 1) * sizeof(Datum));
	ListCell   *lc;
	int			n = 0;

	foreach(lc, list->map)
	{
		const Quorum__UserMapRequest *entry = lfirst(lc);

		if (strlen(entry->user_name) == user->name.len &&
			memcmp(entry->user_name, user->name.data, user->name.len) == 0)
			elements[n++] = name_datum(entry->role_name, strlen(entry->role_name));
	}
	return text_array(elements, n);
}

/* get_users(): the rows of quorum.users */
PG_FUNCTION_INFO_V1(quorum_get_users);
Datum
quorum_get_users(PG_FUNCTION_ARGS)
{
	StoreAuthList list;
	SqlRowSink	sink;
	ListCell   *lc;

	sql_sink_begin(&sink, fcinfo, SQL_TEXT);
	read_auth(&list);
	foreach(lc, list.users)
	{
		const Authpb__User *user = lfirst(lc);
		Datum	   *roles = palloc((user->n_roles + 1) * sizeof(Datum));
		Datum		values[USER_COLUMNS];
		bool		isnull[USER_COLUMNS] = {false};
		size_t		i;

		for (i = 0; i < user->n_roles; i++)
			roles[i] = name_datum(user->roles[i], strlen(user->roles[i]));
		values[0] = user_name_datum(user);
		values[1] = text_array(roles, (int) user->n_roles);
		values[2] = BoolGetDatum(user->password.len > 0);
		values[3] = mapped_roles(&list, user);
		sql_sink_row(&sink, values, isnull);
	}
	sql_sink_end(&sink);
	return (Datum) 0;
}

static const char *
permission_name(Authpb__Permission__Type type)
{
	switch (type)
	{
		case AUTHPB__PERMISSION__TYPE__READ:
			return "read";
		case AUTHPB__PERMISSION__TYPE__WRITE:
			return "write";
		default:
			return "readwrite";
	}
}

static Datum
users_with_role(const StoreAuthList *list, const char *role)
{
	Datum	   *elements = palloc((list_length(list->users) + 1) * sizeof(Datum));
	ListCell   *lc;
	int			n = 0;

	foreach(lc, list->users)
	{
		const Authpb__User *user = lfirst(lc);
		size_t		i;

		for (i = 0; i < user->n_roles; i++)
		{
			if (strcmp(user->roles[i], role) == 0)
				elements[n++] = user_name_datum(user);
		}
	}
	return text_array(elements, n);
}

/* get_roles(): the rows of quorum.roles, one a permission, one for a role without any */
PG_FUNCTION_INFO_V1(quorum_get_roles);
Datum
quorum_get_roles(PG_FUNCTION_ARGS)
{
	StoreAuthList list;
	SqlRowSink	sink;
	ListCell   *lc;

	sql_sink_begin(&sink, fcinfo, SQL_TEXT);
	read_auth(&list);
	foreach(lc, list.roles)
	{
		const Authpb__Role *role = lfirst(lc);
		char	   *name = pnstrdup((const char *) role->name.data, role->name.len);
		size_t		i = 0;

		do
		{
			Datum		values[ROLE_COLUMNS] = {0};
			bool		isnull[ROLE_COLUMNS] = {false, true, true, true, false};

			values[0] = name_datum(name, role->name.len);
			if (i < role->n_keypermission)
			{
				const Authpb__Permission *permission = role->keypermission[i];

				values[1] = CStringGetTextDatum(permission_name(permission->permtype));
				values[2] = bytes_datum(&permission->key);
				values[3] = bytes_datum(&permission->range_end);
				isnull[1] = isnull[2] = false;
				isnull[3] = permission->range_end.len == 0;
			}
			values[4] = users_with_role(&list, name);
			sql_sink_row(&sink, values, isnull);
		} while (++i < role->n_keypermission);
	}
	sql_sink_end(&sink);
	return (Datum) 0;
}
