/*-------------------------------------------------------------------------
 *
 * pg_quorum--1.0.sql
 *	  The objects of the extension: all in the schema quorum.
 *
 * Sections: schema and roles; relations; types; writes; reads; transactions;
 * the cluster; views; locks; watches; operation; users and roles; privileges.
 *
 * A function that takes a key exists for text and for bytea, one that
 * writes a value also for jsonb.  No function is STRICT: a NULL key is an error
 * and a NULL option its default.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  control/pg_quorum--1.0.sql
 *
 *-------------------------------------------------------------------------
 */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION pg_quorum" to load this file. \quit

/* ----------------------------------------------------------------
 *	Schema and roles
 * ----------------------------------------------------------------
 *
 * Fails if the schema exists: nothing of ours goes into a schema of someone
 * else.  Roles belong to the whole instance, so they may be there from before
 * and outlive the extension.
 */

CREATE SCHEMA quorum;
COMMENT ON SCHEMA quorum IS 'pg_quorum: a replicated key-value store';

DO $$
DECLARE
	role_name pg_catalog.text;
BEGIN
	FOREACH role_name IN ARRAY '{quorum_reader,quorum_writer,quorum_admin,quorum_peer}'::pg_catalog.text[]
	LOOP
		IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles r
					   WHERE r.rolname OPERATOR(pg_catalog.=) role_name::pg_catalog.name)
		THEN
			EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', role_name);
		END IF;
	END LOOP;
END
$$;

/* ----------------------------------------------------------------
 *	Relations
 * ----------------------------------------------------------------
 */

CREATE FUNCTION quorum.log_handler(internal)
RETURNS table_am_handler
AS 'MODULE_PATHNAME', 'quorum_log_handler'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION quorum.log_handler(internal)
IS 'table access method of the relation quorum.raft_log';

CREATE FUNCTION quorum.tree_handler(internal)
RETURNS table_am_handler
AS 'MODULE_PATHNAME', 'quorum_tree_handler'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION quorum.tree_handler(internal)
IS 'table access method of the relation quorum.mvcc';

CREATE ACCESS METHOD quorum_log TYPE TABLE HANDLER quorum.log_handler;
COMMENT ON ACCESS METHOD quorum_log IS 'the Raft log of pg_quorum';

CREATE ACCESS METHOD quorum_tree TYPE TABLE HANDLER quorum.tree_handler;
COMMENT ON ACCESS METHOD quorum_tree IS 'the store of pg_quorum';

CREATE TABLE quorum.raft_log (
	index bigint,
	term bigint,
	type text,
	size integer,
	request jsonb
) USING quorum_log;
COMMENT ON TABLE quorum.raft_log IS 'entries of this member''s Raft log';
COMMENT ON COLUMN quorum.raft_log.index IS 'position in the log';
COMMENT ON COLUMN quorum.raft_log.term IS 'term of the leader that made the entry';
COMMENT ON COLUMN quorum.raft_log.type IS 'normal, empty (begins a term) or configuration';
COMMENT ON COLUMN quorum.raft_log.size IS 'bytes of the request';
COMMENT ON COLUMN quorum.raft_log.request IS 'the request, without passwords; null if there is none';

CREATE TABLE quorum.mvcc (
	key bytea,
	mod_revision bigint,
	sub bigint,
	create_revision bigint,
	version bigint,
	lease bigint,
	deleted boolean,
	value bytea
) USING quorum_tree;
COMMENT ON TABLE quorum.mvcc IS 'every revision of every key that this member stores';
COMMENT ON COLUMN quorum.mvcc.key IS 'the key';
COMMENT ON COLUMN quorum.mvcc.mod_revision IS 'revision that made this version';
COMMENT ON COLUMN quorum.mvcc.sub IS 'number of the change within its revision, from 0';
COMMENT ON COLUMN quorum.mvcc.create_revision IS 'revision that made the key';
COMMENT ON COLUMN quorum.mvcc.version IS 'number of writes since the key was made';
COMMENT ON COLUMN quorum.mvcc.lease IS 'lease the key is attached to, or 0';
COMMENT ON COLUMN quorum.mvcc.deleted IS 'whether this version is the deletion of the key';
COMMENT ON COLUMN quorum.mvcc.value IS 'the value';

/* ----------------------------------------------------------------
 *	Types
 * ----------------------------------------------------------------
 */

CREATE TYPE quorum.kv AS (
	key text,
	value text,
	create_revision bigint,
	mod_revision bigint,
	version bigint,
	lease bigint
);
COMMENT ON TYPE quorum.kv IS 'a key with its value and revisions, as text';

CREATE TYPE quorum.kv_bytes AS (
	key bytea,
	value bytea,
	create_revision bigint,
	mod_revision bigint,
	version bigint,
	lease bigint
);
COMMENT ON TYPE quorum.kv_bytes IS 'a key with its value and revisions, as bytea';

CREATE TYPE quorum.event AS (
	type text,
	key text,
	value text,
	create_revision bigint,
	mod_revision bigint,
	version bigint,
	lease bigint,
	prev_value text
);
COMMENT ON TYPE quorum.event IS 'a change of a key: PUT or DELETE, as text';

CREATE TYPE quorum.event_bytes AS (
	type text,
	key bytea,
	value bytea,
	create_revision bigint,
	mod_revision bigint,
	version bigint,
	lease bigint,
	prev_value bytea
);
COMMENT ON TYPE quorum.event_bytes IS 'a change of a key: PUT or DELETE, as bytea';

CREATE TYPE quorum.compare;

CREATE FUNCTION quorum.compare_in(cstring)
RETURNS quorum.compare
AS 'MODULE_PATHNAME', 'quorum_compare_in'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quorum.compare_in(cstring) IS 'I/O of the type quorum.compare';

CREATE FUNCTION quorum.compare_out(quorum.compare)
RETURNS cstring
AS 'MODULE_PATHNAME', 'quorum_compare_out'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quorum.compare_out(quorum.compare) IS 'I/O of the type quorum.compare';

CREATE FUNCTION quorum.compare_recv(internal)
RETURNS quorum.compare
AS 'MODULE_PATHNAME', 'quorum_compare_recv'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quorum.compare_recv(internal) IS 'I/O of the type quorum.compare';

CREATE FUNCTION quorum.compare_send(quorum.compare)
RETURNS bytea
AS 'MODULE_PATHNAME', 'quorum_compare_send'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quorum.compare_send(quorum.compare) IS 'I/O of the type quorum.compare';

CREATE TYPE quorum.compare (
	INPUT = quorum.compare_in,
	OUTPUT = quorum.compare_out,
	RECEIVE = quorum.compare_recv,
	SEND = quorum.compare_send,
	INTERNALLENGTH = VARIABLE,
	ALIGNMENT = int4,
	STORAGE = extended
);
COMMENT ON TYPE quorum.compare IS 'a condition of a transaction';

CREATE TYPE quorum.op;

CREATE FUNCTION quorum.op_in(cstring)
RETURNS quorum.op
AS 'MODULE_PATHNAME', 'quorum_op_in'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quorum.op_in(cstring) IS 'I/O of the type quorum.op';

CREATE FUNCTION quorum.op_out(quorum.op)
RETURNS cstring
AS 'MODULE_PATHNAME', 'quorum_op_out'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quorum.op_out(quorum.op) IS 'I/O of the type quorum.op';

CREATE FUNCTION quorum.op_recv(internal)
RETURNS quorum.op
AS 'MODULE_PATHNAME', 'quorum_op_recv'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quorum.op_recv(internal) IS 'I/O of the type quorum.op';

CREATE FUNCTION quorum.op_send(quorum.op)
RETURNS bytea
AS 'MODULE_PATHNAME', 'quorum_op_send'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quorum.op_send(quorum.op) IS 'I/O of the type quorum.op';

CREATE TYPE quorum.op (
	INPUT = quorum.op_in,
	OUTPUT = quorum.op_out,
	RECEIVE = quorum.op_recv,
	SEND = quorum.op_send,
	INTERNALLENGTH = VARIABLE,
	ALIGNMENT = int4,
	STORAGE = extended
);
COMMENT ON TYPE quorum.op IS 'an operation of a transaction';

/* ----------------------------------------------------------------
 *	Writes
 * ----------------------------------------------------------------
 *
 * Each is one request to the cluster, in effect on a majority when it returns,
 * whatever becomes of the transaction around it.
 */

CREATE FUNCTION quorum.put(
	key text,
	value text,
	lease bigint DEFAULT 0,
	ignore_value boolean DEFAULT false,
	ignore_lease boolean DEFAULT false
)
RETURNS bigint
AS 'MODULE_PATHNAME', 'quorum_put_text'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.put(text, text, bigint, boolean, boolean)
IS 'write a key; the revision of the write';

CREATE FUNCTION quorum.put(
	key text,
	value jsonb,
	lease bigint DEFAULT 0,
	ignore_value boolean DEFAULT false,
	ignore_lease boolean DEFAULT false
)
RETURNS bigint
AS 'MODULE_PATHNAME', 'quorum_put_text_jsonb'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.put(text, jsonb, bigint, boolean, boolean)
IS 'write a key; the revision of the write';

CREATE FUNCTION quorum.put(
	key bytea,
	value bytea,
	lease bigint DEFAULT 0,
	ignore_value boolean DEFAULT false,
	ignore_lease boolean DEFAULT false
)
RETURNS bigint
AS 'MODULE_PATHNAME', 'quorum_put_bytea'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.put(bytea, bytea, bigint, boolean, boolean)
IS 'write a key; the revision of the write';

CREATE FUNCTION quorum.put(
	key bytea,
	value jsonb,
	lease bigint DEFAULT 0,
	ignore_value boolean DEFAULT false,
	ignore_lease boolean DEFAULT false
)
RETURNS bigint
AS 'MODULE_PATHNAME', 'quorum_put_bytea_jsonb'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.put(bytea, jsonb, bigint, boolean, boolean)
IS 'write a key; the revision of the write';

CREATE FUNCTION quorum.swap(
	key text,
	value text,
	lease bigint DEFAULT 0
)
RETURNS quorum.kv
AS 'MODULE_PATHNAME', 'quorum_swap_text'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.swap(text, text, bigint)
IS 'write a key; what it was before, or null';

CREATE FUNCTION quorum.swap(
	key text,
	value jsonb,
	lease bigint DEFAULT 0
)
RETURNS quorum.kv
AS 'MODULE_PATHNAME', 'quorum_swap_text_jsonb'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.swap(text, jsonb, bigint)
IS 'write a key; what it was before, or null';

CREATE FUNCTION quorum.swap(
	key bytea,
	value bytea,
	lease bigint DEFAULT 0
)
RETURNS quorum.kv_bytes
AS 'MODULE_PATHNAME', 'quorum_swap_bytea'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.swap(bytea, bytea, bigint)
IS 'write a key; what it was before, or null';

CREATE FUNCTION quorum.swap(
	key bytea,
	value jsonb,
	lease bigint DEFAULT 0
)
RETURNS quorum.kv_bytes
AS 'MODULE_PATHNAME', 'quorum_swap_bytea_jsonb'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.swap(bytea, jsonb, bigint)
IS 'write a key; what it was before, or null';

CREATE FUNCTION quorum.put_if_absent(
	key text,
	value text,
	lease bigint DEFAULT 0
)
RETURNS boolean
AS 'MODULE_PATHNAME', 'quorum_put_if_absent_text'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.put_if_absent(text, text, bigint)
IS 'write a key that does not exist; whether it was written';

CREATE FUNCTION quorum.put_if_absent(
	key text,
	value jsonb,
	lease bigint DEFAULT 0
)
RETURNS boolean
AS 'MODULE_PATHNAME', 'quorum_put_if_absent_text_jsonb'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.put_if_absent(text, jsonb, bigint)
IS 'write a key that does not exist; whether it was written';

CREATE FUNCTION quorum.put_if_absent(
	key bytea,
	value bytea,
	lease bigint DEFAULT 0
)
RETURNS boolean
AS 'MODULE_PATHNAME', 'quorum_put_if_absent_bytea'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.put_if_absent(bytea, bytea, bigint)
IS 'write a key that does not exist; whether it was written';

