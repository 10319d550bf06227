# etcd's Lock and Election services, beside the SQL functions: they stand in the same queues.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/231_gateway_lock.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use EtcdConsole;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use QuorumCluster;
use Test::More;
use Time::HiRes qw(sleep time);

my $cluster = QuorumCluster->new('glock', gateway => 1)->start;
my $console = EtcdConsole->new;

sub sql { return $cluster->sql(1, $_[0]) }
sub bytes { return $console->bytes($_[0]) }
sub endpoint { return $cluster->endpoint($_[0] // 1) }
sub call { my ($method, $request, $member) = @_; return $console->call(endpoint($member), $method, $request) }
sub begin { my ($method, $request, $member) = @_; return $console->begin(endpoint($member), $method, $request) }
sub keys_below { return sql("SELECT coalesce(string_agg(key, ' ' ORDER BY create_revision), '') FROM quorum.range('$_[0]/', prefix => true)") }
sub error { my ($end) = @_; return $end ? "$end->{code} $end->{text}" : 'nothing' }
sub waits { my ($call) = @_; return ok(!$call->end(0.5), $_[1]) }

sub lease
{
	my ($id) = @_;
	call('Lease/LeaseGrant', { TTL => 60, ID => $id });
	return $id;
}

# ---------------------------------------------------------------------------
# Lock: first come, first served, from member to member.
# ---------------------------------------------------------------------------

my @lease = map { lease(0x100 + $_) } 0 .. 5;
my $held = call('Lock/Lock', { name => bytes('l'), lease => $lease[0] });
is($console->text($held->{key}), 'l/100', 'a lock is the key of its lease');
is($held->{header}{revision}, sql('SELECT quorum.revision()'), 'at the revision of the header');
is(call('Lock/Lock', { name => bytes('l'), lease => $lease[0] })->{key}, $held->{key}, 'who has it gets it again');

my @waiter;
for my $n (1 .. 4)
{
	push @waiter, begin('Lock/Lock', { name => bytes('l'), lease => $lease[$n] }, 1 + $n % 3);
	$cluster->wait_until("waiter $n", sub { keys_below('l') =~ /10$n$/ });
}
waits($waiter[0], 'others wait');
call('Lock/Unlock', { key => $held->{key} });
ok($waiter[0]->end(10), 'the next one has its turn');
is($console->text($waiter[0]{responses}[0]{key}), 'l/101', 'in the order they came');
waits($waiter[1], 'one at a time');

# A place that is given up, by its client and by its lease.
$waiter[1]->cancel;
ok($cluster->wait_until('the key of who left', sub { keys_below('l') eq 'l/101 l/103 l/104' }), 'who leaves takes the key along');
call('Lease/LeaseRevoke', { ID => $lease[3] });
is(error($waiter[2]->end(10)), '2 mutex: session is expired', 'who loses the lease is told so');
call('Lease/LeaseRevoke', { ID => $lease[1] });
ok($waiter[3]->end(10), 'the end of the holder\'s lease is the end of the lock');
is($console->text($waiter[3]{responses}[0]{key}), 'l/104', 'and the last one has it');
call('Lock/Unlock', { key => $waiter[3]{responses}[0]{key} });
is(keys_below('l'), '', 'nothing is left');

# Without a lease
my $own = call('Lock/Lock', { name => bytes('own') });
my ($id) = $console->text($own->{key}) =~ m{^own/([0-9a-f]+)$};
ok($id, 'a lock without a lease gets one');
my $left = sql("SELECT remaining FROM quorum.leases WHERE id = x'" . sprintf('%016s', $id) =~ s/ /0/gr . "'::bigint");
ok($left, 'which exists');
my $second = begin('Lock/Lock', { name => bytes('own') }, 2);
$cluster->wait_until('the second', sub { keys_below('own') =~ / / });
my $leases = sql('SELECT count(*) FROM quorum.leases');
$second->cancel;
ok($cluster->wait_until('its end', sub { sql('SELECT count(*) FROM quorum.leases') == $leases - 1 }), 'a lease of a call that has left goes');
is(keys_below('own'), $console->text($own->{key}), 'with its key');

# Errors
is(error(call('Lock/Lock', { name => bytes('l'), lease => 999 })), '2 etcdserver: requested lease not found', 'a lease that is not there');
is(error(call('Lock/Unlock', {})), '2 etcdserver: key is not provided', 'no key');
ok(call('Lock/Unlock', { key => bytes('none') })->{header}, 'a key that is not there is no error');

# ---------------------------------------------------------------------------
# A session of SQL and a client of etcd
# ---------------------------------------------------------------------------

my $session = $cluster->session(2);
$cluster->send_to($session, "SELECT 'held ' || quorum.lock('shared');");
$cluster->hear($session, qr/^held \d+/m);
my $client = begin('Lock/Lock', { name => bytes('shared'), lease => $lease[0] });
waits($client, 'a client waits for a session');
$cluster->send_to($session, "SELECT 'given up ' || quorum.unlock('shared');");
ok($client->end(10), 'and has its turn');
$cluster->send_to($session, "SELECT 'again ' || quorum.lock('shared');");
sleep(0.5);
unlike($session->{out} // '', qr/^again/m, 'a session waits for a client');
call('Lock/Unlock', { key => $client->{responses}[0]{key} });
$cluster->hear($session, qr/^again \d+/m);
pass('and has its turn');
$client = begin('Lock/Lock', { name => bytes('shared'), lease => $lease[0] }, 3);
$cluster->wait_until('the client in the queue', sub { keys_below('shared') =~ / / });
$cluster->send_to($session, '\q');
ok($client->end(20), 'the end of a session is the end of its lock');
call('Lock/Unlock', { key => $client->{responses}[0]{key} });

# ---------------------------------------------------------------------------
# Elections
# ---------------------------------------------------------------------------

is(error(call('Election/Leader', { name => bytes('e') })), '2 election: no leader', 'nobody leads');
my $observer = begin('Election/Observe', { name => bytes('e') }, 2);
my $elected = call('Election/Campaign', { name => bytes('e'), lease => $lease[0], value => bytes('one') });
is(join(' ', map { $console->text($elected->{leader}{$_}) } qw(name key)), 'e e/100', 'elected');
is($elected->{leader}{rev}, sql("SELECT create_revision FROM quorum.range('e/', prefix => true)"), 'with the revision of the key');
is($elected->{leader}{lease}, $lease[0], 'and the lease');
is($console->text(call('Election/Leader', { name => bytes('e') }, 3)->{kv}{value}), 'one', 'the leader is known');
my $next = begin('Election/Campaign', { name => bytes('e'), lease => $lease[4], value => bytes('two') }, 3);
$cluster->wait_until('the next one', sub { keys_below('e') =~ / / });
ok(call('Election/Proclaim', { leader => $elected->{leader}, value => bytes('one again') })->{header}, 'the leader proclaims');
is(error(call('Election/Proclaim', { leader => { %{ $elected->{leader} }, rev => 1 }, value => bytes('x') })), '2 election: not leader', 'others do not');
is(error(call('Election/Proclaim', { value => bytes('x') })), '2 "leader" field must be provided', 'nor nobody');
is(error(call('Election/Resign', {})), '2 "leader" field must be provided', 'nobody resigns');
waits($next, 'the next one waits');
ok(call('Election/Resign', { leader => $elected->{leader} })->{header}, 'the leader resigns');
ok($next->end(10), 'and the next one leads');
sql("SELECT quorum.put('e/" . sprintf('%x', $lease[4]) . "', 'by hand', lease => $lease[4])");
call('Election/Resign', { leader => $next->{responses}[0]{leader} });
call('Election/Campaign', { name => bytes('e'), lease => $lease[0], value => bytes('three') });
$observer->await(sub { @{ $observer->{responses} } >= 5 });
is(join(', ', map { $console->text($_->{kv}{value}) } @{ $observer->{responses} }), 'one, one again, two, by hand, three',
	'an observer hears what each leader says');
my $late = begin('Election/Observe', { name => bytes('e') }, 3);
is($console->text($late->response->{kv}{value}), 'three', 'one who comes late of the leader there is');

$session = $cluster->session(3);
$cluster->send_to($session, "SELECT 'elected ' || quorum.campaign('e', 'by SQL');");
$cluster->wait_until('the session in the queue', sub { keys_below('e') =~ / / });
call('Lease/LeaseRevoke', { ID => $lease[0] });
$cluster->hear($session, qr/^elected \d+/m);
pass('a session is elected after a client');
is($console->text($late->response->{kv}{value}), 'by SQL', 'and observed');

# ---------------------------------------------------------------------------
# Many on one lock
# ---------------------------------------------------------------------------

my @many = map { begin('Lock/Lock', { name => bytes('many') }, 1 + $_ % 3) } 1 .. 60;
my $turns = 0;
my $overlap = 0;
my $deadline = time() + 60;
while ($turns < @many && time() < $deadline)
{
	$console->listen(0.05);
	my @has = grep { @{ $_->{responses} } && !$_->{done} } @many;
	$overlap++ if @has > 1;
	for my $one (@has)
	{
		$one->{done} = 1;
		$turns++;
		call('Lock/Unlock', { key => $one->{responses}[0]{key} });
	}
}
is($turns, 60, 'sixty clients have the lock, one after the other');
is($overlap, 0, 'never two at a time');
is(keys_below('many'), '', 'nothing is left of them');

is($cluster->differences, '', 'all members are equal');
$cluster->stop;
done_testing();
