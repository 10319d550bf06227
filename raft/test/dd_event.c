/*-------------------------------------------------------------------------
 *
 * dd_event.c
 *	  Scenario interpreter: log lines from events of the core.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/test/dd_event.c
 *
 *-------------------------------------------------------------------------
 */
#include "dd.h"

#define U(x)	((unsigned long long) (x))

/* A text made on the fly, valid until the file is done. */
static const char *
conf_text(const struct raft_conf *c)
{
	struct dd_buf b = {0};
	char	   *s;

	dd_put_conf(&b, c);
	s = dd_strndup(b.data, b.n);
	dd_buf_free(&b);
	return s;
}

static const char *
change_text(const struct raft_conf_change *c)
{
	struct dd_buf b = {0};
	char	   *s;

	dd_put_change(&b, c);
	s = dd_strndup(b.data, b.n);
	dd_buf_free(&b);
	return s;
}

static const char *
progress_text(const struct raft_peer_status *p)
{
	struct dd_buf b = {0};
	char	   *s;

	dd_put_progress(&b, p);
	s = dd_strndup(b.data, b.n);
	dd_buf_free(&b);
	return s;
}

static const char *
snap_conf_text(const struct raft_conf *c)
{
	struct dd_buf b = {0};
	char	   *s;
	int			i;

	for (i = 0; i < c->n_voters; i++)
		dd_printf(&b, "voters:%llu ", U(c->voters[i]));
	for (i = 0; i < c->n_learners; i++)
		dd_printf(&b, "learners:%llu ", U(c->learners[i]));
	for (i = 0; i < c->n_outgoing; i++)
		dd_printf(&b, "voters_outgoing:%llu ", U(c->outgoing[i]));
	for (i = 0; i < c->n_learners_next; i++)
		dd_printf(&b, "learners_next:%llu ", U(c->learners_next[i]));
	dd_printf(&b, "auto_leave:%s", c->auto_leave ? "true" : "false");
	s = dd_strndup(b.data, b.n);
	dd_buf_free(&b);
	return s;
}

static void
event_role(struct dd_env *env, const struct raft_event *ev)
{
	struct dd_buf peers = {0};
	raft_id		ids[RAFT_MAX_MEMBERS * 2];
	int			n;
	int			i;

	switch (ev->kind)
	{
		case RAFT_EV_NEW:
			n = raft_conf_voters(ev->conf, ids);
			dd_puts(&peers, "");
			for (i = 0; i < n; i++)
				dd_printf(&peers, "%s%llx", i > 0 ? "," : "", U(ids[i]));
			dd_log(env, DD_INFO, "newRaft %llx [peers: [%s], term: %llu, commit: %llu, "
				   "applied: %llu, lastindex: %llu, lastterm: %llu]",
				   U(ev->node), peers.data, U(ev->term), U(ev->commit),
				   U(ev->applied), U(ev->last), U(ev->last_term));
			dd_buf_free(&peers);
			break;
		case RAFT_EV_FOLLOWER:
			dd_log(env, DD_INFO, "%llx became follower at term %llu", U(ev->node), U(ev->term));
			break;
		case RAFT_EV_PRE_CANDIDATE:
			dd_log(env, DD_INFO, "%llx became pre-candidate at term %llu", U(ev->node), U(ev->term));
			break;
		case RAFT_EV_CANDIDATE:
			dd_log(env, DD_INFO, "%llx became candidate at term %llu", U(ev->node), U(ev->term));
			break;
		case RAFT_EV_LEADER:
			dd_log(env, DD_INFO, "%llx became leader at term %llu", U(ev->node), U(ev->term));
			break;
		case RAFT_EV_QUORUM_LOST:
			dd_log(env, DD_WARN, "%llx stepped down to follower since quorum is not active",
				   U(ev->node));
			break;
		case RAFT_EV_LEADER_FORGOTTEN:
			dd_log(env, DD_INFO, "%llx forgetting leader %llx at term %llu",
				   U(ev->node), U(ev->peer), U(ev->term));
			break;
		case RAFT_EV_FORGET_REFUSED:
			dd_log(env, DD_ERROR, "ignoring MsgForgetLeader due to ReadOnlyLeaseBased");
			break;
		default:
			break;
	}
}

