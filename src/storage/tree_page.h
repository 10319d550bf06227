/*-------------------------------------------------------------------------
 *
 * tree_page.h
 *	  The pages of the B+tree: layout, and what can be done within one page.
 *
 * Every page is a standard PostgreSQL page:
 *
 *		page header | slots -> ... free space ... <- tuples | TreeOpaque
 *
 * A slot is the 16-bit offset of a tuple; slots are in key order, tuples are
 * not.  (Half the size of a line pointer: what an insert shifts is what it
 * logs.)  The space of a removed tuple is left where it is and counted in
 * "dead"; it is won back by rewriting the page when an insert needs it, since
 * moving tuples about on each removal would log most of the page each time.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/storage/tree_page.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_TREE_PAGE_H
#define PGQ_TREE_PAGE_H

#include "storage/bufpage.h"

#include "tree.h"

/*
 * A page as others refer to it.  Each use of a block has an incarnation of its
 * own, never given twice in the life of the relation, so a reference that has
 * gone stale shows itself.
 */
typedef struct PageRef
{
	BlockNumber block;
	uint64		incarnation;
} PageRef;

typedef struct TreeOpaque
{
	uint64		incarnation;	/* of this use of the page */
	uint64		right_incarnation;
	BlockNumber right;			/* right sibling; next page of an overflow chain or
								 * of the free list */
	uint16		flags;			/* TREE_PAGE_* */
	uint16		level;			/* 0 is the leaves */
	uint16		high;			/* offset of the high key, 0 if rightmost */
	uint16		dead;			/* bytes of tuples that no slot points to */
	uint16		hint;			/* where the last inserts went, see below */
	uint16		page_id;		/* TREE_PAGE_ID, the page's last two bytes */
} TreeOpaque;

#define TREE_PAGE_ID			0xFB71

#define TREE_PAGE_META			0x0001
#define TREE_PAGE_NODE			0x0002	/* a leaf or an inner page */
#define TREE_PAGE_OVERFLOW		0x0004	/* part of a long value */
#define TREE_PAGE_FREE			0x0008	/* of the free list */
#define TREE_PAGE_SPLIT			0x0010	/* right sibling has no downlink yet */
#define TREE_PAGE_GARBAGE		0x0020	/* node of a replaced tree, being taken apart */

#define TREE_OPAQUE_SIZE		MAXALIGN(sizeof(TreeOpaque))
#define TREE_PAGE_START			MAXALIGN(SizeOfPageHeaderData)
#define TREE_PAGE_ROOM			(BLCKSZ - TREE_PAGE_START - TREE_OPAQUE_SIZE)

/* Bytes of a long value on one overflow page */
#define TREE_OVERFLOW_ROOM		TREE_PAGE_ROOM

/*
 * Largest tuple, so that a page can always take a high key and two tuples: then
 * every page that is too full can be split, and the halves have room.
 */
#define TREE_MAX_TUPLE			((TREE_PAGE_ROOM / 3 - sizeof(uint16)) & ~1)

/* Free blocks that a page of the free list can name */
#define TREE_MAX_FREE_BLOCKS	((int) (TREE_PAGE_ROOM / sizeof(BlockNumber)))

/* A longer value goes to overflow pages */
#define TREE_MAX_INLINE_VALUE	(BLCKSZ / 4)

/*
 * A tuple: this header, the key's major number and minor number (each left
 * out if zero), the key's bytes, then the payload: on a leaf the value or an
 * OverflowRef, on an inner page a Downlink, for a high key nothing.
 */
typedef struct TreeTuple
{
	uint16		size;			/* of all of it, not rounded up */
	uint16		key_len;
	uint8		space;
	uint8		flags;			/* TREE_TUPLE_* */
	char		data[FLEXIBLE_ARRAY_MEMBER];
} TreeTuple;

#define TREE_TUPLE_MAJOR		0x01	/* major number present */
#define TREE_TUPLE_MINOR		0x02	/* minor number present */
#define TREE_TUPLE_OVERFLOW		0x04	/* payload is an OverflowRef */

#define TREE_TUPLE_HEADER		offsetof(TreeTuple, data)

/* Most tuples on a page */
#define TREE_MAX_COUNT			(TREE_PAGE_ROOM / (TREE_TUPLE_HEADER + sizeof(uint16)))

/* On a page in host byte order, not aligned: copied in and out */
typedef struct Downlink
{
	BlockNumber block;
	uint32		incarnation[2];
} Downlink;

typedef struct OverflowRef
{
	uint32		size;			/* of the value */
	BlockNumber head;			/* first page of the chain */
	BlockNumber tail;			/* last page */
	uint32		incarnation[2]; /* of every page of the chain */
} OverflowRef;

static inline uint64
incarnation_get(const uint32 *parts)
{
	return ((uint64) parts[1] << 32) | parts[0];
}

static inline void
incarnation_set(uint32 *parts, uint64 incarnation)
{
	parts[0] = (uint32) incarnation;
	parts[1] = (uint32) (incarnation >> 32);
}

static inline TreeOpaque *
tree_opaque(Page page)
{
	return (TreeOpaque *) ((char *) page + BLCKSZ - TREE_OPAQUE_SIZE);
}

