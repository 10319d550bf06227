# The gateway as a server of protocols: framing, limits, timeouts, order, clients that break every
# rule, and what all of that costs the others.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/200_gateway.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use IO::Select;
use MIME::Base64;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use QuorumCluster;
use RawClient;
use Test::More;
use Time::HiRes qw(sleep time);

my $cluster = QuorumCluster->new('gateway', members => 1, gateway => 1)->start;
my $node = $cluster->node(1);
my $endpoint = $cluster->endpoint(1);
my ($put, $range, $health, $watch) =
  map { "/$_" } qw(etcdserverpb.KV/Put etcdserverpb.KV/Range grpc.health.v1.Health/Check etcdserverpb.Watch/Watch);

sub field  { my ($number, $bytes) = @_; return chr($number << 3 | 2) . varint(length $bytes) . $bytes }
sub varint { my ($n) = @_; my $v = ''; for (; $n >= 128; $n >>= 7) { $v .= chr(128 | $n & 127) } return $v . chr($n) }

sub gateway_pid { return $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_quorum gateway'") }

# What a worker has of memory to itself, in kB.
sub memory
{
	my $status = slurp_file('/proc/' . gateway_pid() . '/status');
	my ($anonymous) = $status =~ /^RssAnon:\s+(\d+) kB/m;
	return $anonymous;
}

sub configure
{
	my (%settings) = @_;
	$node->append_conf('postgresql.conf', "pg_quorum.$_ = '$settings{$_}'") for sort keys %settings;
	$node->reload;
	sleep(0.5);
	return;
}

sub http
{
	my ($head, $body, $client) = @_;
	$client //= RawClient->new($endpoint);
	my $length = defined $body ? 'Content-Length: ' . length($body) . "\r\n" : '';
	$client->send("$head HTTP/1.1\r\nHost: x\r\n$length\r\n" . ($body // ''));
	return response($client);
}

# One response: its status, head and body.
sub response
{
	my ($client, $seconds) = @_;
	my $head = $client->read_until(qr/\r\n\r\n/, $seconds) // return ();
	my ($status) = $head =~ m{^HTTP/1\.1 (\d+)};
	my $body = '';
	if ($head =~ /^Content-Length: (\d+)/mi)
	{
		$body = $1 == 0 ? '' : $client->read_until(qr/\A.{$1}/s, $seconds);
	}
	elsif ($head =~ /^Transfer-Encoding: chunked/mi)
	{
		while (defined(my $chunk = chunk($client))) { last if $chunk eq ''; $body .= $chunk }
	}
	return ($status, $head, $body);
}

sub chunk
{
	my ($client, $seconds) = @_;
	my $size = $client->read_until(qr/\A[0-9a-f]+\r\n/, $seconds) // return undef;
	my $length = hex($size =~ s/\r\n//r);
	my $chunk = $client->read_until(qr/\A.{$length}\r\n/s, $seconds) // return undef;
	return substr($chunk, 0, -2);
}

# Others are served all the time.
sub alive
{
	my ($what) = @_;
	my $client = RawClient->http2($endpoint);
	my $start = time();
	$client->call(1, $health, '');
	return is($client->status(1), 0, "$what: others are served") && note(sprintf('%.1f ms', 1000 * (time() - $start)));
}

my $pid = gateway_pid();
$cluster->sql(1, q{SELECT quorum.put('foo', 'bar')});
my $get_foo = '{"key":"' . encode_base64('foo', '') . '"}';

subtest 'many connections' => sub {
	alive('before');
	my $before = memory();
	my @idle = map { my $client = RawClient->http2($endpoint); $client->call(1, $health, ''); $client->status(1); $client } 1 .. 500;
	my $each = (memory() - $before) / 500;
	note(sprintf('%.1f kB a connection', $each));
	cmp_ok($each, '<', 50, 'an idle connection takes less than 50 kB');
	my @silent = map { RawClient->new($endpoint) } 1 .. 300;
	alive('while 300 say nothing');
	configure(max_client_connections => 810);
	my @more = map { RawClient->new($endpoint) } 1 .. 20;
	ok($more[-1]->is_closed, 'one too many is closed');
	@idle = @silent = @more = ();
	sleep(0.5);
	configure(max_client_connections => 10000);
	alive('afterwards');
	done_testing();
};

subtest 'HTTP/1.1: requests' => sub {
	my ($status, $head, $body) = http('POST /v3/kv/range', $get_foo);
	is($status, 200, 'a range');
	like($body, qr/^\{"header":\{.*"kvs":\[\{"key":"Zm9v",.*"value":"YmFy"\}\],"count":"1"\}$/, 'its answer');
	like($head, qr/^Content-Type: application\/json\r$/m, 'is JSON');
	like($head, qr/^Grpc-Metadata-Content-Type: application\/grpc\r$/m, 'with what tells of gRPC');
	like($head, qr/^Access-Control-Allow-Origin: \*\r$/m, 'for pages of any origin');
	is((http("POST /$_/kv/range", $get_foo))[0], 200, "below /$_") for qw(v3beta v3alpha);
	is((http('POST http://somewhere:1/v3/kv/range', $get_foo))[0], 200, 'in the form that proxies get');

	($status, $head, $body) = http('POST /v3/kv/nothing', '{}');
	is("$status $body", "404 Not Found\n", 'an unknown path');
	is((http('GET /nothing'))[0], 404, 'an unknown page');
	($status, $head, $body) = http('GET /v3/kv/range');
	is("$status $body", "405 Method Not Allowed\n", 'a wrong method');
	is((http('POST /version', '{}'))[0], 405, 'a page cannot be posted to');
	is((http('OPTIONS /v3/kv/range'))[0], 200, 'OPTIONS');
	($status, $head, $body) = http('GET /version', '{}');
	like($body, qr/^\{"etcdserver":"\d+\.\d+\.\d+","etcdcluster":"\d+\.\d+\.\d+"/, 'a page, asked for with a body');

	my $client = RawClient->new($endpoint);
	$client->send("HEAD /version HTTP/1.1\r\n\r\nGET /version HTTP/1.1\r\nConnection: close\r\n\r\n");
	like($client->read_until(qr/\r\n\r\n/), qr/Content-Length: [1-9]/, 'HEAD has a length');
	like($client->read_all, qr/\AHTTP\/1\.1 200.*Connection: close\r\n.*\{"etcdserver".*\}\Z/s, 'and no body; then the connection is closed as asked');

	$client = RawClient->new($endpoint);
	$client->send("GET /version HTTP/1.0\r\n\r\n");
	like($client->read_all, qr/\r\nConnection: close\r\n.*\}\Z/s, 'HTTP/1.0');
	is((http('POST /v3/maintenance/alarm', ''))[0], 200, 'an empty body is an empty message');

	like((http('POST /v3/kv/range', '{"key":"bm9uZQ=="}'))[2], qr/^\{"header":\{[^{}]*\}\}$/, 'a key that is not there');
	done_testing();
};

subtest 'HTTP/1.1: errors' => sub {
	my ($status, $head, $body) = http('POST /v3/kv/put', '{"key":"Zm9v","lease":"77"}');
	is("$status $body",
		'404 {"error":"etcdserver: requested lease not found","message":"etcdserver: requested lease not found","code":5,"details":[]}',
		'an error of the store');
	for my $bad ('x', '[1]', '{"key":', '{"key":1}', '{"key":"Zm9v"', '{]', '"a"', "{\"key\":\"\xff\"}", '{"key":"%%"}', '{"limit":"x"}')
	{
		($status, $head, $body) = http('POST /v3/kv/range', $bad);
		like("$status $body", qr/^400 \{"error":".+","message":".+","code":3,"details":\[\]\}$/, "refused: $bad");
	}
	($status, $head, $body) = http('POST /v3/kv/txn', '{"success":[{"request_txn":' x 5000);
	like("$status $body", qr/^400 .*"code":3/, 'what is nested too deeply');
	($status, $head, $body) = http('POST /v3/kv/txn', ('{"success":[{"request_txn":' x 400) . '{}' . ('}]}' x 400));
	like("$status $body", qr/^400 .*"code":3/, 'what is nested deeply and complete');
	($status, $head, $body) = http('POST /v3/kv/put', '{"key":"Zm9v","value":"' . ('A' x 6_000_000) . '"}');
	like("$status $body", qr/^429 .*"code":8/, 'what is too large');
	($status, $head, $body) = http('POST /v3/kv/put', '{"key":"Zm9v","value":"' . ('A' x 2_900_000) . '"}');
	like("$status $body", qr/^429 .*"grpc: received message larger than max \(2175010 vs. 2097152\)","code":8/,
		'what is too large for a message, though not for a text');
	($status, $head, $body) = http('POST /v3/kv/put', '{"key":"Zm9v","value":"' . ('A' x 2_400_000) . '"}');
	like("$status $body", qr/^400 .*"etcdserver: request is too large","code":3/, 'what is too large for the store');
	($status, $head, $body) = http('POST /v3/kv/nothing', 'A' x 3_000_000);
	is($status, 404, 'a large body that nobody wants');
	like($head, qr/^Connection: close\r$/m, 'is not read');
	alive('after errors');
	done_testing();
};

subtest 'HTTP/1.1: connections' => sub {
	my $client = RawClient->new($endpoint);
	my $request = "POST /v3/kv/range HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s";
	my @keys = map { "pipelined$_" } 1 .. 300;
	$cluster->sql(1, "SELECT quorum.put('$_', '$_') FROM generate_series(1, 1)") for @keys[ 0 .. 4 ];
	my $bytes = join('', map { my $body = '{"key":"' . encode_base64($_, '') . '"}'; sprintf($request, length $body, $body) } @keys);
	$client->send($bytes);
	my @found = map { [ response($client) ]->[2] // '' } @keys;
	is(scalar(grep { /"header"/ } @found), 300, '300 requests at once are answered');
	my $first = join(' ', map { my $key = encode_base64($_, ''); $found[ substr($_, 9) - 1 ] =~ /"key":"\Q$key\E"/ ? 1 : 0 } @keys[ 0 .. 4 ]);
	is($first, '1 1 1 1 1', 'in order');

	$client = RawClient->new($endpoint);
	$client->send("POST /v3/kv/range HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
	$client->send(sprintf("1;x=y\r\n%s\r\n", $_)) for split(//, $get_foo);
	$client->send("0\r\nTrailer: x\r\n\r\n");
	is((response($client))[0], 200, 'a body in chunks of one byte');
	for my $c (split(//, sprintf($request, length $get_foo, $get_foo))) { $client->send($c) }
	is((response($client))[0], 200, 'a request of single bytes, on the same connection');

	$client = RawClient->new($endpoint);
	$client->send("POST /v3/kv/range HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: " . length($get_foo) . "\r\n\r\n");
	is($client->read_until(qr/\r\n\r\n/), "HTTP/1.1 100 Continue\r\n\r\n", 'who asks whether to go on is told to');
	$client->send($get_foo);
	is((response($client))[0], 200, 'and answered');
	$client->send("POST /nothing HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
	is((response($client))[0], 404, 'or not, where it is of no use');

	for my $garbage ("\x16\x03\x01\x02\x00\x01\x00", "GARBAGE\r\n\r\n", "GET /version HTTP/9.9\r\n\r\n", "GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", "POST /v3/kv/range HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
	{
		$client = RawClient->new($endpoint);
		$client->send($garbage);
		$client->send("\r\n\r\n");
		my $all = $client->read_all(40);
		ok(defined $all && ($all eq '' || $all =~ /^HTTP\/1\.1 (400|505) /), 'garbage ends the connection');
	}
	$client = RawClient->new($endpoint);
	$client->send("GET /version HTTP/1.1\r\n");
	$client->send('X-' . ('x' x 500) . ': ' . ('y' x 500) . "\r\n") for 1 .. 200;
	$client->send("\r\n");
	like($client->read_all // '', qr/^HTTP\/1\.1 431 /, 'a head without end');
	is((http('GET /' . 'x' x 5000))[0], 431, 'a long path');
	my ($status) = http("GET /version HTTP/1.1\r\n" . join('', map { "X-$_: 1\r\n" } 1 .. 500) . 'X: 1');
	is($status, 431, 'many headers');
	ok(RawClient->new($endpoint)->send("GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"), 'an upgrade');
	is((http("GET /version HTTP/1.1\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\nX: y"))[0], 200, 'to HTTP/2 is not taken up');
	alive('after garbage');
	done_testing();
};

subtest 'HTTP/1.1: streams' => sub {
	my $create = '{"create_request":{"key":"' . encode_base64('s', '') . '","range_end":"' . encode_base64('t', '') . '"}}';
	my $client = RawClient->new($endpoint);
	$client->send(sprintf("POST /v3/watch HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s", length $create, $create));
	like($client->read_until(qr/\r\n\r\n/), qr/^Transfer-Encoding: chunked\r$/m, 'a watch comes in chunks');
	like(chunk($client), qr/\A\{"result":\{"header":\{.*\},"created":true\}\}\n\z/, 'the first says that it was created');
	for my $i (1 .. 3)
	{
		$cluster->sql(1, "SELECT quorum.put('s$i', 'v')");
		like(chunk($client), qr/\A\{"result":\{.*"events":\[\{"kv":\{.*\}\}\]\}\}\n\z/, 'an event is a chunk');
	}
	$client->send("GET /version HTTP/1.1\r\n\r\n" x 100);
	$cluster->sql(1, "SELECT quorum.put('s4', 'v')");
	like(chunk($client), qr/"events"/, 'also while the client sends other things');

	$client = RawClient->new($endpoint);
	$client->send("POST /v3/watch HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
	my $send = sub { $client->send(sprintf("%x\r\n%s\r\n", length $_[0], $_[0])) };
	$send->($create . $create . '{"create_req');
	$client->read_until(qr/\r\n\r\n/);
	like(chunk($client), qr/"created":true/, 'the first of several requests in a body');
	like(chunk($client), qr/"watch_id":"1","created":true/, 'the second');
	$send->(substr($create, 12));
	like(chunk($client), qr/"watch_id":"2","created":true/, 'the third, which came later');
	$send->('{"cancel_request":{"watch_id":"1"}}');
	like(chunk($client), qr/"watch_id":"1","canceled":true/, 'and a cancel');

	my ($status, $head, $body) = http('POST /v3/lease/grant', '{"TTL":"60","ID":"9"}');
	is($status, 200, 'a lease');
	($status, $head, $body) = http('POST /v3/lease/keepalive', '{"ID":"9"}');
	like($body, qr/\A\{"result":\{.*"ID":"9","TTL":"60"\}\}\n\z/, 'its renewal is a stream of one');
	done_testing();
};

subtest 'gRPC: framing' => sub {
	my $client = RawClient->http2($endpoint);
	$client->open_stream(1, $range);
	$client->frame(DATA, 0, 1, $_) for split(//, message(field(1, 'foo')));
	$client->frame(DATA, END_STREAM, 1, '');
	is($client->status(1), 0, 'a message of single bytes');
	like($client->data(1), qr/\A\0.{4}.*foo.*bar/s, 'its answer');

	$client->call(3, '/etcdserverpb.KV/Nothing', '');
	is($client->status(3), 12, 'an unknown method');
	$client->call(5, '/nothing', '');
	is($client->status(5), 12, 'no method at all');
	$client->open_stream(7, $range);
	$client->frame(DATA, END_STREAM, 7, "\1" . substr(message(field(1, 'foo')), 1));
	is($client->status(7), 13, 'a compressed message of no known encoding');
	my $packer = RawClient->http2($endpoint);
	$packer->call(1, $range, field(1, 'foo'), 'grpc-encoding', 'gzip');
	is($packer->status(1), 12, 'a call that may have compressed ones');
	$packer->call(3, $range, field(1, 'foo'), 'grpc-encoding', 'identity');
	is($packer->status(3), 0, 'identity is no compression');
	$packer->call(5, $range, field(1, 'foo'), 'grpc-encoding', '"%' . 'x' x 100);
	is($packer->status(5), 12, 'an encoding of no sensible name');
	$client->open_stream(9, $range);
	$client->frame(DATA, 0, 9, pack('CN', 0, 2147483648));
	is($client->status(9), 8, 'one of two gigabytes');
	$client->open_stream(11, $range);
	$client->frame(DATA, END_STREAM, 11, pack('CN', 0, 100) . 'short');
	is($client->status(11), 13, 'one that ends too soon');
	$client->frame(HEADERS, END_HEADERS | END_STREAM, 13, RawClient::request_headers($range));
	is($client->status(13), 13, 'none');
	$client->call(15, $range, "\x0a\xff\xff\xff\xff\x0f");
	is($client->status(15), 13, 'one that is none');
	$client->call(17, $range, field(1, 'foo'), 'grpc-timeout', '0S');
	is($client->status(17), 4, 'one that has no time');
	$client->call(19, $range, field(1, 'foo'), ':authority', '#initially=[127.0.0.1:1;127.0.0.1:2]');
	is($client->status(19), 0, 'an authority that is none');
	$client->call(21, $range, field(1, 'foo'), 'grpc-timeout', '99999999H', 'x-other', 'y' x 1000);
	is($client->status(21), 0, 'headers of no interest');
	$client->frame(HEADERS, END_HEADERS, 23,
		header_block(':method', 'POST', ':path', $range, ':scheme', 'http', 'content-type', 'application/grpc+proto'));
	$client->frame(DATA, END_STREAM, 23, message(field(1, 'foo')) . message(field(1, 'foo')));
	is($client->status(23), 0, 'a second message of a call that has one');
	my $start = time();
	$client->open_stream(25, $watch, 'grpc-timeout', '300m');
	$client->frame(DATA, 0, 25, message(field(1, field(1, 'foo'))));
	is($client->status(25), 4, 'a watch ends at its deadline');
	cmp_ok(time() - $start, '>=', 0.29, 'and not before');
	$client->frame(PING, 0, 0, '12345678');
	is($client->await(PING), '12345678', 'a ping is answered');
	done_testing();
};

subtest 'gRPC: large messages' => sub {
	my $client = RawClient->http2($endpoint, 4 => 1 << 30);
	$client->frame(WINDOW_UPDATE, 0, 0, pack('N', 1 << 30));
	my $value = 'v' x 1_400_000;
	$client->open_stream(1, $put);
	my $bytes = message(field(1, 'large') . field(2, $value));
	my $window = 65535;
	while (length $bytes)
	{
		my $n = length $bytes;
		$n = $window if $n > $window;
		$n = 16384 if $n > 16384;
		$client->frame(DATA, 0, 1, substr($bytes, 0, $n, ''));
		$window -= $n;
		if ($window == 0) { my $more = $client->await(WINDOW_UPDATE, 1) // last; $window += unpack('N', $more) }
	}
	is(length $bytes, 0, 'the window opens for a large message');
	$client->frame(DATA, END_STREAM, 1, '');
	is($client->status(1), 0, 'it is taken');
	$client->call(3, $range, field(1, 'large'));
	is($client->status(3), 0, 'and read');
	cmp_ok(length $client->data(3), '>', length $value, 'all of it');
	$client->open_stream(5, $put);
	$client->frame(DATA, 0, 5, pack('CN', 0, 1536 * 1024 + 512 * 1024 + 1));
	is($client->status(5), 8, 'what is larger than any message is refused by its head');

	# a hundred at a time, more than a connection may hold
	$client = RawClient->http2($endpoint);
	my $quarter = message(field(1, 'large') . field(2, 'w' x 400_000));
	$client->open_stream(2 * $_ + 1, $put) for 0 .. 99;
	my %left = map { 2 * $_ + 1 => $quarter } 0 .. 99;
	my %open = map { $_ => 65535 } keys %left;
	my $connection = 16 * 1024 * 1024;
	my $deadline = time() + 60;
	while (%left && time() < $deadline)
	{
		my $moved = 0;
		for my $stream (keys %left)
		{
			my $n = (sort { $a <=> $b } length $left{$stream}, $open{$stream}, $connection, 16384)[0];
			next unless $n > 0;
			$client->frame(DATA, $n == length $left{$stream} ? END_STREAM : 0, $stream, substr($left{$stream}, 0, $n, ''));
			$open{$stream} -= $n;
			$connection -= $n;
			$moved = 1;
			delete $left{$stream} if $left{$stream} eq '';
		}
		while (my ($type, $flags, $stream, $payload) = $client->next_frame($moved ? 0.001 : 1))
		{
			$moved = 1;
			if ($type == WINDOW_UPDATE && $stream == 0) { $connection += unpack('N', $payload) }
			elsif ($type == WINDOW_UPDATE) { $open{$stream} += unpack('N', $payload) }
			elsif ($type == HEADERS) { $client->{status}{$stream} = $1 if $payload =~ /\x01(\d)\z/ }
		}
		last unless $moved;
	}
	is(scalar(keys %left), 0, 'a hundred large messages together are taken');
	is(scalar(grep { ($client->status(2 * $_ + 1) // 'none') eq '0' } 0 .. 99), 100, 'and carried out');
	done_testing();
};

subtest 'floods' => sub {
	my $client = RawClient->http2($endpoint);
	$client->frame(PING, 0, 0, '12345678') for 1 .. 10;
	ok(defined $client->await(GOAWAY), 'who pings too much is told to go');
	ok($client->is_closed, 'and the connection is closed');

	$client = RawClient->http2($endpoint);
	my $sent = 1;
	for (1 .. 400) { $sent &&= $client->send(RawClient::packed_frame(SETTINGS, 0, 0, '') x 100, 5) }
	ok($client->is_closed, 'a flood of settings whose answers nobody reads');

	$client = RawClient->http2($endpoint);
	$sent = 1;
	for my $i (0 .. 299)
	{
		my $burst = join('', map { my $id = 2 * ($i * 100 + $_) + 1;
				RawClient::packed_frame(HEADERS, END_HEADERS, $id, RawClient::request_headers($range))
				  . RawClient::packed_frame(RST_STREAM, 0, $id, pack('N', 8)) } 0 .. 99);
		$sent &&= $client->send($burst, 5);
		last unless $sent;
	}
	ok($client->is_closed, 'streams that are opened and reset without end');

	$client = RawClient->http2($endpoint);
	$client->frame(HEADERS, 0, 1, RawClient::request_headers($range));
	$client->frame(CONTINUATION, 0, 1, header_block('x', 'y' x 1000)) or last for 1 .. 1000;
	ok($client->is_closed, 'a head that is continued without end');

	configure(max_concurrent_streams => 100);
	$client = RawClient->http2($endpoint);
	$client->await(SETTINGS);
	$client->frame(SETTINGS, ACK, 0, '');
	my $before = memory();
	for my $i (0 .. 19999) { last unless $client->open_stream(2 * $i + 1, $watch) }
	alive('while one opens 20000 streams');
	cmp_ok(memory() - $before, '<', 20000, 'memory that this takes, in kB');
	configure(max_concurrent_streams => 10000);

	$client = RawClient->http2($endpoint);
	for my $bad (RawClient::packed_frame(DATA, 0, 0, 'x'), RawClient::packed_frame(HEADERS, END_HEADERS, 2, 'x'),
		"\xff\xff\xff" . ("\xff" x 6) . ('x' x 20000), RawClient::packed_frame(WINDOW_UPDATE, 0, 0, pack('N', 0)),
		RawClient::packed_frame(HEADERS, END_HEADERS, 1, "\xff\xff\xff\xff\xff\xff"), RawClient::packed_frame(SETTINGS, 0, 0, 'odd'))
	{
		$client = RawClient->http2($endpoint);
		$client->send($bad);
		ok($client->is_closed, 'a frame that may not be ends the connection');
	}
	srand(20);
	for (1 .. 300)
	{
		$client = $_ % 2 ? RawClient->http2($endpoint) : RawClient->new($endpoint);
		$client->send(join('', map { chr(int(rand(256))) } 1 .. 200), 1);
	}
	alive('after floods');
	done_testing();
};

subtest 'slow readers' => sub {
	$cluster->sql(1, q{SELECT quorum.put('big' || i, repeat('x', 100000)) FROM generate_series(1, 100) i});
	my $before = memory();
	my @slow = map { RawClient->http2($endpoint, 4 => 0) } 1 .. 5;
	for my $client (@slow)
	{
		$client->call(2 * $_ + 1, $range, field(1, 'big') . field(2, 'bih') . "\x38\x01") for 0 .. 9;
	}
	for (1 .. 5) { push @slow, RawClient->new($endpoint); my $body = '{"key":"' . encode_base64('big', '') . '","range_end":"' . encode_base64('bih', '') . '"}';
		$slow[-1]->send(sprintf("POST /v3/kv/range HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s", length $body, $body) x 20) }
	sleep(1);
	alive('while ten read nothing');
	note('memory taken, in kB: ' . (memory() - $before));
	my $log = -s $node->logfile;
	configure(client_memory => '64MB');
	$cluster->wait_until('connections are shed', sub { slurp_file($node->logfile, $log) =~ /gateway closes a connection that holds \d+ bytes/ });
	sleep(1);
	alive('when the memory of clients is limited');
	@slow = ();
	configure(client_memory => '512MB');
	done_testing();
};

subtest 'a store that cannot be had' => sub {
	my $watcher = RawClient->http2($endpoint);
	$watcher->open_stream(1, $watch);
	$watcher->frame(DATA, 0, 1, message(field(1, field(1, 'foo'))));
	ok(defined $watcher->await(DATA, 1), 'a watch before that');
	my $locker = $node->background_psql('postgres');
	$locker->query_safe('BEGIN');
	$locker->query_safe('LOCK TABLE quorum.mvcc IN ACCESS EXCLUSIVE MODE');
	my $client = RawClient->http2($endpoint);
	my $start = time();
	$client->call(1, $range, field(1, 'foo'));
	$client->call(3, $range, field(1, 'foo'), 'grpc-timeout', '500m');
	is((http('GET /version'))[0], 200, 'pages are served');
	is($client->status(3), 4, 'a call ends at its deadline');
	is($client->status(1), 14, 'or when the time of requests is over');
	cmp_ok(time() - $start, '>=', 4.9, 'which takes that long');
	$client->call(5, $range, field(1, 'foo'));
	$watcher->frame(DATA, 0, 1, message(field(1, field(1, 'foo'))));
	sleep(0.2);
	$locker->query_safe('COMMIT');
	$locker->quit;
	is($client->status(5), 0, 'a call that waits goes on when the lock is gone');
	ok(defined $watcher->await(DATA, 1), 'and a stream that is older than the time of requests');
	done_testing();
};

is(gateway_pid(), $pid, 'the worker is the same all the time');

subtest 'the server goes' => sub {
	my $client = RawClient->http2($endpoint);
	$client->open_stream(1, $watch);
	$client->frame(DATA, 0, 1, message(field(1, field(1, 'foo'))));
	$client->await(DATA, 1);
	$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_quorum gateway'");
	ok(defined $client->await(GOAWAY), 'clients are told');
	is($client->status(1), 14, 'and calls that would go on for ever end');
	ok($client->is_closed, 'the connection is closed');
	$cluster->wait_until('it comes back', sub { eval { RawClient->new($endpoint); 1 } });
	alive('when it is back');

	$node->safe_psql('postgres', 'CREATE DATABASE other');
	$node->safe_psql('postgres', 'DROP EXTENSION pg_quorum');
	$client = RawClient->http2($endpoint);
	$client->call(1, $range, field(1, 'foo'), 'grpc-timeout', '1S');
	like($client->status(1), qr/^(4|14)$/, 'without the extension, calls wait in vain');
	alive('without the extension');
	$node->safe_psql('postgres', 'CREATE EXTENSION pg_quorum');
	$cluster->wait_until('a put', sub { my $c = RawClient->http2($endpoint); $c->call(1, $put, field(1, 'foo')); ($c->status(1) // '') eq '0' });
	pass('with it, they are served');
	$node->psql('other', 'DROP DATABASE postgres');
	is($node->safe_psql('other', 'SELECT count(*) FROM pg_database WHERE datname = $$postgres$$'), '0', 'the database can be dropped');
	done_testing();
};

unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal/, 'nothing crashed');
$node->stop;
done_testing();
