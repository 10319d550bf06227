/*-------------------------------------------------------------------------
 *
 * hub_batch.c
 *	  What was read for a group of watches, and whom it concerns.
 *
 * An event is packed at most twice, without and with prev_kv, however many watches are told it, in
 * memory that the transport takes references to.  It is packed as it stands in a
 * WatchResponse, with the tag of the field: messages of protobuf may be put
 * together from pieces.  Who is told several events gets them in one piece; the last
 * one made of each form is kept, since those that are told the same mostly
 * follow each other.
 *
 * Which events concern a watch is kept as runs of consecutive ones.  A thousand watches of
 * everything and a revision of a million changes make a thousand runs.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/hub_batch.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "gateway/hub_int.h"
#include "store/pbmem.h"

/* Field 11 of a WatchResponse, of bytes */
#define EVENTS_TAG		(11 << 3 | 2)

#define VARINT_MAX		5

/* The events of one watch, as it is told them */
typedef struct ToldEvents
{
	HubEvents	public;
	HubBatch   *batch;
	bool		prev_kv;
	int32		first;			/* of consecutive ones; or -1: list[] */
	int32	   *list;
} ToldEvents;

void
hub_batch_init(HubBatch *batch)
{
	memset(batch, 0, sizeof(*batch));
	batch->context = AllocSetContextCreate(hub.context, "pg_quorum events for watches",
										   ALLOCSET_DEFAULT_SIZES);
}

static void
drop_composed(HubComposed *composed)
{
	if (composed->bytes != NULL)
		shared_bytes_release(composed->bytes);
	if (composed->events != NULL)
		pfree(composed->events);
	memset(composed, 0, sizeof(*composed));
}

/*
 * hub_batch_reset() -- forget all of it.
 *
 * What watches are concerned know of their place in it, so they must be told, or be left by, first.
 */
void
hub_batch_reset(HubBatch *batch)
{
	MemoryContext context = batch->context;
	int32		i;

	for (i = 0; i < batch->ntargets; i++)
	{
		if (batch->targets[i].watch != NULL)
			batch->targets[i].watch->target = -1;
	}
	for (i = 0; i < batch->nevents; i++)
	{
		HubPacked  *event = &batch->events[i];

		if (event->packed[1] != NULL && event->packed[1] != event->packed[0])
			shared_bytes_release(event->packed[1]);
		if (event->packed[0] != NULL)
			shared_bytes_release(event->packed[0]);
	}
	drop_composed(&batch->composed[0]);
	drop_composed(&batch->composed[1]);
	memset(batch, 0, sizeof(*batch));
	batch->context = context;
	MemoryContextReset(context);
}

void
hub_batch_begin(HubBatch *batch, const StorePosition *from, uint32 generation)
{
	static uint64 numbers = 0;

	Assert(!batch->begun && batch->nevents == 0);
	batch->number = ++numbers;
	batch->begun = true;
	batch->cursor = *from;
	batch->generation = generation;
}

/* Room for one more in an array of the batch */
static void *
make_room(HubBatch *batch, void *array, int32 n, int32 *max, Size size)
{
	if (n < *max)
		return array;
	if (*max >= PG_INT32_MAX / 2)
		elog(ERROR, "too many events for watches at once");
	*max = *max == 0 ? 16 : *max * 2;
	if (array == NULL)
		return MemoryContextAlloc(batch->context, *max * size);
	return repalloc_huge(array, *max * size);
}

/* ----------------------------------------------------------------
 *	Reading
 * ----------------------------------------------------------------
 */

static size_t
put_varint(uint8 *to, size_t value)
{
	size_t		n = 0;

	while (value > 127)
	{
		to[n++] = (uint8) (value & 127) | 128;
		value >>= 7;
	}
	to[n++] = (uint8) value;
	return n;
}

static SharedBytes *
pack_field(const Mvccpb__Event *event)
{
	size_t		size = mvccpb__event__get_packed_size(event);
	uint8		head[1 + VARINT_MAX];
	size_t		head_len;
	SharedBytes *bytes;

	head[0] = EVENTS_TAG;
	head_len = 1 + put_varint(head + 1, size);
	bytes = shared_bytes_new(head_len + size);
	if (bytes == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("Failed on an event of %zu bytes for watches.", size)));
	memcpy(bytes->data, head, head_len);
	mvccpb__event__pack(event, bytes->data + head_len);
	return bytes;
}

/*
 * hub_batch_add_event() -- a place for an event that concerns somebody; its number.
 */
int32
hub_batch_add_event(HubBatch *batch, const Mvccpb__Event *event)
{
	batch->events = make_room(batch, batch->events, batch->nevents, &batch->max_events,
							  sizeof(HubPacked));
	memset(&batch->events[batch->nevents], 0, sizeof(HubPacked));
	batch->events[batch->nevents].revision = event->kv->mod_revision;
	batch->bytes += sizeof(HubPacked);
	batch->current = event->kv->mod_revision;
	return batch->nevents++;
}

/*
 * hub_batch_pack() -- have the event packed in this form.
 */
void
hub_batch_pack(HubBatch *batch, int32 number, const Mvccpb__Event *event, bool prev_kv)
{
	HubPacked  *packed = &batch->events[number];
	Mvccpb__Event plain = *event;

	if (packed->packed[prev_kv] != NULL)
		return;
	if (!prev_kv)
		plain.prev_kv = NULL;
	if (event->prev_kv == NULL && packed->packed[!prev_kv] != NULL)
	{
		packed->packed[prev_kv] = packed->packed[!prev_kv];
		return;
	}
	packed->packed[prev_kv] = pack_field(&plain);
	batch->bytes += packed->packed[prev_kv]->len + sizeof(SharedBytes);
}

