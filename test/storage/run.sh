#!/bin/bash
# run.sh - tests of the storage layer, on servers of their own.
#
#   test/storage/run.sh [TEST...]
#
# The test module must have been installed (make -C test/storage install).  Not
# as root.  Prints a line for each test and ends with "N passed, N failed".
#
# Settings (environment):
#   PG_CONFIG            which PostgreSQL (default pg_config)
#   STORAGE_TEST_DIR     where to work (default a new folder under TMPDIR)
#   STORAGE_TEST_PORT    the first of two ports on loopback (default 6290)
#   STORAGE_TEST_SEEDS   seeds of each model test (default 4)
#   STORAGE_TEST_CRASHES how often to crash, and how many prefixes of the WAL
#                        to replay (default 8)
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   test/storage/run.sh

set -u
cd "$(dirname "$0")" || exit 1

bin=$("${PG_CONFIG:-pg_config}" --bindir) || exit 1
base=${STORAGE_TEST_DIR:-$(mktemp -d "${TMPDIR:-/tmp}/storage-test.XXXXXX")}
port=${STORAGE_TEST_PORT:-6290}
seeds=${STORAGE_TEST_SEEDS:-4}
crashes=${STORAGE_TEST_CRASHES:-8}
all="models prefetch removal interrupts readers crashes prefixes standby minimal ddl upgrade"
tests=${*:-$all}

if [ "$(id -u)" -eq 0 ]; then
	echo "run.sh: PostgreSQL does not run as root" >&2
	exit 1
fi
mkdir -p "$base" || exit 1
base=$(cd "$base" && pwd)

passed=0
failed=0

pass()
{
	passed=$((passed + 1))
	echo "ok - $*"
}

fail()
{
	failed=$((failed + 1))
	echo "not ok - $*"
	[ ! -s "$base/out" ] || sed 's/^/#   /' "$base/out" | tail -n 12
}

# expect DESCRIPTION COMMAND...: the command must succeed
expect()
{
	local what=$1
	shift
	if "$@" >"$base/out" 2>&1; then pass "$what"; else fail "$what"; fi
}

# --------------------------------------------------------------- servers

# make_server NAME PORT SETTING...
make_server()
{
	local dir=$base/$1 on=$2
	shift 2
	rm -rf "$dir"
	"$bin/initdb" -D "$dir" -U postgres -A trust -N --data-checksums >"$base/initdb.log" 2>&1 || return 1
	configure "$dir" "$on"
	printf '%s\n' "$@" >>"$dir/postgresql.conf"
}

configure()
{
	cat >>"$1/postgresql.conf" <<-END
		port = $2
		listen_addresses = '127.0.0.1'
		unix_socket_directories = '$base'
		shared_preload_libraries = 'quorum_storage_test'
		shared_buffers = 32MB
		max_wal_size = 1GB
		fsync = off
		log_min_messages = warning
	END
}

start_server()
{
	"$bin/pg_ctl" -D "$base/$1" -l "$base/$1.log" -w -t 60 start >/dev/null
}

stop_server()
{
	[ ! -f "$base/$1/postmaster.pid" ] ||
		"$bin/pg_ctl" -D "$base/$1" -w -t 60 -m "${2:-fast}" stop >/dev/null
}