static void
event_election(struct dd_env *env, const struct raft_event *ev)
{
	const char *type = ev->msg != NULL ? dd_wire_name(ev->msg->type) :
		dd_wire_name(ev->msg_type);

	switch (ev->kind)
	{
		case RAFT_EV_ELECTION:
			dd_log(env, DD_INFO, "%llx is starting a new election at term %llu",
				   U(ev->node), U(ev->term));
			break;
		case RAFT_EV_HUP_LEADER:
			dd_log(env, DD_DEBUG, "%llx ignoring MsgHup because already leader", U(ev->node));
			break;
		case RAFT_EV_UNPROMOTABLE:
			dd_log(env, DD_WARN, "%llx is unpromotable and can not campaign", U(ev->node));
			break;
		case RAFT_EV_HUP_PENDING_CONF:
			dd_log(env, DD_WARN, "%llx cannot campaign at term %llu since there are still "
				   "pending configuration changes to apply", U(ev->node), U(ev->term));
			break;
		case RAFT_EV_VOTE_REQUEST:
			dd_log(env, DD_INFO, "%llx [logterm: %llu, index: %llu] sent %s request to %llx "
				   "at term %llu", U(ev->node), U(ev->last_term), U(ev->last), type,
				   U(ev->peer), U(ev->term));
			break;
		case RAFT_EV_VOTE_COUNTED:
			dd_log(env, DD_INFO, "%llx received %s %sfrom %llx at term %llu", U(ev->node),
				   type, ev->flag ? "" : "rejection ", U(ev->peer), U(ev->term));
			break;
		case RAFT_EV_VOTE_TALLY:
			dd_log(env, DD_INFO, "%llx has received %llu %s votes and %llu vote rejections",
				   U(ev->node), U(ev->a), type, U(ev->b));
			break;
		case RAFT_EV_VOTE_CAST:
		case RAFT_EV_VOTE_REFUSED:
			dd_log(env, DD_INFO, "%llx [logterm: %llu, index: %llu, vote: %llx] %s %s %s %llx "
				   "[logterm: %llu, index: %llu] at term %llu", U(ev->node),
				   U(ev->last_term), U(ev->last), U(ev->vote),
				   ev->kind == RAFT_EV_VOTE_CAST ? "cast" : "rejected", type,
				   ev->kind == RAFT_EV_VOTE_CAST ? "for" : "from", U(ev->peer),
				   U(ev->msg->log_term), U(ev->msg->index), U(ev->term));
			break;
		case RAFT_EV_VOTE_IGNORED:
			dd_log(env, DD_INFO, "%llx [logterm: %llu, index: %llu, vote: %llx] ignored %s from "
				   "%llx [logterm: %llu, index: %llu] at term %llu: lease is not expired "
				   "(remaining ticks: %llu)", U(ev->node), U(ev->last_term),
				   U(ev->last), U(ev->vote), type, U(ev->peer),
				   U(ev->msg->log_term), U(ev->msg->index), U(ev->term), U(ev->a));
			break;
		default:
			break;
	}
}

