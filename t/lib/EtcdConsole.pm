# EtcdConsole.pm - calls of etcd's API in a test: test/etcd/console, and what it says.
#
#   my $console = EtcdConsole->new;
#   my $answer  = $console->call($endpoint, 'KV/Put', { key => $console->bytes('a') });
#   my $watch   = $console->open($endpoint, 'Watch/Watch');
#   $watch->send({ create_request => { ... } });
#   my $response = $watch->response;
#
# Messages are hashes as in etcd's JSON: bytes are base64, 64-bit numbers strings.  The end of
# a call is { code, text }.  Every wait has a limit.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/lib/EtcdConsole.pm

package EtcdConsole;

use strict;
use warnings;
use Carp;
use File::Basename 'dirname';
use IO::Select;
use IPC::Open2;
use JSON::PP;
use MIME::Base64;
use Time::HiRes 'time';

my $program = dirname(__FILE__) . '/../../test/etcd/console';
my $json    = JSON::PP->new->canonical;

sub new
{
	my ($class) = @_;
	my $self = bless { calls => {}, number => 0, rest => '' }, $class;
	$self->{pid} = open2($self->{out}, $self->{in}, '/usr/bin/python3', $program);
	$self->{in}->autoflush(1);
	$self->{select} = IO::Select->new($self->{out});
	return $self;
}

sub bytes { return encode_base64($_[-1], '') }
sub text  { return defined $_[-1] ? decode_base64($_[-1]) : '' }

sub tell
{
	my ($self, $line) = @_;
	my $in = $self->{in};
	print $in "$line\n";
	return;
}

# Read what has come, for so long at most.
sub listen
{
	my ($self, $seconds) = @_;
	return unless $self->{select}->can_read($seconds > 0 ? $seconds : 0);
	my $read = sysread($self->{out}, $self->{rest}, 1 << 20, length($self->{rest}));
	croak 'the console has ended' unless $read;
	while ($self->{rest} =~ s/^(.*)\n//)
	{
		my ($name, $kind, $what) = split(/ /, $1, 3);
		my $call = $self->{calls}{$name} or next;
		if ($kind eq 'response') { push @{ $call->{responses} }, $json->decode($what) }
		else
		{
			my ($code, $text) = split(/ /, $what, 2);
			$call->{end} = { code => $code, text => $text };
		}
	}
	return;
}

sub open    ## no critic
{
	my ($self, $endpoint, $method, @metadata) = @_;
	my $name = 'c' . ++$self->{number};
	my $call = bless { console => $self, name => $name, responses => [] }, 'EtcdConsole::Call';
	$self->{calls}{$name} = $call;
	$self->tell(join(' ', 'open', $name, $endpoint, $method, @metadata));
	return $call;
}

# One message and its answer, or the end of the call if that is an error.
sub call
{
	my ($self, $endpoint, $method, $request, @metadata) = @_;
	my $call = $self->begin($endpoint, $method, $request, @metadata);
	my $end  = $call->end(30) or croak "no answer to $method";
	return $end->{code} == 0 ? $call->{responses}[0] : $end;
}

# The same, not waited for.
sub begin
{
	my ($self, $endpoint, $method, $request, @metadata) = @_;
	my $call = $self->open($endpoint, $method, @metadata);
	$call->send($request);
	$call->close;
	return $call;
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

package EtcdConsole::Call;

use Time::HiRes 'time';

sub send    ## no critic
{
	my ($self, $message) = @_;
	$self->{console}->tell("send $self->{name} " . $json->encode($message));
	return $self;
}

sub close  { $_[0]{console}->tell("close $_[0]{name}");  return }    ## no critic
sub cancel { $_[0]{console}->tell("cancel $_[0]{name}"); return }
sub pause  { $_[0]{console}->tell("pause $_[0]{name}");  return }
sub resume { $_[0]{console}->tell("resume $_[0]{name}"); return }

sub await
{
	my ($self, $condition, $limit) = @_;
	my $deadline = time() + ($limit // 20);
	$self->{console}->listen(0);
	until ($condition->())
	{
		my $left = $deadline - time();
		return 0 if $left <= 0;
		$self->{console}->listen($left);
	}
	return 1;
}

# The next response; undef if none comes.
sub response
{
	my ($self, $limit) = @_;
	$self->await(sub { @{ $self->{responses} } || $self->{end} }, $limit);
	return shift @{ $self->{responses} };
}

# How the call ended; undef if it has not.
sub end
{
	my ($self, $limit) = @_;
	$self->await(sub { $self->{end} }, $limit);
	return $self->{end};
}

1;
