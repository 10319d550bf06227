/*-------------------------------------------------------------------------
 *
 * encoding.c
 *	  What the state machine's items in the tree look like.
 *
 * Numbers inside values are base-128 varints, little end first, as in protocol
 * buffers: most of them are small.  Leases are random 63-bit numbers and
 * therefore stored whole, and only where there is one.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/encoding.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "store/encoding.h"
#include "store/pbmem.h"

/* Flags byte of a version and of an index item */
#define ITEM_TOMBSTONE	0x01
#define ITEM_LEASE		0x02
#define ITEM_FLAGS		(ITEM_TOMBSTONE | ITEM_LEASE)

/* Field numbers of StoreMeta that meta_head() picks out */
#define META_APPLIED_INDEX		2
#define META_REVISION			4
#define META_COMPACTED_REVISION	5
#define META_AUTH_ENABLED		10
#define META_AUTH_REVISION		11
#define META_ALARMS				12

/* Of AlarmMember */
#define ALARM_KIND				2

/*
 * User keys that were loaded in order are later put in any order, each a new version
 * beside the old one.  If their leaves were full, the first put to each would split
 * it.  The other keyspaces grow at their ends only, or are small.
 */
#define KEY_ROOM_PERCENT		10

void
store_register_spaces(void)
{
	tree_reserve_room(SPACE_KEY, KEY_ROOM_PERCENT);
}

static void
corrupted(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("damaged %s in the key-value store", what),
			 errhint("Run quorum.check() to look for damaged pages.")));
}

static char *
put_varint(char *p, uint64 value)
{
	while (value >= 0x80)
	{
		*p++ = (char) (value | 0x80);
		value >>= 7;
	}
	*p++ = (char) value;
	return p;
}

/* Read a varint before end; NULL if it is cut off or too long */
static const char *
get_varint(const char *p, const char *end, uint64 *value)
{
	uint64		result = 0;
	int			shift;

	for (shift = 0; shift < 70; shift += 7)
	{
		uint8		byte;

		if (p >= end)
			return NULL;
		byte = (uint8) *p++;
		if (shift < 64)
			result |= (uint64) (byte & 0x7f) << shift;
		if ((byte & 0x80) == 0)
		{
			*value = result;
			return p;
		}
	}
	return NULL;
}

/* ----------------------------------------------------------------
 *	Ranges of keys
 * ----------------------------------------------------------------
 */

void
key_range_set(KeyRange *range, const char *key, uint32 key_len,
			  const char *range_end, uint32 range_end_len)
{
	/* An empty field of a message has no bytes to point to. */
	range->start = key_len > 0 ? key : "";
	range->start_len = key_len;
	range->end = NULL;
	range->end_len = 0;

	if (range_end_len == 0)
		range->kind = KEY_RANGE_POINT;
	else if (range_end_len == 1 && range_end[0] == '\0')
		range->kind = KEY_RANGE_OPEN;
	else
	{
		range->kind = KEY_RANGE_INTERVAL;
		range->end = range_end;
		range->end_len = range_end_len;
	}
}

/* Is the key, which is not before the start of the range, behind its end? */
bool
key_range_ends_before(const KeyRange *range, const char *key, uint32 key_len)
{
	switch (range->kind)
	{
		case KEY_RANGE_POINT:
			return !bytes_equal(key, key_len, range->start, range->start_len);
		case KEY_RANGE_INTERVAL:
			return bytes_compare(key, key_len, range->end, range->end_len) >= 0;
		case KEY_RANGE_OPEN:
			return false;
	}
	return true;
}

bool
key_range_contains(const KeyRange *range, const char *key, uint32 key_len)
{
	if (bytes_compare(key, key_len, range->start, range->start_len) < 0)
		return false;
	return !key_range_ends_before(range, key, key_len);
}

/*
 * store_prefix_end
 *		The range_end that with prefix as key means every key that begins
 *		with prefix (etcd clients' rule).
 */
char *
store_prefix_end(const char *prefix, uint32 len, uint32 *end_len)
{
	char	   *end;
	uint32		n = len;

	while (n > 0 && (uint8) prefix[n - 1] == 0xff)
		n--;

	end = palloc(n + 1);
	if (n == 0)
	{
		end[0] = '\0';
		*end_len = 1;
	}
	else
	{
		memcpy(end, prefix, n);
		end[n - 1]++;
		*end_len = n;
	}
	return end;
}

/* ----------------------------------------------------------------
 *	Keys of the tree
 * ----------------------------------------------------------------
 */

