/*-------------------------------------------------------------------------
 *
 * history.h
 *	  The record of a load: what was called, when, and what came back.
 *
 * A history is a text file of lines with fields separated by tabs, and "-"
 * for an absent value:
 *
 *	O client member kind key invoked returned outcome value expect result revision
 *		one call.  kind: put, get, cas, delete.  invoked and returned are
 *		nanoseconds of one monotonic clock.  outcome: ok, fail (certainly
 *		without effect) or unknown.  value: what was to be written; every
 *		call writes another one.  expect: for cas, the value that must be
 *		there ("-": the key must be absent).  result: for get the value read,
 *		for cas t or f, for delete the number of keys.  revision: of a put
 *		its own, of a get the mod_revision of what it read, else 0.
 *	H member key type value revision
 *		one change, PUT or DELETE, as a member tells it afterwards.
 *	E member
 *		the end of that member's changes: they are complete.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/history.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HISTORY_H
#define HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The state of a key is the number of its value; this one is no value. */
#define VALUE_ABSENT	0
#define VALUE_NONE		(-1)

#define TIME_NEVER		INT64_MAX

typedef enum OpKind
{
	OP_PUT,
	OP_GET,
	OP_CAS,
	OP_DELETE
} OpKind;

typedef enum Outcome
{
	OUTCOME_OK,
	OUTCOME_FAIL,
	OUTCOME_UNKNOWN
} Outcome;

typedef struct Op
{
	OpKind		kind;
	Outcome		outcome;
	int			client;
	int			key;			/* index into History.keys */
	int64_t		invoked;
	int64_t		returned;		/* TIME_NEVER if the outcome is unknown */
	int			value;			/* written, or VALUE_NONE */
	int			expect;			/* of cas: value or VALUE_ABSENT */
	int			result;			/* get: value read; cas: 0 or 1; delete: count */
	int64_t		revision;		/* 0 if not known */
	int			line;			/* where in the file */
} Op;

/* A change as a member tells it. */
typedef struct Change
{
	int			member;
	int			key;
	bool		is_delete;
	int			value;
	int64_t		revision;
	int			line;
} Change;

/* A value, by the one call that wrote it. */
typedef struct Value
{
	char	   *text;
	int			writer;			/* index into History.ops, or -1 */
	int64_t		revision;		/* as told by any call, 0 if by none */
} Value;

typedef struct StringTable
{
	char	  **names;
	int			nnames;
	int			size;
	int		   *slots;			/* open hash of indexes + 1 */
	int			nslots;
} StringTable;

typedef struct History
{
	Op		   *ops;
	int			nops;
	Change	   *changes;
	int			nchanges;
	StringTable keys;
	StringTable members;
	StringTable value_names;
	Value	   *values;			/* by value number; [0] is the absent one */
	bool	   *complete;		/* by member: its changes are all there */
} History;

extern void history_read(History *history, FILE *file, const char *name);
extern const char *history_value(const History *history, int value);
extern void history_print_op(const History *history, const Op *op, FILE *out);

typedef enum Verdict
{
	VERDICT_LINEARIZABLE,
	VERDICT_VIOLATION,
	VERDICT_UNDECIDED
} Verdict;

typedef struct SearchResult
{
	Verdict		verdict;
	int			blocked;		/* index into the given ops, or -1 */
	int			state;			/* of the key where the search got stuck */
	uint64_t	visited;
} SearchResult;

extern SearchResult search_key(const Op *ops, int nops, const Value *values,
							   uint64_t max_visited);

#endif							/* HISTORY_H */
