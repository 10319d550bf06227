/*-------------------------------------------------------------------------
 *
 * pbjson_read.c
 *	  JSON to protobuf messages.
 *
 * PostgreSQL's own parser makes jsonb of the text; a jsonb tree is then
 * walked beside a message descriptor.  The depth of the walk is bounded, as
 * the messages that contain themselves would not bound it.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/json/pbjson_read.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>
#include <errno.h>

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/numeric.h"

#include "store/pbmem.h"

#include "base64.h"
#include "pbjson.h"
#include "pbjson_int.h"

/*
 * Most digits behind the decimal point of an integer, zeros all of them.  Written out, 0e-16383 is two
 * thousand times as long as what it is written in, and an array can have many of it.
 */
#define INTEGER_MAX_SCALE	100

/* Where we are, for error messages: a list from the innermost name outward */
typedef struct Path
{
	const struct Path *outer;
	const char *name;			/* of a field, or NULL for an array element */
	int			element;
} Path;

typedef struct ReadContext
{
	PbJsonStyle style;
	int			depth;
} ReadContext;

static ProtobufCMessage *read_message(ReadContext *context, const Path *path,
									  const ProtobufCMessageDescriptor *descriptor,
									  JsonbContainer *object);

static void
append_path(StringInfo buf, const Path *path)
{
	if (path == NULL)
		return;
	append_path(buf, path->outer);
	if (path->name == NULL)
		appendStringInfo(buf, "[%d]", path->element);
	else
		appendStringInfo(buf, "%s%s", buf->len > 0 ? "." : "", path->name);
}

/*
 * Refuse what stands at the path; expected says what should be there.  Does not
 * return.
 */
static void
refuse(const Path *path, const char *expected)
{
	StringInfoData where;

	initStringInfo(&where);
	append_path(&where, path);
	if (where.len == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid request"),
				 errdetail("The request must be %s.", expected)));
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid request"),
			 errdetail("The field \"%s\" must be %s.", where.data, expected)));
}

/* Does a JSON name mean this field: its .proto name or that in lowerCamelCase? */
static bool
name_matches(const char *field_name, const char *name, int len)
{
	int			i = 0;
	bool		upper = false;

	if (strlen(field_name) == (size_t) len && memcmp(field_name, name, len) == 0)
		return true;

	for (; *field_name != '\0'; field_name++)
	{
		if (*field_name == '_')
		{
			upper = true;
			continue;
		}
		if (i >= len ||
			name[i] != (upper ? pg_ascii_toupper((unsigned char) *field_name) : *field_name))
			return false;
		upper = false;
		i++;
	}
	return i == len;
}

static const ProtobufCFieldDescriptor *
find_field(const ProtobufCMessageDescriptor *descriptor, const JsonbValue *name)
{
	unsigned	i;

	for (i = 0; i < descriptor->n_fields; i++)
	{
		if (name_matches(descriptor->fields[i].name, name->val.string.val,
						 name->val.string.len))
			return &descriptor->fields[i];
	}
	return NULL;
}

/*
 * The decimal digits of an integer given as a JSON number or string, or NULL.
 * Numbers such as 10.0 and 1e3 are integers too.
 */
static char *
integer_text(const JsonbValue *value)
{
	char	   *text;
	char	   *point;

	if (value->type == jbvString)
		return pnstrdup(value->val.string.val, value->val.string.len);
	if (value->type != jbvNumeric ||
		DatumGetInt32(DirectFunctionCall1(numeric_scale,
										  NumericGetDatum(value->val.numeric))) > INTEGER_MAX_SCALE)
		return NULL;

	text = DatumGetCString(DirectFunctionCall1(numeric_out,
											   NumericGetDatum(value->val.numeric)));
	point = strchr(text, '.');
	if (point != NULL)
	{
		if (strspn(point + 1, "0") != strlen(point + 1))
			return NULL;
		*point = '\0';
	}
	return text;
}

static int64
read_signed(const Path *path, const JsonbValue *value, int64 min, int64 max)
{
	char	   *text = integer_text(value);
	char	   *end;
	int64		result;

	errno = 0;
	result = text != NULL ? strtoll(text, &end, 10) : 0;
	if (text == NULL || *text == '\0' || isspace((unsigned char) *text) ||
		*end != '\0' || errno != 0 || result < min || result > max)
		refuse(path, max == PG_INT64_MAX ? "an integer of 64 bits" : "an integer of 32 bits");
	pfree(text);
	return result;
}

static uint64
read_unsigned(const Path *path, const JsonbValue *value, uint64 max)
{
	char	   *text = integer_text(value);
	char	   *end;
	uint64		result;

	errno = 0;
	result = text != NULL ? strtoull(text, &end, 10) : 0;
	if (text == NULL || !isdigit((unsigned char) *text) ||
		*end != '\0' || errno != 0 || result > max)
		refuse(path, max == PG_UINT64_MAX ? "an unsigned integer of 64 bits" :
			   "an unsigned integer of 32 bits");
	pfree(text);
	return result;
}

