/*-------------------------------------------------------------------------
 *
 * sim_client.c
 *	  What clients and operators ask for, and what goes wrong meanwhile.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/test/sim_client.c
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "sim_world.h"

/* Longest batch of one proposal. */
#define MAX_BATCH	5

static bool
runs(struct sim_world *w, const struct sim_member *m)
{
	return m->life == SIM_UP && m->paused_until <= w->now;
}

/* The running leader of the highest term, or NULL. */
struct sim_member *
sim_leader(struct sim_world *w)
{
	struct sim_member *leader = NULL;

	for (raft_id id = 1; id <= SIM_MAX_ID; id++)
	{
		struct sim_member *m = &w->members[id];

		if (runs(w, m) && m->seen.role == RAFT_LEADER &&
			(leader == NULL || m->seen.term > leader->seen.term))
			leader = m;
	}
	return leader;
}

/* A running member at random, or NULL. */
static struct sim_member *
any_member(struct sim_world *w)
{
	struct sim_member *found = NULL;
	uint32_t	n = 0;

	for (raft_id id = 1; id <= SIM_MAX_ID; id++)
	{
		struct sim_member *m = &w->members[id];

		if (runs(w, m) && sim_rng_below(&w->rng, ++n) == 0)
			found = m;
	}
	return found;
}

/* A client knows the leader more often than not. */
static struct sim_member *
contact(struct sim_world *w)
{
	struct sim_member *m = NULL;

	if (sim_rng_chance(&w->rng, 700))
		m = sim_leader(w);
	return m != NULL ? m : any_member(w);
}

/* Somebody who believes to lead, be it wrongly; else anybody. */
static struct sim_member *
any_leader(struct sim_world *w)
{
	struct sim_member *found = NULL;
	uint32_t	n = 0;

	for (raft_id id = 1; id <= SIM_MAX_ID; id++)
	{
		struct sim_member *m = &w->members[id];

		if (runs(w, m) && m->seen.role == RAFT_LEADER &&
			sim_rng_below(&w->rng, ++n) == 0)
			found = m;
	}
	return found != NULL ? found : any_member(w);
}

/* ---------- proposals ---------- */

static struct sim_payload *
new_payload(struct sim_world *w, struct sim_member *m, uint32_t size)
{
	struct sim_payload *p = sim_alloc(&w->arena, sizeof(*p));

	if (w->n_payloads == w->payload_space)
	{
		w->payload_space = w->payload_space ? w->payload_space * 2 : 1024;
		w->payloads = sim_grow(w->payloads,
							   w->payload_space * sizeof(*w->payloads));
	}
	p->number = w->n_payloads;
	p->size = size;
	p->proposer = m->id;
	p->life = m->lives;
	w->payloads[w->n_payloads++] = p;
	return p;
}

/* A call that a member may refuse, but not in any way. */
static void
check_refusal(struct sim_world *w, struct sim_member *m, enum raft_rc rc,
			  const char *what)
{
	sim_check_call(w, m);
	if (rc == RAFT_FATAL || rc == RAFT_NOMEM || rc == RAFT_LOG_LOST ||
		rc == RAFT_COMPACTED)
		sim_fail(w, "calls succeed", "member %d: %s returned %s",
				 (int) m->id, what, raft_rc_name(rc));
}

