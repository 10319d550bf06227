# CALL quorum.watch_stream(), quorum.wait(), and where watches cannot be.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/071_watch_stream.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use QuorumCluster;
use Test::More;
use Time::HiRes qw(sleep time);
use Watchers;

my $cluster = QuorumCluster->new('stream', members => 1,
	conf => "max_connections = 60\nautovacuum = off\npg_quorum.max_watches = 16\nmax_prepared_transactions = 2")->start;
my $node = $cluster->node(1);
my $conninfo = $cluster->conninfo(1);

sub sql { return $cluster->sql(1, $_[0]) }

# The streams under way: pid and, where there is one, backend_xmin.
sub streams
{
	return sql("SELECT pid || ' ' || coalesce(backend_xmin::text || backend_xid::text, 'free')
		FROM pg_stat_activity WHERE query LIKE 'CALL%watch_stream%' AND state = 'active' ORDER BY pid");
}

# psql prints notifications when its statement has ended: send one, let things
# happen meanwhile, cancel it, and look at what the client got.
sub stream
{
	my ($call, $during) = @_;
	my $file = "$PostgreSQL::Test::Utils::tmp_check/stream.out";
	my $run = IPC::Run::start([ 'psql', '-X', '-q', '-d', $conninfo, '-c', "CALL quorum.watch_stream($call)" ],
		'>', $file, '2>&1', IPC::Run::timeout(120));
	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE 'CALL%watch_stream%' AND state = 'active'")
	  or die 'no stream';
	sleep(0.2);
	$during->();
	sleep(0.5);
	my ($pid) = split(/ /, streams());
	sql("SELECT pg_cancel_backend($pid)") if $pid;
	$run->finish;
	my $out = slurp_file($file);
	my @payloads;
	push @payloads, [ $1, $2 ]
	  while $out =~ /^Asynchronous notification "(.*?)" with payload "(.*)" received from/mg;
	$out =~ s/^Asynchronous.*\n//mg;
	return ($out, @payloads);
}

sub events { return map { { channel => $_->[0], %{ decode_json($_->[1]) } } } @_ }

sub stream_events
{
	my ($words, @payloads) = stream(@_);
	return ($words, events(@payloads));
}

sql("SELECT quorum.put('x/0', 'before')");
my $rev = sql('SELECT quorum.revision()');

# ---------------------------------------------------------------------------
# Everything arrives, whole, and nothing is held meanwhile.
# ---------------------------------------------------------------------------

my $held;
my ($words, @events) = stream_events("'x/', prefix => true, prev_value => true", sub {
	sql("SELECT quorum.put('x/' || n, repeat(chr(96 + n), n * 20000)) FROM generate_series(1, 5) n");
	sql("SELECT quorum.put('y', 'no')");
	sql("SELECT quorum.put('x/bin'::bytea, '\\xfe'::bytea)");
	sql("SELECT quorum.delete('x/1')");
	$held = streams();
});
like($words, qr/canceling statement due to user request/, 'a stream can be cancelled');
is(scalar @events, 7, 'all events of the prefix');
is(join(' ', map { length($_->{value}) } @events[ 0 .. 4 ]), '20000 40000 60000 80000 100000', 'values of any length');
is($events[5]{value_base64}, '/g==', 'a value that is not text');
is("$events[6]{type} " . length($events[6]{prev_value}), 'DELETE 20000', 'a deletion with what was there');
is($events[0]{channel}, 'quorum', 'on the default channel');
is(join(' ', map { $_->{mod_revision} - $rev } @events), '1 2 3 4 5 7 8', 'in order');
like($held, qr/^\d+ free$/, 'a stream holds no snapshot and no xid');

($words, @events) = stream_events("'x/', prefix => true, start_revision => $rev, events => 'PUT', channel => 'mine'", sub { });
is(scalar @events, 7, 'from a revision in the past, puts alone');
is("$events[0]{channel} $events[0]{value}", 'mine before', 'on a channel of choice');
($words, @events) = stream_events("'\\x782f30'::bytea, start_revision => " . ($rev + 100), sub {
	sql("SELECT quorum.put('x/0', n::text) FROM generate_series(1, 95) n");
});
is(join(' ', map { $_->{mod_revision} - $rev } @events), join(' ', 100 .. 103), 'from one in the future');

# A revision that is larger than a batch
my @payloads;
($words, @payloads) = stream("'many/', prefix => true", sub {
	sql("SELECT count(*) FROM (SELECT (quorum.txn(NULL, array_agg(quorum.op_put(format('many/%s', n), repeat('v', 200))), NULL)).succeeded
		FROM generate_series(1, 45000) n GROUP BY n / 100) t");
	sql("SELECT quorum.delete('many/', prefix => true)");
	sleep(3);
});
is((scalar grep { $_->[1] =~ /"type": "PUT"/ } @payloads), 45000, 'many puts');
my %deleted = map { $_ => 1 } map { $_->[1] =~ /"DELETE", "key": "([^"]*)"/ ? $1 : () } @payloads;
is(scalar keys %deleted, 45000, 'and their deletion in one revision');
is(scalar @payloads, 90000, 'each once');

