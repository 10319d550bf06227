-- Transactions: typed parts, nesting, and etcd's JSON
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS pg_quorum;
CREATE EXTENSION pg_quorum;
RESET client_min_messages;

SELECT quorum.put('lock', 'me'), quorum.put('cfg', 'old'), quorum.put('tmp/1', '1'), quorum.put('tmp/2', '2');

-- both ways
SELECT * FROM quorum.txn(
	compare => ARRAY[quorum.if_value('lock', '=', 'me'), quorum.if_version('cfg', '>', 0)],
	success => ARRAY[quorum.op_put('cfg', 'new'), quorum.op_delete('tmp/', prefix => true)],
	failure => ARRAY[quorum.op_range('cfg')]);
SELECT * FROM quorum.txn(
	compare => ARRAY[quorum.if_value('lock', '=', 'you'), quorum.if_version('cfg', '>', 0)],
	success => ARRAY[quorum.op_put('cfg', 'new'), quorum.op_delete('tmp/', prefix => true)],
	failure => ARRAY[quorum.op_range('cfg')]);

-- what each operation answers
SELECT succeeded, revision, jsonb_pretty(responses) FROM quorum.txn('{}', ARRAY[
	quorum.op_put('cfg', 'newer', prev_kv => true),
	quorum.op_put('fresh', '{"a": 1}'::jsonb, prev_kv => true),
	quorum.op_put('bin'::bytea, '\x00ff'::bytea),
	quorum.op_range('cfg'),
	quorum.op_range('', prefix => true, keys_only => true, max_rows => 2),
	quorum.op_range('', prefix => true, count_only => true),
	quorum.op_range('bin'),
	quorum.op_delete('lock', prev_kv => true),
	quorum.op_delete('nothing')]);

-- conditions; one element each, true and false
SELECT quorum.put('n', '5') AS n \gset
SELECT quorum.put('n', '6') AS n2 \gset
SELECT c.label, (quorum.txn(ARRAY[c.condition], '{}')).succeeded
FROM (VALUES
	(1, 'value =', quorum.if_value('n', '=', '6')),
	(2, 'value = other', quorum.if_value('n', '=', '5')),
	(3, 'value <>', quorum.if_value('n', '<>', '5')),
	(4, 'value !=', quorum.if_value('n', '!=', '6')),
	(5, 'value <', quorum.if_value('n', '<', '7')),
	(6, 'value >', quorum.if_value('n', '>', '7')),
	(7, 'value of bytea', quorum.if_value('n'::bytea, '=', '6'::bytea)),
	(8, 'value of jsonb', quorum.if_value('n', '=', '6'::jsonb)),
	(9, 'value of bytea key, jsonb', quorum.if_value('n'::bytea, '=', '6'::jsonb)),
	(10, 'value of a missing key', quorum.if_value('missing', '<>', 'x')),
	(11, 'version', quorum.if_version('n', '=', 2)),
	(12, 'version <', quorum.if_version('n', '<', 2)),
	(13, 'version of a missing key', quorum.if_version('missing', '=', 0)),
	(14, 'version, bytea', quorum.if_version('n'::bytea, '>', 1)),
	(15, 'create_revision', quorum.if_create_revision('n', '=', :n)),
	(16, 'create_revision, bytea', quorum.if_create_revision('n'::bytea, '<>', :n)),
	(17, 'mod_revision', quorum.if_mod_revision('n', '=', :n2)),
	(18, 'mod_revision, bytea', quorum.if_mod_revision('n'::bytea, '>', :n2)),
	(19, 'lease', quorum.if_lease('n', '=', 0)),
	(20, 'lease, bytea', quorum.if_lease('n'::bytea, '>', 0)),
	(21, 'exists', quorum.if_exists('n')),
	(22, 'exists, missing', quorum.if_exists('missing'::bytea)),
	(23, 'absent', quorum.if_absent('n')),
	(24, 'absent, missing', quorum.if_absent('missing'::bytea)),
	(25, 'all of a range', quorum.if_version('', '>', 0, prefix => true)),
	(26, 'all of a range, not', quorum.if_version('', '=', 1, prefix => true)),
	(27, 'range_end', quorum.if_value('n', '=', '6', range_end => 'o')),
	(28, 'an empty range', quorum.if_create_revision('x', '=', 0, 'y')),
	(29, 'an empty range, value', quorum.if_value('x', '=', '', 'y'))
) AS c (n, label, condition)
ORDER BY c.n;
-- all conditions must hold; none holds
SELECT succeeded FROM quorum.txn(ARRAY[quorum.if_exists('n'), quorum.if_absent('n')], '{}');
SELECT succeeded, responses FROM quorum.txn(NULL, NULL, NULL);

