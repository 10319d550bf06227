# The SQL functions and views on a hot standby of a member: this server's
# state can be read there, and nothing else.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/003_standby.pl

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $member = PostgreSQL::Test::Cluster->new('member');
$member->init(allows_streaming => 1);
$member->append_conf('postgresql.conf', qq{
shared_preload_libraries = 'pg_quorum'
fsync = on
max_worker_processes = 16
pg_quorum.member_name = 'm1'
pg_quorum.initial_cluster = 'm1=host=127.0.0.1 port=5432 password=hidden application_name=''a b'''
});
$member->start;
$member->safe_psql('postgres', q{
	CREATE EXTENSION pg_quorum;
	SELECT quorum.put('a', '1'), quorum.put('a', '2'), quorum.put('b', '3');
	SELECT count(quorum.put('many/' || i, repeat('v', i))) FROM generate_series(1, 500) AS i;
});

$member->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($member, 'base', has_streaming => 1);
$standby->start;
$member->safe_psql('postgres', q{SELECT quorum.put('a', 'streamed'), quorum.delete('many/1', prefix => true)});

# The writes of the member are its WAL; any commit's position is behind them.
$member->safe_psql('postgres', 'CREATE TABLE mark ()');
$member->wait_for_catchup($standby, 'replay');

sub read_standby { return $standby->safe_psql('postgres', "SELECT $_[0]"); }

is(read_standby("quorum.get('a', serializable => true)"), 'streamed', 'get');
is(read_standby("quorum.get('a', revision => 2, serializable => true)"), '1', 'get of an old revision');
is(read_standby("quorum.get('a'::bytea, serializable => true)"), '\x73747265616d6564', 'get of bytea');
is(read_standby("count(*) FROM quorum.range('many/', prefix => true, serializable => true)"), 389, 'range');
is(read_standby("quorum.count('', prefix => true, serializable => true)"), 391, 'count');
is(read_standby("string_agg(value, ',') FROM quorum.history('a', serializable => true)"), '1,2,streamed', 'history');
is(read_standby("(quorum.txn('{}', ARRAY[quorum.op_range('b', serializable => true)])).responses #>> '{0,range,kvs,0,value}'"),
	3, 'a transaction of serializable reads');
is(read_standby("count(*) FROM quorum.keys"), 391, 'quorum.keys');
is(read_standby("count(*) FROM quorum.mvcc"), 504 + 111, 'quorum.mvcc');
is(read_standby("count(*) > 500 FROM quorum.raft_log WHERE request ? 'put'"), 't', 'quorum.raft_log');
is(read_standby("role, keys, quarantined FROM quorum.status"), 'standby|391|', 'quorum.status');
is(read_standby("name, is_self FROM quorum.members"), 'm1|f', 'quorum.members');
is(read_standby("conninfo FROM quorum.members"), q{host=127.0.0.1 port=5432 application_name='a b'},
	'a connection string without its password');
unlike(read_standby("string_agg(l::text, '') FROM quorum.raft_log AS l"), qr/hidden/, 'nor is it in quorum.raft_log');
is(read_standby("count(*) FROM quorum.check()"), 0, 'quorum.check()');
is(read_standby("hash, revision, compacted_revision FROM quorum.hash_kv()"),
	$member->safe_psql('postgres', 'SELECT hash, revision, compacted_revision FROM quorum.hash_kv()'),
	'quorum.hash_kv()');

for my $case (
	[ "quorum.get('a')",                                     '55000', 'linearizable reads are not possible' ],
	[ "quorum.range('a')",                                   '55000', 'linearizable reads are not possible' ],
	[ "quorum.revision()",                                   '55000', 'linearizable reads are not possible' ],
	[ "quorum.read_barrier()",                               '55000', 'linearizable reads are not possible' ],
	[ "quorum.txn('{}', ARRAY[quorum.op_range('a')])",       '55000', 'linearizable reads are not possible' ],
	[ "quorum.put('a', 'x')",                                '25006', 'cannot execute quorum.put\(\)' ],
	[ "quorum.delete('a')",                                  '25006', 'cannot execute quorum.delete\(\)' ],
	[ "quorum.txn('{}', ARRAY[quorum.op_put('a', 'x')])",    '25006', 'cannot execute quorum.txn\(\)' ],
	[ "quorum.compact(3)",                                   '25006', 'cannot execute quorum.compact\(\)' ],
	[ "quorum.rejoin()",                                     '25006', 'cannot execute quorum.rejoin\(\)' ],
	[ "CALL quorum.raft_stream()",                           '25006', 'cannot execute quorum.raft_stream\(\)' ])
{
	my ($call, $state, $message) = @$case;
	my $stderr;

	$standby->psql('postgres', $call =~ /^CALL/ ? $call : "SELECT $call", stderr => \$stderr, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	like($stderr, qr/ERROR:\s+$state: .*$message/, "$call is refused");
}

$standby->stop;
$member->stop;

done_testing();
