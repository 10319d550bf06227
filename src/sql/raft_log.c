/*-------------------------------------------------------------------------
 *
 * raft_log.c
 *	  Rows of quorum.raft_log from entries of the log.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/sql/raft_log.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tupdesc.h"
#include "utils/builtins.h"

#include "json/pbjson.h"
#include "raft.h"
#include "sql.h"
#include "store/pbmem.h"

/* index, term, type, size, request */
#define RAFT_LOG_COLUMNS	5

/* Passwords are in the log, since members need them, and not in its rows. */
static void
hide_secrets(Quorum__MemberChange *change)
{
	size_t		i;

	for (i = 0; i < change->n_record; i++)
	{
		char	   *shown = sql_conninfo_public(change->record[i]->conninfo);

		change->record[i]->conninfo = shown != NULL ? shown : pstrdup("");
	}
}

/* The verifier of a user's password is a secret too. */
static void
hide_verifier(char **verifier)
{
	static char hidden[] = "********";

	if ((*verifier)[0] != '\0')
		*verifier = hidden;
}

/*
 * The command of an entry, or NULL where the bytes are none that this version
 * can read.
 */
static Jsonb *
decode_request(const LogEntry *entry)
{
	Quorum__Command *command;

	command = (Quorum__Command *)
		pb_unpack(&quorum__command__descriptor, entry->data, entry->size);
	if (command == NULL)
		return NULL;
	if (command->op_case == QUORUM__COMMAND__OP_MEMBER_CHANGE && command->member_change != NULL)
		hide_secrets(command->member_change);
	if (command->op_case == QUORUM__COMMAND__OP_AUTH_USER_ADD)
		hide_verifier(&command->auth_user_add->hashedpassword);
	else if (command->op_case == QUORUM__COMMAND__OP_AUTH_USER_CHANGE_PASSWORD)
		hide_verifier(&command->auth_user_change_password->hashedpassword);
	return pbjson_to_jsonb(&command->base, PBJSON_READABLE);
}

static const char *
type_name(const LogEntry *entry)
{
	if (entry->type == RAFT_ENTRY_CONF)
		return "configuration";
	return entry->size == 0 ? "empty" : "normal";
}

bool
sql_raft_log_row(TupleDesc desc, const LogEntry *entry, Datum *values, bool *isnull)
{
	Jsonb	   *request = entry->size > 0 ? decode_request(entry) : NULL;

	/* columns that someone added to the relation are null */
	Assert(desc->natts >= RAFT_LOG_COLUMNS);
	memset(isnull, true, desc->natts * sizeof(bool));
	memset(isnull, false, RAFT_LOG_COLUMNS * sizeof(bool));
	values[0] = Int64GetDatum((int64) entry->index);
	values[1] = Int64GetDatum((int64) entry->term);
	values[2] = CStringGetTextDatum(type_name(entry));
	values[3] = Int32GetDatum((int32) entry->size);
	if (request != NULL)
		values[4] = JsonbPGetDatum(request);
	else
		isnull[4] = true;
	return true;
}
