/*-------------------------------------------------------------------------
 *
 * requests.c
 *	  The worker's side of clients' requests.
 *
 * A command is proposed in one term, by this member or through its leader.  An
 * entry of that term can come into the log only until an entry of a later term
 * is committed: whoever has applied one of those without having met the
 * command knows that it never will, and proposes it again.  So a
 * change of leader costs a client time, not an error, and nothing is done
 * twice.  Forwarded commands carry their term, and only a leader of that very
 * term takes them.
 *
 * Linearizable reads (thesis, section 6.4) share rounds: one is under way at a
 * time, and those that come meanwhile wait for the next.  A round costs the same
 * for one reader as for a hundred, so with many readers about the next round
 * waits until half of them have come, for a millisecond at most: one half
 * waits for the quorum while the other half runs.  Readers wake the worker only
 * when that helps.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/requests.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "../clock.h"
#include "../settings.h"
#include "../store/pbmem.h"
#include "parking.h"
#include "worker.h"

/* A round waits so long for more readers. */
#define COLLECT_MS				1

/* A read round: who waits for it, and the index it was given. */
typedef struct ReadRound
{
	uint64		ctx;
	bool		answered;
	uint64		index;
	uint64	   *numbers;
	int			count;
	int			size;
	struct ReadRound *next;
} ReadRound;

static ReadRound *rounds;		/* under way, and answered but not yet applied */
static ReadRound *collecting;	/* takes the reads of the next round */
static bool round_under_way;
static int	round_target = 1;	/* readers that the next round waits for */
static ClockTime collecting_since;
static bool no_leader;			/* the last attempt to start a round failed */
static uint64 next_ctx = 1;
static bool gateway_to_tell;	/* answers of its have been put into its ring */
static ClockTime taken_at;	/* when the queue last held anything */

static RequestSlot *
slot_of(uint64 number)
{
	uint32		index = SLOT_INDEX(number);

	return index < (uint32) member_shared->slot_count ? &member_slots[index] : NULL;
}

/*
 * A slot is DONE: let its owner know.  A backend waits for just this; the gateway
 * has many that wait, and is woken once for all (requests_tell_gateway()).
 */
static void
tell_owner(RequestSlot *slot)
{
	if (slot_is_of_gateway(slot))
	{
		answered_push(slot - member_slots);
		gateway_to_tell = true;
	}
	else
		unpark(&slot->state);
}

/*
 * Wake the gateway if something of it has been answered.  Before the worker waits for
 * anything.
 */
void
requests_tell_gateway(void)
{
	if (!gateway_to_tell)
		return;
	gateway_to_tell = false;
	wake_procno(member_shared->caller_procno);
}

/*
 * Answer a request, if its client still waits for it.
 */
void
requests_complete(uint64 number, SlotOutcome outcome, const char *result, uint32 len)
{
	RequestSlot *slot = slot_of(number);

	if (slot == NULL || slot->number != number || !slot_move(slot, SLOT_PROPOSED, SLOT_FILLING))
		return;
	if (slot->number != number)
	{
		/* reused between the two looks; give it back untouched */
		pg_atomic_write_u32(&slot->state, SLOT_PROPOSED);
		return;
	}
	if (pg_atomic_exchange_u32(&slot->undo, 0) == 1)
	{
		slot_begin_undo(slot);	/* the client has left, and wants it undone */
		return;
	}
	slot->outcome = outcome;
	slot->len = len;
	if (len > SLOT_INLINE_BYTES)
	{
		slot->result = dsa_allocate_extended(member_dsa(), len, DSA_ALLOC_NO_OOM);
		if (DsaPointerIsValid(slot->result))
			memcpy(dsa_get_address(member_dsa(), slot->result), result, len);
		else
			slot->outcome = OUTCOME_NO_MEMORY;
	}
	else if (len > 0)
		memcpy(slot->data, result, len);
	pg_write_barrier();
	pg_atomic_write_u32(&slot->state, SLOT_DONE);
	tell_owner(slot);
}

/*
 * Put a request back into the queue, to be taken again when there may be a
 * leader for it.
 */
static void
requeue(RequestSlot *slot, SlotState from)
{
	if (slot_move(slot, from, SLOT_QUEUED))
		queue_push(slot - member_slots);
}

