# Etcd - a cluster of Debian's etcd, the reference for what we do; and etcdctl.
#
#   my $etcd = Etcd->new(members => 3)->start;
#   $etcd->endpoints;                  # 127.0.0.1:PORT,...
#   my $result = etcdctl($etcd->endpoints, 'get', 'a');
#   $result->{out}, $result->{err}, $result->{code}
#
# It ends with the test.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/lib/Etcd.pm

package Etcd;

use strict;
use warnings;
use Carp;
use Exporter 'import';
use File::Path 'rmtree';
use File::Temp 'tempdir';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use Time::HiRes qw(sleep time);

our @EXPORT_OK = qw(etcdctl etcdctl_start etcdctl_stop);

# A variable of the machine must not change what is tested.
delete $ENV{$_} for grep { /^ETCD/ } keys %ENV;
$ENV{ETCDCTL_API} = 3;

# The proxy of a machine is not for its own loopback.
delete $ENV{$_} for qw(http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY);

sub new
{
	my ($class, %args) = @_;
	my $self = bless { members => $args{members} // 1, extra => $args{extra} // [], runs => [] }, $class;
	for my $i (1 .. $self->{members})
	{
		push @{ $self->{$_} }, PostgreSQL::Test::Cluster::get_free_port() for qw(client peer);
	}
	$self->{folder} = tempdir('pgq_etcd_XXXXXX', TMPDIR => 1);
	return $self;
}

sub endpoint  { return '127.0.0.1:' . $_[0]{client}[ $_[1] - 1 ] }
sub peer_url  { return 'http://127.0.0.1:' . $_[0]{peer}[ $_[1] - 1 ] }
sub endpoints { my ($self) = @_; return join(',', map { $self->endpoint($_) } 1 .. $self->{members}) }

sub start
{
	my ($self) = @_;
	my $cluster = join(',', map { "n$_=" . $self->peer_url($_) } 1 .. $self->{members});
	$self->start_member($_, $cluster, 'new') for 1 .. $self->{members};
	my $deadline = time() + 60;
	until (etcdctl($self->endpoints, qw(endpoint health))->{code} == 0)
	{
		croak 'etcd did not start: ' . join('', map { $$_ } @{ $self->{logs} }) if time() > $deadline;
		sleep(0.2);
	}
	return $self;
}

sub start_member
{
	my ($self, $i, $cluster, $state) = @_;
	my $client = 'http://' . $self->endpoint($i);
	my $peer   = $self->peer_url($i);
	my $log    = '';
	push @{ $self->{logs} }, \$log;
	$self->{runs}[ $i - 1 ] = IPC::Run::start(
		[
			'etcd', '--name', "n$i", '--data-dir', "$self->{folder}/n$i",
			'--listen-client-urls', $client, '--advertise-client-urls', $client,
			'--listen-peer-urls', $peer, '--initial-advertise-peer-urls', $peer,
			'--initial-cluster', $cluster, '--initial-cluster-state', $state, '--bcrypt-cost', '4',
			'--logger', 'zap', '--log-level', 'error', @{ $self->{extra} } ],
		'<', \undef, '>&', "$self->{folder}/n$i.log");
	return;
}

sub stop
{
	my ($self) = @_;
	local ($?, $!, $@);
	$_->kill_kill(grace => 5) for grep { defined } splice(@{ $self->{runs} });
	rmtree($self->{folder}) if defined $self->{folder};
	return;
}

sub DESTROY { my ($self) = @_; $self->stop; return }

# ---------------------------------------------------------------------------
# etcdctl
# ---------------------------------------------------------------------------

# Run etcdctl to its end.  A reference to a text among the arguments is its input;
# a hash has options: limit, in seconds, and input.
sub etcdctl
{
	my ($endpoints, @arguments) = @_;
	my %option = map { %$_ } grep { ref eq 'HASH' } @arguments;
	my ($out, $err) = ('', '');
	my $input = $option{input} // '';
	my @command = ('etcdctl', "--endpoints=$endpoints", '--dial-timeout=10s', '--command-timeout=30s', grep { !ref } @arguments);
	my $ended = eval {
		IPC::Run::run(\@command, '<', \$input, '>', \$out, '2>', \$err, IPC::Run::timeout($option{limit} // 120));
		1;
	};
	return { out => $out, err => $err . ($ended ? '' : $@), code => $ended ? $? >> 8 : -1 };
}

# One that goes on: {out} fills while it is pumped.
sub etcdctl_start
{
	my ($endpoints, @arguments) = @_;
	my $run = { in => '', out => '', err => '' };
	$run->{run} = IPC::Run::start([ 'etcdctl', "--endpoints=$endpoints", @arguments ],
		'<', \$run->{in}, '>', \$run->{out}, '2>', \$run->{err}, IPC::Run::timeout(300));
	return $run;
}

sub etcdctl_stop
{
	my ($run, $signal) = @_;
	return unless $run->{run};
	eval { $run->{run}->signal($signal // 'INT'); };
	my $deadline = time() + 20;
	while ($run->{run}->pumpable && time() < $deadline)
	{
		eval { $run->{run}->pump_nb };
		sleep(0.02);
	}
	$run->{run}->kill_kill(grace => 1);
	$run->{code} = $run->{run}->result(0);
	delete $run->{run};
	return $run;
}

1;
