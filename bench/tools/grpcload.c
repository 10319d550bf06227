/*-------------------------------------------------------------------------
 *
 * grpcload.c
 *	  What h2load cannot do with etcd's gRPC API: watches, and locks.
 *
 *	grpcload --port P [options]
 *
 *	--watchers N	watches, each on a prefix of its own (1000)
 *	--shared		all watches on one prefix instead, so that a put is an event of each
 *	--streams N		Watch calls that share them (10)
 *	--connections N	connections that share those (1)
 *	--slow N		beside them connections with a watch of everything that do not read (0)
 *	--rate N		puts a second, to the prefixes in turn (1000); 0: none, the watches idle
 *	--size N		bytes of a value at least (0)
 *	--locks N		instead: clients that lock and unlock, a name and a lease each
 *	--seconds N		how long (5)
 *
 * Every value says when its put was sent; the delay of an event is from there to
 * its arrival.  The puts have a connection of their own.  Of locks, what is
 * measured is Lock and Unlock together.  Prints
 *
 *	created N in N us		where the watches idle; otherwise
 *	puts N events N in N us	or	cycles N
 *	delay_us p50 N p99 N max N
 *
 * Talks to 127.0.0.1 only.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  bench/tools/grpcload.c
 *
 *-------------------------------------------------------------------------
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <nghttp2/nghttp2.h>

#define WINDOW			(64 * 1024 * 1024)
#define MAX_SAMPLES		((size_t) 4000000)
#define START_LIMIT_US	(30 * INT64_C(1000000))
#define DRAIN_US		(2 * INT64_C(1000000))
#define MAX_CONNECTIONS	1000

/* Bytes that grow */
typedef struct Bytes
{
	uint8_t    *data;
	size_t		len;
	size_t		size;
} Bytes;

struct Call;
typedef void (*TakeMessage) (struct Call *call, const uint8_t *message, size_t len);

/* One call: what is still to be sent, and what has come of a message */
typedef struct Call
{
	Bytes		out;
	size_t		sent;
	bool		whole;			/* nothing follows what is in out */
	Bytes		in;
	TakeMessage take;
	struct Locker *locker;
} Call;

typedef struct Connection
{
	int			fd;
	nghttp2_session *session;
} Connection;

static char authority[32];
static int64_t *delays;
static size_t ndelays = 0;
static size_t delays_seen = 0;

/*
 * Of more delays than there is room for, each is as likely as any other to be among those kept.
 */
static void
note_delay(int64_t delay)
{
	static uint64_t random = UINT64_C(0x9e3779b97f4a7c15);

	delays_seen++;
	if (ndelays < MAX_SAMPLES)
	{
		delays[ndelays++] = delay;
		return;
	}
	random ^= random << 13;
	random ^= random >> 7;
	random ^= random << 17;
	if (random % delays_seen < MAX_SAMPLES)
		delays[random % delays_seen] = delay;
}
static int	watches_created = 0;
static long puts_answered = 0;

static void
fail(const char *what, const char *why)
{
	fprintf(stderr, "grpcload: %s: %s\n", what, why);
	exit(1);
}

static int64_t
now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---------- bytes and protobuf ---------- */

static void
append(Bytes *bytes, const void *data, size_t len)
{
	if (bytes->len + len > bytes->size)
	{
		bytes->size = (bytes->len + len) * 2;
		bytes->data = realloc(bytes->data, bytes->size);
		if (bytes->data == NULL)
			fail("memory", "none left");
	}
	memcpy(bytes->data + bytes->len, data, len);
	bytes->len += len;
}

static void
append_varint(Bytes *bytes, uint64_t value)
{
	uint8_t		byte;

	do
	{
		byte = (value & 127) | (value > 127 ? 128 : 0);
		append(bytes, &byte, 1);
		value >>= 7;
	} while (value > 0);
}

static void
append_field(Bytes *bytes, int number, const void *data, size_t len)
{
	append_varint(bytes, (uint64_t) number << 3 | 2);
	append_varint(bytes, len);
	append(bytes, data, len);
}

/* A gRPC message: not compressed, length, content */
static void
append_message(Bytes *out, const Bytes *message)
{
	uint8_t		head[5] = {0, message->len >> 24, message->len >> 16, message->len >> 8, message->len};

	append(out, head, sizeof(head));
	append(out, message->data, message->len);
}

static uint64_t
read_varint(const uint8_t **at, const uint8_t *end)
{
	uint64_t	value = 0;
	int			shift = 0;

	while (*at < end && shift < 64)
	{
		uint8_t		byte = *(*at)++;

		value |= (uint64_t) (byte & 127) << shift;
		if (byte < 128)
			return value;
		shift += 7;
	}
	fail("answer", "not a protobuf message");
	return 0;
}