-- a transaction is one revision; the operations see those before them
SELECT quorum.revision() AS r \gset
SELECT succeeded, revision - :r AS revisions, responses FROM quorum.txn('{}', ARRAY[
	quorum.op_put('seen', '1'), quorum.op_range('seen', keys_only => true), quorum.op_put('seen/2', '2'),
	quorum.op_range('seen', prefix => true, count_only => true)]);
SELECT key, value, mod_revision - :r AS revisions FROM quorum.range('seen', prefix => true);
-- one that changes nothing is none
SELECT revision - quorum.revision() AS revisions FROM quorum.txn('{}', ARRAY[quorum.op_delete('unseen')]);

-- nested; all conditions are evaluated before the first operation
SELECT succeeded, jsonb_pretty(responses) FROM quorum.txn(
	ARRAY[quorum.if_exists('cfg')],
	ARRAY[
		quorum.op_put('outer', '1'),
		quorum.op_txn(
			ARRAY[quorum.if_exists('outer')],
			ARRAY[quorum.op_put('inner', 'success')],
			ARRAY[
				quorum.op_put('inner', 'failure'),
				quorum.op_txn('{}', ARRAY[quorum.op_range('outer', keys_only => true)])])]);
SELECT quorum.get('inner');

-- reads alone need no log entry
SELECT quorum.read_barrier() AS barrier \gset
SELECT commit_index FROM quorum.status \gset before_
SELECT responses -> 0 -> 'range' -> 'count' AS count FROM quorum.txn('{}', ARRAY[quorum.op_range('cfg')]);
SELECT responses -> 0 -> 'range' -> 'count' AS count
FROM quorum.txn('{}', ARRAY[quorum.op_range('cfg', serializable => true)]);
SELECT commit_index - :before_commit_index AS entries FROM quorum.status;

-- the parts as text, and back
SELECT quorum.if_value('lock', '<', 'me', 'lock2'), quorum.if_version('\xff'::bytea, '=', 0);
SELECT quorum.op_put('k', 'v', lease => 7, prev_kv => true), quorum.op_delete('a', prefix => true);
SELECT quorum.op_range('a', 'b', revision => 3, max_rows => 4, sort_by => 'mod_revision', descending => true,
	keys_only => true, min_mod_revision => 1, max_mod_revision => 9, min_create_revision => 2,
	max_create_revision => 8, serializable => true, count_only => true);
SELECT o = o2 AS same FROM (
	SELECT o::text AS o, o::text::quorum.op::text AS o2 FROM quorum.op_txn(ARRAY[quorum.if_lease('\x00'::bytea, '>', 1)],
		ARRAY[quorum.op_put('\x01'::bytea, 'x'), quorum.op_delete('y')]) AS o) AS s;