CREATE FUNCTION quorum.put_if_absent(
	key bytea,
	value jsonb,
	lease bigint DEFAULT 0
)
RETURNS boolean
AS 'MODULE_PATHNAME', 'quorum_put_if_absent_bytea_jsonb'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.put_if_absent(bytea, jsonb, bigint)
IS 'write a key that does not exist; whether it was written';

CREATE FUNCTION quorum.cas(
	key text,
	mod_revision bigint,
	value text,
	lease bigint DEFAULT 0
)
RETURNS boolean
AS 'MODULE_PATHNAME', 'quorum_cas_text'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.cas(text, bigint, text, bigint)
IS 'write a key if its mod_revision is this one; whether it was written';

CREATE FUNCTION quorum.cas(
	key text,
	mod_revision bigint,
	value jsonb,
	lease bigint DEFAULT 0
)
RETURNS boolean
AS 'MODULE_PATHNAME', 'quorum_cas_text_jsonb'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.cas(text, bigint, jsonb, bigint)
IS 'write a key if its mod_revision is this one; whether it was written';

CREATE FUNCTION quorum.cas(
	key bytea,
	mod_revision bigint,
	value bytea,
	lease bigint DEFAULT 0
)
RETURNS boolean
AS 'MODULE_PATHNAME', 'quorum_cas_bytea'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.cas(bytea, bigint, bytea, bigint)
IS 'write a key if its mod_revision is this one; whether it was written';

CREATE FUNCTION quorum.cas(
	key bytea,
	mod_revision bigint,
	value jsonb,
	lease bigint DEFAULT 0
)
RETURNS boolean
AS 'MODULE_PATHNAME', 'quorum_cas_bytea_jsonb'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.cas(bytea, bigint, jsonb, bigint)
IS 'write a key if its mod_revision is this one; whether it was written';

CREATE FUNCTION quorum.delete(
	key text,
	range_end text DEFAULT NULL,
	prefix boolean DEFAULT false
)
RETURNS bigint
AS 'MODULE_PATHNAME', 'quorum_delete'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.delete(text, text, boolean)
IS 'delete keys; how many there were';

CREATE FUNCTION quorum.delete(
	key bytea,
	range_end bytea DEFAULT NULL,
	prefix boolean DEFAULT false
)
RETURNS bigint
AS 'MODULE_PATHNAME', 'quorum_delete'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.delete(bytea, bytea, boolean)
IS 'delete keys; how many there were';

CREATE FUNCTION quorum.delete_returning(
	key text,
	range_end text DEFAULT NULL,
	prefix boolean DEFAULT false
)
RETURNS SETOF quorum.kv
AS 'MODULE_PATHNAME', 'quorum_delete_returning_text'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000 ROWS 100;
COMMENT ON FUNCTION quorum.delete_returning(text, text, boolean)
IS 'delete keys; what they were';

CREATE FUNCTION quorum.delete_returning(
	key bytea,
	range_end bytea DEFAULT NULL,
	prefix boolean DEFAULT false
)
RETURNS SETOF quorum.kv_bytes
AS 'MODULE_PATHNAME', 'quorum_delete_returning_bytea'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000 ROWS 100;
COMMENT ON FUNCTION quorum.delete_returning(bytea, bytea, boolean)
IS 'delete keys; what they were';

CREATE FUNCTION quorum.compact(
	revision bigint,
	physical boolean DEFAULT false
)
RETURNS void
AS 'MODULE_PATHNAME', 'quorum_compact'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.compact(bigint, boolean)
IS 'give up the history before a revision';

/* ----------------------------------------------------------------
 *	Counters
 * ----------------------------------------------------------------
 */

CREATE FUNCTION quorum.increment(
	key text,
	by bigint DEFAULT 1
)
RETURNS bigint
AS 'MODULE_PATHNAME', 'quorum_increment'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.increment(text, bigint)
IS 'add to a key whose value is a whole number; the new number';

CREATE FUNCTION quorum.increment(
	key bytea,
	by bigint DEFAULT 1
)
RETURNS bigint
AS 'MODULE_PATHNAME', 'quorum_increment'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.increment(bytea, bigint)
IS 'add to a key whose value is a whole number; the new number';

CREATE FUNCTION quorum.put_sequential(
	prefix text,
	value text,
	lease bigint DEFAULT 0
)
RETURNS text
AS 'MODULE_PATHNAME', 'quorum_put_sequential_text'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.put_sequential(text, text, bigint)
IS 'write a new key, a prefix and a number that only grows; the key';

CREATE FUNCTION quorum.put_sequential(
	prefix text,
	value jsonb,
	lease bigint DEFAULT 0
)
RETURNS text
AS 'MODULE_PATHNAME', 'quorum_put_sequential_text_jsonb'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.put_sequential(text, jsonb, bigint)
IS 'write a new key, a prefix and a number that only grows; the key';

CREATE FUNCTION quorum.put_sequential(
	prefix bytea,
	value bytea,
	lease bigint DEFAULT 0
)
RETURNS bytea
AS 'MODULE_PATHNAME', 'quorum_put_sequential_bytea'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.put_sequential(bytea, bytea, bigint)
IS 'write a new key, a prefix and a number that only grows; the key';

CREATE FUNCTION quorum.put_sequential(
	prefix bytea,
	value jsonb,
	lease bigint DEFAULT 0
)
RETURNS bytea
AS 'MODULE_PATHNAME', 'quorum_put_sequential_bytea_jsonb'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.put_sequential(bytea, jsonb, bigint)
IS 'write a new key, a prefix and a number that only grows; the key';

/* ----------------------------------------------------------------
 *	Reads
 * ----------------------------------------------------------------
 *
 * Linearizable, or of this member's state with serializable => true.
 */

CREATE FUNCTION quorum.get(
	key text,
	revision bigint DEFAULT 0,
	serializable boolean DEFAULT false,
	max_staleness interval DEFAULT NULL
)
RETURNS text
AS 'MODULE_PATHNAME', 'quorum_get_text'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 500;
COMMENT ON FUNCTION quorum.get(text, bigint, boolean, interval)
IS 'the value of a key, or null';

CREATE FUNCTION quorum.get(
	key bytea,
	revision bigint DEFAULT 0,
	serializable boolean DEFAULT false,
	max_staleness interval DEFAULT NULL
)
RETURNS bytea
AS 'MODULE_PATHNAME', 'quorum_get_bytea'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 500;
COMMENT ON FUNCTION quorum.get(bytea, bigint, boolean, interval)
IS 'the value of a key, or null';

CREATE FUNCTION quorum.get_kv(
	key text,
	revision bigint DEFAULT 0,
	serializable boolean DEFAULT false,
	max_staleness interval DEFAULT NULL
)
RETURNS quorum.kv
AS 'MODULE_PATHNAME', 'quorum_get_kv_text'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 500;
COMMENT ON FUNCTION quorum.get_kv(text, bigint, boolean, interval)
IS 'a key with its value and revisions, or null';

CREATE FUNCTION quorum.get_kv(
	key bytea,
	revision bigint DEFAULT 0,
	serializable boolean DEFAULT false,
	max_staleness interval DEFAULT NULL
)
RETURNS quorum.kv_bytes
AS 'MODULE_PATHNAME', 'quorum_get_kv_bytea'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 500;
COMMENT ON FUNCTION quorum.get_kv(bytea, bigint, boolean, interval)
IS 'a key with its value and revisions, or null';

CREATE FUNCTION quorum.range(
	key text,
	range_end text DEFAULT NULL,
	prefix boolean DEFAULT false,
	revision bigint DEFAULT 0,
	max_rows bigint DEFAULT 0,
	sort_by text DEFAULT 'key',
	descending boolean DEFAULT false,
	keys_only boolean DEFAULT false,
	min_mod_revision bigint DEFAULT 0,
	max_mod_revision bigint DEFAULT 0,
	min_create_revision bigint DEFAULT 0,
	max_create_revision bigint DEFAULT 0,
	serializable boolean DEFAULT false,
	max_staleness interval DEFAULT NULL
)
RETURNS SETOF quorum.kv
AS 'MODULE_PATHNAME', 'quorum_range_text'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000 ROWS 1000;
COMMENT ON FUNCTION quorum.range(text, text, boolean, bigint, bigint, text, boolean, boolean, bigint, bigint, bigint, bigint, boolean, interval)
IS 'the keys of a range with their values and revisions';

CREATE FUNCTION quorum.range(
	key bytea,
	range_end bytea DEFAULT NULL,
	prefix boolean DEFAULT false,
	revision bigint DEFAULT 0,
	max_rows bigint DEFAULT 0,
	sort_by text DEFAULT 'key',
	descending boolean DEFAULT false,
	keys_only boolean DEFAULT false,
	min_mod_revision bigint DEFAULT 0,
	max_mod_revision bigint DEFAULT 0,
	min_create_revision bigint DEFAULT 0,
	max_create_revision bigint DEFAULT 0,
	serializable boolean DEFAULT false,
	max_staleness interval DEFAULT NULL
)
RETURNS SETOF quorum.kv_bytes
AS 'MODULE_PATHNAME', 'quorum_range_bytea'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000 ROWS 1000;
COMMENT ON FUNCTION quorum.range(bytea, bytea, boolean, bigint, bigint, text, boolean, boolean, bigint, bigint, bigint, bigint, boolean, interval)
IS 'the keys of a range with their values and revisions';

CREATE FUNCTION quorum.count(
	key text,
	range_end text DEFAULT NULL,
	prefix boolean DEFAULT false,
	revision bigint DEFAULT 0,
	serializable boolean DEFAULT false,
	max_staleness interval DEFAULT NULL
)
RETURNS bigint
AS 'MODULE_PATHNAME', 'quorum_count'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.count(text, text, boolean, bigint, boolean, interval)
IS 'how many keys a range has';

CREATE FUNCTION quorum.count(
	key bytea,
	range_end bytea DEFAULT NULL,
	prefix boolean DEFAULT false,
	revision bigint DEFAULT 0,
	serializable boolean DEFAULT false,
	max_staleness interval DEFAULT NULL
)
RETURNS bigint
AS 'MODULE_PATHNAME', 'quorum_count'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.count(bytea, bytea, boolean, bigint, boolean, interval)
IS 'how many keys a range has';

CREATE FUNCTION quorum.history(
	key text,
	range_end text DEFAULT NULL,
	prefix boolean DEFAULT false,
	since bigint DEFAULT 0,
	until bigint DEFAULT 0,
	max_rows bigint DEFAULT 0,
	serializable boolean DEFAULT false
)
RETURNS SETOF quorum.event
AS 'MODULE_PATHNAME', 'quorum_history_text'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000 ROWS 1000;
COMMENT ON FUNCTION quorum.history(text, text, boolean, bigint, bigint, bigint, boolean)
IS 'the changes of keys after one revision and up to another, oldest first';

CREATE FUNCTION quorum.history(
	key bytea,
	range_end bytea DEFAULT NULL,
	prefix boolean DEFAULT false,
	since bigint DEFAULT 0,
	until bigint DEFAULT 0,
	max_rows bigint DEFAULT 0,
	serializable boolean DEFAULT false
)
RETURNS SETOF quorum.event_bytes
AS 'MODULE_PATHNAME', 'quorum_history_bytea'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000 ROWS 1000;
COMMENT ON FUNCTION quorum.history(bytea, bytea, boolean, bigint, bigint, bigint, boolean)
IS 'the changes of keys after one revision and up to another, oldest first';

CREATE FUNCTION quorum.revision(
	serializable boolean DEFAULT false
)
RETURNS bigint
AS 'MODULE_PATHNAME', 'quorum_revision'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 500;
COMMENT ON FUNCTION quorum.revision(boolean)
IS 'the current revision of the store';

CREATE FUNCTION quorum.compacted_revision(
	serializable boolean DEFAULT false
)
RETURNS bigint
AS 'MODULE_PATHNAME', 'quorum_compacted_revision'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 500;
COMMENT ON FUNCTION quorum.compacted_revision(boolean)
IS 'the revision up to which the store was compacted, or -1';