/*
 * The next field: its number, its value or its bytes; false at the end.
 */
static bool
read_field(const uint8_t **at, const uint8_t *end, int *number, uint64_t *value,
		   const uint8_t **data, size_t *len)
{
	uint64_t	tag;

	if (*at >= end)
		return false;
	tag = read_varint(at, end);
	*number = (int) (tag >> 3);
	*value = 0;
	*data = NULL;
	*len = 0;
	if ((tag & 7) == 0)
		*value = read_varint(at, end);
	else if ((tag & 7) == 2)
	{
		*len = read_varint(at, end);
		if (*len > (size_t) (end - *at))
			fail("answer", "not a protobuf message");
		*data = *at;
		*at += *len;
	}
	else
		fail("answer", "unexpected type of a field");
	return true;
}

/* ---------- answers ---------- */

/* Events of ours, and when the last of them came */
static long events_heard = 0;
static int64_t last_heard;

static void
note_event(int64_t arrived)
{
	events_heard++;
	last_heard = arrived;
}

/* mvccpb.Event: kv is 2, its value 5 */
static void
take_event(const uint8_t *at, size_t size, int64_t arrived)
{
	const uint8_t *end = at + size;
	const uint8_t *data;
	uint64_t	value;
	size_t		len;
	int			number;

	while (read_field(&at, end, &number, &value, &data, &len))
	{
		const uint8_t *kv = data;
		const uint8_t *kv_end = data + len;

		if (number != 2)
			continue;
		while (read_field(&kv, kv_end, &number, &value, &data, &len))
			if (number == 5 && len > 5 && memcmp(data, "sent ", 5) == 0)
			{
				char		text[40];
				size_t		n = len - 5 < sizeof(text) ? len - 5 : sizeof(text) - 1;

				memcpy(text, data + 5, n);
				text[n] = '\0';
				note_event(arrived);
				note_delay(arrived - strtoll(text, NULL, 10));
			}
	}
}

/* etcdserverpb.WatchResponse: created is 3, canceled 4, an event 11 */
static void
take_watch_response(Call *call, const uint8_t *at, size_t size)
{
	const uint8_t *end = at + size;
	int64_t		arrived = now_us();
	const uint8_t *data;
	uint64_t	value;
	size_t		len;
	int			number;

	while (read_field(&at, end, &number, &value, &data, &len))
	{
		if (number == 3 && value != 0)
			watches_created++;
		else if (number == 4 && value != 0)
			fail("watch", "canceled");
		else if (number == 11)
			take_event(data, len, arrived);
	}
}

static void
take_put_response(Call *call, const uint8_t *message, size_t len)
{
	puts_answered++;
}

static void
take_messages(Call *call)
{
	size_t		at = 0;

	while (call->in.len - at >= 5)
	{
		const uint8_t *p = call->in.data + at;
		size_t		len = (size_t) p[1] << 24 | (size_t) p[2] << 16 | (size_t) p[3] << 8 | p[4];

		if (call->in.len - at < 5 + len)
			break;
		call->take(call, p + 5, len);
		at += 5 + len;
	}
	memmove(call->in.data, call->in.data + at, call->in.len - at);
	call->in.len -= at;
}

/* ---------- HTTP/2 ---------- */

static ssize_t
on_send(nghttp2_session *session, const uint8_t *data, size_t len, int flags, void *arg)
{
	Connection *connection = arg;
	ssize_t		n = send(connection->fd, data, len, MSG_NOSIGNAL);

	if (n >= 0)
		return n;
	return errno == EAGAIN || errno == EWOULDBLOCK ? NGHTTP2_ERR_WOULDBLOCK : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int
on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data, size_t len, void *arg)
{
	Call	   *call = nghttp2_session_get_stream_user_data(session, stream);

	if (call != NULL && len > 0)
	{
		append(&call->in, data, len);
		take_messages(call);
	}
	return 0;
}

static int
on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
		  const uint8_t *value, size_t value_len, uint8_t flags, void *arg)
{
	if (name_len == 11 && memcmp(name, "grpc-status", 11) == 0 && !(value_len == 1 && value[0] == '0'))
		fail("grpc-status", (const char *) value);
	return 0;
}

static int
on_close(nghttp2_session *session, int32_t stream, uint32_t error, void *arg)
{
	Call	   *call = nghttp2_session_get_stream_user_data(session, stream);

	if (call == NULL)
		return 0;
	if (!call->whole)
		fail("watch", "the call has ended");
	free(call->out.data);
	free(call->in.data);
	free(call);
	return 0;
}

