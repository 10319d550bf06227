# TLS at the gateway: protocols, certificates of clients, files that change or are not right,
# and where it listens without TLS.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/201_gateway_tls.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use QuorumCluster;
use RawClient;
use Test::More;
use Time::HiRes qw(sleep time);

my $folder = PostgreSQL::Test::Utils::tempdir();
my $port   = PostgreSQL::Test::Cluster::get_free_port();
my $plain  = PostgreSQL::Test::Cluster::get_free_port();
my $open   = PostgreSQL::Test::Cluster::get_free_port();

sub openssl
{
	my ($input, @args) = @_;
	my ($out, $err) = ('', '');
	IPC::Run::run([ 'openssl', @args ], '<', \$input, '>', \$out, '2>', \$err, IPC::Run::timeout(60));
	return ($out, $err);
}

sub certificate
{
	my ($file, $name) = @_;
	openssl('', qw(req -newkey rsa:2048 -nodes -keyout), "$folder/$file.key", '-out', "$folder/$file.csr", '-subj', "/CN=$name");
	openssl('', qw(x509 -req -days 10 -CAcreateserial -in), "$folder/$file.csr", '-CA', "$folder/ca.crt", '-CAkey', "$folder/ca.key",
		'-out', "$folder/$file.crt");
	chmod 0600, "$folder/$file.key";
	return;
}

openssl('', qw(req -x509 -newkey rsa:2048 -nodes -days 10 -subj /CN=ca -keyout), "$folder/ca.key", '-out', "$folder/ca.crt");
certificate('first', 'first');
certificate('second', 'second');
certificate('client', 'somebody');
sub install { my ($file) = @_; system('cp', "$folder/$file.$_", "$folder/server.$_") == 0 or die for qw(crt key); return }
install('first');

my $cluster = QuorumCluster->new(
	'gateway_tls',
	members => 1,
	conf => "pg_quorum.listen_client_urls = 'https://127.0.0.1:$port, http://127.0.0.1:$plain, http://0.0.0.0:$open'\n"
	  . "pg_quorum.cert_file = '$folder/server.crt'\npg_quorum.key_file = '$folder/server.key'\n")->start;
my $node = $cluster->node(1);

# What the server says to a request, and all that openssl has to say about it.
sub ask
{
	my (@args) = @_;
	my ($out, $err) = openssl("GET /version HTTP/1.1\r\nConnection: close\r\n\r\n",
		's_client', '-connect', "127.0.0.1:$port", '-ign_eof', @args);
	return $out . $err;
}

sub reload
{
	my (%settings) = @_;
	my $from = -s $node->logfile;
	$node->append_conf('postgresql.conf', "pg_quorum.$_ = '$settings{$_}'") for sort keys %settings;
	$node->reload;
	sleep(0.7);
	return slurp_file($node->logfile, $from);
}

sub state { return $node->safe_psql('postgres', q{SELECT query FROM pg_stat_activity WHERE backend_type = 'pg_quorum gateway'}) }

$cluster->wait_until('it listens', sub { state() =~ /^listens on https/ });
like(ask(), qr/HTTP\/1\.1 200 OK.*\{"etcdserver"/s, 'HTTP/1.1 without ALPN');
like(ask('-alpn', 'http/1.1'), qr/ALPN protocol: http\/1\.1.*HTTP\/1\.1 200 OK/s, 'HTTP/1.1 by ALPN');
like(ask('-alpn', 'h2,http/1.1'), qr/ALPN protocol: h2/, 'HTTP/2 by ALPN');
like(ask('-tls1_2'), qr/HTTP\/1\.1 200 OK/, 'TLS 1.2');
unlike(ask('-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'), qr/HTTP\/1\.1 200 OK/, 'no older one');

# where there is no TLS
my $loopback = RawClient->new("127.0.0.1:$plain");
$loopback->send("GET /version HTTP/1.1\r\n\r\n");
like($loopback->read_until(qr/\}/), qr/200 OK/, 'plain on the loopback interface');
like(state(), qr/; not on http:\/\/0\.0\.0\.0:$open: it would be reachable from other machines without TLS$/, 'not elsewhere; the status says so');
like(slurp_file($node->logfile), qr/gateway does not listen on http:\/\/0\.0\.0\.0:$open/, 'and the log');
ok(!eval { RawClient->new("127.0.0.1:$open") }, 'it does not');
reload(allow_plain_listen => 'on');
ok(eval { RawClient->new("127.0.0.1:$open") }, 'unless it is allowed');
reload(allow_plain_listen => 'off');
ok(!eval { RawClient->new("127.0.0.1:$open") }, 'or not any more');

# what is no handshake
my $confused = RawClient->new("127.0.0.1:$port");
$confused->send("GET /version HTTP/1.1\r\n\r\n");
ok($confused->is_closed, 'plain bytes to the port of TLS');
my @silent = map { RawClient->new("127.0.0.1:$port") } 1 .. 100;
$_->send("\x16\x03\x01\x02\x00\x01") for @silent;
like(ask(), qr/200 OK/, 'others are served while a hundred stop within their handshake');
ok($silent[99]->is_closed(20), 'which they get ten seconds for');

# certificates that change
like(ask(), qr/subject=CN ?= ?first/, 'the first certificate');
install('second');
reload();
like(ask(), qr/subject=CN ?= ?second/, 'another one after a reload');
chmod 0644, "$folder/server.key";
like(reload(), qr/could not load private key file .*it has group or world access/, 'a key that others can read is not loaded');
like(ask(), qr/subject=CN ?= ?second.*200 OK/s, 'and the one before stays in use');
chmod 0600, "$folder/server.key";
PostgreSQL::Test::Utils::append_to_file("$folder/server.crt", "rubbish\n");
system('cp', "$folder/ca.key", "$folder/server.key");
like(reload(), qr/gateway could not load/, 'nor a key that does not fit');
like(ask(), qr/200 OK/, 'which disturbs nobody');
install('first');

# certificates of clients
reload(trusted_ca_file => "$folder/ca.crt", client_cert_auth => 'on');
unlike(ask(), qr/200 OK/, 'who shows no certificate is not served');
like(ask('-cert', "$folder/client.crt", '-key', "$folder/client.key"), qr/200 OK/, 'who shows one is');
openssl('', qw(req -x509 -newkey rsa:2048 -nodes -days 10 -subj /CN=root -keyout), "$folder/self.key", '-out', "$folder/self.crt");
unlike(ask('-cert', "$folder/self.crt", '-key', "$folder/self.key"), qr/200 OK/, 'but for one that somebody else has signed');
like(reload(trusted_ca_file => ''), qr/gateway cannot verify certificates of clients/, 'nobody is trusted by default');

# URLs that are none
for my $bad ('127.0.0.1:1', 'http://127.0.0.1', 'ftp://127.0.0.1:1', 'http://somewhere:1', 'http://127.0.0.1:99999', 'http://127.0.0.1:1/path', 'http://::1:1')
{
	my ($out, $err) = ('', '');
	$node->psql('postgres', "ALTER SYSTEM SET pg_quorum.listen_client_urls = '$bad'", stdout => \$out, stderr => \$err);
	like($err, qr/invalid value for parameter "pg_quorum.listen_client_urls"/, "refused: $bad");
}

$node->stop;
done_testing();
