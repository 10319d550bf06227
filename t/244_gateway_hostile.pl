# Clients that mean harm, many at a time, while another one works and must notice nothing:
# readers that do not read, writers that do not get on, half-open connections, spoilt
# conversations, wrong TLS, wrong tokens.  Each ends in an answer or a closed connection, or
# costs next to nothing; memory stays bounded; the worker stays the same.
#
# PGQ_HOSTILE_SEED replays the conversations that are spoilt at random, and
# PGQ_HOSTILE_CONVERSATIONS sets how many.  What the protocols demand in detail is
# t/200_gateway.pl's.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/244_gateway_hostile.pl

use strict;
use warnings;
use Cwd 'abs_path';
use File::Temp 'tempdir';
use FindBin;
use lib "$FindBin::RealBin/lib";
use IO::Socket::INET;
use IPC::Run;
use MIME::Base64;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use QuorumCluster;
use RawClient;
use Socket qw(SOL_SOCKET SO_LINGER SO_RCVBUF);
use Test::More;
use Time::HiRes qw(sleep time);

my $seed = $ENV{PGQ_HOSTILE_SEED} // 1;
srand($seed);
note("PGQ_HOSTILE_SEED=$seed");

my $folder   = tempdir('pgq_hostile_XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $cluster  = QuorumCluster->new('hostile', members => 1, gateway => 1, conf => "pg_quorum.client_memory = '64MB'")->start;
my $tls      = $cluster->serve_tls(1, $folder);
my $node     = $cluster->node(1);
my $endpoint = $cluster->endpoint(1);

# Who calls is asked, so that wrong tokens are wrong.
$cluster->sql(1, "SELECT quorum.user_add('root', 'secret'), quorum.role_add('root')");
$cluster->sql(1, "SELECT quorum.user_grant_role('root', 'root')");
$cluster->sql(1, "SELECT quorum.put('big/' || i, repeat('x', 100000)) FROM generate_series(1, 50) i");
$cluster->sql(1, 'SELECT quorum.auth_enable()');

sub varint { my ($n) = @_; my $v = ''; for (; $n >= 128; $n >>= 7) { $v .= chr(128 | $n & 127) } return $v . chr($n) }
sub field  { my ($number, $bytes) = @_; return varint($number << 3 | 2) . varint(length $bytes) . $bytes }
sub post
{
	my ($path, $body, @headers) = @_;
	return join("\r\n", "POST $path HTTP/1.1", 'Host: x', 'Content-Length: ' . length($body), @headers, '', $body);
}

sub gateway_pid { return $cluster->worker_pid(1, 'pg_quorum gateway') }

# What the worker has of memory to itself, in kB, and how many descriptors.
sub memory
{
	my ($kb) = slurp_file('/proc/' . gateway_pid() . '/status') =~ /^RssAnon:\s+(\d+) kB/m;
	return $kb;
}
sub descriptors { my $pid = gateway_pid(); my @all = glob("/proc/$pid/fd/*"); return scalar @all }

my ($token) = do
{
	my $client = RawClient->new($endpoint);
	$client->send(post('/v3/auth/authenticate', '{"name":"root","password":"secret"}'));
	($client->read_until(qr/"token":"[^"]+"/) // '') =~ /"token":"([^"]+)"/;
};
ok($token, 'a token');

my $pid      = gateway_pid();
my $fds      = descriptors();
my $bystander = { out => '', err => '' };
$bystander->{run} = IPC::Run::start([ abs_path("$FindBin::RealBin/../test/etcd/bystander"), $endpoint, '--user', 'root:secret' ],
	'<', \undef, '>', \$bystander->{out}, '2>', \$bystander->{err}, IPC::Run::timeout(600));
$cluster->wait_until('the bystander works', sub { $bystander->{run}->pump_nb; $bystander->{out} =~ /ready/ }, 60)
  or BAIL_OUT("no bystander: $bystander->{out} $bystander->{err}");
my $calm = memory();

# After each kind of attack: the same worker, bounded memory.
sub unharmed
{
	my ($what) = @_;
	is(gateway_pid(), $pid, "$what: the worker is the same");
	my $kb = memory() - $calm;
	cmp_ok($kb, '<', 160 * 1024, "$what: memory is bounded");
	note("$what: $kb kB more than in calm");
	return;
}

my $range = '/etcdserverpb.KV/Range';
my $watch = '/etcdserverpb.Watch/Watch';
my $big   = field(1, 'big/') . field(2, 'big0');

# ---------------------------------------------------------------------------
# Readers that do not read
# ---------------------------------------------------------------------------

{
	my @clients;
	for my $i (1 .. 30)
	{
		# gRPC, with a window that would take all; the socket does not
		my $client = RawClient->http2($endpoint, 4 => 0x7fffffff);
		$client->frame(WINDOW_UPDATE, 0, 0, pack('N', 0x7fff0000));
		$client->call(2 * $_ + 1, $range, $big, token => $token) for 0 .. 3;
		push @clients, $client;
		# JSON
		$client = RawClient->new($endpoint);
		$client->send(post('/v3/kv/range', '{"key":"YmlnLw==","range_end":"YmlnMA=="}', "Authorization: $token"));
		push @clients, $client;
		# a watch of what is written now, large
		$client = RawClient->http2($endpoint);
		$client->open_stream(1, $watch, token => $token);
		$client->frame(DATA, 0, 1, message(field(1, $big . varint(3 << 3) . varint(2))));
		push @clients, $client;
	}
	for my $i (1 .. 60)
	{
		$cluster->sql(1, "SELECT quorum.put('big/' || (i % 50 + 1), repeat('y', 100000)) FROM generate_series(1, 5) i") if $i % 10 == 0;
		sleep(0.03);
	}
	unharmed('readers that do not read');
	undef @clients;
}

# ---------------------------------------------------------------------------
# Writers that do not get on, and connections that are half open
# ---------------------------------------------------------------------------

{
	my @clients;
	my $whole = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" . RawClient::packed_frame(SETTINGS, 0, 0, '');
	my $head  = post('/v3/kv/put', '{"key":"YQ==","value":"YQ=="}', "Authorization: $token");
	for my $i (1 .. 60)
	{
		# parts of a request, at every place
		my $client = RawClient->new($endpoint);
		$client->send(substr($head, 0, 3 * $i));
		push @clients, $client;
		$client = RawClient->new($endpoint);
		$client->send(substr($whole, 0, $i));
		push @clients, $client;
		# a message of two gigabytes, one of which a byte comes, and one that is half there
		$client = RawClient->http2($endpoint);
		$client->open_stream(1, '/etcdserverpb.KV/Put', token => $token);
		$client->frame(DATA, 0, 1, $i % 2 ? pack('CN', 0, 0x7fffffff) . 'x' : pack('CN', 0, 1500000) . 'x' x 10000);
		push @clients, $client;
		# nothing at all
		push @clients, RawClient->new($endpoint), RawClient->new($tls);
	}
	for (1 .. 20)
	{
		# byte by byte, some of them
		$_->send('x', 0.01) for @clients[ map { int(rand(@clients)) } 1 .. 20 ];
		sleep(0.03);
	}
	unharmed('writers that do not get on');
	# They go by a reset, in the middle of everything.
	for my $client (@clients) { $client->socket->setsockopt(SOL_SOCKET, SO_LINGER, pack('ii', 1, 0)) }
	undef @clients;
	for my $i (1 .. 200)
	{
		my $client = RawClient->http2($endpoint);
		$client->call(1, $range, $big, token => $token);
		$client->frame(RST_STREAM, 0, 1, pack('N', 8)) if $i % 3 == 0;
		$client->socket->setsockopt(SOL_SOCKET, SO_LINGER, pack('ii', 1, 0)) if $i % 2;
	}
	unharmed('resets');
}

# ---------------------------------------------------------------------------
# Conversations spoilt at random
# ---------------------------------------------------------------------------

sub frames
{
	my (@frames) = @_;
	return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" . join('', map { RawClient::packed_frame(@$_) } [ SETTINGS, 0, 0, '' ], @frames);
}

sub grpc
{
	my ($path, $message, $end) = @_;
	return frames(
		[ HEADERS, END_HEADERS, 1, RawClient::request_headers($path, token => $token) ],
		[ DATA, $end // END_STREAM, 1, message($message) ],
		[ WINDOW_UPDATE, 0, 0, pack('N', 1000) ],
		[ PING, 0, 0, '12345678' ]);
}

my $auth = "Authorization: $token";
my @conversations = (
	grpc('/etcdserverpb.KV/Put', field(1, 'a') . field(2, 'b')),
	grpc($range, field(1, 'a') . field(2, 'b') . varint(3 << 3) . varint(10)),
	grpc('/etcdserverpb.KV/Txn', field(1, field(3, 'a')) . field(2, field(2, field(1, 'a'))) . field(3, field(4, field(2, field(3, field(1, 'b')))))),
	grpc($watch, field(1, field(1, 'a') . field(2, "\0")), 0),
	grpc('/etcdserverpb.Lease/LeaseKeepAlive', varint(1 << 3) . varint(77), 0),
	grpc('/etcdserverpb.Auth/RoleGrantPermission', field(1, 'r') . field(2, field(2, 'a'))),
	grpc('/v3electionpb.Election/Campaign', field(1, 'e') . field(3, 'v')),
	grpc('/etcdserverpb.Maintenance/Snapshot', ''),
	grpc('/etcdserverpb.Cluster/MemberAdd', field(1, 'http://127.0.0.1:1')),
	post('/v3/kv/range', '{"key":"YQ==","range_end":"AA==","limit":"3"}', $auth),
	post('/v3/kv/put', '{"key":"YQ==","value":"' . encode_base64('v' x 500, '') . '"}', $auth),
	post('/v3/kv/txn', '{"compare":[{"key":"YQ==","target":"MOD","mod_revision":"3"}],"success":[{"request_put":{"key":"YQ=="}}],"failure":[{"request_txn":{"success":[]}}]}', $auth),
	post('/v3/watch', '{"create_request":{"key":"YQ==","range_end":"AA=="}}', $auth) . '{"progress_request":{}}',
	post('/v3/lease/keepalive', '{"ID":"77"}', $auth),
	"POST /v3/kv/range HTTP/1.1\r\nHost: x\r\n$auth\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{\"key\":\"YWJj\",  \r\n2\r\n }\r\n0\r\n\r\n",
	"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n");

# One of them with some bytes changed, left out, doubled, or cut off.
sub spoilt
{
	my $bytes = $conversations[ rand @conversations ];
	$bytes .= $conversations[ rand @conversations ] if rand() < 0.1;
	for (1 .. 1 + int(rand(4)))
	{
		my $at = int(rand(length $bytes));
		my $n  = 1 + int(rand(rand() < 0.8 ? 4 : 200));
		my $how = int(rand(6));
		if    ($how == 0) { substr($bytes, $at, 1) = chr(rand 256) }
		elsif ($how == 1) { substr($bytes, $at, 1) = substr($bytes, $at, 1) ^ chr(1 << int(rand 8)) }
		elsif ($how == 2) { substr($bytes, $at, $n, '') }
		elsif ($how == 3) { substr($bytes, $at, 0) = substr($bytes, int(rand(length $bytes)), $n) }
		elsif ($how == 4) { substr($bytes, $at, 0) = join('', map { chr(rand 256) } 1 .. $n) }
		else { $bytes = substr($bytes, 0, $at) if rand() < 0.5 }
		last unless length $bytes;
	}
	return $bytes;
}

{
	my $left = $ENV{PGQ_HOSTILE_CONVERSATIONS} // 1500;
	my $ended = 0;
	while ($left > 0)
	{
		my @clients;
		for (1 .. 50)
		{
			my $client = RawClient->new($endpoint);
			$client->send(spoilt(), 1);
			push @clients, $client;
		}
		# Some wait for what is said, others are gone before.
		sleep(0.02);
		for my $client (@clients) { $ended++ if rand() < 0.5 && !defined $client->read_some(0) }
		$left -= @clients;
	}
	unharmed('spoilt conversations');
}

# ---------------------------------------------------------------------------
# Wrong TLS
# ---------------------------------------------------------------------------

{
	my @clients;
	for my $i (1 .. 40)
	{
		# plain words to TLS, TLS to plain
		my $client = RawClient->new($tls);
		$client->send($i % 2 ? "GET /version HTTP/1.1\r\nHost: x\r\n\r\n" : frames());
		push @clients, $client;
		# a hello that is right, cut off somewhere, then nonsense
		my $hello = pack('H*', '1603010200010001fc0303') . join('', map { chr(rand 256) } 1 .. 506);
		$client = RawClient->new($tls);
		$client->send(substr($hello, 0, 12 * $i) . ($i % 3 ? '' : 'x' x 2000));
		push @clients, $client;
		$client = RawClient->new($endpoint);
		$client->send($hello);
		push @clients, $client;
	}
	my $closed = 0;
	for my $i (map { 3 * $_ } 0 .. 39) { $closed++ if $clients[$i]->is_closed(20) }
	is($closed, 40, 'who speaks plainly to TLS is hung up on');
	$closed = 0;
	for my $i (map { 3 * $_ + 2 } 0 .. 39) { $closed++ if defined $clients[$i]->read_all(20) }
	is($closed, 40, 'who speaks TLS to the plain port too');
	unharmed('wrong TLS');
	# And who does it right is served.
	my $out = `curl -s --cacert $folder/cert.pem https://$tls/version`;
	like($out, qr/^\{"etcdserver":"\d/, 'right TLS');
	isnt(system("curl -s https://$tls/version >/dev/null 2>&1"), 0, 'whose certificate nobody knows is not trusted');
}

# ---------------------------------------------------------------------------
# Wrong tokens and passwords
# ---------------------------------------------------------------------------

{
	my $wrong = 0;
	for my $i (1 .. 200)
	{
		my $client = RawClient->http2($endpoint);
		my $bad = $i % 4 == 0 ? '' : $i % 4 == 1 ? 'x' x (10 * $i) : $i % 4 == 2 ? substr($token, 0, -1) . '!' : "eyJhbGciOiJub25lIn0.eyJ1c2VybmFtZSI6InJvb3QifQ.$i";
		$client->call(1, $range, $big, token => $bad);
		my $status = $client->status(1) // 'none';
		$wrong++ unless $status eq '16' || ($bad eq '' && $status =~ /^(?:3|16)$/);
	}
	is($wrong, 0, 'wrong tokens are told so');
	my @clients;
	for my $i (1 .. 30)
	{
		my $client = RawClient->new($endpoint);
		$client->send(post('/v3/auth/authenticate', '{"name":"root","password":"' . 'x' x $i . '"}'));
		push @clients, $client;
	}
	my $refused = grep { ($_->read_until(qr/\}\s*\z/, 60) // '') =~ /authentication failed, invalid user ID or password/ } @clients;
	is($refused, 30, 'wrong passwords, many at a time');
	unharmed('wrong tokens');
}

# ---------------------------------------------------------------------------
# JSON of the worst kind
# ---------------------------------------------------------------------------

{
	my $nested = '{"success":[{"request_txn":';
	my @bodies = (
		'[' x 100000, '{"a":' x 100000, $nested x 1000, $nested x 60 . '{}' . '}]}' x 60,
		'{"key":"' . 'A' x 1000000 . '"}', '{"key":"' . "\\u0000" x 10000 . '"}', '{"key":"\\ud800"}', "{\"key\":\"\xff\xfe\"}",
		'{"limit":' . '9' x 1000 . '}', '{"limit":1e999}', '{"limit":"-9223372036854775809"}', '{"key":null,"limit":[]}',
		'{"' . join('":1,"', map { "f$_" } 1 .. 20000) . '":1}', '{"key":"YQ==","key":"Yg=="}', "\0" x 1000, '"', '{', '{}' x 1000);
	my $answered = 0;
	for my $body (@bodies)
	{
		for my $path ('/v3/kv/range', '/v3/kv/txn')
		{
			my $client = RawClient->new($endpoint);
			$client->send(post($path, $body, $auth), 5);
			$answered++ if ($client->read_until(qr/^HTTP\/1\.1 \d+ .*\r\n\r\n/s, 20) // '') =~ /^HTTP\/1\.1 (?:200|400|413|429) / || $client->is_closed(1);
		}
	}
	is($answered, 2 * @bodies, 'JSON of the worst kind is answered');
	# numbers that are short, but long when they are written out
	my $client = RawClient->new($endpoint);
	$client->send(post('/v3/watch', '{"create_request":{"key":"YQ==","filters":[' . join(',', ('0e-16383') x 100000) . ']}}', $auth), 5);
	like($client->read_until(qr/"code":\d+/, 60) // '', qr/filters\[0\]/, 'numbers that are longer than they look are refused');
	unharmed('JSON');
}

# ---------------------------------------------------------------------------
# Nobody has noticed
# ---------------------------------------------------------------------------

$bystander->{run}->signal('TERM');
$bystander->{run}->finish;
note($bystander->{out});
my %told = $bystander->{out} =~ /(\w+)=(\d+)/g;
cmp_ok($told{calls} // 0, '>', 100, 'another client worked all the time');
is($told{errors}, 0, 'no call of it failed') or diag($bystander->{out}, $bystander->{err});
is($told{wrong}, 0, 'it read what it had written');
is($told{events_missed}, 0, 'and was told of it');

$cluster->wait_until('all connections are gone', sub { descriptors() <= $fds + 2 });
cmp_ok(descriptors(), '<=', $fds + 2, 'all connections are gone');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal/, 'nothing crashed');
unlike(slurp_file($node->logfile), qr/secret|\Q$token\E/, 'no password and no token is in the log');
$cluster->sql(1, 'SELECT quorum.auth_disable()');
is($cluster->findings, '', 'all pages are sound');
$cluster->stop;
done_testing();