static inline uint16 *
tree_slots(Page page)
{
	return (uint16 *) ((char *) page + TREE_PAGE_START);
}

static inline int
tree_count(Page page)
{
	return (((PageHeader) page)->pd_lower - TREE_PAGE_START) / sizeof(uint16);
}

static inline TreeTuple *
tree_tuple(Page page, int slot)
{
	return (TreeTuple *) ((char *) page + tree_slots(page)[slot]);
}

/* NULL on the rightmost page of a level */
static inline TreeTuple *
tree_high(Page page)
{
	uint16		high = tree_opaque(page)->high;

	return high == 0 ? NULL : (TreeTuple *) ((char *) page + high);
}

static inline bool
tree_is_leaf(Page page)
{
	return tree_opaque(page)->level == 0;
}

/* What a tuple takes on a page, without its slot */
static inline Size
tree_tuple_space(Size size)
{
	return TYPEALIGN(2, size);
}

static inline Size
tree_numbers_size(uint8 flags)
{
	return ((flags & TREE_TUPLE_MAJOR) ? sizeof(uint64) : 0) +
		((flags & TREE_TUPLE_MINOR) ? sizeof(uint64) : 0);
}

static inline char *
tree_payload(TreeTuple *tuple)
{
	return tuple->data + tree_numbers_size(tuple->flags) + tuple->key_len;
}

static inline Size
tree_payload_size(TreeTuple *tuple)
{
	return tuple->size - TREE_TUPLE_HEADER - tree_numbers_size(tuple->flags) -
		tuple->key_len;
}

static inline Size
tree_key_size(const TreeKey *key)
{
	return TREE_TUPLE_HEADER + (key->major != 0 ? sizeof(uint64) : 0) +
		(key->minor != 0 ? sizeof(uint64) : 0) + key->len;
}

static inline void
tree_tuple_key(const TreeTuple *tuple, TreeKey *key)
{
	const char *p = tuple->data;

	key->space = tuple->space;
	key->len = tuple->key_len;
	key->major = 0;
	key->minor = 0;
	if (tuple->flags & TREE_TUPLE_MAJOR)
	{
		memcpy(&key->major, p, sizeof(uint64));
		p += sizeof(uint64);
	}
	if (tuple->flags & TREE_TUPLE_MINOR)
	{
		memcpy(&key->minor, p, sizeof(uint64));
		p += sizeof(uint64);
	}
	key->data = p;
}

static inline PageRef
tree_child(Page page, int slot)
{
	PageRef		ref;
	Downlink	link;

	memcpy(&link, tree_payload(tree_tuple(page, slot)), sizeof(Downlink));
	ref.block = link.block;
	ref.incarnation = incarnation_get(link.incarnation);
	return ref;
}

/* The free blocks that a page of the free list names (tree_free.c) */
static inline BlockNumber *
tree_free_blocks(Page page)
{
	return (BlockNumber *) ((char *) page + TREE_PAGE_START);
}

static inline int
tree_free_count(Page page)
{
	return !(tree_opaque(page)->flags & TREE_PAGE_FREE) ? 0 :
		(((PageHeader) page)->pd_lower - TREE_PAGE_START) / sizeof(BlockNumber);
}

static inline PageRef
tree_right(Page page)
{
	PageRef		ref;

	ref.block = tree_opaque(page)->right;
	ref.incarnation = tree_opaque(page)->right_incarnation;
	return ref;
}

/* Bytes free for tuples and slots, dead ones included */
static inline Size
tree_free_space(Page page)
{
	PageHeader	header = (PageHeader) page;

	return header->pd_upper - header->pd_lower + tree_opaque(page)->dead;
}

/* Bytes in use by tuples, slots and the high key */
static inline Size
tree_used_space(Page page)
{
	return TREE_PAGE_ROOM - tree_free_space(page);
}

/* A page of which less is used should be merged with another */
#define TREE_SPARSE_SPACE		(TREE_PAGE_ROOM / 3)

static inline bool
tree_is_sparse(Page page)
{
	return tree_used_space(page) < TREE_SPARSE_SPACE;
}

extern int	tree_compare(const TreeKey *key, const TreeTuple *tuple);
extern int	tree_find(Page page, const TreeKey *key, int from, bool *found);
extern int	tree_find_child(Page page, const TreeKey *key);

extern void tree_page_init(Page page, uint16 flags, uint16 level, uint64 incarnation);
extern char *tree_page_insert(Page page, int slot, const TreeKey *key,
							  uint8 flags, Size payload_size);
extern void tree_page_remove(Page page, int slot);
extern void tree_page_truncate(Page page, int slot);
extern void tree_page_set_high(Page page, const TreeKey *high);
extern void tree_page_set_right(Page page, PageRef right);
extern void tree_page_insert_child(Page page, int slot, const TreeKey *key, PageRef child);
extern void tree_page_copy(Page to, Page from, int first, int last);

extern void tree_separator(const TreeKey *left, const TreeKey *right, TreeKey *separator);
extern void tree_note_insert(Page page, int slot);
extern int	tree_split_point(Page page, const TreeKey *incoming, TreeKey *separator);

#endif							/* PGQ_TREE_PAGE_H */
