/*-------------------------------------------------------------------------
 *
 * fuzz.c
 *	  Fuzz targets of the gateway's transport and of what it carries: HTTP/1.1 and JSON's form,
 *	  HTTP/2, gRPC's framing, WebSockets, and all messages of etcd's API as bytes and as JSON.
 *
 *	  fuzz TARGET [--seed N] [--runs N] [--seconds S]		inputs at random, from samples
 *	  fuzz TARGET FILE...									inputs that were found
 *	  fuzz TARGET --corpus FOLDER [--runs N]				inputs to begin with, for libFuzzer
 *
 * Built with libFuzzer (make libfuzzer) there is one program for each target.  After each input all
 * that it made must be gone: no connection, no call, no byte that is accounted for.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/fuzz/fuzz.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "gateway/transport.h"

#include "fuzz.h"

#undef printf
#undef fprintf
#undef snprintf

#define INPUT_MAX		(64 * 1024)

/* Inputs at random do not grow beyond this */
#define GROWN_MAX		2048

typedef void (*Target) (const uint8 *data, size_t len);

/* ---------- a turn of the loop ---------- */

static void
turn(void)
{
	fuzz_now += 1000;
	gateway_now = fuzz_now;
	timers_run();
	conns_reread();
	calls_run();
	conns_flush();
	calls_reap();
	conns_reap();
}

static Conn *conn;

/* Bytes of the client, in pieces whose sizes depend on them */
static void
feed(const uint8 *data, size_t len, bool whole)
{
	while (len > 0 && gateway_stats.connections > 0 && conn->state != CONN_DEAD)
	{
		size_t		n = whole || len < 4 ? len : 1 + (data[0] * 37 + data[1]) % len;
		uint8	   *copy = malloc(n);	/* so that a step beyond it is seen */

		memcpy(copy, data, n);
		conn_feed(conn, copy, n);
		free(copy);
		data += n;
		len -= n;
		turn();
	}
}

static void
begin(const uint8 *data, size_t len)
{
	fuzz_stack_begins();
	fuzz_services_seed(data + len / 2, len - len / 2);
	conn = conn_new(-1, false);
	turn();
}

static void
end(void)
{
	int			i;

	for (i = 0; i < 3; i++)
		turn();
	if (gateway_stats.connections > 0)
		conn_abort(conn);
	turn();
	turn();
	if (gateway_stats.connections != 0 || gateway_stats.calls != 0 || gateway_stats.buffered != 0)
	{
		fprintf(stderr, "left behind: %u connections, %u calls, %zu bytes\n",
				gateway_stats.connections, gateway_stats.calls, gateway_stats.buffered);
		abort();
	}
}

/* ---------- targets ---------- */

/* HTTP/1.1 as it comes: the first byte says whether in one piece */
static void
target_http1(const uint8 *data, size_t len)
{
	if (len < 1)
		return;
	begin(data, len);
	feed(data + 1, len - 1, data[0] & 1);
	end();
}

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/* HTTP/2 as it comes behind the preface */
static void
target_http2(const uint8 *data, size_t len)
{
	if (len < 1)
		return;
	begin(data, len);
	feed((const uint8 *) preface, sizeof(preface) - 1, true);
	feed(data + 1, len - 1, data[0] & 1);
	end();
}

typedef struct Frame
{
	uint8		bytes[9 + 16384 + 1024];
	size_t		len;
} Frame;

static void
send_frame(uint8 type, uint8 flags, uint32 stream, const uint8 *payload, size_t len)
{
	static Frame frame;
	uint8		head[9] = {len >> 16, len >> 8, len, type, flags,
	stream >> 24 & 127, stream >> 16, stream >> 8, stream};

	memcpy(frame.bytes, head, 9);
	if (len > 0)
		memcpy(frame.bytes + 9, payload, len);
	feed(frame.bytes, 9 + len, true);
}

static size_t
put_header(uint8 *to, const char *name, const char *value, size_t value_len)
{
	size_t		name_len = strlen(name);

	to[0] = 0;
	to[1] = (uint8) name_len;
	memcpy(to + 2, name, name_len);
	to[2 + name_len] = (uint8) value_len;
	memcpy(to + 3 + name_len, value, value_len);
	return 3 + name_len + value_len;
}

