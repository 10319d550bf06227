/*-------------------------------------------------------------------------
 *
 * dd_node.c
 *	  Scenario interpreter: a node, its disk and its threads.
 *
 * The disk of a node gets what a ready asks to write: at once, or, with
 * asynchronous storage writes, when the script runs the append thread.  The core
 * is scripted: it lists the messages that wait for the disk, and this file
 * delivers them, the node's own ones included, when the script says so.
 *
 * Whether an answer of the append thread still counts is decided here by term
 * and index, as the transcripts expect; the core goes by write numbers.  Telling
 * it only of the answers that count keeps both views equal.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/test/dd_node.c
 *
 *-------------------------------------------------------------------------
 */
#include "dd.h"

#define U(x)	((unsigned long long) (x))

/* ---------- the disk ---------- */

static void
log_push(struct dd_node *n, const struct dd_entry *e)
{
	if (n->n_log == n->cap_log)
	{
		size_t		cap = n->cap_log > 0 ? n->cap_log * 2 : 16;
		struct dd_entry *log = dd_alloc(cap * sizeof(*log));

		if (n->n_log > 0)
			memcpy(log, n->log, n->n_log * sizeof(*log));
		n->log = log;
		n->cap_log = cap;
	}
	n->log[n->n_log++] = *e;
}

static void
disk_append(struct dd_node *n, const struct dd_entry *e, size_t count)
{
	size_t		i;

	for (i = 0; i < count; i++)
	{
		if (e[i].index <= n->base_index)
			continue;
		if (e[i].index > n->base_index + n->n_log + 1)
		{
			n->env->fatal = "missing log entry on disk";
			return;
		}
		n->n_log = (size_t) (e[i].index - n->base_index - 1);
		log_push(n, &e[i]);
	}
}

static void
disk_install(struct dd_node *n, const struct raft_snap *snap)
{
	if (n->disk_snap.index >= snap->index)
	{
		dd_error(n->env, "requested index is older than the existing snapshot");
		return;
	}
	n->disk_snap = *snap;
	n->base_index = snap->index;
	n->base_term = snap->term;
	n->n_log = 0;
}

void
dd_raft_log(struct dd_node *n)
{
	struct dd_buf b = {0};

	if (n->n_log == 0)
	{
		dd_write(n->env, "log is empty: first index=%llu, last index=%llu",
				 U(n->base_index + 1), U(n->base_index));
		return;
	}
	dd_put_entries(&b, n->log, n->n_log);
	dd_write(n->env, "%s", b.data);
	dd_buf_free(&b);
}

void
dd_compact(struct dd_node *n, raft_index index)
{
	if (index <= n->base_index)
	{
		dd_error(n->env, "requested index is unavailable due to compaction");
		return;
	}
	if (index > n->base_index + n->n_log)
	{
		n->env->fatal = "compaction beyond the end of the log";
		return;
	}
	n->base_term = n->log[index - n->base_index - 1].term;
	n->n_log -= (size_t) (index - n->base_index);
	memmove(n->log, n->log + (index - n->base_index), n->n_log * sizeof(n->log[0]));
	n->base_index = index;
	if (raft_compact(n->raft, index) != RAFT_OK)
		n->env->fatal = "the core refuses the compaction";
	dd_raft_log(n);
}

/* ---------- a new node ---------- */

