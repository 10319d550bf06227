/*-------------------------------------------------------------------------
 *
 * payload.c
 *	  The JSON text of notifications.
 *
 * Members of the object, in this order: type, key, value, mod_revision,
 * create_revision, version, lease, prev_value (where the watch wants it).
 * Bytes that are not text in the database's encoding go in base64 under the
 * name with "_base64" appended.  A deletion has no value: it is null, and
 * so is prev_value where there was none or it is compacted.
 *
 * Where the whole would be longer than the carrier takes, value and prev_value
 * are left out and "truncated" is true.  A key that escapes to more than its
 * share goes in base64 then, which always fits.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/notify/payload.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/base64.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"

#include "json/pbjson.h"
#include "notify/payload.h"
#include "store/store.h"

/* What the object takes beside the bytes of its key, at most. */
#define PAYLOAD_FRAME_BYTES		256

StaticAssertDecl((STORE_MAX_KEY_BYTES + 2) / 3 * 4 + PAYLOAD_FRAME_BYTES <= NOTIFY_MAX_PAYLOAD,
				 "the longest key must fit in a notification");

/*
 * payload_is_text() -- can the bytes be a text value of this database?
 *
 * A database in SQL_ASCII does not know what its bytes mean, so only ASCII is safe
 * to put into JSON there.
 */
bool
payload_is_text(const char *bytes, Size len)
{
	Size		i;

	if (GetDatabaseEncoding() == PG_SQL_ASCII)
	{
		for (i = 0; i < len; i++)
			if (IS_HIGHBIT_SET(bytes[i]))
				return false;
	}
	return pbjson_is_text(bytes, len);
}

/*
 * The number of bytes that append_json_string() will write, without quotes.
 */
static Size
json_length(const char *bytes, Size len)
{
	Size		length = 0;
	Size		i;

	for (i = 0; i < len; i++)
	{
		unsigned char c = (unsigned char) bytes[i];

		if (c == '"' || c == '\\' || c == '\n' || c == '\r' || c == '\t')
			length += 2;
		else if (c < ' ')
			length += 6;
		else
			length++;
	}
	return length;
}

static void
append_json_string(StringInfo buf, const char *bytes, Size len)
{
	Size		done = 0;
	Size		i;

	appendStringInfoChar(buf, '"');
	for (i = 0; i < len; i++)
	{
		unsigned char c = (unsigned char) bytes[i];

		if (c >= ' ' && c != '"' && c != '\\')
			continue;
		appendBinaryStringInfo(buf, bytes + done, i - done);
		done = i + 1;
		switch (c)
		{
			case '"':
				appendStringInfoString(buf, "\\\"");
				break;
			case '\\':
				appendStringInfoString(buf, "\\\\");
				break;
			case '\n':
				appendStringInfoString(buf, "\\n");
				break;
			case '\r':
				appendStringInfoString(buf, "\\r");
				break;
			case '\t':
				appendStringInfoString(buf, "\\t");
				break;
			default:
				appendStringInfo(buf, "\\u%04x", c);
				break;
		}
	}
	appendBinaryStringInfo(buf, bytes + done, len - done);
	appendStringInfoChar(buf, '"');
}

static void
append_base64(StringInfo buf, const char *bytes, Size len)
{
	int			size = pg_b64_enc_len((int) len);
	int			written;

	appendStringInfoChar(buf, '"');
	enlargeStringInfo(buf, size + 1);
	written = pg_b64_encode((const void *) bytes, (int) len, buf->data + buf->len, size);
	if (written < 0)
		elog(ERROR, "could not encode %zu bytes in base64", len);
	buf->len += written;
	buf->data[buf->len] = '\0';
	appendStringInfoChar(buf, '"');
}

/*
 * Append a member of the object: as text, or in base64.
 */
static void
append_bytes(StringInfo buf, const char *name, const ProtobufCBinaryData *bytes, bool as_text)
{
	const char *data = (const char *) bytes->data;

	if (as_text)
	{
		appendStringInfo(buf, ", \"%s\": ", name);
		append_json_string(buf, data, bytes->len);
	}
	else
	{
		appendStringInfo(buf, ", \"%s_base64\": ", name);
		append_base64(buf, data, bytes->len);
	}
}

static void
append_numbers(StringInfo buf, const Mvccpb__KeyValue *kv)
{
	appendStringInfo(buf,
					 ", \"mod_revision\": " INT64_FORMAT
					 ", \"create_revision\": " INT64_FORMAT
					 ", \"version\": " INT64_FORMAT
					 ", \"lease\": " INT64_FORMAT,
					 (int64) kv->mod_revision, (int64) kv->create_revision,
					 (int64) kv->version, (int64) kv->lease);
}

/*
 * payload_event() -- the notification of one event.
 *
 * max_bytes is the longest payload the carrier takes, 0 for no limit; it must
 * be NOTIFY_MAX_PAYLOAD at least.
 */
char *
payload_event(const Mvccpb__Event *event, bool prev_value, Size max_bytes)
{
	const Mvccpb__KeyValue *kv = event->kv;
	bool		put = event->type == MVCCPB__EVENT__EVENT_TYPE__PUT;
	const char *head = put ? "{\"type\": \"PUT\"" : "{\"type\": \"DELETE\"";
	bool		key_is_text = payload_is_text((const char *) kv->key.data, kv->key.len);
	const Mvccpb__KeyValue *prev = prev_value ? event->prev_kv : NULL;
	Size		bytes = kv->key.len + (put ? kv->value.len : 0) + (prev ? prev->value.len : 0);
	StringInfoData buf;

	initStringInfo(&buf);
	if (max_bytes == 0 || bytes <= max_bytes)
	{
		appendStringInfoString(&buf, head);
		append_bytes(&buf, "key", &kv->key, key_is_text);
		if (put)
			append_bytes(&buf, "value", &kv->value,
						 payload_is_text((const char *) kv->value.data, kv->value.len));
		else
			appendStringInfoString(&buf, ", \"value\": null");
		append_numbers(&buf, kv);
		if (prev != NULL)
			append_bytes(&buf, "prev_value", &prev->value,
						 payload_is_text((const char *) prev->value.data, prev->value.len));
		else if (prev_value)
			appendStringInfoString(&buf, ", \"prev_value\": null");
		appendStringInfoChar(&buf, '}');
		if (max_bytes == 0 || (Size) buf.len <= max_bytes)
			return buf.data;
	}

	resetStringInfo(&buf);
	appendStringInfoString(&buf, head);
	if (key_is_text &&
		json_length((const char *) kv->key.data, kv->key.len) + PAYLOAD_FRAME_BYTES > max_bytes)
		key_is_text = false;
	append_bytes(&buf, "key", &kv->key, key_is_text);
	append_numbers(&buf, kv);
	appendStringInfoString(&buf, ", \"truncated\": true}");
	Assert((Size) buf.len <= max_bytes);
	return buf.data;
}

/*
 * payload_compacted() -- the last notification of a watch whose events are gone.
 */
char *
payload_compacted(int64 compact_revision)
{
	return psprintf("{\"type\": \"COMPACTED\", \"compact_revision\": " INT64_FORMAT "}",
					compact_revision);
}

/*
 * payload_canceled() -- the last notification of a watch that may not go on.
 */
char *
payload_canceled(const char *reason)
{
	return psprintf("{\"type\": \"CANCELED\", \"reason\": \"%s\"}", reason);
}

/*
 * payload_revision() -- something happened, up to this revision.
 */
char *
payload_revision(int64 revision)
{
	return psprintf("{\"revision\": " INT64_FORMAT "}", revision);
}
