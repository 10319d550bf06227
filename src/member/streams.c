/*-------------------------------------------------------------------------
 *
 * streams.c
 *	  Connections from other members that the worker reads by itself.
 *
 * Backends hand them over (serve.c).  What comes in are frames of PostgreSQL's
 * protocol: CopyData with a batch of messages in each, at last CopyDone.  The
 * worker only reads; what there is to say, which can only be why a sender is
 * refused, says the backend.
 *
 * Sockets are read when the wait set says so, a bounded amount a turn.  What is not
 * read stays in the kernel, and that holds the sender up: there is no other
 * back-pressure.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/streams.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/socket.h>
#include <unistd.h>

#include "port/pg_bswap.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "utils/memutils.h"

#include "worker.h"

#define STREAM_BUFFER			((size_t) 64 * 1024)

/* What one stream may have read in a turn; a frame that has begun is finished */
#define STREAM_TURN_BYTES		((size_t) 2 * 1024 * 1024)

#define FRAME_HEAD				5	/* type, and a length that counts itself */

typedef struct PeerStream
{
	int			fd;				/* -1: closed, to be removed */
	int			procno;			/* of the backend that handed it over */
	uint64		cookie;
	bool		readable;
	bool		heard;			/* a batch of it was accepted */
	char	   *buffer;
	size_t		size;
	size_t		len;			/* bytes in it that are not taken yet */
} PeerStream;

static PeerStream *streams[STREAMS_MAX];
static int	nstreams = 0;
static uint32 offers_seen = 0;
static bool events_stale = false;

/*
 * Tell the backend how its stream has ended.
 */
static void
set_state(const PeerStream *stream, StreamState state)
{
	StreamSlot *slot = &member_streams[stream->procno];
	uint32		expected = STREAM_ADOPTED;

	if (slot->cookie == stream->cookie &&
		pg_atomic_compare_exchange_u32(&slot->state, &expected, state))
		wake_procno(stream->procno);
}

static void
stream_close(PeerStream *stream, StreamState state)
{
	if (stream->fd < 0)
		return;
	close(stream->fd);
	ReleaseExternalFD();
	stream->fd = -1;
	stream->readable = false;
	events_stale = true;
	set_state(stream, state);
}

/*
 * Take one offer out of the socket that backends send them to; false if there
 * is none.  *fd is -1 where the descriptor could not be had: this process may have too
 * many.
 */
static bool
receive_offer(StreamOffer *offer, int *fd)
{
	struct iovec part = {offer, sizeof(*offer)};
	union
	{
		struct cmsghdr head;
		char		bytes[CMSG_SPACE(sizeof(int))];
	}			control;
	struct msghdr message;
	struct cmsghdr *head;
	ssize_t		n;

	*fd = -1;
	memset(&message, 0, sizeof(message));
	message.msg_iov = &part;
	message.msg_iovlen = 1;
	message.msg_control = control.bytes;
	message.msg_controllen = sizeof(control.bytes);
	do
		n = recvmsg(member_stream_sockets[1], &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n != sizeof(*offer))
		return false;
	head = CMSG_FIRSTHDR(&message);
	if (head != NULL && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(head), sizeof(int));
	return true;
}

/*
 * streams_adopt() -- take over what backends have offered.
 *
 * An offer can be older than this worker, or its backend have left.
 */
void
streams_adopt(void)
{
	uint32		offered = pg_atomic_read_u32(&member_shared->streams_offered);
	StreamOffer offer;
	int			fd;

	if (offered == offers_seen)
		return;
	offers_seen = offered;
	while (receive_offer(&offer, &fd))
	{
		StreamSlot *slot = &member_streams[offer.procno];
		uint32		expected = STREAM_OFFERED;
		PeerStream *stream;

		if (slot->cookie != offer.cookie)
		{
			if (fd >= 0)
				close(fd);
			continue;
		}
		if (fd < 0 || nstreams == STREAMS_MAX || worker->raft == NULL)
		{
			if (fd >= 0)
				close(fd);
			if (pg_atomic_compare_exchange_u32(&slot->state, &expected, STREAM_CLOSED))
				wake_procno(offer.procno);
			continue;
		}
		if (!pg_atomic_compare_exchange_u32(&slot->state, &expected, STREAM_ADOPTED))
		{
			close(fd);
			continue;
		}
		ReserveExternalFD();
		stream = MemoryContextAllocZero(worker->context, sizeof(PeerStream));
		stream->fd = fd;
		stream->procno = offer.procno;
		stream->cookie = offer.cookie;
		stream->size = STREAM_BUFFER;
		stream->buffer = MemoryContextAlloc(worker->context, stream->size);
		streams[nstreams++] = stream;
		events_stale = true;
	}
}

/*
 * Hand on the complete frames at the beginning of the buffer; false if the
 * stream is closed by now.  *need is how much the buffer must hold for the
 * next one.
 */