/*
 * A request may name a key longer than any that can be stored, as the start of
 * a range.  Its first TREE_MAX_KEY_BYTES then serve as well for a seek: no stored
 * key is between the two.
 */
static inline void
set_key_bytes(TreeKey *tree_key, const char *key, uint32 key_len)
{
	tree_key->space = SPACE_KEY;
	tree_key->len = (uint16) Min(key_len, TREE_MAX_KEY_BYTES);
	tree_key->data = key;
}

/*
 * Where a version of a key lies, and where a seek finds the key's newest
 * version not after (revision, sub).
 */
void
version_tree_key(TreeKey *tree_key, const char *key, uint32 key_len,
				 int64 revision, int64 sub)
{
	set_key_bytes(tree_key, key, key_len);
	tree_key->major = ~(uint64) revision;
	tree_key->minor = ~(uint64) sub;
}

/* Behind all versions of the key, before the next key */
void
key_end_tree_key(TreeKey *tree_key, const char *key, uint32 key_len)
{
	set_key_bytes(tree_key, key, key_len);
	tree_key->major = PG_UINT64_MAX;
	tree_key->minor = PG_UINT64_MAX;
}

void
number_tree_key(TreeKey *tree_key, uint8 space, uint64 major, uint64 minor)
{
	tree_key->space = space;
	tree_key->len = 0;
	tree_key->data = "";
	tree_key->major = major;
	tree_key->minor = minor;
}

/* ----------------------------------------------------------------
 *	Values of the tree
 * ----------------------------------------------------------------
 */

/* Write what precedes the user's value; at most VERSION_HEADER_MAX bytes */
uint32
encode_version_header(char *buffer, const KeyVersion *version)
{
	char	   *p = buffer;

	if (version->tombstone)
	{
		*p++ = ITEM_TOMBSTONE;
		return p - buffer;
	}

	Assert(version->create_revision <= version->revision);
	*p++ = version->lease != 0 ? ITEM_LEASE : 0;
	p = put_varint(p, version->revision - version->create_revision);
	p = put_varint(p, version->version);
	if (version->lease != 0)
	{
		uint64		lease = (uint64) version->lease;
		int			i;

		for (i = 0; i < 8; i++)
			*p++ = (char) (lease >> (8 * i));
	}
	return p - buffer;
}

/* Fill in what a version's tree key says; false if it is no version's key */
bool
decode_version_key(const TreeKey *tree_key, KeyVersion *version)
{
	if (tree_key->space != SPACE_KEY)
		return false;
	version->key = tree_key->data;
	version->key_len = tree_key->len;
	version->revision = (int64) ~tree_key->major;
	version->sub = (int64) ~tree_key->minor;
	return true;
}

/*
 * Decode an item of SPACE_KEY.  item->value must have been read; the results
 * point into the item.
 */
void
decode_version(const TreeItem *item, KeyVersion *version)
{
	const char *p = item->value;
	const char *end = p + item->value_len;
	uint8		flags;
	uint64		distance;
	uint64		number;

	if (!decode_version_key(&item->key, version) || p >= end)
		corrupted("version of a key");

	flags = (uint8) *p++;
	version->tombstone = (flags & ITEM_TOMBSTONE) != 0;
	version->create_revision = 0;
	version->version = 0;
	version->lease = 0;
	version->value = p;
	version->value_len = 0;
	if (flags & ~ITEM_FLAGS)
		corrupted("version of a key");
	if (version->tombstone)
		return;

	p = get_varint(p, end, &distance);
	if (p != NULL)
		p = get_varint(p, end, &number);
	if (p == NULL || distance >= (uint64) version->revision)
		corrupted("version of a key");
	version->create_revision = version->revision - (int64) distance;
	version->version = (int64) number;

	if (flags & ITEM_LEASE)
	{
		uint64		lease = 0;
		int			i;

		if (end - p < 8)
			corrupted("version of a key");
		for (i = 0; i < 8; i++)
			lease |= (uint64) (uint8) *p++ << (8 * i);
		version->lease = (int64) lease;
	}

	version->value = p;
	version->value_len = end - p;
}

uint8
encode_index_flags(bool tombstone)
{
	return tombstone ? ITEM_TOMBSTONE : 0;
}

/* Decode an item of SPACE_REVISION: key, tombstone, revision and sub */
void
decode_index(const TreeItem *item, KeyVersion *version)
{
	if (item->key.space != SPACE_REVISION || item->value == NULL ||
		item->value_len < 1 || ((uint8) item->value[0] & ~ITEM_TOMBSTONE))
		corrupted("item of the revision index");

	version->key = item->value + 1;
	version->key_len = item->value_len - 1;
	version->tombstone = ((uint8) item->value[0] & ITEM_TOMBSTONE) != 0;
	version->revision = (int64) item->key.major;
	version->sub = (int64) item->key.minor;
	version->create_revision = 0;
	version->version = 0;
	version->lease = 0;
	version->value = NULL;
	version->value_len = 0;
}

