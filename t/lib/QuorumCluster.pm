# QuorumCluster - a cluster of pg_quorum members for TAP tests.
#
#   my $cluster = QuorumCluster->new('crash', members => 3, proxies => 1);
#   $cluster->start;
#   my $leader = $cluster->leader;
#   $cluster->under_load('what happens', sub { ... });
#
# Members are numbered from 1 and called n1, n2, ...; each is a
# PostgreSQL::Test::Cluster that listens on 127.0.0.1.  With proxies, member A
# reaches member B only by a link "A>B" of its own (test/proxy.c), which can be
# cut, frozen and healed one way, while tests and clients connect directly.
#
# With founders => N only the first N members found the cluster; the others are
# instances that join it later (add_member).
#
# With gateway => 1 each member serves etcd's clients too (endpoint, endpoints).
#
# Every wait has a limit, and everything ends with the test.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/lib/QuorumCluster.pm

package QuorumCluster;

use strict;
use warnings;
use Carp;
use Cwd 'abs_path';
use File::Basename 'dirname';
use IO::Socket::INET;
use IPC::Open2;
use IPC::Run;
use POSIX ':sys_wait_h';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time clock_gettime CLOCK_MONOTONIC);

my $tools = abs_path(dirname(__FILE__) . '/../../test/build');

# How long anything that should happen soon may take.
use constant SOON => 30;

# A query that takes longer hangs.
use constant LONGEST => 300;

sub new
{
	my ($class, $name, %args) = @_;
	my $self = bless {
		name    => $name,
		count   => $args{members} // 3,
		size    => $args{founders} // $args{members} // 3,
		proxies => $args{proxies},
		conf    => $args{conf} // '',
		links   => $args{links} // '',    # added to the members' conninfos
		gateway => $args{gateway},
		nodes   => [],
		loads   => 0,
		clients => 0 }, $class;
	$self->{founders} = [ 1 .. $self->{size} ];
	for my $i (1 .. $self->{count})
	{
		push @{ $self->{nodes} }, PostgreSQL::Test::Cluster->new("${name}_n$i");
		push @{ $self->{gateway_ports} }, PostgreSQL::Test::Cluster::get_free_port() if $self->{gateway};
	}
	return $self;
}

sub node    { return $_[0]{nodes}[ $_[1] - 1 ] }
sub members { return (1 .. $_[0]{count}) }
sub port    { return $_[0]->node($_[1])->port }

# The address under which clients reach a member.
sub conninfo
{
	my ($self, $i) = @_;
	return 'host=127.0.0.1 port=' . $self->port($i) . ' dbname=postgres user=' . $self->superuser;
}

# Where etcd's clients reach a member, and all of them.
sub gateway_port { return $_[0]{gateway_ports}[ $_[1] - 1 ] }
sub endpoint     { return '127.0.0.1:' . $_[0]->gateway_port($_[1]) }
sub endpoints    { my ($self) = @_; return join(',', map { $self->endpoint($_) } @{ $self->{founders} }) }

sub superuser { return scalar getpwuid($<) }

# How member $from reaches member $to.
sub peer_conninfo
{
	my ($self, $from, $to) = @_;
	my $port = $to != $from && $self->{link}{"$from>$to"} || $self->port($to);
	return "host=127.0.0.1 port=$port dbname=postgres user=" . $self->superuser . ($self->{links} ? " $self->{links}" : '');
}

# What member $from has as pg_quorum.initial_cluster.
sub initial_cluster
{
	my ($self, $from) = @_;
	my @named = @{ $self->{founders} };
	push @named, $from unless grep { $_ == $from } @named;
	return join(';', map { "n$_=" . $self->peer_conninfo($from, $_) } @named);
}

# ---------------------------------------------------------------------------
# Start and stop
# ---------------------------------------------------------------------------

