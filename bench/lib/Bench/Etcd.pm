# Bench::Etcd - a cluster of three etcd members, loaded with h2load, and with
# bench/tools/grpcload where calls depend on each other.
#
# A request is a gRPC call over cleartext HTTP/2: five bytes (not compressed,
# length) and a protobuf message.  h2load sends one body a process, so the keys
# of a run are as many as there are processes (BODIES, or fewer for few
# clients), chosen at random for each run.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   bench/lib/Bench/Etcd.pm

package Bench::Etcd;

use strict;
use warnings;
use Bench::Common qw(summarize summary_of spawn run_all stop_child capture wait_until
  key_name warm_up KEYS KEY_BASE VALUE WATCHED_RATE LEASE_TTL);
use HTTP::Tiny;
use JSON::PP;
use MIME::Base64;
use POSIX ();

use constant BODIES => 4;

my %method = (
	put              => 'etcdserverpb.KV/Put',
	get              => 'etcdserverpb.KV/Range',
	serializable_get => 'etcdserverpb.KV/Range',
	lease            => 'etcdserverpb.Lease/LeaseGrant');

sub new
{
	my ($class, %args) = @_;
	my $self = bless {
		dir   => $args{dir},
		port  => $args{port},
		tools => $args{tools},
		pids  => [],
		http  => HTTP::Tiny->new(timeout => 20) }, $class;
	return $self;
}

sub name { return 'etcd' }

sub version
{
	my ($line) = capture('etcd', '--version') =~ /etcd Version: (\S+)/;
	return $line;
}

sub client_port { return $_[0]{port} + 2 * ($_[1] - 1) }
sub peer_port   { return $_[0]{port} + 2 * ($_[1] - 1) + 1 }

sub start
{
	my ($self) = @_;
	my $cluster = join(',', map { "m$_=http://127.0.0.1:" . $self->peer_port($_) } 1 .. 3);
	for my $i (1 .. 3)
	{
		my $client = "http://127.0.0.1:" . $self->client_port($i);
		my $peer   = "http://127.0.0.1:" . $self->peer_port($i);
		push @{ $self->{pids} },
		  spawn(
			"$self->{dir}/m$i.log", 'etcd',
			'--name', "m$i",
			'--data-dir', "$self->{dir}/m$i",
			'--listen-client-urls', $client,
			'--advertise-client-urls', $client,
			'--listen-peer-urls', $peer,
			'--initial-advertise-peer-urls', $peer,
			'--initial-cluster', $cluster,
			'--quota-backend-bytes', 8 * 1024**3,
			'--logger', 'zap', '--log-level', 'error');
	}
	wait_until(30, 'the election of an etcd leader', sub { $self->leader });
	return;
}

sub stop
{
	my ($self) = @_;
	stop_child($_) for @{ $self->{pids} };
	$self->{pids} = [];
	return;
}

sub post
{
	my ($self, $member, $path, $request) = @_;
	my $response = $self->{http}->post("http://127.0.0.1:" . $self->client_port($member) . "/v3/$path",
		{ content => encode_json($request) });
	die "etcd: $path: $response->{status} $response->{content}\n" unless $response->{success};
	return decode_json($response->{content});
}

# The number of the leading member, 0 if none leads.
sub leader
{
	my ($self) = @_;
	for my $i (1 .. 3)
	{
		my $status = $self->post($i, 'maintenance/status', {});
		return $i if $status->{leader} && $status->{leader} eq $status->{header}{member_id};
	}
	return 0;
}

sub revision
{
	my ($self) = @_;
	return $self->post($self->leader, 'kv/range', { key => encode_base64('none', '') })->{header}{revision};
}

# Write the keys that will be read.
sub preload
{
	my ($self) = @_;
	my $leader = $self->leader;
	for (my $i = 0; $i < KEYS; $i += 100)
	{
		$self->post(
			$leader,
			'kv/txn',
			{
				success => [
					map {
						{
							request_put => {
								key   => encode_base64(key_name($_), ''),
								value => encode_base64(VALUE,        '') }
						}
					} $i .. $i + 99
				] });
	}
	my $range = $self->post($leader, 'kv/range', { key => encode_base64(key_name(KEYS - 1), '') });
	die "etcd: the keys to read are not there\n" unless ($range->{count} // 0) == 1;
	return;
}

sub field
{
	my ($number, $bytes) = @_;
	my $length = length $bytes;
	my $varint = '';
	while ($length >= 128)
	{
		$varint .= chr($length & 127 | 128);
		$length >>= 7;
	}
	return chr($number << 3 | 2) . $varint . chr($length) . $bytes;
}

sub write_body
{
	my ($file, $workload) = @_;
	my $message;
	if ($workload eq 'put')
	{
		$message = field(1, join('', map { int(rand(10)) } 1 .. 16)) . field(2, VALUE);
	}
	elsif ($workload eq 'lease')
	{
		$message = "\x08" . chr(LEASE_TTL);
	}
	else
	{
		$message = field(1, key_name(int(rand(KEYS))));
		$message .= "\x38\x01" if $workload eq 'serializable_get';
	}
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
	my @what = $workload eq 'watch' ? ('--watchers', $clients, '--rate', WATCHED_RATE) : ('--locks', $clients);
	my $file = "$self->{dir}/grpcload.out";
	run_all($seconds + 60,
		[ $file, "$self->{tools}/grpcload", '--port', $self->client_port($self->leader), @what, '--seconds', $seconds ]);
	open(my $fh, '<', $file) or die "grpcload left no output: $!\n";
	return summary_of($fh, $seconds);
}

# Run one workload; returns what Bench::Common::summarize does.
sub run
{
	my ($self, $workload, $clients, $seconds) = @_;
	return $self->run_grpcload($workload, $clients, $seconds) if $workload eq 'watch' || $workload eq 'lock';
	my $bodies = $clients < BODIES ? $clients : BODIES;
	my $leader = $self->leader;
	my $url = "http://127.0.0.1:" . $self->client_port($leader) . "/$method{$workload}";
	my $before = $workload eq 'put' ? $self->revision : 0;
	my @commands;
	for my $i (1 .. $bodies)
	{
		my $file = "$self->{dir}/h2load.$i";
		write_body("$file.body", $workload);
		unlink("$file.requests");
		push @commands,
		  [
			"$file.out", 'h2load', '-c', int($clients / $bodies), '-m', 1, '-t', 1,
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
			die "etcd answered with HTTP status $status\n" if $status != 200;
			push @requests, [ ($start + $took) / 1e6, $took / 1e3 ];
		}
		close($fh);
	}

	# h2load does not look at gRPC's status, but every put makes a revision.
	die "etcd: not every put was done\n"
	  if $workload eq 'put' && $self->revision - $before < @requests;
	return summarize(\@requests, $clients, $seconds);
}

1;
