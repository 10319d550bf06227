/*-------------------------------------------------------------------------
 *
 * autocompact.c
 *	  Compaction without being asked: by time, or by number of revisions.
 *
 * By time (etcd's periodic mode): every member notes its revision ten times a
 * period, the period being the retention, or an hour if that is longer; the leader compacts once a
 * period to the revision of one retention ago.  All members take notes, so that a new
 * leader knows the past.  The notes live in memory: after a restart of all
 * members one retention goes by before the first compaction.
 *
 * By number: the leader compacts every five minutes to what leaves the last so
 * many revisions.  Unlike etcd it does not wait that long when as many new ones
 * have come as are to be kept, and a thousand at least.
 *
 * Nothing happens where nothing has been written.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/autocompact.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "../clock.h"
#include "../settings.h"
#include "worker.h"

#define HOUR_MS					(INT64CONST(3600) * 1000)
#define SAMPLES_A_PERIOD		10

/* By number of revisions: at least so often; early, at most so often, and from
 * so many new revisions on. */
#define REVISION_PERIOD_MS		(INT64CONST(5) * 60 * 1000)
#define REVISION_EARLY_MS		1000
#define REVISION_EARLY_COUNT	1000

static struct
{
	int			mode;			/* the settings that the rest belongs to */
	int64		retention_ms;
	int64	   *samples;		/* revisions, the oldest first */
	int			nsamples;
	int			max_samples;
	ClockTime	next_sample;
	ClockTime	done_at;		/* when the last compaction was proposed */
	int64		done_revision;
	bool		first;			/* none has been yet */
}			state;

static bool
propose_compaction(int64 revision)
{
	Quorum__Command command;
	Etcdserverpb__CompactionRequest request;

	quorum__command__init(&command);
	etcdserverpb__compaction_request__init(&request);
	command.internal = true;
	command.op_case = QUORUM__COMMAND__OP_COMPACTION;
	command.compaction = &request;
	request.revision = revision;
	return requests_propose(&command);
}

static int64
period_ms(void)
{
	return Min(state.retention_ms, HOUR_MS);
}

/*
 * Begin anew with other settings.
 */
static void
start_periodic(int64 retention_ms, ClockTime now)
{
	if (state.samples != NULL)
		pfree(state.samples);
	memset(&state, 0, sizeof(state));
	state.mode = AUTO_COMPACTION_PERIODIC;
	state.retention_ms = retention_ms;
	state.max_samples = retention_ms * SAMPLES_A_PERIOD / period_ms() + 1;
	state.samples = MemoryContextAlloc(worker->context, state.max_samples * sizeof(int64));
	state.next_sample = now;
	state.done_at = now;
	state.first = true;
}

static void
start_by_revision(ClockTime now)
{
	if (state.samples != NULL)
		pfree(state.samples);
	memset(&state, 0, sizeof(state));
	state.mode = AUTO_COMPACTION_REVISION;
	state.done_at = now;
}

/*
 * May this member compact now?
 */
static bool
may_compact(int64 revision)
{
	const Quorum__StoreMeta *meta = store_meta(worker->store);

	return worker->role == MEMBER_LEADER && revision > meta->compacted_revision &&
		!store_alarm_active(meta, ETCDSERVERPB__ALARM_TYPE__CORRUPT);
}

static void
run_periodic(ClockTime now)
{
	int64		wait_ms = state.first ? state.retention_ms : period_ms();
	int64		revision;

	if (now < state.next_sample)
		return;
	state.next_sample = clock_plus_ms(now, Max(period_ms() / SAMPLES_A_PERIOD, 1));
	if (state.nsamples == state.max_samples)
		memmove(state.samples, state.samples + 1, --state.nsamples * sizeof(int64));
	state.samples[state.nsamples++] = store_meta(worker->store)->revision;

	/* the oldest is of one retention ago */
	revision = state.samples[0];
	if (state.nsamples < state.max_samples || revision == state.done_revision ||
		!clock_exceeds(state.done_at, now, wait_ms) || !may_compact(revision))
		return;
	if (propose_compaction(revision))
	{
		state.done_at = now;
		state.done_revision = revision;
		state.first = false;
	}
}

static void
run_by_revision(int64 keep, ClockTime now)
{
	int64		revision = store_meta(worker->store)->revision - keep;
	int64		fresh = revision - Max(store_meta(worker->store)->compacted_revision, 0);
	bool		early = fresh >= Max(keep, REVISION_EARLY_COUNT);

	if (revision <= 0 || revision == state.done_revision ||
		!clock_exceeds(state.done_at, now, early ? REVISION_EARLY_MS : REVISION_PERIOD_MS) ||
		!may_compact(revision))
		return;
	if (propose_compaction(revision))
	{
		state.done_at = now;
		state.done_revision = revision;
	}
}

/*
 * autocompact_start() -- the store may be another: forget the revisions it had.
 */
void
autocompact_start(void)
{
	state.mode = 0;
}

/*
 * autocompact_tick() -- do what the settings ask for.  In a turn.
 */
void
autocompact_tick(void)
{
	ClockTime	now = clock_now();
	int64		number;
	int64		ms;

	if (!settings_parse_retention(setting_auto_compaction_retention, &number, &ms) || ms == 0)
	{
		state.mode = 0;
		return;
	}
	if (setting_auto_compaction_mode == AUTO_COMPACTION_REVISION)
	{
		if (number < 0)
		{
			static bool warned = false;

			if (!warned)
				ereport(LOG,
						(errmsg("automatic compaction is off: \"%s\" is no number of revisions",
								setting_auto_compaction_retention),
						 errhint("With pg_quorum.auto_compaction_mode = revision, set pg_quorum.auto_compaction_retention to a plain number.")));
			warned = true;
			return;
		}
		if (state.mode != AUTO_COMPACTION_REVISION)
			start_by_revision(now);
		run_by_revision(number, now);
	}
	else
	{
		if (state.mode != AUTO_COMPACTION_PERIODIC || state.retention_ms != ms)
			start_periodic(ms, now);
		run_periodic(now);
	}
}
