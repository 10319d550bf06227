/*-------------------------------------------------------------------------
 *
 * transport.h
 *	  Connections and streams: what the files of the transport owe each other.
 *
 * Private to the transport.  A connection (conn.c) moves bytes between a socket and its
 * protocol (http1.c, http2.c, websocket.c).  The protocol makes a stream of each request.  A stream has a
 * face: gRPC (grpc.c), JSON (json.c), a page or a plain answer (route.c).  The face makes messages
 * of a stream's bytes and bytes of its messages; call.c runs the calls.
 *
 *		socket <-> conn <-> protocol <-> stream <-> face <-> call <-> service
 *
 * All memory here is malloc'd, because most of it is allocated and freed below callbacks of
 * libraries, which an ERROR must not jump through.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/transport.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_GATEWAY_TRANSPORT_H
#define PGQ_GATEWAY_TRANSPORT_H

#include "lib/ilist.h"

#include "clock.h"
#include "gateway/call.h"
#include "gateway/pages.h"
#include "gateway/stats.h"
#include "gateway/timer.h"

typedef struct Conn Conn;
typedef struct Stream Stream;
typedef struct Tls Tls;

/* ----------------------------------------------------------------
 *	What epoll tells about (poll.c)
 * ----------------------------------------------------------------
 */

/* First in what is polled */
typedef struct Pollable
{
	int			fd;				/* -1: none */
	uint32		events;			/* as epoll knows it */
	bool		polled;			/* epoll knows it */
	void		(*ready) (struct Pollable *pollable, uint32 events);
} Pollable;

extern void poll_init(void);
extern int	poll_fd(void);

/* Be told of other events; false if the system refuses.  0 and a first call add it */
extern bool poll_want(Pollable *pollable, uint32 events);
extern void poll_forget(Pollable *pollable);

/* One look, without waiting.  True if there may be more to tell at once */
extern bool poll_turn(void);

/* ----------------------------------------------------------------
 *	Connections (conn.c)
 * ----------------------------------------------------------------
 */

#define OUT_BUFFER_BYTES	(64 * 1024)

/* Bytes on their way to the socket; a connection has one only while there are some */
typedef struct OutBuffer
{
	uint32		start;
	uint32		end;
	struct OutBuffer *next;		/* in the list of free ones */
	uint8		data[OUT_BUFFER_BYTES];
} OutBuffer;

typedef enum ConnState
{
	CONN_HANDSHAKE,				/* TLS */
	CONN_DETECT,				/* HTTP/1 or HTTP/2? */
	CONN_OPEN,
	CONN_LINGER,				/* all is said; reads on so that the client gets to hear it */
	CONN_DEAD					/* freed at the end of the turn */
} ConnState;

/* What a protocol does for a connection and its streams.  None of it raises */
typedef struct Protocol
{
	bool		(*begin) (Conn *conn);
	/* Bytes of the client.  False: close once what is queued has gone */
	bool		(*feed) (Conn *conn, const uint8 *data, size_t len);
	/* The client sends no more (see conn->eof).  False: nobody waits for answers, close now */
	bool		(*eof) (Conn *conn);
	/* Fill the out buffer.  False: close now */
	bool		(*produce) (Conn *conn);
	/* Nothing is left to be sent nor to be waited for? */
	bool		(*at_rest) (Conn *conn);
	/* conn->timer has fired */
	void		(*timeout) (Conn *conn);
	/* The server is about to go */
	void		(*drain) (Conn *conn);
	/* Let go of all streams */
	void		(*end) (Conn *conn);

	/* A stream has something to be sent, or its end */
	void		(*wake) (Stream *stream);
	/* Bytes of messages of the client have been taken off the stream's queue */
	void		(*consumed) (Stream *stream, size_t len);
	/* A message of this size comes (its head is known): make room for it */
	void		(*expect) (Stream *stream, size_t len);
} Protocol;

extern const Protocol http1_protocol;
extern const Protocol http2_protocol;

struct Conn
{
	Pollable	poll;
	ConnState	state;
	const Protocol *protocol;	/* NULL until known */
	void	   *session;		/* of the protocol */
	Tls		   *tls;			/* NULL: plain */
	char	   *peer_user;		/* common name of a verified certificate, or NULL */
	OutBuffer  *out;
	size_t		buffered;		/* bytes held for its streams, both ways (conn_hold()) */
	uint8		first[3];		/* what came before the protocol was known */
	uint8		n_first;
	bool		read_off;		/* not to be read now (backpressure) */
	bool		write_blocked;	/* the socket takes no more */
	bool		closing;		/* close once all is sent */
	bool		hung_up;		/* the client sends no more */
	bool		eof;			/* and what it sent has been read */
	bool		dirty;			/* in the list of those to be flushed */
	bool		rereadable;		/* in the list of those with bytes that epoll does not know of */
	uint32		lingered;		/* bytes thrown away while lingering */
	ClockTime	last_read;
	ClockTime	progress_at;	/* when the socket last took something, or had nothing to take */
	Timer		timer;			/* the protocol's, once there is one */
	Timer		write_timer;
	dlist_head	streams;		/* it holds */
	dlist_node	node;			/* of all connections */
	dlist_node	dirty_node;
	dlist_node	reread_node;
};

