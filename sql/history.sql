-- Revisions: history, compaction, barriers
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS pg_quorum;
CREATE EXTENSION pg_quorum;
RESET client_min_messages;

SELECT quorum.revision(), quorum.compacted_revision();
SELECT quorum.put('a', '1'), quorum.put('b', '1'), quorum.put('a', '2'), quorum.delete('a'), quorum.put('a', '3');
SELECT revision FROM quorum.txn('{}', ARRAY[quorum.op_put('a', '4'), quorum.op_put('c', '1'), quorum.op_delete('b')]);
SELECT quorum.put('zbin'::bytea, '\xff'::bytea);

-- everything, in order
SELECT * FROM quorum.history('a', 'd');
SELECT * FROM quorum.history('a');
SELECT type, key, value, mod_revision, prev_value FROM quorum.history(''::bytea, prefix => true);
SELECT type, key, mod_revision FROM quorum.history('a', since => 3);
SELECT type, key, mod_revision FROM quorum.history('a', since => 3, until => 5);
SELECT type, key, mod_revision FROM quorum.history('a', 'd', max_rows => 2);
SELECT type, key, mod_revision FROM quorum.history('missing');
SELECT count(*) FROM quorum.history('a', since => quorum.revision());
SELECT count(*) FROM quorum.history('a', serializable => true);

-- revisions
SELECT quorum.revision(), quorum.revision(serializable => true), quorum.read_barrier(),
	quorum.read_barrier(timeout => '1s'), quorum.compacted_revision(serializable => true);

-- compaction keeps what is live at its revision
SELECT quorum.compact(5);
SELECT quorum.compacted_revision(), quorum.get('a', revision => 5) IS NULL AS deleted, quorum.get('b', revision => 5);
SELECT type, key, value, mod_revision, prev_value FROM quorum.history('a', 'd');
SELECT quorum.compact(quorum.revision(), physical => true);
SELECT quorum.compacted_revision() = quorum.revision() AS all_compacted;
SELECT type, key, mod_revision FROM quorum.history(''::bytea, prefix => true);
SELECT key, value, mod_revision, version FROM quorum.range('a', 'd');
-- nothing else is left in the store
SELECT key, mod_revision, sub, create_revision, version, lease, deleted, value FROM quorum.mvcc ORDER BY key, mod_revision;
