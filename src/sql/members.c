/*-------------------------------------------------------------------------
 *
 * members.c
 *	  The SQL functions that change the cluster's membership.
 *
 * Which changes are allowed is for the leader to say (src/member/reconfigure.c);
 * here only what is wrong by itself is refused.  No message quotes a conninfo,
 * since it may hold a password.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/sql/members.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "member/member.h"
#include "sql.h"

/* Where a member is named: by name (or id in hexadecimal), or by id as bigint */
typedef enum TargetForm
{
	BY_NAME,
	BY_ID
} TargetForm;

/* The name at argno; ERROR 22023 if it is NULL or can be nobody's */
static char *
arg_name(FunctionCallInfo fcinfo, int argno)
{
	char	   *name;
	const char *c;

	sql_require_argument(fcinfo, argno, "name");
	name = text_to_cstring(PG_GETARG_TEXT_PP(argno));
	if (name[0] == '\0' || strlen(name) >= MEMBER_NAME_LEN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid name of a member"),
				 errdetail("A member name has 1 to %d bytes.", MEMBER_NAME_LEN - 1)));
	for (c = name; *c != '\0'; c++)
	{
		if (*c == '=' || *c == ';' || (unsigned char) *c < ' ')
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid name of a member"),
					 errdetail("A member name has no control characters, \"=\" or \";\".")));
	}
	return name;
}

static char *
arg_conninfo(FunctionCallInfo fcinfo, int argno)
{
	char	   *conninfo;

	sql_require_argument(fcinfo, argno, "conninfo");
	conninfo = text_to_cstring(PG_GETARG_TEXT_PP(argno));
	if (!member_conninfo_is_valid(conninfo))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid conninfo of a member"),
				 errhint("Write it as for libpq, host=10.0.1.10 port=5432, or as https://10.0.1.10:5432.")));
	return conninfo;
}

static void
arg_target(FunctionCallInfo fcinfo, int argno, TargetForm form, Quorum__MemberRequest *request)
{
	if (form == BY_NAME)
	{
		request->name = arg_name(fcinfo, argno);
		return;
	}
	sql_require_argument(fcinfo, argno, "id");
	request->id = (uint64) PG_GETARG_INT64(argno);
	if (request->id == 0)
		sql_raise(STORE_MEMBER_NOT_FOUND, 0, 0);
}

static Quorum__Result *
ask_for(const Quorum__Command *caller, Quorum__MemberRequest *request)
{
	request->user = caller->user;
	request->role = caller->role;
	return request->kind == QUORUM__MEMBER_REQUEST__KIND__MOVE_LEADER ?
		member_move_leader(request) : member_change(request);
}

/* Have it done; returns the id of the member concerned */
static uint64
change(Quorum__MemberRequest *request)
{
	Quorum__Command caller = QUORUM__COMMAND__INIT;
	Quorum__Result *result;

	sql_name_caller(&caller);
	result = ask_for(&caller, request);
	if (result->error == STORE_USER_EMPTY && sql_name_caller_now(&caller))
		result = ask_for(&caller, request);
	if (result->error != STORE_OK)
		sql_raise((StoreError) result->error, result->revision, result->compacted_revision);
	return (uint64) result->number;
}

/* member_add(name, conninfo, learner) returns its id */
PG_FUNCTION_INFO_V1(quorum_member_add);
Datum
quorum_member_add(PG_FUNCTION_ARGS)
{
	Quorum__MemberRequest request = QUORUM__MEMBER_REQUEST__INIT;

	sql_require_writable("member_add");
	request.kind = QUORUM__MEMBER_REQUEST__KIND__ADD;
	request.name = arg_name(fcinfo, 0);
	request.conninfo = arg_conninfo(fcinfo, 1);
	request.learner = sql_arg_bool(fcinfo, 2);
	PG_RETURN_INT64((int64) change(&request));
}

static Datum
remove_member(FunctionCallInfo fcinfo, TargetForm form)
{
	Quorum__MemberRequest request = QUORUM__MEMBER_REQUEST__INIT;

	sql_require_writable("member_remove");
	request.kind = QUORUM__MEMBER_REQUEST__KIND__REMOVE;
	arg_target(fcinfo, 0, form, &request);
	(void) change(&request);
	PG_RETURN_VOID();
}

static Datum
promote_member(FunctionCallInfo fcinfo, TargetForm form)
{
	Quorum__MemberRequest request = QUORUM__MEMBER_REQUEST__INIT;

	sql_require_writable("member_promote");
	request.kind = QUORUM__MEMBER_REQUEST__KIND__PROMOTE;
	arg_target(fcinfo, 0, form, &request);
	(void) change(&request);
	PG_RETURN_VOID();
}

static Datum
update_member(FunctionCallInfo fcinfo, TargetForm form)
{
	Quorum__MemberRequest request = QUORUM__MEMBER_REQUEST__INIT;

	sql_require_writable("member_update");
	request.kind = QUORUM__MEMBER_REQUEST__KIND__UPDATE;
	arg_target(fcinfo, 0, form, &request);
	request.conninfo = arg_conninfo(fcinfo, 1);
	(void) change(&request);
	PG_RETURN_VOID();
}

static Datum
move_leader(FunctionCallInfo fcinfo, TargetForm form)
{
	Quorum__MemberRequest request = QUORUM__MEMBER_REQUEST__INIT;

	sql_require_writable("move_leader");
	request.kind = QUORUM__MEMBER_REQUEST__KIND__MOVE_LEADER;
	arg_target(fcinfo, 0, form, &request);
	(void) change(&request);
	PG_RETURN_VOID();
}

/* each by name and by id */
#define TARGET_FORMS(name, function) \
PG_FUNCTION_INFO_V1(quorum_##name##_text); \
Datum quorum_##name##_text(PG_FUNCTION_ARGS) \
{ return function(fcinfo, BY_NAME); } \
PG_FUNCTION_INFO_V1(quorum_##name##_bigint); \
Datum quorum_##name##_bigint(PG_FUNCTION_ARGS) \
{ return function(fcinfo, BY_ID); }

TARGET_FORMS(member_remove, remove_member)
TARGET_FORMS(member_promote, promote_member)
TARGET_FORMS(member_update, update_member)
TARGET_FORMS(move_leader, move_leader)

/* leave(): the member of this session */
PG_FUNCTION_INFO_V1(quorum_leave);
Datum
quorum_leave(PG_FUNCTION_ARGS)
{
	Quorum__MemberRequest request = QUORUM__MEMBER_REQUEST__INIT;
	MemberStatus status;

	sql_require_writable("leave");
	member_get_status(&status);
	if (status.member_id == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the member has not started")));
	request.kind = QUORUM__MEMBER_REQUEST__KIND__REMOVE;
	request.id = status.member_id;
	(void) change(&request);
	PG_RETURN_VOID();
}
