-- Ranges: range, count, delete over ranges, quorum.keys
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS pg_quorum;
CREATE EXTENSION pg_quorum;
RESET client_min_messages;

SELECT quorum.put('a', '5'), quorum.put('b/1', '4'), quorum.put('b/2', '3'), quorum.put('b/3', '2'),
	quorum.put('c', '1'), quorum.put('b/2', '33');

-- one key, [key, range_end), prefix, everything
SELECT * FROM quorum.range('b/1');
SELECT * FROM quorum.range('b');
SELECT key, value FROM quorum.range('a', 'b/2');
SELECT key, value FROM quorum.range('b/', prefix => true);
SELECT key, value FROM quorum.range('', prefix => true);
SELECT key, value FROM quorum.range('b/2'::bytea, '\x00');
SELECT key FROM quorum.range('c', 'a');

-- limits and order
SELECT key FROM quorum.range('', prefix => true, max_rows => 2);
SELECT key FROM quorum.range('', prefix => true, descending => true);
SELECT key FROM quorum.range('', prefix => true, descending => true, max_rows => 1);
SELECT key, value FROM quorum.range('', prefix => true, sort_by => 'value');
SELECT key, version FROM quorum.range('', prefix => true, sort_by => 'version', descending => true, max_rows => 1);
SELECT key FROM quorum.range('', prefix => true, sort_by => 'create_revision', descending => true);
SELECT key FROM quorum.range('', prefix => true, sort_by => 'mod_revision');
SELECT key FROM quorum.range('', prefix => true, sort_by => 'key');

-- filters
SELECT key, mod_revision FROM quorum.range('', prefix => true, min_mod_revision => 4);
SELECT key, mod_revision FROM quorum.range('', prefix => true, max_mod_revision => 3);
SELECT key, create_revision FROM quorum.range('', prefix => true, min_create_revision => 4, max_create_revision => 5);

-- keys alone
SELECT * FROM quorum.range('b/', prefix => true, keys_only => true);
SELECT * FROM quorum.range('b/'::bytea, prefix => true, keys_only => true, max_rows => 1);

-- an older revision
SELECT key, value FROM quorum.range('b/', prefix => true, revision => 5);
SELECT key, value FROM quorum.range('b/', prefix => true, revision => 5, serializable => true, max_rows => 1);

-- bytea form
SELECT * FROM quorum.range('b/'::bytea, prefix => true);
SELECT key FROM quorum.range('\xff'::bytea, prefix => true);

-- count
SELECT quorum.count('a'), quorum.count('b'), quorum.count('b/', prefix => true),
	quorum.count('', prefix => true), quorum.count('a', 'c'), quorum.count('b'::bytea, '\x00');
SELECT quorum.count('b/', prefix => true, revision => 3), quorum.count('b/', prefix => true, serializable => true);

-- a range as a table
SELECT t.n, r.key, r.value
FROM (VALUES (1, 'a'), (2, 'b/'), (3, 'zz')) AS t (n, prefix)
LEFT JOIN LATERAL quorum.range(t.prefix, prefix => true) AS r ON true
ORDER BY t.n, r.key COLLATE "C";
SELECT quorum.range('b/', prefix => true);

-- byte order, whatever the collation; the end of a prefix of 0xff bytes
SELECT quorum.put('Z', 'Z'), quorum.put('z', 'z'), quorum.put('é', 'e acute');
SELECT quorum.put('\xff'::bytea, '1'), quorum.put('\xffff'::bytea, '2'), quorum.put('\xffff01'::bytea, '3');
SELECT key FROM quorum.range('Z', '~');
SELECT key FROM quorum.range('\xff'::bytea, prefix => true);
SELECT key FROM quorum.range('\xffff'::bytea, prefix => true);
SELECT key FROM quorum.range('é', prefix => true);

-- quorum.keys
SELECT quorum.put('json', '{"b": 1, "a": "x"}'), quorum.put('binary'::bytea, '\x00ff'::bytea);
SELECT key, value, value_json, create_revision, mod_revision, version, lease, key_bytes, value_bytes
FROM quorum.keys ORDER BY key_bytes;
SELECT key, value_json ->> 'a' AS a FROM quorum.keys WHERE value_json ? 'a';
SELECT count(*) FROM quorum.keys WHERE key LIKE 'b/%';

-- delete ranges
SELECT quorum.delete('\xff'::bytea, prefix => true);
SELECT key, value, version FROM quorum.delete_returning('b/', prefix => true);
SELECT key FROM quorum.delete_returning('a'::bytea, 'b');
SELECT quorum.delete('Z', 'a'), quorum.count('', prefix => true);
SELECT quorum.delete('', prefix => true), quorum.delete('', prefix => true), quorum.count('', prefix => true);
SELECT * FROM quorum.keys;

-- many keys: more than fit on a page, in order, and no more memory than asked for
SELECT count(quorum.put('many/' || lpad(i::text, 5, '0'), repeat('v', i % 300))) FROM generate_series(1, 2000) AS i;
SELECT quorum.count('many/', prefix => true), count(*), min(key), max(key), sum(length(value)),
	bool_and(key > lag) AS ordered
FROM (SELECT key, value, lag(key, 1, '') OVER () AS lag FROM quorum.range('many/', prefix => true)) AS r;
SELECT key FROM quorum.range('many/', prefix => true, max_rows => 2, descending => true);
SELECT key FROM quorum.range('many/01000', 'many/9', max_rows => 2);
SELECT count(*) FROM quorum.keys;
SELECT quorum.delete('many/', prefix => true), quorum.count('many/', prefix => true);
