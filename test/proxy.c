/*-------------------------------------------------------------------------
 *
 * proxy.c
 *	  TCP links that a test can cut.
 *
 *	proxy NAME:LISTEN_PORT:TARGET_PORT...
 *
 * Forwards connections on 127.0.0.1 and obeys lines "NAME MODE" on its
 * standard input:
 *
 *	pass	forwards again; what was frozen moves on
 *	cut		resets the connections there are, and every new one
 *	slow	forwards a few megabytes a second
 *	freeze	says nothing and takes nothing: what is sent stays in buffers and a
 *			new connection gets no answer, as when a network loses packets
 *
 * Answers each line with "ok" on its standard output, and ends at the end of
 * its input, so it cannot outlive the test.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/proxy.c
 *
 *-------------------------------------------------------------------------
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_LINKS		64
#define MAX_CONNS		512
#define BUFFER_SIZE		65536

/* A slow link: so many bytes, then a pause (of all links, which is short). */
#define SLOW_BYTES		8192
#define SLOW_PAUSE_NS	2000000

typedef enum Mode
{
	MODE_PASS,
	MODE_CUT,
	MODE_FREEZE,
	MODE_SLOW
} Mode;

typedef struct Link
{
	char		name[32];
	int			target_port;
	int			listener;
	Mode		mode;
} Link;

/* One direction of a connection: bytes read at its source, not yet written. */
typedef struct Flow
{
	char		data[BUFFER_SIZE];
	int			start;
	int			end;
	bool		eof;			/* the source has ended */
	bool		closed;			/* and the other side has been told */
} Flow;

typedef struct Conn
{
	Link	   *link;
	int			fd[2];			/* the client's and the server's side */
	Flow		flow[2];		/* flow[i] comes from fd[i] */
} Conn;

static Link links[MAX_LINKS];
static int	nlinks;
static Conn *conns[MAX_CONNS];
static int	nconns;

