/*-------------------------------------------------------------------------
 *
 * check_auth.c
 *	  Users and roles as readers see them, against the model.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/store/check_auth.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "model_auth.h"
#include "world.h"

static bool
is_text(ProtobufCBinaryData bytes, const char *text)
{
	return bytes.len == strlen(text) && memcmp(bytes.data, text, bytes.len) == 0;
}

static void
check_user(World *world, const Authpb__User *user)
{
	ModelAuth  *auth = world->model->auth;
	size_t		granted = 0;
	size_t		j;
	int			i;

	for (i = 0; i < auth->nusers; i++)
	{
		if (is_text(user->name, auth->users[i]))
			break;
	}
	if (i == auth->nusers)
		fail(world, "a user that the model does not have");
	if (!is_text(user->password, auth->passwords[i]))
		fail(world, "another verifier than the model's");
	for (j = 0; j < (size_t) auth->ngranted; j++)
		granted += strcmp(auth->granted[j][0], auth->users[i]) == 0;
	if (granted != user->n_roles)
		fail(world, "%d roles of a user, the model has %d", (int) user->n_roles, (int) granted);
	for (j = 0; j < user->n_roles; j++)
	{
		int			k;

		if (j > 0 && strcmp(user->roles[j - 1], user->roles[j]) >= 0)
			fail(world, "roles of a user out of order");
		for (k = 0; k < auth->ngranted; k++)
		{
			if (strcmp(auth->granted[k][0], auth->users[i]) == 0 &&
				strcmp(auth->granted[k][1], user->roles[j]) == 0)
				break;
		}
		if (k == auth->ngranted)
			fail(world, "a role that the model does not grant");
	}
}

static void
check_role(World *world, const Authpb__Role *role)
{
	ModelAuth  *auth = world->model->auth;
	char	   *name = pnstrdup((char *) role->name.data, role->name.len);
	size_t		n = 0;
	size_t		j;
	int			i;

	for (i = 0; i < auth->npermissions; i++)
		n += strcmp(auth->permissions[i].role, name) == 0;
	if (n != role->n_keypermission)
		fail(world, "%d permissions of a role, the model has %d",
			 (int) role->n_keypermission, (int) n);
	for (j = 0; j < role->n_keypermission; j++)
	{
		const Authpb__Permission *p = role->keypermission[j];

		for (i = 0; i < auth->npermissions; i++)
		{
			ModelPermission *q = &auth->permissions[i];

			if (strcmp(q->role, name) == 0 && q->type == (int) p->permtype &&
				model_compare_bytes(q->key.data, q->key.len, p->key.data, p->key.len) == 0 &&
				model_compare_bytes(q->end.data, q->end.len, p->range_end.data, p->range_end.len) == 0)
				break;
		}
		if (i == auth->npermissions)
			fail(world, "a permission that the model does not have");
	}
}

void
world_check_auth(World *world)
{
	ModelAuth  *auth = world->model->auth;
	StoreAuthList list;
	uint64		revision;
	bool		enabled = store_auth_enabled(world->tree, &revision);
	ListCell   *cell;

	if (enabled != auth->enabled || revision != auth->revision)
		fail(world, "auth %d at revision %d, the model's %d at %d", enabled, (int) revision,
			 auth->enabled, (int) auth->revision);
	if (store_read_auth(world->tree, NULL, &list) != STORE_OK)
		fail(world, "list of users refused");
	if (list_length(list.users) != auth->nusers || list_length(list.roles) != auth->nroles ||
		list_length(list.map) != auth->nmap)
		fail(world, "%d users, %d roles, %d mapped, the model has %d, %d, %d",
			 list_length(list.users), list_length(list.roles), list_length(list.map),
			 auth->nusers, auth->nroles, auth->nmap);
	foreach(cell, list.users)
		check_user(world, lfirst(cell));
	foreach(cell, list.roles)
		check_role(world, lfirst(cell));
	foreach(cell, list.map)
	{
		const Quorum__UserMapRequest *entry = lfirst(cell);
		int			i;

		for (i = 0; i < auth->nmap; i++)
		{
			if (strcmp(auth->map[i][0], entry->role_name) == 0 &&
				strcmp(auth->map[i][1], entry->user_name) == 0)
				break;
		}
		if (i == auth->nmap)
			fail(world, "an entry of the user map that the model does not have");
	}
}

/* Random callers and ranges: the decision, and the readers that rely on it */
void
world_check_access(World *world, int n)
{
	Model	   *model = world->model;
	Gen		   *gen = &world->gen;

	while (n-- > 0)
	{
		StoreCaller caller = {NULL, NULL, 0};
		ProtobufCBinaryData key = gen_key(gen);
		ProtobufCBinaryData end = gen_range_end(gen, key);
		ProtobufCBinaryData none = {0, NULL};
		bool		write = gen_chance(gen, 40);
		Mvccpb__KeyValue *kv;
		StoreRangeInfo info;
		StorePermissions *permissions;
		StoreError	expected;
		StoreError	error;

		if (gen_chance(gen, 70))
			caller.user = gen_user(gen);
		else if (gen_chance(gen, 90))
			caller.role = gen_pg_role(gen);
		if (gen_chance(gen, 20))
			caller.auth_revision = Max(model->auth->revision - gen_number(gen, 2), 1);

		expected = model_auth_check(model, caller.user, caller.role, caller.auth_revision,
									write, key, end);
		error = store_check_access(world->tree, &caller, write ? STORE_WRITE : STORE_READ,
								   (char *) key.data, key.len, (char *) end.data, end.len);
		if (error != expected)
			fail(world, "access: error %d, the model's is %d", (int) error, (int) expected);

		error = store_permissions(world->tree, &caller, &permissions);
		if (error == STORE_OK &&
			!store_permits(permissions, write ? STORE_WRITE : STORE_READ,
						   (char *) key.data, key.len, (char *) end.data, end.len))
			error = STORE_PERMISSION_DENIED;
		if (error != expected)
			fail(world, "permissions: error %d, the model's is %d", (int) error, (int) expected);

		expected = model_auth_check(model, caller.user, caller.role, caller.auth_revision,
									false, key, none);
		error = store_get(world->tree, &caller, (char *) key.data, key.len, 0, &kv, &info);
		if (key.len > 0 && error != STORE_CORRUPT && error != expected)
			fail(world, "get: error %d, the model's is %d", (int) error, (int) expected);

		error = store_check_admin(world->tree, &caller);
		if ((error == STORE_OK) !=
			(!model->auth->enabled ||
			 ((caller.auth_revision == 0 || caller.auth_revision >= model->auth->revision) &&
			  model_auth_is_root(model, caller.user, caller.role))))
			fail(world, "root: error %d", (int) error);
	}
}
