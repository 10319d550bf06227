/*-------------------------------------------------------------------------
 *
 * ready.c
 *	  Carrying out what the consensus core asks for.
 *
 * The order is the core's contract (raft.h): send at once what may go, write to the
 * log without waiting, then make durable, then tell the core, which
 * lets go of the answers that waited for it.  One flush covers every write before it.
 * Messages go first since nothing that they promise rests on this write, and the followers'
 * writes are what a commit waits for.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/ready.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "portability/instr_time.h"
#include "utils/memutils.h"

#include "../clock.h"
#include "../settings.h"
#include "../store/pbmem.h"
#include "worker.h"

/* One store batch, and so one turn's apply, is bounded by these. */
#define APPLY_MAX_ENTRIES		512
#define APPLY_MAX_BYTES			((Size) 4 * 1024 * 1024)

/* A flush that took longer, or has more WAL before it, goes to the flusher. */
#define FLUSH_SLOW_USEC			20000
#define FLUSH_MUCH_WAL			((uint64) 8 * 1024 * 1024)
#define FLUSH_FAST_USEC			5000
#define FLUSH_FAST_COUNT		10

/* Commit news waits so long for entries to travel with. */
#define HOLD_MS					1

/* How far the log may grow beyond catchup_entries for a slow follower. */
#define TRIM_FOLLOWER_FACTOR	20

static raft_seq delegated_seq;
static XLogRecPtr delegated_lsn;
static int	fast_flushes = FLUSH_FAST_COUNT;
static uint64 flush_took;		/* us: the last one */

/*
 * The core has found its own state broken.  PANIC would take the server down
 * for it; this member stops, until someone looks.
 */
static void
check_core(enum raft_rc rc)
{
	if (rc == RAFT_FATAL)
	{
		struct raft_status status;

		raft_status(worker->raft, &status);
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("consensus invariant broken at %s:%d",
						status.fault_file ? status.fault_file : "?", status.fault_line)));
	}
	if (rc != RAFT_OK)
		elog(ERROR, "consensus core: %s", raft_rc_name(rc));
}

/* ---------- writing ---------- */

/*
 * Keep new entries in memory, from where they are sent and applied.
 */
static void
remember_entries(const struct raft_ready *rd)
{
	size_t		i;

	for (i = 0; i < rd->n_append; i++)
	{
		const struct raft_entry *e = &rd->append[i];

		entries_append(rd->append_first + i, e->term, e->type, e->data, e->size);
	}
}

static void
write_log(const struct raft_ready *rd)
{
	bool		new_meta = rd->term != worker->meta.term || rd->vote != worker->meta.vote;
	XLogRecPtr	lsn = InvalidXLogRecPtr;

	worker->meta.term = rd->term;
	worker->meta.vote = rd->vote;

	if (rd->install != NULL)
	{
		catchup_install(rd->install);
		lsn = worker->lsn_written;
	}
	else if (rd->n_append > 0)
	{
		LogEntry   *entries = palloc(rd->n_append * sizeof(LogEntry));
		size_t		i;

		for (i = 0; i < rd->n_append; i++)
		{
			const struct raft_entry *e = &rd->append[i];

			entries[i].index = rd->append_first + i;
			entries[i].term = e->term;
			entries[i].type = e->type;
			entries[i].size = e->size;
			entries[i].data = e->data;
		}
		lsn = logring_append(worker->log_rel, worker->ring, entries, rd->n_append,
							 new_meta ? &worker->meta : NULL, sizeof(MemberMeta));
		pfree(entries);
	}
	else if (new_meta)
		lsn = logring_write_meta(worker->log_rel, &worker->meta, sizeof(MemberMeta));

	if (lsn != InvalidXLogRecPtr)
		worker->lsn_written = lsn;
	worker->seq_written = rd->seq;
}

/* ---------- sending ---------- */

/*
 * Attach entries lo .. hi to an append.
 */
