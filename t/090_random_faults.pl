# Faults at random under load; PGQ_FAULT_SEED replays a choice of faults.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/090_random_faults.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use QuorumCluster;
use Test::More;
use Time::HiRes qw(sleep time);

my $seed = $ENV{PGQ_FAULT_SEED} // int(rand(1_000_000));
my $seconds = $ENV{PGQ_FAULT_SECONDS} // 20;
srand($seed);
note("PGQ_FAULT_SEED=$seed");

my $cluster = QuorumCluster->new('random', proxies => 1,
	conf => "pg_quorum.request_timeout = '3s'\npg_quorum.catchup_entries = 200")->start;

sub some { return $_[ int(rand(@_)) ] }

my @directed = map { my $a = $_; map { "$a>$_" } grep { $_ != $a } $cluster->members } $cluster->members;
my %fault = (
	kill_postmaster => sub { my ($i) = @_; $cluster->kill_postmaster($i) if $cluster->is_running($i) },
	stop_immediate  => sub { my ($i) = @_; $cluster->stop_immediately($i) if $cluster->is_running($i) },
	stop_fast       => sub { my ($i) = @_; $cluster->node($i)->stop('fast', fail_ok => 1) if $cluster->is_running($i) },
	kill_worker     => sub {
		my ($i) = @_;
		my $pid = $cluster->is_running($i) && $cluster->worker_pid($i, some('pg_quorum raft', 'pg_quorum flusher'));
		kill('KILL', $pid) if $pid;
	},
	start   => sub { my ($i) = @_; $cluster->start_member($i) unless $cluster->is_running($i) },
	cut     => sub { $cluster->set_links('cut',    some(@directed)) },
	freeze  => sub { $cluster->set_links('freeze', some(@directed)) },
	isolate => sub {
		my ($i) = @_;
		$cluster->set_links(some('cut', 'freeze'), $cluster->links_between([$i], [ grep { $_ != $i } $cluster->members ]));
	},
	heal     => sub { $cluster->heal },
	put_much => sub {
		my ($i) = @_;
		$cluster->try_sql($i, "SELECT quorum.put('much/' || i, repeat('x', 100)) FROM generate_series(1, 100) i")
		  if $cluster->is_running($i);
	});

$cluster->under_load(
	"seed $seed",
	sub {
		my $until = time() + $seconds;
		while (time() < $until)
		{
			my $name = some(sort keys %fault);
			my $member = some($cluster->members);
			note("$name n$member");
			$fault{$name}->($member);
			sleep(rand(1.5));
			# Mostly heal soon, so that something gets done in between.
			$cluster->heal if rand() < 0.3;
			if (rand() < 0.5)
			{
				$cluster->start_member($_) for grep { !$cluster->is_running($_) } $cluster->members;
			}
		}
		$cluster->heal;
		$cluster->start_member($_) for grep { !$cluster->is_running($_) } $cluster->members;
	});

$cluster->stop;
done_testing();
