/*-------------------------------------------------------------------------
 *
 * unit_host.c
 *	  Unit tests: the host and the network.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/test/unit_host.c
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

/* ---------- memory that lives until the test is over ---------- */

static void *kept[1 << 20];
static size_t n_kept;
static struct host *hosts[1024];
static size_t n_hosts;

static void *
keep(size_t size)
{
	void	   *p = calloc(1, size > 0 ? size : 1);

	if (p == NULL || n_kept == sizeof(kept) / sizeof(kept[0]))
	{
		fprintf(stderr, "out of memory\n");
		exit(2);
	}
	kept[n_kept++] = p;
	return p;
}

void		unit_release(void);

void
unit_release(void)
{
	while (n_hosts > 0)
		raft_free(hosts[--n_hosts]->r);
	while (n_kept > 0)
		free(kept[--n_kept]);
}

/* ---------- a host ---------- */

void
host_config(struct raft_config *cfg, raft_id id)
{
	raft_config_default(cfg);
	cfg->id = id;
	cfg->seed = 42;
	cfg->pre_vote = false;
	cfg->check_quorum = false;
}

struct raft_conf
conf_of(int n_voters)
{
	struct raft_conf conf;
	int			i;

	memset(&conf, 0, sizeof(conf));
	for (i = 0; i < n_voters; i++)
		conf.voters[i] = (raft_id) i + 1;
	conf.n_voters = (uint8_t) n_voters;
	return conf;
}

static bool
boot(struct host *h)
{
	const struct host_disk *d = &h->disk;
	struct raft_run runs[HOST_LOG];
	raft_index	confs[HOST_LOG];
	struct raft_boot b;
	raft_index	i;
	size_t		n = 0;
	size_t		n_confs = 0;

	memset(&b, 0, sizeof(b));
	for (i = d->base + 1; i <= d->last; i++)
	{
		if (n == 0 || runs[n - 1].term != d->log[i].term)
		{
			memset(&runs[n], 0, sizeof(runs[n]));
			runs[n].first = i;
			runs[n++].term = d->log[i].term;
		}
		runs[n - 1].count++;
		runs[n - 1].bytes += d->log[i].size;
		if (d->log[i].type == RAFT_ENTRY_CONF && i > d->applied)
			confs[n_confs++] = i;
	}
	b.term = d->term;
	b.vote = d->vote;
	b.commit = d->commit;
	b.applied = d->applied;
	b.base_index = d->base;
	b.base_term = d->base_term;
	b.conf = d->conf;
	b.runs = runs;
	b.n_runs = n;
	b.conf_entries = confs;
	b.n_conf_entries = n_confs;
	h->mem = h->disk;
	h->apply_hi = d->applied;
	h->n_writes = 0;
	h->fatal = false;
	return raft_new(&h->cfg, &b, NULL, &h->r) == RAFT_OK;
}

struct host *
host_new_conf(const struct raft_config *cfg, const struct raft_conf *conf)
{
	struct host *h = keep(sizeof(*h));

	h->cfg = *cfg;
	h->disk.conf = *conf;
	if (conf->n_voters > 0)
	{
		h->disk.base = h->disk.last = h->disk.commit = h->disk.applied = 1;
		h->disk.base_term = h->disk.term = 1;
	}
	if (n_hosts == sizeof(hosts) / sizeof(hosts[0]) || !boot(h))
	{
		fprintf(stderr, "a host does not start\n");
		exit(2);
	}
	hosts[n_hosts++] = h;
	return h;
}

struct host *
host_new_cfg(const struct raft_config *cfg, int n_voters)
{
	struct raft_conf conf = conf_of(n_voters);

	return host_new_conf(cfg, &conf);
}

struct host *
host_new(raft_id id, int n_voters)
{
	struct raft_config cfg;

	host_config(&cfg, id);
	return host_new_cfg(&cfg, n_voters);
}

/* A crash: what was not durable is gone. */
bool
host_restart(struct host *h)
{
	raft_free(h->r);
	h->r = NULL;
	h->n_out = 0;
	h->n_reads = 0;
	h->cfg.seed++;
	return boot(h);
}

void
host_clear(struct host *h)
{
	h->n_out = 0;
	h->n_reads = 0;
}