void
dd_add_node(struct dd_env *env, const struct dd_node_options *opt)
{
	struct dd_node *n = dd_alloc(sizeof(*n));
	struct raft_config cfg = opt->cfg;
	struct raft_boot boot;
	struct dd_snap *snap = dd_alloc(sizeof(*snap));

	memset(&boot, 0, sizeof(boot));
	*snap = opt->snap;
	n->env = env;
	n->id = env->nodes.n + 1;
	n->async = opt->async;
	n->election_tick = cfg.election_tick;
	n->heartbeat_tick = cfg.heartbeat_tick;
	if (opt->bootstrap)
	{
		if (snap->meta.index <= 1)
		{
			dd_error(env, "index must be specified as > 1 due to bootstrap");
			return;
		}
		snap->meta.term = 1;
		disk_install(n, &snap->meta);
		boot.base_index = boot.commit = boot.applied = snap->meta.index;
		boot.base_term = snap->meta.term;
		boot.conf = snap->meta.conf;
	}
	dd_push(&n->history, snap);

	cfg.id = n->id;
	cfg.seed = n->id;
	cfg.trace = dd_event;
	cfg.trace_arg = n;
	if (raft_new(&cfg, &boot, NULL, &n->raft) != RAFT_OK)
	{
		env->fatal = "the core refuses the configuration";
		return;
	}
	if (opt->bootstrap)
		(void) raft_snapshot_ready(n->raft, &snap->meta);
	dd_push(&env->nodes, n);
}

/* ---------- messages from and to the core ---------- */

static void
view_put(struct dd_node *n, const struct dd_entry *e)
{
	if (e->index >= n->cap_view)
	{
		size_t		cap = (size_t) e->index * 2 + 16;
		struct dd_entry *view = dd_alloc(cap * sizeof(*view));

		if (n->cap_view > 0)
			memcpy(view, n->view, n->cap_view * sizeof(*view));
		n->view = view;
		n->cap_view = cap;
	}
	n->view[e->index] = *e;
}

static struct dd_entry *
view_range(struct dd_node *n, raft_index lo, raft_index hi)
{
	size_t		count = (size_t) (hi - lo + 1);
	struct dd_entry *e = dd_alloc(count * sizeof(*e));

	if (hi >= n->cap_view)
	{
		n->env->fatal = "message with entries that are not in the log";
		return e;
	}
	memcpy(e, n->view + lo, count * sizeof(*e));
	return e;
}

static struct dd_msg *
from_core(struct dd_node *n, const struct raft_msg *m)
{
	struct dd_msg *d = dd_alloc(sizeof(*d));
	uint32_t	i;

	d->kind = DD_WIRE;
	d->m = *m;
	d->m.entries = NULL;
	d->m.snap = NULL;
	if (m->type == RAFT_MSG_APP && m->n_entries > 0)
	{
		d->entries = view_range(n, m->index + 1, m->index + m->n_entries);
		d->n_entries = m->n_entries;
	}
	else if (m->type == RAFT_MSG_PROP)
	{
		d->entries = dd_alloc(m->n_entries * sizeof(struct dd_entry));
		d->n_entries = m->n_entries;
		for (i = 0; i < m->n_entries; i++)
			d->entries[i].payload = dd_payload_of(m->entries[i].type, m->entries[i].data);
	}
	else if (m->type == RAFT_MSG_SNAP)
	{
		const struct dd_snap *newest = n->history.items[n->history.n - 1];
		struct dd_snap *snap = dd_alloc(sizeof(*snap));

		*snap = *newest;
		snap->meta = *m->snap;
		d->snap = snap;
	}
	return d;
}

void
dd_proposal_result(struct dd_env *env, enum raft_rc rc)
{
	if (rc != RAFT_OK)
		dd_error(env, "raft proposal dropped");
}

static enum raft_rc
to_core(struct dd_node *n, const struct dd_msg *d)
{
	struct raft_entry *entries = NULL;
	struct raft_msg m = d->m;
	size_t		i;

	if (d->n_entries > 0)
		entries = dd_alloc(d->n_entries * sizeof(*entries));
	for (i = 0; i < d->n_entries; i++)
	{
		const struct dd_payload *p = d->entries[i].payload;

		entries[i].term = d->entries[i].term;
		entries[i].type = p->type == DD_NORMAL ? RAFT_ENTRY_NORMAL : RAFT_ENTRY_CONF;
		entries[i].size = (uint32_t) p->size;
		entries[i].data = p;
		if (p->type != DD_NORMAL)
			entries[i].change = &p->change;
	}
	m.n_entries = (uint32_t) d->n_entries;
	if (d->snap != NULL)
		m.snap = &d->snap->meta;
	return raft_step(n->raft, &m, entries);
}

