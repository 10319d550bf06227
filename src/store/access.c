/*-------------------------------------------------------------------------
 *
 * access.c
 *	  Users and roles as readers see them: may a caller read this?
 *
 * A reader finds users, roles and the user map in the tree, as of the auth
 * revision that the meta shows.  The versions of that revision are there until it
 * is replaced; so if the meta still shows it afterwards, what was read is the
 * state of one moment, and else it is read again.
 *
 * What a caller may do is kept until the auth revision moves, for a few callers
 * in each process.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/access.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "store/auth.h"
#include "store/pbmem.h"
#include "store/read.h"

/* Callers that a process remembers; most act for one or two */
#define REMEMBERED_CALLERS	4

/* What was found out about a caller, in a context of its own */
typedef struct Finding
{
	MemoryContext context;		/* NULL: nothing yet */
	Oid			store;
	uint64		auth_revision;
	uint64		applied_index;	/* of the meta it was found in */
	char	   *user;			/* as the caller names them, or NULL */
	char	   *role;
	StoreError	error;			/* there is no such user */
	StorePermissions *permissions;
} Finding;

static Finding findings[REMEMBERED_CALLERS];
static int	next_finding = 0;

/* ----------------------------------------------------------------
 *	Items as of an auth revision
 * ----------------------------------------------------------------
 */

/* The value of an item, in the current memory context; NULL if there is none */
static char *
read_item(Relation tree, uint8 space, const char *name, uint64 auth_revision, uint32 *len)
{
	TreeKey		key;
	TreeItem	item;
	size_t		name_len = strlen(name);
	char	   *value;

	/* strangers name whom they like; nothing of such a length was ever made */
	if (name_len > AUTH_MAX_NAME_BYTES)
		return NULL;
	auth_tree_key(&key, space, name, name_len, auth_revision);
	if (!tree_lookup(tree, TREE_MAIN, &key, true, &item) ||
		item.key.space != space ||
		!bytes_equal(item.key.data, item.key.len, key.data, key.len) ||
		item.value_len == 0)
		return NULL;
	value = palloc(item.value_len + 1);
	memcpy(value, item.value, item.value_len);
	value[item.value_len] = '\0';
	*len = item.value_len;
	return value;
}

static ProtobufCMessage *
read_message(Relation tree, uint8 space, const char *name, uint64 auth_revision,
			 const ProtobufCMessageDescriptor *descriptor)
{
	uint32		len;
	char	   *value = read_item(tree, space, name, auth_revision, &len);

	return value == NULL ? NULL : auth_unpack(descriptor, value, len);
}

static Authpb__User *
read_user(Relation tree, const char *name, uint64 auth_revision)
{
	return (Authpb__User *) read_message(tree, SPACE_USER, name, auth_revision,
										 &authpb__user__descriptor);
}

static Authpb__Role *
read_role(Relation tree, const char *name, uint64 auth_revision)
{
	return (Authpb__Role *) read_message(tree, SPACE_ROLE, name, auth_revision,
										 &authpb__role__descriptor);
}

/* ----------------------------------------------------------------
 *	What a caller may do
 * ----------------------------------------------------------------
 */

/*
 * Who the caller is, as of an auth revision; the same rules as for commands.
 * NULL with *error set if it is nobody.
 */
static Authpb__User *
find_user(Relation tree, const StoreCaller *caller, uint64 auth_revision, StoreError *error)
{
	Authpb__User *user = NULL;
	uint32		len;

	*error = STORE_OK;
	if (caller->user != NULL && caller->user[0] != '\0')
	{
		user = read_user(tree, caller->user, auth_revision);
		if (user == NULL)
			*error = STORE_PERMISSION_DENIED;
		return user;
	}
	if (caller->role != NULL && caller->role[0] != '\0')
	{
		const char *mapped = read_item(tree, SPACE_USER_MAP, caller->role, auth_revision, &len);

		user = read_user(tree, mapped != NULL ? mapped : caller->role, auth_revision);
	}
	if (user == NULL)
		*error = STORE_USER_EMPTY;
	return user;
}