static double
read_double(const Path *path, const JsonbValue *value)
{
	if (value->type == jbvNumeric)
		return DatumGetFloat8(DirectFunctionCall1(numeric_float8,
												  NumericGetDatum(value->val.numeric)));
	if (value->type == jbvString)
	{
		char	   *text = pnstrdup(value->val.string.val, value->val.string.len);

		if (strcmp(text, "NaN") == 0)
			return get_float8_nan();
		if (strcmp(text, "Infinity") == 0)
			return get_float8_infinity();
		if (strcmp(text, "-Infinity") == 0)
			return -get_float8_infinity();
	}
	refuse(path, "a number");
	return 0;					/* keep compiler quiet */
}

static int
read_enum(const Path *path, const ProtobufCEnumDescriptor *descriptor,
		  const JsonbValue *value)
{
	if (value->type == jbvString)
	{
		char	   *name = pnstrdup(value->val.string.val, value->val.string.len);
		const ProtobufCEnumValue *known;

		known = protobuf_c_enum_descriptor_get_value_by_name(descriptor, name);
		if (known == NULL)
			refuse(path, psprintf("a value of %s", descriptor->short_name));
		return known->value;
	}
	/* numbers we do not know are for the state machine to refuse */
	return (int) read_signed(path, value, PG_INT32_MIN, PG_INT32_MAX);
}

static void
decode_base64(const Path *path, const JsonbValue *value, ProtobufCBinaryData *bytes)
{
	int64		len;

	bytes->data = palloc(value->val.string.len / 4 * 3 + 3);
	len = base64_decode(value->val.string.val, value->val.string.len, bytes->data);
	if (len < 0)
		refuse(path, "in base64");
	bytes->len = len;
}

/* {"base64": "..."}, or NULL */
static JsonbValue *
find_base64(const JsonbValue *value)
{
	JsonbValue *inner;

	if (value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data))
		return NULL;
	inner = getKeyJsonValueFromContainer(value->val.binary.data, "base64", 6, NULL);
	return inner != NULL && inner->type == jbvString ? inner : NULL;
}

static void
read_bytes(ReadContext *context, const Path *path, const JsonbValue *value,
		   ProtobufCBinaryData *bytes)
{
	if (context->style == PBJSON_WIRE)
	{
		if (value->type != jbvString)
			refuse(path, "a string in base64");
		decode_base64(path, value, bytes);
	}
	else if (value->type == jbvString)
	{
		bytes->len = value->val.string.len;
		bytes->data = palloc(bytes->len + 1);
		memcpy(bytes->data, value->val.string.val, bytes->len);
	}
	else
	{
		JsonbValue *base64 = find_base64(value);

		if (base64 == NULL)
			refuse(path, "a string or {\"base64\": \"...\"}");
		decode_base64(path, base64, bytes);
	}
}

static char *
read_string(const Path *path, const JsonbValue *value)
{
	char	   *text;

	if (value->type != jbvString)
		refuse(path, "a string");
	text = pnstrdup(value->val.string.val, value->val.string.len);
	return pg_server_to_any(text, value->val.string.len, PG_UTF8);
}

/* Store a JSON value, not null, at `target`, which has the field's type */
static void
read_value(ReadContext *context, const Path *path,
		   const ProtobufCFieldDescriptor *field, const JsonbValue *value, void *target)
{
	switch (field->type)
	{
		case PROTOBUF_C_TYPE_INT32:
		case PROTOBUF_C_TYPE_SINT32:
		case PROTOBUF_C_TYPE_SFIXED32:
			*(int32_t *) target = (int32_t) read_signed(path, value, PG_INT32_MIN, PG_INT32_MAX);
			break;
		case PROTOBUF_C_TYPE_UINT32:
		case PROTOBUF_C_TYPE_FIXED32:
			*(uint32_t *) target = (uint32_t) read_unsigned(path, value, PG_UINT32_MAX);
			break;
		case PROTOBUF_C_TYPE_INT64:
		case PROTOBUF_C_TYPE_SINT64:
		case PROTOBUF_C_TYPE_SFIXED64:
			*(int64_t *) target = read_signed(path, value, PG_INT64_MIN, PG_INT64_MAX);
			break;
		case PROTOBUF_C_TYPE_UINT64:
		case PROTOBUF_C_TYPE_FIXED64:
			*(uint64_t *) target = read_unsigned(path, value, PG_UINT64_MAX);
			break;
		case PROTOBUF_C_TYPE_FLOAT:
			*(float *) target = (float) read_double(path, value);
			break;
		case PROTOBUF_C_TYPE_DOUBLE:
			*(double *) target = read_double(path, value);
			break;
		case PROTOBUF_C_TYPE_BOOL:
			if (value->type != jbvBool)
				refuse(path, "true or false");
			*(protobuf_c_boolean *) target = value->val.boolean;
			break;
		case PROTOBUF_C_TYPE_ENUM:
			*(int *) target = read_enum(path, field->descriptor, value);
			break;
		case PROTOBUF_C_TYPE_STRING:
			*(char **) target = read_string(path, value);
			break;
		case PROTOBUF_C_TYPE_BYTES:
			read_bytes(context, path, value, target);
			break;
		case PROTOBUF_C_TYPE_MESSAGE:
			if (value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data))
				refuse(path, "an object");
			*(ProtobufCMessage **) target =
				read_message(context, path, field->descriptor, value->val.binary.data);
			break;
	}
}

