/*-------------------------------------------------------------------------
 *
 * test_auth.c
 *	  Directed tests of users, roles and permissions.
 *
 * Results, users and roles are compared with the model's all along
 * (world_apply(), world_check_state()); what is said here beside that is said
 * where the model might share a mistake.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/store/test_auth.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "build_requests.h"
#include "directed.h"
#include "model_auth.h"
#include "storage/tree.h"

#define TABLE	"store_test_table"

static Quorum__Command *
make_command(Quorum__Command__OpCase op_case)
{
	Quorum__Command *command = palloc(sizeof(*command));

	quorum__command__init(command);
	command->origin = 1;
	command->op_case = op_case;
	return command;
}

#define MAKE(field, type) \
	(command->field = palloc(sizeof(*command->field)), \
	 etcdserverpb__##type##__init(command->field), command->field)

static Quorum__Command *
user_add(const char *name)
{
	Quorum__Command *command = make_command(QUORUM__COMMAND__OP_AUTH_USER_ADD);

	MAKE(auth_user_add, auth_user_add_request)->name = pstrdup(name);
	return command;
}

static Quorum__Command *
user_delete(const char *name)
{
	Quorum__Command *command = make_command(QUORUM__COMMAND__OP_AUTH_USER_DELETE);

	MAKE(auth_user_delete, auth_user_delete_request)->name = pstrdup(name);
	return command;
}

static Quorum__Command *
role_add(const char *name)
{
	Quorum__Command *command = make_command(QUORUM__COMMAND__OP_AUTH_ROLE_ADD);

	MAKE(auth_role_add, auth_role_add_request)->name = pstrdup(name);
	return command;
}

static Quorum__Command *
role_delete(const char *name)
{
	Quorum__Command *command = make_command(QUORUM__COMMAND__OP_AUTH_ROLE_DELETE);

	MAKE(auth_role_delete, auth_role_delete_request)->role = pstrdup(name);
	return command;
}

static Quorum__Command *
grant_role(const char *user, const char *role)
{
	Quorum__Command *command = make_command(QUORUM__COMMAND__OP_AUTH_USER_GRANT_ROLE);

	MAKE(auth_user_grant_role, auth_user_grant_role_request)->user = pstrdup(user);
	command->auth_user_grant_role->role = pstrdup(role);
	return command;
}

static Quorum__Command *
revoke_role(const char *user, const char *role)
{
	Quorum__Command *command = make_command(QUORUM__COMMAND__OP_AUTH_USER_REVOKE_ROLE);

	MAKE(auth_user_revoke_role, auth_user_revoke_role_request)->name = pstrdup(user);
	command->auth_user_revoke_role->role = pstrdup(role);
	return command;
}

static Quorum__Command *
grant_permission(const char *role, int type, ProtobufCBinaryData key, ProtobufCBinaryData end)
{
	Quorum__Command *command = make_command(QUORUM__COMMAND__OP_AUTH_ROLE_GRANT_PERMISSION);

	MAKE(auth_role_grant_permission, auth_role_grant_permission_request)->name = pstrdup(role);
	command->auth_role_grant_permission->perm = palloc(sizeof(Authpb__Permission));
	authpb__permission__init(command->auth_role_grant_permission->perm);
	command->auth_role_grant_permission->perm->permtype = type;
	command->auth_role_grant_permission->perm->key = key;
	command->auth_role_grant_permission->perm->range_end = end;
	return command;
}

static Quorum__Command *
grant_text(const char *role, int type, const char *key, const char *end)
{
	return grant_permission(role, type, text_bytes(key), text_bytes(end));
}

static Quorum__Command *
revoke_permission(const char *role, const char *key, const char *end)
{
	Quorum__Command *command = make_command(QUORUM__COMMAND__OP_AUTH_ROLE_REVOKE_PERMISSION);

	MAKE(auth_role_revoke_permission, auth_role_revoke_permission_request)->role = pstrdup(role);
	command->auth_role_revoke_permission->key = text_bytes(key);
	command->auth_role_revoke_permission->range_end = text_bytes(end);
	return command;
}

static Quorum__Command *
map_role(const char *role, const char *user)
{
	Quorum__Command *command = make_command(QUORUM__COMMAND__OP_USER_MAP);

	command->user_map = palloc(sizeof(*command->user_map));
	quorum__user_map_request__init(command->user_map);
	command->user_map->role_name = pstrdup(role);
	command->user_map->user_name = pstrdup(user);
	return command;
}

static Quorum__Command *
enable(void)
{
	Quorum__Command *command = make_command(QUORUM__COMMAND__OP_AUTH_ENABLE);

	(void) MAKE(auth_enable, auth_enable_request);
	return command;
}

static Quorum__Command *
disable(void)
{
	Quorum__Command *command = make_command(QUORUM__COMMAND__OP_AUTH_DISABLE);

	(void) MAKE(auth_disable, auth_disable_request);
	return command;
}

/* The command on behalf of a user */
static Quorum__Command *
by(const char *user, Quorum__Command *command)
{
	command->user = pstrdup(user);
	return command;
}

