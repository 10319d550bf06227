-- Watches: arguments, registration, changes and waits.  What listeners hear is
-- tested in t/070_watch.pl.
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
-- A watch is served when the notifier has seen it.
CREATE PROCEDURE pg_temp.settle() LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. 500 LOOP
		PERFORM FROM quorum.watches
		WHERE state IN ('pending', 'catching up') OR told_revision < quorum.revision() AND state = 'active';
		EXIT WHEN NOT FOUND;
		PERFORM pg_sleep(0.01);
	END LOOP;
END
$$;
RESET client_min_messages;
\pset null '-'

SELECT quorum.put('a', '1'), quorum.put('a/1', 'one'), quorum.put('a/2', 'two'), quorum.put('b', '1');
SELECT quorum.put('bin'::bytea, '\xff'::bytea);

-- Refusals
\pset expanded on
SELECT c.command, e.* FROM (VALUES
	($$SELECT quorum.watch(NULL)$$),
	($$SELECT quorum.watch(NULL::bytea)$$),
	($$SELECT quorum.watch('')$$),
	($$SELECT quorum.watch('a', range_end => 'b', prefix => true)$$),
	($$SELECT quorum.watch('b', range_end => 'a')$$),
	($$SELECT quorum.watch('b', range_end => 'b')$$),
	($$SELECT quorum.watch('b', range_end => '')$$),
	($$SELECT quorum.watch(repeat('x', 3000))$$),
	($$SELECT quorum.watch('b', range_end => repeat('x', 3000))$$),
	($$SELECT quorum.watch('a', start_revision => -1)$$),
	($$SELECT quorum.watch('a', events => 'INSERT')$$),
	($$SELECT quorum.unwatch(NULL)$$),
	($$SELECT quorum.create_watch(NULL, 'a')$$),
	($$SELECT quorum.create_watch('', 'a')$$),
	($$SELECT quorum.create_watch('w', NULL)$$),
	($$SELECT quorum.create_watch('w', 'a', events => 'x')$$),
	($$SELECT quorum.create_watch('w', 'a', payload => 'x')$$),
	($$SELECT quorum.drop_watch(NULL)$$),
	($$SELECT quorum.drop_watch('missing')$$),
	($$SELECT quorum.changes(NULL, 'a')$$),
	($$SELECT quorum.changes(-1, 'a')$$),
	($$SELECT quorum.changes(7, 'a')$$),
	($$SELECT quorum.changes(1, NULL)$$),
	($$SELECT quorum.changes(1, 'a', max_rows => -1)$$),
	($$SELECT quorum.changes(1, '', prefix => true)$$),
	($$SELECT quorum.wait('a', since => -1)$$),
	($$SELECT quorum.wait('a', timeout => '31s')$$),
	($$SELECT quorum.wait('a', timeout => '-1s')$$),
	($$SELECT quorum.wait(NULL, timeout => '1s')$$),
	($$CALL quorum.watch_stream('a')$$)
) AS c (command), pg_temp.error_of(c.command) AS e;
\pset expanded off

-- Nothing is registered where the state does not allow it.
BEGIN READ ONLY;
SELECT quorum.watch('a');
ROLLBACK;
BEGIN READ ONLY;
SELECT quorum.create_watch('w', 'a');
ROLLBACK;
BEGIN READ ONLY;
SELECT quorum.drop_watch('w');
ROLLBACK;
BEGIN READ ONLY;
SELECT key FROM quorum.changes(1, 'a');
SELECT key FROM quorum.wait('a', since => 1);
ROLLBACK;
BEGIN;
CALL quorum.watch_stream('a');
ROLLBACK;
SELECT count(*) FROM quorum.watches;

-- The watches of a session
SELECT channel ~ '^quorum_[0-9a-f]{32}$' AS channel, revision
FROM quorum.watch('c', prefix => true, events => 'put', prev_value => true);
SELECT revision FROM quorum.watch('\x63ff'::bytea, start_revision => 100);
SELECT revision FROM quorum.watch('c', range_end => 'd', events => 'DELETE', start_revision => 3);
SELECT revision FROM quorum.watch('', prefix => true, start_revision => 7);
CALL pg_temp.settle();
SELECT channel IS NOT NULL AS channel, named, pid = pg_backend_pid() AS own, role = current_user AS role,
	key, range_end, events, prev_value, payload, told_revision, state, key_bytes, range_end_bytes
FROM quorum.watches;
SELECT count(DISTINCT channel), count(*) FILTER (WHERE channel IN (SELECT pg_listening_channels())) FROM quorum.watches;
SELECT quorum.unwatch('somebody else''s');
SELECT quorum.unwatch(channel) FROM quorum.watches WHERE key = 'c' AND events = 'PUT';
SELECT count(*) FROM quorum.watches;
BEGIN;
SELECT quorum.unwatch(channel) FROM quorum.watches LIMIT 1;
SELECT count(*) FROM quorum.watches;
ROLLBACK;
SELECT count(*) FROM quorum.watches;
UNLISTEN *;
SELECT count(*) FROM quorum.watches;
SELECT count(*) FROM pg_listening_channels();

