/*-------------------------------------------------------------------------
 *
 * store_int.h
 *	  What the files of the state machine's writer share.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/store_int.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_STORE_INT_H
#define PGQ_STORE_INT_H

#include "nodes/pg_list.h"

#include "store/txn.h"

/*
 * Changes that go to the tree in one call: it takes about a millisecond or two,
 * and the writer's poll function is called in between.
 */
#define STORE_WRITE_SLICE	512

/* A member to record with the batch */
typedef struct MemberEdit
{
	uint64		id;
	char	   *data;
	uint32		len;
	bool		removed;		/* what is recorded is that it is gone */
} MemberEdit;

typedef struct Compaction Compaction;
typedef struct LeaseEdits LeaseEdits;
struct AuthState;

struct Store
{
	MemoryContext context;		/* this struct and what lives as long */
	MemoryContext scratch;		/* reset after each command */
	MemoryContext edit_context; /* member_edits; reset after each batch */

	/*
	 * The state as of the last applied entry, which in a batch is ahead of
	 * what the relation says.
	 */
	Quorum__StoreMeta *meta;

	/* The batch; view.tree is NULL outside of one */
	StoreView	view;
	Overlay    *overlay;
	List	   *member_edits;	/* of MemberEdit *, by id */
	LeaseEdits *lease_edits;	/* leases.c */
	List	   *import_edits;	/* portions of a copy; import.c */
	struct AuthState *auth;		/* auth.c */
	int			nchanges;		/* made by the batch, written or not */
	bool		advanced;		/* an entry has been applied */
	int64		sub;			/* changes of the command at hand */
	int64		skipped;		/* revisions that it leaves out before its own */
	MemoryContext result_context;	/* for its result */
	TxnWriter	txn_writer;

	StoreKeyGone key_gone;		/* told of deletions; NULL: nobody is */
	void	   *key_gone_arg;

	Compaction *compaction;		/* compact.c; NULL between two of them */
	bool		lease_garbage;	/* lease_garbage.c may have something to do */
	bool		import_garbage; /* import.c likewise */
};

/* The revision that the command at hand makes if it changes anything */
static inline int64
store_next_revision(const Store *store)
{
	return store->meta->revision + 1 + store->skipped;
}

/*
 * apply.c: how many versions a batch keeps in memory before it writes them
 * ahead.  A variable for the sake of tests; makes no difference to any result.
 */
extern int	store_spill_versions;

/* apply.c: for the commands in other files */
extern void store_add_version(Store *store, KeyVersion *version);
extern void store_spill_if_large(Store *store);

/* Changes on their way to the tree, in slices; write.c */
typedef struct ChangeSlice
{
	Store	   *store;
	TreeChange *changes;
	int			n;
	XLogRecPtr	lsn;
} ChangeSlice;

/* write.c */
extern TreeChange *next_change(ChangeSlice *slice);
extern XLogRecPtr store_write(Store *store, bool finish);
extern int	sort_removals(TreeChange *changes, int n);
extern void remove_items(StoreView *view, const TreeChange *changes, int n);
extern void store_purge_unpublished(Store *store, Relation tree);

/* members.c */
extern void store_record_member(Store *store, const Quorum__Member *member);
extern void store_drop_member(Store *store, uint64 id, uint64 change);
extern bool store_member_exists(Store *store, uint64 id);

/* leases.c */
extern LeaseEdits *lease_edits_create(void);
extern int	lease_edits_count(const LeaseEdits *edits);
extern bool lease_find(Store *store, int64 id, LeaseVersion *version);
extern void lease_key_changed(Store *store, const char *key, uint32 key_len,
							  int64 old_lease, int64 new_lease);
extern StoreError apply_lease_grant(Store *store, const Etcdserverpb__LeaseGrantRequest *request,
									Quorum__Result *result);
extern StoreError apply_lease_revoke(Store *store,
									 const Etcdserverpb__LeaseRevokeRequest *request);
extern StoreError apply_lease_checkpoint(Store *store,
										 const Etcdserverpb__LeaseCheckpointRequest *request);
extern void lease_write_changes(ChangeSlice *slice);
extern void lease_write_versions(ChangeSlice *slice);
extern void lease_write_attachments(ChangeSlice *slice);
extern void lease_edits_reset(LeaseEdits *edits);

/*
 * lease_keys.c: keys attached to a lease, at most max of them, in key order
 * from start on, in the current memory context; as of the view, and of the
 * batch if its edits are given.  Less than max: these are the last.
 */
typedef struct AttachedKey
{
	char	   *key;
	uint32		key_len;
	int64		create_revision;
} AttachedKey;

extern int	lease_collect_keys(StoreView *view, LeaseEdits *edits, int64 id,
							   const char *start, uint32 start_len,
							   AttachedKey *keys, int max);
extern bool lease_has_key(StoreView *view, int64 id, const char *key, uint32 key_len,
						  KeyVersion *version);

/* leases.c, for it: the batch's attachments to a lease from start on, in order */
typedef struct LeaseAttachment
{
	struct LeaseAttachment *next;
	uint32		len;
	char		bytes[FLEXIBLE_ARRAY_MEMBER];	/* lease id, big-endian, and user key */
} LeaseAttachment;

extern LeaseAttachment **lease_edits_attachments(LeaseEdits *edits, int64 id,
												 const char *start, uint32 start_len, int *n);

/*
 * The keys of a lease within a batch, as of the commands so far.  visit must not
 * change the store.
 */
extern void lease_visit_keys(Store *store, int64 id, StoreKeyVisit visit, void *arg);

/* lease_garbage.c */
extern bool lease_collect_garbage(Store *store, Relation tree, int max_items);
extern void lease_purge_unpublished(Store *store, Relation tree);

#endif							/* PGQ_STORE_INT_H */
