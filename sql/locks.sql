-- Locks, elections, semaphores: arguments, results and refusals of one session.
-- Several sessions and members are tested in t/110_locks.pl and t/111_lock_faults.pl.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS pg_quorum;
CREATE EXTENSION pg_quorum;

CREATE FUNCTION error_of(command text, OUT state text, OUT message text, OUT detail text, OUT hint text)
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
\pset null '-'

-- Refusals
\pset expanded on
SELECT c.command, e.* FROM (VALUES
	($$SELECT quorum.lock(NULL)$$),
	($$SELECT quorum.lock(NULL::bytea)$$),
	($$SELECT quorum.lock('')$$),
	($$SELECT quorum.lock(''::bytea)$$),
	($$SELECT quorum.lock(repeat('x', 2032))$$),
	($$SELECT quorum.lock('a', timeout => '-1s')$$),
	($$SELECT quorum.try_lock(NULL)$$),
	($$SELECT quorum.try_lock('')$$),
	($$SELECT quorum.unlock(NULL)$$),
	($$SELECT quorum.unlock('')$$),
	($$SELECT quorum.campaign(NULL, 'v')$$),
	($$SELECT quorum.campaign('', 'v')$$),
	($$SELECT quorum.campaign('e', NULL)$$),
	($$SELECT quorum.campaign('e', NULL::jsonb)$$),
	($$SELECT quorum.campaign('e', 'v', '-1s')$$),
	($$SELECT quorum.proclaim(NULL, 'v')$$),
	($$SELECT quorum.proclaim('e', NULL)$$),
	($$SELECT quorum.proclaim('e', 'v')$$),
	($$SELECT quorum.resign(NULL)$$),
	($$SELECT quorum.leader(NULL)$$),
	($$SELECT quorum.leader('')$$),
	($$SELECT quorum.semaphore_acquire(NULL, 1)$$),
	($$SELECT quorum.semaphore_acquire('', 1)$$),
	($$SELECT quorum.semaphore_acquire('s', NULL)$$),
	($$SELECT quorum.semaphore_acquire('s', 0)$$),
	($$SELECT quorum.semaphore_acquire('s', -1)$$),
	($$SELECT quorum.semaphore_acquire('s', 1000000001)$$),
	($$SELECT quorum.semaphore_acquire('s', 3, 0)$$),
	($$SELECT quorum.semaphore_acquire('s', 3, 4)$$),
	($$SELECT quorum.semaphore_acquire('s', 3, 1, '-1s')$$),
	($$SELECT quorum.semaphore_release(NULL)$$),
	($$SELECT quorum.assert_token(NULL, 1)$$),
	($$SELECT quorum.assert_token('', 1)$$),
	($$SELECT quorum.assert_token('a', NULL)$$),
	($$SELECT quorum.assert_token('a', 1, capacity => 0)$$),
	($$SELECT quorum.assert_token('a', 1)$$),
	($$SELECT quorum.assert_token('a', 0)$$),
	($$SELECT quorum.assert_token('a', -1)$$)
) AS c (command), error_of(c.command) AS e;
\pset expanded off

-- What a session that never held anything has
SELECT quorum.unlock('a'), quorum.resign('e'), quorum.semaphore_release('s'), quorum.leader('e');
SELECT count(*) FROM quorum.locks;

-- A lock: the key is the name, a slash and the lease in hexadecimal, without a value
SELECT quorum.lock('a') AS a \gset
SELECT key = 'a/' || to_hex(quorum.session_lease()) AS key, value, create_revision = :a AS token,
	lease = quorum.session_lease() AS lease
FROM quorum.range('a/', prefix => true);
SELECT name, holder = quorum.session_lease() AS mine, token = :a AS token, waiters, name_bytes FROM quorum.locks;

-- Once more: the same token
SELECT quorum.lock('a') = :a AS same, quorum.lock('a', timeout => '0') = :a AS same, quorum.try_lock('a') = :a AS same;
SELECT quorum.assert_token('a', :a), quorum.assert_token('a'::bytea, :a);
SELECT state, message FROM error_of(format('SELECT quorum.assert_token(''a'', %s)', :a - 1));
SELECT state, message = format('token %s is not that of the present holder', :a + 1)
FROM error_of(format('SELECT quorum.assert_token(''a'', %s)', :a + 1));
SELECT state FROM error_of(format('SELECT quorum.assert_token(''b'', %s)', :a));
SELECT quorum.unlock('a'), quorum.unlock('a');
SELECT state FROM error_of(format('SELECT quorum.assert_token(''a'', %s)', :a));
SELECT quorum.lock('a') > :a AS later, quorum.unlock('a');

-- It outlives its transaction, and needs none
BEGIN;
SELECT quorum.lock('a') > 0 AS locked;
ROLLBACK;
SELECT name, waiters FROM quorum.locks;
SELECT quorum.unlock('a'::bytea);

