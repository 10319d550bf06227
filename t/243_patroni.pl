# Patroni 3.0 with "etcd3:" at our gateways: two PostgreSQL nodes are bootstrapped,
# replicate, are switched over, and fail over when the primary is killed; and once more
# while a member of ours is dead, the leader.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/243_patroni.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Etcd qw(etcdctl);
use File::Temp 'tempdir';
use HTTP::Tiny;
use IPC::Run;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use QuorumCluster;
use Test::More;
use Time::HiRes qw(sleep time);

for my $program (qw(/usr/bin/patroni /usr/bin/patronictl))
{
	-x $program or BAIL_OUT("$program is missing: run scripts/install-deps");
}

my $cluster = QuorumCluster->new('patroni', gateway => 1)->start;
my $folder  = tempdir('pgq_patroni_XXXXXX', TMPDIR => 1);
my $bindir  = (split(/\n/, `pg_config --bindir`))[0];
my $http    = HTTP::Tiny->new(timeout => 10);

# How long Patroni may take for what it does within seconds when nothing else is busy.
use constant LIMIT => 120;

# ---------------------------------------------------------------------------
# Nodes
# ---------------------------------------------------------------------------

my %node;
for my $name (qw(p1 p2))
{
	$node{$name} = {
		data => "$folder/$name",
		port => PostgreSQL::Test::Cluster::get_free_port(),
		rest => PostgreSQL::Test::Cluster::get_free_port() };
}

sub write_configuration
{
	my ($name) = @_;
	my $node = $node{$name};
	my $user = $cluster->superuser;
	open(my $file, '>', "$folder/$name.yml") or die "could not write: $!";
	# ttl must be at least loop_wait and twice retry_timeout
	print $file <<"YAML";
scope: demo
name: $name
restapi:
  listen: 127.0.0.1:$node->{rest}
  connect_address: 127.0.0.1:$node->{rest}
etcd3:
  hosts: @{[ join(',', map { $cluster->endpoint($_) } $cluster->members) ]}
bootstrap:
  dcs:
    ttl: 15
    loop_wait: 2
    retry_timeout: 6
    maximum_lag_on_failover: 10000000
    postgresql:
      use_pg_rewind: true
      parameters:
        wal_log_hints: 'on'
        max_connections: 20
        shared_buffers: 16MB
  initdb:
  - auth: trust
  - no-sync
postgresql:
  listen: 127.0.0.1:$node->{port}
  connect_address: 127.0.0.1:$node->{port}
  data_dir: $node->{data}
  bin_dir: $bindir
  pgpass: $folder/$name.pgpass
  remove_data_directory_on_rewind_failure: true
  remove_data_directory_on_diverged_timelines: true
  authentication:
    superuser:
      username: $user
    replication:
      username: replicator
  parameters:
    unix_socket_directories: ''
    fsync: 'off'
  pg_hba:
  - host all all 127.0.0.1/32 trust
  - host replication all 127.0.0.1/32 trust
YAML
	close($file);
	return;
}

sub start_node
{
	my ($name) = @_;
	$node{$name}{run} = IPC::Run::start([ '/usr/bin/patroni', "$folder/$name.yml" ],
		'<', \undef, '>>', "$folder/$name.log", '2>&1');
	return;
}

sub postmaster_pid
{
	my ($name) = @_;
	open(my $file, '<', "$node{$name}{data}/postmaster.pid") or return undef;
	my $pid = <$file>;
	return defined $pid && $pid =~ /^(\d+)/ ? $1 : undef;
}

# As if its machine had died: Patroni and its postmaster at once.
sub kill_node
{
	my ($name) = @_;
	my $postmaster = postmaster_pid($name);
	$node{$name}{run}->signal('KILL');
	kill('KILL', $postmaster) if $postmaster;
	$node{$name}{run}->finish;
	delete $node{$name}{run};
	return;
}

sub stop_nodes
{
	for my $name (sort keys %node)
	{
		my $run = delete $node{$name}{run};
		if ($run)
		{
			eval { $run->signal('TERM') };
			my $deadline = time() + 60;
			sleep(0.1) while postmaster_pid($name) && time() < $deadline;
			$run->kill_kill(grace => 5);
		}
		system("$bindir/pg_ctl", '-D', $node{$name}{data}, '-m', 'immediate', '-s', 'stop') if postmaster_pid($name);
	}
	return;
}

END
{
	my $status = $?;
	stop_nodes();
	$? = $status;
}

# ---------------------------------------------------------------------------
# Questions
# ---------------------------------------------------------------------------

# What Patroni says of its cluster: name to {role, state, lag, timeline}.
sub state_of
{
	for my $name (grep { $node{$_}{run} } sort keys %node)
	{
		my $answer = $http->get("http://127.0.0.1:$node{$name}{rest}/cluster");
		next unless $answer->{success};
		my $told = eval { decode_json($answer->{content}) } or next;
		return { map { $_->{name} => $_ } @{ $told->{members} } };
	}
	return {};
}

