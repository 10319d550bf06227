/*-------------------------------------------------------------------------
 *
 * errors.c
 *	  What SQL says when the state machine refuses a request.
 *
 * One table, so that the same refusal has the same SQLSTATE and words
 * wherever it comes from: the check before a proposal, a read, or the result
 * of a command.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/sql/errors.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "sql.h"

#include "settings.h"

/* What an error's detail needs beside its text */
typedef enum DetailKind
{
	DETAIL_NONE,
	DETAIL_KEY_LIMIT,			/* bytes of a key */
	DETAIL_REQUEST_LIMIT,		/* bytes of a request */
	DETAIL_OPS_LIMIT,			/* operations of a transaction */
	DETAIL_TTL_LIMIT,			/* seconds of a lease */
	DETAIL_REVISIONS			/* compacted and current revision */
} DetailKind;

typedef struct ErrorText
{
	StoreError	error;
	int			sqlstate;
	const char *message;
	DetailKind	detail;
	const char *hint;			/* or NULL */
} ErrorText;

static const ErrorText error_texts[] = {
	{STORE_EMPTY_KEY, ERRCODE_INVALID_PARAMETER_VALUE,
		"key must not be empty",
		DETAIL_NONE,
	"The empty key stands for all keys together with prefix => true."},
	{STORE_KEY_TOO_LARGE, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
		"key is too long",
	DETAIL_KEY_LIMIT, NULL},
	{STORE_REQUEST_TOO_LARGE, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
		"request is too large",
		DETAIL_REQUEST_LIMIT,
	"Split the request, or raise \"pg_quorum.max_request_bytes\" on every member."},
	{STORE_TOO_MANY_OPS, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
		"too many operations in a transaction",
		DETAIL_OPS_LIMIT,
	"Split the transaction, or raise \"pg_quorum.max_txn_ops\" on every member."},
	{STORE_DUPLICATE_KEY, ERRCODE_INVALID_PARAMETER_VALUE,
		"a transaction cannot write a key twice",
		DETAIL_NONE,
	"Operations of which only one can be carried out belong into the success and failure lists of one transaction."},
	{STORE_COMPACTED, ERRCODE_INVALID_PARAMETER_VALUE,
		"requested revision has been compacted",
	DETAIL_REVISIONS, NULL},
	{STORE_FUTURE_REVISION, ERRCODE_INVALID_PARAMETER_VALUE,
		"requested revision is in the future",
	DETAIL_REVISIONS, NULL},
	{STORE_LEASE_NOT_FOUND, ERRCODE_UNDEFINED_OBJECT,
		"lease does not exist",
	DETAIL_NONE, NULL},
	{STORE_VALUE_PROVIDED, ERRCODE_INVALID_PARAMETER_VALUE,
		"a value cannot be given together with ignore_value",
		DETAIL_NONE,
	"Pass the empty value with ignore_value => true."},
	{STORE_LEASE_PROVIDED, ERRCODE_INVALID_PARAMETER_VALUE,
		"a lease cannot be given together with ignore_lease",
	DETAIL_NONE, NULL},
	{STORE_KEY_NOT_FOUND, ERRCODE_INVALID_PARAMETER_VALUE,
		"key does not exist",
		DETAIL_NONE,
	"ignore_value and ignore_lease need an existing key, and each operation of a transaction a request."},
	{STORE_INVALID_SORT, ERRCODE_INVALID_PARAMETER_VALUE,
		"invalid sort option",
	DETAIL_NONE, NULL},
	{STORE_NO_SPACE, ERRCODE_DISK_FULL,
		"store has reached its size limit",
		DETAIL_NONE,
	"Delete keys, compact old revisions, or make room on the disk; then call quorum.alarm_disarm()."},
	{STORE_CORRUPT, ERRCODE_DATA_CORRUPTED,
		"store is corrupted",
		DETAIL_NONE,
	"See quorum.alarms for the member, run quorum.check() on it, and replace its data; then call quorum.alarm_disarm()."},
	{STORE_INVALID_REQUEST, ERRCODE_INVALID_PARAMETER_VALUE,
		"invalid request",
	DETAIL_NONE, NULL},
	{STORE_LEASE_EXISTS, ERRCODE_DUPLICATE_OBJECT,
		"lease already exists",
	DETAIL_NONE, NULL},
	{STORE_LEASE_TTL_TOO_LARGE, ERRCODE_INVALID_PARAMETER_VALUE,
		"time to live of a lease is too large",
	DETAIL_TTL_LIMIT, NULL},
	{STORE_PERMISSION_DENIED, ERRCODE_INSUFFICIENT_PRIVILEGE,
		"permission denied by the store's users and roles",
		DETAIL_NONE,
	"See quorum.users and quorum.roles, or ask one who has the role root."},
	{STORE_USER_EMPTY, ERRCODE_INSUFFICIENT_PRIVILEGE,
		"permission denied: role is no user of the store",
		DETAIL_NONE,
	"Authentication is enabled; a user of the store is made with quorum.user_add(), and quorum.user_map() lets a role act as one."},
	{STORE_AUTH_OLD_REVISION, ERRCODE_INSUFFICIENT_PRIVILEGE,
		"users or roles have changed since authentication",
	DETAIL_NONE, NULL},
	{STORE_AUTH_NOT_ENABLED, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
		"authentication is not enabled",
	DETAIL_NONE, NULL},
	{STORE_ROOT_USER_NOT_FOUND, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
		"user \"root\" does not exist",
		DETAIL_NONE,
	"Create it with quorum.user_add('root', password) and grant it the role root."},
	{STORE_ROOT_ROLE_NOT_GRANTED, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
		"user \"root\" does not have the role root",
		DETAIL_NONE,
	"Grant it with quorum.user_grant_role('root', 'root')."},
	{STORE_USER_EXISTS, ERRCODE_DUPLICATE_OBJECT,
		"user already exists",
	DETAIL_NONE, NULL},
	{STORE_USER_NOT_FOUND, ERRCODE_UNDEFINED_OBJECT,
		"user does not exist",
	DETAIL_NONE, NULL},
	{STORE_ROLE_EXISTS, ERRCODE_DUPLICATE_OBJECT,
		"role already exists",
	DETAIL_NONE, NULL},
	{STORE_ROLE_NOT_FOUND, ERRCODE_UNDEFINED_OBJECT,
		"role does not exist",
	DETAIL_NONE, NULL},
	{STORE_ROLE_NOT_GRANTED, ERRCODE_UNDEFINED_OBJECT,
		"role is not granted to the user",
	DETAIL_NONE, NULL},
	{STORE_PERMISSION_NOT_GRANTED, ERRCODE_UNDEFINED_OBJECT,
		"permission is not granted to the role",
		DETAIL_NONE,
	"A permission is revoked by exactly the key and range_end it was granted for."},
	{STORE_INVALID_AUTH_MANAGEMENT, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
		"root must keep its rights while authentication is enabled",
	DETAIL_NONE, NULL},
	{STORE_ROLE_EMPTY, ERRCODE_INVALID_PARAMETER_VALUE,
		"name of a role must not be empty",
	DETAIL_NONE, NULL},
	{STORE_PERMISSION_NOT_GIVEN, ERRCODE_INVALID_PARAMETER_VALUE,
		"no permission is given",
	DETAIL_NONE, NULL},
	{STORE_AUTH_FAILED, ERRCODE_INVALID_PASSWORD,
		"authentication failed",
	DETAIL_NONE, NULL},
	{STORE_INVALID_AUTH_TOKEN, ERRCODE_INVALID_PASSWORD,
		"invalid authentication token",
	DETAIL_NONE, NULL},
	{STORE_MEMBER_NOT_FOUND, ERRCODE_UNDEFINED_OBJECT,
		"member does not exist",
		DETAIL_NONE,
	"See quorum.members."},
	{STORE_MEMBER_EXISTS, ERRCODE_DUPLICATE_OBJECT,
		"member already exists",
	DETAIL_NONE, NULL},
	{STORE_PEER_URL_EXISTS, ERRCODE_DUPLICATE_OBJECT,
		"another member has this conninfo",
	DETAIL_NONE, NULL},
	{STORE_NOT_ENOUGH_STARTED, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
		"the change would leave the cluster without a running quorum",
		DETAIL_NONE,
	"Start the members that are not running, or remove them first."},
	{STORE_UNHEALTHY, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
		"not all members have been connected for long enough",
		DETAIL_NONE,
	"Wait until quorum.members shows all of them connected, or remove those that are gone."},
	{STORE_LEARNER_NOT_READY, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
		"learner has not caught up with the leader",
	DETAIL_NONE, NULL},
	{STORE_NOT_A_LEARNER, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
		"only a learner can be promoted",
	DETAIL_NONE, NULL},
	{STORE_TOO_MANY_LEARNERS, ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
		"too many learners",
	DETAIL_NONE, NULL},
	{STORE_NOT_LEADER, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
		"member does not lead",
	DETAIL_NONE, NULL},
	{STORE_BAD_TRANSFEREE, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
		"leadership can only be handed to another voter",
	DETAIL_NONE, NULL},
	{STORE_TOO_MANY_MEMBERS, ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
		"cluster has as many members as it can have",
		DETAIL_NONE,
	"Remove a member first."},
	{STORE_NO_CONNINFO, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
		"a present member has no conninfo by which a new one could reach it",
		DETAIL_NONE,
	"Give it one with quorum.member_update(name, conninfo)."},
	{STORE_NOT_A_NUMBER, ERRCODE_INVALID_TEXT_REPRESENTATION,
		"value of the key is not a whole number",
	DETAIL_NONE, NULL},
	{STORE_NUMBER_OUT_OF_RANGE, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
		"number is out of range",
	DETAIL_NONE, NULL},
	{STORE_IMPORT_NOT_EMPTY, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
		"the store is not empty",
		DETAIL_NONE,
	"Pass replace => true to delete all keys, users and roles and put the copy in their place."},
	{STORE_IMPORT_REVISION, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
		"the store has gone beyond revisions of the copy",
		DETAIL_REVISIONS,
	"Pass revision => 'bump', or a greater revision, to import them as later ones."},
	{STORE_IMPORT_OVERTAKEN, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
		"another import has begun, or this one was discarded",
	DETAIL_NONE, NULL},
	{STORE_IMPORT_DAMAGED, ERRCODE_INVALID_BINARY_REPRESENTATION,
		"copy is damaged",
	DETAIL_NONE, NULL},
};

