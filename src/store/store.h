/*-------------------------------------------------------------------------
 *
 * store.h
 *	  The state machine: etcd's keys, values and revisions on the tree.
 *
 * The result of a command is a function of the log alone.  Applying an entry
 * again after a crash writes what it wrote before.
 *
 * Two sides.  The writer (the member's worker) applies log entries in order,
 * a batch at a time.  Readers, in any process and also on a hot standby, see
 * the state as of the last finished batch: they take the revision from the tree's
 * meta page and ignore what is newer, and need nothing else, no snapshot and no
 * shared memory.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/store.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_STORE_H
#define PGQ_STORE_H

#include "access/xlogdefs.h"
#include "nodes/pg_list.h"
#include "utils/relcache.h"

#include "authpb.pb-c.h"
#include "command.pb-c.h"

/* Longest key, in bytes */
#define STORE_MAX_KEY_BYTES		2048

/* Longest time to live of a lease, in seconds (etcd's) */
#define STORE_MAX_LEASE_TTL		INT64CONST(9000000000)

/*
 * Why a request was refused.  The faces map these to SQLSTATEs and to etcd's
 * gRPC codes and texts.  Part of Result on the wire: values never change.
 */
typedef enum StoreError
{
	STORE_OK = 0,
	STORE_EMPTY_KEY = 1,
	STORE_KEY_TOO_LARGE = 2,
	STORE_REQUEST_TOO_LARGE = 3,
	STORE_TOO_MANY_OPS = 4,
	STORE_DUPLICATE_KEY = 5,
	STORE_COMPACTED = 6,
	STORE_FUTURE_REVISION = 7,
	STORE_LEASE_NOT_FOUND = 8,
	STORE_VALUE_PROVIDED = 9,
	STORE_LEASE_PROVIDED = 10,
	STORE_KEY_NOT_FOUND = 11,
	STORE_INVALID_SORT = 12,
	STORE_NO_SPACE = 13,
	STORE_CORRUPT = 14,
	STORE_INVALID_REQUEST = 15, /* malformed: no command, unknown enum; an
								 * operation of a transaction that is none is
								 * STORE_KEY_NOT_FOUND, as in etcd */
	/* leases */
	STORE_LEASE_EXISTS = 16,
	STORE_LEASE_TTL_TOO_LARGE = 17,
	/* users, roles, permissions */
	STORE_PERMISSION_DENIED = 18,
	STORE_USER_EMPTY = 19,		/* auth is on, and nobody is named */
	STORE_AUTH_OLD_REVISION = 20,	/* something has changed since the token */
	STORE_AUTH_NOT_ENABLED = 21,
	STORE_ROOT_USER_NOT_FOUND = 22,
	STORE_ROOT_ROLE_NOT_GRANTED = 23,
	STORE_USER_EXISTS = 24,
	STORE_USER_NOT_FOUND = 25,
	STORE_ROLE_EXISTS = 26,
	STORE_ROLE_NOT_FOUND = 27,
	STORE_ROLE_NOT_GRANTED = 28,
	STORE_PERMISSION_NOT_GRANTED = 29,
	STORE_INVALID_AUTH_MANAGEMENT = 30, /* would take root's rights away */
	STORE_ROLE_EMPTY = 31,		/* no role is named */
	STORE_PERMISSION_NOT_GIVEN = 32,
	STORE_AUTH_FAILED = 33,
	STORE_INVALID_AUTH_TOKEN = 34,
	/* members */
	STORE_MEMBER_NOT_FOUND = 35,
	STORE_MEMBER_EXISTS = 36,
	STORE_PEER_URL_EXISTS = 37,
	STORE_NOT_ENOUGH_STARTED = 38,	/* the change would cost the quorum */
	STORE_UNHEALTHY = 39,
	STORE_LEARNER_NOT_READY = 40,
	STORE_NOT_A_LEARNER = 41,
	STORE_TOO_MANY_LEARNERS = 42,
	STORE_NOT_LEADER = 43,
	STORE_BAD_TRANSFEREE = 44,
	/* counters */
	STORE_NOT_A_NUMBER = 45,
	STORE_NUMBER_OUT_OF_RANGE = 46,
	/* imports */
	STORE_IMPORT_NOT_EMPTY = 60,	/* there are keys, users or roles already */
	STORE_IMPORT_REVISION = 61, /* revisions would not be above those of the store */
	STORE_IMPORT_OVERTAKEN = 62,	/* another import has begun */
	STORE_IMPORT_DAMAGED = 63,
	/* members, continued */
	STORE_TOO_MANY_MEMBERS = 70,
	STORE_NO_CONNINFO = 71		/* a cluster of one whose member nobody can reach */
} StoreError;

