/*-------------------------------------------------------------------------
 *
 * conn_out.c
 *	  The out buffer of a connection: bytes on their way to its socket.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/conn_out.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/socket.h>

#include "gateway/transport.h"

#define OUT_BUFFERS_KEPT	32

static OutBuffer *free_buffers;
static int	n_free_buffers;

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

/*
 * conn_drop_out() -- there is nothing to be sent, or never will be.
 */
void
conn_drop_out(Conn *conn)
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

/*
 * conn_send_out() -- send what is in the out buffer.  False if the socket takes no more.
 */
bool
conn_send_out(Conn *conn)
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