static void
apply_ok(World *world, Quorum__Command *command)
{
	expect_error(world, command, STORE_OK);
}

#define READ		AUTHPB__PERMISSION__TYPE__READ
#define WRITE		AUTHPB__PERMISSION__TYPE__WRITE
#define READWRITE	AUTHPB__PERMISSION__TYPE__READWRITE

/*
 * A world with authentication on: alice may read and write [a, b), read c, write [d, e);
 * bob is a user without any role.
 */
static World *
world_with_users(const char *what)
{
	World	   *world = world_create(what, TABLE, 0);

	apply_ok(world, user_add("root"));
	apply_ok(world, grant_role("root", "root"));
	apply_ok(world, user_add("alice"));
	apply_ok(world, user_add("bob"));
	apply_ok(world, role_add("app"));
	apply_ok(world, grant_text("app", READWRITE, "a", "b"));
	apply_ok(world, grant_text("app", READ, "c", ""));
	apply_ok(world, grant_text("app", WRITE, "d", "e"));
	apply_ok(world, grant_role("alice", "app"));
	apply_ok(world, put_command("a1", "x"));
	apply_ok(world, put_command("c", "x"));
	apply_ok(world, put_command("d1", "x"));
	apply_ok(world, put_command("s", "secret"));
	apply_ok(world, enable());
	return world;
}