cleanup()
{
	trap - EXIT INT TERM
	local pids
	pids=$(jobs -p)
	[ -z "$pids" ] || kill $pids 2>/dev/null
	for dir in "$base"/*/; do
		[ ! -f "$dir/postmaster.pid" ] || "$bin/pg_ctl" -D "$dir" -m immediate stop >/dev/null 2>&1
	done
	if [ -z "${STORAGE_TEST_DIR:-}" ] && [ "$failed" -eq 0 ]; then
		rm -rf "$base"
	fi
}
trap cleanup EXIT
trap 'cleanup; exit 130' INT TERM

# sql PORT STATEMENT...
sql()
{
	local on=$1 args=()
	shift
	for statement in "$@"; do args+=(-c "$statement"); done
	timeout 120 "$bin/psql" -h 127.0.0.1 -p "$on" -U postgres -XqAt -v ON_ERROR_STOP=1 "${args[@]}" 2>&1
}

# No finding of check_storage() on the server of a port
sound()
{
	local findings
	findings=$(sql "$1" "SELECT * FROM quorum.check_storage() LIMIT 20") || { echo "$findings"; return 1; }
	[ -z "$findings" ] || { echo "$findings"; return 1; }
}

# gives EXPECTED PORT STATEMENT...: the output must be that
gives()
{
	local expected=$1 got
	shift
	got=$(sql "$@")
	[ "$got" = "$expected" ] || { echo "got: $got"; echo "expected: $expected"; return 1; }
}

# refused SQLSTATE PORT STATEMENT: ERROR with that SQLSTATE
refused()
{
	local state=$1 on=$2 statement=$3 got
	got=$(timeout 60 "$bin/psql" -h 127.0.0.1 -p "$on" -U postgres -XqAt -v VERBOSITY=verbose \
		-c "$statement" 2>&1)
	case "$got" in
		*"ERROR:  $state: "*) ;;
		*) echo "got: $got"; return 1 ;;
	esac
}

# The contents of both relations, in short
contents()
{
	sql "$1" "SELECT count(*), md5(string_agg(md5(r::text), '' ORDER BY md5(r::text))) FROM quorum.mvcc r" \
		"SELECT count(*), md5(string_agg(md5(r::text), '' ORDER BY index)) FROM quorum.raft_log r"
}

fresh_primary()
{
	stop_server primary
	make_server primary "$port" "$@" && start_server primary &&
		sql "$port" "CREATE EXTENSION quorum_storage_test" "SELECT quorum.format()"
}

# ----------------------------------------------------------------- tests

test_models()
{
	fresh_primary >"$base/out" 2>&1 || { fail "models: cannot start"; return; }
	expect "ascending keys fill their pages" gives t "$port" \
		"SELECT fill > 0.92 AND fill < 1 FROM quorum.tree_fill(200000, 100, 0) fill"
	fresh_primary >"$base/out" 2>&1 || { fail "models: cannot start"; return; }
	expect "but for the room that is reserved" gives t "$port" \
		"SELECT fill BETWEEN 0.85 AND 0.92 FROM quorum.tree_fill(200000, 100, 10) fill"
	for seed in $(seq "$seeds"); do
		expect "tree, mixed keys, seed $seed" \
			sql "$port" "SELECT quorum.tree_model($seed, 300, 'mixed')"
		expect "tree, many small items, seed $seed" \
			sql "$port" "SELECT quorum.tree_model($seed, 300, 'small')"
		expect "tree, ascending keys, seed $seed" \
			sql "$port" "SELECT quorum.tree_model($seed, 300, 'sequential')"
		expect "tree, long keys, seed $seed" \
			sql "$port" "SELECT quorum.tree_model($seed, 200, 'long keys')"
		expect "tree, long values, seed $seed" \
			sql "$port" "SELECT quorum.tree_model($seed, 60, 'long values')"
		expect "log, seed $seed" sql "$port" "SELECT quorum.log_model($seed, 500)"
	done
	expect "relations are sound after the models" sound "$port"
	stop_server primary
}

# Leaves that are asked for are those with the keys that will be read, as far as they are not at hand
test_prefetch()
{
	fresh_primary >"$base/out" 2>&1 || { fail "prefetch: cannot start"; return; }
	expect "of an empty tree nothing is asked for" gives 0 "$port" "SELECT quorum.tree_prefetch(1, 100, 32)"
	sql "$port" "SELECT quorum.tree_fill(5, 100, 0)" >"$base/out" 2>&1
	expect "nor of one that is a single page" gives 0 "$port" "SELECT quorum.tree_prefetch(1, 100, 32)"
	sql "$port" "SELECT quorum.tree_fill(100000, 100, 0)" >"$base/out" 2>&1
	expect "pages at hand are not asked for" gives 0 "$port" "SELECT quorum.tree_prefetch(1, 1000, 32)"
	stop_server primary
	start_server primary
	expect "one leaf for a few keys" gives 1 "$port" "SELECT quorum.tree_prefetch(1, 10, 32)"
	expect "some leaves for more" gives t "$port" "SELECT quorum.tree_prefetch(1, 300, 32) BETWEEN 4 AND 7"
	expect "no more than wanted" gives 3 "$port" "SELECT quorum.tree_prefetch(1, 100000, 3)"
	expect "nor than there is room for" gives 32 "$port" "SELECT quorum.tree_prefetch(1, 100000, 1000000)"
	expect "nothing behind the end but the last one" gives t "$port" \
		"SELECT quorum.tree_prefetch(1000000, 2000000, 32) BETWEEN 0 AND 1"
	sql "$port" "SELECT count(*) FROM quorum.mvcc" >"$base/out" 2>&1
	expect "what was read is at hand" gives 0 "$port" "SELECT quorum.tree_prefetch(1, 10, 32)"
	stop_server primary
}

# Leaves that lose nearly all of their items at once are freed as they are
test_removal()
{
	local psql="$bin/psql -h 127.0.0.1 -p $port -U postgres -XqAt"
	fresh_primary >"$base/out" 2>&1 || { fail "removal: cannot start"; return; }
	sql "$port" "SELECT quorum.tree_fill(100000, 100, 0)" "CHECKPOINT" >"$base/out" 2>&1
	expect "pages are freed without being changed" gives t "$port" \
		"SELECT freed > 1300 AND changed < freed / 10 FROM quorum.tree_remove(1, 100000, 100)"
	expect "the tree is sound after that" sound "$port"
	expect "what is kept is there" gives "1000|50050000" "$port" \
		"SELECT count(*), sum(major) FROM quorum.mvcc WHERE space = 7"
	sql "$port" "SELECT quorum.tree_remove(1, 100000, 0)" "CREATE TABLE size AS SELECT pg_relation_size('quorum.mvcc')" \
		"SELECT quorum.tree_fill(95000, 100, 0)" >"$base/out" 2>&1
	expect "the pages serve again" gives t "$port" "SELECT pg_relation_size('quorum.mvcc') = pg_relation_size FROM size"
	expect "the tree is sound after that too" sound "$port"
	sql "$port" "SELECT quorum.tree_remove(1, 100000, 0)" >"$base/out" 2>&1
	expect "long values on listed pages" sql "$port" "SELECT quorum.tree_model(21, 60, 'long values')"

	fresh_primary >"$base/out" 2>&1 || { fail "removal: cannot start"; return; }
	# the first page that is freed becomes one of the free list itself
	sql "$port" "SELECT quorum.tree_fill(20200, 100, 0)" "SELECT quorum.tree_remove(20001, 20200, 0)" >"$base/out" 2>&1
	expect "a scan finds freed pages as they were" gives many "$port" \
		"SELECT CASE WHEN seen > 1000 THEN 'many' ELSE seen::text END FROM quorum.scan_beside_removal(20000, 50) seen"

	fresh_primary >"$base/out" 2>&1 || { fail "removal: cannot start"; return; }
	expect "a writer that knows a leaf which another has freed" sql "$port" "SELECT quorum.tree_fill(5000, 100, 0)" \
		"\\! $psql -c 'SELECT quorum.tree_remove(1, 5000, 0)'" "SELECT quorum.tree_put_one(5001)"
	expect "... writes to another" gives 5001 "$port" "SELECT major FROM quorum.mvcc WHERE space = 7"
	expect "the tree is sound after that" sound "$port"

	sql "$port" "SELECT quorum.break_free_list(1)" >"$base/out" 2>&1
	expect "a page in use on the free list is found" grep -q "names block 1 as free" <(sql "$port" "SELECT * FROM quorum.check_storage()")
	sql "$port" "SELECT quorum.break_free_list(4000000000)" >"$base/out" 2>&1
	expect "one beyond the end is found" grep -q "names block 4000000000 as free" <(sql "$port" "SELECT * FROM quorum.check_storage()")
	expect "and not used" refused XX001 "$port" "SELECT quorum.tree_fill(100000, 100, 0)"
	stop_server primary
}

# Errors and cancelled statements in the middle of anything
test_interrupts()
{
	local cancelled=0 out
	fresh_primary >"$base/out" 2>&1 && sql "$port" "SELECT quorum.crash_setup()" >>"$base/out" ||
		{ fail "interrupts: cannot start"; return; }
	for i in $(seq 40); do
		out=$(sql "$port" "SET statement_timeout = $((2 + i))" "SELECT quorum.crash_write(1000)")
		case "$out" in *"canceling statement"*) cancelled=$((cancelled + 1)) ;; esac
		if ! sql "$port" "SELECT quorum.crash_verify()" >"$base/out" 2>&1; then
			fail "contents after cancellation $i"
			stop_server primary
			return
		fi
	done
	: >"$base/out"
	if [ "$cancelled" -ge 30 ]; then
		pass "contents after $cancelled cancellations"
	else
		fail "only $cancelled of 40 statements were cancelled"
	fi
	sql "$port" "SELECT max(index) FROM quorum.raft_log" >"$base/last"
	expect "a long entry is cancelled" refused 57014 "$port" \
		"SET statement_timeout = '30ms'; SELECT quorum.append_long(400000000)"
	expect "an incomplete entry is not there" gives "$(cat "$base/last")" "$port" \
		"SELECT max(index) FROM quorum.raft_log"
	expect "contents with an incomplete entry" sql "$port" "SELECT quorum.crash_verify()"
	# a cancelled write has flushed nothing; this commit flushes all before it
	sql "$port" "CREATE TABLE flushed ()" >"$base/out" 2>&1
	stop_server primary immediate
	start_server primary
	expect "an incomplete entry is not there after a crash" gives "$(cat "$base/last")" "$port" \
		"SELECT max(index) FROM quorum.raft_log"
	expect "writing goes on after cancellations" sql "$port" "SELECT quorum.crash_write(50)"
	expect "contents after that" sql "$port" "SELECT quorum.crash_verify()"
	stop_server primary
}

# read_beside PORT FILE SECONDS SEED: readers for some seconds
read_beside()
{
	sql "$1" "SELECT quorum.churn_read($4, $3)" >"$2" 2>&1
}

test_readers()
{
	local pids=() ok=1
	fresh_primary >"$base/out" 2>&1 && sql "$port" "SELECT quorum.churn_setup()" >>"$base/out" 2>&1 ||
		{ fail "readers: cannot start"; return; }
	for i in 1 2 3; do
		read_beside "$port" "$base/reader.$i" 8 "$i" &
		pids+=($!)
	done
	expect "a writer beside readers" sql "$port" "SELECT quorum.churn_write(5, 8)"
	for i in 1 2 3; do
		wait "${pids[$((i - 1))]}" || ok=0
		cat "$base/reader.$i"
	done >"$base/out"
	if [ "$ok" -eq 1 ]; then pass "readers beside a writer"; else fail "readers beside a writer"; fi
	expect "relations are sound after that" sound "$port"
	stop_server primary
}

# Kill the server while it writes, let it recover, compare with what was flushed
test_crashes()
{
	local acknowledged verified writer pid
	fresh_primary "checkpoint_timeout = 30s" >"$base/out" 2>&1 &&
		sql "$port" "SELECT quorum.crash_setup()" >>"$base/out" 2>&1 ||
		{ fail "crashes: cannot start"; return; }
	for i in $(seq "$crashes"); do
		: >"$base/acknowledged"
		(
			while sql "$port" "SELECT quorum.crash_write($((RANDOM % 20 + 1)))" >"$base/last"; do
				# a server that dies right after an answer sends its last words too
				grep -xE '[0-9]+' "$base/last" >>"$base/acknowledged"
			done
		) 2>/dev/null &
		writer=$!
		sleep "0.$((RANDOM % 9))"
		[ $((i % 3)) -ne 0 ] || sql "$port" "CHECKPOINT" >/dev/null 2>&1
		sleep "0.$((RANDOM % 90 + 10))"
		if [ $((i % 2)) -eq 0 ]; then
			stop_server primary immediate
		else
			pid=$(head -n 1 "$base/primary/postmaster.pid")
			kill -9 $("$bin/psql" -h 127.0.0.1 -p "$port" -U postgres -XAt \
				-c "SELECT pid FROM pg_stat_activity WHERE query LIKE '%crash_write%' AND pid <> pg_backend_pid()") \
				"$pid" 2>/dev/null
			while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
			sleep 0.2
			rm -f "$base/primary/postmaster.pid"
		fi
		wait "$writer"
		if ! start_server primary >"$base/out" 2>&1; then
			sleep 2
			start_server primary >"$base/out" 2>&1 || { fail "restart after crash $i"; return; }
		fi
		acknowledged=$(tail -n 1 "$base/acknowledged")
		verified=$(sql "$port" "SELECT quorum.crash_verify()")
		echo "acknowledged ${acknowledged:-nothing}, found $verified" >"$base/out"
		if [[ $verified =~ ^[0-9]+$ ]] && [ "$verified" -ge "${acknowledged:-0}" ]; then
			pass "contents after crash $i"
		else
			fail "contents after crash $i"
		fi
	done
	stop_server primary
}

# Whatever prefix of the WAL is replayed, the relations are what it makes of them
test_prefixes()
{
	local from bytes target verified
	fresh_primary "wal_level = replica" "wal_keep_size = 1GB" >"$base/out" 2>&1 &&
		sql "$port" "SELECT quorum.crash_setup()" "SELECT quorum.crash_write(1)" >>"$base/out" 2>&1 ||
		{ fail "prefixes: cannot start"; return; }
	rm -rf "$base/backup"
	"$bin/pg_basebackup" -h 127.0.0.1 -p "$port" -U postgres -D "$base/backup" -c fast >"$base/out" 2>&1 ||
		{ fail "prefixes: base backup"; return; }
	configure "$base/backup" "$port"
	touch "$base/backup/recovery.signal"
	from=$(sql "$port" "SELECT pg_current_wal_insert_lsn()")
	sql "$port" "SELECT quorum.crash_write(80)" >/dev/null
	bytes=$(sql "$port" "SELECT pg_current_wal_insert_lsn() - '$from'")
	sql "$port" "SELECT pg_switch_wal()" >/dev/null
	target=$(sql "$port" "SELECT '$from'::pg_lsn + i * ($bytes / $crashes)
		+ (random() * ($bytes / $crashes))::int FROM generate_series(0, $crashes - 1) i")
	stop_server primary
	for lsn in $target; do
		rm -rf "$base/prefix"
		cp -a "$base/backup" "$base/prefix"
		cat >>"$base/prefix/postgresql.conf" <<-END
			restore_command = 'cp "$base/primary/pg_wal/%f" "%p"'
			recovery_target_lsn = '$lsn'
			recovery_target_action = promote
		END
		start_server prefix >"$base/out" 2>&1 || { fail "replay up to $lsn"; continue; }
		for _ in $(seq 200); do
			[ "$(sql "$port" "SELECT pg_is_in_recovery()")" != f ] || break
			sleep 0.1
		done
		if sql "$port" "SELECT quorum.crash_verify()" "SELECT quorum.crash_write(5)" \
			"SELECT quorum.crash_verify()" >"$base/out"; then
			pass "contents after replay up to $lsn: $(head -n 1 "$base/out") batches"
		else
			fail "contents after replay up to $lsn"
		fi
		stop_server prefix immediate
	done
	rm -rf "$base/prefix" "$base/backup"
}

# The standby has replayed what the primary had written by now.  Gives up when
# replay has not moved for a minute.
caught_up()
{
	local until now before='' still=0
	# what was written without a transaction identifier is not flushed by its commit
	sql "$port" "SELECT pg_logical_emit_message(true, 'caught up', '')" || return 1
	until=$(sql "$port" "SELECT pg_current_wal_flush_lsn()") || { echo "$until"; return 1; }
	while [ "$still" -lt 300 ]; do
		now=$(sql $((port + 1)) "SELECT pg_last_wal_replay_lsn(), pg_last_wal_replay_lsn() >= '$until'")
		[ "${now#*|}" != t ] || return 0
		[ "$now" = "$before" ] || still=0
		before=$now
		still=$((still + 1))
		sleep 0.2
	done
	echo "replay stands at ${now%|*}, the primary was at $until"
	return 1
}

# Replay compared page by page, and readers on the standby
test_standby()
{
	fresh_primary "wal_level = replica" "wal_consistency_checking = 'all'" >"$base/out" 2>&1 ||
		{ fail "standby: cannot start"; return; }
	rm -rf "$base/standby" "$base/standby.log"
	# with a slot: the writer is faster than replay that compares, and WAL must wait for it
	"$bin/pg_basebackup" -h 127.0.0.1 -p "$port" -U postgres -D "$base/standby" -R -c fast \
		-C -S standby >"$base/out" 2>&1 || { fail "standby: base backup"; return; }
	configure "$base/standby" $((port + 1))
	start_server standby || { fail "standby: cannot start"; return; }
	expect "models with a standby" sql "$port" \
		"SELECT quorum.tree_model(11, 150, 'mixed')" "SELECT quorum.tree_model(12, 100, 'long keys')" \
		"SELECT quorum.tree_model(13, 20, 'long values')" "SELECT quorum.log_model(14, 300)"
	sql "$port" "SELECT quorum.churn_setup()" >/dev/null 2>&1
	expect "the standby catches up" caught_up
	read_beside $((port + 1)) "$base/reader.1" 6 1 &
	expect "a writer on the primary" sql "$port" "SELECT quorum.churn_write(6, 6)"
	if wait $!; then pass "a reader on the standby"; else cp "$base/reader.1" "$base/out"; fail "a reader on the standby"; fi
	expect "the standby replays all of it" caught_up
	contents "$port" >"$base/contents"
	expect "the standby has the same contents" gives "$(cat "$base/contents")" $((port + 1)) \
		"SELECT count(*), md5(string_agg(md5(r::text), '' ORDER BY md5(r::text))) FROM quorum.mvcc r;
		 SELECT count(*), md5(string_agg(md5(r::text), '' ORDER BY index)) FROM quorum.raft_log r"
	if grep -E "inconsistent page|PANIC" "$base/standby.log" >"$base/out"; then
		fail "replay makes the same pages"
	else
		pass "replay makes the same pages"
	fi
	expect "the standby cannot be written" refused 25006 $((port + 1)) "SELECT quorum.crash_setup()"
	stop_server primary
	"$bin/pg_ctl" -D "$base/standby" -w promote >/dev/null 2>&1
	expect "the promoted standby is sound" sound $((port + 1))
	expect "and can be written" sql $((port + 1)) "SELECT quorum.tree_model(15, 50, 'mixed')" \
		"SELECT quorum.log_model(15, 50)"
	stop_server standby
}

# Relations made and filled in one transaction that writes no WAL for them
test_minimal()
{
	stop_server primary
	make_server primary "$port" "wal_level = minimal" "max_wal_senders = 0" >"$base/out" 2>&1 &&
		start_server primary || { fail "minimal: cannot start"; return; }
	expect "creation and use in one transaction, wal_level = minimal" sql "$port" \
		"BEGIN; CREATE EXTENSION quorum_storage_test; SELECT quorum.format();
		 SELECT quorum.tree_model(1, 60, 'mixed'); SELECT quorum.log_model(1, 60); COMMIT"
	contents "$port" >"$base/contents"
	stop_server primary immediate
	start_server primary || { fail "minimal: cannot restart"; return; }
	expect "contents after a crash" gives "$(cat "$base/contents")" "$port" \
		"SELECT count(*), md5(string_agg(md5(r::text), '' ORDER BY md5(r::text))) FROM quorum.mvcc r;
		 SELECT count(*), md5(string_agg(md5(r::text), '' ORDER BY index)) FROM quorum.raft_log r"
	expect "relations are sound after that" sound "$port"
	expect "VACUUM FULL, wal_level = minimal" sql "$port" "VACUUM FULL"
	stop_server primary immediate
	start_server primary || { fail "minimal: cannot restart"; return; }
	expect "contents after a crash after VACUUM FULL" gives "$(cat "$base/contents")" "$port" \
		"SELECT count(*), md5(string_agg(md5(r::text), '' ORDER BY md5(r::text))) FROM quorum.mvcc r;
		 SELECT count(*), md5(string_agg(md5(r::text), '' ORDER BY index)) FROM quorum.raft_log r"
	stop_server primary
}

test_ddl()
{
	local space=$base/space statement parallel
	fresh_primary >"$base/out" 2>&1 &&
		sql "$port" "SELECT quorum.tree_model(3, 100, 'mixed')" "SELECT quorum.log_model(3, 100)" >>"$base/out" 2>&1 ||
		{ fail "ddl: cannot start"; return; }
	contents "$port" >"$base/contents"
	rm -rf "$space"
	mkdir -p "$space"

	while read -r statement; do
		expect "$statement" sql "$port" "$statement"
		contents "$port" >"$base/now"
		expect "... leaves the contents alone" cmp "$base/contents" "$base/now"
	done <<-END
		VACUUM
		VACUUM FREEZE quorum.mvcc
		VACUUM FULL
		VACUUM FULL quorum.raft_log
		ANALYZE
		REINDEX DATABASE postgres
		CHECKPOINT
		CREATE TABLESPACE elsewhere LOCATION '$space'
		ALTER TABLE quorum.mvcc SET TABLESPACE elsewhere
		ALTER TABLE quorum.raft_log SET TABLESPACE elsewhere
		VACUUM FULL quorum.mvcc
		ALTER TABLE quorum.mvcc SET TABLESPACE pg_default
		ALTER TABLE quorum.mvcc SET (autovacuum_enabled = false)
		ALTER TABLE quorum.mvcc OWNER TO CURRENT_USER
	END
	expect "relations are sound after that" sound "$port"

	while read -r statement; do
		expect "$statement is refused" refused 0A000 "$port" "$statement"
		contents "$port" >"$base/now"
		expect "... and leaves the contents alone" cmp "$base/contents" "$base/now"
	done <<-END
		INSERT INTO quorum.mvcc VALUES (1, 'a', 1, 1, 'b')
		UPDATE quorum.mvcc SET value = ''
		DELETE FROM quorum.raft_log
		SELECT * FROM quorum.mvcc FOR UPDATE
		SELECT * FROM quorum.mvcc WHERE ctid = '(1,1)'
		COPY quorum.raft_log FROM PROGRAM 'printf "1\t1\t1\tx\n"'
		TRUNCATE quorum.mvcc
		TRUNCATE quorum.raft_log
		DO \$\$ BEGIN EXECUTE 'TRUNCATE quorum.mvcc'; END \$\$
		ALTER TABLE quorum.mvcc SET ACCESS METHOD heap
		ALTER TABLE quorum.raft_log SET ACCESS METHOD quorum_tree
		ALTER TABLE quorum.mvcc SET UNLOGGED
		ALTER TABLE quorum.mvcc ADD COLUMN x float8 DEFAULT random()
		ALTER TABLE quorum.mvcc DROP COLUMN value
		ALTER TABLE quorum.mvcc RENAME TO other
		ALTER TABLE quorum.mvcc RENAME COLUMN value TO other
		ALTER TABLE quorum.mvcc SET SCHEMA public
		ALTER TABLE quorum.mvcc ALTER COLUMN major TYPE int4
		CREATE INDEX ON quorum.mvcc (major)
		CREATE TABLE mine (a int4) USING quorum_tree
		CREATE TEMP TABLE mine (a int4) USING quorum_log
		CREATE UNLOGGED TABLE mine (a int4) USING quorum_log
		CREATE TABLE mine USING quorum_log AS SELECT 1 AS a
		CREATE MATERIALIZED VIEW mine USING quorum_log AS SELECT 1 AS a
		CREATE TABLE pg_temp_1259 (a int4) USING quorum_tree
		SET default_table_access_method = quorum_tree; CREATE TABLE mine (a int4)
		SELECT * FROM quorum.mvcc TABLESAMPLE SYSTEM (10)
	END
	expect "a table of others cannot become one of ours" refused 0A000 "$port" \
		"CREATE TABLE other AS SELECT 1 AS a; ALTER TABLE other SET ACCESS METHOD quorum_tree"
	expect "a scrolling cursor cannot go back" refused 0A000 "$port" \
		"BEGIN; DECLARE c SCROLL CURSOR FOR SELECT * FROM quorum.mvcc; FETCH 2 FROM c; FETCH BACKWARD 1 FROM c"
	expect "relations are sound after that" sound "$port"

	sql "$port" "SELECT count(*) FROM quorum.mvcc" >"$base/count"
	parallel="SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0"
	expect "a scan can be parallel" grep -q "Parallel Seq Scan" <(sql "$port" "$parallel" "EXPLAIN SELECT count(*) FROM quorum.mvcc")
	expect "a parallel scan returns each row once" gives "$(cat "$base/count")" "$port" \
		"$parallel" "SELECT count(*) FROM quorum.mvcc"
	expect "a join scans again" gives "$(cat "$base/count")" "$port" \
		"SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off;
		 SELECT count(*) FROM generate_series(1, 3) g, quorum.mvcc WHERE g = 2"
	expect "no transaction identifiers to freeze" gives "0|0" "$port" \
		"SELECT relfrozenxid, relminmxid FROM pg_class WHERE relname = 'mvcc'"
	expect "pg_dump" "$bin/pg_dump" -h 127.0.0.1 -p "$port" -U postgres -f "$base/dump.sql" postgres
	if grep -q "COPY quorum" "$base/dump.sql"; then fail "pg_dump has no data of ours"; else pass "pg_dump has no data of ours"; fi
	expect "DROP TABLE is refused" refused 2BP01 "$port" "DROP TABLE quorum.mvcc"

	# without preload
	stop_server primary
	sed -i "s/^shared_preload_libraries.*/shared_preload_libraries = ''/" "$base/primary/postgresql.conf"
	start_server primary || { fail "ddl: cannot restart"; return; }
	expect "SELECT without preload is refused" refused 55000 "$port" "SELECT * FROM quorum.mvcc"
	expect "VACUUM and ANALYZE without preload" sql "$port" "VACUUM" "ANALYZE" "VACUUM FULL quorum.mvcc"
	expect "TRUNCATE without preload is refused" refused 0A000 "$port" "TRUNCATE quorum.mvcc"
	expect "a rewrite without preload is refused" refused 55000 "$port" \
		"ALTER TABLE quorum.mvcc ADD COLUMN x float8 DEFAULT random()"
	expect "DROP EXTENSION without preload" sql "$port" "DROP EXTENSION quorum_storage_test"
	stop_server primary
}

