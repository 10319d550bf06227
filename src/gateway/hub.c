/*-------------------------------------------------------------------------
 *
 * hub.c
 *	  Events for the gateway: any number of watches, read once for all.
 *
 * Where a watch is says what is done for it:
 *
 *	 synced group	it has been told all that the hub has read
 *	 a group behind it catches up (hub_behind.c)
 *	 future			its first revision has not come
 *	 parked			its listener is not ready; nothing is read for it
 *	 over			it is about to be told that what comes next is compacted
 *
 * A watch that is not ready costs its position in the history of revisions, and nothing else.  When it
 * goes on, it is one that is behind.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/hub.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/rel.h"

#include "gateway/hub_int.h"
#include "member/member.h"

/* The synced group has this time in a turn, in us */
#define SYNCED_SLICE_US		3000

/* No key is longer than STORE_MAX_KEY_BYTES, so these many bytes of a longer bound decide */
#define MAX_BOUND_BYTES		(STORE_MAX_KEY_BYTES + 1)

Hub			hub;

/* pairingheap_comparator: the lowest revision at the top */
static int
compare_future(const pairingheap_node *a, const pairingheap_node *b, void *arg)
{
	const HubWatch *x = pairingheap_const_container(HubWatch, future, a);
	const HubWatch *y = pairingheap_const_container(HubWatch, future, b);

	return position_compare(&y->next, &x->next);
}

