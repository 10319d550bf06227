/*-------------------------------------------------------------------------
 *
 * listen.c
 *	  The sockets that clients connect to.
 *
 * A socket that cannot be opened is tried again every second, with one line in the log when that begins
 * and one when it ends.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/listen.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "gateway/transport.h"
#include "gateway/url.h"

#include "settings.h"

#define LISTENERS_MAX		(2 * URLS_MAX)
#define BACKLOG				1024
#define RETRY_MS			1000

/* Accepted in a turn; a handshake of TLS costs a millisecond or more */
#define ACCEPTS_PER_TURN	64
#define TLS_ACCEPTS_PER_TURN 4

/* How long no connection is accepted when descriptors have run out */
#define EXHAUSTED_MS		100

typedef struct Listener
{
	Pollable	poll;
	bool		tls;
	bool		optional;		/* the second address of "localhost" */
	char		url[URL_MAX_BYTES];
	struct sockaddr_storage address;
	socklen_t	address_len;
	char		problem[256];	/* why it is not open; as logged last */
} Listener;

static Listener listeners[LISTENERS_MAX];
static int	n_listeners;
static Timer retry_timer;
static Timer exhausted_timer;
static bool draining;

/* ---------- accepting ---------- */

static void
accept_again(Timer *timer)
{
	int			i;

	for (i = 0; i < n_listeners; i++)
	{
		if (listeners[i].poll.fd >= 0)
			(void) poll_want(&listeners[i].poll, EPOLLIN);
	}
}

/*
 * There are no descriptors, or no memory: leave the clients in the queue for a while.
 */
static void
rest(void)
{
	static ClockTime logged = 0;
	int			error = errno;
	int			i;

	if (logged == 0 || clock_exceeds(logged, gateway_now, 60000))
	{
		errno = error;
		ereport(LOG, (errmsg("gateway could not accept a connection: %m")));
		logged = gateway_now;
	}
	for (i = 0; i < n_listeners; i++)
	{
		if (listeners[i].poll.fd >= 0)
			(void) poll_want(&listeners[i].poll, 0);
	}
	timer_set(&exhausted_timer, clock_plus_ms(gateway_now, EXHAUSTED_MS), accept_again);
}

static void
refuse_connection(int fd)
{
	static ClockTime logged = 0;

	close(fd);
	gateway_stats.refused++;
	if (logged == 0 || clock_exceeds(logged, gateway_now, 60000))
	{
		ereport(LOG,
				(errmsg("gateway refuses connections: there are %d already", conns_limit()),
				 errhint("The limits are pg_quorum.max_client_connections and that of open files.")));
		logged = gateway_now;
	}
}

