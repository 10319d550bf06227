/*-------------------------------------------------------------------------
 *
 * admit.c
 *	  May a call be served by this member in its present state?
 *
 * A learner has no say, and may be far behind: it tells about itself, reads what it
 * has for those who do not mind, and gives its copy away.  Everything else clients shall
 * ask of another member.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/admit.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "gateway/admit.h"
#include "gateway/errors.h"
#include "gateway/leader.h"
#include "member/member.h"

static const char *const learner_paths[] = {
	"/etcdserverpb.Maintenance/Status",
	"/etcdserverpb.Maintenance/Snapshot",
	"/grpc.health.v1.Health/Check",
	"/grpc.health.v1.Health/Watch",
};

static bool
learner_serves(const Call *call, const ProtobufCMessage *message)
{
	int			i;

	if (message->descriptor == &etcdserverpb__range_request__descriptor)
		return ((const Etcdserverpb__RangeRequest *) message)->serializable &&
			!call->method->server_streams;
	for (i = 0; i < (int) lengthof(learner_paths); i++)
	{
		if (strcmp(call->method->path, learner_paths[i]) == 0)
			return true;
	}
	return false;
}

bool
admit_call(Call *call, const ProtobufCMessage *message)
{
	if (unlikely(member_is_learner()) && !learner_serves(call, message))
	{
		errors_finish_with(call, &error_learner);
		return false;
	}
	return leader_check(call);
}