/* Propose n entries of random sizes up to max_size. */
enum raft_rc
sim_propose(struct sim_world *w, struct sim_member *m, uint32_t n,
			uint32_t max_size, raft_index *first)
{
	struct raft_entry entries[MAX_BATCH];
	uint64_t	bytes = 0;
	bool		leader = m->seen.role == RAFT_LEADER;
	bool		transfer = m->seen.transferee != 0;
	uint64_t	uncommitted = m->seen.uncommitted_bytes;
	enum raft_rc rc;

	memset(entries, 0, sizeof(entries));
	for (uint32_t i = 0; i < n; i++)
	{
		uint32_t	size = (uint32_t) sim_rng_between(&w->rng, 1, max_size);

		entries[i].size = size;
		entries[i].type = RAFT_ENTRY_NORMAL;
		entries[i].data = new_payload(w, m, size);
		bytes += size;
	}
	*first = 0;
	rc = raft_propose(m->raft, entries, n, first);
	SIM_TRACE(w, "member %d: proposal of %u entries, payload %d on: %s at %d",
			  (int) m->id, n, (int) (w->n_payloads - n), raft_rc_name(rc),
			  (int) *first);
	check_refusal(w, m, rc, "raft_propose");
	if (rc == RAFT_OK && leader)
	{
		if (*first == 0)
			sim_fail(w, "a leader knows where it puts a proposal",
					 "member %d", (int) m->id);
		if (transfer)
			sim_fail(w, "no proposals during a transfer", "member %d hands "
					 "over to %d", (int) m->id, (int) m->seen.transferee);
		if (uncommitted > 0 &&
			uncommitted + bytes > m->cfg.max_uncommitted_bytes)
			sim_fail(w, "uncommitted bytes are bounded",
					 "member %d: %d + %d of %d", (int) m->id,
					 (int) uncommitted, (int) bytes,
					 (int) m->cfg.max_uncommitted_bytes);
	}
	if (rc == RAFT_OK && leader && max_size > m->cfg.max_entry_bytes)
	{
		for (uint32_t i = 0; i < n; i++)
		{
			if (entries[i].size > m->cfg.max_entry_bytes)
				sim_fail(w, "entries are bounded", "member %d takes %u bytes",
						 (int) m->id, entries[i].size);
		}
	}
	if (rc == RAFT_TOO_BIG)
		w->counts[SIM_COUNT_REFUSED_SIZE]++;
	if (rc == RAFT_BUSY)
		w->counts[SIM_COUNT_REFUSED_QUOTA]++;
	sim_member_output(w, m);
	return rc;
}

/* Ask for a read index; returns the number of the read, 0 if refused. */
uint32_t
sim_read(struct sim_world *w, struct sim_member *m)
{
	struct sim_oracle *o = &w->oracle;
	struct sim_read_fact *f;
	uint32_t	number;
	enum raft_rc rc;

	if (o->n_reads == o->read_space)
	{
		o->read_space = o->read_space ? o->read_space * 2 : 256;
		o->reads = sim_grow(o->reads, o->read_space * sizeof(*o->reads));
	}
	f = &o->reads[o->n_reads++];
	number = (uint32_t) o->n_reads;
	memset(f, 0, sizeof(*f));
	f->member = m->id;
	f->life = m->lives;
	f->at_least = o->committed;
	f->step = w->step;
	f->by_leader = m->seen.role == RAFT_LEADER;
	rc = raft_read(m->raft, number);
	SIM_TRACE(w, "member %d: read %u asked for: %s, committed is %d",
			  (int) m->id, number, raft_rc_name(rc), (int) f->at_least);
	check_refusal(w, m, rc, "raft_read");
	if (rc != RAFT_OK)
		f->done = true;
	sim_member_output(w, m);
	return rc == RAFT_OK ? number : 0;
}

/* ---------- membership ---------- */

/* A change was given to some core: it may be decided some time. */
void
sim_change_seen(struct sim_world *w, const struct raft_conf_change *change)
{
	for (uint32_t i = 0; i < change->n; i++)
	{
		if (change->changes[i].type == RAFT_ADD_VOTER ||
			change->changes[i].type == RAFT_ADD_LEARNER)
			w->members[change->changes[i].id].adds++;
	}
}

/* Would it add a member whose disk is lost? */
bool
sim_change_hopeless(struct sim_world *w, const struct raft_conf_change *change)
{
	for (uint32_t i = 0; i < change->n; i++)
	{
		if (change->changes[i].type != RAFT_REMOVE &&
			change->changes[i].id != 0 &&
			w->members[change->changes[i].id].life == SIM_GONE)
			return true;
	}
	return false;
}

static enum raft_rc
propose_change(struct sim_world *w, struct sim_member *m,
			   const struct raft_conf_change *change)
{
	struct sim_payload *p = new_payload(w, m, 1 + change->n * 3);
	struct raft_conf_change *copy = sim_alloc(&w->arena, sizeof(*copy));
	raft_index	index = 0;
	enum raft_rc rc;

	*copy = *change;
	p->conf = true;
	p->change = copy;
	p->refuse = !w->healing && sim_rng_chance(&w->rng, 50);
	rc = raft_propose_conf(m->raft, copy, p, p->size, &index);
	if (w->trace != NULL)
	{
		char		text[160];
		int			n = 0;

		text[0] = '\0';
		for (uint32_t i = 0; i < change->n && n < 140; i++)
			n += snprintf(text + n, sizeof(text) - (size_t) n, " %c%d",
						  "vrul"[change->changes[i].type],
						  (int) change->changes[i].id);
		SIM_TRACE(w, "member %d: change%s, transition %d: %s at %d",
				  (int) m->id, text, (int) change->transition,
				  raft_rc_name(rc), (int) index);
	}
	check_refusal(w, m, rc, "raft_propose_conf");
	if (rc == RAFT_OK && m->seen.role == RAFT_LEADER)
		sim_change_seen(w, copy);
	sim_member_output(w, m);
	return rc;
}

