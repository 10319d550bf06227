/*-------------------------------------------------------------------------
 *
 * maintenance.c
 *	  The Maintenance service: alarms, status, who leads.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/maintenance.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "clock.h"
#include "gateway/caller.h"
#include "gateway/errors.h"
#include "gateway/header.h"
#include "gateway/maintenance.h"
#include "gateway/request.h"
#include "gateway/timer.h"
#include "gateway/version.h"
#include "settings.h"
#include "storage/tree.h"
#include "store/store.h"

/* How often it is looked whether leadership has been handed over */
#define LEADER_POLL_MS		5

/* ----------------------------------------------------------------
 *	Alarm
 * ----------------------------------------------------------------
 */

/* A question about alarms */
typedef struct AlarmQuestion
{
	Request		request;
	Etcdserverpb__AlarmType alarm;	/* NONE: any */
} AlarmQuestion;

static void
answer_alarms(Call *call)
{
	const AlarmQuestion *question = call->state;
	Etcdserverpb__AlarmResponse response = ETCDSERVERPB__ALARM_RESPONSE__INIT;
	Etcdserverpb__ResponseHeader header;
	Quorum__StoreMeta *meta;
	size_t		i;
	StoreError	error = caller_require_user(call);

	if (error != STORE_OK)
	{
		errors_finish(call, error);
		return;
	}
	meta = store_read_meta(call_store());
	response.alarms = palloc((meta->n_alarms + 1) * sizeof(void *));
	for (i = 0; i < meta->n_alarms; i++)
	{
		if (question->alarm == ETCDSERVERPB__ALARM_TYPE__NONE ||
			question->alarm == meta->alarms[i]->alarm)
			response.alarms[response.n_alarms++] = meta->alarms[i];
	}
	header_fill(&header, meta->revision);
	response.header = &header;
	call_reply(call, &response.base);
}

static void
reply_alarm(Call *call, Quorum__Result *result)
{
	Etcdserverpb__AlarmResponse response = ETCDSERVERPB__ALARM_RESPONSE__INIT;
	Etcdserverpb__ResponseHeader header;

	header_fill(&header, result->revision);
	response.header = &header;
	if (result->response_case == QUORUM__RESULT__RESPONSE_ALARM)
	{
		response.alarms = result->alarm->alarms;
		response.n_alarms = result->alarm->n_alarms;
	}
	call_reply(call, &response.base);
}

static void
change_alarm(Call *call, const Etcdserverpb__AlarmRequest *request)
{
	Quorum__Command command = QUORUM__COMMAND__INIT;
	StoreCaller caller;
	StoreError	error = caller_of_call(call, &caller);

	if (error == STORE_OK && request->alarm == ETCDSERVERPB__ALARM_TYPE__NONE &&
		(request->action == ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__ACTIVATE ||
		 request->action == ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__DEACTIVATE))
	{
		/* the alarm that is none can be turned on and off without effect */
		error = caller_require_admin(call);
		if (error == STORE_OK)
		{
			request_reply_header(call, header_revision());
			return;
		}
	}
	command.op_case = QUORUM__COMMAND__OP_ALARM;
	command.alarm = unconstify(Etcdserverpb__AlarmRequest *, request);
	if (error == STORE_OK)
		error = store_validate(&command, 0, 0);
	if (error != STORE_OK)
		errors_finish(call, error);
	else
		request_execute(call, &command, reply_alarm);
}

/* What asks only is answered without an entry in the log */
static void
alarm_message(Call *call, const ProtobufCMessage *message)
{
	const Etcdserverpb__AlarmRequest *request = (const Etcdserverpb__AlarmRequest *) message;
	AlarmQuestion *question;

	if (request->action == ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__GET)
	{
		question = request_new(call, sizeof(AlarmQuestion));
		question->alarm = request->alarm;
		request_barrier(call, answer_alarms);
	}
	else
		change_alarm(call, request);
}

/* ----------------------------------------------------------------
 *	Status
 * ----------------------------------------------------------------
 */

/* What is wrong, as etcd says it */
static void
fill_errors(Etcdserverpb__StatusResponse *response, const Quorum__StoreMeta *meta)
{
	size_t		max = 1 + (meta != NULL ? meta->n_alarms : 0);
	size_t		i;

	response->errors = palloc(max * sizeof(char *));
	if (response->leader == 0)
		response->errors[response->n_errors++] = "etcdserver: no leader";
	for (i = 0; meta != NULL && i < meta->n_alarms; i++)
		response->errors[response->n_errors++] =
			psprintf("memberID:%llu alarm:%s ", (unsigned long long) meta->alarms[i]->memberid,
					 meta->alarms[i]->alarm == ETCDSERVERPB__ALARM_TYPE__NOSPACE ? "NOSPACE" : "CORRUPT");
}

