/*-------------------------------------------------------------------------
 *
 * dd_format.c
 *	  Scenario interpreter: how entries and messages are printed.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/test/dd_format.c
 *
 *-------------------------------------------------------------------------
 */
#include "dd.h"

static const struct dd_payload empty_normal = {.type = DD_NORMAL,.data = ""};
static const struct dd_payload empty_conf = {.type = DD_CONF_V2,.data = ""};

/* Payload of an entry of the core; its own entries have none. */
const struct dd_payload *
dd_payload_of(uint8_t type, const void *data)
{
	if (data != NULL)
		return data;
	return type == RAFT_ENTRY_CONF ? &empty_conf : &empty_normal;
}

static const char *const wire_names[RAFT_MSG_LAST + 1] = {
	[RAFT_MSG_NONE] = "MsgNone",
	[RAFT_MSG_APP] = "MsgApp",
	[RAFT_MSG_APP_RESP] = "MsgAppResp",
	[RAFT_MSG_VOTE] = "MsgVote",
	[RAFT_MSG_VOTE_RESP] = "MsgVoteResp",
	[RAFT_MSG_PRE_VOTE] = "MsgPreVote",
	[RAFT_MSG_PRE_VOTE_RESP] = "MsgPreVoteResp",
	[RAFT_MSG_HEARTBEAT] = "MsgHeartbeat",
	[RAFT_MSG_HEARTBEAT_RESP] = "MsgHeartbeatResp",
	[RAFT_MSG_SNAP] = "MsgSnap",
	[RAFT_MSG_TIMEOUT_NOW] = "MsgTimeoutNow",
	[RAFT_MSG_PROP] = "MsgProp",
	[RAFT_MSG_READ_INDEX] = "MsgReadIndex",
	[RAFT_MSG_READ_INDEX_RESP] = "MsgReadIndexResp",
	[RAFT_MSG_TRANSFER] = "MsgTransferLeader"
};

static const char *const storage_names[] = {
	[DD_STORAGE_APPEND] = "MsgStorageAppend",
	[DD_STORAGE_APPEND_RESP] = "MsgStorageAppendResp",
	[DD_STORAGE_APPLY] = "MsgStorageApply",
	[DD_STORAGE_APPLY_RESP] = "MsgStorageApplyResp"
};

/* Names that a filter may use though no message here has them. */
static const char *const other_names[] = {
	"MsgHup", "MsgBeat", "MsgUnreachable", "MsgSnapStatus", "MsgCheckQuorum",
	"MsgForgetLeader"
};

const char *
dd_wire_name(int type)
{
	return wire_names[type];
}

const char *
dd_type_name(const struct dd_msg *m)
{
	return m->kind == DD_WIRE ? wire_names[m->m.type] : storage_names[m->kind];
}

/* One number for each type: for filters. */
int
dd_type_number(const struct dd_msg *m)
{
	return m->kind == DD_WIRE ? m->m.type : 100 + (int) m->kind;
}

/* -1: no such type. */
int
dd_type_by_name(const char *name)
{
	int			i;

	for (i = RAFT_MSG_APP; i <= RAFT_MSG_LAST; i++)
		if (strcmp(name, wire_names[i]) == 0)
			return i;
	for (i = DD_STORAGE_APPEND; i <= DD_STORAGE_APPLY_RESP; i++)
		if (strcmp(name, storage_names[i]) == 0)
			return 100 + i;
	for (i = 0; i < (int) (sizeof(other_names) / sizeof(other_names[0])); i++)
		if (strcmp(name, other_names[i]) == 0)
			return 200 + i;
	return -1;
}

const char *
dd_role_name(enum raft_role role)
{
	static const char *const names[] = {
		"StateFollower", "StateCandidate", "StateLeader", "StatePreCandidate"
	};

	return names[role];
}