sub await
{
	my ($what, $condition) = @_;
	my $started = time();
	my $done = $cluster->wait_until($what, $condition, LIMIT);
	ok($done, $what) or show_logs();
	note(sprintf('%s: %.1f s', $what, time() - $started));
	return $done;
}

sub show_logs
{
	for my $name (sort keys %node) { diag("$name: ", (slurp_file("$folder/$name.log") // '') =~ s/.*(?=(?:.*\n){30}\z)//sr) }
	return;
}

sub leads
{
	my ($name) = @_;
	my $member = state_of()->{$name} // return 0;
	return $member->{role} eq 'leader' && $member->{state} eq 'running';
}

sub replicates
{
	my ($name) = @_;
	my $state  = state_of();
	my $member = $state->{$name} // return 0;
	my ($leader) = grep { $_->{role} eq 'leader' } values %$state;
	return
		 $leader
	  && $member->{role} eq 'replica'
	  && $member->{state} =~ /^(?:running|streaming)$/
	  && ($member->{timeline} // 0) == ($leader->{timeline} // -1)
	  && (value($name, 'SELECT count(*) FROM pg_stat_wal_receiver') // 0) == 1;
}

# What a query gives on a node, undef if the node does not answer.
sub value
{
	my ($name, $query) = @_;
	my ($out, $err) = ('', '');
	my $done = eval {
		IPC::Run::run(
			[
				'psql', '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-d',
				"host=127.0.0.1 port=$node{$name}{port} dbname=postgres user=" . $cluster->superuser, '-c', $query ],
			'<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout(30));
	};
	chomp $out;
	return $done ? $out : undef;
}

# A row written on one node comes to the other.
sub rows_arrive
{
	my ($from, $to) = @_;
	ok(defined value($from, "INSERT INTO rows SELECT coalesce(max(n), 0) + 1 FROM rows"), "$from takes writes")
	  or return;
	my $rows = value($from, 'SELECT count(*) FROM rows');
	await("a row of $from comes to $to", sub { (value($to, 'SELECT count(*) FROM rows') // -1) == $rows });
	return $rows;
}

# ---------------------------------------------------------------------------
# Bootstrap, replication, switchover
# ---------------------------------------------------------------------------

write_configuration($_) for sort keys %node;
start_node('p1');
await('p1 is bootstrapped and leads', sub { leads('p1') });
start_node('p2');
await('p2 is cloned and replicates', sub { replicates('p2') });
ok(defined value('p1', 'CREATE TABLE rows (n int PRIMARY KEY)'), 'a table is made');
rows_arrive('p1', 'p2');

my $keys = etcdctl($cluster->endpoints, qw(get /service/demo/ --prefix --keys-only))->{out};
for my $key (qw(initialize config leader members/p1 members/p2))
{
	like($keys, qr{^/service/demo/\Q$key\E$}m, "Patroni's key $key is with us");
}
is($cluster->sql(1, "SELECT quorum.get('/service/demo/leader')"), 'p1', 'SQL shows who leads');

my ($out, $err) = ('', '');
IPC::Run::run([ '/usr/bin/patronictl', '-c', "$folder/p1.yml", qw(switchover --master p1 --candidate p2 --force demo) ],
	'<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout(LIMIT));
like($out, qr/Successfully switched over to "p2"/, 'patronictl switches over') or diag($out, $err);
await('p2 leads', sub { leads('p2') });
await('p1 replicates', sub { replicates('p1') });
my $rows = rows_arrive('p2', 'p1');

# ---------------------------------------------------------------------------
# The primary dies
# ---------------------------------------------------------------------------

kill_node('p2');
await('p1 leads when p2 was killed', sub { leads('p1') });
is(value('p1', 'SELECT count(*) FROM rows'), $rows, 'no row is lost');
start_node('p2');
await('p2 comes back as a replica', sub { replicates('p2') });
$rows = rows_arrive('p1', 'p2');

# ---------------------------------------------------------------------------
# The same while one of our members is dead: the one that led
# ---------------------------------------------------------------------------

my $leader = $cluster->leader;
$cluster->kill_postmaster($leader);
ok($cluster->leader, 'the others elect a leader');
# Patroni may need a round to find another gateway, but the primary stays the primary.
sleep(5);
ok(leads('p1') || do { sleep(5); leads('p1') }, 'the death of a member of ours demotes nobody') or show_logs();
is(value('p1', 'SELECT pg_is_in_recovery()'), 'f', 'the primary takes writes');
my $timeline = value('p1', 'SELECT timeline_id FROM pg_control_checkpoint()');
$rows = rows_arrive('p1', 'p2');

kill_node('p1');
await('p2 leads when p1 was killed', sub { leads('p2') });
is(value('p2', 'SELECT count(*) FROM rows'), $rows, 'no row is lost');
start_node('p1');
await('p1 comes back as a replica', sub { replicates('p1') });
rows_arrive('p2', 'p1');

$cluster->start_member($leader);
$cluster->agreed;
$cluster->await_gateways;
stop_nodes();
is($cluster->differences, '', 'all members are equal');
is($cluster->findings, '', 'all pages are sound');
$cluster->stop;
done_testing();
