# Leases of three members: when they end, and that a change of leader, a leader that
# was cut off or one that was paused neither kills nor prolongs them.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/100_lease.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use QuorumCluster;
use Test::More;
use Time::HiRes qw(sleep time);

my $cluster = QuorumCluster->new('lease', proxies => 1,
	conf => "pg_quorum.request_timeout = '4s'\npg_quorum.lease_checkpoint_interval = '1s'")->start;
my @all = $cluster->members;
my $leader = $cluster->leader;
my ($follower) = $cluster->followers;

# A lease with a key; returns its id.
sub lease_with_key
{
	my ($member, $key, $ttl) = @_;
	return $cluster->sql($member,
		"SELECT quorum.lease_grant('$ttl') AS id \\gset\nSELECT quorum.put('$key', 'x', lease => :id) \\g /dev/null\nSELECT :id");
}

sub keepalive
{
	my ($member, @ids) = @_;
	return $cluster->try_sql($member, 'SELECT quorum.lease_keepalive_many(ARRAY[' . join(',', @ids) . ']::bigint[])') // 'error';
}

sub has { my ($member, $key) = @_; return ($cluster->try_sql($member, "SELECT quorum.count('$key')") // -1) > 0 }
sub gone { my ($member, $key) = @_; return ($cluster->try_sql($member, "SELECT quorum.count('$key')") // -1) == 0 }

sub remaining
{
	my ($member, $id) = @_;
	return $cluster->sql($member, "SELECT extract(epoch FROM remaining) FROM quorum.lease_ttl($id)");
}

# Seconds from a moment until a key is gone.
sub gone_after
{
	my ($member, $key, $from, $limit) = @_;
	return $cluster->wait_until("end of key $key", sub { gone($member, $key) }, $limit // 25) ? time() - $from : 999;
}

# ----- Expiry, and who may renew

my $from = time();
lease_with_key($follower, 'once', '3s');
my $took = gone_after($leader, 'once', $from);
cmp_ok($took, '>=', 3, sprintf('a lease does not end before its time (%.2f s of 3)', $took));
cmp_ok($took, '<', 6, 'and soon after it');

my %renewed = map { $_ => lease_with_key($_, "renewed/$_", '2s') } @all;
for (1 .. 6)
{
	sleep(0.5);
	is(keepalive($_, $renewed{$_}), '{2}', "a renewal on n$_ is answered") for @all;
}
is($cluster->sql($leader, "SELECT quorum.count('renewed/', prefix => true)"), 3, 'renewed leases live on');
$from = time();
cmp_ok(gone_after($leader, "renewed/$_", $from), '<', 6, "and end when nobody renews: n$_") for @all;
is(keepalive($_, 12345, $renewed{$_}), '{NULL,NULL}', "n$_: there is nothing to renew any more") for @all;

# The keys of a lease go with it, all in one revision, and nothing else does (etcd 9935, 10686).
my $many = $cluster->sql($leader, <<'SQL');
SELECT quorum.lease_grant('3s') AS id \gset
SELECT count(quorum.put('mine/' || i, 'x', lease => :id)) FROM generate_series(1, 50) i \g /dev/null
SELECT quorum.put('mine/moved', 'x', lease => :id) \g /dev/null
SELECT quorum.put('mine/moved', 'y') \g /dev/null
SELECT quorum.put('other', 'z') \g /dev/null
SELECT :id
SQL
gone_after($follower, 'mine/1', time());
for my $i (@all)
{
	is($cluster->sql($i, "SELECT quorum.count('mine/', prefix => true)"), 1, "n$i: the keys went with their lease, the one taken off it stays");
	is($cluster->sql($i, "SELECT count(DISTINCT mod_revision) FROM quorum.history('mine/', prefix => true) WHERE type = 'DELETE'"),
		1, "n$i: in one revision");
}
my ($state) = $cluster->sql_error($follower, "SELECT quorum.put('late', 'x', lease => $many)");
is($state, '42704', 'no key is attached to a lease that has ended');
($state) = $cluster->sql_error($follower, "SELECT quorum.lease_keepalive($many)");
is($state, '42704', 'and the renewal says so');

# ----- The leader dies (etcd 9395: a new leader began every TTL anew, or forgot it)

my $granted = time();
my $short = lease_with_key($follower, 'short', '4s');
my $long  = lease_with_key($follower, 'long',  '30s');
sleep(2);
my @rest = grep { $_ != $leader } @all;
$from = time();
$cluster->kill_postmaster($leader);
# A renewal while there is no leader waits for one, or says that there is none: no
# other word of the machinery gets out (etcd 21671).
($state, my $said) = $cluster->sql_error($rest[0], "SELECT quorum.lease_keepalive($long)");
like($state, qr/^(?:57P03)?$/, 'a renewal in between succeeds or says that there is no leader');
diag($said) unless $state =~ /^(?:57P03)?$/;
my $next = $cluster->leader(among => \@rest);
my $elected = time();
my ($any) = grep { $_ != $next } @rest;
$took = gone_after($any, 'short', $elected);
cmp_ok($elected + $took - $granted, '>=', 4,
	sprintf('a change of leader kills no lease (%.2f s of 4, %.2f s after the death)', $elected + $took - $granted, $elected + $took - $from));
cmp_ok($took, '<', 4 + 1 + 3, sprintf('and prolongs it by its TTL and an election timeout at most (%.2f s after the election)', $took));
my $left = remaining($any, $long);
cmp_ok($left, '<=', 31, "the long lease lives on ($left s)");
is(keepalive($any, $long), '{30}', 'it can be renewed');
cmp_ok(remaining($any, $long), '>', 29, 'to its full time');
$cluster->start_member($leader);
$cluster->agreed;

# ----- Checkpoints outlive the leader, and so does the renewal of what has one (etcd 13156)

$leader = $cluster->leader;
my $aged = lease_with_key($leader, 'aged', '60s');
my $fresh = lease_with_key($leader, 'fresh', '60s');
sleep(6);
is(keepalive($leader, $fresh), '{60}', 'a lease with a checkpoint is renewed');
@rest = grep { $_ != $leader } @all;
$cluster->stop_immediately($leader);
$next = $cluster->leader(among => \@rest);
my ($aged_left, $fresh_left) = (remaining($next, $aged), remaining($next, $fresh));
note("left after the change of leader: $aged_left s and $fresh_left s of 60");
cmp_ok($aged_left, '<=', 57, 'a lease that nobody renewed has lost its time for good');
cmp_ok($aged_left, '>=', 45, 'and no more than that');
cmp_ok($fresh_left, '>=', 58, 'one that was renewed has all of its own');
$cluster->start_member($leader);
$cluster->agreed;
$cluster->sql($leader, "SELECT quorum.lease_revoke($_)") for $aged, $fresh;

# ----- A leader that is cut off, and one that is paused, while the others go on.
# The lease is renewed with the new leader: the old one, for which its
# time is long over, must neither end it nor say that it lives (etcd 15247, 12528).

sub replaced_leader
{
	my ($name, $stop, $continue) = @_;
	my $old = $cluster->leader;
	my @others = grep { $_ != $old } $cluster->members;
	my $id = lease_with_key($old, $name, '2s');
	my $doomed = lease_with_key($old, "$name/doomed", '2s');
	$stop->($old, \@others);
	my $new = $cluster->leader(among => \@others);
	isnt($new, $old, "$name: the others have a leader");
	my $renewals = 0;
	my $until = time() + 4.5;
	while (time() < $until)
	{
		$renewals++ if keepalive($new, $id) eq '{2}';
		sleep(0.3);
	}
	cmp_ok($renewals, '>', 5, "$name: the lease is renewed");
	ok(gone($new, "$name/doomed"), "$name: what nobody renewed has ended");
	$continue->($old);
	$until = time() + 2.5;
	my ($alive, $false) = (1, 0);
	while (time() < $until)
	{
		keepalive($new, $id);
		$alive &&= has($new, $name);
		$false++ if keepalive($old, $doomed) !~ /^(?:\{NULL\}|error)$/;
	}
	ok($alive, "$name: the old leader ends nothing when it is back");
	is($false, 0, "$name: and renews nothing that is gone");
	$cluster->agreed;
	is(keepalive($old, $id), '{2}', "$name: the lease is renewed through it again");
	ok(gone_after($new, $name, time()) < 8, "$name: and ends in the end");
	is($cluster->differences, '', "$name: all members are equal");
	return;
}

replaced_leader(
	'cut',
	sub {
		my ($old, $others) = @_;
		$cluster->set_links('cut', $cluster->links_between([$old], $others));
	},
	sub { $cluster->heal });

# A leader that was cut off says of no lease that it lives.
{
	my $old = $cluster->leader;
	my @others = grep { $_ != $old } $cluster->members;
	my $id = lease_with_key($old, 'alone', '20s');
	$cluster->set_links('freeze', $cluster->links_between([$old], \@others));
	my ($no_answer) = $cluster->sql_error($old, "SELECT quorum.lease_keepalive($id)");
	is($no_answer, '57P03', 'a leader without a quorum answers no renewal');
	$cluster->heal;
	$cluster->agreed;
	is(keepalive($old, $id), '{20}', 'it does when it is heard again');
	$cluster->sql($old, "SELECT quorum.lease_revoke($id)");
}

my $worker;
replaced_leader(
	'paused',
	sub {
		my ($old) = @_;
		$worker = $cluster->worker_pid($old, 'pg_quorum raft');
		kill('STOP', $worker);
	},
	sub { kill('CONT', $worker) });

is($cluster->findings, '', 'all pages are sound');
$cluster->stop;
done_testing();