/*
 * requests_adopt() -- what an earlier worker of this server run left behind.
 *
 * Slots it was busy with when it died are failed: they may be why it died.
 * Commands it had proposed are answered when they come out of the log.  Reads
 * under way start again.
 */
void
requests_adopt(void)
{
	int			i;

	rounds = collecting = NULL;
	round_under_way = false;
	pg_atomic_write_u32(&member_shared->reads_wanted, 0);
	for (i = 0; i < member_shared->slot_count; i++)
	{
		RequestSlot *slot = &member_slots[i];

		switch ((SlotState) pg_atomic_read_u32(&slot->state))
		{
			case SLOT_TAKING:
			case SLOT_FILLING:
				if (pg_atomic_exchange_u32(&slot->undo, 0) == 1)
				{
					slot_begin_undo(slot);
					break;
				}
				slot->outcome = OUTCOME_POISON;
				slot->len = 0;
				pg_write_barrier();
				pg_atomic_write_u32(&slot->state, SLOT_DONE);
				tell_owner(slot);
				break;
			case SLOT_PROPOSED:
				if (slot->kind == SLOT_READ || slot->kind == SLOT_QUESTION)
					requeue(slot, SLOT_PROPOSED);
				break;
			case SLOT_QUEUED:
				queue_push(i);
				break;
			default:
				break;
		}
	}
	requests_tell_gateway();
}

/* ---------- reads ---------- */

static void
read_join_round(uint64 number)
{
	if (collecting == NULL)
	{
		collecting = MemoryContextAllocZero(worker->context, sizeof(ReadRound));
		collecting->size = 64;
		collecting_since = clock_now();
		collecting->numbers = MemoryContextAlloc(worker->context, 64 * sizeof(uint64));
	}
	if (collecting->count == collecting->size)
	{
		collecting->size *= 2;
		collecting->numbers = repalloc(collecting->numbers, collecting->size * sizeof(uint64));
	}
	collecting->numbers[collecting->count++] = number;
}

static void
round_free(ReadRound *round)
{
	pfree(round->numbers);
	pfree(round);
}

/*
 * Tell readers when to wake the worker: not at all while a round is under way,
 * whose answer will wake it; else when the next round is complete.
 */
static void
set_reads_wanted(void)
{
	uint32		wanted;

	if (round_under_way)
		wanted = PG_UINT32_MAX;
	else if (collecting == NULL)
		wanted = 0;
	else
		wanted = Max(round_target - collecting->count, 1);
	pg_atomic_write_u32(&member_shared->reads_wanted, wanted);
}

/*
 * Start the round that was being collected, unless one is under way or it is
 * worth while to wait for more readers.
 */
static void
read_start_round(void)
{
	ReadRound  *round = collecting;

	if (round != NULL && !round_under_way &&
		(round->count >= round_target ||
		 clock_exceeds(collecting_since, clock_now(), COLLECT_MS)))
	{
		round->ctx = next_ctx++;
		/* without a leader the next turn tries again */
		no_leader = raft_read(worker->raft, round->ctx) != RAFT_OK;
		if (!no_leader)
		{
			collecting = NULL;
			round_under_way = true;
			stats_add(STAT_READ_ROUNDS, 1);
			round->next = rounds;
			rounds = round;
		}
	}
	set_reads_wanted();
}

/*
 * Do readers wait for a round that has not been started?  Then the worker must
 * look again in a millisecond.
 */
bool
requests_collecting(void)
{
	return collecting != NULL && !round_under_way && !no_leader;
}

/*
 * The core answers a round.  A failed one is collected again.
 */
void
requests_read_answer(const struct raft_read *read)
{
	ReadRound **link;

	round_under_way = false;
	for (link = &rounds; *link != NULL; link = &(*link)->next)
	{
		ReadRound  *round = *link;

		if (round->ctx != read->ctx)
			continue;
		if (read->rc == RAFT_OK)
		{
			round->answered = true;
			round->index = read->index;
		}
		else
		{
			int			i;

			*link = round->next;
			for (i = 0; i < round->count; i++)
				read_join_round(round->numbers[i]);
			round_free(round);
		}
		break;
	}
}

/*
 * Complete the rounds whose index is applied, and start the next.
 */