static void
fail(const char *what)
{
	fprintf(stderr, "proxy: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void
set_nonblocking(int fd)
{
	int			one = 1;

	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static struct sockaddr_in
loopback(int port)
{
	struct sockaddr_in addr;

	memset(&addr, 0, sizeof(addr));
	addr.sin_family = AF_INET;
	addr.sin_port = htons((uint16_t) port);
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return addr;
}

static void
add_link(const char *spec)
{
	Link	   *link = &links[nlinks];
	int			port;
	int			one = 1;
	struct sockaddr_in addr;

	if (nlinks == MAX_LINKS ||
		sscanf(spec, "%31[^:]:%d:%d", link->name, &port, &link->target_port) != 3)
	{
		fprintf(stderr, "proxy: a link is NAME:LISTEN_PORT:TARGET_PORT\n");
		exit(1);
	}
	link->listener = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(link->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	addr = loopback(port);
	if (bind(link->listener, (struct sockaddr *) &addr, sizeof(addr)) < 0)
		fail("could not bind");
	if (listen(link->listener, 64) < 0)
		fail("could not listen");
	set_nonblocking(link->listener);
	nlinks++;
}

/* Close with a reset, so that both sides notice at once. */
static void
drop_conn(int i)
{
	struct linger linger = {1, 0};
	int			side;

	for (side = 0; side < 2; side++)
	{
		setsockopt(conns[i]->fd[side], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
		close(conns[i]->fd[side]);
	}
	free(conns[i]);
	conns[i] = conns[--nconns];
}

static void
accept_conn(Link *link)
{
	int			client = accept(link->listener, NULL, NULL);
	int			server;
	struct linger linger = {1, 0};
	struct sockaddr_in addr;
	Conn	   *conn;

	if (client < 0)
		return;
	server = socket(AF_INET, SOCK_STREAM, 0);
	addr = loopback(link->target_port);

	/* The loopback answers a connect at once, with success or refusal. */
	if (link->mode == MODE_CUT || nconns == MAX_CONNS ||
		connect(server, (struct sockaddr *) &addr, sizeof(addr)) < 0)
	{
		setsockopt(client, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
		close(client);
		close(server);
		return;
	}
	set_nonblocking(client);
	set_nonblocking(server);
	conn = calloc(1, sizeof(Conn));
	conn->link = link;
	conn->fd[0] = client;
	conn->fd[1] = server;
	conns[nconns++] = conn;
}

/* Move bytes of one direction; false if the connection is broken. */
static bool
pump(Conn *conn, int side, bool readable, bool writable)
{
	Flow	   *flow = &conn->flow[side];
	ssize_t		n;

	if (readable && !flow->eof && flow->start == flow->end)
	{
		if (conn->link->mode == MODE_SLOW)
		{
			const struct timespec pause = {0, SLOW_PAUSE_NS};

			nanosleep(&pause, NULL);
			n = read(conn->fd[side], flow->data, SLOW_BYTES);
		}
		else
			n = read(conn->fd[side], flow->data, BUFFER_SIZE);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		flow->start = 0;
		flow->end = n > 0 ? (int) n : 0;
		flow->eof = n == 0;
		writable = true;
	}
	if (writable && flow->start < flow->end)
	{
		n = send(conn->fd[!side], flow->data + flow->start,
				 flow->end - flow->start, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		if (n > 0)
			flow->start += (int) n;
	}
	if (flow->eof && flow->start == flow->end && !flow->closed)
	{
		shutdown(conn->fd[!side], SHUT_WR);
		flow->closed = true;
	}
	return !(conn->flow[0].closed && conn->flow[1].closed);
}

static void
obey(char *line)
{
	static const char *const modes[] = {"pass", "cut", "freeze", "slow"};
	char		name[32];
	char		mode[16];
	int			i;
	int			m;

	if (sscanf(line, "%31s %15s", name, mode) != 2)
		return;
	for (m = 0; m < 4 && strcmp(modes[m], mode) != 0; m++)
		;
	for (i = 0; i < nlinks && m < 4; i++)
		if (strcmp(links[i].name, name) == 0)
			links[i].mode = (Mode) m;
	for (i = nconns - 1; i >= 0; i--)
		if (conns[i]->link->mode == MODE_CUT)
			drop_conn(i);
	printf("ok\n");
	fflush(stdout);
}

/* Returns false at the end of the input. */
static bool
read_commands(void)
{
	static char buffer[1024];
	static size_t used;
	char	   *newline;
	ssize_t		n = read(STDIN_FILENO, buffer + used, sizeof(buffer) - 1 - used);

	if (n <= 0)
		return n < 0 && errno == EINTR;
	used += (size_t) n;
	buffer[used] = '\0';
	while ((newline = strchr(buffer, '\n')) != NULL)
	{
		*newline = '\0';
		obey(buffer);
		used -= (size_t) (newline + 1 - buffer);
		memmove(buffer, newline + 1, used + 1);
	}
	return true;
}

int
main(int argc, char **argv)
{
	static struct pollfd fds[1 + MAX_LINKS + 2 * MAX_CONNS];
	int			i;

	signal(SIGPIPE, SIG_IGN);
	for (i = 1; i < argc; i++)
		add_link(argv[i]);
	printf("ok\n");
	fflush(stdout);
	for (;;)
	{
		int			nfds = 0;
		int			polled;

		fds[nfds].fd = STDIN_FILENO;
		fds[nfds++].events = POLLIN;
		for (i = 0; i < nlinks; i++)
		{
			/* A negative descriptor is skipped by poll. */
			fds[nfds].fd = links[i].mode == MODE_FREEZE ? -1 : links[i].listener;
			fds[nfds++].events = POLLIN;
		}
		for (i = 0; i < nconns; i++)
		{
			int			side;

			for (side = 0; side < 2; side++)
			{
				const Flow *from = &conns[i]->flow[side];
				const Flow *to = &conns[i]->flow[!side];
				short		events = 0;

				if (!from->eof && from->start == from->end)
					events |= POLLIN;
				if (to->start < to->end)
					events |= POLLOUT;
				fds[nfds].fd = events == 0 || conns[i]->link->mode == MODE_FREEZE ?
					-1 : conns[i]->fd[side];
				fds[nfds++].events = events;
			}
		}
		if (poll(fds, (nfds_t) nfds, -1) < 0)
		{
			if (errno == EINTR)
				continue;
			fail("poll");
		}
		polled = nconns;
		for (i = polled - 1; i >= 0; i--)
		{
			const struct pollfd *fd = &fds[1 + nlinks + 2 * i];
			short		ready[2];
			int			side;
			bool		alive = true;

			for (side = 0; side < 2; side++)
				ready[side] = fd[side].fd < 0 ? 0 : fd[side].revents;
			for (side = 0; side < 2 && alive; side++)
				if (ready[side] || ready[!side])
					alive = pump(conns[i], side,
								 (ready[side] & (POLLIN | POLLHUP | POLLERR)) != 0,
								 (ready[!side] & POLLOUT) != 0);
			if (!alive)
				drop_conn(i);
		}
		for (i = 0; i < nlinks; i++)
			if (fds[1 + i].fd >= 0 && fds[1 + i].revents)
				accept_conn(&links[i]);
		if (fds[0].revents && !read_commands())
			return 0;
	}
}
