/*-------------------------------------------------------------------------
 *
 * dd_command.c
 *	  Scenario interpreter: the commands of interaction files.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/test/dd_command.c
 *
 *-------------------------------------------------------------------------
 */
#include "dd.h"

#include <strings.h>

#define U(x)	((unsigned long long) (x))

/* ---------- arguments ---------- */

/* The n-th argument as a node; NULL (and fatal) if it is none. */
static struct dd_node *
node_arg(struct dd_env *env, const struct dd_directive *d, int n)
{
	uint64_t	id;

	if (n >= d->n_args || !dd_number(d->args[n].key, &id))
	{
		env->fatal = "expected a node";
		return NULL;
	}
	return dd_node_at(env, id);
}

/* All arguments without value, as nodes. */
static void
node_args(struct dd_env *env, const struct dd_directive *d, struct dd_list *nodes)
{
	int			i;

	for (i = 0; i < d->n_args; i++)
		if (d->args[i].n_vals == 0)
		{
			struct dd_node *n = node_arg(env, d, i);

			if (n == NULL)
				return;
			dd_push(nodes, n);
		}
}

static uint64_t
number_val(struct dd_env *env, const char *s)
{
	uint64_t	n = 0;

	if (!dd_number(s, &n))
		env->fatal = "expected a number";
	return n;
}

static bool
bool_val(struct dd_env *env, const char *s)
{
	bool		b = false;

	if (!dd_bool(s, &b))
		env->fatal = "expected a truth value";
	return b;
}

/* ---------- add-nodes ---------- */

static void
default_options(struct dd_node_options *opt)
{
	struct raft_config *cfg = &opt->cfg;

	memset(opt, 0, sizeof(*opt));
	raft_config_default(cfg);
	cfg->election_tick = 3;
	cfg->snapshot_tick = 0;
	cfg->lease_margin_tick = 0;
	cfg->pre_vote = false;
	cfg->check_quorum = false;
	cfg->step_down_on_removal = false;
	cfg->vote_carries_commit = false;
	cfg->snapshot_at_applied = false;
	cfg->scripted = true;
	cfg->max_msg_bytes = RAFT_NO_LIMIT;
	cfg->max_inflight_bytes = RAFT_NO_LIMIT;
	cfg->max_apply_bytes = RAFT_NO_LIMIT;
	cfg->max_uncommitted_bytes = RAFT_NO_LIMIT;
	cfg->max_inflight_msgs = 4096;	/* more than any script has in flight */
}

static void
add_id(struct dd_env *env, raft_id *ids, uint8_t *n, const char *s)
{
	if (*n >= RAFT_MAX_MEMBERS)
		env->fatal = "too many members";
	else
		ids[(*n)++] = number_val(env, s);
}

static void
node_option(struct dd_env *env, struct dd_node_options *opt, const char *key, const char *val)
{
	struct raft_config *cfg = &opt->cfg;
	struct raft_conf *conf = &opt->snap.meta.conf;

	if (strcmp(key, "voters") == 0)
		add_id(env, conf->voters, &conf->n_voters, val);
	else if (strcmp(key, "learners") == 0)
		add_id(env, conf->learners, &conf->n_learners, val);
	else if (strcmp(key, "inflight") == 0)
		cfg->max_inflight_msgs = (uint32_t) Min(number_val(env, val), UINT64_C(1) << 20);
	else if (strcmp(key, "index") == 0)
		opt->snap.meta.index = number_val(env, val);
	else if (strcmp(key, "content") == 0)
	{
		opt->snap.data = val;
		opt->snap.size = strlen(val);
	}
	else if (strcmp(key, "async-storage-writes") == 0)
		opt->async = bool_val(env, val);
	else if (strcmp(key, "prevote") == 0)
		cfg->pre_vote = bool_val(env, val);
	else if (strcmp(key, "checkquorum") == 0)
		cfg->check_quorum = bool_val(env, val);
	else if (strcmp(key, "max-committed-size-per-ready") == 0)
	{
		cfg->max_apply_bytes = number_val(env, val);
		if (cfg->max_apply_bytes == 0)
			cfg->max_apply_bytes = cfg->max_msg_bytes;
	}
	else if (strcmp(key, "disable-conf-change-validation") == 0)
		cfg->no_conf_validation = bool_val(env, val);
	else if (strcmp(key, "step-down-on-removal") == 0)
		cfg->step_down_on_removal = bool_val(env, val);
	else if (strcmp(key, "read-only") == 0)
	{
		if (strcmp(val, "lease-based") == 0)
			cfg->lease_reads = true;
		else if (strcmp(val, "safe") == 0)
			cfg->lease_reads = false;
		else
			dd_error(env, "invalid read-only option \"%s\"", val);
	}
}

