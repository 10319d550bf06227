/*-------------------------------------------------------------------------
 *
 * lockers.c
 *	  Sessions that contend for a lock, and the resource that it protects.
 *
 *	lockers [options] --member CONNINFO ...
 *
 *	--member C		a member; sessions are spread over all of them in turn
 *	--sessions N	how many sessions, each a process (default 6)
 *	--name S		name of the lock (default "lock")
 *	--capacity N	a semaphore of this capacity instead of a lock
 *	--duration S	for how many seconds (default 10); SIGTERM ends it before
 *	--hold MS		how long a session holds the lock at most (default 10)
 *	--long P		hold it for much longer than the TTL, twice that and two seconds, this
 *					many of 1000 times, using the resource all the time
 *	--ttl S			TTL of the sessions' leases (default 2)
 *	--cancel P		cancel this many of 1000 waits
 *	--timeout P		have this many of 1000 waits time out
 *	--die P			break the connection, in the wait or with the lock held, this many
 *					of 1000 times
 *	--seed N		of the choices
 *
 * The resource is shared memory that knows the highest token it has seen and
 * refuses lower ones.  Each session takes the lock, uses the resource some
 * times, and gives the lock up.  Printed at the end, as name=count:
 *
 *	locked		times the lock was taken
 *	uses		times the resource was used
 *	refused		uses that the resource refused because of a newer token
 *	overlaps	times the resource saw more sessions between lock and unlock than
 *				may be there, by their own belief, which is right unless a lease was lost
 *	lost		times a session had lost the lock when it gave it up
 *	twice		uses of one token by two sessions
 *	false_assert	times assert_token accepted a token after a newer one was in use
 *	false_refusal	times assert_token refused the newest token in use
 *	hung		sessions that did not end in time
 *	state_X		errors by SQLSTATE, "lost" for a lost connection
 *
 * twice, false_assert and hung must be 0 whatever happens.  refused, overlaps, lost and
 * false_refusal must be 0 where no lease can have been lost: then the lock also went from
 * session to session in the order of the tokens.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/lockers.c
 *
 *-------------------------------------------------------------------------
 */
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "libpq-fe.h"

#define MAX_MEMBERS		16
#define MAX_SESSIONS	512
#define MAX_STATES		32
#define GRACE_SECONDS	40

typedef struct Counters
{
	long		locked;
	long		uses;
	long		refused;
	long		overlaps;
	long		lost;
	long		twice;
	long		false_assert;
	long		false_refusal;
	long		hung;
} Counters;

/* shared by all sessions, under the spin lock */
typedef struct Resource
{
	volatile char spin;
	volatile bool stop;
	int64_t		newest;			/* highest token seen */
	int			newest_owner;
	int			inside;			/* sessions between lock and unlock */
	Counters	count;
	int			nstates;
	char		states[MAX_STATES][8];
	long		state_counts[MAX_STATES];
} Resource;

static const char *members[MAX_MEMBERS];
static int	nmembers = 0;
static int	sessions = 6;
static const char *name = "lock";
static int	capacity = 0;
static int	duration = 10;
static int	hold_ms = 10;
static int	ttl = 2;
static int	long_permille = 0;
static int	cancel_permille = 0;
static int	timeout_permille = 0;
static int	die_permille = 0;
static unsigned seed = 1;
static Resource *resource;

static void
resource_lock(void)
{
	while (__atomic_test_and_set(&resource->spin, __ATOMIC_ACQUIRE))
		usleep(10);
}

static void
resource_unlock(void)
{
	__atomic_clear(&resource->spin, __ATOMIC_RELEASE);
}

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool
chance(int permille)
{
	return rand_r(&seed) % 1000 < permille;
}

static void
count_state(const char *state)
{
	int			i;

	resource_lock();
	for (i = 0; i < resource->nstates; i++)
		if (strcmp(resource->states[i], state) == 0)
			break;
	if (i < MAX_STATES)
	{
		if (i == resource->nstates)
		{
			snprintf(resource->states[i], sizeof(resource->states[i]), "%s", state);
			resource->nstates++;
		}
		resource->state_counts[i]++;
	}
	resource_unlock();
}

/*
 * Wait for the result of what was sent; at cancel_at a cancel is sent, at die_at
 * the connection is broken (then NULL).  0: never.
 */
static PGresult *
await_result(PGconn *conn, int64_t cancel_at, int64_t die_at)
{
	PGresult   *result = NULL;
	PGresult   *next;

	while (PQisBusy(conn))
	{
		struct pollfd fd = {.fd = PQsocket(conn), .events = POLLIN};
		int64_t		now = now_ms();

		if (die_at != 0 && now >= die_at)
		{
			shutdown(PQsocket(conn), SHUT_RDWR);
			return NULL;
		}
		if (cancel_at != 0 && now >= cancel_at)
		{
			char		error[256];
			PGcancel   *cancel = PQgetCancel(conn);

			cancel_at = 0;
			if (cancel != NULL)
				(void) PQcancel(cancel, error, sizeof(error));
			PQfreeCancel(cancel);
		}
		(void) poll(&fd, 1, cancel_at != 0 || die_at != 0 ? 1 : 100);
		if (!PQconsumeInput(conn))
			break;
	}
	while ((next = PQgetResult(conn)) != NULL)
	{
		PQclear(result);
		result = next;
		if (PQstatus(conn) == CONNECTION_BAD)
			break;
	}
	return result;
}