BEGIN;
SELECT count(*) FROM quorum.watch('x');
SELECT state FROM quorum.watches;
ROLLBACK;
SELECT count(*) FROM quorum.watches;

-- Named watches
SELECT quorum.create_watch('Config', 'cfg/', prefix => true);
SELECT quorum.create_watch('all_bytes', ''::bytea, prefix => true, events => 'DELETE', payload => 'revision');
SELECT quorum.create_watch('Config', 'other');
BEGIN;
SELECT quorum.create_watch('rolled back', 'x');
ROLLBACK;
BEGIN;
SELECT quorum.drop_watch('Config');
ROLLBACK;
BEGIN;
SELECT quorum.drop_watch('Config');
SELECT quorum.create_watch('Config', 'cfg/', range_end => 'cfg/z', prev_value => true);
COMMIT;
BEGIN;
SAVEPOINT s;
SELECT quorum.drop_watch('Config');
ROLLBACK TO s;
SELECT quorum.create_watch('inner', 'x');
SELECT quorum.drop_watch('inner');
COMMIT;
CALL pg_temp.settle();
SELECT channel, named, pid, key, range_end, events, prev_value, payload, told_revision, state, key_bytes, range_end_bytes
FROM quorum.watches ORDER BY channel COLLATE "C";
SELECT quorum.drop_watch('Config'), quorum.drop_watch('all_bytes');
SELECT count(*) FROM quorum.watches;
SELECT count(*) FROM quorum.named_watch;

-- What a reader may
CREATE ROLE regress_quorum_watcher IN ROLE quorum_reader;
CREATE ROLE regress_quorum_nobody;
SELECT count(*) FROM quorum.watch('secret');
SET ROLE regress_quorum_watcher;
SELECT channel, key FROM quorum.watches WHERE pid <> pg_backend_pid();
SELECT revision > 0 AS watches FROM quorum.watch('a');
SELECT quorum.create_watch('w', 'a');
SELECT quorum.drop_watch('w');
SELECT * FROM quorum.named_watch;
SELECT key FROM quorum.changes(1, 'a');
SET ROLE regress_quorum_nobody;
SELECT quorum.watch('a');
SELECT * FROM quorum.watches;
RESET ROLE;
SELECT role, key FROM quorum.watches;
DISCARD ALL;
SELECT count(*) FROM quorum.watches;
DROP ROLE regress_quorum_watcher, regress_quorum_nobody;

-- Changes
SELECT quorum.put('a/1', 'eins'), quorum.delete('a/2');
SELECT revision FROM quorum.txn('{}', ARRAY[quorum.op_put('a/3', 'x'), quorum.op_put('a/4', 'x'), quorum.op_delete('b')], '{}');
SELECT * FROM quorum.changes(1, 'a', prefix => true);
SELECT * FROM quorum.changes(6, 'a/', range_end => 'a/3');
SELECT * FROM quorum.changes(5, 'bin'::bytea);
SELECT * FROM quorum.changes(5, 'bin');
SELECT type, key, mod_revision FROM quorum.changes(6, ''::bytea, prefix => true);
SELECT * FROM quorum.changes(quorum.revision(), 'a', prefix => true);
-- a revision is given in full
SELECT key, mod_revision FROM quorum.changes(7, 'a', prefix => true, max_rows => 1);
SELECT key, mod_revision FROM quorum.changes(8, 'a', prefix => true, max_rows => 1);
SELECT key, mod_revision FROM quorum.changes(1, 'a', prefix => true, max_rows => 3);

-- Waits
SELECT key, mod_revision FROM quorum.wait('a', prefix => true, since => 8);
SELECT * FROM quorum.wait('a/1'::bytea, since => 6);
SELECT key, mod_revision FROM quorum.wait('a', prefix => true, since => 1, max_rows => 2);
SELECT * FROM quorum.wait('a', timeout => '0');
SELECT * FROM quorum.wait('a', since => 9, timeout => '50ms');
SELECT * FROM quorum.wait('a', since => 1000000, timeout => '50ms');
SET statement_timeout = '100ms';
SELECT * FROM quorum.wait('a', timeout => '20s');
RESET statement_timeout;

-- Compacted
SELECT quorum.compact(9);
SELECT key FROM quorum.changes(8, 'a/', prefix => true);
SELECT key FROM quorum.changes(7, 'a/', prefix => true);
SELECT key FROM quorum.wait('a/', prefix => true, since => 2);

DROP EXTENSION pg_quorum;
