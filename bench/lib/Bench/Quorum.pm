# Bench::Quorum - a cluster of pg_quorum members, loaded with pgbench, where test/watchers
# listens, and by gRPC (Bench::Grpc), for workloads named grpc_*.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   bench/lib/Bench/Quorum.pm

package Bench::Quorum;

use strict;
use warnings;
use parent 'Bench::Grpc';
use POSIX ();
use Bench::Common qw(summarize summary_of spawn run_all capture wait_until
  key_name warm_up KEYS KEY_BASE VALUE WATCHED_RATE LEASE_TTL);

my @clusters;

my %script = (
	put => '\set k random(1000000000000000, 9999999999999999)' . "\n"
	  . 'SELECT quorum.put(:k::text, :value::text);' . "\n",
	get => '\set k random(' . KEY_BASE . ', ' . (KEY_BASE + KEYS - 1) . ")\n"
	  . 'SELECT quorum.get(:k::text);' . "\n",
	serializable_get => '\set k random(' . KEY_BASE . ', ' . (KEY_BASE + KEYS - 1) . ")\n"
	  . 'SELECT quorum.get(:k::text, serializable => true);' . "\n",
	lease => 'SELECT quorum.lease_grant(' . LEASE_TTL . "::bigint);\n",
	lock  => "SELECT quorum.lock('locked/' || :client_id);\nSELECT quorum.unlock('locked/' || :client_id);\n");

sub new
{
	my ($class, %args) = @_;
	my $self = bless {
		dir     => $args{dir},
		port    => $args{port},
		bin     => $args{bin},
		tools   => $args{tools},
		grpc_tools => $args{grpc_tools},
		grpc_port  => $args{grpc_port},    # first of those of the gateways; none: no gateways
		members => $args{members} // 3,
		options => $args{options} // [],
		connections => $args{connections} // 400,
		running => {} }, $class;
	push @clusters, $self;
	return $self;
}

# However the benchmark ends, nothing is left running.
$SIG{INT} = $SIG{TERM} = sub { exit 130 };

END
{
	my $status = $?;
	Bench::Common::stop_all_children();
	$_->stop('immediate') for @clusters;
	$? = $status;
}

sub name { return 'pg_quorum' }

sub version
{
	my ($self) = @_;
	return capture("$self->{bin}/postgres", '--version') =~ s/\s+$//r;
}

sub data { return "$_[0]{dir}/m$_[1]" }
sub port { return $_[0]{port} + $_[1] - 1 }
sub client_port { return $_[0]{grpc_port} + $_[1] - 1 }

# initdb and start all members, create the extension, await a leader.
sub start
{
	my ($self) = @_;
	my $cluster = join(';',
		map { "m$_=host=127.0.0.1 port=" . $self->port($_) . ' user=postgres dbname=postgres' }
		  1 .. $self->{members});
	run_all(120,
		map {
			[
				"$self->{dir}/initdb$_.log", "$self->{bin}/initdb", '-D', $self->data($_),
				'-U', 'postgres', '-A', 'trust', '--no-locale', '-E', 'UTF8', '--no-sync' ]
		} 1 .. $self->{members});
	for my $i (1 .. $self->{members})
	{
		open(my $conf, '>>', $self->data($i) . '/postgresql.conf') or die "postgresql.conf: $!\n";
		print $conf join("\n",
			"listen_addresses = '127.0.0.1'",
			"port = " . $self->port($i),
			"unix_socket_directories = ''",
			"max_connections = $self->{connections}",
			"shared_buffers = '256MB'",
			"max_wal_size = '8GB'",
			"wal_compression = lz4",
			"checkpoint_timeout = '30min'",
			"shared_preload_libraries = 'pg_quorum'",
			"pg_quorum.member_name = 'm$i'",
			"pg_quorum.initial_cluster = '$cluster'",
			($self->{grpc_port} ? "pg_quorum.listen_client_urls = 'http://127.0.0.1:" . $self->client_port($i) . "'" : ()),
			@{ $self->{options} }, '');
		close($conf);
	}
	$self->start_member($_) for 1 .. $self->{members};
	$self->sql($_, 'CREATE EXTENSION pg_quorum') for 1 .. $self->{members};
	wait_until(30, 'the election of a leader', sub { $self->leader });
	return;
}

sub start_member
{
	my ($self, $i) = @_;
	system("$self->{bin}/pg_ctl", '-D', $self->data($i), '-l', "$self->{dir}/m$i.log",
		'-w', '-t', 120, '-s', 'start') == 0
	  or die "member $i did not start: see $self->{dir}/m$i.log\n";
	$self->{running}{$i} = 1;
	return;
}

sub stop_member
{
	my ($self, $i, $mode) = @_;
	return unless delete $self->{running}{$i};
	system("$self->{bin}/pg_ctl", '-D', $self->data($i), '-m', $mode // 'fast',
		'-w', '-t', 120, '-s', 'stop');
	return;
}

