-- Every refusal: SQLSTATE, message, detail, hint
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS pg_quorum;
CREATE EXTENSION pg_quorum;

CREATE FUNCTION pg_temp.error_of(command text, OUT state text, OUT message text, OUT detail text, OUT hint text)
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE command;
	message := 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
		detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
END
$$;
RESET client_min_messages;
\pset expanded on
\pset null '-'

SELECT quorum.put('a', '1'), quorum.put('a', '2'), quorum.put('a', '3'), quorum.compact(3);

SELECT c.command, e.* FROM (VALUES
	-- null where something must be
	($$quorum.put(NULL, 'x')$$),
	($$quorum.put('a', NULL)$$),
	($$quorum.put('a', NULL::jsonb)$$),
	($$quorum.put(NULL::bytea, 'x')$$),
	($$quorum.swap('a', NULL)$$),
	($$quorum.put_if_absent('a', NULL)$$),
	($$quorum.cas('a', NULL, 'x')$$),
	($$quorum.cas('a', 1, NULL)$$),
	($$quorum.get(NULL)$$),
	($$quorum.get_kv(NULL)$$),
	($$quorum.range(NULL)$$),
	($$quorum.count(NULL)$$),
	($$quorum.delete(NULL)$$),
	($$quorum.delete_returning(NULL)$$),
	($$quorum.history(NULL)$$),
	($$quorum.compact(NULL)$$),
	($$quorum.txn(NULL::jsonb)$$),
	($$quorum.if_value('a', NULL, 'x')$$),
	($$quorum.if_value('a', '=', NULL)$$),
	($$quorum.if_version('a', '=', NULL)$$),
	($$quorum.if_exists(NULL)$$),
	($$quorum.op_put('a', NULL)$$),
	($$quorum.op_range(NULL)$$),
	($$quorum.txn(ARRAY[NULL::quorum.compare], '{}')$$),
	($$quorum.txn('{}', ARRAY[NULL::quorum.op])$$),
	-- keys
	($$quorum.put('', 'x')$$),
	($$quorum.put(''::bytea, 'x')$$),
	($$quorum.get('')$$),
	($$quorum.get_kv('')$$),
	($$quorum.range('')$$),
	($$quorum.range('', 'b')$$),
	($$quorum.count('')$$),
	($$quorum.delete('')$$),
	($$quorum.history('')$$),
	($$quorum.cas('', 0, 'x')$$),
	($$quorum.if_value('', '=', 'x')$$),
	($$quorum.if_absent('')$$),
	($$quorum.txn('{}', ARRAY[quorum.op_put('', 'x')])$$),
	($$quorum.txn('{}', ARRAY[quorum.op_range('')])$$),
	($$quorum.put(repeat('k', 2048), 'x') > 0$$),
	($$quorum.put(repeat('k', 2049), 'x')$$),
	($$quorum.get(repeat('k', 2049))$$),
	-- ranges
	($$quorum.range('a', '')$$),
	($$quorum.range('a', 'b', true)$$),
	($$quorum.delete('a', 'b', prefix => true)$$),
	($$quorum.range('a', max_rows => -1)$$),
	($$quorum.range('a', min_mod_revision => -1)$$),
	($$quorum.range('a', sort_by => 'size')$$),
	($$quorum.history('a', since => -1)$$),
	-- revisions
	($$quorum.get('a', revision => 2)$$),
	($$quorum.get('a', revision => 3)$$),
	($$quorum.get('a', revision => 1000)$$),
	($$quorum.get('a', revision => -1)$$),
	($$quorum.get_kv('a'::bytea, revision => 1)$$),
	($$quorum.range('a', revision => 1)$$),
	($$quorum.range('a', revision => 1000)$$),
	($$quorum.count('a', revision => 1)$$),
	($$quorum.history('a', since => 1)$$),
	($$quorum.history('a', since => 2)$$),
	($$quorum.history('a', since => 1000)$$),
	($$quorum.history('a', until => 1000)$$),
	($$quorum.compact(3)$$),
	($$quorum.compact(1000)$$),
	($$quorum.compact(-1)$$),
	($$quorum.hash_kv(1)$$),
	($$quorum.hash_kv(1000)$$),
	($$quorum.hash_kv(-1)$$),
	($$quorum.txn('{}', ARRAY[quorum.op_range('a', revision => 1)])$$),
	($$quorum.txn('{}', ARRAY[quorum.op_put('z', 'x'), quorum.op_range('a', revision => 1000)])$$),
	($$quorum.cas('a', -1, 'x')$$),
	($$quorum.read_barrier('-1 s')$$),
	-- leases, ignore_value, ignore_lease
	($$quorum.put('a', 'x', lease => 12345)$$),
	($$quorum.put('a', 'x', ignore_value => true)$$),
	($$quorum.put('a', 'x', lease => 1, ignore_lease => true)$$),
	($$quorum.put('missing', '', ignore_value => true)$$),
	($$quorum.put('missing', 'x', ignore_lease => true)$$),
	-- transactions
	($$quorum.txn('{}', ARRAY[quorum.op_put('x', '1'), quorum.op_put('x', '2')])$$),
	($$quorum.txn('{}', ARRAY[quorum.op_put('x', '1'), quorum.op_delete('x')])$$),
	($$quorum.txn('{}', ARRAY[quorum.op_put('x', '1'), quorum.op_delete('a', 'z')])$$),
	($$quorum.txn('{}', ARRAY[quorum.op_put('x', '1')], ARRAY[quorum.op_put('x', '2')]) IS NOT NULL$$),
	($$quorum.txn('{}', ARRAY[quorum.op_put('x', '1'), quorum.op_txn('{}', ARRAY[quorum.op_put('x', '2')])])$$),
	($$quorum.txn('{}', (SELECT array_agg(quorum.op_range('k' || i)) FROM generate_series(1, 128) AS i)) IS NOT NULL$$),
	($$quorum.txn('{}', (SELECT array_agg(quorum.op_range('k' || i)) FROM generate_series(1, 129) AS i))$$),
	($$quorum.txn('{}', (SELECT array_agg(quorum.op_put('k' || i, 'x')) FROM generate_series(1, 129) AS i))$$),
	($$quorum.txn((SELECT array_agg(quorum.if_exists('k' || i)) FROM generate_series(1, 129) AS i), '{}')$$),
	($$quorum.txn('{}', ARRAY[quorum.op_put('x', '1', lease => 99)])$$),
	($$quorum.txn('{}', ARRAY['{}'::quorum.op])$$),
	($$quorum.txn('[]'::jsonb)$$),
	($$quorum.txn('{"success": [{}]}'::jsonb)$$),
	($$quorum.txn('{"success": [{"request_put": {"key": "not base64!"}}]}'::jsonb)$$),
	($$quorum.txn('{"compare": [{"key": "YQ==", "target": "SIZE"}]}'::jsonb)$$),
	($$quorum.txn('{"compare": [{"key": "YQ==", "target": 99}]}'::jsonb)$$),
	($$quorum.txn('{"compare": [{"target": "VERSION"}]}'::jsonb)$$),
	($$quorum.if_value('a', '~', 'x')$$),
	($$quorum.if_value('a', '', 'x')$$),
	-- sizes
	($$quorum.put('big', repeat('x', 1572864))$$),
	($$quorum.txn('{}', (SELECT array_agg(quorum.op_put('big' || i, repeat('x', 500000))) FROM generate_series(1, 4) AS i))$$)
) AS c (command)
CROSS JOIN LATERAL pg_temp.error_of('SELECT ' || c.command) AS e;

