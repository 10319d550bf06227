# Watches on every member while members are cut off and die: whoever listens
# hears the one history, in order, nothing twice and nothing left out.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/072_watch_members.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use QuorumCluster;
use Test::More;
use Time::HiRes qw(sleep time);
use Watchers;

my $cluster = QuorumCluster->new('watch3', proxies => 1, conf => "pg_quorum.request_timeout = '3s'")->start;
$cluster->sql(1, "SELECT quorum.put('start', 'x')");
my $since = $cluster->sql(1, 'SELECT quorum.revision()');

# What a session of watchers has heard, as history() would tell it.
sub heard
{
	my ($watchers, $session) = @_;
	return join("\n", map { /"type": "(\w+)", "key": "([^"]*)".*?"mod_revision": (\d+)/ ? "$3 $1 $2" : $_ } $watchers->payloads($session));
}

sub history
{
	my ($i, $after, $until) = @_;
	return $cluster->sql($i, "SELECT coalesce(string_agg(format('%s %s %s', mod_revision, type, key), E'\\n' ORDER BY n), '')
		FROM (SELECT *, row_number() OVER () AS n FROM quorum.history('load', prefix => true, since => $after, until => $until)) h");
}

# All of a member's sessions have heard the history up to the end of a phase.
sub compare
{
	my ($what, $watchers, $i, $after) = @_;
	my $until = $cluster->sql($i, "SELECT quorum.put('load/end', '$what')");
	my $want = history($i, $after, $until);
	my $wrong = 0;
	for my $s (0 .. 3)
	{
		$watchers->heard_until(sub { my @p = $watchers->payloads($s); @p && $p[-1] =~ /"mod_revision": $until,/ });
		my $got = heard($watchers, $s);
		next if $got eq $want;
		$wrong++;
		diag(sprintf('n%d session %d: %d events, not %d', $i, $s, scalar(split(/\n/, $got)), scalar(split(/\n/, $want))));
	}
	cmp_ok(length($want), '>', 100, "$what: something happened");
	is($wrong, 0, "$what: sessions of n$i heard the history");
	return;
}

my %watchers = map { ($_ => Watchers->new($cluster->conninfo($_), 4, "SELECT quorum.watch('load', prefix => true)")) } $cluster->members;

# A leader is cut off and another elected; then a follower; then healed.  The
# member that was away catches up, and so do its listeners.
$cluster->start_load(clients => 6);
sleep(2);
for (1 .. 2)
{
	my $away = $_ == 1 ? $cluster->leader : ($cluster->followers)[0];
	my @others = grep { $_ != $away } $cluster->members;
	$cluster->set_links('cut', $cluster->links_between([$away], \@others));
	$cluster->leader(among => \@others);
	sleep(2);
	$cluster->heal;
	sleep(1);
}
$cluster->stop_load;
$cluster->leader;
compare('etcd 15271: cut off', $watchers{$_}, $_, $since) for $cluster->members;

# The leader's server dies; listeners of the others miss nothing.  The one that
# comes back catches up from where its client says it was.
my $dead = $cluster->leader;
my $seen = $cluster->sql($dead, 'SELECT quorum.revision()');
$cluster->start_load(clients => 6);
sleep(1);
$cluster->stop_immediately($dead);
$watchers{$dead}->finish;
sleep(3);
$cluster->start_member($dead);
$watchers{$dead} = Watchers->new($cluster->conninfo($dead), 4,
	"SELECT quorum.watch('load', prefix => true, start_revision => " . ($seen + 1) . ')');
sleep(1);
$cluster->stop_load;
$cluster->leader;
compare('death of a leader', $watchers{$_}, $_, $_ == $dead ? $seen : $since) for $cluster->members;

$_->finish for values %watchers;
$cluster->stop;
done_testing();
