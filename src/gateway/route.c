/*-------------------------------------------------------------------------
 *
 * route.c
 *	  The head of a request: its headers, and what it asks for.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/route.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "datatype/timestamp.h"

#include "gateway/transport.h"

#define TEXT_PLAIN	"text/plain; charset=utf-8"

/* ---------- headers ---------- */

static bool
is_name(const char *name, size_t len, const char *expected)
{
	return strlen(expected) == len && memcmp(name, expected, len) == 0;
}

static bool
begins_with(const char *value, size_t len, const char *expected)
{
	return len >= strlen(expected) && pg_strncasecmp(value, expected, strlen(expected)) == 0;
}

/*
 * Keep a part of the head; NULL if there is no memory.
 */
static char *
keep(Stream *stream, const char *bytes, size_t len)
{
	char	   *copy = malloc(len + 1);

	if (copy == NULL)
	{
		stream->head_too_large = true;
		return NULL;
	}
	memcpy(copy, bytes, len);
	copy[len] = '\0';
	stream->head_held += len;
	stream_hold(stream, (ssize_t) len);
	return copy;
}

static HttpMethod
method_of(const char *value, size_t len)
{
	static const struct
	{
		const char *name;
		HttpMethod	method;
	}			methods[] = {
		{"POST", HTTP_METHOD_POST}, {"GET", HTTP_METHOD_GET},
		{"HEAD", HTTP_METHOD_HEAD}, {"OPTIONS", HTTP_METHOD_OPTIONS}
	};
	size_t		i;

	for (i = 0; i < lengthof(methods); i++)
	{
		if (is_name(value, len, methods[i].name))
			return methods[i].method;
	}
	return HTTP_METHOD_OTHER;
}

/*
 * grpc-timeout: up to eight digits and a unit.  What is none is ignored.
 */
static int64
parse_timeout(const char *value, size_t len)
{
	int64		n = 0;
	size_t		i;

	if (len < 2 || len > 9)
		return -1;
	for (i = 0; i < len - 1; i++)
	{
		if (value[i] < '0' || value[i] > '9')
			return -1;
		n = n * 10 + (value[i] - '0');
	}
	switch (value[len - 1])
	{
		case 'H':
			return n * USECS_PER_HOUR;
		case 'M':
			return n * USECS_PER_MINUTE;
		case 'S':
			return n * USECS_PER_SEC;
		case 'm':
			return n * 1000;
		case 'u':
			return n;
		case 'n':
			return n / 1000;
		default:
			return -1;
	}
}

static void
set_token(Stream *stream, const char *value, size_t len, bool is_token)
{
	if (len > TOKEN_MAX_BYTES)
	{
		stream->head_too_large = true;
		return;
	}
	if (stream->call.token != NULL && (stream->is_token || !is_token))
		return;
	free((char *) stream->call.token);
	stream->call.token = keep(stream, value, len);
	stream->is_token = is_token;
}

void
stream_set_token(Stream *stream, const char *token)
{
	stream->is_token = false;
	set_token(stream, token, strlen(token), true);
}

/*
 * Where it goes.  The path of a gRPC method need not be kept.
 */
void
stream_set_path(Stream *stream, const char *path, size_t len)
{
	if (stream->path != NULL || stream->call.method != NULL)
		return;
	if (len > PATH_MAX_BYTES)
	{
		stream->head_too_large = true;
		return;
	}
	stream->call.method = method_by_path(path, len);
	if (stream->call.method == NULL)
		stream->path = keep(stream, path, len);
}

/*
 * What grpc-gateway takes for metadata, in headers of HTTP.
 */
static void
strip_metadata_prefix(const char **name, size_t *len)
{
	static const char prefix[] = "grpc-metadata-";

	if (*len > sizeof(prefix) - 1 && memcmp(*name, prefix, sizeof(prefix) - 1) == 0)
	{
		*name += sizeof(prefix) - 1;
		*len -= sizeof(prefix) - 1;
	}
}

/*
 * grpc-encoding.  The name is for the error by which it is refused.
 */
