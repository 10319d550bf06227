-- Reads of bounded staleness
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS pg_quorum;
CREATE EXTENSION pg_quorum;
RESET client_min_messages;

SELECT quorum.put('s/a', '1');
-- a moment until the member knows how fresh it is
DO $$
BEGIN
	FOR i IN 1 .. 500 LOOP
		BEGIN
			PERFORM quorum.get('s/a', max_staleness => '20s');
			RETURN;
		EXCEPTION WHEN cannot_connect_now THEN
			PERFORM pg_sleep(0.01);
		END;
	END LOOP;
END
$$;
SELECT quorum.get('s/a', max_staleness => '20s');
SELECT quorum.get('s/a'::bytea, max_staleness => '1 month');
SELECT value FROM quorum.get_kv('s/a', max_staleness => '20s');
SELECT key, value FROM quorum.range('s/', prefix => true, max_staleness => '20s');
SELECT quorum.count('s/', prefix => true, max_staleness => '20s');
SELECT quorum.count('s/'::bytea, prefix => true, max_staleness => '200 years');

-- a revision: that of the state at hand
SELECT quorum.put('s/a', '2') AS second \gset
SELECT quorum.get('s/a', revision => :second - 1, max_staleness => '20s');
SELECT quorum.get('s/a', revision => :second + 1000, max_staleness => '20s');

-- nothing is so fresh
\set VERBOSITY sqlstate
SELECT quorum.get('s/a', max_staleness => '0');
SELECT quorum.get_kv('s/a', max_staleness => '0');
SELECT quorum.range('s/', prefix => true, max_staleness => '0');
SELECT quorum.count('s/', prefix => true, max_staleness => '0');
\set VERBOSITY default

-- arguments
SELECT quorum.get('s/a', max_staleness => '-1s');
SELECT quorum.get('s/a', serializable => true, max_staleness => '20s');
SELECT quorum.get_kv('s/a', serializable => true, max_staleness => '20s');
SELECT quorum.range('s/', serializable => true, max_staleness => '20s');
SELECT quorum.count('s/', serializable => true, max_staleness => '20s');
SELECT quorum.get('s/a', serializable => true, max_staleness => NULL);
SELECT quorum.get('s/a', max_staleness => 'soon');
