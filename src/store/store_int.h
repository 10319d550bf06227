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

/* A member to record (data not NULL) or to drop with the batch */
typedef struct MemberEdit
{
	uint64		id;
	char	   *data;
	uint32		len;
} MemberEdit;

typedef struct CompactRound CompactRound;

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
	int			nchanges;		/* made by the batch, written or not */
	bool		advanced;		/* an entry has been applied */
	int64		sub;			/* changes of the command at hand */
	int64		skipped;		/* revisions that it leaves out before its own */
	MemoryContext result_context;	/* for its result */
	TxnWriter	txn_writer;

	StoreKeyGone key_gone;		/* told of deletions; NULL: nobody is */
	void	   *key_gone_arg;

	CompactRound *compact_round;	/* compact.c; NULL between two of them */
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

/* write.c */
extern XLogRecPtr store_write(Store *store, bool finish);
extern int	sort_removals(TreeChange *changes, int n);
extern void remove_items(StoreView *view, const TreeChange *changes, int n);
extern void store_purge_unpublished(Store *store, Relation tree);

/* members.c */
extern void store_record_member(Store *store, const Quorum__Member *member);
extern void store_drop_member(Store *store, uint64 id);
extern bool store_member_exists(Store *store, uint64 id);

#endif							/* PGQ_STORE_INT_H */