static void
listener_ready(Pollable *pollable, uint32 events)
{
	Listener   *listener = (Listener *) pollable;	/* its first member */
	int			left = listener->tls ? TLS_ACCEPTS_PER_TURN : ACCEPTS_PER_TURN;

	while (left-- > 0)
	{
		int			fd = accept4(listener->poll.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
		{
			if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
				rest();
			return;
		}
		gateway_stats.accepted++;
		if (gateway_stats.connections >= (uint32) conns_limit())
			refuse_connection(fd);
		else
			(void) conn_new(fd, listener->tls);
	}
}

/* ---------- opening ---------- */

static bool
open_socket(Listener *listener, char *problem, size_t size)
{
	int			fd;
	int			on = 1;
	const char *step = "create socket";

	fd = socket(listener->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0)
	{
		(void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		if (listener->address.ss_family == AF_INET6)
			(void) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
		step = "bind";
		if (bind(fd, (struct sockaddr *) &listener->address, listener->address_len) == 0)
		{
			step = "listen";
			if (listen(fd, BACKLOG) == 0)
			{
				listener->poll.fd = fd;
				listener->poll.ready = listener_ready;
				step = "watch socket";
				if (poll_want(&listener->poll, EPOLLIN))
					return true;
				listener->poll.fd = -1;
			}
		}
	}
	snprintf(problem, size, "could not %s: %s", step, strerror(errno));
	if (fd >= 0)
		close(fd);
	return false;
}

static void
close_listener(Listener *listener)
{
	if (listener->poll.fd < 0)
		return;
	poll_forget(&listener->poll);
	close(listener->poll.fd);
	listener->poll.fd = -1;
}

static void
try_again(Timer *timer)
{
	listen_open();
}

/*
 * What keeps a listener from being open, if that can be known without trying.
 */
static const char *
obstacle(const Listener *listener)
{
	if (listener->tls && !tls_is_loaded())
		return "its certificate could not be loaded";
	if (!listener->tls && !setting_allow_plain_listen &&
		!address_is_loopback(&listener->address))
		return "it would be reachable from other machines without TLS";
	return NULL;
}

static void
say_problem(Listener *listener, const char *problem, bool plain)
{
	if (strcmp(problem, listener->problem) == 0)
		return;
	strlcpy(listener->problem, problem, sizeof(listener->problem));
	ereport(LOG,
			(errmsg("gateway does not listen on %s", listener->url),
			 errdetail("%s.", problem),
			 plain ? errhint("Use a URL of https, or set pg_quorum.allow_plain_listen.") : 0));
}

void
listen_open(void)
{
	bool		again = false;
	int			i;

	for (i = 0; i < n_listeners && !draining; i++)
	{
		Listener   *listener = &listeners[i];
		const char *hindrance = obstacle(listener);
		char		problem[256];

		if (hindrance != NULL)
		{
			close_listener(listener);
			say_problem(listener, hindrance, !listener->tls);
			continue;
		}
		if (listener->poll.fd >= 0)
			continue;
		if (open_socket(listener, problem, sizeof(problem)))
		{
			listener->problem[0] = '\0';
			ereport(LOG, (errmsg("gateway listens on %s", listener->url)));
		}
		else if (!listener->optional)
		{
			say_problem(listener, problem, false);
			again = true;
		}
	}
	if (again)
		timer_set(&retry_timer, clock_plus_ms(gateway_now, RETRY_MS), try_again);
}

static void
add_listeners(const ClientUrl *url)
{
	struct sockaddr_storage addresses[2];
	socklen_t	lengths[2];
	int			n = url_addresses(url, addresses, lengths, lengthof(addresses));
	int			i;

	for (i = 0; i < n; i++)
	{
		Listener   *listener = &listeners[n_listeners++];

		memset(listener, 0, sizeof(*listener));
		listener->poll.fd = -1;
		listener->tls = url->tls;
		listener->optional = i > 0;
		strlcpy(listener->url, url->text, sizeof(listener->url));
		listener->address = addresses[i];
		listener->address_len = lengths[i];
	}
}

/*
 * listen_init() -- read the setting, once in a process.
 */
void
listen_init(void)
{
	ClientUrl	urls[URLS_MAX];
	const char *problem;
	int			n = urls_parse(setting_listen_client_urls, urls, &problem);
	int			i;

	for (i = 0; i < n; i++)
		add_listeners(&urls[i]);
}

/*
 * listen_wants_tls() -- is there a URL of https?
 */
bool
listen_wants_tls(void)
{
	int			i;

	for (i = 0; i < n_listeners; i++)
	{
		if (listeners[i].tls)
			return true;
	}
	return false;
}

/*
 * listen_close() -- take no more clients; the server goes.
 */
void
listen_close(void)
{
	int			i;

	draining = true;
	for (i = 0; i < n_listeners; i++)
		close_listener(&listeners[i]);
}

/*
 * listen_describe() -- where clients can connect, for the process title and the status.
 */
void
listen_describe(char *text, size_t size)
{
	int			i;

	text[0] = '\0';
	for (i = 0; i < n_listeners; i++)
	{
		if (listeners[i].poll.fd < 0 || listeners[i].optional)
			continue;
		if (text[0] != '\0')
			strlcat(text, ",", size);
		strlcat(text, listeners[i].url, size);
	}
}

/*
 * listen_problem() -- what the first one that is not open is, and why; "" if all are.
 */
const char *
listen_problem(void)
{
	static char text[512];
	int			i;

	for (i = 0; i < n_listeners; i++)
	{
		if (listeners[i].poll.fd < 0 && listeners[i].problem[0] != '\0')
		{
			snprintf(text, sizeof(text), "not on %s: %s", listeners[i].url, listeners[i].problem);
			return text;
		}
	}
	return "";
}
