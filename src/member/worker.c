/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  The raft worker: its life and its loop.
 *
 * The loop waits for its latch, for sockets and for the next tick, and then
 * makes one turn: take messages and requests, let the core decide, write, send, flush,
 * apply, answer.  All of a turn runs in one short transaction that holds
 * RowExclusiveLock on our two relations, taken conditionally: it
 * has no xid, no snapshot and no commit record, and costs less than a
 * microsecond.
 *
 * The worker is crash-only.  Whatever it needs to go on is in the relations
 * or can be asked of the peers, so any ERROR simply ends it and the postmaster
 * starts it again.  What is no error does not cost a restart: when the
 * extension is dropped or created anew, when a member gives up its identity, and when
 * timeouts are set, the worker closes everything and starts over by itself.
 *
 * Whoever locks one of our relations exclusively stops the member: without
 * the locks nothing can be written, and so nothing promised.  A leader then
 * passes leadership on before the others miss it, and everyone goes on when
 * the lock is gone.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/worker.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/wait_event.h"

#include "../clock.h"
#include "../settings.h"
#include "../store/pbmem.h"
#include "worker.h"
#include "../compat.h"

#define IDLE_POLL_MS			250		/* while the extension does not exist */
#define BUSY_RETRY_MS			10		/* while somebody else locks a relation */
#define INBOX_BATCHES_PER_TURN	512

#define GARBAGE_PAGES_PER_TURN	64
#define READY_ROUNDS_PER_TURN	8
#define SLICES_EVERY_MS			20

Worker	   *worker;

static WaitEventSet *wait_set;
static int	streams_from;		/* first position of streams in it */
static ClockTime next_tick;
static int	tick_ms;
static int	started_heartbeat;
static int	started_election;
static char pending_quarantine[MEMBER_REASON_LEN];
static bool in_apply;
static ClockTime locked_since;	/* 0: our relations are to be had */

/* ---------- life ---------- */

static void
worker_leaves(int code, Datum arg)
{
	SpinLockAcquire(&member_shared->mutex);
	if (member_shared->status.role != MEMBER_QUARANTINED)
		member_shared->status.role = MEMBER_STOPPED;
	member_shared->status.leader_id = 0;
	SpinLockRelease(&member_shared->mutex);
	member_shared->worker_procno = -1;
	pg_memory_barrier();
	streams_close_all();
}

/*
 * worker_may_log() -- may a condition that goes on and on be logged again?  Once a
 * minute.  *last belongs to the caller.
 */
bool
worker_may_log(ClockTime *last)
{
	ClockTime	now = clock_now();

	if (*last != 0 && !clock_exceeds(*last, now, 60000))
		return false;
	*last = now;
	return true;
}

/*
 * Take a role.  Quarantine found outside of a turn takes effect in the next.
 */
void
worker_set_role(MemberRole role, const char *reason)
{
	if (role == MEMBER_QUARANTINED)
		strlcpy(pending_quarantine, reason, sizeof(pending_quarantine));
	else
		worker->role = role;
}

/*
 * turn_begin() -- open a transaction and our relations.  False if that cannot
 * be had right now: then no transaction is left open.
 */
bool
turn_begin(void)
{
	StartTransactionCommand();
	worker->tree_rel = storage_open(STORAGE_TREE, RowExclusiveLock, true);
	worker->log_rel = worker->tree_rel == NULL ? NULL :
		storage_open(STORAGE_LOG, RowExclusiveLock, true);
	if (worker->log_rel == NULL)
	{
		if (worker->tree_rel != NULL)
			relation_close(worker->tree_rel, RowExclusiveLock);
		worker->tree_rel = NULL;
		CommitTransactionCommand();
		return false;
	}
	if (OidIsValid(worker->tree_oid) &&
		(RelationGetRelid(worker->tree_rel) != worker->tree_oid ||
		 RelationGetRelid(worker->log_rel) != worker->log_oid))
	{
		ereport(LOG, (errmsg("the extension was created anew")));
		worker->start_over = START_OVER_OTHER;
		turn_end();
		return false;
	}
	MemoryContextSwitchTo(worker->turn);
	return true;
}