# Give a new member its settings.
sub configure
{
	my ($self, $i) = @_;
	my $cluster = $self->initial_cluster($i);
	$self->node($i)->append_conf('postgresql.conf', <<"CONF");
listen_addresses = '127.0.0.1'
fsync = on
restart_after_crash = on
log_statement = none
shared_buffers = '32MB'
max_connections = 60
max_worker_processes = 16
shared_preload_libraries = 'pg_quorum'
pg_quorum.member_name = 'n$i'
pg_quorum.initial_cluster = '$cluster'
pg_quorum.request_timeout = '5s'
$self->{conf}
CONF
	$self->node($i)->append_conf('postgresql.conf', "pg_quorum.listen_client_urls = 'http://" . $self->endpoint($i) . "'")
	  if $self->{gateway};
	return;
}

# Make and start all members, and wait until one leads.
sub start
{
	my ($self) = @_;
	$self->start_proxies if $self->{proxies};
	$self->make_member($_) for @{ $self->{founders} };
	$self->agreed or croak "the members do not agree on a leader";
	$self->await_gateways;
	return $self;
}

# Until the gateways of running members take connections.
sub await_gateways
{
	my ($self) = @_;
	return unless $self->{gateway};
	for my $i ($self->running)
	{
		$self->wait_until("the gateway of n$i", sub { IO::Socket::INET->new(PeerAddr => $self->endpoint($i)) ? 1 : 0 })
		  or croak "n$i has no gateway";
	}
	return;
}

# Have a member's gateway serve TLS too, with a certificate for 127.0.0.1 that vouches for itself, made
# in the folder as cert.pem and key.pem.  Restarts the member; returns the address.
sub serve_tls
{
	my ($self, $i, $folder) = @_;
	my ($out, $err) = ('', '');
	IPC::Run::run(
		[
			qw(openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost),
			'-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', "$folder/key.pem", '-out', "$folder/cert.pem" ],
		'<', \undef, '>', \$out, '2>', \$err)
	  or croak "no certificate: $err";
	chmod(0600, "$folder/key.pem");

	my $address = '127.0.0.1:' . PostgreSQL::Test::Cluster::get_free_port();
	$self->node($i)->append_conf('postgresql.conf', <<"CONF");
pg_quorum.listen_client_urls = 'http://@{[ $self->endpoint($i) ]},https://$address'
pg_quorum.cert_file = '$folder/cert.pem'
pg_quorum.key_file = '$folder/key.pem'
CONF
	$self->node($i)->restart;
	$self->agreed or croak "the members do not agree on a leader";
	$self->await_gateways;
	return $address;
}

# A fresh instance, started, with the extension and these settings besides.
sub make_member
{
	my ($self, $i, $conf) = @_;
	$self->node($i)->init(allows_streaming => 1, extra => [ '-A', 'trust' ]);
	$self->configure($i);
	$self->node($i)->append_conf('postgresql.conf', $conf) if defined $conf;
	$self->node($i)->start;
	$self->sql($i, 'CREATE EXTENSION pg_quorum');
	return;
}

# Call a function that changes the membership, until the members have been
# connected for long enough: a change is refused within five seconds of another.
sub change_members
{
	my ($self, $i, $call) = @_;
	my ($result, $message);
	$self->wait_until(
		$call,
		sub {
			my $rc = $self->node($i)->psql('postgres', "SELECT $call", stdout => \$result, stderr => \$message);
			return 1 if $rc == 0;
			croak "$call: $message" unless $message =~ /connected for long enough/;
			return 0;
		}) or croak "$call did not succeed: $message";
	return $result;
}

