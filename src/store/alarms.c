/*-------------------------------------------------------------------------
 *
 * alarms.c
 *	  Alarms: what a member has raised, and what they forbid.
 *
 * An alarm belongs to a member and is a part of the state, like any key: it
 * is raised and disarmed by entries of the log, and what it forbids is decided
 * when an entry is applied, by the alarms as they were before that entry, and by
 * nothing else.  So all members refuse the same commands, whatever the space on
 * their own disks.  Who raises alarms, and when, is the member's business.
 *
 * NOSPACE forbids what makes the store grow for good.  Deleting and compacting,
 * which is how space is made, remain possible.  CORRUPT forbids everything that
 * reads or writes keys, since members do not agree on what they are.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/alarms.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "store/alarms.h"

#define ALARM_NOSPACE	ETCDSERVERPB__ALARM_TYPE__NOSPACE
#define ALARM_CORRUPT	ETCDSERVERPB__ALARM_TYPE__CORRUPT

/* Alarms are kept in this order: by member, then by kind */
static int
alarm_compare(const Etcdserverpb__AlarmMember *alarm, uint64 member, int kind)
{
	if (alarm->memberid != member)
		return alarm->memberid < member ? -1 : 1;
	return (int) alarm->alarm - kind;
}

/*
 * store_alarm_active
 *		Has any member raised this alarm?
 */
bool
store_alarm_active(const Quorum__StoreMeta *meta, int kind)
{
	size_t		i;

	for (i = 0; i < meta->n_alarms; i++)
	{
		if ((int) meta->alarms[i]->alarm == kind)
			return true;
	}
	return false;
}

/*
 * store_alarm_raised
 *		Has this member raised this alarm?
 */
bool
store_alarm_raised(const Quorum__StoreMeta *meta, uint64 member, int kind)
{
	size_t		i;

	for (i = 0; i < meta->n_alarms; i++)
	{
		if (alarm_compare(meta->alarms[i], member, kind) == 0)
			return true;
	}
	return false;
}

/* ----------------------------------------------------------------
 *	What alarms forbid
 * ----------------------------------------------------------------
 */

/*
 * Does the transaction contain a put, in either branch?  etcd does not look into
 * nested ones, so that they can fill its disk; we do.  Validation has bounded
 * the depth.
 */
static bool
txn_has_put(const Etcdserverpb__TxnRequest *txn)
{
	int			branch;

	for (branch = 0; branch < 2; branch++)
	{
		Etcdserverpb__RequestOp *const *ops = branch == 0 ? txn->success : txn->failure;
		size_t		nops = branch == 0 ? txn->n_success : txn->n_failure;
		size_t		i;

		for (i = 0; i < nops; i++)
		{
			if (ops[i]->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT)
				return true;
			if (ops[i]->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN &&
				txn_has_put(ops[i]->request_txn))
				return true;
		}
	}
	return false;
}

/*
 * store_command_grows
 *		Is this a command that NOSPACE forbids?  The command is valid.
 */
bool
store_command_grows(const Quorum__Command *command)
{
	switch (command->op_case)
	{
		case QUORUM__COMMAND__OP_PUT:
		case QUORUM__COMMAND__OP_LEASE_GRANT:
		case QUORUM__COMMAND__OP_INCREMENT:
		case QUORUM__COMMAND__OP_PUT_SEQUENTIAL:
		case QUORUM__COMMAND__OP_IMPORT:
			return true;
		case QUORUM__COMMAND__OP_TXN:
			return txn_has_put(command->txn);
		default:
			return false;
	}
}

/* Is this a command that CORRUPT forbids? */
static bool
touches_keys(const Quorum__Command *command)
{
	switch (command->op_case)
	{
		case QUORUM__COMMAND__OP_PUT:
		case QUORUM__COMMAND__OP_DELETE_RANGE:
		case QUORUM__COMMAND__OP_TXN:
		case QUORUM__COMMAND__OP_COMPACTION:
		case QUORUM__COMMAND__OP_LEASE_GRANT:
		case QUORUM__COMMAND__OP_LEASE_REVOKE:
		case QUORUM__COMMAND__OP_INCREMENT:
		case QUORUM__COMMAND__OP_PUT_SEQUENTIAL:
		case QUORUM__COMMAND__OP_IMPORT:
			return true;
		default:
			return false;
	}
}

/*
 * alarms_forbid
 *		Why the alarms refuse a command, STORE_OK if they do not.
 */
StoreError
alarms_forbid(const Quorum__StoreMeta *meta, const Quorum__Command *command)
{
	if (likely(meta->n_alarms == 0))
		return STORE_OK;
	if (store_alarm_active(meta, ALARM_CORRUPT) && touches_keys(command))
		return STORE_CORRUPT;
	if (store_alarm_active(meta, ALARM_NOSPACE) && store_command_grows(command))
		return STORE_NO_SPACE;
	return STORE_OK;
}

/* ----------------------------------------------------------------
 *	Raising and disarming
 * ----------------------------------------------------------------
 */

/*
 * alarms_validate
 *		Is the request one that has a meaning?  (any process)
 */
