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

#include "clock.h"
#include "gateway/transport.h"

#include "settings.h"

/* Sent to one connection in a turn */
#define WRITES_PER_TURN		16

/* Time for a handshake, and for the first bytes */
#define HANDSHAKE_MS		10000
#define FIRST_BYTES_MS		30000

/* A client that reads nothing for so long has gone, whatever its kernel says */
#define WRITE_STALL_MS		60000

/* How long a client is listened to that we are done with */
#define LINGER_MS			2000

/* Who holds less is not asked to go for want of memory */
#define LITTLE_BYTES		(64 * 1024)

/* Descriptors that are not for clients: PostgreSQL's own files */
#define FILES_RESERVED		100

static dlist_head connections = DLIST_STATIC_INIT(connections);
static dlist_head dead = DLIST_STATIC_INIT(dead);
static dlist_head dirty = DLIST_STATIC_INIT(dirty);

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
	conn_drop_out(conn);
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
	ClockTime	due = clock_plus_ms(conn->progress_at, WRITE_STALL_MS);

	if (due <= gateway_now)
		conn_abort(conn);
	else
		timer_set(&conn->write_timer, due, abort_by_write_timer);
}

/*
 * conn_watch() -- have epoll tell what is of interest now; false: it could not, and the connection is dead.
 */
bool
conn_watch(Conn *conn)
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
			  clock_plus_ms(gateway_now, tls ? HANDSHAKE_MS : FIRST_BYTES_MS), abort_by_timer);
	if (fd >= 0)
	{
		set_socket_options(fd);
		if (!conn_watch(conn))
			return NULL;
	}
	return conn;
}

/* ---------- out ---------- */

/*
 * Everything is sent to a client that we are done with.
 */
static void
linger(Conn *conn)
{
	conn_drop_out(conn);
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
	timer_set(&conn->timer, clock_plus_ms(gateway_now, LINGER_MS), abort_by_timer);
	(void) conn_watch(conn);
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
					(void) conn_send_out(conn);
				conn_abort(conn);
				return;
			}
			if (conn->out == NULL || conn->out->end == 0)
				break;
		}
		if (!conn_send_out(conn))
			break;
	}
	if (conn->state != CONN_OPEN)
		return;

	if (i == WRITES_PER_TURN || (conn->out != NULL && conn->out->end > 0 && !conn->write_blocked))
		conn_touch(conn);		/* has had its share of the turn */
	if (conn->out == NULL || conn->out->end == 0)
	{
		conn_drop_out(conn);
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
		timer_set(&conn->write_timer, clock_plus_ms(gateway_now, WRITE_STALL_MS),
				  abort_by_write_timer);
	}
	(void) conn_watch(conn);
}

/* ---------- a turn ---------- */

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
	return conns_rereadable() || !dlist_is_empty(&dirty);
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
