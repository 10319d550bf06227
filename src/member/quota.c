/*-------------------------------------------------------------------------
 *
 * quota.c
 *	  The size of the store, the space on the disk, and the alarm about them.
 *
 * Each member watches its own store and its own disk.  When the pages in use
 * come to pg_quorum.quota_bytes, or the free space of a filesystem that
 * PostgreSQL writes to falls below pg_quorum.disk_reserve, it raises NOSPACE, which makes
 * all members refuse what would grow the store (store/alarms.c).  The reserve
 * is what deleting, compacting, and PostgreSQL itself then still have.
 *
 * The worker looks at its store now and then; the flusher asks the operating
 * system about the disks, since that may take a while.  Who proposes a client's
 * write looks at both numbers first, so that the limit is not overrun
 * between two looks, and raises the alarm itself, as etcd does.
 *
 * An alarm that was disarmed while its cause remains is raised again.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/quota.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/statvfs.h>

#include "common/relpath.h"
#include "utils/rel.h"

#include "../clock.h"
#include "../settings.h"
#include "../storage/tree.h"
#include "worker.h"
#include "../compat.h"

/* How often the worker looks at its store, and proposes an alarm. */
#define LOOK_EVERY_MS			20
#define RAISE_EVERY_MS			1000

/* How often the flusher looks at the disks. */
#define DISK_EVERY_MS			1000

/* What etcd adds to the key and value of a put, and counts for a lease. */
#define PUT_OVERHEAD			256
#define LEASE_OVERHEAD			64

#define NOSPACE					ETCDSERVERPB__ALARM_TYPE__NOSPACE

static uint64
disk_reserve(void)
{
	return (uint64) setting_disk_reserve * 1024 * 1024;
}

static bool
disk_is_low(void)
{
	return setting_disk_reserve > 0 &&
		pg_atomic_read_u64(&member_shared->disk_free) < disk_reserve();
}

/* Would so many bytes more reach the quota? */
static bool
quota_reached(uint64 more)
{
	return setting_quota_bytes > 0 &&
		pg_atomic_read_u64(&member_shared->space_in_use) + more >= (uint64) setting_quota_bytes;
}

static void
fill_alarm(Quorum__Command *command, Etcdserverpb__AlarmRequest *request, uint64 member)
{
	quorum__command__init(command);
	etcdserverpb__alarm_request__init(request);
	command->internal = true;
	command->op_case = QUORUM__COMMAND__OP_ALARM;
	command->alarm = request;
	request->action = ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__ACTIVATE;
	request->memberid = member;
	request->alarm = NOSPACE;
}

/* ---------- the raft worker ---------- */

/*
 * Let the flusher know where the store's file is: it may be in a tablespace.
 */
static void
publish_place(void)
{
	static PgqRelNode known;
	PgqRelNode	node = PgqRelationNode(worker->tree_rel);
	char	   *path;

	if (PgqRelNodeEquals(known, node))
		return;
	known = node;
	path = pgq_relation_path(worker->tree_rel);
	SpinLockAcquire(&member_shared->mutex);
	strlcpy(member_shared->store_path, path, sizeof(member_shared->store_path));
	SpinLockRelease(&member_shared->mutex);
}

/*
 * Say in the log what has been raised and disarmed, by whomever.
 */
static void
log_alarms(const Quorum__StoreMeta *meta)
{
	static bool nospace = false;
	static bool corrupt = false;
	bool		now_nospace = store_alarm_active(meta, NOSPACE);
	bool		now_corrupt = store_alarm_active(meta, ETCDSERVERPB__ALARM_TYPE__CORRUPT);

	if (now_nospace != nospace)
		ereport(LOG,
				(now_nospace ? errmsg("alarm NOSPACE is on: writes are refused")
				 : errmsg("alarm NOSPACE is off")));
	if (now_corrupt != corrupt)
		ereport(LOG,
				(now_corrupt ? errmsg("alarm CORRUPT is on: reads and writes are refused")
				 : errmsg("alarm CORRUPT is off")));
	nospace = now_nospace;
	corrupt = now_corrupt;
}

/*
 * quota_turn() -- look at the size of the store, and raise the alarm if it is
 * due.  In a turn.
 */
void
quota_turn(void)
{
	static ClockTime looked;
	static ClockTime raised;
	const Quorum__StoreMeta *meta = store_meta(worker->store);
	ClockTime	now = clock_now();
	bool		mine;

	if (!clock_exceeds(looked, now, LOOK_EVERY_MS))
		return;
	looked = now;
	publish_place();
	log_alarms(meta);

	if (setting_quota_bytes > 0)
	{
		TreeStat	stat;

		tree_stat(worker->tree_rel, &stat);
		pg_atomic_write_u64(&member_shared->space_in_use,
							(uint64) (stat.pages - stat.free_pages) * BLCKSZ);
	}

	mine = store_alarm_raised(meta, worker->meta.member_id, NOSPACE);
	pg_atomic_write_u32(&member_shared->no_space_raised, mine ? 1 : 0);
	if (!mine && (quota_reached(0) || disk_is_low()) &&
		clock_exceeds(raised, now, RAISE_EVERY_MS))
	{
		Quorum__Command command;
		Etcdserverpb__AlarmRequest request;

		raised = now;
		fill_alarm(&command, &request, worker->meta.member_id);
		(void) requests_propose(&command);
	}
}

