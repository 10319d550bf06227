# Authentication over etcd's interface: users and roles with etcd's codes and words,
# simple tokens and JWTs on every member, forged and stale ones, passwords that
# stay secret, and a flood of attempts that holds nobody up.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/220_gateway_auth.pl

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Digest::SHA qw(hmac_sha256);
use Etcd qw(etcdctl);
use HTTP::Tiny;
use JSON::PP;
use MIME::Base64 qw(encode_base64url decode_base64url encode_base64);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use QuorumCluster;
use Test::More;
use Time::HiRes qw(sleep time);

my $cluster = QuorumCluster->new('gateway_auth', gateway => 1, conf => "pg_quorum.auth_token_ttl = 3\n")->start;
my @members = $cluster->members;
my $json    = JSON::PP->new->canonical->utf8;

# A call of the JSON interface on a member: (code, answer); code 0 is success.
sub call
{
	my ($i, $path, $request, $token) = @_;
	my %headers = defined $token ? (Authorization => $token) : ();
	my $answer = HTTP::Tiny->new(timeout => 20)->post('http://' . $cluster->endpoint($i) . "/v3$path",
		{ content => $json->encode($request // {}), headers => \%headers });
	my $body = eval { $json->decode($answer->{content}) } // { message => $answer->{content} };
	return ($answer->{status} == 200 ? 0 : $body->{code} // -1, $body, $answer->{status});
}

# A call that must succeed; returns the answer.
sub done
{
	my ($what, @call) = @_;
	my ($code, $answer) = call(@call);
	is($code, 0, $what) or diag($json->encode($answer));
	return $answer;
}

# A call that must be refused with this code, this text, and this status of HTTP.
sub refused
{
	my ($what, $code, $text, @call) = @_;
	my %status = (2 => 500, 3 => 400, 7 => 403, 9 => 400, 16 => 401);
	my ($got, $answer, $status) = call(@call);
	is("$got $status " . ($answer->{message} // ''), "$code $status{$code} etcdserver: $text", $what);
	return;
}

sub b64 { return encode_base64($_[0], '') }
sub key { return { key => b64($_[0]), @_ > 1 ? (value => b64($_[1])) : () } }

sub token
{
	my ($i, $name, $password) = @_;
	my (undef, $answer) = call($i, '/auth/authenticate', { name => $name, password => $password });
	return $answer->{token};
}

# What has been told of one member is known to all.
sub everywhere
{
	$cluster->sql($_, 'SELECT quorum.read_barrier()') for @members;
	return;
}

# ---------------------------------------------------------------------------
# Users and roles: etcd's words
# ---------------------------------------------------------------------------

my $answer = done('status', 1, '/auth/status');
ok(!$answer->{enabled}, 'authentication is off');
is($answer->{authRevision}, '1', 'at the first auth revision');
refused('no authentication while it is off', 9, 'authentication is not enabled', 1, '/auth/authenticate',
	{ name => 'root', password => 'x' });
refused('to be turned on it needs root', 9, 'root user does not exist', 1, '/auth/enable');
refused('a user needs a name', 3, 'user name is empty', 1, '/auth/user/add', { name => '', password => 'x' });
done('a user', 1, '/auth/user/add', { name => 'root', password => 'secret-of-root' });
refused('root needs its role', 9, 'root user does not have root role', 2, '/auth/enable');
refused('a user twice', 9, 'user name already exists', 2, '/auth/user/add', { name => 'root', password => 'x' });
refused('a role needs a name', 3, 'role name is empty', 2, '/auth/role/add', {});
done('a role', 2, '/auth/role/add', { name => 'app' });
refused('a role twice', 9, 'role name already exists', 2, '/auth/role/add', { name => 'app' });
refused('a permission must be given', 3, 'permission not given', 2, '/auth/role/grant', { name => 'app' });
refused('of a range that is none', 3, 'invalid auth management', 2, '/auth/role/grant',
	{ name => 'app', perm => { permType => 'READ', key => b64('b'), range_end => b64('a') } });
refused('to a role that is there', 9, 'role name not found', 2, '/auth/role/grant',
	{ name => 'nobody', perm => { permType => 'READ', key => b64('b') } });
done('a permission', 2, '/auth/role/grant',
	{ name => 'app', perm => { permType => 'READWRITE', key => b64('app/'), range_end => b64('app0') } });
done('another user', 3, '/auth/user/add', { name => 'alice', password => 'secret-of-alice' });
done('a user without a password', 3, '/auth/user/add', { name => 'cert', options => { no_password => JSON::PP::true } });
done('an empty password is one', 3, '/auth/user/add', { name => 'careless', password => '' });
refused('a role to nobody', 9, 'user name not found', 3, '/auth/user/grant', { user => 'nobody', role => 'app' });
refused('no role to a user', 9, 'role name not found', 3, '/auth/user/grant', { user => 'alice', role => 'nothing' });
done('a role to a user', 3, '/auth/user/grant', { user => 'alice', role => 'app' });
done('and again', 3, '/auth/user/grant', { user => 'alice', role => 'app' });
refused('a role it does not have', 9, 'role is not granted to the user', 3, '/auth/user/revoke', { name => 'root', role => 'app' });
refused('a permission it does not have', 9, 'permission is not granted to the role', 3, '/auth/role/revoke',
	{ role => 'app', key => b64('app/') });
refused('a password of nobody', 9, 'user name not found', 3, '/auth/user/changepw', { name => 'nobody', password => 'x' });
refused('nobody cannot be deleted', 9, 'user name not found', 3, '/auth/user/delete', { name => 'nobody' });
refused('a role that is not there', 9, 'role name not found', 3, '/auth/role/delete', { role => 'nothing' });
refused('nor shown', 9, 'role name not found', 3, '/auth/role/get', { role => 'nothing' });
refused('nor a user', 9, 'user name not found', 3, '/auth/user/get', { name => 'nobody' });
is($json->encode(done('users', 1, '/auth/user/list')->{users}), '["alice","careless","cert","root"]', 'all of them');
is($json->encode(done('roles', 1, '/auth/role/list')->{roles}), '["app"]', 'and all roles');
is($json->encode(done('a user', 1, '/auth/user/get', { name => 'alice' })->{roles}), '["app"]', 'with its roles');
is($json->encode(done('a role', 1, '/auth/role/get', { role => 'app' })->{perm}),
	'[{"key":"' . b64('app/') . '","permType":"READWRITE","range_end":"' . b64('app0') . '"}]', 'with its permissions');

done('root gets its role', 1, '/auth/role/add', { name => 'root' });
done('root gets its role', 1, '/auth/user/grant', { user => 'root', role => 'root' });
done('on', 1, '/auth/enable');
ok(done('status needs no token', 2, '/auth/status')->{enabled}, 'authentication is on');
everywhere();

# ---------------------------------------------------------------------------
# Who may do what
# ---------------------------------------------------------------------------

refused('a put needs a user', 3, 'user name is empty', 1, '/kv/put', key('app/x', '1'));
refused('a range too', 3, 'user name is empty', 1, '/kv/range', key('app/x'));
refused('the list of members too', 3, 'user name is empty', 1, '/cluster/member/list');
refused('the status too', 3, 'user name is empty', 1, '/maintenance/status');
refused('alarms too', 3, 'user name is empty', 1, '/maintenance/alarm');
refused('and users', 3, 'user name is empty', 1, '/auth/user/list');
refused('a user as well', 3, 'user name is empty', 1, '/auth/user/get', { name => 'alice' });
refused('nobody may ask after itself, as everybody may', 9, 'user name not found', 1, '/auth/user/get', {});
refused('a wrong password', 3, 'authentication failed, invalid user ID or password', 1, '/auth/authenticate',
	{ name => 'alice', password => 'secret-of-root' });
refused('an unknown user', 3, 'authentication failed, invalid user ID or password', 1, '/auth/authenticate',
	{ name => 'nobody', password => 'x' });
refused('no user', 3, 'authentication failed, invalid user ID or password', 1, '/auth/authenticate', {});
refused('a user without a password', 3, 'authentication failed, invalid user ID or password', 1, '/auth/authenticate',
	{ name => 'cert', password => '' });
refused('a password that is too long', 3, 'authentication failed, invalid user ID or password', 1, '/auth/authenticate',
	{ name => 'careless', password => 'x' x 100000 });
refused("a name of $_ bytes", 3, 'authentication failed, invalid user ID or password', 1, '/auth/authenticate',
	{ name => 'root' . 'x' x ($_ - 4), password => 'secret-of-root' })
  for (2048, 2049, 65540, 1_000_000);
ok(token(1, 'careless', ''), 'the empty password, where it is the one');

my $root  = token(1, 'root',  'secret-of-root');
my $alice = token(2, 'alice', 'secret-of-alice');
like($alice, qr/^[a-z]{16}\.[A-Za-z0-9_-]+$/, 'a token has the form that etcd\'s have');

for my $i (@members)
{
	done("a token of one member is good on n$i", $i, '/kv/put', key('app/x', $i), $alice);
	done("also as a bearer's", $i, '/kv/range', key('app/x'), "Bearer $alice");
}
refused('what is not permitted', 7, 'permission denied', 3, '/kv/range', key('other'), $alice);
for my $only_root (
	[ '/auth/user/add', { name => 'x', password => 'x' } ], [ '/auth/user/list' ], [ '/auth/role/list' ],
	[ '/auth/user/get', { name => 'root' } ], [ '/auth/role/get', { role => 'root' } ], [ '/auth/disable' ],
	[ '/auth/role/add', {} ], [ '/maintenance/hashkv' ], [ '/maintenance/hash' ], [ '/maintenance/defragment' ],
	[ '/maintenance/transfer-leadership', { targetID => '1' } ], [ '/maintenance/downgrade', { version => '3.6' } ],
	[ '/maintenance/alarm', { action => 'ACTIVATE', alarm => 'NOSPACE' } ],
	[ '/cluster/member/add', { peerURLs => ['http://127.0.0.1:1'] } ], [ '/cluster/member/remove', { ID => '1' } ],
	[ '/cluster/member/promote', { ID => '1' } ])
{
	refused("$only_root->[0] is root's", 7, 'permission denied', 1, $only_root->[0], $only_root->[1] // {}, $alice);
}
done("$_->[0] is everybody's", 1, @$_, $alice)
  for ([ '/cluster/member/list', {} ], [ '/maintenance/status', {} ], [ '/maintenance/alarm', {} ],
	[ '/auth/user/get', { name => 'alice' } ], [ '/auth/role/get', { role => 'app' } ]);

refused('root stays', 3, 'invalid auth management', 1, '/auth/user/delete', { name => 'root' }, $root);
refused('root keeps its role', 3, 'invalid auth management', 1, '/auth/user/revoke', { name => 'root', role => 'root' }, $root);
refused('the role stays too', 3, 'invalid auth management', 1, '/auth/role/delete', { role => 'root' }, $root);

# ---------------------------------------------------------------------------
# Tokens that are none
# ---------------------------------------------------------------------------

sub bad_token { my ($what, $token) = @_; refused("$what is no token", 16, 'invalid auth token', 1, '/kv/range', key('app/x'), $token); return }

bad_token('nonsense', 'nonsense');
bad_token('nothing', '');
bad_token('a long text', 'x' x 7000);
bad_token('one without its end', substr($alice, 0, length($alice) - $_)) for (1, 20, 60);
bad_token('one with another nonce', join('', 'q' x 16, substr($alice, 16)));
{
	my $bytes = decode_base64url(substr($alice, 17));
	my $forge = sub { return substr($alice, 0, 17) . encode_base64url($_[0]) };
	is($forge->($bytes), $alice, 'taken apart and put together');
	bad_token('one of another user', $forge->($bytes =~ s/alice/alicf/r));
	bad_token('one of root\'s with another\'s signature', $forge->($bytes =~ s/alice/root/r));
	for my $at (0, 1, 8, 9, 16, length($bytes) - 33, length($bytes) - 32, length($bytes) - 1)
	{
		my $other = $bytes;
		substr($other, $at, 1) ^= "\x01";
		bad_token("one with byte $at changed", $forge->($other));
	}
}

done('a token goes on when roles change', 1, '/auth/role/grant',
	{ name => 'app', perm => { permType => 'READ', key => b64('more') } }, $root);
done('and has what they allow now', 1, '/kv/range', key('more'), $alice);

# used, it lives on; left alone, it runs out
for my $second (1 .. 5)
{
	sleep(1);
	done("used after $second s", 1, '/kv/range', key('app/x'), $alice);
}
sleep(4);
refused('not used for the time to live', 16, 'invalid auth token', 1, '/kv/range', key('app/x'), $alice);

$root  = token(1, 'root',  'secret-of-root');
$alice = token(2, 'alice', 'secret-of-alice');
done('a fresh one', 1, '/kv/range', key('app/x'), $alice);
done('a new password', 1, '/auth/user/changepw', { name => 'alice', password => 'new-secret-of-alice' }, $root);
everywhere();
for my $i (@members)
{
	refused("ends what the old one got, on n$i", 16, 'invalid auth token', $i, '/kv/range', key('app/x'), $alice);
}
refused('the old one is wrong now', 3, 'authentication failed, invalid user ID or password', 3, '/auth/authenticate',
	{ name => 'alice', password => 'secret-of-alice' });
$alice = token(3, 'alice', 'new-secret-of-alice');
done('the new one is right', 1, '/kv/range', key('app/x'), $alice);
done('a user goes', 1, '/auth/user/delete', { name => 'alice' }, $root);
everywhere();
refused('and with it its tokens', 16, 'invalid auth token', 2, '/kv/range', key('app/x'), $alice);
done('another of that name', 1, '/auth/user/add', { name => 'alice', password => 'new-secret-of-alice' }, $root);
everywhere();
refused('is another', 16, 'invalid auth token', 2, '/kv/range', key('app/x'), $alice);
done('its role', 1, '/auth/user/grant', { user => 'alice', role => 'app' }, $root);

# ---------------------------------------------------------------------------
# A flood of attempts
# ---------------------------------------------------------------------------

{
	$root = token(1, 'root', 'secret-of-root');
	my @children;
	for (1 .. 12)
	{
		my $pid = fork() // die "could not fork: $!";
		if ($pid == 0)
		{
			my $until = time() + 3;
			call(1, '/auth/authenticate', { name => 'nobody', password => 'guess' }) while time() < $until;
			POSIX::_exit(0);
		}
		push @children, $pid;
	}
	sleep(0.5);
	my @took;
	while (@took < 40)
	{
		my $began = time();
		my ($code) = call(1, '/kv/range', key('app/x'), $root);
		push @took, time() - $began;
		last if $code != 0;
	}
	is(scalar(@took), 40, 'etcd 14692: reads are served while passwords are tried');
	my ($median) = (sort { $a <=> $b } @took)[20];
	note(sprintf('a read took %.1f ms in the middle', $median * 1000));
	cmp_ok($median, '<', 0.2, 'etcd 11735: and without long waits');
	waitpid($_, 0) for @children;
}

# ---------------------------------------------------------------------------
# JWT
# ---------------------------------------------------------------------------

my $folder = PostgreSQL::Test::Utils::tempdir();
append_to_file("$folder/secret", 'a secret that the members share');
for my $command (
	"openssl genrsa -out $folder/rsa.pem 2048", "openssl rsa -in $folder/rsa.pem -pubout -out $folder/rsa.pub",
	"openssl ecparam -name prime256v1 -genkey -noout -out $folder/ec.pem", "openssl ec -in $folder/ec.pem -pubout -out $folder/ec.pub")
{
	system("$command >/dev/null 2>&1") == 0 or die "$command failed";
}

sub set_tokens
{
	my ($setting, @among) = @_;
	for my $i (@among ? @among : @members)
	{
		$cluster->sql($i, "ALTER SYSTEM SET pg_quorum.auth_token = '$setting'");
		$cluster->sql($i, 'SELECT pg_reload_conf()');
	}
	# a token of another kind is good no more once the gateways have heard
	sleep(1.5);
	return;
}

sub part { return encode_base64url($json->encode($_[0])) }

sub hs256
{
	my ($header, $claims, $secret) = @_;
	my $text = part($header) . '.' . part($claims);
	return "$text." . encode_base64url(hmac_sha256($text, $secret));
}

sub claims_of { return $json->decode(decode_base64url((split(/\./, $_[0]))[1])) }

my ($out, $state) = ($cluster->sql_error(1, "ALTER SYSTEM SET pg_quorum.auth_token = 'jwt,sign-method=none,priv-key=x'"))[1, 0];
is($state, '22023', 'a method that is none is refused');
($state) = $cluster->sql_error(1, "ALTER SYSTEM SET pg_quorum.auth_token = 'jwt,sign-method=RS256'");
is($state, '22023', 'and one without a key');

set_tokens("jwt,sign-method=HS256,priv-key=$folder/secret,ttl=5m");
my $jwt = token(1, 'root', 'secret-of-root');
my $claims = claims_of($jwt);
is($claims->{username}, 'root', 'a JWT says whose it is');
is($claims->{revision}, done('status', 1, '/auth/status')->{authRevision}, 'and of which revision');
cmp_ok(abs($claims->{exp} - time() - 300), '<', 20, 'and until when');
done("it is good on n$_", $_, '/auth/user/list', {}, $jwt) for @members;
my $secret = 'a secret that the members share';
my %good   = (username => 'root', revision => $claims->{revision}, exp => int(time()) + 100);
done('one that was made elsewhere', 2, '/auth/user/list', {}, hs256({ alg => 'HS256', typ => 'JWT' }, \%good, $secret));
bad_token('one with another secret', hs256({ alg => 'HS256' }, \%good, 'another'));
bad_token('one without a signature', part({ alg => 'none' }) . '.' . part(\%good) . '.');
bad_token('one that says none', hs256({ alg => 'none' }, \%good, $secret));
bad_token('one that says HS512', hs256({ alg => 'HS512' }, \%good, $secret));
bad_token('one that says nothing', hs256({}, \%good, $secret));
bad_token('one without its end', substr($jwt, 0, length($jwt) - 4));
bad_token('one with a part more', "$jwt.x");
bad_token('two parts', join('.', (split(/\./, $jwt))[0, 1]));
bad_token('one of yesterday', hs256({ alg => 'HS256' }, { %good, exp => int(time()) - 10 }, $secret));
bad_token('one of tomorrow', hs256({ alg => 'HS256' }, { %good, nbf => int(time()) + 1000 }, $secret));
bad_token('one for ever', hs256({ alg => 'HS256' }, { username => 'root', revision => $claims->{revision} }, $secret));
bad_token('one of no revision', hs256({ alg => 'HS256' }, { %good, revision => 0 }, $secret));
bad_token('one of a text for a revision', hs256({ alg => 'HS256' }, { %good, revision => '7' }, $secret));
bad_token('one of nobody', hs256({ alg => 'HS256' }, { %good, username => '' }, $secret));
bad_token('no object', do { my $text = part({ alg => 'HS256' }) . '.' . encode_base64url('[1]'); "$text." . encode_base64url(hmac_sha256($text, $secret)) });
refused('one of an unknown user', 7, 'permission denied', 1, '/kv/range', key('app/x'),
	hs256({ alg => 'HS256' }, { %good, username => 'stranger' }, $secret));
refused('one of an older revision', 3, 'revision of auth store is old', 1, '/kv/range', key('app/x'),
	hs256({ alg => 'HS256' }, { %good, revision => $good{revision} - 1 }, $secret));
refused('also for a put', 3, 'revision of auth store is old', 1, '/kv/put', key('app/x', 'y'),
	hs256({ alg => 'HS256' }, { %good, revision => $good{revision} - 1 }, $secret));
done('a change of roles', 1, '/auth/role/add', { name => 'later' }, $jwt);
everywhere();
refused('makes a JWT old', 3, 'revision of auth store is old', 2, '/kv/range', key('app/x'), $jwt);

set_tokens("jwt,sign-method=RS256,priv-key=$folder/rsa.pem,pub-key=$folder/rsa.pub,ttl=2s");
$jwt = token(2, 'root', 'secret-of-root');
done("RS256 on n$_", $_, '/auth/user/list', {}, $jwt) for @members;
bad_token('one signed with the public key as a secret', hs256({ alg => 'HS256' }, { %good, exp => int(time()) + 100 }, slurp_file("$folder/rsa.pub")));
bad_token('the same that says RS256', hs256({ alg => 'RS256' }, \%good, slurp_file("$folder/rsa.pub")));
sleep(3);
refused('it does not slide', 16, 'invalid auth token', 2, '/auth/user/list', {}, $jwt);

# every other method, made and verified by one member
system("cd $folder && openssl genpkey -algorithm ed25519 -out ed.pem && openssl ecparam -name secp384r1 -genkey -noout -out ec384.pem"
	. " && openssl ecparam -name secp521r1 -genkey -noout -out ec521.pem >/dev/null 2>&1") == 0 or die 'openssl failed';
for my $method (
	[ 'HS384', 'secret' ], [ 'HS512', 'secret' ], [ 'RS384', 'rsa.pem' ], [ 'RS512', 'rsa.pem' ], [ 'PS256', 'rsa.pem' ], [ 'PS384', 'rsa.pem' ],
	[ 'PS512', 'rsa.pem' ], [ 'ES384', 'ec384.pem' ], [ 'ES512', 'ec521.pem' ], [ 'EdDSA', 'ed.pem' ])
{
	my ($name, $key) = @$method;
	$cluster->sql(1, "ALTER SYSTEM SET pg_quorum.auth_token = 'jwt,sign-method=$name,priv-key=$folder/$key'");
	$cluster->sql(1, 'SELECT pg_reload_conf()');
	my $token;
	$cluster->wait_until("tokens of $name", sub {
		$token = token(1, 'root', 'secret-of-root') // '';
		return (eval { $json->decode(decode_base64url((split(/\./, $token))[0]))->{alg} } // '') eq $name;
	});
	done("$name", 1, '/auth/user/list', {}, $token);
	my ($head, $body, $signature) = split(/\./, $token);
	my $bytes = decode_base64url($signature);
	substr($bytes, length($bytes) / 2, 1) ^= "\x10";
	bad_token("one of $name with a changed signature", "$head.$body." . encode_base64url($bytes));
}

set_tokens("jwt,sign-method=ES256,priv-key=$folder/ec.pem", 1);
set_tokens("jwt,sign-method=ES256,pub-key=$folder/ec.pub", 2);
$jwt = token(1, 'root', 'secret-of-root');
done('ES256 where it is made',            1, '/auth/user/list', {}, $jwt);
done('ES256 where it is only verified', 2, '/auth/user/list', {}, $jwt);
is((call(2, '/auth/authenticate', { name => 'root', password => 'secret-of-root' }))[0], 2, 'who only verifies makes none');
set_tokens("jwt,sign-method=RS256,priv-key=$folder/ec.pem", 3);
isnt((call(3, '/auth/authenticate', { name => 'root', password => 'secret-of-root' }))[0], 0, 'nor does a key of another kind');
like(slurp_file($cluster->node(3)->logfile), qr/no client can authenticate/, 'and the log says so');
set_tokens('simple');

# ---------------------------------------------------------------------------
# Secrets
# ---------------------------------------------------------------------------

$root = token(1, 'root', 'secret-of-root');
done('off', 1, '/auth/disable', {}, $root);
everywhere();
done('nobody is asked who it is', 2, '/kv/put', key('x', 'y'), 'nonsense');
everywhere();
for my $i (@members)
{
	my $log = slurp_file($cluster->node($i)->logfile);
	unlike($log, qr/secret-of|a secret that/, "no password is in the log of n$i");
	unlike($log, qr/\Q$root\E/, "nor a token");
	unlike($log, qr/PANIC|FATAL:  (?!the database system|terminating)|server process .* was terminated/, 'and nothing broke');
	is($cluster->sql($i, "SELECT count(*) FROM quorum.raft_log r WHERE r::text LIKE '%secret-of%'"), '0', 'nor in the log of entries');
}
# ---------------------------------------------------------------------------
# Client certificates
# ---------------------------------------------------------------------------

# an authority, a certificate for the member, and for users
sub openssl { my ($command) = @_; system("cd $folder && openssl $command >/dev/null 2>&1") == 0 or die "openssl $command failed"; return }

openssl('req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.crt');
append_to_file("$folder/san", 'subjectAltName=IP:127.0.0.1');
for my $name (qw(server cert alice root stranger))
{
	openssl("req -newkey rsa:2048 -nodes -subj /CN=$name -keyout $name.key -out $name.csr");
	openssl("x509 -req -days 2 -in $name.csr -CA ca.crt -CAkey ca.key -CAcreateserial -extfile san -out $name.crt");
}
my $node = $cluster->node(1);
$node->append_conf('postgresql.conf', <<"CONF");
pg_quorum.listen_client_urls = 'https://@{[ $cluster->endpoint(1) ]}'
pg_quorum.cert_file = '$folder/server.crt'
pg_quorum.key_file = '$folder/server.key'
pg_quorum.trusted_ca_file = '$folder/ca.crt'
pg_quorum.client_cert_auth = on
CONF
$node->restart;
$cluster->leader;
$cluster->await_gateways;

sub with_certificate
{
	my ($name, @command) = @_;
	my $run = etcdctl('https://' . $cluster->endpoint(1), "--cacert=$folder/ca.crt", "--cert=$folder/$name.crt", "--key=$folder/$name.key", @command);
	return $run->{code} == 0 ? $run->{out} : $run->{err} =~ s/^.*Error: /Error: /sr;
}

done('a role to the user without a password', 2, '/auth/user/grant', { user => 'cert', role => 'app' });
done('on again', 2, '/auth/enable');
everywhere();
like(with_certificate('cert', 'put', 'app/x', 'by certificate'), qr/^OK/, 'a certificate is as good as a token');
like(with_certificate('cert', 'get', 'app/x'), qr/by certificate/, 'also to read');
like(with_certificate('cert', 'get', 'other'), qr/^Error: etcdserver: permission denied/, 'as far as its user may');
like(with_certificate('root', 'user', 'list'), qr/alice/, 'root is root');
like(with_certificate('stranger', 'get', 'app/x'), qr/^Error: etcdserver: permission denied/, 'nobody\'s name is nobody\'s');
like(with_certificate('cert', '--user=root:secret-of-root', 'user', 'list'), qr/alice/, 'a token goes before it');
like(with_certificate('cert', '--user=root:wrong', 'user', 'list'), qr/authentication failed/, 'also a wrong password');
my $curl = `curl -s --cacert $folder/ca.crt --cert $folder/root.crt --key $folder/root.key https://@{[ $cluster->endpoint(1) ]}/v3/kv/range -d '{"key":"YQ=="}'`;
like($curl, qr/"etcdserver: user name is empty"/, 'for JSON a certificate is not enough');
$curl = `curl -s --cacert $folder/ca.crt https://@{[ $cluster->endpoint(1) ]}/version`;
unlike($curl, qr/etcdserver/, 'and without one there is nothing at all');
$root = token(2, 'root', 'secret-of-root');
done('off again', 2, '/auth/disable', {}, $root);
is($cluster->differences, '', 'all members are equal');

$cluster->stop;
done_testing();