CREATE FUNCTION quorum.read_barrier(
	timeout interval DEFAULT NULL
)
RETURNS bigint
AS 'MODULE_PATHNAME', 'quorum_read_barrier'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 500;
COMMENT ON FUNCTION quorum.read_barrier(interval)
IS 'wait until this member has applied what was committed before the call';

CREATE FUNCTION quorum.as_text(
	value bytea
)
RETURNS text
AS 'MODULE_PATHNAME', 'quorum_as_text'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1;
COMMENT ON FUNCTION quorum.as_text(bytea)
IS 'bytes as text of the database encoding, null where they are none';

CREATE FUNCTION quorum.as_jsonb(
	value bytea
)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'quorum_as_jsonb'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION quorum.as_jsonb(bytea)
IS 'bytes as jsonb, null where they are none';

/* ----------------------------------------------------------------
 *	Transactions
 * ----------------------------------------------------------------
 */

CREATE FUNCTION quorum.if_value(
	key text,
	operator text,
	value text,
	range_end text DEFAULT NULL,
	prefix boolean DEFAULT false
)
RETURNS quorum.compare
AS 'MODULE_PATHNAME', 'quorum_if_value'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1;
COMMENT ON FUNCTION quorum.if_value(text, text, text, text, boolean)
IS 'condition: the value of a key, or of all keys of a range';

CREATE FUNCTION quorum.if_value(
	key text,
	operator text,
	value jsonb,
	range_end text DEFAULT NULL,
	prefix boolean DEFAULT false
)
RETURNS quorum.compare
AS 'MODULE_PATHNAME', 'quorum_if_value_jsonb'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1;
COMMENT ON FUNCTION quorum.if_value(text, text, jsonb, text, boolean)
IS 'condition: the value of a key, or of all keys of a range';

CREATE FUNCTION quorum.if_value(
	key bytea,
	operator text,
	value bytea,
	range_end bytea DEFAULT NULL,
	prefix boolean DEFAULT false
)
RETURNS quorum.compare
AS 'MODULE_PATHNAME', 'quorum_if_value'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1;
COMMENT ON FUNCTION quorum.if_value(bytea, text, bytea, bytea, boolean)
IS 'condition: the value of a key, or of all keys of a range';

CREATE FUNCTION quorum.if_value(
	key bytea,
	operator text,
	value jsonb,
	range_end bytea DEFAULT NULL,
	prefix boolean DEFAULT false
)
RETURNS quorum.compare
AS 'MODULE_PATHNAME', 'quorum_if_value_jsonb'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1;
COMMENT ON FUNCTION quorum.if_value(bytea, text, jsonb, bytea, boolean)
IS 'condition: the value of a key, or of all keys of a range';

CREATE FUNCTION quorum.if_version(
	key text,
	operator text,
	version bigint,
	range_end text DEFAULT NULL,
	prefix boolean DEFAULT false
)
RETURNS quorum.compare
AS 'MODULE_PATHNAME', 'quorum_if_version'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1;
COMMENT ON FUNCTION quorum.if_version(text, text, bigint, text, boolean)
IS 'condition: the version of a key, or of all keys of a range';

CREATE FUNCTION quorum.if_version(
	key bytea,
	operator text,
	version bigint,
	range_end bytea DEFAULT NULL,
	prefix boolean DEFAULT false
)
RETURNS quorum.compare
AS 'MODULE_PATHNAME', 'quorum_if_version'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1;
COMMENT ON FUNCTION quorum.if_version(bytea, text, bigint, bytea, boolean)
IS 'condition: the version of a key, or of all keys of a range';

CREATE FUNCTION quorum.if_create_revision(
	key text,
	operator text,
	create_revision bigint,
	range_end text DEFAULT NULL,
	prefix boolean DEFAULT false
)
RETURNS quorum.compare
AS 'MODULE_PATHNAME', 'quorum_if_create_revision'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1;
COMMENT ON FUNCTION quorum.if_create_revision(text, text, bigint, text, boolean)
IS 'condition: the create_revision of a key, or of all keys of a range';

CREATE FUNCTION quorum.if_create_revision(
	key bytea,
	operator text,
	create_revision bigint,
	range_end bytea DEFAULT NULL,
	prefix boolean DEFAULT false
)
RETURNS quorum.compare
AS 'MODULE_PATHNAME', 'quorum_if_create_revision'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1;
COMMENT ON FUNCTION quorum.if_create_revision(bytea, text, bigint, bytea, boolean)
IS 'condition: the create_revision of a key, or of all keys of a range';

CREATE FUNCTION quorum.if_mod_revision(
	key text,
	operator text,
	mod_revision bigint,
	range_end text DEFAULT NULL,
	prefix boolean DEFAULT false
)
RETURNS quorum.compare
AS 'MODULE_PATHNAME', 'quorum_if_mod_revision'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1;
COMMENT ON FUNCTION quorum.if_mod_revision(text, text, bigint, text, boolean)
IS 'condition: the mod_revision of a key, or of all keys of a range';

CREATE FUNCTION quorum.if_mod_revision(
	key bytea,
	operator text,
	mod_revision bigint,
	range_end bytea DEFAULT NULL,
	prefix boolean DEFAULT false
)
RETURNS quorum.compare
AS 'MODULE_PATHNAME', 'quorum_if_mod_revision'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1;
COMMENT ON FUNCTION quorum.if_mod_revision(bytea, text, bigint, bytea, boolean)
IS 'condition: the mod_revision of a key, or of all keys of a range';

CREATE FUNCTION quorum.if_lease(
	key text,
	operator text,
	lease bigint,
	range_end text DEFAULT NULL,
	prefix boolean DEFAULT false
)
RETURNS quorum.compare
AS 'MODULE_PATHNAME', 'quorum_if_lease'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1;
COMMENT ON FUNCTION quorum.if_lease(text, text, bigint, text, boolean)
IS 'condition: the lease of a key, or of all keys of a range';

CREATE FUNCTION quorum.if_lease(
	key bytea,
	operator text,
	lease bigint,
	range_end bytea DEFAULT NULL,
	prefix boolean DEFAULT false
)
RETURNS quorum.compare
AS 'MODULE_PATHNAME', 'quorum_if_lease'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1;
COMMENT ON FUNCTION quorum.if_lease(bytea, text, bigint, bytea, boolean)
IS 'condition: the lease of a key, or of all keys of a range';

CREATE FUNCTION quorum.if_exists(
	key text
)
RETURNS quorum.compare
AS 'MODULE_PATHNAME', 'quorum_if_exists'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1;
COMMENT ON FUNCTION quorum.if_exists(text)
IS 'condition: a key exists';

CREATE FUNCTION quorum.if_exists(
	key bytea
)
RETURNS quorum.compare
AS 'MODULE_PATHNAME', 'quorum_if_exists'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1;
COMMENT ON FUNCTION quorum.if_exists(bytea)
IS 'condition: a key exists';

CREATE FUNCTION quorum.if_absent(
	key text
)
RETURNS quorum.compare
AS 'MODULE_PATHNAME', 'quorum_if_absent'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1;
COMMENT ON FUNCTION quorum.if_absent(text)
IS 'condition: a key does not exist';

CREATE FUNCTION quorum.if_absent(
	key bytea
)
RETURNS quorum.compare
AS 'MODULE_PATHNAME', 'quorum_if_absent'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1;
COMMENT ON FUNCTION quorum.if_absent(bytea)
IS 'condition: a key does not exist';

CREATE FUNCTION quorum.op_put(
	key text,
	value text,
	lease bigint DEFAULT 0,
	ignore_value boolean DEFAULT false,
	ignore_lease boolean DEFAULT false,
	prev_kv boolean DEFAULT false
)
RETURNS quorum.op
AS 'MODULE_PATHNAME', 'quorum_op_put'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1;
COMMENT ON FUNCTION quorum.op_put(text, text, bigint, boolean, boolean, boolean)
IS 'operation: write a key';

CREATE FUNCTION quorum.op_put(
	key text,
	value jsonb,
	lease bigint DEFAULT 0,
	ignore_value boolean DEFAULT false,
	ignore_lease boolean DEFAULT false,
	prev_kv boolean DEFAULT false
)
RETURNS quorum.op
AS 'MODULE_PATHNAME', 'quorum_op_put_jsonb'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1;
COMMENT ON FUNCTION quorum.op_put(text, jsonb, bigint, boolean, boolean, boolean)
IS 'operation: write a key';

CREATE FUNCTION quorum.op_put(
	key bytea,
	value bytea,
	lease bigint DEFAULT 0,
	ignore_value boolean DEFAULT false,
	ignore_lease boolean DEFAULT false,
	prev_kv boolean DEFAULT false
)
RETURNS quorum.op
AS 'MODULE_PATHNAME', 'quorum_op_put'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1;
COMMENT ON FUNCTION quorum.op_put(bytea, bytea, bigint, boolean, boolean, boolean)
IS 'operation: write a key';

CREATE FUNCTION quorum.op_put(
	key bytea,
	value jsonb,
	lease bigint DEFAULT 0,
	ignore_value boolean DEFAULT false,
	ignore_lease boolean DEFAULT false,
	prev_kv boolean DEFAULT false
)
RETURNS quorum.op
AS 'MODULE_PATHNAME', 'quorum_op_put_jsonb'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1;
COMMENT ON FUNCTION quorum.op_put(bytea, jsonb, bigint, boolean, boolean, boolean)
IS 'operation: write a key';

CREATE FUNCTION quorum.op_delete(
	key text,
	range_end text DEFAULT NULL,
	prefix boolean DEFAULT false,
	prev_kv boolean DEFAULT false
)
RETURNS quorum.op
AS 'MODULE_PATHNAME', 'quorum_op_delete'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1;
COMMENT ON FUNCTION quorum.op_delete(text, text, boolean, boolean)
IS 'operation: delete keys';

CREATE FUNCTION quorum.op_delete(
	key bytea,
	range_end bytea DEFAULT NULL,
	prefix boolean DEFAULT false,
	prev_kv boolean DEFAULT false
)
RETURNS quorum.op
AS 'MODULE_PATHNAME', 'quorum_op_delete'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1;
COMMENT ON FUNCTION quorum.op_delete(bytea, bytea, boolean, boolean)
IS 'operation: delete keys';

CREATE FUNCTION quorum.op_range(
	key text,
	range_end text DEFAULT NULL,
	prefix boolean DEFAULT false,
	revision bigint DEFAULT 0,
	max_rows bigint DEFAULT 0,
	sort_by text DEFAULT 'key',
	descending boolean DEFAULT false,
	keys_only boolean DEFAULT false,
	min_mod_revision bigint DEFAULT 0,
	max_mod_revision bigint DEFAULT 0,
	min_create_revision bigint DEFAULT 0,
	max_create_revision bigint DEFAULT 0,
	serializable boolean DEFAULT false,
	count_only boolean DEFAULT false
)
RETURNS quorum.op
AS 'MODULE_PATHNAME', 'quorum_op_range'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1;
COMMENT ON FUNCTION quorum.op_range(text, text, boolean, bigint, bigint, text, boolean, boolean, bigint, bigint, bigint, bigint, boolean, boolean)
IS 'operation: read the keys of a range';

CREATE FUNCTION quorum.op_range(
	key bytea,
	range_end bytea DEFAULT NULL,
	prefix boolean DEFAULT false,
	revision bigint DEFAULT 0,
	max_rows bigint DEFAULT 0,
	sort_by text DEFAULT 'key',
	descending boolean DEFAULT false,
	keys_only boolean DEFAULT false,
	min_mod_revision bigint DEFAULT 0,
	max_mod_revision bigint DEFAULT 0,
	min_create_revision bigint DEFAULT 0,
	max_create_revision bigint DEFAULT 0,
	serializable boolean DEFAULT false,
	count_only boolean DEFAULT false
)
RETURNS quorum.op
AS 'MODULE_PATHNAME', 'quorum_op_range'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1;
COMMENT ON FUNCTION quorum.op_range(bytea, bytea, boolean, bigint, bigint, text, boolean, boolean, bigint, bigint, bigint, bigint, boolean, boolean)
IS 'operation: read the keys of a range';

