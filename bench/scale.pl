# scale.pl - what the number of keys costs; called by bench/scale.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   bench/scale.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Bench::Common qw(median wait_until key_name KEY_BASE);
use Bench::Quorum;
use Getopt::Long;
use Time::HiRes qw(time sleep);

my %option = (
	small   => 10_000,
	keys    => 10_000_000,
	members => 3,
	seconds => 10,
	clients => 16,
	port    => 5481);
GetOptions(\%option, 'small=i', 'keys=i', 'members=i', 'seconds=f', 'clients=i', 'port=i', 'dir=s', 'bin=s')
  or exit 2;
die "--small must be at least 1000 and less than --keys\n"
  unless $option{small} >= 1000 && $option{small} < $option{keys};

my $cluster = Bench::Quorum->new(
	dir     => $option{dir},
	port    => $option{port},
	bin     => $option{bin},
	members => $option{members});

$| = 1;

# Restart every member; the time until a put is answered again.
sub restart
{
	my ($mode) = @_;
	$cluster->sql($_, 'CHECKPOINT') for 1 .. $option{members};
	$cluster->stop($mode);
	my $from = time();
	$cluster->start_member($_) for 1 .. $option{members};
	wait_until(120, 'a put after the restart', sub { $cluster->sql(1, "SELECT quorum.put('restart', 'x')") });
	return time() - $from;
}

# Memory that belongs to one of the leader's processes alone, in MB.
sub private_memory
{
	my ($type) = @_;
	my $pid = $cluster->sql($cluster->leader,
		"SELECT pid FROM pg_stat_activity WHERE backend_type = '$type'");
	return 0 unless $pid;
	open(my $fh, '<', "/proc/$pid/status") or return 0;
	my ($kb) = join('', <$fh>) =~ /^RssAnon:\s+(\d+) kB/m;
	return ($kb // 0) / 1024;
}

sub measure
{
	my ($keys) = @_;
	my $last = KEY_BASE + $keys - 1;
	my %result;

	# Puts on random keys there are, so that they land on pages everywhere.
	my $puts = $cluster->run(
		'\set k random(' . KEY_BASE . ", $last)\n" . "SELECT quorum.put(:k::text, :value::text);\n",
		$option{clients}, $option{seconds});
	$result{puts} = $puts->{ops};
	$result{put_p99} = $puts->{p99};

	# A thousand keys share all but the last three digits.
	my $thousands = int($keys / 1000) - 1;
	my $ranges = $cluster->run(
		"\\set t random(0, $thousands)\n"
		  . 'SELECT count(*) FROM quorum.range((' . KEY_BASE / 1000 . " + :t)::text, prefix => true);\n",
		1, $option{seconds} / 2);
	$result{range_p50} = $ranges->{p50};
	my $gets = $cluster->run(
		'\set k random(' . KEY_BASE . ", $last)\n" . "SELECT quorum.get(:k::text, serializable => true);\n",
		$option{clients}, $option{seconds} / 2);
	$result{gets} = $gets->{ops};
	$result{memory} = private_memory('pg_quorum raft') + private_memory('pg_quorum flusher')
	  + private_memory('pg_quorum notifier');
	$result{size} = $cluster->sql($cluster->leader, "SELECT pg_relation_size('quorum.mvcc') / 1048576.0");
	$result{restart} = restart('fast');
	$result{crash} = restart('immediate');
	return \%result;
}

print "starting $option{members} members: ", $cluster->version, "\n";
$cluster->start;
my $have = 0;
my @results;
for my $keys ($option{small}, $option{keys})
{
	my $from = time();
	$cluster->load_keys($keys - $have, $have, 4);
	printf "%d keys written in %.0f s\n", $keys, time() - $from;
	$have = $keys;
	push @results, measure($keys);
}

# Each line: what, its name in the results, unit, and how much worse the large
# store may be than the small one.
my ($small, $large) = @results;
my $missed = 0;
printf "\n%-34s %12s %12s %8s\n", '', "$option{small} keys", "$option{keys} keys", 'ratio';
for (
	[ "puts/s ($option{clients} clients)",  'puts',      2.0, 'rate' ],
	[ 'put p99, ms',                        'put_p99',   undef ],
	[ "serializable gets/s ($option{clients} clients)", 'gets', undef, 'rate' ],
	[ 'range of 1,000 keys, p50, ms',       'range_p50', 1.5 ],
	[ 'restart after a clean stop, s',      'restart',   1.5 ],
	[ 'restart after a crash, s',           'crash',     1.5 ],
	[ "workers' own memory, MB",            'memory',    1.5 ],
	[ 'store on disk, MB',                  'size',      undef ])
{
	my ($title, $what, $limit, $rate) = @$_;
	my $ratio = $small->{$what} ? $large->{$what} / $small->{$what} : 0;
	my $cost = $rate ? ($ratio ? 1 / $ratio : 9**9) : $ratio;
	# Differences of a second are those of any two runs; the worker keeps newest
	# entries in memory, within bounds.
	my $slack = $what =~ /restart|crash/ ? 1 : $what eq 'memory' ? 64 : 0;
	my $over = defined $limit && $cost > $limit && abs($large->{$what} - $small->{$what}) > $slack;
	$missed++ if $over;
	printf "%-34s %12.2f %12.2f %7.2fx%s\n", $title, $small->{$what}, $large->{$what}, $ratio,
	  $over ? "  more than $limit times worse" : '';
}
print $missed ? "\n$missed of the costs grow too much with the number of keys\n" : "\nno cost grows with the number of keys\n";
exit($missed ? 1 : 0);
