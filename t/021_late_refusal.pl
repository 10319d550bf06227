# A refusal that comes late: the one who was taken for the leader refused a forwarded
# command, and before the news has come the command has been forwarded to a new leader.  It
# must not be done twice.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/021_late_refusal.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use QuorumCluster;
use Test::More;
use Time::HiRes qw(sleep time);

# n1 leads, and comes back from a crash as a follower before n2 misses it; n3 is the
# first to miss it, and leads next.
my ($old, $follower, $new) = (1, 2, 3);
my $commands = 5;
my $cluster = QuorumCluster->new('refusal', proxies => 1,
	conf => "pg_quorum.election_timeout = '20s'\npg_quorum.heartbeat_interval = '100ms'\npg_quorum.max_request_bytes = '1500kB'");
{
	# one of them is quick, so that a first leader is there soon
	my $configure = \&QuorumCluster::configure;
	no warnings 'redefine';
	local *QuorumCluster::configure = sub {
		my ($self, $i) = @_;
		$configure->(@_);
		$self->node($i)->append_conf('postgresql.conf', "pg_quorum.election_timeout = '5s'") if $i == $new;
	};
	$cluster->start;
}
ok($cluster->wait_until('n1 leads', sub {
			my $leader = eval { $cluster->leader } or return 0;
			return 1 if $leader == $old;
			$cluster->try_sql($leader, "SELECT quorum.move_leader('n$old')");
			return 0;
		}, 120), 'n1 leads');
ok($cluster->agreed, 'all know');
my $term = $cluster->sql($follower, 'SELECT term FROM quorum.status');

my $connected = sub {
	my ($i, $to) = @_;
	return ($cluster->try_sql($i, "SELECT count(*) FROM quorum.members WHERE name = 'n$to' AND last_heard > clock_timestamp() - interval '2 s'") // 0);
};
my $revision = $cluster->sql($follower, 'SELECT quorum.revision()');
my $begun = time();
$cluster->stop_immediately($old);
$cluster->start_member($old);
# heartbeats of the new leader will be heard; those of n1 are what counts here
ok($cluster->wait_until('n1 talks to n2 again',
		sub { ($cluster->try_sql($old, "SELECT connects > 0 FROM quorum.pg_stat_quorum_peers WHERE name = 'n$follower'") // '') eq 't' }, 20),
	'n1 is back and talks to n2');
ok($cluster->wait_until('n2 talks to n1 again',
		sub { ($cluster->try_sql($follower, "SELECT connects > 2 FROM quorum.pg_stat_quorum_peers WHERE name = 'n$old'") // '') eq 't' }, 20),
	'and n2 to n1');
note(sprintf('%.1f s after the crash', time() - $begun));

# The refusals stay under way; what goes to the next leader takes its time.
$cluster->set_links('freeze', "$old>$follower");
$cluster->set_links('slow', "$follower>$new");
my @sessions;
for my $n (1 .. $commands)
{
	my $session = $cluster->session($follower);
	$cluster->send_to($session, "SET pg_quorum.request_timeout = '60s'; SELECT 'revision', quorum.put('once/$n', repeat('x', 1400000));");
	push @sessions, $session;
}
is($cluster->sql($follower, 'SELECT term FROM quorum.status'), $term, 'n2 still takes n1 for the leader');
ok($cluster->wait_until('n3 leads', sub { ($cluster->try_sql($follower, "SELECT leader FROM quorum.status WHERE term > $term") // '') eq "n$new" }, 60),
	'n2 follows n3');
# now n2 forwards again, which takes more than a second
sleep(0.2);
$cluster->set_links('pass', "$old>$follower");
for my $session (@sessions)
{
	ok($cluster->hear($session, qr/revision\|\d+/, 60), 'a command is answered');
	$cluster->close_session($session);
}
$cluster->heal;
is($cluster->differences, '', 'all members have the same');
is($cluster->sql($follower, "SELECT count(*), count(DISTINCT key), max(version) FROM quorum.history('once/', prefix => true, since => $revision)"),
	"$commands|$commands|1", 'each command was done once');

$cluster->stop;
done_testing();
