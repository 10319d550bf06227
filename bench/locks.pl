# locks.pl - what locks cost; called by bench/locks.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   bench/locks.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Bench::Common;
use Bench::Quorum;
use Getopt::Long;

my %option = (members => 3, seconds => 5, sessions => '1,16,128', port => 5501);
GetOptions(\%option, 'members=i', 'seconds=f', 'sessions=s', 'port=i', 'dir=s', 'bin=s')
  or exit 2;

my $cluster = Bench::Quorum->new(
	dir     => $option{dir},
	port    => $option{port},
	bin     => $option{bin},
	members => $option{members});

my @workloads = (
	[ 'each its own lock', 'SELECT quorum.lock(:client_id::text); SELECT quorum.unlock(:client_id::text);' ],
	[ 'one lock for all',  "SELECT quorum.lock('one'); SELECT quorum.unlock('one');" ],
	[ 'try_lock, own',     'SELECT quorum.try_lock(:client_id::text); SELECT quorum.unlock(:client_id::text);' ],
	[ 'assert_token',      "SELECT quorum.assert_token('held', (SELECT create_revision FROM quorum.leader('held')));" ]);

$| = 1;
$cluster->start;
$cluster->sql(1, "SELECT quorum.put('held/1', '')");
printf "%-20s %9s %10s %10s %10s\n", 'pairs of', 'sessions', 'per second', 'p50', 'p99';
for my $workload (@workloads)
{
	my ($name, $sql) = @$workload;
	for my $sessions (split(/,/, $option{sessions}))
	{
		my $result = $cluster->run(join("\n", split(/(?<=;) /, $sql)) . "\n", $sessions, $option{seconds});
		printf "%-20s %9d %10.0f %7.2f ms %7.2f ms%s\n", $name, $sessions, @$result{qw(ops p50 p99)},
		  $name eq 'one lock for all' && $sessions > 1
		  ? sprintf('   %.2f ms to hand over', 1000 / $result->{ops})
		  : '';
	}
}
