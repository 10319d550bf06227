/*-------------------------------------------------------------------------
 *
 * load.c
 *	  Puts a steady load on a cluster and records every call and its result.
 *
 *	load --member NAME=CONNINFO... --history FILE [options]
 *
 *	--clients N		clients, spread over the members (default 6)
 *	--keys N		keys they share (default 10)
 *	--prefix P		what the keys begin with (default load/)
 *	--duration S	seconds to run (default 10); SIGTERM ends it earlier
 *	--rate N		calls per second and client at most (default 50, 0: no limit)
 *	--mix P,G,C,D	weights of put, get, cas and delete (default 3,3,2,1)
 *	--seed N		of the random choices
 *	--timeout S		a call with no answer in this time hangs (default 20)
 *	--first N		number of the first client (default 0), so that several
 *					runs may share a history: values bear the client's number
 *	--append		add to the history file
 *	--tell			no load: append each member's own account of all changes
 *					to keys with the prefix, after a read barrier
 *
 * A client keeps to its member and reconnects when the connection is lost.
 * The outcome of a write is what its SQLSTATE promises: 08007, a lost
 * connection and a cancelled call leave it unknown; 57P03 and refusals mean
 * that it was certainly not done.  The format of the history: history.h.
 *
 * Prints one line "NAME=VALUE" a counter at the end.  Status 0 unless the
 * tool itself could not work; judging the history is linearize's work.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/load.c
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "libpq-fe.h"

#define MAX_MEMBERS		16
#define MAX_KEYS		10000
#define MAX_STATES		32
#define TEXT_OID		25
#define INT8_OID		20
#define RECONNECT_MS	50

typedef enum Kind
{
	PUT, GET, CAS, DELETE, NKINDS
} Kind;

typedef struct Member
{
	char	   *name;
	char	   *conninfo;
} Member;

/* What a client knows of a key from its last read. */
typedef struct Seen
{
	char		value[64];		/* "-": absent */
	char		revision[24];
} Seen;

typedef struct Client
{
	pthread_t	thread;
	int			number;
	const Member *member;
	PGconn	   *conn;
	uint64_t	random_state;
	int			nvalues;
	Seen	   *seen;
} Client;

/* How often a call ended with an SQLSTATE (or "lost", "hung"). */
typedef struct StateCount
{
	char		state[8];
	long		count;
} StateCount;

static Member members[MAX_MEMBERS];
static int	nmembers;
static int	nclients = 6;
static int	nkeys = 10;
static const char *prefix = "load/";
static double duration = 10;
static int	rate = 50;
static int	weights[NKINDS] = {3, 3, 2, 1};
static uint64_t seed = 1;
static int	hang_seconds = 20;
static int	first_client = 0;

static FILE *history;
static volatile sig_atomic_t stopping;

static pthread_mutex_t count_lock = PTHREAD_MUTEX_INITIALIZER;
static long outcomes[NKINDS][3];
static StateCount states[MAX_STATES];
static int	nstates;

static const char *const kind_names[] = {"put", "get", "cas", "delete"};
static const char *const outcome_names[] = {"ok", "fail", "unknown"};

static void
stop(int signo)
{
	(void) signo;
	stopping = 1;
}

static int64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void
sleep_until(int64_t when)
{
	while (!stopping)
	{
		int64_t		left = when - now_ns();
		struct timespec ts;

		if (left <= 0)
			return;
		if (left > 100000000)
			left = 100000000;
		ts.tv_sec = 0;
		ts.tv_nsec = left;
		nanosleep(&ts, NULL);
	}
}

static uint64_t
random_next(Client *client)
{
	uint64_t	x = client->random_state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	client->random_state = x;
	return x;
}

static void
count_state(const char *state)
{
	int			i;

	pthread_mutex_lock(&count_lock);
	for (i = 0; i < nstates && strcmp(states[i].state, state) != 0; i++)
		;
	if (i == nstates && nstates < MAX_STATES)
	{
		snprintf(states[i].state, sizeof(states[i].state), "%s", state);
		nstates++;
	}
	if (i < nstates)
		states[i].count++;
	pthread_mutex_unlock(&count_lock);
}