static void
event_message(struct dd_env *env, const struct raft_event *ev)
{
	const char *why = "";

	switch (ev->kind)
	{
		case RAFT_EV_HIGHER_TERM:
			dd_log(env, DD_INFO, "%llx [term: %llu] received a %s message with higher term "
				   "from %llx [term: %llu]", U(ev->node), U(ev->term),
				   dd_wire_name(ev->msg_type), U(ev->peer), U(ev->a));
			break;
		case RAFT_EV_LOWER_TERM:
			dd_log(env, DD_INFO, "%llx [term: %llu] ignored a %s message with lower term "
				   "from %llx [term: %llu]", U(ev->node), U(ev->term),
				   dd_wire_name(ev->msg_type), U(ev->peer), U(ev->a));
			break;
		case RAFT_EV_NO_PEER:
			dd_log(env, DD_DEBUG, "%llx no progress available for %llx", U(ev->node), U(ev->peer));
			break;
		case RAFT_EV_PROP_NO_LEADER:
			dd_log(env, DD_INFO, "%llx no leader at term %llu; dropping proposal",
				   U(ev->node), U(ev->term));
			break;
		case RAFT_EV_PROP_NOT_FORWARDED:
			dd_log(env, DD_INFO, "%llx not forwarding to leader %llx at term %llu; "
				   "dropping proposal", U(ev->node), U(ev->peer), U(ev->term));
			break;
		case RAFT_EV_PROP_TRANSFER:
			dd_log(env, DD_DEBUG, "%llx [term %llu] transfer leadership to %llx is in "
				   "progress; dropping proposal", U(ev->node), U(ev->term), U(ev->peer));
			break;
		case RAFT_EV_PROP_QUOTA:
			dd_log(env, DD_WARN, "%llx appending new entries to log would exceed uncommitted "
				   "entry size limit; dropping proposal", U(ev->node));
			break;
		case RAFT_EV_CONF_REFUSED:
			if (ev->a == RAFT_CONF_PENDING)
			{
				struct dd_buf b = {0};

				dd_printf(&b, "possible unapplied conf change at index %llu (applied to %llu)",
						  U(ev->index), U(ev->applied));
				why = dd_strndup(b.data, b.n);
				dd_buf_free(&b);
			}
			else if (ev->a == RAFT_CONF_MUST_LEAVE)
				why = "must transition out of joint config first";
			else if (ev->a == RAFT_CONF_NOT_JOINT)
				why = "not in joint state; refusing empty conf change";
			dd_log(env, DD_INFO, "%llx ignoring conf change %s at config %s: %s",
				   U(ev->node), change_text(ev->change), conf_text(ev->conf), why);
			break;
		case RAFT_EV_READ_NO_LEADER:
			dd_log(env, DD_INFO, "%llx no leader at term %llu; dropping index reading msg",
				   U(ev->node), U(ev->term));
			break;
		default:
			break;
	}
}

static void
event_log(struct dd_env *env, const struct raft_event *ev)
{
	switch (ev->kind)
	{
		case RAFT_EV_CONFLICT:
			dd_log(env, DD_INFO, "found conflict at index %llu [existing term: %llu, "
				   "conflicting term: %llu]", U(ev->index), U(ev->a), U(ev->b));
			break;
		case RAFT_EV_LOG_REPLACED:
			dd_log(env, DD_INFO, "replace the unstable entries from index %llu", U(ev->index));
			break;
		case RAFT_EV_LOG_TRUNCATED:
			dd_log(env, DD_INFO, "truncate the unstable entries before index %llu", U(ev->index));
			break;
		case RAFT_EV_APP_REJECTED:
			dd_log(env, DD_DEBUG, "%llx [logterm: %llu, index: %llu] rejected MsgApp [logterm: "
				   "%llu, index: %llu] from %llx", U(ev->node), U(ev->a),
				   U(ev->msg->index), U(ev->msg->log_term), U(ev->msg->index), U(ev->peer));
			break;
		case RAFT_EV_APP_RESP_REJECT:
			dd_log(env, DD_DEBUG, "%llx received MsgAppResp(rejected, hint: (index %llu, term "
				   "%llu)) from %llx for index %llu", U(ev->node), U(ev->msg->hint),
				   U(ev->msg->log_term), U(ev->peer), U(ev->msg->index));
			break;
		case RAFT_EV_PROBE_DECREASED:
			dd_log(env, DD_DEBUG, "%llx decreased progress of %llx to [%s]", U(ev->node),
				   U(ev->peer), progress_text(ev->progress));
			break;
		case RAFT_EV_UNREACHABLE:
			dd_log(env, DD_DEBUG, "%llx failed to send message to %llx because it is "
				   "unreachable [%s]", U(ev->node), U(ev->peer), progress_text(ev->progress));
			break;
		case RAFT_EV_CONF_SWITCHED:
			dd_log(env, DD_INFO, "%llx switched to configuration %s", U(ev->node),
				   conf_text(ev->conf));
			break;
		case RAFT_EV_AUTO_LEAVE:
			dd_log(env, DD_INFO, "initiating automatic transition out of joint "
				   "configuration %s", conf_text(ev->conf));
			break;
		case RAFT_EV_AUTO_LEAVE_REFUSED:
			dd_log(env, DD_DEBUG, "not initiating automatic transition out of joint "
				   "configuration %s: raft proposal dropped", conf_text(ev->conf));
			break;
		default:
			break;
	}
}