CREATE FUNCTION quorum.op_txn(
	compare quorum.compare[],
	success quorum.op[],
	failure quorum.op[] DEFAULT NULL
)
RETURNS quorum.op
AS 'MODULE_PATHNAME', 'quorum_op_txn'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1;
COMMENT ON FUNCTION quorum.op_txn(quorum.compare[], quorum.op[], quorum.op[])
IS 'operation: a transaction in the transaction';

CREATE FUNCTION quorum.txn(
	compare quorum.compare[],
	success quorum.op[],
	failure quorum.op[] DEFAULT NULL,
	OUT succeeded boolean,
	OUT revision bigint,
	OUT responses jsonb
)
RETURNS record
AS 'MODULE_PATHNAME', 'quorum_txn'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.txn(quorum.compare[], quorum.op[], quorum.op[], OUT boolean, OUT bigint, OUT jsonb)
IS 'carry out one list of operations if all conditions hold, else the other';

CREATE FUNCTION quorum.txn(
	request jsonb
)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'quorum_txn_json'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.txn(jsonb)
IS 'carry out a transaction given and answered in the JSON form of etcd';

/* ----------------------------------------------------------------
 *	The cluster
 * ----------------------------------------------------------------
 */

CREATE FUNCTION quorum.get_status(
	OUT cluster_id text,
	OUT member_id text,
	OUT name text,
	OUT role text,
	OUT leader text,
	OUT term bigint,
	OUT commit_index bigint,
	OUT applied_index bigint,
	OUT revision bigint,
	OUT compacted_revision bigint,
	OUT keys bigint,
	OUT size bigint,
	OUT size_in_use bigint,
	OUT alarms text[],
	OUT quarantined text,
	OUT version text,
	OUT reason text
)
RETURNS record
AS 'MODULE_PATHNAME', 'quorum_get_status'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100;
COMMENT ON FUNCTION quorum.get_status(OUT text, OUT text, OUT text, OUT text, OUT text, OUT bigint, OUT bigint, OUT bigint, OUT bigint, OUT bigint, OUT bigint, OUT bigint, OUT bigint, OUT text[], OUT text, OUT text, OUT text)
IS 'the row of quorum.status';

CREATE FUNCTION quorum.get_members(
	OUT id text,
	OUT name text,
	OUT conninfo text,
	OUT client_urls text[],
	OUT is_learner boolean,
	OUT is_leader boolean,
	OUT is_self boolean,
	OUT match_index bigint,
	OUT lag bigint,
	OUT state text,
	OUT last_heard timestamptz
)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'quorum_get_members'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100 ROWS 3;
COMMENT ON FUNCTION quorum.get_members(OUT text, OUT text, OUT text, OUT text[], OUT boolean, OUT boolean, OUT boolean, OUT bigint, OUT bigint, OUT text, OUT timestamptz)
IS 'the rows of quorum.members';

CREATE FUNCTION quorum.scan_keys()
RETURNS SETOF quorum.kv_bytes
AS 'MODULE_PATHNAME', 'quorum_scan_keys'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000 ROWS 10000;
COMMENT ON FUNCTION quorum.scan_keys()
IS 'every key of this member, for quorum.keys';

CREATE FUNCTION quorum.hash_kv(
	revision bigint DEFAULT 0,
	OUT hash bigint,
	OUT revision bigint,
	OUT compacted_revision bigint
)
RETURNS record
AS 'MODULE_PATHNAME', 'quorum_hash_kv'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 10000;
COMMENT ON FUNCTION quorum.hash_kv(bigint, OUT bigint, OUT bigint, OUT bigint)
IS 'a hash of the keys, equal on all members at the same revisions';

CREATE FUNCTION quorum.check(
	OUT relation text,
	OUT block bigint,
	OUT finding text
)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'quorum_check'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 10000 ROWS 1;
COMMENT ON FUNCTION quorum.check(OUT text, OUT bigint, OUT text)
IS 'verify every page of both relations; a row for each finding';

CREATE FUNCTION quorum.rejoin()
RETURNS void
AS 'MODULE_PATHNAME', 'quorum_rejoin'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.rejoin()
IS 'let this quarantined member forget its state and join its cluster afresh';

CREATE FUNCTION quorum.new_cluster()
RETURNS void
AS 'MODULE_PATHNAME', 'quorum_new_cluster'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.new_cluster()
IS 'let this quarantined member found a new cluster of one on its data';

/* ----------------------------------------------------------------
 *	Members at run time
 * ----------------------------------------------------------------
 *
 * A member is named by its name (or its id in hexadecimal, as the views show it),
 * or by its id as member_add() returns it.
 */

CREATE FUNCTION quorum.member_add(
	name text,
	conninfo text,
	learner boolean DEFAULT false
)
RETURNS bigint
AS 'MODULE_PATHNAME', 'quorum_member_add'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.member_add(text, text, boolean)
IS 'add a member; it gets a vote when it has caught up, unless it is to stay a learner';

CREATE FUNCTION quorum.member_remove(
	name text
)
RETURNS void
AS 'MODULE_PATHNAME', 'quorum_member_remove_text'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.member_remove(text)
IS 'remove a member for good';

CREATE FUNCTION quorum.member_remove(
	id bigint
)
RETURNS void
AS 'MODULE_PATHNAME', 'quorum_member_remove_bigint'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.member_remove(bigint)
IS 'remove a member for good';

CREATE FUNCTION quorum.member_promote(
	name text
)
RETURNS void
AS 'MODULE_PATHNAME', 'quorum_member_promote_text'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.member_promote(text)
IS 'make a learner that has caught up a voter';

CREATE FUNCTION quorum.member_promote(
	id bigint
)
RETURNS void
AS 'MODULE_PATHNAME', 'quorum_member_promote_bigint'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.member_promote(bigint)
IS 'make a learner that has caught up a voter';

CREATE FUNCTION quorum.member_update(
	name text,
	conninfo text
)
RETURNS void
AS 'MODULE_PATHNAME', 'quorum_member_update_text'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.member_update(text, text)
IS 'tell the cluster under which conninfo a member is reached';

CREATE FUNCTION quorum.member_update(
	id bigint,
	conninfo text
)
RETURNS void
AS 'MODULE_PATHNAME', 'quorum_member_update_bigint'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.member_update(bigint, text)
IS 'tell the cluster under which conninfo a member is reached';

CREATE FUNCTION quorum.move_leader(
	name text
)
RETURNS void
AS 'MODULE_PATHNAME', 'quorum_move_leader_text'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.move_leader(text)
IS 'hand leadership to a voter, and wait until it leads';

CREATE FUNCTION quorum.move_leader(
	id bigint
)
RETURNS void
AS 'MODULE_PATHNAME', 'quorum_move_leader_bigint'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.move_leader(bigint)
IS 'hand leadership to a voter, and wait until it leads';

CREATE FUNCTION quorum.leave()
RETURNS void
AS 'MODULE_PATHNAME', 'quorum_leave'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.leave()
IS 'remove this member from the cluster';

CREATE PROCEDURE quorum.raft_stream()
AS 'MODULE_PATHNAME', 'quorum_raft_stream'
LANGUAGE C;
COMMENT ON PROCEDURE quorum.raft_stream()
IS 'take messages of another member';

/* ----------------------------------------------------------------
 *	Many leases, and the session's own
 * ----------------------------------------------------------------
 */

CREATE FUNCTION quorum.lease_keepalive_many(
	ids bigint[]
)
RETURNS bigint[]
AS 'MODULE_PATHNAME', 'quorum_lease_keepalive_many'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.lease_keepalive_many(bigint[])
IS 'renew leases; their time to live in seconds, null where there is no such lease';

CREATE FUNCTION quorum.session_lease(
	ttl interval DEFAULT '10 seconds'
)
RETURNS bigint
AS 'MODULE_PATHNAME', 'quorum_session_lease'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.session_lease(interval)
IS 'a lease that is kept alive while this session lives, and revoked when it ends';

CREATE FUNCTION quorum.end_session_lease()
RETURNS boolean
AS 'MODULE_PATHNAME', 'quorum_end_session_lease'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100;
COMMENT ON FUNCTION quorum.end_session_lease()
IS 'give up this session''s lease; false if it has none';

/* ----------------------------------------------------------------
 *	Export and import
 * ----------------------------------------------------------------
 */

CREATE FUNCTION quorum.export()
RETURNS SETOF bytea
AS 'MODULE_PATHNAME', 'quorum_export'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000 ROWS 1000;
COMMENT ON FUNCTION quorum.export()
IS 'a logical copy of the store at one revision, in chunks';

CREATE FUNCTION quorum.import(
	query text,
	revision text DEFAULT 'keep',
	replace boolean DEFAULT false
)
RETURNS bigint
AS 'MODULE_PATHNAME', 'quorum_import'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.import(text, text, boolean)
IS 'puts a copy, of which a query returns the chunks in order, into the store; the new revision';

CREATE FUNCTION quorum.import_from_etcd(
	endpoint text,
	username text DEFAULT NULL,
	password text DEFAULT NULL,
	revision text DEFAULT 'keep',
	replace boolean DEFAULT false,
	ca_file text DEFAULT NULL,
	cert_file text DEFAULT NULL,
	key_file text DEFAULT NULL
)
RETURNS bigint
AS 'MODULE_PATHNAME', 'quorum_import_from_etcd'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.import_from_etcd(text, text, text, text, boolean, text, text, text)
IS 'copies a live etcd''s keys at one revision, its leases, users and roles; the new revision';

CREATE FUNCTION quorum.discard_import()
RETURNS boolean
AS 'MODULE_PATHNAME', 'quorum_discard_import'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.discard_import()
IS 'forgets an import that did not come to its end; whether there was one';

/* ----------------------------------------------------------------
 *	Views
 * ----------------------------------------------------------------
 *
 * A function in a view is executed with the privileges of who reads the view.
 */

CREATE VIEW quorum.status AS
SELECT
	s.cluster_id,
	s.member_id,
	s.name,
	s.role,
	s.leader,
	s.term,
	s.commit_index,
	s.applied_index,
	s.revision,
	s.compacted_revision,
	s.keys,
	s.size,
	s.size_in_use,
	s.alarms,
	s.quarantined,
	s.version,
	s.reason
FROM quorum.get_status() AS s;
COMMENT ON VIEW quorum.status IS 'this member: one row';
COMMENT ON COLUMN quorum.status.cluster_id IS 'identity of the cluster, in hexadecimal';
COMMENT ON COLUMN quorum.status.member_id IS 'identity of this member, in hexadecimal';
COMMENT ON COLUMN quorum.status.name IS 'name of this member';
COMMENT ON COLUMN quorum.status.role IS 'leader, follower, candidate, learner, joining, idle, stopped, quarantined, removed or standby';
COMMENT ON COLUMN quorum.status.leader IS 'name of the leader; null if none is known';
COMMENT ON COLUMN quorum.status.term IS 'current term';
COMMENT ON COLUMN quorum.status.commit_index IS 'last log entry known to be committed';
COMMENT ON COLUMN quorum.status.applied_index IS 'last log entry carried out here';
COMMENT ON COLUMN quorum.status.revision IS 'current revision of the store here';
COMMENT ON COLUMN quorum.status.compacted_revision IS 'revision up to which the store was compacted, or -1';
COMMENT ON COLUMN quorum.status.keys IS 'number of keys';
COMMENT ON COLUMN quorum.status.size IS 'bytes of the store''s file';
COMMENT ON COLUMN quorum.status.size_in_use IS 'bytes of it in use';
COMMENT ON COLUMN quorum.status.alarms IS 'alarms raised';
COMMENT ON COLUMN quorum.status.quarantined IS 'why this member takes no part in the quorum; null if it does';
COMMENT ON COLUMN quorum.status.version IS 'version of the library';
COMMENT ON COLUMN quorum.status.reason IS 'why the member is quarantined, idle, or still joining';

CREATE VIEW quorum.members AS
SELECT
	m.id,
	m.name,
	m.conninfo,
	m.client_urls,
	m.is_learner,
	m.is_leader,
	m.is_self,
	m.match_index,
	m.lag,
	m.state,
	m.last_heard
