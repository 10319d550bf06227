/*-------------------------------------------------------------------------
 *
 * linearize.c
 *	  Checks a recorded history: linearizable, nothing lost, revisions sound.
 *
 *	linearize [--max-visited N] [--complete N] FILE
 *
 * Checks, for the whole history:
 *	- what was read or told afterwards was once written, by a call that was
 *	  not certainly without effect;
 *	- a value has one revision, whoever tells it, and a revision one write;
 *	- revisions grow in real time: a write that was answered before another
 *	  was made has the smaller one;
 *	- every acknowledged write is among the changes that every member tells,
 *	  and the members tell the same changes (--complete N demands that N
 *	  members have told all of theirs);
 *	- the number of deletes told fits the deletes called;
 *	- each key is linearizable (search.c).
 *
 * Status 0: all is well, 1: a violation, 2: malformed input, 3: undecided,
 * since a search would have been too long.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/linearize.c
 *
 *-------------------------------------------------------------------------
 */
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "history.h"

#define MAX_REPORTED	20

static History history;
static int	violations;

static void violation(const char *format,...) __attribute__((format(printf, 1, 2)));

static void
violation(const char *format,...)
{
	va_list		args;

	violations++;
	if (violations == MAX_REPORTED + 1)
		printf("further violations are not shown\n");
	if (violations > MAX_REPORTED)
		return;
	va_start(args, format);
	printf("violation: ");
	vprintf(format, args);
	printf("\n");
	va_end(args);
}

/* One more word about the revision of a value. */
static void
learn_revision(int value, int64_t revision, int line)
{
	Value	   *v = &history.values[value];

	if (revision == 0)
		return;
	if (v->revision == 0)
		v->revision = revision;
	else if (v->revision != revision)
		violation("line %d: value %s has revision %lld here and %lld elsewhere",
				  line, v->text, (long long) revision, (long long) v->revision);
}

/* A value was seen: somebody must have written it, to this key. */
static void
check_origin(int value, int key, int line)
{
	const Value *v = &history.values[value];
	const Op   *writer;

	if (v->writer < 0)
	{
		violation("line %d: value %s was never written", line, v->text);
		return;
	}
	writer = &history.ops[v->writer];
	if (writer->key != key)
		violation("line %d: value %s was written to key %s", line, v->text,
				  history.keys.names[writer->key]);
	else if (writer->outcome == OUTCOME_FAIL ||
			 (writer->outcome == OUTCOME_OK && writer->kind == OP_CAS && !writer->result))
		violation("line %d: value %s was seen, but its write (line %d) had failed",
				  line, v->text, writer->line);
}

static void
check_values(void)
{
	int			i;

	for (i = 0; i < history.nops; i++)
	{
		const Op   *op = &history.ops[i];

		if (op->outcome != OUTCOME_OK)
			continue;
		if (op->kind == OP_PUT)
		{
			if (op->revision == 0)
				violation("line %d: an acknowledged put without revision", op->line);
			learn_revision(op->value, op->revision, op->line);
		}
		else if (op->kind == OP_GET && op->result > VALUE_ABSENT)
		{
			check_origin(op->result, op->key, op->line);
			learn_revision(op->result, op->revision, op->line);
		}
	}
	for (i = 0; i < history.nchanges; i++)
	{
		const Change *change = &history.changes[i];

		if (change->is_delete)
			continue;
		check_origin(change->value, change->key, change->line);
		learn_revision(change->value, change->revision, change->line);
	}
}

static int64_t
op_revision(const Op *op)
{
	return op->value == VALUE_NONE ? 0 : history.values[op->value].revision;
}

static int
by_revision(const void *a, const void *b)
{
	int64_t		left = op_revision(*(const Op *const *) a);
	int64_t		right = op_revision(*(const Op *const *) b);

	return (left > right) - (left < right);
}

static int
by_invoked(const void *a, const void *b)
{
	const Op   *left = *(const Op *const *) a;
	const Op   *right = *(const Op *const *) b;

	return (left->invoked > right->invoked) - (left->invoked < right->invoked);
}

static int
by_returned(const void *a, const void *b)
{
	const Op   *left = *(const Op *const *) a;
	const Op   *right = *(const Op *const *) b;

	return (left->returned > right->returned) - (left->returned < right->returned);
}

