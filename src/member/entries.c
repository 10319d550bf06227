/*-------------------------------------------------------------------------
 *
 * entries.c
 *	  The newest log entries, in the worker's memory.
 *
 * What has just been appended is about to be sent to every peer and applied
 * here; reading it back from the log's pages each time would be waste.  The
 * cache is a ring over consecutive indexes.  Whatever is not in it any more is
 * read from the log (logring_read()).
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/entries.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "worker.h"

/* Entries behind the applied index are dropped beyond these bounds. */
#define ENTRIES_KEEP_BYTES		((Size) 32 * 1024 * 1024)
#define ENTRIES_KEEP_COUNT		65536

static LogEntry *ring;
static uint64 capacity;			/* a power of two */
static uint64 first;			/* index of the oldest, if count > 0 */
static uint64 count;
static Size bytes;
static MemoryContext data_context;

void
entries_init(void)
{
	capacity = 1024;
	ring = MemoryContextAllocHuge(worker->context, capacity * sizeof(LogEntry));
	data_context = AllocSetContextCreate(worker->context, "pg_quorum log entries",
										 ALLOCSET_DEFAULT_SIZES);
	first = count = 0;
	bytes = 0;
}

void
entries_forget(void)
{
	if (ring == NULL)
		return;
	MemoryContextDelete(data_context);
	pfree(ring);
	ring = NULL;
	first = count = 0;
	bytes = 0;
}

static inline LogEntry *
at(uint64 index)
{
	return &ring[index & (capacity - 1)];
}

static void
drop(LogEntry *entry)
{
	bytes -= entry->size;
	if (entry->data != NULL)
		pfree(unconstify(char *, entry->data));
}

static void
grow(void)
{
	uint64		old_capacity = capacity;
	LogEntry   *old = ring;
	uint64		i;

	capacity *= 2;
	ring = MemoryContextAllocHuge(worker->context, capacity * sizeof(LogEntry));
	for (i = first; i < first + count; i++)
		*at(i) = old[i & (old_capacity - 1)];
	pfree(old);
}

/*
 * Add an entry, copying its bytes.  What the cache holds from this index on is
 * dropped first; a gap empties it.
 */
void
entries_append(uint64 index, uint64 term, uint8 type, const char *data, uint32 size)
{
	LogEntry   *entry;

	while (count > 0 && first + count > index)
	{
		drop(at(first + count - 1));
		count--;
	}
	if (count > 0 && first + count < index)
		entries_trim(UINT64_MAX);
	if (count == 0)
		first = index;
	if (count == capacity)
		grow();

	entry = at(index);
	entry->index = index;
	entry->term = term;
	entry->type = type;
	entry->size = size;
	entry->data = NULL;
	if (size > 0)
	{
		char	   *copy = MemoryContextAlloc(data_context, size);

		memcpy(copy, data, size);
		entry->data = copy;
	}
	bytes += size;
	count++;
}

/*
 * An entry, valid until the next entries_append() or entries_trim(); NULL if
 * it is not in memory.
 */
const LogEntry *
entries_get(uint64 index)
{
	if (count == 0 || index < first || index >= first + count)
		return NULL;
	return at(index);
}

/*
 * Drop the oldest entries up to an index, as far as the bounds ask for it
 * (UINT64_MAX: drop all).
 */
void
entries_trim(uint64 upto)
{
	while (count > 0 && first <= upto &&
		   (upto == UINT64_MAX || bytes > ENTRIES_KEEP_BYTES || count > ENTRIES_KEEP_COUNT))
	{
		drop(at(first));
		first++;
		count--;
	}
}
