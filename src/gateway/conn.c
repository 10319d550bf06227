/*-------------------------------------------------------------------------
 *
 * conn.c
 *	  Connections of clients: bytes between a socket and its protocol.
 *
 * All connections are read into one buffer, whose bytes the protocol takes at once.  What goes out
 * is put together in a buffer that a connection has only while there is something in it, and sent
 * by one call a turn.  So an idle connection holds no buffers.
 *
 * A connection that breaks is dead at once, and freed at the end of the turn: up
 * the stack somebody may still be using it.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/conn.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "utils/timestamp.h"

#include "gateway/transport.h"

#include "settings.h"

/* Read from a socket at a time, and from one connection in a turn (TLS) */
#define READ_BYTES			(64 * 1024)
#define READS_PER_TURN		4

/* Sent to one connection in a turn */
#define WRITES_PER_TURN		16

/* Time for a handshake, and for the first bytes */
#define HANDSHAKE_MS		10000
#define FIRST_BYTES_MS		30000

/* Steps of handshakes in a turn: one costs a millisecond or more */
#define HANDSHAKES_PER_TURN	8

/* A client that reads nothing for so long has gone, whatever its kernel says */
#define WRITE_STALL_MS		60000

/* How long, and how many bytes of it, a client is listened to that we are done with */
#define LINGER_MS			2000
#define LINGER_BYTES		(4 * 1024 * 1024)

/* Who holds less is not asked to go for want of memory */
#define LITTLE_BYTES		(64 * 1024)

#define OUT_BUFFERS_KEPT	32

/* Descriptors that are not for clients: PostgreSQL's own files */
#define FILES_RESERVED		100

static dlist_head connections = DLIST_STATIC_INIT(connections);
static dlist_head dead = DLIST_STATIC_INIT(dead);
static dlist_head dirty = DLIST_STATIC_INIT(dirty);
static dlist_head rereadable = DLIST_STATIC_INIT(rereadable);

static OutBuffer *free_buffers;
static int	n_free_buffers;
static uint8 read_buffer[READ_BYTES];
static int	handshakes;			/* in this turn */

static void conn_ready(Pollable *pollable, uint32 events);

/* ---------- the out buffer ---------- */

static OutBuffer *
take_buffer(void)
{
	OutBuffer  *buffer = free_buffers;

	if (buffer != NULL)
	{
		free_buffers = buffer->next;
		n_free_buffers--;
	}
	else
		buffer = malloc(sizeof(OutBuffer));
	if (buffer != NULL)
		buffer->start = buffer->end = 0;
	return buffer;
}

static void
drop_buffer(Conn *conn)
{
	OutBuffer  *buffer = conn->out;

	if (buffer == NULL)
		return;
	conn->out = NULL;
	if (n_free_buffers < OUT_BUFFERS_KEPT)
	{
		buffer->next = free_buffers;
		free_buffers = buffer;
		n_free_buffers++;
	}
	else
		free(buffer);
}

size_t
conn_room_left(const Conn *conn)
{
	return conn->out == NULL ? OUT_BUFFER_BYTES : OUT_BUFFER_BYTES - conn->out->end;
}

uint8 *
conn_room(Conn *conn, size_t n)
{
	if (conn->out == NULL)
		conn->out = take_buffer();
	if (conn->out == NULL || OUT_BUFFER_BYTES - conn->out->end < n)
		return NULL;
	return conn->out->data + conn->out->end;
}

void
conn_filled(Conn *conn, size_t n)
{
	conn->out->end += n;
	Assert(conn->out->end <= OUT_BUFFER_BYTES);
}

/* ---------- accounting ---------- */

void
conn_hold(Conn *conn, ssize_t n)
{
	if (conn != NULL)
		conn->buffered += n;
}

/*
 * The clients together hold more memory than they may: the one that holds most goes.  False if
 * each holds so little that none is to blame.
 */
static bool
shed(void)
{
	Conn	   *largest = NULL;
	dlist_iter	iter;

	dlist_foreach(iter, &connections)
	{
		Conn	   *conn = dlist_container(Conn, node, iter.cur);

		if (largest == NULL || conn->buffered > largest->buffered)
			largest = conn;
	}
	if (largest == NULL || largest->buffered < LITTLE_BYTES)
		return false;
	ereport(LOG,
			(errmsg("gateway closes a connection that holds %zu bytes of memory", largest->buffered),
			 errdetail("All clients together hold more than pg_quorum.client_memory."),
			 errhint("A client sends requests faster than they are carried out, or does not read its answers.")));
	conn_abort(largest);
	return true;
}

/*
 * conns_limit() -- how many connections there may be at a time.
 */
int
conns_limit(void)
{
	static int	files = 0;

	if (files == 0)
	{
		struct rlimit limit;

		files = INT_MAX;
		if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		{
			/* what the administrator allows at most */
			if (limit.rlim_cur < limit.rlim_max)
			{
				limit.rlim_cur = limit.rlim_max;
				if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
					(void) getrlimit(RLIMIT_NOFILE, &limit);
			}
			if (limit.rlim_cur < INT_MAX)
				files = Max((int) limit.rlim_cur - FILES_RESERVED, 10);
		}
	}
	return Min(setting_max_client_connections, files);
}