/*
 * hub_batch_add_hit() -- an event, the last one so far, concerns a watch.
 */
void
hub_batch_add_hit(HubBatch *batch, HubWatch *watch, int32 event)
{
	HubTarget  *target;
	HubRun	   *run;

	if (watch->target < 0)
	{
		batch->targets = make_room(batch, batch->targets, batch->ntargets,
								   &batch->max_targets, sizeof(HubTarget));
		watch->target = batch->ntargets++;
		target = &batch->targets[watch->target];
		target->watch = watch;
		target->first_run = target->last_run = -1;
		target->n = 0;
	}
	target = &batch->targets[watch->target];
	target->n++;
	batch->told_bytes += batch->events[event].packed[watch->prev_kv]->len;
	if (target->last_run >= 0)
	{
		run = &batch->runs[target->last_run];
		if (run->first + run->n == event)
		{
			run->n++;
			return;
		}
	}

	batch->runs = make_room(batch, batch->runs, batch->nruns, &batch->max_runs,
							sizeof(HubRun));
	run = &batch->runs[batch->nruns];
	run->first = event;
	run->n = 1;
	run->next = -1;
	if (target->last_run >= 0)
		batch->runs[target->last_run].next = batch->nruns;
	else
		target->first_run = batch->nruns;
	target->last_run = batch->nruns++;
}

/*
 * hub_batch_forget() -- a watch leaves before it was told.
 */
void
hub_batch_forget(HubBatch *batch, HubWatch *watch)
{
	if (watch->target < 0)
		return;
	batch->targets[watch->target].watch = NULL;
	watch->target = -1;
}

/* ----------------------------------------------------------------
 *	Telling
 * ----------------------------------------------------------------
 */

static HubPacked *
told_event(const ToldEvents *told, int i)
{
	Assert(i >= 0 && i < told->public.n);
	return &told->batch->events[told->first >= 0 ? told->first + i : told->list[i]];
}

static SharedBytes *
told_packed(const ToldEvents *told, int i)
{
	return told_event(told, i)->packed[told->prev_kv];
}

/*
 * hub_event_size() -- see hub.h.
 */
size_t
hub_event_size(const HubEvents *events, int i)
{
	return told_packed((const ToldEvents *) events, i)->len;
}

static bool
is_composed(const HubComposed *composed, const ToldEvents *told, int first, int n)
{
	if (composed->bytes == NULL || composed->n != n)
		return false;
	if (told->first >= 0)
		return composed->first == told->first + first;
	return composed->first < 0 &&
		memcmp(composed->events, told->list + first, n * sizeof(int32)) == 0;
}

/*
 * hub_events_packed() -- see hub.h.
 */
SharedBytes *
hub_events_packed(const HubEvents *events, int first, int n)
{
	const ToldEvents *told = (const ToldEvents *) events;
	HubComposed *composed = &told->batch->composed[told->prev_kv];
	size_t		len = 0;
	size_t		at = 0;
	int			i;

	Assert(first >= 0 && n > 0 && first + n <= events->n);
	if (n == 1)
		return told_packed(told, first);
	if (is_composed(composed, told, first, n))
		return composed->bytes;

	drop_composed(composed);
	for (i = first; i < first + n; i++)
		len += told_packed(told, i)->len;
	composed->bytes = shared_bytes_new(len);
	if (composed->bytes == NULL)
		return NULL;
	for (i = first; i < first + n; i++)
	{
		SharedBytes *event = told_packed(told, i);

		memcpy(composed->bytes->data + at, event->data, event->len);
		at += event->len;
	}
	composed->n = n;
	composed->first = told->first >= 0 ? told->first + first : -1;
	if (told->first < 0)
	{
		composed->events = MemoryContextAllocHuge(told->batch->context, n * sizeof(int32));
		memcpy(composed->events, told->list + first, n * sizeof(int32));
	}
	return composed->bytes;
}

/*
 * hub_event_unpack() -- see hub.h.
 */
Mvccpb__Event *
hub_event_unpack(const HubEvents *events, int i)
{
	SharedBytes *packed = told_packed((const ToldEvents *) events, i);
	size_t		head = 1;
	Mvccpb__Event *event;

	while (packed->data[head++] & 128)
		;
	event = (Mvccpb__Event *) pb_unpack(&mvccpb__event__descriptor, packed->data + head,
										packed->len - head);
	if (event == NULL)
		elog(ERROR, "could not unpack an event");
	return event;
}

/*
 * hub_batch_tell() -- tell one watch what concerns it.
 */
void
hub_batch_tell(HubBatch *batch, HubTarget *target)
{
	HubWatch   *watch = target->watch;
	const HubRun *run = &batch->runs[target->first_run];
	ToldEvents	told;

	told.public.n = target->n;
	told.public.part = false;
	told.public.revision = batch->cursor.revision - 1;
	told.public.batch = batch->number;
	told.batch = batch;
	told.prev_kv = watch->prev_kv;
	told.first = run->first;
	told.list = NULL;
	if (run->next >= 0)
	{
		int32		n = 0;
		int32		i;

		told.first = -1;
		told.list = palloc_extended(target->n * sizeof(int32), MCXT_ALLOC_HUGE);
		for (;;)
		{
			for (i = 0; i < run->n; i++)
				told.list[n++] = run->first + i;
			if (run->next < 0)
				break;
			run = &batch->runs[run->next];
		}
	}

	if (batch->part && told_event(&told, target->n - 1)->revision == batch->current)
	{
		told.public.part = true;
		told.public.revision = batch->current;
	}

	/* it is told, whatever becomes of it now */
	watch->next = batch->cursor;
	watch->target = -1;
	target->watch = NULL;
	watch->listener->events(watch, &told.public, watch->arg);
	if (told.list != NULL)
		pfree(told.list);
}
