/*-------------------------------------------------------------------------
 *
 * pbjson_write.c
 *	  Protobuf messages to JSON.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/json/pbjson_write.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/json.h"
#include "utils/memutils.h"

#include "base64.h"
#include "pbjson.h"
#include "pbjson_int.h"

bool
pbjson_is_text(const void *data, size_t len)
{
	return len < MaxAllocSize && pg_verifymbstr(data, (int) len, true);
}

/* Append text of the database encoding as a JSON string; protobuf-c has no pointer to none */
static void
append_text(StringInfo buf, const char *data, size_t len)
{
	char	   *text = len > 0 ? pnstrdup(data, len) : pstrdup("");

	escape_json(buf, text);
	pfree(text);
}

static void
append_base64_string(StringInfo buf, const void *data, size_t len)
{
	appendStringInfoChar(buf, '"');
	base64_append(buf, data, len);
	appendStringInfoChar(buf, '"');
}

void
pbjson_append_bytes(StringInfo buf, const void *data, size_t len)
{
	if (pbjson_is_text(data, len))
		append_text(buf, data, len);
	else
	{
		appendStringInfoString(buf, "{\"base64\": ");
		append_base64_string(buf, data, len);
		appendStringInfoChar(buf, '}');
	}
}

/*
 * A string field is UTF-8 by protobuf's rules, which its C decoder does not
 * enforce; what is not is shown as its base64.
 */
static void
append_utf8(StringInfo buf, const char *string)
{
	size_t		len = strlen(string);
	char	   *text;

	if (!pg_verify_mbstr(PG_UTF8, string, (int) len, true))
	{
		append_base64_string(buf, string, len);
		return;
	}
	text = pg_any_to_server(string, (int) len, PG_UTF8);
	escape_json(buf, text);
	if (text != string)
		pfree(text);
}

