/*-------------------------------------------------------------------------
 *
 * copy.c
 *	  export() and import(): logical copies of the store.
 *
 * export() gives a chunk a call, so that in a select list, or in COPY (SELECT
 * quorum.export()) TO, it needs the memory of one chunk.
 *
 * import() reads the chunks from a query of the caller's, with the caller's
 * privileges, by a cursor.  It reads them twice: a copy that is not sound as a whole
 * is refused before anything is sent to the state machine.  What is then sent
 * becomes visible with the last chunk, if it is the same copy still.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/sql/copy.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_type_d.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "member/member.h"
#include "sql.h"
#include "sql/import.h"

#include "compat.h"

/* Rows of the query that are held at a time */
#define IMPORT_FETCH_ROWS	4

/* ----------------------------------------------------------------
 *	Export
 * ----------------------------------------------------------------
 */

typedef struct ExportRun
{
	StoreExport *copy;
	uint32		generation;		/* of the store */
} ExportRun;

static ExportRun *
begin_export(void)
{
	ExportRun  *run = palloc0(sizeof(ExportRun));
	MemberStatus status;
	StoreError	error;
	Relation	store;

	store = sql_begin_read(false);
	error = store_check_admin(store, sql_caller(store));
	if (error != STORE_OK)
		sql_raise(error, 0, 0);
	member_get_status(&status);
	run->generation = member_store_generation();
	run->copy = store_export_begin(store, status.cluster_id, SQL_VERSION);
	sql_end_read(store);
	return run;
}

/* export() */
PG_FUNCTION_INFO_V1(quorum_export);
Datum
quorum_export(PG_FUNCTION_ARGS)
{
	FuncCallContext *funcctx;
	ExportRun  *run;
	Relation	store;
	char	   *bytes;
	uint32		len;
	bytea	   *chunk;

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext old_context;

		funcctx = SRF_FIRSTCALL_INIT();
		old_context = MemoryContextSwitchTo(funcctx->multi_call_memory_ctx);
		funcctx->user_fctx = begin_export();
		MemoryContextSwitchTo(old_context);
	}
	funcctx = SRF_PERCALL_SETUP();
	run = funcctx->user_fctx;

	store = member_open_store();
	bytes = store_export_next(run->copy, store, &len);
	sql_end_read(store);
	if (member_store_generation() != run->generation)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the store was replaced while it was exported"),
				 errdetail("This member had fallen behind and got the state from another one."),
				 errhint("Export again.")));
	if (bytes == NULL)
		SRF_RETURN_DONE(funcctx);

	if ((Size) len + VARHDRSZ > MaxAllocSize)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a value is too long to be exported")));
	chunk = palloc(len + VARHDRSZ);
	SET_VARSIZE(chunk, len + VARHDRSZ);
	memcpy(VARDATA(chunk), bytes, len);
	pfree(bytes);
	SRF_RETURN_NEXT(funcctx, PointerGetDatum(chunk));
}

/* ----------------------------------------------------------------
 *	Import
 * ----------------------------------------------------------------
 */

static void
refuse_copy(const ImportRun *run, const char *reason)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
			 errmsg("copy is damaged"),
			 errdetail("At row %llu: %s", (unsigned long long) run->state.next + 1, reason),
			 errhint("Nothing was imported.  The rows of the query must be those of one quorum.export(), in its order.")));
}

static void
fill_discard(Quorum__Command *command, Quorum__ImportRequest *request, uint64 import)
{
	quorum__command__init(command);
	quorum__import_request__init(request);
	request->copy = import;
	request->discard = true;
	command->op_case = QUORUM__COMMAND__OP_IMPORT;
	command->import = request;
}

/*
 * import_discard() -- see import.h.
 */
void
import_discard(uint64 import)
{
	Quorum__Command command;
	Quorum__ImportRequest request;

	fill_discard(&command, &request, import);
	(void) sql_execute(&command);
}

