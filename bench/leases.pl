# leases.pl - what leases cost; called by bench/leases.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   bench/leases.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Bench::Common qw(run_all spawn wait_until);
use Bench::Quorum;
use Getopt::Long;
use POSIX ();
use Time::HiRes qw(time sleep);

my %option = (
	leases  => 100_000,
	ttl     => 60,
	members => 3,
	seconds => 15,
	port    => 5521);
GetOptions(\%option, 'leases=i', 'ttl=i', 'members=i', 'seconds=i', 'port=i', 'dir=s', 'bin=s')
  or exit 2;
die "--leases must be at least 1000, --ttl at least 6\n" unless $option{leases} >= 1000 && $option{ttl} >= 6;

# Cost of the renewals in percent of a core, and how much longer a put may take while
# all leases end, in ms, that are taken for good.
use constant MOST_CPU   => 10;
use constant MOST_DELAY => 100;

# Renewals go out so many times a second.
use constant BATCHES => 10;

# Keys that are put meanwhile; they are there before, so that counting is cheap.
use constant OTHER_KEYS => 1000;

my $cluster = Bench::Quorum->new(
	dir     => $option{dir},
	port    => $option{port},
	bin     => $option{bin},
	members => $option{members},
	# a renewer that is stopped leaves its loop
	options => ["client_connection_check_interval = '500ms'"]);

$| = 1;

sub psql
{
	my ($member, $query) = @_;
	return ("$cluster->{bin}/psql", '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-h', '127.0.0.1',
		'-p', $cluster->port($member), '-U', 'postgres', '-d', 'postgres', '-c', $query);
}

