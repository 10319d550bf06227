/*-------------------------------------------------------------------------
 *
 * url.h
 *	  The URLs of clients: where the gateway listens, and what it says of that.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/url.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_GATEWAY_URL_H
#define PGQ_GATEWAY_URL_H

#include <sys/socket.h>

#define URLS_MAX		16
#define URL_MAX_BYTES	256

typedef struct ClientUrl
{
	char		text[URL_MAX_BYTES];
	bool		tls;
	char		host[URL_MAX_BYTES];	/* without brackets */
	int			port;
} ClientUrl;

/*
 * Take apart "http://host:port,https://[::1]:port".  Returns how many, or -1 with what is wrong in
 * *problem (constant text).  Neither raises nor allocates.
 */
extern int	urls_parse(const char *text, ClientUrl *urls, const char **problem);

/*
 * The addresses of a host that is an IP address or "localhost"; no name is looked up.  Returns
 * how many, 0 if it is a name.
 */
extern int	url_addresses(const ClientUrl *url, struct sockaddr_storage *addresses,
						  socklen_t *lengths, int max);

extern bool address_is_loopback(const struct sockaddr_storage *address);

#endif							/* PGQ_GATEWAY_URL_H */
