/*-------------------------------------------------------------------------
 *
 * dd_text.c
 *	  Scenario interpreter: memory and strings.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/test/dd_text.c
 *
 *-------------------------------------------------------------------------
 */
#include "dd.h"

union chunk
{
	union chunk *next;
	max_align_t align;
};

static union chunk *chunks;

void *
dd_alloc(size_t size)
{
	union chunk *c = calloc(1, sizeof(union chunk) + size);

	if (c == NULL)
	{
		fprintf(stderr, "out of memory\n");
		exit(2);
	}
	c->next = chunks;
	chunks = c;
	return c + 1;
}

char *
dd_strndup(const char *s, size_t n)
{
	char	   *copy = dd_alloc(n + 1);

	memcpy(copy, s, n);
	return copy;
}

void
dd_free_all(void)
{
	while (chunks != NULL)
	{
		union chunk *next = chunks->next;

		free(chunks);
		chunks = next;
	}
}

void
dd_putn(struct dd_buf *b, const char *s, size_t n)
{
	if (b->n + n + 1 > b->cap)
	{
		b->cap = (b->n + n + 1) * 2;
		b->data = realloc(b->data, b->cap);
		if (b->data == NULL)
		{
			fprintf(stderr, "out of memory\n");
			exit(2);
		}
	}
	if (n > 0)
		memcpy(b->data + b->n, s, n);
	b->n += n;
	b->data[b->n] = '\0';
}

void
dd_puts(struct dd_buf *b, const char *s)
{
	dd_putn(b, s, strlen(s));
}

void
dd_vprintf(struct dd_buf *b, const char *fmt, va_list ap)
{
	char		small[512];
	va_list		again;
	int			n;

	va_copy(again, ap);
	n = vsnprintf(small, sizeof(small), fmt, ap);
	if (n >= 0 && (size_t) n < sizeof(small))
		dd_putn(b, small, (size_t) n);
	else if (n >= 0)
	{
		char	   *large = malloc((size_t) n + 1);

		if (large == NULL)
			exit(2);
		vsnprintf(large, (size_t) n + 1, fmt, again);
		dd_putn(b, large, (size_t) n);
		free(large);
	}
	va_end(again);
}

void
dd_printf(struct dd_buf *b, const char *fmt,...)
{
	va_list		ap;

	va_start(ap, fmt);
	dd_vprintf(b, fmt, ap);
	va_end(ap);
}

/* Every line of a text, two columns further right, each with a newline. */
void
dd_put_indented(struct dd_buf *b, const char *text, size_t n)
{
	const char *end = text + n;

	while (text < end)
	{
		const char *eol = memchr(text, '\n', (size_t) (end - text));
		const char *stop = eol != NULL ? eol : end;

		dd_puts(b, "  ");
		dd_putn(b, text, (size_t) (stop - text));
		dd_puts(b, "\n");
		text = eol != NULL ? eol + 1 : end;
	}
}

void
dd_buf_free(struct dd_buf *b)
{
	free(b->data);
	memset(b, 0, sizeof(*b));
}

void
dd_push(struct dd_list *l, void *item)
{
	if (l->n == l->cap)
	{
		size_t		cap = l->cap > 0 ? l->cap * 2 : 8;
		void	  **items = dd_alloc(cap * sizeof(void *));

		if (l->n > 0)
			memcpy(items, l->items, l->n * sizeof(void *));
		l->items = items;
		l->cap = cap;
	}
	l->items[l->n++] = item;
}

void *
dd_shift(struct dd_list *l)
{
	void	   *first = l->items[0];

	l->n--;
	memmove(l->items, l->items + 1, l->n * sizeof(void *));
	return first;
}
