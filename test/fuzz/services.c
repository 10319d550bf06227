/*-------------------------------------------------------------------------
 *
 * services.c
 *	  Services for the fuzz targets: the methods of etcd's with handlers that do something
 *	  quick with a call, and the rest of the gateway's loop that the transport asks for.
 *
 * What a handler does is drawn from the input, so that a target finds calls that answer at
 * once, later, in many parts, or by an ERROR, that pause, and that end by themselves.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/fuzz/services.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/memutils.h"

#include "etcdserverpb.pb-c.h"
#include "every.pb-c.h"
#include "gateway/admit.h"
#include "gateway/errors.h"
#include "gateway/transport.h"
#include "health.pb-c.h"
#include "settings.h"
#include "store/pbmem.h"
#include "v3electionpb.pb-c.h"
#include "v3lockpb.pb-c.h"

#include "fuzz.h"

/* ---------- settings ---------- */

int			setting_client_memory = 64 * 1024;
int			setting_grpc_keepalive_interval = 7200;
int			setting_grpc_keepalive_min_time = 5;
int			setting_grpc_keepalive_timeout = 20;
int			setting_max_client_connections = 1000;
int			setting_max_concurrent_streams = 100;
int			setting_max_request_bytes = 100 * 1024;
int			setting_request_timeout = 5000;

/* ---------- the loop ---------- */

ClockTime	gateway_now;

Relation	gateway_store;
MemoryContext gateway_context;
MemoryContext handler_context;

bool
gateway_turn_open(void)
{
	return true;
}

bool
poll_want(Pollable *pollable, uint32 events)
{
	return true;
}

void
poll_forget(Pollable *pollable)
{
}

/* ---------- TLS: there is none ---------- */

Tls *
tls_new(int fd)
{
	return NULL;
}

void
tls_free(Tls *tls)
{
}

TlsResult
tls_handshake(Tls *tls)
{
	return TLS_FAILED;
}

bool
tls_is_h2(const Tls *tls)
{
	return false;
}

char *
tls_peer_user(const Tls *tls)
{
	return NULL;
}

TlsResult
tls_read(Tls *tls, uint8 *data, size_t size, size_t *len)
{
	return TLS_FAILED;
}

TlsResult
tls_write(Tls *tls, const uint8 *data, size_t size, size_t *len)
{
	return TLS_FAILED;
}

void
tls_goodbye(Tls *tls)
{
}

/* ---------- pages ---------- */

bool
page_exists(const char *path)
{
	return strcmp(path, "/version") == 0 || strcmp(path, "/health") == 0;
}

void
page_get(PageRequest *request)
{
	if (request->query[0] == 'e')
		elog(ERROR, "no page");
	if (request->query[0] != 'l')
		page_reply(request, 200, "text/plain", "ok\n", 3);
}

void
page_ended(PageRequest *request)
{
}

/* ---------- calls ---------- */

static const uint8 *draws;
static size_t draws_left;

void
fuzz_services_seed(const uint8 *data, size_t len)
{
	draws = data;
	draws_left = len;
}

static uint8
draw(void)
{
	if (draws_left == 0)
		return 0;
	draws_left--;
	return *draws++;
}

bool
admit_call(Call *call, const ProtobufCMessage *message)
{
	return true;
}

const CallError *
errors_of_sqlstate(int sqlstate)
{
	static const CallError internal = {GRPC_INTERNAL, "internal error"};

	return &internal;
}

static void
answer(Call *call, bool last)
{
	ProtobufCMessage *response = palloc0(call->method->response->sizeof_message);

	protobuf_c_message_init(call->method->response, response);
	if (last)
		call_reply(call, response);
	else
		call_send(call, response);
}

static void
answer_later(Call *call, void *arg)
{
	answer(call, true);
}

/* Much, in parts that calls share */
static void
send_much(Call *call)
{
	SharedBytes *bytes = shared_bytes_new(100000);
	int			i;

	memset(bytes->data, 0, bytes->len);
	for (i = 0; i < 20 && !call_is_congested(call); i++)
		call_send_packed(call, (const uint8 *) "\n\0", 2, bytes);
	shared_bytes_release(bytes);
}

static void
handle(Call *call, const ProtobufCMessage *message)
{
	bool		streams = call->method->server_streams;
	uint8		what = draw();

	/* the message is one: reading all of it must be possible */
	(void) protobuf_c_message_get_packed_size(message);
	switch (what % 8)
	{
		case 0:
		case 1:
			answer(call, !streams);
			break;
		case 2:
			call_finish(call, what / 8 % 17, what & 0x80 ? "etcdserver: \"no\"\n\x01 100% \xff" : NULL);
			break;
		case 3:
			call_run_later(call, answer_later, NULL);
			break;
		case 4:
			ereport(ERROR,
					(errmsg("handler failed")));
			break;
		case 5:
			if (streams)
				send_much(call);
			else
				answer(call, true);
			break;
		case 6:
			call_pause(call);
			if (what & 0x80)
				call_resume(call);
			break;
		case 7:
			break;				/* for ever */
	}
}

static void
handle_half_closed(Call *call)
{
	call_finish(call, GRPC_OK, NULL);
}

