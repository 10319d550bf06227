/*-------------------------------------------------------------------------
 *
 * health.c
 *	  The service grpc.health.v1.Health.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/health.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "gateway/call.h"

#include "health.pb-c.h"

static void
check(Call *call, const ProtobufCMessage *message)
{
	Grpc__Health__V1__HealthCheckResponse response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;

	response.status = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
	call_reply(call, &response.base);
}

const Method health_methods[] = {
	{
		.path = "/grpc.health.v1.Health/Check",
		.request = &grpc__health__v1__health_check_request__descriptor,
		.response = &grpc__health__v1__health_check_response__descriptor,
		.message = check,
		.without_store = true
	},
	{NULL}
};
