/*-------------------------------------------------------------------------
 *
 * dd_env.c
 *	  Scenario interpreter: the environment of a file.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/test/dd_env.c
 *
 *-------------------------------------------------------------------------
 */
#include "dd.h"

/* Output of a command; silenced at level NONE. */
void
dd_write(struct dd_env *env, const char *fmt,...)
{
	va_list		ap;

	if (env->level == DD_NONE)
		return;
	va_start(ap, fmt);
	dd_vprintf(env->out, fmt, ap);
	va_end(ap);
}

void
dd_log(struct dd_env *env, int level, const char *fmt,...)
{
	static const char *const names[] = {"DEBUG", "INFO", "WARN", "ERROR", "FATAL"};
	va_list		ap;

	if (env->level > level)
		return;
	dd_printf(env->out, "%s ", names[level]);
	va_start(ap, fmt);
	dd_vprintf(env->out, fmt, ap);
	va_end(ap);
	dd_puts(env->out, "\n");
}

/* The command failed; the text ends its output, at every level. */
void
dd_error(struct dd_env *env, const char *fmt,...)
{
	va_list		ap;

	va_start(ap, fmt);
	dd_vprintf(&env->error, fmt, ap);
	va_end(ap);
}

bool
dd_failed(const struct dd_env *env)
{
	return env->error.n > 0 || env->fatal != NULL;
}

struct dd_node *
dd_node_at(struct dd_env *env, uint64_t id)
{
	if (id == 0 || id > env->nodes.n)
	{
		env->fatal = "no such node";
		return NULL;
	}
	return env->nodes.items[id - 1];
}

void
dd_env_reset(struct dd_env *env)
{
	size_t		i;

	for (i = 0; i < env->nodes.n; i++)
		raft_free(((struct dd_node *) env->nodes.items[i])->raft);
	dd_buf_free(&env->root);
	dd_buf_free(&env->error);
	memset(env, 0, sizeof(*env));
	env->out = &env->root;
}
