/*-------------------------------------------------------------------------
 *
 * postgres.c
 *	  What the files under test need of PostgreSQL, by malloc() and longjmp().
 *
 * The files under test are compiled as they are, with PostgreSQL's headers, and linked with this
 * instead of a server, so that the compiler's sanitizers see every byte: each chunk
 * of memory is one of malloc(), and a context that is deleted frees its chunks.  What
 * PostgreSQL has in its libraries for programs (pgcommon, pgport) is linked, and takes its memory here.
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

#include "fmgr.h"
#include "lib/pairingheap.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/json.h"

#include "fuzz.h"

/* max_stack_depth as it is by default */
#define STACK_MAX	(2 * 1024 * 1024)

/* ---------- memory ---------- */

typedef struct Chunk
{
	struct Chunk *prev;
	struct Chunk *next;
	MemoryContext context;
	Size		size;
} Chunk;

/* What a chunk costs a server beside its bytes */
#define CHUNK_COST	16

struct MemoryContextData
{
	Chunk		chunks;			/* a ring */
	MemoryContext parent;
	MemoryContext first_child;
	MemoryContext next_sibling;
};

MemoryContext CurrentMemoryContext;
MemoryContext TopMemoryContext;

Size		fuzz_memory_used;
Size		fuzz_memory_peak;

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
	fuzz_memory_used += size + CHUNK_COST;
	fuzz_memory_peak = Max(fuzz_memory_peak, fuzz_memory_used);
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
	Chunk	   *chunk;

	/* a program's pfree() takes it, and the parser of 18 was compiled for one */
	if (pointer == NULL)
		return;
	chunk = (Chunk *) pointer - 1;
	chunk->prev->next = chunk->next;
	chunk->next->prev = chunk->prev;
	fuzz_memory_used -= chunk->size + CHUNK_COST;
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

void *
palloc_extended(Size size, int flags)
{
	return (flags & MCXT_ALLOC_ZERO) != 0 ? palloc0(size) : palloc(size);
}

char *
pnstrdup(const char *text, Size len)
{
	char	   *copy;

	len = strnlen(text, len);
	copy = palloc(len + 1);
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

char *
pstrdup(const char *text)
{
	return pnstrdup(text, strlen(text));
}

/* ---------- the stack ---------- */

static char *stack_base;

void
fuzz_stack_begins(void)
{
	stack_base = __builtin_frame_address(0);
}

void
check_stack_depth(void)
{
	if (stack_base - (char *) __builtin_frame_address(0) > STACK_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_STATEMENT_TOO_COMPLEX),
				 errmsg("stack depth limit exceeded")));
}

/* ---------- text: the encoding is UTF-8 ---------- */

int
GetDatabaseEncoding(void)
{
	return PG_UTF8;
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

bool
pg_verify_mbstr(int encoding, const char *text, int len, bool no_error)
{
	if (!no_error)
		abort();
	return pg_encoding_verifymbstr(encoding, text, len) == len;
}

bool
pg_verifymbstr(const char *text, int len, bool no_error)
{
	return pg_verify_mbstr(PG_UTF8, text, len, no_error);
}

void
escape_json(StringInfo buf, const char *text)
{
	static const char named[] = "\b\f\n\r\t\"\\";
	static const char names[] = "bfnrt\"\\";

	appendStringInfoChar(buf, '"');
	for (; *text != '\0'; text++)
	{
		const char *found = strchr(named, *text);

		if (found != NULL)
			appendStringInfo(buf, "\\%c", names[found - named]);
		else if ((unsigned char) *text < ' ')
			appendStringInfo(buf, "\\u%04x", *text);
		else
			appendStringInfoChar(buf, *text);
	}
	appendStringInfoChar(buf, '"');
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

ClockTime	fuzz_now = CLOCK_START + INT64CONST(1000000000);

/* By the linker (--wrap): other clocks are those of the driver and of libFuzzer */
extern int	__wrap_clock_gettime(clockid_t clock, struct timespec *now);
extern int	__real_clock_gettime(clockid_t clock, struct timespec *now);

int
__wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
	int64		usec = fuzz_now - CLOCK_START;

	if (clock != CLOCK_MONOTONIC)
		return __real_clock_gettime(clock, now);
	now->tv_sec = usec / 1000000;
	now->tv_nsec = usec % 1000000 * 1000;
	return 0;
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

/* ---------- SQL functions as C calls them ---------- */

Datum
DirectFunctionCall1Coll(PGFunction func, Oid collation, Datum arg)
{
	LOCAL_FCINFO(fcinfo, 1);

	InitFunctionCallInfoData(*fcinfo, NULL, 1, collation, NULL, NULL);
	fcinfo->args[0].value = arg;
	fcinfo->args[0].isnull = false;
	return func(fcinfo);
}
