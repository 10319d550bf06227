/*-------------------------------------------------------------------------
 *
 * tree_page.c
 *	  The pages of the B+tree: what can be done within one page.
 *
 * Nothing here reads a buffer or writes WAL.  The functions that alter a page
 * are given a working copy of pagelog.c.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/storage/tree_page.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "tree_page.h"

const TreeKey TreeKeyMinimum = {0, 0, "", 0, 0};

/* The hint of a page: the slot of the last insert, and how many inserts
 * before that went just before it, each one slot after the other */
#define HINT_SLOT(hint)			((hint) & 0x0fff)
#define HINT_RUN(hint)			((hint) >> 12)
#define HINT_MAKE(slot, run)	((uint16) ((slot) | ((run) << 12)))
#define HINT_MAX_RUN			15

/* So many inserts in a row at ascending places are a pattern to count on */
#define ASCENDING_RUN			3

/* ----------------------------------------------------------------
 *		Comparing and searching
 * ----------------------------------------------------------------
 */

int
tree_key_compare(const TreeKey *a, const TreeKey *b)
{
	int			result;

	if (a->space != b->space)
		return a->space < b->space ? -1 : 1;
	result = memcmp(a->data, b->data, Min(a->len, b->len));
	if (result != 0)
		return result;
	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	if (a->major != b->major)
		return a->major < b->major ? -1 : 1;
	if (a->minor != b->minor)
		return a->minor < b->minor ? -1 : 1;
	return 0;
}

static inline int
compare_tuple(const TreeKey *key, const TreeTuple *tuple)
{
	const char *p = tuple->data;
	uint64		major = 0;
	uint64		minor = 0;
	int			result;

	if (key->space != tuple->space)
		return key->space < tuple->space ? -1 : 1;
	if (tuple->flags & TREE_TUPLE_MAJOR)
	{
		memcpy(&major, p, sizeof(uint64));
		p += sizeof(uint64);
	}
	if (tuple->flags & TREE_TUPLE_MINOR)
	{
		memcpy(&minor, p, sizeof(uint64));
		p += sizeof(uint64);
	}
	result = memcmp(key->data, p, Min(key->len, tuple->key_len));
	if (result != 0)
		return result;
	if (key->len != tuple->key_len)
		return key->len < tuple->key_len ? -1 : 1;
	if (key->major != major)
		return key->major < major ? -1 : 1;
	if (key->minor != minor)
		return key->minor < minor ? -1 : 1;
	return 0;
}

/* Compare a key with the key of a tuple: <0, 0, >0 */
int
tree_compare(const TreeKey *key, const TreeTuple *tuple)
{
	return compare_tuple(key, tuple);
}

/*
 * The first slot at or after from whose key is at or after *key; the number of
 * slots if there is none.  The slots before from are known to be below.
 */
int
tree_find(Page page, const TreeKey *key, int from, bool *found)
{
	int			low = from;
	int			high = tree_count(page);

	*found = false;
	while (low < high)
	{
		int			middle = (low + high) / 2;
		int			result = compare_tuple(key, tree_tuple(page, middle));

		if (result > 0)
			low = middle + 1;
		else
		{
			high = middle;
			if (result == 0)
			{
				*found = true;
				low = middle;
			}
		}
	}
	return low;
}

/*
 * The slot of an inner page whose child has *key in its range: the last one
 * whose key is at or below.  The first slot's key is the minimum, for the page
 * is only ever asked about keys of its own range.
 */