static void
event_snapshot(struct dd_node *node, const struct raft_event *ev)
{
	struct dd_env *env = node->env;

	switch (ev->kind)
	{
		case RAFT_EV_SNAP_INACTIVE:
			dd_log(env, DD_DEBUG, "ignore sending snapshot to %llx since it is not recently "
				   "active", U(ev->peer));
			break;
		case RAFT_EV_SNAP_UNAVAILABLE:
			dd_log(env, DD_DEBUG, "%llx failed to send snapshot to %llx because snapshot is "
				   "temporarily unavailable", U(ev->node), U(ev->peer));
			break;
		case RAFT_EV_SNAP_SENT:
			dd_log(env, DD_DEBUG, "%llx [firstindex: %llu, commit: %llu] sent snapshot[index: "
				   "%llu, term: %llu] to %llx [%s]", U(ev->node), U(ev->index),
				   U(ev->commit), U(ev->a), U(ev->b), U(ev->peer),
				   progress_text(ev->progress));
			break;
		case RAFT_EV_SNAP_PAUSED:
			dd_log(env, DD_DEBUG, "%llx paused sending replication messages to %llx [%s]",
				   U(ev->node), U(ev->peer), progress_text(ev->progress));
			break;
		case RAFT_EV_SNAP_RECOVERED:
			dd_log(env, DD_DEBUG, "%llx recovered from needing snapshot, resumed sending "
				   "replication messages to %llx [%s]", U(ev->node), U(ev->peer),
				   progress_text(ev->progress));
			break;
		case RAFT_EV_SNAP_REPORT:
			dd_log(env, DD_DEBUG, "%llx snapshot %s, resumed sending replication messages "
				   "to %llx [%s]", U(ev->node), ev->flag ? "succeeded" : "failed",
				   U(ev->peer), progress_text(ev->progress));
			break;
		case RAFT_EV_SNAP_NOT_FOLLOWER:
			dd_log(env, DD_WARN, "%llx attempted to restore snapshot as leader; should never "
				   "happen", U(ev->node));
			break;
		case RAFT_EV_SNAP_NOT_MEMBER:
			dd_log(env, DD_WARN, "%llx attempted to restore snapshot but it is not in the "
				   "ConfState %s; should never happen", U(ev->node),
				   snap_conf_text(ev->conf));
			break;
		case RAFT_EV_SNAP_FAST_FORWARD:
			dd_log(env, DD_INFO, "%llx [commit: %llu, lastindex: %llu, lastterm: %llu] "
				   "fast-forwarded commit to snapshot [index: %llu, term: %llu]",
				   U(ev->node), U(ev->commit), U(ev->last), U(ev->last_term),
				   U(ev->a), U(ev->b));
			break;
		case RAFT_EV_SNAP_RESTORE:
			node->pending_snap = ev->a;
			dd_log(env, DD_INFO, "log [committed=%llu, applied=%llu, applying=%llu, "
				   "unstable.offset=%llu, unstable.offsetInProgress=%llu, "
				   "len(unstable.Entries)=%llu] starts to restore snapshot [index: %llu, "
				   "term: %llu]", U(ev->commit), U(ev->applied), U(ev->applying),
				   U(ev->durable + 1), U(ev->handed + 1), U(ev->last - ev->durable),
				   U(ev->a), U(ev->b));
			break;
		case RAFT_EV_SNAP_RESTORED:
			dd_log(env, DD_INFO, "%llx [commit: %llu, lastindex: %llu, lastterm: %llu] "
				   "restored snapshot [index: %llu, term: %llu]", U(ev->node),
				   U(ev->commit), U(ev->last), U(ev->last_term), U(ev->a), U(ev->b));
			break;
		case RAFT_EV_SNAP_ACCEPTED:
		case RAFT_EV_SNAP_IGNORED:
			dd_log(env, DD_INFO, "%llx [commit: %llu] %s snapshot [index: %llu, term: %llu]",
				   U(ev->node), U(ev->commit),
				   ev->kind == RAFT_EV_SNAP_ACCEPTED ? "restored" : "ignored",
				   U(ev->a), U(ev->b));
			break;
		default:
			break;
	}
}

