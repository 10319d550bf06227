/*-------------------------------------------------------------------------
 *
 * serve.c
 *	  A backend's side of a connection from another member.
 *
 * A member connects as any client does, so that pg_hba.conf, SCRAM, certificates
 * and TLS decide about it, and calls quorum.raft_stream().  The call puts the
 * connection into COPY mode and ends with the connection; every piece of copy
 * data is one batch of messages.  Nothing is answered but an error.
 *
 * On a plain socket the backend has nothing to add to the bytes.  So it hands
 * the descriptor to the raft worker, which reads the socket itself
 * (streams.c), and waits for the end; that saves two context switches and a
 * copy a message.  Where the bytes are encrypted, or the worker cannot be
 * reached, the backend reads them and puts them into the worker's ring
 * (inbox.c).
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/serve.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/socket.h>

#include "executor/spi.h"
#include "libpq/libpq.h"
#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/dest.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#include "../clock.h"
#include "shared.h"
#include "../compat.h"

/* How long a refused sender is listened to, so that it reads why, in ms. */
#define DRAIN_MS				1000

static StreamSlot *
my_stream(void)
{
	return &member_streams[pgq_my_procno()];
}

/*
 * before_shmem_exit callback: the worker must not go on with the socket of a
 * backend that is no more.  Its own descriptor sees the end of the input.
 */
static void
end_stream_at_exit(int code, Datum arg)
{
	if (pg_atomic_exchange_u32(&my_stream()->state, STREAM_NONE) != STREAM_NONE)
		(void) shutdown(MyProcPort->sock, SHUT_RDWR);
}

static bool
socket_is_plain(void)
{
	if (MyProcPort->ssl_in_use)
		return false;
#ifdef ENABLE_GSS
	if (be_gssapi_get_enc(MyProcPort))
		return false;
#endif
	return true;
}

/*
 * Send the descriptor of our socket to the worker.
 */
static bool
send_descriptor(uint64 cookie)
{
	StreamOffer offer;
	struct iovec part = {&offer, sizeof(offer)};
	union
	{
		struct cmsghdr head;
		char		bytes[CMSG_SPACE(sizeof(int))];
	}			control;
	struct msghdr message;
	int			descriptor = MyProcPort->sock;

	memset(&offer, 0, sizeof(offer));
	offer.procno = pgq_my_procno();
	offer.cookie = cookie;
	memset(&control, 0, sizeof(control));
	memset(&message, 0, sizeof(message));
	message.msg_iov = &part;
	message.msg_iovlen = 1;
	message.msg_control = control.bytes;
	message.msg_controllen = sizeof(control.bytes);
	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.head), &descriptor, sizeof(int));
	return sendmsg(member_stream_sockets[0], &message, MSG_DONTWAIT) == sizeof(offer);
}

/*
 * Offer our socket to the worker; false if it cannot be had.
 */
static bool
hand_over(void)
{
	static bool exit_callback_registered = false;
	StreamSlot *slot = my_stream();
	uint32		expected = STREAM_OFFERED;

	if (member_stream_sockets[0] < 0 || !socket_is_plain() || member_shared->worker_procno < 0)
		return false;
	if (!exit_callback_registered)
	{
		before_shmem_exit(end_stream_at_exit, (Datum) 0);
		exit_callback_registered = true;
	}
	slot->cookie = pg_atomic_fetch_add_u64(&member_shared->next_number, 1);
	pg_atomic_exchange_u32(&slot->state, STREAM_OFFERED);
	if (!send_descriptor(slot->cookie))
	{
		pg_atomic_exchange_u32(&slot->state, STREAM_NONE);
		return false;
	}
	pg_atomic_fetch_add_u32(&member_shared->streams_offered, 1);
	/* a worker that has left in between may not have seen the offer */
	if (member_shared->worker_procno < 0 &&
		pg_atomic_compare_exchange_u32(&slot->state, &expected, STREAM_NONE))
		return false;
	wake_worker();
	return true;
}

/*
 * The session ends without a word to the client: it has gone, or is to connect
 * anew.
 */
