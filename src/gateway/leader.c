/*-------------------------------------------------------------------------
 *
 * leader.c
 *	  Calls that want a leader (metadata "hasleader: true").
 *
 * A stream on a member that is cut off goes on as if nothing happened, and its client never learns
 * that it should go elsewhere.  Who asks for it is told: at once if no leader is known when the
 * call begins, later when none has been known for three election timeouts.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/leader.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "clock.h"
#include "gateway/errors.h"
#include "gateway/leader.h"
#include "gateway/timer.h"
#include "member/member.h"
#include "settings.h"

#define TIMEOUTS_WITHOUT_LEADER	3

static dlist_head needs = DLIST_STATIC_INIT(needs);
static Timer look_timer;
static ClockTime without_since;	/* 0: a leader is known */

bool
leader_is_known(void)
{
	MemberStatus status;

	member_get_status(&status);
	return status.leader_id != 0;
}

bool
leader_check(Call *call)
{
	if (!call->has_leader || leader_is_known())
		return true;
	errors_finish_with(call, &error_no_leader);
	return false;
}

static void
set_timer(void (*fire) (Timer *timer))
{
	timer_set(&look_timer,
			  clock_plus_ms(gateway_now, Max(setting_election_timeout / 2, 10)), fire);
}

/* Timer: is there a leader still? */
static void
look(Timer *timer)
{
	dlist_mutable_iter iter;

	if (dlist_is_empty(&needs))
		return;
	if (leader_is_known())
		without_since = 0;
	else if (without_since == 0)
		without_since = gateway_now;
	else if (clock_exceeds(without_since, gateway_now,
						   TIMEOUTS_WITHOUT_LEADER * setting_election_timeout))
	{
		dlist_foreach_modify(iter, &needs)
		{
			LeaderNeed *need = dlist_container(LeaderNeed, link, iter.cur);
			Call	   *call = need->call;

			leader_need_end(need);
			errors_finish_with(call, &error_no_leader);
		}
		return;
	}
	set_timer(look);
}

void
leader_need_begin(LeaderNeed *need, Call *call)
{
	if (!call->has_leader)
		return;
	Assert(need->call == NULL);
	if (dlist_is_empty(&needs))
	{
		without_since = 0;
		set_timer(look);
	}
	need->call = call;
	dlist_push_tail(&needs, &need->link);
}

void
leader_need_end(LeaderNeed *need)
{
	if (need->call == NULL)
		return;
	dlist_delete(&need->link);
	need->call = NULL;
}