/* A connection of an accepted socket, or with fd -1 of no socket at all; NULL: no memory, or
 * refused.  The socket belongs to it, in every case. */
extern Conn *conn_new(int fd, bool tls);

/* Bytes of the client, as if they had come from the socket */
extern void conn_feed(Conn *conn, const uint8 *data, size_t len);

/* epoll has something to tell; what is of interest has changed */
extern void conn_ready(Pollable *pollable, uint32 events);
extern bool conn_watch(Conn *conn);

/* Room for n bytes (at most OUT_BUFFER_BYTES) at the end of the out buffer; NULL if there is
 * none.  Filled, they are added with conn_filled() */
extern uint8 *conn_room(Conn *conn, size_t n);
extern void conn_filled(Conn *conn, size_t n);
extern size_t conn_room_left(const Conn *conn);

/* Send it.  False if the socket takes no more, or is dead */
extern bool conn_send_out(Conn *conn);
extern void conn_drop_out(Conn *conn);

/* To be flushed in this turn */
extern void conn_touch(Conn *conn);

/* Read on, after conn->read_off was set */
extern void conn_read_on(Conn *conn);

/* Let go of all its streams: their client has gone */
extern void conn_release_streams(Conn *conn);

extern void conn_close(Conn *conn); /* once all is sent */
extern void conn_abort(Conn *conn); /* now; memory lives until conns_reap() */

/*
 * Account for bytes that are held for the streams of a connection (NULL: it is gone).  What several
 * connections share counts for each of them, but once in gateway_stats.buffered.
 */
extern void conn_hold(Conn *conn, ssize_t n);

extern void conns_reread(void);
extern bool conns_rereadable(void);
extern void conns_flush(void);
extern void conns_reap(void);
extern bool conns_have_more(void);	/* bytes to be read, or sent, without waiting */
extern void conns_drain(void);
extern bool conns_drained(void);
extern int	conns_limit(void);

/* ----------------------------------------------------------------
 *	TLS (tls.c)
 * ----------------------------------------------------------------
 */

typedef enum TlsResult
{
	TLS_DONE,
	TLS_WANTS_READ,
	TLS_WANTS_WRITE,
	TLS_CLOSED,					/* the client said goodbye */
	TLS_FAILED
} TlsResult;

/* Load the files that the settings name; false, with a line in the log, if that fails.  What
 * was loaded before stays then. */
extern bool tls_load(void);
extern bool tls_is_loaded(void);
extern Tls *tls_new(int fd);
extern void tls_free(Tls *tls);
extern TlsResult tls_handshake(Tls *tls);
extern bool tls_is_h2(const Tls *tls);	/* agreed upon by ALPN */
extern char *tls_peer_user(const Tls *tls); /* malloc'd */
extern TlsResult tls_read(Tls *tls, uint8 *data, size_t size, size_t *len);
extern TlsResult tls_write(Tls *tls, const uint8 *data, size_t size, size_t *len);
extern bool tls_pending(const Tls *tls);
extern void tls_goodbye(Tls *tls);

/* ----------------------------------------------------------------
 *	Listeners (listen.c)
 * ----------------------------------------------------------------
 */

extern void listen_init(void);
extern bool listen_wants_tls(void);

/* Open what is not, close what may not be open any more; tries again by itself */
extern void listen_open(void);
extern void listen_close(void);
extern void listen_describe(char *text, size_t size);
extern const char *listen_problem(void);

/* ----------------------------------------------------------------
 *	Streams
 * ----------------------------------------------------------------
 */

/* A complete message of the client, not decoded */
typedef struct InMessage
{
	struct InMessage *next;
	size_t		len;
	size_t		wire_len;		/* what it took of the flow control's window */
	uint8		data[FLEXIBLE_ARRAY_MEMBER];
} InMessage;

/* Bytes on their way to the protocol: a head of our own, then shared ones */
typedef struct Segment
{
	struct Segment *next;
	SharedBytes *body;			/* or NULL */
	size_t		head_len;
	uint8		head[FLEXIBLE_ARRAY_MEMBER];
} Segment;

typedef struct LaterCall
{
	struct LaterCall *next;
	void		(*function) (Call *call, void *arg);
	void	   *arg;
} LaterCall;

