-- Export and import
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS pg_quorum;
CREATE EXTENSION pg_quorum;
RESET client_min_messages;

CREATE TABLE copy (n int, chunk bytea);
CREATE TABLE before (LIKE quorum.kv_bytes);

-- a store with some of everything
SELECT quorum.put('a', 'one'), quorum.put('b', '2'), quorum.put('a', 'three');
SELECT quorum.put('empty', ''), quorum.put('gone', 'x'), quorum.delete('gone');
SELECT quorum.put('bytes'::bytea, '\x00ff0a'::bytea);
SELECT count(*) FROM generate_series(1, 400) i, quorum.put('many/' || i, repeat('v', 10 * i));
SELECT quorum.lease_grant(1000, 77) AS lease;
SELECT quorum.put('leased', 'l', lease => 77) > 0 AS put;
SELECT quorum.revision() AS copied \gset

INSERT INTO copy SELECT row_number() OVER (), c FROM (SELECT quorum.export() AS c) AS e;
INSERT INTO before SELECT * FROM quorum.range(''::bytea, prefix => true);
SELECT count(*) AS chunks, min(length(chunk)) > 0 AS filled, max(length(chunk)) < 300000 AS bounded FROM copy;
-- a part of it, and more than once in a transaction
SELECT length(quorum.export()) > 0 AS first LIMIT 1;
BEGIN;
SELECT count(*) > 4 AS whole FROM (SELECT quorum.export()) AS e;
SELECT count(*) > 4 AS whole FROM quorum.export();
COMMIT;

-- not over keys that are there, not below the store's revisions
SELECT quorum.import('SELECT chunk FROM copy ORDER BY n');
SELECT quorum.import('SELECT chunk FROM copy ORDER BY n', replace => true);
SELECT quorum.import('SELECT chunk FROM copy ORDER BY n', revision => '500', replace => true);
SELECT quorum.revision();

-- in the place of what is there
SELECT quorum.put('later', 'x') AS revision \gset
SELECT quorum.delete('a') AS deleted;
SELECT quorum.import('SELECT chunk FROM copy ORDER BY n', revision => '10000', replace => true);
SELECT quorum.revision(), quorum.compacted_revision(), quorum.get('later') IS NULL AS replaced;
SELECT count(*) AS differ
FROM quorum.range(''::bytea, prefix => true) AS r FULL JOIN before AS b USING (key)
WHERE r.value IS DISTINCT FROM b.value OR r.version IS DISTINCT FROM b.version OR r.lease IS DISTINCT FROM b.lease
	OR r.mod_revision - b.mod_revision IS DISTINCT FROM 10000 - :copied OR r.create_revision - b.create_revision IS DISTINCT FROM 10000 - :copied;
SELECT key FROM quorum.history('', prefix => true, since => 1);
SELECT quorum.get('a', revision => :revision);
SELECT keys, granted FROM quorum.lease_ttl(77);
SELECT quorum.put('after', 'x') > 10000 AS above;
SELECT * FROM quorum.check();

-- into an empty store: the same revisions
SET client_min_messages = warning;
DROP EXTENSION pg_quorum;
CREATE EXTENSION pg_quorum;
RESET client_min_messages;
SELECT quorum.revision();
SELECT quorum.import('SELECT chunk FROM copy ORDER BY n') - (SELECT max(mod_revision) FROM before) AS beyond;
SELECT count(*) AS differ
FROM quorum.range(''::bytea, prefix => true) AS r FULL JOIN before AS b USING (key)
WHERE r IS DISTINCT FROM b;
SELECT keys, granted FROM quorum.lease_ttl(77);
SELECT quorum.lease_revoke(77), quorum.get('leased') IS NULL AS revoked;
SELECT * FROM quorum.check();
-- and once more, far above
SELECT quorum.import('SELECT chunk FROM copy ORDER BY n', 'bump', true) > 1000000000 AS bumped;
SELECT count(*) FROM quorum.keys;
SELECT quorum.compact(quorum.revision());
SELECT quorum.put('z', '1') - quorum.compacted_revision() AS one;

