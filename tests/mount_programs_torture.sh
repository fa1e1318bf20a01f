#!/bin/sh
# The same programs as in mount_programs, with more of everything: kills under sqlite3, bytes of fio, changes of the tree, until the time is over.
# test: suite=torture timeout=3600
set -eu
. "$PF_SOURCE_DIR/tests/lib/cli.sh"
. "$PF_SOURCE_DIR/tests/lib/mount.sh"
. "$PF_SOURCE_DIR/tests/lib/mount_programs.sh"

end=$(($(date +%s) + ${PF_TEST_SECONDS:-5}))
expect 0 mkfs "$p" --size 1G
mounts "$p" "$m"
programs_git
programs_build
programs_copies
while :; do
	programs_fio 64m
	programs_churn 2000
	programs_sqlite 10
	[ "$(date +%s)" -lt "$end" ] || break
done
unmounts
expect 0 fsck "$p"