/* ---------- life ---------- */

void
conn_touch(Conn *conn)
{
	if (conn->dirty || conn->state == CONN_DEAD)
		return;
	dlist_push_tail(&dirty, &conn->dirty_node);
	conn->dirty = true;
}

static void
forget_lists(Conn *conn)
{
	if (conn->dirty)
		dlist_delete(&conn->dirty_node);
	if (conn->rereadable)
		dlist_delete(&conn->reread_node);
	conn->dirty = conn->rereadable = false;
}

void
conn_abort(Conn *conn)
{
	if (conn->state == CONN_DEAD)
		return;
	conn->state = CONN_DEAD;
	forget_lists(conn);
	timer_clear(&conn->timer);
	timer_clear(&conn->write_timer);
	poll_forget(&conn->poll);
	dlist_delete(&conn->node);
	dlist_push_tail(&dead, &conn->node);
}

void
conn_close(Conn *conn)
{
	conn->closing = true;
	conn_touch(conn);
}

void
conn_release_streams(Conn *conn)
{
	while (!dlist_is_empty(&conn->streams))
		stream_release(dlist_head_element(Stream, conn_node, &conn->streams));
}

static void
free_conn(Conn *conn)
{
	if (conn->protocol != NULL)
		conn->protocol->end(conn);
	Assert(dlist_is_empty(&conn->streams));
	if (conn->tls != NULL)
		tls_free(conn->tls);
	if (conn->poll.fd >= 0)
		close(conn->poll.fd);
	drop_buffer(conn);
	free(conn->peer_user);
	free(conn);
	gateway_stats.connections--;
}

/*
 * conns_reap() -- free what is dead; at the end of a turn.
 */
void
conns_reap(void)
{
	do
	{
		while (!dlist_is_empty(&dead))
			free_conn(dlist_container(Conn, node, dlist_pop_head_node(&dead)));
	} while (!memory_allows(0) && shed());
}

static void
abort_by_timer(Timer *timer)
{
	conn_abort((Conn *) ((char *) timer - offsetof(Conn, timer)));
}

static void
abort_by_write_timer(Timer *timer)
{
	Conn	   *conn = (Conn *) ((char *) timer - offsetof(Conn, write_timer));
	TimestampTz due = TimestampTzPlusMilliseconds(conn->progress_at, WRITE_STALL_MS);

	if (due <= gateway_now)
		conn_abort(conn);
	else
		timer_set(&conn->write_timer, due, abort_by_write_timer);
}

static bool
want_events(Conn *conn)
{
	uint32		events = 0;

	if (!conn->hung_up)
		events |= EPOLLRDHUP;
	if (!conn->read_off && !conn->eof)
		events |= EPOLLIN;
	if (conn->write_blocked)
		events |= EPOLLOUT;
	if (poll_want(&conn->poll, events))
		return true;
	conn_abort(conn);
	return false;
}

static void
set_socket_options(int fd)
{
	int			on = 1;
	int			stall_ms = WRITE_STALL_MS;

	/* fails on sockets that are not TCP's, which need none of it */
	(void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void) setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	(void) setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &stall_ms, sizeof(stall_ms));
}

Conn *
conn_new(int fd, bool tls)
{
	Conn	   *conn = calloc(1, sizeof(Conn));

	if (conn != NULL && tls)
	{
		conn->tls = tls_new(fd);
		if (conn->tls == NULL)
		{
			free(conn);
			conn = NULL;
		}
	}
	if (conn == NULL)
	{
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	conn->poll.fd = fd;
	conn->poll.ready = conn_ready;
	conn->state = tls ? CONN_HANDSHAKE : CONN_DETECT;
	conn->last_read = conn->progress_at = gateway_now;
	dlist_init(&conn->streams);
	dlist_push_tail(&connections, &conn->node);
	gateway_stats.connections++;
	timer_set(&conn->timer,
			  TimestampTzPlusMilliseconds(gateway_now, tls ? HANDSHAKE_MS : FIRST_BYTES_MS),
			  abort_by_timer);
	if (fd >= 0)
	{
		set_socket_options(fd);
		if (!want_events(conn))
			return NULL;
	}
	return conn;
}

/* ---------- in ---------- */

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
		(void) want_events(conn);
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
			if (want_events(conn))
				read_tls(conn);
			break;
		case TLS_WANTS_WRITE:
			conn->write_blocked = true;
			(void) want_events(conn);
			break;
		case TLS_WANTS_READ:
			conn->write_blocked = false;
			(void) want_events(conn);
			break;
		default:
			conn_abort(conn);
			break;
	}
}

static void
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
			(void) want_events(conn);
	}
}

void
conn_read_on(Conn *conn)
{
	if (!conn->read_off)
		return;
	conn->read_off = false;
	if (conn->state == CONN_DEAD || !want_events(conn))
		return;
	if (conn->tls != NULL)
		note_rereadable(conn);
}

