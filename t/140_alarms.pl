# Alarms: a quota that is reached and the way out of it, a disk that runs full,
# a member whose contents differ.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/140_alarms.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use QuorumCluster;
use Test::More;

my $cluster = QuorumCluster->new('alarms', members => 3)->start;
my $leader = $cluster->leader;
my ($follower) = $cluster->followers;

sub set_on
{
	my ($i, $setting, $value) = @_;
	$cluster->sql($i, "ALTER SYSTEM SET $setting = $value");
	$cluster->sql($i, 'SELECT pg_reload_conf()');
	return;
}

# NOSPACE: only one member has the quota, and all refuse
$cluster->sql($leader, q{SELECT quorum.put('keep', 'kept')});
set_on($follower, 'pg_quorum.quota_bytes', "'1MB'");
my $written = 0;
my ($state, $message) = ('', '');
while ($written < 40)
{
	($state, $message) = $cluster->sql_error($follower,
		"SELECT count(quorum.put('fill/$written/' || i, repeat('x', 1000))) FROM generate_series(1, 100) AS i");
	last if $state ne '';
	$written++;
}
is($state, '53100', 'a write over the quota is refused');
like($message, qr/alarm_disarm/, 'with a hint at the way out');
cmp_ok($written, '>=', 4, 'not before the store has grown');
is($cluster->sql($follower, 'SELECT name, alarm FROM quorum.alarms'),
	"n$follower|NOSPACE", 'the alarm names the member');
($state) = $cluster->sql_error($leader, q{SELECT quorum.put('more', 'x')});
is($state, '53100', 'a member without a quota refuses too');
is($cluster->sql($leader, q{SELECT quorum.get('keep')}), 'kept', 'reads go on');

# disarming before anything was done about it does not last
$cluster->sql($leader, 'SELECT quorum.alarm_disarm()') for 1 .. 2;
$cluster->sql_error($follower, q{SELECT quorum.put('more', repeat('x', 200000))});
ok($cluster->wait_until('the alarm comes back',
		sub { $cluster->sql($follower, 'SELECT alarms FROM quorum.status') eq '{NOSPACE}' }),
	'an alarm whose cause remains comes back');

# delete, compact, disarm, write
$cluster->sql($leader, q{SELECT quorum.delete('fill/', prefix => true)});
$cluster->sql($leader, 'SELECT quorum.compact(quorum.revision(), physical => true)');
ok($cluster->wait_until('free space',
		sub { $cluster->sql($follower, 'SELECT size_in_use < 300000 FROM quorum.status') eq 't' }),
	'compaction gives the space back');
is($cluster->sql($leader, "SELECT quorum.alarm_disarm('n$follower', 'NOSPACE')"), '1', 'the alarm is disarmed');
is($cluster->sql($follower, q{SELECT quorum.put('more', 'x') > 0}), 't', 'and writes are possible again');
my $size = $cluster->sql($follower, 'SELECT size FROM quorum.status');
$cluster->sql($follower, q{SELECT count(quorum.put('again/' || i, repeat('x', 1000))) FROM generate_series(1, 400) AS i});
is($cluster->sql($follower, 'SELECT size FROM quorum.status'), $size, 'in the space that was given back');
set_on($follower, 'pg_quorum.quota_bytes', '0');

# A reserve that no disk has: the member raises the alarm by itself
set_on($follower, 'pg_quorum.disk_reserve', "'1000TB'");
ok($cluster->wait_until('alarm about the disk',
		sub { $cluster->sql($leader, 'SELECT name, alarm FROM quorum.alarms') eq "n$follower|NOSPACE" }),
	'a disk that is nearly full raises the alarm');
($state, $message) = $cluster->sql_error($follower, q{SELECT quorum.put('more', 'x')});
is($state, '53100', 'and writes are refused');
like($message, qr/disk/, 'the member says that it is the disk');
set_on($follower, 'pg_quorum.disk_reserve', '0');
ok($cluster->wait_until('disarmed for good',
		sub {
			$cluster->sql($leader, 'SELECT quorum.alarm_disarm()');
			$cluster->sql($leader, q{SELECT pg_sleep(1.5)});
			$cluster->sql($leader, 'SELECT count(*) FROM quorum.alarms') eq '0';
		}),
	'with the reserve back, disarming lasts');

# CORRUPT: one member's value changes on its disk
set_on($_, 'pg_quorum.corrupt_check_interval', "'1s'") for $cluster->members;
$cluster->sql($leader, q{SELECT quorum.put('victim', 'the-true-value')});
sleep(4);
is($cluster->sql($leader, 'SELECT count(*) FROM quorum.alarms'), '0', 'equal members raise no alarm');
is($cluster->differences, '', 'all members are equal');