void
turn_end(void)
{
	relation_close(worker->log_rel, RowExclusiveLock);
	relation_close(worker->tree_rel, RowExclusiveLock);
	worker->log_rel = worker->tree_rel = NULL;
	CommitTransactionCommand();
	MemoryContextSwitchTo(worker->context);
	MemoryContextReset(worker->turn);
}

/*
 * Do our relations exist at all?
 */
static bool
extension_exists(void)
{
	Oid			namespace;
	bool		exists;

	StartTransactionCommand();
	namespace = get_namespace_oid("quorum", true);
	exists = OidIsValid(namespace) && OidIsValid(get_relname_relid("raft_log", namespace));
	CommitTransactionCommand();
	MemoryContextSwitchTo(worker->context);
	return exists;
}

/*
 * start_over() -- let go of the store and of everything that was made from it, and
 * be as a new worker is.  Outside of a turn.
 *
 * What files keep between turns is made anew by their functions that
 * start_raft() calls.  worker->context itself is not reset: it also holds what lives as long
 * as the process.
 */
static void
start_over(void)
{
	bool		other = worker->start_over == START_OVER_OTHER;

	peers_shutdown();
	streams_close_all();
	catchup_forget();
	entries_forget();
	if (worker->raft != NULL)
		raft_free(worker->raft);
	if (worker->store != NULL)
		store_close(worker->store);
	if (worker->ring != NULL)
		logring_close(worker->ring);
	worker->raft = NULL;
	worker->store = NULL;
	worker->ring = NULL;
	worker->tree_oid = worker->log_oid = InvalidOid;
	worker->flush_delegated = false;
	worker->more_work = worker->holding = worker->peers_changed = false;
	worker->role = MEMBER_STOPPED;
	worker->start_over = START_OVER_NOT;
	pending_quarantine[0] = '\0';

	if (other)
	{
		uint32		len;

		memset(&worker->meta, 0, sizeof(worker->meta));
		MemoryContextSwitchTo(worker->turn);
		while (inbox_take(&len) != NULL)
			;					/* nothing that comes now was meant for another store */
		MemoryContextSwitchTo(worker->context);
		requests_store_gone();
		requests_tell_gateway();
		publish_revision(0);
		publish_status();
	}
	MemoryContextReset(worker->turn);
}

/*
 * No turn can be made, since somebody else has locked a relation of ours.  If
 * that goes on: say so once, and let another member lead.
 */
static void
note_locked_out(void)
{
	ClockTime	now = clock_now();

	if (locked_since == 0)
		locked_since = now;
	if (worker->locked_out[0] != '\0' ||
		!clock_exceeds(locked_since, now, setting_election_timeout / 2))
		return;

	strlcpy(worker->locked_out,
			"Another session has locked \"quorum.mvcc\" or \"quorum.raft_log\" exclusively.",
			sizeof(worker->locked_out));
	ereport(LOG,
			(errmsg("member does nothing while its relations are locked"),
			 errdetail("%s", worker->locked_out),
			 errhint("pg_locks shows who it is.  The member goes on as soon as the lock is released.")));
	if (worker->role == MEMBER_LEADER)
		ready_hand_over();
	publish_status();
}

static void
note_not_locked(void)
{
	if (locked_since == 0)
		return;
	locked_since = 0;
	if (worker->locked_out[0] == '\0')
		return;
	worker->locked_out[0] = '\0';
	ereport(LOG, (errmsg("relations of the member are free again")));
}

/* What the log holds, collected for the core. */
typedef struct BootLog
{
	struct raft_run *runs;
	size_t		n_runs;
	raft_index *conf;
	size_t		n_conf;
	uint64		applied;
} BootLog;

static bool
boot_visit(const LogEntry *entry, void *arg)
{
	BootLog    *boot = arg;
	struct raft_run *run = boot->n_runs > 0 ? &boot->runs[boot->n_runs - 1] : NULL;

	if (run == NULL || run->term != entry->term)
	{
		boot->runs = boot->runs == NULL ? palloc(sizeof(*run)) :
			repalloc(boot->runs, (boot->n_runs + 1) * sizeof(*run));
		run = &boot->runs[boot->n_runs++];
		memset(run, 0, sizeof(*run));
		run->first = entry->index;
		run->term = entry->term;
	}
	run->count++;
	run->bytes += entry->size;
	if (entry->type == RAFT_ENTRY_CONF && entry->index > boot->applied)
	{
		boot->conf = boot->conf == NULL ? palloc(sizeof(raft_index)) :
			repalloc(boot->conf, (boot->n_conf + 1) * sizeof(raft_index));
		boot->conf[boot->n_conf++] = entry->index;
	}
	return true;
}