/* Revisions are unique over all keys, and grow in real time. */
static void
check_revisions(void)
{
	const Op  **invoked = calloc(history.nops + 1, sizeof(Op *));
	const Op  **returned = calloc(history.nops + 1, sizeof(Op *));
	const Op   *latest = NULL;
	int			n = 0;
	int			seen = 0;
	int			i;

	for (i = 0; i < history.nops; i++)
		if (op_revision(&history.ops[i]) != 0)
			invoked[n++] = &history.ops[i];
	memcpy(returned, invoked, n * sizeof(Op *));

	qsort(invoked, n, sizeof(Op *), by_revision);
	for (i = 1; i < n; i++)
		if (op_revision(invoked[i]) == op_revision(invoked[i - 1]))
			violation("lines %d and %d: two writes with revision %lld",
					  invoked[i - 1]->line, invoked[i]->line,
					  (long long) op_revision(invoked[i]));

	qsort(invoked, n, sizeof(Op *), by_invoked);
	qsort(returned, n, sizeof(Op *), by_returned);
	for (i = 0; i < n; i++)
	{
		for (; seen < n && returned[seen]->returned < invoked[i]->invoked; seen++)
			if (latest == NULL || op_revision(returned[seen]) > op_revision(latest))
				latest = returned[seen];
		if (latest != NULL && op_revision(latest) > op_revision(invoked[i]))
			violation("line %d: revision %lld, after revision %lld had been answered (line %d)",
					  invoked[i]->line, (long long) op_revision(invoked[i]),
					  (long long) op_revision(latest), latest->line);
	}
	free(invoked);
	free(returned);
}

/*
 * What a member tells must hold every acknowledged write, and not more
 * deletes than were called nor fewer than were acknowledged.
 */
static void
check_member_complete(int member)
{
	bool	   *told = calloc(history.value_names.nnames, sizeof(bool));
	int		   *deletes = calloc(history.keys.nnames + 1, sizeof(int));
	int		   *certain = calloc(history.keys.nnames + 1, sizeof(int));
	int		   *possible = calloc(history.keys.nnames + 1, sizeof(int));
	const char *name = history.members.names[member];
	int64_t		previous = 0;
	int			i;

	for (i = 0; i < history.nchanges; i++)
	{
		const Change *change = &history.changes[i];

		if (change->member != member)
			continue;
		if (change->revision < previous)
			violation("line %d: member %s tells revision %lld after %lld", change->line,
					  name, (long long) change->revision, (long long) previous);
		previous = change->revision;
		if (change->is_delete)
			deletes[change->key]++;
		else if (told[change->value])
			violation("line %d: member %s has value %s twice", change->line, name,
					  history_value(&history, change->value));
		else
			told[change->value] = true;
	}
	for (i = 0; i < history.nops; i++)
	{
		const Op   *op = &history.ops[i];

		if (op->kind == OP_DELETE && op->outcome == OUTCOME_UNKNOWN)
			possible[op->key]++;
		if (op->outcome != OUTCOME_OK)
			continue;
		if (op->kind == OP_DELETE)
			certain[op->key] += op->result;
		else if ((op->kind == OP_PUT || (op->kind == OP_CAS && op->result)) &&
				 !told[op->value])
			violation("line %d: member %s lost acknowledged value %s of key %s",
					  op->line, name, history_value(&history, op->value),
					  history.keys.names[op->key]);
	}
	for (i = 0; i < history.keys.nnames; i++)
		if (deletes[i] < certain[i] || deletes[i] > certain[i] + possible[i])
			violation("member %s tells %d deletes of key %s; %d were acknowledged and %d are uncertain",
					  name, deletes[i], history.keys.names[i], certain[i], possible[i]);
	free(told);
	free(deletes);
	free(certain);
	free(possible);
}

/* Two complete members tell the same changes in the same order. */
static void
check_members_equal(int left, int right)
{
	int			i = 0;
	int			j = 0;

	for (;;)
	{
		const Change *a;
		const Change *b;

		while (i < history.nchanges && history.changes[i].member != left)
			i++;
		while (j < history.nchanges && history.changes[j].member != right)
			j++;
		if (i == history.nchanges && j == history.nchanges)
			return;
		if (i == history.nchanges || j == history.nchanges)
		{
			violation("members %s and %s do not tell equally many changes",
					  history.members.names[left], history.members.names[right]);
			return;
		}
		a = &history.changes[i++];
		b = &history.changes[j++];
		if (a->key != b->key || a->is_delete != b->is_delete ||
			a->value != b->value || a->revision != b->revision)
		{
			violation("lines %d and %d: members %s and %s differ", a->line, b->line,
					  history.members.names[left], history.members.names[right]);
			return;
		}
	}
}