/* Run a query; NULL if it failed, which is counted, with the SQLSTATE in state */
static PGresult *
query_with(PGconn *conn, const char *sql, int64_t cancel_at, int64_t die_at, char *state)
{
	PGresult   *result = NULL;
	const char *sqlstate;

	snprintf(state, 8, "lost");
	if (PQsendQuery(conn, sql))
	{
		result = await_result(conn, cancel_at, die_at);
		if (result == NULL && die_at != 0)
			return NULL;
	}
	if (PQresultStatus(result) == PGRES_TUPLES_OK)
		return result;
	sqlstate = result != NULL ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
	if (sqlstate != NULL)
		snprintf(state, 8, "%s", sqlstate);
	count_state(state);
	PQclear(result);
	return NULL;
}

/* Use the resource with a token; false if it refuses */
static bool
use_resource(int me, int64_t token)
{
	bool		accepted = true;

	resource_lock();
	resource->count.uses++;
	if (capacity == 0)
	{
		if (token < resource->newest)
		{
			resource->count.refused++;
			accepted = false;
		}
		else if (token == resource->newest && resource->newest_owner != me)
			resource->count.twice++;
		else
		{
			resource->newest = token;
			resource->newest_owner = me;
		}
	}
	resource_unlock();
	return accepted;
}

static void
enter_resource(void)
{
	resource_lock();
	resource->count.locked++;
	if (++resource->inside > (capacity == 0 ? 1 : capacity))
		resource->count.overlaps++;
	resource_unlock();
}

static void
leave_resource(void)
{
	resource_lock();
	resource->inside--;
	resource_unlock();
}

/*
 * Ask the quorum whether the token is the holder's.  It must not say so if a newer one has been in
 * use before the question.
 */
static void
check_assertion(PGconn *conn, int64_t token)
{
	char		sql[256];
	char		state[8];
	int64_t		newest;
	PGresult   *result;

	resource_lock();
	newest = resource->newest;
	resource_unlock();
	snprintf(sql, sizeof(sql), "SELECT quorum.assert_token('%s', %lld%s)", name,
			 (long long) token, capacity == 0 ? "" : ", 1000000");
	result = query_with(conn, sql, 0, 0, state);
	if (capacity != 0)
	{
		PQclear(result);
		return;
	}
	resource_lock();
	if (result != NULL && newest > token)
		resource->count.false_assert++;
	if (result == NULL && strcmp(state, "40001") == 0 && resource->newest == token)
		resource->count.false_refusal++;
	resource_unlock();
	PQclear(result);
}

/*
 * Take the lock, use the resource, give the lock up.  False if the connection is
 * of no more use.
 */
static bool
one_round(PGconn *conn, int me)
{
	char		sql[256];
	char		state[8];
	int64_t		now = now_ms();
	int64_t		cancel_at = chance(cancel_permille) ? now + rand_r(&seed) % 40 : 0;
	int64_t		die_at = chance(die_permille) ? now + rand_r(&seed) % 40 : 0;
	int			timeout = chance(timeout_permille) ? rand_r(&seed) % 40 : 20000;
	int64_t		token;
	PGresult   *result;
	bool		alive = true;
	bool		refused = false;
	int			pause_us = 0;
	int			uses;
	int			i;

	if (capacity == 0)
		snprintf(sql, sizeof(sql), "SELECT quorum.lock('%s', '%dms')", name, timeout);
	else
		snprintf(sql, sizeof(sql), "SELECT quorum.semaphore_acquire('%s', %d, 1, '%dms')",
				 name, capacity, timeout);
	result = query_with(conn, sql, cancel_at, die_at, state);
	if (result == NULL)
		return strcmp(state, "lost") != 0;
	token = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
	PQclear(result);

	enter_resource();
	uses = 1 + rand_r(&seed) % 3;
	if (chance(long_permille))
	{
		uses = 40;
		pause_us = (2 * ttl + 2) * 1000000 / uses;
	}
	else if (hold_ms > 0)
		pause_us = rand_r(&seed) % (hold_ms * 1000 / uses);
	for (i = 0; i < uses && !resource->stop; i++)
	{
		if (!use_resource(me, token))
		{
			refused = true;
			break;
		}
		usleep(pause_us);
	}
	if (chance(100) || refused)
		check_assertion(conn, token);
	leave_resource();
	if (chance(die_permille))
		return false;

	snprintf(sql, sizeof(sql), "SELECT quorum.unlock('%s')", name);
	result = query_with(conn, sql, 0, 0, state);
	if (result != NULL && PQgetvalue(result, 0, 0)[0] != 't')
	{
		resource_lock();
		resource->count.lost++;
		resource_unlock();
	}
	else if (result == NULL)
		alive = false;			/* what the session holds is unknown: begin anew */
	PQclear(result);
	return alive;
}

