/*-------------------------------------------------------------------------
 *
 * postgres.c
 *	  What the gateway's transport needs of PostgreSQL, by malloc() and longjmp().
 *
 * The files under test are compiled as they are, with PostgreSQL's headers, and linked with this
 * instead of a server, so that the compiler's sanitizers see every byte: each chunk
 * of memory is one of malloc(), and a context that is deleted frees its chunks.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/fuzz/postgres.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <stdarg.h>
#undef vsnprintf
#undef snprintf
#undef fprintf
#undef vfprintf

#include "lib/pairingheap.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"

#include "fuzz.h"

/* ---------- memory ---------- */

typedef struct Chunk
{
	struct Chunk *prev;
	struct Chunk *next;
	MemoryContext context;
	Size		size;
} Chunk;

struct MemoryContextData
{
	Chunk		chunks;			/* a ring */
	MemoryContext parent;
	MemoryContext first_child;
	MemoryContext next_sibling;
};

MemoryContext CurrentMemoryContext;
MemoryContext TopMemoryContext;

extern MemoryContext AllocSetContextCreateInternal(MemoryContext parent, const char *name,
												   Size min, Size init, Size max);
extern void MemoryContextReset(MemoryContext context);
extern void MemoryContextDelete(MemoryContext context);

MemoryContext
AllocSetContextCreateInternal(MemoryContext parent, const char *name, Size min, Size init, Size max)
{
	MemoryContext context = calloc(1, sizeof(struct MemoryContextData));

	context->chunks.prev = context->chunks.next = &context->chunks;
	context->parent = parent;
	if (parent != NULL)
	{
		context->next_sibling = parent->first_child;
		parent->first_child = context;
	}
	return context;
}

void
MemoryContextReset(MemoryContext context)
{
	while (context->first_child != NULL)
		MemoryContextDelete(context->first_child);
	while (context->chunks.next != &context->chunks)
		pfree(context->chunks.next + 1);
}

void
MemoryContextDelete(MemoryContext context)
{
	MemoryContext *link;

	MemoryContextReset(context);
	if (context->parent != NULL)
	{
		for (link = &context->parent->first_child; *link != context; link = &(*link)->next_sibling)
			;
		*link = context->next_sibling;
	}
	if (CurrentMemoryContext == context)
		abort();
	free(context);
}

void *
MemoryContextAllocHuge(MemoryContext context, Size size)
{
	Chunk	   *chunk = malloc(sizeof(Chunk) + size);

	chunk->context = context;
	chunk->size = size;
	chunk->prev = &context->chunks;
	chunk->next = context->chunks.next;
	chunk->next->prev = chunk->prev->next = chunk;
	return chunk + 1;
}

void *
MemoryContextAlloc(MemoryContext context, Size size)
{
	if (size > (Size) 0x3fffffff)
		elog(ERROR, "invalid memory alloc request size %zu", size);
	return MemoryContextAllocHuge(context, size);
}

void *
palloc(Size size)
{
	return MemoryContextAlloc(CurrentMemoryContext, size);
}

void *
palloc0(Size size)
{
	return memset(palloc(size), 0, size);
}

void
pfree(void *pointer)
{
	Chunk	   *chunk = (Chunk *) pointer - 1;

	chunk->prev->next = chunk->next;
	chunk->next->prev = chunk->prev;
	free(chunk);
}

void *
repalloc(void *pointer, Size size)
{
	Chunk	   *old = (Chunk *) pointer - 1;
	void	   *moved = MemoryContextAlloc(old->context, size);

	memcpy(moved, pointer, Min(old->size, size));
	pfree(pointer);
	return moved;
}

/* ---------- text ---------- */

char *
psprintf(const char *format, ...)
{
	char	   *text = palloc(8192);
	va_list		args;

	va_start(args, format);
	vsnprintf(text, 8192, format, args);
	va_end(args);
	return text;
}

int
pg_snprintf(char *text, size_t size, const char *format, ...)
{
	va_list		args;
	int			n;

	va_start(args, format);
	n = vsnprintf(text, size, format, args);
	va_end(args);
	return n;
}

int
pg_sprintf(char *text, const char *format, ...)
{
	va_list		args;
	int			n;

	va_start(args, format);
	n = vsnprintf(text, 65536, format, args);
	va_end(args);
	return n;
}

int
pg_strncasecmp(const char *a, const char *b, size_t n)
{
	return strncasecmp(a, b, n);
}

