/*-------------------------------------------------------------------------
 *
 * reconfigure.c
 *	  The leader's decisions about membership: what is asked, allowed, proposed.
 *
 * An operator's wish comes as a question to the leader (questions.c).  The leader
 * refuses it, or makes a configuration entry of it and answers when that is
 * applied.  The core lets one change at a time into the log; further ones wait
 * here for their turn.
 *
 * A question may be asked again, by the same member or of the next leader, with
 * the same random number.  The number is recorded with what it changed (an
 * added member has it for its id), so a wish that was fulfilled is recognised and
 * nothing is done twice.
 *
 * What is refused follows etcd's strict reconfiguration check: a change after
 * which the members that are being heard would be no majority, and an addition
 * while some voter is not connected, or has been so for less than five seconds.
 * Unlike etcd, a new member is never a voter at once: it comes as a learner
 * and is made a voter when it has caught up (thesis, section 4.2.1), so it cannot
 * cost the quorum while it is being set up.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/reconfigure.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "../clock.h"
#include "../settings.h"
#include "../store/pbmem.h"
#include "address.h"
#include "worker.h"

/* So long a voter must have been connected before the cluster is enlarged. */
#define HEALTHY_MS				5000

/* Members that are to stay learners; those on their way to a vote do not count. */
#define MAX_LEARNERS			1

/* Under so many URLs a member may offer its gateway. */
#define MAX_CLIENT_URLS			16

/* A learner is promoted by hand if it has this share of the leader's log. */
#define PROMOTE_PERCENT			90

/* ---------- what the leader sees ---------- */

static bool
progress_of(uint64 id, struct raft_peer_status *progress)
{
	struct raft_peer_status all[RAFT_MAX_PEERS];
	size_t		n = raft_peers(worker->raft, all, RAFT_MAX_PEERS);
	size_t		i;

	for (i = 0; i < n; i++)
	{
		if (all[i].id == id)
		{
			*progress = all[i];
			return true;
		}
	}
	return false;
}

/*
 * Is a member being heard, and can it be reached?  On the leader.
 */
bool
reconfigure_peer_active(Peer *peer)
{
	struct raft_peer_status progress;
	uint32		limit = Max(5, setting_election_timeout / setting_heartbeat_interval);

	return progress_of(peer->id, &progress) && progress.silent_ticks < limit &&
		peers_connected(peer);
}

static bool
is_active(uint64 id)
{
	Peer	   *peer = peers_find(id);

	return id == worker->meta.member_id || (peer != NULL && reconfigure_peer_active(peer));
}

/*
 * Have all voters been connected and heard for a while?
 */
static bool
all_healthy(void)
{
	ClockTime	now = clock_now();
	struct raft_conf conf;
	int			i;

	raft_current_conf(worker->raft, &conf);
	for (i = 0; i < conf.n_voters; i++)
	{
		Peer	   *peer = peers_find(conf.voters[i]);

		if (conf.voters[i] == worker->meta.member_id)
			continue;
		if (peer == NULL || !reconfigure_peer_active(peer) ||
			!clock_exceeds(peers_connected_since(peer), now, HEALTHY_MS))
			return false;
	}
	return true;
}

/*
 * Would the voters that are being heard be a majority after this change?
 */
bool
reconfigure_keeps_quorum(const Quorum__MemberChange *wire)
{
	struct raft_conf_change change;
	struct raft_conf now;
	struct raft_conf then;
	int			active = 0;
	int			i;

	raft_current_conf(worker->raft, &now);
	if (!decode_change(wire, &change) ||
		raft_conf_preview(&now, &change, &then) != RAFT_OK)
		return false;
	for (i = 0; i < then.n_voters; i++)
		active += is_active(then.voters[i]);
	return active > then.n_voters / 2;
}

/* ---------- proposing ---------- */

/*
 * A change of one step, in the turn's memory; record may be NULL.
 */
Quorum__MemberChange *
reconfigure_make(Quorum__MemberChange__Step__Kind kind, uint64 id, Quorum__Member *record)
{
	Quorum__MemberChange *change = palloc(sizeof(*change));

	quorum__member_change__init(change);
	change->steps = palloc(sizeof(void *));
	change->steps[0] = palloc(sizeof(Quorum__MemberChange__Step));
	quorum__member_change__step__init(change->steps[0]);
	change->steps[0]->kind = kind;
	change->steps[0]->id = id;
	change->n_steps = 1;
	if (record != NULL)
	{
		change->record = palloc(sizeof(void *));
		change->record[0] = record;
		change->n_record = 1;
	}
	return change;
}

