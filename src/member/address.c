/*-------------------------------------------------------------------------
 *
 * address.c
 *	  How a member is reached: conninfos, and etcd's form of a peer's URL.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/address.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "libpq-fe.h"

#include "member.h"
#include "address.h"

/* What a host name or address can consist of; it is put between quotes. */
#define HOST_CHARS \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:%"

bool
address_is_url(const char *conninfo)
{
	return strncmp(conninfo, "http://", 7) == 0 || strncmp(conninfo, "https://", 8) == 0;
}

/*
 * address_from_url() -- scheme://host[:port][/], the host of IPv6 in brackets, as
 * a conninfo, palloc'd; NULL if it has another form.  https asks for a verified
 * certificate.
 */
char *
address_from_url(const char *url)
{
	bool		tls = url[4] == 's';
	const char *host = url + (tls ? 8 : 7);
	const char *end = host + strcspn(host, "/");
	const char *host_end;
	const char *port = NULL;

	if (*end == '/' && end[1] != '\0')
		return NULL;
	if (*host == '[')
	{
		host_end = memchr(host, ']', end - host);
		if (host_end == NULL)
			return NULL;
		host++;
		if (host_end + 1 < end)
			port = host_end + 1;
	}
	else
	{
		host_end = memchr(host, ':', end - host);
		if (host_end == NULL)
			host_end = end;
		else
			port = host_end;
	}
	if (host_end == host || strspn(host, HOST_CHARS) < (size_t) (host_end - host))
		return NULL;
	if (port == NULL)
		return psprintf("host='%.*s' sslmode=%s", (int) (host_end - host), host,
						tls ? "verify-full" : "prefer");
	if (*port++ != ':' || port == end || strspn(port, "0123456789") != (size_t) (end - port))
		return NULL;
	return psprintf("host='%.*s' port=%.*s sslmode=%s", (int) (host_end - host), host,
					(int) (end - port), port, tls ? "verify-full" : "prefer");
}

static PQconninfoOption *
parse_conninfo(const char *conninfo)
{
	char	   *message = NULL;
	PQconninfoOption *options;

	if (address_is_url(conninfo))
		conninfo = address_from_url(conninfo);
	if (conninfo == NULL)
		return NULL;
	options = PQconninfoParse(conninfo, &message);
	if (message != NULL)
		PQfreemem(message);
	return options;
}

/* The value of an option, the first one of a list; NULL if it is not given */
static char *
option_value(const PQconninfoOption *options, const char *keyword)
{
	for (; options->keyword != NULL; options++)
	{
		if (strcmp(options->keyword, keyword) == 0)
			return options->val == NULL || options->val[0] == '\0' ? NULL :
				pnstrdup(options->val, strcspn(options->val, ","));
	}
	return NULL;
}

/*
 * address_to_url() -- see address.h.
 */
char *
address_to_url(const char *conninfo)
{
	PQconninfoOption *options = parse_conninfo(conninfo);
	char	   *host;
	char	   *port;
	char	   *sslmode;
	const char *scheme = "http";

	if (options == NULL)
		return NULL;
	host = option_value(options, "host");
	if (host == NULL)
		host = option_value(options, "hostaddr");
	port = option_value(options, "port");
	sslmode = option_value(options, "sslmode");
	PQconninfoFree(options);

	if (host == NULL)
		return NULL;
	if (port == NULL)
		port = DEF_PGPORT_STR;
	if (host[0] == '/')
		return psprintf("unix://%s/.s.PGSQL.%s", host, port);
	if (sslmode != NULL && (strcmp(sslmode, "require") == 0 || strncmp(sslmode, "verify", 6) == 0))
		scheme = "https";
	return psprintf(strchr(host, ':') != NULL ? "%s://[%s]:%s" : "%s://%s:%s", scheme, host, port);
}