unsigned char
pg_ascii_tolower(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

char *
pg_any_to_server(const char *text, int len, int encoding)
{
	return unconstify(char *, text);
}

char *
pg_server_to_any(const char *text, int len, int encoding)
{
	return unconstify(char *, text);
}

void
initStringInfo(StringInfo string)
{
	string->data = palloc(1024);
	string->maxlen = 1024;
	string->len = string->cursor = 0;
	string->data[0] = '\0';
}

uint32
hash_bytes(const unsigned char *data, int len)
{
	uint32		hash = 2166136261u;

	while (len-- > 0)
		hash = (hash ^ *data++) * 16777619u;
	return hash;
}

/* ---------- errors ---------- */

sigjmp_buf *PG_exception_stack;
ErrorContextCallback *error_context_stack;
volatile uint32 InterruptHoldoffCount;

static int	level;
static int	state;
static char words[2][1024];

bool
errstart(int elevel, const char *domain)
{
	level = elevel;
	state = ERRCODE_INTERNAL_ERROR;
	words[0][0] = words[1][0] = '\0';
	return elevel >= ERROR;
}

bool
errstart_cold(int elevel, const char *domain)
{
	return errstart(elevel, domain);
}

int
errcode(int sqlerrcode)
{
	state = sqlerrcode;
	return 0;
}

#define WORDS(function, which) \
int \
function(const char *format, ...) \
{ \
	va_list		args; \
 \
	va_start(args, format); \
	vsnprintf(words[which], sizeof(words[which]), format, args); \
	va_end(args); \
	return 0; \
}

WORDS(errmsg, 0)
WORDS(errmsg_internal, 0)
WORDS(errdetail, 1)
WORDS(errdetail_internal, 1)

int
errhint(const char *format, ...)
{
	return 0;
}

void
errfinish(const char *filename, int lineno, const char *funcname)
{
	if (level > ERROR || PG_exception_stack == NULL)
	{
		fprintf(stderr, "uncaught error: %s\n", words[0]);
		abort();
	}
	siglongjmp(*PG_exception_stack, 1);
}

void
pg_re_throw(void)
{
	siglongjmp(*PG_exception_stack, 1);
}

ErrorData *
CopyErrorData(void)
{
	ErrorData  *edata = palloc0(sizeof(ErrorData));

	edata->sqlerrcode = state;
	edata->message = psprintf("%s", words[0]);
	edata->detail = words[1][0] ? psprintf("%s", words[1]) : NULL;
	return edata;
}

void
FlushErrorState(void)
{
}

void
EmitErrorReport(void)
{
}

void
ExceptionalCondition(const char *condition,
#if PG_VERSION_NUM < 160000
					 const char *type,
#endif
					 const char *file, int line)
{
	fprintf(stderr, "assertion failed: %s, %s:%d\n", condition, file, line);
	abort();
}

/* ---------- transactions: there are none ---------- */

extern void AbortCurrentTransaction(void);
extern void LWLockReleaseAll(void);

void
AbortCurrentTransaction(void)
{
}

void
LWLockReleaseAll(void)
{
}

/* ---------- time stands still, but for what the driver says ---------- */

TimestampTz fuzz_now = INT64CONST(800000000000000);

extern TimestampTz GetCurrentTimestamp(void);
extern bool TimestampDifferenceExceeds(TimestampTz start, TimestampTz stop, int msec);

TimestampTz
GetCurrentTimestamp(void)
{
	return fuzz_now;
}

bool
TimestampDifferenceExceeds(TimestampTz start, TimestampTz stop, int msec)
{
	return stop - start >= msec * INT64CONST(1000);
}

/* ---------- a heap that is a sorted list ---------- */

void
pairingheap_add(pairingheap *heap, pairingheap_node *node)
{
	pairingheap_node **link = &heap->ph_root;

	while (*link != NULL && heap->ph_compare(*link, node, heap->ph_arg) >= 0)
		link = &(*link)->next_sibling;
	node->next_sibling = *link;
	*link = node;
}

pairingheap_node *
pairingheap_first(pairingheap *heap)
{
	return heap->ph_root;
}

void
pairingheap_remove(pairingheap *heap, pairingheap_node *node)
{
	pairingheap_node **link = &heap->ph_root;

	while (*link != node)
		link = &(*link)->next_sibling;
	*link = node->next_sibling;
	node->next_sibling = NULL;
}

pairingheap_node *
pairingheap_remove_first(pairingheap *heap)
{
	pairingheap_node *first = heap->ph_root;

	pairingheap_remove(heap, first);
	return first;
}
