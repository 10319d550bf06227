# Operating a cluster over etcd's interface: members, alarms, status, hashes, snapshots and
# their way back, leadership, health, pages and metrics; with and without a quorum.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/221_gateway_admin.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Digest::SHA qw(sha256);
use Etcd qw(etcdctl);
use HTTP::Tiny;
use JSON::PP;
use MIME::Base64 qw(encode_base64 decode_base64);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use QuorumCluster;
use Test::More;
use Time::HiRes qw(sleep time);

my $cluster = QuorumCluster->new('gateway_admin', gateway => 1, members => 4, founders => 3,
	conf => "pg_quorum.request_timeout = '3s'\npg_quorum.quota_bytes = 0\n")->start;
my @members = @{ $cluster->{founders} };
my $json    = JSON::PP->new->canonical->utf8;
my $restore = "$FindBin::RealBin/../scripts/restore";
my $folder  = PostgreSQL::Test::Utils::tempdir();

sub call
{
	my ($i, $path, $request, $timeout) = @_;
	my $answer = HTTP::Tiny->new(timeout => $timeout // 20)->post('http://' . $cluster->endpoint($i) . "/v3$path",
		{ content => $json->encode($request // {}) });
	my $body = eval { $json->decode($answer->{content}) } // { message => $answer->{content} };
	return ($answer->{status} == 200 ? 0 : $body->{code} // -1, $body, $answer->{status});
}

sub done
{
	my ($what, @call) = @_;
	my ($code, $answer) = call(@call);
	is($code, 0, $what) or diag($json->encode($answer));
	return $answer;
}

sub refused
{
	my ($what, $code, $text, @call) = @_;
	my ($got, $answer) = call(@call);
	is("$got " . ($answer->{message} // ''), "$code etcdserver: $text", $what);
	return;
}

sub page
{
	my ($i, $path) = @_;
	my $answer = HTTP::Tiny->new(timeout => 20)->get('http://' . $cluster->endpoint($i) . $path);
	return "$answer->{status} $answer->{content}";
}

sub b64 { return encode_base64($_[0], '') }

# The number of a member, as JSON has it.
sub id_of { my ($i) = @_; return done("status of n$i", $i, '/maintenance/status')->{header}{member_id} }

my %id = map { $_ => id_of($_) } @members;

# ---------------------------------------------------------------------------
# Members
# ---------------------------------------------------------------------------

# every member has let the others know where its clients find it
sub urls
{
	my ($i) = @_;
	my (undef, $answer) = call($i, '/cluster/member/list');
	return join(' ', sort map { @{ $_->{clientURLs} // [] } } @{ $answer->{members} });
}
my $expected = join(' ', sort map { 'http://' . $cluster->endpoint($_) } @members);
$cluster->wait_until("n$_ knows all URLs", sub { urls($_) eq $expected }) for @members;
is(urls($_), $expected, "n$_ knows where clients find the members") for @members;

my $list = done('members', 1, '/cluster/member/list', { linearizable => JSON::PP::true });
is(scalar(@{ $list->{members} }), 3, 'three of them');
ok(!exists $list->{header}{revision}, 'no revision in the header');
ok($list->{header}{cluster_id} && $list->{header}{member_id} && $list->{header}{raft_term}, 'but the rest');
for my $member (@{ $list->{members} })
{
	my ($i) = grep { $id{$_} eq $member->{ID} } @members;
	is($member->{name}, "n$i", "n$i has its name");
	is($member->{peerURLs}[0], 'http://127.0.0.1:' . $cluster->port($i), 'and its address');
}

# a changed setting is published, once
my $before = $cluster->sql(1, 'SELECT last_index FROM (SELECT max(index) AS last_index FROM quorum.raft_log) l');
$cluster->sql(2, "ALTER SYSTEM SET pg_quorum.advertise_client_urls = 'https://two.example:2379,http://127.0.0.1:1'");
$cluster->sql(2, 'SELECT pg_reload_conf()');
ok($cluster->wait_until('new URLs', sub { urls(3) =~ m{https://two\.example:2379} }), 'a changed setting is published');
sleep(7);
my $after = $cluster->sql(1, 'SELECT max(index) FROM quorum.raft_log');
is($after - $before, 1, 'by one entry of the log');
$cluster->sql(2, 'ALTER SYSTEM RESET pg_quorum.advertise_client_urls');
$cluster->sql(2, 'SELECT pg_reload_conf()');
ok($cluster->wait_until('old URLs', sub { urls(3) eq $expected }), 'and so is one that is taken back');

refused('a member needs an address', 3, 'given member URLs are invalid', 1, '/cluster/member/add', {});
for my $url ('', 'nonsense', 'http://127.0.0.1', 'http://127.0.0.1:1/path', 'ftp://127.0.0.1:1', 'http://a b:1', 'http://:1')
{
	refused("\"$url\" is none", 3, 'given member URLs are invalid', 1, '/cluster/member/add', { peerURLs => [$url] });
}
# it is refused for five seconds after the members have connected
my $new_url = 'http://127.0.0.1:' . $cluster->port(4);
my $added;
$cluster->wait_until('the members are healthy', sub {
	my ($code, $answer) = call(1, '/cluster/member/add', { peerURLs => [$new_url] });
	$added = $answer if $code == 0;
	return 1 if $code == 0;
	like("$code $answer->{message}", qr/^14 etcdserver: unhealthy cluster$/, 'only an unhealthy cluster is not enlarged');
	sleep(1);
	return 0;
}, 60);
is(scalar(@{ $added->{members} }), 4, 'a member is added');
is($added->{member}{peerURLs}[0], $new_url, 'at its address');
ok(!exists $added->{member}{name}, 'without a name');
ok($added->{member}{isLearner}, 'it begins as a learner');
my ($sql_name) = split(/\|/, $cluster->sql(2, "SELECT name, state FROM quorum.members WHERE state = 'awaited'"));
is($sql_name, '', 'SQL knows it, too');
refused('an address twice', 9, 'Peer URLs already exists', 2, '/cluster/member/add', { peerURLs => [$new_url] });
refused('nor that of another', 9, 'Peer URLs already exists', 2, '/cluster/member/update',
	{ ID => $added->{member}{ID}, peerURLs => [ 'http://127.0.0.1:' . $cluster->port(1) ] });

# the instance that comes from there brings its name
$cluster->make_member(4, "pg_quorum.initial_cluster_state = existing\n");
ok($cluster->wait_until('n4 votes', sub {
	my (undef, $answer) = call(1, '/cluster/member/list');
	my ($four) = grep { $_->{ID} eq $added->{member}{ID} } @{ $answer->{members} };
	return ($four->{name} // '') eq 'n4' && !$four->{isLearner} && ($four->{clientURLs}[0] // '') eq 'http://' . $cluster->endpoint(4);
}), 'the instance takes its place, becomes a voter, and tells its URLs');
refused('who votes is not promoted', 9, 'can only promote a learner member', 1, '/cluster/member/promote', { ID => $added->{member}{ID} });
refused('nor who is not there', 5, 'member not found', 1, '/cluster/member/promote', { ID => '77' });
refused('who is not there is not removed', 5, 'member not found', 1, '/cluster/member/remove', { ID => '77' });
refused('nor moved', 5, 'member not found', 1, '/cluster/member/update', { ID => '77', peerURLs => ['http://127.0.0.1:1'] });
my $moved = done('a member is moved', 1, '/cluster/member/update', { ID => $added->{member}{ID}, peerURLs => [ 'http://localhost:' . $cluster->port(4) ] });
my ($four) = grep { $_->{ID} eq $added->{member}{ID} } @{ $moved->{members} };
is($four->{peerURLs}[0], 'http://localhost:' . $cluster->port(4), 'to its new address');
like($cluster->sql(1, "SELECT conninfo FROM quorum.members WHERE name = 'n4'"), qr/dbname=postgres/, 'which keeps the rest of its conninfo');
my $left = done('a member removes itself', 4, '/cluster/member/remove', { ID => $added->{member}{ID} });
is(scalar(@{ $left->{members} }), 3, 'three are left');
$cluster->node(4)->stop('fast');

# ---------------------------------------------------------------------------
# Status, alarms
# ---------------------------------------------------------------------------

my $leader = $cluster->leader;
my ($follower) = grep { $_ != $leader } @members;
my $status = done('status', $leader, '/maintenance/status');
like($status->{version}, qr/^\d+\.\d+\.\d+$/, 'a version');
is($status->{leader}, $id{$leader}, 'the leader');
cmp_ok($status->{dbSize}, '>', 0, 'a size');
ok(!exists $status->{errors}, 'no errors');

my $none = done('alarms', 1, '/maintenance/alarm');
ok(!exists $none->{alarms}, 'none');
is($cluster->sql(1, 'SELECT max(index) FROM quorum.raft_log'), do { done('alarms', 2, '/maintenance/alarm'); $cluster->sql(1, 'SELECT max(index) FROM quorum.raft_log') },
	'to ask for them writes nothing');
done('one is raised', 2, '/maintenance/alarm', { action => 'ACTIVATE', memberID => $id{1}, alarm => 'NOSPACE' });
is($json->encode(done('alarms', 3, '/maintenance/alarm')->{alarms}), "[{\"alarm\":\"NOSPACE\",\"memberID\":\"$id{1}\"}]", 'it is there');
is($json->encode(done('status', 3, '/maintenance/status')->{errors}), "[\"memberID:$id{1} alarm:NOSPACE \"]", 'and in the status');
refused('it refuses puts', 8, 'mvcc: database space exceeded', 1, '/kv/put', { key => b64('a') }) if 0;
my ($code, $answer) = call(1, '/kv/put', { key => b64('a'), value => b64('b') });
is("$code $answer->{message}", '8 etcdserver: mvcc: database space exceeded', 'it refuses puts');
is(page(2, '/health'), '503 {"health":"false","reason":"ALARM NOSPACE"}', 'the member is not well');
is(page(2, '/health?exclude=NOSPACE'), '200 {"health":"true","reason":""}', 'unless that does not matter');
is(page(2, '/readyz'), "200 ok\n", 'but ready');
is(etcdctl($cluster->endpoints, 'alarm', 'disarm')->{code}, 0, 'etcdctl disarms it');
ok(!exists done('alarms', 3, '/maintenance/alarm')->{alarms}, 'it is gone');
done('another', 2, '/maintenance/alarm', { action => 'ACTIVATE', memberID => $id{1}, alarm => 'CORRUPT' });
# pages say what their member has, which may not have heard of it yet
$cluster->sql(3, 'SELECT quorum.read_barrier()');
is(page(3, '/health'), '503 {"health":"false","reason":"ALARM CORRUPT"}', 'a corrupt cluster is not well');
like(page(3, '/readyz'), qr/^503 \[-\]data_corruption failed: .*CORRUPT\n\[-\]serializable_read failed: etcdserver: corrupt cluster\n/, 'nor ready');
like(page(3, '/readyz?exclude=data_corruption&exclude=serializable_read&verbose'),
	qr/^200 \[\+\]data_corruption excluded: ok\n\[\+\]serializable_read excluded: ok\n\[\+\]linearizable_read ok\n\[\+\]non_learner ok\nok\n$/, 'but for what is left out');
done('disarmed', 2, '/maintenance/alarm', { action => 'DEACTIVATE', memberID => $id{1}, alarm => 'CORRUPT' });
done('defragment', 1, '/maintenance/defragment');
refused('a version that is none', 3, 'wrong downgrade target version format', 1, '/maintenance/downgrade', { action => 'VALIDATE', version => 'x' });
refused('nothing to go back to', 3, 'invalid downgrade target version', 1, '/maintenance/downgrade', { action => 'ENABLE', version => '3.6.0' });
refused('nothing to cancel', 9, 'no inflight downgrade job', 1, '/maintenance/downgrade', { action => 'CANCEL' });

# ---------------------------------------------------------------------------
# Hashes
# ---------------------------------------------------------------------------

$cluster->sql(1, "SELECT count(quorum.put('many/' || i, repeat(i::text, 50))) FROM generate_series(1, 3000) i");
$cluster->sql($_, 'SELECT quorum.read_barrier()') for @members;
my %hashes = map { my $h = done("hash of n$_", $_, '/maintenance/hashkv'); ("$h->{hash} $h->{hash_revision} $h->{compact_revision}" => 1) } @members;
is(scalar(keys %hashes), 1, 'all members hash alike') or diag(join("\n", keys %hashes));
my ($sql_hash) = $cluster->sql(1, 'SELECT hash FROM quorum.hash_kv()');
like((keys %hashes)[0], qr/^$sql_hash /, 'and as SQL does');
my $older = done('of an older revision', 1, '/maintenance/hashkv', { revision => '100' });
is($older->{hash_revision}, '100', 'it is of that');
is($older->{hash}, done('the same elsewhere', 2, '/maintenance/hashkv', { revision => '100' })->{hash}, 'on every member');
refused('not of the future', 11, 'mvcc: required revision is a future revision', 1, '/maintenance/hashkv', { revision => '999999' });
done('compacted', 1, '/kv/compaction', { revision => '200' });
$cluster->sql($_, 'SELECT quorum.read_barrier()') for @members;
refused('nor of what was compacted', 11, 'mvcc: required revision has been compacted', 1, '/maintenance/hashkv', { revision => '100' });
is(done('hash', 1, '/maintenance/hash')->{hash}, done('hash', 2, '/maintenance/hash')->{hash}, 'the older call gives equal ones, too');

# ---------------------------------------------------------------------------
# Snapshots
# ---------------------------------------------------------------------------

my $run = etcdctl($cluster->endpoint(2), 'snapshot', 'save', "$folder/snapshot");
is($run->{code}, 0, 'etcdctl saves a snapshot') or diag($run->{err});
my $bytes = slurp_file("$folder/snapshot");
is(length($bytes) % 512, 32, 'of the size that it demands');
is(substr($bytes, -32), sha256(substr($bytes, 0, length($bytes) - 32)), 'with the digest at its end');
my $whole = `$restore --check $folder/snapshot`;
like($whole, qr/is whole/, 'it is whole');

my $stream = HTTP::Tiny->new(timeout => 30)->post('http://' . $cluster->endpoint(1) . '/v3/maintenance/snapshot', { content => '{}' });
my @blobs = map { $json->decode($_)->{result} } split(/\n/, $stream->{content});
is(length(decode_base64($blobs[0]{blob})), 32 * 1024, 'a blob has 32 KiB');
is(length(decode_base64($blobs[-1]{blob})), 32, 'the last is the digest');
ok(!exists $blobs[-1]{remaining_bytes}, 'behind which nothing remains');
is(scalar(grep { !$_->{remaining_bytes} } @blobs[0 .. $#blobs - 1]), 0, 'before, something does');
is(scalar(grep { $_->{version} !~ /^\d+\.\d+\.\d+$/ } @blobs), 0, 'all have a version');

my $conninfo = $cluster->conninfo($follower);
$cluster->sql(1, "SELECT quorum.put('many/1', 'changed'), quorum.delete('many/2'), quorum.put('more', '1')");
my ($out, $err) = ('', '');
isnt(IPC::Run::run([ $restore, "$folder/snapshot", $conninfo ], '>', \$out, '2>', \$err), 1, 'a store with keys is not overwritten');
like($err, qr/not empty/, 'and says why');
ok(IPC::Run::run([ $restore, '--replace', '--revision', 'bump', "$folder/snapshot", $conninfo ], '>', \$out, '2>', \$err), 'unless that is wanted') or diag($err);
$cluster->sql($_, 'SELECT quorum.read_barrier()') for @members;
for my $i (@members)
{
	is($cluster->sql($i, "SELECT quorum.get('many/1') = repeat('1', 50), quorum.get('many/2') = repeat('2', 50), quorum.get('more') IS NULL,
		(SELECT count(*) FROM quorum.range('many/', prefix => true))"), 't|t|t|3000', "n$i has what the snapshot had");
}
substr($bytes, 2000, 1) ^= "\x01";
append_to_file("$folder/damaged", $bytes);
like(`$restore --check $folder/damaged 2>&1`, qr/is damaged/, 'a damaged one is none');
isnt($? >> 8, 0, 'and fails');

# one that takes long is not overtaken by a compaction, and holds nobody up
{
	$cluster->sql(1, "SELECT count(quorum.put('long/' || i, repeat(i::text, 2000))) FROM generate_series(1, 2000) i");
	my $slow = IO::Socket::INET->new(PeerAddr => $cluster->endpoint(1), Timeout => 10) or die "could not connect: $!";
	print $slow "POST /v3/maintenance/snapshot HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}";
	sleep(0.5);    # it has begun, and waits for us to read
	my $revision = $cluster->sql(1, "SELECT count(quorum.delete('long/' || i)) FROM generate_series(1, 2000) i; SELECT quorum.revision()");
	($revision) = $revision =~ /(\d+)\s*$/;
	done('compacted meanwhile', 1, '/kv/compaction', { revision => $revision });
	my $began = time();
	done('others are served', 1, '/kv/range', { key => b64('many/1') });
	cmp_ok(time() - $began, '<', 2, 'at once');
	my $copy = '';
	while (sysread($slow, my $some, 65536)) { $copy .= $some; last if $copy =~ /\r\n0\r\n\r\n$/ }
	close($slow);
	my $content = '';
	$copy =~ s/^.*?\r\n\r\n//s;
	while ($copy =~ s/^([0-9a-f]+)\r\n//i) { my $n = hex($1); last if $n == 0; $content .= substr($copy, 0, $n); $copy = substr($copy, $n + 2) }
	my $all = join('', map { decode_base64($json->decode($_)->{result}{blob}) } split(/\n/, $content));
	is(substr($all, -32), sha256(substr($all, 0, length($all) - 32)), 'a snapshot read slowly is whole');
	append_to_file("$folder/slow", $all);
	like(`$restore --check $folder/slow 2>&1`, qr/is whole/, 'and a snapshot');
	ok(index($all, '2000' x 2000) > 0, 'of what was there when it began');
}

# ---------------------------------------------------------------------------
# Leadership
# ---------------------------------------------------------------------------

$leader = $cluster->leader;
($follower) = grep { $_ != $leader } @members;
refused('a follower cannot give away what it does not have', 9, 'not leader', $follower, '/maintenance/transfer-leadership', { targetID => $id{$follower} });
refused('nobody leads who is not there', 9, 'bad leader transferee', $leader, '/maintenance/transfer-leadership', { targetID => '77' });
done('leadership moves', $leader, '/maintenance/transfer-leadership', { targetID => $id{$follower} });
is($cluster->leader, $follower, 'to whom it was to go');
is(etcdctl($cluster->endpoints, 'move-leader', sprintf('%x', $id{$leader}))->{code}, 0, 'etcdctl moves it back');
is($cluster->leader, $leader, 'to where it was');

# ---------------------------------------------------------------------------
# Pages
# ---------------------------------------------------------------------------

my $version = page(1, '/version');
like($version, qr/^200 \{"etcdserver":"\d+\.\d+\.\d+","etcdcluster":"\d+\.\d+\.\d+","storage":"\d+\.\d+\.\d+"\}$/, 'the version is numbers');
is(page(1, '/health'), '200 {"health":"true","reason":""}', 'well');
is(page(1, '/livez'), "200 ok\n", 'alive');
is(page(1, '/readyz?verbose'), "200 [+]data_corruption ok\n[+]serializable_read ok\n[+]linearizable_read ok\n[+]non_learner ok\nok\n", 'ready');
is(page(1, "/readyz/$_"), "200 ok\n", "$_ is") for qw(data_corruption serializable_read linearizable_read non_learner);
is(page(1, '/livez/serializable_read'), "200 ok\n", 'so is its only check');
like(page(1, '/livez/linearizable_read'), qr/^404 /, 'which has no other');
like(page(1, '/readyzx'), qr/^404 /, 'nor is there another page');

my $metrics = page(1, '/metrics');
like($metrics, qr/^200 /, 'metrics');
for my $name (
	qw(etcd_server_has_leader etcd_server_is_leader etcd_server_leader_changes_seen_total etcd_server_proposals_committed_total
	etcd_server_proposals_applied_total etcd_server_proposals_pending etcd_server_proposals_failed_total etcd_server_version etcd_cluster_version
	etcd_mvcc_db_total_size_in_bytes etcd_mvcc_db_total_size_in_use_in_bytes etcd_disk_wal_fsync_duration_seconds_bucket
	etcd_disk_backend_commit_duration_seconds_bucket etcd_network_peer_round_trip_time_seconds_bucket
	etcd_network_peer_sent_bytes_total etcd_network_client_grpc_sent_bytes_total grpc_server_started_total grpc_server_handled_total
	etcd_server_quota_backend_bytes etcd_debugging_mvcc_keys_total process_resident_memory_bytes process_cpu_seconds_total process_open_fds))
{
	like($metrics, qr/^$name(?:\{[^}]*\})? [0-9.e+-]+$/m, "with $name");
}
my @odd = grep { !/^(?:# (?:HELP|TYPE) \w+ .+|\w+(?:\{(?:\w+="[^"]*",?)+\})? [0-9.e+-]+)$/ } split(/\n/, $metrics =~ s/^200 //r);
is(join("\n", @odd), '', 'in Prometheus\' form');
my %types;
$types{$_}++ for $metrics =~ /^# TYPE (\w+) /mg;
is(join(' ', grep { $types{$_} > 1 } keys %types), '', 'each is described once');
like($metrics, qr/grpc_server_handled_total\{grpc_method="Status",grpc_service="etcdserverpb.Maintenance",grpc_type="unary",grpc_code="OK"\} [1-9]/, 'calls are counted');

# ---------------------------------------------------------------------------
# Without a quorum
# ---------------------------------------------------------------------------

$cluster->kill_postmaster($_) for grep { $_ != $follower } @members;
ok($cluster->wait_until('no leader', sub { page($follower, '/health') =~ /RAFT NO LEADER/ }), 'a member alone is not well');
my $health = page($follower, '/health');
is($health, '503 {"health":"false","reason":"RAFT NO LEADER"}', 'and says why');
is(page($follower, '/health?serializable=true'), '200 {"health":"true","reason":""}', 'but can be read from');
is(page($follower, '/livez'), "200 ok\n", 'it is alive');
like(page($follower, '/readyz'), qr/^503 .*\[-\]linearizable_read failed: etcdserver: /s, 'not ready');
my $alone = done('its status', $follower, '/maintenance/status');
is($json->encode($alone->{errors}), '["etcdserver: no leader"]', 'has an error');
ok(!exists $alone->{leader}, 'and no leader');
is(scalar(@{ done('its list of members', $follower, '/cluster/member/list')->{members} }), 3, 'it knows the others');
($code, $answer) = call($follower, '/cluster/member/list', { linearizable => JSON::PP::true });
is($code, 14, 'but cannot be sure') or diag($json->encode($answer));
($code, $answer) = call($follower, '/cluster/member/remove', { ID => $id{$leader} });
is($code, 14, 'nor change them') or diag($json->encode($answer));
like(page($follower, '/metrics'), qr/^etcd_server_has_leader 0$/m, 'metrics say so');
is((call($follower, '/auth/status'))[0], 14, 'status of authentication waits for a quorum');

$cluster->start_member($_) for grep { $_ != $follower } @members;
$cluster->leader;
ok($cluster->wait_until('well again', sub { page($follower, '/health') =~ /^200/ }), 'they come back');
is($cluster->differences(@members), '', 'all members are equal');
is($cluster->findings(@members), '', 'all pages are sound');

$cluster->stop;
done_testing();