FROM quorum.get_members() AS m;
COMMENT ON VIEW quorum.members IS 'the members of the cluster, as this one sees them';
COMMENT ON COLUMN quorum.members.id IS 'identity, in hexadecimal';
COMMENT ON COLUMN quorum.members.name IS 'name';
COMMENT ON COLUMN quorum.members.conninfo IS 'how the others connect to it, without passwords';
COMMENT ON COLUMN quorum.members.client_urls IS 'addresses for etcd clients';
COMMENT ON COLUMN quorum.members.is_learner IS 'whether it has no vote';
COMMENT ON COLUMN quorum.members.is_leader IS 'whether it leads, as this member knows';
COMMENT ON COLUMN quorum.members.is_self IS 'whether it is this member';
COMMENT ON COLUMN quorum.members.match_index IS 'last log entry it is known to have; null where this member does not know';
COMMENT ON COLUMN quorum.members.lag IS 'log entries it is behind the leader; null where this member does not lead';
COMMENT ON COLUMN quorum.members.state IS 'its role for this member; for the others how replication or the connection to it stands';
COMMENT ON COLUMN quorum.members.last_heard IS 'when this member last heard from it';

CREATE VIEW quorum.keys AS
SELECT
	quorum.as_text(k.key) AS key,
	quorum.as_text(k.value) AS value,
	quorum.as_jsonb(k.value) AS value_json,
	k.create_revision,
	k.mod_revision,
	k.version,
	k.lease,
	k.key AS key_bytes,
	k.value AS value_bytes
FROM quorum.scan_keys() AS k;
COMMENT ON VIEW quorum.keys IS 'every live key of this member';
COMMENT ON COLUMN quorum.keys.key IS 'the key; null where it is not text';
COMMENT ON COLUMN quorum.keys.value IS 'the value; null where it is not text';
COMMENT ON COLUMN quorum.keys.value_json IS 'the value; null where it is not JSON';
COMMENT ON COLUMN quorum.keys.create_revision IS 'revision that made the key';
COMMENT ON COLUMN quorum.keys.mod_revision IS 'revision of the last write';
COMMENT ON COLUMN quorum.keys.version IS 'number of writes since the key was made';
COMMENT ON COLUMN quorum.keys.lease IS 'lease the key is attached to, or 0';
COMMENT ON COLUMN quorum.keys.key_bytes IS 'the key';
COMMENT ON COLUMN quorum.keys.value_bytes IS 'the value';

/* ----------------------------------------------------------------
 *	Leases
 * ----------------------------------------------------------------
 *
 * The form of lease_grant with text is there for untyped literals, which would
 * fit interval and bigint alike.
 */

CREATE FUNCTION quorum.lease_grant(
	ttl interval,
	id bigint DEFAULT 0
)
RETURNS bigint
AS 'MODULE_PATHNAME', 'quorum_lease_grant_interval'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.lease_grant(interval, bigint)
IS 'grant a lease; its id';

CREATE FUNCTION quorum.lease_grant(
	ttl bigint,
	id bigint DEFAULT 0
)
RETURNS bigint
AS 'MODULE_PATHNAME', 'quorum_lease_grant_seconds'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.lease_grant(bigint, bigint)
IS 'grant a lease of so many seconds; its id';

CREATE FUNCTION quorum.lease_grant(
	ttl text,
	id bigint DEFAULT 0
)
RETURNS bigint
AS 'MODULE_PATHNAME', 'quorum_lease_grant_text'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.lease_grant(text, bigint)
IS 'grant a lease, ttl being an interval; its id';

CREATE FUNCTION quorum.lease_keepalive(
	id bigint
)
RETURNS interval
AS 'MODULE_PATHNAME', 'quorum_lease_keepalive'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.lease_keepalive(bigint)
IS 'renew a lease; the time it has from now on';

CREATE FUNCTION quorum.lease_revoke(
	id bigint
)
RETURNS void
AS 'MODULE_PATHNAME', 'quorum_lease_revoke'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.lease_revoke(bigint)
IS 'end a lease and delete its keys';

CREATE FUNCTION quorum.lease_ttl(
	INOUT id bigint,
	OUT remaining interval,
	OUT granted interval,
	OUT keys text[]
)
AS 'MODULE_PATHNAME', 'quorum_lease_ttl'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.lease_ttl(bigint)
IS 'how long a lease has to live, and its keys';

CREATE FUNCTION quorum.scan_leases(
	OUT id bigint,
	OUT granted interval,
	OUT remaining interval,
	OUT keys bigint
)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'quorum_scan_leases'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000 ROWS 1000;
COMMENT ON FUNCTION quorum.scan_leases()
IS 'every lease of this member';

CREATE VIEW quorum.leases AS
SELECT
	l.id,
	l.granted,
	l.remaining,
	l.keys
FROM quorum.scan_leases() AS l;
COMMENT ON VIEW quorum.leases IS 'every lease of this member';
COMMENT ON COLUMN quorum.leases.id IS 'the lease';
COMMENT ON COLUMN quorum.leases.granted IS 'time to live, as granted';
COMMENT ON COLUMN quorum.leases.remaining IS 'time left, as the leader says; null where no leader is known';
COMMENT ON COLUMN quorum.leases.keys IS 'number of keys attached to it';

/* ----------------------------------------------------------------
 *	Locks, elections, semaphores
 * ----------------------------------------------------------------
 *
 * The queue of a name is the keys "name/" and a lease in hexadecimal, by create
 * revision, as etcd's clients have it.  What a session holds hangs on its lease.
 */

CREATE FUNCTION quorum.lock(
	name text,
	timeout interval DEFAULT NULL
)
RETURNS bigint
AS 'MODULE_PATHNAME', 'quorum_lock'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.lock(text, interval)
IS 'waits for a lock; the fencing token';

CREATE FUNCTION quorum.lock(
	name bytea,
	timeout interval DEFAULT NULL
)
RETURNS bigint
AS 'MODULE_PATHNAME', 'quorum_lock'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.lock(bytea, interval)
IS 'waits for a lock; the fencing token';

CREATE FUNCTION quorum.try_lock(
	name text
)
RETURNS bigint
AS 'MODULE_PATHNAME', 'quorum_try_lock'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.try_lock(text)
IS 'takes a lock that nobody has or waits for; the fencing token, or null';

CREATE FUNCTION quorum.try_lock(
	name bytea
)
RETURNS bigint
AS 'MODULE_PATHNAME', 'quorum_try_lock'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.try_lock(bytea)
IS 'takes a lock that nobody has or waits for; the fencing token, or null';

CREATE FUNCTION quorum.unlock(
	name text
)
RETURNS boolean
AS 'MODULE_PATHNAME', 'quorum_unlock'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.unlock(text)
IS 'gives a lock up; whether this session had it';

CREATE FUNCTION quorum.unlock(
	name bytea
)
RETURNS boolean
AS 'MODULE_PATHNAME', 'quorum_unlock'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.unlock(bytea)
IS 'gives a lock up; whether this session had it';

CREATE FUNCTION quorum.campaign(
	name text,
	value text,
	timeout interval DEFAULT NULL
)
RETURNS bigint
AS 'MODULE_PATHNAME', 'quorum_campaign'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.campaign(text, text, interval)
IS 'waits to be elected and puts a value; the fencing token';

CREATE FUNCTION quorum.campaign(
	name text,
	value jsonb,
	timeout interval DEFAULT NULL
)
RETURNS bigint
AS 'MODULE_PATHNAME', 'quorum_campaign_jsonb'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.campaign(text, jsonb, interval)
IS 'waits to be elected and puts a value; the fencing token';

CREATE FUNCTION quorum.campaign(
	name bytea,
	value bytea,
	timeout interval DEFAULT NULL
)
RETURNS bigint
AS 'MODULE_PATHNAME', 'quorum_campaign'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.campaign(bytea, bytea, interval)
IS 'waits to be elected and puts a value; the fencing token';

CREATE FUNCTION quorum.campaign(
	name bytea,
	value jsonb,
	timeout interval DEFAULT NULL
)
RETURNS bigint
AS 'MODULE_PATHNAME', 'quorum_campaign_jsonb'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.campaign(bytea, jsonb, interval)
IS 'waits to be elected and puts a value; the fencing token';

CREATE FUNCTION quorum.proclaim(
	name text,
	value text
)
RETURNS void
AS 'MODULE_PATHNAME', 'quorum_proclaim'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.proclaim(text, text)
IS 'puts another value as the leader of an election';

CREATE FUNCTION quorum.proclaim(
	name text,
	value jsonb
)
RETURNS void
AS 'MODULE_PATHNAME', 'quorum_proclaim_jsonb'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.proclaim(text, jsonb)
IS 'puts another value as the leader of an election';

CREATE FUNCTION quorum.proclaim(
	name bytea,
	value bytea
)
RETURNS void
AS 'MODULE_PATHNAME', 'quorum_proclaim'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.proclaim(bytea, bytea)
IS 'puts another value as the leader of an election';

CREATE FUNCTION quorum.proclaim(
	name bytea,
	value jsonb
)
RETURNS void
AS 'MODULE_PATHNAME', 'quorum_proclaim_jsonb'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.proclaim(bytea, jsonb)
IS 'puts another value as the leader of an election';

CREATE FUNCTION quorum.resign(
	name text
)
RETURNS boolean
AS 'MODULE_PATHNAME', 'quorum_unlock'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.resign(text)
IS 'gives leadership up; whether this session had it';

CREATE FUNCTION quorum.resign(
	name bytea
)
RETURNS boolean
AS 'MODULE_PATHNAME', 'quorum_unlock'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.resign(bytea)
IS 'gives leadership up; whether this session had it';

CREATE FUNCTION quorum.leader(
	name text
)
RETURNS quorum.kv
AS 'MODULE_PATHNAME', 'quorum_leader_text'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.leader(text)
IS 'the key of the leader of an election, null if there is none';

CREATE FUNCTION quorum.leader(
	name bytea
)
RETURNS quorum.kv_bytes
AS 'MODULE_PATHNAME', 'quorum_leader_bytea'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.leader(bytea)
IS 'the key of the leader of an election, null if there is none';

CREATE FUNCTION quorum.semaphore_acquire(
	name text,
	capacity bigint,
	permits bigint DEFAULT 1,
	timeout interval DEFAULT NULL
)
RETURNS bigint
AS 'MODULE_PATHNAME', 'quorum_semaphore_acquire'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.semaphore_acquire(text, bigint, bigint, interval)
IS 'waits until permits are free; the fencing token';

CREATE FUNCTION quorum.semaphore_acquire(
	name bytea,
	capacity bigint,
	permits bigint DEFAULT 1,
	timeout interval DEFAULT NULL
)
RETURNS bigint
AS 'MODULE_PATHNAME', 'quorum_semaphore_acquire'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.semaphore_acquire(bytea, bigint, bigint, interval)
IS 'waits until permits are free; the fencing token';

CREATE FUNCTION quorum.semaphore_release(
	name text
)
RETURNS boolean
AS 'MODULE_PATHNAME', 'quorum_unlock'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.semaphore_release(text)
IS 'gives the permits of a semaphore back; whether this session had some';

CREATE FUNCTION quorum.semaphore_release(
	name bytea
)
RETURNS boolean
AS 'MODULE_PATHNAME', 'quorum_unlock'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.semaphore_release(bytea)
IS 'gives the permits of a semaphore back; whether this session had some';

CREATE FUNCTION quorum.assert_token(
	name text,
	token bigint,
	capacity bigint DEFAULT NULL
)
RETURNS void
AS 'MODULE_PATHNAME', 'quorum_assert_token'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.assert_token(text, bigint, bigint)
IS 'fails unless the token is that of the present holder, or of one within the capacity of a semaphore';

CREATE FUNCTION quorum.assert_token(
	name bytea,
	token bigint,
	capacity bigint DEFAULT NULL
)
RETURNS void
AS 'MODULE_PATHNAME', 'quorum_assert_token'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.assert_token(bytea, bigint, bigint)
IS 'fails unless the token is that of the present holder, or of one within the capacity of a semaphore';

CREATE FUNCTION quorum.scan_locks(
	OUT name bytea,
	OUT holder bigint,
	OUT token bigint,
	OUT waiters bigint
)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'quorum_scan_locks'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000 ROWS 100;
COMMENT ON FUNCTION quorum.scan_locks()
IS 'the locks, elections and semaphores that are held';