-- not text
SELECT quorum.put('bin'::bytea, '\xff'::bytea) > 0 AS put, quorum.put('\xff'::bytea, 'x'::bytea) > 0 AS put;
SELECT c.command, e.* FROM (VALUES
	($$quorum.get('bin')$$),
	($$quorum.get_kv('bin')$$),
	($$quorum.range('bin')$$),
	($$quorum.range('', prefix => true)$$),
	($$quorum.range('bin', keys_only => true)$$),
	($$quorum.history('bin')$$),
	($$quorum.delete_returning('bin')$$)
) AS c (command)
CROSS JOIN LATERAL pg_temp.error_of('SELECT ' || c.command) AS e;
SELECT quorum.count('bin');

-- read-only transactions
BEGIN READ ONLY;
SELECT c.command, e.* FROM (VALUES
	($$quorum.put('a', 'x')$$),
	($$quorum.swap('a', 'x')$$),
	($$quorum.put_if_absent('a', 'x')$$),
	($$quorum.cas('a', 0, 'x')$$),
	($$quorum.delete('a')$$),
	($$quorum.delete_returning('a')$$),
	($$quorum.compact(4)$$),
	($$quorum.txn('{}', ARRAY[quorum.op_put('a', 'x')])$$),
	($$quorum.txn('{"success": [{"request_put": {"key": "YQ=="}}]}'::jsonb)$$),
	($$quorum.rejoin()$$),
	($$quorum.new_cluster()$$),
	($$quorum.get('a')$$),
	($$quorum.txn('{}', ARRAY[quorum.op_range('a')]) IS NOT NULL$$)
) AS c (command)
CROSS JOIN LATERAL pg_temp.error_of('SELECT ' || c.command) AS e;
COMMIT;

-- only a quarantined member has a way out of quarantine
SELECT c.command, e.state FROM (VALUES
	($$quorum.rejoin()$$),
	($$quorum.new_cluster()$$)
) AS c (command)
CROSS JOIN LATERAL pg_temp.error_of('SELECT ' || c.command) AS e;

-- members come as clients, not from within a transaction
BEGIN;
CALL quorum.raft_stream();
ROLLBACK;

-- roles
CREATE ROLE regress_quorum_user;
SET ROLE regress_quorum_user;
SELECT quorum.get('a');
RESET ROLE;
GRANT quorum_reader TO regress_quorum_user;
SET ROLE regress_quorum_user;
SELECT quorum.get('a'), quorum.count('a');
SELECT name FROM quorum.status;
SELECT quorum.put('a', 'x');
SELECT * FROM quorum.raft_log;
RESET ROLE;
GRANT quorum_writer TO regress_quorum_user;
SET ROLE regress_quorum_user;
SELECT quorum.put('a', 'x') > 0 AS put;
SELECT quorum.compact(5);
CALL quorum.raft_stream();
RESET ROLE;
-- a grant alone makes no peer
GRANT EXECUTE ON PROCEDURE quorum.raft_stream() TO regress_quorum_user;
SET ROLE regress_quorum_user;
SELECT e.* FROM pg_temp.error_of($$CALL quorum.raft_stream()$$) AS e;
RESET ROLE;
REVOKE EXECUTE ON PROCEDURE quorum.raft_stream() FROM regress_quorum_user;
DROP ROLE regress_quorum_user;

-- another database than the one the member serves
CREATE DATABASE regress_quorum_other;
\c regress_quorum_other
SET client_min_messages = warning;
CREATE EXTENSION pg_quorum;
SELECT quorum.put('a', 'x');
SELECT quorum.get('a', serializable => true);
SELECT * FROM quorum.status;
SELECT * FROM quorum.keys;
\c contrib_regression
DROP DATABASE regress_quorum_other;
SELECT quorum.get('a');
