/*-------------------------------------------------------------------------
 *
 * sim_oracle.c
 *	  What is known to be true about the whole cluster.
 *
 * The oracle sees every member at once, which no member does: each entry that
 * was ever written anywhere, each vote that became durable, the leader of each
 * term, the committed entry of each index, the configuration that each
 * committed change led to.  A fact is learnt once, from whoever shows it
 * first, and every later sight of the same thing is compared with it.  What
 * a fact must rest on is checked when it is learnt: a commit on a durable
 * quorum, a configuration on quorums that intersect with the former ones.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/test/sim_oracle.c
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "sim_world.h"

/* ---------- configurations ---------- */

static bool
list_has(const raft_id *list, uint8_t n, raft_id id)
{
	for (uint8_t i = 0; i < n; i++)
	{
		if (list[i] == id)
			return true;
	}
	return false;
}

/* May id vote in this configuration? */
bool
sim_conf_votes(const struct raft_conf *conf, raft_id id)
{
	return list_has(conf->voters, conf->n_voters, id) ||
		list_has(conf->outgoing, conf->n_outgoing, id);
}

bool
sim_conf_has(const struct raft_conf *conf, raft_id id)
{
	return sim_conf_votes(conf, id) ||
		list_has(conf->learners, conf->n_learners, id) ||
		list_has(conf->learners_next, conf->n_learners_next, id);
}

/* Is a set of members (bit id) a majority of both halves? */
static bool
half_quorum(const raft_id *list, uint8_t n, uint32_t mask)
{
	int			have = 0;

	for (uint8_t i = 0; i < n; i++)
	{
		if (list[i] < 32 && ((mask >> list[i]) & 1))
			have++;
	}
	return have > n / 2;
}

bool
sim_conf_quorum(const struct raft_conf *conf, uint32_t mask)
{
	return half_quorum(conf->voters, conf->n_voters, mask) &&
		(conf->n_outgoing == 0 ||
		 half_quorum(conf->outgoing, conf->n_outgoing, mask));
}

static bool
conf_equal(const struct raft_conf *a, const struct raft_conf *b)
{
	return a->n_voters == b->n_voters && a->n_outgoing == b->n_outgoing &&
		a->n_learners == b->n_learners &&
		a->n_learners_next == b->n_learners_next &&
		a->auto_leave == b->auto_leave &&
		memcmp(a->voters, b->voters, a->n_voters * sizeof(raft_id)) == 0 &&
		memcmp(a->outgoing, b->outgoing,
			   a->n_outgoing * sizeof(raft_id)) == 0 &&
		memcmp(a->learners, b->learners,
			   a->n_learners * sizeof(raft_id)) == 0 &&
		memcmp(a->learners_next, b->learners_next,
			   a->n_learners_next * sizeof(raft_id)) == 0;
}

/*
 * Does every quorum of a meet every quorum of b?  Not so if some set of
 * members is a quorum of one while the rest is a quorum of the other.
 */
bool
sim_quorums_intersect(const struct raft_conf *a, const struct raft_conf *b)
{
	uint32_t	all = 0;
	uint32_t	set;

	for (raft_id id = 1; id <= SIM_MAX_ID; id++)
	{
		if (sim_conf_votes(a, id) || sim_conf_votes(b, id))
			all |= UINT32_C(1) << id;
	}
	for (set = all;; set = (set - 1) & all)
	{
		if (sim_conf_quorum(a, set) && sim_conf_quorum(b, all & ~set))
			return false;
		if (set == 0)
			return true;
	}
}

/* ---------- growing tables ---------- */

static void
need_index(struct sim_world *w, raft_index index)
{
	struct sim_oracle *o = &w->oracle;
	size_t		space = o->index_space ? o->index_space : 512;

	if (index < o->index_space)
		return;
	while (space <= index)
		space *= 2;
	o->facts = sim_grow(o->facts, space * sizeof(*o->facts));
	o->entries = sim_grow(o->entries, space * sizeof(*o->entries));
	memset(&o->facts[o->index_space], 0,
		   (space - o->index_space) * sizeof(*o->facts));
	memset(&o->entries[o->index_space], 0,
		   (space - o->index_space) * sizeof(*o->entries));
	o->index_space = space;
}

