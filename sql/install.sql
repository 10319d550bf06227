-- What CREATE EXTENSION makes, and that it can be dropped and made again
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_quorum;
SELECT quorum.put('before', 'drop') > 1 AS written;
DROP EXTENSION pg_quorum;
SELECT count(*) AS schemas FROM pg_namespace WHERE nspname = 'quorum';
SELECT rolname, rolcanlogin FROM pg_roles WHERE rolname LIKE 'quorum\_%' ORDER BY 1;
CREATE EXTENSION pg_quorum;
RESET client_min_messages;

-- a new store is empty and at revision 1
SELECT quorum.revision(), quorum.compacted_revision(), quorum.get('before');

-- it goes nowhere else, and not into a schema of someone else
DROP EXTENSION pg_quorum;
CREATE EXTENSION pg_quorum SCHEMA public;
CREATE SCHEMA quorum;
\set SHOW_CONTEXT never
CREATE EXTENSION pg_quorum;
\set SHOW_CONTEXT errors
DROP SCHEMA quorum;
CREATE EXTENSION pg_quorum;

-- objects
SELECT amname, amtype, amhandler FROM pg_am WHERE amname LIKE 'quorum\_%' ORDER BY 1;
SELECT c.relname, c.relkind, a.amname
FROM pg_class c LEFT JOIN pg_am a ON a.oid = c.relam
WHERE c.relnamespace = 'quorum'::regnamespace AND c.relkind IN ('r', 'v')
	AND c.relname IN ('raft_log', 'mvcc', 'keys', 'status', 'members')
ORDER BY c.relname;
SELECT p.oid::regprocedure AS routine, p.provolatile AS volatile, p.proparallel AS parallel,
	p.proisstrict AS strict, pg_get_function_result(p.oid) AS result
FROM pg_proc p
WHERE p.pronamespace = 'quorum'::regnamespace
	AND p.proname !~ 'watch|^changes$|^wait$'
ORDER BY p.proname COLLATE "C", p.oid::regprocedure::text COLLATE "C";

-- nothing is SECURITY DEFINER, nothing is without a comment, nothing is PUBLIC's
SELECT p.oid::regprocedure FROM pg_proc p
WHERE p.pronamespace = 'quorum'::regnamespace AND p.prosecdef;
SELECT d.classid::regclass, pg_describe_object(d.classid, d.objid, 0)
FROM pg_depend d
WHERE d.refclassid = 'pg_extension'::regclass
	AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_quorum')
	AND d.deptype = 'e'
	AND obj_description(d.objid, d.classid::regclass::name) IS NULL
	AND NOT (d.classid = 'pg_type'::regclass AND
		(SELECT t.typelem <> 0 OR t.typrelid <> 0 FROM pg_type t WHERE t.oid = d.objid));
SELECT a.attrelid::regclass, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relnamespace = 'quorum'::regnamespace AND c.relkind IN ('r', 'v') AND a.attnum > 0
	AND col_description(a.attrelid, a.attnum) IS NULL;
SELECT p.oid::regprocedure FROM pg_proc p
WHERE p.pronamespace = 'quorum'::regnamespace AND has_function_privilege('public', p.oid, 'EXECUTE');
SELECT c.oid::regclass FROM pg_class c
WHERE c.relnamespace = 'quorum'::regnamespace AND c.relkind IN ('r', 'v')
	AND has_table_privilege('public', c.oid, 'SELECT, INSERT, UPDATE, DELETE');
SELECT t.oid::regtype FROM pg_type t
WHERE t.typnamespace = 'quorum'::regnamespace AND t.typelem = 0
	AND t.typname IN ('kv', 'kv_bytes', 'event', 'event_bytes', 'compare', 'op')
	AND has_type_privilege('public', t.oid, 'USAGE');
SELECT has_schema_privilege('public', 'quorum', 'USAGE');

-- what each role may do
SELECT r.role, string_agg(DISTINCT p.proname, ' ' ORDER BY p.proname)
FROM (VALUES ('quorum_reader'), ('quorum_writer'), ('quorum_admin'), ('quorum_peer'),
	('pg_monitor')) AS r (role)
JOIN pg_proc p ON p.pronamespace = 'quorum'::regnamespace
	AND has_function_privilege(r.role, p.oid, 'EXECUTE')
WHERE p.proname !~ 'watch|^changes$|^wait$'
GROUP BY r.role ORDER BY r.role;
SELECT r.role, string_agg(c.relname, ' ' ORDER BY c.relname)
FROM (VALUES ('quorum_reader'), ('quorum_writer'), ('quorum_admin'), ('quorum_peer'),
	('pg_monitor')) AS r (role)
JOIN pg_class c ON c.relnamespace = 'quorum'::regnamespace
	AND c.relname IN ('raft_log', 'mvcc', 'keys', 'status', 'members')
	AND has_table_privilege(r.role, c.oid, 'SELECT')
GROUP BY r.role ORDER BY r.role;
