--
-- The lease of a session
--
\set VERBOSITY sqlstate
-- wrong arguments
SELECT quorum.session_lease('0 seconds');
SELECT quorum.session_lease('-1 second');
SELECT quorum.session_lease('300 years');
SELECT quorum.end_session_lease();
SELECT quorum.lease_keepalive_many(NULL);
SELECT quorum.lease_keepalive_many('{{1,2},{3,4}}');
-- wrong states
BEGIN READ ONLY;
SELECT quorum.session_lease();
ROLLBACK;
BEGIN READ ONLY;
SELECT quorum.lease_keepalive_many('{1}');
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
SELECT quorum.lease_keepalive_many('{1}');
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

-- many at a time; what does not exist is null
SELECT quorum.lease_grant(30::bigint, 1001) AS one, quorum.lease_grant(40::bigint, 1002) AS two;
SELECT quorum.lease_keepalive_many('{1002, 7, 1001, NULL, 0}');
SELECT quorum.lease_keepalive_many('{}');
SELECT array_length(a, 1) AS asked, count(*) FILTER (WHERE t = 30) AS alive
FROM (SELECT quorum.lease_keepalive_many(array_fill(1001::bigint, '{10000}')) AS a) q, unnest(a) t GROUP BY 1;
SELECT quorum.lease_revoke(1001), quorum.lease_revoke(1002);
SELECT quorum.lease_keepalive_many('{1001,1002}');