struct sim_term_fact *
sim_oracle_term(struct sim_world *w, raft_term term)
{
	struct sim_oracle *o = &w->oracle;

	if (term >= o->term_space)
	{
		size_t		space = o->term_space ? o->term_space : 64;

		while (space <= term)
			space *= 2;
		o->terms = sim_grow(o->terms, space * sizeof(*o->terms));
		memset(&o->terms[o->term_space], 0,
			   (space - o->term_space) * sizeof(*o->terms));
		o->term_space = space;
	}
	if (term > o->term_used)
		o->term_used = term;
	return &o->terms[term];
}

/* Forget the run before this one. */
void
sim_oracle_reset(struct sim_world *w)
{
	struct sim_oracle *o = &w->oracle;

	if (o->index_space > 0)
	{
		memset(o->facts, 0, o->index_space * sizeof(*o->facts));
		memset(o->entries, 0, o->index_space * sizeof(*o->entries));
	}
	if (o->term_space > 0)
		memset(o->terms, 0, (o->term_used + 1) * sizeof(*o->terms));
	o->term_used = 0;
	o->committed = 0;
	o->n_confs = 0;
	o->n_reads = 0;
}

static struct sim_conf_fact *
new_conf_fact(struct sim_oracle *o)
{
	if (o->n_confs == o->conf_space)
	{
		o->conf_space = o->conf_space ? o->conf_space * 2 : 32;
		o->confs = sim_grow(o->confs, o->conf_space * sizeof(*o->confs));
	}
	return &o->confs[o->n_confs++];
}

/* The state from which the founders start. */
void
sim_oracle_found(struct sim_world *w, const struct raft_snap *snap)
{
	struct sim_conf_fact *c = new_conf_fact(&w->oracle);

	need_index(w, snap->index);
	w->oracle.facts[snap->index].known = true;
	w->oracle.facts[snap->index].term = (uint32_t) snap->term;
	w->oracle.facts[snap->index].by_term = (uint32_t) snap->term;
	w->oracle.committed = snap->index;
	c->index = snap->index;
	c->cancelled = false;
	c->conf = snap->conf;
}

/* ---------- logs ---------- */

/*
 * A member is about to write entries: each (index, term) is created once, by
 * the leader of that term, and stands for the same payload and the same
 * history everywhere (log matching, by induction over the previous term).
 */
void
sim_oracle_entries(struct sim_world *w, struct sim_member *m,
				   raft_index first, const struct sim_entry *entries,
				   uint32_t n)
{
	struct sim_oracle *o = &w->oracle;
	uint32_t	prev_term = (uint32_t) sim_log_term(&m->log, first - 1);

	need_index(w, first + n);
	for (uint32_t i = 0; i < n; i++)
	{
		const struct sim_entry *e = &entries[i];
		struct sim_seen_entry *s = o->entries[first + i];

		while (s != NULL && s->term != e->term)
			s = s->next;
		if (s == NULL)
		{
			if (sim_oracle_term(w, e->term)->leader != m->id)
				sim_fail(w, "only a leader creates entries",
						 "member %d wrote %d/%d, leader of that term is %d",
						 (int) m->id, (int) e->term, (int) (first + i),
						 (int) sim_oracle_term(w, e->term)->leader);
			s = sim_alloc(&w->arena, sizeof(*s));
			s->term = e->term;
			s->prev_term = prev_term;
			s->payload = e->payload;
			s->type = e->type;
			s->next = o->entries[first + i];
			o->entries[first + i] = s;
		}
		else if (s->payload != e->payload || s->type != e->type ||
				 s->prev_term != prev_term)
			sim_fail(w, "logs match", "member %d: entry %d/%d is payload %d "
					 "after term %d, elsewhere payload %d after term %d",
					 (int) m->id, (int) e->term, (int) (first + i),
					 (int) e->payload, (int) prev_term, (int) s->payload,
					 (int) s->prev_term);
		prev_term = e->term;
	}
}