static void
handle_drained(Call *call)
{
	answer(call, false);
}

static void
handle_ended(Call *call)
{
}

#define UNARY(name_, json_, in_, out_) \
	{.path = name_, .json_paths = {json_}, .request = &in_, .response = &out_, .message = handle, .ended = handle_ended}
#define STREAM(name_, json_, client_, in_, out_) \
	{.path = name_, .json_paths = {json_}, .request = &in_, .response = &out_, .client_streams = client_, \
	 .server_streams = true, .message = handle, .half_closed = handle_half_closed, \
	 .drained = handle_drained, .ended = handle_ended}

const Method kv_methods[] = {
	UNARY("/etcdserverpb.KV/Range", "/kv/range", etcdserverpb__range_request__descriptor, etcdserverpb__range_response__descriptor),
	UNARY("/etcdserverpb.KV/Put", "/kv/put", etcdserverpb__put_request__descriptor, etcdserverpb__put_response__descriptor),
	UNARY("/etcdserverpb.KV/Txn", "/kv/txn", etcdserverpb__txn_request__descriptor, etcdserverpb__txn_response__descriptor),
	STREAM("/etcdserverpb.KV/RangeStream", NULL, false, etcdserverpb__range_request__descriptor, etcdserverpb__range_stream_response__descriptor),
	{.path = NULL}
};

const Method watch_methods[] = {
	STREAM("/etcdserverpb.Watch/Watch", "/watch", true, etcdserverpb__watch_request__descriptor, etcdserverpb__watch_response__descriptor),
	{.path = NULL}
};

const Method lease_methods[] = {
	STREAM("/etcdserverpb.Lease/LeaseKeepAlive", "/lease/keepalive", true, etcdserverpb__lease_keep_alive_request__descriptor, etcdserverpb__lease_keep_alive_response__descriptor),
	{.path = NULL}
};

/* no more is needed for the forms that calls have */
#define NO_METHODS(table) const Method table[] = {{.path = NULL}}

NO_METHODS(cluster_methods);
NO_METHODS(maintenance_methods);
NO_METHODS(auth_methods);
NO_METHODS(lock_methods);
NO_METHODS(election_methods);
NO_METHODS(health_methods);

void
fuzz_services_init(void)
{
	gateway_context = AllocSetContextCreate((MemoryContext) NULL, "gateway", ALLOCSET_DEFAULT_SIZES);
	handler_context = AllocSetContextCreate(gateway_context, "handler", ALLOCSET_DEFAULT_SIZES);
	CurrentMemoryContext = gateway_context;
	methods_init();
	json_init();
}

/* ---------- messages ---------- */

static void
try_message(const ProtobufCMessageDescriptor *descriptor, const uint8 *data, size_t len)
{
	ProtobufCMessage *message = pb_unpack(descriptor, data, len);
	ProtobufCMessage *again;
	uint8	   *packed;
	size_t		size;

	if (message == NULL)
		return;
	/* what was understood is written in as many bytes as that takes, which mean the same, unless the
	 * library takes unknown fields along whose form is not right */
	size = protobuf_c_message_get_packed_size(message);
	packed = palloc(size + 1);
	if (protobuf_c_message_pack(message, packed) != size)
		abort();
	again = pb_unpack(descriptor, packed, size);
	if (again != NULL && protobuf_c_message_get_packed_size(again) != size)
		abort();
	fuzz_json_of(message);
}

static const ProtobufCServiceDescriptor *const services[] = {
	&etcdserverpb__kv__descriptor,
	&etcdserverpb__watch__descriptor,
	&etcdserverpb__lease__descriptor,
	&etcdserverpb__cluster__descriptor,
	&etcdserverpb__maintenance__descriptor,
	&etcdserverpb__auth__descriptor,
	&v3lockpb__lock__descriptor,
	&v3electionpb__election__descriptor,
	&grpc__health__v1__health__descriptor
};

static unsigned
count_methods(void)
{
	unsigned	n = 0;
	int			i;

	for (i = 0; i < lengthof(services); i++)
		n += services[i]->n_methods;
	return n;
}

unsigned
fuzz_message_count(void)
{
	return 2 * count_methods() + 1;
}

const ProtobufCMessageDescriptor *
fuzz_message(unsigned which)
{
	unsigned	nmethods = count_methods();
	unsigned	method = which % nmethods;
	int			i;

	if (which == 2 * nmethods)
		return &fuzz__every__descriptor;
	for (i = 0; method >= services[i]->n_methods; i++)
		method -= services[i]->n_methods;
	return which < nmethods ? services[i]->methods[method].input : services[i]->methods[method].output;
}

void
fuzz_all_messages(const uint8 *data, size_t len)
{
	unsigned	i;

	MemoryContextSwitchTo(handler_context);
	fuzz_stack_begins();
	/* not the last one, as jsonb has no -0 for its floating point numbers */
	for (i = 0; i < 2 * count_methods(); i++)
		try_message(fuzz_message(i), data, len);
	MemoryContextSwitchTo(gateway_context);
	MemoryContextReset(handler_context);
}