static void
disconnect(Client *client)
{
	PQfinish(client->conn);
	client->conn = NULL;
}

/* Connect with patience, until it works or the load ends. */
static bool
connect_client(Client *client)
{
	while (!stopping)
	{
		const char *keywords[] = {"dbname", "connect_timeout", "application_name", NULL};
		const char *values[] = {client->member->conninfo, "3", "load", NULL};

		client->conn = PQconnectdbParams(keywords, values, 1);
		if (PQstatus(client->conn) == CONNECTION_OK)
			return true;
		disconnect(client);
		sleep_until(now_ns() + RECONNECT_MS * INT64_C(1000000));
	}
	return false;
}

/*
 * Wait for the result of what was sent.  NULL if the connection was lost or
 * nothing came in time; *hung tells which.
 */
static PGresult *
await_result(Client *client, bool *hung)
{
	int64_t		deadline = now_ns() + hang_seconds * INT64_C(1000000000);
	PGresult   *result;
	PGresult   *next;

	*hung = false;
	while (PQisBusy(client->conn))
	{
		struct pollfd pfd;
		int64_t		left = deadline - now_ns();
		int			rc;

		if (left <= 0)
		{
			*hung = true;
			return NULL;
		}
		pfd.fd = PQsocket(client->conn);
		pfd.events = POLLIN;
		rc = poll(&pfd, 1, (int) (left / 1000000) + 1);
		if (rc < 0 && errno != EINTR)
			return NULL;
		if (rc > 0 && !PQconsumeInput(client->conn))
			return NULL;
	}
	result = PQgetResult(client->conn);
	while ((next = PQgetResult(client->conn)) != NULL)
		PQclear(next);
	return result;
}

/* What an SQLSTATE says about a write that ended with it. */
static int
outcome_of_state(const char *state)
{
	static const char *const not_done[] = {
		"57P03",				/* no leader or no quorum */
		"55000",				/* quarantined, no extension */
		"54000", "53100", "53300", "22023", "42501", "42883", "3F000",
		NULL
	};
	int			i;

	for (i = 0; not_done[i] != NULL; i++)
		if (strcmp(state, not_done[i]) == 0)
			return 1;
	return 2;
}

static int
send_call(Client *client, Kind kind, const char *key, const char *value, const Seen *seen)
{
	static const char *const queries[NKINDS] = {
		"SELECT quorum.put($1, $2)",
		"SELECT value, mod_revision FROM quorum.get_kv($1)",
		"SELECT quorum.cas($1, $3, $2)",
		"SELECT quorum.delete($1)"
	};
	static const int nparams[NKINDS] = {2, 1, 3, 1};
	const Oid	types[3] = {TEXT_OID, TEXT_OID, INT8_OID};
	const char *params[3];

	params[0] = key;
	params[1] = value;
	params[2] = seen->revision;
	return PQsendQueryParams(client->conn, queries[kind], nparams[kind], types,
							 params, NULL, NULL, 0);
}

