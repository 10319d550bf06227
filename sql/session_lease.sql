--
-- The lease of a session
--
\set VERBOSITY sqlstate
-- wrong arguments
SELECT quorum.session_lease('0 seconds');
SELECT quorum.session_lease('-1 second');
SELECT quorum.session_lease('300 years');
SELECT quorum.end_session_lease();
-- wrong states
BEGIN READ ONLY;
SELECT quorum.session_lease();
ROLLBACK;
-- missing privileges
CREATE ROLE lease_nobody;
SET ROLE lease_nobody;
SELECT quorum.session_lease();
RESET ROLE;
GRANT USAGE ON SCHEMA quorum TO lease_nobody;
SET ROLE lease_nobody;
SELECT quorum.session_lease();
SELECT quorum.end_session_lease();
RESET ROLE;
DROP OWNED BY lease_nobody;
DROP ROLE lease_nobody;

-- a session has one lease, whatever becomes of the transaction
BEGIN;
SELECT quorum.session_lease('30s') > 0 AS granted;
ROLLBACK;
SELECT quorum.session_lease() AS lease \gset
SELECT quorum.session_lease('2s') = :lease AS the_same, quorum.session_lease(NULL) = :lease AS still;
SELECT quorum.put('session/key', 'v', lease => :lease) > 0 AS put;
SELECT lease = :lease AS attached FROM quorum.get_kv('session/key');
-- its end takes its keys
SELECT quorum.end_session_lease();
SELECT quorum.end_session_lease();
DO $$
BEGIN
	FOR i IN 1 .. 500 LOOP
		EXIT WHEN quorum.count('session/', prefix => true) = 0;
		PERFORM pg_sleep(0.02);
	END LOOP;
END
$$;
SELECT quorum.count('session/', prefix => true);
-- a pooler's reset ends it too, and the next one is another
SELECT quorum.session_lease() <> :lease AS another;
SELECT quorum.put('session/key', 'v', lease => quorum.session_lease()) > 0 AS put;
DISCARD ALL;
SELECT quorum.end_session_lease();
DO $$
BEGIN
	FOR i IN 1 .. 500 LOOP
		EXIT WHEN quorum.count('session/', prefix => true) = 0;
		PERFORM pg_sleep(0.02);
	END LOOP;
END
$$;
SELECT quorum.count('session/', prefix => true);
