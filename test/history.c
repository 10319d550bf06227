/*-------------------------------------------------------------------------
 *
 * history.c
 *	  Reads a recorded history into memory.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/history.c
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "history.h"

#define MAX_FIELDS	12

static const char *file_name;
static int	line_number;

static void
malformed(const char *why)
{
	fprintf(stderr, "%s:%d: malformed history: %s\n", file_name, line_number, why);
	exit(2);
}

static void *
grow(void *array, int used, int *size, size_t width)
{
	if (used < *size)
		return array;
	*size = *size ? *size * 2 : 1024;
	array = realloc(array, *size * width);
	if (array == NULL)
	{
		fprintf(stderr, "out of memory\n");
		exit(2);
	}
	return array;
}

static uint32_t
hash_string(const char *s)
{
	uint32_t	h = 2166136261u;

	for (; *s; s++)
		h = (h ^ (unsigned char) *s) * 16777619u;
	return h;
}

static void
rehash(StringTable *table)
{
	int			i;

	free(table->slots);
	table->nslots = table->nslots ? table->nslots * 2 : 1024;
	table->slots = calloc(table->nslots, sizeof(int));
	if (table->slots == NULL)
	{
		fprintf(stderr, "out of memory\n");
		exit(2);
	}
	for (i = 0; i < table->nnames; i++)
	{
		uint32_t	slot = hash_string(table->names[i]) & (table->nslots - 1);

		while (table->slots[slot] != 0)
			slot = (slot + 1) & (table->nslots - 1);
		table->slots[slot] = i + 1;
	}
}

/* The number of a name, new ones counting up from zero. */
static int
intern(StringTable *table, const char *name)
{
	uint32_t	slot;

	if (table->nnames * 2 >= table->nslots)
		rehash(table);
	slot = hash_string(name) & (table->nslots - 1);
	while (table->slots[slot] != 0)
	{
		int			found = table->slots[slot] - 1;

		if (strcmp(table->names[found], name) == 0)
			return found;
		slot = (slot + 1) & (table->nslots - 1);
	}
	table->names = grow(table->names, table->nnames, &table->size, sizeof(char *));
	table->names[table->nnames] = strdup(name);
	table->slots[slot] = table->nnames + 1;
	return table->nnames++;
}

static int64_t
parse_int(const char *field)
{
	char	   *end;
	long long	result;

	errno = 0;
	result = strtoll(field, &end, 10);
	if (*field == '\0' || *end != '\0' || errno != 0)
		malformed("a number was expected");
	return result;
}

static OpKind
parse_kind(const char *field)
{
	static const char *const names[] = {"put", "get", "cas", "delete"};
	int			i;

	for (i = 0; i < 4; i++)
		if (strcmp(field, names[i]) == 0)
			return (OpKind) i;
	malformed("no such kind of call");
	return OP_PUT;
}

static Outcome
parse_outcome(const char *field)
{
	static const char *const names[] = {"ok", "fail", "unknown"};
	int			i;

	for (i = 0; i < 3; i++)
		if (strcmp(field, names[i]) == 0)
			return (Outcome) i;
	malformed("no such outcome");
	return OUTCOME_OK;
}

static void
parse_op(History *history, char **field, Op *op)
{
	StringTable *names = &history->value_names;

	op->line = line_number;
	op->client = (int) parse_int(field[1]);
	intern(&history->members, field[2]);
	op->kind = parse_kind(field[3]);
	op->key = intern(&history->keys, field[4]);
	op->invoked = parse_int(field[5]);
	op->returned = parse_int(field[6]);
	op->outcome = parse_outcome(field[7]);
	op->value = VALUE_NONE;
	op->expect = VALUE_NONE;
	op->result = VALUE_NONE;
	op->revision = parse_int(field[11]);
	if (op->returned < op->invoked)
		malformed("a call returned before it was made");
	if (op->kind == OP_PUT || op->kind == OP_CAS)
	{
		op->value = intern(names, field[8]);
		if (op->value == VALUE_ABSENT)
			malformed("a write needs a value");
	}
	if (op->kind == OP_CAS)
		op->expect = intern(names, field[9]);
	if (op->outcome == OUTCOME_UNKNOWN)
	{
		op->returned = TIME_NEVER;
		return;
	}
	if (op->outcome == OUTCOME_FAIL)
		return;
	if (op->kind == OP_GET)
		op->result = intern(names, field[10]);
	else if (op->kind == OP_DELETE)
		op->result = (int) parse_int(field[10]);
	else if (op->kind == OP_CAS)
		op->result = strcmp(field[10], "t") == 0;
}

