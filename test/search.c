/*-------------------------------------------------------------------------
 *
 * search.c
 *	  Decides whether the calls on one key are linearizable.
 *
 * The question is whether the calls can be put in one order that respects
 * real time (a call that returned before another was made comes first) and in
 * which every answer is the right one for a register.  Keys are independent
 * of each other, so each is searched alone (linearizability is local: Herlihy
 * and Wing 1990, theorem 1).
 *
 * The search is that of Wing and Gong (1993) with Lowe's memory (2017): depth
 * first over the calls that may come next, which are those made before any
 * pending one has returned; a set of calls done together with the state they
 * lead to is never tried twice.  That set is remembered as a 128-bit hash.
 * What keeps the search small:
 *
 * - A call without effect whose answer fits the state now is taken at once
 *	 and never tried elsewhere: moving it to the front of a valid order leaves
 *	 the order valid.
 * - Writes whose revision is known must come in the order of revisions.  That
 *	 is a promise of the store and not of linearizability, so a history that
 *	 breaks it is refused, as it should be.
 * - A call of unknown outcome may take effect at any time after it was made,
 *	 or never.  Those whose value nobody saw are interchangeable: only the
 *	 earliest of them is tried, and they all lead to the same state.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/search.c
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "history.h"

/* The state after an unseen write of unknown outcome. */
#define STATE_GHOST		INT32_MAX

typedef struct Hash128
{
	uint64_t	hi;
	uint64_t	lo;
} Hash128;

typedef struct Frame
{
	int			state;			/* before the choice of this frame */
	int			undo_from;		/* done[] order length at entry */
	int			choice_from;	/* first choice on the choice stack */
	int			nchoices;
	int			next_choice;
	int			first;			/* no definite call before it is pending */
	int			next_ordered;
	Hash128		set;
} Frame;

typedef struct Search
{
	const Op   *ops;
	const Value *values;
	int			nops;

	/* Indexes of ops: definite and maybe by invocation, ordered by revision. */
	int		   *definite;
	int			ndefinite;
	int		   *maybe;
	int			nmaybe;
	int		   *ordered;
	int			nordered;
	int		   *order_of;		/* by op: place in ordered[], or -1 */

	bool	   *done;
	int		   *undo;			/* done calls, in the order they were taken */
	int			nundo;
	int			ndone_definite;

	Frame	   *frames;
	int			nframes;
	int			frames_size;
	int		   *choices;
	int			nchoices;
	int			choices_size;

	/* current position */
	int			state;
	int			first;
	int			next_ordered;
	Hash128		set;

	Hash128    *memory;
	uint64_t	memory_size;	/* a power of two */
	uint64_t	memory_used;

	int			best;			/* most definite calls ever done */
	int			best_blocked;
	int			best_state;
} Search;

static void *
checked_alloc(size_t count, size_t width)
{
	void	   *result = calloc(count ? count : 1, width);

	if (result == NULL)
	{
		fprintf(stderr, "out of memory\n");
		exit(2);
	}
	return result;
}

/* splitmix64: a well mixed number for each input. */
static uint64_t
mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/* The hash of a set is the exclusive or of its members' numbers. */
static void
toggle_in_set(Hash128 *set, int op)
{
	set->hi ^= mix(2 * (uint64_t) op + 1);
	set->lo ^= mix(mix(2 * (uint64_t) op + 2));
}

static bool
remember(Search *s, Hash128 key)
{
	uint64_t	slot;

	if (key.hi == 0 && key.lo == 0)
		key.lo = 1;
	if (s->memory_used * 2 >= s->memory_size)
	{
		Hash128    *old = s->memory;
		uint64_t	old_size = s->memory_size;
		uint64_t	i;

		s->memory_size = old_size ? old_size * 2 : 4096;
		s->memory = checked_alloc(s->memory_size, sizeof(Hash128));
		s->memory_used = 0;
		for (i = 0; i < old_size; i++)
			if (old[i].hi != 0 || old[i].lo != 0)
				remember(s, old[i]);
		free(old);
	}
	slot = key.lo & (s->memory_size - 1);
	while (s->memory[slot].hi != 0 || s->memory[slot].lo != 0)
	{
		if (s->memory[slot].hi == key.hi && s->memory[slot].lo == key.lo)
			return false;
		slot = (slot + 1) & (s->memory_size - 1);
	}
	s->memory[slot] = key;
	s->memory_used++;
	return true;
}

/* May this call answer as it did, and change nothing, in the present state? */
static bool
fits_without_effect(const Op *op, int state)
{
	if (op->outcome != OUTCOME_OK)
		return false;
	switch (op->kind)
	{
		case OP_GET:
			return op->result == state;
		case OP_CAS:
			return !op->result && op->expect != state;
		case OP_DELETE:
			return op->result == 0 && state == VALUE_ABSENT;
		case OP_PUT:
			break;
	}
	return false;
}