-- Held by another: of whoever has the lowest create revision below name/
SELECT quorum.put('b/other', 'x') AS other \gset
SELECT quorum.try_lock('b'), quorum.try_lock('b'::bytea);
SELECT state, message, hint FROM error_of($$SELECT quorum.lock('b', timeout => '20ms')$$);
SELECT state, message FROM error_of($$SELECT quorum.lock('b', timeout => '0')$$);
SELECT state, message FROM error_of($$SELECT quorum.campaign('b', 'v', timeout => '20ms')$$);
SELECT state, message FROM error_of($$SELECT quorum.semaphore_acquire('b', 1, timeout => '20ms')$$);
SET statement_timeout = '50ms';
SELECT quorum.lock('b');
SELECT quorum.campaign('b', 'v');
RESET statement_timeout;
SELECT quorum.assert_token('b', :other);
-- nobody was left in the queue
SELECT key FROM quorum.range('b/', prefix => true);
SELECT quorum.delete('b/other');
SELECT quorum.lock('b') > :other AS locked, quorum.unlock('b');

-- Names that only look alike
SELECT quorum.lock('n') > 0 AS n, quorum.lock('n2') > 0 AS n2, quorum.lock('n/') > 0 AS slash,
	quorum.try_lock('n!') > 0 AS mark;
SELECT name, waiters FROM quorum.locks ORDER BY name COLLATE "C";
SELECT quorum.unlock('n'), quorum.unlock('n2'), quorum.unlock('n/'), quorum.unlock('n!');
SELECT quorum.lock('\xff00'::bytea) > 0 AS locked;
SELECT name, name_bytes, waiters FROM quorum.locks;
SELECT quorum.unlock('\xff00'::bytea);
SELECT quorum.lock(repeat('x', 2031)) > 0 AS locked, quorum.unlock(repeat('x', 2031));

-- Elections
SELECT quorum.campaign('e', 'one') AS e \gset
SELECT value, create_revision = :e AS token FROM quorum.leader('e');
SELECT quorum.campaign('e', 'two') = :e AS same;
SELECT value, create_revision = :e AS token, version FROM quorum.leader('e');
SELECT quorum.campaign('e', 'two') = :e AS same;
SELECT quorum.proclaim('e', 'three');
SELECT value, create_revision = :e AS token, version FROM quorum.leader('e'::bytea);
SELECT quorum.proclaim('e', '{"a": 1}'::jsonb);
SELECT value, lease = quorum.session_lease() AS lease FROM quorum.leader('e');
SELECT quorum.assert_token('e', :e);
SELECT quorum.resign('e'), quorum.resign('e'), quorum.leader('e');
SELECT state, message, hint FROM error_of($$SELECT quorum.proclaim('e', 'four')$$);
SELECT quorum.campaign('\xfe'::bytea, '\xff'::bytea) > 0 AS leads;
SELECT value FROM quorum.leader('\xfe'::bytea);
SELECT quorum.proclaim('\xfe'::bytea, '\xfd'::bytea);
SELECT value FROM quorum.leader('\xfe'::bytea);
SELECT quorum.campaign('\xfe'::bytea, '[]'::jsonb) > 0 AS leads;
SELECT quorum.proclaim('\xfe'::bytea, '[1]'::jsonb), quorum.resign('\xfe'::bytea);
SELECT quorum.put('f/other', 'x') > 0;
SELECT value FROM quorum.leader('f');
SELECT state, message FROM error_of($$SELECT quorum.proclaim('f', 'v')$$);

-- Semaphores: who is ahead takes what his value says, 1 where it is no number
SELECT quorum.put('s/1', '2'), quorum.put('s/2', ''), quorum.put('s/3', 'many') AS third \gset
SELECT state, message FROM error_of($$SELECT quorum.semaphore_acquire('s', 4, timeout => '20ms')$$);
SELECT state FROM error_of($$SELECT quorum.semaphore_acquire('s', 5, 2, timeout => '20ms')$$);
SELECT quorum.semaphore_acquire('s', 5) AS s \gset
SELECT value FROM quorum.range('s/', prefix => true, sort_by => 'create_revision');
SELECT quorum.semaphore_acquire('s', 5) = :s AS same, quorum.semaphore_acquire('s', 100) = :s AS same;
SELECT state, message, detail, hint FROM error_of($$SELECT quorum.semaphore_acquire('s', 5, 2)$$);
SELECT quorum.assert_token('s', :s, capacity => 5), quorum.assert_token('s', :third, 4);
SELECT state FROM error_of(format('SELECT quorum.assert_token(''s'', %s, 4)', :s));
SELECT state FROM error_of(format('SELECT quorum.assert_token(''s'', %s)', :s));
-- too small a capacity does not cost what the session has
SELECT state FROM error_of($$SELECT quorum.semaphore_acquire('s', 1, timeout => '20ms')$$);
SELECT quorum.assert_token('s', :s, capacity => 5);
SELECT quorum.semaphore_release('s'), quorum.semaphore_release('s'::bytea);
SELECT quorum.semaphore_acquire('t'::bytea, 1000000000, 1000000000) > 0 AS all, quorum.semaphore_release('t');