/* Leave a joint configuration by hand. */
enum raft_rc
sim_leave_joint(struct sim_world *w, struct sim_member *m)
{
	struct raft_conf_change change;

	memset(&change, 0, sizeof(change));
	return propose_change(w, m, &change);
}

/*
 * Somebody who could be added: a running stranger, or a fresh one.  Returns 0
 * if all ids are used.
 */
static raft_id
stranger(struct sim_world *w, const struct raft_conf *conf)
{
	raft_id		found = 0;
	uint32_t	n = 0;

	for (raft_id id = 1; id <= SIM_MAX_ID; id++)
	{
		struct sim_member *m = &w->members[id];

		if ((m->life == SIM_UP || m->life == SIM_DOWN) &&
			!sim_conf_has(conf, id) && sim_rng_below(&w->rng, ++n) == 0)
			found = id;
	}
	if (found != 0 && sim_rng_chance(&w->rng, 600))
		return found;
	for (raft_id id = 1; id <= SIM_MAX_ID; id++)
	{
		if (w->members[id].life == SIM_ABSENT)
		{
			sim_member_found(w, id, NULL);
			sim_member_start(w, &w->members[id]);
			return id;
		}
	}
	return found;
}

static raft_id
any_of(struct sim_world *w, const raft_id *list, uint8_t n)
{
	return n > 0 ? list[sim_rng_below(&w->rng, n)] : 0;
}

static void
add_change(struct raft_conf_change *change, enum raft_change_type type,
		   raft_id id)
{
	if (id == 0)
		return;
	change->changes[change->n].type = type;
	change->changes[change->n].id = id;
	change->n++;
}

/* One random single change to that configuration. */
static void
random_change(struct sim_world *w, struct sim_member *m,
			  const struct raft_conf *conf, struct raft_conf_change *change)
{
	switch (sim_rng_below(&w->rng, 9))
	{
		case 0:
			add_change(change, RAFT_ADD_LEARNER, stranger(w, conf));
			break;
		case 1:
			add_change(change, RAFT_ADD_VOTER, stranger(w, conf));
			break;
		case 2:
			add_change(change, RAFT_ADD_VOTER,
					   any_of(w, conf->learners, conf->n_learners));
			break;
		case 3:
			add_change(change, RAFT_ADD_LEARNER,
					   any_of(w, conf->voters, conf->n_voters));
			break;
		case 4:
			add_change(change, RAFT_REMOVE,
					   any_of(w, conf->voters, conf->n_voters));
			break;
		case 5:
			add_change(change, RAFT_REMOVE, m->id);
			break;
		case 6:
			add_change(change, RAFT_REMOVE,
					   any_of(w, conf->learners, conf->n_learners));
			break;
		case 7:
			add_change(change, RAFT_UPDATE,
					   any_of(w, conf->voters, conf->n_voters));
			break;
		default:
			/* Replace one voter by another. */
			add_change(change, RAFT_REMOVE,
					   any_of(w, conf->voters, conf->n_voters));
			add_change(change, RAFT_ADD_VOTER, stranger(w, conf));
			break;
	}
}

static void
operate_conf(struct sim_world *w, struct sim_member *m)
{
	struct raft_conf conf;
	struct raft_conf after;
	struct raft_conf_change change;
	uint64_t	rounds = sim_rng_chance(&w->rng, 700) ? 1 :
		sim_rng_between(&w->rng, 2, 4);

	raft_current_conf(m->raft, &conf);
	if (conf.n_voters == 0)
		return;
	if (conf.n_outgoing > 0)
	{
		if (!conf.auto_leave || sim_rng_chance(&w->rng, 200))
			(void) sim_leave_joint(w, m);
		return;
	}
	memset(&change, 0, sizeof(change));
	change.transition = (enum raft_transition) sim_rng_below(&w->rng, 3);
	while (rounds-- > 0)
		random_change(w, m, &conf, &change);
	if (change.n == 0 || sim_change_hopeless(w, &change))
		return;
	if (raft_conf_preview(&conf, &change, &after) == RAFT_OK &&
		after.n_voters > SIM_MAX_VOTERS)
		return;
	(void) propose_change(w, m, &change);
}

/* ---------- operations ---------- */