void
requests_complete_reads(void)
{
	ReadRound **link = &rounds;

	while (*link != NULL)
	{
		ReadRound  *round = *link;

		if (round->answered && round->index <= worker->applied)
		{
			int			i;

			round_target = Max(1, (round->count + (collecting ? collecting->count : 0)) / 2);
			/* first: who has been answered may look at the counter */
			stats_add(STAT_READS, round->count);
			for (i = 0; i < round->count; i++)
				requests_complete(round->numbers[i], OUTCOME_RESULT, NULL, 0);
			*link = round->next;
			round_free(round);
		}
		else
			link = &round->next;
	}
	read_start_round();
}

/* ---------- commands ---------- */

/*
 * Copy a request out of its slot, into the turn's memory.
 */
static char *
copy_request(RequestSlot *slot)
{
	char	   *copy = palloc(slot->len + 1);

	memcpy(copy, DsaPointerIsValid(slot->payload) ?
		   (char *) dsa_get_address(member_dsa(), slot->payload) : slot->data, slot->len);
	return copy;
}

/*
 * Propose commands taken in this turn.  All at once if the core lets us, else
 * one by one; what it refuses for now goes back into the queue.
 */
static void
propose(RequestSlot **slots, struct raft_entry *entries, int n, uint64 term)
{
	int			i;

	if (raft_propose(worker->raft, entries, n, NULL) == RAFT_OK)
	{
		for (i = 0; i < n; i++)
		{
			slots[i]->term = term;
			pg_atomic_write_u32(&slots[i]->state, SLOT_PROPOSED);
		}
		return;
	}
	for (i = 0; i < n; i++)
	{
		enum raft_rc rc = raft_propose(worker->raft, &entries[i], 1, NULL);

		slots[i]->term = term;
		if (rc == RAFT_OK)
			pg_atomic_write_u32(&slots[i]->state, SLOT_PROPOSED);
		else if (rc == RAFT_TOO_BIG || rc == RAFT_INVALID)
		{
			pg_atomic_write_u32(&slots[i]->state, SLOT_PROPOSED);
			requests_complete(slots[i]->number, OUTCOME_TOO_BIG, NULL, 0);
		}
		else
			requeue(slots[i], SLOT_TAKING);
	}
}

/*
 * requests_take() -- take what waits in the queue (in a turn).
 *
 * Commands go into the log here or to the leader; where there is no leader they
 * stay queued and are looked at again when one is known or at the next tick.
 */