static void
add_nodes(struct dd_env *env, const struct dd_directive *d)
{
	struct dd_node_options opt;
	uint64_t	count = 0;
	int			i;
	int			j;

	if (d->n_args == 0 || !dd_number(d->args[0].key, &count))
	{
		env->fatal = "expected a number of nodes";
		return;
	}
	default_options(&opt);
	for (i = 1; i < d->n_args; i++)
		for (j = 0; j < d->args[i].n_vals && !dd_failed(env); j++)
			node_option(env, &opt, d->args[i].key, d->args[i].vals[j]);
	opt.cfg.apply_unstable = !opt.async;
	opt.bootstrap = opt.snap.meta.conf.n_voters > 0 ||
		opt.snap.meta.conf.n_learners > 0 || opt.snap.meta.index != 0 ||
		opt.snap.size > 0;
	for (; count > 0 && !dd_failed(env); count--)
		dd_add_node(env, &opt);
}

/* ---------- delivery ---------- */

static bool
is_local(const struct dd_msg *m)
{
	return m->kind != DD_WIRE || m->m.from == m->m.to;
}

static bool
selects(const struct dd_msg *m, raft_id to, int type, bool drop)
{
	return m->m.to == to && !(drop && is_local(m)) &&
		(type < 0 || dd_type_number(m) == type);
}

/* Take the messages to one recipient out of the network. */
static void
take_msgs(struct dd_env *env, raft_id to, int type, bool drop, struct dd_list *taken)
{
	struct dd_list rest = {0};
	size_t		i;

	for (i = 0; i < env->msgs.n; i++)
		dd_push(selects(env->msgs.items[i], to, type, drop) ? taken : &rest,
				env->msgs.items[i]);
	env->msgs = rest;
}

/* Deliver or drop them; returns how many there were. */
static size_t
deliver_to(struct dd_env *env, raft_id to, int type, bool drop)
{
	struct dd_list taken = {0};
	size_t		i;

	take_msgs(env, to, type, drop, &taken);
	for (i = 0; i < taken.n && env->fatal == NULL; i++)
	{
		struct dd_buf b = {0};

		dd_put_msg(&b, taken.items[i]);
		dd_write(env, "%s%s\n", drop ? "dropped: " : "", b.data);
		dd_buf_free(&b);
		if (!drop)
			dd_deliver(env, taken.items[i]);
	}
	return taken.n;
}

static void
deliver_msgs(struct dd_env *env, const struct dd_directive *d)
{
	struct
	{
		raft_id		id;
		bool		drop;
	}			to[DD_MAX_ARGS * 2];
	int			n_to = 0;
	int			type = -1;
	size_t		count = 0;
	int			i;
	int			j;

	for (i = 0; i < d->n_args; i++)
	{
		const struct dd_arg *arg = &d->args[i];

		if (arg->n_vals == 0 && n_to < DD_MAX_ARGS * 2)
		{
			to[n_to].id = number_val(env, arg->key);
			to[n_to++].drop = false;
		}
		for (j = 0; j < arg->n_vals; j++)
		{
			if (strcmp(arg->key, "drop") == 0 && n_to < DD_MAX_ARGS * 2)
			{
				to[n_to].id = number_val(env, arg->vals[j]);
				to[n_to++].drop = true;
			}
			else if (strcmp(arg->key, "type") == 0)
			{
				type = dd_type_by_name(arg->vals[j]);
				if (type < 0)
					env->fatal = "unknown message type";
			}
		}
	}
	for (i = 0; i < n_to && env->fatal == NULL; i++)
		count += deliver_to(env, to[i].id, type, to[i].drop);
	if (count == 0)
		dd_write(env, "no messages\n");
}

/* ---------- work of the nodes ---------- */

enum dd_work
{
	WORK_READY,
	WORK_DELIVER,
	WORK_APPEND,
	WORK_APPLY
};

static const char *const work_names[] = {
	"handling Ready", "receiving messages", "processing append thread",
	"processing apply thread"
};

static void
do_work(struct dd_node *n, enum dd_work work)
{
	switch (work)
	{
		case WORK_READY:
			dd_process_ready(n);
			break;
		case WORK_DELIVER:
			deliver_to(n->env, n->id, -1, false);
			break;
		case WORK_APPEND:
			dd_process_append_thread(n);
			break;
		case WORK_APPLY:
			dd_process_apply_thread(n);
			break;
	}
}

