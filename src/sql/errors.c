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
	"Delete keys and compact old revisions."},
	{STORE_CORRUPT, ERRCODE_DATA_CORRUPTED,
		"store is corrupted",
		DETAIL_NONE,
	"Run quorum.check() on every member."},
	{STORE_INVALID_REQUEST, ERRCODE_INVALID_PARAMETER_VALUE,
		"invalid request",
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