/* Who has this role may do everything; while authentication is on there is a
 * user of this name who has it */
#define STORE_ROOT				"root"

/*
 * On whose behalf something is read.  The user of the store by name, or, if
 * user is NULL, the one that a PostgreSQL role stands for (the user map's, else
 * the user with the role's name).  auth_revision: what a token was made at; 0:
 * not from a token.  A NULL caller is the member itself, which may read
 * everything.  Looked at only while authentication is on.
 */
typedef struct StoreCaller
{
	const char *user;
	const char *role;
	uint64		auth_revision;
} StoreCaller;

typedef enum StoreAccess
{
	STORE_READ,
	STORE_WRITE
} StoreAccess;

/*
 * reader: may the caller do this to every key of the range (etcd's range_end
 * conventions)?  STORE_OK, or why not.  The readers below ask by themselves; this is for
 * those who read for several callers at once.  store_check_admin(): may it do
 * what only users with the role root may?
 */
extern StoreError store_check_access(Relation tree, const StoreCaller *caller,
									 StoreAccess access,
									 const char *key, uint32 key_len,
									 const char *range_end, uint32 range_end_len);
extern StoreError store_check_admin(Relation tree, const StoreCaller *caller);

/*
 * reader: what the caller may do, for those who look at many keys; palloc'd, and NULL for
 * everything.  Holds for the moment of the call.
 */
typedef struct StorePermissions StorePermissions;
extern StoreError store_permissions(Relation tree, const StoreCaller *caller,
									StorePermissions **permissions);
extern bool store_permits(const StorePermissions *permissions, StoreAccess access,
						  const char *key, uint32 key_len,
						  const char *range_end, uint32 range_end_len);

/* reader: is authentication on; and the auth revision, which moves with every change of
 * users, roles and the user map, and when authentication is turned off */
extern bool store_auth_enabled(Relation tree, uint64 *auth_revision);

/*
 * reader: users (Authpb__User *), roles (Authpb__Role *) and the user map
 * (Quorum__UserMapRequest *), each in the order of the names, as of one moment.  Who
 * does not have the role root gets itself and the roles it has.
 */
typedef struct StoreAuthList
{
	List	   *users;
	List	   *roles;
	List	   *map;
} StoreAuthList;
extern StoreError store_read_auth(Relation tree, const StoreCaller *caller, StoreAuthList *list);

/* reader: one user with its verifier, for authentication; NULL if there is none */
extern Authpb__User *store_find_user(Relation tree, const char *name, uint64 *auth_revision);

/*
 * Checks that need no state (any process): empty and oversized keys, operation
 * counts (etcd's rule for nested transactions), total size, enums, overlapping
 * writes in a transaction.  Called by the faces before proposing and again by
 * apply, with the same limits built into the entry's meaning (so max_bytes and
 * max_ops of 0 mean no limit, which is what apply passes).
 */
extern StoreError store_validate(const Quorum__Command *command,
								 uint64 max_bytes, int max_ops);
extern StoreError store_validate_range(const Etcdserverpb__RangeRequest *range);