/* Every error of the commands, in etcd's order, and what changes the auth revision */
void
test_auth_errors(void)
{
	World	   *world = world_create("auth errors", TABLE, 0);
	ModelAuth  *auth = world->model->auth;
	Quorum__Command *command;

	expect(store_meta(world->store)->auth_revision == 1);
	expect_error(world, enable(), STORE_ROOT_USER_NOT_FOUND);
	expect_error(world, user_add(""), STORE_USER_EMPTY);
	expect_error(world, role_add(""), STORE_ROLE_EMPTY);
	expect_error(world, user_delete("u"), STORE_USER_NOT_FOUND);
	expect_error(world, role_delete("r"), STORE_ROLE_NOT_FOUND);
	expect_error(world, grant_role("u", "r"), STORE_USER_NOT_FOUND);
	expect_error(world, revoke_role("u", "r"), STORE_USER_NOT_FOUND);
	expect_error(world, grant_text("r", READ, "a", ""), STORE_ROLE_NOT_FOUND);
	expect_error(world, grant_text("r", READ, "", ""), STORE_INVALID_AUTH_MANAGEMENT);
	expect_error(world, grant_text("r", READ, "b", "a"), STORE_INVALID_AUTH_MANAGEMENT);
	expect_error(world, grant_text("r", READ, "b", "b"), STORE_INVALID_AUTH_MANAGEMENT);
	expect_error(world, grant_text("r", 3, "a", ""), STORE_INVALID_REQUEST);
	command = grant_text("r", READ, "a", "");
	command->auth_role_grant_permission->perm = NULL;
	expect_error(world, command, STORE_PERMISSION_NOT_GIVEN);
	expect_error(world, revoke_permission("r", "a", ""), STORE_ROLE_NOT_FOUND);
	expect_error(world, map_role("", "u"), STORE_INVALID_REQUEST);
	expect_error(world, map_role("pg", "u"), STORE_USER_NOT_FOUND);
	expect_error(world, map_role("pg", ""), STORE_OK);

	/* no password in clear gets in, and no name that does not fit */
	command = user_add("u");
	command->auth_user_add->password = pstrdup("clear");
	expect_error(world, command, STORE_INVALID_REQUEST);
	command = user_add("u");
	command->auth_user_add->name = (char *) long_bytes('u', STORE_MAX_KEY_BYTES + 1).data;
	expect_error(world, command, STORE_KEY_TOO_LARGE);
	expect(store_meta(world->store)->auth_revision == 1 && auth->revision == 1);

	apply_ok(world, user_add("u"));
	expect_error(world, user_add("u"), STORE_USER_EXISTS);
	expect_error(world, grant_role("u", "r"), STORE_ROLE_NOT_FOUND);
	apply_ok(world, grant_role("u", "root"));
	expect_error(world, revoke_role("u", "r"), STORE_ROLE_NOT_GRANTED);
	apply_ok(world, role_add("r"));
	expect_error(world, role_add("r"), STORE_ROLE_EXISTS);
	apply_ok(world, grant_role("u", "r"));
	expect(store_meta(world->store)->auth_revision == 5);
	apply_ok(world, grant_role("u", "r"));
	apply_ok(world, grant_text("r", READ, "a", "b"));
	apply_ok(world, grant_text("r", READ, "a", "b"));
	expect(store_meta(world->store)->auth_revision == 6);
	apply_ok(world, grant_text("r", WRITE, "a", "b"));
	expect_error(world, revoke_permission("r", "a", ""), STORE_PERMISSION_NOT_GRANTED);
	apply_ok(world, revoke_permission("r", "a", "b"));
	apply_ok(world, role_delete("r"));
	expect_error(world, revoke_role("u", "r"), STORE_ROLE_NOT_GRANTED);

	apply_ok(world, user_add("root"));
	expect_error(world, enable(), STORE_ROOT_ROLE_NOT_GRANTED);
	apply_ok(world, grant_role("root", "root"));
	apply_ok(world, role_add("root"));
	apply_ok(world, enable());
	apply_ok(world, by("root", enable()));
	expect_error(world, by("root", user_delete("root")), STORE_INVALID_AUTH_MANAGEMENT);
	expect_error(world, by("root", role_delete("root")), STORE_INVALID_AUTH_MANAGEMENT);
	expect_error(world, by("root", revoke_role("root", "root")), STORE_INVALID_AUTH_MANAGEMENT);
	apply_ok(world, by("root", revoke_role("u", "root")));
	apply_ok(world, by("root", disable()));
	apply_ok(world, disable());
	apply_ok(world, user_delete("root"));
	world_check_state(world);
	world_destroy(world);
}

