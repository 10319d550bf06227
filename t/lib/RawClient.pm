# RawClient - a client that sends what it is told to, byte by byte.
#
#   my $client = RawClient->new('127.0.0.1:2379');
#   $client->send("GET /version HTTP/1.1\r\n\r\n");
#   my $answer = $client->read_until(qr/\r\n\r\n/);
#
#   my $client = RawClient->http2('127.0.0.1:2379');
#   $client->call(1, '/etcdserverpb.KV/Range', $message);
#   my $status = $client->status(1);
#
# HTTP/2 without any rules but the form of a frame.  The server is told to keep no table of
# headers, so that the few of its bytes that matter are recognized without a decoder.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/lib/RawClient.pm

package RawClient;

use strict;
use warnings;
use Exporter 'import';
use IO::Select;
use IO::Socket::INET;
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Time::HiRes 'time';

our @EXPORT = qw(DATA HEADERS RST_STREAM SETTINGS PING GOAWAY WINDOW_UPDATE CONTINUATION
  ACK END_STREAM END_HEADERS message header_block);

use constant { DATA => 0, HEADERS => 1, RST_STREAM => 3, SETTINGS => 4, PING => 6, GOAWAY => 7, WINDOW_UPDATE => 8, CONTINUATION => 9 };
use constant { ACK => 1, END_STREAM => 1, END_HEADERS => 4 };

# How long an answer may take
use constant SOON => 20;

# "grpc-status" in the code that HTTP/2 has for the letters of headers
my $grpc_status = pack('H*', '9acac8b21234da8f');

sub new
{
	my ($class, $endpoint) = @_;
	my $socket = IO::Socket::INET->new(PeerAddr => $endpoint, Timeout => SOON) or die "could not connect to $endpoint: $!";
	$socket->setsockopt(IPPROTO_TCP, TCP_NODELAY, 1);
	$socket->blocking(0);
	return bless { socket => $socket, in => '', frames => [], status => {}, data => {} }, $class;
}

sub socket { return $_[0]{socket} }

