/*-------------------------------------------------------------------------
 *
 * hub_group.c
 *	  Watches that are served together, from one position on.
 *
 * A group reads what comes after its position, once for all of its watches, and tells each what
 * concerns it.  Reading and telling end where the time of the turn does, and go on
 * in the next one; so a batch may be under way between turns, and a watch that leaves
 * is taken out of it.
 *
 * A batch ends with a revision, as soon as it is large enough or the time is up.  A revision that is
 * very large ends it as well, and is told in parts.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/hub_group.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "member/member.h"

#include "gateway/hub_int.h"

/* A batch ends at the first end of a revision beyond these */
#define BATCH_BYTES			(1024 * 1024)
#define BATCH_EVENTS		10000
#define BATCH_RUNS			(256 * 1024)
#define BATCH_TOLD_BYTES	(4 * 1024 * 1024)

/* A revision that makes more than this is told in parts */
#define REVISION_BYTES		(64 * 1024 * 1024)
#define REVISION_RUNS		(4 * 1024 * 1024)

/* The clock is looked at each time so many watches have been told */
#define TOLD_PER_LOOK		16

typedef struct GroupRead
{
	HubGroup   *group;
	ClockTime	deadline;

	/* of the event looked at */
	const Mvccpb__Event *event;
	StorePosition position;
	int32		number;			/* in the batch; -1: concerns nobody so far */

	StoreWant	want;			/* of the key looked at */
} GroupRead;

void
hub_group_init(HubGroup *group)
{
	memset(group, 0, sizeof(*group));
	dlist_init(&group->watches);
	hub_batch_init(&group->batch);
}

/*
 * hub_group_join() -- from where on a watch must want to be told to join the group.
 */
const StorePosition *
hub_group_join(const HubGroup *group)
{
	return group->batch.begun ? &group->batch.cursor : &group->next;
}

void
hub_group_add(HubGroup *group, HubWatch *watch)
{
	Assert(watch->group == NULL);
	Assert(position_compare(&watch->next, hub_group_join(group)) >= 0);
	watch->state = HUB_IN_GROUP;
	watch->group = group;
	watch->target = -1;
	range_index_insert(&group->index, &watch->node);
	dlist_push_tail(&group->watches, &watch->link);
	group->nwatches++;
	group->nprev += watch->prev_kv;
}

/*
 * hub_group_remove() -- take a watch out; what it has been told goes with it.
 */
void
hub_group_remove(HubWatch *watch)
{
	HubGroup   *group = watch->group;

	position_raise(&watch->next, &group->next);
	hub_batch_forget(&group->batch, watch);
	range_index_delete(&group->index, &watch->node);
	dlist_delete(&watch->link);
	group->nwatches--;
	group->nprev -= watch->prev_kv;
	watch->group = NULL;
	if (group->nwatches == 0)
		hub_batch_reset(&group->batch);
}

/* ----------------------------------------------------------------
 *	Reading
 * ----------------------------------------------------------------
 */

static HubWatch *
watch_of_node(RangeNode *node)
{
	return (HubWatch *) ((char *) node - offsetof(HubWatch, node));
}

/* RangeIndexHit: is it a watch with prev_kv?  The first answer is enough if none is. */
static bool
note_want(RangeNode *node, void *arg)
{
	GroupRead  *read = arg;

	read->want = Max(read->want,
					 watch_of_node(node)->prev_kv ? STORE_EVENT_WITH_PREV : STORE_EVENT);
	return read->want != STORE_EVENT_WITH_PREV && read->group->nprev > 0;
}

/* StoreChangeReader.want */
static StoreWant
want_change(const char *key, uint32 key_len, void *arg)
{
	GroupRead  *read = arg;

	read->want = STORE_SKIP;
	range_index_search(&read->group->index, key, key_len, note_want, read);
	return read->want;
}

/* RangeIndexHit: the event lies in the range of a watch */
static bool
note_hit(RangeNode *node, void *arg)
{
	GroupRead  *read = arg;
	HubBatch   *batch = &read->group->batch;
	HubWatch   *watch = watch_of_node(node);
	bool		is_put = read->event->type == MVCCPB__EVENT__EVENT_TYPE__PUT;

	if (!(is_put ? watch->puts : watch->deletes) ||
		position_compare(&read->position, &watch->next) < 0)
		return true;
	if (read->number < 0)
		read->number = hub_batch_add_event(batch, read->event);
	hub_batch_pack(batch, read->number, read->event, watch->prev_kv);
	hub_batch_add_hit(batch, watch, read->number);
	return true;
}

/* StoreChangeReader.visit */
static bool
take_event(const Mvccpb__Event *event, int64 sub, void *arg)
{
	GroupRead  *read = arg;
	HubBatch   *batch = &read->group->batch;
	int64		revision = event->kv->mod_revision;

	if (batch->nevents > 0 && revision != batch->current &&
		(batch->bytes >= BATCH_BYTES || batch->nevents >= BATCH_EVENTS ||
		 batch->nruns >= BATCH_RUNS || batch->told_bytes >= BATCH_TOLD_BYTES ||
		 clock_now() >= read->deadline))
	{
		batch->complete = true;
		return false;
	}
	if (batch->nevents > 0 && revision == batch->current &&
		(batch->bytes >= REVISION_BYTES || batch->nruns >= REVISION_RUNS))
	{
		batch->complete = batch->part = true;
		return false;
	}

	read->event = event;
	read->position.revision = revision;
	read->position.sub = sub;
	read->number = -1;
	range_index_search(&read->group->index, (const char *) event->kv->key.data,
					   (uint32) event->kv->key.len, note_hit, read);
	return true;
}