/* On whose behalf a command is */
void
test_auth_who(void)
{
	World	   *world = world_with_users("auth callers");
	Quorum__Command *command;

	expect_error(world, put_command("a1", "y"), STORE_USER_EMPTY);
	expect_error(world, by("nobody", put_command("a1", "y")), STORE_PERMISSION_DENIED);
	expect_error(world, by("bob", put_command("a1", "y")), STORE_PERMISSION_DENIED);
	expect_error(world, by("alice", put_command("a1", "y")), STORE_OK);
	expect_error(world, by("root", put_command("z", "y")), STORE_OK);
	command = put_command("z", "y");
	command->internal = true;
	expect_error(world, command, STORE_OK);

	/* a token of an earlier auth revision */
	command = by("alice", put_command("a1", "y"));
	command->auth_revision = store_meta(world->store)->auth_revision;
	expect_error(world, command, STORE_OK);
	apply_ok(world, by("root", user_add("carol")));
	expect_error(world, command, STORE_AUTH_OLD_REVISION);

	/* a role of PostgreSQL: the map's user, else the user of its name */
	command = put_command("a1", "y");
	command->role = pstrdup("alice");
	expect_error(world, command, STORE_OK);
	apply_ok(world, by("root", map_role("alice", "bob")));
	expect_error(world, command, STORE_PERMISSION_DENIED);
	apply_ok(world, by("root", map_role("alice", "")));
	expect_error(world, command, STORE_OK);
	command->role = pstrdup("pg");
	expect_error(world, command, STORE_USER_EMPTY);
	apply_ok(world, by("root", map_role("pg", "alice")));
	expect_error(world, command, STORE_OK);
	apply_ok(world, by("root", user_delete("alice")));
	expect_error(world, command, STORE_USER_EMPTY);
	apply_ok(world, by("root", user_add("alice")));
	expect_error(world, command, STORE_USER_EMPTY);
	world_check_state(world);
	world_destroy(world);
}

/* Neither nesting nor the branch that is not taken is a way around */
void
test_auth_nested_txn(void)
{
	World	   *world = world_with_users("auth transactions");
	Etcdserverpb__TxnRequest *txn;
	Etcdserverpb__TxnRequest *inner;
	int			depth;
	int			kind;

	for (depth = 0; depth < 4; depth++)
	{
		for (kind = 0; kind < 6; kind++)
		{
			int			i;

			inner = make_txn();
			switch (kind)
			{
				case 0:
					add_op(inner, true, range_op("s", NULL, 0));
					break;
				case 1:
					add_op(inner, false, put_op("s", "x"));
					break;
				case 2:
					add_op(inner, true, delete_op("s", NULL));
					break;
				case 3:
					add_compare(inner, compare_value("s", 0, "secret"));
					break;
				case 4:
					add_op(inner, false, put_op("d1", "x"));
					inner->failure[0]->request_put->prev_kv = true;
					break;
				default:
					add_op(inner, true, delete_op("d", "e"));
					inner->success[0]->request_delete_range->prev_kv = true;
					break;
			}
			for (i = 0; i < depth; i++)
			{
				txn = make_txn();
				add_op(txn, i % 2 == 0, txn_op(inner));
				inner = txn;
			}
			add_op(inner, true, put_op("a1", "x"));
			expect_error(world, by("alice", txn_command(inner)), STORE_PERMISSION_DENIED);
			expect_error(world, by("root", txn_command(inner)), STORE_OK);
			apply_ok(world, by("root", put_command("s", "secret")));
			apply_ok(world, by("root", put_command("d1", "x")));
		}
	}

	/* a compare of a range needs all of it */
	txn = make_txn();
	add_compare(txn, compare_number("a", ETCDSERVERPB__COMPARE__COMPARE_TARGET__VERSION,
									ETCDSERVERPB__COMPARE__COMPARE_RESULT__GREATER, 0));
	txn->compare[0]->range_end = text_bytes("b");
	expect_error(world, by("alice", txn_command(txn)), STORE_OK);
	txn->compare[0]->range_end = text_bytes("b1");
	expect_error(world, by("alice", txn_command(txn)), STORE_PERMISSION_DENIED);
	world_check_state(world);
	world_destroy(world);
}

static bool
ignore_event(const Mvccpb__Event *event, void *arg)
{
	return true;
}