CREATE VIEW quorum.locks AS
SELECT
	quorum.as_text(l.name) AS name,
	l.holder,
	l.token,
	l.waiters,
	l.name AS name_bytes
FROM quorum.scan_locks() AS l;
COMMENT ON VIEW quorum.locks IS 'locks, elections and semaphores as this member knows them';
COMMENT ON COLUMN quorum.locks.name IS 'the name; null where it is not text';
COMMENT ON COLUMN quorum.locks.holder IS 'lease of the session or client that holds it';
COMMENT ON COLUMN quorum.locks.token IS 'the holder''s fencing token: create revision of its key';
COMMENT ON COLUMN quorum.locks.waiters IS 'how many come behind; of a semaphore some of these may be holders too';
COMMENT ON COLUMN quorum.locks.name_bytes IS 'the name';

/* end of locks */

/* ----------------------------------------------------------------
 *	Watches
 * ----------------------------------------------------------------
 *
 * The two tables are the notifier's and nobody else's: the functions act on them
 * as their owner.
 */

CREATE TABLE quorum.named_watch (
	channel name PRIMARY KEY,
	key bytea NOT NULL,
	range_end bytea NOT NULL,
	puts boolean NOT NULL,
	deletes boolean NOT NULL,
	payload text NOT NULL,
	prev_value boolean NOT NULL,
	start_revision bigint NOT NULL,
	created_by name NOT NULL,
	ended_revision bigint,
	ended_by text
);
COMMENT ON TABLE quorum.named_watch IS 'named watches; see the view quorum.watches, and quorum.create_watch() and quorum.drop_watch()';
COMMENT ON COLUMN quorum.named_watch.channel IS 'channel it notifies';
COMMENT ON COLUMN quorum.named_watch.key IS 'first key';
COMMENT ON COLUMN quorum.named_watch.range_end IS 'end of the range; empty for the key alone, one zero byte for no end';
COMMENT ON COLUMN quorum.named_watch.puts IS 'whether it tells puts';
COMMENT ON COLUMN quorum.named_watch.deletes IS 'whether it tells deletions';
COMMENT ON COLUMN quorum.named_watch.payload IS 'event or revision';
COMMENT ON COLUMN quorum.named_watch.prev_value IS 'whether events have the previous value';
COMMENT ON COLUMN quorum.named_watch.start_revision IS 'revision after which its events begin';
COMMENT ON COLUMN quorum.named_watch.created_by IS 'role that created it';
COMMENT ON COLUMN quorum.named_watch.ended_revision IS 'null, or the revision at which it ended: one whose compaction took events it had not told, or the last it was told';
COMMENT ON COLUMN quorum.named_watch.ended_by IS 'what ended it: compaction or permission';

CREATE TABLE quorum.watch_progress (
	told_revision bigint NOT NULL
);
COMMENT ON TABLE quorum.watch_progress IS 'how far named watches have been told';
COMMENT ON COLUMN quorum.watch_progress.told_revision IS 'every named watch has been told up to this revision at least';
INSERT INTO quorum.watch_progress VALUES (0);

CREATE FUNCTION quorum.watch(
	key text,
	range_end text DEFAULT NULL,
	prefix boolean DEFAULT false,
	start_revision bigint DEFAULT 0,
	events text DEFAULT NULL,
	prev_value boolean DEFAULT false,
	OUT channel text,
	OUT revision bigint
)
RETURNS record
AS 'MODULE_PATHNAME', 'quorum_watch'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.watch(text, text, boolean, bigint, text, boolean)
IS 'watches keys for this session: listens to a channel, and returns it with the revision after which events come';

CREATE FUNCTION quorum.watch(
	key bytea,
	range_end bytea DEFAULT NULL,
	prefix boolean DEFAULT false,
	start_revision bigint DEFAULT 0,
	events text DEFAULT NULL,
	prev_value boolean DEFAULT false,
	OUT channel text,
	OUT revision bigint
)
RETURNS record
AS 'MODULE_PATHNAME', 'quorum_watch'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.watch(bytea, bytea, boolean, bigint, text, boolean)
IS 'watches keys for this session: listens to a channel, and returns it with the revision after which events come';

CREATE FUNCTION quorum.unwatch(
	channel text
)
RETURNS boolean
AS 'MODULE_PATHNAME', 'quorum_unwatch'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION quorum.unwatch(text)
IS 'ends a watch of this session';

CREATE FUNCTION quorum.create_watch(
	channel name,
	key text,
	range_end text DEFAULT NULL,
	prefix boolean DEFAULT false,
	events text DEFAULT NULL,
	payload text DEFAULT 'event',
	prev_value boolean DEFAULT false
)
RETURNS bigint
AS 'MODULE_PATHNAME', 'quorum_create_watch'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.create_watch(name, text, text, boolean, text, text, boolean)
IS 'creates a watch that outlives sessions and tells every listener of its channel; returns the revision after which events come';

CREATE FUNCTION quorum.create_watch(
	channel name,
	key bytea,
	range_end bytea DEFAULT NULL,
	prefix boolean DEFAULT false,
	events text DEFAULT NULL,
	payload text DEFAULT 'event',
	prev_value boolean DEFAULT false
)
RETURNS bigint
AS 'MODULE_PATHNAME', 'quorum_create_watch'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.create_watch(name, bytea, bytea, boolean, text, text, boolean)
IS 'creates a watch that outlives sessions and tells every listener of its channel; returns the revision after which events come';

CREATE FUNCTION quorum.drop_watch(
	channel name
)
RETURNS void
AS 'MODULE_PATHNAME', 'quorum_drop_watch'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION quorum.drop_watch(name)
IS 'drops a named watch';

CREATE FUNCTION quorum.changes(
	since bigint,
	key text,
	range_end text DEFAULT NULL,
	prefix boolean DEFAULT false,
	max_rows bigint DEFAULT 0
)
RETURNS SETOF quorum.event
AS 'MODULE_PATHNAME', 'quorum_changes_text'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000 ROWS 1000;
COMMENT ON FUNCTION quorum.changes(bigint, text, text, boolean, bigint)
IS 'what happened to keys after a revision, oldest first';

CREATE FUNCTION quorum.changes(
	since bigint,
	key bytea,
	range_end bytea DEFAULT NULL,
	prefix boolean DEFAULT false,
	max_rows bigint DEFAULT 0
)
RETURNS SETOF quorum.event_bytes
AS 'MODULE_PATHNAME', 'quorum_changes_bytea'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000 ROWS 1000;
COMMENT ON FUNCTION quorum.changes(bigint, bytea, bytea, boolean, bigint)
IS 'what happened to keys after a revision, oldest first';

CREATE FUNCTION quorum.wait(
	key text,
	range_end text DEFAULT NULL,
	prefix boolean DEFAULT false,
	since bigint DEFAULT NULL,
	timeout interval DEFAULT '30s',
	max_rows bigint DEFAULT 0
)
RETURNS SETOF quorum.event
AS 'MODULE_PATHNAME', 'quorum_wait_text'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000 ROWS 10;
COMMENT ON FUNCTION quorum.wait(text, text, boolean, bigint, interval, bigint)
IS 'what happened to keys after a revision, waiting for it up to a timeout';

CREATE FUNCTION quorum.wait(
	key bytea,
	range_end bytea DEFAULT NULL,
	prefix boolean DEFAULT false,
	since bigint DEFAULT NULL,
	timeout interval DEFAULT '30s',
	max_rows bigint DEFAULT 0
)
RETURNS SETOF quorum.event_bytes
AS 'MODULE_PATHNAME', 'quorum_wait_bytea'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000 ROWS 10;
COMMENT ON FUNCTION quorum.wait(bytea, bytea, boolean, bigint, interval, bigint)
IS 'what happened to keys after a revision, waiting for it up to a timeout';

CREATE PROCEDURE quorum.watch_stream(
	key text,
	range_end text DEFAULT NULL,
	prefix boolean DEFAULT false,
	start_revision bigint DEFAULT 0,
	events text DEFAULT NULL,
	prev_value boolean DEFAULT false,
	channel text DEFAULT 'quorum'
)
AS 'MODULE_PATHNAME', 'quorum_watch_stream'
LANGUAGE C;
COMMENT ON PROCEDURE quorum.watch_stream(text, text, boolean, bigint, text, boolean, text)
IS 'sends what happens to keys to this client as notifications, until cancelled';

CREATE PROCEDURE quorum.watch_stream(
	key bytea,
	range_end bytea DEFAULT NULL,
	prefix boolean DEFAULT false,
	start_revision bigint DEFAULT 0,
	events text DEFAULT NULL,
	prev_value boolean DEFAULT false,
	channel text DEFAULT 'quorum'
)
AS 'MODULE_PATHNAME', 'quorum_watch_stream'
LANGUAGE C;
COMMENT ON PROCEDURE quorum.watch_stream(bytea, bytea, boolean, bigint, text, boolean, text)
IS 'sends what happens to keys to this client as notifications, until cancelled';

CREATE FUNCTION quorum.scan_watches(
	OUT channel text,
	OUT named boolean,
	OUT pid integer,
	OUT role oid,
	OUT key bytea,
	OUT range_end bytea,
	OUT events text,
	OUT prev_value boolean,
	OUT payload text,
	OUT told_revision bigint,
	OUT state text,
	OUT id bigint
)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'quorum_scan_watches'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100 ROWS 100;
COMMENT ON FUNCTION quorum.scan_watches()
IS 'the watches of this server';

CREATE VIEW quorum.watches AS
SELECT
	w.channel,
	w.named,
	w.pid,
	r.rolname AS role,
	quorum.as_text(w.key) AS key,
	quorum.as_text(w.range_end) AS range_end,
	w.events,
	w.prev_value,
	w.payload,
	w.told_revision,
	w.state,
	w.key AS key_bytes,
	w.range_end AS range_end_bytes
FROM quorum.scan_watches() AS w
	LEFT JOIN pg_catalog.pg_roles AS r ON r.oid OPERATOR(pg_catalog.=) w.role
ORDER BY w.id;
COMMENT ON VIEW quorum.watches IS 'the watches of this server';
COMMENT ON COLUMN quorum.watches.channel IS 'channel it notifies; of another role''s session null';
COMMENT ON COLUMN quorum.watches.named IS 'whether it was made by quorum.create_watch()';
COMMENT ON COLUMN quorum.watches.pid IS 'process of the session it belongs to; null if it is named';
COMMENT ON COLUMN quorum.watches.role IS 'role that made it';
COMMENT ON COLUMN quorum.watches.key IS 'the key, or the first of a range; null where it is not text';
COMMENT ON COLUMN quorum.watches.range_end IS 'end of the range; null for a single key, or where it is not text';
COMMENT ON COLUMN quorum.watches.events IS 'PUT or DELETE; null for both';
COMMENT ON COLUMN quorum.watches.prev_value IS 'whether events have the previous value';
COMMENT ON COLUMN quorum.watches.payload IS 'event or revision';
COMMENT ON COLUMN quorum.watches.told_revision IS 'revision up to which it has been told everything';
COMMENT ON COLUMN quorum.watches.state IS 'pending (its transaction is open), catching up, active, or why it has ended: compacted or denied';
COMMENT ON COLUMN quorum.watches.key_bytes IS 'the key, or the first of a range';
COMMENT ON COLUMN quorum.watches.range_end_bytes IS 'end of the range; one zero byte: no end; null for a single key';

/* end of watches */

/* ----------------------------------------------------------------
 *	Operation: alarms and statistics
 * ----------------------------------------------------------------
 */

CREATE FUNCTION quorum.get_alarms(
	OUT member_id text,
	OUT name text,
	OUT alarm text
)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'quorum_get_alarms'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100 ROWS 1;
COMMENT ON FUNCTION quorum.get_alarms(OUT text, OUT text, OUT text)
IS 'the rows of quorum.alarms';

