# common.sh - what the scripts of this folder share; sourced by bash, not run.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   scripts/common.sh
#
# PostgreSQL never runs as root, and the person who calls a script may be root
# or a user with sudo.  So sources are copied to a build tree that belongs to a
# system user, which builds and runs everything there; root rights are used
# only to install packages and the built extension.  The source tree itself is
# never written to.
#
# Settings (environment):
#   PG_CONFIG       pg_config of the PostgreSQL to build for
#   PGQ_OS_USER     the system user that builds and runs (default postgres)
#   PGQ_BUILD_DIR   the build tree (default /var/tmp/pg_quorum-build)

set -u -o pipefail

PROGRAM=${0##*/}
REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PGQ_OS_USER=${PGQ_OS_USER:-postgres}
PGQ_BUILD_DIR=${PGQ_BUILD_DIR:-/var/tmp/pg_quorum-build}
JOBS=${JOBS:-$(nproc 2>/dev/null || echo 1)}

say() { printf '%s\n' "$*"; }
die() { printf '%s: %s\n' "$PROGRAM" "$*" >&2; exit 1; }

# Run a command with root rights.  (Descriptor 8 is the lock of the build tree,
# which a server that was left over must not keep.)
as_root()
{
	if [ "$(id -u)" -eq 0 ]; then
		"$@" 8<&-
	elif [ -t 0 ]; then
		sudo -- "$@" 8<&-
	else
		sudo -n -- "$@" 8<&-
	fi
}

# Run a command as the system user, in a folder that user can enter.
as_pg()
{
	if [ "$(id -un)" = "$PGQ_OS_USER" ]; then
		(cd / && "$@") 8<&-
	elif [ "$(id -u)" -eq 0 ]; then
		(cd / && runuser -u "$PGQ_OS_USER" -- "$@") 8<&-
	elif [ -t 0 ]; then
		(cd / && sudo -u "$PGQ_OS_USER" -- "$@") 8<&-
	else
		(cd / && sudo -n -u "$PGQ_OS_USER" -- "$@") 8<&-
	fi
}

# Root or sudo, or a clear word about it.
require_root_rights()
{
	[ "$(id -u)" -eq 0 ] && return 0
	command -v sudo >/dev/null 2>&1 ||
		die "run it as root, or install sudo and give $(id -un) the right to use it"
	as_root true 2>/dev/null ||
		die "$(id -un) may not use sudo here without a password; run \"sudo -v\" first, or run it as root"
}

# Has the PostgreSQL of this pg_config a server, and what extensions are built
# with?  (Debian ships pgxs.mk with the server, its headers apart.)
can_build_for()
{
	[ -f "$("$1" --pgxs)" ] && [ -f "$("$1" --includedir-server)/postgres.h" ] &&
		[ -x "$("$1" --bindir)/postgres" ]
}

# Set PG_CONFIG and PG_BIN to the newest PostgreSQL that extensions can be
# built for, unless the caller has chosen one.  Status 1 if there is none.
find_postgres()
{
	local candidate
	if [ -z "${PG_CONFIG:-}" ]; then
		for candidate in $(ls -d /usr/lib/postgresql/*/bin/pg_config 2>/dev/null | sort -t/ -k5 -rn); do
			if can_build_for "$candidate"; then
				PG_CONFIG=$candidate
				break
			fi
		done
	fi
	if [ -z "${PG_CONFIG:-}" ]; then
		candidate=$(command -v pg_config) || return 1
		can_build_for "$candidate" || return 1
		PG_CONFIG=$candidate
	fi
	PG_BIN=$("$PG_CONFIG" --bindir) || return 1
	export PG_CONFIG PG_BIN
}

require_postgres()
{
	find_postgres || die "no PostgreSQL server with development files was found; run scripts/install-deps or set PG_CONFIG"
	id "$PGQ_OS_USER" >/dev/null 2>&1 || die "there is no system user \"$PGQ_OS_USER\""
	[ "$(id -u "$PGQ_OS_USER")" -ne 0 ] || die "PostgreSQL cannot run as root; set PGQ_OS_USER to another user"
}

# Make a folder that belongs to the system user; refuse one that somebody else
# put there, since what is in it would be run.
own_folder()
{
	local owner
	as_pg mkdir -p -m 755 "$1" 2>/dev/null || as_root install -d -m 755 -o "$PGQ_OS_USER" "$1" ||
		die "could not create folder \"$1\""
	owner=$(stat -c %U "$1")
	[ "$owner" = "$PGQ_OS_USER" ] ||
		die "folder \"$1\" belongs to \"$owner\" and not to \"$PGQ_OS_USER\"; remove it or name another"
}

# One run at a time works in a build tree.
lock_build_tree()
{
	own_folder "$PGQ_BUILD_DIR"
	as_pg touch "$PGQ_BUILD_DIR/lock" || die "could not write in \"$PGQ_BUILD_DIR\""
	exec 8<"$PGQ_BUILD_DIR/lock"
	flock -w "${1:-600}" 8 || die "another run is busy in \"$PGQ_BUILD_DIR\""
}

# Bring the sources into the build tree.  What was built there stays, so the
# next build does only what changed; sources that are gone go.
sync_build_tree()
{
	own_folder "$PGQ_BUILD_DIR/tree"
	as_pg find "$PGQ_BUILD_DIR/tree" -type f ! -path '*/build/*' \
		! -name '*.o' ! -name '*.d' ! -name '*.so' ! -name '*.a' -delete
	tar -C "$REPO" --exclude=./.git --exclude='*/build' --exclude=./build \
		--exclude='*.o' --exclude='*.d' --exclude='*.so' --exclude='*.a' --exclude='*.bc' \
		--exclude=./tmp_check --exclude=./bench/results --mode=u+rwX -cf - . |
		as_pg tar -C "$PGQ_BUILD_DIR/tree" --no-same-owner -xpf - ||
		die "could not copy the sources to \"$PGQ_BUILD_DIR/tree\""
}

# Run a command quietly; show the end of what it said only if it failed.
quietly()
{
	local log=$1 rc
	shift
	"$@" >"$log" 2>&1 && return 0
	rc=$?
	tail -n 30 "$log" >&2
	return $rc
}

# Build in the tree and install into PG_CONFIG's PostgreSQL.
build_and_install()
{
	local log
	log=$(mktemp) || die "could not create a temporary file"
	quietly "$log" as_pg make -C "$PGQ_BUILD_DIR/tree" -j"$JOBS" PG_CONFIG="$PG_CONFIG" ${ASSERT:+ASSERT=$ASSERT} ||
		{ rm -f "$log"; die "the build failed"; }
	if grep -q 'warning:' "$log"; then
		grep 'warning:' "$log" | head -5 >&2
		rm -f "$log"
		die "the build gave warnings"
	fi
	quietly "$log" as_root make -C "$PGQ_BUILD_DIR/tree" install PG_CONFIG="$PG_CONFIG" ${ASSERT:+ASSERT=$ASSERT} ||
		{ rm -f "$log"; die "the installation into $("$PG_CONFIG" --pkglibdir) failed"; }
	rm -f "$log"
}

# Start a command as the system user in the background, with a limit in seconds and
# its output in a log ("-": where ours goes).  One child at a time.
start_child()
{
	local limit=$1 log=$2
	shift 2
	child_pid_file=$PGQ_BUILD_DIR/child.pid
	as_pg rm -f "$child_pid_file"
	set -- bash -c 'echo $$ >"$0" && exec timeout --kill-after=10 "$@"' "$child_pid_file" "$limit" "$@"
	if [ "$log" = - ]; then
		as_pg "$@" </dev/null &
	else
		as_pg "$@" >"$log" 2>&1 </dev/null &
	fi
	child=$!
}

# Wait for it; its status is left in child_rc (124 and more: it was ended).
wait_child()
{
	wait "$child"
	child_rc=$?
	child=
}

# End it before its time, with all that it has started: timeout passes the
# signal on, which a signal to our own sudo or runuser would not be.
end_child()
{
	local pid
	[ -n "${child:-}" ] || return 0
	pid=$(as_pg cat "$child_pid_file" 2>/dev/null)
	[ -z "$pid" ] || as_pg kill "$pid" 2>/dev/null
	wait "$child" 2>/dev/null
	child=
}

# End every server whose data lies under a folder, each by its own pid file.
stop_servers_under()
{
	local pidfile
	as_pg find "$1" -name postmaster.pid -type f 2>/dev/null | while read -r pidfile; do
		as_pg "$PG_BIN/pg_ctl" -D "${pidfile%/*}" -m immediate -t 20 -w stop >/dev/null 2>&1 </dev/null
	done
}
