#!/bin/sh
# Programs that know nothing of pools work on a mount: git, a build, copies by cp, tar and rsync, sqlite3 whose mount is killed, fio, eight processes that change a tree.
# test: suite=long timeout=120
set -eu
. "$PF_SOURCE_DIR/tests/lib/cli.sh"
. "$PF_SOURCE_DIR/tests/lib/mount.sh"
. "$PF_SOURCE_DIR/tests/lib/mount_programs.sh"

expect 0 mkfs "$p" --size 512M
mounts "$p" "$m"
programs_git
programs_build
programs_copies
programs_fio 4m
programs_churn 300
programs_sqlite 3 0.5
unmounts
expect 0 fsck "$p"