/* What a user may do, as of an auth revision, in the current memory context */
static StorePermissions *
make_permissions(Relation tree, const Authpb__User *user, uint64 auth_revision)
{
	StorePermissions *permissions;
	Authpb__Role **roles = palloc(Max(user->n_roles, 1) * sizeof(Authpb__Role *));
	bool		everything = false;
	int			nroles = 0;
	size_t		i;

	for (i = 0; i < user->n_roles; i++)
	{
		Authpb__Role *role = read_role(tree, user->roles[i], auth_revision);

		if (strcmp(user->roles[i], STORE_ROOT) == 0)
			everything = true;
		if (role != NULL)
			roles[nroles++] = role;
	}
	permissions = permissions_make(roles, nroles);
	permissions->everything = everything;
	return permissions;
}

static bool
same_name(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return strcmp(a, b) == 0;
}

/* What is known already, if it is of this state */
static Finding *
remembered(Relation tree, const StoreCaller *caller, const MetaHead *head)
{
	int			i;

	for (i = 0; i < REMEMBERED_CALLERS; i++)
	{
		Finding    *finding = &findings[i];

		/* an applied index that went back means another state altogether */
		if (finding->context != NULL &&
			finding->auth_revision == head->auth_revision &&
			finding->store == RelationGetRelid(tree) &&
			finding->applied_index <= head->applied_index &&
			same_name(finding->user, caller->user) &&
			same_name(finding->role, caller->role))
		{
			finding->applied_index = head->applied_index;
			return finding;
		}
	}
	return NULL;
}

static void
forget(Finding *finding)
{
	if (finding->context != NULL)
		MemoryContextDelete(finding->context);
	memset(finding, 0, sizeof(*finding));
}

/* Find out about a caller; *head becomes what it was found out from */
static Finding *
find_out(Relation tree, const StoreCaller *caller, MetaHead *head)
{
	Finding    *finding = &findings[next_finding];
	MemoryContext context;

	next_finding = (next_finding + 1) % REMEMBERED_CALLERS;
	forget(finding);
	context = AllocSetContextCreate(CurrentMemoryContext, "pg_quorum permissions",
									ALLOCSET_SMALL_SIZES);
	for (;;)
	{
		MemoryContext old_context = MemoryContextSwitchTo(context);
		StorePermissions *permissions = NULL;
		StoreError	error;
		Authpb__User *user;
		MetaHead	after;

		user = find_user(tree, caller, head->auth_revision, &error);
		if (user != NULL)
			permissions = make_permissions(tree, user, head->auth_revision);
		read_head(tree, &after);
		if (after.auth_revision == head->auth_revision)
		{
			finding->store = RelationGetRelid(tree);
			finding->auth_revision = head->auth_revision;
			finding->applied_index = head->applied_index;
			finding->user = caller->user != NULL ? pstrdup(caller->user) : NULL;
			finding->role = caller->role != NULL ? pstrdup(caller->role) : NULL;
			finding->error = error;
			finding->permissions = permissions;
			MemoryContextSwitchTo(old_context);
			MemoryContextSetParent(context, TopMemoryContext);
			finding->context = context;
			return finding;
		}
		MemoryContextSwitchTo(old_context);
		MemoryContextReset(context);
		*head = after;
		CHECK_FOR_INTERRUPTS();
	}
}

/*
 * What a caller may do as of the meta, which has authentication on; *permissions
 * is valid until the next call.
 */
static StoreError
caller_permissions(Relation tree, const StoreCaller *caller, const MetaHead *known,
				   StorePermissions **permissions)
{
	MetaHead	head = *known;
	Finding    *finding = remembered(tree, caller, &head);

	*permissions = NULL;
	if (finding == NULL)
		finding = find_out(tree, caller, &head);
	if (caller->auth_revision != 0 && caller->auth_revision < head.auth_revision)
		return STORE_AUTH_OLD_REVISION;
	*permissions = finding->permissions;
	return finding->error;
}

/*
 * access_check
 *		May the caller do this to the range, as of a meta just read?
 *
 * With authentication off, which the callers of this look at themselves, everybody may.
 */
StoreError
access_check(Relation tree, const StoreCaller *caller, const MetaHead *head,
			 StoreAccess access, const char *key, uint32 key_len,
			 const char *range_end, uint32 range_end_len)
{
	StorePermissions *permissions;
	StoreError	error;

	if (!head->auth_enabled || caller == NULL)
		return STORE_OK;
	error = caller_permissions(tree, caller, head, &permissions);
	if (error != STORE_OK)
		return error;
	return store_permits(permissions, access, key, key_len, range_end, range_end_len) ?
		STORE_OK : STORE_PERMISSION_DENIED;
}

