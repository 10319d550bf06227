/*-------------------------------------------------------------------------
 *
 * settings.h
 *	  The settings pg_quorum.*; defined together in settings.c.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/settings.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_SETTINGS_H
#define PGQ_SETTINGS_H

/* postmaster */
extern char *setting_database;
extern char *setting_member_name;
extern char *setting_initial_cluster;
extern char *setting_initial_cluster_token;
extern int	setting_initial_cluster_state;	/* InitialClusterState */
extern int	setting_queue_size;	/* KB, for messages from other members */
extern int	setting_max_watches;
extern char *setting_listen_client_urls;	/* empty: no gateway */
extern char *setting_advertise_client_urls; /* empty: as listened */

/* reload */
extern int	setting_heartbeat_interval; /* ms */
extern int	setting_election_timeout;	/* ms */
extern int	setting_catchup_entries;
extern int	setting_lease_checkpoint_interval;	/* s */
extern int	setting_max_request_bytes;	/* bytes */
extern int	setting_max_txn_ops;
extern int	setting_notify_interval;	/* ms */
extern bool setting_allow_fsync_off;

/* of the gateway; reload */
extern char *setting_cert_file;
extern char *setting_key_file;
extern char *setting_trusted_ca_file;
extern bool setting_client_cert_auth;
extern bool setting_allow_plain_listen;
extern int	setting_max_client_connections;
extern int	setting_max_concurrent_streams; /* of a connection */
extern int	setting_client_memory;	/* KB, for what is held for all clients */
extern int	setting_grpc_keepalive_min_time;	/* ms */
extern int	setting_grpc_keepalive_interval;	/* s; 0: none */
extern int	setting_grpc_keepalive_timeout; /* s */

extern double setting_quota_bytes;	/* 0: none */
extern int	setting_disk_reserve;	/* MB; 0: none */
extern int	setting_corrupt_check_interval; /* s; 0: never */
extern int	setting_auto_compaction_mode;
extern char *setting_auto_compaction_retention;

typedef enum AutoCompactionMode
{
	AUTO_COMPACTION_PERIODIC = 1,
	AUTO_COMPACTION_REVISION
} AutoCompactionMode;

/*
 * What a retention means: a plain number is *number, and so many hours in
 * *ms; otherwise *number is -1.  False if it is neither a number nor a time.
 */
extern bool settings_parse_retention(const char *text, int64 *number, int64 *ms);

/* the gateway */
extern char *setting_auth_token;
extern int	setting_auth_token_ttl; /* s */
extern int	setting_watch_progress_notify_interval; /* ms */
extern int	setting_max_client_watches;

/* user */
extern int	setting_request_timeout;	/* ms */

typedef enum InitialClusterState
{
	CLUSTER_NEW,				/* this instance is one of the founders */
	CLUSTER_EXISTING			/* it was added to a cluster */
} InitialClusterState;

extern void settings_define(void);

#endif							/* PGQ_SETTINGS_H */
