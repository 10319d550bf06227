/*-------------------------------------------------------------------------
 *
 * admission.c
 *	  Who may talk to this member: strangers, and instances that ask to join.
 *
 * Judged by this member's own record of the members.  So a refusal reaches the one
 * concerned from any member, and the leader hears only of those that it can take
 * in.  A member that is behind may refuse one that it has not heard of yet:
 * joining instances go on asking.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/admission.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/guc.h"

#include "../store/pbmem.h"
#include "address.h"
#include "worker.h"

/*
 * admission_is_peer() -- is this the id of a member that we know?
 */
bool
admission_is_peer(uint64 id)
{
	MemberShared *s = member_shared;
	bool		known = false;
	int			i;

	SpinLockAcquire(&s->mutex);
	for (i = 0; i < s->npeers && !known; i++)
		known = s->peers[i].id == id;
	SpinLockRelease(&s->mutex);
	return known;
}

/*
 * The sender must not be one that was a member once and is none any more.  One that
 * was never heard of is let pass: it may be a member that we have not got the
 * news of yet.
 */
static char *
judge_stranger(Relation store, uint64 from)
{
	Quorum__Member *record = store_find_member(store, from);

	if (record == NULL || !record->removed)
		return NULL;
	return psprintf(PEER_REMOVED " member %016llx was removed from the cluster",
					(unsigned long long) from);
}

/*
 * admission_find_place() -- the record that an instance has, or may take: that of its
 * name; else one that waits for whoever comes from its address, since it was added without a
 * name.  NULL if there is none.
 */
Quorum__Member *
admission_find_place(List *members, const Quorum__Member *instance)
{
	ListCell   *lc;

	foreach(lc, members)
	{
		Quorum__Member *member = lfirst(lc);

		if (strcmp(member->name, instance->name) == 0)
			return member;
	}
	foreach(lc, members)
	{
		Quorum__Member *member = lfirst(lc);

		if (member->awaited && member->name[0] == '\0' && instance->conninfo[0] != '\0' &&
			address_equals(member->conninfo, instance->conninfo))
			return member;
	}
	return NULL;
}

/*
 * A place is asked for: is there one of this name that is free?  One who bore
 * an identity before may take a living place over, which only the leader
 * can judge.
 */
static char *
judge_place(Relation store, const Quorum__JoinRequest *join)
{
	Quorum__Member *record = admission_find_place(store_read_members(store), join->member);
	Quorum__Member *old = join->old_id != 0 ? store_find_member(store, join->old_id) : NULL;

	if (record == NULL && (join->old_id == 0 || (old != NULL && old->removed)))
		return psprintf(PEER_NOT_ADMITTED " the cluster has no member \"%s\"\n"
						"Add it first with quorum.member_add(name, conninfo) on a member, or correct pg_quorum.member_name.",
						join->member->name);
	if (record != NULL && join->old_id == 0 && !record->awaited &&
		record->claim != join->member->id && record->id != join->member->id)
		return psprintf(PEER_NOT_ADMITTED " another instance is member \"%s\" already\n"
						"If that one is lost, remove the member with quorum.member_remove(name), and add it again.",
						join->member->name);
	return NULL;
}

/*
 * A batch addressed to member 0: from one who asks to join, or who tells that we may.
 */
static char *
judge_unaddressed(Relation store, const PeerHead *head, const char *bytes, uint32 len)
{
	Quorum__PeerBatch *batch = (Quorum__PeerBatch *)
		pb_unpack(&quorum__peer_batch__descriptor, bytes, len);
	const Quorum__JoinRequest *join = batch != NULL ? batch->join : NULL;
	MemberStatus status;

	if (join == NULL || join->member == NULL)
		return NULL;			/* the worker knows what to do with it */
	member_get_status(&status);
	if (status.cluster_id == 0)
		return pstrdup(PEER_NOT_ADMITTED " an instance that is named in pg_quorum.initial_cluster asks to join itself\n"
					   "The first members of a cluster start with pg_quorum.initial_cluster_state = new.");
	if (join->token != 0 && join->token != identity_token())
		return pstrdup(PEER_NOT_ADMITTED " the cluster has another token\n"
					   "Set pg_quorum.initial_cluster_token as it is set on the members.");
	return judge_place(store, join);
}

/*
 * admission_refusal() -- may a batch be taken whose head is in order, but whose sender
 * is no peer or whose addressee nobody?  NULL, or why not (see PEER_TWIN for the form),
 * palloc'd.  In a transaction, with the store open.
 */
char *
admission_refusal(Relation store, const PeerHead *head, const char *bytes, uint32 len)
{
	if (head->to != 0)
		return judge_stranger(store, head->from);
	return judge_unaddressed(store, head, bytes, len);
}

/*
 * admission_raise() -- raise a refusal as an error.
 *
 * Who joins asks again and again.  That is no business of the log of a member
 * which has nothing to do with it; the session ends after this in any case.
 */
void
admission_raise(const char *refusal)
{
	const char *message = refusal + strlen(PEER_TWIN) + 1;
	int			length = strcspn(message, "\n");

	if (strncmp(refusal, PEER_REMOVED, strlen(PEER_REMOVED)) != 0)
		SetConfigOption("log_min_messages", "panic", PGC_SUSET, PGC_S_OVERRIDE);
	ereport(ERROR,
			(errcode(MAKE_SQLSTATE(refusal[0], refusal[1], refusal[2], refusal[3], refusal[4])),
			 errmsg_internal("%.*s", length, message),
			 message[length] != '\0' ? errdetail_internal("%s", message + length + 1) : 0));
}