/*
 * Build the core from what is in the relations, in a turn.
 */
static void
start_raft(void)
{
	struct raft_config cfg;
	struct raft_boot boot;
	BootLog		log;
	LogBounds	bounds;
	const Quorum__StoreMeta *meta;
	enum raft_boot_fault fault;
	MemoryContext old;

	old = MemoryContextSwitchTo(worker->context);
	worker->ring = logring_open(worker->log_rel);
	worker->store = store_open(worker->tree_rel);
	MemoryContextSwitchTo(old);
	tree_discard_incoming(worker->tree_rel);
	meta = store_meta(worker->store);
	logring_bounds(worker->ring, &bounds);

	memset(&log, 0, sizeof(log));
	log.applied = meta->applied_index;
	if (bounds.last_index >= bounds.first_index)
		logring_visit(worker->log_rel, bounds.first_index, bounds.last_index, boot_visit, &log);

	memset(&boot, 0, sizeof(boot));
	boot.term = worker->meta.term;
	boot.vote = worker->meta.vote;
	boot.applied = meta->applied_index;
	boot.commit = boot.applied;
	boot.base_index = bounds.base_index;
	boot.base_term = bounds.base_term;
	if (!decode_configuration(meta->configuration, &boot.conf))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("stored configuration has too many members")));
	boot.runs = log.runs;
	boot.n_runs = log.n_runs;
	boot.conf_entries = log.conf;
	boot.n_conf_entries = log.n_conf;

	started_heartbeat = setting_heartbeat_interval;
	started_election = setting_election_timeout;
	tick_ms = setting_heartbeat_interval;

	raft_config_default(&cfg);
	cfg.id = worker->meta.member_id;
	cfg.seed = worker->nonce;
	cfg.heartbeat_tick = 1;
	cfg.election_tick = Max(5, setting_election_timeout / tick_ms);
	cfg.snapshot_tick = Max(30000 / tick_ms, 10 * (int) cfg.election_tick);
	cfg.forward_proposals = false;
	cfg.snapshot_at_applied = true;
	cfg.max_inflight_bytes = 16 * 1024 * 1024;
	/* what fits in a peer's ring beside others */
	cfg.max_entry_bytes = (uint64) setting_queue_size * 1024 / 4;

	fault = raft_boot_check(&cfg, &boot);
	if (fault != RAFT_BOOT_OK)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("log and store do not fit together"),
				 errdetail("Boot check %d failed: applied " UINT64_FORMAT ", log " UINT64_FORMAT " to " UINT64_FORMAT ", commit " UINT64_FORMAT ", term " UINT64_FORMAT ".",
						   (int) fault, boot.applied, bounds.first_index, bounds.last_index,
						   boot.commit, boot.term)));
	if (raft_new(&cfg, &boot, NULL, &worker->raft) != RAFT_OK)
		elog(ERROR, "could not start the consensus core");

	worker->applied = worker->apply_to = boot.applied;
	worker->applied_term = meta->applied_term;
	worker->seq_written = worker->seq_durable = 0;
	worker->lsn_written = InvalidXLogRecPtr;
	worker->flush_delegated = false;
	worker->role = MEMBER_FOLLOWER;
	entries_init();
	apply_delay_begin();
	membership_start();
	peers_reload();
	staleness_start();
	lessor_start();
	autocompact_start();
	requests_adopt();
	questions_start();
	publish_revision(meta->revision);
	keywait_start();
	next_tick = clock_plus_ms(clock_now(), tick_ms);

	/* alone, there is nobody to wait for */
	if (boot.conf.n_voters == 1 && boot.conf.voters[0] == cfg.id)
		(void) raft_campaign(worker->raft);
}

/*
 * Become what the relations say, or wait for them.  False: try again later.
 */
