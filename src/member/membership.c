/*-------------------------------------------------------------------------
 *
 * membership.c
 *	  Changes of the cluster's configuration, and joining it.
 *
 * A member that has lost its identity (identity.c) asks all members it knows
 * to put a fresh id in the place of the old one.  The leader does it in one joint
 * change: the old id goes, the new one comes as a learner, marked
 * to be promoted; and when it has caught up the leader makes it a voter
 * (thesis, section 4.2.1: no voter that would hold up the quorum).
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/membership.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "../settings.h"
#include "worker.h"

/* A learner this close behind the leader's commit may become a voter. */
#define PROMOTE_LAG				64

/* Joining and promoting are looked at so often. */
#define MEMBERSHIP_PERIOD_MS	500

static TimestampTz next_look;

/*
 * membership_apply() -- apply a configuration entry; command is NULL for the
 * empty one that leaves a joint configuration.  Within a store batch.
 */
void
membership_apply(uint64 index, uint64 term, const Quorum__Command *command)
{
	struct raft_conf conf;
	struct raft_conf_change change;
	const Quorum__MemberChange *wire = NULL;
	enum raft_rc rc;

	if (command != NULL)
	{
		if (command->op_case != QUORUM__COMMAND__OP_MEMBER_CHANGE ||
			!decode_change(command->member_change, &change))
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("configuration entry " UINT64_FORMAT " has no valid change", index)));
		wire = command->member_change;
	}
	rc = raft_apply_conf(worker->raft, index, wire ? &change : NULL, &conf);
	if (rc == RAFT_INVALID)
	{
		(void) raft_cancel_conf(worker->raft, index);
		store_apply(worker->store, index, term, NULL, false, NULL);
		return;
	}
	if (rc != RAFT_OK)
		elog(ERROR, "could not apply configuration: %s", raft_rc_name(rc));
	store_apply_configuration(worker->store, index, term, encode_configuration(&conf), wire);
}

/*
 * Propose a change; it is retried by the next look if it is not taken.
 */
static void
propose_change(Quorum__MemberChange *wire)
{
	Quorum__Command command;
	struct raft_conf_change change;
	size_t		size;
	char	   *packed;
	enum raft_rc rc;

	quorum__command__init(&command);
	command.op_case = QUORUM__COMMAND__OP_MEMBER_CHANGE;
	command.member_change = wire;
	size = quorum__command__get_packed_size(&command);
	packed = palloc(size);
	quorum__command__pack(&command, (uint8_t *) packed);
	if (!decode_change(wire, &change))
		return;
	rc = raft_propose_conf(worker->raft, &change, packed, size, NULL);
	if (rc != RAFT_OK && rc != RAFT_BUSY)
		ereport(LOG, (errmsg("membership change not proposed: %s", raft_rc_name(rc))));
}

static Quorum__MemberChange__Step *
make_step(Quorum__MemberChange__Step__Kind kind, uint64 id)
{
	Quorum__MemberChange__Step *step = palloc(sizeof(*step));

	quorum__member_change__step__init(step);
	step->kind = kind;
	step->id = id;
	return step;
}

/*
 * Leader: promote a learner that is marked for it and has caught up; tell joining
 * members who is who, so that they can answer.
 */
static void
lead_members(void)
{
	struct raft_peer_status progress[RAFT_MAX_PEERS];
	size_t		n = raft_peers(worker->raft, progress, RAFT_MAX_PEERS);
	struct raft_status status;
	int			i;
	size_t		j;

	raft_status(worker->raft, &status);
	for (i = 0; i < worker->npeers; i++)
	{
		Peer	   *peer = &worker->peers[i];
		List	   *members;
		Quorum__Member **array;
		ListCell   *lc;
		int			k = 0;

		if (!peer->is_learner || !peer->promote)
			continue;

		members = store_read_members(worker->tree_rel);
		array = palloc(sizeof(void *) * list_length(members));
		foreach(lc, members)
			array[k++] = lfirst(lc);
		peers_queue_members(peer, array, k);

		for (j = 0; j < n; j++)
		{
			Quorum__MemberChange change;
			Quorum__MemberChange__Step *step;
			Quorum__Member member;
			Quorum__Member *record = &member;

			if (progress[j].id != peer->id || !progress[j].recent_active ||
				progress[j].match + PROMOTE_LAG < status.commit)
				continue;
			quorum__member__init(&member);
			member.id = peer->id;
			member.name = peer->name;
			member.conninfo = peer->conninfo;
			step = make_step(QUORUM__MEMBER_CHANGE__STEP__KIND__ADD_VOTER, peer->id);
			quorum__member_change__init(&change);
			change.n_steps = 1;
			change.steps = &step;
			change.n_record = 1;
			change.record = &record;
			propose_change(&change);
			break;
		}
	}
}

static bool
contains(const raft_id *ids, int n, uint64 id)
{
	int			i;

	for (i = 0; i < n; i++)
		if (ids[i] == id)
			return true;
	return false;
}

/*
 * Is this member in the configuration, and if so, without a vote?
 */
