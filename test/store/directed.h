/*-------------------------------------------------------------------------
 *
 * directed.h
 *	  The directed tests of the state machine.
 *
 * A test named after a number is of a mistake that etcd once made; the number
 * is that of etcd's issue or pull request.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/store/directed.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_TEST_DIRECTED_H
#define PGQ_TEST_DIRECTED_H

typedef struct DirectedTest
{
	const char *name;
	void		(*run) (void);
} DirectedTest;

/* Ends with one whose name is NULL */
extern const DirectedTest directed_tests[];

/* test_commands.c */
extern void test_revisions(void);
extern void test_put_errors(void);
extern void test_ignore_value(void);
extern void test_operation_limits(void);
extern void test_duplicate_keys(void);
extern void test_malformed(void);
extern void test_compares(void);
extern void test_nested_compares(void);
extern void test_txn_sees_itself(void);
extern void test_txn_revisions_18667(void);
extern void test_failed_commands(void);
extern void test_unknown_commands(void);
extern void test_entry_order(void);
extern void test_deep_nesting(void);
extern void test_configuration(void);

/* test_counters.c */
extern void test_increments(void);
extern void test_sequential_keys(void);

/* test_alarms.c */
extern void test_alarms(void);
extern void test_alarm_no_space(void);
extern void test_alarm_corrupt(void);
extern void test_alarm_crash(void);

/* test_imports.c */
extern void test_import_refusals(void);
extern void test_import_keeps_revisions(void);
extern void test_import_crashes(void);

/* test_deletions.c */
extern void test_deletions_told(void);

/* test_reads.c */
extern void test_fresh_store(void);
extern void test_range_options(void);
extern void test_sorted_limits(void);
extern void test_long_keys(void);
extern void test_long_values(void);
extern void test_prefix_end(void);
extern void test_hot_key(void);
extern void test_event_limits(void);
extern void test_events_once_17247(void);
extern void test_compacted_delete_18089(void);
extern void test_compacted_delete_19179(void);
extern void test_overtaken_range(void);
extern void test_overtaken_events(void);
extern void test_relation_rows(void);

/* test_crashes.c */
extern void test_compaction_errors(void);
extern void test_compaction_within_revision(void);
extern void test_compaction_space(void);
extern void test_compaction_crash_17780(void);
extern void test_compaction_hash_14685(void);
extern void test_crash_revisions_13766(void);
extern void test_crash_pages_20271(void);
extern void test_other_history(void);
extern void test_large_delete(void);
extern void test_large_delete_crash(void);
extern void test_format_twice(void);

/* test_leases.c */
extern void test_lease_errors(void);
extern void test_lease_attachments(void);
extern void test_lease_in_txn(void);
extern void test_lease_in_one_batch(void);
extern void test_lease_checkpoints(void);
extern void test_lease_crash_13766(void);
extern void test_lease_other_history(void);
extern void test_lease_unpublished(void);
extern void test_lease_keys_die_9935(void);
extern void test_lease_large_revoke(void);
extern void test_lease_expiry_in_masses(void);

/* test_auth.c */
extern void test_auth_errors(void);
extern void test_auth_who(void);
extern void test_auth_nested_txn(void);
extern void test_auth_reads(void);
extern void test_auth_leases(void);
extern void test_auth_admin(void);
extern void test_auth_versions(void);
extern void test_auth_crash_14571(void);
extern void test_auth_other_history(void);
extern void test_auth_permissions(void);
extern void test_auth_large_role(void);

/* test_compaction.c */
extern void test_compaction_hot_key(void);
extern void test_compaction_hot_key_crash(void);
extern void test_compaction_keys_in_turn(void);
extern void test_compaction_overtaken(void);
extern void test_known_keys(void);

/* test_snapshots.c */
extern void test_snapshot_copy(void);
extern void test_snapshot_while_writing(void);
extern void test_snapshot_interrupted(void);
extern void test_snapshot_damaged(void);
extern void test_snapshot_incomplete(void);
extern void test_snapshots_in_succession_18055(void);

#endif							/* PGQ_TEST_DIRECTED_H */