static bool
try_start(void)
{
	if (!turn_begin())
	{
		if (extension_exists())
		{
			note_locked_out();
			return false;
		}
		note_not_locked();
		worker->role = MEMBER_IDLE;
		snprintf(worker->meta.reason, sizeof(worker->meta.reason),
				 "The extension does not exist in database \"%s\".", setting_database);
		publish_status();
		return false;
	}
	note_not_locked();
	worker->tree_oid = RelationGetRelid(worker->tree_rel);
	worker->log_oid = RelationGetRelid(worker->log_rel);
	worker->role = MEMBER_STOPPED;
	worker->meta.reason[0] = '\0';
	identity_start();
	if (worker->role != MEMBER_QUARANTINED)
		start_raft();
	else
	{
		requests_adopt();
		if (tree_is_formatted(worker->tree_rel))
			publish_revision(store_read_meta(worker->tree_rel)->revision);
	}
	publish_status();
	turn_end();
	return true;
}

/* ---------- a turn ---------- */

/*
 * A heartbeat has been answered.
 */
static void
note_round_trip(uint64 from)
{
	Peer	   *peer = peers_find(from);

	if (peer == NULL || peer->heartbeat_at == 0)
		return;
	stats_peer_rtt(from, clock_now() - peer->heartbeat_at);
	peer->heartbeat_at = 0;
}

/*
 * Messages of one batch from a peer.
 */
static void
take_batch(const char *bytes, uint32 len)
{
	PeerHead	head;
	Quorum__PeerBatch *batch;
	size_t		i;

	memcpy(&head, bytes, sizeof(head));
	batch = (Quorum__PeerBatch *) pb_unpack(&quorum__peer_batch__descriptor, bytes + sizeof(head), len - sizeof(head));
	if (batch == NULL)
	{
		static ClockTime logged;

		if (worker_may_log(&logged))
			ereport(LOG, (errmsg("could not decode a message from member %016llx",
								 (unsigned long long) head.from)));
		return;
	}
	stats_add(STAT_MESSAGES_RECEIVED, batch->n_messages);
	stats_add(STAT_BYTES_RECEIVED, len);
	if (peers_find(head.from) != NULL)
	{
		stats_add_peer(head.from, PEER_STAT_MESSAGES_RECEIVED, batch->n_messages);
		stats_add_peer(head.from, PEER_STAT_BYTES_RECEIVED, len);
	}
	if (head.to == 0)
	{
		if (batch->join != NULL && !in_apply)
			membership_take_join(batch->join);
		if (batch->welcome != NULL && !in_apply)
			membership_take_welcome(head.cluster_id, batch->welcome);
		return;
	}
	for (i = 0; i < batch->n_messages; i++)
	{
		struct raft_msg msg;
		struct raft_entry *entries;

		/* snapshots come with the state stream, proposals as forwards */
		if (batch->messages[i]->type == RAFT_MSG_SNAP ||
			batch->messages[i]->type == RAFT_MSG_PROP ||
			!decode_message(batch->messages[i], head.from, head.to, &msg, &entries))
			continue;
		if (msg.type == RAFT_MSG_HEARTBEAT_RESP)
			note_round_trip(head.from);
		if (raft_step(worker->raft, &msg, entries) == RAFT_LOG_LOST)
			worker_set_role(MEMBER_QUARANTINED,
							"The leader holds acknowledgements of log entries that this member does not have: its data went back in time.");
	}
	staleness_receive(head.from, batch);
	for (i = 0; i < batch->n_forwards; i++)
		requests_take_forward(head.from, batch->forwards[i]);
	for (i = 0; i < batch->n_refused; i++)
		requests_refused(batch->refused[i]->request, batch->refused[i]->term);
	for (i = 0; i < batch->n_questions; i++)
		questions_take(head.from, batch->questions[i]);
	for (i = 0; i < batch->n_answers; i++)
		questions_take_answer(batch->answers[i]);
	if (batch->n_members > 0)
		membership_take_members(batch);
	if (batch->removed)
		worker_set_role(MEMBER_QUARANTINED, MEMBER_REASON_REMOVED);
	if (batch->report != NULL)
		catchup_report(head.from, batch->report);
	/* the state cannot be replaced under a command that is being applied */
	if (batch->chunk != NULL && !in_apply)
		catchup_receive(head.from, batch->chunk);
}

static void
deliver(const char *bytes, uint32 len)
{
	if (worker->raft != NULL)
		take_batch(bytes, len);
}

