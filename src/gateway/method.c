/*-------------------------------------------------------------------------
 *
 * method.c
 *	  The methods of all services, found by their paths.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/method.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/memutils.h"

#include "gateway/call.h"
#include "gateway/stats.h"
#include "gateway/transport.h"

/* More than twice the number of paths there are, and a power of two */
#define SLOTS			512
#define METHODS_MAX		128

typedef struct Slot
{
	const char *path;
	const Method *method;
	MethodStats *stats;
} Slot;

static Slot by_path[SLOTS];
static Slot by_json_path[SLOTS];
static const Method *methods[METHODS_MAX];
static MethodStats stats[METHODS_MAX];
static int	n_methods;

/*
 * Where a path is, or where it would be.
 */
static Slot *
find_slot(Slot *slots, const char *path, size_t len)
{
	uint32		i = hash_bytes((const unsigned char *) path, (int) len);

	for (;; i++)
	{
		Slot	   *slot = &slots[i & (SLOTS - 1)];

		if (slot->path == NULL ||
			(strlen(slot->path) == len && memcmp(slot->path, path, len) == 0))
			return slot;
	}
}

static void
enter(Slot *slots, const char *path, int number)
{
	Slot	   *slot = find_slot(slots, path, strlen(path));

	Assert(slot->path == NULL);
	slot->path = path;
	slot->method = methods[number];
	slot->stats = &stats[number];
}

/*
 * methods_init() -- collect them, once in a process.
 */
void
methods_init(void)
{
	const Method *const services[] = {
		kv_methods, watch_methods, lease_methods, cluster_methods, maintenance_methods,
		auth_methods, lock_methods, election_methods, health_methods
	};
	size_t		i;
	size_t		j;

	for (i = 0; i < lengthof(services); i++)
	{
		const Method *method;

		for (method = services[i]; method->path != NULL; method++)
		{
			Assert(n_methods < METHODS_MAX);
			methods[n_methods] = method;
			enter(by_path, method->path, n_methods);
			for (j = 0; j < lengthof(method->json_paths); j++)
			{
				if (method->json_paths[j] != NULL)
					enter(by_json_path, method->json_paths[j], n_methods);
			}
			n_methods++;
		}
	}
}

const Method *
method_by_path(const char *path, size_t len)
{
	return find_slot(by_path, path, len)->method;
}

const Method *
method_by_json_path(const char *path, size_t len)
{
	return find_slot(by_json_path, path, len)->method;
}

int
method_count(void)
{
	return n_methods;
}

const Method *
method_at(int number)
{
	Assert(number >= 0 && number < n_methods);
	return methods[number];
}

MethodStats *
method_stats(const Method *method)
{
	return find_slot(by_path, method->path, strlen(method->path))->stats;
}