static void
operate_transfer(struct sim_world *w, struct sim_member *m)
{
	struct sim_member *to = any_member(w);
	struct raft_conf conf;
	raft_id		target = 0;

	if (sim_rng_chance(&w->rng, 400))
	{
		/* Somebody who should be there, but may be down. */
		raft_current_conf(m->raft, &conf);
		target = any_of(w, conf.voters, conf.n_voters);
	}
	else if (to != NULL && sim_rng_chance(&w->rng, 700))
		target = to->id;
	SIM_TRACE(w, "member %d: transfer to %d", (int) m->id, (int) target);
	check_refusal(w, m, raft_transfer(m->raft, target), "raft_transfer");
	w->counts[SIM_COUNT_TRANSFERS]++;
	sim_member_output(w, m);
}

/* Do one random thing that a client, an operator or a host may do. */
void
sim_operation(struct sim_world *w)
{
	uint32_t	op = sim_rng_weighted(&w->rng, w->swarm.ops, SIM_N_OPERATIONS);
	struct sim_member *m = contact(w);
	struct sim_member *other;
	raft_index	first;

	if (m == NULL)
		return;
	switch (op)
	{
		case SIM_OP_PROPOSE:
			(void) sim_propose(w, m, 1, w->swarm.entry_size, &first);
			break;
		case SIM_OP_PROPOSE_BATCH:
			(void) sim_propose(w, m, (uint32_t)
							   sim_rng_between(&w->rng, 2, MAX_BATCH),
							   w->swarm.entry_size, &first);
			break;
		case SIM_OP_PROPOSE_HUGE:
			(void) sim_propose(w, m, 1, 5000, &first);
			break;
		case SIM_OP_READ:
			if (sim_rng_chance(&w->rng, 512))
				m = any_leader(w);
			(void) sim_read(w, m);
			break;
		case SIM_OP_CONF:
			operate_conf(w, m);
			break;
		case SIM_OP_TRANSFER:
			operate_transfer(w, m);
			break;
		case SIM_OP_CAMPAIGN:
			m = any_member(w);
			SIM_TRACE(w, "member %d: told to campaign", (int) m->id);
			check_refusal(w, m, raft_campaign(m->raft), "raft_campaign");
			sim_member_output(w, m);
			break;
		case SIM_OP_FORGET_LEADER:
			m = any_member(w);
			SIM_TRACE(w, "member %d: told to forget its leader",
					  (int) m->id);
			check_refusal(w, m, raft_forget_leader(m->raft),
						  "raft_forget_leader");
			sim_member_output(w, m);
			break;
		case SIM_OP_UNREACHABLE:
			other = any_member(w);
			SIM_TRACE(w, "member %d: loses connection to %d", (int) m->id,
					  (int) other->id);
			check_refusal(w, m, raft_report_unreachable(m->raft, other->id),
						  "raft_report_unreachable");
			sim_member_output(w, m);
			break;
		case SIM_OP_COMPACT:
			m = any_member(w);
			sim_member_compact(w, m);
			sim_member_output(w, m);
			break;
		default:
			break;
	}
}

/* ---------- faults ---------- */

static void
crash(struct sim_world *w, struct sim_member *m)
{
	sim_time	down = 1 + sim_rng_exp(&w->rng, w->swarm.down_mean);

	if (m->life != SIM_UP)
		return;
	if (w->swarm.lease)
		down += 3 * w->swarm.cfg.election_tick * SIM_TICK;
	SIM_TRACE(w, "member %d: crashes", (int) m->id);
	sim_member_crash(w, m);
	sim_push(w, w->now + down, SIM_EV_RESTART, m->id, NULL);
}

static void
cut(struct sim_world *w, raft_id from, raft_id to, sim_time until)
{
	if (from != to && w->blocked_until[from][to] < until)
		w->blocked_until[from][to] = until;
}

/* Cut one member off: its outgoing links, its incoming ones, or both. */
static void
isolate(struct sim_world *w, raft_id id, bool out, bool in, sim_time until)
{
	SIM_TRACE(w, "member %d: cut off%s%s until %d", (int) id,
			  out ? " outgoing" : "", in ? " incoming" : "", (int) until);
	for (raft_id i = 1; i <= SIM_MAX_ID; i++)
	{
		if (out)
			cut(w, id, i, until);
		if (in)
			cut(w, i, id, until);
	}
	w->counts[SIM_COUNT_PARTITIONS]++;
}