/* An option of a conninfo, as option_value() */
static char *
conninfo_value(const char *conninfo, const char *keyword)
{
	PQconninfoOption *options = parse_conninfo(conninfo);
	char	   *value;

	if (options == NULL)
		return NULL;
	value = option_value(options, keyword);
	PQconninfoFree(options);
	return value;
}

/*
 * address_equals() -- see address.h.
 *
 * Where both say at which address the host is, that counts: machines may share a name for the sake
 * of a certificate.
 */
bool
address_equals(const char *a, const char *b)
{
	char	   *url_a = address_to_url(a);
	char	   *url_b = address_to_url(b);
	char	   *address_a;
	char	   *address_b;

	if (url_a == NULL || url_b == NULL || strcmp(strchr(url_a, ':'), strchr(url_b, ':')) != 0)
		return false;
	address_a = conninfo_value(a, "hostaddr");
	address_b = conninfo_value(b, "hostaddr");
	return address_a == NULL || address_b == NULL || strcmp(address_a, address_b) == 0;
}

static void
append_option(StringInfo buf, const char *keyword, const char *value)
{
	appendStringInfo(buf, "%s%s='", buf->len > 0 ? " " : "", keyword);
	for (; *value != '\0'; value++)
	{
		if (*value == '\'' || *value == '\\')
			appendStringInfoChar(buf, '\\');
		appendStringInfoChar(buf, *value);
	}
	appendStringInfoChar(buf, '\'');
}

/* Is it one of those that a URL decides?  What else asks for TLS stays as it is */
static bool
is_place(const char *keyword)
{
	return strcmp(keyword, "host") == 0 || strcmp(keyword, "hostaddr") == 0 ||
		strcmp(keyword, "port") == 0;
}

/*
 * address_move() -- see address.h.
 */
char *
address_move(const char *conninfo, const char *url)
{
	PQconninfoOption *old = conninfo[0] != '\0' ? parse_conninfo(conninfo) : NULL;
	PQconninfoOption *new = parse_conninfo(url);
	PQconninfoOption *option;
	bool		tls = strncmp(url, "https:", 6) == 0;
	char	   *sslmode = NULL;
	StringInfoData buf;

	initStringInfo(&buf);
	for (option = new; option != NULL && option->keyword != NULL; option++)
	{
		if (option->val != NULL && is_place(option->keyword))
			append_option(&buf, option->keyword, option->val);
	}
	for (option = old; option != NULL && option->keyword != NULL; option++)
	{
		if (option->val == NULL || is_place(option->keyword))
			continue;
		if (strcmp(option->keyword, "sslmode") == 0)
			sslmode = pstrdup(option->val);
		else
			append_option(&buf, option->keyword, option->val);
	}
	/* http leaves open how, https asks for what cannot be listened to */
	if (tls && (sslmode == NULL ||
				(strcmp(sslmode, "require") != 0 && strncmp(sslmode, "verify", 6) != 0)))
		sslmode = "verify-full";
	if (sslmode != NULL)
		append_option(&buf, "sslmode", sslmode);
	if (old != NULL)
		PQconninfoFree(old);
	if (new == NULL || (old == NULL && conninfo[0] != '\0'))
		return NULL;
	PQconninfoFree(new);
	return buf.data;
}

/*
 * member_conninfo_is_valid() -- see member.h.
 *
 * What libpq says of a bad one is not passed on: it may quote a password.
 */
bool
member_conninfo_is_valid(const char *conninfo)
{
	PQconninfoOption *options;
	char	   *message = NULL;
	bool		any = false;
	int			i;

	if (conninfo == NULL || strlen(conninfo) > MEMBER_CONNINFO_LEN)
		return false;
	if (address_is_url(conninfo))
		return address_from_url(conninfo) != NULL;
	options = PQconninfoParse(conninfo, &message);
	if (message != NULL)
		PQfreemem(message);
	if (options == NULL)
		return false;
	for (i = 0; options[i].keyword != NULL; i++)
		any = any || options[i].val != NULL;
	PQconninfoFree(options);
	return any;
}
