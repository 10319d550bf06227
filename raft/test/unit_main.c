/*-------------------------------------------------------------------------
 *
 * unit_main.c
 *	  Unit tests: running them.
 *
 *	unit [-v] [NAME]
 *
 * Runs all tests, or those whose name contains NAME.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/test/unit_main.c
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

static bool failed;

void		unit_release(void);

void
unit_fail(const char *file, int line, const char *what)
{
	failed = true;
	printf("    %s:%d: %s\n", file, line, what);
}

bool
unit_failed(void)
{
	return failed;
}

int
main(int argc, char **argv)
{
	static const struct unit_test *const groups[] = {
		unit_parts, unit_conf, unit_election, unit_log, unit_flow, unit_storage,
		unit_snapshot, unit_member, unit_read, unit_transfer, unit_api
	};
	const char *filter = NULL;
	bool		verbose = false;
	int			n_passed = 0;
	int			n_failed = 0;
	size_t		g;
	int			i;

	for (i = 1; i < argc; i++)
	{
		if (strcmp(argv[i], "-v") == 0)
			verbose = true;
		else
			filter = argv[i];
	}
	for (g = 0; g < sizeof(groups) / sizeof(groups[0]); g++)
	{
		const struct unit_test *t;

		for (t = groups[g]; t->name != NULL; t++)
		{
			if (filter != NULL && strstr(t->name, filter) == NULL)
				continue;
			failed = false;
			t->fn();
			unit_release();
			if (failed)
				n_failed++;
			else
				n_passed++;
			if (failed || verbose)
				printf("%s %s\n", failed ? "not ok" : "ok", t->name);
		}
	}
	printf("%d passed, %d failed\n", n_passed, n_failed);
	return n_failed > 0;
}