/* Two sides that do not hear each other, or only one of them does. */
static void
split(struct sim_world *w, sim_time until)
{
	uint64_t	side = sim_rng_next(&w->rng);
	bool		one_way = sim_rng_chance(&w->rng, 300);

	SIM_TRACE(w, "partition 0x%x%s until %d",
			  (unsigned) (side >> 1) & ((1U << SIM_MAX_ID) - 1),
			  one_way ? " one-way" : "", (int) until);
	for (raft_id a = 1; a <= SIM_MAX_ID; a++)
	{
		for (raft_id b = 1; b <= SIM_MAX_ID; b++)
		{
			bool		a_left = (side >> a) & 1;
			bool		b_left = (side >> b) & 1;

			if (a_left != b_left && (a_left || !one_way))
				cut(w, a, b, until);
		}
	}
	w->counts[SIM_COUNT_PARTITIONS]++;
}

/*
 * A member that was removed loses its disk.  Only when all members know that
 * it was removed (an operator may not throw away a member before), and when
 * no change that would add it again can be under way anywhere.
 */
static void
lose_disk(struct sim_world *w)
{
	const struct sim_oracle *o = &w->oracle;
	const struct raft_conf *conf = &o->confs[o->n_confs - 1].conf;

	if (!sim_removal_known(w))
		return;
	for (raft_id id = 1; id <= SIM_MAX_ID; id++)
	{
		struct sim_member *m = &w->members[id];
		bool		was_member = false;

		for (size_t i = 0; i < o->n_confs; i++)
			was_member |= sim_conf_has(&o->confs[i].conf, id);
		if ((m->life == SIM_UP || m->life == SIM_DOWN) && m->adds == 1 &&
			was_member && !sim_conf_has(conf, id))
		{
			SIM_TRACE(w, "member %d: loses its disk", (int) id);
			if (m->life == SIM_UP)
				sim_member_crash(w, m);
			m->life = SIM_GONE;
			w->counts[SIM_COUNT_DISKS_LOST]++;
			return;
		}
	}
}

/* Let one random thing go wrong. */
void
sim_fault(struct sim_world *w)
{
	uint32_t	fault = sim_rng_weighted(&w->rng, w->swarm.faults,
										 SIM_N_FAULTS);
	struct sim_member *m = any_member(w);
	struct sim_member *leader = sim_leader(w);
	sim_time	until = w->now + 1 +
		sim_rng_exp(&w->rng, w->swarm.partition_mean);
	bool		one_way;

	if (m == NULL)
		return;
	switch (fault)
	{
		case SIM_FAULT_CRASH:
			crash(w, m);
			break;
		case SIM_FAULT_CRASH_LEADER:
			if (leader != NULL)
				crash(w, leader);
			break;
		case SIM_FAULT_CRASH_MANY:
			for (raft_id id = 1; id <= SIM_MAX_ID; id++)
			{
				if (sim_rng_chance(&w->rng, 600))
					crash(w, &w->members[id]);
			}
			break;
		case SIM_FAULT_PAUSE:
			if (leader != NULL && sim_rng_chance(&w->rng, 512))
				m = leader;
			m->paused_until = w->now + 1 +
				sim_rng_exp(&w->rng, w->swarm.pause_mean);
			SIM_TRACE(w, "member %d: paused until %d", (int) m->id,
					  (int) m->paused_until);
			w->counts[SIM_COUNT_PAUSES]++;
			break;
		case SIM_FAULT_ISOLATE:
			if (leader != NULL && sim_rng_chance(&w->rng, 512))
				m = leader;
			isolate(w, m->id, true, true, until);
			break;
		case SIM_FAULT_ISOLATE_ONE_WAY:
			if (leader != NULL && sim_rng_chance(&w->rng, 512))
				m = leader;
			one_way = sim_rng_chance(&w->rng, 512);
			isolate(w, m->id, one_way, !one_way, until);
			break;
		case SIM_FAULT_SPLIT:
			split(w, until);
			break;
		case SIM_FAULT_CUT_LINK:
			leader = any_member(w);
			cut(w, m->id, leader->id, until);
			if (sim_rng_chance(&w->rng, 512))
				cut(w, leader->id, m->id, until);
			w->counts[SIM_COUNT_PARTITIONS]++;
			break;
		case SIM_FAULT_CLOG:
			leader = any_member(w);
			w->clogged_until[m->id][leader->id] = until;
			w->counts[SIM_COUNT_CLOGS]++;
			break;
		case SIM_FAULT_LOSE_DISK:
			lose_disk(w);
			break;
		default:
			break;
	}
}
