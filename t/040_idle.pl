# A cluster at rest writes no WAL, burns no xid and holds nothing back.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/040_idle.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use QuorumCluster;
use Test::More;
use Time::HiRes qw(sleep time);

use constant REST => 20;

# Without PostgreSQL's own reasons to write.
my $cluster = QuorumCluster->new('idle', conf => "wal_level = minimal\nmax_wal_senders = 0\n"
	  . "wal_log_hints = off\nautovacuum = off\ncheckpoint_timeout = '1h'\n"
	  . "log_checkpoints = off\nlog_connections = off\nlog_disconnections = off")->start;
$cluster->sql($_, "SELECT quorum.put('at/$_', 'rest')") for $cluster->members;

# Clients that wait: one that listens, one that streams.
my $leader = $cluster->leader;
my %client = map { ($_ => $cluster->session($leader)) } qw(listen stream);
$cluster->send_to($client{listen}, "SELECT channel <> '' AS watching FROM quorum.watch('at/', prefix => true);\n\\echo ready");
ok($cluster->hear($client{listen}, qr/ready/), 'a client listens');
$cluster->send_to($client{stream}, "CALL quorum.watch_stream('at/', prefix => true);");
ok( $cluster->wait_until('the stream',
		sub { $cluster->sql($leader, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CALL quorum.watch_stream%' AND state = 'active'") == 1 }),
	'a client streams');
my %what = (
	wal  => 'SELECT pg_current_wal_insert_lsn()',
	xid  => 'SELECT pg_snapshot_xmax(pg_current_snapshot())',
	term => 'SELECT term FROM quorum.status');

# Members that have found each other have nothing more to say about it: two
# streams from each of the others.
for my $i ($cluster->members)
{
	ok($cluster->node($i)->poll_query_until('postgres',
		"SELECT count(*) >= 4 FROM pg_stat_activity WHERE application_name LIKE 'pg_quorum/%' AND query LIKE 'CALL quorum.raft_stream%'"),
		"n$i is connected");
}

# Whoever reads a page may prune it: let that be done before.
for my $i ($cluster->members)
{
	$cluster->sql($i, 'VACUUM');
	$cluster->sql($i, $_) for values %what;
}
sleep(3);

my %before;
for my $i ($cluster->members)
{
	$before{$_}{$i} = $cluster->sql($i, $what{$_}) for keys %what;
	$before{log}{$i} = -s $cluster->node($i)->logfile;
}
my $xmin = 0;
my $until = time() + REST;
while (time() < $until)
{
	for my $i ($cluster->members)
	{
		$xmin += $cluster->sql($i, "SELECT count(*) FROM pg_stat_activity
			WHERE (backend_type LIKE 'pg_quorum%' OR query LIKE 'CALL quorum.watch_stream%' OR query LIKE '%quorum.watch(%')
			  AND pid <> pg_backend_pid() AND backend_xmin IS NOT NULL");
	}
	sleep(0.5);
}
for my $i ($cluster->members)
{
	is($cluster->sql($i, $what{wal}), $before{wal}{$i}, "n$i wrote no WAL in " . REST . ' s');
	is($cluster->sql($i, $what{xid}), $before{xid}{$i}, "n$i burned no xid");
	is($cluster->sql($i, $what{term}), $before{term}{$i}, "n$i saw no election");
	is(-s $cluster->node($i)->logfile, $before{log}{$i}, "n$i logged nothing");
}
is($xmin, 0, 'no worker and no waiting client holds backend_xmin');

# A put costs no xid either, while nobody listens for it.
my ($other) = $cluster->followers;
my $before = $cluster->sql($other, $what{xid});
$cluster->sql($other, "SELECT quorum.put('else/where', 'x') FROM generate_series(1, 20)");
is($cluster->sql($other, $what{xid}), $before, 'puts that nobody watches burn no xid');

# The ones that wait do get what they wait for.
$cluster->sql($other, "SELECT quorum.put('at/last', 'event')");
ok( $cluster->wait_until('the notification',
		sub { $cluster->send_to($client{listen}, 'SELECT 1;'); $client{listen}{out} =~ /at\/last/ }, 10),
	'NOTIFY brings it')
  or diag($client{listen}{out});

# psql shows notifications only after its command: end it.
$cluster->sql($leader, "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CALL quorum.watch_stream%' AND pid <> pg_backend_pid()");
ok($cluster->hear($client{stream}, qr/at\/last/, 10), 'the stream brings it');

$cluster->stop('immediate');
done_testing();