/* ----------------------------------------------------------------
 *	Writer (apply.c): one per instance, in the member's worker
 * ----------------------------------------------------------------
 */
typedef struct Store Store;

/* reader: has store_format() or store_install_finish() completed in this relation? */
extern bool store_is_formatted(Relation tree);

/* writer: make an empty store (revision 1) with this meta's applied index, term
 * and configuration, and these members */
extern void store_format(Relation tree, uint64 index, uint64 term,
						 const Quorum__Configuration *configuration,
						 Quorum__Member *const *members, int nmembers);

/* writer: the in-memory state, from the meta page; lives in the current context */
extern Store *store_open(Relation tree);
extern void store_close(Store *store);
extern const Quorum__StoreMeta *store_meta(Store *store);

/*
 * writer: one batch.  store_begin() with the relation open; then entries in index order;
 * then store_commit() writes everything with the new meta and returns the LSN of the last record.
 * Until then nothing is visible to readers, and later commands of the
 * batch see earlier ones.  An ERROR in between leaves the relation as it was
 * or half-written above the current revision: reopen and apply again.
 *
 * Called with an empty command (size 0) for entries that only move the applied
 * index (a new leader's empty entry).  A command that does not decode, or is of a
 * kind this version does not have, is an ERROR (a member must not skip what
 * others apply).
 *
 * Returns what became of the command, a refusal being the log's own affair.
 * *result is filled, in the current memory context, if want_result is set
 * (only the origin needs it); the packed Result is what the waiter gets.
 * poll, if not NULL, is called between slices of a long command (every few
 * milliseconds at most) while no buffer lock is held; it must not touch the store.
 */
typedef void (*StorePoll) (void *arg);
extern void store_begin(Store *store, Relation tree, StorePoll poll, void *poll_arg);
extern StoreError store_apply(Store *store, uint64 index, uint64 term,
							  const Quorum__Command *command,
							  bool want_result, Quorum__Result **result);
/* for an applied configuration entry: the new configuration, and the members to
 * record (upsert) or drop; counts as the application of that entry */
extern void store_apply_configuration(Store *store, uint64 index, uint64 term,
									  const Quorum__Configuration *configuration,
									  const Quorum__MemberChange *change);
extern int	store_pending_changes(Store *store);	/* to bound a batch */
extern XLogRecPtr store_commit(Store *store);

/*
 * writer: have a function called for each key that a command deletes, when the
 * deletion goes into the batch; readers see it after store_commit().
 * create_revision is that of the key, 0 where it is not known.  The function must not
 * touch the store.  Lasts until store_close().
 */
typedef void (*StoreKeyGone) (const char *key, uint32 key_len, int64 create_revision,
							  void *arg);
extern void store_on_delete(Store *store, StoreKeyGone gone, void *arg);

/* How far physical compaction is */
typedef enum StoreCompaction
{
	COMPACTION_DONE,			/* nothing to do */
	COMPACTION_GOES_ON,
	COMPACTION_READS			/* goes on, but would wait for the disk now */
} StoreCompaction;

/*
 * writer: physical compaction, a bounded slice a call (at most max_revisions
 * revisions examined), outside a batch.
 */
extern StoreCompaction store_compact_slice(Store *store, Relation tree, int max_revisions);

/* writer: has there been another compaction before this one has been carried out? */
extern bool store_compaction_overtaken(const Store *store);

/* ----------------------------------------------------------------
 *	Readers (read.c): any process, relation open with AccessShareLock
 * ----------------------------------------------------------------
 *
 * Those that take a caller return STORE_PERMISSION_DENIED, STORE_USER_EMPTY or
 * STORE_AUTH_OLD_REVISION for what it may not read.
 */

/* applied index and term, revision, compacted revision ... as readers see them;
 * palloc'd; free with quorum__store_meta__free_unpacked(meta, NULL) or leave to
 * the context */
extern Quorum__StoreMeta *store_read_meta(Relation tree);