/* Do to a disk what a write says. */
static void
write_disk(struct host_disk *d, const struct host_write *w)
{
	size_t		i;

	d->term = w->term;
	d->vote = w->vote;
	d->commit = w->commit;
	if (w->install)
	{
		d->base = d->last = w->snap.index;
		d->base_term = w->snap.term;
		d->applied = w->snap.index;
		d->conf = w->snap.conf;
	}
	for (i = 0; i < w->n; i++)
		d->log[w->first + i] = w->entries[i];
	if (w->n > 0)
		d->last = w->first + w->n - 1;
}

void
host_persist_to(struct host *h, raft_seq seq)
{
	size_t		done = 0;

	while (done < h->n_writes && h->writes[done].seq <= seq)
	{
		raft_index	applied = h->disk.applied;

		write_disk(&h->disk, &h->writes[done]);
		if (!h->writes[done].install)
			h->disk.applied = applied;
		done++;
	}
	h->n_writes -= done;
	memmove(h->writes, h->writes + done, h->n_writes * sizeof(h->writes[0]));
	if (raft_persisted(h->r, seq) != RAFT_OK)
		h->fatal = true;
}

void
host_persist(struct host *h)
{
	if (h->n_writes > 0)
		host_persist_to(h, h->writes[h->n_writes - 1].seq);
}

/* Apply up to an index, answering configuration entries. */
void
host_apply_to(struct host *h, raft_index index)
{
	raft_index	i;

	for (i = h->mem.applied + 1; i <= index; i++)
	{
		const struct host_entry *e = &h->mem.log[i];

		if (e->type == RAFT_ENTRY_CONF &&
			raft_apply_conf(h->r, i, e->data, &h->mem.conf) != RAFT_OK &&
			raft_cancel_conf(h->r, i) != RAFT_OK)
			h->fatal = true;
	}
	if (index < h->mem.applied)
		return;
	h->mem.applied = index;
	h->disk.applied = index;
	h->disk.conf = h->mem.conf;
	if (raft_applied(h->r, index) != RAFT_OK)
		h->fatal = true;
}

void
host_apply(struct host *h)
{
	if (h->apply_hi > h->mem.applied)
		host_apply_to(h, h->apply_hi);
}

static void
take_write(struct host *h, const struct raft_ready *rd)
{
	struct host_write *w = &h->writes[h->n_writes++];
	size_t		i;

	memset(w, 0, sizeof(*w));
	w->seq = rd->seq;
	w->term = rd->term;
	w->vote = rd->vote;
	w->commit = rd->commit;
	w->first = rd->append_first;
	w->n = rd->n_append;
	w->entries = keep(rd->n_append * sizeof(struct host_entry));
	for (i = 0; i < rd->n_append; i++)
	{
		w->entries[i].term = rd->append[i].term;
		w->entries[i].size = rd->append[i].size;
		w->entries[i].type = rd->append[i].type;
		w->entries[i].data = rd->append[i].data;
	}
	if (rd->install != NULL)
	{
		w->install = true;
		w->snap = *rd->install;
		h->apply_hi = rd->install->index;
	}
	write_disk(&h->mem, w);
}

static void
take_msgs(struct host *h, const struct raft_ready *rd)
{
	size_t		i;
	uint32_t	k;

	for (i = 0; i < rd->n_msgs && h->n_out < HOST_MSGS; i++)
	{
		struct host_msg *out = &h->out[h->n_out++];
		const struct raft_msg *m = &rd->msgs[i];
		raft_index	lo = 0;
		raft_index	hi = 0;

		memset(out, 0, sizeof(*out));
		out->m = *m;
		if (m->n_entries > 0)
			out->entries = keep(m->n_entries * sizeof(struct host_entry));
		if (m->type == RAFT_MSG_APP && raft_send_range(h->r, m, &lo, &hi) != RAFT_OK)
			h->fatal = true;
		for (k = 0; k < m->n_entries; k++)
		{
			if (m->type == RAFT_MSG_APP)
				out->entries[k] = h->mem.log[lo + k];
			else
			{
				out->entries[k].type = m->entries[k].type;
				out->entries[k].size = m->entries[k].size;
				out->entries[k].data = m->entries[k].data;
			}
		}
		if (m->snap != NULL)
			out->snap = *m->snap;
		out->m.entries = NULL;
		out->m.snap = NULL;
	}
}

