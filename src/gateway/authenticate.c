/*-------------------------------------------------------------------------
 *
 * authenticate.c
 *	  Auth/Authenticate, and whatever else takes the hashing of a password.
 *
 * Hashing takes some milliseconds of computing, on purpose.  All of the gateway's clients share
 * one process; so passwords wait in a queue of bounded length, one is hashed in a turn, and
 * then the others have the process for as long as that took before the next is.  A flood of
 * attempts costs the others half of their throughput at most, and a few milliseconds of
 * latency.  Calls with a token never wait here.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/authenticate.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "clock.h"
#include "gateway/authenticate.h"
#include "gateway/errors.h"
#include "gateway/header.h"
#include "gateway/token.h"
#include "store/password.h"
#include "store/store.h"

/* Passwords that wait at a time: at a few ms each they take about as long as a client waits */
#define HASH_QUEUE_LENGTH	512

static dlist_head queue = DLIST_STATIC_INIT(queue);
static int	queue_length = 0;
static ClockTime next_job_at = 0; /* not before */

/* ----------------------------------------------------------------
 *	The queue
 * ----------------------------------------------------------------
 */

HashJob *
hash_job_new(Call *call, const char *name, const char *password)
{
	HashJob    *job = request_new(call, sizeof(HashJob));

	job->call = call;
	job->name = MemoryContextStrdup(call->context, name);
	if (strlen(password) <= PASSWORD_MAX_BYTES)
		job->password = MemoryContextStrdup(call->context, password);
	return job;
}

void
hash_job_queue(Call *call, void (*run) (Call *call))
{
	HashJob    *job = call->state;

	if (queue_length >= HASH_QUEUE_LENGTH)
	{
		errors_finish_with(call, &error_too_many_requests);
		return;
	}
	job->run = run;
	job->queued = true;
	dlist_push_tail(&queue, &job->node);
	queue_length++;
}

static void
take_off(HashJob *job)
{
	if (!job->queued)
		return;
	dlist_delete(&job->node);
	job->queued = false;
	queue_length--;
}

void
hash_job_ended(Call *call)
{
	HashJob    *job = call->state;

	request_ended(call);
	if (job == NULL)
		return;
	take_off(job);
	if (job->password != NULL)
		explicit_bzero(job->password, strlen(job->password));
}

/* A job at its turn.  It runs as messages of calls do, so an ERROR ends this call and no other */
static void
run_job(Call *call, void *arg)
{
	ClockTime	began = clock_now();
	ClockTime	ended;

	((HashJob *) call->state)->run(call);
	ended = clock_now();
	next_job_at = ended + (ended - began);
}

long
hash_jobs_turn(void)
{
	HashJob    *job;

	if (dlist_is_empty(&queue))
		return -1;
	if (gateway_now < next_job_at)
		return Max(1, (next_job_at - gateway_now) / 1000);
	job = dlist_head_element(HashJob, node, &queue);
	take_off(job);
	call_run_later(job->call, run_job, NULL);
	return dlist_is_empty(&queue) ? -1 : 1;
}

/* ----------------------------------------------------------------
 *	Authenticate
 * ----------------------------------------------------------------
 */

/* The job: who has the right password gets a token */
static void
check_password(Call *call)
{
	HashJob    *job = call->state;
	Etcdserverpb__AuthenticateResponse response = ETCDSERVERPB__AUTHENTICATE_RESPONSE__INIT;
	Etcdserverpb__ResponseHeader header;
	uint64		auth_revision;
	const char *verifier;
	StoreError	error;

	error = password_authenticate(call_store(), job->name, job->password, &auth_revision, &verifier);
	if (error != STORE_OK)
	{
		errors_finish(call, error);
		return;
	}
	response.token = token_issue(job->name, verifier, strlen(verifier), auth_revision);
	if (response.token == NULL)
	{
		call_finish(call, GRPC_UNKNOWN, "auth: tokens are only verified here");
		return;
	}
	header_fill(&header, header_revision());
	response.header = &header;
	call_reply(call, &response.base);
}

/* Behind the barrier: whether there is anything to check costs no hash */
static void
queue_check(Call *call)
{
	uint64		auth_revision;

	if (!store_auth_enabled(call_store(), &auth_revision))
		errors_finish(call, STORE_AUTH_NOT_ENABLED);
	else if (((HashJob *) call->state)->password == NULL)
		errors_finish(call, STORE_AUTH_FAILED);
	else
		hash_job_queue(call, check_password);
}

void
authenticate_message(Call *call, const ProtobufCMessage *message)
{
	const Etcdserverpb__AuthenticateRequest *request =
		(const Etcdserverpb__AuthenticateRequest *) message;

	(void) hash_job_new(call, request->name, request->password);
	request_barrier(call, queue_check);
}
