# kill -9 and immediate stops under load: nothing acknowledged is lost.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/010_crash.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use QuorumCluster;
use Test::More;
use Time::HiRes qw(sleep time);

my $cluster = QuorumCluster->new('crash')->start;

$cluster->under_load('nothing happens', sub { sleep(2) });

$cluster->under_load(
	'kill -9 of the leader\'s postmaster',
	sub {
		my $victim = $cluster->leader;
		$cluster->kill_postmaster($victim);
		$cluster->leader;
		sleep(1);
		$cluster->start_member($victim);
	});

$cluster->under_load(
	'kill -9 of a follower\'s postmaster',
	sub {
		my ($victim) = $cluster->followers;
		$cluster->kill_postmaster($victim);
		sleep(1);
		$cluster->start_member($victim);
	});

$cluster->under_load(
	'immediate stop of the leader',
	sub {
		my $victim = $cluster->leader;
		$cluster->stop_immediately($victim);
		$cluster->leader;
		$cluster->start_member($victim);
	});

$cluster->under_load(
	'immediate stop of a follower',
	sub {
		my ($victim) = $cluster->followers;
		$cluster->stop_immediately($victim);
		sleep(1);
		$cluster->start_member($victim);
	});

$cluster->under_load(
	'kill -9 of all postmasters at once',
	sub {
		$cluster->kill_postmaster($_) for $cluster->members;
		$cluster->start_member($_) for $cluster->members;
	});

$cluster->stop;
done_testing();
