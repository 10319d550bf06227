# A new leader serves writes within three election timeouts of a leader's death.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/012_failover.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use QuorumCluster;
use Test::More;
use Time::HiRes qw(sleep time);

use constant ELECTION_TIMEOUT => 1.0;

my $cluster = QuorumCluster->new('failover',
	conf => "pg_quorum.election_timeout = '1s'\npg_quorum.heartbeat_interval = '100ms'")->start;

# From the death to the first write that a survivor acknowledges.
sub time_to_write
{
	my ($death) = @_;
	my $victim = $cluster->leader;
	my ($survivor) = grep { $_ != $victim } $cluster->members;
	my $from = time();
	$death->($victim);
	until (defined $cluster->try_sql($survivor, "SELECT quorum.put('alive', 'yes')"))
	{
		last if time() - $from > 20;
	}
	return (time() - $from, $victim);
}

for my $round (1 .. 3)
{
	my ($took, $victim) = time_to_write(sub { $cluster->kill_postmaster($_[0]) });
	cmp_ok($took, '<', 3 * ELECTION_TIMEOUT, sprintf('kill -9 of the postmaster, round %d: writes after %.2f s', $round, $took));
	$cluster->start_member($victim);
	is($cluster->differences, '', 'the old leader comes back and is equal');
}

my ($took, $victim) = time_to_write(sub { $cluster->stop_immediately($_[0]) });
cmp_ok($took, '<', 3 * ELECTION_TIMEOUT, sprintf('immediate stop: writes after %.2f s', $took));
$cluster->start_member($victim);
is($cluster->differences, '', 'the old leader comes back and is equal');

($took) = time_to_write(
	sub {
		my $pid = $cluster->kill_worker($_[0], 'pg_quorum raft');
		$cluster->worker_came_back($_[0], 'pg_quorum raft', $pid);
	});
cmp_ok($took, '<', 3 * ELECTION_TIMEOUT, sprintf('kill -9 of the worker: writes after %.2f s', $took));
is($cluster->differences, '', 'all members are equal');

$cluster->stop;
done_testing();
