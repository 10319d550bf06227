# Bench::Etcd - a cluster of three etcd members, loaded by gRPC (Bench::Grpc).
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   bench/lib/Bench/Etcd.pm

package Bench::Etcd;

use strict;
use warnings;
use parent 'Bench::Grpc';
use Bench::Common qw(spawn stop_child capture wait_until key_name KEYS VALUE);
use HTTP::Tiny;
use MIME::Base64;

sub new
{
	my ($class, %args) = @_;
	my $self = bless {
		dir   => $args{dir},
		port  => $args{port},
		grpc_tools => $args{grpc_tools},
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

# Run one workload; returns what Bench::Common::summarize does.  Whichever face of ours it is compared
# with, etcd has the one.
sub run
{
	my ($self, $workload, @rest) = @_;
	return $self->run_grpc($workload =~ s/^grpc_//r, @rest);
}

1;