static void
attach_entries(Quorum__PeerMessage *out, uint64 lo, uint64 hi)
{
	Quorum__PeerEntry *array;
	uint64		index = lo;
	int			n = 0;

	array = palloc((hi - lo + 1) * sizeof(Quorum__PeerEntry));
	out->entries = palloc((hi - lo + 1) * sizeof(Quorum__PeerEntry *));
	while (index <= hi)
	{
		const LogEntry *entry = entries_get(index);
		LogEntry   *read;
		int			count = 1;
		int			i;

		if (entry == NULL)
		{
			count = logring_read(worker->log_rel, index, hi, UINT64_MAX, &read);
			if (count == 0)
				elog(ERROR, "log entry " UINT64_FORMAT " is missing", index);
			entry = read;
		}
		for (i = 0; i < count; i++)
		{
			Quorum__PeerEntry *e = &array[n];

			quorum__peer_entry__init(e);
			e->term = entry[i].term;
			e->type = entry[i].type;
			e->data.data = (uint8_t *) entry[i].data;
			e->data.len = entry[i].size;
			out->entries[n++] = e;
		}
		index += count;
	}
	out->n_entries = n;
}

/*
 * An append without entries that only tells a follower in step of a newer
 * commit index can wait a moment: under load the next entries are about to go
 * out and carry the same news, which saves a message and its answer for
 * each peer and write.
 */
static bool
hold_commit_news(Peer *peer, const struct raft_msg *msg)
{
	struct raft_peer_status progress[RAFT_MAX_PEERS];
	size_t		n;
	size_t		i;

	if (msg->n_entries > 0 || msg->commit <= peer->sent_commit)
		return false;
	n = raft_peers(worker->raft, progress, RAFT_MAX_PEERS);
	for (i = 0; i < n; i++)
	{
		if (progress[i].id != peer->id)
			continue;
		if (progress[i].state != RAFT_REPLICATE || progress[i].learner)
			return false;
		peer->held = *msg;
		peer->holding = true;
		if (!worker->holding)
		{
			worker->holding = true;
			worker->held_since = clock_now();
		}
		return true;
	}
	return false;
}

/*
 * ready_release_held() -- send the commit news that is held, because somebody
 * waits for it or its time is up.
 */
void
ready_release_held(void)
{
	int			i;

	if (!worker->holding)
		return;
	worker->holding = false;
	for (i = 0; i < worker->npeers; i++)
	{
		Peer	   *peer = &worker->peers[i];

		if (!peer->holding)
			continue;
		peer->holding = false;
		peer->sent_commit = peer->held.commit;
		peers_queue_message(peer, encode_message(&peer->held));
	}
}

bool
ready_held_is_due(void)
{
	return worker->holding &&
		clock_exceeds(worker->held_since, clock_now(), HOLD_MS);
}

/*
 * Is the round trip to a peer being measured?  An answer that has not come in
 * a second is lost.
 */
static bool
heartbeat_under_way(const Peer *peer)
{
	return peer->heartbeat_at != 0 &&
		!clock_exceeds(peer->heartbeat_at, clock_now(), 1000);
}

static void
send_messages(const struct raft_ready *rd)
{
	size_t		i;

	for (i = 0; i < rd->n_msgs; i++)
	{
		const struct raft_msg *msg = &rd->msgs[i];
		Peer	   *peer = peers_find(msg->to);
		Quorum__PeerMessage *out;

		if (peer == NULL)
		{
			if (msg->type == RAFT_MSG_SNAP)
				(void) raft_report_snapshot(worker->raft, msg->to, RAFT_SNAP_FAILED);
			continue;
		}
		if (peer->awaited)
		{
			/* nobody is there who could answer */
			if (msg->type == RAFT_MSG_SNAP)
				(void) raft_report_snapshot(worker->raft, msg->to, RAFT_SNAP_FAILED);
			continue;
		}
		if (msg->type == RAFT_MSG_SNAP)
		{
			catchup_start(peer, msg);
			continue;
		}
		if (msg->type == RAFT_MSG_HEARTBEAT && !heartbeat_under_way(peer))
			peer->heartbeat_at = clock_now();
		if (msg->type == RAFT_MSG_READ_INDEX_RESP)
			ready_release_held();	/* the reader waits for that index */
		if (msg->type == RAFT_MSG_APP)
		{
			if (hold_commit_news(peer, msg))
				continue;
			peer->holding = false;
			peer->sent_commit = msg->commit;
		}
		out = encode_message(msg);
		if (msg->type == RAFT_MSG_APP && msg->n_entries > 0)
		{
			raft_index	lo;
			raft_index	hi;

			if (raft_send_range(worker->raft, msg, &lo, &hi) != RAFT_OK)
				continue;
			if (lo <= hi)
				attach_entries(out, lo, hi);
		}
		peers_queue_message(peer, out);
	}
}