static void
set_encoding(Stream *stream, const char *value, size_t len)
{
	size_t		i;

	if (is_name(value, len, "identity"))
		len = 0;
	len = Min(len, sizeof(stream->encoding) - 1);
	for (i = 0; i < len; i++)
		stream->encoding[i] = isalnum((unsigned char) value[i]) || value[i] == '-' ? value[i] : '?';
	stream->encoding[len] = '\0';
}

void
stream_header(Stream *stream, const char *name, size_t name_len, const char *value,
			  size_t value_len)
{
	stream->header_bytes += name_len + value_len + 32;	/* as HTTP/2 counts them */
	stream->header_count++;
	if (stream->header_bytes > HEADERS_MAX_BYTES || stream->header_count > HEADERS_MAX_NUMBER)
	{
		stream->head_too_large = true;
		return;
	}
	strip_metadata_prefix(&name, &name_len);
	switch (name_len)
	{
		case 5:
			if (is_name(name, name_len, ":path"))
				stream_set_path(stream, value, value_len);
			else if (is_name(name, name_len, "token"))
				set_token(stream, value, value_len, true);
			break;
		case 7:
			if (is_name(name, name_len, ":method"))
				stream->http_method = method_of(value, value_len);
			break;
		case 9:
			if (is_name(name, name_len, "hasleader"))
				stream->call.has_leader = begins_with(value, value_len, "true") && value_len == 4;
			break;
		case 12:
			if (is_name(name, name_len, "content-type"))
				stream->grpc = begins_with(value, value_len, "application/grpc") &&
					(value_len == 16 || value[16] == '+' || value[16] == ';');
			else if (is_name(name, name_len, "grpc-timeout"))
				stream->timeout_us = parse_timeout(value, value_len);
			break;
		case 13:
			if (is_name(name, name_len, "authorization"))
				set_token(stream, value, value_len, false);
			else if (is_name(name, name_len, "grpc-encoding"))
				set_encoding(stream, value, value_len);
			break;
		default:
			break;
	}
}

/* ---------- where to ---------- */

static void
answer_text(Stream *stream, int status, const char *text)
{
	stream_answer(stream, status, TEXT_PLAIN, text, strlen(text));
}

static void
refuse_http_method(Stream *stream, const char *allow)
{
	stream->allow = allow;
	answer_text(stream, 405, "Method Not Allowed\n");
}

/*
 * There is no such method: say whether there is such a service, in gRPC's words.
 */
static void
refuse_unknown(Stream *stream)
{
	const char *path = stream->path != NULL ? stream->path : "";
	const char *slash = strrchr(path, '/');
	char		text[512];
	int			i;

	if (path[0] != '/' || slash == path)
	{
		snprintf(text, sizeof(text), "malformed method name: \"%.200s\"", path);
		stream_finish(stream, GRPC_UNIMPLEMENTED, text);
		return;
	}
	for (i = 0; i < method_count(); i++)
	{
		if (strncmp(method_at(i)->path, path, slash - path + 1) == 0)
		{
			snprintf(text, sizeof(text), "unknown method %.200s for service %.*s", slash + 1,
					 (int) Min(slash - path - 1, 200), path + 1);
			stream_finish(stream, GRPC_UNIMPLEMENTED, text);
			return;
		}
	}
	snprintf(text, sizeof(text), "unknown service %.*s", (int) Min(slash - path - 1, 200), path + 1);
	stream_finish(stream, GRPC_UNIMPLEMENTED, text);
}

/*
 * etcd has no decompressor either, and refuses calls that might need one.
 */
static void
refuse_encoding(Stream *stream)
{
	char		text[128];

	snprintf(text, sizeof(text), "grpc: Decompressor is not installed for grpc-encoding \"%s\"",
			 stream->encoding);
	stream_finish(stream, GRPC_UNIMPLEMENTED, text);
}

