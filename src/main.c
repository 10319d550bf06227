/*-------------------------------------------------------------------------
 *
 * main.c
 *	  Loading of the library: settings, shared memory, workers.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/main.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#include "dropdb.h"
#include "gateway/gateway.h"
#include "member/session_lease.h"
#include "member/shared.h"
#include "notify/notify.h"
#include "settings.h"
#include "sql/sql.h"
#include "storage/storage.h"
#include "store/store.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

static shmem_request_hook_type previous_shmem_request;
static shmem_startup_hook_type previous_shmem_startup;

static void
shmem_request(void)
{
	if (previous_shmem_request)
		previous_shmem_request();
	RequestAddinShmemSpace(add_size(add_size(member_shmem_size(), session_leases_shmem_size()),
									notify_shmem_size()));
}

static void
shmem_startup(void)
{
	if (previous_shmem_startup)
		previous_shmem_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	member_shmem_init();
	session_leases_shmem_init();
	notify_shmem_init();
	LWLockRelease(AddinShmemInitLock);
}

/*
 * Without preload only the settings and the row decoders exist: functions
 * then say what is missing.  In a binary upgrade the workers must not run.
 */
void
_PG_init(void)
{
	settings_define();
	storage_register_rows(sql_raft_log_row, store_mvcc_row);
	store_register_spaces();
	storage_register_access(sql_scan_begin, sql_scan_permits);
	if (!process_shared_preload_libraries_in_progress)
		return;

	storage_install_ddl_guard();
	dropdb_install();
	member_install_session_lease();
	previous_shmem_request = shmem_request_hook;
	shmem_request_hook = shmem_request;
	previous_shmem_startup = shmem_startup_hook;
	shmem_startup_hook = shmem_startup;
	if (IsBinaryUpgrade)
		return;
	member_preload();
	member_register_worker("pg_quorum raft", "member_worker_main");
	member_register_worker("pg_quorum flusher", "member_flusher_main");
	notify_register_worker();
	gateway_register_worker();
}
