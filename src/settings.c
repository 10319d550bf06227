/*-------------------------------------------------------------------------
 *
 * settings.c
 *	  Definition of the settings pg_quorum.*.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/settings.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "miscadmin.h"
#include "utils/guc.h"

#include "gateway/token_setting.h"
#include "gateway/url.h"
#include "settings.h"

char	   *setting_database;
char	   *setting_member_name;
char	   *setting_initial_cluster;
char	   *setting_initial_cluster_token;
int			setting_initial_cluster_state = CLUSTER_NEW;
int			setting_queue_size;
int			setting_max_watches;
char	   *setting_listen_client_urls;
char	   *setting_advertise_client_urls;
char	   *setting_cert_file;
char	   *setting_key_file;
char	   *setting_trusted_ca_file;
bool		setting_client_cert_auth;
bool		setting_allow_plain_listen;
int			setting_max_client_connections;
int			setting_max_concurrent_streams;
int			setting_client_memory;
int			setting_grpc_keepalive_min_time;
int			setting_grpc_keepalive_interval;
int			setting_grpc_keepalive_timeout;
int			setting_heartbeat_interval;
int			setting_election_timeout;
int			setting_catchup_entries;
int			setting_lease_checkpoint_interval;
int			setting_max_request_bytes;
int			setting_max_txn_ops;
int			setting_notify_interval;
bool		setting_allow_fsync_off;
double		setting_quota_bytes;
int			setting_disk_reserve;
int			setting_corrupt_check_interval;
int			setting_auto_compaction_mode = AUTO_COMPACTION_PERIODIC;
char	   *setting_auto_compaction_retention;
char	   *setting_auth_token;
int			setting_auth_token_ttl;
int			setting_watch_progress_notify_interval;
int			setting_max_client_watches;
int			setting_request_timeout;

static const struct config_enum_entry initial_cluster_states[] = {
	{"new", CLUSTER_NEW, false},
	{"existing", CLUSTER_EXISTING, false},
	{NULL, 0, false}
};

static bool
check_member_name(char **newval, void **extra, GucSource source)
{
	const char *c;

	if (strlen(*newval) == 0 || strlen(*newval) >= NAMEDATALEN)
	{
		GUC_check_errdetail("A member name has 1 to %d bytes.", NAMEDATALEN - 1);
		return false;
	}
	for (c = *newval; *c; c++)
	{
		if (*c == '=' || *c == ';' || (unsigned char) *c < ' ')
		{
			GUC_check_errdetail("A member name has no control characters, \"=\" or \";\".");
			return false;
		}
	}
	return true;
}

/*
 * name=conninfo;name=conninfo: names must be there, valid and different.
 */
static bool
check_initial_cluster(char **newval, void **extra, GucSource source)
{
	char	   *names[64];
	int			n = 0;
	char	   *text = *newval;
	int			i;

	while (*text)
	{
		char	   *end = text + strcspn(text, ";");
		char	   *equals;

		while (*text == ' ' || *text == '\n' || *text == '\t')
			text++;
		if (text < end)
		{
			equals = memchr(text, '=', end - text);
			if (equals == NULL || equals == text || equals - text >= NAMEDATALEN)
			{
				GUC_check_errdetail("Each member is written as name=conninfo, with a semicolon between members.");
				return false;
			}
			for (i = 0; i < n; i++)
			{
				if (strncmp(names[i], text, equals - text + 1) == 0)
				{
					GUC_check_errdetail("A member name occurs twice.");
					return false;
				}
			}
			if (n == 16)
			{
				GUC_check_errdetail("A cluster has at most 16 members.");
				return false;
			}
			names[n++] = text;
		}
		text = *end ? end + 1 : end;
	}
	return true;
}

/* ten thousand hours, a bound for what has to be remembered */
#define RETENTION_MAX_MS	(INT64CONST(10000) * 3600 * 1000)

static const struct config_enum_entry auto_compaction_modes[] = {
	{"periodic", AUTO_COMPACTION_PERIODIC, false},
	{"revision", AUTO_COMPACTION_REVISION, false},
	{NULL, 0, false}
};