static void
take_inbox(void)
{
	char	   *bytes;
	uint32		len;
	int			n;

	for (n = 0; n < INBOX_BATCHES_PER_TURN && (bytes = inbox_take(&len)) != NULL; n++)
		deliver(bytes, len);
	streams_adopt();
	streams_take(deliver, in_apply);
}

/*
 * One tick if it is due.  After a pause it is one, not all that were missed.
 */
static void
take_tick(void)
{
	ClockTime	now = clock_now();

	if (now < next_tick)
		return;
	next_tick = clock_plus_ms(next_tick, tick_ms);
	if (next_tick < now)
		next_tick = clock_plus_ms(now, tick_ms);
	if (worker->raft == NULL)
		return;
	staleness_tick();
	(void) raft_tick(worker->raft);
	if (!in_apply)
	{
		membership_tick();
		autocompact_tick();
		corrupt_tick();
	}
	questions_tick();
}

/*
 * worker_service() -- keep talking while a long command is being applied.
 */
void
worker_service(void)
{
	MemoryContext old = MemoryContextSwitchTo(worker->turn);

	CHECK_FOR_INTERRUPTS();
	in_apply = true;
	peers_poll();
	take_inbox();
	take_tick();
	ready_run();
	ready_flush();
	ready_run();
	peers_flush();
	requests_tell_gateway();
	in_apply = false;
	MemoryContextSwitchTo(old);
}

/*
 * Work that can always wait: a slice of each kind, now and then, or in every
 * turn while there is more to do.
 */
static void
background_slices(void)
{
	static ClockTime last;
	ClockTime	now = clock_now();

	catchup_run();
	compaction_run(false);
	if (!worker->more_work && !clock_exceeds(last, now, SLICES_EVERY_MS))
		return;
	last = now;
	worker->more_work = false;
	compaction_run(true);
	if (tree_collect_garbage(worker->tree_rel, GARBAGE_PAGES_PER_TURN))
		worker->more_work = true;
	log_trim();
}

static void
stop_for_quarantine(void)
{
	identity_quarantine(pending_quarantine);

	/* the gateway, when it is told, looks here for the reason */
	publish_status();
	if (strcmp(pending_quarantine, MEMBER_REASON_REMOVED) == 0)
		requests_abandon();
	pending_quarantine[0] = '\0';
	raft_free(worker->raft);
	worker->raft = NULL;
	peers_shutdown();
	streams_close_all();
}

static void
run_turn(void)
{
	int			rounds;
	bool		waits = false;

	if (!turn_begin())
	{
		if (worker->start_over != START_OVER_NOT)
			return;
		if (extension_exists())
			note_locked_out();
		else
		{
			ereport(LOG, (errmsg("the extension was dropped")));
			worker->start_over = START_OVER_OTHER;
		}
		return;
	}
	note_not_locked();

	if (pending_quarantine[0] != '\0' && worker->raft != NULL)
		stop_for_quarantine();

	take_inbox();
	take_tick();
	requests_take();
	sessions_run();
	if (worker->raft != NULL)
	{
		questions_run();
		quota_turn();
		for (rounds = 0; rounds < READY_ROUNDS_PER_TURN; rounds++)
		{
			ready_run();
			ready_flush();
			ready_run();
			waits = apply_may_wait();
			if (!waits)
				apply_run();
			requests_complete_reads();
			questions_run();
			lessor_run();
			requests_tell_gateway();
			if (!raft_has_ready(worker->raft) && (waits || worker->applied >= worker->apply_to))
				break;
		}
		staleness_turn();
		if (ready_held_is_due())
			ready_release_held();
		background_slices();
		if (worker->peers_changed)
		{
			/* what goes to those who are leaving must go now */
			peers_flush();
			worker->peers_changed = false;
			peers_reload();
		}
		peers_flush();
		if ((worker->applied < worker->apply_to && !waits) || raft_has_ready(worker->raft))
			worker->more_work = true;
	}
	requests_tell_gateway();
	publish_status();
	turn_end();
}

/* ---------- waiting ---------- */