static ssize_t
on_read(nghttp2_session *session, int32_t stream, uint8_t *to, size_t size, uint32_t *flags,
		nghttp2_data_source *source, void *arg)
{
	Call	   *call = source->ptr;
	size_t		n = call->out.len - call->sent;

	if (n > size)
		n = size;
	if (n > 0)
		memcpy(to, call->out.data + call->sent, n);
	call->sent += n;
	if (call->sent == call->out.len && call->whole)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	else if (n == 0)
		return NGHTTP2_ERR_DEFERRED;
	return (ssize_t) n;
}

static void
start_call(Connection *connection, const char *path, Call *call)
{
#define HEADER(n, v) {(uint8_t *) (n), (uint8_t *) (v), strlen(n), strlen(v), NGHTTP2_NV_FLAG_NONE}
	nghttp2_nv	headers[] = {
		HEADER(":method", "POST"), HEADER(":scheme", "http"), HEADER(":path", path),
		HEADER(":authority", authority), HEADER("content-type", "application/grpc"), HEADER("te", "trailers")
	};
	nghttp2_data_provider provider;

	provider.source.ptr = call;
	provider.read_callback = on_read;
	if (nghttp2_submit_request(connection->session, NULL, headers, sizeof(headers) / sizeof(headers[0]),
							   &provider, call) < 0)
		fail("request", "not taken");
}

static void
open_connection(Connection *connection, int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	nghttp2_session_callbacks *callbacks;
	nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW}};
	int			one = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	connection->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(connection->fd, (struct sockaddr *) &address, sizeof(address)) != 0)
		fail("could not connect", strerror(errno));
	setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	fcntl(connection->fd, F_SETFL, O_NONBLOCK);

	nghttp2_session_callbacks_new(&callbacks);
	nghttp2_session_callbacks_set_send_callback(callbacks, on_send);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
	nghttp2_session_client_new(&connection->session, callbacks, connection);
	nghttp2_session_callbacks_del(callbacks);
	nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, settings, 1);
	nghttp2_session_set_local_window_size(connection->session, NGHTTP2_FLAG_NONE, 0, WINDOW);
}

/*
 * Send and receive on some connections, for so long at most if nothing comes.
 */
static void
pump(Connection *connections, int n, int timeout_ms)
{
	static struct pollfd polls[MAX_CONNECTIONS + 1];
	static uint8_t buffer[256 * 1024];
	int			i;

	for (i = 0; i < n; i++)
	{
		if (nghttp2_session_send(connections[i].session) != 0)
			fail("connection", "could not send");
		polls[i].fd = connections[i].fd;
		polls[i].events = POLLIN | (nghttp2_session_want_write(connections[i].session) ? POLLOUT : 0);
	}
	if (poll(polls, n, timeout_ms) <= 0)
		return;
	for (i = 0; i < n; i++)
	{
		ssize_t		len;

		if (!(polls[i].revents & (POLLIN | POLLHUP | POLLERR)))
			continue;
		len = recv(connections[i].fd, buffer, sizeof(buffer), 0);
		if (len == 0)
			fail("connection", "closed");
		if (len > 0 && nghttp2_session_mem_recv(connections[i].session, buffer, len) < 0)
			fail("connection", "not HTTP/2");
	}
}

/*
 * A call with one message.
 */
static void
start_request(Connection *connection, const char *path, Call *call, Bytes *request, TakeMessage take)
{
	append_message(&call->out, request);
	free(request->data);
	call->whole = true;
	call->take = take;
	start_call(connection, path, call);
}

static void
add_watch(Call *call, int number)
{
	Bytes		create = {0};
	Bytes		request = {0};
	char		key[40];
	int			len = number < 0 ? snprintf(key, sizeof(key), "watched/") :
		snprintf(key, sizeof(key), "watched/%d/", number);

	append_field(&create, 1, key, len);
	key[len - 1]++;
	append_field(&create, 2, key, len);
	append_field(&request, 1, create.data, create.len);
	append_message(&call->out, &request);
	free(create.data);
	free(request.data);
}

static void
start_watches(Connection *connections, int nconnections, int watchers, int streams, bool shared)
{
	for (int s = 0; s < streams; s++)
	{
		Call	   *call = calloc(1, sizeof(Call));

		call->take = take_watch_response;
		for (int w = s; w < watchers; w += streams)
			add_watch(call, shared ? 0 : w);
		start_call(&connections[s % nconnections], "/etcdserverpb.Watch/Watch", call);
	}
}