my $node = $cluster->node($follower);
my $file = $node->data_dir . '/' . $cluster->sql($follower, q{SELECT pg_relation_filepath('quorum.mvcc')});
$cluster->sql($follower, 'CHECKPOINT');
$node->stop;
my $content = slurp_file($file);
my $count = ($content =~ s/the-true-value/the-lies-value/g);
cmp_ok($count, '>=', 1, 'the value is on the disk');
open(my $fh, '>:raw', $file) or die "could not open $file: $!";
print $fh $content;
close($fh) or die "could not write $file: $!";
$cluster->start_member($follower);
ok($cluster->wait_until('alarm about the contents',
		sub { ($cluster->try_sql($leader, 'SELECT name, alarm FROM quorum.alarms') // '') eq "n$follower|CORRUPT" }, 60),
	'the member that differs is named');
for my $i ($cluster->members)
{
	ok($cluster->wait_until("alarm on n$i",
			sub { ($cluster->try_sql($i, 'SELECT alarms FROM quorum.status') // '') eq '{CORRUPT}' }), "n$i knows");
}
($state) = $cluster->sql_error($leader, q{SELECT quorum.get('victim')});
is($state, 'XX001', 'reads are refused');
($state) = $cluster->sql_error($leader, q{SELECT quorum.put('victim', 'x')});
is($state, 'XX001', 'writes are refused');
is($cluster->sql($leader, q{SELECT hash IS NOT NULL FROM quorum.hash_kv()}), 't', 'hashes can still be compared');
like(slurp_file($cluster->node($leader)->logfile),
	qr/member "n$follower" has stored other contents than the majority/, 'the log says why');

# the way out: write the key anew everywhere, and disarm
set_on($_, 'pg_quorum.corrupt_check_interval', '0') for $cluster->members;
$cluster->sql($leader, 'SELECT quorum.alarm_disarm()');
$cluster->sql($leader, q{SELECT quorum.put('victim', 'new')});
$cluster->sql($leader, 'SELECT quorum.compact(quorum.revision(), physical => true)');
is($cluster->differences, '', 'members are equal again');
set_on($_, 'pg_quorum.corrupt_check_interval', "'1s'") for $cluster->members;
sleep(4);
is($cluster->sql($leader, 'SELECT count(*) FROM quorum.alarms'), '0', 'and no alarm is raised any more');

# Statistics of a cluster that has done something
$leader = $cluster->leader;
is($cluster->sql($leader, 'SELECT count(*) FROM quorum.pg_stat_quorum_peers WHERE rtt > 0 AND bytes_sent > 0 AND messages_received > 0 AND connects > 0'),
	'2', 'the leader has numbers of both others');
is($cluster->sql($leader, 'SELECT bytes_sent > 0 AND bytes_received > 0 AND fsyncs > 0 AND fsync_time > 0 AND applies > 0 FROM quorum.pg_stat_quorum'),
	't', 'and of itself');
my ($other) = grep { $_ != $leader } $cluster->members;
$cluster->sql($other, q{SELECT quorum.stat_reset()});
$cluster->sql($other, q{SELECT quorum.put('counted', 'x')});
is($cluster->sql($other, 'SELECT proposals, proposals_forwarded FROM quorum.pg_stat_quorum'), '1|1',
	'a follower forwards its proposals');

# A leader that cannot read a page of its own is judged like any other member
set_on($_, 'pg_quorum.corrupt_check_interval', '0') for $cluster->members;
$cluster->sql($leader, q{SELECT count(quorum.put('cold/' || i, repeat('a-page-to-lose ', 20))) FROM generate_series(1, 1000) AS i});
is($cluster->differences, '', 'members are equal before the damage');
my $victim = $cluster->leader;
$node = $cluster->node($victim);
$file = $node->data_dir . '/' . $cluster->sql($victim, q{SELECT pg_relation_filepath('quorum.mvcc')});
$cluster->sql($victim, 'CHECKPOINT');
$node->stop;
$content = slurp_file($file);
my @pages = grep { (() = substr($content, $_ * 8192, 8192) =~ /a-page-to-lose/g) > 100 } 1 .. length($content) / 8192 - 1;
cmp_ok(scalar @pages, '>', 10, 'there are leaves of cold keys');
substr($content, $pages[5] * 8192, 24) = "\xff" x 24;
open($fh, '>:raw', $file) or die "could not open $file: $!";
print $fh $content;
close($fh) or die "could not write $file: $!";
$cluster->start_member($victim);
ok($cluster->wait_until("n$victim leads",
		sub {
			my $now = $cluster->leader // return 0;
			return 1 if $now == $victim;
			$cluster->try_sql($now, "SELECT quorum.move_leader('n$victim')");
			return 0;
		}),
	'the member with the damaged page leads');
set_on($_, 'pg_quorum.corrupt_check_interval', "'1s'") for $cluster->members;
my ($witness) = grep { $_ != $victim } $cluster->members;
ok($cluster->wait_until('alarm about the page',
		sub { ($cluster->try_sql($witness, 'SELECT name, alarm FROM quorum.alarms') // '') eq "n$victim|CORRUPT" }, 60),
	'the leader that cannot read a page is named');

$cluster->stop;
done_testing();
