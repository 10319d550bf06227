/*-------------------------------------------------------------------------
 *
 * publish.c
 *	  What other processes may know of the member.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/publish.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/ps_status.h"

#include "../clock.h"
#include "../settings.h"
#include "worker.h"

#define PEERS_EVERY_MS			20

static void
show_in_title(const MemberStatus *status)
{
	static MemberRole shown_role = MEMBER_STOPPED;
	static uint64 shown_term = 0;
	char		title[64];

	if (status->role == shown_role && status->term == shown_term)
		return;
	shown_role = status->role;
	shown_term = status->term;
	snprintf(title, sizeof(title), "%s term " UINT64_FORMAT,
			 member_role_name(status->role), status->term);
	set_ps_display(title);
}

/*
 * What is known of the peers.
 */
static void
publish_peers(bool leading)
{
	MemberShared *s = member_shared;
	MemberPeer	peers[MEMBER_MAX_PEERS];
	struct raft_peer_status progress[RAFT_MAX_PEERS];
	size_t		nprogress = leading ? raft_peers(worker->raft, progress, RAFT_MAX_PEERS) : 0;
	int			npeers = Min(worker->npeers, MEMBER_MAX_PEERS);
	int			i;
	size_t		j;

	memset(peers, 0, sizeof(peers));
	for (i = 0; i < npeers; i++)
	{
		peers[i].id = worker->peers[i].id;
		peers[i].connected = peers_connected(&worker->peers[i]);
		for (j = 0; j < nprogress; j++)
		{
			if (progress[j].id != peers[i].id)
				continue;
			peers[i].match_index = progress[j].match;
			strlcpy(peers[i].state, raft_peer_state_name(progress[j].state),
					sizeof(peers[i].state));
		}
	}

	SpinLockAcquire(&s->mutex);
	s->npeers = npeers;
	memcpy(s->peers, peers, sizeof(MemberPeer) * npeers);
	SpinLockRelease(&s->mutex);
}

/*
 * publish_status() -- copy the member's state into shared memory; that of the
 * peers not more often than anybody could read it.
 */
void
publish_status(void)
{
	static ClockTime peers_published;
	ClockTime	now = clock_now();
	MemberShared *s = member_shared;
	MemberStatus status;

	memset(&status, 0, sizeof(status));
	status.cluster_id = worker->meta.cluster_id;
	status.member_id = worker->meta.member_id;
	strlcpy(status.name, setting_member_name, sizeof(status.name));
	status.role = worker->role;
	strlcpy(status.reason, worker->meta.reason, sizeof(status.reason));
	if (worker->meta.joining && worker->raft != NULL)
	{
		status.role = MEMBER_JOINING;
		strlcpy(status.reason, worker->note, sizeof(status.reason));
	}
	status.term = worker->meta.term;
	if (worker->raft != NULL)
	{
		struct raft_status raft;

		raft_status(worker->raft, &raft);
		/* a configuration that is applied moves between these two, and nobody is told */
		if (status.role == MEMBER_FOLLOWER || status.role == MEMBER_LEARNER)
			status.role = raft.learner ? MEMBER_LEARNER : MEMBER_FOLLOWER;
		status.leader_id = raft.leader;
		status.term = raft.term;
		status.commit_index = raft.commit;
		status.first_index = raft.first;
		status.last_index = raft.last;
	}
	if (worker->store != NULL)
	{
		const Quorum__StoreMeta *meta = store_meta(worker->store);

		status.applied_index = worker->applied;
		status.revision = meta->revision;
		status.compacted_revision = meta->compacted_revision;
	}

	if (worker->locked_out[0] != '\0')
	{
		if (status.reason[0] == '\0')
			strlcpy(status.reason, worker->locked_out, sizeof(status.reason));
		if (status.role == MEMBER_LEADER && worker->npeers > 0)
		{
			/* handed over; by now to nobody knows whom */
			status.role = MEMBER_FOLLOWER;
			status.leader_id = 0;
		}
	}

	SpinLockAcquire(&s->mutex);
	s->status = status;
	SpinLockRelease(&s->mutex);

	if (clock_exceeds(peers_published, now, PEERS_EVERY_MS))
	{
		peers_published = now;
		publish_peers(status.role == MEMBER_LEADER && worker->raft != NULL);
	}
	show_in_title(&status);
}

/*
 * publish_revision() -- a batch is visible to readers: wake who waits for it.
 */
void
publish_revision(int64 revision)
{
	if (pg_atomic_read_u64(&member_shared->published_revision) == (uint64) revision)
		return;
	pg_atomic_write_u64(&member_shared->published_revision, (uint64) revision);
	ConditionVariableBroadcast(&member_shared->revision_advanced);
}