/* Called for each key in the order asked for; memory valid until it returns.
 * Returns false to stop. */
typedef bool (*StoreKvVisit) (const Mvccpb__KeyValue *kv, void *arg);

typedef struct StoreRangeInfo
{
	int64		revision;		/* current revision when read (header.revision) */
	int64		compacted_revision;
	int64		count;			/* keys in the range at the revision, before limit and filters */
	bool		more;			/* limit cut the result */
} StoreRangeInfo;

/*
 * A range read, with all of etcd's options (sort, filters, limit, keys_only,
 * count_only, revision).  Natural order streams: memory is O(1) in the result
 * when no sort is asked for, and with a limit the scan still counts (without
 * reading values) for count unless info->count is unwanted (need_count false,
 * then it stops early).  Returns STORE_COMPACTED or STORE_FUTURE_REVISION
 * with info->revision and compacted_revision set.  A compaction that overtakes the read is
 * noticed: a read of the latest revision starts again before the first visit or
 * fails with STORE_COMPACTED.
 */
extern StoreError store_range(Relation tree, const StoreCaller *caller,
							  const Etcdserverpb__RangeRequest *request,
							  bool need_count, StoreKvVisit visit, void *arg,
							  StoreRangeInfo *info);

/*
 * The same in slices, for a process that must not be held up: all of one
 * revision, that of the first slice unless the request names one.  Memory is O(1) in the
 * result where no sort is asked for.  The request must live as long as the read.
 */
typedef struct StoreRangeRead StoreRangeRead;

typedef enum StoreRangeState
{
	STORE_RANGE_MORE,			/* there is more to do: another slice, please */
	STORE_RANGE_AGAIN,			/* likewise; what was visited is void, it begins anew */
	STORE_RANGE_DONE
} StoreRangeState;

/*
 * Begin, in the current memory context.  again_allowed: a read of the latest revision that a
 * compaction has overtaken may begin anew, else it fails with STORE_COMPACTED.
 */
extern StoreRangeRead *store_range_begin(const Etcdserverpb__RangeRequest *request,
										 bool need_count, bool again_allowed);

/*
 * One slice, of about so many us.  *state means something with STORE_OK only.  visit
 * returns false to end the slice with this key; the next one goes on behind it.
 */
extern StoreError store_range_slice(StoreRangeRead *read, Relation tree,
									const StoreCaller *caller, int usec,
									StoreKvVisit visit, void *arg, StoreRangeState *state);

/* valid when it is DONE, and revision and compacted_revision also after a slice */
extern const StoreRangeInfo *store_range_info(const StoreRangeRead *read);

/* bytes kept for sorting */
extern Size store_range_memory(const StoreRangeRead *read);
extern void store_range_end(StoreRangeRead *read);

/* point read of one key; *kv palloc'd in the current context, NULL if absent */
extern StoreError store_get(Relation tree, const StoreCaller *caller,
							const char *key, uint32 key_len,
							int64 revision, Mvccpb__KeyValue **kv, StoreRangeInfo *info);

/* a transaction of reads alone (every operation a range, nested none); compares allowed */
extern bool store_txn_is_read_only(const Etcdserverpb__TxnRequest *txn);
extern StoreError store_read_txn(Relation tree, const StoreCaller *caller,
								 const Etcdserverpb__TxnRequest *txn,
								 Quorum__Result **result);

/*
 * Events with after < mod_revision <= until (0: current) on [key, range_end)
 * (etcd's range_end conventions; key_len 0 with range_end "\0": all), in revision order, all of a
 * revision together.  STORE_COMPACTED if after + 1 is below the compacted
 * revision: as in etcd, the events of the compacted revision itself can still be
 * told, and no older ones.  prev_kv only if wanted (NULL where compacted or
 * absent).  At most
 * max_events (0: no limit) but never splitting a revision; *next_after is the revision told in full so far.
 */
