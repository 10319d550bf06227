/*-------------------------------------------------------------------------
 *
 * dd.h
 *	  Scenario interpreter: shared declarations.
 *
 * Runs scenario files of etcd-raft against the core and compares every byte of
 * the transcript.  The core has no texts; all of them are made here, from its
 * structured events and its output.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/test/dd.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_RAFT_DD_H
#define PGQ_RAFT_DD_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "raft_int.h"

/* ---------- dd_text.c: memory and strings ---------- */

/* Memory that lives until the file is done. */
extern void *dd_alloc(size_t size);
extern char *dd_strndup(const char *s, size_t n);
extern void dd_free_all(void);

struct dd_buf
{
	char	   *data;
	size_t		n;
	size_t		cap;
};

extern void dd_putn(struct dd_buf *b, const char *s, size_t n);
extern void dd_puts(struct dd_buf *b, const char *s);
extern void dd_printf(struct dd_buf *b, const char *fmt,...)
			__attribute__((format(printf, 2, 3)));
extern void dd_vprintf(struct dd_buf *b, const char *fmt, va_list ap)
			__attribute__((format(printf, 2, 0)));
extern void dd_put_indented(struct dd_buf *b, const char *text, size_t n);
extern void dd_buf_free(struct dd_buf *b);

/* Pointers that grow. */
struct dd_list
{
	void	  **items;
	size_t		n;
	size_t		cap;
};

extern void dd_push(struct dd_list *l, void *item);
extern void *dd_shift(struct dd_list *l);

/* ---------- dd_parse.c: the file format ---------- */

#define DD_MAX_ARGS		32
#define DD_MAX_VALS		64

struct dd_arg
{
	const char *key;
	const char *vals[DD_MAX_VALS];
	int			n_vals;
};

struct dd_directive
{
	int			line;
	const char *cmd;
	struct dd_arg args[DD_MAX_ARGS];
	int			n_args;
	const char *input;			/* trimmed */
	const char *expected;
};

struct dd_reader
{
	char	   *text;
	char	   *pos;
	int			line;
	const char *error;			/* not NULL: the file cannot be read on */
};

extern bool dd_open(struct dd_reader *rd, const char *path);
extern bool dd_next(struct dd_reader *rd, struct dd_directive *d);
extern void dd_close(struct dd_reader *rd);
extern const struct dd_arg *dd_find_arg(const struct dd_directive *d, const char *key);
extern bool dd_number(const char *s, uint64_t *n);
extern bool dd_bool(const char *s, bool *b);
extern bool dd_parse_changes(const char *s, struct raft_conf_change *cc,
							 struct dd_buf *error);

/* ---------- dd_format.c: how things are printed ---------- */

enum dd_entry_type
{
	DD_NORMAL,
	DD_CONF_V1,
	DD_CONF_V2
};

/* What stands behind raft_entry.data. */
struct dd_payload
{
	enum dd_entry_type type;
	const char *data;
	size_t		size;
	struct raft_conf_change change;
};

struct dd_entry
{
	raft_term	term;
	raft_index	index;
	const struct dd_payload *payload;
};

/* Kinds of messages beyond those of the core. */
enum dd_kind
{
	DD_WIRE,
	DD_STORAGE_APPEND,
	DD_STORAGE_APPEND_RESP,
	DD_STORAGE_APPLY,
	DD_STORAGE_APPLY_RESP
};

struct dd_snap
{
	struct raft_snap meta;
	const char *data;
	size_t		size;
};

struct dd_msg
{
	enum dd_kind kind;
	struct raft_msg m;			/* from, to, term, ...; vote in "target" for
								 * storage messages */
	struct dd_entry *entries;
	size_t		n_entries;
	const struct dd_snap *snap;
	struct dd_list responses;	/* struct dd_msg */
	raft_seq	seq;
	bool		has_hard;
};

