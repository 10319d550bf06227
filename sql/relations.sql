-- quorum.raft_log, quorum.mvcc, quorum.status, quorum.members, hash_kv, check
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS pg_quorum;
CREATE EXTENSION pg_quorum;
RESET client_min_messages;

SELECT quorum.put('a', '1'), quorum.put('a'::bytea, '\xff'::bytea), quorum.delete('a'), quorum.put('b', '{"x": 1}'::jsonb);
SELECT revision FROM quorum.txn(ARRAY[quorum.if_absent('c')], ARRAY[quorum.op_put('c', 'x'), quorum.op_delete('b')]);

-- every revision
SELECT * FROM quorum.mvcc ORDER BY key, mod_revision, sub;
SELECT quorum.as_text(key) AS key, quorum.as_jsonb(value) AS json FROM quorum.mvcc WHERE NOT deleted ORDER BY key, mod_revision;

-- the log: what was asked for, in order
SELECT type, size > 0 AS has_request, request - 'origin' - 'request' AS request
FROM quorum.raft_log WHERE type = 'normal' ORDER BY index;
SELECT bool_and(index = first + n - 1) AS consecutive, bool_and(term > 0) AS terms,
	bool_or(type = 'empty' AND request IS NULL AND size = 0) AS has_empty
FROM (SELECT *, row_number() OVER (ORDER BY index) AS n, min(index) OVER () AS first FROM quorum.raft_log) AS l;
-- a member shows what it did after it has answered, and before it takes the next request
SELECT quorum.read_barrier() AS barrier \gset
SELECT max(l.index) = max(s.commit_index) AS all_committed FROM quorum.raft_log l, quorum.status s;

-- both are read with SQL and written by functions alone
INSERT INTO quorum.mvcc (key) VALUES ('x');
DELETE FROM quorum.raft_log;
TRUNCATE quorum.mvcc;
VACUUM quorum.mvcc;
ANALYZE quorum.raft_log;

-- status: one row
SELECT cluster_id ~ '^[0-9a-f]{16}$' AS cluster_id, member_id ~ '^[0-9a-f]{16}$' AS member_id, name, role, leader,
	term > 0 AS term, commit_index > 0 AS commit_index, applied_index = commit_index AS applied, revision,
	compacted_revision, keys, size > 0 AS size, size_in_use BETWEEN 1 AND size AS in_use, alarms, quarantined,
	version, reason
FROM quorum.status;
SELECT extversion = (SELECT version FROM quorum.status) AS same FROM pg_extension WHERE extname = 'pg_quorum';

-- members: this one
SELECT id = (SELECT member_id FROM quorum.status) AS id, name, conninfo ~ 'password' AS secrets, client_urls, is_learner,
	is_leader, is_self, match_index = (SELECT commit_index FROM quorum.status) AS match_index, lag, state, last_heard
FROM quorum.members;

-- hashes depend on the keys and the revision
SELECT hash BETWEEN 0 AND 4294967295 AS hash, revision, compacted_revision FROM quorum.hash_kv();
SELECT a.hash = b.hash AS same FROM quorum.hash_kv(4) AS a, quorum.hash_kv(4) AS b;
SELECT a.hash = b.hash AS same FROM quorum.hash_kv(4) AS a, quorum.hash_kv(5) AS b;

-- every page is sound
SELECT count(quorum.put('fill/' || i, repeat(md5(i::text), i % 400))) FROM generate_series(1, 500) AS i;
SELECT quorum.delete('fill/1', prefix => true);
SELECT * FROM quorum.check();
