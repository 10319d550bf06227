# Export under load, to a file and back into another cluster; imports that are
# watched, read, cut off by crashes, or of damaged files.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/151_export.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use QuorumCluster;
use Test::More;
use Time::HiRes qw(sleep time);

my $many = 12000;
my $file = "$PostgreSQL::Test::Utils::tmp_check/store.copy";
my $all  = "quorum.range(''::bytea, prefix => true";

my $source = QuorumCluster->new('source')->start;
my $leader = $source->leader;
my ($follower) = $source->followers;

# Save as the manual says.
sub save
{
	my ($cluster, $i, $to) = @_;
	$cluster->sql($i, "\\copy (SELECT quorum.export()) TO '$to' WITH (FORMAT binary)");
	return;
}

# End a session that runs in a loop; it would not notice that its client has gone.
sub end_loop
{
	my ($cluster, $i, $session) = @_;
	my $loops = "FROM pg_stat_activity WHERE query LIKE 'DO %' AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
	$cluster->close_session($session);
	$cluster->wait_until('end of a session',
		sub { $cluster->sql($i, "SELECT count(pg_terminate_backend(pid)) $loops") eq '0' });
	return;
}

# Load a file into a table, for the import; returns an error or ''.
sub load_file
{
	my ($cluster, $i, $from) = @_;
	my ($stdout, $stderr) = ('', '');
	$cluster->node($i)->psql('postgres', <<"SQL", stdout => \$stdout, stderr => \$stderr, on_error_stop => 1);
SET client_min_messages = warning;
DROP TABLE IF EXISTS copy;
CREATE TABLE copy (n bigint GENERATED ALWAYS AS IDENTITY, chunk bytea);
\\copy copy (chunk) FROM '$from' WITH (FORMAT binary)
SQL
	return $stderr;
}

