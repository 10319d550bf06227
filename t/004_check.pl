# quorum.check(): nothing on a sound store under load, a row for damage.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   t/004_check.pl

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant BLOCK => 8192;

my $node = PostgreSQL::Test::Cluster->new('check');
$node->init;
$node->append_conf('postgresql.conf', qq{
shared_preload_libraries = 'pg_quorum'
fsync = on
max_worker_processes = 16
});
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION pg_quorum;
	SELECT count(quorum.put('key/' || i, repeat('v', i % 700))) FROM generate_series(1, 3000) AS i;
	SELECT quorum.put('large', repeat('x', 300000));
});
is($node->safe_psql('postgres', 'SELECT * FROM quorum.check()'), '', 'a store at rest is sound');

# While a writer splits and frees pages.
my $writer = $node->background_psql('postgres', on_error_stop => 0);
$writer->query_until(qr/started/, q{
\echo started
SELECT count(quorum.put('more/' || i, repeat('w', i % 900))) FROM generate_series(1, 4000) AS i;
SELECT quorum.delete('key/1', prefix => true);
SELECT quorum.compact(quorum.revision(serializable => true));
});
for my $round (1 .. 5)
{
	is($node->safe_psql('postgres', 'SELECT * FROM quorum.check()'), '', "a store that is written to is sound, $round");
}
$writer->quit;

# Damage, each on a copy of the sound file.
my $file = $node->data_dir . '/' . $node->safe_psql('postgres', "SELECT pg_relation_filepath('quorum.mvcc')");
my $blocks = $node->safe_psql('postgres', "SELECT pg_relation_size('quorum.mvcc') / " . BLOCK);
cmp_ok($blocks, '>', 100, 'there are pages to damage');
$node->stop;
my $sound = slurp_file($file);

sub damaged
{
	my ($what, $content) = @_;

	open(my $fh, '>:raw', $file) or die "could not open $file: $!";
	print $fh $content;
	close($fh) or die "could not write $file: $!";
	$node->start;
	my $findings = $node->safe_psql('postgres',
		"SELECT count(*), bool_and(relation = 'mvcc'), bool_and(finding <> '') FROM quorum.check()");
	like($findings, qr/^[1-9]\d*\|t\|t$/, "$what is found");
	$node->stop('immediate');
	return;
}

my $first = substr($sound, 0, 40 * BLOCK);
my $page  = substr($sound, 40 * BLOCK, BLOCK);
my $rest  = substr($sound, 41 * BLOCK);
damaged('a page with an invalid header', $first . ("\xee" x BLOCK) . $rest);
damaged('an empty page', $first . ("\0" x BLOCK) . $rest);
damaged('another page in its place', $first . substr($rest, 0, BLOCK) . $rest);
damaged('a file that was cut off', substr($sound, 0, 60 * BLOCK));

done_testing();