static const ErrorText *
find_error_text(StoreError error)
{
	int			i;

	for (i = 0; i < (int) lengthof(error_texts); i++)
	{
		if (error_texts[i].error == error)
			return &error_texts[i];
	}
	return NULL;
}

static int
report_detail(DetailKind kind, int64 revision, int64 compacted_revision)
{
	switch (kind)
	{
		case DETAIL_NONE:
			break;
		case DETAIL_KEY_LIMIT:
			return errdetail("The limit is %d bytes.", STORE_MAX_KEY_BYTES);
		case DETAIL_REQUEST_LIMIT:
			return errdetail("The limit is %d bytes.", setting_max_request_bytes);
		case DETAIL_OPS_LIMIT:
			return errdetail("The limit is %d operations.", setting_max_txn_ops);
		case DETAIL_TTL_LIMIT:
			return errdetail("The limit is %lld seconds.", (long long) STORE_MAX_LEASE_TTL);
		case DETAIL_REVISIONS:
			return errdetail("The compacted revision is %lld, the current revision is %lld.",
							 (long long) compacted_revision, (long long) revision);
	}
	return 0;
}

/*
 * sql_raise
 *
 * An error that this version does not know can only come from a member of a
 * later one; its number is all there is to tell.
 */
void
sql_raise(StoreError error, int64 revision, int64 compacted_revision)
{
	const ErrorText *text = find_error_text(error);

	if (text == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("request was refused with error %d", (int) error)));
	ereport(ERROR,
			(errcode(text->sqlstate),
			 errmsg_internal("%s", text->message),
			 report_detail(text->detail, revision, compacted_revision),
			 text->hint != NULL ? errhint("%s", text->hint) : 0));
}