/* ---------- state changes ---------- */

static void
follow_role(const struct raft_ready *rd)
{
	static raft_id known_leader;
	struct raft_status status;
	MemberRole	role;
	Peer	   *leader;

	raft_status(worker->raft, &status);
	switch (rd->role)
	{
		case RAFT_LEADER:
			role = MEMBER_LEADER;
			break;
		case RAFT_CANDIDATE:
		case RAFT_PRE_CANDIDATE:
			role = MEMBER_CANDIDATE;
			break;
		default:
			role = status.learner ? MEMBER_LEARNER : MEMBER_FOLLOWER;
			break;
	}
	if (role == MEMBER_LEADER && worker->role != MEMBER_LEADER)
		ereport(LOG, (errmsg("became leader in term " UINT64_FORMAT, rd->term)));
	else if (worker->role == MEMBER_LEADER && role != MEMBER_LEADER)
		ereport(LOG, (errmsg("no longer leader, term " UINT64_FORMAT, rd->term)));
	else if (rd->leader != 0 && rd->leader != known_leader && role != MEMBER_LEADER)
	{
		leader = peers_find(rd->leader);
		ereport(LOG, (errmsg("following member \"%s\" in term " UINT64_FORMAT,
							 leader ? leader->name : "?", rd->term)));
	}
	if (rd->leader != 0 && rd->leader != known_leader)
		stats_add(STAT_LEADER_CHANGES, 1);
	if (rd->leader != 0)
		known_leader = rd->leader;
	worker_set_role(role, "");
}

/*
 * ready_run() -- take all output of the core and carry it out, up to sending.
 */
void
ready_run(void)
{
	while (raft_has_ready(worker->raft))
	{
		struct raft_ready rd;
		size_t		i;

		check_core(raft_ready(worker->raft, &rd));
		remember_entries(&rd);
		send_messages(&rd);
		peers_flush();
		if (rd.has_write)
			write_log(&rd);
		if (rd.apply_hi != 0)
		{
			if (rd.apply_hi > worker->apply_to)
				stats_add(STAT_COMMITS, rd.apply_hi - worker->apply_to);
			worker->apply_to = rd.apply_hi;
		}
		for (i = 0; i < rd.n_reads; i++)
			if (!questions_own_read(&rd.reads[i]) && !lessor_own_read(&rd.reads[i]))
				requests_read_answer(&rd.reads[i]);
		if (rd.soft_changed)
			follow_role(&rd);
	}
}

/*
 * ready_hand_over() -- this leader cannot make turns for a while: tell the most
 * advanced voter to campaign at once.  Outside of a turn, so nothing may be
 * written; but the core had nothing left to be written, and to hand over is one
 * message, if that voter is in step.  If not, the others notice by themselves.
 */
void
ready_hand_over(void)
{
	MemoryContext old;
	struct raft_ready rd;
	size_t		i;

	if (raft_has_ready(worker->raft) || raft_transfer(worker->raft, 0) != RAFT_OK ||
		!raft_has_ready(worker->raft))
		return;
	check_core(raft_ready(worker->raft, &rd));
	if (rd.has_write)
		elog(ERROR, "unexpected write of the consensus core");
	old = MemoryContextSwitchTo(worker->turn);
	for (i = 0; i < rd.n_msgs; i++)
	{
		Peer	   *peer = peers_find(rd.msgs[i].to);

		if (rd.msgs[i].type == RAFT_MSG_TIMEOUT_NOW && peer != NULL)
			peers_queue_message(peer, encode_message(&rd.msgs[i]));
	}
	peers_flush();
	MemoryContextSwitchTo(old);
	MemoryContextReset(worker->turn);
}