typedef bool (*StoreEventVisit) (const Mvccpb__Event *event, void *arg);
extern StoreError store_events(Relation tree, const StoreCaller *caller,
							   const char *key, uint32 key_len,
							   const char *range_end, uint32 range_end_len,
							   int64 after, int64 until, bool want_prev, int64 max_events,
							   StoreEventVisit visit, void *arg, int64 *next_after);

/*
 * The same for one who reads in slices, which may end anywhere, also within a revision that is as large
 * as the store.  Begins with the change at *position, and moves it to the one to go on with; that is
 * (until + 1, 0) when all has been told.  Permissions are the caller's affair.
 */
typedef struct StorePosition
{
	int64		revision;
	int64		sub;			/* of the changes of the revision, which count from 0 */
} StorePosition;

typedef enum StoreWant
{
	STORE_SKIP,
	STORE_EVENT,
	STORE_EVENT_WITH_PREV
} StoreWant;

typedef struct StoreChangeReader
{
	/* Is an event of this key wanted?  Asked before anything is read for it */
	StoreWant	(*want) (const char *key, uint32 key_len, void *arg);
	/* False: stop before this event, which will be the next one again */
	bool		(*visit) (const Mvccpb__Event *event, int64 sub, void *arg);
	/* True: stop here.  Asked every now and then, where nothing is to be told too */
	bool		(*enough) (void *arg);
} StoreChangeReader;

extern StoreError store_changes(Relation tree, const char *key, uint32 key_len,
								const char *range_end, uint32 range_end_len,
								StorePosition *position, int64 until,
								const StoreChangeReader *reader, void *arg);

/* What is published: the revision, and the compacted one (-1: none) */
extern void store_read_revisions(Relation tree, int64 *revision, int64 *compacted);

/* etcd's HashKV: equal on all members at equal revision and compacted revision,
 * whatever physical compaction has done so far.  Interruptible. */
extern StoreError store_hash_kv(Relation tree, const StoreCaller *caller,
								int64 revision, uint32 *hash,
								int64 *hash_revision, int64 *compacted_revision);

/*
 * The same in slices, for who may not wait: begin (revision 0: the current one at the first step), step
 * until it is done, take the result, end.  Each step goes on for about so many us, may have the relation
 * opened anew, and returns STORE_FUTURE_REVISION or STORE_COMPACTED where there is no such hash.
 */
typedef struct StoreHash StoreHash;
extern StoreHash *store_hash_begin(int64 revision);
extern StoreError store_hash_step(StoreHash *hash, Relation tree, int64 usec, bool *done);
extern void store_hash_result(const StoreHash *hash, uint32 *value, int64 *hash_revision,
							  int64 *compacted_revision);
extern void store_hash_end(StoreHash *hash);

/*
 * Alarms, in a meta; kind is an Etcdserverpb__AlarmType.  While CORRUPT is active,
 * store_range(), store_get() and store_read_txn() return STORE_CORRUPT.
 */
extern bool store_alarm_active(const Quorum__StoreMeta *meta, int kind);
extern bool store_alarm_raised(const Quorum__StoreMeta *meta, uint64 member, int kind);

/* Is this a command that NOSPACE forbids?  (valid commands; any process) */
extern bool store_command_grows(const Quorum__Command *command);

/* members and configuration */
extern List *store_read_members(Relation tree);	/* of Quorum__Member *, by id */
/* what is recorded under this id, also if it was removed; NULL if nothing */
extern Quorum__Member *store_find_member(Relation tree, uint64 id);
/* the member that this request removed, or changed last; NULL if there is none */
extern Quorum__Member *store_find_member_change(Relation tree, uint64 change);

/* ----------------------------------------------------------------
 *	Leases as readers see them (lease_read.c); any process, the worker too,
 *	outside a batch
 * ----------------------------------------------------------------
 */