static void
append_double(StringInfo buf, double value)
{
	if (isnan(value))
		appendStringInfoString(buf, "\"NaN\"");
	else if (isinf(value))
		appendStringInfoString(buf, value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
	else
		appendStringInfoString(buf, float8out_internal(value));
}

static void
append_enum(StringInfo buf, const ProtobufCEnumDescriptor *descriptor, int value)
{
	const ProtobufCEnumValue *known;

	known = protobuf_c_enum_descriptor_get_value(descriptor, value);
	if (known != NULL)
		appendStringInfo(buf, "\"%s\"", known->name);
	else
		appendStringInfo(buf, "%d", value);
}

/* Append the value at `value`, which has the field's type */
static void
append_value(StringInfo buf, const ProtobufCFieldDescriptor *field,
			 const void *value, PbJsonStyle style)
{
	const char *quote = style == PBJSON_WIRE ? "\"" : "";

	switch (field->type)
	{
		case PROTOBUF_C_TYPE_INT32:
		case PROTOBUF_C_TYPE_SINT32:
		case PROTOBUF_C_TYPE_SFIXED32:
			appendStringInfo(buf, "%d", *(const int32_t *) value);
			break;
		case PROTOBUF_C_TYPE_UINT32:
		case PROTOBUF_C_TYPE_FIXED32:
			appendStringInfo(buf, "%u", *(const uint32_t *) value);
			break;
		case PROTOBUF_C_TYPE_INT64:
		case PROTOBUF_C_TYPE_SINT64:
		case PROTOBUF_C_TYPE_SFIXED64:
			appendStringInfo(buf, "%s" INT64_FORMAT "%s", quote,
							 (int64) *(const int64_t *) value, quote);
			break;
		case PROTOBUF_C_TYPE_UINT64:
		case PROTOBUF_C_TYPE_FIXED64:
			appendStringInfo(buf, "%s" UINT64_FORMAT "%s", quote,
							 (uint64) *(const uint64_t *) value, quote);
			break;
		case PROTOBUF_C_TYPE_FLOAT:
			append_double(buf, *(const float *) value);
			break;
		case PROTOBUF_C_TYPE_DOUBLE:
			append_double(buf, *(const double *) value);
			break;
		case PROTOBUF_C_TYPE_BOOL:
			appendStringInfoString(buf, *(const protobuf_c_boolean *) value ? "true" : "false");
			break;
		case PROTOBUF_C_TYPE_ENUM:
			append_enum(buf, field->descriptor, *(const int *) value);
			break;
		case PROTOBUF_C_TYPE_STRING:
			append_utf8(buf, *(char *const *) value);
			break;
		case PROTOBUF_C_TYPE_BYTES:
			{
				const ProtobufCBinaryData *bytes = value;

				if (style == PBJSON_WIRE)
					append_base64_string(buf, bytes->data, bytes->len);
				else
					pbjson_append_bytes(buf, bytes->data, bytes->len);
				break;
			}
		case PROTOBUF_C_TYPE_MESSAGE:
			pbjson_append(buf, *(ProtobufCMessage *const *) value, style);
			break;
	}
}

/* Does a field without presence have the value that is not written? */
static bool
is_default(const ProtobufCFieldDescriptor *field, const void *value)
{
	switch (field->type)
	{
		case PROTOBUF_C_TYPE_INT32:
		case PROTOBUF_C_TYPE_SINT32:
		case PROTOBUF_C_TYPE_SFIXED32:
		case PROTOBUF_C_TYPE_UINT32:
		case PROTOBUF_C_TYPE_FIXED32:
			return *(const uint32_t *) value == 0;
		case PROTOBUF_C_TYPE_INT64:
		case PROTOBUF_C_TYPE_SINT64:
		case PROTOBUF_C_TYPE_SFIXED64:
		case PROTOBUF_C_TYPE_UINT64:
		case PROTOBUF_C_TYPE_FIXED64:
			return *(const uint64_t *) value == 0;
		case PROTOBUF_C_TYPE_FLOAT:
			return *(const float *) value == 0;
		case PROTOBUF_C_TYPE_DOUBLE:
			return *(const double *) value == 0;
		case PROTOBUF_C_TYPE_BOOL:
			return !*(const protobuf_c_boolean *) value;
		case PROTOBUF_C_TYPE_ENUM:
			return *(const int *) value == 0;
		case PROTOBUF_C_TYPE_STRING:
			return *(char *const *) value == NULL || **(char *const *) value == '\0';
		case PROTOBUF_C_TYPE_BYTES:
			return ((const ProtobufCBinaryData *) value)->len == 0;
		case PROTOBUF_C_TYPE_MESSAGE:
			return *(ProtobufCMessage *const *) value == NULL;
	}
	return true;
}

size_t
pbjson_element_size(ProtobufCType type)
{
	switch (type)
	{
		case PROTOBUF_C_TYPE_INT32:
		case PROTOBUF_C_TYPE_SINT32:
		case PROTOBUF_C_TYPE_SFIXED32:
		case PROTOBUF_C_TYPE_UINT32:
		case PROTOBUF_C_TYPE_FIXED32:
		case PROTOBUF_C_TYPE_FLOAT:
			return 4;
		case PROTOBUF_C_TYPE_INT64:
		case PROTOBUF_C_TYPE_SINT64:
		case PROTOBUF_C_TYPE_SFIXED64:
		case PROTOBUF_C_TYPE_UINT64:
		case PROTOBUF_C_TYPE_FIXED64:
		case PROTOBUF_C_TYPE_DOUBLE:
			return 8;
		case PROTOBUF_C_TYPE_BOOL:
			return sizeof(protobuf_c_boolean);
		case PROTOBUF_C_TYPE_ENUM:
			return sizeof(int);
		case PROTOBUF_C_TYPE_STRING:
		case PROTOBUF_C_TYPE_MESSAGE:
			return sizeof(void *);
		case PROTOBUF_C_TYPE_BYTES:
			return sizeof(ProtobufCBinaryData);
	}
	return 0;
}

/* Is the field there and worth writing? */
static bool
is_present(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	const char *base = (const char *) message;
	const void *value = base + field->offset;
	bool		is_pointer = field->type == PROTOBUF_C_TYPE_STRING ||
		field->type == PROTOBUF_C_TYPE_MESSAGE;

	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return *(const size_t *) (base + field->quantifier_offset) > 0;

	/* a member of a oneof shows which one was chosen, even if it is zero */
	if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0)
		return *(const uint32_t *) (base + field->quantifier_offset) == field->id &&
			!(is_pointer && *(void *const *) value == NULL);

	if (field->label == PROTOBUF_C_LABEL_OPTIONAL && !is_pointer)
		return *(const protobuf_c_boolean *) (base + field->quantifier_offset);
	return !is_default(field, value);
}

void
pbjson_append(StringInfo buf, const ProtobufCMessage *message, PbJsonStyle style)
{
	const ProtobufCMessageDescriptor *descriptor = message->descriptor;
	const char *base = (const char *) message;
	const char *separator = "";
	unsigned	i;

	check_stack_depth();

	appendStringInfoChar(buf, '{');
	for (i = 0; i < descriptor->n_fields; i++)
	{
		const ProtobufCFieldDescriptor *field = &descriptor->fields[i];

		if (!is_present(message, field))
			continue;
		appendStringInfo(buf, "%s\"%s\":", separator, field->name);
		separator = ",";

		if (field->label == PROTOBUF_C_LABEL_REPEATED)
		{
			size_t		n = *(const size_t *) (base + field->quantifier_offset);
			const char *elements = *(char *const *) (base + field->offset);
			size_t		size = pbjson_element_size(field->type);
			size_t		k;

			appendStringInfoChar(buf, '[');
			for (k = 0; k < n; k++)
			{
				if (k > 0)
					appendStringInfoChar(buf, ',');
				append_value(buf, field, elements + k * size, style);
			}
			appendStringInfoChar(buf, ']');
		}
		else
			append_value(buf, field, base + field->offset, style);
	}
	appendStringInfoChar(buf, '}');
}

Jsonb *
pbjson_to_jsonb(const ProtobufCMessage *message, PbJsonStyle style)
{
	StringInfoData buf;
	Jsonb	   *result;

	initStringInfo(&buf);
	pbjson_append(&buf, message, style);
	result = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(buf.data)));
	pfree(buf.data);
	return result;
}
