/*-------------------------------------------------------------------------
 *
 * held.c
 *	  What this session holds, in order to notice when it is lost.
 *
 * Who holds a lock is in the store, and nothing here is ever asked whether a lock is held.
 * But a session whose lease expires loses everything at once, while it may be
 * doing something else; the next time it uses a lock it must be told, and not just
 * be given a new lease.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/locks/held.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "nodes/pg_list.h"
#include "utils/memutils.h"

#include "locks/queue.h"
#include "member/member.h"

typedef struct HeldKey
{
	int64		token;
	int64		lease;
	size_t		len;
	char		key[FLEXIBLE_ARRAY_MEMBER];
} HeldKey;

static List *held = NIL;		/* of HeldKey, in TopMemoryContext; few */

static HeldKey *
held_find(const QueuePlace *place)
{
	ListCell   *lc;

	foreach(lc, held)
	{
		HeldKey    *own = lfirst(lc);

		if (own->len == place->key.len && memcmp(own->key, place->key.data, own->len) == 0)
			return own;
	}
	return NULL;
}

void
held_add(const QueuePlace *place)
{
	HeldKey    *own = held_find(place);
	MemoryContext old;

	if (own == NULL)
	{
		old = MemoryContextSwitchTo(TopMemoryContext);
		own = palloc(offsetof(HeldKey, key) + place->key.len);
		own->len = place->key.len;
		memcpy(own->key, place->key.data, own->len);
		held = lappend(held, own);
		MemoryContextSwitchTo(old);
	}
	own->token = place->token;
	own->lease = place->lease;
}

void
held_remove(const QueuePlace *place)
{
	HeldKey    *own = held_find(place);

	if (own == NULL)
		return;
	held = list_delete_ptr(held, own);
	pfree(own);
}

/*
 * held_check_lease
 *
 * A lease that the session gave up of its own accord (DISCARD ALL) is no news.
 */
void
held_check_lease(void)
{
	int			n = list_length(held);

	if (n == 0 || ((HeldKey *) linitial(held))->lease == member_session_lease_id())
		return;
	list_free_deep(held);
	held = NIL;
	if (member_session_lease_lost())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("lease of this session has been lost"),
				 errdetail_plural("It expired or was revoked.  %d lock of the session is not held any more.",
								  "It expired or was revoked.  %d locks of the session are not held any more.",
								  n, n),
				 errhint("Call again to go on with a new lease.")));
}