static bool
in_configuration(uint64 id, bool *learner)
{
	struct raft_conf conf;

	raft_current_conf(worker->raft, &conf);
	*learner = contains(conf.learners, conf.n_learners, id) ||
		contains(conf.learners_next, conf.n_learners_next, id);
	return *learner || contains(conf.voters, conf.n_voters, id) ||
		contains(conf.outgoing, conf.n_outgoing, id);
}

/*
 * Ask all peers to be taken in, until that has happened.
 */
static void
ask_to_join(void)
{
	Quorum__JoinRequest join;
	Quorum__Member self;
	List	   *members = identity_initial_members();
	ListCell   *lc;
	int			i;

	quorum__member__init(&self);
	self.id = worker->meta.member_id;
	self.name = setting_member_name;
	self.conninfo = "";
	foreach(lc, members)
	{
		Quorum__Member *member = lfirst(lc);

		if (strcmp(member->name, setting_member_name) == 0)
			self.conninfo = member->conninfo;
	}
	quorum__join_request__init(&join);
	join.old_id = worker->meta.replaces;
	join.member = &self;
	for (i = 0; i < worker->npeers; i++)
		(void) peers_send_join(&worker->peers[i], &join);
}

/*
 * membership_tick() -- look now and then at what membership asks for.  In a
 * turn.
 */
void
membership_tick(void)
{
	TimestampTz now = GetCurrentTimestamp();
	bool		learner;

	if (now < next_look)
		return;
	next_look = TimestampTzPlusMilliseconds(now, MEMBERSHIP_PERIOD_MS);

	if (worker->meta.joining)
	{
		if (in_configuration(worker->meta.member_id, &learner))
		{
			worker->meta.joining = false;
			worker->meta.replaces = 0;
			identity_write_meta();
			ereport(LOG, (errmsg("joined the cluster")));
		}
		else
			ask_to_join();
	}
	else if (!in_configuration(worker->meta.member_id, &learner))
		worker_set_role(MEMBER_QUARANTINED, "This member was removed from the cluster.");
	if (!worker->meta.joining)
		requests_joined();
	if (worker->role == MEMBER_LEADER)
		lead_members();
}

/*
 * The id of the member that one who asks to join is to replace; 0 if there is
 * none.  Data that was restored may be older than an earlier rejoin: then the id in it
 * is gone, and the member's name says whose place it wants.
 */
static uint64
member_to_replace(const Quorum__JoinRequest *join)
{
	bool		learner;
	int			i;

	if (in_configuration(join->old_id, &learner))
		return join->old_id;
	for (i = 0; i < worker->npeers; i++)
	{
		const Peer *peer = &worker->peers[i];

		if (peer->name != NULL && join->member->name != NULL &&
			strcmp(peer->name, join->member->name) == 0 &&
			in_configuration(peer->id, &learner))
			return peer->id;
	}
	return 0;
}

/*
 * membership_take_join() -- a member asks for a fresh id in place of an old one.
 *
 * Refused by silence (it asks again) while another change is under way;
 * refused in the log if the old id is not a member, or is being heard: then
 * somebody started a copy beside the original.
 */
void
membership_take_join(const Quorum__JoinRequest *join)
{
	Quorum__MemberChange change;
	Quorum__MemberChange__Step *steps[2];
	Quorum__Member record;
	Quorum__Member *records = &record;
	struct raft_peer_status progress[RAFT_MAX_PEERS];
	size_t		n;
	size_t		i;
	uint64		old_id;
	bool		learner;

	if (worker->role != MEMBER_LEADER || join->member == NULL || join->member->id == 0 ||
		in_configuration(join->member->id, &learner))
		return;
	old_id = member_to_replace(join);
	if (!in_configuration(old_id, &learner) || old_id == worker->meta.member_id)
	{
		ereport(LOG,
				(errmsg("member \"%s\" may not join", join->member->name),
				 errdetail("It asks to replace member %016llx, which is not one or is this leader.",
						   (unsigned long long) join->old_id)));
		return;
	}
	n = raft_peers(worker->raft, progress, RAFT_MAX_PEERS);
	for (i = 0; i < n; i++)
	{
		if (progress[i].id == old_id && progress[i].recent_active &&
			progress[i].silent_ticks < 10)
		{
			ereport(LOG,
					(errmsg("member \"%s\" may not join", join->member->name),
					 errdetail("The member it asks to replace is running.")));
			return;
		}
	}

	quorum__member__init(&record);
	record.id = join->member->id;
	record.name = join->member->name;
	record.conninfo = join->member->conninfo;
	record.is_learner = true;
	record.promote = !learner;
	steps[0] = make_step(QUORUM__MEMBER_CHANGE__STEP__KIND__REMOVE, old_id);
	steps[1] = make_step(QUORUM__MEMBER_CHANGE__STEP__KIND__ADD_LEARNER, record.id);
	quorum__member_change__init(&change);
	change.n_steps = 2;
	change.steps = steps;
	change.n_record = 1;
	change.record = &records;
	propose_change(&change);
}

/*
 * membership_take_members() -- while joining: learn whom to answer.
 */
void
membership_take_members(const Quorum__PeerBatch *batch)
{
	List	   *members = NIL;
	size_t		i;

	if (!worker->meta.joining || worker->applied > 0)
		return;
	for (i = 0; i < batch->n_members; i++)
		members = lappend(members, batch->members[i]);
	peers_set(members);
}
