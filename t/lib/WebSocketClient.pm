# WebSocketClient - a client of a WebSocket, which may break every rule.
#
#   my $client = WebSocketClient->open('127.0.0.1:2379', '/v3/watch');
#   $client->text('{"create_request":{"key":"YQ=="}}');
#   my $answer = $client->message;
#   my $code = $client->farewell;      # of "close", once the connection has ended
#
# What it sends is masked, in one frame, unless a test wants it otherwise.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/lib/WebSocketClient.pm

package WebSocketClient;

use strict;
use warnings;
use parent 'RawClient';
use Exporter 'import';
use Socket qw(AF_UNIX SOCK_STREAM PF_UNSPEC SOL_SOCKET SO_LINGER);
use Time::HiRes 'time';

our @EXPORT = qw(CONTINUATION_FRAME TEXT BINARY CLOSE PING_FRAME PONG);

use constant { CONTINUATION_FRAME => 0, TEXT => 1, BINARY => 2, CLOSE => 8, PING_FRAME => 9, PONG => 10 };

# How long an answer may take
use constant SOON => 20;

# The key of RFC 6455, and what answers it
use constant { KEY => 'dGhlIHNhbXBsZSBub25jZQ==', ACCEPT => 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=' };

# The request of a handshake.  Arguments replace headers, or add some; undef leaves one out.
sub request
{
	my ($path, %headers) = @_;
	my %all = (
		Host                    => 'x',
		Upgrade                 => 'websocket',
		Connection              => 'Upgrade',
		'Sec-WebSocket-Version' => 13,
		'Sec-WebSocket-Key'     => KEY,
		%headers);
	return join("\r\n", "GET $path HTTP/1.1", (map { "$_: $all{$_}" } grep { defined $all{$_} } sort keys %all), '', '');
}

# By TLS: openssl s_client moves the bytes.
sub over_tls
{
	my ($class, $endpoint) = @_;
	socketpair(my $ours, my $theirs, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die "no pair of sockets: $!";
	my $pid = fork() // die "no process: $!";
	if ($pid == 0)
	{
		close($ours);
		open(STDIN,  '<&', $theirs)     or exit(1);
		open(STDOUT, '>&', $theirs)     or exit(1);
		open(STDERR, '>',  '/dev/null') or exit(1);
		exec('openssl', 's_client', '-quiet', '-alpn', 'http/1.1', '-connect', $endpoint);
		exit(1);
	}
	close($theirs);
	bless $ours, 'IO::Socket::UNIX';
	$ours->blocking(0);
	return bless { socket => $ours, in => '', tls_pid => $pid }, $class;
}

# Shake hands; undef if there is no answer.  What it is, is in {head}; only 101 opens.
sub open    ## no critic
{
	my ($class, $endpoint, $path, %args) = @_;
	my $self = delete $args{tls} ? $class->over_tls($endpoint) : $class->new($endpoint);
	$self->{pongs} = [];
	$self->send(request($path, %args));
	$self->{head} = $self->read_until(qr/\r\n\r\n/) // return undef;
	return $self;
}

sub is_open { return ($_[0]{head} // '') =~ /^HTTP\/1\.1 101 / }

# The bytes of a frame.  fin, rsv; mask: undef for none; length: what is claimed; long: form of the length (2 or 8)
sub bytes_of
{
	my ($opcode, $payload, %how) = @_;
	$payload = "$payload";    # a number would be masked as one
	my $mask   = exists $how{mask} ? $how{mask} : "\x12\x34\x56\x78";
	my $length = $how{length} // length $payload;
	my $long   = $how{long}   // ($length < 126 ? 0 : $length < 65536 ? 2 : 8);
	my $bit    = defined $mask ? 128 : 0;
	my $head   = chr(($how{fin} // 1) << 7 | ($how{rsv} // 0) << 4 | $opcode);
	$head .= $long == 8 ? pack('CQ>', $bit | 127, $length) : $long == 2 ? pack('Cn', $bit | 126, $length) : chr($bit | $length);
	return $head . $payload unless defined $mask;
	my $stretched = substr($mask x (length($payload) / 4 + 1), 0, length $payload);
	return $head . $mask . ($payload ^ $stretched);
}

sub frame  { my ($self, @frame) = @_; return $self->send(bytes_of(@frame)) }
sub text   { my ($self, $text) = @_; return $self->frame(TEXT, $text) }
sub finish { my ($self, $code, $reason) = @_; return $self->frame(CLOSE, defined $code ? pack('n', $code) . ($reason // '') : '') }

# Go by a reset.
sub reset    ## no critic
{
	my ($self) = @_;
	$self->socket->setsockopt(SOL_SOCKET, SO_LINGER, pack('ii', 1, 0));
	close($self->socket);
	return;
}

# The next frame of the server: [fin and rsv, opcode, payload]; undef if there is none.
sub next_frame
{
	my ($self, $seconds) = @_;
	my $deadline = time() + ($seconds // SOON);
	for (;;)
	{
		my ($first, $length) = unpack('CC', $self->{in});
		my $head = 2 + (!defined $length ? 0 : $length == 127 ? 8 : $length == 126 ? 2 : 0);
		if (length $self->{in} >= $head)
		{
			die 'the server masks' if $length > 127;
			$length = $length == 127 ? unpack('x2Q>', $self->{in}) : $length == 126 ? unpack('x2n', $self->{in}) : $length;
			if (length $self->{in} >= $head + $length)
			{
				my $frame = substr($self->{in}, 0, $head + $length, '');
				return [ $first >> 4, $first & 15, substr($frame, $head) ];
			}
		}
		my $left = $deadline - time();
		return undef if $left <= 0 || !defined $self->read_some($left);
	}
}

# The next message; undef if there is none.  Pongs, and "close", are kept.
sub message
{
	my ($self, $seconds) = @_;
	my $deadline = time() + ($seconds // SOON);
	for (;;)
	{
		my $frame = $self->next_frame($deadline - time()) // return undef;
		my ($bits, $opcode, $payload) = @$frame;
		die "a frame with bits $bits" if $bits != 8;
		return $payload if $opcode == TEXT;
		push @{ $self->{pongs} }, $payload if $opcode == PONG;
		next if $opcode == PONG;
		die "a frame of kind $opcode" if $opcode != CLOSE;
		$self->{close} = length $payload ? unpack('n', $payload) : 'none';
		return undef;
	}
}

# The next pong
sub pong
{
	my ($self, $seconds) = @_;
	my $frame = $self->next_frame($seconds);
	return defined $frame && $frame->[1] == PONG ? $frame->[2] : undef;
}

# How it ended: the code of "close" ("none": without one) once the connection is closed, too.  Messages before it
# are dropped.
sub farewell
{
	my ($self, $seconds) = @_;
	my $deadline = time() + ($seconds // SOON);
	1 while defined $self->message($deadline - time());
	my $end = $self->read_all($deadline - time());
	return 'not closed' unless defined $end;
	return 'more than close' if length $end;
	return $self->{close} // 'no close';
}

sub DESTROY
{
	my ($self) = @_;
	return unless $self->{tls_pid};
	local ($?, $!);
	kill 'TERM', $self->{tls_pid};
	waitpid($self->{tls_pid}, 0);
	return;
}

1;
