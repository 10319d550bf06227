# WebSockets at the gateway: calls over them as etcd's, whose answers are compared; the handshake, frames and
# the goodbye by RFC 6455, kept and broken; tokens; TLS; clients that flood, do not read, or vanish; a
# member that stops.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/232_gateway_websocket.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Etcd;
use HTTP::Tiny;
use MIME::Base64;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use QuorumCluster;
use RawClient;
use Test::More;
use Time::HiRes qw(sleep time);
use WebSocketClient;

my $folder   = PostgreSQL::Test::Utils::tempdir();
my $cluster  = QuorumCluster->new('websocket', members => 1, gateway => 1, conf => "pg_quorum.client_memory = '64MB'")->start;
my $tls      = $cluster->serve_tls(1, $folder);
my $node     = $cluster->node(1);
my $endpoint = $cluster->endpoint(1);

sub b64 { return encode_base64($_[0], '') }
sub sql { return $cluster->sql(1, $_[0]) }

# {"create_request":...} for a key, or a range
sub create
{
	my ($key, $end, $more) = @_;
	return '{"create_request":{"key":"' . b64($key) . '"' . (defined $end ? ',"range_end":"' . b64($end) . '"' : '') . ($more // '') . '}}';
}

sub gateway_pid { return $cluster->worker_pid(1, 'pg_quorum gateway') }

sub memory
{
	my ($kb) = slurp_file('/proc/' . gateway_pid() . '/status') =~ /^RssAnon:\s+(\d+) kB/m;
	return $kb;
}

sub metric
{
	my ($name) = @_;
	my ($value) = HTTP::Tiny->new(timeout => 20)->get("http://$endpoint/metrics")->{content} =~ /^\Q$name\E (\d+)/m;
	return $value;
}

# Nothing is left of clients that have gone.
sub nothing_left
{
	my ($what) = @_;
	my @left;
	ok( $cluster->wait_until("$what: an empty gateway",
			sub {
				@left = map { metric($_) } qw(etcd_debugging_mvcc_watcher_total pg_quorum_gateway_buffered_bytes pg_quorum_gateway_connections);
				return $left[0] == 0 && $left[1] < 10000 && $left[2] == 1;
			}, 20),
		"$what: no watch, no bytes, no connection are left") or diag("@left");
	return;
}

# Others are served all the time.
sub alive
{
	my ($what) = @_;
	my $answer = HTTP::Tiny->new(timeout => 20)->post("http://$endpoint/v3/kv/range", { content => '{"key":"YQ=="}' });
	return is($answer->{status}, 200, "$what: others are served");
}

sub ws { return WebSocketClient->open($endpoint, @_) // BAIL_OUT('no answer to a handshake') }

my $pid = gateway_pid();

subtest 'calls' => sub {
	my $client = ws('/v3/watch');
	$client->text(create('s', 't'));
	like($client->message, qr/\A\{"result":\{"header":\{[^{}]*\},"created":true\}\}\z/, 'a watch says that it was created, in a message without an end of line');
	for my $i (1 .. 3)
	{
		sql("SELECT quorum.put('s$i', 'v')");
		like($client->message, qr/\A\{"result":\{.*"events":\[\{"kv":\{.*\}\}\]\}\}\z/, 'an event is a message');
	}
	$client->text(create('a') . create('b') . "\n" . '{"create_request":');
	like($client->message, qr/"watch_id":"1","created":true/, 'two requests in a message: the first');
	like($client->message, qr/"watch_id":"2","created":true/, 'and the second');
	$client->text('{"key":"YQ=="}}');
	like($client->message, qr/"watch_id":"3","created":true/, 'one in two messages');
	$client->frame(BINARY, '{"cancel_request":{"watch_id":"1"}}');
	like($client->message, qr/"watch_id":"1","canceled":true/, 'a binary message');
	$client->text('');
	$client->text(" \n ");
	$client->text('{"progress_request":{}}');
	like($client->message, qr/\A\{"result":\{"header":\{[^{}]*\},"watch_id":"-1"\}\}\z/, 'empty ones are nothing');
	$client->finish(1000, 'enough');
	is($client->farewell, 1000, 'close is answered with its code');

	$client = ws('/v3/lease/grant');
	$client->text('{"TTL":"60","ID":"9"}');
	like($client->message, qr/"ID":"9","TTL":"60"/, 'a unary call');
	is($client->farewell, 1000, 'ends with its answer');
	$client = ws('/v3/lease/keepalive');
	for (1 .. 3)
	{
		$client->text('{"ID":"9"}');
		like($client->message, qr/"ID":"9","TTL":"60"/, 'a renewal');
	}
	$client->text('{"ID":"9"}') for 1 .. 1000;
	is(scalar(grep { ($client->message // '') =~ /"ID":"9","TTL":"60"/ } 1 .. 1000), 1000, 'a thousand at once');

	$client = ws('/v3beta/kv/put?method=GET');
	$client->text('{"key":"Zm9v","value":"YmFy"}');
	like($client->message, qr/\A\{"header":\{[^{}]*\}\}\z/, 'a put; the method of HTTP is always POST');
	$client = ws('/v3alpha/kv/range');
	$client->text('{"key":"Zm9v"}');
	$client->text('what comes behind the only message is not looked at');
	like($client->message, qr/"value":"YmFy"/, 'a range');
	is($client->farewell, 1000, 'ends as well');

	$client = ws('/v3/nothing');
	is($client->message, 'Not Found', 'no such call: in a message, since the handshake is over');
	is($client->farewell, 1000, 'which is the last one');
	$client = ws('/v3/kv/put');
	$client->text('{"key":"Zm9v","lease":"77"}');
	like($client->message, qr/\A\{"error":"etcdserver: requested lease not found",.*"code":5,/, 'a refusal');
	is($client->farewell, 1000, 'is an answer too');
	$client = ws('/v3/watch');
	$client->text('x');
	like($client->message, qr/\A\{"error":\{.*invalid character 'x' looking for beginning of value/, 'what is no JSON');
	is($client->farewell, 1000, 'ends the call');
	alive('calls');
	done_testing();
};

subtest 'large messages' => sub {
	my $value  = b64('v' x 1_000_000);
	my $client = ws('/v3/kv/put');
	$client->text('{"key":"bGFyZ2U=","value":"' . $value . '"}');
	like($client->message, qr/\A\{"header"/, 'a put of a megabyte');
	$client = ws('/v3/kv/range');
	$client->frame(TEXT, '{"key":"bGF', fin => 0);
	$client->frame(CONTINUATION_FRAME, 'yZ2U="', fin => 0);
	$client->frame(CONTINUATION_FRAME, '}');
	my $answer = $client->message;
	ok(index($answer, $value) > 0, 'it is read');
	is($client->farewell, 1000, 'and is whole');

	sql("SELECT quorum.put('many/' || i, repeat('x', 100000)) FROM generate_series(1, 30) i");
	$client = ws('/v3/kv/range');
	$client->text('{"key":"' . b64('many/') . '","range_end":"' . b64('many0') . '"}');
	$answer = $client->message;
	cmp_ok(length $answer, '>', 4_000_000, 'an answer of four megabytes is one message');
	like($answer, qr/\}\],"count":"30"\}\z/, 'to its end');
	$client = ws('/v3/maintenance/snapshot');
	$client->text('{}');
	my $chunks = 0;
	while (defined(my $message = $client->message)) { $chunks++ if $message =~ /\A\{"result":\{.*"blob":/ }
	cmp_ok($chunks, '>', 1, 'a snapshot comes in several');
	is($client->farewell, 1000, 'and ends');

	$client = ws('/v3/kv/put');
	$client->frame(TEXT, 'x' x 100, length => 5_000_000);
	is($client->farewell, 1009, 'a message beyond the limit, at its head');
	$client = ws('/v3/kv/put');
	$client->frame(TEXT, '{', length => 2**62);
	is($client->farewell, 1009, 'one of four exabytes');
	$client = ws('/v3/watch');
	$client->frame(TEXT, '{"create_request":{"key":"' . 'A' x 1_000_000, fin => 0);
	$client->frame(CONTINUATION_FRAME, 'A' x 1_000_000, fin => 0) for 1 .. 4;
	is($client->farewell, 1009, 'one that becomes too large');
	$client = ws('/v3/watch');
	$client->text('{"create_request":{"key":"');
	$client->text('A' x 1_000_000) for 1 .. 5;
	like($client->message, qr/larger than max/, 'a request that becomes too large over several messages');
	is($client->farewell, 1000, 'is refused as one');
	alive('large messages');
	done_testing();
};

subtest 'the handshake' => sub {
	my %all = (accept => WebSocketClient::ACCEPT);
	my $head = ws('/v3/watch')->{head};
	is($head, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: $all{accept}\r\n\r\n", 'its answer');
	ok(ws('/v3/watch', Upgrade => 'h2c, WebSocket', Connection => 'keep-alive, upgrade', 'Sec-WebSocket-Version' => '8, 13')->is_open, 'in lists, in any case');
	unlike(ws('/v3/watch', 'Sec-WebSocket-Extensions' => 'permessage-deflate', 'Sec-WebSocket-Protocol' => 'chat')->{head}, qr/Sec-WebSocket-(Ext|Pro)/, 'no extension nor protocol is taken up');
	my $client = RawClient->new($endpoint);
	for my $c (split(//, WebSocketClient::request('/v3/watch'))) { $client->send($c) }
	like($client->read_until(qr/\r\n\r\n/), qr/^HTTP\/1\.1 101 /, 'byte by byte');

	my %refused = (
		'an old version'        => [ 426, 'Sec-WebSocket-Version' => 8 ],
		'no version'            => [ 426, 'Sec-WebSocket-Version' => undef ],
		'no key'                => [ 400, 'Sec-WebSocket-Key'     => undef ],
		'an empty key'          => [ 400, 'Sec-WebSocket-Key'     => '' ],
		'a short key'           => [ 400, 'Sec-WebSocket-Key'     => b64('short') ],
		'a long key'            => [ 400, 'Sec-WebSocket-Key'     => b64('x' x 17) ],
		'a key that is none'    => [ 400, 'Sec-WebSocket-Key'     => '%' x 22 . '==' ],
		'two keys'              => [ 400, 'sec-websocket-key'     => WebSocketClient::KEY ],
		'a body'                => [ 400, 'Content-Length'        => 5 ],
		'a body in chunks'      => [ 400, 'Transfer-Encoding'     => 'chunked' ],
		'no Connection'         => [ 405, Connection              => undef ],
		'another protocol'      => [ 405, Upgrade                 => 'h2c' ]);
	for my $what (sort keys %refused)
	{
		my ($status, %headers) = @{ $refused{$what} };
		my $head = ws('/v3/watch', %headers)->{head};
		like($head, qr/\AHTTP\/1\.1 $status /, "$what: $status");
		like($head, qr/^Sec-WebSocket-Version: 13\r$/m, "$what: with the version") if $status != 405;
		like($head, qr/^Upgrade: websocket\r$/m, "$what: with the protocol") if $status == 426;
	}
	like(ws('/version')->{head}, qr/\AHTTP\/1\.1 200 /, 'a page is a page');
	like(ws('/nothing')->{head}, qr/\AHTTP\/1\.1 404 /, 'nothing is nothing');
	like(ws('/v3/watch', 'X' => 'x' x 70_000)->{head}, qr/\AHTTP\/1\.1 431 /, 'a head without end');
	$client = RawClient->new($endpoint);
	$client->send(WebSocketClient::request('/v3/watch') =~ s/^GET/POST/r);
	like($client->read_until(qr/\r\n\r\n/), qr/\AHTTP\/1\.1 405 .*^Allow: GET\r$/ms, 'a POST');
	$client = RawClient->new($endpoint);
	$client->send(WebSocketClient::request('/v3/watch') =~ s/HTTP\/1\.1/HTTP\/1.0/r);
	like($client->read_until(qr/\r\n\r\n/), qr/\AHTTP\/1\.1 400 /, 'HTTP/1.0');

	# behind other requests, with frames that do not wait for the answer
	$client = WebSocketClient->new($endpoint);
	$client->{pongs} = [];
	$client->send("GET /version HTTP/1.1\r\n\r\n" . WebSocketClient::request('/v3/watch', 'Sec-WebSocket-Version' => 1)
		  . WebSocketClient::request('/v3/watch') . WebSocketClient::bytes_of(TEXT, create('a')));
	like($client->read_until(qr/\}/), qr/^HTTP\/1\.1 200 /, 'on a connection with other requests: the page');
	like($client->read_until(qr/Required\n/), qr/^HTTP\/1\.1 426 /, 'the refusal');
	like($client->read_until(qr/\r\n\r\n/), qr/^HTTP\/1\.1 101 /, 'the handshake');
	like($client->message, qr/"created":true/, 'and what came ahead');
	alive('handshakes');
	done_testing();
};

subtest 'frames' => sub {
	my $client = ws('/v3/watch');
	my $request = create('f');
	my @pieces = split(//, $request);
	$client->frame(TEXT, shift(@pieces), fin => 0);
	$client->frame(PING_FRAME, 'between');
	is($client->pong, 'between', 'a ping within a message is answered');
	$client->frame(PONG, 'unasked');
	$client->frame(CONTINUATION_FRAME, $_, fin => 0) for @pieces;
	$client->frame(CONTINUATION_FRAME, '', fin => 1);
	like($client->message, qr/"created":true/, 'a message in frames of a byte, and an empty one');
	for my $byte (split(//, WebSocketClient::bytes_of(TEXT, $request))) { $client->send($byte) }
	like($client->message, qr/"created":true/, 'a frame of single bytes');
	$client->frame(TEXT, $request, mask => "\0\0\0\0");
	like($client->message, qr/"created":true/, 'a mask of zeroes');
	$client->frame(PING_FRAME, 'x' x 125);
	is($client->pong, 'x' x 125, 'a long ping');
	$client->frame(PING_FRAME, '');
	is($client->pong, '', 'an empty one');
	$client->text('{"create_request":{"key":"' . b64('k' x 200) . '"}}');
	like($client->message, qr/"created":true/, 'a length of two bytes');
	$client->send(join('', map { WebSocketClient::bytes_of(PING_FRAME, $_) } 1 .. 5000));
	my @pongs = map { $client->pong // '' } 1 .. 5000;
	is("@pongs", join(' ', 1 .. 5000), 'five thousand pings at once are answered, in order');
	$client->text('{"create_request":{"key":"' . b64("\xc3\xa4") . '","note":"' . "\xc3\xa4\xf0\x9f\x98\x80" . '"}}');
	like($client->message // '', qr/"created":true|error/, 'UTF-8 is taken');
	done_testing();
};

subtest 'violations' => sub {
	my $good = create('v');
	my @cases = (
		[ 1002, 'a frame without a mask', [ TEXT, $good, mask => undef ] ],
		[ 1002, 'a ping without a mask', [ PING_FRAME, '', mask => undef ] ],
		[ 1002, 'a reserved bit', [ TEXT, $good, rsv => 4 ] ],
		[ 1002, 'another', [ TEXT, $good, rsv => 1 ] ],
		[ 1002, 'one of a control frame', [ PING_FRAME, '', rsv => 2 ] ],
		[ 1002, 'a reserved kind', [ 3, $good ] ],
		[ 1002, 'a reserved kind of control frame', [ 11, '' ] ],
		[ 1002, 'a continuation of nothing', [ CONTINUATION_FRAME, $good ] ],
		[ 1002, 'a message within a message', [ TEXT, '{', fin => 0 ], [ TEXT, '}' ] ],
		[ 1002, 'a ping in parts', [ PING_FRAME, 'x', fin => 0 ] ],
		[ 1002, 'a ping that is too long', [ PING_FRAME, 'x' x 126 ] ],
		[ 1002, 'a close that is too long', [ CLOSE, pack('n', 1000) . 'x' x 124 ] ],
		[ 1002, 'half a code', [ CLOSE, "\x03" ] ],
		[ 1002, 'a code that must not be sent', [ CLOSE, pack('n', 1005) ] ],
		[ 1002, 'one that is not assigned', [ CLOSE, pack('n', 2999) ] ],
		[ 1002, 'code 0', [ CLOSE, pack('n', 0) ] ],
		[ 1002, 'a length of two bytes for one', [ TEXT, '{}', long => 2 ] ],
		[ 1002, 'a length of eight for two', [ TEXT, ' ' x 200, long => 8 ] ],
		[ 1002, 'a negative length', [ TEXT, '', length => -1, long => 8 ] ],
		[ 1007, 'what is no UTF-8', [ TEXT, "{\"create_request\":{\"key\":\"\xff\"}}" ] ],
		[ 1007, 'half a character', [ TEXT, "{}\xc3" ] ],
		[ 1007, 'a surrogate', [ TEXT, "\xed\xa0\x80" ] ],
		[ 1007, 'a character in two frames, wrong', [ TEXT, "{\"a\":\"\xc3", fin => 0 ], [ CONTINUATION_FRAME, "\x28" ] ],
		[ 1007, 'a reason that is no UTF-8', [ CLOSE, pack('n', 1000) . "\xff" ] ],
		[ 1000, 'close', [ CLOSE, pack('n', 1000) ] ],
		[ 1001, 'close with another code', [ CLOSE, pack('n', 1001) . 'bye' ] ],
		[ 4999, 'with one of its own', [ CLOSE, pack('n', 4999) ] ],
		[ 'none', 'without', [ CLOSE, '' ] ]);
	for my $case (@cases)
	{
		my ($code, $what, @frames) = @$case;
		my $client = ws('/v3/watch');
		$client->text($good);
		$client->message;
		$client->frame(@$_) for @frames;
		$client->text($good);
		is($client->farewell, $code, "$what: $code");
	}
	my $client = ws('/v3/watch');
	$client->send(join('', map { WebSocketClient::bytes_of(TEXT, create("v$_")) } 1 .. 50) . WebSocketClient::bytes_of(CLOSE, ''));
	is($client->farewell, 'none', 'requests and close at once');
	$client = ws('/v3/watch');
	$client->text($good);
	$client->message;
	shutdown($client->socket, 1);
	is($client->farewell, 'no close', 'half of a WebSocket is none');
	$client = ws('/v3/kv/range');
	$client->text('{"key":"YQ==');
	$client->finish(1000);
	is($client->farewell, 1000, 'close within a request');
	undef $client;
	is(gateway_pid(), $pid, 'the worker is the same');
	nothing_left('violations');
	done_testing();
};

subtest 'clients that mean harm' => sub {
	my $calm = memory();
	my @clients;
	for (1 .. 10)
	{
		# pings without end, and no pong is read
		my $client = ws('/v3/watch');
		my $pings = WebSocketClient::bytes_of(PING_FRAME, 'x' x 100) x 10_000;
		$client->send($pings, 1) for 1 .. 3;
		push @clients, $client;
		# requests without end, and no answer is read
		$client = ws('/v3/watch');
		my $requests = WebSocketClient::bytes_of(TEXT, create('none')) x 10_000;
		$client->send($requests, 1) for 1 .. 2;
		push @clients, $client;
		# a watch of much, not read
		$client = ws('/v3/watch');
		$client->text(create('many/', 'many0', ',"start_revision":"1"'));
		push @clients, $client;
		# a message of parts without end
		$client = ws('/v3/kv/put');
		$client->frame(TEXT, '', fin => 0);
		$client->send(WebSocketClient::bytes_of(CONTINUATION_FRAME, '', fin => 0) x 50_000, 1);
		push @clients, $client;
		# heads that do not come to their end
		$client = ws('/v3/watch');
		$client->send("\x81");
		push @clients, $client;
	}
	sql("SELECT quorum.put('many/' || i, repeat('y', 100000)) FROM generate_series(1, 30) i") for 1 .. 5;
	alive('floods');
	my $kb = memory() - $calm;
	cmp_ok($kb, '<', 160 * 1024, 'memory is bounded');
	note("$kb kB more");
	is(gateway_pid(), $pid, 'the worker is the same');
	# they go by a reset in the middle of everything
	$_->reset for @clients;
	@clients = ();
	nothing_left('resets');

	my $deaf = ws('/v3/watch');
	my $pings = WebSocketClient::bytes_of(PING_FRAME, 'x' x 100) x 400_000;
	is($deaf->send($pings, 2), 0, 'who reads no pongs is not read');
	cmp_ok(metric('pg_quorum_gateway_buffered_bytes'), '<', 1_000_000, 'and costs little');
	undef $deaf;
	nothing_left('the deaf one');

	# a slow one gets all in the end
	my $slow = ws('/v3/watch');
	$slow->text(create('slow/', 'slow0'));
	$slow->message;
	sql("SELECT quorum.put('slow/' || i, repeat('z', 50000)) FROM generate_series(1, 100) i");
	sleep(1);
	$slow->frame(PING_FRAME, 'still there');
	my $events = 0;
	while ($events < 100)
	{
		my $message = $slow->message // last;
		$events += () = $message =~ /"kv":/g;
	}
	is($events, 100, 'who reads late gets everything');
	$slow->message(1);
	is("@{ $slow->{pongs} }", 'still there', 'and his pong');
	undef $slow;
	nothing_left('the slow one');
	done_testing();
};

subtest 'at random' => sub {
	my $seed = $ENV{PGQ_WEBSOCKET_SEED} // 1;
	srand($seed);
	note("PGQ_WEBSOCKET_SEED=$seed");
	my $whole = join('',
		WebSocketClient::bytes_of(TEXT, create('r') . create('s'), fin => 0), WebSocketClient::bytes_of(PING_FRAME, 'ping'),
		WebSocketClient::bytes_of(CONTINUATION_FRAME, create('t') . '{"cancel_request":{"watch_id":"1"}}'),
		WebSocketClient::bytes_of(BINARY, create('u' x 100)), WebSocketClient::bytes_of(CLOSE, pack('n', 1000)));
	my $ended = 0;
	for (1 .. 300)
	{
		my $bytes = $whole;
		substr($bytes, int(rand(length $bytes)), 1) = chr(int(rand(256))) for 0 .. int(rand(4));
		my $client = ws('/v3/watch');
		while (length $bytes) { $client->send(substr($bytes, 0, 1 + int(rand(200)), '')) }
		shutdown($client->socket, 1);
		$ended++ if $client->is_closed;
	}
	is($ended, 300, 'spoilt conversations end');
	is(gateway_pid(), $pid, 'the worker is the same');
	nothing_left('spoilt conversations');
	done_testing();
};

subtest 'TLS' => sub {
	my $client = WebSocketClient->open($tls, '/v3/watch', tls => 1);
	ok($client && $client->is_open, 'a handshake');
	$client->text(create('tls'));
	like($client->message, qr/"created":true/, 'a watch');
	sql(q{SELECT quorum.put('tls', repeat('x', 1000000))});
	cmp_ok(length($client->message // ''), '>', 1_300_000, 'a large event');
	$client->frame(PING_FRAME, 'tls');
	is($client->pong, 'tls', 'a ping');
	$client->finish(1000);
	is($client->farewell, 1000, 'the goodbye');
	$client = WebSocketClient->open($tls, '/v3/kv/range', tls => 1);
	$client->frame(TEXT, '{}', mask => undef);
	is($client->farewell, 1002, 'a violation');
	undef $client;
	nothing_left('TLS');
	done_testing();
};

# The same to both; what differs by nature is taken out.
subtest 'beside etcd' => sub {
	my $etcd = Etcd->new->start;
	my %told;
	my $put = sub {
		my ($at, $key) = @_;
		HTTP::Tiny->new(timeout => 20)->post("http://$at/v3/kv/put", { content => '{"key":"' . b64($key) . '","value":"dg=="}' });
		return;
	};
	my $plain = sub {
		my ($text) = @_;
		return 'nothing' unless defined $text;
		$text =~ s/"(cluster_id|member_id|raft_term)":"\d+",?//g;
		$text =~ s/,\}/}/g;
		$text =~ s/"((?:create_|mod_)?revision)":"\d+"/"$1":"N"/g;
		return $text;
	};
	for my $at ($etcd->endpoint(1), $endpoint)
	{
		my @told;
		my $hear = sub { my ($client, $n) = @_; push @told, map { $plain->($client->message) } 1 .. $n; return };
		my $client = WebSocketClient->open($at, '/v3/watch', 'Sec-WebSocket-Protocol' => 'chat');
		push @told, $client->{head};
		undef $client;
		$client = WebSocketClient->open($at, '/v3/watch');
		push @told, $client->{head};
		$client->text(create('c'));
		$hear->($client, 1);
		$put->($at, 'c');
		$hear->($client, 1);
		$client->text(create('d', 'e') . create('c', undef, ',"prev_kv":true,"watch_id":"7"'));
		$hear->($client, 2);
		$put->($at, 'd1');
		$hear->($client, 1);
		$client->text('{"create_request":{"key":');
		$client->frame(BINARY, '"YQ=="}}');
		$hear->($client, 1);
		$client->text('{"cancel_request":{"watch_id":"7"}}');
		$hear->($client, 1);
		$client->frame(PING_FRAME, 'ping');
		push @told, $client->pong // 'no pong';
		$client->finish(1000);
		push @told, $client->farewell;
		# each with its request, and how many answers there are
		for my $case (
			[ '/v3/lease/grant', '{"TTL":"60","ID":"77"}', 1 ], [ '/v3/lease/keepalive', '{"ID":"77"}', 1 ], [ '/v3/lease/keepalive', '{"ID":"78"}{"ID":"77"}', 2 ],
			[ '/v3/kv/put', '{"key":"cA==","value":"dg=="}', 1 ], [ '/v3/kv/range', '{"key":"cA=="}', 1 ],
			[ '/v3/kv/range', '{"key":"bm9uZQ=="}', 1 ], [ '/v3beta/kv/range?method=GET', '{"key":"cA=="}', 1 ], [ '/v3/nothing', '{}', 1 ],
			[ '/v3/kv/txn', '{"compare":[{"key":"cA==","target":"VERSION","version":"1"}],"success":[{"request_delete_range":{"key":"cA=="}}]}', 1 ])
		{
			my ($path, $request, $n) = @$case;
			$client = WebSocketClient->open($at, $path);
			push @told, $path;
			$client->text($request);
			$hear->($client, $n);
		}
		$told{$at} = join("\n", @told);
	}
	is($told{$endpoint}, $told{ $etcd->endpoint(1) }, 'the same requests have the same answers');
	$etcd->stop;
	done_testing();
};

subtest 'tokens' => sub {
	sql("SELECT quorum.user_add('root', 'secret'), quorum.role_add('root')");
	sql("SELECT quorum.user_grant_role('root', 'root')");
	sql("SELECT quorum.user_add('alice', 'word'), quorum.role_add('reader')");
	sql("SELECT quorum.user_grant_role('alice', 'reader'), quorum.role_grant_permission('reader', 'read', 'may/', prefix => true)");
	sql('SELECT quorum.auth_enable()');
	my $token = sub {
		my ($name, $password) = @_;
		my $client = ws('/v3/auth/authenticate');
		$client->text("{\"name\":\"$name\",\"password\":\"$password\"}");
		my ($got) = ($client->message // '') =~ /"token":"([^"]+)"/;
		return $got;
	};
	my $root  = $token->('root',  'secret');
	my $alice = $token->('alice', 'word');
	ok($root && $alice, 'tokens, by WebSockets');
	my $asked = sub {
		my ($key, @headers) = @_;
		my $client = ws('/v3/kv/range', @headers);
		$client->text('{"key":"' . b64($key) . '"}');
		my $answer = $client->message // 'nothing';
		return $answer =~ /\A\{"header"/ ? 'yes' : $answer =~ /"error":"([^"]*)"/ ? $1 : $answer;
	};
	my ($denied, $empty, $invalid) = ('etcdserver: permission denied', 'etcdserver: user name is empty', 'etcdserver: invalid auth token');
	is($asked->('may/x'), $empty, 'nobody');
	is($asked->('may/x', 'Sec-WebSocket-Protocol' => "Bearer, $alice"), 'yes', 'by the subprotocol');
	is($asked->('not/x', 'Sec-WebSocket-Protocol' => "Bearer, $alice"), $denied, 'with that user\'s rights');
	is($asked->('not/x', 'Sec-WebSocket-Protocol' => "Bearer,$root"),   'yes',   'without a space');
	is($asked->('may/x', 'Sec-WebSocket-Protocol' => 'Bearer, wrong.token'), $invalid, 'a wrong one');
	is($asked->('may/x', 'Sec-WebSocket-Protocol' => 'Bearer'), $empty, 'none');
	like(ws('/v3/watch', 'Sec-WebSocket-Protocol' => "Bearer, $alice")->{head}, qr/^Sec-WebSocket-Protocol: Bearer\r$/m, 'the subprotocol is taken up');
	is($asked->('may/x', Cookie => "a=b; token=$alice; c=d"), 'yes', 'by a cookie');
	is($asked->('not/x', Cookie => "token=\"$root\""), 'yes', 'in quotes');
	is($asked->('not/x', Cookie => "xtoken=$root; tokens=$root"), $empty, 'not by another cookie');
	is($asked->('not/x', Cookie => "token=$alice", 'Sec-WebSocket-Protocol' => "Bearer, $root"), $denied, 'the cookie goes before the subprotocol');
	is($asked->('not/x', Cookie => "token=$root", 'Sec-WebSocket-Protocol' => "Bearer, $alice", Authorization => $alice), 'yes', 'whatever else is there');
	is($asked->('may/x', Authorization => "Bearer $alice"), 'yes', 'by Authorization');
	like(ws('/v3/kv/range', Cookie => 'token=' . 'x' x 9000)->{head}, qr/\AHTTP\/1\.1 431 /, 'one that is too long');

	my $client = ws('/v3/watch', 'Sec-WebSocket-Protocol' => "Bearer, $alice");
	$client->text(create('may/', 'may0'));
	like($client->message, qr/"created":true/, 'a watch');
	$client->text(create('not/', 'not0'));
	like($client->message, qr/"canceled":true,"cancel_reason":"[^"]*permission denied"/, 'and one that is not allowed');
	sql('SELECT quorum.auth_disable()');
	done_testing();
};

subtest 'the member stops' => sub {
	my @streams = map { my $client = ws('/v3/watch'); $client->text(create("go$_")); $client->message; $client } 1 .. 20;
	my $silent = ws('/v3/kv/range');
	my $renewals = ws('/v3/lease/keepalive');
	my $start = time();
	$node->stop;
	cmp_ok(time() - $start, '<', 20, 'it stops');
	my @last = map { $_->message(10) // 'nothing' } @streams;
	is(scalar(grep { /etcdserver: server stopped/ } @last), 20, 'watches are told') or diag($last[0]);
	is(join(' ', map { $_->farewell(10) } @streams), join(' ', (1001) x 20), 'and goodbye is said to them');
	is($silent->farewell(10), 1001, 'and to whom had not called yet');
	like($renewals->message(10) // 'nothing', qr/server stopped/, 'and renewals');
	is($renewals->farewell(10), 1001, 'as well');
	$node->start;
	$cluster->leader;
	$cluster->await_gateways;
	my $client = ws('/v3/watch');
	$client->text(create('s', 't'));
	like($client->message, qr/"created":true/, 'it serves again');
	done_testing();
};

done_testing();
