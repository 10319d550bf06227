/*-------------------------------------------------------------------------
 *
 * watchers.c
 *	  Many sessions that listen, and a record of what they hear.
 *
 *	watchers [options] SQL
 *
 *	--conninfo C	whom to connect to
 *	--sessions N	how many sessions (default 1)
 *	--count			print nothing as it comes, but at the end how many
 *					notifications each session heard, and how long those with a
 *					member "sent" (microseconds since 1970) were under way
 *
 * Every session runs the SQL once, with each %d in it replaced by the
 * session's number, from 0.  Then "ready" is printed, and a line
 * "SESSION<tab>PAYLOAD" for each notification, in the order in which the session
 * received them.  Ends with status 0 at the end of its input, with 1 when a session
 * fails.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/watchers.c
 *
 *-------------------------------------------------------------------------
 */
#include <getopt.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "libpq-fe.h"

#define MAX_SAMPLES		2000000

static bool count_only = false;
static long *heard;
static int64_t *delays;
static long ndelays = 0;

static void
fail(int session, const char *what, const char *why)
{
	fprintf(stderr, "session %d: %s: %s", session, what, why);
	exit(1);
}

static int64_t
now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* The SQL with each %d replaced by the session's number */
static char *
session_sql(const char *sql, int session)
{
	char	   *result = malloc(strlen(sql) * 8 + 1);
	char	   *to = result;

	while (*sql != '\0')
	{
		if (sql[0] == '%' && sql[1] == 'd')
		{
			to += sprintf(to, "%d", session);
			sql += 2;
		}
		else
			*to++ = *sql++;
	}
	*to = '\0';
	return result;
}

static void
take_notification(int session, const char *payload)
{
	const char *sent;

	heard[session]++;
	if (!count_only)
	{
		printf("%d\t%s\n", session, payload);
		return;
	}

	/* the value of an event: "sent NUMBER" */
	sent = strstr(payload, "sent ");
	if (sent != NULL && ndelays < MAX_SAMPLES)
		delays[ndelays++] = now_us() - strtoll(sent + 5, NULL, 10);
}

static void
hear(PGconn *conn, int session)
{
	PGnotify   *notification;

	if (!PQconsumeInput(conn))
		fail(session, "connection lost", PQerrorMessage(conn));
	while ((notification = PQnotifies(conn)) != NULL)
	{
		take_notification(session, notification->extra);
		PQfreemem(notification);
	}
}

static PGconn *
start_session(const char *conninfo, const char *sql, int session)
{
	PGconn	   *conn = PQconnectdb(conninfo);
	PGresult   *result;
	char	   *own;

	if (PQstatus(conn) != CONNECTION_OK)
		fail(session, "could not connect", PQerrorMessage(conn));
	own = session_sql(sql, session);
	result = PQexec(conn, own);
	if (PQresultStatus(result) != PGRES_TUPLES_OK && PQresultStatus(result) != PGRES_COMMAND_OK)
		fail(session, own, PQerrorMessage(conn));
	PQclear(result);
	free(own);
	return conn;
}

static int
compare_delays(const void *a, const void *b)
{
	int64_t		x = *(const int64_t *) a;
	int64_t		y = *(const int64_t *) b;

	return x < y ? -1 : x > y;
}

static void
print_counts(int sessions)
{
	int			i;

	for (i = 0; i < sessions; i++)
		printf("%d\t%ld\n", i, heard[i]);
	if (ndelays > 0)
	{
		qsort(delays, ndelays, sizeof(int64_t), compare_delays);
		printf("delay_us\tp50 %lld\tp99 %lld\tmax %lld\n",
			   (long long) delays[ndelays / 2], (long long) delays[ndelays * 99 / 100],
			   (long long) delays[ndelays - 1]);
	}
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{"conninfo", required_argument, NULL, 'c'},
		{"sessions", required_argument, NULL, 's'},
		{"count", no_argument, NULL, 'n'},
		{NULL, 0, NULL, 0}
	};
	const char *conninfo = "";
	int			sessions = 1;
	struct rlimit files;
	struct pollfd *polls;
	PGconn	  **conns;
	int			option;
	int			i;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
	{
		switch (option)
		{
			case 'c':
				conninfo = optarg;
				break;
			case 's':
				sessions = atoi(optarg);
				break;
			case 'n':
				count_only = true;
				break;
			default:
				return 1;
		}
	}
	if (optind != argc - 1 || sessions < 1)
	{
		fprintf(stderr, "usage: watchers [--conninfo C] [--sessions N] [--count] SQL\n");
		return 1;
	}

	if (getrlimit(RLIMIT_NOFILE, &files) == 0)
	{
		files.rlim_cur = files.rlim_max;
		(void) setrlimit(RLIMIT_NOFILE, &files);
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	heard = calloc(sessions, sizeof(long));
	delays = calloc(MAX_SAMPLES, sizeof(int64_t));
	conns = calloc(sessions, sizeof(PGconn *));
	polls = calloc(sessions + 1, sizeof(struct pollfd));
	for (i = 0; i < sessions; i++)
	{
		conns[i] = start_session(conninfo, argv[optind], i);
		polls[i].fd = PQsocket(conns[i]);
		polls[i].events = POLLIN;
	}
	polls[sessions].fd = STDIN_FILENO;
	polls[sessions].events = POLLIN;
	printf("ready\n");

	/* what came together with an answer makes no socket readable */
	for (i = 0; i < sessions; i++)
		hear(conns[i], i);
	while (poll(polls, sessions + 1, -1) >= 0)
	{
		for (i = 0; i < sessions; i++)
		{
			if (polls[i].revents != 0)
				hear(conns[i], i);
		}
		if (polls[sessions].revents != 0)
		{
			char		input[64];

			if (read(STDIN_FILENO, input, sizeof(input)) <= 0)
				break;
		}
	}
	if (count_only)
		print_counts(sessions);
	for (i = 0; i < sessions; i++)
		PQfinish(conns[i]);
	return 0;
}
