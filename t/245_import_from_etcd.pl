# import_from_etcd(): a live etcd's keys at one revision, its leases, users and roles;
# endpoints that are none, that lie, or that say nothing.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/245_import_from_etcd.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Etcd qw(etcdctl);
use File::Temp 'tempdir';
use HTTP::Tiny;
use IO::Socket::INET;
use JSON::PP;
use MIME::Base64;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use QuorumCluster;
use Test::More;
use Time::HiRes qw(sleep time);

my $etcd    = Etcd->new(members => 1)->start;
my $source  = 'http://' . $etcd->endpoint(1);
my $cluster = QuorumCluster->new('from_etcd')->start;
my $leader  = $cluster->leader;
my $http    = HTTP::Tiny->new(keep_alive => 1, timeout => 60);
my $json    = JSON::PP->new;
my $token;

# A call of etcd's JSON API
sub call
{
	my ($path, $request) = @_;
	my $answer = $http->post("$source/v3$path", {
		content => $json->encode($request // {}),
		headers => { 'Content-Type' => 'application/json', $token ? (Authorization => $token) : () } });
	die "$path: $answer->{status} $answer->{content}" unless $answer->{success};
	return $json->decode($answer->{content});
}

sub b64 { return encode_base64($_[0], '') }

# Many keys in a few transactions
sub put_all
{
	my (@pairs) = @_;
	while (my @some = splice(@pairs, 0, 100))
	{
		call('/kv/txn', { success => [ map { { request_put => { key => b64($_->[0]), value => b64($_->[1]), $_->[2] ? (lease => "$_->[2]") : () } } } @some ] });
	}
	return;
}

# What etcd has at a revision, a line a key
sub told_by_etcd
{
	my ($revision) = @_;
	my $range = call('/kv/range', { key => 'AA==', range_end => 'AA==', revision => "$revision" });
	return join("\n", map {
		join('|', unpack('H*', decode_base64($_->{key})), unpack('H*', decode_base64($_->{value} // '')),
			$_->{create_revision}, $_->{mod_revision}, $_->{version}, $_->{lease} // 0)
	} @{ $range->{kvs} // [] });
}

# And what this cluster has
sub told_by_us
{
	my ($shift) = @_;
	return $cluster->sql($leader, "SELECT encode(key, 'hex'), encode(value, 'hex'), create_revision - $shift, mod_revision - $shift, version, lease
		FROM quorum.range(''::bytea, prefix => true)");
}

sub import_it { my ($arguments) = @_; return $cluster->sql_error($leader, "SELECT quorum.import_from_etcd($arguments)") }

# ---------------------------------------------------------------------------
# Keys and leases
# ---------------------------------------------------------------------------

my @bytes = map { chr } 0 .. 255;
put_all(map { [ "plain/$_", "value $_" ] } 1 .. 2500);
put_all(map { [ "plain/$_", "again $_" ] } 1 .. 300);
put_all(map { [ "bytes/$_", join('', @bytes) ] } @bytes);
put_all([ 'empty', '' ], [ 'large/1', 'x' x 700_000 ], [ 'large/2', 'y' x 700_000 ], [ "\0", 'first' ], [ "\xff\xff", 'last' ]);
call('/kv/deleterange', { key => b64('plain/17') });
my $lease  = call('/lease/grant', { TTL => 1000, ID => 777 })->{ID};
my $unused = call('/lease/grant', { TTL => 2000, ID => 888 })->{ID};
put_all(map { [ "leased/$_", 'x', $lease ] } 1 .. 10);

my $revision = $cluster->sql($leader, "SELECT quorum.import_from_etcd('$source')");
is($revision, call('/kv/range', { key => b64('empty') })->{header}{revision}, 'the revision is that of the etcd');
ok(told_by_us(0) eq told_by_etcd($revision), 'all keys are there, with values, revisions, versions and leases');
is($cluster->sql($leader, 'SELECT id, granted FROM quorum.leases ORDER BY id'), "777|00:16:40\n888|00:33:20", 'leases too, with their times');
is($cluster->sql($leader, 'SELECT keys FROM (SELECT (quorum.lease_ttl(777)).*) l') =~ tr/,//, 9, 'and their keys');
is($cluster->differences, '', 'all members have the same');
is($cluster->findings, '', 'and sound pages');
$cluster->sql($leader, 'SELECT quorum.lease_revoke(777)');
is($cluster->sql($leader, q{SELECT quorum.count('leased/', prefix => true)}), '0', 'a lease that is revoked here takes its keys along');

# What is there is not overwritten by mistake, and revisions never go back.
my ($state, $words) = import_it("'$source'");
is($state, '55000', 'not over what is there');
($state) = import_it("'$source', replace => true");
is($state, '55000', 'nor with revisions that this store has gone beyond');
my $bumped = $cluster->sql($leader, "SELECT quorum.import_from_etcd('$source', revision => 'bump', replace => true)");
cmp_ok($bumped, '>', 1_000_000_000, 'but as later ones');
ok(told_by_us($bumped - $revision) eq told_by_etcd($revision), 'with everything else as it was');

# While the etcd is written to, the copy is of one revision.
my $writer = fork() // die "could not fork: $!";
if ($writer == 0)
{
	$http = HTTP::Tiny->new(keep_alive => 1, timeout => 60);
	for my $n (1 .. 100000)
	{
		eval { put_all([ "busy/" . $n % 50, "n$n" ], [ 'plain/1', "n$n" ], [ "\xff\xff", "n$n" ]) } or last;
		last if getppid() == 1;
	}
	POSIX::_exit(0);
}
sleep(0.5);
$bumped = $cluster->sql($leader, "SELECT quorum.import_from_etcd('$source', revision => 'bump', replace => true)");
kill('KILL', $writer);
waitpid($writer, 0);
my $same = $cluster->sql($leader, "SELECT convert_to(quorum.get('plain/1'), 'UTF8') = quorum.get('\\xffff'::bytea)");
is($same, 't', 'an import beside a writer is of one moment');

# ---------------------------------------------------------------------------
# Users and roles
# ---------------------------------------------------------------------------

call('/auth/user/add', { name => 'root', password => 'Geheimnis' });
call('/auth/user/add', { name => 'app', password => 'x' });
call('/auth/role/add', { name => 'root' });
call('/auth/role/add', { name => 'readers' });
call('/auth/role/grant', { name => 'readers', perm => { permType => 'READ', key => b64('plain/'), range_end => b64('plain0') } });
call('/auth/role/grant', { name => 'readers', perm => { permType => 'READWRITE', key => b64('one') } });
call('/auth/user/grant', { user => 'root', role => 'root' });
call('/auth/user/grant', { user => 'app', role => 'readers' });
call('/auth/enable');

($state, $words) = import_it("'$source', replace => true, revision => 'bump'");
is($state, '55000', 'an etcd with authentication wants a user');
like($words, qr/user name is empty/, 'and says so');
($state, $words) = import_it("'$source', 'root', 'wrong', replace => true, revision => 'bump'");
like($words, qr/authentication failed/, 'a wrong password is refused');
($state) = import_it("'$source', password => 'x'");
is($state, '22023', 'a password alone is no login');
($state, $words) = import_it("'$source', 'app', 'x', replace => true, revision => 'bump'");
is($state, '42501', 'who may not read all keys cannot copy them');
my $notices;
$cluster->node($leader)->psql('postgres', "SELECT quorum.import_from_etcd('$source', 'root', 'Geheimnis', revision => 'bump', replace => true)", stderr => \$notices);
like($notices, qr/without their passwords/, 'passwords are not told, which is said');
is($cluster->sql($leader, 'SELECT name, roles, has_password FROM quorum.users'), "app|{readers}|f\nroot|{root}|f", 'users');
is($cluster->sql($leader, 'SELECT name, permission, key, range_end FROM quorum.roles'), "readers|readwrite|one|\nreaders|read|plain/|plain0\nroot|||", 'roles and permissions');
is($cluster->sql($leader, 'SELECT enabled FROM quorum.auth_status()'), 't', 'authentication is on, as it was there');
$cluster->sql($leader, "SELECT quorum.user_change_password('app', 'new')");
is($cluster->sql($leader, "SELECT quorum.user_check_password('app', 'new')"), 't', 'a password can be set');
unlike(slurp_file($cluster->node($leader)->logfile), qr/Geheimnis/, 'the password is in no log');
is($cluster->differences, '', 'all members have the same users');

# ---------------------------------------------------------------------------
# Endpoints that are none, that lie, that say nothing
# ---------------------------------------------------------------------------

for my $case (
	[ "NULL", '22023', 'no endpoint' ],
	[ "'nonsense'", '22023', 'no URL' ],
	[ "'ftp://127.0.0.1:2379'", '22023', 'another scheme' ],
	[ "'http://127.0.0.1:2379/v3?x=1'", '22023', 'a query in it' ],
	[ "'http://127.0.0.1:1'", '08001', 'nobody there' ],
	[ "'http://no-such-host.invalid:2379'", '08001', 'no such host' ],
	[ "'http://" . '127.0.0.1:' . $cluster->port($leader) . "'", '08006', 'no HTTP' ],
	[ "'https://" . $etcd->endpoint(1) . "'", '08006', 'no TLS' ])
{
	my ($argument, $wanted, $what) = @$case;
	($state, $words) = import_it("$argument, replace => true, revision => 'bump'");
	is($state, $wanted, "$what: $wanted") or diag($words);
}

# A server that answers each connection with the next of some texts, then is silent
sub liar
{
	my (@answers) = @_;
	my $listener = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1', Proto => 'tcp') or die "could not listen: $!";
	my $pid = fork() // die "could not fork: $!";
	return ($pid, $listener->sockport) if $pid != 0;
	alarm(120);
	while (my $client = $listener->accept)
	{
		while (my $answer = shift @answers)
		{
			sysread($client, my $request, 65536) or last;
			syswrite($client, $answer);
		}
		sleep(60);
	}
	POSIX::_exit(0);
}

sub answer { my ($body, $status) = @_; return 'HTTP/1.1 ' . ($status // '200 OK') . "\r\nContent-Length: " . length($body) . "\r\n\r\n$body" }

for my $case (
	[ '08P01', 'garbage', "\x00\x01\x02 what\r\n\r\n" ],
	[ '08P01', 'headers without end', "HTTP/1.1 200 OK\r\n" . ("X: " . 'y' x 1000 . "\r\n") x 200 ],
	[ '22P02', 'no JSON', answer('<html>') ],
	[ '54001', 'JSON that is deep', answer('[' x 100000) ],
	[ '08P01', 'JSON of something else', answer('{}'), answer('{}') ],
	[ '22023', 'JSON with other types', answer('{"leases": "many"}') ],
	[ '08P01', 'a negative count', answer('{}'), answer('{"header": {"revision": "5"}, "count": "-3"}') ],
	[ '22P03', 'fewer keys than announced', (answer('{}')) , answer('{"header": {"revision": "5"}, "count": "3"}'), (answer('{}')) x 4 ],
	[ '22P03', 'keys out of order', (answer('{}')) , answer('{"header": {"revision": "5"}, "count": "2"}'), (answer('{}')) x 3,
		answer('{"kvs": [{"key": "Yg==", "create_revision": 3, "mod_revision": 3, "version": 1}, {"key": "YQ==", "create_revision": 3, "mod_revision": 3, "version": 1}], "count": 2}') ],
	[ '55000', 'a lease that nobody knows', (answer('{}')) , answer('{"header": {"revision": "5"}, "count": "1"}'), (answer('{}')) x 3,
		answer('{"kvs": [{"key": "Yg==", "create_revision": 3, "mod_revision": 3, "version": 1, "lease": "5"}], "count": 1}') ],
	[ '54000', 'a key that is too long', (answer('{}')) , answer('{"header": {"revision": "5"}, "count": "1"}'), (answer('{}')) x 3,
		answer('{"kvs": [{"key": "' . b64('k' x 3000) . '", "create_revision": 3, "mod_revision": 3, "version": 1}], "count": 1}') ],
	[ '55000', 'a refusal', answer('{"code": 14, "message": "etcdserver: no leader"}', '503 Service Unavailable') ],
	[ '55000', 'a refusal without words', answer('', '500 Internal Server Error') ])
{
	my ($wanted, $what, @answers) = @$case;
	my ($pid, $port) = liar(@answers);
	($state, $words) = import_it("'http://127.0.0.1:$port', replace => true, revision => 'bump'");
	is($state, $wanted, "$what: $wanted") or diag($words);
	kill('KILL', $pid);
	waitpid($pid, 0);
}

my ($pid, $port) = liar();
my $begun = time();
my ($out, $err);
$cluster->node($leader)->psql('postgres', "SET statement_timeout = '500ms'; SELECT quorum.import_from_etcd('http://127.0.0.1:$port', replace => true, revision => 'bump')",
	stderr => \$err, on_error_stop => 0);
like($err, qr/statement timeout/, 'a silent endpoint can be waited for no longer');
cmp_ok(time() - $begun, '<', 30, 'than one wants');
kill('KILL', $pid);
waitpid($pid, 0);
ok($cluster->wait_until('no import under way', sub { $cluster->sql($leader, 'SELECT quorum.discard_import()') eq 'f' }), 'no chunk is left of any of them');
is($cluster->sql($leader, q{SELECT quorum.count('plain/', prefix => true) > 2000}), 't', 'and what was there is there');

# ---------------------------------------------------------------------------
# Who may; TLS
# ---------------------------------------------------------------------------

$cluster->sql($leader, 'CREATE ROLE clerk; CREATE ROLE boss; GRANT quorum_writer TO clerk; GRANT quorum_admin TO boss');
($state) = $cluster->sql_error($leader, "SET ROLE clerk; SELECT quorum.import_from_etcd('$source')");
is($state, '42501', 'a writer may not import');
($state, $words) = $cluster->sql_error($leader, "SET ROLE boss; SELECT quorum.import_from_etcd('$source', ca_file => '/etc/passwd')");
is($state, '42501', 'who may not read files of the server may not name any');

my $folder = tempdir('pgq_import_XXXXXX', TMPDIR => 1, CLEANUP => 1);
system("cd $folder && openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=member -addext subjectAltName=IP:127.0.0.1 -keyout server.key -out server.crt >/dev/null 2>&1 && chmod 600 server.key") == 0
  or die 'openssl failed';
my $gateway_port = PostgreSQL::Test::Cluster::get_free_port();
my $secure = QuorumCluster->new('secure', members => 1,
	conf => "pg_quorum.listen_client_urls = 'https://127.0.0.1:$gateway_port'\npg_quorum.cert_file = '$folder/server.crt'\npg_quorum.key_file = '$folder/server.key'")->start;
$secure->sql(1, q{SELECT quorum.put('from/' || i, 'one of us') FROM generate_series(1, 500) AS i});
($state, $words) = import_it("'https://127.0.0.1:$gateway_port', replace => true, revision => 'bump'");
is($state, '08006', 'a certificate that nobody vouches for is refused');
like($words, qr/certificate/, 'and why is said');
($state, $words) = import_it("'https://localhost:$gateway_port', replace => true, revision => 'bump', ca_file => '$folder/server.crt'");
is($state, '08006', 'so is one of another name');
($state, $words) = import_it("'https://127.0.0.1:$gateway_port', ca_file => '$folder/none'");
is($state, '58030', 'a file that is not there');
$cluster->sql($leader, "SELECT quorum.import_from_etcd('https://127.0.0.1:$gateway_port', ca_file => '$folder/server.crt', replace => true, revision => 'bump')");
is($cluster->sql($leader, q{SELECT quorum.count('from/', prefix => true)}), '500', 'and a good one taken: a cluster of ours copies another');
is($cluster->sql($leader, 'SELECT enabled FROM quorum.auth_status()'), 'f', 'with authentication off, as it is there');

$secure->stop;
$cluster->stop;
$etcd->stop;
done_testing();