/* Of this member as it is, with or without a quorum, and a store */
static void
status_message(Call *call, const ProtobufCMessage *message)
{
	Etcdserverpb__StatusResponse response = ETCDSERVERPB__STATUS_RESPONSE__INIT;
	Etcdserverpb__ResponseHeader header;
	Etcdserverpb__DowngradeInfo downgrade = ETCDSERVERPB__DOWNGRADE_INFO__INIT;
	MemberStatus status;
	Quorum__StoreMeta *meta = NULL;
	TreeStat	stat;

	if (call_store() != NULL)
	{
		StoreError	error = caller_require_user(call);

		if (error != STORE_OK)
		{
			errors_finish(call, error);
			return;
		}
		meta = store_read_meta(call_store());
	}
	member_get_status(&status);
	response.version = GATEWAY_VERSION;
	response.storageversion = GATEWAY_VERSION;
	response.leader = status.leader_id;
	response.raftterm = status.term;
	response.raftindex = status.commit_index;
	response.raftappliedindex = status.applied_index;
	response.islearner = status.role == MEMBER_LEARNER;
	response.dbsizequota = (int64) setting_quota_bytes;
	response.downgradeinfo = &downgrade;
	if (meta != NULL)
	{
		tree_stat(call_store(), &stat);
		response.dbsize = (int64) stat.pages * BLCKSZ;
		response.dbsizeinuse = (int64) (stat.pages - stat.free_pages) * BLCKSZ;
	}
	fill_errors(&response, meta);
	header_fill(&header, meta != NULL ? meta->revision : 0);
	response.header = &header;
	call_reply(call, &response.base);
}

/* ----------------------------------------------------------------
 *	Defragment
 * ----------------------------------------------------------------
 */

/* Pages that have become free are used again as it is */
static void
defragment_message(Call *call, const ProtobufCMessage *message)
{
	StoreError	error = caller_require_admin(call);

	if (error != STORE_OK)
		errors_finish(call, error);
	else
		request_reply_header(call, header_revision());
}

/* ----------------------------------------------------------------
 *	MoveLeader
 * ----------------------------------------------------------------
 */

/* A call that waits until a member leads */
typedef struct LeaderMove
{
	Request		request;
	Timer		timer;
	Call	   *call;
	uint64		target;
	ClockTime	deadline;
} LeaderMove;

/* Does the member lead by now? */
static void
look_at_leader(Timer *timer)
{
	LeaderMove *move = (LeaderMove *) ((char *) timer - offsetof(LeaderMove, timer));
	MemberStatus status;

	member_get_status(&status);
	if (status.leader_id == move->target)
		request_reply_header(move->call, header_revision());
	else if (gateway_now >= move->deadline)
		errors_finish_with(move->call, &error_timeout);
	else
		timer_set(timer, gateway_now + LEADER_POLL_MS * INT64CONST(1000), look_at_leader);
}

/* The leader has begun to hand over, or has refused to */
static void
move_begun(Call *call, const char *answer, uint32 len)
{
	LeaderMove *move = call->state;
	Quorum__Result *result = answer != NULL ? member_change_unpack(answer, len) : NULL;

	if (result == NULL)
		call_finish(call, GRPC_INTERNAL, "etcdserver: the leader's answer cannot be read");
	else if (result->error != STORE_OK)
		errors_finish(call, (StoreError) result->error);
	else
	{
		/* the core gives up after an election timeout */
		move->target = (uint64) result->number;
		move->deadline = clock_plus_ms(gateway_now, Max(3 * setting_election_timeout, 2000));
		timer_set(&move->timer, gateway_now, look_at_leader);
	}
}

