/*-------------------------------------------------------------------------
 *
 * dd_parse.c
 *	  Scenario interpreter: the file format.
 *
 *	file		comments, blank lines and directives
 *	directive	command line, input lines, "----", expected output
 *	command		word { key | key=value | key=(value, value ...) }; a line that
 *				ends in a backslash goes on in the next one
 *	expected	lines up to a blank one; or between "----" and a pair of "----"
 *				lines, and may then hold blank lines
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/test/dd_parse.c
 *
 *-------------------------------------------------------------------------
 */
#include "dd.h"

#include <ctype.h>
#include <errno.h>

bool
dd_open(struct dd_reader *rd, const char *path)
{
	FILE	   *f = fopen(path, "rb");
	struct dd_buf b = {0};
	char		chunk[8192];
	size_t		n;

	memset(rd, 0, sizeof(*rd));
	if (f == NULL)
	{
		rd->error = strerror(errno);
		return false;
	}
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		dd_putn(&b, chunk, n);
	if (ferror(f))
		rd->error = "cannot be read";
	fclose(f);
	dd_putn(&b, "", 0);
	rd->text = rd->pos = b.data;
	return rd->error == NULL;
}

void
dd_close(struct dd_reader *rd)
{
	free(rd->text);
	rd->text = NULL;
}

/* The next line without its end; NULL at the end of the file. */
static char *
next_line(struct dd_reader *rd)
{
	char	   *line = rd->pos;
	char	   *eol;

	if (*line == '\0')
		return NULL;
	eol = strchr(line, '\n');
	if (eol != NULL)
	{
		*eol = '\0';
		rd->pos = eol + 1;
		if (eol > line && eol[-1] == '\r')
			eol[-1] = '\0';
	}
	else
		rd->pos = line + strlen(line);
	rd->line++;
	return line;
}

/* A trimmed copy. */
static char *
trimmed(const char *s, size_t n)
{
	while (n > 0 && isspace((unsigned char) s[0]))
	{
		s++;
		n--;
	}
	while (n > 0 && isspace((unsigned char) s[n - 1]))
		n--;
	return dd_strndup(s, n);
}

static const char *
skip_space(const char *s)
{
	while (isspace((unsigned char) *s))
		s++;
	return s;
}

/* The list in parentheses after "key="; returns what follows, or NULL. */
static const char *
parse_list(const char *s, struct dd_arg *arg)
{
	const char *start = s + 1;
	int			depth = 1;

	for (s = start; depth > 0; s++)
	{
		if (*s == '\0')
			return NULL;
		if (*s == '(')
			depth++;
		else if (*s == ')')
			depth--;
		if ((*s == ',' && depth == 1) || depth == 0)
		{
			if (arg->n_vals >= DD_MAX_VALS)
				return NULL;
			arg->vals[arg->n_vals++] = trimmed(start, (size_t) (s - start));
			start = s + 1;
		}
	}
	return skip_space(s);
}

static bool
parse_command(const char *s, struct dd_directive *d)
{
	size_t		n = strcspn(s, " ");

	d->cmd = dd_strndup(s, n);
	s = skip_space(s + n);
	while (*s != '\0')
	{
		struct dd_arg *arg = &d->args[d->n_args];

		if (d->n_args >= DD_MAX_ARGS)
			return false;
		d->n_args++;
		n = strcspn(s, " =");
		arg->key = dd_strndup(s, n);
		s += n;
		if (*s == '=')
		{
			s++;
			if (*s == '(')
			{
				s = parse_list(s, arg);
				if (s == NULL)
					return false;
				continue;
			}
			n = strcspn(s, " ");
			arg->vals[arg->n_vals++] = dd_strndup(s, n);
			s += n;
		}
		s = skip_space(s);
	}
	return true;
}

static bool
is_blank(const char *s)
{
	return *skip_space(s) == '\0';
}

