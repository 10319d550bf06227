# compaction.pl - what a large compaction does to the writes beside it; called
# by bench/compaction.
#
# Puts come at a fixed rate, and a put's latency counts from the moment at which
# it was due: a stall is seen by all the puts that it holds up.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   bench/compaction.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Bench::Common qw(spawn stop_child wait_until VALUE);
use Bench::Quorum;
use Getopt::Long;
use Time::HiRes qw(time sleep);

my %option = (
	versions => 1_000_000,
	keys     => 100_000,
	members  => 3,
	rate     => 200,
	seconds  => 30,
	limit    => 50,
	'value-bytes' => length(VALUE),
	scattered => 0,
	port     => 5491);
GetOptions(\%option, 'versions=i', 'keys=i', 'members=i', 'rate=i', 'seconds=f', 'limit=f', 'value-bytes=i', 'scattered', 'port=i', 'dir=s', 'bin=s')
  or exit 2;
die "--versions must be a multiple of --keys, twice as much at least\n"
  unless $option{keys} >= 1000 && $option{versions} >= 2 * $option{keys} && $option{versions} % $option{keys} == 0;
my $value = 'v' x $option{'value-bytes'};
my $stride = $option{scattered} ? stride($option{keys}) : 1;

my $cluster = Bench::Quorum->new(
	dir     => $option{dir},
	port    => $option{port},
	bin     => $option{bin},
	members => $option{members});

$| = 1;

# Puts on keys of their own, until stopped.
sub start_puts
{
	my $file = "$option{dir}/puts";
	unlink(glob("$file.requests*"));
	open(my $fh, '>', "$file.sql") or die "could not write $file.sql: $!\n";
	print $fh "\\set k random(1, 1000)\nSELECT quorum.put('steady/' || :k, :value::text);\n";
	close($fh);
	my $pid = spawn("$file.out", "$option{bin}/pgbench", '-n', '-M', 'prepared', '-f', "$file.sql",
		'-D', "value=$value", '-c', 4, '-j', 1, '-R', $option{rate}, '-T', 86400,
		'-l', "--log-prefix=$file.requests",
		'-h', '127.0.0.1', '-p', $cluster->port($cluster->leader), '-U', 'postgres', 'postgres');
	sleep(2);		# connections, caches
	return $pid;
}

# End the puts; what each took, in ms, and when it was answered
sub stop_puts
{
	my ($pid) = @_;
	sleep(0.5);
	kill('INT', $pid);
	stop_child($pid);
	my @puts;
	for my $log (glob("$option{dir}/puts.requests*"))
	{
		open(my $fh, '<', $log) or die "pgbench left no log: $!\n";
		while (<$fh>)
		{
			my (undef, undef, $took, undef, $sec, $usec) = split;
			next unless defined $usec && $usec =~ /^\d+$/ && "$took$sec" =~ /^\d+$/;	# the last line may be cut off
			push @puts, { took => $took / 1e3, at => $sec + $usec / 1e6 };
		}
	}
	return \@puts;
}

# What the puts took that were answered in a span of time: p50, p99, longest,
# how many, how many of them over the limit.
sub summary
{
	my ($puts, $from, $to) = @_;
	my @took = sort { $a <=> $b } map { $_->{took} } grep { $_->{at} >= $from && $_->{at} < $to } @$puts;
	die "no put was answered in the measured time\n" unless @took;
	return { p50 => $took[ int($#took * 0.5) ], p99 => $took[ int($#took * 0.99) ], max => $took[-1], count => scalar @took,
		over => scalar(grep { $_ > $option{limit} } @took) };
}

sub sizes
{
	return map { $_ / 1048576 } split(/\|/, $cluster->sql($cluster->leader, 'SELECT size, size_in_use FROM quorum.status'));
}

# Bytes of WAL that the leader has ever written
sub lsn
{
	return $cluster->sql($cluster->leader, "SELECT pg_current_wal_insert_lsn() - '0/0'");
}

sub report
{
	my ($title, $result) = @_;
	printf "%-28s %8.2f %8.2f %8.2f %8d %8d\n", $title, @$result{qw(p50 p99 max count over)};
	return;
}

# A number near the golden section of n that has no divisor in common with it: steps of so many go through all of n, and
# those that come after each other are far apart.
sub stride
{
	my ($n) = @_;
	my $stride = int($n * 0.618);
	$stride++ while gcd($n, $stride) > 1;
	return $stride;
}

sub gcd
{
	my ($a, $b) = @_;
	($a, $b) = ($b, $a % $b) while $b;
	return $a;
}

sub write_versions
{
	my $from = time();
	$cluster->load_keys($option{keys}, 0, 2, $value, $stride) for 1 .. $option{versions} / $option{keys};
	printf "%d versions of %d keys written in %.0f s\n", $option{versions}, $option{keys}, time() - $from;
	return;
}

print "starting $option{members} members: ", $cluster->version, "\n";
$cluster->start;
write_versions();
$cluster->sql($_, 'CHECKPOINT') for 1 .. $option{members};
# What loading has left to the kernel to write would be in the way of the measurements.
system('sync');

my ($size, $in_use) = sizes();
my $puts   = start_puts();
my $before = time();
sleep($option{seconds});

my $begin = time();
my $lsn   = lsn();
$cluster->sql($cluster->leader,
	"SET pg_quorum.request_timeout = '1h'; SELECT quorum.compact(quorum.revision(), physical => true)");
my $end     = time();
my $seconds = $end - $begin;
my $wal     = lsn() - $lsn;
my (undef, $in_use_after) = sizes();

# As long as the compaction took: what happens once in some minutes is to show without it too.
my $after = time();
sleep($seconds > $option{seconds} ? $seconds : $option{seconds});
my $until = time();
$puts = stop_puts($puts);
my $beside = summary($puts, $begin, $end);
my @alone  = (summary($puts, $before, $begin), summary($puts, $after, $until));

printf "\ncompaction: %.1f s, %.0f versions/s; WAL of the leader, with that of the puts: %.0f MB\n\n",
  $seconds, $option{versions} / $seconds, $wal / 1048576;
printf "%-28s %8s %8s %8s %8s %8s\n", "puts, $option{rate}/s, ms", 'p50', 'p99', 'longest', 'puts', "> $option{limit}";
report('before the compaction', $alone[0]);
report('beside it', $beside);
report('after it', $alone[1]);

write_versions();
my ($size_again) = sizes();
my $freed = $in_use - $in_use_after;
my $served = $freed > 0 ? 1 - ($size_again - $size) / $freed : 0;
printf "\nstore, MB: %.0f; in use %.0f before and %.0f after the compaction; as many versions again: %.0f\n",
  $size, $in_use, $in_use_after, $size_again;
printf "of what was freed, %.0f %% served again\n", 100 * $served;

# More often than it happens without a compaction
my $slow = $beside->{over} / $beside->{count} > ($alone[0]{over} + $alone[1]{over}) / ($alone[0]{count} + $alone[1]{count});
print "puts were held up for more than $option{limit} ms\n" if $slow;
# Not all of it: the second time keys come between others, and leaves are less full.
my $grows = $served < 0.5;
print "the space that was freed does not serve again\n" if $grows;
exit($slow || $grows ? 1 : 0);
