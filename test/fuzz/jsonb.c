/*-------------------------------------------------------------------------
 *
 * jsonb.c
 *	  jsonb for the fuzz targets: PostgreSQL's own parser, and a tree instead of jsonb's bytes.
 *
 * Whoever goes by jsonb's functions and macros finds the same as in a server: keys in jsonb's
 * order, the last of those that are equal, a scalar in an array of its own.  Strings
 * are chunks of exactly their length, as jsonb ends none with a NUL byte.
 *
 * The parser in the library for programs does not guard its stack as a server's does, so the
 * actions do, which it calls at each level.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/fuzz/jsonb.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/jsonapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "fuzz.h"
#include "compat.h"

/* An array or an object that is being read; an object's values are key, value, key, value */
typedef struct Level
{
	struct Level *outer;
	uint32		nvalues;
	uint32		room;
	JsonbValue *values;
} Level;

typedef struct Reader
{
	Level	   *level;
	JsonbContainer *root;
} Reader;

/* The values are in place of the children, where JsonbValue may be */
static JsonbValue *
values_of(JsonbContainer *container)
{
	return (JsonbValue *) MAXALIGN(container->children);
}

static JsonbContainer *
make_container(uint32 flags, const JsonbValue *values, uint32 n)
{
	Jsonb	   *json = palloc(MAXALIGN(sizeof(Jsonb)) + n * sizeof(JsonbValue));

	json->root.header = flags | ((flags & JB_FOBJECT) != 0 ? n / 2 : n);
	if (n > 0)
		memcpy(values_of(&json->root), values, n * sizeof(JsonbValue));
	return &json->root;
}

/* ---------- reading ---------- */

static void
begin_level(Reader *reader)
{
	Level	   *level = palloc0(sizeof(Level));

	check_stack_depth();
	level->room = 4;
	level->values = palloc(level->room * sizeof(JsonbValue));
	level->outer = reader->level;
	reader->level = level;
}

static void
add_value(Reader *reader, const JsonbValue *value)
{
	Level	   *level = reader->level;

	if (level == NULL)
	{
		reader->root = value->type == jbvBinary ? value->val.binary.data :
			make_container(JB_FARRAY | JB_FSCALAR, value, 1);
		return;
	}
	if (level->nvalues == level->room)
	{
		level->room *= 2;
		level->values = repalloc(level->values, level->room * sizeof(JsonbValue));
	}
	level->values[level->nvalues++] = *value;
}

/* jsonb's order of keys; of equal ones the last comes first, and is the one that stays */
static int
compare_pairs(const void *left, const void *right)
{
	const JsonbPair *a = left;
	const JsonbPair *b = right;
	int			result = a->key.val.string.len - b->key.val.string.len;

	if (result == 0)
		result = memcmp(a->key.val.string.val, b->key.val.string.val, a->key.val.string.len);
	if (result == 0)
		result = a->order > b->order ? -1 : 1;
	return result;
}

static bool
same_key(const JsonbValue *a, const JsonbValue *b)
{
	return a->val.string.len == b->val.string.len &&
		memcmp(a->val.string.val, b->val.string.val, a->val.string.len) == 0;
}

static void
sort_object(Level *level)
{
	uint32		npairs = level->nvalues / 2;
	JsonbPair  *pairs = palloc(npairs * sizeof(JsonbPair));
	uint32		i;

	for (i = 0; i < npairs; i++)
		pairs[i] = (JsonbPair) {level->values[2 * i], level->values[2 * i + 1], i};
	qsort(pairs, npairs, sizeof(JsonbPair), compare_pairs);
	level->nvalues = 0;
	for (i = 0; i < npairs; i++)
	{
		if (i > 0 && same_key(&pairs[i].key, &pairs[i - 1].key))
			continue;
		level->values[level->nvalues++] = pairs[i].key;
		level->values[level->nvalues++] = pairs[i].value;
	}
	pfree(pairs);
}

static void
end_level(Reader *reader, uint32 flags)
{
	Level	   *level = reader->level;
	JsonbValue	value = {.type = jbvBinary};

	if (flags == JB_FOBJECT)
		sort_object(level);
	value.val.binary.data = make_container(flags, level->values, level->nvalues);
	reader->level = level->outer;
	pfree(level->values);
	pfree(level);
	add_value(reader, &value);
}

static void
add_string(Reader *reader, const char *text)
{
	JsonbValue	value = {.type = jbvString};

	value.val.string.len = (int) strlen(text);
	value.val.string.val = palloc(value.val.string.len);
	memcpy(value.val.string.val, text, value.val.string.len);
	add_value(reader, &value);
}

static PgqJsonAction
on_level_start(void *state)
{
	begin_level(state);
	PGQ_JSON_ACTION_DONE;
}

static PgqJsonAction
on_object_end(void *state)
{
	end_level(state, JB_FOBJECT);
	PGQ_JSON_ACTION_DONE;
}

