/*-------------------------------------------------------------------------
 *
 * etcd_client.c
 *	  Calls to another etcd, over its JSON API.
 *
 * HTTP/1.1 on one connection that stays open, for a session that copies an etcd.  The
 * answer is parsed by http-parser, whose callbacks must not raise: they collect into
 * memory of malloc, and say afterwards what went wrong.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/sql/etcd_client.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <http_parser.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "json/pbjson.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/wait_event.h"

#include "clock.h"
#include "etcdserverpb.pb-c.h"
#include "sql/etcd_client.h"

/* A peer that is silent for so long is gone */
#define SILENCE_MS			60000

/* Longest answer; whoever asks for ranges asks for some keys at a time */
#define ANSWER_MAX_BYTES	((size_t) 256 * 1024 * 1024)

/* gRPC's codes that have a SQLSTATE of their own here */
#define CODE_PERMISSION_DENIED		7
#define CODE_UNAUTHENTICATED		16

#define AUTH_NOT_ENABLED	"etcdserver: authentication is not enabled"

struct EtcdClient
{
	MemoryContextCallback closer;
	EtcdEndpoint endpoint;
	bool		secure;
	char	   *host;
	char	   *port;
	bool		bracketed;		/* an IPv6 address */
	int			socket;
	SSL_CTX    *ssl_context;
	SSL		   *ssl;
	char	   *token;			/* or NULL */

	/* the answer under way */
	http_parser parser;
	char	   *body;			/* malloc'd */
	size_t		body_len;
	size_t		body_size;
	bool		complete;
	const char *wrong;			/* what a callback could not take */
};

/* ---------- connection ---------- */

static void
disconnect(EtcdClient *client)
{
	if (client->ssl != NULL)
		SSL_free(client->ssl);
	if (client->ssl_context != NULL)
		SSL_CTX_free(client->ssl_context);
	if (client->socket >= 0)
		close(client->socket);
	client->ssl = NULL;
	client->ssl_context = NULL;
	client->socket = -1;
}

/* of the memory context */
static void
close_client(void *arg)
{
	EtcdClient *client = arg;

	disconnect(client);
	free(client->body);
	client->body = NULL;
}

static void
fail_connection(const EtcdClient *client, int sqlstate, const char *why)
{
	ereport(ERROR,
			(errcode(sqlstate),
			 errmsg("could not talk to etcd at \"%s\" port %s: %s", client->host, client->port, why)));
}

static const char *
ssl_reason(const EtcdClient *client)
{
	unsigned long code = ERR_get_error();
	long		verify = client->ssl != NULL ? SSL_get_verify_result(client->ssl) : X509_V_OK;
	const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);

	ERR_clear_error();
	if (verify != X509_V_OK)
		return X509_verify_cert_error_string(verify);
	return reason != NULL ? reason : "connection closed";
}

/* Wait until the socket is ready */
static void
wait_for(EtcdClient *client, int event)
{
	ClockTime	deadline = clock_plus_ms(clock_now(), SILENCE_MS);

	for (;;)
	{
		long		left = clock_ms_between(clock_now(), deadline);
		int			rc;

		if (left <= 0)
			fail_connection(client, ERRCODE_CONNECTION_FAILURE, "no answer in time");
		rc = WaitLatchOrSocket(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH | event,
							   client->socket, left, PG_WAIT_EXTENSION);
		if (rc & WL_LATCH_SET)
			ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (rc & event)
			return;
	}
}

/* After an SSL call that did not succeed: wait for what it wants, or fail */
static void
wait_for_ssl(EtcdClient *client, int rc)
{
	switch (SSL_get_error(client->ssl, rc))
	{
		case SSL_ERROR_WANT_READ:
			wait_for(client, WL_SOCKET_READABLE);
			break;
		case SSL_ERROR_WANT_WRITE:
			wait_for(client, WL_SOCKET_WRITEABLE);
			break;
		default:
			fail_connection(client, ERRCODE_CONNECTION_FAILURE, ssl_reason(client));
	}
}

static void
send_bytes(EtcdClient *client, const char *bytes, size_t len)
{
	while (len > 0)
	{
		ssize_t		n;

		if (client->ssl != NULL)
		{
			ERR_clear_error();
			n = SSL_write(client->ssl, bytes, (int) Min(len, 1024 * 1024));
			if (n <= 0)
			{
				wait_for_ssl(client, (int) n);
				continue;
			}
		}
		else
		{
			n = send(client->socket, bytes, len, MSG_NOSIGNAL);
			if (n < 0)
			{
				if (errno == EINTR)
					continue;
				if (errno != EAGAIN && errno != EWOULDBLOCK)
					fail_connection(client, ERRCODE_CONNECTION_FAILURE, strerror(errno));
				wait_for(client, WL_SOCKET_WRITEABLE);
				continue;
			}
		}
		bytes += n;
		len -= n;
	}
}

