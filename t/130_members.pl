# Grow a cluster from one member to five under load, and shrink it back to one.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/130_members.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use QuorumCluster;
use Test::More;
use Time::HiRes qw(sleep time);

my $cluster = QuorumCluster->new('members', members => 5, founders => 1)->start;

sub voters { return $cluster->sql($_[0], "SELECT string_agg(name, ',' ORDER BY name) FROM quorum.members WHERE NOT is_learner") }

sub removed
{
	my ($i) = @_;
	return $cluster->wait_until("n$i knows that it was removed",
		sub { ($cluster->try_sql($i, 'SELECT role FROM quorum.status') // '') eq 'removed' });
}

my $began = time();
$cluster->under_load(
	'grow and shrink',
	sub {
		$cluster->add_members(1, 2, 3);
		is(voters(2), 'n1,n2,n3', sprintf('three members after %.1f s', time() - $began));
		$cluster->add_members(2, 4, 5);
		is(voters(5), 'n1,n2,n3,n4,n5', sprintf('five members after %.1f s', time() - $began));
		is($cluster->differences, '', 'the new members are equal to the others');

		# a follower through another one, then the leader itself
		my $leader = $cluster->leader;
		my ($first, $second) = grep { $_ != $leader && $_ != 1 } $cluster->members;
		$cluster->remove_member($second, $first);
		ok(removed($first), 'a removed follower is told');
		$cluster->node($first)->stop('fast');
		$cluster->remove_member($second, $leader);
		ok(removed($leader), 'a removed leader is told');
		$cluster->node($leader)->stop('fast');

		# the remaining three leave by themselves but for one
		my ($stays, @leave) = grep { $_ != $first && $_ != $leader } $cluster->members;
		for my $i (@leave)
		{
			is($cluster->change_members($i, 'quorum.leave()'), '', "n$i leaves");
			$cluster->{size}--;
			ok(removed($i), "n$i knows it");
			$cluster->node($i)->stop('fast');
		}
		is(voters($stays), "n$stays", sprintf('one member after %.1f s', time() - $began));
	},
	clients => 10, rate => 20,
	expect => ['3F000']);    # an instance that runs, before its extension is created

$cluster->stop;
done_testing();