/*
 * import_discard_detached() -- see import.h.
 */
void
import_discard_detached(uint64 import)
{
	Quorum__Command command;
	Quorum__ImportRequest request;

	fill_discard(&command, &request, import);
	command.internal = true;	/* it was allowed to begin */
	(void) member_execute_detached(&command);
}

/* Hand a chunk to the state machine; what it refuses ends the import */
static void
send_chunk(ImportRun *run, const Quorum__CopyChunk *chunk, char *bytes, size_t len)
{
	Quorum__Command command = QUORUM__COMMAND__INIT;
	Quorum__ImportRequest request = QUORUM__IMPORT_REQUEST__INIT;
	Quorum__Result *result;

	request.copy = run->import;
	request.number = chunk->number;
	request.items.data = (uint8_t *) bytes;
	request.items.len = len;
	request.last = chunk->trailer != NULL;
	if (request.last)
	{
		request.revision = run->revision;
		request.replace = run->replace;
	}
	command.op_case = QUORUM__COMMAND__OP_IMPORT;
	command.import = &request;
	result = sql_try_execute(&command, NULL);
	if (result->error != STORE_OK)
	{
		if (result->error != STORE_IMPORT_OVERTAKEN)
			import_discard(run->import);
		sql_raise((StoreError) result->error, result->revision, result->compacted_revision);
	}
	run->result = result->revision;
}

/*
 * import_take() -- see import.h.
 */
void
import_take(ImportRun *run, char *bytes, size_t len)
{
	MemoryContext old_context = MemoryContextSwitchTo(run->chunk_context);
	Quorum__CopyChunk *chunk = copy_unpack(bytes, len);
	CopyState	next = run->state;
	const char *wrong;

	if (chunk == NULL)
		refuse_copy(run, "It is no chunk of a copy, or of a version that is not known here.");
	wrong = copy_accept(&next, chunk);
	if (wrong != NULL)
		refuse_copy(run, wrong);
	if (chunk->trailer == NULL)
		copy_digest(run->digest, bytes, len);
	else if (chunk->trailer->digest.len != sizeof(run->digest) ||
			 memcmp(chunk->trailer->digest.data, run->digest, sizeof(run->digest)) != 0)
		refuse_copy(run, "The digest does not match.");
	run->state = next;

	if (run->import != 0)
		send_chunk(run, chunk, bytes, len);
	MemoryContextSwitchTo(old_context);
	MemoryContextReset(run->chunk_context);
}

static void
take_row(ImportRun *run, Datum datum)
{
	MemoryContext old_context = MemoryContextSwitchTo(run->chunk_context);
	bytea	   *value = DatumGetByteaPP(datum);

	MemoryContextSwitchTo(old_context);
	import_take(run, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
}

/* Read the whole copy; ERROR if it is not sound */
static void
run_query(ImportRun *run, const char *query)
{
	SPIPlanPtr	plan;
	Portal		portal;
	uint64		i;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	plan = SPI_prepare_cursor(query, 0, NULL, 0);
	if (plan == NULL)
		elog(ERROR, "could not prepare a query: %s", SPI_result_code_string(SPI_result));
	if (!SPI_is_cursor_plan(plan))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("query must be one that returns rows"),
				 errhint("For example: SELECT chunk FROM copy ORDER BY n")));
	portal = SPI_cursor_open(NULL, plan, NULL, NULL, true);
	if (portal->tupDesc == NULL || portal->tupDesc->natts != 1 ||
		SPI_gettypeid(portal->tupDesc, 1) != BYTEAOID)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("query must return one column of type bytea")));

	for (;;)
	{
		SPI_cursor_fetch(portal, true, IMPORT_FETCH_ROWS);
		if (SPI_processed == 0)
			break;
		for (i = 0; i < SPI_processed; i++)
		{
			SPITupleTable *rows = SPI_tuptable;
			uint64		nrows = SPI_processed;
			bool		isnull;
			Datum		datum = SPI_getbinval(rows->vals[i], rows->tupdesc, 1, &isnull);

			if (isnull)
				refuse_copy(run, "It is null.");
			take_row(run, datum);
			SPI_tuptable = rows;
			SPI_processed = nrows;
		}
		SPI_freetuptable(SPI_tuptable);
		CHECK_FOR_INTERRUPTS();
	}
	SPI_cursor_close(portal);
	if (!run->state.complete)
		refuse_copy(run, "It ends before the last chunk.");
	SPI_finish();
}

