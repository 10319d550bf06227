/*-------------------------------------------------------------------------
 *
 * etcd_client.h
 *	  Calls to another etcd, over its JSON API.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/sql/etcd_client.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_SQL_ETCD_CLIENT_H
#define PGQ_SQL_ETCD_CLIENT_H

#include <protobuf-c/protobuf-c.h>

typedef struct EtcdClient EtcdClient;

/* Where, and by which certificates (paths on this server; NULL: the system's authorities, none of
 * our own) */
typedef struct EtcdEndpoint
{
	const char *url;			/* http://host:port or https://host:port */
	const char *ca_file;
	const char *cert_file;
	const char *key_file;
} EtcdEndpoint;

/*
 * Connect.  The client lives in the current memory context and is closed with it, also
 * after an error; so must the strings of the endpoint.  ERROR 22023 for a URL that is none, 08001 if there is no connection, 58030 for
 * files.
 */
extern EtcdClient *etcd_client_open(const EtcdEndpoint *endpoint);

/*
 * Log in; false if authentication is not enabled there.  Later calls bear the token.
 */
extern bool etcd_client_login(EtcdClient *client, const char *user, const char *password);

/*
 * One unary call: a path below /v3, "/kv/range"; the response is palloc'd.  Interruptible.  ERROR
 * 08006 if the connection fails or is silent for a minute, 08P01 if the answer is none, 28P01 for a
 * refused login, 42501 for a lack of permission, 55000 for any other refusal, with etcd's words.
 */
extern ProtobufCMessage *etcd_client_call(EtcdClient *client, const char *path,
										  const ProtobufCMessage *request,
										  const ProtobufCMessageDescriptor *response);

#endif							/* PGQ_SQL_ETCD_CLIENT_H */