/* The output of one piece of work is indented. */
static void
do_indented(struct dd_node *n, enum dd_work work)
{
	struct dd_env *env = n->env;
	struct dd_buf *outer = env->out;
	struct dd_buf inner = {0};

	env->out = &inner;
	do_work(n, work);
	env->out = outer;
	if (inner.n > 0)
		dd_put_indented(outer, inner.data, inner.n);
	dd_buf_free(&inner);
}

static void
work_header(struct dd_node *n, enum dd_work work)
{
	dd_write(n->env, "> %llu %s\n", U(n->id), work_names[work]);
}

static void
process(struct dd_env *env, const struct dd_directive *d, enum dd_work work)
{
	struct dd_list nodes = {0};
	size_t		i;

	node_args(env, d, &nodes);
	for (i = 0; i < nodes.n && !dd_failed(env); i++)
	{
		if (nodes.n == 1)
		{
			do_work(nodes.items[i], work);
			continue;
		}
		work_header(nodes.items[i], work);
		do_indented(nodes.items[i], work);
	}
}

static bool
has_work(struct dd_node *n, enum dd_work work)
{
	size_t		i;

	switch (work)
	{
		case WORK_READY:
			return raft_has_ready(n->raft);
		case WORK_DELIVER:
			for (i = 0; i < n->env->msgs.n; i++)
				if (selects(n->env->msgs.items[i], n->id, -1, false))
					return true;
			return false;
		case WORK_APPEND:
			return n->append_work.n > 0;
		case WORK_APPLY:
			return n->apply_work.n > 0;
	}
	return false;
}

static void
stabilize(struct dd_env *env, const struct dd_list *nodes)
{
	bool		idle = false;

	while (!idle && !dd_failed(env))
	{
		enum dd_work work;
		size_t		i;

		idle = true;
		for (work = WORK_READY; work <= WORK_APPLY; work++)
			for (i = 0; i < nodes->n; i++)
			{
				struct dd_node *n = nodes->items[i];

				if (!has_work(n, work))
					continue;
				idle = false;
				work_header(n, work);
				do
				{
					do_indented(n, work);
					if (dd_failed(env))
						return;
				} while ((work == WORK_APPEND || work == WORK_APPLY) &&
						 has_work(n, work));
			}
	}
}

static bool
set_level(struct dd_env *env, const char *name)
{
	static const char *const names[] = {"DEBUG", "INFO", "WARN", "ERROR", "FATAL", "NONE"};
	int			i;

	for (i = DD_DEBUG; i <= DD_NONE; i++)
		if (strcasecmp(name, names[i]) == 0)
		{
			env->level = i;
			return true;
		}
	dd_error(env, "log levels must be either of [DEBUG INFO WARN ERROR FATAL NONE]");
	return false;
}

static void
stabilize_command(struct dd_env *env, const struct dd_directive *d)
{
	const struct dd_arg *level = dd_find_arg(d, "log-level");
	struct dd_list nodes = {0};
	int			before = env->level;

	node_args(env, d, &nodes);
	if (nodes.n == 0)
		nodes = env->nodes;
	if (env->fatal == NULL &&
		(level == NULL || level->n_vals == 0 || set_level(env, level->vals[0])))
		stabilize(env, &nodes);
	env->level = before;
}

/* ---------- proposals ---------- */

static void
propose_payload(struct dd_env *env, struct dd_node *n, const struct dd_payload *p)
{
	struct raft_entry e;

	memset(&e, 0, sizeof(e));
	e.type = p->type == DD_NORMAL ? RAFT_ENTRY_NORMAL : RAFT_ENTRY_CONF;
	e.size = (uint32_t) p->size;
	e.data = p;
	if (p->type != DD_NORMAL)
		e.change = &p->change;
	dd_proposal_result(env, raft_propose(n->raft, &e, 1, NULL));
}

static void
propose(struct dd_env *env, const struct dd_directive *d)
{
	struct dd_node *n = node_arg(env, d, 0);
	struct dd_payload *p;

	if (n == NULL)
		return;
	if (d->n_args != 2 || d->args[1].n_vals > 0)
	{
		env->fatal = "expected exactly one key with no vals";
		return;
	}
	p = dd_alloc(sizeof(*p));
	p->type = DD_NORMAL;
	p->data = d->args[1].key;
	p->size = strlen(p->data);
	propose_payload(env, n, p);
}

