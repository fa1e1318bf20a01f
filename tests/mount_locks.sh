#!/bin/sh
# Locks hold between mounts: on bytes, on files, of open files; they wait, are interrupted, and go with who had them, also if the mount is killed.
# test: suite=short timeout=60
set -eu
. "$PF_SOURCE_DIR/tests/lib/cli.sh"
. "$PF_SOURCE_DIR/tests/lib/mount.sh"
expect 0 mkfs "$p" --size 16M
mounts "$p" "$m"
n=$dir/n
mkdir "$n"
expect 0 mount "$p" "$n"
python3 "$PF_SOURCE_DIR/tests/mount_locks.py" "$m/l" "$n/l" >"$dir/out" 2>&1 || fail "locks"

# killed: its locks are gone
exec 8<>"$m/l"
flock -x 8
! flock -n "$n/l" true || fail "locked twice"
kill -9 "$server"
gone "$server"
timeout 10 flock -x "$n/l" true || fail "the lock of a dead mount stays"
exec 8<&-
fusermount3 -u "$n"