/* ---------- writing and applying ---------- */

/* Hard state needs no disk here: nothing reads it back. */
static void
write_to_disk(struct dd_node *n, const struct dd_entry *entries, size_t count,
			  const struct dd_snap *snap)
{
	if (snap != NULL)
	{
		if (count > 0)
			dd_error(n->env, "can't apply snapshot and entries at the same time");
		else
			disk_install(n, &snap->meta);
		return;
	}
	disk_append(n, entries, count);
}

/* An appending state machine, which keeps a snapshot after every entry. */
static void
apply_entries(struct dd_node *n, const struct dd_entry *entries, size_t count)
{
	size_t		i;

	for (i = 0; i < count; i++)
	{
		const struct dd_entry *e = &entries[i];
		const struct dd_snap *last = n->history.items[n->history.n - 1];
		struct dd_snap *snap = dd_alloc(sizeof(*snap));
		char	   *data;

		snap->meta.index = e->index;
		snap->meta.term = e->term;
		snap->meta.conf = last->meta.conf;
		if (e->payload->type != DD_NORMAL)
		{
			if (raft_apply_conf(n->raft, e->index, &e->payload->change,
								&snap->meta.conf) != RAFT_OK)
			{
				n->env->fatal = "an impossible configuration change was committed";
				return;
			}
		}
		else
		{
			snap->size = last->size + e->payload->size;
			data = dd_alloc(snap->size + 1);
			if (last->size > 0)
				memcpy(data, last->data, last->size);
			if (e->payload->size > 0)
				memcpy(data + last->size, e->payload->data, e->payload->size);
			snap->data = data;
		}
		if (snap->data == NULL)
		{
			snap->data = last->data;
			snap->size = last->size;
		}
		dd_push(&n->history, snap);
		(void) raft_snapshot_ready(n->raft, &snap->meta);
	}
}

/* ---------- answers of the threads ---------- */

/* The write is durable: does that still make entries stable? */
static bool
append_counts(struct dd_node *n, const struct dd_msg *d)
{
	struct dd_env *env = n->env;
	struct raft_status st;
	raft_term	term;

	raft_status(n->raft, &st);
	if (d->m.term < st.term)
	{
		if (d->m.index != 0)
			dd_log(env, DD_INFO, "%llx [term: %llu] ignored entry appends from a "
				   "MsgStorageAppendResp message with lower term [term: %llu]",
				   U(n->id), U(st.term), U(d->m.term));
		return false;
	}
	if (d->m.index == 0)
		return false;
	if (d->m.index <= st.durable)
	{
		if (n->pending_snap == d->m.index)
			dd_log(env, DD_INFO, "entry at index %llu matched unstable snapshot; ignoring",
				   U(d->m.index));
		else
			dd_log(env, DD_INFO, "entry at index %llu missing from unstable log; ignoring",
				   U(d->m.index));
		return false;
	}
	if (raft_term_of(n->raft, d->m.index, &term) != RAFT_OK)
	{
		dd_log(env, DD_INFO, "entry at index %llu missing from unstable log; ignoring",
			   U(d->m.index));
		return false;
	}
	if (term != d->m.log_term)
	{
		dd_log(env, DD_INFO, "entry at (index,term)=(%llu,%llu) mismatched with entry at "
			   "(%llu,%llu) in unstable log; ignoring", U(d->m.index),
			   U(d->m.log_term), U(d->m.index), U(term));
		return false;
	}
	return true;
}

static void
append_done(struct dd_node *n, const struct dd_msg *d)
{
	bool		counts = append_counts(n, d);

	if (!counts && d->snap == NULL)
		return;
	if (raft_persisted(n->raft, d->seq) != RAFT_OK)
		n->env->fatal = "the core refuses an answer of the append thread";
	if (d->snap != NULL && d->snap->meta.index == n->pending_snap)
		n->pending_snap = 0;
}