static void
rebuild_wait_set(void)
{
	if (wait_set != NULL)
		FreeWaitEventSet(wait_set);
	wait_set = pgq_create_wait_event_set(3 + MEMBER_MAX_PEERS * LINK_COUNT + STREAMS_MAX);
	AddWaitEventToSet(wait_set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(wait_set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	streams_from = 2;
	if (alarm_descriptor() >= 0)
	{
		AddWaitEventToSet(wait_set, WL_SOCKET_READABLE, alarm_descriptor(), NULL, wait_set);
		streams_from++;
	}
	streams_from += peers_add_events(wait_set);
	streams_add_events(wait_set);
}

static void
wait_for_work(void)
{
	static uint32 wait_event = 0;
	WaitEvent	events[16];
	long		timeout;
	int			n;
	int			i;

	if (worker->start_over != START_OVER_NOT)
		timeout = 0;
	else if (locked_since != 0)
		timeout = BUSY_RETRY_MS;
	else if (worker->more_work)
		timeout = 0;
	else if (worker->raft == NULL)
		timeout = IDLE_POLL_MS;
	else
	{
		timeout = clock_ms_between(clock_now(), next_tick);
		if (worker->holding || requests_collecting())
			timeout = Min(timeout, 1);
		if (apply_delay_left() >= 0)
			timeout = Min(timeout, apply_delay_left());
		if (compaction_delay_left() >= 0)
			timeout = Min(timeout, compaction_delay_left());
	}
	if (wait_set == NULL || peers_events_stale() || streams_events_stale())
		rebuild_wait_set();
	peers_prepare_wait(wait_set);

	/* sockets that cannot be read now would end every wait at once */
	if (locked_since != 0 && streams_readable())
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, BUSY_RETRY_MS,
						 pgq_wait_event(&wait_event, "QuorumWorkerMain"));
		ResetLatch(MyLatch);
		return;
	}

	if (timeout > 0 && !alarm_may_sleep())
		timeout = 0;
	n = WaitEventSetWait(wait_set, timeout, events, lengthof(events),
						 pgq_wait_event(&wait_event, "QuorumWorkerMain"));
	alarm_awake();
	for (i = 0; i < n; i++)
	{
		if (events[i].events & WL_LATCH_SET)
			ResetLatch(MyLatch);
		else if (events[i].user_data == wait_set)
			alarm_answered();
		else if (events[i].pos >= streams_from)
			streams_event(events[i].user_data);
		else
			peers_event(events[i].user_data, events[i].events);
	}
}

static bool
has_work(void)
{
	if (worker->more_work || !inbox_empty() || streams_offered() || streams_readable() ||
		pending_quarantine[0] != '\0' || sessions_due() ||
		member_shared->queue_head != member_shared->queue_tail)
		return true;
	if (worker->raft == NULL)
		return true;			/* quarantined: look whether the store is still that one */
	return clock_now() >= next_tick || raft_has_ready(worker->raft) ||
		worker->flush_delegated || catchup_active() || ready_held_is_due() ||
		requests_collecting() || apply_delay_left() == 0 || compaction_delay_left() == 0;
}

static void
reload_settings(void)
{
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
	if (worker->raft != NULL && (setting_heartbeat_interval != started_heartbeat ||
								 setting_election_timeout != started_election))
	{
		ereport(LOG, (errmsg("member starts over to use its new timeouts")));
		worker->start_over = START_OVER_SAME;
	}
}

/*
 * member_worker_main() -- entry point of the raft worker.
 */
void
member_worker_main(Datum arg)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	member_connect_worker();

	worker = MemoryContextAllocZero(TopMemoryContext, sizeof(Worker));
	worker->context = AllocSetContextCreate(TopMemoryContext, "pg_quorum worker",
											ALLOCSET_DEFAULT_SIZES);
	worker->turn = AllocSetContextCreate(TopMemoryContext, "pg_quorum turn",
										 ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(worker->context);
	worker->role = MEMBER_STOPPED;

	before_shmem_exit(worker_leaves, (Datum) 0);
	member_shared->worker_procno = pgq_my_procno();
	pgstat_report_appname("pg_quorum raft");

	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
			reload_settings();
		if (worker->start_over != START_OVER_NOT)
			start_over();

		if (worker->raft == NULL && worker->role != MEMBER_QUARANTINED)
			(void) try_start();
		else
		{
			/* what it leaves behind goes with the next turn */
			MemoryContextSwitchTo(worker->turn);
			peers_poll();
			MemoryContextSwitchTo(worker->context);
			if (has_work())
				run_turn();
		}
		wait_for_work();
	}
}