-- users, roles and the user map come along, and whether they count
SELECT quorum.user_add('root'), quorum.user_grant_role('root', 'root');
SELECT quorum.user_add('alice'), quorum.role_add('r'), quorum.user_grant_role('alice', 'r');
SELECT quorum.role_grant_permission('r', 'readwrite', 'a', prefix => true);
SELECT quorum.user_map('quorum_writer', 'alice');
SELECT quorum.auth_enable();
CREATE TABLE guarded (n int, chunk bytea);
INSERT INTO guarded SELECT row_number() OVER (), c FROM (SELECT quorum.export() AS c) AS e;
SELECT quorum.import('SELECT chunk FROM copy ORDER BY n', 'bump', true) > 0 AS without;
SELECT * FROM quorum.users;
SELECT enabled FROM quorum.auth_status();
SELECT quorum.import('SELECT chunk FROM guarded ORDER BY n') > 0 AS kept;
SELECT quorum.import('SELECT chunk FROM guarded ORDER BY n', 'bump', true) > 0 AS guarded;
SELECT name, roles, mapped_roles FROM quorum.users ORDER BY name;
SELECT name, permission, key, range_end FROM quorum.roles ORDER BY name;
SELECT enabled FROM quorum.auth_status();
SET ROLE quorum_writer;
SELECT quorum.put('a', 'by alice') > 0 AS allowed;
SELECT quorum.put('b', 'by alice') > 0 AS allowed;
SET ROLE quorum_admin;
SELECT quorum.export();
SELECT quorum.import('SELECT decode('''', ''hex'')');
SELECT quorum.discard_import();
RESET ROLE;
SELECT quorum.auth_disable();
SELECT * FROM quorum.check();
DROP TABLE guarded;

-- copies that are none
\set VERBOSITY sqlstate
SELECT quorum.import('SELECT chunk FROM copy ORDER BY n DESC', 'bump', true);
\set VERBOSITY default
SELECT quorum.import('SELECT chunk FROM copy WHERE n <> 3 ORDER BY n', 'bump', true);
SELECT quorum.import('SELECT chunk FROM copy ORDER BY n DESC', 'bump', true);
SELECT quorum.import('SELECT chunk FROM copy WHERE n < (SELECT max(n) FROM copy) ORDER BY n', 'bump', true);
SELECT quorum.import('SELECT chunk FROM copy WHERE false', 'bump', true);
SELECT quorum.import('(SELECT chunk FROM copy ORDER BY n) UNION ALL (SELECT chunk FROM copy ORDER BY n DESC LIMIT 1)', 'bump', true);
SELECT quorum.import('(SELECT chunk FROM copy ORDER BY n LIMIT 2) UNION ALL (SELECT c FROM (SELECT quorum.export() AS c) AS e OFFSET 2)', 'bump', true);
SELECT quorum.import($$SELECT CASE WHEN n = 2 THEN chunk || '\x00' ELSE chunk END FROM copy ORDER BY n$$, 'bump', true);
SELECT quorum.import($$SELECT 'no copy'::bytea$$, 'bump', true);
SELECT quorum.import('SELECT NULL::bytea', 'bump', true);
-- one bit of a value
SELECT quorum.import($$
	SELECT CASE WHEN n = 3 THEN set_byte(chunk, position('vvvv' IN chunk) + 1, ascii('w')) ELSE chunk END
	FROM copy ORDER BY n$$, 'bump', true);
SELECT count(*) FROM quorum.keys;
SELECT quorum.discard_import();

-- arguments
SELECT quorum.import(NULL);
SELECT quorum.import('SELECT n FROM copy');
SELECT quorum.import('SELECT n, chunk FROM copy');
SELECT quorum.import('DELETE FROM copy');
SELECT quorum.import('no query');
SELECT quorum.import('SELECT chunk FROM copy ORDER BY n', revision => 'keeps');
SELECT quorum.import('SELECT chunk FROM copy ORDER BY n', revision => '-1');
SELECT count(*) > 4 AS unharmed FROM copy;
SET default_transaction_read_only = on;
SELECT quorum.import('SELECT chunk FROM copy ORDER BY n', 'bump', true);
SELECT quorum.discard_import();
RESET default_transaction_read_only;

-- privileges
SET ROLE quorum_writer;
SELECT quorum.export();
SELECT quorum.import('SELECT 1');
SELECT quorum.discard_import();
RESET ROLE;
DROP TABLE copy, before;