/* As in etcd, the leader must be asked itself */
static void
move_leader_message(Call *call, const ProtobufCMessage *message)
{
	Quorum__MemberRequest request = QUORUM__MEMBER_REQUEST__INIT;
	LeaderMove *move;
	MemberStatus status;
	StoreCaller caller;
	char	   *question;
	uint32		len;
	StoreError	error = caller_of_call(call, &caller);

	if (error == STORE_OK)
		error = store_check_admin(call_store(), &caller);
	member_get_status(&status);
	if (error == STORE_OK && status.leader_id != status.member_id)
		error = STORE_NOT_LEADER;
	request.kind = QUORUM__MEMBER_REQUEST__KIND__MOVE_LEADER;
	request.id = ((const Etcdserverpb__MoveLeaderRequest *) message)->targetid;
	if (error == STORE_OK && request.id == 0)
		error = STORE_BAD_TRANSFEREE;
	if (error != STORE_OK)
	{
		errors_finish(call, error);
		return;
	}
	request.user = unconstify(char *, caller.user);
	request.auth_revision = caller.auth_revision;
	move = request_new(call, sizeof(LeaderMove));
	move->call = call;
	question = member_change_pack(&request, &len);
	request_ask_leader(call, QUESTION_MOVE_LEADER, question, len, move_begun);
}

static void
move_leader_ended(Call *call)
{
	LeaderMove *move = call->state;

	request_ended(call);
	if (move != NULL)
		timer_clear(&move->timer);
}

/* ----------------------------------------------------------------
 *	Downgrade
 * ----------------------------------------------------------------
 */

/* Two or three numbers with dots? */
static bool
is_version(const char *text)
{
	int			numbers = 0;

	for (;;)
	{
		size_t		digits = strspn(text, "0123456789");

		if (digits == 0 || digits > 9 || ++numbers > 3)
			return false;
		text += digits;
		if (*text == '\0')
			return numbers >= 2;
		if (*text++ != '.')
			return false;
	}
}

/* The version of etcd is that of an interface: there is no older one to go back to */
static void
downgrade_message(Call *call, const ProtobufCMessage *message)
{
	const Etcdserverpb__DowngradeRequest *request =
		(const Etcdserverpb__DowngradeRequest *) message;
	StoreError	error = caller_require_admin(call);

	if (error != STORE_OK)
	{
		errors_finish(call, error);
		return;
	}
	switch (request->action)
	{
		case ETCDSERVERPB__DOWNGRADE_REQUEST__DOWNGRADE_ACTION__VALIDATE:
		case ETCDSERVERPB__DOWNGRADE_REQUEST__DOWNGRADE_ACTION__ENABLE:
			call_finish(call, GRPC_INVALID_ARGUMENT, is_version(request->version) ?
						"etcdserver: invalid downgrade target version" :
						"etcdserver: wrong downgrade target version format");
			break;
		case ETCDSERVERPB__DOWNGRADE_REQUEST__DOWNGRADE_ACTION__CANCEL:
			call_finish(call, GRPC_FAILED_PRECONDITION, "etcdserver: no inflight downgrade job");
			break;
		default:
			call_finish(call, GRPC_UNKNOWN, "etcdserver: unknown method");
			break;
	}
}

/* ----------------------------------------------------------------
 *	The service
 * ----------------------------------------------------------------
 */

#define MAINTENANCE_METHOD(name, json_path, message_name, function, ended_function) \
	.path = "/etcdserverpb.Maintenance/" name, \
	.json_paths = {"/maintenance/" json_path}, \
	.request = &etcdserverpb__##message_name##request__descriptor, \
	.response = &etcdserverpb__##message_name##response__descriptor, \
	.message = function, \
	.ended = ended_function

const Method maintenance_methods[] = {
	{MAINTENANCE_METHOD("Alarm", "alarm", alarm_, alarm_message, request_ended)},
	{MAINTENANCE_METHOD("Status", "status", status_, status_message, NULL),
	.without_store = true},
	{MAINTENANCE_METHOD("Defragment", "defragment", defragment_, defragment_message,
						NULL)},
	{MAINTENANCE_METHOD("Hash", "hash", hash_, hashing_hash, hashing_ended)},
	{MAINTENANCE_METHOD("HashKV", "hashkv", hash_kv, hashing_hash_kv, hashing_ended)},
	{MAINTENANCE_METHOD("Snapshot", "snapshot", snapshot_, snapshot_message, snapshot_ended),
		.server_streams = true,
	.drained = snapshot_drained},
	{MAINTENANCE_METHOD("MoveLeader", "transfer-leadership", move_leader_, move_leader_message,
						move_leader_ended)},
	{MAINTENANCE_METHOD("Downgrade", "downgrade", downgrade_, downgrade_message,
						NULL)},
	{.path = NULL}
};
