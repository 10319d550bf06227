# The Lease service of etcd's interface: every field and refusal, streams of renewals,
# expiry, changes of leader and the loss of the quorum meanwhile.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/211_gateway_lease.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Grpc qw(b64 unb64 key_of range_of);
use HTTP::Tiny;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use QuorumCluster;
use Test::More;
use Time::HiRes qw(sleep time);

my $cluster = QuorumCluster->new('gateway_lease', gateway => 1)->start;
my @members = $cluster->members;
my %grpc    = map { $_ => Grpc->new($cluster->endpoint($_)) } @members;
my ($true)  = (JSON::PP::true);

# Through another member each time, so that questions and commands take all ways.
my $turn = 0;
sub any { return $grpc{ $members[ $turn++ % @members ] } }

sub grant  { my (%lease) = @_; return any()->done('Lease/LeaseGrant', \%lease) }
sub ttl    { my ($id, %more) = @_; return any()->done('Lease/LeaseTimeToLive', { ID => $id, %more }) }
sub renew  { my ($id) = @_; return any()->done('Lease/LeaseKeepAlive', [ { ID => $id } ]) }
sub put    { my ($key, $lease) = @_; return any()->done('KV/Put', key_of($key, lease => $lease)) }
sub count  { my ($key) = @_; return any()->done('KV/Range', key_of($key))->{count} // 0 }
sub listed { my ($i) = @_; return join(' ', map { $_->{ID} } @{ $grpc{$i}->done('Lease/LeaseLeases')->{leases} // [] }) }

# ---------------------------------------------------------------------------
# Fields and refusals
# ---------------------------------------------------------------------------

{
	my $before = any()->done('KV/Range', key_of('x'))->{header}{revision};
	my $granted = grant(TTL => 600);
	cmp_ok($granted->{ID}, '>', 0, 'an id is chosen');
	is($granted->{TTL}, 600, 'and the TTL granted');
	is($granted->{header}{revision}, $before, 'a grant makes no revision');
	isnt(grant(TTL => 600)->{ID}, $granted->{ID}, 'another id next time');
	is(grant(TTL => 600, ID => 1234)->{ID}, 1234, 'an id of the client');
	is(any()->refusal('Lease/LeaseGrant', { TTL => 5, ID => 1234 }), '9 etcdserver: lease already exists', '... which must be new');
	is(any()->refusal('Lease/LeaseGrant', { TTL => 9_000_000_001 }), '11 etcdserver: too large lease TTL', 'a TTL that is too long');
	is(grant(TTL => $_)->{TTL}, 2, "a TTL of $_ is raised") for (-5, 0, 1);

	is(any()->refusal('Lease/LeaseRevoke', { ID => 999 }), '5 etcdserver: requested lease not found', 'revoking what is not there');
	my $none = ttl(999);
	is($none->{TTL}, -1, 'the time of what is not there');
	is($none->{ID}, 999, '... with its id');
	is($none->{grantedTTL}, undef, '... and no more');
	my $renewed = renew(999);
	is($renewed->{TTL}, undef, 'a renewal of what is not there: 0, and no error');
	is($renewed->{ID}, 999, '... with its id');

	put("l/$_", 1234) for qw(b a);
	my $time = ttl(1234, keys => $true);
	ok($time->{TTL} >= 590 && $time->{TTL} < 600, 'the time that is left, in whole seconds');
	is($time->{grantedTTL}, 600, 'the time that was granted');
	is(join(' ', map { unb64($_) } @{ $time->{keys} }), 'l/a l/b', 'its keys');
	is(ttl(1234)->{keys}, undef, '... for those who ask for them');
	is(renew(1234)->{TTL}, 600, 'a renewal');
	cmp_ok(ttl(1234)->{TTL}, '>=', 598, '... begins anew');

	my $revision = any()->done('KV/Range', key_of('x'))->{header}{revision};
	is(any()->done('Lease/LeaseRevoke', { ID => 1234 })->{header}{revision}, $revision + 1, 'revoking makes one revision');
	is(count('l/a') + count('l/b'), 0, 'the keys are gone');
	is(renew(1234)->{TTL}, undef, 'and cannot be renewed');
}

# ---------------------------------------------------------------------------
# Lists
# ---------------------------------------------------------------------------

{
	for my $lease (@{ $grpc{1}->done('Lease/LeaseLeases')->{leases} })
	{
		$grpc{1}->done('Lease/LeaseRevoke', { ID => $lease->{ID} });
	}
	grant(TTL => 300, ID => 1);
	grant(TTL => 100, ID => 2);
	grant(TTL => 200, ID => 3);
	$cluster->sql($_, 'SELECT quorum.read_barrier()') for @members;
	is(listed($_), '2 3 1', "n$_ lists leases, those that expire soonest first") for @members;
	$grpc{1}->done('Lease/LeaseRevoke', { ID => $_ }) for 1 .. 3;
	$cluster->sql(1, 'SELECT count(quorum.lease_grant(600)) FROM generate_series(1, 5000)');
	is(scalar @{ $grpc{1}->done('Lease/LeaseLeases')->{leases} }, 5000, 'many leases');
}

# ---------------------------------------------------------------------------
# Streams of renewals
# ---------------------------------------------------------------------------

{
	grant(TTL => 600, ID => $_) for 1 .. 3;
	my $many = any()->call('Lease/LeaseKeepAlive', [ map { { ID => 1 + $_ % 4 } } 1 .. 3000 ]);
	is($many->{code}, 0, 'a stream of 3,000 renewals');
	is(join(' ', map { $_->{ID} } @{ $many->{responses} }), join(' ', map { 1 + $_ % 4 } 1 .. 3000), '... is answered in their order');
	is(scalar(grep { ($_->{TTL} // 0) != ($_->{ID} == 4 ? 0 : 600) } @{ $many->{responses} }), 0, '... each rightly');
	is(scalar @{ any()->call('Lease/LeaseKeepAlive', [])->{responses} }, 0, 'a stream without any');

	# many streams at a time
	my @streams = map { Grpc->new($cluster->endpoint(1 + $_ % 3)) } 1 .. 9;
	$_->send_call('Lease/LeaseKeepAlive', [ map { { ID => 1 + $_ % 3 } } 1 .. 200 ]) for @streams;
	my $right = 0;
	for my $stream (@streams)
	{
		$right += grep { $_->{TTL} == 600 } @{ $stream->answer->{responses} };
	}
	is($right, 1800, 'nine streams at a time');
}

# ---------------------------------------------------------------------------
# Expiry, and changes of leader
# ---------------------------------------------------------------------------

{
	grant(TTL => 3, ID => 50);
	grant(TTL => 3, ID => 51);
	put('e/dies',  50);
	put('e/lives', 51);
	my $from = time();
	my $renewals = 0;
	until (count('e/dies') == 0 || time() - $from > 20)
	{
		$renewals += renew(51)->{TTL} // 0;
		sleep(0.5);
	}
	my $took = time() - $from;
	ok($took > 2 && $took < 15, sprintf('a lease expires, and its key with it, after %.1f s', $took));
	is(count('e/lives'), 1, 'one that is renewed does not');
	is(ttl(50)->{TTL}, -1, 'nothing is left of the other');

	# renewals go on while the leader dies
	my $victim = $cluster->leader;
	my ($other) = grep { $_ != $victim } @members;
	delete $grpc{$victim};
	@members = grep { $_ != $victim } @members;
	$cluster->kill_postmaster($victim);
	$from = time();
	my $lost = 0;
	while (time() - $from < 8)
	{
		my $answer = $grpc{$other}->call('Lease/LeaseKeepAlive', [ { ID => 51 } ]);
		$lost++ if $answer->{code} == 0 && !$answer->{responses}[0]{TTL};
		sleep(0.2);
	}
	is($lost, 0, 'no renewal is told that the lease is gone');
	is(count('e/lives'), 1, 'a lease outlives its leader while it is renewed');
	$cluster->start_member($victim);
	$cluster->agreed;
	$cluster->await_gateways;
	@members = $cluster->members;
	$grpc{$victim} = Grpc->new($cluster->endpoint($victim));
	my $gone = $cluster->wait_until('expiry', sub { count('e/lives') == 0 });
	ok($gone, 'and ends when it is renewed no more');
}

# ---------------------------------------------------------------------------
# The gateway ends while streams are open, and without a quorum
# ---------------------------------------------------------------------------

{
	grant(TTL => 600, ID => 60);
	my $stream = Grpc->new($cluster->endpoint(1));
	my $pid = $cluster->worker_pid(1, 'pg_quorum gateway');
	$stream->send_call('Lease/LeaseKeepAlive', [ map { { ID => 60 } } 1 .. 20000 ]);
	sleep(0.3);
	$cluster->sql(1, "SELECT pg_terminate_backend($pid)");
	my $answer = $stream->answer;
	note("the stream ended with $answer->{code} $answer->{message} after " . @{ $answer->{responses} } . ' renewals');
	is(scalar(grep { $_->{TTL} != 600 } @{ $answer->{responses} }), 0, 'what was answered was right');
	ok($cluster->worker_came_back(1, 'pg_quorum gateway', $pid), 'the gateway comes back');
	$cluster->await_gateways;
	$grpc{1} = Grpc->new($cluster->endpoint(1));
	is($grpc{1}->done('Lease/LeaseKeepAlive', [ { ID => 60 } ])->{TTL}, 600, 'and renews');

	my ($left, @gone) = ($cluster->leader, $cluster->followers);
	my $grpc = Grpc->new($cluster->endpoint($left));
	undef %grpc;
	$cluster->stop_immediately($_) for @gone;
	$cluster->wait_until('no leader', sub { ($cluster->try_sql($left, 'SELECT leader IS NULL FROM quorum.status') // '') eq 't' });
	is($grpc->refusal('Lease/LeaseKeepAlive', [ { ID => 60 } ]), '14 etcdserver: no leader', 'a renewal without a quorum');
	is($grpc->refusal('Lease/LeaseTimeToLive', { ID => 60 }), '14 etcdserver: no leader', 'a question for the time');
	is($grpc->refusal('Lease/LeaseGrant', { TTL => 600 }), '14 etcdserver: request timed out', 'a grant');
	is($grpc->refusal('Lease/LeaseRevoke', { ID => 60 }), '14 etcdserver: request timed out', 'a revocation');
	is($grpc->refusal('Lease/LeaseKeepAlive', [ { ID => 60 } ], hasleader => 1), '14 etcdserver: no leader', 'who wants a leader is told at once');
	cmp_ok(scalar @{ $grpc->done('Lease/LeaseLeases')->{leases} }, '>', 1000, 'what is here is listed');
	$cluster->start_member($_) for @gone;
	$cluster->agreed;
	is($grpc->done('Lease/LeaseKeepAlive', [ { ID => 60 } ])->{TTL}, 600, 'with a quorum it lives on');
}

is($cluster->differences, '', 'all members are equal');
is($cluster->findings, '', 'all pages are sound');

$cluster->stop;
done_testing();
