# Connections between members: hostile bytes, ends of every kind, TLS.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/005_stream.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use IO::Select;
use IO::Socket::INET;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use QuorumCluster;
use Test::More;
use Time::HiRes qw(sleep time);

my $cluster = QuorumCluster->new('stream', members => 3)->start;

# ---------------------------------------------------------------------------
# A client that speaks the protocol by hand
# ---------------------------------------------------------------------------

sub frame { my ($type, $body) = @_; return $type . pack('N', 4 + length($body)) . $body }

# Read until the server has said something of this type; its body, or undef
# when the connection ends first.
sub await
{
	my ($socket, $type, $limit) = @_;
	my $deadline = time() + ($limit // 10);
	my $bytes = '';
	while (time() < $deadline)
	{
		while (length($bytes) >= 5)
		{
			my ($t, $length) = unpack('aN', $bytes);
			last if length($bytes) < 1 + $length;
			my $body = substr($bytes, 5, $length - 4);
			$bytes = substr($bytes, 1 + $length);
			return $body if $t eq $type;
		}
		next unless IO::Select->new($socket)->can_read(0.1);
		return undef unless sysread($socket, $bytes, 65536, length($bytes));
	}
	return undef;
}

# A session in COPY mode, as a member has it.
sub stream
{
	my ($i) = @_;
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $cluster->port($i)) or die "no connection: $!";
	my $startup = pack('N', 196608) . join("\0", 'user', $cluster->superuser, 'database', 'postgres', '', '');
	syswrite($socket, pack('N', 4 + length($startup)) . $startup);
	defined await($socket, 'Z') or die 'no session';
	syswrite($socket, frame('Q', "CALL quorum.raft_stream()\0"));
	defined await($socket, 'G') or die 'no copy mode';
	return $socket;
}

