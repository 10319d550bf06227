# Members cut off from one or both others, one way or both, and healed.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/020_partition.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use QuorumCluster;
use Test::More;
use Time::HiRes qw(sleep time);

my $cluster = QuorumCluster->new('partition', proxies => 1, conf => "pg_quorum.request_timeout = '3s'")->start;

# While a leader is cut off from both others they elect another; the one cut
# off answers no linearizable call.
for my $mode ('cut', 'freeze')
{
	$cluster->under_load(
		"leader off both others ($mode)",
		sub {
			my $old = $cluster->leader;
			my @others = grep { $_ != $old } $cluster->members;
			my @links = $cluster->links_between([$old], \@others);
			$cluster->set_links($mode, @links);
			my $new = $cluster->leader(among => \@others);
			isnt($new, $old, 'the others elect a leader');
			is($cluster->sql($new, "SELECT quorum.put('side', 'many') > 0"), 't', 'and write');
			my ($state) = $cluster->sql_error($old, "SELECT quorum.get('side')");
			is($state, '57P03', 'no linearizable read on the lone member');
			($state) = $cluster->sql_error($old, "SELECT quorum.put('side', 'lone')");
			like($state, qr/^(?:57P03|08007)$/, 'and no write');
			$cluster->heal;
		});
}

# Pre-vote: a follower that was away neither unseats the leader nor moves the term.
my $leader = $cluster->leader;
my $term = $cluster->sql($leader, 'SELECT term FROM quorum.status');
$cluster->under_load(
	'follower off both others',
	sub {
		my ($away) = $cluster->followers;
		my @others = grep { $_ != $away } $cluster->members;
		$cluster->set_links('freeze', $cluster->links_between([$away], \@others));
		sleep(3);
		is($cluster->sql($away, 'SELECT quorum.get(\'none\', serializable => true) IS NULL'), 't', 'serializable reads work there');
		$cluster->heal;
		sleep(2);
	});
is($cluster->leader, $leader, 'the leader stays');
is($cluster->sql($leader, 'SELECT term FROM quorum.status'), $term, 'and the term');

# The leader and one follower do not reach each other; the third reaches both.
$cluster->under_load(
	'leader off one follower',
	sub {
		my $old = $cluster->leader;
		my ($other) = $cluster->followers;
		$cluster->set_links('cut', $cluster->links_between([$old], [$other]));
		sleep(4);
		$cluster->heal;
	});

# One way only.
for my $direction ('from', 'to')
{
	$cluster->under_load(
		"nothing goes $direction the leader",
		sub {
			my $old = $cluster->leader;
			my @others = grep { $_ != $old } $cluster->members;
			$cluster->set_links('freeze',
				$direction eq 'from'
				? $cluster->links_from([$old], \@others)
				: $cluster->links_from(\@others, [$old]));
			sleep(4);
			$cluster->heal;
		});
}
$cluster->under_load(
	'nothing goes from the leader to one follower',
	sub {
		my $old = $cluster->leader;
		my ($other) = $cluster->followers;
		$cluster->set_links('freeze', $cluster->links_from([$old], [$other]));
		sleep(4);
		$cluster->heal;
	});

$cluster->stop;
done_testing();