static void
apply_done(struct dd_node *n, const struct dd_msg *d)
{
	if (d->n_entries > 0 &&
		raft_applied(n->raft, d->entries[d->n_entries - 1].index) != RAFT_OK)
		n->env->fatal = "the core refuses an answer of the apply thread";
}

/* Give a message to its recipient; errors are printed on a line of their own. */
void
dd_deliver(struct dd_env *env, struct dd_msg *d)
{
	struct dd_node *n = dd_node_at(env, d->m.to);
	struct raft_peer_status peers[RAFT_MAX_PEERS];
	enum raft_rc rc;
	size_t		count;
	size_t		i;

	if (n == NULL)
		return;
	if (d->kind == DD_STORAGE_APPEND_RESP)
	{
		append_done(n, d);
		return;
	}
	if (d->kind == DD_STORAGE_APPLY_RESP)
	{
		apply_done(n, d);
		return;
	}

	rc = RAFT_OK;
	if (d->m.from == n->id)
	{
		/* promises to itself count only while it is a member */
		rc = RAFT_UNKNOWN_PEER;
		count = raft_peers(n->raft, peers, RAFT_MAX_PEERS);
		for (i = 0; i < count; i++)
			if (peers[i].id == n->id)
				rc = RAFT_OK;
	}
	if (rc == RAFT_OK)
		rc = to_core(n, d);
	switch (rc)
	{
		case RAFT_OK:
			break;
		case RAFT_UNKNOWN_PEER:
			dd_write(env, "raft: cannot step as peer not found\n");
			break;
		case RAFT_DROPPED:
		case RAFT_NOT_LEADER:
		case RAFT_NO_LEADER:
		case RAFT_BUSY:
			if (d->m.type == RAFT_MSG_PROP)
				dd_write(env, "raft proposal dropped\n");
			break;
		case RAFT_INVALID:
			if (d->m.type != RAFT_MSG_TRANSFER)
				env->fatal = "the core refuses a message";
			break;
		default:
			env->fatal = raft_rc_name(rc);
	}
}

/* ---------- ready ---------- */

static void
describe_ready(struct dd_node *n, const struct raft_ready *rd,
			   const struct dd_entry *append, const struct dd_entry *apply,
			   size_t n_apply, const struct dd_list *msgs)
{
	bool		must_sync = rd->n_append > 0 || rd->term != n->prev_term ||
		rd->vote != n->prev_vote;
	struct dd_buf b = {0};
	size_t		i;

	if (rd->soft_changed)
		dd_printf(&b, "Lead:%llu State:%s\n", U(rd->leader), dd_role_name(rd->role));
	if (rd->hard_changed)
	{
		dd_printf(&b, "HardState Term:%llu", U(rd->term));
		if (rd->vote != 0)
			dd_printf(&b, " Vote:%llu", U(rd->vote));
		dd_printf(&b, " Commit:%llu\n", U(rd->commit));
	}
	if (rd->n_reads > 0)
	{
		dd_puts(&b, "ReadStates [");
		for (i = 0; i < rd->n_reads; i++)
			dd_printf(&b, "%s{%llu %llu}", i > 0 ? " " : "", U(rd->reads[i].index),
					  U(rd->reads[i].ctx));
		dd_puts(&b, "]\n");
	}
	if (rd->n_append > 0)
	{
		dd_puts(&b, "Entries:\n");
		dd_put_entries(&b, append, rd->n_append);
	}
	if (rd->install != NULL)
	{
		dd_puts(&b, "Snapshot ");
		dd_put_snap(&b, rd->install);
		dd_puts(&b, "\n");
	}
	if (n_apply > 0)
	{
		dd_puts(&b, "CommittedEntries:\n");
		dd_put_entries(&b, apply, n_apply);
	}
	if (msgs->n > 0)
	{
		dd_puts(&b, "Messages:\n");
		for (i = 0; i < msgs->n; i++)
		{
			dd_put_msg(&b, msgs->items[i]);
			dd_puts(&b, "\n");
		}
	}
	if (b.n > 0)
		dd_write(n->env, "Ready MustSync=%s:\n%s", must_sync ? "true" : "false", b.data);
	else
		dd_write(n->env, "<empty Ready>");
	dd_buf_free(&b);
	n->prev_term = rd->term;
	n->prev_vote = rd->vote;
}