/* Every reader asks */
void
test_auth_reads(void)
{
	World	   *world = world_with_users("auth reads");
	StoreCaller alice = {"alice", NULL, 0};
	StoreCaller nobody = {NULL, "nobody", 0};
	Etcdserverpb__TxnRequest *txn = make_txn();
	RangeCollector collector;
	StoreRangeInfo info;
	StoreAuthList list;
	Mvccpb__KeyValue *kv;
	Quorum__Result *result;
	uint32		hash;
	int64		revision;
	int64		compacted;
	int64		next_after;

	expect(store_get(world->tree, &alice, "a1", 2, 0, &kv, &info) == STORE_OK && kv != NULL);
	expect(store_get(world->tree, &alice, "s", 1, 0, &kv, &info) == STORE_PERMISSION_DENIED);
	expect(store_get(world->tree, &alice, "s", 1, 2, &kv, &info) == STORE_PERMISSION_DENIED);
	expect(store_get(world->tree, &nobody, "a1", 2, 0, &kv, &info) == STORE_USER_EMPTY);
	expect(store_get(world->tree, NULL, "s", 1, 0, &kv, &info) == STORE_OK && kv != NULL);

	range_collector_init(&collector);
	expect(store_range(world->tree, &alice, range_op("a", "b", 0)->request_range, true,
					   collect_kv, &collector, &info) == STORE_OK);
	expect(collector.response->n_kvs == 1);
	expect(store_range(world->tree, &alice, range_op("a", "c", 0)->request_range, true,
					   collect_kv, &collector, &info) == STORE_PERMISSION_DENIED);
	expect(store_events(world->tree, &alice, "a", 1, "b", 1, 0, 0, true, 0, ignore_event, NULL,
						&next_after) == STORE_OK);
	expect(store_events(world->tree, &alice, "", 0, "", 1, 0, 0, true, 0, ignore_event, NULL,
						&next_after) == STORE_PERMISSION_DENIED);
	expect(store_hash_kv(world->tree, &alice, 0, &hash, &revision, &compacted) ==
		   STORE_PERMISSION_DENIED);

	add_op(txn, true, range_op("a1", NULL, 0));
	expect(store_read_txn(world->tree, &alice, txn, &result) == STORE_OK);
	add_op(txn, false, range_op("s", NULL, 0));
	expect(store_read_txn(world->tree, &alice, txn, &result) == STORE_PERMISSION_DENIED);
	txn = make_txn();
	add_compare(txn, compare_value("s", 0, "secret"));
	expect(store_read_txn(world->tree, &alice, txn, &result) == STORE_PERMISSION_DENIED);

	/* of users and roles one sees oneself */
	expect(store_read_auth(world->tree, &alice, &list) == STORE_OK);
	expect(list_length(list.users) == 1 && list_length(list.roles) == 1);
	expect(store_read_auth(world->tree, &nobody, &list) == STORE_USER_EMPTY);

	/* what is remembered about a caller does not outlive the auth revision */
	apply_ok(world, by("root", revoke_permission("app", "a", "b")));
	expect(store_get(world->tree, &alice, "a1", 2, 0, &kv, &info) == STORE_PERMISSION_DENIED);
	apply_ok(world, by("root", grant_text("app", READ, "a1", "")));
	expect(store_get(world->tree, &alice, "a1", 2, 0, &kv, &info) == STORE_OK);
	alice.auth_revision = store_meta(world->store)->auth_revision;
	expect(store_get(world->tree, &alice, "a1", 2, 0, &kv, &info) == STORE_OK);
	apply_ok(world, by("root", user_delete("bob")));
	expect(store_get(world->tree, &alice, "a1", 2, 0, &kv, &info) == STORE_AUTH_OLD_REVISION);
	alice.auth_revision = 0;
	apply_ok(world, by("root", user_delete("alice")));
	expect(store_get(world->tree, &alice, "a1", 2, 0, &kv, &info) == STORE_PERMISSION_DENIED);
	world_destroy(world);
}

static bool
ignore_key(const char *key, uint32 key_len, void *arg)
{
	return true;
}

