/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  The gateway worker: its life and its loop.
 *
 * A turn of the loop: look at sockets, hear of the member's answers, run what has become runnable
 * in one short transaction with the store open, send.  Then wait, without a transaction: no
 * snapshot, no xid, no lock.
 *
 * The lock on the store is taken conditionally.  Where it is not to be had, or there is no store,
 * calls wait for it until their time is over; nobody else waits for them.
 *
 * ERRORs of handlers end the call that raised them (run.c).  Any other ends the worker, which
 * starts again: clients reconnect, and nothing is lost that they were told of.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/worker.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/pmsignal.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/ps_status.h"
#include "utils/rel.h"

#include "clock.h"
#include "gateway/background.h"
#include "gateway/gateway.h"
#include "gateway/hub.h"
#include "gateway/transport.h"
#include "member/calls.h"
#include "settings.h"
#include "storage/storage.h"

#include "compat.h"

/* How soon a store that was not to be had is tried again */
#define STORE_RETRY_MS		10
#define STORE_ABSENT_MS		100

/* Interrupts, statistics and the postmaster are looked at so often at least */
#define HOUSEKEEPING_MS		1000

/* How long a server that is asked to go waits for its clients to hear of it */
#define DRAIN_MS			500

ClockTime gateway_now;
Relation	gateway_store;
MemoryContext gateway_context;
MemoryContext handler_context;

static WaitEventSet *wait_set;
static bool turn_is_open;
static bool more_work;			/* the next turn need not wait */
static ClockTime background_at;	/* when background work wants its turn */
static long store_retry_ms;		/* 0: the store was to be had, or not asked for */
static ClockTime kept_house_at;
static ClockTime draining_since;	/* 0: not draining */

PGDLLEXPORT void gateway_worker_main(Datum arg);

/*
 * gateway_register_worker() -- called from _PG_init() under preload.
 */
void
gateway_register_worker(void)
{
	if (setting_listen_client_urls[0] == '\0')
		return;
	member_register_worker("pg_quorum gateway", "gateway_worker_main");
}

/* ----------------------------------------------------------------
 *	The turn
 * ----------------------------------------------------------------
 */

Relation
call_store(void)
{
	return gateway_store;
}

/*
 * Does the store exist already?  A published revision says so without a look at its file.
 */
static bool
store_is_made(Relation rel)
{
	return member_published_revision() > 0 || tree_is_formatted(rel);
}

/*
 * gateway_turn_open() -- see transport.h.
 */
bool
gateway_turn_open(void)
{
	if (!turn_is_open || !IsTransactionState())
		StartTransactionCommand();
	turn_is_open = true;
	gateway_store = storage_open(STORAGE_TREE, AccessShareLock, true);
	if (gateway_store != NULL && !store_is_made(gateway_store))
	{
		relation_close(gateway_store, AccessShareLock);
		gateway_store = NULL;
	}
	store_retry_ms = gateway_store != NULL ? 0 :
		member_published_revision() > 0 ? STORE_RETRY_MS : STORE_ABSENT_MS;
	MemoryContextSwitchTo(gateway_context);
	return gateway_store != NULL;
}

static void
turn_close(void)
{
	if (gateway_store != NULL)
		relation_close(gateway_store, AccessShareLock);
	gateway_store = NULL;
	CommitTransactionCommand();
	turn_is_open = false;
	MemoryContextSwitchTo(gateway_context);
}

/*
 * The part of the turn that has a transaction, if there is anything to do in it.
 */
static void
run_handlers(void)
{
	bool		works = calls_runnable() || hub_has_work() || gateway_now >= background_at;

	if (!works)
	{
		store_retry_ms = 0;
		return;
	}
	if (gateway_turn_open() && calls_run())
	{
		MemoryContextSwitchTo(handler_context);
		if (hub_has_work())
			more_work |= hub_turn(gateway_store);
		background_at = clock_plus_ms(gateway_now, background_turn());
		MemoryContextSwitchTo(gateway_context);
		MemoryContextReset(handler_context);
		more_work |= calls_runnable();
	}
	else
		calls_wait();
	turn_close();
}

/*
 * Answers of the member.
 */
static void
hear_member(void)
{
	MemoryContextSwitchTo(handler_context);
	member_calls_run();
	MemoryContextSwitchTo(gateway_context);
	MemoryContextReset(handler_context);
}

static void
turn(void)
{
	gateway_now = clock_now();
	more_work = poll_turn();
	conns_reread();
	timers_run();
	hear_member();
	calls_reap();
	run_handlers();
	calls_reap();
	member_calls_send();
	conns_flush();
	conns_reap();
	calls_reap();

	/* a client that sent ahead has had its answer, and comes with the next request */
	more_work |= conns_have_more() || (store_retry_ms == 0 && calls_runnable());
}

/* ----------------------------------------------------------------
 *	Waiting
 * ----------------------------------------------------------------
 */