/* ----------------------------------------------------------------
 *	Leases
 * ----------------------------------------------------------------
 */

/*
 * Where a version of a lease lies, and where a seek finds the newest not after
 * the index.  With PG_UINT64_MAX: the newest of all.
 */
void
lease_tree_key(TreeKey *tree_key, int64 id, uint64 index)
{
	number_tree_key(tree_key, SPACE_LEASE, (uint64) id, ~index);
}

/* Write a lease's value; at most LEASE_VALUE_MAX bytes */
uint32
encode_lease(char *buffer, const LeaseVersion *version)
{
	char	   *p = buffer;

	*p++ = version->revoked ? ITEM_TOMBSTONE : 0;
	if (!version->revoked)
	{
		p = put_varint(p, (uint64) version->ttl);
		p = put_varint(p, (uint64) version->remaining);
	}
	return p - buffer;
}

/* Fill in what a lease's tree key says; false if it is no lease's key */
bool
decode_lease_key(const TreeKey *tree_key, LeaseVersion *version)
{
	if (tree_key->space != SPACE_LEASE)
		return false;
	version->id = (int64) tree_key->major;
	version->index = ~tree_key->minor;
	return true;
}

/* Decode an item of SPACE_LEASE, whose value has been read */
void
decode_lease(const TreeItem *item, LeaseVersion *version)
{
	const char *p = item->value;
	const char *end = p + item->value_len;
	uint64		ttl = 0;
	uint64		remaining = 0;
	uint8		flags;

	if (!decode_lease_key(&item->key, version) || p == NULL || p >= end)
		corrupted("lease");
	flags = (uint8) *p++;
	if (flags & ~ITEM_TOMBSTONE)
		corrupted("lease");
	version->revoked = (flags & ITEM_TOMBSTONE) != 0;
	if (!version->revoked)
	{
		p = get_varint(p, end, &ttl);
		if (p != NULL)
			p = get_varint(p, end, &remaining);
	}
	if (p != end)
		corrupted("lease");
	version->ttl = (int64) ttl;
	version->remaining = (int64) remaining;
}

static char *
put_lease_id(char *p, int64 id)
{
	int			i;

	for (i = 0; i < ATTACHMENT_ID_BYTES; i++)
		*p++ = (char) ((uint64) id >> (56 - 8 * i));
	return p;
}

static int64
get_lease_id(const char *p)
{
	uint64		id = 0;
	int			i;

	for (i = 0; i < ATTACHMENT_ID_BYTES; i++)
		id = id << 8 | (uint8) *p++;
	return (int64) id;
}

/*
 * Write the bytes of an attachment's key: ATTACHMENT_ID_BYTES and the user key.
 * Returns how many.
 */
uint32
encode_attachment_bytes(char *buffer, int64 id, const char *key, uint32 key_len)
{
	memcpy(put_lease_id(buffer, id), key, key_len);
	return ATTACHMENT_ID_BYTES + key_len;
}

/* Where an attachment lies; the bytes are those of encode_attachment_bytes() */
void
attachment_tree_key(TreeKey *tree_key, const char *bytes, uint32 len)
{
	number_tree_key(tree_key, SPACE_ATTACHMENT, 0, 0);
	tree_key->data = bytes;
	tree_key->len = (uint16) len;
}

/* The lease and the user key of an attachment; false if it is no attachment's key */
bool
decode_attachment_key(const TreeKey *tree_key, int64 *id, const char **key, uint32 *key_len)
{
	if (tree_key->space != SPACE_ATTACHMENT)
		return false;
	if (tree_key->len <= ATTACHMENT_ID_BYTES)
		corrupted("attachment of a lease");
	*id = get_lease_id(tree_key->data);
	*key = tree_key->data + ATTACHMENT_ID_BYTES;
	*key_len = tree_key->len - ATTACHMENT_ID_BYTES;
	return true;
}

/* Write a change's value: as many bytes as an attachment's key has */
uint32
encode_lease_change(char *buffer, const LeaseChange *change)
{
	return encode_attachment_bytes(buffer, change->id, change->key, change->key_len);
}

