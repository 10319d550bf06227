# max_staleness: a member that is cut off, be it a follower or the leader, stops
# answering in time, and no read ever misses a write that was acknowledged longer ago.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/150_staleness.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use QuorumCluster;
use Test::More;
use Time::HiRes qw(sleep time);

# All members are on one machine, so their clocks are one.
my $bound = 1.2;
my $cluster = QuorumCluster->new('staleness', proxies => 1, conf => "pg_quorum.request_timeout = '3s'")->start;
$cluster->sql($_, 'CREATE TABLE beats (put float8, acknowledged float8); CREATE TABLE reads (at float8, saw float8)')
  for $cluster->members;

# A session that writes the time again and again, and when that was acknowledged.
sub start_writer
{
	my ($i) = @_;
	my $session = $cluster->session($i);
	$cluster->send_to($session, <<'SQL');
DO $$
DECLARE
	now float8;
BEGIN
	LOOP
		now := extract(epoch FROM clock_timestamp());
		BEGIN
			PERFORM quorum.put('beat', now::text);
			INSERT INTO beats VALUES (now, extract(epoch FROM clock_timestamp()));
		EXCEPTION WHEN sqlstate '57P03' OR sqlstate '08007' THEN
			NULL;
		END;
		COMMIT;
		PERFORM pg_sleep(0.01);
	END LOOP;
END
$$;
SQL
	return $session;
}

# A session that reads it with a bound; what cannot be read is null.
sub start_reader
{
	my ($i) = @_;
	my $session = $cluster->session($i);
	$cluster->send_to($session, <<"SQL");
DO \$\$
DECLARE
	now float8;
	seen float8;
BEGIN
	LOOP
		now := extract(epoch FROM clock_timestamp());
		BEGIN
			seen := quorum.get('beat', max_staleness => '$bound s');
		EXCEPTION WHEN sqlstate '57P03' THEN
			seen := NULL;
		END;
		INSERT INTO reads VALUES (now, seen);
		COMMIT;
		PERFORM pg_sleep(0.005);
	END LOOP;
END
\$\$;
SQL
	return $session;
}

# End sessions that run in a loop; they would not notice that their clients have gone.
sub end_loops
{
	my @sessions = @_;
	$cluster->close_session($_) for @sessions;
	my $loops = "FROM pg_stat_activity WHERE query LIKE 'DO %' AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
	for my $i ($cluster->members)
	{
		$cluster->wait_until("end of sessions on n$i",
			sub { $cluster->sql($i, "SELECT count(pg_terminate_backend(pid)) $loops") eq '0' });
	}
	return;
}

sub reads_since
{
	my ($i, $since) = @_;
	return map { [ split(/\|/, $_, -1) ] }
	  split(/\n/, $cluster->sql($i, "SELECT at, saw FROM reads WHERE at >= $since ORDER BY at"));
}

# Does every read have what was acknowledged before its bound?
sub check_bound
{
	my ($writer, $reader, $what) = @_;
	my @beats = map { [ split(/\|/, $_) ] }
	  split(/\n/, $cluster->sql($writer, 'SELECT put, acknowledged FROM beats ORDER BY put'));
	my @reads = grep { $_->[1] ne '' } reads_since($reader, 0);
	my ($next, $owed, $worst, $older) = (0, 0, 0, 0);
	for my $read (@reads)
	{
		my ($at, $saw) = @$read;
		$owed = $beats[ $next++ ][0] while $next < @beats && $beats[$next][1] <= $at - $bound;
		$older++ if $saw < $owed;
		$worst = $at - $saw if $at - $saw > $worst;
	}
	ok(@reads > 50, "$what: " . scalar(@reads) . ' reads were answered');
	is($older, 0, "$what: none without a write acknowledged $bound s before");
	note(sprintf('%s: the oldest value read was %.0f ms old', $what, 1000 * $worst));
	return;
}

# A cluster in health answers on every member, also at rest.
for my $i ($cluster->members)
{
	my $failures = 0;
	my $deadline = time() + 2;
	ok($cluster->wait_until("bounded reads on n$i",
			sub { defined $cluster->try_sql($i, "SELECT quorum.count('', prefix => true, max_staleness => '$bound s')") }),
		"n$i answers reads of bounded staleness");
	my $answered = $cluster->sql($i, <<"SQL");
DO \$\$
BEGIN
	FOR i IN 1 .. 60 LOOP
		PERFORM quorum.get_kv('beat', max_staleness => '3s'), quorum.count('a', max_staleness => '3s'),
			(SELECT count(*) FROM quorum.range('a', prefix => true, max_staleness => '3s'));
		PERFORM pg_sleep(0.01);
	END LOOP;
END
\$\$;
SELECT 'all';
SQL
	is($answered, 'all', "n$i goes on answering");
}

for my $victim_is ('follower', 'leader')
{
	for my $how ('both ways', 'unheard')
	{
		my $leader = $cluster->leader;
		my ($follower) = $cluster->followers;
		my $victim = $victim_is eq 'leader' ? $leader : $follower;
		my @others = grep { $_ != $victim } $cluster->members;
		my $writer = $others[0];
		my $what = "$victim_is cut off, $how";
		my @links = $how eq 'both ways'
			? $cluster->links_between([$victim], \@others)
			: $cluster->links_from($victim_is eq 'leader' ? \@others : [$victim], $victim_is eq 'leader' ? [$victim] : \@others);

		$cluster->sql($_, 'TRUNCATE beats, reads') for $cluster->members;
		my @sessions = (start_writer($writer), start_reader($victim));
		$cluster->wait_until('reads', sub { $cluster->sql($victim, 'SELECT count(saw) > 100 FROM reads') eq 't' });

		# Frozen links deliver later what was sent: it must not pass for news.
		my $cut = time();
		$cluster->set_links('freeze', @links);
		sleep($bound + 1);
		my @late = reads_since($victim, $cut + $bound + 0.2);
		ok(@late > 10, "$what: reads are attempted");
		if ($how eq 'both ways')
		{
			is(scalar(grep { $_->[1] ne '' } @late), 0, "$what: none is answered once the bound is over");
			my ($state, $message) = $cluster->sql_error($victim, "SELECT quorum.get('beat', max_staleness => '$bound s')");
			is($state, '57P03', "$what: the SQLSTATE");
			like($message, qr/It is known to contain what was committed until \d+ ms ago/, "$what: and how old the state may be");
			ok($cluster->sql($victim, "SELECT quorum.get('beat', serializable => true)") > 0, "$what: serializable reads go on");
			is($cluster->sql($victim, "SELECT quorum.get('beat', max_staleness => '1 hour') > '0'"), 't', "$what: so does a longer bound");
		}
		my $healed = time();
		$cluster->heal;
		ok($cluster->wait_until("reads on n$victim after healing",
				sub { grep { $_->[1] ne '' } reads_since($victim, $healed + 0.5) }),
			"$what: answered again afterwards");
		$cluster->leader;
		sleep(0.5);
		end_loops(@sessions);
		check_bound($writer, $victim, $what);
	}
}

$cluster->stop;
done_testing();