# pg_upgrade carries the files over as they are
test_upgrade()
{
	fresh_primary >"$base/out" 2>&1 &&
		sql "$port" "SELECT quorum.tree_model(4, 100, 'mixed')" "SELECT quorum.log_model(4, 100)" >>"$base/out" 2>&1 ||
		{ fail "upgrade: cannot start"; return; }
	contents "$port" >"$base/contents"
	stop_server primary
	make_server upgraded "$port" || { fail "upgrade: initdb"; return; }
	expect "pg_upgrade" upgrade_to upgraded
	start_server upgraded || { fail "upgrade: cannot start the new server"; return; }
	contents "$port" >"$base/now"
	expect "contents after pg_upgrade" cmp "$base/contents" "$base/now"
	expect "relations are sound after that" sound "$port"
	expect "and can be written" sql "$port" "SELECT quorum.tree_model(5, 20, 'mixed')"
	stop_server upgraded
}

upgrade_to()
{
	(cd "$base" && "$bin/pg_upgrade" -b "$bin" -B "$bin" -d "$base/primary" -D "$base/$1" \
		-U postgres -p "$port" -P "$((port + 1))" -s "$base")
}

for name in $tests; do
	case " $all " in
		*" $name "*) ;;
		*) echo "run.sh: there is no test \"$name\"" >&2; exit 1 ;;
	esac
done
for name in $tests; do
	"test_$name"
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
