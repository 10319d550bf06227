/*-------------------------------------------------------------------------
 *
 * raft.c
 *	  Life of an instance, time, and the small calls.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/raft.c
 *
 *-------------------------------------------------------------------------
 */
#include "raft_int.h"

#include <stdlib.h>

/* ---------- memory ---------- */

static void *
default_alloc(void *arg, void *ptr, size_t size)
{
	(void) arg;
	if (size == 0)
	{
		free(ptr);
		return NULL;
	}
	return realloc(ptr, size);
}

void *
raft_realloc(struct raft *r, void *ptr, size_t size)
{
	return r->alloc.fn(r->alloc.arg, ptr, size);
}

void
raft_dealloc(struct raft *r, void *ptr)
{
	if (ptr != NULL)
		r->alloc.fn(r->alloc.arg, ptr, 0);
}

bool
raft_vec_reserve(struct raft *r, struct raft_vec *v, size_t more, size_t width)
{
	size_t		need = v->n + more;
	size_t		cap = v->cap > 0 ? v->cap : 16;
	void	   *data;

	if (need <= v->cap)
		return true;
	while (cap < need)
		cap *= 2;
	if (cap > SIZE_MAX / width)
		return false;
	data = raft_realloc(r, v->data, cap * width);
	if (data == NULL)
		return false;
	v->data = data;
	v->cap = cap;
	return true;
}

void
raft_vec_free(struct raft *r, struct raft_vec *v)
{
	raft_dealloc(r, v->data);
	memset(v, 0, sizeof(*v));
}

/* ---------- settings ---------- */

void
raft_config_default(struct raft_config *cfg)
{
	memset(cfg, 0, sizeof(*cfg));
	cfg->election_tick = 10;
	cfg->heartbeat_tick = 1;
	cfg->snapshot_tick = 300;
	cfg->lease_margin_tick = 2;
	cfg->pre_vote = true;
	cfg->check_quorum = true;
	cfg->forward_proposals = true;
	cfg->step_down_on_removal = true;
	cfg->vote_carries_commit = true;
	cfg->snapshot_at_applied = true;
	cfg->max_msg_bytes = UINT64_C(1) << 20;
	cfg->max_apply_bytes = UINT64_C(64) << 20;
	cfg->max_uncommitted_bytes = UINT64_C(256) << 20;
	cfg->max_entry_bytes = RAFT_NO_LIMIT;
	cfg->max_inflight_msgs = 512;
	cfg->max_inflight_bytes = UINT64_C(32) << 20;
	cfg->max_pending_reads = 4096;
}

enum raft_rc
raft_config_check(const struct raft_config *cfg)
{
	if (cfg->id == 0 || cfg->heartbeat_tick == 0 ||
		cfg->election_tick <= cfg->heartbeat_tick ||
		cfg->election_tick > UINT32_MAX / 2)
		return RAFT_INVALID;
	if (cfg->max_inflight_msgs == 0 || cfg->max_inflight_bytes == 0 ||
		cfg->max_apply_bytes == 0 || cfg->max_uncommitted_bytes == 0 ||
		cfg->max_entry_bytes == 0 || cfg->max_pending_reads == 0)
		return RAFT_INVALID;
	if (cfg->max_inflight_msgs > UINT32_C(1) << 20)
		return RAFT_INVALID;
	if (cfg->max_inflight_bytes < cfg->max_msg_bytes)
		return RAFT_INVALID;
	if (cfg->lease_reads &&
		(!cfg->check_quorum || cfg->lease_margin_tick >= cfg->election_tick))
		return RAFT_INVALID;
	return RAFT_OK;
}

/* ---------- boot ---------- */

enum raft_boot_fault
raft_boot_check(const struct raft_config *cfg, const struct raft_boot *boot)
{
	struct raft_conf conf;
	raft_index	last = boot->base_index;
	raft_term	term = boot->base_term;
	raft_index	before = boot->applied;
	size_t		i;

	if (raft_config_check(cfg) != RAFT_OK)
		return RAFT_BOOT_CONFIG;
	if ((boot->base_index == 0) != (boot->base_term == 0))
		return RAFT_BOOT_RUNS;
	for (i = 0; i < boot->n_runs; i++)
	{
		const struct raft_run *run = &boot->runs[i];

		if (run->count == 0 || run->first != last + 1 || run->term == 0 ||
			run->term < term || run->count > UINT64_MAX - last)
			return RAFT_BOOT_RUNS;
		last += run->count;
		term = run->term;
	}
	if (term > boot->term && !cfg->scripted)
		return RAFT_BOOT_TERM;
	if (boot->commit > last)
		return RAFT_BOOT_COMMIT;
	if (boot->applied < boot->base_index || boot->applied > last)
		return RAFT_BOOT_APPLIED;
	if (!raft_conf_normalize(&boot->conf, &conf))
		return RAFT_BOOT_CONF;
	for (i = 0; i < boot->n_conf_entries; i++)
	{
		if (boot->conf_entries[i] <= before || boot->conf_entries[i] > last)
			return RAFT_BOOT_CONF_ENTRIES;
		before = boot->conf_entries[i];
	}
	return RAFT_BOOT_OK;
}

