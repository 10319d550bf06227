# The KV service of etcd's interface: every field, every refusal with its code and
# text, long ranges, and puts while leaders, gateways and workers die and the quorum is lost.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/210_gateway_kv.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Grpc qw(b64 unb64 key_of range_of);
use HTTP::Tiny;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use QuorumCluster;
use Test::More;
use Time::HiRes qw(sleep time);

my $cluster = QuorumCluster->new('gateway_kv', members => 4, founders => 3, gateway => 1)->start;
my @members = 1 .. 3;
my %grpc    = map { $_ => Grpc->new($cluster->endpoint($_)) } @members;
my $one     = $grpc{1};

sub put { my ($key, $value, %more) = @_; return $one->done('KV/Put', { %{ key_of($key) }, value => b64($value), %more }) }
sub get { my ($key, %more) = @_; return $one->done('KV/Range', key_of($key, %more)) }
sub all { my (%more) = @_; return $one->done('KV/Range', range_of('f/', 'f0', %more)) }
sub keys_of { my ($response) = @_; return join(' ', map { unb64($_->{key}) } @{ $response->{kvs} // [] }) }

sub refused
{
	my ($what, $refusal, @call) = @_;
	is($one->refusal(@call), $refusal, $what);
	return;
}

# ---------------------------------------------------------------------------
# Headers and fields
# ---------------------------------------------------------------------------

{
	my $put = put('f/a', '1');
	is($put->{header}{revision}, 2, 'the first write makes revision 2');
	is($put->{header}{raft_term}, $cluster->sql(1, 'SELECT term FROM quorum.status'), 'headers name the term');
	my %ids = map { my $h = $grpc{$_}->done('KV/Range', key_of('f/a'))->{header}; ($h->{cluster_id} => 1) } @members;
	my %self = map { my $h = $grpc{$_}->done('KV/Range', key_of('f/a'))->{header}; ($h->{member_id} => 1) } @members;
	is(scalar keys %ids,  1, 'one cluster id');
	is(scalar keys %self, 3, 'each member names itself');

	is_deeply(get('f/a')->{kvs},
		[ { key => b64('f/a'), value => b64('1'), create_revision => 2, mod_revision => 2, version => 1 } ], 'a key and its revisions');
	is(get('f/none')->{kvs}, undef, 'a key that is not there');
	is(get('f/none')->{count}, undef, '... counts nothing');
	is($grpc{$_}->done('KV/Range', key_of('f/a'))->{count}, 1, "a linearizable read on n$_") for @members;

	is(unb64(put('f/a', '2', prev_kv => JSON::PP::true)->{prev_kv}{value}), '1', 'a put tells what was there');
	is(put('f/b', 'x', prev_kv => JSON::PP::true)->{prev_kv}, undef, 'or that nothing was');
	my $lease = $one->done('Lease/LeaseGrant', { TTL => 600 })->{ID};
	put('f/b', 'y', lease => $lease);
	is(get('f/b')->{kvs}[0]{lease}, $lease, 'a put with a lease');
	$one->done('KV/Put', key_of('f/b', ignore_value => JSON::PP::true));
	my $kv = get('f/b')->{kvs}[0];
	is(unb64($kv->{value}), 'y', 'ignore_value keeps the value');
	is($kv->{lease}, undef, '... and takes the lease away');
	put('f/b', 'z', lease => $lease);
	put('f/b', 'w', ignore_lease => JSON::PP::true);
	is(get('f/b')->{kvs}[0]{lease}, $lease, 'ignore_lease keeps the lease');
	$one->done('Lease/LeaseRevoke', { ID => $lease });
	is(get('f/b')->{count}, undef, 'and the key goes with it');
}

{
	put("f/$_", $_) for qw(d c b);
	is(keys_of(all()), 'f/a f/b f/c f/d', 'a range in the order of keys');
	is(keys_of(all(sort_order => 'DESCEND')), 'f/d f/c f/b f/a', 'and backwards');
	is(keys_of(all(sort_target => 'MOD')),    'f/a f/d f/c f/b', 'sorted by revision');
	is(keys_of(all(sort_target => 'VALUE', sort_order => 'DESCEND')), 'f/d f/c f/b f/a', 'sorted by value');
	my $two = all(limit => 2);
	is(keys_of($two), 'f/a f/b', 'a limit');
	is($two->{count}, 4, '... leaves the count');
	ok($two->{more}, '... and says that there is more');
	my $sorted = all(limit => 1, sort_target => 'CREATE', sort_order => 'DESCEND');
	is(keys_of($sorted), 'f/b', 'a limit of what is sorted');
	ok($sorted->{more} && $sorted->{count} == 4, '... with count and more');
	is(all(keys_only => JSON::PP::true)->{kvs}[0]{value}, undef, 'keys only');
	my $count = all(count_only => JSON::PP::true);
	ok($count->{count} == 4 && !$count->{kvs}, 'the count only');
	my $mod = get('f/d')->{kvs}[0]{mod_revision};
	is(keys_of(all(min_mod_revision => $mod)), 'f/b f/c f/d', 'not changed before');
	is(keys_of(all(max_create_revision => 2)), 'f/a', 'not made after');
	is(keys_of(all(revision => 3)), 'f/a', 'as of a revision');
	is(keys_of($one->done('KV/Range', range_of('f/c', "\0"))), 'f/c f/d', 'from a key on');
	is(keys_of($grpc{2}->done('KV/Range', range_of("\0", "\0", serializable => JSON::PP::true))) =~ /^f\/a/ ? 1 : 0, 1,
		'everything, as it is here');

	my $before = all()->{header}{revision};
	is($one->done('KV/DeleteRange', key_of('f/none'))->{header}{revision}, $before, 'deleting nothing makes no revision');
	my $deleted = $one->done('KV/DeleteRange', range_of('f/c', 'f/e', prev_kv => JSON::PP::true));
	is($deleted->{deleted}, 2, 'a range is deleted');
	is(join(' ', map { unb64($_->{value}) } @{ $deleted->{prev_kvs} }), 'c d', '... and told');
	is($deleted->{header}{revision}, $before + 1, '... in one revision');
}

# ---------------------------------------------------------------------------
# Transactions
# ---------------------------------------------------------------------------

sub op_put   { return { request_put => { %{ key_of($_[0]) }, value => b64($_[1]) } } }
sub op_get   { return { request_range => key_of($_[0], @_[ 1 .. $#_ ]) } }

{
	my $txn = $one->done('KV/Txn',
		{
			compare => [ { target => 'VALUE', key => b64('f/a'), value => b64('2') } ],
			success => [ op_put('f/t', '1'), op_get('f/t'), { request_delete_range => key_of('f/b') } ],
			failure => [ op_put('f/t', '2') ] });
	ok($txn->{succeeded}, 'a comparison holds');
	is(unb64($txn->{responses}[1]{response_range}{kvs}[0]{value}), '1', 'a read sees what the transaction wrote');
	is($txn->{responses}[2]{response_delete_range}{deleted}, 1, 'and a key goes');
	is(get('f/t')->{kvs}[0]{mod_revision}, $txn->{header}{revision}, 'all in one revision');
	my $other = $one->done('KV/Txn',
		{
			compare => [ { target => 'VERSION', result => 'GREATER', key => b64('f/t'), version => 5 } ],
			failure => [ { request_txn => { success => [ op_get('f/t') ] } } ] });
	ok(!$other->{succeeded}, 'a comparison that does not hold');
	is(unb64($other->{responses}[0]{response_txn}{responses}[0]{response_range}{kvs}[0]{value}), '1', 'a nested transaction');

	my $reads = $grpc{2}->done('KV/Txn', { success => [ op_get('f/t'), op_get('f/a') ] });
	is(scalar @{ $reads->{responses} }, 2, 'a transaction of reads');
	is($reads->{header}{revision}, $txn->{header}{revision}, '... makes no revision');
}

# ---------------------------------------------------------------------------
# Refusals
# ---------------------------------------------------------------------------

my $invalid   = 3;
my %text = (
	empty      => '3 etcdserver: key is not provided',
	sort       => '3 etcdserver: invalid sort option',
	future     => '11 etcdserver: mvcc: required revision is a future revision',
	compacted  => '11 etcdserver: mvcc: required revision has been compacted',
	no_key     => '3 etcdserver: key not found',
	no_lease   => '5 etcdserver: requested lease not found',
	value      => '3 etcdserver: value is provided',
	lease      => '3 etcdserver: lease is provided',
	ops        => '3 etcdserver: too many operations in txn request',
	duplicate  => '3 etcdserver: duplicate key given in txn request',
	large      => '3 etcdserver: request is too large');

for my $method (qw(KV/Range KV/RangeStream KV/Put KV/DeleteRange))
{
	refused("$method without a key", $text{empty}, $method, {});
}
refused('a sort order that is none', $text{sort}, 'KV/Range', key_of('a', sort_order => 9));
refused('a sort target that is none', $text{sort}, 'KV/Range', key_of('a', sort_target => 9));
refused('a revision to come', $text{future}, 'KV/Range', key_of('a', revision => 1_000_000));
refused('ignore_value with a value', $text{value}, 'KV/Put', key_of('a', value => b64('1'), ignore_value => JSON::PP::true));
refused('ignore_lease with a lease', $text{lease}, 'KV/Put', key_of('a', lease => 1, ignore_lease => JSON::PP::true));
refused('ignore_value of no key', $text{no_key}, 'KV/Put', key_of('f/none', ignore_value => JSON::PP::true));
refused('a lease that is not there', $text{no_lease}, 'KV/Put', key_of('a', lease => 12345));
refused('an operation that is none', $text{no_key}, 'KV/Txn', { success => [ {} ] });
refused('a comparison without a key', $text{empty}, 'KV/Txn', { compare => [ {} ] });
refused('129 operations', $text{ops}, 'KV/Txn', { success => [ map { op_put("k$_", '') } 1 .. 129 ] });
refused('one key twice', $text{duplicate}, 'KV/Txn', { success => [ op_put('k', '1'), op_put('k', '2') ] });
refused('a read at a revision to come', $text{future}, 'KV/Txn', { success => [ op_get('a', revision => 1_000_000) ] });
refused('a put of 2 MB', $text{large}, 'KV/Put', key_of('a', value => b64('x' x 1_600_000)));
refused('a key of 2,049 bytes', '3 etcdserver: key is too long', 'KV/Put', key_of('k' x 2049));
refused('a stream that is sorted', '12 etcdserver: range stream supports no sort order and no filter',
	'KV/RangeStream', key_of('a', sort_target => 'VALUE'));
is(put('f/big', 'x' x 1_500_000)->{header}{revision}, get('f/big')->{kvs}[0]{mod_revision}, 'a put of 1.5 MB');

{
	my $revision = get('f/a')->{header}{revision};
	refused('compacting what is to come', $text{future}, 'KV/Compact', { revision => $revision + 100 });
	is($one->done('KV/Compact', { revision => $revision - 1 })->{header}{revision}, $revision, 'a compaction');
	refused('compacting it again', $text{compacted}, 'KV/Compact', { revision => $revision - 1 });
	refused('reading what was compacted', $text{compacted}, 'KV/Range', key_of('f/a', revision => $revision - 2));
	refused('... in a transaction', $text{compacted}, 'KV/Txn', { success => [ op_get('f/a', revision => $revision - 2) ] });
	put('f/a', 'last');
	$one->done('KV/Compact', { revision => $revision + 1, physical => JSON::PP::true });
	is($cluster->sql(1, "SELECT count(*) FROM quorum.mvcc WHERE key = 'f/a'"), 1, 'a physical compaction returns when all is removed');
}

# ---------------------------------------------------------------------------
# Long ranges
# ---------------------------------------------------------------------------

{
	my $value = b64('v' x 400);
	for my $part (0 .. 99)
	{
		$one->done('KV/Txn',
			{ success => [ map { { request_put => { key => b64(sprintf('long/%05d', $part * 100 + $_)), value => $value } } } 0 .. 99 ] });
	}
	my $long = $one->done('KV/Range', range_of('long/', 'long0'));
	ok($long->{count} == 10_000 && @{ $long->{kvs} } == 10_000, '10,000 keys in one answer');
	my $last = $one->done('KV/Range', range_of('long/', 'long0', sort_target => 'KEY', sort_order => 'DESCEND', limit => 3));
	is(keys_of($last), 'long/09999 long/09998 long/09997', 'the last three of them');
	my $sorted = $one->done('KV/Range', range_of('long/', 'long0', sort_target => 'MOD', sort_order => 'DESCEND'));
	ok(@{ $sorted->{kvs} } == 10_000 && $sorted->{kvs}[0]{mod_revision} > $sorted->{kvs}[9999]{mod_revision}, 'all of them sorted');

	my $stream = $one->call('KV/RangeStream', range_of('long/', 'long0'));
	my @chunks = map { $_->{range_response} } @{ $stream->{responses} };
	is($stream->{code}, 0, 'a stream');
	is(scalar @{ $chunks[0]{kvs} }, 10, 'its first chunk has ten keys');
	cmp_ok(scalar @chunks, '>', 5, 'and others follow');
	is(scalar(grep { $_->{header} || $_->{count} } @chunks[ 0 .. $#chunks - 1 ]), 0, 'only the last has header and count');
	is($chunks[-1]{count}, 10_000, '... which is right');
	is(join(' ', map { keys_of($_) } @chunks), keys_of($long), 'no key is missing, none comes twice');

	# who asks for little does not wait for who asks for much
	my @slow = map { Grpc->new($cluster->endpoint(1)) } 1 .. 4;
	$_->send_call('KV/Range', range_of('long/', 'long0', sort_target => 'VALUE')) for @slow;
	my @took;
	for my $n (1 .. 30)
	{
		my $from = time();
		$one->done('KV/Range', key_of('f/a', serializable => JSON::PP::true));
		push @took, time() - $from;
	}
	is(scalar(grep { @{ $_->answer->{responses}[0]{kvs} } == 10_000 } @slow), 4, 'four long ranges at a time');
	my ($median) = (sort { $a <=> $b } @took)[15];
	cmp_ok($median, '<', 0.5, sprintf('meanwhile a short one takes %.1f ms', 1000 * $median));
}

# ---------------------------------------------------------------------------
# No space
# ---------------------------------------------------------------------------

sub set_quota
{
	my ($quota) = @_;
	$cluster->node(1)->append_conf('postgresql.conf', "pg_quorum.quota_bytes = '$quota'");
	$cluster->node(1)->reload;
	$cluster->wait_until('the quota', sub { $cluster->sql(1, 'SHOW pg_quorum.quota_bytes') eq $quota });
	sleep(0.5);		# the gateway has heard of it, and looked at the store
	return;
}

{
	my $refusal = '8 etcdserver: mvcc: database space exceeded';
	my $raised = sub { $cluster->sql(2, "SELECT quorum.read_barrier() \\g /dev/null\nSELECT count(*) FROM quorum.alarms WHERE alarm = 'NOSPACE'") };
	set_quota('1MB');
	refused('a put beyond the quota', $refusal, 'KV/Put', key_of('f/a', value => b64('1')));
	is($raised->(), 1, '... raises the alarm first');
	refused('a lease beyond the quota', $refusal, 'Lease/LeaseGrant', { TTL => 60 });
	refused('a transaction with a put', $refusal, 'KV/Txn', { success => [ op_put('f/a', '1') ] });
	is($grpc{2}->refusal('KV/Put', key_of('f/a', value => b64('1'))), $refusal, 'the alarm is for all members');
	is(get('f/a')->{count}, 1, 'reading works');
	is($one->done('KV/DeleteRange', key_of('f/big'))->{deleted}, 1, 'deleting works');
	$one->done('KV/Compact', { revision => get('f/a')->{header}{revision} });
	set_quota('0');
	my ($alarm) = @{ $one->done('Maintenance/Alarm', {})->{alarms} };
	$one->done('Maintenance/Alarm', { action => 'DEACTIVATE', %$alarm });
	is(unb64(put('f/a', 'again', prev_kv => JSON::PP::true)->{prev_kv}{value}), 'last', 'and when it is disarmed, writing');
}

# ---------------------------------------------------------------------------
# More calls than there are slots
# ---------------------------------------------------------------------------

sub metric
{
	my ($i, $name) = @_;
	my $page = HTTP::Tiny->new(timeout => 20)->get('http://' . $cluster->endpoint($i) . '/metrics');
	my ($value) = $page->{content} =~ /^\Q$name\E (\S+)$/m;
	return $value;
}

# 2,048 puts at the same time, and nothing under way after them.
sub flood
{
	my ($when, $i) = @_;
	my $file = "$PostgreSQL::Test::Utils::tmp_check/put.bin";
	my $put = "\x0a\x05flood\x12\x01x";
	open(my $fh, '>:raw', $file) or die "$file: $!";
	print $fh pack('CN', 0, length($put)), $put;
	close($fh);
	my ($out, $err) = ('', '');
	IPC::Run::run([ 'h2load', '-n', 8192, '-c', 16, '-m', 128, '-H', 'content-type: application/grpc', '-H', 'te: trailers',
			'-d', $file, 'http://' . $cluster->endpoint($i) . '/etcdserverpb.KV/Put' ],
		'<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout(180));
	my ($succeeded) = $out =~ /, (\d+) succeeded, 0 failed/;
	is($succeeded, 8192, "$when: 2,048 puts at a time on n$i") or diag($out, $err);
	is(metric($i, 'etcd_server_proposals_pending'), 0, "$when: none of them is left");
	return;
}

my $version = get('flood')->{kvs}[0]{version} // 0;
flood('at rest', 1);
is(get('flood')->{kvs}[0]{version}, $version + 8192, 'each has been carried out once');

# ---------------------------------------------------------------------------
# Faults
# ---------------------------------------------------------------------------

my $putload = "$FindBin::RealBin/../test/etcd/putload";

# Puts by eight clients on all members during some faults: nothing that was acknowledged is
# lost, nothing is carried out twice, and every slot is free after them.
sub under_puts
{
	my ($what, $faults, $seconds) = @_;
	my $file = "$PostgreSQL::Test::Utils::tmp_check/puts.txt";
	my ($out, $err) = ('', '');
	$one->done('KV/DeleteRange', range_of('load/', 'load0'));
	my $load = IPC::Run::start([ $putload, 'load', $cluster->endpoints, $file, '--clients', 8, '--seconds', $seconds ],
		'<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout(120));
	sleep(1.5);
	$faults->();
	$load->finish;
	note("$what: $out");
	$cluster->agreed;
	$cluster->await_gateways;
	my ($judged, $words) = (undef, '');
	$judged = IPC::Run::run([ $putload, 'check', $cluster->endpoints, $file ], '<', \undef, '>', \$words, '2>', \$err, IPC::Run::timeout(120));
	ok($judged, "$what: nothing acknowledged is lost, nothing done twice") or diag($words, $err);
	my ($acknowledged) = $words =~ /^(\d+) acknowledged/m;
	cmp_ok($acknowledged // 0, '>', 50, "$what: puts were acknowledged: " . ($words =~ /(.*)\n\z/)[0]);
	for my $i (@members)
	{
		ok($cluster->wait_until('nothing under way', sub { (metric($i, 'etcd_server_proposals_pending') // 1) == 0 }),
			"$what: no slot of n$i is taken");
	}
	return;
}

under_puts('kill -9 of the leader', sub {
		my $victim = $cluster->leader;
		$cluster->kill_postmaster($victim);
		sleep(3);
		$cluster->start_member($victim);
	}, 9);

under_puts('end of a gateway', sub {
		for my $i (@members)
		{
			my $pid = $cluster->worker_pid($i, 'pg_quorum gateway');
			$cluster->sql($i, "SELECT pg_terminate_backend($pid)");
			ok($cluster->worker_came_back($i, 'pg_quorum gateway', $pid), "the gateway of n$i comes back");
		}
	}, 7);

under_puts('kill -9 of a gateway', sub {
		my $victim = $cluster->leader;
		my $pid = $cluster->kill_worker($victim, 'pg_quorum gateway');
		ok($cluster->worker_came_back($victim, 'pg_quorum gateway', $pid), "the gateway of n$victim comes back");
	}, 7);

under_puts('end of a raft worker', sub {
		my $leader = $cluster->leader;
		for my $i ($leader, grep { $_ != $leader } @members)
		{
			my $pid = $cluster->worker_pid($i, 'pg_quorum raft');
			$cluster->sql($i, "SELECT pg_terminate_backend($pid)");
			ok($cluster->worker_came_back($i, 'pg_quorum raft', $pid), "the raft worker of n$i comes back");
		}
	}, 8);

under_puts('handing leadership on', sub {
		for my $n (1 .. 3)
		{
			my $leader = $cluster->leader;
			my ($next) = grep { $_ != $leader } @members;
			$cluster->try_sql($leader, "SELECT quorum.move_leader('n$next')");
			sleep(0.7);
		}
	}, 6);

flood('after the faults', $_) for @members;

# ---------------------------------------------------------------------------
# Without a quorum
# ---------------------------------------------------------------------------

{
	my ($left, @gone) = ($cluster->leader, $cluster->followers);
	undef %grpc;
	undef $one;
	$cluster->stop_immediately($_) for @gone;
	my $grpc = Grpc->new($cluster->endpoint($left));
	my $from = time();
	is($grpc->refusal('KV/Put', key_of('f/lost', value => b64('1'))), '14 etcdserver: request timed out', 'a put without a quorum');
	my $took = time() - $from;
	ok($took > 4 && $took < 20, sprintf('... after %.1f s', $took));
	$cluster->wait_until('no leader', sub { ($cluster->try_sql($left, 'SELECT leader IS NULL FROM quorum.status') // '') eq 't' });
	is($grpc->refusal('KV/Put', key_of('f/lost', value => b64('2'))), '14 etcdserver: request timed out', 'a put without a leader');
	is($grpc->refusal('KV/Range', key_of('f/a')), '14 etcdserver: request timed out', 'a linearizable read');
	is($grpc->refusal('KV/Txn', { success => [ op_get('f/a') ] }), '14 etcdserver: request timed out', 'a transaction of reads');
	is($grpc->refusal('KV/Range', key_of('f/a'), hasleader => 1), '14 etcdserver: no leader', 'who wants a leader is told at once');
	is($grpc->done('KV/Range', key_of('f/a', serializable => JSON::PP::true))->{count}, 1, 'what is here can be read');
	is($grpc->done('KV/Txn', { success => [ op_get('f/a', serializable => JSON::PP::true) ] })->{responses}[0]{response_range}{count},
		1, '... in a transaction too');

	# a put that waits is carried out when a leader comes in time
	$cluster->start_member($gone[0]);
	my $answer;
	ok($cluster->wait_until('a put', sub { ($answer = $grpc->call('KV/Put', key_of('f/back', value => b64('1'))))->{code} == 0 }),
		'with a quorum puts work again');
	$cluster->start_member($gone[1]);
	$cluster->agreed;
	is(metric($left, 'etcd_server_proposals_pending'), 0, 'and nothing is left of those that failed');
}

# ---------------------------------------------------------------------------
# A learner
# ---------------------------------------------------------------------------

{
	my $leader = $cluster->leader;
	$cluster->change_members($leader, "quorum.member_add('n4', '" . $cluster->peer_conninfo($leader, 4) . "', learner => true)");
	$cluster->make_member(4, "pg_quorum.initial_cluster_state = existing\n");
	$cluster->wait_until('n4 is a learner', sub { ($cluster->try_sql(4, 'SELECT role FROM quorum.status') // '') eq 'learner' });
	$cluster->await_gateways;
	my $learner = Grpc->new($cluster->endpoint(4));
	my $refusal = '9 etcdserver: rpc not supported for learner';
	is($learner->refusal('KV/Put', key_of('f/a', value => b64('1'))), $refusal, 'a learner takes no put');
	is($learner->refusal('KV/Range', key_of('f/a')), $refusal, '... reads nothing linearizable');
	is($learner->refusal('Lease/LeaseLeases', {}), $refusal, '... and lists no leases');
	ok($cluster->wait_until('the key', sub {
				($learner->done('KV/Range', key_of('f/a', serializable => JSON::PP::true))->{count} // 0) == 1 }), 'but reads what it has');
	is($learner->call('Maintenance/Status', {})->{code}, 0, 'and tells about itself');
}

is($cluster->differences, '', 'all members are equal');
is($cluster->findings, '', 'all pages are sound');

$cluster->stop;
done_testing();