-- A key that was taken away is not held any more, and unlock says so
SELECT quorum.lock('l1') AS l1 \gset
SELECT quorum.delete('l1/', prefix => true);
SELECT state FROM error_of(format('SELECT quorum.assert_token(''l1'', %s)', :l1));
SELECT quorum.unlock('l1'), quorum.lock('l1') > :l1 AS locked_again;

-- The lease is the session's; what hangs on it goes with it, and the session is told once
SELECT quorum.lock('l2') > 0 AS locked;
SELECT quorum.lease_revoke(quorum.session_lease());
SELECT count(*) FROM quorum.locks;
SELECT state, message, detail, hint FROM error_of($$SELECT quorum.lock('l2')$$);
SELECT quorum.unlock('l1'), quorum.lock('l2') > 0 AS locked_anew, quorum.unlock('l2');
SELECT quorum.lock('l1') > 0 AS locked;
DISCARD ALL;
SELECT quorum.unlock('l1'), quorum.lock('l1') > 0 AS locked_anew;

-- Where nothing may be written
BEGIN READ ONLY;
SAVEPOINT s;
SELECT quorum.lock('r');
ROLLBACK TO s;
SELECT quorum.try_lock('r');
ROLLBACK TO s;
SELECT quorum.unlock('r');
ROLLBACK TO s;
SELECT quorum.campaign('r', 'v');
ROLLBACK TO s;
SELECT quorum.proclaim('r', 'v');
ROLLBACK TO s;
SELECT quorum.semaphore_acquire('r', 1);
ROLLBACK TO s;
SELECT quorum.leader('r');
SELECT quorum.assert_token('l1', token) FROM quorum.locks WHERE name = 'l1';
COMMIT;

-- Privileges
SET ROLE quorum_reader;
SELECT name FROM quorum.locks;
SELECT quorum.leader('f');
SELECT quorum.lock('x');
SELECT quorum.campaign('x', 'v');
SELECT quorum.semaphore_acquire('x', 1);
RESET ROLE;
SET ROLE quorum_writer;
SELECT quorum.lock('x') > 0 AS locked, quorum.unlock('x');
RESET ROLE;
SET ROLE quorum_peer;
SELECT quorum.assert_token('x', 1);
SELECT * FROM quorum.locks;
RESET ROLE;
SELECT quorum.end_session_lease(), quorum.unlock('l1');

-- Users of the store: reading and writing the queue is what a lock takes
SELECT quorum.lock('admin') > 0 AS locked;
CREATE ROLE regress_locks LOGIN IN ROLE quorum_writer;
SELECT quorum.user_add('root', 'pw'), quorum.user_grant_role('root', 'root');
SELECT quorum.user_add('regress_locks'), quorum.role_add('jobs'), quorum.user_grant_role('regress_locks', 'jobs');
SELECT quorum.role_grant_permission('jobs', 'readwrite', 'jobs/', prefix => true);
SELECT quorum.role_grant_permission('jobs', 'write', 'drop/', prefix => true);
SELECT quorum.role_grant_permission('jobs', 'read', 'look/', prefix => true);
SELECT quorum.auth_enable();
SELECT quorum.end_session_lease();
SET SESSION AUTHORIZATION regress_locks;
SELECT quorum.lock('jobs') AS jobs \gset
SELECT quorum.assert_token('jobs', :jobs), quorum.try_lock('jobs') = :jobs AS same;
SELECT state, message FROM error_of($$SELECT quorum.lock('admin')$$);
SELECT state, message FROM error_of($$SELECT quorum.try_lock('look')$$);
SELECT state, message FROM error_of($$SELECT quorum.lock('drop')$$);
SELECT state, message FROM error_of($$SELECT quorum.campaign('look', 'v')$$);
SELECT state, message FROM error_of($$SELECT quorum.leader('drop')$$);
SELECT state, message FROM error_of($$SELECT quorum.assert_token('admin', 1)$$);
SELECT quorum.leader('look');
SELECT name, token = :jobs AS token FROM quorum.locks;
SELECT quorum.unlock('jobs');
RESET SESSION AUTHORIZATION;
-- a refusal leaves nothing behind
SELECT key FROM quorum.range('drop/', prefix => true);
SELECT quorum.auth_disable();
SELECT quorum.user_delete('regress_locks'), quorum.user_delete('root'), quorum.role_delete('jobs');
DROP ROLE regress_locks;
DROP FUNCTION error_of;