/* Handle readies until there are none. */
void
host_pump(struct host *h)
{
	struct raft_ready rd;
	size_t		i;

	while (!h->fatal && raft_has_ready(h->r))
	{
		if (raft_ready(h->r, &rd) != RAFT_OK)
		{
			h->fatal = true;
			return;
		}
		h->n_ready++;
		if (rd.has_write)
			take_write(h, &rd);
		take_msgs(h, &rd);
		for (i = 0; i < rd.n_reads; i++)
			h->reads[h->n_reads++] = rd.reads[i];
		if (rd.apply_hi > 0)
			h->apply_hi = rd.apply_hi;
		if (!h->hold_disk)
			host_persist(h);
		if (!h->hold_apply)
			host_apply(h);
		if (raft_check(h->r) != RAFT_OK)
			h->fatal = true;
	}
}

void
host_tick(struct host *h, int n)
{
	for (; n > 0; n--)
	{
		if (raft_tick(h->r) != RAFT_OK)
			h->fatal = true;
		host_pump(h);
	}
}

/* Win an election with the votes of everyone. */
void
host_elect(struct host *h)
{
	struct raft_conf conf;
	struct raft_status st;
	int			i;

	raft_current_conf(h->r, &conf);
	(void) raft_campaign(h->r);
	host_pump(h);
	st = host_status(h);
	if (st.role == RAFT_PRE_CANDIDATE)
	{
		for (i = 0; i < conf.n_voters; i++)
			if (conf.voters[i] != st.id)
				(void) host_vote_resp(h, RAFT_MSG_PRE_VOTE_RESP, conf.voters[i],
									  st.term + 1, false);
		host_pump(h);
		st = host_status(h);
	}
	for (i = 0; i < conf.n_voters; i++)
		if (conf.voters[i] != st.id)
			(void) host_vote_resp(h, RAFT_MSG_VOTE_RESP, conf.voters[i], st.term, false);
	host_pump(h);
}

/* ---------- looking ---------- */

struct raft_status
host_status(const struct host *h)
{
	struct raft_status st;

	raft_status(h->r, &st);
	return st;
}

struct raft_peer_status
host_peer(const struct host *h, raft_id id)
{
	struct raft_peer_status peers[RAFT_MAX_PEERS];
	struct raft_peer_status none;
	size_t		n = raft_peers(h->r, peers, RAFT_MAX_PEERS);
	size_t		i;

	for (i = 0; i < n; i++)
		if (peers[i].id == id)
			return peers[i];
	memset(&none, 0, sizeof(none));
	return none;
}

struct raft_conf
host_conf(const struct host *h)
{
	struct raft_conf conf;

	raft_current_conf(h->r, &conf);
	return conf;
}

const struct raft_msg *
host_sent(const struct host *h, int type, raft_id to)
{
	size_t		i;

	for (i = h->n_out; i > 0; i--)
		if (h->out[i - 1].m.type == type && (to == 0 || h->out[i - 1].m.to == to))
			return &h->out[i - 1].m;
	return NULL;
}

size_t
host_count(const struct host *h, int type, raft_id to)
{
	size_t		count = 0;
	size_t		i;

	for (i = 0; i < h->n_out; i++)
		count += h->out[i].m.type == type && (to == 0 || h->out[i].m.to == to);
	return count;
}

/* ---------- feeding ---------- */

/* The message must say who it is from; the rest of the envelope is added. */
enum raft_rc
host_msg(struct host *h, const struct raft_msg *m)
{
	struct raft_msg copy = *m;
	enum raft_rc rc;

	copy.to = h->cfg.id;
	rc = raft_step(h->r, &copy, NULL);
	host_pump(h);
	return rc;
}

enum raft_rc
host_append(struct host *h, raft_id from, raft_term term, raft_index prev,
			raft_term prev_term, raft_index commit, const char *terms)
{
	struct raft_entry *e = keep((strlen(terms) + 1) * sizeof(*e));
	struct raft_msg m;
	enum raft_rc rc;
	size_t		i;

	memset(&m, 0, sizeof(m));
	m.type = RAFT_MSG_APP;
	m.from = from;
	m.to = h->cfg.id;
	m.term = term;
	m.index = prev;
	m.log_term = prev_term;
	m.commit = commit;
	m.n_entries = (uint32_t) strlen(terms);
	for (i = 0; i < m.n_entries; i++)
		e[i].term = (raft_term) (terms[i] - '0');
	rc = raft_step(h->r, &m, e);
	host_pump(h);
	return rc;
}

