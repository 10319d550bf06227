# Locks on three members: who waits, who is woken, who is let in, and that nobody
# is left in a queue, however a wait ends.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/110_locks.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Lockers;
use QuorumCluster;
use Test::More;
use Time::HiRes qw(sleep time);

my $cluster = QuorumCluster->new('locks3', proxies => 1, conf => "pg_quorum.request_timeout = '4s'")->start;

# A session that has said its process, kept for what it does next.
sub open_session
{
	my ($i) = @_;
	my $s = $cluster->session($i);
	$cluster->send_to($s, 'SELECT \'pid \' || pg_backend_pid();');
	$cluster->hear($s, qr/pid (\d+)/) or die 'no session';
	($s->{pid}) = $s->{out} =~ /pid (\d+)/;
	$s->{member} = $i;
	return $s;
}

# Send a query, whose answer comes as "NAME=...".
sub ask { my ($s, $name, $call) = @_; $cluster->send_to($s, "SELECT '$name=' || coalesce($call\::text, 'null');"); return }

# The answer, once it is there.
sub answer
{
	my ($s, $name, $limit) = @_;
	$cluster->hear($s, qr/^$name=(.*)$/m, $limit) or return undef;
	return $s->{out} =~ /^$name=(.*)$/m ? $1 : undef;
}

sub keys_of { my ($name) = @_; return $cluster->sql(1, 'SELECT quorum.read_barrier() \\g /dev/null' . "\nSELECT count(*) FROM quorum.range('$name/', prefix => true)") }

sub wait_for_keys { my ($name, $n) = @_; return $cluster->wait_until("$n keys of $name", sub { keys_of($name) == $n }) }

# How often a process has gone to sleep, which is how often it was woken.
sub sleeps
{
	my ($s) = @_;
	my ($n) = slurp_file("/proc/$s->{pid}/status") =~ /^voluntary_ctxt_switches:\s+(\d+)/m;
	return $n;
}

# ---------------------------------------------------------------------------
# First come, first served, and each waiter is woken once
# ---------------------------------------------------------------------------

