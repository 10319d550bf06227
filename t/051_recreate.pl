# The extension is dropped and created anew: the member starts over by itself, at once.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/051_recreate.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use QuorumCluster;
use Test::More;
use Time::HiRes qw(sleep time);

my $cluster = QuorumCluster->new('recreate', members => 1, conf => "pg_quorum.request_timeout = '20s'");
$cluster->start;
$cluster->leader;
my $node = $cluster->node(1);
my $pid = $cluster->worker_pid(1, 'pg_quorum raft');

my $slowest = 0;
for my $round (1 .. 10)
{
	$cluster->sql(1, "SELECT quorum.put('k/' || i, repeat('v', 100)) FROM generate_series(1, $round) i");
	$cluster->sql(1, 'DROP EXTENSION pg_quorum');
	my $from = time();
	$cluster->sql(1, 'CREATE EXTENSION pg_quorum');
	my $revision = $cluster->sql(1, "SELECT quorum.put('first', '$round')");
	my $took = time() - $from;
	$slowest = $took if $took > $slowest;
	is("$revision " . $cluster->sql(1, "SELECT count(*) FROM quorum.range('', prefix => true)"),
		'2 1', "round $round: a new store, and what was in the old one is gone")
	  if $round == 1 || $round == 10;
}
cmp_ok($slowest, '<', 2, sprintf('the slowest of ten took %.2f s', $slowest));
is($cluster->worker_pid(1, 'pg_quorum raft'), $pid, 'in one and the same process');

# In one transaction, while a client waits: its request is done on the new store.
my $ddl = $cluster->session(1);
my $client = $cluster->session(1);
$cluster->send_to($ddl, 'BEGIN; LOCK TABLE quorum.mvcc IN ACCESS EXCLUSIVE MODE;');
$cluster->wait_until('the lock', sub { $cluster->sql(1,
	"SELECT count(*) FROM pg_locks WHERE relation = 'quorum.mvcc'::regclass AND mode = 'AccessExclusiveLock' AND granted") });
$cluster->send_to($client, "SELECT 'revision ' || quorum.put('waiting', 'client');");
sleep 1;
$cluster->send_to($ddl, 'DROP EXTENSION pg_quorum; CREATE EXTENSION pg_quorum; COMMIT;');
ok($cluster->hear($client, qr/^revision 2$/m), 'a waiting put is done on the new store');
is($cluster->findings(1), '', 'the pages are sound');
is($cluster->worker_pid(1, 'pg_quorum raft'), $pid, 'the worker is the same');

# While it is gone the member says so, and it takes no restart to come back.
$cluster->sql(1, 'DROP EXTENSION pg_quorum');
$cluster->wait_until('the member to notice', sub { $node->log_contains(qr/the extension was dropped/) });
$cluster->sql(1, 'CREATE EXTENSION pg_quorum');
is($cluster->sql(1, "SELECT quorum.put('after', 'all')"), 2, 'and created again');

# New timeouts need no new process either, and the store stays.
$node->append_conf('postgresql.conf', "pg_quorum.heartbeat_interval = '80ms'\npg_quorum.election_timeout = '800ms'");
$node->reload;
$cluster->wait_until('the new timeouts', sub { $node->log_contains(qr/new timeouts/) });
is($cluster->sql(1, "SELECT quorum.put('after', 'timeouts')"), 3, 'the store goes on with new timeouts');
is($cluster->worker_pid(1, 'pg_quorum raft'), $pid, 'in the same process');
unlike(slurp_file($node->logfile), qr/FATAL|PANIC|exited with exit code 1/, 'nothing has failed meanwhile');
$cluster->close_session($_) for $ddl, $client;
$cluster->stop;

done_testing();
