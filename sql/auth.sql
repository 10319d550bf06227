--
-- Users, roles and permissions of the store
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS pg_quorum;
CREATE EXTENSION pg_quorum;
RESET client_min_messages;
CREATE ROLE regress_auth_alice;
CREATE ROLE regress_auth_bob;
CREATE ROLE regress_auth_nobody;
CREATE ROLE regress_auth_boss;

GRANT quorum_writer TO regress_auth_alice, regress_auth_bob, regress_auth_nobody;
GRANT quorum_admin TO regress_auth_boss;
-- SQLSTATE and message of what a statement raises, or its result
CREATE FUNCTION tried(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE statement INTO result;
	RETURN coalesce(result, 'null');
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate || ' ' || sqlerrm;
END
$$;

-- wrong arguments, each with its SQLSTATE
SELECT tried($$SELECT quorum.user_add(NULL)$$);
SELECT tried($$SELECT quorum.user_add('')$$);
SELECT tried($$SELECT quorum.user_add('u', '')$$);
SELECT tried($$SELECT quorum.user_add('u', 'md5' || repeat('0', 32))$$);
SELECT tried($$SELECT quorum.user_add('u', repeat('x', 2000))$$);
SELECT tried($$SELECT quorum.user_add(repeat('u', 3000))$$);
SELECT tried($$SELECT quorum.user_delete(NULL)$$);
SELECT tried($$SELECT quorum.user_delete('u')$$);
SELECT tried($$SELECT quorum.user_change_password(NULL, 'p')$$);
SELECT tried($$SELECT quorum.user_change_password('u', 'p')$$);
SELECT tried($$SELECT quorum.user_change_password('u', '')$$);
SELECT tried($$SELECT quorum.user_check_password(NULL, 'p')$$);
SELECT tried($$SELECT quorum.user_check_password('u', NULL)$$);
SELECT tried($$SELECT quorum.user_check_password('u', 'p')$$);
SELECT tried($$SELECT quorum.user_grant_role(NULL, 'r')$$);
SELECT tried($$SELECT quorum.user_grant_role('u', NULL)$$);
SELECT tried($$SELECT quorum.user_grant_role('u', 'r')$$);
SELECT tried($$SELECT quorum.user_revoke_role(NULL, 'r')$$);
SELECT tried($$SELECT quorum.user_revoke_role('u', 'r')$$);
SELECT tried($$SELECT quorum.user_map(NULL, 'u')$$);
SELECT tried($$SELECT quorum.user_map('', 'u')$$);
SELECT tried($$SELECT quorum.user_map('regress_auth_bob', '')$$);
SELECT tried($$SELECT quorum.user_map('regress_auth_bob', 'u')$$);
SELECT tried($$SELECT quorum.role_add(NULL)$$);
SELECT tried($$SELECT quorum.role_add('')$$);
SELECT tried($$SELECT quorum.role_delete(NULL)$$);
SELECT tried($$SELECT quorum.role_delete('r')$$);
SELECT tried($$SELECT quorum.role_grant_permission(NULL, 'read', 'a')$$);
SELECT tried($$SELECT quorum.role_grant_permission('r', 'rewrite', 'a')$$);
SELECT tried($$SELECT quorum.role_grant_permission('r', NULL, 'a')$$);
SELECT tried($$SELECT quorum.role_grant_permission('r', 'read', NULL::text)$$);
SELECT tried($$SELECT quorum.role_grant_permission('r', 'read', '')$$);
SELECT tried($$SELECT quorum.role_grant_permission('r', 'read', 'b', 'a')$$);
SELECT tried($$SELECT quorum.role_grant_permission('r', 'read', 'a', 'b', true)$$);
SELECT tried($$SELECT quorum.role_grant_permission('r', 'read', 'a')$$);
SELECT tried($$SELECT quorum.role_revoke_permission(NULL, 'a')$$);
SELECT tried($$SELECT quorum.role_revoke_permission('r', NULL::text)$$);
SELECT tried($$SELECT quorum.role_revoke_permission('r', 'a')$$);

-- nothing has changed so far; auth needs the user root with the role root
SELECT * FROM quorum.auth_status();
SELECT tried($$SELECT quorum.auth_enable()$$);
SELECT quorum.user_add('root', 'rootpw');
SELECT tried($$SELECT quorum.auth_enable()$$);
SELECT tried($$SELECT quorum.user_add('root')$$);
SELECT quorum.user_grant_role('root', 'root');

-- users and roles; each change moves the auth revision, a repeated grant does not
SELECT quorum.user_add('regress_auth_alice', 'wonderland');
SELECT quorum.role_add('app');
SELECT tried($$SELECT quorum.role_add('app')$$);
SELECT auth_revision FROM quorum.auth_status();
SELECT quorum.role_grant_permission('app', 'readwrite', 'app/', prefix => true);
SELECT quorum.role_grant_permission('app', 'readwrite', 'app/', prefix => true);
SELECT quorum.role_grant_permission('app', 'read', 'conf');
SELECT quorum.role_grant_permission('app', 'write', 'drop/', prefix => true);
SELECT quorum.role_grant_permission('app', 'read', '\xff00'::bytea, '\x00'::bytea);
SELECT auth_revision FROM quorum.auth_status();
SELECT quorum.user_grant_role('regress_auth_alice', 'app');
SELECT quorum.user_grant_role('regress_auth_alice', 'app');
SELECT tried($$SELECT quorum.user_grant_role('regress_auth_alice', 'none')$$);
SELECT tried($$SELECT quorum.user_revoke_role('regress_auth_alice', 'none')$$);
SELECT tried($$SELECT quorum.role_revoke_permission('app', 'app/')$$);
SELECT quorum.role_grant_permission('app', 'readwrite', 'conf');
SELECT quorum.role_grant_permission('app', 'read', 'conf');
SELECT auth_revision FROM quorum.auth_status();
SELECT quorum.role_add('empty');
SELECT * FROM quorum.users;
SELECT name, permission, key, range_end, users, key_bytes, range_end_bytes FROM quorum.roles;

-- a ready verifier is taken as it is, and no view and no log shows any
SELECT quorum.user_add('ready', 'SCRAM-SHA-256$4096:MDEyMzQ1Njc4OWFiY2RlZg==$ZSLFMkDCbiGpGMcd9HyGTyRyvqIWWhBJ4E5wX5rTJ2s=:fZdgTgFQXWkCKyfGC9rjQ0kSXZOtfKdDqdcpvlZrFfQ=');
SELECT name, has_password FROM quorum.users WHERE name = 'ready';
SELECT request->'auth_user_add' FROM quorum.raft_log
WHERE request->'auth_user_add'->>'name' IN ('ready', 'regress_auth_alice') ORDER BY index;
SELECT count(*) FROM quorum.raft_log WHERE request::text LIKE '%SCRAM%' OR request::text LIKE '%wonderland%';
SELECT quorum.user_delete('ready');

-- keys to look at
SELECT quorum.put('conf', 'c') > 0, quorum.put('secret', 's1') > 0, quorum.put('secret', 's2') > 0,
	quorum.put('app/a', '1') > 0;

-- as long as authentication is off everybody may do everything
SET ROLE regress_auth_nobody;
SELECT quorum.get('secret');
RESET ROLE;

-- permission_sql: PostgreSQL's privileges come first
SET ROLE regress_auth_alice;
SELECT tried($$SELECT quorum.auth_enable()$$);
SELECT tried($$SELECT quorum.user_add('x')$$);
SELECT tried($$SELECT quorum.role_grant_permission('app', 'read', 'secret')$$);
SELECT tried($$SELECT quorum.user_map('regress_auth_bob', 'root')$$);
SELECT tried($$SELECT quorum.user_check_password('root', 'x')$$);
RESET ROLE;

SELECT quorum.auth_enable();
SELECT enabled FROM quorum.auth_status();
SELECT quorum.auth_enable();

-- passwords
SELECT quorum.user_check_password('regress_auth_alice', 'wonderland'),
	quorum.user_check_password('regress_auth_alice', 'Wonderland'),
	quorum.user_check_password('none', 'wonderland');
SELECT quorum.user_change_password('regress_auth_alice', 'looking-glass');
SELECT quorum.user_check_password('regress_auth_alice', 'wonderland'),
	quorum.user_check_password('regress_auth_alice', 'looking-glass');
SELECT quorum.user_change_password('regress_auth_alice', NULL);
SELECT quorum.user_check_password('regress_auth_alice', 'looking-glass');
SELECT has_password FROM quorum.users WHERE name = 'regress_auth_alice';

-- superusers are root; who is no user of the store may do nothing
SELECT quorum.get('secret');
SET ROLE regress_auth_nobody;
SELECT tried($$SELECT quorum.get('conf', serializable => true)$$);
SELECT tried($$SELECT quorum.put('app/a', 'x')$$);
SELECT tried($$SELECT count(*) FROM quorum.keys$$);
SELECT tried($$SELECT count(*) FROM quorum.mvcc$$);
SELECT tried($$SELECT count(*) FROM quorum.users$$);
SELECT tried($$SELECT channel FROM quorum.watch('conf')$$);
SELECT tried($$SELECT key FROM quorum.wait('conf', timeout => '0s')$$);
RESET ROLE;

-- permission_read and permission_write
SET ROLE regress_auth_alice;
SELECT quorum.get('conf');
SELECT tried($$SELECT quorum.get('secret')$$);
SELECT tried($$SELECT quorum.get_kv('secret', revision => 0)$$);
SELECT tried($$SELECT quorum.get('secret', serializable => true)$$);
SELECT tried($$SELECT quorum.count('', prefix => true)$$);
SELECT quorum.count('app/', prefix => true);
SELECT key, value FROM quorum.range('app/', prefix => true);
SELECT tried($$SELECT key FROM quorum.range('app/', 'b')$$);
SELECT tried($$SELECT key FROM quorum.range('a', 'app/z')$$);
SELECT tried($$SELECT quorum.put('conf', 'x')$$);
SELECT tried($$SELECT quorum.put('app/b', '2') > 0$$);
SELECT tried($$SELECT quorum.put('drop/b', '2') > 0$$);
SELECT tried($$SELECT quorum.get('drop/b')$$);
SELECT tried($$SELECT quorum.delete('app/', prefix => true)$$);
SELECT tried($$SELECT quorum.delete('app', 'app0')$$);
SELECT tried($$SELECT quorum.put('app/a', '1') > 0$$);
SELECT tried($$SELECT quorum.count('\xff00'::bytea, '\x00'::bytea)$$);

-- permission_prev_kv
SELECT tried($$SELECT (quorum.swap('drop/b', '3')).value$$);
SELECT tried($$SELECT value FROM quorum.delete_returning('drop/', prefix => true)$$);
SELECT tried($$SELECT value FROM quorum.delete_returning('app/b')$$);
SELECT tried($$SELECT succeeded FROM quorum.txn(NULL, ARRAY[quorum.op_put('drop/b', '3', prev_kv => true)])$$);
SELECT tried($$SELECT quorum.delete('drop/', prefix => true)$$);

-- permission_compare
SELECT tried($$SELECT quorum.cas('drop/b', 0, 'x')$$);
SELECT tried($$SELECT quorum.put_if_absent('drop/b', 'x')$$);
SELECT tried($$SELECT succeeded FROM quorum.txn(ARRAY[quorum.if_value('secret', '=', 's2')], ARRAY[quorum.op_put('app/a', 'yes')])$$);
SELECT tried($$SELECT succeeded FROM quorum.txn(ARRAY[quorum.if_value('secret', '=', 's2')], ARRAY[quorum.op_range('app/a')])$$);
SELECT tried($$SELECT succeeded FROM quorum.txn(ARRAY[quorum.if_version('app/', '>', 0, range_end => 'z')], ARRAY[quorum.op_put('app/a', 'yes')])$$);
SELECT tried($$SELECT succeeded FROM quorum.txn(ARRAY[quorum.if_version('conf', '>', 0)], ARRAY[quorum.op_put('app/a', 'yes')])$$);

-- permission_txn: both branches
SELECT tried($$SELECT succeeded FROM quorum.txn(NULL, ARRAY[quorum.op_put('app/a', 'x')], ARRAY[quorum.op_range('secret')])$$);
SELECT tried($$SELECT succeeded FROM quorum.txn(NULL, ARRAY[quorum.op_range('secret')])$$);
SELECT tried($$SELECT succeeded FROM quorum.txn(NULL, ARRAY[quorum.op_range('conf')], ARRAY[quorum.op_range('secret')])$$);
SELECT tried($$SELECT succeeded FROM quorum.txn(NULL, ARRAY[quorum.op_put('app/a', 'x'), quorum.op_delete('secret')])$$);
SELECT tried($$SELECT quorum.txn('{"success": [{"request_range": {"key": "c2VjcmV0"}}]}'::jsonb)$$);

-- permission_nested_txn: a nested transaction opens no way around
SELECT tried($$SELECT succeeded FROM quorum.txn(NULL, ARRAY[quorum.op_txn(NULL, ARRAY[quorum.op_range('secret')], NULL)])$$);
SELECT tried($$SELECT succeeded FROM quorum.txn(NULL, ARRAY[quorum.op_txn(NULL, NULL, ARRAY[quorum.op_put('secret', 'x')])])$$);
SELECT tried($$SELECT succeeded FROM quorum.txn(NULL, ARRAY[quorum.op_txn(NULL, ARRAY[quorum.op_txn(NULL, ARRAY[quorum.op_delete('secret')], NULL)], NULL)])$$);
SELECT tried($$SELECT succeeded FROM quorum.txn(NULL, ARRAY[quorum.op_txn(ARRAY[quorum.if_exists('secret')], ARRAY[quorum.op_put('app/a', 'x')], NULL)])$$);
SELECT tried($$SELECT succeeded FROM quorum.txn(NULL, ARRAY[quorum.op_txn(NULL, ARRAY[quorum.op_put('drop/c', 'x', prev_kv => true)], NULL)])$$);
SELECT tried($$SELECT succeeded FROM quorum.txn(NULL, ARRAY[quorum.op_txn(NULL, ARRAY[quorum.op_put('app/a', 'nested')], NULL)])$$);
SELECT quorum.get('app/a');

-- permission_counters
SELECT tried($$SELECT quorum.increment('drop/n')$$);
SELECT tried($$SELECT quorum.increment('app/n')$$);
SELECT tried($$SELECT quorum.put_sequential('drop/q', 'x')$$);
SELECT tried($$SELECT quorum.put_sequential('app/q', 'x') LIKE 'app/q%'$$);

-- permission_history, permission_changes and permission_wait
SELECT tried($$SELECT key FROM quorum.history('secret')$$);
SELECT tried($$SELECT key FROM quorum.history('', prefix => true)$$);
SELECT key, value FROM quorum.history('conf');
SELECT tried($$SELECT key FROM quorum.changes(1, 'secret')$$);
SELECT tried($$SELECT key FROM quorum.changes(1, 'conf')$$);
SELECT tried($$SELECT key FROM quorum.wait('secret', since => 1)$$);
SELECT tried($$SELECT key FROM quorum.wait('secret', timeout => '0s')$$);

-- permission_watch: at its beginning here, and later in the TAP test
SELECT tried($$SELECT channel FROM quorum.watch('secret')$$);
SELECT tried($$SELECT channel FROM quorum.watch('', prefix => true)$$);
SELECT tried($$SELECT quorum.unwatch(channel) FROM quorum.watch('app/', prefix => true)$$);
CALL quorum.watch_stream('secret');
SELECT tried($$SELECT quorum.create_watch('regress_auth', 'app/')$$);
RESET ROLE;
SELECT tried($$SELECT quorum.create_watch('regress_auth', 'app/')$$);
SELECT tried($$SELECT quorum.create_watch('regress_auth', 'app/', payload => 'revision') > 0$$);
SELECT quorum.drop_watch('regress_auth');
SET ROLE regress_auth_alice;

-- permission_views and permission_mvcc: only what may be read
SELECT regexp_replace(key, '\d{10}$', 'N') AS key, value FROM quorum.keys ORDER BY key;
SELECT DISTINCT regexp_replace(convert_from(key, 'UTF8'), '\d{10}$', 'N') AS key FROM quorum.mvcc ORDER BY key;
SELECT * FROM quorum.users;
SELECT name, permission, key, users FROM quorum.roles;
SELECT tried($$SELECT count(*) FROM quorum.raft_log$$);

-- permission_admin
SELECT tried($$SELECT quorum.compact(2)$$);
RESET ROLE;
SET ROLE regress_auth_boss;
SELECT tried($$SELECT count(*) FROM quorum.raft_log$$);
RESET ROLE;
SELECT quorum.user_add('regress_auth_boss');
SET ROLE regress_auth_boss;
SELECT tried($$SELECT count(*) FROM quorum.raft_log$$);
SELECT tried($$SELECT quorum.compact(2)$$);
SELECT tried($$SELECT hash FROM quorum.hash_kv()$$);
SELECT tried($$SELECT quorum.user_add('x')$$);
SELECT tried($$SELECT quorum.user_grant_role('regress_auth_boss', 'root')$$);
SELECT tried($$SELECT quorum.user_delete('root')$$);
SELECT tried($$SELECT quorum.user_map('regress_auth_boss', 'root')$$);
SELECT tried($$SELECT quorum.user_check_password('root', 'rootpw')$$);
SELECT tried($$SELECT quorum.auth_disable()$$);
RESET ROLE;
SELECT quorum.user_grant_role('regress_auth_boss', 'root');
SET ROLE regress_auth_boss;
SELECT tried($$SELECT count(*) > 0 FROM quorum.raft_log$$);
SELECT tried($$SELECT hash > 0 FROM quorum.hash_kv()$$);
SELECT tried($$SELECT quorum.get('secret')$$);
RESET ROLE;

-- permission_lease: who touches a lease decides over its keys
SELECT quorum.lease_grant(600, 7001);
SELECT quorum.put('secret/leased', 'x', lease => 7001) > 0;
SET ROLE regress_auth_alice;
SELECT tried($$SELECT quorum.lease_revoke(7001)$$);
SELECT tried($$SELECT quorum.put('app/leased', 'x', lease => 7001)$$);
SELECT tried($$SELECT succeeded FROM quorum.txn(NULL, ARRAY[quorum.op_put('app/leased', 'x', lease => 7001)])$$);
SELECT tried($$SELECT keys FROM quorum.lease_ttl(7001)$$);
SELECT quorum.lease_grant(600, 7002);
SELECT tried($$SELECT quorum.put('app/leased', 'x', lease => 7002) > 0$$);
SELECT tried($$SELECT keys FROM quorum.lease_ttl(7002)$$);
SELECT tried($$SELECT quorum.lease_revoke(7002)$$);
SELECT quorum.get('app/leased') IS NULL AS revoked;
RESET ROLE;
SELECT quorum.lease_revoke(7001);

-- the user map
SET ROLE regress_auth_bob;
SELECT tried($$SELECT quorum.get('conf')$$);
RESET ROLE;
SELECT quorum.user_map('regress_auth_bob', 'regress_auth_alice');
SELECT name, mapped_roles FROM quorum.users WHERE mapped_roles <> '{}';
SET ROLE regress_auth_bob;
SELECT tried($$SELECT quorum.get('conf')$$);
SELECT tried($$SELECT quorum.get('secret')$$);
RESET ROLE;
SELECT quorum.user_map('regress_auth_bob', NULL);
SET ROLE regress_auth_bob;
SELECT tried($$SELECT quorum.get('conf')$$);
RESET ROLE;
-- it ends with the user, and does not come back with the name
SELECT quorum.user_add('temp');
SELECT quorum.user_grant_role('temp', 'app');
SELECT quorum.user_map('regress_auth_bob', 'temp');
SET ROLE regress_auth_bob;
SELECT tried($$SELECT quorum.get('conf')$$);
RESET ROLE;
SELECT quorum.user_delete('temp');
SELECT quorum.user_add('temp');
SELECT quorum.user_grant_role('temp', 'app');
SET ROLE regress_auth_bob;
SELECT tried($$SELECT quorum.get('conf')$$);
RESET ROLE;
SELECT quorum.user_delete('temp');

-- a member of the extension owner's role is root
SET ROLE regress_auth_nobody;
SELECT tried($$SELECT quorum.get('secret')$$);
RESET ROLE;
SELECT format('GRANT %I TO regress_auth_nobody', relowner::regrole::text) AS statement
FROM pg_class WHERE oid = 'quorum.mvcc'::regclass \gset
:statement;
SET ROLE regress_auth_nobody;
SELECT tried($$SELECT quorum.get('secret')$$);
RESET ROLE;
SELECT format('REVOKE %I FROM regress_auth_nobody', relowner::regrole::text) AS statement
FROM pg_class WHERE oid = 'quorum.mvcc'::regclass \gset
:statement;

-- rights are gone at once: a permission, a role of a user, a role altogether
SELECT quorum.role_revoke_permission('app', 'conf');
SET ROLE regress_auth_alice;
SELECT tried($$SELECT quorum.get('conf')$$);
SELECT tried($$SELECT quorum.get('app/a')$$);
RESET ROLE;
SELECT quorum.user_revoke_role('regress_auth_alice', 'app');
SET ROLE regress_auth_alice;
SELECT tried($$SELECT quorum.get('app/a')$$);
RESET ROLE;
SELECT quorum.user_grant_role('regress_auth_alice', 'app');
SELECT quorum.role_delete('app');
SELECT roles FROM quorum.users WHERE name = 'regress_auth_alice';
SET ROLE regress_auth_alice;
SELECT tried($$SELECT quorum.get('app/a')$$);
RESET ROLE;

-- adjacent permissions of several roles count as one
SELECT quorum.role_add('left'), quorum.role_add('right');
SELECT quorum.role_grant_permission('left', 'read', 'a', 'b'), quorum.role_grant_permission('right', 'read', 'b', 'c');
SELECT quorum.user_grant_role('regress_auth_alice', 'left'), quorum.user_grant_role('regress_auth_alice', 'right');
SET ROLE regress_auth_alice;
SELECT quorum.count('a', 'c') > 0 AS "both";
SELECT tried($$SELECT quorum.count('a', 'c0')$$);
RESET ROLE;

-- root keeps its rights while authentication is on
SELECT tried($$SELECT quorum.user_delete('root')$$);
SELECT tried($$SELECT quorum.user_revoke_role('root', 'root')$$);
SELECT tried($$SELECT quorum.role_delete('root')$$);

-- privileges: nothing for PUBLIC, what administers for quorum_admin alone
SELECT p.proname, array_agg(DISTINCT coalesce(a.grantee::regrole::text, '') ORDER BY coalesce(a.grantee::regrole::text, ''))
	FILTER (WHERE a.grantee <> p.proowner) AS may_execute, bool_or(a.grantee = 0) AS public, bool_or(p.prosecdef) AS definer
FROM pg_proc p, aclexplode(p.proacl) a
WHERE p.pronamespace = 'quorum'::regnamespace
	AND (p.proname ~ '^(user|role|auth)_' OR p.proname IN ('get_users', 'get_roles'))
GROUP BY p.proname ORDER BY p.proname;

-- off again
SELECT quorum.auth_disable();
SELECT quorum.auth_disable();
SET ROLE regress_auth_nobody;
SELECT quorum.get('secret');
RESET ROLE;
SELECT quorum.user_delete(name) FROM quorum.users;
SELECT quorum.role_delete(name) FROM (SELECT DISTINCT name FROM quorum.roles) r;
SELECT count(*) FROM quorum.users;
SELECT quorum.delete('', prefix => true) > 0;
DROP FUNCTION tried(text);
DROP ROLE regress_auth_alice, regress_auth_bob, regress_auth_nobody, regress_auth_boss;
