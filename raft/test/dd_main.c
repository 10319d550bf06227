/*-------------------------------------------------------------------------
 *
 * dd_main.c
 *	  Scenario interpreter: files, comparison, result.
 *
 *	datadriven FILE...
 *
 * Runs each file and compares the output of every command with what the file
 * expects.  Prints the commands that differ and, at the end, how many files
 * passed and failed; exits with 1 if any failed.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/test/dd_main.c
 *
 *-------------------------------------------------------------------------
 */
#include "dd.h"

/* Output of one command, with the newline that a comparison adds. */
static void
run_command(struct dd_env *env, const struct dd_directive *d, struct dd_buf *result)
{
	bool		interaction = false;

	env->root.n = 0;
	env->error.n = 0;
	if (!dd_conf_command(env, d) && !dd_quorum_command(env, d))
	{
		interaction = true;
		if (!dd_command(env, d))
			dd_error(env, "unknown command");
	}
	if (env->root.n > 0)
		dd_putn(result, env->root.data, env->root.n);
	if (env->error.n > 0)
		dd_putn(result, env->error.data, env->error.n);
	if (result->n == 0 && interaction)
		dd_puts(result, "ok");
	if (result->n == 0 || result->data[result->n - 1] != '\n')
		dd_puts(result, "\n");
}

static void
print_lines(const char *prefix, const char *text)
{
	while (*text != '\0')
	{
		size_t		len = strcspn(text, "\n");

		printf("%s%.*s\n", prefix, (int) len, text);
		text += len + (text[len] == '\n');
	}
}

/* Show where two texts part, with a little of what went before. */
static void
print_difference(const char *expected, const char *actual)
{
	const char *e = expected;
	const char *a = actual;
	const char *line_e = e;
	const char *line_a = a;

	while (*e != '\0' && *e == *a)
	{
		if (*e == '\n')
		{
			line_e = e + 1;
			line_a = a + 1;
		}
		e++;
		a++;
	}
	printf("    (%ld bytes agree)\n", (long) (line_e - expected));
	print_lines("    - ", line_e);
	print_lines("    + ", line_a);
}

static bool
run_file(const char *path)
{
	struct dd_reader rd;
	struct dd_directive *d;
	struct dd_env env;
	bool		ok = true;

	memset(&env, 0, sizeof(env));
	env.out = &env.root;
	if (!dd_open(&rd, path))
	{
		printf("%s: %s\n", path, rd.error);
		dd_close(&rd);
		return false;
	}
	d = dd_alloc(sizeof(*d));
	while (dd_next(&rd, d))
	{
		struct dd_buf result = {0};

		run_command(&env, d, &result);
		if (env.fatal != NULL)
		{
			printf("%s:%d: %s: %s\n", path, d->line, d->cmd, env.fatal);
			ok = false;
		}
		else if (strcmp(result.data, d->expected) != 0)
		{
			printf("%s:%d: %s: output differs\n", path, d->line, d->cmd);
			print_difference(d->expected, result.data);
			ok = false;
		}
		dd_buf_free(&result);
		if (env.fatal != NULL)
			break;
	}
	if (rd.error != NULL)
	{
		printf("%s:%d: %s\n", path, rd.line, rd.error);
		ok = false;
	}
	dd_close(&rd);
	dd_env_reset(&env);
	dd_buf_free(&env.root);
	dd_free_all();
	return ok;
}

int
main(int argc, char **argv)
{
	int			passed = 0;
	int			failed = 0;
	int			i;

	if (argc < 2)
	{
		fprintf(stderr, "usage: %s FILE...\n", argv[0]);
		return 2;
	}
	for (i = 1; i < argc; i++)
	{
		if (run_file(argv[i]))
			passed++;
		else
			failed++;
	}
	printf("%d passed, %d failed\n", passed, failed);
	return failed > 0;
}