static PgqJsonAction
on_array_end(void *state)
{
	end_level(state, JB_FARRAY);
	PGQ_JSON_ACTION_DONE;
}

static PgqJsonAction
on_field(void *state, char *name, bool isnull)
{
	add_string(state, name);
	pfree(name);
	PGQ_JSON_ACTION_DONE;
}

static PgqJsonAction
on_scalar(void *state, char *token, JsonTokenType type)
{
	JsonbValue	value = {.type = jbvNull};

	switch (type)
	{
		case JSON_TOKEN_STRING:
			add_string(state, token);
			pfree(token);
			PGQ_JSON_ACTION_DONE;
		case JSON_TOKEN_NUMBER:
			value.type = jbvNumeric;
			value.val.numeric = fuzz_numeric(token);
			break;
		case JSON_TOKEN_TRUE:
		case JSON_TOKEN_FALSE:
			value.type = jbvBool;
			value.val.boolean = type == JSON_TOKEN_TRUE;
			break;
		default:
			break;
	}
	add_value(state, &value);
	pfree(token);
	PGQ_JSON_ACTION_DONE;
}

Datum
jsonb_in(PG_FUNCTION_ARGS)
{
	char	   *text = PG_GETARG_CSTRING(0);
	Reader		reader = {NULL, NULL};
	JsonSemAction actions = {0};
	JsonLexContext *lex;
	JsonParseErrorType result;

	actions.semstate = &reader;
	actions.object_start = actions.array_start = on_level_start;
	actions.object_end = on_object_end;
	actions.array_end = on_array_end;
	actions.object_field_start = on_field;
	actions.scalar = on_scalar;
#if PG_VERSION_NUM >= 170000
	lex = makeJsonLexContextCstringLen(NULL, text, strlen(text), PG_UTF8, true);
#else
	lex = makeJsonLexContextCstringLen(text, (int) strlen(text), PG_UTF8, true);
#endif
	result = pg_parse_json(lex, &actions);
	if (result == JSON_UNICODE_CODE_POINT_ZERO)
		ereport(ERROR,
				(errcode(ERRCODE_UNTRANSLATABLE_CHARACTER),
				 errmsg("unsupported Unicode escape sequence")));
	if (result != JSON_SUCCESS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid input syntax for type json"),
				 errdetail("Code %d of the parser.", (int) result)));
	PG_RETURN_POINTER((char *) reader.root - offsetof(Jsonb, root));
}

struct varlena *
pg_detoast_datum(struct varlena *datum)
{
	return datum;
}

/* ---------- looking ---------- */

JsonbValue *
getIthJsonbValueFromContainer(JsonbContainer *container, uint32 i)
{
	JsonbValue *result;

	if (!JsonContainerIsArray(container))
		elog(ERROR, "not a jsonb array");
	if (i >= JsonContainerSize(container))
		return NULL;
	result = palloc(sizeof(JsonbValue));
	*result = values_of(container)[i];
	return result;
}

JsonbValue *
getKeyJsonValueFromContainer(JsonbContainer *container, const char *key, int key_len, JsonbValue *result)
{
	JsonbValue *values = values_of(container);
	uint32		i;

	Assert(JsonContainerIsObject(container));
	for (i = 0; i < JsonContainerSize(container); i++, values += 2)
	{
		if (values->val.string.len != key_len || memcmp(values->val.string.val, key, key_len) != 0)
			continue;
		if (result == NULL)
			result = palloc(sizeof(JsonbValue));
		*result = values[1];
		return result;
	}
	return NULL;
}

JsonbIterator *
JsonbIteratorInit(JsonbContainer *container)
{
	JsonbIterator *it = palloc0(sizeof(JsonbIterator));

	it->container = container;
	it->nElems = JsonContainerSize(container);
	it->state = JsonContainerIsObject(container) ? JBI_OBJECT_START : JBI_ARRAY_START;
	return it;
}

/* Objects only, and nothing below their values */
JsonbIteratorToken
JsonbIteratorNext(JsonbIterator **it_p, JsonbValue *value, bool skip_nested)
{
	JsonbIterator *it = *it_p;

	if (it == NULL)
		return WJB_DONE;
	if (it->state == JBI_ARRAY_START || !skip_nested)
		abort();
	switch (it->state)
	{
		case JBI_OBJECT_START:
			value->type = jbvObject;
			value->val.object.nPairs = (int) it->nElems;
			it->state = JBI_OBJECT_KEY;
			return WJB_BEGIN_OBJECT;
		case JBI_OBJECT_KEY:
			if ((uint32) it->curIndex >= it->nElems)
			{
				pfree(it);
				*it_p = NULL;
				return WJB_END_OBJECT;
			}
			*value = values_of(it->container)[2 * it->curIndex];
			it->state = JBI_OBJECT_VALUE;
			return WJB_KEY;
		default:
			*value = values_of(it->container)[2 * it->curIndex + 1];
			it->curIndex++;
			it->state = JBI_OBJECT_KEY;
			return WJB_VALUE;
	}
}