/* A vote became durable. */
void
sim_oracle_vote(struct sim_world *w, raft_id voter, raft_term term,
				raft_id candidate)
{
	struct sim_term_fact *t = sim_oracle_term(w, term);

	if (t->grant[voter] != 0 && t->grant[voter] != candidate)
		sim_fail(w, "one vote in a term", "member %d, term %d: voted for %d "
				 "and for %d", (int) voter, (int) term, (int) t->grant[voter],
				 (int) candidate);
	t->grant[voter] = (uint8_t) candidate;
}

/* ---------- commits ---------- */

/* Does the disk of a member hold that entry? */
static bool
disk_has(const struct sim_member *m, raft_index index, raft_term term)
{
	return m->disk.log.base >= index ||
		(m->disk.log.last >= index &&
		 sim_log_term(&m->disk.log, index) == term);
}

/* Entries up to index are committed for the first time, as member m says. */
static void
check_new_commit(struct sim_world *w, struct sim_member *m, raft_index index)
{
	raft_term	term = sim_log_term(&m->log, index);
	struct raft_conf conf;
	uint32_t	mask = 0;

	for (raft_id id = 1; id <= SIM_MAX_ID; id++)
	{
		const struct sim_member *p = &w->members[id];

		if (p->life != SIM_ABSENT && disk_has(p, index, term))
			mask |= UINT32_C(1) << id;
		if (p->life == SIM_UP && p != m && p->seen.role == RAFT_LEADER &&
			p->seen.term > m->seen.term)
		{
			raft_term	t = 0;
			enum raft_rc rc = raft_term_of(p->raft, index, &t);

			if (rc == RAFT_INVALID || (rc == RAFT_OK && t != term))
				sim_fail(w, "a leader holds what earlier terms commit",
						 "%d/%d committed by %d in term %d, leader %d of "
						 "term %d lacks it", (int) term, (int) index,
						 (int) m->id, (int) m->seen.term, (int) id,
						 (int) p->seen.term);
		}
	}
	raft_current_conf(m->raft, &conf);
	if (!sim_conf_quorum(&conf, mask))
		sim_fail(w, "committed is durable on a quorum",
				 "%d/%d committed by %d, durable on members 0x%x", (int) term,
				 (int) index, (int) m->id, mask >> 1);
	if (m->seen.role == RAFT_LEADER && index == m->seen.commit &&
		term != m->seen.term)
		sim_fail(w, "a leader commits by counting in its term only",
				 "member %d, term %d commits %d/%d", (int) m->id,
				 (int) m->seen.term, (int) term, (int) index);
}

/*
 * Compare what a member holds for committed with what is, as far as the host
 * has the entries.
 */
void
sim_oracle_commit(struct sim_world *w, struct sim_member *m)
{
	struct sim_oracle *o = &w->oracle;
	raft_index	end = m->seen.commit;

	/* Entries and snapshots that the host was not given yet come later. */
	if (end > m->log.last)
		end = m->log.last;
	if (end > m->seen.handed)
		end = m->seen.handed;
	if (end <= m->commit_checked || m->seen.first > m->log.base + 1)
		return;
	need_index(w, end);
	if (end > o->committed)
		check_new_commit(w, m, end);
	for (raft_index i = m->commit_checked + 1; i <= end; i++)
	{
		const struct sim_entry *e = &m->log.at[i];
		struct sim_fact *f = &o->facts[i];

		if (i <= m->log.base)
			continue;
		if (!f->known)
		{
			f->known = true;
			f->term = e->term;
			f->payload = e->payload;
			f->by_term = (uint32_t) m->seen.term;
			w->counts[SIM_COUNT_COMMITS]++;
		}
		else if (f->term != e->term || f->payload != e->payload)
			sim_fail(w, "committed entries agree",
					 "index %d: member %d has %d (payload %d), committed is "
					 "%d (payload %d)", (int) i, (int) m->id, (int) e->term,
					 (int) e->payload, (int) f->term, (int) f->payload);
	}
	m->commit_checked = end;
	if (end > o->committed)
		o->committed = end;
}

