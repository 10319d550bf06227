# Instances that join, may not join, or are removed while they are down.
#
# etcd's issue 20967: removed members came back.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/131_member_joining.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use QuorumCluster;
use Test::More;
use Time::HiRes qw(sleep time);

my $cluster = QuorumCluster->new('joining', members => 4, founders => 3)->start;
my $conninfo = "host=127.0.0.1 user=" . $cluster->superuser . " port=";

sub status_of { return $cluster->try_sql($_[0], "SELECT $_[1] FROM quorum.status") // '' }

# A state of the instance is reached, and it says this why.
sub says
{
	my ($i, $role, $reason, $what) = @_;
	$cluster->wait_until("$role on n$i", sub { status_of($i, 'role') eq $role && status_of($i, 'reason') =~ $reason });
	is(status_of($i, 'role'), $role, "$what: n$i is $role");
	like(status_of($i, 'reason'), $reason, "$what: and says why");
	return;
}

sub log_of { return slurp_file($cluster->node($_[0])->logfile) }

my ($leader, @followers) = ($cluster->leader, $cluster->followers);

# ---- instances that may not join

$cluster->make_member(4, "pg_quorum.initial_cluster_state = existing\n");
says(4, 'joining', qr/has no member "n4"/, 'not added');
is(($cluster->sql_error(4, "SELECT quorum.put('from', 'joining')"))[0], '55000', 'it takes no put');
$cluster->node(4)->stop('fast');
is($cluster->change_members($followers[0], "quorum.member_add('n4', '${conninfo}" . $cluster->port(4) . "') > 0"), 't', 'n4 is added');
is($cluster->sql($leader, "SELECT is_learner, state FROM quorum.members WHERE name = 'n4'"), 't|awaited', 'it is awaited');
is(($cluster->sql_error($leader, "SELECT quorum.member_add('n4', 'port=1')"))[0], '42710', 'not added twice');
is(($cluster->sql_error($leader, "SELECT quorum.member_add('n5', '${conninfo}" . $cluster->port(4) . "')"))[0], '42710', 'nor under another name');
is(($cluster->sql_error($leader, "SELECT quorum.member_promote('n4')"))[0], '55000', 'an awaited member gets no vote');
is(($cluster->sql_error($leader, "SELECT quorum.move_leader('n4')"))[0], '55000', 'nor does it lead');

$cluster->node(4)->append_conf('postgresql.conf', "pg_quorum.initial_cluster_token = 'other'");
$cluster->start_member(4);
says(4, 'joining', qr/another token/, 'wrong token');
$cluster->node(4)->stop('fast');
my @said = log_of(4) =~ /not taken into the cluster/g;
is(scalar @said, 2, 'its log has one line for each start');
unlike(log_of($leader), qr/has no member|another token/, 'and that of a member none');
$cluster->node(4)->append_conf('postgresql.conf', "pg_quorum.initial_cluster_token = 'pg-quorum'");
$cluster->start_member(4);
ok($cluster->wait_until('n4 votes', sub { ($cluster->try_sql(4, 'SELECT NOT is_learner FROM quorum.members WHERE is_self') // '') eq 't' }),
	'with the right token it joins, and is made a voter');
$cluster->{size} = 4;
is($cluster->differences, '', 'and is equal');
my $term = status_of($leader, 'term');

# ---- removed while it was down: it does not come back

my ($victim) = grep { $_ != $leader } $cluster->followers;
$cluster->node($victim)->stop('fast');
$cluster->remove_member($leader, $victim);
$cluster->start_member($victim);
says($victim, 'removed', qr/removed from the cluster/, 'removed while it was down');
is(($cluster->sql_error($victim, "SELECT quorum.put('from', 'removed')"))[0], '55000', 'it takes no put');
$cluster->node($victim)->restart;
says($victim, 'removed', qr/removed from the cluster/, 'started again');
sleep(2.5);
is(status_of($leader, 'term'), $term, 'it disturbed nobody: the term is the same');
is(status_of($leader, 'role'), 'leader', 'and so is the leader');

# the same instance, wiped, with the settings of a founder
$cluster->node($victim)->stop('fast');
$cluster->node($victim)->clean_node;
$cluster->{nodes}[ $victim - 1 ] = PostgreSQL::Test::Cluster->new("joining_wiped");
$cluster->make_member($victim);
says($victim, 'removed', qr/removed from the cluster/, 'founded anew under its old id');
is(status_of($leader, 'term'), $term, 'that disturbed nobody either');

# and added again: by one call it is back
$cluster->change_members($leader, "quorum.member_add('n$victim', '${conninfo}" . $cluster->port($victim) . "')");
$cluster->sql($victim, 'SELECT quorum.rejoin()');
ok($cluster->wait_until("n$victim votes", sub { ($cluster->try_sql($victim, 'SELECT NOT is_learner FROM quorum.members WHERE is_self') // '') eq 't' }),
	'added again, it is back');
$cluster->{size} = 4;
is($cluster->differences, '', 'and equal');

is($cluster->findings, '', 'all pages are sound');

$cluster->stop;
done_testing();