void
requests_take(void)
{
	struct raft_status status;
	RequestSlot **slots;
	struct raft_entry *entries;
	Peer	   *leader;
	int			n = 0;
	int			max;
	uint32		index;
	uint32	   *later;
	int			nlater = 0;
	int			nforwarded = 0;
	int			i;

	if (member_shared->queue_head == member_shared->queue_tail)
	{
		if (worker->raft != NULL)
			read_start_round();
		return;
	}

	taken_at = clock_now();
	pg_atomic_write_u32(&member_shared->reads_queued, 0);
	max = queue_length();
	slots = palloc(max * sizeof(RequestSlot *));
	entries = palloc0(max * sizeof(struct raft_entry));
	later = palloc(max * sizeof(uint32));
	memset(&status, 0, sizeof(status));
	if (worker->raft != NULL)
		raft_status(worker->raft, &status);
	leader = status.leader != 0 && status.role != RAFT_LEADER ? peers_find(status.leader) : NULL;

	for (i = 0; i < max && queue_pop(&index); i++)
	{
		RequestSlot *slot = &member_slots[index];

		if (!slot_move(slot, SLOT_QUEUED, SLOT_TAKING))
			continue;

		if (slot->kind == SLOT_REJOIN || slot->kind == SLOT_NEW_CLUSTER)
		{
			pg_atomic_write_u32(&slot->state, SLOT_PROPOSED);
			if (worker->role != MEMBER_QUARANTINED)
				requests_complete(slot->number, OUTCOME_STATE, NULL, 0);
			else if (slot->kind == SLOT_REJOIN)
				identity_begin_rejoin();
			else
				identity_begin_new_cluster();
		}
		else if (worker->role == MEMBER_QUARANTINED)
		{
			/* a change that was asked for may be the one that removed this member */
			bool		unknown = slot->kind == SLOT_QUESTION &&
				slot->question == QUESTION_MEMBER_CHANGE &&
				strcmp(worker->meta.reason, MEMBER_REASON_REMOVED) == 0;

			pg_atomic_write_u32(&slot->state, SLOT_PROPOSED);
			requests_complete(slot->number, unknown ? OUTCOME_REMOVED : OUTCOME_STATE, NULL, 0);
		}
		else if (worker->raft == NULL)
		{
			pg_atomic_write_u32(&slot->state, SLOT_QUEUED);
			later[nlater++] = index;
		}
		else if (slot->kind == SLOT_READ)
		{
			uint64		number = slot->number;

			pg_atomic_write_u32(&slot->state, SLOT_PROPOSED);
			read_join_round(number);
		}
		else if (slot->kind == SLOT_QUESTION)
			questions_ask_slot(slot, copy_request(slot), &status);
		else if (status.role == RAFT_LEADER)
		{
			slots[n] = slot;
			entries[n].type = RAFT_ENTRY_NORMAL;
			entries[n].size = slot->len;
			entries[n].data = copy_request(slot);
			n++;
		}
		else
		{
			uint64		number = slot->number;
			uint32		len = slot->len;
			char	   *copy = leader != NULL ? copy_request(slot) : NULL;
			bool		sent;

			/* PROPOSED first: a link that breaks now moves it back itself.  From then on
			 * its owner may use it for something else. */
			slot->term = status.term;
			pg_atomic_write_u32(&slot->state, SLOT_PROPOSED);
			sent = leader != NULL &&
				peers_queue_forward(leader, status.term, number, copy, len);
			if (sent)
				nforwarded++;
			else if (slot_move(slot, SLOT_PROPOSED, SLOT_QUEUED))
				later[nlater++] = index;
		}
	}

	if (n > 0)
		propose(slots, entries, n, status.term);
	stats_add(STAT_PROPOSALS, n + nforwarded);
	stats_add(STAT_FORWARDED, nforwarded);
	for (i = 0; i < nlater; i++)
		queue_push(later[i]);
	if (worker->raft != NULL)
		read_start_round();
}

ClockTime
requests_taken_at(void)
{
	return taken_at;
}

/*
 * requests_propose() -- propose a command of the worker's own, or forward it to the leader.
 * Nobody is told what comes of it, and it may get lost.  False if it certainly did.
 * In a turn.
 */
bool
requests_propose(Quorum__Command *command)
{
	struct raft_status status;
	struct raft_entry entry;
	size_t		size;
	char	   *packed = pb_pack(&command->base, &size);
	Peer	   *leader;

	raft_status(worker->raft, &status);
	if (status.role == RAFT_LEADER)
	{
		memset(&entry, 0, sizeof(entry));
		entry.type = RAFT_ENTRY_NORMAL;
		entry.size = size;
		entry.data = packed;
		return raft_propose(worker->raft, &entry, 1, NULL) == RAFT_OK;
	}
	leader = status.leader != 0 ? peers_find(status.leader) : NULL;
	return leader != NULL &&
		peers_queue_forward(leader, status.term, 0, packed, size);
}

/*
 * A follower forwards a command.  Taken only in the term it was sent in; the
 * bytes must decode, since every member would fail on them.
 */
void
requests_take_forward(uint64 from, const Quorum__Forward *forward)
{
	struct raft_status status;
	struct raft_entry entry;
	Quorum__Command *command;
	Peer	   *peer = peers_find(from);

	raft_status(worker->raft, &status);
	command = (Quorum__Command *) pb_unpack(&quorum__command__descriptor, forward->command.data, forward->command.len);

	memset(&entry, 0, sizeof(entry));
	entry.type = RAFT_ENTRY_NORMAL;
	entry.size = forward->command.len;
	entry.data = forward->command.data;
	if (command == NULL || command->op_case == QUORUM__COMMAND__OP__NOT_SET ||
		command->op_case == QUORUM__COMMAND__OP_MEMBER_CHANGE ||
		status.role != RAFT_LEADER || status.term != forward->term ||
		raft_propose(worker->raft, &entry, 1, NULL) != RAFT_OK)
	{
		if (peer != NULL)
			peers_queue_refusal(peer, forward);
	}
}

