/*-------------------------------------------------------------------------
 *
 * membership.c
 *	  Applying changes of the configuration, and joining it.
 *
 * A new instance that was added under its name (reconfigure.c) asks all members it
 * knows for that place, under a random number, its claim.  The leader records
 * the claim in the log, so that of two instances with one name only the first is
 * ever let in, and tells the instance which id it bears from then on.
 *
 * A member that has lost its identity (identity.c) asks likewise to put a fresh
 * id in the place of the old one.  The leader does it in one joint
 * change: the old id goes, the new one comes as a learner, marked
 * to be promoted.
 *
 * When a learner that is marked has caught up, the leader makes it a voter (thesis,
 * section 4.2.1: no voter that would hold up the quorum).  The thesis' rounds
 * are the looks here: whoever has by now what was committed at the look
 * before is less than a look behind.
 *
 * A member that was removed is told by the leader that applies it, or, if it was
 * away, by whomever it talks to first: the store keeps the ids that are spent.
 * It then is as one in quarantine, and stays so until it is added again.
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

#include "../clock.h"
#include "../settings.h"
#include "../store/pbmem.h"
#include "worker.h"

/* A learner this close behind the leader's commit may become a voter. */
#define PROMOTE_LAG				64

/* Joining and promoting are looked at so often. */
#define MEMBERSHIP_PERIOD_MS	250

/* A joining member asks again and again; the same is logged so often at most. */
#define REPEAT_LOG_MS			60000

static ClockTime next_look;
static ClockTime refused_logged;
static ClockTime not_admitted_logged;
static MemoryContext hint_context;

/*
 * membership_start() -- the consensus core has been made anew: nothing that a
 * leader said of the members is left.
 */
void
membership_start(void)
{
	if (hint_context != NULL)
		MemoryContextDelete(hint_context);
	hint_context = NULL;
	worker->hint = NIL;
	worker->hint_index = 0;
	next_look = 0;
	worker->note[0] = '\0';
	if (worker->meta.joining)
		strlcpy(worker->note, "This instance asks the members of pg_quorum.initial_cluster to be taken in.",
				sizeof(worker->note));
}

/*
 * The leader says good-bye.  Everybody else forgets the address as well, so if
 * this message is lost it learns from a refusal.
 */
static void
tell_removed(const Quorum__MemberChange *wire)
{
	size_t		i;

	if (worker->role != MEMBER_LEADER)
		return;
	for (i = 0; i < wire->n_steps; i++)
	{
		Peer	   *peer = peers_find(wire->steps[i]->id);

		if (wire->steps[i]->kind == QUORUM__MEMBER_CHANGE__STEP__KIND__REMOVE && peer != NULL)
			peers_queue_removed(peer);
	}
}

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
	if (wire != NULL)
		tell_removed(wire);
}

static Quorum__Member *
find_by_name(List *members, const char *name)
{
	ListCell   *lc;

	foreach(lc, members)
	{
		Quorum__Member *member = lfirst(lc);

		if (strcmp(member->name, name) == 0)
			return member;
	}
	return NULL;
}

/* ---------- leading ---------- */

/*
 * A learner is looked at: has it, since the last look, got all that was committed
 * then?
 */
static bool
has_caught_up(Peer *peer, const struct raft_peer_status *progress, uint64 commit)
{
	uint64		target = peer->round_target;

	peer->round_target = commit;
	return progress->state == RAFT_REPLICATE && reconfigure_peer_active(peer) &&
		((target != 0 && progress->match >= target) ||
		 progress->match + PROMOTE_LAG >= commit);
}

static void
promote(Peer *peer)
{
	Quorum__Member *record = store_find_member(worker->tree_rel, peer->id);
	Quorum__MemberChange *change;

	if (record == NULL || record->removed)
		return;
	record->is_learner = false;
	record->promote = false;
	change = reconfigure_make(QUORUM__MEMBER_CHANGE__STEP__KIND__ADD_VOTER, peer->id, record);
	if (reconfigure_keeps_quorum(change))
		(void) reconfigure_propose(change);
}

/*
 * Leader: promote a learner that is marked for it and has caught up; tell members
 * that are behind who is who, so that they can answer even if their own record of
 * the members is old, or if there is none.
 */
