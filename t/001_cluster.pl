# Three members make one store; one member alone makes one, too.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/001_cluster.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use QuorumCluster;
use Test::More;
use Time::HiRes qw(sleep time);

my $cluster = QuorumCluster->new('cluster')->start;
my $leader = $cluster->leader;

# What each says of itself and of the others.
my %roles;
$roles{ $cluster->sql($_, 'SELECT role FROM quorum.status') }++ for $cluster->members;
is_deeply(\%roles, { leader => 1, follower => 2 }, 'one leads and two follow');
for my $what (qw(cluster_id leader term))
{
	my %said;
	$said{ $cluster->sql($_, "SELECT $what FROM quorum.status") } = 1 for $cluster->members;
	is(scalar keys %said, 1, "all say the same $what");
}
for my $i ($cluster->members)
{
	is($cluster->sql($i, 'SELECT name FROM quorum.status'), "n$i", "n$i knows its name");
	is($cluster->sql($i, 'SELECT quarantined IS NULL FROM quorum.status'), 't', "n$i is not quarantined");
	is( $cluster->sql($i,
			"SELECT string_agg(name || ':' || is_self || ':' || is_leader, ' ' ORDER BY name) FROM quorum.members"),
		join(' ', map { "n$_:" . ($_ == $i ? 'true' : 'false') . ':' . ($_ == $leader ? 'true' : 'false') }
			  $cluster->members),
		"n$i knows the members");
}

# A write anywhere is read everywhere, at once.
my $revision = $cluster->sql(1, 'SELECT quorum.revision()');
for my $writer ($cluster->members)
{
	is($cluster->sql($writer, "SELECT quorum.put('from/$writer', 'v$writer')"),
		++$revision, "put on n$writer makes the next revision");
	for my $reader ($cluster->members)
	{
		is($cluster->sql($reader, "SELECT quorum.get('from/$writer')"),
			"v$writer", "n$reader reads what n$writer wrote");
	}
}
is($cluster->sql(2, "SELECT quorum.put_if_absent('from/1', 'other')"), 'f', 'a key is made once');
is($cluster->sql(3, "SELECT quorum.cas('from/1', $revision - 2, 'swapped')"), 't', 'compare and swap on another member');
is($cluster->sql(2, "SELECT quorum.cas('from/1', $revision - 2, 'again')"), 'f', 'and not twice');
is($cluster->sql(1, "SELECT quorum.delete('from/', prefix => true)"), 3, 'delete by prefix');
is($cluster->sql(3, "SELECT quorum.count('from/', prefix => true)"), 0, 'seen by the others');

# Its effects do not wait for the transaction around it and survive its end.
$cluster->sql(2, "BEGIN; SELECT quorum.put('kept', 'yes'); ROLLBACK");
is($cluster->sql(3, "SELECT quorum.get('kept')"), 'yes', 'a put is not undone by ROLLBACK');

# A restart of all members loses nothing.
$cluster->node($_)->stop('fast') for $cluster->members;
$cluster->start_member($_) for $cluster->members;
$cluster->leader;
is($cluster->sql($_, "SELECT quorum.get('kept')"), 'yes', "n$_ has it after a restart") for $cluster->members;
is($cluster->differences, '', 'all members are equal');
is($cluster->findings, '', 'all pages are sound');

# Privileges: nothing is for everybody.
$cluster->sql(1, 'CREATE ROLE nobody LOGIN');
my ($state) = $cluster->sql_error(1, "SET ROLE nobody; SELECT quorum.get('kept')");
is($state, '42501', 'a role without grants reads nothing');
($state) = $cluster->sql_error(1, "SET ROLE nobody; CALL quorum.raft_stream()");
is($state, '42501', 'and sends no messages');
$cluster->sql(1, 'GRANT quorum_writer TO nobody');
is($cluster->sql(1, "SET ROLE nobody; SELECT quorum.put('kept', 'still') > 0"), 't', 'a writer writes');

$cluster->stop;

# A cluster of one needs the library and the extension, and nothing else.
my $single = PostgreSQL::Test::Cluster->new('single');
$single->init;
$single->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_quorum'\nfsync = on\nlog_statement = none\nrestart_after_crash = on\n");
$single->start;
my $quiet = -s $single->logfile;
sleep(3);
is(-s $single->logfile, $quiet, 'the library alone is silent');
$single->safe_psql('postgres', 'CREATE EXTENSION pg_quorum');
is($single->safe_psql('postgres', "SELECT quorum.put('a', '1')"), 2, 'a cluster of one takes a put at once');
is($single->safe_psql('postgres', "SELECT quorum.get('a')"), 1, 'and a get');
$single->restart;
is($single->safe_psql('postgres', "SELECT quorum.get('a')"), 1, 'also after a restart');
$single->safe_psql('postgres', 'DROP EXTENSION pg_quorum');
$single->safe_psql('postgres', 'CREATE EXTENSION pg_quorum');
is($single->safe_psql('postgres', "SELECT quorum.put('a', '1')"), 2, 'a new extension is a new store');
$single->stop;

done_testing();