/* Make one call and record it. */
static void
call(Client *client)
{
	int			total = weights[0] + weights[1] + weights[2] + weights[3];
	int			dice = (int) (random_next(client) % (uint64_t) total);
	int			key_number = (int) (random_next(client) % (uint64_t) nkeys);
	Seen	   *seen = &client->seen[key_number];
	Seen		expected = *seen;
	Kind		kind = PUT;
	char		key[128];
	char		value[64] = "-";
	char		answer[64] = "-";
	char		revision[24] = "0";
	PGresult   *result = NULL;
	const char *state = NULL;
	bool		hung = false;
	int			outcome;
	int64_t		invoked;
	int64_t		returned;

	while (dice >= weights[kind])
		dice -= weights[kind++];
	snprintf(key, sizeof(key), "%s%d", prefix, key_number);
	if (kind == PUT || kind == CAS)
		snprintf(value, sizeof(value), "c%d.%d", client->number, ++client->nvalues);

	invoked = now_ns();
	if (send_call(client, kind, key, value, &expected))
		result = await_result(client, &hung);
	returned = now_ns();

	if (result != NULL && PQresultStatus(result) == PGRES_TUPLES_OK)
	{
		const char *first = PQgetisnull(result, 0, 0) ? "-" : PQgetvalue(result, 0, 0);

		outcome = 0;
		if (kind == PUT)
			snprintf(revision, sizeof(revision), "%s", first);
		else
			snprintf(answer, sizeof(answer), "%s", first);
		if (kind == GET)
		{
			if (!PQgetisnull(result, 0, 1))
				snprintf(revision, sizeof(revision), "%s", PQgetvalue(result, 0, 1));
			snprintf(seen->value, sizeof(seen->value), "%s", answer);
			snprintf(seen->revision, sizeof(seen->revision), "%s", revision);
		}
	}
	else
	{
		state = hung ? "hung" : result == NULL ? "lost" : PQresultErrorField(result, PG_DIAG_SQLSTATE);
		if (state == NULL)
			state = "lost";
		outcome = kind == GET ? 1 : outcome_of_state(state);
		count_state(state);
	}

	fprintf(history, "O\t%d\t%s\t%s\t%s\t%lld\t%lld\t%s\t%s\t%s\t%s\t%s\n",
			client->number, client->member->name, kind_names[kind], key,
			(long long) invoked, (long long) returned, outcome_names[outcome],
			value, kind == CAS ? expected.value : "-", answer, revision);
	pthread_mutex_lock(&count_lock);
	outcomes[kind][outcome]++;
	pthread_mutex_unlock(&count_lock);

	PQclear(result);
	if (hung || PQstatus(client->conn) != CONNECTION_OK)
		disconnect(client);
}

static void *
run_client(void *arg)
{
	Client	   *client = arg;
	int64_t		next = now_ns();
	int			i;

	client->random_state = (seed * 1000003 + client->number + 1) * UINT64_C(0x9e3779b97f4a7c15);
	client->seen = calloc(nkeys, sizeof(Seen));
	for (i = 0; i < nkeys; i++)
	{
		strcpy(client->seen[i].value, "-");
		strcpy(client->seen[i].revision, "0");
	}
	while (!stopping)
	{
		if (client->conn == NULL && !connect_client(client))
			break;
		call(client);
		if (rate > 0)
		{
			next += INT64_C(1000000000) / rate;
			if (next < now_ns())
				next = now_ns();
			sleep_until(next);
		}
	}
	if (client->conn != NULL)
		disconnect(client);
	free(client->seen);
	return NULL;
}

static void
run_load(void)
{
	Client	   *clients = calloc(nclients, sizeof(Client));
	int64_t		end = now_ns() + (int64_t) (duration * 1e9);
	long		total[3] = {0, 0, 0};
	int			kind;
	int			i;

	for (i = 0; i < nclients; i++)
	{
		clients[i].number = first_client + i;
		clients[i].member = &members[i % nmembers];
		if (pthread_create(&clients[i].thread, NULL, run_client, &clients[i]) != 0)
		{
			fprintf(stderr, "load: could not create a thread\n");
			exit(1);
		}
	}
	sleep_until(end);
	stopping = 1;
	for (i = 0; i < nclients; i++)
		pthread_join(clients[i].thread, NULL);
	free(clients);

	for (kind = 0; kind < NKINDS; kind++)
		for (i = 0; i < 3; i++)
		{
			printf("%s_%s=%ld\n", kind_names[kind], outcome_names[i], outcomes[kind][i]);
			total[i] += outcomes[kind][i];
		}
	for (i = 0; i < 3; i++)
		printf("%s=%ld\n", outcome_names[i], total[i]);
	for (i = 0; i < nstates; i++)
		printf("state_%s=%ld\n", states[i].state, states[i].count);
}

/* Run a query of --tell; ends the program if it fails. */
static PGresult *
tell_query(PGconn *conn, const Member *member, const char *query, const char *param)
{
	const Oid	types[1] = {TEXT_OID};
	PGresult   *result = PQexecParams(conn, query, param != NULL, types, &param,
									  NULL, NULL, 0);

	if (PQresultStatus(result) != PGRES_TUPLES_OK)
	{
		fprintf(stderr, "load: member %s: %s", member->name, PQerrorMessage(conn));
		exit(1);
	}
	return result;
}