static bool
transition_val(struct dd_env *env, const char *val, enum raft_transition *t)
{
	if (strcmp(val, "auto") == 0)
		*t = RAFT_TRANSITION_AUTO;
	else if (strcmp(val, "implicit") == 0)
		*t = RAFT_TRANSITION_IMPLICIT;
	else if (strcmp(val, "explicit") == 0)
		*t = RAFT_TRANSITION_EXPLICIT;
	else
	{
		dd_error(env, "unknown transition %s", val);
		return false;
	}
	return true;
}

static void
propose_conf_change(struct dd_env *env, const struct dd_directive *d)
{
	struct dd_node *n = node_arg(env, d, 0);
	struct dd_payload *p = dd_alloc(sizeof(*p));
	enum raft_transition transition = RAFT_TRANSITION_AUTO;
	bool		v1 = false;
	int			i;
	int			j;

	for (i = 1; i < d->n_args && n != NULL; i++)
		for (j = 0; j < d->args[i].n_vals; j++)
		{
			const char *val = d->args[i].vals[j];

			if (strcmp(d->args[i].key, "v1") == 0)
			{
				if (!dd_bool(val, &v1))
				{
					dd_error(env, "strconv.ParseBool: parsing \"%s\": invalid syntax", val);
					return;
				}
			}
			else if (strcmp(d->args[i].key, "transition") == 0)
			{
				if (!transition_val(env, val, &transition))
					return;
			}
			else
			{
				dd_error(env, "unknown command %s", d->args[i].key);
				return;
			}
		}
	if (n == NULL || !dd_parse_changes(d->input, &p->change, &env->error))
		return;

	p->type = v1 ? DD_CONF_V1 : DD_CONF_V2;
	p->change.transition = transition;
	p->data = d->input;
	p->size = strlen(d->input);
	if (v1 && (p->change.n > 1 || transition != RAFT_TRANSITION_AUTO))
	{
		dd_error(env, "v1 conf change can only have one operation and no transition");
		return;
	}
	if (v1 && p->change.n == 0)
	{
		env->fatal = "v1 conf change without operation";
		return;
	}
	propose_payload(env, n, p);
}

/* ---------- looking ---------- */

static void
raft_state(struct dd_env *env)
{
	size_t		i;

	for (i = 0; i < env->nodes.n; i++)
	{
		struct dd_node *n = env->nodes.items[i];
		struct raft_status st;
		struct raft_conf conf;

		raft_status(n->raft, &st);
		raft_current_conf(n->raft, &conf);
		dd_write(env, "%llu: %s (%s) Term:%llu Lead:%llu\n", U(st.id),
				 dd_role_name(st.role),
				 raft_conf_has_voter(&conf, st.id) ? "Voter" : "Non-Voter",
				 U(st.term), U(st.leader));
	}
}

static void
status(struct dd_env *env, struct dd_node *n)
{
	struct raft_peer_status peers[RAFT_MAX_PEERS];
	struct raft_status st;
	size_t		count;
	size_t		i;

	raft_status(n->raft, &st);
	if (st.role != RAFT_LEADER)
		return;
	count = raft_peers(n->raft, peers, RAFT_MAX_PEERS);
	for (i = 0; i < count; i++)
	{
		struct dd_buf b = {0};

		dd_put_progress(&b, &peers[i]);
		dd_write(env, "%llu: %s\n", U(peers[i].id), b.data);
		dd_buf_free(&b);
	}
}

/* ---------- the rest ---------- */

static void
send_snapshot(struct dd_env *env, const struct dd_directive *d)
{
	struct dd_list nodes = {0};
	struct dd_node *from;
	struct dd_node *to;
	struct raft_status st;
	struct dd_msg *m;
	struct dd_buf b = {0};

	node_args(env, d, &nodes);
	if (nodes.n != 2)
	{
		env->fatal = "expected two nodes";
		return;
	}
	from = nodes.items[0];
	to = nodes.items[1];
	raft_status(from->raft, &st);
	m = dd_alloc(sizeof(*m));
	m->kind = DD_WIRE;
	m->m.type = RAFT_MSG_SNAP;
	m->m.term = st.term;
	m->m.from = from->id;
	m->m.to = to->id;
	m->snap = from->history.items[from->history.n - 1];
	dd_push(&env->msgs, m);
	dd_put_msg(&b, m);
	dd_write(env, "%s", b.data);
	dd_buf_free(&b);
}