# Compaction ends it.
sql('SELECT quorum.compact(quorum.revision())');
my $compacted = sql('SELECT quorum.compacted_revision()');
my ($stdout, $stderr);
is($node->psql('postgres', "CALL quorum.watch_stream('x/0', start_revision => 3)", stdout => \$stdout, stderr => \$stderr, timeout => 20),
	0, 'a stream from a compacted revision ends');
like($stdout, qr/"type": "COMPACTED", "compact_revision": $compacted\}/, 'and says why');

# ---------------------------------------------------------------------------
# Ends and refusals.
# ---------------------------------------------------------------------------

my $from = time();
my ($state, $message) = $cluster->sql_error(1, "SET statement_timeout = '700ms'; CALL quorum.watch_stream('x')");
is($state, '57014', 'statement_timeout ends a stream');
cmp_ok(time() - $from, '<', 5, 'in time');

for my $call ("BEGIN; CALL quorum.watch_stream('x')", 'DO $$ BEGIN CALL quorum.watch_stream(\'x\'); EXCEPTION WHEN division_by_zero THEN NULL; END $$')
{
	($state, $message) = $cluster->sql_error(1, $call);
	is($state, '2D000', 'no stream in a transaction block');
	like($message, qr/HINT:/, 'with a hint');
}

# A client that goes without a word is noticed, though there is nothing to send.
my $client = IPC::Run::start([ 'psql', '-X', '-d', $conninfo, '-c', "CALL quorum.watch_stream('quiet')" ],
	'>', \$stdout, '2>', \$stderr);
$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE 'CALL%watch_stream%' AND state = 'active'");
$client->signal('KILL');
eval { $client->finish };
$from = time();
ok($cluster->wait_until('the end of the stream', sub { streams() eq '' }, 10), 'a stream ends with its client');
cmp_ok(time() - $from, '<', 5, 'soon');

# wait() wakes when something happens, not before and not at the timeout.
my $waiter = $cluster->session(1);
$cluster->send_to($waiter, "SELECT 'got ' || key || ' ' || value FROM quorum.wait('wait/', prefix => true, timeout => '20s');");
sleep(0.7);
sql("SELECT quorum.put('other', 'x')");
sleep(0.3);
unlike($waiter->{out}, qr/got/, 'wait() waits');
$from = time();
sql("SELECT quorum.put('wait/1', 'now')");
ok($cluster->hear($waiter, qr/got wait\/1 now/, 10), 'and returns what happened');
cmp_ok(time() - $from, '<', 5, 'at once');
$cluster->close_session($waiter);

# ---------------------------------------------------------------------------
# Limits and places.
# ---------------------------------------------------------------------------

my $watchers = Watchers->new($conninfo, 16, "SELECT quorum.watch('limit/%d')");
($state, $message) = $cluster->sql_error(1, "SELECT quorum.watch('one more')");
is($state, '53400', 'too many watches');
like($message, qr/max_watches/, 'with a hint');
($state) = $cluster->sql_error(1, "SELECT quorum.create_watch('one_more', 'x')");
is($state, '53400', 'too many for a named one as well');
is(sql('SELECT count(*) FROM quorum.named_watch'), 0, 'which leaves no row');

