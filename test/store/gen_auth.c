/*-------------------------------------------------------------------------
 *
 * gen_auth.c
 *	  Random commands about users and roles, and random callers.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/store/gen_auth.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "gen.h"

static char *
gen_name(Gen *gen, const char *const *names, int n)
{
	return pstrdup(names[gen_number(gen, n)]);
}

char *
gen_user(Gen *gen)
{
	static const char *const users[] = {"root", "root", "u0", "u1", "u2", "u3", "pg0"};

	return gen_name(gen, users, lengthof(users));
}

char *
gen_pg_role(Gen *gen)
{
	static const char *const roles[] = {"pg0", "pg1", "pg2"};

	return gen_name(gen, roles, lengthof(roles));
}

static char *
gen_role(Gen *gen)
{
	static const char *const roles[] = {"root", "r0", "r1", "r2", "r3"};

	return gen_name(gen, roles, lengthof(roles));
}

static Authpb__Permission *
gen_permission(Gen *gen)
{
	Authpb__Permission *permission = palloc(sizeof(*permission));

	authpb__permission__init(permission);
	permission->permtype = gen_number(gen, 3);
	permission->key = gen_key(gen);
	permission->range_end = gen_range_end(gen, permission->key);
	return permission;
}

#define MAKE(field, type) \
	(command->field = palloc(sizeof(*command->field)), \
	 etcdserverpb__##type##__init(command->field), command->field)

/* Fill in a command about users and roles */
void
gen_auth_command(Gen *gen, Quorum__Command *command)
{
	static const Quorum__Command__OpCase cases[] = {
		QUORUM__COMMAND__OP_AUTH_ENABLE, QUORUM__COMMAND__OP_AUTH_ENABLE,
		QUORUM__COMMAND__OP_AUTH_DISABLE,
		QUORUM__COMMAND__OP_AUTH_USER_ADD, QUORUM__COMMAND__OP_AUTH_USER_ADD,
		QUORUM__COMMAND__OP_AUTH_USER_ADD,
		QUORUM__COMMAND__OP_AUTH_USER_DELETE,
		QUORUM__COMMAND__OP_AUTH_USER_CHANGE_PASSWORD,
		QUORUM__COMMAND__OP_AUTH_USER_GRANT_ROLE, QUORUM__COMMAND__OP_AUTH_USER_GRANT_ROLE,
		QUORUM__COMMAND__OP_AUTH_USER_GRANT_ROLE,
		QUORUM__COMMAND__OP_AUTH_USER_REVOKE_ROLE,
		QUORUM__COMMAND__OP_AUTH_ROLE_ADD, QUORUM__COMMAND__OP_AUTH_ROLE_ADD,
		QUORUM__COMMAND__OP_AUTH_ROLE_DELETE,
		QUORUM__COMMAND__OP_AUTH_ROLE_GRANT_PERMISSION,
		QUORUM__COMMAND__OP_AUTH_ROLE_GRANT_PERMISSION,
		QUORUM__COMMAND__OP_AUTH_ROLE_GRANT_PERMISSION,
		QUORUM__COMMAND__OP_AUTH_ROLE_GRANT_PERMISSION,
		QUORUM__COMMAND__OP_AUTH_ROLE_REVOKE_PERMISSION,
		QUORUM__COMMAND__OP_USER_MAP, QUORUM__COMMAND__OP_USER_MAP
	};

	command->op_case = cases[gen_number(gen, lengthof(cases))];
	switch ((int) command->op_case)
	{
		case QUORUM__COMMAND__OP_AUTH_ENABLE:
			(void) MAKE(auth_enable, auth_enable_request);
			break;
		case QUORUM__COMMAND__OP_AUTH_DISABLE:
			(void) MAKE(auth_disable, auth_disable_request);
			break;
		case QUORUM__COMMAND__OP_AUTH_USER_ADD:
			MAKE(auth_user_add, auth_user_add_request)->name = gen_user(gen);
			command->auth_user_add->hashedpassword = psprintf("v%u", gen_number(gen, 1000));
			if (gen_chance(gen, 20))
			{
				command->auth_user_add->options = palloc(sizeof(Authpb__UserAddOptions));
				authpb__user_add_options__init(command->auth_user_add->options);
				command->auth_user_add->options->no_password = gen_chance(gen, 50);
			}
			break;
		case QUORUM__COMMAND__OP_AUTH_USER_DELETE:
			MAKE(auth_user_delete, auth_user_delete_request)->name = gen_user(gen);
			break;
		case QUORUM__COMMAND__OP_AUTH_USER_CHANGE_PASSWORD:
			MAKE(auth_user_change_password, auth_user_change_password_request)->name = gen_user(gen);
			command->auth_user_change_password->hashedpassword =
				psprintf("v%u", gen_number(gen, 1000));
			break;
		case QUORUM__COMMAND__OP_AUTH_USER_GRANT_ROLE:
			MAKE(auth_user_grant_role, auth_user_grant_role_request)->user = gen_user(gen);
			command->auth_user_grant_role->role =
				strcmp(command->auth_user_grant_role->user, "root") == 0 ? "root" : gen_role(gen);
			break;
		case QUORUM__COMMAND__OP_AUTH_USER_REVOKE_ROLE:
			MAKE(auth_user_revoke_role, auth_user_revoke_role_request)->name = gen_user(gen);
			command->auth_user_revoke_role->role = gen_role(gen);
			break;
		case QUORUM__COMMAND__OP_AUTH_ROLE_ADD:
			MAKE(auth_role_add, auth_role_add_request)->name = gen_role(gen);
			break;
		case QUORUM__COMMAND__OP_AUTH_ROLE_DELETE:
			MAKE(auth_role_delete, auth_role_delete_request)->role = gen_role(gen);
			break;
		case QUORUM__COMMAND__OP_AUTH_ROLE_GRANT_PERMISSION:
			MAKE(auth_role_grant_permission, auth_role_grant_permission_request)->name =
				gen_role(gen);
			command->auth_role_grant_permission->perm = gen_permission(gen);
			break;
		case QUORUM__COMMAND__OP_AUTH_ROLE_REVOKE_PERMISSION:
			MAKE(auth_role_revoke_permission, auth_role_revoke_permission_request)->role =
				gen_role(gen);
			command->auth_role_revoke_permission->key = gen_key(gen);
			command->auth_role_revoke_permission->range_end =
				gen_range_end(gen, command->auth_role_revoke_permission->key);
			break;
		case QUORUM__COMMAND__OP_USER_MAP:
			command->user_map = palloc(sizeof(*command->user_map));
			quorum__user_map_request__init(command->user_map);
			command->user_map->role_name = gen_pg_role(gen);
			if (gen_chance(gen, 80))
				command->user_map->user_name = gen_user(gen);
			break;
	}
}

/* Say in a command on whose behalf it is: half of them are the member's */
void
gen_caller(Gen *gen, Quorum__Command *command)
{
	uint32		kind = gen_number(gen, 100);

	if (kind < 50)
		command->internal = true;
	else if (kind < 80)
		command->user = gen_user(gen);
	else if (kind < 95)
		command->role = gen_pg_role(gen);
	if (gen_chance(gen, 10))
		command->auth_revision = 1 + gen_number(gen, 40);
}
