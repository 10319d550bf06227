/*-------------------------------------------------------------------------
 *
 * auth.h
 *	  Users, roles and their permissions, in the state machine.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/auth.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_STORE_AUTH_H
#define PGQ_STORE_AUTH_H

#include "nodes/pg_list.h"

#include "store/permission.h"
#include "store/store_int.h"

/* Longest name of a user or role; their items must fit */
#define AUTH_MAX_NAME_BYTES		STORE_MAX_KEY_BYTES

/* Largest user or role, packed: each is an item of the tree, and in the memory of the worker */
#define AUTH_MAX_ITEM_BYTES		((size_t) 16 * 1024 * 1024)

/* Longest verifier of a password that is taken */
#define AUTH_MAX_VERIFIER_BYTES 1024

/*
 * One user (packed authpb.User), role (packed authpb.Role) or entry of the user map
 * (a user's name), as of the last applied command.  stored and older are the
 * auth revisions of the versions in the tree.
 */
typedef struct AuthItem
{
	char	   *name;
	uint32		name_len;
	char	   *data;			/* NULL: there is none of this name (any more) */
	uint32		len;
	bool		dirty;			/* changed by the batch */
	uint64		stored;			/* newest version in the tree; 0: none */
	uint64		older;			/* the one before; 0: none */
	StorePermissions *permissions;	/* of a user, made when first asked for */
	uint64		permissions_revision;	/* auth revision they were made at */
} AuthItem;

/* The items of one keyspace, by name */
typedef struct AuthTable
{
	uint8		space;
	AuthItem  **items;
	int			n;
	int			max;
} AuthTable;

#define AUTH_ROLES	0			/* in the order of the keyspaces */
#define AUTH_USERS	1
#define AUTH_MAP	2
#define AUTH_TABLES 3

typedef struct AuthState
{
	MemoryContext context;		/* the tables and items */
	MemoryContext permission_context;	/* reset when the auth revision moves */
	AuthTable	tables[AUTH_TABLES];
	bool		dirty;			/* the batch has changed something */
} AuthState;

/* auth.c: the state, and its way to the tree */
extern AuthState *auth_load(Store *store, Relation tree);
extern AuthItem *auth_find(AuthTable *table, const char *name, uint32 len);
extern AuthItem *auth_enter(Store *store, AuthTable *table, const char *name, uint32 len);
extern void auth_set(Store *store, AuthItem *item, const char *data, uint32 len);
extern void auth_revise(Store *store);
extern void auth_write(Store *store, int table, ChangeSlice *slice);
extern void auth_written(Store *store);

/* auth_apply.c: commands, and who may give which */
extern StoreError auth_validate(const Quorum__Command *command);
extern StoreError auth_permit(Store *store, const Quorum__Command *command);
extern StoreError auth_has_root(Store *store);
extern StoreError auth_apply(Store *store, const Quorum__Command *command);

/* access.c: a user, role or entry of the map, read from the tree; a zero byte follows
 * both the name and the value */
typedef struct StoreAuthItem
{
	TreeKey		key;
	char	   *value;
	uint32		value_len;
} StoreAuthItem;

/*
 * All of them as of the meta's auth revision, in key order, in the current
 * memory context.  The caller must see that the auth revision has not moved since.
 */
extern StoreAuthItem *read_auth_items(Relation tree, const Quorum__StoreMeta *meta,
									  int *nitems);

/* a user or role from its item, in the current memory context; ERROR if damaged */
extern ProtobufCMessage *auth_unpack(const ProtobufCMessageDescriptor *descriptor,
									 const char *data, uint32 len);

/* how items lie in the tree */
extern void auth_tree_key(TreeKey *tree_key, uint8 space, const char *name, uint32 len,
						  uint64 auth_revision);
static inline uint64
auth_item_revision(const TreeKey *tree_key)
{
	return ~tree_key->major;
}

static inline bool
auth_is_space(uint8 space)
{
	return space == SPACE_ROLE || space == SPACE_USER || space == SPACE_USER_MAP;
}

#endif							/* PGQ_STORE_AUTH_H */
