-- Increments and sequential keys
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS pg_quorum;
CREATE EXTENSION pg_quorum;
RESET client_min_messages;

SELECT quorum.increment('counters/n');
SELECT quorum.increment('counters/n', by => 41);
SELECT quorum.increment('counters/n', -50), quorum.get('counters/n');
SELECT quorum.increment('counters/n', NULL);
SELECT quorum.increment('counters/n'::bytea, 0);
SELECT version FROM quorum.get_kv('counters/n');

-- the number that a value has to be
SELECT quorum.put('counters/w', '12 apples') > 0;
SELECT quorum.increment('counters/w');
SELECT quorum.get('counters/w');
SELECT quorum.put('counters/w', '9223372036854775807') > 0;
SELECT quorum.increment('counters/w');
SELECT quorum.increment('counters/w', -1);

\set VERBOSITY sqlstate
SELECT quorum.increment('counters/w', 2);
SELECT quorum.put('counters/w', '') > 0;
SELECT quorum.increment('counters/w');
\set VERBOSITY default

-- arguments
SELECT quorum.increment(NULL::text);
SELECT quorum.increment('');
SELECT quorum.increment(repeat('k', 2049));

-- a new key, its number the revision that made it
SELECT quorum.put_sequential('queue/', 'first') AS first \gset
SELECT quorum.put_sequential('queue/', '{"n": 2}'::jsonb) AS second \gset
SELECT quorum.put_sequential('queue/'::bytea, '\x00ff'::bytea) AS third \gset
SELECT quorum.put_sequential('queue/'::bytea, '{"n": 4}'::jsonb) AS fourth \gset
SELECT :'first' ~ '^queue/[0-9]{10}$' AS form, :'first' < :'second' AS ascends,
	:'second' < convert_from(:'third', 'UTF8') AS ascends,
	:'third'::bytea < :'fourth'::bytea AS ascends;
SELECT quorum.get(:'first'), quorum.get(:'second'), quorum.get(:'third'::bytea);
SELECT right(key, 10)::bigint = create_revision AS revision, version
FROM quorum.range('queue/', prefix => true, keys_only => true);

-- never over a key that is there
SELECT quorum.put('queue/' || lpad((quorum.revision() + 2)::text, 10, '0'), 'mine') AS before \gset
SELECT right(quorum.put_sequential('queue/', 'x'), 10)::bigint - :before AS distance;
SELECT quorum.get('queue/' || lpad((:before + 1)::text, 10, '0'));

-- it grows on
SELECT quorum.delete('queue/', prefix => true);
SELECT quorum.put_sequential('queue/', 'last') > :'fourth' AS grows;

-- arguments
SELECT quorum.put_sequential(NULL::text, 'x');
SELECT quorum.put_sequential('', 'x');
SELECT quorum.put_sequential('queue/', NULL::text);
SELECT quorum.put_sequential(repeat('k', 2030), 'x');
SELECT quorum.put_sequential('queue/', 'x', lease => 4711);
SET default_transaction_read_only = on;
SELECT quorum.increment('counters/n');
SELECT quorum.put_sequential('queue/', 'x');
RESET default_transaction_read_only;

-- privileges
SET ROLE quorum_reader;
SELECT quorum.increment('counters/n');
SELECT quorum.put_sequential('queue/', 'x');
RESET ROLE;

SELECT quorum.delete('counters/', prefix => true), quorum.delete('queue/', prefix => true);