/*
 * Watches of everything whose connections are not looked at any more.
 */
static void
start_slow(Connection *connections, int n)
{
	for (int i = 0; i < n; i++)
	{
		Call	   *call = calloc(1, sizeof(Call));

		call->take = take_watch_response;
		add_watch(call, -1);
		start_call(&connections[i], "/etcdserverpb.Watch/Watch", call);
	}
}

static void
start_put(Connection *connection, int prefix, int size)
{
	Call	   *call = calloc(1, sizeof(Call));
	Bytes		request = {0};
	char		key[40];
	static char value[1024 * 1024];
	int			key_len = snprintf(key, sizeof(key), "watched/%d/key", prefix);
	int			value_len = snprintf(value, sizeof(value), "sent %lld ", (long long) now_us());

	if (value_len < size)
	{
		memset(value + value_len, 'x', size - value_len);
		value_len = size;
	}

	append_field(&request, 1, key, key_len);
	append_field(&request, 2, value, value_len);
	start_request(connection, "/etcdserverpb.KV/Put", call, &request, take_put_response);
}

/* ---------- locks ---------- */

/* A client that locks and unlocks the same name again and again */
typedef struct Locker
{
	Connection *connection;
	int			number;
	uint64_t	lease;
	int64_t		since;			/* of this cycle */
} Locker;

static int64_t lock_until;
static int	lockers_active = 0;

static void start_lock(Locker *locker);

static void
take_unlocked(Call *call, const uint8_t *message, size_t len)
{
	int64_t		now = now_us();

	note_delay(now - call->locker->since);
	if (now < lock_until)
		start_lock(call->locker);
	else
		lockers_active--;
}

/* v3lockpb.LockResponse: the key is 2, as it is 1 in the UnlockRequest */
static void
take_locked(Call *call, const uint8_t *at, size_t size)
{
	const uint8_t *end = at + size;
	const uint8_t *data;
	uint64_t	value;
	size_t		len;
	int			number;
	Bytes		request = {0};

	while (read_field(&at, end, &number, &value, &data, &len))
	{
		if (number == 2)
		{
			Call	   *unlock = calloc(1, sizeof(Call));

			append_field(&request, 1, data, len);
			unlock->locker = call->locker;
			start_request(call->locker->connection, "/v3lockpb.Lock/Unlock", unlock, &request, take_unlocked);
			return;
		}
	}
	fail("lock", "no key in the answer");
}

static void
start_lock(Locker *locker)
{
	Call	   *call = calloc(1, sizeof(Call));
	Bytes		request = {0};
	char		name[40];
	int			len = snprintf(name, sizeof(name), "locked/%d", locker->number);

	locker->since = now_us();
	append_field(&request, 1, name, len);
	append_varint(&request, 2 << 3);
	append_varint(&request, locker->lease);
	call->locker = locker;
	start_request(locker->connection, "/v3lockpb.Lock/Lock", call, &request, take_locked);
}

/* etcdserverpb.LeaseGrantResponse: the ID is 2 */
static void
take_lease(Call *call, const uint8_t *at, size_t size)
{
	const uint8_t *end = at + size;
	const uint8_t *data;
	uint64_t	value;
	size_t		len;
	int			number;

	while (read_field(&at, end, &number, &value, &data, &len))
		if (number == 2)
			call->locker->lease = value;
	start_lock(call->locker);
}

static void
run_locks(Connection *connections, int clients, int seconds)
{
	lock_until = now_us() + seconds * INT64_C(1000000);
	for (int i = 0; i < clients; i++)
	{
		Locker	   *locker = calloc(1, sizeof(Locker));
		Call	   *call = calloc(1, sizeof(Call));
		Bytes		request = {0};

		locker->connection = &connections[i % 2];
		locker->number = i;
		call->locker = locker;
		append_varint(&request, 1 << 3);
		append_varint(&request, 60);	/* TTL */
		start_request(locker->connection, "/etcdserverpb.Lease/LeaseGrant", call, &request, take_lease);
		lockers_active++;
	}
	while (lockers_active > 0)
	{
		pump(connections, 2, 10);
		if (now_us() > lock_until + START_LIMIT_US)
			fail("locks", "no answer in time");
	}
	printf("cycles %zu\n", delays_seen);
}

/* ---------- watches ---------- */

typedef struct WatchRun
{
	int			watchers;
	int			streams;
	int			connections;
	int			slow;
	int			rate;
	int			size;
	int			seconds;
	bool		shared;
} WatchRun;

/*
 * The first connection has the puts; then come those of the watches, then the slow ones.
 */
