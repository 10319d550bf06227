/*-------------------------------------------------------------------------
 *
 * unit.h
 *	  Unit tests: a host for one instance, a network for several.
 *
 * A test is a function that returns when a CHECK fails.  Hosts write and apply by
 * themselves when they are pumped, unless a test holds one of the two back to
 * look at what the core does meanwhile.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/test/unit.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_RAFT_UNIT_H
#define PGQ_RAFT_UNIT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "raft_int.h"

/* ---------- tests ---------- */

struct unit_test
{
	const char *name;
	void		(*fn) (void);
};

extern const struct unit_test unit_parts[];
extern const struct unit_test unit_conf[];
extern const struct unit_test unit_election[];
extern const struct unit_test unit_log[];
extern const struct unit_test unit_flow[];
extern const struct unit_test unit_storage[];
extern const struct unit_test unit_snapshot[];
extern const struct unit_test unit_member[];
extern const struct unit_test unit_read[];
extern const struct unit_test unit_transfer[];
extern const struct unit_test unit_api[];

extern void unit_fail(const char *file, int line, const char *what);
extern bool unit_failed(void);

#define CHECK(cond) \
	do { \
		if (!(cond)) \
		{ \
			unit_fail(__FILE__, __LINE__, #cond); \
			return; \
		} \
	} while (0)

#define CHECK_EQ(a, b) \
	do { \
		unsigned long long a_ = (unsigned long long) (a); \
		unsigned long long b_ = (unsigned long long) (b); \
		if (a_ != b_) \
		{ \
			char text_[200]; \
			snprintf(text_, sizeof(text_), "%s is %llu, not %s = %llu", \
					 #a, a_, #b, b_); \
			unit_fail(__FILE__, __LINE__, text_); \
			return; \
		} \
	} while (0)

/* ---------- one host ---------- */

#define HOST_LOG	4096
#define HOST_MSGS	8192

struct host_entry
{
	raft_term	term;
	uint32_t	size;
	uint8_t		type;
	const void *data;			/* conf entries: struct raft_conf_change */
};

/* A message with the entries it carries. */
struct host_msg
{
	struct raft_msg m;
	struct host_entry *entries;
	struct raft_snap snap;
};

struct host_write
{
	raft_seq	seq;
	raft_term	term;
	raft_id		vote;
	raft_index	commit;
	raft_index	first;			/* entries of the write */
	size_t		n;
	struct host_entry *entries;
	bool		install;
	struct raft_snap snap;
};

/* What a disk holds. */
struct host_disk
{
	raft_term	term;
	raft_id		vote;
	raft_index	commit;
	raft_index	base;
	raft_term	base_term;
	raft_index	last;
	struct host_entry log[HOST_LOG];
	raft_index	applied;
	struct raft_conf conf;		/* as of applied */
};

struct host
{
	struct raft *r;
	struct raft_config cfg;
	struct host_disk disk;		/* durable */
	struct host_disk mem;		/* with everything handed out */
	bool		hold_disk;		/* do not persist when pumped */
	bool		hold_apply;
	struct host_write writes[512];
	size_t		n_writes;
	raft_index	apply_hi;		/* handed out for apply */
	struct host_msg out[HOST_MSGS]; /* sent and not taken by the network */
	size_t		n_out;
	struct raft_read reads[256];
	size_t		n_reads;
	size_t		n_ready;
	bool		fatal;
};

/* Settings of a new host: defaults of the library without pre-vote and check-quorum. */
extern void host_config(struct raft_config *cfg, raft_id id);
/* A founder of a cluster of voters 1 .. n (log starts after 1, term 1). */
extern struct host *host_new(raft_id id, int n_voters);
extern struct host *host_new_cfg(const struct raft_config *cfg, int n_voters);
extern struct host *host_new_conf(const struct raft_config *cfg, const struct raft_conf *conf);

extern void host_pump(struct host *h);
extern void host_persist_to(struct host *h, raft_seq seq);
extern void host_persist(struct host *h);
extern void host_apply_to(struct host *h, raft_index index);
extern void host_apply(struct host *h);
extern bool host_restart(struct host *h);
extern void host_clear(struct host *h);
extern void host_tick(struct host *h, int n);
extern void host_elect(struct host *h);

extern struct raft_status host_status(const struct host *h);
extern struct raft_peer_status host_peer(const struct host *h, raft_id id);
extern struct raft_conf host_conf(const struct host *h);

/* Messages in h->out: the last one of a type to a peer (0 = any), and how many. */
extern const struct raft_msg *host_sent(const struct host *h, int type, raft_id to);
extern size_t host_count(const struct host *h, int type, raft_id to);

/* Feed messages; terms of entries are the digits of a string. */
extern enum raft_rc host_msg(struct host *h, const struct raft_msg *m);
extern enum raft_rc host_append(struct host *h, raft_id from, raft_term term,
								raft_index prev, raft_term prev_term,
								raft_index commit, const char *terms);
extern enum raft_rc host_heartbeat(struct host *h, raft_id from, raft_term term,
								   raft_index commit);
extern enum raft_rc host_ack(struct host *h, raft_id from, raft_index index);
extern enum raft_rc host_reject(struct host *h, raft_id from, raft_index index,
								raft_index hint, raft_term hint_term);
extern enum raft_rc host_vote(struct host *h, int type, raft_id from, raft_term term,
							  raft_index last, raft_term last_term);
extern enum raft_rc host_vote_resp(struct host *h, int type, raft_id from,
								   raft_term term, bool reject);
extern enum raft_rc host_propose(struct host *h, uint32_t size, raft_index *index);
extern enum raft_rc host_change(struct host *h, const struct raft_conf_change *cc,
								raft_index *index);
extern const struct raft_conf_change *change_of(const char *text, enum raft_transition t);
extern struct raft_conf conf_of(int n_voters);

/* ---------- several ---------- */

#define NET_MAX 8

struct net
{
	struct host *h[NET_MAX];	/* by id - 1; NULL = down */
	bool		cut[NET_MAX][NET_MAX];	/* [from - 1][to - 1] */
	int			drop_type;		/* messages of this type are lost */
	int			n;
};

extern struct net *net_new(int n);
extern struct net *net_new_cfg(int n, void (*mod) (struct raft_config *cfg));
extern void net_run(struct net *net);
extern size_t net_run_shuffled(struct net *net, uint64_t seed, size_t limit);
extern void net_tick(struct net *net, int n);
extern void net_isolate(struct net *net, raft_id id);
extern void net_heal(struct net *net);
extern struct host *net_add(struct net *net, const struct raft_config *cfg);
extern raft_id net_leader(const struct net *net);
extern bool net_agrees(const struct net *net);

#endif							/* PGQ_RAFT_UNIT_H */
