# The same random requests to Debian's etcd and to our members: test/etcd/differential.
#
# PGQ_DIFFERENTIAL_SEEDS and PGQ_DIFFERENTIAL_SECONDS set how much.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/240_etcd_differential.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use QuorumCluster;
use Test::More;

my $seeds   = $ENV{PGQ_DIFFERENTIAL_SEEDS}   // '1-27';
my $seconds = $ENV{PGQ_DIFFERENTIAL_SECONDS} // 30;

my $cluster = QuorumCluster->new('differential', gateway => 1)->start;

# One that is wrong ends it; the words say how to replay it.
my ($out, $err) = ('', '');
my $ran = IPC::Run::run(
	[
		"$FindBin::RealBin/../test/etcd/differential", '--subject', $cluster->endpoints,
		'--seeds', $seeds, '--seconds', $seconds ],
	'<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout($seconds + 600));
for my $line (split(/\n/, $out)) { note($line) }
for my $seed ($out =~ /^(seed \d+ \(\w+, \d+ steps\)): equal$/mg) { pass("$seed: every answer as etcd's") }
ok($ran, 'no answer differs from etcd\'s in what is exact') or diag($out, $err);
my ($passed) = $out =~ /^(\d+) passed, 0 failed$/m;
cmp_ok($passed // 0, '>=', 1, 'requests were compared');

is($cluster->differences, '', 'all members are equal');
is($cluster->findings, '', 'all pages are sound');

$cluster->stop;
done_testing();