static size_t
put_text(uint8 *to, const char *name, const char *value)
{
	return put_header(to, name, value, strlen(value));
}

/*
 * gRPC: the input says which frames come, with which contents; their form is right, so that
 * what comes behind it is reached.
 */
static void
target_grpc(const uint8 *data, size_t len)
{
	static const char *const paths[] = {
		"/etcdserverpb.KV/Range", "/etcdserverpb.KV/Put", "/etcdserverpb.KV/Txn", "/etcdserverpb.Watch/Watch",
		"/etcdserverpb.Lease/LeaseKeepAlive", "/etcdserverpb.KV/RangeStream", "/none.Such/Method", "/v3/watch"
	};
	const uint8 *at = data;
	const uint8 *limit = data + len;
	uint32		opened = 1;

	begin(data, len);
	feed((const uint8 *) preface, sizeof(preface) - 1, true);
	send_frame(4, 0, 0, data, 0);
	while (limit - at >= 3 && gateway_stats.connections > 0)
	{
		uint8		what = at[0];
		uint8		detail = at[1];
		size_t		n = at[2];
		uint32		stream = 1 + 2 * (detail % 8);
		uint8		payload[1024];
		size_t		size;

		at += 3;
		n = Min(n, (size_t) (limit - at));
		switch (what % 8)
		{
			case 0:				/* a request */
			case 1:
				size = put_text(payload, ":method", what & 0x40 ? "GET" : "POST");
				size += put_text(payload + size, ":scheme", "http");
				size += put_text(payload + size, ":path", paths[detail % lengthof(paths)]);
				size += put_text(payload + size, ":authority", "x");
				size += put_text(payload + size, "content-type", what & 0x20 ? "application/json" : "application/grpc");
				size += put_text(payload + size, "te", "trailers");
				n = Min(n, 100);
				if (detail & 0x80)
					size += put_header(payload + size, "token", (const char *) at, n);
				if (detail & 0x40)
					size += put_header(payload + size, "grpc-timeout", (const char *) at, Min(n, 9));
				if (detail & 0x20)
					size += put_text(payload + size, "hasleader", "true");
				send_frame(1, 4 | (what & 0x10 ? 1 : 0), opened, payload, size);
				opened += 2;
				break;
			case 2:				/* a message, whole */
				payload[0] = what & 0x40 ? 1 : 0;
				payload[1] = what & 0x20 ? 0x7f : 0;
				payload[2] = payload[3] = 0;
				payload[4] = (uint8) n + (detail & 0x80 ? 1 : 0);
				memcpy(payload + 5, at, n);
				send_frame(0, what & 0x10 ? 1 : 0, stream, payload, 5 + n);
				break;
			case 3:				/* bytes of the body */
				send_frame(0, what & 0x10 ? 1 : 0, stream, at, n);
				break;
			case 4:
				send_frame(3, 0, stream, (const uint8 *) "\0\0\0\x08", 4);
				n = 0;
				break;
			case 5:
				payload[0] = payload[1] = payload[2] = 0;
				payload[3] = detail;
				send_frame(8, 0, what & 0x10 ? stream : 0, payload, 4);
				n = 0;
				break;
			case 6:				/* any frame */
				send_frame(detail, what >> 3, n % 2 ? stream : 0, at, n);
				break;
			case 7:				/* time passes */
				fuzz_now += detail * INT64CONST(100000);
				turn();
				n = 0;
				break;
		}
		at += n;
	}
	end();
}

/*
 * WebSockets: the input says which frames come, with which contents; most heads are right, and all
 * contents are masked, so that what comes behind is reached.
 */