static bool
boot_log(struct raft *r, const struct raft_boot *boot)
{
	uint64_t	count = 0;
	size_t		conf = 0;
	size_t		i;

	for (i = 0; i < boot->n_runs; i++)
		count += boot->runs[i].count;
	if (count > SIZE_MAX / 16)
		return false;

	/*
	 * The trail starts at 0; reserving there and resetting at the base is fine
	 * because the ring is indexed modulo its size.
	 */
	if (!raft_trail_reserve(r, &r->trail, (size_t) count + 1))
		return false;
	raft_trail_reset(&r->trail, boot->base_index, boot->base_term);
	for (i = 0; i < boot->n_runs; i++)
	{
		const struct raft_run *run = &boot->runs[i];
		uint64_t	each = run->bytes / run->count;
		uint64_t	rest = run->bytes % run->count;
		uint64_t	k;

		for (k = 0; k < run->count; k++)
		{
			bool		is_conf = conf < boot->n_conf_entries &&
				boot->conf_entries[conf] == r->trail.last + 1;

			raft_trail_append(&r->trail, run->term, each + (k < rest), is_conf);
			conf += is_conf;
		}
	}
	return true;
}

static void
boot_state(struct raft *r, const struct raft_boot *boot)
{
	struct raft_changer c;
	struct raft_conf conf;
	int			i;

	r->term = boot->term;
	r->vote = boot->vote;
	r->applied = boot->applied;
	r->applying = boot->applied;
	r->conf_done = boot->applied;
	r->conf_index = boot->applied;
	r->commit = Max(boot->commit, boot->applied);

	/*
	 * A configuration change is proposed only when the one before is applied.
	 * So one in the log proves that all but itself are committed, whatever the
	 * hard state remembers; a member that did not know would count votes by a
	 * configuration two steps old.
	 */
	if (boot->n_conf_entries > 1 && !r->cfg.no_conf_validation &&
		!raft_broken(r, RAFT_BREAK_BOOT_FORGETS_CHANGE))
		r->commit = Max(r->commit, boot->conf_entries[boot->n_conf_entries - 2]);
	r->durable = r->trail.last;
	r->handed = r->trail.last;

	raft_conf_normalize(&boot->conf, &conf);
	raft_changer_init(&c, &conf);
	for (i = 0; i < c.n_tracked; i++)
		c.tracked[i].fresh = true;
	raft_switch_conf(r, &c);
	raft_become_follower(r, r->term, 0);

	r->prev_term = r->term;
	r->prev_vote = r->vote;
	r->prev_commit = r->commit;
	r->prev_role = r->role;
	r->prev_leader = r->leader;
	RAFT_TRACE(r, RAFT_EV_NEW,.conf = &r->conf,.commit = r->commit,
			   .applied = r->applied,.last = r->trail.last,
			   .last_term = raft_trail_last_term(&r->trail));
}

enum raft_rc
raft_new(const struct raft_config *cfg, const struct raft_boot *boot,
		 const struct raft_alloc *alloc, struct raft **out)
{
	static const struct raft_alloc heap = {default_alloc, NULL};
	size_t		ring;
	struct raft *r;
	int			i;

	*out = NULL;
	if (raft_boot_check(cfg, boot) != RAFT_BOOT_OK)
		return RAFT_INVALID;
	if (alloc == NULL)
		alloc = &heap;
	r = alloc->fn(alloc->arg, NULL, sizeof(*r));
	if (r == NULL)
		return RAFT_NOMEM;
	memset(r, 0, sizeof(*r));
	r->cfg = *cfg;
	r->alloc = *alloc;
	r->rng = cfg->seed ^ (cfg->id * UINT64_C(0x9E3779B97F4A7C15));
	r->next_wire_ctx = raft_random(&r->rng);

	ring = cfg->max_inflight_msgs;
	r->rings = raft_realloc(r, NULL,
							RAFT_MAX_PEERS * ring * sizeof(struct raft_inflight));
	if (r->rings == NULL || !boot_log(r, boot) ||
		!raft_vec_reserve(r, &r->gate, 8, sizeof(struct raft_gated)))
	{
		raft_free(r);
		return RAFT_NOMEM;
	}
	for (i = 0; i < RAFT_MAX_PEERS; i++)
	{
		r->peers[i].window.ring = r->rings + ring * (size_t) i;
		r->peers[i].window.cap = (uint32_t) ring;
		r->peers[i].window.max_bytes = cfg->max_inflight_bytes;
	}
	boot_state(r, boot);
	*out = r;
	return RAFT_OK;
}