/* ---------- out ---------- */

/*
 * Send what is in the out buffer.  False if the socket takes no more.
 */
static bool
send_buffer(Conn *conn)
{
	OutBuffer  *out = conn->out;
	size_t		left = out->end - out->start;
	size_t		sent = 0;

	if (conn->tls != NULL)
	{
		switch (tls_write(conn->tls, out->data + out->start, left, &sent))
		{
			case TLS_DONE:
				break;
			case TLS_WANTS_READ:
			case TLS_WANTS_WRITE:
				conn->write_blocked = true;
				return false;
			default:
				conn_abort(conn);
				return false;
		}
	}
	else if (conn->poll.fd >= 0)
	{
		ssize_t		n = send(conn->poll.fd, out->data + out->start, left, MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		{
			conn->write_blocked = true;
			return false;
		}
		if (n < 0)
		{
			conn_abort(conn);
			return false;
		}
		sent = n;
	}
	else
		sent = left;			/* there is no socket: a test */

	conn->progress_at = gateway_now;
	gateway_stats.wire_out += sent;
	out->start += sent;
	if (out->start == out->end)
		out->start = out->end = 0;
	else
		conn->write_blocked = conn->tls == NULL;	/* TLS takes a record at a time */
	return !conn->write_blocked;
}

/*
 * Everything is sent to a client that we are done with.
 */
static void
linger(Conn *conn)
{
	drop_buffer(conn);
	if (conn->tls != NULL)
		tls_goodbye(conn->tls);
	if (conn->eof || conn->poll.fd < 0 || shutdown(conn->poll.fd, SHUT_WR) < 0)
	{
		conn_abort(conn);
		return;
	}
	/* closing with unread bytes would take back what was sent */
	conn->state = CONN_LINGER;
	conn->read_off = false;
	timer_clear(&conn->write_timer);
	timer_set(&conn->timer, TimestampTzPlusMilliseconds(gateway_now, LINGER_MS), abort_by_timer);
	(void) want_events(conn);
}

static void
flush(Conn *conn)
{
	int			i;

	for (i = 0; i < WRITES_PER_TURN && conn->state == CONN_OPEN && !conn->write_blocked; i++)
	{
		if (conn->out == NULL || conn->out->end == 0)
		{
			if (!conn->protocol->produce(conn))
			{
				/* what it has put together may say why */
				if (conn->out != NULL && conn->out->end > 0)
					(void) send_buffer(conn);
				conn_abort(conn);
				return;
			}
			if (conn->out == NULL || conn->out->end == 0)
				break;
		}
		if (!send_buffer(conn))
			break;
	}
	if (conn->state != CONN_OPEN)
		return;

	if (i == WRITES_PER_TURN || (conn->out != NULL && conn->out->end > 0 && !conn->write_blocked))
		conn_touch(conn);		/* has had its share of the turn */
	if (conn->out == NULL || conn->out->end == 0)
	{
		drop_buffer(conn);
		timer_clear(&conn->write_timer);
		if (conn->closing && conn->protocol->at_rest(conn))
		{
			linger(conn);
			return;
		}
	}
	else if (conn->write_blocked && conn->write_timer.at == 0)
	{
		conn->progress_at = gateway_now;
		timer_set(&conn->write_timer, TimestampTzPlusMilliseconds(gateway_now, WRITE_STALL_MS),
				  abort_by_write_timer);
	}
	(void) want_events(conn);
}

/* ---------- a turn ---------- */

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
 * conns_flush() -- bytes out; at the end of a turn.
 */
void
conns_flush(void)
{
	dlist_head	now = DLIST_STATIC_INIT(now);

	while (!dlist_is_empty(&dirty))
		dlist_push_tail(&now, dlist_pop_head_node(&dirty));
	while (!dlist_is_empty(&now))
	{
		Conn	   *conn = dlist_container(Conn, dirty_node, dlist_pop_head_node(&now));

		conn->dirty = false;
		flush(conn);
	}
}

bool
conns_have_more(void)
{
	return !dlist_is_empty(&rereadable) || !dlist_is_empty(&dirty);
}

/* ---------- the server goes ---------- */

void
conns_drain(void)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &connections)
	{
		Conn	   *conn = dlist_container(Conn, node, iter.cur);
		dlist_mutable_iter inner;

		if (conn->state != CONN_OPEN)
			continue;
		dlist_foreach_modify(inner, &conn->streams)
			stream_end_for_shutdown(dlist_container(Stream, conn_node, inner.cur));
		conn->protocol->drain(conn);
	}
}

/*
 * conns_drained() -- has everything been sent that could be?
 */
bool
conns_drained(void)
{
	dlist_iter	iter;

	dlist_foreach(iter, &connections)
	{
		Conn	   *conn = dlist_container(Conn, node, iter.cur);

		if (conn->state == CONN_OPEN &&
			(conn->dirty || conn->out != NULL || !dlist_is_empty(&conn->streams)))
			return false;
	}
	return true;
}
