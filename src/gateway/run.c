/*-------------------------------------------------------------------------
 *
 * run.c
 *	  Running calls: handlers of services, in the transaction of a turn.
 *
 * A stream that has something to be handled is in a list, and gets one thing
 * handled at a time, so that a client that sends much delays others by one
 * message.  An ERROR of a handler ends the call it was for: the transaction is aborted,
 * and opened again for the others.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/run.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/lwlock.h"
#include "utils/memutils.h"

#include "clock.h"
#include "gateway/admit.h"
#include "gateway/errors.h"
#include "gateway/transport.h"
#include "settings.h"

/* How long handlers may run before sockets are looked at again, in us */
#define RUN_SLICE_USEC		5000

/* How many are run before a look at the clock */
#define RUNS_PER_LOOK		32

/* Texts that etcd's clients know */
#define TEXT_TIMED_OUT		"etcdserver: request timed out"
#define TEXT_STOPPED		"etcdserver: server stopped"

static dlist_head runnable = DLIST_STATIC_INIT(runnable);
static dlist_head over = DLIST_STATIC_INIT(over);

/* ---------- lists ---------- */

void
stream_make_runnable(Stream *stream)
{
	if (stream->runnable || stream->finished)
		return;
	dlist_push_tail(&runnable, &stream->run_node);
	stream->runnable = true;
}

static void
make_not_runnable(Stream *stream)
{
	if (!stream->runnable)
		return;
	dlist_delete(&stream->run_node);
	stream->runnable = false;
}

bool
calls_runnable(void)
{
	return !dlist_is_empty(&runnable);
}

void
calls_add_over(Stream *stream)
{
	Assert(!stream->over);
	dlist_push_tail(&over, &stream->over_node);
	stream->over = true;
}

/* ---------- the end of calls ---------- */

static void
free_later(Stream *stream)
{
	LaterCall  *later;

	while ((later = stream->later_head) != NULL)
	{
		stream->later_head = later->next;
		free(later);
	}
	stream->later_tail = NULL;
}

static void
reap(Stream *stream)
{
	Call	   *call = &stream->call;
	MemoryContext context = stream->is_page ? stream->page.context : call->context;

	make_not_runnable(stream);
	free_later(stream);
	stream_drop_input(stream);
	if (stream->is_page)
	{
		if (stream->started && stream->status == 0)
		{
			stream->page.ended = true;
			page_ended(&stream->page);
		}
		stream->page.ended = true;
	}
	else
	{
		if (stream->started && call->method->ended != NULL)
			call->method->ended(call);
		if (stream->stats != NULL)
			stream->stats->handled[stream->code]++;
		gateway_stats.calls--;
	}
	if (context != NULL)
		MemoryContextDelete(context);
	call->context = stream->page.context = NULL;
	stream->reaped = true;
	if (stream->conn == NULL)
		stream_free(stream);
}

/*
 * calls_reap() -- clean up after calls that are over.
 */
void
calls_reap(void)
{
	while (!dlist_is_empty(&over))
	{
		Stream	   *stream = dlist_container(Stream, over_node, dlist_pop_head_node(&over));

		stream->over = false;
		reap(stream);
	}
}

/* ---------- running ---------- */

/*
 * Take the next message and hand it to the service.
 */
static void
run_message(Stream *stream)
{
	Call	   *call = &stream->call;
	InMessage  *raw = stream_take_message(stream);
	const char *error = NULL;
	ProtobufCMessage *message;

	/* an ERROR in decoding leaves these bytes to the caller */
	stream->decoding = raw;
	message = stream->face->decode(stream, raw, &error);
	stream->decoding = NULL;
	free(raw);
	if (message == NULL)
	{
		if (!stream->finished)
			stream_finish(stream, stream->face->decode_error, error);
		return;
	}
	if (!stream->started && !admit_call(call, message))
		return;
	stream->started = true;
	call->method->message(call, message);
}

/*
 * Handle one thing of a stream.  In the memory context of handlers; may raise.
 */
static void
run_one(Stream *stream)
{
	Call	   *call = &stream->call;

	if (stream->is_page)
	{
		if (stream->started)
			return;
		stream->page.context = AllocSetContextCreate(gateway_context, "page",
													 ALLOCSET_SMALL_SIZES);
		stream->started = true;
		page_get(&stream->page);
		return;
	}

	if (call->context == NULL)
		call->context = AllocSetContextCreate(gateway_context, "call", ALLOCSET_SMALL_SIZES);
	if (stream->later_head != NULL)
	{
		LaterCall  *later = stream->later_head;
		LaterCall	copy = *later;

		stream->later_head = later->next;
		if (stream->later_head == NULL)
			stream->later_tail = NULL;
		free(later);
		copy.function(call, copy.arg);
	}
	else if (stream->tell_drained)
	{
		stream->tell_drained = false;
		if (stream->started && call->method->drained != NULL)
			call->method->drained(call);
	}
	else if (stream->in_head != NULL)
	{
		if (!stream->paused && (call->method->client_streams || !stream->started))
			run_message(stream);
		else if (!stream->paused)
			stream_drop_input(stream);	/* a unary call has one message */
	}
	else if (stream->half_closed && !stream->half_closed_told)
	{
		stream->half_closed_told = true;
		if (!stream->started && call->method->client_streams)
			stream_finish(stream, GRPC_OK, NULL);
		else if (!stream->started)
			stream_finish(stream, GRPC_INTERNAL, "the request has no message");
		else if (call->method->client_streams && call->method->half_closed != NULL)
			call->method->half_closed(call);
	}
}

