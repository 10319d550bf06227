/*-------------------------------------------------------------------------
 *
 * health.c
 *	  The health service of gRPC, by which load balancers and clients choose servers.
 *
 * There is one service to ask for, the server as a whole, by the empty name.  It is there while this
 * member takes part in its cluster, whether that has a leader at the moment or not: the members
 * that are left must not all vanish from a balancer because they elect one.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/health.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "health.pb-c.h"
#include "lib/ilist.h"

#include "gateway/call.h"
#include "gateway/health.h"
#include "member/member.h"

/* How often it is looked at for those who watch */
#define HEALTH_PERIOD_MS	250

typedef Grpc__Health__V1__HealthCheckResponse__ServingStatus ServingStatus;

#define STATUS_SERVING		GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
#define STATUS_NOT_SERVING	GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING
#define STATUS_UNKNOWN		GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN

typedef struct HealthWatch
{
	dlist_node	node;
	Call	   *call;
	ServingStatus told;
} HealthWatch;

static dlist_head watches = DLIST_STATIC_INIT(watches);

bool
health_is_serving(void)
{
	MemberStatus status;

	member_get_status(&status);
	return status.role == MEMBER_FOLLOWER || status.role == MEMBER_CANDIDATE ||
		status.role == MEMBER_LEADER || status.role == MEMBER_LEARNER;
}

static ServingStatus
present_status(void)
{
	return health_is_serving() ? STATUS_SERVING : STATUS_NOT_SERVING;
}

static const char *
service_of(const ProtobufCMessage *message)
{
	return ((const Grpc__Health__V1__HealthCheckRequest *) message)->service;
}

static void
check_message(Call *call, const ProtobufCMessage *message)
{
	Grpc__Health__V1__HealthCheckResponse response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;

	if (service_of(message)[0] != '\0')
	{
		call_finish(call, GRPC_NOT_FOUND, "unknown service");
		return;
	}
	response.status = present_status();
	call_reply(call, &response.base);
}

static void
check_ended(Call *call)
{
}

static void
tell(Call *call, ServingStatus status)
{
	Grpc__Health__V1__HealthCheckResponse response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;

	response.status = status;
	call_send(call, &response.base);
}

/* A service that is not known may become so, says the protocol; here none will */
static void
watch_message(Call *call, const ProtobufCMessage *message)
{
	HealthWatch *watch;

	if (service_of(message)[0] != '\0')
	{
		tell(call, STATUS_UNKNOWN);
		return;
	}
	watch = MemoryContextAllocZero(call->context, sizeof(HealthWatch));
	watch->call = call;
	watch->told = present_status();
	call->state = watch;
	dlist_push_tail(&watches, &watch->node);
	tell(call, watch->told);
}

static void
watch_ended(Call *call)
{
	HealthWatch *watch = call->state;

	if (watch != NULL)
		dlist_delete(&watch->node);
}

long
health_turn(void)
{
	ServingStatus status;
	dlist_iter	iter;

	if (dlist_is_empty(&watches))
		return -1;
	status = present_status();
	dlist_foreach(iter, &watches)
	{
		HealthWatch *watch = dlist_container(HealthWatch, node, iter.cur);

		/* who does not read is told the newest when it does */
		if (watch->told == status || call_is_congested(watch->call))
			continue;
		watch->told = status;
		tell(watch->call, status);
	}
	return HEALTH_PERIOD_MS;
}

const Method health_methods[] = {
	{
		.path = "/grpc.health.v1.Health/Check",
		.request = &grpc__health__v1__health_check_request__descriptor,
		.response = &grpc__health__v1__health_check_response__descriptor,
		.message = check_message,
		.ended = check_ended,
		.without_store = true
	},
	{
		.path = "/grpc.health.v1.Health/Watch",
		.request = &grpc__health__v1__health_check_request__descriptor,
		.response = &grpc__health__v1__health_check_response__descriptor,
		.server_streams = true,
		.message = watch_message,
		.ended = watch_ended,
		.without_store = true
	},
	{.path = NULL}
};