/* A member applies the entry at index. */
void
sim_oracle_applied(struct sim_world *w, struct sim_member *m,
				   raft_index index)
{
	const struct sim_fact *f = &w->oracle.facts[index];
	const struct sim_entry *e = &m->log.at[index];

	if (index > w->oracle.committed || !f->known)
		sim_fail(w, "only committed entries are applied",
				 "member %d applies %d", (int) m->id, (int) index);
	if (f->term != e->term || f->payload != e->payload)
		sim_fail(w, "applied entries agree", "index %d: member %d has %d "
				 "(payload %d), committed is %d (payload %d)", (int) index,
				 (int) m->id, (int) e->term, (int) e->payload, (int) f->term,
				 (int) f->payload);
}

/* ---------- configurations over time ---------- */

/* The configuration in force after index was applied. */
const struct sim_conf_fact *
sim_oracle_conf_at(struct sim_world *w, raft_index index)
{
	size_t		n = w->oracle.n_confs;

	while (n > 1 && w->oracle.confs[n - 1].index > index)
		n--;
	return &w->oracle.confs[n - 1];
}

/* A member applied the configuration entry at index, with that outcome. */
void
sim_oracle_conf(struct sim_world *w, struct sim_member *m, raft_index index,
				bool cancelled, const struct raft_conf *conf)
{
	struct sim_oracle *o = &w->oracle;
	const struct sim_conf_fact *before = sim_oracle_conf_at(w, index);
	struct sim_conf_fact *c;
	char		buf[200];

	if (before->index == index)
	{
		if (before->cancelled != cancelled ||
			!conf_equal(&before->conf, conf))
			sim_fail(w, "configurations agree",
					 "index %d, member %d: %s", (int) index, (int) m->id,
					 sim_conf_text(conf, buf, sizeof(buf)));
		return;
	}
	SIM_TRACE(w, "member %d: configuration as of %d is %s%s", (int) m->id,
			  (int) index, sim_conf_text(conf, buf, sizeof(buf)),
			  cancelled ? " (change cancelled)" : "");
	if (index < o->confs[o->n_confs - 1].index)
		sim_fail(w, "configurations agree", "index %d, member %d: nobody "
				 "else saw that change", (int) index, (int) m->id);
	if (cancelled)
		w->counts[SIM_COUNT_CONF_CANCELLED]++;
	else if (conf->n_outgoing > 0)
		w->counts[SIM_COUNT_CONF_JOINT]++;
	else
		w->counts[SIM_COUNT_CONF_SIMPLE]++;
	if (!sim_quorums_intersect(&before->conf, conf))
		sim_fail(w, "quorums of consecutive configurations intersect",
				 "index %d: %s", (int) index,
				 sim_conf_text(conf, buf, sizeof(buf)));
	for (raft_id id = 1; id <= SIM_MAX_ID; id++)
	{
		const struct sim_member *p = &w->members[id];

		if (p->life == SIM_UP && p->seen.role == RAFT_LEADER &&
			sim_conf_votes(&before->conf, id) && !sim_conf_votes(conf, id))
			w->counts[SIM_COUNT_LEADER_REMOVED]++;
	}
	c = new_conf_fact(o);
	c->index = index;
	c->cancelled = cancelled;
	c->conf = *conf;
}

/* A snapshot is installed: it must be a state that the cluster was in. */
void
sim_oracle_snap(struct sim_world *w, struct sim_member *m,
				const struct raft_snap *snap)
{
	const struct sim_fact *f;
	char		buf[200];

	need_index(w, snap->index);
	f = &w->oracle.facts[snap->index];
	if (snap->index > w->oracle.committed || !f->known ||
		f->term != snap->term)
		sim_fail(w, "snapshots are committed states",
				 "member %d installs %d/%d", (int) m->id, (int) snap->term,
				 (int) snap->index);
	if (!conf_equal(&snap->conf, &sim_oracle_conf_at(w, snap->index)->conf))
		sim_fail(w, "configurations agree",
				 "snapshot %d, member %d: %s", (int) snap->index, (int) m->id,
				 sim_conf_text(&snap->conf, buf, sizeof(buf)));
}
