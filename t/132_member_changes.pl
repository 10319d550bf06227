# Leaders that hand over under load, changes that would cost the quorum, members
# that are dead, and leaders that die in the middle of a change.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/132_member_changes.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use QuorumCluster;
use Test::More;
use Time::HiRes qw(sleep time);

my $cluster = QuorumCluster->new('changes', members => 4, founders => 3)->start;
my $conninfo = "host=127.0.0.1 user=" . $cluster->superuser . " port=";

# ---- leadership moves under load, and no client notices

my $load = $cluster->start_load(members => [ 1, 2, 3 ], clients => 6, rate => 100);
$cluster->await_answers($load, 20);
my @took;
for my $round (1 .. 6)
{
	my ($to, $through) = ($cluster->followers)[ $round % 2, 0 ];
	my $from = time();
	is($cluster->sql($through, "SELECT quorum.move_leader('n$to')"), '', "leadership goes to n$to, asked of n$through");
	push @took, time() - $from;
	is($cluster->leader, $to, "n$to leads");
}
note(sprintf('moving leadership took %s s', join(', ', map { sprintf '%.2f', $_ } @took)));
$load = $cluster->stop_load;
my $counter = $load->{counter};
note(join(', ', map { "$_=$counter->{$_}" } sort keys %$counter));
is(join(' ', grep { /^state_/ } sort keys %$counter), '', 'no client saw an error while leadership moved');
is($cluster->judge($load), '', 'and the history is linearizable and complete');

my ($leader, @followers) = ($cluster->leader, $cluster->followers);
is(($cluster->sql_error($leader, "SELECT quorum.move_leader('n9')"))[0], '55000', 'nobody hands over to a stranger');
is($cluster->sql($followers[0], "SELECT quorum.move_leader('n$leader')"), '', 'the leader is its own successor');

# ---- what would cost the quorum is refused; the dead can be replaced

my ($dead, $other) = @followers;
$cluster->stop_immediately($dead);
$cluster->wait_until('silence', sub { $cluster->sql($leader, "SELECT state <> 'replicate' FROM quorum.members WHERE name = 'n$dead'") eq 't' });
is(($cluster->sql_error($leader, "SELECT quorum.member_add('n6', 'port=1')"))[0], '55000', 'no addition while a member is down');
is(($cluster->sql_error($other, "SELECT quorum.move_leader('n$dead')"))[0], '55000', 'nothing is handed to the dead');
for my $who ($other, $leader)
{
	my ($state, $message) = $cluster->sql_error($leader, "SELECT quorum.member_remove('n$who')");
	is($state, '55000', "with one of three down, n$who cannot be removed");
	like($message, qr/without a running quorum/, 'and it says why');
}
$cluster->remove_member($other, $dead);
is($cluster->sql($leader, 'SELECT count(*) FROM quorum.members'), 2, 'a dead member is removed');
$cluster->add_members($leader, 4);
is($cluster->sql($leader, "SELECT count(*) FROM quorum.members WHERE NOT is_learner"), 3, 'and replaced');

# ---- an address is changed

my $query = "SELECT conninfo LIKE '%connect_timeout=7%' AND conninfo !~ 'secret' FROM quorum.members WHERE name = 'n4'";
$cluster->sql($other, "SELECT quorum.member_update('n4', '${conninfo}" . $cluster->port(4) . " connect_timeout=7 password=secret')");
is($cluster->sql($leader, $query), 't', 'the address of a member is changed, its password not shown');
is($cluster->sql($leader, "SELECT request::text ~ 'secret' FROM quorum.raft_log WHERE request::text ~ 'connect_timeout'"), 'f', 'nor in the log');
ok($cluster->wait_until('new connection', sub { $cluster->sql($leader, "SELECT lag = 0 FROM quorum.members WHERE name = 'n4'") eq 't' }),
	'it is reached there');
is($cluster->differences, '', 'all are equal');

# ---- the leader dies while a change is under way

for my $round (0 .. 2)
{
	my $old = $cluster->leader;
	my ($through) = grep { $_ != $old } $cluster->followers;
	$cluster->change_members($through, "quorum.member_add('n6', 'port=1', learner => true)");
	my $session = $cluster->session($through);
	$cluster->send_to($session, "SET pg_quorum.request_timeout = '20s'; SELECT 'first';");
	$cluster->hear($session, qr/first/);
	$cluster->send_to($session, "SELECT 'removed', quorum.member_remove('n6');");
	sleep(0.004 * $round);
	$cluster->kill_postmaster($old);
	ok($cluster->hear($session, qr/removed\|/, 30), 'a change succeeds although the leader dies');
	is($cluster->sql($through, "SELECT count(*) FROM quorum.members WHERE name = 'n6'"), 0, 'and is done');
	$cluster->start_member($old);
	$cluster->agreed;
	$cluster->close_session($session);
}
is($cluster->differences, '', 'all are equal');
is($cluster->findings, '', 'all pages are sound');

$cluster->stop;
done_testing();