static void
run_watches(Connection *connections, const WatchRun *run)
{
	int64_t		started = now_us();
	int64_t		now;
	long		puts = 0;
	long		events = 0;
	int			busy = 1 + run->connections;

	start_watches(&connections[1], run->connections, run->watchers, run->streams, run->shared);
	start_slow(&connections[busy], run->slow);
	while (watches_created < run->watchers + run->slow)
	{
		pump(connections, busy + run->slow, 100);
		if (now_us() - started > START_LIMIT_US)
			fail("watches", "not created in time");
	}
	if (run->rate == 0)
	{
		printf("created %d in %lld us\n", watches_created, (long long) (now_us() - started));
		fflush(stdout);
	}

	started = now_us();
	while ((now = now_us()) < started + run->seconds * INT64_C(1000000))
	{
		long		due = (long) ((now - started) * run->rate / 1000000);

		/* a server that falls behind is not buried */
		for (; puts < due && puts - puts_answered < 2000; puts++)
			start_put(&connections[0], run->shared ? 0 : (int) (puts % run->watchers), run->size);
		pump(connections, busy, 1);
	}
	events = puts * (run->shared ? run->watchers : 1);
	while (events_heard < events && now_us() < started + run->seconds * INT64_C(1000000) + DRAIN_US)
		pump(connections, busy, 10);
	if (run->rate > 0)
		printf("puts %ld events %ld in %lld us\n", puts, events_heard, (long long) (last_heard - started));
}

static int
compare_delays(const void *a, const void *b)
{
	int64_t		x = *(const int64_t *) a;
	int64_t		y = *(const int64_t *) b;

	return x < y ? -1 : x > y;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{"port", required_argument, NULL, 'p'},
		{"watchers", required_argument, NULL, 'w'},
		{"shared", no_argument, NULL, 'a'},
		{"streams", required_argument, NULL, 't'},
		{"connections", required_argument, NULL, 'c'},
		{"slow", required_argument, NULL, 'o'},
		{"rate", required_argument, NULL, 'r'},
		{"size", required_argument, NULL, 'z'},
		{"locks", required_argument, NULL, 'l'},
		{"seconds", required_argument, NULL, 's'},
		{NULL, 0, NULL, 0}
	};
	WatchRun	run = {.watchers = 1000, .streams = 10, .connections = 1, .rate = 1000, .seconds = 5};
	int			port = 0;
	static Connection connections[MAX_CONNECTIONS + 1];
	int			locks = 0;
	int			option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
	{
		switch (option)
		{
			case 'p':
				port = atoi(optarg);
				break;
			case 'w':
				run.watchers = atoi(optarg);
				break;
			case 'a':
				run.shared = true;
				break;
			case 't':
				run.streams = atoi(optarg);
				break;
			case 'c':
				run.connections = atoi(optarg);
				break;
			case 'o':
				run.slow = atoi(optarg);
				break;
			case 'r':
				run.rate = atoi(optarg);
				break;
			case 'z':
				run.size = atoi(optarg);
				break;
			case 'l':
				locks = atoi(optarg);
				break;
			case 's':
				run.seconds = atoi(optarg);
				break;
			default:
				return 2;
		}
	}
	if (port <= 0 || run.watchers < 1 || run.streams < 1 || run.connections < 1 || run.slow < 0 ||
		run.connections + run.slow > MAX_CONNECTIONS || run.rate < 0 || run.size < 0 ||
		run.size > 1024 * 1024 || run.seconds < 1 || run.seconds > 600)
		fail("usage", "grpcload --port P [--watchers N [--shared] [--streams N] [--connections N] [--slow N] "
			 "[--rate N] [--size N] | --locks N] [--seconds N]");
	if (run.streams > run.watchers)
		run.streams = run.watchers;
	if (run.connections > run.streams)
		run.connections = run.streams;
	snprintf(authority, sizeof(authority), "127.0.0.1:%d", port);
	delays = malloc(MAX_SAMPLES * sizeof(int64_t));

	for (int i = 0; i < 1 + run.connections + run.slow; i++)
		open_connection(&connections[i], port);
	if (locks > 0)
		run_locks(connections, locks, run.seconds);
	else
		run_watches(connections, &run);
	if (ndelays == 0)
	{
		if (run.rate == 0)
			return 0;
		fail("answers", "none came");
	}
	qsort(delays, ndelays, sizeof(int64_t), compare_delays);
	printf("delay_us p50 %lld p99 %lld max %lld\n", (long long) delays[ndelays / 2],
		   (long long) delays[ndelays * 99 / 100], (long long) delays[ndelays - 1]);
	return 0;
}