static void
read_repeated(ReadContext *context, const Path *path, ProtobufCMessage *message,
			  const ProtobufCFieldDescriptor *field, const JsonbValue *value)
{
	char	   *base = (char *) message;
	size_t		size = pbjson_element_size(field->type);
	JsonbContainer *array;
	char	   *elements;
	uint32		n;
	uint32		i;

	if (value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data))
		refuse(path, "an array");
	array = value->val.binary.data;
	n = JsonContainerSize(array);
	elements = palloc0(n * size + 1);

	for (i = 0; i < n; i++)
	{
		JsonbValue *element = getIthJsonbValueFromContainer(array, i);
		Path		inner = {path, NULL, i};

		if (element->type == jbvNull)
			refuse(&inner, "a value, not null");
		read_value(context, &inner, field, element, elements + i * size);
	}
	*(char **) (base + field->offset) = elements;
	*(size_t *) (base + field->quantifier_offset) = n;
}

static void
read_field(ReadContext *context, const Path *path, ProtobufCMessage *message,
		   const ProtobufCFieldDescriptor *field, const JsonbValue *value)
{
	char	   *base = (char *) message;

	if (field->label == PROTOBUF_C_LABEL_REPEATED)
	{
		read_repeated(context, path, message, field, value);
		return;
	}

	if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0)
	{
		uint32_t   *chosen = (uint32_t *) (base + field->quantifier_offset);

		if (*chosen != 0 && *chosen != field->id)
			refuse(path, "the only one of its kind in its object");
		*chosen = field->id;
	}
	else if (field->label == PROTOBUF_C_LABEL_OPTIONAL &&
			 field->type != PROTOBUF_C_TYPE_STRING &&
			 field->type != PROTOBUF_C_TYPE_MESSAGE)
		*(protobuf_c_boolean *) (base + field->quantifier_offset) = true;

	read_value(context, path, field, value, base + field->offset);
}

static ProtobufCMessage *
read_message(ReadContext *context, const Path *path,
			 const ProtobufCMessageDescriptor *descriptor, JsonbContainer *object)
{
	ProtobufCMessage *message;
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	name;
	JsonbValue	value;

	check_stack_depth();
	if (++context->depth > PB_MAX_DEPTH)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("request is nested too deeply"),
				 errdetail("The limit is %d levels of objects.", PB_MAX_DEPTH)));

	message = palloc(descriptor->sizeof_message);
	protobuf_c_message_init(descriptor, message);

	it = JsonbIteratorInit(object);
	(void) JsonbIteratorNext(&it, &value, true);	/* WJB_BEGIN_OBJECT */
	while ((token = JsonbIteratorNext(&it, &name, true)) == WJB_KEY)
	{
		const ProtobufCFieldDescriptor *field = find_field(descriptor, &name);

		token = JsonbIteratorNext(&it, &value, true);
		Assert(token == WJB_VALUE);
		if (field != NULL && value.type != jbvNull)
		{
			Path		inner = {path, field->name, 0};

			read_field(context, &inner, message, field, &value);
		}
	}
	context->depth--;
	return message;
}

ProtobufCMessage *
pbjson_from_jsonb(const ProtobufCMessageDescriptor *descriptor, Jsonb *json,
				  PbJsonStyle style)
{
	ReadContext context = {style, 0};

	if (!JB_ROOT_IS_OBJECT(json))
		refuse(NULL, "a JSON object");
	return read_message(&context, NULL, descriptor, &json->root);
}

ProtobufCMessage *
pbjson_from_text(const ProtobufCMessageDescriptor *descriptor,
				 const char *text, size_t len, PbJsonStyle style)
{
	char	   *copy = pnstrdup(text, len);
	Jsonb	   *json;

	if (!pbjson_is_text(text, len))
		ereport(ERROR,
				(errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
				 errmsg("request is not text in the database encoding")));
	json = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(copy)));
	pfree(copy);
	return pbjson_from_jsonb(descriptor, json, style);
}