/*
 * etcd's forms, "10" and "1h30m", and PostgreSQL's units.
 */
bool
settings_parse_retention(const char *text, int64 *number, int64 *ms)
{
	static const struct
	{
		const char *name;
		int64		ms;
	}			units[] = {
		{"ms", 1}, {"min", 60 * 1000}, {"s", 1000}, {"m", 60 * 1000},
		{"h", 3600 * 1000}, {"d", 24 * 3600 * 1000}
	};
	int64		total = 0;

	*number = -1;
	if (*text == '\0')
		return false;
	while (*text)
	{
		int64		value = 0;
		const char *digits = text;
		size_t		i;

		for (; *text >= '0' && *text <= '9'; text++)
		{
			if (text - digits == 15)
				return false;
			value = value * 10 + (*text - '0');
		}
		if (text == digits)
			return false;
		if (*text == '\0' && total == 0)
		{
			/* as a time it means hours; what is too many of them is a number only */
			*number = value;
			*ms = Min(value, RETENTION_MAX_MS / (3600 * 1000)) * 3600 * 1000;
			return true;
		}
		for (i = 0; i < lengthof(units); i++)
		{
			if (strncmp(text, units[i].name, strlen(units[i].name)) == 0)
				break;
		}
		if (i == lengthof(units) || value > RETENTION_MAX_MS / units[i].ms)
			return false;
		total += value * units[i].ms;
		text += strlen(units[i].name);
		while (*text == ' ')
			text++;
	}
	*ms = total;
	return total > 0 && total <= RETENTION_MAX_MS;
}

static bool
check_retention(char **newval, void **extra, GucSource source)
{
	int64		number;
	int64		ms;

	if (settings_parse_retention(*newval, &number, &ms))
		return true;
	GUC_check_errdetail("A retention is a time such as \"30m\" or \"1h30m\", of 10000 hours at most, or a number: of hours, or of revisions.");
	return false;
}

static bool
check_auth_token(char **newval, void **extra, GucSource source)
{
	TokenSetting parsed;
	const char *wrong = token_setting_parse(*newval, &parsed);

	if (wrong != NULL)
		GUC_check_errdetail("%s", wrong);
	return wrong == NULL;
}

static bool
check_urls(const char *text, bool addresses)
{
	ClientUrl	urls[URLS_MAX];
	struct sockaddr_storage address[2];
	socklen_t	lengths[2];
	const char *problem;
	int			n = urls_parse(text, urls, &problem);
	int			i;

	if (n < 0)
	{
		GUC_check_errdetail("%s", problem);
		return false;
	}
	for (i = 0; addresses && i < n; i++)
	{
		if (url_addresses(&urls[i], address, lengths, 2) == 0)
		{
			GUC_check_errdetail("The host of \"%s\" is neither an IP address nor \"localhost\".",
								urls[i].text);
			return false;
		}
	}
	return true;
}

static bool
check_listen_urls(char **newval, void **extra, GucSource source)
{
	return check_urls(*newval, true);
}

static bool
check_advertise_urls(char **newval, void **extra, GucSource source)
{
	return check_urls(*newval, false);
}

/*
 * Define all settings.  Called from _PG_init(), with or without preload: those
 * of a session exist in both cases, so that SET works and its error is ours.
 */
