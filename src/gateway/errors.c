/*-------------------------------------------------------------------------
 *
 * errors.c
 *	  Refusals and failures in etcd's words: a gRPC code and a text.
 *
 * Where nobody knows what became of a request, and where it certainly was not
 * carried out for want of a quorum, etcd says the same: that it has timed out.  So do we:
 * a client must look at the keys in either case.
 *
 * What etcd has no words for (longer keys, imports, PostgreSQL's errors) has a code that
 * means the right thing to clients that do not know the text.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/errors.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "gateway/errors.h"

const CallError error_no_leader = {GRPC_UNAVAILABLE, "etcdserver: no leader"};
const CallError error_timeout = {GRPC_UNAVAILABLE, "etcdserver: request timed out"};
const CallError error_stopped = {GRPC_UNAVAILABLE, "etcdserver: server stopped"};
const CallError error_learner = {GRPC_FAILED_PRECONDITION, "etcdserver: rpc not supported for learner"};
const CallError error_not_capable = {GRPC_FAILED_PRECONDITION, "etcdserver: not capable"};
const CallError error_too_large = {GRPC_INVALID_ARGUMENT, "etcdserver: request is too large"};
const CallError error_cancelled = {GRPC_CANCELLED, "etcdserver: request canceled"};

/* etcd has no code for this on the wire */
const CallError error_too_many_requests = {GRPC_UNKNOWN, "etcdserver: too many requests"};