static void
lead_members(void)
{
	struct raft_peer_status progress[RAFT_MAX_PEERS];
	size_t		n = raft_peers(worker->raft, progress, RAFT_MAX_PEERS);
	struct raft_status status;
	Quorum__Member **array = NULL;
	int			narray = 0;
	size_t		i;

	raft_status(worker->raft, &status);
	for (i = 0; i < n; i++)
	{
		Peer	   *peer = peers_find(progress[i].id);

		if (peer == NULL || peer->awaited)
			continue;
		if (progress[i].state != RAFT_REPLICATE)
		{
			if (array == NULL)
			{
				List	   *members = store_read_members(worker->tree_rel);
				ListCell   *lc;

				array = palloc(sizeof(void *) * Max(list_length(members), 1));
				foreach(lc, members)
					array[narray++] = lfirst(lc);
			}
			peers_queue_members(peer, array, narray,
								store_meta(worker->store)->configuration_index);
		}
		if (peer->is_learner && peer->promote &&
			has_caught_up(peer, &progress[i], status.commit))
			promote(peer);
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

/* ---------- joining ---------- */

/*
 * Ask all peers to be taken in, until that has happened.
 */
static void
ask_to_join(void)
{
	Quorum__JoinRequest join;
	Quorum__Member self;
	Quorum__Member *configured = find_by_name(identity_initial_members(), setting_member_name);
	int			i;

	quorum__member__init(&self);
	self.id = worker->meta.member_id;
	self.name = setting_member_name;
	if (configured != NULL)
		self.conninfo = configured->conninfo;
	quorum__join_request__init(&join);
	join.old_id = worker->meta.replaces;
	join.member = &self;
	join.token = identity_token();
	if (worker->npeers == 0)
		membership_not_admitted("pg_quorum.initial_cluster names no other member", NULL);
	for (i = 0; i < worker->npeers; i++)
		(void) peers_send_join(&worker->peers[i], &join);
}

/*
 * membership_not_admitted() -- a member says why it does not take this one in.
 * It may change its mind, so we go on asking.  detail may be NULL.
 */
void
membership_not_admitted(const char *message, const char *detail)
{
	ClockTime	now = clock_now();

	snprintf(worker->note, sizeof(worker->note), "Not taken into the cluster: %s.%s%s",
			 message, detail ? "  " : "", detail ? detail : "");
	if (not_admitted_logged != 0 &&
		!clock_exceeds(not_admitted_logged, now, REPEAT_LOG_MS))
		return;
	not_admitted_logged = now;
	ereport(LOG,
			(errmsg("not taken into the cluster: %s", message),
			 detail ? errdetail_internal("%s", detail) : 0));
}

/*
 * membership_tick() -- look now and then at what membership asks for.  In a
 * turn.
 */
void
membership_tick(void)
{
	ClockTime	now = clock_now();
	bool		learner;

	if (now < next_look)
		return;
	next_look = clock_plus_ms(now, MEMBERSHIP_PERIOD_MS);

	if (worker->meta.joining)
	{
		if (in_configuration(worker->meta.member_id, &learner))
		{
			worker->meta.joining = false;
			worker->meta.replaces = 0;
			identity_write_meta();
			worker->note[0] = '\0';
			ereport(LOG, (errmsg("joined the cluster")));
		}
		else
			ask_to_join();
	}
	else if (!in_configuration(worker->meta.member_id, &learner))
		worker_set_role(MEMBER_QUARANTINED, MEMBER_REASON_REMOVED);
	if (!worker->meta.joining)
		requests_joined();
	if (worker->role == MEMBER_LEADER)
		lead_members();
}

/*
 * membership_take_welcome() -- while joining: we have the place that was asked for.
 * In a turn; the worker starts over with its new identity.
 */
void
membership_take_welcome(uint64 cluster_id, const Quorum__Welcome *welcome)
{
	if (worker->meta.joining && welcome->claim == worker->meta.member_id &&
		welcome->id != 0 && worker->applied == 0)
		identity_take_place(cluster_id, welcome->id);
}

/*
 * membership_take_members() -- a leader tells who is who.  It counts until our own
 * store knows as much.
 */
void
membership_take_members(const Quorum__PeerBatch *batch)
{
	MemoryContext context;
	MemoryContext old;
	List	   *members = NIL;
	size_t		i;

	if (batch->members_index <= store_meta(worker->store)->configuration_index ||
		batch->members_index <= worker->hint_index)
		return;
	context = AllocSetContextCreate(worker->context, "pg_quorum told members",
									ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	for (i = 0; i < batch->n_members; i++)
	{
		size_t		len;
		char	   *packed = pb_pack(&batch->members[i]->base, &len);

		members = lappend(members, pb_unpack(&quorum__member__descriptor, packed, len));
	}
	MemoryContextSwitchTo(old);
	if (hint_context != NULL)
		MemoryContextDelete(hint_context);
	hint_context = context;
	worker->hint = members;
	worker->hint_index = batch->members_index;
	worker->peers_changed = true;
}

/* ---------- taking in ---------- */

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

	if (join->old_id == 0)
		return 0;
	if (in_configuration(join->old_id, &learner))
		return join->old_id;
	for (i = 0; i < worker->npeers; i++)
	{
		const Peer *peer = &worker->peers[i];

		if (strcmp(peer->name, join->member->name) == 0 &&
			in_configuration(peer->id, &learner))
			return peer->id;
	}
	return 0;
}

static void
log_refusal(const Quorum__JoinRequest *join, const char *why)
{
	ClockTime	now = clock_now();

	if (refused_logged != 0 &&
		!clock_exceeds(refused_logged, now, REPEAT_LOG_MS))
		return;
	refused_logged = now;
	ereport(LOG,
			(errmsg("member \"%s\" may not join", join->member->name),
			 errdetail_internal("%s", why)));
}

/*
 * A place that was added is asked for.  The claim goes into the log before it is
 * confirmed, so that nobody else can have it, whoever leads next.
 */
static void
give_place(Quorum__Member *record, Quorum__Member *instance)
{
	uint64		claim = instance->id;
	Quorum__Welcome welcome;
	Peer	   *peer = peers_find(record->id);

	if (record->awaited)
	{
		record->awaited = false;
		record->claim = claim;
		if (record->name[0] == '\0')
			record->name = instance->name;
		(void) reconfigure_propose(reconfigure_make(QUORUM__MEMBER_CHANGE__STEP__KIND__UPDATE,
													record->id, record));
		return;
	}
	if (record->claim != claim || peer == NULL)
		return;
	quorum__welcome__init(&welcome);
	welcome.claim = claim;
	welcome.id = record->id;
	peers_send_welcome(peer, &welcome);
}

/*
 * Put a fresh id in the place of one that was given up; refused while the old one is
 * being heard: then somebody started a copy beside the original.
 */
static void
replace_member(const Quorum__JoinRequest *join)
{
	Quorum__MemberChange *change;
	Quorum__Member *record;
	Quorum__Member *old_record;
	struct raft_peer_status progress[RAFT_MAX_PEERS];
	size_t		n;
	size_t		i;
	uint64		old_id = member_to_replace(join);
	bool		learner;

	if (!in_configuration(old_id, &learner) || old_id == worker->meta.member_id)
	{
		log_refusal(join, psprintf("It asks to replace member %016llx, which is not one or is this leader.",
								   (unsigned long long) join->old_id));
		return;
	}
	n = raft_peers(worker->raft, progress, RAFT_MAX_PEERS);
	for (i = 0; i < n; i++)
	{
		if (progress[i].id == old_id && progress[i].recent_active &&
			progress[i].silent_ticks < 10)
		{
			log_refusal(join, "The member it asks to replace is running.");
			return;
		}
	}

	old_record = store_find_member(worker->tree_rel, old_id);
	record = palloc(sizeof(*record));
	quorum__member__init(record);
	record->id = join->member->id;
	record->name = join->member->name;
	record->conninfo = join->member->conninfo;
	if (record->conninfo[0] == '\0' && old_record != NULL)
		record->conninfo = old_record->conninfo;
	record->is_learner = true;
	record->promote = !learner || (old_record != NULL && old_record->promote);

	change = reconfigure_make(QUORUM__MEMBER_CHANGE__STEP__KIND__ADD_LEARNER, record->id, record);
	change->n_steps = 2;
	change->steps = repalloc(change->steps, 2 * sizeof(void *));
	change->steps[1] = change->steps[0];
	change->steps[0] = reconfigure_make(QUORUM__MEMBER_CHANGE__STEP__KIND__REMOVE,
										old_id, NULL)->steps[0];
	(void) reconfigure_propose(change);
}

/*
 * membership_take_join() -- an instance asks for a place.  In a turn, outside of
 * apply.
 *
 * Who is not leader is silent (all members are asked), and so is a leader while
 * another change is under way (it is asked again).
 */
void
membership_take_join(const Quorum__JoinRequest *join)
{
	Quorum__Member *record;
	struct raft_status status;
	bool		learner;

	if (worker->role != MEMBER_LEADER || join->member == NULL || join->member->id == 0 ||
		in_configuration(join->member->id, &learner))
		return;
	raft_status(worker->raft, &status);
	if (status.pending_conf > worker->applied || status.joint)
		return;
	record = admission_find_place(store_read_members(worker->tree_rel), join->member);
	if (record != NULL && (record->awaited || record->claim == join->member->id))
		give_place(record, join->member);
	else
		replace_member(join);
}
