/* test/storage/quorum_storage_test--1.0.sql */

\echo Use "CREATE EXTENSION quorum_storage_test" to load this file. \quit

CREATE SCHEMA quorum;

CREATE FUNCTION quorum.log_am_handler(internal) RETURNS table_am_handler
	AS 'MODULE_PATHNAME', 'quorum_log_handler' LANGUAGE C STRICT;
CREATE FUNCTION quorum.tree_am_handler(internal) RETURNS table_am_handler
	AS 'MODULE_PATHNAME', 'quorum_tree_handler' LANGUAGE C STRICT;
CREATE ACCESS METHOD quorum_log TYPE TABLE HANDLER quorum.log_am_handler;
CREATE ACCESS METHOD quorum_tree TYPE TABLE HANDLER quorum.tree_am_handler;

CREATE TABLE quorum.raft_log (index int8, term int8, type int4, data bytea)
	USING quorum_log;
CREATE TABLE quorum.mvcc (space int4, key bytea, major int8, minor int8, value bytea)
	USING quorum_tree;

-- both relations, empty
CREATE FUNCTION quorum.format() RETURNS void
	AS 'MODULE_PATHNAME', 'test_format' LANGUAGE C STRICT;
CREATE FUNCTION quorum.check_storage(OUT relation text, OUT block int8, OUT finding text)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'test_check' LANGUAGE C STRICT;

-- random operations beside a plain model; ERROR at the first difference
CREATE FUNCTION quorum.tree_model(seed int8, rounds int4, profile text) RETURNS text
	AS 'MODULE_PATHNAME', 'test_tree_model' LANGUAGE C STRICT;
CREATE FUNCTION quorum.log_model(seed int8, rounds int4) RETURNS text
	AS 'MODULE_PATHNAME', 'test_log_model' LANGUAGE C STRICT;

-- speed, per second: entries, puts, lookups
CREATE FUNCTION quorum.bench_log_append(calls int4, batch int4, size int4) RETURNS float8
	AS 'MODULE_PATHNAME', 'bench_log_append' LANGUAGE C STRICT;
CREATE FUNCTION quorum.bench_tree_put(batches int4, batch int4, nkeys int8, size int4)
	RETURNS float8
	AS 'MODULE_PATHNAME', 'bench_tree_put' LANGUAGE C STRICT;
CREATE FUNCTION quorum.bench_tree_lookup(n int4, nkeys int8) RETURNS float8
	AS 'MODULE_PATHNAME', 'bench_tree_lookup' LANGUAGE C STRICT;

-- a writer and readers at once
CREATE FUNCTION quorum.churn_setup() RETURNS void
	AS 'MODULE_PATHNAME', 'test_churn_setup' LANGUAGE C STRICT;
CREATE FUNCTION quorum.churn_write(seed int8, seconds float8) RETURNS int8
	AS 'MODULE_PATHNAME', 'test_churn_write' LANGUAGE C STRICT;
CREATE FUNCTION quorum.churn_read(seed int8, seconds float8) RETURNS text
	AS 'MODULE_PATHNAME', 'test_churn_read' LANGUAGE C STRICT;

-- crashes in the middle of writing
CREATE FUNCTION quorum.crash_setup() RETURNS void
	AS 'MODULE_PATHNAME', 'test_crash_setup' LANGUAGE C STRICT;
CREATE FUNCTION quorum.crash_write(batches int4) RETURNS int8
	AS 'MODULE_PATHNAME', 'test_crash_write' LANGUAGE C STRICT;
CREATE FUNCTION quorum.crash_verify() RETURNS int8
	AS 'MODULE_PATHNAME', 'test_crash_verify' LANGUAGE C STRICT;
CREATE FUNCTION quorum.append_long(size int4) RETURNS void
	AS 'MODULE_PATHNAME', 'test_append_long' LANGUAGE C STRICT;
CREATE FUNCTION quorum.tree_fill(n int4, size int4, room int4) RETURNS float8
	AS 'MODULE_PATHNAME', 'test_tree_fill' LANGUAGE C STRICT;

-- how many leaves had to be asked for
CREATE FUNCTION quorum.tree_prefetch(first int8, last int8, most int4) RETURNS int4
	AS 'MODULE_PATHNAME', 'test_tree_prefetch' LANGUAGE C STRICT;

-- removal of much at once
CREATE FUNCTION quorum.tree_remove(first int8, last int8, keep int4, OUT freed int8, OUT changed int8)
	AS 'MODULE_PATHNAME', 'test_tree_remove' LANGUAGE C STRICT;
CREATE FUNCTION quorum.tree_put_one(number int8) RETURNS void
	AS 'MODULE_PATHNAME', 'test_tree_put_one' LANGUAGE C STRICT;
CREATE FUNCTION quorum.scan_beside_removal(last int8, keep int4) RETURNS int8
	AS 'MODULE_PATHNAME', 'test_scan_beside_removal' LANGUAGE C STRICT;
CREATE FUNCTION quorum.break_free_list(block int8) RETURNS void
	AS 'MODULE_PATHNAME', 'test_break_free_list' LANGUAGE C STRICT;