/* StoreChangeReader.enough */
static bool
time_is_up(void *arg)
{
	return clock_now() >= ((GroupRead *) arg)->deadline;
}

/*
 * What comes next is compacted: for all that have not been told up to there the watch is over.
 * The others go on with the changes of the compacted revision, which are still there.
 */
static void
end_compacted(HubGroup *group)
{
	StorePosition first = {0, 0};
	dlist_mutable_iter iter;

	store_read_revisions(hub.store, &hub.revision, &hub.compacted);
	first.revision = hub.compacted;
	hub_batch_reset(&group->batch);
	dlist_foreach_modify(iter, &group->watches)
	{
		HubWatch   *watch = dlist_container(HubWatch, link, iter.cur);

		if (Max(watch->next.revision, group->next.revision) < hub.compacted)
		{
			hub_group_remove(watch);
			hub_end(watch);
		}
	}
	position_raise(&group->next, &first);
}

/*
 * Has the batch, which was read up to its cursor, an end that can be told?  Not while it ends
 * within a revision, of which there may be more.
 */
static bool
ends_well(const HubBatch *batch)
{
	return batch->nevents == 0 || batch->cursor.revision != batch->current;
}

/*
 * Read on, until the batch is complete or the time is up.
 */
static void
read_slice(HubGroup *group, ClockTime deadline)
{
	static const StoreChangeReader reader = {want_change, take_event, time_is_up};
	HubBatch   *batch = &group->batch;
	GroupRead	read;
	RangeNode	hull;
	StoreError	error;

	if (batch->reading)
		hub_batch_reset(batch);		/* an error ended the last call */
	if (!batch->begun)
		hub_batch_begin(batch, &group->next, member_store_generation());

	read.group = group;
	read.deadline = deadline;
	range_index_hull(&group->index, &hull);
	batch->reading = true;
	error = store_changes(hub.store, hull.key, hull.key_len, hull.end, hull.end_len,
						  &batch->cursor, hub.revision, &reader, &read);
	batch->reading = false;

	if (batch->generation != member_store_generation())
	{
		/* what was read may be a piece of either store, with a gap in between */
		hub_batch_reset(batch);
		store_read_revisions(hub.store, &hub.revision, &hub.compacted);
		return;
	}
	if (error == STORE_COMPACTED && batch->nevents == 0)
	{
		group->next = batch->cursor;
		end_compacted(group);
		return;
	}
	if (error == STORE_COMPACTED)
	{
		/* tell what was there, and meet this again */
		batch->complete = true;
		batch->part = !ends_well(batch);
	}
	else if (error != STORE_OK)
		elog(ERROR, "could not read changes after revision " INT64_FORMAT ": error %d",
			 batch->cursor.revision - 1, (int) error);

	if (batch->nevents == 0)
	{
		/* nobody was concerned */
		group->next = batch->cursor;
		hub_batch_reset(batch);
	}
	else if (ends_well(batch))
		batch->complete = true;
}

/* ----------------------------------------------------------------
 *	Telling
 * ----------------------------------------------------------------
 */

/*
 * Tell the watches concerned.  Returns false if the time was up before.
 */
static bool
tell_batch(HubGroup *group, ClockTime deadline)
{
	HubBatch   *batch = &group->batch;
	int			n = 0;

	while (batch->told < batch->ntargets)
	{
		HubTarget  *target = &batch->targets[batch->told++];
		HubWatch   *watch = target->watch;

		if (watch != NULL)
		{
			if (watch->listener->ready != NULL &&
				!watch->listener->ready(watch, batch->number, watch->arg))
			{
				hub_group_remove(watch);
				hub_park(watch);
			}
			else
				hub_batch_tell(batch, target);
			if (!batch->begun)
				return true;	/* that was the last watch of the group */
		}
		if (++n % TOLD_PER_LOOK == 0 && batch->told < batch->ntargets && clock_now() >= deadline)
			return false;
	}
	group->next = batch->cursor;
	hub_batch_reset(batch);
	return true;
}

/*
 * hub_group_serve() -- read and tell, until the group has been told all there is or the
 * time is up.
 *
 * Returns whether there is more to do.
 */
bool
hub_group_serve(HubGroup *group, ClockTime deadline)
{
	while (group->nwatches > 0)
	{
		if (group->batch.complete)
		{
			if (!tell_batch(group, deadline))
				return true;
		}
		else if (hub_group_join(group)->revision <= hub.revision)
			read_slice(group, deadline);
		else if (group->batch.begun)
			group->batch.complete = true;
		else
			return false;

		if (clock_now() >= deadline)
			return group->batch.begun || group->next.revision <= hub.revision;
	}
	return false;
}
