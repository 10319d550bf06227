/*-------------------------------------------------------------------------
 *
 * stream.c
 *	  CALL quorum.watch_stream(): events straight to the client.
 *
 * A function would hold a snapshot, and so the xmin horizon, for as long as it
 * waits.  A procedure that is called outside a transaction block may commit: it
 * does so first of all, and after each look at the store, so that it waits, and
 * sends, without snapshot, lock or xid.  Notifications are written to the
 * client's connection by this backend and never enter PostgreSQL's queue: there is no
 * limit to a payload, nobody else is woken, and a client that
 * does not read stops nobody but itself.
 *
 * A client that has gone is noticed within a second, also while there is
 * nothing to send.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/notify/stream.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "commands/async.h"
#include "executor/spi.h"
#include "libpq/libpq.h"
#include "miscadmin.h"
#include "tcop/dest.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/rel.h"

#include "member/member.h"
#include "notify/arguments.h"
#include "notify/feed.h"
#include "notify/payload.h"
#include "notify/session.h"
#include "sql/sql.h"
#include "store/range_index.h"

#include "compat.h"

#define STREAM_CHECK_MS			1000

typedef struct Stream
{
	WatchSpec	spec;
	RangeNode	node;			/* of its range */
	const char *channel;
	Oid			store;
	FeedPosition position;
	Outbox		outbox;
} Stream;

/* FeedVisit */
static void
stream_event(const Mvccpb__Event *event, Outbox *outbox, void *arg)
{
	Stream	   *stream = arg;
	int			kind = event->type == MVCCPB__EVENT__EVENT_TYPE__PUT ? WATCH_PUT : WATCH_DELETE;
	const ProtobufCBinaryData *key = &event->kv->key;
	MemoryContext old;
	char	   *payload;

	if ((stream->spec.kinds & kind) == 0 ||
		event->kv->mod_revision <= stream->spec.told_revision ||
		!range_node_contains(&stream->node, (const char *) key->data, (uint32) key->len))
		return;

	old = MemoryContextSwitchTo(outbox->context);
	payload = payload_event(event, stream->spec.prev_value, 0);
	outbox_add(outbox, stream->channel, payload);
	MemoryContextSwitchTo(old);
}

/* Put the last notification into the outbox, in place of what may be there */
static void
stream_end(Stream *stream, const char *payload)
{
	MemoryContext old;

	outbox_reset(&stream->outbox);
	old = MemoryContextSwitchTo(stream->outbox.context);
	outbox_add(&stream->outbox, stream->channel, pstrdup(payload));
	MemoryContextSwitchTo(old);
}

/*
 * Read the next batch into the outbox.  Returns false if the stream ends: its
 * events are compacted, or may not be read any more.  What is told was not newer than
 * the look at the permission.
 */
static bool
stream_read(Stream *stream)
{
	Relation	tree = member_open_store();
	Quorum__StoreMeta *meta;
	StoreError	error;

	if (RelationGetRelid(tree) != stream->store)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the extension was dropped and created again during the watch")));
	meta = store_read_meta(tree);
	error = store_check_access(tree, sql_caller(tree), STORE_READ,
							   stream->spec.range.key, stream->spec.range.key_len,
							   stream->spec.range.end, stream->spec.range.end_len);
	if (error != STORE_OK)
	{
		relation_close(tree, AccessShareLock);
		stream_end(stream, payload_canceled("permission denied"));
		return false;
	}
	error = feed_read(tree, &stream->spec.range, stream->spec.prev_value, meta->revision,
					  &stream->position, stream_event, stream, &stream->outbox);
	if (error == STORE_COMPACTED)
		meta = store_read_meta(tree);
	relation_close(tree, AccessShareLock);

	if (error == STORE_OK)
		return true;
	if (error != STORE_COMPACTED)
		sql_raise(error, meta->revision, meta->compacted_revision);

	stream_end(stream, payload_compacted(meta->compacted_revision));
	return false;
}

