# A member that was away too long is brought up by a snapshot.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/030_snapshot.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use QuorumCluster;
use Test::More;
use Time::HiRes qw(sleep time);

my $cluster = QuorumCluster->new('snapshot', proxies => 1, conf => "pg_quorum.catchup_entries = 100\nmax_wal_size = '1GB'")->start;

# Many writes, so that the log forgets what a stopped member would need.
sub write_much
{
	my ($tag, $keys, $size) = @_;
	my $leader = $cluster->leader;
	$cluster->sql($leader, "
		DO \$\$ BEGIN
		  FOR i IN 1..$keys BY 20 LOOP
		    PERFORM quorum.txn('{}'::quorum.compare[],
		      (SELECT array_agg(quorum.op_put('fill/' || k, repeat('$tag', $size)))
		         FROM generate_series(i, i + 19) k), '{}'::quorum.op[]);
		  END LOOP;
		END \$\$");
	return;
}

# Stop a member and write until the log has forgotten what it needs.
sub outpace
{
	my ($member, $tag, $size) = @_;
	my (undef, $last) = log_bounds($member);
	$cluster->node($member)->stop('fast');
	my $first = 0;
	for (1 .. 20)
	{
		write_much($tag, 4000, $size);
		($first) = log_bounds($cluster->leader);
		last if $first > $last + 1;
	}
	cmp_ok($first, '>', $last + 1, 'the log has forgotten what the member needs');
	return;
}

sub log_bounds { return split(/\|/, $cluster->sql($_[0], 'SELECT min(index), max(index) FROM quorum.raft_log')) }

# The shape of a snapshot: entries the member never had are not in its log.
my ($away) = $cluster->followers;
my (undef, $last) = log_bounds($away);
my $load;
$cluster->under_load(
	'away too long',
	sub {
		outpace($away, 'a', 100);
		$cluster->sql($cluster->leader, "SELECT quorum.delete('fill/1', range_end => 'fill/2')");
		$cluster->start_member($away);
		is($cluster->differences, '', 'the member is brought up while writes go on');
	});
my ($first) = log_bounds($away);
cmp_ok($first, '>', $last + 1, 'by a snapshot');

# Killed in the middle, on either side.
write_much('b', 20000, 1000);
for my $side ('receiver', 'sender')
{
	$cluster->under_load(
		"$side killed during a snapshot",
		sub {
			($away) = $cluster->followers;
			outpace($away, 'c', 10);
			my $sender = $cluster->leader;
			$cluster->set_links('slow', "$sender>$away");
			$cluster->start_member($away);
			my $seen = $cluster->sql($sender, "
				DO \$\$ BEGIN
				  FOR i IN 1..4000 LOOP
				    EXIT WHEN (SELECT state = 'snapshot' FROM quorum.members WHERE name = 'n$away');
				    PERFORM pg_sleep(0.002);
				  END LOOP;
				END \$\$;
				SELECT state FROM quorum.members WHERE name = 'n$away'");
			is($seen, 'snapshot', 'a snapshot is on its way');
			sleep(0.5);
			my $victim = $side eq 'receiver' ? $away : $sender;
			$cluster->kill_postmaster($victim);
			$cluster->heal;
			sleep(0.5);
			$cluster->start_member($victim);
			is($cluster->differences, '', 'all members become equal');
		});
}

# Compaction travels, too.
$cluster->sql($cluster->leader, 'SELECT quorum.compact(quorum.revision())');
is($cluster->differences, '', 'equal after compaction');
($away) = $cluster->followers;
outpace($away, 'd', 10);
$cluster->sql($cluster->leader, 'SELECT quorum.compact(quorum.revision() - 1)');
$cluster->start_member($away);
is($cluster->differences, '', 'equal after a snapshot of a compacted store');
is($cluster->findings, '', 'all pages are sound');

$cluster->stop;
done_testing();
