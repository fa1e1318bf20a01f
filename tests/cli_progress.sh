#!/bin/sh
# A long copy says on a terminal how far it is, in every direction: never wider than the terminal, gone at the end, on errors and interruptions; otherwise it says nothing.
# test: suite=short timeout=60
set -eu
. "$PF_SOURCE_DIR/tests/lib/cli.sh"
expect 0 mkfs "$dir/p" --size 128M
expect 0 mkfs "$dir/p2" --size 32M
disk=$(mktemp -d ./cli_progress.XXXXXX) # on a disk, if the build is
trap 'rm -rf "$disk"; clean_up' EXIT
head -c 24M /dev/urandom >"$disk/big"
mkdir "$disk/tree"
head -c 1250000 "$disk/big" >"$disk/tree/1"
for name in 2 3 4; do
	echo $name >"$disk/tree/$name"
done
mkfifo "$disk/pipe"
python3 "$PF_SOURCE_DIR/tests/cli_progress.py" "$PINFOLD" "$dir/p" "$disk" || fail "see above"
expect 0 fsck "$dir/p"
