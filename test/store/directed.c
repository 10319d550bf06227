/*-------------------------------------------------------------------------
 *
 * directed.c
 *	  The list of directed tests.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/store/directed.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "directed.h"

#define TEST(name)	{#name, test_##name}

const DirectedTest directed_tests[] = {
	TEST(revisions),
	TEST(put_errors),
	TEST(ignore_value),
	TEST(operation_limits),
	TEST(duplicate_keys),
	TEST(malformed),
	TEST(compares),
	TEST(nested_compares),
	TEST(txn_sees_itself),
	TEST(txn_revisions_18667),
	TEST(failed_commands),
	TEST(unknown_commands),
	TEST(entry_order),
	TEST(deep_nesting),
	TEST(configuration),
	TEST(increments),
	TEST(import_refusals),
	TEST(import_keeps_revisions),
	TEST(import_crashes),
	TEST(sequential_keys),
	TEST(alarms),
	TEST(alarm_no_space),
	TEST(alarm_corrupt),
	TEST(alarm_crash),
	TEST(deletions_told),
	TEST(fresh_store),
	TEST(range_options),
	TEST(sorted_limits),
	TEST(long_keys),
	TEST(long_values),
	TEST(prefix_end),
	TEST(hot_key),
	TEST(event_limits),
	TEST(events_once_17247),
	TEST(compacted_delete_18089),
	TEST(compacted_delete_19179),
	TEST(overtaken_range),
	TEST(overtaken_events),
	TEST(relation_rows),
	TEST(compaction_errors),
	TEST(compaction_within_revision),
	TEST(compaction_space),
	TEST(compaction_hot_key),
	TEST(compaction_hot_key_crash),
	TEST(compaction_keys_in_turn),
	TEST(compaction_overtaken),
	TEST(known_keys),
	TEST(compaction_crash_17780),
	TEST(compaction_hash_14685),
	TEST(crash_revisions_13766),
	TEST(crash_pages_20271),
	TEST(other_history),
	TEST(large_delete),
	TEST(large_delete_crash),
	TEST(format_twice),
	TEST(lease_errors),
	TEST(lease_attachments),
	TEST(lease_in_txn),
	TEST(lease_in_one_batch),
	TEST(lease_checkpoints),
	TEST(lease_crash_13766),
	TEST(lease_other_history),
	TEST(lease_unpublished),
	TEST(lease_keys_die_9935),
	TEST(lease_large_revoke),
	TEST(lease_expiry_in_masses),
	TEST(auth_errors),
	TEST(auth_who),
	TEST(auth_nested_txn),
	TEST(auth_reads),
	TEST(auth_leases),
	TEST(auth_admin),
	TEST(auth_versions),
	TEST(auth_crash_14571),
	TEST(auth_other_history),
	TEST(auth_permissions),
	TEST(auth_large_role),
	TEST(snapshot_copy),
	TEST(snapshot_while_writing),
	TEST(snapshot_interrupted),
	TEST(snapshot_damaged),
	TEST(snapshot_incomplete),
	TEST(snapshots_in_succession_18055),
	{NULL, NULL}
};