/* ---------- the flusher ---------- */

static void
look_at_filesystem(const char *path, uint64 *least)
{
	struct statvfs fs;

	if (statvfs(path, &fs) == 0 && fs.f_blocks > 0)
		*least = Min(*least, (uint64) fs.f_bavail * fs.f_frsize);
}

/*
 * quota_look_at_disks() -- note how much space is left on the fullest of the filesystems
 * of the data directory, the WAL and the store.  Not more than once a second.
 */
void
quota_look_at_disks(void)
{
	static ClockTime looked;
	ClockTime	now = clock_now();
	uint64		least = PG_UINT64_MAX;
	char		path[MAXPGPATH];

	if (!clock_exceeds(looked, now, DISK_EVERY_MS))
		return;
	looked = now;
	if (setting_disk_reserve > 0)
	{
		SpinLockAcquire(&member_shared->mutex);
		strlcpy(path, member_shared->store_path, sizeof(path));
		SpinLockRelease(&member_shared->mutex);
		look_at_filesystem(".", &least);
		look_at_filesystem("pg_wal", &least);
		if (path[0] != '\0')
			look_at_filesystem(path, &least);
	}
	pg_atomic_write_u64(&member_shared->disk_free, least);
}

/* ---------- who proposes ---------- */

static uint64
put_cost(const Etcdserverpb__PutRequest *put)
{
	return put->key.len + put->value.len + PUT_OVERHEAD;
}

static uint64
txn_cost(const Etcdserverpb__TxnRequest *txn)
{
	uint64		cost[2] = {0, 0};
	int			branch;

	for (branch = 0; branch < 2; branch++)
	{
		Etcdserverpb__RequestOp *const *ops = branch == 0 ? txn->success : txn->failure;
		size_t		nops = branch == 0 ? txn->n_success : txn->n_failure;
		size_t		i;

		for (i = 0; i < nops; i++)
		{
			if (ops[i]->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT)
				cost[branch] += put_cost(ops[i]->request_put);
			else if (ops[i]->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN)
				cost[branch] += txn_cost(ops[i]->request_txn);
		}
	}
	return Max(cost[0], cost[1]);
}

/*
 * By how much a command may grow the store, about (etcd's rule).
 */
static uint64
command_cost(const Quorum__Command *command)
{
	switch (command->op_case)
	{
		case QUORUM__COMMAND__OP_PUT:
			return put_cost(command->put);
		case QUORUM__COMMAND__OP_TXN:
			return txn_cost(command->txn);
		case QUORUM__COMMAND__OP_LEASE_GRANT:
			return LEASE_OVERHEAD;
		default:
			return quorum__command__get_packed_size(command) + PUT_OVERHEAD;
	}
}

/*
 * quota_verdict() -- may a client of this member propose this command?  If not, the
 * alarm is to be raised first, if it is due.
 */
QuotaVerdict
quota_verdict(const Quorum__Command *command)
{
	bool		disk = disk_is_low();

	if (likely(setting_quota_bytes <= 0 && !disk))
		return QUOTA_OK;
	if (!store_command_grows(command) || (!disk && !quota_reached(command_cost(command))))
		return QUOTA_OK;
	return disk ? QUOTA_DISK_LOW : QUOTA_REACHED;
}

bool
quota_alarm_is_due(void)
{
	return pg_atomic_read_u32(&member_shared->no_space_raised) == 0;
}

/*
 * quota_fill_alarm() -- the command by which this member raises it.
 */
void
quota_fill_alarm(Quorum__Command *command, Etcdserverpb__AlarmRequest *request)
{
	MemberStatus status;

	member_get_status(&status);
	fill_alarm(command, request, status.member_id);
}

/*
 * quota_admit() -- ERROR 53100, after the alarm has been raised, if there is
 * no space for a command.
 */
void
quota_admit(const Quorum__Command *command)
{
	QuotaVerdict verdict = quota_verdict(command);

	if (likely(verdict == QUOTA_OK))
		return;
	if (quota_alarm_is_due())
	{
		Quorum__Command alarm;
		Etcdserverpb__AlarmRequest request;

		quota_fill_alarm(&alarm, &request);
		(void) member_execute(&alarm);
	}
	if (verdict == QUOTA_DISK_LOW)
		ereport(ERROR,
				(errcode(ERRCODE_DISK_FULL),
				 errmsg("disk of this member is almost full"),
				 errdetail("%llu MB are free, pg_quorum.disk_reserve is %d MB.",
						   (unsigned long long) (pg_atomic_read_u64(&member_shared->disk_free) / (1024 * 1024)),
						   setting_disk_reserve),
				 errhint("Make room on the disk, then call quorum.alarm_disarm().")));
	ereport(ERROR,
			(errcode(ERRCODE_DISK_FULL),
			 errmsg("store has reached its size limit"),
			 errdetail("%llu bytes are in use, pg_quorum.quota_bytes is %.0f.",
					   (unsigned long long) pg_atomic_read_u64(&member_shared->space_in_use),
					   setting_quota_bytes),
			 errhint("Delete keys and compact old revisions, or raise the limit; then call quorum.alarm_disarm().")));
}
