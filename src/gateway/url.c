/*-------------------------------------------------------------------------
 *
 * url.c
 *	  The URLs of clients: where the gateway listens, and what it says of that.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/url.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "gateway/url.h"

/*
 * The host, with an IPv6 address in brackets; returns what comes behind it, or NULL.
 */
static const char *
parse_host(const char *text, const char *end, char *host)
{
	const char *stop;

	if (text < end && *text == '[')
	{
		text++;
		stop = memchr(text, ']', end - text);
	}
	else
	{
		stop = text + strcspn(text, ":/,");
		if (stop > end)
			stop = end;
	}
	if (stop == NULL || stop == text || stop - text >= URL_MAX_BYTES)
		return NULL;
	memcpy(host, text, stop - text);
	host[stop - text] = '\0';
	return stop + (*stop == ']' ? 1 : 0);
}

static const char *
parse_one(const char *text, const char *end, ClientUrl *url)
{
	const char *at = text;
	int			port = 0;
	int			digits = 0;

	memset(url, 0, sizeof(*url));
	if (end - text >= URL_MAX_BYTES)
		return "A URL is too long.";
	memcpy(url->text, text, end - text);
	if (strncmp(url->text, "http://", 7) == 0)
		at += 7;
	else if (strncmp(url->text, "https://", 8) == 0)
	{
		url->tls = true;
		at += 8;
	}
	else
		return "A URL begins with \"http://\" or \"https://\".";
	at = parse_host(at, end, url->host);
	if (at == NULL)
		return "A URL has a host, an IPv6 address being in brackets.";
	if (at == end || *at != ':')
		return "A URL has a port, as in \"http://127.0.0.1:2379\".";
	for (at++; at < end && *at >= '0' && *at <= '9' && digits < 6; at++, digits++)
		port = port * 10 + (*at - '0');
	if (digits == 0 || port < 1 || port > 65535)
		return "The port of a URL is a number from 1 to 65535.";
	if (at < end && *at == '/')
		at++;
	if (at != end)
		return "A URL has no path.";
	url->port = port;
	return NULL;
}

int
urls_parse(const char *text, ClientUrl *urls, const char **problem)
{
	int			n = 0;

	for (;;)
	{
		const char *end;
		const char *next;

		while (*text == ' ' || *text == '\t' || *text == '\n')
			text++;
		if (*text == '\0')
			return n;
		next = text + strcspn(text, ",");
		end = next;
		while (end > text && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\n'))
			end--;
		if (n == URLS_MAX)
		{
			*problem = "There are too many URLs.";
			return -1;
		}
		*problem = parse_one(text, end, &urls[n]);
		if (*problem != NULL)
			return -1;
		n++;
		text = *next == ',' ? next + 1 : next;
	}
}

static bool
parse_address(const char *host, int port, struct sockaddr_storage *address, socklen_t *len)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *) address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *) address;

	memset(address, 0, sizeof(*address));
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1)
	{
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		*len = sizeof(*v4);
		return true;
	}
	if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1)
	{
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		*len = sizeof(*v6);
		return true;
	}
	return false;
}

int
url_addresses(const ClientUrl *url, struct sockaddr_storage *addresses, socklen_t *lengths, int max)
{
	if (strcmp(url->host, "localhost") == 0 && max >= 2)
	{
		(void) parse_address("127.0.0.1", url->port, &addresses[0], &lengths[0]);
		(void) parse_address("::1", url->port, &addresses[1], &lengths[1]);
		return 2;
	}
	return parse_address(url->host, url->port, &addresses[0], &lengths[0]) ? 1 : 0;
}

bool
address_is_loopback(const struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET)
		return (ntohl(((const struct sockaddr_in *) address)->sin_addr.s_addr) >> 24) == 127;
	return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *) address)->sin6_addr);
}
