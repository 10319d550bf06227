/*-------------------------------------------------------------------------
 *
 * index.c
 *	  From a key to the ranges that contain it.
 *
 * An interval tree without pointers: the ranges sorted by their start, seen as
 * a balanced binary tree whose root is the middle of the array, and with each node
 * the greatest end of its subtree.  A search leaves out a subtree if that end is
 * not beyond the key, and everything right of a node that starts
 * beyond it: O(log n + hits) for ranges that do not nest deeply.
 *
 * A single key k is the range [k, k\0), which holds nothing else.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/notify/index.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "notify/index.h"

/* The end of a range: bytes, with a zero byte more for a single key; or none. */
typedef struct RangeEnd
{
	const char *bytes;
	uint32		len;
	bool		zero;			/* bytes are followed by a zero byte */
	bool		open;			/* no end */
} RangeEnd;

typedef struct RangeNode
{
	const char *start;
	uint32		start_len;
	RangeEnd	end;
	RangeEnd	max_end;		/* greatest end in the subtree */
	void	   *item;
} RangeNode;

struct RangeIndex
{
	int			n;
	RangeNode	nodes[FLEXIBLE_ARRAY_MEMBER];
};

static int
compare_bytes(const char *a, uint32 a_len, const char *b, uint32 b_len)
{
	int			cmp = memcmp(a, b, Min(a_len, b_len));

	if (cmp != 0)
		return cmp;
	return a_len < b_len ? -1 : a_len > b_len ? 1 : 0;
}

static int
compare_ends(const RangeEnd *a, const RangeEnd *b)
{
	int			cmp;

	if (a->open || b->open)
		return (int) a->open - (int) b->open;
	cmp = memcmp(a->bytes, b->bytes, Min(a->len, b->len));
	if (cmp != 0)
		return cmp;
	if (a->len == b->len)
		return (int) a->zero - (int) b->zero;

	/* one is a prefix of the other: the zero byte of the shorter decides first */
	if (a->len < b->len)
	{
		if (a->zero && b->bytes[a->len] == '\0')
			return a->len + 1 < b->len || b->zero ? -1 : 0;
		return -1;
	}
	return -compare_ends(b, a);
}

/* Is the key before the end? */
static bool
before_end(const char *key, uint32 key_len, const RangeEnd *end)
{
	int			cmp;

	if (end->open)
		return true;
	cmp = compare_bytes(key, key_len, end->bytes, end->len);
	return end->zero ? cmp <= 0 : cmp < 0;
}

static int
compare_nodes(const void *a, const void *b)
{
	const RangeNode *x = a;
	const RangeNode *y = b;

	return compare_bytes(x->start, x->start_len, y->start, y->start_len);
}

/*
 * Fill in max_end of the subtree over [low, high); not empty.  Depth is the
 * logarithm of the number of ranges.
 */
static const RangeEnd *
set_max_end(RangeIndex *index, int low, int high)
{
	int			middle = low + (high - low) / 2;
	RangeNode  *node = &index->nodes[middle];
	const RangeEnd *max = &node->end;
	const RangeEnd *child;

	if (low < middle)
	{
		child = set_max_end(index, low, middle);
		if (compare_ends(child, max) > 0)
			max = child;
	}
	if (middle + 1 < high)
	{
		child = set_max_end(index, middle + 1, high);
		if (compare_ends(child, max) > 0)
			max = child;
	}
	node->max_end = *max;
	return &node->max_end;
}

static void
set_end(RangeEnd *end, const WatchRange *range)
{
	memset(end, 0, sizeof(RangeEnd));
	if (range->end_len == 0)
	{
		end->bytes = range->key;
		end->len = range->key_len;
		end->zero = true;
	}
	else if (range->end_len == 1 && range->end[0] == '\0')
		end->open = true;
	else
	{
		end->bytes = range->end;
		end->len = range->end_len;
	}
}

/*
 * watch_range_contains() -- see index.h.
 */
bool
watch_range_contains(const WatchRange *range, const char *key, uint32 key_len)
{
	RangeEnd	end;

	set_end(&end, range);
	return compare_bytes(range->key, range->key_len, key, key_len) <= 0 &&
		before_end(key, key_len, &end);
}

/*
 * range_index_build() -- see index.h.
 */
RangeIndex *
range_index_build(const WatchRange *ranges, void *const *items, int n)
{
	RangeIndex *index;
	int			i;

	index = palloc(offsetof(RangeIndex, nodes) + n * sizeof(RangeNode));
	index->n = n;
	for (i = 0; i < n; i++)
	{
		const WatchRange *range = &ranges[i];
		RangeNode  *node = &index->nodes[i];

		memset(node, 0, sizeof(RangeNode));
		node->start = range->key;
		node->start_len = range->key_len;
		node->item = items[i];
		set_end(&node->end, range);
	}
	if (n > 0)
	{
		qsort(index->nodes, n, sizeof(RangeNode), compare_nodes);
		(void) set_max_end(index, 0, n);
	}
	return index;
}

static void
search_subtree(const RangeIndex *index, int low, int high,
			   const char *key, uint32 key_len, RangeIndexHit hit, void *arg)
{
	while (low < high)
	{
		int			middle = low + (high - low) / 2;
		const RangeNode *node = &index->nodes[middle];

		if (!before_end(key, key_len, &node->max_end))
			return;
		search_subtree(index, low, middle, key, key_len, hit, arg);
		if (compare_bytes(node->start, node->start_len, key, key_len) > 0)
			return;
		if (before_end(key, key_len, &node->end))
			hit(node->item, arg);
		low = middle + 1;
	}
}

/*
 * range_index_search() -- see index.h.
 */
void
range_index_search(const RangeIndex *index, const char *key, uint32 key_len,
				   RangeIndexHit hit, void *arg)
{
	search_subtree(index, 0, index->n, key, key_len, hit, arg);
}

/*
 * range_index_hull() -- see index.h.
 */
void
range_index_hull(const RangeIndex *index, WatchRange *hull)
{
	const RangeEnd *end;

	Assert(index->n > 0);
	end = &index->nodes[index->n / 2].max_end;
	hull->key = index->nodes[0].start;
	hull->key_len = index->nodes[0].start_len;
	if (end->open)
	{
		hull->end = "";			/* its terminating zero byte is the open end */
		hull->end_len = 1;
	}
	else if (end->zero &&
			 compare_bytes(end->bytes, end->len, hull->key, hull->key_len) == 0)
	{
		hull->end = "";
		hull->end_len = 0;
	}
	else if (end->zero)
	{
		char	   *bytes = palloc(end->len + 1);

		memcpy(bytes, end->bytes, end->len);
		bytes[end->len] = '\0';
		hull->end = bytes;
		hull->end_len = end->len + 1;
	}
	else
	{
		hull->end = end->bytes;
		hull->end_len = end->len;
	}
}