/* ---------- flushing ---------- */

static void
persisted(raft_seq seq)
{
	worker->seq_durable = seq;
	check_core(raft_persisted(worker->raft, seq));
}

static void
delegate_flush(void)
{
	worker->flush_delegated = true;
	delegated_seq = worker->seq_written;
	delegated_lsn = worker->lsn_written;
	pg_atomic_write_u64(&member_shared->flush_wanted, delegated_lsn);
	wake_procno(member_shared->flusher_procno);
}

/*
 * Has the flusher finished what it was given?
 */
void
ready_poll_flusher(void)
{
	if (!worker->flush_delegated ||
		pg_atomic_read_u64(&member_shared->flush_done) < delegated_lsn)
		return;
	worker->flush_delegated = false;
	flush_took = pg_atomic_read_u64(&member_shared->flush_usec);
	if (flush_took < FLUSH_FAST_USEC)
		fast_flushes++;
	else
		fast_flushes = 0;
	persisted(delegated_seq);
}

/*
 * ready_flush_took() -- how long the last flush took, in us.
 */
uint64
ready_flush_took(void)
{
	return flush_took;
}

/*
 * ready_flush() -- make durable what was written, here or through the flusher.
 */
void
ready_flush(void)
{
	XLogRecPtr	flushed;

	ready_poll_flusher();
	if (worker->seq_written == worker->seq_durable || worker->flush_delegated)
		return;

	flushed = GetFlushRecPtr(NULL);
	if (worker->lsn_written > flushed)
	{
		instr_time	start;
		instr_time	end;

		if (member_shared->flusher_procno >= 0 &&
			(fast_flushes < FLUSH_FAST_COUNT ||
			 GetXLogInsertRecPtr() - flushed > FLUSH_MUCH_WAL))
		{
			delegate_flush();
			return;
		}
		INSTR_TIME_SET_CURRENT(start);
		XLogFlush(worker->lsn_written);
		INSTR_TIME_SET_CURRENT(end);
		INSTR_TIME_SUBTRACT(end, start);
		stats_add(STAT_FSYNCS, 1);
		stats_add(STAT_FSYNC_USEC, INSTR_TIME_GET_MICROSEC(end));
		stats_observe(HISTOGRAM_FSYNC, INSTR_TIME_GET_MICROSEC(end));
		flush_took = INSTR_TIME_GET_MICROSEC(end);
		if (flush_took > FLUSH_SLOW_USEC)
			fast_flushes = 0;
	}
	persisted(worker->seq_written);
}

/* ---------- applying ---------- */

typedef struct Answer
{
	uint64		number;
	char	   *bytes;
	uint32		len;
} Answer;

/*
 * Keep the cluster going between the slices of a long command.
 */
static void
apply_poll(void *arg)
{
	worker_service();
}

/*
 * A batch has been applied.
 */
static void
note_apply(uint64 entries, instr_time start)
{
	instr_time	end;

	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, start);
	stats_add(STAT_APPLIES, entries);
	stats_add(STAT_APPLY_USEC, INSTR_TIME_GET_MICROSEC(end));
	stats_observe(HISTOGRAM_APPLY, INSTR_TIME_GET_MICROSEC(end));
	if (INSTR_TIME_GET_MILLISEC(end) > STATS_SLOW_APPLY_MS)
		stats_add(STAT_SLOW_APPLIES, 1);
}

/*
 * apply_run() -- apply a bounded number of committed entries and answer those
 * who wait for them.  In a turn.
 */