CREATE FUNCTION quorum.alarm_disarm(
	member text DEFAULT NULL,
	alarm text DEFAULT NULL
)
RETURNS bigint
AS 'MODULE_PATHNAME', 'quorum_alarm_disarm'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.alarm_disarm(text, text)
IS 'disarm the alarms of a member, by name or id, or of all members; returns how many';

CREATE FUNCTION quorum.get_stat(
	OUT proposals bigint,
	OUT proposals_forwarded bigint,
	OUT commits bigint,
	OUT applies bigint,
	OUT apply_time double precision,
	OUT slow_applies bigint,
	OUT reads bigint,
	OUT read_rounds bigint,
	OUT fsyncs bigint,
	OUT fsync_time double precision,
	OUT messages_sent bigint,
	OUT messages_received bigint,
	OUT bytes_sent bigint,
	OUT bytes_received bigint,
	OUT snapshots_sent bigint,
	OUT snapshots_received bigint,
	OUT leader_changes bigint
)
RETURNS record
AS 'MODULE_PATHNAME', 'quorum_get_stat'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 10;
COMMENT ON FUNCTION quorum.get_stat(OUT bigint, OUT bigint, OUT bigint, OUT bigint, OUT double precision, OUT bigint, OUT bigint, OUT bigint, OUT bigint, OUT double precision, OUT bigint, OUT bigint, OUT bigint, OUT bigint, OUT bigint, OUT bigint, OUT bigint)
IS 'the counters of quorum.pg_stat_quorum';

CREATE FUNCTION quorum.get_stat_since()
RETURNS timestamptz
AS 'MODULE_PATHNAME', 'quorum_get_stat_since'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 10;
COMMENT ON FUNCTION quorum.get_stat_since()
IS 'when the counters of quorum.pg_stat_quorum were zero';

CREATE FUNCTION quorum.get_stat_peers(
	OUT id text,
	OUT name text,
	OUT messages_sent bigint,
	OUT messages_received bigint,
	OUT bytes_sent bigint,
	OUT bytes_received bigint,
	OUT rtt double precision,
	OUT connects bigint,
	OUT failures bigint
)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'quorum_get_stat_peers'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100 ROWS 3;
COMMENT ON FUNCTION quorum.get_stat_peers(OUT text, OUT text, OUT bigint, OUT bigint, OUT bigint, OUT bigint, OUT double precision, OUT bigint, OUT bigint)
IS 'the rows of quorum.pg_stat_quorum_peers';

CREATE FUNCTION quorum.stat_reset()
RETURNS void
AS 'MODULE_PATHNAME', 'quorum_stat_reset'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 10;
COMMENT ON FUNCTION quorum.stat_reset()
IS 'set the counters of this member to zero';

CREATE FUNCTION quorum.peer_hash(
	revision bigint,
	OUT error integer,
	OUT hash bigint,
	OUT compacted_revision bigint
)
RETURNS record
AS 'MODULE_PATHNAME', 'quorum_peer_hash'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 10000;
COMMENT ON FUNCTION quorum.peer_hash(bigint, OUT integer, OUT bigint, OUT bigint)
IS 'tell the leader the hash of this member''s keys';

CREATE VIEW quorum.alarms AS
SELECT a.member_id, a.name, a.alarm
FROM quorum.get_alarms() AS a;
COMMENT ON VIEW quorum.alarms IS 'alarms that are raised';
COMMENT ON COLUMN quorum.alarms.member_id IS 'identity of the member, in hexadecimal; null if it is not known which';
COMMENT ON COLUMN quorum.alarms.name IS 'name of the member';
COMMENT ON COLUMN quorum.alarms.alarm IS 'NOSPACE or CORRUPT';

CREATE VIEW quorum.pg_stat_quorum AS
SELECT s.proposals, s.proposals_forwarded, s.commits, s.applies, s.apply_time, s.slow_applies,
	s.reads, s.read_rounds, s.fsyncs, s.fsync_time,
	s.messages_sent, s.messages_received, s.bytes_sent, s.bytes_received,
	s.snapshots_sent, s.snapshots_received, s.leader_changes,
	(SELECT pg_catalog.count(*) FROM quorum.scan_watches()) AS watchers,
	quorum.get_stat_since() AS stats_reset
FROM quorum.get_stat() AS s;
COMMENT ON VIEW quorum.pg_stat_quorum IS 'what this member has done: one row';
COMMENT ON COLUMN quorum.pg_stat_quorum.proposals IS 'commands of clients of this member that were proposed';
COMMENT ON COLUMN quorum.pg_stat_quorum.proposals_forwarded IS 'of them sent to the leader';
COMMENT ON COLUMN quorum.pg_stat_quorum.commits IS 'log entries that this member saw committed';
COMMENT ON COLUMN quorum.pg_stat_quorum.applies IS 'log entries carried out here';
COMMENT ON COLUMN quorum.pg_stat_quorum.apply_time IS 'time spent on that, in milliseconds';
COMMENT ON COLUMN quorum.pg_stat_quorum.slow_applies IS 'batches of entries that took more than 100 ms';
COMMENT ON COLUMN quorum.pg_stat_quorum.reads IS 'linearizable reads of clients of this member';
COMMENT ON COLUMN quorum.pg_stat_quorum.read_rounds IS 'rounds by which the quorum confirmed them';
COMMENT ON COLUMN quorum.pg_stat_quorum.fsyncs IS 'times the WAL was made durable for the log';
COMMENT ON COLUMN quorum.pg_stat_quorum.fsync_time IS 'time that took, in milliseconds';
COMMENT ON COLUMN quorum.pg_stat_quorum.messages_sent IS 'messages of the consensus to other members';
COMMENT ON COLUMN quorum.pg_stat_quorum.messages_received IS 'messages of the consensus from other members';
COMMENT ON COLUMN quorum.pg_stat_quorum.bytes_sent IS 'bytes sent to other members';
COMMENT ON COLUMN quorum.pg_stat_quorum.bytes_received IS 'bytes received from other members';
COMMENT ON COLUMN quorum.pg_stat_quorum.snapshots_sent IS 'times the whole state was sent to a member';
COMMENT ON COLUMN quorum.pg_stat_quorum.snapshots_received IS 'times the whole state was received';
COMMENT ON COLUMN quorum.pg_stat_quorum.leader_changes IS 'times this member saw another leader than before';
COMMENT ON COLUMN quorum.pg_stat_quorum.watchers IS 'watches registered now';
COMMENT ON COLUMN quorum.pg_stat_quorum.stats_reset IS 'since when this counts';

CREATE VIEW quorum.pg_stat_quorum_peers AS
SELECT p.id, p.name, p.messages_sent, p.messages_received, p.bytes_sent, p.bytes_received,
	p.rtt, p.connects, p.failures
FROM quorum.get_stat_peers() AS p;
COMMENT ON VIEW quorum.pg_stat_quorum_peers IS 'this member''s traffic with each of the others';
COMMENT ON COLUMN quorum.pg_stat_quorum_peers.id IS 'identity of the other member, in hexadecimal';
COMMENT ON COLUMN quorum.pg_stat_quorum_peers.name IS 'its name';
COMMENT ON COLUMN quorum.pg_stat_quorum_peers.messages_sent IS 'messages of the consensus to it';
COMMENT ON COLUMN quorum.pg_stat_quorum_peers.messages_received IS 'messages of the consensus from it';
COMMENT ON COLUMN quorum.pg_stat_quorum_peers.bytes_sent IS 'bytes sent to it';
COMMENT ON COLUMN quorum.pg_stat_quorum_peers.bytes_received IS 'bytes received from it';
COMMENT ON COLUMN quorum.pg_stat_quorum_peers.rtt IS 'milliseconds from a heartbeat to its answer, smoothed; null where this member has never led';
COMMENT ON COLUMN quorum.pg_stat_quorum_peers.connects IS 'connections to it that were made';
COMMENT ON COLUMN quorum.pg_stat_quorum_peers.failures IS 'connections to it that failed or were lost';

/* ----------------------------------------------------------------
 *	Users and roles
 * ----------------------------------------------------------------
 *
 * Of the store, as etcd has them; while authentication is on they decide, beside
 * PostgreSQL's privileges, who may read and write which keys.
 */

CREATE FUNCTION quorum.user_add(
	name text,
	password text DEFAULT NULL
)
RETURNS void
AS 'MODULE_PATHNAME', 'quorum_user_add'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.user_add(text, text)
IS 'make a user of the store; password may be a SCRAM-SHA-256 verifier';

CREATE FUNCTION quorum.user_delete(
	name text
)
RETURNS void
AS 'MODULE_PATHNAME', 'quorum_user_delete'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.user_delete(text)
IS 'delete a user of the store, and what the user map says of it';

CREATE FUNCTION quorum.user_change_password(
	name text,
	password text
)
RETURNS void
AS 'MODULE_PATHNAME', 'quorum_user_change_password'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.user_change_password(text, text)
IS 'give a user of the store another password, or with null none';

CREATE FUNCTION quorum.user_check_password(
	name text,
	password text
)
RETURNS boolean
AS 'MODULE_PATHNAME', 'quorum_user_check_password'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.user_check_password(text, text)
IS 'whether this is the password of a user of the store';

CREATE FUNCTION quorum.user_grant_role(
	name text,
	role text
)
RETURNS void
AS 'MODULE_PATHNAME', 'quorum_user_grant_role'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.user_grant_role(text, text)
IS 'give a role of the store to a user';

CREATE FUNCTION quorum.user_revoke_role(
	name text,
	role text
)
RETURNS void
AS 'MODULE_PATHNAME', 'quorum_user_revoke_role'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.user_revoke_role(text, text)
IS 'take a role of the store from a user';

CREATE FUNCTION quorum.user_map(
	role_name name,
	user_name text
)
RETURNS void
AS 'MODULE_PATHNAME', 'quorum_user_map'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.user_map(name, text)
IS 'let a role of PostgreSQL act as a user of the store; null ends that';

CREATE FUNCTION quorum.role_add(
	name text
)
RETURNS void
AS 'MODULE_PATHNAME', 'quorum_role_add'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.role_add(text)
IS 'make a role of the store';

CREATE FUNCTION quorum.role_delete(
	name text
)
RETURNS void
AS 'MODULE_PATHNAME', 'quorum_role_delete'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.role_delete(text)
IS 'delete a role of the store, and take it from all users';

CREATE FUNCTION quorum.role_grant_permission(
	role text,
	permission text,
	key text,
	range_end text DEFAULT NULL,
	prefix boolean DEFAULT false
)
RETURNS void
AS 'MODULE_PATHNAME', 'quorum_role_grant_permission'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.role_grant_permission(text, text, text, text, boolean)
IS 'allow a role to read, write or readwrite keys';

CREATE FUNCTION quorum.role_grant_permission(
	role text,
	permission text,
	key bytea,
	range_end bytea DEFAULT NULL,
	prefix boolean DEFAULT false
)
RETURNS void
AS 'MODULE_PATHNAME', 'quorum_role_grant_permission'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.role_grant_permission(text, text, bytea, bytea, boolean)
IS 'allow a role to read, write or readwrite keys';

CREATE FUNCTION quorum.role_revoke_permission(
	role text,
	key text,
	range_end text DEFAULT NULL,
	prefix boolean DEFAULT false
)
RETURNS void
AS 'MODULE_PATHNAME', 'quorum_role_revoke_permission'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.role_revoke_permission(text, text, text, boolean)
IS 'take back a permission, named by exactly its keys';

CREATE FUNCTION quorum.role_revoke_permission(
	role text,
	key bytea,
	range_end bytea DEFAULT NULL,
	prefix boolean DEFAULT false
)
RETURNS void
AS 'MODULE_PATHNAME', 'quorum_role_revoke_permission'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.role_revoke_permission(text, bytea, bytea, boolean)
IS 'take back a permission, named by exactly its keys';

CREATE FUNCTION quorum.auth_enable()
RETURNS void
AS 'MODULE_PATHNAME', 'quorum_auth_enable'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.auth_enable()
IS 'turn authentication on: from now on users need permissions';

CREATE FUNCTION quorum.auth_disable()
RETURNS void
AS 'MODULE_PATHNAME', 'quorum_auth_disable'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION quorum.auth_disable()
IS 'turn authentication off';

