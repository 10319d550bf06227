# What a DBA does to a database does not hurt ours, or is refused.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/050_ddl.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use QuorumCluster;
use Test::More;
use Time::HiRes qw(sleep time);

my $cluster = QuorumCluster->new('ddl')->start;
my $node = $cluster->node($cluster->leader);
my $leader = $cluster->leader;
$cluster->sql($leader, "SELECT quorum.put('k/' || i, repeat('v', i * 10)) FROM generate_series(1, 300) i");
my $hash = $cluster->sql($leader, 'SELECT hash FROM quorum.hash_kv()');

# After each of these the store is what it was, and works.
sub unharmed
{
	my ($what) = @_;
	is($cluster->sql($leader, 'SELECT hash FROM quorum.hash_kv()'), $hash, "$what: the store is what it was");
	is($cluster->findings($leader), '', "$what: the pages are sound");
	my ($rc, $stdout, $stderr) = $node->psql('postgres', "SELECT quorum.put('k/1', repeat('v', 10)) > 0");
	is($stdout, 't', "$what: a put works") or diag($stderr);
	$hash = $cluster->sql($leader, 'SELECT hash FROM quorum.hash_kv()');
	return;
}

my $tablespace = PostgreSQL::Test::Utils::tempdir();
$node->safe_psql('postgres', "CREATE TABLESPACE elsewhere LOCATION '$tablespace'");
for my $command (
	'VACUUM', 'VACUUM FREEZE', 'VACUUM FULL', 'VACUUM FULL quorum.mvcc', 'VACUUM FULL quorum.raft_log',
	'VACUUM quorum.mvcc', 'ANALYZE', 'ANALYZE quorum.mvcc', 'REINDEX DATABASE postgres', 'CHECKPOINT',
	'ALTER TABLE quorum.mvcc SET TABLESPACE elsewhere',
	'ALTER TABLE quorum.raft_log SET TABLESPACE elsewhere',
	'ALTER TABLE quorum.mvcc SET TABLESPACE pg_default')
{
	my ($rc, $stdout, $stderr) = $node->psql('postgres', $command, timeout => 60);
	is($rc, 0, "$command works") or diag($stderr);
	unharmed($command);
}
$node->restart;
$cluster->leader;
unharmed('a restart after all that');
is($cluster->differences, '', 'all members are equal');
$leader = $cluster->leader;
$node = $cluster->node($leader);

# A dump carries the extension and no data of ours.
my ($dump) = run_command([ 'pg_dump', '-d', $cluster->conninfo($leader) ]);
like($dump, qr/CREATE EXTENSION .*pg_quorum/, 'pg_dump dumps the extension');
unlike($dump, qr/vvvvvvvvvv/, 'and none of its data');

# Refused, each with an SQLSTATE and a hint.
for my $command (
	'TRUNCATE quorum.mvcc', 'TRUNCATE quorum.raft_log',
	'ALTER TABLE quorum.mvcc SET ACCESS METHOD heap', 'ALTER TABLE quorum.raft_log SET ACCESS METHOD heap',
	'ALTER TABLE quorum.mvcc SET UNLOGGED', 'ALTER TABLE quorum.raft_log SET UNLOGGED',
	"INSERT INTO quorum.mvcc (key) VALUES ('x')", 'DELETE FROM quorum.mvcc', "UPDATE quorum.mvcc SET value = 'x'",
	'DELETE FROM quorum.raft_log', 'SELECT * FROM quorum.mvcc FOR UPDATE',
	'CREATE INDEX ON quorum.mvcc (key)', 'CREATE TABLE mine (i int) USING quorum_tree',
	'ALTER TABLE quorum.mvcc ADD COLUMN more float DEFAULT random()')
{
	my ($state, $message) = $cluster->sql_error($leader, $command);
	like($state, qr/^(?:0A000|55000|42809|42501)$/, "$command is refused") or diag($message);
	like($message, qr/HINT/, "$command: with a hint")
	  if $command =~ /TRUNCATE|ACCESS METHOD|UNLOGGED|^INSERT|^DELETE|^UPDATE/;
}
($hash) = $cluster->sql($leader, 'SELECT hash FROM quorum.hash_kv()');
unharmed('all that was refused');
is($cluster->sql($leader, 'SELECT count(*) > 300 FROM quorum.mvcc'), 't', 'SELECT on quorum.mvcc');
is($cluster->sql($leader, 'SELECT count(*) > 0 FROM quorum.raft_log'), 't', 'SELECT on quorum.raft_log');

# Other databases come and go at once.
my $from = time();
$cluster->sql($leader, 'CREATE DATABASE other');
$cluster->sql($leader, 'DROP DATABASE other');
cmp_ok(time() - $from, '<', 10, 'CREATE and DROP DATABASE of another database');
$from = time();
$node->safe_psql('postgres', 'SELECT pg_reload_conf()');
$node->restart;
cmp_ok(time() - $from, '<', 10, 'a fast restart is fast');
$cluster->leader;

# DROP EXTENSION on one member: it has left; the two others go on.
my ($gone) = $cluster->followers;
my ($state, $message) = $cluster->sql_error($gone, "SET lock_timeout = '20s'; DROP EXTENSION pg_quorum");
is($state, '', 'DROP EXTENSION works') or diag($message);
my @left = grep { $_ != $gone } $cluster->members;
$leader = $cluster->leader(among => \@left);
is($cluster->sql($leader, "SELECT quorum.put('without', 'it') > 0"), 't', 'the others go on');
($state) = $cluster->sql_error($gone, "SELECT quorum.put('x', 'y')");
is($state, '3F000', 'and there is no schema where it was');
$cluster->stop;

# The database that holds the store can be dropped, and made again.
my $single = PostgreSQL::Test::Cluster->new('holder');
$single->init;
$single->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_quorum'\npg_quorum.database = 'holder'\nfsync = on\nlog_statement = none\n");
$single->start;
for my $round (1 .. 2)
{
	$single->safe_psql('postgres', 'CREATE DATABASE holder');
	$single->safe_psql('holder', 'CREATE EXTENSION pg_quorum');
	ok( $single->poll_query_until('holder', "SELECT role = 'leader' FROM quorum.status"), "round $round: a store in its own database");
	is($single->safe_psql('holder', "SELECT quorum.put('a', '1')"), 2, 'takes a put');
	$from = time();
	my ($rc, $stdout, $stderr) = $single->psql('postgres', 'DROP DATABASE holder', timeout => 30);
	is($rc, 0, 'DROP DATABASE works') or diag($stderr);
	cmp_ok(time() - $from, '<', 10, 'without delay');
}
is($single->safe_psql('postgres', 'SELECT 1'), 1, 'the instance lives');
$single->stop;

done_testing();
