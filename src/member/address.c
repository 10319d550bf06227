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
