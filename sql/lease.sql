-- Leases
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
\pset null '-'

-- the three forms of lease_grant, and what is in them
SELECT quorum.lease_grant('1 hour', id => 11);
SELECT quorum.lease_grant(interval '90 s', id => 12);
SELECT quorum.lease_grant(100, id => 13);
SELECT quorum.lease_grant(100::bigint, id => 14);
SELECT quorum.lease_grant('61', id => 15);
SELECT quorum.lease_grant(ttl => '1 day', id => 9223372036854775807);
SELECT id, granted, remaining BETWEEN granted - interval '30 s' AND granted AS remaining, keys
FROM quorum.leases ORDER BY id;

-- an id of the store's choosing
SELECT quorum.lease_grant('1 hour') AS own \gset
SELECT quorum.lease_grant('1 hour', NULL) AS other \gset
SELECT :own > 0 AS positive, :own <> :other AS different;
SELECT count(*) FROM quorum.leases;

-- what is too short is raised to the minimum, part of a second counts as one
SELECT quorum.lease_grant('1 ms', id => 16);
SELECT quorum.lease_grant('60.001 s', id => 17);
SELECT id, granted FROM quorum.lease_ttl(16) UNION ALL SELECT id, granted FROM quorum.lease_ttl(17);

-- attachments: every function that takes a lease
SELECT quorum.put('l/a', '1', lease => 11) > 0 AS put;
SELECT quorum.swap('l/b', '1', lease => 11) IS NULL AS swap;
SELECT quorum.put_if_absent('l/c', '1', lease => 11);
SELECT quorum.cas('l/d', 0, '1', lease => 11);
SELECT succeeded FROM quorum.txn('{}', ARRAY[quorum.op_put('l/e', '1', lease => 11),
	quorum.op_txn('{}', ARRAY[quorum.op_put('l/f', '1', lease => 12)])]);
SELECT quorum.put_sequential('l/g', '1', lease => 11) > '' AS put_sequential;
SELECT quorum.put('\x6c2fff'::bytea, '\xff'::bytea, lease => 11) > 0 AS put;
SELECT id, granted, array_length(keys, 1), keys[1:5], keys[6] ~ '^l/g[0-9]{10}$' AS sequential, keys[7]
FROM quorum.lease_ttl(11);
SELECT keys FROM quorum.lease_ttl(12);
SELECT keys FROM quorum.lease_ttl(13);
SELECT id, keys FROM quorum.leases WHERE keys > 0 ORDER BY id;

-- keeping, moving and giving up a lease
SELECT quorum.put('l/a', '2', ignore_lease => true) > 0 AS put;
SELECT quorum.put('l/b', '2', lease => 12) > 0 AS put;
SELECT quorum.put('l/c', '2') > 0 AS put;
SELECT quorum.delete('l/d');
SELECT quorum.increment('l/e');
SELECT keys[1:2] FROM quorum.lease_ttl(11);
SELECT keys FROM quorum.lease_ttl(12);
SELECT key, lease FROM quorum.range('l/', range_end => 'l/g', keys_only => true);

-- keepalive
SELECT quorum.lease_keepalive(12);
SELECT remaining > interval '89 s' AND remaining <= granted AS renewed FROM quorum.lease_ttl(12);

-- the end: all keys in one revision, in their order
SELECT quorum.revision() AS before \gset
SELECT quorum.lease_revoke(12);
SELECT type, key, prev_value, mod_revision - :before AS revision
FROM quorum.history('l/', prefix => true, since => :before);
SELECT quorum.lease_revoke(11);
SELECT count(*), count(DISTINCT mod_revision), array_agg(key ORDER BY n) FILTER (WHERE n <= 2) AS first
FROM quorum.history('l/'::bytea, range_end => 'm'::bytea, since => :before + 1)
	WITH ORDINALITY AS h (type, key, value, create_revision, mod_revision, version, lease, prev_value, n);
SELECT key, lease FROM quorum.range('l/', prefix => true, keys_only => true);
-- one without keys makes no revision
SELECT quorum.revision() AS before \gset
SELECT quorum.lease_revoke(13);
SELECT quorum.revision() - :before AS revisions;
-- an id can be granted again, and does not get the old keys back
SELECT quorum.lease_grant('1 hour', id => 11);
SELECT keys FROM quorum.lease_ttl(11);

-- expiry
SELECT quorum.lease_grant('2 s', id => 21);
SELECT quorum.put('l/x', '1', lease => 21) > 0 AS put;
DO $$
BEGIN
	FOR i IN 1 .. 2000 LOOP
		EXIT WHEN quorum.get('l/x') IS NULL;
		PERFORM pg_sleep(0.01);
	END LOOP;