static bool
has_more(const Stream *stream)
{
	if (stream->finished || stream->is_page)
		return false;
	return stream->later_head != NULL || stream->tell_drained ||
		(stream->in_head != NULL && !stream->paused) ||
		(stream->in_head == NULL && stream->half_closed && !stream->half_closed_told);
}

/*
 * An ERROR has ended a handler: abort the transaction, and end the call with it.
 */
static void
handle_error(Stream *stream)
{
	ErrorData  *edata;
	GrpcCode	code;
	const char *message;

	HOLD_INTERRUPTS();
	MemoryContextSwitchTo(handler_context);
	edata = CopyErrorData();
	if (stream->decoding != NULL)
	{
		free(stream->decoding);
		stream->decoding = NULL;
		code = stream->face->decode_error;
		message = edata->detail == NULL ? edata->message :
			psprintf("%s: %s", edata->message, edata->detail);
	}
	else
	{
		const CallError *error = errors_of_sqlstate(edata->sqlerrcode);

		code = error->code;
		message = error->text;
		if (code == GRPC_UNKNOWN || code == GRPC_INTERNAL || code == GRPC_DATA_LOSS)
			EmitErrorReport();	/* nothing that a client should be able to cause */
	}
	FlushErrorState();
	AbortCurrentTransaction();
	LWLockReleaseAll();
	gateway_store = NULL;
	MemoryContextSwitchTo(handler_context);
	if (stream->is_page)
	{
		static const char text[] = "Internal Server Error\n";

		stream_answer(stream, 500, "text/plain; charset=utf-8", text, sizeof(text) - 1);
		stream_end_call(stream, GRPC_OK);
	}
	else
		stream_finish(stream, code, message);
	RESUME_INTERRUPTS();
}

/*
 * Run one stream, errors caught.  False if the transaction is gone.
 */
static bool
run_stream(Stream *stream)
{
	volatile bool ok = false;

	stream->wait_until = 0;
	MemoryContextSwitchTo(handler_context);
	PG_TRY();
	{
		run_one(stream);
		ok = true;
	}
	PG_CATCH();
	{
		handle_error(stream);
	}
	PG_END_TRY();

	if (has_more(stream))
		stream_make_runnable(stream);
	calls_reap();
	MemoryContextSwitchTo(gateway_context);
	MemoryContextReset(handler_context);
	return ok;
}

/*
 * calls_run() -- see transport.h.
 */
bool
calls_run(void)
{
	ClockTime	until = clock_now() + RUN_SLICE_USEC;
	int			n = 0;

	while (!dlist_is_empty(&runnable))
	{
		Stream	   *stream = dlist_container(Stream, run_node, dlist_pop_head_node(&runnable));

		stream->runnable = false;
		if (!run_stream(stream) && !gateway_turn_open())
			return false;
		if (++n % RUNS_PER_LOOK == 0 && clock_now() >= until)
			break;
	}
	return true;
}

/*
 * calls_wait() -- see transport.h.
 */
void
calls_wait(void)
{
	dlist_head	waiting = DLIST_STATIC_INIT(waiting);

	/* whatever happens to others meanwhile, the first of a list is there */
	while (!dlist_is_empty(&runnable))
	{
		Stream	   *stream = dlist_container(Stream, run_node, dlist_pop_head_node(&runnable));

		if (stream->is_page || stream->call.method->without_store)
		{
			stream->runnable = false;
			if (!run_stream(stream))
				(void) gateway_turn_open();
		}
		else if (stream->wait_until != 0 && gateway_now >= stream->wait_until)
		{
			stream->runnable = false;
			stream_finish(stream, GRPC_UNAVAILABLE, TEXT_TIMED_OUT);
			calls_reap();
		}
		else
		{
			if (stream->wait_until == 0)
				stream->wait_until = clock_plus_ms(gateway_now, setting_request_timeout);
			dlist_push_tail(&waiting, &stream->run_node);
		}
	}
	while (!dlist_is_empty(&waiting))
		dlist_push_tail(&runnable, dlist_pop_head_node(&waiting));
}

/* ---------- the server goes ---------- */

bool
calls_all_ended(void)
{
	return gateway_stats.calls == 0;
}

/*
 * stream_end_for_shutdown() -- end a call that would go on for ever.
 */
void
stream_end_for_shutdown(Stream *stream)
{
	if (stream->face != NULL && !stream->finished && stream->call.method != NULL &&
		(stream->call.method->server_streams || stream->call.method->client_streams))
		stream_finish(stream, GRPC_UNAVAILABLE, TEXT_STOPPED);
}
