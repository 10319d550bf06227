# Locks under faults: many sessions on all members contend while members are cut off
# and killed.  What is protected refuses stale tokens, and so sees whether two
# ever held the lock at once.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/111_lock_faults.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Lockers;
use QuorumCluster;
use Test::More;
use Time::HiRes qw(sleep time);

my $cluster = QuorumCluster->new('lockfault3', proxies => 1, conf => "pg_quorum.request_timeout = '4s'")->start;

# What is left of a queue is gone within the time of a lease.
sub is_empty
{
	my ($name) = @_;
	return $cluster->wait_until("end of all keys of $name",
		sub { ($cluster->try_sql(1, "SELECT quorum.count('$name/', prefix => true)") // '') eq '0' });
}

# Lockers work while faults happen; then must hold what the resource demands.
sub under_locks
{
	my ($name, $faults, %options) = @_;
	my $least = delete $options{least} // 20;
	my $lockers = Lockers->new($cluster, sessions => 12, duration => 60, name => $name, ttl => 2, hold => 6,
		cancel => 40, timeout => 40, die => 20, %options);
	sleep(1);
	$faults->();
	$cluster->leader;
	sleep(1.5);
	$lockers->stop;
	my %count = $lockers->finish;
	note("$name: ", join(', ', map { "$_=$count{$_}" } sort keys %count));
	cmp_ok($count{locked}, '>=', $least, "$name: the lock goes round");
	is("$count{twice} $count{false_assert} $count{hung}", '0 0 0', "$name: never two holders of a token, no stale token asserted");
	is(join(' ', grep { /^state_/ && !/^state_(?:55P03|57014|40001|55000|57P0[123]|08007|08006|57P05|53300|lost)$/ } sort keys %count), '',
		"$name: no odd error");
	ok(is_empty($name), "$name: no key is left");
	return %count;
}

under_locks('cut', sub {
	for (1 .. 2)
	{
		my $away = $_ == 1 ? $cluster->leader : ($cluster->followers)[0];
		my @others = grep { $_ != $away } $cluster->members;
		$cluster->set_links('cut', $cluster->links_between([$away], \@others));
		$cluster->leader(among => \@others);
		sleep(3);
		$cluster->heal;
		sleep(0.5);
	}
});

under_locks('killed', sub {
	my $dead = $cluster->leader;
	$cluster->kill_postmaster($dead);
	sleep(3);
	$cluster->start_member($dead);
	$cluster->leader;
	sleep(0.5);
	my ($i) = $cluster->followers;
	$cluster->kill_worker($i, 'pg_quorum raft');
	sleep(1);

	# a backend that waits, or holds: all of that member's sessions end
	($i) = reverse $cluster->members;
	my $pid = $cluster->try_sql($i, "SELECT pid FROM pg_stat_activity WHERE query LIKE '%quorum.lock(%' AND backend_type = 'client backend' AND pid <> pg_backend_pid() LIMIT 1");
	kill('KILL', $pid) if $pid;
	sleep(1);
});

# The holder of a lock, who holds it for longer than its lease lives, is cut off.
# The next one gets the lock, and the resource refuses the first one.
my %stale = under_locks('stale', sub {
	my $leader = $cluster->leader;
	my $away = $cluster->wait_until('a holder on a follower', sub {
		for my $i (grep { $_ != $leader } $cluster->members)
		{
			# the others are in their call, the holder is not
			return $i if $cluster->try_sql($i, "SELECT count(*) FROM pg_stat_activity
				WHERE state = 'idle' AND query LIKE 'SELECT quorum.lock(%'");
		}
		return 0;
	}, 20) or return;
	$cluster->set_links('cut', $cluster->links_between([$away], [ grep { $_ != $away } $cluster->members ]));
	sleep(5);
	$cluster->heal;
}, sessions => 6, long => 1000, cancel => 0, timeout => 0, die => 0, least => 2);
cmp_ok($stale{refused}, '>', 0, 'stale: the resource refused a stale token');

is($cluster->differences, '', 'all members are equal');
$cluster->stop;
done_testing();
