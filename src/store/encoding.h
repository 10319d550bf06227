/*-------------------------------------------------------------------------
 *
 * encoding.h
 *	  What the state machine's items in the tree look like.
 *
 * The tree maps (keyspace, bytes, major, minor) to bytes.  The keyspaces:
 *
 *	'i'  the revision index: one item for each change, at (revision, sub).
 *		 Value: a flags byte and the user key.
 *	'k'  the versions of the user keys: bytes is the key, and the numbers are the
 *		 complements of revision and sub, so that a key's newest version comes
 *		 first and a read as of a revision is one forward seek.  Value: a flags
 *		 byte, for a put the create revision (as distance), version and lease,
 *		 then the user's value.
 *	'c'  the changes of leases that are still to be tidied up after: one item for
 *		 each, at (log index, number).  Value: the lease's id, and the user key
 *		 if it is one that has lost this lease.
 *	'l'  the versions of the leases: at (id, complement of the log index), so
 *		 that the newest comes first.  Value: a flags byte, the time to live and
 *		 what was left of it at the last checkpoint.
 *	'm'  members, at (id, 0).  Value: a packed Member.
 *	'p'  portions of a copy that is being imported, at (import, number).
 *	'r', 'u', 'x'  roles, users, and the user map: bytes is a name, and the first
 *		 number the complement of the auth revision (auth.c).  Value: a packed
 *		 Role, a packed User, the name of a user; none where it ends.
 *	't'  attachments: bytes is a lease's id, big-endian, and a user key.  No value.
 *
 * That 'i' sorts before 'k', and 'c' before 'l' and 'l' before 't', matters: a
 * batch is written in key order, so a crash in the middle of it never leaves a
 * version that no index knows of, and store_open() finds all that was left behind.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/encoding.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_STORE_ENCODING_H
#define PGQ_STORE_ENCODING_H

#include "storage/tree.h"

#include "store/store.h"

#define SPACE_REVISION	'i'
#define SPACE_KEY		'k'
#define SPACE_LEASE_CHANGE	'c'
#define SPACE_LEASE		'l'
#define SPACE_MEMBER	'm'
#define SPACE_IMPORT	'p'
#define SPACE_ROLE		'r'
#define SPACE_ATTACHMENT	't'
#define SPACE_USER		'u'
#define SPACE_USER_MAP	'x'

/* Bytes before the user key in the key of an attachment */
#define ATTACHMENT_ID_BYTES		8

/* Most bytes that encode_lease() writes */
#define LEASE_VALUE_MAX		24

/* StoreMeta.format of what this version writes */
#define STORE_FORMAT	1

/* Most bytes that encode_version_header() writes */
#define VERSION_HEADER_MAX	32

/*
 * One version of a user key: a value or, as a tombstone, the end of the key's
 * life.  key and value are borrowed.  value is NULL where it has not been read
 * (value_len then means nothing), and never for an empty value.
 */
typedef struct KeyVersion
{
	const char *key;
	uint32		key_len;
	bool		tombstone;
	int64		revision;		/* that made it */
	int64		sub;
	int64		create_revision;	/* 0 in a tombstone, as version and lease */
	int64		version;
	int64		lease;
	const char *value;
	uint32		value_len;
} KeyVersion;

/* A lease as of a log index */
typedef struct LeaseVersion
{
	int64		id;
	uint64		index;			/* of the entry that made it */
	bool		revoked;
	int64		ttl;			/* seconds; 0 in a revoked one, as remaining */
	int64		remaining;		/* seconds at the last checkpoint, 0: all of them */
} LeaseVersion;

/* A change of a lease, or of a key that has lost it; key is borrowed */
typedef struct LeaseChange
{
	uint64		index;
	uint64		number;			/* within the entry */
	int64		id;
	const char *key;			/* key_len 0: of the lease itself */
	uint32		key_len;
} LeaseChange;

/*
 * A range of keys in etcd's convention: range_end empty means the key alone,
 * "\0" all keys from key on, anything else the half-open interval.
 */
typedef enum KeyRangeKind
{
	KEY_RANGE_POINT,
	KEY_RANGE_INTERVAL,
	KEY_RANGE_OPEN
} KeyRangeKind;

typedef struct KeyRange
{
	KeyRangeKind kind;
	const char *start;
	uint32		start_len;
	const char *end;			/* KEY_RANGE_INTERVAL only */
	uint32		end_len;
} KeyRange;

/* Compare byte strings, a prefix before what it is a prefix of */
static inline int
bytes_compare(const char *a, uint32 a_len, const char *b, uint32 b_len)
{
	int			cmp = memcmp(a, b, Min(a_len, b_len));

	if (cmp != 0)
		return cmp;
	return a_len < b_len ? -1 : a_len > b_len ? 1 : 0;
}

static inline bool
bytes_equal(const char *a, uint32 a_len, const char *b, uint32 b_len)
{
	return a_len == b_len && memcmp(a, b, a_len) == 0;
}

extern void key_range_set(KeyRange *range, const char *key, uint32 key_len,
						  const char *range_end, uint32 range_end_len);
extern bool key_range_contains(const KeyRange *range, const char *key, uint32 key_len);
extern bool key_range_ends_before(const KeyRange *range, const char *key, uint32 key_len);

extern void version_tree_key(TreeKey *tree_key, const char *key, uint32 key_len,
							 int64 revision, int64 sub);
extern void key_end_tree_key(TreeKey *tree_key, const char *key, uint32 key_len);
extern void number_tree_key(TreeKey *tree_key, uint8 space, uint64 major, uint64 minor);

extern uint32 encode_version_header(char *buffer, const KeyVersion *version);
extern void decode_version(const TreeItem *item, KeyVersion *version);
extern bool decode_version_key(const TreeKey *tree_key, KeyVersion *version);

extern uint8 encode_index_flags(bool tombstone);
extern void decode_index(const TreeItem *item, KeyVersion *version);

extern void lease_tree_key(TreeKey *tree_key, int64 id, uint64 index);
extern uint32 encode_lease(char *buffer, const LeaseVersion *version);
extern bool decode_lease_key(const TreeKey *tree_key, LeaseVersion *version);
extern void decode_lease(const TreeItem *item, LeaseVersion *version);
extern uint32 encode_lease_change(char *buffer, const LeaseChange *change);
extern void decode_lease_change(const TreeItem *item, LeaseChange *change);
extern uint32 encode_attachment_bytes(char *buffer, int64 id, const char *key, uint32 key_len);
extern void attachment_tree_key(TreeKey *tree_key, const char *bytes, uint32 len);
extern bool decode_attachment_key(const TreeKey *tree_key, int64 *id,
								  const char **key, uint32 *key_len);

extern void version_to_kv(const KeyVersion *version, Mvccpb__KeyValue *kv);

/* What every read needs of the meta */
typedef struct MetaHead
{
	uint64		applied_index;
	int64		revision;
	int64		compacted_revision;
	bool		auth_enabled;
	uint64		auth_revision;
	bool		corrupt;		/* the alarm of that name is active */
} MetaHead;

extern void meta_head(const char *meta, uint32 len, MetaHead *head);
extern Quorum__StoreMeta *meta_decode(const char *meta, uint32 len);
extern uint32 meta_encode(const Quorum__StoreMeta *meta, char *buffer);

#endif							/* PGQ_STORE_ENCODING_H */
