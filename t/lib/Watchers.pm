# Watchers - sessions that listen, and what they have heard.
#
#   my $w = Watchers->new($conninfo, 20, "SELECT quorum.watch('w/%d/', prefix => true)");
#   $w->heard_until(sub { ... });
#   $w->events(3);        # of session 3: hashes made of the payloads, in order
#   $w->finish;
#
# A thin cover for test/watchers.c, which writes what it hears into a file: a pipe
# through IPC::Run is slower than notifications can come.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/lib/Watchers.pm

package Watchers;

use strict;
use warnings;
use Carp;
use Cwd 'abs_path';
use File::Basename 'dirname';
use File::Temp;
use IPC::Run;
use JSON::PP;
use Time::HiRes qw(sleep time);

my $tool = abs_path(dirname(__FILE__) . '/../../test/build') . '/watchers';
my $json = JSON::PP->new->utf8;

sub new
{
	my ($class, $conninfo, $sessions, $sql) = @_;
	my $record = File::Temp->new(TEMPLATE => 'watchers_XXXXXX', TMPDIR => 1);
	my $self = bless { in => '', partial => '', err => '', record => $record,
		payloads => [ map { [] } 1 .. $sessions ] }, $class;
	$self->{run} = IPC::Run::start(
		[ $tool, '--conninfo', $conninfo, '--sessions', $sessions, $sql ],
		'<', \$self->{in}, '>', $record->filename, '2>', \$self->{err}, IPC::Run::timeout(300));
	my $deadline = time() + 60;
	until ($self->{ready})
	{
		$self->pump;
		croak "watchers did not start: $self->{err}" if time() > $deadline || !$self->{run}->pumpable;
		sleep(0.02);
	}
	return $self;
}

# Take in what has been printed; true if there was anything.
sub pump
{
	my ($self) = @_;
	my $any = 0;
	eval { $self->{run}->pump_nb };
	while (sysread($self->{record}, my $block, 1024 * 1024))
	{
		$any = 1;
		my @lines = split(/\n/, $self->{partial} . $block, -1);
		$self->{partial} = pop @lines;
		for my $line (@lines)
		{
			if ($line eq 'ready') { $self->{ready} = 1; next }
			my ($session, $payload) = split(/\t/, $line, 2);
			push @{ $self->{payloads}[$session] }, $payload;
		}
	}
	return $any;
}

# Wait until a condition holds of what was heard; false when nothing has come
# for some time.
sub heard_until
{
	my ($self, $condition, $limit) = @_;
	my $deadline = time() + ($limit // 30);
	while (1)
	{
		$deadline = time() + ($limit // 30) if $self->pump;
		return 1 if $condition->();
		return 0 if time() > $deadline;
		sleep(0.02);
	}
}

sub payloads { my ($self, $session) = @_; $self->pump; return @{ $self->{payloads}[ $session // 0 ] } }
sub events { my ($self, $session) = @_; return map { $json->decode($_) } $self->payloads($session) }

# Wait until a session has heard as many notifications, and then see that no
# more come.
sub settles_at
{
	my ($self, $count, $session) = @_;
	$self->heard_until(sub { $self->payloads($session) >= $count });
	sleep(0.3);
	return scalar $self->payloads($session);
}

sub finish
{
	my ($self) = @_;
	$self->pump;
	$self->{run}->kill_kill(grace => 1);
	return;
}

1;
