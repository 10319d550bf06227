# Session leases: kept alive while the session lives, revoked when it ends,
# expired when its instance goes or is cut off.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/101_session_lease.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use QuorumCluster;
use Test::More;
use Time::HiRes qw(sleep time);

use constant MANY => 200;

my $cluster = QuorumCluster->new('session', proxies => 1,
	conf => "max_connections = 260\npg_quorum.request_timeout = '3s'")->start;
my $leader = $cluster->leader;
my ($one, $other) = $cluster->followers;

# A session on a member that puts a key under its lease; returns the session
# and the lease's id.
sub holder
{
	my ($member, $key, $ttl) = @_;
	my $session = $cluster->session($member);
	$cluster->send_to($session,
		"SELECT 'lease=' || quorum.session_lease('$ttl');\n"
		  . "SELECT 'held=' || (quorum.put('$key', 'held', lease => quorum.session_lease()) > 0);");
	$cluster->hear($session, qr/held=t/) or die("no key $key");
	my ($id) = $session->{out} =~ /lease=(\d+)/;
	return ($session, $id);
}

sub exists_key { my ($key) = @_; return $cluster->try_sql($leader, "SELECT quorum.count('$key')") // '' }

# How long until a key is gone, in s; undef if it stays.
sub gone_after
{
	my ($key, $from) = @_;
	return undef unless $cluster->wait_until("end of key $key", sub { exists_key($key) eq '0' }, 20);
	return time() - $from;
}

# What lives on, and what ends at once, with a TTL that nothing here waits for.
for my $member ($leader, $one)
{
	my $where = $member == $leader ? 'leader' : 'follower';
	my ($session, $id) = holder($member, 'end', '60s');
	$cluster->send_to($session, "BEGIN; SELECT quorum.session_lease(); ROLLBACK;\nSELECT 'again=' || quorum.session_lease('5s');");
	ok($cluster->hear($session, qr/again=$id$/m), "$where: the session keeps its lease");

	my $from = time();
	$cluster->send_to($session, '\q');
	my $took = gone_after('end', $from);
	cmp_ok($took // 99, '<', 5, "$where: the end of the session revokes its lease");
	note(sprintf('revoked after %.2f s', $took // 99));

	($session) = holder($member, 'killed', '60s');
	$from = time();
	$session->{run}->signal('KILL');
	cmp_ok(gone_after('killed', $from) // 99, '<', 5, "$where: so does kill -9 of the client");
	$cluster->close_session($session);

	($session) = holder($member, 'terminated', '60s');
	$from = time();
	$cluster->sql($member,
		"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%terminated%' AND pid <> pg_backend_pid()");
	cmp_ok(gone_after('terminated', $from) // 99, '<', 5, "$where: so does the end of the backend");
	$cluster->close_session($session);

	($session, $id) = holder($member, 'discarded', '60s');
	$cluster->send_to($session, 'DISCARD ALL;');
	cmp_ok(gone_after('discarded', time()) // 99, '<', 5, "$where: so does DISCARD ALL");
	$cluster->send_to($session, "SELECT 'new=' || (quorum.session_lease('60s') <> $id);");
	ok($cluster->hear($session, qr/new=t/), "$where: and the next lease is another one");
	$cluster->send_to($session, "SELECT 'ended=' || quorum.end_session_lease() || quorum.end_session_lease();");
	ok($cluster->hear($session, qr/ended=truefalse/), "$where: a lease is ended once");
	$cluster->close_session($session);
}

# Kept alive for more than its TTL, through a change of leader.
my ($kept) = holder($other, 'kept', '3s');
$cluster->send_to($kept, "SELECT 'first=' || quorum.session_lease();");
$cluster->hear($kept, qr/first=\d+/);
my ($kept_id) = $kept->{out} =~ /first=(\d+)/;
sleep(4);
is(exists_key('kept'), 1, 'a lease of 3 s lives after 4 s');

# The raft worker starts anew: the sessions of its instance notice nothing.
my $worker = $cluster->worker_pid($other, 'pg_quorum raft');
$cluster->sql($other, "SELECT pg_terminate_backend($worker)");
ok($cluster->worker_came_back($other, 'pg_quorum raft', $worker), 'the worker of the instance comes back');
sleep(4);
is(exists_key('kept'), 1, 'and goes on to renew');

# kill -9 of a backend: PostgreSQL ends all processes of the instance, and
# nobody renews any more.
my ($victim) = holder($one, 'crashed', '3s');
$cluster->send_to($victim, "SELECT 'pid=' || pg_backend_pid();");
$cluster->hear($victim, qr/pid=\d+/);
my ($pid) = $victim->{out} =~ /pid=(\d+)/;
my $from = time();
kill('KILL', $pid);
my $took = gone_after('crashed', $from);
cmp_ok($took // 99, '<', 10, sprintf('kill -9 of the backend: expired after %.2f s', $took // 99));
$cluster->close_session($victim);
is(exists_key('kept'), 1, 'a lease of another instance lives on');
$cluster->wait_until('return of the member', sub { defined $cluster->try_sql($one, "SELECT quorum.get('kept')") });

# kill -9 of the postmaster.
($victim) = holder($one, 'postmaster', '3s');
$from = time();
$cluster->kill_postmaster($one);
$took = gone_after('postmaster', $from);
cmp_ok($took // 99, '<', 10, sprintf('kill -9 of the postmaster: expired after %.2f s', $took // 99));
cmp_ok($took // 0, '>', 1, 'but not before its time');
$cluster->close_session($victim);
$cluster->start_member($one);
$cluster->agreed;

# An instance that is cut off for longer than the TTL loses its leases, and
# its sessions learn it.
my ($cut, $cut_id) = holder($one, 'cut', '2s');
my @rest = grep { $_ != $one } $cluster->members;
$cluster->set_links('cut', $cluster->links_between([$one], \@rest));
ok(defined gone_after('cut', time()), 'the lease of an instance that was cut off expires');
$cluster->heal;
$cluster->agreed;
$cluster->send_to($cut, "SELECT 'new=' || (quorum.session_lease('2s') <> $cut_id);");
ok($cluster->hear($cut, qr/new=t/), 'its session gets another one');
$cluster->send_to($cut, "SELECT 'put=' || (quorum.put('cut', 'again', lease => quorum.session_lease()) > 0);");
ok($cluster->hear($cut, qr/put=t/), 'which holds keys');
sleep(3);
is(exists_key('cut'), 1, 'and is kept alive');
$cluster->close_session($cut);

$cluster->send_to($kept, "SELECT 'last=' || quorum.session_lease();");
ok($cluster->hear($kept, qr/last=$kept_id$/m), 'a session elsewhere has had one lease all the time');
$cluster->close_session($kept);

# Many sessions cost one stream of renewals: the worker logs each.
sub renewals
{
	my ($from) = @_;
	return [ slurp_file($cluster->node($one)->logfile, $from) =~ /renewed the leases of (\d+) sessions/g ];
}

$leader = $cluster->leader;
($one) = $cluster->followers;
$cluster->sql($one, "ALTER SYSTEM SET log_min_messages = debug1");
$cluster->sql($one, 'SELECT pg_reload_conf()');
my $script = PostgreSQL::Test::Utils::tempdir() . '/sessions.sql';
append_to_file($script, "SELECT quorum.put('many/' || :client_id, 'x', lease => quorum.session_lease('3s'));\n\\sleep 100 s\n");
my ($out, $err) = ('', '');
my $bench = IPC::Run::start(
	[ 'pgbench', '-n', '-c', MANY, '-t', 1, '-f', $script, '-h', '127.0.0.1', '-p', $cluster->port($one), 'postgres' ],
	'<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout(150));
sub many { return $cluster->try_sql($leader, "SELECT quorum.count('many/', prefix => true)") // -1 }
ok($cluster->wait_until('leases of all sessions', sub { many() == MANY }, 60), MANY . ' sessions have leases')
  or diag($err);
my $log = -s $cluster->node($one)->logfile;
my $commit = $cluster->sql($leader, 'SELECT commit_index FROM quorum.status');
sleep(6);
is($cluster->sql($leader, 'SELECT commit_index FROM quorum.status'), $commit, 'renewals leave nothing in the log');
my $renewals = renewals($log);
note("renewals in 6 s: @$renewals");
cmp_ok(scalar(@$renewals), '>=', 3, 'leases of 3 s are renewed about every second');
cmp_ok(scalar(@$renewals), '<=', 14, 'and together: ' . scalar(@$renewals) . ' messages in 6 s');
is(many(), MANY, 'all live after several TTLs');
$from = time();
$bench->signal('KILL');
ok($cluster->wait_until('end of all leases', sub { many() == 0 }, 20),
	sprintf('all end with their client (%.2f s)', time() - $from));
$bench->kill_kill(grace => 1);

is($cluster->differences, '', 'all members are equal');
is($cluster->findings,    '', 'all pages are sound');
$cluster->stop;
done_testing();
