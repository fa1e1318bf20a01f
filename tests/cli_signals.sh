#!/bin/sh
# Signals: a reader of the output that goes away ends a command silently; a killed holder is shown as dead until somebody reaps, which is said.
# test: suite=short timeout=60
set -eu
. "$PF_SOURCE_DIR/tests/lib/cli.sh"
p=$dir/p
expect 0 mkfs "$p" --size 32M
head -c 4M /dev/zero | tr '\0' x >"$dir/file"
expect 0 cp "$dir/file" "$p:/"

# cat FILE | head
{
	code=0
	"$PINFOLD" cat "$p:/file" 2>"$dir/err" || code=$?
	echo $code >"$dir/code"
} | head -c 1 >"$dir/out"
[ "$(cat "$dir/code")" = 141 ] || fail "cat into a closed pipe: $(cat "$dir/code")"
[ ! -s "$dir/err" ] || fail "a message"

# The looker that keeps the pool open is stopped: it does not reap, and who does not either.
holds "$p:/file" --map
looker=$holder
kill -STOP "$looker"
holds "$p:/file" --longterm
expect 0 rm "$p:/file"
kill -9 "$holder"
ends "$holder" 137
expect 0 who "$p"
says "^ *$holder .*\(dead, not yet reaped\)$"
says "^'pinfold reap $p' gives back what the dead held"
expect 0 reap "$p"
says '^reaped [01] killed process' # closing the pool reaps, too
expect 0 who "$p"
! grep -q 'dead\|reap' "$dir/out" || fail "still dead"
kill -CONT "$looker"
kill -TERM "$looker"
ends "$looker" 0
expect 0 fsck "$p"
