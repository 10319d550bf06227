/*-------------------------------------------------------------------------
 *
 * inflight.c
 *	  The window of appends in flight to one peer.
 *
 * A ring of (last index, bytes) of the messages sent and not acknowledged.  The
 * limit on bytes is soft: the message that crosses it is still sent, or an entry
 * larger than the limit could never go.
 *
 * A rejection empties the window, but not the network: what was in flight still
 * is, and most of it will be rejected too.  If a full window followed each time,
 * a network that reorders would turn every rejection into another window, and
 * the traffic would grow far beyond what the window is there to bound.  So a
 * rejection halves the number of messages admitted, and every message that is
 * acknowledged admits one more (slow start and multiplicative decrease, as in TCP:
 * V. Jacobson, "Congestion Avoidance and Control", 1988).  What is in
 * flight to a peer then comes to about two windows at most.
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

/* Nothing speaks against the whole window: a new peer, a new term. */
void
raft_window_open(struct raft_window *w)
{
	w->limit = w->cap;
}

/* A message of the window was rejected. */
void
raft_window_shrink(struct raft_window *w)
{
	w->limit = Max(w->limit / 2, 1);
}

bool
raft_window_full(const struct raft_window *w)
{
	return w->count >= w->limit || w->bytes >= w->max_bytes;
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

/* Everything up to index has arrived; the limit grows by what that frees. */
void
raft_window_free_to(struct raft_window *w, raft_index index)
{
	while (w->count > 0 && w->ring[w->start].index <= index)
	{
		w->bytes -= w->ring[w->start].bytes;
		w->start = (w->start + 1) % w->cap;
		w->count--;
		w->limit = Min(w->limit + 1, w->cap);
	}
	if (w->count == 0)
		w->start = 0;
}
