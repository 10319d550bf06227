/*-------------------------------------------------------------------------
 *
 * websocket_handshake.c
 *	  The request that opens a WebSocket: its headers, and whether it is right (RFC 6455, 4.2).
 *
 * A page in a browser cannot set headers, so the token of its user comes in one of those that the browser
 * sends: as a second subprotocol behind "Bearer", or in a cookie "token", which goes before.  These are the ways of
 * etcd; whoever can set "Authorization" may do that too.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/websocket_handshake.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <openssl/evp.h>

#include "gateway/websocket.h"

#define ACCEPT_GUID		"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define BEARER			"Bearer"
#define COOKIE			"token="

/* ---------- text of headers ---------- */

static void
trim(const char **text, size_t *len)
{
	while (*len > 0 && (**text == ' ' || **text == '\t'))
	{
		(*text)++;
		(*len)--;
	}
	while (*len > 0 && ((*text)[*len - 1] == ' ' || (*text)[*len - 1] == '\t'))
		(*len)--;
}

/*
 * Cut the next element off a list.  False at its end.
 */
static bool
next_element(const char **list, size_t *list_len, char separator, const char **element, size_t *len)
{
	const char *end;

	if (*list_len == 0)
		return false;
	*element = *list;
	end = memchr(*list, separator, *list_len);
	*len = end == NULL ? *list_len : (size_t) (end - *list);
	*list += Min(*len + 1, *list_len);
	*list_len -= Min(*len + 1, *list_len);
	trim(element, len);
	return true;
}

static bool
list_contains(const char *list, size_t list_len, const char *expected)
{
	const char *element;
	size_t		len;

	while (next_element(&list, &list_len, ',', &element, &len))
	{
		if (len == strlen(expected) && pg_strncasecmp(element, expected, len) == 0)
			return true;
	}
	return false;
}

static bool
begins_with(const char *text, size_t len, const char *prefix)
{
	return len >= strlen(prefix) && memcmp(text, prefix, strlen(prefix)) == 0;
}

/* ---------- tokens ---------- */

/*
 * What is too long for a token is kept as it is, for the stream to refuse.  False: no memory.
 */
static bool
keep_token(Handshake *handshake, const char *token, size_t len)
{
	char	   *copy = malloc(len + 1);

	if (copy == NULL)
		return false;
	memcpy(copy, token, len);
	copy[len] = '\0';
	free(handshake->token);
	handshake->token = copy;
	return true;
}

/*
 * "Bearer, TOKEN", with or without the space.  The first header of the name counts.
 */
static bool
take_protocol(Handshake *handshake, const char *value, size_t len)
{
	if (handshake->protocol_seen)
		return true;
	handshake->protocol_seen = true;
	handshake->bearer = begins_with(value, len, BEARER);
	if (!begins_with(value, len, BEARER ",") || handshake->token_is_cookie)
		return true;
	value += strlen(BEARER ",");
	len -= strlen(BEARER ",");
	trim(&value, &len);
	return len == 0 || keep_token(handshake, value, len);
}

static bool
take_cookies(Handshake *handshake, const char *value, size_t value_len)
{
	const char *cookie;
	size_t		len;

	while (!handshake->token_is_cookie && next_element(&value, &value_len, ';', &cookie, &len))
	{
		if (!begins_with(cookie, len, COOKIE))
			continue;
		cookie += strlen(COOKIE);
		len -= strlen(COOKIE);
		if (len >= 2 && cookie[0] == '"' && cookie[len - 1] == '"')
		{
			cookie++;
			len -= 2;
		}
		handshake->token_is_cookie = true;
		return keep_token(handshake, cookie, len);
	}
	return true;
}

/* ---------- headers ---------- */

static void
take_key(Handshake *handshake, const char *value, size_t len)
{
	handshake->keys = Min(handshake->keys + 1, 2);
	handshake->key[0] = '\0';
	if (len != WEBSOCKET_KEY_LEN)
		return;
	memcpy(handshake->key, value, len);
	handshake->key[len] = '\0';
}

bool
handshake_header(Handshake *handshake, const char *name, size_t name_len,
				 const char *value, size_t value_len)
{
	static const char websocket[] = "sec-websocket-";

	trim(&value, &value_len);
	if (name_len == 7 && memcmp(name, "upgrade", 7) == 0)
		handshake->wanted |= list_contains(value, value_len, "websocket");
	else if (name_len == 6 && memcmp(name, "cookie", 6) == 0)
		return take_cookies(handshake, value, value_len);
	if (!begins_with(name, name_len, websocket))
		return true;
	name += sizeof(websocket) - 1;
	name_len -= sizeof(websocket) - 1;
	if (name_len == 3 && memcmp(name, "key", 3) == 0)
		take_key(handshake, value, value_len);
	else if (name_len == 7 && memcmp(name, "version", 7) == 0)
		handshake->version_right |= list_contains(value, value_len, "13");
	else if (name_len == 8 && memcmp(name, "protocol", 8) == 0)
		return take_protocol(handshake, value, value_len);
	return true;
}

void
handshake_reset(Handshake *handshake)
{
	free(handshake->token);
	memset(handshake, 0, sizeof(Handshake));
}

/* ---------- right or wrong ---------- */

/*
 * A key is the base64 of 16 bytes.
 */
static bool
key_is_right(const Handshake *handshake)
{
	unsigned char bytes[WEBSOCKET_KEY_LEN];

	return handshake->keys == 1 && strlen(handshake->key) == WEBSOCKET_KEY_LEN &&
		strcspn(handshake->key, "=") == WEBSOCKET_KEY_LEN - 2 &&
		EVP_DecodeBlock(bytes, (const unsigned char *) handshake->key, WEBSOCKET_KEY_LEN) > 0;
}

int
handshake_refusal(const Handshake *handshake, bool get, bool old, bool has_body)
{
	if (!get)
		return 405;
	if (!handshake->version_right)
		return 426;
	if (old || has_body || !key_is_right(handshake))
		return 400;
	return 0;
}

bool
handshake_accept(const Handshake *handshake, char *accept)
{
	char		text[WEBSOCKET_KEY_LEN + sizeof(ACCEPT_GUID)];
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int len;

	memcpy(text, handshake->key, WEBSOCKET_KEY_LEN);
	memcpy(text + WEBSOCKET_KEY_LEN, ACCEPT_GUID, sizeof(ACCEPT_GUID));
	if (EVP_Digest(text, sizeof(text) - 1, digest, &len, EVP_sha1(), NULL) != 1)
		return false;
	return EVP_EncodeBlock((unsigned char *) accept, digest, len) == WEBSOCKET_ACCEPT_LEN;
}
