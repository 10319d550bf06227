# etcd's Watch service: what a stream says, in every case that clients depend on.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/230_gateway_watch.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use EtcdConsole;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use QuorumCluster;
use Test::More;
use Time::HiRes qw(sleep time);

my $cluster = QuorumCluster->new('gwatch', gateway => 1, proxies => 1,
	conf => "pg_quorum.watch_progress_notify_interval = '300ms'\npg_quorum.catchup_entries = 50")->start;
my $console  = EtcdConsole->new;
my $endpoint = $cluster->endpoint(1);

sub sql { return $cluster->sql(1, $_[0]) }
sub revision { return sql('SELECT quorum.revision()') }
sub watch { my ($member, @metadata) = @_; return $console->open($cluster->endpoint($member // 1), 'Watch/Watch', @metadata) }

sub create
{
	my ($stream, $key, %options) = @_;
	$options{range_end} = $console->bytes($options{range_end}) if defined $options{range_end};
	$stream->send({ create_request => { key => $console->bytes($key), %options } });
	return;
}

# A response in one line: id, what it says, and its events.
sub show
{
	my ($r) = @_;
	return 'nothing' unless $r;
	return join(' ',
		$r->{watch_id} // 0,
		(map { $r->{$_} ? $_ : () } qw(created canceled fragment)),
		($r->{compact_revision} ? "compacted $r->{compact_revision}" : ()),
		($r->{cancel_reason} ? "($r->{cancel_reason})" : ()),
		map {
			($_->{type} // 'PUT') . ' ' . $console->text($_->{kv}{key}) . '=' . $console->text($_->{kv}{value})
			  . ($_->{prev_kv} ? '<' . $console->text($_->{prev_kv}{value}) : '')
		} @{ $r->{events} // [] });
}

sub says { my ($stream, $words, $name, $limit) = @_; return is(show($stream->response($limit)), $words, $name) }
sub silent { my ($stream, $name) = @_; return is(show($stream->response(0.6)), 'nothing', $name) }

# ---------------------------------------------------------------------------
# Creation: answered first and in order, ids, refusals.
# ---------------------------------------------------------------------------

my $s = watch();
sql("SELECT quorum.put('a', '1')");
create($s, 'a', start_revision => 1);
create($s, 'p/', range_end => 'p0', prev_kv => \1);
create($s, 'a', watch_id => 7);
create($s, 'a', watch_id => 7);
create($s, 'b', range_end => 'a', watch_id => 7);
create($s, 'b', range_end => 'b');
create($s, 'b', range_end => 'a', start_revision => -3);
create($s, 'nothing');
my @said = map { show($s->response) } 1 .. 9;
is(join('; ', grep { /created/ } @said),
	join('; ', '0 created', '1 created', '7 created',
		'-1 created canceled (mvcc: duplicate watch ID provided on the WatchStream)',
		'-1 created canceled (mvcc: watcher range is empty)',
		'-1 created canceled (mvcc: watcher range is empty)',
		'-1 created canceled (etcdserver: mvcc: required revision has been compacted)',
		'2 created'),
	'created in the order asked, ids from 0, refusals in etcd\'s words');
is($said[0], '0 created', 'before its events');
is(join('; ', grep { !/created/ } @said), '0 PUT a=1', 'which come from a revision of the past');

my $before = revision();
create($s, 'n', range_end => "\0");
my $created = $s->response;
is($created->{header}{revision}, $before, 'the header of "created" has the present revision');
sql("SELECT quorum.put('p/x', '1')");
my %heard = map { $_->{watch_id} // 0, $_ } ($s->response, $s->response);
is(join('; ', map { show($heard{$_}) } sort keys %heard), '1 PUT p/x=1; 3 PUT p/x=1', 'a put is told to all it concerns');
cmp_ok($heard{3}{events}[0]{kv}{mod_revision}, '>', $created->{header}{revision}, 'the first event is behind it');
is($heard{3}{header}{revision}, revision(), 'the header of events has their revision');

$s->send({ cancel_request => { watch_id => 3 } });
says($s, '3 canceled', 'a watch is canceled');
$s->send({ cancel_request => { watch_id => 99 } });
$s->send({ cancel_request => { watch_id => 7 } });
says($s, '7 canceled', 'one that is not there is passed over');
create($s, 'a', watch_id => 7);
says($s, '7 created', 'an id is free again');

# ---------------------------------------------------------------------------
# Options
# ---------------------------------------------------------------------------

sql("SELECT quorum.put('p/x', '2'); SELECT quorum.delete('p/x')");
says($s, '1 PUT p/x=2<1', 'with the previous value');
says($s, '1 DELETE p/x=<2', 'of a delete too');

my $f = watch();
create($f, 'f', filters => ['NOPUT']);
create($f, 'f', filters => ['NODELETE']);
create($f, 'f', filters => [ 'NOPUT', 'NODELETE' ]);
$f->response for 1 .. 3;
sql("SELECT quorum.put('f', '1'); SELECT quorum.delete('f')");
says($f, '1 PUT f=1', 'a watch without deletes');
says($f, '0 DELETE f=', 'a watch without puts');
silent($f, 'a watch of neither is told nothing');

my $t = watch();
create($t, 't/', range_end => 't0');
$t->response;
sql(q{SELECT succeeded FROM quorum.txn(compare => NULL, failure => NULL, success => ARRAY[
	quorum.op_put('t/1', 'x'), quorum.op_put('u', 'x'), quorum.op_put('t/2', 'y')])});
says($t, '0 PUT t/1=x PUT t/2=y', 'a transaction is told in one response');
my $txn = watch();
create($txn, 't/', range_end => 't0', start_revision => revision());
$txn->response;
says($txn, '0 PUT t/1=x PUT t/2=y', 'also from the past');

my $large = watch();
create($large, 'large/', range_end => 'large0', fragment => \1);
create($large, 'large/', range_end => 'large0');
$large->response for 1 .. 2;
sql(q{SELECT quorum.put('large/' || n, repeat('x', 700000)) FROM generate_series(1, 5) n});
$large->await(sub { my $n = 0; $n += @{ $_->{events} } for @{ $large->{responses} }; $n == 10 });
@{ $large->{responses} } = ();
my $back = watch();
create($back, 'large/', range_end => 'large0', prev_kv => \1, fragment => \1, start_revision => revision());
$back->response;
sql("SELECT quorum.delete('large/', prefix => true)");
$back->await(sub { my $n = 0; $n += @{ $_->{events} } for @{ $back->{responses} }; $n == 6 });
my @parts = @{ $back->{responses} };
shift @parts;    # the put
is(join(' ', map { $_->{fragment} ? 1 : 0 } @parts), join(' ', (1) x ($#parts), 0), 'all fragments but the last say that they are one');
cmp_ok(scalar @parts, '>=', 2, 'three and a half megabytes take several');
is(show($large->response), '0 ' . join(' ', map {"DELETE large/$_="} 1 .. 5), 'small events need none');

# ---------------------------------------------------------------------------
# The future, and the past that is gone.
# ---------------------------------------------------------------------------

my $future = watch();
my $at = revision() + 3;
create($future, 'x', start_revision => $at);
says($future, '0 created', 'a watch from the future');
$future->send({ progress_request => {} });
sql("SELECT quorum.put('x', 'early')");
is(show($future->response(0.8)), 'nothing', 'is told nothing before, neither events nor progress');
sql("SELECT quorum.put('x', 'early')");
my $progress = $future->response;
is(show($progress), '-1', 'the progress asked for comes when it is its turn');
is($progress->{header}{revision}, $at - 1, 'up to there');
sql("SELECT quorum.put('x', 'in time')");
says($future, '0 PUT x=in time', 'and then what happens');

sql("SELECT quorum.put('c', n::text) FROM generate_series(1, 5) n");
my $compacted = revision() - 2;
sql("SELECT quorum.compact($compacted)");
my $old = watch();
create($old, 'c', start_revision => $compacted - 1);
says($old, '0 created', 'a watch from a compacted revision is created');
my $over = $old->response;
is(show($over), "0 canceled compacted $compacted", 'and over at once');
ok(!$over->{header}{revision}, 'its header is of no revision');
create($old, 'c', start_revision => $compacted);
says($old, '1 created', 'from the compacted revision itself');
says($old, '1 PUT c=3 PUT c=4 PUT c=5', 'all is told that is there');

# ---------------------------------------------------------------------------
# Progress
# ---------------------------------------------------------------------------

my $n = watch();
create($n, 'quiet', progress_notify => \1);
create($n, 'busy', progress_notify => \1);
$n->response for 1 .. 2;
my $now = revision();
my $busy = time() + 1.5;
my %progress;
while (time() < $busy)
{
	sql("SELECT quorum.put('busy', 'x')");
	while (my $r = $n->response(0)) { $progress{ $r->{watch_id} // 0 }++ unless $r->{events} }
	sleep(0.05);
}
cmp_ok($progress{0} // 0, '>=', 2, 'a quiet watch hears of its progress');
# A put held up for longer than the interval earns the busy watch a notice too.
cmp_ok($progress{1} // 0, '<', $progress{0} // 0, 'one that is told events hears less of it');
$n->send({ progress_request => {} });
my $r;
do { $r = $n->response } until !$r || ($r->{watch_id} // 0) == -1;
is($r->{header}{revision}, revision(), 'progress on request, up to the present');

# ---------------------------------------------------------------------------
# A client that does not read is no burden, and misses nothing.
# ---------------------------------------------------------------------------

my $slow = watch();
my $fast = watch();
create($_, 'slow/', range_end => 'slow0') for $slow, $fast;
$_->response for $slow, $fast;
$slow->pause;
my $memory = sub {
	my $pid = $cluster->worker_pid(1, 'pg_quorum gateway');
	my ($anon) = slurp_file("/proc/$pid/status") =~ /^RssAnon:\s+(\d+)/m;
	return $anon;
};
my $anon = $memory->();
sql("SELECT quorum.put('slow/' || n, repeat('x', 40000)) FROM generate_series(1, 200) n");
my $told = 0;
ok($fast->await(sub { $told = 0; $told += @{ $_->{events} } for @{ $fast->{responses} }; $told == 200 }, 60),
	'others are told everything meanwhile');
cmp_ok($memory->() - $anon, '<', 4000, 'eight megabytes that are not read take little memory');
$slow->resume;
ok($slow->await(sub { $told = 0; $told += @{ $_->{events} } for @{ $slow->{responses} }; $told == 200 }, 60),
	'who reads again is told everything');
my @revisions = map { map { $_->{kv}{mod_revision} } @{ $_->{events} } } @{ $slow->{responses} };
is("@revisions", join(' ', sort { $a <=> $b } @revisions), 'in order');

# So do all watches of a stream, wherever each had stopped.
my $many = watch();
create($many, 'many/', range_end => 'many0') for 1 .. 40;
$many->response for 1 .. 40;
$many->pause;
sql("SELECT quorum.put('many/' || n, repeat('z', 3000)) FROM generate_series(1, 150) n");
$many->resume;
my %heard;
ok($many->await(sub {
	%heard = ();
	for my $r (@{ $many->{responses} }) { push @{ $heard{ $r->{watch_id} // 0 } }, map { $_->{kv}{mod_revision} } @{ $r->{events} } }
	return keys(%heard) == 40 && !grep { @$_ < 150 } values %heard;
}, 60), 'all watches of a slow stream are told everything');
my $first = sql(q{SELECT min(mod_revision) FROM quorum.range('many/', prefix => true)});
is(join(' ', map { "@$_" } grep { "@$_" ne join(' ', $first .. $first + 149) } values %heard), '', 'once, and in order');
$many->close;

$slow->pause;
@{ $slow->{responses} } = ();
sql("SELECT quorum.put('slow/' || n, repeat('y', 100000)) FROM generate_series(1, 400) n");
sql('SELECT quorum.compact(quorum.revision())');
$slow->resume;
$slow->await(sub { grep { $_->{canceled} } @{ $slow->{responses} } }, 60);
is(show($slow->{responses}[-1]), "0 canceled compacted " . sql('SELECT compacted_revision FROM quorum.status'),
	'who is overtaken by a compaction is told so');

# ---------------------------------------------------------------------------
# A member that is cut off.
# ---------------------------------------------------------------------------

my $leader   = $cluster->leader;
my $follower = (grep { $_ != $leader } $cluster->members)[0];
my $wants = watch($follower, 'hasleader=true');
my $stays = watch($follower);
create($_, 'cut') for $wants, $stays;
$_->response for $wants, $stays;
my @others = grep { $_ != $follower } $cluster->members;
$cluster->set_links('cut', $cluster->links_between([$follower], \@others));
my $end = $wants->end(30);
is($end && "$end->{code} $end->{text}", '14 etcdserver: no leader', 'a stream that wants a leader ends without one');
my $refused = watch($follower, 'hasleader=true');
create($refused, 'cut');
$end = $refused->end(10);
is($end && "$end->{code} $end->{text}", '14 etcdserver: no leader', 'and is refused at once');
$cluster->sql($others[0], "SELECT quorum.put('cut', 'while cut off')");
silent($stays, 'another one stays, and hears nothing');

# Until the log has forgotten what it misses, so that it gets another store.
my $bounds = sub { return split(/\|/, $cluster->sql($_[0], 'SELECT min(index), max(index) FROM quorum.raft_log')) };
my (undef, $last) = $bounds->($follower);
my $first = 0;
my $puts = 0;
while ($first <= $last + 1 && $puts < 40)
{
	$puts++;
	$cluster->sql($others[0], "SELECT quorum.put('cut', 'put $puts'); SELECT quorum.put('fill/' || n, repeat('f', 500)) FROM generate_series(1, 400) n");
	($first) = $bounds->($cluster->leader);
}
cmp_ok($first, '>', $last + 1, 'the log has forgotten what the member needs');
my $ahead = $cluster->sql($others[0], 'SELECT quorum.revision()') + 1;
create($stays, 'cut', start_revision => $ahead);
says($stays, '1 created', 'a watch from what this member does not know yet');
$cluster->heal;
my @missed = map { $_->{kv}{value} } @{ $stays->response(30)->{events} };
push @missed, map { $_->{kv}{value} } @{ ($stays->response // last)->{events} } while @missed <= $puts;
is(join(', ', map { $console->text($_) } @missed), join(', ', 'while cut off', map {"put $_"} 1 .. $puts),
	'after that what was missed is told, from the store it was sent');
$cluster->sql($others[0], "SELECT quorum.put('cut', 'later')");
%heard = map { $_->{watch_id} // 0, show($_) } ($stays->response(30), $stays->response);
is(join('; ', map { $heard{$_} } sort keys %heard), '0 PUT cut=later; 1 PUT cut=later', 'and nothing that was before');

# ---------------------------------------------------------------------------
# Rights
# ---------------------------------------------------------------------------

my $call = sub { my ($method, $request, @metadata) = @_; return $console->call($endpoint, $method, $request, @metadata) };
$call->('Auth/UserAdd', { name => 'root', password => 'r' });
$call->('Auth/RoleAdd', { name => 'root' });
$call->('Auth/UserGrantRole', { user => 'root', role => 'root' });
$call->('Auth/UserAdd', { name => 'ann', password => 'a' });
$call->('Auth/RoleAdd', { name => 'reader' });
$call->('Auth/RoleGrantPermission', { name => 'reader',
	perm => { permType => 'READ', key => $console->bytes('r/'), range_end => $console->bytes('r0') } });
$call->('Auth/UserGrantRole', { user => 'ann', role => 'reader' });
my $anonymous = watch();
create($anonymous, 'r/1');
$anonymous->response;
$call->('Auth/AuthEnable', {});
says($anonymous, '0 canceled (rpc error: code = InvalidArgument desc = etcdserver: user name is empty)',
	'a watch of nobody ends when authentication is turned on');
create($anonymous, 'r/1');
says($anonymous, '-1 created canceled (rpc error: code = InvalidArgument desc = etcdserver: user name is empty)', 'nobody may watch');
my $root = 'token=' . $call->('Auth/Authenticate', { name => 'root', password => 'r' })->{token};
my $ann  = 'token=' . $call->('Auth/Authenticate', { name => 'ann',  password => 'a' })->{token};
my $forged = watch(1, 'token=forged.7');
create($forged, 'r/1');
says($forged, '-1 created canceled (rpc error: code = Unauthenticated desc = etcdserver: invalid auth token)', 'nor who forges a token');
my $w = watch(1, $ann);
create($w, 'r/', range_end => 'r0');
says($w, '0 created', 'who has the right may watch');
create($w, 'r/', range_end => "\0");
says($w, '-1 created canceled (rpc error: code = PermissionDenied desc = etcdserver: permission denied)', 'but not beyond it');
$call->('KV/Put', { key => $console->bytes('r/1'), value => $console->bytes('x') }, $root);
says($w, '0 PUT r/1=x', 'and is told');
$call->('Auth/UserAdd', { name => 'other', password => 'o' }, $root);
$call->('KV/Put', { key => $console->bytes('r/1'), value => $console->bytes('y') }, $root);
says($w, '0 PUT r/1=y', 'another user makes no difference');
$call->('Auth/UserRevokeRole', { name => 'ann', role => 'reader' }, $root);
$call->('KV/Put', { key => $console->bytes('r/1'), value => $console->bytes('secret') }, $root);
says($w, '0 canceled (rpc error: code = PermissionDenied desc = etcdserver: permission denied)',
	'whose right is taken away is told nothing that happens later');
$call->('Auth/AuthDisable', {}, $root);

# ---------------------------------------------------------------------------
# Random watches beside random writes, on all members, one of which is killed.
# ---------------------------------------------------------------------------

my ($out, $err) = ('', '');
my $run = IPC::Run::start(
	[ "$FindBin::RealBin/../test/etcd/watch_load", '--subject', $cluster->endpoints, '--seconds', 8 ],
	'<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout(180));
ok($run->finish, 'each of many watches is told its part of the history') or diag($out, $err);
note($_) for split(/\n/, $out);

is($cluster->differences, '', 'all members are equal');
$cluster->stop;
done_testing();
