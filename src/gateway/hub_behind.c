/*-------------------------------------------------------------------------
 *
 * hub_behind.c
 *	  Watches that catch up.
 *
 * A watch that begins in the past, or fell behind because its listener was not ready, has to be told
 * what the others know already.  Such watches are in groups of those about equally far behind, each with
 * one reader for all.  The groups take turns, a slice of time in each turn of the loop, so one with
 * the whole history to read delays the others for a slice each time, and everybody
 * else for no more than that.  A group that reaches another one's position becomes part
 * of it, and at last of the synced one.
 *
 * There are not more than some groups.  When they are all there, a watch joins the one nearest behind it, or,
 * if all are ahead, the last of them goes back and reads again for it what its others know.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/hub_behind.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "gateway/hub_int.h"

#define MAX_GROUPS			16

/* So many revisions behind a watch, another group is as good as one of its own */
#define NEAR_REVISIONS		1000

/* All groups together have this time in a turn, in us */
#define BEHIND_SLICE_US		1500

static HubGroup *
new_group(const StorePosition *next)
{
	HubGroup   *group = MemoryContextAlloc(hub.context, sizeof(HubGroup));

	hub_group_init(group);
	group->next = *next;
	dlist_push_tail(&hub.behind, &group->link);
	hub.nbehind++;
	return group;
}

static void
free_group(HubGroup *group)
{
	Assert(group->nwatches == 0);
	hub_batch_reset(&group->batch);
	MemoryContextDelete(group->batch.context);
	dlist_delete(&group->link);
	hub.nbehind--;
	pfree(group);
}

/*
 * Let a group read again from an earlier position.
 */
static void
move_back(HubGroup *group, const StorePosition *to)
{
	dlist_iter	iter;

	dlist_foreach(iter, &group->watches)
	{
		HubWatch   *watch = dlist_container(HubWatch, link, iter.cur);

		position_raise(&watch->next, &group->next);
	}
	hub_batch_reset(&group->batch);
	group->next = *to;
}

/*
 * hub_behind_add() -- have a watch catch up.
 */
void
hub_behind_add(HubWatch *watch)
{
	HubGroup   *nearest = NULL;
	HubGroup   *last = NULL;
	dlist_iter	iter;

	dlist_foreach(iter, &hub.behind)
	{
		HubGroup   *group = dlist_container(HubGroup, link, iter.cur);
		const StorePosition *join = hub_group_join(group);

		if (last == NULL || position_compare(join, hub_group_join(last)) < 0)
			last = group;
		if (position_compare(join, &watch->next) <= 0 &&
			(nearest == NULL || position_compare(join, hub_group_join(nearest)) > 0))
			nearest = group;
	}

	if (nearest == NULL ||
		watch->next.revision - hub_group_join(nearest)->revision > NEAR_REVISIONS)
	{
		if (hub.nbehind < MAX_GROUPS)
			nearest = new_group(&watch->next);
		else if (nearest == NULL)
		{
			move_back(last, &watch->next);
			nearest = last;
		}
	}
	hub_group_add(nearest, watch);
}

/*
 * Move watches of a group to another one, whose position they have reached.
 */
static void
move_watches(HubGroup *from, HubGroup *to)
{
	int			n = 0;

	while (from->nwatches > 0 && n++ < HUB_MOVES_PER_TURN)
	{
		HubWatch   *watch = dlist_container(HubWatch, link, dlist_head_node(&from->watches));

		hub_group_remove(watch);
		hub_group_add(to, watch);
		hub_set_synced(watch);
	}
}

/*
 * Where can the watches of the group go, which was at `before` a moment ago?
 */
static HubGroup *
find_reached(HubGroup *group, const StorePosition *before)
{
	dlist_iter	iter;

	if (position_compare(&group->next, hub_group_join(&hub.synced)) >= 0)
		return &hub.synced;
	dlist_foreach(iter, &hub.behind)
	{
		HubGroup   *other = dlist_container(HubGroup, link, iter.cur);
		const StorePosition *join = hub_group_join(other);

		if (other != group && position_compare(join, before) > 0 &&
			position_compare(join, &group->next) <= 0)
			return other;
	}
	return NULL;
}

/*
 * hub_behind_turn() -- let the groups read for a slice of time.
 *
 * Returns whether there is any left.
 */
bool
hub_behind_turn(void)
{
	ClockTime	now = clock_now();
	int			left = hub.nbehind;

	while (left > 0 && hub.nbehind > 0)
	{
		HubGroup   *group = dlist_container(HubGroup, link, dlist_head_node(&hub.behind));
		StorePosition before = group->next;
		HubGroup   *reached;

		/* each has the same part of the time; what it does not need is the next one's */
		(void) hub_group_serve(group, now + BEHIND_SLICE_US / left);
		if (group->nwatches > 0 && !group->batch.begun)
		{
			reached = find_reached(group, &before);
			if (reached != NULL)
				move_watches(group, reached);
		}
		dlist_move_tail(&hub.behind, &group->link);
		if (group->nwatches == 0)
			free_group(group);
		left--;
		now = clock_now();
	}
	return hub.nbehind > 0;
}