void
raft_free(struct raft *r)
{
	struct raft_alloc alloc;
	int			i;

	if (r == NULL)
		return;
	for (i = 0; i < 2; i++)
	{
		raft_vec_free(r, &r->out[i].entries);
		raft_vec_free(r, &r->out[i].msgs);
		raft_vec_free(r, &r->out[i].props);
		raft_vec_free(r, &r->out[i].snaps);
		raft_vec_free(r, &r->out[i].reads);
		raft_vec_free(r, &r->out[i].gated);
	}
	raft_vec_free(r, &r->gate);
	raft_vec_free(r, &r->batches);
	raft_vec_free(r, &r->reads);
	raft_vec_free(r, &r->postponed);
	raft_vec_free(r, &r->forwarded);
	raft_vec_free(r, &r->trail.runs);
	raft_vec_free(r, &r->trail.confs);
	raft_dealloc(r, r->trail.total);
	raft_dealloc(r, r->rings);
	alloc = r->alloc;
	alloc.fn(alloc.arg, r, 0);
}

/* ---------- the end of every public call ---------- */

/*
 * Let go what may go, check what is cheap to check.  Every call that changes
 * anything returns through here.
 */
enum raft_rc
raft_finish(struct raft *r, enum raft_rc rc)
{
	raft_release(r);
	raft_check_cheap(r);
	return r->fault_line != 0 ? RAFT_FATAL : rc;
}

/* Room for what a change of role may append and promise to itself. */
bool
raft_reserve_role(struct raft *r)
{
	return raft_trail_reserve(r, &r->trail, 1) &&
		raft_vec_reserve(r, &r->out[r->cur].entries, 1, sizeof(struct raft_entry)) &&
		raft_vec_reserve(r, &r->gate, 4, sizeof(struct raft_gated)) &&
		raft_vec_reserve(r, &r->out[r->cur].gated, 4, sizeof(struct raft_msg));
}

/* ---------- small calls ---------- */

enum raft_rc
raft_tick(struct raft *r)
{
	if (r->fault_line != 0)
		return RAFT_FATAL;
	if (!raft_reserve_role(r))
		return RAFT_NOMEM;
	r->now++;
	if (r->role == RAFT_LEADER)
		raft_tick_leader(r);
	else
	{
		r->leader_silent++;
		raft_tick_election(r);
	}
	raft_tick_reads(r);
	return raft_finish(r, RAFT_OK);
}

enum raft_rc
raft_campaign(struct raft *r)
{
	if (r->fault_line != 0)
		return RAFT_FATAL;
	if (!raft_reserve_role(r))
		return RAFT_NOMEM;
	return raft_finish(r, raft_hup(r, r->cfg.pre_vote ?
								   RAFT_CAMPAIGN_PRE : RAFT_CAMPAIGN_REAL));
}

enum raft_rc
raft_forget_leader(struct raft *r)
{
	if (r->fault_line != 0)
		return RAFT_FATAL;
	if (r->role != RAFT_FOLLOWER)
		return RAFT_OK;
	if (r->cfg.lease_reads)
	{
		RAFT_TRACE0(r, RAFT_EV_FORGET_REFUSED);
		return RAFT_INVALID;
	}
	if (r->leader != 0)
	{
		RAFT_TRACE(r, RAFT_EV_LEADER_FORGOTTEN,.peer = r->leader);
		raft_set_leader(r, 0);
	}
	return raft_finish(r, RAFT_OK);
}

enum raft_rc
raft_report_unreachable(struct raft *r, raft_id id)
{
	struct raft_peer *p;

	if (r->fault_line != 0)
		return RAFT_FATAL;
	p = raft_peer_of(r, id);
	if (r->role != RAFT_LEADER)
		return p != NULL ? RAFT_OK : RAFT_UNKNOWN_PEER;
	if (p == NULL)
	{
		RAFT_TRACE(r, RAFT_EV_NO_PEER,.peer = id);
		return RAFT_UNKNOWN_PEER;
	}
	if (p->state == RAFT_REPLICATE && id != r->cfg.id)
		raft_progress_become_probe(p);
	if (r->cfg.trace != NULL)
	{
		struct raft_peer_status st;

		raft_peer_describe(r, p, &st);
		RAFT_TRACE(r, RAFT_EV_UNREACHABLE,.peer = id,.progress = &st);
	}
	return raft_finish(r, RAFT_OK);
}

enum raft_rc
raft_compact(struct raft *r, raft_index index)
{
	if (r->fault_line != 0)
		return RAFT_FATAL;
	if (index <= r->trail.base)
		return RAFT_COMPACTED;
	if (index > r->applied || index > r->durable)
		return RAFT_INVALID;
	raft_trail_compact(&r->trail, index);
	RAFT_TRACE(r, RAFT_EV_COMPACTED,.index = index);
	return raft_finish(r, RAFT_OK);
}

enum raft_rc
raft_set_election_timeout(struct raft *r, uint32_t ticks)
{
	if (ticks == 0)
		return RAFT_INVALID;
	r->election_timeout = ticks;
	return RAFT_OK;
}