# Send all of it; 0 if the other side has had enough, or takes nothing for so long.
sub send
{
	my ($self, $bytes, $patience) = @_;
	my $deadline = time() + ($patience // SOON);
	local $SIG{PIPE} = 'IGNORE';
	while (length $bytes)
	{
		my $n = syswrite($self->{socket}, $bytes);
		if (defined $n) { substr($bytes, 0, $n) = ''; next }
		return 0 unless $!{EAGAIN};
		return 0 if time() > $deadline;
		IO::Select->new($self->{socket})->can_write(0.1);
	}
	return 1;
}

# Read what is there, or comes within so many seconds; undef at the end of the connection.
sub read_some
{
	my ($self, $seconds) = @_;
	return 0 unless IO::Select->new($self->{socket})->can_read($seconds);
	my $n = sysread($self->{socket}, $self->{in}, 1 << 20, length $self->{in});
	return $n if $n;
	return 0 if !defined $n && $!{EAGAIN};
	return undef;
}

# What came up to the end of a match, which is taken away; undef if it does not come.
sub read_until
{
	my ($self, $pattern, $seconds) = @_;
	my $deadline = time() + ($seconds // SOON);
	for (;;)
	{
		return substr($self->{in}, 0, $+[0], '') if $self->{in} =~ $pattern;
		my $left = $deadline - time();
		return undef if $left <= 0 || !defined $self->read_some($left);
	}
}

# All that comes until the other side closes; undef if it does not.
sub read_all
{
	my ($self, $seconds) = @_;
	my $deadline = time() + ($seconds // SOON);
	for (;;)
	{
		my $left = $deadline - time();
		return undef if $left <= 0;
		return $self->{in} unless defined $self->read_some($left);
	}
}

sub is_closed { return defined $_[0]->read_all($_[1]) }

# ---------------------------------------------------------------------------
# HTTP/2
# ---------------------------------------------------------------------------

sub http2
{
	my ($class, $endpoint, %settings) = @_;
	my $self = $class->new($endpoint);
	%settings = (1 => 0, %settings);
	$self->send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
	$self->frame(SETTINGS, 0, 0, join('', map { pack('nN', $_, $settings{$_}) } sort keys %settings));
	return $self;
}

sub packed_frame
{
	my ($type, $flags, $stream, $payload) = @_;
	return substr(pack('N', length $payload), 1) . pack('CCN', $type, $flags, $stream) . $payload;
}

sub frame
{
	my ($self, @frame) = @_;
	return $self->send(packed_frame(@frame));
}

sub string
{
	my ($text) = @_;
	my $n = length $text;
	return chr($n) . $text if $n < 127;
	my $length = chr(127);
	for ($n -= 127; $n >= 128; $n >>= 7) { $length .= chr(128 | $n & 127) }
	return $length . chr($n) . $text;
}

sub header_block
{
	my (@headers) = @_;
	my $block = '';
	while (my ($name, $value) = splice(@headers, 0, 2)) { $block .= "\0" . string($name) . string($value) }
	return $block;
}

sub request_headers
{
	my ($path, @more) = @_;
	return header_block(':method', 'POST', ':scheme', 'http', ':path', $path, ':authority', 'x', 'content-type', 'application/grpc',
		'te', 'trailers', @more);
}

sub open_stream
{
	my ($self, $stream, $path, @more) = @_;
	return $self->frame(HEADERS, END_HEADERS, $stream, request_headers($path, @more));
}

# A message of gRPC
sub message { return pack('CN', 0, length $_[0]) . $_[0] }

sub call
{
	my ($self, $stream, $path, $message, @more) = @_;
	return $self->open_stream($stream, $path, @more) && $self->frame(DATA, END_STREAM, $stream, message($message));
}

# The next frame: type, flags, stream, payload; nothing if none comes.
sub next_frame
{
	my ($self, $seconds) = @_;
	my $deadline = time() + ($seconds // SOON);
	for (;;)
	{
		if (length $self->{in} >= 9)
		{
			my $length = unpack('N', "\0" . substr($self->{in}, 0, 3));
			if (length $self->{in} >= 9 + $length)
			{
				my ($type, $flags, $stream) = unpack('x3CCN', $self->{in});
				my $payload = substr($self->{in}, 9, $length);
				substr($self->{in}, 0, 9 + $length) = '';
				return ($type, $flags, $stream & 0x7fffffff, $payload);
			}
		}
		my $left = $deadline - time();
		return () if $left <= 0 || !defined $self->read_some($left);
	}
}

# Read until a frame of a type comes, for a stream if it is given; its payload.  What streams
# are told meanwhile is kept.
sub await
{
	my ($self, $wanted, $for, $seconds) = @_;
	my $deadline = time() + ($seconds // SOON);
	while ((my $left = $deadline - time()) > 0)
	{
		my ($type, $flags, $stream, $payload) = $self->next_frame($left);
		return undef unless defined $type;
		$self->{data}{$stream} .= $payload if $type == DATA;
		if ($type == HEADERS && $payload =~ /\Q$grpc_status\E([\x01\x02])/)
		{
			$self->{status}{$stream} = substr($payload, $+[1], ord $1);
		}
		return $payload if $type == $wanted && (!defined $for || $for == $stream) && !($type == SETTINGS && $flags & ACK);
		return $payload if defined $for && defined $self->{status}{$for} && $wanted < 0;
	}
	return undef;
}

# The status a call ends with; undef if it does not.
sub status
{
	my ($self, $stream, $seconds) = @_;
	$self->await(-1, $stream, $seconds) unless defined $self->{status}{$stream};
	return $self->{status}{$stream};
}

sub data { return $_[0]{data}{ $_[1] } // '' }

1;