static void
check_members(int wanted)
{
	int			complete = 0;
	int			first = -1;
	int			i;

	for (i = 0; i < history.members.nnames; i++)
	{
		if (!history.complete[i])
			continue;
		complete++;
		check_member_complete(i);
		if (first < 0)
			first = i;
		else
			check_members_equal(first, i);
	}
	if (complete < wanted)
		violation("only %d of %d members have told all their changes", complete, wanted);
}

static void
report_blocked(const Op *ops, int nops, const SearchResult *result)
{
	const Op   *blocked = &ops[result->blocked];
	int			i;

	violation("key %s is not linearizable", history.keys.names[blocked->key]);
	if (violations > MAX_REPORTED)
		return;
	printf("  no order explains this call, the state being %s:\n",
		   result->state == VALUE_NONE ? "(a write of unknown outcome)" :
		   history_value(&history, result->state));
	history_print_op(&history, blocked, stdout);
	printf("  among these:\n");
	for (i = 0; i < nops; i++)
		if (i != result->blocked && ops[i].outcome != OUTCOME_FAIL &&
			ops[i].invoked <= blocked->returned &&
			(ops[i].returned == TIME_NEVER || ops[i].returned >= blocked->invoked - 50000000))
			history_print_op(&history, &ops[i], stdout);
}

static int
by_key_and_invoked(const void *a, const void *b)
{
	const Op   *left = a;
	const Op   *right = b;

	if (left->key != right->key)
		return left->key < right->key ? -1 : 1;
	return (left->invoked > right->invoked) - (left->invoked < right->invoked);
}

/* Returns the number of keys that could not be decided. */
static int
check_linearizable(uint64_t max_visited)
{
	Op		   *sorted = malloc((history.nops + 1) * sizeof(Op));
	int			undecided = 0;
	int			from;
	int			to;

	memcpy(sorted, history.ops, history.nops * sizeof(Op));
	qsort(sorted, history.nops, sizeof(Op), by_key_and_invoked);
	for (from = 0; from < history.nops; from = to)
	{
		SearchResult result;

		for (to = from; to < history.nops && sorted[to].key == sorted[from].key; to++)
			;
		result = search_key(sorted + from, to - from, history.values, max_visited);
		if (result.verdict == VERDICT_VIOLATION)
			report_blocked(sorted + from, to - from, &result);
		else if (result.verdict == VERDICT_UNDECIDED)
		{
			undecided++;
			printf("undecided: key %s with %d calls\n",
				   history.keys.names[sorted[from].key], to - from);
		}
	}
	free(sorted);
	return undecided;
}

static void
print_summary(void)
{
	int			count[3] = {0, 0, 0};
	int			i;

	for (i = 0; i < history.nops; i++)
		count[history.ops[i].outcome]++;
	printf("%d calls on %d keys: %d answered, %d failed, %d of unknown outcome; %d changes told\n",
		   history.nops, history.keys.nnames, count[OUTCOME_OK], count[OUTCOME_FAIL],
		   count[OUTCOME_UNKNOWN], history.nchanges);
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{"max-visited", required_argument, NULL, 'v'},
		{"complete", required_argument, NULL, 'c'},
		{NULL, 0, NULL, 0}
	};
	uint64_t	max_visited = 3000000;
	int			complete = 0;
	int			undecided;
	int			c;
	FILE	   *file;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
	{
		if (c == 'v')
			max_visited = strtoull(optarg, NULL, 10);
		else if (c == 'c')
			complete = atoi(optarg);
		else
			return 2;
	}
	if (optind != argc - 1)
	{
		fprintf(stderr, "usage: linearize [--max-visited N] [--complete N] FILE\n");
		return 2;
	}
	file = strcmp(argv[optind], "-") == 0 ? stdin : fopen(argv[optind], "r");
	if (file == NULL)
	{
		perror(argv[optind]);
		return 2;
	}
	history_read(&history, file, argv[optind]);
	check_values();
	check_revisions();
	check_members(complete);
	undecided = check_linearizable(max_visited);
	print_summary();
	if (violations > 0)
		printf("%d violations\n", violations);
	return violations > 0 ? 1 : undecided > 0 ? 3 : 0;
}