static void
target_websocket(const uint8 *data, size_t len)
{
	static const char *const paths[] = {
		"/v3/watch", "/v3/lease/keepalive", "/v3/kv/range", "/v3beta/kv/put", "/v3/nothing", "/v3/maintenance/snapshot"
	};
	const uint8 *at = data + 1;
	const uint8 *limit = data + len;
	char		head[512];

	if (len < 1)
		return;
	begin(data, len);
	snprintf(head, sizeof(head), "GET %s HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
			 "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
			 paths[data[0] % lengthof(paths)],
			 data[0] & 0x80 ? "Sec-WebSocket-Protocol: Bearer, a.b\r\nCookie: x=y; token=\"c\"\r\n" : "");
	feed((const uint8 *) head, strlen(head), true);
	while (limit - at >= 3 && gateway_stats.connections > 0)
	{
		uint8		what = at[0];
		uint8		detail = at[1];
		size_t		n = at[2];
		uint8		frame[16 + 256];
		size_t		size = 2;
		size_t		i;

		at += 3;
		n = Min(n, (size_t) (limit - at));
		if (detail == 0xff)		/* time passes */
		{
			fuzz_now += what * INT64CONST(1000000);
			turn();
			continue;
		}
		frame[0] = what;		/* its bits as they are: end, reserved ones, kind */
		frame[1] = (detail & 0x40 ? 0 : 0x80) | Min(n, 125);
		if (n > 125 || (detail & 0x20))
		{
			bool		eight = (detail & 0x10) != 0;

			frame[1] = (frame[1] & 0x80) | (eight ? 127 : 126);
			memset(frame + 2, detail & 8 ? detail : 0, 8);
			size += eight ? 8 : 2;
			frame[size - 1] = n;
		}
		if ((detail & 0x40) == 0)
		{
			memset(frame + size, detail, 4);
			size += 4;
		}
		for (i = 0; i < n; i++)
			frame[size++] = at[i] ^ (detail & 0x40 ? 0 : detail);
		feed(frame, size, (detail & 0x80) != 0);
		at += n;
	}
	end();
}

/* ---------- samples ---------- */

typedef struct Sample
{
	const char *bytes;
	size_t		len;
} Sample;

#define SAMPLE(text) {text, sizeof(text) - 1}

static const Sample http1_samples[] = {
	SAMPLE("\001POST /v3/kv/range HTTP/1.1\r\nHost: x\r\nContent-Length: 16\r\n\r\n{\"key\":\"YWJj\"  }"),
	SAMPLE("\002POST /v3/kv/put HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n3\r\n1 }\r\n0\r\n\r\n"),
	SAMPLE("\003POST /v3beta/watch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer abc\r\nContent-Length: 40\r\n\r\n{\"create_request\":{\"key\":\"YQ==\"}}{\"x\":1}"),
	SAMPLE("\001GET /version HTTP/1.1\r\nHost: x\r\n\r\nGET /health?later HTTP/1.1\r\n\r\nHEAD /version?e HTTP/1.0\r\n\r\n"),
	SAMPLE("\000OPTIONS /v3/kv/txn HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"),
	SAMPLE("\001POST /v3/lease/keepalive HTTP/1.1\r\nContent-Length: 30\r\n\r\n{\"ID\":\"\\\"{[\\u1234\"}{!}{\"a\":[{}]}"),
	SAMPLE("\001GET /v3/watch HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	"\x89\x80\0\0\0\0\x89\x80\0\0\0\0\x89\x80\0\0\0\0\x89\x80\0\0\0\0\x89\x80\0\0\0\0\x89\x80\0\0\0\0\x89\x80\0\0\0\0"
	"\x89\x80\0\0\0\0\x89\x80\0\0\0\0\x89\x80\0\0\0\0\x89\x80\0\0\0\0\x89\x80\0\0\0\0\x89\x80\0\0\0\0\x89\x80\0\0\0\0"
	"\x89\x80\0\0\0\0\x89\x80\0\0\0\0\x89\x80\0\0\0\0\x81\x82\0\0\0\0{}\x88\x80\0\0\0\0"),
	SAMPLE("\001GET /none HTTP/1.1\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n\r\n")
};