/* Who touches a lease decides over the keys attached to it */
void
test_auth_leases(void)
{
	World	   *world = world_with_users("auth leases");
	StoreCaller alice = {"alice", NULL, 0};
	Etcdserverpb__TxnRequest *txn = make_txn();

	apply_ok(world, by("alice", grant_command(1, 100)));
	expect_error(world, grant_command(2, 100), STORE_USER_EMPTY);
	apply_ok(world, by("alice", put_lease_command("a1", 1)));
	expect(store_lease_keys(world->tree, &alice, 1, ignore_key, NULL) == STORE_OK);
	apply_ok(world, by("root", put_lease_command("s", 1)));
	expect(store_lease_keys(world->tree, &alice, 1, ignore_key, NULL) == STORE_PERMISSION_DENIED);
	expect_error(world, by("alice", put_lease_command("a2", 1)), STORE_PERMISSION_DENIED);
	add_op(txn, true, put_op("a2", "x"));
	txn->success[0]->request_put->lease = 1;
	expect_error(world, by("alice", txn_command(txn)), STORE_PERMISSION_DENIED);
	expect_error(world, by("alice", revoke_command(1)), STORE_PERMISSION_DENIED);
	expect_error(world, by("alice", checkpoint_command(1, 5)), STORE_PERMISSION_DENIED);
	apply_ok(world, by("root", put_command("s", "detached")));
	apply_ok(world, by("alice", put_lease_command("a2", 1)));
	apply_ok(world, by("alice", revoke_command(1)));
	world_check_state(world);
	world_destroy(world);
}

/* What needs root */
void
test_auth_admin(void)
{
	World	   *world = world_with_users("auth admin");
	Quorum__Command *commands[] = {
		compact_command(2), user_add("x"), user_delete("bob"), role_add("x"), role_delete("app"),
		grant_role("bob", "app"), revoke_role("alice", "app"), grant_text("app", READ, "s", ""),
		revoke_permission("app", "c", ""), map_role("bob", "root"), enable(), disable()
	};
	int			i;

	for (i = 0; i < (int) lengthof(commands); i++)
	{
		expect_error(world, commands[i], STORE_USER_EMPTY);
		expect_error(world, by("alice", commands[i]), STORE_PERMISSION_DENIED);
		expect_error(world, by("bob", commands[i]), STORE_PERMISSION_DENIED);
	}
	for (i = 0; i < (int) lengthof(commands); i++)
	{
		/* bob is gone by then, and so is the role app */
		Quorum__Result *result = world_apply(world, by("root", commands[i]));

		expect(result->error != STORE_PERMISSION_DENIED && result->error != STORE_USER_EMPTY);
	}
	world_check_state(world);
	world_destroy(world);
}

static int
count_auth_items(World *world)
{
	TreeScan   *scan = tree_scan_begin(world->tree, TREE_MAIN);
	TreeItem	item;
	int			n = 0;

	while (tree_next(scan, &item))
		n += item.key.space == 'r' || item.key.space == 'u' || item.key.space == 'x';
	tree_scan_end(scan);
	return n;
}

/* Versions do not pile up, and users who come and go leave nothing */
void
test_auth_versions(void)
{
	World	   *world = world_create("auth versions", TABLE, 0);
	int			i;

	apply_ok(world, user_add("u"));
	apply_ok(world, role_add("r"));
	for (i = 0; i < 20; i++)
	{
		apply_ok(world, i % 2 == 0 ? grant_role("u", "r") : revoke_role("u", "r"));
		expect(count_auth_items(world) <= 4);
	}
	for (i = 0; i < 20; i++)
	{
		apply_ok(world, user_add(psprintf("temp%d", i)));
		apply_ok(world, map_role("pg", psprintf("temp%d", i)));
		apply_ok(world, user_delete(psprintf("temp%d", i)));
		expect(count_auth_items(world) <= 12);
		if (i % 7 == 0)
			world_reopen(world);
	}
	for (i = 0; i < 4; i++)
		apply_ok(world, i % 2 == 0 ? grant_role("u", "r") : revoke_role("u", "r"));
	expect(count_auth_items(world) == 3);
	world_check_state(world);
	world_destroy(world);
}

/*
 * A crash anywhere in a batch that changes users and turns authentication on: the entries
 * applied again give what they gave the first time, on every member.
 */
