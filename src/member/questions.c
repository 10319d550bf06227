/*-------------------------------------------------------------------------
 *
 * questions.c
 *	  Questions that only the leader may answer, without a log entry.
 *
 * A backend, or the worker itself, asks; the worker hands the question to the
 * leader over the express link, or answers it here if it leads.  A question is
 * valid in one term: whoever does not lead in it says "again", and so does a
 * leader that has too much to do.  A question without an answer is put again
 * when the term changes and after an election timeout, so it may
 * be heard twice, and a handler must not mind.
 *
 * Some answers are promises ("your lease lives"), which one who was cut off
 * and replaced must not make.  Kinds marked "confirm" wait for a read round
 * (thesis, section 6.4) that begins after they came: it proves that this
 * member led at a moment after that, and that it has applied
 * all that anybody could have seen before asking.  A round is shared by all
 * questions that wait when it starts.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/questions.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "../clock.h"
#include "../settings.h"
#include "worker.h"

/* What a leader holds at a time; beyond, others have to ask again. */
#define QUESTIONS_MAX			16384
#define QUESTIONS_MAX_BYTES		((Size) 32 * 1024 * 1024)

/* Contexts of our read rounds, told apart from those of clients' reads. */
#define ROUND_CTX_BIT			(UINT64CONST(1) << 63)

typedef struct QuestionType
{
	bool		confirm;		/* answer only after a read round */
	QuestionHandler handler;	/* NULL: no such kind */
} QuestionType;

static const QuestionType question_types[] = {
	[QUESTION_LEASE_KEEPALIVE] = {true, lessor_keepalive},
	[QUESTION_LEASE_TTL] = {true, lessor_ttl},
	[QUESTION_LEASE_EXPIRE] = {true, lessor_expire},
	[QUESTION_MOVE_LEADER] = {false, reconfigure_answer},
	[QUESTION_MEMBER_CHANGE] = {false, reconfigure_answer}
};

/* A question of the worker itself that has no answer yet. */
typedef struct OwnQuestion
{
	dlist_node	node;
	uint64		number;
	ClockTime	asked_at;
	QuestionCallback callback;
	void	   *arg;
} OwnQuestion;

/* The leader's side: those that wait for the next round, for the one under
 * way, and for their entry to be applied. */
static dlist_head waiting;
static dlist_head confirming;
static dlist_head ready;
static bool round_under_way;
static uint64 round_ctx;
static uint64 round_term;
static int	nquestions;
static Size question_bytes;

/* The asking side. */
static dlist_head own;
static uint64 next_own = 1;
static bool slots_ask;			/* some slot may hold an unanswered question */
static ClockTime next_retry;

/*
 * Begin with nothing; called when the consensus core has been made anew.
 */
void
questions_start(void)
{
	dlist_init(&waiting);
	dlist_init(&confirming);
	dlist_init(&ready);
	dlist_init(&own);
	round_under_way = false;
	nquestions = 0;
	question_bytes = 0;
	slots_ask = true;
}

/* ---------- the leader's side ---------- */

static const QuestionType *
type_of(uint32 kind)
{
	if (kind >= lengthof(question_types) || question_types[kind].handler == NULL)
		return NULL;
	return &question_types[kind];
}

/*
 * Answer whoever asked.  bytes must live to the end of the turn.
 */
static void
give_answer(uint64 to, uint64 number, Quorum__Answer__Outcome outcome,
			const char *bytes, uint32 len)
{
	Quorum__Answer *answer = palloc(sizeof(*answer));
	Peer	   *peer;

	quorum__answer__init(answer);
	answer->number = number;
	answer->outcome = outcome;
	answer->payload.data = (uint8_t *) bytes;
	answer->payload.len = len;
	if (to == worker->meta.member_id)
		questions_take_answer(answer);
	else if ((peer = peers_find(to)) != NULL)
		peers_queue_answer(peer, answer);
}

static void
question_free(Question *question)
{
	dlist_delete(&question->node);
	nquestions--;
	question_bytes -= sizeof(Question) + question->len;
	if (question->state != NULL)
		pfree(question->state);
	pfree(question);
}

static void
question_answer(Question *question, Quorum__Answer__Outcome outcome,
				const char *bytes, uint32 len)
{
	uint64		from = question->from;
	uint64		number = question->number;

	question_free(question);
	give_answer(from, number, outcome, bytes, len);
}

/*
 * Keep a question until its turn comes.
 */
