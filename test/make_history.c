/*-------------------------------------------------------------------------
 *
 * make_history.c
 *	  Makes up histories to test the checker of histories with.
 *
 *	make_history SEED [FAULT]
 *
 * Clients call a perfect store of a few keys at once; each call takes effect
 * at one random moment between its invocation and its return, or, when its
 * answer is lost, at any later moment or never.  So the history is right by
 * construction.  FAULT then spoils it in one place: stale (a read of a value
 * certainly overwritten), lost (an acknowledged write that later reads do not
 * see), twice (a write that takes effect twice), failed (a failed write that
 * is seen), cas (a swap that should have been refused), order (revisions that
 * run against time), told (a member that lost a change).
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/make_history.c
 *
 *-------------------------------------------------------------------------
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NCLIENTS	8
#define NKEYS		3
#define NOPS		1200
#define NMEMBERS	3

enum
{
	PUT, GET, CAS, DELETE
};

typedef struct Call
{
	int			client;
	int			key;
	int			kind;
	int			value;			/* number of the value written */
	int			expect;			/* number of the value expected, 0 absent */
	long		invoked;
	long		effect;			/* -1: none */
	long		returned;
	bool		unknown;
	bool		failed;
	int			result;
	long		revision;
} Call;

typedef struct Change
{
	int			key;
	int			value;			/* 0: a delete */
	long		revision;
} Change;

static Call calls[NOPS];
static Change changes[2 * NOPS];
static int	nchanges;
static int	current[NKEYS];
static long current_revision[NKEYS];
static int	seen[NCLIENTS][NKEYS];
static uint64_t random_state;

static uint64_t
random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static long
random_below(long n)
{
	return (long) (random_next() % (uint64_t) n);
}

static int
by_effect(const void *a, const void *b)
{
	const Call *left = *(Call *const *) a;
	const Call *right = *(Call *const *) b;

	return (left->effect > right->effect) - (left->effect < right->effect);
}

static void
plan(void)
{
	long		clock[NCLIENTS] = {0};
	int			i;

	for (i = 0; i < NOPS; i++)
	{
		Call	   *call = &calls[i];
		long		took = 10 + random_below(200);

		call->client = i % NCLIENTS;
		call->key = (int) random_below(NKEYS);
		call->kind = (int) random_below(4);
		call->value = i + 1;
		call->invoked = clock[call->client] + random_below(100) + 1;
		call->returned = call->invoked + took;
		call->effect = call->invoked + random_below(took);
		clock[call->client] = call->returned;
		if (random_below(100) < 4)
		{
			call->unknown = true;
			call->effect = random_below(2) == 0 ? -1 : call->invoked + random_below(5000);
		}
		else if (random_below(100) < 3)
		{
			call->failed = true;
			call->effect = -1;
		}
	}
}

static void
write_value(Call *call, int value, long *revision)
{
	current[call->key] = value;
	current_revision[call->key] = ++*revision;
	call->revision = *revision;
	changes[nchanges].key = call->key;
	changes[nchanges].value = value;
	changes[nchanges++].revision = *revision;
}

/* Let the calls take effect in their order. */
static void
perform(void)
{
	Call	   *order[NOPS];
	long		revision = 1;
	int			i;

	for (i = 0; i < NOPS; i++)
		order[i] = &calls[i];
	qsort(order, NOPS, sizeof(Call *), by_effect);
	for (i = 0; i < NOPS; i++)
	{
		Call	   *call = order[i];
		int		   *state = &current[call->key];

		/* What a client expects is what it read last. */
		if (call->kind == CAS)
			call->expect = random_below(3) == 0 ? 0 : seen[call->client][call->key];
		if (call->effect < 0)
			continue;
		switch (call->kind)
		{
			case PUT:
				write_value(call, call->value, &revision);
				break;
			case GET:
				call->result = *state;
				call->revision = *state ? current_revision[call->key] : 0;
				seen[call->client][call->key] = *state;
				break;
			case CAS:
				call->result = call->expect == *state;
				if (call->result)
					write_value(call, call->value, &revision);
				call->revision = 0;
				break;
			case DELETE:
				call->result = *state != 0;
				if (call->result)
					write_value(call, 0, &revision);
				call->revision = 0;
				break;
		}
	}
}

static Call *
find_read(int from, int key, bool present)
{
	int			i;

	for (i = from; i < NOPS; i++)
		if (calls[i].kind == GET && calls[i].key == key && !calls[i].unknown &&
			!calls[i].failed && (calls[i].result != 0) == present)
			return &calls[i];
	fprintf(stderr, "no such read\n");
	exit(2);
}

static Call *
find_acknowledged_put(int from)
{
	int			i;

	for (i = from; i < NOPS; i++)
		if (calls[i].kind == PUT && !calls[i].unknown && !calls[i].failed)
			return &calls[i];
	fprintf(stderr, "no such put\n");
	exit(2);
}

