# Automatic compaction by time: on whoever leads, and nothing at rest.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/141_autocompact.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use QuorumCluster;
use Test::More;

my $cluster = QuorumCluster->new('autocompact', members => 3, conf => <<'CONF')->start;
pg_quorum.auto_compaction_mode = periodic
pg_quorum.auto_compaction_retention = '3s'
CONF
my $leader = $cluster->leader;

sub revision { return $cluster->sql($_[0], 'SELECT revision FROM quorum.status') }
sub compacted { return $cluster->try_sql($_[0], 'SELECT compacted_revision FROM quorum.status') // -1 }

# What was written goes after the retention, and not before.
$cluster->sql($leader, q{SELECT count(quorum.put('a', i::text)) FROM generate_series(1, 50) AS i});
my $revision = revision($leader);
my $written  = time();
ok(compacted($leader) < $revision, 'nothing is compacted at once');
ok($cluster->wait_until('compaction', sub { compacted($leader) == $revision }, 20), 'it is after the retention');
cmp_ok(time() - $written, '>=', 2, 'not before');
is($cluster->sql($leader, q{SELECT quorum.get('a')}), '50', 'the newest version stays');
for my $i ($cluster->members)
{
	ok($cluster->wait_until("n$i", sub { compacted($i) == $revision }), "compacted on n$i");
}

# At rest nothing goes through the log.
my $index = $cluster->sql($leader, 'SELECT commit_index FROM quorum.status');
sleep(5);
is($cluster->sql($leader, 'SELECT commit_index FROM quorum.status'), $index, 'nothing happens at rest');

# Another leader goes on, with what it has noted itself.
$cluster->sql($leader, q{SELECT count(quorum.put('b', i::text)) FROM generate_series(1, 50) AS i});
$revision = revision($leader);
sleep(1);
$cluster->node($leader)->stop('fast');
my $next = $cluster->leader;
isnt($next, $leader, 'another member leads');
ok($cluster->wait_until('compaction by the next leader', sub { compacted($next) >= $revision }, 20),
	'the next leader compacts');
$cluster->start_member($leader);
ok($cluster->wait_until('catching up', sub { compacted($leader) >= $revision }, 20), 'and the other follows');

# Off means off.
for my $i ($cluster->members)
{
	$cluster->sql($i, q{ALTER SYSTEM SET pg_quorum.auto_compaction_retention = '0'});
	$cluster->sql($i, 'SELECT pg_reload_conf()');
}
$leader = $cluster->leader;
my $before = compacted($leader);
$cluster->sql($leader, q{SELECT count(quorum.put('c', i::text)) FROM generate_series(1, 50) AS i});
sleep(6);
is(compacted($leader), $before, 'without a retention nothing is compacted');
is($cluster->differences, '', 'all members are equal');

$cluster->stop;
done_testing();
