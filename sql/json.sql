-- as_text and as_jsonb: null for what is none, never an error
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_quorum;
RESET client_min_messages;

SELECT quorum.as_text('abc'), quorum.as_text('') = '' AS empty, quorum.as_text('\x00') IS NULL AS nul,
	quorum.as_text('\xff') IS NULL AS invalid, quorum.as_text(NULL) IS NULL AS no_value, quorum.as_text('\xc3a9') AS accent;
SELECT quorum.as_jsonb('{"a": [1, 2.50, "x", null, true]}'), quorum.as_jsonb('"s"'), quorum.as_jsonb(' 1e3 '),
	quorum.as_jsonb(convert_to('"\u00e9\ud83d\ude00"', 'UTF8'));
SELECT t.text, quorum.as_jsonb(convert_to(t.text, 'UTF8')) IS NULL AS none
FROM (VALUES (''), (' '), ('{'), ('{"a"}'), ('{"a": 1,}'), ('1 2'), ('nul'), ('''a'''), ('"a'), ('01'), ('+1'), ('1.'),
	('"\u0000"'), ('"\ud800"'), ('"\udc00"'), ('"\ud800\ud800"'), ('"\x"'), (E'"\t"'), ('1e400000'), ('-1e400000'),
	('1e-400000'), ('1e99999999999999999999'), ('[1, 1e999999]'), ('{"a": {"b": 1e131072}}')) AS t (text);
-- the largest and the smallest number that numeric holds
SELECT quorum.as_jsonb('1e131071') IS NULL, quorum.as_jsonb('1e131072') IS NULL,
	quorum.as_jsonb('1e-16383') IS NULL, quorum.as_jsonb('1e-16384') IS NULL;
-- deep nesting is refused before the parser's stack is
SELECT quorum.as_jsonb(convert_to(repeat('[', 100) || repeat(']', 100), 'UTF8')) IS NULL AS shallow,
	quorum.as_jsonb(convert_to(repeat('[', 1000000), 'UTF8')) IS NULL AS deep,
	quorum.as_jsonb(convert_to(repeat('{"a":', 100000), 'UTF8')) IS NULL AS deep_objects,
	quorum.as_jsonb(convert_to('"' || repeat('[', 1000) || '"', 'UTF8')) IS NULL AS in_string;
SELECT quorum.as_jsonb('\xff') IS NULL, quorum.as_jsonb('\x2200') IS NULL, quorum.as_jsonb(NULL) IS NULL;

-- the text form of operations and conditions
\set VERBOSITY default
SELECT '{"request_put": {"key": 5}}'::quorum.op;
SELECT '{"request_put": {"key": {"base64": "a"}}}'::quorum.op;
SELECT '{"request_put": {"key": {"base64": "a==="}}}'::quorum.op;
SELECT '{"request_put": {"key": {"base64": "ab c"}}}'::quorum.op;
SELECT '{"request_put": {"key": {"base64": ""}}}'::quorum.op;
SELECT '{"request_put": {"key": {"base64": "YQ"}}}'::quorum.op, '{"request_put": {"key": {"base64": "YWI="}}}'::quorum.op,
	'{"request_put": {"key": {"base64": "YWJj"}}}'::quorum.op;
SELECT '{"target": "VALUE", "key": "k", "value": ""}'::quorum.compare;
SELECT '{"request_range": {"key": "a", "sort_order": "UP"}}'::quorum.op;
SELECT '{"request_range": {"key": "a", "sort_order": 2147483648}}'::quorum.op;
SELECT '{"request_range": {"key": "a", "limit": 1.5}}'::quorum.op;
SELECT '{"request_range": {"key": "a", "limit": 99999999999999999999}}'::quorum.op;
SELECT '{"request_range": {"key": "a", "limit": "12x"}}'::quorum.op;
SELECT '{"request_range": {"key": "a", "limit": ""}}'::quorum.op;
SELECT '{"request_range": {"key": "a", "limit": 1e3}}'::quorum.op, '{"request_range": {"key": "a", "limit": "-9223372036854775808"}}'::quorum.op;
-- zeros behind the decimal point are an integer's, but not so many that they cost more than what they are written in
SELECT '{"request_range": {"key": "a", "limit": 5.000}}'::quorum.op, '{"request_range": {"key": "a", "limit": 0e-100}}'::quorum.op;
SELECT '{"request_range": {"key": "a", "limit": 0e-101}}'::quorum.op;
SELECT '{"request_range": {"key": "a", "keys_only": "yes"}}'::quorum.op;
SELECT '{"request_range": {"key": "a"}, "request_put": {}}'::quorum.op;
SELECT '{"request_txn": {"success": [{"request_put": {"key": []}}]}}'::quorum.op;
SELECT '{"request_txn": {"success": {}}}'::quorum.op;
SELECT '{"request_txn": {"success": [null]}}'::quorum.op;
SELECT '{"request_txn": []}'::quorum.op;
SELECT '[]'::quorum.op;
SELECT 'x'::quorum.op;
SELECT (repeat('{"request_txn": {"success": [', 1000) || repeat(']}}', 1000))::quorum.op;