static void
event_transfer(struct dd_env *env, const struct raft_event *ev)
{
	switch (ev->kind)
	{
		case RAFT_EV_TRANSFER_LEARNER:
			dd_log(env, DD_DEBUG, "%llx is learner. Ignored transferring leadership", U(ev->node));
			break;
		case RAFT_EV_TRANSFER_SAME:
			dd_log(env, DD_INFO, "%llx [term %llu] transfer leadership to %llx is in progress, "
				   "ignores request to same node %llx", U(ev->node), U(ev->term),
				   U(ev->peer), U(ev->peer));
			break;
		case RAFT_EV_TRANSFER_ABORTED:
			dd_log(env, DD_INFO, "%llx [term %llu] abort previous transferring leadership to %llx",
				   U(ev->node), U(ev->term), U(ev->peer));
			break;
		case RAFT_EV_TRANSFER_SELF:
			dd_log(env, DD_DEBUG, "%llx is already leader. Ignored transferring leadership to "
				   "self", U(ev->node));
			break;
		case RAFT_EV_TRANSFER_START:
			dd_log(env, DD_INFO, "%llx [term %llu] starts to transfer leadership to %llx",
				   U(ev->node), U(ev->term), U(ev->peer));
			break;
		case RAFT_EV_TRANSFER_AT_ONCE:
			dd_log(env, DD_INFO, "%llx sends MsgTimeoutNow to %llx immediately as %llx already "
				   "has up-to-date log", U(ev->node), U(ev->peer), U(ev->peer));
			break;
		case RAFT_EV_TRANSFER_CAUGHT_UP:
			dd_log(env, DD_INFO, "%llx sent MsgTimeoutNow to %llx after received MsgAppResp",
				   U(ev->node), U(ev->peer));
			break;
		case RAFT_EV_TRANSFER_NO_LEADER:
			dd_log(env, DD_INFO, "%llx no leader at term %llu; dropping leader transfer msg",
				   U(ev->node), U(ev->term));
			break;
		case RAFT_EV_TIMEOUT_NOW:
			dd_log(env, DD_INFO, "%llx [term %llu] received MsgTimeoutNow from %llx and starts "
				   "an election to get leadership.", U(ev->node), U(ev->term), U(ev->peer));
			break;
		case RAFT_EV_TIMEOUT_NOW_IGNORED:
			dd_log(env, DD_DEBUG, "%llx [term %llu state %s] ignored MsgTimeoutNow from %llx",
				   U(ev->node), U(ev->term), dd_role_name(ev->role), U(ev->peer));
			break;
		default:
			break;
	}
}

/* The trace sink of every node. */
void
dd_event(void *arg, const struct raft_event *ev)
{
	struct dd_node *node = arg;
	struct dd_env *env = node->env;

	if (ev->kind <= RAFT_EV_FORGET_REFUSED)
		event_role(env, ev);
	else if (ev->kind <= RAFT_EV_COMMIT_BY_VOTE)
		event_election(env, ev);
	else if (ev->kind == RAFT_EV_POISONED)
		env->fatal = "the core broke an invariant";
	event_message(env, ev);
	event_log(env, ev);
	event_snapshot(node, ev);
	event_transfer(env, ev);
}
