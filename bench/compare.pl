# compare.pl - etcd and pg_quorum side by side; called by bench/run.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   bench/compare.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Bench::Common qw(median);
use Bench::Etcd;
use Bench::Quorum;
use Getopt::Long;

my %option = (
	rounds    => 5,
	seconds   => 4,
	clients   => '1,16,64,256',
	workloads => 'put,get,serializable_get,lease,lock,watch,'
	  . 'grpc_put,grpc_get,grpc_serializable_get,grpc_range,grpc_txn,grpc_keepalive,grpc_lock,grpc_watch,grpc_fan_out',
	port      => 5461);
GetOptions(\%option, 'rounds=i', 'seconds=f', 'clients=s', 'workloads=s', 'port=i',
	'dir=s', 'bin=s', 'tsv=s', 'only=s', 'few=s')
  or exit 2;

my %title = (
	put              => 'puts',
	get              => 'linearizable gets',
	serializable_get => 'serializable gets',
	lease            => 'lease grants',
	lock             => 'locks and unlocks',
	watch            => 'watched puts',
	grpc_put              => 'puts (gRPC)',
	grpc_get              => 'linearizable gets (gRPC)',
	grpc_serializable_get => 'serializable gets (gRPC)',
	grpc_range            => 'ranges of 1,000 keys (gRPC)',
	grpc_txn              => 'transactions (gRPC)',
	grpc_keepalive        => 'lease renewals (gRPC)',
	grpc_lock             => 'locks and unlocks (gRPC)',
	grpc_watch            => 'watched puts (gRPC)',
	grpc_fan_out          => 'events of one key (gRPC)');

# Workloads that have a number of clients of their own.
my %clients_of = (
	watch        => [1000],
	grpc_range   => [ 1, 16 ],
	grpc_watch   => [1000],
	grpc_fan_out => [1000]);

# What the ratio to etcd should be at least.
my %goal = (
	put              => { 1  => 1.5, 16 => 1.5, 64 => 1.3, 256 => 1.0 },
	get              => { 64 => 2.0 },
	serializable_get => { 64 => 2.5 },
	grpc_put              => { 1 => 1.5, 64 => 1.5 },
	grpc_get              => { 64 => 2.0 },
	grpc_serializable_get => { 64 => 2.0 },
	grpc_range            => { 16 => 2.0 },
	grpc_fan_out          => { 1000 => 2.0 });

my @clients   = split(/,/, $option{clients});
my @workloads = split(/,/, $option{workloads});
# Fewer points for gRPC, where time is short.
if ($option{few}) { $clients_of{$_} //= [ split(/,/, $option{few}) ] for grep { /^grpc_/ } @workloads }
for (@workloads) { die "no such workload: $_\n" unless $title{$_} }

mkdir("$option{dir}/etcd");
mkdir("$option{dir}/pg_quorum");
my $etcd = Bench::Etcd->new(
	dir   => "$option{dir}/etcd",
	port  => $option{port} + 10,
	grpc_tools => "$FindBin::RealBin/tools");
my $quorum = Bench::Quorum->new(
	dir  => "$option{dir}/pg_quorum",
	port => $option{port},
	bin  => $option{bin},
	connections => 1200,
	tools => "$FindBin::RealBin/../test/build",
	grpc_tools => "$FindBin::RealBin/tools",
	grpc_port  => $option{port} + 3);
my @sides = grep { !$option{only} || $_->name eq $option{only} } ($etcd, $quorum);

$| = 1;
for my $side (@sides)
{
	printf "starting %s: %s, three members\n", $side->name, $side->version;
	$side->start;
	$side->preload;
}

sub clients_of { my ($workload) = @_; return @{ $clients_of{$workload} // \@clients } }

# One point.  A run that an accident spoiled (a change of leader, a stall of the
# machine) is repeated once.
sub measure
{
	my ($side, $workload, $clients) = @_;
	my $result = eval { $side->run($workload, $clients, $option{seconds}) };
	return $result if $result;
	print "repeating ", $side->name, " $workload with $clients clients: $@";
	return $side->run($workload, $clients, $option{seconds});
}

# Interleaved: in each round every point is measured on both sides, one right
# after the other, and the side that goes first alternates.
my %measured;
for my $round (1 .. $option{rounds})
{
	print "round $round of $option{rounds}\n";
	for my $workload (@workloads)
	{
		for my $clients (clients_of($workload))
		{
			for my $side ($round % 2 ? @sides : reverse @sides)
			{
				my $result = measure($side, $workload, $clients);
				push @{ $measured{ $side->name }{$workload}{$clients}{$_} }, $result->{$_}
				  for keys %$result;
			}
		}
	}
}

sub value
{
	my ($side, $workload, $clients, $what) = @_;
	return median(@{ $measured{$side}{$workload}{$clients}{$what} // [] });
}

my @rows;
for my $workload (@workloads)
{
	for my $clients (clients_of($workload))
	{
		my %row = (workload => $workload, clients => $clients);
		for my $what (qw(ops p50 p99))
		{
			$row{"peer_$what"} = value('etcd',      $workload, $clients, $what);
			$row{"our_$what"}  = value('pg_quorum', $workload, $clients, $what);
		}
		$row{ratio} = $row{peer_ops} ? $row{our_ops} / $row{peer_ops} : 0;
		push @rows, \%row;
	}
}

printf "\n%-28s %7s %10s %10s %6s %9s %9s %9s %9s\n", 'workload', 'clients', 'etcd/s',
  'pg_quorum/s', 'ratio', 'etcd p50', 'our p50', 'etcd p99', 'our p99';
for my $row (@rows)
{
	printf "%-28s %7d %10.0f %11.0f %6.2f %6.2f ms %6.2f ms %6.2f ms %6.2f ms\n",
	  $title{ $row->{workload} },
	  @$row{qw(clients peer_ops our_ops ratio peer_p50 our_p50 peer_p99 our_p99)};
}
printf "(medians of %d rounds of %g s; values of 256 bytes, keys of 16; three members each on one machine)\n\n",
  $option{rounds}, $option{seconds};

print "ratios to etcd:\n" unless $option{only};
for my $workload ($option{only} ? () : @workloads)
{
	print "  $title{$workload}:", join(
		',',
		map {
			my $row  = $_;
			my $goal = $goal{$workload}{ $row->{clients} };
			sprintf(" %.2fx at %d%s",
				$row->{ratio}, $row->{clients},
				defined $goal
				? sprintf(" (goal %.1fx: %s)", $goal, $row->{ratio} >= $goal ? 'reached' : 'missed')
				: '')
		} grep { $_->{workload} eq $workload } @rows),
	  "\n";
}

if ($option{tsv})
{
	open(my $fh, '>', $option{tsv}) or die "could not write $option{tsv}: $!\n";
	print $fh join("\t", 'workload', 'clients', 'peer ops/s', 'our ops/s', 'ratio',
		'peer p50', 'our p50', 'peer p99', 'our p99'), "\n";
	for my $row (@rows)
	{
		print $fh join("\t", $title{ $row->{workload} }, $row->{clients},
			map({ sprintf('%.0f', $row->{$_}) } qw(peer_ops our_ops)),
			sprintf('%.3f', $row->{ratio}),
			map({ sprintf('%.3f', $row->{$_}) } qw(peer_p50 our_p50 peer_p99 our_p99))), "\n";
	}
	close($fh);
}