static void
transfer_leadership(struct dd_env *env, const struct dd_directive *d)
{
	const struct dd_arg *from = dd_find_arg(d, "from");
	const struct dd_arg *to = dd_find_arg(d, "to");
	struct dd_node *n;
	struct dd_node *target;

	if (from == NULL || to == NULL || from->n_vals != 1 || to->n_vals != 1)
	{
		env->fatal = "expected from and to";
		return;
	}
	n = dd_node_at(env, number_val(env, from->vals[0]));
	target = dd_node_at(env, number_val(env, to->vals[0]));
	if (n != NULL && target != NULL)
		(void) raft_transfer(n->raft, target->id);
}

static void
report_unreachable(struct dd_env *env, const struct dd_directive *d)
{
	struct dd_list nodes = {0};

	node_args(env, d, &nodes);
	if (env->fatal != NULL)
		return;
	if (nodes.n != 2)
	{
		dd_error(env, "must specify exactly two node indexes: node on which to report, "
				 "and reported node");
		return;
	}
	(void) raft_report_unreachable(((struct dd_node *) nodes.items[0])->raft,
								   ((struct dd_node *) nodes.items[1])->id);
}

static void
tick(struct dd_node *n, uint32_t times)
{
	for (; times > 0; times--)
		(void) raft_tick(n->raft);
}

static void
set_timeout(struct dd_env *env, const struct dd_directive *d, struct dd_node *n)
{
	const struct dd_arg *timeout = dd_find_arg(d, "timeout");

	if (timeout == NULL || timeout->n_vals != 1 ||
		raft_set_election_timeout(n->raft,
								  (uint32_t) number_val(env, timeout->vals[0])) != RAFT_OK)
		env->fatal = "expected a timeout";
}

/* Commands whose first argument is the node they are about. */
static bool
node_command(struct dd_env *env, const struct dd_directive *d)
{
	static const char *const names[] = {
		"campaign", "forget-leader", "tick-election", "tick-heartbeat", "status",
		"raft-log", "compact", "set-randomized-election-timeout"
	};
	struct dd_node *n;
	int			which;

	for (which = 0; which < (int) (sizeof(names) / sizeof(names[0])); which++)
		if (strcmp(d->cmd, names[which]) == 0)
			break;
	if (which == (int) (sizeof(names) / sizeof(names[0])))
		return false;
	n = node_arg(env, d, 0);
	if (n == NULL)
		return true;
	switch (which)
	{
		case 0:
			(void) raft_campaign(n->raft);
			break;
		case 1:
			(void) raft_forget_leader(n->raft);
			break;
		case 2:
			tick(n, n->election_tick);
			break;
		case 3:
			tick(n, n->heartbeat_tick);
			break;
		case 4:
			status(env, n);
			break;
		case 5:
			dd_raft_log(n);
			break;
		case 6:
			if (d->n_args < 2)
				env->fatal = "expected an index";
			else
				dd_compact(n, number_val(env, d->args[1].key));
			break;
		case 7:
			set_timeout(env, d, n);
			break;
	}
	return true;
}

/* Run one command; its output is in env->out. */
bool
dd_command(struct dd_env *env, const struct dd_directive *d)
{
	if (strcmp(d->cmd, "_breakpoint") == 0 || strcmp(d->cmd, "_breakpoint:") == 0)
		return true;
	if (strcmp(d->cmd, "add-nodes") == 0)
		add_nodes(env, d);
	else if (strcmp(d->cmd, "deliver-msgs") == 0)
		deliver_msgs(env, d);
	else if (strcmp(d->cmd, "process-ready") == 0)
		process(env, d, WORK_READY);
	else if (strcmp(d->cmd, "process-append-thread") == 0)
		process(env, d, WORK_APPEND);
	else if (strcmp(d->cmd, "process-apply-thread") == 0)
		process(env, d, WORK_APPLY);
	else if (strcmp(d->cmd, "stabilize") == 0)
		stabilize_command(env, d);
	else if (strcmp(d->cmd, "propose") == 0)
		propose(env, d);
	else if (strcmp(d->cmd, "propose-conf-change") == 0)
		propose_conf_change(env, d);
	else if (strcmp(d->cmd, "raft-state") == 0)
		raft_state(env);
	else if (strcmp(d->cmd, "send-snapshot") == 0)
		send_snapshot(env, d);
	else if (strcmp(d->cmd, "transfer-leadership") == 0)
		transfer_leadership(env, d);
	else if (strcmp(d->cmd, "report-unreachable") == 0)
		report_unreachable(env, d);
	else if (strcmp(d->cmd, "log-level") == 0)
	{
		if (d->n_args == 0)
			env->fatal = "expected a log level";
		else
			set_level(env, d->args[0].key);
	}
	else
		return node_command(env, d);
	return true;
}