/* What the append thread answers when everything of this ready is written. */
static struct dd_msg *
append_answer(struct dd_node *n, const struct raft_ready *rd, const struct dd_snap *snap)
{
	struct raft_status st;
	struct dd_msg *d;

	raft_status(n->raft, &st);
	if (st.durable == st.last && snap == NULL)
		return NULL;
	d = dd_alloc(sizeof(*d));
	d->kind = DD_STORAGE_APPEND_RESP;
	d->m.to = n->id;
	d->m.term = st.term;
	d->seq = rd->seq;
	d->snap = snap;
	if (st.durable < st.last)
	{
		d->m.index = st.last;
		d->m.log_term = st.last_term;
	}
	return d;
}

static struct dd_msg *
apply_answer(struct dd_node *n, struct dd_entry *apply, size_t n_apply)
{
	struct dd_msg *d;

	if (n_apply == 0)
		return NULL;
	d = dd_alloc(sizeof(*d));
	d->kind = DD_STORAGE_APPLY_RESP;
	d->m.to = n->id;
	d->entries = apply;
	d->n_entries = n_apply;
	return d;
}

static struct dd_msg *
append_work(struct dd_node *n, const struct raft_ready *rd, struct dd_entry *append,
			const struct dd_snap *snap, const struct dd_list *gated,
			struct dd_msg *answer)
{
	struct dd_msg *d;

	if (rd->n_append == 0 && !rd->hard_changed && snap == NULL && gated->n == 0)
		return NULL;
	d = dd_alloc(sizeof(*d));
	d->kind = DD_STORAGE_APPEND;
	d->m.from = n->id;
	d->entries = append;
	d->n_entries = rd->n_append;
	d->snap = snap;
	if (rd->hard_changed)
	{
		d->m.term = rd->term;
		d->m.target = rd->vote;
		d->m.commit = rd->commit;
	}
	d->responses = *gated;
	if (answer != NULL)
		dd_push(&d->responses, answer);
	return d;
}

static struct dd_msg *
apply_work(struct dd_node *n, struct dd_entry *apply, size_t n_apply, struct dd_msg *answer)
{
	struct dd_msg *d;

	if (n_apply == 0)
		return NULL;
	d = dd_alloc(sizeof(*d));
	d->kind = DD_STORAGE_APPLY;
	d->m.from = n->id;
	d->entries = apply;
	d->n_entries = n_apply;
	dd_push(&d->responses, answer);
	return d;
}

/* Synchronous storage: write, apply, send, then tell the core all of it. */
static void
finish_sync(struct dd_node *n, const struct raft_ready *rd, const struct dd_entry *append,
			const struct dd_entry *apply, size_t n_apply, const struct dd_snap *snap,
			struct dd_list *msgs, struct dd_list *own, struct dd_msg *append_ans,
			struct dd_msg *apply_ans)
{
	size_t		i;

	write_to_disk(n, append, rd->n_append, snap);
	if (dd_failed(n->env))
		return;
	apply_entries(n, apply, n_apply);
	for (i = 0; i < msgs->n; i++)
		dd_push(&n->env->msgs, msgs->items[i]);
	for (i = 0; i < own->n && !dd_failed(n->env); i++)
		(void) to_core(n, own->items[i]);
	if (append_ans != NULL)
		append_done(n, append_ans);
	if (apply_ans != NULL)
		apply_done(n, apply_ans);
}

