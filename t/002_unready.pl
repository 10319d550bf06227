# Calls in places where the store cannot work: each a clear error.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/002_unready.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use QuorumCluster;
use Test::More;
use Time::HiRes qw(sleep time);

my $cluster = QuorumCluster->new('unready', conf => "pg_quorum.request_timeout = '2s'");
$cluster->start;
$cluster->sql(1, "SELECT quorum.put('a', '1')");
my ($state, $message);

# A read-only transaction.
($state) = $cluster->sql_error(1, "BEGIN READ ONLY; SELECT quorum.put('a', '2')");
is($state, '25006', 'no put in a read-only transaction');
is($cluster->sql(1, "BEGIN READ ONLY; SELECT quorum.get('a')"), 1, 'but a get');

# A standby of a member.
$cluster->node(1)->backup('standby');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($cluster->node(1), 'standby', has_streaming => 1);
$standby->append_conf('postgresql.conf', "listen_addresses = ''");
$standby->start;
$standby->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_extension WHERE extname = 'pg_quorum'");
my ($stdout, $stderr);
$standby->psql('postgres', "SELECT quorum.put('a', '3')", stderr => \$stderr, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
like($stderr, qr/ERROR:\s+25006/, 'no put on a standby');
$standby->stop;

# No quorum: a clear answer in time, and this member's state for who asks for it.
my $leader = $cluster->leader;
my @others = grep { $_ != $leader } $cluster->members;
$cluster->node($_)->stop('fast') for @others;
my $from = time();
($state, $message) = $cluster->sql_error($leader, "SELECT quorum.put('a', '4')");
like($state, qr/^(?:57P03|08007)$/, 'a put without a quorum fails');
cmp_ok(time() - $from, '<', 10, 'in time');
$cluster->wait_until('end of the leadership',
	sub { $cluster->sql($leader, 'SELECT role FROM quorum.status') ne 'leader' });
isnt($cluster->sql($leader, 'SELECT role FROM quorum.status'), 'leader', 'a leader without a quorum steps down');
($state, $message) = $cluster->sql_error($leader, "SELECT quorum.put('a', '5')");
is($state, '57P03', 'a put without a leader is certainly not done');
like($message, qr/HINT|DETAIL/, 'and the message says more');
($state) = $cluster->sql_error($leader, "SELECT quorum.get('a')");
is($state, '57P03', 'a linearizable get neither');
is($cluster->sql($leader, "SELECT quorum.get('a', serializable => true)"), 1, 'a serializable get works');

# A wait ends when it is cancelled.
$from = time();
($state) = $cluster->sql_error($leader, "SET pg_quorum.request_timeout = '60s'; SET statement_timeout = '1s'; SELECT quorum.put('a', '6')");
is($state, '57014', 'a put that waits is cancelled');
cmp_ok(time() - $from, '<', 10, 'at once');

$cluster->start_member($_) for @others;
$cluster->leader;
my $value = $cluster->sql(1, "SELECT quorum.get('a')");
like($value, qr/^[14]$/, 'what was certainly not done was not done');
is($cluster->differences, '', 'all members are equal');
$cluster->stop;

# Without the library preloaded.
my $plain = PostgreSQL::Test::Cluster->new('plain');
$plain->init;
$plain->start;
$plain->psql('postgres', "CREATE EXTENSION pg_quorum; SELECT quorum.put('a', '1')",
	stderr => \$stderr, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
like($stderr, qr/ERROR:\s+55000.*shared_preload_libraries/s, 'without preload all is refused with a hint');
unlike($stderr, qr/FATAL|PANIC|server closed/, 'and no more than that');
is($plain->safe_psql('postgres', 'SELECT 1'), 1, 'and the server lives');
$plain->stop;

# fsync = off forgets promises: such a member must not vote.
my $unsafe = PostgreSQL::Test::Cluster->new('unsafe');
$unsafe->init;
$unsafe->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_quorum'\nfsync = off\npg_quorum.request_timeout = '2s'");
$unsafe->start;
$unsafe->safe_psql('postgres', 'CREATE EXTENSION pg_quorum');
$unsafe->psql('postgres', "SELECT quorum.put('a', '1')", stderr => \$stderr, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
like($stderr, qr/ERROR:\s+(?:55000|57P03)/, 'fsync = off is refused');
like($unsafe->safe_psql('postgres', 'SELECT concat(quarantined, reason) FROM quorum.status'), qr/fsync/, 'and quorum.status says why');
$unsafe->stop;

# The database that is to hold the store is not there yet: the workers wait for it quietly.
my $early = PostgreSQL::Test::Cluster->new('early');
$early->init;
$early->append_conf('postgresql.conf',
	"shared_preload_libraries = 'pg_quorum'\nfsync = on\npg_quorum.database = 'later'\npg_quorum.request_timeout = '10s'");
$early->start;
$cluster->wait_until('the log to say so', sub { $early->log_contains(qr/database "later" does not exist/) });
sleep(4);
my $log = slurp_file($early->logfile);
is(scalar(() = $log =~ /database "later" does not exist/g), 1, 'a missing database is named once');
unlike($log, qr/FATAL|exited with exit code/, 'and no worker fails for it');
$early->safe_psql('postgres', 'CREATE DATABASE later');
$early->safe_psql('later', 'CREATE EXTENSION pg_quorum');
is($early->safe_psql('later', "SELECT quorum.put('a', '1')"), 2, 'once it is there, the member is');
$early->safe_psql('postgres', 'DROP DATABASE later');
my $size = -s $early->logfile;
sleep(4);
unlike(substr(slurp_file($early->logfile), $size), qr/FATAL/, 'and they wait again when it was dropped');
$early->stop;

done_testing();
