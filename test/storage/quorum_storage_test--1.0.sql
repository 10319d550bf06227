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
