/*-------------------------------------------------------------------------
 *
 * storage.c
 *	  Opening our relations, and what changes both of them at once.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/storage/storage.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/sinval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "am.h"
#include "log_int.h"
#include "tree_int.h"
#include "../compat.h"

static const char *const relation_names[] = {
	[STORAGE_LOG] = "raft_log",
	[STORAGE_TREE] = "mvcc"
};

static Oid
find_relation(StorageKind kind)
{
	Oid			namespace_oid = get_namespace_oid("quorum", true);

	if (!OidIsValid(namespace_oid))
		return InvalidOid;
	return get_relname_relid(relation_names[kind], namespace_oid);
}

/*
 * ERROR unless the relation is still what it was made as.  The first page is
 * looked at once for each relation file.
 */
static void
check_relation(Relation rel, StorageKind kind)
{
	static PgqRelNode checked[2];
	StorageKind actual;

	if (!storage_relation_kind(rel, &actual) || actual != kind)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("table \"%s\" does not have the access method of pg_quorum",
						RelationGetRelationName(rel)),
				 errdetail("Its contents have been replaced."),
				 errhint("Drop and create the extension, and let this member join the cluster anew.")));
	if (!PgqRelNodeEquals(checked[kind], PgqRelationNode(rel)))
	{
		if (kind == STORAGE_TREE)
			(void) tree_is_formatted(rel);
		else
			(void) logring_is_formatted(rel);
		checked[kind] = PgqRelationNode(rel);
	}
}

/*
 * Open one of our relations; see storage.h.  The name is looked up again
 * when the wait for the lock may have seen it go to another table.
 */
Relation
storage_open(StorageKind kind, LOCKMODE lockmode, bool nowait)
{
	Relation	rel;
	Oid			oid;

	for (;;)
	{
		uint64		count = SharedInvalidMessageCounter;

		oid = find_relation(kind);
		if (!OidIsValid(oid))
			return NULL;
		if (!nowait)
			LockRelationOid(oid, lockmode);
		else if (!ConditionalLockRelationOid(oid, lockmode))
			return NULL;
		if (count == SharedInvalidMessageCounter || find_relation(kind) == oid)
			break;
		UnlockRelationOid(oid, lockmode);
	}
	rel = try_relation_open(oid, NoLock);
	if (rel == NULL)
	{
		UnlockRelationOid(oid, lockmode);
		return NULL;
	}
	check_relation(rel, kind);
	return rel;
}

/*
 * writer: switch to TREE_INCOMING and empty the log; see storage.h.  A missing
 * incoming tree counts as an empty one.
 */
XLogRecPtr
storage_install(Relation tree_rel, const void *tree_host, uint32 tree_host_len,
				Relation log_rel, uint64 base_index, uint64 base_term,
				const void *log_host, uint32 log_host_len)
{
	TreeWriter	w;
	LogReset	reset;
	PageLog		log;
	TreeMeta   *meta;
	XLogRecPtr	lsn;

	tree_writer_begin(&w, tree_rel, TREE_INCOMING);
	tree_chain_drop_pending(&w);
	tree_ensure_root(&w);
	while (tree_writer_meta(&w)->garbage_count >= TREE_MAX_GARBAGE)
		tree_collect(&w, 1000);

	/* a file may be exempt from WAL just after it was made or moved */
	pagelog_begin(&log, RelationNeedsWAL(tree_rel) ? tree_rel : log_rel);
	meta = tree_change_meta(&w, &log);
	tree_add_garbage(&w, meta, &meta->roots[TREE_MAIN]);
	meta->roots[TREE_MAIN] = meta->roots[TREE_INCOMING];
	meta->roots[TREE_INCOMING].block = InvalidBlockNumber;
	if (tree_host != NULL)
		tree_set_host_meta(meta, tree_host, tree_host_len);
	log_reset(&log, log_rel, base_index, base_term, log_host, log_host_len, &reset);
	lsn = pagelog_finish(&log);
	ReleaseBuffer(reset.meta_buffer);
	ReleaseBuffer(reset.page_buffer);
	tree_writer_end(&w);
	return lsn;
}