static void
parse_change(History *history, char **field, Change *change)
{
	change->line = line_number;
	change->member = intern(&history->members, field[1]);
	change->key = intern(&history->keys, field[2]);
	change->is_delete = strcmp(field[3], "DELETE") == 0;
	if (!change->is_delete && strcmp(field[3], "PUT") != 0)
		malformed("no such kind of change");
	change->value = change->is_delete ? VALUE_ABSENT :
		intern(&history->value_names, field[4]);
	change->revision = parse_int(field[5]);
}

/* Link every value with its one writer. */
static void
index_values(History *history)
{
	int			i;

	history->values = calloc(history->value_names.nnames, sizeof(Value));
	for (i = 0; i < history->value_names.nnames; i++)
	{
		history->values[i].text = history->value_names.names[i];
		history->values[i].writer = -1;
	}
	for (i = 0; i < history->nops; i++)
	{
		Value	   *value;

		if (history->ops[i].value == VALUE_NONE)
			continue;
		value = &history->values[history->ops[i].value];
		if (value->writer >= 0)
		{
			line_number = history->ops[i].line;
			malformed("two calls write the same value");
		}
		value->writer = i;
	}
}

/*
 * Read a whole file.  Ends the program with status 2 if it is not a history:
 * a record that cannot be read proves nothing.
 */
void
history_read(History *history, FILE *file, const char *name)
{
	char	   *line = NULL;
	size_t		room = 0;
	ssize_t		len;
	int			ops_size = 0;
	int			changes_size = 0;
	int			complete_size = 0;

	memset(history, 0, sizeof(*history));
	file_name = name;
	line_number = 0;
	intern(&history->value_names, "-");

	while ((len = getline(&line, &room, file)) > 0)
	{
		char	   *field[MAX_FIELDS] = {NULL};
		int			nfields = 0;
		char	   *cursor = line;

		line_number++;
		if (line[len - 1] != '\n')
			malformed("the last line is cut off");
		line[len - 1] = '\0';
		if (line[0] == '\0' || line[0] == '#')
			continue;
		do
			field[nfields++] = strsep(&cursor, "\t");
		while (cursor != NULL && nfields < MAX_FIELDS);

		if (strcmp(field[0], "O") == 0 && nfields == 12)
		{
			history->ops = grow(history->ops, history->nops, &ops_size, sizeof(Op));
			parse_op(history, field, &history->ops[history->nops++]);
		}
		else if (strcmp(field[0], "H") == 0 && nfields == 6)
		{
			history->changes = grow(history->changes, history->nchanges,
									&changes_size, sizeof(Change));
			parse_change(history, field, &history->changes[history->nchanges++]);
		}
		else if (strcmp(field[0], "E") == 0 && nfields == 2)
		{
			int			member = intern(&history->members, field[1]);

			while (member >= complete_size)
			{
				int			old = complete_size;

				history->complete = grow(history->complete, complete_size,
										 &complete_size, sizeof(bool));
				memset(history->complete + old, 0, complete_size - old);
			}
			history->complete[member] = true;
		}
		else
			malformed("no such line");
	}
	free(line);

	/* Members met after the last E line need a mark too. */
	while (history->members.nnames > complete_size)
	{
		int			old = complete_size;

		history->complete = grow(history->complete, complete_size,
								 &complete_size, sizeof(bool));
		memset(history->complete + old, 0, complete_size - old);
	}
	index_values(history);
}

const char *
history_value(const History *history, int value)
{
	return value == VALUE_NONE ? "" :
		value == VALUE_ABSENT ? "(absent)" : history->values[value].text;
}

void
history_print_op(const History *history, const Op *op, FILE *out)
{
	static const char *const kinds[] = {"put", "get", "cas", "delete"};
	static const char *const outcomes[] = {"ok", "fail", "unknown"};

	fprintf(out, "  line %d: client %d %s %s", op->line, op->client,
			kinds[op->kind], history->keys.names[op->key]);
	if (op->kind == OP_PUT || op->kind == OP_CAS)
		fprintf(out, " value %s", history_value(history, op->value));
	if (op->kind == OP_CAS)
		fprintf(out, " expecting %s", history_value(history, op->expect));
	fprintf(out, " at %lld", (long long) op->invoked);
	if (op->returned != TIME_NEVER)
		fprintf(out, "..%lld", (long long) op->returned);
	fprintf(out, ": %s", outcomes[op->outcome]);
	if (op->outcome == OUTCOME_OK && op->kind == OP_GET)
		fprintf(out, " %s", history_value(history, op->result));
	else if (op->outcome == OUTCOME_OK && op->kind == OP_CAS)
		fprintf(out, " %s", op->result ? "written" : "not written");
	else if (op->outcome == OUTCOME_OK && op->kind == OP_DELETE)
		fprintf(out, " %d deleted", op->result);
	if (op->revision != 0)
		fprintf(out, " revision %lld", (long long) op->revision);
	fprintf(out, "\n");
}