static const Sample http2_samples[] = {
	SAMPLE("\001\0\0\0\4\0\0\0\0\0"
	"\0\0\x59\1\4\0\0\0\1\0\7:method\4POST\0\7:scheme\4http\0\5:path\x16/etcdserverpb.KV/Range\0\x0c""content-type\x10""application/grpc"
	"\0\0\x08\0\1\0\0\0\1\0\0\0\0\3\n\1a"),
	SAMPLE("\000\0\0\6\4\0\0\0\0\0\0\4\0\0\0\1\0\0\4\x08\0\0\0\0\0\0\0\x10\0\0\0\x08\6\0\0\0\0\0abcdefgh"),
	SAMPLE("\001\0\0\0\4\1\0\0\0\0\0\0\4\3\0\0\0\0\1\0\0\0\x08\0\0\x08\7\0\0\0\0\0\0\0\0\0\0\0\0\0")
};

static const Sample grpc_samples[] = {
	SAMPLE("\x00\x00\x00\x12\x00\x03\n\1a\x07\x0a\x00"),
	SAMPLE("\x00\x03\x00\x02\x00\x07\n\5\n\1a\x12\0\x05\xff\x00\x13\x00\x02\0\0"),
	SAMPLE("\x00\xc1\x05" "100mS\x12\x00\x06\n\1b\x12\1v\x07\xff\x00\x04\x00\x00"),
	SAMPLE("\x00\x05\x00\x12\x00\x03\n\1a\x05\xff\x00\x15\xff\x00\x07\x05\x00"),
	SAMPLE("\x20\x07\x00\x13\x00\x10{\"a\":1}{\"b\":2} \x00\x04\x00\x0a\x01\x02\x08\x07")
};

static const Sample websocket_samples[] = {
	SAMPLE("\x00\x81\x01\x22{\"create_request\":{\"key\":\"YQ==\"}}  \x81\x00\x07{\"a\":1}\x88\x03\x02\x03\xe8"),
	SAMPLE("\x01\x01\x05\x04{\"ID\x89\x00\x04ping\x80\x85\x06\":\"9\"}\x82\x81\x08{\"ID\":1}\x8a\x00\x00"),
	SAMPLE("\x82\x81\x00\x0c{\"key\":\"YQ\"}\x81\x40\x02{}"),
	SAMPLE("\x00\x81\x00\x03\xce\xba\xff\x88\x00\x01\x03"),
	SAMPLE("\x03\x81\x20\x02{}\x81\x30\x02{}\xc1\x00\x02{}\x83\x00\x00"),
	SAMPLE("\x04\x81\x00\x02{}"),
	SAMPLE("\x00\x89\x00\x00\x89\x00\x00\x89\x00\x00\x09\x00\x00\x50\xff\x00")
};

static const Sample message_samples[] = {
	SAMPLE("\n\1a\x12\1b\x18\3\x28\1\x30\4\x38\1\x50\x07"),
	SAMPLE("\n\x0a\x08\1\x10\2\x1a\1a\x20\5\x82\4\1b\x12\x0c\n\3\n\1a\x12\5\n\1k\x12\0\x1a\x06\"\4\x12\2\x12\0"),
	SAMPLE("\n\x08\n\1a\x12\1b\x18\x09*\1\0@\1"),
	SAMPLE("\n\4root\x12\6secret\x1a\2\x08\1"),
	SAMPLE("\n\x10\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\x10\2\x18\3 \4\x12\x0a\n\1k\x10\2\x18\3 \4*\1v")
};

/* The first byte is the message's number: here a range, a put, a transaction and a watch */
static const Sample json_samples[] = {
	SAMPLE("\000{\"key\":\"YQ==\",\"range_end\":\"YWI=\",\"limit\":\"3\",\"sort_order\":\"DESCEND\",\"sortTarget\":2,\"serializable\":true}"),
	SAMPLE("\002{\"key\":\"-_\",\"value\":\"\",\"lease\":-9223372036854775808,\"prev_kv\":null,\"none\":[{\"a\":1e3}]}"),
	SAMPLE("\004{\"compare\":[{\"result\":\"GREATER\",\"target\":\"MOD\",\"key\":\"YQ\",\"mod_revision\":\"0\"}],"
	"\"success\":[{\"request_txn\":{\"failure\":[{\"requestPut\":{}},{}]}}]}"),
	SAMPLE("\006{\"create_request\":{\"key\":\"YQ\",\"filters\":[\"NOPUT\",1],\"watch_id\":\"5\"},\"cancel_request\":null}")
};

