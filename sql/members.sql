-- membership at run time, on a member that is alone
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS pg_quorum;
CREATE EXTENSION pg_quorum;
RESET client_min_messages;
SELECT quorum.put('a', 'b');

-- one way to see an error: its SQLSTATE, message, detail and hint
CREATE FUNCTION pg_temp.attempt(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	d text;
	h text;
BEGIN
	EXECUTE 'SELECT ' || call;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
	RETURN concat_ws(' | ', SQLSTATE, SQLERRM, nullif(d, ''), nullif(h, ''));
END $$;

-- arguments that are wrong by themselves
SELECT call, pg_temp.attempt(call) AS outcome FROM (VALUES
	($$quorum.member_add(NULL, 'port=1')$$),
	($$quorum.member_add('n2', NULL)$$),
	($$quorum.member_add('', 'port=1')$$),
	($$quorum.member_add(repeat('n', 64), 'port=1')$$),
	($$quorum.member_add('n=2', 'port=1')$$),
	($$quorum.member_add('n;2', 'port=1')$$),
	($$quorum.member_add(E'n\t2', 'port=1')$$),
	($$quorum.member_add('n2', '')$$),
	($$quorum.member_add('n2', 'port')$$),
	($$quorum.member_add('n2', 'passwrod=secret port=1')$$),
	($$quorum.member_add('n2', 'port=1 ' || repeat(' ', 1024))$$),
	($$quorum.member_add('n2', 'http://')$$),
	($$quorum.member_add('n2', 'https://h:port')$$),
	($$quorum.member_add('n2', 'https://h'' sslmode=disable')$$),
	($$quorum.member_add('n2', 'https://[::1:2380')$$),
	($$quorum.member_add('n2', 'https://h/path')$$),
	($$quorum.member_remove(NULL::text)$$),
	($$quorum.member_remove(NULL::bigint)$$),
	($$quorum.member_remove('')$$),
	($$quorum.member_remove(0)$$),
	($$quorum.member_promote(NULL::text)$$),
	($$quorum.member_promote(NULL::bigint)$$),
	($$quorum.member_update(NULL::text, 'port=1')$$),
	($$quorum.member_update('n1', NULL)$$),
	($$quorum.member_update('n1', 'nonsense')$$),
	($$quorum.move_leader(NULL::text)$$),
	($$quorum.move_leader(NULL::bigint)$$)) AS t (call);

-- members that are none
SELECT call, pg_temp.attempt(call) AS outcome FROM (VALUES
	($$quorum.member_remove('n2')$$),
	($$quorum.member_remove('0123456789abcdef')$$),
	($$quorum.member_remove(1)$$),
	($$quorum.member_promote('n2')$$),
	($$quorum.member_promote(-1)$$),
	($$quorum.member_update('n2', 'port=1')$$),
	($$quorum.move_leader('n2')$$),
	($$quorum.move_leader(1)$$)) AS t (call);

-- what a member alone cannot do, and may
SELECT call, pg_temp.attempt(call) AS outcome FROM (VALUES
	($$quorum.member_add('n2', 'port=1')$$),
	($$quorum.member_remove('n1')$$),
	($$quorum.leave()$$),
	($$quorum.member_promote('n1')$$),
	($$quorum.move_leader('n1')$$),
	($$quorum.member_update('n1', 'host=127.0.0.1 port=1 password=secret')$$),
	($$quorum.member_add('n1', 'port=2')$$),
	($$quorum.member_add('n2', 'host=127.0.0.1 port=1 password=secret')$$)) AS t (call);
SELECT name, conninfo, is_learner, is_leader, is_self, lag, state FROM quorum.members;

-- a voter comes as a learner, and so takes part in nothing before it is there
SELECT quorum.member_add('n2', 'https://[::1]:1') AS n2 \gset
SELECT quorum.member_add('n3', 'http://127.0.0.1:2', learner => true) AS n3 \gset
SELECT :n2 > 0 AND :n3 > 0 AS ids, to_hex(:n2) AS n2_hex \gset
SELECT name, conninfo, client_urls, is_learner, is_leader, is_self, lag IS NOT NULL AS lag, state, last_heard FROM quorum.members ORDER BY name;
SELECT count(*) FROM quorum.members WHERE id = lpad(:'n2_hex', 16, '0');
SELECT call, pg_temp.attempt(call) AS outcome FROM (VALUES
	($$quorum.member_add('n2', 'port=4')$$),
	($$quorum.member_add('n4', 'http://127.0.0.1:1')$$),
	($$quorum.member_add('n4', 'port=4', learner => true)$$),
	($$quorum.member_update('n2', 'http://127.0.0.1:1')$$),
	($$quorum.member_promote('n2')$$),
	($$quorum.member_promote('n3')$$),
	($$quorum.move_leader('n3')$$),
	($$quorum.member_remove('n1')$$),
	($$quorum.put('with', 'learners') > 0$$)) AS t (call);
SELECT quorum.member_update(:n2, 'port=2');
SELECT quorum.member_remove(:n3);
SELECT name, conninfo, is_learner, state FROM quorum.members ORDER BY name;
SELECT pg_temp.attempt('quorum.member_remove(' || :n3 || ')') AS removed_twice;
SELECT quorum.member_remove(lpad(:'n2_hex', 16, '0'));

-- nothing of the removed is left but in the log, without secrets
SELECT string_agg(name, ',') AS members FROM quorum.members;
SELECT type, request #> '{member_change,steps,0,kind}' AS kind, request #>> '{member_change,record,0,name}' AS name,
	request #>> '{member_change,record,0,conninfo}' AS conninfo
FROM quorum.raft_log WHERE type = 'configuration' ORDER BY index;

-- no more members than a cluster can have
SELECT count(*) FROM (SELECT quorum.member_add('m' || i, 'port=' || 100 + i) FROM generate_series(1, 15) i) AS t;
SELECT pg_temp.attempt($$quorum.member_add('m16', 'port=116')$$);
SELECT quorum.member_remove('m' || i) FROM generate_series(1, 15) i;
SELECT count(*) FROM quorum.members;

-- read-only transactions, other databases, and privileges
BEGIN READ ONLY;
SELECT pg_temp.attempt($$quorum.member_add('n2', 'port=1')$$);
SELECT pg_temp.attempt($$quorum.leave()$$);
SELECT pg_temp.attempt($$quorum.move_leader('n1')$$);
ROLLBACK;
CREATE ROLE members_writer IN ROLE quorum_writer;
CREATE ROLE members_admin IN ROLE quorum_admin;
SELECT p.oid::regprocedure AS function, has_function_privilege('members_writer', p.oid, 'execute') AS writer,
	has_function_privilege('members_admin', p.oid, 'execute') AS admin
FROM pg_proc p WHERE pronamespace = 'quorum'::regnamespace AND proname ~ '^(member_|move_leader|leave)' ORDER BY 1;
SET ROLE members_writer;
SELECT quorum.member_add('n2', 'port=1');
SELECT quorum.leave();
RESET ROLE;
SET ROLE members_admin;
SELECT quorum.member_update('n1', 'port=1');
RESET ROLE;

-- while authentication is on, the right to do it is root's
SELECT quorum.user_add('root', 'r'), quorum.user_grant_role('root', 'root'), quorum.auth_enable();
SET ROLE members_admin;
SELECT call, pg_temp.attempt(call) AS outcome FROM (VALUES
	($$quorum.member_add('n2', 'port=2')$$),
	($$quorum.member_remove('n2')$$),
	($$quorum.move_leader('n1')$$),
	($$quorum.leave()$$)) AS t (call);
RESET ROLE;
SELECT quorum.user_map('members_admin', 'root');
SET ROLE members_admin;
SELECT quorum.member_update('n1', 'port=3');
SELECT quorum.move_leader('n1');
RESET ROLE;
DROP ROLE members_writer, members_admin;

-- the setting of an instance that was added has no effect on one that is a member
SHOW pg_quorum.initial_cluster_state;
SET pg_quorum.initial_cluster_state = existing;

-- the next test has a member of its own
DROP EXTENSION pg_quorum;
CREATE EXTENSION pg_quorum;
