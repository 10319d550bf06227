/*-------------------------------------------------------------------------
 *
 * model_auth.h
 *	  Users and roles in the model: what should come out.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/store/model_auth.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_TEST_MODEL_AUTH_H
#define PGQ_TEST_MODEL_AUTH_H

#include "model.h"

#define MODEL_AUTH_NAMES	24	/* of each kind; generators use fewer */
#define MODEL_AUTH_RANGES	512

typedef struct ModelPermission
{
	char		role[16];
	int			type;
	ProtobufCBinaryData key;
	ProtobufCBinaryData end;
} ModelPermission;

/* A user, or an entry of the user map; roles are in pairs of user and role */
typedef struct ModelAuth
{
	bool		enabled;
	uint64		revision;
	char		users[MODEL_AUTH_NAMES][16];
	char		passwords[MODEL_AUTH_NAMES][16];
	bool		no_password[MODEL_AUTH_NAMES];
	int			nusers;
	char		roles[MODEL_AUTH_NAMES][16];
	int			nroles;
	char		granted[MODEL_AUTH_RANGES][2][16];	/* user, role */
	int			ngranted;
	char		map[MODEL_AUTH_NAMES][2][16];	/* PostgreSQL's role, user */
	int			nmap;
	ModelPermission permissions[MODEL_AUTH_RANGES];
	int			npermissions;
} ModelAuth;

extern ModelAuth *model_auth_create(void);
extern StoreError model_auth_permit(Model *model, const Quorum__Command *command);
extern StoreError model_auth_check(Model *model, const char *user, const char *role,
								   uint64 auth_revision, bool write,
								   ProtobufCBinaryData key, ProtobufCBinaryData end);
extern bool model_auth_is_root(Model *model, const char *user, const char *role);
extern bool model_auth_any(Model *model);
extern void model_auth_import(Model *model, Quorum__CopyChunk *const *chunks, int nchunks);
extern StoreError model_auth_apply(Model *model, const Quorum__Command *command);

#endif							/* PGQ_TEST_MODEL_AUTH_H */