static const CallError error_no_space =
{GRPC_RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded"};
static const CallError error_corrupt = {GRPC_DATA_LOSS, "etcdserver: corrupt cluster"};
static const CallError error_no_memory = {GRPC_RESOURCE_EXHAUSTED, "etcdserver: out of memory"};
static const CallError error_internal =
{GRPC_UNKNOWN, "etcdserver: internal error, see the server's log"};

typedef struct StoreText
{
	StoreError	error;
	CallError	told;
} StoreText;

static const StoreText store_texts[] = {
	{STORE_EMPTY_KEY, {GRPC_INVALID_ARGUMENT, "etcdserver: key is not provided"}},
	{STORE_KEY_TOO_LARGE, {GRPC_INVALID_ARGUMENT, "etcdserver: key is too long"}},
	{STORE_REQUEST_TOO_LARGE, {GRPC_INVALID_ARGUMENT, "etcdserver: request is too large"}},
	{STORE_TOO_MANY_OPS, {GRPC_INVALID_ARGUMENT, "etcdserver: too many operations in txn request"}},
	{STORE_DUPLICATE_KEY, {GRPC_INVALID_ARGUMENT, "etcdserver: duplicate key given in txn request"}},
	{STORE_COMPACTED, {GRPC_OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted"}},
	{STORE_FUTURE_REVISION, {GRPC_OUT_OF_RANGE, "etcdserver: mvcc: required revision is a future revision"}},
	{STORE_LEASE_NOT_FOUND, {GRPC_NOT_FOUND, "etcdserver: requested lease not found"}},
	{STORE_VALUE_PROVIDED, {GRPC_INVALID_ARGUMENT, "etcdserver: value is provided"}},
	{STORE_LEASE_PROVIDED, {GRPC_INVALID_ARGUMENT, "etcdserver: lease is provided"}},
	{STORE_KEY_NOT_FOUND, {GRPC_INVALID_ARGUMENT, "etcdserver: key not found"}},
	{STORE_INVALID_SORT, {GRPC_INVALID_ARGUMENT, "etcdserver: invalid sort option"}},
	{STORE_NO_SPACE, {GRPC_RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded"}},
	{STORE_CORRUPT, {GRPC_DATA_LOSS, "etcdserver: corrupt cluster"}},
	{STORE_INVALID_REQUEST, {GRPC_INVALID_ARGUMENT, "etcdserver: invalid request"}},
	{STORE_LEASE_EXISTS, {GRPC_FAILED_PRECONDITION, "etcdserver: lease already exists"}},
	{STORE_LEASE_TTL_TOO_LARGE, {GRPC_OUT_OF_RANGE, "etcdserver: too large lease TTL"}},
	{STORE_PERMISSION_DENIED, {GRPC_PERMISSION_DENIED, "etcdserver: permission denied"}},
	{STORE_USER_EMPTY, {GRPC_INVALID_ARGUMENT, "etcdserver: user name is empty"}},
	{STORE_AUTH_OLD_REVISION, {GRPC_INVALID_ARGUMENT, "etcdserver: revision of auth store is old"}},
	{STORE_AUTH_NOT_ENABLED, {GRPC_FAILED_PRECONDITION, "etcdserver: authentication is not enabled"}},
	{STORE_ROOT_USER_NOT_FOUND, {GRPC_FAILED_PRECONDITION, "etcdserver: root user does not exist"}},
	{STORE_ROOT_ROLE_NOT_GRANTED, {GRPC_FAILED_PRECONDITION, "etcdserver: root user does not have root role"}},
	{STORE_USER_EXISTS, {GRPC_FAILED_PRECONDITION, "etcdserver: user name already exists"}},
	{STORE_USER_NOT_FOUND, {GRPC_FAILED_PRECONDITION, "etcdserver: user name not found"}},
	{STORE_ROLE_EXISTS, {GRPC_FAILED_PRECONDITION, "etcdserver: role name already exists"}},
	{STORE_ROLE_NOT_FOUND, {GRPC_FAILED_PRECONDITION, "etcdserver: role name not found"}},
	{STORE_ROLE_NOT_GRANTED, {GRPC_FAILED_PRECONDITION, "etcdserver: role is not granted to the user"}},
	{STORE_PERMISSION_NOT_GRANTED, {GRPC_FAILED_PRECONDITION, "etcdserver: permission is not granted to the role"}},
	{STORE_INVALID_AUTH_MANAGEMENT, {GRPC_INVALID_ARGUMENT, "etcdserver: invalid auth management"}},
	{STORE_ROLE_EMPTY, {GRPC_INVALID_ARGUMENT, "etcdserver: role name is empty"}},
	{STORE_PERMISSION_NOT_GIVEN, {GRPC_INVALID_ARGUMENT, "etcdserver: permission not given"}},
	{STORE_AUTH_FAILED, {GRPC_INVALID_ARGUMENT, "etcdserver: authentication failed, invalid user ID or password"}},
	{STORE_INVALID_AUTH_TOKEN, {GRPC_UNAUTHENTICATED, "etcdserver: invalid auth token"}},
	{STORE_MEMBER_NOT_FOUND, {GRPC_NOT_FOUND, "etcdserver: member not found"}},
	{STORE_MEMBER_EXISTS, {GRPC_FAILED_PRECONDITION, "etcdserver: member ID already exist"}},
	{STORE_PEER_URL_EXISTS, {GRPC_FAILED_PRECONDITION, "etcdserver: Peer URLs already exists"}},
	/* without a code on the wire, as too many requests */
	{STORE_NOT_ENOUGH_STARTED, {GRPC_UNKNOWN, "etcdserver: re-configuration failed due to not enough started members"}},
	{STORE_UNHEALTHY, {GRPC_UNAVAILABLE, "etcdserver: unhealthy cluster"}},
	{STORE_LEARNER_NOT_READY, {GRPC_FAILED_PRECONDITION, "etcdserver: can only promote a learner member which is in sync with leader"}},
	{STORE_NOT_A_LEARNER, {GRPC_FAILED_PRECONDITION, "etcdserver: can only promote a learner member"}},
	{STORE_TOO_MANY_LEARNERS, {GRPC_FAILED_PRECONDITION, "etcdserver: too many learner members in cluster"}},
	{STORE_NOT_LEADER, {GRPC_FAILED_PRECONDITION, "etcdserver: not leader"}},
	{STORE_BAD_TRANSFEREE, {GRPC_FAILED_PRECONDITION, "etcdserver: bad leader transferee"}},
	{STORE_NOT_A_NUMBER, {GRPC_FAILED_PRECONDITION, "etcdserver: value is not a whole number"}},
	{STORE_NUMBER_OUT_OF_RANGE, {GRPC_FAILED_PRECONDITION, "etcdserver: number is out of range"}},
	{STORE_IMPORT_NOT_EMPTY, {GRPC_FAILED_PRECONDITION, "etcdserver: store is not empty"}},
	{STORE_IMPORT_REVISION, {GRPC_FAILED_PRECONDITION, "etcdserver: store has gone beyond revisions of the copy"}},
	{STORE_IMPORT_OVERTAKEN, {GRPC_FAILED_PRECONDITION, "etcdserver: another import has begun"}},
	{STORE_IMPORT_DAMAGED, {GRPC_INVALID_ARGUMENT, "etcdserver: copy is damaged"}},
	{STORE_TOO_MANY_MEMBERS, {GRPC_FAILED_PRECONDITION, "etcdserver: too many members in cluster"}},
	{STORE_NO_CONNINFO, {GRPC_FAILED_PRECONDITION, "etcdserver: member has no peer URL"}},
};

/*
 * An error that this version does not know can only come from a member of a later one.
 */
const CallError *
errors_of_store(StoreError error)
{
	int			i;

	Assert(error != STORE_OK);
	for (i = 0; i < (int) lengthof(store_texts); i++)
	{
		if (store_texts[i].error == error)
			return &store_texts[i].told;
	}
	return &error_internal;
}

const CallError *
errors_of_outcome(MemberCallOutcome outcome)
{
	switch (outcome)
	{
		case MEMBER_CALL_NO_LEADER:
		case MEMBER_CALL_UNKNOWN:
			return &error_timeout;
		case MEMBER_CALL_TOO_BIG:
			return &error_too_large;
		case MEMBER_CALL_NO_SPACE:
			return &error_no_space;
		case MEMBER_CALL_OVERLOADED:
			return &error_too_many_requests;
		case MEMBER_CALL_UNSUPPORTED:
			return &error_not_capable;
		case MEMBER_CALL_STATE:
			return &error_stopped;
		case MEMBER_CALL_DONE:
			Assert(false);
			break;
	}
	return &error_internal;
}

const CallError *
errors_of_sqlstate(int sqlstate)
{
	switch (sqlstate)
	{
		case ERRCODE_CANNOT_CONNECT_NOW:
		case ERRCODE_TRANSACTION_RESOLUTION_UNKNOWN:
		case ERRCODE_LOCK_NOT_AVAILABLE:
			return &error_timeout;
		case ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE:
		case ERRCODE_ADMIN_SHUTDOWN:
			return &error_stopped;
		case ERRCODE_QUERY_CANCELED:
			return &error_cancelled;
		case ERRCODE_PROGRAM_LIMIT_EXCEEDED:
			return &error_too_large;
		case ERRCODE_DISK_FULL:
			return &error_no_space;
		case ERRCODE_OUT_OF_MEMORY:
		case ERRCODE_INSUFFICIENT_RESOURCES:
			return &error_no_memory;
		case ERRCODE_DATA_CORRUPTED:
		case ERRCODE_INDEX_CORRUPTED:
			return &error_corrupt;
		default:
			return &error_internal;
	}
}

void
errors_finish(Call *call, StoreError error)
{
	errors_finish_with(call, errors_of_store(error));
}

void
errors_finish_outcome(Call *call, MemberCallOutcome outcome)
{
	errors_finish_with(call, errors_of_outcome(outcome));
}
