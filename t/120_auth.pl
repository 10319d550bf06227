# Users, roles and permissions on a cluster: turned on and off under load, with
# members that die meanwhile, that were away, and with watches that lose their right.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/120_auth.pl

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

my $cluster = QuorumCluster->new('auth', conf => "pg_quorum.catchup_entries = 100\npg_quorum.request_timeout = '3s'")->start;
my @members = $cluster->members;

# The roles of PostgreSQL are each member's own.
for my $i (@members)
{
	$cluster->sql($i, 'CREATE ROLE app LOGIN; CREATE ROLE other LOGIN; GRANT quorum_writer TO app, other');
}

sub conninfo_as { my ($i, $role) = @_; return 'host=127.0.0.1 port=' . $cluster->port($i) . " dbname=postgres user=$role" }

# What a query as a role gives: its result, or its SQLSTATE.
sub as_role
{
	my ($i, $role, $query) = @_;
	my ($out, $err);
	$cluster->node($i)->psql('postgres', "SET ROLE $role;\n\\set VERBOSITY verbose\n$query",
		stdout => \$out, stderr => \$err, on_error_stop => 0);
	return $err =~ /ERROR:\s+(\w{5}):/ ? $1 : $out;
}

# Everything about users that a member knows, once it has applied what was committed.
sub auth_state
{
	my ($i) = @_;
	return $cluster->sql($i, "SELECT quorum.read_barrier() > 0;
		SELECT * FROM quorum.auth_status();
		SELECT u::text FROM quorum.users u;
		SELECT r::text FROM quorum.roles r");
}

sub same_users
{
	my ($what) = @_;
	my %states = map { auth_state($_) => 1 } $cluster->running;
	is(scalar(keys %states), 1, "etcd 14571: $what: the members agree on users, roles and permissions") or diag(join("\n--\n", keys %states));
	return;
}

$cluster->sql(1, "SELECT quorum.user_add('root', 'rootpw'), quorum.user_add('app', 'apppw'), quorum.role_add('app')");
$cluster->sql(2, "SELECT quorum.user_grant_role('root', 'root'), quorum.user_grant_role('app', 'app')");
$cluster->sql(3, "SELECT quorum.role_grant_permission('app', 'readwrite', p, prefix => true) FROM unnest('{load,app/}'::text[]) p");
same_users('made on three members');

# auth_enable_under_load: clients who are no superusers; it goes on and off, rights come
# and go, and a member dies in the middle of it.
{
	no warnings 'redefine';
	my $start = \&QuorumCluster::start_load;
	local *QuorumCluster::start_load = sub {
		local *QuorumCluster::conninfo = sub { return conninfo_as($_[1], 'app') };
		return $start->(@_);
	};
	$cluster->under_load('auth on and off', sub {
		my $dead = ($cluster->followers)[0];
		my ($alive) = grep { $_ != $dead } @members;
		for my $round (1 .. 6)
		{
			$cluster->sql($alive, 'SELECT quorum.auth_enable()');
			sleep(0.2);
			$cluster->sql($alive, "SELECT quorum.user_revoke_role('app', 'app')");
			sleep(0.2);
			$cluster->kill_postmaster($dead) if $round == 2;
			$cluster->sql($alive, "SELECT quorum.user_grant_role('app', 'app'), quorum.user_add('temp$round'), quorum.user_delete('temp$round')");
			sleep(0.2);
			$cluster->start_member($dead) if $round == 4;
			$cluster->sql($alive, 'SELECT quorum.auth_disable()') if $round % 2;
		}
	}, expect => ['42501']);
}
is($cluster->sql(1, 'SELECT enabled FROM quorum.auth_status()'), 't', 'etcd 14571: authentication is on after all');
same_users('on and off with a crash');

# Who may what, on every member alike.
$cluster->sql(1, "SELECT quorum.put('app/a', 'x'), quorum.put('secret', 'x')");
for my $i (@members)
{
	is(as_role($i, 'app', "SELECT quorum.get('app/a')"), 'x', "n$i: a user reads what it may");
	is(as_role($i, 'app', "SELECT quorum.get('secret')"), '42501', "n$i: and nothing else");
	is(as_role($i, 'app', "SELECT quorum.put('secret', 'y')"), '42501', "n$i: and writes nothing else");
	is(as_role($i, 'other', "SELECT quorum.get('app/a')"), '42501', "n$i: who is no user reads nothing");
}

# permission_watch_revoked: a watch ends when its right is taken away, on another member.
my $watchers = Watchers->new(conninfo_as(1, 'app'), 2, "SELECT quorum.watch('app/', prefix => true)");
my $stream = $cluster->session(2);
$cluster->send_to($stream, "SET ROLE app;\nCALL quorum.watch_stream('app/', prefix => true);");
ok($cluster->wait_until('the stream', sub { $cluster->sql(2, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CALL%watch_stream%' AND state = 'active'") }),
	'a stream runs');
$cluster->sql(3, "SELECT quorum.put('app/heard', '1')");
ok($watchers->heard_until(sub { grep { /app\/heard/ } $watchers->payloads(1) }), 'a watch hears what may be read');
$cluster->sql(3, "SELECT quorum.role_revoke_permission('app', 'app/', prefix => true)");
$cluster->sql(3, "SELECT quorum.put('app/unheard', '1')");
for my $s (0, 1)
{
	ok($watchers->heard_until(sub { grep { /CANCELED/ } $watchers->payloads($s) }), "session $s: the watch is told that it ends");
	is(($watchers->payloads($s))[-1], '{"type": "CANCELED", "reason": "permission denied"}', "session $s: as its last");
}
$cluster->sql(3, "SELECT quorum.role_grant_permission('app', 'readwrite', 'app/', prefix => true)");
$cluster->sql(3, "SELECT quorum.put('app/unheard', '2')");
sleep(1);
is(scalar(grep { /unheard/ } map { $watchers->payloads($_) } 0, 1), 0, 'and hears nothing any more');
is($cluster->sql(1, 'SELECT count(*) FROM quorum.watches'), '0', 'it is gone from the registry');
$cluster->send_to($stream, "SELECT 'after the stream';");
ok($cluster->hear($stream, qr/after the stream/), 'the stream has ended');
like($stream->{out}, qr/app\/heard.*CANCELED/s, 'and said so');
unlike($stream->{out}, qr/unheard/, 'and told nothing after it');
$cluster->close_session($stream);
$watchers->finish;

# A watch that loses its right while nothing is written hears of it all the same.
$watchers = Watchers->new(conninfo_as(1, 'app'), 1, "SELECT quorum.watch('app/', prefix => true)");
$cluster->sql(2, "SELECT quorum.user_revoke_role('app', 'app')");
ok($watchers->heard_until(sub { grep { /CANCELED/ } $watchers->payloads(0) }), 'an idle watch is told that it ends');
$watchers->finish;
$cluster->sql(2, "SELECT quorum.user_grant_role('app', 'app')");

# A named watch that tells events does not outlive the moment authentication goes on.
$cluster->sql(1, 'SELECT quorum.auth_disable()');
$cluster->sql(1, "SELECT quorum.create_watch('named_events', 'app/', prefix => true), quorum.create_watch('named_revisions', 'app/', prefix => true, payload => 'revision')");
$cluster->sql(1, 'SELECT quorum.auth_enable()');
$cluster->sql(1, "SELECT quorum.put('app/a', 'y')");
ok($cluster->wait_until('its end', sub { $cluster->sql(1, "SELECT state FROM quorum.watches WHERE channel = 'named_events'") eq 'denied' }),
	'a named watch of events is denied');
is($cluster->sql(1, "SELECT state FROM quorum.watches WHERE channel = 'named_revisions'"), 'active', 'one of revisions is not');
is($cluster->sql(1, "SELECT ended_by FROM quorum.named_watch WHERE channel = 'named_events'"), 'permission', 'and that is kept');
$cluster->sql(1, "SELECT quorum.drop_watch('named_events'), quorum.drop_watch('named_revisions')");

# A member that was away for longer than the log reaches gets users with the snapshot.
my $away = ($cluster->followers)[0];
my ($here) = grep { $_ != $away } @members;
$cluster->node($away)->stop('fast');
$cluster->sql($here, "SELECT quorum.user_add('later'), quorum.role_grant_permission('app', 'read', 'later'), quorum.user_map('other', 'app')");
$cluster->sql($here, "SELECT count(quorum.put('app/' || i, 'x')) FROM generate_series(1, 400) i");
$cluster->sql($here, "SELECT quorum.user_delete('later')");
$cluster->start_member($away);
$cluster->wait_until('the member that was away', sub { ($cluster->try_sql($away, 'SELECT quorum.read_barrier() > 0') // '') eq 't' });
same_users('away');
is(as_role($away, 'other', "SELECT quorum.get('app/1', serializable => true)"), 'x', 'the user map is there too');
is($cluster->differences, '', 'all members are equal');

# password_secrecy: in no log, no pg_stat_activity, no file.
my $session = $cluster->session(1);
$cluster->send_to($session, "BEGIN;\nSELECT quorum.user_add('secretive', 'hush-hush-1');\nSELECT 'added';");
$cluster->send_to($session, "SELECT quorum.user_change_password('secretive', 'hush-hush-2');");
ok($cluster->wait_until('the idle session', sub { $cluster->sql(1, "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND query LIKE '%user_change_password%'") }),
	'the statement with a password has been run');
is($cluster->sql(1, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%hush%' AND pid <> pg_backend_pid()"), '0', 'pg_stat_activity does not show it');
$cluster->close_session($session);
$cluster->node(1)->psql('postgres', "SELECT quorum.user_add('secretive', 'hush-hush-3')");
is($cluster->sql(2, "SELECT quorum.user_check_password('secretive', 'hush-' || 'hush-2')"), 't', 'the password is in force');
$cluster->sql(1, 'CHECKPOINT');
for my $i (@members)
{
	my $folder = $cluster->node($i)->data_dir;
	my $found = `grep -rl -- hush-hush '$folder' 2>/dev/null`;
	is($found, '', "n$i: no file of the member holds it");
	unlike(slurp_file($cluster->node($i)->logfile), qr/hush-hush/, "n$i: nor does its log");
}

is($cluster->findings, '', 'all pages are sound');
$cluster->stop;
done_testing();