# The channel of a session is nobody else's business.
sql("CREATE ROLE other LOGIN IN ROLE quorum_reader");
is(sql("SET ROLE other; SELECT count(*), count(channel) FROM quorum.watches"), '16|0', 'channels are hidden from other roles');
is(sql('SELECT count(channel) FROM quorum.watches'), 16, 'but not from a superuser');
$watchers->finish;
$node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM quorum.watches');
sql("SELECT quorum.create_watch('kept', 'k')");
is(sql('SELECT count(*) FROM quorum.watches'), 1, 'there is room again');
for my $call ("SELECT quorum.watch('x')", "SELECT quorum.create_watch('w', 'x')", "SELECT quorum.drop_watch('kept')")
{
	($state) = $cluster->sql_error(1, "BEGIN; $call; PREPARE TRANSACTION 'p'");
	is($state, '0A000', 'a registration does not wait for the second phase of a commit');
}
is(sql("SELECT string_agg(channel, ' ') FROM quorum.watches"), 'kept', 'which changes nothing');

# Idle watches cost nothing.
$watchers = Watchers->new($conninfo, 3, "SELECT quorum.watch('idle/%d')");
my $stream = $cluster->session(1);
$cluster->send_to($stream, "CALL quorum.watch_stream('idle/', prefix => true);");
sql("SELECT quorum.put('else', n::text) FROM generate_series(1, 20) n");
sleep(11);    # the progress of the named watch is saved once
my $before = sql('SELECT pg_snapshot_xmax(pg_current_snapshot())');
my $lsn = sql('SELECT pg_current_wal_insert_lsn()');
my $xmin = 0;
for (1 .. 24)
{
	$xmin += sql("SELECT count(*) FROM pg_stat_activity
		WHERE (backend_type = 'pg_quorum notifier' OR query LIKE '%watch%' AND pid <> pg_backend_pid()) AND backend_xmin IS NOT NULL");
	sleep(0.5);
}
is(sql('SELECT pg_snapshot_xmax(pg_current_snapshot())'), $before, 'no xid while nothing happens');
my $wal = '';
my $end = sql('SELECT pg_current_wal_insert_lsn()');
IPC::Run::run([ 'pg_waldump', '-p', $node->data_dir . '/pg_wal', '-s', $lsn, '-e', $end ], '>', \$wal, '2>&1') if $lsn ne $end;
$wal =~ s/^rmgr: (?:Standby|XLOG) .*\n//mg;    # of PostgreSQL's own background
is($wal, '', 'and no WAL');
is($xmin, 0, 'and no snapshot');
$watchers->finish;
$cluster->close_session($stream);

# A standby: nothing can be watched there, and all of it once it is promoted.
$node->backup('standby');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'standby', has_streaming => 1);
$standby->append_conf('postgresql.conf', "listen_addresses = ''");
$standby->start;
for my $call ("SELECT quorum.watch('x')", "SELECT quorum.create_watch('w', 'x')", "SELECT quorum.drop_watch('kept')")
{
	$standby->psql('postgres', $call, stderr => \$stderr, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	like($stderr, qr/ERROR:\s+25006/, "$call on a standby");
}
for my $call ("SELECT quorum.changes(1, 'x')", "CALL quorum.watch_stream('x')")
{
	$standby->psql('postgres', $call, stderr => \$stderr, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	like($stderr, qr/ERROR:\s+(?:55000|25006)/, "$call on a standby");
}
my $notifiers = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_quorum notifier'";
is($standby->safe_psql('postgres', $notifiers), 0, 'no notifier on a standby');
$standby->promote;
ok($standby->poll_query_until('postgres', "$notifiers", '1'), 'one when it is promoted');
$standby->stop('fast');

# Without preload.
$node->stop('fast');
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->start;
for my $call ("SELECT quorum.watch('x')", "SELECT quorum.create_watch('w', 'x')", "SELECT quorum.drop_watch('kept')",
	"SELECT quorum.unwatch('x')", 'SELECT * FROM quorum.watches', "SELECT quorum.wait('x')", "CALL quorum.watch_stream('x')")
{
	($state, $message) = $cluster->sql_error(1, $call);
	is($state, '55000', "without preload: $call");
	like($message, qr/HINT:.*shared_preload_libraries/, 'with a hint');
}
$node->stop('fast');
done_testing();