static void
tell(const Member *member)
{
	PGconn	   *conn = PQconnectdb(member->conninfo);
	PGresult   *result;
	int			i;

	if (PQstatus(conn) != CONNECTION_OK)
	{
		fprintf(stderr, "load: member %s: %s", member->name, PQerrorMessage(conn));
		exit(1);
	}
	PQclear(tell_query(conn, member, "SELECT quorum.read_barrier()", NULL));
	result = tell_query(conn, member,
						"SELECT key, type, value, mod_revision "
						"FROM quorum.history($1, prefix => true)", prefix);
	for (i = 0; i < PQntuples(result); i++)
	{
		bool		is_delete = strcmp(PQgetvalue(result, i, 1), "DELETE") == 0;

		fprintf(history, "H\t%s\t%s\t%s\t%s\t%s\n", member->name,
				PQgetvalue(result, i, 0), PQgetvalue(result, i, 1),
				is_delete ? "-" : PQgetvalue(result, i, 2), PQgetvalue(result, i, 3));
	}
	fprintf(history, "E\t%s\n", member->name);
	printf("changes_%s=%d\n", member->name, PQntuples(result));
	PQclear(result);
	PQfinish(conn);
}

static void
add_member(char *arg)
{
	char	   *equals = strchr(arg, '=');

	if (equals == NULL || nmembers == MAX_MEMBERS)
	{
		fprintf(stderr, "load: --member wants NAME=CONNINFO, %d times at most\n", MAX_MEMBERS);
		exit(1);
	}
	*equals = '\0';
	members[nmembers].name = arg;
	members[nmembers++].conninfo = equals + 1;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{"member", required_argument, NULL, 'm'},
		{"history", required_argument, NULL, 'h'},
		{"clients", required_argument, NULL, 'c'},
		{"keys", required_argument, NULL, 'k'},
		{"prefix", required_argument, NULL, 'p'},
		{"duration", required_argument, NULL, 'd'},
		{"rate", required_argument, NULL, 'r'},
		{"mix", required_argument, NULL, 'x'},
		{"seed", required_argument, NULL, 's'},
		{"timeout", required_argument, NULL, 't'},
		{"first", required_argument, NULL, 'f'},
		{"append", no_argument, NULL, 'a'},
		{"tell", no_argument, NULL, 'T'},
		{NULL, 0, NULL, 0}
	};
	const char *file = NULL;
	const char *mode = "w";
	bool		telling = false;
	int			c;
	int			i;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
	{
		switch (c)
		{
			case 'm':
				add_member(optarg);
				break;
			case 'h':
				file = optarg;
				break;
			case 'c':
				nclients = atoi(optarg);
				break;
			case 'k':
				nkeys = atoi(optarg);
				break;
			case 'p':
				prefix = optarg;
				break;
			case 'd':
				duration = atof(optarg);
				break;
			case 'r':
				rate = atoi(optarg);
				break;
			case 'x':
				if (sscanf(optarg, "%d,%d,%d,%d", &weights[0], &weights[1],
						   &weights[2], &weights[3]) != 4)
					return 1;
				break;
			case 's':
				seed = strtoull(optarg, NULL, 10);
				break;
			case 't':
				hang_seconds = atoi(optarg);
				break;
			case 'f':
				first_client = atoi(optarg);
				break;
			case 'a':
				mode = "a";
				break;
			case 'T':
				telling = true;
				mode = "a";
				break;
			default:
				return 1;
		}
	}
	if (nmembers == 0 || file == NULL || nkeys < 1 || nkeys > MAX_KEYS ||
		nclients < 1 || weights[0] + weights[1] + weights[2] + weights[3] < 1)
	{
		fprintf(stderr, "usage: load --member NAME=CONNINFO... --history FILE [options]\n");
		return 1;
	}
	history = fopen(file, mode);
	if (history == NULL)
	{
		perror(file);
		return 1;
	}
	signal(SIGTERM, stop);
	signal(SIGINT, stop);
	signal(SIGPIPE, SIG_IGN);
	if (telling)
	{
		for (i = 0; i < nmembers; i++)
			tell(&members[i]);
	}
	else
		run_load();
	if (fclose(history) != 0)
	{
		perror(file);
		return 1;
	}
	return 0;
}