static void
route_grpc(Stream *stream)
{
	const Method *method = stream->call.method;

	if (stream->http_method != HTTP_METHOD_POST)
	{
		refuse_http_method(stream, "POST");
		return;
	}
	stream_begin_call(stream, method, &grpc_face);
	if (method == NULL)
		refuse_unknown(stream);
	else if (stream->encoding[0] != '\0')
		refuse_encoding(stream);
	else if (stream->timeout_us == 0)
		stream_finish(stream, GRPC_DEADLINE_EXCEEDED, "context deadline exceeded");
}

/*
 * The path behind "/v3" or one of the names it had in older versions; NULL if it is none of these.
 */
static const char *
json_path(const char *path)
{
	static const char *const prefixes[] = {"/v3", "/v3beta", "/v3alpha"};
	size_t		i;

	for (i = 0; i < lengthof(prefixes); i++)
	{
		size_t		len = strlen(prefixes[i]);

		if (strncmp(path, prefixes[i], len) == 0 && path[len] == '/')
			return path + len;
	}
	return NULL;
}

bool
stream_is_below_json(const Stream *stream)
{
	return stream->path != NULL && json_path(stream->path) != NULL;
}

static void
route_json(Stream *stream, const char *path)
{
	const Method *method = method_by_json_path(path, strlen(path));

	if (method == NULL)
		answer_text(stream, 404, "Not Found\n");
	else if (stream->http_method != HTTP_METHOD_POST)
		refuse_http_method(stream, "POST");
	else
	{
		stream->call.json = true;
		stream->keep_body = true;
		stream_begin_call(stream, method, &json_face);
		if (stream->timeout_us == 0)
			stream_finish(stream, GRPC_DEADLINE_EXCEEDED, "context deadline exceeded");
	}
}

static void
route_page(Stream *stream, const char *query)
{
	if (stream->http_method != HTTP_METHOD_GET && stream->http_method != HTTP_METHOD_HEAD)
	{
		refuse_http_method(stream, "GET");
		return;
	}
	stream->is_page = true;
	stream->page.path = stream->path;
	stream->page.query = query;
	stream->page.stream = stream;
}

/*
 * stream_route() -- the head of the request is complete.
 */
void
stream_route(Stream *stream)
{
	static const char none[] = "";
	const char *query = none;
	const char *below;
	char	   *mark;

	if (stream->head_too_large)
	{
		answer_text(stream, 431, "Request Header Fields Too Large\n");
		return;
	}
	if (stream->grpc && stream->conn->protocol == &http2_protocol)
	{
		route_grpc(stream);
		return;
	}
	stream->call.method = NULL; /* was one of gRPC's */
	if (stream->http_method == HTTP_METHOD_OPTIONS)
	{
		stream_answer(stream, 200, NULL, "", 0);
		return;
	}
	if (stream->path == NULL)
	{
		answer_text(stream, 404, "404 page not found\n");
		return;
	}
	mark = strpbrk(stream->path, "?#");
	if (mark != NULL)
	{
		if (*mark == '?')
			query = mark + 1;
		*mark = '\0';
	}
	below = json_path(stream->path);
	if (below != NULL)
		route_json(stream, below);
	else if (page_exists(stream->path))
		route_page(stream, query);
	else
		answer_text(stream, 404, "404 page not found\n");
}

/* ---------- the body ---------- */

/*
 * stream_body() -- bytes of the request's body.
 */
void
stream_body(Stream *stream, const uint8 *data, size_t len)
{
	if (stream->face == &grpc_face && !stream->finished)
		grpc_body(stream, data, len);
	else if (stream->face == &json_face && !stream->finished && stream->keep_body)
		json_body(stream, data, len);
	else
		stream->conn->protocol->consumed(stream, len);
}

/*
 * stream_body_end() -- the request is complete.
 */
void
stream_body_end(Stream *stream)
{
	stream->half_closed = true;
	if (stream->is_page)
		stream_make_runnable(stream);
	if (stream->face == NULL || stream->finished)
		return;
	if (stream->face == &json_face)
		json_body_end(stream);
	else if (stream->partial_want > 0 || stream->partial != NULL || stream->prefix_len > 0)
		stream_finish(stream, GRPC_INTERNAL, "the request ends within a message");
	else
		stream_make_runnable(stream);
}
