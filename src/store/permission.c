/*-------------------------------------------------------------------------
 *
 * permission.c
 *	  What the roles of a user allow, as intervals of keys.
 *
 * The permissions of all roles of a user are merged, for reads and for writes
 * each, into disjoint intervals in order.  A request for a range is allowed if
 * one of them covers it: two permissions that touch count as one, so a
 * range that spans both is allowed, and looking is one binary search whatever the
 * number of permissions.
 *
 * A single key k is the interval from k to k followed by a zero byte, since no key
 * lies between the two.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/permission.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "store/encoding.h"
#include "store/permission.h"

/* May this be the range of a permission?  (etcd: a key, and if there is an end,
 * one behind it) */
bool
permission_range_is_valid(const char *key, uint32 key_len,
						  const char *range_end, uint32 range_end_len)
{
	if (key_len == 0)
		return false;
	if (range_end_len == 0 || (range_end_len == 1 && range_end[0] == '\0'))
		return true;
	return bytes_compare(range_end, range_end_len, key, key_len) > 0;
}

/* Where the interval ends against a key that is not in front of its start */
static bool
interval_reaches(const KeyInterval *interval, const char *key, uint32 key_len)
{
	return interval->open ||
		bytes_compare(interval->end, interval->end_len, key, key_len) >= 0;
}

static int
interval_cmp(const void *a, const void *b)
{
	const KeyInterval *one = a;
	const KeyInterval *other = b;

	return bytes_compare(one->start, one->start_len, other->start, other->start_len);
}

/* Put intervals in order, and join those that overlap or touch */
static void
merge_intervals(IntervalSet *set)
{
	int			n = 0;
	int			i;

	if (set->n < 2)
		return;
	qsort(set->intervals, set->n, sizeof(KeyInterval), interval_cmp);
	for (i = 1; i < set->n; i++)
	{
		KeyInterval *last = &set->intervals[n];
		const KeyInterval *next = &set->intervals[i];

		if (!interval_reaches(last, next->start, next->start_len))
			set->intervals[++n] = *next;
		else if (next->open)
			last->open = true;
		else if (!interval_reaches(last, next->end, next->end_len))
		{
			last->end = next->end;
			last->end_len = next->end_len;
		}
	}
	set->n = n + 1;
}

static char *
copy_bytes(const uint8 *data, size_t len)
{
	char	   *copy = palloc(len + 1);

	if (len > 0)
		memcpy(copy, data, len);
	copy[len] = '\0';
	return copy;
}

static void
add_permission(StorePermissions *permissions, const Authpb__Permission *permission)
{
	KeyInterval interval = {0};
	size_t		end_len = permission->range_end.len;

	interval.start = copy_bytes(permission->key.data, permission->key.len);
	interval.start_len = permission->key.len;
	if (end_len == 1 && permission->range_end.data[0] == 0)
		interval.open = true;
	else if (end_len > 0)
	{
		interval.end = copy_bytes(permission->range_end.data, end_len);
		interval.end_len = end_len;
	}
	else
	{
		/* copy_bytes() has put the zero byte there */
		interval.end = interval.start;
		interval.end_len = interval.start_len + 1;
	}

	if (permission->permtype != AUTHPB__PERMISSION__TYPE__WRITE)
	{
		IntervalSet *set = &permissions->allowed[STORE_READ];

		set->intervals[set->n++] = interval;
	}
	if (permission->permtype != AUTHPB__PERMISSION__TYPE__READ)
	{
		IntervalSet *set = &permissions->allowed[STORE_WRITE];

		set->intervals[set->n++] = interval;
	}
}

/*
 * permissions_make
 *		Merge the permissions of roles, in the current memory context.
 *
 * The result borrows nothing from the roles.
 */
StorePermissions *
permissions_make(Authpb__Role *const *roles, int nroles)
{
	StorePermissions *permissions = palloc0(sizeof(*permissions));
	size_t		n = 0;
	int			i;
	size_t		j;

	for (i = 0; i < nroles; i++)
		n += roles[i]->n_keypermission;
	permissions->allowed[STORE_READ].intervals = palloc(Max(n, 1) * sizeof(KeyInterval));
	permissions->allowed[STORE_WRITE].intervals = palloc(Max(n, 1) * sizeof(KeyInterval));

	for (i = 0; i < nroles; i++)
	{
		for (j = 0; j < roles[i]->n_keypermission; j++)
			add_permission(permissions, roles[i]->keypermission[j]);
	}
	merge_intervals(&permissions->allowed[STORE_READ]);
	merge_intervals(&permissions->allowed[STORE_WRITE]);
	return permissions;
}

/* The last interval that begins at or before the key, or NULL */
static const KeyInterval *
find_interval(const IntervalSet *set, const char *key, uint32 key_len)
{
	int			low = 0;
	int			high = set->n;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;
		const KeyInterval *interval = &set->intervals[middle];

		if (bytes_compare(interval->start, interval->start_len, key, key_len) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 ? &set->intervals[low - 1] : NULL;
}

/*
 * store_permits
 *		Is this allowed for every key of the range (etcd's conventions)?
 *
 * A range with nothing in it, because its end is not behind its start, still needs the
 * permission for the key it names.
 */
bool
store_permits(const StorePermissions *permissions, StoreAccess access,
			  const char *key, uint32 key_len,
			  const char *range_end, uint32 range_end_len)
{
	const KeyInterval *interval;
	KeyRange	range;

	if (permissions == NULL || permissions->everything)
		return true;

	/* The first key that there can be is a single zero byte. */
	if (key_len == 0)
	{
		key = "";
		key_len = 1;
	}
	key_range_set(&range, key, key_len, range_end, range_end_len);
	interval = find_interval(&permissions->allowed[access], key, key_len);
	if (interval == NULL)
		return false;
	if (interval->open)
		return true;
	if (bytes_compare(interval->end, interval->end_len, key, key_len) <= 0)
		return false;
	switch (range.kind)
	{
		case KEY_RANGE_POINT:
			return true;
		case KEY_RANGE_INTERVAL:
			return interval_reaches(interval, range.end, range.end_len);
		case KEY_RANGE_OPEN:
			break;
	}
	return false;
}
