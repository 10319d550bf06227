# The time of day is set, ahead and back, on running members: no election, no lease, no timeout
# and no connection heeds it.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/013_clock.pl

use strict;
use warnings;
use Cwd 'abs_path';
use FindBin;
use lib "$FindBin::RealBin/lib";
use Etcd qw(etcdctl);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use QuorumCluster;
use Test::More;
use Time::HiRes qw(sleep time);

use constant DAY => 86400;

my $clock   = "$PostgreSQL::Test::Utils::tmp_check/clock";
my $library = abs_path("$FindBin::RealBin/../test/build/timeofday.so");

# Start members in a time of day of their own.
sub in_their_time
{
	my ($start) = @_;
	local %ENV = (%ENV, LD_PRELOAD => $library, PGQ_TIMEOFDAY => $clock);
	return $start->();
}

# Set it, in seconds from ours.
sub set_clock
{
	my ($seconds) = @_;
	open(my $fh, -e $clock ? '+<' : '>', $clock) or die "could not open $clock: $!\n";
	syswrite($fh, pack('q', $seconds)) == 8 or die "could not write $clock: $!\n";
	close($fh);
	return;
}

set_clock(0);
my $cluster = QuorumCluster->new('clock', gateway => 1,
	conf => "pg_quorum.election_timeout = '1s'\npg_quorum.heartbeat_interval = '100ms'");
in_their_time(sub { $cluster->start });
my @all = $cluster->members;

sub offset
{
	my ($i) = @_;
	return $cluster->sql($i, 'SELECT extract(epoch FROM clock_timestamp())') - time();
}

sub term { return $cluster->sql($_[0], 'SELECT term FROM quorum.status') }

sub all_take_writes
{
	my ($when) = @_;
	for my $i (@all)
	{
		like($cluster->try_sql($i, "SELECT quorum.put('written', 'by n$i')"), qr/^\d+$/, "$when: n$i takes a write");
		is(etcdctl($cluster->endpoint($i), '--command-timeout=10s', 'put', 'written', "by n$i")->{code}, 0, "$when: so does its gateway");
	}
	return;
}

# Call something that waits, on a session of its own; it says "=..." when it is over.
sub begin_to_wait
{
	my ($i, $query) = @_;
	my $session = $cluster->session($i);
	$cluster->send_to($session, "SELECT 'ready'; SELECT '=' || $query;");
	$cluster->hear($session, qr/ready/) or die "no session\n";
	return $session;
}

sub is_over { my ($session) = @_; $session->{run}->pump_nb; return $session->{out} =~ /=|ERROR/ }

# ----- Ahead

my $leader = $cluster->leader;
my ($follower, $other) = grep { $_ != $leader } @all;
my $term = term($leader);

my $from = time();
my %lease = map { $_ => $cluster->sql($_, <<"SQL") } @all;
SELECT quorum.lease_grant('100s') AS id \\gset
SELECT quorum.put('leased/$_', 'x', lease => :id) \\g /dev/null
SELECT :id
SQL
my $holder = $cluster->session($leader);
$cluster->send_to($holder, "SELECT '=' || quorum.lock('turn');");
ok($cluster->hear($holder, qr/=\d/), 'somebody holds a lock');
my $next = begin_to_wait($follower, "quorum.lock('turn', timeout => '100s')");
my $reader = begin_to_wait($other, "(SELECT min(key) FROM quorum.wait('awaited', timeout => '29s'))");
sleep(1);    # until both wait

set_clock(DAY);
cmp_ok(abs(offset($_) - DAY), '<', 60, "n$_ is a day ahead") for @all;
sleep(3);

is(term($leader), $term, 'a day later nobody has been elected anew');
ok(!is_over($next) && !is_over($reader), 'who waits still does');
for my $i (@all)
{
	my $left = $cluster->sql($i, "SELECT extract(epoch FROM remaining) FROM quorum.lease_ttl($lease{$i})");
	my $expected = 100 - (time() - $from);
	cmp_ok(abs($left - $expected), '<', 10, sprintf('n%d: a lease has %.0f s left, not less', $i, $left));
	is($cluster->sql($i, "SELECT quorum.count('leased/', prefix => true)"), 3, "n$i: and the keys are there");
}
all_take_writes('a day ahead');
$cluster->sql($leader, "SELECT quorum.put('awaited', 'came')");
ok($cluster->hear($reader, qr/=awaited/), 'who waits for a key hears of it');
$cluster->send_to($holder, "SELECT 'gave ' || quorum.unlock('turn');");
ok($cluster->hear($next, qr/=\d/), 'the next one has the lock when it is given up');

# ----- Back, by two days

$term = term($leader);
set_clock(-DAY());
cmp_ok(abs(offset($_) + DAY), '<', 60, "n$_ is a day behind") for @all;
sleep(3);
is(term($leader), $term, 'two days before nobody has been elected anew');
all_take_writes('a day behind');

$from = time();
my ($state) = $cluster->sql_error($other, "SELECT quorum.lock('turn', timeout => '1s')");
is($state, '55P03', 'a timeout is over');
is($cluster->sql($other, "SELECT count(*) FROM quorum.wait('nothing', timeout => '1s')"), 0, 'so is a wait');
$cluster->sql($follower, <<'SQL');
SELECT quorum.lease_grant('2s') AS id \gset
SELECT quorum.put('short', 'x', lease => :id)
SQL
ok($cluster->wait_until('the end of a lease', sub { $cluster->sql($follower, "SELECT quorum.count('short')") == 0 }),
	sprintf('and a lease ends (%.1f s for all three)', time() - $from));

# What a member does after a while, it does: it stands for election, and calls those who were away.
$cluster->kill_postmaster($leader);
$from = time();
my $elected = $cluster->leader(among => [ $follower, $other ]);
isnt($elected, $leader, sprintf('there is a leader %.1f s after the death of one', time() - $from));
in_their_time(sub { $cluster->start_member($leader) });
ok($cluster->agreed, 'the old one comes back');
is($cluster->differences, '', 'and is equal');
$cluster->await_gateways;
all_take_writes('all are back');

# ----- The right time again

set_clock(0);
$term = term($elected);
sleep(3);
is(term($elected), $term, 'nobody has been elected anew');
all_take_writes('the right time');
is($cluster->findings, '', 'all is sound');

$cluster->stop;
done_testing();