typedef struct StoreLease
{
	int64		id;
	int64		ttl;			/* granted, in seconds */
	int64		remaining;		/* seconds left at the last checkpoint; 0: all of ttl */
} StoreLease;

/* Returns false to stop; the memory is the store's */
typedef bool (*StoreLeaseVisit) (const StoreLease *lease, void *arg);
typedef bool (*StoreKeyVisit) (const char *key, uint32 key_len, void *arg);

/* The lease, if it exists */
extern bool store_get_lease(Relation tree, int64 id, StoreLease *lease);

/*
 * All leases behind after_id, in the order of their ids as unsigned numbers (so 0,
 * which is no lease's, begins at the beginning).  Memory is O(1).  Each is as
 * it was at some moment between the call and its visit.
 */
extern void store_scan_leases(Relation tree, int64 after_id, StoreLeaseVisit visit, void *arg);

/*
 * The keys attached to a lease, in key order; none if it does not exist.  The
 * caller must be allowed to read every one of them (etcd's rule); it has been shown
 * none of those behind the first that it must not.
 */
extern StoreError store_lease_keys(Relation tree, const StoreCaller *caller, int64 id,
								   StoreKeyVisit visit, void *arg);

/* tell the pages layer about our keyspaces; when the library is loaded */
extern void store_register_spaces(void);

/* storage row decoder for quorum.mvcc: (key bytea, mod_revision bigint, sub bigint,
 * create_revision bigint, version bigint, lease bigint, deleted boolean, value bytea) */
extern bool store_mvcc_row(TupleDesc desc, const struct TreeItem *item, Datum *values, bool *isnull);

/* May an item of the tree be shown as a row of quorum.mvcc to whom these are the
 * permissions of? */
extern bool store_item_permitted(const struct TreeItem *item,
								 const StorePermissions *permissions);

/* prefix -> range_end (etcd's rule: last byte that is not 0xff plus one, else "\0"); palloc'd */
extern char *store_prefix_end(const char *prefix, uint32 len, uint32 *end_len);

/* ----------------------------------------------------------------
 *	Streaming the state (snapshot.c)
 * ----------------------------------------------------------------
 *
 * The sender streams the items of the tree as of one applied index and its
 * revision, in key order, in chunks; later items are left out.
 * Physical compaction must not run meanwhile (the caller sees to it).  The
 * receiver builds TREE_INCOMING from the chunks and installs it in one step.
 */
typedef struct StoreSnapshotReader StoreSnapshotReader;
extern StoreSnapshotReader *store_snapshot_begin(Relation tree, Quorum__StoreMeta **meta);
/* next chunk of about max_bytes, palloc'd; 0 at the end.  Each call may be in
 * a transaction of its own (the relation is passed anew) */
extern uint32 store_snapshot_next(StoreSnapshotReader *reader, Relation tree, uint32 max_bytes, char **chunk);
extern void store_snapshot_end(StoreSnapshotReader *reader);

typedef struct StoreSnapshotWriter StoreSnapshotWriter;
/* writer: discard any unfinished incoming tree and start anew */
extern StoreSnapshotWriter *store_install_begin(Relation tree, const Quorum__StoreMeta *meta);
/* writer: false if the chunk is damaged or out of order (then give up and discard) */
extern bool store_install_chunk(StoreSnapshotWriter *writer, Relation tree, const char *chunk, uint32 len);
/* writer: switch over; Store must be reopened after */
extern XLogRecPtr store_install_finish(StoreSnapshotWriter *writer, Relation tree,
									   Relation log, const void *log_meta, uint32 log_meta_len);
/* writer: give up everything for an empty state, in one step; Store must be
 * reopened after */
extern XLogRecPtr store_reset(Relation tree, const Quorum__StoreMeta *meta,
							  Relation log, const void *log_meta, uint32 log_meta_len);
extern void store_install_abort(StoreSnapshotWriter *writer, Relation tree);

#endif							/* PGQ_STORE_H */