static void
end_session(void)
{
	whereToSendOutput = DestNone;
	proc_exit(0);
}

/*
 * The worker refuses to go on: say why.  What the client still sends is read and
 * forgotten for a moment, since closing over unread input would destroy the
 * message on its way.
 */
static void
refuse(const StreamSlot *slot)
{
	ClockTime	until = clock_plus_ms(clock_now(), DRAIN_MS);
	static uint32 wait_event = 0;
	char		forgotten[8192];

	PG_TRY();
	{
		if (slot->refusal[0] != '\0')
			admission_raise(slot->refusal);
		inbox_check_sender(&slot->head);
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("invalid message from another member")));
	}
	PG_CATCH();
	{
		EmitErrorReport();
		FlushErrorState();
	}
	PG_END_TRY();

	for (;;)
	{
		long		left = clock_ms_between(clock_now(), until);
		ssize_t		n;

		if (left <= 0)
			break;
		(void) WaitLatchOrSocket(MyLatch, WL_LATCH_SET | WL_SOCKET_READABLE | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
								 MyProcPort->sock, left, pgq_wait_event(&wait_event, "QuorumPeerEnd"));
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		n = recv(MyProcPort->sock, forgotten, sizeof(forgotten), MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
			break;
	}
	end_session();
}

/*
 * The worker reads our socket: wait for the end.
 */
static void
wait_for_worker(void)
{
	static uint32 wait_event = 0;
	StreamSlot *slot = my_stream();

	for (;;)
	{
		switch ((StreamState) pg_atomic_read_u32(&slot->state))
		{
			case STREAM_OFFERED:
			case STREAM_ADOPTED:
				break;
			case STREAM_REFUSED:
				refuse(slot);
				break;
			case STREAM_NONE:
			case STREAM_CLOSED:
				end_session();
				break;
		}
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, -1,
						 pgq_wait_event(&wait_event, "QuorumPeerStream"));
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/*
 * Read copy data here and put it into the worker's ring, until the client says
 * that it is done.
 */
static void
read_here(void)
{
	StringInfoData data;
	bool		done = false;

	initStringInfo(&data);
	while (!done)
	{
		int			type;

		CHECK_FOR_INTERRUPTS();
		HOLD_CANCEL_INTERRUPTS();
		pq_startmsgread();
		type = pq_getbyte();
		if (type == EOF || pq_getmessage(&data, Min(member_largest_batch(), MaxAllocSize - 1)))
			end_session();
		RESUME_CANCEL_INTERRUPTS();

		switch (type)
		{
			case 'd':			/* CopyData */
				member_receive(data.data, data.len);
				break;
			case 'c':			/* CopyDone */
			case 'f':			/* CopyFail */
				done = true;
				break;
			case 'H':			/* Flush */
			case 'S':			/* Sync */
				break;
			default:
				ereport(FATAL,
						(errcode(ERRCODE_PROTOCOL_VIOLATION),
						 errmsg("unexpected message of type 0x%02X from another member", type)));
		}
	}
	pfree(data.data);
}

/*
 * member_serve_peer() -- take messages from the client, another member, as
 * long as it stays connected.
 *
 * The caller has checked privileges.  It must be a procedure that may commit: no
 * snapshot, lock or xid is held while it waits.  ERROR 57P03 if the worker is
 * not there.
 */
void
member_serve_peer(void)
{
	StringInfoData answer;

	member_require_preload();
	inbox_require_worker();
	if (whereToSendOutput != DestRemote || MyProcPort == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no client to take messages from")));

	SPI_connect_ext(SPI_OPT_NONATOMIC);
	SPI_commit();
	pgstat_report_xact_timestamp(0);	/* this is no long transaction */

	/* CopyInResponse: binary, no columns */
	pq_beginmessage(&answer, 'G');
	pq_sendbyte(&answer, 1);
	pq_sendint16(&answer, 0);
	pq_endmessage(&answer);
	pq_flush();

	if (hand_over())
		wait_for_worker();
	read_here();
	SPI_finish();
}
