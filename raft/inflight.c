/*-------------------------------------------------------------------------
 *
 * inflight.c
 *	  The window of appends in flight to one peer.
 *
 * A ring of (last index, bytes) of the messages sent and not acknowledged.  The
 * limit on bytes is soft: the message that crosses it is still sent, or an entry
 * larger than the limit could never go.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/inflight.c
 *
 *-------------------------------------------------------------------------
 */
#include "raft_int.h"

void
raft_window_reset(struct raft_window *w)
{
	w->start = 0;
	w->count = 0;
	w->bytes = 0;
}

bool
raft_window_full(const struct raft_window *w)
{
	return w->count == w->cap || w->bytes >= w->max_bytes;
}

/* False if it is full or the index does not grow: the caller's mistake. */
bool
raft_window_add(struct raft_window *w, raft_index index, uint64_t bytes)
{
	uint32_t	slot;

	if (raft_window_full(w))
		return false;
	if (w->count > 0)
	{
		slot = (w->start + w->count - 1) % w->cap;
		if (w->ring[slot].index >= index)
			return false;
	}
	slot = (w->start + w->count) % w->cap;
	w->ring[slot].index = index;
	w->ring[slot].bytes = bytes;
	w->count++;
	w->bytes += bytes;
	return true;
}

/* Everything up to index has arrived. */
void
raft_window_free_to(struct raft_window *w, raft_index index)
{
	while (w->count > 0 && w->ring[w->start].index <= index)
	{
		w->bytes -= w->ring[w->start].bytes;
		w->start = (w->start + 1) % w->cap;
		w->count--;
	}
	if (w->count == 0)
		w->start = 0;
}