static enum raft_rc
propose(Quorum__MemberChange *wire, raft_index *index)
{
	Quorum__Command command = QUORUM__COMMAND__INIT;
	struct raft_conf_change change;
	size_t		size;
	char	   *packed;

	if (!decode_change(wire, &change))
		return RAFT_INVALID;
	command.internal = true;
	command.op_case = QUORUM__COMMAND__OP_MEMBER_CHANGE;
	command.member_change = wire;
	size = quorum__command__get_packed_size(&command);
	packed = palloc(size);
	quorum__command__pack(&command, (uint8_t *) packed);
	return raft_propose_conf(worker->raft, &change, packed, size, index);
}

/*
 * Propose a change of the leader's own accord; it looks again if it is not taken.
 */
enum raft_rc
reconfigure_propose(Quorum__MemberChange *wire)
{
	enum raft_rc rc = propose(wire, NULL);

	if (rc != RAFT_OK && rc != RAFT_BUSY && rc != RAFT_DROPPED)
		ereport(LOG, (errmsg("membership change not proposed: %s", raft_rc_name(rc))));
	return rc;
}

/* ---------- from wishes to changes ---------- */

/*
 * The member a request is about: by id, by name, or by an id in hexadecimal that
 * is nobody's name.
 */
static Quorum__Member *
find_target(List *members, const Quorum__MemberRequest *request)
{
	uint64		id = request->id;
	char	   *end;
	ListCell   *lc;

	if (id == 0)
	{
		if (request->name[0] == '\0')
			return NULL;		/* one that has no name yet is asked for by its id */
		foreach(lc, members)
		{
			Quorum__Member *member = lfirst(lc);

			if (strcmp(member->name, request->name) == 0)
				return member;
		}
		if (strlen(request->name) != 16)
			return NULL;
		id = strtoull(request->name, &end, 16);
		if (*end != '\0')
			return NULL;
	}
	foreach(lc, members)
	{
		Quorum__Member *member = lfirst(lc);

		if (member->id == id)
			return member;
	}
	return NULL;
}

static bool
conninfo_is_taken(List *members, const char *conninfo, uint64 but_by)
{
	ListCell   *lc;

	foreach(lc, members)
	{
		Quorum__Member *member = lfirst(lc);

		if (member->id != but_by &&
			(strcmp(member->conninfo, conninfo) == 0 ||
			 address_equals(member->conninfo, conninfo)))
			return true;
	}
	return false;
}

static StoreError
plan_add(List *members, const Quorum__MemberRequest *request, Quorum__MemberChange **change)
{
	Quorum__Member *record;
	int			learners = 0;
	ListCell   *lc;

	/* without a name: it is that of the instance that comes from this address */
	if (strlen(request->name) >= MEMBER_NAME_LEN ||
		!member_conninfo_is_valid(request->conninfo))
		return STORE_INVALID_REQUEST;
	foreach(lc, members)
	{
		Quorum__Member *member = lfirst(lc);

		if (request->name[0] != '\0' && strcmp(member->name, request->name) == 0)
			return STORE_MEMBER_EXISTS;
		if (member->conninfo[0] == '\0')
			return STORE_NO_CONNINFO;
		learners += member->is_learner && !member->promote;
	}
	if (conninfo_is_taken(members, request->conninfo, 0))
		return STORE_PEER_URL_EXISTS;
	if (list_length(members) >= RAFT_MAX_MEMBERS)
		return STORE_TOO_MANY_MEMBERS;
	if (request->learner && learners >= MAX_LEARNERS)
		return STORE_TOO_MANY_LEARNERS;
	if (!all_healthy())
		return STORE_UNHEALTHY;

	record = palloc(sizeof(*record));
	quorum__member__init(record);
	record->id = request->number;
	record->name = request->name;
	record->conninfo = request->conninfo;
	record->is_learner = true;
	record->promote = !request->learner;
	record->awaited = true;
	*change = reconfigure_make(QUORUM__MEMBER_CHANGE__STEP__KIND__ADD_LEARNER, record->id, record);
	return STORE_OK;
}