int
tree_find_child(Page page, const TreeKey *key)
{
	int			low = 1;
	int			high = tree_count(page);

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (compare_tuple(key, tree_tuple(page, middle)) >= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low - 1;
}

/* ----------------------------------------------------------------
 *		Altering a page
 * ----------------------------------------------------------------
 */

/* Make an empty page; page has been through PageInit() */
void
tree_page_init(Page page, uint16 flags, uint16 level, uint64 incarnation)
{
	TreeOpaque *opaque = tree_opaque(page);

	((PageHeader) page)->pd_lower = TREE_PAGE_START;
	opaque->incarnation = incarnation;
	opaque->right = InvalidBlockNumber;
	opaque->right_incarnation = 0;
	opaque->flags = flags;
	opaque->level = level;
	opaque->page_id = TREE_PAGE_ID;
}

/* Move all tuples together, so that the free space is in one piece */
static void
compact(Page page)
{
	PageHeader	header = (PageHeader) page;
	TreeOpaque *opaque = tree_opaque(page);
	uint16	   *slots = tree_slots(page);
	int			count = tree_count(page);
	uint16		upper = header->pd_special;
	PGAlignedBlock old;

	memcpy(old.data, page, BLCKSZ);
	if (opaque->high != 0)
	{
		TreeTuple  *tuple = (TreeTuple *) (old.data + opaque->high);

		upper -= tree_tuple_space(tuple->size);
		memcpy((char *) page + upper, tuple, tuple->size);
		opaque->high = upper;
	}
	for (int i = 0; i < count; i++)
	{
		TreeTuple  *tuple = (TreeTuple *) (old.data + slots[i]);

		upper -= tree_tuple_space(tuple->size);
		memcpy((char *) page + upper, tuple, tuple->size);
		slots[i] = upper;
	}
	header->pd_upper = upper;
	opaque->dead = 0;
}

/* Room for a tuple of size bytes and for slots more slots; its offset */
static uint16
allocate(Page page, Size size, int slots)
{
	PageHeader	header = (PageHeader) page;
	Size		space = tree_tuple_space(size);
	Size		need = space + slots * sizeof(uint16);

	if ((Size) (header->pd_upper - header->pd_lower) < need)
	{
		if (tree_free_space(page) < need)
			elog(ERROR, "no room on a tree page for a tuple of %zu bytes", size);
		compact(page);
	}
	header->pd_upper -= space;
	return header->pd_upper;
}

/* Give up the space of a tuple */
static void
discard(Page page, uint16 offset)
{
	PageHeader	header = (PageHeader) page;
	Size		space = tree_tuple_space(((TreeTuple *) ((char *) page + offset))->size);

	if (offset == header->pd_upper)
		header->pd_upper += space;
	else
		tree_opaque(page)->dead += space;
}

/* Write a tuple's header and key at p; returns where its payload goes */
static char *
form_tuple(char *p, const TreeKey *key, uint8 flags, Size payload_size)
{
	TreeTuple  *tuple = (TreeTuple *) p;
	char	   *data = tuple->data;

	if (key->major != 0)
	{
		flags |= TREE_TUPLE_MAJOR;
		memcpy(data, &key->major, sizeof(uint64));
		data += sizeof(uint64);
	}
	if (key->minor != 0)
	{
		flags |= TREE_TUPLE_MINOR;
		memcpy(data, &key->minor, sizeof(uint64));
		data += sizeof(uint64);
	}
	memcpy(data, key->data, key->len);
	data += key->len;
	tuple->size = (uint16) (data + payload_size - p);
	tuple->key_len = key->len;
	tuple->space = key->space;
	tuple->flags = flags;
	return data;
}

/*
 * Insert a tuple as the given slot.  Returns where the caller has to put the
 * payload, at once.  The caller has made sure of the room.  key must not point
 * into this page.
 */
char *
tree_page_insert(Page page, int slot, const TreeKey *key, uint8 flags,
				 Size payload_size)
{
	PageHeader	header = (PageHeader) page;
	uint16	   *slots = tree_slots(page);
	int			count = tree_count(page);
	uint16		offset;

	offset = allocate(page, tree_key_size(key) + payload_size, 1);
	memmove(slots + slot + 1, slots + slot, (count - slot) * sizeof(uint16));
	slots[slot] = offset;
	header->pd_lower += sizeof(uint16);
	return form_tuple((char *) page + offset, key, flags, payload_size);
}

/* Remove the tuple of a slot */
void
tree_page_remove(Page page, int slot)
{
	PageHeader	header = (PageHeader) page;
	uint16	   *slots = tree_slots(page);
	int			count = tree_count(page);

	discard(page, slots[slot]);
	memmove(slots + slot, slots + slot + 1, (count - slot - 1) * sizeof(uint16));
	header->pd_lower -= sizeof(uint16);
	if (count == 1)
		compact(page);
}

/* Remove the tuples from the given slot on */
void
tree_page_truncate(Page page, int slot)
{
	uint16	   *slots = tree_slots(page);
	int			count = tree_count(page);

	for (int i = slot; i < count; i++)
		discard(page, slots[i]);
	((PageHeader) page)->pd_lower = TREE_PAGE_START + slot * sizeof(uint16);
	if (slot == 0)
		compact(page);
}

/* Replace the high key; NULL makes the page the rightmost one.  high must not
 * point into this page. */
void
tree_page_set_high(Page page, const TreeKey *high)
{
	TreeOpaque *opaque = tree_opaque(page);

	if (opaque->high != 0)
	{
		discard(page, opaque->high);
		opaque->high = 0;
	}
	if (high != NULL)
	{
		uint16		offset = allocate(page, tree_key_size(high), 0);

		form_tuple((char *) page + offset, high, 0, 0);
		opaque->high = offset;
	}
}

void
tree_page_set_right(Page page, PageRef right)
{
	tree_opaque(page)->right = right.block;
	tree_opaque(page)->right_incarnation = right.incarnation;
}

/* Insert a downlink */
void
tree_page_insert_child(Page page, int slot, const TreeKey *key, PageRef child)
{
	Downlink	link;

	link.block = child.block;
	incarnation_set(link.incarnation, child.incarnation);
	memcpy(tree_page_insert(page, slot, key, 0, sizeof(Downlink)), &link,
		   sizeof(Downlink));
}

/* Append copies of the tuples first to last - 1 of another page */
void
tree_page_copy(Page to, Page from, int first, int last)
{
	PageHeader	header = (PageHeader) to;

	for (int i = first; i < last; i++)
	{
		TreeTuple  *tuple = tree_tuple(from, i);
		uint16		offset = allocate(to, tuple->size, 1);

		memcpy((char *) to + offset, tuple, tuple->size);
		tree_slots(to)[tree_count(to)] = offset;
		header->pd_lower += sizeof(uint16);
	}
}

/* ----------------------------------------------------------------
 *		Splitting
 * ----------------------------------------------------------------
 */

/* Remember where an insert went: ascending keys show as a run of places */
void
tree_note_insert(Page page, int slot)
{
	TreeOpaque *opaque = tree_opaque(page);
	int			run = 0;

	if (slot == HINT_SLOT(opaque->hint) + 1)
		run = Min(HINT_RUN(opaque->hint) + 1, HINT_MAX_RUN);
	opaque->hint = HINT_MAKE(slot, run);
}

/*
 * The shortest key that is above left and not above right, for left < right.
 * It needs no more of right's bytes than it takes to differ from left, and
 * numbers that are left out count as zero, the least there is.  The result
 * points into right's bytes.
 */
void
tree_separator(const TreeKey *left, const TreeKey *right, TreeKey *separator)
{
	uint16		same = 0;
	uint16		shorter = Min(left->len, right->len);

	*separator = *right;
	separator->minor = 0;
	if (left->space != right->space)
	{
		separator->len = 0;
		separator->major = 0;
		return;
	}
	while (same < shorter && left->data[same] == right->data[same])
		same++;
	if (same < right->len)
	{
		separator->len = same + 1;
		separator->major = 0;
	}
	else if (left->major == right->major)
		separator->minor = right->minor;
}

static void
separator_at(Page page, int slot, TreeKey *separator)
{
	TreeKey		left;
	TreeKey		right;

	tree_tuple_key(tree_tuple(page, slot), &right);
	if (!tree_is_leaf(page))
	{
		*separator = right;
		return;
	}
	tree_tuple_key(tree_tuple(page, slot - 1), &left);
	tree_separator(&left, &right, separator);
}

/* Will the page have room for this high key if it keeps the first slots? */
static bool
high_key_fits(Page page, int slots, const TreeKey *high)
{
	Size		room = tree_free_space(page);
	TreeTuple  *old = tree_high(page);

	for (int i = slots; i < tree_count(page); i++)
		room += tree_tuple_space(tree_tuple(page, i)->size) + sizeof(uint16);
	if (old != NULL)
		room += tree_tuple_space(old->size);
	return tree_tuple_space(tree_key_size(high)) <= room;
}

/* Percent of a leaf that a split at the end of its keys leaves free, by keyspace */
static uint8 reserved_percent[256];

/*
 * tree_reserve_room() -- see tree.h.
 */
void
tree_reserve_room(uint8 space, int percent)
{
	Assert(percent >= 0 && percent <= 50);
	reserved_percent[space] = (uint8) percent;
}

/*
 * The leaf is to be split at slot, and could stay full: take as many items more to the
 * right as leave the room that its keyspace asks for.
 */
static int
leave_room(Page page, const TreeKey *incoming, int slot)
{
	Size		wanted = TREE_PAGE_ROOM * reserved_percent[incoming->space] / 100;
	Size		room = tree_free_space(page);

	for (int i = slot; i < tree_count(page); i++)
		room += tree_tuple_space(tree_tuple(page, i)->size) + sizeof(uint16);
	while (room < wanted && slot > 1 && tree_tuple(page, slot - 1)->space == incoming->space)
	{
		slot--;
		room += tree_tuple_space(tree_tuple(page, slot)->size) + sizeof(uint16);
	}
	return slot;
}

/*
 * Where keys arrive in ascending order, the page is best left as full as it
 * is, but for what its keyspace reserves for keys that come between later: returns
 * the first slot for the right page, or -1 if there is no such pattern.
 */
static int
ascending_split_point(Page page, const TreeKey *incoming, TreeKey *separator)
{
	uint16		hint = tree_opaque(page)->hint;
	int			count = tree_count(page);
	TreeTuple  *high = tree_high(page);
	bool		found;
	bool		pattern;
	int			slot = tree_find(page, incoming, 0, &found);

	if (found || slot == 0)
		return -1;
	pattern = HINT_RUN(hint) >= ASCENDING_RUN && HINT_SLOT(hint) == slot - 1;
	if (slot == count)
	{
		/* the end of a keyspace is where it grows, if anywhere */
		if (!pattern && high != NULL && high->space == incoming->space)
			return -1;
	}
	else if (!pattern || slot < count / 2)
		return -1;

	if (tree_is_leaf(page))
	{
		int			roomy = leave_room(page, incoming, slot);

		if (roomy < slot)
		{
			separator_at(page, roomy, separator);
			slot = roomy;
		}
		else
		{
			TreeKey		left;

			tree_tuple_key(tree_tuple(page, slot - 1), &left);
			tree_separator(&left, incoming, separator);
		}
	}
	else
	{
		/* an inner page cannot be without a child */
		if (slot == count)
			slot--;
		if (slot == 0)
			return -1;
		separator_at(page, slot, separator);
	}
	return high_key_fits(page, slot, separator) ? slot : -1;
}

/*
 * Choose where to split a page for which incoming is too much: returns the
 * first slot that goes to the right page (the number of slots if none goes),
 * and the key that is to separate the two.  The separator points into the page
 * or into incoming.
 */
int
tree_split_point(Page page, const TreeKey *incoming, TreeKey *separator)
{
	int			count = tree_count(page);
	Size		total = 0;
	Size		sum = 0;
	Size		best_size = 0;
	int			middle;
	int			best;
	int			reach;

	best = ascending_split_point(page, incoming, separator);
	if (best > 0)
		return best;
	if (count < 2)
		elog(ERROR, "cannot split a tree page of %d items", count);

	for (int i = 0; i < count; i++)
		total += tree_tuple_space(tree_tuple(page, i)->size) + sizeof(uint16);
	for (middle = 0; middle < count - 1 && sum < total / 2; middle++)
		sum += tree_tuple_space(tree_tuple(page, middle)->size) + sizeof(uint16);
	middle = Max(middle, 1);

	/* near the middle, the shortest separator keeps the inner pages small */
	best = middle;
	reach = tree_is_leaf(page) ? count / 16 : 0;
	for (int i = Max(middle - reach, 1); i <= Min(middle + reach, count - 1); i++)
	{
		TreeKey		candidate;
		Size		size;

		separator_at(page, i, &candidate);
		size = tree_key_size(&candidate);
		if (best_size == 0 || size < best_size ||
			(size == best_size && abs(i - middle) < abs(best - middle)))
		{
			best = i;
			best_size = size;
		}
	}
	separator_at(page, best, separator);
	return best;
}
