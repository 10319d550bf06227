# kill -9 of each worker and of a client backend under load.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/011_workers.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use QuorumCluster;
use Test::More;
use Time::HiRes qw(sleep time);

my $cluster = QuorumCluster->new('workers')->start;

for my $type ('pg_quorum raft', 'pg_quorum flusher', 'pg_quorum notifier')
{
	for my $where ('leader', 'follower')
	{
		# The roles of the two other workers hardly differ by member.
		next if $where eq 'follower' && $type eq 'pg_quorum notifier';
		$cluster->under_load(
			"kill -9 of $type on the $where",
			sub {
				my $victim = $where eq 'leader' ? $cluster->leader : ($cluster->followers)[0];
				my $pid = $cluster->kill_worker($victim, $type);
				ok($cluster->worker_came_back($victim, $type, $pid), "$type of the $where came back by itself");
			});
	}
}

$cluster->under_load(
	'kill -9 of a client backend',
	sub {
		my $victim = $cluster->leader;
		my $pid = $cluster->sql($victim,
			"SELECT pid FROM pg_stat_activity WHERE application_name = 'load' LIMIT 1");
		kill('KILL', $pid);
		sleep(1);
	});

# A polite end of a worker is no crash: nobody else notices.
for my $type ('pg_quorum raft', 'pg_quorum flusher', 'pg_quorum notifier')
{
	my $victim = $cluster->leader;
	my $other = $cluster->sql($victim, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'");
	my $pid = $cluster->worker_pid($victim, $type);
	$cluster->sql($victim, "SELECT pg_terminate_backend($pid)");
	ok($cluster->worker_came_back($victim, $type, $pid), "$type comes back after pg_terminate_backend");
	is($cluster->sql($victim, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'"),
		$other, 'without a restart of the instance');
	$cluster->leader;
	is($cluster->sql($victim, "SELECT quorum.put('after', 'it') > 0"), 't', 'and the member works');
}

# The first restart is at once, but one that ends whenever it begins does not keep the server busy.
{
	my $victim = ($cluster->followers)[0];
	my %pids;
	my $until = time() + 5;
	while (time() < $until)
	{
		my $pid = $cluster->worker_pid($victim, 'pg_quorum raft');
		next unless $pid;
		kill('TERM', $pid) unless $pids{$pid}++;
		sleep(0.01);
	}
	note('workers in 5 s: ' . keys(%pids));
	cmp_ok(scalar(keys %pids), '>=', 3, 'a worker that ends again and again is started again and again');
	cmp_ok(scalar(keys %pids), '<=', 8, 'but not in a circle');
	ok($cluster->wait_until('the member works', sub { ($cluster->try_sql($victim, "SELECT quorum.put('after', 'that') > 0") // '') eq 't' }),
		'and works when it is left alone');
}

$cluster->stop;
done_testing();
