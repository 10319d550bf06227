# Grpc - calls of one server by gRPC: test/etcd/grpc_call behind a pipe.
#
#   my $grpc = Grpc->new($cluster->endpoint(1));
#   my $answer = $grpc->call('KV/Put', { key => b64('a'), value => b64('1') });
#   $answer->{code}, $answer->{message}, $answer->{responses}[0]{header}{revision}
#
# A request is a hash as JSON has it, or a reference to an array of them for a method
# that takes many.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/lib/Grpc.pm

package Grpc;

use strict;
use warnings;
use Carp;
use Cwd 'abs_path';
use Exporter 'import';
use File::Basename 'dirname';
use IPC::Open2;
use JSON::PP;
use MIME::Base64 qw(encode_base64 decode_base64);

our @EXPORT_OK = qw(b64 unb64 key_of range_of);

my $tool = abs_path(dirname(__FILE__) . '/../../test/etcd/grpc_call');
my $json = JSON::PP->new->canonical->utf8->allow_nonref;

delete $ENV{$_} for qw(http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY);

sub b64   { return encode_base64($_[0], '') }
sub unb64 { return decode_base64($_[0] // '') }

# The fields of a request that name a key, and a range.
sub key_of   { my ($key, %more) = @_; return { key => b64($key), %more } }
sub range_of { my ($key, $end, %more) = @_; return { key => b64($key), range_end => b64($end), %more } }

sub new
{
	my ($class, $endpoint) = @_;
	my $self = bless { endpoint => $endpoint }, $class;
	$self->{pid} = open2($self->{out}, $self->{in}, $tool, $endpoint);
	return $self;
}

# Send a call, to be answered by answer().
sub send_call
{
	my ($self, $method, $request, %option) = @_;
	my $in = $self->{in};
	print $in "$method ", $option{hasleader} ? 'hasleader ' : '', $json->encode($request // {}), "\n";
	$in->flush;
	return;
}

sub answer
{
	my ($self) = @_;
	my $line = readline($self->{out}) // croak "no answer by $self->{endpoint}";
	return $json->decode($line);
}

sub call { my ($self, @call) = @_; $self->send_call(@call); return $self->answer }

# The same for a call that must succeed and has one response.
sub done
{
	my ($self, @call) = @_;
	my $answer = $self->call(@call);
	croak "$call[0]: $answer->{code} $answer->{message}" if $answer->{code} != 0;
	return $answer->{responses}[0];
}

# Code and text of a call that should fail.
sub refusal
{
	my ($self, @call) = @_;
	my $answer = $self->call(@call);
	return "$answer->{code} $answer->{message}";
}

sub DESTROY
{
	my ($self) = @_;
	local ($?, $!, $@);
	return unless $self->{pid};
	close($self->{in});
	kill('TERM', $self->{pid});
	waitpid($self->{pid}, 0);
	return;
}

1;