static void
read_expected(struct dd_reader *rd, struct dd_directive *d)
{
	struct dd_buf b = {0};
	char	   *line = next_line(rd);

	if (line != NULL && strcmp(line, "----") == 0)
	{
		while ((line = next_line(rd)) != NULL)
		{
			if (strcmp(line, "----") == 0)
			{
				char	   *second = next_line(rd);

				if (second == NULL)
					break;
				if (strcmp(second, "----") == 0)
				{
					line = next_line(rd);
					if (line != NULL && !is_blank(line))
						rd->error = "text after the end of an output section";
					break;
				}
				dd_printf(&b, "%s\n%s\n", line, second);
				continue;
			}
			dd_printf(&b, "%s\n", line);
		}
	}
	else
	{
		for (; line != NULL && !is_blank(line); line = next_line(rd))
			dd_printf(&b, "%s\n", line);
	}
	d->expected = dd_strndup(b.n > 0 ? b.data : "", b.n);
	dd_buf_free(&b);
}

/* False at the end of the file, or when rd->error is set. */
bool
dd_next(struct dd_reader *rd, struct dd_directive *d)
{
	char	   *line;

	while ((line = next_line(rd)) != NULL)
	{
		struct dd_buf input = {0};
		char	   *cmd = trimmed(line, strlen(line));

		memset(d, 0, sizeof(*d));
		d->line = rd->line;
		if (cmd[0] == '\0' || cmd[0] == '#')
			continue;
		while (cmd[0] != '\0' && cmd[strlen(cmd) - 1] == '\\' &&
			   (line = next_line(rd)) != NULL)
		{
			struct dd_buf joined = {0};

			dd_printf(&joined, "%.*s %s", (int) strlen(cmd) - 1, cmd,
					  trimmed(line, strlen(line)));
			cmd = dd_strndup(joined.data, joined.n);
			dd_buf_free(&joined);
		}
		if (!parse_command(cmd, d))
		{
			rd->error = "malformed command line";
			return false;
		}
		if (strcmp(d->cmd, "subtest") == 0)
			continue;			/* only groups directives */

		while ((line = next_line(rd)) != NULL && strcmp(line, "----") != 0)
			dd_printf(&input, "%s\n", line);
		d->input = trimmed(input.n > 0 ? input.data : "", input.n);
		dd_buf_free(&input);
		if (line == NULL)
		{
			rd->error = "command without output section";
			return false;
		}
		read_expected(rd, d);
		return rd->error == NULL;
	}
	return false;
}

const struct dd_arg *
dd_find_arg(const struct dd_directive *d, const char *key)
{
	int			i;

	for (i = 0; i < d->n_args; i++)
		if (strcmp(d->args[i].key, key) == 0)
			return &d->args[i];
	return NULL;
}

bool
dd_number(const char *s, uint64_t *n)
{
	char	   *end;

	if (!isdigit((unsigned char) s[0]))
		return false;
	errno = 0;
	*n = strtoull(s, &end, 10);
	return errno == 0 && *end == '\0';
}

bool
dd_bool(const char *s, bool *b)
{
	static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True"};
	static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False"};
	size_t		i;

	for (i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
	{
		if (strcmp(s, yes[i]) == 0)
			return *b = true;
		if (strcmp(s, no[i]) == 0)
		{
			*b = false;
			return true;
		}
	}
	return false;
}

/* "v1 l2 r3 u4"; false with an error text for anything else. */
bool
dd_parse_changes(const char *s, struct raft_conf_change *cc, struct dd_buf *error)
{
	memset(cc, 0, sizeof(*cc));
	while (*(s = skip_space(s)) != '\0')
	{
		size_t		len = strcspn(s, " \t\r\n");
		char	   *tok = dd_strndup(s, len);
		struct raft_change *c = &cc->changes[cc->n];

		s += len;
		if (len < 2)
		{
			dd_printf(error, "unknown token %s", tok);
			return false;
		}
		switch (tok[0])
		{
			case 'v':
				c->type = RAFT_ADD_VOTER;
				break;
			case 'l':
				c->type = RAFT_ADD_LEARNER;
				break;
			case 'r':
				c->type = RAFT_REMOVE;
				break;
			case 'u':
				c->type = RAFT_UPDATE;
				break;
			default:
				dd_printf(error, "unknown input: %s", tok);
				return false;
		}
		if (cc->n >= RAFT_MAX_CHANGES || !dd_number(tok + 1, &c->id))
		{
			dd_printf(error, "strconv.ParseUint: parsing \"%s\": invalid syntax", tok + 1);
			return false;
		}
		cc->n++;
	}
	return true;
}