enum raft_rc
host_heartbeat(struct host *h, raft_id from, raft_term term, raft_index commit)
{
	struct raft_msg m = {.type = RAFT_MSG_HEARTBEAT,.from = from,.term = term,
	.commit = commit};

	return host_msg(h, &m);
}

enum raft_rc
host_ack(struct host *h, raft_id from, raft_index index)
{
	struct raft_msg m = {.type = RAFT_MSG_APP_RESP,.from = from,.index = index};

	m.term = host_status(h).term;
	return host_msg(h, &m);
}

enum raft_rc
host_reject(struct host *h, raft_id from, raft_index index, raft_index hint,
			raft_term hint_term)
{
	struct raft_msg m = {.type = RAFT_MSG_APP_RESP,.from = from,.index = index,
	.reject = true,.hint = hint,.log_term = hint_term};

	m.term = host_status(h).term;
	return host_msg(h, &m);
}

enum raft_rc
host_vote(struct host *h, int type, raft_id from, raft_term term, raft_index last,
		  raft_term last_term)
{
	struct raft_msg m = {.from = from,.term = term,.index = last,.log_term = last_term};

	m.type = (uint8_t) type;
	return host_msg(h, &m);
}

enum raft_rc
host_vote_resp(struct host *h, int type, raft_id from, raft_term term, bool reject)
{
	struct raft_msg m = {.from = from,.term = term,.reject = reject};

	m.type = (uint8_t) type;
	return host_msg(h, &m);
}

enum raft_rc
host_propose(struct host *h, uint32_t size, raft_index *index)
{
	struct raft_entry e = {.size = size,.data = "payload"};
	enum raft_rc rc;

	rc = raft_propose(h->r, &e, 1, index);
	host_pump(h);
	return rc;
}

enum raft_rc
host_change(struct host *h, const struct raft_conf_change *cc, raft_index *index)
{
	enum raft_rc rc = raft_propose_conf(h->r, cc, cc, sizeof(*cc), index);

	host_pump(h);
	return rc;
}

/* "v1 l2 r3" */
const struct raft_conf_change *
change_of(const char *text, enum raft_transition t)
{
	struct raft_conf_change *cc = keep(sizeof(*cc));

	cc->transition = t;
	while (*text != '\0')
	{
		struct raft_change *c = &cc->changes[cc->n++];

		c->type = *text == 'v' ? RAFT_ADD_VOTER : *text == 'l' ? RAFT_ADD_LEARNER :
			*text == 'r' ? RAFT_REMOVE : RAFT_UPDATE;
		c->id = strtoull(text + 1, (char **) &text, 10);
		while (*text == ' ')
			text++;
	}
	return cc;
}

/* ---------- a network ---------- */

struct net *
net_new_cfg(int n, void (*mod) (struct raft_config *cfg))
{
	struct net *net = keep(sizeof(*net));
	int			i;

	net->n = n;
	for (i = 0; i < n; i++)
	{
		struct raft_config cfg;

		host_config(&cfg, (raft_id) i + 1);
		if (mod != NULL)
			mod(&cfg);
		net->h[i] = host_new_cfg(&cfg, n);
	}
	return net;
}

struct net *
net_new(int n)
{
	return net_new_cfg(n, NULL);
}

/* A member that waits to be contacted: empty log, no configuration. */
struct host *
net_add(struct net *net, const struct raft_config *cfg)
{
	struct raft_conf none;

	memset(&none, 0, sizeof(none));
	net->h[cfg->id - 1] = host_new_conf(cfg, &none);
	net->n = (int) Max((raft_id) net->n, cfg->id);
	return net->h[cfg->id - 1];
}

