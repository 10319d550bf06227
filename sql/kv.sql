-- One key at a time: put, get, swap, put_if_absent, cas, delete
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS pg_quorum;
CREATE EXTENSION pg_quorum;
RESET client_min_messages;

-- untyped literals take the text form
SELECT quorum.put('a', '1');
SELECT quorum.get('a'), pg_typeof(quorum.get('a'));
SELECT * FROM quorum.get_kv('a');
SELECT quorum.put('a', '2');
SELECT * FROM quorum.get_kv('a');

-- the forms: text, bytea, jsonb
SELECT quorum.put('a'::text, '3'::text), quorum.put('a'::varchar, '3');
SELECT quorum.put('b'::bytea, 'bytes');
SELECT quorum.put('c', '{"x": 1, "y": [true, null]}'::jsonb);
SELECT quorum.put('d'::bytea, '{"x": 2}'::jsonb);
SELECT quorum.get('b'::bytea), pg_typeof(quorum.get('b'::bytea));
SELECT quorum.get('c'), quorum.get('c')::jsonb -> 'y' -> 0 AS element, quorum.get('d');
SELECT quorum.put('\x00ff'::bytea, '\xfe00'::bytea);
SELECT * FROM quorum.get_kv('\x00ff'::bytea);

-- a missing key is null, the empty value a value
SELECT quorum.get('missing') IS NULL AS no_value, quorum.get_kv('missing') IS NULL AS no_kv;
SELECT quorum.put('empty', '');
SELECT quorum.get('empty') = '' AS empty;

-- keys are bytes: no collation, no normalization, no padding
SELECT quorum.put('K', 'upper'), quorum.put('k', 'lower'), quorum.put('k ', 'space');
SELECT quorum.get('K'), quorum.get('k'), quorum.get('k ');

-- named arguments; a NULL option is its default
SELECT quorum.put(key => 'n', value => 'v', lease => NULL, ignore_value => NULL, ignore_lease => NULL) > 0 AS put;
SELECT quorum.get(key => 'n', revision => NULL, serializable => NULL);

-- old revisions
SELECT quorum.put('old', 'first') AS first \gset
SELECT quorum.put('old', 'second') AS second \gset
SELECT quorum.get('old'), quorum.get('old', revision => :first), quorum.get('old', revision => :second),
	quorum.get('old', revision => :first - 1) IS NULL AS before;
SELECT version, value FROM quorum.get_kv('old', :first);
SELECT quorum.get('old', serializable => true);

-- swap gives the previous entry
SELECT quorum.swap('s', 'one') IS NULL AS first;
SELECT key, value, version FROM quorum.swap('s', 'two');
SELECT (quorum.swap('s', '{"j": 3}'::jsonb)).value;
SELECT (quorum.swap('s'::bytea, 'four')).value;
SELECT (quorum.swap('s'::bytea, '5'::jsonb)).value;
SELECT quorum.get('s');

-- put_if_absent
SELECT quorum.put_if_absent('p', 'one'), quorum.put_if_absent('p', 'two'), quorum.get('p');
SELECT quorum.put_if_absent('p'::bytea, 'two'), quorum.put_if_absent('p', '2'::jsonb),
	quorum.put_if_absent('p'::bytea, '2'::jsonb);
SELECT quorum.put_if_absent('p2', '2'::jsonb), quorum.put_if_absent('p3'::bytea, 'x'),
	quorum.put_if_absent('p4'::bytea, '4'::jsonb);

-- cas: 0 stands for an absent key
SELECT quorum.cas('cas', 0, 'one'), quorum.cas('cas', 0, 'two'), quorum.get('cas');
SELECT mod_revision AS mod FROM quorum.get_kv('cas') \gset
SELECT quorum.cas('cas', :mod - 1, 'two'), quorum.cas('cas', :mod, 'two'), quorum.get('cas');
SELECT mod_revision AS mod FROM quorum.get_kv('cas') \gset
SELECT quorum.cas('cas'::bytea, :mod, 'three'::bytea), quorum.cas('cas', :mod, '4'::jsonb),
	quorum.cas('cas'::bytea, :mod, '4'::jsonb), quorum.get('cas');

-- ignore_value keeps the value
SELECT quorum.put('a', '', ignore_value => true) > 0 AS put;
SELECT value, version FROM quorum.get_kv('a');
SELECT quorum.put('a', 'x', ignore_lease => true) > 0 AS put;
SELECT value, version, lease FROM quorum.get_kv('a');

-- delete: how many
SELECT quorum.delete('a'), quorum.delete('a'), quorum.get('a') IS NULL AS gone;
SELECT quorum.delete('b'::bytea);
SELECT key, value FROM quorum.delete_returning('s');
SELECT * FROM quorum.delete_returning('s');
-- a key that comes back starts again
SELECT quorum.put('a', 'again') AS again \gset
SELECT create_revision = :again AS new, version FROM quorum.get_kv('a');

-- each effective write is one revision; a delete of nothing is none
SELECT quorum.revision() AS r \gset
SELECT quorum.put('r', '1') - :r, quorum.put('r', '1') - :r, quorum.delete('r'), quorum.delete('r'),
	quorum.revision() - :r;

-- writes are in effect at once and survive a rollback
BEGIN;
SELECT quorum.put('tx', 'kept') > 0 AS put;
SELECT quorum.get('tx');
ROLLBACK;
SELECT quorum.get('tx');

-- values of every size up to the limit
SELECT n, length(quorum.get('size/' || n)) = n AS same
FROM (SELECT n, quorum.put('size/' || n, repeat('x', n)) FROM unnest(ARRAY[1, 100, 2000, 8000, 9000, 100000, 1000000]) AS n OFFSET 0) AS s;
SELECT md5(quorum.get('size/1000000')) = md5(repeat('x', 1000000)) AS same;
SELECT quorum.delete('size/', prefix => true);

-- prepared statements and plpgsql
PREPARE p (text, text) AS SELECT quorum.put($1, $2) > 0 AS put;
EXECUTE p('prepared', '1');
EXECUTE p('prepared', '2');
SELECT value FROM quorum.get_kv('prepared');
DO $$
BEGIN
	FOR i IN 1..100 LOOP
		PERFORM quorum.put('loop', i::text);
		IF quorum.get('loop') <> i::text THEN
			RAISE EXCEPTION 'stale read';
		END IF;
	END LOOP;
END
$$;
SELECT value, version FROM quorum.get_kv('loop');
-- composite results row by row
SELECT i, (quorum.get_kv('loop')).version FROM generate_series(1, 3) AS i;

-- a previous value that is not text does not undo the write
SELECT quorum.put('t'::bytea, '\xff00'::bytea) > 0 AS put;
\set VERBOSITY default
SELECT quorum.get('t');
SELECT quorum.get('t'::bytea);
DO $$
BEGIN
	PERFORM quorum.swap('t', 'text');
EXCEPTION WHEN character_not_in_repertoire THEN
	RAISE NOTICE '%', SQLERRM;
END
$$;
SELECT quorum.get('t');
