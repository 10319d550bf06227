/*-------------------------------------------------------------------------
 *
 * resolve.c
 *	  Host names of peers, looked up outside of the raft worker.
 *
 * libpq looks a host name up while it starts to connect, and a name server can
 * keep it waiting for many seconds; the raft worker must never wait for that.
 * So it hands libpq addresses only.  Names go into a small table in
 * shared memory, a short-lived worker looks them up, and the link tries
 * again when the address is there.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/resolve.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>

#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"

#include "../clock.h"
#include "shared.h"
#include "worker.h"

/* An address is looked up again when it is older than this. */
#define RESOLVE_FRESH_MS		10000

/* A look-up that has not ended by then is started again. */
#define RESOLVE_PATIENCE_MS		60000

static ResolvedName *
find_name(const char *host)
{
	int			i;

	for (i = 0; i < MEMBER_MAX_PEERS; i++)
		if (strcmp(member_shared->names[i].host, host) == 0)
			return &member_shared->names[i];
	return NULL;
}

static void
launch_resolver(void)
{
	static ClockTime logged;
	BackgroundWorker w;

	memset(&w, 0, sizeof(w));
	w.bgw_flags = BGWORKER_SHMEM_ACCESS;
	w.bgw_start_time = BgWorkerStart_RecoveryFinished;
	w.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(w.bgw_library_name, "pg_quorum", sizeof(w.bgw_library_name));
	strlcpy(w.bgw_function_name, "member_resolver_main", sizeof(w.bgw_function_name));
	strlcpy(w.bgw_name, "pg_quorum resolver", sizeof(w.bgw_name));
	strlcpy(w.bgw_type, "pg_quorum resolver", sizeof(w.bgw_type));
	if (!RegisterDynamicBackgroundWorker(&w, NULL) && worker_may_log(&logged))
		ereport(LOG,
				(errmsg("could not start a worker to look up host names of members"),
				 errhint("Set max_worker_processes higher, or use addresses in pg_quorum.initial_cluster.")));
}

/*
 * resolve_is_address() -- needs this host no look-up?  Addresses and socket
 * directories do not.
 */
bool
resolve_is_address(const char *host)
{
	unsigned char buf[sizeof(struct in6_addr)];

	return host[0] == '\0' || host[0] == '/' || host[0] == '@' ||
		inet_pton(AF_INET, host, buf) == 1 || inet_pton(AF_INET6, host, buf) == 1;
}

/*
 * resolve_lookup() -- the address of a host, if it is known and fresh; else
 * have it looked up and return false.  Raft worker only.
 */
bool
resolve_lookup(const char *host, char *address, Size size)
{
	ClockTime	now = clock_now();
	ResolvedName *name;
	bool		found = false;
	bool		launch = false;

	if (strlen(host) >= sizeof(name->host))
		return false;
	SpinLockAcquire(&member_shared->names_mutex);
	name = find_name(host);
	if (name == NULL)
	{
		/* a free place, or that of the name that was not looked up for longest */
		name = find_name("");
		if (name == NULL)
		{
			int			i;

			name = &member_shared->names[0];
			for (i = 1; i < MEMBER_MAX_PEERS; i++)
				if (member_shared->names[i].wanted_at < name->wanted_at)
					name = &member_shared->names[i];
		}
		strlcpy(name->host, host, sizeof(name->host));
		name->address[0] = '\0';
		name->wanted = false;
		name->failed = false;
		name->resolved_at = 0;
	}
	if (name->address[0] != '\0' &&
		!clock_exceeds(name->resolved_at, now, RESOLVE_FRESH_MS))
	{
		strlcpy(address, name->address, size);
		found = true;
	}
	else if (!name->wanted ||
			 clock_exceeds(name->wanted_at, now, RESOLVE_PATIENCE_MS))
	{
		name->wanted = true;
		name->wanted_at = now;
		launch = true;
	}
	SpinLockRelease(&member_shared->names_mutex);

	if (launch)
		launch_resolver();
	return found;
}

/*
 * Next name that waits to be looked up.
 */
static bool
next_wanted(char *host)
{
	bool		found = false;
	int			i;

	SpinLockAcquire(&member_shared->names_mutex);
	for (i = 0; i < MEMBER_MAX_PEERS && !found; i++)
	{
		if (member_shared->names[i].wanted)
		{
			memcpy(host, member_shared->names[i].host, sizeof(member_shared->names[i].host));
			found = true;
		}
	}
	SpinLockRelease(&member_shared->names_mutex);
	return found;
}

/*
 * Note what came of a look-up; true if it is the first to fail since one that
 * succeeded.
 */
static bool
store_address(const char *host, const char *address)
{
	ResolvedName *name;
	bool		fails_now = false;

	SpinLockAcquire(&member_shared->names_mutex);
	name = find_name(host);
	if (name != NULL)
	{
		strlcpy(name->address, address, sizeof(name->address));
		name->resolved_at = clock_now();
		name->wanted = false;
		fails_now = address[0] == '\0' && !name->failed;
		name->failed = address[0] == '\0';
	}
	SpinLockRelease(&member_shared->names_mutex);
	return fails_now;
}

/*
 * member_resolver_main() -- look up all names that are wanted, then end.
 */
void
member_resolver_main(Datum arg)
{
	char		host[sizeof(member_shared->names[0].host)];

	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();

	while (next_wanted(host))
	{
		struct addrinfo hints;
		struct addrinfo *list = NULL;
		char		address[64] = "";
		int			rc;

		CHECK_FOR_INTERRUPTS();
		memset(&hints, 0, sizeof(hints));
		hints.ai_family = AF_UNSPEC;
		hints.ai_socktype = SOCK_STREAM;
		rc = getaddrinfo(host, NULL, &hints, &list);
		if (rc == 0 && list != NULL)
			(void) getnameinfo(list->ai_addr, list->ai_addrlen, address, sizeof(address),
							   NULL, 0, NI_NUMERICHOST);
		if (list != NULL)
			freeaddrinfo(list);
		if (store_address(host, address))
			ereport(LOG, (errmsg("could not look up host name \"%s\" of a member: %s",
								 host, gai_strerror(rc))));
	}
	wake_worker();
	proc_exit(0);
}
