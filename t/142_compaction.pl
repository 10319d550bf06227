# Compaction of a long past while clients write, read and compare: nobody waits
# for it, nothing is lost by it, and it survives a crash in the middle.
#
# etcd's issues 9222 and 15477: giving space back stopped the world.  17780: a
# crash during compaction made the revision go down.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/142_compaction.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use QuorumCluster;
use Test::More;

my $cluster = QuorumCluster->new('compaction', members => 3)->start;
my $leader = $cluster->leader;

# Forty thousand versions of a thousand keys, a hundred changes a transaction.
sub write_past
{
	$cluster->sql($leader, q{
		SELECT count(t.revision) FROM generate_series(1, 400) AS r,
			LATERAL quorum.txn(NULL,
				(SELECT array_agg(quorum.op_put('past/' || ((r * 100 + k) % 1000), repeat('v', 200)))
				 FROM generate_series(1, 100) AS k), NULL) AS t});
	return;
}

sub in_use { return $cluster->sql($_[0], 'SELECT size_in_use FROM quorum.status') }

write_past();
my $full = in_use($leader);
my $revision = $cluster->sql($leader, 'SELECT quorum.revision()');
my ($from, $to);
my $load = $cluster->under_load(
	'a compaction under load',
	sub {
		sleep(2);
		$from = $cluster->now_ns;
		# what the load writes stays, for the judge
		$cluster->sql($leader, "SELECT quorum.compact($revision, physical => true)");
		$to = $cluster->now_ns;
	});

# The longest that a put or a swap took meanwhile.  What is shown is for a
# reader; what is demanded leaves room for a busy machine.
my ($longest, $count) = (0, 0);
open(my $fh, '<', $load->{file}) or die "no history: $!";
while (<$fh>)
{
	my ($type, undef, undef, $kind, undef, $invoked, $returned, $outcome) = split(/\t/);
	next if $type ne 'O' || $kind !~ /^(?:put|swap)$/ || $outcome ne 'ok' || $returned < $from || $invoked > $to;
	$count++;
	$longest = $returned - $invoked if $returned - $invoked > $longest;
}
close($fh);
note(sprintf('%d writes during %.1f s of compaction, the longest %.1f ms', $count, ($to - $from) / 1e9, $longest / 1e6));
cmp_ok($count,   '>', 0,   'writes were answered while it went on');
cmp_ok($longest, '<', 2e9, 'and none waited for its end');
for my $i ($cluster->members)
{
	ok($cluster->wait_until("space on n$i", sub { in_use($i) < $full / 3 }), "n$i has its space back");
}

# Crash the leader in the middle of the next one.
write_past();
$revision = $cluster->sql($leader, 'SELECT quorum.revision()');
$cluster->sql($leader, 'SELECT quorum.compact(quorum.revision())');
$cluster->kill_postmaster($leader);
$cluster->start_member($leader);
$cluster->agreed;
cmp_ok($cluster->sql($leader, 'SELECT quorum.revision()'), '>=', $revision, 'the revision has not gone down (17780)');
for my $i ($cluster->members)
{
	ok($cluster->wait_until("space on n$i", sub { in_use($i) < $full / 3 }), "n$i goes on after the crash");
	ok( $cluster->wait_until(
			"end of the compaction on n$i",
			sub { $cluster->sql($i, q{SELECT count(*) FROM quorum.mvcc WHERE key >= 'past/' AND key < 'past0'}) eq '1000' }),
		"n$i keeps one version of each key");
}
is($cluster->differences, '', 'all members are equal');
is($cluster->findings,    '', 'all pages are sound');

$cluster->stop;
done_testing();