SELECT '{"requestPut": {"key": "camel", "value": {"base64": "_-8"}, "ignoreLease": false}}'::quorum.op;
SELECT '{"target": 3, "result": "NOT_EQUAL", "key": "k", "value": "v", "unknown": [1]}'::quorum.compare;
SELECT array_length(ARRAY[quorum.op_put('a', 'b'), '{"request_put": {"key": "c"}}'], 1);
CREATE TEMP TABLE parts (c quorum.compare, o quorum.op);
INSERT INTO parts VALUES (quorum.if_exists('cfg'), quorum.op_put('from', 'a table'));
SELECT succeeded FROM quorum.txn((SELECT array_agg(c) FROM parts), (SELECT array_agg(o) FROM parts));
SELECT quorum.get('from');
-- in binary, and nothing else in their place
\getenv abs_builddir PG_ABS_BUILDDIR
\set file :abs_builddir '/results/parts.data'
COPY parts TO :'file' (FORMAT binary);
TRUNCATE parts;
COPY parts FROM :'file' (FORMAT binary);
SELECT * FROM parts;
CREATE FUNCTION pg_temp.varint(n int) RETURNS bytea LANGUAGE sql AS $$
	SELECT CASE WHEN n < 128 THEN set_byte('\x00', 0, n)
		ELSE set_byte('\x00', 0, 128 + n % 128) || pg_temp.varint(n / 128) END
$$;
-- an operation in a transaction in an operation in a transaction ...
CREATE FUNCTION pg_temp.nested(depth int) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
	message bytea := '';
BEGIN
	FOR i IN 1..depth LOOP
		message := '\x12'::bytea || pg_temp.varint(length(message)) || message;
		message := '\x22'::bytea || pg_temp.varint(length(message)) || message;
	END LOOP;
	RETURN message;
END
$$;
TRUNCATE parts;
ALTER TABLE parts DROP COLUMN c;
COPY (SELECT pg_temp.nested(100)) TO :'file' (FORMAT binary);
COPY parts FROM :'file' (FORMAT binary);
SELECT length(o::text) > 3000 AS taken FROM parts;
COPY (SELECT pg_temp.nested(1000)) TO :'file' (FORMAT binary);
COPY parts FROM :'file' (FORMAT binary);
COPY (SELECT '\xffff'::bytea) TO :'file' (FORMAT binary);
COPY parts FROM :'file' (FORMAT binary);
COPY (SELECT '\x0a05'::bytea) TO :'file' (FORMAT binary);
COPY parts FROM :'file' (FORMAT binary);

-- etcd's JSON: base64, 64-bit integers as strings, names as in the .proto files
SELECT quorum.txn('{
	"compare": [{"result": "EQUAL", "target": "VALUE", "key": "Y2Zn", "value": "bmV3ZXI="}],
	"success": [
		{"request_put": {"key": "anNvbg==", "value": "MQ==", "prev_kv": true}},
		{"request_range": {"key": "Y2Zn"}}],
	"failure": [{"request_delete_range": {"key": "Y2Zn"}}]}') #- '{header,cluster_id}' #- '{header,member_id}' #- '{header,raft_term}' AS answer;
-- camelCase, numbers, enum numbers, unpadded and URL-safe base64, unknown fields, null
SELECT quorum.txn('{
	"compare": [{"result": 1, "target": "MOD", "key": "Y2Zn", "modRevision": 1, "other": {"x": [1]}},
		{"target": "VERSION", "key": "Y2Zn", "version": "999"}],
	"failure": [{"requestRange": {"key": "Y2Zn", "limit": 5, "sortOrder": null}},
		{"requestRange": {"key": "_-8", "rangeEnd": "AA", "count_only": true}}]}') - 'header' AS answer;
SELECT jsonb_typeof(h -> 'cluster_id') AS cluster_id, jsonb_typeof(h -> 'member_id') AS member_id,
	(h ->> 'revision')::bigint = quorum.revision() AS revision, (h ->> 'raft_term')::int > 0 AS term
FROM (SELECT quorum.txn('{}'::jsonb) -> 'header' AS h) AS s;
SELECT quorum.txn('{"success": [{"request_txn": {"success": [{"request_put": {"key": "bg==", "value": "bg=="}}]}}]}')
	#> '{responses,0,response_txn,succeeded}' AS nested;
