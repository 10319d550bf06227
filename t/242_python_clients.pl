# python3-etcd3 (gRPC) and python3-etcd3gw (JSON, by its default path /v3alpha) through
# their whole API: test/etcd/python_clients, on Debian's etcd and on our members.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/242_python_clients.pl

use strict;
use warnings;
use Cwd 'abs_path';
use File::Temp 'tempdir';
use FindBin;
use lib "$FindBin::RealBin/lib";
use Etcd;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use QuorumCluster;
use Test::More;

my $program = abs_path("$FindBin::RealBin/../test/etcd/python_clients");

# Its tests become ours.
sub run_clients
{
	my ($name, @arguments) = @_;
	my ($out, $err) = ('', '');
	IPC::Run::run([ $program, @arguments ], '<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout(600));
	my $count = 0;
	while ($out =~ /^(not )?ok \d+ - (.*)\n((?:#.*\n)*)/mg)
	{
		my ($not, $what, $words) = ($1, $2, $3);
		ok(!$not, "$name: $what") or diag($words);
		$count++;
	}
	my ($planned) = $out =~ /^1\.\.(\d+)$/m;
	is($count, $planned, "$name: to the end") or diag($out, $err);
	return;
}

# What the tests demand is what an etcd does.
my $etcd = Etcd->new->start;
run_clients('etcd', $etcd->endpoint(1), '--api-path', '/v3/');
$etcd->stop;

# One of our members has TLS besides, which etcd3 wants for passwords.
my $folder = tempdir('pgq_python_XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $cluster = QuorumCluster->new('python', gateway => 1)->start;
my $tls = $cluster->serve_tls(2, $folder);
ok($cluster->node(1)->poll_query_until('postgres',
	'SELECT count(*) = 3 AND bool_and(cardinality(client_urls) > 0) FROM quorum.members'),
	'the members have said where they serve clients');

run_clients('pg_quorum', $cluster->endpoint(1), '--tls', $tls, "$folder/cert.pem");

is($cluster->differences, '', 'all members are equal');
is($cluster->findings, '', 'all pages are sound');
$cluster->stop;
done_testing();
