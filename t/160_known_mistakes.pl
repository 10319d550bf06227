# Mistakes that etcd made with watches, passwords and restarts, each under its
# number there.  Those about leases are in 100_lease.pl, about compaction in
# 142_compaction.pl, about members in 131_member_joining.pl; about copies in
# 151_export.pl; about permissions in sql/auth.sql and 120_auth.pl.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/160_known_mistakes.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use QuorumCluster;
use Test::More;
use Time::HiRes qw(sleep time);
use Watchers;

my $cluster = QuorumCluster->new('mistakes', members => 1,
	conf => "max_connections = 120\nautovacuum = off\nmax_wal_size = '4GB'")->start;
my $node = $cluster->node(1);
my $conninfo = $cluster->conninfo(1);

sub sql { return $cluster->sql(1, $_[0]) }

# Memory that a process has for itself, in MB.
sub own_memory
{
	my ($pid) = @_;
	my ($kb) = slurp_file("/proc/$pid/smaps_rollup") =~ /^Anonymous:\s+(\d+)/m;
	return $kb / 1024;
}

# Puts a second of a few clients.
sub put_rate
{
	my ($seconds) = @_;
	my $script = "$PostgreSQL::Test::Utils::tmp_check/mistakes_put.sql";
	open(my $fh, '>', $script) or die $!;
	print $fh '\set k random(1, 1000)' . "\nSELECT quorum.put('rate/' || :k, 'x');\n";
	close($fh);
	my ($out) = run_command([ 'pgbench', '-n', '-M', 'prepared', '-f', $script, '-c', 4, '-T', $seconds, $conninfo ]);
	my ($rate) = $out =~ /tps = ([\d.]+)/ or die "pgbench: $out";
	return $rate;
}

# ---------------------------------------------------------------------------
# Watches
# ---------------------------------------------------------------------------

# A watch from a revision to come heard of revisions before it.
sql("SELECT quorum.put('future', n::text) FROM generate_series(1, 3) n");
my $revision = sql('SELECT quorum.revision()');
my $watchers = Watchers->new($conninfo, 1, 'SELECT quorum.watch(\'future\', start_revision => ' . ($revision + 4) . ')');
sql("SELECT quorum.put('future', 'later ' || n) FROM generate_series(1, 6) n");
is($watchers->settles_at(3), 3, 'etcd 20221: a watch from a future revision');
is(join(' ', map { $_->{mod_revision} - $revision } $watchers->events), '4 5 6', 'etcd 20221: hears nothing before it');
$watchers->finish;

# A deletion was missing for a watch that begins at the compacted revision.
sql("SELECT quorum.put('gone', 'x')");
sql("SELECT quorum.delete('gone')");
$revision = sql('SELECT quorum.revision()');
sql("SELECT quorum.compact($revision, physical => true)");
$watchers = Watchers->new($conninfo, 1, "SELECT quorum.watch('gone', start_revision => $revision)");
is($watchers->settles_at(1), 1, 'etcd 19179: a watch from the compacted revision');
is(($watchers->events)[0]{type}, 'DELETE', 'etcd 18089, 19179: hears the deletion that made it');
$watchers->finish;

# One transaction, many keys: an event came twice.
$watchers = Watchers->new($conninfo, 1, "SELECT quorum.watch('txn/', prefix => true)");
sql("SELECT succeeded FROM quorum.txn(NULL, ARRAY[quorum.op_put('txn/' || $_, 'a'), quorum.op_put('txn/b$_', 'b'),
	quorum.op_txn(NULL, ARRAY[quorum.op_put('txn/c$_', 'c')], NULL)], NULL)") for 1 .. 20;
is($watchers->settles_at(60), 60, 'etcd 17247: three events of each of twenty transactions');
my %seen;
$seen{"$_->{mod_revision} $_->{key}"}++ for $watchers->events;
is(scalar(grep { $_ > 1 } values %seen), 0, 'etcd 17247: none twice');
$watchers->finish;

# Events were lost without a word when a watcher fell behind the compaction.
my $notifier = $cluster->worker_pid(1, 'pg_quorum notifier');
$watchers = Watchers->new($conninfo, 1, "SELECT quorum.watch('behind/', prefix => true)");
sql("SELECT quorum.put('behind/1', 'heard')");
is($watchers->settles_at(1), 1, 'etcd 17529: a watcher');
kill('STOP', $notifier);
sql("SELECT quorum.put('behind/' || n, 'x') FROM generate_series(1, 50) n");
sql('SELECT quorum.compact(quorum.revision(), physical => true)');
kill('CONT', $notifier);
$watchers->heard_until(sub { grep { /COMPACTED/ } $watchers->payloads });
my @told = map { $_->{type} } $watchers->events;
is($told[-1], 'COMPACTED', 'etcd 17529: that has fallen behind a compaction is told so');
$watchers->finish;

# Slow watchers grew memory without bound: clients that never read, and a session
# that listens from within a transaction.
my @stalled;
for my $n (1 .. 3)
{
	my $psql = IPC::Run::start([ 'psql', '-X', '-q', $conninfo ], '<', \my $in, '>', \my $out, '2>', \my $err);
	$in = "CALL quorum.watch_stream('slow/', prefix => true);\n";
	$psql->pump_nb for 1 .. 20;
	push @stalled, $psql;
}
ok($node->poll_query_until('postgres', "SELECT count(*) = 3 FROM pg_stat_activity WHERE query LIKE 'CALL quorum.watch_stream%' AND state = 'active'"),
	'etcd 16839: streams whose clients will not read');