/*
 * A forwarded command was not proposed in this term: try again.
 *
 * A refusal can be late.  If the command has been forwarded again in a later term, that
 * one counts, and to try once more would do it twice.
 */
void
requests_refused(uint64 number, uint64 term)
{
	RequestSlot *slot = slot_of(number);

	if (slot != NULL && slot->number == number && slot->kind == SLOT_COMMAND &&
		slot->term == term)
		requeue(slot, SLOT_PROPOSED);
}

/*
 * An entry of this term was applied: commands proposed in an earlier one and
 * not met so far never will be.
 */
void
requests_lost_before(uint64 term)
{
	int			i;

	for (i = 0; i < member_shared->slot_count; i++)
	{
		RequestSlot *slot = &member_slots[i];

		if (pg_atomic_read_u32(&slot->state) == SLOT_PROPOSED &&
			slot->kind == SLOT_COMMAND && slot->term < term)
			requeue(slot, SLOT_PROPOSED);
	}
}

/*
 * A question found no answer: it is to be asked again at the next tick, as if the
 * term had changed.
 */
void
requests_ask_again(uint64 number)
{
	RequestSlot *slot = slot_of(number);

	if (slot != NULL && slot->number == number && slot->kind == SLOT_QUESTION)
		slot->term = 0;
}

/*
 * Queue again the questions that were asked in another term than this, or all
 * if overdue.  Are there any questions at all?
 */
bool
requests_retry_questions(uint64 term, bool overdue)
{
	bool		found = false;
	int			i;

	for (i = 0; i < member_shared->slot_count; i++)
	{
		RequestSlot *slot = &member_slots[i];

		if (pg_atomic_read_u32(&slot->state) != SLOT_PROPOSED || slot->kind != SLOT_QUESTION)
			continue;
		found = true;
		if (overdue || slot->term != term)
			requeue(slot, SLOT_PROPOSED);
	}
	return found;
}

/*
 * A streamed state has taken the place of the store: what was proposed may be
 * in it or not, and nothing will tell.  Such commands must not be proposed again;
 * their clients learn at the timeout that the outcome is unknown.  Those that may be
 * done twice are.
 */
void
requests_overtaken(void)
{
	int			i;

	for (i = 0; i < member_shared->slot_count; i++)
	{
		RequestSlot *slot = &member_slots[i];

		if (pg_atomic_read_u32(&slot->state) != SLOT_PROPOSED)
			continue;
		if (slot->kind == SLOT_COMMAND &&
			(slot->detached || pg_atomic_read_u32(&slot->undo) == 1))
			requeue(slot, SLOT_PROPOSED);
		else
			slot->term = PG_UINT64_MAX;
	}
}

/*
 * This member was removed from the cluster.  It will never learn what became of
 * the requests that were under way.
 */
void
requests_abandon(void)
{
	int			i;

	for (i = 0; i < member_shared->slot_count; i++)
		if (pg_atomic_read_u32(&member_slots[i].state) == SLOT_PROPOSED)
			requests_complete(member_slots[i].number, OUTCOME_REMOVED, NULL, 0);
}

/*
 * The store is gone.  What was proposed may have been carried out by other
 * members, but no answer will come.  What has not been is tried on the next store.
 */
void
requests_store_gone(void)
{
	int			i;

	for (i = 0; i < member_shared->slot_count; i++)
	{
		RequestSlot *slot = &member_slots[i];

		if (pg_atomic_read_u32(&slot->state) != SLOT_PROPOSED)
			continue;
		if (slot->kind == SLOT_COMMAND)
			requests_complete(slot->number, OUTCOME_STORE_GONE, NULL, 0);
		else if (slot->kind == SLOT_READ || slot->kind == SLOT_QUESTION)
			requeue(slot, SLOT_PROPOSED);
	}
}

/*
 * This member has been taken into the cluster: answer those who asked for it.
 */
void
requests_joined(void)
{
	int			i;

	for (i = 0; i < member_shared->slot_count; i++)
	{
		RequestSlot *slot = &member_slots[i];

		if (pg_atomic_read_u32(&slot->state) == SLOT_PROPOSED &&
			(slot->kind == SLOT_REJOIN || slot->kind == SLOT_NEW_CLUSTER))
			requests_complete(slot->number, OUTCOME_RESULT, NULL, 0);
	}
}