StoreError
store_check_access(Relation tree, const StoreCaller *caller, StoreAccess access,
				   const char *key, uint32 key_len,
				   const char *range_end, uint32 range_end_len)
{
	MetaHead	head;

	if (caller == NULL)
		return STORE_OK;
	read_head(tree, &head);
	return access_check(tree, caller, &head, access, key, key_len, range_end, range_end_len);
}

StoreError
store_check_admin(Relation tree, const StoreCaller *caller)
{
	StorePermissions *permissions;
	StoreError	error;
	MetaHead	head;

	if (caller == NULL)
		return STORE_OK;
	read_head(tree, &head);
	if (!head.auth_enabled)
		return STORE_OK;
	error = caller_permissions(tree, caller, &head, &permissions);
	if (error != STORE_OK)
		return error;
	return permissions->everything ? STORE_OK : STORE_PERMISSION_DENIED;
}

static void
copy_intervals(IntervalSet *copy, const IntervalSet *set)
{
	int			i;

	copy->n = set->n;
	copy->intervals = palloc(Max(set->n, 1) * sizeof(KeyInterval));
	for (i = 0; i < set->n; i++)
	{
		const KeyInterval *interval = &set->intervals[i];

		copy->intervals[i] = *interval;
		copy->intervals[i].start = memcpy(palloc(interval->start_len + 1),
										  interval->start, interval->start_len);
		if (!interval->open)
			copy->intervals[i].end = memcpy(palloc(interval->end_len + 1),
											interval->end, interval->end_len);
	}
}

StoreError
store_permissions(Relation tree, const StoreCaller *caller, StorePermissions **permissions)
{
	StorePermissions *found;
	StoreError	error;
	MetaHead	head;

	*permissions = NULL;
	if (caller == NULL)
		return STORE_OK;
	read_head(tree, &head);
	if (!head.auth_enabled)
		return STORE_OK;
	error = caller_permissions(tree, caller, &head, &found);
	if (error != STORE_OK || found->everything)
		return error;
	*permissions = palloc0(sizeof(StorePermissions));
	copy_intervals(&(*permissions)->allowed[STORE_READ], &found->allowed[STORE_READ]);
	copy_intervals(&(*permissions)->allowed[STORE_WRITE], &found->allowed[STORE_WRITE]);
	return STORE_OK;
}

bool
store_item_permitted(const TreeItem *item, const StorePermissions *permissions)
{
	KeyVersion	version;

	return decode_version_key(&item->key, &version) &&
		store_permits(permissions, STORE_READ, version.key, version.key_len, NULL, 0);
}

bool
store_auth_enabled(Relation tree, uint64 *auth_revision)
{
	MetaHead	head;

	read_head(tree, &head);
	*auth_revision = head.auth_revision;
	return head.auth_enabled;
}

/* ----------------------------------------------------------------
 *	Lists
 * ----------------------------------------------------------------
 */

StoreAuthItem *
read_auth_items(Relation tree, const Quorum__StoreMeta *meta, int *nitems)
{
	static const uint8 spaces[] = {SPACE_ROLE, SPACE_USER, SPACE_USER_MAP};
	TreeScan   *scan = tree_scan_begin(tree, TREE_MAIN);
	StoreAuthItem *items = NULL;
	int			max = 0;
	int			n = 0;
	int			i;

	for (i = 0; i < (int) lengthof(spaces); i++)
	{
		TreeKey		seek_key;
		TreeItem	item;
		char		name[TREE_MAX_KEY_BYTES];
		uint32		name_len = 0;
		bool		seen = false;	/* a version of this name */

		number_tree_key(&seek_key, spaces[i], 0, 0);
		tree_seek(scan, &seek_key);
		while (tree_next(scan, &item) && item.key.space == spaces[i])
		{
			StoreAuthItem *copy;

			CHECK_FOR_INTERRUPTS();
			if (auth_item_revision(&item.key) > meta->auth_revision)
				continue;
			if (seen && bytes_equal(item.key.data, item.key.len, name, name_len))
				continue;
			seen = true;
			memcpy(name, item.key.data, item.key.len);
			name_len = item.key.len;
			if (item.value == NULL && !tree_scan_value(scan, &item))
				continue;
			if (item.value_len == 0)
				continue;

			if (n == max)
			{
				max = Max(max * 2, 16);
				items = items == NULL ? palloc(max * sizeof(*items)) :
					repalloc_huge(items, max * sizeof(*items));
			}
			copy = &items[n++];
			copy->key = item.key;
			copy->key.data = memcpy(palloc(name_len + 1), name, name_len);
			((char *) copy->key.data)[name_len] = '\0';
			copy->value = memcpy(palloc(item.value_len + 1), item.value, item.value_len);
			((char *) copy->value)[item.value_len] = '\0';
			copy->value_len = item.value_len;
		}
	}
	tree_scan_end(scan);
	*nitems = n;
	return items;
}

