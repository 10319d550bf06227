# Lockers - sessions that contend for a lock, and what the resource saw.
#
#   my $lockers = Lockers->new($cluster, sessions => 12, duration => 20);
#   my %count = $lockers->finish;
#
# A thin cover for test/lockers.c, whose options these are.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/lib/Lockers.pm

package Lockers;

use strict;
use warnings;
use Carp;
use Cwd 'abs_path';
use File::Basename 'dirname';
use IPC::Run;

my $tool = abs_path(dirname(__FILE__) . '/../../test/build') . '/lockers';

sub new
{
	my ($class, $cluster, %options) = @_;
	my $self = bless { out => '', err => '' }, $class;
	my @command = ($tool, map { ('--member', $cluster->conninfo($_)) } @{ delete $options{members} // [ $cluster->members ] });
	push @command, map { ("--$_", $options{$_}) } sort keys %options;
	$self->{run} = IPC::Run::start(\@command, '<', \undef, '>', \$self->{out}, '2>', \$self->{err}, IPC::Run::timeout(300));
	return $self;
}

# Have them end before their time.
sub stop { my ($self) = @_; $self->{run}->signal('TERM'); return }

# Wait for their end; returns what was counted.
sub finish
{
	my ($self) = @_;
	$self->{run}->finish or croak "lockers failed: $self->{err}";
	return $self->{out} =~ /^(\w+)=(\d+)$/mg;
}

1;
