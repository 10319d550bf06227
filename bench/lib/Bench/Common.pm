# Bench::Common - what the two sides of the benchmark share: numbers from
# request logs, child processes, ports.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   bench/lib/Bench/Common.pm

package Bench::Common;

use strict;
use warnings;
use Exporter 'import';
use POSIX ':sys_wait_h';
use Time::HiRes qw(time sleep);

our @EXPORT_OK = qw(median summarize summary_of spawn run_all stop_child capture
  wait_until key_name warm_up KEYS KEY_BASE VALUE WATCHED_RATE FAN_OUT_RATE LEASE_TTL);

# Reads go to this many keys, written beforehand.  A key is a number of 16
# digits, so that pgbench's random() makes whole keys.
use constant KEYS     => 10_000;
use constant KEY_BASE => 1_000_000_000_000_000;
use constant VALUE    => 'v' x 256;

# Puts a second while they are watched, and the seconds a lease is granted for.
use constant WATCHED_RATE => 5000;
use constant LEASE_TTL    => 60;

# Puts a second, each of which all watchers are told: more than either side can do.
use constant FAN_OUT_RATE => 10000;

# Requests of the first moments of a run are not counted: each new backend fills
# its caches then, and there are as many of those as clients.
sub warm_up { my ($clients) = @_; return 0.3 + $clients / 200 }

my %children;

sub key_name { return KEY_BASE + $_[0] }

sub median
{
	my @sorted = sort { $a <=> $b } @_;
	return 0 unless @sorted;
	my $middle = int(@sorted / 2);
	return @sorted % 2
	  ? $sorted[$middle]
	  : ($sorted[ $middle - 1 ] + $sorted[$middle]) / 2;
}

# Requests as [end in seconds, took in ms] to operations per second and
# percentiles, over a window of $seconds after the warm-up.
sub summarize
{
	my ($requests, $clients, $seconds) = @_;
	my $from = 9**99;
	for (@$requests) { $from = $_->[0] if $_->[0] < $from }
	$from += warm_up($clients);
	my @took = sort { $a <=> $b }
	  map { $_->[1] } grep { $_->[0] >= $from && $_->[0] < $from + $seconds } @$requests;
	die "no request was answered in the measured time ($clients clients, " . @$requests . " requests)\n" unless @took;
	return {
		ops => @took / $seconds,
		p50 => $took[ int($#took * 0.50) ],
		p99 => $took[ int($#took * 0.99) ] };
}

# What a client that sums up itself has printed: how many, and their delays.
sub summary_of
{
	my ($fh, $seconds) = @_;
	my $text = do { local $/; <$fh> };
	my ($count) = $text =~ /(?:events|cycles) (\d+)/;
	my ($p50, $p99) = $text =~ /^delay_us\s+p50 (\d+)\s+p99 (\d+)/m;
	die "a client measured nothing: $text\n" unless defined $count && defined $p99;
	# what was late counts with the time that it took
	my ($us) = $text =~ /events \d+ in (\d+) us/;
	$seconds = $us / 1e6 if $us && $us > 1e6 * $seconds;
	return { ops => $count / $seconds, p50 => $p50 / 1e3, p99 => $p99 / 1e3 };
}

# Start a command with its output in a file; returns its process id.
sub spawn
{
	my ($log, @command) = @_;
	my $pid = fork() // die "could not fork: $!\n";
	if ($pid == 0)
	{
		open(STDIN, '<', '/dev/null');
		open(STDOUT, '>', $log) or POSIX::_exit(126);
		open(STDERR, '>&', \*STDOUT);
		{ no warnings 'exec'; exec { $command[0] } @command; }
		POSIX::_exit(127);
	}
	$children{$pid} = 1;
	return $pid;
}

# Run commands at once, [log, command...] each, and demand that all succeed.
sub run_all
{
	my ($limit, @commands) = @_;
	my %log_of = map { (spawn(@$_) => $_->[0]) } @commands;
	my $deadline = time() + $limit;
	my @failed;
	while (%log_of)
	{
		for my $pid (keys %log_of)
		{
			next if waitpid($pid, WNOHANG) == 0;
			push @failed, $log_of{$pid} if $? != 0;
			delete $children{$pid};
			delete $log_of{$pid};
		}
		last unless %log_of;
		if (time() > $deadline)
		{
			stop_child($_) for keys %log_of;
			die "a client did not end in time\n";
		}
		sleep(0.01);
	}
	die "a client failed: " . last_line($failed[0]) . "\n" if @failed;
	return;
}

sub last_line
{
	my ($file) = @_;
	open(my $fh, '<', $file) or return $file;
	my @lines = grep { /\S/ } <$fh>;
	my ($word) = grep { /error|fatal/i } @lines;
	$word //= $lines[-1] // "see $file";
	chomp $word;
	return $word;
}

# End a child: politely, then not.
sub stop_child
{
	my ($pid) = @_;
	return unless $children{$pid};
	kill('TERM', $pid);
	for (1 .. 100)
	{
		if (waitpid($pid, WNOHANG) != 0)
		{
			delete $children{$pid};
			return;
		}
		sleep(0.05);
	}
	kill('KILL', $pid);
	waitpid($pid, 0);
	delete $children{$pid};
	return;
}

sub stop_all_children { stop_child($_) for keys %children; return }

# The output of a command, which must succeed.
sub capture
{
	my (@command) = @_;
	open(my $fh, '-|', @command) or die "could not run $command[0]: $!\n";
	my $output = do { local $/; <$fh> };
	close($fh) or die "$command[0] failed\n";
	return $output // '';
}

sub wait_until
{
	my ($limit, $what, $test) = @_;
	my $deadline = time() + $limit;
	while (time() < $deadline)
	{
		my $result = eval { $test->() };
		return $result if $result;
		sleep(0.1);
	}
	die "$what did not happen within $limit s\n";
}

1;
