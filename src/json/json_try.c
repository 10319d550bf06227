/*-------------------------------------------------------------------------
 *
 * json_try.c
 *	  jsonb of bytes that may be anything, without errors.
 *
 * A view over foreign data must not fail because one value in it looks like
 * JSON and is not.  PostgreSQL 15 has no input functions that report errors
 * softly, and catching an ERROR would need a subtransaction for each value,
 * so everything that jsonb's input could refuse is found out before: the
 * grammar and the escapes by the parser itself, which returns a code; the depth
 * (the parser recurses) and the range of numbers here.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/json/json_try.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/jsonapi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "pbjson.h"
#include "../compat.h"

/*
 * Deepest nesting tried.  jsonb itself stops at max_stack_depth; this stays
 * below it at the smallest setting that is usual.
 */
#define MAX_NESTING		500

/* numeric holds this many digits before and after the decimal point */
#define NUMERIC_MAX_INTEGRAL	131072
#define NUMERIC_MAX_FRACTIONAL	16383

/*
 * A limit on nesting that errs on the safe side: brackets inside strings
 * are not counted, those outside are, matched or not.
 */
static bool
nested_too_deep(const char *text, size_t len)
{
	int			depth = 0;
	bool		quoted = false;
	size_t		i;

	for (i = 0; i < len; i++)
	{
		char		c = text[i];

		if (quoted)
		{
			if (c == '\\')
				i++;
			else if (c == '"')
				quoted = false;
		}
		else if (c == '"')
			quoted = true;
		else if (c == '[' || c == '{')
		{
			if (++depth > MAX_NESTING)
				return true;
		}
		else if (c == ']' || c == '}')
			depth--;
	}
	return false;
}

/* Does numeric hold this JSON number? */
static bool
number_fits(const char *token)
{
	int64		integral = 0;
	int64		fractional = 0;
	int64		exponent = 0;
	bool		negative = false;

	if (*token == '-')
		token++;
	for (; *token >= '0' && *token <= '9'; token++)
		integral++;
	if (*token == '.')
	{
		for (token++; *token >= '0' && *token <= '9'; token++)
			fractional++;
	}
	if (*token == 'e' || *token == 'E')
	{
		token++;
		if (*token == '+' || *token == '-')
			negative = *token++ == '-';
		for (; *token >= '0' && *token <= '9'; token++)
		{
			exponent = exponent * 10 + (*token - '0');
			if (exponent > NUMERIC_MAX_INTEGRAL)
				return false;
		}
	}
	if (negative)
		exponent = -exponent;
	return integral + exponent <= NUMERIC_MAX_INTEGRAL &&
		fractional - exponent <= NUMERIC_MAX_FRACTIONAL;
}

static PgqJsonAction
check_scalar(void *state, char *token, JsonTokenType type)
{
	bool	   *fits = state;

	if (type == JSON_TOKEN_NUMBER && !number_fits(token))
		*fits = false;
	PGQ_JSON_ACTION_DONE;
}

Jsonb *
json_try_parse(const char *text, size_t len)
{
	bool		fits = true;
	JsonSemAction actions = {0};
	JsonLexContext *lex;
	JsonParseErrorType result;
	char	   *copy;
	Jsonb	   *json;

	if (len == 0 || !pbjson_is_text(text, len) || nested_too_deep(text, len))
		return NULL;

	copy = pnstrdup(text, len);
	actions.semstate = &fits;
	actions.scalar = check_scalar;
#if PG_VERSION_NUM >= 170000
	lex = makeJsonLexContextCstringLen(NULL, copy, len, GetDatabaseEncoding(), true);
#else
	lex = makeJsonLexContextCstringLen(copy, (int) len, GetDatabaseEncoding(), true);
#endif
	result = pg_parse_json(lex, &actions);
	if (result != JSON_SUCCESS || !fits)
	{
		pfree(copy);
		return NULL;
	}
	json = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(copy)));
	pfree(copy);
	return json;
}
