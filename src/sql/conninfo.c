/*-------------------------------------------------------------------------
 *
 * conninfo.c
 *	  Connection strings without what must not be shown.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/sql/conninfo.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "libpq-fe.h"

#include "sql.h"

/* Append a value as connection strings quote it */
static void
append_value(StringInfo buf, const char *value)
{
	if (*value != '\0' && strpbrk(value, " \t\n\r\f\v'\\") == NULL)
	{
		appendStringInfoString(buf, value);
		return;
	}
	appendStringInfoChar(buf, '\'');
	for (; *value != '\0'; value++)
	{
		if (*value == '\'' || *value == '\\')
			appendStringInfoChar(buf, '\\');
		appendStringInfoChar(buf, *value);
	}
	appendStringInfoChar(buf, '\'');
}

/*
 * libpq marks the options that hold secrets for its own connection dialogs:
 * dispchar '*' is a password.
 */
static bool
is_secret(const PQconninfoOption *option)
{
	return option->dispchar != NULL && *option->dispchar == '*';
}

/* http://user:password@host:port without what is before the host */
static char *
peer_url_public(const char *url)
{
	const char *host = strstr(url, "://") + strlen("://");
	size_t		authority = strcspn(host, "/?#");
	const char *at;

	for (at = host + authority; at > host && at[-1] != '@'; at--)
		;
	return psprintf("%.*s%s", (int) (host - url), url, at);
}

char *
sql_conninfo_public(const char *conninfo)
{
	PQconninfoOption *options;
	PQconninfoOption *option;
	StringInfoData buf;

	if (strncmp(conninfo, "http://", 7) == 0 || strncmp(conninfo, "https://", 8) == 0)
		return peer_url_public(conninfo);

	options = PQconninfoParse(conninfo, NULL);
	if (options == NULL)
		return NULL;

	initStringInfo(&buf);
	for (option = options; option->keyword != NULL; option++)
	{
		if (option->val == NULL || is_secret(option))
			continue;
		appendStringInfo(&buf, "%s%s=", buf.len > 0 ? " " : "", option->keyword);
		append_value(&buf, option->val);
	}
	PQconninfoFree(options);
	return buf.data;
}
