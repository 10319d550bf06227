# Somebody locks a relation of ours exclusively: the member steps aside, says so, and comes back.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/052_locked.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use QuorumCluster;
use Test::More;
use Time::HiRes qw(sleep time);

my $cluster = QuorumCluster->new('locked', conf => "pg_quorum.request_timeout = '3s'");
$cluster->start;
my $leader = $cluster->leader;
$cluster->sql($leader, "SELECT quorum.put('a', '1')");
my $message = qr/member does nothing while its relations are locked/;

# How often a line is in the log of a member
sub times_logged
{
	my ($member, $line) = @_;
	my @found = slurp_file($cluster->node($member)->logfile) =~ /$line/g;
	return scalar @found;
}

# Lock a relation in a session that then does nothing; returns the session.
sub lock_out
{
	my ($member, $relation) = @_;
	my $session = $cluster->session($member);
	$cluster->send_to($session, "BEGIN; LOCK TABLE $relation IN ACCESS EXCLUSIVE MODE; SELECT 'is locked';");
	$cluster->hear($session, qr/is locked/);
	return $session;
}

for my $relation ('quorum.mvcc', 'quorum.raft_log')
{
	my $locked = $cluster->leader;
	my $before = times_logged($locked, $message);
	my @others = grep { $_ != $locked } $cluster->members;
	my $session = lock_out($locked, $relation);
	my $from = time();
	my $new = $cluster->leader(among => \@others);
	diag(sprintf('%s: another leader after %.2f s', $relation, time() - $from));
	isnt($new, $locked, "$relation: another member leads");
	cmp_ok($cluster->sql($new, "SELECT quorum.put('a', '$relation')"), '>', 1, "$relation: and takes writes");
	like($cluster->sql($locked, 'SELECT role || reason FROM quorum.status'),
		qr/^follower.*locked/, "$relation: the locked member says what is the matter");
	$from = time();
	my ($state, $text) = $cluster->sql_error($locked, "SELECT quorum.put('b', '1')");
	like($state, qr/^(?:57P03|08007)$/, "$relation: a put there fails") or diag($text);
	cmp_ok(time() - $from, '<', 10, "$relation: in time");

	$cluster->send_to($session, 'COMMIT;');
	$cluster->wait_until('the member to come back', sub {
		$cluster->sql($locked, "SELECT reason IS NULL AND leader IS NOT NULL FROM quorum.status") eq 't' });
	cmp_ok($cluster->sql($locked, "SELECT quorum.put('a', '$relation again')"), '>', 1,
		"$relation: the member is back, by itself");
	is(times_logged($locked, $message), $before + 1, "$relation: said once in its log");
	is($cluster->differences, '', "$relation: all members are equal");
	$cluster->close_session($session);
}

# A follower that is locked disturbs nobody.
$leader = $cluster->leader;
my ($follower) = $cluster->followers;
my $session = lock_out($follower, 'quorum.mvcc');
$cluster->wait_until('the follower to say so',
	sub { $cluster->sql($follower, "SELECT coalesce(reason, '') LIKE '%locked%' FROM quorum.status") eq 't' });
cmp_ok($cluster->sql($leader, "SELECT max(quorum.put('c/' || i, 'v')) FROM generate_series(1, 500) i"), '>', 1,
	'writes go on with a follower locked');
is($cluster->leader, $leader, 'and the leader stays');
$cluster->send_to($session, 'ROLLBACK;');
$cluster->wait_until('the follower to catch up', sub { $cluster->differences eq '' });
pass('it catches up when the lock is gone');
$cluster->close_session($session);

# VACUUM FULL under load.
$leader = $cluster->leader;
$cluster->under_load('VACUUM FULL of both relations, many times', sub {
	for my $round (1 .. 3)
	{
		for my $member ($cluster->members)
		{
			$cluster->sql($member, 'VACUUM FULL quorum.mvcc');
			$cluster->sql($member, 'VACUUM FULL quorum.raft_log');
		}
	}
});
$cluster->stop;

# A member that is alone has nobody to lead in its place: it waits, and goes on.
my $single = QuorumCluster->new('alone', members => 1, conf => "pg_quorum.request_timeout = '20s'");
$single->start;
$single->sql(1, "SELECT quorum.put('a', '1')");
$cluster = $single;
$session = lock_out(1, 'quorum.mvcc');
my $client = $single->session(1);
$single->send_to($client, "SELECT 'revision ' || quorum.put('a', '2');");
$single->wait_until('the member to say so',
	sub { $single->sql(1, "SELECT coalesce(reason, '') LIKE '%locked%' FROM quorum.status") eq 't' });
$single->send_to($session, 'COMMIT;');
ok($single->hear($client, qr/^revision 3$/m), 'a put waits for the end of the lock');
$single->close_session($_) for $session, $client;
$single->stop;

done_testing();
