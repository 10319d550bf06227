/*-------------------------------------------------------------------------
 *
 * codec.c
 *	  Messages of the consensus core to protobuf and back.
 *
 * Everything is built in the current memory context.  Decoding checks what
 * the core cannot: that numbers fit its arrays.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/codec.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker.h"

static uint64 *
copy_ids(const raft_id *ids, int n)
{
	uint64	   *copy = palloc(sizeof(uint64) * Max(n, 1));

	memcpy(copy, ids, sizeof(uint64) * n);
	return copy;
}

Quorum__Configuration *
encode_configuration(const struct raft_conf *conf)
{
	Quorum__Configuration *out = palloc(sizeof(*out));

	quorum__configuration__init(out);
	out->n_voters = conf->n_voters;
	out->voters = copy_ids(conf->voters, conf->n_voters);
	out->n_outgoing = conf->n_outgoing;
	out->outgoing = copy_ids(conf->outgoing, conf->n_outgoing);
	out->n_learners = conf->n_learners;
	out->learners = copy_ids(conf->learners, conf->n_learners);
	out->n_learners_next = conf->n_learners_next;
	out->learners_next = copy_ids(conf->learners_next, conf->n_learners_next);
	out->auto_leave = conf->auto_leave;
	return out;
}

bool
decode_configuration(const Quorum__Configuration *in, struct raft_conf *conf)
{
	memset(conf, 0, sizeof(*conf));
	if (in == NULL)
		return true;
	if (in->n_voters > RAFT_MAX_MEMBERS || in->n_outgoing > RAFT_MAX_MEMBERS ||
		in->n_learners > RAFT_MAX_MEMBERS || in->n_learners_next > RAFT_MAX_MEMBERS)
		return false;
	conf->n_voters = in->n_voters;
	conf->n_outgoing = in->n_outgoing;
	conf->n_learners = in->n_learners;
	conf->n_learners_next = in->n_learners_next;
	conf->auto_leave = in->auto_leave;
	/* an empty list has no array */
	if (in->n_voters)
		memcpy(conf->voters, in->voters, in->n_voters * sizeof(uint64));
	if (in->n_outgoing)
		memcpy(conf->outgoing, in->outgoing, in->n_outgoing * sizeof(uint64));
	if (in->n_learners)
		memcpy(conf->learners, in->learners, in->n_learners * sizeof(uint64));
	if (in->n_learners_next)
		memcpy(conf->learners_next, in->learners_next, in->n_learners_next * sizeof(uint64));
	return true;
}

/*
 * The steps of a membership change as the core wants them.  False if there are
 * too many or one is of a kind this version does not have.
 */
bool
decode_change(const Quorum__MemberChange *in, struct raft_conf_change *change)
{
	size_t		i;

	memset(change, 0, sizeof(*change));
	if (in->n_steps > RAFT_MAX_CHANGES)
		return false;
	for (i = 0; i < in->n_steps; i++)
	{
		switch (in->steps[i]->kind)
		{
			case QUORUM__MEMBER_CHANGE__STEP__KIND__ADD_VOTER:
				change->changes[i].type = RAFT_ADD_VOTER;
				break;
			case QUORUM__MEMBER_CHANGE__STEP__KIND__ADD_LEARNER:
				change->changes[i].type = RAFT_ADD_LEARNER;
				break;
			case QUORUM__MEMBER_CHANGE__STEP__KIND__REMOVE:
				change->changes[i].type = RAFT_REMOVE;
				break;
			case QUORUM__MEMBER_CHANGE__STEP__KIND__UPDATE:
				change->changes[i].type = RAFT_UPDATE;
				break;
			default:
				return false;
		}
		change->changes[i].id = in->steps[i]->id;
	}
	change->n = in->n_steps;
	change->transition = RAFT_TRANSITION_AUTO;
	return true;
}

/*
 * A message without its entries: those of an append the caller attaches.
 */
Quorum__PeerMessage *
encode_message(const struct raft_msg *msg)
{
	Quorum__PeerMessage *out = palloc(sizeof(*out));

	quorum__peer_message__init(out);
	out->type = msg->type;
	out->reject = msg->reject;
	out->force = msg->force;
	out->target = msg->target;
	out->term = msg->term;
	out->log_term = msg->log_term;
	out->index = msg->index;
	out->commit = msg->commit;
	out->commit_term = msg->commit_term;
	out->hint = msg->hint;
	out->ctx = msg->ctx;
	out->echo = msg->echo;
	out->priority = msg->priority;
	return out;
}

bool
decode_message(const Quorum__PeerMessage *in, uint64 from, uint64 to,
			   struct raft_msg *msg, struct raft_entry **entries)
{
	size_t		i;

	memset(msg, 0, sizeof(*msg));
	*entries = NULL;
	if (in->type == RAFT_MSG_NONE || in->type > RAFT_MSG_LAST)
		return false;
	msg->type = in->type;
	msg->reject = in->reject;
	msg->force = in->force;
	msg->from = from;
	msg->to = to;
	msg->target = in->target;
	msg->term = in->term;
	msg->log_term = in->log_term;
	msg->index = in->index;
	msg->commit = in->commit;
	msg->commit_term = in->commit_term;
	msg->hint = in->hint;
	msg->ctx = in->ctx;
	msg->echo = in->echo;
	msg->priority = in->priority;
	msg->n_entries = in->n_entries;
	if (in->n_entries > 0)
	{
		struct raft_entry *e = palloc0(sizeof(struct raft_entry) * in->n_entries);

		for (i = 0; i < in->n_entries; i++)
		{
			if (in->entries[i]->type > RAFT_ENTRY_CONF)
				return false;
			e[i].term = in->entries[i]->term;
			e[i].type = in->entries[i]->type;
			e[i].size = in->entries[i]->data.len;
			e[i].data = in->entries[i]->data.data;
		}
		*entries = e;
	}
	return true;
}