sub head
{
	my (%h) = @_;
	return pack('LLQQQQQ', $h{magic} // 0x51504742, $h{version} // 1, $h{cluster} // 0, $h{from} // 1,
		$h{to} // 0, $h{incarnation} // 1, $h{nonce} // 1);
}

# ---------------------------------------------------------------------------
# Hostile bytes
# ---------------------------------------------------------------------------

my $leader = $cluster->leader;
my ($victim) = $cluster->followers;
my $worker = $cluster->worker_pid($victim, 'pg_quorum raft');
my $postmaster = $cluster->node($victim)->{_pid};
my ($own, $member) = split(/\|/, $cluster->sql($victim, 'SELECT cluster_id, member_id FROM quorum.status'));
$own    = hex($own)    if $own    =~ /[a-f]|^0/i || length($own) == 16;
$member = hex($member) if $member =~ /[a-f]|^0/i || length($member) == 16;

my %hostile = (
	'an empty message'            => frame('d', ''),
	'less than a head'            => frame('d', 'x' x 10),
	'no head'                     => frame('d', "\xff" x 1000),
	'another version'             => frame('d', head(version => 99)),
	'another cluster'             => frame('d', head(cluster => 12345)),
	'another addressee'           => frame('d', head(cluster => $own, to => 777)),
	'a length beyond all'         => 'd' . pack('N', 0xffffffff),
	'a length of two gigabytes'   => 'd' . pack('N', 0x7fffffff) . head(),
	'a length of nothing'         => 'd' . pack('N', 0),
	'another type'                => frame('Q', "SELECT 1\0"),
	'a type that does not exist'  => frame("\x01", 'x'),
	'the end of a copy'           => frame('c', ''),
	'a failed copy'               => frame('f', "no\0"),
	'the end of a session'        => frame('X', ''));

for my $what (sort keys %hostile)
{
	my $socket = stream($victim);
	syswrite($socket, $hostile{$what});
	my $error = await($socket, 'E', 5);
	if ($what =~ /^the end|^a failed/)
	{
		ok(!defined $error && IO::Select->new($socket)->can_read(0) && !sysread($socket, my $rest, 1),
			"$what: the connection ends");
	}
	else
	{
		ok(defined $error, "$what: an error") or diag('none');
	}
	close($socket);
}

# What decodes as no batch is passed over; the stream goes on.
my $socket = stream($victim);
syswrite($socket, frame('d', head(cluster => $own, to => $member, from => 424242) . "\xff\xff\xff") x 3);
sleep(0.3);
ok(!IO::Select->new($socket)->can_read(0), 'a batch that does not decode does not end the stream');

# Half a message holds nobody up, and neither does a connection that says nothing.
my @open = map { stream($victim) } 1 .. 5;
syswrite($_, substr(frame('d', head() . 'x' x 100000), 0, 50000)) for @open[ 0 .. 2 ];
my $before = time();
$cluster->sql($leader, "SELECT quorum.put('k' || n, 'v') FROM generate_series(1, 200) n");
$cluster->sql($victim, "SELECT quorum.get('k200')");
cmp_ok(time() - $before, '<', 20, 'half messages hold nobody up');
close($_) for @open, $socket;

is($cluster->worker_pid($victim, 'pg_quorum raft'), $worker, 'the worker has survived all of it');
is($cluster->node($victim)->{_pid}, $postmaster, 'and the server');
ok($cluster->node($victim)->poll_query_until('postgres',
	"SELECT count(*) = 0 FROM pg_stat_activity WHERE query LIKE 'CALL quorum.raft_stream%' AND application_name NOT LIKE 'pg_quorum/%'"),
	'no session is left behind');

# ---------------------------------------------------------------------------
# Ends of connections between members
# ---------------------------------------------------------------------------

my $streams = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pg_quorum/%' AND query LIKE 'CALL%'";
ok($cluster->node($victim)->poll_query_until('postgres', "SELECT ($streams) >= 4"), 'two streams of each peer');
is($cluster->sql($victim, "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pg_quorum/%' AND (xact_start IS NOT NULL OR backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)"),
	0, 'none holds a snapshot or looks like a long transaction');

$cluster->under_load(
	'sessions of members terminated again and again',
	sub {
		for (1 .. 10)
		{
			for my $i ($cluster->members)
			{
				$cluster->sql($i, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'pg_quorum/%'");
			}
			sleep(0.3);
		}
	});
ok($cluster->node($victim)->poll_query_until('postgres', "SELECT ($streams) >= 4"), 'they are all back');
is($cluster->differences, '', 'all members are equal');
$cluster->stop;

# ---------------------------------------------------------------------------
# TLS: the backends read
# ---------------------------------------------------------------------------

SKIP:
{
	my $folder = $PostgreSQL::Test::Utils::tmp_check;
	my $made = system("openssl req -new -x509 -days 30 -nodes -newkey rsa:2048 -subj /CN=localhost "
		. "-keyout $folder/stream.key -out $folder/stream.crt >/dev/null 2>&1") == 0;
	skip 'no openssl', 5 unless $made;
	chmod(0600, "$folder/stream.key");

	my $secure = QuorumCluster->new('secure', members => 3, links => 'sslmode=require',
		conf => "ssl = on\nssl_cert_file = '$folder/stream.crt'\nssl_key_file = '$folder/stream.key'")->start;
	ok($secure->node(1)->poll_query_until('postgres',
		"SELECT count(*) >= 4 AND bool_and(s.ssl) FROM pg_stat_activity a JOIN pg_stat_ssl s USING (pid) WHERE application_name LIKE 'pg_quorum/%'"),
		'members talk by TLS');
	$secure->sql(2, "SELECT quorum.put('k' || n, repeat('v', 1000)) FROM generate_series(1, 500) n");
	$secure->sql(1, "SELECT quorum.put('large', repeat('v', 1000000))");
	is($secure->sql(3, "SELECT quorum.count('k', prefix => true)"), 500, 'writes arrive');
	is($secure->sql(3, "SELECT length(quorum.get('large'))"), 1000000, 'large ones too');
	$secure->under_load('a leader that dies, by TLS', sub {
		my $old = $secure->leader;
		$secure->kill_postmaster($old);
		$secure->start_member($old);
		$secure->agreed;
	});
	is($secure->differences, '', 'all members are equal');
	$secure->stop;
}

done_testing();
