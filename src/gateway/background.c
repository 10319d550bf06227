/*-------------------------------------------------------------------------
 *
 * background.c
 *	  Work of the gateway that belongs to no message of a call.
 *
 * Whatever of it may fail, it has done as a call's, so that an ERROR ends that call alone.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/background.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "gateway/authenticate.h"
#include "gateway/background.h"
#include "gateway/health.h"
#include "gateway/maintenance.h"
#include "gateway/publish.h"
#include "gateway/token.h"

/* It wants to be called so often at least, in ms */
#define BACKGROUND_PERIOD	1000

static void
want(long *wait, long ms)
{
	if (ms >= 0 && ms < *wait)
		*wait = ms;
}

long
background_turn(void)
{
	long		wait = BACKGROUND_PERIOD;

	want(&wait, hash_jobs_turn());
	want(&wait, hashing_turn());
	want(&wait, snapshot_turn());
	want(&wait, health_turn());
	want(&wait, publish_turn());
	return wait;
}

void
background_reload(void)
{
	token_reload();
	publish_reload();
}