static void
deliver(struct net *net, const struct host_msg *out)
{
	struct host *to = out->m.to <= (raft_id) net->n ? net->h[out->m.to - 1] : NULL;
	struct raft_entry *e = NULL;
	struct raft_msg m = out->m;
	uint32_t	i;

	if (to == NULL || net->cut[m.from - 1][m.to - 1] || m.type == net->drop_type)
		return;
	if (m.n_entries > 0)
		e = keep(m.n_entries * sizeof(*e));
	for (i = 0; i < m.n_entries; i++)
	{
		e[i].term = out->entries[i].term;
		e[i].size = out->entries[i].size;
		e[i].type = out->entries[i].type;
		e[i].data = out->entries[i].data;
		if (e[i].type == RAFT_ENTRY_CONF)
			e[i].change = e[i].data;
	}
	if (m.type == RAFT_MSG_SNAP)
		m.snap = &out->snap;
	if (raft_step(to->r, &m, e) == RAFT_FATAL)
		to->fatal = true;
	host_pump(to);
}

/* Until nothing is under way any more. */
void
net_run(struct net *net)
{
	bool		idle = false;
	int			rounds = 0;
	int			i;

	while (!idle && rounds++ < 2000)
	{
		idle = true;
		for (i = 0; i < net->n; i++)
		{
			struct host *h = net->h[i];
			struct host_msg *batch;
			size_t		n;
			size_t		k;

			if (h == NULL)
				continue;
			host_pump(h);
			n = h->n_out;
			if (n == 0)
				continue;
			idle = false;
			batch = keep(n * sizeof(*batch));
			memcpy(batch, h->out, n * sizeof(*batch));
			h->n_out = 0;
			for (k = 0; k < n; k++)
				deliver(net, &batch[k]);
		}
	}
}

/*
 * The same on a network that delivers in any order: always one of all messages
 * on their way, until there is none.  Returns how many were delivered, limit if
 * it gave up.
 */
size_t
net_run_shuffled(struct net *net, uint64_t seed, size_t limit)
{
	struct host_msg *pool = keep(HOST_MSGS * sizeof(*pool));
	size_t		n = 0;
	size_t		delivered;

	for (delivered = 0; delivered < limit; delivered++)
	{
		size_t		k;
		int			i;

		for (i = 0; i < net->n; i++)
		{
			struct host *h = net->h[i];

			if (h == NULL)
				continue;
			host_pump(h);
			if (n + h->n_out > HOST_MSGS)
				return limit;
			memcpy(pool + n, h->out, h->n_out * sizeof(*pool));
			n += h->n_out;
			h->n_out = 0;
		}
		if (n == 0)
			break;
		k = (size_t) (raft_random(&seed) % n);
		deliver(net, &pool[k]);
		pool[k] = pool[--n];
	}
	return delivered;
}

void
net_tick(struct net *net, int n)
{
	int			i;

	for (; n > 0; n--)
	{
		for (i = 0; i < net->n; i++)
			if (net->h[i] != NULL)
				host_tick(net->h[i], 1);
		net_run(net);
	}
}

void
net_isolate(struct net *net, raft_id id)
{
	int			i;

	for (i = 0; i < NET_MAX; i++)
	{
		net->cut[id - 1][i] = true;
		net->cut[i][id - 1] = true;
	}
}

void
net_heal(struct net *net)
{
	memset(net->cut, 0, sizeof(net->cut));
	net->drop_type = 0;
}

/* The leader of the highest term; 0 if there is none. */
raft_id
net_leader(const struct net *net)
{
	raft_id		leader = 0;
	raft_term	term = 0;
	int			i;

	for (i = 0; i < net->n; i++)
		if (net->h[i] != NULL)
		{
			struct raft_status st = host_status(net->h[i]);

			if (st.role == RAFT_LEADER && st.term >= term)
			{
				leader = st.id;
				term = st.term;
			}
		}
	return leader;
}

/* Same log and commit index everywhere, nothing broken. */
bool
net_agrees(const struct net *net)
{
	const struct host *first = NULL;
	int			i;
	raft_index	k;

	for (i = 0; i < net->n; i++)
	{
		const struct host *h = net->h[i];

		if (h == NULL)
			continue;
		if (h->fatal)
			return false;
		if (first == NULL)
			first = h;
		if (h->mem.last != first->mem.last ||
			host_status(h).commit != host_status(first).commit)
			return false;
		for (k = Max(h->mem.base, first->mem.base) + 1; k <= h->mem.last; k++)
			if (h->mem.log[k].term != first->mem.log[k].term)
				return false;
	}
	return true;
}
