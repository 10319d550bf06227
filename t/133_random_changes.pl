# Members come, go, lead and die at random under load; PGQ_FAULT_SEED replays the choice.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/133_random_changes.pl

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

my $cluster = QuorumCluster->new('random', members => 5, founders => 3,
	conf => "pg_quorum.request_timeout = '3s'\npg_quorum.catchup_entries = 200")->start;

# Two instances that join when they are added, and wait until then.
$cluster->make_member($_, "pg_quorum.initial_cluster_state = existing\n") for 4, 5;

sub some { return $_[ int(rand(@_)) ] }

# Ask any running member, or one of some, for a change; what comes of it is in the log of the test.
sub ask
{
	my ($call, @whom) = @_;
	@whom = $cluster->members unless @whom;
	my $through = some(grep { $cluster->is_running($_) && ($cluster->try_sql($_, 'SELECT role FROM quorum.status') // '') =~ /^(?:leader|follower|learner)$/ } @whom)
	  // return;
	my ($out, $err);
	my $rc = $cluster->node($through)->psql('postgres', "SELECT $call", stdout => \$out, stderr => \$err, timeout => 30);
	my ($why) = $err =~ /ERROR:\s+(.*)/;
	note("n$through: $call: " . ($rc == 0 ? 'done' : $why // "failed"));
	return;
}

my %fault = (
	add => sub {
		my $i = some(1 .. 5);
		ask("quorum.member_add('n$i', '" . $cluster->peer_conninfo(1, $i) . "')");
		# one that was removed before gives up what it has
		$cluster->node($i)->psql('postgres', "SET statement_timeout = '2s'; SELECT quorum.rejoin()")
		  if $cluster->is_running($i) && ($cluster->try_sql($i, 'SELECT role FROM quorum.status') // '') eq 'removed';
	},
	# n1 stays: who was removed finds the others again by its pg_quorum.initial_cluster
	remove => sub { ask("quorum.member_remove('n" . some(2 .. 5) . "')") },
	leave  => sub { ask('quorum.leave()', 2 .. 5) },
	update => sub { my $i = some(1 .. 5); ask("quorum.member_update('n$i', '" . $cluster->peer_conninfo(1, $i) . ' connect_timeout=' . int(rand(90) + 10) . "')") },
	move   => sub { ask("quorum.move_leader('n" . some(1 .. 5) . "')") },
	kill_postmaster => sub { my $i = some(1 .. 5); note("kill n$i"); $cluster->kill_postmaster($i) if $cluster->is_running($i) },
	kill_worker     => sub {
		my $i = some(1 .. 5);
		my $pid = $cluster->is_running($i) && $cluster->worker_pid($i, 'pg_quorum raft');
		note("kill worker of n$i");
		kill('KILL', $pid) if $pid;
	},
	start => sub { $cluster->start_member($_) for grep { !$cluster->is_running($_) } $cluster->members });

# The members, as one that is up to date has them.
sub voters
{
	my ($i) = @_;
	my $names = $cluster->try_sql($i, "SELECT quorum.read_barrier() \\g /dev/null\nSELECT string_agg(substr(name, 2), ' ' ORDER BY name) FROM quorum.members");
	return split(/ /, $names // '');
}

my $load = $cluster->start_load(clients => 10, rate => 20);
$cluster->await_answers($load, 20);
my $until = time() + $seconds;
while (time() < $until)
{
	$fault{ some(sort(keys %fault), qw(add add add add remove move start start)) }->();
	sleep(rand(1));
}
$fault{start}->();

# Whoever is a member now must agree and have everything; nobody else may say it is one.
my @in;
ok( $cluster->wait_until('the members agree on who they are',
		sub {
			for my $i ($cluster->members)
			{
				my $role = $cluster->try_sql($i, 'SELECT role FROM quorum.status') // '';
				# added again while it was down, or before it had heard that it was removed
				$cluster->try_sql($i, "SET statement_timeout = '2s'; SELECT quorum.rejoin()")
				  if $role eq 'removed' && grep { $_ == $i } @in;
				next unless $role =~ /^(?:leader|follower)$/;
				@in = voters($i) or next;
				$cluster->{size} = @in;
				my %names;
				$names{ join(' ', voters($_)) }++ for @in;
				return 1 if keys %names == 1 && exists $names{"@in"};
				return 0;
			}
			return 0;
		},
		60),
	"seed $seed: the members agree on who they are");
note("members: @in");
my @out = grep { my $i = $_; !grep { $_ == $i } @in } $cluster->members;
ok( $cluster->wait_until('the others know',
		sub { return !grep { ($cluster->try_sql($_, 'SELECT role FROM quorum.status') // '') !~ /^(?:removed|joining)$/ } @out }),
	"seed $seed: and the others know that they are none");
$cluster->node($_)->stop('fast') for @out;
ok($cluster->sql($in[0], "SELECT quorum.put('after', 'all') > 0"), "seed $seed: writes work");
$load = $cluster->stop_load;
my @odd = grep { /^state_/ && !/^state_(?:08007|57P03|57P01|57P02|57014|55000|lost|53300|3F000)$/ } sort keys %{ $load->{counter} };
is("@odd", '', "seed $seed: no call hung or failed in an odd way");
is($cluster->differences(@in), '', "seed $seed: all members are equal");
is($cluster->findings(@in), '', "seed $seed: all pages are sound");
is($cluster->judge($load), '', "seed $seed: the history is linearizable and complete");

$cluster->stop;
done_testing();