/*
 * Users, roles and the user map as of one auth revision, which is returned in
 * *auth_revision; all is read again when it has moved meanwhile.
 */
static StoreAuthItem *
read_all(Relation tree, int *nitems, uint64 *auth_revision)
{
	for (;;)
	{
		Quorum__StoreMeta *meta = store_read_meta(tree);
		StoreAuthItem *items = read_auth_items(tree, meta, nitems);
		MetaHead	head;

		read_head(tree, &head);
		if (head.auth_revision == meta->auth_revision)
		{
			*auth_revision = head.auth_revision;
			return items;
		}
		CHECK_FOR_INTERRUPTS();
	}
}

StoreError
store_read_auth(Relation tree, const StoreCaller *caller, StoreAuthList *list)
{
	Authpb__User *self = NULL;
	StoreAuthItem *items;
	StoreError	error;
	MetaHead	head;
	uint64		shown_revision;
	int			n;
	int			i;

	memset(list, 0, sizeof(*list));

	/* what is shown must be of the state in which the caller was asked about */
	do
	{
		CHECK_FOR_INTERRUPTS();
		read_head(tree, &head);
		error = store_check_admin(tree, caller);
		if (error == STORE_PERMISSION_DENIED)
		{
			/* who is not root sees itself, and the roles it has */
			self = find_user(tree, caller, head.auth_revision, &error);
		}
		else
			self = NULL;
		if (error != STORE_OK)
			return error;
		items = read_all(tree, &n, &shown_revision);
	} while (shown_revision != head.auth_revision);

	for (i = 0; i < n; i++)
	{
		if (items[i].key.space == SPACE_USER)
		{
			Authpb__User *user = (Authpb__User *)
				auth_unpack(&authpb__user__descriptor, items[i].value, items[i].value_len);

			if (self == NULL || bytes_equal((char *) self->name.data, self->name.len,
											(char *) user->name.data, user->name.len))
				list->users = lappend(list->users, user);
		}
		else if (items[i].key.space == SPACE_ROLE)
		{
			bool		shown = self == NULL;
			size_t		j;

			for (j = 0; self != NULL && j < self->n_roles; j++)
				shown |= strcmp(self->roles[j], items[i].key.data) == 0;
			if (shown)
				list->roles = lappend(list->roles,
									  auth_unpack(&authpb__role__descriptor, items[i].value, items[i].value_len));
		}
		else if (self == NULL ||
				 bytes_equal((char *) self->name.data, self->name.len,
							 items[i].value, items[i].value_len))
		{
			Quorum__UserMapRequest *entry = palloc(sizeof(*entry));

			quorum__user_map_request__init(entry);
			entry->role_name = (char *) items[i].key.data;
			entry->user_name = (char *) items[i].value;
			list->map = lappend(list->map, entry);
		}
	}
	return STORE_OK;
}

Authpb__User *
store_find_user(Relation tree, const char *name, uint64 *auth_revision)
{
	MetaHead	head;

	read_head(tree, &head);
	for (;;)
	{
		Authpb__User *user = read_user(tree, name, head.auth_revision);
		MetaHead	after;

		read_head(tree, &after);
		if (after.auth_revision == head.auth_revision)
		{
			*auth_revision = head.auth_revision;
			return user;
		}
		head = after;
		CHECK_FOR_INTERRUPTS();
	}
}