static PGconn *
open_session(int me)
{
	char		sql[128];
	char		state[8];
	PGconn	   *conn = PQconnectdb(members[me % nmembers]);
	PGresult   *result;

	if (PQstatus(conn) == CONNECTION_OK)
	{
		snprintf(sql, sizeof(sql), "SELECT quorum.session_lease('%ds')", ttl);
		result = query_with(conn, sql, 0, 0, state);
		if (result != NULL)
		{
			PQclear(result);
			return conn;
		}
	}
	PQfinish(conn);
	usleep(100000);
	return NULL;
}

static void
run_session(int me)
{
	PGconn	   *conn = NULL;

	seed = seed * 1000 + me;
	while (!resource->stop)
	{
		if (conn == NULL)
			conn = open_session(me);
		if (conn != NULL && !one_round(conn, me))
		{
			/* without a word, as one who is killed */
			shutdown(PQsocket(conn), SHUT_RDWR);
			PQfinish(conn);
			conn = NULL;
		}
	}
	PQfinish(conn);
	exit(0);
}

static void
on_term(int signo)
{
	(void) signo;
	resource->stop = true;
}

/* Wait for the sessions until stopped, then for a bounded time */
static void
supervise(const pid_t *pids)
{
	int64_t		end = now_ms() + duration * 1000;
	int64_t		limit;
	int			running = sessions;

	while (!resource->stop && now_ms() < end)
		usleep(20000);
	resource->stop = true;
	limit = now_ms() + GRACE_SECONDS * 1000;
	while (running > 0 && now_ms() < limit)
	{
		if (waitpid(-1, NULL, WNOHANG) > 0)
			running--;
		else
			usleep(20000);
	}
	resource->count.hung = running;
	if (running > 0)
	{
		int			i;

		for (i = 0; i < sessions; i++)
			(void) kill(pids[i], SIGKILL);
	}
}

static void
report(void)
{
	const Counters *c = &resource->count;
	int			i;

	printf("locked=%ld\nuses=%ld\nrefused=%ld\noverlaps=%ld\nlost=%ld\ntwice=%ld\n"
		   "false_assert=%ld\nfalse_refusal=%ld\nhung=%ld\n",
		   c->locked, c->uses, c->refused, c->overlaps, c->lost, c->twice,
		   c->false_assert, c->false_refusal, c->hung);
	for (i = 0; i < resource->nstates; i++)
		printf("state_%s=%ld\n", resource->states[i], resource->state_counts[i]);
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{"member", required_argument, NULL, 'm'},
		{"sessions", required_argument, NULL, 'n'},
		{"name", required_argument, NULL, 'N'},
		{"capacity", required_argument, NULL, 'C'},
		{"duration", required_argument, NULL, 'd'},
		{"hold", required_argument, NULL, 'h'},
		{"long", required_argument, NULL, 'l'},
		{"ttl", required_argument, NULL, 't'},
		{"cancel", required_argument, NULL, 'c'},
		{"timeout", required_argument, NULL, 'o'},
		{"die", required_argument, NULL, 'x'},
		{"seed", required_argument, NULL, 's'},
		{NULL, 0, NULL, 0}
	};
	pid_t		pids[MAX_SESSIONS];
	int			c;
	int			i;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
	{
		switch (c)
		{
			case 'm':
				if (nmembers < MAX_MEMBERS)
					members[nmembers++] = optarg;
				break;
			case 'n':
				sessions = atoi(optarg);
				break;
			case 'N':
				name = optarg;
				break;
			case 'C':
				capacity = atoi(optarg);
				break;
			case 'd':
				duration = atoi(optarg);
				break;
			case 'h':
				hold_ms = atoi(optarg);
				break;
			case 'l':
				long_permille = atoi(optarg);
				break;
			case 't':
				ttl = atoi(optarg);
				break;
			case 'c':
				cancel_permille = atoi(optarg);
				break;
			case 'o':
				timeout_permille = atoi(optarg);
				break;
			case 'x':
				die_permille = atoi(optarg);
				break;
			case 's':
				seed = (unsigned) atoi(optarg);
				break;
			default:
				return 2;
		}
	}
	if (nmembers == 0 || sessions < 1 || sessions > MAX_SESSIONS)
	{
		fprintf(stderr, "lockers: give at least one --member, and 1 to %d --sessions\n", MAX_SESSIONS);
		return 2;
	}

	resource = mmap(NULL, sizeof(Resource), PROT_READ | PROT_WRITE,
					MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (resource == MAP_FAILED)
	{
		perror("lockers: mmap");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGTERM, on_term);
	for (i = 0; i < sessions; i++)
	{
		pids[i] = fork();
		if (pids[i] < 0)
		{
			perror("lockers: fork");
			return 2;
		}
		if (pids[i] == 0)
			run_session(i);
	}
	supervise(pids);
	report();
	return 0;
}
