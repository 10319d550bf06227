/*-------------------------------------------------------------------------
 *
 * range_index.h
 *	  From a key to the ranges that contain it.
 *
 * For those who tell many about changes.  Knows nothing of PostgreSQL but its memory.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/range_index.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_STORE_RANGE_INDEX_H
#define PGQ_STORE_RANGE_INDEX_H

/*
 * A range in etcd's form (an empty end is the one key, "\0" as end all keys from key on), and its
 * place in an index.  Part of what is to be found.  The bytes are borrowed.
 */
typedef struct RangeNode
{
	struct RangeNode *left;
	struct RangeNode *right;
	struct RangeNode *last;		/* of the subtree, the one that ends last */
	const char *key;
	const char *end;
	uint32		key_len;
	uint32		end_len;
	uint32		priority;
} RangeNode;

typedef struct RangeIndex
{
	RangeNode  *root;			/* NULL: empty */
} RangeIndex;

extern void range_node_set(RangeNode *node, const char *key, uint32 key_len,
						   const char *end, uint32 end_len);

/* Both take time logarithmic in the number of ranges.  The same range may be there many times */
extern void range_index_insert(RangeIndex *index, RangeNode *node);
extern void range_index_delete(RangeIndex *index, RangeNode *node);

/* Report every range that contains the key, in the order of their keys, as long as the function
 * returns true.  It must not change the index */
typedef bool (*RangeIndexHit) (RangeNode *node, void *arg);
extern void range_index_search(const RangeIndex *index, const char *key, uint32 key_len,
							   RangeIndexHit hit, void *arg);

/*
 * The smallest range that contains all of them, in the key and end of *hull; there must be one.  Bytes
 * are borrowed from the index or palloc'd.
 */
extern void range_index_hull(const RangeIndex *index, RangeNode *hull);

/* Is the key in the range of the node? */
extern bool range_node_contains(const RangeNode *node, const char *key, uint32 key_len);

#endif							/* PGQ_STORE_RANGE_INDEX_H */
