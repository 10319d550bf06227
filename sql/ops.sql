-- Alarms, quota and statistics
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_quorum;
RESET client_min_messages;
\set VERBOSITY terse
SELECT count(*) FROM quorum.alarms;
SELECT alarms FROM quorum.status;
SELECT quorum.alarm_disarm();
SELECT quorum.alarm_disarm('n1', 'nospace'), quorum.alarm_disarm(alarm => 'CORRUPT');

-- wrong arguments
\set VERBOSITY sqlstate
SELECT quorum.alarm_disarm(alarm => 'FIRE');
SELECT quorum.alarm_disarm('nobody');
BEGIN READ ONLY;
SELECT quorum.alarm_disarm();
ROLLBACK;
\set VERBOSITY terse

-- a quota that is reached: a write is refused, what makes room is not
SELECT quorum.put('ops/a', 'x') > 1 AS written;
ALTER SYSTEM SET pg_quorum.quota_bytes = '8kB';
SELECT pg_reload_conf();
DO $$
BEGIN
	FOR i IN 1..500 LOOP
		EXIT WHEN EXISTS (SELECT FROM quorum.alarms);
		PERFORM pg_sleep(0.02);
	END LOOP;
END
$$;
SELECT name, alarm FROM quorum.alarms;
SELECT alarms FROM quorum.status;
\set VERBOSITY sqlstate
SELECT quorum.put('ops/a', 'y');
SELECT quorum.put_if_absent('ops/a', 'y');
SELECT quorum.increment('ops/n');
SELECT * FROM quorum.txn(NULL, ARRAY[quorum.op_put('ops/a', 'y')], NULL);
SELECT * FROM quorum.txn(NULL, ARRAY[quorum.op_txn(NULL, NULL, ARRAY[quorum.op_put('ops/a', 'y')])], NULL);
\set VERBOSITY terse
SELECT quorum.get('ops/a');
SELECT succeeded FROM quorum.txn(NULL, ARRAY[quorum.op_delete('ops/a')], NULL);
SELECT quorum.compact(quorum.revision());
ALTER SYSTEM RESET pg_quorum.quota_bytes;
SELECT pg_reload_conf();
-- the alarm stays until it is disarmed
SELECT pg_sleep(0.5);
SELECT alarms FROM quorum.status;
\set VERBOSITY sqlstate
SELECT quorum.put('ops/a', 'y');
\set VERBOSITY terse
SELECT quorum.alarm_disarm('n1');
SELECT quorum.put('ops/a', 'z') > 1 AS written;
SELECT quorum.get('ops/a');
SELECT alarms FROM quorum.status;

-- settings
ALTER SYSTEM SET pg_quorum.auto_compaction_retention = 'soon';
ALTER SYSTEM SET pg_quorum.auto_compaction_retention = '';
ALTER SYSTEM SET pg_quorum.auto_compaction_retention = '1h30';
ALTER SYSTEM SET pg_quorum.auto_compaction_retention = '20000h';
ALTER SYSTEM SET pg_quorum.auto_compaction_retention = '-1';
ALTER SYSTEM SET pg_quorum.auto_compaction_mode = 'sometimes';
-- versions word it differently
\set VERBOSITY sqlstate
ALTER SYSTEM SET pg_quorum.quota_bytes = '-1';
\set VERBOSITY terse
ALTER SYSTEM SET pg_quorum.quota_bytes = '8GB';
ALTER SYSTEM RESET pg_quorum.quota_bytes;
ALTER SYSTEM SET pg_quorum.auto_compaction_retention = '1h30m';
ALTER SYSTEM SET pg_quorum.auto_compaction_retention = '100000000';
ALTER SYSTEM RESET pg_quorum.auto_compaction_retention;
SHOW pg_quorum.disk_reserve;
SHOW pg_quorum.corrupt_check_interval;
SET pg_quorum.quota_bytes = 0;

-- by number of revisions, early because more than a thousand have come
ALTER SYSTEM SET pg_quorum.auto_compaction_mode = 'revision';
ALTER SYSTEM SET pg_quorum.auto_compaction_retention = '500';
SELECT pg_reload_conf();
SELECT count(quorum.put('ops/many', i::text)) FROM generate_series(1, 2000) AS i;
DO $$
BEGIN
	FOR i IN 1..500 LOOP
		EXIT WHEN quorum.compacted_revision(serializable => true) > 500;
		PERFORM pg_sleep(0.02);
	END LOOP;
END
$$;
SELECT quorum.compacted_revision() > 500 AS compacted,
	quorum.revision() - quorum.compacted_revision() >= 500 AS kept;
ALTER SYSTEM RESET pg_quorum.auto_compaction_mode;
ALTER SYSTEM RESET pg_quorum.auto_compaction_retention;
SELECT pg_reload_conf();

-- statistics
SELECT quorum.stat_reset();
SELECT quorum.put('ops/s', 'x') > 1 AS written;
SELECT quorum.get('ops/s');
SELECT proposals >= 1 AS proposals, proposals_forwarded, commits >= 1 AS commits, applies >= 1 AS applies,
	apply_time > 0 AS apply_time, reads >= 1 AS reads, read_rounds >= 1 AS rounds,
	bytes_sent, snapshots_sent, leader_changes, watchers >= 0 AS watchers,
	stats_reset > now() - interval '1 minute' AS fresh
FROM quorum.pg_stat_quorum;
SELECT count(*) FROM quorum.pg_stat_quorum_peers;

-- who may
CREATE ROLE ops_writer LOGIN IN ROLE quorum_writer;
SET ROLE ops_writer;
SELECT count(*) FROM quorum.alarms;
SELECT count(*) FROM quorum.pg_stat_quorum;
SELECT count(*) FROM quorum.pg_stat_quorum_peers;
SELECT quorum.alarm_disarm();
SELECT quorum.stat_reset();
RESET ROLE;
DROP ROLE ops_writer;
-- a careless grant does not make a member
CREATE ROLE ops_admin IN ROLE quorum_admin;
GRANT EXECUTE ON FUNCTION quorum.peer_hash(bigint) TO ops_admin;
SET ROLE ops_admin;
SELECT quorum.peer_hash(0);
RESET ROLE;
REVOKE EXECUTE ON FUNCTION quorum.peer_hash(bigint) FROM ops_admin;
DROP ROLE ops_admin;
SELECT p.error, p.hash = h.hash AS same FROM quorum.peer_hash(0) AS p, quorum.hash_kv() AS h;
SELECT error, hash FROM quorum.peer_hash(quorum.revision() + 1);