CREATE FUNCTION quorum.auth_status(
	OUT enabled boolean,
	OUT auth_revision bigint
)
RETURNS record
AS 'MODULE_PATHNAME', 'quorum_auth_status'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100;
COMMENT ON FUNCTION quorum.auth_status()
IS 'whether authentication is on, and the number of changes of users and roles';

CREATE FUNCTION quorum.get_users(
	OUT name text,
	OUT roles text[],
	OUT has_password boolean,
	OUT mapped_roles text[]
)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'quorum_get_users'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100 ROWS 10;
COMMENT ON FUNCTION quorum.get_users()
IS 'the users of the store';

CREATE FUNCTION quorum.get_roles(
	OUT name text,
	OUT permission text,
	OUT key bytea,
	OUT range_end bytea,
	OUT users text[]
)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'quorum_get_roles'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100 ROWS 10;
COMMENT ON FUNCTION quorum.get_roles()
IS 'the roles of the store';

CREATE VIEW quorum.users AS
SELECT u.name, u.roles, u.has_password, u.mapped_roles
FROM quorum.get_users() AS u;
COMMENT ON VIEW quorum.users IS 'users of the store; all for root, else the current role''s own';
COMMENT ON COLUMN quorum.users.name IS 'the user';
COMMENT ON COLUMN quorum.users.roles IS 'roles of the store that it has';
COMMENT ON COLUMN quorum.users.has_password IS 'whether it can log in with a password';
COMMENT ON COLUMN quorum.users.mapped_roles IS 'roles of PostgreSQL that act as this user by quorum.user_map()';

CREATE VIEW quorum.roles AS
SELECT
	r.name,
	r.permission,
	quorum.as_text(r.key) AS key,
	quorum.as_text(r.range_end) AS range_end,
	r.users,
	r.key AS key_bytes,
	r.range_end AS range_end_bytes
FROM quorum.get_roles() AS r;
COMMENT ON VIEW quorum.roles IS 'permissions of the roles of the store; all for root, else of the current role''s own user';
COMMENT ON COLUMN quorum.roles.name IS 'the role';
COMMENT ON COLUMN quorum.roles.permission IS 'read, write or readwrite; null: the role has no permission';
COMMENT ON COLUMN quorum.roles.key IS 'the key, or the first of a range; null where it is not text';
COMMENT ON COLUMN quorum.roles.range_end IS 'end of the range; null for a single key, or where it is not text';
COMMENT ON COLUMN quorum.roles.users IS 'users who have the role, as far as they may be seen';
COMMENT ON COLUMN quorum.roles.key_bytes IS 'the key, or the first of a range';
COMMENT ON COLUMN quorum.roles.range_end_bytes IS 'end of the range; one zero byte: no end; null for a single key';

/* end of users and roles */

/* ----------------------------------------------------------------
 *	Privileges
 * ----------------------------------------------------------------
 *
 * PUBLIC gets nothing.  A reader reads keys and watches them, a writer does that
 * and writes, an administrator does both and operates the cluster; a peer is
 * the other members and nothing else.
 */

REVOKE ALL ON SCHEMA quorum FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA quorum FROM PUBLIC;
REVOKE ALL ON ALL ROUTINES IN SCHEMA quorum FROM PUBLIC;
REVOKE ALL ON TYPE quorum.kv, quorum.kv_bytes, quorum.event, quorum.event_bytes,
	quorum.compare, quorum.op FROM PUBLIC;

GRANT USAGE ON SCHEMA quorum
	TO quorum_reader, quorum_writer, quorum_admin, quorum_peer, pg_monitor;
GRANT USAGE ON TYPE quorum.kv, quorum.kv_bytes, quorum.event, quorum.event_bytes,
	quorum.compare, quorum.op TO quorum_reader, quorum_writer, quorum_admin;

GRANT SELECT ON quorum.keys, quorum.mvcc TO quorum_reader, quorum_writer, quorum_admin;
GRANT SELECT ON quorum.locks TO quorum_reader, quorum_writer, quorum_admin;
GRANT SELECT ON quorum.alarms, quorum.pg_stat_quorum, quorum.pg_stat_quorum_peers
	TO quorum_reader, quorum_writer, quorum_admin, pg_monitor;
GRANT SELECT ON quorum.status, quorum.members, quorum.watches, quorum.leases
	TO quorum_reader, quorum_writer, quorum_admin, pg_monitor;
GRANT SELECT ON quorum.raft_log TO quorum_admin;
GRANT SELECT ON quorum.users, quorum.roles
	TO quorum_reader, quorum_writer, quorum_admin;

DO $$
DECLARE
	grants CONSTANT pg_catalog.text[] := ARRAY[
		/* routine, who may execute it in all its forms */
		['compare_in', 'quorum_reader, quorum_writer, quorum_admin'],
		['compare_out', 'quorum_reader, quorum_writer, quorum_admin'],
		['compare_recv', 'quorum_reader, quorum_writer, quorum_admin'],
		['compare_send', 'quorum_reader, quorum_writer, quorum_admin'],
		['op_in', 'quorum_reader, quorum_writer, quorum_admin'],
		['op_out', 'quorum_reader, quorum_writer, quorum_admin'],
		['op_recv', 'quorum_reader, quorum_writer, quorum_admin'],
		['op_send', 'quorum_reader, quorum_writer, quorum_admin'],
		['as_text', 'quorum_reader, quorum_writer, quorum_admin, pg_monitor'],
		['as_jsonb', 'quorum_reader, quorum_writer, quorum_admin'],
		['get', 'quorum_reader, quorum_writer, quorum_admin'],
		['get_kv', 'quorum_reader, quorum_writer, quorum_admin'],
		['range', 'quorum_reader, quorum_writer, quorum_admin'],
		['count', 'quorum_reader, quorum_writer, quorum_admin'],
		['history', 'quorum_reader, quorum_writer, quorum_admin'],
		['leader', 'quorum_reader, quorum_writer, quorum_admin'],
		['assert_token', 'quorum_reader, quorum_writer, quorum_admin'],
		['scan_locks', 'quorum_reader, quorum_writer, quorum_admin'],
		['scan_keys', 'quorum_reader, quorum_writer, quorum_admin'],
		['revision', 'quorum_reader, quorum_writer, quorum_admin'],
		['compacted_revision', 'quorum_reader, quorum_writer, quorum_admin'],
		['read_barrier', 'quorum_reader, quorum_writer, quorum_admin'],
		['get_status', 'quorum_reader, quorum_writer, quorum_admin, pg_monitor'],
		['get_members', 'quorum_reader, quorum_writer, quorum_admin, pg_monitor'],
		['watch', 'quorum_reader, quorum_writer, quorum_admin'],
		['unwatch', 'quorum_reader, quorum_writer, quorum_admin'],
		['changes', 'quorum_reader, quorum_writer, quorum_admin'],
		['wait', 'quorum_reader, quorum_writer, quorum_admin'],
		['watch_stream', 'quorum_reader, quorum_writer, quorum_admin'],
		['scan_watches', 'quorum_reader, quorum_writer, quorum_admin, pg_monitor'],
		['create_watch', 'quorum_admin'],
		['drop_watch', 'quorum_admin'],
		['lease_ttl', 'quorum_reader, quorum_writer, quorum_admin'],
		['scan_leases', 'quorum_reader, quorum_writer, quorum_admin, pg_monitor'],
		['lease_grant', 'quorum_writer, quorum_admin'],
		['lease_keepalive', 'quorum_writer, quorum_admin'],
		['lease_revoke', 'quorum_writer, quorum_admin'],
		['put', 'quorum_writer, quorum_admin'],
		['swap', 'quorum_writer, quorum_admin'],
		['put_if_absent', 'quorum_writer, quorum_admin'],
		['cas', 'quorum_writer, quorum_admin'],
		['delete', 'quorum_writer, quorum_admin'],
		['increment', 'quorum_writer, quorum_admin'],
		['put_sequential', 'quorum_writer, quorum_admin'],
		['delete_returning', 'quorum_writer, quorum_admin'],
		['if_value', 'quorum_writer, quorum_admin'],
		['if_version', 'quorum_writer, quorum_admin'],
		['if_create_revision', 'quorum_writer, quorum_admin'],
		['if_mod_revision', 'quorum_writer, quorum_admin'],
		['if_lease', 'quorum_writer, quorum_admin'],
		['if_exists', 'quorum_writer, quorum_admin'],
		['if_absent', 'quorum_writer, quorum_admin'],
		['op_put', 'quorum_writer, quorum_admin'],
		['op_delete', 'quorum_writer, quorum_admin'],
		['op_range', 'quorum_writer, quorum_admin'],
		['op_txn', 'quorum_writer, quorum_admin'],
		['txn', 'quorum_writer, quorum_admin'],
		['lock', 'quorum_writer, quorum_admin'],
		['try_lock', 'quorum_writer, quorum_admin'],
		['unlock', 'quorum_writer, quorum_admin'],
		['campaign', 'quorum_writer, quorum_admin'],
		['proclaim', 'quorum_writer, quorum_admin'],
		['resign', 'quorum_writer, quorum_admin'],
		['semaphore_acquire', 'quorum_writer, quorum_admin'],
		['semaphore_release', 'quorum_writer, quorum_admin'],
		['lease_keepalive_many', 'quorum_writer, quorum_admin'],
		['session_lease', 'quorum_writer, quorum_admin'],
		['end_session_lease', 'quorum_writer, quorum_admin'],
		['get_alarms', 'quorum_reader, quorum_writer, quorum_admin, pg_monitor'],
		['get_stat', 'quorum_reader, quorum_writer, quorum_admin, pg_monitor'],
		['get_stat_since', 'quorum_reader, quorum_writer, quorum_admin, pg_monitor'],
		['get_stat_peers', 'quorum_reader, quorum_writer, quorum_admin, pg_monitor'],
		['alarm_disarm', 'quorum_admin'],
		['stat_reset', 'quorum_admin'],
		['peer_hash', 'quorum_peer'],
		['hash_kv', 'quorum_admin, pg_monitor'],
		['check', 'quorum_admin'],
		['compact', 'quorum_admin'],
		['export', 'quorum_admin'],
		['import', 'quorum_admin'],
		['import_from_etcd', 'quorum_admin'],
		['discard_import', 'quorum_admin'],
		['user_add', 'quorum_admin'],
		['user_delete', 'quorum_admin'],
		['user_change_password', 'quorum_admin'],
		['user_check_password', 'quorum_admin'],
		['user_grant_role', 'quorum_admin'],
		['user_revoke_role', 'quorum_admin'],
		['user_map', 'quorum_admin'],
		['role_add', 'quorum_admin'],
		['role_delete', 'quorum_admin'],
		['role_grant_permission', 'quorum_admin'],
		['role_revoke_permission', 'quorum_admin'],
		['auth_enable', 'quorum_admin'],
		['auth_disable', 'quorum_admin'],
		['auth_status', 'quorum_reader, quorum_writer, quorum_admin, pg_monitor'],
		['get_users', 'quorum_reader, quorum_writer, quorum_admin'],
		['get_roles', 'quorum_reader, quorum_writer, quorum_admin'],
		['rejoin', 'quorum_admin'],
		['member_add', 'quorum_admin'],
		['member_remove', 'quorum_admin'],
		['member_promote', 'quorum_admin'],
		['member_update', 'quorum_admin'],
		['move_leader', 'quorum_admin'],
		['leave', 'quorum_admin'],
		['new_cluster', 'quorum_admin'],
		['raft_stream', 'quorum_peer']
	];
	routine pg_catalog.regprocedure;
	entry pg_catalog.text[];
BEGIN
	FOREACH entry SLICE 1 IN ARRAY grants
	LOOP
		FOR routine IN
			SELECT p.oid FROM pg_catalog.pg_proc p
			WHERE p.pronamespace OPERATOR(pg_catalog.=) 'quorum'::pg_catalog.regnamespace
				AND p.proname OPERATOR(pg_catalog.=) entry[1]::pg_catalog.name
		LOOP
			EXECUTE pg_catalog.format('GRANT EXECUTE ON ROUTINE %s TO %s', routine, entry[2]);
		END LOOP;
	END LOOP;
END
$$;
