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

#include "miscadmin.h"
#include "utils/guc.h"

#include "settings.h"

char	   *setting_database;
char	   *setting_member_name;
char	   *setting_initial_cluster;
char	   *setting_initial_cluster_token;
int			setting_queue_size;
int			setting_max_watches;
int			setting_heartbeat_interval;
int			setting_election_timeout;
int			setting_catchup_entries;
int			setting_lease_checkpoint_interval;
int			setting_max_request_bytes;
int			setting_max_txn_ops;
int			setting_notify_interval;
bool		setting_allow_fsync_off;
int			setting_request_timeout;

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
	DefineCustomBoolVariable("pg_quorum.allow_fsync_off",
							 "Allows this member to vote while fsync is off.",
							 "A crash of the machine may then lose acknowledged writes.",
							 &setting_allow_fsync_off, false,
							 fixed, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("pg_quorum.request_timeout",
							"Sets the longest time a call waits for the cluster.",
							NULL, &setting_request_timeout, 7000, 10, 3600 * 1000,
							PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);

	MarkGUCPrefixReserved("pg_quorum");
}
