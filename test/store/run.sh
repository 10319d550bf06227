#!/bin/bash
# run.sh - the tests of the state machine, on a server of their own.
#
#   test/store/run.sh [SEEDS]
#
# Builds the test module, starts a server in a folder of its own, and runs the
# directed tests, the model test on SEEDS seeds (default 150), readers beside a
# writer, and the crash of a server at work.  Not as root; installs nothing.  The last line is
# "N passed, N failed".
#
# Settings (environment): PG_CONFIG, PGPORT (default 6390), and PGQ_TEST_TMP,
# where the server's folder is made (default /tmp).
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   test/store/run.sh

set -u -o pipefail
here=$(cd "$(dirname "$0")" && pwd)
seeds=${1:-150}
export PG_CONFIG=${PG_CONFIG:-pg_config}
export PGPORT=${PGPORT:-6390}
bin=$("$PG_CONFIG" --bindir) || exit 1

make -s -C "$here" PG_CONFIG="$PG_CONFIG" || { echo "0 passed, 1 failed"; exit 1; }

folder=$(mktemp -d "${PGQ_TEST_TMP:-/tmp}/store-test-XXXXXX") || exit 1
export PGHOST=$folder PGDATABASE=postgres PGUSER=postgres
started=
cleanup()
{
	[ -z "$started" ] || "$bin/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null 2>&1
	rm -rf "$folder"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# A test that eats up memory must not take the machine with it.
ulimit -v 6000000 2>/dev/null

start_server()
{
	"$bin/pg_ctl" -w -t 60 -D "$folder/data" -l "$folder/log" start >/dev/null && started=1
}

"$bin/initdb" -D "$folder/data" -U postgres -A trust --no-sync >"$folder/initdb.log" 2>&1 || {
	cat "$folder/initdb.log"
	echo "0 passed, 1 failed"
	exit 1
}
cat >>"$folder/data/postgresql.conf" <<CONF
listen_addresses = ''
port = $PGPORT
unix_socket_directories = '$folder'
shared_buffers = 64MB
autovacuum = off
shared_preload_libraries = '$here/store_test'
CONF
if ! start_server; then
	cat "$folder/log"
	echo "0 passed, 1 failed"
	exit 1
fi

sql() { "$bin/psql" -XAtq -v ON_ERROR_STOP=1 -c "$1" 2>&1; }

sed "s|@MODULE@|$here/store_test|" "$here/setup.sql.in" | "$bin/psql" -Xq -v ON_ERROR_STOP=1 -f - || {
	echo "0 passed, 1 failed"
	exit 1
}

passed=0
failed=0
# Count a test: its name, and an SQL command that fails if it does.
run_test()
{
	local output
	if output=$(sql "SET statement_timeout = '120s'; SET client_min_messages = warning; $2"); then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		printf 'not ok - %s: %s\n' "$1" "$output"
		# a crash takes the server down for a moment
		sleep 1
		"$bin/pg_isready" -q -t 30
	fi
}

for name in $(sql "SELECT store_test_names()"); do
	run_test "$name" "SELECT store_test_run('$name')"
done
for ((seed = 1; seed <= seeds; seed++)); do
	run_test "model, seed $seed" "SELECT store_test_model($seed, 40)"
done

# One process writes, three read, at the same time.
sql "SELECT store_test_shared_setup()" >/dev/null
sql "SELECT store_test_shared_write(6)" >"$folder/writer" 2>&1 &
writer=$!
for reader in 1 2; do
	sql "SELECT store_test_shared_read(5)" >"$folder/reader$reader" 2>&1 &
	readers[reader]=$!
done
run_test "shared store, reader 3" "SELECT store_test_shared_read(5)"
for reader in 1 2; do
	if wait "${readers[reader]}"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "not ok - shared store, reader $reader: $(cat "$folder/reader$reader")"
	fi
done
if wait "$writer"; then
	passed=$((passed + 1))
else
	failed=$((failed + 1))
	echo "not ok - shared store, writer: $(cat "$folder/writer")"
fi

# The server crashes again and again while it writes; each time the store must
# be what its log says, and whole.
sql "SELECT store_test_crash_setup()" >/dev/null
for round in 1 2 3 4; do
	sql "SELECT store_test_crash_work($round, 100000)" >/dev/null 2>&1 &
	sleep 1
	"$bin/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null 2>&1
	wait $!
	start_server
	run_test "server crash $round" "SELECT store_test_crash_check()"
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
