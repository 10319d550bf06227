# Bench::Grpc - loading a cluster by etcd's gRPC, etcd's own or ours: h2load, and
# bench/tools/grpcload where calls depend on each other.  Parent of the sides.
#
# A request is a gRPC call over cleartext HTTP/2: five bytes (not compressed,
# length) and a protobuf message.  h2load sends one body a process, so the keys
# of a run are as many as there are processes (BODIES, or fewer for few
# clients), chosen at random for each run.
#
# A side has: client_port(MEMBER), leader(), {dir}, {grpc_tools}, {http}.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   bench/lib/Bench/Grpc.pm

package Bench::Grpc;

use strict;
use warnings;
use Bench::Common qw(summarize summary_of run_all key_name warm_up KEYS VALUE WATCHED_RATE
  FAN_OUT_RATE LEASE_TTL);
use HTTP::Tiny;
use JSON::PP;
use MIME::Base64;
use POSIX ();

use constant BODIES => 4;

my %method = (
	put              => 'etcdserverpb.KV/Put',
	get              => 'etcdserverpb.KV/Range',
	serializable_get => 'etcdserverpb.KV/Range',
	range            => 'etcdserverpb.KV/Range',
	txn              => 'etcdserverpb.KV/Txn',
	lease            => 'etcdserverpb.Lease/LeaseGrant',
	keepalive        => 'etcdserverpb.Lease/LeaseKeepAlive');

# Options of grpcload
my %dependent = (
	watch   => sub { ('--watchers', $_[0], '--rate', WATCHED_RATE) },
	fan_out => sub { ('--watchers', $_[0], '--shared', '--rate', FAN_OUT_RATE) },
	lock    => sub { ('--locks', $_[0]) });

# A request by JSON, for what is not measured.
sub post
{
	my ($self, $member, $path, $request) = @_;
	$self->{http} //= HTTP::Tiny->new(timeout => 20);
	my $response = $self->{http}->post("http://127.0.0.1:" . $self->client_port($member) . "/v3/$path",
		{ content => encode_json($request) });
	die $self->name . ": $path: $response->{status} $response->{content}\n" unless $response->{success};
	return decode_json($response->{content});
}

sub revision
{
	my ($self) = @_;
	return $self->post($self->leader, 'kv/range', { key => encode_base64('none', '') })->{header}{revision};
}

sub varint
{
	my ($n) = @_;
	my $varint = '';
	for (; $n >= 128; $n >>= 7) { $varint .= chr($n & 127 | 128) }
	return $varint . chr($n);
}

sub field { my ($number, $bytes) = @_; return varint($number << 3 | 2) . varint(length $bytes) . $bytes }
sub number { my ($number, $value) = @_; return varint($number << 3) . varint($value) }

sub put_request { return field(1, join('', map { int(rand(10)) } 1 .. 16)) . field(2, VALUE) }

# The message of a workload.
sub message
{
	my ($self, $workload) = @_;
	return put_request() if $workload eq 'put';
	return number(1, LEASE_TTL) if $workload eq 'lease';
	return number(1, $self->lease) if $workload eq 'keepalive';

	# If a key is there, put another, else read it: compare MOD > 0
	return field(1, number(1, 1) . number(2, 2) . field(3, key_name(int(rand(KEYS)))) . number(6, 0))
	  . field(2, field(2, put_request()))
	  . field(3, field(1, field(1, key_name(0))))
	  if $workload eq 'txn';

	# A thousand keys from one on
	if ($workload eq 'range')
	{
		# with an end, since the count of an open range is of all keys that are there
		my $first = int(rand(KEYS - 1000));
		return field(1, key_name($first)) . field(2, key_name($first + 1000));
	}

	return field(1, key_name(int(rand(KEYS)))) . ($workload eq 'serializable_get' ? number(7, 1) : '');
}

# A lease that outlives the benchmark.
sub lease
{
	my ($self) = @_;
	$self->{lease} //= $self->post($self->leader, 'lease/grant', { TTL => 1_000_000 })->{ID};
	return $self->{lease};
}

sub write_body
{
	my ($self, $file, $workload) = @_;
	my $message = $self->message($workload);
	open(my $fh, '>:raw', $file) or die "could not write $file: $!\n";
	print $fh "\0" . pack('N', length $message) . $message;
	close($fh);
	return;
}

# Watches and locks: grpcload makes the calls and sums up.
sub run_grpcload
{
	my ($self, $workload, $clients, $seconds) = @_;
	$seconds = POSIX::ceil($seconds);
	my $file = "$self->{dir}/grpcload.out";
	run_all($seconds + 60,
		[
			$file, "$self->{grpc_tools}/grpcload", '--port', $self->client_port($self->leader),
			$dependent{$workload}->($clients), '--seconds', $seconds ]);
	open(my $fh, '<', $file) or die "grpcload left no output: $!\n";
	return summary_of($fh, $seconds);
}

# Run one workload; returns what Bench::Common::summarize does.
sub run_grpc
{
	my ($self, $workload, $clients, $seconds) = @_;
	return $self->run_grpcload($workload, $clients, $seconds) if $dependent{$workload};
	my $bodies = $clients < BODIES ? $clients : BODIES;
	my $leader = $self->leader;
	my $url = "http://127.0.0.1:" . $self->client_port($leader) . "/$method{$workload}";
	my $writes = $workload eq 'put' || $workload eq 'txn';
	my $before = $writes ? $self->revision : 0;
	my @commands;
	for my $i (1 .. $bodies)
	{
		my $file = "$self->{dir}/h2load.$i";
		$self->write_body("$file.body", $workload);
		unlink("$file.requests");
		push @commands,
		  [
			"$file.out", 'h2load', '-c', int($clients / $bodies), '-m', 1, '-t', 1, '-w', 24, '-W', 24,
			'-D', int(1000 * ($seconds + warm_up($clients) + 0.2)) . 'ms', '-d', "$file.body",
			'-H', 'content-type: application/grpc', '-H', 'te: trailers',
			"--log-file=$file.requests", $url ];
	}
	run_all($seconds + 60, @commands);

	my @requests;
	for my $i (1 .. $bodies)
	{
		open(my $fh, '<', "$self->{dir}/h2load.$i.requests") or die "h2load left no log: $!\n";
		while (<$fh>)
		{
			my ($start, $status, $took) = split;
			die $self->name . " answered with HTTP status $status\n" if $status != 200;
			push @requests, [ ($start + $took) / 1e6, $took / 1e3 ];
		}
		close($fh);
		$self->check_volume($workload, "$self->{dir}/h2load.$i.out") unless $writes;
	}

	# h2load does not look at gRPC's status, but every write makes a revision.
	die $self->name . ": not every write was done\n" if $writes && $self->revision - $before < @requests;
	return summarize(\@requests, $clients, $seconds);
}

# Nor does it look at what was read: the answers must be large enough.
sub check_volume
{
	my ($self, $workload, $file) = @_;
	my %least = (get => 256, serializable_get => 256, range => 256_000);
	return unless $least{$workload};
	open(my $fh, '<', $file) or die "h2load said nothing: $!\n";
	my $text = do { local $/; <$fh> };
	my ($done) = $text =~ /(\d+) succeeded/;
	my ($bytes) = $text =~ /traffic: .*\((\d+)\) data/;
	die $self->name . ": $workload did not read what is there: $text\n" unless $done && $bytes >= $done * $least{$workload};
	return;
}

1;
