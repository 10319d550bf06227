# Watches by NOTIFY: every event once, in order, to whoever listens.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/070_watch.pl

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

use constant SESSIONS => 60;
use constant PREFIXES => 20;

my $cluster = QuorumCluster->new('watch', members => 1,
	conf => "max_connections = 120\nautovacuum = off\nlog_min_messages = info")->start;
my $node = $cluster->node(1);
my $conninfo = $cluster->conninfo(1);

sub sql { return $cluster->sql(1, $_[0]) }
sub notifier { return $cluster->worker_pid(1, 'pg_quorum notifier') }

# What an event is known by, from a notification and from the history.
sub heard { return join("\n", map { "$_->{mod_revision} $_->{type} $_->{key}" } @_) }

sub history
{
	my ($prefix, $since, $condition) = @_;
	return sql("SELECT coalesce(string_agg(format('%s %s %s', mod_revision, type, key), E'\\n' ORDER BY n), '')
		FROM (SELECT *, row_number() OVER () AS n FROM quorum.history('$prefix', prefix => true, since => $since)) h
		WHERE " . ($condition // 'true'));
}

# Where what was heard first differs from what was to be heard.
sub difference
{
	my @want = split(/\n/, $_[0]);
	my @got = split(/\n/, $_[1]);
	my $n = 0;
	$n++ while $n < @want && $n < @got && $want[$n] eq $got[$n];
	return scalar(@want) . ' events wanted, ' . scalar(@got) . " heard; number $n is \""
		. ($want[$n] // 'none') . '", heard "' . ($got[$n] // 'none') . '"';
}

# ---------------------------------------------------------------------------
# Under load: each of many sessions hears exactly the history of its prefix.
# ---------------------------------------------------------------------------

sql("SELECT quorum.put('start', 'x')");
my $since = sql('SELECT quorum.revision()');
my $watchers = Watchers->new($conninfo, SESSIONS,
	"SELECT quorum.watch('w/' || mod(%d, " . PREFIXES . ") || '/', prefix => true)");

my $script = "$PostgreSQL::Test::Utils::tmp_check/watch_load.sql";
append_to_file($script, <<'SQL');
\set a random(0, 19)
\set b random(0, 19)
\set k random(0, 4)
\set what random(0, 9)
\if :what < 7
SELECT quorum.put('w/' || :a || '/' || :k, 'value ' || :what);
\elif :what < 9
SELECT succeeded FROM quorum.txn(compare => NULL, success => ARRAY[quorum.op_put('w/' || :a || '/t1', 'x'), quorum.op_put('w/' || :a || '/t2', 'y'), quorum.op_put('w/' || :b || '/t3', 'z')], failure => NULL);
\else
SELECT quorum.delete('w/' || :a || '/', prefix => true);
\endif
SQL
$node->command_ok([ 'pgbench', '-n', '-f', $script, '-c', '6', '-j', '2', '-T', '6', '-d', 'postgres' ], 'load');
sql("SELECT quorum.put(format('w/%s/end', n), 'end') FROM generate_series(0, " . (PREFIXES - 1) . ') n');

my $wrong = 0;
my $total = 0;
for my $s (0 .. SESSIONS - 1)
{
	$watchers->heard_until(sub { my @p = $watchers->payloads($s); @p && $p[-1] =~ m{/end"} });
	my $want = history('w/' . ($s % PREFIXES) . '/', $since);
	my $got  = heard($watchers->events($s));
	$total += $watchers->payloads($s);
	next if $got eq $want;
	$wrong++;
	diag("session $s: " . difference($want, $got)) if $wrong < 4;
}
is($wrong, 0, 'each of ' . SESSIONS . " sessions heard the history of its prefix, in order, nothing twice ($total notifications)");
cmp_ok($total, '>', 1000, 'and that was something');
is(sql('SELECT count(*) FROM quorum.watches WHERE state = \'active\''), SESSIONS, 'the view shows them all');
is(sql('SELECT min(told_revision) = max(told_revision) AND min(told_revision) = quorum.revision() FROM quorum.watches'),
	't', 'told up to the present');

# ---------------------------------------------------------------------------
# The end of a session is the end of its watches, however it comes.
# ---------------------------------------------------------------------------

my $pid = sql("SELECT pid FROM quorum.watches LIMIT 1");
sql("SELECT pg_terminate_backend($pid, 5000)");
is(sql("SELECT count(*) FROM quorum.watches WHERE pid = $pid"), 0, 'a terminated session watches no more');
$watchers->finish;
ok($node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM quorum.watches'), 'nor do sessions whose clients have gone');

# ---------------------------------------------------------------------------
# Where a watch begins.
# ---------------------------------------------------------------------------

sql("SELECT quorum.put('s/' || n, n::text) FROM generate_series(1, 5) n");
my $rev = sql('SELECT quorum.revision()');
$watchers = Watchers->new($conninfo, 1, "SELECT quorum.watch('s/', prefix => true, start_revision => " . ($rev - 2) . ')');
is($watchers->settles_at(3), 3, 'from a revision in the past');
is(($watchers->events)[0]{mod_revision}, $rev - 2, 'that one included');
$watchers->finish;

$watchers = Watchers->new($conninfo, 1, "SELECT quorum.watch('s/', prefix => true, start_revision => " . ($rev + 3) . ')');
sql("SELECT quorum.put('s/' || n, n::text) FROM generate_series(1, 4) n");
is($watchers->settles_at(2), 2, 'from a revision in the future');
is(($watchers->events)[0]{mod_revision}, $rev + 3, 'and not before it');
$watchers->finish;

# What happens between the call and the commit that makes LISTEN take effect is
# not lost; what is rolled back is not watched.
$watchers = Watchers->new($conninfo, 1, <<'SQL');
BEGIN; SELECT quorum.watch('gap'); SELECT quorum.put('gap', 'between'); SELECT pg_sleep(0.3); COMMIT;
SELECT quorum.put('gap', 'after')
SQL
is($watchers->settles_at(2), 2, 'no gap between the watch and its commit');
is(join(' ', map { $_->{value} } $watchers->events), 'between after', 'in order');
$watchers->finish;

$watchers = Watchers->new($conninfo, 1, <<'SQL');
BEGIN; SELECT quorum.watch('dropped'); ROLLBACK;
BEGIN; SAVEPOINT a; SELECT quorum.watch('dropped'); ROLLBACK TO a; SELECT quorum.watch('kept'); COMMIT;
BEGIN; SELECT quorum.unwatch(channel) FROM quorum.watches; ROLLBACK;
SELECT quorum.put('dropped', 'x'), quorum.put('kept', 'y')
SQL
is($watchers->settles_at(1), 1, 'rolled back watches are none, a rolled back end is none');
is(($watchers->events)[0]{key}, 'kept', 'the other one is told');
is(sql('SELECT count(*) FROM quorum.watches'), 1, 'and is the only one registered');
$watchers->finish;

for my $end ('UNLISTEN *', 'DISCARD ALL', 'SELECT quorum.unwatch(channel) FROM quorum.watches',
	'DO $$ DECLARE c text; BEGIN SELECT channel INTO c FROM quorum.watches; EXECUTE format(\'UNLISTEN %I\', c); END $$')
{
	my $session = $cluster->session(1);
	$cluster->send_to($session, "SELECT 'on' FROM quorum.watch('ends');");
	$cluster->hear($session, qr/^on/m);
	$cluster->send_to($session, "$end;\nSELECT count(*) || ' left' FROM quorum.watches;");
	ok($cluster->hear($session, qr/^0 left/m), "$end ends a watch");
	$cluster->close_session($session);
}

# ---------------------------------------------------------------------------
# Payloads.
# ---------------------------------------------------------------------------

$watchers = Watchers->new($conninfo, 1, "SELECT quorum.watch('p/', prefix => true, prev_value => true)");
sql("SELECT quorum.put('p/a', E'tab\\t\"quote\" \\\\ \x{c3}\x{a4}')");
sql("SELECT quorum.put('p/a', repeat('x', 7000))");
sql("SELECT quorum.put('p/a', repeat('y', 7000))");
sql("SELECT quorum.put('p/a', repeat('z', 100000))");
sql("SELECT quorum.put('p/b'::bytea, '\\x00ff'::bytea)");
sql("SELECT quorum.put('\\x702fff'::bytea, 'text'::bytea)");
sql("SELECT quorum.put('p/' || repeat(chr(1), 2000), 'short')");
sql("SELECT quorum.put('p/' || repeat('k', 2000), repeat('v', 8000))");
sql("SELECT quorum.delete('p/b')");
is($watchers->settles_at(9), 9, 'all kinds of payloads');
my @e = $watchers->events;
is($e[0]{value}, "tab\t\"quote\" \\ \x{e4}", 'text is escaped as JSON wants');
is($e[0]{prev_value}, undef, 'no previous value');
is(length($e[1]{value}), 7000, 'what fits is sent in full');
ok($e[2]{truncated} && !exists $e[2]{value} && !exists $e[2]{prev_value}, 'value and previous value together may be too long');
ok($e[3]{truncated} && $e[3]{key} eq 'p/a' && $e[3]{version} == 4, 'a long value is left out');
is(sql("SELECT length(quorum.get('p/a', revision => $e[3]{mod_revision}))"), 100000, 'and can be had at that revision');
is($e[4]{value_base64}, 'AP8=', 'a value that is not text comes in base64');
is($e[5]{key_base64}, 'cC//', 'so does a key');
is($e[5]{value}, 'text', 'and the value beside it as text');
ok(defined $e[6]{key_base64} && $e[6]{truncated}, 'a key that grows too long as JSON comes in base64');
ok(length($e[7]{key}) == 2002 && $e[7]{truncated}, 'a long key is kept');
is("$e[8]{type} $e[8]{key} $e[8]{prev_value_base64}", 'DELETE p/b AP8=', 'a deletion with what was there');
is((grep { length($_) > 7999 } $watchers->payloads), 0, 'nothing is longer than NOTIFY takes');
$watchers->finish;

# Kinds of events, a single key, a range in bytes.
$watchers = Watchers->new($conninfo, 1, <<'SQL');
SELECT quorum.watch('f/', prefix => true, events => 'DELETE'); SELECT quorum.watch('f/1');
SELECT quorum.watch('\x662f31'::bytea, range_end => '\x662f33'::bytea, events => 'put')
SQL
sql("SELECT quorum.put('f/' || n, 'x') FROM generate_series(0, 4) n");
sql("SELECT quorum.put('f/11', 'x'), quorum.delete('f/1')");
is($watchers->settles_at(6), 6, 'filters and ranges');
my $kinds = join(' ', sort map { "$_->{type}:$_->{key}" } $watchers->events);
is($kinds, 'DELETE:f/1 DELETE:f/1 PUT:f/1 PUT:f/1 PUT:f/11 PUT:f/2', 'are kept to');
$watchers->finish;

# Ranges that overlap, nest and have no end: each session hears what lies in its own.
sql(<<'SQL');
CREATE FUNCTION range_of(d int, OUT k bytea, OUT e bytea) LANGUAGE sql AS $$
	SELECT k, CASE d % 5 WHEN 0 THEN NULL WHEN 1 THEN k || '\xff'::bytea WHEN 2 THEN '\x00'::bytea
		WHEN 3 THEN greatest(k || '\x00'::bytea, convert_to(md5((d + 1000)::text), 'UTF8')) ELSE k || '\x00'::bytea END
	FROM convert_to(substr(md5(d::text), 1, 1 + d % 3), 'UTF8') k
$$
SQL
$since = sql('SELECT quorum.revision()');
$watchers = Watchers->new($conninfo, 80, 'SELECT quorum.watch(k, range_end => e) FROM range_of(%d)');
sql("SELECT quorum.put(substr(md5((n * 7)::text), 1, 1 + n % 4), n::text) FROM generate_series(1, 600) n");
sql("SELECT quorum.put('\\xffff'::bytea, 'last'::bytea)");
my @want = split(/\n/, sql(<<"SQL"), -1);
SELECT (SELECT coalesce(string_agg(mod_revision::text, ' ' ORDER BY mod_revision), '')
	FROM quorum.history(''::bytea, prefix => true, since => $since) h
	WHERE h.key >= k AND CASE WHEN e IS NULL THEN h.key = k WHEN e = '\\x00' THEN true ELSE h.key < e END)
FROM generate_series(0, 79) d, range_of(d) ORDER BY d
SQL
my $heard = sub { return join(' ', map { /"mod_revision": (\d+)/ } $watchers->payloads($_[0])) };
for my $s (0 .. 79)
{
	$watchers->heard_until(sub { $watchers->payloads($s) >= split(/ /, $want[$s]) });
}
sleep(0.5);
is(join(' ', grep { $heard->($_) ne $want[$_] } 0 .. 79), '', 'ranges of all kinds are matched');
is(scalar(@want), 80, 'in every session');
cmp_ok(length(join('', @want)), '>', 10000, 'many events');
$watchers->finish;

# A listener that stays in a transaction does not read.  The others do.
my $idle = $cluster->session(1);
$cluster->send_to($idle, "LISTEN anything;\nBEGIN;\nSELECT 'in a transaction';");
$cluster->hear($idle, qr/in a transaction/);
$watchers = Watchers->new($conninfo, 4, "SELECT quorum.watch('u/', prefix => true)");
my $begun = time();
for (1 .. 4)
{
	sql("SELECT quorum.put('u/' || n, repeat('u', 400)) FROM generate_series(1, 250) n");
	sleep(0.1);
}
is($watchers->settles_at(1000, $_), 1000, 'a listener in a transaction does not hold up another') for 0 .. 3;
cmp_ok(time() - $begun, '<', 20, 'for long');
$watchers->finish;
$cluster->close_session($idle);

# A revision that is too large for one batch comes in parts, each event once.
$watchers = Watchers->new($conninfo, 2, "SELECT quorum.watch('big/%d/', prefix => true)");
sql("SELECT count(*) FROM (SELECT (quorum.txn(NULL, array_agg(quorum.op_put(format('big/%s/%s', n % 3, n), 'v')), NULL)).succeeded
	FROM generate_series(1, 90000) n GROUP BY n / 100) t");
is($watchers->settles_at(30000, $_), 30000, "session $_ heard of all puts") for 0, 1;
$rev = sql("SELECT quorum.delete('big/', prefix => true) \\g /dev/null\nSELECT quorum.revision()");
for my $s (0, 1)
{
	is($watchers->settles_at(60000, $s), 60000, 'and of all deletions of one huge revision');
	my %seen = map { $_ => 1 } map { /"DELETE", "key": "([^"]*)", .*"mod_revision": $rev,/ ? $1 : () } $watchers->payloads($s);
	is(scalar keys %seen, 30000, 'each of them once');
}
$watchers->finish;

# ---------------------------------------------------------------------------
# Compaction takes events that were not told: the watch is told so, and ends.
# ---------------------------------------------------------------------------

sql("SELECT quorum.create_watch('named_c', 'c/', prefix => true)");
sql("SELECT quorum.create_watch('named_r', 'c/', prefix => true, payload => 'revision')");
$watchers = Watchers->new($conninfo, 1, "SELECT quorum.watch('c/', prefix => true); LISTEN named_c; LISTEN named_r");
$pid = notifier();
kill('STOP', $pid);
sql("SELECT quorum.put('c/1', n::text) FROM generate_series(1, 10) n");
my $compacted = sql('SELECT quorum.revision()');
sql("SELECT quorum.compact($compacted)");
kill('CONT', $pid);
is($watchers->settles_at(3), 3, 'one notification for each watch');
is(join(' ', sort map { $_->{type} ? "$_->{type} $_->{compact_revision}" : "revision $_->{revision}" } $watchers->events),
	"COMPACTED $compacted COMPACTED $compacted revision $compacted", 'says that events are gone, or how far to read');
is(sql('SELECT string_agg(channel || state, \' \' ORDER BY channel) FROM quorum.watches'),
	'named_ccompacted named_ractive', 'watches of events end; a named one is kept to be seen');
sql("SELECT quorum.put('c/1', 'more')");
is($watchers->settles_at(4), 4, 'a watch of revisions goes on');
$watchers->finish;
my ($state, $message) = $cluster->sql_error(1, 'SELECT * FROM quorum.changes(' . ($compacted - 5) . ", 'c/', prefix => true)");
is($state, '22023', 'changes() refuses what is compacted');
like($message, qr/compacted revision is $compacted/, 'and says where that is');

$watchers = Watchers->new($conninfo, 1, "SELECT quorum.watch('c/', prefix => true, start_revision => " . ($compacted - 3) . ')');
is($watchers->settles_at(1), 1, 'a start that is compacted');
is(($watchers->events)[0]{type}, 'COMPACTED', 'is told so');
is(sql('SELECT count(*) FROM quorum.watches WHERE NOT named'), 0, 'and ends');
$watchers->finish;
$watchers = Watchers->new($conninfo, 1, "SELECT quorum.watch('c/', prefix => true, start_revision => $compacted)");
is($watchers->settles_at(2), 2, 'the compacted revision itself can still be watched');
$watchers->finish;
sql("SELECT quorum.drop_watch('named_c'), quorum.drop_watch('named_r')");

# ---------------------------------------------------------------------------
# The window.
# ---------------------------------------------------------------------------

$watchers = Watchers->new($conninfo, 1, "SELECT quorum.watch('t/', prefix => true)");
sql("SELECT quorum.create_watch('win', 't/', prefix => true, payload => 'revision')");
my $revisions = Watchers->new($conninfo, 1, 'LISTEN win');
sql("ALTER SYSTEM SET pg_quorum.notify_interval = '1s'");
sql('SELECT pg_reload_conf()');
sleep(1.5);
my $xid = sql('SELECT pg_snapshot_xmax(pg_current_snapshot())');
sql("SELECT quorum.put('t/' || n, 'x') FROM generate_series(1, 100) n");
is($watchers->settles_at(100), 100, 'a hundred puts in a window');
cmp_ok(sql('SELECT pg_snapshot_xmax(pg_current_snapshot())') - $xid, '<=', 4, 'cost few transactions');
cmp_ok(scalar $revisions->payloads, '<=', 3, 'and few notifications of the revision alone');
is(($revisions->events)[-1]{revision}, sql('SELECT quorum.revision()'), 'which name the last one');
sql('ALTER SYSTEM RESET pg_quorum.notify_interval');
sql('SELECT pg_reload_conf()');
$_->finish for $watchers, $revisions;
sql("SELECT quorum.drop_watch('win')");

# ---------------------------------------------------------------------------
# The notifier ends and comes back: a listener misses nothing, hears nothing twice.
# ---------------------------------------------------------------------------

$since = sql('SELECT quorum.revision()');
sql("SELECT quorum.create_watch('named', 'n/', prefix => true)");
$watchers = Watchers->new($conninfo, 2, "SELECT quorum.watch('n/', prefix => true); LISTEN named");
for my $round (1 .. 3)
{
	sql("SELECT quorum.put('n/' || n, 'x') FROM generate_series(1, 50) n");
	$pid = notifier();
	sql("SELECT pg_terminate_backend($pid)");
	sql("SELECT quorum.put('n/' || n, 'y') FROM generate_series(1, 50) n");
	ok($cluster->worker_came_back(1, 'pg_quorum notifier', $pid), 'the notifier comes back');
}
for my $s (0, 1)
{
	# both watches of a session tell each event
	is($watchers->settles_at(600, $s), 600, "session $s");
	my %times;
	$times{"$_->{mod_revision}"}++ for $watchers->events($s);
	is((grep { $_ != 2 } values %times), 0, 'heard every event once on each channel');
}
$watchers->finish;

# A clean restart: the named watch goes on where it was.
sql("SELECT quorum.put('n/before', 'restart')");
$watchers = Watchers->new($conninfo, 1, 'LISTEN named');
my $from = time();
$node->stop('fast');
cmp_ok(time() - $from, '<', 10, 'the server stops in time');
$watchers->finish;
$node->start;
$cluster->leader;
$watchers = Watchers->new($conninfo, 1, 'LISTEN named');
sql("SELECT quorum.put('n/after', 'restart')");
ok($node->poll_query_until('postgres', "SELECT told_revision = quorum.revision() FROM quorum.watches WHERE channel = 'named'"),
	'a named watch outlives a restart');
is($watchers->settles_at(1), 1, 'and tells what happens then');
is(($watchers->events)[0]{key}, 'n/after', 'and nothing that it had told before');
$watchers->finish;

# A crash of the notifier restarts all of the server; named watches go on.
sql("SELECT quorum.put('n/before', 'crash')");
$pid = $cluster->kill_worker(1, 'pg_quorum notifier');
ok($cluster->worker_came_back(1, 'pg_quorum notifier', $pid), 'the notifier comes back after kill -9');
$cluster->leader;
$watchers = Watchers->new($conninfo, 1, "LISTEN named; SELECT quorum.watch('n/', prefix => true)");
sql("SELECT quorum.put('n/after', 'crash')");
ok($watchers->heard_until(sub { 2 == grep { /crash/ && /after/ } $watchers->payloads }), 'both kinds of watches work');
is(sql('SELECT count(*) FROM quorum.watches'), 2, 'and no watch is left of sessions that were');
$watchers->finish;

# ---------------------------------------------------------------------------
# DROP EXTENSION ends all; a new one starts anew.
# ---------------------------------------------------------------------------

$watchers = Watchers->new($conninfo, 1, "SELECT quorum.watch('n/', prefix => true)");
$pid = notifier();
sql('DROP EXTENSION pg_quorum');
sql("SELECT pg_sleep(1.5)");
sql('CREATE EXTENSION pg_quorum');
$cluster->leader;
is(notifier(), $pid, 'the notifier lives through DROP EXTENSION');
ok($node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM quorum.watches'), 'which ends all watches');
$watchers->finish;
$watchers = Watchers->new($conninfo, 1, "SELECT quorum.watch('n/', prefix => true)");
sql("SELECT quorum.put('n/new', 'x')");
is($watchers->settles_at(1), 1, 'and a watch of the new one works');
$watchers->finish;

$node->stop('fast');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|segmentation/i, 'no crash but the one that was meant');
done_testing();