/* Some bytes, at least one; 0 at the end of the connection */
static size_t
receive_bytes(EtcdClient *client, char *buffer, size_t size)
{
	for (;;)
	{
		ssize_t		n;

		CHECK_FOR_INTERRUPTS();
		if (client->ssl != NULL)
		{
			ERR_clear_error();
			n = SSL_read(client->ssl, buffer, (int) size);
			if (n > 0)
				return n;
			if (SSL_get_error(client->ssl, (int) n) == SSL_ERROR_ZERO_RETURN)
				return 0;
			wait_for_ssl(client, (int) n);
			continue;
		}
		n = recv(client->socket, buffer, size, 0);
		if (n >= 0)
			return n;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN && errno != EWOULDBLOCK)
			fail_connection(client, ERRCODE_CONNECTION_FAILURE, strerror(errno));
		wait_for(client, WL_SOCKET_READABLE);
	}
}

/* Take scheme, host and port apart; true for https */
static bool
parse_url(EtcdClient *client, const char *url)
{
	struct http_parser_url parts;
	bool		secure;
	char	   *scheme;

	http_parser_url_init(&parts);
	if (http_parser_parse_url(url, strlen(url), 0, &parts) != 0 ||
		(parts.field_set & (1 << UF_SCHEMA)) == 0 || (parts.field_set & (1 << UF_HOST)) == 0 ||
		(parts.field_set & ((1 << UF_QUERY) | (1 << UF_FRAGMENT) | (1 << UF_USERINFO))) != 0 ||
		((parts.field_set & (1 << UF_PATH)) != 0 && parts.field_data[UF_PATH].len > 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid endpoint of an etcd"),
				 errhint("Write it as http://host:port or https://host:port.")));
	scheme = pnstrdup(url + parts.field_data[UF_SCHEMA].off, parts.field_data[UF_SCHEMA].len);
	secure = pg_strcasecmp(scheme, "https") == 0;
	if (!secure && pg_strcasecmp(scheme, "http") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid scheme \"%s\" of an etcd's endpoint", scheme),
				 errhint("Write it as http://host:port or https://host:port.")));
	client->host = pnstrdup(url + parts.field_data[UF_HOST].off, parts.field_data[UF_HOST].len);
	client->bracketed = strchr(client->host, ':') != NULL;
	client->port = psprintf("%d", (parts.field_set & (1 << UF_PORT)) != 0 ? parts.port : 2379);
	return secure;
}

/* Is the connection that was begun there now? */
static bool
connected(EtcdClient *client, int *error)
{
	socklen_t	len = sizeof(*error);

	wait_for(client, WL_SOCKET_WRITEABLE);
	if (getsockopt(client->socket, SOL_SOCKET, SO_ERROR, error, &len) != 0)
		*error = errno;
	return *error == 0;
}

