/*-------------------------------------------------------------------------
 *
 * timer.c
 *	  Timers of the gateway's loop.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/timer.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "clock.h"
#include "gateway/call.h"
#include "gateway/timer.h"

/* Fired in one turn at most; the rest waits for the next */
#define TIMERS_PER_TURN		10000

static int
compare_timers(const pairingheap_node *a, const pairingheap_node *b, void *arg)
{
	ClockTime	at_a = pairingheap_const_container(Timer, node, a)->at;
	ClockTime	at_b = pairingheap_const_container(Timer, node, b)->at;

	/* the first one is the greatest */
	return at_a < at_b ? 1 : at_a > at_b ? -1 : 0;
}

static pairingheap timers = {.ph_compare = compare_timers};

void
timer_clear(Timer *timer)
{
	if (timer->at == 0)
		return;
	pairingheap_remove(&timers, &timer->node);
	timer->at = 0;
}

void
timer_set(Timer *timer, ClockTime at, void (*fire) (Timer *timer))
{
	timer_clear(timer);
	timer->at = at;
	timer->fire = fire;
	pairingheap_add(&timers, &timer->node);
}

void
timers_run(void)
{
	int			left = TIMERS_PER_TURN;

	while (!pairingheap_is_empty(&timers) && left-- > 0)
	{
		Timer	   *first = pairingheap_container(Timer, node, pairingheap_first(&timers));

		if (first->at > gateway_now)
			break;
		timer_clear(first);
		first->fire(first);
	}
}

long
timers_wait(void)
{
	Timer	   *first;

	if (pairingheap_is_empty(&timers))
		return -1;
	first = pairingheap_container(Timer, node, pairingheap_first(&timers));

	/* rounded up, or the loop would spin through the last millisecond */
	if (first->at <= gateway_now)
		return 0;
	return (long) Min((first->at - gateway_now + 999) / 1000, INT_MAX);
}
