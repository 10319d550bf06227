/*-------------------------------------------------------------------------
 *
 * pace.h
 *	  When the notifier may send, and how much.
 *
 * Private to src/notify/.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/notify/pace.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_NOTIFY_PACE_H
#define PGQ_NOTIFY_PACE_H

#include "clock.h"

typedef struct Pace
{
	Size		batch_bytes;	/* a batch ends at this size */
	ClockTime	next;			/* no batch before */

	/* the last batch sent */
	ClockTime	sent_at;
	bool		unread;			/* not known to have been read by all */
	bool		waited;			/* the next one was due, and waited for that */
	bool		stuck;			/* some listener does not read at all */
	long		read_ms;		/* how long the last batch that was read by all took them */

	/* failures */
	int			retry_ms;		/* delay after the last one; 0: none */
} Pace;

extern void pace_init(Pace *pace);

/* Milliseconds until a batch may be sent: 0 if now, then batch_bytes is set */
extern long pace_wait_ms(Pace *pace);

/* A turn that began at `start` has ended: was something sent, is there more,
 * how many watch? */
extern void pace_done(Pace *pace, ClockTime start, bool sent, bool more,
					  int interval_ms, long watches);

/* A batch failed and is to be tried again later */
extern void pace_failed(Pace *pace);

/* Is PostgreSQL's notification queue too full for more? */
extern bool pace_queue_full(void);

#endif							/* PGQ_NOTIFY_PACE_H */