my $holder = open_session(1);
ask($holder, 'token', "quorum.lock('queue')");
my $first = answer($holder, 'token');
my @waiters = map { open_session($_) } (2, 3, 1, 2, 3, 1, 2, 3, 1);
for my $n (0 .. $#waiters)
{
	ask($waiters[$n], 'token', "quorum.lock('queue')");
	wait_for_keys('queue', $n + 2);
}
is($cluster->sql(2, 'SELECT quorum.read_barrier() \\g /dev/null' . "\nSELECT name, token, waiters FROM quorum.locks"),
	"queue|$first|" . @waiters, 'the view shows the queue');
is($cluster->sql(3, "SELECT coalesce(quorum.try_lock('queue')::text, 'null')"), 'null', 'try_lock does not wait');
is(keys_of('queue'), @waiters + 1, 'nor enters the queue');

my %before = map { ($_ => sleeps($waiters[$_])) } 0 .. $#waiters;
for my $i ($cluster->members)
{
	$cluster->sql($i, "SELECT quorum.put('elsewhere/' || n % 10, n::text) FROM generate_series(1, 100) n");
	$cluster->sql($i, "SELECT quorum.lock('other'), quorum.unlock('other') FROM generate_series(1, 30)");
}
my $woken = 0;
$woken += sleeps($waiters[$_]) - $before{$_} for 0 .. $#waiters;
cmp_ok($woken, '<=', 3 * @waiters, "waiters sleep while others write ($woken wake-ups by 390 writes)");

# A waiter in the middle gives up: nobody else is concerned.
my $leaves = splice(@waiters, 4, 1);
%before = map { ($_ => sleeps($waiters[$_])) } 0 .. $#waiters;
$cluster->sql($leaves->{member}, "SELECT pg_cancel_backend($leaves->{pid})");
ok($cluster->hear($leaves, qr/canceling statement/), 'a wait can be cancelled');
ok(wait_for_keys('queue', @waiters + 1), 'and leaves no key');
$woken = 0;
$woken += sleeps($waiters[$_]) - $before{$_} for 0 .. $#waiters;
cmp_ok($woken, '<=', @waiters, "nobody is woken by it ($woken wake-ups)");

my $last = $first;
my $in_order = 0;
my $alone = 0;
my $current = $holder;
while (my $next = shift @waiters)
{
	%before = map { ($_ => sleeps($waiters[$_])) } 0 .. $#waiters;
	ask($current, 'unlocked', "quorum.unlock('queue')");
	my $token = answer($next, 'token') // 0;
	$in_order++ if $token > $last;
	$woken = 0;
	$woken += sleeps($waiters[$_]) - $before{$_} for 0 .. $#waiters;
	$alone++ if $woken <= @waiters / 2;
	$last = $token;
	$current = $next;
}
is($in_order, 8, 'the lock goes from one to the next, in the order of the queue');
is($alone, 8, 'and nobody behind is woken');
is(answer($holder, 'unlocked'), 'true', 'unlock says that the lock was held');
ask($current, 'unlocked', "quorum.unlock('queue')");
is(answer($current, 'unlocked'), 'true', 'to the last');
is(keys_of('queue'), 0, 'the queue is empty');

# ---------------------------------------------------------------------------
# However a wait ends
# ---------------------------------------------------------------------------

my $a = open_session(1);
my $b = open_session(2);
ask($a, 'token', "quorum.lock('end')");
answer($a, 'token');

my ($state) = $cluster->sql_error(3, "SELECT quorum.lock('end', timeout => '100ms')");
is($state, '55P03', 'timeout');
is(keys_of('end'), 1, 'leaves no key');
($state) = $cluster->sql_error(3, "SET statement_timeout = '100ms'; SELECT quorum.lock('end')");
is($state, '57014', 'statement_timeout');
ok(wait_for_keys('end', 1), 'leaves no key');
($state) = $cluster->sql_error(3, "BEGIN; SET LOCAL statement_timeout = '100ms';
	DO \$\$ BEGIN PERFORM quorum.lock('end'); EXCEPTION WHEN query_canceled THEN RAISE NOTICE 'x'; END \$\$;
	SELECT 1 / count(*) FROM quorum.range('end/' || to_hex(quorum.session_lease()))");
is($state, '22012', 'the error is caught in a transaction that goes on: its next request finds no key');
ok(wait_for_keys('end', 1), 'nor is there one after it');

ask($b, 'token', "quorum.lock('end')");
wait_for_keys('end', 2);
$cluster->sql(2, "SELECT pg_terminate_backend($b->{pid})");
ok(wait_for_keys('end', 1), 'a session that is terminated leaves no key');
$b = open_session(2);
ask($b, 'token', "quorum.lock('end')");
wait_for_keys('end', 2);
$b->{run}->signal('KILL');
ok(wait_for_keys('end', 1), 'nor one whose client was killed');

# The holder's client is killed: the lock is free.
$b = open_session(3);
ask($b, 'token', "quorum.lock('end')");
wait_for_keys('end', 2);
$a->{run}->signal('KILL');
ok(answer($b, 'token'), 'the lock of a killed client goes to the next');
ask($b, 'done', "quorum.unlock('end')");
answer($b, 'done');

# A waiter whose key is taken away must notice.
$a = open_session(1);
ask($a, 'token', "quorum.lock('end')");
answer($a, 'token');
my $c = open_session(2);
ask($c, 'token', "quorum.lock('end')");
wait_for_keys('end', 2);
$cluster->sql(3, "SELECT quorum.delete(key) FROM quorum.range('end/', prefix => true, sort_by => 'create_revision', descending => true, max_rows => 1)");
ok($cluster->hear($c, qr/place in the queue has been lost/), 'a waiter whose key is deleted fails');
ask($c, 'again', "quorum.lock('end')");
wait_for_keys('end', 2);
ask($a, 'done', "quorum.unlock('end')");
ok(answer($c, 'again'), 'and can wait anew');
ask($c, 'done', "quorum.unlock('end')");
answer($c, 'done');

# ---------------------------------------------------------------------------
# A client that follows etcd's recipe by transactions of its own
# ---------------------------------------------------------------------------

# enter: put the key unless it is there; returns its create revision
sub recipe_enter
{
	my ($i, $who) = @_;
	return $cluster->sql($i, "SELECT revision FROM quorum.txn(
		compare => ARRAY[quorum.if_create_revision('shared/$who', '=', 0)],
		success => ARRAY[quorum.op_put('shared/$who', '')], failure => ARRAY[quorum.op_range('shared/$who')])");
}

# its predecessor: the greatest create revision below its own
sub recipe_ahead
{
	my ($i, $revision) = @_;
	return $cluster->sql($i, "SELECT key FROM quorum.range('shared/', prefix => true, max_create_revision => $revision - 1,
		sort_by => 'create_revision', descending => true, max_rows => 1)");
}

my $r1 = recipe_enter(1, '1a2b');
is(recipe_ahead(2, $r1), '', 'recipe: holds the lock');
ask($c, 'shared', "quorum.lock('shared')");
wait_for_keys('shared', 2);
my $r2 = recipe_enter(3, '3c4d');
my $ahead = recipe_ahead(1, $r2);
like($ahead, qr{^shared/[0-9a-f]{1,16}$}, 'recipe: waits for the key of the SQL session');
is($cluster->sql(1, "SELECT to_hex(lease) = substr(key, 8) FROM quorum.get_kv('$ahead')"), 't', 'which is named after its lease');
sleep(0.2);
$c->{run}->pump_nb;
unlike($c->{out}, qr/^shared=/m, 'the SQL session waits for the recipe client');
$cluster->sql(2, "SELECT quorum.delete('shared/1a2b')");
my $between = answer($c, 'shared');
ok($between > $r1 && $between < $r2, 'and gets the lock between the two');
ask($c, 'unshared', "quorum.unlock('shared')");
is(answer($c, 'unshared'), 'true', 'and gives it up');
is(recipe_ahead(1, $r2), '', 'recipe: holds the lock again');
$cluster->sql(1, "SELECT quorum.delete('shared/3c4d')");

# ---------------------------------------------------------------------------
# A semaphore lets in as many as fit, in order
# ---------------------------------------------------------------------------

my @sem = map { open_session($_) } (1, 2, 3, 1, 2);
my @permits = (1, 2, 2, 1, 3);
for my $n (0 .. 4)
{
	ask($sem[$n], 'sem', "quorum.semaphore_acquire('sem', 3, $permits[$n])");
	wait_for_keys('sem', $n + 1);
}
ok(answer($sem[0], 'sem') && answer($sem[1], 'sem'), 'semaphore: the first two fill it');
sleep(0.2);
$_->{run}->pump_nb for @sem;
is(scalar(grep { $_->{out} =~ /^sem=/m } @sem), 2, 'and the others wait');
ask($sem[0], 'freed', "quorum.semaphore_release('sem')");
answer($sem[0], 'freed');
sleep(0.2);
$_->{run}->pump_nb for @sem;
is(scalar(grep { $_->{out} =~ /^sem=/m } @sem), 2, 'one permit is free: the third wants two, and is not overtaken by the fourth');
ask($sem[1], 'freed', "quorum.semaphore_release('sem')");
ok(answer($sem[2], 'sem') && answer($sem[3], 'sem'), 'then both get in');
my $t4 = answer($sem[3], 'sem');
is($cluster->sql(3, "SELECT quorum.assert_token('sem', $t4, capacity => 3)"), '', 'and the token is good');
($state) = $cluster->sql_error(3, "SELECT quorum.assert_token('sem', $t4, capacity => 2)");
is($state, '40001', 'as the capacity has it');
ask($sem[2], 'freed', "quorum.semaphore_release('sem')");
answer($sem[2], 'freed');
sleep(0.2);
$sem[4]{run}->pump_nb;
unlike($sem[4]{out}, qr/^sem=/m, 'the last wants all of it');
ask($sem[3], 'freed', "quorum.semaphore_release('sem')");
ok(answer($sem[4], 'sem'), 'and gets it when it is empty');
$cluster->close_session($_) for @sem;

# ---------------------------------------------------------------------------
# An election: the leader is cut off, another leads, the first one is told
# ---------------------------------------------------------------------------

my ($away) = $cluster->followers;
my @others = grep { $_ != $away } $cluster->members;
my $old = open_session($away);
ask($old, 'lease', "quorum.session_lease('2s')");
answer($old, 'lease');
ask($old, 'elected', "quorum.campaign('boss', 'old')");
my $old_token = answer($old, 'elected');
my $new = open_session($others[0]);
ask($new, 'elected', "quorum.campaign('boss', 'new')");
wait_for_keys('boss', 2);
is($cluster->sql($others[1], "SELECT value FROM quorum.leader('boss')"), 'old', 'the old leader leads');
$cluster->sql($away, "SELECT quorum.assert_token('boss', $old_token)");

# in flight without a quorum: cancelled at once, and undone when the quorum is back
my $stuck = open_session($away);
ask($stuck, 'lease', 'quorum.session_lease()');
answer($stuck, 'lease');
$cluster->set_links('cut', $cluster->links_between([$away], \@others));
ask($stuck, 'stuck', "quorum.lock('stuck')");
sleep(0.5);
my $start = time();
$cluster->sql($away, "SELECT pg_cancel_backend($stuck->{pid})");
ok($cluster->hear($stuck, qr/canceling statement/), 'without a quorum a call can be cancelled');
cmp_ok(time() - $start, '<', 2, 'at once');

my $new_token = answer($new, 'elected', 40) // 0;
cmp_ok($new_token, '>', $old_token, 'the lease of the leader that was cut off expires, and the next is elected');
is($cluster->sql($others[1], "SELECT value FROM quorum.leader('boss')"), 'new', 'everybody sees it');
($state) = $cluster->sql_error($others[1], "SELECT quorum.assert_token('boss', $old_token)");
is($state, '40001', 'the old token is not good any more');
($state) = $cluster->sql_error($away, "SELECT quorum.assert_token('boss', $old_token)");
is($state, '57P03', 'where there is no quorum it cannot be asserted');
$cluster->heal;
$cluster->agreed;
($state) = $cluster->sql_error($away, "SELECT quorum.assert_token('boss', $old_token)");
is($state, '40001', 'and is refused when there is one');
$cluster->send_to($old, '\\set VERBOSITY verbose');
ask($old, 'proclaimed', "quorum.proclaim('boss', 'old again')");
ok($cluster->hear($old, qr/55000: lease of this session has been lost/), 'the old leader is told that it has lost all it had');
ask($old, 'proclaimed', "quorum.proclaim('boss', 'old again')");
ok($cluster->hear($old, qr/55000: session is not the leader/), 'and then that it does not lead');
is($cluster->sql($away, "SELECT value FROM quorum.leader('boss')"), 'new', 'the new one leads');

ask($stuck, 'next', "quorum.unlock('nothing')");
is(answer($stuck, 'next'), 'false', 'the cancelled session goes on');
is(keys_of('stuck'), 0, 'and does not stand in the queue');
is($cluster->sql($others[0], "SELECT quorum.try_lock('stuck') > 0"), 't', 'so another gets the lock at once');

# ---------------------------------------------------------------------------
# Many at once, without faults: never two, and in the order of the tokens
# ---------------------------------------------------------------------------

my %count = Lockers->new($cluster, sessions => 12, duration => 4, name => 'many', cancel => 60, timeout => 60, die => 30, hold => 6)->finish;
note(join(', ', map { "$_=$count{$_}" } sort keys %count));
cmp_ok($count{locked}, '>', 50, 'many: the lock goes round');
is("$count{refused} $count{overlaps} $count{lost} $count{twice} $count{false_assert} $count{false_refusal} $count{hung}",
	'0 0 0 0 0 0 0', 'many: nothing went wrong');
is(join(' ', grep { /^state_/ && !/^state_(?:55P03|57014|lost)$/ } keys %count), '', 'many: no odd error');
ok(wait_for_keys('many', 0), 'many: no key is left');
%count = Lockers->new($cluster, sessions => 12, duration => 3, name => 'some', capacity => 4, cancel => 60, timeout => 60, die => 30, hold => 20)->finish;
note(join(', ', map { "$_=$count{$_}" } sort keys %count));
is("$count{overlaps} $count{lost} $count{hung}", '0 0 0', 'some: never more in the semaphore than fit');
ok(wait_for_keys('some', 0), 'some: no key is left');

$cluster->stop;
done_testing();