sub stop
{
	my ($self, $mode) = @_;
	$self->stop_member($_, $mode // 'immediate') for sort keys %{ $self->{running} };
	return;
}

sub sql
{
	my ($self, $i, $query) = @_;
	my $result = capture("$self->{bin}/psql", '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1',
		'-h', '127.0.0.1', '-p', $self->port($i), '-U', 'postgres', '-d', 'postgres', '-c', $query);
	chomp $result;
	return $result;
}

sub leader
{
	my ($self) = @_;
	for my $i (sort keys %{ $self->{running} })
	{
		return $i if $self->sql($i, 'SELECT role FROM quorum.status') eq 'leader';
	}
	return 0;
}

# Write $count keys of KEY_BASE on, in transactions of 100, from $jobs sessions; in ascending order, or
# with so large a $stride from one to the next, round and round ($stride and $count without a common divisor).
sub load_keys
{
	my ($self, $count, $from, $jobs, $value, $stride) = @_;
	$from   //= 0;
	$jobs   //= 1;
	$value  //= VALUE;
	$stride //= 1;
	my $leader = $self->leader;
	my $share  = int(($count + $jobs - 1) / $jobs);
	my @commands;
	for my $job (0 .. $jobs - 1)
	{
		my $first = $from + $job * $share;
		my $last  = $first + $share - 1;
		$last = $from + $count - 1 if $last > $from + $count - 1;
		next if $last < $first;
		my $base  = KEY_BASE + $from;
		push @commands,
		  [
			"$self->{dir}/load$job.log", "$self->{bin}/psql", '-X', '-q', '-v', 'ON_ERROR_STOP=1',
			'-h', '127.0.0.1', '-p', $self->port($leader), '-U', 'postgres', '-d', 'postgres', '-c',
			"DO \$\$ DECLARE i bigint; BEGIN
			   FOR i IN $first..$last BY 100 LOOP
			     PERFORM quorum.txn('{}'::quorum.compare[],
			       (SELECT array_agg(quorum.op_put(($base + (k - $from)::bigint * $stride % $count)::text, '$value'::text))
			          FROM generate_series(i, least(i + 99, $last)) k),
			       '{}'::quorum.op[]);
			   END LOOP; END \$\$" ];
	}
	run_all(7200, @commands);
	return;
}

sub preload
{
	my ($self) = @_;
	$self->load_keys(KEYS);
	my $length = $self->sql($self->leader, "SELECT length(quorum.get('" . key_name(KEYS - 1) . "'))");
	die "the keys to read are not there\n" unless $length eq length(VALUE);
	return;
}

# Sessions that watch a prefix each, and puts at a steady rate whose values say
# when they were made.
sub run_watch
{
	my ($self, $watchers, $seconds) = @_;
	$seconds = POSIX::ceil($seconds);
	my $port = $self->port($self->leader);
	my $heard = "$self->{dir}/watchers.out";
	open(my $in, '|-', 'sh', '-c', 'out=$1; shift; exec "$@" >"$out" 2>&1', 'sh', $heard,
		"$self->{tools}/watchers", '--count', '--sessions', $watchers,
		'--conninfo', "host=127.0.0.1 port=$port user=postgres dbname=postgres",
		"SELECT quorum.watch('watched/%d/', prefix => true)")
	  or die "could not start the watchers: $!\n";
	my $file = "$self->{dir}/watched.sql";
	open(my $fh, '>', $file) or die "could not write $file: $!\n";
	print $fh '\set w random(0, ' . ($watchers - 1) . ")\n"
	  . "SELECT quorum.put('watched/' || :w || '/key', 'sent ' || (extract(epoch FROM clock_timestamp()) * 1000000)::bigint);\n";
	close($fh);
	wait_until(60, 'the start of all watches', sub { open(my $o, '<', $heard) or return 0; return grep { /^ready/ } <$o> });
	run_all($seconds + 120,
		[
			"$file.out", "$self->{bin}/pgbench", '-n', '-M', 'prepared', '-f', $file,
			'-c', 32, '-j', 2, '-R', WATCHED_RATE, '-T', $seconds,
			'-h', '127.0.0.1', '-p', $port, '-U', 'postgres', 'postgres' ]);
	sleep(2);
	close($in);
	my $events = 0;
	open($fh, '<', $heard) or die "the watchers left no output: $!\n";
	my $text = do { local $/; <$fh> };
	$events += $1 while $text =~ /^\d+\t(\d+)$/mg;
	$text = "events $events\n$text";
	open($fh, '<', \$text) or die;
	return summary_of($fh, $seconds);
}

# Run one workload; returns what Bench::Common::summarize does.  A script may
# be given instead of the name of a workload.
sub run
{
	my ($self, $workload, $clients, $seconds) = @_;
	return $self->run_watch($clients, $seconds) if $workload eq 'watch';
	return $self->run_grpc($1, $clients, $seconds) if $workload =~ /^grpc_(\w+)/;
	my $file = "$self->{dir}/pgbench";
	unlink(glob("$file.requests*"));
	open(my $fh, '>', "$file.sql") or die "could not write $file.sql: $!\n";
	print $fh $script{$workload} // $workload;
	close($fh);
	run_all($seconds + 120,
		[
			"$file.out", "$self->{bin}/pgbench", '-n', '-M', 'prepared', '-f', "$file.sql",
			'-D', 'value=' . VALUE, '-c', $clients, '-j', ($clients > 1 ? 2 : 1),
			'-T', POSIX::ceil($seconds + warm_up($clients) + 0.2), '-l', "--log-prefix=$file.requests",
			'-h', '127.0.0.1', '-p', $self->port($self->leader), '-U', 'postgres', 'postgres' ]);
	my @requests;
	for my $log (glob("$file.requests*"))
	{
		open($fh, '<', $log) or die "pgbench left no log: $!\n";
		while (<$fh>)
		{
			my (undef, undef, $took, undef, $sec, $usec) = split;
			die "a transaction of pgbench failed\n" unless $took =~ /^\d+$/;
			push @requests, [ $sec + $usec / 1e6, $took / 1e3 ];
		}
		close($fh);
	}
	return summarize(\@requests, $clients, $seconds);
}

1;