void
test_auth_crash_14571(void)
{
	int			at;

	for (at = 0; at < 30; at++)
	{
		World	   *world = world_create("auth crash", TABLE, at);
		Quorum__Command *commands[12];
		int			n = 0;

		apply_ok(world, user_add("root"));
		apply_ok(world, grant_role("root", "root"));
		commands[n++] = put_command("a1", "before");
		commands[n++] = user_add("alice");
		commands[n++] = role_add("app");
		commands[n++] = grant_text("app", READWRITE, "a", "b");
		commands[n++] = grant_role("alice", "app");
		commands[n++] = enable();
		commands[n++] = put_command("a1", "refused");
		commands[n++] = by("alice", put_command("a1", "after"));
		commands[n++] = by("root", role_delete("app"));
		commands[n++] = by("alice", put_command("a1", "refused again"));
		commands[n++] = by("root", user_delete("alice"));
		commands[n++] = by("root", user_add("bob"));
		fuse = at;
		world_batch(world, commands, n);
		fuse = -1;
		world_check_state(world);
		world_check_reads(world, 2);
		world_destroy(world);
	}
}

static void
commit_batch(void *arg)
{
	store_commit(((World *) arg)->store);
}

/* A batch that was cut off, and other entries in its place */
void
test_auth_other_history(void)
{
	World	   *world = world_create("auth and other history", TABLE, 0);
	StoreAuthList list;
	int			at;

	apply_ok(world, user_add("u0"));
	for (at = 0; at < 8; at++)
	{
		uint64		index = world->nentries;
		int			i;

		store_begin(world->store, world->tree, NULL, NULL);
		for (i = 0; i < 4; i++)
			store_apply(world->store, ++index, 1, user_add(psprintf("lost%d", i)), false, NULL);
		store_apply(world->store, ++index, 1, user_delete("u0"), false, NULL);
		fuse = at;
		if (attempt(commit_batch, world))
			fail(world, "the fuse did not blow");
		world_reopen(world);
		expect(store_read_auth(world->tree, NULL, &list) == STORE_OK);
		expect(list_length(list.users) == 1 + at);
		apply_ok(world, user_add(psprintf("u%d", at + 1)));
		world_check_state(world);
		if (at == 4)
			break;
	}
	world_destroy(world);
}

/* Merged intervals against single keys, for many random sets of permissions */
void
test_auth_permissions(void)
{
	World	   *world = world_create("auth permissions", TABLE, 4711);
	Gen		   *gen = &world->gen;
	int			round;

	gen->nkeys = 40;
	apply_ok(world, user_add("root"));
	apply_ok(world, grant_role("root", "root"));
	apply_ok(world, user_add("u0"));
	apply_ok(world, enable());
	for (round = 0; round < 60; round++)
	{
		static const char *const roles[] = {"r0", "r1"};
		int			i;

		for (i = 0; i < 2; i++)
		{
			Quorum__Command *command = role_add(roles[i]);
			int			n = gen_number(gen, 8);

			apply_ok(world, by("root", command));
			apply_ok(world, by("root", grant_role("u0", roles[i])));
			while (n-- > 0)
			{
				ProtobufCBinaryData key = gen_key(gen);
				ProtobufCBinaryData end = gen_range_end(gen, key);

				(void) world_apply(world, by("root", grant_permission(roles[i], gen_number(gen, 3),
																	  key, end)));
			}
		}
		world_check_access(world, 60);
		for (i = 0; i < 2; i++)
			apply_ok(world, by("root", role_delete(roles[i])));
	}
	world_check_state(world);
	world_destroy(world);
}

/* A role that grew beyond what an item of the tree can be would stop every member */
void
test_auth_large_role(void)
{
	World	   *world = world_create("auth large role", TABLE, 0);
	int			i;

	apply_ok(world, role_add("r"));
	for (i = 0; i < 7; i++)
		expect_error(world,
					 grant_permission("r", READ, long_bytes('a' + i, 3 * 1024 * 1024), text_bytes("")),
					 i < 5 ? STORE_OK : STORE_REQUEST_TOO_LARGE);
	apply_ok(world, grant_text("r", WRITE, "b", "c"));
	world_check_state(world);
	world_destroy(world);
}