/* revision: keep, bump or a number */
static int64
arg_revision(FunctionCallInfo fcinfo, int argno)
{
	char	   *word;
	char	   *end;
	long long	number;

	if (PG_ARGISNULL(argno))
		return IMPORT_KEEP;
	word = text_to_cstring(PG_GETARG_TEXT_PP(argno));
	if (strcmp(word, "keep") == 0)
		return IMPORT_KEEP;
	if (strcmp(word, "bump") == 0)
		return IMPORT_BUMP;
	errno = 0;
	number = strtoll(word, &end, 10);
	if (errno != 0 || end == word || *end != '\0' || number <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unrecognized value \"%s\" for revision", word),
				 errhint("Valid values are \"keep\", \"bump\" and a revision.")));
	return number;
}

/*
 * import_create() -- see import.h.
 */
ImportRun *
import_create(FunctionCallInfo fcinfo, int argno)
{
	ImportRun  *run = palloc0(sizeof(ImportRun));

	run->revision = arg_revision(fcinfo, argno);
	run->replace = sql_arg_bool(fcinfo, argno + 1);
	run->chunk_context = AllocSetContextCreate(CurrentMemoryContext, "quorum import",
											   ALLOCSET_DEFAULT_SIZES);
	return run;
}

/*
 * import_start() -- see import.h.
 */
void
import_start(ImportRun *run)
{
	memset(&run->state, 0, sizeof(run->state));
	memset(run->digest, 0, sizeof(run->digest));
	if (!pg_strong_random(&run->import, sizeof(run->import)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate a random number")));
	run->import |= 1;			/* not 0 */
}

/*
 * import_check() -- see import.h.
 */
void
import_check(const ImportRun *run)
{
	Relation	store = sql_begin_read(false);
	Quorum__StoreMeta *meta = store_read_meta(store);
	StoreError	error = store_check_admin(store, sql_caller(store));
	int64		revision;

	sql_end_read(store);
	if (error == STORE_OK)
		error = store_plan_import(meta, meta->live_keys > 0, run->state.revision,
								  run->state.least_revision, run->revision,
								  run->replace, &revision);
	if (error != STORE_OK)
		sql_raise(error, meta->revision, meta->compacted_revision);
}

/* import(query, revision, replace) */
PG_FUNCTION_INFO_V1(quorum_import);
Datum
quorum_import(PG_FUNCTION_ARGS)
{
	ImportRun  *run;
	char	   *query;

	sql_require_writable("import");
	sql_require_argument(fcinfo, 0, "query");
	query = text_to_cstring(PG_GETARG_TEXT_PP(0));
	run = import_create(fcinfo, 1);

	run_query(run, query);
	import_check(run);
	import_start(run);
	run_query(run, query);
	PG_RETURN_INT64(run->result);
}

/* discard_import() */
PG_FUNCTION_INFO_V1(quorum_discard_import);
Datum
quorum_discard_import(PG_FUNCTION_ARGS)
{
	Quorum__StoreMeta *meta;
	Relation	store;

	sql_require_writable("discard_import");
	store = sql_begin_read(false);
	meta = store_read_meta(store);
	sql_end_read(store);
	if (meta->import == NULL)
		PG_RETURN_BOOL(false);

	import_discard(meta->import->copy);
	PG_RETURN_BOOL(true);
}