my $import = q{SELECT quorum.import('SELECT chunk FROM copy ORDER BY n'};

# ---------------------------------------------------------------------------
# Export while others write and compact
# ---------------------------------------------------------------------------

$source->sql($leader, <<"SQL");
SELECT count(t) FROM (
	SELECT array_agg(quorum.op_put('k/' || i, repeat('v', i % 200))) AS ops FROM generate_series(1, $many) i GROUP BY i / 100
) s, quorum.txn(NULL::quorum.compare[], s.ops) t
SQL
$source->sql($leader, "SELECT quorum.put('k/' || i, 'again') FROM generate_series(1, 100) i");
$source->sql($leader, 'SELECT quorum.lease_grant(600, 7), quorum.lease_grant(700, 8)');
$source->sql($leader, "SELECT quorum.put('leased', 'x', lease => 7), quorum.put('binary'::bytea, '\\x00ff'::bytea)");

# Two keys that are always equal
my $writer = $source->session($leader);
$source->send_to($writer, <<'SQL');
DO $$
BEGIN
	FOR i IN 1 .. 1000000 LOOP
		PERFORM quorum.txn(compare => NULL::quorum.compare[], success => ARRAY[quorum.op_put('a/pair', i::text), quorum.op_put('z/pair', i::text)]);
		IF i % 50 = 0 THEN
			PERFORM quorum.compact(quorum.revision());
		END IF;
		COMMIT;
	END LOOP;
END
$$;
SQL
$source->wait_until('writes', sub { ($source->sql($follower, "SELECT quorum.get('a/pair')") || 0) > 100 });

# Slower than compactions come: the chunks are taken one by one
my $slow = $source->sql($follower, <<'SQL');
BEGIN;
DECLARE c NO SCROLL CURSOR FOR SELECT quorum.export();
CREATE TABLE slow (n bigint GENERATED ALWAYS AS IDENTITY, chunk bytea);
DO $$
DECLARE
	c refcursor := 'c';
	row record;
BEGIN
	LOOP
		FETCH c INTO row;
		EXIT WHEN NOT FOUND;
		INSERT INTO slow (chunk) VALUES (row.export);
		PERFORM pg_sleep(0.1);
	END LOOP;
END
$$;
COMMIT;
SELECT count(*) > 5 FROM slow;
SQL
like($slow, qr/t$/, 'a slow export goes on while revisions are compacted behind it');
save($source, $follower, $file);
end_loop($source, $leader, $writer);
ok(-s $file > 1_000_000, 'a copy in a file');

# Nothing is held back any more
$source->sql($leader, 'SELECT quorum.compact(quorum.revision(), physical => true)');
ok($source->wait_until('compaction', sub { $source->sql($follower, 'SELECT count(*) FROM quorum.mvcc') < $many + 200 }),
	'what was compacted goes after the export');

# One of a state that stays, to compare with
my $at_rest = "$file.rest";
save($source, $follower, $at_rest);
my $revision = $source->sql($leader, 'SELECT quorum.revision()');
my $contents = "SELECT count(*), md5(string_agg(r::text, ' ' ORDER BY key)) FROM $all) r";
my $expected = $source->sql($leader, $contents);

# ---------------------------------------------------------------------------
# Into a new cluster
# ---------------------------------------------------------------------------

my $target = QuorumCluster->new('target')->start;
my ($t) = $target->followers;
is(load_file($target, $t, $at_rest), '', 'the copy is loaded into a table');
is($target->sql($t, "$import)"), $revision, 'imported, at the revision of the copy');
is($target->differences, '', 'all members have the same');
for my $i ($target->members)
{
	is($target->sql($i, $contents), $expected, "n$i: contents and revisions are those of the source");
	is($target->sql($i, 'SELECT id, granted, keys FROM quorum.leases ORDER BY id'),
		$source->sql($leader, 'SELECT id, granted, keys FROM quorum.leases ORDER BY id'), "n$i: and its leases");
}
is($target->sql($t, "SELECT quorum.put('new', '1')"), $revision + 1, 'and on it goes');
$target->sql($t, "SELECT quorum.put('newer', '2')");
$target->sql($t, 'SELECT quorum.lease_revoke(7)');
is($target->sql($t, "SELECT quorum.get('leased') IS NULL"), 't', 'a lease takes its keys along');

# ---------------------------------------------------------------------------
# Damaged files
# ---------------------------------------------------------------------------

my $before = $target->sql($t, $contents);
my $whole = slurp_file($file);
my @damages = (
	[ 'a byte less in the middle', sub { substr($_[0], length($_[0]) / 2, 1) = '' } ],
	[ 'cut off in the middle', sub { substr($_[0], length($_[0]) / 2) = '' } ],
	[ 'a byte changed', sub { substr($_[0], length($_[0]) / 2, 1) ^= "\1" } ]);
for my $damage (@damages)
{
	my ($what, $change) = @$damage;
	my $bytes = $whole;
	$change->($bytes);
	open(my $out, '>:raw', "$file.bad") or die $!;
	print $out $bytes;
	close($out);
	my $error = load_file($target, $t, "$file.bad");
	(my $state, $error) = $target->sql_error($t, "$import, 'bump', true)") if $error eq '';
	note("$what: " . ($error =~ /(ERROR: .*)/)[0]);
	isnt($error, '', "$what: refused");
}
load_file($target, $t, $file);
my ($state, $message) = $target->sql_error($t, q{SELECT quorum.import('SELECT chunk FROM copy ORDER BY n DESC', 'bump', true)});
is($state, '22P03', 'out of order: refused');
($state) = $target->sql_error($t, "$import)");
is($state, '55000', 'not over what is there');
is($target->sql($t, $contents), $before, 'and nothing has changed');

# ---------------------------------------------------------------------------
# In the place of what is there, watched and read all the time
# ---------------------------------------------------------------------------

my $since = $target->sql($t, 'SELECT quorum.revision()');
my $watcher = $target->session($t);
$target->send_to($watcher, "SELECT quorum.watch('k/', prefix => true, start_revision => $since + 1) IS NOT NULL AS watching;");
$target->hear($watcher, qr/\bt\b/);
my ($other) = grep { $_ != $t } $target->followers;
$target->sql($other, 'CREATE TABLE seen (keys bigint, at timestamptz)');
my $reader = $target->session($other);
$target->send_to($reader, <<'SQL');
DO $$
BEGIN
	LOOP
		INSERT INTO seen VALUES (quorum.count('', prefix => true, serializable => true), clock_timestamp());
		COMMIT;
	END LOOP;
END
$$;
SQL
$target->wait_until('reads', sub { $target->sql($other, 'SELECT count(*) > 5 FROM seen') eq 't' });
my $began = time();
my $bumped = $target->sql($t, "$import, 'bump', true)");
note(sprintf('imported %d keys in %.1f s', $many, time() - $began));
cmp_ok($bumped, '>', $since + 1_000_000_000, 'bumped far above');
$target->sql($other, 'SELECT quorum.read_barrier()');
sleep(0.5);
end_loop($target, $other, $reader);
my $counts = $target->sql($other, 'SELECT DISTINCT keys FROM seen ORDER BY keys');
my $now_keys = $target->sql($t, "SELECT quorum.count('', prefix => true)");
my ($then_keys) = $before =~ /^(\d+)/;
is_deeply([ sort { $a <=> $b } split(/\n/, $counts) ], [ sort { $a <=> $b } $now_keys, $then_keys ],
	'readers saw the old state and the new one, and nothing in between');
note('longest time between two reads: '
	  . $target->sql($other, 'SELECT max(at - before) FROM (SELECT at, lag(at) OVER (ORDER BY at) AS before FROM seen) s'));
is($target->sql($t, "SELECT quorum.get('a/pair') = quorum.get('z/pair')"), 't', 'the copy was of one moment');
is($target->sql($t, "SELECT quorum.get('new') IS NULL"), 't', 'what was there has gone');
is($target->differences, '', 'all members have the same');
is($target->findings, '', 'and sound pages');

# Whoever watched is told that there is a gap, and never that revisions went back.
$target->send_to($watcher, 'SELECT 1;');
ok($target->wait_until('COMPACTED',
		sub { $target->send_to($watcher, 'SELECT 1;'); sleep(0.2); $watcher->{run}->pump_nb; $watcher->{out} =~ /COMPACTED/ }),
	'etcd 16028: a watch from before ends with COMPACTED');
($state) = $target->sql_error($t, "SELECT * FROM quorum.changes($since, 'k/', prefix => true)");
is($state, '22023', 'changes since then are refused');
$target->close_session($watcher);
my $next = $target->sql($t, "SELECT quorum.put('k/1', 'later')");
is($target->sql($t, "SELECT key, value FROM quorum.changes($bumped, 'k/', prefix => true)"), 'k/1|later', 'and those after it told');

# The slow copy is one of one moment, too.
$target->sql($t, 'TRUNCATE copy RESTART IDENTITY');
$source->sql($follower, "\\copy (SELECT chunk FROM slow ORDER BY n) TO '$file.slow' WITH (FORMAT binary)");
is(load_file($target, $t, "$file.slow"), '', 'the slow copy');
cmp_ok($target->sql($t, "$import, 'bump', true)"), '>', $next, 'is imported');
is($target->sql($t, "SELECT quorum.get('a/pair') = quorum.get('z/pair')"), 't', 'and was of one moment');
$source->stop;

# ---------------------------------------------------------------------------
# Crashes in the middle
# ---------------------------------------------------------------------------

load_file($target, $t, $at_rest);
my $sum = q{SELECT count(*), md5(string_agg(key || md5(value) || version, ' ' ORDER BY key)) FROM } . "$all) r";
my @after_crash;
for my $victim ('leader', 'all')
{
	$target->sql($t, "SELECT quorum.delete('', prefix => true)");
	$target->sql($t, "SELECT quorum.put('old/' || i, 'x') FROM generate_series(1, 50) i");
	my $old = $target->sql($t, $sum);
	my $lead = $target->leader;
	my $from = $victim eq 'leader' && $lead == $t ? $other : $t;
	if ($from != $t)
	{
		load_file($target, $from, $at_rest);
	}
	my $session = $target->session($from);
	$target->send_to($session, "$import, 'bump', true);");
	sleep(0.05 + rand(0.2));
	my @victims = $victim eq 'leader' ? ($lead) : $target->members;
	$target->kill_postmaster($_) for @victims;
	$target->start_member($_) for @victims;
	$target->agreed;
	# the one that imports from elsewhere may still be at it
	$target->wait_until('end of the import', sub { $session->{run}->pump_nb; $session->{out} =~ /\d{9}|ERROR|connection/ }, 20);
	$target->close_session($session);
	is($target->differences, '', "$victim killed: all members have the same");
	my $got = $target->sql($t, $sum);
	push @after_crash, { victim => $victim, got => $got, old => $old };
	$target->sql($t, 'SELECT quorum.discard_import()');
}
load_file($target, $t, $at_rest);
$target->sql($t, "$import, 'bump', true)");
my ($expected_count) = $expected =~ /^(\d+)/;
like($target->sql($_, $sum), qr/^$expected_count\|/, "n$_: an import afterwards is complete") for $target->members;
my $new = $target->sql($t, $sum);
for my $crash (@after_crash)
{
	my $is_old = $crash->{got} eq $crash->{old};
	ok($is_old || $crash->{got} eq $new, "$crash->{victim} killed: the old state or the new one, whole (" . ($is_old ? 'old' : 'new') . ')')
	  or diag("$crash->{got}, neither $crash->{old} nor $new");
}
is($target->findings, '', 'sound pages');

$target->stop;
done_testing();
