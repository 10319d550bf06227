/*-------------------------------------------------------------------------
 *
 * call.h
 *	  A call of a client: what the transport and the services of the gateway
 *	  have in common.
 *
 * The transport (connections, HTTP/2, HTTP/1.1, framing, JSON) turns bytes into
 * messages of a call and messages into bytes; the services know neither.  A
 * call belongs to one method, gets messages, sends messages, and ends with a status.
 *
 * All of it runs in one process, the gateway worker, in its loop:
 *
 *	 transport_poll()	   bytes in; complete messages make their call runnable
 *	 member_calls_run()	   answers of the member; they make calls send
 *	 services			   messages of runnable calls, in a transaction with the
 *						   store open: an ERROR ends the call that raised it, no other
 *	 hub_turn()			   events to watches
 *	 transport_flush()	   bytes out
 *
 * Handlers never wait.  What takes time is begun (member/calls.h, hub.h), and goes on
 * in a callback.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/call.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_GATEWAY_CALL_H
#define PGQ_GATEWAY_CALL_H

#include "utils/palloc.h"
#include "utils/relcache.h"

#include <protobuf-c/protobuf-c.h>

#include "clock.h"

/* Status codes of gRPC */
typedef enum GrpcCode
{
	GRPC_OK = 0,
	GRPC_CANCELLED = 1,
	GRPC_UNKNOWN = 2,
	GRPC_INVALID_ARGUMENT = 3,
	GRPC_DEADLINE_EXCEEDED = 4,
	GRPC_NOT_FOUND = 5,
	GRPC_ALREADY_EXISTS = 6,
	GRPC_PERMISSION_DENIED = 7,
	GRPC_RESOURCE_EXHAUSTED = 8,
	GRPC_FAILED_PRECONDITION = 9,
	GRPC_ABORTED = 10,
	GRPC_OUT_OF_RANGE = 11,
	GRPC_UNIMPLEMENTED = 12,
	GRPC_INTERNAL = 13,
	GRPC_UNAVAILABLE = 14,
	GRPC_DATA_LOSS = 15,
	GRPC_UNAUTHENTICATED = 16
} GrpcCode;

typedef struct Call Call;

/*
 * A method: constant, in a table of its service.  The functions run in a
 * transaction with the store open (call_store()), in call->context's child
 * for this turn, and may raise: the call then ends with the error.
 */
typedef struct Method
{
	const char *path;			/* "/etcdserverpb.KV/Range" */
	const char *json_paths[2];	/* below /v3: "/kv/range"; NULL: none */
	const ProtobufCMessageDescriptor *request;
	const ProtobufCMessageDescriptor *response;
	bool		client_streams; /* more than one request may come */
	bool		server_streams; /* more than one response may go */

	/* A message has come; it lives until the function returns */
	void		(*message) (Call *call, const ProtobufCMessage *message);
	/* No more will come (only asked for methods whose client streams); NULL: nothing to do */
	void		(*half_closed) (Call *call);
	/* What was queued has gone out to below CALL_LOW_WATER, after call_is_congested()
	 * said so; NULL: nothing to do */
	void		(*drained) (Call *call);
	/*
	 * The call is over, whoever ended it: let go of what belongs to it.  Called exactly once
	 * for each call that got as far as a message; must not raise, and not send.
	 */
	void		(*ended) (Call *call);

	/*
	 * May run when the store cannot be opened (no extension, locked, not made yet): call_store()
	 * is NULL then.  Calls of other methods wait for the store, and end with "etcdserver: request
	 * timed out".
	 */
	bool		without_store;
} Method;

/* A service's methods, ending with a NULL path; collected in methods.c */
extern const Method kv_methods[];
extern const Method watch_methods[];
extern const Method lease_methods[];
extern const Method cluster_methods[];
extern const Method maintenance_methods[];
extern const Method auth_methods[];
extern const Method lock_methods[];
extern const Method election_methods[];
extern const Method health_methods[];

extern const Method *method_by_path(const char *path, size_t len);

/* below /v3, /v3beta or /v3alpha, which the transport has cut off */
extern const Method *method_by_json_path(const char *path, size_t len);

struct Call
{
	const Method *method;
	MemoryContext context;		/* of the call; goes with it */
	void	   *state;			/* the service's own */

	/* What the client said besides (metadata, headers); NULL: not there */
	const char *token;			/* "token", else "authorization", as they are */
	const char *peer_user;		/* common name of a verified client certificate */
	bool		json;			/* came as JSON over HTTP/1.1 */
	bool		has_leader;		/* metadata "hasleader: true" */
	ClockTime	deadline;		/* 0: none */

	/* the transport's own */
	void	   *stream;
};

/*
 * To the client.  All of them return at once; bytes are queued in the transport.  They never
 * raise.  After the call has ended (by call_finish(), call_reply(), or from outside) they do nothing.
 *
 * ended() is never called from within one of these: the call and its state live on until the
 * handler or callback that is running has returned.
 */

/* One message of a method that streams to the client */
extern void call_send(Call *call, const ProtobufCMessage *message);

/*
 * The same, already packed; for what goes to many.  The bytes are in two parts, copied or
 * referenced: head is copied; body, if not NULL, is shared and reference counted.
 */
typedef struct SharedBytes
{
	int			references;		/* freed by the last one to let go */
	size_t		len;
	uint8		data[FLEXIBLE_ARRAY_MEMBER];
} SharedBytes;
extern SharedBytes *shared_bytes_new(size_t len);	/* malloc'd, one reference; or NULL */
/* while there is one reference; NULL if there is no memory for it, and then they are as before */
extern SharedBytes *shared_bytes_resize(SharedBytes *bytes, size_t len);

/*
 * May so many bytes more be held for clients?  Large answers ask before they grow; what is already
 * queued is taken from the clients that hold most.
 */
extern bool memory_allows(size_t more);
extern void shared_bytes_release(SharedBytes *bytes);
extern void call_send_packed(Call *call, const uint8 *head, size_t head_len,
							 SharedBytes *body);

/* The only message of a unary method, and its end with GRPC_OK */
extern void call_reply(Call *call, const ProtobufCMessage *message);

/* The same, already packed, in parts as for call_send_packed() */
extern void call_reply_packed(Call *call, const uint8 *head, size_t head_len,
							  SharedBytes *body);

/* The end.  message: etcd's text of an error, copied; NULL with GRPC_OK */
extern void call_finish(Call *call, GrpcCode code, const char *message);

/* Is more queued for the client than it reads?  Then stop sending until drained() */
#define CALL_HIGH_WATER			(1024 * 1024)
#define CALL_LOW_WATER			(256 * 1024)
extern bool call_is_congested(const Call *call);
extern size_t call_queued_bytes(const Call *call);

/* Stop, and go on, taking messages from the client (flow control towards it) */
extern void call_pause(Call *call);
extern void call_resume(Call *call);

/*
 * Run a function in the part of the turn where the store is open, as if a message
 * had come (for callbacks that come outside of it).  Not called if the call ends before; once,
 * if it is asked for again before it ran.
 */
extern void call_run_later(Call *call, void (*function) (Call *call, void *arg), void *arg);

/* The store of this turn: only in Method's functions, and those of call_run_later() */
extern Relation call_store(void);

/* The time as of this turn of the loop: cheaper than clock_now() */
extern ClockTime gateway_now;

#endif							/* PGQ_GATEWAY_CALL_H */