END
$$;
SELECT quorum.get('l/x');
SELECT count(*) FROM quorum.leases WHERE id = 21;

-- every refusal
\pset expanded on
SELECT c.command, e.* FROM (VALUES
	($$quorum.lease_grant(NULL::interval)$$),
	($$quorum.lease_grant(NULL::bigint)$$),
	($$quorum.lease_grant(NULL)$$),
	($$quorum.lease_grant('0 s')$$),
	($$quorum.lease_grant('-1 s')$$),
	($$quorum.lease_grant(0)$$),
	($$quorum.lease_grant(-9223372036854775808)$$),
	($$quorum.lease_grant('soon')$$),
	($$quorum.lease_grant('1 hour', id => -1)$$),
	($$quorum.lease_grant('1 hour', id => 11)$$),
	($$quorum.lease_grant(9000000001)$$),
	($$quorum.lease_grant('1000 years')$$),
	($$quorum.lease_grant(9000000000, id => 22)$$),
	($$quorum.lease_keepalive(NULL)$$),
	($$quorum.lease_keepalive(4711)$$),
	($$quorum.lease_keepalive(0)$$),
	($$quorum.lease_revoke(NULL)$$),
	($$quorum.lease_revoke(4711)$$),
	($$quorum.lease_revoke(12)$$),
	($$quorum.lease_ttl(NULL)$$),
	($$quorum.lease_ttl(4711)$$),
	($$quorum.put('l/y', '1', lease => 12)$$),
	($$quorum.swap('l/y', '1', lease => 12)$$),
	($$quorum.put_if_absent('l/y', '1', lease => 12)$$),
	($$quorum.cas('l/y', 0, '1', lease => 12)$$),
	($$quorum.put_sequential('l/y', '1', lease => 12)$$),
	($$quorum.put('l/y', '1', lease => -1)$$),
	($$quorum.txn('{}', ARRAY[quorum.op_put('l/y', '1', lease => 11), quorum.op_put('l/z', '1', lease => 12)])$$)
) AS c (command)
CROSS JOIN LATERAL pg_temp.error_of('SELECT ' || c.command) AS e;
\pset expanded off
SELECT quorum.get('l/y'), quorum.get('l/z');

-- read-only transactions
SET default_transaction_read_only = on;
SELECT quorum.lease_grant('1 hour');
SELECT quorum.lease_keepalive(11);
SELECT quorum.lease_revoke(11);
SELECT id, granted, keys FROM quorum.lease_ttl(11);
RESET default_transaction_read_only;

-- privileges
SET ROLE quorum_reader;
SELECT id, granted, keys FROM quorum.lease_ttl(11);
SELECT count(*) > 0 AS leases FROM quorum.leases;
SELECT quorum.lease_grant('1 hour');
SELECT quorum.lease_keepalive(11);
SELECT quorum.lease_revoke(11);
SET ROLE quorum_peer;
SELECT quorum.lease_ttl(11);
SELECT count(*) FROM quorum.leases;
SET ROLE quorum_writer;
SELECT quorum.lease_keepalive(11);
SELECT quorum.lease_revoke(11);
RESET ROLE;

-- users of the store: leases are shown to all of them, keys to those who may read them,
-- and whoever ends a lease must be allowed to write its keys
SELECT quorum.lease_grant('1 hour', id => 31);
SELECT quorum.put('l/free', '1', lease => 31) > 0 AS put;
SELECT quorum.lease_grant('1 hour', id => 32);
SELECT quorum.put('l/free2', '1', lease => 32) > 0 AS put, quorum.put('m/mine', '1', lease => 32) > 0 AS put;
SELECT quorum.role_add('root'), quorum.user_add('root', 'secret'), quorum.user_grant_role('root', 'root');
SELECT quorum.role_add('free'), quorum.role_grant_permission('free', 'readwrite', 'l/', prefix => true);
SELECT quorum.user_add('quorum_writer', 'secret'), quorum.user_grant_role('quorum_writer', 'free');
SELECT quorum.auth_enable();
SET ROLE quorum_writer;
SELECT count(*) > 1 AS leases FROM quorum.leases;
SELECT keys FROM quorum.lease_ttl(31);
SELECT keys FROM quorum.lease_ttl(32);
SELECT quorum.lease_revoke(32);
SELECT quorum.put('l/new', '1', lease => 32);
SELECT quorum.lease_revoke(31);
SET ROLE quorum_reader;
SELECT count(*) FROM quorum.leases;
SELECT keys FROM quorum.lease_ttl(32);
RESET ROLE;
SELECT keys FROM quorum.lease_ttl(32);
SELECT quorum.auth_disable();