# Add members, and start instances that take their places; returns when they vote.
sub add_members
{
	my ($self, $through, @new) = @_;
	$self->change_members($through, "quorum.member_add('n$_', '" . $self->peer_conninfo($through, $_) . "')") for @new;
	$self->make_member($_, "pg_quorum.initial_cluster_state = existing\n") for @new;
	$self->{size} += @new;
	for my $i (@new)
	{
		$self->wait_until("n$i votes", sub {
				($self->try_sql($i, "SELECT NOT is_learner FROM quorum.members WHERE is_self") // '') eq 't' })
		  or croak "n$i did not become a voter";
	}
	return;
}

# Remove a member; its instance runs on.
sub remove_member
{
	my ($self, $through, $i) = @_;
	$self->change_members($through, "quorum.member_remove('n$i')");
	$self->{size}--;
	return;
}

# Start a member again.  After a kill its orphans need a moment to notice.
sub start_member
{
	my ($self, $i) = @_;
	my $deadline = time() + SOON;
	my $killed = delete $self->{killed}{$i};
	sleep(0.05) while $killed && kill(0, $killed) && time() < $deadline;
	until ($self->node($i)->start(fail_ok => 1))
	{
		croak "member n$i did not start again" if time() > $deadline;
		undef $self->node($i)->{_pid};
		sleep(0.2);
	}
	return;
}

sub stop
{
	my ($self, $mode) = @_;
	$self->node($_)->stop($mode // 'fast', fail_ok => 1) for $self->members;
	$self->stop_proxies;
	return;
}

sub is_running { return defined $_[0]->node($_[1])->{_pid} }
sub running    { my ($self) = @_; return grep { $self->is_running($_) } $self->members }

# ---------------------------------------------------------------------------
# Questions
# ---------------------------------------------------------------------------

# The result of a query; dies where it fails.
sub sql
{
	my ($self, $i, $query) = @_;
	my ($stdout, $stderr) = ('', '');
	$self->node($i)->psql('postgres', $query, stdout => \$stdout, stderr => \$stderr,
		on_error_die => 1, on_error_stop => 1, timeout => LONGEST);
	return $stdout;
}

# The same, undef where it fails, as it may while a member comes back.
sub try_sql
{
	my ($self, $i, $query) = @_;
	my ($stdout, $stderr);
	my $rc = eval {
		$self->node($i)->psql('postgres', $query, stdout => \$stdout, stderr => \$stderr, timeout => 20);
	};
	return defined $rc && $rc == 0 ? $stdout : undef;
}

# Run a query that must fail; returns its SQLSTATE and the whole message.
sub sql_error
{
	my ($self, $i, $query) = @_;
	my ($stdout, $stderr) = ('', '');
	$self->node($i)->psql('postgres', $query, stdout => \$stdout, stderr => \$stderr,
		extra_params => [ '-v', 'VERBOSITY=verbose' ], timeout => 60);
	my ($state) = $stderr =~ /(?:ERROR|FATAL):\s+([0-9A-Z]{5}):/;
	return ($state // '', $stderr);
}

sub wait_until
{
	my ($self, $what, $test, $limit) = @_;
	my $deadline = time() + ($limit // SOON);
	while (1)
	{
		my $result = $test->();
		return $result if $result;
		if (time() > $deadline)
		{
			diag("did not happen in time: $what");
			return undef;
		}
		sleep(0.05);
	}
}

# The number of the member that leads, once most of the running members agree
# that it does.  Dies if none is found in time.
sub leader
{
	my ($self, %args) = @_;
	my @among = $args{among} ? @{ $args{among} } : $self->running;
	my $leader = $self->wait_until(
		'election of a leader among ' . join(',', @among),
		sub {
			my %votes;
			my %leads;
			for my $i (@among)
			{
				my $row = $self->try_sql($i, 'SELECT role, term FROM quorum.status') // next;
				my ($role, $term) = split(/\|/, $row);
				$leads{$i} = $term if $role eq 'leader';
				$votes{$term}++ if $role eq 'leader' || $role eq 'follower';
			}
			for my $i (keys %leads)
			{
				return $i if $votes{ $leads{$i} } * 2 > $self->{size};
			}
			return 0;
		},
		$args{timeout});
	croak "no leader" unless $leader;
	return $leader;
}

# Wait until every running member names the same leader in the same term.
sub agreed
{
	my ($self) = @_;
	return $self->wait_until(
		'agreement on a leader',
		sub {
			my %said;
			$said{ $self->try_sql($_, 'SELECT term, leader FROM quorum.status WHERE leader IS NOT NULL') // '' }++
			  for $self->running;
			return keys %said == 1 && !exists $said{''};
		});
}

sub followers
{
	my ($self) = @_;
	my $leader = $self->leader;
	return grep { $_ != $leader } $self->running;
}

# The same when not all members count.
sub followers_among
{
	my ($self, @among) = @_;
	my $leader = $self->leader(among => \@among);
	return grep { $_ != $leader } @among;
}

sub worker_pid
{
	my ($self, $i, $type) = @_;
	return $self->try_sql($i, "SELECT pid FROM pg_stat_activity WHERE backend_type = '$type'");
}

# Do all running members say the same of the store, as of one revision?  Writes
# may go on.  Returns '' or what is wrong.
sub differences
{
	my ($self, @among) = @_;
	@among = $self->running unless @among;
	my %hash;
	my $same = $self->wait_until(
		'equal hashes',
		sub {
			my $revision;
			%hash = ();
			for my $i (@among)
			{
				$revision //= $self->try_sql($i, 'SELECT quorum.read_barrier() \\g /dev/null' . "\nSELECT quorum.revision()");
				return 0 unless defined $revision;
				$hash{$i} = $self->try_sql($i,
					'SELECT quorum.read_barrier() \\g /dev/null' . "\nSELECT hash, compacted_revision FROM quorum.hash_kv($revision)");
				return 0 unless defined $hash{$i};
			}
			my ($first) = values %hash;
			return !grep { $_ ne $first } values %hash;
		},
		40);
	return '' if $same;
	return join(', ', map { "n$_: " . ($hash{$_} // 'no answer') } @among);
}

# What quorum.check() finds on any running member, '' if all is sound.
sub findings
{
	my ($self, @among) = @_;
	@among = $self->running unless @among;
	return join("\n", grep { $_ ne '' }
		  map { my $i = $_; my $rows = $self->sql($i, 'SELECT * FROM quorum.check()'); $rows eq '' ? '' : "n$i: $rows" } @among);
}

# ---------------------------------------------------------------------------
# Sessions that stay open
# ---------------------------------------------------------------------------

# A psql that reads what it is sent; ends with the test or by close_session.
sub session
{
	my ($self, $i) = @_;
	my $session = { in => '', out => '' };
	$session->{run} = IPC::Run::start(
		[ 'psql', '-X', '-q', '-A', '-t', '-d', $self->conninfo($i) ],
		'<', \$session->{in}, '>', \$session->{out}, '2>&1',
		IPC::Run::timeout(300));
	push @{ $self->{sessions} }, $session;
	return $session;
}

sub send_to { my ($self, $session, $text) = @_; $session->{in} .= "$text\n"; $session->{run}->pump_nb; return }

# Wait for words in what a session says; true if they came.
sub hear
{
	my ($self, $session, $words, $limit) = @_;
	my $heard = $self->wait_until("words $words", sub { $session->{run}->pump_nb; $session->{out} =~ $words }, $limit);
	diag($session->{out}) unless $heard;
	return $heard ? 1 : 0;
}

sub close_session { my ($self, $session) = @_; $session->{run}->kill_kill(grace => 1); return }

# ---------------------------------------------------------------------------
# Faults
# ---------------------------------------------------------------------------

# kill -9 of a member's postmaster; its children end as soon as they notice.
sub kill_postmaster
{
	my ($self, $i) = @_;
	$self->{killed}{$i} = $self->node($i)->{_pid};
	$self->node($i)->kill9;
	return;
}

sub stop_immediately { my ($self, $i) = @_; $self->node($i)->stop('immediate'); return }

# kill -9 of one worker: PostgreSQL then restarts all of the member's processes.
sub kill_worker
{
	my ($self, $i, $type) = @_;
	my $pid = $self->worker_pid($i, $type);
	croak "member n$i has no worker \"$type\"" unless $pid;
	kill('KILL', $pid);
	return $pid;
}

# Wait until a worker runs under another pid than before.
sub worker_came_back
{
	my ($self, $i, $type, $old) = @_;
	return $self->wait_until("restart of $type on n$i",
		sub { my $pid = $self->worker_pid($i, $type); return $pid && $pid ne $old });
}

# ---------------------------------------------------------------------------
# Links
# ---------------------------------------------------------------------------

sub start_proxies
{
	my ($self) = @_;
	my @specs;
	for my $from ($self->members)
	{
		for my $to (grep { $_ != $from } $self->members)
		{
			my $port = PostgreSQL::Test::Cluster::get_free_port();
			$self->{link}{"$from>$to"} = $port;
			push @specs, "$from>$to:$port:" . $self->port($to);
		}
	}
	$self->{proxy_pid} = open2($self->{proxy_out}, $self->{proxy_in}, "$tools/proxy", @specs);
	my $line = readline($self->{proxy_out});
	croak "the links did not come up" unless defined $line && $line eq "ok\n";
	return;
}

sub stop_proxies
{
	my ($self) = @_;
	return unless $self->{proxy_pid};
	close($self->{proxy_in});
	waitpid($self->{proxy_pid}, 0);
	delete $self->{proxy_pid};
	return;
}

# Set a directed link, or all links of a member in both directions with '*'.
sub set_links
{
	my ($self, $mode, @links) = @_;
	for my $link (@links)
	{
		my $in = $self->{proxy_in};
		print $in "$link $mode\n";
		$in->flush;
		my $line = readline($self->{proxy_out});
		croak "the links are gone" unless defined $line;
	}
	return;
}

# All links by which two groups of members talk, one direction or both.
sub links_from
{
	my ($self, $from, $to) = @_;
	return map { my $a = $_; map { "$a>$_" } grep { $_ != $a } @$to } @$from;
}

sub links_between
{
	my ($self, $left, $right) = @_;
	return ($self->links_from($left, $right), $self->links_from($right, $left));
}

sub heal { my ($self) = @_; $self->set_links('pass', sort keys %{ $self->{link} }); return }

# ---------------------------------------------------------------------------
# Load
# ---------------------------------------------------------------------------

sub history_file { my ($self, $name) = @_; return "$PostgreSQL::Test::Utils::tmp_check/$self->{name}_$name.tsv" }

# Start clients against all members; ends by stop_load or after its time.
sub start_load
{
	my ($self, %args) = @_;
	croak "a load runs already" if $self->{load_pid};
	my $number = ++$self->{loads};
	my $file   = $self->history_file("load$number");
	my $log    = "$file.log";
	my $clients = $args{clients} // 2 * $self->{count};
	my @command = (
		"$tools/load",
		(map { ('--member', "n$_=" . $self->conninfo($_)) } @{ $args{members} // [ $self->members ] }),
		'--history', $file, '--clients', $clients,
		'--first',   $self->{clients},
		'--prefix',  "load$number/",
		'--keys',     $args{keys}     // 8,
		'--duration', $args{duration} // 120,
		'--rate',     $args{rate}     // 40,
		'--seed', $args{seed} // $number);
	push @command, '--mix', $args{mix} if $args{mix};
	$self->{clients} += $clients;
	my $pid = fork() // croak "could not fork: $!";
	if ($pid == 0)
	{
		open(STDIN,  '<', '/dev/null');
		open(STDOUT, '>', $log);
		open(STDERR, '>&', \*STDOUT);
		exec(@command) or POSIX::_exit(127);
	}
	$self->{load_pid} = $pid;
	$self->{load} = { number => $number, file => $file, log => $log };
	return $self->{load};
}

# End the load; returns its counters.
sub stop_load
{
	my ($self) = @_;
	my $pid = delete $self->{load_pid} // croak "no load runs";
	my $load = delete $self->{load};
	kill('TERM', $pid);
	my $deadline = time() + 60;
	while (waitpid($pid, WNOHANG) == 0)
	{
		if (time() > $deadline)
		{
			kill('KILL', $pid);
			waitpid($pid, 0);
			croak "the load did not end";
		}
		sleep(0.05);
	}
	my $status = $?;
	my $words  = slurp_file($load->{log});
	croak "the load failed: $words" if $status != 0;
	my %counter = $words =~ /^(\w+)=(\d+)$/mg;
	$load->{counter} = \%counter;
	return $load;
}

# Append every member's own account of the changes and judge the history.
# Returns '' or what is wrong.
sub judge
{
	my ($self, $load) = @_;
	my @running = $self->running;
	my ($out, $err);
	my @tell = (
		"$tools/load",
		(map { ('--member', "n$_=" . $self->conninfo($_)) } @running),
		'--history', $load->{file}, '--prefix', "load$load->{number}/", '--tell');
	run_for(LONGEST, \@tell, \$out, \$err)
	  or return "the members did not tell their changes: $err";
	run_for(LONGEST, [ "$tools/linearize", '--complete', scalar @running, $load->{file} ], \$out, \$err)
	  or return "$out$err";
	return '';
}

# Run a program for some seconds at most; false, with a word in $$err, if it fails or
# does not end in time.
sub run_for
{
	my ($limit, $command, $out, $err) = @_;
	my $done = eval { IPC::Run::run($command, '>', $out, '2>', $err, IPC::Run::timeout($limit)) };
	$$err .= "$command->[0]: $@" if $@;
	return $done;
}

# Run $faults while clients work, then demand what must hold after any fault:
# a leader, progress, equal members, sound pages, a linearizable history in
# which nothing acknowledged is missing.  Makes six tests.
sub under_load
{
	my ($self, $name, $faults, %args) = @_;
	my $load = $self->start_load(%args);
	$self->await_answers($load, 20);
	$faults->();
	my $leader = eval { $self->leader };
	ok($leader, "$name: the cluster has a leader");
	$self->await_more_answers($load);
	$load = $self->stop_load;
	my $counter = $load->{counter};
	note("$name: ", join(', ', map { "$_=$counter->{$_}" } sort keys %$counter));
	my $expected = join('|', qw(08007 57P03 57P01 57P02 57014 55000 lost 53300), @{ $args{expect} // [] });
	my @odd = grep { /^state_/ && !/^state_(?:$expected)$/ } sort keys %$counter;
	is(join(' ', map { "$_=$counter->{$_}" } @odd), '', "$name: no call hung or failed in an odd way");
	is($self->differences, '', "$name: all members are equal");
	is($self->findings,    '', "$name: all pages are sound");
	is($self->judge($load), '', "$name: the history is linearizable and complete");
	return $load;
}

# Count the answered calls in a history that is being written.  The writer
# buffers, so this lags.
sub answered
{
	my ($self, $load) = @_;
	return -e $load->{file} ? -s $load->{file} : 0;
}

# The load works: wait until it has got something done.
sub await_answers
{
	my ($self, $load, $limit) = @_;
	return $self->wait_until('answers to the load', sub { $self->answered($load) > 0 }, $limit);
}

# And works still: a whole buffer more, after now.
sub await_more_answers
{
	my ($self, $load) = @_;
	my $now = $self->answered($load);
	my $sql = $self->wait_until(
		'writes after the fault',
		sub {
			!grep { !defined $self->try_sql($_, "SELECT quorum.put('after', '$now')") } $self->running;
		});
	ok($sql, 'writes work on every member');
	$self->wait_until('more answers to the load', sub { $self->answered($load) > $now }, 20);
	return;
}

# Nanoseconds of the clock that histories use.
sub now_ns { return int(clock_gettime(CLOCK_MONOTONIC) * 1e9) }

# The first write that was made after a moment and answered well: when it was
# answered, in ns.  Reads the history of a load that has ended.
sub first_write_after
{
	my ($self, $load, $moment) = @_;
	my $first;
	open(my $fh, '<', $load->{file}) or croak "no history: $!";
	while (<$fh>)
	{
		my ($type, undef, undef, $kind, undef, $invoked, $returned, $outcome) = split(/\t/);
		next if $type ne 'O' || $kind ne 'put' || $outcome ne 'ok' || $invoked < $moment;
		$first = $returned if !defined $first || $returned < $first;
	}
	close($fh);
	return $first;
}

sub DESTROY
{
	my ($self) = @_;
	local ($?, $!, $@);
	if ($self->{load_pid})
	{
		kill('KILL', $self->{load_pid});
		waitpid($self->{load_pid}, 0);
	}
	$_->{run}->kill_kill(grace => 1) for @{ $self->{sessions} // [] };
	$self->stop_proxies;
	return;
}

1;
