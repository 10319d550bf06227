/*-------------------------------------------------------------------------
 *
 * base64.c
 *	  Base64 as JSON forms of protobuf messages use it.
 *
 * PostgreSQL's own codec breaks lines in SQL, is strict about padding, and
 * knows one alphabet; the JSON mapping of protobuf asks readers to take both
 * alphabets with or without padding.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/json/base64.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "base64.h"

static const char alphabet[] =
"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void
base64_append(StringInfo buf, const void *data, size_t len)
{
	const uint8 *src = data;
	char	   *dst;
	size_t		encoded = (len + 2) / 3 * 4;
	size_t		i;

	if (encoded >= MaxAllocSize)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("value is too large for a JSON form")));
	enlargeStringInfo(buf, (int) encoded);
	dst = buf->data + buf->len;

	for (i = 0; i + 2 < len; i += 3)
	{
		uint32		group = src[i] << 16 | src[i + 1] << 8 | src[i + 2];

		*dst++ = alphabet[group >> 18];
		*dst++ = alphabet[(group >> 12) & 63];
		*dst++ = alphabet[(group >> 6) & 63];
		*dst++ = alphabet[group & 63];
	}
	if (i < len)
	{
		uint32		group = src[i] << 16;

		if (i + 1 < len)
			group |= src[i + 1] << 8;
		*dst++ = alphabet[group >> 18];
		*dst++ = alphabet[(group >> 12) & 63];
		*dst++ = i + 1 < len ? alphabet[(group >> 6) & 63] : '=';
		*dst++ = '=';
	}
	*dst = '\0';
	buf->len += (int) encoded;
}

void
base64url_append(StringInfo buf, const void *data, size_t len)
{
	int			start = buf->len;
	char	   *c;

	base64_append(buf, data, len);
	while (buf->len > start && buf->data[buf->len - 1] == '=')
		buf->data[--buf->len] = '\0';
	for (c = buf->data + start; *c != '\0'; c++)
	{
		if (*c == '+')
			*c = '-';
		else if (*c == '/')
			*c = '_';
	}
}

/* The six bits of a character, or -1 */
static int
digit_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	if (c == '/' || c == '_')
		return 63;
	return -1;
}

int64
base64_decode(const char *text, size_t len, uint8 *dst)
{
	uint8	   *start = dst;
	uint32		bits = 0;
	int			nbits = 0;
	size_t		digits = len;
	size_t		i;

	while (digits > 0 && len - digits < 2 && text[digits - 1] == '=')
		digits--;
	/* padding, where there is any, fills the last group of four */
	if (digits < len && len % 4 != 0)
		return -1;
	if (digits % 4 == 1)
		return -1;

	for (i = 0; i < digits; i++)
	{
		int			value = digit_value(text[i]);

		if (value < 0)
			return -1;
		bits = bits << 6 | value;
		nbits += 6;
		if (nbits >= 8)
		{
			nbits -= 8;
			*dst++ = (uint8) (bits >> nbits);
			bits &= (1u << nbits) - 1;
		}
	}
	return dst - start;
}