# Seconds of processor time that a member's raft worker has used.
sub worker_time
{
	my ($member) = @_;
	my $pid = $cluster->sql($member, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_quorum raft'");
	open(my $fh, '<', "/proc/$pid/stat") or die "no raft worker\n";
	my $line = <$fh>;
	my @field = split(' ', substr($line, rindex($line, ')') + 2));
	return ($field[11] + $field[12]) / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}

# Percent of a core that a member's raft worker uses while code runs.
sub worker_load
{
	my ($member, $code) = @_;
	my ($used, $from) = (worker_time($member), time());
	$code->();
	return 100 * (worker_time($member) - $used) / (time() - $from);
}

# Renew all leases at their rhythm, in batches, from one session, for so long.
sub renewer
{
	my ($member, $seconds) = @_;
	my $batches = int(BATCHES * $option{ttl} / 3);
	my $size    = POSIX::ceil($option{leases} / $batches);
	my $pause   = 1 / BATCHES;
	return psql($member, <<"SQL");
DO \$\$
DECLARE
	started timestamptz := clock_timestamp();
	batch bigint := 0;
	first bigint;
BEGIN
	WHILE clock_timestamp() < started + interval '$seconds s' LOOP
		first := (batch % $batches) * $size;
		PERFORM quorum.lease_keepalive_many(
			(SELECT array_agg(i) FROM generate_series(first + 1, first + $size) i));
		batch := batch + 1;
		PERFORM pg_sleep(extract(epoch FROM started + batch * interval '$pause s' - clock_timestamp()));
	END LOOP;
END
\$\$
SQL
}

sub renew_all
{
	$cluster->sql($cluster->leader,
		"SELECT quorum.lease_keepalive_many(array_agg(i)) IS NULL FROM generate_series(1, $option{leases}) i");
	return;
}

# Puts from 32 sessions for so long; returns a list of [when, ms].
sub start_puts
{
	my ($seconds) = @_;
	unlink(glob("$option{dir}/puts*"));
	open(my $fh, '>', "$option{dir}/put.sql") or die "put.sql: $!\n";
	print $fh '\set k random(1, ' . OTHER_KEYS . ")\n", "SELECT quorum.put('put/' || :k, 'x');\n";
	close($fh);
	return spawn("$option{dir}/puts.out", "$cluster->{bin}/pgbench", '-n', '-M', 'prepared',
		'-f', "$option{dir}/put.sql", '-c', 32, '-j', 1, '-R', 400, '-T', $seconds, '-l',
		"--log-prefix=$option{dir}/puts.log",
		'-h', '127.0.0.1', '-p', $cluster->port($cluster->leader), '-U', 'postgres', 'postgres');
}

sub puts_made
{
	my @puts;
	for my $log (glob("$option{dir}/puts.log*"))
	{
		open(my $fh, '<', $log) or die "pgbench left no log: $!\n";
		while (<$fh>)
		{
			my (undef, undef, $took, undef, $sec, $usec) = split;
		last unless defined $usec;	# cut off when pgbench was stopped
			die "a put failed\n" unless $took =~ /^\d+$/;
			push @puts, [ $sec + $usec / 1e6, $took / 1e3 ];
		}
	}
	return @puts;
}

# Percentiles of what was made within a time.
sub delays
{
	my ($from, $to, @puts) = @_;
	my @ms = sort { $a <=> $b } map { $_->[1] } grep { $_->[0] >= $from && $_->[0] < $to } @puts;
	return { n => 0, p50 => 0, p99 => 0, max => 0 } unless @ms;
	return { n => scalar(@ms), p50 => $ms[ $#ms * 0.5 ], p99 => $ms[ $#ms * 0.99 ], max => $ms[-1] };
}

sub keys_left
{
	my ($member) = @_;
	return $cluster->sql($member, 'SELECT keys FROM quorum.status') - OTHER_KEYS;
}

print "starting $option{members} members: ", $cluster->version, "\n";
$cluster->start;
my $leader = $cluster->leader;
my $other = $leader % $option{members} + 1;
my $missed = 0;

sub row
{
	my ($title, $value, $limit) = @_;
	my $over = defined $limit && $value > $limit;
	$missed++ if $over;
	printf "%-56s %10.2f%s\n", $title, $value, $over ? "  more than $limit" : '';
	return;
}

$cluster->sql($leader, "SELECT count(quorum.put('put/' || i, 'x')) FROM generate_series(1, " . OTHER_KEYS . ') i');

# Grants and keys from many sessions, while what is there is renewed.
my $from = time();
my $renewer = spawn("$option{dir}/renew0.log", renewer($leader, 3600));
my $jobs = 32;
my $share = POSIX::ceil($option{leases} / $jobs);
run_all(900,
	map {
		my $first = $_ * $share + 1;
		my $last = ($_ + 1) * $share;
		$last = $option{leases} if $last > $option{leases};
		[ "$option{dir}/grant$_.log", psql($leader, <<"SQL") ]
DO \$\$
BEGIN
	FOR i IN $first .. $last LOOP
		PERFORM quorum.lease_grant($option{ttl}::bigint, i::bigint);
		PERFORM quorum.put('lease/' || i, 'x', lease => i);
	END LOOP;
END
\$\$
SQL
	} 0 .. $jobs - 1);
printf "%d leases with a key each granted in %.0f s\n\n", $option{leases}, time() - $from;
Bench::Common::stop_child($renewer);
die "leases were lost meanwhile\n" if keys_left($leader) != $option{leases};

# At their rhythm: through the leader, then through another member.
my $idle = worker_load($leader, sub { sleep(5) });
row("leader's raft worker at rest, % of a core", $idle);
my $rate = $option{leases} * 3 / $option{ttl};
for my $member ($leader, $option{members} > 1 ? $other : ())
{
	renew_all();
	my $pid = spawn("$option{dir}/renew$member.log", renewer($member, $option{seconds} + 2));
	sleep(1);
	my $where = $member == $leader ? 'on the leader' : 'on another member';
	row(sprintf('renewing %d a second %s, %% of a core', $rate, $where),
		worker_load($leader, sub { sleep($option{seconds}) }), MOST_CPU);
	Bench::Common::stop_child($pid);
}
die "leases were lost meanwhile\n" if keys_left($leader) != $option{leases};

# One call for each renewal, as many as sessions on their own would make.
open(my $fh, '>', "$option{dir}/single.sql") or die "single.sql: $!\n";
print $fh "\\set i random(1, $option{leases})\nSELECT quorum.lease_keepalive(:i::bigint);\n";
close($fh);
renew_all();
my $single = spawn("$option{dir}/single.out", "$cluster->{bin}/pgbench", '-n', '-M', 'prepared',
	'-f', "$option{dir}/single.sql", '-c', 32, '-j', 1, '-R', $rate, '-T', $option{seconds},
	'-h', '127.0.0.1', '-p', $cluster->port($leader), '-U', 'postgres', 'postgres');
sleep(1);
row(sprintf('renewing %d a second, one a call, %% of a core', $rate), worker_load($leader, sub { sleep($option{seconds} - 2) }));
wait_until(30, 'the end of pgbench', sub { waitpid($single, POSIX::WNOHANG()) != 0 });

# All at once: one renewal sets them to the same moment.
renew_all();
my $due = time() + $option{ttl};
sleep($option{ttl} - 8);
my $puts = start_puts(120);
wait_until(60, 'the first end of a lease', sub { keys_left($other) < $option{leases} });
my $began = time();
wait_until(110, 'the end of all leases', sub { keys_left($other) == 0 });
my $ended = time();
sleep(2);
Bench::Common::stop_child($puts);
my @puts = puts_made();
my $before = delays($due - 6, $due - 1, @puts);
my $during = delays($due, $ended, @puts);
row(sprintf('%d leases end: the last after, s', $option{leases}), $ended - $due);
row('puts before: p50, ms', $before->{p50});
row('puts before: p99, ms', $before->{p99});
row('puts before: longest, ms', $before->{max});
row('puts meanwhile: p50, ms', $during->{p50});
row('puts meanwhile: p99, ms', $during->{p99});
row('puts meanwhile: longest, ms', $during->{max});
row('the longest is longer by, ms', $during->{max} - $before->{max}, MOST_DELAY);
print $missed ? "\n$missed of the costs are too high\n" : "\nall costs are within their bounds\n";
exit($missed ? 1 : 0);
