/*-------------------------------------------------------------------------
 *
 * call.c
 *	  Calls: their beginning and end, and what services do with them.
 *
 * The functions of call.h are called from everywhere in the loop, also from callbacks that must
 * not raise, and so do not raise themselves.  Where there is no memory the connection goes.
 *
 * A call that has got a status is not cleaned up at once, but when the loop is back
 * at its own level (run.c), so that a service can end a call anywhere without its state
 * vanishing below it.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/call.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "gateway/transport.h"

#include "settings.h"

GatewayStats gateway_stats;

static inline Stream *
stream_of(const Call *call)
{
	return (Stream *) call;		/* its first member */
}

/* ---------- beginning and end ---------- */

static void
deadline_fires(Timer *timer)
{
	Stream	   *stream = (Stream *) ((char *) timer - offsetof(Stream, deadline));

	stream_finish(stream, GRPC_DEADLINE_EXCEEDED, "context deadline exceeded");
}

/*
 * stream_begin_call() -- see transport.h.
 */
void
stream_begin_call(Stream *stream, const Method *method, const Face *face)
{
	Call	   *call = &stream->call;

	call->method = method;
	call->peer_user = stream->conn->peer_user;
	call->stream = stream;
	stream->face = face;
	if (method != NULL)
	{
		stream->stats = method_stats(method);
		stream->stats->started++;
	}
	gateway_stats.calls++;
	if (stream->timeout_us >= 0)
	{
		call->deadline = gateway_now + stream->timeout_us;
		timer_set(&stream->deadline, call->deadline, deadline_fires);
	}
}

/*
 * stream_end_call() -- see transport.h.
 */
void
stream_end_call(Stream *stream, GrpcCode code)
{
	if (!stream->finished)
	{
		stream->finished = true;
		stream->code = code;
	}
	if (stream->over || stream->reaped)
		return;
	timer_clear(&stream->deadline);
	calls_add_over(stream);
}

/*
 * stream_finish() -- see transport.h.
 */
void
stream_finish(Stream *stream, GrpcCode code, const char *message)
{
	if (stream->finished)
		return;
	Assert(stream->face != NULL);
	stream->finished = true;
	stream->code = code;
	if (message != NULL && code != GRPC_OK)
		stream->error = strdup(message);	/* without memory, the code has to do */
	stream_drop_input(stream);
	if (stream->conn != NULL)
	{
		stream->face->finish(stream);
		stream->out_done = true;
		stream_wake(stream);
	}
	stream_end_call(stream, code);
}

/* ---------- to the client ---------- */

void
call_send(Call *call, const ProtobufCMessage *message)
{
	Stream	   *stream = stream_of(call);

	if (stream->finished)
		return;
	if (stream->stats != NULL)
		stream->stats->messages_out++;
	stream->face->send(stream, message);
}

void
call_send_packed(Call *call, const uint8 *head, size_t head_len, SharedBytes *body)
{
	Stream	   *stream = stream_of(call);

	if (stream->finished)
		return;
	if (stream->stats != NULL)
		stream->stats->messages_out++;
	stream->face->send_packed(stream, head, head_len, body);
}

void
call_reply(Call *call, const ProtobufCMessage *message)
{
	call_send(call, message);
	call_finish(call, GRPC_OK, NULL);
}

void
call_reply_packed(Call *call, const uint8 *head, size_t head_len, SharedBytes *body)
{
	call_send_packed(call, head, head_len, body);
	call_finish(call, GRPC_OK, NULL);
}

void
call_finish(Call *call, GrpcCode code, const char *message)
{
	stream_finish(stream_of(call), code, message);
}

bool
call_is_congested(const Call *call)
{
	Stream	   *stream = stream_of(call);

	if (stream->out_bytes < CALL_HIGH_WATER)
		return false;
	stream->congested = true;	/* so that drained() is called */
	return true;
}

size_t
call_queued_bytes(const Call *call)
{
	return stream_of(call)->out_bytes;
}

/* ---------- from the client ---------- */

void
call_pause(Call *call)
{
	stream_of(call)->paused = true;
}

void
call_resume(Call *call)
{
	Stream	   *stream = stream_of(call);

	stream->paused = false;
	if (!stream->finished)
		stream_make_runnable(stream);
}

void
call_run_later(Call *call, void (*function) (Call *call, void *arg), void *arg)
{
	Stream	   *stream = stream_of(call);
	LaterCall  *later;

	if (stream->finished)
		return;
	for (later = stream->later_head; later != NULL; later = later->next)
	{
		if (later->function == function && later->arg == arg)
			return;
	}
	later = malloc(sizeof(LaterCall));
	if (later == NULL)
	{
		stream_finish(stream, GRPC_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	later->next = NULL;
	later->function = function;
	later->arg = arg;
	if (stream->later_tail == NULL)
		stream->later_head = later;
	else
		stream->later_tail->next = later;
	stream->later_tail = later;
	stream_make_runnable(stream);
}

/* ---------- pages ---------- */

/*
 * page_reply() -- see pages.h.
 */
void
page_reply(PageRequest *request, int status, const char *content_type, const char *body, size_t len)
{
	Stream	   *stream = request->stream;

	if (request->ended || stream->finished)
		return;
	stream_answer(stream, status, content_type, body, len);
	stream_end_call(stream, GRPC_OK);
}