my @clients = map { $_->{KIDS}[0]{PID} } @stalled;
kill('STOP', @clients);
my $idle = $cluster->session(1);
$cluster->send_to($idle, "SELECT 'on' FROM quorum.watch('slow/', prefix => true);\nBEGIN;\nSELECT 'stays';");
$cluster->hear($idle, qr/stays/);
my @backends = split(/\n/, sql("SELECT pid FROM pg_stat_activity WHERE query LIKE 'CALL quorum.watch_stream%'"));
my $before = own_memory($notifier);
sql("SELECT quorum.put('slow/' || n, repeat('s', 20000)) FROM generate_series(1, 3000) n");
sleep(1);
cmp_ok(own_memory($notifier) - $before, '<', 32, 'etcd 16839: 60 MB of events cost the notifier little memory');
cmp_ok(own_memory($_), '<', 48, 'etcd 16839: nor a stream that nobody reads') for @backends;
cmp_ok(put_rate(1), '>', 20, 'etcd 16839: and writes go on');
kill('CONT', @clients);
$_->kill_kill(grace => 1) for @stalled;
$cluster->close_session($idle);

# Watches starved under heavy reads.
$watchers = Watchers->new($conninfo, 2, "SELECT quorum.watch('fed/', prefix => true)");
my $reads = "$PostgreSQL::Test::Utils::tmp_check/mistakes_read.sql";
append_to_file($reads, "SELECT count(value) FROM quorum.range('slow/', prefix => true, max_rows => 500);\n");
my $readers = IPC::Run::start([ 'pgbench', '-n', '-f', $reads, '-c', 8, '-T', 6, $conninfo ],
	'>', \my $readers_out, '2>', \my $readers_err, IPC::Run::timeout(60));
sleep(1);
my $worst = 0;
for my $n (1 .. 20)
{
	my $since = time();
	sql("SELECT quorum.put('fed/$n', 'x')");
	$watchers->heard_until(sub { $watchers->payloads(0) >= $n && $watchers->payloads(1) >= $n }, 20);
	$worst = time() - $since if time() - $since > $worst;
}
cmp_ok($worst, '<', 5, sprintf('etcd 15402: under heavy reads the slowest event took %.2f s', $worst));
is($watchers->payloads($_), 20, 'etcd 15402: and all came') for 0, 1;
ok(eval { $readers->finish }, 'etcd 15402: the reads did go on') or diag($readers_err);
$watchers->finish;

# Watchers that catch up stalled writes.
my $alone = put_rate(2);
$watchers = Watchers->new($conninfo, 50, "SELECT quorum.watch('slow/%d', prefix => true, start_revision => quorum.compacted_revision())");
my $beside = put_rate(2);
cmp_ok($beside, '>', $alone * 0.1, sprintf('etcd 22264: %.0f puts/s beside 50 watchers that catch up, %.0f without', $beside, $alone));
$watchers->finish;

# ---------------------------------------------------------------------------
# Passwords
# ---------------------------------------------------------------------------

# Hashing passwords took all CPU, and a lock around it serialised requests.
sql("SELECT quorum.user_add('root', 'root'), quorum.user_add('hashed', 'secret')");
sql("SELECT quorum.user_grant_role('root', 'root')");
sql('SELECT quorum.auth_enable()');
my $hashing = "$PostgreSQL::Test::Utils::tmp_check/mistakes_password.sql";
append_to_file($hashing, "SELECT quorum.user_check_password('hashed', 'secret');\n");
my $hashers = IPC::Run::start([ 'pgbench', '-n', '-f', $hashing, '-c', 8, '-T', 4, $conninfo ],
	'>', \my $hashers_out, '2>', \my $hashers_err, IPC::Run::timeout(60));
sleep(0.5);
my $while_hashing = put_rate(2);
cmp_ok($while_hashing, '>', $alone * 0.05,
	sprintf('etcd 14692, 11735: %.0f puts/s while eight sessions hash passwords, %.0f without', $while_hashing, $alone));
ok(eval { $hashers->finish }, 'etcd 14692, 11735: and the hashing went on') or diag($hashers_err);
note($hashers_out =~ /(tps = \S+)/);
sql('SELECT quorum.auth_disable()');

# ---------------------------------------------------------------------------
# Restarts
# ---------------------------------------------------------------------------

# A restart rebuilt the index from the whole store.
sql("SELECT count(*) FROM (SELECT (quorum.txn(NULL, array_agg(quorum.op_put('many/' || n, repeat('m', 200))), NULL)).succeeded
	FROM generate_series(1, 50000) n GROUP BY n / 100) t");
sql('CREATE EXTENSION pg_buffercache');
$cluster->stop_immediately(1);
$cluster->start_member(1);
ok($node->poll_query_until('postgres', "SELECT quorum.get('many/50000') IS NOT NULL"), 'etcd 5317, 11779: a restart');
$node->stop('fast');
$cluster->start_member(1);
$node->poll_query_until('postgres', "SELECT quorum.get('many/50000') IS NOT NULL");
my ($read, $all) = split(/\|/, sql("SELECT count(b.bufferid), pg_relation_size('quorum.mvcc') / 8192
	FROM pg_buffercache b WHERE b.relfilenode = pg_relation_filenode('quorum.mvcc') AND b.reldatabase = (SELECT oid FROM pg_database WHERE datname = 'postgres')"));
cmp_ok($all, '>', 1500, 'etcd 5317, 11779: of a store of many pages');
cmp_ok($read, '<', $all / 10, "etcd 5317, 11779: reads few of them before it serves ($read of $all)");

$cluster->stop;
done_testing();
