/*-------------------------------------------------------------------------
 *
 * timer.h
 *	  Timers of the gateway's loop.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/timer.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_GATEWAY_TIMER_H
#define PGQ_GATEWAY_TIMER_H

#include "lib/pairingheap.h"

#include "clock.h"

/*
 * Part of what it times; zeroed memory is a timer that is not set.  fire() runs in the
 * loop, outside of transactions, with the timer no longer set; it must not raise.
 */
typedef struct Timer
{
	pairingheap_node node;
	ClockTime	at;				/* 0: not set */
	void		(*fire) (struct Timer *timer);
} Timer;

extern void timer_set(Timer *timer, ClockTime at, void (*fire) (Timer *timer));
extern void timer_clear(Timer *timer);

/* Fire what is due at gateway_now */
extern void timers_run(void);

/* How long until the next one is due, in ms; -1: none is set */
extern long timers_wait(void);

#endif							/* PGQ_GATEWAY_TIMER_H */
