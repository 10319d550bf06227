# A member that may have forgotten its promises neither votes nor appends, and rejoins.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/060_quarantine.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use QuorumCluster;
use Test::More;
use Time::HiRes qw(sleep time);

use PostgreSQL::Test::RecursiveCopy;
use File::Path 'rmtree';

my $cluster = QuorumCluster->new('quarantine', conf => "wal_log_hints = on\nwal_keep_size = '256MB'")->start;
my $victim = ($cluster->followers)[0];
my @others = grep { $_ != $victim } $cluster->members;
my $node = $cluster->node($victim);

sub quarantined { return $cluster->try_sql($victim, 'SELECT quarantined FROM quorum.status') }

# The member is out, says why, and is of no use to an election.
sub is_out
{
	my ($what) = @_;
	my $reason;
	ok($cluster->wait_until("quarantine after $what", sub { $reason = quarantined(); defined $reason && $reason ne '' }),
		"$what: the member is quarantined");
	note("$what: " . ($reason // ''));
	like($reason // '', qr/\w+ \w+/, "$what: and says why");
	my ($state, $message) = $cluster->sql_error($victim, "SELECT quorum.put('from', 'quarantine')");
	is($state, '55000', "$what: it takes no put");
	like($message, qr/rejoin/, "$what: and points to the way out");
	my ($last) = $cluster->sql($victim, 'SELECT coalesce(max(index), 0) FROM quorum.raft_log');

	# With one of two healthy members down there is no quorum: its vote is not had.
	my $down = ($cluster->followers_among(@others))[0];
	my ($up) = grep { $_ != $down } @others;
	$cluster->node($down)->stop('fast');
	($state) = $cluster->sql_error($up, "SELECT quorum.put('with', 'quarantine')");
	like($state, qr/^(?:57P03|08007)$/, "$what: its vote and its log do not count");
	$cluster->start_member($down);
	$cluster->leader(among => \@others);
	is($cluster->sql($victim, 'SELECT coalesce(max(index), 0) FROM quorum.raft_log'), $last, "$what: it appends nothing");
	return;
}

sub rejoins
{
	my ($what) = @_;
	$cluster->sql($victim, 'SELECT quorum.rejoin()');
	ok( $cluster->wait_until("rejoin after $what", sub { my $q = quarantined(); defined $q && $q eq '' }),
		"$what: rejoins by one call");
	is($cluster->differences, '', "$what: and becomes equal");
	$cluster->sql($victim, "SELECT quorum.put('again', '$what')");
	is($cluster->findings, '', "$what: all pages are sound");
	return;
}

# Put a data directory in the place of the member's own.
sub replace_data
{
	my ($from) = @_;
	rmtree($node->data_dir);
	PostgreSQL::Test::RecursiveCopy::copypath($from, $node->data_dir);
	chmod(0700, $node->data_dir);
	return;
}

sub fill
{
	my ($tag) = @_;
	my $leader = $cluster->leader(among => \@others);
	$cluster->sql($leader, "SELECT quorum.put('fill/$tag/' || i, 'x') FROM generate_series(1, 50) i");
	return;
}

# Restored from a base backup: writes it had acknowledged are gone.
$node->backup('base');
fill('base');
is($cluster->differences, '', 'equal before');
$node->stop('fast');
replace_data($node->backup_dir . '/base');
$cluster->start_member($victim);
is_out('base backup');
rejoins('base backup');

# Restored by a copy of the files of a clean stop, put back later.
$node->stop('fast');
PostgreSQL::Test::RecursiveCopy::copypath($node->data_dir, $node->backup_dir . '/cold');
$cluster->start_member($victim);
$cluster->leader;
fill('cold');
is($cluster->differences, '', 'equal before');
$node->stop('fast');
replace_data($node->backup_dir . '/cold');
$cluster->start_member($victim);
is_out('old copy');
rejoins('old copy');

# Promoted from a standby that takes the place of the member.
$node->backup('for_standby');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'for_standby', has_streaming => 1);
$standby->append_conf('postgresql.conf', "listen_addresses = ''");
$standby->start;
fill('standby');
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
$standby->stop('fast');
$node->stop('fast');
PostgreSQL::Test::RecursiveCopy::copypath($node->data_dir, $node->backup_dir . '/before_promotion');
replace_data($standby->data_dir);
$node->append_conf('postgresql.conf', "port = " . $node->port . "\nlisten_addresses = '127.0.0.1'\n"
	  . "unix_socket_directories = '" . $node->host . "'\nprimary_conninfo = ''");
$cluster->start_member($victim);
$node->promote;
is_out('promotion');
rejoins('promotion');

# Rewound to another timeline: what a DBA does with a failed primary.
$standby->start;
$standby->promote;
$standby->safe_psql('postgres', 'CREATE TABLE other_line (); CHECKPOINT');
$node->stop('fast');
replace_data($node->backup_dir . '/before_promotion');
my $conf = slurp_file($node->data_dir . '/postgresql.conf');
command_ok(
	[ 'pg_rewind', '--source-server', $standby->connstr('postgres'), '--target-pgdata', $node->data_dir, '--no-sync' ],
	'pg_rewind');
$standby->stop('immediate');
open(my $fh, '>', $node->data_dir . '/postgresql.conf');
print $fh $conf;
close($fh);
unlink($node->data_dir . '/standby.signal', $node->data_dir . '/recovery.signal');
$cluster->start_member($victim);
is_out('pg_rewind');
rejoins('pg_rewind');

# A copy that runs beside the original: one identity, two holders.
$node->backup('copy');
my $copy = PostgreSQL::Test::Cluster->new('copy');
$copy->init_from_backup($node, 'copy');
$copy->append_conf('postgresql.conf', "listen_addresses = '127.0.0.1'");
fill('copy');
$copy->start;
ok( $cluster->wait_until('quarantine of the copy',
		sub { my ($rc, $out) = $copy->psql('postgres', "SELECT quarantined IS NOT NULL FROM quorum.status"); return ($out // '') eq 't' }),
	'a copy is quarantined');
note($copy->safe_psql('postgres', 'SELECT quarantined FROM quorum.status'));
my ($rc, $out, $err) = $copy->psql('postgres', "SELECT quorum.put('from', 'copy')");
isnt($rc, 0, 'and takes no put');
is($cluster->sql($victim, "SELECT quorum.put('from', 'original') > 0"), 't', 'the original works on');
is($cluster->sql($victim, 'SELECT quarantined IS NULL FROM quorum.status'), 't', 'and is not quarantined');
$copy->stop('immediate');
is($cluster->differences, '', 'all members are equal');

$cluster->stop;
done_testing();