/* How messages of a call become bytes and back */
typedef struct Face
{
	/* Decode, in the current context; raises, or returns NULL with an error text in *error, or
	 * after it has ended the call */
	ProtobufCMessage *(*decode) (Stream *stream, const InMessage *message, const char **error);
	GrpcCode	decode_error;	/* the status then */
	void		(*send) (Stream *stream, const ProtobufCMessage *message);
	void		(*send_packed) (Stream *stream, const uint8 *head, size_t head_len, SharedBytes *body);
	/* stream->code and stream->error are set: queue what says so */
	void		(*finish) (Stream *stream);
} Face;

extern const Face grpc_face;
extern const Face json_face;

typedef enum HttpMethod
{
	HTTP_METHOD_OTHER,
	HTTP_METHOD_GET,
	HTTP_METHOD_HEAD,
	HTTP_METHOD_POST,
	HTTP_METHOD_OPTIONS
} HttpMethod;

/* CORS: etcd's own, on every answer but gRPC's */
#define CORS_ORIGIN			"*"
#define CORS_METHODS		"POST, GET, OPTIONS, PUT, DELETE"
#define CORS_HEADERS		"accept, content-type, authorization"

#define PATH_MAX_BYTES		2048
#define TOKEN_MAX_BYTES		8192
#define HEADERS_MAX_BYTES	(64 * 1024)
#define HEADERS_MAX_NUMBER	256

/* Where there is no flow control but TCP's: messages that wait to be handled, above which the client has
 * to wait and below which it may go on; and how long it may be silent within a request */
#define QUEUE_HIGH_BYTES	(64 * 1024)
#define QUEUE_LOW_BYTES		(16 * 1024)
#define BODY_SILENCE_MS		60000

struct Stream
{
	Call		call;			/* first */
	Conn	   *conn;			/* NULL: the client has gone, or has got all */
	int32		id;				/* of HTTP/2 */
	dlist_node	conn_node;		/* of conn->streams */

	/* The request's head */
	HttpMethod	http_method;
	char	   *path;			/* unless it was a gRPC method's; malloc'd */
	uint32		header_bytes;
	uint16		header_count;
	size_t		head_held;		/* bytes of its path and token */
	bool		head_too_large;
	bool		grpc;			/* content-type application/grpc */
	bool		is_token;		/* call.token came as "token", which goes before "authorization" */
	bool		keep_body;		/* the face takes bytes of the body */
	int64		timeout_us;		/* grpc-timeout; -1: none */
	char		encoding[16];	/* grpc-encoding, the beginning of its name; empty: identity */

	/* The call */
	const Face *face;			/* NULL: not a call */
	MethodStats *stats;
	bool		counted;		/* as started and under way */
	bool		started;		/* message() has been called, so ended() must be */
	bool		half_closed;	/* the client sends no more messages */
	bool		half_closed_told;
	bool		finished;		/* has a status */
	bool		over;			/* in the list of calls to be cleaned up */
	bool		reaped;			/* cleaned up: ended() called, memory gone */
	bool		paused;
	bool		congested;		/* somebody was told so */
	bool		tell_drained;
	bool		runnable;		/* in the list of calls to be run */
	GrpcCode	code;
	char	   *error;			/* malloc'd */
	ClockTime	wait_until;		/* for the store; 0: it does not wait */
	Timer		deadline;
	dlist_node	run_node;
	dlist_node	over_node;
	LaterCall  *later_head;
	LaterCall  *later_tail;

	/* A page instead of a call */
	bool		is_page;
	PageRequest page;
	InMessage  *decoding;		/* freed if decoding it raises */

	/* Messages of the client: complete ones, and the one that is coming */
	InMessage  *in_head;
	InMessage  *in_tail;
	size_t		in_bytes;		/* of complete messages */
	size_t		partial_early;	/* JSON: taken off the window before it is complete */
	InMessage  *partial;
	size_t		partial_len;	/* filled */
	size_t		partial_size;	/* allocated */
	size_t		partial_want;	/* its full length, where known */
	uint8		prefix[5];		/* gRPC's */
	uint8		prefix_len;
	uint16		json_depth;		/* scanning for the end of an object */
	bool		json_in_string;
	bool		json_escape;

	/* The answer */
	int			status;			/* of HTTP; 0: not known yet */
	const char *content_type;
	const char *allow;			/* header of that name, or NULL */
	bool		grpc_metadata;	/* header Grpc-Metadata-Content-Type */
	int64		content_length; /* -1: not known, so in chunks */
	bool		head_sent;
	bool		out_done;		/* nothing comes behind what is queued */
	Segment    *out_head;
	Segment    *out_tail;
	size_t		out_offset;		/* of the first segment, already taken */
	size_t		out_bytes;		/* queued, still to be taken */