static void
question_accept(uint64 from, uint64 number, uint64 term, uint32 kind,
				const char *payload, uint32 len)
{
	Question   *question;

	if (type_of(kind) == NULL)
	{
		give_answer(from, number, QUORUM__ANSWER__OUTCOME__UNKNOWN_KIND, NULL, 0);
		return;
	}
	if (len > QUESTION_MAX_BYTES || nquestions >= QUESTIONS_MAX ||
		question_bytes >= QUESTIONS_MAX_BYTES)
	{
		give_answer(from, number, QUORUM__ANSWER__OUTCOME__AGAIN, NULL, 0);
		return;
	}
	question = MemoryContextAlloc(worker->context, sizeof(Question) + len);
	memset(question, 0, sizeof(Question));
	question->from = from;
	question->number = number;
	question->term = term;
	question->kind = kind;
	question->len = len;
	if (len > 0)
		memcpy(question->payload, payload, len);
	nquestions++;
	question_bytes += sizeof(Question) + len;
	dlist_push_tail(question_types[kind].confirm ? &waiting : &ready, &question->node);
}

/*
 * questions_take() -- a member asks.  It is looked at by questions_run(): a
 * message may come in the middle of an apply.
 */
void
questions_take(uint64 from, const Quorum__Question *question)
{
	struct raft_status status;

	raft_status(worker->raft, &status);
	if (status.role != RAFT_LEADER || status.term != question->term)
		give_answer(from, question->number, QUORUM__ANSWER__OUTCOME__AGAIN, NULL, 0);
	else
		question_accept(from, question->number, question->term, question->kind,
						(char *) question->payload.data, question->payload.len);
}

/*
 * Leadership is over: whoever asked shall ask the next leader.
 */
static void
send_away(dlist_head *list, uint64 term)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, list)
	{
		Question   *question = dlist_container(Question, node, iter.cur);

		if (question->term != term)
			question_answer(question, QUORUM__ANSWER__OUTCOME__AGAIN, NULL, 0);
	}
}

static void
start_round(uint64 term)
{
	static uint64 next_ctx = 1;

	if (round_under_way || dlist_is_empty(&waiting))
		return;
	round_ctx = ROUND_CTX_BIT | next_ctx++;
	if (raft_read(worker->raft, round_ctx) != RAFT_OK)
		return;					/* tried again in the next turn */
	round_under_way = true;
	round_term = term;
	while (!dlist_is_empty(&waiting))
		dlist_push_tail(&confirming, dlist_pop_head_node(&waiting));
}

/*
 * The core answers a read round: is it ours?
 */
bool
questions_own_read(const struct raft_read *read)
{
	if ((read->ctx & ROUND_CTX_BIT) == 0)
		return false;
	if (!round_under_way || read->ctx != round_ctx)
		return true;
	round_under_way = false;
	while (!dlist_is_empty(&confirming))
	{
		dlist_node *node = dlist_pop_head_node(&confirming);
		Question   *question = dlist_container(Question, node, node);

		/* one that was asked in a later term than the round cannot be here */
		question->apply_index = read->index;
		dlist_push_tail(read->rc == RAFT_OK ? &ready : &waiting, node);
	}
	return true;
}

/*
 * questions_run() -- answer what can be answered now.
 */
void
questions_run(void)
{
	struct raft_status status;
	dlist_mutable_iter iter;
	uint64		term;

	if (nquestions == 0)
		return;
	raft_status(worker->raft, &status);
	term = status.role == RAFT_LEADER ? status.term : 0;
	send_away(&waiting, term);
	send_away(&confirming, term);
	send_away(&ready, term);
	if (round_under_way && round_term != term)
		round_under_way = false;	/* its answer, if any comes, means nothing any more */

	dlist_foreach_modify(iter, &ready)
	{
		Question   *question = dlist_container(Question, node, iter.cur);
		char	   *answer = NULL;
		uint32		len = 0;

		if (question->apply_index > worker->applied)
			continue;
		switch (question_types[question->kind].handler(question, &answer, &len))
		{
			case QUESTION_ANSWERED:
				question_answer(question, QUORUM__ANSWER__OUTCOME__ANSWERED, answer, len);
				break;
			case QUESTION_WAITS:
				break;
			case QUESTION_AGAIN:
				question_answer(question, QUORUM__ANSWER__OUTCOME__AGAIN, NULL, 0);
				break;
		}
	}
	if (term != 0)
		start_round(term);
}

/* ---------- the asking side ---------- */

/*
 * Hand a question to the leader; false if there is none to be had now.  payload
 * must live to the end of the turn.
 */