void
settings_define(void)
{
	/* PostgreSQL refuses to take new settings of the postmaster once it runs. */
	const GucContext fixed = process_shared_preload_libraries_in_progress ?
	PGC_POSTMASTER : PGC_SIGHUP;

	DefineCustomStringVariable("pg_quorum.database",
							   "Sets the database in which the extension is created.",
							   NULL, &setting_database, "postgres",
							   fixed, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("pg_quorum.member_name",
							   "Sets the name of this instance in the cluster.",
							   NULL, &setting_member_name, "default",
							   fixed, 0, check_member_name, NULL, NULL);
	DefineCustomStringVariable("pg_quorum.initial_cluster",
							   "Sets the members of a new cluster, as name=conninfo;name=conninfo.",
							   "Empty for a cluster of one.",
							   &setting_initial_cluster, "",
							   fixed, GUC_SUPERUSER_ONLY, check_initial_cluster, NULL, NULL);
	DefineCustomStringVariable("pg_quorum.initial_cluster_token",
							   "Sets the text that tells this cluster from others with equal member names.",
							   NULL, &setting_initial_cluster_token, "pg-quorum",
							   fixed, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable("pg_quorum.initial_cluster_state",
							 "Sets whether this instance founds a cluster or was added to one.",
							 "Without effect once the instance has been a member.",
							 &setting_initial_cluster_state, CLUSTER_NEW, initial_cluster_states,
							 fixed, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("pg_quorum.listen_client_urls",
							   "Sets the URLs on which clients of etcd's protocols are served, separated by commas.",
							   "Empty for none.",
							   &setting_listen_client_urls, "",
							   fixed, 0, check_listen_urls, NULL, NULL);
	DefineCustomStringVariable("pg_quorum.advertise_client_urls",
							   "Sets the URLs that clients are told to reach this member by, separated by commas.",
							   "Empty for those of pg_quorum.listen_client_urls.",
							   &setting_advertise_client_urls, "",
							   PGC_SIGHUP, 0, check_advertise_urls, NULL, NULL);
	DefineCustomStringVariable("pg_quorum.cert_file",
							   "Sets the file of the certificate that clients are shown.",
							   NULL, &setting_cert_file, "",
							   PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("pg_quorum.key_file",
							   "Sets the file of that certificate's private key.",
							   NULL, &setting_key_file, "",
							   PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("pg_quorum.trusted_ca_file",
							   "Sets the file of the authorities that sign certificates of clients.",
							   "If it is set, clients must show a certificate.",
							   &setting_trusted_ca_file, "",
							   PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("pg_quorum.client_cert_auth",
							 "Takes the common name of a client's certificate as the name of its user.",
							 "Needs pg_quorum.trusted_ca_file.",
							 &setting_client_cert_auth, false,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("pg_quorum.allow_plain_listen",
							 "Allows clients of other machines to be served without TLS.",
							 "Without it, URLs of http are served on the loopback interface only.",
							 &setting_allow_plain_listen, false,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("pg_quorum.max_client_connections",
							"Sets the number of connections that clients may have at a time.",
							"Also bounded by the limit of open files.",
							&setting_max_client_connections, 10000, 1, 1000000,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("pg_quorum.max_concurrent_streams",
							"Sets the number of calls that may be under way on a connection.",
							NULL, &setting_max_concurrent_streams, 10000, 1, 1000000,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("pg_quorum.client_memory",
							"Sets how much of requests and answers may be held in memory.",
							"Above it, connections that hold most are closed.",
							&setting_client_memory, 512 * 1024, 16 * 1024, MAX_KILOBYTES,
							PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("pg_quorum.grpc_keepalive_min_time",
							"Sets how often a client may ping.",
							"Connections of clients that keep pinging more often are closed.",
							&setting_grpc_keepalive_min_time, 5000, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("pg_quorum.grpc_keepalive_interval",
							"Sets the time of silence after which a client is pinged.",
							"0 means never.",
							&setting_grpc_keepalive_interval, 2 * 3600, 0, INT_MAX / 1000,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("pg_quorum.grpc_keepalive_timeout",
							"Sets the time after which a pinged client that does not answer has gone.",
							NULL, &setting_grpc_keepalive_timeout, 20, 1, INT_MAX / 1000,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("pg_quorum.queue_size",
							"Sets the shared memory for messages from other members.",
							NULL, &setting_queue_size, 16 * 1024, 4 * 1024, 1024 * 1024,
							fixed, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("pg_quorum.max_watches",
							"Sets the number of watches that can be registered at a time.",
							NULL, &setting_max_watches, 1024, 16, 262144,
							fixed, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("pg_quorum.heartbeat_interval",
							"Sets the time between heartbeats of a leader.",
							NULL, &setting_heartbeat_interval, 100, 5, 10000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("pg_quorum.election_timeout",
							"Sets the time without a leader after which an election starts.",
							"At least five times pg_quorum.heartbeat_interval takes effect.",
							&setting_election_timeout, 1000, 25, 50000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("pg_quorum.catchup_entries",
							"Sets the number of log entries kept behind the applied index.",
							NULL, &setting_catchup_entries, 5000, 10, 10000000,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("pg_quorum.lease_checkpoint_interval",
							"Sets the time between records of what is left of a lease.",
							"A change of leader prolongs a lease that nobody renews by no more than this.",
							&setting_lease_checkpoint_interval, 300, 1, 86400,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("pg_quorum.max_request_bytes",
							"Sets the size of the largest request.",
							NULL, &setting_max_request_bytes, 1536 * 1024, 1024, 64 * 1024 * 1024,
							PGC_SIGHUP, GUC_UNIT_BYTE, NULL, NULL, NULL);
	DefineCustomIntVariable("pg_quorum.max_txn_ops",
							"Sets the largest number of operations in a transaction.",
							NULL, &setting_max_txn_ops, 128, 1, 100000,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("pg_quorum.notify_interval",
							"Sets the window in which notifications are collected.",
							NULL, &setting_notify_interval, 10, 1, 10000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomRealVariable("pg_quorum.quota_bytes",
							 "Sets the size of the store from which on writes are refused.",
							 "0 means no limit.",
							 &setting_quota_bytes, 0, 0, 1e15,
							 PGC_SIGHUP, GUC_UNIT_BYTE, NULL, NULL, NULL);
	DefineCustomIntVariable("pg_quorum.disk_reserve",
							"Sets the free disk space below which writes are refused.",
							"0 means that the disk is not watched.",
							&setting_disk_reserve, 256, 0, 1024 * 1024 * 1024,
							PGC_SIGHUP, GUC_UNIT_MB, NULL, NULL, NULL);
	DefineCustomIntVariable("pg_quorum.corrupt_check_interval",
							"Sets how often the leader compares the members' contents.",
							"0 means never.",
							&setting_corrupt_check_interval, 0, 0, 24 * 24 * 3600,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomEnumVariable("pg_quorum.auto_compaction_mode",
							 "Sets whether old revisions are kept for a time, or by their number.",
							 NULL, &setting_auto_compaction_mode, AUTO_COMPACTION_PERIODIC,
							 auto_compaction_modes,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("pg_quorum.auto_compaction_retention",
							   "Sets how long, or how many, old revisions are kept.",
							   "A time such as 1h or 30m, or a number: of hours, or in mode \"revision\" of revisions.  0 turns automatic compaction off.",
							   &setting_auto_compaction_retention, "0",
							   PGC_SIGHUP, 0, check_retention, NULL, NULL);
	DefineCustomBoolVariable("pg_quorum.allow_fsync_off",
							 "Allows this member to vote while fsync is off.",
							 "A crash of the machine may then lose acknowledged writes.",
							 &setting_allow_fsync_off, false,
							 fixed, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("pg_quorum.auth_token",
							   "Sets the kind of the tokens that clients of the gateway get.",
							   "\"simple\", or \"jwt,sign-method=RS256,pub-key=FILE,priv-key=FILE,ttl=5m\".",
							   &setting_auth_token, "simple",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY, check_auth_token, NULL, NULL);
	DefineCustomIntVariable("pg_quorum.auth_token_ttl",
							"Sets how long a simple token is good for after it was used last.",
							NULL, &setting_auth_token_ttl, 300, 1, 86400,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("pg_quorum.watch_progress_notify_interval",
							"Sets how often a client's watch that asks for it is told how far it has been told.",
							NULL, &setting_watch_progress_notify_interval,
							10 * 60 * 1000, 100, 24 * 3600 * 1000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("pg_quorum.max_client_watches",
							"Sets the number of watches that clients of the gateway can have at a time.",
							NULL, &setting_max_client_watches, 1000000, 1, 100000000,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("pg_quorum.request_timeout",
							"Sets the longest time a call waits for the cluster.",
							NULL, &setting_request_timeout, 7000, 10, 3600 * 1000,
							PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);

	MarkGUCPrefixReserved("pg_quorum");
}
