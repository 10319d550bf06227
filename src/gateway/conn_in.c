/*-------------------------------------------------------------------------
 *
 * conn_in.c
 *	  Bytes from the socket of a connection to its protocol.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/conn_in.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include "gateway/transport.h"

/* Read from a socket at a time, and from one connection in a turn (TLS) */
#define READ_BYTES			(64 * 1024)
#define READS_PER_TURN		4

/* Steps of handshakes in a turn: one costs a millisecond or more */
#define HANDSHAKES_PER_TURN	8

/* How many bytes of a client are thrown away that we are done with */
#define LINGER_BYTES		(4 * 1024 * 1024)

static dlist_head rereadable = DLIST_STATIC_INIT(rereadable);
static uint8 read_buffer[READ_BYTES];
static int	handshakes;			/* in this turn */

static bool
begin_protocol(Conn *conn, const Protocol *protocol)
{
	timer_clear(&conn->timer);
	conn->state = CONN_OPEN;
	conn->protocol = protocol;
	if (protocol->begin(conn))
		return true;
	conn_abort(conn);
	return false;
}

/*
 * Which protocol?  No method of HTTP/1 begins as the preface of HTTP/2 does.  Returns how many of the
 * bytes were put aside because there are too few to tell.
 */
static size_t
detect(Conn *conn, const uint8 *data, size_t len)
{
	static const uint8 preface[3] = {'P', 'R', 'I'};
	size_t		n = Min(len, sizeof(preface) - conn->n_first);
	uint8		first[3];
	int			n_first;

	memcpy(conn->first + conn->n_first, data, n);
	conn->n_first += n;
	if (memcmp(conn->first, preface, conn->n_first) == 0)
	{
		if (conn->n_first < sizeof(preface))
			return n;
		if (!begin_protocol(conn, &http2_protocol))
			return n;
	}
	else if (!begin_protocol(conn, &http1_protocol))
		return n;

	memcpy(first, conn->first, sizeof(first));
	n_first = conn->n_first;
	conn->n_first = 0;
	conn_feed(conn, first, n_first);
	return n;
}

void
conn_feed(Conn *conn, const uint8 *data, size_t len)
{
	size_t		n;

	gateway_stats.wire_in += len;
	if (conn->state == CONN_DETECT && len > 0)
	{
		n = detect(conn, data, len);
		gateway_stats.wire_in -= n;
		data += n;
		len -= n;
	}
	if (conn->state == CONN_LINGER || (conn->state == CONN_OPEN && conn->closing))
	{
		conn->lingered += len;
		if (conn->lingered > LINGER_BYTES)
			conn_abort(conn);
		return;
	}
	if (conn->state != CONN_OPEN || len == 0)
		return;
	if (!conn->protocol->feed(conn, data, len))
		conn_close(conn);
	conn_touch(conn);
}

static void
client_is_silent(Conn *conn)
{
	conn->eof = conn->hung_up = true;
	if (conn->state != CONN_OPEN || conn->closing)
		conn_abort(conn);
	else if (!conn->protocol->eof(conn))
		conn_abort(conn);
	else
		(void) conn_watch(conn);
}

static void
note_rereadable(Conn *conn)
{
	if (conn->rereadable || conn->state == CONN_DEAD)
		return;
	dlist_push_tail(&rereadable, &conn->reread_node);
	conn->rereadable = true;
}

/*
 * Read from TLS, which may hold more than the socket shows.
 */
static void
read_tls(Conn *conn)
{
	int			i;

	for (i = 0; i < READS_PER_TURN && conn->state != CONN_DEAD && !conn->read_off; i++)
	{
		size_t		len;

		switch (tls_read(conn->tls, read_buffer, sizeof(read_buffer), &len))
		{
			case TLS_DONE:
				conn->last_read = gateway_now;
				conn_feed(conn, read_buffer, len);
				break;
			case TLS_WANTS_READ:
			case TLS_WANTS_WRITE:
				return;
			case TLS_CLOSED:
				client_is_silent(conn);
				return;
			case TLS_FAILED:
				conn_abort(conn);
				return;
		}
	}
	if (!conn->eof && !conn->read_off)
		note_rereadable(conn);
}

static void
read_plain(Conn *conn)
{
	ssize_t		n = recv(conn->poll.fd, read_buffer, sizeof(read_buffer), 0);

	if (n > 0)
	{
		conn->last_read = gateway_now;
		conn_feed(conn, read_buffer, n);
	}
	else if (n == 0)
		client_is_silent(conn);
	else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
		conn_abort(conn);
}

static void
read_some(Conn *conn)
{
	if (conn->read_off || conn->eof)
		return;
	if (conn->tls != NULL)
		read_tls(conn);
	else
		read_plain(conn);
}

static void
shake_hands(Conn *conn)
{
	if (handshakes >= HANDSHAKES_PER_TURN)
		return;					/* epoll tells again */
	handshakes++;
	switch (tls_handshake(conn->tls))
	{
		case TLS_DONE:
			conn->peer_user = tls_peer_user(conn->tls);
			conn->state = CONN_DETECT;
			conn->write_blocked = false;
			if (tls_is_h2(conn->tls) && !begin_protocol(conn, &http2_protocol))
				return;
			conn_touch(conn);	/* our settings go first */
			if (conn_watch(conn))
				read_tls(conn);
			break;
		case TLS_WANTS_WRITE:
			conn->write_blocked = true;
			(void) conn_watch(conn);
			break;
		case TLS_WANTS_READ:
			conn->write_blocked = false;
			(void) conn_watch(conn);
			break;
		default:
			conn_abort(conn);
			break;
	}
}

/*
 * conn_ready() -- epoll has something to tell.
 */
void
conn_ready(Pollable *pollable, uint32 events)
{
	Conn	   *conn = (Conn *) pollable;	/* its first member */

	if (events & (EPOLLERR | EPOLLHUP))
	{
		conn_abort(conn);
		return;
	}
	if (conn->state == CONN_HANDSHAKE)
	{
		shake_hands(conn);
		return;
	}
	if (events & EPOLLOUT)
	{
		conn->write_blocked = false;
		conn_touch(conn);
	}
	if (events & EPOLLIN)
		read_some(conn);
	else if ((events & EPOLLRDHUP) && conn->state == CONN_OPEN)
	{
		/* it is not read now: what it has sent before is read later */
		conn->hung_up = true;
		if (!conn->protocol->eof(conn))
			conn_abort(conn);
		else
			(void) conn_watch(conn);
	}
}

void
conn_read_on(Conn *conn)
{
	if (!conn->read_off)
		return;
	conn->read_off = false;
	if (conn->state == CONN_DEAD || !conn_watch(conn))
		return;
	if (conn->tls != NULL)
		note_rereadable(conn);
}

/*
 * conns_reread() -- read what epoll does not know of; at the beginning of a turn.
 */
void
conns_reread(void)
{
	dlist_head	now = DLIST_STATIC_INIT(now);

	handshakes = 0;
	while (!dlist_is_empty(&rereadable))
		dlist_push_tail(&now, dlist_pop_head_node(&rereadable));
	while (!dlist_is_empty(&now))
	{
		Conn	   *conn = dlist_container(Conn, reread_node, dlist_pop_head_node(&now));

		conn->rereadable = false;
		read_some(conn);
	}
}

/*
 * conns_rereadable() -- is there anything to be read that epoll does not know of?
 */
bool
conns_rereadable(void)
{
	return !dlist_is_empty(&rereadable);
}
