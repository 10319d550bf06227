/*-------------------------------------------------------------------------
 *
 * range_index.c
 *	  From a key to the ranges that contain it.
 *
 * An interval tree: the ranges in the order of their keys in a binary tree, and with
 * each node the range of its subtree that ends last.  A search leaves out a subtree if that
 * end is not beyond the key, and everything right of a node that starts beyond
 * it: O(log n + hits) for ranges that do not nest deeply.
 *
 * Ranges come and go one by one, many thousands of them, so the tree is kept in balance by
 * chance, as a treap: each node has a random priority, and none has a child of a
 * higher one.  Its depth is logarithmic whatever the ranges are, since nobody outside
 * knows the priorities.
 *
 * A single key k is the range [k, k\0), which holds nothing else.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/range_index.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/pg_prng.h"

#include "store/encoding.h"
#include "store/range_index.h"

/* The end of a range: bytes, with a zero byte more for a single key; or none. */
typedef struct RangeEnd
{
	const char *bytes;
	uint32		len;
	bool		zero;			/* bytes are followed by a zero byte */
	bool		open;			/* no end */
} RangeEnd;

static void
node_end(const RangeNode *node, RangeEnd *end)
{
	end->bytes = node->end;
	end->len = node->end_len;
	end->zero = end->open = false;
	if (node->end_len == 0)
	{
		end->bytes = node->key;
		end->len = node->key_len;
		end->zero = true;
	}
	else if (node->end_len == 1 && node->end[0] == '\0')
		end->open = true;
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

/* Is the key before the end of the range? */
static bool
before_end(const char *key, uint32 key_len, const RangeNode *node)
{
	RangeEnd	end;
	int			cmp;

	node_end(node, &end);
	if (end.open)
		return true;
	cmp = bytes_compare(key, key_len, end.bytes, end.len);
	return end.zero ? cmp <= 0 : cmp < 0;
}

bool
range_node_contains(const RangeNode *node, const char *key, uint32 key_len)
{
	return bytes_compare(node->key, node->key_len, key, key_len) <= 0 &&
		before_end(key, key_len, node);
}

/*
 * range_node_set() -- see range_index.h.
 */
void
range_node_set(RangeNode *node, const char *key, uint32 key_len,
			   const char *end, uint32 end_len)
{
	node->left = node->right = NULL;
	node->last = node;
	node->key = key;
	node->key_len = key_len;
	node->end = end;
	node->end_len = end_len;
	node->priority = pg_prng_uint32(&pg_global_prng_state);
}

/* ----------------------------------------------------------------
 *	The tree
 * ----------------------------------------------------------------
 */

/* The order of the tree; equal keys by their addresses, so that each node is found again */
static bool
is_before(const RangeNode *a, const RangeNode *b)
{
	int			cmp = bytes_compare(a->key, a->key_len, b->key, b->key_len);

	return cmp != 0 ? cmp < 0 : (uintptr_t) a < (uintptr_t) b;
}

static void
consider_last(RangeNode *node, RangeNode *child)
{
	RangeEnd	end;
	RangeEnd	child_end;

	if (child == NULL)
		return;
	node_end(node->last, &end);
	node_end(child->last, &child_end);
	if (compare_ends(&child_end, &end) > 0)
		node->last = child->last;
}

static void
find_last(RangeNode *node)
{
	node->last = node;
	consider_last(node, node->left);
	consider_last(node, node->right);
}

/*
 * Divide a tree into what is before the node and what is behind it.
 */
static void
split(RangeNode *tree, const RangeNode *node, RangeNode **left, RangeNode **right)
{
	if (tree == NULL)
		*left = *right = NULL;
	else if (is_before(tree, node))
	{
		split(tree->right, node, &tree->right, right);
		*left = tree;
		find_last(tree);
	}
	else
	{
		split(tree->left, node, left, &tree->left);
		*right = tree;
		find_last(tree);
	}
}

/*
 * One tree of two, of which the left is all before the right.
 */
static RangeNode *
join(RangeNode *left, RangeNode *right)
{
	if (left == NULL)
		return right;
	if (right == NULL)
		return left;
	if (left->priority > right->priority)
	{
		left->right = join(left->right, right);
		find_last(left);
		return left;
	}
	right->left = join(left, right->left);
	find_last(right);
	return right;
}

static RangeNode *
insert_into(RangeNode *tree, RangeNode *node)
{
	if (tree == NULL || node->priority > tree->priority)
	{
		split(tree, node, &node->left, &node->right);
		find_last(node);
		return node;
	}
	if (is_before(node, tree))
		tree->left = insert_into(tree->left, node);
	else
		tree->right = insert_into(tree->right, node);
	consider_last(tree, node);
	return tree;
}

static RangeNode *
delete_from(RangeNode *tree, RangeNode *node)
{
	Assert(tree != NULL);
	if (tree == node)
		return join(node->left, node->right);
	if (is_before(node, tree))
		tree->left = delete_from(tree->left, node);
	else
		tree->right = delete_from(tree->right, node);
	if (tree->last == node)
		find_last(tree);
	return tree;
}

/*
 * range_index_insert() -- see range_index.h.
 */
void
range_index_insert(RangeIndex *index, RangeNode *node)
{
	node->left = node->right = NULL;
	node->last = node;
	index->root = insert_into(index->root, node);
}

/*
 * range_index_delete() -- see range_index.h.
 */
void
range_index_delete(RangeIndex *index, RangeNode *node)
{
	index->root = delete_from(index->root, node);
	node->left = node->right = NULL;
	node->last = node;
}

/* ----------------------------------------------------------------
 *	Looking
 * ----------------------------------------------------------------
 */

/* False: the function has had enough */
static bool
search_subtree(RangeNode *node, const char *key, uint32 key_len,
			   RangeIndexHit hit, void *arg)
{
	while (node != NULL && before_end(key, key_len, node->last))
	{
		if (!search_subtree(node->left, key, key_len, hit, arg))
			return false;
		if (bytes_compare(node->key, node->key_len, key, key_len) > 0)
			return true;
		if (before_end(key, key_len, node) && !hit(node, arg))
			return false;
		node = node->right;
	}
	return true;
}

/*
 * range_index_search() -- see range_index.h.
 */
void
range_index_search(const RangeIndex *index, const char *key, uint32 key_len,
				   RangeIndexHit hit, void *arg)
{
	(void) search_subtree(index->root, key, key_len, hit, arg);
}

/*
 * range_index_hull() -- see range_index.h.
 */
void
range_index_hull(const RangeIndex *index, RangeNode *hull)
{
	const RangeNode *first = index->root;
	RangeEnd	end;

	Assert(index->root != NULL);
	while (first->left != NULL)
		first = first->left;
	hull->key = first->key;
	hull->key_len = first->key_len;

	node_end(index->root->last, &end);
	if (end.open)
	{
		hull->end = "";			/* its terminating zero byte is the open end */
		hull->end_len = 1;
	}
	else if (end.zero && bytes_equal(end.bytes, end.len, hull->key, hull->key_len))
	{
		hull->end = "";
		hull->end_len = 0;
	}
	else if (end.zero)
	{
		char	   *bytes = palloc(end.len + 1);

		memcpy(bytes, end.bytes, end.len);
		bytes[end.len] = '\0';
		hull->end = bytes;
		hull->end_len = end.len + 1;
	}
	else
	{
		hull->end = end.bytes;
		hull->end_len = end.len;
	}
}