static bool
take_frames(PeerStream *stream, StreamDeliver deliver, size_t *need)
{
	size_t		at = 0;

	*need = FRAME_HEAD;
	while (stream->len - at >= FRAME_HEAD)
	{
		char	   *frame = stream->buffer + at;
		uint32		length;
		PeerHead	head;
		bool		welcome;
		char	   *refusal;

		memcpy(&length, frame + 1, sizeof(uint32));
		length = pg_ntoh32(length);
		if (frame[0] == 'c' || frame[0] == 'f' || frame[0] == 'X')
		{
			stream_close(stream, STREAM_CLOSED);
			return false;
		}
		if (frame[0] != 'd' || length < sizeof(uint32) + sizeof(PeerHead) ||
			length - sizeof(uint32) > member_largest_batch())
		{
			memset(&member_streams[stream->procno].head, 0, sizeof(PeerHead));
			member_streams[stream->procno].refusal[0] = '\0';
			stream_close(stream, STREAM_REFUSED);
			return false;
		}
		if (stream->len - at < 1 + (size_t) length)
		{
			*need = 1 + (size_t) length;
			break;
		}
		memcpy(&head, frame + FRAME_HEAD, sizeof(PeerHead));
		refusal = NULL;
		welcome = inbox_sender_is_welcome(&head);
		if (welcome && (head.to == 0 || peers_find(head.from) == NULL))
			refusal = admission_refusal(worker->tree_rel, &head,
										frame + FRAME_HEAD + sizeof(PeerHead),
										length - sizeof(uint32) - sizeof(PeerHead));
		if (!welcome || refusal != NULL)
		{
			StreamSlot *slot = &member_streams[stream->procno];

			slot->head = head;
			strlcpy(slot->refusal, refusal != NULL ? refusal : "", REFUSAL_LEN);
			stream_close(stream, STREAM_REFUSED);
			return false;
		}
		if (!stream->heard)
		{
			stream->heard = true;
			peers_came_back(head.from);
		}
		deliver(frame + FRAME_HEAD, length - sizeof(uint32));
		if (stream->fd < 0)
			return false;		/* closed by what it said */
		at += 1 + (size_t) length;
	}
	stream->len -= at;
	if (at > 0 && stream->len > 0)
		memmove(stream->buffer, stream->buffer + at, stream->len);
	return true;
}

static void
read_stream(PeerStream *stream, StreamDeliver deliver)
{
	size_t		total = 0;

	while (total < STREAM_TURN_BYTES)
	{
		ssize_t		n = recv(stream->fd, stream->buffer + stream->len,
							 stream->size - stream->len, MSG_DONTWAIT);
		size_t		room = stream->size - stream->len;
		size_t		need;

		if (n < 0)
		{
			if (errno == EINTR)
				continue;
			if (errno != EAGAIN && errno != EWOULDBLOCK)
				stream_close(stream, STREAM_CLOSED);
			return;
		}
		if (n == 0)
		{
			stream_close(stream, STREAM_CLOSED);
			return;
		}
		stream->len += n;
		total += n;
		if (!take_frames(stream, deliver, &need))
			return;
		if (need > stream->size)
		{
			stream->buffer = repalloc_huge(stream->buffer, need);
			stream->size = need;
		}
		else if (stream->len == 0 && stream->size > STREAM_BUFFER)
		{
			pfree(stream->buffer);
			stream->size = STREAM_BUFFER;
			stream->buffer = MemoryContextAlloc(worker->context, stream->size);
		}
		if ((size_t) n < room)
			return;				/* that was all there is */
	}
}

/*
 * streams_take() -- hand every batch that has come to deliver().
 *
 * Looks at the sockets of which the wait set said that they are readable, or
 * at all of them: between slices of long work nobody has waited.
 */
void
streams_take(StreamDeliver deliver, bool all)
{
	int			i;
	int			kept = 0;

	for (i = 0; i < nstreams; i++)
	{
		PeerStream *stream = streams[i];

		if (stream->fd >= 0 && (stream->readable || all))
		{
			stream->readable = false;
			read_stream(stream, deliver);
		}
	}
	for (i = 0; i < nstreams; i++)
	{
		if (streams[i]->fd >= 0)
			streams[kept++] = streams[i];
		else
		{
			pfree(streams[i]->buffer);
			pfree(streams[i]);
		}
	}
	nstreams = kept;
}

/*
 * streams_close_all() -- the member stops listening, or its process ends.
 *
 * Must be safe in an exit callback.
 */
void
streams_close_all(void)
{
	int			i;

	for (i = 0; i < nstreams; i++)
		stream_close(streams[i], STREAM_CLOSED);
}

/* Has something been offered that is not taken yet? */
bool
streams_offered(void)
{
	return pg_atomic_read_u32(&member_shared->streams_offered) != offers_seen;
}

bool
streams_readable(void)
{
	int			i;

	for (i = 0; i < nstreams; i++)
		if (streams[i]->readable)
			return true;
	return false;
}

bool
streams_events_stale(void)
{
	return events_stale;
}

/*
 * Put every socket into a fresh wait set.
 */
void
streams_add_events(WaitEventSet *set)
{
	int			i;

	for (i = 0; i < nstreams; i++)
		if (streams[i]->fd >= 0)
			AddWaitEventToSet(set, WL_SOCKET_READABLE, streams[i]->fd, NULL, streams[i]);
	events_stale = false;
}

/*
 * The wait set says that a stream has something to read.
 */
void
streams_event(void *stream)
{
	((PeerStream *) stream)->readable = true;
}
