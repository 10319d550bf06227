/*-------------------------------------------------------------------------
 *
 * break_wrap.c
 *	  Switches a known bug on in test programs that know nothing of it.
 *
 * Linked with --wrap=raft_config_default into the scenario interpreter and the
 * unit tests (programs *_break): every configuration they start from has the
 * bug that the environment variable RAFT_BREAK names.  The mutation gate runs
 * them so.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/test/break_wrap.c
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "raft.h"
#include "raft_break.h"

extern void __real_raft_config_default(struct raft_config *cfg);
extern void __wrap_raft_config_default(struct raft_config *cfg);

void
__wrap_raft_config_default(struct raft_config *cfg)
{
	const char *name = getenv("RAFT_BREAK");

	__real_raft_config_default(cfg);
	if (name == NULL || name[0] == '\0')
		return;
	for (int i = 0; raft_break_name(i) != NULL; i++)
	{
		if (strcmp(raft_break_name(i), name) == 0)
		{
			cfg->break_mask = UINT64_C(1) << i;
			return;
		}
	}
	fprintf(stderr, "no such bug: \"%s\"\n", name);
	exit(2);
}