void
apply_run(void)
{
	uint64		hi = Min(worker->apply_to, worker->applied + APPLY_MAX_ENTRIES);
	uint64		index = worker->applied + 1;
	uint64		term = worker->applied_term;
	Answer	   *answers;
	int			nanswers = 0;
	Size		bytes = 0;
	bool		configured = false;
	instr_time	start;
	int			i;

	if (index > hi)
		return;

	INSTR_TIME_SET_CURRENT(start);
	answers = palloc(sizeof(Answer) * (hi - index + 1));
	lessor_apply_begins();
	store_begin(worker->store, worker->tree_rel, apply_poll, NULL);
	while (index <= hi && bytes < APPLY_MAX_BYTES)
	{
		const LogEntry *entry = entries_get(index);
		LogEntry   *read = NULL;
		int			count = 1;

		if (entry == NULL)
		{
			count = logring_read(worker->log_rel, index, hi, APPLY_MAX_BYTES, &read);
			if (count == 0)
				elog(ERROR, "log entry " UINT64_FORMAT " is missing", index);
			entry = read;
		}
		for (i = 0; i < count; i++, index++)
		{
			Quorum__Command *command = NULL;
			Quorum__Result *result = NULL;
			bool		mine;

			term = entry[i].term;
			bytes += entry[i].size;
			if (entry[i].size > 0)
			{
				command = (Quorum__Command *) pb_unpack(&quorum__command__descriptor, entry[i].data, entry[i].size);
				if (command == NULL)
					ereport(ERROR,
							(errcode(ERRCODE_DATA_CORRUPTED),
							 errmsg("could not decode log entry " UINT64_FORMAT, index)));
			}
			if (entry[i].type == RAFT_ENTRY_CONF)
			{
				membership_apply(index, term, command);
				configured = true;
				continue;
			}
			mine = command != NULL && command->origin == member_shared->run_id;
			if (command != NULL && !mine)
				ready_release_held();	/* somebody waits for it on another member */
			lessor_applied(command,
						   store_apply(worker->store, index, term, command, mine, mine ? &result : NULL));
			if (mine)
			{
				Answer	   *a = &answers[nanswers++];

				a->number = command->request;
				a->len = quorum__result__get_packed_size(result);
				a->bytes = palloc(a->len + 1);
				quorum__result__pack(result, (uint8_t *) a->bytes);
			}
		}
	}
	/* not flushed: after a crash the log is applied again */
	(void) store_commit(worker->store);
	note_apply(index - 1 - worker->applied, start);
	worker->applied = index - 1;
	lessor_committed();

	publish_revision(store_meta(worker->store)->revision);
	keywait_signal();
	for (i = 0; i < nanswers; i++)
		requests_complete(answers[i].number, OUTCOME_RESULT, answers[i].bytes, answers[i].len);
	if (term > worker->applied_term)
	{
		worker->applied_term = term;
		requests_lost_before(term);
	}
	entries_trim(worker->applied);
	check_core(raft_applied(worker->raft, worker->applied));
	if (configured)
		worker->peers_changed = true;
}

/*
 * log_trim() -- give up the head of the log that nobody should need: all but
 * catchup_entries behind the applied index, and what followers that are being
 * heard have still to get, within bounds.
 */
void
log_trim(void)
{
	uint64		keep = setting_catchup_entries;
	uint64		upto;
	struct raft_status status;

	raft_status(worker->raft, &status);
	if (worker->applied < keep || status.first == 0)
		return;
	upto = worker->applied - keep;

	if (status.role == RAFT_LEADER)
	{
		struct raft_peer_status peers[RAFT_MAX_PEERS];
		size_t		n = raft_peers(worker->raft, peers, RAFT_MAX_PEERS);
		uint64		slack = keep * TRIM_FOLLOWER_FACTOR;
		uint64		least = worker->applied > slack ? worker->applied - slack : 0;
		size_t		i;

		for (i = 0; i < n; i++)
			if (peers[i].recent_active && peers[i].state == RAFT_REPLICATE &&
				peers[i].id != status.id)
				upto = Min(upto, Max(peers[i].match, least));
	}
	upto = Min(upto, catchup_keeps_from() - 1);
	upto = Min(upto, status.durable);

	/* in steps, since each is a WAL record */
	if (upto < status.first + Max(keep / 4, 16))
		return;
	if (raft_compact(worker->raft, upto) != RAFT_OK)
		return;
	(void) logring_truncate_head(worker->log_rel, worker->ring, upto);
}