typedef struct TargetEntry
{
	const char *name;
	Target		run;
	const Sample *samples;
	size_t		nsamples;
	size_t		(*make) (uint32 (*below) (uint32 n), uint8 *input, size_t size);	/* or none */
} TargetEntry;

static const TargetEntry targets[] = {
	{"http1", target_http1, http1_samples, lengthof(http1_samples)},
	{"http2", target_http2, http2_samples, lengthof(http2_samples)},
	{"grpc", target_grpc, grpc_samples, lengthof(grpc_samples)},
	{"message", fuzz_all_messages, message_samples, lengthof(message_samples)},
	{"json", fuzz_json, json_samples, lengthof(json_samples), fuzz_json_make},
	{"websocket", target_websocket, websocket_samples, lengthof(websocket_samples)}
};

#ifdef LIBFUZZER

extern int	LLVMFuzzerTestOneInput(const uint8 *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t len)
{
	static bool ready;

	if (!ready)
		fuzz_services_init();
	ready = true;
	targets[LIBFUZZER].run(data, Min(len, INPUT_MAX));
	return 0;
}

#else

/* ---------- inputs at random ---------- */

static uint64 random_state;

static uint32
random_below(uint32 n)
{
	random_state = random_state * UINT64CONST(6364136223846793005) + UINT64CONST(1442695040888963407);
	return (uint32) (random_state >> 33) % n;
}

/* What is spoilt again may be what was spoilt before, so changes add up */
#define KEPT	64
static uint8 *kept[KEPT];
static size_t kept_len[KEPT];

static size_t
spoil(uint8 *bytes, size_t len)
{
	static const uint8 telling[] = {0, 1, 0x7f, 0x80, 0xff, '\r', '\n', '{', '}', '"', '\\', ':', 0x0a, 0x12};
	uint32		at = len > 0 ? random_below(len) : 0;
	uint32		n = 1 + random_below(random_below(4) == 0 ? 64 : 4);
	uint32		from;

	switch (random_below(7))
	{
		case 0:
			if (len > 0)
				bytes[at] = (uint8) random_below(256);
			break;
		case 1:
			if (len > 0)
				bytes[at] ^= 1 << random_below(8);
			break;
		case 2:
			if (len > 0)
				bytes[at] = telling[random_below(lengthof(telling))];
			break;
		case 3:					/* leave some out */
			n = Min(n, len - at);
			memmove(bytes + at, bytes + at + n, len - at - n);
			len -= n;
			break;
		case 4:					/* again what is elsewhere */
			if (len == 0 || len + n > GROWN_MAX)
				break;
			from = random_below(len);
			n = Min(n, len - from);
			memmove(bytes + at + n, bytes + at, len - at);
			memmove(bytes + at, bytes + (from >= at ? Min(from + n, len) : from), n);
			len += n;
			break;
		case 5:					/* put some in */
			if (len + n > GROWN_MAX)
				break;
			memmove(bytes + at + n, bytes + at, len - at);
			len += n;
			while (n-- > 0)
				bytes[at + n] = (uint8) random_below(256);
			break;
		case 6:					/* cut it off */
			if (random_below(4) == 0)
				len = at;
			break;
	}
	return len;
}

static size_t
make_input(const TargetEntry *target, uint8 *bytes)
{
	uint32		slot = random_below(KEPT);
	uint32		changes = 1 + random_below(6);
	size_t		len;

	if (kept[slot] != NULL && random_below(3) > 0)
	{
		len = kept_len[slot];
		memcpy(bytes, kept[slot], len);
	}
	else if (target->make != NULL && random_below(4) > 0)
	{
		len = target->make(random_below, bytes, GROWN_MAX);
		changes = random_below(3);	/* or none, as it is spoilt by itself */
	}
	else
	{
		const Sample *sample = &target->samples[random_below(target->nsamples)];

		len = sample->len;
		memcpy(bytes, sample->bytes, len);
	}
	while (changes-- > 0)
		len = spoil(bytes, len);
	if (random_below(4) == 0)
	{
		slot = random_below(KEPT);
		free(kept[slot]);
		kept[slot] = malloc(len + 1);
		memcpy(kept[slot], bytes, len);
		kept_len[slot] = len;
	}
	return len;
}

