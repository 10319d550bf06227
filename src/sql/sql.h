/*-------------------------------------------------------------------------
 *
 * sql.h
 *	  What the SQL functions share: arguments, rows, errors, access.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/sql/sql.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_SQL_H
#define PGQ_SQL_H

#include "fmgr.h"
#include "funcapi.h"
#include "utils/jsonb.h"

#include "command.pb-c.h"
#include "storage/storage.h"
#include "store/store.h"

/* The version of the interface, as control/pg_quorum.control names it */
#define SQL_VERSION		"1.0"

/* How keys and values are shown and taken */
typedef enum SqlForm
{
	SQL_TEXT,					/* text in the database encoding */
	SQL_BYTES,					/* bytea */
	SQL_JSONB					/* jsonb; of a value that is written only */
} SqlForm;

/*
 * What a function that reads or writes a range needs: a key and etcd's
 * range_end (empty: the key alone).  Borrowed from the arguments, or palloc'd.
 */
typedef struct SqlRange
{
	ProtobufCBinaryData key;
	ProtobufCBinaryData range_end;
} SqlRange;

/* ----------------------------------------------------------------
 *	Arguments (arguments.c)
 * ----------------------------------------------------------------
 *
 * An optional argument that is NULL means its default.  Bytes are borrowed
 * from the argument, detoasted into the current memory context where needed.
 */

/* ERROR 22023 if the argument called name is NULL */
extern void sql_require_argument(FunctionCallInfo fcinfo, int argno, const char *name);

extern ProtobufCBinaryData sql_arg_key(FunctionCallInfo fcinfo, int argno);
extern ProtobufCBinaryData sql_arg_value(FunctionCallInfo fcinfo, int argno, SqlForm form);
extern bool sql_arg_bool(FunctionCallInfo fcinfo, int argno);
extern int64 sql_arg_int64(FunctionCallInfo fcinfo, int argno);

/* as sql_arg_int64(), but ERROR 22023 if it is negative */
extern int64 sql_arg_count(FunctionCallInfo fcinfo, int argno, const char *name);

/* the key at key_argno, range_end and prefix at end_argno and end_argno + 1 */
extern void sql_arg_range(FunctionCallInfo fcinfo, int key_argno, int end_argno,
						  SqlRange *range);

/* milliseconds of an interval, -1 if NULL; ERROR 22023 if negative */
extern int	sql_arg_timeout(FunctionCallInfo fcinfo, int argno);

/* microseconds of the interval max_staleness, -1 if NULL; ERROR 22023 if negative, or
 * together with serializable */
extern int64 sql_arg_max_staleness(FunctionCallInfo fcinfo, int argno, bool serializable);

/* the eight or twelve arguments of range() and op_range(), from first_argno on:
 * revision, max_rows, sort_by, descending, keys_only, min_mod_revision,
 * max_mod_revision, min_create_revision, max_create_revision, serializable */
extern void sql_arg_range_options(FunctionCallInfo fcinfo, int first_argno,
								  Etcdserverpb__RangeRequest *request);

/* ----------------------------------------------------------------
 *	Datums and rows (rows.c)
 * ----------------------------------------------------------------
 */

/* bytes as text or bytea; ERROR 22021 if text is wanted and they are none */
extern Datum sql_bytes_datum(const ProtobufCBinaryData *bytes, SqlForm form);

/* the descriptor of the composite type the function returns, kept for the
 * later calls of this FmgrInfo */
extern TupleDesc sql_result_desc(FunctionCallInfo fcinfo);

/* the columns of quorum.kv or quorum.kv_bytes */
#define SQL_KV_COLUMNS		6
extern void sql_kv_values(const Mvccpb__KeyValue *kv, SqlForm form, bool keys_only,
						  Datum *values, bool *isnull);
extern Datum sql_kv_datum(FunctionCallInfo fcinfo, const Mvccpb__KeyValue *kv, SqlForm form);

/* the columns of quorum.event or quorum.event_bytes */
#define SQL_EVENT_COLUMNS	8
extern void sql_event_values(const Mvccpb__Event *event, SqlForm form,
							 Datum *values, bool *isnull);

/*
 * A set-returning function's result, filled by store visits: a tuplestore
 * (which goes to disk beyond work_mem) and a context that is reset for
 * each row.
 */
typedef struct SqlRowSink
{
	ReturnSetInfo *rsinfo;
	MemoryContext row_context;
	SqlForm		form;
	bool		keys_only;
	int64		rows;
	int64		max_rows;		/* 0: no limit */
} SqlRowSink;

extern void sql_sink_begin(SqlRowSink *sink, FunctionCallInfo fcinfo, SqlForm form);
extern void sql_sink_row(SqlRowSink *sink, Datum *values, bool *isnull);
extern void sql_sink_end(SqlRowSink *sink);

/* StoreKvVisit and StoreEventVisit that add a row to the SqlRowSink at arg */
extern bool sql_sink_kv(const Mvccpb__KeyValue *kv, void *arg);
extern bool sql_sink_event(const Mvccpb__Event *event, void *arg);

