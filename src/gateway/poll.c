/*-------------------------------------------------------------------------
 *
 * poll.c
 *	  The gateway's sockets, watched by epoll.
 *
 * A WaitEventSet is made for a handful of sockets that stay.  So there is an epoll
 * set beside it, whose descriptor is one socket of the WaitEventSet.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/poll.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/epoll.h>
#include <unistd.h>

#include "gateway/transport.h"

#define EVENTS_PER_TURN		256

static int	epoll_set = -1;

/*
 * poll_init() -- once in a process.
 */
void
poll_init(void)
{
	epoll_set = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_set < 0)
		ereport(ERROR, (errmsg("epoll_create1 failed: %m")));
}

int
poll_fd(void)
{
	return epoll_set;
}

bool
poll_want(Pollable *pollable, uint32 events)
{
	struct epoll_event event = {.events = events, .data.ptr = pollable};
	int			op = pollable->polled ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (pollable->fd < 0 || (pollable->polled && pollable->events == events))
		return true;
	if (epoll_ctl(epoll_set, op, pollable->fd, &event) < 0)
		return false;
	pollable->polled = true;
	pollable->events = events;
	return true;
}

/*
 * poll_forget() -- before its socket is closed.  Its memory must live on until the end of the turn.
 */
void
poll_forget(Pollable *pollable)
{
	struct epoll_event event = {0};

	if (pollable->polled)
		(void) epoll_ctl(epoll_set, EPOLL_CTL_DEL, pollable->fd, &event);
	pollable->polled = false;
}

bool
poll_turn(void)
{
	struct epoll_event events[EVENTS_PER_TURN];
	int			n = epoll_wait(epoll_set, events, EVENTS_PER_TURN, 0);
	int			i;

	for (i = 0; i < n; i++)
	{
		Pollable   *pollable = events[i].data.ptr;

		if (pollable->polled)	/* not closed by an event before */
			pollable->ready(pollable, events[i].events);
	}
	return n == EVENTS_PER_TURN;
}