static long
sooner(long a, long b)
{
	if (a < 0)
		return b;
	return b < 0 ? a : Min(a, b);
}

/*
 * The one place where the worker waits.
 */
static void
wait_for_work(void)
{
	static uint32 wait_event = 0;
	WaitEvent	event;
	long		timeout = HOUSEKEEPING_MS;

	if (more_work && !MyLatch->is_set)
		return;					/* sockets are looked at in the turn itself */
	timeout = sooner(timeout, timers_wait());
	if (store_retry_ms == 0)
		timeout = sooner(timeout, clock_ms_between(gateway_now, background_at));
	timeout = sooner(timeout, member_calls_wait());
	if (store_retry_ms > 0)
		timeout = sooner(timeout, store_retry_ms);
	if (draining_since != 0)
		timeout = sooner(timeout, 10);
	if (!hub_prepare_wait(&timeout) || more_work)
		timeout = 0;
	if (WaitEventSetWait(wait_set, timeout, &event, 1,
						 pgq_wait_event(&wait_event, "QuorumGateway")) > 0 &&
		(event.events & WL_LATCH_SET))
		ResetLatch(MyLatch);
	hub_end_wait();
}

/* ----------------------------------------------------------------
 *	The worker
 * ----------------------------------------------------------------
 */

/*
 * Show in the process title who is served, and in pg_stat_activity where, and what hinders that.
 */
static void
show_state(void)
{
	static char shown_title[256];
	static char shown_state[1024];
	char		title[256];
	char		state[1024];
	char		where[512];

	listen_describe(where, sizeof(where));
	snprintf(title, sizeof(title), "%.200s%s%u connections", where, where[0] != '\0' ? " " : "",
			 gateway_stats.connections);
	if (strcmp(title, shown_title) != 0)
	{
		strlcpy(shown_title, title, sizeof(shown_title));
		set_ps_display(title);
	}
	snprintf(state, sizeof(state), "listens on %s%s%s", where[0] != '\0' ? where : "nothing",
			 listen_problem()[0] != '\0' ? "; " : "", listen_problem());
	if (strcmp(state, shown_state) != 0)
	{
		strlcpy(shown_state, state, sizeof(shown_state));
		pgstat_report_activity(STATE_RUNNING, state);
		pgstat_report_activity(STATE_IDLE, NULL);
	}
}

/*
 * What is to be done once a second.
 */
static void
keep_house(void)
{
	if (!clock_exceeds(kept_house_at, gateway_now, HOUSEKEEPING_MS))
		return;
	kept_house_at = gateway_now;
	if (!PostmasterIsAlive())
		proc_exit(1);
	show_state();
	(void) pgstat_report_stat(false);
}

static void
reload_settings(void)
{
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
	gateway_now = clock_now();
	if (listen_wants_tls())
		(void) tls_load();
	listen_open();
	background_reload();
}

/*
 * The server goes: say so to the clients, and go when they have heard it.
 */
static void
drain(void)
{
	if (draining_since == 0)
	{
		draining_since = gateway_now = clock_now();
		listen_close();
		conns_drain();
	}
	else if (conns_drained() ||
			 clock_exceeds(draining_since, clock_now(), DRAIN_MS))
		proc_exit(1);			/* so that it starts again, if the server goes on */
}

static void
gateway_start(void)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	pqsignal(SIGINT, SIG_IGN);	/* there is no statement to cancel */
	BackgroundWorkerUnblockSignals();
	member_connect_worker();

	/* JSON is UTF-8: what converts it must be known outside of transactions too */
	StartTransactionCommand();
	SetConfigOption("client_encoding", "UTF8", PGC_USERSET, PGC_S_OVERRIDE);
	CommitTransactionCommand();

	gateway_context = AllocSetContextCreate(TopMemoryContext, "pg_quorum gateway",
											ALLOCSET_DEFAULT_SIZES);
	handler_context = AllocSetContextCreate(TopMemoryContext, "pg_quorum gateway handler",
											ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(gateway_context);
	gateway_now = kept_house_at = clock_now();
	methods_init();
	json_init();
	member_calls_attach();

	poll_init();
	wait_set = pgq_create_wait_event_set(3);
	AddWaitEventToSet(wait_set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(wait_set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	AddWaitEventToSet(wait_set, WL_SOCKET_READABLE, poll_fd(), NULL, NULL);

	listen_init();
	if (listen_wants_tls())
		(void) tls_load();
	listen_open();
	show_state();
	pgstat_report_appname("pg_quorum gateway");
}

/*
 * gateway_worker_main() -- entry point of the worker.
 */
void
gateway_worker_main(Datum arg)
{
	gateway_start();

	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
			reload_settings();
		if (ShutdownRequestPending)
			drain();
		turn();
		keep_house();
		wait_for_work();
	}
}