static void
connect_socket(EtcdClient *client)
{
	struct addrinfo hints;
	struct addrinfo *list;
	struct addrinfo *address;
	int			one = 1;
	int			error;
	int			rc;

	memset(&hints, 0, sizeof(hints));
	hints.ai_socktype = SOCK_STREAM;
	rc = getaddrinfo(client->host, client->port, &hints, &list);
	if (rc != 0)
		fail_connection(client, ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION, gai_strerror(rc));
	error = ENOENT;
	PG_TRY();
	{
		for (address = list; address != NULL; address = address->ai_next)
		{
			client->socket = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
			if (client->socket < 0)
			{
				error = errno;
				continue;
			}
			error = 0;
			if (connect(client->socket, address->ai_addr, address->ai_addrlen) == 0 ||
				(errno == EINPROGRESS && connected(client, &error)))
				break;
			if (error == 0)
				error = errno;
			close(client->socket);
			client->socket = -1;
		}
	}
	PG_FINALLY();
	{
		freeaddrinfo(list);
	}
	PG_END_TRY();
	if (client->socket < 0)
		fail_connection(client, ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION, strerror(error));
	(void) setsockopt(client->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static void
bad_file(const char *what, const char *file)
{
	unsigned long code = ERR_get_error();
	const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);

	ERR_clear_error();
	ereport(ERROR,
			(errcode(ERRCODE_IO_ERROR),
			 errmsg("could not load %s file \"%s\": %s", what, file,
					reason != NULL ? reason : "unknown error")));
}

static void
start_tls(EtcdClient *client)
{
	const EtcdEndpoint *endpoint = &client->endpoint;
	struct in6_addr numeric;
	int			rc;

	client->ssl_context = SSL_CTX_new(TLS_client_method());
	if (client->ssl_context == NULL)
		fail_connection(client, ERRCODE_OUT_OF_MEMORY, ssl_reason(client));
	(void) SSL_CTX_set_min_proto_version(client->ssl_context, TLS1_2_VERSION);
	SSL_CTX_set_mode(client->ssl_context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_verify(client->ssl_context, SSL_VERIFY_PEER, NULL);
	if (endpoint->ca_file != NULL)
	{
		if (SSL_CTX_load_verify_locations(client->ssl_context, endpoint->ca_file, NULL) != 1)
			bad_file("certificate authority", endpoint->ca_file);
	}
	else
		(void) SSL_CTX_set_default_verify_paths(client->ssl_context);
	if (endpoint->cert_file != NULL &&
		SSL_CTX_use_certificate_chain_file(client->ssl_context, endpoint->cert_file) != 1)
		bad_file("certificate", endpoint->cert_file);
	if (endpoint->key_file != NULL &&
		SSL_CTX_use_PrivateKey_file(client->ssl_context, endpoint->key_file, SSL_FILETYPE_PEM) != 1)
		bad_file("private key", endpoint->key_file);

	client->ssl = SSL_new(client->ssl_context);
	if (client->ssl == NULL || SSL_set_fd(client->ssl, client->socket) != 1)
		fail_connection(client, ERRCODE_OUT_OF_MEMORY, ssl_reason(client));
	if (inet_pton(AF_INET, client->host, &numeric) == 1 || inet_pton(AF_INET6, client->host, &numeric) == 1)
		rc = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(client->ssl), client->host);
	else
		rc = SSL_set1_host(client->ssl, client->host) == 1 &&
			SSL_set_tlsext_host_name(client->ssl, client->host) == 1;
	if (rc != 1)
		fail_connection(client, ERRCODE_CONNECTION_FAILURE, ssl_reason(client));
	for (;;)
	{
		ERR_clear_error();
		rc = SSL_connect(client->ssl);
		if (rc == 1)
			return;
		wait_for_ssl(client, rc);
	}
}

static void
connect_to_endpoint(EtcdClient *client)
{
	connect_socket(client);
	if (client->secure)
		start_tls(client);
}

/*
 * etcd_client_open() -- see etcd_client.h.
 */
EtcdClient *
etcd_client_open(const EtcdEndpoint *endpoint)
{
	EtcdClient *client = palloc0(sizeof(EtcdClient));

	client->endpoint = *endpoint;
	client->socket = -1;
	client->closer.func = close_client;
	client->closer.arg = client;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &client->closer);
	client->secure = parse_url(client, endpoint->url);
	connect_to_endpoint(client);
	return client;
}

/* ---------- calls ---------- */

/* Callbacks of the parser: nothing here may raise */

static int
on_body(http_parser *parser, const char *at, size_t len)
{
	EtcdClient *client = parser->data;

	if (len > ANSWER_MAX_BYTES - client->body_len)
	{
		client->wrong = "its answer is too long";
		return 1;
	}
	if (client->body_len + len > client->body_size)
	{
		size_t		size = Max(client->body_len + len, Min(client->body_size * 2, ANSWER_MAX_BYTES));
		char	   *larger = realloc(client->body, size);

		if (larger == NULL)
		{
			client->wrong = "out of memory";
			return 1;
		}
		client->body = larger;
		client->body_size = size;
	}
	memcpy(client->body + client->body_len, at, len);
	client->body_len += len;
	return 0;
}

static int
on_message_complete(http_parser *parser)
{
	((EtcdClient *) parser->data)->complete = true;
	http_parser_pause(parser, 1);
	return 0;
}

/* Read one answer into client->body */
static void
read_answer(EtcdClient *client)
{
	static http_parser_settings settings = {
		.on_body = on_body,
		.on_message_complete = on_message_complete
	};
	char	   *buffer = palloc(64 * 1024);

	http_parser_init(&client->parser, HTTP_RESPONSE);
	client->parser.data = client;
	client->body_len = 0;
	client->complete = false;
	client->wrong = NULL;
	while (!client->complete)
	{
		size_t		n = receive_bytes(client, buffer, 64 * 1024);
		enum http_errno error;

		/* the end of the connection is told by a length of 0, and may end an answer */
		(void) http_parser_execute(&client->parser, &settings, buffer, n);
		error = HTTP_PARSER_ERRNO(&client->parser);
		if (client->wrong != NULL)
			fail_connection(client, ERRCODE_PROTOCOL_VIOLATION, client->wrong);
		if (error != HPE_OK && error != HPE_PAUSED)
			fail_connection(client, ERRCODE_PROTOCOL_VIOLATION, http_errno_description(error));
		if (n == 0 && !client->complete)
			fail_connection(client, ERRCODE_CONNECTION_FAILURE, "connection closed");
	}
	pfree(buffer);
	if (!http_should_keep_alive(&client->parser))
		disconnect(client);
}