/* Decode an item of SPACE_LEASE_CHANGE, whose value has been read */
void
decode_lease_change(const TreeItem *item, LeaseChange *change)
{
	if (item->key.space != SPACE_LEASE_CHANGE || item->value == NULL ||
		item->value_len < ATTACHMENT_ID_BYTES)
		corrupted("change of a lease");
	change->index = item->key.major;
	change->number = item->key.minor;
	change->id = get_lease_id(item->value);
	change->key = item->value + ATTACHMENT_ID_BYTES;
	change->key_len = item->value_len - ATTACHMENT_ID_BYTES;
}

/* The client's form of a version; borrows key and value */
void
version_to_kv(const KeyVersion *version, Mvccpb__KeyValue *kv)
{
	mvccpb__key_value__init(kv);
	kv->key.data = (uint8 *) version->key;
	kv->key.len = version->key_len;
	kv->mod_revision = version->revision;
	kv->create_revision = version->create_revision;
	kv->version = version->version;
	kv->lease = version->lease;
	if (version->value != NULL)
	{
		kv->value.data = (uint8 *) version->value;
		kv->value.len = version->value_len;
	}
}

/* ----------------------------------------------------------------
 *	The meta
 * ----------------------------------------------------------------
 */

/* The kind of an encoded alarm, all of whose fields are varints */
static uint64
alarm_kind(const char *p, const char *end)
{
	uint64		kind = 0;

	while (p < end)
	{
		uint64		tag;
		uint64		value;

		p = get_varint(p, end, &tag);
		if (p != NULL)
			p = get_varint(p, end, &value);
		if (p == NULL || (tag & 7) != 0)
			corrupted("state");
		if (tag >> 3 == ALARM_KIND)
			kind = value;
	}
	return kind;
}

/*
 * Pick a few numbers out of the encoded meta: every read needs them, and
 * nothing else of it.
 */
void
meta_head(const char *meta, uint32 len, MetaHead *head)
{
	const char *p = meta;
	const char *end = meta + len;

	memset(head, 0, sizeof(*head));
	head->auth_revision = 1;

	while (p < end)
	{
		uint64		tag;
		uint64		value;

		p = get_varint(p, end, &tag);
		if (p == NULL)
			corrupted("state");
		switch (tag & 7)
		{
			case 0:				/* varint */
				p = get_varint(p, end, &value);
				if (p == NULL)
					corrupted("state");
				switch (tag >> 3)
				{
					case META_APPLIED_INDEX:
						head->applied_index = value;
						break;
					case META_REVISION:
						head->revision = (int64) value;
						break;
					case META_COMPACTED_REVISION:
						head->compacted_revision = (int64) value;
						break;
					case META_AUTH_ENABLED:
						head->auth_enabled = value != 0;
						break;
					case META_AUTH_REVISION:
						head->auth_revision = value;
						break;
				}
				break;
			case 1:				/* 8 bytes */
				p += 8;
				break;
			case 2:				/* length and bytes */
				p = get_varint(p, end, &value);
				if (p == NULL || value > (uint64) (end - p))
					corrupted("state");
				if (tag >> 3 == META_ALARMS && alarm_kind(p, p + value) == ETCDSERVERPB__ALARM_TYPE__CORRUPT)
					head->corrupt = true;
				p += value;
				break;
			case 5:				/* 4 bytes */
				p += 4;
				break;
			default:
				corrupted("state");
		}
	}
	if (p != end)
		corrupted("state");
}

/*
 * Decode the meta into the current memory context.  ERROR if it is not there,
 * damaged, or of a format this version does not know.
 */
Quorum__StoreMeta *
meta_decode(const char *meta, uint32 len)
{
	Quorum__StoreMeta *result;

	if (len == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the key-value store is not initialized")));

	result = (Quorum__StoreMeta *) pb_unpack(&quorum__store_meta__descriptor, meta, len);
	if (result == NULL)
		corrupted("state");
	if (result->auth_revision == 0)
		result->auth_revision = 1;
	if (result->format != STORE_FORMAT)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the key-value store has format %u, this version of pg_quorum needs format %d",
						result->format, STORE_FORMAT),
				 errhint("Install the version of pg_quorum that wrote it.")));
	return result;
}

/* Encode into a buffer of TREE_MAX_META_BYTES; returns the length */
uint32
meta_encode(const Quorum__StoreMeta *meta, char *buffer)
{
	size_t		len = quorum__store_meta__get_packed_size(meta);

	if (len > TREE_MAX_META_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the configuration of the cluster does not fit on a page"),
				 errdetail("It takes %zu bytes, at most %d are possible.",
						   len, TREE_MAX_META_BYTES)));
	quorum__store_meta__pack(meta, (uint8 *) buffer);
	return (uint32) len;
}