static bool
ask(uint64 number, QuestionKind kind, const char *payload, uint32 len,
	const struct raft_status *status)
{
	Peer	   *leader;
	Quorum__Question *question;

	if (status->role == RAFT_LEADER)
	{
		question_accept(worker->meta.member_id, number, status->term, kind, payload, len);
		return true;
	}
	if (status->leader == 0 || (leader = peers_find(status->leader)) == NULL)
		return false;
	question = palloc(sizeof(*question));
	quorum__question__init(question);
	question->term = status->term;
	question->number = number;
	question->kind = kind;
	question->payload.data = (uint8_t *) payload;
	question->payload.len = len;
	return peers_queue_question(leader, question);
}

/*
 * questions_ask_slot() -- put the question of a slot, which is TAKING, to the
 * leader.  It is PROPOSED then, whether that has worked or not: questions_tick()
 * sees to it.
 */
void
questions_ask_slot(RequestSlot *slot, const char *payload, const struct raft_status *status)
{
	uint64		number = slot->number;
	QuestionKind kind = slot->question;
	uint32		len = slot->len;

	slots_ask = true;
	/* first, since the answer may come at once; after this the slot is not ours */
	slot->term = status->term;
	pg_atomic_write_u32(&slot->state, SLOT_PROPOSED);
	if (!ask(number, kind, payload, len, status))
		requests_ask_again(number);
}

/*
 * questions_ask_self() -- the worker itself asks.  The callback is called once,
 * perhaps before this returns, and perhaps without an answer.
 */
void
questions_ask_self(QuestionKind kind, const char *payload, uint32 len,
				   QuestionCallback callback, void *arg)
{
	struct raft_status status;
	OwnQuestion *question = MemoryContextAllocZero(worker->context, sizeof(OwnQuestion));
	uint64		number = (next_own++ << SLOT_INDEX_BITS) | QUESTION_OF_WORKER;

	question->number = number;
	question->asked_at = clock_now();
	question->callback = callback;
	question->arg = arg;
	dlist_push_tail(&own, &question->node);

	raft_status(worker->raft, &status);
	if (!ask(number, kind, payload, len, &status))
	{
		dlist_delete(&question->node);
		pfree(question);
		callback(false, NULL, 0, arg);
	}
}

static void
take_own_answer(const Quorum__Answer *answer)
{
	dlist_iter	iter;

	dlist_foreach(iter, &own)
	{
		OwnQuestion *question = dlist_container(OwnQuestion, node, iter.cur);

		if (question->number == answer->number)
		{
			QuestionCallback callback = question->callback;
			void	   *arg = question->arg;

			dlist_delete(&question->node);
			pfree(question);
			callback(answer->outcome == QUORUM__ANSWER__OUTCOME__ANSWERED,
					 (char *) answer->payload.data, answer->payload.len, arg);
			return;
		}
	}
}

/*
 * questions_take_answer() -- the leader, or one who is none, has answered.
 */
void
questions_take_answer(const Quorum__Answer *answer)
{
	if (SLOT_INDEX(answer->number) == QUESTION_OF_WORKER)
		take_own_answer(answer);
	else if (answer->outcome == QUORUM__ANSWER__OUTCOME__ANSWERED)
		requests_complete(answer->number, OUTCOME_RESULT,
						  (char *) answer->payload.data, answer->payload.len);
	else if (answer->outcome == QUORUM__ANSWER__OUTCOME__UNKNOWN_KIND)
		requests_complete(answer->number, OUTCOME_UNKNOWN_KIND, NULL, 0);
	else
		requests_ask_again(answer->number);
}

/*
 * questions_tick() -- ask again what has found no answer: at the next tick
 * where the term has changed or the answer was "again", else after an election
 * timeout.
 */
void
questions_tick(void)
{
	ClockTime	now = clock_now();
	struct raft_status status;
	dlist_mutable_iter iter;
	bool		overdue = now >= next_retry;

	if (!slots_ask && dlist_is_empty(&own))
		return;
	raft_status(worker->raft, &status);
	if (overdue)
		next_retry = clock_plus_ms(now, setting_election_timeout);
	if (slots_ask)
		slots_ask = requests_retry_questions(status.term, overdue);

	dlist_foreach_modify(iter, &own)
	{
		OwnQuestion *question = dlist_container(OwnQuestion, node, iter.cur);

		if (clock_exceeds(question->asked_at, now, 2 * setting_election_timeout))
		{
			QuestionCallback callback = question->callback;
			void	   *arg = question->arg;

			dlist_delete(&question->node);
			pfree(question);
			callback(false, NULL, 0, arg);
		}
	}
}