static void
hub_init(void)
{
	MemoryContext old;

	hub.context = AllocSetContextCreate(TopMemoryContext, "pg_quorum watches of clients",
										ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(hub.context);
	hub_group_init(&hub.synced);
	dlist_init(&hub.behind);
	dlist_init(&hub.parked);
	dlist_init(&hub.over);
	dlist_init(&hub.moments);
	hub.future = pairingheap_allocate(compare_future, NULL);
	MemoryContextSwitchTo(old);
}

/* ----------------------------------------------------------------
 *	Where a watch is
 * ----------------------------------------------------------------
 */

/*
 * Nobody follows the synced group: who comes next begins at the present.
 */
static void
renew_synced(void)
{
	if (hub.synced.nwatches == 0)
	{
		hub.synced.next.revision = hub.revision + 1;
		hub.synced.next.sub = 0;
	}
}

/*
 * hub_place() -- put a watch, which is nowhere, where its position belongs.
 */
void
hub_place(HubWatch *watch)
{
	renew_synced();
	if (watch->next.revision > hub.revision + 1)
	{
		watch->state = HUB_FUTURE;
		pairingheap_add(hub.future, &watch->future);
	}
	else if (position_compare(&watch->next, hub_group_join(&hub.synced)) >= 0)
		hub_group_add(&hub.synced, watch);
	else
		hub_behind_add(watch);
}

/*
 * hub_set_synced() -- tell the listener, if it is no more or has become synced.
 */
void
hub_set_synced(HubWatch *watch)
{
	bool		synced = watch->group == &hub.synced;

	if (watch->synced == synced)
		return;
	watch->synced = synced;
	if (watch->listener->synced != NULL)
		watch->listener->synced(watch, synced, watch->arg);
}

/*
 * hub_park() -- a watch that has been taken out of its group waits for hub_resume().
 */
void
hub_park(HubWatch *watch)
{
	watch->state = HUB_PARKED;
	dlist_push_tail(&hub.parked, &watch->link);
	hub_set_synced(watch);
}

/*
 * hub_end() -- a watch that is nowhere is over, and will be told so.
 */
void
hub_end(HubWatch *watch)
{
	watch->state = HUB_OVER;
	hub.more = true;
	dlist_push_tail(&hub.over, &watch->link);
	hub_set_synced(watch);
}

static void
take_out(HubWatch *watch)
{
	switch ((HubState) watch->state)
	{
		case HUB_IN_GROUP:
			hub_group_remove(watch);
			break;
		case HUB_FUTURE:
			pairingheap_remove(hub.future, &watch->future);
			break;
		case HUB_PARKED:
		case HUB_OVER:
			dlist_delete(&watch->link);
			break;
	}
}

/*
 * The extension was dropped and created again.  No position means anything in the
 * new store.
 */
static void
end_all(void)
{
	dlist_mutable_iter iter;

	while (hub.synced.nwatches > 0)
	{
		HubWatch   *watch = dlist_container(HubWatch, link, dlist_head_node(&hub.synced.watches));

		hub_group_remove(watch);
		hub_end(watch);
	}
	dlist_foreach_modify(iter, &hub.behind)
	{
		HubGroup   *group = dlist_container(HubGroup, link, iter.cur);

		/* hub_behind_turn() lets go of it */
		while (group->nwatches > 0)
		{
			HubWatch   *watch = dlist_container(HubWatch, link, dlist_head_node(&group->watches));

			hub_group_remove(watch);
			hub_end(watch);
		}
	}
	while (!pairingheap_is_empty(hub.future))
		hub_end(pairingheap_container(HubWatch, future, pairingheap_remove_first(hub.future)));
	dlist_foreach_modify(iter, &hub.parked)
	{
		HubWatch   *watch = dlist_container(HubWatch, link, iter.cur);

		dlist_delete(&watch->link);
		hub_end(watch);
	}
}

static void
look_at_store(Relation store)
{
	store_read_revisions(store, &hub.revision, &hub.compacted);
	if (RelationGetRelid(store) != hub.store_id)
	{
		if (hub.nwatches > 0)
			end_all();
		hub.store_id = RelationGetRelid(store);
	}
}

/* ----------------------------------------------------------------
 *	Watches
 * ----------------------------------------------------------------
 */

static HubWatch *
make_watch(const HubRange *range)
{
	uint32		key_len = Min(range->key_len, MAX_BOUND_BYTES);
	uint32		end_len = Min(range->end_len, MAX_BOUND_BYTES);
	HubWatch   *watch = MemoryContextAllocZero(hub.context,
											   offsetof(HubWatch, bytes) + key_len + end_len);

	memcpy(watch->bytes, range->key, key_len);
	if (end_len > 0)
		memcpy(watch->bytes + key_len, range->end, end_len);
	range_node_set(&watch->node, watch->bytes, key_len, watch->bytes + key_len, end_len);
	watch->puts = range->puts;
	watch->deletes = range->deletes;
	watch->prev_kv = range->prev_kv;
	watch->target = -1;
	return watch;
}

/*
 * hub_watch() -- see hub.h.
 */
HubWatch *
hub_watch(Relation store, const HubRange *range, int64 start_revision,
		  const HubListener *listener, void *arg, int64 *next)
{
	HubWatch   *watch;

	if (hub.context == NULL)
		hub_init();
	look_at_store(store);

	watch = make_watch(range);
	watch->listener = listener;
	watch->arg = arg;
	watch->next.revision = start_revision > 0 ? start_revision : hub.revision + 1;
	hub_place(watch);
	watch->synced = watch->group == &hub.synced;
	hub.nwatches++;
	*next = watch->next.revision;
	return watch;
}

/*
 * hub_unwatch() -- see hub.h.
 */
void
hub_unwatch(HubWatch *watch)
{
	take_out(watch);
	pfree(watch);
	hub.nwatches--;
}

/*
 * hub_resume() -- see hub.h.
 */
void
hub_resume(HubWatch *watch)
{
	if (watch->state != HUB_PARKED)
		return;
	dlist_delete(&watch->link);
	hub_place(watch);
	hub_set_synced(watch);
}

bool
hub_is_synced(const HubWatch *watch)
{
	return watch->synced;
}

int64
hub_watch_told(const HubWatch *watch)
{
	const HubGroup *group = watch->group;

	return Max(watch->next.revision, group != NULL ? group->next.revision : 0) - 1;
}

int64
hub_revision(void)
{
	return hub.synced.next.revision - 1;
}

/*
 * hub_watch_range() -- see hub.h.
 */
void
hub_watch_range(const HubWatch *watch, HubRange *range)
{
	range->key = watch->node.key;
	range->key_len = watch->node.key_len;
	range->end = watch->node.end;
	range->end_len = watch->node.end_len;
	range->puts = watch->puts;
	range->deletes = watch->deletes;
	range->prev_kv = watch->prev_kv;
}

/*
 * hub_await(), hub_await_no_more() -- see hub.h.
 */
void
hub_await(HubMoment *moment, int64 revision, void (*reached) (HubMoment *moment))
{
	Assert(hub.nwatches > 0 && revision > 0);
	hub_await_no_more(moment);
	moment->revision = revision;
	moment->reached = reached;
	dlist_push_tail(&hub.moments, &moment->link);
}

void
hub_await_no_more(HubMoment *moment)
{
	if (moment->revision == 0)
		return;
	dlist_delete(&moment->link);
	moment->revision = 0;
}

int
hub_watch_count(void)
{
	return hub.nwatches;
}

Relation
hub_store(void)
{
	return hub.store;
}

/* ----------------------------------------------------------------
 *	Turns
 * ----------------------------------------------------------------
 */

/*
 * Tell those that are over that they are.
 */
static void
tell_over(void)
{
	int64		compacted = Max(hub.compacted, 1);
	int			n = 0;

	while (!dlist_is_empty(&hub.over) && n++ < HUB_MOVES_PER_TURN)
	{
		HubWatch   *watch = dlist_container(HubWatch, link, dlist_pop_head_node(&hub.over));

		watch->listener->compacted(watch, compacted, watch->arg);
		pfree(watch);
		hub.nwatches--;
	}
}

/*
 * Tell those who wait for a revision that it has been read.
 */
static void
tell_moments(void)
{
	dlist_head	reached;
	dlist_mutable_iter iter;

	dlist_init(&reached);
	dlist_foreach_modify(iter, &hub.moments)
	{
		HubMoment  *moment = dlist_container(HubMoment, link, iter.cur);

		if (moment->revision <= hub_revision())
		{
			dlist_delete(&moment->link);
			dlist_push_tail(&reached, &moment->link);
		}
	}
	while (!dlist_is_empty(&reached))
	{
		HubMoment  *moment = dlist_container(HubMoment, link, dlist_head_node(&reached));

		hub_await_no_more(moment);
		moment->reached(moment);
	}
}

/*
 * Watches whose first revision has come, or is the next one.  Returns whether there are more.
 */
static bool
release_future(void)
{
	int			n = 0;

	while (!pairingheap_is_empty(hub.future))
	{
		HubWatch   *watch = pairingheap_container(HubWatch, future,
												  pairingheap_first(hub.future));

		if (watch->next.revision > hub.revision + 1)
			break;
		if (n++ == HUB_MOVES_PER_TURN)
			return true;
		pairingheap_remove_first(hub.future);
		hub_place(watch);
		hub_set_synced(watch);
	}
	return false;
}

/*
 * hub_turn() -- see hub.h.
 */
bool
hub_turn(Relation store)
{
	hub.more = false;
	if (hub.nwatches == 0)
		return false;

	hub.store = store;
	hub.published = member_published_revision();
	look_at_store(store);
	renew_synced();
	hub.more |= release_future();
	hub.more |= hub_group_serve(&hub.synced, clock_now() + SYNCED_SLICE_US);
	hub.more |= hub_behind_turn();
	tell_over();
	tell_moments();
	hub.more |= !dlist_is_empty(&hub.over);
	hub.store = NULL;
	return hub.more;
}

/*
 * hub_has_work() -- see hub.h.
 *
 * Revisions that go back mean that the store has given way to another one.
 */
bool
hub_has_work(void)
{
	if (hub.nwatches == 0)
		return false;
	return hub.more || hub.nbehind > 0 || hub.published != member_published_revision();
}

/*
 * hub_prepare_wait() -- see hub.h.
 */
bool
hub_prepare_wait(long *timeout_ms)
{
	if (hub.nwatches == 0)
		return true;
	member_revision_wait_begin();
	if (!hub_has_work())
		return true;
	member_revision_wait_end();
	return false;
}

void
hub_end_wait(void)
{
	member_revision_wait_end();
}