	/* The protocol's own */
	size_t		reserved;		/* HTTP/2: window granted beyond the usual one */
	bool		waits_for_room;
	dlist_node	room_node;
};

/* ---- made and let go by the protocol ---- */

/* NULL: no memory */
extern Stream *stream_new(Conn *conn, int32 id);

/* A header of the request; names in lower case.  For both protocols */
extern void stream_header(Stream *stream, const char *name, size_t name_len,
						  const char *value, size_t value_len);
extern void stream_set_path(Stream *stream, const char *path, size_t len);

/* The head is complete: find out what it is (route.c) */
extern void stream_route(Stream *stream);

/* Is the path below those of JSON's calls, whether there is such a call or not? */
extern bool stream_is_below_json(const Stream *stream);

/* A token that goes before all that headers of HTTP said */
extern void stream_set_token(Stream *stream, const char *token);

/* Bytes of the body, and its end */
extern void stream_body(Stream *stream, const uint8 *data, size_t len);
extern void stream_body_end(Stream *stream);

/* Take queued bytes, of which there must be so many; how many are left of the first segment */
extern void stream_take(Stream *stream, uint8 *to, size_t size);
extern size_t stream_chunk(const Stream *stream);
extern bool stream_chunk_ends_line(const Stream *stream);

/* The protocol has no use for the stream any more: all sent, or the client gone */
extern void stream_release(Stream *stream);

/* ---- for faces ---- */

/* The coming message is complete; wire_len: what it took of the flow control's window */
extern void stream_add_message(Stream *stream, size_t wire_len);

/* Grow the coming message to hold so many bytes at least; false: no memory */
extern bool stream_grow_partial(Stream *stream, size_t size);
extern void stream_free_partial(Stream *stream);

/* Queue bytes of the body; takes over segment.  A reference of segment->body goes with it */
extern Segment *segment_new(size_t head_len);
extern void stream_queue(Stream *stream, Segment *segment);

/* Tell the protocol that there is more to be sent, or the end */
extern void stream_wake(Stream *stream);

/* End a call from outside its service */
extern void stream_finish(Stream *stream, GrpcCode code, const char *message);

/* The stream cannot go on, for want of memory: end it rudely */
extern void stream_break(Stream *stream);

/* Begin a call; method NULL: only to be refused */
extern void stream_begin_call(Stream *stream, const Method *method, const Face *face);

/* Answer by plain text of constant bytes */
extern void stream_answer(Stream *stream, int status, const char *content_type,
						  const char *body, size_t len);

extern void grpc_body(Stream *stream, const uint8 *data, size_t len);
extern void json_init(void);
extern size_t json_max_request(void);
extern void json_body(Stream *stream, const uint8 *data, size_t len);
extern void json_body_end(Stream *stream);
extern int	http_status_of(GrpcCode code);
extern const char *http_status_text(int status);

/* grpc-message of a stream, percent-encoded, into a buffer; returns the length */
extern size_t grpc_encode_message(const char *message, char *to, size_t size);

/* The largest message that is taken */
extern size_t gateway_max_message(void);
extern void stream_refuse_size(Stream *stream, size_t size);

/* ---- between stream.c, call.c and run.c ---- */

extern void stream_hold(Stream *stream, ssize_t n);
extern InMessage *stream_take_message(Stream *stream);
extern void stream_drop_input(Stream *stream);
extern void stream_free(Stream *stream);

/* The call has a status, be it only that its client has gone: clean up */
extern void stream_end_call(Stream *stream, GrpcCode code);

/* ---- running (run.c) ---- */

extern void stream_make_runnable(Stream *stream);
extern bool calls_runnable(void);

/* Run what is runnable for a while, in the transaction of the turn.  False: the store was lost */
extern bool calls_run(void);

/* The store cannot be had: run what needs none, end what has waited long enough.  In a transaction */
extern void calls_wait(void);

/* Clean up after calls that are over.  Not in a handler */
extern void calls_reap(void);
extern void calls_add_over(Stream *stream);
extern bool calls_all_ended(void);

/* The server goes: end a call that would go on for ever */
extern void stream_end_for_shutdown(Stream *stream);

/* ---- the turn (worker.c) ---- */

extern Relation gateway_store;	/* NULL: not open */
extern MemoryContext gateway_context;	/* as long as the process */
extern MemoryContext handler_context;	/* as long as one handler or callback */

/* Open the transaction of the turn and the store; false: the store was not to be had */
extern bool gateway_turn_open(void);

extern void methods_init(void);

#endif							/* PGQ_GATEWAY_TRANSPORT_H */
