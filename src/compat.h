/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  The differences of PostgreSQL 15 to 18, in one place.
 *
 * Include it last, and only from .c files.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/compat.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_COMPAT_H
#define PGQ_COMPAT_H

#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#if PG_VERSION_NUM >= 170000
#include "utils/wait_event.h"
#define pgq_my_procno()			(MyProcNumber)
#define pgq_create_wait_event_set(n)	CreateWaitEventSet(NULL, (n))
#else
#include "storage/proc.h"
#define pgq_my_procno()			(MyProc->pgprocno)
#define pgq_create_wait_event_set(n)	CreateWaitEventSet(TopMemoryContext, (n))
#endif

#if PG_VERSION_NUM >= 160000
#include "storage/relfilelocator.h"
typedef RelFileLocator PgqRelNode;
#define PgqRelationNode(rel)	((rel)->rd_locator)
#define PgqRelNodeEquals(a, b)	RelFileLocatorEquals(a, b)
#else
#include "storage/relfilenode.h"
typedef RelFileNode PgqRelNode;
#define PgqRelationNode(rel)	((rel)->rd_node)
#define PgqRelNodeEquals(a, b)	RelFileNodeEquals(a, b)
#endif

/* What an action of the JSON parser returns, and how it ends */
#include "common/jsonapi.h"
#if PG_VERSION_NUM >= 160000
typedef JsonParseErrorType PgqJsonAction;
#define PGQ_JSON_ACTION_DONE	return JSON_SUCCESS
#else
typedef void PgqJsonAction;
#define PGQ_JSON_ACTION_DONE	return
#endif

/* Path of a permanent relation's file below the data directory, palloc'd */
#if PG_VERSION_NUM >= 180000
#define pgq_relation_path(rel)	pstrdup(relpathperm(PgqRelationNode(rel), MAIN_FORKNUM).str)
#else
#define pgq_relation_path(rel)	relpathperm(PgqRelationNode(rel), MAIN_FORKNUM)
#endif

/* Relation files and table access methods */
#if PG_VERSION_NUM >= 160000
#include "access/tableam.h"
#define PGQ_SET_NEW_FILE		relation_set_new_filelocator
typedef enum TU_UpdateIndexes PgqUpdateIndexes;
#else
#define PGQ_SET_NEW_FILE		relation_set_new_filenode
typedef bool PgqUpdateIndexes;
#endif

#if PG_VERSION_NUM >= 170000
#define PgqSmgrOpen(node)		smgropen((node), INVALID_PROC_NUMBER)
#define PgqSmgrRelease(smgr)	((void) (smgr))
#define PgqLockHeldByMe(tag, mode)	LockHeldByMe((tag), (mode), false)
#else
#define PgqSmgrOpen(node)		smgropen((node), InvalidBackendId)
#define PgqSmgrRelease(smgr)	smgrclose(smgr)
#define PgqLockHeldByMe(tag, mode)	LockHeldByMe((tag), (mode))
#endif

/* Of the functions that were renamed, only who uses them needs the headers */
#if PG_VERSION_NUM >= 160000
#define pgq_owns_database(oid)	object_ownercheck(DatabaseRelationId, (oid), GetUserId())
#define pgq_backend_status(i)	(&pgstat_get_local_beentry_by_index(i)->backendStatus)
#else
#define pgq_owns_database(oid)	pg_database_ownercheck((oid), GetUserId())
#define pgq_backend_status(i)	(&pgstat_fetch_stat_local_beentry(i)->backendStatus)
#endif

/*
 * Waits have names of their own in pg_stat_activity where extensions may have
 * some; id is where the number of the name is kept, 0 at first.
 */
#if PG_VERSION_NUM >= 170000
#define pgq_wait_event(id, name)	(*(id) != 0 ? *(id) : (*(id) = WaitEventExtensionNew(name)))
#else
#define pgq_wait_event(id, name)	((void) (id), PG_WAIT_EXTENSION)
#endif

#endif							/* PGQ_COMPAT_H */