void
dd_process_ready(struct dd_node *n)
{
	struct dd_list msgs = {0};
	struct dd_list gated = {0};
	struct dd_list own = {0};
	struct raft_ready rd;
	struct dd_entry *append = NULL;
	struct dd_entry *apply = NULL;
	struct dd_snap *snap = NULL;
	struct dd_msg *append_ans;
	struct dd_msg *apply_ans;
	struct dd_msg *work[2] = {NULL, NULL};
	size_t		n_apply = 0;
	size_t		i;

	if (raft_ready(n->raft, &rd) != RAFT_OK)
	{
		n->env->fatal = "the core gives no output";
		return;
	}
	if (rd.n_append > 0)
		append = dd_alloc(rd.n_append * sizeof(*append));
	for (i = 0; i < rd.n_append; i++)
	{
		append[i].term = rd.append[i].term;
		append[i].index = rd.append_first + i;
		append[i].payload = dd_payload_of(rd.append[i].type, rd.append[i].data);
		view_put(n, &append[i]);
	}
	if (rd.install != NULL)
	{
		snap = dd_alloc(sizeof(*snap));
		snap->meta = *rd.install;
	}
	if (rd.apply_hi > 0)
	{
		apply = view_range(n, rd.apply_lo, rd.apply_hi);
		n_apply = (size_t) (rd.apply_hi - rd.apply_lo + 1);
	}
	for (i = 0; i < rd.n_msgs; i++)
		dd_push(&msgs, from_core(n, &rd.msgs[i]));
	for (i = 0; i < rd.n_gated; i++)
	{
		struct dd_msg *d = from_core(n, &rd.gated[i]);

		dd_push(&gated, d);
		if (!n->async)
			dd_push(rd.gated[i].to == n->id ? &own : &msgs, d);
	}
	append_ans = append_answer(n, &rd, snap);
	apply_ans = apply_answer(n, apply, n_apply);
	if (n->async)
	{
		work[0] = append_work(n, &rd, append, snap, &gated, append_ans);
		work[1] = apply_work(n, apply, n_apply, apply_ans);
		for (i = 0; i < 2; i++)
			if (work[i] != NULL)
				dd_push(&msgs, work[i]);
	}
	describe_ready(n, &rd, append, apply, n_apply, &msgs);

	if (!n->async)
	{
		finish_sync(n, &rd, append, apply, n_apply, snap, &msgs, &own, append_ans,
					apply_ans);
		return;
	}
	for (i = 0; i < msgs.n; i++)
	{
		struct dd_msg *d = msgs.items[i];

		if (d->kind == DD_STORAGE_APPEND)
			dd_push(&n->append_work, d);
		else if (d->kind == DD_STORAGE_APPLY)
			dd_push(&n->apply_work, d);
		else
			dd_push(&n->env->msgs, d);
	}
}

/* ---------- the threads ---------- */

static void
run_thread(struct dd_node *n, struct dd_msg *work, bool append)
{
	struct dd_list responses = work->responses;
	struct dd_buf b = {0};
	size_t		i;

	memset(&work->responses, 0, sizeof(work->responses));
	dd_put_msg(&b, work);
	dd_write(n->env, "Processing:\n%s\n", b.data);
	dd_buf_free(&b);
	if (append)
		write_to_disk(n, work->entries, work->n_entries, work->snap);
	else
		apply_entries(n, work->entries, work->n_entries);
	if (dd_failed(n->env))
		return;
	dd_write(n->env, "Responses:\n");
	for (i = 0; i < responses.n; i++)
	{
		dd_put_msg(&b, responses.items[i]);
		dd_write(n->env, "%s\n", b.data);
		dd_buf_free(&b);
		dd_push(&n->env->msgs, responses.items[i]);
	}
}

void
dd_process_append_thread(struct dd_node *n)
{
	if (n->append_work.n == 0)
		dd_write(n->env, "no append work to perform");
	else
		run_thread(n, dd_shift(&n->append_work), true);
}

void
dd_process_apply_thread(struct dd_node *n)
{
	if (n->apply_work.n == 0)
		dd_write(n->env, "no apply work to perform");
	else
		run_thread(n, dd_shift(&n->apply_work), false);
}