StoreError
alarms_validate(const Etcdserverpb__AlarmRequest *request)
{
	bool		is_alarm = request->alarm == ALARM_NOSPACE || request->alarm == ALARM_CORRUPT;

	switch (request->action)
	{
		case ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__GET:
			return is_alarm || request->alarm == ETCDSERVERPB__ALARM_TYPE__NONE ?
				STORE_OK : STORE_INVALID_REQUEST;
		case ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__ACTIVATE:
		case ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__DEACTIVATE:
			return is_alarm ? STORE_OK : STORE_INVALID_REQUEST;
		default:
			return STORE_INVALID_REQUEST;
	}
}

/* Where an alarm is, or belongs; *found says which */
static size_t
find_alarm(const Quorum__StoreMeta *meta, uint64 member, int kind, bool *found)
{
	size_t		i;

	for (i = 0; i < meta->n_alarms; i++)
	{
		int			cmp = alarm_compare(meta->alarms[i], member, kind);

		if (cmp >= 0)
		{
			*found = cmp == 0;
			return i;
		}
	}
	*found = false;
	return i;
}

static void
add_alarm(Store *store, size_t at, uint64 member, int kind)
{
	Quorum__StoreMeta *meta = store->meta;
	Etcdserverpb__AlarmMember **alarms;
	Etcdserverpb__AlarmMember *alarm;

	alarm = MemoryContextAlloc(store->context, sizeof(*alarm));
	etcdserverpb__alarm_member__init(alarm);
	alarm->memberid = member;
	alarm->alarm = kind;

	alarms = MemoryContextAlloc(store->context, (meta->n_alarms + 1) * sizeof(alarm));
	memcpy(alarms, meta->alarms, at * sizeof(alarm));
	alarms[at] = alarm;
	memcpy(alarms + at + 1, meta->alarms + at, (meta->n_alarms - at) * sizeof(alarm));
	if (meta->alarms != NULL)
		pfree(meta->alarms);
	meta->alarms = alarms;
	meta->n_alarms++;
}

static void
remove_alarm(Quorum__StoreMeta *meta, size_t at)
{
	pfree(meta->alarms[at]);
	memmove(meta->alarms + at, meta->alarms + at + 1,
			(--meta->n_alarms - at) * sizeof(*meta->alarms));
}

static void
add_to_response(Etcdserverpb__AlarmResponse *response, MemoryContext context,
				uint64 member, int kind)
{
	Etcdserverpb__AlarmMember *alarm = MemoryContextAlloc(context, sizeof(*alarm));

	etcdserverpb__alarm_member__init(alarm);
	alarm->memberid = member;
	alarm->alarm = kind;
	response->alarms[response->n_alarms++] = alarm;
}

/*
 * alarms_apply
 *		Apply a request that raises, disarms or lists alarms.
 *
 * The response names, as etcd's does, the alarms listed, the one raised, whether
 * it was before or not, or the one disarmed if it was there.  An alarm can be raised for a
 * member there is, or for number 0: something is wrong, and it is not known
 * with whom.  That bounds their number.
 */
StoreError
alarms_apply(Store *store, const Etcdserverpb__AlarmRequest *request, Quorum__Result *result)
{
	Quorum__StoreMeta *meta = store->meta;
	Etcdserverpb__AlarmResponse *response = NULL;
	bool		found;
	size_t		at;
	size_t		i;

	if (request->action == ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__ACTIVATE &&
		request->memberid != 0 && !store_member_exists(store, request->memberid))
		return STORE_MEMBER_NOT_FOUND;

	if (result != NULL)
	{
		response = MemoryContextAlloc(store->result_context, sizeof(*response));
		etcdserverpb__alarm_response__init(response);
		response->header = make_header(store->result_context, meta->revision);
		response->alarms = MemoryContextAlloc(store->result_context,
											  (meta->n_alarms + 1) * sizeof(*response->alarms));
		result->response_case = QUORUM__RESULT__RESPONSE_ALARM;
		result->alarm = response;
	}

	at = find_alarm(meta, request->memberid, request->alarm, &found);
	switch (request->action)
	{
		case ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__ACTIVATE:
			if (!found)
				add_alarm(store, at, request->memberid, request->alarm);
			if (response != NULL)
				add_to_response(response, store->result_context,
								request->memberid, request->alarm);
			break;
		case ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__DEACTIVATE:
			if (!found)
				break;
			remove_alarm(meta, at);
			if (response != NULL)
				add_to_response(response, store->result_context,
								request->memberid, request->alarm);
			break;
		default:
			for (i = 0; response != NULL && i < meta->n_alarms; i++)
			{
				if (request->alarm == ETCDSERVERPB__ALARM_TYPE__NONE ||
					request->alarm == meta->alarms[i]->alarm)
					add_to_response(response, store->result_context,
									meta->alarms[i]->memberid, meta->alarms[i]->alarm);
			}
			break;
	}
	return STORE_OK;
}

/*
 * alarms_drop_member
 *		A member has gone, and its alarms with it.
 */
void
alarms_drop_member(Store *store, uint64 member)
{
	Quorum__StoreMeta *meta = store->meta;
	size_t		i = 0;

	while (i < meta->n_alarms)
	{
		if (meta->alarms[i]->memberid == member)
			remove_alarm(meta, i);
		else
			i++;
	}
}