/* May this call take effect in the present state, and to what does it lead? */
static bool
takes_effect(const Search *s, const Op *op, int state, int *next)
{
	bool		known = op->outcome == OUTCOME_OK;

	switch (op->kind)
	{
		case OP_PUT:
			break;
		case OP_CAS:
			if ((known && !op->result) || op->expect != state)
				return false;
			break;
		case OP_DELETE:
			if ((known && op->result == 0) || state == VALUE_ABSENT)
				return false;
			*next = VALUE_ABSENT;
			return true;
		case OP_GET:
			return false;
	}
	*next = (known || s->values[op->value].revision != 0) ? op->value : STATE_GHOST;
	return true;
}

static void
take(Search *s, int op)
{
	s->done[op] = true;
	s->undo[s->nundo++] = op;
	toggle_in_set(&s->set, op);
	if (s->ops[op].outcome == OUTCOME_OK)
		s->ndone_definite++;
	while (s->next_ordered < s->nordered && s->done[s->ordered[s->next_ordered]])
		s->next_ordered++;
	while (s->first < s->ndefinite && s->done[s->definite[s->first]])
		s->first++;
}

static void
take_back(Search *s, int undo_from)
{
	while (s->nundo > undo_from)
	{
		int			op = s->undo[--s->nundo];

		s->done[op] = false;
		if (s->ops[op].outcome == OUTCOME_OK)
			s->ndone_definite--;
	}
}

/*
 * The time at which the first of the pending definite calls returned: no call
 * made later can come next.  Sets *blocked to that call, -1 if none pends.
 */
static int64_t
earliest_return(const Search *s, int *blocked)
{
	int64_t		earliest = TIME_NEVER;
	int			i;

	*blocked = -1;
	for (i = s->first; i < s->ndefinite; i++)
	{
		const Op   *op = &s->ops[s->definite[i]];

		if (op->invoked > earliest)
			break;
		if (!s->done[s->definite[i]] && (op->returned < earliest || *blocked < 0))
		{
			earliest = op->returned;
			*blocked = s->definite[i];
		}
	}
	return earliest;
}

/* Take every call without effect that fits now; returns the pending limit. */
static int64_t
take_readers(Search *s, int *blocked)
{
	for (;;)
	{
		int64_t		limit = earliest_return(s, blocked);
		bool		progress = false;
		int			i;

		for (i = s->first; i < s->ndefinite; i++)
		{
			int			op = s->definite[i];

			if (s->ops[op].invoked > limit)
				break;
			if (!s->done[op] && fits_without_effect(&s->ops[op], s->state))
			{
				take(s, op);
				progress = true;
			}
		}
		if (!progress)
			return limit;
	}
}

static void
add_choice(Search *s, int op)
{
	if (s->nchoices >= s->choices_size)
	{
		s->choices_size = s->choices_size ? s->choices_size * 2 : 1024;
		s->choices = realloc(s->choices, s->choices_size * sizeof(int));
		if (s->choices == NULL)
		{
			fprintf(stderr, "out of memory\n");
			exit(2);
		}
	}
	s->choices[s->nchoices++] = op;
}

/* Collect the writes that may come next, the likeliest first. */
static void
collect_choices(Search *s, int64_t limit)
{
	int			next;
	int			i;
	bool		ghost_put = false;
	bool		ghost_delete = false;

	if (s->next_ordered < s->nordered)
	{
		int			op = s->ordered[s->next_ordered];

		if (s->ops[op].invoked <= limit &&
			takes_effect(s, &s->ops[op], s->state, &next))
			add_choice(s, op);
	}
	for (i = s->first; i < s->ndefinite; i++)
	{
		int			op = s->definite[i];

		if (s->ops[op].invoked > limit)
			break;
		if (!s->done[op] && s->order_of[op] < 0 &&
			takes_effect(s, &s->ops[op], s->state, &next))
			add_choice(s, op);
	}
	for (i = 0; i < s->nmaybe; i++)
	{
		int			op = s->maybe[i];
		OpKind		kind = s->ops[op].kind;

		if (s->ops[op].invoked > limit)
			break;
		if (s->done[op] || s->order_of[op] >= 0 ||
			(kind == OP_PUT && ghost_put) || (kind == OP_DELETE && ghost_delete))
			continue;
		if (!takes_effect(s, &s->ops[op], s->state, &next))
			continue;
		/* A second unseen put on top of a first changes nothing. */
		if (kind == OP_PUT && s->state == STATE_GHOST)
			continue;
		ghost_put = ghost_put || kind == OP_PUT;
		ghost_delete = ghost_delete || kind == OP_DELETE;
		add_choice(s, op);
	}
}