static void
stream_send(Stream *stream)
{
	int			i;

	if (stream->outbox.n == 0)
		return;
	for (i = 0; i < stream->outbox.n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		NotifyMyFrontEnd(stream->outbox.items[i].channel, stream->outbox.items[i].payload,
						 MyProcPid);
	}
	pq_flush();
	outbox_reset(&stream->outbox);
}

/*
 * Send what happens until an error, or the compaction of events, ends it.
 */
static void
stream_run(Stream *stream)
{
	for (;;)
	{
		bool		more;
		int64		revision;

		CHECK_FOR_INTERRUPTS();
		more = stream_read(stream);
		SPI_commit();			/* neither wait nor send with a snapshot or a lock */
		stream_send(stream);
		if (!more)
			return;

		/* within a large revision there is more at once */
		if (stream->position.offset > 0)
			continue;
		/* at the timeout too, look at the permission, and commit again, so that
		 * this does not look like a long transaction */
		revision = member_wait_revision(stream->position.revision, STREAM_CHECK_MS);
		CHECK_FOR_INTERRUPTS();
		if (revision <= stream->position.revision && !pq_check_connection())
			ereport(FATAL,
					(errcode(ERRCODE_CONNECTION_FAILURE),
					 errmsg("connection to client lost")));
	}
}

static char *
copy_bytes(const char *bytes, uint32 len)
{
	char	   *copy = palloc(len + 1);

	memcpy(copy, bytes, len);
	copy[len] = '\0';
	return copy;
}

static const char *
argument_channel(FunctionCallInfo fcinfo, int argno)
{
	char	   *channel;

	if (PG_ARGISNULL(argno))
		return "quorum";
	channel = text_to_cstring(PG_GETARG_TEXT_PP(argno));
	if (channel[0] == '\0' || strlen(channel) >= NAMEDATALEN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("channel must have 1 to %d bytes", NAMEDATALEN - 1)));
	return channel;
}

static void
require_stream_possible(FunctionCallInfo fcinfo)
{
	CallContext *context = (CallContext *) fcinfo->context;

	if (context == NULL || !IsA(context, CallContext) || context->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
				 errmsg("quorum.watch_stream() cannot run inside a transaction block"),
				 errdetail("It commits, so that it holds no snapshot while it waits."),
				 errhint("Send CALL as a statement of its own, not after BEGIN and not from a function.")));
	if (whereToSendOutput != DestRemote)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("quorum.watch_stream() needs a client to send to")));
}

/*
 * watch_stream(key, range_end, prefix, start_revision, events, prev_value,
 *				channel), for text and bytea
 */
PG_FUNCTION_INFO_V1(quorum_watch_stream);
Datum
quorum_watch_stream(PG_FUNCTION_ARGS)
{
	MemoryContext context;
	MemoryContext old;
	Stream	   *stream;
	WatchRange	range;
	int64		start_revision;

	/* arguments live in memory that the first commit may free */
	context = AllocSetContextCreate(PortalContext, "pg_quorum stream", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	stream = palloc0(sizeof(Stream));
	argument_watch_range(fcinfo, 0, &range);
	stream->spec.range.key = copy_bytes(range.key, range.key_len);
	stream->spec.range.key_len = range.key_len;
	stream->spec.range.end = copy_bytes(range.end, range.end_len);
	stream->spec.range.end_len = range.end_len;
	range_node_set(&stream->node, stream->spec.range.key, range.key_len,
				   stream->spec.range.end, range.end_len);
	start_revision = sql_arg_count(fcinfo, 3, "start_revision");
	stream->spec.kinds = argument_kinds(fcinfo, 4);
	stream->spec.prev_value = sql_arg_bool(fcinfo, 5);
	stream->channel = argument_channel(fcinfo, 6);
	outbox_init(&stream->outbox, context);

	sql_require_member();
	require_stream_possible(fcinfo);
	stream->spec.told_revision = session_watch_start(start_revision, &stream->spec, false,
													   &stream->store);
	stream->position.revision = Min(stream->spec.told_revision, member_published_revision());
	MemoryContextSwitchTo(old);

	SPI_connect_ext(SPI_OPT_NONATOMIC);
	stream_run(stream);
	SPI_finish();
	MemoryContextDelete(context);
	PG_RETURN_VOID();
}