extern const struct dd_payload *dd_payload_of(uint8_t type, const void *data);
extern const char *dd_type_name(const struct dd_msg *m);
extern int	dd_type_by_name(const char *name);
extern int	dd_type_number(const struct dd_msg *m);
extern const char *dd_wire_name(int type);
extern const char *dd_role_name(enum raft_role role);
extern void dd_put_entry(struct dd_buf *b, const struct dd_entry *e);
extern void dd_put_entries(struct dd_buf *b, const struct dd_entry *e, size_t n);
extern void dd_put_msg(struct dd_buf *b, const struct dd_msg *m);
extern void dd_put_snap(struct dd_buf *b, const struct raft_snap *s);
extern void dd_put_conf(struct dd_buf *b, const struct raft_conf *c);
extern void dd_put_change(struct dd_buf *b, const struct raft_conf_change *c);
extern void dd_put_progress(struct dd_buf *b, const struct raft_peer_status *p);
extern void dd_put_ids(struct dd_buf *b, const raft_id *ids, int n);

/* ---------- dd_env.c: the nodes ---------- */

enum dd_level
{
	DD_DEBUG,
	DD_INFO,
	DD_WARN,
	DD_ERROR,
	DD_FATAL,
	DD_NONE
};

struct dd_env;

struct dd_node
{
	struct dd_env *env;
	raft_id		id;
	struct raft *raft;
	bool		async;
	uint32_t	election_tick;
	uint32_t	heartbeat_tick;

	/* the disk: log after (base_index, base_term) */
	raft_index	base_index;
	raft_term	base_term;
	struct dd_entry *log;
	size_t		n_log;
	size_t		cap_log;
	struct raft_snap disk_snap;

	/* the log as the core has it, written or not, from index 1 on */
	struct dd_entry *view;
	size_t		cap_view;

	raft_index	pending_snap;	/* taken, not yet known to be applied */
	raft_term	prev_term;
	raft_id		prev_vote;
	struct dd_list append_work; /* struct dd_msg */
	struct dd_list apply_work;
	struct dd_list history;		/* struct dd_snap */
};

struct dd_env
{
	struct dd_buf *out;
	struct dd_buf root;
	int			level;
	struct dd_list nodes;		/* struct dd_node */
	struct dd_list msgs;		/* struct dd_msg in flight */
	struct dd_buf error;		/* of the command */
	const char *fatal;			/* the interpreter cannot go on */

	/* the other two kinds of files */
	struct raft_changer changer;
	uint64_t	changer_last;
	uint64_t	changer_next[RAFT_MAX_PEERS];
	raft_id		changer_ids[RAFT_MAX_PEERS];
	int			changer_n;
};

extern void dd_write(struct dd_env *env, const char *fmt,...)
			__attribute__((format(printf, 2, 3)));
extern void dd_log(struct dd_env *env, int level, const char *fmt,...)
			__attribute__((format(printf, 3, 4)));
extern void dd_error(struct dd_env *env, const char *fmt,...)
			__attribute__((format(printf, 2, 3)));
extern bool dd_failed(const struct dd_env *env);
extern struct dd_node *dd_node_at(struct dd_env *env, uint64_t id);
extern void dd_env_reset(struct dd_env *env);

/* dd_event.c */
extern void dd_event(void *arg, const struct raft_event *ev);

/* dd_node.c */
struct dd_node_options
{
	struct raft_config cfg;
	struct dd_snap snap;
	bool		bootstrap;
	bool		async;
};
extern void dd_add_node(struct dd_env *env, const struct dd_node_options *opt);
extern void dd_process_ready(struct dd_node *n);
extern void dd_process_append_thread(struct dd_node *n);
extern void dd_process_apply_thread(struct dd_node *n);
extern void dd_deliver(struct dd_env *env, struct dd_msg *m);
extern void dd_compact(struct dd_node *n, raft_index index);
extern void dd_raft_log(struct dd_node *n);
extern void dd_proposal_result(struct dd_env *env, enum raft_rc rc);

/* dd_command.c, dd_conf.c, dd_quorum.c: return false for a foreign command */
extern bool dd_command(struct dd_env *env, const struct dd_directive *d);
extern bool dd_conf_command(struct dd_env *env, const struct dd_directive *d);
extern bool dd_quorum_command(struct dd_env *env, const struct dd_directive *d);

#endif							/* PGQ_RAFT_DD_H */