static void
push_frame(Search *s, int choice_from)
{
	Frame	   *frame;

	if (s->nframes >= s->frames_size)
	{
		s->frames_size = s->frames_size ? s->frames_size * 2 : 1024;
		s->frames = realloc(s->frames, s->frames_size * sizeof(Frame));
		if (s->frames == NULL)
		{
			fprintf(stderr, "out of memory\n");
			exit(2);
		}
	}
	frame = &s->frames[s->nframes++];
	frame->state = s->state;
	frame->undo_from = s->nundo;
	frame->choice_from = choice_from;
	frame->nchoices = s->nchoices - choice_from;
	frame->next_choice = 0;
	frame->first = s->first;
	frame->next_ordered = s->next_ordered;
	frame->set = s->set;
}

/*
 * Enter the present position: take what needs no choice, and if it is new,
 * push a frame with the choices there are.  Returns true if all is done.
 */
static bool
enter(Search *s)
{
	int			blocked;
	int64_t		limit = take_readers(s, &blocked);
	int			choice_from = s->nchoices;
	Hash128		position = s->set;

	if (s->ndone_definite == s->ndefinite)
		return true;
	if (s->ndone_definite > s->best || s->best_blocked < 0)
	{
		s->best = s->ndone_definite;
		s->best_blocked = blocked;
		s->best_state = s->state;
	}
	position.hi ^= mix(~(uint64_t) (uint32_t) s->state);
	position.lo ^= mix(mix(~(uint64_t) (uint32_t) s->state));
	if (remember(s, position))
		collect_choices(s, limit);
	push_frame(s, choice_from);
	return false;
}

static int
compare_revision(const void *a, const void *b, void *arg)
{
	const Search *s = arg;
	int64_t		left = s->values[s->ops[*(const int *) a].value].revision;
	int64_t		right = s->values[s->ops[*(const int *) b].value].revision;

	return (left > right) - (left < right);
}

static void
prepare(Search *s)
{
	int			i;

	s->definite = checked_alloc(s->nops, sizeof(int));
	s->maybe = checked_alloc(s->nops, sizeof(int));
	s->ordered = checked_alloc(s->nops, sizeof(int));
	s->order_of = checked_alloc(s->nops, sizeof(int));
	s->done = checked_alloc(s->nops, sizeof(bool));
	s->undo = checked_alloc(s->nops, sizeof(int));
	for (i = 0; i < s->nops; i++)
	{
		const Op   *op = &s->ops[i];

		s->order_of[i] = -1;
		if (op->outcome == OUTCOME_OK)
			s->definite[s->ndefinite++] = i;
		else if (op->outcome == OUTCOME_UNKNOWN && op->kind != OP_GET)
			s->maybe[s->nmaybe++] = i;
		else
			continue;
		if (op->value != VALUE_NONE && s->values[op->value].revision != 0)
			s->ordered[s->nordered++] = i;
	}
	qsort_r(s->ordered, s->nordered, sizeof(int), compare_revision, s);
	for (i = 0; i < s->nordered; i++)
		s->order_of[s->ordered[i]] = i;
	s->best_blocked = -1;
}

static void
release(Search *s)
{
	free(s->definite);
	free(s->maybe);
	free(s->ordered);
	free(s->order_of);
	free(s->done);
	free(s->undo);
	free(s->frames);
	free(s->choices);
	free(s->memory);
}

/*
 * Search the calls on one key, which must be sorted by invocation and begin
 * with the key absent.  Visits max_visited positions at most.
 */
SearchResult
search_key(const Op *ops, int nops, const Value *values, uint64_t max_visited)
{
	Search		s;
	SearchResult result;

	memset(&s, 0, sizeof(s));
	s.ops = ops;
	s.nops = nops;
	s.values = values;
	s.state = VALUE_ABSENT;
	prepare(&s);

	memset(&result, 0, sizeof(result));
	result.verdict = enter(&s) ? VERDICT_LINEARIZABLE : VERDICT_VIOLATION;
	while (result.verdict == VERDICT_VIOLATION && s.nframes > 0)
	{
		Frame	   *frame = &s.frames[s.nframes - 1];
		int			op;

		/* Back to where this frame began, whatever was tried since. */
		take_back(&s, frame->undo_from);
		s.state = frame->state;
		s.first = frame->first;
		s.next_ordered = frame->next_ordered;
		s.set = frame->set;
		s.nchoices = frame->choice_from + frame->nchoices;
		if (frame->next_choice >= frame->nchoices)
		{
			s.nchoices = frame->choice_from;
			s.nframes--;
			continue;
		}
		op = s.choices[frame->choice_from + frame->next_choice++];
		takes_effect(&s, &ops[op], s.state, &s.state);
		take(&s, op);
		if (++result.visited > max_visited)
		{
			result.verdict = VERDICT_UNDECIDED;
			break;
		}
		if (enter(&s))
			result.verdict = VERDICT_LINEARIZABLE;
	}
	result.blocked = s.best_blocked;
	result.state = s.best_state == STATE_GHOST ? VALUE_NONE : s.best_state;
	release(&s);
	return result;
}