/* Bytes of a valid UTF-8 sequence at s, or 0. */
static size_t
utf8_length(const unsigned char *s, size_t n)
{
	size_t		len = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc2 ? 2 : 0;
	size_t		i;

	if (len == 0 || len > n || s[0] > 0xf4)
		return 0;
	for (i = 1; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

static void
put_quoted(struct dd_buf *b, const char *data, size_t n)
{
	static const char plain[] = "\a\b\f\n\r\t\v\\\"";
	static const char escaped[] = "abfnrtv\\\"";
	size_t		i;

	dd_puts(b, "\"");
	for (i = 0; i < n; i++)
	{
		unsigned char c = (unsigned char) data[i];
		const char *p = c != 0 ? strchr(plain, c) : NULL;
		size_t		len;

		if (p != NULL)
			dd_printf(b, "\\%c", escaped[p - plain]);
		else if (c >= 0x20 && c < 0x7f)
			dd_putn(b, data + i, 1);
		else if (c >= 0x80 &&
				 (len = utf8_length((const unsigned char *) data + i, n - i)) > 0)
		{
			dd_putn(b, data + i, len);
			i += len - 1;
		}
		else
			dd_printf(b, "\\x%02x", c);
	}
	dd_puts(b, "\"");
}

static void
put_change_list(struct dd_buf *b, const struct raft_conf_change *c)
{
	static const char letters[] = "vrul";
	uint32_t	i;

	for (i = 0; i < c->n; i++)
		dd_printf(b, " %c%llu", letters[c->changes[i].type],
				  (unsigned long long) c->changes[i].id);
}

void
dd_put_entry(struct dd_buf *b, const struct dd_entry *e)
{
	dd_printf(b, "%llu/%llu ", (unsigned long long) e->term,
			  (unsigned long long) e->index);
	switch (e->payload->type)
	{
		case DD_NORMAL:
			dd_puts(b, "EntryNormal ");
			put_quoted(b, e->payload->data, e->payload->size);
			break;
		case DD_CONF_V1:
			dd_puts(b, "EntryConfChange");
			put_change_list(b, &e->payload->change);
			break;
		case DD_CONF_V2:
			dd_puts(b, "EntryConfChangeV2");
			put_change_list(b, &e->payload->change);
			break;
	}
}

void
dd_put_entries(struct dd_buf *b, const struct dd_entry *e, size_t n)
{
	size_t		i;

	for (i = 0; i < n; i++)
	{
		dd_put_entry(b, &e[i]);
		dd_puts(b, "\n");
	}
}

static void
put_slice(struct dd_buf *b, const char *name, const raft_id *ids, int n)
{
	int			i;

	dd_printf(b, "%s:[", name);
	for (i = 0; i < n; i++)
		dd_printf(b, "%s%llu", i > 0 ? " " : "", (unsigned long long) ids[i]);
	dd_puts(b, "]");
}

void
dd_put_snap(struct dd_buf *b, const struct raft_snap *s)
{
	dd_printf(b, "Index:%llu Term:%llu ConfState:", (unsigned long long) s->index,
			  (unsigned long long) s->term);
	put_slice(b, "Voters", s->conf.voters, s->conf.n_voters);
	put_slice(b, " VotersOutgoing", s->conf.outgoing, s->conf.n_outgoing);
	put_slice(b, " Learners", s->conf.learners, s->conf.n_learners);
	put_slice(b, " LearnersNext", s->conf.learners_next, s->conf.n_learners_next);
	dd_printf(b, " AutoLeave:%s", s->conf.auto_leave ? "true" : "false");
}

void
dd_put_ids(struct dd_buf *b, const raft_id *ids, int n)
{
	int			i;

	dd_puts(b, "(");
	for (i = 0; i < n; i++)
		dd_printf(b, "%s%llx", i > 0 ? " " : "", (unsigned long long) ids[i]);
	dd_puts(b, ")");
}

void
dd_put_conf(struct dd_buf *b, const struct raft_conf *c)
{
	dd_puts(b, "voters=");
	dd_put_ids(b, c->voters, c->n_voters);
	if (c->n_outgoing > 0)
	{
		dd_puts(b, "&&");
		dd_put_ids(b, c->outgoing, c->n_outgoing);
	}
	if (c->n_learners > 0)
	{
		dd_puts(b, " learners=");
		dd_put_ids(b, c->learners, c->n_learners);
	}
	if (c->n_learners_next > 0)
	{
		dd_puts(b, " learners_next=");
		dd_put_ids(b, c->learners_next, c->n_learners_next);
	}
	if (c->auto_leave)
		dd_puts(b, " autoleave");
}

void
dd_put_change(struct dd_buf *b, const struct raft_conf_change *c)
{
	static const char *const transitions[] = {
		"ConfChangeTransitionAuto", "ConfChangeTransitionJointImplicit",
		"ConfChangeTransitionJointExplicit"
	};
	static const char *const types[] = {
		"ConfChangeAddNode", "ConfChangeRemoveNode", "ConfChangeUpdateNode",
		"ConfChangeAddLearnerNode"
	};
	uint32_t	i;

	dd_printf(b, "transition:%s", transitions[c != NULL ? c->transition : 0]);
	for (i = 0; c != NULL && i < c->n; i++)
		dd_printf(b, " changes:{type:%s node_id:%llu}", types[c->changes[i].type],
				  (unsigned long long) c->changes[i].id);
}

void
dd_put_progress(struct dd_buf *b, const struct raft_peer_status *p)
{
	static const char *const states[] = {
		"StateProbe", "StateReplicate", "StateSnapshot"
	};

	dd_printf(b, "%s match=%llu next=%llu", states[p->state],
			  (unsigned long long) p->match, (unsigned long long) p->next);
	if (p->learner)
		dd_puts(b, " learner");
	if (p->paused)
		dd_puts(b, " paused");
	if (p->pending_snapshot > 0)
		dd_printf(b, " pendingSnap=%llu", (unsigned long long) p->pending_snapshot);
	if (!p->recent_active)
		dd_puts(b, " inactive");
	if (p->inflight_msgs > 0)
		dd_printf(b, " inflight=%u%s", p->inflight_msgs,
				  p->inflight_full ? "[full]" : "");
}

static void
put_target(struct dd_buf *b, const struct dd_msg *m, bool from)
{
	raft_id		id = from ? m->m.from : m->m.to;

	if (m->kind == DD_STORAGE_APPEND && !from)
		dd_puts(b, "AppendThread");
	else if (m->kind == DD_STORAGE_APPEND_RESP && from)
		dd_puts(b, "AppendThread");
	else if (m->kind == DD_STORAGE_APPLY && !from)
		dd_puts(b, "ApplyThread");
	else if (m->kind == DD_STORAGE_APPLY_RESP && from)
		dd_puts(b, "ApplyThread");
	else if (m->kind == DD_WIRE && m->m.type == RAFT_MSG_TRANSFER && from)
		dd_printf(b, "%llx", (unsigned long long) m->m.target);
	else if (id == 0)
		dd_puts(b, "None");
	else
		dd_printf(b, "%llx", (unsigned long long) id);
}

static void
put_msg(struct dd_buf *b, const char *indent, const struct dd_msg *m)
{
	size_t		i;

	dd_puts(b, indent);
	put_target(b, m, true);
	dd_puts(b, "->");
	put_target(b, m, false);
	dd_printf(b, " %s Term:%llu Log:%llu/%llu", dd_type_name(m),
			  (unsigned long long) m->m.term, (unsigned long long) m->m.log_term,
			  (unsigned long long) m->m.index);
	if (m->m.reject)
		dd_printf(b, " Rejected (Hint: %llu)", (unsigned long long) m->m.hint);
	if (m->m.commit != 0)
		dd_printf(b, " Commit:%llu", (unsigned long long) m->m.commit);
	if (m->kind != DD_WIRE && m->m.target != 0)
		dd_printf(b, " Vote:%llu", (unsigned long long) m->m.target);
	if (m->n_entries == 1)
	{
		dd_puts(b, " Entries:[");
		dd_put_entry(b, &m->entries[0]);
		dd_puts(b, "]");
	}
	else if (m->n_entries > 1)
	{
		dd_puts(b, " Entries:[");
		for (i = 0; i < m->n_entries; i++)
		{
			dd_printf(b, "\n%s  ", indent);
			dd_put_entry(b, &m->entries[i]);
		}
		dd_printf(b, "\n%s]", indent);
	}
	if (m->snap != NULL && m->snap->meta.index != 0)
	{
		dd_printf(b, "\n%s  Snapshot: ", indent);
		dd_put_snap(b, &m->snap->meta);
	}
	if (m->responses.n > 0)
	{
		char		deeper[16];

		snprintf(deeper, sizeof(deeper), "%s  ", indent);
		dd_puts(b, " Responses:[");
		for (i = 0; i < m->responses.n; i++)
		{
			dd_puts(b, "\n");
			put_msg(b, deeper, m->responses.items[i]);
		}
		dd_printf(b, "\n%s]", indent);
	}
}

void
dd_put_msg(struct dd_buf *b, const struct dd_msg *m)
{
	put_msg(b, "", m);
}