/* ----------------------------------------------------------------
 *	Errors (errors.c)
 * ----------------------------------------------------------------
 */

/* Raise the ERROR of the interface for a refusal, which is not STORE_OK; does
 * not return.  The revisions go into the detail where they say something. */
extern void sql_raise(StoreError error, int64 revision, int64 compacted_revision);

/* The statement has a password in it: show another one from here on (auth.c) */
extern void sql_hide_statement(const char *instead);

static inline void
sql_check(StoreError error, const StoreRangeInfo *info)
{
	if (unlikely(error != STORE_OK))
		sql_raise(error, info->revision, info->compacted_revision);
}

/* ----------------------------------------------------------------
 *	Access (access.c)
 * ----------------------------------------------------------------
 */

/* ERROR unless the library was preloaded and this is the database it serves */
extern void sql_require_member(void);

/* sql_require_member(), and ERROR 25006 where nothing may be written; function is the
 * name without schema */
extern void sql_require_writable(const char *function);

/*
 * Open the store for a read: after a read barrier, unless serializable.
 * sql_end_read() closes and unlocks it; the lock is not kept to the end of the transaction.
 */
extern Relation sql_begin_read(bool serializable);

/*
 * The same with a max_staleness, in us (-1: none): the state as it is, if it
 * is known not to be older, else ERROR 57P03.
 */
extern Relation sql_begin_bounded_read(bool serializable, int64 max_staleness);
extern void sql_end_read(Relation store);

/* Check a command against the settings' limits, carry it out, and raise what
 * the state machine refuses.  The result is in the current memory context. */
extern Quorum__Result *sql_execute(Quorum__Command *command);

/* The same, but what the state machine refuses is in the result's error; undo
 * (or NULL) as in member_execute_or_undo() */
extern Quorum__Result *sql_try_execute(Quorum__Command *command, Quorum__Command *undo);

/* ----------------------------------------------------------------
 *	On whose behalf (caller.c)
 * ----------------------------------------------------------------
 *
 * Superusers and members of the role that owns the extension are the store's root, any
 * other role is who the store takes it for.
 */

/* the current role, for reads of the open store; valid until the next call */
extern const StoreCaller *sql_caller(Relation store);

/* the same for another role */
extern const StoreCaller *sql_caller_of_role(Relation store, Oid role);

/*
 * Say in a command on whose behalf it is, unless that is known to be
 * of no interest since authentication is off.  As that may have changed
 * meanwhile, a command that was refused with STORE_USER_EMPTY must be tried again if
 * sql_name_caller_now() returns true: it was not named before, and is now.  All
 * of this is done by sql_execute().
 */
extern void sql_name_caller(Quorum__Command *command);
extern bool sql_name_caller_now(Quorum__Command *command);

/* ERROR 42501 unless the current role has the store's role root, while authentication
 * is on; for what is no command of the log */
extern void sql_require_admin(void);

/*
 * ERROR 42501 while authentication is on and the caller is no user of the store:
 * for what needs no permission on keys and is no command of the log.
 */
extern void sql_require_user(void);

/* whose rows of quorum.mvcc and quorum.raft_log are shown: see storage.h */
extern void *sql_scan_begin(Relation rel, StorageKind kind);
extern bool sql_scan_permits(void *access, const TreeItem *item);

/* ----------------------------------------------------------------
 *	Transactions (txn.c, txn_types.c)
 * ----------------------------------------------------------------
 */

/* operator = <> != < > of a comparison */
extern Etcdserverpb__Compare__CompareResult sql_compare_operator(const char *name);

/* Carry out a transaction: reads alone on the store here, anything else
 * through the log; refusals are raised */
extern Quorum__Result *sql_run_txn(Etcdserverpb__TxnRequest *request);

/* Fill a request from arrays of quorum.compare and quorum.op (a NULL array is empty) */
extern void sql_arg_txn(FunctionCallInfo fcinfo, int first_argno,
						Etcdserverpb__TxnRequest *request);

/* ----------------------------------------------------------------
 *	quorum.raft_log (raft_log.c)
 * ----------------------------------------------------------------
 */

/* A StorageLogRow: (index, term, type, size, request) */
extern bool sql_raft_log_row(TupleDesc desc, const LogEntry *entry,
							 Datum *values, bool *isnull);

/* ERROR 42501 unless the current role may act as another member (cluster.c) */
extern void sql_require_peer(void);

/* ----------------------------------------------------------------
 *	Operation (operation.c)
 * ----------------------------------------------------------------
 */

/* The name of an Etcdserverpb__AlarmType */
extern const char *sql_alarm_name(int alarm);

/* ----------------------------------------------------------------
 *	Connection strings (conninfo.c)
 * ----------------------------------------------------------------
 */

/* The connection string without its secrets, palloc'd; NULL if it cannot be
 * understood */
extern char *sql_conninfo_public(const char *conninfo);

#endif							/* PGQ_SQL_H */