static StoreError
plan_remove(Quorum__Member *target, Quorum__MemberChange **change)
{
	*change = reconfigure_make(QUORUM__MEMBER_CHANGE__STEP__KIND__REMOVE, target->id, NULL);
	if (!target->is_learner && !reconfigure_keeps_quorum(*change))
		return STORE_NOT_ENOUGH_STARTED;
	return STORE_OK;
}

static StoreError
plan_promote(Quorum__Member *target, Quorum__MemberChange **change)
{
	struct raft_peer_status progress;
	struct raft_status status;

	if (!target->is_learner)
		return STORE_NOT_A_LEARNER;
	raft_status(worker->raft, &status);
	if (!progress_of(target->id, &progress) || !is_active(target->id) ||
		progress.state != RAFT_REPLICATE ||
		progress.match * 100 < status.durable * PROMOTE_PERCENT)
		return STORE_LEARNER_NOT_READY;
	target->is_learner = false;
	target->promote = false;
	*change = reconfigure_make(QUORUM__MEMBER_CHANGE__STEP__KIND__ADD_VOTER, target->id, target);
	return reconfigure_keeps_quorum(*change) ? STORE_OK : STORE_NOT_ENOUGH_STARTED;
}

static StoreError
plan_update(List *members, Quorum__Member *target, const Quorum__MemberRequest *request,
			Quorum__MemberChange **change)
{
	if (!member_conninfo_is_valid(request->conninfo))
		return STORE_INVALID_REQUEST;
	if (conninfo_is_taken(members, request->conninfo, target->id))
		return STORE_PEER_URL_EXISTS;
	target->conninfo = request->conninfo;
	*change = reconfigure_make(QUORUM__MEMBER_CHANGE__STEP__KIND__UPDATE, target->id, target);
	return STORE_OK;
}

/*
 * A member says under which URLs clients reach it.  *change stays NULL if that is known.
 */
static StoreError
plan_publish(Quorum__Member *target, const Quorum__MemberRequest *request,
			 Quorum__MemberChange **change)
{
	size_t		i;

	if (request->n_client_urls > MAX_CLIENT_URLS)
		return STORE_INVALID_REQUEST;
	for (i = 0; i < request->n_client_urls; i++)
	{
		if (strlen(request->client_urls[i]) > MEMBER_CONNINFO_LEN)
			return STORE_INVALID_REQUEST;
	}
	for (i = 0; i < request->n_client_urls && i < target->n_client_urls; i++)
	{
		if (strcmp(request->client_urls[i], target->client_urls[i]) != 0)
			break;
	}
	if (i == request->n_client_urls && i == target->n_client_urls)
		return STORE_OK;
	target->n_client_urls = request->n_client_urls;
	target->client_urls = request->client_urls;
	*change = reconfigure_make(QUORUM__MEMBER_CHANGE__STEP__KIND__UPDATE, target->id, target);
	return STORE_OK;
}

/* ---------- answering ---------- */

static QuestionVerdict
give(StoreError error, uint64 id, char **answer, uint32 *len)
{
	Quorum__Result result = QUORUM__RESULT__INIT;

	result.error = error;
	result.revision = store_meta(worker->store)->revision;
	result.compacted_revision = store_meta(worker->store)->compacted_revision;
	result.index = worker->applied;
	result.response_case = QUORUM__RESULT__RESPONSE_NUMBER;
	result.number = (int64) id;
	*len = quorum__result__get_packed_size(&result);
	*answer = palloc(*len + 1);
	quorum__result__pack(&result, (uint8_t *) *answer);
	return QUESTION_ANSWERED;
}

/*
 * Hand leadership over.  The answer says only that it was begun: who asks watches
 * who leads.
 */
static QuestionVerdict
move_leader(const Quorum__Member *target, char **answer, uint32 *len)
{
	if (target == NULL || target->is_learner)
		return give(STORE_BAD_TRANSFEREE, 0, answer, len);
	if (target->id != worker->meta.member_id)
	{
		if (!is_active(target->id))
			return give(STORE_UNHEALTHY, 0, answer, len);
		if (raft_transfer(worker->raft, target->id) != RAFT_OK)
			return give(STORE_BAD_TRANSFEREE, 0, answer, len);
	}
	return give(STORE_OK, target->id, answer, len);
}