static int
run_files(const TargetEntry *target, int n, char **names)
{
	int			i;

	for (i = 0; i < n; i++)
	{
		static uint8 bytes[INPUT_MAX];
		FILE	   *file = fopen(names[i], "rb");
		size_t		len;

		if (file == NULL)
		{
			perror(names[i]);
			return 1;
		}
		len = fread(bytes, 1, sizeof(bytes), file);
		fclose(file);
		target->run(bytes, len);
	}
	return 0;
}

/* The input that is being tried, so that it can be looked at */
static void
keep_input(const char *name, const uint8 *bytes, size_t len)
{
	FILE	   *file = fopen(name, "wb");

	if (file == NULL)
		return;
	fwrite(bytes, 1, len, file);
	fclose(file);
}

static int
write_corpus(const TargetEntry *target, const char *folder, long n)
{
	static uint8 bytes[GROWN_MAX];
	char		name[1024];
	long		i;

	for (i = 0; i < n; i++)
	{
		const Sample *sample = &target->samples[i % target->nsamples];

		snprintf(name, sizeof(name), "%s/%05ld", folder, i);
		if (target->make != NULL)
			keep_input(name, bytes, target->make(random_below, bytes, sizeof(bytes)));
		else
			keep_input(name, (const uint8 *) sample->bytes, sample->len);
	}
	return 0;
}

int
main(int argc, char **argv)
{
	const TargetEntry *target = NULL;
	uint64		seed = 1;
	long		runs = 20000;
	long		seconds = 3600;
	const char *keep = NULL;
	const char *corpus = NULL;
	time_t		started = time(NULL);
	static uint8 bytes[INPUT_MAX + 4096];
	uint64		calls = 0;
	uint64		messages;
	int			method;
	long		i;

	for (i = 0; argc > 1 && i < (long) lengthof(targets); i++)
	{
		if (strcmp(argv[1], targets[i].name) == 0)
			target = &targets[i];
	}
	if (target == NULL)
	{
		fprintf(stderr, "usage: fuzz http1|http2|grpc|message|json [--seed N] [--runs N] [--seconds S] [--keep FILE] [--corpus FOLDER] | FILE...\n");
		return 2;
	}
	fuzz_services_init();
	if (argc > 2 && argv[2][0] != '-')
		return run_files(target, argc - 2, argv + 2);
	for (i = 2; i + 1 < argc; i += 2)
	{
		if (strcmp(argv[i], "--seed") == 0)
			seed = strtoull(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--runs") == 0)
			runs = atol(argv[i + 1]);
		else if (strcmp(argv[i], "--seconds") == 0)
			seconds = atol(argv[i + 1]);
		else if (strcmp(argv[i], "--keep") == 0)
			keep = argv[i + 1];
		else if (strcmp(argv[i], "--corpus") == 0)
			corpus = argv[i + 1];
	}
	random_state = seed;
	if (corpus != NULL)
		return write_corpus(target, corpus, runs);
	for (i = 0; i < runs; i++)
	{
		size_t		len = make_input(target, bytes);

		if (keep != NULL)
			keep_input(keep, bytes, len);
		target->run(bytes, len);
		if (i % 1000 == 999 && time(NULL) - started >= seconds)
			break;
	}
	messages = fuzz_json_accepted;
	for (method = 0; method < method_count(); method++)
	{
		const MethodStats *stats = method_stats(method_at(method));

		calls += stats->started;
		messages += stats->messages_in;
	}
	printf("%s, seed %llu: %ld inputs, %llu calls, %llu messages\n", target->name, (unsigned long long) seed, i,
		   (unsigned long long) calls, (unsigned long long) messages);
	return 0;
}

#endif							/* LIBFUZZER */
