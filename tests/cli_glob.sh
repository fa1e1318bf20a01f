#!/bin/sh
# Patterns in pool paths match what bash matches on the same tree on the host, in the same order: a table, and patterns and names by chance.
# Each command takes them as its kind of operand; what is no match, not to be read, or gone in between is told, or passed over.
# test: suite=short timeout=60
set -eu
. "$PF_SOURCE_DIR/tests/lib/cli.sh"
if ! command -v bash >/dev/null; then
	echo "skip: no bash to compare with"
	exit 77
fi
p=$dir/p
h=$dir/h
expect 0 mkfs "$p" --size 64M --inodes 3000

patterns()
{
	python3 "$PF_SOURCE_DIR/tests/glob_patterns.py" bash "$PINFOLD" "$p" "$h" "$@" || fail "patterns $*"
}

# ---- by chance
mkdir "$h"
patterns tree
expect 0 cp -a "$h/." "$p:/"
patterns random 1.5