/*
 * A leader that is to be removed hands over first, so that the cluster need not
 * notice its loss.  True if that was begun; it is tried once.
 */
static bool
hand_over_first(Question *question)
{
	struct raft_conf conf;

	raft_current_conf(worker->raft, &conf);
	if (question->state != NULL || conf.n_voters < 2 ||
		raft_transfer(worker->raft, 0) != RAFT_OK)
		return false;
	question->state = MemoryContextAlloc(worker->context, 1);
	return true;
}

/*
 * reconfigure_answer() -- a QuestionHandler: see worker.h.
 */
QuestionVerdict
reconfigure_answer(Question *question, char **answer, uint32 *len)
{
	Quorum__MemberRequest *request;
	Quorum__MemberChange *change = NULL;
	Quorum__Member *target;
	Quorum__Member *done;
	struct raft_status status;
	List	   *members;
	StoreCaller caller;
	StoreError	error;
	raft_index	index = 0;

	raft_status(worker->raft, &status);
	if (status.pending_conf > worker->applied)
	{
		question->apply_index = status.pending_conf;
		return QUESTION_WAITS;
	}
	if (!status.commit_in_term || status.joint || status.transferee != 0)
		return QUESTION_WAITS;

	request = (Quorum__MemberRequest *)
		pb_unpack(&quorum__member_request__descriptor, question->payload, question->len);
	if (request == NULL || request->number == 0)
		return give(STORE_INVALID_REQUEST, 0, answer, len);
	caller.user = request->user;
	caller.role = request->role;
	caller.auth_revision = request->auth_revision;
	/* what a member says of itself it says of its own accord */
	if (request->kind == QUORUM__MEMBER_REQUEST__KIND__PUBLISH)
		error = request->id == question->from ? STORE_OK : STORE_PERMISSION_DENIED;
	else
		error = store_check_admin(worker->tree_rel, &caller);
	if (error != STORE_OK)
		return give(error, 0, answer, len);
	members = store_read_members(worker->tree_rel);
	target = find_target(members, request);
	if (request->kind == QUORUM__MEMBER_REQUEST__KIND__MOVE_LEADER)
		return move_leader(target, answer, len);

	done = request->kind == QUORUM__MEMBER_REQUEST__KIND__ADD ?
		store_find_member(worker->tree_rel, request->number) :
		store_find_member_change(worker->tree_rel, request->number);
	if (done != NULL)
		return give(STORE_OK, done->id, answer, len);
	if (target == NULL && request->kind != QUORUM__MEMBER_REQUEST__KIND__ADD)
		return give(STORE_MEMBER_NOT_FOUND, 0, answer, len);

	switch (request->kind)
	{
		case QUORUM__MEMBER_REQUEST__KIND__ADD:
			error = plan_add(members, request, &change);
			break;
		case QUORUM__MEMBER_REQUEST__KIND__REMOVE:
			error = plan_remove(target, &change);
			break;
		case QUORUM__MEMBER_REQUEST__KIND__PROMOTE:
			error = plan_promote(target, &change);
			break;
		case QUORUM__MEMBER_REQUEST__KIND__UPDATE:
			error = plan_update(members, target, request, &change);
			break;
		case QUORUM__MEMBER_REQUEST__KIND__PUBLISH:
			error = plan_publish(target, request, &change);
			break;
		default:
			error = STORE_INVALID_REQUEST;
			break;
	}
	if (error != STORE_OK || change == NULL)
		return give(error, 0, answer, len);
	if (request->kind == QUORUM__MEMBER_REQUEST__KIND__REMOVE &&
		target->id == worker->meta.member_id && hand_over_first(question))
		return QUESTION_WAITS;

	change->change = request->number;
	if (change->n_record > 0)
		change->record[0]->change = request->number;
	switch (propose(change, &index))
	{
		case RAFT_OK:
			question->apply_index = index;
			return QUESTION_WAITS;
		case RAFT_INVALID:
			return give(STORE_INVALID_REQUEST, 0, answer, len);
		default:
			return QUESTION_WAITS;	/* looked at again in the next turn */
	}
}