/* Spoil one answer, so that the history cannot be right any more. */
static void
spoil(const char *fault)
{
	int			start = NOPS / 4 + (int) random_below(NOPS / 4);
	Call	   *put = find_acknowledged_put(start);
	Call	   *other;
	int			i;

	if (strcmp(fault, "stale") == 0)
	{
		/* A read much later sees a value that was overwritten long before. */
		Call	   *second = find_acknowledged_put((int) (put - calls) + 1);

		while (second->key != put->key || second->invoked <= put->returned)
			second = find_acknowledged_put((int) (second - calls) + 1);
		other = find_read(NOPS * 7 / 8, put->key, true);
		other->result = put->value;
		other->revision = put->revision;
	}
	else if (strcmp(fault, "lost") == 0)
	{
		/* Sole writer of a key, then a read that finds nothing. */
		int			key = put->key;

		for (i = 0; i < NOPS; i++)
			if (calls[i].key == key && calls[i].kind == DELETE)
				calls[i].failed = true, calls[i].unknown = false;
		for (i = 0; i < nchanges; i++)
			if (changes[i].key == key && changes[i].value == 0)
				changes[i].key = -1;
		find_read(NOPS * 7 / 8, key, true)->result = 0;
	}
	else if (strcmp(fault, "twice") == 0)
	{
		other = find_read(NOPS * 7 / 8, put->key, true);
		other->result = put->value;
		other->revision += 1000000;
	}
	else if (strcmp(fault, "failed") == 0)
	{
		for (i = 0; i < NOPS; i++)
			if (calls[i].kind == PUT && calls[i].failed)
				break;
		if (i == NOPS)
			exit(2);
		other = find_read(i + NCLIENTS, calls[i].key, true);
		other->result = calls[i].value;
	}
	else if (strcmp(fault, "cas") == 0)
	{
		/* Expecting a value that is long gone, and yet it was written. */
		for (i = NOPS / 2; i < NOPS; i++)
			if (calls[i].kind == CAS && !calls[i].unknown && !calls[i].failed &&
				!calls[i].result && calls[i].key == put->key)
				break;
		if (i == NOPS)
			exit(2);
		calls[i].expect = put->value;
		calls[i].result = 1;
	}
	else if (strcmp(fault, "order") == 0)
	{
		Call	   *second = find_acknowledged_put((int) (put - calls) + 1);
		long		revision = put->revision;

		while (second->invoked <= put->returned)
			second = find_acknowledged_put((int) (second - calls) + 1);
		put->revision = second->revision;
		second->revision = revision;
	}
	else if (strcmp(fault, "told") == 0)
	{
		for (i = 0; i < nchanges; i++)
			if (changes[i].value == put->value)
				changes[i].key = -1;
	}
	else
	{
		fprintf(stderr, "no such fault\n");
		exit(2);
	}
}

static void
print_value(int value)
{
	if (value == 0)
		printf("-");
	else
		printf("v%d", value);
}

static void
print_call(const Call *call)
{
	static const char *const kinds[] = {"put", "get", "cas", "delete"};

	printf("O\t%d\tn%d\t%s\tk%d\t%ld\t%ld\t%s\t", call->client,
		   call->client % NMEMBERS + 1, kinds[call->kind], call->key, call->invoked,
		   call->returned, call->unknown ? "unknown" : call->failed ? "fail" : "ok");
	print_value(call->kind == PUT || call->kind == CAS ? call->value : 0);
	printf("\t");
	print_value(call->kind == CAS ? call->expect : 0);
	printf("\t");
	if (call->unknown || call->failed || call->kind == PUT)
		printf("-");
	else if (call->kind == GET)
		print_value(call->result);
	else if (call->kind == CAS)
		printf("%c", call->result ? 't' : 'f');
	else
		printf("%d", call->result);
	printf("\t%ld\n", call->unknown || call->failed ? 0 : call->revision);
}

int
main(int argc, char **argv)
{
	int			member;
	int			i;

	if (argc < 2 || argc > 3)
	{
		fprintf(stderr, "usage: make_history SEED [FAULT]\n");
		return 2;
	}
	random_state = UINT64_C(0x9e3779b97f4a7c15) * (strtoull(argv[1], NULL, 10) + 1);
	plan();
	perform();
	if (argc == 3)
		spoil(argv[2]);
	for (i = 0; i < NOPS; i++)
		print_call(&calls[i]);

	/* The search must do without this help in half of the cases. */
	if (strtoull(argv[1], NULL, 10) % 2 == 0 ||
		(argc == 3 && strcmp(argv[2], "told") == 0))
	{
		for (member = 1; member <= NMEMBERS; member++)
		{
			for (i = 0; i < nchanges; i++)
			{
				if (changes[i].key < 0)
					continue;
				printf("H\tn%d\tk%d\t%s\t", member, changes[i].key,
					   changes[i].value ? "PUT" : "DELETE");
				print_value(changes[i].value);
				printf("\t%ld\n", changes[i].revision);
			}
			printf("E\tn%d\n", member);
		}
	}
	return 0;
}