static void
send_request(EtcdClient *client, const char *path, const ProtobufCMessage *request)
{
	StringInfoData body;
	StringInfoData head;
	char	   *utf8;

	initStringInfo(&body);
	pbjson_append(&body, request, PBJSON_WIRE);
	utf8 = pg_server_to_any(body.data, body.len, PG_UTF8);
	initStringInfo(&head);
	appendStringInfo(&head, client->bracketed ? "POST /v3%s HTTP/1.1\r\nHost: [%s]:%s\r\n" :
					 "POST /v3%s HTTP/1.1\r\nHost: %s:%s\r\n", path, client->host, client->port);
	if (client->token != NULL)
		appendStringInfo(&head, "Authorization: %s\r\n", client->token);
	appendStringInfo(&head, "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n", strlen(utf8));
	appendStringInfoString(&head, utf8);
	if (client->socket < 0)
		connect_to_endpoint(client);
	send_bytes(client, head.data, head.len);
	/* a password may have been in it */
	explicit_bzero(head.data, head.len);
	explicit_bzero(utf8, strlen(utf8));
	explicit_bzero(body.data, body.len);
	pfree(head.data);
}

/* A field of the error that etcd answers, as text; "" if it is not there */
static char *
error_field(Jsonb *json, const char *name)
{
	JsonbValue	value;

	if (json == NULL || !JB_ROOT_IS_OBJECT(json) ||
		getKeyJsonValueFromContainer(&json->root, name, strlen(name), &value) == NULL)
		return "";
	if (value.type == jbvString)
		return pnstrdup(value.val.string.val, value.val.string.len);
	if (value.type == jbvNumeric)
		return DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value.val.numeric)));
	return "";
}

static void
raise_refusal(const EtcdClient *client, const char *text, size_t len)
{
	Jsonb	   *json = json_try_parse(text, len);
	char	   *message = error_field(json, "message");
	int			code = atoi(error_field(json, "code"));

	ereport(ERROR,
			(errcode(code == CODE_UNAUTHENTICATED ? ERRCODE_INVALID_PASSWORD :
					 code == CODE_PERMISSION_DENIED ? ERRCODE_INSUFFICIENT_PRIVILEGE :
					 ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("etcd at \"%s\" port %s refused a request", client->host, client->port),
			 message[0] != '\0' ? errdetail("It says \"%s\".", message) :
			 errdetail("It answered with HTTP status %d.", client->parser.status_code)));
}

/* Send and read; false if it is refused with just this message */
static bool
exchange(EtcdClient *client, const char *path, const ProtobufCMessage *request,
		 const char *expected_refusal, char **text, size_t *len)
{
	send_request(client, path, request);
	read_answer(client);
	*text = pg_any_to_server(client->body != NULL ? pnstrdup(client->body, client->body_len) : pstrdup(""),
							 client->body_len, PG_UTF8);
	*len = strlen(*text);
	if (client->parser.status_code == 200)
		return true;
	if (expected_refusal != NULL &&
		strcmp(error_field(json_try_parse(*text, *len), "message"), expected_refusal) == 0)
		return false;
	raise_refusal(client, *text, *len);
	return false;
}

/*
 * etcd_client_login() -- see etcd_client.h.
 */
bool
etcd_client_login(EtcdClient *client, const char *user, const char *password)
{
	Etcdserverpb__AuthenticateRequest request = ETCDSERVERPB__AUTHENTICATE_REQUEST__INIT;
	Etcdserverpb__AuthenticateResponse *response;
	char	   *text;
	size_t		len;
	char	   *c;

	request.name = unconstify(char *, user);
	request.password = unconstify(char *, password);
	if (!exchange(client, "/auth/authenticate", &request.base, AUTH_NOT_ENABLED, &text, &len))
		return false;
	response = (Etcdserverpb__AuthenticateResponse *)
		pbjson_from_text(&etcdserverpb__authenticate_response__descriptor, text, len, PBJSON_WIRE);
	for (c = response->token; *c != '\0'; c++)
		if ((unsigned char) *c <= ' ' || (unsigned char) *c >= 0x7f)
			fail_connection(client, ERRCODE_PROTOCOL_VIOLATION, "its token is none");
	client->token = response->token;
	return true;
}

/*
 * etcd_client_call() -- see etcd_client.h.
 */
ProtobufCMessage *
etcd_client_call(EtcdClient *client, const char *path, const ProtobufCMessage *request,
				 const ProtobufCMessageDescriptor *response)
{
	char	   *text;
	size_t		len;

	(void) exchange(client, path, request, NULL, &text, &len);
	return pbjson_from_text(response, text, len, PBJSON_WIRE);
}
